#include "simd/simd_internal.h"

void bits_unpack_u64_scalar(uint64_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = simd_packed_at(packed, first + i, width) + base;
    }
}

void bits_unpack_u32_scalar(uint32_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint32_t)(simd_packed_at(packed, first + i, width) + base);
    }
}

void bits_unpack_u16_scalar(uint16_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint16_t)(simd_packed_at(packed, first + i, width) + base);
    }
}

void bits_unpack_u8_scalar(uint8_t *out, const uint8_t *packed, size_t first, size_t count,
                           unsigned width, uint64_t base)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint8_t)(simd_packed_at(packed, first + i, width) + base);
    }
}

struct simd_rank bits_packed_rank_scalar(const uint8_t *packed, size_t first, size_t count,
                                         unsigned width, uint64_t target)
{
    struct simd_rank rank = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t value = simd_packed_at(packed, first + i, width);
        rank.below += value < target;
        rank.equal += value == target;
    }
    return rank;
}

void bits_prefix_sum_u64_scalar(uint64_t *values, size_t count, uint64_t start, uint64_t step)
{
    for (size_t i = 0; i < count; i++) {
        start += values[i] + step;
        values[i] = start;
    }
}
