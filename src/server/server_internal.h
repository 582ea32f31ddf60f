#pragma once

/* What the files of this module share; README.md tells who may touch what when. */

#include <stdatomic.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "engine/session.h"
#include "os/latch.h"
#include "server/guard.h"
#include "server/http.h"
#include "server/observe.h"
#include "server/scram.h"
#include "server/server.h"
#include "server/server_log.h"
#include "server/tls.h"
#include "types/wire.h"

#define SERVER_SCRATCH_SIZE       ((size_t)64 << 10)  /* Bytes of one read. */
#define CONNECTION_INPUT_SIZE_MAX ((size_t)1 << 20)   /* Unread bytes; then the socket waits. */
#define CONNECTION_OUTPUT_SIZE    ((size_t)256 << 10) /* Unsent bytes; then the statement waits. */
#define CONNECTION_KEEP_SIZE      ((size_t)4 << 10)   /* Buffer an idle connection keeps. */
#define STARTUP_SIZE_MAX          10000u
#define LOGIN_SIZE_MAX            65536u
#define REPORTED_COUNT_MAX        8u /* Settings that clients are told of. */
#define PORTAL_COUNT_MAX          1000u
#define PARAMETER_COUNT_MAX       65535u

/* How far a connection is; it only goes down the list. */
enum connection_phase {
    PHASE_STARTUP, /* The first packet, or a request for encryption. */
    PHASE_SASL,    /* Waits for the client's first message, */
    PHASE_PROOF,   /* and for its last. */
    PHASE_READY,
    PHASE_CLOSING, /* What is to be sent is sent, then it is closed. */
};

struct connection;

struct server_loop {
    struct server *server;
    uv_loop_t uv;
    uv_thread_t thread;
    bool is_open; /* `uv` is ready. */
    bool started; /* `thread` runs. */
    uv_async_t wake;
    uv_timer_t tick; /* Each second: late logins. */
    uv_tcp_t tcp;
    uv_pipe_t local;
    bool has_tcp;
    bool has_local;
    struct latch latch; /* Over `posted`. */
    struct connection *posted;
    struct connection *connections;
    uint64_t now_s;
    struct http *http;   /* The first loop's; NULL: none. */
    struct buffer plain; /* What was decrypted of one read. */
    char scratch[SERVER_SCRATCH_SIZE];
};

struct server {
    tdbplus_db *db;
    const struct alloc *alloc;
    const struct env *env;
    _Atomic uint32_t connection_count_max; /* As in struct server_limits, to here: */
    _Atomic size_t message_size_max;
    _Atomic uint32_t statement_count_max;
    _Atomic uint32_t login_s_max;
    _Atomic uint32_t login_failure_max;
    _Atomic uint32_t login_wait_s;
    _Atomic uint32_t write_s_max;
    _Atomic uint32_t running_count_max;
    _Atomic uint32_t waiting_count_max;
    _Atomic int64_t slow_statement_ms; /* -1: none is slow. */
    struct server_log log;
    const char *log_path;
    const char *audit_path;
    const struct server_setting *settings;
    uint32_t setting_count;
    struct server_metrics metrics;
    struct guard guard;
    uint64_t began_wall_us;
    int http_port;
    bool trust;
    bool tls_required;
    struct tls_context *tls; /* NULL: none. */
    int port;
    char socket_path[108];
    uint8_t mock_key[SCRAM_KEY_SIZE]; /* Salts of roles that do not exist. */
    _Atomic bool stopping;
    _Atomic bool cutting; /* The time to drain is over. */
    _Atomic uint32_t connection_count;
    _Atomic uint32_t connection_id;
    struct latch latch; /* Over `by_id`. */
    struct map by_id;   /* Connection id to struct connection *. */
    struct server_loop *loops;
    uint32_t loop_count;
};

/* A column's form: one for all columns, one each, or none: text. */
struct row_formats {
    const uint16_t *formats; /* enum wire_format. */
    uint32_t count;
};

/* A text that was parsed, by name; lies in its own arena. */
struct wire_statement {
    struct wire_statement *next;
    char *name;
    char *text;
    size_t text_size;
    struct description description;
    int32_t *declared; /* Oids of parameters, as the client gave them; 0: not told, or unknown. */
    uint32_t declared_count;
    struct arena arena;
};

/* A statement with parameters, and its rows once it runs; lies in its own arena. */
struct wire_portal {
    struct wire_portal *next;
    char *name;
    struct wire_statement *statement; /* Whoever drops it drops its portals first. */
    struct datum *values;
    struct row_formats formats;
    tdbplus_result *result;
    bool done;
    char tag[64]; /* When done. */
    struct arena arena;
};

