/*
 * Merging segments: the rows of several, in key order, without those that nobody can see, become
 * one.
 *
 * Which: size-tiered. Segments whose sizes are within a factor of the fan-out belong to a tier;
 * when a tier has as many as the fan-out, they are merged. A segment whose value files are mostly
 * garbage is merged alone. When no flush came for a while, segments of about one size are merged
 * before a tier is full, as long as merges have not written much more than flushes (D20). A merge
 * reads immutable files and holds no lock; rows that end meanwhile are followed as in a flush.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/segment/merge.h"
#include "storage/store/persist.h"
#include "storage/store/values.h"

#define MERGE_STEP_ROW_COUNT ((uint64_t)65536)
#define WARM_PERCENT         85u                /* Of the cache may be full with the result. */
#define QUIET_US             ((uint64_t)700000) /* Without a flush. */
#define QUIET_SIZE_FACTOR    4u /* A segment is at most so much larger than those before it. */

/* A row that has ended but stays, because some snapshot sees it. */
struct kept_end {
    uint32_t source;
    uint64_t row;
    uint64_t timestamp;
};

/* What the merge asks about one segment. */
struct chosen {
    struct compaction *work;
    uint32_t number;
    struct segment_ref *ref; /* Referenced. */
};

struct compaction {
    struct store *store;
    struct collection *collection;
    const struct call *call;
    const struct schema *schema;
    struct schema *schema_wide; /* Owned: `schema` and columns that old snapshots read; or NULL. */
    struct chosen *chosen;      /* MERGE_SOURCE_COUNT_MAX. */
    uint32_t count;
    uint64_t drop; /* Rows that ended at or before it are left behind. */
    uint64_t horizon;
    struct list ends; /* struct kept_end. */
    bool ends_failed; /* No memory for one. */
    struct expiry expiry;
    struct err expiry_error; /* Why the rows' times could not be read. */
    uint64_t row_total;
    struct merge *merge;
    struct values_plan values;   /* Which value files are written again. */
    struct segment_ref *segment; /* The result; NULL when no row is left. */
    bool is_warm;                /* Its pages are in the cache. */
    struct segment_summary summary;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "merge: it does not fit the memory limit");
}

/* ---- which ---- */

static uint32_t tier_of(const struct store *store, uint64_t size)
{
    uint32_t tier = 0;
    for (uint64_t limit = store->options.memtable_size_bytes; size > limit && tier < 30; tier++) {
        limit *= store->options.merge_fan_out;
    }
    return tier;
}

/* A load that the manifest does not know of must still be there when the log is replayed. */
static bool may_take(const struct version *version, uint32_t number)
{
    return !atomic_load(&version->segments[number]->is_loaded);
}

/* All its rows have expired: merging it alone reads nothing and leaves nothing. */
static bool is_over(const struct expiry *expiry, const struct segment_ref *ref)
{
    uint64_t first = 0;
    while (first < ref->row_count) {
        uint64_t left = ref->row_count - first;
        uint32_t count =
            left < SEGMENT_GROUP_ROW_COUNT_MAX ? (uint32_t)left : SEGMENT_GROUP_ROW_COUNT_MAX;
        if (!expiry_of_segment(expiry, ref->segment, first, count, true)) {
            return false;
        }
        first += count;
    }
    return true;
}

/* Fills `chosen` with the numbers of the segments to merge; returns how many. */
static uint32_t choose_tier(const struct store *store, const struct version *version,
                            const struct expiry *expiry, uint32_t chosen[MERGE_SOURCE_COUNT_MAX])
{
    for (uint32_t tier = 0; tier < 31; tier++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < version->segment_count && count < MERGE_SOURCE_COUNT_MAX; i++) {
            if (tier_of(store, version->segments[i]->size) == tier && may_take(version, i)) {
                chosen[count++] = i;
            }
        }
        if (count >= store->options.merge_fan_out) {
            return count;
        }
    }
    for (uint32_t i = 0; i < version->segment_count; i++) {
        if (expiry->active && is_over(expiry, version->segments[i]) && may_take(version, i)) {
            chosen[0] = i;
            return 1;
        }
    }
    for (uint32_t i = 0; i < version->segment_count; i++) {
        if (values_wasteful(version->segments[i]) && may_take(version, i)) {
            chosen[0] = i;
            return 1;
        }
    }
    return 0;
}

