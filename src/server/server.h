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
#define SERVER_HTTP_PORT_DEFAULT        7480
#define SERVER_SESSION_SETTING_MAX      64u

struct server;

/* What may change while it runs. A zeroed one means the defaults. */
struct server_limits {
    uint32_t connection_count_max; /* 1000. */
    size_t message_size_max;      /* Bytes of one message of a client who has logged in; 256 MiB. */
    uint32_t statement_count_max; /* Prepared, of one connection; 10,000. */
    uint32_t login_s_max;         /* From the first byte to the login; 60. */
    uint32_t login_failure_max;   /* Of one address, then it must wait; 10. */
    uint32_t login_wait_s;        /* So long; 60. */
    uint32_t write_s_max;         /* A client that reads nothing for so long is cut; 300. */
    uint32_t running_count_max;   /* Statements at work; others wait in line. 512. */
    uint32_t waiting_count_max;   /* In line; then statements fail. 10,000. */
    bool logs_slow;               /* Statements that take longer than: */
    uint32_t slow_statement_ms;
    uint8_t log_level; /* enum server_log_level + 1: 1 debug, 2 info, 3 warning (the default), 4
                          error, 5 off. */
};

/* A setting that sessions begin with. */
struct server_setting {
    const char *name;
    const char *value;
};

struct server_options {
    const char *host;             /* An IP address to listen on; NULL: 127.0.0.1; "": no TCP. */
    int port;                     /* 0: one that is free. */
    const char *socket_directory; /* Of the unix socket ".s.PGSQL.PORT"; NULL: none. */
    uint32_t loop_count;          /* 0: one per core. */
    struct server_limits limits;
    const char *http_host;  /* An IP address for /livez, /readyz and /metrics; NULL: none. */
    int http_port;          /* 0: one that is free. */
    const char *log_path;   /* JSON lines; NULL: standard error. */
    const char *audit_path; /* Audit events; NULL: with the log. */
    const struct server_setting *settings; /* Borrowed until server_destroy(). */
    uint32_t setting_count;
    const char *tls_certificate; /* PEM file, with `tls_key`; NULL: no encryption. */
    const char *tls_key;
    bool tls_self_signed;      /* Instead of both: a certificate made when the server starts. */
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

/* The ports that it listens on. */
int server_port(const struct server *server);
int server_http_port(const struct server *server);

/* Takes other limits, and opens the log's files anew. */
void server_reload(struct server *server, const struct server_limits *limits);

/* Connections that are open now. */
uint32_t server_connection_count(const struct server *server);

/* Takes no more connections; those that are idle end now, the others after their statement, or by
 * being cancelled after `drain_us`. Returns when all are closed. */
void server_stop(struct server *server, uint64_t drain_us);

/* After server_stop(). NULL is fine. */
void server_destroy(struct server *server);
