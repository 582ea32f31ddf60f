/*
 * A commit: encode outside, number and apply under the latch, sync outside, become visible.
 *
 * Under the latch nothing waits and, once the log position is taken, nothing fails: memory for the
 * apply is reserved first, then log_append() copies the record, then the rows are applied. So the
 * order of timestamps is the order of the log and of the memtables (S4).
 */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/payload.h"

#define GROUP_COUNT_MAX      4096u
#define VALUE_COUNT_FEW      16u
#define RANGE_TABLE_ROWS_MAX 4096u

struct commit_state {
    struct store *store;
    const struct store_commit *commit;
    const struct alloc *alloc;
    struct buffer payload;
    uint32_t payload_crc;
    struct apply_group *groups; /* `group_one` if one is enough. */
    struct datum *values;       /* Scratch for one row; `values_few` if those are enough. */
    uint32_t value_count;
    bool is_staged; /* Some group has stages: the structure mutex is held, */
    bool is_ranged; /* and some of them are ranges: those of flushes and merges too. */
    struct apply_group group_one;
    struct catalog *catalog; /* The one to publish; NULL without catalog changes. */
    struct version *
        *versions; /* Per change: what begins with the new schema's memtable, or NULL. */
    uint64_t timestamp;
    uint64_t sync_lsn; /* What must be durable before the commit may be seen. */
    struct datum values_few[VALUE_COUNT_FEW]; /* Last, and not initialised. */
};

static tdbplus_status check_limits(const struct store_commit *commit, struct err *err)
{
    if (commit->group_count > GROUP_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "commit: changes %u collections, at most %u",
                       commit->group_count, GROUP_COUNT_MAX);
    }
    return TDBPLUS_OK;
}

