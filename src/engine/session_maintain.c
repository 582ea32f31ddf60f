/* Statements about the database's upkeep, locks on tables, and extensions. */

#include <string.h>

#include "engine/session.h"
#include "sql/parse/ast_session.h"

static tdbplus_status find_table(tdbplus_session *session, struct txn *txn,
                                 const struct ast_table_ref *ref, const struct object **object_out,
                                 struct err *err)
{
    struct catalog_entry entry;
    if (!bind_find_named(txn, &session->names.bind, 0, ref->schema, ref->name, &entry)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "relation \"%s\" does not exist",
                             ref->name);
    }
    if (entry.kind != CATALOG_TABLE) {
        return err_set_state(err, TDBPLUS_E_SQL, "42809", "\"%s\" is not a table", ref->name);
    }
    *object_out = entry.object;
    return TDBPLUS_OK;
}

tdbplus_status session_lock_tables(tdbplus_session *session, const struct ast *ast,
                                   const struct call *call)
{
    const struct ast_lock_table *lock = (const struct ast_lock_table *)ast;
    if (session->txn == NULL) {
        return err_set_state(call->err, TDBPLUS_E_STATE, "25P01",
                             "LOCK TABLE can only be used in transaction blocks");
    }
    for (uint32_t i = 0; i < lock->tables.count; i++) {
        const struct object *object = NULL;
        TRY(find_table(session, session->txn, (const struct ast_table_ref *)lock->tables.items[i],
                       &object, call->err));
        TRY(txn_lock_table(session->txn, object, lock->mode, lock->nowait, call));
    }
    return TDBPLUS_OK;
}

/* ---- VACUUM, CHECKPOINT ---- */

static void put_quoted(struct buffer *text, const char *name)
{
    buffer_put_u8(text, '"');
    for (const char *at = name; *at != '\0'; at++) {
        buffer_put_text(text, *at == '"' ? "\"" : "");
        buffer_put_u8(text, (uint8_t)*at);
    }
    buffer_put_u8(text, '"');
}

/* ANALYZE of the same tables. */
static tdbplus_status analyze(tdbplus_session *session, const struct ast_list *tables,
                              const struct call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    tdbplus_result *result = NULL;
    struct buffer text;
    buffer_init(&text, call->alloc);
    buffer_put_text(&text, "ANALYZE");
    for (uint32_t i = 0; i < tables->count; i++) {
        const struct ast_table_ref *ref = (const struct ast_table_ref *)tables->items[i];
        buffer_put_text(&text, i == 0 ? " " : ", ");
        if (ref->schema != NULL) {
            put_quoted(&text, ref->schema);
            buffer_put_u8(&text, '.');
        }
        put_quoted(&text, ref->name);
    }
    struct execute_args args = {.session = session,
                                .sql = (const char *)text.data,
                                .size = text.size,
                                .result_out = &result};
    status = text.failed ? err_set(call->err, TDBPLUS_E_NOMEM, "VACUUM: memory is out")
                         : session_execute(&args, call);
    tdbplus_result_close(result);
    buffer_deinit(&text);
    return status;
}

static bool has_option(const struct ast_list *options, const char *name)
{
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        if (option->ast.kind == AST_OPTION && strcmp(option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Writes down what is in memory and merges each table into one segment. */
static tdbplus_status vacuum(tdbplus_session *session, const struct ast_maintain *maintain,
                             const struct call *call)
{
    struct store *store = session->db->store;
    TRY(store_flush(store, call));
    if (maintain->tables.count == 0) {
        TRY(store_optimize(store, 0, call));
    }
    for (uint32_t i = 0; i < maintain->tables.count; i++) {
        const struct object *object = NULL;
        struct txn *txn = NULL;
        uint64_t id = 0;
        struct txn_options options = {.read_only = true, .durability = -1};
        TRY(txn_begin(store, &options, call->alloc, &txn, call->err));
        tdbplus_status status =
            find_table(session, txn, (const struct ast_table_ref *)maintain->tables.items[i],
                       &object, call->err);
        id = object == NULL ? 0 : object->id;
        txn_abort(txn); // A snapshot would keep rows that nobody sees any more.
        TRY(status);
        TRY(store_optimize(store, id, call));
    }
    return has_option(&maintain->options, "analyze") ? analyze(session, &maintain->tables, call)
                                                     : TDBPLUS_OK;
}

tdbplus_status session_maintain(tdbplus_session *session, const struct ast *ast,
                                tdbplus_result *result, const struct call *call)
{
    const struct ast_maintain *maintain = (const struct ast_maintain *)ast;
    switch ((enum ast_maintain_kind)maintain->maintain_kind) {
    case AST_MAINTAIN_VACUUM:
        if (session->txn != NULL) {
            return err_set_state(call->err, TDBPLUS_E_STATE, "25001",
                                 "VACUUM cannot run inside a transaction block");
        }
        return vacuum(session, maintain, call);
    case AST_MAINTAIN_CHECKPOINT:
        return store_flush(session->db->store, call);
    case AST_MAINTAIN_ANALYZE:
    case AST_MAINTAIN_REINDEX:
    case AST_MAINTAIN_CLUSTER:
        break;
    }
    return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "%s is not supported", result->tag);
}

/* ---- extensions ---- */

/* What others have as an extension is built in, or not there. */
tdbplus_status session_create_extension(tdbplus_session *session, const struct ast *ast,
                                        struct err *err)
{
    const struct ast_create_extension *create = (const struct ast_create_extension *)ast;
    bool built_in = strcmp(create->name, "vector") == 0 || strcmp(create->name, "plpgsql") == 0;
    if (!built_in) {
        tdbplus_status status = err_set_state(err, TDBPLUS_E_UNSUPPORTED, "0A000",
                                              "extension \"%s\" is not available", create->name);
        err_hint(err, "Extensions cannot be added; \"vector\" is built in.");
        return status;
    }
    if (!create->if_not_exists) {
        return err_set_state(err, TDBPLUS_E_EXISTS, "42710", "extension \"%s\" already exists",
                             create->name);
    }
    session_note(session->state, "NOTICE", "42710", "extension \"%s\" already exists, skipping",
                 create->name);
    return TDBPLUS_OK;
}
