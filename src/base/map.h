#pragma once

#include <stdbool.h>

#include "base/alloc.h"

/*
 * Hash map from 64-bit keys to 64-bit values (pointers, ids, counts). Open addressing with linear
 * probing, at most 7/8 full. Keys may be any value. A zeroed map with `alloc` set is ready.
 * Threads: one at a time. For keys that are bytes, hash them and keep the bytes with the value.
 */
struct map {
    struct map_slot *slots;
    uint8_t *used;
    size_t capacity; /* A power of two, or 0. */
    size_t count;
    const struct alloc *alloc;
};

struct map_slot {
    uint64_t key;
    uint64_t value;
};

void map_init(struct map *map, const struct alloc *alloc);
void map_deinit(struct map *map);

/* Returns where the value of `key` lies, or NULL. Valid until the next put or remove. */
uint64_t *map_get(const struct map *map, uint64_t key);

/* Sets the value of `key`; false when memory is out, and then nothing changed. */
bool map_put(struct map *map, uint64_t key, uint64_t value);

/* Makes room, so that `count` more keys can be put without memory. */
bool map_reserve(struct map *map, size_t count);

/* Removes `key`; false when it was not there. Never allocates. */
bool map_remove(struct map *map, uint64_t key);

/* Walks all entries in no particular order: start with *cursor 0; false at the end. No changes
 * meanwhile. */
bool map_next(const struct map *map, size_t *cursor, uint64_t *key_out, uint64_t *value_out);
