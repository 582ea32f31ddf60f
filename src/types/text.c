#include "types/text.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "types/float_text.h"
#include "types/json_internal.h"
#include "types/numeric.h"
#include "types/numeric_internal.h"
#include "types/packed.h"
#include "types/text_internal.h"

#define SHOWN_SIZE_MAX    200u /* Bytes of a text in a message. */
#define FLOAT8_DIGITS_MAX 15   /* From this exponent on floats print with an exponent. */
#define FLOAT4_DIGITS_MAX 6
#define EXPONENT_MIN      (-4)
#define UUID_SIZE         16u

/* ---- common ---- */

const char *text_type_name(struct type type)
{
    static const char *const names[] = {
        [TYPE_NONE] = "unknown",
        [TYPE_BOOL] = "boolean",
        [TYPE_INT2] = "smallint",
        [TYPE_INT4] = "integer",
        [TYPE_INT8] = "bigint",
        [TYPE_FLOAT4] = "real",
        [TYPE_FLOAT8] = "double precision",
        [TYPE_NUMERIC] = "numeric",
        [TYPE_TEXT] = "text",
        [TYPE_BYTEA] = "bytea",
        [TYPE_DATE] = "date",
        [TYPE_TIME] = "time",
        [TYPE_TIMESTAMP] = "timestamp",
        [TYPE_TIMESTAMPTZ] = "timestamp with time zone",
        [TYPE_INTERVAL] = "interval",
        [TYPE_UUID] = "uuid",
        [TYPE_JSON] = "json",
        [TYPE_ARRAY] = "array",
        [TYPE_ENUM] = "enum",
        [TYPE_VECTOR] = "vector",
        [TYPE_BPCHAR] = "character",
        [TYPE_TIMETZ] = "time with time zone",
        [TYPE_MONEY] = "money",
        [TYPE_BIT] = "bit",
        [TYPE_VARBIT] = "bit varying",
        [TYPE_INET] = "inet",
        [TYPE_CIDR] = "cidr",
        [TYPE_MACADDR] = "macaddr",
        [TYPE_MACADDR8] = "macaddr8",
        [TYPE_OID] = "oid",
        [TYPE_NAME] = "name",
        [TYPE_CHAR1] = "\"char\"",
        [TYPE_REGCLASS] = "regclass",
        [TYPE_REGTYPE] = "regtype",
        [TYPE_REGPROC] = "regproc",
        [TYPE_REGNAMESPACE] = "regnamespace",
        [TYPE_REGROLE] = "regrole",
        [TYPE_REGPROCEDURE] = "regprocedure",
        [TYPE_REGOPER] = "regoper",
        [TYPE_REGOPERATOR] = "regoperator",
        [TYPE_XID] = "xid",
        [TYPE_REGCONFIG] = "regconfig",
        [TYPE_REGDICTIONARY] = "regdictionary",
        [TYPE_REGCOLLATION] = "regcollation",
    };
    const char *name = type.id < sizeof names / sizeof *names ? names[type.id] : NULL;
    return name == NULL ? "range" : name;
}

tdbplus_status text_bad_syntax(struct type type, struct span text, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22P02",
                         "invalid input syntax for type %s: \"%.*s\"", text_type_name(type),
                         (int)(text.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : text.size),
                         text.size == 0 ? "" : (const char *)text.data);
}

tdbplus_status text_no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "text: no memory for the value");
}

