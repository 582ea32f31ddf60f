#include "os/fiber.h"

#include "base/assert.h"
#include "os/context.h"
#include "os/deadline_heap.h"
#include "os/io_service_internal.h"
#include "os/latch.h"
#include "os/os_internal.h"

#define IDLE_STACKS_MAX 64u

/*
 * The life of a fiber. Only who is named may touch it.
 *
 *            fiber_run            waits              publish
 *   idle ---------------> running -----> stopped ---------------> parked
 *    ^  (pool)            (itself)        (its carrier)            (whoever moves the event)
 *    |                     |  ^                                      |
 *    +------- ends --------+  +--- a thread takes it --- ready <-----+
 *                                                        (pool)
 *
 * "Stopped" is why a fiber never resumes while it still runs: it becomes findable (parked) only
 * by its carrier, after its registers are saved.
 */
enum fiber_stop {
    STOP_NONE,
    STOP_WAIT,
    STOP_YIELD,
    STOP_END,
};

/* Lies at the top of its own stack. */
struct fiber {
    struct context context;
    struct context *carrier; /* Runs while this fiber is stopped. */
    struct fiber_pool *pool;
    struct fiber *next; /* In the pool's queue or among the idle. */
    void *stack;
    void (*fn)(void *arg);
    void (*done)(void *arg);
    void *arg;
    enum fiber_stop stop;
    bool guest;              /* Its carrier is not a thread of the pool. */
    uint64_t since_us;       /* When it was last carried on. */
    struct env_event *event; /* What a wait is for. */
    struct deadline_entry deadline;
    bool woken; /* How the wait ended. */
};

struct fiber_pool {
    struct latch latch; /* Over all below but `threads`. */
    struct fiber *ready_first;
    struct fiber *ready_last;
    _Atomic uint32_t ready_count; /* Read without the latch as a hint. */
    struct fiber *idle;
    uint32_t idle_count;
    uint32_t live_count; /* Fibers that have not ended. */
    uint32_t sleeper_count;
    uint32_t watcher_count; /* Sleepers that wake at a deadline; one of them no later than first. */
    bool stopping;
    struct deadline_heap deadlines;
    _Atomic uint32_t sequence; /* What idle threads sleep on; moves with each reason to wake. */
    struct env_event drained;
    const struct alloc *alloc;
    struct io_service *io;
    uint32_t thread_count;
    struct env_task **threads;
};

static _Thread_local struct fiber *current_fiber;

/* Both look the thread's variable up anew on every call (O4). */
__attribute__((noinline)) static struct fiber *current_get(void)
{
    __asm__ volatile("" ::: "memory");
    return current_fiber;
}

__attribute__((noinline)) static void current_set(struct fiber *fiber)
{
    __asm__ volatile("" ::: "memory");
    current_fiber = fiber;
}

bool fiber_active(void)
{
    return current_get() != NULL;
}

struct io_service *fiber_io_service(void)
{
    const struct fiber *fiber = current_get();
    return fiber == NULL ? NULL : fiber->pool->io;
}

/* ---- the queue ---- */

/* Under the latch. Returns whether a sleeping thread should hear of it. */
static bool push_ready(struct fiber_pool *pool, struct fiber *fiber)
{
    fiber->next = NULL;
    if (pool->ready_first == NULL) {
        pool->ready_first = fiber;
    } else {
        pool->ready_last->next = fiber;
    }
    pool->ready_last = fiber;
    atomic_fetch_add_explicit(&pool->ready_count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&pool->sequence, 1, memory_order_relaxed);
    return pool->sleeper_count > 0;
}

/* After the latch is free the pool may be gone; a futex only needs its address. */
static void unlock_and_wake(struct fiber_pool *pool, bool wake)
{
    latch_unlock(&pool->latch);
    if (wake) {
        futex_wake(&pool->sequence, 1);
    }
}

void fiber_wake(void *waiter)
{
    struct fiber *fiber = waiter;
    struct fiber_pool *pool = fiber->pool;
    latch_lock(&pool->latch);
    (void)deadline_heap_remove(&pool->deadlines, &fiber->deadline);
    fiber->woken = true;
    bool wake = push_ready(pool, fiber);
    unlock_and_wake(pool, wake);
}

