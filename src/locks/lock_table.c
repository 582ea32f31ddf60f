#include "locks/lock_table.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "locks/lock_table_internal.h"

#define BUCKET_COUNT_MIN   16u
#define BLOCK_OBJECT_COUNT 30u
#define RELEASE_AHEAD      8u

/* ---- memory of a partition ---- */

struct lock_block {
    struct lock_block *next;
    _Alignas(16) uint8_t objects[];
};

static size_t block_size(const struct lock_pool *pool)
{
    return sizeof(struct lock_block) + BLOCK_OBJECT_COUNT * pool->size;
}

/* Zeroed memory for one object; NULL when memory is out. */
static void *pool_take(struct lock_table *table, struct lock_pool *pool)
{
    if (pool->free == NULL) {
        struct lock_block *block = alloc_raw(table->alloc, block_size(pool));
        if (block == NULL) {
            return NULL;
        }
        block->next = pool->blocks;
        pool->blocks = block;
        pool->block_count++;
        atomic_fetch_add_explicit(&table->size_bytes, block_size(pool), memory_order_relaxed);
        for (uint32_t i = 0; i < BLOCK_OBJECT_COUNT; i++) {
            void *object = block->objects + i * pool->size;
            memcpy(object, &pool->free, sizeof pool->free);
            pool->free = object;
        }
    }
    void *object = pool->free;
    memcpy(&pool->free, object, sizeof pool->free);
    memset(object, 0, pool->size);
    pool->in_use++;
    return object;
}

static void free_blocks(struct lock_table *table, struct lock_pool *pool)
{
    while (pool->blocks != NULL) {
        struct lock_block *block = pool->blocks;
        pool->blocks = block->next;
        alloc_free(table->alloc, block, block_size(pool), 1);
        atomic_fetch_sub_explicit(&table->size_bytes, block_size(pool), memory_order_relaxed);
    }
    pool->free = NULL;
    pool->block_count = 0;
}

/* One block stays, so that a lock and an unlock do not allocate each time. */
static void pool_give_back(struct lock_table *table, struct lock_pool *pool, void *object)
{
    memcpy(object, &pool->free, sizeof pool->free);
    pool->free = object;
    pool->in_use--;
    if (pool->in_use == 0 && pool->block_count > 1) {
        free_blocks(table, pool);
    }
}

/* ---- life ---- */

static bool init_partition(struct lock_table *table, struct lock_partition *partition)
{
    partition->items.size = sizeof(struct lock_item);
    partition->holds.size = sizeof(struct lock_hold);
    partition->buckets = alloc_array(table->alloc, BUCKET_COUNT_MIN, sizeof *partition->buckets);
    if (partition->buckets == NULL) {
        return false;
    }
    partition->bucket_count = BUCKET_COUNT_MIN;
    atomic_fetch_add_explicit(&table->size_bytes, BUCKET_COUNT_MIN * sizeof *partition->buckets,
                              memory_order_relaxed);
    return true;
}

tdbplus_status lock_table_create(const struct lock_table_options *options,
                                 struct lock_table **table_out, struct err *err)
{
    struct lock_table *table = alloc_aligned(options->alloc, sizeof *table);
    if (table == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "lock table: %zu bytes", sizeof *table);
    }
    memset(table, 0, sizeof *table);
    table->env = options->env;
    table->alloc = options->alloc;
    table->deadlock_timeout_us =
        options->deadlock_timeout_us != 0 ? options->deadlock_timeout_us : LOCK_DEADLOCK_TIMEOUT_US;
    atomic_store_explicit(&table->size_bytes, sizeof *table, memory_order_relaxed);
    for (uint32_t i = 0; i < LOCK_PARTITION_COUNT; i++) {
        if (!init_partition(table, &table->partitions[i])) {
            lock_table_destroy(table);
            return err_set(err, TDBPLUS_E_NOMEM, "lock table: partition %u", i);
        }
    }
    *table_out = table;
    return TDBPLUS_OK;
}

void lock_table_destroy(struct lock_table *table)
{
    if (table == NULL) {
        return;
    }
    for (uint32_t i = 0; i < LOCK_PARTITION_COUNT; i++) {
        struct lock_partition *partition = &table->partitions[i];
        ASSERT(atomic_load_explicit(&partition->item_count, memory_order_relaxed) == 0);
        free_blocks(table, &partition->items);
        free_blocks(table, &partition->holds);
        alloc_free(table->alloc, partition->buckets, partition->bucket_count,
                   sizeof *partition->buckets);
    }
    alloc_free_aligned(table->alloc, table, sizeof *table);
}

