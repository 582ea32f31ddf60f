#include "types/schema.h"

#include <string.h>

#include "base/assert.h"
#include "types/array.h"
#include "types/json.h"
#include "types/numeric.h"

#define SCHEMA_FORMAT     1u
#define SCHEMA_FORMAT_TTL 2u /* With the two fields of expiry behind. */
#define DAY_US            ((int64_t)86400 * 1000000)
#define SCHEMA_ARENA_SIZE ((size_t)4096)

#define FLAG_NOT_NULL 1u
#define FLAG_MISSING  2u /* `missing` is a value, not null. */

/* The schema and the arena of everything it points to. */
struct schema_owner {
    struct schema schema;
    struct arena arena;
};

/* ---- checking ---- */

static tdbplus_status check_counts(const struct schema *schema, struct err *err)
{
    if (schema->version == 0) {
        return err_set(err, TDBPLUS_E_INVALID, "schema: versions count from 1");
    }
    if (schema->column_count == 0 || schema->column_count > SCHEMA_COLUMN_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_INVALID, "schema: %u columns; it takes 1 to %u",
                       schema->column_count, SCHEMA_COLUMN_COUNT_MAX);
    }
    if (schema->key_count == 0 || schema->key_count > SCHEMA_KEY_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_INVALID, "schema: %u key columns; it takes 1 to %u",
                       schema->key_count, SCHEMA_KEY_COUNT_MAX);
    }
    return TDBPLUS_OK;
}

/* Whether bytes of a type with rules of its own follow them; readers rely on it. */
static bool bytes_fit(const struct datum *datum)
{
    struct array array;
    switch (datum->type.id) {
    case TYPE_NUMERIC:
        return numeric_valid(datum->bytes);
    case TYPE_JSON:
        return json_validate(datum->bytes, NULL) == TDBPLUS_OK;
    case TYPE_VECTOR:
        return datum->bytes.size > 0 && datum->bytes.size % sizeof(float) == 0;
    case TYPE_ARRAY:
        return array_open(datum->bytes, datum->type, &array, NULL) == TDBPLUS_OK;
    default:
        return true;
    }
}

static tdbplus_status check_missing(const struct schema_column *column, struct err *err)
{
    const struct datum *missing = &column->missing;
    if (missing->is_null || missing->type.id == TYPE_NONE) {
        return TDBPLUS_OK;
    }
    if (!type_equal(missing->type, column->type)) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "schema: the missing value of column '%s' has another type", column->name);
    }
    enum physical physical = type_physical(column->type);
    bool fits = physical != PHYSICAL_FIXED || missing->bytes.size == type_width(column->type);
    if (physical == PHYSICAL_VIEW) {
        fits = missing->bytes.size <= VALUE_SIZE_MAX && bytes_fit(missing);
    }
    if (!fits) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "schema: the missing value of column '%s' is not one of its type",
                       column->name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_column(const struct schema *schema, uint32_t position, struct err *err)
{
    const struct schema_column *column = &schema->columns[position];
    size_t name_size = column->name == NULL ? 0 : strnlen(column->name, SCHEMA_NAME_SIZE_MAX);
    if (name_size == 0 || name_size == SCHEMA_NAME_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "schema: the name of column %u is empty or has %u bytes or more",
                       position + 1, SCHEMA_NAME_SIZE_MAX);
    }
    if (!type_valid(column->type)) {
        return err_set(err, TDBPLUS_E_INVALID, "schema: column '%s' has an unknown type",
                       column->name);
    }
    if (column->id == 0 || column->id >= schema->column_id_next) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "schema: the id %u of column '%s' is not between 1 and the next id %u",
                       column->id, column->name, schema->column_id_next);
    }
    return check_missing(column, err);
}