static struct fiber *fiber_of(struct deadline_entry *entry)
{
    return (struct fiber *)(void *)((uint8_t *)entry - offsetof(struct fiber, deadline));
}

/* Under the latch: makes those ready whose time has come. */
static void expire_deadlines(struct fiber_pool *pool)
{
    if (pool->deadlines.first == NULL) {
        return;
    }
    uint64_t now_us = os_clock_mono_us();
    while (pool->deadlines.first != NULL && pool->deadlines.first->deadline_us <= now_us) {
        struct fiber *fiber = fiber_of(pool->deadlines.first);
        (void)deadline_heap_remove(&pool->deadlines, &fiber->deadline);
        uint32_t expected = EVENT_FIBER_WAITS;
        if (atomic_compare_exchange_strong_explicit(&fiber->event->state, &expected, EVENT_CLEAR,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            fiber->woken = false;
            (void)push_ready(pool, fiber);
        }
        // Else a setter was first; it waits for the latch to make the fiber ready (O5).
    }
}

/*
 * Lets others find a fiber that has stopped to wait. False when its event is set by now: then it
 * goes on at once. On true it belongs to others and may already be running elsewhere.
 */
static bool publish_wait(struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    struct env_event *event = fiber->event;
    bool wake = false;
    latch_lock(&pool->latch);
    if (fiber->deadline.deadline_us != ENV_DEADLINE_NONE) {
        bool earliest = deadline_heap_push(&pool->deadlines, &fiber->deadline);
        // Somebody has to sleep no longer than this.
        atomic_fetch_add_explicit(&pool->sequence, earliest, memory_order_relaxed);
        wake = earliest && pool->sleeper_count > 0;
    }
    atomic_store_explicit(&event->waiter, fiber, memory_order_relaxed);
    uint32_t expected = EVENT_CLEAR;
    bool parked = atomic_compare_exchange_strong_explicit(
        &event->state, &expected, EVENT_FIBER_WAITS, memory_order_release, memory_order_acquire);
    if (!parked) {
        ASSERT(expected == EVENT_SET); // One waiter at a time.
        (void)deadline_heap_remove(&pool->deadlines, &fiber->deadline);
        fiber->woken = true;
    }
    unlock_and_wake(pool, wake);
    return parked;
}

/* ---- running ---- */

static void fiber_main(void *arg)
{
    struct fiber *fiber = arg;
    fiber->fn(fiber->arg);
    ASSERT(latch_depth_now() == 0);
    fiber->stop = STOP_END;
    context_leave(&fiber->context, fiber->carrier);
}

/* Runs a fiber until it ends (true) or belongs to others (false). `outer` is who called. */
static bool carry_from(struct context *carrier, struct fiber *outer, struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    for (;;) {
        fiber->carrier = carrier;
        fiber->since_us = os_clock_mono_us();
        fiber->stop = STOP_NONE;
        current_set(fiber);
        context_switch(carrier, &fiber->context);
        current_set(outer);
        switch (fiber->stop) {
        case STOP_END:
            return true;
        case STOP_YIELD:
            latch_lock(&pool->latch);
            unlock_and_wake(pool, push_ready(pool, fiber));
            return false;
        case STOP_WAIT:
            if (publish_wait(fiber)) {
                return false;
            }
            break;
        case STOP_NONE:
            assert_failed("a fiber stops for a reason", __FILE__, __LINE__);
        }
    }
}

/* The same, on this thread. Fibers may run fibers: then the inner one's carrier is the outer. */
static bool carry(struct fiber *fiber)
{
    struct fiber *outer = current_get();
    if (outer != NULL) {
        return carry_from(&outer->context, outer, fiber);
    }
    struct context own;
    context_adopt(&own);
    bool ended = carry_from(&own, NULL, fiber);
    context_release(&own);
    return ended;
}

bool fiber_event_wait(struct env_event *event, uint64_t deadline_us)
{
    struct fiber *fiber = current_get();
    fiber->event = event;
    fiber->deadline.deadline_us = deadline_us;
    fiber->stop = STOP_WAIT;
    context_switch(&fiber->context, fiber->carrier);
    if (fiber->woken) {
        // Whoever woke us left it set.
        uint32_t before =
            atomic_exchange_explicit(&event->state, EVENT_CLEAR, memory_order_acquire);
        ASSERT(before == EVENT_SET);
    }
    return fiber->woken;
}

void fiber_yield(void)
{
    struct fiber *fiber = current_get();
    fiber->stop = STOP_YIELD;
    context_switch(&fiber->context, fiber->carrier);
}

void fiber_breathe(void)
{
    struct fiber *fiber = current_get();
    if (fiber == NULL) {
        return;
    }
    uint64_t had_us = os_clock_mono_us() - fiber->since_us;
    const struct fiber_pool *pool = fiber->pool;
    bool wanted = atomic_load_explicit(&pool->ready_count, memory_order_relaxed) > 0;
    if (fiber->guest ? had_us >= FIBER_GUEST_US : wanted && had_us >= FIBER_TURN_US) {
        fiber_yield();
    }
}

/* ---- stacks ---- */

static struct fiber *take_fiber(struct fiber_pool *pool)
{
    latch_lock(&pool->latch);
    struct fiber *fiber = pool->idle;
    if (fiber != NULL) {
        pool->idle = fiber->next;
        pool->idle_count--;
    }
    pool->live_count++;
    latch_unlock(&pool->latch);
    if (fiber != NULL) {
        return fiber;
    }
    uint8_t *stack = stack_map(FIBER_STACK_SIZE);
    if (stack == NULL) {
        latch_lock(&pool->latch);
        pool->live_count--;
        latch_unlock(&pool->latch);
        return NULL;
    }
    size_t room = (sizeof *fiber + 63) / 64 * 64;
    fiber = (struct fiber *)(void *)(stack + FIBER_STACK_SIZE - room);
    fiber->stack = stack;
    fiber->pool = pool;
    return fiber;
}

/* After the last fiber the pool may be gone when this returns. */
static void give_fiber_back(struct fiber_pool *pool, struct fiber *fiber)
{
    context_destroy(&fiber->context);
    latch_lock(&pool->latch);
    bool keep = pool->idle_count < IDLE_STACKS_MAX;
    if (keep) {
        fiber->next = pool->idle;
        pool->idle = fiber;
        pool->idle_count++;
    }
    latch_unlock(&pool->latch);
    if (!keep) {
        stack_unmap(fiber->stack, FIBER_STACK_SIZE);
    }
    latch_lock(&pool->latch);
    pool->live_count--;
    if (pool->live_count == 0 && pool->stopping) {
        event_set(&pool->drained); // Under the latch, so that the pool is still there.
    }
    latch_unlock(&pool->latch);
}

tdbplus_status fiber_run(struct fiber_pool *pool, void (*fn)(void *arg), void (*done)(void *arg),
                         void *arg, bool *ended_out, struct err *err)
{
    ASSERT(latch_depth_now() == 0);
    struct fiber *fiber = take_fiber(pool);
    if (fiber == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory for a stack of %zu bytes",
                       FIBER_STACK_SIZE);
    }
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->done = done;
    fiber->guest = true;
    context_make(&fiber->context, fiber->stack,
                 (size_t)((uint8_t *)fiber - (uint8_t *)fiber->stack), fiber_main, fiber);
    bool ended = carry(fiber);
    if (ended) {
        give_fiber_back(pool, fiber);
    }
    *ended_out = ended;
    return TDBPLUS_OK;
}

