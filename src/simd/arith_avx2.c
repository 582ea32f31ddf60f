#include <immintrin.h>

#include "simd/simd_internal.h"

#define LANES 4u

static __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

/* The low halves of 64-bit products, of which AVX2 has only those of 32 bits. */
static __m256i multiply(__m256i left, __m256i right)
{
    __m256i crossed = _mm256_mullo_epi32(left, _mm256_shuffle_epi32(right, 0xB1));
    __m256i high = _mm256_add_epi32(crossed, _mm256_srli_epi64(crossed, 32));
    return _mm256_add_epi64(_mm256_mul_epu32(left, right), _mm256_slli_epi64(high, 32));
}

void affine_i64_avx2(int64_t *out, const int64_t *values, size_t count, int64_t factor,
                     int64_t addend)
{
    const __m256i factors = _mm256_set1_epi64x(factor);
    const __m256i addends = _mm256_set1_epi64x(addend);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __m256i value = _mm256_add_epi64(multiply(load(&values[i]), factors), addends);
        _mm256_storeu_si256((void *)&out[i], value);
    }
    affine_i64_scalar(out + i, values + i, count - i, factor, addend);
}

#define PAIRWISE(NAME, OPERATION)                                                               \
    void NAME##_i64_avx2(int64_t *out, const int64_t *left, const int64_t *right, size_t count) \
    {                                                                                           \
        size_t i = 0;                                                                           \
        for (; i + LANES <= count; i += LANES) {                                                \
            _mm256_storeu_si256((void *)&out[i], OPERATION(load(&left[i]), load(&right[i])));   \
        }                                                                                       \
        NAME##_i64_scalar(out + i, left + i, right + i, count - i);                             \
    }

PAIRWISE(multiply, multiply)
PAIRWISE(add, _mm256_add_epi64)
PAIRWISE(subtract, _mm256_sub_epi64)

uint64_t spread_i64_avx2(const int64_t *values, size_t count)
{
    __m256i bits = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __m256i value = load(&values[i]);
        __m256i sign = _mm256_cmpgt_epi64(_mm256_setzero_si256(), value);
        bits = _mm256_or_si256(bits, _mm256_xor_si256(value, sign));
    }
    uint64_t lanes[LANES];
    _mm256_storeu_si256((void *)lanes, bits);
    return lanes[0] | lanes[1] | lanes[2] | lanes[3] | spread_i64_scalar(values + i, count - i);
}

static uint64_t sum_of(__m256i sums)
{
    uint64_t lanes[LANES];
    _mm256_storeu_si256((void *)lanes, sums);
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

int64_t sum_i64_avx2(const int64_t *values, size_t count)
{
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        sums = _mm256_add_epi64(sums, load(&values[i]));
    }
    return (int64_t)(sum_of(sums) + (uint64_t)sum_i64_scalar(values + i, count - i));
}

static __m256i widen(const int32_t *values)
{
    return _mm256_cvtepi32_epi64(_mm_loadu_si128((const void *)values));
}

/* Four groups a time: each has its lanes, and takes the rows that are its own. */
#define SUM_GROUPS(NAME, CTYPE, LOAD)                                                        \
    void NAME##_avx2(const CTYPE *values, const uint8_t *groups, size_t count,               \
                     unsigned group_count, int64_t *sums)                                    \
    {                                                                                        \
        size_t whole = count / LANES * LANES;                                                \
        for (unsigned first = 0; first < group_count; first += 4) {                          \
            __m256i totals[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(),             \
                                 _mm256_setzero_si256(), _mm256_setzero_si256()};            \
            for (size_t i = 0; i < whole; i += LANES) {                                      \
                __m256i value = LOAD(&values[i]);                                            \
                __m256i group = _mm256_cvtepu8_epi64(_mm_loadu_si32(&groups[i]));            \
                for (unsigned g = 0; g < 4; g++) {                                           \
                    __m256i own =                                                            \
                        _mm256_cmpeq_epi64(group, _mm256_set1_epi64x((long long)first + g)); \
                    totals[g] = _mm256_add_epi64(totals[g], _mm256_and_si256(own, value));   \
                }                                                                            \
            }                                                                                \
            for (unsigned g = 0; g < 4 && first + g < group_count; g++) {                    \
                sums[first + g] = (int64_t)((uint64_t)sums[first + g] + sum_of(totals[g]));  \
            }                                                                                \
        }                                                                                    \
        NAME##_scalar(values + whole, groups + whole, count - whole, group_count, sums);     \
    }

SUM_GROUPS(sum_groups_i64, int64_t, load)
SUM_GROUPS(sum_groups_i32, int32_t, widen)

void count_groups_avx2(const uint8_t *groups, size_t count, unsigned group_count, uint64_t *counts)
{
    size_t whole = count / 32 * 32;
    for (unsigned g = 0; g < group_count; g++) {
        const __m256i number = _mm256_set1_epi8((char)g);
        for (size_t i = 0; i < whole; i += 32) {
            __m256i own = _mm256_cmpeq_epi8(load(&groups[i]), number);
            counts[g] += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(own));
        }
    }
    count_groups_scalar(groups + whole, count - whole, group_count, counts);
}
