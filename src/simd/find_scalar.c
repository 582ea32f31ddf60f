#include "simd/simd_internal.h"

size_t find_u64_scalar(const uint64_t *keys, size_t count, uint64_t key)
{
    uint64_t end = 0;
    uint64_t first = find_narrow_u64(keys, 0, count, key, 8, &end);
    uint64_t below = first;
    for (uint64_t i = first; i < end; i++) {
        below += keys[i] < key;
    }
    return below;
}

void find_windows_u64_scalar(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                             const uint64_t (*windows)[2], size_t count, uint64_t *positions)
{
    (void)key_count;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = windows[i][0];
        positions[i] = first + find_u64_scalar(&keys[first], windows[i][1] - first, wanted[i]);
    }
}
