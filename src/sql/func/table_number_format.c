/* Numbers printed and read by templates: PostgreSQL's manual, 9.8, "Template patterns for numeric
 * formatting". */

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sql/func/value_kernel.h"
#include "types/numeric.h"

#define DIGITS_MAX  1000u /* Of a template. */
#define ROMAN_WIDTH 15

enum number_pattern {
    NUMBER_TEXT,
    NUMBER_NINE,
    NUMBER_ZERO,
    NUMBER_POINT,
    NUMBER_COMMA,
    NUMBER_GROUP,
    NUMBER_CURRENCY,
    NUMBER_MINUS,
    NUMBER_PLUS,
    NUMBER_SIGN,        /* SG */
    NUMBER_LOCALE_SIGN, /* S */
    NUMBER_BRACKETS,
    NUMBER_ROMAN,
    NUMBER_ROMAN_LOWER,
    NUMBER_ORDINAL,
    NUMBER_ORDINAL_UPPER,
    NUMBER_SHIFT, /* V */
    NUMBER_EXPONENT,
    NUMBER_FILL,  /* FM */
    NUMBER_BLANK, /* B, SP, C: nothing. */
};

static const struct {
    const char *name;
    uint8_t pattern;
    bool any_case;
} keywords[] = {
    {"EEEE", NUMBER_EXPONENT, true},   {"FM", NUMBER_FILL, true},
    {"MI", NUMBER_MINUS, true},        {"PL", NUMBER_PLUS, true},
    {"PR", NUMBER_BRACKETS, true},     {"RN", NUMBER_ROMAN, false},
    {"rn", NUMBER_ROMAN_LOWER, false}, {"SG", NUMBER_SIGN, true},
    {"SP", NUMBER_BLANK, true},        {"TH", NUMBER_ORDINAL_UPPER, false},
    {"th", NUMBER_ORDINAL, false},     {"9", NUMBER_NINE, true},
    {"0", NUMBER_ZERO, true},          {".", NUMBER_POINT, true},
    {"D", NUMBER_POINT, true},         {",", NUMBER_COMMA, true},
    {"G", NUMBER_GROUP, true},         {"L", NUMBER_CURRENCY, true},
    {"S", NUMBER_LOCALE_SIGN, true},   {"V", NUMBER_SHIFT, true},
    {"B", NUMBER_BLANK, true},         {"C", NUMBER_BLANK, true},
};

#define KEYWORD_COUNT (sizeof keywords / sizeof *keywords)

enum sign_place { SIGN_NOWHERE, SIGN_BEFORE, SIGN_BEHIND };

/* What a template as a whole says. */
struct shape {
    uint32_t before; /* Digits before the point. */
    uint32_t after;
    uint32_t shift; /* Digits behind V. */
    uint32_t zero_start;
    uint32_t zero_end;
    uint32_t sign_digits; /* Digits before S. */
    uint8_t sign;         /* enum sign_place of S. */
    bool has_sign;        /* S */
    bool point;
    bool zeros;
    bool fill; /* FM */
    bool brackets;
    bool minus; /* MI, SG */
    bool plus;  /* PL, SG */
    bool roman;
    bool shifted;
    bool exponent;
};

/* Takes the next piece off a template. */
static bool next_piece(struct span *rest, uint8_t *pattern_out, struct span *text_out)
{
    if (rest->size == 0) {
        return false;
    }
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        size_t size = strlen(keywords[i].name);
        bool here = rest->size >= size &&
                    (keywords[i].any_case
                         ? strncasecmp((const char *)rest->data, keywords[i].name, size) == 0
                         : memcmp(rest->data, keywords[i].name, size) == 0);
        if (here) {
            *pattern_out = keywords[i].pattern;
            *text_out = (struct span){.data = rest->data, .size = size};
            rest->data += size;
            rest->size -= size;
            return true;
        }
    }
    size_t size = 1;
    *pattern_out = NUMBER_TEXT;
    if (rest->data[0] == '"') {
        const uint8_t *end = rest->size > 1 ? memchr(rest->data + 1, '"', rest->size - 1) : NULL;
        size_t inside = end == NULL ? rest->size - 1 : (size_t)(end - rest->data) - 1;
        *text_out = (struct span){.data = rest->data + 1, .size = inside};
        size = inside + (end == NULL ? 1 : 2);
    } else {
        size = text_character_size(rest->data[0]);
        size = size > rest->size ? rest->size : size;
        *text_out = (struct span){.data = rest->data, .size = size};
    }
    rest->data += size;
    rest->size -= size;
    return true;
}

