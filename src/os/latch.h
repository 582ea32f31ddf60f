#pragma once

#include <stdatomic.h>
#include <stdint.h>

/*
 * A latch protects memory for a few hundred instructions. It may not be held across anything that
 * waits (env.h marks those); `latch_depth` counts the latches the thread holds, and every wait
 * asserts that it is zero. Spins briefly, then sleeps in the kernel (futex; Drepper 2011,
 * "Futexes Are Tricky", mutex 2).
 *
 * A zeroed latch is free. No recursion. Threads: that is the point.
 */
struct latch {
    _Atomic uint32_t state; /* 0 free, 1 held, 2 held and somebody sleeps. */
};

/* How many latches the calling thread holds. */
uint32_t latch_depth_now(void);
void latch_depth_add(uint32_t change);
void latch_lock_slow(struct latch *latch);
void latch_unlock_slow(struct latch *latch);

static inline void latch_lock(struct latch *latch)
{
    uint32_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&latch->state, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        latch_lock_slow(latch);
    }
    latch_depth_add(1);
}

static inline void latch_unlock(struct latch *latch)
{
    latch_depth_add(UINT32_MAX);
    if (atomic_exchange_explicit(&latch->state, 0, memory_order_release) != 1) {
        latch_unlock_slow(latch);
    }
}
