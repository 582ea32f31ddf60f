#include "base/alloc.h"

#include <string.h>

#include "base/assert.h"

void *alloc_raw(const struct alloc *alloc, size_t size)
{
    ASSERT(size > 0);
    return alloc->resize(alloc->ctx, NULL, 0, size, 0);
}

void *alloc_array(const struct alloc *alloc, size_t count, size_t item_size)
{
    ASSERT(count > 0);
    ASSERT(item_size > 0);
    size_t size = 0;
    if (__builtin_mul_overflow(count, item_size, &size)) {
        return NULL;
    }
    void *ptr = alloc_raw(alloc, size);
    if (ptr != NULL) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void *alloc_resize(const struct alloc *alloc, void *ptr, size_t count_old, size_t count_new,
                   size_t item_size)
{
    ASSERT(count_new > 0);
    size_t size_new = 0;
    if (__builtin_mul_overflow(count_new, item_size, &size_new)) {
        return NULL;
    }
    return alloc->resize(alloc->ctx, ptr, count_old * item_size, size_new, 0);
}

void alloc_free(const struct alloc *alloc, void *ptr, size_t count, size_t item_size)
{
    if (ptr != NULL) {
        (void)alloc->resize(alloc->ctx, ptr, count * item_size, 0, 0);
    }
}

void *alloc_aligned(const struct alloc *alloc, size_t size)
{
    ASSERT(size > 0);
    return alloc->resize(alloc->ctx, NULL, 0, size, ALLOC_ALIGN_ARROW);
}

void alloc_free_aligned(const struct alloc *alloc, void *ptr, size_t size)
{
    if (ptr != NULL) {
        (void)alloc->resize(alloc->ctx, ptr, size, 0, ALLOC_ALIGN_ARROW);
    }
}

void bytes_deinit(struct bytes *bytes)
{
    alloc_free(bytes->alloc, bytes->data, bytes->size, 1);
    *bytes = (struct bytes){0};
}

struct span span_from_text(const char *text)
{
    return (struct span){.data = (const uint8_t *)text, .size = strlen(text)};
}

int span_compare(struct span left, struct span right)
{
    size_t shared = left.size < right.size ? left.size : right.size;
    int order = shared == 0 ? 0 : memcmp(left.data, right.data, shared);
    if (order != 0) {
        return order;
    }
    return (left.size > right.size) - (left.size < right.size);
}
