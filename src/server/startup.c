/* From the first byte to ReadyForQuery: versions, parameters, passwords. */

#include <string.h>

#include <openssl/hmac.h>

#include "auth/role.h"
#include "server/server_internal.h"

#define CODE_CANCEL   80877102
#define CODE_TLS      80877103
#define CODE_GSS      80877104
#define PROTOCOL_30   (3 << 16)
#define AUTH_OK       0
#define AUTH_SASL     10
#define AUTH_CONTINUE 11
#define AUTH_FINAL    12

/* What never changes, */
static const char *const parameters[][2] = {
    {"server_version", "15.0 (TDB+ " TDBPLUS_VERSION ")"},
    {"server_encoding", "UTF8"},
    {"integer_datetimes", "on"},
    {"standard_conforming_strings", "on"},
    {"in_hot_standby", "off"},
};

/* and settings whose changes clients are told. */
static const char *const reported[] = {"application_name", "client_encoding",
                                       "DateStyle",        "default_transaction_read_only",
                                       "IntervalStyle",    "TimeZone"};
#define REPORTED_COUNT (sizeof reported / sizeof reported[0])
_Static_assert(REPORTED_COUNT <= REPORTED_COUNT_MAX, "a connection has room for each");

static void put_parameter(struct buffer *out, const char *name, const char *value)
{
    size_t at = wire_begin(out, 'S');
    wire_put_text(out, name);
    wire_put_text(out, value);
    wire_end(out, at);
}

