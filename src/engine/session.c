/* Sessions: one statement after another, and the transaction between BEGIN and COMMIT. */

#include "engine/session.h"

#include <string.h>

/* Functions about the catalog look for names where statements do. */
static void share_path(tdbplus_session *session)
{
    struct func_session *func = &session->state->func;
    func->path = session->names.path;
    func->path_count = session->names.path_count;
    func->temp_schema = session->names.temp_schema;
}

void session_refresh(tdbplus_session *session)
{
    if (session_state_apply(session->state)) {
        plan_cache_deinit(&session->plans);
    }
    const struct session_state *state = session->state;
    if (session->names.bind.role != state->role.oid ||
        session->names.bind.session_role != state->session_role.oid ||
        strcmp(session->names.user, state->role.name) != 0) {
        // Without memory for it the path stays as it was.
        (void)!sql_session_set_role(&session->names, state->session_role.oid, &state->role, NULL);
        share_path(session);
    }
    const char *path = session->state->func.search_path;
    if (session->names.path_text == NULL || strcmp(path, session->names.path_text) != 0) {
        // What is no list of names leaves the path as it was.
        (void)!sql_session_set_path(&session->names, span_from_text(path), NULL);
        plan_cache_deinit(&session->plans);
        share_path(session);
    }
    if (session->txn != NULL) {
        txn_set_lock_timeout(session->txn, session->state->txn.lock_timeout_us);
        txn_set_durability(session->txn, session->state->txn.durability);
    }
}

/* ---- transactions ---- */

static tdbplus_status begin(tdbplus_session *session, const struct txn_options *options,
                            const struct call *call)
{
    const struct store *store = session->db->store;
    TRY(txn_begin(session->db->store, options, call->alloc, &session->txn, call->err));
    session->options = *options;
    session->failed = false;
    session->used = false;
    session->deferrable = false;
    session->begin_time_us = (int64_t)env_clock_wall_us(store_env(store));
    session->savepoints.count = 0;
    return TDBPLUS_OK;
}

static void roll_back(tdbplus_session *session)
{
    if (session->result_open != NULL) {
        result_abandon(session->result_open);
    }
    session_close_cursors(session, false);
    txn_abort(session->txn);
    session->txn = NULL;
    session_drop_news(session, 0);
    session_end_advisory(session);
    session->failed = false;
    session->savepoints.count = 0;
    settings_rollback(&session->state->settings, 0);
    session_refresh(session);
}

/* Isolation and access, as BEGIN has them. */
static tdbplus_status read_option(const struct ast *item, struct txn_options *options,
                                  struct err *err)
{
    if (item->kind != AST_OPTION) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "this transaction option is not supported");
    }
    const struct ast_option *option = (const struct ast_option *)item;
    const struct ast_constant *value = (const struct ast_constant *)option->value;
    if (value == NULL || value->ast.kind != AST_CONSTANT) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "%s is not supported like this", option->name);
    }
    if (strcmp(option->name, "transaction_read_only") == 0) {
        options->read_only = value->integer != 0;
        return TDBPLUS_OK;
    }
    if (strcmp(option->name, "transaction_isolation") == 0 && value->text != NULL) {
        if (strcmp(value->text, "repeatable read") == 0) {
            options->isolation = TXN_REPEATABLE_READ;
            return TDBPLUS_OK;
        }
        if (strcmp(value->text, "serializable") != 0) {
            options->isolation = TXN_READ_COMMITTED; // READ UNCOMMITTED is the same, as there.
            return TDBPLUS_OK;
        }
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "isolation level SERIALIZABLE is not supported; REPEATABLE READ is");
    }
    return err_set(err, TDBPLUS_E_UNSUPPORTED, "%s is not supported", option->name);
}

static tdbplus_status begin_block(tdbplus_session *session, const struct ast_transaction *ast,
                                  const struct call *call)
{
    if (session->txn != NULL) {
        session_note(session->state, "WARNING", "25001",
                     "there is already a transaction in progress");
        return TDBPLUS_OK;
    }
    struct txn_options options = session->state->txn;
    bool deferrable = session->state->deferrable;
    for (uint32_t i = 0; i < ast->options.count; i++) {
        const struct ast_option *option = (const struct ast_option *)ast->options.items[i];
        const struct ast_constant *value = (const struct ast_constant *)option->value;
        if (option->ast.kind == AST_OPTION && value != NULL && value->ast.kind == AST_CONSTANT &&
            strcmp(option->name, "transaction_deferrable") == 0) {
            deferrable = value->integer != 0;
            continue;
        }
        TRY(read_option(ast->options.items[i], &options, call->err));
    }
    TRY(begin(session, &options, call));
    session->deferrable = deferrable;
    return TDBPLUS_OK;
}

