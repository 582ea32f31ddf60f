/*
 * Sockets and jobs. The loop's thread reads, writes and closes; a job reads messages and runs
 * statements. A job begins on the loop's thread and stays there until it first waits; from then on
 * it is on a thread of the database's pool, and talks with the loop by posting the connection.
 */

#include <string.h>

#include "server/server_internal.h"

static void serve(struct connection *connection);

/* ---- from other threads ---- */

/*
 * Lets the loop look at the connection, after `change` is made to it (NULL: none). The loop's latch
 * is outermost: a connection that has `finished` may be freed by the loop at once, so it must be on
 * the list before that can be seen (V2).
 */
static void post(struct connection *connection, bool *change)
{
    struct server_loop *loop = connection->loop;
    latch_lock(&loop->latch);
    if (change != NULL) {
        latch_lock(&connection->latch);
        *change = true;
        latch_unlock(&connection->latch);
    }
    if (!connection->posted) {
        connection->posted = true;
        connection->posted_next = loop->posted;
        loop->posted = connection;
        (void)uv_async_send(&loop->wake);
    }
    latch_unlock(&loop->latch);
}

static void job_done(void *context, tdbplus_status status)
{
    (void)status; // The job tells the client itself.
    struct connection *connection = context;
    post(connection, &connection->finished);
}

static bool swap_out(struct connection *connection)
{
    if (connection->handed.size > 0) {
        return false;
    }
    struct buffer empty = connection->handed;
    connection->handed = connection->out;
    connection->out = empty;
    return true;
}

bool connection_flush(struct connection *connection)
{
    while (connection->out.size > 0) {
        latch_lock(&connection->latch);
        if (connection->gone) {
            latch_unlock(&connection->latch);
            buffer_clear(&connection->out);
            return false;
        }
        bool swapped = swap_out(connection);
        connection->waits = !swapped;
        latch_unlock(&connection->latch);
        if (swapped) {
            post(connection, NULL);
            return true;
        }
        (void)env_event_wait(connection->server->env, &connection->event, ENV_DEADLINE_NONE);
    }
    return true;
}

/* Adds what came in to the job's input. Under the latch. */
static bool take_input(struct connection *connection)
{
    struct buffer *in = &connection->in;
    if (connection->in_at == in->size) {
        struct buffer empty = *in;
        buffer_clear(&empty);
        connection->in_at = 0;
        *in = connection->incoming;
        connection->incoming = empty;
    } else {
        if (connection->in_at > in->size / 2) {
            memmove(in->data, in->data + connection->in_at, in->size - connection->in_at);
            in->size -= connection->in_at;
            connection->in_at = 0;
        }
        buffer_put_span(in, buffer_span(&connection->incoming));
        buffer_clear(&connection->incoming);
    }
    return !in->failed;
}

bool connection_wait_for_input(struct connection *connection)
{
    for (;;) {
        latch_lock(&connection->latch);
        if (connection->incoming.size > 0) {
            bool good = take_input(connection);
            latch_unlock(&connection->latch);
            post(connection, NULL); // There is room to read again.
            return good;
        }
        if (connection->gone) {
            latch_unlock(&connection->latch);
            return false;
        }
        connection->waits = true;
        latch_unlock(&connection->latch);
        (void)env_event_wait(connection->server->env, &connection->event, ENV_DEADLINE_NONE);
    }
}

/* Under the latch: whether the job should hear that something changed. */
static bool wake_job(struct connection *connection)
{
    bool waits = connection->waits;
    connection->waits = false;
    return waits;
}

/* ---- closing ---- */

static void connection_free(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct server *server = connection->server;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        connection->loop->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    buffer_deinit(&connection->in);
    buffer_deinit(&connection->out);
    buffer_deinit(&connection->incoming);
    buffer_deinit(&connection->handed);
    buffer_deinit(&connection->sending);
    buffer_deinit(&connection->wishes);
    tls_destroy(connection->tls);
    alloc_free(server->alloc, connection, 1, sizeof *connection);
    atomic_fetch_sub(&server->connection_count, 1);
}

/* The job has ended, or never was. */
static void close_now(struct connection *connection)
{
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    latch_lock(&connection->server->latch);
    (void)map_remove(&connection->server->by_id, (uint64_t)(uint32_t)connection->id);
    latch_unlock(&connection->server->latch);
    if (connection->counted) {
        guard_leave_role(&connection->server->guard, connection->role);
        connection->counted = false;
    }
    if (connection->phase >= PHASE_READY) {
        observe_end(connection, connection->ended ? "lost" : "closed");
    }
    protocol_end(connection);
    uv_close(&connection->socket.handle, connection_free);
}

