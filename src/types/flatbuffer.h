#pragma once

/*
 * Reading FlatBuffers, as far as Arrow's metadata needs it. Positions count from the first byte of
 * the buffer and are checked on every step; a field that is absent or leads outside reads as its
 * default, and outside sets `damaged`, which the reader checks at the end.
 */

#include <stdbool.h>

#include "base/codec.h"

struct flat {
    struct span bytes;
    bool damaged;
};

/* Where a table is; 0 is no table. */
struct flat_table {
    struct flat *flat;
    uint32_t at;
    uint32_t vtable;
    uint16_t vtable_size;
    uint16_t size;
};

/* A vector: where its first item is, and how many there are. */
struct flat_vector {
    uint32_t at;
    uint32_t count;
};

static inline bool flat_inside(struct flat *flat, uint64_t at, uint64_t size)
{
    if (at > flat->bytes.size || size > flat->bytes.size - at) {
        flat->damaged = true;
        return false;
    }
    return true;
}

static inline struct flat_table flat_table_at(struct flat *flat, uint64_t at)
{
    struct flat_table table = {.flat = flat};
    if (at == 0 || !flat_inside(flat, at, 4)) {
        return table;
    }
    // The table begins with how far before it its vtable is.
    int64_t vtable = (int64_t)at - (int32_t)load_u32(flat->bytes.data + at);
    if (vtable < 0 || !flat_inside(flat, (uint64_t)vtable, 4)) {
        flat->damaged = true;
        return table;
    }
    uint16_t vtable_size = load_u16(flat->bytes.data + vtable);
    uint16_t size = load_u16(flat->bytes.data + vtable + 2);
    if (vtable_size < 4 || !flat_inside(flat, (uint64_t)vtable, vtable_size) ||
        !flat_inside(flat, at, size)) {
        flat->damaged = true;
        return table;
    }
    table.at = (uint32_t)at;
    table.vtable = (uint32_t)vtable;
    table.vtable_size = vtable_size;
    table.size = size;
    return table;
}

/* The bytes of a field of `width` bytes, or NULL when it is absent. */
static inline const uint8_t *flat_field(const struct flat_table *table, uint32_t index,
                                        uint32_t width)
{
    uint32_t entry = 4 + 2 * index;
    if (table->at == 0 || entry + 2 > table->vtable_size) {
        return NULL;
    }
    const uint8_t *data = table->flat->bytes.data;
    uint16_t offset = load_u16(data + table->vtable + entry);
    if (offset == 0) {
        return NULL;
    }
    if (offset < 4 || (uint32_t)offset + width > table->size) {
        table->flat->damaged = true;
        return NULL;
    }
    return data + table->at + offset;
}

static inline uint8_t flat_u8(const struct flat_table *table, uint32_t index, uint8_t missing)
{
    const uint8_t *at = flat_field(table, index, 1);
    return at == NULL ? missing : *at;
}

static inline int16_t flat_i16(const struct flat_table *table, uint32_t index, int16_t missing)
{
    const uint8_t *at = flat_field(table, index, 2);
    if (at == NULL) {
        return missing;
    }
    return (int16_t)load_u16(at);
}

static inline int32_t flat_i32(const struct flat_table *table, uint32_t index, int32_t missing)
{
    const uint8_t *at = flat_field(table, index, 4);
    return at == NULL ? missing : (int32_t)load_u32(at);
}

static inline int64_t flat_i64(const struct flat_table *table, uint32_t index, int64_t missing)
{
    const uint8_t *at = flat_field(table, index, 8);
    return at == NULL ? missing : (int64_t)load_u64(at);
}

/* What a field that is an offset points to; 0 when it is absent. */
static inline uint64_t flat_target(const struct flat_table *table, uint32_t index)
{
    const uint8_t *at = flat_field(table, index, 4);
    if (at == NULL) {
        return 0;
    }
    return (uint64_t)(at - table->flat->bytes.data) + load_u32(at);
}

static inline struct flat_table flat_child(const struct flat_table *table, uint32_t index)
{
    return flat_table_at(table->flat, flat_target(table, index));
}

/* A vector of items of `width` bytes. */
static inline struct flat_vector flat_vector(const struct flat_table *table, uint32_t index,
                                             uint32_t width)
{
    uint64_t at = flat_target(table, index);
    if (at == 0 || !flat_inside(table->flat, at, 4)) {
        return (struct flat_vector){0};
    }
    uint32_t count = load_u32(table->flat->bytes.data + at);
    if (!flat_inside(table->flat, at + 4, (uint64_t)count * width)) {
        return (struct flat_vector){0};
    }
    return (struct flat_vector){.at = (uint32_t)at + 4, .count = count};
}

/* Item of a vector of tables. */
static inline struct flat_table flat_vector_table(struct flat *flat, struct flat_vector vector,
                                                  uint32_t index)
{
    uint64_t at = vector.at + 4 * (uint64_t)index;
    return flat_table_at(flat, at + load_u32(flat->bytes.data + at));
}

/* A string's bytes; empty when absent. */
static inline struct span flat_string(const struct flat_table *table, uint32_t index)
{
    struct flat_vector vector = flat_vector(table, index, 1);
    return (struct span){.data = table->flat->bytes.data + vector.at, .size = vector.count};
}

/* The table that the whole buffer is. */
static inline struct flat_table flat_root(struct flat *flat)
{
    if (!flat_inside(flat, 0, 4)) {
        return (struct flat_table){.flat = flat};
    }
    return flat_table_at(flat, load_u32(flat->bytes.data));
}