static tdbplus_status commit_block(tdbplus_session *session, const struct call *call)
{
    tdbplus_status status = session_hold_cursors(session, call);
    if (status != TDBPLUS_OK) {
        roll_back(session);
        return status;
    }
    session_close_cursors(session, false);
    if (session->result_open != NULL) {
        result_hold(session->result_open, call);
    }
    struct txn *txn = session->txn;
    session->txn = NULL;
    session->savepoints.count = 0;
    status = txn_commit(txn, call);
    session_end_advisory(session);
    if (status == TDBPLUS_OK) {
        settings_commit(&session->state->settings);
        session_publish_news(session);
    } else {
        session_drop_news(session, 0);
        settings_rollback(&session->state->settings, 0);
    }
    session_refresh(session);
    return status;
}

/* COMMIT and ROLLBACK; the tag tells what came of it. */
static tdbplus_status end_block(tdbplus_session *session, const struct ast_transaction *ast,
                                const char **tag, const struct call *call)
{
    bool commit = ast->transaction_kind == AST_COMMIT && !session->failed;
    *tag = ast->transaction_kind == AST_COMMIT && !session->failed ? "COMMIT" : "ROLLBACK";
    if (session->txn == NULL) {
        if (ast->chain) {
            return err_set_state(call->err, TDBPLUS_E_STATE, "25P01",
                                 "%s AND CHAIN can only be used in transaction blocks", *tag);
        }
        session_note(session->state, "WARNING", "25P01", "there is no transaction in progress");
        return TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    if (commit) {
        status = commit_block(session, call);
    } else {
        roll_back(session);
    }
    if (status == TDBPLUS_OK && ast->chain) {
        struct txn_options options = session->options;
        status = begin(session, &options, call);
    }
    return status;
}

/* Number of the newest savepoint of that name plus one; 0: none. */
static size_t find_savepoint(const tdbplus_session *session, const char *name)
{
    for (size_t i = session->savepoints.count; i > 0; i--) {
        const struct engine_savepoint *savepoint = list_at(&session->savepoints, i - 1);
        if (strcmp(savepoint->name, name) == 0) {
            return i;
        }
    }
    return 0;
}

static tdbplus_status set_savepoint(tdbplus_session *session, const char *name, struct err *err)
{
    struct engine_savepoint savepoint = {.mark = txn_savepoint_set(session->txn),
                                         .settings_mark = settings_mark(&session->state->settings),
                                         .news_count = session->news.count,
                                         .cursor_serial = session->cursor_serial};
    (void)memccpy(savepoint.name, name, 0, sizeof savepoint.name - 1);
    if (list_push(&session->savepoints, &savepoint) == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a savepoint does not fit in memory");
    }
    return TDBPLUS_OK;
}

static tdbplus_status use_savepoint(tdbplus_session *session, const struct ast_transaction *ast,
                                    const struct call *call)
{
    static const char *const names[] = {[AST_SAVEPOINT] = "SAVEPOINT",
                                        [AST_RELEASE] = "RELEASE SAVEPOINT",
                                        [AST_ROLLBACK_TO] = "ROLLBACK TO SAVEPOINT"};
    if (session->txn == NULL) {
        return err_set_state(call->err, TDBPLUS_E_STATE, "25P01",
                             "%s can only be used in transaction blocks",
                             names[ast->transaction_kind]);
    }
    // Names are cut to the grammar's 63 bytes.
    const char *name = ast->savepoint == NULL ? "" : ast->savepoint;
    if (ast->transaction_kind == AST_SAVEPOINT) {
        return set_savepoint(session, name, call->err);
    }
    size_t count = find_savepoint(session, name);
    if (count == 0) {
        return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "3B001",
                             "savepoint \"%s\" does not exist", name);
    }
    if (ast->transaction_kind == AST_RELEASE) {
        session->savepoints.count = count - 1;
        return TDBPLUS_OK;
    }
    if (session->result_open != NULL) {
        result_hold(session->result_open, call);
    }
    const struct engine_savepoint *savepoint = list_at(&session->savepoints, count - 1);
    session_close_cursors_since(session, savepoint->cursor_serial);
    session_drop_news(session, savepoint->news_count);
    txn_savepoint_rollback(session->txn, savepoint->mark);
    settings_rollback(&session->state->settings, savepoint->settings_mark);
    session_refresh(session);
    session->savepoints.count = count;
    session->failed = false;
    return TDBPLUS_OK;
}

