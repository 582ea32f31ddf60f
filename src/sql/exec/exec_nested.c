/* Keys of values that have values inside: arrays, documents, vectors. */

#include <string.h>

#include "sql/exec/exec_internal.h"
#include "types/array.h"
#include "types/json.h"

static void put_number(uint32_t number, struct buffer *buffer)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        buffer_put_u8(buffer, (uint8_t)(number >> shift));
    }
}

/* Item by item, then how many there are, then the shape; nulls after everything. */
static bool order_array(const struct datum *value, struct buffer *buffer)
{
    struct array array;
    if (array_open(value->bytes, value->type, &array, NULL) != TDBPLUS_OK) {
        return false;
    }
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        buffer_put_u8(buffer, item.is_null ? 2 : 1);
        if (!item.is_null && !order_value(&item, buffer)) {
            return false;
        }
    }
    buffer_put_u8(buffer, 0);
    put_number(array.dimension_count, buffer);
    for (uint32_t d = 0; d < array.dimension_count; d++) {
        put_number(array.dimensions[d].length, buffer);
        put_number((uint32_t)array.dimensions[d].lower ^ 0x80000000u, buffer);
    }
    return true;
}

/* A vector of any dimension says before each component that there is one more. */
static bool order_vector(const struct datum *value, struct buffer *buffer)
{
    bool any = value->type.parameter == 0;
    for (size_t at = 0; at + sizeof(float) <= value->bytes.size; at += sizeof(float)) {
        float component = 0;
        if (any) {
            buffer_put_u8(buffer, 1);
        }
        memcpy(&component, value->bytes.data + at, sizeof component);
        struct datum item = {.type = type_of(TYPE_FLOAT4), .real = (double)component};
        if (!order_value(&item, buffer)) {
            return false;
        }
    }
    if (any) {
        buffer_put_u8(buffer, 0);
    }
    return true;
}

static bool order_number(struct span value, struct buffer *buffer)
{
    struct buffer numeric;
    buffer_init(&numeric, buffer->alloc);
    json_numeric(value, &numeric);
    struct datum number = {.type = type_of(TYPE_NUMERIC), .bytes = buffer_span(&numeric)};
    bool good = !numeric.failed && order_value(&number, buffer);
    buffer_deinit(&numeric);
    return good;
}

static bool order_string(struct span text, struct buffer *buffer)
{
    struct datum string = {.type = type_of(TYPE_TEXT), .bytes = text};
    return order_value(&string, buffer);
}

/* The kind, the number of what is inside, and what is inside, one after the other. Documents are at
 * most JSON_DEPTH_MAX deep, so the recursion is, too. */
static bool order_document(struct span value, bool top, struct buffer *buffer)
{
    enum json_kind kind = json_kind(value);
    uint32_t count = json_count(value);
    bool good = true;
    // An empty array at the top comes before every scalar, as in PostgreSQL.
    buffer_put_u8(buffer, top && kind == JSON_ARRAY && count == 0 ? 0 : (uint8_t)(kind + 1));
    switch (kind) {
    case JSON_NULL:
        break;
    case JSON_BOOLEAN:
        buffer_put_u8(buffer, json_boolean(value));
        break;
    case JSON_STRING:
        return order_string(json_string(value), buffer);
    case JSON_NUMBER:
        return order_number(value, buffer);
    case JSON_ARRAY:
        put_number(count, buffer);
        for (uint32_t i = 0; good && i < count; i++) {
            good = order_document(json_item(value, i), false, buffer);
        }
        break;
    case JSON_OBJECT:
        put_number(count, buffer);
        for (uint32_t i = 0; good && i < count; i++) {
            struct span key = {0};
            struct span member = json_member(value, i, &key);
            good = order_string(key, buffer) && order_document(member, false, buffer);
        }
        break;
    }
    return good;
}

bool order_nested(const struct datum *value, struct buffer *buffer)
{
    switch (value->type.id) {
    case TYPE_ARRAY:
        return order_array(value, buffer);
    case TYPE_JSON:
        return order_document(value->bytes, true, buffer);
    case TYPE_VECTOR:
        return order_vector(value, buffer);
    default:
        return false;
    }
}
