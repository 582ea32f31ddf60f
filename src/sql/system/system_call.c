/* Functions about the catalog, and what regclass and its kin print and read. */

#include <stdio.h>
#include <string.h>

#include "sql/system/system_internal.h"
#include "types/catalog_type.h"

struct asked {
    struct txn *txn;
    const struct datum *arguments;
    uint32_t count;
    struct arena *arena;
    struct func_answer *answer;
    struct err *err;
};

typedef tdbplus_status (*answerer)(const struct asked *asked);

static tdbplus_status nothing(const struct asked *asked)
{
    asked->answer->is_null = true;
    return TDBPLUS_OK;
}

static tdbplus_status yes(const struct asked *asked)
{
    asked->answer->integer = true;
    return TDBPLUS_OK;
}

static tdbplus_status no(const struct asked *asked)
{
    asked->answer->integer = false;
    return TDBPLUS_OK;
}

static tdbplus_status empty_text(const struct asked *asked)
{
    (void)asked;
    return TDBPLUS_OK;
}

static tdbplus_status give(const struct asked *asked, bool found)
{
    asked->answer->is_null = !found;
    return TDBPLUS_OK;
}

static int64_t oid_at(const struct asked *asked, uint32_t number)
{
    return asked->arguments[number].integer;
}

/* ---- texts ---- */

static tdbplus_status role_name(const struct asked *asked)
{
    if (oid_at(asked, 0) == OID_OWNER) {
        buffer_put_text(&asked->answer->text, "tdb");
    } else {
        buffer_printf(&asked->answer->text, "unknown (OID=%lld)", (long long)oid_at(asked, 0));
    }
    return TDBPLUS_OK;
}

/* The name of a type that SQL defined; false when the number is none's. */
static bool put_defined_type(struct txn *txn, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    struct type type = wire_enum_by_oid(oid);
    if (type.id == TYPE_NONE || !catalog_entry_by_oid(txn, type.parameter, &entry) ||
        entry.kind != CATALOG_TYPE) {
        return false;
    }
    if (strcmp(entry.schema, CATALOG_SCHEMA_DEFAULT) != 0) {
        system_put_name(text, entry.schema);
        buffer_put_u8(text, '.');
    }
    system_put_name(text, entry.name);
    buffer_put_text(text, type.id == TYPE_ARRAY ? "[]" : "");
    return true;
}

static tdbplus_status format_type(const struct asked *asked)
{
    if (asked->arguments[0].is_null) {
        return nothing(asked);
    }
    bool bare = asked->arguments[1].is_null;
    struct catalog_entry entry;
    int64_t oid = oid_at(asked, 0);
    bool array = oid >= OID_ROW_ARRAY;
    if (oid >= OID_ROW_TYPE && oid < OID_PART &&
        catalog_entry_by_oid(asked->txn, (uint64_t)(oid - (array ? OID_ROW_ARRAY : OID_ROW_TYPE)),
                             &entry)) {
        system_put_name(&asked->answer->text, entry.name);
        buffer_put_text(&asked->answer->text, array ? "[]" : "");
        return TDBPLUS_OK;
    }
    if (put_defined_type(asked->txn, oid, &asked->answer->text)) {
        return TDBPLUS_OK;
    }
    int32_t modifier = bare ? -1 : (int32_t)oid_at(asked, 1);
    if (bare && oid == 1042) {
        buffer_put_text(&asked->answer->text, "character");
    } else {
        system_format_type(oid, modifier, &asked->answer->text);
    }
    return TDBPLUS_OK;
}

static tdbplus_status expression(const struct asked *asked)
{
    buffer_put_span(&asked->answer->text, asked->arguments[0].bytes);
    return TDBPLUS_OK;
}

static tdbplus_status index_definition(const struct asked *asked)
{
    struct system_index index;
    if (!system_find_index(asked->txn, oid_at(asked, 0), asked->arena, &index)) {
        return nothing(asked);
    }
    int64_t column = asked->count > 1 ? oid_at(asked, 1) : 0;
    if (column == 0) {
        bool pretty = asked->count > 2 && asked->arguments[2].boolean;
        system_index_text(&index, !pretty, &asked->answer->text);
    } else if (column > 0) {
        system_index_column(&index, (uint32_t)column - 1, false, &asked->answer->text);
    }
    return TDBPLUS_OK;
}

