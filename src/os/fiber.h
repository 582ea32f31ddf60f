#pragma once

#include "os/env.h"

/*
 * Fibers: stacks of their own that take turns on a thread. They let code that is written as if it
 * blocked give its thread away while it waits.
 *
 * fiber_run() runs fn(arg) on a fiber, on the calling thread, until it ends or first waits. If it
 * ended, the result is true. If it waits, the result is false, and once the wait is over a
 * thread of `pool` carries on; `done(arg)` is called by that thread at the very end. `done` is
 * not called when fiber_run() returns true.
 */
struct fiber_pool; /* Threads that carry on fibers whose wait is over, and idle stacks. */

TDBPLUS_CHECKED tdbplus_status fiber_pool_create(const struct alloc *alloc, uint32_t thread_count,
                                                 struct fiber_pool **pool_out, struct err *err);
/* Waits until every fiber has ended. */
void fiber_pool_destroy(struct fiber_pool *pool);

TDBPLUS_CHECKED tdbplus_status fiber_run(struct fiber_pool *pool, void (*fn)(void *arg),
                                         void (*done)(void *arg), void *arg, bool *ended_out,
                                         struct err *err);

/* True when the caller runs on a fiber. */
bool fiber_active(void);
