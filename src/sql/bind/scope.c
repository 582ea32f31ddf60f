/* What names mean. */

#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"
#include "sql/bind/view_info.h"

tdbplus_status bind_add_column(struct binder *binder, struct bind_query *query,
                               const struct bind_column *column)
{
    struct bind_column *copy = arena_alloc(binder->arena, sizeof *copy);
    if (copy == NULL || !pointers_push(binder->arena, &query->columns, copy)) {
        return bind_no_memory(binder);
    }
    *copy = *column;
    return TDBPLUS_OK;
}

tdbplus_status bind_copy_name(struct binder *binder, const char *name, const char **copy_out)
{
    *copy_out = arena_text(binder->arena, span_from_text(name));
    return *copy_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

tdbplus_status bind_name_schema(struct binder *binder, struct bind_query *query, uint32_t first,
                                const char *schema)
{
    const char *copy = NULL;
    TRY(bind_copy_name(binder, schema, &copy));
    for (uint32_t i = first; i < query->columns.count; i++) {
        ((struct bind_column *)query->columns.items[i])->schema = copy;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_read_qualifier(struct binder *binder, const struct ast_column_ref *ref,
                                   struct bind_qualifier *qualifier_out)
{
    uint32_t count = ref->names.count - (ref->star ? 0u : 1u);
    const char *const *names = ref->names.items;
    const char *database = binder->session == NULL ? NULL : binder->session->database;
    if (count > 3) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ref->ast.position,
                         "improper qualified name (too many dotted names): %s", names[0]);
    }
    if (count == 3 && (database == NULL || strcmp(names[0], database) != 0)) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ref->ast.position,
                         "cross-database references are not implemented: %s.%s.%s", names[0],
                         names[1], names[2]);
    }
    *qualifier_out = (struct bind_qualifier){.schema = count > 1 ? names[count - 2] : NULL,
                                             .table = count > 0 ? names[count - 1] : NULL};
    return TDBPLUS_OK;
}

bool bind_is_of(const struct bind_column *column, const struct bind_qualifier *qualifier)
{
    if (qualifier->table == NULL) {
        return !column->qualified_only;
    }
    return column->table != NULL && strcmp(column->table, qualifier->table) == 0 &&
           (qualifier->schema == NULL ||
            (column->schema != NULL && strcmp(column->schema, qualifier->schema) == 0));
}

const struct bind_column *bind_peek_column(const struct bind_query *query,
                                           const struct bind_qualifier *qualifier, const char *name,
                                           bool *ambiguous_out)
{
    const struct bind_column *found = NULL;
    *ambiguous_out = false;
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (!bind_is_of(column, qualifier) || strcmp(column->name, name) != 0) {
            continue;
        }
        if (found != NULL) {
            *ambiguous_out = true;
            return found;
        }
        found = column;
    }
    return found;
}

tdbplus_status bind_mark_outer(struct binder *binder, struct bind_query *reader,
                               const struct bind_query *owner, uint32_t id)
{
    for (struct bind_query *query = reader; query != owner; query = query->outer) {
        bool known = query->outer_ids == NULL;
        for (uint32_t i = 0; !known && i < query->outer_ids->count; i++) {
            known = (uintptr_t)query->outer_ids->items[i] == id;
        }
        if (!known && !pointers_push(binder->arena, query->outer_ids, (void *)(uintptr_t)id)) {
            return bind_no_memory(binder);
        }
    }
    return TDBPLUS_OK;
}

static bool table_known(const struct bind_query *query, const struct bind_qualifier *qualifier)
{
    for (; query != NULL; query = query->outer) {
        for (uint32_t i = 0; i < query->columns.count; i++) {
            if (bind_is_of(query->columns.items[i], qualifier)) {
                return true;
            }
        }
    }
    return false;
}

static tdbplus_status column_missing(struct binder *binder, const struct bind_query *query,
                                     const struct bind_qualifier *qualifier, const char *name,
                                     uint32_t position)
{
    const char *table = qualifier->table;
    if (table != NULL && !table_known(query, qualifier)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", position,
                         "missing FROM-clause entry for table \"%s\"", table);
    }
    tdbplus_status status = table != NULL
                                ? bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", position,
                                            "column %s.%s does not exist", table, name)
                                : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", position,
                                            "column \"%s\" does not exist", name);
    const struct bind_column *best = NULL;
    uint32_t nearest = UINT32_MAX;
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (func_name_similar(name, column->name, &nearest)) {
            best = column;
        }
    }
    if (best != NULL) {
        err_hint(binder->err, "Perhaps you meant to reference the column \"%s%s%s\".",
                 best->table != NULL ? best->table : "", best->table != NULL ? "." : "",
                 best->name);
    }
    return status;
}

/* A function's item of one column, by the item's name: `FROM jsonb_array_elements(x) AS it`. */
static const struct bind_column *peek_item(const struct bind_query *query, const char *name)
{
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (column->is_item && strcmp(column->table, name) == 0) {
            return column;
        }
    }
    return NULL;
}

