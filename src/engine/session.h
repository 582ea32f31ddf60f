#pragma once

/* session: SQL conversations and results, as the files of engine see them. */

#include "engine/engine_internal.h"
#include "engine/plan_cache.h"
#include "engine/session_state.h"
#include "locks/lock_table.h"
#include "sql/exec/sql_session.h"
#include "sql/exec/statement.h"

#define SESSION_PARAMETER_COUNT_MAX 65535u
#define NEWS_COUNT_MAX              100000u /* Notifications of one transaction. */
#define NEWS_LOOK_BACK              100u    /* As far as the same one is looked for. */
#define NOTICE_COUNT_MAX            1000u

/* What a client is told beside its answer: NoticeResponse. */
struct notice {
    char level[12]; /* "NOTICE", "WARNING". */
    char sqlstate[6];
    char text[256];
};

/* Advisory locks: owned apart from the transaction, because they may outlive it. */
struct advisory {
    struct lock_owner owner;
    struct list held; /* struct advisory_hold. */
};

/* A question of SQL's functions, see func_session. */
struct session_question {
    const char *name;
    const struct datum *arguments;
    uint32_t count;
    struct func_answer *answer;
    struct err *err;
};

struct tdbplus_session {
    tdbplus_db *db;
    struct txn *txn; /* NULL: none open. */
    struct txn_options options;
    bool failed; /* The open transaction can only be rolled back. */
    bool used;   /* A statement was run in it. */
    bool deferrable;
    int64_t begin_time_us;
    uint64_t idle_since_us; /* On the monotonic clock, within a transaction. */
    struct session_state *state;
    struct list statements; /* Of PREPARE. */
    struct list cursors;    /* Of DECLARE. */
    uint64_t cursor_serial;
    struct sql_session names; /* Search path, temporary tables, numbers of sequences. */
    struct list savepoints;   /* struct engine_savepoint. */
    struct plan_cache plans;
    struct buffer key;   /* Scratch of point_run(). */
    struct list news;    /* LISTEN and NOTIFY of the transaction (session_news.c). */
    struct list notices; /* struct notice, not told yet. */
    struct listener listener;
    int32_t backend_id; /* pg_backend_pid(), and the sender of notifications. */
    struct advisory advisory;
    const struct call *running;  /* Of the statement at hand; NULL: none. */
    tdbplus_result *result_open; /* Reads from `txn`; at most one, the others are held. */
};

/*
 * The rows of a statement. A query's come as they are asked for, from a transaction that is the
 * session's or its own. All others, and queries whose transaction moves on, are held: run to their
 * end, their rows copied into batches of their own.
 */
struct tdbplus_result {
    tdbplus_db *db;
    struct session_state *state; /* How values are printed; what functions ask. */
    tdbplus_session *session;    /* NULL: needs it no more. */
    uint64_t deadline_us;        /* Of the statement, by statement_timeout; 0: none. */
    struct txn *own_txn;         /* Of a query outside of a transaction. */
    struct arena arena;          /* Columns, parameters. */
    struct sql_script *script;
    struct sql_prepared *prepared;
    bool is_point;             /* Made by point_run(). */
    bool loose;                /* See result_prepare(). */
    bool lazy;                 /* Of a cursor: no row is made before one is asked for. */
    struct plan_entry *plan;   /* Owns script and prepared, if set. */
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
    tdbplus_copy copy;     /* IN until its end. */
    bool batch_ready;      /* `batch` was filled before anybody asked. */
    struct batch batch;
    struct list held; /* struct batch, that come next. */
    size_t held_at;
    uint32_t at; /* Rows of `batch` given so far. */
    struct arena row_arena;
    tdbplus_value *values;
};

struct execute_args; /* Below. */

/* ---- session.c ---- */

/* Lets what follows from settings follow. */
void session_refresh(tdbplus_session *session);

/* tdbplus_execute() as a part of a call that runs already; point_run() is tried first. [waits] */
TDBPLUS_CHECKED tdbplus_status session_execute(const struct execute_args *given,
                                               const struct call *call);

/* ---- describe.c ---- */

/* The parameters and columns of a statement; in the arena that was given. */
struct description {
    struct type *parameters;
    uint32_t parameter_count;
    struct sql_column *columns;
    uint32_t column_count; /* 0: it gives no rows. */
    char tag[64];          /* "SELECT"; "" for an empty text. */
};

struct describe_args {
    struct span text;         /* One statement. */
    const struct type *types; /* What is known of the parameters; TYPE_NONE: nothing. */
    uint32_t type_count;
    struct arena *arena;
};

/* Errors as the statement's, besides: 42601 for more than one statement, 42P18 for a parameter
 * whose type nothing tells. */
