#pragma once

#include "os/env.h"

/*
 * Fibers: stacks of their own that take turns on a thread. They let code that is written as if it
 * blocked give its thread away while it waits. For env_real and env_ram; in the simulator every
 * task is such a stack already.
 *
 * fiber_run() runs fn(arg) on a fiber, on the calling thread, until it ends or first waits. If it
 * ended, the result is true. If it waits, the result is false, and once the wait is over a
 * thread of `pool` carries on; `done(arg)` is called by that thread at the very end. `done` is
 * not called when fiber_run() returns true. It may be called before fiber_run() returns false.
 *
 * After each wait a fiber may be on another thread. So a fiber keeps no thread-local address, no
 * lock of the C library and no latch across a wait (O3, O4); errno means nothing after one.
 * A stack has FIBER_STACK_SIZE bytes; running past it ends the process (a page below it faults).
 */
struct fiber_pool; /* Threads that carry on fibers whose wait is over, and idle stacks. */

/* AddressSanitizer spreads variables apart, so frames need several times the room. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIBER_STACK_SIZE ((size_t)1 << 20)
#else
#define FIBER_STACK_SIZE ((size_t)256 << 10)
#endif

/* `thread_count` > 0. Stacks are mapped from the system and not charged to `alloc`. */
TDBPLUS_CHECKED tdbplus_status fiber_pool_create(const struct alloc *alloc, uint32_t thread_count,
                                                 struct fiber_pool **pool_out, struct err *err);
/* Waits until every fiber has ended. NULL is fine. */
void fiber_pool_destroy(struct fiber_pool *pool);

/* TDBPLUS_E_NOMEM when there is no stack to be had; fn was not called then. `done` may be NULL. */
TDBPLUS_CHECKED tdbplus_status fiber_run(struct fiber_pool *pool, void (*fn)(void *arg),
                                         void (*done)(void *arg), void *arg, bool *ended_out,
                                         struct err *err);

/* True when the caller runs on a fiber. */
bool fiber_active(void);

/*
 * Gives the thread away if the fiber has had it for long: after FIBER_GUEST_US on a thread that is
 * not the pool's, after FIBER_TURN_US on one of the pool's if another fiber is ready. For loops
 * that compute; does nothing outside of a fiber. [waits]
 */
#define FIBER_GUEST_US 300u
#define FIBER_TURN_US  5000u
void fiber_breathe(void);

/* The most bytes of stack that any fiber now idle in the pool has used. Reads whole stacks. */
size_t fiber_pool_stack_peak(struct fiber_pool *pool);
