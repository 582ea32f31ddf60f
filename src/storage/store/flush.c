/*
 * A flush turns the oldest frozen memtable of a collection into a segment. Rows that no snapshot
 * can see are left behind; rows ended while it runs are ended in the new segment too. One manifest
 * edit publishes the segment, the delete maps of all segments as of the memtable's last commit, and
 * the position from which the log is needed (S6).
 */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/persist.h"

#define SAMPLE_ROW_COUNT 1024u /* Of documents, to see what they have in common. */

#define WARM_PERCENT 50u /* Of the cache may be full with what was flushed. */

/* Under `structure`. */
static tdbplus_status replace_tables(struct collection *collection, struct table_ref *fresh,
                                     const struct table_ref *gone, struct segment_ref *segment,
                                     struct version **version_out, struct err *err)
{
    struct store *store = collection->store;
    const struct version *now = atomic_load(&collection->version);
    uint32_t table_count = 0;
    uint32_t segment_count = 0;
    size_t table_capacity = (size_t)now->table_count + 1;
    size_t segment_capacity = (size_t)now->segment_count + 1;
    struct table_ref **tables = alloc_array(store->alloc, table_capacity, sizeof(void *));
    struct segment_ref **segments = alloc_array(store->alloc, segment_capacity, sizeof(void *));
    tdbplus_status status = TDBPLUS_OK;
    if (tables == NULL || segments == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "store: a version does not fit the memory limit");
        goto done;
    }
    if (fresh != NULL) {
        tables[table_count++] = fresh;
    }
    for (uint32_t i = 0; i < now->table_count; i++) {
        if (now->tables[i] != gone) {
            tables[table_count++] = now->tables[i];
        }
    }
    if (segment != NULL) {
        segments[segment_count++] = segment;
    }
    for (uint32_t i = 0; i < now->segment_count; i++) {
        segments[segment_count++] = now->segments[i];
    }
    TRY_OR(done, version_create(collection, tables, table_count, segments, segment_count,
                                version_out, err));
    // Taking a memtable away matters as much as adding a segment: its rows are looked up elsewhere.
    (*version_out)->segment_generation = now->segment_generation + (gone != NULL ? 1 : 0);
done:
    alloc_free(store->alloc, tables, table_capacity, sizeof(void *));
    alloc_free(store->alloc, segments, segment_capacity, sizeof(void *));
    return status;
}

tdbplus_status collection_freeze_prepare(struct collection *collection, const struct schema *schema,
                                         struct version **version_out, struct err *err)
{
    struct table_ref *fresh = NULL;
    TRY(table_ref_create(collection->store, schema, &fresh, err));
    tdbplus_status status = replace_tables(collection, fresh, NULL, NULL, version_out, err);
    table_ref_release(fresh);
    return status;
}

void collection_freeze_publish(struct collection *collection, struct version *version)
{
    struct store *store = collection->store;
    struct table_ref *active = atomic_load(&collection->version)->tables[0];
    active->lsn_last = store_log_end(store);
    active->timestamp_last = store->timestamp_last;
    memtable_trim(active->memtable); // No put comes any more.
    version_publish(collection, version);
}

tdbplus_status collection_freeze(struct collection *collection, const struct schema *schema,
                                 struct err *err)
{
    struct store *store = collection->store;
    const struct version *now = atomic_load(&collection->version);
    struct table_ref *active = now->tables[0];
    if (schema == NULL) {
        schema = memtable_schema(active->memtable);
    }
    latch_lock(&store->commit);
    bool needed = active->changed || schema != memtable_schema(active->memtable);
    latch_unlock(&store->commit);
    if (!needed) {
        return TDBPLUS_OK;
    }
    struct version *version = NULL;
    TRY(collection_freeze_prepare(collection, schema, &version, err));
    latch_lock(&store->commit);
    collection_freeze_publish(collection, version);
    latch_unlock(&store->commit);
    return TDBPLUS_OK;
}

/* ---- the flush ---- */

