#pragma once

/* What the vector kernels of mark_bytes share: bits of 64 bytes at a time become positions. */

#include "simd/simd_internal.h"

/* Bit i is the parity of bits 0..i: what lies between an opening quote, included, and its end. */
static inline uint64_t mark_between(uint64_t quotes)
{
    quotes ^= quotes << 1;
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    quotes ^= quotes << 8;
    quotes ^= quotes << 16;
    return quotes ^ quotes << 32;
}

/* Appends the positions of the bits. Writes up to eight past them, as the caller left room for. */
static inline size_t mark_put(uint64_t bits, uint32_t base, uint32_t *positions)
{
    size_t count = (size_t)__builtin_popcountll(bits);
    for (size_t i = 0; i < count; i += 4) {
        for (size_t k = 0; k < 4; k++) {
            // Without bits left this is 64, a place that nobody reads.
            positions[i + k] = base + (bits == 0 ? 64u : (uint32_t)__builtin_ctzll(bits));
            bits &= bits - 1;
        }
    }
    return count;
}

/* The bits of wanted bytes that count, given those of quotes. */
static inline uint64_t mark_outside(uint64_t wanted, uint64_t quotes, struct simd_mark_state *state)
{
    uint64_t between = mark_between(quotes) ^ state->inside;
    state->inside = (uint64_t)((int64_t)between >> 63);
    state->quotes |= quotes;
    return wanted & ~(between | quotes);
}
