#pragma once

#include <stdint.h>

/*
 * Fixed-point scaling of 64-bit codes onto equal cells: one multiplication gives the cell of a code
 * and how far into the cell it lies. Integers only, so that a model predicts the same at build and
 * at lookup, on every machine (L1).
 */

__extension__ typedef unsigned __int128 uint128;

/* The multiplier that spreads distances 0 .. `range` over `cells` cells: the distance `range` falls
 * into the last one. 1 <= cells <= range, so that the result fits. */
uint64_t grid_multiplier(uint64_t range, uint32_t cells);

/* Cell of `distance`, and in *fraction_out the position inside it in units of 2^-32 cells. Both
 * together never decrease when `distance` grows. */
static inline uint64_t grid_cell(uint64_t distance, uint64_t multiplier, uint64_t *fraction_out)
{
    uint128 product = (uint128)distance * multiplier;
    *fraction_out = (uint64_t)product >> 32;
    return (uint64_t)(product >> 64);
}

/* A value between `low` and `high` (low <= high < 2^32) at `fraction` of the way, rounded down. */
static inline uint64_t grid_between(uint64_t low, uint64_t high, uint64_t fraction)
{
    return low + (((high - low) * fraction) >> 32);
}
