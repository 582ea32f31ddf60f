#include "sql/exec/statement.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "catalog/catalog.h"
#include "files/pgcopy.h"
#include "sql/bind/bind.h"
#include "sql/exec/copy_output.h"
#include "sql/exec/definition.h"
#include "sql/exec/exec_internal.h"
#include "sql/exec/exec_trial.h"
#include "sql/exec/index_texts.h"
#include "sql/exec/remake.h"
#include "sql/exec/sql_session.h"
#include "sql/opt/optimize.h"
#include "sql/parse/ast_session.h"
#include "sql/parse/parse.h"
#include "sql/system/system.h"
#include "txn/pending.h"

/* ---- texts ---- */

struct sql_script {
    _Atomic uint32_t refs;
    struct sql_settings settings;
    struct sql_session *session;
    struct arena arena;
    struct span text;
    struct parse_result parsed;
};

tdbplus_status sql_script_create(struct span text, const struct alloc *alloc,
                                 struct sql_script **script_out, struct err *err)
{
    struct sql_script *script = alloc_array(alloc, 1, sizeof *script);
    if (script == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a statement");
    }
    atomic_init(&script->refs, 1);
    arena_init(&script->arena, alloc, 0);
    tdbplus_status status = TDBPLUS_OK;
    char *copy = arena_text(&script->arena, text);
    if (copy == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "out of memory for a statement");
        goto done;
    }
    script->text = (struct span){.data = (const uint8_t *)copy, .size = text.size};
    TRY_OR(done, parse_text(script->text, &script->arena, &script->parsed, err));
    *script_out = script;
    script = NULL;
done:
    sql_script_destroy(script);
    return status;
}

void sql_script_destroy(struct sql_script *script)
{
    if (script != NULL && atomic_fetch_sub_explicit(&script->refs, 1, memory_order_acq_rel) == 1) {
        const struct alloc *alloc = script->arena.alloc;
        arena_deinit(&script->arena);
        alloc_free(alloc, script, 1, sizeof *script);
    }
}

struct sql_script *sql_script_share(struct sql_script *script)
{
    atomic_fetch_add_explicit(&script->refs, 1, memory_order_relaxed);
    return script;
}

void sql_script_use(struct sql_script *script, const struct sql_settings *settings)
{
    script->settings = *settings;
}

void sql_script_unwrap(struct sql_script *script)
{
    struct ast **root = &script->parsed.statements[0].root;
    if ((*root)->kind == AST_PREPARE) {
        *root = ((struct ast_prepare *)*root)->query;
    } else if ((*root)->kind == AST_DECLARE_CURSOR) {
        *root = ((struct ast_declare_cursor *)*root)->query;
    }
}

tdbplus_status sql_script_unwrap_values(struct sql_script *script, struct err *err)
{
    struct ast **root = &script->parsed.statements[0].root;
    const struct ast_list *values = &((struct ast_execute *)*root)->parameters;
    struct ast_select *select = arena_array(&script->arena, 1, sizeof *select);
    struct ast_target *targets = arena_array(&script->arena, values->count + 1u, sizeof *targets);
    struct ast **items = arena_array(&script->arena, values->count + 1u, sizeof *items);
    if (select == NULL || targets == NULL || items == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a statement");
    }
    for (uint32_t i = 0; i < values->count; i++) {
        targets[i] = (struct ast_target){.ast = {.kind = AST_TARGET}, .value = values->items[i]};
        items[i] = &targets[i].ast;
    }
    *select = (struct ast_select){.ast = {.kind = AST_SELECT},
                                  .targets = {.count = values->count, .items = items}};
    *root = &select->ast;
    return TDBPLUS_OK;
}

tdbplus_status sql_script_type(const struct sql_script *script, struct txn *txn,
                               const struct ast *name, struct type *type_out, struct err *err)
{
    struct arena arena;
    arena_init(&arena, script->arena.alloc, 0);
    struct bind_options options = {
        .text = script->text, .txn = txn, .session = script->settings.session};
    tdbplus_status status = bind_type_name(name, &options, &arena, type_out, err);
    arena_deinit(&arena);
    return status;
}

void sql_script_session(struct sql_script *script, struct sql_session *session)
{
    script->session = session;
}

uint32_t sql_script_count(const struct sql_script *script)
{
    return script->parsed.statement_count;
}

const struct ast *sql_statement_ast(const struct sql_script *script, uint32_t number)
{
    return script->parsed.statements[number].root;
}

