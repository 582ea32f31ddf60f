#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define CAPACITY_MIN    ((size_t)64)
#define VARINT_SIZE_MAX 10u

void buffer_init(struct buffer *buffer, const struct alloc *alloc)
{
    *buffer = (struct buffer){.alloc = alloc};
}

void buffer_deinit(struct buffer *buffer)
{
    alloc_free(buffer->alloc, buffer->data, buffer->capacity, 1);
    *buffer = (struct buffer){.alloc = buffer->alloc};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

bool buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->failed) {
        return false;
    }
    if (buffer->capacity - buffer->size >= size) {
        return true;
    }
    size_t wanted = 0;
    if (__builtin_add_overflow(buffer->size, size, &wanted) || wanted > SIZE_MAX / 2) {
        buffer->failed = true;
        return false;
    }
    size_t capacity = buffer->capacity + buffer->capacity / 2;
    capacity = capacity < wanted ? wanted : capacity;
    capacity = capacity < CAPACITY_MIN ? CAPACITY_MIN : capacity;
    uint8_t *data = alloc_resize(buffer->alloc, buffer->data, buffer->capacity, capacity, 1);
    if (data == NULL) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t size)
{
    // NULL means failure, so even no bytes need a place.
    if (!buffer_reserve(buffer, size == 0 ? 1 : size)) {
        return NULL;
    }
    uint8_t *at = buffer->data + buffer->size;
    buffer->size += size;
    return at;
}

void buffer_put(struct buffer *buffer, const void *data, size_t size)
{
    if (size == 0) {
        return;
    }
    uint8_t *at = buffer_extend(buffer, size);
    if (at != NULL) {
        memcpy(at, data, size);
    }
}

void buffer_put_span(struct buffer *buffer, struct span span)
{
    buffer_put(buffer, span.data, span.size);
}

void buffer_put_text(struct buffer *buffer, const char *text)
{
    buffer_put(buffer, text, strlen(text));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(length >= 0);
    // Room for the terminator too; it is not counted.
    if (buffer_reserve(buffer, (size_t)length + 1)) {
        (void)vsnprintf((char *)buffer->data + buffer->size, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
}

void buffer_put_u8(struct buffer *buffer, uint8_t value)
{
    buffer_put(buffer, &value, sizeof value);
}

void buffer_put_u16(struct buffer *buffer, uint16_t value)
{
    buffer_put(buffer, &value, sizeof value);
}

void buffer_put_u32(struct buffer *buffer, uint32_t value)
{
    buffer_put(buffer, &value, sizeof value);
}

void buffer_put_u64(struct buffer *buffer, uint64_t value)
{
    buffer_put(buffer, &value, sizeof value);
}

void buffer_put_varint(struct buffer *buffer, uint64_t value)
{
    uint8_t bytes[VARINT_SIZE_MAX];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    buffer_put(buffer, bytes, size);
}

void buffer_put_sized(struct buffer *buffer, struct span span)
{
    buffer_put_varint(buffer, span.size);
    buffer_put_span(buffer, span);
}

struct span buffer_span(const struct buffer *buffer)
{
    return (struct span){.data = buffer->data, .size = buffer->size};
}
