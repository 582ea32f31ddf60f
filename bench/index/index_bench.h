#pragma once

/* What the primary index is compared with. Every structure answers the same question over the same
 * sorted array: how many of the keys are below the wanted one. */

#include <stddef.h>
#include <stdint.h>

/* Memory in huge pages where the system has them: both sides get it. */
void *bench_pages(size_t size);
void bench_pages_free(void *memory, size_t size);

struct keys {
    uint64_t *keys;
    size_t count;
};

/* A peer: built once, asked in every way. A batch may be answered in any order inside. */
struct peer {
    const char *name;
    void *(*build)(const struct keys *keys);
    void (*free)(void *self);
    size_t (*size_bytes)(const void *self); /* Beside the sorted array. */
    uint64_t (*locate)(const void *self, uint64_t key);
    void (*locate_batch)(const void *self, const uint64_t *wanted, size_t count, uint64_t *out);
};

extern const struct peer peer_pkindex;
extern const struct peer peer_binary_search;
extern const struct peer peer_simd_tree;
extern const struct peer peer_hash_table;
