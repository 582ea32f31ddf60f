#include "learn/grid.h"

#include "base/assert.h"

uint64_t grid_multiplier(uint64_t range, uint32_t cells)
{
    ASSERT(cells >= 1);
    ASSERT(cells <= range);
    // floor(cells * 2^64 / (range + 1)): below 2^64 because cells < range + 1, and rounded down, so
    // that range * multiplier stays below cells * 2^64.
    return (uint64_t)(((uint128)cells << 64) / ((uint128)range + 1));
}