static tdbplus_status constraint_definition(const struct asked *asked)
{
    bool found =
        system_constraint_text(asked->txn, oid_at(asked, 0), asked->arena, &asked->answer->text);
    bool pretty = asked->count > 1 && asked->arguments[1].boolean;
    struct buffer *text = &asked->answer->text;
    // CHECK ((a)) is CHECK (a) where it is meant for people.
    if (found && pretty && text->size > 9 && memcmp(text->data, "CHECK ((", 8) == 0) {
        memmove(text->data + 7, text->data + 8, text->size - 8);
        text->size -= 2;
    }
    return give(asked, found);
}

static const struct func *function_of(int64_t oid)
{
    return oid >= OID_FUNCTION && oid < OID_AGGREGATE ? func_at((uint32_t)(oid - OID_FUNCTION))
                                                      : NULL;
}

static void put_declared(uint8_t declared, struct buffer *text)
{
    if (declared == FUNC_SAME || declared == FUNC_COMMON) {
        buffer_put_text(text, "anyelement");
    } else if (declared == FUNC_ANY_ENUM) {
        buffer_put_text(text, "anyenum");
    } else if (declared == FUNC_ANY_ARRAY || declared == FUNC_COMMON_ARRAY) {
        buffer_put_text(text, "anyarray");
    } else if (declared >= FUNC_ANY) {
        buffer_put_text(text, "\"any\"");
    } else {
        bool array = declared > FUNC_ARRAY_BASE;
        struct type type = type_of((enum type_id)(array ? declared - FUNC_ARRAY_BASE : declared));
        system_format_type(system_type_oid(type), -1, text);
        buffer_put_text(text, array ? "[]" : "");
    }
}

static tdbplus_status function_result(const struct asked *asked)
{
    const struct func *func = function_of(oid_at(asked, 0));
    if (func == NULL) {
        return nothing(asked);
    }
    buffer_put_text(&asked->answer->text, (func->flags & FUNC_SET) != 0 ? "SETOF " : "");
    put_declared(func->result, &asked->answer->text);
    return TDBPLUS_OK;
}

static tdbplus_status function_arguments(const struct asked *asked)
{
    const struct func *func = function_of(oid_at(asked, 0));
    if (func == NULL) {
        return nothing(asked);
    }
    for (uint32_t i = 0; i < func->argument_count; i++) {
        buffer_put_text(&asked->answer->text, i > 0 ? ", " : "");
        put_declared(func->arguments[i], &asked->answer->text);
    }
    return TDBPLUS_OK;
}

/* ---- numbers ---- */

static const struct object *relation_at(const struct asked *asked)
{
    int64_t oid = oid_at(asked, 0);
    return oid < OID_USER_FIRST ? NULL
                                : txn_object_by_id(asked->txn, (uint64_t)(oid - OID_USER_FIRST));
}

/* Rows times the width of their columns: storage does not count a table's bytes apart. */
static int64_t table_bytes(const struct object *table)
{
    struct txn_statistics statistics = {0};
    txn_statistics(table, UINT32_MAX, &statistics);
    int64_t width = 0;
    for (uint32_t i = 0; i < table->schema->column_count; i++) {
        struct type type = table->schema->columns[i].type;
        width += type_physical(type) == PHYSICAL_VIEW ? 24 : (int64_t)type_width(type);
    }
    return (int64_t)statistics.row_count * width;
}

static tdbplus_status relation_size(const struct asked *asked)
{
    const struct object *object = relation_at(asked);
    asked->answer->integer =
        object != NULL && object->kind == OBJECT_COLLECTION ? table_bytes(object) : 0;
    return TDBPLUS_OK;
}

static tdbplus_status live_rows(const struct asked *asked)
{
    const struct object *object = relation_at(asked);
    struct txn_statistics statistics = {0};
    if (object != NULL && object->kind == OBJECT_COLLECTION) {
        txn_statistics(object, UINT32_MAX, &statistics);
    }
    asked->answer->integer = (int64_t)statistics.row_count;
    return TDBPLUS_OK;
}

static tdbplus_status database_size(const struct asked *asked)
{
    const struct object *table = NULL;
    int64_t bytes = 0;
    while ((table = txn_object_next(asked->txn, OBJECT_COLLECTION, table)) != NULL) {
        bytes += table_bytes(table);
    }
    asked->answer->integer = bytes;
    return TDBPLUS_OK;
}

static tdbplus_status same_number(const struct asked *asked)
{
    asked->answer->integer = oid_at(asked, 0);
    return TDBPLUS_OK;
}

static tdbplus_status zero(const struct asked *asked)
{
    asked->answer->integer = 0;
    return TDBPLUS_OK;
}

