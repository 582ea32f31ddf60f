#pragma once

/*
 * statement: SQL for the layer above. A text is parsed into statements; a statement is prepared
 * (bound and planned) in a transaction, described, and run any number of times with parameters;
 * a run gives batches of rows. Made for the extended PostgreSQL protocol: parse, describe, bind,
 * execute with a row limit.
 *
 *     sql_script_create -> sql_prepare -> sql_cursor_open -> sql_cursor_next ... -> _close
 *
 * Beginning and ending transactions, savepoints, settings, PREPARE and EXECUTE belong to the layer
 * above: sql_statement_kind() tells which ones they are, and sql_statement_ast() what they say.
 *
 * Threads: a script is read-only once made; a prepared statement and a cursor have one user at a
 * time.
 */

#include "base/call.h"
#include "sql/parse/ast.h"
#include "txn/txn.h"

struct sql_script;
struct sql_prepared;
struct sql_cursor;

struct func_session;

/* ---- texts ---- */

/* Parses a text of any number of statements; errors as parse_text(). The text is copied. */
TDBPLUS_CHECKED tdbplus_status sql_script_create(struct span text, const struct alloc *alloc,
                                                 struct sql_script **script_out, struct err *err);
void sql_script_destroy(struct sql_script *script);

/* One more holder, who destroys it as well: the last one does. */
struct sql_script *sql_script_share(struct sql_script *script);

uint32_t sql_script_count(const struct sql_script *script);

enum sql_kind {
    SQL_QUERY = 1,   /* Gives rows, changes nothing. */
    SQL_CHANGE,      /* INSERT, UPDATE, DELETE; gives rows with RETURNING. */
    SQL_DEFINITION,  /* CREATE, DROP, ALTER, TRUNCATE. */
    SQL_EXPLAIN,     /* Gives rows of text; also COPY ... TO 'file', which gives none. */
    SQL_TRANSACTION, /* BEGIN, COMMIT, ROLLBACK, SAVEPOINT ...: struct ast_transaction. */
    SQL_SESSION,     /* SET, SHOW, PREPARE, EXECUTE, DEALLOCATE. */
};

uint8_t sql_statement_kind(const struct sql_script *script, uint32_t number);
const struct ast *sql_statement_ast(const struct sql_script *script, uint32_t number);

/* "SELECT", "CREATE TABLE". */
const char *sql_statement_name(const struct sql_script *script, uint32_t number);

/* ---- settings ---- */

struct sql_settings {
    uint32_t thread_count; /* For one statement; 0 is 1. */
    uint32_t rules_off;    /* Bits of enum opt_rule. */
    size_t memory_bytes;   /* What a statement may keep; 0: what the database may. */
    size_t spill_bytes;    /* What an operator keeps before it spills; 0: a share of that. */
    /* What functions ask; outlives scripts, prepared statements and cursors. NULL: defaults. */
    const struct func_session *session;
};

/* Names of optimiser rules between commas as bits for `rules_off`; TDBPLUS_E_SQL (22023). */
TDBPLUS_CHECKED tdbplus_status sql_read_rules(struct span text, uint32_t *rules_out,
                                              struct err *err);

/* Makes the script one of the statement inside of its only one: the query of PREPARE and DECLARE
 * CURSOR. Its positions stay those of the whole text. */
void sql_script_unwrap(struct sql_script *script);

/* Makes a script of EXECUTE name (values) one of SELECT values. */
TDBPLUS_CHECKED tdbplus_status sql_script_unwrap_values(struct sql_script *script, struct err *err);

/* The type that a name in the script's text means in this transaction; errors have positions. */
TDBPLUS_CHECKED tdbplus_status sql_script_type(const struct sql_script *script, struct txn *txn,
                                               const struct ast *name, struct type *type_out,
                                               struct err *err);

/* What statements of the script are prepared and run with from now on; copied. */
void sql_script_use(struct sql_script *script, const struct sql_settings *settings);

/* Whose names, temporary tables and numbers of sequences the script's statements have; must outlive
 * what is prepared. Without one there is only the schema "public". */
struct sql_session;
void sql_script_session(struct sql_script *script, struct sql_session *session);

/* ---- prepared statements ---- */

struct sql_column {
    const char *name;
    struct type type;
};

/*
 * Binds and plans one statement that is neither TRANSACTION nor SESSION. `types` says what the
 * caller knows of its parameters (TYPE_NONE: nothing). The script must outlive the prepared
 * statement; the transaction need not, except that of a DEFINITION or EXPLAIN, which runs in the
 * transaction it was prepared in.
 */