void lock_owner_init(struct lock_owner *owner, struct lock_table *table, uint64_t id)
{
    *owner = (struct lock_owner){.id = id, .table = table};
    owner->wait.owner = owner;
}

void lock_owner_deinit(struct lock_owner *owner)
{
    ASSERT(owner->hold_count == 0);
    ASSERT(owner->wait.item == NULL);
    *owner = (struct lock_owner){0};
}

/* ---- items ---- */

/* Where a lock belongs: the partition by the high bits, the bucket by the low ones. */
static uint64_t place_of(uint64_t table, uint64_t hash, bool is_row)
{
    return hash_combine(hash, table * 2 + (is_row ? 1 : 0));
}

static struct lock_partition *partition_at(struct lock_table *table, uint64_t place)
{
    return &table->partitions[place >> 58];
}

_Static_assert(LOCK_PARTITION_COUNT == 1 << (64 - 58), "the high bits choose the partition");

struct lock_partition *lock_partition_of(struct lock_table *table, const struct lock_item *item)
{
    return partition_at(table, place_of(item->table, item->hash, item->is_row));
}

static struct lock_item **bucket_at(const struct lock_partition *partition, uint64_t place)
{
    return &partition->buckets[place & (partition->bucket_count - 1)];
}

static struct lock_item *find_item(const struct lock_partition *partition, uint64_t place,
                                   const struct lock_request *request)
{
    bool is_row = lock_mode_is_row(request->mode);
    struct lock_item *item = *bucket_at(partition, place);
    while (item != NULL && (item->hash != request->hash || item->table != request->table ||
                            item->is_row != is_row)) {
        item = item->next;
    }
    return item;
}

/* Doubles the buckets; without memory the chains just grow longer. */
static void grow_buckets(struct lock_table *table, struct lock_partition *partition)
{
    uint32_t old_count = partition->bucket_count;
    struct lock_item **old = partition->buckets;
    struct lock_item **fresh = alloc_array(table->alloc, (size_t)old_count * 2, sizeof *fresh);
    if (fresh == NULL) {
        return;
    }
    partition->buckets = fresh;
    partition->bucket_count = old_count * 2;
    for (uint32_t i = 0; i < old_count; i++) {
        struct lock_item *item = old[i];
        while (item != NULL) {
            struct lock_item *next = item->next;
            struct lock_item **bucket =
                bucket_at(partition, place_of(item->table, item->hash, item->is_row));
            item->next = *bucket;
            *bucket = item;
            item = next;
        }
    }
    alloc_free(table->alloc, old, old_count, sizeof *old);
    atomic_fetch_add_explicit(&table->size_bytes, old_count * sizeof *old, memory_order_relaxed);
}

static struct lock_item *make_item(struct lock_table *table, struct lock_partition *partition,
                                   uint64_t place, const struct lock_request *request)
{
    struct lock_item *item = pool_take(table, &partition->items);
    if (item == NULL) {
        return NULL;
    }
    uint32_t count = atomic_load_explicit(&partition->item_count, memory_order_relaxed) + 1;
    atomic_store_explicit(&partition->item_count, count, memory_order_release);
    // Few buckets hold two: looking into a lock that is not the one meant is a miss of the cache.
    if (count > partition->bucket_count / 2) {
        grow_buckets(table, partition);
    }
    item->table = request->table;
    item->hash = request->hash;
    item->is_row = lock_mode_is_row(request->mode);
    struct lock_item **bucket = bucket_at(partition, place);
    item->next = *bucket;
    *bucket = item;
    return item;
}

void lock_item_settle(struct lock_table *table, struct lock_item *item)
{
    if (item->holds != NULL || item->first != NULL) {
        return;
    }
    uint64_t place = place_of(item->table, item->hash, item->is_row);
    struct lock_partition *partition = partition_at(table, place);
    struct lock_item **link = bucket_at(partition, place);
    while (*link != item) {
        link = &(*link)->next;
    }
    *link = item->next;
    uint32_t count = atomic_load_explicit(&partition->item_count, memory_order_relaxed);
    atomic_store_explicit(&partition->item_count, count - 1, memory_order_release);
    pool_give_back(table, &partition->items, item);
}

