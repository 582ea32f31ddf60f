#pragma once

/*
 * sql_session: what statements of one conversation share beside the database: where names are
 * looked for, temporary tables, which numbers came from sequences.
 *
 * Threads: one user at a time.
 */

#include "base/list.h"
#include "sql/bind/bind.h"

#define SQL_PATH_COUNT_MAX 64u

struct sql_session {
    const struct alloc *alloc;
    struct arena path_arena;
    const char **path;
    uint32_t path_count;
    char *path_text; /* As SHOW gives it. */
    char temp_schema[32];
    char user[ROLE_NAME_SIZE_MAX + 1]; /* What "$user" means in the path; "": nothing. */
    struct list numbers;               /* struct sql_session_number */
    uint64_t last_oid;                 /* Of the sequence used last; 0: none. */
    struct bind_session bind;
};

struct sql_session_number {
    uint64_t oid;
    int64_t value;
};

TDBPLUS_CHECKED tdbplus_status sql_session_init(struct sql_session *session, struct store *store,
                                                const struct alloc *alloc, struct err *err);

/* Zeroed is fine. What is temporary is the caller's to drop first: sql_session_drop_temporary(). */
void sql_session_deinit(struct sql_session *session);

/* SET search_path: a list of names between commas, as SHOW gives it. 22023. */
TDBPLUS_CHECKED tdbplus_status sql_session_set_path(struct sql_session *session, struct span text,
                                                    struct err *err);

/* Who asks from now on, and who logged in. */
TDBPLUS_CHECKED tdbplus_status sql_session_set_role(struct sql_session *session,
                                                    uint64_t session_role, const struct role *role,
                                                    struct err *err);

/* SET search_path TO a, b; RESET. */
TDBPLUS_CHECKED tdbplus_status sql_session_set(struct sql_session *session,
                                               const struct ast_set *set, struct err *err);

/* Drops the temporary objects of one session, or of all if `schema` is NULL, in a transaction of
 * its own. [waits] */
TDBPLUS_CHECKED tdbplus_status sql_session_drop_temporary(struct store *store, const char *schema,
                                                          const struct call *call);

/* What functions ask about sequences in a run. */
struct sql_sequences {
    struct func_sequences functions;
    struct txn *txn;
    const struct call *call;
    struct sql_session *session; /* NULL: none. */
};
void sql_sequences_init(struct sql_sequences *sequences, struct txn *txn, const struct call *call,
                        struct sql_session *session);