const char *sql_statement_name(const struct sql_script *script, uint32_t number)
{
    return parse_statement_name(sql_statement_ast(script, number));
}

/* True when a WITH query changes rows, or rows are locked. */
static bool changes_rows(const struct ast_select *select)
{
    if (select->locking.count > 0) {
        return true;
    }
    for (uint32_t i = 0; select->with != NULL && i < select->with->ctes.count; i++) {
        if (((const struct ast_cte *)select->with->ctes.items[i])->query->kind != AST_SELECT) {
            return true;
        }
    }
    return false;
}

/* EXPLAIN ANALYZE does what it explains. */
static bool explain_changes(const struct ast_explain *explain)
{
    bool analyze = false;
    for (uint32_t i = 0; i < explain->options.count; i++) {
        const struct ast_option *option = (const struct ast_option *)explain->options.items[i];
        analyze = analyze || strcmp(option->name, "analyze") == 0;
    }
    return analyze && (explain->query->kind != AST_SELECT ||
                       changes_rows((const struct ast_select *)explain->query));
}

static uint8_t copy_kind(const struct ast_copy *copy)
{
    if (copy->from || (copy->query != NULL && copy->query->kind != AST_SELECT) ||
        (copy->query != NULL && changes_rows((const struct ast_select *)copy->query))) {
        return SQL_CHANGE;
    }
    return copy->path == NULL ? SQL_QUERY : SQL_EXPLAIN;
}

uint8_t sql_statement_kind(const struct sql_script *script, uint32_t number)
{
    switch (sql_statement_ast(script, number)->kind) {
    case AST_SELECT:
        if (((const struct ast_select *)sql_statement_ast(script, number))->into != NULL) {
            return SQL_DEFINITION;
        }
        return changes_rows((const struct ast_select *)sql_statement_ast(script, number))
                   ? SQL_CHANGE
                   : SQL_QUERY;
    case AST_INSERT:
    case AST_UPDATE:
    case AST_DELETE:
    case AST_MERGE:
        return SQL_CHANGE;
    case AST_COPY:
        return copy_kind((const struct ast_copy *)sql_statement_ast(script, number));
    case AST_EXPLAIN:
        return explain_changes((const struct ast_explain *)sql_statement_ast(script, number))
                   ? SQL_CHANGE
                   : SQL_EXPLAIN;
    case AST_TRANSACTION:
        return SQL_TRANSACTION;
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
        return SQL_SESSION;
    default:
        return SQL_DEFINITION;
    }
}

static const struct bind_system system_relations = {.find_table = system_find_table,
                                                    .find_view = system_find_view,
                                                    .column_count = system_column_count,
                                                    .column = system_column};

/* ---- prepared statements ---- */

struct sql_prepared {
    struct sql_settings settings;
    struct sql_session *session;
    const struct txn *txn; /* In which a definition was bound, which only that one may run. */
    struct arena arena;
    struct bound bound;
    uint64_t checked_version; /* Of the catalog in which its privileges were looked at, */
    uint64_t checked_role;    /* and whose. */
    bool draws;               /* A volatile function may want chance. */
    const char *tag;
    bool changes;                          /* Rows, though it may be a SELECT. */
    struct bound_dependency *dependencies; /* The binder's, and the tables of the plan. */
    struct plan_column text_column;        /* Of EXPLAIN. */
};

static bool add_dependency(struct sql_prepared *prepared, const struct object *object)
{
    struct bound_dependency *dependency = arena_alloc(&prepared->arena, sizeof *dependency);
    if (dependency != NULL) {
        *dependency =
            (struct bound_dependency){object->id, object->revision, prepared->dependencies};
        prepared->dependencies = dependency;
    }
    return dependency != NULL;
}

static bool visit_plans(struct sql_prepared *prepared, struct plan *plan);

static bool visit_expr(void *ctx, struct expr *expr)
{
    struct sql_prepared *prepared = ctx;
    prepared->draws = prepared->draws || expr_volatile(expr);
    bool good = expr->subquery == NULL || visit_plans(prepared, expr->subquery->plan);
    for (uint32_t i = 0; good && i < expr->argument_count; i++) {
        good = visit_expr(prepared, expr->arguments[i]);
    }
    return good;
}

