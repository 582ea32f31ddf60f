/* Which message does what, and what goes wrong with it. */

#include <string.h>

#include "catalog/catalog.h"
#include "server/server_internal.h"

/* ---- answers ---- */

static void put_field(struct buffer *out, char field, const char *text)
{
    if (text[0] != '\0') {
        buffer_put_u8(out, (uint8_t)field);
        wire_put_text(out, text);
    }
}

/* What the error is about; the store keeps names behind their schema. */
static void put_about(struct buffer *out, const struct err *err)
{
    const char *own = catalog_own_name(err->relation);
    if (err->relation[0] == '\0') {
        return;
    }
    char schema[ERR_NAME_SIZE];
    int size = own == err->relation ? 0 : (int)(own - err->relation) - 1;
    (void)snprintf(schema, sizeof schema, "%.*s", size, err->relation);
    put_field(out, 's', size == 0 ? CATALOG_SCHEMA_DEFAULT : schema);
    put_field(out, 't', own);
    put_field(out, 'c', err->column);
    put_field(out, 'n', err->constraint);
}

void protocol_error(struct connection *connection, const struct err *err, bool fatal)
{
    struct buffer *out = &connection->out;
    const char *severity = fatal ? "FATAL" : "ERROR";
    bool known = err->status != TDBPLUS_OK;
    size_t at = wire_begin(out, 'E');
    put_field(out, 'S', severity);
    put_field(out, 'V', severity);
    put_field(out, 'C', known ? err->sqlstate : tdbplus_status_sqlstate(TDBPLUS_E_INTERNAL));
    put_field(out, 'M', known ? err->text : tdbplus_status_text(TDBPLUS_E_INTERNAL));
    put_field(out, 'D', err->detail);
    put_field(out, 'H', err->hint);
    put_field(out, 'W', err->context);
    put_about(out, err);
    if (err->position > 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", err->position);
        put_field(out, 'P', number);
    }
    buffer_put_u8(out, 0);
    wire_end(out, at);
    if (fatal) {
        connection->phase = PHASE_CLOSING;
    }
}

void protocol_notices(struct connection *connection)
{
    struct notice notice;
    struct buffer *out = &connection->out;
    while (session_take_notice(connection->session, &notice)) {
        size_t at = wire_begin(out, 'N');
        put_field(out, 'S', notice.level);
        put_field(out, 'V', notice.level);
        put_field(out, 'C', notice.sqlstate);
        put_field(out, 'M', notice.text);
        buffer_put_u8(out, 0);
        wire_end(out, at);
    }
}

void protocol_news(struct connection *connection)
{
    struct buffer *out = &connection->out;
    tdbplus_session *session = connection->session;
    struct notification *news = NULL;
    if (session == NULL || tdbplus_session_in_transaction(session) || connection->implicit) {
        return;
    }
    while ((news = session_take_notification(session)) != NULL) {
        size_t at = wire_begin(out, 'A');
        wire_put_i32(out, news->sender);
        wire_put_text(out, news->channel);
        wire_put_text(out, news->payload);
        wire_end(out, at);
        notification_destroy(&session->db->host, news);
    }
}

void protocol_ready(struct connection *connection)
{
    const tdbplus_session *session = connection->session;
    protocol_notices(connection);
    startup_report(connection);
    protocol_news(connection);
    size_t at = wire_begin(&connection->out, 'Z');
    bool open = tdbplus_session_in_transaction(session);
    buffer_put_u8(&connection->out, !open ? 'I' : session->failed ? 'E' : 'T');
    wire_end(&connection->out, at);
}

/* ---- messages ---- */

