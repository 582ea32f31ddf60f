/* Decimals as text, read and written as PostgreSQL does. */

#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "types/numeric_internal.h"

#define LIMB_DIGITS  4
#define EXPONENT_MAX 1000000 /* Past every limit; keeps sums of exponents small. */

/* A number as its text spells it. */
struct spelled {
    bool is_negative;
    struct span digits; /* From the first to the last digit; may hold one point. */
    int64_t integer_digits;
    int64_t fraction_digits;
    int64_t exponent;
};

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool spell_exponent(struct span rest, int64_t *exponent_out)
{
    size_t i = 1;
    bool is_negative = false;
    if (i < rest.size && (rest.data[i] == '+' || rest.data[i] == '-')) {
        is_negative = rest.data[i++] == '-';
    }
    if (i == rest.size) {
        return false;
    }
    int64_t exponent = 0;
    for (; i < rest.size; i++) {
        if (!is_digit(rest.data[i])) {
            return false;
        }
        exponent = exponent * 10 + (rest.data[i] - '0');
        exponent = exponent > EXPONENT_MAX ? EXPONENT_MAX : exponent;
    }
    *exponent_out = is_negative ? -exponent : exponent;
    return true;
}

static bool spell(struct span text, struct spelled *spelled)
{
    size_t i = 0;
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        spelled->is_negative = text.data[0] == '-';
        i = 1;
    }
    spelled->digits.data = text.data + i;
    bool has_point = false;
    size_t start = i;
    for (; i < text.size && (is_digit(text.data[i]) || (text.data[i] == '.' && !has_point)); i++) {
        if (text.data[i] == '.') {
            has_point = true;
        } else if (has_point) {
            spelled->fraction_digits++;
        } else {
            spelled->integer_digits++;
        }
    }
    spelled->digits.size = i - start;
    if (spelled->integer_digits + spelled->fraction_digits == 0) {
        return false;
    }
    if (i == text.size) {
        return true;
    }
    return (text.data[i] == 'e' || text.data[i] == 'E') &&
           spell_exponent((struct span){text.data + i, text.size - i}, &spelled->exponent);
}

/* Takes zeros off both ends; afterwards the value is 0.DIGITS * 10^point. */
static struct span significant(const struct spelled *spelled, int64_t *point_out)
{
    struct span digits = spelled->digits;
    int64_t point = spelled->integer_digits + spelled->exponent;
    while (digits.size > 0 && (digits.data[0] == '0' || digits.data[0] == '.')) {
        point -= digits.data[0] == '0';
        digits.data++;
        digits.size--;
    }
    while (digits.size > 0 &&
           (digits.data[digits.size - 1] == '0' || digits.data[digits.size - 1] == '.')) {
        digits.size--;
    }
    *point_out = point;
    return digits;
}

void numeric_put_header(struct buffer *buffer, uint8_t kind, uint16_t scale, int16_t weight)
{
    uint8_t *at = buffer_extend(buffer, NUMERIC_HEADER_SIZE);
    if (at != NULL) {
        at[0] = kind;
        at[1] = 0;
        store_u16(at + 2, scale);
        store_u16(at + 4, (uint16_t)weight);
    }
}

/* Writes the digits as limbs; the first one holds `first` digits (1..4). */
static void put_limbs(struct buffer *buffer, struct span digits, unsigned first)
{
    unsigned limb = 0;
    unsigned missing = first;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] == '.') {
            continue;
        }
        limb = limb * 10 + (unsigned)(digits.data[i] - '0');
        if (--missing == 0) {
            buffer_put_u16(buffer, (uint16_t)limb);
            limb = 0;
            missing = LIMB_DIGITS;
        }
    }
    if (missing < LIMB_DIGITS || limb > 0) {
        for (; missing > 0; missing--) {
            limb *= 10;
        }
        buffer_put_u16(buffer, (uint16_t)limb);
    }
}

static int64_t floor_division(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

static tdbplus_status put_spelled(const struct spelled *spelled, struct buffer *buffer,
                                  struct err *err)
{
    int64_t scale = spelled->fraction_digits - spelled->exponent;
    scale = scale < 0 ? 0 : scale;
    int64_t point = 0;
    struct span digits = significant(spelled, &point);
    int64_t weight = digits.size == 0 ? 0 : floor_division(point - 1, LIMB_DIGITS);
    if (scale > NUMERIC_SCALE_MAX || weight > INT16_MAX) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "value overflows numeric format");
    }
    bool is_negative = spelled->is_negative && digits.size > 0;
    numeric_put_header(buffer, is_negative ? NUMERIC_NEGATIVE : NUMERIC_POSITIVE, (uint16_t)scale,
                       (int16_t)weight);
    if (digits.size > 0) {
        put_limbs(buffer, digits, (unsigned)(point - weight * LIMB_DIGITS));
    }
    return TDBPLUS_OK;
}

