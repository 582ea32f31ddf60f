#include "base/epoch.h"

#include <stddef.h>

#include "base/assert.h"

/* Threads take stripes in turn; which one is a matter of speed only. */
static uint32_t choose_stripe(void)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t stripe_plus_one;
    if (stripe_plus_one == 0) {
        uint32_t turn = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
        stripe_plus_one = turn % EPOCH_STRIPES + 1;
    }
    return stripe_plus_one - 1;
}

void epoch_init(struct epoch *epoch)
{
    atomic_init(&epoch->now, EPOCH_WINDOW); // Never below the window, so "two ago" exists.
    atomic_init(&epoch->garbage, NULL);
    atomic_init(&epoch->collecting, false);
    for (size_t i = 0; i < EPOCH_STRIPES; i++) {
        for (size_t slot = 0; slot < EPOCH_WINDOW; slot++) {
            atomic_init(&epoch->stripes[i].inside[slot], 0);
        }
    }
}

struct epoch_ticket epoch_enter(struct epoch *epoch)
{
    uint32_t stripe = choose_stripe();
    for (;;) {
        uint64_t now = atomic_load_explicit(&epoch->now, memory_order_seq_cst);
        uint32_t slot = (uint32_t)(now % EPOCH_WINDOW);
        atomic_fetch_add_explicit(&epoch->stripes[stripe].inside[slot], 1, memory_order_seq_cst);
        // If the epoch moved meanwhile, the count may have come too late for the collector.
        if (atomic_load_explicit(&epoch->now, memory_order_seq_cst) == now) {
            return (struct epoch_ticket){.stripe = stripe, .slot = slot};
        }
        atomic_fetch_sub_explicit(&epoch->stripes[stripe].inside[slot], 1, memory_order_release);
    }
}

void epoch_exit(struct epoch *epoch, struct epoch_ticket ticket)
{
    atomic_fetch_sub_explicit(&epoch->stripes[ticket.stripe].inside[ticket.slot], 1,
                              memory_order_release);
}

/* True when nobody who entered in the epoch before `now` is still inside. */
static bool previous_is_empty(struct epoch *epoch, uint64_t now)
{
    uint32_t slot = (uint32_t)((now - 1) % EPOCH_WINDOW);
    for (size_t i = 0; i < EPOCH_STRIPES; i++) {
        if (atomic_load_explicit(&epoch->stripes[i].inside[slot], memory_order_seq_cst) != 0) {
            return false;
        }
    }
    return true;
}

/* Moves to the next epoch if the previous one is empty; so only the two newest have readers. */
static bool try_advance(struct epoch *epoch)
{
    uint64_t now = atomic_load_explicit(&epoch->now, memory_order_seq_cst);
    if (!previous_is_empty(epoch, now)) {
        return false;
    }
    return atomic_compare_exchange_strong_explicit(&epoch->now, &now, now + 1, memory_order_seq_cst,
                                                   memory_order_relaxed);
}

static void push_garbage(struct epoch *epoch, struct epoch_garbage *garbage)
{
    struct epoch_garbage *head = atomic_load_explicit(&epoch->garbage, memory_order_relaxed);
    do {
        garbage->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&epoch->garbage, &head, garbage,
                                                    memory_order_release, memory_order_relaxed));
}

void epoch_retire(struct epoch *epoch, struct epoch_garbage *garbage,
                  void (*free)(struct epoch_garbage *garbage))
{
    // A read-modify-write and not a load: whoever moves the epoch on then synchronises with this
    // call, so a reader of a later epoch sees the object unlinked even if a plain store did it. A
    // load could be answered while that store still waits in the store buffer.
    garbage->epoch = atomic_fetch_add_explicit(&epoch->now, 0, memory_order_seq_cst);
    garbage->free = free;
    push_garbage(epoch, garbage);
}

uint64_t epoch_mark(struct epoch *epoch)
{
    return atomic_load_explicit(&epoch->now, memory_order_seq_cst);
}

bool epoch_passed(struct epoch *epoch, uint64_t mark)
{
    // Entered at or before `mark` means counted in it or earlier; both are empty from mark + 2 on.
    while (atomic_load_explicit(&epoch->now, memory_order_seq_cst) < mark + 2) {
        if (!try_advance(epoch)) {
            return false;
        }
    }
    return true;
}

bool epoch_collect(struct epoch *epoch)
{
    if (atomic_load_explicit(&epoch->garbage, memory_order_relaxed) == NULL) {
        return true;
    }
    if (atomic_exchange_explicit(&epoch->collecting, true, memory_order_acquire)) {
        return false; // Somebody else is at it.
    }
    (void)try_advance(epoch);
    (void)try_advance(epoch);
    struct epoch_garbage *item =
        atomic_exchange_explicit(&epoch->garbage, NULL, memory_order_acquire);
    while (item != NULL) {
        struct epoch_garbage *next = item->next;
        if (atomic_load_explicit(&epoch->now, memory_order_seq_cst) >= item->epoch + 2) {
            item->free(item);
        } else {
            push_garbage(epoch, item);
        }
        item = next;
    }
    atomic_store_explicit(&epoch->collecting, false, memory_order_release);
    return atomic_load_explicit(&epoch->garbage, memory_order_relaxed) == NULL;
}

void epoch_deinit(struct epoch *epoch)
{
    // Freeing one object may retire another.
    while (atomic_load(&epoch->garbage) != NULL) {
        struct epoch_garbage *item = atomic_exchange(&epoch->garbage, NULL);
        while (item != NULL) {
            struct epoch_garbage *next = item->next;
            item->free(item);
            item = next;
        }
    }
    for (size_t i = 0; i < EPOCH_STRIPES; i++) {
        for (size_t slot = 0; slot < EPOCH_WINDOW; slot++) {
            ASSERT(atomic_load(&epoch->stripes[i].inside[slot]) == 0);
        }
    }
}
