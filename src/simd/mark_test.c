/* Goal: every table lists the marks outside of quotes as a walk byte by byte does, at every length,
 * alignment and cut into pieces. */

#include "simd/simd.h"

#include "base/hash.h"
#include "test.h"

#define SIZE 400u

static uint8_t text[SIZE];

/* Few different bytes, so that marks and quotes are dense and fall on every place. */
static void fill(uint64_t seed, const char *letters)
{
    size_t count = strlen(letters);
    for (size_t i = 0; i < SIZE; i++) {
        text[i] = (uint8_t)letters[hash_u64(seed * 1000 + i) % count];
    }
}

static size_t walk(size_t first, size_t size, const struct simd_marks *marks, uint32_t *positions,
                   bool *inside)
{
    size_t count = 0;
    for (size_t i = first; i < first + size; i++) {
        bool wanted = memchr(marks->bytes, text[i], SIMD_MARK_COUNT) != NULL;
        if (marks->has_quote && text[i] == marks->quote) {
            *inside = !*inside;
        } else if (wanted && !*inside) {
            positions[count++] = (uint32_t)i;
        }
    }
    return count;
}

static void check(const struct simd_ops *ops, const struct simd_marks *marks, size_t first,
                  size_t size)
{
    uint32_t expected[SIZE];
    uint32_t found[SIZE + SIMD_MARK_SLACK];
    bool inside = false;
    size_t count = walk(first, size, marks, expected, &inside);
    struct simd_mark_state state = {0};
    size_t cut = size / 3;
    size_t have = ops->mark_bytes(text + first, cut, marks, &state, (uint32_t)first, found);
    have += ops->mark_bytes(text + first + cut, size - cut, marks, &state, (uint32_t)(first + cut),
                            found + have);
    CHECK(have == count);
    CHECK(memcmp(found, expected, count * sizeof *found) == 0);
    CHECK((state.inside != 0) == inside);
    bool high = false;
    bool quotes = false;
    for (size_t i = first; i < first + size; i++) {
        high |= text[i] >= 0x80;
        quotes |= marks->has_quote && text[i] == marks->quote;
    }
    CHECK((state.high != 0) == high);
    CHECK((state.quotes != 0) == quotes);
}

TEST(marks_agree_with_a_walk)
{
    simd_init();
    const struct simd_ops *const *all = simd_available();
    static const char *const letters[] = {"ab,\n", "a,\"\n", "abcdefghij,\r\n\"", "a\xC3\xA9,",
                                          "abcdefghijklmnopqrstuvwxyz"};
    for (size_t t = 0; all[t] != NULL; t++) {
        for (uint64_t l = 0; l < sizeof letters / sizeof *letters; l++) {
            fill(l + 7, letters[l]);
            for (size_t size = 0; size < SIZE - 70; size += size < 140 ? 1 : 29) {
                struct simd_marks marks = {.bytes = {',', '\n', '\r', 0, 0}, .quote = '"'};
                check(all[t], &marks, size % 67, size);
                marks.has_quote = true;
                check(all[t], &marks, size % 67, size);
            }
        }
    }
}