/* Notes the tables of a plan and of the subqueries in its expressions. */
static bool visit_plans(struct sql_prepared *prepared, struct plan *plan)
{
    if (plan == NULL) {
        return true;
    }
    bool good = true;
    if (plan->kind == PLAN_SCAN) {
        good = add_dependency(prepared, plan->scan.object);
    } else if (plan->kind >= PLAN_INSERT) {
        good = add_dependency(prepared, plan->change.object);
    }
    for (uint32_t i = 0; plan->kind == PLAN_WITH && good && i < plan->cte_count; i++) {
        good = visit_plans(prepared, plan->ctes[i]->plan) &&
               visit_plans(prepared, plan->ctes[i]->step);
    }
    return good && plan_each_expr(plan, visit_expr, prepared) &&
           visit_plans(prepared, plan->left) && visit_plans(prepared, plan->right);
}

/* Shares of a limit: several operators of a statement keep rows at once, and batches come on top.
 */
#define SPILL_SHARE       8u
#define SPILL_SHARE_STORE 8u

/* A table that the plan changes and whose columns this transaction changed in place. */
static const struct object *find_stuck(const struct txn *txn, const struct plan *plan)
{
    const struct object *stuck = NULL;
    if (plan == NULL) {
        return NULL;
    }
    if (plan->kind >= PLAN_INSERT && txn_columns_changed(txn, plan->change.object)) {
        return plan->change.object;
    }
    for (uint32_t i = 0; plan->kind == PLAN_WITH && stuck == NULL && i < plan->cte_count; i++) {
        stuck = find_stuck(txn, plan->ctes[i]->plan);
    }
    stuck = stuck != NULL ? stuck : find_stuck(txn, plan->left);
    return stuck != NULL ? stuck : find_stuck(txn, plan->right);
}

/* Such a table is made again, with rows of the new form; true: what was bound is of the old one. */
static tdbplus_status free_stuck(const struct sql_script *script, struct txn *txn,
                                 const struct plan *plan, const struct call *call, bool *made_out)
{
    const struct object *stuck = find_stuck(txn, plan);
    *made_out = stuck != NULL;
    if (stuck == NULL) {
        return TDBPLUS_OK;
    }
    struct exec exec;
    struct func_context context = {.session = script->settings.session};
    exec_init(&exec, txn, call);
    exec.context = &context;
    exec.spill_bytes = store_memory_limit(txn_store(txn)) / SPILL_SHARE_STORE;
    exec.thread_count = 1;
    tdbplus_status status = remake_as_is(stuck->id, &exec);
    exec_deinit(&exec);
    return status;
}

static tdbplus_status prepare(const struct sql_script *script, uint32_t number, struct txn *txn,
                              const struct type *types, uint32_t type_count,
                              const struct call *call, struct sql_prepared *prepared)
{
    bool made = true;
    txn_set_hooks(txn_store(txn), sql_txn_hooks());
    struct bind_options options = {.text = script->text,
                                   .txn = txn,
                                   .parameters = types,
                                   .parameter_count = type_count,
                                   .names = script->session == NULL ? NULL : &script->session->bind,
                                   .session = script->settings.session,
                                   .system = &system_relations};
    struct bound *bound = &prepared->bound;
    while (made) {
        *bound = (struct bound){0};
        TRY(bind_statement(&script->parsed.statements[number], &options, &prepared->arena, bound,
                           call->err));
        TRY(free_stuck(script, txn,
                       bound->kind == BOUND_CHANGE || bound->kind == BOUND_QUERY ? bound->plan
                                                                                 : NULL,
                       call, &made));
    }
    prepared->dependencies = bound->dependencies;
    if (bound->kind == BOUND_SESSION) {
        return err_set(call->err, TDBPLUS_E_STATE, "%s is not for the SQL engine to run",
                       bound->tag);
    }
    struct plan **plan = bound->kind == BOUND_CREATE_TABLE ? &bound->create.source : &bound->plan;
    if (*plan != NULL) {
        struct trial_context context = {.txn = txn, .call = call};
        struct opt_sampler sampler = {
            .context = &context, .share = trial_share, .distinct = trial_distinct};
        struct opt_options rules = {.rules_off = script->settings.rules_off,
                                    .sampler = &sampler,
                                    .notes_rows = bound->kind == BOUND_EXPLAIN,
                                    .session = script->settings.session,
                                    .check = trial_check,
                                    .check_context = &context};
        TRY(optimize(plan, &prepared->arena, &bound->next_id, &rules, call->err));
    }
    if (!visit_plans(prepared, *plan)) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory for a statement");
    }
    for (uint32_t i = 0; i < bound->drop.count; i++) {
        if (!add_dependency(prepared, bound->drop.objects[i])) {
            return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory for a statement");
        }
    }
    prepared->text_column = (struct plan_column){.type = type_of(TYPE_TEXT), .name = "QUERY PLAN"};
    return TDBPLUS_OK;
}

