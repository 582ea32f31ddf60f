#include "simd/simd_internal.h"

void affine_i64_scalar(int64_t *out, const int64_t *values, size_t count, int64_t factor,
                       int64_t addend)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (int64_t)((uint64_t)values[i] * (uint64_t)factor + (uint64_t)addend);
    }
}

void multiply_i64_scalar(int64_t *out, const int64_t *left, const int64_t *right, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (int64_t)((uint64_t)left[i] * (uint64_t)right[i]);
    }
}

void add_i64_scalar(int64_t *out, const int64_t *left, const int64_t *right, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (int64_t)((uint64_t)left[i] + (uint64_t)right[i]);
    }
}

void subtract_i64_scalar(int64_t *out, const int64_t *left, const int64_t *right, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (int64_t)((uint64_t)left[i] - (uint64_t)right[i]);
    }
}

uint64_t spread_i64_scalar(const int64_t *values, size_t count)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= (uint64_t)(values[i] ^ (values[i] >> 63));
    }
    return bits;
}

int64_t sum_i64_scalar(const int64_t *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (uint64_t)values[i];
    }
    return (int64_t)sum;
}

#define SUM_GROUPS                                                                         \
    for (size_t i = 0; i < count; i++) {                                                   \
        if (groups[i] < group_count) {                                                     \
            const uint64_t sum = (uint64_t)sums[groups[i]] + (uint64_t)(int64_t)values[i]; \
            sums[groups[i]] = (int64_t)sum;                                                \
        }                                                                                  \
    }

void sum_groups_i64_scalar(const int64_t *values, const uint8_t *groups, size_t count,
                           unsigned group_count, int64_t *sums)
{
    SUM_GROUPS
}

void sum_groups_i32_scalar(const int32_t *values, const uint8_t *groups, size_t count,
                           unsigned group_count, int64_t *sums)
{
    SUM_GROUPS
}

void count_groups_scalar(const uint8_t *groups, size_t count, unsigned group_count,
                         uint64_t *counts)
{
    for (size_t i = 0; i < count; i++) {
        if (groups[i] < group_count) {
            counts[groups[i]]++;
        }
    }
}
