/* Records: the window of bytes, and the fields of the rows in it. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "files/csv_internal.h"
#include "files/utf8.h"

#define SHOWN_SIZE_MAX 100u /* Bytes of a text in a CONTEXT. */

/* ---- opening ---- */

static void set_marks(struct csv_reader *reader)
{
    const struct csv_options *options = &reader->layout.options;
    struct simd_marks *marks = &reader->marks;
    *marks = (struct simd_marks){.bytes = {options->delimiter, '\n', '\r', 0, 0}};
    if (options->csv) {
        marks->quote = options->quote;
        marks->has_quote = true;
        reader->scalar = options->quote != options->escape;
    } else {
        marks->bytes[4] = '\\';
    }
    // "" and "\N" are no values of any type but text, which is asked for nulls first anyway.
    struct span null_text = options->null_text;
    reader->null_first =
        null_text.size > 0 && !(null_text.size == 2 && memcmp(null_text.data, "\\N", 2) == 0);
}

tdbplus_status csv_reader_open(struct file_input *input, const struct csv_layout *layout,
                               const struct alloc *alloc, struct csv_reader **reader_out,
                               struct err *err)
{
    struct csv_reader *reader = alloc_array(alloc, 1, sizeof *reader);
    if (reader == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read rows");
    }
    reader->alloc = alloc;
    reader->input = input;
    reader->layout = *layout;
    reader->capacity = CSV_BLOCK_SIZE;
    reader->data = alloc_raw(alloc, reader->capacity + CSV_SLACK);
    reader->positions =
        alloc_array(alloc, CSV_SLICE_SIZE + SIMD_MARK_SLACK, sizeof *reader->positions);
    reader->fields = alloc_array(alloc, (size_t)BATCH_ROW_COUNT_MAX * layout->column_count + 1,
                                 sizeof *reader->fields);
    reader->header_pending = layout->options.header != CSV_HEADER_NONE;
    if (reader->data == NULL || reader->positions == NULL || reader->fields == NULL) {
        csv_reader_close(reader);
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read rows");
    }
    memset(reader->data, 0, reader->capacity + CSV_SLACK);
    set_marks(reader);
    *reader_out = reader;
    return TDBPLUS_OK;
}

void csv_reader_restart(struct csv_reader *reader)
{
    reader->begin = reader->size = 0;
    reader->ended = reader->done = false;
    reader->marked = 0;
    reader->position_at = reader->position_count = 0;
    reader->state = (struct simd_mark_state){0};
    reader->row_count = 0;
    reader->line = 0;
    reader->batch_begin = 0;
    reader->header_pending = false;
}

void csv_reader_close(struct csv_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    const struct alloc *alloc = reader->alloc;
    alloc_free(alloc, reader->data, reader->capacity + CSV_SLACK, 1);
    alloc_free(alloc, reader->positions, CSV_SLICE_SIZE + SIMD_MARK_SLACK,
               sizeof *reader->positions);
    alloc_free(alloc, reader->fields, (size_t)BATCH_ROW_COUNT_MAX * reader->layout.column_count + 1,
               sizeof *reader->fields);
    alloc_free(alloc, reader, 1, sizeof *reader);
}

/* ---- errors ---- */

/* True when each record is a line. */
static bool is_plain(const struct csv_reader *reader)
{
    return reader->state.quotes == 0 && !reader->layout.options.lenient;
}

static uint64_t count_lines(const struct csv_reader *reader, size_t end)
{
    uint8_t line_end = reader->line_end == CSV_END_RETURN ? '\r' : '\n';
    uint64_t lines = 0;
    for (size_t at = reader->batch_begin; at < end; at++) {
        lines += reader->data[at] == line_end;
    }
    return lines;
}

/* The line where a record ends: quoted fields may hold lines. */
static uint64_t line_of(const struct csv_reader *reader, uint32_t row)
{
    if (is_plain(reader)) {
        return reader->line + row + 1;
    }
    uint32_t count = reader->layout.column_count;
    const struct csv_field *next = reader->fields + (size_t)(row + 1) * count;
    size_t end = row < reader->row_count && count > 0 ? next[-1].end : reader->begin;
    return reader->line + 1 + count_lines(reader, end);
}

static int shown_size(struct span text)
{
    size_t size = text.size < SHOWN_SIZE_MAX ? text.size : SHOWN_SIZE_MAX;
    while (size > 0 && size < text.size && (text.data[size] & 0xC0) == 0x80) {
        size--;
    }
    return (int)size;
}

