#include <immintrin.h>

#include "simd/mark_internal.h"

#define HALF 32u

static inline uint32_t equal_bits(__m256i bytes, uint8_t byte)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8((char)byte)));
}

static inline uint32_t wanted_bits(__m256i bytes, const struct simd_marks *marks)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < SIMD_MARK_COUNT; i++) {
        bits |= equal_bits(bytes, marks->bytes[i]);
    }
    return bits;
}

size_t mark_bytes_avx2(const uint8_t *data, size_t size, const struct simd_marks *marks,
                       struct simd_mark_state *state, uint32_t base, uint32_t *positions)
{
    size_t count = 0;
    size_t at = 0;
    __m256i all = _mm256_setzero_si256();
    for (; at + 2 * HALF <= size; at += 2 * HALF) {
        __m256i low = _mm256_loadu_si256((const void *)(data + at));
        __m256i high = _mm256_loadu_si256((const void *)(data + at + HALF));
        all = _mm256_or_si256(all, _mm256_or_si256(low, high));
        uint64_t bits = (uint64_t)wanted_bits(low, marks) | (uint64_t)wanted_bits(high, marks)
                                                                << HALF;
        if (marks->has_quote) {
            uint64_t quotes = (uint64_t)equal_bits(low, marks->quote) |
                              (uint64_t)equal_bits(high, marks->quote) << HALF;
            bits = mark_outside(bits, quotes, state);
        }
        count += mark_put(bits, base + (uint32_t)at, positions + count);
    }
    state->high |= (uint32_t)_mm256_movemask_epi8(all) != 0 ? 0x80u : 0;
    return count + mark_bytes_scalar(data + at, size - at, marks, state, base + (uint32_t)at,
                                     positions + count);
}
