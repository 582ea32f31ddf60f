/* Types, indexes and constraints as PostgreSQL writes them. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind/type_info.h"
#include "sql/system/system_internal.h"
#include "types/catalog_type.h"

#define VARCHAR_OID      1043
#define MODIFIER_HEADER  4
#define INTERVAL_ALL     0x7FFF0000 /* All fields; the digits of seconds stand below. */
#define CHECKS_PER_TABLE 64

/* ---- types ---- */

const struct system_type *system_type_by_oid(int64_t oid)
{
    for (const struct system_type *type = system_types; type->oid != 0; type++) {
        if (type->oid == oid) {
            return type;
        }
    }
    return NULL;
}

static const struct system_type *type_by_name(const char *name)
{
    for (const struct system_type *type = system_types; type->oid != 0; type++) {
        if (strcmp(type->name, name) == 0) {
            return type;
        }
    }
    return NULL;
}

uint32_t system_type_oid(struct type type)
{
    struct type scalar = type.id == TYPE_ARRAY ? type_element(type) : type;
    char name[64];
    if (type.id == TYPE_ARRAY && type.form == ARRAY_SPACED) {
        return type.element == TYPE_INT2 ? OID_INT2VECTOR : OID_OIDVECTOR;
    }
    uint32_t length = scalar.parameter;
    scalar.parameter = scalar.id == TYPE_ENUM || scalar.id == TYPE_VECTOR ? scalar.parameter : 0;
    scalar.precision = 0;
    scalar.scale = 0;
    if (scalar.id == TYPE_TEXT && length > 0) {
        (void)snprintf(name, sizeof name, "varchar");
    } else if (scalar.id == TYPE_CHAR1) {
        (void)snprintf(name, sizeof name, "char");
    } else if (scalar.id == TYPE_VECTOR) {
        return type.id == TYPE_ARRAY ? OID_USER_FIRST - 1 : OID_USER_FIRST - 2;
    } else if (scalar.id == TYPE_ENUM) {
        return (uint32_t)wire_enum_oid(type);
    } else {
        type_name(scalar, name);
    }
    const struct system_type *known = type_by_name(name);
    if (known == NULL) {
        return 705; // unknown
    }
    return type.id == TYPE_ARRAY ? known->array : known->oid;
}

int32_t system_type_modifier(struct type type)
{
    struct type scalar = type.id == TYPE_ARRAY ? type_element(type) : type;
    switch (scalar.id) {
    case TYPE_NUMERIC:
        return scalar.precision == 0
                   ? -1
                   : ((int32_t)scalar.precision << 16 | scalar.scale) + MODIFIER_HEADER;
    case TYPE_TEXT:
    case TYPE_BPCHAR:
        return scalar.parameter == 0 ? -1 : (int32_t)scalar.parameter + MODIFIER_HEADER;
    case TYPE_BIT:
    case TYPE_VARBIT:
    case TYPE_VECTOR:
        return scalar.parameter == 0 ? -1 : (int32_t)scalar.parameter;
    default:
        return type_has_seconds(scalar) && scalar.parameter > 0
                   ? (scalar.id == TYPE_INTERVAL ? INTERVAL_ALL : 0) + (int32_t)scalar.parameter - 1
                   : -1;
    }
}

static void put_modifier(uint32_t oid, int32_t modifier, struct buffer *text)
{
    if (modifier < 0) {
        return;
    }
    if (oid == 1700) {
        int32_t packed = modifier - MODIFIER_HEADER;
        buffer_printf(text, "(%d,%d)", packed >> 16, packed & 0xFFFF);
    } else if (oid == VARCHAR_OID || oid == 1042) {
        buffer_printf(text, "(%d)", modifier - MODIFIER_HEADER);
    } else if (oid == 1560 || oid == 1562 || oid == OID_USER_FIRST - 2) {
        buffer_printf(text, "(%d)", modifier);
    }
}

