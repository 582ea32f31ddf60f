#include "server/guard.h"

#include "base/hash.h"

#define WAYS        4u /* Slots that one hash may use. */
#define FORGET_S    600u
#define NAME_FACTOR 10u
#define LOOK_US     UINT64_C(200000)

struct guard_waiter {
    struct guard_waiter *next;
    struct env_event event;
};

void guard_init(struct guard *guard, const struct alloc *alloc)
{
    map_init(&guard->sessions, alloc);
}

void guard_deinit(struct guard *guard)
{
    if (guard->sessions.alloc != NULL) {
        map_deinit(&guard->sessions);
    }
}

/* ---- failed logins ---- */

/* The slot of a hash, or one to be used for it: a free one, or that whose last failure is oldest.
 * Under the latch. */
static struct guard_slot *find_slot(struct guard *guard, uint64_t hash, bool make)
{
    size_t first = (size_t)(hash % (GUARD_SLOT_COUNT / WAYS)) * WAYS;
    struct guard_slot *oldest = &guard->slots[first];
    for (size_t i = first; i < first + WAYS; i++) {
        struct guard_slot *slot = &guard->slots[i];
        if (slot->hash == hash) {
            return slot;
        }
        oldest = slot->last_s < oldest->last_s ? slot : oldest;
    }
    if (!make) {
        return NULL;
    }
    *oldest = (struct guard_slot){.hash = hash};
    return oldest;
}

static uint64_t hash_of(const char *text, bool name)
{
    return hash_bytes(span_from_text(text), name ? 2 : 1) | 1u; // 0 is a free slot.
}

static uint32_t slot_wait_s(struct guard *guard, uint64_t hash, uint32_t failures_max,
                            uint32_t wait_s, uint64_t now_s)
{
    const struct guard_slot *slot = find_slot(guard, hash, false);
    if (slot == NULL || slot->failures < failures_max || now_s >= slot->last_s + wait_s) {
        return 0;
    }
    return (uint32_t)(slot->last_s + wait_s - now_s);
}

uint32_t guard_wait_s(struct guard *guard, const struct guard_limits *limits, const char *address,
                      const char *name, uint64_t now_s)
{
    if (limits->failures == 0) {
        return 0;
    }
    latch_lock(&guard->latch);
    uint32_t by_address =
        slot_wait_s(guard, hash_of(address, false), limits->failures, limits->wait_s, now_s);
    uint32_t by_name = slot_wait_s(guard, hash_of(name, true), limits->failures * NAME_FACTOR,
                                   limits->wait_s, now_s);
    latch_unlock(&guard->latch);
    return by_address > by_name ? by_address : by_name;
}

static void note_failure(struct guard *guard, uint64_t hash, uint32_t failures_max, uint32_t wait_s,
                         uint64_t now_s)
{
    struct guard_slot *slot = find_slot(guard, hash, true);
    // Whoever has waited may try again as often; long ago does not count.
    bool served = slot->failures >= failures_max && now_s >= slot->last_s + wait_s;
    if (served || now_s > slot->last_s + FORGET_S) {
        slot->failures = 0;
    }
    slot->failures++;
    slot->last_s = now_s;
}

void guard_failed(struct guard *guard, const struct guard_limits *limits, const char *address,
                  const char *name, uint64_t now_s)
{
    latch_lock(&guard->latch);
    note_failure(guard, hash_of(address, false), limits->failures, limits->wait_s, now_s);
    note_failure(guard, hash_of(name, true), limits->failures * NAME_FACTOR, limits->wait_s, now_s);
    latch_unlock(&guard->latch);
}

void guard_succeeded(struct guard *guard, const char *address, const char *name)
{
    latch_lock(&guard->latch);
    struct guard_slot *slots[] = {find_slot(guard, hash_of(address, false), false),
                                  find_slot(guard, hash_of(name, true), false)};
    for (size_t i = 0; i < 2; i++) {
        if (slots[i] != NULL) {
            *slots[i] = (struct guard_slot){0};
        }
    }
    latch_unlock(&guard->latch);
}

/* ---- sessions of a role ---- */

