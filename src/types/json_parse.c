/*
 * JSON text to nodes. Written by hand because numbers must keep their exact text, memory must come
 * from our allocator, and nothing may recurse; strings are passed over eight bytes at a time.
 */

#include <stdio.h>

#include "base/assert.h"
#include "types/json_internal.h"
#include "types/numeric.h"
#include "types/type.h"

struct parser {
    struct json_builder *builder;
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    struct err *err;
};

/* ---- errors ---- */

static TDBPLUS_CHECKED tdbplus_status fail(const struct parser *parser, const char *expected)
{
    size_t position = (size_t)(parser->at - parser->start) + 1;
    tdbplus_status status =
        err_set_state(parser->err, TDBPLUS_E_SYNTAX, "22P02", "invalid input syntax for type json");
    if (parser->at == parser->end) {
        err_detail(parser->err, "Expected %s, but the input string ended at byte %zu.", expected,
                   position - 1);
    } else if (*parser->at > ' ' && *parser->at < 0x7F) {
        err_detail(parser->err, "Expected %s, but found \"%c\" at byte %zu.", expected,
                   (char)*parser->at, position);
    } else {
        err_detail(parser->err, "Expected %s, but found 0x%02x at byte %zu.", expected, *parser->at,
                   position);
    }
    return status;
}

static TDBPLUS_CHECKED tdbplus_status builder_status(const struct parser *parser)
{
    tdbplus_status status = parser->builder->status;
    if (status == TDBPLUS_OK) {
        return TDBPLUS_OK;
    }
    if (status == TDBPLUS_E_LIMIT) {
        return err_set_state(parser->err, status, "54001",
                             "json: the text is nested deeper than %u at byte %zu", JSON_DEPTH_MAX,
                             (size_t)(parser->at - parser->start));
    }
    return err_set(parser->err, status, "json: no memory for the document");
}

/* ---- strings ---- */

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* High bit of each byte (at least of the lowest) that ends a run of plain characters: a quote, a
 * backslash, a control character or the beginning of a longer character. */
static inline uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ EACH_BYTE((uint64_t)'"');
    uint64_t slash = word ^ EACH_BYTE((uint64_t)'\\');
    uint64_t is_quote = (quote - EACH_BYTE(1u)) & ~quote;
    uint64_t is_slash = (slash - EACH_BYTE(1u)) & ~slash;
    uint64_t is_control = (word - EACH_BYTE(0x20u)) & ~word;
    return (is_quote | is_slash | is_control | word) & EACH_BYTE(0x80u);
}

static inline const uint8_t *skip_plain(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= (ptrdiff_t)sizeof(uint64_t)) {
        uint64_t special = special_bytes(load_u64(at));
        if (special != 0) {
            return at + __builtin_ctzll(special) / 8;
        }
        at += sizeof(uint64_t);
    }
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20 && *at < 0x80) {
        at++;
    }
    return at;
}

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

