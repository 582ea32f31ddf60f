/* RENAME TO, SET SCHEMA; CREATE SCHEMA. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"
#include "sql/parse/ast_role.h"

/* Where a relation goes. */
struct move {
    struct binder *binder;
    struct bound *bound;
    const char *schema;
    const char *name;
};

static tdbplus_status full_name(const struct move *move, const char *name, bool hidden,
                                const char **full_out)
{
    char full[CATALOG_FULL_NAME_SIZE];
    char *copy = (char *)arena_bytes(move->binder->arena, sizeof full + 1);
    TRY(catalog_full_name(move->schema, name, full, move->binder->err));
    if (copy == NULL) {
        return bind_no_memory(move->binder);
    }
    (void)snprintf(copy, sizeof full + 1, "%s%s", hidden ? "\x01" : "", full);
    *full_out = copy;
    return TDBPLUS_OK;
}

static tdbplus_status move_object(const struct move *move, uint64_t oid, const char *name,
                                  bool hidden)
{
    struct bound_action action = {.kind = ACTION_TABLE, .oid = oid};
    TRY(full_name(move, name, hidden, &action.name));
    return bind_add_action(move->binder, move->bound, &action);
}

static tdbplus_status move_index(const struct move *move, const struct object *index,
                                 const char *name)
{
    TRY(move_object(move, index->id, name, false));
    return move_object(move, index->other, name, true);
}

static tdbplus_status move_entry(const struct move *move, const struct catalog_entry *entry,
                                 const char *name)
{
    struct bound_action action = {.kind = ACTION_ALTER, .oid = entry->oid, .entry = *entry};
    TRY(bind_name_entry(move->binder, move->schema, name, &action.entry));
    if (entry->kind == CATALOG_SEQUENCE) {
        action.kind = ACTION_ALTER_SEQUENCE;
        TRY(sequence_decode(entry, &action.sequence, move->binder->err));
    }
    return bind_add_action(move->binder, move->bound, &action);
}

/* What a table has in its schema: indexes, and the sequences of its columns. */
static tdbplus_status move_belongings(const struct move *move, const struct catalog_entry *table)
{
    const struct object *part = NULL;
    struct catalog_entry entry = {0};
    for (uint32_t i = 0; (part = txn_part_at(move->binder->txn, table->oid, i)) != NULL; i++) {
        if (part->kind == OBJECT_INDEX) {
            const char *name = NULL;
            TRY(bind_copy_name(move->binder, catalog_own_name(part->name), &name));
            TRY(move_index(move, part, name));
        }
    }
    while (catalog_entry_next(move->binder->txn, CATALOG_SEQUENCE, &entry)) {
        if (entry.owner == table->oid) {
            TRY(move_entry(move, &entry, entry.name));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status move_relation(const struct move *move, const struct catalog_entry *entry)
{
    struct catalog_entry other;
    bool moves = strcmp(entry->schema, move->schema) != 0;
    if (catalog_relation_find(move->binder->txn, move->schema, move->name, &other)) {
        return moves ? bind_fail(move->binder, TDBPLUS_E_EXISTS, "42P07", 0,
                                 "relation \"%s\" already exists in schema \"%s\"", move->name,
                                 move->schema)
                     : bind_fail(move->binder, TDBPLUS_E_EXISTS, "42P07", 0,
                                 "relation \"%s\" already exists", move->name);
    }
    switch (entry->kind) {
    case CATALOG_TABLE:
        TRY(move_object(move, entry->oid, move->name, false));
        return moves ? move_belongings(move, entry) : TDBPLUS_OK;
    case CATALOG_INDEX:
        return move_index(move, entry->object, move->name);
    default:
        return move_entry(move, entry, move->name);
    }
}

/* ---- finding ---- */

static uint8_t wanted_kind(uint8_t object_kind)
{
    switch (object_kind) {
    case AST_OBJECT_VIEW:
        return CATALOG_VIEW;
    case AST_OBJECT_INDEX:
        return CATALOG_INDEX;
    case AST_OBJECT_SEQUENCE:
        return CATALOG_SEQUENCE;
    default:
        return 0; // ALTER TABLE renames whatever relation has the name.
    }
}

static tdbplus_status find_relation(struct binder *binder, const struct ast_table_ref *name,
                                    uint8_t object_kind, bool missing_ok,
                                    struct catalog_entry *entry_out, bool *found_out)
{
    uint8_t wanted = wanted_kind(object_kind);
    struct ast_table_ref silent = *name;
    silent.ast.position = 0;
    *found_out = bind_lookup(binder, 0, name->schema, name->name, entry_out);
    if (!*found_out) {
        return missing_ok ? TDBPLUS_OK : bind_relation_missing(binder, &silent);
    }
    bool materialized =
        entry_out->kind == CATALOG_TABLE && table_is_materialized(entry_out->object->properties);
    if (object_kind == AST_OBJECT_MATERIALIZED_VIEW && !materialized) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a materialized view",
                         name->name);
    }
    if (wanted != 0 && entry_out->kind != wanted) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not %s %s", name->name,
                         wanted == CATALOG_INDEX ? "an" : "a", bind_kind_name(wanted));
    }
    return bind_check_owner(binder, entry_out);
}

