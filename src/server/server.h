#pragma once

/*
 * server: PostgreSQL clients over TCP and a unix socket, on one event loop (libuv) per thread.
 *
 * Threads: server_stop() and server_reload() may be called from any thread and from signal
 * handlers' loops; the rest by the one who made it.
 */

#include "base/err.h"
#include "tdbplus/tdbplus.h"

#define SERVER_PORT_DEFAULT             7432
#define SERVER_CONNECTION_COUNT_DEFAULT 1000u
#define SERVER_MESSAGE_SIZE_DEFAULT     ((size_t)256 << 20)

struct server;

struct server_options {
    const char *host;             /* An IP address to listen on; NULL: 127.0.0.1; "": no TCP. */
    int port;                     /* 0: one that is free. */
    const char *socket_directory; /* Of the unix socket ".s.PGSQL.PORT"; NULL: none. */
    uint32_t loop_count;          /* 0: one per core. */
    uint32_t connection_count_max;
    size_t message_size_max;     /* Bytes of one message of a client who has logged in. */
    const char *tls_certificate; /* PEM file, with `tls_key`; NULL: no encryption. */
    const char *tls_key;
    const char *tls_client_ca; /* Clients must show a certificate signed by it; NULL: they need
                                  none. */
    bool tls_required;         /* Over TCP; a unix socket needs none. */
    bool trust;                /* No passwords: for sockets that only their owner can reach. */
};

/*
 * Listens, and begins to serve; the database must stay open until server_destroy(). `options` is
 * read only during the call.
 *
 *   TDBPLUS_E_IO       an address cannot be listened on
 *   TDBPLUS_E_INVALID  not an address
 *   TDBPLUS_E_NOMEM
 */
TDBPLUS_CHECKED tdbplus_status server_create(tdbplus_db *db, const struct server_options *options,
                                             struct server **server_out, struct err *err);

#define SERVER_ADMIN_NAME    "admin"
#define SERVER_PASSWORD_SIZE 21u

/* Makes the role "admin" with that password if the database has no role at all; tells whether it
 * did. TDBPLUS_E_READ_ONLY, TDBPLUS_E_INVALID (the password is too long) and what a commit may. */
TDBPLUS_CHECKED tdbplus_status server_ensure_admin(tdbplus_db *db, const char *password,
                                                   bool *made_out, struct err *err);

/* Twenty random letters and digits. */
void server_make_password(tdbplus_db *db, char password[SERVER_PASSWORD_SIZE]);

/* The port that it listens on. */
int server_port(const struct server *server);

/* Connections that are open now. */
uint32_t server_connection_count(const struct server *server);

/* Takes no more connections; those that are idle end now, the others after their statement, or by
 * being cancelled after `drain_us`. Returns when all are closed. */
void server_stop(struct server *server, uint64_t drain_us);

/* After server_stop(). NULL is fine. */
void server_destroy(struct server *server);
