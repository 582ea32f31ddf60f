/* PREPARE, EXECUTE, DEALLOCATE: plans by name. */

#include <string.h>

#include "engine/session.h"

struct named_statement {
    char name[64];
    struct sql_script *script; /* Of the statement behind AS. */
    struct type *types;        /* Of the parameters; TYPE_NONE: to be found out. */
    uint32_t type_count;
    struct plan_entry *plan; /* Of the last run; NULL: none. */
    uint64_t plan_key;       /* Of the settings it was made with. */
};

static void forget(const tdbplus_session *session, struct named_statement *statement)
{
    plan_entry_release(statement->plan);
    sql_script_destroy(statement->script);
    if (statement->types != NULL) {
        alloc_free(&session->db->host, statement->types, statement->type_count + 1u,
                   sizeof *statement->types);
    }
}

void session_init_statements(tdbplus_session *session)
{
    list_init(&session->statements, &session->db->host, sizeof(struct named_statement));
    session_init_cursors(session);
}

void session_forget_statements(tdbplus_session *session)
{
    for (size_t i = 0; i < session->statements.count; i++) {
        forget(session, list_at(&session->statements, i));
    }
    session->statements.count = 0;
}

/* Its place; the count: there is none. */
static size_t find(const tdbplus_session *session, const char *name)
{
    size_t place = 0;
    while (place < session->statements.count &&
           strcmp(((struct named_statement *)list_at(&session->statements, place))->name, name) !=
               0) {
        place++;
    }
    return place;
}

static tdbplus_status missing(const char *name, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_NOT_FOUND, "26000",
                         "prepared statement \"%s\" does not exist", name);
}

/* ---- PREPARE ---- */

/* Types are names that a transaction's catalog explains, and what is wrong is told now. */
static tdbplus_status check(tdbplus_session *session, struct named_statement *statement,
                            const struct ast_list *types, struct txn *txn, const struct call *call)
{
    statement->types = alloc_array(&session->db->host, types->count + 1u, sizeof(struct type));
    statement->type_count = types->count;
    if (statement->types == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a statement does not fit in memory");
    }
    for (uint32_t i = 0; i < types->count; i++) {
        const struct ast_type_name *name = (const struct ast_type_name *)types->items[i];
        if (name->names.count == 1 && strcmp(name->names.items[0], "unknown") == 0) {
            continue;
        }
        TRY(sql_script_type(statement->script, txn, types->items[i], &statement->types[i],
                            call->err));
    }
    struct sql_prepared *prepared = NULL;
    sql_script_unwrap(statement->script);
    TRY(sql_prepare(statement->script, 0, txn, statement->types, statement->type_count, call,
                    &prepared));
    sql_prepared_destroy(prepared);
    return TDBPLUS_OK;
}

tdbplus_status session_prepare(tdbplus_session *session, tdbplus_result *result,
                               const struct call *call)
{
    const struct ast_prepare *ast =
        (const struct ast_prepare *)sql_statement_ast(result->script, 0);
    struct named_statement statement = {0};
    (void)memccpy(statement.name, ast->name, 0, sizeof statement.name - 1);
    if (find(session, statement.name) < session->statements.count) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42P05",
                             "prepared statement \"%s\" already exists", ast->name);
    }
    struct ast_list types = ast->types;
    statement.script = result->script; // The result has no use for it.
    result->script = NULL;
    struct txn *own = NULL;
    struct txn *txn = session->txn;
    tdbplus_status status = TDBPLUS_OK;
    if (txn == NULL) {
        struct txn_options options = {.read_only = true, .durability = -1};
        TRY_OR(done, txn_begin(session->db->store, &options, call->alloc, &own, call->err));
        txn = own;
    }
    TRY_OR(done, check(session, &statement, &types, txn, call));
    if (list_push(&session->statements, &statement) == NULL) {
        status = err_set(call->err, TDBPLUS_E_NOMEM, "a statement does not fit in memory");
        goto done;
    }
    statement = (struct named_statement){0};
done:
    txn_abort(own);
    forget(session, &statement);
    return status;
}

