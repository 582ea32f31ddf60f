#include "server/observe.h"

#include <inttypes.h>
#include <string.h>

#include "server/server_internal.h"

/* Upper ends in microseconds, and as they are written. */
static const struct {
    uint64_t us;
    const char *text;
} buckets[METRICS_BUCKET_COUNT] = {
    {100, "0.0001"}, {1000, "0.001"},  {10000, "0.01"},  {100000, "0.1"},
    {1000000, "1"},  {10000000, "10"}, {60000000, "60"}, {UINT64_MAX, "+Inf"},
};

/* ---- statements ---- */

static bool begins(const char *tag, const char *word)
{
    return strncmp(tag, word, strlen(word)) == 0;
}

/* "audit.role", "audit.definition"; NULL: rows only. */
static const char *audit_event(const char *tag)
{
    static const char *const definitions[] = {"CREATE",   "ALTER",   "DROP",
                                              "TRUNCATE", "COMMENT", "REFRESH"};
    if (strstr(tag, "ROLE") != NULL || begins(tag, "GRANT") || begins(tag, "REVOKE") ||
        begins(tag, "REASSIGN") || begins(tag, "DROP OWNED")) {
        return "audit.role";
    }
    for (size_t i = 0; i < sizeof definitions / sizeof *definitions; i++) {
        if (begins(tag, definitions[i])) {
            return "audit.definition";
        }
    }
    return NULL;
}

/* What every line about a connection has. */
static void put_connection(struct server_log_line *line, const struct connection *connection)
{
    server_log_text(line, "trace", connection->trace);
    server_log_number(line, "connection", connection->id);
    server_log_text(line, "user", connection->user);
    server_log_text(line, "database", connection->database);
    server_log_text(line, "address", connection->address);
}

static void put_statement(struct server_log_line *line, const struct connection *connection,
                          struct span text)
{
    struct buffer redacted;
    if (line->log == NULL) {
        return;
    }
    // What is cut off would not be written anyway; one statement of a string is meant.
    text.size = text.size > 2 * SERVER_LOG_TEXT_SIZE_MAX ? 2 * SERVER_LOG_TEXT_SIZE_MAX : text.size;
    text.size = split_statement((const char *)text.data, text.size);
    buffer_init(&redacted, line->log->alloc);
    server_log_redact(text, &redacted);
    put_connection(line, connection);
    server_log_number(line, "statement_number", (int64_t)connection->statement_number);
    server_log_span(line, "statement", redacted.failed ? (struct span){0} : buffer_span(&redacted));
    buffer_deinit(&redacted);
}

/* Errors that are not the statement's fault. */
static bool is_severe(const struct err *err)
{
    return strncmp(err->sqlstate, "XX", 2) == 0 || strncmp(err->sqlstate, "53", 2) == 0 ||
           strncmp(err->sqlstate, "58", 2) == 0;
}

static void log_failure(struct connection *connection, struct span text, const struct err *err)
{
    struct server_log_line line;
    server_log_begin(&connection->server->log, is_severe(err) ? SERVER_LOG_ERROR : SERVER_LOG_INFO,
                     "statement.failed", &line);
    put_statement(&line, connection, text);
    server_log_text(&line, "sqlstate", err->sqlstate);
    server_log_text(&line, "message", err->text);
    server_log_end(&line);
}

static void count_duration(struct server_metrics *metrics, uint64_t us)
{
    uint32_t at = 0;
    while (us > buckets[at].us) {
        at++;
    }
    metrics_add(&metrics->durations[at], 1);
    metrics_add(&metrics->duration_us, us);
}

/* log_min_duration_statement of the session, where that says something, else the server's. */
static int64_t slow_after_ms(const struct connection *connection)
{
    const struct settings *settings = &connection->session->state->settings;
    int64_t own = settings_integer(settings, SETTING_LOG_MIN_DURATION);
    return own >= 0 ? own : atomic_load(&connection->server->slow_statement_ms);
}