TDBPLUS_CHECKED tdbplus_status sql_prepare(const struct sql_script *script, uint32_t number,
                                           struct txn *txn, const struct type *types,
                                           uint32_t type_count, const struct call *call,
                                           struct sql_prepared **prepared_out);
void sql_prepared_destroy(struct sql_prepared *prepared);

/* False when a table it uses has changed since, as this transaction sees it: prepare again. */
bool sql_prepared_valid(const struct sql_prepared *prepared, struct txn *txn);

/* True when its privileges were found to suffice in that version of the catalog
 * (txn_catalog_version()), or need not be looked at. */
bool sql_prepared_checked(const struct sql_prepared *prepared, uint64_t catalog_version);

/* True when later runs may use the plan as long as it is valid: it reads or changes rows, and no
 * join in it was ordered by statistics of the moment. */
bool sql_prepared_reusable(const struct sql_prepared *prepared);

/* Of a statement that reads or changes rows; NULL for others. */
struct plan;
const struct plan *sql_prepared_plan(const struct sql_prepared *prepared);

uint32_t sql_parameter_count(const struct sql_prepared *prepared);
struct type sql_parameter_type(const struct sql_prepared *prepared, uint32_t number);

/* The columns of the rows that it gives; 0: none. */
uint32_t sql_column_count(const struct sql_prepared *prepared);
struct sql_column sql_column_at(const struct sql_prepared *prepared, uint32_t number);

/* COPY with STDIN or STDOUT. OUT: rows of one column of type bytea, pieces of the output. */
enum sql_copy { SQL_COPY_NONE = 0, SQL_COPY_IN, SQL_COPY_OUT };

uint8_t sql_prepared_copy(const struct sql_prepared *prepared);

/* Of bytes that a COPY has written, from the beginning of a row on: how many make up that row; all
 * of them where the format has no rows one after another. *inside is kept for the next piece, false
 * at first. */
size_t sql_prepared_copy_row(const struct sql_prepared *prepared, struct span written,
                             bool *inside);

/* Of a COPY: whether its bytes are no text, and how many columns it copies. */
void sql_prepared_copied(const struct sql_prepared *prepared, bool *binary_out,
                         uint32_t *column_count_out);

/* ---- running ---- */

struct sql_run_options {
    struct txn *txn;
    const struct datum *parameters; /* Of the types that sql_parameter_type() says. */
    uint32_t parameter_count;
    const char *user;         /* May be NULL. */
    const char *session_user; /* May be NULL. */
    const char *database;     /* May be NULL. */
    int64_t transaction_time_us;
    bool retry_conflicts; /* READ COMMITTED: a change that meets another is run again. */
};

/*
 * Begins a run; TDBPLUS_E_STATE when a table has changed since (sql_prepared_valid()). The caller
 * has begun the transaction's statement (txn_statement()). Parameters and options are read until
 * the cursor is closed. Nothing runs before the first sql_cursor_next(). `call` must live as long
 * as the cursor; its error object is where failures go.
 */
TDBPLUS_CHECKED tdbplus_status sql_cursor_open(struct sql_prepared *prepared,
                                               const struct sql_run_options *options,
                                               const struct call *call,
                                               struct sql_cursor **cursor_out);

/* The next rows; TDBPLUS_END when the statement is done. `batch` is reset first and must be reset
 * before the cursor is closed; check batch->selection. After a failure only close is left, and the
 * statement's changes are the caller's to roll back (savepoint). [waits] */
TDBPLUS_CHECKED tdbplus_status sql_cursor_next(struct sql_cursor *cursor, struct batch *batch);

/* SQL_COPY_IN: hands bytes over (they are copied), or says that there are no more. Until then
 * sql_cursor_next() gives TDBPLUS_PENDING when it wants more. False when memory is out. */
bool sql_cursor_put(struct sql_cursor *cursor, const void *data, size_t size);
void sql_cursor_put_end(struct sql_cursor *cursor);

/* Rows given or changed so far; after the end the number in the tag. */
uint64_t sql_cursor_row_count(const struct sql_cursor *cursor);

/* The command tag after the end: "SELECT 3", "INSERT 0 1", "CREATE TABLE". */
void sql_cursor_tag(const struct sql_cursor *cursor, char tag[64]);

/* NULL is fine. */
void sql_cursor_close(struct sql_cursor *cursor);
