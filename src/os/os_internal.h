#pragma once

/* What the files of this module share: futexes, the text of a system error, waiting on threads. */

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/env.h"

/* Sleeps while *word is `expected`, at most until `deadline_us` of the monotonic clock. May return
 * early. Does not touch errno's meaning for the caller. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline_us)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_us / 1000000u),
                                .tv_nsec = (long)(deadline_us % 1000000u) * 1000};
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                  deadline_us == ENV_DEADLINE_NONE ? NULL : &deadline, NULL,
                  FUTEX_BITSET_MATCH_ANY);
}

static inline void futex_wake(_Atomic uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0);
}

/* Turns an errno into a status; the text reads "PATH: VERB: reason". */
TDBPLUS_CHECKED tdbplus_status os_error(struct err *err, int number, const char *verb,
                                        const char *path);

/* The monotonic clock. */
uint64_t os_clock_mono_us(void);

/* The states of an event; README.md draws their moves. */
enum event_state {
    EVENT_CLEAR = 0,
    EVENT_SET = 1,
    EVENT_THREAD_WAITS = 2,
    EVENT_FIBER_WAITS = 3,
};

/* Waiting and yielding when the caller runs on a fiber; making ready the one found in an event. */
bool fiber_event_wait(struct env_event *event, uint64_t deadline_us);
void fiber_yield(void);
void fiber_wake(void *waiter);

/* The waiting of env_real and env_ram. */
bool event_wait(struct env_event *event, uint64_t deadline_us);
void event_set(struct env_event *event);

/* The tasks of env_real and env_ram: threads. */
TDBPLUS_CHECKED tdbplus_status thread_task_start(const char *name, void (*fn)(void *arg), void *arg,
                                                 struct env_task **task_out, struct err *err);
void thread_task_join(struct env_task *task);
