/*
 * Goal: statements in, answers out, for diff.py, which gives the same statements to PostgreSQL.
 *
 * Method: one database in memory and one session. Requests come on standard input, a letter, a
 * length of four bytes (big-endian, itself included) and a body, as in PostgreSQL's protocol, and
 * so do answers, so that one reader does for both; only the types of columns travel as names.
 *
 *   Q text\0    runs a statement: T (columns), D (a row), C (tag) or E (error), and Z
 *   O           a new empty database: Z
 *   F           flushes it, so that rows lie in segments: Z
 *   T number    a limit of so many milliseconds for each statement from now on: Z
 *   K number    takes a table of kernels (0: scalar): Z with its name, empty when there is none
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "engine/session.h"
#include "simd/simd.h"
#include "tdbplus/tdbplus.h"

#define STATEMENT_SIZE_MAX ((uint32_t)64 << 20)
#define ANSWER_SIZE_MAX    ((size_t)64 << 20)
#define TIMEOUT_US         4000000

struct worker {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
    struct buffer out;
    int64_t timeout_us;
    size_t message_at; /* Where the length of the message being written stands. */
};

static _Noreturn void give_up(const char *what)
{
    (void)fprintf(stderr, "diff_worker: %s\n", what);
    exit(3);
}

/* ---- writing ---- */

static void put_u16(struct buffer *out, uint32_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    buffer_put(out, bytes, sizeof bytes);
}

static void put_u32(struct buffer *out, uint32_t value)
{
    put_u16(out, value >> 16);
    put_u16(out, value & 0xffff);
}

static void put_text(struct buffer *out, const char *text)
{
    buffer_put(out, text, strlen(text) + 1);
}

static void message_begin(struct worker *worker, char kind)
{
    buffer_put(&worker->out, &kind, 1);
    worker->message_at = worker->out.size;
    put_u32(&worker->out, 0);
}

static void message_end(struct worker *worker)
{
    struct buffer *out = &worker->out;
    if (out->failed) {
        give_up("out of memory");
    }
    uint32_t size = (uint32_t)(out->size - worker->message_at);
    for (uint32_t i = 0; i < 4; i++) {
        out->data[worker->message_at + i] = (uint8_t)(size >> (24 - 8 * i));
    }
}

static void send_answers(struct worker *worker)
{
    size_t sent = 0;
    while (sent < worker->out.size) {
        ssize_t count = write(1, worker->out.data + sent, worker->out.size - sent);
        if (count <= 0) {
            exit(0); // Nobody reads any more.
        }
        sent += (size_t)count;
    }
    worker->out.size = 0;
}

static void put_ready(struct worker *worker, const char *text)
{
    message_begin(worker, 'Z');
    put_text(&worker->out, text);
    message_end(worker);
    send_answers(worker);
}

static void put_error(struct worker *worker)
{
    const tdbplus_error *error = &worker->call.error;
    char position[16];
    (void)snprintf(position, sizeof position, "%u", error->position);
    const char *texts[] = {error->sqlstate, error->message, error->hint, error->detail,
                           error->position > 0 ? position : ""};
    message_begin(worker, 'E');
    for (uint32_t i = 0; i < 5; i++) {
        if (texts[i][0] != 0) {
            buffer_put(&worker->out, "CMHDP" + i, 1);
            put_text(&worker->out, texts[i]);
        }
    }
    put_text(&worker->out, "");
    message_end(worker);
}

/* ---- statements ---- */

static void put_columns(struct worker *worker, const tdbplus_result *result)
{
    message_begin(worker, 'T');
    put_u16(&worker->out, result->column_count);
    for (uint32_t i = 0; i < result->column_count; i++) {
        char name[64];
        type_name(result->types[i], name);
        put_text(&worker->out, tdbplus_result_column(result, i).name);
        put_text(&worker->out, name);
    }
    message_end(worker);
}

/* On failure what was written of the row is still there. */
static tdbplus_status put_row(struct worker *worker, tdbplus_result *result)
{
    message_begin(worker, 'D');
    put_u16(&worker->out, result->column_count);
    for (uint32_t i = 0; i < result->column_count; i++) {
        const char *text = NULL;
        size_t size = 0;
        TRY(tdbplus_result_text(result, i, &text, &size, &worker->call));
        put_u32(&worker->out, text == NULL ? UINT32_MAX : (uint32_t)size);
        buffer_put(&worker->out, text, text == NULL ? 0 : size);
    }
    message_end(worker);
    return TDBPLUS_OK;
}

