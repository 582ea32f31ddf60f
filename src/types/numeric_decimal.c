/* Between long numerics and scaled integers, floats and hashes. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/hash.h"
#include "types/float_text.h"
#include "types/numeric_internal.h"

#define LIMB_DIGITS        4
#define FLOAT_LIMB_MAX     12u /* More digits than any double needs; the rest only breaks ties. */
#define WIDE_DIGITS_MAX    38
#define SCALED_LIMB_MAX    11u /* 39 digits, cut anywhere. */
#define DECIMAL_DIGITS_MAX 18u

wide_int numeric_power_of_ten(unsigned exponent)
{
    static const int64_t small[] = {
        INT64_C(1),
        INT64_C(10),
        INT64_C(100),
        INT64_C(1000),
        INT64_C(10000),
        INT64_C(100000),
        INT64_C(1000000),
        INT64_C(10000000),
        INT64_C(100000000),
        INT64_C(1000000000),
        INT64_C(10000000000),
        INT64_C(100000000000),
        INT64_C(1000000000000),
        INT64_C(10000000000000),
        INT64_C(100000000000000),
        INT64_C(1000000000000000),
        INT64_C(10000000000000000),
        INT64_C(100000000000000000),
        INT64_C(1000000000000000000),
    };
    ASSERT(exponent <= WIDE_DIGITS_MAX);
    wide_int power = 1;
    while (exponent > DECIMAL_DIGITS_MAX) {
        power *= small[DECIMAL_DIGITS_MAX];
        exponent -= DECIMAL_DIGITS_MAX;
    }
    return power * small[exponent];
}

size_t numeric_store_scaled(wide_int value, unsigned scale, uint8_t *bytes)
{
    wide_uint rest = value < 0 ? 0 - (wide_uint)value : (wide_uint)value;
    uint16_t limbs[SCALED_LIMB_MAX];
    uint32_t count = 0;
    // The last limb has only as many digits as the scale leaves over, padded with zeros.
    int32_t position = -(int32_t)((scale + LIMB_DIGITS - 1) / LIMB_DIGITS);
    unsigned odd = scale % LIMB_DIGITS;
    if (odd > 0) {
        unsigned divisor = (unsigned)numeric_power_of_ten(odd);
        unsigned padding = (unsigned)numeric_power_of_ten(LIMB_DIGITS - odd);
        limbs[count++] = (uint16_t)((unsigned)(rest % divisor) * padding);
        rest /= divisor;
    }
    while (rest > 0) {
        limbs[count++] = (uint16_t)(rest % NUMERIC_LIMB_BASE);
        rest /= NUMERIC_LIMB_BASE;
    }
    while (count > 0 && limbs[count - 1] == 0) {
        count--;
    }
    uint32_t first = 0;
    while (first < count && limbs[first] == 0) {
        first++;
    }
    bytes[0] = value < 0 ? NUMERIC_NEGATIVE : NUMERIC_POSITIVE;
    bytes[1] = 0;
    store_u16(bytes + 2, (uint16_t)scale);
    int32_t weight = count == 0 ? 0 : position + (int32_t)count - 1;
    store_u16(bytes + 4, (uint16_t)weight);
    size_t size = NUMERIC_HEADER_SIZE;
    for (uint32_t i = count; i > first; i--, size += sizeof(uint16_t)) {
        store_u16(bytes + size, limbs[i - 1]);
    }
    return size;
}

void numeric_put_scaled(wide_int value, unsigned scale, struct buffer *buffer)
{
    uint8_t bytes[NUMERIC_SCALED_SIZE_MAX];
    size_t size = numeric_store_scaled(value, scale, bytes);
    buffer_put(buffer, bytes, size);
}

/* *value = *value * 10^digits + rest, as long as it fits 38 digits. */
static bool append_digits(wide_uint *value, unsigned digits, uint32_t rest)
{
    const wide_uint limit = (wide_uint)numeric_power_of_ten(WIDE_DIGITS_MAX);
    wide_uint factor = (wide_uint)numeric_power_of_ten(digits);
    if (*value >= limit / factor) {
        return false;
    }
    *value = *value * factor + rest;
    return true;
}