/* ---- types ---- */

static bool is_type(uint8_t object_kind)
{
    return object_kind == AST_OBJECT_TYPE || object_kind == AST_OBJECT_DOMAIN;
}

/* A type gets another name or schema. */
static tdbplus_status move_type(struct binder *binder, const struct ast_table_ref *from,
                                const char *schema, const char *name, struct bound *bound)
{
    struct catalog_entry entry;
    struct catalog_entry other;
    TRY(bind_find_type(binder, from, &entry));
    struct move move = {.binder = binder,
                        .bound = bound,
                        .schema = schema != NULL ? schema : entry.schema,
                        .name = name != NULL ? name : entry.name};
    if (schema != NULL && strcmp(schema, entry.schema) == 0) {
        return TDBPLUS_OK;
    }
    TRY(bind_copy_name(binder, move.schema, &move.schema));
    TRY(bind_copy_name(binder, move.name, &move.name));
    const struct ast_table_ref to = {.schema = move.schema, .name = move.name};
    TRY(bind_new_type(binder, &to, &other));
    return move_entry(&move, &entry, move.name);
}

/* ---- schemas ---- */

static tdbplus_status check_schema_name(struct binder *binder, const char *name)
{
    if (strncmp(name, "pg_", 3) == 0) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_SQL, "42939", 0, "unacceptable schema name \"%s\"", name);
        err_detail(binder->err, "The prefix \"pg_\" is reserved for system schemas.");
        return status;
    }
    return TDBPLUS_OK;
}