static tdbplus_status run_transaction(tdbplus_session *session, const struct ast_transaction *ast,
                                      const char **tag, const struct call *call)
{
    TRY(session_check_copy(session, call->err));
    switch ((enum ast_transaction_kind)ast->transaction_kind) {
    case AST_BEGIN:
    case AST_START:
        return begin_block(session, ast, call);
    case AST_COMMIT:
    case AST_ROLLBACK:
        return end_block(session, ast, tag, call);
    case AST_SAVEPOINT:
    case AST_RELEASE:
    case AST_ROLLBACK_TO:
        return use_savepoint(session, ast, call);
    case AST_PREPARE_TRANSACTION:
    case AST_COMMIT_PREPARED:
    case AST_ROLLBACK_PREPARED:
        break;
    }
    return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "%s is not supported", *tag);
}

/* ---- statements ---- */

/* A plan made before, or a new one. */
static tdbplus_status prepare(const struct execute_args *args, tdbplus_result *result,
                              struct txn *txn, const struct call *call)
{
    struct plan_cache *plans = &args->session->plans;
    struct span text = {.data = (const uint8_t *)args->sql, .size = args->size};
    if (result->script == NULL) {
        if (result_find_plan(result, plans, text, txn, &args->parameters)) {
            return TDBPLUS_OK;
        }
        TRY(sql_script_create(text, call->alloc, &result->script, call->err));
        sql_script_use(result->script, &args->session->state->sql);
        sql_script_session(result->script, &args->session->names);
    }
    if (sql_statement_ast(result->script, 0)->kind == AST_EXECUTE) {
        struct execute_room room = {.session = args->session,
                                    .txn = txn,
                                    .arena = &result->arena,
                                    .time_us = args->session->begin_time_us,
                                    .call = call};
        return session_run_named(&room, result);
    }
    TRY(result_prepare(result, txn, &args->parameters, call));
    result_keep_plan(result, plans, text, &args->parameters);
    return TDBPLUS_OK;
}

/* In a transaction of its own, begun again when it meets another's change. */
static tdbplus_status run_alone(const struct execute_args *args, tdbplus_result *result,
                                uint8_t kind, const struct call *call)
{
    struct store *store = args->session->db->store;
    struct txn_options options = args->session->state->txn;
    options.read_only = options.read_only || kind == SQL_QUERY || kind == SQL_EXPLAIN;
    tdbplus_status status = TDBPLUS_E_CONFLICT;
    for (uint32_t i = 0; status == TDBPLUS_E_CONFLICT && i < ENGINE_RETRY_COUNT_MAX; i++) {
        err_clear(call->err);
        int64_t now_us = (int64_t)env_clock_wall_us(store_env(store));
        struct txn *txn = NULL;
        TRY(txn_begin(store, &options, call->alloc, &txn, call->err));
        status = txn_statement(txn, call->err);
        if (status == TDBPLUS_OK) {
            status = prepare(args, result, txn, call);
        }
        if (status == TDBPLUS_OK) {
            status = result_start(result, txn, true, now_us, call);
        }
        if (status == TDBPLUS_OK && result->cursor != NULL) {
            result->own_txn = txn;
            return TDBPLUS_OK;
        }
        if (status == TDBPLUS_OK) {
            status = txn_commit(txn, call);
            txn = NULL;
        }
        if (status == TDBPLUS_OK) {
            settings_commit(&args->session->state->settings);
            session_publish_news(args->session);
            session_end_advisory(args->session);
        }
        if (status != TDBPLUS_OK) {
            session_drop_news(args->session, 0);
            session_end_advisory(args->session);
            settings_rollback(&args->session->state->settings, 0);
            result_stop(result);
            txn_abort(txn);
        }
        if (status == TDBPLUS_E_READ_ONLY && options.read_only &&
            !args->session->state->txn.read_only) {
            // A subquery locks rows, or a function writes.
            options.read_only = false;
            status = TDBPLUS_E_CONFLICT;
        }
    }
    return status;
}

