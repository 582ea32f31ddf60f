/*
 * The tasks of an open database: one flushes, one merges, one syncs at intervals. Flushing and
 * merging are apart because either can be busy for long, and writers wait for both.
 */

#include "base/assert.h"
#include "storage/store/store_internal.h"

#define IDLE_WAIT_US ((uint64_t)500000)

void background_wake(struct store *store)
{
    if (store->flusher != NULL) {
        env_event_set(store->env, &store->flusher_event);
    }
    if (store->merger != NULL) {
        env_event_set(store->env, &store->merger_event);
    }
}

/* Tells writers that wait for flushes or merges how it went. [waits] */
static void tell_writers(struct store *store, struct err *told, const struct err *err)
{
    mutex_lock(store->env, &store->stall);
    *told = *err;
    condition_broadcast(store->env, &store->stall_condition);
    mutex_unlock(store->env, &store->stall);
}

/* Flushes every frozen memtable. True if there was one. */
static bool flush_all(struct store *store, struct collection *collection)
{
    bool worked = false;
    bool found = true;
    struct err err = {0};
    while (found && !atomic_load(&store->closing)) {
        err_clear(&err);
        tdbplus_status status = collection_flush(collection, &found, &err);
        if (found || status != TDBPLUS_OK) {
            tell_writers(store, &store->flush_error, &err);
        }
        if (status != TDBPLUS_OK) {
            return false; // Tried again at the next wake-up.
        }
        worked = worked || found;
    }
    return worked;
}

/* Merges as long as the policy wants. True if it did. */
static bool merge_all(struct store *store, struct collection *collection)
{
    bool worked = false;
    bool found = true;
    struct err err = {0};
    struct call call = {.alloc = store->alloc, .cancel = &store->closing, .err = &err};
    while (found && !atomic_load(&store->closing)) {
        err_clear(&err);
        tdbplus_status status = collection_merge(collection, false, &call, &found);
        tell_writers(store, &store->merge_error, &err); // Some wait for fewer segments.
        if (status != TDBPLUS_OK) {
            return false; // Tried again at the next wake-up.
        }
        worked = worked || found;
    }
    return worked;
}

/* A collection whose memtable keeps many log files from being cut gets it frozen. */
static void release_log(struct store *store, struct collection *collection)
{
    if (store->log == NULL) {
        return;
    }
    uint64_t slack = 4 * (uint64_t)store->options.memtable_size_bytes;
    struct version *version = version_acquire(collection);
    latch_lock(&store->commit);
    const struct table_ref *active = version->tables[0];
    bool lagging = active->changed && store_log_end(store) - active->lsn_first > slack;
    latch_unlock(&store->commit);
    version_release(version);
    if (lagging) {
        mutex_lock(store->env, &store->structure);
        // Out of memory means only that the log stays long until the next round.
        (void)!collection_freeze(collection, NULL, NULL);
        mutex_unlock(store->env, &store->structure);
    }
}

static void forget_ends(struct store *store, struct collection *collection)
{
    struct version *version = version_acquire(collection);
    bool any = false;
    for (uint32_t i = 0; i < version->segment_count && !any; i++) {
        any = delete_map_recent_count(version->segments[i]->deletes) > 0;
    }
    uint64_t horizon = any ? store_horizon(store) : 0;
    // A reader that took no snapshot may still work with a slightly older timestamp.
    uint64_t mark = epoch_mark(&store->epoch);
    for (uint32_t tries = 0; any && !epoch_passed(&store->epoch, mark); tries++) {
        any = tries < 100;
        env_sleep_us(store->env, 100);
    }
    if (any) {
        mutex_lock(store->env, &store->structure);
        horizon = horizon < collection->flushed_timestamp ? horizon : collection->flushed_timestamp;
        for (uint32_t i = 0; i < version->segment_count; i++) {
            latch_lock(&store->commit);
            delete_map_forget(version->segments[i]->deletes, horizon);
            latch_unlock(&store->commit);
        }
        mutex_unlock(store->env, &store->structure);
    }
    version_release(version);
}

static bool flush_round(struct store *store, struct collection *collection)
{
    release_log(store, collection);
    return flush_all(store, collection);
}