static struct span record_of(const struct csv_reader *reader, uint32_t row)
{
    uint32_t count = reader->layout.column_count;
    if (row < reader->row_count && count > 0) {
        const struct csv_field *fields = reader->fields + (size_t)row * count;
        return (struct span){.data = reader->data + fields[0].begin,
                             .size = fields[count - 1].end - fields[0].begin};
    }
    // The one that could not be taken apart.
    const uint8_t *begin = reader->data + reader->begin;
    size_t size = 0;
    while (reader->begin + size < reader->size && begin[size] != '\n' && begin[size] != '\r') {
        size++;
    }
    return (struct span){.data = begin, .size = size};
}

void csv_context(const struct csv_reader *reader, uint32_t row, uint32_t column, struct err *err)
{
    const char *source = reader->layout.source;
    uint64_t line = line_of(reader, row);
    line += reader->input->lines_before == NULL ? 0 : reader->input->lines_before(reader->input);
    if (column == UINT32_MAX) {
        struct span record = record_of(reader, row);
        if (!utf8_valid((struct span){record.data, (size_t)shown_size(record)})) {
            err_context(err, "%s, line %" PRIu64, source, line); // A message is in UTF-8.
            return;
        }
        err_context(err, "%s, line %" PRIu64 ": \"%.*s%s\"", source, line, shown_size(record),
                    (const char *)record.data, record.size > SHOWN_SIZE_MAX ? "..." : "");
        return;
    }
    struct arena arena;
    arena_init(&arena, reader->alloc, 1024);
    struct span text = {0};
    bool is_null = false;
    const struct csv_field *field =
        &reader->fields[(size_t)row * reader->layout.column_count + column];
    if (csv_field_text(reader, field, column, &arena, &text, &is_null, NULL) == TDBPLUS_OK) {
        const char *name = reader->layout.columns[column].name;
        if (is_null) {
            err_context(err, "%s, line %" PRIu64 ", column %s: null input", source, line, name);
        } else if (!utf8_valid((struct span){text.data, (size_t)shown_size(text)})) {
            err_context(err, "%s, line %" PRIu64 ", column %s", source, line, name);
        } else {
            err_context(err, "%s, line %" PRIu64 ", column %s: \"%.*s%s\"", source, line, name,
                        shown_size(text), text.size == 0 ? "" : (const char *)text.data,
                        text.size > SHOWN_SIZE_MAX ? "..." : "");
        }
    }
    arena_deinit(&arena);
}

void csv_reader_context(const struct csv_reader *reader, uint32_t row, struct err *err)
{
    csv_context(reader, row, UINT32_MAX, err);
}

static tdbplus_status bad_record(struct csv_reader *reader, struct err *err, const char *message)
{
    tdbplus_status status = err_set_state(err, TDBPLUS_E_SQL, "22P04", "%s", message);
    csv_context(reader, reader->row_count, UINT32_MAX, err);
    return status;
}

static tdbplus_status bad_line_end(struct csv_reader *reader, uint8_t byte, struct err *err)
{
    bool csv = reader->layout.options.csv;
    char message[64];
    (void)snprintf(message, sizeof message, "%s %s found in data", csv ? "unquoted" : "literal",
                   byte == '\r' ? "carriage return" : "newline");
    tdbplus_status status = bad_record(reader, err, message);
    if (csv) {
        err_hint(err, "Use quoted CSV field to represent %s.",
                 byte == '\r' ? "carriage return" : "newline");
    } else {
        err_hint(err, "Use \"\\%c\" to represent %s.", byte == '\r' ? 'r' : 'n',
                 byte == '\r' ? "carriage return" : "newline");
    }
    return status;
}

/* ---- the window ---- */

