#pragma once

/* password: what is kept of a password, as PostgreSQL's pg_authid has it. */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/err.h"

#define PASSWORD_SIZE_MAX          1024u
#define PASSWORD_SALT_SIZE         16u
#define PASSWORD_ITERATION_COUNT   4096u
#define PASSWORD_VERIFIER_SIZE_MAX 192u

/*
 * The SCRAM-SHA-256 verifier (RFC 5802, RFC 7677) of a password, which is normalised first if it is
 * valid UTF-8 (NFKC): "SCRAM-SHA-256$4096:SALT$STOREDKEY:SERVERKEY". `salt` should be random.
 * TDBPLUS_E_INVALID (22023) for one that is too long.
 */
TDBPLUS_CHECKED tdbplus_status password_verifier(struct span password,
                                                 const uint8_t salt[PASSWORD_SALT_SIZE],
                                                 char text_out[PASSWORD_VERIFIER_SIZE_MAX],
                                                 struct err *err);

/* True when the text is a verifier already: SQL takes one in the place of a password. */
bool password_is_verifier(const char *text);
