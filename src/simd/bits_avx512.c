#include <immintrin.h>

#include "simd/simd_internal.h"

/*
 * Eight values of w bits are w bytes. One permutation brings the eight bytes that hold each value
 * into its lane, a shift per lane brings it to bit 0. Widths above 57 may need a ninth byte, which
 * a second permutation fetches.
 */
struct block_plan {
    __m512i bytes; /* Source byte of every byte of the lanes. */
    __m512i shift;
    __m512i ninth;
    __m512i ninth_shift;
    __m512i mask;
};

static inline struct block_plan plan_for(unsigned width)
{
    const __m512i lanes = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i within = _mm512_set1_epi64(0x0706050403020100);
    const __m512i spread = _mm512_set_epi64(0x0808080808080808, 0, 0x0808080808080808, 0,
                                            0x0808080808080808, 0, 0x0808080808080808, 0);
    __m512i bit = _mm512_mul_epu32(lanes, _mm512_set1_epi64(width));
    __m512i byte = _mm512_srli_epi64(bit, 3);
    __m512i first = _mm512_shuffle_epi8(byte, spread);
    __m512i shift = _mm512_and_si512(bit, _mm512_set1_epi64(7));
    return (struct block_plan){
        .bytes = _mm512_add_epi8(first, within),
        .shift = shift,
        .ninth = _mm512_add_epi64(byte, _mm512_set1_epi64(8)),
        .ninth_shift = _mm512_sub_epi64(_mm512_set1_epi64(64), shift),
        .mask = _mm512_set1_epi64(width == 64 ? -1 : (int64_t)(((uint64_t)1 << width) - 1)),
    };
}

static inline __m512i unpack_block(const struct block_plan *plan, const uint8_t *at, unsigned width)
{
    __m512i raw = _mm512_loadu_si512(at);
    __m512i value = _mm512_srlv_epi64(_mm512_permutexvar_epi8(plan->bytes, raw), plan->shift);
    if (width > 57) {
        // Only the lowest byte of each lane is wanted; a shift by 64 gives zero.
        __m512i high = _mm512_maskz_permutexvar_epi8(0x0101010101010101u, plan->ninth, raw);
        value = _mm512_or_si512(value, _mm512_sllv_epi64(high, plan->ninth_shift));
    }
    return _mm512_and_si512(value, plan->mask);
}

/* Values before the first whole block. */
static inline size_t head_count(size_t first, size_t count)
{
    size_t head = (BITS_BLOCK - first % BITS_BLOCK) % BITS_BLOCK;
    return head < count ? head : count;
}

void bits_unpack_u64_avx512(uint64_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    size_t i = head_count(first, count);
    bits_unpack_u64_scalar(out, packed, first, i, width, base);
    const struct block_plan plan = plan_for(width);
    const __m512i bases = _mm512_set1_epi64((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m512i sum = _mm512_add_epi64(unpack_block(&plan, at, width), bases);
        _mm512_storeu_si512(out + i, sum);
    }
    bits_unpack_u64_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u32_avx512(uint32_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    size_t i = head_count(first, count);
    bits_unpack_u32_scalar(out, packed, first, i, width, base);
    const struct block_plan plan = plan_for(width);
    const __m512i bases = _mm512_set1_epi64((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m512i sum = _mm512_add_epi64(unpack_block(&plan, at, width), bases);
        _mm256_storeu_si256((void *)(out + i), _mm512_cvtepi64_epi32(sum));
    }
    bits_unpack_u32_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u16_avx512(uint16_t *out, const uint8_t *packed, size_t first, size_t count,
                            unsigned width, uint64_t base)
{
    size_t i = head_count(first, count);
    bits_unpack_u16_scalar(out, packed, first, i, width, base);
    const struct block_plan plan = plan_for(width);
    const __m512i bases = _mm512_set1_epi64((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m512i sum = _mm512_add_epi64(unpack_block(&plan, at, width), bases);
        _mm_storeu_si128((void *)(out + i), _mm512_cvtepi64_epi16(sum));
    }
    bits_unpack_u16_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u8_avx512(uint8_t *out, const uint8_t *packed, size_t first, size_t count,
                           unsigned width, uint64_t base)
{
    size_t i = head_count(first, count);
    bits_unpack_u8_scalar(out, packed, first, i, width, base);
    const struct block_plan plan = plan_for(width);
    const __m512i bases = _mm512_set1_epi64((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m512i sum = _mm512_add_epi64(unpack_block(&plan, at, width), bases);
        _mm_storel_epi64((void *)(out + i), _mm512_cvtepi64_epi8(sum));
    }
    bits_unpack_u8_scalar(out + i, packed, first + i, count - i, width, base);
}

struct simd_rank bits_packed_rank_avx512(const uint8_t *packed, size_t first, size_t count,
                                         unsigned width, uint64_t target)
{
    struct simd_rank rank = {0};
    const struct block_plan plan = plan_for(width);
    const __m512i targets = _mm512_set1_epi64((int64_t)target);
    size_t end = first + count;
    // Whole blocks with the lanes outside masked off: a window is too short for a scalar head.
    for (size_t i = first - first % BITS_BLOCK; i < end; i += BITS_BLOCK) {
        __mmask8 wanted = 0xFF;
        if (i < first) {
            wanted = (__mmask8)(wanted << (first - i));
        }
        if (i + BITS_BLOCK > end) {
            wanted &= (__mmask8)(0xFFu >> (i + BITS_BLOCK - end));
        }
        __m512i values = unpack_block(&plan, packed + i / BITS_BLOCK * width, width);
        __mmask8 below = _mm512_mask_cmplt_epu64_mask(wanted, values, targets);
        __mmask8 equal = _mm512_mask_cmpeq_epu64_mask(wanted, values, targets);
        rank.below += (uint32_t)__builtin_popcount(below);
        rank.equal += (uint32_t)__builtin_popcount(equal);
    }
    return rank;
}

void bits_prefix_sum_u64_avx512(uint64_t *values, size_t count, uint64_t start, uint64_t step)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i steps = _mm512_set1_epi64((int64_t)step);
    const __m512i last = _mm512_set1_epi64(7);
    __m512i carry = _mm512_set1_epi64((int64_t)start);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        // Three doubling steps: each lane adds the lane 1, 2 and 4 below it.
        __m512i sum = _mm512_add_epi64(_mm512_loadu_si512(values + i), steps);
        sum = _mm512_add_epi64(sum, _mm512_alignr_epi64(sum, zero, 7));
        sum = _mm512_add_epi64(sum, _mm512_alignr_epi64(sum, zero, 6));
        sum = _mm512_add_epi64(sum, _mm512_alignr_epi64(sum, zero, 4));
        sum = _mm512_add_epi64(sum, carry);
        _mm512_storeu_si512(values + i, sum);
        carry = _mm512_permutexvar_epi64(last, sum);
    }
    uint64_t reached = (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(carry));
    bits_prefix_sum_u64_scalar(values + i, count - i, reached, step);
}
