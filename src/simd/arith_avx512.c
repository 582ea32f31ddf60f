#include <immintrin.h>

#include "simd/simd_internal.h"

#define LANES 8u

void affine_i64_avx512(int64_t *out, const int64_t *values, size_t count, int64_t factor,
                       int64_t addend)
{
    const __m512i factors = _mm512_set1_epi64(factor);
    const __m512i addends = _mm512_set1_epi64(addend);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __m512i product = _mm512_mullo_epi64(_mm512_loadu_si512(&values[i]), factors);
        _mm512_storeu_si512(&out[i], _mm512_add_epi64(product, addends));
    }
    affine_i64_scalar(out + i, values + i, count - i, factor, addend);
}

#define PAIRWISE(NAME, OPERATION)                                                                 \
    void NAME##_i64_avx512(int64_t *out, const int64_t *left, const int64_t *right, size_t count) \
    {                                                                                             \
        size_t i = 0;                                                                             \
        for (; i + LANES <= count; i += LANES) {                                                  \
            __m512i value =                                                                       \
                OPERATION(_mm512_loadu_si512(&left[i]), _mm512_loadu_si512(&right[i]));           \
            _mm512_storeu_si512(&out[i], value);                                                  \
        }                                                                                         \
        NAME##_i64_scalar(out + i, left + i, right + i, count - i);                               \
    }

PAIRWISE(multiply, _mm512_mullo_epi64)
PAIRWISE(add, _mm512_add_epi64)
PAIRWISE(subtract, _mm512_sub_epi64)

uint64_t spread_i64_avx512(const int64_t *values, size_t count)
{
    __m512i bits = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __m512i value = _mm512_loadu_si512(&values[i]);
        bits = _mm512_or_si512(bits, _mm512_xor_si512(value, _mm512_srai_epi64(value, 63)));
    }
    return (uint64_t)_mm512_reduce_or_epi64(bits) | spread_i64_scalar(values + i, count - i);
}

/* Sums wrap; the intrinsic that adds lanes up does so with signs, which the standard forbids. */
static uint64_t sum_of_lanes(__m512i lanes)
{
    uint64_t words[LANES];
    uint64_t sum = 0;
    _mm512_storeu_si512(words, lanes);
    for (size_t i = 0; i < LANES; i++) {
        sum += words[i];
    }
    return sum;
}

int64_t sum_i64_avx512(const int64_t *values, size_t count)
{
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        sums = _mm512_add_epi64(sums, _mm512_loadu_si512(&values[i]));
    }
    uint64_t sum = sum_of_lanes(sums);
    return (int64_t)(sum + (uint64_t)sum_i64_scalar(values + i, count - i));
}

static __m512i wide(const int64_t *values)
{
    return _mm512_loadu_si512(values);
}

static __m512i widen(const int32_t *values)
{
    return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const void *)values));
}

/* Four groups a time: each has its lanes, and takes the rows that are its own. */
#define SUM_GROUPS(NAME, CTYPE, LOAD)                                                            \
    void NAME##_avx512(const CTYPE *values, const uint8_t *groups, size_t count,                 \
                       unsigned group_count, int64_t *sums)                                      \
    {                                                                                            \
        size_t whole = count / 64 * 64;                                                          \
        for (unsigned first = 0; first < group_count; first += 4) {                              \
            __m512i totals[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(),                 \
                                 _mm512_setzero_si512(), _mm512_setzero_si512()};                \
            for (size_t i = 0; i < whole; i += 64) {                                             \
                __m512i group = _mm512_loadu_si512(&groups[i]);                                  \
                uint64_t own[4];                                                                 \
                for (unsigned g = 0; g < 4; g++) {                                               \
                    own[g] = _mm512_cmpeq_epi8_mask(group, _mm512_set1_epi8((char)(first + g))); \
                }                                                                                \
                for (size_t l = 0; l < 64; l += LANES) {                                         \
                    __m512i value = LOAD(&values[i + l]);                                        \
                    for (unsigned g = 0; g < 4; g++) {                                           \
                        totals[g] = _mm512_mask_add_epi64(totals[g], (__mmask8)(own[g] >> l),    \
                                                          totals[g], value);                     \
                    }                                                                            \
                }                                                                                \
            }                                                                                    \
            for (unsigned g = 0; g < 4 && first + g < group_count; g++) {                        \
                uint64_t sum = sum_of_lanes(totals[g]);                                          \
                sums[first + g] = (int64_t)((uint64_t)sums[first + g] + sum);                    \
            }                                                                                    \
        }                                                                                        \
        NAME##_scalar(values + whole, groups + whole, count - whole, group_count, sums);         \
    }

SUM_GROUPS(sum_groups_i64, int64_t, wide)
SUM_GROUPS(sum_groups_i32, int32_t, widen)

void count_groups_avx512(const uint8_t *groups, size_t count, unsigned group_count,
                         uint64_t *counts)
{
    size_t whole = count / 64 * 64;
    for (unsigned g = 0; g < group_count; g++) {
        const __m512i number = _mm512_set1_epi8((char)g);
        for (size_t i = 0; i < whole; i += 64) {
            __mmask64 own = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(&groups[i]), number);
            counts[g] += (unsigned)__builtin_popcountll(own);
        }
    }
    count_groups_scalar(groups + whole, count - whole, group_count, counts);
}
