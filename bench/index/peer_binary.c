/* Binary search without branches, the halves prefetched. A batch walks 64 searches in step and
 * fetches into the second cache: of 16, 32 and 64, into the first or the second, the fastest. */

#include "index_bench.h"

#include <stdlib.h>

#define STREAMS 64

static void *build(const struct keys *keys)
{
    struct keys *self = malloc(sizeof *self);
    if (self != NULL) {
        *self = *keys;
    }
    return self;
}

static size_t size_bytes(const void *self)
{
    (void)self;
    return 0;
}

static uint64_t locate(const void *self, uint64_t key)
{
    const struct keys *keys = self;
    const uint64_t *base = keys->keys;
    size_t count = keys->count;
    while (count > 1) {
        size_t half = count / 2;
        __builtin_prefetch(&base[half / 2]);
        __builtin_prefetch(&base[half + half / 2]);
        base += half * (base[half - 1] < key);
        count -= half;
    }
    return (uint64_t)(base - keys->keys) + (count > 0 && *base < key);
}

static void locate_batch(const void *self, const uint64_t *wanted, size_t count, uint64_t *out)
{
    const struct keys *keys = self;
    for (size_t i = 0; i < count; i += STREAMS) {
        size_t here = count - i < STREAMS ? count - i : STREAMS;
        const uint64_t *base[STREAMS];
        for (size_t k = 0; k < STREAMS; k++) {
            base[k] = keys->keys;
        }
        for (size_t left = keys->count; left > 1; left -= left / 2) {
            size_t half = left / 2;
            size_t next = (left - half) / 2;
            for (size_t k = 0; k < here; k++) {
                base[k] += half * (base[k][half - 1] < wanted[i + k]);
                __builtin_prefetch(&base[k][next > 0 ? next - 1 : 0], 0, 2);
            }
        }
        for (size_t k = 0; k < here; k++) {
            out[i + k] = (uint64_t)(base[k] - keys->keys) + (*base[k] < wanted[i + k]);
        }
    }
}

const struct peer peer_binary_search = {
    .name = "binary search",
    .build = build,
    .free = free,
    .size_bytes = size_bytes,
    .locate = locate,
    .locate_batch = locate_batch,
};