bool text_is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct span text_trim(struct span text)
{
    while (text.size > 0 && text_is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && text_is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

static bool equals(struct span text, const char *name)
{
    return text.size == strlen(name) && strncasecmp((const char *)text.data, name, text.size) == 0;
}

/* ---- booleans and integers ---- */

/* Any beginning of a word that can mean nothing else. */
static bool abbreviates(struct span text, const char *word, size_t size_min)
{
    return text.size >= size_min && text.size <= strlen(word) &&
           strncasecmp((const char *)text.data, word, text.size) == 0;
}

static tdbplus_status parse_boolean(struct span text, struct datum *datum, struct err *err)
{
    struct span word = text_trim(text);
    bool is_true = abbreviates(word, "true", 1) || abbreviates(word, "yes", 1) ||
                   abbreviates(word, "on", 2) || equals(word, "1");
    bool is_false = abbreviates(word, "false", 1) || abbreviates(word, "no", 1) ||
                    abbreviates(word, "off", 2) || equals(word, "0");
    if (!is_true && !is_false) {
        return text_bad_syntax(datum->type, text, err);
    }
    datum->boolean = is_true;
    return TDBPLUS_OK;
}

static TDBPLUS_CHECKED tdbplus_status integer_out_of_range(struct type type, struct span text,
                                                           struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22003",
                         "value \"%.*s\" is out of range for type %s",
                         (int)(text.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : text.size),
                         (const char *)text.data, text_type_name(type));
}

static tdbplus_status parse_integer(struct span text, struct datum *datum, struct err *err)
{
    unsigned bits = datum->type.id == TYPE_INT2 ? 16 : datum->type.id == TYPE_INT4 ? 32 : 64;
    uint64_t max = ((uint64_t)1 << (bits - 1)) - 1;
    struct span word = text_trim(text);
    bool is_negative = word.size > 0 && word.data[0] == '-';
    size_t i = is_negative || (word.size > 0 && word.data[0] == '+') ? 1 : 0;
    uint64_t value = 0;
    bool overflow = false;
    bool has_digits = i < word.size;
    for (; i < word.size; i++) {
        if (word.data[i] < '0' || word.data[i] > '9') {
            return text_bad_syntax(datum->type, text, err);
        }
        overflow |= __builtin_mul_overflow(value, 10u, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(word.data[i] - '0'), &value);
    }
    if (!has_digits) {
        return text_bad_syntax(datum->type, text, err);
    }
    if (overflow || value > max + is_negative) {
        return integer_out_of_range(datum->type, text, err);
    }
    datum->integer = (int64_t)(is_negative ? 0 - value : value);
    return TDBPLUS_OK;
}

/* ---- floats ---- */

static bool special_float(struct span word, double *value_out)
{
    if (equals(word, "nan")) {
        *value_out = (double)NAN;
    } else if (equals(word, "infinity") || equals(word, "inf") || equals(word, "+infinity") ||
               equals(word, "+inf")) {
        *value_out = HUGE_VAL;
    } else if (equals(word, "-infinity") || equals(word, "-inf")) {
        *value_out = -HUGE_VAL;
    } else {
        return false;
    }
    return true;
}

/* std::from_chars reads "inf" and "nan(...)", too, but neither a plus nor what we want of those. */
static bool looks_like_number(struct span word)
{
    size_t i = word.size > 0 && word.data[0] == '-' ? 1 : 0;
    return i < word.size && ((word.data[i] >= '0' && word.data[i] <= '9') || word.data[i] == '.');
}

static tdbplus_status parse_float(struct span text, struct datum *datum, struct err *err)
{
    struct span word = text_trim(text);
    if (special_float(word, &datum->real)) {
        return TDBPLUS_OK;
    }
    if (word.size > 1 && word.data[0] == '+' && word.data[1] != '-') {
        word.data++;
        word.size--;
    }
    enum float_text_result result = FLOAT_TEXT_INVALID;
    if (looks_like_number(word)) {
        float narrow = 0;
        if (datum->type.id == TYPE_FLOAT4) {
            result = float_text_to_float(word, &narrow);
            datum->real = (double)narrow;
        } else {
            result = float_text_to_double(word, &datum->real);
        }
    }
    if (result == FLOAT_TEXT_INVALID) {
        return text_bad_syntax(datum->type, text, err);
    }
    if (result == FLOAT_TEXT_RANGE) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "\"%.*s\" is out of range for type %s",
                             (int)(word.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : word.size),
                             (const char *)word.data, text_type_name(datum->type));
    }
    return TDBPLUS_OK;
}

/* From "-d.ddde+xx" to what PostgreSQL prints: plain digits while the exponent is small. */
static void print_digits(const char *digits, size_t size, int digits_max, struct buffer *text)
{
    size_t e = size;
    while (digits[e - 1] != 'e') {
        e--;
    }
    int exponent = 0;
    for (size_t i = e + 1; i < size; i++) {
        exponent = exponent * 10 + (digits[i] - '0');
    }
    exponent = digits[e] == '-' ? -exponent : exponent;
    if (exponent < EXPONENT_MIN || exponent >= digits_max) {
        buffer_put(text, digits, size);
        return;
    }
    char plain[FLOAT_TEXT_SIZE_MAX + FLOAT8_DIGITS_MAX];
    char *at = plain;
    if (*digits == '-') {
        *at++ = *digits++;
        e--;
    }
    // All digits without the point: the first, and those behind it.
    char mantissa[FLOAT_TEXT_SIZE_MAX];
    int count = 0;
    for (size_t i = 0; i + 1 < e; i++) {
        if (digits[i] != '.') {
            mantissa[count++] = digits[i];
        }
    }
    if (exponent < 0) {
        memcpy(at, "0.000", 5); // At most three zeros after the point.
        at += 1 - exponent;
    }
    for (int i = 0; i < count || i <= exponent; i++) {
        if (i == exponent + 1 && exponent >= 0) {
            *at++ = '.';
        }
        *at = '0';
        if (i < count) {
            *at = mantissa[i];
        }
        at++;
    }
    buffer_put(text, plain, (size_t)(at - plain));
}

