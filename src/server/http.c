#include "server/http.h"

#include <stdio.h>
#include <string.h>

#include "server/server_internal.h"

#define HTTP_BACKLOG 64

struct http_client {
    struct http_client *next;
    struct http *http;
    uv_tcp_t socket;
    uv_write_t write;
    uint64_t began_s;
    bool answered;
    struct buffer answer;
    size_t size;
    uint8_t request[HTTP_REQUEST_SIZE_MAX];
};

struct http {
    struct server_loop *loop;
    uv_tcp_t listener;
    struct http_client *clients;
    uint32_t client_count;
};

/* ---- requests ---- */

static bool take(struct span *rest, const char *text)
{
    size_t size = strlen(text);
    if (rest->size < size || memcmp(rest->data, text, size) != 0) {
        return false;
    }
    rest->data += size;
    rest->size -= size;
    return true;
}

static bool ends_request(struct span bytes)
{
    return bytes.size >= 4 && memmem(bytes.data, bytes.size, "\r\n\r\n", 4) != NULL;
}

uint32_t http_parse(struct span bytes, struct http_request *request_out)
{
    static const char *const paths[] = {
        [HTTP_LIVEZ] = "/livez", [HTTP_READYZ] = "/readyz", [HTTP_METRICS] = "/metrics"};
    if (!ends_request(bytes)) {
        return bytes.size >= HTTP_REQUEST_SIZE_MAX ? 431 : 0;
    }
    const uint8_t *end = memmem(bytes.data, bytes.size, "\r\n", 2);
    struct span line = {.data = bytes.data, .size = (size_t)(end - bytes.data)};
    struct http_request request = {0};
    request.head = take(&line, "HEAD ");
    bool get = !request.head && take(&line, "GET ");
    const uint8_t *blank = memchr(line.data, ' ', line.size);
    if (blank == NULL) {
        return 400;
    }
    struct span target = {.data = line.data, .size = (size_t)(blank - line.data)};
    struct span version = {.data = blank + 1, .size = line.size - target.size - 1};
    if (version.size != 8 || memcmp(version.data, "HTTP/1.", 7) != 0) {
        // The method was none of ours, or this is no HTTP.
        return memmem(line.data, line.size, " HTTP/1.", 8) != NULL ? 405 : 400;
    }
    if (!get && !request.head) {
        return 405;
    }
    const uint8_t *query = memchr(target.data, '?', target.size);
    target.size = query == NULL ? target.size : (size_t)(query - target.data);
    for (uint8_t i = HTTP_LIVEZ; i <= HTTP_METRICS; i++) {
        if (target.size == strlen(paths[i]) && memcmp(target.data, paths[i], target.size) == 0) {
            request.path = i;
        }
    }
    *request_out = request;
    return request.path == HTTP_UNKNOWN ? 404 : 200;
}

/* ---- answers ---- */

static const char *reason(uint32_t status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

static void put_answer(struct buffer *answer, uint32_t status, struct span body, bool head)
{
    buffer_printf(answer,
                  "HTTP/1.1 %u %s\r\nContent-Type: text/plain; version=0.0.4; "
                  "charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n%s"
                  "Connection: close\r\n\r\n",
                  status, reason(status), body.size, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!head) {
        buffer_put_span(answer, body);
    }
}

static void make_answer(struct http_client *client, uint32_t status,
                        const struct http_request *request)
{
    struct server *server = client->http->loop->server;
    struct buffer body;
    buffer_init(&body, server->alloc);
    bool stopping = atomic_load(&server->stopping);
    if (status == 200 && request->path == HTTP_METRICS) {
        observe_print(server, &body);
    } else if (status == 200 && request->path == HTTP_READYZ && stopping) {
        status = 503;
        buffer_put_text(&body, "stopping\n");
    } else {
        buffer_put_text(&body, status == 200 ? "ok\n" : reason(status));
        buffer_put_text(&body, status == 200 ? "" : "\n");
    }
    put_answer(&client->answer, status, buffer_span(&body), request->head);
    client->answer.failed = client->answer.failed || body.failed;
    buffer_deinit(&body);
}

/* ---- connections ---- */

static void client_free(uv_handle_t *handle)
{
    struct http_client *client = handle->data;
    struct http *http = client->http;
    struct http_client **at = &http->clients;
    while (*at != client) {
        at = &(*at)->next;
    }
    *at = client->next;
    http->client_count--;
    buffer_deinit(&client->answer);
    alloc_free(http->loop->server->alloc, client, 1, sizeof *client);
}

static void close_client(struct http_client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->socket)) {
        uv_close((uv_handle_t *)&client->socket, client_free);
    }
}