TDBPLUS_CHECKED tdbplus_status session_describe(tdbplus_session *session,
                                                const struct describe_args *args,
                                                struct description *description_out,
                                                const struct call *call);

/* ---- settings.c ---- */

/* SET and RESET. */
TDBPLUS_CHECKED tdbplus_status session_set(tdbplus_session *session, const struct ast *ast,
                                           struct err *err);
TDBPLUS_CHECKED tdbplus_status session_show(tdbplus_session *session, const struct ast *ast,
                                            tdbplus_result *result, struct err *err);
TDBPLUS_CHECKED tdbplus_status session_discard(tdbplus_session *session, const struct ast *ast,
                                               struct err *err);

/* SETTING_TRANSACTION_...: what the transaction at hand is, or the next one will be. */
const char *session_mode(const tdbplus_session *session, uint32_t number);

/* Changes it, where that is still possible (25001). No transaction: nothing happens. */
TDBPLUS_CHECKED tdbplus_status session_set_mode(tdbplus_session *session, uint32_t number,
                                                struct span text, struct err *err);

/* ---- session_prepare.c ---- */

/* What EXECUTE runs with. */
struct execute_room {
    tdbplus_session *session;
    struct txn *txn;
    struct arena *arena;
    int64_t time_us;
    const struct call *call;
};

/* PREPARE; takes the result's script. */
TDBPLUS_CHECKED tdbplus_status session_prepare(tdbplus_session *session, tdbplus_result *result,
                                               const struct call *call);
TDBPLUS_CHECKED tdbplus_status session_deallocate(tdbplus_session *session, const struct ast *ast,
                                                  struct err *err);
void session_forget_statements(tdbplus_session *session);

void session_init_statements(tdbplus_session *session); /* And cursors. */
void session_init_cursors(tdbplus_session *session);

/* Makes a result with EXECUTE as its script one of the statement that it names. */
TDBPLUS_CHECKED tdbplus_status session_run_named(struct execute_room *room, tdbplus_result *result);

/* The statement that EXECUTE names, and the types of its parameters as they were given; NULL: there
 * is none. */
const struct sql_script *session_named_script(const tdbplus_session *session, const struct ast *ast,
                                              struct describe_args *args);

/* What kind of statement (enum sql_kind) EXECUTE runs. */
uint8_t session_statement_kind(const tdbplus_session *session, const struct ast *ast);

/* ---- session_news.c ---- */

void session_init_news(tdbplus_session *session);
void session_close_news(tdbplus_session *session);

/* LISTEN, UNLISTEN, NOTIFY: done when the transaction commits. */
TDBPLUS_CHECKED tdbplus_status session_run_news(tdbplus_session *session, const struct ast *ast,
                                                struct err *err);
TDBPLUS_CHECKED tdbplus_status session_notify(tdbplus_session *session, struct span channel,
                                              struct span payload, struct err *err);
/* The transaction has committed, or it (or what came after a savepoint) has been rolled back. */
void session_publish_news(tdbplus_session *session);
void session_drop_news(tdbplus_session *session, size_t from);

/* Who the session is, and who is told, on any thread and under a latch, that something came. */
void session_listen(tdbplus_session *session, int32_t backend_id, void (*wake)(void *ctx),
                    void *wake_ctx);
/* From here on nobody is told. */
void session_stop_listening(tdbplus_session *session);
/* Freed with notification_destroy(&db->host, ...); NULL: there is none. */
struct notification *session_take_notification(tdbplus_session *session);

