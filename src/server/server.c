/* Loops and listeners. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/server_internal.h"

#define BACKLOG        511
#define LOOP_COUNT_MAX 64u
#define STOP_LOOK_US   20000u
#define TICK_MS        1000u

static tdbplus_status uv_failed(struct err *err, const char *what, int code)
{
    return err_set(err, TDBPLUS_E_IO, "server: %s: %s", what, uv_strerror(code));
}

/* ---- accepting ---- */

static void forget(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct server *server = connection->server;
    alloc_free(server->alloc, connection, 1, sizeof *connection);
    atomic_fetch_sub(&server->connection_count, 1);
}

/* Whom logs and limits mean. */
static void name_client(struct connection *connection)
{
    struct sockaddr_storage address = {0};
    int size = (int)sizeof address;
    uint64_t chance = 0;
    (void)snprintf(connection->address, sizeof connection->address, "local");
    if (!connection->is_local &&
        uv_tcp_getpeername(&connection->socket.tcp, (struct sockaddr *)&address, &size) == 0) {
        (void)uv_ip_name((const struct sockaddr *)&address, connection->address,
                         sizeof connection->address);
    }
    env_entropy(connection->server->env, &chance, sizeof chance);
    (void)snprintf(connection->trace, sizeof connection->trace, "%016" PRIx64, chance);
}

static void accept_one(uv_stream_t *listener, int code)
{
    struct server_loop *loop = listener->data;
    struct server *server = loop->server;
    if (code < 0) {
        return; // Out of descriptors, or the client went away: the next one may do better.
    }
    struct connection *connection = alloc_array(server->alloc, 1, sizeof *connection);
    if (connection == NULL) {
        return;
    }
    connection->loop = loop;
    connection->server = server;
    connection->is_local = listener->type == UV_NAMED_PIPE;
    atomic_fetch_add(&server->connection_count, 1);
    metrics_add(&server->metrics.connections, 1);
    int made = connection->is_local ? uv_pipe_init(&loop->uv, &connection->socket.pipe, 0)
                                    : uv_tcp_init(&loop->uv, &connection->socket.tcp);
    connection->socket.handle.data = connection;
    if (made < 0 || uv_accept(listener, &connection->socket.stream) < 0) {
        uv_close(&connection->socket.handle, forget); // Another loop was quicker.
        return;
    }
    if (!connection->is_local) {
        (void)uv_tcp_nodelay(&connection->socket.tcp, 1);
        (void)uv_tcp_keepalive(&connection->socket.tcp, 1, 60);
    }
    name_client(connection);
    connection_start(connection);
}

/* ---- one loop ---- */

