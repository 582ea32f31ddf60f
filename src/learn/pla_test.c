/* Goal: a line covers the points that it says it covers within its error, covers all points of a
 * straight line, and stops at a point that no line through the first reaches. Method: the error is
 * measured with the prediction that callers use. */

#include "learn/pla.h"

#include "base/hash.h"
#include "test.h"

#define POINTS 4096

static uint64_t xs[POINTS];
static uint32_t ys[POINTS];

static uint32_t measure(size_t covered, struct pla_slope slope)
{
    uint32_t worst = 0;
    for (size_t i = 0; i < covered; i++) {
        uint64_t offset = pla_offset(xs[i] - xs[0], slope, (uint64_t)ys[covered - 1] - ys[0]);
        uint64_t exact = ys[i] - ys[0];
        uint64_t error = offset > exact ? offset - exact : exact - offset;
        worst = error > worst ? (uint32_t)error : worst;
    }
    return worst;
}

TEST(straight_lines_are_covered_whole)
{
    static const uint64_t steps[] = {1, 2, 3, 1000, (uint64_t)1 << 40, UINT64_MAX / POINTS};
    for (size_t s = 0; s < sizeof steps / sizeof *steps; s++) {
        for (size_t i = 0; i < POINTS; i++) {
            xs[i] = i * steps[s];
            ys[i] = (uint32_t)i;
        }
        struct pla_slope slope = {0};
        CHECK(pla_fit(xs, ys, POINTS, 7, &slope) == POINTS);
        CHECK(measure(POINTS, slope) <= 8);
    }
}

TEST(error_is_kept_on_random_gaps)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint64_t x = hash_u64(seed) >> 2;
        for (size_t i = 0; i < POINTS; i++) {
            uint64_t gap = hash_u64(seed * POINTS + i);
            x += 1 + (gap >> (14 + seed % 50)) % ((uint64_t)1 << 48);
            xs[i] = x;
            ys[i] = (uint32_t)(100 + i);
        }
        struct pla_slope slope = {0};
        size_t covered = pla_fit(xs, ys, POINTS, 7, &slope);
        CHECK(covered >= 2 && covered <= POINTS);
        CHECK(slope.mantissa > 0);
        CHECK(slope.shift >= PLA_SHIFT_MIN && slope.shift <= PLA_SHIFT_MAX);
        CHECK(measure(covered, slope) <= 8);
    }
}

TEST(stops_where_no_line_reaches)
{
    // Twenty points one apart, then a jump that a line within 2 rows cannot follow.
    for (size_t i = 0; i < 40; i++) {
        xs[i] = i < 20 ? i : 1000000 + i;
        ys[i] = (uint32_t)i;
    }
    struct pla_slope slope = {0};
    CHECK(pla_fit(xs, ys, 40, 2, &slope) == 20);
    CHECK(pla_fit(xs, ys, 1, 2, &slope) == 1);
    CHECK(slope.mantissa == 0);
}

TEST(offset_never_passes_its_limit)
{
    const struct pla_slope steepest = {.mantissa = UINT32_MAX, .shift = PLA_SHIFT_MIN};
    const struct pla_slope flattest = {.mantissa = 1, .shift = PLA_SHIFT_MAX};
    const struct pla_slope one = {.mantissa = (uint32_t)1 << 31, .shift = 31};
    CHECK(pla_offset(UINT64_MAX, steepest, 17) == 17);
    CHECK(pla_offset(UINT64_MAX, steepest, UINT64_MAX) == UINT64_MAX);
    CHECK(pla_offset(UINT64_MAX, flattest, 17) == 0);
    CHECK(pla_offset(UINT64_MAX, (struct pla_slope){0}, 17) == 0);
    CHECK(pla_offset(5, one, 17) == 5);
    CHECK(pla_offset(5, one, 0) == 0);
}