tdbplus_status sql_prepare(const struct sql_script *script, uint32_t number, struct txn *txn,
                           const struct type *types, uint32_t type_count, const struct call *call,
                           struct sql_prepared **prepared_out)
{
    struct sql_prepared *prepared = alloc_array(call->alloc, 1, sizeof *prepared);
    if (prepared == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory for a statement");
    }
    arena_init(&prepared->arena, call->alloc, 0);
    tdbplus_status status = prepare(script, number, txn, types, type_count, call, prepared);
    if (status != TDBPLUS_OK) {
        sql_prepared_destroy(prepared);
        return status;
    }
    prepared->tag = prepared->bound.tag;
    prepared->settings = script->settings;
    prepared->session = script->session;
    prepared->changes = sql_statement_kind(script, number) == SQL_CHANGE;
    prepared->txn = txn;
    *prepared_out = prepared;
    return TDBPLUS_OK;
}

void sql_prepared_destroy(struct sql_prepared *prepared)
{
    if (prepared != NULL) {
        const struct alloc *alloc = prepared->arena.alloc;
        arena_deinit(&prepared->arena);
        alloc_free(alloc, prepared, 1, sizeof *prepared);
    }
}

bool sql_prepared_valid(const struct sql_prepared *prepared, struct txn *txn)
{
    for (const struct bound_dependency *d = prepared->dependencies; d != NULL; d = d->next) {
        if (!catalog_entry_unchanged(txn, d->oid, d->revision)) {
            return false;
        }
    }
    // What a definition found missing or there may have changed as well.
    return prepared->bound.kind == BOUND_QUERY || prepared->bound.kind == BOUND_CHANGE;
}

const struct plan *sql_prepared_plan(const struct sql_prepared *prepared)
{
    uint8_t kind = prepared->bound.kind;
    return kind == BOUND_QUERY || kind == BOUND_CHANGE ? prepared->bound.plan : NULL;
}

/* Or reads files, which may be others by then. */
static bool has_join(const struct plan *plan)
{
    return plan != NULL &&
           (plan->kind == PLAN_JOIN || plan->kind == PLAN_CTE || plan->kind == PLAN_FILE ||
            has_join(plan->left) || has_join(plan->right));
}

bool sql_prepared_reusable(const struct sql_prepared *prepared)
{
    const struct bound *bound = &prepared->bound;
    return (bound->kind == BOUND_QUERY || bound->kind == BOUND_CHANGE) && !has_join(bound->plan);
}

uint32_t sql_parameter_count(const struct sql_prepared *prepared)
{
    return prepared->bound.parameter_count;
}

struct type sql_parameter_type(const struct sql_prepared *prepared, uint32_t number)
{
    return prepared->bound.parameters[number];
}

uint32_t sql_column_count(const struct sql_prepared *prepared)
{
    switch (prepared->bound.kind) {
    case BOUND_EXPLAIN:
        return 1;
    case BOUND_COPY_TO:
        return prepared->bound.copy.spec->path_count == 0;
    case BOUND_QUERY:
    case BOUND_CHANGE:
        return prepared->bound.plan->column_count;
    default:
        return 0;
    }
}

struct sql_column sql_column_at(const struct sql_prepared *prepared, uint32_t number)
{
    static const struct plan_column copied = {.type = {.id = TYPE_BYTEA}, .name = "COPY"};
    uint8_t kind = prepared->bound.kind;
    const struct plan_column *column = kind == BOUND_EXPLAIN ? &prepared->text_column
                                       : kind == BOUND_COPY_TO
                                           ? &copied
                                           : &prepared->bound.plan->columns[number];
    return (struct sql_column){.name = column->name != NULL ? column->name : "?column?",
                               .type = column->type};
}

uint8_t sql_prepared_copy(const struct sql_prepared *prepared)
{
    const struct bound *bound = &prepared->bound;
    if (bound->kind == BOUND_CHANGE && bound->copy.from_caller) {
        return SQL_COPY_IN;
    }
    return bound->kind == BOUND_COPY_TO && bound->copy.spec->path_count == 0 ? SQL_COPY_OUT
                                                                             : SQL_COPY_NONE;
}

void sql_prepared_copied(const struct sql_prepared *prepared, bool *binary_out,
                         uint32_t *column_count_out)
{
    const struct file_spec *spec = prepared->bound.copy.spec;
    if (spec != NULL) {
        *binary_out = spec->format == FILE_BINARY || spec->format == FILE_PARQUET ||
                      spec->format == FILE_ARROW;
        *column_count_out = spec->column_count;
    }
}

