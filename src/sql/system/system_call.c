/* Functions about the catalog. */

#include <string.h>

#include "catalog/catalog_sequence.h"
#include "sql/system/system_internal.h"

struct asked {
    const struct system_place *place;
    struct txn *txn;
    const char *name;
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
    struct role role;
    if (role_by_oid(asked->txn, (uint64_t)oid_at(asked, 0), &role)) {
        buffer_put_text(&asked->answer->text, role.name);
    } else {
        buffer_printf(&asked->answer->text, "unknown (OID=%lld)", (long long)oid_at(asked, 0));
    }
    return TDBPLUS_OK;
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
    if (system_put_defined_type(asked->txn, oid, &asked->answer->text)) {
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
    const struct func *func = system_function(oid_at(asked, 0));
    if (func == NULL) {
        return nothing(asked);
    }
    buffer_put_text(&asked->answer->text, (func->flags & FUNC_SET) != 0 ? "SETOF " : "");
    put_declared(func->result, &asked->answer->text);
    return TDBPLUS_OK;
}

static tdbplus_status function_arguments(const struct asked *asked)
{
    const struct func *func = system_function(oid_at(asked, 0));
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

/* ---- what names find ---- */

static tdbplus_status relation_visible(const struct asked *asked)
{
    bool visible = false;
    bool found = system_relation_visible(asked->place, oid_at(asked, 0), &visible);
    asked->answer->integer = visible;
    return give(asked, found);
}

static tdbplus_status current_schema(const struct asked *asked)
{
    const struct func_session *session = asked->place->session;
    struct catalog_entry entry;
    if (session == NULL || session->path == NULL) {
        buffer_put_text(&asked->answer->text, CATALOG_SCHEMA_DEFAULT);
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < session->path_count; i++) {
        const char *name = session->path[i];
        if (strcmp(name, CATALOG_SCHEMA_DEFAULT) == 0 ||
            catalog_entry_find(asked->txn, CATALOG_SCHEMA, NULL, name, &entry)) {
            buffer_put_text(&asked->answer->text, name);
            return TDBPLUS_OK;
        }
    }
    return nothing(asked);
}

static tdbplus_status type_visible(const struct asked *asked)
{
    int64_t oid = oid_at(asked, 0);
    bool row = oid >= OID_ROW_TYPE && oid < OID_PART;
    bool visible = true;
    bool found = true;
    if (row) {
        int64_t base = oid >= OID_ROW_ARRAY ? OID_ROW_ARRAY : OID_ROW_TYPE;
        found = system_relation_visible(asked->place, oid - base + OID_USER_FIRST, &visible);
    } else {
        struct catalog_entry entry;
        found = system_type_by_oid(oid) != NULL || oid == OID_USER_FIRST - 2 ||
                oid == OID_USER_FIRST - 1 ||
                (oid >= OID_USER_FIRST &&
                 catalog_entry_by_oid(asked->txn, (uint64_t)(oid - OID_USER_FIRST), &entry) &&
                 entry.kind == CATALOG_TYPE);
    }
    asked->answer->integer = visible;
    return give(asked, found);
}

/* ---- comments ---- */

static tdbplus_status object_comment(const struct asked *asked)
{
    const char *kind = NULL;
    struct span name = asked->count > 1 ? asked->arguments[1].bytes : (struct span){0};
    bool found = system_comment(asked->txn, oid_at(asked, 0), 0, &kind, &asked->answer->text) &&
                 (asked->count < 2 || span_compare(name, span_from_text(kind)) == 0);
    return give(asked, found);
}

static tdbplus_status column_comment(const struct asked *asked)
{
    const char *kind = NULL;
    int64_t number = oid_at(asked, 1);
    return give(asked, number >= 0 && system_comment(asked->txn, oid_at(asked, 0), number, &kind,
                                                     &asked->answer->text));
}

/* ---- sequences ---- */

static tdbplus_status peek_sequence(const struct asked *asked, int64_t *last_out, bool *called_out,
                                    bool *found_out)
{
    struct catalog_entry entry;
    struct call call = {.alloc = asked->answer->text.alloc, .err = asked->err};
    int64_t oid = oid_at(asked, 0);
    *found_out = oid >= OID_USER_FIRST &&
                 catalog_entry_by_oid(asked->txn, (uint64_t)(oid - OID_USER_FIRST), &entry) &&
                 entry.kind == CATALOG_SEQUENCE;
    return *found_out ? sequence_peek(asked->txn, entry.oid, last_out, called_out, &call)
                      : TDBPLUS_OK;
}

static tdbplus_status last_value(const struct asked *asked)
{
    bool called = false;
    bool found = false;
    TRY(peek_sequence(asked, &asked->answer->integer, &called, &found));
    return give(asked, found && called);
}

static tdbplus_status sequence_position(const struct asked *asked)
{
    int64_t last = 0;
    bool called = false;
    bool found = false;
    TRY(peek_sequence(asked, &last, &called, &found));
    buffer_printf(&asked->answer->text, "%lld, %s", (long long)last, called ? "true" : "false");
    return give(asked, found);
}

/* ---- views ---- */

/* The entry with the query of a view, which is another one where it is materialized. */
static bool find_query(struct txn *txn, struct catalog_entry *entry)
{
    struct catalog_entry view = {0};
    if (entry->kind == CATALOG_VIEW) {
        return true;
    }
    while (catalog_entry_next(txn, CATALOG_MATERIALIZED, &view)) {
        if (view.owner == entry->oid) {
            *entry = view;
            return true;
        }
    }
    return false;
}

static tdbplus_status view_definition(const struct asked *asked)
{
    struct catalog_entry entry;
    struct view_info info = {0};
    int64_t oid = 0;
    if (asked->arguments[0].type.id == TYPE_TEXT) {
        TRY(system_reg_parse(asked->place, TYPE_REGCLASS, asked->arguments[0].bytes, &oid,
                             asked->err));
    } else {
        oid = oid_at(asked, 0);
    }
    for (const struct system_view *view = system_views; view->name != NULL; view++) {
        if (view->oid == oid) {
            buffer_printf(&asked->answer->text, " %s;", view->query);
            return TDBPLUS_OK;
        }
    }
    if (oid < OID_USER_FIRST ||
        !catalog_entry_by_oid(asked->txn, (uint64_t)(oid - OID_USER_FIRST), &entry)) {
        return nothing(asked);
    }
    if (!find_query(asked->txn, &entry)) {
        buffer_put_text(&asked->answer->text, "Not a view");
        return TDBPLUS_OK;
    }
    TRY(view_info_decode(&entry, asked->arena, &info, asked->err));
    buffer_put_u8(&asked->answer->text, ' ');
    TRY(bind_view_text(asked->txn, &info, asked->arena, &asked->answer->text, asked->err));
    buffer_put_u8(&asked->answer->text, ';');
    return TDBPLUS_OK;
}

/* ---- to_regclass() and its kin ---- */

static tdbplus_status find_reg(const struct asked *asked, uint8_t type)
{
    struct err err = {0};
    tdbplus_status status = system_reg_parse(asked->place, type, asked->arguments[0].bytes,
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

/* ---- privileges ---- */

static tdbplus_status has_privilege(const struct asked *asked)
{
    return system_has_privilege(asked->place, asked->name, asked->arguments, asked->count,
                                asked->answer, asked->err);
}

static tdbplus_status has_role(const struct asked *asked)
{
    return system_has_role(asked->place, asked->arguments, asked->count, asked->answer, asked->err);
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
    {"pg_has_role", has_role},
    {"current_schema", current_schema},
    {"pg_table_is_visible", relation_visible},
    {"pg_type_is_visible", type_visible},
    {"obj_description", object_comment},
    {"col_description", column_comment},
    {"pg_get_viewdef", view_definition},
    {"pg_sequence_last_value", last_value},
    {"pg_sequence_position", sequence_position},
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
    if (ends_with(name, "_privilege")) {
        return has_privilege;
    }
    if (ends_with(name, "_is_visible")) {
        return yes;
    }
    return nothing; // Triggers, rules and the like: there are none.
}

tdbplus_status system_call(const struct system_place *place, const char *name,
                           const struct datum *arguments, uint32_t count,
                           struct func_answer *answer, struct err *err)
{
    struct arena arena;
    arena_init(&arena, answer->text.alloc, 0);
    struct asked asked = {.place = place,
                          .txn = place->txn,
                          .name = name,
                          .arguments = arguments,
                          .count = count,
                          .arena = &arena,
                          .answer = answer,
                          .err = err};
    tdbplus_status status = find_answer(name)(&asked);
    arena_deinit(&arena);
    return status;
}