/* "NaN", "inf", "-Infinity" and so on, in any case. */
static bool spell_special(struct span text, uint8_t *kind_out)
{
    static const struct {
        const char *name;
        uint8_t kind;
    } names[] = {
        {"nan", NUMERIC_NAN},
        {"infinity", NUMERIC_INFINITY},
        {"+infinity", NUMERIC_INFINITY},
        {"-infinity", NUMERIC_MINUS_INFINITY},
        {"inf", NUMERIC_INFINITY},
        {"+inf", NUMERIC_INFINITY},
        {"-inf", NUMERIC_MINUS_INFINITY},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (text.size == strlen(names[i].name) &&
            strncasecmp((const char *)text.data, names[i].name, text.size) == 0) {
            *kind_out = names[i].kind;
            return true;
        }
    }
    return false;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

tdbplus_status numeric_parse(struct span text, struct buffer *buffer, struct err *err)
{
    struct span trimmed = text;
    while (trimmed.size > 0 && is_space(trimmed.data[0])) {
        trimmed.data++;
        trimmed.size--;
    }
    while (trimmed.size > 0 && is_space(trimmed.data[trimmed.size - 1])) {
        trimmed.size--;
    }
    size_t before = buffer->size;
    uint8_t kind = 0;
    struct spelled spelled = {0};
    if (spell(trimmed, &spelled)) {
        TRY(put_spelled(&spelled, buffer, err));
    } else if (spell_special(trimmed, &kind)) {
        numeric_put_header(buffer, kind, 0, 0);
    } else {
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P02",
                             "invalid input syntax for type numeric: \"%.*s\"",
                             text.size > 200 ? 200 : (int)text.size, (const char *)text.data);
    }
    if (buffer->failed) {
        buffer->size = before;
        return err_set(err, TDBPLUS_E_NOMEM, "numeric: no memory");
    }
    return TDBPLUS_OK;
}

uint8_t *numeric_print_limb(uint8_t *at, unsigned limb)
{
    at[0] = (uint8_t)('0' + limb / 1000);
    at[1] = (uint8_t)('0' + limb / 100 % 10);
    at[2] = (uint8_t)('0' + limb / 10 % 10);
    at[3] = (uint8_t)('0' + limb % 10);
    return at + LIMB_DIGITS;
}

static uint8_t *print_integer_part(uint8_t *at, const struct numeric_parts *parts)
{
    if (parts->limb_count == 0 || parts->weight < 0) {
        *at++ = '0';
        return at;
    }
    uint8_t first[LIMB_DIGITS];
    (void)numeric_print_limb(first, (unsigned)numeric_limb_at(parts, parts->weight));
    unsigned skip = 0;
    while (first[skip] == '0') {
        skip++; // A stored first limb is not zero.
    }
    memcpy(at, first + skip, LIMB_DIGITS - skip);
    at += LIMB_DIGITS - skip;
    for (int32_t position = parts->weight - 1; position >= 0; position--) {
        at = numeric_print_limb(at, (unsigned)numeric_limb_at(parts, position));
    }
    return at;
}

void numeric_print(struct span encoded, struct buffer *text)
{
    static const char *const names[] = {
        [NUMERIC_NAN] = "NaN",
        [NUMERIC_INFINITY] = "Infinity",
        [NUMERIC_MINUS_INFINITY] = "-Infinity",
    };
    struct numeric_parts parts = numeric_parts(encoded);
    if (parts.kind >= NUMERIC_NAN) {
        buffer_put_text(text, names[parts.kind]);
        return;
    }
    size_t integer_size = parts.weight < 0 ? 1 : ((size_t)parts.weight + 1) * LIMB_DIGITS;
    size_t bound = integer_size + parts.scale + LIMB_DIGITS + 2;
    if (!buffer_reserve(text, bound)) {
        return;
    }
    uint8_t *start = text->data + text->size;
    uint8_t *at = start;
    if (parts.kind == NUMERIC_NEGATIVE) {
        *at++ = '-';
    }
    at = print_integer_part(at, &parts);
    if (parts.scale > 0) {
        *at++ = '.';
        uint8_t *end = at + parts.scale;
        for (int32_t position = -1; at < end; position--) {
            at = numeric_print_limb(at, (unsigned)numeric_limb_at(&parts, position));
        }
        at = end; // The last limb may have had more digits than are shown.
    }
    ASSERT((size_t)(at - start) <= bound);
    text->size += (size_t)(at - start);
}