/* More bytes behind those that are there; the record at hand moves to the front. */
static tdbplus_status refill(struct csv_reader *reader, struct err *err)
{
    if (reader->begin > 0) {
        memmove(reader->data, reader->data + reader->begin, reader->size - reader->begin);
        reader->size -= reader->begin;
        reader->begin = 0;
        reader->batch_begin = 0;
    }
    // What was found stood elsewhere; and the input may have nothing for now.
    reader->marked = 0;
    reader->position_at = reader->position_count = 0;
    reader->state = (struct simd_mark_state){0};
    reader->escaped = false;
    if (reader->size == reader->capacity) {
        if (reader->capacity >= CSV_RECORD_SIZE_MAX) {
            return err_set(err, TDBPLUS_E_LIMIT, "a row of text has more than %zu bytes",
                           CSV_RECORD_SIZE_MAX);
        }
        size_t capacity = reader->capacity * 2;
        uint8_t *data = alloc_resize(reader->alloc, reader->data, reader->capacity + CSV_SLACK,
                                     capacity + CSV_SLACK, 1);
        if (data == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "no memory for a row of %zu bytes", capacity);
        }
        reader->data = data;
        reader->capacity = capacity;
    }
    size_t size = 0;
    TRY(reader->input->read(reader->input, reader->data + reader->size,
                            reader->capacity - reader->size, &size, err));
    reader->ended = size == 0;
    reader->size += size;
    memset(reader->data + reader->size, 0, CSV_SLACK);
    return TDBPLUS_OK;
}

/* ---- records ---- */

/* A record being taken apart. */
struct record {
    struct csv_field *fields;
    uint32_t count;
    uint32_t start; /* Of the field at hand. */
    bool special;
    uint32_t next; /* Where the next record begins. */
};

enum taken {
    TAKEN_RECORD = 0, /* The row's fields are there. */
    TAKEN_BLANK,      /* A line of nothing. */
    TAKEN_NOTHING,    /* The window has no whole record. */
    TAKEN_MARKER,     /* The end of data, by its marker. */
    TAKEN_ERROR,
};

static inline void end_field(struct record *record, uint32_t column_count, uint32_t at)
{
    if (record->count < column_count) {
        record->fields[record->count] =
            (struct csv_field){record->start, at & (uint32_t)INT32_MAX, record->special};
    }
    record->count++;
    record->start = at + 1;
    record->special = false;
}

/* How lines end is what the first one does. *size_out: of the line's end; 0: not known yet. */
static tdbplus_status line_end_at(struct csv_reader *reader, uint32_t at, uint32_t *size_out,
                                  struct err *err)
{
    uint8_t byte = reader->data[at];
    bool last = at + 1 == reader->size;
    bool pair = byte == '\r' && !last && reader->data[at + 1] == '\n';
    *size_out = 0;
    if (byte == '\r' && last && !reader->ended) {
        return TDBPLUS_OK;
    }
    *size_out = pair ? 2 : 1;
    uint8_t end = byte == '\n' ? CSV_END_NEWLINE : pair ? CSV_END_BOTH : CSV_END_RETURN;
    if (reader->line_end == CSV_END_RETURN && byte == '\r') {
        *size_out = 1;
        return TDBPLUS_OK;
    }
    if (reader->line_end == CSV_END_UNKNOWN) {
        reader->line_end = end;
    }
    if (end != reader->line_end && !reader->layout.options.lenient) {
        return bad_line_end(reader, byte, err);
    }
    return TDBPLUS_OK;
}

/* A line of `\.` alone. */
static bool is_end_marker(const struct csv_reader *reader, uint32_t end)
{
    const uint8_t *begin = reader->data + reader->begin;
    return end - reader->begin == 2 && begin[0] == '\\' && begin[1] == '.' &&
           !reader->layout.options.lenient;
}

static enum taken finish_record(struct csv_reader *reader, const struct record *record,
                                uint32_t end, struct err *err)
{
    uint32_t count = reader->layout.column_count;
    if (is_end_marker(reader, end)) {
        return TAKEN_MARKER;
    }
    if (end == reader->begin && reader->layout.options.lenient) {
        return TAKEN_BLANK;
    }
    if (reader->header_pending) {
        return TAKEN_RECORD;
    }
    if (record->count < count) {
        char message[192];
        (void)snprintf(message, sizeof message, "missing data for column \"%s\"",
                       reader->layout.columns[record->count].name);
        (void)bad_record(reader, err, message);
        return TAKEN_ERROR;
    }
    if (record->count > count) {
        if (count == 0 && end == reader->begin) {
            return TAKEN_RECORD;
        }
        (void)bad_record(reader, err, "extra data after last expected column");
        return TAKEN_ERROR;
    }
    return TAKEN_RECORD;
}

