#include "index/am/index_def.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"

#define DEF_VERSION 1u

enum def_flag {
    FLAG_UNIQUE = 1,
    FLAG_NULLS_NOT_DISTINCT = 2,
    FLAG_CONSTRAINT = 4,
    FLAG_DEFERRABLE = 8,
    FLAG_DEFERRED = 16,
    FLAG_READY = 32,
    FLAG_PRIMARY = 64,
};

enum column_flag { COLUMN_DESCENDING = 1, COLUMN_NULLS_FIRST = 2 };

static uint8_t flags_of(const struct index_def *def)
{
    return (uint8_t)((def->unique ? FLAG_UNIQUE : 0) |
                     (def->nulls_not_distinct ? FLAG_NULLS_NOT_DISTINCT : 0) |
                     (def->constraint ? FLAG_CONSTRAINT : 0) |
                     (def->deferrable ? FLAG_DEFERRABLE : 0) | (def->deferred ? FLAG_DEFERRED : 0) |
                     (def->ready ? FLAG_READY : 0) | (def->primary ? FLAG_PRIMARY : 0));
}

static void put_type(struct type type, struct buffer *buffer)
{
    buffer_put_u8(buffer, type.id);
    buffer_put_u8(buffer, type.element);
    buffer_put_u16(buffer, (uint16_t)type.precision);
    buffer_put_u16(buffer, (uint16_t)type.scale);
    buffer_put_u32(buffer, type.parameter);
}

static struct type read_type(struct reader *reader)
{
    struct type type = {.id = reader_u8(reader), .element = reader_u8(reader)};
    type.precision = (int16_t)reader_u16(reader);
    type.scale = (int16_t)reader_u16(reader);
    type.parameter = reader_u32(reader);
    return type;
}

void index_def_encode(const struct index_def *def, struct buffer *buffer)
{
    buffer_put_u64(buffer, def->table);
    buffer_put_u64(buffer, def->entries);
    buffer_put_u8(buffer, DEF_VERSION);
    buffer_put_u8(buffer, flags_of(def));
    buffer_put_u8(buffer, def->method);
    buffer_put_varint(buffer, def->column_count);
    for (uint32_t i = 0; i < def->column_count; i++) {
        const struct index_column *column = &def->columns[i];
        buffer_put_varint(buffer, column->column_id);
        if (column->column_id == 0) {
            buffer_put_sized(buffer, span_from_text(column->expression));
        }
        put_type(column->type, buffer);
        buffer_put_u8(buffer, (uint8_t)((column->descending ? COLUMN_DESCENDING : 0) |
                                        (column->nulls_first ? COLUMN_NULLS_FIRST : 0)));
    }
    buffer_put_varint(buffer, def->include_count);
    for (uint32_t i = 0; i < def->include_count; i++) {
        buffer_put_varint(buffer, def->includes[i]);
    }
    buffer_put_sized(buffer, span_from_text(def->predicate == NULL ? "" : def->predicate));
}

static tdbplus_status damaged(struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "the definition of an index is damaged");
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "the definition of an index does not fit in memory");
}