static bool print_special(double value, struct buffer *text)
{
    if (isnan(value)) {
        buffer_put_text(text, "NaN");
    } else if (isinf(value)) {
        buffer_put_text(text, value > 0 ? "Infinity" : "-Infinity");
    } else {
        return false;
    }
    return true;
}

void text_print_float8(double value, struct buffer *text)
{
    char digits[FLOAT_TEXT_SIZE_MAX];
    if (!print_special(value, text)) {
        print_digits(digits, float_text_of_double(value, digits), FLOAT8_DIGITS_MAX, text);
    }
}

void text_print_float4(float value, struct buffer *text)
{
    char digits[FLOAT_TEXT_SIZE_MAX];
    if (!print_special((double)value, text)) {
        print_digits(digits, float_text_of_float(value, digits), FLOAT4_DIGITS_MAX, text);
    }
}

/* With a fixed number of digits, as extra_float_digits asks for. */
static void print_float(const struct datum *datum, const struct text_style *style,
                        struct buffer *text)
{
    bool narrow = datum->type.id == TYPE_FLOAT4;
    if (style != NULL && style->float_digits_less > 0 && isfinite(datum->real)) {
        int digits = (narrow ? FLT_DIG : DBL_DIG) + 1 - style->float_digits_less;
        buffer_printf(text, "%.*g", digits < 1 ? 1 : digits, datum->real);
    } else if (narrow) {
        text_print_float4((float)datum->real, text);
    } else {
        text_print_float8(datum->real, text);
    }
}

/* ---- bytes ---- */

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static tdbplus_status parse_hex(struct span text, uint8_t *to, struct datum *datum, struct err *err)
{
    datum->bytes.data = to;
    for (size_t i = 2; i < text.size;) {
        if (text_is_space(text.data[i])) {
            i++;
            continue;
        }
        int high = hex_digit(text.data[i]);
        int low = i + 1 < text.size ? hex_digit(text.data[i + 1]) : -1;
        if (high < 0 || (low < 0 && i + 1 < text.size)) {
            uint8_t bad = text.data[high < 0 ? i : i + 1];
            return err_set_state(err, TDBPLUS_E_SYNTAX, "22023",
                                 "invalid hexadecimal digit: \"%c\"", (char)bad);
        }
        if (low < 0) {
            return err_set_state(err, TDBPLUS_E_SYNTAX, "22023",
                                 "invalid hexadecimal data: odd number of digits");
        }
        *to++ = (uint8_t)(high << 4 | low);
        i += 2;
    }
    datum->bytes.size = (size_t)(to - datum->bytes.data);
    return TDBPLUS_OK;
}

/* The older form: a backslash before itself or three octal digits. */
static tdbplus_status parse_escaped(struct span text, uint8_t *to, struct datum *datum,
                                    struct err *err)
{
    datum->bytes.data = to;
    for (size_t i = 0; i < text.size;) {
        const uint8_t *at = text.data + i;
        size_t rest = text.size - i;
        if (at[0] != '\\') {
            *to++ = at[0];
            i++;
        } else if (rest >= 2 && at[1] == '\\') {
            *to++ = '\\';
            i += 2;
        } else if (rest >= 4 && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
                   at[3] >= '0' && at[3] <= '7') {
            *to++ = (uint8_t)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            i += 4;
        } else {
            return text_bad_syntax(datum->type, text, err);
        }
    }
    datum->bytes.size = (size_t)(to - datum->bytes.data);
    return TDBPLUS_OK;
}

static tdbplus_status parse_bytea(struct span text, struct arena *arena, struct datum *datum,
                                  struct err *err)
{
    uint8_t *to = arena_bytes(arena, text.size);
    if (to == NULL) {
        return text_no_memory(err);
    }
    bool is_hex = text.size >= 2 && text.data[0] == '\\' && text.data[1] == 'x';
    return is_hex ? parse_hex(text, to, datum, err) : parse_escaped(text, to, datum, err);
}