static tdbplus_status run_in_block(const struct execute_args *args, tdbplus_result *result,
                                   const struct call *call)
{
    tdbplus_session *session = args->session;
    if (session->failed) {
        return err_set(call->err, TDBPLUS_E_ABORTED,
                       "current transaction is aborted, commands ignored until end of transaction "
                       "block");
    }
    TRY(session_check_copy(session, call->err));
    if (session->result_open != NULL) {
        result_hold(session->result_open, call);
    }
    session->used = true;
    TRY(txn_statement(session->txn, call->err));
    TRY(prepare(args, result, session->txn, call));
    bool retry = session->options.isolation == TXN_READ_COMMITTED;
    TRY(result_start(result, session->txn, retry, session->begin_time_us, call));
    if (result->cursor != NULL) {
        result->session = session;
        session->result_open = result;
    }
    return TDBPLUS_OK;
}

static tdbplus_status run_about_session(tdbplus_session *session, const struct ast *ast,
                                        tdbplus_result *result, const struct call *call)
{
    switch ((int)ast->kind) {
    case AST_SET:
        return session_set(session, ast, call->err);
    case AST_SHOW:
        return session_show(session, ast, result, call->err);
    case AST_DISCARD:
        return session_discard(session, ast, call->err);
    case AST_PREPARE:
        return session_prepare(session, result, call);
    case AST_DEALLOCATE:
        return session_deallocate(session, ast, call->err);
    case AST_DECLARE_CURSOR:
        return session_declare(session, result, call);
    case AST_FETCH:
        return session_fetch(session, result, call);
    case AST_CLOSE_CURSOR:
        return session_close(session, ast, call->err);
    case AST_LISTEN:
    case AST_NOTIFY:
        return session_run_news(session, ast, call->err);
    case AST_LOCK_TABLE:
        return session_lock_tables(session, ast, call);
    case AST_MAINTAIN:
        return session_maintain(session, ast, result, call);
    case AST_CREATE_EXTENSION:
        return session_create_extension(session, ast, call->err);
    default:
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "%s is not supported", result->tag);
    }
}

static tdbplus_status run_script(const struct execute_args *args, tdbplus_result *result,
                                 const struct call *call)
{
    tdbplus_session *session = args->session;
    struct span text = {.data = (const uint8_t *)args->sql, .size = args->size};
    uint8_t planned = plan_cache_kind(&session->plans, text, &args->parameters);
    if (planned != 0) {
        return session->txn == NULL ? run_alone(args, result, planned, call)
                                    : run_in_block(args, result, call);
    }
    TRY(sql_script_create(text, call->alloc, &result->script, call->err));
    sql_script_use(result->script, &session->state->sql);
    sql_script_session(result->script, &session->names);
    uint32_t count = sql_script_count(result->script);
    if (count == 0) {
        return TDBPLUS_OK;
    }
    if (count > 1) {
        return err_set(call->err, TDBPLUS_E_SYNTAX, "more than one statement before a semicolon");
    }
    const struct ast *ast = sql_statement_ast(result->script, 0);
    const char *tag = sql_statement_name(result->script, 0);
    uint8_t kind = sql_statement_kind(result->script, 0);
    if (kind == SQL_TRANSACTION) {
        const struct ast_transaction *transaction = (const struct ast_transaction *)ast;
        if (session->failed && transaction->transaction_kind < AST_COMMIT) {
            kind = SQL_SESSION; // BEGIN is as any other then.
        } else if (session->failed && (transaction->transaction_kind == AST_SAVEPOINT ||
                                       transaction->transaction_kind == AST_RELEASE)) {
            kind = SQL_SESSION;
        }
    }
    if (kind == SQL_TRANSACTION) {
        TRY(run_transaction(session, (const struct ast_transaction *)ast, &tag, call));
        (void)memccpy(result->tag, tag, 0, sizeof result->tag - 1);
        return TDBPLUS_OK;
    }
    if (kind == SQL_SESSION && ast->kind == AST_EXECUTE) {
        kind = session_statement_kind(session, ast);
    } else if (kind == SQL_SESSION && !session->failed) {
        (void)memccpy(result->tag, tag, 0, sizeof result->tag - 1);
        return run_about_session(session, ast, result, call);
    }
    return session->txn == NULL ? run_alone(args, result, kind, call)
                                : run_in_block(args, result, call);
}

