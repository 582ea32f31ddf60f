#pragma once

/*
 * pgcopy: rows in the binary format of PostgreSQL's COPY (documentation of COPY, "Binary Format"):
 * a header, rows as a count of fields and each field's size and bytes (types/wire_type.h), and -1
 * at the end.
 *
 * Threads: one user at a time.
 */

#include "files/format.h"
#include "files/input.h"
#include "types/column.h"
#include "types/text.h"

#define PGCOPY_ROW_SIZE_MAX ((size_t)1 << 30)
#define PGCOPY_HEADER_SIZE  19u /* Without an extension. */

struct pgcopy_layout {
    const struct file_column *columns; /* Of the file, in its order. */
    uint32_t column_count;
    const uint32_t *positions; /* Of the wanted columns; NULL: all. */
    uint32_t position_count;
    const char *source; /* For CONTEXT. */
    const struct text_style *style;
};

struct pgcopy_reader;

TDBPLUS_CHECKED tdbplus_status pgcopy_reader_open(struct file_input *input,
                                                  const struct pgcopy_layout *layout,
                                                  const struct alloc *alloc,
                                                  struct pgcopy_reader **reader_out,
                                                  struct err *err);
void pgcopy_reader_close(struct pgcopy_reader *reader); /* NULL is fine. */

/* As csv_reader_next(). A column without nulls has no bitmap. */
TDBPLUS_CHECKED tdbplus_status pgcopy_reader_next(struct pgcopy_reader *reader, struct batch *batch,
                                                  struct err *err);
void pgcopy_reader_context(const struct pgcopy_reader *reader, uint32_t row, struct err *err);

/* ---- writing: appended to `out`, whose failure is sticky ---- */

void pgcopy_write_header(struct buffer *out);
void pgcopy_write_batch(uint32_t column_count, const struct text_style *style,
                        const struct batch *batch, struct buffer *out);
void pgcopy_write_trailer(struct buffer *out);

/* Bytes of the first row of what was written, the header before it or the trailer behind it
 * included; all of them where that cannot be told. */
size_t pgcopy_row_size(struct span written);
