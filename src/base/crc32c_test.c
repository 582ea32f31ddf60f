/*
 * Goal: all three ways of computing a CRC-32C give the checksum of the standard. Known answers come
 * from RFC 3720 appendix B.4; every other length is compared with a bit-by-bit division written
 * here, around the sizes where the code changes its way (8 bytes, three lanes of 1,024).
 */

#include "base/codec.h"
#include "base/hash.h"
#include "test.h"

#define LANES_SIZE 3072u

static uint32_t crc_slow(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t in = (crc ^ (uint32_t)(data[i] >> bit)) & 1u;
            crc >>= 1;
            crc ^= in != 0 ? 0x82F63B78u : 0;
        }
    }
    return ~crc;
}

static void randomise(uint8_t *data, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)hash_u64(seed + i);
    }
}

TEST(known_answers)
{
    CHECK(crc32c(span_from_text("")) == 0);
    CHECK(crc32c(span_from_text("a")) == 0xC1D04330);
    CHECK(crc32c(span_from_text("123456789")) == 0xE3069283);
    uint8_t data[32];
    memset(data, 0x00, sizeof data);
    CHECK(crc32c((struct span){.data = data, .size = 32}) == 0x8A9136AA);
    memset(data, 0xFF, sizeof data);
    CHECK(crc32c((struct span){.data = data, .size = 32}) == 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = i;
    }
    CHECK(crc32c((struct span){.data = data, .size = 32}) == 0x46DD794E);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = (uint8_t)(31 - i);
    }
    CHECK(crc32c((struct span){.data = data, .size = 32}) == 0x113FDB5C);
}

TEST(every_length_and_alignment_agrees_with_long_division)
{
    static const size_t starts[] = {0, LANES_SIZE - 20, 2 * LANES_SIZE - 20, 3 * LANES_SIZE - 5};
    static uint8_t data[4 * LANES_SIZE];
    randomise(data, sizeof data, 1);
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (size_t size = starts[i]; size < starts[i] + 40; size++) {
            for (size_t offset = 0; offset < 16; offset += 5) {
                struct span span = {.data = data + offset, .size = size};
                CHECK(crc32c(span) == crc_slow(span.data, span.size));
            }
        }
    }
}

TEST(extending_is_the_checksum_of_the_whole)
{
    static uint8_t data[4 * LANES_SIZE];
    randomise(data, sizeof data, 2);
    uint32_t whole = crc32c((struct span){.data = data, .size = sizeof data});
    for (uint64_t step = 0; step < 500; step++) {
        size_t cut = hash_u64(step) % (sizeof data + 1);
        uint32_t crc = crc32c((struct span){.data = data, .size = cut});
        struct span rest = {.data = data + cut, .size = sizeof data - cut};
        CHECK(crc32c_extend(crc, rest) == whole);
    }
    CHECK(crc32c_extend(whole, (struct span){0}) == whole);
}

TEST(every_flipped_bit_changes_the_checksum)
{
    static uint8_t data[LANES_SIZE + 13];
    randomise(data, sizeof data, 3);
    struct span span = {.data = data, .size = sizeof data};
    uint32_t good = crc32c(span);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        CHECK(crc32c(span) != good);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
