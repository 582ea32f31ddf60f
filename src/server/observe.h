#pragma once

/*
 * observe: counters of a server in Prometheus's form, and what of statements and logins goes into
 * its log.
 *
 * Threads: every function may be called from any thread.
 */

#include <stdatomic.h>

#include "base/err.h"
#include "server/server_log.h"

#define METRICS_BUCKET_COUNT 8u /* Of durations; the last one has no end. */

struct server_metrics {
    _Atomic uint64_t connections; /* Accepted. */
    _Atomic uint64_t refused;     /* Too many of them, or a failed login's penalty. */
    _Atomic uint64_t logins;
    _Atomic uint64_t login_failures;
    _Atomic uint64_t statements;
    _Atomic uint64_t statement_errors;
    _Atomic uint64_t statement_refused; /* The line for running was full. */
    _Atomic uint64_t slow_statements;
    _Atomic uint64_t duration_us;
    _Atomic uint64_t durations[METRICS_BUCKET_COUNT];
    _Atomic uint64_t received_bytes;
    _Atomic uint64_t sent_bytes;
    _Atomic uint64_t slow_clients; /* Cut because they did not read. */
    _Atomic uint64_t idle_clients; /* Ended because they did nothing. */
};

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

struct connection;
struct server;

/* A statement has ended: the first one of the text. `tag` is its command tag, NULL when it failed
 * with `err`. */
void observe_statement(struct connection *connection, uint64_t begin_us, struct span text,
                       const char *tag, const struct err *err);

/* A login that ended; `err` NULL: well. */
void observe_login(struct connection *connection, const struct err *err);

/* A connection that is over. */
void observe_end(struct connection *connection, const char *why);

/* All of the server's figures, as Prometheus reads them (text format 0.0.4). */
void observe_print(struct server *server, struct buffer *text);
