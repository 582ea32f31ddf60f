/*
 * Rows as bytes: a bitmap with a set bit for each null, then the values that are not null, without
 * padding. On the path of every write, so each row reserves its memory once and the loops know the
 * sizes they store.
 */

#include <string.h>

#include "base/assert.h"
#include "types/schema.h"
#include "types/types_internal.h"

#define LENGTH_SIZE_MAX 5u /* Bytes of a varint up to VALUE_SIZE_MAX. */

static size_t bitmap_size(uint32_t column_count)
{
    return ((size_t)column_count + 7) / 8;
}

/* No row of these values is longer: a fixed value takes up to 16 bytes, a length fewer. */
static size_t size_bound(const struct schema *schema, const struct datum *values)
{
    size_t size = bitmap_size(schema->column_count);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        enum physical physical = physical_of(schema->columns[i].type);
        size += sizeof(wide_int);
        if (!values[i].is_null && (physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED)) {
            size += values[i].bytes.size;
        }
    }
    return size;
}

static inline uint8_t *put_length(uint8_t *at, size_t size)
{
    while (size >= 0x80) {
        *at++ = (uint8_t)(size | 0x80);
        size >>= 7;
    }
    *at++ = (uint8_t)size;
    return at;
}

static inline uint8_t *put_bytes(uint8_t *at, struct span bytes)
{
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

static inline uint8_t *put_value(uint8_t *at, const struct datum *value, struct type type)
{
    enum physical physical = physical_of(type);
    if (physical == PHYSICAL_VIEW) {
        ASSERT(value->bytes.size <= VALUE_SIZE_MAX);
        at = put_length(at, value->bytes.size);
        return put_bytes(at, value->bytes);
    }
    value_store(physical, value, at);
    return at + value_width(physical, type);
}

void row_encode(const struct schema *schema, const struct datum *values, struct buffer *buffer)
{
    if (!buffer_reserve(buffer, size_bound(schema, values))) {
        return;
    }
    uint8_t *start = buffer->data + buffer->size;
    size_t bitmap = bitmap_size(schema->column_count);
    memset(start, 0, bitmap);
    uint8_t *at = start + bitmap;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (values[i].is_null) {
            start[i / 8] |= (uint8_t)(1u << (i % 8));
        } else {
            at = put_value(at, &values[i], schema->columns[i].type);
        }
    }
    buffer->size += (size_t)(at - start);
}

/* What is left to decode; `at` is NULL once something did not fit. */
struct row_reader {
    const uint8_t *at;
    const uint8_t *end;
};

static inline const uint8_t *take(struct row_reader *reader, size_t size)
{
    const uint8_t *at = reader->at;
    if (at == NULL || (size_t)(reader->end - at) < size) {
        reader->at = NULL;
        return NULL;
    }
    reader->at = at + size;
    return at;
}

static inline size_t take_length(struct row_reader *reader)
{
    size_t length = 0;
    for (unsigned shift = 0; shift < 7 * LENGTH_SIZE_MAX; shift += 7) {
        const uint8_t *at = take(reader, 1);
        if (at == NULL) {
            return 0;
        }
        length |= (size_t)(*at & 0x7F) << shift;
        if (*at < 0x80) {
            // A last byte of zero after others is a longer way to write the same number.
            if (length > VALUE_SIZE_MAX || (shift > 0 && *at == 0)) {
                break;
            }
            return length;
        }
    }
    reader->at = NULL;
    return 0;
}

/* Reads one value that is not null; false when it does not fit or cannot be. */
static inline bool take_value(struct row_reader *reader, struct datum *value)
{
    enum physical physical = physical_of(value->type);
    bool is_view = physical == PHYSICAL_VIEW;
    size_t size = is_view ? take_length(reader) : value_width(physical, value->type);
    const uint8_t *at = take(reader, size);
    if (at == NULL) {
        return false;
    }
    if (is_view) {
        value->bytes = (struct span){.data = at, .size = size};
        return true;
    }
    return value_load(physical, at, value);
}

static TDBPLUS_CHECKED tdbplus_status bad_row(const struct schema *schema, uint32_t column,
                                              struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "row: the value of column '%s' does not fit the row",
                   schema->columns[column].name);
}

tdbplus_status row_decode(const struct schema *schema, struct span encoded,
                          struct datum *values_out, struct err *err)
{
    struct row_reader reader = {.at = encoded.data, .end = encoded.data + encoded.size};
    uint32_t count = schema->column_count;
    const uint8_t *bitmap = take(&reader, bitmap_size(count));
    if (bitmap == NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT, "row: %zu bytes end within the null bitmap",
                       encoded.size);
    }
    if (count % 8 != 0 && bitmap[count / 8] >> (count % 8) != 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "row: the null bitmap names columns past the last");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum *value = &values_out[i];
        value->type = schema->columns[i].type;
        value->is_null = (bitmap[i / 8] >> (i % 8) & 1) != 0;
        if (!value->is_null && !take_value(&reader, value)) {
            return bad_row(schema, i, err);
        }
    }
    if (reader.at != reader.end) {
        return err_set(err, TDBPLUS_E_CORRUPT, "row: %zu bytes are left over",
                       (size_t)(reader.end - reader.at));
    }
    return TDBPLUS_OK;
}