static void answered(uv_write_t *write, int code)
{
    (void)code;
    close_client(write->data);
}

static void respond(struct http_client *client, uint32_t status, const struct http_request *request)
{
    client->answered = true;
    (void)uv_read_stop((uv_stream_t *)&client->socket);
    make_answer(client, status, request);
    uv_buf_t bytes = uv_buf_init((char *)client->answer.data, (unsigned)client->answer.size);
    client->write.data = client;
    if (client->answer.failed ||
        uv_write(&client->write, (uv_stream_t *)&client->socket, &bytes, 1, answered) < 0) {
        close_client(client);
    }
}

static void lend(uv_handle_t *handle, size_t size, uv_buf_t *bytes)
{
    (void)size;
    struct http_client *client = handle->data;
    *bytes = uv_buf_init((char *)client->request + client->size,
                         (unsigned)(HTTP_REQUEST_SIZE_MAX - client->size));
}

static void read_request(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes)
{
    (void)bytes;
    struct http_client *client = stream->data;
    struct http_request request = {0};
    if (size < 0) {
        close_client(client);
        return;
    }
    client->size += (size_t)size;
    uint32_t status =
        http_parse((struct span){.data = client->request, .size = client->size}, &request);
    if (status != 0) {
        respond(client, status, &request);
    }
}

static void accept_client(uv_stream_t *listener, int code)
{
    struct http *http = listener->data;
    struct server *server = http->loop->server;
    struct http_client *client = code < 0 ? NULL : alloc_array(server->alloc, 1, sizeof *client);
    if (client == NULL) {
        return;
    }
    client->http = http;
    client->began_s = http->loop->now_s;
    buffer_init(&client->answer, server->alloc);
    client->socket.data = client;
    if (uv_tcp_init(&http->loop->uv, &client->socket) < 0) {
        alloc_free(server->alloc, client, 1, sizeof *client);
        return;
    }
    client->next = http->clients;
    http->clients = client;
    http->client_count++;
    if (uv_accept(listener, (uv_stream_t *)&client->socket) < 0 ||
        http->client_count > HTTP_CLIENT_COUNT_MAX ||
        uv_read_start((uv_stream_t *)&client->socket, lend, read_request) < 0) {
        close_client(client);
    }
}

/* ---- the listener ---- */

static void http_free(uv_handle_t *handle)
{
    (void)handle; // It is freed with the loop: clients point to it.
}

tdbplus_status http_listen(struct server_loop *loop, const char *host, int port, int *port_out,
                           struct err *err)
{
    const struct alloc *alloc = loop->server->alloc;
    struct sockaddr_storage address = {0};
    struct http *http = alloc_array(alloc, 1, sizeof *http);
    if (http == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a server does not fit in memory");
    }
    http->loop = loop;
    http->listener.data = http;
    int code = uv_ip4_addr(host, port, (struct sockaddr_in *)&address);
    if (code < 0) {
        code = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address);
    }
    code = code < 0 ? code : uv_tcp_init(&loop->uv, &http->listener);
    if (code < 0) {
        alloc_free(alloc, http, 1, sizeof *http);
        return err_set(err, TDBPLUS_E_INVALID, "server: \"%s\" is not an IP address", host);
    }
    loop->http = http;
    code = uv_tcp_bind(&http->listener, (const struct sockaddr *)&address, 0);
    if (code == 0) {
        code = uv_listen((uv_stream_t *)&http->listener, HTTP_BACKLOG, accept_client);
    }
    int size = (int)sizeof address;
    if (code == 0) {
        code = uv_tcp_getsockname(&http->listener, (struct sockaddr *)&address, &size);
    }
    if (code < 0) {
        return err_set(err, TDBPLUS_E_IO, "server: HTTP on %s, port %d: %s", host, port,
                       uv_strerror(code));
    }
    *port_out = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return TDBPLUS_OK;
}

void http_destroy(struct server_loop *loop)
{
    alloc_free(loop->server->alloc, loop->http, 1, sizeof *loop->http);
    loop->http = NULL;
}

void http_tick(struct server_loop *loop, bool all)
{
    struct http *http = loop->http;
    if (http == NULL) {
        return;
    }
    for (struct http_client *at = http->clients; at != NULL; at = at->next) {
        if (all || loop->now_s - at->began_s > HTTP_SECONDS_MAX) {
            close_client(at); // Freed later, by the loop.
        }
    }
    if (all && !uv_is_closing((uv_handle_t *)&http->listener)) {
        uv_close((uv_handle_t *)&http->listener, http_free);
    }
}
