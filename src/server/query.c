/* Strings of statements, and rows. */

#include <string.h>
#include <strings.h>

#include "os/fiber.h"
#include "server/server_internal.h"
#include "types/text.h"
#include "types/wire_type.h"

#define QUICK_TEXT_SIZE_MAX     2048u
#define ROW_COUNT_BETWEEN_LOOKS 64u /* Rows between two looks at the output's size. */

void query_leave_loop(const struct connection *connection, size_t size)
{
    if (size > QUICK_TEXT_SIZE_MAX) {
        env_yield(connection->server->env);
    }
}

/* ---- rows ---- */

static uint16_t format_of(struct row_formats formats, uint32_t column)
{
    if (formats.count == 0) {
        return WIRE_TEXT;
    }
    return formats.formats[formats.count == 1 ? 0 : column];
}

static void describe_column(struct buffer *out, const char *name, struct type sql_type,
                            uint16_t format)
{
    struct wire_type type = wire_type_of(sql_type);
    wire_put_text(out, name);
    wire_put_i32(out, 0); // Table and column: not told.
    wire_put_i16(out, 0);
    wire_put_i32(out, type.oid);
    wire_put_i16(out, type.size);
    wire_put_i32(out, type.modifier);
    wire_put_i16(out, (int16_t)format);
}

void query_describe(struct buffer *out, const struct sql_column *columns, uint32_t count,
                    struct row_formats formats)
{
    size_t at = wire_begin(out, 'T');
    wire_put_i16(out, (int16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        describe_column(out, columns[i].name, columns[i].type, format_of(formats, i));
    }
    wire_end(out, at);
}

void query_describe_result(struct buffer *out, const tdbplus_result *result)
{
    size_t at = wire_begin(out, 'T');
    wire_put_i16(out, (int16_t)result->column_count);
    for (uint32_t i = 0; i < result->column_count; i++) {
        describe_column(out, result->columns[i].name, result->types[i], WIRE_TEXT);
    }
    wire_end(out, at);
}

static void put_text_value(struct buffer *out, const struct datum *datum,
                           const struct text_style *style)
{
    size_t begin = out->size;
    wire_put_i32(out, 0);
    if (datum->type.id == TYPE_BOOL) {
        buffer_put_u8(out, datum->boolean ? 't' : 'f');
    } else {
        text_print(datum, style, out);
    }
    wire_set_i32(out, begin, (int32_t)(out->size - begin - 4));
}

static void put_row(struct buffer *out, const tdbplus_result *result, uint32_t row,
                    struct row_formats formats)
{
    size_t at = wire_begin(out, 'D');
    wire_put_i16(out, (int16_t)result->column_count);
    for (uint32_t i = 0; i < result->column_count; i++) {
        struct datum datum;
        column_get(&result->batch.columns[i], row, &datum);
        if (datum.is_null) {
            wire_put_i32(out, -1);
        } else if (format_of(formats, i) == WIRE_BINARY) {
            wire_put_binary(out, &datum, &result->state->style);
        } else {
            put_text_value(out, &datum, &result->state->style);
        }
    }
    wire_end(out, at);
}

/* The rows at hand, up to `limit`. False when the client is gone. */
static bool put_batch(struct connection *connection, tdbplus_result *result,
                      struct row_formats formats, uint64_t limit, uint64_t *count)
{
    uint32_t live = batch_live_count(&result->batch);
    while (result->at < live && (limit == 0 || *count < limit)) {
        uint32_t row =
            result->batch.selection == NULL ? result->at : result->batch.selection[result->at];
        put_row(&connection->out, result, row, formats);
        result->at++;
        *count += 1;
        if (*count % ROW_COUNT_BETWEEN_LOOKS == 0 &&
            connection->out.size >= CONNECTION_OUTPUT_SIZE && !connection_flush(connection)) {
            return false;
        }
    }
    return true;
}

tdbplus_status query_rows(struct connection *connection, tdbplus_result *result,
                          struct row_formats formats, uint64_t limit, uint64_t *count_out,
                          const struct call *call)
{
    uint64_t count = 0;
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK && (limit == 0 || count < limit)) {
        fiber_breathe();
        if (result->batch_ready || result->at >= batch_live_count(&result->batch)) {
            status = result_next_batch(result, call);
        }
        if (status == TDBPLUS_OK && !put_batch(connection, result, formats, limit, &count)) {
            status = err_set(call->err, TDBPLUS_E_CANCELLED, "the client is gone");
        }
        if (connection->out.failed) {
            status = err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit in memory");
        }
    }
    *count_out = count;
    return status;
}

/* ---- places to run ---- */

/* Whether somebody still wants what a statement in line would give. */
static bool is_wanted(void *ctx)
{
    struct connection *connection = ctx;
    latch_lock(&connection->latch);
    bool gone = connection->gone;
    latch_unlock(&connection->latch);
    return !gone && !atomic_load((_Atomic bool *)&connection->api.cancel);
}

/* Within a transaction nothing waits in line: it may hold what those that run wait for. */
tdbplus_status query_begin(struct connection *connection, const struct call *call)
{
    struct server *server = connection->server;
    uint32_t most = tdbplus_session_in_transaction(connection->session)
                        ? 0
                        : atomic_load(&server->running_count_max);
    switch (guard_begin(&server->guard, most, atomic_load(&server->waiting_count_max), server->env,
                        is_wanted, connection)) {
    case GUARD_RUNS:
        return TDBPLUS_OK;
    case GUARD_FULL:
        metrics_add(&server->metrics.statement_refused, 1);
        return err_set_state(call->err, TDBPLUS_E_LIMIT, "53000",
                             "%u statements run and %u wait: the server takes no more", most,
                             atomic_load(&server->waiting_count_max));
    case GUARD_GIVEN_UP:
        break;
    }
    return err_set_state(call->err, TDBPLUS_E_CANCELLED, "57014",
                         "canceling statement due to user request");
}

