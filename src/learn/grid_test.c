/* Goal: a grid's cells are monotone, cover exactly 0 .. cells - 1 over the range, and agree with
 * long division; interpolation stays between its ends. Method: the corners of 64 bits and seeded
 * random ranges. */

#include "learn/grid.h"

#include "base/hash.h"
#include "test.h"

static void check_range(uint64_t range, uint32_t cells)
{
    uint64_t multiplier = grid_multiplier(range, cells);
    uint64_t fraction = 0;
    CHECK(grid_cell(0, multiplier, &fraction) == 0);
    CHECK(fraction == 0);
    CHECK(grid_cell(range, multiplier, &fraction) < cells);
    uint64_t cell_before = 0;
    uint64_t fraction_before = 0;
    for (uint64_t i = 0; i <= 100; i++) {
        uint64_t distance = (uint64_t)((uint128)range * i / 100);
        uint64_t cell = grid_cell(distance, multiplier, &fraction);
        uint64_t exact = (uint64_t)((uint128)distance * cells / ((uint128)range + 1));
        CHECK(cell == exact || cell + 1 == exact); // The multiplier is rounded down.
        CHECK(cell > cell_before || (cell == cell_before && fraction >= fraction_before));
        CHECK(fraction <= UINT32_MAX);
        cell_before = cell;
        fraction_before = fraction;
    }
}

TEST(cells_are_monotone_and_cover_the_range)
{
    static const uint64_t ranges[] = {
        1, 2, 3, 31, 32, 33, 65535, 65536, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    static const uint32_t cells[] = {1, 2, 3, 31, 2047, 65535, UINT32_MAX};
    for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++) {
        for (size_t c = 0; c < sizeof cells / sizeof *cells; c++) {
            if (cells[c] <= ranges[r]) {
                check_range(ranges[r], cells[c]);
            }
        }
    }
    for (uint64_t seed = 0; seed < 1000; seed++) {
        uint64_t range = (hash_u64(seed) >> (seed % 64)) | 1;
        uint32_t wanted = (uint32_t)(hash_u64(seed + 1000000) & UINT16_MAX) + 1;
        check_range(range, wanted > range ? (uint32_t)range : wanted);
    }
}

TEST(interpolation_stays_between_its_ends)
{
    CHECK(grid_between(3, 3, UINT32_MAX) == 3);
    CHECK(grid_between(0, 65535, 0) == 0);
    CHECK(grid_between(0, 65535, (uint64_t)1 << 31) == 32767);
    CHECK(grid_between(10, UINT32_MAX, UINT32_MAX) < UINT32_MAX);
    uint64_t before = 0;
    for (uint64_t fraction = 0; fraction <= UINT32_MAX; fraction += 9999991) {
        uint64_t value = grid_between(100, 131, fraction);
        CHECK(value >= 100 && value < 131 && value >= before);
        before = value;
    }
}
