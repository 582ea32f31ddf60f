/* What a statement takes and gives, without running it. */

#include <stdio.h>
#include <string.h>

#include "engine/session.h"
#include "sql/parse/ast_session.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a description does not fit the memory limit");
}

static tdbplus_status copy_description(const struct sql_prepared *prepared, struct arena *arena,
                                       struct description *description_out, struct err *err)
{
    struct description made = {.parameter_count = sql_parameter_count(prepared),
                               .column_count = sql_column_count(prepared)};
    made.parameters = arena_array(arena, (size_t)made.parameter_count + 1, sizeof *made.parameters);
    made.columns = arena_array(arena, (size_t)made.column_count + 1, sizeof *made.columns);
    if (made.parameters == NULL || made.columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < made.parameter_count; i++) {
        made.parameters[i] = sql_parameter_type(prepared, i);
        if (made.parameters[i].id == TYPE_NONE) {
            return err_set_state(err, TDBPLUS_E_SQL, "42P18",
                                 "could not determine data type of parameter $%u", i + 1);
        }
    }
    for (uint32_t i = 0; i < made.column_count; i++) {
        struct sql_column column = sql_column_at(prepared, i);
        made.columns[i].type = column.type;
        made.columns[i].name = arena_text(arena, span_from_text(column.name));
        if (made.columns[i].name == NULL) {
            return no_memory(err);
        }
    }
    *description_out = made;
    return TDBPLUS_OK;
}

/* In the session's transaction, or one that is given up again. */
static tdbplus_status describe_prepared(tdbplus_session *session, const struct sql_script *script,
                                        const struct describe_args *args,
                                        struct description *description_out,
                                        const struct call *call)
{
    struct txn_options options = {.read_only = true, .durability = -1};
    struct txn *own = NULL;
    if (session->txn == NULL) {
        TRY(txn_begin(session->db->store, &options, call->alloc, &own, call->err));
    }
    struct txn *txn = own == NULL ? session->txn : own;
    struct sql_prepared *prepared = NULL;
    tdbplus_status status = txn_statement(txn, call->err);
    if (status == TDBPLUS_OK) {
        status = sql_prepare(script, 0, txn, args->types, args->type_count, call, &prepared);
    }
    if (status == TDBPLUS_OK) {
        status = copy_description(prepared, args->arena, description_out, call->err);
    }
    sql_prepared_destroy(prepared);
    txn_abort(own);
    return status;
}

static bool ends_block(const struct sql_script *script)
{
    const struct ast *ast = sql_statement_ast(script, 0);
    return sql_statement_kind(script, 0) == SQL_TRANSACTION &&
           (((const struct ast_transaction *)ast)->transaction_kind == AST_COMMIT ||
            ((const struct ast_transaction *)ast)->transaction_kind == AST_ROLLBACK ||
            ((const struct ast_transaction *)ast)->transaction_kind == AST_ROLLBACK_TO);
}

/* Text columns of these names. */
static tdbplus_status describe_texts(const char *const *names, uint32_t count,
                                     const struct describe_args *args,
                                     struct description *description, struct err *err)
{
    description->columns = arena_array(args->arena, count, sizeof *description->columns);
    if (description->columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        description->columns[i] = (struct sql_column){.name = names[i], .type = type_of(TYPE_TEXT)};
    }
    description->column_count = count;
    return TDBPLUS_OK;
}

static tdbplus_status describe_show(tdbplus_session *session, const struct ast_show *show,
                                    const struct describe_args *args,
                                    struct description *description, struct err *err)
{
    static const char *const all[] = {"name", "setting", "description"};
    const struct settings *settings = &session->state->settings;
    uint32_t number = 0;
    if (strcmp(show->name, "all") == 0) {
        return describe_texts(all, 3, args, description, err);
    }
    TRY(settings_find(settings, show->name, &number, err));
    const char *name = settings_name(settings, number);
    return describe_texts(&name, 1, args, description, err);
}

/* Statements about the session that give rows. */
static tdbplus_status describe_session(tdbplus_session *session, const struct sql_script *script,
                                       const struct describe_args *args,
                                       struct description *description, const struct call *call)
{
    const struct ast *ast = sql_statement_ast(script, 0);
    const tdbplus_result *source = NULL;
    if (ast->kind == AST_SHOW) {
        return describe_show(session, (const struct ast_show *)ast, args, description, call->err);
    }
    if (ast->kind == AST_EXECUTE) {
        struct describe_args inner = {.arena = args->arena};
        struct description made = {0};
        const struct sql_script *named = session_named_script(session, ast, &inner);
        if (named == NULL) {
            return TDBPLUS_OK; // Running it tells that there is none.
        }
        TRY(describe_prepared(session, named, &inner, &made, call));
        description->columns = made.columns;
        description->column_count = made.column_count;
        return TDBPLUS_OK;
    }
    if (ast->kind == AST_FETCH && !((const struct ast_fetch *)ast)->move) {
        source = session_cursor_source(session, ((const struct ast_fetch *)ast)->name);
    }
    if (source == NULL) {
        return TDBPLUS_OK;
    }
    description->columns =
        arena_array(args->arena, source->column_count + 1u, sizeof *description->columns);
    if (description->columns == NULL) {
        return no_memory(call->err);
    }
    for (uint32_t i = 0; i < source->column_count; i++) {
        char *name = arena_text(args->arena, span_from_text(source->columns[i].name));
        if (name == NULL) {
            return no_memory(call->err);
        }
        description->columns[i] = (struct sql_column){.name = name, .type = source->types[i]};
    }
    description->column_count = source->column_count;
    return TDBPLUS_OK;
}

tdbplus_status session_describe(tdbplus_session *session, const struct describe_args *args,
                                struct description *description_out, const struct call *call)
{
    struct sql_script *script = NULL;
    struct description description = {0};
    tdbplus_status status = TDBPLUS_OK;
    session->state->quiet = true;
    TRY_OR(done, sql_script_create(args->text, call->alloc, &script, call->err));
    sql_script_use(script, &session->state->sql);
    sql_script_session(script, &session->names);
    uint32_t count = sql_script_count(script);
    if (count > 1) {
        status = err_set(call->err, TDBPLUS_E_SYNTAX,
                         "cannot insert multiple commands into a prepared statement");
        goto done;
    }
    if (count == 1) {
        (void)snprintf(description.tag, sizeof description.tag, "%s",
                       sql_statement_name(script, 0));
    }
    if (session->failed && count == 1 && !ends_block(script)) {
        status = err_set(call->err, TDBPLUS_E_ABORTED,
                         "current transaction is aborted, commands ignored until end of "
                         "transaction block");
        goto done;
    }
    uint8_t kind = count == 0 ? SQL_SESSION : sql_statement_kind(script, 0);
    if (count > 0 && kind == SQL_SESSION) {
        TRY_OR(done, describe_session(session, script, args, &description, call));
    } else if (kind != SQL_TRANSACTION && kind != SQL_SESSION) {
        char tag[sizeof description.tag];
        memcpy(tag, description.tag, sizeof tag);
        TRY_OR(done, describe_prepared(session, script, args, &description, call));
        memcpy(description.tag, tag, sizeof tag);
        if (strcmp(tag, "COPY") == 0) {
            description.column_count = 0; // What it gives is no rows.
        }
    }
    *description_out = description;
done:
    session->state->quiet = false;
    sql_script_destroy(script);
    return status;
}