/* The parameters may be values of a result that is about to be held. */
static tdbplus_status keep_parameters(struct execute_args *args, struct arena *arena,
                                      struct err *err)
{
    size_t count = args->parameters.count;
    if (count > SESSION_PARAMETER_COUNT_MAX ||
        (count > 0 && args->parameters.values == NULL && args->parameters.datums == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "execute: %zu parameters, at most %u", count,
                       SESSION_PARAMETER_COUNT_MAX);
    }
    if (args->parameters.datums != NULL) {
        return TDBPLUS_OK;
    }
    tdbplus_value *copies = arena_array(arena, count + 1, sizeof *copies);
    bool good = copies != NULL;
    for (size_t i = 0; good && i < count; i++) {
        copies[i] = args->parameters.values[i];
        if (copies[i].is_null || !engine_value_has_bytes(&copies[i])) {
            continue;
        }
        size_t size = copies[i].as.bytes.size;
        if (size > VALUE_SIZE_MAX || (size > 0 && copies[i].as.bytes.data == NULL)) {
            return err_set(err, TDBPLUS_E_INVALID, "execute: parameter %zu has %zu bytes at %s",
                           i + 1, size, copies[i].as.bytes.data == NULL ? "NULL" : "once");
        }
        void *bytes = arena_alloc(arena, size);
        good = bytes != NULL;
        if (good && size > 0) {
            memcpy(bytes, copies[i].as.bytes.data, size);
        }
        copies[i].as.bytes.data = bytes;
    }
    if (!good) {
        return err_set(err, TDBPLUS_E_NOMEM, "parameters do not fit the memory limit");
    }
    args->parameters.values = copies;
    return TDBPLUS_OK;
}

/* The statement's deadline is the caller's or that of statement_timeout. */
static uint64_t deadline_of(const tdbplus_session *session, const struct call *call)
{
    uint64_t timeout = session->state->statement_timeout_us;
    if (timeout == 0) {
        return 0;
    }
    uint64_t deadline = env_clock_mono_us(store_env(session->db->store)) + timeout;
    return call->deadline_us != 0 && call->deadline_us < deadline ? 0 : deadline;
}

/* idle_in_transaction_session_timeout: a transaction that was left alone for too long is gone. */
static tdbplus_status check_idle(tdbplus_session *session, struct err *err)
{
    const struct env *env = store_env(session->db->store);
    if (session->txn == NULL || session->state->idle_timeout_us == 0 ||
        env_clock_mono_us(env) - session->idle_since_us <= session->state->idle_timeout_us) {
        return TDBPLUS_OK;
    }
    roll_back(session);
    return err_set_state(err, TDBPLUS_E_STATE, "25P03",
                         "the transaction was rolled back by idle_in_transaction_session_timeout");
}

static void note_idle(tdbplus_session *session)
{
    if (session->txn != NULL && session->state->idle_timeout_us != 0) {
        session->idle_since_us = env_clock_mono_us(store_env(session->db->store));
    }
}

/* Runs what is not of one row. */
static tdbplus_status run(struct execute_args *args, tdbplus_result *result,
                          const struct call *call)
{
    struct call limited = *call;
    result->deadline_us = deadline_of(args->session, call);
    if (result->deadline_us != 0) {
        limited.deadline_us = result->deadline_us;
    }
    TRY(check_idle(args->session, call->err));
    TRY(keep_parameters(args, &result->arena, call->err));
    args->session->running = &limited;
    tdbplus_status status = run_script(args, result, &limited);
    args->session->running = NULL;
    if (status == TDBPLUS_E_TIMEOUT && result->deadline_us != 0) {
        err_clear(call->err);
        status = err_set_state(call->err, status, "57014",
                               "canceling statement due to statement timeout");
    }
    return status;
}

