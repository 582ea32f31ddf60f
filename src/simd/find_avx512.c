#include <immintrin.h>

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

/* One bit for each of FIND_NEAR_KEYS keys that is below. */
static inline uint32_t below_near(const uint64_t *keys, __m512i key)
{
    __mmask8 low = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(keys), key);
    __mmask8 high = _mm512_cmplt_epu64_mask(_mm512_loadu_si512(keys + LANES), key);
    return (uint32_t)low | (uint32_t)high << LANES;
}

/*
 * The two lines around the guess hold the answer nearly always: the guess is off by two or three on
 * average. Comparing both, always, costs no branch that could be mispredicted. (One line first and
 * the one beside it where needed fetched fewer lines, and was slower: a quarter of the codes need
 * the second, and which of them cannot be predicted.)
 */
uint64_t find_near_u64_avx512(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                              size_t count, uint64_t *positions)
{
    if (key_count < FIND_NEAR_KEYS) {
        return find_near_u64_scalar(keys, key_count, wanted, count, positions);
    }
    uint64_t far = 0;
    for (size_t i = 0; i < count; i++) {
        const __m512i key = _mm512_set1_epi64((long long)wanted[i]);
        uint64_t start = find_near_start(positions[i], key_count);
        uint32_t below = below_near(&keys[start], key);
        if (__builtin_expect(find_near_is_far(below, start, key_count), 0)) {
            start = find_near_beside(start, below, key_count);
            below = below_near(&keys[start], key);
            if (find_near_is_far(below, start, key_count)) {
                far |= (uint64_t)1 << i;
                continue;
            }
        }
        positions[i] = start + (unsigned)__builtin_popcount(below);
    }
    return far;
}

/* The product of each 64-bit number and one more: its high half, and bits 32 .. 63 of its low. */
static inline __m512i multiply_high(__m512i left, __m512i right, __m512i *fraction_out)
{
    const __m512i low_half = _mm512_set1_epi64(UINT32_MAX);
    __m512i left_high = _mm512_srli_epi64(left, 32);
    __m512i right_high = _mm512_srli_epi64(right, 32);
    __m512i low_low = _mm512_mul_epu32(left, right);
    __m512i high_low = _mm512_mul_epu32(left_high, right);
    __m512i low_high = _mm512_mul_epu32(left, right_high);
    __m512i high_high = _mm512_mul_epu32(left_high, right_high);
    __m512i middle = _mm512_add_epi64(high_low, _mm512_srli_epi64(low_low, 32));
    __m512i rest = _mm512_add_epi64(low_high, _mm512_and_si512(middle, low_half));
    *fraction_out = _mm512_and_si512(rest, low_half);
    return _mm512_add_epi64(
        high_high, _mm512_add_epi64(_mm512_srli_epi64(middle, 32), _mm512_srli_epi64(rest, 32)));
}

/* Fetches each cell's entry and the next one's at once. Without optimisation the intrinsic is a
 * macro of the compiler's header that turns the mask into a char, which our warnings would refuse.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static inline __m512i gather_pairs(__mmask8 is_cell, __m512i cell, const uint16_t *cells)
{
    return _mm512_cvtepu32_epi64(
        _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), is_cell, cell, cells, 2));
}
#pragma GCC diagnostic pop

void grid_guess_u64_avx512(const uint64_t *codes, size_t count, const struct simd_grid *grid,
                           const uint16_t *cells, uint64_t *guesses)
{
    const __m512i code_first = _mm512_set1_epi64((long long)grid->first);
    const __m512i multiplier = _mm512_set1_epi64((long long)grid->multiplier);
    const __m512i cell_count = _mm512_set1_epi64((long long)grid->cell_count);
    const __m512i row = _mm512_set1_epi64((long long)grid->row);
    const __m512i rows = _mm512_set1_epi64((long long)grid->rows);
    const __m512i entry = _mm512_set1_epi64(UINT16_MAX);
    for (size_t i = 0; i < count; i += LANES) {
        __mmask8 inside = (__mmask8)(count - i >= LANES ? 0xFF : (1u << (count - i)) - 1);
        __m512i code = _mm512_maskz_loadu_epi64(inside, &codes[i]);
        __m512i fraction;
        __m512i cell = multiply_high(_mm512_sub_epi64(code, code_first), multiplier, &fraction);
        __mmask8 is_cell = _mm512_mask_cmplt_epu64_mask(inside, cell, cell_count);
        __m512i both = gather_pairs(is_cell, cell, cells);
        __m512i low = _mm512_mask_and_epi64(rows, is_cell, both, entry);
        __m512i high = _mm512_mask_srli_epi64(rows, is_cell, both, 16);
        __m512i part = _mm512_mul_epu32(_mm512_sub_epi64(high, low), fraction);
        __m512i guess = _mm512_add_epi64(low, _mm512_srli_epi64(part, 32));
        _mm512_mask_storeu_epi64(&guesses[i], inside, _mm512_add_epi64(guess, row));
    }
}

/* How many of 16 ascending numbers, of which `inside` count, are at or below. */
static inline uint32_t at_or_below(const uint64_t *numbers, uint32_t inside, __m512i code)
{
    __mmask8 low = (__mmask8)(inside & 0xFF);
    __mmask8 high = (__mmask8)(inside >> 8);
    __m512i front = _mm512_maskz_loadu_epi64(low, numbers);
    __m512i back = _mm512_maskz_loadu_epi64(high, numbers + LANES);
    return (uint32_t)__builtin_popcount((uint32_t)_mm512_mask_cmple_epu64_mask(low, front, code) |
                                        (uint32_t)_mm512_mask_cmple_epu64_mask(high, back, code)
                                            << LANES);
}

void find_pieces_u64_avx512(const uint64_t *codes, size_t count, const struct simd_pieces *table,
                            const uint32_t *which, uint32_t *pieces_out)
{
    for (size_t i = 0; i < count; i++) {
        const struct simd_pieces *search = &table[which[i]];
        const __m512i code = _mm512_set1_epi64((long long)codes[i]);
        // The groups that begin above the end of the table have the greatest code, and only that
        // code itself reaches them.
        uint32_t low = at_or_below(search->tops, 0xFFFF, code) * search->group;
        low = low < search->count ? low : search->last_group;
        uint32_t left = search->count - low;
        left = left < search->group ? left : search->group;
        uint32_t inside = ((uint32_t)1 << left) - 1;
        pieces_out[i] = low + at_or_below(&search->firsts[low], inside, code) - 1;
    }
}
