/*
 * Goal: counts are within 6 % (almost four standard deviations) for any number of values, repeats
 * do not count, and two halves add up to the whole. Method: hashes of numbers.
 */

#include "base/hyperloglog.h"

#include "base/hash.h"
#include "test.h"

static bool is_near(double estimate, double wanted)
{
    return estimate >= wanted * 0.94 - 1 && estimate <= wanted * 1.06 + 1;
}

TEST(counts_are_near_for_any_number_of_values)
{
    static struct hyperloglog sketch;
    CHECK(hyperloglog_count(&sketch) == 0);
    uint64_t next = 1;
    for (uint64_t i = 0; i < 3000000; i++) {
        hyperloglog_add(&sketch, hash_u64(i));
        hyperloglog_add(&sketch, hash_u64(i / 2));
        if (i + 1 == next) {
            CHECK(is_near(hyperloglog_count(&sketch), (double)next));
            next += next / 4 + 1;
        }
    }
}

TEST(halves_add_up)
{
    static struct hyperloglog halves[2];
    static struct hyperloglog whole;
    for (uint64_t i = 0; i < 100000; i++) {
        hyperloglog_add(&halves[i % 3 == 0], hash_u64(i));
        hyperloglog_add(&whole, hash_u64(i));
    }
    hyperloglog_merge(&halves[0], &halves[1]);
    CHECK(memcmp(&halves[0], &whole, sizeof whole) == 0);
}
