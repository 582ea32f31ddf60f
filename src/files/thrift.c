#include "files/thrift.h"

static uint8_t next_byte(struct thrift *thrift)
{
    if (thrift->at == thrift->end) {
        thrift->failed = true;
        return 0;
    }
    return *thrift->at++;
}

static uint64_t next_varint(struct thrift *thrift)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = next_byte(thrift);
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    thrift->failed = true;
    return 0;
}

int64_t thrift_integer(struct thrift *thrift)
{
    uint64_t value = next_varint(thrift);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

bool thrift_next_field(struct thrift *thrift, struct thrift_field *field)
{
    uint8_t head = next_byte(thrift);
    field->type = head & 0x0F;
    if (thrift->failed || field->type == THRIFT_STOP) {
        return false;
    }
    int32_t step = head >> 4;
    int64_t id = step == 0 ? thrift_integer(thrift) : (int64_t)field->id + step;
    if (id < 0 || id > INT16_MAX || field->type > THRIFT_STRUCT) {
        thrift->failed = true;
        return false;
    }
    field->id = (int32_t)id;
    return !thrift->failed;
}

bool thrift_boolean(const struct thrift_field *field)
{
    return field->type == THRIFT_TRUE;
}

struct span thrift_binary(struct thrift *thrift)
{
    uint64_t size = next_varint(thrift);
    if (size > (uint64_t)(thrift->end - thrift->at)) {
        thrift->failed = true;
        return (struct span){0};
    }
    struct span bytes = {.data = thrift->at, .size = (size_t)size};
    thrift->at += size;
    return bytes;
}

uint32_t thrift_list(struct thrift *thrift, uint8_t *type_out)
{
    uint8_t head = next_byte(thrift);
    uint64_t count = head >> 4;
    *type_out = head & 0x0F;
    if (count == 15) {
        count = next_varint(thrift);
    }
    if (count > (uint64_t)(thrift->end - thrift->at) || *type_out > THRIFT_STRUCT) {
        thrift->failed = true;
        return 0;
    }
    return (uint32_t)count;
}

static void pass(struct thrift *thrift, uint64_t size)
{
    if (size > (uint64_t)(thrift->end - thrift->at)) {
        thrift->failed = true;
    } else {
        thrift->at += size;
    }
}

static void skip_items(struct thrift *thrift, uint32_t depth)
{
    uint8_t type = 0;
    uint32_t count = thrift_list(thrift, &type);
    for (uint32_t i = 0; i < count && !thrift->failed; i++) {
        if (type == THRIFT_TRUE || type == THRIFT_FALSE) {
            pass(thrift, 1); // Inside of lists they are a byte each.
        } else {
            thrift_skip(thrift, type, depth + 1);
        }
    }
}

static void skip_map(struct thrift *thrift, uint32_t depth)
{
    uint64_t count = next_varint(thrift);
    uint8_t types = count > 0 ? next_byte(thrift) : 0;
    for (uint64_t i = 0; i < count && !thrift->failed; i++) {
        thrift_skip(thrift, types >> 4, depth + 1);
        thrift_skip(thrift, types & 0x0F, depth + 1);
    }
}

void thrift_skip(struct thrift *thrift, uint8_t type, uint32_t depth)
{
    struct thrift_field field = {0};
    if (depth > THRIFT_DEPTH_MAX) {
        thrift->failed = true;
        return;
    }
    switch ((enum thrift_type)type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        return;
    case THRIFT_I8:
        pass(thrift, 1);
        return;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        (void)next_varint(thrift);
        return;
    case THRIFT_DOUBLE:
        pass(thrift, 8);
        return;
    case THRIFT_BINARY:
        (void)thrift_binary(thrift);
        return;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_items(thrift, depth);
        return;
    case THRIFT_MAP:
        skip_map(thrift, depth);
        return;
    case THRIFT_STRUCT:
        while (thrift_next_field(thrift, &field)) {
            thrift_skip(thrift, field.type, depth + 1);
        }
        return;
    case THRIFT_STOP:
        break;
    }
    thrift->failed = true;
}

/* ---- writing ---- */

void thrift_put_integer(struct buffer *out, int64_t value)
{
    buffer_put_varint(out, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void thrift_put_field(struct buffer *out, int32_t *last, int32_t id, uint8_t type)
{
    int32_t step = id - *last;
    if (step > 0 && step < 16) {
        buffer_put_u8(out, (uint8_t)((uint32_t)step << 4 | type));
    } else {
        buffer_put_u8(out, type);
        thrift_put_integer(out, id);
    }
    *last = id;
}

void thrift_put_binary(struct buffer *out, struct span bytes)
{
    buffer_put_sized(out, bytes);
}

void thrift_put_list(struct buffer *out, uint32_t count, uint8_t type)
{
    if (count < 15) {
        buffer_put_u8(out, (uint8_t)(count << 4 | type));
    } else {
        buffer_put_u8(out, (uint8_t)(0xF0 | type));
        buffer_put_varint(out, count);
    }
}

void thrift_put_stop(struct buffer *out)
{
    buffer_put_u8(out, THRIFT_STOP);
}