void observe_statement(struct connection *connection, uint64_t begin_us, struct span text,
                       const char *tag, const struct err *err)
{
    struct server *server = connection->server;
    uint64_t us = env_clock_mono_us(server->env) - begin_us;
    struct server_log_line line;
    connection->statement_number++;
    metrics_add(&server->metrics.statements, 1);
    count_duration(&server->metrics, us);
    if (tag == NULL) {
        metrics_add(&server->metrics.statement_errors, 1);
        log_failure(connection, text, err);
    } else if (audit_event(tag) != NULL) {
        server_log_begin_audit(&server->log, audit_event(tag), &line);
        put_statement(&line, connection, text);
        server_log_text(&line, "tag", tag);
        server_log_end(&line);
    }
    int64_t slow_ms = slow_after_ms(connection);
    if (slow_ms >= 0 && us >= (uint64_t)slow_ms * 1000u) {
        metrics_add(&server->metrics.slow_statements, 1);
        server_log_begin(&server->log, SERVER_LOG_WARNING, "statement.slow", &line);
        put_statement(&line, connection, text);
        server_log_number(&line, "duration_us", (int64_t)us);
        server_log_text(&line, "tag", tag == NULL ? "" : tag);
        server_log_end(&line);
    }
}

/* ---- connections ---- */

void observe_login(struct connection *connection, const struct err *err)
{
    struct server *server = connection->server;
    struct server_log_line line;
    metrics_add(err == NULL ? &server->metrics.logins : &server->metrics.login_failures, 1);
    server_log_begin_audit(&server->log, err == NULL ? "audit.login" : "audit.login_failed", &line);
    put_connection(&line, connection);
    server_log_text(&line, "encrypted", connection->tls == NULL ? "no" : "yes");
    if (err != NULL) {
        server_log_text(&line, "sqlstate", err->sqlstate);
        server_log_text(&line, "message", err->text);
    }
    server_log_end(&line);
}

void observe_end(struct connection *connection, const char *why)
{
    struct server_log_line line;
    server_log_begin(&connection->server->log, SERVER_LOG_INFO, "connection.ended", &line);
    put_connection(&line, connection);
    server_log_number(&line, "statements", (int64_t)connection->statement_number);
    server_log_text(&line, "why", why);
    server_log_end(&line);
}

/* ---- figures ---- */

