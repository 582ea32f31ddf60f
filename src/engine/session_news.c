/* What a session tells others, when its transaction commits, and what it tells its own client. */

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/session.h"
#include "sql/parse/ast_session.h"

/* LISTEN, UNLISTEN (`notification` NULL, the channel may be empty: all) or NOTIFY, until the
 * commit. */
struct news_item {
    struct notification *notification;
    char channel[CHANNEL_NAME_SIZE];
    bool stop;
};

void session_init_news(tdbplus_session *session)
{
    const struct alloc *alloc = &session->db->host;
    list_init(&session->news, alloc, sizeof(struct news_item));
    list_init(&session->notices, alloc, sizeof(struct notice));
    listener_init(&session->listener, alloc);
    session->backend_id = 1;
}

void session_close_news(tdbplus_session *session)
{
    session_drop_news(session, 0);
    list_deinit(&session->news);
    list_deinit(&session->notices);
    listener_deinit(&session->db->channels, &session->listener);
}

void session_drop_news(tdbplus_session *session, size_t from)
{
    while (session->news.count > from) {
        struct news_item *item = list_at(&session->news, session->news.count - 1);
        notification_destroy(&session->db->host, item->notification);
        list_remove(&session->news, session->news.count - 1);
    }
}

void session_publish_news(tdbplus_session *session)
{
    struct channels *channels = &session->db->channels;
    for (size_t i = 0; i < session->news.count; i++) {
        const struct news_item *item = list_at(&session->news, i);
        struct err err = {0};
        if (item->notification != NULL) {
            if (!channels_publish(channels, item->notification)) {
                session_note(session->state, "WARNING", "53400",
                             "a listener of channel \"%s\" reads too slowly and missed a "
                             "notification",
                             item->channel);
            }
        } else if (item->stop) {
            channels_unlisten(channels, &session->listener,
                              item->channel[0] == '\0' ? NULL : item->channel);
        } else if (channels_listen(channels, &session->listener, item->channel, &err) !=
                   TDBPLUS_OK) {
            session_note(session->state, "WARNING", "53400", "%s", err.text);
        }
    }
    session_drop_news(session, 0);
}

static bool is_same(const struct notification *left, const struct notification *right)
{
    return left != NULL && left->size == right->size &&
           strcmp(left->channel, right->channel) == 0 && strcmp(left->payload, right->payload) == 0;
}

static tdbplus_status add_item(tdbplus_session *session, const struct news_item *item,
                               struct err *err)
{
    if (session->news.count >= NEWS_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "a transaction has at most %u notifications",
                       NEWS_COUNT_MAX);
    }
    if (list_push(&session->news, item) == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a notification does not fit in memory");
    }
    return TDBPLUS_OK;
}

tdbplus_status session_notify(tdbplus_session *session, struct span channel, struct span payload,
                              struct err *err)
{
    struct news_item item = {0};
    TRY(notification_create(&session->db->host, channel, payload, &item.notification, err));
    item.notification->sender = session->backend_id;
    memcpy(item.channel, item.notification->channel, sizeof item.channel);
    // The same twice in a transaction is told once. Only the latest are looked at.
    size_t first = session->news.count > NEWS_LOOK_BACK ? session->news.count - NEWS_LOOK_BACK : 0;
    for (size_t i = first; i < session->news.count; i++) {
        const struct news_item *other = list_at(&session->news, i);
        if (is_same(other->notification, item.notification)) {
            notification_destroy(&session->db->host, item.notification);
            return TDBPLUS_OK;
        }
    }
    tdbplus_status status = add_item(session, &item, err);
    if (status != TDBPLUS_OK) {
        notification_destroy(&session->db->host, item.notification);
    }
    return status;
}

tdbplus_status session_run_news(tdbplus_session *session, const struct ast *ast, struct err *err)
{
    if (ast->kind == AST_NOTIFY) {
        const struct ast_notify *notify = (const struct ast_notify *)ast;
        const char *payload = notify->payload == NULL ? "" : notify->payload;
        TRY(session_notify(session, span_from_text(notify->channel), span_from_text(payload), err));
    } else {
        const struct ast_listen *listen = (const struct ast_listen *)ast;
        struct news_item item = {.stop = listen->stop};
        if (listen->channel != NULL) {
            (void)memccpy(item.channel, listen->channel, 0, sizeof item.channel - 1);
        }
        TRY(add_item(session, &item, err));
    }
    if (session->txn == NULL) {
        session_publish_news(session);
    }
    return TDBPLUS_OK;
}

void session_listen(tdbplus_session *session, int32_t backend_id, void (*wake)(void *ctx),
                    void *wake_ctx)
{
    session->backend_id = backend_id;
    session->listener.wake_ctx = wake_ctx;
    session->listener.wake = wake;
}

struct notification *session_take_notification(tdbplus_session *session)
{
    // Asked at the end of each statement, so without the latch: what comes later wakes the loop.
    return atomic_load_explicit(&session->listener.first, memory_order_acquire) == NULL
               ? NULL
               : channels_take(&session->db->channels, &session->listener);
}

void session_stop_listening(tdbplus_session *session)
{
    channels_unlisten(&session->db->channels, &session->listener, NULL);
}

/* ---- notices ---- */

/* How much a client wants to hear; the levels of client_min_messages in order. */
static uint32_t rank_of(const char *level)
{
    static const char *const levels[] = {"debug", "log", "notice", "warning", "error"};
    uint32_t rank = 0;
    while (rank < sizeof levels / sizeof *levels &&
           strncasecmp(level, levels[rank], strlen(levels[rank])) != 0) {
        rank++;
    }
    return rank;
}

void session_note(struct session_state *state, const char *level, const char *sqlstate,
                  const char *format, ...)
{
    uint32_t number = 0;
    struct notice notice = {0};
    tdbplus_session *session = state->session;
    if (session == NULL || state->quiet || session->notices.count >= NOTICE_COUNT_MAX ||
        settings_find(&state->settings, "client_min_messages", &number, NULL) != TDBPLUS_OK ||
        rank_of(level) < rank_of(settings_text(&state->settings, number))) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(notice.text, sizeof notice.text, format, args);
    va_end(args);
    (void)snprintf(notice.level, sizeof notice.level, "%s", level);
    (void)snprintf(notice.sqlstate, sizeof notice.sqlstate, "%s", sqlstate);
    (void)list_push(&session->notices, &notice); // One that does not fit is not told.
}

bool session_take_notice(tdbplus_session *session, struct notice *notice_out)
{
    if (session->notices.count == 0) {
        return false;
    }
    *notice_out = *(const struct notice *)list_at(&session->notices, 0);
    list_remove(&session->notices, 0);
    return true;
}
