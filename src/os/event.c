/* Events: one word, one futex. The states are drawn in README.md. */

#include "base/assert.h"
#include "os/fiber.h"
#include "os/os_internal.h"

/* Takes a set event and clears it; false when it was not set. */
static bool take_set(struct env_event *event)
{
    uint32_t expected = EVENT_SET;
    return atomic_compare_exchange_strong_explicit(&event->state, &expected, EVENT_CLEAR,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* False when the event was set at the last moment. */
static bool stop_waiting(struct env_event *event)
{
    uint32_t expected = EVENT_THREAD_WAITS;
    return atomic_compare_exchange_strong_explicit(&event->state, &expected, EVENT_CLEAR,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static bool wait_on_thread(struct env_event *event, uint64_t deadline_us)
{
    for (;;) {
        uint32_t expected = EVENT_CLEAR;
        if (!atomic_compare_exchange_strong_explicit(&event->state, &expected, EVENT_THREAD_WAITS,
                                                     memory_order_relaxed, memory_order_relaxed)) {
            ASSERT(expected == EVENT_SET); // One waiter at a time.
            if (take_set(event)) {
                return true;
            }
            continue;
        }
        while (atomic_load_explicit(&event->state, memory_order_relaxed) == EVENT_THREAD_WAITS) {
            bool late = deadline_us != ENV_DEADLINE_NONE && os_clock_mono_us() >= deadline_us;
            if (late && stop_waiting(event)) {
                return false;
            }
            futex_wait(&event->state, EVENT_THREAD_WAITS, deadline_us);
        }
        if (take_set(event)) {
            return true;
        }
    }
}

bool event_wait(struct env_event *event, uint64_t deadline_us)
{
    if (take_set(event)) {
        return true;
    }
    return fiber_active() ? fiber_event_wait(event, deadline_us)
                          : wait_on_thread(event, deadline_us);
}

void event_set(struct env_event *event)
{
    uint32_t before = atomic_exchange_explicit(&event->state, EVENT_SET, memory_order_acq_rel);
    if (before == EVENT_THREAD_WAITS) {
        // The waiter may have seen the exchange and be gone; the kernel only compares addresses.
        futex_wake(&event->state, 1);
    } else if (before == EVENT_FIBER_WAITS) {
        // A parked fiber stays until we make it ready, so its event is still there (O5).
        fiber_wake(atomic_load_explicit(&event->waiter, memory_order_relaxed));
    }
}
