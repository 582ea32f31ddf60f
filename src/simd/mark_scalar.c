#include "simd/simd_internal.h"

/* A table of the bytes asked for costs less than five comparisons each. */
size_t mark_bytes_scalar(const uint8_t *data, size_t size, const struct simd_marks *marks,
                         struct simd_mark_state *state, uint32_t base, uint32_t *positions)
{
    uint8_t wanted[256] = {0};
    for (size_t i = 0; i < SIMD_MARK_COUNT; i++) {
        wanted[marks->bytes[i]] = 1;
    }
    bool inside = state->inside != 0;
    size_t count = 0;
    uint8_t all = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = data[i];
        all |= byte;
        if (marks->has_quote && byte == marks->quote) {
            inside = !inside;
            state->quotes = 1;
        } else if (wanted[byte] != 0 && !inside) {
            positions[count++] = base + (uint32_t)i;
        }
    }
    state->high |= all & 0x80u;
    state->inside = inside ? UINT64_MAX : 0;
    return count;
}
