#include <immintrin.h>

#include "simd/simd_internal.h"

#define LANES   4u
#define SCANNED 16u

/* AVX2 compares signed numbers; turning the top bit over keeps the order. */
static inline __m256i flip_top(__m256i values)
{
    return _mm256_xor_si256(values, _mm256_set1_epi64x(INT64_MIN));
}

/* One bit for each of four keys that are below the (flipped) key. */
static inline uint32_t below_mask(const uint64_t *keys, __m256i flipped)
{
    __m256i line = flip_top(_mm256_loadu_si256((const void *)keys));
    return (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(flipped, line)));
}

size_t find_u64_avx2(const uint64_t *keys, size_t count, uint64_t key)
{
    uint64_t end = 0;
    uint64_t first = find_narrow_u64(keys, 0, count, key, SCANNED, &end);
    const __m256i flipped = flip_top(_mm256_set1_epi64x((long long)key));
    uint64_t below = first;
    uint64_t i = first;
    for (; i + LANES <= end; i += LANES) {
        below += (unsigned)__builtin_popcount(below_mask(&keys[i], flipped));
    }
    for (; i < end; i++) {
        below += keys[i] < key;
    }
    return below;
}

/* One bit for each of FIND_NEAR_KEYS keys that is below. */
static inline uint32_t below_near(const uint64_t *keys, __m256i flipped)
{
    return below_mask(keys, flipped) | below_mask(keys + LANES, flipped) << 4 |
           below_mask(keys + 2 * LANES, flipped) << 8 | below_mask(keys + 3 * LANES, flipped) << 12;
}

uint64_t find_near_u64_avx2(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                            size_t count, uint64_t *positions)
{
    if (key_count < FIND_NEAR_KEYS) {
        return find_near_u64_scalar(keys, key_count, wanted, count, positions);
    }
    uint64_t far = 0;
    for (size_t i = 0; i < count; i++) {
        const __m256i flipped = flip_top(_mm256_set1_epi64x((long long)wanted[i]));
        uint64_t start = find_near_start(positions[i], key_count);
        uint32_t below = below_near(&keys[start], flipped);
        if (__builtin_expect(find_near_is_far(below, start, key_count), 0)) {
            start = find_near_beside(start, below, key_count);
            below = below_near(&keys[start], flipped);
            if (find_near_is_far(below, start, key_count)) {
                far |= (uint64_t)1 << i;
                continue;
            }
        }
        positions[i] = start + (unsigned)__builtin_popcount(below);
    }
    return far;
}