static int compare_sizes(const void *left, const void *right)
{
    const struct segment_ref *const *a = left;
    const struct segment_ref *const *b = right;
    return ((*a)->size > (*b)->size) - ((*a)->size < (*b)->size);
}

/* How many bytes merges may still write that no full tier asks for. */
static uint64_t quiet_allowance(struct store *store)
{
    uint64_t flushed = atomic_load(&store->flush_written_bytes);
    uint64_t merged = atomic_load(&store->merge_written_bytes);
    uint64_t limit = flushed + flushed / 4;
    return limit > merged ? limit - merged : 0;
}

static bool is_quiet(const struct collection *collection, const struct version *version)
{
    uint64_t flushed = atomic_load(&collection->flushed_us);
    return version->table_count == 1 && flushed != 0 &&
           env_clock_mono_us(collection->store->env) - flushed >= QUIET_US;
}

/*
 * Every segment costs a reader a look, and a range a stream. So when writers leave the disk alone,
 * the smallest segments become one, up to the first that is much larger than those before it. What
 * this may write is bounded by what flushes wrote, so that each row is not written too often (D20).
 */
static uint32_t choose_quiet(const struct collection *collection, const struct version *version,
                             uint32_t chosen[MERGE_SOURCE_COUNT_MAX])
{
    const struct segment_ref *sorted[MERGE_SOURCE_COUNT_MAX];
    uint32_t count = 0;
    uint32_t taken = 0;
    uint64_t sum = 0;
    uint64_t allowance = quiet_allowance(collection->store);
    if (allowance == 0 || version->segment_count > MERGE_SOURCE_COUNT_MAX ||
        !is_quiet(collection, version)) {
        return 0;
    }
    for (uint32_t i = 0; i < version->segment_count; i++) {
        if (may_take(version, i)) {
            sorted[count++] = version->segments[i];
        }
    }
    qsort(sorted, count, sizeof(void *), compare_sizes);
    while (taken < count && sum + sorted[taken]->size <= allowance &&
           (taken == 0 || sorted[taken]->size <= QUIET_SIZE_FACTOR * sum)) {
        sum += sorted[taken++]->size;
    }
    if (taken < 2) {
        return 0;
    }
    uint32_t numbers = 0;
    for (uint32_t i = 0; i < version->segment_count; i++) {
        for (uint32_t k = 0; k < taken; k++) {
            if (sorted[k] == version->segments[i]) {
                chosen[numbers++] = i;
            }
        }
    }
    return numbers;
}

static bool may_have_expired(const struct expiry *expiry, const struct segment_ref *ref)
{
    bool may = false;
    for (uint64_t first = 0; expiry->active && first < ref->row_count && !may;
         first += SEGMENT_GROUP_ROW_COUNT_MAX) {
        uint64_t left = ref->row_count - first;
        uint32_t count =
            left < SEGMENT_GROUP_ROW_COUNT_MAX ? (uint32_t)left : SEGMENT_GROUP_ROW_COUNT_MAX;
        may = expiry_of_segment(expiry, ref->segment, first, count, false);
    }
    return may;
}

static uint32_t choose_all(const struct version *version, const struct expiry *expiry,
                           uint32_t chosen[MERGE_SOURCE_COUNT_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < version->segment_count && count < MERGE_SOURCE_COUNT_MAX; i++) {
        if (may_take(version, i)) {
            chosen[count++] = i;
        }
    }
    // One segment without ended rows is as merged as can be.
    bool done = count == 1 && delete_map_count(version->segments[chosen[0]]->deletes) == 0 &&
                !values_wasteful(version->segments[chosen[0]]) &&
                !may_have_expired(expiry, version->segments[chosen[0]]);
    return done ? 0 : count;
}