tdbplus_status session_deallocate(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    const char *name = ((const struct ast_deallocate *)ast)->name;
    if (name == NULL) {
        session_forget_statements(session);
        return TDBPLUS_OK;
    }
    size_t place = find(session, name);
    if (place == session->statements.count) {
        return missing(name, err);
    }
    forget(session, list_at(&session->statements, place));
    list_remove(&session->statements, place);
    return TDBPLUS_OK;
}

/* ---- EXECUTE ---- */

/* A value as the parameter's type, as an assignment casts it. */
static tdbplus_status cast_value(const struct datum *value, struct type type, uint32_t number,
                                 struct execute_room *room, struct datum *datum_out)
{
    struct func_context context = {.session = &room->session->state->func};
    struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
    struct datum at = *value;
    if (type_equal(at.type, type) || at.is_null) {
        at.type = type;
        *datum_out = at;
        return TDBPLUS_OK;
    }
    int32_t count = func_cast_path(at.type, type, FUNC_CAST_ASSIGNMENT, steps);
    if (count < 0) {
        char from[64];
        char to[64];
        func_type_name(at.type, from);
        func_type_name(type, to);
        tdbplus_status status = err_set_state(
            room->call->err, TDBPLUS_E_TYPE, "42804",
            "parameter $%u of type %s cannot be coerced to the expected type %s", number, from, to);
        err_hint(room->call->err, "You will need to rewrite or cast the expression.");
        return status;
    }
    for (int32_t i = 0; i < count; i++) {
        struct datum next = {0};
        TRY(func_apply_once(steps[i].func, steps[i].type, &at, 1, room->arena, &context, &next,
                            room->call->err));
        next.type = steps[i].type;
        at = next;
    }
    at.type = type;
    *datum_out = at;
    return TDBPLUS_OK;
}

/* A literal is read as the parameter's type, whatever that is. */
static tdbplus_status read_value(const struct ast *ast, const struct datum *value, struct type type,
                                 uint32_t number, struct execute_room *room,
                                 struct datum *datum_out)
{
    const struct ast_constant *literal = (const struct ast_constant *)ast;
    if (ast->kind == AST_CONSTANT && literal->constant == AST_STRING) {
        return func_read_as(span_from_text(literal->text), type, &room->session->state->style,
                            room->arena, datum_out, room->call->err);
    }
    return cast_value(value, type, number, room, datum_out);
}

/* Copies bytes that belong to a batch. */
static bool keep_bytes(struct datum *datum, struct arena *arena)
{
    enum physical physical = type_physical(datum->type);
    if (datum->is_null || (physical != PHYSICAL_VIEW && physical != PHYSICAL_FIXED) ||
        datum->bytes.size == 0) {
        return true;
    }
    uint8_t *copy = arena_bytes(arena, datum->bytes.size);
    if (copy != NULL) {
        memcpy(copy, datum->bytes.data, datum->bytes.size);
        datum->bytes.data = copy;
    }
    return copy != NULL;
}

/* Computes the values behind EXECUTE name; `values_out` has one for each. */
static tdbplus_status compute_values(struct sql_script *script, struct execute_room *room,
                                     struct datum *values_out)
{
    struct sql_prepared *prepared = NULL;
    struct sql_cursor *cursor = NULL;
    struct batch batch;
    batch_init(&batch, room->call->alloc);
    tdbplus_status status = sql_prepare(script, 0, room->txn, NULL, 0, room->call, &prepared);
    struct sql_run_options options = {.txn = room->txn, .transaction_time_us = room->time_us};
    if (status == TDBPLUS_OK) {
        status = sql_cursor_open(prepared, &options, room->call, &cursor);
    }
    if (status == TDBPLUS_OK) {
        status = sql_cursor_next(cursor, &batch);
    }
    for (uint32_t i = 0; status == TDBPLUS_OK && i < batch.column_count; i++) {
        column_get(&batch.columns[i], batch.selection == NULL ? 0 : batch.selection[0],
                   &values_out[i]);
        if (!keep_bytes(&values_out[i], room->arena)) {
            status = err_set(room->call->err, TDBPLUS_E_NOMEM, "parameters do not fit in memory");
        }
    }
    batch_deinit(&batch);
    sql_cursor_close(cursor);
    sql_prepared_destroy(prepared);
    return status;
}

