#include <immintrin.h>

#include "simd/mark_internal.h"

#define BLOCK 64u

size_t mark_bytes_avx512(const uint8_t *data, size_t size, const struct simd_marks *marks,
                         struct simd_mark_state *state, uint32_t base, uint32_t *positions)
{
    __m512i wanted[SIMD_MARK_COUNT];
    for (size_t i = 0; i < SIMD_MARK_COUNT; i++) {
        wanted[i] = _mm512_set1_epi8((char)marks->bytes[i]);
    }
    const __m512i quote = _mm512_set1_epi8((char)marks->quote);
    __m512i all = _mm512_setzero_si512();
    size_t count = 0;
    size_t at = 0;
    for (; at + BLOCK <= size; at += BLOCK) {
        __m512i bytes = _mm512_loadu_si512(data + at);
        all = _mm512_or_si512(all, bytes);
        uint64_t bits = 0;
        for (size_t i = 0; i < SIMD_MARK_COUNT; i++) {
            bits |= _mm512_cmpeq_epi8_mask(bytes, wanted[i]);
        }
        if (marks->has_quote) {
            bits = mark_outside(bits, _mm512_cmpeq_epi8_mask(bytes, quote), state);
        }
        count += mark_put(bits, base + (uint32_t)at, positions + count);
    }
    state->high |= _mm512_movepi8_mask(all) != 0 ? 0x80u : 0;
    return count + mark_bytes_scalar(data + at, size - at, marks, state, base + (uint32_t)at,
                                     positions + count);
}
