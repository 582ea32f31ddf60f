#pragma once

/* What lock_table.c, lock_wait.c and lock_mode.c share. */

#include "locks/lock_table.h"
#include "os/latch.h"

#define LOCK_PARTITION_COUNT     64u
#define LOCK_DEADLOCK_TIMEOUT_US 1000000u
#define LOCK_CLASS_MODE_COUNT    8u /* Of tables; rows have four. */

/* What one owner holds of one lock in one mode. In the item's list, and in the owner's. */
struct lock_hold {
    struct lock_hold *next;
    struct lock_hold *previous;
    struct lock_hold *older; /* Of the owner; only its own thread looks at these two. */
    struct lock_hold *newer;
    struct lock_owner *owner;
    struct lock_item *item;
    uint64_t sequence;
    uint32_t count;
    uint8_t mode;
};

/* A row or a table that somebody holds or waits for. */
struct lock_item {
    struct lock_item *next; /* In the bucket. */
    uint64_t table;
    uint64_t hash;
    struct lock_hold *holds;
    struct lock_wait *first; /* The queue. */
    struct lock_wait *last;
    uint32_t hold_count;
    uint16_t granted; /* Bit m: somebody holds mode m. */
    bool is_row;
    uint32_t counts[LOCK_CLASS_MODE_COUNT]; /* Holds per mode: see lock_class_mode(). */
};

/* Objects of one size, from blocks that are given back when none is in use. */
struct lock_pool {
    size_t size;
    void *free;
    struct lock_block *blocks;
    uint32_t block_count;
    uint32_t in_use;
};

struct lock_partition {
    _Alignas(64) struct latch latch;
    _Atomic uint32_t item_count;
    uint32_t bucket_count; /* A power of two. */
    struct lock_item **buckets;
    struct lock_pool items;
    struct lock_pool holds;
};

struct lock_table {
    const struct env *env;
    const struct alloc *alloc;
    uint64_t deadlock_timeout_us;
    uint64_t round; /* Of the search for circles; under all latches. */
    _Atomic size_t size_bytes;
    struct lock_partition partitions[LOCK_PARTITION_COUNT];
};

/* Bit m: mode m conflicts with the index. */
extern const uint16_t lock_conflicts[LOCK_MODE_COUNT];

static inline uint16_t lock_bit(uint8_t mode)
{
    return (uint16_t)(1u << mode);
}

/* The mode's number among its kind. */
static inline uint32_t lock_class_mode(uint8_t mode)
{
    return (mode - 1u) % LOCK_CLASS_MODE_COUNT;
}

/* ---- all below: under the latch of the item's partition ---- */

struct lock_partition *lock_partition_of(struct lock_table *table, const struct lock_item *item);

/* True when somebody else holds a mode that conflicts; `own_modes` is what the asker holds. */
bool lock_is_barred(const struct lock_item *item, uint8_t mode, uint16_t own_modes);

/* Makes `hold` count. */
void lock_grant(struct lock_item *item, struct lock_hold *hold);

/* Gives back an item that nobody holds or waits for. */
void lock_item_settle(struct lock_table *table, struct lock_item *item);

void lock_hold_free(struct lock_table *table, struct lock_item *item, struct lock_hold *hold);

/* Grants what can be granted now, in order, and wakes those waiters. */
void lock_wake(struct lock_table *table, struct lock_item *item);

/* The waiter in front of which an owner with `own_modes` of the lock would stand, or NULL for the
 * end of the queue. */
struct lock_wait *lock_queue_place(const struct lock_item *item, uint16_t own_modes);

/* True when a request that stands before `place` has to let a waiter ahead of it go first. */
bool lock_must_queue(const struct lock_item *item, uint8_t mode, const struct lock_wait *place);

/* Puts the owner into the queue before `place`. */
void lock_enqueue(struct lock_item *item, struct lock_owner *owner, struct lock_hold *hold,
                  uint16_t own_modes, struct lock_wait *place);

/* ---- without a latch ---- */

/* Waits until the owner, which is in a queue, has what it waits for, or gives up. */
TDBPLUS_CHECKED tdbplus_status lock_wait_for(struct lock_owner *owner,
                                             const struct lock_request *request,
                                             struct lock_partition *partition,
                                             const struct call *call);

/* One circle, for the text. */
#define LOCK_CIRCLE_COUNT_MAX 8u

struct lock_circle_link {
    uint64_t waiter_id;
    uint64_t blocker_id;
    uint64_t table;
    uint64_t hash;
    uint8_t mode;
    bool is_row;
};

struct lock_circle {
    uint32_t count; /* All links; only the first LOCK_CIRCLE_COUNT_MAX are kept. */
    struct lock_circle_link links[LOCK_CIRCLE_COUNT_MAX];
};

/* Looks for a circle that the waiting owner is part of. Breaks it if somebody can be let ahead in a
 * queue; else takes the owner out of its queue, fills `circle` and returns true. */
bool lock_find_deadlock(struct lock_owner *owner, struct lock_circle *circle);

/* Takes the owner out of its queue, ungranted. Under its partition's latch. */
void lock_leave_queue(struct lock_owner *owner);
