#include "sql/bind/bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"

bool pointers_push(struct arena *arena, struct pointers *pointers, void *item)
{
    if (pointers->count == pointers->capacity) {
        uint32_t capacity = pointers->capacity == 0 ? 8 : pointers->capacity * 2;
        void **items = arena_array(arena, capacity, sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (pointers->count > 0) {
            memcpy(items, pointers->items, pointers->count * sizeof *items);
        }
        pointers->items = items;
        pointers->capacity = capacity;
    }
    pointers->items[pointers->count++] = item;
    return true;
}

tdbplus_status bind_fail(struct binder *binder, tdbplus_status status, const char *sqlstate,
                         uint32_t position, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool first = binder->err != NULL && binder->err->status == TDBPLUS_OK;
    tdbplus_status result = err_set_state(binder->err, status, sqlstate, "%s", text);
    if (first) {
        binder->err->position = parse_character(binder->text, position);
    }
    return result;
}

void bind_notice(const struct binder *binder, const char *sqlstate, const char *format, ...)
{
    char text[ERR_HINT_SIZE];
    const struct func_session *session = binder->session;
    if (session == NULL || session->note == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    session->note(session->ctx, "NOTICE", sqlstate, text);
}

tdbplus_status bind_unsupported(struct binder *binder, uint32_t position, const char *what)
{
    return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position, "%s is not supported", what);
}

tdbplus_status bind_no_memory(struct binder *binder)
{
    return err_set(binder->err, TDBPLUS_E_NOMEM, "out of memory while binding");
}

tdbplus_status bind_depends_on(struct binder *binder, const struct object *object)
{
    struct bound_dependency *dependency = arena_array(binder->arena, 1, sizeof *dependency);
    if (dependency == NULL) {
        return bind_no_memory(binder);
    }
    *dependency = (struct bound_dependency){
        .oid = object->id, .revision = object->revision, .next = binder->dependencies};
    binder->dependencies = dependency;
    return TDBPLUS_OK;
}

tdbplus_status bind_add_action(struct binder *binder, struct bound *bound,
                               const struct bound_action *action)
{
    struct bound_action *copy = arena_array(binder->arena, 1, sizeof *copy);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    *copy = *action;
    copy->next = NULL;
    if (bound->actions == NULL) {
        bound->actions = copy;
    } else {
        binder->last_action->next = copy;
    }
    binder->last_action = copy;
    return TDBPLUS_OK;
}

tdbplus_status bind_encode_info(struct binder *binder, const struct table_info *info,
                                struct span *properties_out)
{
    struct buffer buffer;
    buffer_init(&buffer, binder->arena->alloc);
    table_info_encode(info, &buffer);
    uint8_t *copy = buffer.failed ? NULL : arena_bytes(binder->arena, buffer.size + 1);
    if (copy != NULL) {
        memcpy(copy, buffer.data, buffer.size);
        *properties_out = (struct span){.data = copy, .size = buffer.size};
    }
    buffer_deinit(&buffer);
    return copy == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

tdbplus_status bind_enter(struct binder *binder)
{
    if (binder->depth >= BIND_DEPTH_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54001", 0, "statement too complex");
    }
    binder->depth++;
    return TDBPLUS_OK;
}

void bind_leave(struct binder *binder)
{
    binder->depth--;
}

/* A plan whose rows nobody asked for has columns only if RETURNING said so. */
tdbplus_status bind_change_statement(struct binder *binder, const struct ast *root,
                                     struct bound *bound)
{
    bound->kind = BOUND_CHANGE;
    switch (root->kind) {
    case AST_INSERT:
        return bind_insert(binder, NULL, (const struct ast_insert *)root, &bound->plan);
    case AST_UPDATE:
        return bind_update(binder, NULL, (const struct ast_update *)root, &bound->plan);
    case AST_MERGE:
        return bind_merge(binder, (const struct ast_merge *)root, &bound->plan);
    default:
        return bind_delete(binder, NULL, (const struct ast_delete *)root, &bound->plan);
    }
}

static tdbplus_status refuse_materialized(struct binder *binder, const struct bound_drop *drop)
{
    for (uint32_t i = 0; i < drop->count; i++) {
        if (table_is_materialized(drop->objects[i]->properties)) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a table",
                             catalog_own_name(drop->objects[i]->name));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status note_truncated(struct binder *binder, const struct bound_drop *drop)
{
    for (uint32_t i = 0; i < drop->count; i++) {
        struct catalog_entry entry;
        if (catalog_entry_by_oid(binder->txn, drop->objects[i]->id, &entry)) {
            TRY(bind_access(binder, &entry, 0, PRIVILEGE_TRUNCATE, NULL));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_truncated(struct binder *binder, const struct ast_truncate *ast,
                                     struct bound_drop *drop_out)
{
    TRY(bind_truncate(binder, ast, drop_out));
    TRY(refuse_materialized(binder, drop_out));
    TRY(note_truncated(binder, drop_out));
    return bind_check_references(binder, drop_out);
}

/* Statements about roles, owners and privileges have nothing to bind. */
static bool is_about_roles(const struct ast *root)
{
    return (root->kind >= AST_CREATE_ROLE && root->kind <= AST_OWNED) ||
           (root->kind == AST_RENAME &&
            ((const struct ast_rename *)root)->object_kind == AST_OBJECT_ROLE);
}

static tdbplus_status bind_definition(struct binder *binder, const struct ast *root,
                                      struct bound *bound)
{
    switch (root->kind) {
    case AST_CREATE_TABLE:
        bound->kind = BOUND_CREATE_TABLE;
        return bind_create_table(binder, (const struct ast_create_table *)root, &bound->create);
    case AST_CREATE_TABLE_AS:
        bound->kind = BOUND_CREATE_TABLE;
        bound->tag = ((const struct ast_create_table_as *)root)->no_data ? bound->tag : "SELECT";
        return bind_create_table_as(binder, (const struct ast_create_table_as *)root,
                                    &bound->create);
    case AST_REFRESH:
        bound->kind = BOUND_CREATE_TABLE;
        return bind_refresh(binder, (const struct ast_refresh *)root, &bound->create);
    case AST_SET_CONSTRAINTS:
        bound->kind = BOUND_CONSTRAINTS;
        return bind_set_constraints(binder, (const struct ast_set_constraints *)root,
                                    &bound->constraints);
    case AST_CREATE_INDEX:
        bound->kind = BOUND_CREATE_INDEX;
        return bind_create_index(binder, (const struct ast_create_index *)root, &bound->index);
    case AST_CREATE_SEQUENCE:
        return bind_create_sequence(binder, (const struct ast_create_sequence *)root, bound);
    case AST_RENAME:
        return bind_rename(binder, (const struct ast_rename *)root, bound);
    case AST_SET_SCHEMA:
        return bind_set_schema(binder, (const struct ast_set_schema *)root, bound);
    case AST_CREATE_ENUM:
        return bind_create_enum(binder, (const struct ast_create_enum *)root, bound);
    case AST_ALTER_ENUM:
        return bind_alter_enum(binder, (const struct ast_alter_enum *)root, bound);
    case AST_CREATE_DOMAIN:
        return bind_create_domain(binder, (const struct ast_create_domain *)root, bound);
    case AST_ALTER_DOMAIN:
        return bind_alter_domain(binder, (const struct ast_alter_domain *)root, bound);
    case AST_CREATE_SCHEMA:
        return bind_create_schema(binder, (const struct ast_create_schema *)root, bound);
    case AST_COMMENT:
        return bind_comment(binder, (const struct ast_comment *)root, bound);
    case AST_ALTER_TABLE:
        return bind_alter_table(binder, (const struct ast_alter_table *)root, bound);
    case AST_CREATE_VIEW:
        bound->kind = BOUND_ACTIONS;
        return bind_create_view(binder, (const struct ast_create_view *)root, bound);
    case AST_DROP: {
        const struct ast_drop *drop = (const struct ast_drop *)root;
        if (drop->object_kind == AST_OBJECT_INDEX) {
            bound->kind = BOUND_DROP_INDEX;
            return bind_drop_index(binder, drop, &bound->drop);
        }
        return bind_drop_objects(binder, drop, bound);
    }
    case AST_ANALYZE:
        bound->kind = BOUND_ANALYZE;
        return bind_truncate(
            binder, &(struct ast_truncate){.tables = ((const struct ast_analyze *)root)->tables},
            &bound->drop);
    case AST_TRUNCATE:
        bound->kind = BOUND_TRUNCATE;
        return bind_truncated(binder, (const struct ast_truncate *)root, &bound->drop);
    default:
        return bind_unsupported(binder, 0, parse_statement_name(root));
    }
}

/* SELECT ... INTO t is CREATE TABLE t AS SELECT ... */
static tdbplus_status bind_select_into(struct binder *binder, const struct ast_select *ast,
                                       struct bound *bound)
{
    struct ast_select query = *ast;
    struct ast_create_table_as create = {.table = ast->into, .query = &query.ast};
    query.into = NULL;
    bound->kind = BOUND_CREATE_TABLE;
    bound->tag = "SELECT";
    return bind_create_table_as(binder, &create, &bound->create);
}

static tdbplus_status bind_root(struct binder *binder, const struct ast *root, struct bound *bound)
{
    bound->tag = parse_statement_name(root);
    switch (root->kind) {
    case AST_SELECT:
        if (((const struct ast_select *)root)->into != NULL) {
            return bind_select_into(binder, (const struct ast_select *)root, bound);
        }
        bound->kind = BOUND_QUERY;
        return bind_select(binder, NULL, (const struct ast_select *)root, false, &bound->plan);
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE:
    case AST_MERGE:
        return bind_change_statement(binder, root, bound);
    case AST_COPY:
        return bind_copy_statement(binder, (const struct ast_copy *)root, bound);
    case AST_EXPLAIN:
        return bind_explain(binder, (const struct ast_explain *)root, bound);
    case AST_TRANSACTION:
    case AST_SET:
    case AST_SHOW:
    case AST_PREPARE:
    case AST_EXECUTE:
    case AST_DEALLOCATE:
    case AST_DECLARE_CURSOR:
    case AST_FETCH:
    case AST_CLOSE_CURSOR:
    case AST_DISCARD:
    case AST_LISTEN:
    case AST_NOTIFY:
    case AST_LOCK_TABLE:
    case AST_MAINTAIN:
    case AST_CREATE_EXTENSION:
        bound->kind = BOUND_SESSION;
        return TDBPLUS_OK;
    default:
        if (is_about_roles(root)) {
            bound->kind = BOUND_ROLES;
            bound->roles = root;
            return TDBPLUS_OK;
        }
        return bind_definition(binder, root, bound);
    }
}

tdbplus_status bind_type_name(const struct ast *name, const struct bind_options *options,
                              struct arena *arena, struct type *type_out, struct err *err)
{
    struct binder binder = {.arena = arena,
                            .err = err,
                            .text = options->text,
                            .txn = options->txn,
                            .names = options->names,
                            .session = options->session,
                            .system = options->system,
                            .next_id = 1};
    return bind_type(&binder, name, type_out);
}

tdbplus_status bind_statement(const struct parse_statement *statement,
                              const struct bind_options *options, struct arena *arena,
                              struct bound *bound_out, struct err *err)
{
    struct binder binder = {
        .arena = arena,
        .err = err,
        .text = options->text,
        .txn = options->txn,
        .names = options->names,
        .session = options->session,
        .system = options->system,
        .next_id = 1,
    };
    if (options->parameter_count > BIND_PARAMETER_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "a statement has at most %u parameters",
                       BIND_PARAMETER_COUNT_MAX);
    }
    if (options->parameter_count > 0) {
        size_t size = options->parameter_count * sizeof *binder.parameters;
        binder.parameters = arena_alloc(arena, size);
        if (binder.parameters == NULL) {
            return bind_no_memory(&binder);
        }
        memcpy(binder.parameters, options->parameters, size);
        binder.parameter_count = binder.parameter_capacity = options->parameter_count;
    }
    struct bound bound = {0};
    TRY(bind_root(&binder, statement->root, &bound));
    for (uint32_t i = 0; i < binder.parameter_count; i++) {
        if (binder.parameters[i].id == TYPE_NONE) {
            return bind_fail(&binder, TDBPLUS_E_SQL, "42P18", 0,
                             "could not determine data type of parameter $%u", i + 1);
        }
    }
    bound.parameters = binder.parameters;
    bound.parameter_count = binder.parameter_count;
    bound.next_id = binder.next_id;
    bound.dependencies = binder.dependencies;
    bound.accesses = binder.accesses;
    *bound_out = bound;
    return TDBPLUS_OK;
}