static const char *long_name(const struct system_type *type)
{
    static const struct {
        const char *name;
        const char *text;
    } names[] = {{"bool", "boolean"},
                 {"int2", "smallint"},
                 {"int4", "integer"},
                 {"int8", "bigint"},
                 {"float4", "real"},
                 {"float8", "double precision"},
                 {"varchar", "character varying"},
                 {"bpchar", "character"},
                 {"char", "\"char\""},
                 {"bit", "bit"},
                 {"varbit", "bit varying"},
                 {"time", "time without time zone"},
                 {"timetz", "time with time zone"},
                 {"timestamp", "timestamp without time zone"},
                 {"timestamptz", "timestamp with time zone"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, type->name) == 0) {
            return names[i].text;
        }
    }
    return type->name;
}

void system_format_type(int64_t oid, int32_t modifier, struct buffer *text)
{
    if (oid == OID_USER_FIRST - 2 || oid == OID_USER_FIRST - 1) {
        buffer_put_text(text, "vector");
        put_modifier(OID_USER_FIRST - 2, modifier, text);
        buffer_put_text(text, oid == OID_USER_FIRST - 1 ? "[]" : "");
        return;
    }
    const struct system_type *type = system_type_by_oid(oid);
    if (type == NULL) {
        buffer_put_text(text, oid == 0 ? "-" : "???");
        return;
    }
    bool array = type->name[0] == '_' && type->element != 0;
    const struct system_type *scalar = array ? system_type_by_oid(type->element) : type;
    scalar = scalar == NULL ? type : scalar;
    bool timed = strncmp(scalar->name, "time", 4) == 0 || scalar->oid == 1186;
    bool bare = modifier < 0 && scalar->oid == 1042;
    const char *name = bare ? "bpchar" : long_name(scalar);
    if (timed && modifier >= 0) {
        // "timestamp(3) without time zone"
        size_t word = strcspn(name, " ");
        buffer_printf(text, "%.*s(%d)%s", (int)word, name, modifier & 0xFFFF, name + word);
    } else {
        buffer_put_text(text, name);
        put_modifier(scalar->oid, modifier, text);
    }
    buffer_put_text(text, array ? "[]" : "");
}

/* ---- names ---- */

void system_put_name(struct buffer *text, const char *name)
{
    // Words that the grammar keeps for itself, as far as names of columns tend to be one.
    static const char *const reserved[] = {
        "all",     "and",  "any",    "as",     "asc",  "case",  "check",  "column", "desc",
        "default", "do",   "else",   "end",    "from", "group", "having", "in",     "limit",
        "not",     "null", "offset", "on",     "or",   "order", "select", "table",  "then",
        "to",      "true", "union",  "unique", "user", "using", "when",   "where",  "with"};
    bool plain = name[0] != 0 && (name[0] < '0' || name[0] > '9');
    for (const char *at = name; *at != 0; at++) {
        plain = plain && ((*at >= 'a' && *at <= 'z') || *at == '_' || (*at >= '0' && *at <= '9'));
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        plain = plain && strcmp(name, reserved[i]) != 0;
    }
    if (plain) {
        buffer_put_text(text, name);
        return;
    }
    buffer_put_u8(text, '"');
    for (const char *at = name; *at != 0; at++) {
        buffer_put_text(text, *at == '"' ? "\"" : "");
        buffer_put_u8(text, (uint8_t)*at);
    }
    buffer_put_u8(text, '"');
}

void system_split_name(const struct object *object, char schema[CATALOG_NAME_SIZE_MAX + 1],
                       char name[CATALOG_NAME_SIZE_MAX + 1])
{
    const char *mark = strchr(object->name, '\x1f');
    (void)snprintf(schema, CATALOG_NAME_SIZE_MAX + 1, "%.*s",
                   mark == NULL ? 6 : (int)(mark - object->name),
                   mark == NULL ? CATALOG_SCHEMA_DEFAULT : object->name);
    (void)snprintf(name, CATALOG_NAME_SIZE_MAX + 1, "%s", mark == NULL ? object->name : mark + 1);
}