/* A line ends outside of quotes; a doubled quote leaves *inside as it was. */
static size_t csv_row_size(struct span written, uint8_t quote, bool *inside)
{
    for (size_t i = 0; i < written.size; i++) {
        if (written.data[i] == quote) {
            *inside = !*inside;
        } else if (written.data[i] == '\n' && !*inside) {
            return i + 1;
        }
    }
    return written.size;
}

size_t sql_prepared_copy_row(const struct sql_prepared *prepared, struct span written, bool *inside)
{
    const struct file_spec *spec = prepared->bound.copy.spec;
    const uint8_t *end = NULL;
    switch (spec == NULL ? FILE_FORMAT_NONE : spec->format) {
    case FILE_CSV:
        return csv_row_size(written, spec->csv.quote, inside);
    case FILE_TEXT:
    case FILE_NDJSON:
        end = memchr(written.data, '\n', written.size);
        return end == NULL ? written.size : (size_t)(end - written.data) + 1;
    case FILE_BINARY:
        return pgcopy_row_size(written);
    default:
        return written.size;
    }
}

/* ---- running ---- */

/* Looking tables up again as the transaction at hand sees them: pointers of another transaction
 * mean nothing here. */
struct refresh {
    struct txn *txn;
};

static bool refresh_plan(struct refresh *refresh, struct plan *plan);

static bool refresh_expr(void *ctx, struct expr *expr)
{
    bool good = expr->subquery == NULL || refresh_plan(ctx, expr->subquery->plan);
    for (uint32_t i = 0; good && i < expr->argument_count; i++) {
        good = refresh_expr(ctx, expr->arguments[i]);
    }
    return good;
}

static bool refresh_object(const struct refresh *refresh, uint64_t id, uint32_t version,
                           const struct object **object)
{
    *object = txn_object_by_id(refresh->txn, id);
    return *object != NULL && (*object)->schema->version == version;
}

static bool refresh_plan(struct refresh *refresh, struct plan *plan)
{
    if (plan == NULL) {
        return true;
    }
    bool good = true;
    if (plan->kind == PLAN_SCAN) {
        good = refresh_object(refresh, plan->scan.object_id, plan->scan.schema_version,
                              &plan->scan.object);
    } else if (plan->kind >= PLAN_INSERT) {
        good = refresh_object(refresh, plan->change.object_id, plan->change.schema_version,
                              &plan->change.object);
    }
    for (uint32_t i = 0; plan->kind == PLAN_WITH && good && i < plan->cte_count; i++) {
        good = refresh_plan(refresh, plan->ctes[i]->plan) &&
               refresh_plan(refresh, plan->ctes[i]->step);
    }
    return good && plan_each_expr(plan, refresh_expr, refresh) &&
           refresh_plan(refresh, plan->left) && refresh_plan(refresh, plan->right);
}

#define RETRY_COUNT_MAX 100u

struct sql_cursor {
    struct sql_prepared *prepared;
    struct sql_run_options options;
    struct func_context context;
    const struct call *from; /* The caller's. */
    bool limited;            /* Then `exec` has this one: */
    struct call call;
    struct budget budget;
    struct sql_sequences sequences;
    struct exec exec;
    struct pipeline pipeline;
    struct file_queue queue;  /* COPY ... FROM STDIN. */
    struct copy_output *copy; /* COPY ... TO. */
    uint64_t row_count;
    bool begun;
    bool ended;
};

/* A statement with a limit of its own gets memory through a budget. The caller may change its call
 * between two steps. */
static void copy_call(struct sql_cursor *cursor)
{
    if (cursor->limited) {
        cursor->call = *cursor->from;
        cursor->call.alloc = &cursor->budget.alloc;
    }
}

static size_t spill_bytes_of(const struct sql_cursor *cursor)
{
    const struct sql_settings *settings = &cursor->prepared->settings;
    if (settings->spill_bytes != 0) {
        return settings->spill_bytes;
    }
    return settings->memory_bytes != 0
               ? settings->memory_bytes / SPILL_SHARE
               : store_memory_limit(txn_store(cursor->options.txn)) / SPILL_SHARE_STORE;
}