static tdbplus_status prepare_groups(struct commit_state *state, struct err *err)
{
    const struct store_commit *commit = state->commit;
    if (commit->group_count == 0) {
        return TDBPLUS_OK;
    }
    state->groups = commit->group_count == 1
                        ? &state->group_one
                        : alloc_array(state->alloc, commit->group_count, sizeof *state->groups);
    for (uint32_t i = 0; i < commit->group_count; i++) {
        uint32_t count = commit->groups[i].schema->column_count;
        state->value_count = count > state->value_count ? count : state->value_count;
    }
    state->values = state->value_count <= VALUE_COUNT_FEW
                        ? state->values_few
                        : alloc_array(state->alloc, state->value_count, sizeof *state->values);
    if (state->groups == NULL || state->values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    for (uint32_t i = 0; i < commit->group_count; i++) {
        const struct commit_group *from = &commit->groups[i];
        struct apply_group *group = &state->groups[i];
        group->collection = from->collection;
        group->ops = from->ops;
        group->op_count = from->op_count;
        group->stages = from->stages;
        group->stage_count = from->stage_count;
        state->is_staged = state->is_staged || from->stage_count > 0;
        for (uint32_t k = 0; k < from->stage_count; k++) {
            state->is_ranged = state->is_ranged || from->stages[k].kind == COMMIT_DELETE_RANGE;
        }
        for (uint32_t k = 0; k < from->op_count; k++) {
            group->byte_count += from->ops[k].key.size + from->ops[k].row.size;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status encode_payload(struct commit_state *state, struct err *err)
{
    buffer_init(&state->payload, state->alloc);
    // Room for most records at once: a buffer that grows asks again and again.
    size_t size = 32;
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        size += 32 + state->groups[i].byte_count + (size_t)state->groups[i].op_count * 8;
        for (uint32_t k = 0; k < state->groups[i].stage_count; k++) {
            const struct commit_stage *stage = &state->groups[i].stages[k];
            size += 32 + (size_t)stage->segment_count * 32 + stage->lower.size + stage->upper.size;
        }
    }
    (void)buffer_reserve(&state->payload, size); // A failure is remembered.
    payload_encode(state->commit, &state->payload);
    if (state->payload.failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    if (state->payload.size > LOG_RECORD_SIZE_MAX) {
        tdbplus_status status =
            err_set(err, TDBPLUS_E_LIMIT, "commit: %zu bytes of changes, at most %zu in one go",
                    state->payload.size, LOG_RECORD_SIZE_MAX);
        err_hint(err, "Commit in smaller portions, or use a bulk load.");
        return status;
    }
    state->payload_crc = crc32c(buffer_span(&state->payload));
    return TDBPLUS_OK;
}

/* Waits while flushes or merges are far behind, so that memory and look-ups stay bounded. [waits]
 */
static tdbplus_status wait_for_flushes(struct store *store, struct collection *collection,
                                       const struct call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    mutex_lock(store->env, &store->stall);
    for (;;) {
        struct version *version = version_acquire(collection);
        bool many_tables = version->table_count > STORE_FROZEN_COUNT_MAX;
        bool behind = many_tables || version->segment_count > STORE_SEGMENT_COUNT_FEW;
        version_release(version);
        // Nobody flushes a dropped collection any more; the commit will find out and fail.
        if (!behind || store->options.no_background || atomic_load(&collection->dropped)) {
            break;
        }
        const struct err *why = many_tables ? &store->flush_error : &store->merge_error;
        if (why->status != TDBPLUS_OK) {
            status = why->status;
            if (call->err != NULL && call->err->status == TDBPLUS_OK) {
                *call->err = *why;
            }
            break;
        }
        background_wake(store);
        uint64_t now = env_clock_mono_us(store->env);
        (void)condition_wait(store->env, &store->stall_condition, &store->stall, now + 100000);
        status = env_check_call(store->env, call);
        if (status != TDBPLUS_OK) {
            break;
        }
    }
    mutex_unlock(store->env, &store->stall);
    return status;
}

static bool memtable_full(struct store *store, struct collection *collection)
{
    struct version *version = version_acquire(collection);
    bool full =
        memtable_size_bytes(version->tables[0]->memtable) >= store->options.memtable_size_bytes;
    version_release(version);
    return full;
}

static tdbplus_status freeze_if_full(struct store *store, struct collection *collection,
                                     const struct call *call)
{
    if (!memtable_full(store, collection)) {
        return TDBPLUS_OK;
    }
    TRY(wait_for_flushes(store, collection, call));
    mutex_lock(store->env, &store->structure);
    // Of many writers that found it full only the first freezes, or each would freeze a small one.
    tdbplus_status status = memtable_full(store, collection)
                                ? collection_freeze(collection, NULL, call->err)
                                : TDBPLUS_OK;
    mutex_unlock(store->env, &store->structure);
    background_wake(store);
    return status;
}

/* Takes the present versions and finds the older rows in their segments. [waits] */
static tdbplus_status locate_groups(struct commit_state *state, struct err *err)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        struct apply_group *group = &state->groups[i];
        if (group->stage_count == 0) {
            version_release(group->version);
            version_release(group->stale);
            group->stale = NULL;
            group->version = version_acquire(group->collection);
        }
        TRY(apply_locate(group, state->alloc, err));
    }
    return TDBPLUS_OK;
}

/* Under `commit`: takes the newest version where only memtables changed since locate_groups().
 * False if segments changed too, so that the places must be looked up again. */
static bool refresh_versions(struct commit_state *state)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        struct apply_group *group = &state->groups[i];
        struct version *now = atomic_load(&group->collection->version);
        if (now == group->version || group->stage_count > 0) {
            continue; // Nobody else can publish a version where there are stages.
        }
        if (now->segment_generation != group->version->segment_generation) {
            return false;
        }
        atomic_fetch_add_explicit(&now->refs, 1, memory_order_relaxed);
        // Let go of later: with the last reference files are closed, and that waits.
        ASSERT(group->stale == NULL);
        group->stale = group->version;
        group->version = now;
    }
    return true;
}

static bool changes_object(const struct store_commit *commit, uint64_t id)
{
    for (uint32_t i = 0; i < commit->change_count; i++) {
        if (commit->changes[i].id == id) {
            return true;
        }
    }
    return false;
}

