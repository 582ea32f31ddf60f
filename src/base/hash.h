#pragma once

#include "base/alloc.h"

/* 64-bit hash of bytes (XXH3). The same on every machine and in every release: it reaches disk. */
uint64_t hash_bytes(struct span span, uint64_t seed);

/* Mixes one integer so that every input bit reaches every output bit (the finaliser of
 * SplitMix64; Steele, Lea, Flood 2014). A bijection. Reaches disk too. */
static inline uint64_t hash_u64(uint64_t value)
{
    value += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

/* A hash of two hashes; not symmetric. */
static inline uint64_t hash_combine(uint64_t left, uint64_t right)
{
    return hash_u64(left ^ (right * 0xD6E8FEB86659FD93u));
}
