#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * Piecewise-linear approximation of a sorted list: how far can one line, through the first point,
 * follow the points (x[i], y[i]) so that it is nowhere more than `error` away from y?
 *
 * x ascends strictly, y does not descend; y[i] - y[0] < 2^24. Returns how many points, from the
 * first, the line covers (at least 1), and its slope (>= 0; 0 when it covers one point). The slope
 * is rounded to float, which may cost a small fraction of one position: whoever needs a guarantee
 * measures the error of the prediction that it will make (L2).
 */
size_t pla_fit(const uint64_t *x, const uint32_t *y, size_t count, uint32_t error,
               float *slope_out);

/* The line's offset at `distance` = x - x[0], at most `limit`. Never decreases with `distance`. */
static inline uint64_t pla_offset(uint64_t distance, float slope, uint64_t limit)
{
    double offset = (double)distance * (double)slope;
    return offset < (double)limit ? (uint64_t)offset : limit;
}
