#include <immintrin.h>

#include "simd/distance_internal.h"

/* The lanes of a mask are added alone, so that the others keep their zeros' signs. */
#define SUM(NAME, VECTOR_TERM)                                                             \
    float NAME(const float *left, const float *right, size_t count)                        \
    {                                                                                      \
        __m512 sums = _mm512_setzero_ps();                                                 \
        size_t i = 0;                                                                      \
        for (; i + DISTANCE_LANES <= count; i += DISTANCE_LANES) {                         \
            sums = _mm512_add_ps(                                                          \
                sums, VECTOR_TERM(_mm512_loadu_ps(left + i), _mm512_loadu_ps(right + i))); \
        }                                                                                  \
        if (i < count) {                                                                   \
            __mmask16 mask = (__mmask16)((1u << (count - i)) - 1);                         \
            __m512 a = _mm512_maskz_loadu_ps(mask, left + i);                              \
            __m512 b = _mm512_maskz_loadu_ps(mask, right + i);                             \
            sums = _mm512_mask_add_ps(sums, mask, sums, VECTOR_TERM(a, b));                \
        }                                                                                  \
        float lanes[DISTANCE_LANES];                                                       \
        _mm512_storeu_ps(lanes, sums);                                                     \
        return distance_reduce(lanes);                                                     \
    }

static inline __m512 square_of_difference(__m512 a, __m512 b)
{
    __m512 difference = _mm512_sub_ps(a, b);
    return _mm512_mul_ps(difference, difference);
}

static inline __m512 size_of_difference(__m512 a, __m512 b)
{
    return _mm512_abs_ps(_mm512_sub_ps(a, b));
}

SUM(distance_dot_avx512, _mm512_mul_ps)
SUM(distance_l2_avx512, square_of_difference)
SUM(distance_l1_avx512, size_of_difference)
