/* Fields to values, a column at a time. The usual forms of the usual types are read in place; what
 * they do not cover goes through text_parse(), which knows all of PostgreSQL's. */

#include <string.h>

#include "files/csv_internal.h"
#include "files/quick_value.h"

/* ---- texts of fields ---- */

static bool is_null_text(const struct csv_reader *reader, struct span text)
{
    struct span null_text = reader->layout.options.null_text;
    return text.size == null_text.size &&
           (text.size == 0 || memcmp(text.data, null_text.data, text.size) == 0);
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "no memory for a field");
}

static unsigned digit_of(uint8_t byte)
{
    return byte >= '0' && byte <= '9'   ? (unsigned)(byte - '0')
           : byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a' + 10)
           : byte >= 'A' && byte <= 'F' ? (unsigned)(byte - 'A' + 10)
                                        : 16u;
}

/* Up to `count` digits of a number; *at moves past them. */
static uint8_t coded_byte(const uint8_t **at, const uint8_t *end, unsigned base, unsigned count)
{
    unsigned value = 0;
    for (; count > 0 && *at < end && digit_of(**at) < base; count--) {
        value = value * base + digit_of(**at);
        (*at)++;
    }
    return (uint8_t)value;
}

/* FILE_TEXT: what stands behind a backslash. */
static uint8_t escaped_byte(const uint8_t **at, const uint8_t *end)
{
    uint8_t byte = *(*at)++;
    switch (byte) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    case 'x':
        return *at < end && digit_of(**at) < 16 ? coded_byte(at, end, 16, 2) : 'x';
    default:
        if (byte >= '0' && byte <= '7') {
            (*at)--;
            return coded_byte(at, end, 8, 3);
        }
        return byte;
    }
}

static size_t unescape_text(struct span raw, uint8_t *out)
{
    const uint8_t *at = raw.data;
    const uint8_t *end = raw.data + raw.size;
    size_t size = 0;
    while (at < end) {
        uint8_t byte = *at++;
        out[size++] = byte == '\\' && at < end ? escaped_byte(&at, end) : byte;
    }
    return size;
}

/* Quotes may begin and end anywhere in a field. */
static size_t unquote(const struct csv_options *options, struct span raw, uint8_t *out)
{
    size_t size = 0;
    bool inside = false;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t byte = raw.data[i];
        if (!inside) {
            inside = byte == options->quote;
            if (!inside) {
                out[size++] = byte;
            }
            continue;
        }
        if (byte == options->escape && i + 1 < raw.size &&
            (raw.data[i + 1] == options->quote || raw.data[i + 1] == options->escape)) {
            out[size++] = raw.data[++i];
        } else if (byte == options->quote) {
            inside = false;
        } else {
            out[size++] = byte;
        }
    }
    return size;
}

static bool has_quote(const struct csv_reader *reader, struct span raw)
{
    return reader->layout.options.csv && reader->state.quotes != 0 && raw.size > 0 &&
           memchr(raw.data, reader->layout.options.quote, raw.size) != NULL;
}

tdbplus_status csv_field_text(const struct csv_reader *reader, const struct csv_field *field,
                              uint32_t column, struct arena *arena, struct span *text_out,
                              bool *null_out, struct err *err)
{
    const struct csv_options *options = &reader->layout.options;
    struct span raw = csv_raw(reader, field);
    bool quoted = has_quote(reader, raw);
    *null_out = false;
    if (!quoted) {
        bool may_be_null = options->force_not_null == NULL || !options->force_not_null[column];
        if (may_be_null && is_null_text(reader, raw)) {
            *null_out = true;
            return TDBPLUS_OK;
        }
        *text_out = raw;
        if (!field->special) {
            return TDBPLUS_OK;
        }
    } else if (raw.size >= 2 && raw.data[0] == options->quote &&
               raw.data[raw.size - 1] == options->quote && options->quote == options->escape &&
               memchr(raw.data + 1, options->quote, raw.size - 2) == NULL) {
        *text_out = (struct span){.data = raw.data + 1, .size = raw.size - 2};
        *null_out = options->force_null != NULL && options->force_null[column] &&
                    is_null_text(reader, *text_out);
        return TDBPLUS_OK;
    }
    uint8_t *copy = arena_bytes(arena, raw.size + CSV_SLACK);
    if (copy == NULL) {
        return no_memory(err);
    }
    text_out->size = quoted ? unquote(options, raw, copy) : unescape_text(raw, copy);
    text_out->data = copy;
    *null_out = quoted && options->force_null != NULL && options->force_null[column] &&
                is_null_text(reader, *text_out);
    return TDBPLUS_OK;
}

/* ---- columns ---- */

struct column_read {
    const struct csv_reader *reader;
    uint32_t number;
    uint32_t row_count;
    struct column *column;
    struct arena *arena;
    struct err *err;
};

static inline const struct csv_field *field_at(const struct column_read *read, uint32_t row)
{
    return &read->reader->fields[(size_t)row * read->reader->layout.column_count + read->number];
}

/* Any form of any type. */
static tdbplus_status read_slowly(const struct column_read *read, uint32_t row)
{
    struct span text = {0};
    bool is_null = false;
    struct column *column = read->column;
    TRY(csv_field_text(read->reader, field_at(read, row), read->number, read->arena, &text,
                       &is_null, read->err));
    if (is_null) {
        column->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
        return TDBPLUS_OK;
    }
    struct datum value = {0};
    TRY(text_parse(text, column->type, read->reader->layout.style, read->arena, &value, read->err));
    column_set(column, row, &value);
    return TDBPLUS_OK;
}

