#pragma once

/*
 * segment: one immutable file of rows sorted by key.
 *
 * Layout: row groups of 2^k rows (k <= 16, the same for the whole segment, the last group may be
 * shorter); in each group every column is cut into pages of 2^s rows (6 <= s <= 11, per column and
 * group, so that a page stays within 64 KiB); each page is encoded, perhaps compressed, checksummed
 * and addressable on its own. Then zone maps, the primary index (index/learned), a directory of
 * pages, and the footer. A file without a valid footer does not exist (S5).
 *
 * Row numbers run from 0 in key order. Several versions of one key may stand side by side, newest
 * first; their begin timestamps are in the hidden column SEGMENT_COLUMN_BEGIN, which is absent when
 * every row is older than every snapshot was when the segment was written.
 *
 * Bytes are read through the page cache (page_cache.h): verified once, decompressed, kept encoded.
 *
 * Threads: an open segment is read-only; everything may be called at once. A writer has one user.
 */

#include "base/call.h"
#include "os/env.h"
#include "types/column.h"
#include "types/schema.h"

#define SEGMENT_GROUP_ROW_COUNT_MAX 65536u
#define SEGMENT_WINDOW_ROW_COUNT    2048u      /* Scans go window by window; BATCH_ROW_COUNT_MAX. */
#define SEGMENT_COLUMN_BEGIN        UINT32_MAX /* Column id of the hidden begin timestamps. */

struct page_cache;

/* ---- value files ---- */

/*
 * Values over 1 KiB, and vectors, lie in value files beside the segments (value_file.h): a segment
 * refers to them, and a merged one refers to the same files. The open ones of a database are shared
 * through a list, so that a page of them is cached once.
 */
struct value_files;

TDBPLUS_CHECKED tdbplus_status value_files_create(const struct alloc *alloc,
                                                  struct value_files **files_out, struct err *err);
void value_files_destroy(struct value_files *files); /* No segment may be open. NULL is fine. */

/* A value file as one segment sees it. */
struct segment_values {
    uint64_t file_id;
    uint64_t file_size;
    uint64_t file_value_bytes; /* Of all values that were written to it, */
    uint64_t value_bytes;      /* and of those that the segment refers to. */
    uint64_t value_count;
    uint32_t footer_crc;
};

/* ---- writing ---- */

struct segment_writer;

enum segment_compression {
    SEGMENT_COMPRESSION_AUTO = 0, /* LZ4 where a sample says it pays. */
    SEGMENT_COMPRESSION_NONE = 1,
    SEGMENT_COMPRESSION_LZ4 = 2,
    SEGMENT_COMPRESSION_ZSTD = 3,
};

struct segment_writer_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *path;            /* Written under "path.tmp", renamed by finish. */
    const struct schema *schema; /* Must outlive the writer. */
    uint64_t segment_id;
    uint64_t collection_id; /* Written down for `tdb recover`; 0: unknown. */
    struct span key_min; /* Bounds of the keys to come; they need not be tight, but their common */
    struct span key_max; /* prefix must be common to all keys. Unused for integer keys. */
    bool open_bounds;    /* The bounds are not known; costs 16 bytes of memory a row meanwhile. */
    bool with_begin;     /* Rows come with begin timestamps. */
    uint8_t compression; /* enum segment_compression. */
};

/* What the manifest remembers of a segment. */
struct segment_summary {
    uint64_t segment_id;
    uint64_t row_count;
    uint64_t file_size;
    uint64_t begin_max; /* Newest begin timestamp in it; 0 without. */
    uint32_t schema_version;
    uint32_t footer_crc; /* Ties manifest and file together. */
    struct bytes key_min;
    struct bytes key_max;
    struct segment_values values; /* The value file that was written too; `file_id` 0: none. */
};

void segment_summary_deinit(struct segment_summary *summary);

TDBPLUS_CHECKED tdbplus_status segment_writer_create(const struct segment_writer_options *options,
                                                     struct segment_writer **writer_out,
                                                     struct err *err);

/*
 * Appends the live rows of `batch`, whose columns are the schema's, in key order after all rows
 * before. `keys` holds the normalised key of each live row (NULL for integer keys, which are taken
 * from the column); `begins` the begin timestamps when `with_begin`. Order is asserted in debug
 * builds and checked cheaply always: rows out of order are TDBPLUS_E_INVALID. [waits]
 */
TDBPLUS_CHECKED tdbplus_status segment_writer_add(struct segment_writer *writer,
                                                  const struct batch *batch,
                                                  const struct span *keys, const uint64_t *begins,
                                                  struct err *err);

/*
 * Shows the writer rows from all over those to come, so that it can decide how to take documents
 * apart (shred.h); without it the first rows decide. Before the first segment_writer_add().
 */
