#pragma once

/*
 * csv: rows as text, in PostgreSQL's two ways, FILE_TEXT and FILE_CSV. The reader finds fields with
 * SIMD kernels and reads their values column by column, without texts in between.
 *
 * Threads: a reader or writer has one user at a time.
 */

#include "files/format.h"
#include "files/input.h"
#include "types/column.h"
#include "types/text.h"

#define CSV_RECORD_SIZE_MAX ((size_t)1 << 30)

/* What a file holds, and what of it is wanted. Everything is borrowed by the reader. */
struct csv_layout {
    struct csv_options options;
    const struct file_column *columns; /* Of the file, in its order. */
    uint32_t column_count;
    const uint32_t *positions; /* Of the wanted columns; NULL: all. */
    uint32_t position_count;
    const char *source; /* For CONTEXT: "COPY films" or "file x.csv". */
    const struct text_style *style;
};

struct csv_reader;

TDBPLUS_CHECKED tdbplus_status csv_reader_open(struct file_input *input,
                                               const struct csv_layout *layout,
                                               const struct alloc *alloc,
                                               struct csv_reader **reader_out, struct err *err);

/* Begins anew with another part of the same file, which has no header, nor a batch in use. */
void csv_reader_restart(struct csv_reader *reader);

/* NULL is fine. The input stays open. */
void csv_reader_close(struct csv_reader *reader);

/*
 * Fills `batch`, which was reset, with the next rows, at most BATCH_ROW_COUNT_MAX; TDBPLUS_END
 * after the last. Views point into the reader: reset the batch before the next call. Errors carry
 * PostgreSQL's words and a CONTEXT with line and column; the rows before come first.
 *
 *   TDBPLUS_PENDING  the input has nothing for now
 */
TDBPLUS_CHECKED tdbplus_status csv_reader_next(struct csv_reader *reader, struct batch *batch,
                                               struct err *err);

/* For an error that somebody else found in a row of the last batch: adds the CONTEXT. */
void csv_reader_context(const struct csv_reader *reader, uint32_t row, struct err *err);

/* ---- writing ---- */

struct csv_writer {
    struct csv_options options;
    const struct file_column *columns;
    uint32_t column_count;
    const struct text_style *style;
    struct buffer text; /* Of one value. */
    bool alone;         /* One column: an empty line would be lost. */
};

void csv_writer_init(struct csv_writer *writer, const struct csv_options *options,
                     const struct file_column *columns, uint32_t column_count,
                     const struct alloc *alloc);
void csv_writer_deinit(struct csv_writer *writer);

/* Append to `out`, whose failure is sticky. */
void csv_write_header(struct csv_writer *writer, struct buffer *out);
void csv_write_batch(struct csv_writer *writer, const struct batch *batch, struct buffer *out);