static void tick(uv_timer_t *timer)
{
    struct server_loop *loop = timer->data;
    loop->now_s = uv_now(&loop->uv) / 1000u;
    loop_tick(loop);
    http_tick(loop, false);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* What other threads asked for. */
static void wake(uv_async_t *async)
{
    struct server_loop *loop = async->data;
    loop_serve_posted(async);
    if (!atomic_load(&loop->server->stopping)) {
        return;
    }
    if (loop->has_tcp) {
        close_handle((uv_handle_t *)&loop->tcp);
    }
    if (loop->has_local) {
        close_handle((uv_handle_t *)&loop->local);
    }
    loop_tick(loop);
    if (loop->connections == NULL) {
        // Whoever posted the last one may still be about to wake us.
        latch_lock(&loop->latch);
        latch_unlock(&loop->latch);
        http_tick(loop, true);
        close_handle((uv_handle_t *)&loop->tick);
        close_handle((uv_handle_t *)&loop->wake);
    }
}

static void run_loop(void *arg)
{
    struct server_loop *loop = arg;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static tdbplus_status init_loop(struct server *server, struct server_loop *loop, struct err *err)
{
    loop->server = server;
    buffer_init(&loop->plain, server->alloc);
    int code = uv_loop_init(&loop->uv);
    if (code < 0) {
        return uv_failed(err, "an event loop", code);
    }
    loop->is_open = true;
    loop->now_s = uv_now(&loop->uv) / 1000u;
    loop->wake.data = loop;
    loop->tick.data = loop;
    loop->tcp.data = loop;
    loop->local.data = loop;
    code = uv_async_init(&loop->uv, &loop->wake, wake);
    if (code == 0) {
        code = uv_timer_init(&loop->uv, &loop->tick);
    }
    if (code == 0) {
        code = uv_timer_start(&loop->tick, tick, TICK_MS, TICK_MS);
    }
    return code < 0 ? uv_failed(err, "an event loop", code) : TDBPLUS_OK;
}

/* ---- listening ---- */

static tdbplus_status bind_tcp(struct server *server, const struct server_options *options,
                               struct err *err)
{
    struct server_loop *loop = &server->loops[0];
    const char *host = options->host == NULL ? "127.0.0.1" : options->host;
    struct sockaddr_storage address = {0};
    int code = uv_ip4_addr(host, options->port, (struct sockaddr_in *)&address);
    if (code < 0) {
        code = uv_ip6_addr(host, options->port, (struct sockaddr_in6 *)&address);
    }
    if (code < 0) {
        return err_set(err, TDBPLUS_E_INVALID, "server: \"%s\" is not an IP address", host);
    }
    code = uv_tcp_init(&loop->uv, &loop->tcp);
    loop->has_tcp = code == 0;
    if (code == 0) {
        code = uv_tcp_bind(&loop->tcp, (const struct sockaddr *)&address, 0);
    }
    if (code == 0) {
        code = uv_listen((uv_stream_t *)&loop->tcp, BACKLOG, accept_one);
    }
    int size = (int)sizeof address;
    if (code == 0) {
        code = uv_tcp_getsockname(&loop->tcp, (struct sockaddr *)&address, &size);
    }
    if (code < 0) {
        char text[128];
        (void)snprintf(text, sizeof text, "listening on %s, port %d", host, options->port);
        return uv_failed(err, text, code);
    }
    // Both families have the port at the same place.
    server->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return TDBPLUS_OK;
}

/* Of a socket; that it is not there is fine. */
static void unlink_quietly(const struct env *env, const char *path)
{
    tdbplus_status status = env_unlink(env, path, NULL);
    (void)status;
}

static tdbplus_status bind_local(struct server *server, const struct server_options *options,
                                 struct err *err)
{
    struct server_loop *loop = &server->loops[0];
    char path[sizeof server->socket_path];
    int size =
        snprintf(path, sizeof path, "%s/.s.PGSQL.%d", options->socket_directory, server->port);
    if (size < 0 || size >= (int)sizeof path) {
        return err_set(err, TDBPLUS_E_INVALID,
                       "server: the path of the unix socket in %s is longer "
                       "than %zu bytes",
                       options->socket_directory, sizeof path - 1);
    }
    // One that a server which was killed left behind is in the way; a live one holds the database.
    unlink_quietly(server->env, path);
    int code = uv_pipe_init(&loop->uv, &loop->local, 0);
    loop->has_local = code == 0;
    if (code == 0) {
        code = uv_pipe_bind(&loop->local, path);
    }
    if (code == 0) {
        memcpy(server->socket_path, path, sizeof path);
        code = uv_listen((uv_stream_t *)&loop->local, BACKLOG, accept_one);
    }
    if (code < 0) {
        return uv_failed(err, path, code);
    }
    return TDBPLUS_OK;
}

/* A descriptor of the first loop's listener for another loop; -1: none. */
static int share(const uv_handle_t *listener)
{
    uv_os_fd_t descriptor = -1;
    return uv_fileno(listener, &descriptor) < 0 ? -1 : dup(descriptor);
}

static int share_tcp(struct server_loop *from, struct server_loop *to)
{
    int code = uv_tcp_init(&to->uv, &to->tcp);
    if (code < 0) {
        return code;
    }
    to->has_tcp = true;
    int descriptor = share((const uv_handle_t *)&from->tcp);
    code = descriptor < 0 ? UV_EMFILE : uv_tcp_open(&to->tcp, descriptor);
    return code < 0 ? code : uv_listen((uv_stream_t *)&to->tcp, BACKLOG, accept_one);
}

static int share_local(struct server_loop *from, struct server_loop *to)
{
    int code = uv_pipe_init(&to->uv, &to->local, 0);
    if (code < 0) {
        return code;
    }
    to->has_local = true;
    int descriptor = share((const uv_handle_t *)&from->local);
    code = descriptor < 0 ? UV_EMFILE : uv_pipe_open(&to->local, descriptor);
    return code < 0 ? code : uv_listen((uv_stream_t *)&to->local, BACKLOG, accept_one);
}

static tdbplus_status listen_all(struct server *server, const struct server_options *options,
                                 struct err *err)
{
    server->port = options->port;
    if (options->host == NULL || options->host[0] != '\0') {
        TRY(bind_tcp(server, options, err));
    }
    if (options->socket_directory != NULL) {
        TRY(bind_local(server, options, err));
    }
    if (options->http_host != NULL) {
        TRY(http_listen(&server->loops[0], options->http_host, options->http_port,
                        &server->http_port, err));
    }
    struct server_loop *first = &server->loops[0];
    for (uint32_t i = 1; i < server->loop_count; i++) {
        int code = first->has_tcp ? share_tcp(first, &server->loops[i]) : 0;
        if (code == 0 && first->has_local) {
            code = share_local(first, &server->loops[i]);
        }
        if (code < 0) {
            return uv_failed(err, "sharing a listener between loops", code);
        }
    }
    return TDBPLUS_OK;
}

/* ---- the server ---- */

static uint32_t core_count(void)
{
    unsigned count = uv_available_parallelism();
    return count == 0 ? 1 : count > LOOP_COUNT_MAX ? LOOP_COUNT_MAX : count;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static void set_limits(struct server *server, const struct server_limits *limits)
{
    server->connection_count_max =
        or_default(limits->connection_count_max, SERVER_CONNECTION_COUNT_DEFAULT);
    server->message_size_max =
        limits->message_size_max == 0 ? SERVER_MESSAGE_SIZE_DEFAULT : limits->message_size_max;
    server->statement_count_max = or_default(limits->statement_count_max, 10000);
    server->login_s_max = or_default(limits->login_s_max, 60);
    server->login_failure_max = or_default(limits->login_failure_max, 10);
    server->login_wait_s = or_default(limits->login_wait_s, 60);
    server->write_s_max = or_default(limits->write_s_max, 300);
    server->running_count_max = or_default(limits->running_count_max, 512);
    server->waiting_count_max = or_default(limits->waiting_count_max, 10000);
    server->slow_statement_ms = limits->logs_slow ? (int64_t)limits->slow_statement_ms : -1;
    server->log.level = (uint8_t)(or_default(limits->log_level, SERVER_LOG_WARNING + 1u) - 1u);
}

void server_reload(struct server *server, const struct server_limits *limits)
{
    struct server_log_line line;
    set_limits(server, limits);
    server_log_reopen(&server->log, server->log_path, server->audit_path);
    server_log_begin(&server->log, SERVER_LOG_INFO, "server.reloaded", &line);
    server_log_end(&line);
}

static tdbplus_status start(struct server *server, const struct server_options *options,
                            struct err *err)
{
    TRY(server_log_open(&server->log, options->log_path, options->audit_path, err));
    if (options->tls_certificate != NULL || options->tls_self_signed) {
        struct tls_files files = {.certificate = options->tls_certificate,
                                  .key = options->tls_key,
                                  .self_signed = options->tls_self_signed,
                                  .client_ca = options->tls_client_ca};
        TRY(tls_context_create(&files, &server->tls, err));
    }
    for (uint32_t i = 0; i < server->loop_count; i++) {
        TRY(init_loop(server, &server->loops[i], err));
    }
    TRY(listen_all(server, options, err));
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct server_loop *loop = &server->loops[i];
        int code = uv_thread_create(&loop->thread, run_loop, loop);
        if (code < 0) {
            return uv_failed(err, "a thread", code);
        }
        loop->started = true;
    }
    return TDBPLUS_OK;
}

tdbplus_status server_create(tdbplus_db *db, const struct server_options *options,
                             struct server **server_out, struct err *err)
{
    const struct alloc *alloc = &db->host;
    struct server *server = alloc_array(alloc, 1, sizeof *server);
    if (server == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a server does not fit in memory");
    }
    server->db = db;
    server->alloc = alloc;
    server->env = store_env(db->store);
    server->settings = options->settings;
    server->setting_count = options->setting_count;
    server->log = (struct server_log){.env = server->env, .alloc = alloc, .file = -1, .audit = -1};
    set_limits(server, &options->limits);
    server->log_path = options->log_path;
    server->audit_path = options->audit_path;
    server->began_wall_us = env_clock_wall_us(server->env);
    guard_init(&server->guard, alloc);
    server->trust = options->trust;
    server->tls_required = options->tls_required;
    server->loop_count = options->loop_count == 0 ? core_count() : options->loop_count;
    map_init(&server->by_id, alloc);
    env_entropy(server->env, server->mock_key, sizeof server->mock_key);
    server->loops = alloc_array(alloc, server->loop_count, sizeof *server->loops);
    struct server_log_line line;
    tdbplus_status status = server->loops == NULL
                                ? err_set(err, TDBPLUS_E_NOMEM, "a server does not fit in memory")
                                : start(server, options, err);
    if (status != TDBPLUS_OK) {
        server_stop(server, 0);
        server_destroy(server);
        return status;
    }
    server_log_begin(&server->log, SERVER_LOG_INFO, "server.started", &line);
    server_log_text(&line, "version", TDBPLUS_VERSION);
    server_log_number(&line, "port", server->port);
    server_log_end(&line);
    *server_out = server;
    return TDBPLUS_OK;
}

int server_port(const struct server *server)
{
    return server->port;
}

int server_http_port(const struct server *server)
{
    return server->http_port;
}

uint32_t server_connection_count(const struct server *server)
{
    return atomic_load(&server->connection_count);
}

static void wake_all(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        if (server->loops[i].started) {
            (void)uv_async_send(&server->loops[i].wake);
        }
    }
}

void server_stop(struct server *server, uint64_t drain_us)
{
    if (server->loops == NULL) {
        return;
    }
    uint64_t deadline_us = env_clock_mono_us(server->env) + drain_us;
    atomic_store(&server->stopping, true);
    wake_all(server);
    while (atomic_load(&server->connection_count) > 0) {
        if (env_clock_mono_us(server->env) >= deadline_us) {
            atomic_store(&server->cutting, true);
        }
        wake_all(server);
        env_sleep_us(server->env, STOP_LOOK_US);
    }
    wake_all(server);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct server_loop *loop = &server->loops[i];
        if (loop->started) {
            (void)uv_thread_join(&loop->thread);
            loop->started = false;
        } else if (loop->is_open) {
            // It never ran: what it has is closed here.
            wake(&loop->wake);
            (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
        }
    }
}

void server_destroy(struct server *server)
{
    if (server == NULL) {
        return;
    }
    for (uint32_t i = 0; server->loops != NULL && i < server->loop_count; i++) {
        if (server->loops[i].is_open) {
            (void)uv_loop_close(&server->loops[i].uv);
        }
        buffer_deinit(&server->loops[i].plain);
        http_destroy(&server->loops[i]);
    }
    if (server->socket_path[0] != '\0') {
        unlink_quietly(server->env, server->socket_path);
    }
    tls_context_destroy(server->tls);
    map_deinit(&server->by_id);
    guard_deinit(&server->guard);
    server_log_close(&server->log);
    alloc_free(server->alloc, server->loops, server->loop_count, sizeof *server->loops);
    alloc_free(server->alloc, server, 1, sizeof *server);
}
