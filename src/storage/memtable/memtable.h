#pragma once

/*
 * memtable: the newest committed rows of one shard, in memory, columnar, ordered by key.
 *
 * Rows are appended to chunks of 2,048 in column layout and never move; each has a hidden begin
 * timestamp and an end timestamp (UINT64_MAX while it is the newest version). An ordered index
 * leads from a normalised key to its newest row; older versions hang off the newer one. All rows
 * have one schema: when it changes, the shard freezes the memtable and begins another.
 *
 * Threads: one writer at a time (the commit latch); any number of readers at once with it, without
 * locks. A reader sees every row whose put happened before it read `visible_ts` (S4), completely.
 * Memory is only given back by memtable_destroy(), which nobody may race with (epochs, reference
 * counts of the shard's versions).
 */

#include "base/alloc.h"
#include "types/column.h"
#include "types/schema.h"

#define MEMTABLE_CHUNK_ROW_COUNT 2048u
#define MEMTABLE_ROW_NONE        UINT32_MAX
#define MEMTABLE_ROW_COUNT_MAX   (UINT32_MAX - 1)
#define TIMESTAMP_OPEN           UINT64_MAX /* The end of a row nobody ended. */

struct memtable;

/* `schema` must outlive the memtable. */
TDBPLUS_CHECKED tdbplus_status memtable_create(const struct schema *schema,
                                               const struct alloc *alloc,
                                               struct memtable **memtable_out, struct err *err);
void memtable_destroy(struct memtable *memtable);

/* ---- writing: under the commit latch ---- */

/*
 * Makes sure that `row_count` puts whose keys and variable-size values together have at most
 * `byte_count` bytes cannot fail. Called before the log position is reserved.
 * Reservations do not add up: the last one counts, from where the memtable then stands.
 * TDBPLUS_E_NOMEM, or TDBPLUS_E_LIMIT past MEMTABLE_ROW_COUNT_MAX; readers notice neither.
 */
TDBPLUS_CHECKED tdbplus_status memtable_reserve(struct memtable *memtable, uint32_t row_count,
                                                size_t byte_count, struct err *err);

/*
 * Appends a row that begins at `timestamp`; copies key and values. If the key's newest version is
 * still open, ends it at `timestamp` and sets *ended_out (may be NULL). `code` is key_code(key).
 * Returns the new row's number. Rows of one key come with growing timestamps; two versions of the
 * same timestamp are allowed (the older is then never visible). Never fails: see
 * memtable_reserve().
 */
uint32_t memtable_put(struct memtable *memtable, struct span key, uint64_t code,
                      const struct datum *values, uint64_t timestamp, bool *ended_out);

/* Ends the key's newest version at `timestamp` if it is open; false if there is none. Never fails.
 */
bool memtable_end(struct memtable *memtable, struct span key, uint64_t code, uint64_t timestamp);

/*
 * A put in two steps, for who has many rows before anyone reads (recovery): rows are appended as
 * they come, and later, sorted, linked to their keys one beside the other. Until a row is linked
 * only its number leads to it; rows of one key are linked in the order in which they were appended.
 * Each step has a reserve of its own, as memtable_reserve() is for puts.
 */
TDBPLUS_CHECKED tdbplus_status memtable_reserve_rows(struct memtable *memtable, uint32_t row_count,
                                                     size_t byte_count, struct err *err);
uint32_t memtable_append(struct memtable *memtable, struct span key, uint64_t code,
                         const struct datum *values, uint64_t timestamp);

/* By what keys are sorted, up to their sixteenth byte: the first eight, as key_code() has them, and
 * the next eight (0 if the memtable's keys are integers); and their hash. */
struct memtable_order {
    uint64_t code;
    uint64_t tail;
    uint32_t hash;
};

struct memtable_order memtable_order_of(const struct memtable *memtable, struct span key,
                                        uint64_t code);

/* Comes before the rows appended so far are linked, all of them, with no put between. */
TDBPLUS_CHECKED tdbplus_status memtable_links_begin(struct memtable *memtable, struct err *err);
TDBPLUS_CHECKED tdbplus_status memtable_reserve_links(struct memtable *memtable, uint32_t row_count,
                                                      struct err *err);
/* Asks for the memory that a link will change first; some rows ahead. */
void memtable_link_prefetch(const struct memtable *memtable, struct memtable_order order);
/* True if that ended an older version, as in memtable_put(). */
bool memtable_link(struct memtable *memtable, uint32_t row, struct memtable_order order);

/* Gives back what was reserved and not used; for a memtable that gets no more rows. */
void memtable_trim(struct memtable *memtable);

/* ---- reading: any time ---- */

/* The version of `key` visible at `snapshot` (begin <= snapshot < end), or MEMTABLE_ROW_NONE. */
uint32_t memtable_find(const struct memtable *memtable, struct span key, uint64_t code,
                       uint64_t snapshot);

/* The same for many keys, in any order, with their memory accesses overlapped: more than
 * twice as fast when the memtable is larger than the cache. `code` is key_code(key). */
struct memtable_key {
    struct span key;
    uint64_t code;
};

void memtable_find_batch(const struct memtable *memtable, const struct memtable_key *keys,
                         uint32_t count, uint64_t snapshot, uint32_t *rows_out);

/* Asks for the memory that a look for the key reads first. */
void memtable_find_prefetch(const struct memtable *memtable, const struct memtable_key *key);

/* The newest version of `key`, ended or not, or MEMTABLE_ROW_NONE. */
uint32_t memtable_newest(const struct memtable *memtable, struct span key, uint64_t code);

