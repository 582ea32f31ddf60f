#pragma once

#include <stddef.h>

#include "learn/grid.h"

/* A slope in integers: mantissa * 2^-shift positions per code. A mantissa of 0 means no line. */
struct pla_slope {
    uint32_t mantissa;
    uint8_t shift; /* PLA_SHIFT_MIN .. PLA_SHIFT_MAX. */
};

/* From 2^8 positions per code, more than any line here needs, to less than one in 2^64. */
#define PLA_SHIFT_MIN 24u
#define PLA_SHIFT_MAX 95u

/*
 * Piecewise-linear approximation of a sorted list: how far can one line, through the first point,
 * follow the points (x[i], y[i]) so that it is nowhere more than `error` away from y?
 *
 * x ascends strictly, y does not descend; y[i] - y[0] < 2^24. Returns how many points, from the
 * first, the line covers (at least 1), and its slope (none when it covers one point). The slope is
 * rounded to 32 bits, which may cost a small fraction of one position: whoever needs a guarantee
 * measures the error of the prediction that it will make (L3).
 */
size_t pla_fit(const uint64_t *x, const uint32_t *y, size_t count, uint32_t error,
               struct pla_slope *slope_out);

/* The line's offset at `distance` = x - x[0], at most `limit`. Never decreases with `distance`. */
static inline uint64_t pla_offset(uint64_t distance, struct pla_slope slope, uint64_t limit)
{
    uint128 offset = ((uint128)distance * slope.mantissa) >> slope.shift;
    return offset < limit ? (uint64_t)offset : limit;
}