void query_end(struct connection *connection)
{
    guard_end(&connection->server->guard, connection->server->env);
}

/* ---- transactions that nobody began ---- */

tdbplus_status query_control(struct connection *connection, const char *text,
                             const struct call *call)
{
    tdbplus_result *result = NULL;
    struct execute_args args = {
        .session = connection->session, .sql = text, .size = strlen(text), .result_out = &result};
    TRY(session_execute(&args, call));
    tdbplus_result_close(result);
    return TDBPLUS_OK;
}

/* A statement that begins or ends a transaction by itself. */
static bool is_control(const char *text, size_t size)
{
    static const char *const words[] = {"begin", "start", "commit", "end", "rollback", "abort"};
    size_t at = 0;
    while (at < size && strchr(" \t\r\n\f\v", text[at]) != NULL) {
        at++;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i]);
        if (size - at >= length && strncasecmp(text + at, words[i], length) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_blank(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && strchr(" \t\r\n\f\v;", text[at]) != NULL) {
        at++;
    }
    return at == size;
}

/* Several statements in one string are one transaction, unless they say otherwise. */
static tdbplus_status begin_implicit(struct connection *connection, const char *text, size_t size,
                                     const struct call *call)
{
    size_t first = split_statement(text, size);
    if (tdbplus_session_in_transaction(connection->session) || connection->implicit ||
        is_blank(text + first, size - first) || is_control(text, first)) {
        return TDBPLUS_OK;
    }
    TRY(query_control(connection, "BEGIN", call));
    connection->implicit = true;
    return TDBPLUS_OK;
}

/* ---- strings ---- */

static tdbplus_status answer(struct connection *connection, tdbplus_result *result,
                             const struct call *call)
{
    struct buffer *out = &connection->out;
    uint64_t count = 0;
    if (copy_wanted(result)) {
        TRY(copy_run(connection, result, call));
    } else if (result->column_count > 0) {
        query_describe_result(out, result);
        tdbplus_status status =
            query_rows(connection, result, (struct row_formats){0}, 0, &count, call);
        if (status != TDBPLUS_END) {
            return status;
        }
    }
    const char *tag = tdbplus_result_tag(result);
    protocol_notices(connection);
    size_t at = wire_begin(out, tag[0] == '\0' ? 'I' : 'C');
    if (tag[0] != '\0') {
        wire_put_text(out, tag);
    }
    wire_end(out, at);
    return TDBPLUS_OK;
}

static tdbplus_status run_one(struct connection *connection, const char *text, size_t size,
                              size_t *consumed_out, const struct call *call)
{
    tdbplus_result *result = NULL;
    struct execute_args args = {.session = connection->session,
                                .sql = text,
                                .size = size,
                                .consumed_out = consumed_out,
                                .result_out = &result};
    uint64_t begin_us = env_clock_mono_us(connection->server->env);
    TRY(query_begin(connection, call));
    tdbplus_status status = session_execute(&args, call);
    if (status == TDBPLUS_OK) {
        status = answer(connection, result, call);
        if (status != TDBPLUS_OK && connection->session->txn != NULL) {
            connection->session->failed = true;
        }
    }
    query_end(connection);
    struct span ran = {.data = (const uint8_t *)text, .size = size};
    observe_statement(connection, begin_us, ran,
                      status == TDBPLUS_OK ? tdbplus_result_tag(result) : NULL, call->err);
    tdbplus_result_close(result);
    return status;
}

static tdbplus_status run_all(struct connection *connection, const char *text, size_t size,
                              const struct call *call)
{
    size_t at = 0;
    bool first = true;
    while (first || !is_blank(text + at, size - at)) {
        size_t consumed = 0;
        first = false;
        TRY(begin_implicit(connection, text + at, size - at, call));
        if (connection->implicit && is_control(text + at, size - at)) {
            connection->implicit = false; // From here on the client says when it ends.
        }
        tdbplus_status status = run_one(connection, text + at, size - at, &consumed, call);
        if (status != TDBPLUS_OK && call->err->position > 0) {
            // Positions count characters of the whole string.
            for (size_t i = 0; i < at; i++) {
                call->err->position += ((uint8_t)text[i] & 0xc0) != 0x80;
            }
        }
        TRY(status);
        at += consumed;
    }
    return TDBPLUS_OK;
}

static tdbplus_status end_implicit(struct connection *connection, bool commit,
                                   const struct call *call)
{
    if (!connection->implicit) {
        return TDBPLUS_OK;
    }
    connection->implicit = false;
    return query_control(connection, commit ? "COMMIT" : "ROLLBACK", call);
}

void query_simple(struct connection *connection, const char *text, const struct call *call)
{
    size_t size = strlen(text);
    query_leave_loop(connection, size);
    // COPY reads messages while the string is still at work.
    char *copy = alloc_raw(call->alloc, size + 1);
    tdbplus_status status = TDBPLUS_OK;
    if (copy == NULL) {
        status = err_set(call->err, TDBPLUS_E_NOMEM, "a statement does not fit in memory");
    } else {
        memcpy(copy, text, size + 1);
        status = run_all(connection, copy, size, call);
        alloc_free(call->alloc, copy, size + 1, 1);
    }
    if (status == TDBPLUS_OK) {
        status = end_implicit(connection, true, call);
    }
    if (status != TDBPLUS_OK) {
        protocol_error(connection, call->err, false);
        err_clear(call->err);
        if (end_implicit(connection, false, call) != TDBPLUS_OK) {
            err_clear(call->err);
        }
    }
}