static tdbplus_status session_number(const struct asked *asked)
{
    asked->answer->integer = 1;
    return TDBPLUS_OK;
}

/* ---- to_regclass() and its kin ---- */

static tdbplus_status find_reg(const struct asked *asked, uint8_t type)
{
    struct err err = {0};
    tdbplus_status status = system_reg_parse(asked->txn, type, asked->arguments[0].bytes,
                                             &asked->answer->integer, &err);
    return status == TDBPLUS_OK ? status : nothing(asked);
}

static tdbplus_status to_regclass(const struct asked *asked)
{
    return find_reg(asked, TYPE_REGCLASS);
}

static tdbplus_status to_regtype(const struct asked *asked)
{
    return find_reg(asked, TYPE_REGTYPE);
}

static tdbplus_status to_regnamespace(const struct asked *asked)
{
    return find_reg(asked, TYPE_REGNAMESPACE);
}

static tdbplus_status to_regrole(const struct asked *asked)
{
    return find_reg(asked, TYPE_REGROLE);
}

static tdbplus_status to_regproc(const struct asked *asked)
{
    return find_reg(asked, TYPE_REGPROC);
}

/* ---- all of them ---- */

static const struct {
    const char *name; /* Or how it begins and ends, around a star. */
    answerer answer;
} answers[] = {
    {"pg_get_userbyid", role_name},
    {"format_type", format_type},
    {"pg_get_expr", expression},
    {"pg_get_indexdef", index_definition},
    {"pg_get_constraintdef", constraint_definition},
    {"pg_get_function_result", function_result},
    {"pg_get_function_arguments", function_arguments},
    {"pg_get_function_identity_arguments", function_arguments},
    {"pg_relation_size", relation_size},
    {"pg_total_relation_size", relation_size},
    {"pg_table_size", relation_size},
    {"pg_indexes_size", zero},
    {"pg_database_size", database_size},
    {"pg_tablespace_size", database_size},
    {"pg_tablespace_location", empty_text},
    {"pg_relation_filenode", same_number},
    {"pg_stat_get_live_tuples", live_rows},
    {"pg_stat_get_numscans", zero},
    {"pg_stat_get_dead_tuples", zero},
    {"pg_my_temp_schema", zero},
    {"pg_backend_pid", session_number},
    {"pg_is_in_recovery", no},
    {"pg_is_other_temp_schema", no},
    {"pg_relation_is_publishable", no},
    {"to_regclass", to_regclass},
    {"to_regtype", to_regtype},
    {"to_regnamespace", to_regnamespace},
    {"to_regrole", to_regrole},
    {"to_regproc", to_regproc},
    {"pg_has_role", yes},
};

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static answerer find_answer(const char *name)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].name, name) == 0) {
            return answers[i].answer;
        }
    }
    if (ends_with(name, "_is_visible") || ends_with(name, "_privilege")) {
        return yes;
    }
    return nothing; // Comments, triggers, rules and the like: there are none.
}

tdbplus_status system_call(struct txn *txn, const char *name, const struct datum *arguments,
                           uint32_t count, struct func_answer *answer, struct err *err)
{
    struct arena arena;
    arena_init(&arena, answer->text.alloc, 0);
    struct asked asked = {.txn = txn,
                          .arguments = arguments,
                          .count = count,
                          .arena = &arena,
                          .answer = answer,
                          .err = err};
    tdbplus_status status = find_answer(name)(&asked);
    arena_deinit(&arena);
    return status;
}

/* ---- names of oids ---- */

static bool print_relation(struct txn *txn, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    for (const struct plan_system *table = system_tables; table->name != NULL; table++) {
        if (table->oid == oid) {
            buffer_put_text(text, table->name);
            return true;
        }
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (view->oid == oid) {
            bool plain = strcmp(view->schema, "pg_catalog") == 0;
            buffer_printf(text, "%s%s%s", plain ? "" : view->schema, plain ? "" : ".", view->name);
            return true;
        }
    }
    bool key = oid >= OID_KEY_INDEX && oid < OID_KEY;
    if (oid < OID_USER_FIRST ||
        !catalog_entry_by_oid(txn, (uint64_t)(oid - (key ? OID_KEY_INDEX : OID_USER_FIRST)),
                              &entry)) {
        return false;
    }
    if (strcmp(entry.schema, CATALOG_SCHEMA_DEFAULT) != 0) {
        system_put_name(text, entry.schema);
        buffer_put_u8(text, '.');
    }
    char name[CATALOG_NAME_SIZE_MAX + 8];
    (void)snprintf(name, sizeof name, "%s%s", entry.name, key ? "_pkey" : "");
    system_put_name(text, name);
    return true;
}