static tdbplus_status check_groups(struct commit_state *state, struct err *err)
{
    const struct store_commit *commit = state->commit;
    for (uint32_t i = 0; i < commit->group_count; i++) {
        const struct apply_group *group = &state->groups[i];
        const struct collection *collection = group->collection;
        const struct schema *now = memtable_schema(group->version->tables[0]->memtable);
        uint64_t revision = commit->groups[i].revision;
        // What this commit itself made of the object was compared with `before`.
        bool other = revision != 0 && revision != collection->revision &&
                     !changes_object(commit, collection->id);
        if (atomic_load(&collection->dropped) || now != commit->groups[i].schema || other) {
            return err_set(err, TDBPLUS_E_CONFLICT,
                           "the table was altered or dropped by another transaction");
        }
    }
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (change->unchanged_since != 0 && change->before != NULL &&
            change->before->collection->changed > change->unchanged_since) {
            return err_set(err, TDBPLUS_E_CONFLICT,
                           "rows of \"%s\" were changed by another transaction meanwhile",
                           change->before->name);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status reserve_groups(struct commit_state *state, struct err *err)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        TRY(apply_reserve(&state->groups[i], err));
    }
    return TDBPLUS_OK;
}

/* Hybrid clock: 52 bits of wall microseconds over 12 bits of counter, and never back. */
static uint64_t next_timestamp(struct store *store, uint64_t wall_us)
{
    uint64_t wall = wall_us << 12;
    bool forward = wall > store->timestamp_last || planted(PLANT_CLOCK_GOES_BACK);
    return forward ? wall : store->timestamp_last + 1;
}

/* Under `commit`: collections know their objects. */
static void note_changes(const struct store_commit *commit, uint64_t timestamp)
{
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (change->after == NULL || change->after->object.collection == NULL) {
            continue;
        }
        struct collection *collection = change->after->object.collection;
        collection->revision = change->after->object.revision;
        if (change->before == NULL) {
            atomic_store_explicit(&collection->created, timestamp, memory_order_release);
        }
    }
}

/* Under `commit`, in the moment of the commit: whoever comes next finds the new schema's memtable,
 * or that the collection was dropped. Everything was reserved by prepare_changes(). */
static void publish_changes(struct commit_state *state)
{
    const struct store_commit *commit = state->commit;
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (change->after == NULL && change->before->collection != NULL) {
            atomic_store(&change->before->collection->dropped, true);
        }
        if (state->versions[i] == NULL) {
            continue;
        }
        struct collection *collection = change->after->object.collection;
        struct retired_schema old = {.schema = collection_schema(collection, 0),
                                     .until = state->timestamp};
        void *pushed = list_push(&collection->schemas, &change->after->schema_pending);
        ASSERT(pushed != NULL);
        change->after->schema_pending = NULL;
        pushed = list_push(&collection->retired, &old);
        ASSERT(pushed != NULL);
        collection_freeze_publish(collection, state->versions[i]);
        state->versions[i] = NULL;
    }
    catalog_publish_pending(state->store, state->catalog, state->timestamp);
    state->catalog = NULL;
}

/* Under `structure`: what the group's collection will consist of after the commit. */
static tdbplus_status make_version(struct apply_group *group, const struct alloc *alloc,
                                   struct err *err)
{
    size_t count = 0;
    for (uint32_t i = 0; i < group->stage_count; i++) {
        count += group->stages[i].segment_count;
    }
    struct segment_ref **loads = alloc_array(alloc, count + 1, sizeof(void *));
    if (loads == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < group->stage_count; i++) {
        for (uint32_t k = 0; k < group->stages[i].segment_count; k++) {
            loads[at++] = group->stages[i].segments[k];
        }
    }
    struct version *base = version_acquire(group->collection);
    tdbplus_status status =
        version_with_loads(group->collection, base, loads, at, &group->version, err);
    version_release(base);
    alloc_free(alloc, loads, count + 1, sizeof(void *));
    return status;
}

