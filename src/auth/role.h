#pragma once

/*
 * role: who may log in, and as what. A role is an object of the store, so it is as transactional
 * and as durable as a table; its password is kept as a verifier (SCRAM-SHA-256, as text).
 *
 * Threads: as the transaction.
 */

#include "txn/txn.h"

#define ROLE_NAME_SIZE_MAX     63u
#define ROLE_VERIFIER_SIZE_MAX 191u

/* Numbers reach disk. */
enum role_level {
    ROLE_ADMIN = 1,     /* Everything. */
    ROLE_READWRITE = 2, /* Reads and changes rows, defines. */
    ROLE_READONLY = 3,
    ROLE_ANALYST = 4, /* Reads, and makes temporary tables. */
};

struct role {
    uint64_t oid;
    char name[ROLE_NAME_SIZE_MAX + 1];
    uint8_t level; /* enum role_level. */
    bool can_login;
    char verifier[ROLE_VERIFIER_SIZE_MAX + 1]; /* "": no password, and so no login with one. */
};

/* False when there is none, or its definition cannot be read. */
bool role_find(struct txn *txn, const char *name, struct role *role_out);

/* True when there is any. */
bool role_any(struct txn *txn);

/* TDBPLUS_E_EXISTS (42710) when the name is taken; TDBPLUS_E_INVALID for a name, level or verifier
 * that is none. */
TDBPLUS_CHECKED tdbplus_status role_create(struct txn *txn, const struct role *role,
                                           struct err *err);

/* Gives the role with `role->oid` another level, login and verifier. */
TDBPLUS_CHECKED tdbplus_status role_alter(struct txn *txn, const struct role *role,
                                          struct err *err);
