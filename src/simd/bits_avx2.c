#include <immintrin.h>

#include "simd/simd_internal.h"

#define PAIR_WIDTH_MAX 57u /* Wider values may need nine bytes; those go the scalar way. */

/*
 * Eight values of w bits are w bytes. Each pair of values lies within 16 bytes; a byte shuffle
 * brings the eight bytes that hold each value into its lane, a shift per lane brings it to bit 0.
 */
struct block_plan {
    __m256i shuffle[2];
    __m256i shift[2];
    __m256i mask;
    size_t offset[4]; /* Byte where each pair begins. */
};

static struct block_plan plan_for(unsigned width)
{
    struct block_plan plan;
    uint8_t shuffle[64];
    uint64_t shift[BITS_BLOCK];
    for (size_t pair = 0; pair < 4; pair++) {
        size_t bit = 2 * pair * width;
        plan.offset[pair] = bit / 8;
        size_t second = bit % 8 + width;
        shift[2 * pair] = bit % 8;
        shift[2 * pair + 1] = second % 8;
        for (size_t i = 0; i < 8; i++) {
            shuffle[16 * pair + i] = (uint8_t)i;
            shuffle[16 * pair + 8 + i] = (uint8_t)(second / 8 + i);
        }
    }
    for (size_t half = 0; half < 2; half++) {
        plan.shuffle[half] = _mm256_loadu_si256((const void *)&shuffle[32 * half]);
        plan.shift[half] = _mm256_loadu_si256((const void *)&shift[4 * half]);
    }
    plan.mask = _mm256_set1_epi64x((int64_t)(((uint64_t)1 << width) - 1));
    return plan;
}

/* Values half * 4 to half * 4 + 3 of the block that begins at `at`. */
static inline __m256i unpack_half(const struct block_plan *plan, const uint8_t *at, size_t half)
{
    __m128i low = _mm_loadu_si128((const void *)(at + plan->offset[2 * half]));
    __m128i high = _mm_loadu_si128((const void *)(at + plan->offset[2 * half + 1]));
    __m256i raw = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    __m256i value =
        _mm256_srlv_epi64(_mm256_shuffle_epi8(raw, plan->shuffle[half]), plan->shift[half]);
    return _mm256_and_si256(value, plan->mask);
}

/* Values before the first whole block; all of them where the width is too large. */
static inline size_t head_count(size_t first, size_t count, unsigned width)
{
    size_t head = (BITS_BLOCK - first % BITS_BLOCK) % BITS_BLOCK;
    return width > PAIR_WIDTH_MAX || head > count ? count : head;
}

/* The low halves of the eight lanes of two vectors. */
static inline __m256i narrow_to_u32(__m256i low, __m256i high)
{
    __m256 both = _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), 0x88);
    return _mm256_permute4x64_epi64(_mm256_castps_si256(both), 0xD8);
}