static tdbplus_status make_versions(struct commit_state *state, struct err *err)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        if (state->groups[i].stage_count > 0) {
            TRY(make_version(&state->groups[i], state->alloc, err));
        }
    }
    return TDBPLUS_OK;
}

/* Under `commit` and `structure`: the loads become part of the collection. */
static void publish_stages(struct apply_group *group, uint64_t lsn, uint64_t timestamp)
{
    struct store *store = group->collection->store;
    for (uint32_t i = 0; i < group->stage_count; i++) {
        for (uint32_t k = 0; k < group->stages[i].segment_count; k++) {
            struct segment_ref *ref = group->stages[i].segments[k];
            ref->born = timestamp;
            ref->load_lsn = lsn;
            atomic_store(&ref->is_loaded, true);
            atomic_store(&ref->obsolete, false);
            atomic_fetch_add(&store->load_written_bytes, ref->size);
            atomic_fetch_add(&store->load_count, 1);
        }
    }
    atomic_fetch_add_explicit(&group->version->refs, 1, memory_order_relaxed);
    version_publish(group->collection, group->version);
}

/* Under `commit`, after everything that can fail. */
static void number_and_apply(struct commit_state *state, uint64_t wall_us)
{
    struct store *store = state->store;
    const struct store_commit *commit = state->commit;
    state->timestamp = next_timestamp(store, wall_us);
    uint64_t lsn = store_log_end(store);
    if (store->log != NULL) {
        struct log_entry entry = {
            .stream = commit->group_count == 1 ? (uint32_t)state->groups[0].collection->id : 0,
            .kind = commit->group_count == 1 ? LOG_KIND_COMMIT : LOG_KIND_MULTI,
            .timestamp = state->timestamp,
            .payload = buffer_span(&state->payload),
            .payload_crc = state->payload_crc,
        };
        uint64_t lsn_end = log_append(store->log, &entry);
        if (commit->durability == DURABILITY_FULL) {
            store->full_lsn = lsn_end;
        }
        // A commit may be seen only when all before it may: their syncs are its syncs.
        state->sync_lsn = store->full_lsn;
        if (planted(PLANT_SYNC_OWN_ONLY) && commit->durability != DURABILITY_FULL) {
            state->sync_lsn = 0;
        }
    }
    store->timestamp_last = state->timestamp;
    for (uint32_t i = 0; i < commit->group_count; i++) {
        apply_rows(&state->groups[i], lsn, state->timestamp, state->values);
        state->groups[i].collection->changed = state->timestamp;
        if (state->groups[i].stage_count > 0) {
            publish_stages(&state->groups[i], lsn, state->timestamp);
        }
    }
    if (state->catalog != NULL) {
        note_changes(commit, state->timestamp);
        publish_changes(state);
    }
}

/* One attempt under the latch; *again_out when segments changed since the look-up. */
static tdbplus_status try_commit(struct commit_state *state, bool *again_out, struct err *err)
{
    struct store *store = state->store;
    uint64_t wall_us = env_clock_wall_us(store->env);
    *again_out = false;
    latch_lock(&store->commit);
    tdbplus_status status = TDBPLUS_OK;
    if (atomic_load(&store->stopped) || (store->log != NULL && log_stopped(store->log))) {
        status = err_set(err, TDBPLUS_E_STOPPED, "the database stopped after a failed write");
    } else if (!refresh_versions(state)) {
        *again_out = true;
    } else {
        status = check_groups(state, err);
        if (status == TDBPLUS_OK && !planted(PLANT_APPLY_UNRESERVED)) {
            status = reserve_groups(state, err);
        }
        if (status == TDBPLUS_OK) {
            number_and_apply(state, wall_us);
        }
    }
    latch_unlock(&store->commit);
    return status;
}

/* What was begun can be neither finished nor taken back: the next open decides (S1). */
static tdbplus_status stop(struct store *store, const struct err *why, struct err *err)
{
    atomic_store(&store->stopped, true);
    tdbplus_status status = err_set(err, TDBPLUS_E_STOPPED, "the database stopped: %s", why->text);
    err_hint(err, "Mend what the message names, then close the database and open it again.");
    return status;
}