static tdbplus_status choose(struct compaction *work, bool all, struct err *err)
{
    uint32_t numbers[MERGE_SOURCE_COUNT_MAX];
    struct expiry expiry = expiry_at(work->collection, store_horizon(work->store));
    struct version *version = version_acquire(work->collection);
    uint32_t count = all ? choose_all(version, &expiry, numbers)
                         : choose_tier(work->store, version, &expiry, numbers);
    if (count == 0 && !all) {
        count = choose_quiet(work->collection, version, numbers);
    }
    tdbplus_status status = TDBPLUS_OK;
    if (count > 0) {
        work->chosen =
            alloc_array(work->store->alloc, MERGE_SOURCE_COUNT_MAX, sizeof *work->chosen);
        status = work->chosen == NULL ? no_memory(err) : TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        struct segment_ref *ref = version->segments[numbers[i]];
        atomic_fetch_add_explicit(&ref->refs, 1, memory_order_relaxed);
        work->chosen[i] = (struct chosen){.work = work, .number = i, .ref = ref};
        work->row_total += ref->row_count;
        work->count++;
    }
    version_release(version);
    return status;
}

/* ---- the merge itself ---- */

/* Leaves out rows that ended before anybody's snapshot; remembers the ends of those that stay. */
static void decide_window(void *ctx, uint64_t first_row, uint32_t row_count, uint64_t *keep)
{
    const struct chosen *chosen = ctx;
    struct compaction *work = chosen->work;
    const struct delete_map *deletes = chosen->ref->deletes;
    if (work->expiry.active && work->expiry_error.status == TDBPLUS_OK) {
        // A failure is found in the error after the step; until then nothing is dropped.
        (void)!expiry_drop(&work->expiry, chosen->ref->segment, first_row, row_count, keep,
                           work->store->alloc, &work->expiry_error);
    }
    if (delete_map_count(deletes) == 0) {
        return;
    }
    for (uint32_t i = 0; i < row_count; i++) {
        uint64_t end = delete_map_end_of(deletes, first_row + i);
        if (end <= work->drop) {
            keep[i / 64] &= ~((uint64_t)1 << (i % 64));
        } else if (end != TIMESTAMP_OPEN && (keep[i / 64] >> (i % 64) & 1) != 0) {
            struct kept_end kept = {
                .source = chosen->number, .row = first_row + i, .timestamp = end};
            work->ends_failed = work->ends_failed || list_push(&work->ends, &kept) == NULL;
        }
    }
}

static void list_sources(const struct compaction *work, struct segment_ref **refs)
{
    for (uint32_t i = 0; i < work->count; i++) {
        refs[i] = work->chosen[i].ref;
    }
}

static tdbplus_status create_merge(struct compaction *work)
{
    struct merge_source sources[MERGE_SOURCE_COUNT_MAX];
    struct segment_ref *refs[MERGE_SOURCE_COUNT_MAX];
    list_sources(work, refs);
    TRY(values_plan_merge(work->store->alloc, refs, work->count, &work->values, work->call->err));
    const bool *flags = work->values.flags;
    for (uint32_t i = 0; i < work->count; i++) {
        sources[i] = (struct merge_source){.segment = work->chosen[i].ref->segment,
                                           .decide = decide_window,
                                           .ctx = &work->chosen[i],
                                           .begin = work->chosen[i].ref->born,
                                           .copy_values = flags};
        flags = flags == NULL ? NULL : flags + segment_values_count(sources[i].segment);
    }
    struct merge_options options = {
        .alloc = work->store->alloc,
        .schema = work->schema,
        .sources = sources,
        .source_count = work->count,
        .horizon = work->horizon,
    };
    return merge_create(&options, &work->merge, work->call->err);
}