char protocol_next(struct connection *connection, size_t size_max, struct wire_reader *reader_out)
{
    size_t have = connection->in.size - connection->in_at;
    if (have < WIRE_HEADER_SIZE) {
        connection->needed = WIRE_HEADER_SIZE;
        return 0;
    }
    const uint8_t *at = connection->in.data + connection->in_at;
    struct wire_reader header = {.rest = {.data = at + 1, .size = 4}};
    size_t size = (uint32_t)wire_i32(&header);
    if (size < 4 || size > size_max) {
        struct err err = {0};
        if (err_set_state(&err, TDBPLUS_E_INVALID, "08P01",
                          "a message of type \"%c\" says it has %zu bytes; 4 to %zu are allowed",
                          at[0] >= 0x20 && at[0] < 0x7f ? at[0] : '?', size,
                          size_max) != TDBPLUS_OK) {
            protocol_error(connection, &err, true);
        }
        return 0;
    }
    if (have < size + 1) {
        connection->needed = size + 1;
        return 0;
    }
    connection->in_at += size + 1;
    *reader_out = (struct wire_reader){.rest = {.data = at + WIRE_HEADER_SIZE, .size = size - 4}};
    return (char)at[0];
}

static void simple(struct connection *connection, struct wire_reader *reader,
                   const struct call *call)
{
    const char *text = wire_text(reader);
    extended_drop_portals(connection);
    if (wire_finish(reader, "Query", call->err) != TDBPLUS_OK) {
        protocol_error(connection, call->err, false);
    } else {
        query_simple(connection, text, call);
    }
    protocol_ready(connection);
}

/* `status` is that of the error that was just set. */
static void refuse(struct connection *connection, const struct call *call, tdbplus_status status)
{
    if (status != TDBPLUS_OK) {
        protocol_error(connection, call->err, false);
    }
}

static void handle(struct connection *connection, char letter, struct wire_reader *reader,
                   const struct call *call)
{
    switch (letter) {
    case 'Q':
        simple(connection, reader, call);
        break;
    case 'P':
        extended_parse(connection, reader, call);
        break;
    case 'B':
        extended_bind(connection, reader, call);
        break;
    case 'D':
        extended_describe(connection, reader, call);
        break;
    case 'E':
        extended_execute(connection, reader, call);
        break;
    case 'C':
        extended_close(connection, reader, call);
        break;
    case 'S':
        extended_sync(connection, call);
        break;
    case 'H':
        (void)connection_flush(connection);
        break;
    case 'X':
        connection->phase = PHASE_CLOSING;
        break;
    case 'd':
    case 'c':
    case 'f':
        break; // Of a COPY that has failed.
    case 'F':
        refuse(connection, call,
               err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                       "function calls are not supported; use SELECT"));
        protocol_ready(connection);
        break;
    default:
        refuse(connection, call,
               err_set_state(call->err, TDBPLUS_E_INVALID, "08P01",
                             "invalid frontend message type %d", letter));
        connection->phase = PHASE_CLOSING;
        break;
    }
}

static bool is_extended(char letter)
{
    return letter != 'S' && letter != 'X' && letter != 'Q';
}

static void run_message(struct connection *connection, char letter, struct wire_reader *reader,
                        const struct call *call)
{
    err_clear(call->err);
    // A wish to cancel that came between two statements is about none.
    atomic_store((_Atomic bool *)&connection->api.cancel, false);
    if (connection->skipping && is_extended(letter)) {
        return;
    }
    handle(connection, letter, reader, call);
    if (connection->out.size >= CONNECTION_OUTPUT_SIZE) {
        (void)connection_flush(connection);
    }
    if (connection->out.failed) {
        connection->phase = PHASE_CLOSING; // Nothing can be said without memory.
    }
}

void protocol_run(struct connection *connection, const struct call *call)
{
    bool more = true;
    while (more && connection->phase < PHASE_READY) {
        more = startup_message(connection, call);
    }
    while (connection->phase == PHASE_READY) {
        struct wire_reader reader;
        char letter =
            protocol_next(connection, atomic_load(&connection->server->message_size_max), &reader);
        if (letter == 0) {
            break;
        }
        run_message(connection, letter, &reader, call);
    }
    if (connection->in_at == connection->in.size) {
        buffer_clear(&connection->in);
        connection->in_at = 0;
    }
}

void protocol_end(struct connection *connection)
{
    extended_drop(connection);
    startup_forget(connection);
    tdbplus_session_close(connection->session);
    connection->session = NULL;
    alloc_free(connection->server->alloc, connection->exchange, 1, sizeof *connection->exchange);
    connection->exchange = NULL;
}