int64_t system_schema_oid(struct txn *txn, const char *schema)
{
    struct catalog_entry entry;
    if (schema[0] == 0 || strcmp(schema, CATALOG_SCHEMA_DEFAULT) == 0) {
        return OID_PUBLIC;
    }
    return catalog_entry_find(txn, CATALOG_SCHEMA, NULL, schema, &entry) ? system_oid(entry.oid)
                                                                         : 0;
}

bool system_hides_last(const struct object *table, struct arena *arena)
{
    struct table_info info = {0};
    return table_info_decode(table->properties, arena, &info, NULL) == TDBPLUS_OK &&
           info.hidden_key;
}

/* ---- indexes ---- */

bool system_key_index(struct txn *txn, const struct object *table, struct arena *arena,
                      struct system_index *index_out)
{
    const struct schema *schema = table->schema;
    char schema_name[CATALOG_NAME_SIZE_MAX + 1];
    char name[CATALOG_NAME_SIZE_MAX + 1];
    char full[CATALOG_NAME_SIZE_MAX + 8];
    (void)txn;
    if (system_hides_last(table, arena)) {
        return false;
    }
    system_split_name(table, schema_name, name);
    (void)snprintf(full, sizeof full, "%s_pkey", name);
    struct index_column *columns = arena_array(arena, schema->key_count, sizeof *columns);
    *index_out = (struct system_index){.table = table,
                                       .schema = arena_text(arena, span_from_text(schema_name)),
                                       .name = arena_text(arena, span_from_text(full))};
    if (columns == NULL || index_out->name == NULL || index_out->schema == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < schema->key_count; i++) {
        const struct schema_column *column = &schema->columns[schema->key_columns[i]];
        columns[i] = (struct index_column){.column_id = column->id, .type = column->type};
    }
    index_out->def = (struct index_def){.table = table->id,
                                        .unique = true,
                                        .constraint = true,
                                        .primary = true,
                                        .ready = true,
                                        .columns = columns,
                                        .column_count = schema->key_count};
    return true;
}

bool system_find_index(struct txn *txn, int64_t oid, struct arena *arena,
                       struct system_index *index_out)
{
    struct catalog_entry entry;
    if (oid >= OID_KEY_INDEX && oid < OID_KEY) {
        const struct object *table = txn_object_by_id(txn, (uint64_t)(oid - OID_KEY_INDEX));
        return table != NULL && table->kind == OBJECT_COLLECTION &&
               system_key_index(txn, table, arena, index_out);
    }
    if (oid < OID_USER_FIRST ||
        !catalog_entry_by_oid(txn, (uint64_t)(oid - OID_USER_FIRST), &entry) ||
        entry.kind != CATALOG_INDEX) {
        return false;
    }
    *index_out = (struct system_index){0};
    if (index_def_decode(entry.object->properties, arena, &index_out->def, NULL) != TDBPLUS_OK) {
        return false;
    }
    index_out->table = txn_object_by_id(txn, index_out->def.table);
    index_out->schema = arena_text(arena, span_from_text(entry.schema));
    index_out->name = arena_text(arena, span_from_text(entry.name));
    return index_out->table != NULL && index_out->name != NULL && index_out->schema != NULL;
}

static const char *column_name(const struct object *table, uint32_t id)
{
    int32_t position = schema_find_id(table->schema, id);
    return position < 0 ? "?" : table->schema->columns[position].name;
}

/* An expression stands in parentheses unless it is a plain call. */
static bool is_call(const char *text)
{
    const char *at = text;
    while ((*at >= 'a' && *at <= 'z') || *at == '_' || (*at >= '0' && *at <= '9')) {
        at++;
    }
    int depth = 0;
    if (at == text || *at != '(') {
        return false;
    }
    for (; *at != 0; at++) {
        depth += *at == '(';
        depth -= *at == ')';
        if (depth == 0) {
            return at[1] == 0;
        }
    }
    return false;
}

