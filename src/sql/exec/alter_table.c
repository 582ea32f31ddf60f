#include "sql/exec/alter_table.h"

#include <string.h>

#include "catalog/catalog_foreign.h"
#include "catalog/catalog_index.h"
#include "sql/exec/definition.h"
#include "sql/exec/remake.h"

/* What one command does to one table. */
struct job {
    struct exec *exec;
    uint64_t table; /* Another one once it has been made again. */
    struct bound_alter step;
};

static const struct object *table_of(const struct job *job)
{
    return txn_object_by_id(job->exec->txn, job->table);
}

static tdbplus_status encode_info(struct job *job, const struct table_info *info,
                                  struct span *properties_out)
{
    struct buffer buffer;
    buffer_init(&buffer, job->exec->call->alloc);
    table_info_encode(info, &buffer);
    uint8_t *copy = buffer.failed ? NULL : arena_bytes(&job->exec->arena, buffer.size + 1);
    if (copy != NULL) {
        memcpy(copy, buffer.data, buffer.size);
        *properties_out = (struct span){.data = copy, .size = buffer.size};
    }
    buffer_deinit(&buffer);
    return copy == NULL ? exec_no_memory(job->exec) : TDBPLUS_OK;
}

/* ---- looking at the rows ---- */

/* True when a row is there for which the condition is true. */
static tdbplus_status any_row(struct job *job, struct expr *condition, bool *any_out)
{
    struct exec *exec = job->exec;
    struct plan *plan = NULL;
    struct pipeline pipeline = {0};
    struct batch rows;
    TRY(remake_scan(exec, table_of(job), &plan));
    if (condition != NULL) {
        struct plan *filter = plan_make(&exec->arena, PLAN_FILTER, plan->column_count);
        struct expr **exprs = arena_array(&exec->arena, 1, sizeof *exprs);
        if (filter == NULL || exprs == NULL) {
            return exec_no_memory(exec);
        }
        memcpy(filter->columns, plan->columns, plan->column_count * sizeof *plan->columns);
        exprs[0] = condition;
        filter->exprs = exprs;
        filter->expr_count = 1;
        filter->left = plan;
        plan = filter;
    }
    batch_init(&rows, exec->call->alloc);
    tdbplus_status status = exec_compile(exec, plan, &pipeline);
    if (status == TDBPLUS_OK) {
        status = pipeline_next(pipeline.last, exec, &rows);
    }
    batch_deinit(&rows);
    *any_out = status == TDBPLUS_OK;
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status check_no_nulls(struct job *job, const char *name)
{
    struct exec *exec = job->exec;
    const struct object *table = table_of(job);
    int32_t at = schema_find_name(table->schema, name);
    struct expr *test = expr_make(&exec->arena, EXPR_IS_NULL, type_of(TYPE_BOOL), 1);
    bool any = false;
    if (test == NULL || at < 0) {
        return exec_no_memory(exec);
    }
    test->arguments[0] =
        expr_column(&exec->arena, (uint32_t)at + 1, table->schema->columns[at].type);
    if (test->arguments[0] == NULL) {
        return exec_no_memory(exec);
    }
    TRY(any_row(job, test, &any));
    return any ? err_set_state(exec->call->err, TDBPLUS_E_NULL, "23502",
                               "column \"%s\" of relation \"%s\" contains null values", name,
                               catalog_own_name(table->name))
               : TDBPLUS_OK;
}

/* Some row breaks the check: it is false there, not null. */
static tdbplus_status check_rows(struct job *job, const struct table_text *check)
{
    struct exec *exec = job->exec;
    const struct object *table = table_of(job);
    struct expr *holds = NULL;
    struct expr *broken = expr_make(&exec->arena, EXPR_TRUTH, type_of(TYPE_BOOL), 1);
    bool any = false;
    TRY(bind_table_text(exec->txn, table, check->text, &exec->arena, &holds, exec->call->err));
    if (broken == NULL) {
        return exec_no_memory(exec);
    }
    broken->number = AST_IS_FALSE;
    broken->arguments[0] = holds;
    TRY(any_row(job, broken, &any));
    return any ? err_set(exec->call->err, TDBPLUS_E_CONSTRAINT,
                         "check constraint \"%s\" of relation \"%s\" is violated by some row",
                         check->name, catalog_own_name(table->name))
               : TDBPLUS_OK;
}

tdbplus_status alter_table_check(const struct bound_action *action, struct exec *exec)
{
    struct job job = {.exec = exec, .table = action->oid};
    bool any = false;
    TRY(any_row(&job, action->broken, &any));
    return !any ? TDBPLUS_OK
           : action->nulls
               ? err_set_state(exec->call->err, TDBPLUS_E_NULL, "23502", "%s", action->name)
               : err_set(exec->call->err, TDBPLUS_E_CONSTRAINT, "%s", action->name);
}

/* ---- another form ---- */

/* The old columns, where the step says nothing else. */
static tdbplus_status fill_exprs(struct job *job)
{
    struct exec *exec = job->exec;
    struct bound_alter *step = &job->step;
    const struct schema *old = table_of(job)->schema;
    const struct schema *new = step->schema;
    if (step->exprs == NULL) {
        step->exprs = arena_array(&exec->arena, new->column_count + 1u, sizeof *step->exprs);
    }
    for (uint32_t i = 0; step->exprs != NULL && i < new->column_count; i++) {
        int32_t at = schema_find_id(old, new->columns[i].id);
        if (step->exprs[i] == NULL) {
            step->exprs[i] =
                at >= 0 ? expr_column(&exec->arena, (uint32_t)at + 1, old->columns[at].type)
                        : expr_constant(&exec->arena, &new->columns[i].missing);
        }
        if (step->exprs[i] == NULL) {
            return exec_no_memory(exec);
        }
    }
    return step->exprs == NULL ? exec_no_memory(exec) : TDBPLUS_OK;
}

static tdbplus_status rewrite(struct job *job, struct span properties)
{
    struct remake_form form = {.schema = job->step.schema,
                               .properties = properties,
                               .hidden_key = job->step.new_hidden_key};
    if (properties.data == NULL) {
        const struct span *old = &table_of(job)->properties;
        uint8_t *copy = arena_bytes(&job->exec->arena, old->size + 1);
        if (copy == NULL) {
            return exec_no_memory(job->exec);
        }
        memcpy(copy, old->data == NULL ? copy : old->data, old->size);
        form.properties = (struct span){.data = copy, .size = old->size};
    }
    TRY(fill_exprs(job));
    form.exprs = job->step.exprs;
    return remake_table(job->table, &form, job->exec, &job->table);
}

/* The store changes columns in place when it can: not twice in a transaction, nor where this one
 * has written rows. */
static tdbplus_status change_schema(struct job *job, struct span properties)
{
    struct exec *exec = job->exec;
    struct bound_alter *step = &job->step;
    if (step->exprs != NULL || step->new_key) {
        return rewrite(job, properties);
    }
    struct schema *schema = NULL;
    TRY(schema_create(step->schema, exec->call->alloc, &schema, exec->call->err));
    tdbplus_status status =
        txn_object_alter(exec->txn, job->table, NULL, schema,
                         properties.data == NULL ? NULL : &properties, exec->call->err);
    schema_destroy(schema);
    if (status != TDBPLUS_E_STATE && status != TDBPLUS_E_UNSUPPORTED) {
        return status;
    }
    err_clear(exec->call->err);
    return rewrite(job, properties);
}

/* The value that rows have which were written before the column. */
static tdbplus_status compute_missing(struct job *job)
{
    struct exec *exec = job->exec;
    struct bound_alter *step = &job->step;
    struct schema_column *column = &step->schema->columns[step->new_position];
    struct expr **compiled = NULL;
    bool any = false;
    if (step->missing != NULL) {
        TRY(exec_compile_values(exec, &step->missing, 1, &compiled));
        TRY(eval_once(exec, compiled[0], &exec->arena, &column->missing));
        column->missing.type = column->type;
    }
    if (!column->not_null || !column->missing.is_null || step->exprs != NULL) {
        return TDBPLUS_OK;
    }
    TRY(any_row(job, NULL, &any));
    return any ? err_set_state(exec->call->err, TDBPLUS_E_NULL, "23502",
                               "column \"%s\" of relation \"%s\" contains null values",
                               column->name, catalog_own_name(table_of(job)->name))
               : TDBPLUS_OK;
}

/* A serial column's sequence is made first: the rows that are there get its first numbers. */
static tdbplus_status make_sequences(struct job *job)
{
    struct exec *exec = job->exec;
    const struct bound_create *added = job->step.added;
    for (uint32_t i = 0; added != NULL && i < added->sequence_count; i++) {
        const struct bound_sequence *sequence = &added->sequences[i];
        uint64_t oid = 0;
        TRY(definition_sequence(sequence, job->table, exec, &oid));
        for (uint32_t d = 0; d < job->step.info->default_count; d++) {
            if (job->step.info->defaults[d].column_id == sequence->column_id) {
                job->step.info->defaults[d].sequence = oid;
            }
        }
        if (job->step.new_sequence) {
            uint32_t at = job->step.new_position;
            TRY(bind_sequence_value(oid, &job->step.schema->columns[at], &exec->arena,
                                    &job->step.exprs[at], exec->call->err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_parts(struct job *job)
{
    const struct bound_create *added = job->step.added;
    struct exec *exec = job->exec;
    if (added == NULL) {
        return TDBPLUS_OK;
    }
    TRY(remake_indexes(added->indexes, added->index_count, job->table, exec));
    return definition_foreign_keys(added, job->table, exec);
}

static tdbplus_status apply(struct job *job)
{
    struct exec *exec = job->exec;
    struct bound_alter *step = &job->step;
    struct span properties = {0};
    struct table_text check = step->check == NULL ? (struct table_text){0} : *step->check;
    for (uint32_t i = 0; i < step->drop_count; i++) {
        if (txn_object_by_id(exec->txn, step->drops[i]) != NULL) {
            TRY(catalog_entry_drop(exec->txn, step->drops[i], exec->call->err));
        }
    }
    TRY(definition_actions(step->actions, exec));
    TRY(step->no_nulls == NULL ? TDBPLUS_OK : check_no_nulls(job, step->no_nulls));
    TRY(make_sequences(job));
    TRY(step->new_column ? compute_missing(job) : TDBPLUS_OK);
    TRY(step->info == NULL ? TDBPLUS_OK : encode_info(job, step->info, &properties));
    if (step->schema != NULL) {
        TRY(change_schema(job, properties));
    } else if (properties.data != NULL) {
        TRY(txn_object_alter(exec->txn, job->table, NULL, NULL, &properties, exec->call->err));
    } else if (step->drop_count > 0) {
        TRY(catalog_touch_table(exec->txn, job->table, exec->call->err));
    }
    TRY(check.name == NULL ? TDBPLUS_OK : check_rows(job, &check));
    return make_parts(job);
}

/* As PostgreSQL: what goes comes first, constraints last. */
static uint32_t pass_of(const struct ast_alter_command *command)
{
    switch ((enum ast_alter_kind)command->alter_kind) {
    case AST_ALTER_DROP_COLUMN:
    case AST_ALTER_DROP_CONSTRAINT:
    case AST_ALTER_DROP_NOT_NULL:
    case AST_ALTER_DROP_IDENTITY:
    case AST_ALTER_DROP_EXPRESSION:
        return 0;
    case AST_ALTER_DEFAULT:
        return command->definition == NULL ? 0 : 3;
    case AST_ALTER_TYPE:
        return 1;
    case AST_ALTER_ADD_COLUMN:
        return 2;
    case AST_ALTER_SET_NOT_NULL:
    case AST_ALTER_ADD_IDENTITY:
    case AST_ALTER_SET_IDENTITY:
        return 3;
    case AST_ALTER_ADD_CONSTRAINT:
    case AST_ALTER_VALIDATE_CONSTRAINT:
    case AST_ALTER_SET_OPTIONS:
    case AST_ALTER_RESET_OPTIONS:
    case AST_ALTER_RENAME_COLUMN:
    case AST_ALTER_RENAME_CONSTRAINT:
    case AST_ALTER_NOTHING:
        break;
    }
    return 4;
}

tdbplus_status alter_table_run(const struct bound_alter_table *alter, struct exec *exec)
{
    struct job job = {.exec = exec, .table = alter->table};
    uint32_t count = alter->ast->commands.count;
    for (uint32_t i = 0; i < 5 * count; i++) {
        const struct ast_alter_command *command =
            (const struct ast_alter_command *)alter->ast->commands.items[i % count];
        if (pass_of(command) != i / count) {
            continue;
        }
        // What a command wrote is seen by the next one's scans.
        TRY(txn_statement(exec->txn, exec->call->err));
        TRY(bind_alter_command(&alter->options, job.table, command, &exec->arena, &job.step,
                               exec->call->err));
        TRY(apply(&job));
    }
    return TDBPLUS_OK;
}
