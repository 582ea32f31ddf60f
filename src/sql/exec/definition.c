#include "sql/exec/definition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "catalog/catalog_foreign.h"
#include "catalog/catalog_index.h"
#include "sql/exec/alter_table.h"
#include "sql/exec/analyze.h"
#include "sql/exec/exec_role.h"
#include "sql/exec/remake.h"

/* What is made belongs to whoever makes it, unless the statement says another. */
static tdbplus_status definition_own(struct exec *exec, uint64_t oid, uint64_t owner)
{
    struct catalog_entry entry;
    struct acl_target target;
    uint64_t role = exec->names == NULL ? (uint64_t)ROLE_BOOTSTRAP : exec->names->role;
    if (!catalog_entry_by_oid(exec->txn, oid, &entry) || !acl_target_of(&entry, &target)) {
        return TDBPLUS_OK;
    }
    return acl_create(exec->txn, target, owner == 0 ? role : owner, exec->call->err);
}

/* The rows of the query, and a null for the hidden key, which INSERT fills in. */
static tdbplus_status fill_plan(struct exec *exec, const struct bound_create *create,
                                const struct object *object, struct plan **fill_out)
{
    const struct plan *source = create->source;
    uint32_t count = object->schema->column_count;
    struct plan *project = plan_make(&exec->arena, PLAN_PROJECT, count);
    struct plan *insert = plan_make(&exec->arena, PLAN_INSERT, 0);
    if (project == NULL || insert == NULL) {
        return exec_no_memory(exec);
    }
    project->exprs = arena_array(&exec->arena, count, sizeof *project->exprs);
    if (project->exprs == NULL) {
        return exec_no_memory(exec);
    }
    project->expr_count = count;
    project->left = create->source;
    for (uint32_t i = 0; i < count; i++) {
        struct datum null = {.type = type_of(TYPE_INT8), .is_null = true};
        project->exprs[i] =
            i < source->column_count
                ? expr_column(&exec->arena, source->columns[i].id, source->columns[i].type)
                : expr_constant(&exec->arena, &null);
        if (project->exprs[i] == NULL) {
            return exec_no_memory(exec);
        }
        project->columns[i].type = object->schema->columns[i].type;
    }
    insert->left = project;
    insert->change.object = object;
    insert->change.object_id = object->id;
    insert->change.schema_version = object->schema->version;
    insert->change.table_name = catalog_own_name(object->name);
    insert->change.has_hidden_key = true;
    insert->change.bulk = true;
    *fill_out = insert;
    return TDBPLUS_OK;
}

tdbplus_status definition_foreign_keys(const struct bound_create *create, uint64_t table,
                                       struct exec *exec)
{
    for (uint32_t i = 0; i < create->foreign_count; i++) {
        const struct bound_foreign *foreign = &create->foreign_keys[i];
        struct foreign_def def = foreign->def;
        uint64_t oid = 0;
        def.table = table;
        def.referenced = foreign->referenced == NULL ? table : foreign->referenced->id;
        if (foreign->index_name != NULL) {
            // An index of the table at hand; of another one the id is known.
            TRY(remake_find_index(exec, create->schema_name, foreign->index_name, &def.index));
        }
        TRY(catalog_foreign_create(exec->txn, foreign->name, &def, exec->call, &oid));
    }
    return TDBPLUS_OK;
}

/* The table's defaults learn which sequences they read. */
static tdbplus_status set_sequence(uint64_t table, uint32_t column_id, uint64_t sequence,
                                   struct exec *exec)
{
    struct table_info info = {0};
    struct buffer properties;
    const struct object *object = txn_object_by_id(exec->txn, table);
    TRY(table_info_decode(object->properties, &exec->arena, &info, exec->call->err));
    for (uint32_t i = 0; i < info.default_count; i++) {
        if (info.defaults[i].column_id == column_id) {
            info.defaults[i].sequence = sequence;
        }
    }
    buffer_init(&properties, exec->call->alloc);
    table_info_encode(&info, &properties);
    struct span span = buffer_span(&properties);
    tdbplus_status status =
        properties.failed ? exec_no_memory(exec)
                          : txn_object_alter(exec->txn, table, NULL, NULL, &span, exec->call->err);
    buffer_deinit(&properties);
    return status;
}

tdbplus_status definition_sequence(const struct bound_sequence *sequence, uint64_t table,
                                   struct exec *exec, uint64_t *oid_out)
{
    struct catalog_entry entry = {.kind = CATALOG_SEQUENCE, .owner = table};
    (void)snprintf(entry.schema, sizeof entry.schema, "%s", sequence->schema);
    (void)snprintf(entry.name, sizeof entry.name, "%s", sequence->name);
    TRY(sequence_create(exec->txn, &entry, &sequence->def, oid_out, exec->call->err));
    return definition_own(exec, *oid_out, 0);
}