void system_index_column(const struct system_index *index, uint32_t number, bool with_order,
                         struct buffer *text)
{
    if (number >= index->def.column_count) {
        uint32_t included = number - index->def.column_count;
        if (included < index->def.include_count) {
            system_put_name(text, column_name(index->table, index->def.includes[included]));
        }
        return;
    }
    const struct index_column *column = &index->def.columns[number];
    if (column->column_id != 0) {
        system_put_name(text, column_name(index->table, column->column_id));
    } else {
        bool plain = is_call(column->expression);
        buffer_printf(text, plain ? "%s" : "(%s)", column->expression);
    }
    if (with_order && index->def.method == INDEX_BTREE) {
        buffer_put_text(text, column->descending ? " DESC" : "");
        if (column->nulls_first != column->descending) {
            buffer_put_text(text, column->nulls_first ? " NULLS FIRST" : " NULLS LAST");
        }
    }
}

void system_index_text(const struct system_index *index, bool with_schema, struct buffer *text)
{
    char schema[CATALOG_NAME_SIZE_MAX + 1];
    char name[CATALOG_NAME_SIZE_MAX + 1];
    system_split_name(index->table, schema, name);
    buffer_put_text(text, index->def.unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
    system_put_name(text, index->name);
    buffer_put_text(text, " ON ");
    if (with_schema || strcmp(schema, CATALOG_SCHEMA_DEFAULT) != 0) {
        system_put_name(text, schema);
        buffer_put_u8(text, '.');
    }
    system_put_name(text, name);
    buffer_put_text(text, index->def.method == INDEX_HASH ? " USING hash (" : " USING btree (");
    for (uint32_t i = 0; i < index->def.column_count; i++) {
        buffer_put_text(text, i > 0 ? ", " : "");
        system_index_column(index, i, true, text);
    }
    buffer_put_u8(text, ')');
    for (uint32_t i = 0; i < index->def.include_count; i++) {
        buffer_put_text(text, i == 0 ? " INCLUDE (" : ", ");
        system_put_name(text, column_name(index->table, index->def.includes[i]));
    }
    buffer_put_text(text, index->def.include_count > 0 ? ")" : "");
    buffer_put_text(text, index->def.nulls_not_distinct ? " NULLS NOT DISTINCT" : "");
    if (index->def.predicate != NULL) {
        buffer_printf(text, " WHERE (%s)",
                      index->def.predicate + strspn(index->def.predicate, " \n"));
    }
}

/* ---- constraints ---- */

static void put_columns(const struct object *table, const uint32_t *ids, uint32_t count,
                        struct buffer *text)
{
    buffer_put_u8(text, '(');
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_text(text, i > 0 ? ", " : "");
        system_put_name(text, column_name(table, ids[i]));
    }
    buffer_put_u8(text, ')');
}

static void put_deferral(bool deferrable, bool deferred, struct buffer *text)
{
    buffer_put_text(text, deferrable ? " DEFERRABLE" : "");
    buffer_put_text(text, deferred ? " INITIALLY DEFERRED" : "");
}

static void put_action(const char *event, uint8_t action, struct buffer *text)
{
    static const char *const names[] = {[FOREIGN_NO_ACTION] = "",
                                        [FOREIGN_RESTRICT] = "RESTRICT",
                                        [FOREIGN_CASCADE] = "CASCADE",
                                        [FOREIGN_SET_NULL] = "SET NULL",
                                        [FOREIGN_SET_DEFAULT] = "SET DEFAULT"};
    if (action != FOREIGN_NO_ACTION) {
        buffer_printf(text, " ON %s %s", event, names[action]);
    }
}

static bool foreign_text(struct txn *txn, const struct catalog_entry *entry, struct arena *arena,
                         struct buffer *text)
{
    struct foreign_def def = {0};
    if (foreign_def_decode(entry->object->properties, arena, &def, NULL) != TDBPLUS_OK) {
        return false;
    }
    const struct object *table = txn_object_by_id(txn, def.table);
    const struct object *other = txn_object_by_id(txn, def.referenced);
    if (table == NULL || other == NULL) {
        return false;
    }
    char schema[CATALOG_NAME_SIZE_MAX + 1];
    char name[CATALOG_NAME_SIZE_MAX + 1];
    system_split_name(other, schema, name);
    buffer_put_text(text, "FOREIGN KEY ");
    put_columns(table, def.columns, def.column_count, text);
    buffer_put_text(text, " REFERENCES ");
    if (strcmp(schema, CATALOG_SCHEMA_DEFAULT) != 0) {
        system_put_name(text, schema);
        buffer_put_u8(text, '.');
    }
    system_put_name(text, name);
    put_columns(other, def.referenced_columns, def.column_count, text);
    buffer_put_text(text, def.match_full ? " MATCH FULL" : "");
    put_action("UPDATE", def.on_update, text);
    put_action("DELETE", def.on_delete, text);
    if (def.set_count > 0) {
        buffer_put_u8(text, ' ');
        put_columns(table, def.set_columns, def.set_count, text);
    }
    put_deferral(def.deferrable, def.deferred, text);
    return true;
}