static tdbplus_status create_writer(struct compaction *work, uint64_t id, const char *path,
                                    struct segment_writer **writer_out)
{
    struct segment_writer_options options = {
        .env = work->store->env,
        .alloc = work->store->alloc,
        .path = path,
        .schema = work->schema,
        .segment_id = id,
        .collection_id = work->collection->id,
        .with_begin = merge_has_begin(work->merge),
    };
    for (uint32_t i = 0; i < work->count; i++) {
        struct segment *segment = work->chosen[i].ref->segment;
        struct span min = segment_key_min(segment);
        struct span max = segment_key_max(segment);
        if (i == 0 || span_compare(min, options.key_min) < 0) {
            options.key_min = min;
        }
        if (i == 0 || span_compare(max, options.key_max) > 0) {
            options.key_max = max;
        }
    }
    return segment_writer_create(&options, writer_out, work->call->err);
}

/* Moves all rows, in steps between which the merge can be stopped. [waits] */
static tdbplus_status write_rows(struct compaction *work, struct segment_writer *writer)
{
    const struct call *call = work->call;
    bool done = false;
    while (!done) {
        TRY(env_check_call(work->store->env, call));
        TRY(merge_step(work->merge, writer, MERGE_STEP_ROW_COUNT, &done, call->err));
        if (work->ends_failed) {
            return no_memory(call->err);
        }
        if (work->expiry_error.status != TDBPLUS_OK) {
            return err_set(call->err, work->expiry_error.status, "%s", work->expiry_error.text);
        }
        if (call->progress != NULL) {
            call->progress(call->progress_ctx, merge_rows_read(work->merge), work->row_total);
        }
    }
    return TDBPLUS_OK;
}

/* ---- taking over ends ---- */

/* Marks the row's end in the result, if the row is there. */
static tdbplus_status mark_result(struct compaction *work, uint32_t source, uint64_t row,
                                  uint64_t timestamp)
{
    struct segment_ref *result = work->segment;
    uint64_t place = merge_new_row(work->merge, source, row);
    if (place == MERGE_ROW_NONE) {
        return TDBPLUS_OK;
    }
    TRY(delete_map_reserve(result->deletes, &place, 1, work->call->err));
    if (delete_map_mark(result->deletes, place, timestamp) && timestamp > result->deleted_at) {
        result->deleted_at = timestamp;
    }
    return TDBPLUS_OK;
}

static tdbplus_status mark_late(struct compaction *work, uint32_t number)
{
    const struct list *late = &work->chosen[number].ref->late_deletes;
    size_t count = planted(PLANT_MERGE_LATE_ENDS_LOST) ? 0 : late->count;
    for (size_t i = 0; i < count; i++) {
        const struct late_delete *end = list_at(late, i);
        TRY(mark_result(work, number, end->row, end->timestamp));
    }
    return TDBPLUS_OK;
}

/* From here on commits end rows in the result by themselves. */
static tdbplus_status attach_future(struct compaction *work)
{
    size_t kept_count = planted(PLANT_MERGE_KEPT_ENDS_LOST) ? 0 : work->ends.count;
    for (size_t i = 0; i < kept_count; i++) {
        const struct kept_end *end = list_at(&work->ends, i);
        TRY(mark_result(work, end->source, end->row, end->timestamp));
    }
    tdbplus_status status = TDBPLUS_OK;
    latch_lock(&work->store->commit);
    for (uint32_t i = 0; i < work->count && status == TDBPLUS_OK; i++) {
        status = mark_late(work, i);
    }
    for (uint32_t i = 0; i < work->count && status == TDBPLUS_OK; i++) {
        struct segment_ref *ref = work->chosen[i].ref;
        ref->future = work->segment;
        ref->future_merge = work->merge;
        ref->future_source = i;
    }
    latch_unlock(&work->store->commit);
    return status;
}