/* Tells the client something, if client_min_messages lets it. */
void session_note(struct session_state *state, const char *level, const char *sqlstate,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
bool session_take_notice(tdbplus_session *session, struct notice *notice_out);

/* ---- session_advisory.c ---- */

void session_init_advisory(tdbplus_session *session);
void session_close_advisory(tdbplus_session *session);
/* Those of the transaction go with it. */
void session_end_advisory(tdbplus_session *session);
/* pg_advisory_lock() and its kin, if `name` is one of them: *found_out. [waits] */
TDBPLUS_CHECKED tdbplus_status session_advisory(tdbplus_session *session,
                                                const struct session_question *question,
                                                bool *found_out);

/* ---- session_maintain.c ---- */

/* LOCK TABLE. [waits] */
TDBPLUS_CHECKED tdbplus_status session_lock_tables(tdbplus_session *session, const struct ast *ast,
                                                   const struct call *call);
/* VACUUM, CHECKPOINT. [waits] */
TDBPLUS_CHECKED tdbplus_status session_maintain(tdbplus_session *session, const struct ast *ast,
                                                tdbplus_result *result, const struct call *call);
TDBPLUS_CHECKED tdbplus_status session_create_extension(tdbplus_session *session,
                                                        const struct ast *ast, struct err *err);

/* ---- session_cursor.c ---- */

/* DECLARE; takes the result's script. [waits] */
TDBPLUS_CHECKED tdbplus_status session_declare(tdbplus_session *session, tdbplus_result *result,
                                               const struct call *call);
/* FETCH and MOVE. [waits] */
TDBPLUS_CHECKED tdbplus_status session_fetch(tdbplus_session *session, tdbplus_result *result,
                                             const struct call *call);
TDBPLUS_CHECKED tdbplus_status session_close(tdbplus_session *session, const struct ast *ast,
                                             struct err *err);

/* The query of a cursor; NULL: there is no such cursor. */
const tdbplus_result *session_cursor_source(const tdbplus_session *session, const char *name);

/* Reads cursors WITH HOLD to their ends: their transaction is about to commit. [waits] */
TDBPLUS_CHECKED tdbplus_status session_hold_cursors(tdbplus_session *session,
                                                    const struct call *call);
/* Closes those of the transaction, or also those that are held. */
void session_close_cursors(tdbplus_session *session, bool held_too);
/* Those of the transaction that were declared after that one. */
void session_close_cursors_since(tdbplus_session *session, uint64_t serial);

/* ---- result.c ---- */

void result_destroy(tdbplus_result *result);

/* A row of texts for results that no plan makes; NULL: null. */
struct text_cell {
    const char *text;
};

/* Gives a result columns of text and rows, cells row after row. Names are copied, texts borrowed:
 * they must be in the result's arena or live longer. */
TDBPLUS_CHECKED tdbplus_status result_fill_text(tdbplus_result *result, const char *const *names,
                                                uint32_t column_count,
                                                const struct text_cell *cells, uint32_t row_count,
                                                struct err *err);

/* The columns of another result. */
TDBPLUS_CHECKED tdbplus_status result_describe_as(tdbplus_result *result,
                                                  const tdbplus_result *other, struct err *err);

/* Adds a copy of the batch's live rows, which depends on nothing, to a list of struct batch. */
TDBPLUS_CHECKED tdbplus_status result_keep_batch(struct list *batches, const struct batch *batch,
                                                 const struct call *call);

/* Columns and places for values, by what is prepared. */
TDBPLUS_CHECKED tdbplus_status result_describe(tdbplus_result *result, struct err *err);

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

/* Closes the cursor of a COPY FROM STDIN that is not at its end. */
void result_abandon_copy(tdbplus_result *result);

/* TDBPLUS_E_STATE while a COPY FROM STDIN of the session's transaction is open. */
TDBPLUS_CHECKED tdbplus_status session_check_copy(const tdbplus_session *session, struct err *err);

/* tdbplus_copy_put() and tdbplus_copy_end() as parts of a call that runs already. [waits] */
TDBPLUS_CHECKED tdbplus_status result_copy_put(tdbplus_result *result, struct span bytes,
                                               const struct call *call);
TDBPLUS_CHECKED tdbplus_status result_copy_end(tdbplus_result *result, const char *failure,
                                               const struct call *call);

/* ---- parameters.c ---- */

/* Whether the value is one of those with bytes. */
bool engine_value_has_bytes(const tdbplus_value *value);

/* Takes the statement from the session's plans, if it is there and the parameters fit: true then.
 */
bool result_find_plan(tdbplus_result *result, struct plan_cache *plans, struct span text,
                      struct txn *txn, const struct parameter_list *parameters);

/* Prepares the result's statement with parameters as they were given; result_keep_plan() gives the
 * plan to the session's if it is worth it. */
TDBPLUS_CHECKED tdbplus_status result_prepare(tdbplus_result *result, struct txn *txn,
                                              const struct parameter_list *parameters,
                                              const struct call *call);
void result_keep_plan(tdbplus_result *result, struct plan_cache *plans, struct span text,
                      const struct parameter_list *parameters);

/* The values as the prepared statement wants them, bytes in the arena or borrowed; false if one
 * does not fit. */
bool parameters_convert(const struct sql_prepared *prepared,
                        const struct parameter_list *parameters, struct arena *arena,
                        struct datum *parameters_out);

/* ---- point_run.c ---- */

/* What tdbplus_execute() was given. Datums are borrowed until the result is closed. */
struct execute_args {
    tdbplus_session *session;
    const char *sql;
    size_t size;
    struct parameter_list parameters;
    size_t *consumed_out;
    tdbplus_result **result_out;
};

/* Runs a statement of one row that was planned before, without an executor. False when it is none,
 * or something stands in the way: then nothing has happened, and the long way tells what. [waits]
 */
bool point_run(const struct execute_args *args, const struct call *call,
               tdbplus_status *status_out);

/* ---- split.c ---- */

/* Bytes of the first statement with its semicolon; all of them when there is none. */
size_t split_statement(const char *text, size_t size);