struct flush {
    struct store *store;
    struct collection *collection;
    struct table_ref *table; /* Referenced. */
    uint64_t horizon;
    struct expiry expiry;
    struct list rows;      /* uint32_t: the rows to write, in key order, newest version first. */
    uint32_t *future_rows; /* Row -> position in `rows`. */
    uint32_t row_count;    /* Of the memtable. */
    bool with_begin;
    bool published;
    struct segment_ref *segment; /* Referenced; NULL when no row is left to write. */
    struct segment_summary summary;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "flush: the memtable's order does not fit in memory");
}

/* No snapshot sees it any more, whether it has ended or not. */
static bool has_expired(const struct flush *flush, uint32_t row)
{
    if (!flush->expiry.active) {
        return false;
    }
    const struct memtable *memtable = flush->table->memtable;
    int32_t at = schema_find_id(memtable_schema(memtable), flush->expiry.column_id);
    struct datum value = {.is_null = true};
    if (at >= 0) {
        memtable_value(memtable, row, (uint32_t)at, &value);
    }
    return expiry_of_value(&flush->expiry, &value);
}

/* Chooses the versions that some snapshot may still see. */
static tdbplus_status collect_rows(struct flush *flush, struct err *err)
{
    const struct memtable *memtable = flush->table->memtable;
    uint64_t drop = flush->horizon < flush->table->timestamp_last ? flush->horizon
                                                                  : flush->table->timestamp_last;
    struct memtable_cursor cursor;
    memtable_cursor_seek(&cursor, memtable, (struct span){0});
    uint32_t row = 0;
    while ((row = memtable_cursor_next(&cursor)) != MEMTABLE_ROW_NONE) {
        for (; row != MEMTABLE_ROW_NONE; row = memtable_older(memtable, row)) {
            uint64_t begin = memtable_begin(memtable, row);
            uint64_t end = memtable_end_of(memtable, row);
            bool drop_all = planted(PLANT_FLUSH_DROPS_SEEN) && end != TIMESTAMP_OPEN;
            if (end <= drop || begin == end || drop_all || has_expired(flush, row)) {
                continue;
            }
            flush->with_begin = flush->with_begin || begin > flush->horizon;
            flush->future_rows[row] = (uint32_t)flush->rows.count;
            if (list_push(&flush->rows, &row) == NULL) {
                return no_memory(err);
            }
        }
    }
    return TDBPLUS_OK;
}

/* Writes up to 2,048 rows from position `first` on. */
static tdbplus_status write_rows(struct flush *flush, struct segment_writer *writer, size_t first,
                                 uint32_t count, struct batch *batch, struct err *err)
{
    const struct memtable *memtable = flush->table->memtable;
    const struct schema *schema = memtable_schema(memtable);
    const uint32_t *rows = (const uint32_t *)flush->rows.items + first;
    batch_reset(batch);
    uint32_t *positions = arena_array(&batch->arena, schema->column_count, sizeof *positions);
    uint64_t *begins = arena_array(&batch->arena, count, sizeof *begins);
    struct span *keys = arena_array(&batch->arena, count, sizeof *keys);
    if (positions == NULL || begins == NULL || keys == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        positions[i] = i;
    }
    uint8_t scratch[8];
    bool integer = key_is_integer(schema);
    for (uint32_t i = 0; i < count; i++) {
        begins[i] = memtable_begin(memtable, rows[i]);
        if (!integer) {
            keys[i] = memtable_key(memtable, rows[i], scratch);
        }
    }
    TRY(memtable_gather(memtable, rows, count, positions, schema->column_count, batch, err));
    return segment_writer_add(writer, batch, integer ? NULL : keys,
                              flush->with_begin ? begins : NULL, err);
}