/* A loop for each type that has a quick form; `quick` fails for anything it is not sure of. */
#define COLUMN_LOOP(name, value_type)                                                   \
    static tdbplus_status loop_##name(const struct column_read *read, uint32_t *row)    \
    {                                                                                   \
        value_type *values = read->column->data;                                        \
        const struct csv_reader *reader = read->reader;                                 \
        for (*row = 0; *row < read->row_count; (*row)++) {                              \
            const struct csv_field *field = field_at(read, *row);                       \
            struct span raw = {reader->data + field->begin, field->end - field->begin}; \
            if (!reader->null_first && quick_##name(raw, &values[*row])) {              \
                continue;                                                               \
            }                                                                           \
            TRY(read_slowly(read, *row));                                               \
        }                                                                               \
        return TDBPLUS_OK;                                                              \
    }

COLUMN_LOOP(bool, uint8_t)
COLUMN_LOOP(int2, int16_t)
COLUMN_LOOP(int4, int32_t)
COLUMN_LOOP(int8, int64_t)
COLUMN_LOOP(float4, float)
COLUMN_LOOP(float8, double)
COLUMN_LOOP(date, int32_t)
COLUMN_LOOP(time, int64_t)
COLUMN_LOOP(timestamp, int64_t)
COLUMN_LOOP(timestamptz, int64_t)

static tdbplus_status loop_any(const struct column_read *read, uint32_t *row)
{
    for (*row = 0; *row < read->row_count; (*row)++) {
        TRY(read_slowly(read, *row));
    }
    return TDBPLUS_OK;
}

/* numeric(p, s) of up to 18 digits. */
static tdbplus_status loop_decimal(const struct column_read *read, uint32_t *row)
{
    struct type type = read->column->type;
    int64_t *values = read->column->data;
    for (*row = 0; *row < read->row_count; (*row)++) {
        int64_t value = 0;
        unsigned scale = 0;
        if (!read->reader->null_first &&
            quick_decimal(csv_raw(read->reader, field_at(read, *row)), &value, &scale) &&
            (int)scale <= type.scale &&
            !__builtin_mul_overflow(value, quick_powers[type.scale - (int)scale], &value) &&
            value < quick_powers[type.precision] && value > -quick_powers[type.precision]) {
            values[*row] = value;
            continue;
        }
        TRY(read_slowly(read, *row));
    }
    return TDBPLUS_OK;
}

static tdbplus_status loop_text(const struct column_read *read, uint32_t *row)
{
    const struct csv_reader *reader = read->reader;
    struct view *values = read->column->data;
    bool plain = reader->state.high == 0 && read->column->type.parameter == 0;
    const struct csv_options *options = &reader->layout.options;
    bool unquoted = !options->csv || reader->state.quotes == 0;
    for (*row = 0; *row < read->row_count; (*row)++) {
        const struct csv_field *field = field_at(read, *row);
        struct span text = csv_raw(reader, field);
        bool is_null = false;
        // The null text is short: most fields are seen not to be it by their size.
        if (!unquoted || field->special || text.size == options->null_text.size) {
            TRY(csv_field_text(reader, field, read->number, read->arena, &text, &is_null,
                               read->err));
        }
        if (is_null) {
            read->column->validity[*row / 64] &= ~((uint64_t)1 << (*row % 64));
            continue;
        }
        // Between quotes a zero byte is no mark.
        bool zero = !unquoted && text.size > 0 && memchr(text.data, 0, text.size) != NULL;
        if (plain && !field->special && !zero) {
            values[*row] = quick_view(text);
            continue;
        }
        struct datum value = {0};
        TRY(text_parse(text, read->column->type, NULL, read->arena, &value, read->err));
        values[*row] = view_of(value.bytes);
    }
    return TDBPLUS_OK;
}

tdbplus_status csv_read_column(const struct csv_reader *reader, uint32_t number, uint32_t row_count,
                               struct column *column, struct arena *arena, uint32_t *row_out,
                               struct err *err)
{
    typedef tdbplus_status (*column_loop)(const struct column_read *read, uint32_t *row);
    static const column_loop loops[] = {
        [TYPE_BOOL] = loop_bool,
        [TYPE_INT2] = loop_int2,
        [TYPE_INT4] = loop_int4,
        [TYPE_INT8] = loop_int8,
        [TYPE_FLOAT4] = loop_float4,
        [TYPE_FLOAT8] = loop_float8,
        [TYPE_TEXT] = loop_text,
        [TYPE_DATE] = loop_date,
        [TYPE_TIME] = loop_time,
        [TYPE_TIMESTAMP] = loop_timestamp,
        [TYPE_TIMESTAMPTZ] = loop_timestamptz,
    };
    struct column_read read = {reader, number, row_count, column, arena, err};
    uint8_t id = column->type.id;
    column_loop loop =
        id < sizeof loops / sizeof *loops && loops[id] != NULL ? loops[id] : loop_any;
    if (id == TYPE_NUMERIC && type_physical(column->type) == PHYSICAL_8) {
        loop = loop_decimal;
    }
    TRY(loop(&read, row_out));
    column_trim_validity(column);
    return TDBPLUS_OK;
}
