/* Goal: every table answers a blocked Bloom filter as the scalar one does, at every count, and the
 * scalar one says yes exactly when all eight bits are set. */

#include "simd/simd.h"

#include "base/hash.h"
#include "test.h"

#define BLOCKS 7

TEST(probes_agree_with_scalar_at_every_count)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    _Alignas(64) uint64_t words[BLOCKS * SIMD_BLOCK_SIZE / 8];
    for (uint64_t draw = 0; draw < 500; draw++) {
        for (size_t i = 0; i < BLOCKS * SIMD_BLOCK_SIZE / 8; i++) {
            words[i] = hash_u64(draw * 100 + i) | hash_u64(draw * 1000 + i);
        }
        uint64_t hashes[64];
        for (size_t i = 0; i < 64; i++) {
            hashes[i] = hash_u64(draw * 64 + i + 12345678);
        }
        size_t count = draw % 65;
        uint64_t expected = all[0]->block_probe((const uint8_t *)words, BLOCKS, hashes, count);
        CHECK(count == 64 || expected >> count == 0);
        for (size_t t = 0; all[t] != NULL; t++) {
            CHECK(all[t]->block_probe((const uint8_t *)words, BLOCKS, hashes, count) == expected);
        }
    }
}

TEST(one_missing_bit_is_a_no)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    static const uint32_t salts[] = SIMD_BLOCK_SALTS;
    for (size_t t = 0; all[t] != NULL; t++) {
        for (uint64_t draw = 0; draw < 100; draw++) {
            uint64_t hash = hash_u64(draw);
            _Alignas(64) uint32_t block[SIMD_BLOCK_SIZE / 4] = {0};
            for (size_t w = 0; w < SIMD_BLOCK_SIZE / 4; w++) {
                CHECK(all[t]->block_probe((const uint8_t *)block, 1, &hash, 1) == 0);
                block[w] |= (uint32_t)1 << (((uint32_t)hash * salts[w]) >> 27);
            }
            CHECK(all[t]->block_probe((const uint8_t *)block, 1, &hash, 1) == 1);
        }
    }
}
