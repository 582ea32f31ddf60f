#pragma once

#include "simd/simd_internal.h"

/*
 * Sums of floats that are the same in every table (V1): component i goes into lane i % 16, lane by
 * lane in order, products are rounded before they are added, and the lanes are added in pairs,
 * halving their number.
 */
#define DISTANCE_LANES 16u

static inline float distance_reduce(const float lanes[DISTANCE_LANES])
{
    float sums[DISTANCE_LANES];
    memcpy(sums, lanes, sizeof sums);
    for (unsigned half = DISTANCE_LANES / 2; half > 0; half /= 2) {
        for (unsigned i = 0; i < half; i++) {
            sums[i] += sums[i + half];
        }
    }
    return sums[0];
}
