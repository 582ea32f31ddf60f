/* Rows that are the same in every database, or nearly: types, functions, roles. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/type_info.h"
#include "sql/func/aggregate.h"
#include "sql/system/system_internal.h"

/* ---- pg_type ---- */

static void put_type(struct system_rows *rows, const struct system_type *type, int64_t schema,
                     int64_t relation)
{
    system_row(rows);
    system_put(rows, "oid", type->oid);
    system_put_text(rows, "typname", type->name);
    system_put(rows, "typnamespace", schema);
    system_put(rows, "typowner", OID_OWNER);
    system_put(rows, "typlen", type->size);
    system_put(rows, "typbyval", type->by_value);
    system_put(rows, "typtype", type->kind);
    system_put(rows, "typcategory", type->category);
    system_put(rows, "typispreferred", type->preferred);
    system_put(rows, "typisdefined", true);
    system_put(rows, "typdelim", ',');
    system_put(rows, "typrelid", relation);
    system_put(rows, "typelem", type->element);
    system_put(rows, "typarray", type->array);
    // All arrays are read alike, and so are ranges, enums and rows.
    bool spaced = type->oid == OID_INT2VECTOR || type->oid == OID_OIDVECTOR;
    int64_t like = type->category == 'A' && !spaced ? OID_ANY_ARRAY
                   : type->category == 'R' && strstr(type->name, "multirange") != NULL
                       ? OID_ANY_MULTIRANGE
                   : type->category == 'R' ? OID_ANY_RANGE
                   : type->kind == 'e'     ? OID_ANY_ENUM
                   : type->kind == 'c'     ? OID_RECORD
                                           : type->oid;
    system_put(rows, "typinput", OID_TYPE_IN + like);
    system_put(rows, "typoutput", OID_TYPE_OUT + like);
    system_put(rows, "typreceive", OID_TYPE_RECV + like);
    system_put(rows, "typsend", OID_TYPE_SEND + like);
    system_put(rows, "typalign", type->align);
    system_put(rows, "typstorage", type->storage);
    system_put(rows, "typtypmod", -1);
    system_put(rows, "typcollation", type->collation);
}

/* The type of a relation's rows, and arrays of it. */
static void put_row_type(struct system_rows *rows, uint64_t id, const char *schema,
                         const char *name)
{
    char array_name[CATALOG_NAME_SIZE_MAX + 2];
    (void)snprintf(array_name, sizeof array_name, "_%s", name);
    struct system_type row = {.oid = OID_ROW_TYPE + (uint32_t)id,
                              .name = name,
                              .size = -1,
                              .kind = 'c',
                              .category = 'C',
                              .array = OID_ROW_ARRAY + (uint32_t)id,
                              .align = 'd',
                              .storage = 'x'};
    struct system_type array = row;
    int64_t schema_oid = system_schema_oid(rows->txn, schema);
    put_type(rows, &row, schema_oid, system_oid(id));
    array.oid = row.array;
    array.name = array_name;
    array.kind = 'b';
    array.category = 'A';
    array.element = row.oid;
    array.array = 0;
    put_type(rows, &array, schema_oid, 0);
}

static void put_vector_types(struct system_rows *rows)
{
    struct system_type vector = {.oid = OID_USER_FIRST - 2,
                                 .name = "vector",
                                 .size = -1,
                                 .kind = 'b',
                                 .category = 'U',
                                 .array = OID_USER_FIRST - 1,
                                 .align = 'i',
                                 .storage = 'e'};
    struct system_type array = vector;
    put_type(rows, &vector, OID_PUBLIC, 0);
    array.oid = vector.array;
    array.name = "_vector";
    array.category = 'A';
    array.element = vector.oid;
    array.array = 0;
    put_type(rows, &array, OID_PUBLIC, 0);
}

static void put_domain(struct system_rows *rows, const struct system_type *name,
                       const struct type_info *info, int64_t schema)
{
    uint32_t base = system_type_oid(info->base);
    const struct system_type *known = system_type_by_oid(base);
    struct system_type type = known == NULL ? *name : *known;
    type.oid = name->oid;
    type.name = name->name;
    type.kind = 'd';
    type.array = 0;
    type.preferred = false;
    put_type(rows, &type, schema, 0);
    system_put(rows, "typbasetype", info->parent != 0 ? system_oid(info->parent) : (int64_t)base);
    system_put(rows, "typtypmod", system_type_modifier(info->base));
    system_put(rows, "typnotnull", info->not_null);
    if (info->default_text != NULL) {
        system_put_text(rows, "typdefault", info->default_text);
    }
}

