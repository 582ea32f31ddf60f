#include "fuzz.h"

#include "base/assert.h"

static void *fault_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct fault_alloc *fault = ctx;
    if (size_new > 0 && atomic_fetch_add(&fault->calls, 1) == fault->fail_at) {
        return NULL;
    }
    void *fresh = alloc_system.resize(alloc_system.ctx, ptr, size_old, size_new, align);
    if (fresh != NULL || size_new == 0) {
        atomic_fetch_add(&fault->live_bytes, size_new - size_old);
    }
    return fresh;
}

void fault_alloc_init(struct fault_alloc *fault, uint32_t fail_at)
{
    *fault =
        (struct fault_alloc){.alloc = {.resize = fault_resize, .ctx = fault}, .fail_at = fail_at};
}

struct bytes fuzz_copy(const struct alloc *alloc, struct span input)
{
    if (input.size == 0) {
        return (struct bytes){0};
    }
    uint8_t *data = alloc_array(alloc, input.size, 1);
    ASSERT(data != NULL);
    memcpy(data, input.data, input.size);
    return (struct bytes){.data = data, .size = input.size, .alloc = alloc};
}
