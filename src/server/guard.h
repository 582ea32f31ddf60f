#pragma once

/*
 * guard: who may come in, and how much may run at once. Counts failed logins by address and by
 * name, sessions by role, and statements that run; places in line are given in the order of coming.
 *
 * Threads: every function may be called from any thread.
 */

#include "base/map.h"
#include "os/env.h"
#include "os/latch.h"

#define GUARD_SLOT_COUNT 1024u

/* Failed logins of one address, or of one name. */
struct guard_slot {
    uint64_t hash;
    uint32_t failures;
    uint64_t last_s;
};

struct guard_waiter;

struct guard {
    struct latch latch;
    struct guard_slot slots[GUARD_SLOT_COUNT];
    struct map sessions; /* Role to the number of its sessions. */
    _Atomic uint32_t running;
    _Atomic uint32_t waiting;   /* Changed under the latch. */
    struct guard_waiter *first; /* In line for a place to run. */
    struct guard_waiter *last;
};

struct guard_limits {
    uint32_t failures; /* Of one address; of one name ten times as many. */
    uint32_t wait_s;   /* So long the door stays closed after the last failure. */
};

void guard_init(struct guard *guard, const struct alloc *alloc);
void guard_deinit(struct guard *guard);

/* Seconds until a login may be tried; 0: now. */
uint32_t guard_wait_s(struct guard *guard, const struct guard_limits *limits, const char *address,
                      const char *name, uint64_t now_s);
void guard_failed(struct guard *guard, const struct guard_limits *limits, const char *address,
                  const char *name, uint64_t now_s);
void guard_succeeded(struct guard *guard, const char *address, const char *name);

/* Counts a session of the role; false when it has `limit` already (negative: no limit). */
bool guard_enter_role(struct guard *guard, uint64_t role, int32_t limit);
void guard_leave_role(struct guard *guard, uint64_t role);

enum guard_answer { GUARD_RUNS = 0, GUARD_FULL, GUARD_GIVEN_UP };

/* Takes a place to run: waits in line while `running_max` statements run, unless `waiting_max`
 * wait. `still` is asked from time to time whether the caller still wants. [waits] */
enum guard_answer guard_begin(struct guard *guard, uint32_t running_max, uint32_t waiting_max,
                              const struct env *env, bool (*still)(void *ctx), void *ctx);
void guard_end(struct guard *guard, const struct env *env);
