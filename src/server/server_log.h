#pragma once

/*
 * server_log: what a server tells its operator, one JSON object a line: time, level, event, then
 * what the event is about. Audit events (logins, definitions, roles) go to a file of their own if
 * there is one, and otherwise into the log at level info.
 *
 * Threads: every function may be called from any thread. A line is written whole.
 */

#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "os/env.h"
#include "os/latch.h"

enum server_log_level {
    SERVER_LOG_DEBUG = 0,
    SERVER_LOG_INFO,
    SERVER_LOG_WARNING,
    SERVER_LOG_ERROR,
    SERVER_LOG_OFF
};

#define SERVER_LOG_TEXT_SIZE_MAX 8192u /* Of one value; the rest is cut. */

struct server_log {
    const struct env *env;
    const struct alloc *alloc;
    _Atomic uint8_t level; /* enum server_log_level: lines below are not written. */
    struct latch latch;
    int32_t file;          /* A descriptor; -1: none. */
    int32_t audit;         /* The same; -1: into the log. */
    _Atomic uint64_t lost; /* Lines that could not be written. */
};

/* Files are appended to; NULL: standard error, and no file for audit. TDBPLUS_E_IO. */
TDBPLUS_CHECKED tdbplus_status server_log_open(struct server_log *log, const char *path,
                                               const char *audit_path, struct err *err);
/* Opens the same files anew, for whoever moves them away. What cannot be opened stays as it was. */
void server_log_reopen(struct server_log *log, const char *path, const char *audit_path);
void server_log_close(struct server_log *log);

/* SERVER_LOG_DEBUG ... by name; false for none of them. */
bool server_log_level_parse(const char *text, uint8_t *level_out);

/* One line in the making. */
struct server_log_line {
    struct server_log *log; /* NULL: nobody wants it, and nothing is done. */
    bool audit;
    struct buffer text;
};

/* Begins a line; end it with server_log_end(). */
void server_log_begin(struct server_log *log, enum server_log_level level, const char *event,
                      struct server_log_line *line);
void server_log_begin_audit(struct server_log *log, const char *event,
                            struct server_log_line *line);
void server_log_text(struct server_log_line *line, const char *name, const char *value);
void server_log_span(struct server_log_line *line, const char *name, struct span value);
void server_log_number(struct server_log_line *line, const char *name, int64_t value);
void server_log_end(struct server_log_line *line);

/* A statement's text without passwords in it, in a buffer of the caller. */
void server_log_redact(struct span text, struct buffer *redacted);
