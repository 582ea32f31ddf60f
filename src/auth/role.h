#pragma once

/*
 * role: who may log in, and who belongs to whom. A role is an object of the store, so it is as
 * transactional and as durable as a table; its password is kept as a verifier (SCRAM-SHA-256, as
 * text). Some roles are always there: the one that a database's owner is who opened it without
 * logging in, and PostgreSQL's pg_... groups beside three of our own.
 *
 * Threads: as the transaction.
 */

#include "txn/txn.h"

#define ROLE_NAME_SIZE_MAX     63u
#define ROLE_VERIFIER_SIZE_MAX 191u
#define ROLE_GROUP_COUNT_MAX   256u /* That one role is a direct member of. */
#define ROLE_OID_FIRST         16384u
#define ROLE_FOREVER           INT64_MAX

/* Oids of roles that are always there; others are ROLE_OID_FIRST plus the number of the object. */
enum role_known {
    ROLE_PUBLIC = 0, /* Everybody; no role, but privileges are given to it. */
    ROLE_BOOTSTRAP = 10,
    ROLE_MONITOR = 3373,
    ROLE_READ_FILES = 4569,
    ROLE_WRITE_FILES = 4570,
    ROLE_DATABASE_OWNER = 6171,
    ROLE_READ_ALL = 6181,
    ROLE_WRITE_ALL = 6182,
    ROLE_READONLY = 9001,  /* Reads everything. */
    ROLE_READWRITE = 9002, /* Reads and changes everything, and defines. */
    ROLE_ANALYST = 9003,   /* Reads everything, and what the server keeps about itself. */
};

/* Numbers reach disk. */
enum role_flag {
    ROLE_LOGIN = 1,
    ROLE_SUPERUSER = 2,
    ROLE_CREATEDB = 4,
    ROLE_CREATEROLE = 8,
    ROLE_NOINHERIT = 16, /* Has the privileges of its groups only after SET ROLE. */
    ROLE_REPLICATION = 32,
    ROLE_BYPASSRLS = 64,
};

struct role {
    uint64_t oid;
    const struct object *object; /* NULL: always there. */
    char name[ROLE_NAME_SIZE_MAX + 1];
    uint32_t flags;                            /* enum role_flag. */
    int32_t connection_limit;                  /* -1: none. */
    int64_t valid_until_us;                    /* Of the password; ROLE_FOREVER. */
    char verifier[ROLE_VERIFIER_SIZE_MAX + 1]; /* "": no password, and so no login with one. */
    struct span
        groups; /* What it is a member of, encoded: role_group_at(). Valid as `object` is. */
};

/* A membership. */
struct role_group {
    uint64_t oid;
    uint64_t grantor;
    bool admin; /* May make others members. */
};

/* A role that is about to be made: no groups, no limits. */
struct role role_initial(const char *name);

/* False when there is none, or its definition cannot be read. */
bool role_find(struct txn *txn, const char *name, struct role *role_out);
bool role_by_oid(struct txn *txn, uint64_t oid, struct role *role_out);

/* The role after *role in its place; a zeroed one stands before the first. False at the end. */
bool role_next(struct txn *txn, struct role *role);

/* True when there is any that was made here. */
bool role_any(struct txn *txn);

/* Membership number `number`; false when there are no more. */
bool role_group_at(const struct role *role, uint32_t number, struct role_group *group_out);

/* ---- what follows from being a member ---- */

bool role_is_superuser(struct txn *txn, uint64_t oid);

/* True when `oid` may become `group` (SET ROLE): directly, by others, or as a superuser. */
bool role_is_member(struct txn *txn, uint64_t oid, uint64_t group);

/* The same without what superusers may: true only of real memberships, and of itself. */
bool role_belongs(struct txn *txn, uint64_t oid, uint64_t group);

/* True when `oid` has the privileges of `group` without asking for them (INHERIT). */
bool role_has(struct txn *txn, uint64_t oid, uint64_t group);

/* True when `oid` may make others members of `group`. */
bool role_is_admin_of(struct txn *txn, uint64_t oid, uint64_t group);

/* ---- changing ---- */

/* TDBPLUS_E_EXISTS (42710) when the name is taken; TDBPLUS_E_INVALID (42939) for a reserved one. */
TDBPLUS_CHECKED tdbplus_status role_create(struct txn *txn, const struct role *role,
                                           uint64_t *oid_out, struct err *err);

/* Gives the role with `role->oid` name, flags, limits and verifier; its groups stay. 42501 for one
 * that is always there. */
TDBPLUS_CHECKED tdbplus_status role_alter(struct txn *txn, const struct role *role,
                                          struct err *err);

/* Makes `member` a member of group->oid, or changes how; 0LP01 when that would be a circle. */
TDBPLUS_CHECKED tdbplus_status role_join(struct txn *txn, uint64_t member,
                                         const struct role_group *group, struct err *err);

/* Ends a membership, or only its right to make others members. Without one nothing happens. */
TDBPLUS_CHECKED tdbplus_status role_leave(struct txn *txn, uint64_t member, uint64_t group,
                                          bool admin_only, struct err *err);

/* Ends all memberships in it, then drops it. Whether it owns anything is the caller's to look. */
TDBPLUS_CHECKED tdbplus_status role_drop(struct txn *txn, uint64_t oid, struct err *err);
