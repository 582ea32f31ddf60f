#pragma once

/*
 * scram: passwords as PostgreSQL keeps them, and the server's side of SCRAM-SHA-256 (RFC 5802, RFC
 * 7677). Who knows a verifier can check a password, but not be anybody.
 *
 * Threads: plain memory; an exchange belongs to one connection.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/err.h"

#define SCRAM_KEY_SIZE          32u
#define SCRAM_SALT_SIZE         16u
#define SCRAM_ITERATION_COUNT   4096u
#define SCRAM_VERIFIER_SIZE_MAX 192u
#define SCRAM_NONCE_SIZE        24u /* Characters of the server's part. */
#define SCRAM_MESSAGE_SIZE_MAX  1024u
#define SCRAM_PASSWORD_SIZE_MAX 1024u

struct scram_verifier {
    uint32_t iterations;
    uint8_t salt[SCRAM_SALT_SIZE];
    uint8_t stored_key[SCRAM_KEY_SIZE];
    uint8_t server_key[SCRAM_KEY_SIZE];
};

/* Makes the verifier of a password, which is normalised first if it is valid UTF-8 (RFC 4013,
 * NFKC). `salt` should be random. TDBPLUS_E_NOMEM. */
TDBPLUS_CHECKED tdbplus_status scram_verifier_make(struct span password,
                                                   const uint8_t salt[SCRAM_SALT_SIZE],
                                                   struct scram_verifier *verifier_out,
                                                   struct err *err);

/* The text that pg_authid shows: "SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY". */
void scram_verifier_print(const struct scram_verifier *verifier,
                          char text[SCRAM_VERIFIER_SIZE_MAX]);

/* False when the text is none of that form. */
bool scram_verifier_parse(const char *text, struct scram_verifier *verifier_out);

/*
 * One login. Zeroed is ready. With an end point (RFC 5929, tls-server-end-point; borrowed) the
 * client may bind its login to the connection's certificate, as SCRAM-SHA-256-PLUS does.
 */
struct scram_exchange {
    struct scram_verifier verifier;
    struct span end_point; /* Empty: binding is not offered. */
    bool is_bound;         /* The client chose SCRAM-SHA-256-PLUS. */
    char gs2[32];          /* How the client's first message began. */
    bool is_mock;          /* There is no such role: goes on as usual, and fails at the end. */
    char nonce[SCRAM_MESSAGE_SIZE_MAX]; /* The client's and ours. */
    char first_bare[SCRAM_MESSAGE_SIZE_MAX];
    char server_first[SCRAM_MESSAGE_SIZE_MAX + 128];
};

/* Answers the client's first message; `nonce` are our random printable characters.
 * TDBPLUS_E_INVALID (08P01) when it is no such message. */
TDBPLUS_CHECKED tdbplus_status scram_first(struct scram_exchange *exchange, struct span message,
                                           const char nonce[SCRAM_NONCE_SIZE + 1],
                                           struct buffer *answer, struct err *err);

/* Checks the client's final message and answers it. TDBPLUS_E_INVALID (08P01) when it is no such
 * message, TDBPLUS_E_SQL (28P01) when it does not prove that the client knows the password. */
TDBPLUS_CHECKED tdbplus_status scram_final(struct scram_exchange *exchange, struct span message,
                                           const char *role, struct buffer *answer,
                                           struct err *err);
