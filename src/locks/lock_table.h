#pragma once

/*
 * lock table: who may change which row or table, and who waits for whom.
 *
 * A lock is on a table, or on a row known by a 64-bit hash of its key (two rows that share a hash
 * share a lock: a wait too many, never one too few). Modes and conflicts are PostgreSQL's. Requests
 * are served first come, first served; one that cannot be granted at once waits, on a thread, a
 * fiber or in the simulator, and looks for a circle of waiters after `deadlock_timeout_us`.
 *
 * An owner (a transaction) keeps its locks until it releases them, all at once or back to a mark.
 * Locks live in memory only; a crash releases them.
 *
 * Threads: an owner has one user at a time; different owners may call at once. The functions marked
 * [waits] may not be called with a latch held.
 */

#include "base/call.h"
#include "base/list.h"
#include "os/env.h"

/* The numbers are stable: other modules keep them in a byte. */
enum lock_mode {
    LOCK_NONE = 0,
    LOCK_ACCESS_SHARE = 1, /* Of tables, weakest first. */
    LOCK_ROW_SHARE = 2,
    LOCK_ROW_EXCLUSIVE = 3,
    LOCK_SHARE_UPDATE_EXCLUSIVE = 4,
    LOCK_SHARE = 5,
    LOCK_SHARE_ROW_EXCLUSIVE = 6,
    LOCK_EXCLUSIVE = 7,
    LOCK_ACCESS_EXCLUSIVE = 8,
    LOCK_ROW_KEY_SHARE = 9, /* Of rows: FOR KEY SHARE, the check of a foreign key. */
    LOCK_ROW_FOR_SHARE = 10,
    LOCK_ROW_NO_KEY_UPDATE = 11,
    LOCK_ROW_UPDATE = 12, /* FOR UPDATE, DELETE, an update of the key. */
    LOCK_MODE_COUNT = 13,
};

bool lock_mode_is_row(uint8_t mode);

/* True when two owners may not hold these modes of one lock at once. Both of rows or both of
 * tables. */
bool lock_mode_conflicts(uint8_t left, uint8_t right);

/* True when whatever conflicts with `weaker` conflicts with `stronger` too. */
bool lock_mode_covers(uint8_t stronger, uint8_t weaker);

/* As pg_locks names it ("RowExclusiveLock"); rows as SELECT does ("for update"). */
const char *lock_mode_name(uint8_t mode);

struct lock_table;
struct lock_item;
struct lock_hold;
struct lock_owner;

struct lock_table_options {
    const struct env *env;
    const struct alloc *alloc;    /* Charged for locks; may be called under a latch. */
    uint64_t deadlock_timeout_us; /* 0: one second. */
};

TDBPLUS_CHECKED tdbplus_status lock_table_create(const struct lock_table_options *options,
                                                 struct lock_table **table_out, struct err *err);

/* Nobody may hold or wait for a lock (asserted). NULL is fine. */
void lock_table_destroy(struct lock_table *table);

/* Owned by the lock table: a request in the queue of a lock. */
struct lock_wait {
    struct lock_wait *next;
    struct lock_wait *previous;
    struct lock_owner *owner;
    struct lock_item *item; /* NULL: the owner does not wait. */
    struct lock_hold *hold; /* What it will hold. */
    uint64_t since_us;
    uint16_t own_modes; /* What it holds of the lock already. */
    uint8_t mode;
    bool is_moved; /* Once, to break a circle. */
};

/* Owned by the lock table: the state of a search for circles. */
struct lock_search {
    uint64_t round;
    struct lock_owner *from;
    struct lock_hold *next_hold;
    struct lock_wait *next_wait;
    struct lock_wait *behind; /* The edge taken last only stands for a place in the queue. */
};

/* Who holds locks; embedded in a transaction, which must not move. Only `id` is for others. */
struct lock_owner {
    uint64_t id; /* For texts and views. */
    struct lock_table *table;
    struct lock_hold *newest;
    uint32_t hold_count;
    uint64_t sequence;
    struct lock_wait wait;
    struct lock_search search;
    struct env_event event;
};

void lock_owner_init(struct lock_owner *owner, struct lock_table *table, uint64_t id);

/* The owner holds nothing (asserted). Zeroed is accepted. */
void lock_owner_deinit(struct lock_owner *owner);

struct lock_request {
    uint64_t table; /* Collection or shard. */
    uint64_t hash;  /* Of the row's key; 0 with a table's mode. */
    uint8_t mode;   /* enum lock_mode; says whether a row or a table is meant. */
    bool no_wait;
    uint64_t timeout_us; /* lock_timeout; 0: none. */
};

/*
 * Takes a lock. [waits] Asking again for what the owner holds in this or a stronger mode only
 * counts; asking for another mode adds it. The memory of call->alloc is not used.
 *
 *   TDBPLUS_E_LOCK       not free and `no_wait`, or not free in time (55P03)
 *   TDBPLUS_E_DEADLOCK   the owner is part of a circle of waiters; the text names them (40P01)
 *   TDBPLUS_E_CANCELLED  call->cancel was set (checked at wake-ups: see lock_table_cancel())
 *   TDBPLUS_E_TIMEOUT    call->deadline_us passed
 *   TDBPLUS_E_NOMEM      no memory for the lock
 */
TDBPLUS_CHECKED tdbplus_status lock_table_acquire(struct lock_owner *owner,
                                                  const struct lock_request *request,
                                                  const struct call *call);

/* Says that a lock on that row will be asked for soon: its bucket is asked for now. A hint. */
void lock_table_prefetch(struct lock_table *table, uint64_t table_id, uint64_t hash);

/* Takes one acquisition back: of that mode, or of the stronger one that it counted on. False if the
 * owner holds neither. */
bool lock_table_release(struct lock_owner *owner, const struct lock_request *request);

/* A moment to release back to: a savepoint. Locks that only counted up are older and stay. */
uint64_t lock_owner_mark(const struct lock_owner *owner);
void lock_owner_release_to(struct lock_owner *owner, uint64_t mark);
void lock_owner_release_all(struct lock_owner *owner);

/* True when the owner holds the row or table in that mode or a stronger one. */
bool lock_table_holds(const struct lock_owner *owner, const struct lock_request *request);

/*
 * True when nobody but `owner` (may be NULL) holds or waits for the row. The answer is of the
 * moment: who writes without a lock does so under the commit latch, and who locks a row checks
 * under that latch, or at commit, that the version is still the newest.
 */
bool lock_table_row_free(struct lock_table *table, uint64_t table_id, uint64_t hash,
                         const struct lock_owner *owner);

/* Wakes the owner if it waits, so that it looks at its call's cancel flag, which must have been set
 * before. The owner must not go away meanwhile. */
void lock_table_cancel(struct lock_owner *owner);

/* One line of pg_locks. */
struct lock_info {
    uint64_t owner_id;
    uint64_t table;
    uint64_t hash;
    uint8_t mode;
    bool is_granted;
    uint64_t waiting_since_us; /* Monotonic clock; 0 when granted. */
};

/* Appends all locks held and waited for to a list of struct lock_info; each partition as it was at
 * one moment. TDBPLUS_E_NOMEM (the list then holds a part). */
TDBPLUS_CHECKED tdbplus_status lock_table_list(struct lock_table *table, struct list *infos,
                                               struct err *err);

/* Locks (not holders) in the table, and memory held. */
uint64_t lock_table_count(const struct lock_table *table);
size_t lock_table_size_bytes(const struct lock_table *table);