TDBPLUS_CHECKED tdbplus_status segment_writer_sample(struct segment_writer *writer,
                                                     const struct batch *batch, struct err *err);

/* Writes the rest, syncs, renames, syncs the directory. [waits] At least one row must have been
 * added. The writer is destroyed either way; after a failure no file is left (as far as the disk
 * allows). If there were large values, a value file with the segment's id now lies beside the
 * segment; segment_discard() removes both. */
TDBPLUS_CHECKED tdbplus_status segment_writer_finish(struct segment_writer *writer,
                                                     struct segment_summary *summary_out,
                                                     struct err *err);
void segment_writer_abandon(struct segment_writer *writer); /* [waits] Removes the file. */
uint64_t segment_writer_row_count(const struct segment_writer *writer);
uint64_t segment_writer_size_bytes(const struct segment_writer *writer); /* Written so far. */

/* ---- reading ---- */

struct segment;

struct segment_options {
    const struct env *env;
    const struct alloc *alloc;
    struct page_cache *cache;
    const char *path;
    uint64_t segment_id;        /* Must match the file's. */
    struct value_files *values; /* Shares value files with others; NULL: not. */
    bool salvage;               /* Opens it without its footer or value files where it can. */
};

/*
 * Opens and checks footer, directory, zone maps and primary index, and keeps those in memory. Pages
 * are checked when they are read (S3). [waits]
 *
 *   TDBPLUS_E_CORRUPT  names file and place;  TDBPLUS_E_VERSION  a newer format
 */
TDBPLUS_CHECKED tdbplus_status segment_open(const struct segment_options *options,
                                            struct segment **segment_out, struct err *err);

/* Nobody may use it any more. Its cached pages are dropped. */
void segment_close(struct segment *segment);

/* The same for a segment that is no part of the database any more: its file is removed, and those
 * value files to which no segment refers that was or will be segment_close()d. [waits] A failure to
 * remove leaves a file that the next open sweeps. */
void segment_discard(struct segment *segment);

/* Removes the files of a segment that segment_writer_finish() has made and nobody opened. [waits]
 */
void segment_unlink(const struct env *env, const char *path, uint64_t segment_id);

/* The value files that the segment refers to: `number` below segment_values_count(). */
uint32_t segment_values_count(const struct segment *segment);
void segment_values_at(const struct segment *segment, uint32_t number,
                       struct segment_values *values_out);

uint64_t segment_row_count(const struct segment *segment);
uint64_t segment_file_size(const struct segment *segment);
size_t segment_memory_bytes(const struct segment *segment); /* Held outside the cache. */
uint32_t segment_footer_crc(const struct segment *segment);
bool segment_has_begin(const struct segment *segment);
struct span segment_key_min(const struct segment *segment);
struct span segment_key_max(const struct segment *segment);

/* Position among the file's columns of that id, or -1 if it was written before the column existed.
 */
int32_t segment_find_column(const struct segment *segment, uint32_t column_id);
struct type segment_column_type(const struct segment *segment, uint32_t column_position);

/* Newest begin timestamp in it; 0 without. */
uint64_t segment_begin_max(const struct segment *segment);

/* A key as lookups want it; make it once, use it on every segment. */
struct segment_key {
    struct span key;
    uint64_t code; /* key_code(key). */
    uint64_t hash; /* key_hash(key). */
};

#define SEGMENT_ROW_NONE UINT64_MAX

/*
 * Finds the versions of a key: *row_out is the first of *version_count_out adjacent rows, or
 * SEGMENT_ROW_NONE and 0. [waits] on a cache miss. The filter answers most absent keys.
 */
TDBPLUS_CHECKED tdbplus_status segment_find(struct segment *segment, const struct segment_key *key,
                                            uint64_t *row_out, uint32_t *version_count_out,
                                            struct err *err);

/* The same for many keys (any order), with memory accesses overlapped. Keys whose `rows_inout` is
 * not SEGMENT_ROW_NONE on entry are left alone, so that segments can be asked one after another. */
TDBPLUS_CHECKED tdbplus_status segment_find_batch(struct segment *segment,
                                                  const struct segment_key *keys, uint32_t count,
                                                  uint64_t *rows_inout,
                                                  uint32_t *version_counts_out, struct err *err);

/* First row whose key is >= `key`; row_count when there is none. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_lower_bound(struct segment *segment,
                                                   const struct segment_key *key, uint64_t *row_out,
                                                   struct err *err);

/*
 * The same in three steps, so that many segments can be asked together: each step of all of them,
 * then the next, and their memory accesses overlap. Only the last one waits or fails.
 */
struct segment_seek {
    uint64_t first; /* The row lies in [first, end]. */
    uint64_t end;
};

void segment_seek_begin(const struct segment *segment, const struct segment_key *key,
                        struct segment_seek *seek_out);