/* ---- the pool ---- */

/* Waits for a fiber to carry on; NULL when the pool stops. */
static struct fiber *take_ready(struct fiber_pool *pool)
{
    latch_lock(&pool->latch);
    for (;;) {
        expire_deadlines(pool);
        struct fiber *fiber = pool->ready_first;
        if (fiber != NULL) {
            pool->ready_first = fiber->next;
            atomic_fetch_sub_explicit(&pool->ready_count, 1, memory_order_relaxed);
            // There may be work for another thread, or nobody left who watches the deadlines.
            bool unwatched = pool->deadlines.first != NULL && pool->watcher_count == 0;
            bool wake = (pool->ready_first != NULL || unwatched) && pool->sleeper_count > 0;
            unlock_and_wake(pool, wake);
            return fiber;
        }
        if (pool->stopping && pool->live_count == 0) {
            latch_unlock(&pool->latch);
            return NULL;
        }
        uint32_t sequence = atomic_load_explicit(&pool->sequence, memory_order_relaxed);
        uint64_t deadline_us =
            pool->deadlines.first == NULL ? ENV_DEADLINE_NONE : pool->deadlines.first->deadline_us;
        bool watches = deadline_us != ENV_DEADLINE_NONE;
        pool->sleeper_count++;
        pool->watcher_count += watches;
        latch_unlock(&pool->latch);
        futex_wait(&pool->sequence, sequence, deadline_us);
        latch_lock(&pool->latch);
        pool->sleeper_count--;
        pool->watcher_count -= watches;
    }
}

