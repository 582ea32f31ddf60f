/* Rows about what a database defines: relations, columns, indexes, constraints. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/type_info.h"
#include "sql/system/system_internal.h"

#define CHECKS_PER_TABLE 64u

/* Calls `each` for every table that is to be seen. */
static tdbplus_status each_table(struct system_rows *rows,
                                 tdbplus_status (*each)(struct system_rows *rows,
                                                        const struct object *table))
{
    const struct object *table = NULL;
    while ((table = txn_object_next(rows->txn, OBJECT_COLLECTION, table)) != NULL) {
        if (!catalog_hidden(table)) {
            TRY(each(rows, table));
        }
    }
    return TDBPLUS_OK;
}

static uint32_t shown_columns(struct system_rows *rows, const struct object *table)
{
    return table->schema->column_count - (system_hides_last(table, rows->arena) ? 1u : 0u);
}

/* ---- pg_namespace ---- */

static void put_schema(struct system_rows *rows, int64_t oid, const char *name)
{
    system_row(rows);
    system_put(rows, "oid", oid);
    system_put_text(rows, "nspname", name);
    if (oid == OID_PG_CATALOG || oid == OID_INFORMATION) {
        system_put(rows, "nspowner", OID_OWNER);
    } else {
        system_put_owner(rows, "nspowner", "nspacl", oid);
    }
}

tdbplus_status system_fill_namespace(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    put_schema(rows, OID_PG_CATALOG, "pg_catalog");
    put_schema(rows, OID_PUBLIC, "public");
    put_schema(rows, OID_INFORMATION, "information_schema");
    while (catalog_entry_next(rows->txn, CATALOG_SCHEMA, &entry)) {
        put_schema(rows, system_oid(entry.oid), entry.name);
    }
    return TDBPLUS_OK;
}

/* ---- pg_class ---- */

struct relation {
    int64_t oid;
    const char *schema;
    const char *name;
    char kind;
    int64_t row_type;
    int64_t method;
    uint32_t columns;
    int64_t owned_by; /* The table of an index. */
};

static void put_relation(struct system_rows *rows, const struct relation *relation)
{
    system_row(rows);
    system_put(rows, "oid", relation->oid);
    system_put_text(rows, "relname", relation->name);
    system_put(rows, "relnamespace", system_schema_oid(rows->txn, relation->schema));
    system_put(rows, "reltype", relation->row_type);
    system_put_owner(rows, "relowner", relation->kind == 'i' ? NULL : "relacl",
                     relation->owned_by != 0 ? relation->owned_by : relation->oid);
    system_put(rows, "relam", relation->method);
    system_put(rows, "relfilenode", relation->kind == 'v' ? 0 : relation->oid);
    system_put(rows, "relpersistence", 'p');
    system_put(rows, "relkind", relation->kind);
    system_put(rows, "relnatts", relation->columns);
    system_put(rows, "relispopulated", true);
    system_put(rows, "relreplident", relation->kind == 'r' ? 'd' : 'n');
}

static void put_index_relation(struct system_rows *rows, int64_t oid,
                               const struct system_index *index)
{
    struct relation relation = {.oid = oid,
                                .schema = index->schema,
                                .name = index->name,
                                .kind = 'i',
                                .method = index->def.method == INDEX_HASH ? OID_HASH : OID_BTREE,
                                .columns = index->def.column_count + index->def.include_count,
                                .owned_by = system_oid(index->table->id)};
    put_relation(rows, &relation);
}

static bool is_referenced(struct system_rows *rows, const struct object *table)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(rows->txn, table->id, i)) != NULL; i++) {
        if (part->kind == OBJECT_FOREIGN_KEY) {
            return true;
        }
    }
    return false;
}

