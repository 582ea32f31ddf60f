/* Goal: every table agrees with a bit-by-bit model of packed values, at every width, start and
 * length around the block size, and its sums and ranks agree with plain loops. */

#include "simd/simd.h"

#include "test.h"

#define VALUE_COUNT 70u

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ (*state >> 29);
}

/* Packs bit by bit: slow and obviously right. */
static void pack_model(uint8_t *packed, const uint64_t *values, size_t count, unsigned width)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned bit = 0; bit < width; bit++) {
            size_t at = i * width + bit;
            if (values[i] >> bit & 1) {
                packed[at / 8] |= (uint8_t)(1u << (at % 8));
            }
        }
    }
}

static void check_unpack(const struct simd_ops *ops, const uint8_t *packed, const uint64_t *values,
                         unsigned width, size_t first, size_t count)
{
    const uint64_t base = 0xFEDCBA9876543210u;
    uint64_t out64[VALUE_COUNT];
    uint32_t out32[VALUE_COUNT];
    uint16_t out16[VALUE_COUNT];
    uint8_t out8[VALUE_COUNT];
    ops->unpack_u64(out64, packed, first, count, width, base);
    ops->unpack_u32(out32, packed, first, count, width, base);
    ops->unpack_u16(out16, packed, first, count, width, base);
    ops->unpack_u8(out8, packed, first, count, width, base);
    for (size_t i = 0; i < count; i++) {
        uint64_t expected = values[first + i] + base;
        CHECK(out64[i] == expected);
        CHECK(out32[i] == (uint32_t)expected);
        CHECK(out16[i] == (uint16_t)expected);
        CHECK(out8[i] == (uint8_t)expected);
    }
}

static void check_rank(const struct simd_ops *ops, const uint8_t *packed, const uint64_t *values,
                       unsigned width, size_t first, size_t count)
{
    uint64_t targets[3] = {0, values[first + count / 2], UINT64_MAX};
    for (size_t t = 0; t < 3; t++) {
        uint32_t below = 0;
        uint32_t equal = 0;
        for (size_t i = 0; i < count; i++) {
            below += values[first + i] < targets[t];
            equal += values[first + i] == targets[t];
        }
        struct simd_rank rank = ops->packed_rank(packed, first, count, width, targets[t]);
        CHECK(rank.below == below);
        CHECK(rank.equal == equal);
    }
}

TEST(packed_values_agree_with_the_model_at_every_width)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    uint64_t state = 7;
    for (unsigned width = 0; width <= 64; width++) {
        uint8_t packed[VALUE_COUNT * 8 + SIMD_PACKED_SLACK];
        uint64_t values[VALUE_COUNT];
        memset(packed, 0, sizeof packed);
        for (size_t i = 0; i < VALUE_COUNT; i++) {
            uint64_t value = i % 5 == 0 ? UINT64_MAX : next_random(&state);
            values[i] = width == 64 ? value : value & (((uint64_t)1 << width) - 1);
        }
        pack_model(packed, values, VALUE_COUNT, width);
        // What lies behind the values must not matter.
        memset(packed + (VALUE_COUNT * width + 7) / 8, 0xA5, SIMD_PACKED_SLACK);
        for (size_t i = 0; i < VALUE_COUNT; i++) {
            CHECK(simd_packed_at(packed, i, width) == values[i]);
        }
        for (size_t t = 0; all[t] != NULL; t++) {
            for (size_t first = 0; first < 20; first++) {
                for (size_t count = 0; first + count < VALUE_COUNT; count += 1 + count / 9) {
                    check_unpack(all[t], packed, values, width, first, count);
                    check_rank(all[t], packed, values, width, first, count);
                }
            }
        }
    }
}

TEST(prefix_sums_agree_with_a_plain_loop)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (size_t t = 0; all[t] != NULL; t++) {
        for (size_t count = 0; count < VALUE_COUNT; count++) {
            uint64_t state = count + 1;
            uint64_t values[VALUE_COUNT];
            uint64_t expected[VALUE_COUNT];
            uint64_t sum = 0xFFFFFFFFFFFFFF00u;
            for (size_t i = 0; i < count; i++) {
                values[i] = next_random(&state);
                sum += values[i] + 11;
                expected[i] = sum;
            }
            all[t]->prefix_sum_u64(values, count, 0xFFFFFFFFFFFFFF00u, 11);
            CHECK(count == 0 || memcmp(values, expected, count * sizeof *values) == 0);
        }
    }
}
