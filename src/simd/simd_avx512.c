#include <immintrin.h>

#include "simd/simd_internal.h"

static uint64_t popcount_u64(const uint64_t *words, size_t count)
{
    __m512i sums = _mm512_setzero_si512();
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(_mm512_loadu_si512(&words[i])));
    }
    uint64_t total = (uint64_t)_mm512_reduce_add_epi64(sums);
    return total + simd_ops_scalar.popcount_u64(&words[i], count - i);
}

const struct simd_ops simd_ops_avx512 = {
    .name = "avx512",
    .popcount_u64 = popcount_u64,
    .find_u64 = find_u64_avx512,
    .find_windows_u64 = find_windows_u64_avx512,
};
