/* Goal: arithmetic on columns and sums of groups are what plain loops say, on every table, for any
 * numbers (products and sums wrap) and at every count around the block sizes. */

#include "simd/simd.h"

#include "base/hash.h"
#include "test.h"

#define COUNT_MAX  200u
#define GROUPS_MAX 16u

struct draw {
    int64_t left[COUNT_MAX];
    int64_t right[COUNT_MAX];
    int32_t narrow[COUNT_MAX];
    uint8_t groups[COUNT_MAX];
    unsigned group_count;
};

static void fill(struct draw *draw, uint64_t seed)
{
    draw->group_count = 1 + (unsigned)(hash_u64(seed) % GROUPS_MAX);
    for (size_t i = 0; i < COUNT_MAX; i++) {
        uint64_t word = hash_u64(seed * 1000 + i);
        draw->left[i] = seed % 3 == 0 ? (int64_t)word : (int64_t)(word % 2000) - 1000;
        draw->right[i] = i % 13 == 0 ? INT64_MIN : (int64_t)hash_u64(word);
        draw->narrow[i] = i % 17 == 0 ? INT32_MIN : (int32_t)word;
        // Some rows belong to no group.
        uint64_t group = word % 11 == 0 ? 255 : (word >> 32) % (draw->group_count + 1);
        draw->groups[i] = (uint8_t)group;
    }
}

static void check_arithmetic(const struct simd_ops *ops, const struct draw *draw, size_t count)
{
    int64_t sums[COUNT_MAX];
    int64_t differences[COUNT_MAX];
    int64_t products[COUNT_MAX];
    int64_t lines[COUNT_MAX];
    uint64_t spread = 0;
    uint64_t sum = 0;
    const int64_t factor = draw->right[1];
    ops->add_i64(sums, draw->left, draw->right, count);
    ops->subtract_i64(differences, draw->left, draw->right, count);
    ops->multiply_i64(products, draw->left, draw->right, count);
    memcpy(lines, draw->left, sizeof lines);
    ops->affine_i64(lines, lines, count, factor, draw->left[0]);
    for (size_t i = 0; i < count; i++) {
        uint64_t left = (uint64_t)draw->left[i];
        uint64_t right = (uint64_t)draw->right[i];
        CHECK((uint64_t)sums[i] == left + right);
        CHECK((uint64_t)differences[i] == left - right);
        CHECK((uint64_t)products[i] == left * right);
        CHECK((uint64_t)lines[i] == left * (uint64_t)factor + (uint64_t)draw->left[0]);
        spread |= draw->left[i] < 0 ? ~left : left;
        sum += left;
    }
    CHECK(ops->spread_i64(draw->left, count) == spread);
    CHECK((uint64_t)ops->sum_i64(draw->left, count) == sum);
}

static void check_groups(const struct simd_ops *ops, const struct draw *draw, size_t count)
{
    int64_t wide[GROUPS_MAX + 1] = {0};
    int64_t narrow[GROUPS_MAX + 1] = {0};
    uint64_t counts[GROUPS_MAX + 1] = {0};
    wide[0] = 5; // What is there stays.
    counts[0] = 6;
    ops->sum_groups_i64(draw->right, draw->groups, count, draw->group_count, wide);
    ops->sum_groups_i32(draw->narrow, draw->groups, count, draw->group_count, narrow);
    ops->count_groups(draw->groups, count, draw->group_count, counts);
    for (unsigned g = 0; g <= GROUPS_MAX; g++) {
        uint64_t wide_sum = g == 0 ? 5 : 0;
        int64_t narrow_sum = 0;
        uint64_t expected = g == 0 ? 6 : 0;
        for (size_t i = 0; i < count && g < draw->group_count; i++) {
            if (draw->groups[i] == g) {
                wide_sum += (uint64_t)draw->right[i];
                narrow_sum += draw->narrow[i];
                expected++;
            }
        }
        CHECK((uint64_t)wide[g] == wide_sum);
        CHECK(narrow[g] == narrow_sum);
        CHECK(counts[g] == expected);
    }
}

TEST(arithmetic_and_sums_of_groups_are_what_loops_say_on_every_table)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (size_t t = 0; all[t] != NULL; t++) {
        for (uint64_t seed = 0; seed < 400; seed++) {
            struct draw draw;
            fill(&draw, seed);
            check_arithmetic(all[t], &draw, seed % (COUNT_MAX + 1));
            check_groups(all[t], &draw, seed % (COUNT_MAX + 1));
        }
    }
}
