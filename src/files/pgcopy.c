/* Rows in PostgreSQL's binary COPY format, read in a window of the input. */

#include "files/pgcopy.h"

#include <inttypes.h>
#include <string.h>

#include "base/codec.h"
#include "files/utf8.h"
#include "types/wire.h"
#include "types/wire_type.h"

#define BLOCK_SIZE       ((size_t)256 << 10)
#define SIGNATURE_SIZE   11u
#define FLAG_OIDS        0x00010000u
#define FLAGS_CRITICAL   0xFFFF0000u
#define COUNT_SIZE       2u /* Of a row's fields. */
#define FIELD_SIZE_BYTES 4u

static const uint8_t signature[SIGNATURE_SIZE] = "PGCOPY\n\377\r\n";

struct pgcopy_reader {
    const struct alloc *alloc;
    struct file_input *input;
    struct pgcopy_layout layout;
    uint32_t *places; /* A column's place in the batch; UINT32_MAX: not wanted. */
    uint8_t *data;
    size_t capacity;
    size_t begin; /* Of what is not yet taken. */
    size_t size;
    bool ended;
    bool header_read;
    bool trailer_read;
    uint64_t line; /* Rows taken, those of the batch at hand included. */
    uint32_t row_count;
    struct err held_err;
    tdbplus_status held; /* What comes after the rows of the last batch. */
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory to read rows");
}

static tdbplus_status malformed(struct err *err, const char *message)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22P04", "%s", message);
}

tdbplus_status pgcopy_reader_open(struct file_input *input, const struct pgcopy_layout *layout,
                                  const struct alloc *alloc, struct pgcopy_reader **reader_out,
                                  struct err *err)
{
    struct pgcopy_reader *reader = alloc_array(alloc, 1, sizeof *reader);
    if (reader == NULL) {
        return no_memory(err);
    }
    reader->alloc = alloc;
    reader->input = input;
    reader->layout = *layout;
    reader->capacity = BLOCK_SIZE;
    reader->data = alloc_raw(alloc, reader->capacity);
    reader->places = alloc_array(alloc, layout->column_count + 1u, sizeof *reader->places);
    if (reader->data == NULL || reader->places == NULL) {
        pgcopy_reader_close(reader);
        return no_memory(err);
    }
    for (uint32_t i = 0; i < layout->column_count; i++) {
        reader->places[i] = layout->positions == NULL ? i : UINT32_MAX;
    }
    for (uint32_t i = 0; layout->positions != NULL && i < layout->position_count; i++) {
        reader->places[layout->positions[i]] = i;
    }
    *reader_out = reader;
    return TDBPLUS_OK;
}

void pgcopy_reader_close(struct pgcopy_reader *reader)
{
    if (reader != NULL) {
        alloc_free(reader->alloc, reader->data, reader->capacity, 1);
        alloc_free(reader->alloc, reader->places, reader->layout.column_count + 1u,
                   sizeof *reader->places);
        alloc_free(reader->alloc, reader, 1, sizeof *reader);
    }
}

/* ---- the window ---- */

static tdbplus_status refill(struct pgcopy_reader *reader, struct err *err)
{
    if (reader->begin > 0) {
        memmove(reader->data, reader->data + reader->begin, reader->size - reader->begin);
        reader->size -= reader->begin;
        reader->begin = 0;
    }
    if (reader->size == reader->capacity) {
        if (reader->capacity >= PGCOPY_ROW_SIZE_MAX) {
            return err_set(err, TDBPLUS_E_LIMIT, "a row has more than %zu bytes",
                           PGCOPY_ROW_SIZE_MAX);
        }
        uint8_t *data =
            alloc_resize(reader->alloc, reader->data, reader->capacity, reader->capacity * 2, 1);
        if (data == NULL) {
            return no_memory(err);
        }
        reader->data = data;
        reader->capacity *= 2;
    }
    size_t size = 0;
    TRY(reader->input->read(reader->input, reader->data + reader->size,
                            reader->capacity - reader->size, &size, err));
    reader->ended = size == 0;
    reader->size += size;
    return TDBPLUS_OK;
}