static bool key_text(struct txn *txn, int64_t index_oid, struct arena *arena, struct buffer *text)
{
    struct system_index index;
    if (!system_find_index(txn, index_oid, arena, &index)) {
        return false;
    }
    buffer_put_text(text, index.def.primary ? "PRIMARY KEY (" : "UNIQUE ");
    if (!index.def.primary) {
        buffer_put_text(text, index.def.nulls_not_distinct ? "NULLS NOT DISTINCT (" : "(");
    }
    for (uint32_t i = 0; i < index.def.column_count; i++) {
        buffer_put_text(text, i > 0 ? ", " : "");
        system_index_column(&index, i, false, text);
    }
    buffer_put_u8(text, ')');
    for (uint32_t i = 0; i < index.def.include_count; i++) {
        buffer_put_text(text, i > 0 ? ", " : " INCLUDE (");
        system_put_name(text, column_name(index.table, index.def.includes[i]));
    }
    buffer_put_text(text, index.def.include_count > 0 ? ")" : "");
    put_deferral(index.def.deferrable, index.def.deferred, text);
    return true;
}

/* A check of a table or domain; NULL: there is none of that number. */
static const char *find_check(struct txn *txn, int64_t oid, struct arena *arena)
{
    uint64_t id = (uint64_t)(oid - OID_PART) / CHECKS_PER_TABLE;
    uint64_t number = (uint64_t)(oid - OID_PART) % CHECKS_PER_TABLE;
    struct catalog_entry entry;
    struct table_info info = {0};
    struct type_info type = {0};
    if (!catalog_entry_by_oid(txn, id, &entry)) {
        return NULL;
    }
    if (entry.kind == CATALOG_TYPE) {
        return type_info_decode(entry.definition, arena, &type, NULL) == TDBPLUS_OK &&
                       number < type.check_count
                   ? type.checks[number].text
                   : NULL;
    }
    return entry.kind == CATALOG_TABLE &&
                   table_info_decode(entry.object->properties, arena, &info, NULL) == TDBPLUS_OK &&
                   number < info.check_count
               ? info.checks[number].text
               : NULL;
}

static bool check_text(struct txn *txn, int64_t oid, struct arena *arena, struct buffer *text)
{
    const char *check = find_check(txn, oid, arena);
    if (check == NULL || check[0] == 0) {
        return false;
    }
    bool closed = check[0] == '(' && check[strlen(check) - 1] == ')';
    buffer_printf(text, closed ? "CHECK (%s)" : "CHECK ((%s))", check);
    return true;
}

bool system_constraint_text(struct txn *txn, int64_t oid, struct arena *arena, struct buffer *text)
{
    struct catalog_entry entry;
    if (oid >= OID_PART) {
        return check_text(txn, oid, arena, text);
    }
    if (oid >= OID_UNIQUE && oid < OID_ROW_TYPE) {
        return key_text(txn, oid - OID_UNIQUE + OID_USER_FIRST, arena, text);
    }
    if (oid >= OID_KEY && oid < OID_UNIQUE) {
        return key_text(txn, oid - OID_KEY + OID_KEY_INDEX, arena, text);
    }
    return oid >= OID_USER_FIRST &&
           catalog_entry_by_oid(txn, (uint64_t)(oid - OID_USER_FIRST), &entry) &&
           entry.kind == CATALOG_FOREIGN_KEY && foreign_text(txn, &entry, arena, text);
}
