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

/* How many latches the calling thread holds. Read it through latch_depth_now() only. */
extern _Thread_local uint32_t latch_depth
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

uint32_t latch_depth_now(void);
void latch_depth_add_slow(uint32_t change);
void latch_lock_slow(struct latch *latch);
void latch_unlock_slow(struct latch *latch);

/*
 * A function that waits may come back on another thread (fiber.h), so no address of a
 * thread-local may be kept from before; the compiler does not know that and keeps them. The
 * assembly names the thread's segment register anew each time (O4).
 */
static inline void latch_depth_add(uint32_t change)
{
#if defined(__x86_64__)
    uint64_t scratch;
    __asm__ volatile("movq latch_depth@gottpoff(%%rip), %0\n\t"
                     "addl %1, %%fs:(%0)"
                     : "=&r"(scratch)
                     : "er"(change)
                     : "cc", "memory");
#else
    latch_depth_add_slow(change);
#endif
}

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