/* AUTHORIZATION. */
static tdbplus_status find_new_owner(struct binder *binder, const struct ast_role *owner,
                                     struct bound_action *action)
{
    uint64_t role = bind_role(binder);
    if (owner == NULL) {
        return TDBPLUS_OK;
    }
    TRY(bind_find_role(binder, owner, &action->role));
    if (!role_is_member(binder->txn, role, action->role)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42501", 0, "must be member of role \"%s\"",
                         owner->name == NULL ? "" : owner->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_create_schema(struct binder *binder, const struct ast_create_schema *ast,
                                  struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_CREATE, .entry = {.kind = CATALOG_SCHEMA}};
    bound->kind = BOUND_ACTIONS;
    TRY(bind_check_database(binder, PRIVILEGE_CREATE));
    TRY(find_new_owner(binder, ast->owner, &action));
    TRY(check_schema_name(binder, ast->name));
    if (ast->elements) {
        return bind_unsupported(binder, 0, "CREATE SCHEMA with other statements inside");
    }
    if (bind_schema_exists(binder, ast->name)) {
        if (!ast->if_not_exists) {
            return bind_fail(binder, TDBPLUS_E_EXISTS, "42P06", 0, "schema \"%s\" already exists",
                             ast->name);
        }
        bind_notice(binder, "42P06", "schema \"%s\" already exists, skipping", ast->name);
        return TDBPLUS_OK;
    }
    TRY(bind_name_entry(binder, CATALOG_SCHEMA_DEFAULT, ast->name, &action.entry));
    return bind_add_action(binder, bound, &action);
}

static tdbplus_status rename_schema(struct binder *binder, const struct ast_rename *ast,
                                    struct bound *bound)
{
    struct move move = {.binder = binder, .bound = bound, .schema = ast->new_name};
    struct catalog_entry schema;
    const char *old = ast->old_name != NULL ? ast->old_name : "";
    static const uint8_t kinds[] = {CATALOG_TABLE, CATALOG_VIEW, CATALOG_SEQUENCE, CATALOG_TYPE};
    if (!catalog_entry_find(binder->txn, CATALOG_SCHEMA, NULL, old, &schema)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", 0, "schema \"%s\" does not exist",
                         old);
    }
    if (bind_schema_exists(binder, ast->new_name)) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42P06", 0, "schema \"%s\" already exists",
                         ast->new_name);
    }
    TRY(check_schema_name(binder, ast->new_name));
    TRY(bind_check_owner(binder, &schema));
    TRY(bind_check_database(binder, PRIVILEGE_CREATE));
    for (size_t k = 0; k < sizeof kinds; k++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(binder->txn, kinds[k], &entry)) {
            bool owned = entry.kind == CATALOG_SEQUENCE && entry.owner != 0;
            if (strcmp(entry.schema, old) != 0 || owned) {
                continue;
            }
            TRY(bind_copy_name(binder, entry.name, &move.name));
            TRY(entry.kind == CATALOG_TYPE ? move_entry(&move, &entry, move.name)
                                           : move_relation(&move, &entry));
        }
    }
    struct move itself = {.binder = binder, .bound = bound, .schema = CATALOG_SCHEMA_DEFAULT};
    return move_entry(&itself, &schema, ast->new_name);
}

/* ---- columns of views ---- */