tdbplus_status bind_read_column(struct binder *binder, struct bind_query *reader,
                                const struct bind_query *owner, const struct bind_column *column,
                                uint32_t position, struct expr **expr_out)
{
    struct expr *expr = expr_column(binder->arena, column->id, column->type);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    expr->position = position;
    bind_mark_read(column);
    TRY(bind_mark_outer(binder, reader, owner, column->id));
    *expr_out = expr;
    return TDBPLUS_OK;
}

tdbplus_status bind_find_column(struct binder *binder, struct bind_query *query,
                                const struct ast_column_ref *ref, struct expr **expr_out)
{
    struct bind_qualifier qualifier = {0};
    bool found = false;
    if (ref->names.count > 3) {
        TRY(document_find_path(binder, query, ref, expr_out, &found));
        if (found) {
            return TDBPLUS_OK;
        }
    }
    TRY(bind_read_qualifier(binder, ref, &qualifier));
    if (query->clause == CLAUSE_DEFAULT && query->columns.count == 0 && query->outer == NULL) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ref->ast.position,
                         "cannot use column reference in DEFAULT expression");
    }
    const char *table = qualifier.table;
    const char *name = ref->names.items[ref->names.count - 1];
    for (struct bind_query *level = query; level != NULL; level = level->outer) {
        bool ambiguous = false;
        const struct bind_column *column = bind_peek_column(level, &qualifier, name, &ambiguous);
        if (ambiguous) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42702", ref->ast.position,
                             "column reference \"%s\" is ambiguous", name);
        }
        if (column != NULL) {
            return bind_read_column(binder, query, level, column, ref->ast.position, expr_out);
        }
    }
    for (struct bind_query *level = query; table == NULL && level != NULL; level = level->outer) {
        const struct bind_column *column = peek_item(level, name);
        if (column != NULL) {
            return bind_read_column(binder, query, level, column, ref->ast.position, expr_out);
        }
    }
    TRY(document_find_path(binder, query, ref, expr_out, &found));
    return found ? TDBPLUS_OK : column_missing(binder, query, &qualifier, name, ref->ast.position);
}

static bool is_of_level(const struct bind_query *query, uint32_t id)
{
    for (uint32_t i = 0; i < query->columns.count; i++) {
        if (((const struct bind_column *)query->columns.items[i])->id == id) {
            return true;
        }
    }
    for (uint32_t i = 0; i < query->aggregates.count; i++) {
        if (((const struct bind_aggregate *)query->aggregates.items[i])->id == id) {
            return true;
        }
    }
    for (uint32_t i = 0; i < query->calls.count; i++) {
        if (((const struct bind_window_call *)query->calls.items[i])->id == id) {
            return true;
        }
    }
    return false;
}

bool bind_reads_level(const struct bind_query *query, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && is_of_level(query, expr->number)) {
        return true;
    }
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        if (is_of_level(query, expr->subquery->outer_ids[i])) {
            return true;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (bind_reads_level(query, expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

/* ---- schemas and relations ---- */

static const char *const default_path[] = {CATALOG_SCHEMA_DEFAULT};
static const struct bind_session default_session = {
    .path = default_path, .path_count = 1, .role = ROLE_BOOTSTRAP, .session_role = ROLE_BOOTSTRAP};

static const struct bind_session *session_of(const struct binder *binder)
{
    return binder->names == NULL ? &default_session : binder->names;
}

static bool find_in(const struct binder *binder, uint8_t kind, const char *schema, const char *name,
                    struct catalog_entry *entry_out)
{
    return kind == 0 ? catalog_relation_find(binder->txn, schema, name, entry_out)
                     : catalog_entry_find(binder->txn, kind, schema, name, entry_out);
}

bool bind_lookup(const struct binder *binder, uint8_t kind, const char *schema, const char *name,
                 struct catalog_entry *entry_out)
{
    const struct bind_session *session = session_of(binder);
    if (schema != NULL) {
        bool temporary = strcmp(schema, "pg_temp") == 0;
        if (temporary && session->temp_schema == NULL) {
            return false;
        }
        return find_in(binder, kind, temporary ? session->temp_schema : schema, name, entry_out);
    }
    if (session->temp_schema != NULL &&
        find_in(binder, kind, session->temp_schema, name, entry_out)) {
        return true;
    }
    for (uint32_t i = 0; i < session->path_count; i++) {
        if (find_in(binder, kind, session->path[i], name, entry_out) &&
            bind_schema_usable(binder, session->path[i])) {
            return true;
        }
    }
    return false;
}

bool bind_find_named(struct txn *txn, const struct bind_session *session, uint8_t kind,
                     const char *schema, const char *name, struct catalog_entry *entry_out)
{
    struct binder binder = {.txn = txn, .names = session};
    return bind_lookup(&binder, kind, schema, name, entry_out);
}

bool bind_schema_exists(const struct binder *binder, const char *schema)
{
    struct catalog_entry entry;
    return strcmp(schema, CATALOG_SCHEMA_DEFAULT) == 0 ||
           catalog_entry_find(binder->txn, CATALOG_SCHEMA, NULL, schema, &entry);
}

tdbplus_status bind_new_schema(struct binder *binder, const struct ast_table_ref *name,
                               const char **schema_out)
{
    const struct bind_session *session = session_of(binder);
    bool temporary =
        name->temporary || (name->schema != NULL && strcmp(name->schema, "pg_temp") == 0);
    if (temporary) {
        if (name->schema != NULL && strcmp(name->schema, "pg_temp") != 0) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P16", name->ast.position,
                             "cannot create temporary relation in non-temporary schema");
        }
        if (session->temp_schema == NULL) {
            return bind_unsupported(binder, name->ast.position, "a temporary table here");
        }
        *schema_out = session->temp_schema;
        return bind_check_schema(binder, session->temp_schema, PRIVILEGE_CREATE);
    }
    if (name->schema != NULL) {
        *schema_out = name->schema;
        return bind_schema_exists(binder, name->schema)
                   ? bind_check_schema(binder, name->schema, PRIVILEGE_CREATE)
                   : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", name->ast.position,
                               "schema \"%s\" does not exist", name->schema);
    }
    for (uint32_t i = 0; i < session->path_count; i++) {
        if (bind_schema_exists(binder, session->path[i]) &&
            bind_schema_usable(binder, session->path[i])) {
            *schema_out = session->path[i];
            return bind_check_schema(binder, session->path[i], PRIVILEGE_CREATE);
        }
    }
    return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", name->ast.position,
                     "no schema has been selected to create in");
}

