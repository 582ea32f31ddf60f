#pragma once

#include "base/codec.h"
#include "types/numeric.h"

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

/* The order of the absolute values of two finite numbers. */
int numeric_compare_magnitudes(const struct numeric_parts *left, const struct numeric_parts *right);
