/* Fields to values, a column at a time. The usual forms of the usual types are read in place; what
 * they do not cover goes through text_parse(), which knows all of PostgreSQL's. */

#include <string.h>

#include "files/csv_internal.h"
#include "types/datetime.h"
#include "types/float_text.h"

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

/* ---- numbers ---- */

#define EIGHT(byte) ((uint64_t)(byte)*0x0101010101010101u)

static inline uint64_t load_u64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* The number that 1 to 8 digits spell; false when one is no digit. May read 8 bytes. */
static inline bool digits_of(const uint8_t *at, size_t size, uint64_t *value_out)
{
    uint64_t word = load_u64(at);
    unsigned shift = (unsigned)(64 - 8 * size);
    word = (word << shift) | (shift == 0 ? 0 : EIGHT('0') >> (8 * size));
    if (((word & EIGHT(0xF0)) | (((word + EIGHT(6)) & EIGHT(0xF0)) >> 4)) != EIGHT(0x33)) {
        return false;
    }
    // Pairs, then fours, then all: each multiplication adds neighbours in their places.
    word = (word & EIGHT(0x0F)) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    *value_out = (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
    return true;
}

/* 1 to 18 digits. */
static inline bool long_digits_of(const uint8_t *at, size_t size, uint64_t *value_out)
{
    if (size <= 8) {
        return size > 0 && digits_of(at, size, value_out);
    }
    uint64_t high = 0;
    uint64_t low = 0;
    if (size <= 16) {
        if (!digits_of(at, size - 8, &high) || !digits_of(at + size - 8, 8, &low)) {
            return false;
        }
        *value_out = high * 100000000u + low;
        return true;
    }
    uint64_t top = 0;
    if (size > 18 || !digits_of(at, size - 16, &top) || !digits_of(at + size - 16, 8, &high) ||
        !digits_of(at + size - 8, 8, &low)) {
        return false;
    }
    *value_out = (top * 100000000u + high) * 100000000u + low;
    return true;
}

static inline bool integer_of(struct span text, int64_t min, int64_t max, int64_t *value_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t value = 0;
    if (!long_digits_of(text.data + negative, text.size - negative, &value)) {
        return false;
    }
    *value_out = negative ? -(int64_t)value : (int64_t)value;
    return *value_out >= min && *value_out <= max;
}

static inline bool read_int2(struct span text, int16_t *value)
{
    int64_t found = 0;
    bool good = integer_of(text, INT16_MIN, INT16_MAX, &found);
    *value = (int16_t)found;
    return good;
}

static inline bool read_int4(struct span text, int32_t *value)
{
    int64_t found = 0;
    bool good = integer_of(text, INT32_MIN, INT32_MAX, &found);
    *value = (int32_t)found;
    return good;
}

static inline bool read_int8(struct span text, int64_t *value)
{
    return integer_of(text, INT64_MIN, INT64_MAX, value);
}

/* What a decimal with so many digits after the point is multiplied with. */
static const int64_t decimal_powers[] = {1,
                                         10,
                                         100,
                                         1000,
                                         10000,
                                         100000,
                                         1000000,
                                         10000000,
                                         100000000,
                                         1000000000,
                                         10000000000,
                                         100000000000,
                                         1000000000000,
                                         10000000000000,
                                         100000000000000,
                                         1000000000000000,
                                         10000000000000000,
                                         100000000000000000,
                                         1000000000000000000};

/* Digits with a point among them, up to 18 of them: value * 10^scale. */
static inline bool decimal_of(struct span text, int64_t *value_out, unsigned *scale_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    const uint8_t *at = text.data + negative;
    size_t size = text.size - negative;
    size_t whole = 0;
    uint64_t value = 0;
    uint64_t rest = 0;
    while (whole < size && at[whole] != '.') {
        whole++;
    }
    if (whole > 0 && !long_digits_of(at, whole, &value)) {
        return false;
    }
    size_t scale = whole < size ? size - whole - 1 : 0;
    if (whole + scale > 18 || whole + scale == 0 ||
        (scale > 0 && !long_digits_of(at + whole + 1, scale, &rest))) {
        return false;
    }
    value = value * (uint64_t)decimal_powers[scale] + rest;
    *value_out = negative ? -(int64_t)value : (int64_t)value;
    *scale_out = (unsigned)scale;
    return true;
}

/* A decimal whose digits and power of ten are both exact doubles: one division rounds once, as
 * reading it does (Clinger, 1990). The sign of zero is left to the long way. */
static inline bool read_float8(struct span text, double *value_out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    int64_t value = 0;
    unsigned scale = 0;
    if (decimal_of(text, &value, &scale) && value != 0 && value < ((int64_t)1 << 53) &&
        value > -((int64_t)1 << 53)) {
        *value_out = (double)value / powers[scale];
        return true;
    }
    return text.size > 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9')) &&
           float_text_to_double(text, value_out) == FLOAT_TEXT_OK;
}

static inline bool read_float4(struct span text, float *value_out)
{
    return text.size > 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9')) &&
           float_text_to_float(text, value_out) == FLOAT_TEXT_OK;
}

/* ---- dates and times ---- */

/* YYYY-MM-DD */
static inline bool date_of(const uint8_t *at, int64_t *days_out)
{
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    bool good = at[4] == '-' && at[7] == '-' && digits_of(at, 4, &year) &&
                digits_of(at + 5, 2, &month) && digits_of(at + 8, 2, &day);
    if (!good || year == 0 || month == 0 || month > 12 || day == 0 ||
        day > (uint64_t)civil_month_days((int64_t)year, (int32_t)month)) {
        return false;
    }
    *days_out = civil_to_days((int64_t)year, (int32_t)month, (int64_t)day);
    return true;
}

static inline bool read_date(struct span text, int32_t *value)
{
    int64_t days = 0;
    bool good = text.size == 10 && date_of(text.data, &days);
    *value = (int32_t)days;
    return good;
}

/* HH:MM:SS and up to six digits of a second behind a point. */
static inline bool clock_of(const uint8_t *at, size_t size, int64_t *time_out)
{
    uint64_t hour = 0;
    uint64_t minute = 0;
    uint64_t second = 0;
    uint64_t part = 0;
    static const uint32_t scales[] = {0, 100000, 10000, 1000, 100, 10, 1};
    if (size < 8 || at[2] != ':' || at[5] != ':' || !digits_of(at, 2, &hour) ||
        !digits_of(at + 3, 2, &minute) || !digits_of(at + 6, 2, &second) || hour > 23 ||
        minute > 59 || second > 59) {
        return false;
    }
    if (size > 8) {
        if (size == 9 || size > 15 || at[8] != '.' || !digits_of(at + 9, size - 9, &part)) {
            return false;
        }
        part *= scales[size - 9];
    }
    *time_out = (int64_t)(((hour * 60 + minute) * 60 + second) * 1000000 + part);
    return true;
}

static inline bool read_time(struct span text, int64_t *value)
{
    return clock_of(text.data, text.size, value);
}

static inline bool read_timestamp(struct span text, int64_t *value)
{
    int64_t days = 0;
    int64_t time = 0;
    if (text.size < 19 || (text.data[10] != ' ' && text.data[10] != 'T') ||
        !date_of(text.data, &days) || !clock_of(text.data + 11, text.size - 11, &time)) {
        return false;
    }
    *value = days * US_PER_DAY + time;
    return true;
}

/* Only texts that say they are in UTC: the session's zone may be another. */
static inline bool read_timestamptz(struct span text, int64_t *value)
{
    if (text.size > 1 && text.data[text.size - 1] == 'Z') {
        text.size--;
    } else if (text.size > 3 && memcmp(text.data + text.size - 3, "+00", 3) == 0) {
        text.size -= 3;
    } else {
        return false;
    }
    return read_timestamp(text, value);
}

static inline bool read_bool(struct span text, uint8_t *value)
{
    uint8_t byte = text.size == 1 ? text.data[0] : 0;
    *value = byte == 't' || byte == '1';
    return *value != 0 || byte == 'f' || byte == '0';
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
            if (!reader->null_first && read_##name(raw, &values[*row])) {               \
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
            decimal_of(csv_raw(read->reader, field_at(read, *row)), &value, &scale) &&
            (int)scale <= type.scale &&
            !__builtin_mul_overflow(value, decimal_powers[type.scale - (int)scale], &value) &&
            value < decimal_powers[type.precision] && value > -decimal_powers[type.precision]) {
            values[*row] = value;
            continue;
        }
        TRY(read_slowly(read, *row));
    }
    return TDBPLUS_OK;
}

/* The view of a text in the window, or in the arena. */
static inline struct view window_view(struct span text)
{
    struct view view = {.size = (uint32_t)text.size};
    if (text.size > VIEW_INLINE_SIZE_MAX) {
        memcpy(view.far.prefix, text.data, sizeof view.far.prefix);
        view.far.data = text.data;
        return view;
    }
    // The window has slack, so that sixteen bytes may be read; those past the end become zero.
    uint64_t low = load_u64(text.data);
    uint64_t high = load_u64(text.data + 8);
    low = text.size >= 8 ? low : text.size == 0 ? 0 : low & (UINT64_MAX >> (64 - 8 * text.size));
    high = text.size <= 8 ? 0 : high & (UINT64_MAX >> (128 - 8 * text.size));
    memcpy(view.inlined, &low, 8);
    memcpy(view.inlined + 8, &high, 4);
    return view;
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
            values[*row] = window_view(text);
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