void segment_seek_prefetch(struct segment *segment, const struct segment_seek *seek);
TDBPLUS_CHECKED tdbplus_status segment_seek_end(struct segment *segment,
                                                const struct segment_key *key,
                                                const struct segment_seek *seek, uint64_t *row_out,
                                                struct err *err);

/* The last two steps inside an epoch of the cache's, never waiting; false: what leads to the key is
 * not all cached. */
void segment_seek_prefetch_cached(const struct segment *segment, const struct segment_seek *seek);
bool segment_seek_end_cached(const struct segment *segment, const struct segment_key *key,
                             const struct segment_seek *seek, uint64_t *row_out);

/* segment_read_codes() of integer keys, and the bytes of keys that are one text, likewise; keys are
 * borrowed until the epoch is left. */
bool segment_codes_cached(const struct segment *segment, uint64_t first_row, uint32_t row_count,
                          uint64_t *codes_out);
bool segment_keys_cached(const struct segment *segment, uint64_t first_row, uint32_t row_count,
                         struct span *keys_out);

/*
 * segment_find() inside an epoch of the cache's, never waiting; false: what leads to the key is not
 * all cached.
 */
bool segment_find_cached(const struct segment *segment, const struct segment_key *key,
                         uint64_t *row_out, uint32_t *version_count_out);

/* Asks the memory for what a coming segment_find() reads first. Never waits. */
void segment_find_prefetch(const struct segment *segment, const struct segment_key *key);

/* Begin timestamp of a row; 0 when the segment keeps none. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_begin(struct segment *segment, uint64_t row,
                                             uint64_t *timestamp_out, struct err *err);

/* One value. Bytes are borrowed from a page that `batch` pins (its arena and pins are used, not its
 * columns); a column older than the segment has no value here: ask segment_find_column() first. */
TDBPLUS_CHECKED tdbplus_status segment_value(struct segment *segment, uint64_t row,
                                             uint32_t column_position, struct batch *batch,
                                             struct datum *datum_out, struct err *err);

/* The same inside an epoch of the cache's, never waiting; bytes are borrowed until it is left.
 * False: the page is not cached, or the value lies elsewhere or in parts. */
bool segment_value_cached(const struct segment *segment, uint64_t row, uint32_t column_position,
                          struct datum *datum_out);

/* The same for a text or bytea column's rows, which ascend: their bytes, those of nulls without
 * data. Asks for the memory of all of them. */
bool segment_spans_cached(const struct segment *segment, const uint64_t *rows, uint32_t row_count,
                          uint32_t column_position, struct span *spans_out);

/* Brings what a coming segment_value() reads into the cache, if its page is in memory. Never waits.
 * Call it some values ahead. */
void segment_value_prefetch(struct segment *segment, uint64_t row, uint32_t column_position);
void segment_value_prefetch_cached(const struct segment *segment, uint64_t row,
                                   uint32_t column_position); /* Inside an epoch. */

/*
 * Decodes rows [first_row, first_row + row_count), all within one window of 2,048, of the columns
 * at `positions` into `columns_out`: flat, constant or dictionary form in the batch's arena, views
 * into pages pinned by the batch. [waits]
 */
TDBPLUS_CHECKED tdbplus_status segment_read(struct segment *segment, uint64_t first_row,
                                            uint32_t row_count, const uint32_t *positions,
                                            uint32_t position_count, struct batch *batch,
                                            struct column *columns_out, struct err *err);

/* The same for rows anywhere in the segment (at most 2,048), faster when they ascend: reads only
 * the values asked for where the encoding allows. Columns come flat. */
TDBPLUS_CHECKED tdbplus_status segment_gather(struct segment *segment, const uint64_t *rows,
                                              uint32_t row_count, const uint32_t *positions,
                                              uint32_t position_count, struct batch *batch,
                                              struct column *columns_out, struct err *err);

/*
 * How many of the `row_count` rows a segment_read() of those columns may have so that their values
 * in value files take no more than `size_max` bytes together; at least 1. So a scan of large values
 * needs memory for some of them, not for a window of 2,048. [waits] Reads references, not values.
 */
TDBPLUS_CHECKED tdbplus_status segment_rows_within(struct segment *segment, uint64_t first_row,
                                                   uint32_t row_count, const uint32_t *positions,
                                                   uint32_t position_count, size_t size_max,
                                                   uint32_t *rows_out, struct err *err);

/* Loads all pages if the cache is filled to no more than `percent` by it; false if not: what was
 * just written is read soon. [waits] Never fails. */
bool segment_warm(struct segment *segment, uint32_t percent);

/* Asks for the pages of a coming segment_read(); never fails, may do nothing. */
void segment_prefetch(struct segment *segment, uint64_t first_row, uint32_t row_count,
                      const uint32_t *positions, uint32_t position_count);

