#pragma once

/*
 * tls: encryption of one connection, between bytes and bytes (OpenSSL through memory BIOs); sockets
 * are the caller's. TLS 1.3 only.
 *
 * Threads: a context may be shared; a `struct tls` belongs to one loop.
 */

#include <stdbool.h>

#include "base/buffer.h"
#include "base/err.h"

#define TLS_END_POINT_SIZE_MAX 64u

struct tls_context;
struct tls;

struct tls_files {
    const char *certificate; /* PEM: the server's, then those that signed it. */
    const char *key;         /* PEM. */
    bool self_signed;        /* Instead of both: made when the server starts, kept nowhere. */
    const char *client_ca;   /* PEM; clients must show a certificate signed by it. NULL: none. */
};

/* TDBPLUS_E_IO, naming the file, when one cannot be read or the key is not the certificate's. */
TDBPLUS_CHECKED tdbplus_status tls_context_create(const struct tls_files *files,
                                                  struct tls_context **context_out,
                                                  struct err *err);
void tls_context_destroy(struct tls_context *context); /* NULL is fine. */

/* What a client binds its login to (RFC 5929, tls-server-end-point): a hash of our certificate. */
struct span tls_end_point(const struct tls_context *context);

/* NULL when memory is out. */
struct tls *tls_create(struct tls_context *context);
void tls_destroy(struct tls *tls); /* NULL is fine. */

/* Takes bytes from the socket; appends what they say to `plain`. False when the client broke the
 * protocol, or ended it: what is in tls_pending() may still be sent. */
bool tls_receive(struct tls *tls, struct span bytes, struct buffer *plain);

/* Appends to `bytes` what goes to the socket: `plain` encrypted, and what the protocol itself has
 * to say. False when memory is out. */
bool tls_send(struct tls *tls, struct span plain, struct buffer *bytes);

/* Whether tls_send() has something to say of its own. */
bool tls_pending(const struct tls *tls);
