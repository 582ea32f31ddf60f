/* Goal: every table finds the lower bound that a plain count gives, at every length and alignment,
 * with repeated keys, for wanted keys at, between and beyond the keys, and for any guess. */

#include "simd/simd.h"

#include "base/hash.h"
#include "test.h"

#define KEYS 200

static uint64_t keys[KEYS];

static size_t count_below(size_t first, size_t count, uint64_t key)
{
    size_t below = 0;
    for (size_t i = 0; i < count; i++) {
        below += keys[first + i] < key;
    }
    return below;
}

/* Ascending keys around the signed and unsigned corners; many equal when `step` is small. */
static void fill_keys(uint64_t start, uint64_t step)
{
    for (uint64_t i = 0; i < KEYS; i++) {
        keys[i] = start + (step == 0 ? i / 40 : i * step + hash_u64(i) % step);
    }
}

static const struct {
    uint64_t start;
    uint64_t step;
} fills[] = {{0, 1},
             {0, 0},
             {7, 100},
             {INT64_MAX - 100, 1},
             {0, UINT64_MAX / (KEYS + 1)},
             {UINT64_MAX - KEYS + 1, 1}};

static void check_find(const struct simd_ops *ops, size_t first, size_t count)
{
    for (size_t i = 0; i < KEYS; i += 3) {
        uint64_t key = keys[i] + i % 3 - 1;
        CHECK(ops->find_u64(&keys[first], count, key) == count_below(first, count, key));
    }
    CHECK(ops->find_u64(&keys[first], count, UINT64_MAX) == count_below(first, count, UINT64_MAX));
    CHECK(ops->find_u64(&keys[first], count, 0) == 0);
}

static void check_finds_from(const struct simd_ops *ops, size_t first)
{
    for (size_t count = 0; first + count <= KEYS; count += count < 40 ? 1 : 13) {
        check_find(ops, first, count);
    }
}

TEST(find_agrees_with_counting)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
        fill_keys(fills[f].start, fills[f].step);
        for (size_t t = 0; all[t] != NULL; t++) {
            for (size_t first = 0; first < 9; first++) {
                check_finds_from(all[t], first);
            }
        }
    }
}

TEST(near_agrees_with_counting_or_says_far)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (size_t f = 0; f < sizeof fills / sizeof *fills; f++) {
        fill_keys(fills[f].start, fills[f].step);
        for (uint64_t draw = 0; draw < 4000; draw++) {
            size_t key_count = 1 + hash_u64(draw + 77777) % KEYS;
            size_t count = draw % 64 + 1;
            uint64_t wanted[64];
            uint64_t guesses[64];
            for (size_t i = 0; i < count; i++) {
                uint64_t pick = hash_u64(draw * 64 + i);
                wanted[i] = keys[pick % KEYS] + pick % 3 - 1;
                uint64_t exact = count_below(0, key_count, wanted[i]);
                guesses[i] = i % 4 == 0 ? (pick >> 20) % (key_count + 1) : exact;
            }
            for (size_t t = 0; all[t] != NULL; t++) {
                uint64_t found[64];
                memcpy(found, guesses, sizeof found);
                uint64_t far = all[t]->find_near_u64(keys, key_count, wanted, count, found);
                CHECK(count == 64 || far >> count == 0);
                for (size_t i = 0; i < count; i++) {
                    uint64_t exact = count_below(0, key_count, wanted[i]);
                    bool is_far = far >> i & 1;
                    CHECK(found[i] == (is_far ? guesses[i] : exact));
                    CHECK(!is_far || guesses[i] + 4 < exact || guesses[i] > exact + 3);
                }
            }
        }
    }
}

TEST(grids_agree_with_scalar_at_every_count)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    for (uint64_t draw = 0; draw < 3000; draw++) {
        uint16_t cells[34];
        uint64_t cell_count = 1 + hash_u64(draw) % 33;
        uint64_t position = 0;
        for (uint64_t c = 0; c <= cell_count; c++) {
            cells[c] = (uint16_t)position;
            position += hash_u64(draw * 100 + c) % (draw % 7 == 0 ? 1900 : 60);
        }
        struct simd_grid grid = {
            .first = draw % 3 == 0 ? 0 : hash_u64(draw + 1) / 2,
            .multiplier = hash_u64(draw + 2) >> draw % 64,
            .cell_count = cell_count,
            .row = hash_u64(draw + 3) >> 24,
            .rows = cells[cell_count],
        };
        uint64_t codes[20];
        for (uint64_t i = 0; i < 20; i++) {
            codes[i] = grid.first + (hash_u64(draw * 20 + i) >> (1 + (draw + i) % 63));
        }
        size_t count = draw % 20;
        uint64_t expected[20];
        all[0]->grid_guess_u64(codes, count, &grid, cells, expected);
        for (size_t t = 0; all[t] != NULL; t++) {
            uint64_t guesses[20];
            memset(guesses, 0xAB, sizeof guesses);
            all[t]->grid_guess_u64(codes, count, &grid, cells, guesses);
            CHECK(guesses[count] == 0xABABABABABABABAB);
            for (size_t i = 0; i < count; i++) {
                CHECK(guesses[i] == expected[i]);
                CHECK(guesses[i] >= grid.row && guesses[i] <= grid.row + grid.rows);
            }
        }
    }
}

TEST(pieces_agree_with_counting_at_every_count)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    static uint64_t firsts[SIMD_PIECES_MAX];
    for (uint32_t count = 1; count <= SIMD_PIECES_MAX; count++) {
        uint64_t first = count % 5 == 0 ? UINT64_MAX - 2 * count : hash_u64(count) / 4;
        for (uint32_t i = 0; i < count; i++) {
            firsts[i] = first;
            first += 1 + (count % 5 == 0 ? i % 2 : hash_u64(i) >> (20 + i % 40));
        }
        firsts[count - 1] = count % 5 == 0 ? UINT64_MAX : firsts[count - 1];
        struct simd_pieces search = {.firsts = firsts};
        simd_pieces_init(&search, firsts, count);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t codes[3] = {firsts[i], firsts[i] + (firsts[i] < UINT64_MAX), UINT64_MAX};
            uint32_t which[3] = {0, 0, 0};
            for (size_t t = 0; all[t] != NULL; t++) {
                uint32_t found[3] = {7777, 7777, 7777};
                all[t]->find_pieces_u64(codes, 3, &search, which, found);
                for (size_t k = 0; k < 3; k++) {
                    CHECK(found[k] < count && firsts[found[k]] <= codes[k]);
                    CHECK(found[k] + 1 == count || firsts[found[k] + 1] > codes[k]);
                }
            }
        }
    }
}
