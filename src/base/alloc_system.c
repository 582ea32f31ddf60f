/* The one shim around the C library's allocator (listed in tools/lint/tidy.py). */

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define ALIGN_DEFAULT 16u

static void *resize_aligned(void *ptr, size_t size_old, size_t size_new, size_t align)
{
    void *fresh = NULL;
    if (posix_memalign(&fresh, align, size_new) != 0) {
        return NULL;
    }
    if (ptr != NULL) {
        memcpy(fresh, ptr, size_old < size_new ? size_old : size_new);
        free(ptr);
    }
    return fresh;
}

static void *system_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    (void)ctx;
    if (size_new == 0) {
        free(ptr);
        return NULL;
    }
    if (align > ALIGN_DEFAULT) {
        return resize_aligned(ptr, size_old, size_new, align);
    }
    return realloc(ptr, size_new);
}

const struct alloc alloc_system = {.resize = system_resize, .ctx = NULL};
