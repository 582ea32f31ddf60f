#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/store_internal.h"

uint64_t store_visible_timestamp(const struct store *store)
{
    return atomic_load_explicit(&store->visible_timestamp, memory_order_acquire);
}

/* Under `snapshot_latch`. */
static void add_snapshot(struct store *store, struct store_snapshot *snapshot, uint64_t timestamp)
{
    snapshot->timestamp = timestamp;
    snapshot->previous = NULL;
    snapshot->next = store->snapshots;
    if (snapshot->next != NULL) {
        snapshot->next->previous = snapshot;
    }
    store->snapshots = snapshot;
    store->snapshot_count++;
}

/* `with_catalog` NULL: nobody asks for the catalog. */
static void acquire(struct store *store, struct store_snapshot *snapshot,
                    struct catalog **with_catalog)
{
    snapshot->acquired_us = env_clock_mono_us(store->env);
    if (atomic_load_explicit(&store->expires, memory_order_relaxed)) {
        store_tick(store);
    }
    atomic_store_explicit(&snapshot->expired, false, memory_order_relaxed);
    latch_lock(&store->snapshot_latch);
    // Read inside the latch: whoever computes the horizon later finds this snapshot in the list.
    uint64_t now = store_visible_timestamp(store);
    bool clock = planted(PLANT_SNAPSHOT_FROM_CLOCK);
    add_snapshot(store, snapshot, clock ? env_clock_wall_us(store->env) << 12 : now);
    if (with_catalog != NULL) {
        *with_catalog = catalog_at_timestamp(store, now);
    }
    latch_unlock(&store->snapshot_latch);
}

void store_tick(struct store *store)
{
    uint64_t wall = env_clock_wall_us(store->env) << 12;
    latch_lock(&store->commit);
    // A commit that waits for its sync must not become visible by this.
    if (wall > store->timestamp_last && store_visible_timestamp(store) == store->timestamp_last) {
        store->timestamp_last = wall;
        atomic_store_explicit(&store->visible_timestamp, wall, memory_order_release);
    }
    latch_unlock(&store->commit);
}

void store_snapshot_acquire(struct store *store, struct store_snapshot *snapshot)
{
    acquire(store, snapshot, NULL);
}

struct catalog *store_snapshot_acquire_catalog(struct store *store, struct store_snapshot *snapshot)
{
    struct catalog *catalog = NULL;
    acquire(store, snapshot, &catalog);
    return catalog;
}

void store_snapshot_share(struct store *store, const struct store_snapshot *from,
                          struct store_snapshot *snapshot)
{
    ASSERT(from->timestamp != 0);
    latch_lock(&store->snapshot_latch);
    // One that was given up pins nothing, and neither does its copy.
    bool expired = atomic_load_explicit(&from->expired, memory_order_relaxed);
    atomic_store_explicit(&snapshot->expired, expired, memory_order_relaxed);
    snapshot->acquired_us = from->acquired_us;
    snapshot->timestamp = from->timestamp;
    if (!expired) {
        add_snapshot(store, snapshot, from->timestamp);
    }
    latch_unlock(&store->snapshot_latch);
}

/* Takes it out of the list. Under the latch. */
static void unlink_snapshot(struct store *store, struct store_snapshot *snapshot)
{
    ASSERT(store->snapshot_count > 0);
    if (snapshot->previous != NULL) {
        snapshot->previous->next = snapshot->next;
    } else {
        ASSERT(store->snapshots == snapshot);
        store->snapshots = snapshot->next;
    }
    if (snapshot->next != NULL) {
        snapshot->next->previous = snapshot->previous;
    }
    store->snapshot_count--;
}

void store_snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    if (snapshot->timestamp == 0) {
        return;
    }
    latch_lock(&store->snapshot_latch);
    if (!atomic_load_explicit(&snapshot->expired, memory_order_relaxed)) {
        unlink_snapshot(store, snapshot);
    }
    latch_unlock(&store->snapshot_latch);
    *snapshot = (struct store_snapshot){0};
}

tdbplus_status store_snapshot_check(const struct store_snapshot *snapshot, struct err *err)
{
    if (!atomic_load_explicit(&snapshot->expired, memory_order_acquire)) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = err_set(err, TDBPLUS_E_SNAPSHOT,
                                    "snapshot too old: the transaction has been open too long");
    err_hint(err, "Roll back and begin again, or open the database with a longer limit.");
    return status;
}

void store_expire_snapshots(struct store *store)
{
    uint64_t now = env_clock_mono_us(store->env);
    latch_lock(&store->snapshot_latch);
    struct store_snapshot *next = NULL;
    for (struct store_snapshot *at = store->snapshots; at != NULL; at = next) {
        next = at->next;
        // One may have come since the clock was read.
        if (at->acquired_us < now && now - at->acquired_us > store->options.snapshot_age_max_us) {
            unlink_snapshot(store, at);
            // Before the horizon can pass it: a reader that misses rows then finds this set.
            atomic_store_explicit(&at->expired, true, memory_order_release);
        }
    }
    latch_unlock(&store->snapshot_latch);
}

uint64_t store_horizon(struct store *store)
{
    latch_lock(&store->snapshot_latch);
    uint64_t horizon = store_visible_timestamp(store);
    for (struct store_snapshot *at = store->snapshots; at != NULL; at = at->next) {
        horizon = at->timestamp < horizon ? at->timestamp : horizon;
    }
    latch_unlock(&store->snapshot_latch);
    return horizon;
}