static inline __m128i narrow_to_u16(__m256i low, __m256i high)
{
    __m256i words = _mm256_and_si256(narrow_to_u32(low, high), _mm256_set1_epi32(0xFFFF));
    return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static inline __m128i narrow_to_u8(__m256i low, __m256i high)
{
    __m128i words = _mm_and_si128(narrow_to_u16(low, high), _mm_set1_epi16(0xFF));
    return _mm_packus_epi16(words, words);
}

void bits_unpack_u64_avx2(uint64_t *out, const uint8_t *packed, size_t first, size_t count,
                          unsigned width, uint64_t base)
{
    size_t i = head_count(first, count, width);
    bits_unpack_u64_scalar(out, packed, first, i, width, base);
    if (i == count) {
        return;
    }
    const struct block_plan plan = plan_for(width);
    const __m256i bases = _mm256_set1_epi64x((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m256i low = _mm256_add_epi64(unpack_half(&plan, at, 0), bases);
        __m256i high = _mm256_add_epi64(unpack_half(&plan, at, 1), bases);
        _mm256_storeu_si256((void *)(out + i), low);
        _mm256_storeu_si256((void *)(out + i + 4), high);
    }
    bits_unpack_u64_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u32_avx2(uint32_t *out, const uint8_t *packed, size_t first, size_t count,
                          unsigned width, uint64_t base)
{
    size_t i = head_count(first, count, width);
    bits_unpack_u32_scalar(out, packed, first, i, width, base);
    if (i == count) {
        return;
    }
    const struct block_plan plan = plan_for(width);
    const __m256i bases = _mm256_set1_epi64x((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m256i low = _mm256_add_epi64(unpack_half(&plan, at, 0), bases);
        __m256i high = _mm256_add_epi64(unpack_half(&plan, at, 1), bases);
        _mm256_storeu_si256((void *)(out + i), narrow_to_u32(low, high));
    }
    bits_unpack_u32_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u16_avx2(uint16_t *out, const uint8_t *packed, size_t first, size_t count,
                          unsigned width, uint64_t base)
{
    size_t i = head_count(first, count, width);
    bits_unpack_u16_scalar(out, packed, first, i, width, base);
    if (i == count) {
        return;
    }
    const struct block_plan plan = plan_for(width);
    const __m256i bases = _mm256_set1_epi64x((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m256i low = _mm256_add_epi64(unpack_half(&plan, at, 0), bases);
        __m256i high = _mm256_add_epi64(unpack_half(&plan, at, 1), bases);
        _mm_storeu_si128((void *)(out + i), narrow_to_u16(low, high));
    }
    bits_unpack_u16_scalar(out + i, packed, first + i, count - i, width, base);
}

void bits_unpack_u8_avx2(uint8_t *out, const uint8_t *packed, size_t first, size_t count,
                         unsigned width, uint64_t base)
{
    size_t i = head_count(first, count, width);
    bits_unpack_u8_scalar(out, packed, first, i, width, base);
    if (i == count) {
        return;
    }
    const struct block_plan plan = plan_for(width);
    const __m256i bases = _mm256_set1_epi64x((int64_t)base);
    const uint8_t *at = packed + (first + i) / BITS_BLOCK * width;
    for (; i + BITS_BLOCK <= count; i += BITS_BLOCK, at += width) {
        __m256i low = _mm256_add_epi64(unpack_half(&plan, at, 0), bases);
        __m256i high = _mm256_add_epi64(unpack_half(&plan, at, 1), bases);
        _mm_storel_epi64((void *)(out + i), narrow_to_u8(low, high));
    }
    bits_unpack_u8_scalar(out + i, packed, first + i, count - i, width, base);
}

/* A window of a primary index is some 18 values: building a plan would cost more than it saves. */
struct simd_rank bits_packed_rank_avx2(const uint8_t *packed, size_t first, size_t count,
                                       unsigned width, uint64_t target)
{
    return bits_packed_rank_scalar(packed, first, count, width, target);
}

void bits_prefix_sum_u64_avx2(uint64_t *values, size_t count, uint64_t start, uint64_t step)
{
    const __m256i zero = _mm256_setzero_si256();
    const __m256i steps = _mm256_set1_epi64x((int64_t)step);
    __m256i carry = _mm256_set1_epi64x((int64_t)start);
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        __m256i sum = _mm256_add_epi64(_mm256_loadu_si256((const void *)(values + i)), steps);
        sum = _mm256_add_epi64(sum, _mm256_slli_si256(sum, 8)); // Within each half.
        __m256i low_total = _mm256_permute4x64_epi64(sum, 0x55);
        sum = _mm256_add_epi64(sum, _mm256_blend_epi32(zero, low_total, 0xF0));
        sum = _mm256_add_epi64(sum, carry);
        _mm256_storeu_si256((void *)(values + i), sum);
        carry = _mm256_permute4x64_epi64(sum, 0xFF);
    }
    uint64_t reached = (uint64_t)_mm_cvtsi128_si64(_mm256_castsi256_si128(carry));
    bits_prefix_sum_u64_scalar(values + i, count - i, reached, step);
}
