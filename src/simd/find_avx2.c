#include <immintrin.h>
#include <stdbool.h>

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

/* As in find_avx512.c: the two cache lines around the guess first. */
void find_windows_u64_avx2(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                           const uint64_t (*windows)[2], size_t count, uint64_t *positions)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t guess = positions[i];
        uint64_t start = (guess < LANES ? 0 : guess - LANES) & ~(uint64_t)(2 * LANES - 1);
        if (__builtin_expect(start + 4 * LANES <= key_count, 1)) {
            const __m256i flipped = flip_top(_mm256_set1_epi64x((long long)wanted[i]));
            uint32_t below = below_mask(&keys[start], flipped) |
                             below_mask(&keys[start + LANES], flipped) << 4 |
                             below_mask(&keys[start + 2 * LANES], flipped) << 8 |
                             below_mask(&keys[start + 3 * LANES], flipped) << 12;
            bool is_inside = (below != 0 || windows[i][0] >= start) &&
                             (below != 0xFFFF || windows[i][1] <= start + 4 * LANES);
            if (__builtin_expect(is_inside, 1)) {
                positions[i] = start + (unsigned)__builtin_popcount(below);
                continue;
            }
        }
        uint64_t first = windows[i][0];
        positions[i] = first + find_u64_avx2(&keys[first], windows[i][1] - first, wanted[i]);
    }
}