/* Privileges are looked at again when anything in the catalog has changed. */
static tdbplus_status check_access(struct sql_prepared *prepared, struct txn *txn,
                                   const struct call *call)
{
    uint64_t role =
        prepared->session == NULL ? (uint64_t)ROLE_BOOTSTRAP : prepared->session->bind.role;
    uint64_t version = txn_catalog_version(txn);
    uint8_t kind = prepared->bound.kind;
    if ((prepared->checked_role == role && prepared->checked_version == version && version != 0) ||
        kind == BOUND_ACTIONS || kind == BOUND_ALTER_TABLE) {
        return TDBPLUS_OK;
    }
    TRY(access_check(txn, role, prepared->bound.accesses, call->err));
    prepared->checked_role = role;
    prepared->checked_version = version;
    return TDBPLUS_OK;
}

bool sql_prepared_checked(const struct sql_prepared *prepared, uint64_t catalog_version)
{
    bool same = prepared->checked_version == catalog_version && catalog_version != 0;
    return prepared->session == NULL || prepared->session->bind.role == ROLE_BOOTSTRAP ||
           (same && prepared->checked_role == prepared->session->bind.role);
}

static tdbplus_status begin_run(struct sql_cursor *cursor)
{
    const struct sql_run_options *options = &cursor->options;
    const struct call *call = cursor->limited ? &cursor->call : cursor->from;
    exec_init(&cursor->exec, options->txn, call);
    cursor->exec.spill_bytes = spill_bytes_of(cursor);
    cursor->exec.context = &cursor->context;
    cursor->exec.parameters = options->parameters;
    cursor->exec.parameter_count = options->parameter_count;
    cursor->exec.thread_count = cursor->prepared->settings.thread_count;
    cursor->begun = true;
    const struct bound *bound = &cursor->prepared->bound;
    const struct sql_session *session = cursor->prepared->session;
    cursor->exec.names = session == NULL ? NULL : &session->bind;
    TRY(check_access(cursor->prepared, options->txn, call));
    cursor->exec.copy_in = bound->copy.from_caller ? &cursor->queue : NULL;
    if (bound->kind == BOUND_QUERY || bound->kind == BOUND_CHANGE || bound->kind == BOUND_COPY_TO) {
        struct refresh refresh = {.txn = options->txn};
        if (!refresh_plan(&refresh, bound->plan)) {
            return err_set_state(call->err, TDBPLUS_E_STATE, "0A000",
                                 "a table has changed since the statement was prepared");
        }
        return exec_compile(&cursor->exec, bound->plan, &cursor->pipeline);
    }
    return TDBPLUS_OK;
}

tdbplus_status sql_cursor_open(struct sql_prepared *prepared, const struct sql_run_options *options,
                               const struct call *call, struct sql_cursor **cursor_out)
{
    if (options->parameter_count < prepared->bound.parameter_count) {
        if (options->parameter_count == 0) {
            return err_set_state(call->err, TDBPLUS_E_SQL, "42P02", "there is no parameter $1");
        }
        return err_set_state(call->err, TDBPLUS_E_SQL, "08P01",
                             "the statement has %u parameters, but %u values were given",
                             prepared->bound.parameter_count, options->parameter_count);
    }
    uint8_t kind = prepared->bound.kind;
    bool defines = kind != BOUND_QUERY && kind != BOUND_CHANGE && kind != BOUND_COPY_TO;
    if (defines && prepared->txn != options->txn) {
        return err_set(call->err, TDBPLUS_E_STATE,
                       "%s must be prepared in the transaction that runs it", prepared->tag);
    }
    struct sql_cursor *cursor = alloc_array(call->alloc, 1, sizeof *cursor);
    if (cursor == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory for a cursor");
    }
    file_queue_init(&cursor->queue, call->alloc);
    cursor->prepared = prepared;
    cursor->options = *options;
    cursor->context = (struct func_context){.session = prepared->settings.session,
                                            .transaction_time_us = options->transaction_time_us,
                                            .user = options->user,
                                            .session_user = options->session_user,
                                            .database = options->database,
                                            .sequences = &cursor->sequences.functions};
    struct sql_session *session = prepared->session;
    if (session != NULL) {
        cursor->context.schemas = session->bind.path;
        cursor->context.schema_count = session->bind.path_count;
    }
    sql_sequences_init(&cursor->sequences, options->txn, call, session);
    if (prepared->draws) {
        env_entropy(store_env(txn_store(options->txn)), cursor->context.random_state,
                    sizeof cursor->context.random_state);
    }
    cursor->from = call;
    cursor->limited = prepared->settings.memory_bytes != 0;
    if (cursor->limited) {
        budget_init(&cursor->budget, call->alloc, NULL, prepared->settings.memory_bytes);
    }
    copy_call(cursor);
    tdbplus_status status = begin_run(cursor);
    if (status != TDBPLUS_OK) {
        sql_cursor_close(cursor);
        return status;
    }
    *cursor_out = cursor;
    return TDBPLUS_OK;
}