tdbplus_status session_execute(const struct execute_args *given, const struct call *call)
{
    struct execute_args args = *given;
    tdbplus_session *session = args.session;
    if (args.result_out == NULL || (args.sql == NULL && args.size > 0)) {
        return err_set(call->err, TDBPLUS_E_INVALID, "execute: no text, or no place for a result");
    }
    args.parameters.style = &session->state->style;
    args.size = split_statement(args.sql, args.size);
    if (args.consumed_out != NULL) {
        *args.consumed_out = args.size;
    }
    tdbplus_result *result = NULL;
    tdbplus_status status = TDBPLUS_OK;
    if (point_run(&args, call, &status)) {
        return status;
    }
    status = result_create(session, "", &result, call->err);
    if (status == TDBPLUS_OK) {
        status = run(&args, result, call);
    }
    note_idle(session);
    if (status != TDBPLUS_OK) {
        tdbplus_result_close(result);
        session->failed = session->txn != NULL;
        return status;
    }
    *args.result_out = result;
    return TDBPLUS_OK;
}

static tdbplus_status execute_work(void *arg, const struct call *call)
{
    return session_execute(arg, call);
}

tdbplus_status tdbplus_execute(tdbplus_session *session, const char *sql, size_t size,
                               const tdbplus_value *parameters, uint32_t parameter_count,
                               size_t *consumed_out, tdbplus_result **result_out,
                               tdbplus_call *call)
{
    struct execute_args args = {.session = session,
                                .sql = sql,
                                .size = size,
                                .parameters = {.values = parameters, .count = parameter_count},
                                .consumed_out = consumed_out,
                                .result_out = result_out};
    return engine_run(session->db, call, execute_work, &args, sizeof args);
}

/* ---- sessions ---- */

struct open_args {
    tdbplus_db *db;
    tdbplus_session **session_out;
};

static tdbplus_status open_work(void *arg, const struct call *call)
{
    const struct open_args *args = arg;
    tdbplus_session *session = alloc_array(&args->db->host, 1, sizeof *session);
    if (session == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a session does not fit in memory");
    }
    session->db = args->db;
    tdbplus_status status = session_state_create(
        args->db->store, &args->db->host, args->db->thread_count, &session->state, call->err);
    if (status != TDBPLUS_OK) {
        alloc_free(&args->db->host, session, 1, sizeof *session);
        return status;
    }
    session->state->session = session;
    session->options = session->state->txn;
    buffer_init(&session->key, store_alloc(args->db->store));
    list_init(&session->savepoints, &args->db->host, sizeof(struct engine_savepoint));
    session_init_statements(session);
    session_init_news(session);
    session_init_advisory(session);
    status = sql_session_init(&session->names, args->db->store, &args->db->host, call->err);
    if (status != TDBPLUS_OK) {
        session_close_news(session);
        session_close_advisory(session);
        sql_session_deinit(&session->names);
        session_state_release(session->state);
        alloc_free(&args->db->host, session, 1, sizeof *session);
        return status;
    }
    share_path(session);
    *args->session_out = session;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_session_open(tdbplus_db *db, tdbplus_session **session_out,
                                    tdbplus_call *call)
{
    struct open_args args = {.db = db, .session_out = session_out};
    return engine_run(db, call, open_work, &args, sizeof args);
}

/* What fails to go now goes when the database is opened again. */
static void drop_temporary(const tdbplus_session *session)
{
    struct call call = {.alloc = &session->db->host};
    tdbplus_status status =
        sql_session_drop_temporary(session->db->store, session->names.temp_schema, &call);
    (void)status;
}

void tdbplus_session_close(tdbplus_session *session)
{
    if (session == NULL) {
        return;
    }
    roll_back(session);
    session_close_cursors(session, true);
    session_close_news(session);
    session_close_advisory(session);
    session_forget_statements(session);
    list_deinit(&session->cursors);
    list_deinit(&session->statements);
    drop_temporary(session);
    session->state->func.path = NULL; // Results may outlive the session.
    sql_session_deinit(&session->names);
    plan_cache_deinit(&session->plans);
    buffer_deinit(&session->key);
    list_deinit(&session->savepoints);
    session->state->session = NULL;
    session_state_release(session->state);
    alloc_free(&session->db->host, session, 1, sizeof *session);
}

bool tdbplus_session_in_transaction(const tdbplus_session *session)
{
    return session->txn != NULL;
}
