#include "base/codec.h"

#include "base/assert.h"

#define VARINT_SIZE_MAX 10u

struct reader reader_of(struct span span)
{
    return (struct reader){.rest = span};
}

struct span reader_span(struct reader *reader, size_t size)
{
    if (reader->overrun || reader->rest.size < size) {
        reader->overrun = true;
        return (struct span){0};
    }
    struct span result = {.data = reader->rest.data, .size = size};
    if (size > 0) {
        reader->rest.data += size;
        reader->rest.size -= size;
    }
    return result;
}

uint8_t reader_u8(struct reader *reader)
{
    struct span field = reader_span(reader, sizeof(uint8_t));
    return field.data == NULL ? 0 : field.data[0];
}

uint16_t reader_u16(struct reader *reader)
{
    struct span field = reader_span(reader, sizeof(uint16_t));
    return field.data == NULL ? 0 : load_u16(field.data);
}

uint32_t reader_u32(struct reader *reader)
{
    struct span field = reader_span(reader, sizeof(uint32_t));
    return field.data == NULL ? 0 : load_u32(field.data);
}

uint64_t reader_u64(struct reader *reader)
{
    struct span field = reader_span(reader, sizeof(uint64_t));
    return field.data == NULL ? 0 : load_u64(field.data);
}

uint64_t reader_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_SIZE_MAX; i++) {
        uint8_t byte = reader_u8(reader);
        if (i == VARINT_SIZE_MAX - 1 && byte > 1) {
            break; // More than 64 bits.
        }
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            return reader->overrun ? 0 : value;
        }
    }
    reader->overrun = true;
    return 0;
}

struct span reader_sized(struct reader *reader)
{
    uint64_t size = reader_varint(reader);
    if (size > reader->rest.size) {
        reader->overrun = true;
        return (struct span){0};
    }
    return reader_span(reader, (size_t)size);
}
