#include <stdio.h>

#include "base/assert.h"
#include "locks/lock_table_internal.h"

/*
 * Waiting for locks: the queue of each lock, and the search for circles.
 *
 * A waiter sleeps on its owner's event. Who grants or wakes sets the event under the partition's
 * latch, and the waiter takes that latch before it leaves, so an owner never goes away while
 * somebody is about to set its event (W4).
 */

/* ---- the queue: under the partition's latch ---- */

/*
 * An owner that holds something of the lock already goes before the first waiter that has to wait
 * for it anyway: behind it, both would wait for each other.
 */
struct lock_wait *lock_queue_place(const struct lock_item *item, uint16_t own_modes)
{
    struct lock_wait *wait = own_modes == 0 ? NULL : item->first;
    while (wait != NULL && (lock_conflicts[wait->mode] & own_modes) == 0) {
        wait = wait->next;
    }
    return wait;
}

bool lock_must_queue(const struct lock_item *item, uint8_t mode, const struct lock_wait *place)
{
    for (const struct lock_wait *wait = item->first; wait != place; wait = wait->next) {
        if (lock_mode_conflicts(wait->mode, mode)) {
            return true;
        }
    }
    return false;
}

static void link_wait(struct lock_item *item, struct lock_wait *wait, struct lock_wait *place)
{
    wait->next = place;
    wait->previous = place == NULL ? item->last : place->previous;
    if (wait->previous != NULL) {
        wait->previous->next = wait;
    } else {
        item->first = wait;
    }
    if (place != NULL) {
        place->previous = wait;
    } else {
        item->last = wait;
    }
}

static void unlink_wait(struct lock_item *item, struct lock_wait *wait)
{
    if (wait->previous != NULL) {
        wait->previous->next = wait->next;
    } else {
        item->first = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->previous = wait->previous;
    } else {
        item->last = wait->previous;
    }
}

void lock_enqueue(struct lock_item *item, struct lock_owner *owner, struct lock_hold *hold,
                  uint16_t own_modes, struct lock_wait *place)
{
    owner->wait = (struct lock_wait){
        .owner = owner,
        .item = item,
        .hold = hold,
        .since_us = env_clock_mono_us(owner->table->env),
        .own_modes = own_modes,
        .mode = hold->mode,
    };
    link_wait(item, &owner->wait, place);
}

void lock_wake(struct lock_table *table, struct lock_item *item)
{
    uint16_t ahead = 0; // Modes of those who stay in front.
    for (struct lock_wait *wait = item->first; wait != NULL;) {
        struct lock_wait *next = wait->next;
        if (lock_is_barred(item, wait->mode, wait->own_modes) ||
            (lock_conflicts[wait->mode] & ahead) != 0) {
            ahead |= lock_bit(wait->mode);
        } else {
            unlink_wait(item, wait);
            lock_grant(item, wait->hold);
            wait->item = NULL;
            env_event_set(table->env, &wait->owner->event);
        }
        wait = next;
    }
}

void lock_leave_queue(struct lock_owner *owner)
{
    struct lock_wait *wait = &owner->wait;
    struct lock_item *item = wait->item;
    unlink_wait(item, wait);
    wait->item = NULL;
    lock_hold_free(owner->table, item, wait->hold);
    lock_wake(owner->table, item); // Those behind may have waited for this one only.
    lock_item_settle(owner->table, item);
}

/* ---- circles: under all latches ---- */

static void begin_visit(struct lock_owner *owner, struct lock_owner *from, uint64_t round)
{
    const struct lock_item *item = owner->wait.item;
    owner->search = (struct lock_search){
        .round = round,
        .from = from,
        .next_hold = item == NULL ? NULL : item->holds,
        .next_wait = item == NULL ? NULL : item->first,
    };
}

/*
 * The next owner that `owner` waits for: first those who hold a conflicting mode, then those ahead
 * in the queue who want one. NULL when there are no more.
 */
