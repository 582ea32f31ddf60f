#include <immintrin.h>

#include "simd/simd_internal.h"

/* Outside is below or above: AVX2 compares by greater-than only. */
void range_i32_avx2(const int32_t *values, size_t count, int32_t low, int32_t high, uint64_t *mask)
{
    const __m256i lows = _mm256_set1_epi32(low);
    const __m256i highs = _mm256_set1_epi32(high);
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t outside = 0;
        for (size_t b = 0; b < 64; b += 8) {
            __m256i value = _mm256_loadu_si256((const void *)&values[i + b]);
            __m256i bad =
                _mm256_or_si256(_mm256_cmpgt_epi32(lows, value), _mm256_cmpgt_epi32(value, highs));
            outside |= (uint64_t)(uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(bad)) << b;
        }
        mask[i / 64] &= ~outside;
    }
    range_i32_scalar(values + i, count - i, low, high, mask + i / 64);
}

void range_i64_avx2(const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *mask)
{
    const __m256i lows = _mm256_set1_epi64x(low);
    const __m256i highs = _mm256_set1_epi64x(high);
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t outside = 0;
        for (size_t b = 0; b < 64; b += 4) {
            __m256i value = _mm256_loadu_si256((const void *)&values[i + b]);
            __m256i bad =
                _mm256_or_si256(_mm256_cmpgt_epi64(lows, value), _mm256_cmpgt_epi64(value, highs));
            outside |= (uint64_t)(uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(bad)) << b;
        }
        mask[i / 64] &= ~outside;
    }
    range_i64_scalar(values + i, count - i, low, high, mask + i / 64);
}