/*
 * A change runs as a whole before its first row goes out. In READ COMMITTED a row that another
 * transaction changed in between makes it start again on a newer snapshot.
 */
static tdbplus_status next_of_change(struct sql_cursor *cursor, struct batch *batch)
{
    const struct call *call = cursor->exec.call;
    struct txn *txn = cursor->options.txn;
    bool first =
        cursor->row_count == 0 && cursor->exec.changed_rows == 0 && cursor->exec.copy_in == NULL;
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    tdbplus_status status = pipeline_next(cursor->pipeline.last, &cursor->exec, batch);
    for (uint32_t i = 0; status == TDBPLUS_E_CONFLICT && first && cursor->options.retry_conflicts &&
                         i < RETRY_COUNT_MAX;
         i++) {
        err_clear(call->err);
        batch_reset(batch);
        exec_deinit(&cursor->exec);
        txn_savepoint_rollback(txn, savepoint);
        TRY(txn_statement(txn, call->err));
        TRY(begin_run(cursor));
        status = pipeline_next(cursor->pipeline.last, &cursor->exec, batch);
    }
    txn_savepoint_release(txn, savepoint);
    return status;
}

/* Runs the plan to its end with counters between the stages. */
static tdbplus_status run_counted(struct sql_cursor *cursor, struct list *profile,
                                  uint64_t *time_us_out)
{
    struct exec *exec = &cursor->exec;
    const struct env *env = store_env(txn_store(exec->txn));
    uint64_t begin = env_clock_mono_us(env);
    struct batch rows;
    batch_init(&rows, exec->call->alloc);
    exec->profile = profile;
    exec->thread_count = 1; // Counters have one user.
    tdbplus_status status = exec_compile(exec, cursor->prepared->bound.plan, &cursor->pipeline);
    while (status == TDBPLUS_OK) {
        status = pipeline_next(cursor->pipeline.last, exec, &rows);
    }
    batch_deinit(&rows);
    *time_us_out = env_clock_mono_us(env) - begin;
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status print_explained(struct sql_cursor *cursor, struct buffer *text)
{
    const struct bound *bound = &cursor->prepared->bound;
    struct list profile;
    list_init(&profile, cursor->exec.call->alloc, sizeof(struct plan_note));
    struct plan_explain_context context = {.options = bound->explain, .rows_of = optimize_rows};
    tdbplus_status status = TDBPLUS_OK;
    if (bound->explain.analyze) {
        status = run_counted(cursor, &profile, &context.time_us);
    }
    if (status == TDBPLUS_OK) {
        context.notes = profile.items;
        context.note_count = profile.count;
        plan_explain_print(bound->plan, &context, text);
    }
    list_deinit(&profile);
    return status;
}

static tdbplus_status next_of_explain(struct sql_cursor *cursor, struct batch *batch)
{
    batch_reset(batch);
    if (cursor->ended) {
        return TDBPLUS_END;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer text;
    buffer_init(&text, cursor->exec.call->alloc);
    TRY_OR(done, print_explained(cursor, &text));
    // A document is one value, whatever lines it has.
    bool whole = cursor->prepared->bound.explain.json;
    uint32_t lines = whole;
    for (size_t i = 0; !whole && i < text.size; i++) {
        lines += text.data[i] == '\n';
    }
    uint8_t *copy = arena_bytes(&batch->arena, text.size + 1);
    lines = lines > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : lines;
    if (text.failed || copy == NULL || !batch_shape(batch, 1, lines) ||
        !column_make(&batch->columns[0], type_of(TYPE_TEXT), lines, false, &batch->arena)) {
        status = exec_no_memory(&cursor->exec);
        goto done;
    }
    memcpy(copy, text.data, text.size);
    size_t at = 0;
    for (uint32_t line = 0; line < lines; line++) {
        const uint8_t *end = whole ? copy + text.size - 1 : memchr(copy + at, '\n', text.size - at);
        struct span span = {.data = copy + at, .size = (size_t)(end - (copy + at))};
        ((struct view *)batch->columns[0].data)[line] = view_of(span);
        at += span.size + 1;
    }
    cursor->ended = true;
done:
    buffer_deinit(&text);
    return status;
}

/* COPY ... TO: the rows go through a writer, to a file or piece by piece to the caller. */
static tdbplus_status next_of_copy(struct sql_cursor *cursor, struct batch *batch)
{
    struct exec *exec = &cursor->exec;
    batch_reset(batch);
    if (cursor->ended) {
        return TDBPLUS_END;
    }
    if (cursor->copy == NULL) {
        TRY(copy_output_open(cursor->prepared->bound.copy.spec, exec, &cursor->copy));
    }
    tdbplus_status status = copy_output_next(cursor->copy, exec, &cursor->pipeline, batch);
    cursor->row_count = copy_output_rows(cursor->copy);
    cursor->ended = status == TDBPLUS_END;
    return status;
}

bool sql_cursor_put(struct sql_cursor *cursor, const void *data, size_t size)
{
    return file_queue_put(&cursor->queue, data, size);
}

void sql_cursor_put_end(struct sql_cursor *cursor)
{
    file_queue_end(&cursor->queue);
}

/* CREATE TABLE AS: the table is made, then filled as by INSERT. */
static tdbplus_status run_definition(struct sql_cursor *cursor, struct batch *batch)
{
    struct exec *exec = &cursor->exec;
    struct plan *fill = NULL;
    batch_reset(batch);
    if (cursor->ended) {
        return TDBPLUS_END;
    }
    TRY(definition_run(&cursor->prepared->bound, exec, &fill));
    if (fill != NULL) {
        TRY(exec_compile(exec, fill, &cursor->pipeline));
        tdbplus_status status = pipeline_next(cursor->pipeline.last, exec, batch);
        if (status != TDBPLUS_END) {
            return status;
        }
        cursor->row_count = exec->changed_rows;
    }
    cursor->ended = true;
    return TDBPLUS_END;
}

/* What constraints have to say comes after the last row. */
static tdbplus_status end_statement(struct sql_cursor *cursor, tdbplus_status status)
{
    TRY(txn_end_statement(cursor->options.txn, cursor->exec.call));
    return status;
}

tdbplus_status sql_cursor_next(struct sql_cursor *cursor, struct batch *batch)
{
    tdbplus_status status;
    copy_call(cursor);
    switch (cursor->prepared->bound.kind) {
    case BOUND_QUERY:
        status = cursor->prepared->changes
                     ? next_of_change(cursor, batch)
                     : pipeline_next(cursor->pipeline.last, &cursor->exec, batch);
        break;
    case BOUND_CHANGE:
        status = next_of_change(cursor, batch);
        break;
    case BOUND_EXPLAIN:
        status = next_of_explain(cursor, batch);
        break;
    case BOUND_COPY_TO:
        status = next_of_copy(cursor, batch);
        return status == TDBPLUS_END ? end_statement(cursor, status) : status;
    default:
        status = run_definition(cursor, batch);
        return status == TDBPLUS_END ? end_statement(cursor, status) : status;
    }
    if (status == TDBPLUS_OK) {
        cursor->row_count += batch_live_count(batch);
    }
    return status == TDBPLUS_END ? end_statement(cursor, status) : status;
}

uint64_t sql_cursor_row_count(const struct sql_cursor *cursor)
{
    return cursor->prepared->bound.kind == BOUND_CHANGE ? cursor->exec.changed_rows
                                                        : cursor->row_count;
}

void sql_cursor_tag(const struct sql_cursor *cursor, char tag[64])
{
    const char *name = cursor->prepared->tag;
    uint64_t rows = sql_cursor_row_count(cursor);
    switch (cursor->prepared->bound.kind) {
    case BOUND_QUERY:
        (void)snprintf(tag, 64, "SELECT %" PRIu64, rows);
        break;
    case BOUND_CHANGE:
        (void)snprintf(tag, 64, "%s%s %" PRIu64, name, strcmp(name, "INSERT") == 0 ? " 0" : "",
                       rows);
        break;
    case BOUND_COPY_TO:
        (void)snprintf(tag, 64, "COPY %" PRIu64, rows);
        break;
    default:
        if (strcmp(name, "SELECT") == 0) {
            (void)snprintf(tag, 64, "SELECT %" PRIu64, rows);
        } else {
            (void)snprintf(tag, 64, "%s", name);
        }
        break;
    }
}

void sql_cursor_close(struct sql_cursor *cursor)
{
    if (cursor != NULL) {
        const struct alloc *alloc = cursor->from->alloc;
        copy_output_close(cursor->copy);
        file_queue_deinit(&cursor->queue);
        exec_deinit(&cursor->exec);
        if (cursor->limited) {
            budget_deinit(&cursor->budget);
        }
        alloc_free(alloc, cursor, 1, sizeof *cursor);
    }
}
