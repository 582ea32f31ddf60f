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
    .find_near_u64 = find_near_u64_avx512,
    .unpack_u64 = bits_unpack_u64_avx512,
    .unpack_u32 = bits_unpack_u32_avx512,
    .unpack_u16 = bits_unpack_u16_avx512,
    .unpack_u8 = bits_unpack_u8_avx512,
    .packed_rank = bits_packed_rank_avx512,
    .prefix_sum_u64 = bits_prefix_sum_u64_avx512,
    .block_probe = block_probe_avx2,
    .find_pieces_u64 = find_pieces_u64_avx512,
    .grid_guess_u64 = grid_guess_u64_avx512,
    .range_i32 = range_i32_avx512,
    .range_i64 = range_i64_avx512,
    .mask_rows = mask_rows_avx512,
    .affine_i64 = affine_i64_avx512,
    .multiply_i64 = multiply_i64_avx512,
    .add_i64 = add_i64_avx512,
    .subtract_i64 = subtract_i64_avx512,
    .sum_i64 = sum_i64_avx512,
    .spread_i64 = spread_i64_avx512,
    .sum_groups_i64 = sum_groups_i64_avx512,
    .sum_groups_i32 = sum_groups_i32_avx512,
    .count_groups = count_groups_avx512,
    .mark_bytes = mark_bytes_avx512,
    .dot_f32 = distance_dot_avx512,
    .l2_squared_f32 = distance_l2_avx512,
    .l1_f32 = distance_l1_avx512,
};