struct connection {
    struct server_loop *loop;
    struct server *server;
    struct connection *next; /* Of the loop's. */
    struct connection *previous;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } socket;
    uv_write_t write;
    int32_t id;
    int32_t secret;
    bool is_local;
    char address[48]; /* Of the client; "local". */
    char trace[17];   /* Names the connection in logs. */
    uint64_t statement_number;
    uint64_t began_s;
    uint64_t active_s;    /* When its last job ended, */
    uint64_t written_s;   /* and when the socket last took something, */
    size_t written_queue; /* which left so much. */
    bool counted;         /* As a session of `role`. */
    uint64_t role;

    /* The loop's. */
    bool running;  /* A job has the connection; else the loop has it. */
    bool paused;   /* Does not read. */
    bool closing;  /* uv_close() was called. */
    bool ended;    /* The client is gone, or the socket failed. */
    bool writing;  /* `sending` is with the socket. */
    size_t needed; /* Bytes of input without which a job would do nothing. */
    struct buffer sending;
    struct tls *tls; /* NULL: not encrypted. */

    /* Shared, under the latch. */
    struct latch latch;
    struct connection *posted_next; /* Both under the loop's latch. */
    bool posted;
    bool finished; /* The job has ended. */
    bool gone;     /* Nobody will send or read any more. */
    bool waits;    /* The job waits for `event`. */
    struct buffer incoming;
    struct buffer handed; /* From the job to the loop. */
    struct env_event event;

    /* The job's while it runs, else the loop's. */
    struct buffer in;
    size_t in_at;
    struct buffer out;
    enum connection_phase phase;
    bool wants_tls;   /* The client was told that encryption begins. */
    tdbplus_call api; /* `cancel` may be set by anybody. */
    struct scram_exchange *exchange;
    char user[64];
    char database[64];
    struct buffer wishes; /* Settings of the startup packet. */
    tdbplus_session *session;
    struct wire_statement *statements;
    uint32_t statement_count;
    struct wire_portal *portals;
    uint32_t portal_count;
    uint64_t reported;               /* settings_generation() that the client knows. */
    char *shown[REPORTED_COUNT_MAX]; /* Values that it was told. */
    bool skipping;                   /* After an error, until Sync. */
    bool implicit; /* A transaction that nobody began: of one string, or up to Sync. */
};

/* ---- loop.c ---- */

/* Makes a connection of a loop ready; the socket has been accepted into it. */
void connection_start(struct connection *connection);

/* For the job: sends what is in `out` as soon as the loop gets to it. Waits while more than
 * CONNECTION_OUTPUT_SIZE is under way. False when the client is gone. [waits] */
bool connection_flush(struct connection *connection);

/* For the job: waits until there is more input. False when there will be none. [waits] */
bool connection_wait_for_input(struct connection *connection);

/* Looks for connections that did not log in in time, or are to be closed. */
void loop_tick(struct server_loop *loop);

/* Has the connection `ctx` served soon; on any thread. */
void loop_wake(void *ctx);

/* Serves those that jobs have posted; a callback of `wake`. */
void loop_serve_posted(uv_async_t *async);

/* Asks for the statement of another connection to be cancelled, if the secret is right. */
void server_cancel(struct server *server, int32_t id, int32_t secret);

/* ---- startup.c ---- */

/* Takes one message of a connection that is not ready; false when there is none whole. */
bool startup_message(struct connection *connection, const struct call *call);

/* Tells the client the settings that have changed since it was told last. */
void startup_report(struct connection *connection);
void startup_forget(struct connection *connection);

/* ---- protocol.c ---- */

/* Works on what is in `in` until nothing whole is left. */
void protocol_run(struct connection *connection, const struct call *call);

/* Gives up what the connection has: session, statements, portals. */
void protocol_end(struct connection *connection);

/* The next message, of at most `size_max` bytes: its letter, 0 when it is not there as a whole. A
 * wrong size ends the connection. */
char protocol_next(struct connection *connection, size_t size_max, struct wire_reader *reader_out);

/* Appends an ErrorResponse. `fatal` ends the connection. */
void protocol_error(struct connection *connection, const struct err *err, bool fatal);

/* Appends what the session has to tell beside its answers. */
void protocol_notices(struct connection *connection);

/* Appends notifications, outside of transactions. For the loop, too, when no job runs. */
void protocol_news(struct connection *connection);

/* Appends ReadyForQuery. */
void protocol_ready(struct connection *connection);

/* ---- query.c ---- */

/* A place among the statements that run, and its end. 53000 when the line is full. [waits] */
TDBPLUS_CHECKED tdbplus_status query_begin(struct connection *connection, const struct call *call);
void query_end(struct connection *connection);

/* Runs a string of statements. */
void query_simple(struct connection *connection, const char *text, const struct call *call);

/* Runs BEGIN, COMMIT or ROLLBACK of a transaction that nobody began. */
TDBPLUS_CHECKED tdbplus_status query_control(struct connection *connection, const char *text,
                                             const struct call *call);

/* Appends RowDescription. */
void query_describe(struct buffer *out, const struct sql_column *columns, uint32_t count,
                    struct row_formats formats);

/* The same of a result's columns, as text. */
void query_describe_result(struct buffer *out, const tdbplus_result *result);

/* Sends up to `limit` rows (0: all). TDBPLUS_END when there are no more. [waits] */
TDBPLUS_CHECKED tdbplus_status query_rows(struct connection *connection, tdbplus_result *result,
                                          struct row_formats formats, uint64_t limit,
                                          uint64_t *count_out, const struct call *call);

/* Gives the loop's thread back before a text of `size` bytes is parsed, if that may take long; what
 * turns out long later leaves by itself (fiber_breathe()). [waits] */
void query_leave_loop(const struct connection *connection, size_t size);

/* ---- copy.c ---- */

/* Whether the result is a COPY whose bytes the client sends or gets. */
bool copy_wanted(const tdbplus_result *result);

/* Carries the bytes of one, up to and without CommandComplete; the message at hand is gone then.
 * [waits] */
TDBPLUS_CHECKED tdbplus_status copy_run(struct connection *connection, tdbplus_result *result,
                                        const struct call *call);

/* ---- extended.c ---- */

void extended_parse(struct connection *connection, struct wire_reader *reader,
                    const struct call *call);
void extended_bind(struct connection *connection, struct wire_reader *reader,
                   const struct call *call);
void extended_describe(struct connection *connection, struct wire_reader *reader,
                       const struct call *call);
void extended_execute(struct connection *connection, struct wire_reader *reader,
                      const struct call *call);
void extended_close(struct connection *connection, struct wire_reader *reader,
                    const struct call *call);
void extended_sync(struct connection *connection, const struct call *call);

/* Drops portals (which end with the transaction), and statements too. */
void extended_drop_portals(struct connection *connection);
void extended_drop(struct connection *connection);