/* The marks are used up and the input has ended: what is left is a record without a line's end. */
static enum taken finish_last(struct csv_reader *reader, struct record *record, struct err *err)
{
    uint32_t end = (uint32_t)reader->size;
    if (!reader->ended || reader->begin == reader->size) {
        return TAKEN_NOTHING;
    }
    if (reader->state.inside != 0) {
        (void)bad_record(reader, err, "unterminated CSV quoted field");
        return TAKEN_ERROR;
    }
    end_field(record, reader->layout.column_count, end);
    record->next = end;
    return finish_record(reader, record, end, err);
}

/* A backslash of FILE_TEXT takes the next byte as it is. False: that is not there yet. */
static bool pass_escape(struct csv_reader *reader, struct record *record, uint32_t at)
{
    record->special = true;
    if (at + 1 >= reader->size) {
        return reader->ended;
    }
    if (reader->position_at == reader->position_count && reader->marked < reader->size) {
        csv_mark_slice(reader);
    }
    if (reader->position_at < reader->position_count &&
        reader->positions[reader->position_at] == at + 1) {
        reader->position_at++;
    }
    return true;
}

static enum taken bad_byte(struct csv_reader *reader, struct err *err)
{
    tdbplus_status status = err_set_state(err, TDBPLUS_E_SYNTAX, "22021",
                                          "invalid byte sequence for encoding \"UTF8\": 0x00");
    csv_context(reader, reader->row_count, UINT32_MAX, err);
    return status == TDBPLUS_OK ? TAKEN_NOTHING : TAKEN_ERROR;
}

static enum taken take_record(struct csv_reader *reader, struct record *record, struct err *err)
{
    const uint8_t *data = reader->data;
    const uint8_t delimiter = reader->layout.options.delimiter;
    const uint32_t column_count = reader->layout.column_count;
    for (;;) {
        if (reader->position_at == reader->position_count) {
            if (reader->marked == reader->size) {
                return finish_last(reader, record, err);
            }
            csv_mark_slice(reader);
            continue;
        }
        uint32_t at = reader->positions[reader->position_at++];
        uint8_t byte = data[at];
        if (byte == delimiter) {
            end_field(record, column_count, at);
            continue;
        }
        if (byte == '\n' || byte == '\r') {
            uint32_t size = 0;
            if (line_end_at(reader, at, &size, err) != TDBPLUS_OK) {
                return TAKEN_ERROR;
            }
            if (size == 0) {
                return TAKEN_NOTHING;
            }
            if (size == 2 && reader->position_at == reader->position_count &&
                reader->marked < reader->size) {
                csv_mark_slice(reader);
            }
            reader->position_at += size == 2;
            end_field(record, column_count, at);
            record->next = at + size;
            return finish_record(reader, record, at, err);
        }
        if (byte == '\\' && !reader->layout.options.csv) {
            if (!pass_escape(reader, record, at)) {
                return TAKEN_NOTHING;
            }
            continue;
        }
        return bad_byte(reader, err);
    }
}

/* HEADER MATCH: the names must be those of the columns. The fields are taken apart here, for there
 * may be any number of them. */
static tdbplus_status check_header(struct csv_reader *reader, const struct record *record,
                                   struct err *err)
{
    uint32_t count = reader->layout.column_count;
    if (reader->layout.options.header != CSV_HEADER_MATCH) {
        return TDBPLUS_OK;
    }
    if (record->count != count) {
        tdbplus_status status = err_set_state(
            err, TDBPLUS_E_SQL, "22P04",
            "wrong number of fields in header line: got %u, expected %u", record->count, count);
        csv_context(reader, reader->row_count, UINT32_MAX, err);
        return status;
    }
    struct arena arena;
    arena_init(&arena, reader->alloc, 1024);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        struct span text = {0};
        bool is_null = false;
        const char *name = reader->layout.columns[i].name;
        TRY_OR(done, csv_field_text(reader, &record->fields[i], i, &arena, &text, &is_null, err));
        if (is_null) {
            status = err_set_state(err, TDBPLUS_E_SQL, "22P04",
                                   "column name mismatch in header line field %u: got null value "
                                   "(\"%.*s\"), expected \"%s\"",
                                   i + 1, (int)reader->layout.options.null_text.size,
                                   (const char *)reader->layout.options.null_text.data, name);
        } else if (text.size != strlen(name) || memcmp(text.data, name, text.size) != 0) {
            status = err_set_state(err, TDBPLUS_E_SQL, "22P04",
                                   "column name mismatch in header line field %u: got \"%.*s\", "
                                   "expected \"%s\"",
                                   i + 1, (int)text.size, (const char *)text.data, name);
        }
    }
    if (status != TDBPLUS_OK) {
        csv_context(reader, reader->row_count, UINT32_MAX, err);
    }