static void print_hex(struct span bytes, struct buffer *text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = buffer_extend(text, 2 * bytes.size);
    for (size_t i = 0; at != NULL && i < bytes.size; i++) {
        *at++ = (uint8_t)digits[bytes.data[i] >> 4];
        *at++ = (uint8_t)digits[bytes.data[i] & 0x0F];
    }
}

static void print_bytea(struct span bytes, bool escaped, struct buffer *text)
{
    if (!escaped) {
        buffer_put_text(text, "\\x");
        print_hex(bytes, text);
        return;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t byte = bytes.data[i];
        if (byte == '\\') {
            buffer_put_text(text, "\\\\");
        } else if (byte < 0x20 || byte > 0x7E) {
            buffer_printf(text, "\\%03o", byte);
        } else {
            buffer_put_u8(text, byte);
        }
    }
}

/* Length in characters of valid UTF-8 without zero bytes; false: at *bad_out it is none. */
static bool count_characters(struct span text, size_t *count_out, const uint8_t **bad_out)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    size_t count = 0;
    for (; at < end; count++) {
        unsigned length = *at < 0x80 ? *at != 0 : json_utf8_sequence(at, end);
        if (length == 0) {
            *bad_out = at;
            return false;
        }
        at += length;
    }
    *count_out = count;
    return true;
}

/* PostgreSQL shows as many bytes as the first of them promises. */
static tdbplus_status bad_character(struct span text, const uint8_t *at, struct err *err)
{
    char shown[4 * 5 + 1] = "";
    size_t rest = (size_t)(text.data + text.size - at);
    size_t count = *at < 0xC0 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : *at < 0xF8 ? 4 : 1;
    for (size_t i = 0; i < count && i < rest; i++) {
        (void)snprintf(shown + i * 5, sizeof shown - i * 5, " 0x%02x", at[i]);
    }
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22021",
                         "invalid byte sequence for encoding \"UTF8\":%s", shown);
}

/* varchar(n), char(n): spaces past the end are cut, anything else is too much. */
static tdbplus_status fit_length(struct datum *datum, size_t count, struct err *err)
{
    struct span *bytes = &datum->bytes;
    bool padded = datum->type.id == TYPE_BPCHAR;
    while (count > datum->type.parameter && bytes->data[bytes->size - 1] == ' ') {
        bytes->size--;
        count--;
    }
    if (count > datum->type.parameter) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22001",
                             "value too long for type character%s(%u)", padded ? "" : " varying",
                             datum->type.parameter);
    }
    return TDBPLUS_OK;
}

