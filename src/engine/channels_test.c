/*
 * Goal: what is published to a channel comes to each of its listeners, once, in order, and to
 * nobody else; listeners that are full or gone harm nobody. Method: listeners without sessions,
 * names and payloads at their limits, a sweep over failing allocations.
 */

#include "engine/channels.h"

#include <string.h>

#include "test.h"

static bool publish(struct channels *channels, const char *channel, const char *payload)
{
    struct notification *made = NULL;
    if (notification_create(channels->alloc, span_from_text(channel), span_from_text(payload),
                            &made, NULL) != TDBPLUS_OK) {
        return false;
    }
    made->sender = 7;
    bool good = channels_publish(channels, made);
    notification_destroy(channels->alloc, made);
    return good;
}

/* Whether the next one is that; "" for the payload: there is none. */
static bool takes(struct channels *channels, struct listener *listener, const char *payload)
{
    struct notification *taken = channels_take(channels, listener);
    bool good = taken == NULL ? payload[0] == '\0' : strcmp(taken->payload, payload) == 0;
    notification_destroy(channels->alloc, taken);
    return good;
}

static void count_wake(void *ctx)
{
    (*(uint32_t *)ctx)++;
}

TEST(listeners_get_what_is_published_to_their_channels)
{
    struct channels channels;
    struct listener one;
    struct listener two;
    uint32_t woken = 0;
    channels_init(&channels, &alloc_system);
    listener_init(&one, &alloc_system);
    listener_init(&two, &alloc_system);
    one.wake = count_wake;
    one.wake_ctx = &woken;
    CHECK(channels_listen(&channels, &one, "a", NULL) == TDBPLUS_OK);
    CHECK(channels_listen(&channels, &one, "a", NULL) == TDBPLUS_OK);
    CHECK(channels_listen(&channels, &two, "a", NULL) == TDBPLUS_OK);
    CHECK(channels_listen(&channels, &two, "b", NULL) == TDBPLUS_OK);
    CHECK(publish(&channels, "a", "1") && publish(&channels, "b", "2") &&
          publish(&channels, "c", "3"));
    CHECK(woken == 1);
    CHECK(takes(&channels, &one, "1") && takes(&channels, &one, ""));
    CHECK(takes(&channels, &two, "1") && takes(&channels, &two, "2") && takes(&channels, &two, ""));
    channels_unlisten(&channels, &two, "a");
    CHECK(publish(&channels, "a", "4") && publish(&channels, "b", "5"));
    CHECK(takes(&channels, &two, "5") && takes(&channels, &two, ""));
    channels_unlisten(&channels, &one, NULL);
    CHECK(publish(&channels, "a", "6"));
    CHECK(takes(&channels, &one, "4") && takes(&channels, &one, ""));
    listener_deinit(&channels, &one);
    listener_deinit(&channels, &two);
    CHECK(channels.first == NULL);
}

TEST(names_and_payloads_have_limits)
{
    char name[CHANNEL_NAME_SIZE + 1];
    static char payload[CHANNEL_PAYLOAD_MAX + 2];
    memset(name, 'n', sizeof name - 1);
    name[CHANNEL_NAME_SIZE] = '\0';
    memset(payload, 'p', sizeof payload - 1);
    struct notification *made = NULL;
    struct err err = {0};
    struct span whole = span_from_text(name);
    CHECK(notification_create(&alloc_system, whole, (struct span){0}, &made, &err) ==
          TDBPLUS_E_INVALID);
    CHECK(strcmp(err.sqlstate, "22023") == 0);
    whole.size--;
    CHECK(notification_create(&alloc_system, whole, span_from_text(payload), &made, NULL) ==
          TDBPLUS_E_INVALID);
    CHECK(notification_create(&alloc_system, (struct span){0}, (struct span){0}, &made, NULL) ==
          TDBPLUS_E_INVALID);
    payload[CHANNEL_PAYLOAD_MAX] = '\0';
    CHECK(notification_create(&alloc_system, whole, span_from_text(payload), &made, NULL) ==
          TDBPLUS_OK);
    notification_destroy(&alloc_system, made);
}

TEST(a_listener_that_is_full_misses_what_comes)
{
    struct channels channels;
    struct listener slow;
    static char payload[CHANNEL_PAYLOAD_MAX + 1];
    memset(payload, 'p', sizeof payload - 1);
    channels_init(&channels, &alloc_system);
    listener_init(&slow, &alloc_system);
    CHECK(channels_listen(&channels, &slow, "a", NULL) == TDBPLUS_OK);
    uint32_t count = 0;
    while (publish(&channels, "a", payload)) {
        count++;
    }
    CHECK(count >= CHANNEL_QUEUE_MAX / (sizeof payload + sizeof(struct notification) + 1));
    CHECK(slow.queued_bytes <= CHANNEL_QUEUE_MAX);
    CHECK(takes(&channels, &slow, payload));
    CHECK(publish(&channels, "a", "again"));
    listener_deinit(&channels, &slow);
}

TEST(channels_survive_every_failed_allocation)
{
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct channels channels;
        struct listener listener;
        channels_init(&channels, &fault.alloc);
        listener_init(&listener, &fault.alloc);
        bool good = channels_listen(&channels, &listener, "a", NULL) == TDBPLUS_OK &&
                    publish(&channels, "a", "1") && takes(&channels, &listener, "1");
        listener_deinit(&channels, &listener);
        CHECK(fault.live_bytes == 0);
        if (good) {
            CHECK(fail_at == 3);
            break;
        }
    }
}