static struct lock_owner *next_blocker(struct lock_owner *owner)
{
    struct lock_search *search = &owner->search;
    const struct lock_wait *wait = &owner->wait;
    if (wait->item == NULL) {
        return NULL;
    }
    search->behind = NULL;
    while (search->next_hold != NULL) {
        struct lock_hold *hold = search->next_hold;
        search->next_hold = hold->next;
        if (hold->owner != owner && lock_mode_conflicts(hold->mode, wait->mode)) {
            return hold->owner;
        }
    }
    while (search->next_wait != wait) {
        struct lock_wait *ahead = search->next_wait;
        search->next_wait = ahead->next;
        if (lock_mode_conflicts(ahead->mode, wait->mode)) {
            search->behind = ahead;
            return ahead->owner;
        }
    }
    return NULL;
}

/* Depth first, along search.from instead of a stack. Returns the owner that waits for `start` and
 * closes a circle, or NULL. */
static struct lock_owner *find_circle(struct lock_owner *start)
{
    uint64_t round = ++start->table->round;
    struct lock_owner *at = start;
    begin_visit(start, NULL, round);
    while (at != NULL) {
        struct lock_owner *blocker = next_blocker(at);
        if (blocker == start) {
            return at;
        }
        if (blocker == NULL) {
            at = at->search.from;
        } else if (blocker->search.round != round) {
            begin_visit(blocker, at, round);
            at = blocker;
        }
    }
    return NULL;
}

/* Lets one waiter of the circle pass the one it only queues behind. Each may pass once, so this
 * comes to an end. */
static bool let_somebody_pass(struct lock_table *table, struct lock_owner *last)
{
    for (struct lock_owner *at = last; at != NULL; at = at->search.from) {
        struct lock_wait *wait = &at->wait;
        struct lock_wait *behind = at->search.behind;
        if (behind != NULL && !wait->is_moved) {
            struct lock_item *item = wait->item;
            unlink_wait(item, wait);
            link_wait(item, wait, behind);
            wait->is_moved = true;
            lock_wake(table, item);
            return true;
        }
    }
    return false;
}

/* Writes the circle down, beginning with `start`: `last` waits for it, and so on backwards. */
static void describe_circle(const struct lock_owner *last, struct lock_circle *circle)
{
    uint32_t count = 0;
    for (const struct lock_owner *at = last; at != NULL; at = at->search.from) {
        count++;
    }
    circle->count = count;
    const struct lock_owner *blocker = NULL; // The first link's is the start, at the far end.
    for (const struct lock_owner *at = last; at != NULL; at = at->search.from) {
        count--;
        if (count < LOCK_CIRCLE_COUNT_MAX) {
            circle->links[count] = (struct lock_circle_link){
                .waiter_id = at->id,
                .blocker_id = blocker == NULL ? 0 : blocker->id,
                .table = at->wait.item->table,
                .hash = at->wait.item->hash,
                .mode = at->wait.mode,
                .is_row = at->wait.item->is_row,
            };
        }
        blocker = at;
    }
    if (circle->count <= LOCK_CIRCLE_COUNT_MAX) {
        circle->links[circle->count - 1].blocker_id = circle->links[0].waiter_id;
    }
}

bool lock_find_deadlock(struct lock_owner *owner, struct lock_circle *circle)
{
    struct lock_table *table = owner->table;
    for (uint32_t i = 0; i < LOCK_PARTITION_COUNT; i++) {
        latch_lock(&table->partitions[i].latch);
    }
    bool is_deadlock = false;
    while (owner->wait.item != NULL) {
        struct lock_owner *last = find_circle(owner);
        if (last == NULL) {
            break;
        }
        if (!let_somebody_pass(table, last)) {
            is_deadlock = true;
            describe_circle(last, circle);
            lock_leave_queue(owner);
            break;
        }
    }
    for (uint32_t i = LOCK_PARTITION_COUNT; i-- > 0;) {
        latch_unlock(&table->partitions[i].latch);
    }
    return is_deadlock;
}

/* ---- waiting ---- */