/* A copy of the text; of a char(n) with blanks behind it. */
static bool copy_text(struct span text, size_t count, struct arena *arena, struct datum *datum)
{
    size_t blanks = datum->type.id == TYPE_BPCHAR && datum->type.parameter > count
                        ? datum->type.parameter - count
                        : 0;
    uint8_t *copy = arena_bytes(arena, text.size + blanks);
    if (copy == NULL) {
        return false;
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    memset(copy + text.size, ' ', blanks);
    datum->bytes = (struct span){.data = copy, .size = text.size + blanks};
    return true;
}

static tdbplus_status parse_text(struct span text, struct arena *arena, struct datum *datum,
                                 struct err *err)
{
    size_t count = 0;
    const uint8_t *bad = NULL;
    if (!count_characters(text, &count, &bad)) {
        return bad_character(text, bad, err);
    }
    if (!copy_text(text, count, arena, datum)) {
        return text_no_memory(err);
    }
    return datum->type.parameter > 0 ? fit_length(datum, count, err) : TDBPLUS_OK;
}

/* ---- uuid ---- */

/* Hexadecimal digits, a hyphen after any group of four but the last, braces around all. */
static tdbplus_status parse_uuid(struct span text, struct datum *datum, struct err *err)
{
    struct span word = text;
    if (word.size >= 2 && word.data[0] == '{' && word.data[word.size - 1] == '}') {
        word.data++;
        word.size -= 2;
    }
    size_t at = 0;
    for (size_t i = 0; i < UUID_SIZE; i++) {
        if (i > 0 && i % 2 == 0 && at < word.size && word.data[at] == '-') {
            at++;
        }
        int high = at + 1 < word.size ? hex_digit(word.data[at]) : -1;
        int low = at + 1 < word.size ? hex_digit(word.data[at + 1]) : -1;
        if (high < 0 || low < 0) {
            return text_bad_syntax(datum->type, text, err);
        }
        datum->uuid[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return at == word.size ? TDBPLUS_OK : text_bad_syntax(datum->type, text, err);
}

static void print_uuid(const uint8_t *uuid, struct buffer *text)
{
    for (size_t i = 0; i < UUID_SIZE; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            buffer_put_u8(text, '-');
        }
        print_hex((struct span){uuid + i, 1}, text);
    }
}

/* ---- the rest ---- */

static tdbplus_status parse_numeric(struct span text, struct arena *arena, struct datum *datum,
                                    struct err *err)
{
    struct buffer number = {.alloc = arena->alloc};
    tdbplus_status status = numeric_parse(text, &number, err);
    if (status == TDBPLUS_OK) {
        status = numeric_to_datum(buffer_span(&number), datum->type, arena, datum, err);
    }
    buffer_deinit(&number);
    return status;
}

static tdbplus_status parse_json(struct span text, struct arena *arena, struct datum *datum,
                                 struct err *err)
{
    struct json_builder builder;
    json_builder_init(&builder, arena->alloc);
    struct buffer document = {.alloc = arena->alloc};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, json_parse(&builder, text, &document, err));
    uint8_t *copy = arena_bytes(arena, document.size);
    if (copy == NULL) {
        status = text_no_memory(err);
        goto done;
    }
    memcpy(copy, document.data, document.size);
    datum->bytes = (struct span){.data = copy, .size = document.size};
done:
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    return status;
}

void text_enum_name(const struct text_style *style, uint32_t list, char name_out[ENUM_NAME_SIZE])
{
    if (style == NULL || style->enum_name == NULL ||
        !style->enum_name(style->ctx, list, name_out)) {
        (void)snprintf(name_out, ENUM_NAME_SIZE, "enum");
    }
}

static tdbplus_status parse_enum(struct span text, const struct text_style *style,
                                 struct datum *datum, struct err *err)
{
    if (style == NULL || style->ordinal_of == NULL) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "an enum value without its list of labels");
    }
    if (!style->ordinal_of(style->ctx, datum->type.parameter, text, &datum->integer)) {
        char name[ENUM_NAME_SIZE];
        text_enum_name(style, datum->type.parameter, name);
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P02",
                             "invalid input value for enum %s: \"%.*s\"", name,
                             (int)(text.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : text.size),
                             text.size == 0 ? "" : (const char *)text.data);
    }
    return TDBPLUS_OK;
}

static tdbplus_status parse_datetime(struct span text, const struct text_style *style,
                                     struct datum *datum, struct err *err)
{
    int32_t date = 0;
    struct datetime_reading reading = {0};
    if (style != NULL) {
        reading = (struct datetime_reading){.zone = style->zone,
                                            .finder = style->finder,
                                            .order = (enum datetime_order)style->date_order};
    }
    switch (datum->type.id) {
    case TYPE_DATE:
        TRY(date_parse_ordered(text, reading.order, &date, err));
        datum->integer = date;
        return TDBPLUS_OK;
    case TYPE_TIME:
        return time_parse(text, &datum->integer, err);
    case TYPE_TIMESTAMP:
        return timestamp_parse_ordered(text, reading.order, &datum->integer, err);
    case TYPE_TIMESTAMPTZ:
        return timestamptz_parse_as(text, &reading, &datum->integer, err);
    default:
        return interval_parse(text, &datum->interval, err);
    }
}

static tdbplus_status parse(struct span text, const struct text_style *style, struct arena *arena,
                            struct datum *datum, struct err *err)
{
    switch (datum->type.id) {
    case TYPE_BOOL:
        return parse_boolean(text, datum, err);
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        return parse_integer(text, datum, err);
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        return parse_float(text, datum, err);
    case TYPE_NUMERIC:
        return parse_numeric(text, arena, datum, err);
    case TYPE_TEXT:
    case TYPE_BPCHAR:
        return parse_text(text, arena, datum, err);
    case TYPE_BYTEA:
        return parse_bytea(text, arena, datum, err);
    case TYPE_UUID:
        return parse_uuid(text, datum, err);
    case TYPE_JSON:
        return parse_json(text, arena, datum, err);
    case TYPE_ARRAY:
        return text_parse_array(text, datum->type, style, arena, datum, err);
    case TYPE_ENUM:
        return parse_enum(text, style, datum, err);
    case TYPE_VECTOR:
        return text_parse_vector(text, datum->type, arena, datum, err);
    default:
        return packed_type(datum->type) ? packed_parse(text, style, arena, datum, err)
                                        : parse_datetime(text, style, datum, err);
    }
}

