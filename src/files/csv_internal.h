#pragma once

#include "files/csv.h"
#include "simd/simd.h"

#define CSV_BLOCK_SIZE \
    ((size_t)256 << 10)                   /* Of the window at first; longer records make it grow. */
#define CSV_SLACK      64u                /* Bytes past the window that may be read. */
#define CSV_SLICE_SIZE ((size_t)64 << 10) /* Marked at once. */

/* Of the window. `special`: there is a backslash (FILE_TEXT). */
struct csv_field {
    uint32_t begin;
    uint32_t end : 31;
    uint32_t special : 1;
};

enum csv_line_end { CSV_END_UNKNOWN = 0, CSV_END_NEWLINE, CSV_END_RETURN, CSV_END_BOTH };

struct csv_reader {
    const struct alloc *alloc;
    struct file_input *input;
    struct csv_layout layout;
    struct simd_marks marks;
    bool scalar;     /* An escape other than the quote: parity does not tell. */
    bool null_first; /* The null text might be taken for a value. */
    /* The window: bytes [begin, size) are not yet taken. */
    uint8_t *data;
    size_t capacity;
    size_t begin;
    size_t size;
    bool ended;
    /* Where the marks of [.., marked) stand that come after `begin`. */
    uint32_t *positions;
    size_t position_count;
    size_t position_at;
    size_t marked;
    struct simd_mark_state state;
    bool escaped; /* Scalar marking: the byte before was an escape. */
    /* The rows of the batch at hand. */
    struct csv_field *fields;
    uint32_t row_count;
    uint64_t line;       /* Lines taken before the batch at hand. */
    size_t batch_begin;  /* Where its first record begins. */
    uint8_t line_end;    /* enum csv_line_end. */
    bool header_pending; /* The first record is the header. */
    bool done;
    tdbplus_status held; /* What comes after the rows of the last batch. */
    struct err held_err;
};

/* The bytes of a field. */
static inline struct span csv_raw(const struct csv_reader *reader, const struct csv_field *field)
{
    return (struct span){.data = reader->data + field->begin, .size = field->end - field->begin};
}

/* ---- csv_mark.c ---- */

/* Marks one more slice of the window. */
void csv_mark_slice(struct csv_reader *reader);

/* ---- csv_value.c ---- */

/* The text of a field without its quotes and escapes, in the arena if need be; or that it is null.
 * TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status csv_field_text(const struct csv_reader *reader,
                                              const struct csv_field *field, uint32_t column,
                                              struct arena *arena, struct span *text_out,
                                              bool *null_out, struct err *err);

/* Reads column `number` of the first `row_count` rows. On failure *row_out is the row. */
TDBPLUS_CHECKED tdbplus_status csv_read_column(const struct csv_reader *reader, uint32_t number,
                                               uint32_t row_count, struct column *column,
                                               struct arena *arena, uint32_t *row_out,
                                               struct err *err);

/* ---- csv_reader.c ---- */

/* CONTEXT of a column (UINT32_MAX: of the whole line). */
void csv_context(const struct csv_reader *reader, uint32_t row, uint32_t column, struct err *err);
