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

/* One bit for each of FIND_NEAR_KEYS keys that is below. */
static inline uint32_t below_near(const uint64_t *keys, uint64_t key)
{
    uint32_t below = 0;
    for (uint32_t k = 0; k < FIND_NEAR_KEYS; k++) {
        below |= (uint32_t)(keys[k] < key) << k;
    }
    return below;
}

uint64_t find_near_u64_scalar(const uint64_t *keys, size_t key_count, const uint64_t *wanted,
                              size_t count, uint64_t *positions)
{
    uint64_t far = 0;
    for (size_t i = 0; i < count; i++) {
        if (key_count < FIND_NEAR_KEYS) {
            positions[i] = find_u64_scalar(keys, key_count, wanted[i]);
            continue;
        }
        uint64_t start = find_near_start(positions[i], key_count);
        uint32_t below = below_near(&keys[start], wanted[i]);
        if (find_near_is_far(below, start, key_count)) {
            start = find_near_beside(start, below, key_count);
            below = below_near(&keys[start], wanted[i]);
        }
        if (find_near_is_far(below, start, key_count)) {
            far |= (uint64_t)1 << i;
        } else {
            positions[i] = start + (unsigned)__builtin_popcount(below);
        }
    }
    return far;
}

__extension__ typedef unsigned __int128 wide;

void grid_guess_u64_scalar(const uint64_t *codes, size_t count, const struct simd_grid *grid,
                           const uint16_t *cells, uint64_t *guesses)
{
    for (size_t i = 0; i < count; i++) {
        wide product = (wide)(codes[i] - grid->first) * grid->multiplier;
        uint64_t cell = (uint64_t)(product >> 64);
        uint64_t fraction = (uint64_t)product >> 32;
        uint64_t low = grid->rows;
        uint64_t high = grid->rows;
        if (cell < grid->cell_count) {
            low = cells[cell];
            high = cells[cell + 1];
        }
        guesses[i] = grid->row + low + (((high - low) * fraction) >> 32);
    }
}

/* Halving in a fixed number of steps: an end that varies from code to code is mispredicted. */
void find_pieces_u64_scalar(const uint64_t *codes, size_t count, const struct simd_pieces *table,
                            const uint32_t *which, uint32_t *pieces_out)
{
    for (size_t i = 0; i < count; i++) {
        const struct simd_pieces *search = &table[which[i]];
        uint32_t low = 0;
        uint32_t left = search->count;
        for (uint32_t reach = SIMD_PIECES_MAX; reach > 1; reach -= reach / 2) {
            uint32_t half = left / 2;
            low += half & (0 - (uint32_t)(search->firsts[low + half] <= codes[i]));
            left -= half;
        }
        pieces_out[i] = low;
    }
}