tdbplus_status text_parse(struct span text, struct type type, const struct text_style *style,
                          struct arena *arena, struct datum *datum_out, struct err *err)
{
    ASSERT(type_valid(type));
    if (text.size > VALUE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "text: the value has more than %zu bytes",
                       VALUE_SIZE_MAX);
    }
    static const uint8_t nothing[1] = {0};
    text.data = text.size == 0 ? nothing : text.data;
    struct datum datum = {.type = type};
    TRY(parse(text, style, arena, &datum, err));
    *datum_out = datum;
    return TDBPLUS_OK;
}

static void print_numeric(const struct datum *datum, struct buffer *text)
{
    enum physical physical = type_physical(datum->type);
    if (physical == PHYSICAL_VIEW) {
        numeric_print(datum->bytes, text);
    } else {
        wide_int value = physical == PHYSICAL_8 ? datum->integer : datum->wide;
        numeric_print_scaled(value, (unsigned)datum->type.scale, text);
    }
}

static void print_enum(const struct datum *datum, const struct text_style *style,
                       struct buffer *text)
{
    struct span label = {0};
    if (style != NULL && style->label_of != NULL &&
        style->label_of(style->ctx, datum->type.parameter, datum->integer, &label)) {
        buffer_put_span(text, label);
    } else {
        buffer_printf(text, "%" PRId64, datum->integer);
    }
}

static void print_styled(const struct datum *datum, const struct text_style *style,
                         struct buffer *text)
{
    enum date_style dates = (enum date_style)style->date_style;
    enum datetime_order order = (enum datetime_order)style->date_order;
    switch (datum->type.id) {
    case TYPE_DATE:
        date_print_styled((int32_t)datum->integer, dates, order, text);
        break;
    case TYPE_TIMESTAMP:
        timestamp_print_styled(datum->integer, dates, order, text);
        break;
    case TYPE_TIMESTAMPTZ:
        timestamptz_print_styled(datum->integer, style->zone, dates, order, text);
        break;
    default:
        interval_print_styled(&datum->interval, (enum interval_style)style->interval_style, text);
    }
}

static void print_datetime(const struct datum *datum, const struct text_style *style,
                           struct buffer *text)
{
    bool dates = style != NULL && style->date_style != DATE_STYLE_ISO;
    bool intervals = style != NULL && style->interval_style != INTERVAL_STYLE_POSTGRES;
    if (datum->type.id == TYPE_INTERVAL ? intervals : dates && datum->type.id != TYPE_TIME) {
        print_styled(datum, style, text);
        return;
    }
    switch (datum->type.id) {
    case TYPE_DATE:
        date_print((int32_t)datum->integer, text);
        break;
    case TYPE_TIME:
        time_print(datum->integer, text);
        break;
    case TYPE_TIMESTAMP:
        timestamp_print(datum->integer, text);
        break;
    case TYPE_TIMESTAMPTZ:
        timestamptz_print(datum->integer, style == NULL ? NULL : style->zone, text);
        break;
    default:
        interval_print(&datum->interval, text);
    }
}

void text_print(const struct datum *datum, const struct text_style *style, struct buffer *text)
{
    ASSERT(!datum->is_null);
    switch (datum->type.id) {
    case TYPE_BOOL:
        buffer_put_u8(text, datum->boolean ? 't' : 'f');
        break;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
        numeric_print_scaled(datum->integer, 0, text);
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        print_float(datum, style, text);
        break;
    case TYPE_NUMERIC:
        print_numeric(datum, text);
        break;
    case TYPE_TEXT:
        buffer_put_span(text, datum->bytes);
        break;
    case TYPE_BYTEA:
        print_bytea(datum->bytes, style != NULL && style->bytea_escaped, text);
        break;
    case TYPE_UUID:
        print_uuid(datum->uuid, text);
        break;
    case TYPE_JSON:
        json_print(datum->bytes, text);
        break;
    case TYPE_ARRAY:
        text_print_array(datum, style, text);
        break;
    case TYPE_ENUM:
        print_enum(datum, style, text);
        break;
    case TYPE_VECTOR:
        text_print_vector(datum, text);
        break;
    default:
        if (packed_type(datum->type)) {
            packed_print(datum, style, text);
        } else {
            print_datetime(datum, style, text);
        }
    }
}
