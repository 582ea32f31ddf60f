#pragma once

#include "base/buffer.h"
#include "base/codec.h"
#include "types/numeric.h"
#include "types/types_internal.h"

/* The fields of an encoded numeric; `limbs` borrows from it and may be unaligned. */
struct numeric_parts {
    uint8_t kind; /* enum numeric_kind. */
    uint16_t scale;
    int16_t weight;
    uint32_t limb_count;
    const uint8_t *limbs;
};

struct numeric_parts numeric_parts(struct span encoded);

static inline int32_t numeric_limb(const struct numeric_parts *parts, uint32_t i)
{
    return load_u16(parts->limbs + 2 * (size_t)i);
}

/* The limb at a place (0: units, 1: ten thousands, -1: ten thousandths), 0 outside of the stored
 * ones. */
static inline int32_t numeric_limb_at(const struct numeric_parts *parts, int32_t place)
{
    int64_t i = (int64_t)parts->weight - place;
    return i < 0 || i >= parts->limb_count ? 0 : numeric_limb(parts, (uint32_t)i);
}

/* The order of the absolute values of two finite numbers. */
int numeric_compare_magnitudes(const struct numeric_parts *left, const struct numeric_parts *right);

/* Appends the fields before the limbs. */
void numeric_put_header(struct buffer *buffer, uint8_t kind, uint16_t scale, int16_t weight);

/* Writes four digits and returns what follows them. */
uint8_t *numeric_print_limb(uint8_t *at, unsigned limb);

/* Rounded or cut to any scale; numeric_round() and numeric_truncate() allow 2000 only. */
TDBPLUS_CHECKED tdbplus_status numeric_cut(struct span value, int32_t scale, bool truncate,
                                           struct buffer *buffer, struct err *err);

/* 10^exponent, up to 38. */
wide_int numeric_power_of_ten(unsigned exponent);

/* ---- scaled integers: value / 10^scale, at most 38 digits and scale ---- */

#define NUMERIC_SCALED_SIZE_MAX 32u

/* The long form; returns how many bytes of at most NUMERIC_SCALED_SIZE_MAX were written. */
size_t numeric_store_scaled(wide_int value, unsigned scale, uint8_t *bytes);
void numeric_put_scaled(wide_int value, unsigned scale, struct buffer *buffer);

/* The integer at that scale; false when digits would be lost or more than 38 are needed. */
bool numeric_to_scaled(struct span encoded, unsigned scale, wide_int *value_out);

/* At the number's own scale, if that is at most 18 and the integer fits. */
bool numeric_to_decimal(struct span encoded, int64_t *mantissa_out, unsigned *scale_out);

/* False when there are digits after the point, or it does not fit. */
bool numeric_to_int8(struct span encoded, int64_t *value_out);

double numeric_decimal_to_float8(int64_t mantissa, unsigned scale);

void numeric_print_scaled(wide_int value, unsigned scale, struct buffer *text);
