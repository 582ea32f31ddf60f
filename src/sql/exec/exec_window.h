#pragma once

/*
 * Inside of window functions: the rows of one window, sorted, and its partitions.
 *
 * exec_window.c keeps and sorts the rows, exec_frame.c says which rows a frame has,
 * exec_window_call.c computes the functions.
 */

#include "sql/exec/exec_internal.h"

#define WINDOW_NO_COLUMN UINT32_MAX

/* Rows in order, in chunks of BATCH_ROW_COUNT_MAX flat columns. A partition is [begin, end). */
struct window_rows {
    struct column **chunks;
    uint32_t row_count;
    uint32_t begin;
    uint32_t end;
    /* Where the groups of peers of this partition begin; one more at the end, which is `end`. */
    uint32_t *groups;
    uint32_t group_count;
};

static inline const struct column *window_column(const struct window_rows *rows, uint32_t row,
                                                 uint32_t column)
{
    return &rows->chunks[row / BATCH_ROW_COUNT_MAX][column];
}

static inline bool window_is_null(const struct window_rows *rows, uint32_t row, uint32_t column)
{
    return column_is_null(window_column(rows, row, column), row % BATCH_ROW_COUNT_MAX);
}

static inline void window_value(const struct window_rows *rows, uint32_t row, uint32_t column,
                                struct datum *value_out)
{
    column_get(window_column(rows, row, column), row % BATCH_ROW_COUNT_MAX, value_out);
}

struct window_call {
    const struct plan_window_call *plan;
    struct type type;
    uint32_t first_argument; /* Columns of the rows. */
    uint32_t filter;         /* WINDOW_NO_COLUMN: none. */
    uint32_t order;          /* Of a RANGE frame with offsets: the ORDER BY column. */
    bool descending;
    bool nulls_first;
    struct expr *offsets[2];
    struct datum offset_values[2];
    struct column *results; /* One a chunk. */
    struct arena arena;     /* Of the running aggregate. */
    struct arena *kept;     /* Of results. */
};

/* ---- frames: exec_frame.c ---- */

/* Walks the rows of a partition in order and keeps up with their frames. */
struct frame {
    struct exec *exec;
    const struct window_call *call;
    const struct window_rows *rows;
    uint32_t row;
    uint32_t group; /* Of the row. */
    uint32_t start; /* The frame of the row, before EXCLUDE. */
    uint32_t end;
};

/* Up to three ranges of rows: a frame without what it excludes. */
struct frame_parts {
    uint32_t begin[3];
    uint32_t end[3];
    uint32_t count;
};

/* Checks the offsets; call once a statement. */
TDBPLUS_CHECKED tdbplus_status frame_prepare(struct exec *exec, struct window_call *call);

void frame_begin(struct frame *frame, struct exec *exec, const struct window_call *call,
                 const struct window_rows *rows);

/* Moves to a row, the first or the one after the last. */
TDBPLUS_CHECKED tdbplus_status frame_move(struct frame *frame, uint32_t row);
void frame_cut(const struct frame *frame, struct frame_parts *parts_out);

/* ---- functions: exec_window_call.c ---- */

/* Computes one function for the rows of a partition. */
TDBPLUS_CHECKED tdbplus_status window_compute(struct exec *exec, struct window_call *call,
                                              const struct window_rows *rows);