/* Brings what a put of the key will change into the cache. Call it some keys ahead (8 is good) when
 * many keys are known; any time, from any thread. For lookups memtable_find_batch() does better. */
void memtable_put_prefetch(const struct memtable *memtable, const struct memtable_key *key);

/* The same where a walk from `code` on will begin. */
void memtable_walk_prefetch(const struct memtable *memtable, uint64_t code);

/* The version of `newest`'s key that is visible at `snapshot`, or MEMTABLE_ROW_NONE; `newest` is
 * what memtable_newest() or a cursor returned after the snapshot was taken. */
uint32_t memtable_visible(const struct memtable *memtable, uint32_t newest, uint64_t snapshot);

/* The next older version of the same key, or MEMTABLE_ROW_NONE. */
uint32_t memtable_older(const struct memtable *memtable, uint32_t row);

uint64_t memtable_begin(const struct memtable *memtable, uint32_t row);
uint64_t memtable_end_of(const struct memtable *memtable, uint32_t row);

/* The row's key; valid as long as the memtable. Integer keys are written to `scratch`. */
struct span memtable_key(const struct memtable *memtable, uint32_t row, uint8_t scratch[8]);

/* One value; bytes borrowed from the memtable. `position` is one of the schema's columns. */
void memtable_value(const struct memtable *memtable, uint32_t row, uint32_t position,
                    struct datum *datum_out);

/* Bring a row's values at `positions` into the cache, and then, once those are there, the bytes
 * they point to: for coming calls of memtable_value() or memtable_gather(), some rows ahead. */
void memtable_values_prefetch(const struct memtable *memtable, uint32_t row,
                              const uint32_t *positions, uint32_t position_count);
void memtable_bytes_prefetch(const struct memtable *memtable, uint32_t row,
                             const uint32_t *positions, uint32_t position_count);

/* The bytes of a text or bytea column's rows, borrowed; nulls have no data. Asks for the memory of
 * all of them. */
void memtable_spans(const struct memtable *memtable, const uint64_t *rows, uint32_t row_count,
                    uint32_t position, struct span *spans_out);

/* Rows appended so far; all below are complete for readers as described above. */
uint32_t memtable_row_count(const struct memtable *memtable);
size_t memtable_size_bytes(const struct memtable *memtable); /* Memory held. */
const struct schema *memtable_schema(const struct memtable *memtable);

/*
 * Fills `batch` with the chunk that starts at row `first_row` (a multiple of 2,048): the columns at
 * `positions`, zero-copy where the layout allows, and a selection of the rows visible at `snapshot`
 * (none when all are). `batch` is empty (row_count 0) past the end. The memory is the memtable's,
 * the rest the batch's arena's, which is not reset here. TDBPLUS_E_NOMEM.
 */
TDBPLUS_CHECKED tdbplus_status memtable_scan_chunk(const struct memtable *memtable,
                                                   uint32_t first_row, uint64_t snapshot,
                                                   const uint32_t *positions,
                                                   uint32_t position_count, struct batch *batch,
                                                   struct err *err);

/* Copies the listed rows' columns at `positions` into flat columns of the batch's arena; views
 * point into the memtable. */
TDBPLUS_CHECKED tdbplus_status memtable_gather(const struct memtable *memtable,
                                               const uint32_t *rows, uint32_t row_count,
                                               const uint32_t *positions, uint32_t position_count,
                                               struct batch *batch, struct err *err);

/*
 * Walks keys in order. A cursor is a value without memory of its own, and holds the rows of one
 * leaf at a time. It stays valid while rows are added (it may or may not see those); to see all
 * rows of a snapshot, take the snapshot before the seek. After memtable_cursor_seek() go on with
 * _next() only, after memtable_cursor_seek_last() with _previous() only.
 */
#define MEMTABLE_CURSOR_ROW_COUNT 64u

struct memtable_entries {
    uint32_t rows[MEMTABLE_CURSOR_ROW_COUNT];
    uint64_t codes[MEMTABLE_CURSOR_ROW_COUNT]; /* key_code() of their keys. */
};

struct memtable_cursor {
    const struct memtable *memtable;
    const void *leaf; /* Owned by memtable_scan.c: where to go on. */
    uint32_t at;
    uint32_t count;
    bool skips_stamps;
    struct memtable_entries entries;
};

/* Goes to the first key >= `key` (all keys when `key.data` is NULL). */
void memtable_cursor_seek(struct memtable_cursor *cursor, const struct memtable *memtable,
                          struct span key);

/* The same for who asks memtable_visible() about each row: stamps are not fetched ahead. */
void memtable_cursor_seek_visible(struct memtable_cursor *cursor, const struct memtable *memtable,
                                  struct span key);

/* Goes to the last key <= `key` (the last of all when `key.data` is NULL), for descending walks. */
void memtable_cursor_seek_last(struct memtable_cursor *cursor, const struct memtable *memtable,
                               struct span key);

/* The newest version's row of the key under the cursor, then moves on (to the next key, or the
 * previous one); MEMTABLE_ROW_NONE at the end. */
uint32_t memtable_cursor_next(struct memtable_cursor *cursor);
uint32_t memtable_cursor_previous(struct memtable_cursor *cursor);

/* key_code() of the key that the last call returned a row of; an integer key's says all of it. */
static inline uint64_t memtable_cursor_next_code(const struct memtable_cursor *cursor)
{
    return cursor->entries.codes[cursor->at - 1];
}

static inline uint64_t memtable_cursor_previous_code(const struct memtable_cursor *cursor)
{
    return cursor->entries.codes[cursor->at];
}
