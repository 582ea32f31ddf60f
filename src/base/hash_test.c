/*
 * Goal: hashes that reach disk never change (known answers), depend on every bit of the input and
 * are spread evenly enough for a hash table. Known answers are those of SplitMix64 with seed 0 and
 * of XXH3, whose results its authors froze with version 0.8.0.
 */

#include "base/hash.h"
#include "test.h"

TEST(integers_hash_to_known_answers)
{
    // The first outputs of SplitMix64 seeded with 0: state advances by the golden gamma.
    CHECK(hash_u64(0) == 0xE220A8397B1DCDAF);
    CHECK(hash_u64(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4);
    CHECK(hash_u64(0x3C6EF372FE94F82A) == 0x06C45D188009454F);
}

TEST(bytes_hash_to_known_answers)
{
    CHECK(hash_bytes((struct span){0}, 0) == 0x2D06800538D394C2);
    CHECK(hash_bytes(span_from_text("123456789"), 0) == 0x72DCB18B67A17DFF);
    CHECK(hash_bytes(span_from_text("a"), 0) != hash_bytes(span_from_text("a"), 1));
}

TEST(every_input_bit_moves_about_half_of_the_output)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flips = 0;
        for (uint64_t i = 0; i < 1000; i++) {
            uint64_t value = i * 0x123456789;
            uint64_t change = hash_u64(value) ^ hash_u64(value ^ (uint64_t)1 << bit);
            flips += (uint64_t)__builtin_popcountll(change);
        }
        CHECK(flips > 30000 && flips < 34000); // 32,000 expected, deviation about 130.
    }
}

TEST(hash_of_bytes_depends_on_each_byte_and_the_length)
{
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)hash_u64(i);
    }
    for (size_t size = 1; size < sizeof data; size++) {
        struct span span = {.data = data, .size = size};
        uint64_t hash = hash_bytes(span, 7);
        CHECK(hash_bytes((struct span){.data = data, .size = size - 1}, 7) != hash);
        size_t at = hash_u64(size) % size;
        data[at] ^= 1;
        CHECK(hash_bytes(span, 7) != hash);
        data[at] ^= 1;
        CHECK(hash_bytes(span, 7) == hash);
    }
}

TEST(combining_is_not_symmetric)
{
    CHECK(hash_combine(1, 2) != hash_combine(2, 1));
    CHECK(hash_combine(0, 1) != hash_combine(1, 0));
    CHECK(hash_combine(5, 5) != hash_combine(6, 6));
}