static char *copy_text(const char *text, const struct alloc *alloc)
{
    size_t size = strlen(text) + 1;
    char *copy = alloc_raw(alloc, size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

static void drop_text(char **text, const struct alloc *alloc)
{
    if (*text != NULL) {
        alloc_free(alloc, *text, strlen(*text) + 1, 1);
        *text = NULL;
    }
}

void startup_report(struct connection *connection)
{
    const struct settings *settings = &connection->session->state->settings;
    const struct alloc *alloc = connection->server->alloc;
    if (connection->reported == settings_generation(settings)) {
        return;
    }
    connection->reported = settings_generation(settings);
    for (size_t i = 0; i < REPORTED_COUNT; i++) {
        uint32_t number = 0;
        struct buffer text = {.alloc = alloc};
        if (settings_find(settings, reported[i], &number, NULL) != TDBPLUS_OK) {
            continue;
        }
        settings_show(settings, number, &text);
        buffer_put_u8(&text, 0);
        char *old = connection->shown[i];
        if (!text.failed && (old == NULL || strcmp(old, (const char *)text.data) != 0)) {
            put_parameter(&connection->out, reported[i], (const char *)text.data);
            drop_text(&connection->shown[i], alloc);
            connection->shown[i] = copy_text((const char *)text.data, alloc);
        }
        buffer_deinit(&text);
    }
}

void startup_forget(struct connection *connection)
{
    for (size_t i = 0; i < REPORTED_COUNT; i++) {
        drop_text(&connection->shown[i], connection->server->alloc);
    }
}

static void refuse(struct connection *connection, const char *sqlstate, const char *text)
{
    struct err err = {0};
    if (err_set_state(&err, TDBPLUS_E_SQL, sqlstate, "%s", text) != TDBPLUS_OK) {
        protocol_error(connection, &err, true);
    }
}

/* ---- roles ---- */

/* What a role's password is checked against. For one that does not exist, or has none, it is made
 * up, the same each time, so that a stranger learns nothing. */
static tdbplus_status find_verifier(struct connection *connection, struct scram_exchange *exchange,
                                    const struct call *call)
{
    struct store *store = connection->server->db->store;
    struct txn_options options = {.read_only = true, .durability = -1};
    struct txn *txn = NULL;
    TRY(txn_begin(store, &options, call->alloc, &txn, call->err));
    tdbplus_status status = txn_statement(txn, call->err);
    struct role role = {0};
    bool known = status == TDBPLUS_OK && role_find(txn, connection->user, &role) &&
                 (role.flags & ROLE_LOGIN) != 0 &&
                 role.valid_until_us > (int64_t)env_clock_wall_us(connection->server->env) &&
                 scram_verifier_parse(role.verifier, &exchange->verifier);
    txn_abort(txn);
    if (status == TDBPLUS_OK && !known) {
        uint8_t mac[SCRAM_KEY_SIZE];
        exchange->is_mock = true;
        exchange->verifier = (struct scram_verifier){.iterations = SCRAM_ITERATION_COUNT};
        if (HMAC(EVP_sha256(), connection->server->mock_key, (int)SCRAM_KEY_SIZE,
                 (const unsigned char *)connection->user, strlen(connection->user), mac,
                 NULL) == NULL) {
            return err_set(call->err, TDBPLUS_E_NOMEM, "login: memory is out");
        }
        memcpy(exchange->verifier.salt, mac, SCRAM_SALT_SIZE);
    }
    return status;
}

/* ---- logged in ---- */

/* Sets a value as SET would, with all its checks, and makes it what RESET goes back to. */
static tdbplus_status preset(struct session_state *state, const char *name, const char *value,
                             struct err *err)
{
    struct settings *settings = &state->settings;
    uint32_t number = 0;
    TRY(settings_set(settings, name, span_from_text(value), SCOPE_SESSION, err));
    settings_commit(settings);
    TRY(settings_find(settings, name, &number, err));
    struct buffer text = {.alloc = state->alloc};
    buffer_put_text(&text, settings_text(settings, number));
    tdbplus_status status = text.failed
                                ? err_set(err, TDBPLUS_E_NOMEM, "a setting does not fit in memory")
                                : settings_preset(settings, number, buffer_span(&text), err);
    buffer_deinit(&text);
    return status;
}

/* What the startup packet set becomes what RESET goes back to. A connection's wishes are kept as
 * the packet has them: names and values, each with its zero byte. */
static tdbplus_status set_wishes(struct connection *connection, struct err *err)
{
    struct session_state *state = connection->session->state;
    session_listen(connection->session, connection->id, loop_wake, connection);
    TRY(session_state_login(state, connection->user, connection->server->trust, err));
    (void)snprintf(state->database, sizeof state->database, "%s",
                   connection->database[0] == '\0' ? connection->user : connection->database);
    struct wire_reader reader = {.rest = buffer_span(&connection->wishes)};
    while (reader.rest.size > 0) {
        const char *name = wire_text(&reader);
        const char *value = wire_text(&reader);
        TRY(preset(state, name, value, err));
    }
    (void)session_state_apply(state);
    buffer_deinit(&connection->wishes);
    return TDBPLUS_OK;
}

/* What the server's configuration lets sessions begin with. */
static tdbplus_status set_defaults(struct connection *connection, struct err *err)
{
    struct session_state *state = connection->session->state;
    for (uint32_t i = 0; i < connection->server->setting_count; i++) {
        const struct server_setting *setting = &connection->server->settings[i];
        TRY(preset(state, setting->name, setting->value, err));
    }
    return TDBPLUS_OK;
}

/* One more session of the role, if it may have one. */
static tdbplus_status count_session(struct connection *connection, struct err *err)
{
    const struct session_state *state = connection->session->state;
    const struct role *role = &state->session_role;
    bool free = (role->flags & ROLE_SUPERUSER) != 0; // Somebody must always get in.
    if (!guard_enter_role(&connection->server->guard, role->oid,
                          free ? -1 : role->connection_limit)) {
        return err_set_state(err, TDBPLUS_E_LIMIT, "53300", "too many connections for role \"%s\"",
                             role->name);
    }
    connection->role = role->oid;
    connection->counted = true;
    return TDBPLUS_OK;
}

/* A session for whoever has logged in. */
static tdbplus_status begin_as(struct connection *connection, struct err *err)
{
    TRY(set_defaults(connection, err));
    TRY(set_wishes(connection, err));
    session_refresh(connection->session); // From here on it acts as the role.
    return count_session(connection, err);
}

static void welcome(struct connection *connection)
{
    struct buffer *out = &connection->out;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    if (tdbplus_session_open(connection->server->db, &connection->session, &call) != TDBPLUS_OK) {
        refuse(connection, call.error.sqlstate, call.error.message);
        return;
    }
    struct err err = {0};
    if (begin_as(connection, &err) != TDBPLUS_OK) {
        observe_login(connection, &err);
        protocol_error(connection, &err, true);
        return;
    }
    guard_succeeded(&connection->server->guard, connection->address, connection->user);
    observe_login(connection, NULL);
    size_t at = wire_begin(out, 'R');
    wire_put_i32(out, AUTH_OK);
    wire_end(out, at);
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        put_parameter(out, parameters[i][0], parameters[i][1]);
    }
    bool superuser = (connection->session->state->role.flags & ROLE_SUPERUSER) != 0;
    put_parameter(out, "is_superuser", superuser ? "on" : "off");
    put_parameter(out, "session_authorization", connection->user);
    connection->reported = UINT64_MAX; // Nothing yet.
    startup_report(connection);
    at = wire_begin(out, 'K');
    wire_put_i32(out, connection->id);
    wire_put_i32(out, connection->secret);
    wire_end(out, at);
    connection->phase = PHASE_READY;
    protocol_ready(connection);
}

static void ask_password(struct connection *connection)
{
    struct buffer *out = &connection->out;
    connection->exchange = alloc_array(connection->server->alloc, 1, sizeof *connection->exchange);
    if (connection->exchange == NULL) {
        refuse(connection, "53200", "out of memory");
        return;
    }
    size_t at = wire_begin(out, 'R');
    wire_put_i32(out, AUTH_SASL);
    if (connection->tls != NULL) {
        wire_put_text(out, "SCRAM-SHA-256-PLUS");
        connection->exchange->end_point = tls_end_point(connection->server->tls);
    }
    wire_put_text(out, "SCRAM-SHA-256");
    wire_put_text(out, "");
    wire_end(out, at);
    connection->phase = PHASE_SASL;
}

/* ---- the first packet ---- */

static void copy_setting(char *to, size_t size, const char *value)
{
    (void)snprintf(to, size, "%s", value);
}

/* Options of the protocol that we do not know are named, and left out. */
static void negotiate(struct connection *connection, struct wire_reader reader, int32_t minor)
{
    uint32_t count = 0;
    struct wire_reader counting = reader;
    struct buffer *out = &connection->out;
    for (const char *name = wire_text(&counting); name[0] != '\0'; name = wire_text(&counting)) {
        count += strncmp(name, "_pq_.", 5) == 0;
        (void)wire_text(&counting);
    }
    if (count == 0 && minor == 0) {
        return;
    }
    size_t at = wire_begin(out, 'v');
    wire_put_i32(out, 0);
    wire_put_i32(out, (int32_t)count);
    for (const char *name = wire_text(&reader); name[0] != '\0'; name = wire_text(&reader)) {
        if (strncmp(name, "_pq_.", 5) == 0) {
            wire_put_text(out, name);
        }
        (void)wire_text(&reader);
    }
    wire_end(out, at);
}

/* "-c name=value" and "--name=value" of PGOPTIONS; a backslash keeps the blank after it. */
static void add_options(struct buffer *wishes, const char *text)
{
    while (*text != '\0') {
        text += strspn(text, " ");
        if (strncmp(text, "-c", 2) == 0) {
            text += 2;
            text += strspn(text, " ");
        } else if (strncmp(text, "--", 2) == 0) {
            text += 2;
        } else {
            return; // Switches of the server program mean nothing here.
        }
        bool named = false;
        for (; *text != '\0' && *text != ' '; text++) {
            if (*text == '=' && !named) {
                named = true;
                buffer_put_u8(wishes, 0);
                continue;
            }
            text += *text == '\\' && text[1] != '\0';
            buffer_put_u8(wishes, (uint8_t)*text);
        }
        if (!named) {
            buffer_put_u8(wishes, 0);
        }
        buffer_put_u8(wishes, 0);
    }
}

static struct guard_limits guard_limits(const struct server *server)
{
    return (struct guard_limits){.failures = atomic_load(&server->login_failure_max),
                                 .wait_s = atomic_load(&server->login_wait_s)};
}

/* After too many failed logins an address, or a name, has to wait. */
static bool may_try(struct connection *connection)
{
    struct server *server = connection->server;
    struct guard_limits limits = guard_limits(server);
    char text[128];
    uint32_t wait_s = guard_wait_s(&server->guard, &limits, connection->address, connection->user,
                                   connection->loop->now_s);
    if (wait_s == 0) {
        return true;
    }
    metrics_add(&server->metrics.refused, 1);
    (void)snprintf(text, sizeof text, "too many failed logins; try again in %u seconds", wait_s);
    refuse(connection, "28000", text);
    return false;
}

static void begin_session(struct connection *connection, struct wire_reader *reader, int32_t minor)
{
    struct wire_reader again = *reader;
    const char *name = wire_text(reader);
    while (name[0] != '\0') {
        const char *value = wire_text(reader);
        if (strcmp(name, "user") == 0) {
            if (strlen(value) >= sizeof connection->user) {
                refuse(connection, "28000", "the user name is too long");
                return;
            }
            copy_setting(connection->user, sizeof connection->user, value);
        } else if (strcmp(name, "database") == 0) {
            copy_setting(connection->database, sizeof connection->database, value);
        } else if (strcmp(name, "replication") == 0 && strcmp(value, "false") != 0) {
            refuse(connection, "0A000", "replication connections are not supported");
            return;
        } else if (strcmp(name, "options") == 0) {
            add_options(&connection->wishes, value);
        } else if (strncmp(name, "_pq_.", 5) != 0 && strcmp(name, "replication") != 0) {
            wire_put_text(&connection->wishes, name);
            wire_put_text(&connection->wishes, value);
        }
        name = wire_text(reader);
    }
    if (reader->overrun || reader->rest.size > 0) {
        refuse(connection, "08P01",
               "invalid startup packet layout: expected terminator as last "
               "byte");
        return;
    }
    if (connection->user[0] == '\0') {
        refuse(connection, "28000", "no user name specified in startup packet");
        return;
    }
    struct server *server = connection->server;
    if (atomic_load(&server->connection_count) > atomic_load(&server->connection_count_max)) {
        metrics_add(&server->metrics.refused, 1);
        refuse(connection, "53300", "sorry, too many clients already");
        return;
    }
    if (!may_try(connection)) {
        return;
    }
    if (server->tls_required && connection->tls == NULL && !connection->is_local) {
        refuse(connection, "28000",
               "this server takes encrypted connections only: sslmode=require");
        return;
    }
    negotiate(connection, again, minor);
    if (server->trust) {
        welcome(connection);
    } else {
        ask_password(connection);
    }
}

/* The loop encrypts from here on. Bytes that came before are somebody else's in between. */
static bool begin_tls(struct connection *connection)
{
    if (connection->in_at != connection->in.size) {
        refuse(connection, "08P01", "received unencrypted data after SSL request");
        return false;
    }
    buffer_put_u8(&connection->out, 'S');
    connection->wants_tls = true;
    return false;
}

/* Takes the first packet; false when it is not there as a whole. */
static bool read_startup(struct connection *connection)
{
    struct wire_reader reader = {.rest = {.data = connection->in.data + connection->in_at,
                                          .size = connection->in.size - connection->in_at}};
    if (reader.rest.size < 8) {
        connection->needed = 8;
        return false;
    }
    uint32_t size = (uint32_t)wire_i32(&reader);
    if (size < 8 || size > STARTUP_SIZE_MAX) {
        connection->phase = PHASE_CLOSING; // No client of ours; it gets no answer.
        return false;
    }
    if (connection->in.size - connection->in_at < size) {
        connection->needed = size;
        return false;
    }
    connection->in_at += size;
    reader.rest.size = size - 4;
    int32_t code = wire_i32(&reader);
    if (code == CODE_CANCEL) {
        int32_t id = wire_i32(&reader);
        int32_t secret = wire_i32(&reader);
        server_cancel(connection->server, id, secret);
        connection->phase = PHASE_CLOSING;
    } else if (code == CODE_TLS && connection->server->tls != NULL && connection->tls == NULL) {
        return begin_tls(connection);
    } else if (code == CODE_TLS || code == CODE_GSS) {
        buffer_put_u8(&connection->out, 'N');
    } else if (code >> 16 != 3) {
        char text[96];
        (void)snprintf(text, sizeof text,
                       "unsupported frontend protocol %d.%d: server supports 3.0", code >> 16,
                       code & 0xffff);
        refuse(connection, "0A000", text);
    } else {
        begin_session(connection, &reader, code & 0xffff);
    }
    return true;
}

/* ---- passwords ---- */

static void put_sasl(struct buffer *out, int32_t code, const struct buffer *answer)
{
    size_t at = wire_begin(out, 'R');
    wire_put_i32(out, code);
    buffer_put_span(out, buffer_span(answer));
    wire_end(out, at);
}

static tdbplus_status first_answer(struct connection *connection, struct wire_reader *reader,
                                   const struct call *call)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
    char nonce[SCRAM_NONCE_SIZE + 1] = {0};
    const char *mechanism = wire_text(reader);
    int32_t size = wire_i32(reader);
    struct span message = size < 0 ? (struct span){0} : wire_bytes(reader, (size_t)size);
    TRY(wire_finish(reader, "SASLInitialResponse", call->err));
    bool plus = strcmp(mechanism, "SCRAM-SHA-256-PLUS") == 0 && connection->tls != NULL;
    if (!plus && strcmp(mechanism, "SCRAM-SHA-256") != 0) {
        return err_set_state(call->err, TDBPLUS_E_INVALID, "08P01",
                             "client selected an invalid SASL authentication mechanism");
    }
    env_entropy(connection->server->env, nonce, SCRAM_NONCE_SIZE);
    for (size_t i = 0; i < SCRAM_NONCE_SIZE; i++) {
        nonce[i] = letters[(uint8_t)nonce[i] % 64u];
    }
    connection->exchange->is_bound = plus;
    TRY(find_verifier(connection, connection->exchange, call));
    struct buffer answer;
    buffer_init(&answer, call->alloc);
    tdbplus_status status = scram_first(connection->exchange, message, nonce, &answer, call->err);
    if (status == TDBPLUS_OK) {
        put_sasl(&connection->out, AUTH_CONTINUE, &answer);
        connection->phase = PHASE_PROOF;
    }
    buffer_deinit(&answer);
    return status;
}