bool numeric_to_scaled(struct span encoded, unsigned scale, wide_int *value_out)
{
    struct numeric_parts parts = numeric_parts(encoded);
    if (parts.kind > NUMERIC_NEGATIVE || parts.weight > WIDE_DIGITS_MAX / LIMB_DIGITS + 1) {
        return false;
    }
    wide_uint value = 0;
    int32_t exponent = 0; // Of the last digit taken, against the scale.
    for (uint32_t i = 0; i < parts.limb_count; i++) {
        uint32_t limb = (uint32_t)numeric_limb(&parts, i);
        unsigned digits = LIMB_DIGITS;
        exponent = (parts.weight - (int32_t)i) * LIMB_DIGITS + (int32_t)scale;
        if (exponent < 0) {
            // Only zeros may be left out, and only of this last limb.
            uint32_t divisor =
                exponent > -LIMB_DIGITS ? (uint32_t)numeric_power_of_ten((unsigned)-exponent) : 0;
            if (divisor == 0 || limb % divisor != 0) {
                return false;
            }
            limb /= divisor;
            digits -= (unsigned)-exponent;
            exponent = 0;
        }
        if (!append_digits(&value, digits, limb)) {
            return false;
        }
    }
    if (exponent > WIDE_DIGITS_MAX ||
        (exponent > 0 && !append_digits(&value, (unsigned)exponent, 0))) {
        return false;
    }
    *value_out = parts.kind == NUMERIC_NEGATIVE ? -(wide_int)value : (wide_int)value;
    return true;
}

bool numeric_to_decimal(struct span encoded, int64_t *mantissa_out, unsigned *scale_out)
{
    unsigned scale = numeric_parts(encoded).scale;
    wide_int value = 0;
    if (scale > DECIMAL_DIGITS_MAX || !numeric_to_scaled(encoded, scale, &value) ||
        value > INT64_MAX || value < INT64_MIN) {
        return false;
    }
    *mantissa_out = (int64_t)value;
    *scale_out = scale;
    return true;
}

bool numeric_to_int8(struct span encoded, int64_t *value_out)
{
    wide_int value = 0;
    if (!numeric_to_scaled(encoded, 0, &value) || value > INT64_MAX || value < INT64_MIN) {
        return false;
    }
    *value_out = (int64_t)value;
    return true;
}

/* The nearest double to DIGITS * 10^exponent. */
static double nearest(bool is_negative, char *text, size_t size, int32_t exponent)
{
    int written = snprintf(text + size, 16, "e%d", exponent);
    double value = 0;
    struct span span = {.data = (const uint8_t *)text, .size = size + (size_t)written};
    if (float_text_to_double(span, &value) == FLOAT_TEXT_RANGE) {
        value = exponent > 0 ? HUGE_VAL : 0;
    }
    return is_negative ? -value : value;
}

double numeric_to_float8(struct span encoded)
{
    struct numeric_parts parts = numeric_parts(encoded);
    if (parts.kind == NUMERIC_NAN) {
        return (double)NAN;
    }
    if (parts.kind > NUMERIC_NEGATIVE) {
        return parts.kind == NUMERIC_INFINITY ? HUGE_VAL : -HUGE_VAL;
    }
    if (parts.limb_count == 0) {
        return 0;
    }
    // Limbs past the first dozen matter only in that they are not zero, so one digit stands for
    // them.
    char text[FLOAT_LIMB_MAX * LIMB_DIGITS + LIMB_DIGITS + 16];
    uint32_t count = parts.limb_count < FLOAT_LIMB_MAX ? parts.limb_count : FLOAT_LIMB_MAX;
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size =
            (size_t)(numeric_print_limb((uint8_t *)text + size, (unsigned)numeric_limb(&parts, i)) -
                     (uint8_t *)text);
    }
    int32_t exponent = (parts.weight - (int32_t)count + 1) * LIMB_DIGITS;
    if (count < parts.limb_count) {
        text[size++] = '1';
        exponent--;
    }
    return nearest(parts.kind == NUMERIC_NEGATIVE, text, size, exponent);
}

double numeric_decimal_to_float8(int64_t mantissa, unsigned scale)
{
    char text[64];
    uint64_t magnitude = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    int size = snprintf(text, sizeof text, "%" PRIu64, magnitude);
    return nearest(mantissa < 0, text, (size_t)size, -(int32_t)scale);
}

void numeric_print_scaled(wide_int value, unsigned scale, struct buffer *text)
{
    uint8_t digits[64]; // 39 digits, a point, a sign and a zero before the point.
    uint8_t *at = digits + sizeof digits;
    wide_uint rest = value < 0 ? 0 - (wide_uint)value : (wide_uint)value;
    ASSERT(scale <= WIDE_DIGITS_MAX);
    for (unsigned i = 0; rest > 0 || i <= scale; i++) {
        if (i == scale && scale > 0) {
            *--at = '.';
        }
        uint64_t word = (uint64_t)rest;
        *--at = (uint8_t)('0' + (word == rest ? word % 10 : (uint64_t)(rest % 10)));
        rest = word == rest ? word / 10 : rest / 10;
    }
    if (value < 0) {
        *--at = '-';
    }
    buffer_put(text, at, (size_t)(digits + sizeof digits - at));
}

uint64_t numeric_hash(struct span encoded)
{
    struct numeric_parts parts = numeric_parts(encoded);
    uint64_t seed = (uint64_t)parts.kind << 16 | (uint16_t)parts.weight;
    return hash_bytes((struct span){parts.limbs, 2 * (size_t)parts.limb_count}, seed);
}