/* Answers of such a size are not compared. */
static tdbplus_status too_large(struct worker *worker)
{
    tdbplus_error *error = &worker->call.error;
    *error = (tdbplus_error){.status = TDBPLUS_E_LIMIT, .sqlstate = "54000"};
    (void)snprintf(error->message, sizeof error->message, "the answer is too large to compare");
    return TDBPLUS_E_LIMIT;
}

static tdbplus_status run(struct worker *worker, const char *sql, size_t size,
                          tdbplus_result **result)
{
    TRY(tdbplus_execute(worker->session, sql, size, NULL, 0, NULL, result, &worker->call));
    if (tdbplus_result_column_count(*result) == 0) {
        return TDBPLUS_OK;
    }
    put_columns(worker, *result);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = tdbplus_result_next(*result, NULL, &worker->call);
        size_t size_before = worker->out.size;
        if (status == TDBPLUS_OK) {
            status = size_before < ANSWER_SIZE_MAX ? put_row(worker, *result) : too_large(worker);
        }
        worker->out.size = status == TDBPLUS_OK ? worker->out.size : size_before;
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static void run_statement(struct worker *worker, const char *sql, size_t size)
{
    tdbplus_result *result = NULL;
    worker->call = TDBPLUS_CALL_INIT;
    worker->call.timeout_us = worker->timeout_us;
    tdbplus_status status = run(worker, sql, size, &result);
    if (status == TDBPLUS_OK) {
        message_begin(worker, 'C');
        put_text(&worker->out, tdbplus_result_tag(result));
        message_end(worker);
    } else {
        put_error(worker);
    }
    tdbplus_result_close(result);
    put_ready(worker, "");
}

/* ---- requests ---- */

static void open_database(struct worker *worker)
{
    tdbplus_session_close(worker->session);
    tdbplus_close(worker->db);
    worker->session = NULL;
    worker->db = NULL;
    worker->call = TDBPLUS_CALL_INIT;
    if (tdbplus_open(NULL, NULL, &worker->db, &worker->call) != TDBPLUS_OK ||
        tdbplus_session_open(worker->db, &worker->session, &worker->call) != TDBPLUS_OK) {
        give_up(worker->call.error.message);
    }
}

static const char *take_kernels(uint32_t number)
{
    const struct simd_ops *const *tables = simd_available();
    for (uint32_t i = 0; tables[i] != NULL; i++) {
        if (i == number) {
            simd = tables[i];
            return simd->name;
        }
    }
    return "";
}

static void handle(struct worker *worker, char kind, const char *body, uint32_t size)
{
    const char *answer = "";
    switch (kind) {
    case 'Q':
        run_statement(worker, body, size > 0 ? size - 1 : 0);
        return;
    case 'O':
        open_database(worker);
        break;
    case 'F':
        if (tdbplus_flush(worker->db, &worker->call) != TDBPLUS_OK) {
            give_up(worker->call.error.message);
        }
        break;
    case 'T':
        worker->timeout_us = (int64_t)atoi(body) * 1000;
        break;
    case 'K':
        answer = take_kernels((uint32_t)atoi(body));
        break;
    default:
        give_up("a request of an unknown kind");
    }
    put_ready(worker, answer);
}

static bool read_fully(void *data, size_t size)
{
    return fread(data, 1, size, stdin) == size;
}

int main(void)
{
    struct worker worker = {.call = TDBPLUS_CALL_INIT, .timeout_us = TIMEOUT_US};
    buffer_init(&worker.out, &alloc_system);
    open_database(&worker);
    char *body = NULL;
    for (;;) {
        uint8_t head[5];
        if (!read_fully(head, sizeof head)) {
            break;
        }
        uint32_t size =
            (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
        if (size < 4 || size > STATEMENT_SIZE_MAX) {
            give_up("a request without a sound length");
        }
        size -= 4;
        body = realloc(body, size + 1);
        if (body == NULL || !read_fully(body, size)) {
            break;
        }
        body[size] = 0;
        handle(&worker, (char)head[0], body, size);
    }
    free(body);
    tdbplus_session_close(worker.session);
    tdbplus_close(worker.db);
    buffer_deinit(&worker.out);
    return 0;
}
