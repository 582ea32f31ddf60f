#pragma once

/*
 * delete map: which rows of one immutable segment have ended, and when.
 *
 * Recent ends carry their commit timestamp, because older snapshots still see the row; once no
 * snapshot can, only the fact remains, as one bit.
 *
 * Per group of 65,536 rows: a bitmap of ended rows, and for the recent ones a small hash table row
 * -> timestamp, or, where many ended at once, a bitmap of those with their timestamp. A row whose
 * bit is set and that is in neither is invisible to everybody.
 *
 * Threads: one writer at a time (the commit latch) for mark, forget and load; any number of readers
 * at once with it. Memory that readers may still look at goes through the epoch.
 */

#include "base/buffer.h"
#include "base/epoch.h"
#include "base/err.h"

#define DELETE_MAP_GROUP_ROW_COUNT 65536u

struct delete_map;

TDBPLUS_CHECKED tdbplus_status delete_map_create(uint64_t row_count, const struct alloc *alloc,
                                                 struct epoch *epoch, struct delete_map **map_out,
                                                 struct err *err);
void delete_map_destroy(struct delete_map *map);

/* Makes sure that `count` marks anywhere cannot fail (TDBPLUS_E_NOMEM). `rows` lists which. */
TDBPLUS_CHECKED tdbplus_status delete_map_reserve(struct delete_map *map, const uint64_t *rows,
                                                  size_t count, struct err *err);

/* Ends `row` at `timestamp`; false if it had ended before (nothing changes). Never fails after a
 * reserve. */
bool delete_map_mark(struct delete_map *map, uint64_t row, uint64_t timestamp);

/* The same for ending all of the rows [first, end) at once, `number` times, and that: returns how
 * many had not ended before. A range costs a bit a row while its timestamp is kept. */
TDBPLUS_CHECKED tdbplus_status delete_map_reserve_range(struct delete_map *map, uint64_t first,
                                                        uint64_t end, uint32_t number,
                                                        struct err *err);
uint64_t delete_map_mark_range(struct delete_map *map, uint64_t first, uint64_t end,
                               uint64_t timestamp);

/* When `row` ended: UINT64_MAX if it did not, 0 if before anything a snapshot can see. */
uint64_t delete_map_end_of(const struct delete_map *map, uint64_t row);

/* True when the row is visible at `snapshot`: it ended after it, or not at all. */
bool delete_map_visible(const struct delete_map *map, uint64_t row, uint64_t snapshot);

/*
 * For `row_count` <= 2,048 rows from `first_row` (within one group): writes the offsets of visible
 * rows in ascending order and returns how many. When all are visible returns row_count and leaves
 * `offsets_out` untouched: the common case costs a look at a few words.
 */
uint32_t delete_map_select(const struct delete_map *map, uint64_t first_row, uint32_t row_count,
                           uint64_t snapshot, uint16_t *offsets_out);

/* Rows ended so far, and those whose timestamp is still kept. */
uint64_t delete_map_count(const struct delete_map *map);

/* Asks for the memory that tells whether the row has ended. */
void delete_map_prefetch(const struct delete_map *map, uint64_t row);
uint64_t delete_map_recent_count(const struct delete_map *map);

/* Drops the timestamps at or below `horizon`: no snapshot below it exists any more (the caller has
 * waited for readers that might have had one) and the ends are durable. */
void delete_map_forget(struct delete_map *map, uint64_t horizon);

/* Serialises the rows that ended at or below `timestamp`, as facts (Roaring containers, checksummed
 * by the caller), and loads them into an empty map (TDBPLUS_E_CORRUPT on nonsense). */
void delete_map_encode(const struct delete_map *map, uint64_t timestamp, struct buffer *buffer);
TDBPLUS_CHECKED tdbplus_status delete_map_load(struct delete_map *map, struct span encoded,
                                               struct err *err);

/* Walks ended rows in ascending order from *row_inout; false at the end. Writer's side only. */
bool delete_map_next(const struct delete_map *map, uint64_t *row_inout, uint64_t *timestamp_out);
