#include <string.h>

#include "simd/simd_internal.h"

__extension__ typedef unsigned __int128 wide;

uint64_t block_probe_scalar(const uint8_t *blocks, uint64_t block_count, const uint64_t *hashes,
                            size_t count)
{
    static const uint32_t salts[] = SIMD_BLOCK_SALTS;
    uint64_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t at = (uint64_t)(((wide)hashes[i] * block_count) >> 64);
        uint32_t words[SIMD_BLOCK_SIZE / 4];
        memcpy(words, blocks + at * SIMD_BLOCK_SIZE, sizeof words);
        uint32_t missing = 0;
        for (size_t word = 0; word < SIMD_BLOCK_SIZE / 4; word++) {
            missing |= ~words[word] & (uint32_t)1 << (((uint32_t)hashes[i] * salts[word]) >> 27);
        }
        bits |= (uint64_t)(missing == 0) << i;
    }
    return bits;
}