static void advance_visible(struct store *store, uint64_t timestamp)
{
    uint64_t visible = atomic_load_explicit(&store->visible_timestamp, memory_order_relaxed);
    while (visible < timestamp &&
           !atomic_compare_exchange_weak_explicit(&store->visible_timestamp, &visible, timestamp,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

/* Waits for the disk as far as needed, then shows the commit to readers. [waits] */
static tdbplus_status finish_commit(struct commit_state *state, struct err *err)
{
    struct store *store = state->store;
    if (planted(PLANT_VISIBLE_BEFORE_SYNC)) {
        advance_visible(store, state->timestamp);
    }
    bool skip = planted(PLANT_COMMIT_SYNC_SKIPPED);
    if (store->log != NULL && state->sync_lsn > log_synced(store->log) && !skip) {
        struct err why = {0};
        if (log_sync(store->log, state->sync_lsn, &why) != TDBPLUS_OK) {
            return stop(store, &why, err);
        }
    }
    advance_visible(store, state->timestamp);
    atomic_fetch_add_explicit(&store->commit_count, 1, memory_order_relaxed);
    uint64_t rows = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        const struct apply_group *group = &state->groups[i];
        rows += group->op_count;
        bytes += group->byte_count;
        for (uint32_t k = 0; k < group->stage_count; k++) {
            bytes += group->stages[k].byte_count;
            for (uint32_t s = 0; s < group->stages[k].segment_count; s++) {
                rows += group->stages[k].segments[s]->row_count;
            }
        }
    }
    atomic_fetch_add_explicit(&store->row_write_count, rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&store->ingested_bytes, bytes, memory_order_relaxed);
    return TDBPLUS_OK;
}

static void state_deinit(struct commit_state *state)
{
    for (uint32_t i = 0; state->groups != NULL && i < state->commit->group_count; i++) {
        apply_group_deinit(&state->groups[i], state->alloc);
    }
    if (state->groups != &state->group_one) {
        alloc_free(state->alloc, state->groups, state->commit->group_count, sizeof *state->groups);
    }
    if (state->values != state->values_few) {
        alloc_free(state->alloc, state->values, state->value_count, sizeof *state->values);
    }
    for (uint32_t i = 0; state->versions != NULL && i < state->commit->change_count; i++) {
        version_release(state->versions[i]);
    }
    alloc_free(state->alloc, state->versions, state->commit->change_count, sizeof(void *));
    catalog_release(state->catalog);
    buffer_deinit(&state->payload);
}

/* The rows' part; the log has been prepared for the payload if there is a log. [waits] */
static tdbplus_status locate_and_commit(struct commit_state *state, struct err *err)
{
    bool again = true;
    while (again) {
        TRY(locate_groups(state, err));
        TRY(try_commit(state, &again, err));
    }
    return TDBPLUS_OK;
}

/* Everything but waiting for the disk. With stages or catalog changes under `structure`. [waits] */
static tdbplus_status prepare_and_commit(struct commit_state *state, const struct call *call)
{
    struct store *store = state->store;
    TRY(make_versions(state, call->err));
    if (store->log == NULL) {
        return locate_and_commit(state, call->err);
    }
    TRY(log_prepare(store->log, state->payload.size, call->err));
    tdbplus_status status = locate_and_commit(state, call->err);
    if (status != TDBPLUS_OK) {
        log_unprepare(store->log, state->payload.size);
    }
    return status;
}

static uint64_t table_rows(struct collection *collection)
{
    struct version *version = version_acquire(collection);
    uint64_t rows = 0;
    for (uint32_t i = 0; i < version->table_count; i++) {
        rows += memtable_row_count(version->tables[i]->memtable);
    }
    version_release(version);
    return rows;
}

/* A range ends the rows of memtables one by one under the latch: many go to a segment first. */
static tdbplus_status flush_for_range(struct store *store, struct collection *collection,
                                      const struct call *call)
{
    if (table_rows(collection) <= RANGE_TABLE_ROWS_MAX) {
        return TDBPLUS_OK;
    }
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = collection_freeze(collection, NULL, call->err);
    mutex_unlock(store->env, &store->structure);
    for (bool found = true; status == TDBPLUS_OK && found;) {
        status = collection_flush(collection, &found, call->err);
    }
    return status;
}

static bool has_range(const struct apply_group *group)
{
    for (uint32_t i = 0; i < group->stage_count; i++) {
        if (group->stages[i].kind == COMMIT_DELETE_RANGE) {
            return true;
        }
    }
    return false;
}

/* Waits before the structure mutex is taken, which the flushes waited for would need. [waits] */
static tdbplus_status make_way(struct commit_state *state, const struct call *call)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        TRY(freeze_if_full(state->store, state->commit->groups[i].collection, call));
        if (state->groups[i].stage_count > 0) {
            TRY(wait_for_flushes(state->store, state->commit->groups[i].collection, call));
        }
        if (has_range(&state->groups[i])) {
            TRY(flush_for_range(state->store, state->groups[i].collection, call));
        }
    }
    return TDBPLUS_OK;
}

