#pragma once

/*
 * Sorted rows in a temporary file: runs, each in order, which are merged at the end. Rows with
 * equal keys come out in the order they were put.
 */

#include "sql/exec/exec_spill.h"

struct sort_reader;

struct sort_spill {
    struct exec *exec; /* NULL: closed. */
    struct spill_file file;
    struct list runs; /* struct spill_rows, in the order they were put. */
    const struct plan_column *columns;
    uint32_t column_count;
    struct expr **keys; /* Over the columns. */
    const struct sort_order *orders;
    uint32_t key_count;
    uint32_t block_rows;         /* So that a block of each run fits memory. */
    struct sort_reader *readers; /* One a run of the merge at hand. */
    uint32_t reader_count;
    struct sort_reader **heap; /* Those with a row, the first in order at 0. */
    uint32_t heap_count;
    struct sort_reader *exhausted; /* Its next block is read when its last row is not needed. */
};

/* `spill` has columns, keys and orders set; they must live as long. */
void sort_spill_open(struct sort_spill *spill, struct exec *exec);
/* Zeroed is closed. */
void sort_spill_close(struct sort_spill *spill);

/* Puts the rows with these numbers as a run. `row_bytes`: of a row, about. */
TDBPLUS_CHECKED tdbplus_status sort_spill_put(struct sort_spill *spill,
                                              const struct row_store *store,
                                              const uint32_t *numbers, size_t count,
                                              size_t row_bytes);

/* No more runs come. [waits] */
TDBPLUS_CHECKED tdbplus_status sort_spill_begin(struct sort_spill *spill);

/* The next rows in order, valid until the next call; TDBPLUS_END when there are none. [waits] */
TDBPLUS_CHECKED tdbplus_status sort_spill_next(struct sort_spill *spill, struct batch *out);