/* Shows the writer rows from all over the memtable, if it has documents to take apart. */
static tdbplus_status show_sample(const struct flush *flush, struct segment_writer *writer,
                                  struct batch *batch, struct err *err)
{
    const struct memtable *memtable = flush->table->memtable;
    const struct schema *schema = memtable_schema(memtable);
    bool any = false;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        any = any || schema->columns[i].type.id == TYPE_JSON;
    }
    if (!any) {
        return TDBPLUS_OK;
    }
    batch_reset(batch);
    size_t total = flush->rows.count;
    uint32_t count = total < SAMPLE_ROW_COUNT ? (uint32_t)total : SAMPLE_ROW_COUNT;
    uint32_t *rows = arena_array(&batch->arena, count, sizeof *rows);
    uint32_t *positions = arena_array(&batch->arena, schema->column_count, sizeof *positions);
    if (rows == NULL || positions == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = *(const uint32_t *)list_at(&flush->rows, total * i / count);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        positions[i] = i;
    }
    TRY(memtable_gather(memtable, rows, count, positions, schema->column_count, batch, err));
    return segment_writer_sample(writer, batch, err);
}

static tdbplus_status write_segment(struct flush *flush, uint64_t id, const char *path,
                                    struct err *err)
{
    struct store *store = flush->store;
    const struct memtable *memtable = flush->table->memtable;
    const uint32_t *rows = flush->rows.items;
    size_t row_count = flush->rows.count;
    uint8_t scratch[2][8];
    struct segment_writer_options options = {
        .env = store->env,
        .alloc = store->alloc,
        .path = path,
        .schema = memtable_schema(memtable),
        .segment_id = id,
        .collection_id = flush->collection->id,
        .key_min = memtable_key(memtable, rows[0], scratch[0]),
        .key_max = memtable_key(memtable, rows[row_count - 1], scratch[1]),
        .with_begin = flush->with_begin,
    };
    struct segment_writer *writer = NULL;
    struct batch batch = {0};
    batch_init(&batch, store->alloc);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, segment_writer_create(&options, &writer, err));
    TRY_OR(done, show_sample(flush, writer, &batch, err));
    for (size_t first = 0; first < row_count; first += BATCH_ROW_COUNT_MAX) {
        size_t left = row_count - first;
        uint32_t count = left < BATCH_ROW_COUNT_MAX ? (uint32_t)left : BATCH_ROW_COUNT_MAX;
        TRY_OR(done, write_rows(flush, writer, first, count, &batch, err));
    }
    struct segment_writer *finished = writer;
    writer = NULL;
    status = segment_writer_finish(finished, &flush->summary, err);
done:
    if (writer != NULL) {
        segment_writer_abandon(writer);
    }
    batch_deinit(&batch);
    return status;
}

/* Marks the row's end in the new segment, if it has one. */
static tdbplus_status transfer_end(struct flush *flush, uint32_t row, struct err *err)
{
    uint64_t end = memtable_end_of(flush->table->memtable, row);
    uint64_t future_row = flush->future_rows[row];
    if (end == TIMESTAMP_OPEN || future_row == FUTURE_ROW_NONE ||
        planted(PLANT_FLUSH_LATE_ENDS_LOST)) {
        return TDBPLUS_OK;
    }
    struct segment_ref *segment = flush->segment;
    TRY(delete_map_reserve(segment->deletes, &future_row, 1, err));
    if (delete_map_mark(segment->deletes, future_row, end) && end > segment->deleted_at) {
        segment->deleted_at = end;
    }
    return TDBPLUS_OK;
}

/* From here on commits end rows in the new segment by themselves. */
static tdbplus_status attach_future(struct flush *flush, struct err *err)
{
    struct table_ref *table = flush->table;
    const uint32_t *rows = flush->rows.items;
    // Most ends are taken over before the latch; only what came meanwhile is left for inside.
    for (size_t i = 0; i < flush->rows.count; i++) {
        TRY(transfer_end(flush, rows[i], err));
    }
    tdbplus_status status = TDBPLUS_OK;
    latch_lock(&flush->store->commit);
    for (size_t i = 0; i < table->late_ends.count && status == TDBPLUS_OK; i++) {
        status = transfer_end(flush, *(uint32_t *)list_at(&table->late_ends, i), err);
    }
    if (status == TDBPLUS_OK) {
        table->future = flush->segment;
        table->future_rows = flush->future_rows;
    }
    latch_unlock(&flush->store->commit);
    return status;
}

