#include <immintrin.h>
#include <stdbool.h>

#include "simd/simd_internal.h"

/* One vector; a cache line where keys are aligned to one. */
#define LANES 8u

/* Halving stops where counting is cheaper than another misprediction. */
#define SCANNED 64u

size_t find_u64_avx512(const uint64_t *keys, size_t count, uint64_t key)
{
    uint64_t end = 0;
    uint64_t first = find_narrow_u64(keys, 0, count, key, SCANNED, &end);
    const __m512i wanted = _mm512_set1_epi64((long long)key);
    uint64_t below = first;
    for (uint64_t i = first; i < end; i += LANES) {
        __mmask8 inside = (__mmask8)(end - i >= LANES ? 0xFF : (1u << (end - i)) - 1);
        __m512i line = _mm512_maskz_loadu_epi64(inside, &keys[i]);
        below += (unsigned)__builtin_popcount(_mm512_mask_cmplt_epu64_mask(inside, line, wanted));
    }
    return below;
}

/*
 * The two lines around the guess hold the answer nearly always: the guess is off by two or three on
 * average. Counting both without looking where the window ends costs no branch that can be
 * mispredicted; only when the answer may lie outside them is the window searched.
 */
void find_windows_u64_avx512(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                             const uint64_t (*windows)[2], size_t count, uint64_t *positions)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t guess = positions[i];
        uint64_t start = (guess < LANES / 2 ? 0 : guess - LANES / 2) & ~(uint64_t)(LANES - 1);
        if (__builtin_expect(start + 2 * LANES <= key_count, 1)) {
            const __m512i key = _mm512_set1_epi64((long long)wanted[i]);
            __mmask8 low = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(&keys[start]), key);
            __mmask8 high = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(&keys[start + LANES]), key);
            uint32_t below = (uint32_t)low | (uint32_t)high << LANES;
            bool is_inside = (below != 0 || windows[i][0] >= start) &&
                             (below != 0xFFFF || windows[i][1] <= start + 2 * LANES);
            if (__builtin_expect(is_inside, 1)) {
                positions[i] = start + (unsigned)__builtin_popcount(below);
                continue;
            }
        }
        uint64_t first = windows[i][0];
        positions[i] = first + find_u64_avx512(&keys[first], windows[i][1] - first, wanted[i]);
    }
}