/* Nobody hears us any more: what runs should stop. */
static void lose(struct connection *connection)
{
    connection->ended = true;
    (void)uv_read_stop(&connection->socket.stream);
    latch_lock(&connection->latch);
    connection->gone = true;
    bool wake = wake_job(connection);
    latch_unlock(&connection->latch);
    if (connection->running) {
        tdbplus_cancel(&connection->api);
    }
    if (wake) {
        env_event_set(connection->server->env, &connection->event);
    }
}

/* ---- writing ---- */

static void send_next(struct connection *connection);

static void write_done(uv_write_t *write, int result)
{
    struct connection *connection = write->data;
    connection->writing = false;
    buffer_clear(&connection->sending);
    if (connection->closing) {
        return;
    }
    if (result < 0) {
        lose(connection);
    }
    serve(connection);
}

/* Sends `sending`, at once as far as the socket takes it. */
static void send_bytes(struct connection *connection)
{
    struct buffer *sending = &connection->sending;
    uv_buf_t all = uv_buf_init((char *)sending->data, (unsigned)sending->size);
    int sent = uv_try_write(&connection->socket.stream, &all, 1);
    metrics_add(&connection->server->metrics.sent_bytes, sending->size);
    if (sent == (int)sending->size) {
        buffer_clear(sending);
        return;
    }
    if (sent < 0 && sent != UV_EAGAIN) {
        buffer_clear(sending);
        lose(connection);
        return;
    }
    size_t from = sent < 0 ? 0 : (size_t)sent;
    uv_buf_t rest = uv_buf_init((char *)sending->data + from, (unsigned)(sending->size - from));
    connection->write.data = connection;
    if (uv_write(&connection->write, &connection->socket.stream, &rest, 1, write_done) < 0) {
        buffer_clear(sending);
        lose(connection);
        return;
    }
    connection->writing = true;
    connection->written_s = connection->loop->now_s;
    connection->written_queue = 0;
}

/* Makes `sending` what goes over the wire. */
static bool encrypt(struct connection *connection)
{
    struct buffer bytes;
    buffer_init(&bytes, connection->server->alloc);
    bool good = tls_send(connection->tls, buffer_span(&connection->sending), &bytes);
    buffer_deinit(&connection->sending);
    connection->sending = bytes;
    return good;
}

/* Takes over what the job handed, or left behind when it ended. */
static void send_next(struct connection *connection)
{
    while (!connection->writing && !connection->ended) {
        latch_lock(&connection->latch);
        struct buffer *from = &connection->handed;
        if (from->size == 0 && !connection->running) {
            from = &connection->out;
        }
        struct buffer empty = connection->sending;
        connection->sending = *from;
        *from = empty;
        bool wake = wake_job(connection);
        latch_unlock(&connection->latch);
        if (wake) {
            env_event_set(connection->server->env, &connection->event);
        }
        if (connection->tls != NULL && !encrypt(connection)) {
            lose(connection);
        }
        if (connection->sending.size == 0 || connection->ended) {
            return;
        }
        send_bytes(connection);
    }
}

/* ---- jobs ---- */

static tdbplus_status job_work(void *arg, const struct call *call)
{
    struct connection *connection = *(struct connection **)arg;
    protocol_run(connection, call);
    return TDBPLUS_OK;
}

/* Gives an idle connection's memory back. */
static void rest(struct connection *connection)
{
    struct buffer *buffers[] = {&connection->in, &connection->out, &connection->incoming,
                                &connection->handed, &connection->sending};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->size == 0 && buffers[i]->capacity > CONNECTION_KEEP_SIZE) {
            const struct alloc *alloc = buffers[i]->alloc;
            buffer_deinit(buffers[i]);
            buffer_init(buffers[i], alloc);
        }
    }
}

/* Starts a job if there is something for it; false when there is not, or it goes on elsewhere. */
static bool run_job(struct connection *connection)
{
    latch_lock(&connection->latch);
    size_t size = connection->in.size - connection->in_at + connection->incoming.size;
    bool good = connection->incoming.size == 0 || take_input(connection);
    latch_unlock(&connection->latch);
    if (!good) {
        lose(connection);
        return false;
    }
    if (size < connection->needed || size == 0 || connection->phase == PHASE_CLOSING) {
        return false;
    }
    connection->needed = 0;
    connection->running = true;
    connection->finished = false;
    tdbplus_status status = engine_run(connection->server->db, &connection->api, job_work,
                                       &connection, sizeof(struct connection *));
    if (status == TDBPLUS_PENDING) {
        return false;
    }
    connection->running = false;
    connection->active_s = connection->loop->now_s;
    if (status != TDBPLUS_OK) {
        lose(connection); // Not even memory for a stack.
        return false;
    }
    return true;
}

