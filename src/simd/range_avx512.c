#include <immintrin.h>

#include "simd/simd_internal.h"

void range_i32_avx512(const int32_t *values, size_t count, int32_t low, int32_t high,
                      uint64_t *mask)
{
    const __m512i lows = _mm512_set1_epi32(low);
    const __m512i highs = _mm512_set1_epi32(high);
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t inside = 0;
        for (size_t b = 0; b < 64; b += 16) {
            __m512i value = _mm512_loadu_si512(&values[i + b]);
            __mmask16 good = _mm512_cmpge_epi32_mask(value, lows);
            inside |= (uint64_t)_mm512_mask_cmple_epi32_mask(good, value, highs) << b;
        }
        mask[i / 64] &= inside;
    }
    range_i32_scalar(values + i, count - i, low, high, mask + i / 64);
}

void range_i64_avx512(const int64_t *values, size_t count, int64_t low, int64_t high,
                      uint64_t *mask)
{
    const __m512i lows = _mm512_set1_epi64(low);
    const __m512i highs = _mm512_set1_epi64(high);
    size_t i = 0;
    for (; i + 64 <= count; i += 64) {
        uint64_t inside = 0;
        for (size_t b = 0; b < 64; b += 8) {
            __m512i value = _mm512_loadu_si512(&values[i + b]);
            __mmask8 good = _mm512_cmpge_epi64_mask(value, lows);
            inside |= (uint64_t)_mm512_mask_cmple_epi64_mask(good, value, highs) << b;
        }
        mask[i / 64] &= inside;
    }
    range_i64_scalar(values + i, count - i, low, high, mask + i / 64);
}

/* Sixteen row numbers at a time: those whose bit is set move to the front. */
size_t mask_rows_avx512(const uint64_t *mask, size_t count, uint16_t *rows)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t found = 0;
    size_t whole = count / 64 * 64;
    for (size_t i = 0; i < whole; i += 16) {
        uint16_t bits = (uint16_t)(mask[i / 64] >> (i % 64));
        __m512i numbers = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)i));
        __m256i kept = _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(bits, numbers));
        // Room for 16 is there: no more rows were found than lie before i.
        _mm256_storeu_si256((void *)&rows[found], kept);
        found += (size_t)(unsigned)__builtin_popcount(bits);
    }
    for (uint64_t bits = whole < count ? mask[whole / 64] & (((uint64_t)1 << (count - whole)) - 1)
                                       : 0;
         bits != 0; bits &= bits - 1) {
        rows[found++] = (uint16_t)(whole + (size_t)__builtin_ctzll(bits));
    }
    return found;
}