/* ---- holds ---- */

bool lock_is_barred(const struct lock_item *item, uint8_t mode, uint16_t own_modes)
{
    uint32_t barring = (uint32_t)item->granted & lock_conflicts[mode];
    if ((barring & ~(uint32_t)own_modes) != 0) {
        return true;
    }
    // The asker is among the holders of what is left; is somebody else?
    for (; barring != 0; barring &= barring - 1) {
        uint8_t held = (uint8_t)__builtin_ctz(barring);
        if (item->counts[lock_class_mode(held)] > 1) {
            return true;
        }
    }
    return false;
}

void lock_grant(struct lock_item *item, struct lock_hold *hold)
{
    hold->next = item->holds;
    if (item->holds != NULL) {
        item->holds->previous = hold;
    }
    item->holds = hold;
    item->hold_count++;
    item->counts[lock_class_mode(hold->mode)]++;
    item->granted |= lock_bit(hold->mode);
}

/* Takes a hold out of its item; whoever waits may have its turn. */
static void ungrant(struct lock_item *item, const struct lock_hold *hold)
{
    if (hold->previous != NULL) {
        hold->previous->next = hold->next;
    } else {
        item->holds = hold->next;
    }
    if (hold->next != NULL) {
        hold->next->previous = hold->previous;
    }
    item->hold_count--;
    if (--item->counts[lock_class_mode(hold->mode)] == 0) {
        item->granted = (uint16_t)(item->granted & ~lock_bit(hold->mode));
    }
}

void lock_hold_free(struct lock_table *table, struct lock_item *item, struct lock_hold *hold)
{
    pool_give_back(table, &lock_partition_of(table, item)->holds, hold);
}

/* What an owner holds of a lock. */
struct own {
    uint16_t modes;
    struct lock_hold *cover; /* One that is as strong as what is asked for; NULL: none. */
};

static void note_own(struct own *own, struct lock_hold *hold, uint8_t mode)
{
    own->modes |= lock_bit(hold->mode);
    // Of several, the oldest: it outlives the others when a savepoint is rolled back.
    if (lock_mode_covers(hold->mode, mode) &&
        (own->cover == NULL || hold->sequence < own->cover->sequence)) {
        own->cover = hold;
    }
}

/* Looks through the shorter of two lists: the lock's holders, or the owner's holds. */
static struct own find_own(const struct lock_item *item, const struct lock_owner *owner,
                           uint8_t mode)
{
    struct own own = {0};
    if (item->hold_count <= owner->hold_count) {
        for (struct lock_hold *hold = item->holds; hold != NULL; hold = hold->next) {
            if (hold->owner == owner) {
                note_own(&own, hold, mode);
            }
        }
        return own;
    }
    for (struct lock_hold *hold = owner->newest; hold != NULL; hold = hold->older) {
        if (hold->item == item) {
            note_own(&own, hold, mode);
        }
    }
    return own;
}

/* The owner's own list; only its thread. */
static void adopt(struct lock_owner *owner, struct lock_hold *hold)
{
    hold->sequence = ++owner->sequence;
    hold->older = owner->newest;
    if (owner->newest != NULL) {
        owner->newest->newer = hold;
    }
    owner->newest = hold;
    owner->hold_count++;
}

static void disown(struct lock_owner *owner, const struct lock_hold *hold)
{
    if (hold->newer != NULL) {
        hold->newer->older = hold->older;
    } else {
        owner->newest = hold->older;
    }
    if (hold->older != NULL) {
        hold->older->newer = hold->newer;
    }
    owner->hold_count--;
}

/* ---- taking ---- */

enum outcome {
    TAKEN,
    COUNTED,
    QUEUED,
    REFUSED,
    OUT_OF_MEMORY,
};

