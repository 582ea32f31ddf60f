#include "simd/distance_internal.h"

#define SUM(NAME, TERM)                                             \
    float NAME(const float *left, const float *right, size_t count) \
    {                                                               \
        float lanes[DISTANCE_LANES] = {0};                          \
        for (size_t i = 0; i < count; i++) {                        \
            const float a = left[i];                                \
            const float b = right[i];                               \
            lanes[i % DISTANCE_LANES] += (TERM);                    \
        }                                                           \
        return distance_reduce(lanes);                              \
    }

SUM(distance_dot_scalar, a *b)
SUM(distance_l2_scalar, (a - b) * (a - b))
SUM(distance_l1_scalar, a > b ? a - b : b - a)
