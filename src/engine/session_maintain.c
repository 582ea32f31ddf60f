/* Statements about the database's upkeep, locks on tables, and extensions. */

#include <string.h>

#include "auth/acl.h"
#include "engine/session.h"
#include "locks/lock_table.h"
#include "sql/parse/ast_session.h"

/* What a role must have one of to change rows; it may then keep others from changing them. */
#define PRIVILEGES_CHANGE (PRIVILEGE_UPDATE | PRIVILEGE_DELETE | PRIVILEGE_TRUNCATE)

static tdbplus_status find_table(tdbplus_session *session, struct txn *txn,
                                 const struct ast_table_ref *ref, struct catalog_entry *entry_out,
                                 struct err *err)
{
    if (!bind_find_named(txn, &session->names.bind, 0, ref->schema, ref->name, entry_out)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "relation \"%s\" does not exist",
                             ref->name);
    }
    if (entry_out->kind != CATALOG_TABLE) {
        return err_set_state(err, TDBPLUS_E_SQL, "42809", "\"%s\" is not a table", ref->name);
    }
    return TDBPLUS_OK;
}

/* Any of them is enough. */
static uint32_t privileges_for_lock(uint8_t mode)
{
    switch (mode) {
    case LOCK_ACCESS_SHARE:
        return PRIVILEGE_SELECT;
    case LOCK_ROW_EXCLUSIVE:
        return PRIVILEGES_CHANGE | PRIVILEGE_INSERT;
    default:
        return PRIVILEGES_CHANGE;
    }
}

static tdbplus_status check_lock(tdbplus_session *session, const struct catalog_entry *entry,
                                 const char *name, uint8_t mode, struct err *err)
{
    struct acl_target target = {0};
    uint64_t role = session->state->role.oid;
    if (acl_target_of(entry, &target) &&
        (acl_mask(session->txn, target, 0, role) & privileges_for_lock(mode)) == 0) {
        return err_set_state(err, TDBPLUS_E_SQL, "42501", "permission denied for table %s", name);
    }
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
        const struct ast_table_ref *ref = (const struct ast_table_ref *)lock->tables.items[i];
        struct catalog_entry entry;
        TRY(find_table(session, session->txn, ref, &entry, call->err));
        TRY(check_lock(session, &entry, ref->name, lock->mode, call->err));
        TRY(txn_lock_table(session->txn, entry.object, lock->mode, lock->nowait, call));
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

/* Merges one table into one segment, if it is the role's. */
static tdbplus_status vacuum_table(tdbplus_session *session, const struct ast_table_ref *ref,
                                   const struct call *call)
{
    struct store *store = session->db->store;
    struct txn *txn = NULL;
    struct catalog_entry entry = {0};
    struct acl_target target = {0};
    struct txn_options options = {.read_only = true, .durability = -1};
    TRY(txn_begin(store, &options, call->alloc, &txn, call->err));
    tdbplus_status status = find_table(session, txn, ref, &entry, call->err);
    bool owned = status == TDBPLUS_OK && acl_target_of(&entry, &target) &&
                 acl_owns(txn, target, session->state->role.oid);
    uint64_t id = status == TDBPLUS_OK ? entry.object->id : 0;
    txn_abort(txn); // A snapshot would keep rows that nobody sees any more.
    TRY(status);
    if (!owned) {
        session_note(session->state, "WARNING", "01000",
                     "permission denied to vacuum \"%s\", skipping it", ref->name);
        return TDBPLUS_OK;
    }
    return store_optimize(store, id, call);
}

/* What concerns the whole database is for superusers. */
static tdbplus_status is_superuser(tdbplus_session *session, bool *is_out, const struct call *call)
{
    struct txn *txn = NULL;
    struct txn_options options = {.read_only = true, .durability = -1};
    TRY(txn_begin(session->db->store, &options, call->alloc, &txn, call->err));
    *is_out = role_is_superuser(txn, session->state->role.oid);
    txn_abort(txn);
    return TDBPLUS_OK;
}

/* Writes down what is in memory and merges. */
static tdbplus_status vacuum(tdbplus_session *session, const struct ast_maintain *maintain,
                             const struct call *call)
{
    struct store *store = session->db->store;
    bool may = maintain->tables.count > 0;
    TRY(may ? TDBPLUS_OK : is_superuser(session, &may, call));
    if (!may) {
        session_note(session->state, "WARNING", "01000",
                     "permission denied to vacuum the database, skipping it");
        return TDBPLUS_OK;
    }
    TRY(store_flush(store, call));
    if (maintain->tables.count == 0) {
        TRY(store_optimize(store, 0, call));
    }
    for (uint32_t i = 0; i < maintain->tables.count; i++) {
        TRY(vacuum_table(session, (const struct ast_table_ref *)maintain->tables.items[i], call));
    }
    return has_option(&maintain->options, "analyze") ? analyze(session, &maintain->tables, call)
                                                     : TDBPLUS_OK;
}

static tdbplus_status checkpoint(tdbplus_session *session, const struct call *call)
{
    bool may = false;
    TRY(is_superuser(session, &may, call));
    return may ? store_flush(session->db->store, call)
               : err_set_state(call->err, TDBPLUS_E_SQL, "42501",
                               "must be superuser to do CHECKPOINT");
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
        return checkpoint(session, call);
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