static void set_tracking(struct compaction *work, bool tracking)
{
    latch_lock(&work->store->commit);
    for (uint32_t i = 0; i < work->count; i++) {
        struct segment_ref *ref = work->chosen[i].ref;
        ref->tracking = tracking;
        ref->future = NULL;
        ref->future_merge = NULL;
        ref->late_deletes.count = 0;
    }
    latch_unlock(&work->store->commit);
}

/* ---- building and publishing ---- */

/* Decides what may be left behind. [waits] */
static tdbplus_status decide_horizon(struct compaction *work)
{
    struct store *store = work->store;
    latch_lock(&store->commit);
    uint64_t newest = store->timestamp_last;
    uint64_t lsn = store_log_end(store);
    latch_unlock(&store->commit);
    // A row may vanish only if the log cannot lose the commit that ended it.
    if (store->log != NULL && !planted(PLANT_MERGE_LOG_UNSYNCED)) {
        TRY(log_sync(store->log, lsn, work->call->err));
    }
    work->horizon = store_horizon(store);
    bool all = planted(PLANT_MERGE_DROPS_SEEN);
    work->drop = work->horizon < newest && !all ? work->horizon : newest;
    work->expiry = expiry_at(work->collection, work->horizon);
    return TDBPLUS_OK;
}

/* Appends those of the retired schema's columns that the description lacks, under names that no
 * column can have. Returns the new number of columns; 0 when memory is out. */
static uint32_t add_retired(const struct schema *retired, struct schema_column *columns,
                            uint32_t count, struct arena *names)
{
    for (uint32_t i = 0; i < retired->column_count && count < SCHEMA_COLUMN_COUNT_MAX; i++) {
        bool known = false;
        for (uint32_t k = 0; k < count && !known; k++) {
            known = columns[k].id == retired->columns[i].id;
        }
        char name[24];
        (void)snprintf(name, sizeof name, "\001%u", retired->columns[i].id);
        if (known) {
            continue;
        }
        columns[count] = retired->columns[i];
        columns[count].not_null = false; // Younger rows have none.
        columns[count].name = arena_text(names, span_from_text(name));
        if (columns[count].name == NULL) {
            return 0;
        }
        count++;
    }
    return count;
}

/*
 * A snapshot below a schema change reads by the schema before, so the columns which that one
 * dropped go on into the result until the horizon has passed. Under `structure`, after
 * decide_horizon(): no snapshot is below the horizon from here on.
 */
static tdbplus_status widen_schema(struct compaction *work)
{
    const struct alloc *alloc = work->store->alloc;
    struct list *retired = &work->collection->retired;
    while (retired->count > 0 &&
           ((struct retired_schema *)list_at(retired, 0))->until <= work->horizon) {
        list_remove(retired, 0);
    }
    if (retired->count == 0) {
        return TDBPLUS_OK;
    }
    struct arena names = {0};
    arena_init(&names, alloc, 0);
    size_t capacity = SCHEMA_COLUMN_COUNT_MAX;
    struct schema_column *columns = alloc_array(alloc, capacity, sizeof *columns);
    tdbplus_status status = TDBPLUS_OK;
    if (columns == NULL) {
        status = no_memory(work->call->err);
        goto done;
    }
    uint32_t count = work->schema->column_count;
    memcpy(columns, work->schema->columns, count * sizeof *columns);
    for (size_t i = 0; i < retired->count && count > 0; i++) {
        const struct retired_schema *old = list_at(retired, i);
        count = add_retired(old->schema, columns, count, &names);
    }
    if (count == 0) {
        status = no_memory(work->call->err);
        goto done;
    }
    struct schema description = *work->schema;
    description.columns = columns;
    description.column_count = count;
    TRY_OR(done, schema_create(&description, alloc, &work->schema_wide, work->call->err));
    work->schema = work->schema_wide;
done:
    alloc_free(alloc, columns, capacity, sizeof *columns);
    arena_deinit(&names);
    return status;
}

