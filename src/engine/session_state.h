#pragma once

/*
 * session state: the settings of a session and what follows from them, shared with the results
 * that may outlive it. Everything in it is the session's thread's; only the last reference may be
 * dropped by another one.
 */

#include <stdatomic.h>

#include "auth/role.h"
#include "engine/zones.h"
#include "sql/exec/statement.h"
#include "sql/func/func.h"
#include "sql/session/setting.h"
#include "types/text.h"

struct tdbplus_session;

struct session_state {
    _Atomic uint32_t refs;
    const struct alloc *alloc;
    struct store *store;
    struct settings settings;
    struct zones zones;
    struct tz_finder finder;
    struct text_style style;
    struct func_session func; /* What functions are lent. */
    struct sql_settings sql;  /* What statements are run with. */
    uint64_t applied;         /* settings_generation() of what stands here. */
    uint64_t plan_key;        /* Another one: plans made before are of no use. */
    uint32_t thread_count;    /* Unless set. */
    struct txn_options txn;   /* Of new transactions. */
    bool deferrable;          /* They are said to be. */
    uint64_t statement_timeout_us;
    uint64_t idle_timeout_us;        /* Within a transaction. */
    struct tdbplus_session *session; /* NULL: closed. */
    bool quiet;                      /* A statement is described, not run: nothing is noted. */
    char owner[64];                  /* What the database's owner is called here. */
    uint64_t login_role;             /* Who logged in, */
    struct role session_role;        /* SESSION_USER, */
    struct role role;                /* CURRENT_USER, */
    char shown_session[64];          /* and the settings that they follow from. */
    char shown_role[64];
    char database[64];
    uint8_t label[64]; /* Of an enum, the one printed last. */
};

TDBPLUS_CHECKED tdbplus_status session_state_create(struct store *store, const struct alloc *alloc,
                                                    uint32_t thread_count,
                                                    struct session_state **state_out,
                                                    struct err *err);

struct session_state *session_state_share(struct session_state *state);
void session_state_release(struct session_state *state); /* NULL is fine. */

/* Works out anew what follows from settings, if they have changed; cheap if not. True when plans
 * made before are of no use. */
bool session_state_apply(struct session_state *state);

/* Makes a role of that name the one that logged in; 28000 when there is none. `trusted`: whoever
 * is no role is the database's owner, under that name. */
TDBPLUS_CHECKED tdbplus_status session_state_login(struct session_state *state, const char *name,
                                                   bool trusted, struct err *err);

/* Appends what SHOW shows; what belongs to the transaction at hand is asked of the session. */
void session_state_show(const struct session_state *state, uint32_t number, struct buffer *text);
