#include "os/latch.h"

#include "os/os_internal.h"

/* Long enough for a holder on another core to finish, short beside a sleep in the kernel. */
#define SPIN_COUNT 64u

/*
 * A function that waits may come back on another thread (fiber.h), so no address of a
 * thread-local may be kept from before; the compiler does not know that and keeps them. The two
 * functions below are not inlined and not provably pure, so that every call looks the thread's
 * copy up anew (O4). Addressing it directly from assembly gains nothing in a program (4.4 ns for
 * lock and unlock either way, latch_bench), and makes the whole library need static thread-local
 * memory, of which a process that loads it late has little.
 */
static _Thread_local uint32_t latch_depth;

__attribute__((noinline)) uint32_t latch_depth_now(void)
{
    __asm__ volatile("" ::: "memory");
    return latch_depth;
}

__attribute__((noinline)) void latch_depth_add(uint32_t change)
{
    __asm__ volatile("" ::: "memory");
    latch_depth += change;
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void latch_lock_slow(struct latch *latch)
{
    for (uint32_t i = 0; i < SPIN_COUNT; i++) {
        uint32_t expected = 0;
        if (atomic_load_explicit(&latch->state, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&latch->state, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            return;
        }
        pause_briefly();
    }
    // From here on the latch is taken as "somebody sleeps", because others may still do.
    while (atomic_exchange_explicit(&latch->state, 2, memory_order_acquire) != 0) {
        futex_wait(&latch->state, 2, ENV_DEADLINE_NONE);
    }
}

void latch_unlock_slow(struct latch *latch)
{
    // The latch is already free; only the sleeper has to hear of it. Its memory may be gone by
    // now, which the kernel answers with an error or a wake-up that every waiter tolerates.
    futex_wake(&latch->state, 1);
}