static tdbplus_status build(struct compaction *work)
{
    struct store *store = work->store;
    char path[ENV_PATH_SIZE_MAX];
    uint64_t id = store_new_file_id(store);
    struct segment_writer *writer = NULL;
    TRY(store_path(store, path, "segment", id, work->call->err));
    TRY(decide_horizon(work));
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = widen_schema(work);
    mutex_unlock(store->env, &store->structure);
    TRY(status);
    TRY(create_merge(work));
    TRY(create_writer(work, id, path, &writer));
    status = write_rows(work, writer);
    if (status != TDBPLUS_OK || merge_rows_written(work->merge) == 0) {
        segment_writer_abandon(writer);
        return status;
    }
    TRY(segment_writer_finish(writer, &work->summary, work->call->err));
    status = segment_ref_open(store, id, path, &work->segment, work->call->err);
    if (status != TDBPLUS_OK) {
        segment_unlink(store->env, path, id);
        return status;
    }
    // Its sources were in the cache, mostly: whoever reads the result first shall not wait.
    work->is_warm = segment_warm(work->segment->segment, WARM_PERCENT);
    return attach_future(work);
}

static bool is_source(const struct compaction *work, const struct segment_ref *ref)
{
    for (uint32_t i = 0; i < work->count; i++) {
        if (work->chosen[i].ref == ref) {
            return true;
        }
    }
    return false;
}

/* Under `structure`: the version with the result in the place of the newest source. */
static tdbplus_status make_version(struct compaction *work, struct version **version_out)
{
    const struct version *now = atomic_load(&work->collection->version);
    const struct alloc *alloc = work->store->alloc;
    size_t capacity = (size_t)now->segment_count + 1;
    struct segment_ref **segments = alloc_array(alloc, capacity, sizeof(void *));
    if (segments == NULL) {
        return no_memory(work->call->err);
    }
    uint32_t count = 0;
    bool placed = work->segment == NULL;
    for (uint32_t i = 0; i < now->segment_count; i++) {
        bool source = is_source(work, now->segments[i]);
        if (source && planted(PLANT_MERGE_UNLINKS_EARLY)) {
            char path[ENV_PATH_SIZE_MAX];
            TRY(store_path(work->store, path, "segment", now->segments[i]->id, NULL));
            (void)!env_unlink(work->store->env, path, NULL);
        }
        if (source && !placed) {
            segments[count++] = work->segment;
            placed = true;
        }
        if (!source) {
            segments[count++] = now->segments[i];
        }
    }
    tdbplus_status status = version_create(work->collection, now->tables, now->table_count,
                                           segments, count, version_out, work->call->err);
    if (status == TDBPLUS_OK) {
        (*version_out)->segment_generation = now->segment_generation + 1;
    }
    alloc_free(alloc, segments, capacity, sizeof(void *));
    return status;
}

/* Under `structure`. [waits] */
static tdbplus_status publish(struct compaction *work)
{
    struct store *store = work->store;
    struct collection *collection = work->collection;
    uint32_t result_count = work->segment == NULL ? 0 : 1;
    struct version *version = NULL;
    struct manifest_edit edit = {0};
    manifest_edit_init(&edit, store->alloc);
    TRY(make_version(work, &version));
    for (uint32_t i = 0; i < work->count; i++) {
        manifest_edit_remove(&edit, MANIFEST_SEGMENT, work->chosen[i].ref->id);
        manifest_edit_remove(&edit, MANIFEST_DELETES, work->chosen[i].ref->id);
    }
    struct segment_ref *refs[MERGE_SOURCE_COUNT_MAX];
    list_sources(work, refs);
    tdbplus_status status = values_put_merge(&edit, version, refs, work->count, work->call->err);
    if (work->segment != NULL) {
        persist_segment(&edit, collection, &work->summary);
    }
    if (status == TDBPLUS_OK) {
        status = persist_deletes(store, &work->segment, result_count, collection->flushed_timestamp,
                                 &edit, work->call->err);
    }
    if (status == TDBPLUS_OK) {
        persist_counters(store, &edit);
        status = persist_commit(store, &edit, work->call->err);
        if (status != TDBPLUS_OK) {
            persist_deletes_undo(store, &work->segment, result_count, status);
        }
    }
    if (status == TDBPLUS_OK) {
        persist_deletes_done(store, &work->segment, result_count, collection->flushed_timestamp);
        latch_lock(&store->commit);
        version_publish(collection, version);
        latch_unlock(&store->commit);
        version = NULL;
        for (uint32_t i = 0; i < work->count; i++) {
            atomic_store(&work->chosen[i].ref->obsolete, true);
        }
    }
    version_release(version);
    manifest_edit_deinit(&edit);
    return status;
}