static tdbplus_status rename_view_column(struct binder *binder, const struct catalog_entry *view,
                                         const struct ast_rename *ast, struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_ALTER, .oid = view->oid, .entry = *view};
    struct view_info info = {0};
    struct view_column *renamed = NULL;
    TRY(view_info_decode(view, binder->arena, &info, binder->err));
    bool taken = false;
    for (uint32_t i = 0; i < info.column_count; i++) {
        taken = taken || strcmp(info.columns[i].name, ast->new_name) == 0;
        renamed = strcmp(info.columns[i].name, ast->old_name) == 0 ? &info.columns[i] : renamed;
    }
    if (renamed == NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0, "column \"%s\" does not exist",
                         ast->old_name);
    }
    if (taken) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42701", 0,
                         "column \"%s\" of relation \"%s\" already exists", ast->new_name,
                         view->name);
    }
    renamed->name = ast->new_name;
    TRY(bind_encode_view(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}

/* ---- the statements ---- */

tdbplus_status bind_alter_by(struct binder *binder, uint64_t table,
                             const struct ast_alter_command *command,
                             struct bound_alter_table *alter_out)
{
    struct ast_alter_command *copy = arena_array(binder->arena, 1, sizeof *copy);
    struct ast_alter_table *alter = arena_array(binder->arena, 1, sizeof *alter);
    struct ast **items = arena_array(binder->arena, 1, sizeof *items);
    if (copy == NULL || alter == NULL || items == NULL) {
        return bind_no_memory(binder);
    }
    *copy = *command;
    items[0] = &copy->ast;
    *alter = (struct ast_alter_table){.commands = {.count = 1, .items = items}};
    *alter_out = (struct bound_alter_table){.table = table,
                                            .ast = alter,
                                            .options = {.text = binder->text,
                                                        .txn = binder->txn,
                                                        .names = binder->names,
                                                        .session = binder->session,
                                                        .system = binder->system}};
    return TDBPLUS_OK;
}

/* Columns and constraints of tables: commands of ALTER TABLE. */
static tdbplus_status rename_part(struct binder *binder, const struct catalog_entry *table,
                                  const struct ast_rename *ast, struct bound *bound)
{
    struct ast_alter_command command = {.ast = {.kind = AST_ALTER_COMMAND},
                                        .alter_kind =
                                            (uint8_t)(ast->object_kind == AST_OBJECT_COLUMN
                                                          ? AST_ALTER_RENAME_COLUMN
                                                          : AST_ALTER_RENAME_CONSTRAINT),
                                        .name = ast->old_name,
                                        .new_name = ast->new_name};
    bound->kind = BOUND_ALTER_TABLE;
    return bind_alter_by(binder, table->oid, &command, &bound->alter);
}

tdbplus_status bind_rename(struct binder *binder, const struct ast_rename *ast, struct bound *bound)
{
    struct catalog_entry entry;
    bool found = false;
    bool part = ast->object_kind == AST_OBJECT_COLUMN || ast->object_kind == AST_OBJECT_CONSTRAINT;
    bound->kind = BOUND_ACTIONS;
    switch (ast->object_kind) {
    case AST_OBJECT_SCHEMA:
        return rename_schema(binder, ast, bound);
    case AST_OBJECT_TABLE:
    case AST_OBJECT_VIEW:
    case AST_OBJECT_MATERIALIZED_VIEW:
    case AST_OBJECT_INDEX:
    case AST_OBJECT_SEQUENCE:
    case AST_OBJECT_COLUMN:
    case AST_OBJECT_CONSTRAINT:
        break;
    case AST_OBJECT_TYPE:
    case AST_OBJECT_DOMAIN:
        return move_type(binder, ast->table, NULL, ast->new_name, bound);
    default:
        return bind_unsupported(binder, 0, parse_statement_name(&ast->ast));
    }
    TRY(find_relation(binder, ast->table, part ? ast->relation_kind : ast->object_kind,
                      ast->missing_ok, &entry, &found));
    if (!found) {
        return TDBPLUS_OK;
    }
    if (part && entry.kind == CATALOG_VIEW && ast->object_kind == AST_OBJECT_COLUMN) {
        return rename_view_column(binder, &entry, ast, bound);
    }
    if (part) {
        return entry.kind == CATALOG_TABLE
                   ? rename_part(binder, &entry, ast, bound)
                   : bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                               "cannot rename columns of relation \"%s\"", entry.name);
    }
    struct move move = {
        .binder = binder, .bound = bound, .schema = entry.schema, .name = ast->new_name};
    return move_relation(&move, &entry);
}

tdbplus_status bind_set_schema(struct binder *binder, const struct ast_set_schema *ast,
                               struct bound *bound)
{
    struct catalog_entry entry;
    bool found = false;
    bound->kind = BOUND_ACTIONS;
    if (is_type(ast->object_kind)) {
        return move_type(binder, ast->name, ast->schema, NULL, bound);
    }
    if (ast->object_kind != AST_OBJECT_TABLE && ast->object_kind != AST_OBJECT_VIEW &&
        ast->object_kind != AST_OBJECT_MATERIALIZED_VIEW &&
        ast->object_kind != AST_OBJECT_SEQUENCE) {
        return bind_unsupported(binder, 0, "SET SCHEMA of this kind of object");
    }
    TRY(find_relation(binder, ast->name, ast->object_kind, ast->missing_ok, &entry, &found));
    if (!found) {
        return TDBPLUS_OK;
    }
    if (!bind_schema_exists(binder, ast->schema)) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", 0, "schema \"%s\" does not exist",
                         ast->schema);
    }
    if (strcmp(entry.schema, ast->schema) == 0) {
        return TDBPLUS_OK;
    }
    TRY(bind_check_schema(binder, ast->schema, PRIVILEGE_CREATE));
    if (entry.kind == CATALOG_SEQUENCE && entry.owner != 0) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "cannot move an owned sequence into another schema");
    }
    struct move move = {
        .binder = binder, .bound = bound, .schema = ast->schema, .name = entry.name};
    return move_relation(&move, &entry);
}

