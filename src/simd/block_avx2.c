#include <immintrin.h>

#include "simd/simd_internal.h"

__extension__ typedef unsigned __int128 wide;

/* All fetches first, into the second cache, which waits for more lines than the first. */
uint64_t block_probe_avx2(const uint8_t *blocks, uint64_t block_count, const uint64_t *hashes,
                          size_t count)
{
    static const uint32_t salt_words[] = SIMD_BLOCK_SALTS;
    const uint8_t *at[64];
    for (size_t i = 0; i < count; i++) {
        at[i] = blocks + (uint64_t)(((wide)hashes[i] * block_count) >> 64) * SIMD_BLOCK_SIZE;
        __builtin_prefetch(at[i], 0, 2);
    }
    const __m256i salts = _mm256_loadu_si256((const void *)salt_words);
    const __m256i one = _mm256_set1_epi32(1);
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        __m256i low = _mm256_set1_epi32((int)(uint32_t)hashes[i]);
        __m256i shifts = _mm256_srli_epi32(_mm256_mullo_epi32(low, salts), 27);
        __m256i wanted = _mm256_sllv_epi32(one, shifts);
        __m256i block = _mm256_loadu_si256((const void *)at[i]);
        bits |= (uint64_t)(unsigned)_mm256_testc_si256(block, wanted) << i;
    }
    return bits;
}