done:
    arena_deinit(&arena);
    return status;
}

/* Fills the rows that the window holds whole, at most a batch of them. */
static tdbplus_status take_rows(struct csv_reader *reader, struct err *err)
{
    while (reader->row_count < BATCH_ROW_COUNT_MAX) {
        struct record record = {.fields = reader->fields +
                                          (size_t)reader->row_count * reader->layout.column_count,
                                .start = (uint32_t)reader->begin};
        enum taken taken = take_record(reader, &record, err);
        switch (taken) {
        case TAKEN_RECORD:
            if (reader->header_pending) {
                TRY(check_header(reader, &record, err));
                reader->header_pending = false;
                reader->line++;
                reader->batch_begin = record.next;
            } else {
                reader->row_count++;
            }
            reader->begin = record.next;
            break;
        case TAKEN_BLANK:
            reader->begin = record.next;
            if (reader->row_count == 0) {
                reader->line++;
                reader->batch_begin = reader->begin;
            }
            break;
        case TAKEN_NOTHING:
            if (reader->row_count > 0) {
                return TDBPLUS_OK;
            }
            if (reader->ended) {
                return TDBPLUS_END;
            }
            TRY(refill(reader, err));
            break;
        case TAKEN_MARKER:
            reader->done = true;
            return reader->row_count > 0 ? TDBPLUS_OK : TDBPLUS_END;
        case TAKEN_ERROR:
            return TDBPLUS_E_SQL;
        }
    }
    return TDBPLUS_OK;
}

/* ---- batches ---- */

static tdbplus_status make_batch(struct csv_reader *reader, struct batch *batch, struct err *err)
{
    const struct csv_layout *layout = &reader->layout;
    uint32_t count = layout->positions == NULL ? layout->column_count : layout->position_count;
    batch->columns = arena_array(&batch->arena, count + 1u, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for rows");
    }
    batch->column_count = count;
    uint32_t rows = reader->row_count;
    tdbplus_status status = TDBPLUS_OK;
    // The first row that is wrong ends the batch; among its columns the first counts.
    uint32_t wrong_column = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = layout->positions == NULL ? i : layout->positions[i];
        struct column *column = &batch->columns[i];
        if (!column_make(column, layout->columns[position].type, reader->row_count, true,
                         &batch->arena)) {
            return err_set(err, TDBPLUS_E_NOMEM, "no memory for rows");
        }
        struct err found = {0};
        uint32_t row = 0;
        tdbplus_status result =
            csv_read_column(reader, position, rows, column, &batch->arena, &row, &found);
        if (result != TDBPLUS_OK) {
            rows = row;
            status = result;
            wrong_column = position;
            reader->held_err = found;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        batch->columns[i].row_count = rows;
    }
    batch->row_count = rows;
    if (status != TDBPLUS_OK) {
        csv_context(reader, rows, wrong_column, &reader->held_err);
        reader->held = status;
    }
    return TDBPLUS_OK;
}

/* What is wrong comes after the rows before it. */
static tdbplus_status tell_held(struct csv_reader *reader, struct err *err)
{
    if (err != NULL && err->status == TDBPLUS_OK) {
        *err = reader->held_err;
    }
    return reader->held;
}

tdbplus_status csv_reader_next(struct csv_reader *reader, struct batch *batch, struct err *err)
{
    if (reader->held != TDBPLUS_OK) {
        return tell_held(reader, err);
    }
    reader->line += is_plain(reader) ? reader->row_count : count_lines(reader, reader->begin);
    reader->row_count = 0;
    reader->batch_begin = reader->begin;
    if (reader->done) {
        return TDBPLUS_END;
    }
    tdbplus_status status = take_rows(reader, &reader->held_err);
    if (status == TDBPLUS_END || status == TDBPLUS_PENDING) {
        return status;
    }
    if (status != TDBPLUS_OK) {
        reader->held = reader->held_err.status != TDBPLUS_OK ? reader->held_err.status : status;
        if (reader->row_count == 0) {
            return tell_held(reader, err);
        }
    }
    TRY(make_batch(reader, batch, err));
    if (reader->held != TDBPLUS_OK && batch->row_count == 0) {
        return tell_held(reader, err);
    }
    return TDBPLUS_OK;
}