static tdbplus_status check_duplicates(const struct schema *schema, struct err *err)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (schema->columns[i].id == schema->columns[k].id) {
                return err_set(err, TDBPLUS_E_INVALID, "schema: two columns have the id %u",
                               schema->columns[i].id);
            }
            if (strcmp(schema->columns[i].name, schema->columns[k].name) == 0) {
                return err_set(err, TDBPLUS_E_INVALID, "schema: two columns are named '%s'",
                               schema->columns[i].name);
            }
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_key(const struct schema *schema, struct err *err)
{
    for (uint32_t i = 0; i < schema->key_count; i++) {
        uint32_t position = schema->key_columns[i];
        if (position >= schema->column_count) {
            return err_set(err, TDBPLUS_E_INVALID, "schema: key column %u of %u does not exist",
                           position, schema->column_count);
        }
        const struct schema_column *column = &schema->columns[position];
        if (!column->not_null || !key_type_allowed(column->type)) {
            char name[64];
            type_name(column->type, name);
            return err_set(err, TDBPLUS_E_INVALID, "schema: column '%s' (%s%s) cannot be in a key",
                           column->name, name, column->not_null ? "" : ", nullable");
        }
        for (uint32_t k = 0; k < i; k++) {
            if (schema->key_columns[k] == position) {
                return err_set(err, TDBPLUS_E_INVALID, "schema: column '%s' is twice in the key",
                               column->name);
            }
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_ttl(const struct schema *schema, struct err *err)
{
    if (schema->ttl_column_id == 0) {
        return TDBPLUS_OK;
    }
    int32_t position = schema_ttl_position(schema);
    if (position < 0 || schema->ttl_us < 0) {
        return err_set(err, TDBPLUS_E_INVALID, "schema: rows expire by a column that is not there");
    }
    const struct schema_column *column = &schema->columns[position];
    if (column->type.id != TYPE_DATE && column->type.id != TYPE_TIMESTAMP &&
        column->type.id != TYPE_TIMESTAMPTZ) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "schema: rows cannot expire by column '%s': it is no date or timestamp",
                       column->name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status check(const struct schema *schema, struct err *err)
{
    TRY(check_counts(schema, err));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        TRY(check_column(schema, i, err));
    }
    TRY(check_duplicates(schema, err));
    TRY(check_ttl(schema, err));
    return check_key(schema, err);
}

/* ---- making ---- */

static bool copy_column(struct arena *arena, const struct schema_column *from,
                        struct schema_column *to)
{
    *to = *from;
    to->name = arena_text(arena, span_from_text(from->name));
    if (to->name == NULL) {
        return false;
    }
    if (from->missing.is_null || from->missing.type.id == TYPE_NONE) {
        to->missing = (struct datum){.type = from->type, .is_null = true};
        return true;
    }
    enum physical physical = type_physical(from->type);
    if (physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED) {
        to->missing.bytes.data = (const uint8_t *)arena_text(arena, from->missing.bytes);
        return to->missing.bytes.data != NULL;
    }
    return true;
}

/* Deep copy; false when memory is out. */
static bool copy(struct schema_owner *owner, const struct schema *from)
{
    struct schema *schema = &owner->schema;
    struct arena *arena = &owner->arena;
    schema->version = from->version;
    schema->column_count = from->column_count;
    schema->column_id_next = from->column_id_next;
    schema->key_count = from->key_count;
    schema->ttl_column_id = from->ttl_column_id;
    schema->ttl_us = from->ttl_us;
    schema->columns = arena_array(arena, from->column_count, sizeof *schema->columns);
    schema->key_columns = arena_array(arena, from->key_count, sizeof *schema->key_columns);
    if (schema->columns == NULL || schema->key_columns == NULL) {
        return false;
    }
    memcpy(schema->key_columns, from->key_columns, from->key_count * sizeof *schema->key_columns);
    for (uint32_t i = 0; i < from->column_count; i++) {
        if (!copy_column(arena, &from->columns[i], &schema->columns[i])) {
            return false;
        }
    }
    return true;
}

tdbplus_status schema_create(const struct schema *description, const struct alloc *alloc,
                             struct schema **schema_out, struct err *err)
{
    TRY(check(description, err));
    struct schema_owner *owner = alloc_array(alloc, 1, sizeof *owner);
    if (owner == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "schema: no memory");
    }
    owner->schema.alloc = alloc;
    owner->schema.arena = &owner->arena;
    arena_init(&owner->arena, alloc, SCHEMA_ARENA_SIZE);
    if (!copy(owner, description)) {
        schema_destroy(&owner->schema);
        return err_set(err, TDBPLUS_E_NOMEM, "schema: no memory for %u columns",
                       description->column_count);
    }
    *schema_out = &owner->schema;
    return TDBPLUS_OK;
}

void schema_destroy(struct schema *schema)
{
    if (schema != NULL) {
        const struct alloc *alloc = schema->alloc;
        struct schema_owner *owner = (struct schema_owner *)schema;
        arena_deinit(&owner->arena);
        alloc_free(alloc, owner, 1, sizeof *owner);
    }
}

int32_t schema_find_id(const struct schema *schema, uint32_t id)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (schema->columns[i].id == id) {
            return (int32_t)i;
        }
    }
    return -1;
}