/* The flush of a memtable frozen now lets the manifest know of the loads, and merges take them.
 * Without memory for it that happens later. Under `structure`. */
static void freeze_staged(struct commit_state *state)
{
    for (uint32_t i = 0; i < state->commit->group_count; i++) {
        if (state->groups[i].stage_count > 0 && !state->store->options.no_background) {
            (void)!collection_freeze(state->groups[i].collection, NULL, NULL);
        }
    }
    background_wake(state->store);
}

/* A range is not followed into what a flush or merge is making, so none may run. [waits] */
static void lock_background(const struct commit_state *state)
{
    if (state->is_ranged) {
        mutex_lock(state->store->env, &state->store->flush_mutex);
        mutex_lock(state->store->env, &state->store->merge_mutex);
    }
}

static void unlock_background(const struct commit_state *state)
{
    if (state->is_ranged) {
        mutex_unlock(state->store->env, &state->store->merge_mutex);
        mutex_unlock(state->store->env, &state->store->flush_mutex);
    }
}

static tdbplus_status run(struct commit_state *state, const struct call *call)
{
    struct store *store = state->store;
    TRY(make_way(state, call));
    if (!state->is_staged) {
        TRY(prepare_and_commit(state, call));
        return finish_commit(state, call->err);
    }
    lock_background(state);
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = prepare_and_commit(state, call);
    if (status == TDBPLUS_OK) {
        freeze_staged(state);
    }
    mutex_unlock(store->env, &store->structure);
    unlock_background(state);
    return status == TDBPLUS_OK ? finish_commit(state, call->err) : status;
}

/* ---- catalog changes ---- */

static tdbplus_status check_changes(struct store *store, const struct store_commit *commit,
                                    struct err *err)
{
    const struct catalog *catalog = atomic_load(&store->catalog);
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (catalog_by_id(catalog, change->id) != change->before) {
            return err_set(err, TDBPLUS_E_CONFLICT, "another transaction changed \"%s\"",
                           change->before != NULL ? change->before->name
                                                  : change->after->object.name);
        }
    }
    return TDBPLUS_OK;
}

/* Makes the new schemas' memtables, and room for the schemas, so that publishing cannot fail. */
static tdbplus_status prepare_changes(struct commit_state *state, struct err *err)
{
    const struct store_commit *commit = state->commit;
    state->versions = alloc_array(state->alloc, commit->change_count, sizeof(void *));
    if (state->versions == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "commit: the changes do not fit the memory limit");
    }
    for (uint32_t i = 0; i < commit->change_count; i++) {
        struct object_ref *after = commit->changes[i].after;
        if (after == NULL || after->schema_pending == NULL) {
            continue;
        }
        struct collection *collection = after->object.collection;
        if (!list_reserve(&collection->schemas, 1) || !list_reserve(&collection->retired, 1)) {
            return err_set(err, TDBPLUS_E_NOMEM, "alter: no memory for the schema");
        }
        TRY(collection_freeze_prepare(collection, after->schema_pending, &state->versions[i], err));
    }
    return TDBPLUS_OK;
}

