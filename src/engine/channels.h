#pragma once

/*
 * channels: LISTEN and NOTIFY between the sessions of a database. A session is a listener from its
 * first LISTEN on; what is published to a channel waits in the queue of each of its listeners,
 * which is told at once that there is something.
 *
 * Threads: everything may be called at once; a listener's own functions by one thread at a time.
 */

#include "base/alloc.h"
#include "base/err.h"
#include "base/list.h"
#include "os/latch.h"

#define CHANNEL_NAME_SIZE    64u   /* With the zero, as PostgreSQL's. */
#define CHANNEL_PAYLOAD_MAX  7999u /* Bytes of a payload, as PostgreSQL. */
#define CHANNEL_QUEUE_MAX    ((size_t)16 << 20)
#define CHANNEL_LISTENED_MAX 1000u /* Channels of one session. */

struct notification {
    struct notification *next;
    int32_t sender;
    uint32_t size; /* Of the whole. */
    char channel[CHANNEL_NAME_SIZE];
    char payload[]; /* Ended by a zero. */
};

struct listener {
    struct listener *next; /* Of all, under the latch. */
    struct listener *previous;
    bool listed;
    struct list names;                  /* char[CHANNEL_NAME_SIZE], what it listens to. */
    struct notification *_Atomic first; /* Changed under the latch. */
    struct notification *last;
    size_t queued_bytes;
    /* Told that there is something, under the latch: it may not call back. NULL: nobody is told. */
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/* Zeroed is fine after channels_init(). */
struct channels {
    struct latch latch;
    struct listener *first;
    const struct alloc *alloc;
};

void channels_init(struct channels *channels, const struct alloc *alloc);

void listener_init(struct listener *listener, const struct alloc *alloc);
/* Forgets it with what it has not taken; zeroed is fine. */
void listener_deinit(struct channels *channels, struct listener *listener);

TDBPLUS_CHECKED tdbplus_status channels_listen(struct channels *channels, struct listener *listener,
                                               const char *channel, struct err *err);
/* NULL: no channel any more. */
void channels_unlisten(struct channels *channels, struct listener *listener, const char *channel);

/* A notification that nobody has yet; 22023 for names and payloads that are too long. */
TDBPLUS_CHECKED tdbplus_status notification_create(const struct alloc *alloc, struct span channel,
                                                   struct span payload,
                                                   struct notification **notification_out,
                                                   struct err *err);
void notification_destroy(const struct alloc *alloc, struct notification *notification);

/* Hands a copy to each listener of its channel; one whose queue is full misses it. False when that
 * or a lack of memory happened. */
bool channels_publish(struct channels *channels, const struct notification *notification);

/* The oldest that was not taken, which is the caller's then; NULL: there is none. */
struct notification *channels_take(struct channels *channels, struct listener *listener);
