#include <immintrin.h>

#include "simd/distance_internal.h"

/* What is left after the whole groups of sixteen. */
#define TAIL(TERM)                         \
    for (; i < count; i++) {               \
        const float a = left[i];           \
        const float b = right[i];          \
        lanes[i % DISTANCE_LANES] += TERM; \
    }

#define SUM(NAME, VECTOR_TERM, TERM)                                                               \
    float NAME(const float *left, const float *right, size_t count)                                \
    {                                                                                              \
        __m256 low = _mm256_setzero_ps();                                                          \
        __m256 high = _mm256_setzero_ps();                                                         \
        size_t i = 0;                                                                              \
        for (; i + DISTANCE_LANES <= count; i += DISTANCE_LANES) {                                 \
            low = _mm256_add_ps(                                                                   \
                low, VECTOR_TERM(_mm256_loadu_ps(left + i), _mm256_loadu_ps(right + i)));          \
            high = _mm256_add_ps(                                                                  \
                high, VECTOR_TERM(_mm256_loadu_ps(left + i + 8), _mm256_loadu_ps(right + i + 8))); \
        }                                                                                          \
        float lanes[DISTANCE_LANES];                                                               \
        _mm256_storeu_ps(lanes, low);                                                              \
        _mm256_storeu_ps(lanes + 8, high);                                                         \
        TAIL(TERM)                                                                                 \
        return distance_reduce(lanes);                                                             \
    }

static inline __m256 square_of_difference(__m256 a, __m256 b)
{
    __m256 difference = _mm256_sub_ps(a, b);
    return _mm256_mul_ps(difference, difference);
}

static inline __m256 size_of_difference(__m256 a, __m256 b)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(a, b));
}

SUM(distance_dot_avx2, _mm256_mul_ps, a *b)
SUM(distance_l2_avx2, square_of_difference, (a - b) * (a - b))
SUM(distance_l1_avx2, size_of_difference, (a > b ? a - b : b - a))