static void persist_changes(struct store *store, const struct store_commit *commit,
                            struct manifest_edit *edit, const struct alloc *alloc)
{
    struct buffer encoded = {.alloc = alloc};
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (change->after != NULL) {
            const struct object *object = &change->after->object;
            buffer_clear(&encoded);
            object_encode(object, object->collection == NULL ? NULL : &object->collection->schemas,
                          &encoded);
            edit->body.failed = edit->body.failed || encoded.failed;
            manifest_edit_put(edit, MANIFEST_OBJECT, change->id, buffer_span(&encoded));
        } else {
            persist_dropped(edit, change->before);
        }
    }
    buffer_deinit(&encoded);
    persist_counters(store, edit);
}

/* Once the manifest has forgotten them, dropped collections lose their data. */
static void discard_dropped(const struct store_commit *commit)
{
    for (uint32_t i = 0; i < commit->change_count; i++) {
        const struct catalog_change *change = &commit->changes[i];
        if (change->after == NULL && change->before->collection != NULL) {
            collection_discard(change->before->collection);
        }
    }
}

/*
 * A commit with catalog changes: rare, always FULL, and alone with the structure mutex, so that the
 * manifest names an object before any flush names its segments. All that may run out of memory or
 * disk is done before the log has the record; after it only the disk itself can fail. [waits]
 */
static tdbplus_status run_with_changes(struct commit_state *state, const struct call *call)
{
    struct store *store = state->store;
    const struct store_commit *commit = state->commit;
    struct manifest_edit edit = {0};
    struct manifest_pending pending = {0};
    struct err why = {0};
    manifest_edit_init(&edit, store->alloc);
    lock_background(state);
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, check_changes(store, commit, call->err));
    TRY_OR(done, prepare_changes(state, call->err));
    TRY_OR(done, catalog_create(store, atomic_load(&store->catalog), commit->changes,
                                commit->change_count, &state->catalog, call->err));
    persist_changes(store, commit, &edit, store->alloc);
    status = manifest_prepare(store->manifest, &edit, &pending, &why);
    if (status != TDBPLUS_OK) {
        status = err_set(call->err, status, "%s", why.text);
        goto done;
    }
    TRY_OR(done, prepare_and_commit(state, call));
    TRY_OR(done, finish_commit(state, call->err));
    catalog_settle(store);
    store->catalog_lsn = state->sync_lsn;
    persist_counters_again(store, &pending);
    if (manifest_finish(store->manifest, &pending, &why) != TDBPLUS_OK) {
        status = stop(store, &why, call->err);
        goto done;
    }
    discard_dropped(commit);
done:
    manifest_cancel(store->manifest, &pending);
    mutex_unlock(store->env, &store->structure);
    unlock_background(state);
    manifest_edit_deinit(&edit);
    return status;
}

tdbplus_status store_commit(struct store *store, const struct store_commit *commit,
                            uint64_t *timestamp_out, const struct call *call)
{
    if (store->options.read_only) {
        return err_set(call->err, TDBPLUS_E_READ_ONLY, "the database is open read-only");
    }
    TRY(check_limits(commit, call->err));
    struct store_commit own = *commit;
    if (own.change_count > 0) {
        own.durability = DURABILITY_FULL;
    }
    struct commit_state state;
    // Not the scratch values: zeroing them costs more than the commit of a small row should.
    memset(&state, 0, offsetof(struct commit_state, values_few));
    state.store = store;
    state.commit = &own;
    state.alloc = call->alloc;
    tdbplus_status status = prepare_groups(&state, call->err);
    if (status == TDBPLUS_OK && store->log != NULL) {
        status = encode_payload(&state, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = own.change_count > 0 ? run_with_changes(&state, call) : run(&state, call);
    }
    if (status == TDBPLUS_OK && timestamp_out != NULL) {
        *timestamp_out = state.timestamp;
    }
    state_deinit(&state);
    return status;
}
