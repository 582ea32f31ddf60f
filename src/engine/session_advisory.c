/*
 * Advisory locks: pg_advisory_lock() and its kin, on numbers that mean something to applications
 * only. They are rows of a table that does not exist, in the database's lock table; the number is
 * the hash, so two of them never meet. One owner for a session, whatever transaction it is in.
 */

#include <string.h>

#include "engine/session.h"

#define ADVISORY_WIDE      (UINT64_MAX - 1) /* Instead of a table: one number of 64 bits, */
#define ADVISORY_PAIRS     (UINT64_MAX - 2) /* or two of 32. */
#define ADVISORY_COUNT_MAX 10000u

/* One acquisition. */
struct advisory_hold {
    struct lock_request request;
    bool of_txn;
};

void session_init_advisory(tdbplus_session *session)
{
    struct advisory *advisory = &session->advisory;
    list_init(&advisory->held, &session->db->host, sizeof(struct advisory_hold));
    lock_owner_init(&advisory->owner, store_locks(session->db->store), 0);
}

static void give_back(tdbplus_session *session, size_t at)
{
    struct advisory *advisory = &session->advisory;
    const struct advisory_hold *hold = list_at(&advisory->held, at);
    (void)lock_table_release(&advisory->owner, &hold->request);
    list_remove(&advisory->held, at);
}

static void give_back_all(tdbplus_session *session, bool of_txn)
{
    for (size_t i = session->advisory.held.count; i > 0; i--) {
        const struct advisory_hold *hold = list_at(&session->advisory.held, i - 1);
        if (hold->of_txn == of_txn) {
            give_back(session, i - 1);
        }
    }
}

void session_end_advisory(tdbplus_session *session)
{
    if (session->advisory.held.count > 0) {
        give_back_all(session, true);
    }
}

void session_close_advisory(tdbplus_session *session)
{
    give_back_all(session, true);
    give_back_all(session, false);
    lock_owner_deinit(&session->advisory.owner);
    list_deinit(&session->advisory.held);
}

static tdbplus_status take(tdbplus_session *session, struct advisory_hold *hold, bool *taken_out,
                           struct err *err)
{
    struct advisory *advisory = &session->advisory;
    struct call call = {.alloc = &session->db->host, .err = err};
    if (session->running != NULL) {
        call.cancel = session->running->cancel;
        call.deadline_us = session->running->deadline_us;
    }
    hold->request.timeout_us = session->state->txn.lock_timeout_us;
    if (advisory->held.count >= ADVISORY_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "a session has at most %u advisory locks",
                       ADVISORY_COUNT_MAX);
    }
    tdbplus_status status = lock_table_acquire(&advisory->owner, &hold->request, &call);
    if (status == TDBPLUS_E_LOCK && hold->request.no_wait) {
        err_clear(err);
        *taken_out = false;
        return TDBPLUS_OK;
    }
    TRY(status);
    *taken_out = true;
    if (list_push(&advisory->held, hold) == NULL) {
        (void)lock_table_release(&advisory->owner, &hold->request);
        return err_set(err, TDBPLUS_E_NOMEM, "an advisory lock does not fit in memory");
    }
    return TDBPLUS_OK;
}

/* Only those of the session are given back by hand. */
static bool unlock(tdbplus_session *session, const struct lock_request *request)
{
    for (size_t i = session->advisory.held.count; i > 0; i--) {
        const struct advisory_hold *hold = list_at(&session->advisory.held, i - 1);
        if (!hold->of_txn && hold->request.table == request->table &&
            hold->request.hash == request->hash && hold->request.mode == request->mode) {
            give_back(session, i - 1);
            return true;
        }
    }
    session_note(session->state, "WARNING", "01000", "you don't own a lock of type %s",
                 request->mode == LOCK_ROW_UPDATE ? "ExclusiveLock" : "ShareLock");
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

tdbplus_status session_advisory(tdbplus_session *session, const struct session_question *question,
                                bool *found_out)
{
    const char *name = question->name;
    bool tries = strncmp(name, "pg_try_advisory_", 16) == 0;
    *found_out = tries || strncmp(name, "pg_advisory_", 12) == 0;
    if (!*found_out) {
        return TDBPLUS_OK;
    }
    const char *rest = name + (tries ? 16 : 12);
    if (strcmp(rest, "unlock_all") == 0) {
        give_back_all(session, false);
        return TDBPLUS_OK;
    }
    const struct datum *arguments = question->arguments;
    uint64_t first = (uint64_t)arguments[0].integer;
    bool pair = question->count > 1;
    struct advisory_hold hold = {.of_txn = strncmp(rest, "xact_", 5) == 0};
    hold.request.table = pair ? ADVISORY_PAIRS : ADVISORY_WIDE;
    hold.request.hash = pair ? first << 32 | (uint32_t)arguments[1].integer : first;
    hold.request.mode = ends_with(name, "_shared") ? LOCK_ROW_FOR_SHARE : LOCK_ROW_UPDATE;
    hold.request.no_wait = tries;
    bool done = false;
    if (strncmp(rest, "unlock", 6) == 0) {
        done = unlock(session, &hold.request);
    } else {
        TRY(take(session, &hold, &done, question->err));
    }
    question->answer->integer = done;
    return TDBPLUS_OK;
}