static bool print_schema(struct txn *txn, int64_t oid, struct buffer *text)
{
    struct catalog_entry entry;
    const char *name = oid == OID_PG_CATALOG    ? "pg_catalog"
                       : oid == OID_PUBLIC      ? "public"
                       : oid == OID_INFORMATION ? "information_schema"
                                                : NULL;
    if (name == NULL && oid >= OID_USER_FIRST &&
        catalog_entry_by_oid(txn, (uint64_t)(oid - OID_USER_FIRST), &entry)) {
        name = entry.name;
    }
    if (name != NULL) {
        system_put_name(text, name);
    }
    return name != NULL;
}

bool system_reg_print(struct txn *txn, uint8_t type, int64_t oid, struct buffer *text)
{
    const struct func *func = NULL;
    switch (type) {
    case TYPE_REGCLASS:
        return print_relation(txn, oid, text);
    case TYPE_REGTYPE:
        if (put_defined_type(txn, oid, text)) {
            return true;
        }
        if (system_type_by_oid(oid) == NULL && oid != OID_USER_FIRST - 1 &&
            oid != OID_USER_FIRST - 2) {
            return oid >= OID_ROW_TYPE &&
                   print_relation(txn, oid - OID_ROW_TYPE + OID_USER_FIRST, text);
        }
        system_format_type(oid, -1, text);
        return true;
    case TYPE_REGNAMESPACE:
        return print_schema(txn, oid, text);
    case TYPE_REGROLE:
        buffer_put_text(text, oid == OID_OWNER ? "tdb" : "");
        return oid == OID_OWNER;
    case TYPE_REGPROC:
    case TYPE_REGPROCEDURE:
    case TYPE_REGOPER:
    case TYPE_REGOPERATOR:
        func = function_of(oid);
        buffer_put_text(text, func == NULL ? "" : func->name);
        return func != NULL;
    default:
        return false;
    }
}

/* One part of a dotted name, folded to small letters unless it is quoted. */
static bool take_part(struct span *rest, char part[CATALOG_NAME_SIZE_MAX + 1])
{
    size_t used = 0;
    bool quoted = rest->size > 0 && rest->data[0] == '"';
    size_t at = quoted;
    while (at < rest->size && used < CATALOG_NAME_SIZE_MAX) {
        uint8_t byte = rest->data[at];
        if (quoted && byte == '"') {
            if (at + 1 >= rest->size || rest->data[at + 1] != '"') {
                break;
            }
            at++;
        } else if (!quoted && byte == '.') {
            break;
        }
        bool capital = !quoted && byte >= 'A' && byte <= 'Z';
        part[used++] = (char)(capital ? byte + ('a' - 'A') : byte);
        at++;
    }
    part[used] = 0;
    at += quoted && at < rest->size;
    rest->data += at;
    rest->size -= at;
    return used > 0 && (rest->size == 0 || rest->data[0] == '.');
}

struct reg_name {
    char schema[CATALOG_NAME_SIZE_MAX + 1]; /* "": not given. */
    char name[CATALOG_NAME_SIZE_MAX + 1];
};

static bool read_name(struct span text, struct reg_name *name)
{
    struct span rest = text;
    name->schema[0] = 0;
    if (!take_part(&rest, name->name)) {
        return false;
    }
    while (rest.size > 0) {
        rest.data++;
        rest.size--;
        memcpy(name->schema, name->name, sizeof name->schema);
        if (!take_part(&rest, name->name)) {
            return false;
        }
    }
    return true;
}

static bool find_relation(struct txn *txn, const struct reg_name *name, int64_t *oid_out)
{
    const char *schema = name->schema[0] == 0 ? NULL : name->schema;
    struct catalog_entry entry;
    const struct plan_system *table = system_find_table(schema, name->name);
    if (table != NULL) {
        *oid_out = table->oid;
        return true;
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (strcmp(view->name, name->name) == 0 &&
            strcmp(view->schema, schema == NULL ? "pg_catalog" : schema) == 0) {
            *oid_out = view->oid;
            return true;
        }
    }
    if (catalog_relation_find(txn, schema, name->name, &entry)) {
        *oid_out = system_oid(entry.oid);
        return true;
    }
    // A table's key has an index's name.
    size_t size = strlen(name->name);
    char base[CATALOG_NAME_SIZE_MAX + 1];
    (void)snprintf(base, sizeof base, "%.*s", (int)(size > 5 ? size - 5 : 0), name->name);
    if (ends_with(name->name, "_pkey") &&
        catalog_entry_find(txn, CATALOG_TABLE, schema, base, &entry)) {
        *oid_out = OID_KEY_INDEX + (int64_t)entry.oid;
        return true;
    }
    return false;
}