static void read_some(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes);

static void lend_scratch(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
    (void)size;
    struct connection *connection = handle->data;
    *bytes = uv_buf_init(connection->loop->scratch, SERVER_SCRATCH_SIZE);
}

/* Reads while there is room. */
static void set_reading(struct connection *connection)
{
    latch_lock(&connection->latch);
    bool full = connection->incoming.size >= CONNECTION_INPUT_SIZE_MAX;
    latch_unlock(&connection->latch);
    if (connection->ended || full == connection->paused) {
        return;
    }
    connection->paused = full;
    if (full) {
        (void)uv_read_stop(&connection->socket.stream);
    } else if (uv_read_start(&connection->socket.stream, lend_scratch, read_some) < 0) {
        lose(connection);
    }
}

/* Everything that the loop may now do for a connection. */
static void serve(struct connection *connection)
{
    latch_lock(&connection->latch);
    if (connection->finished) {
        connection->finished = false;
        connection->running = false;
        connection->active_s = connection->loop->now_s;
    }
    latch_unlock(&connection->latch);
    if (!connection->running && !connection->ended && connection->phase == PHASE_READY) {
        protocol_news(connection);
    }
    do {
        send_next(connection);
        // An answer that the client does not take keeps its next question waiting.
    } while (!connection->running && !connection->ended && !connection->writing &&
             run_job(connection));
    if (connection->wants_tls && !connection->running && !connection->writing) {
        connection->wants_tls = false;
        connection->tls = tls_create(connection->server->tls);
        if (connection->tls == NULL) {
            lose(connection);
        }
    }
    set_reading(connection);
    if (connection->running) {
        return; // It will be posted when the job has ended.
    }
    bool over = connection->phase == PHASE_CLOSING || (atomic_load(&connection->server->stopping) &&
                                                       connection->in.size == connection->in_at);
    bool leaves = connection->ended || (over && !connection->writing);
    if (leaves && connection->session != NULL) {
        session_stop_listening(connection->session); // Nobody posts it from here on.
    }
    latch_lock(&connection->loop->latch);
    bool posted = connection->posted;
    latch_unlock(&connection->loop->latch);
    if (posted) {
        return; // Who posted it will have it served again.
    }
    if (leaves) {
        close_now(connection);
    } else if (connection->in.size == connection->in_at) {
        rest(connection);
    }
}

/* ---- reading ---- */

static void read_some(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
    struct connection *connection = stream->data;
    if (size == 0) {
        return;
    }
    if (size < 0) {
        lose(connection);
        serve(connection);
        return;
    }
    struct span span = {.data = (const uint8_t *)bytes->base, .size = (size_t)size};
    metrics_add(&connection->server->metrics.received_bytes, span.size);
    struct buffer *plain = &connection->loop->plain;
    bool good = true;
    if (connection->tls != NULL) {
        good = tls_receive(connection->tls, span, plain);
        span = buffer_span(plain);
    }
    latch_lock(&connection->latch);
    buffer_put_span(&connection->incoming, span);
    good = good && !connection->incoming.failed;
    bool wake = wake_job(connection);
    latch_unlock(&connection->latch);
    if (wake) {
        env_event_set(connection->server->env, &connection->event);
    }
    buffer_clear(plain);
    if (!good) {
        send_next(connection); // An alert, perhaps.
        lose(connection);
    }
    serve(connection);
}

void connection_start(struct connection *connection)
{
    struct server *server = connection->server;
    connection->socket.handle.data = connection;
    struct buffer *buffers[] = {&connection->in,     &connection->out,     &connection->incoming,
                                &connection->handed, &connection->sending, &connection->wishes};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_init(buffers[i], server->alloc);
    }
    connection->next = connection->loop->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    connection->loop->connections = connection;
    connection->began_s = connection->loop->now_s;
    connection->active_s = connection->loop->now_s;
    connection->api = TDBPLUS_CALL_INIT;
    connection->api.done = job_done;
    connection->api.done_context = connection;
    env_entropy(server->env, &connection->secret, sizeof connection->secret);
    connection->id = (int32_t)(atomic_fetch_add(&server->connection_id, 1) & INT32_MAX);
    latch_lock(&server->latch);
    bool known = map_put(&server->by_id, (uint64_t)(uint32_t)connection->id,
                         (uint64_t)(uintptr_t)connection);
    latch_unlock(&server->latch);
    if (!known || uv_read_start(&connection->socket.stream, lend_scratch, read_some) < 0) {
        connection->ended = true;
        close_now(connection);
    }
}