/* When rows expire, as WITH (...) says it. */
static void put_options(struct system_rows *rows, const struct schema *schema, bool documents)
{
    const struct span of_documents = span_from_text("documents=true");
    if (documents) {
        system_put_texts(rows, "reloptions", &of_documents, 1);
    }
    int32_t at = schema->ttl_column_id == 0 ? -1 : schema_ttl_position(schema);
    char *texts[2] = {arena_alloc(rows->arena, SCHEMA_NAME_SIZE_MAX + 16),
                      arena_alloc(rows->arena, 64)};
    if (at < 0 || texts[0] == NULL || texts[1] == NULL) {
        return;
    }
    (void)snprintf(texts[0], SCHEMA_NAME_SIZE_MAX + 16, "ttl_column=%s", schema->columns[at].name);
    (void)snprintf(texts[1], 64, "ttl=%lld.%06lld seconds", (long long)(schema->ttl_us / 1000000),
                   (long long)(schema->ttl_us % 1000000));
    const struct span items[] = {span_from_text(texts[0]), span_from_text(texts[1]), of_documents};
    system_put_texts(rows, "reloptions", items, documents ? 3 : 2);
}

static tdbplus_status put_table(struct system_rows *rows, const struct object *table)
{
    char schema[CATALOG_NAME_SIZE_MAX + 1];
    char name[CATALOG_NAME_SIZE_MAX + 1];
    struct table_info info = {0};
    struct txn_statistics statistics = {0};
    struct system_index index;
    TRY(table_info_decode(table->properties, rows->arena, &info, rows->err));
    txn_statistics(table, UINT32_MAX, &statistics);
    system_split_name(table, schema, name);
    bool keyed = system_key_index(rows->txn, table, rows->arena, &index);
    struct relation relation = {.oid = system_oid(table->id),
                                .schema = schema,
                                .name = name,
                                .kind = info.materialized ? 'm' : 'r',
                                .row_type = OID_ROW_TYPE + (int64_t)table->id,
                                .method = OID_HEAP,
                                .columns = shown_columns(rows, table)};
    bool has_index = keyed;
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(rows->txn, table->id, i)) != NULL; i++) {
        has_index = has_index || part->kind == OBJECT_INDEX;
    }
    put_relation(rows, &relation);
    system_put(rows, "reltuples", (int64_t)statistics.row_count);
    system_put(rows, "relhasindex", has_index);
    system_put(rows, "relispopulated", !info.unpopulated);
    put_options(rows, table->schema, info.documents);
    system_put(rows, "relchecks", info.check_count);
    system_put(rows, "relhastriggers", is_referenced(rows, table));
    if (keyed) {
        put_index_relation(rows, OID_KEY_INDEX + (int64_t)table->id, &index);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_class(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    TRY(each_table(rows, put_table));
    while (catalog_entry_next(rows->txn, CATALOG_INDEX, &entry)) {
        struct system_index index;
        if (system_find_index(rows->txn, system_oid(entry.oid), rows->arena, &index)) {
            put_index_relation(rows, system_oid(entry.oid), &index);
        }
    }
    entry = (struct catalog_entry){0};
    while (catalog_entry_next(rows->txn, CATALOG_SEQUENCE, &entry)) {
        struct relation relation = {.oid = system_oid(entry.oid),
                                    .schema = entry.schema,
                                    .name = entry.name,
                                    .kind = 'S',
                                    .columns = 3};
        put_relation(rows, &relation);
    }
    entry = (struct catalog_entry){0};
    while (catalog_entry_next(rows->txn, CATALOG_VIEW, &entry)) {
        struct relation relation = {.oid = system_oid(entry.oid),
                                    .schema = entry.schema,
                                    .name = entry.name,
                                    .kind = 'v',
                                    .row_type = OID_ROW_TYPE + (int64_t)entry.oid};
        put_relation(rows, &relation);
        system_put(rows, "relhasrules", true);
    }
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        system_row(rows);
        system_put(rows, "oid", table->oid);
        system_put_text(rows, "relname", table->name);
        system_put(rows, "relnamespace", OID_PG_CATALOG);
        system_put(rows, "relowner", OID_OWNER);
        system_put(rows, "relam", OID_HEAP);
        system_put(rows, "relpersistence", 'p');
        system_put(rows, "relkind", 'r');
        system_put(rows, "relnatts", system_column_count(table));
        system_put(rows, "relispopulated", true);
        system_put(rows, "relreplident", 'n');
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        system_row(rows);
        system_put(rows, "oid", view->oid);
        system_put_text(rows, "relname", view->name);
        system_put(rows, "relnamespace",
                   strcmp(view->schema, "pg_catalog") == 0 ? OID_PG_CATALOG : OID_INFORMATION);
        system_put(rows, "relowner", OID_OWNER);
        system_put(rows, "relpersistence", 'p');
        system_put(rows, "relkind", 'v');
        system_put(rows, "relhasrules", true);
        system_put(rows, "relispopulated", true);
        system_put(rows, "relreplident", 'n');
    }
    return TDBPLUS_OK;
}

