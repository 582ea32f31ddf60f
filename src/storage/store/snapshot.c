#include "base/assert.h"
#include "storage/store/store_internal.h"

uint64_t store_visible_timestamp(const struct store *store)
{
    return atomic_load_explicit(&store->visible_timestamp, memory_order_acquire);
}

void store_snapshot_acquire(struct store *store, struct store_snapshot *snapshot)
{
    latch_lock(&store->snapshot_latch);
    // Read inside the latch: whoever computes the horizon later finds this snapshot in the list.
    snapshot->timestamp = store_visible_timestamp(store);
    snapshot->previous = NULL;
    snapshot->next = store->snapshots;
    if (snapshot->next != NULL) {
        snapshot->next->previous = snapshot;
    }
    store->snapshots = snapshot;
    store->snapshot_count++;
    latch_unlock(&store->snapshot_latch);
}

void store_snapshot_release(struct store *store, struct store_snapshot *snapshot)
{
    if (snapshot->timestamp == 0) {
        return;
    }
    latch_lock(&store->snapshot_latch);
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
    latch_unlock(&store->snapshot_latch);
    *snapshot = (struct store_snapshot){0};
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
