#include "base/map.h"

#include "base/assert.h"
#include "base/hash.h"

#define CAPACITY_MIN ((size_t)16)

void map_init(struct map *map, const struct alloc *alloc)
{
    *map = (struct map){.alloc = alloc};
}

void map_deinit(struct map *map)
{
    alloc_free(map->alloc, map->slots, map->capacity, sizeof *map->slots);
    alloc_free(map->alloc, map->used, map->capacity, 1);
    *map = (struct map){.alloc = map->alloc};
}

/* The slot that holds `key`, or the free one where it would go. */
static size_t find_slot(const struct map *map, uint64_t key)
{
    size_t at = (size_t)hash_u64(key) & (map->capacity - 1);
    while (map->used[at] && map->slots[at].key != key) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

uint64_t *map_get(const struct map *map, uint64_t key)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t at = find_slot(map, key);
    return map->used[at] ? &map->slots[at].value : NULL;
}

static bool rehash(struct map *map, size_t capacity)
{
    struct map fresh = {.capacity = capacity, .count = map->count, .alloc = map->alloc};
    fresh.slots = alloc_array(map->alloc, capacity, sizeof *fresh.slots);
    fresh.used = alloc_array(map->alloc, capacity, 1);
    if (fresh.slots == NULL || fresh.used == NULL) {
        map_deinit(&fresh);
        return false;
    }
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->used[i]) {
            size_t at = find_slot(&fresh, map->slots[i].key);
            fresh.slots[at] = map->slots[i];
            fresh.used[at] = 1;
        }
    }
    map_deinit(map);
    *map = fresh;
    return true;
}

bool map_reserve(struct map *map, size_t count)
{
    size_t wanted = 0;
    if (__builtin_add_overflow(map->count, count, &wanted)) {
        return false;
    }
    size_t capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity;
    while (wanted > capacity - capacity / 8) {
        if (capacity > SIZE_MAX / 2) {
            return false;
        }
        capacity *= 2;
    }
    return capacity == map->capacity || rehash(map, capacity);
}

bool map_put(struct map *map, uint64_t key, uint64_t value)
{
    uint64_t *present = map_get(map, key);
    if (present != NULL) {
        *present = value;
        return true;
    }
    if (!map_reserve(map, 1)) {
        return false;
    }
    size_t at = find_slot(map, key);
    map->slots[at] = (struct map_slot){.key = key, .value = value};
    map->used[at] = 1;
    map->count++;
    return true;
}

bool map_remove(struct map *map, uint64_t key)
{
    if (map->count == 0) {
        return false;
    }
    size_t hole = find_slot(map, key);
    if (!map->used[hole]) {
        return false;
    }
    // Close the gap: move back every later entry of the run that may stand in the hole.
    size_t mask = map->capacity - 1;
    for (size_t at = (hole + 1) & mask; map->used[at]; at = (at + 1) & mask) {
        size_t home = (size_t)hash_u64(map->slots[at].key) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->used[hole] = 0;
    map->count--;
    return true;
}

bool map_next(const struct map *map, size_t *cursor, uint64_t *key_out, uint64_t *value_out)
{
    for (; *cursor < map->capacity; (*cursor)++) {
        if (map->used[*cursor]) {
            *key_out = map->slots[*cursor].key;
            *value_out = map->slots[*cursor].value;
            (*cursor)++;
            return true;
        }
    }
    return false;
}
