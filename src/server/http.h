#pragma once

/*
 * http: whether the server is alive and ready, and its figures, over HTTP/1.1 on the first loop.
 * One request a connection.
 *
 * Threads: the loop's.
 */

#include "base/buffer.h"
#include "base/err.h"

#define HTTP_REQUEST_SIZE_MAX 8192u
#define HTTP_CLIENT_COUNT_MAX 64u
#define HTTP_SECONDS_MAX      10u

enum http_path { HTTP_UNKNOWN = 0, HTTP_LIVEZ, HTTP_READYZ, HTTP_METRICS };

/* What a request asks for. */
struct http_request {
    uint8_t path; /* enum http_path. */
    bool head;    /* HEAD: the answer has no body. */
};

/* 0 when more bytes are needed; the status to answer with: 200 and a request, or what is wrong. */
uint32_t http_parse(struct span bytes, struct http_request *request_out);

struct server_loop;
struct http;

/* Listens; *port_out is the port, if 0 was asked for. */
TDBPLUS_CHECKED tdbplus_status http_listen(struct server_loop *loop, const char *host, int port,
                                           int *port_out, struct err *err);

/* When the loop has ended. */
void http_destroy(struct server_loop *loop);

/* Closes what took too long; all, and the listener, when `all`. */
void http_tick(struct server_loop *loop, bool all);