static void set_changed(struct flush *flush, bool changed)
{
    latch_lock(&flush->store->commit);
    flush->table->changed = changed;
    latch_unlock(&flush->store->commit);
}

/* Under `structure`: one edit, then the version. */
static tdbplus_status publish(struct flush *flush, struct err *err)
{
    struct store *store = flush->store;
    struct collection *collection = flush->collection;
    uint64_t timestamp = flush->table->timestamp_last;
    struct version *version = NULL;
    struct manifest_edit edit = {0};
    manifest_edit_init(&edit, store->alloc);
    TRY(replace_tables(collection, NULL, flush->table, flush->segment, &version, err));
    tdbplus_status status = TDBPLUS_OK;
    if (flush->segment != NULL) {
        persist_segment(&edit, collection, &flush->summary);
    }
    persist_loads(&edit, version, flush->table->lsn_last);
    persist_collection(&edit, collection, flush->table->lsn_last, timestamp);
    uint64_t ends_until = planted(PLANT_DELETES_TOO_NEW) ? TIMESTAMP_OPEN - 1 : timestamp;
    TRY_OR(done, persist_deletes(store, version->segments, version->segment_count, ends_until,
                                 &edit, err));
    set_changed(flush, false); // It does not hold the log any more.
    persist_counters(store, &edit);
    status = persist_commit(store, &edit, err);
    if (status != TDBPLUS_OK) {
        set_changed(flush, true);
        persist_deletes_undo(store, version->segments, version->segment_count, status);
        goto done;
    }
    persist_deletes_done(store, version->segments, version->segment_count, timestamp);
    persist_loads_done(version, flush->table->lsn_last);
    collection->flushed_lsn = flush->table->lsn_last;
    collection->flushed_timestamp = timestamp;
    latch_lock(&store->commit);
    version_publish(collection, version);
    latch_unlock(&store->commit);
    version = NULL;
done:
    version_release(version);
    manifest_edit_deinit(&edit);
    return status;
}

/* Reads the memtable and writes the segment; no lock is held. [waits] */
static tdbplus_status build(struct flush *flush, struct err *err)
{
    struct store *store = flush->store;
    struct table_ref *table = flush->table;
    latch_lock(&store->commit);
    table->tracking = true;
    latch_unlock(&store->commit);
    // What a segment holds must not be able to vanish from the log before it.
    if (store->log != NULL && !planted(PLANT_FLUSH_LOG_UNSYNCED)) {
        TRY(log_sync(store->log, table->lsn_last, err));
    }
    flush->horizon = store_horizon(store);
    flush->expiry = expiry_at(flush->collection, flush->horizon);
    flush->row_count = memtable_row_count(table->memtable);
    if (flush->row_count == 0) {
        return TDBPLUS_OK;
    }
    flush->future_rows = alloc_array(store->alloc, flush->row_count, sizeof(uint32_t));
    if (flush->future_rows == NULL) {
        return no_memory(err);
    }
    memset(flush->future_rows, 0xFF, flush->row_count * sizeof(uint32_t));
    TRY(collect_rows(flush, err));
    if (flush->rows.count == 0) {
        return TDBPLUS_OK;
    }
    char path[ENV_PATH_SIZE_MAX];
    uint64_t id = store_new_file_id(store);
    TRY(store_path(store, path, "segment", id, err));
    TRY(write_segment(flush, id, path, err));
    tdbplus_status status = segment_ref_open(store, id, path, &flush->segment, err);
    if (status != TDBPLUS_OK) {
        segment_unlink(store->env, path, id);
        return status;
    }
    return attach_future(flush, err);
}

static void stop_tracking(struct flush *flush)
{
    struct table_ref *table = flush->table;
    latch_lock(&flush->store->commit);
    table->tracking = false;
    table->future = NULL;
    table->future_rows = NULL;
    table->late_ends.count = 0;
    latch_unlock(&flush->store->commit);
}