static enum outcome take(struct lock_owner *owner, const struct lock_request *request,
                         struct lock_partition *partition, uint64_t place)
{
    struct lock_table *table = owner->table;
    struct lock_item *item = find_item(partition, place, request);
    struct own own = {0};
    if (item != NULL) {
        own = find_own(item, owner, request->mode);
        if (own.cover != NULL) {
            own.cover->count++;
            return COUNTED;
        }
    }
    struct lock_wait *before = item == NULL ? NULL : lock_queue_place(item, own.modes);
    bool is_free = item == NULL || (!lock_is_barred(item, request->mode, own.modes) &&
                                    !lock_must_queue(item, request->mode, before));
    if (!is_free && request->no_wait) {
        return REFUSED;
    }
    struct lock_hold *hold = pool_take(table, &partition->holds);
    if (hold == NULL) {
        return OUT_OF_MEMORY;
    }
    if (item == NULL) {
        item = make_item(table, partition, place, request);
        if (item == NULL) {
            pool_give_back(table, &partition->holds, hold);
            return OUT_OF_MEMORY;
        }
    }
    hold->owner = owner;
    hold->item = item;
    hold->mode = request->mode;
    hold->count = 1;
    if (is_free) {
        lock_grant(item, hold);
        adopt(owner, hold);
        return TAKEN;
    }
    lock_enqueue(item, owner, hold, own.modes, before);
    return QUEUED;
}

static tdbplus_status tell_outcome(enum outcome outcome, const struct lock_request *request,
                                   struct err *err)
{
    if (outcome == REFUSED) {
        return err_set(err, TDBPLUS_E_LOCK, "could not obtain the lock on %stable %llu",
                       lock_mode_is_row(request->mode) ? "a row of " : "",
                       (unsigned long long)request->table);
    }
    if (outcome == OUT_OF_MEMORY) {
        return err_set(err, TDBPLUS_E_NOMEM, "lock table: one more lock");
    }
    return TDBPLUS_OK;
}

void lock_table_prefetch(struct lock_table *table, uint64_t table_id, uint64_t hash)
{
    uint64_t place = place_of(table_id, hash, true);
    struct lock_partition *partition = partition_at(table, place);
    // Under the latch, because buckets move when they grow; nothing in them is waited for.
    latch_lock(&partition->latch);
    __builtin_prefetch(bucket_at(partition, place), 1);
    latch_unlock(&partition->latch);
}

tdbplus_status lock_table_acquire(struct lock_owner *owner, const struct lock_request *request,
                                  const struct call *call)
{
    ASSERT(request->mode > LOCK_NONE);
    ASSERT(request->mode < LOCK_MODE_COUNT);
    ASSERT(owner->wait.item == NULL);
    uint64_t place = place_of(request->table, request->hash, lock_mode_is_row(request->mode));
    struct lock_partition *partition = partition_at(owner->table, place);
    latch_lock(&partition->latch);
    enum outcome outcome = take(owner, request, partition, place);
    latch_unlock(&partition->latch);
    if (outcome == QUEUED) {
        struct lock_hold *hold = owner->wait.hold;
        TRY(lock_wait_for(owner, request, partition, call));
        adopt(owner, hold);
    }
    return tell_outcome(outcome, request, call->err);
}

/* ---- giving back ---- */

static void release_hold(struct lock_owner *owner, struct lock_hold *hold)
{
    struct lock_table *table = owner->table;
    struct lock_item *item = hold->item;
    disown(owner, hold);
    struct lock_partition *partition = lock_partition_of(table, item);
    latch_lock(&partition->latch);
    ungrant(item, hold);
    pool_give_back(table, &partition->holds, hold);
    if (item->first != NULL) {
        lock_wake(table, item);
    }
    lock_item_settle(table, item);
    latch_unlock(&partition->latch);
}

/* The owner's hold that a request rests on, or NULL. */
static struct lock_hold *find_held(const struct lock_owner *owner,
                                   const struct lock_request *request)
{
    struct lock_table *table = owner->table;
    uint64_t place = place_of(request->table, request->hash, lock_mode_is_row(request->mode));
    struct lock_partition *partition = partition_at(table, place);
    latch_lock(&partition->latch);
    const struct lock_item *item = find_item(partition, place, request);
    struct own own = {0};
    if (item != NULL) {
        own = find_own(item, owner, request->mode);
    }
    latch_unlock(&partition->latch);
    return own.cover;
}

bool lock_table_release(struct lock_owner *owner, const struct lock_request *request)
{
    struct lock_hold *hold = find_held(owner, request);
    if (hold == NULL) {
        return false;
    }
    if (--hold->count == 0) {
        release_hold(owner, hold);
    }
    return true;
}

bool lock_table_holds(const struct lock_owner *owner, const struct lock_request *request)
{
    return find_held(owner, request) != NULL;
}

uint64_t lock_owner_mark(const struct lock_owner *owner)
{
    return owner->sequence;
}