/* Asks the memory for what a coming segment_gather() of these rows, all near each other, reads, as
 * far as its pages are in memory. Never waits. */
void segment_window_prefetch(struct segment *segment, uint64_t first_row, uint32_t row_count,
                             const uint32_t *positions, uint32_t position_count);
void segment_window_prefetch_cached(const struct segment *segment, uint64_t first_row,
                                    uint32_t row_count, const uint32_t *positions,
                                    uint32_t position_count); /* Inside an epoch. */

/*
 * ---- one path of documents ----
 *
 * The value of `column -> key -> ... -> key`, each key a member of an object: as a document, or
 * with `as_text` as `->>` gives it. Null where the path leads nowhere.
 */
struct segment_path {
    uint32_t position; /* Of the column of documents. */
    const struct span *keys;
    uint32_t key_count; /* At least 1. */
    bool as_text;
};

/* Rows of one window, as segment_read() has them. What most documents have is read without the
 * documents (shred.h). [waits] */
TDBPLUS_CHECKED tdbplus_status segment_read_path(struct segment *segment, uint64_t first_row,
                                                 uint32_t row_count,
                                                 const struct segment_path *path,
                                                 struct batch *batch, struct column *column_out,
                                                 struct err *err);

/* The same of documents in memory, for the rows that the batch has selected; others are null. A
 * flat column in the batch's arena. */
TDBPLUS_CHECKED tdbplus_status documents_read_path(const struct column *documents,
                                                   const struct segment_path *path,
                                                   struct batch *batch, struct column *column_out,
                                                   struct err *err);

struct segment_zone;

/* What is known of the path's values without reading them: true when they are all in a sub-column,
 * whose type (text, int8, float8, numeric, bool) the bounds have. Values of other types than that
 * are not there, nulls are. Never waits. */
bool segment_path_zone(const struct segment *segment, const struct segment_path *path,
                       uint64_t first_row, uint32_t row_count, struct segment_zone *zone_out);

/* Normalised keys of the rows [first_row, first_row + row_count) of one window: spans in the
 * batch's arena or in pages that it pins. For integer keys ask segment_read() for the column. */
TDBPLUS_CHECKED tdbplus_status segment_read_keys(struct segment *segment, uint64_t first_row,
                                                 uint32_t row_count, struct batch *batch,
                                                 const struct span **keys_out, struct err *err);

/* key_code() of the keys of rows [first_row, first_row + row_count), of integer keys. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_read_codes(struct segment *segment, uint64_t first_row,
                                                  uint32_t row_count, uint64_t *codes_out,
                                                  struct err *err);

/* What is known of a column in a range of rows without reading it: bounds hold for every non-null
 * value (strings may be cut: `min` rounded down, `max` up, `exact` false). */
struct segment_zone {
    bool has_bounds; /* False: unknown, or every value is null. */
    bool exact;
    struct datum min;
    struct datum max;
    uint64_t null_count;
};

/* Widens to whole pages. Never waits. */
void segment_zone(const struct segment *segment, uint32_t column_position, uint64_t first_row,
                  uint32_t row_count, struct segment_zone *zone_out);

/* Reads every page and checks every checksum, encoding, zone map and the key order. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_verify(struct segment *segment, const struct call *call);

/* ---- for `tdb recover` ---- */

/* What a segment's header says of itself; the rest of the file may be anything. [waits]
 * TDBPLUS_E_CORRUPT when the header is damaged. */
struct segment_identity {
    uint64_t segment_id;
    uint64_t collection_id; /* 0: written by a release that did not tell. */
    uint64_t file_size;
};

TDBPLUS_CHECKED tdbplus_status segment_identify(const struct env *env, const char *path,
                                                struct segment_identity *identity_out,
                                                struct err *err);

/* False for one opened with `salvage` of whose metadata no checksum holds: what pages say is
 * checked page by page, but schema and paths of documents may be wrong, and only segment_read() and
 * segment_value() may be used. */
bool segment_is_proven(const struct segment *segment);

/* True when documents were taken apart. */
bool segment_has_paths(const struct segment *segment);

/* The id of the value file `number`, below segment_values_count(), if that cannot be read; else 0.
 */
uint64_t segment_lost_values(const struct segment *segment, uint32_t number);

/* What the rows were written by; lives as long as the segment. */
const struct schema *segment_schema(const struct segment *segment);

/* Where the page lies that holds a row of a column, and which rows it holds. */
struct segment_stretch {
    uint64_t offset;
    uint64_t size;
    uint64_t first_row;
    uint32_t row_count;
};

struct segment_stretch segment_page_stretch(const struct segment *segment, uint64_t row,
                                            uint32_t column_position);