bool guard_enter_role(struct guard *guard, uint64_t role, int32_t limit)
{
    latch_lock(&guard->latch);
    const uint64_t *found = map_get(&guard->sessions, role);
    uint64_t count = found == NULL ? 0 : *found;
    bool good =
        (limit < 0 || count < (uint64_t)limit) && map_put(&guard->sessions, role, count + 1);
    latch_unlock(&guard->latch);
    return good;
}

void guard_leave_role(struct guard *guard, uint64_t role)
{
    latch_lock(&guard->latch);
    const uint64_t *found = map_get(&guard->sessions, role);
    uint64_t count = found == NULL ? 0 : *found;
    if (count > 1) {
        (void)map_put(&guard->sessions, role, count - 1); // In its place: needs no memory.
    } else if (count == 1) {
        (void)map_remove(&guard->sessions, role);
    }
    latch_unlock(&guard->latch);
}

/* ---- statements ---- */

/* Under the latch, which keeps a waiter in place until nobody can wake it any more. */
static void leave_line(struct guard *guard, struct guard_waiter *waiter)
{
    struct guard_waiter *previous = NULL;
    struct guard_waiter *at = guard->first;
    while (at != waiter) {
        previous = at;
        at = at->next;
    }
    if (previous == NULL) {
        guard->first = at->next;
    } else {
        previous->next = at->next;
    }
    guard->last = guard->last == at ? previous : guard->last;
    atomic_fetch_sub(&guard->waiting, 1);
}

/* A place, if one is free. */
static bool take_place(struct guard *guard, uint32_t running_max)
{
    uint32_t running = atomic_load(&guard->running);
    while (running_max == 0 || running < running_max) {
        if (atomic_compare_exchange_weak(&guard->running, &running, running + 1)) {
            return true;
        }
    }
    return false;
}

/* Lets the first in line look whether there is a place for it. Under the latch. */
static void wake_first(struct guard *guard, const struct env *env)
{
    if (guard->first != NULL) {
        env_event_set(env, &guard->first->event);
    }
}

/* Goes to the end of the line; false when that is full. */
static bool join_line(struct guard *guard, uint32_t waiting_max, struct guard_waiter *waiter)
{
    latch_lock(&guard->latch);
    bool fits = atomic_load(&guard->waiting) < waiting_max;
    if (fits) {
        if (guard->last == NULL) {
            guard->first = waiter;
        } else {
            guard->last->next = waiter;
        }
        guard->last = waiter;
        atomic_fetch_add(&guard->waiting, 1);
    }
    latch_unlock(&guard->latch);
    return fits;
}

/* While nobody waits no latch is taken. Whoever joins the line looks for a place after that, and
 * whoever ends looks at the line after giving its place back, so one of them sees the other. */
enum guard_answer guard_begin(struct guard *guard, uint32_t running_max, uint32_t waiting_max,
                              const struct env *env, bool (*still)(void *ctx), void *ctx)
{
    struct guard_waiter waiter = {0};
    if ((running_max == 0 || atomic_load(&guard->waiting) == 0) && take_place(guard, running_max)) {
        return GUARD_RUNS;
    }
    if (!join_line(guard, waiting_max, &waiter)) {
        return GUARD_FULL;
    }
    for (;;) {
        bool wanted = still(ctx);
        latch_lock(&guard->latch);
        bool runs = guard->first == &waiter && take_place(guard, running_max);
        if (runs || !wanted) {
            leave_line(guard, &waiter);
            wake_first(guard, env);
        }
        latch_unlock(&guard->latch);
        if (runs || !wanted) {
            return runs ? GUARD_RUNS : GUARD_GIVEN_UP;
        }
        (void)env_event_wait(env, &waiter.event, env_clock_mono_us(env) + LOOK_US);
    }
}

void guard_end(struct guard *guard, const struct env *env)
{
    atomic_fetch_sub(&guard->running, 1);
    if (atomic_load(&guard->waiting) > 0) {
        latch_lock(&guard->latch);
        wake_first(guard, env);
        latch_unlock(&guard->latch);
    }
}