/* ---- COMMENT ---- */

/* What a comment is on: an entry, and a column's id or 0. */
struct commented {
    uint64_t oid;
    uint32_t column_id;
};

static tdbplus_status find_commented(struct binder *binder, const struct ast_comment *ast,
                                     struct commented *commented)
{
    struct catalog_entry entry;
    uint32_t last = ast->names.count - 1;
    bool column = ast->object_kind == AST_OBJECT_COLUMN;
    if (ast->names.count == 0 || ast->names.count > 3 || (column && last == 0)) {
        return bind_unsupported(binder, 0, "COMMENT ON this name");
    }
    if (ast->object_kind == AST_OBJECT_SCHEMA) {
        if (!catalog_entry_find(binder->txn, CATALOG_SCHEMA, NULL, ast->names.items[0], &entry)) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", 0,
                             "schema \"%s\" does not exist", ast->names.items[0]);
        }
        commented->oid = entry.oid;
        return TDBPLUS_OK;
    }
    uint32_t at = column ? last - 1 : last;
    struct ast_table_ref name = {.schema = at > 0 ? ast->names.items[at - 1] : NULL,
                                 .name = ast->names.items[at]};
    bool found = false;
    if (is_type(ast->object_kind)) {
        TRY(bind_find_type(binder, &name, &entry));
        commented->oid = entry.oid;
        return TDBPLUS_OK;
    }
    TRY(find_relation(binder, &name, column ? (uint8_t)AST_OBJECT_TABLE : ast->object_kind, false,
                      &entry, &found));
    if (ast->object_kind == AST_OBJECT_TABLE && entry.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a table", entry.name);
    }
    commented->oid = entry.oid;
    if (!column) {
        return TDBPLUS_OK;
    }
    int32_t position = entry.kind == CATALOG_TABLE
                           ? schema_find_name(entry.object->schema, ast->names.items[last])
                           : -1;
    if (position < 0) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                         "column \"%s\" of relation \"%s\" does not exist", ast->names.items[last],
                         entry.name);
    }
    commented->column_id = entry.object->schema->columns[position].id;
    return TDBPLUS_OK;
}

tdbplus_status bind_comment(struct binder *binder, const struct ast_comment *ast,
                            struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_CREATE, .entry = {.kind = CATALOG_COMMENT}};
    struct commented commented = {0};
    struct catalog_entry old;
    bound->kind = BOUND_ACTIONS;
    switch (ast->object_kind) {
    case AST_OBJECT_TABLE:
    case AST_OBJECT_VIEW:
    case AST_OBJECT_INDEX:
    case AST_OBJECT_SEQUENCE:
    case AST_OBJECT_COLUMN:
    case AST_OBJECT_SCHEMA:
    case AST_OBJECT_TYPE:
    case AST_OBJECT_DOMAIN:
    case AST_OBJECT_MATERIALIZED_VIEW:
        break;
    default:
        return bind_unsupported(binder, 0, "COMMENT ON this kind of object");
    }
    TRY(find_commented(binder, ast, &commented));
    TRY(catalog_entry_by_oid(binder->txn, commented.oid, &old) ? bind_check_owner(binder, &old)
                                                               : TDBPLUS_OK);
    catalog_comment_name(commented.oid, commented.column_id, action.entry.name);
    bool there = catalog_entry_find(binder->txn, CATALOG_COMMENT, NULL, action.entry.name, &old);
    bool empty = ast->text == NULL || ast->text[0] == 0;
    if (empty && !there) {
        return TDBPLUS_OK;
    }
    action.kind = empty ? ACTION_DROP : there ? ACTION_ALTER : ACTION_CREATE;
    action.oid = there ? old.oid : 0;
    action.entry.owner = commented.oid;
    action.entry.definition = empty ? (struct span){0} : span_from_text(ast->text);
    return bind_add_action(binder, bound, &action);
}