static tdbplus_status final_answer(struct connection *connection, struct wire_reader *reader,
                                   const struct call *call)
{
    struct buffer answer;
    buffer_init(&answer, call->alloc);
    tdbplus_status status =
        scram_final(connection->exchange, reader->rest, connection->user, &answer, call->err);
    if (status == TDBPLUS_OK) {
        put_sasl(&connection->out, AUTH_FINAL, &answer);
        alloc_free(connection->server->alloc, connection->exchange, 1,
                   sizeof *connection->exchange);
        connection->exchange = NULL;
        welcome(connection);
    }
    buffer_deinit(&answer);
    return status;
}

bool startup_message(struct connection *connection, const struct call *call)
{
    if (connection->phase == PHASE_STARTUP) {
        return read_startup(connection);
    }
    struct wire_reader reader;
    char letter = protocol_next(connection, LOGIN_SIZE_MAX, &reader);
    if (letter == 0) {
        return false;
    }
    if (letter != 'p') {
        refuse(connection, "08P01", "expected SASL response");
        return true;
    }
    err_clear(call->err);
    tdbplus_status status = connection->phase == PHASE_SASL
                                ? first_answer(connection, &reader, call)
                                : final_answer(connection, &reader, call);
    if (status != TDBPLUS_OK) {
        struct guard_limits limits = guard_limits(connection->server);
        guard_failed(&connection->server->guard, &limits, connection->address, connection->user,
                     connection->loop->now_s);
        observe_login(connection, call->err);
        protocol_error(connection, call->err, true);
    }
    return true;
}