const char *bind_entry_kind(const struct catalog_entry *entry)
{
    bool view = entry->kind == CATALOG_TABLE && table_is_materialized(entry->object->properties);
    return view ? "materialized view" : bind_kind_name(entry->kind);
}

const char *bind_kind_name(uint8_t kind)
{
    static const char *const names[] = {
        [CATALOG_TABLE] = "table",     [CATALOG_INDEX] = "index",
        [CATALOG_VIEW] = "view",       [CATALOG_SEQUENCE] = "sequence",
        [CATALOG_TYPE] = "type",       [CATALOG_SCHEMA] = "schema",
        [CATALOG_COMMENT] = "comment", [CATALOG_FOREIGN_KEY] = "constraint",
    };
    return kind < sizeof names / sizeof *names && names[kind] != NULL ? names[kind] : "object";
}

tdbplus_status bind_relation_missing(struct binder *binder, const struct ast_table_ref *table)
{
    if (table->schema != NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", table->ast.position,
                         "relation \"%s.%s\" does not exist", table->schema, table->name);
    }
    tdbplus_status status = bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", table->ast.position,
                                      "relation \"%s\" does not exist", table->name);
    const char *best = NULL;
    uint32_t nearest = UINT32_MAX;
    static const uint8_t kinds[] = {CATALOG_TABLE, CATALOG_VIEW};
    for (uint32_t k = 0; k < 2; k++) {
        const struct object *other = NULL;
        while ((other = txn_object_next(binder->txn, kinds[k], other)) != NULL) {
            if (!catalog_hidden(other) && func_name_similar(table->name, other->name, &nearest)) {
                best = other->name;
            }
        }
    }
    if (best != NULL) {
        err_hint(binder->err, "Perhaps you meant the table \"%s\".", best);
    }
    return status;
}

tdbplus_status bind_find_relation(struct binder *binder, const struct ast_table_ref *table,
                                  struct catalog_entry *entry_out)
{
    const struct view_reference *known = view_find_reference(binder->view, table->ast.position);
    if (known != NULL) {
        return catalog_entry_by_oid(binder->txn, known->oid, entry_out)
                   ? TDBPLUS_OK
                   : err_set(binder->err, TDBPLUS_E_CORRUPT, "a view reads a table that is gone");
    }
    if (table->schema != NULL) {
        TRY(bind_check_schema(binder, table->schema, PRIVILEGE_USAGE));
    }
    if (!bind_lookup(binder, 0, table->schema, table->name, entry_out) ||
        (entry_out->object != NULL && catalog_hidden(entry_out->object))) {
        return bind_relation_missing(binder, table);
    }
    if (entry_out->kind == CATALOG_INDEX) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42809", table->ast.position,
                                          "cannot open relation \"%s\"", table->name);
        err_detail(binder->err, "This operation is not supported for indexes.");
        return status;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_find_table(struct binder *binder, const struct ast_table_ref *table,
                               const struct object **object_out)
{
    struct catalog_entry entry;
    TRY(bind_find_relation(binder, table, &entry));
    if (entry.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a table", table->name);
    }
    *object_out = entry.object;
    return TDBPLUS_OK;
}