/* A type that SQL defined, and arrays of it. */
static void put_defined_type(struct system_rows *rows, const struct catalog_entry *entry)
{
    char array_name[CATALOG_NAME_SIZE_MAX + 2];
    (void)snprintf(array_name, sizeof array_name, "_%s", entry->name);
    int64_t schema = system_schema_oid(rows->txn, entry->schema);
    struct system_type type = {.oid = (uint32_t)system_oid(entry->oid),
                               .name = entry->name,
                               .size = 4,
                               .by_value = true,
                               .kind = 'e',
                               .category = 'E',
                               .array = OID_ROW_ARRAY + (uint32_t)entry->oid,
                               .align = 'i',
                               .storage = 'p'};
    struct system_type array = {.oid = type.array,
                                .name = array_name,
                                .size = -1,
                                .kind = 'b',
                                .category = 'A',
                                .element = type.oid,
                                .align = 'i',
                                .storage = 'x'};
    struct type_info info = {0};
    if (type_info_decode(entry->definition, rows->arena, &info, NULL) == TDBPLUS_OK &&
        info.kind == TYPE_INFO_DOMAIN) {
        put_domain(rows, &type, &info, schema);
        return;
    }
    put_type(rows, &type, schema, 0);
    put_type(rows, &array, schema, 0);
}

