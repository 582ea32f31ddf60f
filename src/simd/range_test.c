/* Goal: every table's ranges and row lists are the scalar ones, and the scalar ones are what a loop
 * says, for random and extreme bounds at every count around the block sizes. */

#include "simd/simd.h"

#include "base/hash.h"
#include "test.h"

#define COUNT_MAX 200u
#define WORDS     (COUNT_MAX / 64 + 1)

static void check_draw(const struct simd_ops *ops, uint64_t draw, size_t count)
{
    int32_t narrow[COUNT_MAX];
    int64_t wide[COUNT_MAX];
    for (size_t i = 0; i < COUNT_MAX; i++) {
        uint64_t word = hash_u64(draw * 1000 + i);
        wide[i] = i % 17 == 0 ? INT64_MAX : i % 19 == 0 ? INT64_MIN : (int64_t)(word % 100);
        narrow[i] = i % 17 == 0 ? INT32_MAX : i % 19 == 0 ? INT32_MIN : (int32_t)(word % 100);
    }
    int64_t low = draw % 5 == 0 ? INT64_MIN : (int64_t)(hash_u64(draw) % 100);
    int64_t high = draw % 7 == 0 ? INT64_MAX : (int64_t)(hash_u64(draw + 1) % 100);
    int32_t low32 = draw % 5 == 0 ? INT32_MIN : (int32_t)low;
    int32_t high32 = draw % 7 == 0 ? INT32_MAX : (int32_t)high;
    uint64_t masks[2][WORDS];
    uint16_t rows[COUNT_MAX + 16];
    for (size_t i = 0; i < WORDS; i++) {
        masks[0][i] = masks[1][i] = hash_u64(draw * 77 + i) | hash_u64(draw * 78 + i);
    }
    uint64_t before[WORDS];
    memcpy(before, masks[0], sizeof before);
    ops->range_i64(wide, count, low, high, masks[0]);
    ops->range_i32(narrow, count, low32, high32, masks[1]);
    size_t found = ops->mask_rows(masks[0], count, rows);
    size_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        bool was = (before[i / 64] >> (i % 64) & 1) != 0;
        bool in = was && wide[i] >= low && wide[i] <= high;
        CHECK((masks[0][i / 64] >> (i % 64) & 1) == in);
        CHECK((masks[1][i / 64] >> (i % 64) & 1) ==
              (was && narrow[i] >= low32 && narrow[i] <= high32));
        if (in) {
            CHECK(expected < found && rows[expected] == i);
            expected++;
        }
    }
    CHECK(found == expected);
}

TEST(ranges_are_what_a_loop_says_on_every_table)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (size_t t = 0; all[t] != NULL; t++) {
        for (uint64_t draw = 0; draw < 400; draw++) {
            check_draw(all[t], draw, draw % (COUNT_MAX + 1));
        }
    }
}