int32_t schema_ttl_position(const struct schema *schema)
{
    return schema->ttl_column_id == 0 ? -1 : schema_find_id(schema, schema->ttl_column_id);
}

bool schema_ttl_limit(const struct schema *schema, uint64_t now_us, int64_t *limit_out)
{
    int32_t position = schema_ttl_position(schema);
    if (position < 0 || now_us > INT64_MAX) {
        return false;
    }
    int64_t limit = (int64_t)now_us - schema->ttl_us; // Both are not negative.
    if (schema->columns[position].type.id == TYPE_DATE) {
        // Days begin at midnight: rounded down, also before 1970.
        limit = limit >= 0 ? limit / DAY_US : -((-limit + DAY_US - 1) / DAY_US);
    }
    *limit_out = limit;
    return true;
}

int32_t schema_find_name(const struct schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (strcmp(schema->columns[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* ---- as bytes ---- */

/* A schema of one nullable column, to write a value as a row of one. */
static struct schema schema_of_one(struct schema_column *column)
{
    return (struct schema){.version = 1, .column_count = 1, .columns = column};
}

static void encode_missing(const struct schema_column *column, struct buffer *buffer)
{
    struct schema_column copy_of_column = *column;
    struct schema one = schema_of_one(&copy_of_column);
    size_t size_at = buffer->size;
    buffer_put_u32(buffer, 0);
    row_encode(&one, &column->missing, buffer);
    if (!buffer->failed) {
        store_u32(buffer->data + size_at, (uint32_t)(buffer->size - size_at - sizeof(uint32_t)));
    }
}

static void encode_column(const struct schema_column *column, struct buffer *buffer)
{
    uint8_t flags = (uint8_t)((column->not_null ? FLAG_NOT_NULL : 0) |
                              (column->missing.is_null ? 0 : FLAG_MISSING));
    buffer_put_varint(buffer, column->id);
    buffer_put_u8(buffer, flags);
    buffer_put_u8(buffer, column->type.id);
    buffer_put_u8(buffer, column->type.element);
    buffer_put_u16(buffer, (uint16_t)column->type.precision);
    buffer_put_u16(buffer, (uint16_t)column->type.scale);
    buffer_put_u32(buffer, column->type.parameter);
    buffer_put_sized(buffer, span_from_text(column->name));
    if (!column->missing.is_null) {
        encode_missing(column, buffer);
    }
}

void schema_encode(const struct schema *schema, struct buffer *buffer)
{
    bool expires = schema->ttl_column_id != 0;
    buffer_put_u8(buffer, expires ? SCHEMA_FORMAT_TTL : SCHEMA_FORMAT);
    buffer_put_varint(buffer, schema->version);
    buffer_put_varint(buffer, schema->column_count);
    buffer_put_varint(buffer, schema->key_count);
    buffer_put_varint(buffer, schema->column_id_next);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        encode_column(&schema->columns[i], buffer);
    }
    for (uint32_t i = 0; i < schema->key_count; i++) {
        buffer_put_varint(buffer, schema->key_columns[i]);
    }
    if (expires) {
        buffer_put_varint(buffer, schema->ttl_column_id);
        buffer_put_varint(buffer, (uint64_t)schema->ttl_us);
    }
}

static TDBPLUS_CHECKED tdbplus_status bad_schema(struct err *err, const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "schema: the stored schema is damaged: %s", what);
}

/* A varint that must fit 32 bits; past them the reader is overrun. */
static uint32_t read_count(struct reader *reader)
{
    uint64_t value = reader_varint(reader);
    if (value > UINT32_MAX) {
        reader->overrun = true;
        return 0;
    }
    return (uint32_t)value;
}

static tdbplus_status decode_missing(struct reader *reader, struct schema_column *column,
                                     struct err *err)
{
    struct span row = reader_span(reader, reader_u32(reader));
    if (reader->overrun || !type_valid(column->type)) {
        return bad_schema(err, "a missing value");
    }
    struct schema one = schema_of_one(column);
    TRY(row_decode(&one, row, &column->missing, err));
    return column->missing.is_null ? bad_schema(err, "a missing value is null") : TDBPLUS_OK;
}

static tdbplus_status decode_column(struct reader *reader, struct arena *arena,
                                    struct schema_column *column, struct err *err)
{
    column->id = read_count(reader);
    uint8_t flags = reader_u8(reader);
    column->not_null = (flags & FLAG_NOT_NULL) != 0;
    column->type.id = reader_u8(reader);
    column->type.element = reader_u8(reader);
    column->type.precision = (int16_t)reader_u16(reader);
    column->type.scale = (int16_t)reader_u16(reader);
    column->type.parameter = reader_u32(reader);
    struct span name = reader_sized(reader);
    if (reader->overrun || flags > (FLAG_NOT_NULL | FLAG_MISSING)) {
        return bad_schema(err, "a column");
    }
    if (name.size >= SCHEMA_NAME_SIZE_MAX || (name.size > 0 && memchr(name.data, 0, name.size))) {
        return bad_schema(err, "a name");
    }
    column->name = arena_text(arena, name);
    if (column->name == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "schema: no memory for a name");
    }
    column->missing = (struct datum){.type = column->type, .is_null = true};
    return (flags & FLAG_MISSING) != 0 ? decode_missing(reader, column, err) : TDBPLUS_OK;
}

/* Reads everything into the arena; the rules are checked by schema_create(). */
static tdbplus_status decode_description(struct reader *reader, struct arena *arena,
                                         struct schema *schema, struct err *err)
{
    uint8_t format = reader_u8(reader);
    if (format != SCHEMA_FORMAT && format != SCHEMA_FORMAT_TTL) {
        return bad_schema(err, "an unknown format");
    }
    schema->version = read_count(reader);
    schema->column_count = read_count(reader);
    schema->key_count = read_count(reader);
    schema->column_id_next = read_count(reader);
    if (reader->overrun || schema->column_count > SCHEMA_COLUMN_COUNT_MAX ||
        schema->key_count > SCHEMA_KEY_COUNT_MAX) {
        return bad_schema(err, "the counts");
    }
    schema->columns = arena_array(arena, schema->column_count, sizeof *schema->columns);
    schema->key_columns = arena_array(arena, schema->key_count, sizeof *schema->key_columns);
    if (schema->columns == NULL || schema->key_columns == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "schema: no memory for %u columns",
                       schema->column_count);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        TRY(decode_column(reader, arena, &schema->columns[i], err));
    }
    for (uint32_t i = 0; i < schema->key_count; i++) {
        schema->key_columns[i] = read_count(reader);
    }
    if (format == SCHEMA_FORMAT_TTL) {
        schema->ttl_column_id = read_count(reader);
        uint64_t ttl_us = reader_varint(reader);
        if (schema->ttl_column_id == 0 || ttl_us > INT64_MAX) {
            return bad_schema(err, "when rows expire");
        }
        schema->ttl_us = (int64_t)ttl_us;
    }
    if (reader->overrun || reader->rest.size != 0) {
        return bad_schema(err, "the end is not where it should be");
    }
    return TDBPLUS_OK;
}

tdbplus_status schema_decode(struct span encoded, const struct alloc *alloc,
                             struct schema **schema_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct arena arena = {0};
    arena_init(&arena, alloc, SCHEMA_ARENA_SIZE);
    struct reader reader = reader_of(encoded);
    struct schema description = {0};
    struct err why = {0};
    TRY_OR(done, decode_description(&reader, &arena, &description, err));
    status = schema_create(&description, alloc, schema_out, &why);
    if (status == TDBPLUS_E_INVALID) {
        status =
            err_set(err, TDBPLUS_E_CORRUPT, "schema: the stored schema is damaged: %s", why.text);
    } else if (status != TDBPLUS_OK) {
        status = err_set(err, status, "%s", why.text);
    }
done:
    arena_deinit(&arena);
    return status;
}