static tdbplus_status tell_deadlock(const struct lock_circle *circle, struct err *err)
{
    char text[ERR_TEXT_SIZE] = "";
    size_t used = 0;
    uint32_t told = circle->count < LOCK_CIRCLE_COUNT_MAX ? circle->count : LOCK_CIRCLE_COUNT_MAX;
    for (uint32_t i = 0; i < told && used < sizeof text; i++) {
        const struct lock_circle_link *link = &circle->links[i];
        int written =
            snprintf(text + used, sizeof text - used,
                     "%stransaction %llu waits for %s %s of table %llu, blocked by "
                     "transaction %llu",
                     i == 0 ? "" : "; ", (unsigned long long)link->waiter_id,
                     link->is_row ? "a row" : "the lock", lock_mode_name(link->mode),
                     (unsigned long long)link->table, (unsigned long long)link->blocker_id);
        used += written > 0 ? (size_t)written : 0;
    }
    return err_set(err, TDBPLUS_E_DEADLOCK, "deadlock detected: %s", text);
}

/* Why a waiter should give up now; OK: it should not. */
static tdbplus_status why_stop(const struct call *call, uint64_t now_us, uint64_t lock_deadline_us)
{
    if (call_cancelled(call)) {
        return TDBPLUS_E_CANCELLED;
    }
    if (call->deadline_us != 0 && now_us >= call->deadline_us) {
        return TDBPLUS_E_TIMEOUT;
    }
    return now_us >= lock_deadline_us ? TDBPLUS_E_LOCK : TDBPLUS_OK;
}

static tdbplus_status tell_stop(tdbplus_status why, const struct lock_request *request,
                                struct err *err)
{
    const char *what = why == TDBPLUS_E_CANCELLED ? "cancelled while waiting for"
                       : why == TDBPLUS_E_TIMEOUT ? "the deadline passed while waiting for"
                                                  : "lock timeout while waiting for";
    return err_set(err, why, "%s %s %s of table %llu", what,
                   lock_mode_is_row(request->mode) ? "a row" : "the lock",
                   lock_mode_name(request->mode), (unsigned long long)request->table);
}

static uint64_t earlier(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

tdbplus_status lock_wait_for(struct lock_owner *owner, const struct lock_request *request,
                             struct lock_partition *partition, const struct call *call)
{
    const struct env *env = owner->table->env;
    uint64_t begin_us = env_clock_mono_us(env);
    uint64_t pause_us = owner->table->deadlock_timeout_us;
    uint64_t search_us = begin_us + pause_us;
    uint64_t lock_deadline_us =
        request->timeout_us != 0 ? begin_us + request->timeout_us : ENV_DEADLINE_NONE;
    uint64_t call_deadline_us = call->deadline_us != 0 ? call->deadline_us : ENV_DEADLINE_NONE;
    for (;;) {
        uint64_t now_us = env_clock_mono_us(env);
        tdbplus_status why = TDBPLUS_OK;
        latch_lock(&partition->latch);
        bool is_granted = owner->wait.item == NULL;
        if (!is_granted) {
            why = why_stop(call, now_us, lock_deadline_us);
            if (why != TDBPLUS_OK) {
                lock_leave_queue(owner);
            }
        }
        latch_unlock(&partition->latch);
        if (is_granted) {
            return TDBPLUS_OK;
        }
        if (why != TDBPLUS_OK) {
            return tell_stop(why, request, call->err);
        }
        if (now_us >= search_us) {
            struct lock_circle circle = {0};
            if (lock_find_deadlock(owner, &circle)) {
                return tell_deadlock(&circle, call->err);
            }
            // A circle is closed by its last waiter, whose own search finds it; looking again is
            // caution, ever less often.
            pause_us *= 2;
            search_us = now_us + pause_us;
        }
        // Set already if the search let this owner pass.
        (void)env_event_wait(env, &owner->event,
                             earlier(search_us, earlier(lock_deadline_us, call_deadline_us)));
    }
}
