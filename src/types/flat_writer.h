#pragma once

/*
 * Writing FlatBuffers, as far as Arrow's metadata needs it, from front to back: a table is written
 * with all of its fields zero, then they are set, and offsets point to what was written after it.
 * Positions count from where the FlatBuffer begins in `out`, which is a multiple of eight bytes
 * there. A failed buffer makes every write nothing.
 */

#include "base/buffer.h"
#include "base/codec.h"

#define FLAT_FIELD_COUNT_MAX 8u

struct flat_writer {
    struct buffer *out;
    size_t begin;
};

/* A table's fields by their number: 0 is a field that is not there. */
struct flat_fields {
    uint32_t at[FLAT_FIELD_COUNT_MAX];
    uint32_t table;
};

static inline uint32_t flat_position(const struct flat_writer *writer)
{
    return (uint32_t)(writer->out->size - writer->begin);
}

static inline void flat_align(struct flat_writer *writer, uint32_t align)
{
    while (flat_position(writer) % align != 0 && !writer->out->failed) {
        buffer_put_u8(writer->out, 0);
    }
}

static inline void flat_set(struct flat_writer *writer, uint32_t at, const void *value, size_t size)
{
    if (!writer->out->failed) {
        memcpy(writer->out->data + writer->begin + at, value, size);
    }
}

static inline void flat_set_u8(struct flat_writer *writer, uint32_t at, uint8_t value)
{
    flat_set(writer, at, &value, sizeof value);
}

static inline void flat_set_i16(struct flat_writer *writer, uint32_t at, int16_t value)
{
    flat_set(writer, at, &value, sizeof value);
}

static inline void flat_set_i32(struct flat_writer *writer, uint32_t at, int32_t value)
{
    flat_set(writer, at, &value, sizeof value);
}

static inline void flat_set_i64(struct flat_writer *writer, uint32_t at, int64_t value)
{
    flat_set(writer, at, &value, sizeof value);
}

/* Makes the offset at `at` point to what is written next, or to `target`. */
static inline void flat_point_to(struct flat_writer *writer, uint32_t at, uint32_t target)
{
    flat_set_i32(writer, at, (int32_t)(target - at));
}

static inline void flat_zeroes(struct flat_writer *writer, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        buffer_put_u8(writer->out, 0);
    }
}

/* A table whose fields have these sizes (0: not there), and its vtable before it. */
static inline struct flat_fields flat_put_table(struct flat_writer *writer, const uint8_t *sizes,
                                                uint32_t count)
{
    struct flat_fields fields = {{0}, 0};
    uint16_t offsets[FLAT_FIELD_COUNT_MAX] = {0};
    uint32_t size = 4; // How far before it the vtable is.
    for (uint32_t i = 0; i < count; i++) {
        if (sizes[i] > 0) {
            size = (size + sizes[i] - 1) / sizes[i] * sizes[i];
            offsets[i] = (uint16_t)size;
            size += sizes[i];
        }
    }
    flat_align(writer, 2);
    uint32_t vtable = flat_position(writer);
    buffer_put_u16(writer->out, (uint16_t)(4 + 2 * count));
    buffer_put_u16(writer->out, (uint16_t)size);
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_u16(writer->out, offsets[i]);
    }
    flat_align(writer, 8);
    fields.table = flat_position(writer);
    buffer_put_u32(writer->out, fields.table - vtable);
    flat_zeroes(writer, size - 4);
    for (uint32_t i = 0; i < count; i++) {
        fields.at[i] = offsets[i] == 0 ? 0 : fields.table + offsets[i];
    }
    return fields;
}

/* The same, which the offset at `at` points to. */
static inline struct flat_fields flat_put_child(struct flat_writer *writer, uint32_t at,
                                                const uint8_t *sizes, uint32_t count)
{
    struct flat_fields fields = flat_put_table(writer, sizes, count);
    flat_point_to(writer, at, fields.table);
    return fields;
}

static inline void flat_put_string(struct flat_writer *writer, uint32_t at, struct span text)
{
    flat_align(writer, 4);
    flat_point_to(writer, at, flat_position(writer));
    buffer_put_u32(writer->out, (uint32_t)text.size);
    buffer_put_span(writer->out, text);
    buffer_put_u8(writer->out, 0);
}

/* A vector of `count` zeroed items, aligned to eight bytes where `wide`; returns the first's place.
 */
static inline uint32_t flat_put_vector(struct flat_writer *writer, uint32_t at, uint32_t count,
                                       uint32_t item_size, bool wide)
{
    flat_align(writer, 4);
    if (wide && flat_position(writer) % 8 == 0) {
        flat_zeroes(writer, 4);
    }
    flat_point_to(writer, at, flat_position(writer));
    buffer_put_u32(writer->out, count);
    uint32_t first = flat_position(writer);
    flat_zeroes(writer, count * item_size);
    return first;
}

/* Begins a FlatBuffer: the root's offset stands first, at position 0. */
static inline struct flat_writer flat_begin(struct buffer *out)
{
    struct flat_writer writer = {.out = out, .begin = out->size};
    buffer_put_u32(out, 0);
    return writer;
}