/* At least that many bytes from `begin` on, or all there are. */
static tdbplus_status want(struct pgcopy_reader *reader, size_t size, struct err *err)
{
    while (reader->size - reader->begin < size && !reader->ended) {
        TRY(refill(reader, err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_header(struct pgcopy_reader *reader, struct err *err)
{
    TRY(want(reader, PGCOPY_HEADER_SIZE, err));
    struct wire_reader header = {
        .rest = {.data = reader->data + reader->begin, .size = reader->size - reader->begin}};
    struct span begin = wire_bytes(&header, SIGNATURE_SIZE);
    if (header.overrun || memcmp(begin.data, signature, SIGNATURE_SIZE) != 0) {
        return malformed(err, "COPY file signature not recognized");
    }
    uint32_t flags = (uint32_t)wire_i32(&header);
    if (header.overrun) {
        return malformed(err, "invalid COPY file header (missing flags)");
    }
    if ((flags & FLAG_OIDS) != 0) {
        return malformed(err, "invalid COPY file header (WITH OIDS)");
    }
    if ((flags & FLAGS_CRITICAL) != 0) {
        return malformed(err, "unrecognized critical flags in COPY file header");
    }
    int32_t extension = wire_i32(&header);
    if (header.overrun || extension < 0) {
        return malformed(err, "invalid COPY file header (missing length)");
    }
    TRY(want(reader, PGCOPY_HEADER_SIZE + (size_t)extension, err));
    if (reader->size - reader->begin < PGCOPY_HEADER_SIZE + (size_t)extension) {
        return malformed(err, "invalid COPY file header (wrong length)");
    }
    reader->begin += PGCOPY_HEADER_SIZE + (size_t)extension;
    reader->header_read = true;
    return TDBPLUS_OK;
}

/* ---- values ---- */

static tdbplus_status text_of(struct span bytes, struct type type, struct arena *arena,
                              struct datum *value, struct err *err)
{
    if (type.parameter > 0 || bytes.size > VALUE_SIZE_MAX || !utf8_valid(bytes)) {
        return wire_parse_binary(bytes, type, NULL, arena, value, err);
    }
    if (bytes.size > VIEW_INLINE_SIZE_MAX) {
        uint8_t *copy = arena_bytes(arena, bytes.size);
        if (copy == NULL) {
            return no_memory(err);
        }
        memcpy(copy, bytes.data, bytes.size);
        bytes.data = copy;
    }
    value->bytes = bytes; // Short ones are copied into their view.
    return TDBPLUS_OK;
}

/* The usual types without a detour; the window moves, so bytes are copied. */
static tdbplus_status value_of(const struct pgcopy_reader *reader, struct span bytes,
                               struct type type, struct arena *arena, struct datum *value,
                               struct err *err)
{
    *value = (struct datum){.type = type};
    switch (type.id) {
    case TYPE_INT4:
        if (bytes.size == 4) {
            value->integer = (int32_t)__builtin_bswap32(load_u32(bytes.data));
            return TDBPLUS_OK;
        }
        break;
    case TYPE_INT8:
        if (bytes.size == 8) {
            value->integer = (int64_t)load_u64_be(bytes.data);
            return TDBPLUS_OK;
        }
        break;
    case TYPE_TEXT:
        return text_of(bytes, type, arena, value, err);
    default:
        break;
    }
    TRY(wire_parse_binary(bytes, type, reader->layout.style, arena, value, err));
    if (value->type.id == TYPE_BYTEA) {
        uint8_t *copy = arena_bytes(arena, bytes.size);
        if (copy == NULL) {
            return no_memory(err);
        }
        if (bytes.size > 0) {
            memcpy(copy, bytes.data, bytes.size);
        }
        value->bytes.data = copy;
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_field(const struct pgcopy_reader *reader, uint32_t number,
                                struct span bytes, bool is_null, struct batch *batch,
                                struct err *err)
{
    uint32_t place = reader->places[number];
    uint32_t row = reader->row_count;
    if (place == UINT32_MAX) {
        return TDBPLUS_OK;
    }
    struct column *column = &batch->columns[place];
    struct datum value = {.type = column->type, .is_null = is_null};
    if (is_null) {
        column_set(column, row, &value);
        return TDBPLUS_OK;
    }
    tdbplus_status status = value_of(reader, bytes, column->type, &batch->arena, &value, err);
    if (status != TDBPLUS_OK) {
        err_context(err, "%s, line %" PRIu64 ", column %s", reader->layout.source, reader->line + 1,
                    reader->layout.columns[number].name);
        return status;
    }
    column_set(column, row, &value);
    return TDBPLUS_OK;
}

/* ---- rows ---- */

static tdbplus_status bad_row(const struct pgcopy_reader *reader, struct err *err,
                              const char *message)
{
    tdbplus_status status = malformed(err, message);
    pgcopy_reader_context(reader, reader->row_count, err);
    return status;
}

/* Makes the window hold the whole row at its front: the size of each field is known before the
 * field is there. TDBPLUS_END after the trailer. */
static tdbplus_status want_row(struct pgcopy_reader *reader, struct err *err)
{
    uint32_t expected = reader->layout.column_count;
    TRY(want(reader, COUNT_SIZE, err));
    if (reader->size - reader->begin < COUNT_SIZE) {
        return TDBPLUS_END; // PostgreSQL does not miss the trailer either.
    }
    struct span count_bytes = {.data = reader->data + reader->begin, .size = COUNT_SIZE};
    struct wire_reader first = {.rest = count_bytes};
    int16_t count = wire_i16(&first);
    if (count == -1) {
        reader->begin += COUNT_SIZE;
        reader->trailer_read = true;
        return TDBPLUS_END;
    }
    if (count != (int32_t)expected) {
        tdbplus_status status =
            err_set_state(err, TDBPLUS_E_SQL, "22P04", "row field count is %d, expected %u",
                          (int)count, expected);
        pgcopy_reader_context(reader, reader->row_count, err);
        return status;
    }
    size_t end = COUNT_SIZE;
    for (uint32_t i = 0; i < expected; i++) {
        TRY(want(reader, end + FIELD_SIZE_BYTES, err));
        size_t have = reader->size - reader->begin;
        if (have < end + FIELD_SIZE_BYTES) {
            return bad_row(reader, err, "unexpected EOF in COPY data");
        }
        int32_t size = (int32_t)__builtin_bswap32(load_u32(reader->data + reader->begin + end));
        if (size < -1) {
            return bad_row(reader, err, "invalid field size");
        }
        end += FIELD_SIZE_BYTES + (size < 0 ? 0 : (size_t)size);
        TRY(want(reader, end, err));
        if (reader->size - reader->begin < end) {
            return bad_row(reader, err, "unexpected EOF in COPY data");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status next_row(struct pgcopy_reader *reader, struct batch *batch, struct err *err)
{
    if (!reader->header_read) {
        TRY(read_header(reader, err));
    }
    TRY(want_row(reader, err));
    struct wire_reader row = {
        .rest = {.data = reader->data + reader->begin, .size = reader->size - reader->begin}};
    (void)wire_i16(&row);
    for (uint32_t i = 0; i < reader->layout.column_count; i++) {
        int32_t size = wire_i32(&row);
        struct span bytes = wire_bytes(&row, size < 0 ? 0 : (size_t)size);
        TRY(put_field(reader, i, bytes, size < 0, batch, err));
    }
    reader->begin = (size_t)(row.rest.data - reader->data);
    reader->row_count++;
    reader->line++;
    return TDBPLUS_OK;
}

static tdbplus_status make_columns(const struct pgcopy_layout *layout, struct batch *batch,
                                   struct err *err)
{
    bool made = file_columns_make(layout->columns, layout->column_count, layout->positions,
                                  layout->position_count, batch);
    return made ? TDBPLUS_OK : no_memory(err);
}

/* Nothing may stand behind the trailer. */
static tdbplus_status check_rest(struct pgcopy_reader *reader, struct err *err)
{
    if (reader->trailer_read) {
        TRY(want(reader, 1, err));
        if (reader->size > reader->begin) {
            return bad_row(reader, err, "received copy data after EOF marker");
        }
    }
    return TDBPLUS_END;
}

tdbplus_status pgcopy_reader_next(struct pgcopy_reader *reader, struct batch *batch,
                                  struct err *err)
{
    tdbplus_status status = reader->held;
    reader->row_count = 0;
    if (status == TDBPLUS_OK && !reader->trailer_read) {
        TRY(make_columns(&reader->layout, batch, err));
        while (status == TDBPLUS_OK && reader->row_count < BATCH_ROW_COUNT_MAX) {
            status = next_row(reader, batch, &reader->held_err);
        }
        for (uint32_t i = 0; i < batch->column_count; i++) {
            batch->columns[i].row_count = reader->row_count;
            column_trim_validity(&batch->columns[i]);
        }
        batch->row_count = reader->row_count;
        if (reader->row_count > 0) {
            bool goes_on = status == TDBPLUS_PENDING || status == TDBPLUS_END;
            reader->held = goes_on ? TDBPLUS_OK : status;
            return TDBPLUS_OK;
        }
    }
    if (reader->trailer_read && (status == TDBPLUS_OK || status == TDBPLUS_END)) {
        return check_rest(reader, err);
    }
    if (status != TDBPLUS_END && status != TDBPLUS_PENDING && err != NULL &&
        err->status == TDBPLUS_OK) {
        *err = reader->held_err;
    }
    return status;
}

void pgcopy_reader_context(const struct pgcopy_reader *reader, uint32_t row, struct err *err)
{
    uint64_t line = reader->line - reader->row_count + row + 1;
    err_context(err, "%s, line %" PRIu64, reader->layout.source, line);
}

/* ---- writing ---- */

void pgcopy_write_header(struct buffer *out)
{
    buffer_put(out, signature, SIGNATURE_SIZE);
    wire_put_i32(out, 0); // Flags.
    wire_put_i32(out, 0); // The extension's size.
}

void pgcopy_write_trailer(struct buffer *out)
{
    wire_put_i16(out, -1);
}

void pgcopy_write_batch(uint32_t column_count, const struct text_style *style,
                        const struct batch *batch, struct buffer *out)
{
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection != NULL ? batch->selection[i] : i;
        wire_put_i16(out, (int16_t)column_count);
        for (uint32_t c = 0; c < column_count; c++) {
            struct datum value;
            column_get(&batch->columns[c], row, &value);
            if (value.is_null) {
                wire_put_i32(out, -1);
            } else {
                wire_put_binary(out, &value, style);
            }
        }
    }
}

size_t pgcopy_row_size(struct span written)
{
    struct wire_reader reader = {.rest = written};
    if (written.size >= SIGNATURE_SIZE && memcmp(written.data, signature, SIGNATURE_SIZE) == 0) {
        (void)wire_bytes(&reader, PGCOPY_HEADER_SIZE);
    }
    int16_t count = wire_i16(&reader);
    for (int16_t i = 0; i < count && !reader.overrun; i++) {
        int32_t size = wire_i32(&reader);
        (void)wire_bytes(&reader, size < 0 ? 0 : (size_t)size);
    }
    return reader.overrun ? written.size : written.size - reader.rest.size;
}
