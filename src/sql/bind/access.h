#pragma once

/*
 * access: what a statement needs privileges for. Binding notes each table, view and file that a
 * statement reads or changes, and which columns; whoever runs it is asked for them when it begins,
 * so that what was planned long ago is judged by today's privileges.
 */

#include "auth/acl.h"

struct bound_access {
    struct acl_target target;
    uint8_t catalog_kind; /* For messages. */
    const char *name;
    uint64_t role;       /* The owner of the view whose text it stands in; 0: whoever asks. */
    uint32_t privileges; /* On all of it, or on the columns below. */
    uint32_t column_count;
    const uint32_t *column_ids; /* NULL: positions plus one. */
    bool *read;                 /* One a column, as the following. */
    bool *inserted;
    bool *updated;
    bool superuser;      /* Only superusers may read it. */
    uint64_t group;      /* Only members of it may, if not 0: */
    const char *message; /* what others are told. */
    struct bound_access *next;
};

/* The role that a statement names, as seen by whoever asks; 42704. */
struct ast_role;
struct access_asker {
    uint64_t role;
    uint64_t session_role;
};
TDBPLUS_CHECKED tdbplus_status access_find_role(struct txn *txn, const struct access_asker *asker,
                                                const struct ast_role *ast, uint64_t *oid_out,
                                                struct err *err);

/* 42501 unless the role may do all of it. */
TDBPLUS_CHECKED tdbplus_status access_check(struct txn *txn, uint64_t role,
                                            const struct bound_access *accesses, struct err *err);

/* 42501 unless the role owns the entry; for one that is owned by another entry, that counts. */
TDBPLUS_CHECKED tdbplus_status access_check_owner(struct txn *txn, uint64_t role,
                                                  const struct catalog_entry *entry,
                                                  struct err *err);

/* 42501 "permission denied for schema s" unless the role has the privilege there. */
TDBPLUS_CHECKED tdbplus_status access_check_schema(struct txn *txn, uint64_t role,
                                                   const char *schema, uint32_t privilege,
                                                   struct err *err);
