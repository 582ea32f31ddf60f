#pragma once

#include <stdbool.h>

#include "base/alloc.h"

/*
 * Growable bytes. A zeroed buffer with `alloc` set is ready. Growth failure is sticky: `failed` is
 * set, later puts do nothing, and the maker checks once, at the end.
 */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    const struct alloc *alloc;
    bool failed;
};

void buffer_init(struct buffer *buffer, const struct alloc *alloc);
void buffer_deinit(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* Keeps the memory; forgets `failed`. */

/* Makes room for `size` more bytes; false (and `failed`) when memory is out. */
bool buffer_reserve(struct buffer *buffer, size_t size);

/* Appends `size` bytes to be filled by the caller; NULL when memory is out. */
uint8_t *buffer_extend(struct buffer *buffer, size_t size);

void buffer_put(struct buffer *buffer, const void *data, size_t size);
void buffer_put_span(struct buffer *buffer, struct span span);
void buffer_put_text(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Little-endian fields, and LEB128 (7 bits a byte, low first). */
void buffer_put_u8(struct buffer *buffer, uint8_t value);
void buffer_put_u16(struct buffer *buffer, uint16_t value);
void buffer_put_u32(struct buffer *buffer, uint32_t value);
void buffer_put_u64(struct buffer *buffer, uint64_t value);
void buffer_put_varint(struct buffer *buffer, uint64_t value);

/* A varint length and the bytes. */
void buffer_put_sized(struct buffer *buffer, struct span span);

struct span buffer_span(const struct buffer *buffer);
