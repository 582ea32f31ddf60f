#include "os/mutex.h"

#include "base/assert.h"

/* Lies on the waiter's stack. Whoever takes it off the list sets the event and forgets it. */
struct mutex_waiter {
    struct env_event event;
    struct mutex_waiter *next;
};

static void append_waiter(struct mutex_waiter **first, struct mutex_waiter **last,
                          struct mutex_waiter *waiter)
{
    waiter->next = NULL;
    if (*first == NULL) {
        *first = waiter;
    } else {
        (*last)->next = waiter;
    }
    *last = waiter;
}

static struct mutex_waiter *take_first(struct mutex_waiter **first, struct mutex_waiter **last)
{
    struct mutex_waiter *waiter = *first;
    if (waiter != NULL) {
        *first = waiter->next;
        *last = waiter->next == NULL ? NULL : *last;
    }
    return waiter;
}

/* True when the waiter was still on the list. */
static bool remove_waiter(struct mutex_waiter **first, struct mutex_waiter **last,
                          const struct mutex_waiter *waiter)
{
    struct mutex_waiter *before = NULL;
    for (struct mutex_waiter **link = first; *link != NULL; link = &(*link)->next) {
        if (*link == waiter) {
            *link = waiter->next;
            *last = *last == waiter ? before : *last;
            return true;
        }
        before = *link;
    }
    return false;
}

void mutex_lock(const struct env *env, struct mutex *mutex)
{
    ASSERT(latch_depth_now() == 0);
    struct mutex_waiter waiter = {0};
    latch_lock(&mutex->latch);
    if (!mutex->held) {
        mutex->held = true;
        latch_unlock(&mutex->latch);
        return;
    }
    append_waiter(&mutex->first, &mutex->last, &waiter);
    latch_unlock(&mutex->latch);
    // The holder hands the mutex over without freeing it, so nobody overtakes.
    (void)env_event_wait(env, &waiter.event, ENV_DEADLINE_NONE);
}

bool mutex_try_lock(struct mutex *mutex)
{
    latch_lock(&mutex->latch);
    bool taken = !mutex->held;
    mutex->held = true;
    latch_unlock(&mutex->latch);
    return taken;
}

void mutex_unlock(const struct env *env, struct mutex *mutex)
{
    latch_lock(&mutex->latch);
    ASSERT(mutex->held);
    struct mutex_waiter *next = take_first(&mutex->first, &mutex->last);
    mutex->held = next != NULL;
    latch_unlock(&mutex->latch);
    if (next != NULL) {
        env_event_set(env, &next->event);
    }
}

bool condition_wait(const struct env *env, struct condition *condition, struct mutex *mutex,
                    uint64_t deadline_us)
{
    struct mutex_waiter waiter = {0};
    latch_lock(&condition->latch);
    append_waiter(&condition->first, &condition->last, &waiter);
    latch_unlock(&condition->latch);
    mutex_unlock(env, mutex);

    bool signalled = env_event_wait(env, &waiter.event, deadline_us);
    if (!signalled) {
        latch_lock(&condition->latch);
        bool still_listed = remove_waiter(&condition->first, &condition->last, &waiter);
        latch_unlock(&condition->latch);
        if (!still_listed) {
            // Somebody took us off and is about to set the event: it must not find us gone.
            signalled = env_event_wait(env, &waiter.event, ENV_DEADLINE_NONE);
        }
    }
    mutex_lock(env, mutex);
    return signalled;
}

void condition_signal(const struct env *env, struct condition *condition)
{
    latch_lock(&condition->latch);
    struct mutex_waiter *waiter = take_first(&condition->first, &condition->last);
    latch_unlock(&condition->latch);
    if (waiter != NULL) {
        env_event_set(env, &waiter->event);
    }
}

void condition_broadcast(const struct env *env, struct condition *condition)
{
    latch_lock(&condition->latch);
    struct mutex_waiter *waiter = condition->first;
    condition->first = NULL;
    condition->last = NULL;
    latch_unlock(&condition->latch);
    while (waiter != NULL) {
        // Once its event is set, a waiter may be gone.
        struct mutex_waiter *next = waiter->next;
        env_event_set(env, &waiter->event);
        waiter = next;
    }
}
