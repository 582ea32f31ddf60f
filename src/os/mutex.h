#pragma once

#include "os/env.h"
#include "os/latch.h"

/*
 * A lock that may be held across waits (I/O, sync), for background work and rare paths. Fair: first
 * come, first served. Works on threads, on fibers and in the simulator. A zeroed mutex is free.
 */
struct mutex {
    struct latch latch;
    bool held;
    struct mutex_waiter *first;
    struct mutex_waiter *last;
};

void mutex_lock(const struct env *env, struct mutex *mutex); /* [waits] */
bool mutex_try_lock(struct mutex *mutex);
void mutex_unlock(const struct env *env, struct mutex *mutex);

/*
 * A condition: waiters go to sleep until somebody signals. The caller holds `mutex`; the wait gives
 * it up and takes it again. Returns false when the deadline passed. A zeroed condition is ready.
 */
struct condition {
    struct latch latch;
    struct mutex_waiter *first;
    struct mutex_waiter *last;
};

bool condition_wait(const struct env *env, struct condition *condition, struct mutex *mutex,
                    uint64_t deadline_us); /* [waits] */
void condition_signal(const struct env *env, struct condition *condition);
void condition_broadcast(const struct env *env, struct condition *condition);