static void flush_deinit(struct flush *flush)
{
    stop_tracking(flush);
    segment_ref_release(flush->segment);
    segment_summary_deinit(&flush->summary);
    alloc_free(flush->store->alloc, flush->future_rows, flush->row_count, sizeof(uint32_t));
    list_deinit(&flush->rows);
    table_ref_release(flush->table);
}

/* The oldest frozen memtable, referenced; NULL if there is none. */
static struct table_ref *oldest_frozen(struct collection *collection)
{
    struct version *version = version_acquire(collection);
    struct table_ref *table = NULL;
    if (version->table_count > 1) {
        table = version->tables[version->table_count - 1];
        atomic_fetch_add_explicit(&table->refs, 1, memory_order_relaxed);
    }
    version_release(version);
    return table;
}

/* Gives up what no open would replay: as far as the manifest says so, not as far as it could. */
static tdbplus_status cut_log(struct store *store, struct err *err)
{
    uint64_t from = 0;
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = persist_replay_from(store, &from, err);
    mutex_unlock(store->env, &store->structure);
    from = planted(PLANT_LOG_CUT_TOO_FAR) ? log_synced(store->log) : from;
    return status == TDBPLUS_OK ? log_cut(store->log, from, err) : status;
}

tdbplus_status collection_flush(struct collection *collection, bool *found_out, struct err *err)
{
    struct store *store = collection->store;
    struct flush flush = {.store = store, .collection = collection};
    struct segment_ref *warm = NULL;
    list_init(&flush.rows, store->alloc, sizeof(uint32_t));
    mutex_lock(store->env, &store->flush_mutex);
    // A dropped collection takes its rows along; without this a caller's loop would never end.
    flush.table = atomic_load(&collection->dropped) ? NULL : oldest_frozen(collection);
    tdbplus_status status = TDBPLUS_OK;
    *found_out = flush.table != NULL;
    if (flush.table == NULL) {
        goto done;
    }
    status = build(&flush, err);
    if (status == TDBPLUS_OK) {
        mutex_lock(store->env, &store->structure);
        if (!atomic_load(&collection->dropped)) {
            status = publish(&flush, err);
            flush.published = status == TDBPLUS_OK;
        }
        mutex_unlock(store->env, &store->structure);
    }
    if (flush.published) {
        atomic_fetch_add(&store->flush_count, 1);
        atomic_store(&collection->flushed_us, env_clock_mono_us(store->env));
        atomic_fetch_add(
            &store->flush_written_bytes,
            flush.segment == NULL ? 0 : flush.segment->size + flush.summary.values.file_size);
    } else if (flush.segment != NULL && status != TDBPLUS_E_STOPPED) {
        atomic_store(&flush.segment->obsolete, true);
    }
    if (flush.published && flush.segment != NULL) {
        warm = flush.segment;
        atomic_fetch_add_explicit(&warm->refs, 1, memory_order_relaxed);
    }
    flush_deinit(&flush);
    if (status == TDBPLUS_OK && store->log != NULL) {
        status = cut_log(store, err);
    }
done:
    mutex_unlock(store->env, &store->flush_mutex);
    if (warm != NULL) {
        (void)segment_warm(warm->segment, WARM_PERCENT); // Its rows were in memory until now.
        segment_ref_release(warm);
    }
    return status;
}

void collection_discard(struct collection *collection)
{
    struct store *store = collection->store;
    latch_lock(&store->commit);
    atomic_store(&collection->dropped, true);
    const struct version *version = atomic_load(&collection->version);
    for (uint32_t i = 0; i < version->segment_count; i++) {
        atomic_store(&version->segments[i]->obsolete, true);
    }
    for (uint32_t i = 0; i < version->table_count; i++) {
        version->tables[i]->changed = false; // It does not hold the log any more.
    }
    latch_unlock(&store->commit);
}