static tdbplus_status create_sequences(const struct bound_create *create, uint64_t table,
                                       struct exec *exec)
{
    for (uint32_t i = 0; i < create->sequence_count; i++) {
        uint64_t oid = 0;
        TRY(definition_sequence(&create->sequences[i], table, exec, &oid));
        TRY(set_sequence(table, create->sequences[i].column_id, oid, exec));
    }
    return TDBPLUS_OK;
}

static tdbplus_status create_comments(const struct bound_create *create, uint64_t table,
                                      struct exec *exec)
{
    for (uint32_t i = 0; i < create->comment_count; i++) {
        struct catalog_entry entry = {.kind = CATALOG_COMMENT,
                                      .owner = table,
                                      .definition = span_from_text(create->comments[i].text)};
        uint64_t oid = 0;
        catalog_comment_name(table, create->comments[i].column_id, entry.name);
        TRY(catalog_entry_create(exec->txn, &entry, &oid, exec->call->err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status create_materialized(const struct bound_create *create, uint64_t table,
                                          struct exec *exec)
{
    uint64_t oid = 0;
    if (create->view == NULL) {
        return TDBPLUS_OK;
    }
    struct catalog_entry entry = *create->view;
    entry.owner = table;
    (void)snprintf(entry.name, sizeof entry.name, "%" PRIu64, table);
    return catalog_entry_create(exec->txn, &entry, &oid, exec->call->err);
}

/* A new table in the place of the old one, which readers of older snapshots go on reading. */
static tdbplus_status refresh(const struct bound_create *create, struct exec *exec,
                              struct plan **fill_out)
{
    struct buffer properties;
    const struct object *table = create->refreshed;
    struct bound_drop old = {.objects = &table, .count = 1};
    char *name = arena_text(&exec->arena, span_from_text(create->refreshed->name));
    if (name == NULL) {
        return exec_no_memory(exec);
    }
    TRY(remake_truncate(&old, exec));
    const struct object *object = txn_object(exec->txn, OBJECT_COLLECTION, name);
    buffer_init(&properties, exec->call->alloc);
    table_info_encode(&create->info, &properties);
    struct span span = buffer_span(&properties);
    tdbplus_status status = properties.failed ? exec_no_memory(exec)
                                              : txn_object_alter(exec->txn, object->id, NULL, NULL,
                                                                 &span, exec->call->err);
    buffer_deinit(&properties);
    TRY(status);
    return create->source == NULL
               ? TDBPLUS_OK
               : fill_plan(exec, create, txn_object(exec->txn, OBJECT_COLLECTION, name), fill_out);
}

static tdbplus_status create_table(const struct bound_create *create, struct exec *exec,
                                   struct plan **fill_out)
{
    if (create->refreshed != NULL) {
        return refresh(create, exec, fill_out);
    }
    if (create->exists) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct schema *schema = NULL;
    struct buffer properties;
    uint64_t id = 0;
    buffer_init(&properties, exec->call->alloc);
    TRY_OR(done, schema_create(create->schema, exec->call->alloc, &schema, exec->call->err));
    table_info_encode(&create->info, &properties);
    if (properties.failed) {
        status = exec_no_memory(exec);
        goto done;
    }
    TRY_OR(done, txn_object_create(exec->txn, OBJECT_COLLECTION, create->name, schema,
                                   buffer_span(&properties), &id, exec->call->err));
    TRY_OR(done, definition_own(exec, id, 0));
    TRY_OR(done, create_sequences(create, id, exec));
    TRY_OR(done, create_comments(create, id, exec));
    TRY_OR(done, create_materialized(create, id, exec));
    TRY_OR(done, remake_indexes(create->indexes, create->index_count, id, exec));
    TRY_OR(done, definition_foreign_keys(create, id, exec));
    if (create->source != NULL) {
        TRY_OR(done, fill_plan(exec, create, txn_object_by_id(exec->txn, id), fill_out));
    }
done:
    schema_destroy(schema);
    buffer_deinit(&properties);
    return status;
}

static tdbplus_status set_constraints(const struct bound_constraints *constraints,
                                      struct exec *exec)
{
    if (constraints->count == 0) {
        return txn_set_constraint(exec->txn, 0, constraints->deferred, exec->call->err);
    }
    for (uint32_t i = 0; i < constraints->count; i++) {
        TRY(txn_set_constraint(exec->txn, constraints->oids[i], constraints->deferred,
                               exec->call->err));
    }
    return TDBPLUS_OK;
}

/* Numbers of another form begin a new epoch where the old one stands. */
static tdbplus_status alter_sequence(const struct bound_action *action, struct exec *exec)
{
    struct sequence_def def = action->sequence;
    if (action->reshapes) {
        int64_t last = 0;
        bool called = false;
        TRY(sequence_freeze(exec->txn, action->oid, &last, &called, exec->call));
        if (!action->restarts) {
            def.restart = last;
            def.restart_called = called;
            TRY(bind_check_restart(last, &def, exec->call->err));
        }
    }
    def.epoch += action->reshapes || action->restarts ? 1 : 0;
    return sequence_alter(exec->txn, &action->entry, &def, exec->call->err);
}

static tdbplus_status run_action(const struct bound_action *action, struct exec *exec)
{
    struct err *err = exec->call->err;
    uint64_t oid = 0;
    switch ((enum bound_action_kind)action->kind) {
    case ACTION_CREATE:
        TRY(catalog_entry_create(exec->txn, &action->entry, &oid, err));
        return definition_own(exec, oid, action->role);
    case ACTION_ALTER:
        return catalog_entry_alter(exec->txn, action->oid, &action->entry, err);
    case ACTION_CREATE_SEQUENCE:
        TRY(sequence_create(exec->txn, &action->entry, &action->sequence, &oid, err));
        return definition_own(exec, oid, action->role);
    case ACTION_ALTER_SEQUENCE:
        return alter_sequence(action, exec);
    case ACTION_DROP:
        // What went with its owner is not there any more.
        return txn_object_by_id(exec->txn, action->oid) == NULL
                   ? TDBPLUS_OK
                   : catalog_entry_drop(exec->txn, action->oid, err);
    case ACTION_ALTER_TABLE:
        return alter_table_run(action->alter, exec);
    case ACTION_CHECK_ROWS:
        return alter_table_check(action, exec);
    case ACTION_TABLE:
        return txn_object_alter(exec->txn, action->oid, action->name, NULL,
                                action->properties.data == NULL ? NULL : &action->properties, err);
    }
    return err_set(err, TDBPLUS_E_INTERNAL, "not a change of the catalog (definition.c)");
}

tdbplus_status definition_actions(const struct bound_action *actions, struct exec *exec)
{
    for (const struct bound_action *action = actions; action != NULL; action = action->next) {
        TRY(run_action(action, exec));
    }
    return TDBPLUS_OK;
}

/* As PostgreSQL, tables of others are left out. */
static bool may_analyze(struct exec *exec, const struct object *table)
{
    struct acl_target target = {ACL_OID_FIRST + table->id, ACL_RELATION};
    return exec->names == NULL || acl_owns(exec->txn, target, exec->names->role);
}

static tdbplus_status analyze_tables(const struct bound_drop *tables, struct exec *exec)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        TRY(may_analyze(exec, tables->objects[i]) ? analyze_table(exec, tables->objects[i])
                                                  : TDBPLUS_OK);
    }
    const struct object *table = NULL;
    while (tables->count == 0 &&
           (table = txn_object_next(exec->txn, OBJECT_COLLECTION, table)) != NULL) {
        if (!catalog_hidden(table) && may_analyze(exec, table)) {
            TRY(analyze_table(exec, table));
        }
    }
    return TDBPLUS_OK;
}

/* Rows that others write while the index is made would have no entries, so they wait; what they
 * have committed before is among the rows that it is made of. */
static tdbplus_status create_index(const struct bound_index *index, struct exec *exec)
{
    uint64_t id = index->table->id;
    uint32_t version = index->table->schema->version;
    TRY(txn_keep_writers_out(exec->txn, index->table, exec->call));
    const struct object *table = txn_object_by_id(exec->txn, id);
    if (table == NULL || table->schema->version != version) {
        return err_set(exec->call->err, TDBPLUS_E_CONFLICT,
                       "the table was altered or dropped by another transaction");
    }
    return remake_indexes(index, 1, id, exec);
}

tdbplus_status definition_run(const struct bound *bound, struct exec *exec, struct plan **fill_out)
{
    switch (bound->kind) {
    case BOUND_CREATE_TABLE:
        return create_table(&bound->create, exec, fill_out);
    case BOUND_TRUNCATE:
        return remake_truncate(&bound->drop, exec);
    case BOUND_ANALYZE:
        return analyze_tables(&bound->drop, exec);
    case BOUND_ALTER_TABLE:
        return alter_table_run(&bound->alter, exec);
    case BOUND_ACTIONS:
        return definition_actions(bound->actions, exec);
    case BOUND_ROLES:
        return role_statement(bound->roles, exec);
    case BOUND_CONSTRAINTS:
        return set_constraints(&bound->constraints, exec);
    case BOUND_CREATE_INDEX:
        return bound->index.exists ? TDBPLUS_OK : create_index(&bound->index, exec);
    case BOUND_DROP_INDEX:
        for (uint32_t i = 0; i < bound->drop.count; i++) {
            TRY(catalog_index_drop(exec->txn, bound->drop.objects[i]->id, exec->call->err));
        }
        return TDBPLUS_OK;
    default:
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "not a definition (definition.c)");
    }
}