static tdbplus_status decode_columns(struct reader *reader, struct arena *arena,
                                     struct index_def *def, struct err *err)
{
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count == 0 || count > INDEX_COLUMN_COUNT_MAX) {
        return damaged(err);
    }
    def->columns = arena_array(arena, (size_t)count, sizeof *def->columns);
    if (def->columns == NULL) {
        return no_memory(err);
    }
    def->column_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        struct index_column *column = &def->columns[i];
        uint64_t id = reader_varint(reader);
        if (id > UINT32_MAX) {
            return damaged(err);
        }
        column->column_id = (uint32_t)id;
        if (id == 0) {
            column->expression = arena_text(arena, reader_sized(reader));
            if (column->expression == NULL) {
                return no_memory(err);
            }
        }
        column->type = read_type(reader);
        uint8_t flags = reader_u8(reader);
        column->descending = (flags & COLUMN_DESCENDING) != 0;
        column->nulls_first = (flags & COLUMN_NULLS_FIRST) != 0;
        if (reader->overrun || !type_valid(column->type) || !key_type_allowed(column->type)) {
            return damaged(err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status decode_includes(struct reader *reader, struct arena *arena,
                                      struct index_def *def, struct err *err)
{
    uint64_t count = reader_varint(reader);
    if (reader->overrun || count > INDEX_INCLUDE_COUNT_MAX) {
        return damaged(err);
    }
    def->includes = arena_array(arena, (size_t)count + 1, sizeof *def->includes);
    if (def->includes == NULL) {
        return no_memory(err);
    }
    def->include_count = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = reader_varint(reader);
        if (id == 0 || id > UINT32_MAX) {
            return damaged(err);
        }
        def->includes[i] = (uint32_t)id;
    }
    return TDBPLUS_OK;
}

tdbplus_status index_def_decode(struct span encoded, struct arena *arena, struct index_def *def_out,
                                struct err *err)
{
    struct index_def def = {0};
    struct reader reader = reader_of(encoded);
    def.table = reader_u64(&reader);
    def.entries = reader_u64(&reader);
    uint8_t version = reader_u8(&reader);
    uint8_t flags = reader_u8(&reader);
    def.method = reader_u8(&reader);
    if (reader.overrun || version != DEF_VERSION || def.method > INDEX_HASH) {
        return damaged(err);
    }
    def.unique = (flags & FLAG_UNIQUE) != 0;
    def.nulls_not_distinct = (flags & FLAG_NULLS_NOT_DISTINCT) != 0;
    def.constraint = (flags & FLAG_CONSTRAINT) != 0;
    def.deferrable = (flags & FLAG_DEFERRABLE) != 0;
    def.deferred = (flags & FLAG_DEFERRED) != 0;
    def.ready = (flags & FLAG_READY) != 0;
    def.primary = (flags & FLAG_PRIMARY) != 0;
    TRY(decode_columns(&reader, arena, &def, err));
    TRY(decode_includes(&reader, arena, &def, err));
    struct span predicate = reader_sized(&reader);
    if (reader.overrun || reader.rest.size > 0) {
        return damaged(err);
    }
    if (predicate.size > 0) {
        def.predicate = arena_text(arena, predicate);
        if (def.predicate == NULL) {
            return no_memory(err);
        }
    }
    *def_out = def;
    return TDBPLUS_OK;
}

bool index_has_texts(const struct index_def *def)
{
    bool texts = def->predicate != NULL;
    for (uint32_t i = 0; i < def->column_count; i++) {
        texts = texts || def->columns[i].column_id == 0;
    }
    return texts;
}

bool index_uses_column(const struct index_def *def, uint32_t column_id)
{
    for (uint32_t i = 0; i < def->column_count; i++) {
        if (def->columns[i].column_id == column_id) {
            return true;
        }
    }
    for (uint32_t i = 0; i < def->include_count; i++) {
        if (def->includes[i] == column_id) {
            return true;
        }
    }
    return false;
}

/* ---- entries ---- */

/* "c7" is the table's column with id 7. */
static tdbplus_status add_column(struct schema *schema, const struct schema_column *column,
                                 struct arena *arena, struct err *err)
{
    char name[16];
    (void)snprintf(name, sizeof name, "c%u", column->id);
    for (uint32_t i = 1; i < schema->column_count; i++) {
        if (strcmp(schema->columns[i].name, name) == 0) {
            return TDBPLUS_OK;
        }
    }
    struct schema_column *added = &schema->columns[schema->column_count++];
    *added = (struct schema_column){
        .id = schema->column_count,
        .type = column->type,
        .name = arena_text(arena, span_from_text(name)),
        .missing = {.type = column->type, .is_null = true},
    };
    return added->name == NULL ? no_memory(err) : TDBPLUS_OK;
}

tdbplus_status index_entries_schema(const struct index_def *def, const struct schema *table,
                                    struct arena *arena, struct schema *schema_out, struct err *err)
{
    size_t capacity = 1 + (size_t)table->key_count + def->column_count + def->include_count;
    struct schema schema = {
        .version = 1,
        .columns = arena_array(arena, capacity, sizeof *schema.columns),
        .key_columns = arena_array(arena, 1, sizeof *schema.key_columns),
        .key_count = 1,
    };
    if (schema.columns == NULL || schema.key_columns == NULL) {
        return no_memory(err);
    }
    schema.columns[schema.column_count++] =
        (struct schema_column){.id = 1,
                               .not_null = true,
                               .type = type_of(TYPE_BYTEA),
                               .name = "key",
                               .missing = {.type = type_of(TYPE_BYTEA), .is_null = true}};
    for (uint32_t i = 0; i < table->key_count; i++) {
        TRY(add_column(&schema, &table->columns[table->key_columns[i]], arena, err));
    }
    for (uint32_t i = 0; i < def->column_count + def->include_count; i++) {
        uint32_t id = i < def->column_count ? def->columns[i].column_id
                                            : def->includes[i - def->column_count];
        int32_t position = id == 0 ? -1 : schema_find_id(table, id);
        if (id != 0 && position < 0) {
            return err_set(err, TDBPLUS_E_CORRUPT, "an index names column %u, which is none", id);
        }
        if (position >= 0) {
            TRY(add_column(&schema, &table->columns[position], arena, err));
        }
    }
    schema.column_id_next = schema.column_count + 1;
    *schema_out = schema;
    return TDBPLUS_OK;
}

/* The id that a column of the entries is named after. */
static uint64_t id_of(const char *name)
{
    uint64_t id = 0;
    for (name++; *name >= '0' && *name <= '9'; name++) {
        id = id * 10 + (uint64_t)(*name - '0');
    }
    return id;
}

int32_t index_entries_find(const struct schema *entries, uint32_t column_id)
{
    // Every transaction that writes to an indexed table comes by here.
    for (uint32_t i = 1; i < entries->column_count; i++) {
        if (id_of(entries->columns[i].name) == column_id) {
            return (int32_t)i;
        }
    }
    return -1;
}
