#include <string.h>

#include "base/assert.h"
#include "storage/memtable/memtable_internal.h"

/*
 * Which keys the memtable may hold. Most keys that are looked for lie in segments, and a search of
 * the tree for what is not there costs as much as one for what is: three or four nodes, two of
 * which are not in any cache. Here it is one word.
 *
 * A word has four bits of each of its keys. A filter for more keys takes the place of one that is
 * full; the old one stays, because readers may be in it, and lacks only rows that came after it:
 * who may see those found the new one (K11).
 */

#define FILTER_ROW_COUNT_MIN 4096u /* Of fewer rows the tree is small enough. */
#define FILTER_GROWTH        4u
#define FILTER_WORD_KEYS     4u
#define GOLDEN               0x9E3779B97F4A7C15u
#define SILVER               0xD6E8FEB86659FD93u

struct key_filter {
    struct key_filter *replaced;
    uint32_t row_capacity;
    uint32_t shift; /* The top bits of a hash are its word's number. */
    size_t size;    /* Bytes of the whole block. */
    _Atomic uint64_t words[];
};

/* Keys that agree in their first sixteen bytes are one key here. */
static uint64_t hash_probe(const struct probe *probe)
{
    uint64_t hash = (probe->code ^ probe->tail * SILVER) * GOLDEN;
    return (hash ^ hash >> 32) * SILVER;
}

static uint64_t bits_of(uint64_t hash)
{
    return (uint64_t)1 << (hash & 63) | (uint64_t)1 << (hash >> 6 & 63) |
           (uint64_t)1 << (hash >> 12 & 63) | (uint64_t)1 << (hash >> 18 & 63);
}

static void add_hash(struct key_filter *filter, uint64_t hash)
{
    _Atomic uint64_t *word = &filter->words[hash >> filter->shift];
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, bits | bits_of(hash), memory_order_release);
}

/* Fills a new filter with the rows that are there. */
static void add_rows(const struct memtable *memtable, struct key_filter *filter)
{
    uint32_t count = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    for (uint32_t row = 0; row < count; row++) {
        uint8_t scratch[sizeof(uint64_t)];
        struct span key = memtable_key(memtable, row, scratch);
        const struct probe probe = probe_of(memtable, key, key_code(key));
        add_hash(filter, hash_probe(&probe));
    }
}

bool filter_reserve(struct memtable *memtable, uint32_t row_count)
{
    struct key_filter *old = atomic_load_explicit(&memtable->filter, memory_order_relaxed);
    uint64_t wanted =
        (uint64_t)atomic_load_explicit(&memtable->row_count, memory_order_relaxed) + row_count;
    uint64_t capacity = old == NULL ? FILTER_ROW_COUNT_MIN : old->row_capacity;
    if (wanted <= capacity) {
        return true;
    }
    while (capacity < wanted) {
        capacity *= FILTER_GROWTH;
    }
    uint64_t word_count = capacity / FILTER_WORD_KEYS; // A power of two, as the first capacity is.
    size_t size = sizeof *old + (size_t)word_count * sizeof old->words[0];
    struct key_filter *fresh = alloc_array(memtable->alloc, size, 1);
    if (fresh == NULL) {
        return false;
    }
    fresh->replaced = old;
    fresh->row_capacity = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX;
    fresh->shift = 64 - (uint32_t)__builtin_ctzll(word_count);
    fresh->size = size;
    add_rows(memtable, fresh);
    memtable->blocks_bytes += size;
    atomic_store_explicit(&memtable->filter, fresh, memory_order_release);
    return true;
}

void filter_add(struct memtable *memtable, const struct probe *probe)
{
    struct key_filter *filter = atomic_load_explicit(&memtable->filter, memory_order_relaxed);
    if (filter != NULL) {
        add_hash(filter, hash_probe(probe));
    }
}

bool filter_may_contain(const struct memtable *memtable, const struct probe *probe)
{
    const struct key_filter *filter = atomic_load_explicit(&memtable->filter, memory_order_acquire);
    if (filter == NULL) {
        return true;
    }
    uint64_t hash = hash_probe(probe);
    uint64_t bits = bits_of(hash);
    return (atomic_load_explicit(&filter->words[hash >> filter->shift], memory_order_acquire) &
            bits) == bits;
}

void filter_prefetch(const struct memtable *memtable, const struct probe *probe)
{
    const struct key_filter *filter = atomic_load_explicit(&memtable->filter, memory_order_acquire);
    if (filter != NULL) {
        __builtin_prefetch(&filter->words[hash_probe(probe) >> filter->shift]);
    }
}

void filter_deinit(struct memtable *memtable)
{
    struct key_filter *filter = atomic_load_explicit(&memtable->filter, memory_order_relaxed);
    while (filter != NULL) {
        struct key_filter *replaced = filter->replaced;
        alloc_free(memtable->alloc, filter, filter->size, 1);
        filter = replaced;
    }
}
