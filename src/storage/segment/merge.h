#pragma once

/*
 * merge: the rows of several segments as one sequence in key order, batch by batch, ready for
 * segment_writer_add(), with a record of where every row went.
 *
 * Versions of one key come newest begin timestamp first; equal ones from the earlier source first.
 *
 * Threads: one user; the sources may be read by others meanwhile.
 */

#include "storage/segment/segment.h"

#define MERGE_SOURCE_COUNT_MAX 64u
#define MERGE_ROW_NONE         UINT64_MAX

struct merge;

struct merge_source {
    struct segment *segment; /* Open until the merge is destroyed. */

    /*
     * Says which of the rows [first_row, first_row + row_count) of a window go on: bit i of word
     * i / 64 of `keep` (all set on entry) is cleared for those that are dropped. Called once a
     * window, in order. NULL keeps all.
     */
    void (*decide)(void *ctx, uint64_t first_row, uint32_t row_count, uint64_t *keep);
    void *ctx;

    /* For each value file of the segment whether merge_step() writes its values again; else the
     * result refers to it. NULL: none. Used by merge_create() only. */
    const bool *copy_values;
    uint64_t begin; /* When its rows began, if the segment has no begin timestamps itself. */
};

struct merge_options {
    const struct alloc *alloc;
    const struct schema *schema; /* Of the result; columns that a source has not get `missing`. */
    const struct merge_source *sources; /* Copied; newest first. */
    uint32_t source_count;              /* 1..MERGE_SOURCE_COUNT_MAX */
    uint64_t horizon; /* Begin timestamps at or below become 0: every snapshot sees past them. */
};

/*
 * The key columns of all sources must be those of the schema.
 *
 *   TDBPLUS_E_NOMEM  the record of rows needs 4 bytes a row;  TDBPLUS_E_LIMIT  2^32 rows or more
 *   TDBPLUS_E_TYPE   a source has a column in another type than the schema
 */
TDBPLUS_CHECKED tdbplus_status merge_create(const struct merge_options *options,
                                            struct merge **merge_out, struct err *err);
void merge_destroy(struct merge *merge); /* NULL is fine. */

/* True when a row that goes on may have a begin timestamp above the horizon. */
bool merge_has_begin(const struct merge *merge);

/* What merge_next() gives besides the batch. */
struct merge_rows {
    uint32_t row_count;      /* 0: the end. */
    const struct span *keys; /* NULL for integer keys. */
    const uint64_t *begins;  /* Always set. */
};

/*
 * Fills `batch` (which is reset first) with the next 1..2,048 rows: flat columns of the schema. The
 * rows and everything they point at are valid until the next call or merge_destroy(). [waits]
 */
TDBPLUS_CHECKED tdbplus_status merge_next(struct merge *merge, struct batch *batch,
                                          struct merge_rows *rows_out, struct err *err);

/*
 * Moves rows into `writer` until at least `row_budget` were moved or all are; *done_out says which.
 * [waits] After a failure only merge_destroy() may follow.
 */
TDBPLUS_CHECKED tdbplus_status merge_step(struct merge *merge, struct segment_writer *writer,
                                          uint64_t row_budget, bool *done_out, struct err *err);

uint64_t merge_rows_read(const struct merge *merge);    /* Of all sources so far. */
uint64_t merge_rows_written(const struct merge *merge); /* That went on so far. */

/* Where a row of a source is in the result, or MERGE_ROW_NONE when it was dropped (or has not been
 * reached yet). Once the merge is at its end, any thread may ask. */
uint64_t merge_new_row(const struct merge *merge, uint32_t source, uint64_t row);