static void head(struct buffer *text, const char *name, const char *kind, const char *help)
{
    buffer_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void put_number(struct buffer *text, const char *name, const char *kind, const char *help,
                       uint64_t value)
{
    head(text, name, kind, help);
    buffer_printf(text, "%s %" PRIu64 "\n", name, value);
}

static void put_seconds(struct buffer *text, const char *name, const char *kind, const char *help,
                        uint64_t us)
{
    head(text, name, kind, help);
    buffer_printf(text, "%s %" PRIu64 ".%06" PRIu64 "\n", name, us / 1000000u, us % 1000000u);
}

static void put_durations(struct buffer *text, const struct server_metrics *metrics)
{
    static const char name[] = "tdb_statement_duration_seconds";
    uint64_t count = 0;
    uint64_t us = atomic_load(&metrics->duration_us);
    head(text, name, "histogram", "How long statements took.");
    for (uint32_t i = 0; i < METRICS_BUCKET_COUNT; i++) {
        count += atomic_load(&metrics->durations[i]);
        buffer_printf(text, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, buckets[i].text, count);
    }
    buffer_printf(text, "%s_sum %" PRIu64 ".%06" PRIu64 "\n%s_count %" PRIu64 "\n", name,
                  us / 1000000u, us % 1000000u, name, count);
}

static void put_process(struct server *server, struct buffer *text)
{
    size_t resident = 0;
    uv_rusage_t usage;
    if (uv_resident_set_memory(&resident) == 0) {
        put_number(text, "process_resident_memory_bytes", "gauge", "Memory of the process.",
                   resident);
    }
    if (uv_getrusage(&usage) == 0) {
        uint64_t us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
        put_seconds(text, "process_cpu_seconds_total", "counter", "Time on processors.", us);
    }
    put_seconds(text, "process_start_time_seconds", "gauge", "When it began, since 1970.",
                server->began_wall_us);
}

static void put_store(struct server *server, struct buffer *text)
{
    struct store_statistics s = {0};
    store_get_statistics(server->db->store, &s);
    const struct {
        const char *name;
        const char *kind;
        const char *help;
        uint64_t value;
    } figures[] = {
        {"tdb_commits_total", "counter", "Transactions that changed something.", s.commit_count},
        {"tdb_rows_written_total", "counter", "Rows put and deleted.", s.row_write_count},
        {"tdb_log_written_bytes_total", "counter", "Written to the log.", s.log_written_bytes},
        {"tdb_log_syncs_total", "counter", "Syncs of the log.", s.log_sync_count},
        {"tdb_log_bytes", "gauge", "Log that is kept.", s.log_bytes},
        {"tdb_segments", "gauge", "Segment files.", s.segment_count},
        {"tdb_segment_bytes", "gauge", "Their bytes.", s.segment_bytes},
        {"tdb_value_file_bytes", "gauge", "Bytes of large values' files.", s.value_file_bytes},
        {"tdb_memtable_bytes", "gauge", "Rows that are in memory only.", s.memtable_bytes},
        {"tdb_flushes_total", "counter", "Memtables written to segments.", s.flush_count},
        {"tdb_merges_total", "counter", "Merges of segments.", s.merge_count},
        {"tdb_cache_hits_total", "counter", "Pages found in memory.", s.cache_hit_count},
        {"tdb_cache_misses_total", "counter", "Pages that were read.", s.cache_miss_count},
        {"tdb_collections", "gauge", "Tables.", s.collection_count},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        put_number(text, figures[i].name, figures[i].kind, figures[i].help, figures[i].value);
    }
}

void observe_print(struct server *server, struct buffer *text)
{
    const struct server_metrics *m = &server->metrics;
    const struct {
        const char *name;
        const char *help;
        uint64_t value;
    } counters[] = {
        {"tdb_connections_total", "Connections accepted.", m->connections},
        {"tdb_connections_refused_total", "Connections turned away.", m->refused},
        {"tdb_logins_total", "Logins that succeeded.", m->logins},
        {"tdb_login_failures_total", "Logins that failed.", m->login_failures},
        {"tdb_statements_total", "Statements that ran.", m->statements},
        {"tdb_statement_errors_total", "Statements that failed.", m->statement_errors},
        {"tdb_statements_refused_total", "Statements that found the line full.",
         m->statement_refused},
        {"tdb_slow_statements_total", "Statements slower than the log's limit.",
         m->slow_statements},
        {"tdb_received_bytes_total", "Bytes from clients.", m->received_bytes},
        {"tdb_sent_bytes_total", "Bytes to clients.", m->sent_bytes},
        {"tdb_slow_clients_total", "Clients cut because they did not read.", m->slow_clients},
        {"tdb_idle_clients_total", "Sessions ended because they did nothing.", m->idle_clients},
        {"tdb_log_lines_lost_total", "Lines of the log that could not be written.",
         server->log.lost},
    };
    head(text, "tdb_build_info", "gauge", "The release that runs.");
    buffer_printf(text, "tdb_build_info{version=\"%s\"} 1\n", TDBPLUS_VERSION);
    put_number(text, "tdb_connections", "gauge", "Connections that are open.",
               atomic_load(&server->connection_count));
    put_number(text, "tdb_statements_running", "gauge", "Statements at work.",
               atomic_load(&server->guard.running));
    put_number(text, "tdb_statements_waiting", "gauge", "Statements in line.",
               atomic_load(&server->guard.waiting));
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        put_number(text, counters[i].name, "counter", counters[i].help, counters[i].value);
    }
    put_durations(text, m);
    put_store(server, text);
    put_process(server, text);
}
