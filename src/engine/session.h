#pragma once

/* session: SQL conversations and results, as the files of engine see them. */

#include "engine/engine_internal.h"
#include "sql/exec/statement.h"

#define SESSION_PARAMETER_COUNT_MAX 65535u

struct tdbplus_session {
    tdbplus_db *db;
    struct txn *txn; /* NULL: none open. */
    struct txn_options options;
    bool failed; /* The open transaction can only be rolled back. */
    int64_t begin_time_us;
    struct sql_settings settings;
    struct list savepoints;      /* struct engine_savepoint. */
    tdbplus_result *result_open; /* Reads from `txn`; at most one, the others are held. */
};

/*
 * The rows of a statement. A query's come as they are asked for, from a transaction that is the
 * session's or its own. All others, and queries whose transaction moves on, are held: run to their
 * end, their rows copied into batches of their own.
 */
struct tdbplus_result {
    tdbplus_db *db;
    tdbplus_session *session; /* NULL: needs it no more. */
    struct txn *own_txn;      /* Of a query outside of a transaction. */
    struct arena arena;       /* Columns, parameters. */
    struct sql_script *script;
    struct sql_prepared *prepared;
    struct sql_cursor *cursor; /* NULL once everything is held or read. */
    struct call call;          /* The cursor's; limits are those of the call in progress. */
    struct err err;            /* The cursor's. */
    struct datum *parameters;
    uint32_t parameter_count;
    tdbplus_column *columns;
    struct type *types;
    uint32_t column_count;
    char tag[64];
    tdbplus_status status; /* What next says when the rows at hand are used up. */
    bool batch_ready;      /* `batch` was filled before anybody asked. */
    struct batch batch;
    struct list held; /* struct batch, that come next. */
    size_t held_at;
    uint32_t at; /* Rows of `batch` given so far. */
    struct arena row_arena;
    tdbplus_value *values;
};

/* ---- settings.c ---- */

/* SET of something that the SQL engine listens to. */
TDBPLUS_CHECKED tdbplus_status session_set(tdbplus_session *session, const struct ast *ast,
                                           struct err *err);

/* ---- result.c ---- */

/* A result without rows, with this tag. */
TDBPLUS_CHECKED tdbplus_status result_create(tdbplus_session *session, const char *tag,
                                             tdbplus_result **result_out, struct err *err);

/* Runs the result's statement in a transaction whose statement has begun: a query up to its first
 * batch, anything else to the end. */
TDBPLUS_CHECKED tdbplus_status result_start(tdbplus_result *result, struct txn *txn,
                                            bool retry_conflicts, int64_t time_us,
                                            const struct call *call);

/* Forgets a run that failed, so that it can be started again. */
void result_stop(tdbplus_result *result);

/* Copies what an open query still has to give; it needs no transaction then. A failure is told by
 * the next tdbplus_result_next(). */
void result_hold(tdbplus_result *result, const struct call *call);

/* The transaction is about to be rolled back: what was not read is gone. */
void result_abandon(tdbplus_result *result);

/* Makes `batch` the next rows; TDBPLUS_END after the last. */
TDBPLUS_CHECKED tdbplus_status result_next_batch(tdbplus_result *result, const struct call *call);

/* ---- parameters.c ---- */

/* Whether the value is one of those with bytes. */
bool engine_value_has_bytes(const tdbplus_value *value);

/* Prepares the result's statement with parameters as they were given. */
TDBPLUS_CHECKED tdbplus_status result_prepare(tdbplus_result *result, struct txn *txn,
                                              const tdbplus_value *values, uint32_t count,
                                              const struct call *call);

/* ---- split.c ---- */

/* Bytes of the first statement with its semicolon; all of them when there is none. */
size_t split_statement(const char *text, size_t size);