/* The plan of the last run, or a new one; in use. */
static tdbplus_status take_plan(struct execute_room *room, struct named_statement *statement,
                                struct plan_entry **plan_out)
{
    struct session_state *state = room->session->state;
    const struct alloc *alloc = store_alloc(room->session->db->store);
    struct plan_entry *plan = statement->plan;
    if (plan != NULL && !atomic_load_explicit(&plan->busy, memory_order_acquire) &&
        statement->plan_key == state->plan_key && sql_prepared_valid(plan->prepared, room->txn)) {
        plan_use(&room->session->plans, plan);
        *plan_out = plan;
        return TDBPLUS_OK;
    }
    struct sql_prepared *prepared = NULL;
    struct call call = *room->call;
    call.alloc = alloc;
    sql_script_use(statement->script, &state->sql);
    TRY(sql_prepare(statement->script, 0, room->txn, statement->types, statement->type_count, &call,
                    &prepared));
    plan = plan_entry_make(sql_script_share(statement->script), prepared, alloc);
    if (plan == NULL) {
        sql_prepared_destroy(prepared);
        sql_script_destroy(statement->script);
        return err_set(call.err, TDBPLUS_E_NOMEM, "a plan does not fit in memory");
    }
    if (sql_prepared_reusable(prepared)) {
        plan_entry_release(statement->plan);
        statement->plan = plan_entry_share(plan);
        statement->plan_key = state->plan_key;
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status session_run_named(struct execute_room *room, tdbplus_result *result)
{
    const struct call *call = room->call;
    const struct ast_execute *ast =
        (const struct ast_execute *)sql_statement_ast(result->script, 0);
    const struct ast_list values = ast->parameters;
    size_t place = find(room->session, ast->name);
    if (place == room->session->statements.count) {
        return missing(ast->name, call->err);
    }
    struct named_statement *statement = list_at(&room->session->statements, place);
    struct plan_entry *plan = NULL;
    TRY(take_plan(room, statement, &plan));
    struct sql_prepared *prepared = plan->prepared;
    tdbplus_status status = TDBPLUS_OK;
    uint32_t count = sql_parameter_count(prepared);
    struct datum *given = arena_array(room->arena, values.count + 1u, sizeof *given);
    result->parameters = arena_array(room->arena, values.count + 1u, sizeof *result->parameters);
    if (given == NULL || result->parameters == NULL) {
        status = err_set(call->err, TDBPLUS_E_NOMEM, "parameters do not fit in memory");
        goto done;
    }
    // Values for a statement without parameters are not looked at, as in PostgreSQL.
    if (count != values.count && count > 0) {
        status = err_set_state(call->err, TDBPLUS_E_SYNTAX, "42601",
                               "wrong number of parameters for prepared statement \"%s\"",
                               statement->name);
        err_detail(call->err, "Expected %u parameters but got %u.", count, values.count);
        goto done;
    }
    if (count > 0) {
        TRY_OR(done, sql_script_unwrap_values(result->script, call->err));
        TRY_OR(done, compute_values(result->script, room, given));
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY_OR(done, read_value(values.items[i], &given[i], sql_parameter_type(prepared, i), i + 1,
                                room, &result->parameters[i]));
    }
    result->parameter_count = count;
    sql_script_destroy(result->script); // Its values are computed.
    result->script = plan->script;
    result->prepared = plan->prepared;
    result->plan = plan;
    plan = NULL;
done:
    plan_release(plan);
    return status;
}

uint8_t session_statement_kind(const tdbplus_session *session, const struct ast *ast)
{
    size_t place = find(session, ((const struct ast_execute *)ast)->name);
    if (place == session->statements.count) {
        return SQL_QUERY; // What is wrong is told when it runs.
    }
    const struct named_statement *statement = list_at(&session->statements, place);
    return sql_statement_kind(statement->script, 0);
}

const struct sql_script *session_named_script(const tdbplus_session *session, const struct ast *ast,
                                              struct describe_args *args)
{
    size_t place = find(session, ((const struct ast_execute *)ast)->name);
    if (place == session->statements.count) {
        return NULL;
    }
    const struct named_statement *statement = list_at(&session->statements, place);
    args->types = statement->types;
    args->type_count = statement->type_count;
    return statement->script;
}
