/*
 * Normalised keys. Each value becomes bytes whose memcmp order is its own order; every encoding but
 * the last column's is self-delimiting, so that a longer value of one column cannot reach into the
 * next (T4).
 */

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "types/catalog_type.h"
#include "types/numeric_internal.h"
#include "types/packed.h"
#include "types/schema.h"
#include "types/types_internal.h"

/* First byte of a variable-size numeric, by order. */
enum {
    KEY_NUMERIC_MINUS_INFINITY = 1,
    KEY_NUMERIC_NEGATIVE = 2,
    KEY_NUMERIC_ZERO = 3,
    KEY_NUMERIC_POSITIVE = 4,
    KEY_NUMERIC_INFINITY = 5,
    KEY_NUMERIC_NAN = 6,
};

#define KEY_ZERO_BYTE_ESCAPE 0xFFu /* Follows a zero byte that belongs to the value. */
#define KEY_TERMINATOR       0x00u /* Follows a zero byte that ends the value. */
#define KEY_FIXED_SIZE_MAX   16u

/* A key under construction. */
struct key {
    uint8_t *data;
    size_t size;
    bool full; /* Something did not fit into KEY_SIZE_MAX. */
};

bool key_type_allowed(struct type type)
{
    switch (type.id) {
    case TYPE_NONE:
    case TYPE_JSON:
    case TYPE_ARRAY:
    case TYPE_VECTOR:
        return false;
    default:
        return types_physical[type.id] != 0;
    }
}

static bool type_is_integer(struct type type)
{
    switch (type.id) {
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_ENUM:
    case TYPE_MONEY:
        return true;
    default:
        if (catalog_number_type(type)) {
            return true;
        }
        return type.id == TYPE_NUMERIC && type_physical(type) == PHYSICAL_8;
    }
}

bool key_is_integer(const struct schema *schema)
{
    return schema->key_count == 1 && type_is_integer(schema->columns[schema->key_columns[0]].type);
}

static bool has_room(struct key *key, size_t size)
{
    if (KEY_SIZE_MAX - key->size < size) {
        key->full = true;
        return false;
    }
    return true;
}

/* The low `width` bytes of `value`, most significant first. */
static void put_big_endian(struct key *key, uint64_t value, size_t width)
{
    if (has_room(key, width)) {
        uint8_t bytes[sizeof value];
        store_u64_be(bytes, value);
        memcpy(key->data + key->size, bytes + sizeof bytes - width, width);
        key->size += width;
    }
}

static void put_integer(struct key *key, int64_t value, size_t width)
{
    put_big_endian(key, (uint64_t)value ^ ((uint64_t)1 << (8 * width - 1)), width);
}

static void put_wide(struct key *key, wide_int value)
{
    wide_uint flipped = (wide_uint)value ^ ((wide_uint)1 << 127);
    put_big_endian(key, (uint64_t)(flipped >> 64), sizeof(uint64_t));
    put_big_endian(key, (uint64_t)flipped, sizeof(uint64_t));
}

/* Positive floats order as their bits do, negative ones the other way round. */
static void put_real(struct key *key, double value, size_t width)
{
    value = isnan(value) ? (double)NAN : (value == 0 ? 0.0 : value);
    uint64_t bits = 0;
    if (width == sizeof(float)) {
        float narrow = (float)value;
        uint32_t word = 0;
        memcpy(&word, &narrow, sizeof word);
        bits = word;
    } else {
        memcpy(&bits, &value, sizeof bits);
    }
    uint64_t sign = (uint64_t)1 << (8 * width - 1);
    // The sign bit of a NaN is whatever the machine made it; ours is clear.
    bits = isnan(value) ? bits & ~sign : bits;
    put_big_endian(key, (bits & sign) != 0 ? ~bits : bits | sign, width);
}

static void put_raw(struct key *key, struct span bytes)
{
    if (has_room(key, bytes.size) && bytes.size > 0) {
        memcpy(key->data + key->size, bytes.data, bytes.size);
        key->size += bytes.size;
    }
}

/* Zero bytes inside become 00 FF and the end 00 00: the end of a shorter value sorts before any
 * byte that the longer one has there. */
static void put_escaped(struct key *key, struct span bytes)
{
    if (!has_room(key, bytes.size)) {
        return;
    }
    static const uint8_t escape[2] = {0, KEY_ZERO_BYTE_ESCAPE};
    static const uint8_t end[2] = {0, KEY_TERMINATOR};
    while (bytes.size > 0 && !key->full) {
        const uint8_t *zero = memchr(bytes.data, 0, bytes.size);
        size_t run = zero == NULL ? bytes.size : (size_t)(zero - bytes.data);
        put_raw(key, (struct span){bytes.data, run});
        if (zero != NULL) {
            put_raw(key, (struct span){escape, sizeof escape});
            run++;
        }
        bytes.data += run;
        bytes.size -= run;
    }
    put_raw(key, (struct span){end, sizeof end});
}