/* ---- pg_attribute, pg_attrdef ---- */

struct attribute {
    int64_t relation;
    const char *name;
    struct span name_span; /* Instead of `name`, if that is NULL. */
    int16_t number;
    struct type type;
    uint64_t domain; /* 0: none. */
    bool not_null;
    const struct table_text *value; /* Where values come from that are not given; NULL: nowhere. */
};

/* Where values come from that are not given. */
static void put_origin(struct system_rows *rows, const struct table_text *value)
{
    uint8_t kind = value == NULL ? TABLE_DEFAULT : value->kind;
    bool identity = kind == TABLE_IDENTITY_ALWAYS || kind == TABLE_IDENTITY_DEFAULT;
    system_put(rows, "atthasdef", value != NULL && !identity);
    if (identity) {
        system_put(rows, "attidentity", kind == TABLE_IDENTITY_ALWAYS ? 'a' : 'd');
    } else if (kind == TABLE_GENERATED) {
        system_put(rows, "attgenerated", 's');
    }
}

static void put_attribute(struct system_rows *rows, const struct attribute *attribute)
{
    uint32_t oid = system_type_oid(attribute->type);
    const struct system_type *type = system_type_by_oid(oid);
    system_row(rows);
    system_put(rows, "attrelid", attribute->relation);
    system_put_span(rows, "attname",
                    attribute->name != NULL ? span_from_text(attribute->name)
                                            : attribute->name_span);
    system_put(rows, "atttypid",
               attribute->domain != 0 ? system_oid(attribute->domain) : (int64_t)oid);
    system_put(rows, "attstattarget", -1);
    system_put(rows, "attlen", type == NULL ? -1 : type->size);
    system_put(rows, "attnum", attribute->number);
    system_put(rows, "attndims", attribute->type.id == TYPE_ARRAY);
    system_put(rows, "attcacheoff", -1);
    system_put(rows, "atttypmod", system_type_modifier(attribute->type));
    system_put(rows, "attbyval", type != NULL && type->by_value);
    system_put(rows, "attalign", type == NULL ? 'i' : type->align);
    system_put(rows, "attstorage", type == NULL ? 'x' : type->storage);
    system_put(rows, "attnotnull", attribute->not_null);
    put_origin(rows, attribute->value);
    system_put(rows, "attislocal", true);
    system_put(rows, "attcollation", type == NULL ? 0 : type->collation);
}

