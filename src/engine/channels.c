#include "engine/channels.h"

#include <string.h>

void channels_init(struct channels *channels, const struct alloc *alloc)
{
    *channels = (struct channels){.alloc = alloc};
}

void listener_init(struct listener *listener, const struct alloc *alloc)
{
    *listener = (struct listener){0};
    list_init(&listener->names, alloc, CHANNEL_NAME_SIZE);
}

/* Under the latch: whether it is among those that are told. */
static void set_listed(struct channels *channels, struct listener *listener, bool listed)
{
    if (listener->listed == listed) {
        return;
    }
    listener->listed = listed;
    if (listed) {
        listener->previous = NULL;
        listener->next = channels->first;
        if (channels->first != NULL) {
            channels->first->previous = listener;
        }
        channels->first = listener;
        return;
    }
    if (listener->previous != NULL) {
        listener->previous->next = listener->next;
    } else {
        channels->first = listener->next;
    }
    if (listener->next != NULL) {
        listener->next->previous = listener->previous;
    }
}

void listener_deinit(struct channels *channels, struct listener *listener)
{
    struct notification *notification = NULL;
    channels_unlisten(channels, listener, NULL);
    while ((notification = channels_take(channels, listener)) != NULL) {
        notification_destroy(channels->alloc, notification);
    }
    list_deinit(&listener->names);
}

static size_t find_name(const struct listener *listener, const char *channel)
{
    size_t at = 0;
    while (at < listener->names.count && strcmp(list_at(&listener->names, at), channel) != 0) {
        at++;
    }
    return at;
}

tdbplus_status channels_listen(struct channels *channels, struct listener *listener,
                               const char *channel, struct err *err)
{
    char name[CHANNEL_NAME_SIZE] = {0};
    (void)memccpy(name, channel, 0, sizeof name - 1);
    latch_lock(&channels->latch);
    bool known = find_name(listener, name) < listener->names.count;
    bool full = !known && listener->names.count >= CHANNEL_LISTENED_MAX;
    bool good = known || (!full && list_push(&listener->names, name) != NULL);
    set_listed(channels, listener, listener->names.count > 0);
    latch_unlock(&channels->latch);
    if (full) {
        return err_set(err, TDBPLUS_E_LIMIT, "a session listens to at most %u channels",
                       CHANNEL_LISTENED_MAX);
    }
    return good ? TDBPLUS_OK : err_set(err, TDBPLUS_E_NOMEM, "a channel does not fit in memory");
}

void channels_unlisten(struct channels *channels, struct listener *listener, const char *channel)
{
    latch_lock(&channels->latch);
    if (channel == NULL) {
        listener->names.count = 0;
    } else {
        size_t at = find_name(listener, channel);
        if (at < listener->names.count) {
            list_remove(&listener->names, at);
        }
    }
    set_listed(channels, listener, listener->names.count > 0);
    latch_unlock(&channels->latch);
}

tdbplus_status notification_create(const struct alloc *alloc, struct span channel,
                                   struct span payload, struct notification **notification_out,
                                   struct err *err)
{
    if (channel.size == 0) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "channel name cannot be empty");
    }
    if (channel.size >= CHANNEL_NAME_SIZE) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "channel name too long");
    }
    if (payload.size > CHANNEL_PAYLOAD_MAX) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22023", "payload string too long");
    }
    size_t size = sizeof(struct notification) + payload.size + 1;
    struct notification *made = alloc_array(alloc, size, 1);
    if (made == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a notification does not fit in memory");
    }
    made->size = (uint32_t)size;
    memcpy(made->channel, channel.data, channel.size);
    if (payload.size > 0) {
        memcpy(made->payload, payload.data, payload.size);
    }
    *notification_out = made;
    return TDBPLUS_OK;
}

void notification_destroy(const struct alloc *alloc, struct notification *notification)
{
    if (notification != NULL) {
        alloc_free(alloc, notification, notification->size, 1);
    }
}

/* Under the latch. */
static bool hand_over(struct channels *channels, struct listener *listener,
                      const struct notification *notification)
{
    struct notification *copy = NULL;
    if (listener->queued_bytes + notification->size <= CHANNEL_QUEUE_MAX) {
        copy = alloc_array(channels->alloc, notification->size, 1);
    }
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, notification, notification->size);
    copy->next = NULL;
    if (listener->last != NULL) {
        listener->last->next = copy;
    } else {
        listener->first = copy;
    }
    listener->last = copy;
    listener->queued_bytes += copy->size;
    if (listener->wake != NULL) {
        listener->wake(listener->wake_ctx);
    }
    return true;
}

bool channels_publish(struct channels *channels, const struct notification *notification)
{
    bool good = true;
    latch_lock(&channels->latch);
    for (struct listener *at = channels->first; at != NULL; at = at->next) {
        if (find_name(at, notification->channel) < at->names.count) {
            good = hand_over(channels, at, notification) && good;
        }
    }
    latch_unlock(&channels->latch);
    return good;
}

struct notification *channels_take(struct channels *channels, struct listener *listener)
{
    latch_lock(&channels->latch);
    struct notification *taken = listener->first;
    if (taken != NULL) {
        listener->first = taken->next;
        listener->last = taken->next == NULL ? NULL : listener->last;
        listener->queued_bytes -= taken->size;
    }
    latch_unlock(&channels->latch);
    return taken;
}
