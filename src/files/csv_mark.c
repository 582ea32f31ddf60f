/* Where fields and records may end. */

#include "files/csv_internal.h"

/* The state machine of CSV with an escape of its own, byte by byte. Inside of quotes the escape
 * takes the next byte as it is if that is a quote or an escape. */
static void mark_scalar(struct csv_reader *reader, size_t end)
{
    const struct csv_options *options = &reader->layout.options;
    bool inside = reader->state.inside != 0;
    for (size_t at = reader->marked; at < end; at++) {
        uint8_t byte = reader->data[at];
        reader->state.high |= byte & 0x80u;
        if (inside) {
            bool escaped = reader->escaped;
            reader->escaped = false;
            if (escaped && (byte == options->quote || byte == options->escape)) {
                continue;
            }
            reader->escaped = byte == options->escape;
            inside = byte != options->quote;
        } else if (byte == options->quote) {
            inside = true;
            reader->state.quotes = 1;
        } else if (byte == options->delimiter || byte == '\n' || byte == '\r' || byte == 0) {
            reader->positions[reader->position_count++] = (uint32_t)at;
        }
    }
    reader->state.inside = inside ? UINT64_MAX : 0;
}

void csv_mark_slice(struct csv_reader *reader)
{
    size_t rest = reader->size - reader->marked;
    size_t size = rest < CSV_SLICE_SIZE ? rest : CSV_SLICE_SIZE;
    reader->position_at = 0;
    reader->position_count = 0;
    if (reader->scalar) {
        mark_scalar(reader, reader->marked + size);
    } else {
        reader->position_count =
            simd->mark_bytes(reader->data + reader->marked, size, &reader->marks, &reader->state,
                             (uint32_t)reader->marked, reader->positions);
    }
    reader->marked += size;
}