static void put_index_columns(struct system_rows *rows, int64_t oid,
                              const struct system_index *index)
{
    struct buffer name;
    buffer_init(&name, rows->arena->alloc);
    uint32_t count = index->def.column_count + index->def.include_count;
    for (uint32_t i = 0; i < count; i++) {
        struct attribute attribute = {.relation = oid, .number = (int16_t)(i + 1)};
        uint32_t id = i < index->def.column_count
                          ? index->def.columns[i].column_id
                          : index->def.includes[i - index->def.column_count];
        int32_t position = id == 0 ? -1 : schema_find_id(index->table->schema, id);
        buffer_clear(&name);
        if (position >= 0) {
            buffer_put_text(&name, index->table->schema->columns[position].name);
            attribute.type = index->table->schema->columns[position].type;
        } else {
            const char *text = index->def.columns[i].expression;
            size_t size = strcspn(text, "(");
            buffer_put(&name, size > 0 ? text : "expr", size > 0 ? size : 4);
            attribute.type = index->def.columns[i].type;
        }
        attribute.name_span = buffer_span(&name);
        put_attribute(rows, &attribute);
    }
    rows->failed = rows->failed || name.failed;
    buffer_deinit(&name);
}

static tdbplus_status put_columns(struct system_rows *rows, const struct object *table)
{
    struct table_info info = {0};
    TRY(table_info_decode(table->properties, rows->arena, &info, rows->err));
    uint32_t count = shown_columns(rows, table);
    for (uint32_t i = 0; i < count; i++) {
        const struct schema_column *column = &table->schema->columns[i];
        struct attribute attribute = {.relation = system_oid(table->id),
                                      .name = column->name,
                                      .number = (int16_t)(i + 1),
                                      .type = column->type,
                                      .domain = table_find_domain(&info, column->id),
                                      .not_null = column->not_null,
                                      .value = table_find_default(&info, column->id)};
        put_attribute(rows, &attribute);
        system_put_column_acl(rows, attribute.relation, column->id);
    }
    struct system_index index;
    if (system_key_index(rows->txn, table, rows->arena, &index)) {
        put_index_columns(rows, OID_KEY_INDEX + (int64_t)table->id, &index);
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_view_columns(struct system_rows *rows, const struct catalog_entry *entry)
{
    struct view_info info = {0};
    TRY(view_info_decode(entry, rows->arena, &info, rows->err));
    for (uint32_t i = 0; i < info.column_count; i++) {
        struct attribute attribute = {.relation = system_oid(entry->oid),
                                      .name = info.columns[i].name,
                                      .number = (int16_t)(i + 1),
                                      .type = info.columns[i].type};
        put_attribute(rows, &attribute);
    }
    return TDBPLUS_OK;
}

static void put_sequence_columns(struct system_rows *rows, const struct catalog_entry *entry)
{
    static const struct {
        const char *name;
        uint8_t type;
    } columns[] = {{"last_value", TYPE_INT8}, {"log_cnt", TYPE_INT8}, {"is_called", TYPE_BOOL}};
    for (uint32_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        struct attribute attribute = {.relation = system_oid(entry->oid),
                                      .name = columns[i].name,
                                      .number = (int16_t)(i + 1),
                                      .type = type_of((enum type_id)columns[i].type),
                                      .not_null = true};
        put_attribute(rows, &attribute);
    }
}

static tdbplus_status put_other_columns(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_VIEW, &entry)) {
        TRY(put_view_columns(rows, &entry));
    }
    entry = (struct catalog_entry){0};
    while (catalog_entry_next(rows->txn, CATALOG_SEQUENCE, &entry)) {
        put_sequence_columns(rows, &entry);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_attribute(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    TRY(each_table(rows, put_columns));
    TRY(put_other_columns(rows));
    while (catalog_entry_next(rows->txn, CATALOG_INDEX, &entry)) {
        struct system_index index;
        if (system_find_index(rows->txn, system_oid(entry.oid), rows->arena, &index)) {
            put_index_columns(rows, system_oid(entry.oid), &index);
        }
    }
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        uint32_t count = system_column_count(table);
        for (uint32_t i = 0; i < count; i++) {
            struct attribute attribute = {.relation = table->oid, .number = (int16_t)(i + 1)};
            attribute.type = system_column(table, i, &attribute.name_span);
            put_attribute(rows, &attribute);
        }
    }
    return TDBPLUS_OK;
}

static void put_default_text(struct system_rows *rows, const struct table_text *value)
{
    struct catalog_entry entry;
    if (value->text[0] != 0 || !catalog_entry_by_oid(rows->txn, value->sequence, &entry)) {
        // What was written behind DEFAULT, spaces and all.
        system_put_text(rows, "adbin", value->text + strspn(value->text, " \t\r\n\f\v"));
        return;
    }
    struct system_place place = {.txn = rows->txn, .session = rows->session};
    struct buffer text;
    buffer_init(&text, rows->arena->alloc);
    buffer_put_text(&text, "nextval('");
    (void)system_reg_print(&place, TYPE_REGCLASS, system_oid(entry.oid), &text);
    buffer_put_text(&text, "'::regclass)");
    system_put_span(rows, "adbin", buffer_span(&text));
    rows->failed = rows->failed || text.failed;
    buffer_deinit(&text);
}

static tdbplus_status put_defaults(struct system_rows *rows, const struct object *table)
{
    struct table_info info = {0};
    TRY(table_info_decode(table->properties, rows->arena, &info, rows->err));
    for (uint32_t i = 0; i < info.default_count; i++) {
        const struct table_text *value = &info.defaults[i];
        if (value->kind == TABLE_IDENTITY_ALWAYS || value->kind == TABLE_IDENTITY_DEFAULT) {
            continue;
        }
        system_row(rows);
        system_put(rows, "oid",
                   OID_PART + (int64_t)table->id * CHECKS_PER_TABLE + CHECKS_PER_TABLE / 2 + i);
        system_put(rows, "adrelid", system_oid(table->id));
        system_put(rows, "adnum", schema_find_id(table->schema, info.defaults[i].column_id) + 1);
        put_default_text(rows, value);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_attrdef(struct system_rows *rows)
{
    return each_table(rows, put_defaults);
}

/* ---- pg_index ---- */

static void put_index(struct system_rows *rows, int64_t oid, const struct system_index *index)
{
    int64_t keys[INDEX_COLUMN_COUNT_MAX + INDEX_INCLUDE_COUNT_MAX];
    int64_t options[INDEX_COLUMN_COUNT_MAX];
    int64_t classes[INDEX_COLUMN_COUNT_MAX];
    int64_t collations[INDEX_COLUMN_COUNT_MAX];
    const struct index_def *def = &index->def;
    struct buffer texts;
    buffer_init(&texts, rows->arena->alloc);
    for (uint32_t i = 0; i < def->column_count; i++) {
        const struct index_column *column = &def->columns[i];
        const struct system_type *type = system_type_by_oid(system_type_oid(column->type));
        keys[i] = column->column_id == 0
                      ? 0
                      : schema_find_id(index->table->schema, column->column_id) + 1;
        options[i] = (column->descending ? 1 : 0) | (column->nulls_first ? 2 : 0);
        classes[i] = 10000 + (int64_t)system_type_oid(column->type);
        collations[i] = type == NULL ? 0 : type->collation;
        if (column->column_id == 0) {
            buffer_printf(&texts, "%s%s", texts.size > 0 ? ", " : "", column->expression);
        }
    }
    for (uint32_t i = 0; i < def->include_count; i++) {
        keys[def->column_count + i] = schema_find_id(index->table->schema, def->includes[i]) + 1;
    }
    system_row(rows);
    system_put(rows, "indexrelid", oid);
    system_put(rows, "indrelid", system_oid(index->table->id));
    system_put(rows, "indnatts", def->column_count + def->include_count);
    system_put(rows, "indnkeyatts", def->column_count);
    system_put(rows, "indisunique", def->unique);
    system_put(rows, "indnullsnotdistinct", def->nulls_not_distinct);
    system_put(rows, "indisprimary", def->primary);
    system_put(rows, "indimmediate", !def->deferrable);
    system_put(rows, "indisvalid", def->ready);
    system_put(rows, "indisready", true);
    system_put(rows, "indislive", true);
    system_put_array(rows, "indkey", keys, def->column_count + def->include_count);
    system_put_array(rows, "indcollation", collations, def->column_count);
    system_put_array(rows, "indclass", classes, def->column_count);
    system_put_array(rows, "indoption", options, def->column_count);
    if (texts.size > 0) {
        system_put_span(rows, "indexprs", buffer_span(&texts));
    }
    if (def->predicate != NULL) {
        system_put_text(rows, "indpred", def->predicate);
    }
    rows->failed = rows->failed || texts.failed;
    buffer_deinit(&texts);
}

static tdbplus_status put_key_index(struct system_rows *rows, const struct object *table)
{
    struct system_index index;
    if (system_key_index(rows->txn, table, rows->arena, &index)) {
        put_index(rows, OID_KEY_INDEX + (int64_t)table->id, &index);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_index(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    TRY(each_table(rows, put_key_index));
    while (catalog_entry_next(rows->txn, CATALOG_INDEX, &entry)) {
        struct system_index index;
        if (system_find_index(rows->txn, system_oid(entry.oid), rows->arena, &index)) {
            put_index(rows, system_oid(entry.oid), &index);
        }
    }
    return TDBPLUS_OK;
}

/* ---- pg_constraint ---- */

static void begin_constraint(struct system_rows *rows, int64_t oid, const char *name, char kind,
                             const struct object *table)
{
    char schema[CATALOG_NAME_SIZE_MAX + 1];
    char unused[CATALOG_NAME_SIZE_MAX + 1];
    system_split_name(table, schema, unused);
    system_row(rows);
    system_put(rows, "oid", oid);
    system_put_text(rows, "conname", name);
    system_put(rows, "connamespace", system_schema_oid(rows->txn, schema));
    system_put(rows, "contype", kind);
    system_put(rows, "convalidated", true);
    system_put(rows, "conrelid", system_oid(table->id));
    system_put(rows, "confupdtype", kind == 'f' ? 'a' : ' ');
    system_put(rows, "confdeltype", kind == 'f' ? 'a' : ' ');
    system_put(rows, "confmatchtype", kind == 'f' ? 's' : ' ');
    system_put(rows, "conislocal", true);
    system_put(rows, "connoinherit", kind != 'c');
}

static void put_key(struct system_rows *rows, int64_t oid, int64_t index_oid,
                    const struct system_index *index)
{
    int64_t keys[INDEX_COLUMN_COUNT_MAX];
    for (uint32_t i = 0; i < index->def.column_count; i++) {
        keys[i] = schema_find_id(index->table->schema, index->def.columns[i].column_id) + 1;
    }
    begin_constraint(rows, oid, index->name, index->def.primary ? 'p' : 'u', index->table);
    system_put(rows, "condeferrable", index->def.deferrable);
    system_put(rows, "condeferred", index->def.deferred);
    system_put(rows, "conindid", index_oid);
    system_put_array(rows, "conkey", keys, index->def.column_count);
}

static void put_foreign(struct system_rows *rows, const struct catalog_entry *entry,
                        const struct foreign_def *def)
{
    static const char actions[] = {[FOREIGN_NO_ACTION] = 'a',
                                   [FOREIGN_RESTRICT] = 'r',
                                   [FOREIGN_CASCADE] = 'c',
                                   [FOREIGN_SET_NULL] = 'n',
                                   [FOREIGN_SET_DEFAULT] = 'd'};
    const struct object *table = txn_object_by_id(rows->txn, def->table);
    const struct object *other = txn_object_by_id(rows->txn, def->referenced);
    int64_t keys[FOREIGN_COLUMN_COUNT_MAX];
    int64_t others[FOREIGN_COLUMN_COUNT_MAX];
    if (table == NULL || other == NULL) {
        return;
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        keys[i] = schema_find_id(table->schema, def->columns[i]) + 1;
        others[i] = schema_find_id(other->schema, def->referenced_columns[i]) + 1;
    }
    begin_constraint(rows, system_oid(entry->oid), entry->name, 'f', table);
    system_put(rows, "condeferrable", def->deferrable);
    system_put(rows, "condeferred", def->deferred);
    system_put(rows, "conindid",
               def->index == 0 ? OID_KEY_INDEX + (int64_t)other->id : system_oid(def->index));
    system_put(rows, "confrelid", system_oid(other->id));
    system_put(rows, "confupdtype", actions[def->on_update]);
    system_put(rows, "confdeltype", actions[def->on_delete]);
    system_put(rows, "confmatchtype", def->match_full ? 'f' : 's');
    system_put_array(rows, "conkey", keys, def->column_count);
    system_put_array(rows, "confkey", others, def->column_count);
}

/* Foreign keys are parts whose names are found as entries of their own. */
static tdbplus_status put_parts(struct system_rows *rows, const struct object *table)
{
    const struct object *part = NULL;
    for (uint32_t i = 0; (part = txn_part_at(rows->txn, table->id, i)) != NULL; i++) {
        struct catalog_entry entry;
        struct foreign_def def = {0};
        if (part->kind == OBJECT_FOREIGN_KEY && part->parent == table->id &&
            catalog_entry_by_oid(rows->txn, part->id, &entry)) {
            TRY(foreign_def_decode(part->properties, rows->arena, &def, rows->err));
            // Names of foreign keys begin with their table's.
            put_foreign(rows, &entry, &def);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_constraints(struct system_rows *rows, const struct object *table)
{
    struct system_index index;
    struct table_info info = {0};
    TRY(table_info_decode(table->properties, rows->arena, &info, rows->err));
    if (system_key_index(rows->txn, table, rows->arena, &index)) {
        put_key(rows, OID_KEY + (int64_t)table->id, OID_KEY_INDEX + (int64_t)table->id, &index);
    }
    for (uint32_t i = 0; i < info.check_count && i < CHECKS_PER_TABLE / 2; i++) {
        begin_constraint(rows, OID_PART + (int64_t)table->id * CHECKS_PER_TABLE + i,
                         info.checks[i].name, 'c', table);
        system_put(rows, "convalidated", !info.checks[i].not_valid);
        system_put_text(rows, "conbin", info.checks[i].text);
    }
    return put_parts(rows, table);
}

/* Checks of domains. */
static tdbplus_status put_domain_checks(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_TYPE, &entry)) {
        struct type_info info = {0};
        TRY(type_info_decode(entry.definition, rows->arena, &info, rows->err));
        for (uint32_t i = 0; i < info.check_count && i < CHECKS_PER_TABLE / 2; i++) {
            system_row(rows);
            system_put(rows, "oid", OID_PART + (int64_t)entry.oid * CHECKS_PER_TABLE + i);
            system_put_text(rows, "conname", info.checks[i].name);
            system_put(rows, "connamespace", system_schema_oid(rows->txn, entry.schema));
            system_put(rows, "contype", 'c');
            system_put(rows, "convalidated", !info.checks[i].not_valid);
            system_put(rows, "contypid", system_oid(entry.oid));
            system_put(rows, "confupdtype", ' ');
            system_put(rows, "confdeltype", ' ');
            system_put(rows, "confmatchtype", ' ');
            system_put(rows, "conislocal", true);
            system_put_text(rows, "conbin", info.checks[i].text);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_constraint(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    TRY(each_table(rows, put_constraints));
    TRY(put_domain_checks(rows));
    while (catalog_entry_next(rows->txn, CATALOG_INDEX, &entry)) {
        struct system_index index;
        if (system_find_index(rows->txn, system_oid(entry.oid), rows->arena, &index) &&
            index.def.constraint) {
            put_key(rows, OID_UNIQUE + (int64_t)entry.oid, system_oid(entry.oid), &index);
        }
    }
    return TDBPLUS_OK;
}