static void put_numeric(struct key *key, struct span encoded)
{
    static const uint8_t first_of[] = {
        [NUMERIC_POSITIVE] = KEY_NUMERIC_POSITIVE,
        [NUMERIC_NEGATIVE] = KEY_NUMERIC_NEGATIVE,
        [NUMERIC_NAN] = KEY_NUMERIC_NAN,
        [NUMERIC_INFINITY] = KEY_NUMERIC_INFINITY,
        [NUMERIC_MINUS_INFINITY] = KEY_NUMERIC_MINUS_INFINITY,
    };
    struct numeric_parts parts = numeric_parts(encoded);
    if (parts.limb_count == 0) {
        bool is_zero = parts.kind == NUMERIC_POSITIVE;
        put_big_endian(key, is_zero ? KEY_NUMERIC_ZERO : first_of[parts.kind], 1);
        return;
    }
    // Limbs are stored plus one, so that the end (0) sorts before every limb; a negative number is
    // the complement of its absolute value.
    uint64_t flip = parts.kind == NUMERIC_NEGATIVE ? UINT16_MAX : 0;
    put_big_endian(key, first_of[parts.kind], 1);
    put_big_endian(key, ((uint64_t)parts.weight ^ 0x8000u) ^ flip, 2);
    for (uint32_t i = 0; i < parts.limb_count && !key->full; i++) {
        put_big_endian(key, (uint64_t)(numeric_limb(&parts, i) + 1) ^ flip, 2);
    }
    put_big_endian(key, flip, 2);
}

static void put_16(struct key *key, const struct datum *value)
{
    if (value->type.id == TYPE_UUID) {
        put_raw(key, (struct span){value->uuid, sizeof value->uuid});
    } else if (value->type.id == TYPE_INTERVAL) {
        put_wide(key, interval_length(&value->interval));
    } else {
        put_wide(key, value->wide);
    }
}

/* One value of a key that has others after it. */
static void put_value(struct key *key, const struct datum *value)
{
    enum physical physical = type_physical(value->type);
    switch (physical) {
    case PHYSICAL_1:
        put_big_endian(key, value->boolean, 1);
        break;
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8: {
        size_t width = type_width(value->type);
        if (value->type.id == TYPE_FLOAT4 || value->type.id == TYPE_FLOAT8) {
            put_real(key, value->real, width);
        } else {
            put_integer(key, value->integer, width);
        }
        break;
    }
    case PHYSICAL_16:
        put_16(key, value);
        break;
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        if (value->type.id == TYPE_NUMERIC) {
            put_numeric(key, value->bytes);
        } else {
            put_escaped(key, packed_significant(value->type, value->bytes));
        }
        break;
    default:
        ASSERT(false);
    }
}

static void put_values(struct key *key, const struct datum *values, uint32_t count, bool last_open)
{
    for (uint32_t i = 0; i < count && !key->full; i++) {
        if (last_open && i + 1 == count &&
            (values[i].type.id == TYPE_TEXT || values[i].type.id == TYPE_BYTEA)) {
            put_raw(key, values[i].bytes);
        } else {
            put_value(key, &values[i]);
        }
    }
}

static tdbplus_status check_values(const struct datum *values, uint32_t count, struct err *err)
{
    for (uint32_t i = 0; i < count; i++) {
        ASSERT(key_type_allowed(values[i].type));
        if (values[i].is_null) {
            return err_set(err, TDBPLUS_E_NULL, "key: column %u of the key is null", i + 1);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status encode(const struct datum *values, uint32_t count, bool last_open,
                             struct buffer *buffer, struct err *err)
{
    TRY(check_values(values, count, err));
    uint8_t data[KEY_SIZE_MAX];
    struct key key = {.data = data};
    put_values(&key, values, count, last_open);
    if (key.full) {
        return err_set(err, TDBPLUS_E_LIMIT, "key: the key has more than %u bytes", KEY_SIZE_MAX);
    }
    buffer_put(buffer, data, key.size);
    if (buffer->failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "key: no memory for %zu bytes", key.size);
    }
    return TDBPLUS_OK;
}

tdbplus_status key_encode(const struct datum *key_values, uint32_t key_count, struct buffer *buffer,
                          struct err *err)
{
    ASSERT(key_count >= 1 && key_count <= SCHEMA_KEY_COUNT_MAX);
    if (key_count == 1 && !key_values->is_null && type_is_integer(key_values->type)) {
        uint8_t *at = buffer_extend(buffer, sizeof(uint64_t));
        if (at == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "key: no memory for 8 bytes");
        }
        store_u64_be(at, key_code_of_integer(key_values->integer));
        return TDBPLUS_OK;
    }
    return encode(key_values, key_count, true, buffer, err);
}

tdbplus_status key_encode_prefix(const struct datum *key_values, uint32_t value_count,
                                 struct buffer *buffer, struct err *err)
{
    ASSERT(value_count <= SCHEMA_KEY_COUNT_MAX);
    return encode(key_values, value_count, false, buffer, err);
}

uint64_t key_hash(struct span key)
{
    return key.size == sizeof(uint64_t) ? hash_u64(load_u64_be(key.data)) : hash_bytes(key, 0);
}