/* The hold `count` older ones further on, or NULL. */
static const struct lock_hold *holds_ahead(const struct lock_hold *hold, uint32_t count)
{
    for (; count > 0 && hold != NULL; count--) {
        hold = hold->older;
    }
    return hold;
}

/*
 * The locks of a large change lie all over the memory, and their buckets too: those that come next
 * are asked for while the ones at hand are released. First the lock, which tells the bucket.
 */
void lock_owner_release_to(struct lock_owner *owner, uint64_t mark)
{
    const struct lock_hold *item_ahead = holds_ahead(owner->newest, 2 * RELEASE_AHEAD);
    const struct lock_hold *bucket_ahead = holds_ahead(owner->newest, RELEASE_AHEAD);
    while (owner->newest != NULL && owner->newest->sequence > mark) {
        if (item_ahead != NULL) {
            __builtin_prefetch(item_ahead->item, 1);
            item_ahead = item_ahead->older;
        }
        if (bucket_ahead != NULL && bucket_ahead->item->is_row) {
            lock_table_prefetch(owner->table, bucket_ahead->item->table, bucket_ahead->item->hash);
        }
        bucket_ahead = bucket_ahead == NULL ? NULL : bucket_ahead->older;
        release_hold(owner, owner->newest);
    }
}

void lock_owner_release_all(struct lock_owner *owner)
{
    lock_owner_release_to(owner, 0);
}

/* ---- looking ---- */

bool lock_table_row_free(struct lock_table *table, uint64_t table_id, uint64_t hash,
                         const struct lock_owner *owner)
{
    const struct lock_request request = {.table = table_id, .hash = hash, .mode = LOCK_ROW_UPDATE};
    uint64_t place = place_of(table_id, hash, true);
    struct lock_partition *partition = partition_at(table, place);
    if (atomic_load_explicit(&partition->item_count, memory_order_acquire) == 0) {
        return true;
    }
    latch_lock(&partition->latch);
    const struct lock_item *item = find_item(partition, place, &request);
    bool is_free = item == NULL || item->first == NULL;
    for (const struct lock_hold *hold = item == NULL ? NULL : item->holds; hold != NULL && is_free;
         hold = hold->next) {
        is_free = hold->owner == owner;
    }
    latch_unlock(&partition->latch);
    return is_free;
}

void lock_table_cancel(struct lock_owner *owner)
{
    env_event_set(owner->table->env, &owner->event);
}

static bool list_item(const struct lock_item *item, struct list *infos)
{
    struct lock_info info = {.table = item->table, .hash = item->hash};
    for (const struct lock_hold *hold = item->holds; hold != NULL; hold = hold->next) {
        info.owner_id = hold->owner->id;
        info.mode = hold->mode;
        info.is_granted = true;
        if (list_push(infos, &info) == NULL) {
            return false;
        }
    }
    for (const struct lock_wait *wait = item->first; wait != NULL; wait = wait->next) {
        info.owner_id = wait->owner->id;
        info.mode = wait->mode;
        info.is_granted = false;
        info.waiting_since_us = wait->since_us;
        if (list_push(infos, &info) == NULL) {
            return false;
        }
    }
    return true;
}

tdbplus_status lock_table_list(struct lock_table *table, struct list *infos, struct err *err)
{
    ASSERT(infos->item_size == sizeof(struct lock_info));
    bool is_done = true;
    for (uint32_t i = 0; i < LOCK_PARTITION_COUNT && is_done; i++) {
        struct lock_partition *partition = &table->partitions[i];
        latch_lock(&partition->latch);
        for (uint32_t bucket = 0; bucket < partition->bucket_count; bucket++) {
            for (const struct lock_item *item = partition->buckets[bucket]; item != NULL && is_done;
                 item = item->next) {
                is_done = list_item(item, infos);
            }
        }
        latch_unlock(&partition->latch);
    }
    return is_done ? TDBPLUS_OK : err_set(err, TDBPLUS_E_NOMEM, "lock table: listing the locks");
}

uint64_t lock_table_count(const struct lock_table *table)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < LOCK_PARTITION_COUNT; i++) {
        count += atomic_load_explicit(&table->partitions[i].item_count, memory_order_relaxed);
    }
    return count;
}

size_t lock_table_size_bytes(const struct lock_table *table)
{
    return atomic_load_explicit(&table->size_bytes, memory_order_relaxed);
}
