#pragma once

/*
 * Columns and batches: how rows travel between storage, execution and the outside.
 *
 * A flat column is Arrow's layout: values one after another, 64-byte aligned, a validity bitmap
 * with bit i of word i/64 set where row i is not null (absent when there are no nulls; bits past
 * the last row mean nothing). Two differences, both undone at the border (types/arrow.h;
 * docs/decisions/0002): bool is a byte a value, and variable-size values are views with pointers.
 *
 * Threads: batches are plain memory; one owner at a time.
 */

#include "base/arena.h"
#include "types/type.h"

#define BATCH_ROW_COUNT_MAX 2048u /* Rows a scan puts into one batch. */

enum column_form {
    COLUMN_FLAT = 0,       /* `data` holds a value per row. */
    COLUMN_CONSTANT = 1,   /* `data` holds one value (validity bit 0) that stands for all rows. */
    COLUMN_DICTIONARY = 2, /* `codes` holds a position in `dictionary` (a flat column) per row. */
};

struct column {
    struct type type;
    uint8_t form; /* enum column_form. */
    uint32_t row_count;
    void *data;         /* See `form`; type_width() bytes a value. */
    uint64_t *validity; /* NULL: nothing is null. Unused by COLUMN_DICTIONARY unless set. */
    uint32_t *codes;    /* COLUMN_DICTIONARY only; valid positions even where a row is null. */
    const struct column *dictionary;
};

/*
 * Rows [0, row_count) of every column; if `selection` is set, only the `selected_count` rows it
 * lists, in ascending order, are meant.
 *
 * `arena` owns the memory made for this batch; `pins` lists storage pages that views point into,
 * let go by batch_reset().
 */
struct batch {
    struct column *columns;
    uint32_t column_count;
    uint32_t row_count;
    const uint16_t *selection; /* NULL: all rows. */
    uint32_t selected_count;   /* Meaningful with `selection` only. */
    struct arena arena;
    struct batch_pin *pins;
};

/* Something held while the batch is alive, in the batch's arena. */
struct batch_pin {
    struct batch_pin *next;
    void (*release)(void *held);
    void *held;
};

/* Ready for use by a scan; memory comes from `alloc`. */
void batch_init(struct batch *batch, const struct alloc *alloc);

/* Lets go of pins, selection, columns and memory; the batch can be filled again. */
void batch_reset(struct batch *batch);
void batch_deinit(struct batch *batch);

/* Keeps `held` until the batch is reset; false when memory is out (nothing is held then). */
bool batch_pin(struct batch *batch, void *held, void (*release)(void *held));

/* Rows that count: selected_count with a selection, else row_count. */
static inline uint32_t batch_live_count(const struct batch *batch)
{
    return batch->selection != NULL ? batch->selected_count : batch->row_count;
}

/* Makes a flat column of `row_count` uninitialised values, with an all-valid bitmap if asked, in
 * the arena; false when memory is out. */
bool column_make(struct column *column, struct type type, uint32_t row_count, bool with_validity,
                 struct arena *arena);

/* A constant column; copies the value into the arena. */
bool column_make_constant(struct column *column, const struct datum *value, uint32_t row_count,
                          struct arena *arena);

/* Reads one value of any form. Bytes are borrowed from the column. */
void column_get(const struct column *column, uint32_t row, struct datum *datum_out);

/* Writes one value into a flat column; views are set to point at the datum's bytes. A null needs a
 * column with validity. */
void column_set(struct column *column, uint32_t row, const struct datum *datum);

static inline bool column_is_null(const struct column *column, uint32_t row)
{
    if (column->form == COLUMN_CONSTANT) {
        row = 0;
    }
    if (column->validity != NULL && (column->validity[row / 64] >> (row % 64) & 1) == 0) {
        return true;
    }
    if (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL) {
        uint32_t code = column->codes[row];
        return (column->dictionary->validity[code / 64] >> (code % 64) & 1) == 0;
    }
    return false;
}

/* Takes the bitmap of a flat column away if none of its rows is null: its readers have less to do.
 */
void column_trim_validity(struct column *column);

/* Turns any form into a flat column of `arena`'s memory (the views keep their targets), taking only
 * the `count` rows listed in `rows` (all rows when `rows` is NULL). False when memory is out. */
bool column_flatten(const struct column *column, const uint16_t *rows, uint32_t count,
                    struct column *flat_out, struct arena *arena);