static void compaction_deinit(struct compaction *work)
{
    const struct alloc *alloc = work->store->alloc;
    set_tracking(work, false);
    merge_destroy(work->merge);
    for (uint32_t i = 0; i < work->count; i++) {
        segment_ref_release(work->chosen[i].ref);
    }
    alloc_free(alloc, work->chosen, MERGE_SOURCE_COUNT_MAX, sizeof *work->chosen);
    segment_ref_release(work->segment);
    segment_summary_deinit(&work->summary);
    schema_destroy(work->schema_wide);
    values_plan_deinit(&work->values);
    list_deinit(&work->ends);
}

static tdbplus_status merge_chosen(struct compaction *work)
{
    struct store *store = work->store;
    set_tracking(work, true);
    tdbplus_status status = build(work);
    bool published = false;
    if (status == TDBPLUS_OK) {
        mutex_lock(store->env, &store->structure);
        if (!atomic_load(&work->collection->dropped)) {
            status = publish(work);
            published = status == TDBPLUS_OK;
        }
        mutex_unlock(store->env, &store->structure);
    }
    if (published) {
        atomic_fetch_add(&store->merge_count, 1);
        atomic_fetch_add(
            &store->merge_written_bytes,
            work->segment == NULL ? 0 : work->segment->size + work->summary.values.file_size);
    } else if (work->segment != NULL && status != TDBPLUS_E_STOPPED) {
        atomic_store(&work->segment->obsolete, true);
    }
    return status;
}

tdbplus_status collection_merge(struct collection *collection, bool all, const struct call *call,
                                bool *found_out)
{
    struct store *store = collection->store;
    struct compaction work = {.store = store, .collection = collection, .call = call};
    struct segment_ref *warm = NULL;
    list_init(&work.ends, store->alloc, sizeof(struct kept_end));
    mutex_lock(store->env, &store->merge_mutex);
    tdbplus_status status = TDBPLUS_OK;
    if (!atomic_load(&collection->dropped)) {
        status = choose(&work, all, call->err);
    }
    // After the choice: no chosen segment has a column that this schema does not know of.
    mutex_lock(store->env, &store->structure);
    work.schema = collection_schema(collection, 0);
    mutex_unlock(store->env, &store->structure);
    *found_out = work.count > 0;
    if (status == TDBPLUS_OK && work.count > 0) {
        status = merge_chosen(&work);
    }
    if (status == TDBPLUS_OK && work.segment != NULL && !work.is_warm &&
        !atomic_load(&work.segment->obsolete)) {
        warm = work.segment;
        atomic_fetch_add_explicit(&warm->refs, 1, memory_order_relaxed);
    }
    compaction_deinit(&work);
    mutex_unlock(store->env, &store->merge_mutex);
    if (warm != NULL) {
        (void)epoch_collect(&store->epoch); // There was no room for both; now the sources can go.
        (void)segment_warm(warm->segment, WARM_PERCENT);
        segment_ref_release(warm);
    }
    return status;
}
