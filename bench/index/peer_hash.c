/* Open addressing with linear probing, at most five slots in eight used, key and position side by
 * side: one cache line a probe. It knows only keys that are there, and no order. A batch fetches 64
 * slots into the second cache, the fastest of the same choices as for the tree. */

#include "index_bench.h"

#include <stdlib.h>
#include <string.h>

#define STREAMS 64

struct slot {
    uint64_t key;
    uint64_t position_1; /* Position + 1; 0 when the slot is free. */
};

struct table {
    struct slot *slots;
    size_t size;
    uint64_t slot_count;
};

__extension__ typedef unsigned __int128 wide;

static inline uint64_t home(const struct table *table, uint64_t key)
{
    uint64_t mixed = key * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93u;
    return (uint64_t)(((wide)mixed * table->slot_count) >> 64);
}

static void *build(const struct keys *keys)
{
    struct table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return NULL;
    }
    table->slot_count = keys->count * 8 / 5 + 16;
    table->size = (table->slot_count + 1) * sizeof *table->slots;
    table->slots = bench_pages(table->size);
    uint64_t ahead = 32;
    for (size_t i = 0; i < keys->count; i++) {
        if (i + ahead < keys->count) {
            __builtin_prefetch(&table->slots[home(table, keys->keys[i + ahead])], 1);
        }
        uint64_t at = home(table, keys->keys[i]);
        while (table->slots[at].position_1 != 0) {
            at = at + 1 == table->slot_count ? 0 : at + 1;
        }
        table->slots[at] = (struct slot){.key = keys->keys[i], .position_1 = i + 1};
    }
    return table;
}

static void table_free(void *self)
{
    struct table *table = self;
    bench_pages_free(table->slots, table->size);
    free(table);
}

static size_t size_bytes(const void *self)
{
    return ((const struct table *)self)->size;
}

static inline uint64_t probe(const struct table *table, uint64_t at, uint64_t key)
{
    while (table->slots[at].key != key && table->slots[at].position_1 != 0) {
        at = at + 1 == table->slot_count ? 0 : at + 1;
    }
    return table->slots[at].position_1 - 1;
}

static uint64_t locate(const void *self, uint64_t key)
{
    return probe(self, home(self, key), key);
}

static void locate_batch(const void *self, const uint64_t *wanted, size_t count, uint64_t *out)
{
    const struct table *table = self;
    for (size_t i = 0; i < count; i += STREAMS) {
        size_t here = count - i < STREAMS ? count - i : STREAMS;
        uint64_t at[STREAMS];
        for (size_t k = 0; k < here; k++) {
            at[k] = home(table, wanted[i + k]);
            __builtin_prefetch(&table->slots[at[k]], 0, 2);
        }
        for (size_t k = 0; k < here; k++) {
            out[i + k] = probe(table, at[k], wanted[i + k]);
        }
    }
}

const struct peer peer_hash_table = {
    .name = "hash table",
    .build = build,
    .free = table_free,
    .size_bytes = size_bytes,
    .locate = locate,
    .locate_batch = locate_batch,
};
