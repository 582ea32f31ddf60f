#include "types/wire.h"

#include <string.h>

struct span wire_bytes(struct wire_reader *reader, size_t size)
{
    if (reader->overrun || size > reader->rest.size) {
        reader->overrun = true;
        return (struct span){0};
    }
    struct span bytes = {.data = reader->rest.data, .size = size};
    reader->rest.data += size;
    reader->rest.size -= size;
    return bytes;
}

uint8_t wire_u8(struct wire_reader *reader)
{
    struct span bytes = wire_bytes(reader, 1);
    return bytes.size == 0 ? 0 : bytes.data[0];
}

int16_t wire_i16(struct wire_reader *reader)
{
    struct span bytes = wire_bytes(reader, 2);
    return bytes.size == 0 ? 0 : (int16_t)((uint32_t)bytes.data[0] << 8 | bytes.data[1]);
}

int32_t wire_i32(struct wire_reader *reader)
{
    struct span bytes = wire_bytes(reader, 4);
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        value = value << 8 | bytes.data[i];
    }
    return (int32_t)value;
}

int64_t wire_i64(struct wire_reader *reader)
{
    uint64_t high = (uint32_t)wire_i32(reader);
    uint64_t low = (uint32_t)wire_i32(reader);
    return (int64_t)(high << 32 | low);
}

const char *wire_text(struct wire_reader *reader)
{
    const void *end =
        reader->rest.size == 0 ? NULL : memchr(reader->rest.data, 0, reader->rest.size);
    if (reader->overrun || end == NULL) {
        reader->overrun = true;
        return "";
    }
    size_t size = (size_t)((const uint8_t *)end - reader->rest.data) + 1;
    return (const char *)wire_bytes(reader, size).data;
}

tdbplus_status wire_finish(const struct wire_reader *reader, const char *message, struct err *err)
{
    if (reader->overrun || reader->rest.size > 0) {
        return err_set_state(err, TDBPLUS_E_INVALID, "08P01", "invalid %s message: %s", message,
                             reader->overrun ? "insufficient data left in message"
                                             : "there is more in it than belongs to it");
    }
    return TDBPLUS_OK;
}

void wire_put_i16(struct buffer *buffer, int16_t value)
{
    buffer_put_u16(buffer, __builtin_bswap16((uint16_t)value));
}

void wire_put_i32(struct buffer *buffer, int32_t value)
{
    buffer_put_u32(buffer, __builtin_bswap32((uint32_t)value));
}

void wire_put_i64(struct buffer *buffer, int64_t value)
{
    buffer_put_u64(buffer, __builtin_bswap64((uint64_t)value));
}

void wire_put_text(struct buffer *buffer, const char *text)
{
    buffer_put(buffer, text, strlen(text) + 1);
}

size_t wire_begin(struct buffer *buffer, char letter)
{
    size_t begin = buffer->size;
    buffer_put_u8(buffer, (uint8_t)letter);
    buffer_put_u32(buffer, 0);
    return begin;
}

void wire_set_i32(struct buffer *buffer, size_t at, int32_t value)
{
    if (buffer->failed) {
        return;
    }
    uint32_t bytes = __builtin_bswap32((uint32_t)value);
    memcpy(buffer->data + at, &bytes, sizeof bytes);
}

void wire_end(struct buffer *buffer, size_t begin)
{
    wire_set_i32(buffer, begin + 1, (int32_t)(buffer->size - begin - 1));
}