static tdbplus_status bad_template(struct func_call *call, const char *text)
{
    return kernel_error(call, "42601", "%s", text);
}

static void count_digit(struct shape *shape, bool zero)
{
    if (zero && !shape->zeros && !shape->point) {
        shape->zeros = true;
        shape->zero_start = shape->before + 1;
    }
    if (shape->shifted && !zero) {
        shape->shift++;
    } else if (shape->point) {
        shape->after++;
    } else {
        shape->before++;
    }
    if (zero) {
        shape->zero_end = shape->before + shape->after;
    }
}

static tdbplus_status add_piece(struct func_call *call, struct shape *shape, uint8_t pattern)
{
    if (shape->exponent) {
        return bad_template(call, "\"EEEE\" must be the last pattern used");
    }
    switch (pattern) {
    case NUMBER_NINE:
    case NUMBER_ZERO:
        if (shape->brackets) {
            return bad_template(call, "\"9\" must be ahead of \"PR\"");
        }
        count_digit(shape, pattern == NUMBER_ZERO);
        break;
    case NUMBER_POINT:
        if (shape->point) {
            return bad_template(call, "multiple decimal points");
        }
        if (shape->shifted) {
            return bad_template(call, "cannot use \"V\" and decimal point together");
        }
        shape->point = true;
        break;
    case NUMBER_FILL:
        shape->fill = true;
        break;
    case NUMBER_LOCALE_SIGN:
        if (shape->has_sign) {
            return bad_template(call, "cannot use \"S\" twice");
        }
        if (shape->plus || shape->minus || shape->brackets) {
            return bad_template(call, "cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together");
        }
        shape->has_sign = true;
        shape->sign = shape->point ? SIGN_BEHIND : SIGN_BEFORE;
        shape->sign_digits = shape->before;
        break;
    case NUMBER_MINUS:
    case NUMBER_PLUS:
    case NUMBER_SIGN:
        if (shape->has_sign) {
            return bad_template(call, "cannot use \"S\" and \"MI\" together");
        }
        shape->minus = shape->minus || pattern != NUMBER_PLUS;
        shape->plus = shape->plus || pattern != NUMBER_MINUS;
        break;
    case NUMBER_BRACKETS:
        if (shape->has_sign || shape->plus || shape->minus) {
            return bad_template(call, "cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together");
        }
        shape->brackets = true;
        break;
    case NUMBER_ROMAN:
    case NUMBER_ROMAN_LOWER:
        shape->roman = true;
        break;
    case NUMBER_SHIFT:
        if (shape->point) {
            return bad_template(call, "cannot use \"V\" and decimal point together");
        }
        shape->shifted = true;
        break;
    case NUMBER_EXPONENT:
        if (shape->fill || shape->has_sign || shape->brackets || shape->minus || shape->plus ||
            shape->roman || shape->shifted) {
            return bad_template(call, "\"EEEE\" is incompatible with other formats");
        }
        shape->exponent = true;
        break;
    default:
        break;
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_shape(struct func_call *call, struct span format, struct shape *shape)
{
    uint8_t pattern = 0;
    struct span text;
    *shape = (struct shape){0};
    while (next_piece(&format, &pattern, &text)) {
        TRY(add_piece(call, shape, pattern));
        if (shape->before + shape->after + shape->shift > DIGITS_MAX) {
            return kernel_error(call, "22023", "a template has at most %u digits", DIGITS_MAX);
        }
    }
    return TDBPLUS_OK;
}

/* ---- printing ---- */

/* The state of printing one number; `number` ends in a zero byte. */
struct printer {
    struct shape shape;
    const char *number;
    const char *at;
    const char *last_wanted; /* With FM: the last digit behind the point that is shown. */
    uint32_t blanks;         /* Digits of the template before those of the number. */
    uint32_t place;
    uint32_t count;
    char sign;
    bool sign_written;
    bool in_number;
    struct buffer *out;
};

static bool leads_point(const struct printer *p)
{
    return !p->shape.zeros && p->number == p->at && *p->number == '0' && p->shape.after != 0;
}

static void put_leading_sign(struct printer *p)
{
    bool reached = p->place >= p->blanks || (p->shape.zeros && p->shape.zero_start == p->place);
    bool bare = p->last_wanted != NULL && *p->last_wanted == '.';
    if (p->sign_written || !reached || (leads_point(p) && !bare)) {
        return;
    }
    if (p->shape.has_sign) {
        if (p->shape.sign == SIGN_BEFORE) {
            buffer_put_u8(p->out, (uint8_t)p->sign);
            p->sign_written = true;
        }
        return;
    }
    if (p->shape.brackets) {
        buffer_put_u8(p->out, p->sign == '+' ? ' ' : '<');
    } else if (p->sign == '-') {
        buffer_put_u8(p->out, '-');
    } else if (!p->shape.fill) {
        buffer_put_u8(p->out, ' ');
    }
    p->sign_written = true;
}

static void put_digit(struct printer *p, bool zero)
{
    bool bare = p->last_wanted != NULL && *p->last_wanted == '.';
    if (*p->at == '.') {
        buffer_put_u8(p->out, '.');
    } else if (p->last_wanted != NULL && p->at > p->last_wanted && !zero) {
        // Zeros behind that FM leaves out.
    } else if (leads_point(p)) {
        if (!p->shape.fill) {
            buffer_put_u8(p->out, ' ');
        } else if (bare) {
            buffer_put_u8(p->out, '0');
        }
    } else if (*p->at != 0) {
        buffer_put_u8(p->out, (uint8_t)*p->at);
        p->in_number = true;
    }
    p->at += *p->at != 0;
}

/* What stands behind the last digit. */
static void put_trailing_sign(struct printer *p)
{
    uint32_t end = p->count + (p->blanks > 0) + p->shape.point;
    if (p->last_wanted != NULL && p->last_wanted == p->at) {
        end = p->place;
    }
    if (p->place + 1 != end) {
        return;
    }
    if (p->sign_written && p->shape.brackets) {
        buffer_put_u8(p->out, p->sign == '+' ? ' ' : '>');
    } else if (p->shape.has_sign && p->shape.sign == SIGN_BEHIND) {
        buffer_put_u8(p->out, (uint8_t)p->sign);
    }
}

static void put_place(struct printer *p, bool zero)
{
    p->in_number = false;
    put_leading_sign(p);
    bool before = p->place < p->blanks;
    if (before && (p->shape.zero_start > p->place || !p->shape.zeros)) {
        buffer_put_text(p->out, p->shape.fill ? "" : " ");
    } else if (before) {
        buffer_put_u8(p->out, '0');
        p->in_number = true;
    } else {
        put_digit(p, zero);
    }
    put_trailing_sign(p);
    p->place++;
}

static const char *ordinal_of(const char *number)
{
    size_t size = strlen(number);
    char last = number[size - 1];
    bool teen = size > 1 && number[size - 2] == '1';
    return teen || last < '1' || last > '3' ? "th" : last == '1' ? "st" : last == '2' ? "nd" : "rd";
}

static void put_piece(struct printer *p, uint8_t pattern, struct span text)
{
    bool negative = p->sign == '-';
    switch (pattern) {
    case NUMBER_NINE:
    case NUMBER_ZERO:
    case NUMBER_POINT:
        put_place(p, pattern == NUMBER_ZERO);
        return;
    case NUMBER_COMMA:
    case NUMBER_GROUP:
        buffer_put_text(p->out, p->in_number ? "," : p->shape.fill ? "" : " ");
        return;
    case NUMBER_CURRENCY:
        buffer_put_u8(p->out, ' ');
        return;
    case NUMBER_MINUS:
        buffer_put_text(p->out, negative ? "-" : p->shape.fill ? "" : " ");
        return;
    case NUMBER_PLUS:
        buffer_put_text(p->out, !negative ? "+" : p->shape.fill ? "" : " ");
        return;
    case NUMBER_SIGN:
        buffer_put_u8(p->out, (uint8_t)p->sign);
        return;
    case NUMBER_ORDINAL:
    case NUMBER_ORDINAL_UPPER: {
        if (*p->number == '#' || negative || p->shape.point) {
            return;
        }
        const char *ending = ordinal_of(p->number);
        for (size_t i = 0; i < 2; i++) {
            buffer_put_u8(p->out, pattern == NUMBER_ORDINAL ? (uint8_t)ending[i]
                                                            : (uint8_t)ending[i] & 0xDF);
        }
        return;
    }
    case NUMBER_TEXT:
        buffer_put_span(p->out, text);
        return;
    default:
        return;
    }
}

/* Where signs go, and which digits FM leaves out. */
static void prepare(struct printer *p)
{
    struct shape *shape = &p->shape;
    if (shape->plus || shape->minus) {
        p->sign_written = !(shape->plus && !shape->minus);
    } else {
        if (p->sign != '-' && shape->brackets && shape->fill) {
            shape->brackets = false;
        }
        p->sign_written = p->sign == '+' && shape->fill && !shape->has_sign;
        if (shape->sign == SIGN_BEFORE && shape->before == shape->sign_digits) {
            shape->sign = SIGN_BEHIND;
        }
    }
    shape->zero_start -= shape->zero_start > 0;
    p->count = shape->after + shape->before - 1;
    if (shape->fill && shape->point) {
        const char *point = strchr(p->number, '.');
        p->last_wanted = point;
        for (const char *at = point; at != NULL && *at != 0; at++) {
            p->last_wanted = *at != '0' ? at : p->last_wanted;
        }
        if (p->last_wanted != NULL && shape->zero_end > p->blanks) {
            size_t last = strlen(p->number) - 1;
            size_t zero = shape->zero_end - p->blanks;
            const char *wanted = p->number + (zero < last ? zero : last);
            p->last_wanted = p->last_wanted < wanted ? wanted : p->last_wanted;
        }
    }
    p->count += !p->sign_written && p->blanks == 0;
}

static void print_by(struct span format, const struct shape *shape, const char *digits, char sign,
                     struct buffer *out)
{
    const char *point = strchr(digits, '.');
    size_t before = point != NULL ? (size_t)(point - digits) : strlen(digits);
    struct printer p = {.shape = *shape, .number = digits, .sign = sign, .out = out};
    char marks[2 * DIGITS_MAX + 8];
    if (before < shape->before) {
        p.blanks = shape->before - (uint32_t)before;
    } else if (before > shape->before) {
        memset(marks, '#', shape->before + shape->after + 1);
        marks[shape->before] = '.';
        marks[shape->before + shape->after + 1] = 0;
        p.number = marks;
    }
    p.at = p.number;
    prepare(&p);
    uint8_t pattern = 0;
    struct span text;
    while (next_piece(&format, &pattern, &text)) {
        put_piece(&p, pattern, text);
    }
}

/* ---- Roman numbers, exponents ---- */

static void put_roman(const struct shape *shape, int64_t number, bool known, bool lower,
                      struct buffer *out)
{
    static const struct {
        int32_t value;
        const char *text;
    } parts[] = {{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"},
                 {90, "XC"},  {50, "L"},   {40, "XL"}, {10, "X"},   {9, "IX"},
                 {5, "V"},    {4, "IV"},   {1, "I"}};
    char text[32] = "";
    size_t used = 0;
    if (!known || number < 1 || number > 3999) {
        memset(text, '#', ROMAN_WIDTH);
        used = ROMAN_WIDTH;
        number = 0;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        while (number >= parts[i].value) {
            number -= parts[i].value;
            for (const char *at = parts[i].text; *at != 0; at++) {
                text[used++] = lower ? (char)(*at | 32) : *at;
            }
        }
    }
    text[used] = 0;
    buffer_printf(out, shape->fill ? "%s" : "%15s", text);
}

/* d.ddde+dd with so many digits behind the point. */
static tdbplus_status put_exponent(struct func_call *call, struct span number, uint32_t after,
                                   struct buffer *out)
{
    // The digits of the number itself are longer than any template asks for.
    struct buffer text;
    buffer_init(&text, call->arena->alloc);
    numeric_print(number, &text);
    buffer_put_u8(&text, 0);
    if (text.failed) {
        buffer_deinit(&text);
        return kernel_no_memory(call);
    }
    const char *digits = (const char *)text.data;
    bool negative = *digits == '-';
    digits += negative;
    char kept[DIGITS_MAX + 32];
    uint32_t count = 0;
    int32_t exponent = -1;
    bool point = false;
    uint32_t wanted = after + 2; // One more, for rounding.
    for (const char *at = digits; *at != 0; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        if (count == 0 && *at == '0') {
            exponent -= point;
            continue;
        }
        exponent += !point;
        if (count < wanted) {
            kept[count] = *at;
        }
        count++;
    }
    bool zero = count == 0;
    exponent = zero ? 0 : point && exponent < 0 ? exponent : exponent;
    for (uint32_t i = count; i < wanted; i++) {
        kept[i] = '0';
    }
    bool carried = false;
    if (kept[wanted - 1] >= '5') {
        uint32_t i = wanted - 1;
        while (i > 0 && kept[i - 1] == '9') {
            kept[--i] = '0';
        }
        if (i > 0) {
            kept[i - 1]++;
        } else {
            // PostgreSQL leaves two digits before the point then.
            carried = true;
        }
    }
    buffer_put_u8(out, negative ? '-' : ' ');
    buffer_put_text(out, carried ? "1" : "");
    buffer_put_u8(out, (uint8_t)kept[0]);
    if (after > 0) {
        buffer_put_u8(out, '.');
        buffer_put(out, kept + 1, after);
    }
    buffer_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    buffer_deinit(&text);
    return TDBPLUS_OK;
}

/* ---- to_char ---- */

/* Digits behind the point that a float is good for, with so many characters before it. */
static void limit_digits(const struct datum *value, uint32_t before, struct shape *shape)
{
    uint32_t limit = value->type.id == TYPE_FLOAT4 ? FLT_DIG : DBL_DIG;
    if (before >= limit) {
        shape->after = 0;
    } else if (before + shape->after > limit) {
        shape->after = limit - before;
    }
}

/* Floats have as many digits as their type is good for, rounded as C prints them. */
static tdbplus_status put_float(struct func_call *call, const struct datum *value,
                                struct span format, struct shape *shape, struct buffer *out)
{
    double real = value->real;
    for (uint32_t i = 0; i < shape->shift; i++) {
        real *= 10;
    }
    shape->before += shape->shift;
    limit_digits(value, (uint32_t)snprintf(NULL, 0, "%.0f", fabs(real)), shape);
    struct buffer text;
    buffer_init(&text, call->arena->alloc);
    buffer_printf(&text, "%.*f", (int)shape->after, fabs(real));
    buffer_put_u8(&text, 0);
    tdbplus_status status = text.failed ? kernel_no_memory(call) : TDBPLUS_OK;
    if (status == TDBPLUS_OK) {
        print_by(format, shape, (const char *)text.data, signbit(real) ? '-' : '+', out);
    }
    buffer_deinit(&text);
    return status;
}

static tdbplus_status print_numeric(struct func_call *call, struct span value, struct span format,
                                    const struct datum *real, struct buffer *out)
{
    struct shape shape;
    tdbplus_status status = TDBPLUS_OK;
    struct buffer shifted;
    struct buffer rounded;
    struct buffer text;
    TRY(read_shape(call, format, &shape));
    buffer_init(&shifted, call->arena->alloc);
    buffer_init(&rounded, call->arena->alloc);
    buffer_init(&text, call->arena->alloc);
    bool special = value.data[0] > NUMERIC_NEGATIVE;
    if (shape.roman) {
        int64_t whole = 0;
        bool lower = memmem(format.data, format.size, "rn", 2) != NULL;
        bool known =
            !special && numeric_to_integer(value, INT32_MIN, INT32_MAX, &whole, NULL) == TDBPLUS_OK;
        if (known && real != NULL) {
            whole = (int64_t)rint(real->real); // Floats are rounded to the even number.
        }
        put_roman(&shape, whole, known, lower, out);
        goto done;
    }
    if (shape.exponent && !special) {
        TRY_OR(done, put_exponent(call, value, shape.after, out));
        goto done;
    }
    if (real != NULL && isfinite(real->real)) {
        TRY_OR(done, put_float(call, real, format, &shape, out));
        goto done;
    }
    if (real != NULL && isinf(real->real)) {
        limit_digits(real, (uint32_t)strlen("Infinity"), &shape);
    }
    if (shape.shifted) {
        struct buffer power;
        buffer_init(&power, call->arena->alloc);
        int64_t factor = 1;
        for (uint32_t i = 0; i < shape.shift && i < 18; i++) {
            factor *= 10;
        }
        numeric_of_integer(factor, &power);
        status = numeric_multiply(value, buffer_span(&power), &shifted, call->err);
        buffer_deinit(&power);
        TRY_OR(done, status);
        shape.before += shape.shift;
        value = buffer_span(&shifted);
    }
    TRY_OR(done, numeric_round(value, (int32_t)shape.after, &rounded, call->err));
    numeric_print(buffer_span(&rounded), &text);
    buffer_put_u8(&text, 0);
    if (text.failed) {
        status = kernel_no_memory(call);
        goto done;
    }
    const char *digits = (const char *)text.data;
    bool negative = *digits == '-';
    print_by(format, &shape, digits + negative, negative ? '-' : '+', out);
done:
    buffer_deinit(&text);
    buffer_deinit(&rounded);
    buffer_deinit(&shifted);
    return status;
}

static tdbplus_status to_char_row(struct func_call *call, uint32_t row, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct datum value = kernel_argument(call, 0, row);
    struct buffer number;
    struct buffer out;
    buffer_init(&number, call->arena->alloc);
    buffer_init(&out, call->arena->alloc);
    bool real = value.type.id == TYPE_FLOAT8 || value.type.id == TYPE_FLOAT4;
    if (real) {
        TRY_OR(done, numeric_of_float8(value.real, &number, call->err));
    } else if (value.type.id == TYPE_NUMERIC) {
        buffer_put_span(&number, value.bytes);
    } else {
        numeric_of_integer(value.integer, &number);
    }
    if (number.failed) {
        status = kernel_no_memory(call);
        goto done;
    }
    TRY_OR(done, print_numeric(call, buffer_span(&number), text_argument(call, 1, row),
                               real ? &value : NULL, &out));
    TRY_OR(done, kernel_keep(call, &out, result));
done:
    buffer_deinit(&out);
    buffer_deinit(&number);
    return status;
}

ROW_KERNEL(to_char)

/* ---- to_number ---- */

struct reader {
    struct span rest;
    struct buffer *digits;
    bool negative;
    bool point;
    bool has_point; /* The template has one. */
};

static void skip(struct reader *reader, size_t count)
{
    reader->rest.data += count;
    reader->rest.size -= count;
}

static uint8_t peek(const struct reader *reader)
{
    return reader->rest.size > 0 ? reader->rest.data[0] : 0;
}

static void take_sign(struct reader *reader)
{
    uint8_t byte = peek(reader);
    if (byte == '-' || byte == '+' || byte == '<') {
        reader->negative = reader->negative || byte != '+';
        skip(reader, 1);
    }
}

static void read_piece(struct reader *reader, uint8_t pattern, struct span text)
{
    while (pattern != NUMBER_TEXT && peek(reader) == ' ') {
        skip(reader, 1);
    }
    uint8_t byte = peek(reader);
    switch (pattern) {
    case NUMBER_NINE:
    case NUMBER_ZERO:
        take_sign(reader);
        byte = peek(reader);
        if (byte == '.' && !reader->has_point) {
            skip(reader, 1); // It takes a digit's place.
        } else if (byte == '.' && !reader->point) {
            reader->point = true;
            buffer_put_u8(reader->digits, '.');
            skip(reader, 1);
        } else if (byte >= '0' && byte <= '9') {
            buffer_put_u8(reader->digits, byte);
            skip(reader, 1);
        }
        return;
    case NUMBER_POINT:
        if (byte == '.' && !reader->point) {
            reader->point = true;
            buffer_put_u8(reader->digits, '.');
            skip(reader, 1);
        }
        return;
    case NUMBER_COMMA:
    case NUMBER_GROUP:
        skip(reader, byte == ',');
        return;
    case NUMBER_CURRENCY:
        skip(reader, byte == '$');
        return;
    case NUMBER_MINUS:
    case NUMBER_PLUS:
    case NUMBER_SIGN:
    case NUMBER_LOCALE_SIGN:
    case NUMBER_BRACKETS:
        take_sign(reader);
        return;
    case NUMBER_ORDINAL:
    case NUMBER_ORDINAL_UPPER:
        skip(reader, reader->rest.size < 2 ? reader->rest.size : 2);
        return;
    case NUMBER_TEXT: {
        size_t size = text.size < reader->rest.size ? text.size : reader->rest.size;
        skip(reader, size);
        return;
    }
    default:
        return;
    }
}

/* Times ten to the power of less than nothing, whose digits PostgreSQL keeps. */
static tdbplus_status shift_back(const struct func_call *call, uint32_t shift,
                                 struct buffer *number)
{
    struct buffer ten;
    struct buffer exponent;
    struct buffer factor;
    struct buffer product;
    buffer_init(&ten, call->arena->alloc);
    buffer_init(&exponent, call->arena->alloc);
    buffer_init(&factor, call->arena->alloc);
    buffer_init(&product, call->arena->alloc);
    tdbplus_status status = TDBPLUS_OK;
    numeric_of_integer(10, &ten);
    numeric_of_integer(-(int64_t)shift, &exponent);
    TRY_OR(done, numeric_power(buffer_span(&ten), buffer_span(&exponent), &factor, call->err));
    TRY_OR(done, numeric_multiply(buffer_span(number), buffer_span(&factor), &product, call->err));
    buffer_clear(number);
    buffer_put_span(number, buffer_span(&product));
done:
    buffer_deinit(&ten);
    buffer_deinit(&exponent);
    buffer_deinit(&factor);
    buffer_deinit(&product);
    return status;
}

static tdbplus_status to_number_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct shape shape;
    struct span format = text_argument(call, 1, row);
    tdbplus_status status = TDBPLUS_OK;
    struct buffer digits;
    struct buffer number;
    struct buffer signed_text;
    uint8_t pattern = 0;
    struct span text;
    TRY(read_shape(call, format, &shape));
    if (shape.roman || shape.exponent) {
        return kernel_error(call, "0A000", "\"%s\" not supported for input",
                            shape.roman ? "RN" : "EEEE");
    }
    buffer_init(&digits, call->arena->alloc);
    buffer_init(&number, call->arena->alloc);
    buffer_init(&signed_text, call->arena->alloc);
    struct reader reader = {
        .rest = text_argument(call, 0, row), .digits = &digits, .has_point = shape.point};
    result->is_null = format.size == 0;
    while (next_piece(&format, &pattern, &text) && reader.rest.size > 0) {
        read_piece(&reader, pattern, text);
    }
    take_sign(&reader);
    if (digits.size == 0 || (digits.size == 1 && digits.data[0] == '.')) {
        status = kernel_error(call, "22P02", "invalid input syntax for type numeric: \" \"");
        goto done;
    }
    buffer_put_text(&signed_text, reader.negative ? "-" : "");
    buffer_put_span(&signed_text, buffer_span(&digits));
    TRY_OR(done, numeric_parse(buffer_span(&signed_text), &number, call->err));
    if (shape.shifted) {
        TRY_OR(done, shift_back(call, shape.shift, &number));
    }
    TRY_OR(done, kernel_keep(call, &number, result));
done:
    buffer_deinit(&signed_text);
    buffer_deinit(&number);
    buffer_deinit(&digits);
    return status;
}

ROW_KERNEL(to_number)

#define TX TYPE_TEXT
#define NU TYPE_NUMERIC

const struct func table_number_format[] = {
    {"to_char", 2, {TYPE_INT4, TX}, TX, FUNC_LATE_ERRORS, to_char, "Printed by a template."},
    {"to_char", 2, {TYPE_INT8, TX}, TX, FUNC_LATE_ERRORS, to_char, "Printed by a template."},
    {"to_char", 2, {NU, TX}, TX, FUNC_LATE_ERRORS, to_char, "Printed by a template."},
    {"to_char", 2, {TYPE_FLOAT4, TX}, TX, FUNC_LATE_ERRORS, to_char, "Printed by a template."},
    {"to_char", 2, {TYPE_FLOAT8, TX}, TX, FUNC_LATE_ERRORS, to_char, "Printed by a template."},
    {"to_number",
     2,
     {TX, TX},
     NU,
     FUNC_NULLABLE | FUNC_LATE_ERRORS,
     to_number,
     "Read by a template."},
    FUNC_END,
};
