#pragma once

/*
 * A schema says which columns the rows of a collection have. It is a value: built, then never
 * changed; a change of the collection makes a new one with a higher version.
 *
 * Columns are known by `id`, which is never used twice in a collection: renaming changes a name
 * only, dropping leaves old segments with a column that nobody asks for, and adding gives rows of
 * older segments the column's `missing` value.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/codec.h"
#include "base/err.h"
#include "types/type.h"

#define SCHEMA_COLUMN_COUNT_MAX 1600u /* As PostgreSQL. */
#define SCHEMA_KEY_COUNT_MAX    32u
#define SCHEMA_NAME_SIZE_MAX    128u

struct schema_column {
    uint32_t id; /* From 1. */
    bool not_null;
    struct type type;
    const char *name;     /* In the schema's memory, as are the bytes of `missing`. */
    struct datum missing; /* What rows have that were written before the column existed. */
};

struct schema {
    uint32_t version; /* From 1. */
    uint32_t column_count;
    struct schema_column *columns;
    uint32_t key_count;    /* At least 1. */
    uint32_t *key_columns; /* Positions in `columns`, in key order. Key columns are not null. */
    uint32_t column_id_next;
    uint32_t ttl_column_id; /* Rows expire `ttl_us` after the time in this column: a date or a */
    int64_t ttl_us;         /* timestamp, null: never. 0: they do not. */
    const struct alloc *alloc;
    struct arena *arena; /* Owns all of the above. */
};

/* Copies a schema described by the caller (only `version`, `columns`, `key_columns`, counts,
 * `column_id_next` and the `ttl_` fields are read) after checking it: TDBPLUS_E_INVALID names what
 * is wrong (no key, nullable or unkeyable key column, duplicate id or name, too many columns,
 * unknown type). */
TDBPLUS_CHECKED tdbplus_status schema_create(const struct schema *description,
                                             const struct alloc *alloc, struct schema **schema_out,
                                             struct err *err);
void schema_destroy(struct schema *schema);

/* Position of the column with that id or name, or -1. */
int32_t schema_find_id(const struct schema *schema, uint32_t id);
int32_t schema_find_name(const struct schema *schema, const char *name);

/* Position of the column that rows expire by, or -1. */
int32_t schema_ttl_position(const struct schema *schema);

/* At `now_us` since 1970 rows have expired whose value in that column is *limit_out or less. False
 * when none can have. */
bool schema_ttl_limit(const struct schema *schema, uint64_t now_us, int64_t *limit_out);

/* To bytes for log and manifest, and back (TDBPLUS_E_CORRUPT on any nonsense). */
void schema_encode(const struct schema *schema, struct buffer *buffer);
TDBPLUS_CHECKED tdbplus_status schema_decode(struct span encoded, const struct alloc *alloc,
                                             struct schema **schema_out, struct err *err);

/* ---- rows as bytes: in the log, in private writes ---- */

/*
 * An encoded row is a null bitmap and the values of all columns in schema order. It can only be
 * read with the schema (version) it was written by.
 */

/* Appends the row; `values` has column_count items of the columns' types. Memory failure is sticky
 * in `buffer`. */
void row_encode(const struct schema *schema, const struct datum *values, struct buffer *buffer);

/* Fills column_count data that borrow from `encoded`. TDBPLUS_E_CORRUPT unless every byte is used
 * and every length fits. */
TDBPLUS_CHECKED tdbplus_status row_decode(const struct schema *schema, struct span encoded,
                                          struct datum *values_out, struct err *err);

/* ---- keys ---- */

/*
 * A normalised key compares by memcmp as its values compare in order (datum_compare column by
 * column). Integers are big-endian with the sign bit flipped; variable-size columns before the last
 * escape zero bytes and end with a terminator; the last column's bytes stand as they are. Values
 * that compare equal (-0 and 0, 1.0 and 1.00, one month and 30 days) have the same key.
 */

#define KEY_SIZE_MAX 2048u

/* True when values of the type can be part of a key. */
bool key_type_allowed(struct type type);

/* Appends the normalised key made of the `key_count` values; TDBPLUS_E_LIMIT past KEY_SIZE_MAX,
 * TDBPLUS_E_NULL for a null, TDBPLUS_E_NOMEM. On failure nothing was appended. */
TDBPLUS_CHECKED tdbplus_status key_encode(const struct datum *key_values, uint32_t key_count,
                                          struct buffer *buffer, struct err *err);

/* Appends what every longer key that begins with these values begins with: the bound of a range
 * scan over the first `value_count` columns of a key that has more. Statuses as key_encode(). */
TDBPLUS_CHECKED tdbplus_status key_encode_prefix(const struct datum *key_values,
                                                 uint32_t value_count, struct buffer *buffer,
                                                 struct err *err);

/* True when every key of the schema is exactly 8 bytes whose big-endian value (the key's *code*)
 * orders it: a single int8, int4, int2, date, time, timestamp, enum or numeric of up to 18 digits.
 * Their normal form is that of `integer` as an int8. */
bool key_is_integer(const struct schema *schema);

/* The first 8 bytes, big-endian, short keys padded with zeros. */
static inline uint64_t key_code(struct span key)
{
    if (key.size >= 8) {
        return load_u64_be(key.data);
    }
    uint64_t code = 0;
    for (size_t i = 0; i < key.size; i++) {
        code |= (uint64_t)key.data[i] << (56 - 8 * i);
    }
    return code;
}

/* Code of an integer key, and back. */
static inline uint64_t key_code_of_integer(int64_t value)
{
    return (uint64_t)value ^ ((uint64_t)1 << 63);
}

static inline int64_t key_integer_of_code(uint64_t code)
{
    return (int64_t)(code ^ ((uint64_t)1 << 63));
}

/* The hash that filters and lock tables use; 8-byte keys are mixed from their code alone. */
uint64_t key_hash(struct span key);
