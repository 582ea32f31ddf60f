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

__extension__ typedef unsigned __int128 wide;

void grid_windows_u64_scalar(const uint64_t *codes, size_t count, const struct simd_grid *grid,
                             const uint16_t *cells, uint64_t (*windows)[2], uint64_t *guesses)
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
        uint64_t guess = low + (((high - low) * fraction) >> 32);
        uint64_t first = guess > low + grid->before ? guess - grid->before : low;
        uint64_t end = guess + grid->after < high ? guess + grid->after : high;
        windows[i][0] = grid->row + first;
        windows[i][1] = grid->row + end;
        guesses[i] = grid->row + guess;
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