void server_cancel(struct server *server, int32_t id, int32_t secret)
{
    latch_lock(&server->latch);
    const uint64_t *found = map_get(&server->by_id, (uint64_t)(uint32_t)id);
    struct connection *connection = found == NULL ? NULL : (struct connection *)(uintptr_t)*found;
    // A connection is freed only after it left the map, so it stays while we hold the latch.
    if (connection != NULL && connection->secret == secret) {
        tdbplus_cancel(&connection->api);
    }
    latch_unlock(&server->latch);
}

/* ---- the loop ---- */

/* Takes one off the list, so that it can be posted again while it is served. */
static struct connection *take_posted(struct server_loop *loop)
{
    latch_lock(&loop->latch);
    struct connection *connection = loop->posted;
    if (connection != NULL) {
        loop->posted = connection->posted_next;
        connection->posted = false;
    }
    latch_unlock(&loop->latch);
    return connection;
}

void loop_wake(void *ctx)
{
    post(ctx, NULL);
}

void loop_serve_posted(uv_async_t *async)
{
    struct server_loop *loop = async->data;
    for (struct connection *at = take_posted(loop); at != NULL; at = take_posted(loop)) {
        serve(at);
    }
}

/* Tells a client that did nothing wrong why it ends. */
static void say_farewell(struct connection *connection, const char *sqlstate, const char *text)
{
    struct err err = {0};
    if (err_set_state(&err, TDBPLUS_E_STOPPED, sqlstate, "%s", text) != TDBPLUS_OK) {
        protocol_error(connection, &err, true);
    }
}

/* A client that takes nothing of what is sent to it. */
static bool is_stuck(struct connection *connection)
{
    struct server_loop *loop = connection->loop;
    size_t queue = uv_stream_get_write_queue_size(&connection->socket.stream);
    if (!connection->writing || queue != connection->written_queue) {
        connection->written_queue = queue;
        connection->written_s = loop->now_s;
        return false;
    }
    return loop->now_s - connection->written_s > atomic_load(&loop->server->write_s_max);
}

/* Ends a session that did nothing for longer than its settings allow. */
static bool end_idle(struct connection *connection)
{
    const struct settings *settings = &connection->session->state->settings;
    bool open = tdbplus_session_in_transaction(connection->session);
    int64_t limit_ms =
        settings_integer(settings, open ? SETTING_IDLE_IN_TRANSACTION : SETTING_IDLE_SESSION);
    uint64_t idle_s = connection->loop->now_s - connection->active_s;
    if (limit_ms == 0 || idle_s * 1000u < (uint64_t)limit_ms) {
        return false;
    }
    metrics_add(&connection->server->metrics.idle_clients, 1);
    say_farewell(connection, open ? "25P03" : "57P05",
                 open ? "terminating connection due to idle-in-transaction timeout"
                      : "terminating connection due to idle-session timeout");
    return true;
}

/* Looks at one connection each second; true: it must be served. */
static bool look_at(struct connection *connection)
{
    struct server_loop *loop = connection->loop;
    struct server *server = loop->server;
    bool cutting = atomic_load(&server->cutting);
    bool stopping = atomic_load(&server->stopping);
    bool late = connection->phase < PHASE_READY &&
                loop->now_s - connection->began_s > atomic_load(&server->login_s_max);
    bool stuck = is_stuck(connection);
    if (stuck) {
        metrics_add(&server->metrics.slow_clients, 1);
    }
    if (cutting || stuck || (late && !connection->running)) {
        lose(connection);
    }
    bool idle = !connection->running && connection->phase == PHASE_READY &&
                connection->in.size == connection->in_at;
    bool over = false;
    if (stopping && idle) {
        say_farewell(connection, "57P01", "terminating connection due to administrator command");
    } else if (idle && !connection->writing) {
        over = end_idle(connection);
    }
    return (cutting || stopping || late || stuck || over) && !connection->running;
}

void loop_tick(struct server_loop *loop)
{
    struct connection *next = NULL;
    for (struct connection *at = loop->connections; at != NULL; at = next) {
        next = at->next;
        if (!at->closing && look_at(at)) {
            serve(at);
        }
    }
}