tdbplus_status system_fill_enum(struct system_rows *rows)
{
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_TYPE, &entry)) {
        int64_t ordinal = INT32_MIN;
        struct span label;
        for (uint32_t number = 1;
             type_ordinal_next(rows->txn, (uint32_t)entry.oid, ordinal, &ordinal) &&
             type_label_of(rows->txn, (uint32_t)entry.oid, ordinal, &label);
             number++, ordinal++) {
            system_row(rows);
            system_put(rows, "oid", OID_LABEL + (int64_t)entry.oid * 512 + number);
            system_put(rows, "enumtypid", system_oid(entry.oid));
            system_put(rows, "enumsortorder", number);
            system_put_span(rows, "enumlabel", label);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_type(struct system_rows *rows)
{
    for (const struct system_type *type = system_types; type->oid != 0; type++) {
        put_type(rows, type, OID_PG_CATALOG, 0);
    }
    put_vector_types(rows);
    const struct object *table = NULL;
    while ((table = txn_object_next(rows->txn, OBJECT_COLLECTION, table)) != NULL) {
        char schema[CATALOG_NAME_SIZE_MAX + 1];
        char name[CATALOG_NAME_SIZE_MAX + 1];
        if (!catalog_hidden(table)) {
            system_split_name(table, schema, name);
            put_row_type(rows, table->id, schema, name);
        }
    }
    struct catalog_entry entry = {0};
    while (catalog_entry_next(rows->txn, CATALOG_VIEW, &entry)) {
        put_row_type(rows, entry.oid, entry.schema, entry.name);
    }
    entry = (struct catalog_entry){0};
    while (catalog_entry_next(rows->txn, CATALOG_TYPE, &entry)) {
        put_defined_type(rows, &entry);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_range(struct system_rows *rows)
{
    static const struct {
        const char *range;
        const char *item;
        const char *multirange;
    } ranges[] = {
        {"int4range", "int4", "int4multirange"},        {"int8range", "int8", "int8multirange"},
        {"numrange", "numeric", "nummultirange"},       {"tsrange", "timestamp", "tsmultirange"},
        {"tstzrange", "timestamptz", "tstzmultirange"}, {"daterange", "date", "datemultirange"}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        system_row(rows);
        for (const struct system_type *type = system_types; type->oid != 0; type++) {
            if (strcmp(type->name, ranges[i].range) == 0) {
                system_put(rows, "rngtypid", type->oid);
            } else if (strcmp(type->name, ranges[i].item) == 0) {
                system_put(rows, "rngsubtype", type->oid);
            } else if (strcmp(type->name, ranges[i].multirange) == 0) {
                system_put(rows, "rngmultitypid", type->oid);
            }
        }
    }
    return TDBPLUS_OK;
}

/* ---- pg_proc, pg_operator ---- */

const struct func *system_function(int64_t oid)
{
    return oid >= OID_FUNCTION && oid < OID_AGGREGATE ? func_at((uint32_t)(oid - OID_FUNCTION))
                                                      : NULL;
}

static uint32_t declared_oid(uint8_t declared)
{
    switch (declared) {
    case FUNC_ANY:
    case FUNC_PRINTED:
    case FUNC_AS_TEXT:
        return 2276; // "any"
    case FUNC_SAME:
    case FUNC_COMMON:
        return 2283; // anyelement
    case FUNC_ANY_ARRAY:
    case FUNC_COMMON_ARRAY:
        return 2277; // anyarray
    default:
        break;
    }
    if (declared >= FUNC_ANY) {
        return 3831; // anyrange
    }
    if (declared > FUNC_ARRAY_BASE) {
        return system_type_oid(
            (struct type){.id = TYPE_ARRAY, .element = (uint8_t)(declared - FUNC_ARRAY_BASE)});
    }
    return system_type_oid(type_of((enum type_id)declared));
}

static void put_function(struct system_rows *rows, int64_t oid, const char *name,
                         const uint8_t *arguments, uint32_t count)
{
    int64_t types[FUNC_DECLARED_MAX];
    for (uint32_t i = 0; i < count && i < FUNC_DECLARED_MAX; i++) {
        types[i] = declared_oid(arguments[i]);
    }
    system_row(rows);
    system_put(rows, "oid", oid);
    system_put_text(rows, "proname", name);
    system_put(rows, "pronamespace", OID_PG_CATALOG);
    system_put(rows, "proowner", OID_OWNER);
    system_put(rows, "prolang", 12);
    system_put(rows, "procost", 1);
    system_put(rows, "proparallel", 's');
    system_put(rows, "pronargs", count);
    system_put_array(rows, "proargtypes", types, count);
    system_put_text(rows, "prosrc", name);
}

tdbplus_status system_fill_proc(struct system_rows *rows)
{
    const struct func *func = NULL;
    for (uint32_t i = 0; (func = func_at(i)) != NULL; i++) {
        if ((func->flags & FUNC_OPERATOR) != 0) {
            continue;
        }
        put_function(rows, OID_FUNCTION + i, func->name, func->arguments, func->argument_count);
        system_put(rows, "prokind", 'f');
        system_put(rows, "proisstrict", (func->flags & FUNC_CALLED_ON_NULL) == 0);
        system_put(rows, "proretset", (func->flags & FUNC_SET) != 0);
        system_put(rows, "provolatile",
                   (func->flags & FUNC_VOLATILE) != 0 ? 'v'
                   : (func->flags & FUNC_STABLE) != 0 ? 's'
                                                      : 'i');
        system_put(rows, "prorettype", declared_oid(func->result));
    }
    const struct aggregate *aggregate = NULL;
    for (uint32_t i = 0; (aggregate = aggregate_at(i)) != NULL; i++) {
        put_function(rows, OID_AGGREGATE + i, aggregate->name, aggregate->arguments,
                     aggregate->argument_count);
        system_put(rows, "prokind", 'a');
        system_put(rows, "provolatile", 'i');
        system_put(rows, "prorettype", declared_oid(aggregate->result));
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_operator(struct system_rows *rows)
{
    const struct func *func = NULL;
    for (uint32_t i = 0; (func = func_at(i)) != NULL; i++) {
        if ((func->flags & FUNC_OPERATOR) == 0 || func->argument_count == 0) {
            continue;
        }
        bool prefix = func->argument_count == 1;
        system_row(rows);
        system_put(rows, "oid", OID_FUNCTION + i);
        system_put_text(rows, "oprname", func->name);
        system_put(rows, "oprnamespace", OID_PG_CATALOG);
        system_put(rows, "oprowner", OID_OWNER);
        system_put(rows, "oprkind", prefix ? 'l' : 'b');
        system_put(rows, "oprleft", prefix ? 0 : declared_oid(func->arguments[0]));
        system_put(rows, "oprright", declared_oid(func->arguments[prefix ? 0 : 1]));
        system_put(rows, "oprresult", declared_oid(func->result));
    }
    return TDBPLUS_OK;
}

/* ---- what there is one or a few of ---- */

static void put_method(struct system_rows *rows, int64_t oid, const char *name, char kind)
{
    system_row(rows);
    system_put(rows, "oid", oid);
    system_put_text(rows, "amname", name);
    system_put(rows, "amtype", kind);
}

tdbplus_status system_fill_am(struct system_rows *rows)
{
    put_method(rows, OID_HEAP, "heap", 't');
    put_method(rows, OID_BTREE, "btree", 'i');
    put_method(rows, OID_HASH, "hash", 'i');
    return TDBPLUS_OK;
}

tdbplus_status system_fill_opclass(struct system_rows *rows)
{
    for (const struct system_type *type = system_types; type->oid != 0; type++) {
        char name[80];
        if (type->kind == 'p' || type->name[0] == '_') {
            continue;
        }
        (void)snprintf(name, sizeof name, "%s_ops", type->name);
        system_row(rows);
        system_put(rows, "oid", 10000 + (int64_t)type->oid);
        system_put(rows, "opcmethod", OID_BTREE);
        system_put_text(rows, "opcname", name);
        system_put(rows, "opcnamespace", OID_PG_CATALOG);
        system_put(rows, "opcowner", OID_OWNER);
        system_put(rows, "opcintype", type->oid);
        system_put(rows, "opcdefault", true);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_collation(struct system_rows *rows)
{
    static const struct {
        int64_t oid;
        const char *name;
        char provider;
    } collations[] = {{100, "default", 'd'}, {950, "C", 'c'}, {951, "POSIX", 'c'}};
    for (size_t i = 0; i < sizeof collations / sizeof *collations; i++) {
        system_row(rows);
        system_put(rows, "oid", collations[i].oid);
        system_put_text(rows, "collname", collations[i].name);
        system_put(rows, "collnamespace", OID_PG_CATALOG);
        system_put(rows, "collowner", OID_OWNER);
        system_put(rows, "collprovider", collations[i].provider);
        system_put(rows, "collisdeterministic", true);
        system_put(rows, "collencoding", -1);
        if (collations[i].provider == 'c') {
            system_put_text(rows, "collcollate", collations[i].name);
            system_put_text(rows, "collctype", collations[i].name);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_database(struct system_rows *rows)
{
    system_row(rows);
    system_put(rows, "oid", OID_DATABASE);
    system_put_text(rows, "datname", rows->database == NULL ? "tdb" : rows->database);
    system_put_owner(rows, "datdba", "datacl", ACL_OID_DATABASE);
    system_put(rows, "encoding", 6);
    system_put(rows, "datlocprovider", 'c');
    system_put(rows, "datallowconn", true);
    system_put(rows, "datconnlimit", -1);
    system_put(rows, "dattablespace", OID_TABLESPACE);
    system_put_text(rows, "datcollate", "C.UTF-8");
    system_put_text(rows, "datctype", "C.UTF-8");
    return TDBPLUS_OK;
}

tdbplus_status system_fill_extension(struct system_rows *rows)
{
    system_row(rows);
    system_put(rows, "oid", OID_USER_FIRST - 3);
    system_put_text(rows, "extname", "vector");
    system_put(rows, "extowner", OID_OWNER);
    system_put(rows, "extnamespace", OID_PUBLIC);
    system_put_text(rows, "extversion", "0.7.0");
    return TDBPLUS_OK;
}

tdbplus_status system_fill_tablespace(struct system_rows *rows)
{
    static const char *const names[] = {"pg_default", "pg_global"};
    for (uint32_t i = 0; i < 2; i++) {
        system_row(rows);
        system_put(rows, "oid", OID_TABLESPACE + i);
        system_put_text(rows, "spcname", names[i]);
        system_put(rows, "spcowner", OID_OWNER);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_language(struct system_rows *rows)
{
    static const char *const names[] = {"internal", "c", "sql"};
    for (uint32_t i = 0; i < 3; i++) {
        system_row(rows);
        system_put(rows, "oid", 12 + i);
        system_put_text(rows, "lanname", names[i]);
        system_put(rows, "lanowner", OID_OWNER);
        system_put(rows, "lanpltrusted", i == 2);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_cast(struct system_rows *rows)
{
    for (uint32_t from = TYPE_BOOL; from <= TYPE_ID_MAX; from++) {
        for (uint32_t to = TYPE_BOOL; to <= TYPE_ID_MAX; to++) {
            struct type left = type_of((enum type_id)from);
            struct type right = type_of((enum type_id)to);
            struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
            if (from == to || !type_valid(left) || !type_valid(right) || from == TYPE_ENUM ||
                to == TYPE_ENUM || to == TYPE_TEXT || from == TYPE_TEXT) {
                continue;
            }
            bool implicit = func_cast_path(left, right, FUNC_CAST_IMPLICIT, steps) >= 0;
            bool assigned = func_cast_path(left, right, FUNC_CAST_ASSIGNMENT, steps) >= 0;
            if (implicit || assigned ||
                func_cast_path(left, right, FUNC_CAST_EXPLICIT, steps) >= 0) {
                system_row(rows);
                system_put(rows, "oid", 0x02000000 + (int64_t)(from * 256 + to));
                system_put(rows, "castsource", system_type_oid(left));
                system_put(rows, "casttarget", system_type_oid(right));
                system_put(rows, "castcontext", implicit ? 'i' : assigned ? 'a' : 'e');
                system_put(rows, "castmethod", 'f');
            }
        }
    }
    return TDBPLUS_OK;
}