static bool find_type(const struct reg_name *name, struct span text, int64_t *oid_out)
{
    struct type type = {0};
    char copy[CATALOG_NAME_SIZE_MAX + 1];
    size_t size = text.size < sizeof copy ? text.size : sizeof copy - 1;
    memcpy(copy, text.data, size);
    copy[size] = 0;
    bool array = size > 2 && strcmp(copy + size - 2, "[]") == 0;
    copy[size - (array ? 2 : 0)] = 0;
    for (const struct system_type *known = system_types; known->oid != 0; known++) {
        struct buffer shown = {.alloc = &alloc_system};
        system_format_type(known->oid, -1, &shown);
        bool same = (shown.size == strlen(copy) && memcmp(shown.data, copy, shown.size) == 0) ||
                    strcmp(known->name, name->name) == 0;
        buffer_deinit(&shown);
        if (same) {
            *oid_out = array ? known->array : known->oid;
            return true;
        }
    }
    if (func_type_find(copy, NULL, 0, &type, NULL) == TDBPLUS_OK) {
        *oid_out = system_type_oid(array ? func_array_of(type) : type);
        return true;
    }
    return false;
}

static bool find_defined_type(struct txn *txn, const struct reg_name *name, int64_t *oid_out)
{
    struct catalog_entry entry;
    char own[CATALOG_NAME_SIZE_MAX + 1];
    size_t size = strlen(name->name);
    bool array = size > 2 && strcmp(name->name + size - 2, "[]") == 0;
    (void)snprintf(own, sizeof own, "%.*s", (int)(size - (array ? 2 : 0)), name->name);
    const char *schema = name->schema[0] == 0 ? CATALOG_SCHEMA_DEFAULT : name->schema;
    bool found = catalog_entry_find(txn, CATALOG_TYPE, schema, own, &entry);
    if (found) {
        *oid_out = array ? OID_ROW_ARRAY + (int64_t)entry.oid : system_oid(entry.oid);
    }
    return found;
}

static bool find_function(const char *name, int64_t *oid_out)
{
    const struct func *func = NULL;
    for (uint32_t i = 0; (func = func_at(i)) != NULL; i++) {
        if (strcmp(func->name, name) == 0) {
            *oid_out = OID_FUNCTION + i;
            return true;
        }
    }
    return false;
}

tdbplus_status system_reg_parse(struct txn *txn, uint8_t type, struct span text, int64_t *oid_out,
                                struct err *err)
{
    struct reg_name name;
    struct catalog_entry entry;
    const char *kind = "relation";
    const char *state = "42P01";
    bool good = read_name(text, &name);
    bool found = false;
    switch (type) {
    case TYPE_REGCLASS:
        found = good && find_relation(txn, &name, oid_out);
        break;
    case TYPE_REGTYPE:
        kind = "type";
        state = "42704";
        found = good && (find_type(&name, text, oid_out) || find_defined_type(txn, &name, oid_out));
        break;
    case TYPE_REGNAMESPACE:
        kind = "schema";
        state = "3F000";
        *oid_out = strcmp(name.name, "pg_catalog") == 0           ? OID_PG_CATALOG
                   : strcmp(name.name, "information_schema") == 0 ? OID_INFORMATION
                   : strcmp(name.name, "public") == 0             ? OID_PUBLIC
                                                                  : 0;
        found = *oid_out != 0;
        if (!found && good && catalog_entry_find(txn, CATALOG_SCHEMA, NULL, name.name, &entry)) {
            *oid_out = system_oid(entry.oid);
            found = true;
        }
        break;
    case TYPE_REGROLE:
        kind = "role";
        state = "42704";
        *oid_out = OID_OWNER;
        found = good && strcmp(name.name, "tdb") == 0;
        break;
    default:
        kind = "function";
        state = "42883";
        found = good && find_function(name.name, oid_out);
        break;
    }
    return found
               ? TDBPLUS_OK
               : err_set_state(err, TDBPLUS_E_NOT_FOUND, state, "%s \"%.*s\" does not exist", kind,
                               (int)(text.size > 200 ? 200 : text.size), (const char *)text.data);
}