static void pool_main(void *arg)
{
    struct fiber_pool *pool = arg;
    for (;;) {
        struct fiber *fiber = take_ready(pool);
        if (fiber == NULL) {
            return;
        }
        fiber->guest = false;
        if (carry(fiber)) {
            if (fiber->done != NULL) {
                fiber->done(fiber->arg);
            }
            give_fiber_back(pool, fiber);
        }
    }
}

tdbplus_status fiber_pool_create(const struct alloc *alloc, uint32_t thread_count,
                                 struct fiber_pool **pool_out, struct err *err)
{
    ASSERT(thread_count > 0);
    tdbplus_status status = TDBPLUS_OK;
    struct fiber_pool *pool = alloc_array(alloc, 1, sizeof *pool);
    if (pool == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "fiber pool: the memory budget is used up");
    }
    pool->alloc = alloc;
    pool->thread_count = thread_count;
    pool->threads = alloc_array(alloc, thread_count, sizeof *pool->threads);
    if (pool->threads == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "fiber pool: the memory budget is used up");
        goto done;
    }
    TRY_OR(done, io_service_create(alloc, io_uring_allowed(), &pool->io, err));
    for (uint32_t i = 0; i < thread_count; i++) {
        TRY_OR(done, thread_task_start("tdb-fiber", pool_main, pool, &pool->threads[i], err));
    }
    *pool_out = pool;
    pool = NULL;

done:
    fiber_pool_destroy(pool);
    return status;
}

void fiber_pool_destroy(struct fiber_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    latch_lock(&pool->latch);
    pool->stopping = true;
    bool wait = pool->live_count > 0;
    atomic_fetch_add_explicit(&pool->sequence, 1, memory_order_relaxed);
    latch_unlock(&pool->latch);
    if (wait) {
        bool drained = event_wait(&pool->drained, ENV_DEADLINE_NONE);
        ASSERT(drained);
    }
    // Again under the latch: whoever ended the last fiber must have let go of it.
    latch_lock(&pool->latch);
    atomic_fetch_add_explicit(&pool->sequence, 1, memory_order_relaxed);
    latch_unlock(&pool->latch);
    futex_wake(&pool->sequence, INT32_MAX);
    for (uint32_t i = 0; pool->threads != NULL && i < pool->thread_count; i++) {
        if (pool->threads[i] != NULL) {
            thread_task_join(pool->threads[i]);
        }
    }
    io_service_destroy(pool->io);
    while (pool->idle != NULL) {
        struct fiber *fiber = pool->idle;
        pool->idle = fiber->next;
        stack_unmap(fiber->stack, FIBER_STACK_SIZE);
    }
    alloc_free(pool->alloc, pool->threads, pool->thread_count, sizeof *pool->threads);
    alloc_free(pool->alloc, pool, 1, sizeof *pool);
}

size_t fiber_pool_stack_peak(struct fiber_pool *pool)
{
    size_t peak = 0;
    latch_lock(&pool->latch);
    for (const struct fiber *fiber = pool->idle; fiber != NULL; fiber = fiber->next) {
        size_t used = stack_used(fiber->stack, FIBER_STACK_SIZE);
        peak = used > peak ? used : peak;
    }
    latch_unlock(&pool->latch);
    return peak;
}