static bool merge_round(struct store *store, struct collection *collection)
{
    bool worked = merge_all(store, collection);
    forget_ends(store, collection);
    return worked;
}

/* Does the work on every collection; true if there was any. */
static bool for_each(struct store *store, bool (*work)(struct store *, struct collection *))
{
    bool worked = false;
    struct catalog *catalog = catalog_acquire(store);
    for (uint32_t i = 0; i < catalog->object_count && !atomic_load(&store->closing); i++) {
        struct collection *collection = catalog->objects[i]->object.collection;
        if (collection != NULL) {
            worked = work(store, collection) || worked;
        }
    }
    catalog_release(catalog);
    (void)epoch_collect(&store->epoch);
    return worked;
}

static void flusher_main(void *arg)
{
    struct store *store = arg;
    while (!atomic_load(&store->closing)) {
        if (!for_each(store, flush_round)) {
            uint64_t now = env_clock_mono_us(store->env);
            (void)env_event_wait(store->env, &store->flusher_event, now + IDLE_WAIT_US);
        }
    }
}

static void merger_main(void *arg)
{
    struct store *store = arg;
    while (!atomic_load(&store->closing)) {
        store_expire_snapshots(store);
        if (atomic_load_explicit(&store->expires, memory_order_relaxed)) {
            store_tick(store); // Or nothing would expire in a database that nobody writes to.
        }
        if (!for_each(store, merge_round)) {
            uint64_t now = env_clock_mono_us(store->env);
            (void)env_event_wait(store->env, &store->merger_event, now + IDLE_WAIT_US);
        }
    }
}

static void lock_commit(void *ctx)
{
    latch_lock(&((struct store *)ctx)->commit);
}

static void unlock_commit(void *ctx)
{
    latch_unlock(&((struct store *)ctx)->commit);
}

tdbplus_status background_mark_log(struct store *store)
{
    return log_mark_idle(store->log, lock_commit, unlock_commit, store, NULL);
}

/* Syncs what INTERVAL commits left behind; when nothing is, marks the log as synced (S2). */
static void syncer_main(void *arg)
{
    struct store *store = arg;
    while (!atomic_load(&store->closing)) {
        uint64_t now = env_clock_mono_us(store->env);
        (void)env_event_wait(store->env, &store->syncer_event,
                             now + store->options.sync_interval_us);
        if (atomic_load(&store->closing) || log_stopped(store->log)) {
            break;
        }
        tdbplus_status status = TDBPLUS_OK;
        if (store->options.durability == DURABILITY_INTERVAL) {
            latch_lock(&store->commit);
            uint64_t end = log_end(store->log);
            latch_unlock(&store->commit);
            status = end > log_synced(store->log) ? log_sync(store->log, end, NULL) : TDBPLUS_OK;
        } else {
            status = log_write_out(store->log, NULL);
        }
        if (status == TDBPLUS_OK) {
            status = background_mark_log(store);
        }
        if (status == TDBPLUS_E_STOPPED || status == TDBPLUS_E_IO) {
            break; // Every commit from now on reports it.
        }
    }
}

tdbplus_status background_start(struct store *store, struct err *err)
{
    if (store->options.read_only || store->options.no_background) {
        return TDBPLUS_OK;
    }
    TRY(env_task_start(store->env, "tdb-flusher", flusher_main, store, &store->flusher, err));
    TRY(env_task_start(store->env, "tdb-merger", merger_main, store, &store->merger, err));
    if (store->log != NULL) {
        TRY(env_task_start(store->env, "tdb-syncer", syncer_main, store, &store->syncer, err));
    }
    return TDBPLUS_OK;
}

static void stop_task(struct store *store, struct env_task **task, struct env_event *event)
{
    if (*task != NULL) {
        env_event_set(store->env, event);
        env_task_join(store->env, *task);
        *task = NULL;
    }
}

void background_stop(struct store *store)
{
    atomic_store(&store->closing, true);
    stop_task(store, &store->flusher, &store->flusher_event);
    stop_task(store, &store->merger, &store->merger_event);
    stop_task(store, &store->syncer, &store->syncer_event);
}