unsigned json_utf8_sequence(const uint8_t *at, const uint8_t *end)
{
    size_t rest = (size_t)(end - at);
    if (at[0] >= 0xC2 && at[0] <= 0xDF) {
        return rest >= 2 && is_continuation(at[1]) ? 2 : 0;
    }
    if (at[0] >= 0xE0 && at[0] <= 0xEF) {
        if (rest < 3 || !is_continuation(at[1]) || !is_continuation(at[2])) {
            return 0;
        }
        bool is_overlong = at[0] == 0xE0 && at[1] < 0xA0;
        bool is_surrogate = at[0] == 0xED && at[1] >= 0xA0;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (at[0] >= 0xF0 && at[0] <= 0xF4) {
        if (rest < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) ||
            !is_continuation(at[3])) {
            return 0;
        }
        bool is_overlong = at[0] == 0xF0 && at[1] < 0x90;
        bool is_too_large = at[0] == 0xF4 && at[1] >= 0x90;
        return is_overlong || is_too_large ? 0 : 4;
    }
    return 0;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Four hexadecimal digits, moving past them; -1 when they are not there. */
static int32_t read_hex4(struct parser *parser)
{
    int32_t code = 0;
    for (int i = 0; i < 4; i++, parser->at++) {
        int digit = parser->at < parser->end ? hex_digit(*parser->at) : -1;
        if (digit < 0) {
            return -1;
        }
        code = code * 16 + digit;
    }
    return code;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
    } else if (code < 0x800) {
        *to++ = (uint8_t)(0xC0 | code >> 6);
        *to++ = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *to++ = (uint8_t)(0xE0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        *to++ = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        *to++ = (uint8_t)(0xF0 | code >> 18);
        *to++ = (uint8_t)(0x80 | (code >> 12 & 0x3F));
        *to++ = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        *to++ = (uint8_t)(0x80 | (code & 0x3F));
    }
    return to;
}

/* After "\u": one character, of two escapes when it is outside the first plane. */
static tdbplus_status read_unicode(struct parser *parser, uint8_t **to)
{
    int32_t code = read_hex4(parser);
    if (code < 0) {
        return fail(parser, "four hexadecimal digits after \"\\u\"");
    }
    if (code == 0) {
        tdbplus_status status = err_set_state(parser->err, TDBPLUS_E_SYNTAX, "22P05",
                                              "unsupported Unicode escape sequence");
        err_detail(parser->err, "\\u0000 cannot be converted to text.");
        return status;
    }
    if (code >= 0xDC00 && code <= 0xDFFF) {
        return fail(parser, "a high surrogate before a low one");
    }
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (parser->end - parser->at < 2 || parser->at[0] != '\\' || parser->at[1] != 'u') {
            return fail(parser, "a low surrogate after a high one");
        }
        parser->at += 2;
        int32_t low = read_hex4(parser);
        if (low < 0xDC00 || low > 0xDFFF) {
            return fail(parser, "a low surrogate after a high one");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *to = put_utf8(*to, (uint32_t)code);
    return TDBPLUS_OK;
}

/* At a backslash. What an escape stands for is never longer than the escape. */
static tdbplus_status read_escape(struct parser *parser, uint8_t **to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    parser->at++;
    if (parser->at == parser->end) {
        return fail(parser, "an escape");
    }
    if (*parser->at == 'u') {
        parser->at++;
        return read_unicode(parser, to);
    }
    const char *found = *parser->at == 0 ? NULL : strchr(from, *parser->at);
    if (found == NULL) {
        return fail(parser, "an escape");
    }
    *(*to)++ = (uint8_t)into[found - from];
    parser->at++;
    return TDBPLUS_OK;
}

/* Moves over characters that need no escape, valid UTF-8 included. */
static tdbplus_status skip_characters(struct parser *parser)
{
    for (;;) {
        parser->at = skip_plain(parser->at, parser->end);
        if (parser->at == parser->end || *parser->at < 0x20) {
            return fail(parser, "a character of a string");
        }
        if (*parser->at < 0x80) {
            return TDBPLUS_OK;
        }
        unsigned length = json_utf8_sequence(parser->at, parser->end);
        if (length == 0) {
            return err_set_state(parser->err, TDBPLUS_E_SYNTAX, "22021",
                                 "invalid byte sequence for encoding \"UTF8\": 0x%02x",
                                 *parser->at);
        }
        parser->at += length;
    }
}

/* The rest of a string whose first escape was met, with what it had before that. */
static tdbplus_status read_escaped(struct parser *parser, const uint8_t *start,
                                   struct span *string_out)
{
    // An upper bound: the closing quote is the first one that no odd number of backslashes
    // precedes.
    const uint8_t *quote = parser->at;
    while (quote < parser->end && *quote != '"') {
        quote += *quote == '\\' ? 2 : 1;
    }
    size_t bound = (size_t)((quote < parser->end ? quote : parser->end) - start);
    uint8_t *text = arena_bytes(&parser->builder->arena, bound);
    if (text == NULL) {
        parser->builder->status = TDBPLUS_E_NOMEM;
        return builder_status(parser);
    }
    uint8_t *to = text;
    for (;;) {
        size_t run = (size_t)(parser->at - start);
        memcpy(to, start, run);
        to += run;
        if (*parser->at == '"') {
            break;
        }
        TRY(read_escape(parser, &to));
        start = parser->at;
        TRY(skip_characters(parser));
    }
    parser->at++;
    *string_out = (struct span){.data = text, .size = (size_t)(to - text)};
    return TDBPLUS_OK;
}

/* At an opening quote; leaves behind the closing one. */
static tdbplus_status read_string(struct parser *parser, struct span *string_out)
{
    const uint8_t *start = ++parser->at;
    TRY(skip_characters(parser));
    if (*parser->at == '\\') {
        return read_escaped(parser, start, string_out);
    }
    *string_out = (struct span){.data = start, .size = (size_t)(parser->at - start)};
    parser->at++;
    return TDBPLUS_OK;
}

/* ---- numbers ---- */

static inline bool at_digit(const struct parser *parser)
{
    return parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9';
}

/* Digits of a number while they fit. */
struct digits {
    uint64_t mantissa;
    unsigned significant; /* Without leading zeros; up to 19 fit. */
    unsigned fraction;
};

static inline void read_digits(struct parser *parser, struct digits *digits)
{
    for (; at_digit(parser); parser->at++) {
        unsigned digit = (unsigned)(*parser->at - '0');
        if (digits->significant > 0 || digit > 0) {
            digits->significant++;
        }
        if (digits->significant <= 19) {
            digits->mantissa = digits->mantissa * 10 + digit;
        }
    }
}

/* Moves past the number and says whether its grammar has an exponent. */
static tdbplus_status scan_number(struct parser *parser, struct digits *digits, bool *exponent_out)
{
    if (!at_digit(parser)) {
        return fail(parser, "a digit");
    }
    if (*parser->at == '0') {
        parser->at++;
        if (at_digit(parser)) {
            return fail(parser, "no digit after a leading zero");
        }
    } else {
        read_digits(parser, digits);
    }
    if (parser->at < parser->end && *parser->at == '.') {
        const uint8_t *point = parser->at++;
        if (!at_digit(parser)) {
            return fail(parser, "a digit after the point");
        }
        read_digits(parser, digits);
        size_t fraction = (size_t)(parser->at - point - 1);
        digits->fraction = fraction > UINT16_MAX ? UINT16_MAX : (unsigned)fraction;
    }
    *exponent_out = parser->at < parser->end && (*parser->at | 0x20) == 'e';
    if (*exponent_out) {
        parser->at++;
        if (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-')) {
            parser->at++;
        }
        if (!at_digit(parser)) {
            return fail(parser, "a digit in the exponent");
        }
        while (at_digit(parser)) {
            parser->at++;
        }
    }
    return TDBPLUS_OK;
}

/* A number with an exponent, or too many digits for a word. */
static tdbplus_status read_long_number(struct parser *parser, const uint8_t *start)
{
    struct buffer numeric = {.alloc = parser->builder->alloc};
    struct span text = {.data = start, .size = (size_t)(parser->at - start)};
    tdbplus_status status = numeric_parse(text, &numeric, parser->err);
    if (status == TDBPLUS_OK) {
        uint8_t *copy = arena_bytes(&parser->builder->arena, numeric.size);
        if (copy == NULL) {
            parser->builder->status = TDBPLUS_E_NOMEM;
        } else {
            memcpy(copy, numeric.data, numeric.size);
            json_builder_numeric(parser->builder, (struct span){copy, numeric.size});
        }
        status = builder_status(parser);
    }
    buffer_deinit(&numeric);
    return status;
}

static tdbplus_status read_number(struct parser *parser)
{
    const uint8_t *start = parser->at;
    bool is_negative = *start == '-';
    parser->at += is_negative;
    struct digits digits = {0};
    bool has_exponent = false;
    TRY(scan_number(parser, &digits, &has_exponent));
    // The magnitude of INT64_MIN is one more than that of INT64_MAX.
    bool fits = digits.significant <= 19 && digits.fraction <= DECIMAL_SCALE_MAX &&
                digits.mantissa <= (uint64_t)INT64_MAX + is_negative;
    if (has_exponent || !fits) {
        return read_long_number(parser, start);
    }
    uint64_t value = is_negative ? 0 - digits.mantissa : digits.mantissa;
    json_builder_decimal(parser->builder, (int64_t)value, digits.fraction);
    return TDBPLUS_OK;
}

/* ---- structure ---- */

static inline void skip_space(struct parser *parser)
{
    while (parser->at < parser->end && (*parser->at == ' ' || *parser->at == '\n' ||
                                        *parser->at == '\t' || *parser->at == '\r')) {
        parser->at++;
    }
}

static bool skip_byte(struct parser *parser, uint8_t byte)
{
    skip_space(parser);
    if (parser->at < parser->end && *parser->at == byte) {
        parser->at++;
        return true;
    }
    return false;
}

static tdbplus_status read_word(struct parser *parser)
{
    static const struct {
        const char *text;
        size_t size;
    } words[] = {{"null", 4}, {"true", 4}, {"false", 5}};
    for (int i = 0; i < 3; i++) {
        if ((size_t)(parser->end - parser->at) >= words[i].size &&
            memcmp(parser->at, words[i].text, words[i].size) == 0) {
            parser->at += words[i].size;
            if (i == 0) {
                json_builder_null(parser->builder);
            } else {
                json_builder_boolean(parser->builder, i == 1);
            }
            return TDBPLUS_OK;
        }
    }
    return fail(parser, "a JSON value");
}

/* Key and colon of the next member. */
static tdbplus_status read_key(struct parser *parser)
{
    skip_space(parser);
    if (parser->at == parser->end || *parser->at != '"') {
        return fail(parser, "a string as key");
    }
    struct span key = {0};
    TRY(read_string(parser, &key));
    if (!skip_byte(parser, ':')) {
        return fail(parser, "\":\"");
    }
    json_builder_key(parser->builder, key);
    return builder_status(parser);
}

/* Reads a scalar, or the beginning of a container and its first key. *is_open_out: a container was
 * begun whose first item comes next. */
static tdbplus_status read_value(struct parser *parser, bool *is_open_out)
{
    *is_open_out = false;
    skip_space(parser);
    if (parser->at == parser->end) {
        return fail(parser, "a JSON value");
    }
    struct span string = {0};
    switch (*parser->at) {
    case '"':
        TRY(read_string(parser, &string));
        json_builder_string(parser->builder, string);
        break;
    case '{':
        parser->at++;
        json_builder_begin_object(parser->builder);
        TRY(builder_status(parser));
        if (skip_byte(parser, '}')) {
            json_builder_end_object(parser->builder);
            break;
        }
        *is_open_out = true;
        return read_key(parser);
    case '[':
        parser->at++;
        json_builder_begin_array(parser->builder);
        if (skip_byte(parser, ']')) {
            json_builder_end_array(parser->builder);
            break;
        }
        *is_open_out = true;
        break;
    default:
        if (*parser->at == '-' || at_digit(parser)) {
            TRY(read_number(parser));
        } else {
            TRY(read_word(parser));
        }
    }
    return builder_status(parser);
}

/* After a value: closes what ends here. *more_out: another value must follow. */
static tdbplus_status read_ends(struct parser *parser, bool *more_out)
{
    struct json_builder *builder = parser->builder;
    *more_out = false;
    while (builder->depth > 0) {
        const struct json_frame *frame = &builder->frames[builder->depth - 1];
        bool is_object = builder->nodes[frame->node].kind == NODE_OBJECT;
        if (skip_byte(parser, ',')) {
            *more_out = true;
            return is_object ? read_key(parser) : TDBPLUS_OK;
        }
        if (!skip_byte(parser, is_object ? '}' : ']')) {
            return fail(parser, is_object ? "\",\" or \"}\"" : "\",\" or \"]\"");
        }
        if (is_object) {
            json_builder_end_object(builder);
        } else {
            json_builder_end_array(builder);
        }
        TRY(builder_status(parser));
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_document(struct parser *parser)
{
    bool more = true;
    while (more) {
        bool is_open = false;
        TRY(read_value(parser, &is_open));
        if (!is_open) {
            TRY(read_ends(parser, &more));
        }
    }
    skip_space(parser);
    return parser->at == parser->end ? TDBPLUS_OK : fail(parser, "end of input");
}

tdbplus_status json_parse(struct json_builder *builder, struct span text, struct buffer *document,
                          struct err *err)
{
    ASSERT(builder->node_count == 0);
    if (text.size > VALUE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "json: the text has more than %zu bytes",
                       VALUE_SIZE_MAX);
    }
    static const uint8_t nothing[1] = {0};
    const uint8_t *start = text.size == 0 ? nothing : text.data;
    struct parser parser = {
        .builder = builder, .start = start, .at = start, .end = start + text.size, .err = err};
    tdbplus_status status = read_document(&parser);
    if (status != TDBPLUS_OK) {
        json_builder_clear(builder);
        return status;
    }
    return json_builder_finish(builder, document, err);
}
