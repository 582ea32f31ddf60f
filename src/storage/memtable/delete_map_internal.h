#pragma once

/* What delete_map.c and delete_map_codec.c share. */

#include <stdatomic.h>

#include "storage/memtable/delete_map.h"

#define GROUP_WINDOW_ROW_COUNT 2048u
#define GROUP_WINDOW_COUNT     (DELETE_MAP_GROUP_ROW_COUNT / GROUP_WINDOW_ROW_COUNT)

/* One recent end. `row_plus_one` is written last and never changes while the table is in use. */
struct recent_slot {
    _Atomic uint64_t timestamp;
    _Atomic uint32_t row_plus_one; /* In the group; 0: free. */
};

/* Recent ends of a group: open addressing, at most 3/4 full. Replaced, not resized. */
struct recent_table {
    struct epoch_garbage garbage;
    const struct alloc *alloc;
    uint32_t capacity; /* A power of two. */
    uint32_t count;    /* Writer only. */
    struct recent_slot slots[];
};

/* Rows of a group that a range ended at one moment: none that had ended before. */
struct recent_range {
    struct epoch_garbage garbage;
    const struct alloc *alloc;
    _Atomic(struct recent_range *) next; /* Older. */
    uint64_t timestamp;
    uint32_t count;
    uint32_t word_count;
    uint64_t words[]; /* Do not change any more when the group has it. */
};

/* 65,536 rows, or what is left at the end. Made by the first mark; stays until the map goes. */
struct delete_group {
    _Atomic(struct recent_table *) recent; /* NULL: none. */
    _Atomic(struct recent_range *) ranges; /* Newest first. */
    struct recent_range *spare;            /* Writer: for the next ranges, by `next`. */
    _Atomic uint64_t end_max;              /* No timestamp of the group is above it. */
    uint32_t wanted;                       /* Writer, within a reserve: marks to come. */
    uint32_t word_count;
    _Atomic uint32_t window_counts[GROUP_WINDOW_COUNT]; /* Ended rows. */
    _Alignas(64) _Atomic uint64_t words[];              /* A bit per row: it ended. */
};

struct delete_map {
    const struct alloc *alloc;
    struct epoch *epoch;
    uint64_t row_count;
    uint32_t group_count;
    _Atomic uint64_t count;
    _Atomic uint64_t recent_count;
    _Atomic(struct delete_group *) groups[];
};

static inline struct delete_group *group_at(const struct delete_map *map, uint64_t number)
{
    return atomic_load_explicit(&map->groups[number], memory_order_acquire);
}

/* Makes sure that the group exists; NULL when memory is out. */
struct delete_group *delete_group_make(struct delete_map *map, uint64_t number);

/* Sets the bit of a row that ended before anything a snapshot can see. */
void delete_group_add_fact(struct delete_map *map, struct delete_group *group, uint32_t row);

/* When an ended row of the group ended; 0 when nobody needs to know any more. Writer's side. */
uint64_t delete_group_timestamp(const struct delete_group *group, uint32_t row);
