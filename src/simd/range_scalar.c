#include "simd/simd_internal.h"

#define RANGE(CTYPE)                                                \
    for (size_t i = 0; i < count; i += 64) {                        \
        size_t end = count - i < 64 ? count - i : 64;               \
        uint64_t bits = 0;                                          \
        for (size_t b = 0; b < end; b++) {                          \
            const CTYPE value = values[i + b];                      \
            bits |= (uint64_t)(value >= low && value <= high) << b; \
        }                                                           \
        mask[i / 64] &= bits;                                       \
    }

void range_i32_scalar(const int32_t *values, size_t count, int32_t low, int32_t high,
                      uint64_t *mask)
{
    RANGE(int32_t)
}

void range_i64_scalar(const int64_t *values, size_t count, int64_t low, int64_t high,
                      uint64_t *mask){RANGE(int64_t)}

size_t mask_rows_scalar(const uint64_t *mask, size_t count, uint16_t *rows)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i += 64) {
        uint64_t bits = mask[i / 64];
        bits = count - i < 64 ? bits & (((uint64_t)1 << (count - i)) - 1) : bits;
        for (; bits != 0; bits &= bits - 1) {
            rows[found++] = (uint16_t)(i + (size_t)__builtin_ctzll(bits));
        }
    }
    return found;
}
