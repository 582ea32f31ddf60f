/*
 * Opening: the manifest says which objects, segments and delete maps there are, the log what
 * happened since. Replaying a record is applying the commit again; it is idempotent per collection
 * because records before the collection's flushed position are skipped.
 */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/payload.h"
#include "storage/store/persist.h"
#include "storage/store/replay.h"
#include "storage/store/values.h"

struct recovery {
    struct store *store;
    struct replay_list replays;
    struct list ops;      /* struct commit_op of the group at hand. */
    struct list stages;   /* struct payload_stage of it, */
    struct list segments; /* and struct payload_segment of all those. */
    struct datum *values; /* Scratch for one row of the widest schema so far. */
    uint32_t value_count;
    bool catalog_changed;
};

/* ---- the manifest's part ---- */

/* Gives a decoded collection its schemas and an empty memtable. */
static tdbplus_status attach_collection(struct store *store, struct object_ref *object,
                                        struct list *schemas, struct err *err)
{
    struct collection *collection = NULL;
    struct table_ref *table = NULL;
    struct version *version = NULL;
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, collection_create(store, object->object.id, &collection, err));
    collection->schemas = *schemas;
    list_init(schemas, store->alloc, sizeof(struct schema *));
    object->object.schema = collection_schema(collection, 0);
    TRY_OR(done, table_ref_create(store, object->object.schema, &table, err));
    TRY_OR(done, version_create(collection, &table, 1, NULL, 0, &version, err));
    version_publish(collection, version);
    object->object.collection = collection;
    collection_retain(collection);
done:
    table_ref_release(table);
    collection_release(collection);
    return status;
}

static void destroy_schemas(struct list *schemas)
{
    for (size_t i = 0; i < schemas->count; i++) {
        schema_destroy(*(struct schema **)list_at(schemas, i));
    }
    list_deinit(schemas);
}

static tdbplus_status load_object(struct store *store, uint64_t id, struct span value,
                                  struct object_ref **object_out, struct err *err)
{
    struct list schemas = {0};
    list_init(&schemas, store->alloc, sizeof(struct schema *));
    struct object_ref *object = NULL;
    tdbplus_status status = object_decode(store, id, value, &object, &schemas, err);
    if (status == TDBPLUS_OK && object->object.kind == OBJECT_COLLECTION) {
        status = attach_collection(store, object, &schemas, err);
    }
    destroy_schemas(&schemas);
    if (status != TDBPLUS_OK) {
        object_release(object);
        return status;
    }
    *object_out = object;
    return TDBPLUS_OK;
}

static tdbplus_status add_to_catalog(struct store *store, const struct catalog_change *change,
                                     struct err *err)
{
    struct catalog *catalog = NULL;
    TRY(catalog_create(store, atomic_load(&store->catalog), change, 1, &catalog, err));
    catalog_publish(store, catalog);
    if (change->after != NULL && change->after->object.collection != NULL) {
        change->after->object.collection->revision = change->after->object.revision;
    }
    return TDBPLUS_OK;
}

static tdbplus_status load_objects(struct store *store, struct err *err)
{
    uint64_t id = 0;
    struct span value;
    while (manifest_next(store->manifest, MANIFEST_OBJECT, &id, &value)) {
        struct object_ref *object = NULL;
        TRY(load_object(store, id, value, &object, err));
        struct catalog_change change = {.id = id, .after = object};
        tdbplus_status status = add_to_catalog(store, &change, err);
        struct span state;
        struct collection *collection = object->object.collection;
        if (status == TDBPLUS_OK && collection != NULL &&
            manifest_get(store->manifest, MANIFEST_COLLECTION, id, &state) && state.size == 16) {
            collection->flushed_lsn = load_u64(state.data);
            collection->flushed_timestamp = load_u64(state.data + 8);
        }
        object_release(object);
        TRY(status);
        id++;
    }
    return TDBPLUS_OK;
}

/* Adds the segment behind the collection's others: ids grow with age, and the walk is ascending. */
static tdbplus_status add_segment(struct collection *collection, struct segment_ref *ref,
                                  struct err *err)
{
    const struct version *now = atomic_load(&collection->version);
    const struct alloc *alloc = collection->store->alloc;
    size_t count = (size_t)now->segment_count + 1;
    struct segment_ref **segments = alloc_array(alloc, count, sizeof(void *));
    if (segments == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "open: the segments do not fit the memory limit");
    }
    segments[0] = ref;
    for (uint32_t i = 0; i < now->segment_count; i++) {
        segments[i + 1] = now->segments[i];
    }
    struct version *version = NULL;
    tdbplus_status status = version_create(collection, now->tables, now->table_count, segments,
                                           (uint32_t)count, &version, err);
    if (status == TDBPLUS_OK) {
        version_publish(collection, version);
    }
    alloc_free(alloc, segments, count, sizeof(void *));
    return status;
}

/* Opens the file, which must be the one that the entry describes. */
static tdbplus_status open_segment(struct store *store, uint64_t id,
                                   const struct segment_entry *entry, struct segment_ref **ref_out,
                                   struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(store_path(store, path, "segment", id, err));
    struct segment_options options = {.env = store->env,
                                      .alloc = store->alloc,
                                      .cache = store->cache,
                                      .path = path,
                                      .segment_id = id,
                                      .values = store->values};
    struct segment *segment = NULL;
    struct err why = {0};
    tdbplus_status status = segment_open(&options, &segment, &why);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return err_set(err, TDBPLUS_E_CORRUPT, "%s is missing", path);
    }
    if (status != TDBPLUS_OK) {
        return err_set(err, status, "%s", why.text);
    }
    if (segment_row_count(segment) != entry->row_count ||
        segment_file_size(segment) != entry->file_size ||
        segment_footer_crc(segment) != entry->footer_crc) {
        segment_close(segment);
        return err_set(err, TDBPLUS_E_CORRUPT, "%s: not the segment that is meant", path);
    }
    status = segment_ref_create(store, id, segment, ref_out, err);
    if (status != TDBPLUS_OK) {
        segment_close(segment);
    }
    return status;
}

static tdbplus_status load_segment(struct store *store, uint64_t id, struct span value,
                                   struct err *err)
{
    struct segment_entry entry = {0};
    TRY(persist_read_segment(value, &entry, err));
    struct object_ref *object = catalog_find_id(atomic_load(&store->catalog), entry.collection_id);
    if (object == NULL || object->object.collection == NULL) {
        return err_set(err, TDBPLUS_E_CORRUPT,
                       "%s: the manifest lists segment %llu of an unknown collection",
                       store->directory, (unsigned long long)id);
    }
    struct segment_ref *ref = NULL;
    TRY(open_segment(store, id, &entry, &ref, err));
    tdbplus_status status = persist_load_deletes(store, ref, err);
    if (status == TDBPLUS_OK) {
        ref->deletes_persisted = object->object.collection->flushed_timestamp;
        status = add_segment(object->object.collection, ref, err);
    }
    segment_ref_release(ref);
    return status;
}

static tdbplus_status load_segments(struct store *store, struct err *err)
{
    uint64_t id = 0;
    struct span value;
    while (manifest_next(store->manifest, MANIFEST_SEGMENT, &id, &value)) {
        TRY(load_segment(store, id, value, err));
        (void)epoch_collect(&store->epoch);
        id++;
    }
    return values_check(store, err);
}

/* ---- the log's part ---- */

static tdbplus_status replay_put_object(struct store *store, const struct payload_change *change,
                                        struct err *err)
{
    struct object_ref *before = catalog_find_id(atomic_load(&store->catalog), change->id);
    if (before == NULL) {
        struct object_ref *object = NULL;
        TRY(load_object(store, change->id, change->encoded, &object, err));
        struct catalog_change entry = {.id = change->id, .after = object};
        tdbplus_status status = add_to_catalog(store, &entry, err);
        object_release(object);
        return status;
    }
    // The same object changed: its collection, and the schemas before, are carried over.
    struct list schemas = {0};
    list_init(&schemas, store->alloc, sizeof(struct schema *));
    struct object_ref *after = NULL;
    tdbplus_status status =
        object_decode(store, change->id, change->encoded, &after, &schemas, err);
    struct collection *collection = before->object.collection;
    if (status == TDBPLUS_OK && collection != NULL) {
        after->object.collection = collection;
        collection_retain(collection);
        struct schema *newest = *(struct schema **)list_at(&schemas, schemas.count - 1);
        after->object.schema = collection_schema(collection, newest->version);
        if (after->object.schema == NULL) {
            after->object.schema = newest;
            schemas.count--;
            if (list_push(&collection->schemas, &newest) == NULL) {
                schema_destroy(newest);
                status = err_set(err, TDBPLUS_E_NOMEM, "open: a schema does not fit in memory");
            } else {
                status = collection_freeze(collection, newest, err);
            }
        }
    }
    if (status == TDBPLUS_OK) {
        struct catalog_change entry = {.id = change->id, .before = &before->object, .after = after};
        status = add_to_catalog(store, &entry, err);
    }
    destroy_schemas(&schemas);
    object_release(after);
    return status;
}

static tdbplus_status replay_change(struct store *store, const struct payload_change *change,
                                    struct err *err)
{
    if (change->id >= atomic_load(&store->object_id_next)) {
        atomic_store(&store->object_id_next, change->id + 1);
    }
    if (!change->drop) {
        return replay_put_object(store, change, err);
    }
    struct object_ref *before = catalog_find_id(atomic_load(&store->catalog), change->id);
    if (before == NULL) {
        return TDBPLUS_OK;
    }
    // Its files stay until the manifest has forgotten them: persist_replayed().
    struct catalog_change entry = {.id = change->id, .before = &before->object};
    return add_to_catalog(store, &entry, err);
}

static tdbplus_status ensure_values(struct recovery *recovery, uint32_t count, struct err *err)
{
    if (count <= recovery->value_count) {
        return TDBPLUS_OK;
    }
    struct datum *values = alloc_resize(recovery->store->alloc, recovery->values,
                                        recovery->value_count, count, sizeof *values);
    if (values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "open: replaying the log needs more memory");
    }
    recovery->values = values;
    recovery->value_count = count;
    return TDBPLUS_OK;
}

/* Reads the group's ops and checks that every row decodes, so that applying cannot fail. */
static tdbplus_status read_ops(struct recovery *recovery, struct payload_reader *payload,
                               uint64_t count, const struct schema *schema, struct err *err)
{
    recovery->ops.count = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct commit_op op = {0};
        TRY(payload_op(payload, &op, err));
        if (op.kind == COMMIT_PUT) {
            TRY(row_decode(schema, op.row, recovery->values, err));
        }
        if (key_is_integer(schema) && op.key.size != 8) {
            return err_set(err, TDBPLUS_E_CORRUPT, "log: a key of %zu bytes where 8 are due",
                           op.key.size);
        }
        if (list_push(&recovery->ops, &op) == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "open: replaying the log needs more memory");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status skip_ops(struct payload_reader *payload, uint64_t count, struct err *err)
{
    for (uint64_t i = 0; i < count; i++) {
        struct commit_op op = {0};
        TRY(payload_op(payload, &op, err));
    }
    return TDBPLUS_OK;
}

/* The ops [first, end) of the group at hand. */
static tdbplus_status apply_ops_again(struct recovery *recovery, struct collection *collection,
                                      uint64_t first, uint64_t end, const struct log_record *record,
                                      struct err *err)
{
    struct store *store = recovery->store;
    if (first == end) {
        return TDBPLUS_OK;
    }
    struct apply_group group = {
        .collection = collection,
        .version = version_acquire(collection),
        .ops = (struct commit_op *)recovery->ops.items + first,
        .op_count = (uint32_t)(end - first),
    };
    for (uint32_t i = 0; i < group.op_count; i++) {
        group.byte_count += group.ops[i].key.size + group.ops[i].row.size;
    }
    tdbplus_status status = apply_locate(&group, store->alloc, err);
    if (status == TDBPLUS_OK) {
        status = apply_reserve(&group, err);
    }
    if (status == TDBPLUS_OK) {
        apply_rows(&group, record->lsn, record->timestamp, recovery->values);
    }
    apply_group_deinit(&group, store->alloc);
    return status;
}

/* The memtable takes rows of one schema; a full one makes room for the next. */
static tdbplus_status make_room(struct recovery *recovery, struct collection *collection,
                                const struct schema *schema, struct err *err)
{
    struct store *store = recovery->store;
    const struct version *now = atomic_load(&collection->version);
    const struct memtable *active = now->tables[0]->memtable;
    if (memtable_schema(active) != schema ||
        memtable_size_bytes(active) >= store->options.memtable_size_bytes) {
        TRY(replay_link(&recovery->replays, collection, err));
        TRY(collection_freeze(collection, schema, err));
        (void)epoch_collect(&store->epoch);
    }
    return TDBPLUS_OK;
}

/* A segment that the log names and the manifest does not, because no flush came after it. */
static tdbplus_status load_again(struct store *store, struct collection *collection,
                                 const struct payload_segment *segment,
                                 const struct log_record *record, struct err *err)
{
    struct segment_entry entry = {.collection_id = collection->id,
                                  .row_count = segment->row_count,
                                  .file_size = segment->file_size,
                                  .footer_crc = segment->footer_crc};
    struct segment_ref *ref = NULL;
    TRY(open_segment(store, segment->id, &entry, &ref, err));
    ref->born = record->timestamp;
    ref->load_lsn = record->lsn;
    atomic_store(&ref->is_loaded, true);
    // No later file may get its number.
    if (segment->id >= atomic_load(&store->file_id_next)) {
        atomic_store(&store->file_id_next, segment->id + 1);
    }
    tdbplus_status status = add_segment(collection, ref, err);
    segment_ref_release(ref);
    struct table_ref *table = atomic_load(&collection->version)->tables[0];
    if (status == TDBPLUS_OK && !table->changed) {
        table->changed = true;
        table->lsn_first = record->lsn;
    }
    return status;
}

static tdbplus_status delete_range_again(struct store *store, struct collection *collection,
                                         const struct payload_stage *range,
                                         const struct log_record *record, struct err *err)
{
    struct commit_stage stage = {.kind = COMMIT_DELETE_RANGE,
                                 .lower = range->lower,
                                 .upper = range->upper,
                                 .has_upper = range->has_upper};
    struct apply_group group = {.collection = collection,
                                .version = version_acquire(collection),
                                .stages = &stage,
                                .stage_count = 1};
    tdbplus_status status = apply_locate(&group, store->alloc, err);
    if (status == TDBPLUS_OK) {
        status = apply_reserve(&group, err);
    }
    if (status == TDBPLUS_OK) {
        apply_rows(&group, record->lsn, record->timestamp, NULL);
    }
    apply_group_deinit(&group, store->alloc);
    return status;
}

/* A group with stages; its ops have been read. */
static tdbplus_status apply_group_again(struct recovery *recovery, struct collection *collection,
                                        const struct log_record *record, struct err *err)
{
    struct store *store = recovery->store;
    uint64_t op = 0;
    size_t segment = 0;
    for (size_t i = 0; i < recovery->stages.count; i++) {
        const struct payload_stage *stage = list_at(&recovery->stages, i);
        if (stage->op_count < op || stage->op_count > recovery->ops.count) {
            return err_set(err, TDBPLUS_E_CORRUPT, "log: a commit record's stages are in disorder");
        }
        TRY(apply_ops_again(recovery, collection, op, stage->op_count, record, err));
        op = stage->op_count;
        if (stage->kind == COMMIT_DELETE_RANGE && !planted(PLANT_RANGE_NOT_REPLAYED)) {
            TRY(delete_range_again(store, collection, stage, record, err));
        }
        for (uint64_t k = 0; k < stage->segment_count; k++) {
            TRY(load_again(store, collection, list_at(&recovery->segments, segment++), record,
                           err));
        }
    }
    return apply_ops_again(recovery, collection, op, recovery->ops.count, record, err);
}

static tdbplus_status read_stages(struct recovery *recovery, struct payload_reader *payload,
                                  struct err *err)
{
    uint64_t count = 0;
    recovery->stages.count = 0;
    recovery->segments.count = 0;
    TRY(payload_stages(payload, &count, err));
    for (uint64_t i = 0; i < count; i++) {
        struct payload_stage stage = {0};
        TRY(payload_stage(payload, &stage, err));
        bool good = list_push(&recovery->stages, &stage) != NULL;
        for (uint64_t k = 0; good && k < stage.segment_count; k++) {
            struct payload_segment segment = {0};
            TRY(payload_segment(payload, &segment, err));
            good = list_push(&recovery->segments, &segment) != NULL;
        }
        if (!good) {
            return err_set(err, TDBPLUS_E_NOMEM, "open: replaying the log needs more memory");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status replay_group(struct recovery *recovery, struct payload_reader *payload,
                                   const struct log_record *record, struct err *err)
{
    struct payload_group group = {0};
    TRY(payload_group(payload, &group, err));
    struct object_ref *object =
        catalog_find_id(atomic_load(&recovery->store->catalog), group.collection_id);
    struct collection *collection = object == NULL ? NULL : object->object.collection;
    // Dropped later, or already in segments.
    bool skip = collection == NULL ||
                record->lsn < collection->flushed_lsn + planted(PLANT_REPLAY_ONE_SHORT);
    const struct schema *schema = NULL;
    if (!skip) {
        schema = collection_schema(collection, group.schema_version);
        if (schema == NULL) {
            return err_set(err, TDBPLUS_E_CORRUPT, "log: \"%s\" has no schema version %u",
                           object->object.name, group.schema_version);
        }
        TRY(ensure_values(recovery, schema->column_count, err));
    }
    uint64_t op_count = 0;
    TRY(read_stages(recovery, payload, err));
    TRY(payload_ops(payload, &op_count, err));
    if (skip || (op_count == 0 && recovery->stages.count == 0)) {
        return skip_ops(payload, op_count, err);
    }
    TRY(make_room(recovery, collection, schema, err));
    if (recovery->stages.count == 0) {
        struct replay_group rows = {.collection = collection,
                                    .schema = schema,
                                    .record = record,
                                    .count = op_count,
                                    .values = recovery->values};
        return replay_take(&recovery->replays, &rows, payload, err);
    }
    TRY(replay_link(&recovery->replays, collection, err));
    TRY(read_ops(recovery, payload, op_count, schema, err));
    return apply_group_again(recovery, collection, record, err);
}

static tdbplus_status replay_record(void *ctx, const struct log_record *record, struct err *err)
{
    struct recovery *recovery = ctx;
    struct store *store = recovery->store;
    store->replay_lsn = record->lsn;
    if (record->timestamp > store->timestamp_last) {
        store->timestamp_last = record->timestamp;
    }
    if (record->kind != LOG_KIND_COMMIT && record->kind != LOG_KIND_MULTI) {
        return TDBPLUS_OK;
    }
    struct payload_reader payload = {0};
    TRY(payload_begin(&payload, record->payload, err));
    for (uint64_t i = 0; i < payload.change_count; i++) {
        struct payload_change change = {0};
        TRY(payload_change(&payload, &change, err));
        if (record->lsn >= store->catalog_lsn) {
            TRY(replay_link_all(&recovery->replays, err));
            TRY(replay_change(store, &change, err));
            recovery->catalog_changed = true;
        }
    }
    TRY(payload_groups(&payload, err));
    for (uint64_t i = 0; i < payload.group_count; i++) {
        TRY(replay_group(recovery, &payload, record, err));
    }
    // Not before the last group: a memtable that a later group freezes lacks this record's rows.
    store->replay_lsn = record->lsn_end;
    store->recovery_records++;
    return TDBPLUS_OK;
}

/* Forgets in the manifest what a replayed drop left there. */
static void persist_replayed_drops(struct store *store, struct manifest_edit *edit)
{
    const struct catalog *catalog = atomic_load(&store->catalog);
    struct span value;
    for (uint64_t id = 0; manifest_next(store->manifest, MANIFEST_OBJECT, &id, &value); id++) {
        if (catalog_find_id(catalog, id) == NULL) {
            manifest_edit_remove(edit, MANIFEST_OBJECT, id);
            manifest_edit_remove(edit, MANIFEST_COLLECTION, id);
        }
    }
    for (uint64_t id = 0; manifest_next(store->manifest, MANIFEST_SEGMENT, &id, &value); id++) {
        struct segment_entry entry = {0};
        if (persist_read_segment(value, &entry, NULL) == TDBPLUS_OK &&
            catalog_find_id(catalog, entry.collection_id) == NULL) {
            manifest_edit_remove(edit, MANIFEST_SEGMENT, id);
            manifest_edit_remove(edit, MANIFEST_DELETES, id);
        }
    }
    for (uint64_t id = 0; manifest_next(store->manifest, MANIFEST_VALUES, &id, &value); id++) {
        struct values_entry entry = {0};
        if (values_read_entry(value, &entry, NULL) == TDBPLUS_OK &&
            catalog_find_id(catalog, entry.collection_id) == NULL) {
            manifest_edit_remove(edit, MANIFEST_VALUES, id);
        }
    }
}

/* Brings the manifest up to the catalog changes that only the log had. [waits] */
static tdbplus_status persist_replayed(struct store *store, struct err *err)
{
    struct manifest_edit edit = {0};
    manifest_edit_init(&edit, store->alloc);
    struct buffer encoded = {.alloc = store->alloc};
    persist_replayed_drops(store, &edit);
    const struct catalog *catalog = atomic_load(&store->catalog);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        const struct object *object = &catalog->objects[i]->object;
        buffer_clear(&encoded);
        object_encode(object, object->collection == NULL ? NULL : &object->collection->schemas,
                      &encoded);
        edit.body.failed = edit.body.failed || encoded.failed;
        manifest_edit_put(&edit, MANIFEST_OBJECT, object->id, buffer_span(&encoded));
    }
    tdbplus_status status = log_sync(store->log, log_end(store->log), err);
    if (status == TDBPLUS_OK) {
        store->catalog_lsn = log_end(store->log);
        persist_counters(store, &edit);
        status = manifest_commit(store->manifest, &edit, err);
    }
    buffer_deinit(&encoded);
    manifest_edit_deinit(&edit);
    return status;
}

static tdbplus_status replay_log(struct store *store, uint64_t from, struct err *err)
{
    struct recovery recovery = {.store = store, .replays.store = store};
    list_init(&recovery.ops, store->alloc, sizeof(struct commit_op));
    list_init(&recovery.stages, store->alloc, sizeof(struct payload_stage));
    list_init(&recovery.segments, store->alloc, sizeof(struct payload_segment));
    struct log_options options = {
        .env = store->env,
        .alloc = store->alloc,
        .directory = store->directory,
        .database_id = store->database_id,
        .file_size = store->options.log_file_size,
        .read_only = store->options.read_only,
    };
    tdbplus_status status =
        log_open(&options, from, replay_record, &recovery, &store->log, NULL, err);
    if (status == TDBPLUS_OK) {
        status = replay_link_all(&recovery.replays, err);
    }
    replay_list_deinit(&recovery.replays);
    list_deinit(&recovery.ops);
    list_deinit(&recovery.stages);
    list_deinit(&recovery.segments);
    alloc_free(store->alloc, recovery.values, recovery.value_count, sizeof *recovery.values);
    if (status == TDBPLUS_OK && recovery.catalog_changed && !store->options.read_only) {
        status = persist_replayed(store, err);
    }
    return status;
}

/* The last rows replayed may be older than the newest schema: commits need a memtable of that. */
static tdbplus_status begin_newest_schemas(struct store *store, struct err *err)
{
    const struct catalog *catalog = atomic_load(&store->catalog);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        const struct object *object = &catalog->objects[i]->object;
        if (object->collection != NULL) {
            TRY(collection_freeze(object->collection, object->schema, err));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status recover(struct store *store, struct err *err)
{
    uint64_t started = env_clock_mono_us(store->env);
    uint64_t from = 0;
    TRY(persist_read_counters(store, &from, err));
    TRY(load_objects(store, err));
    TRY(load_segments(store, err));
    if (store->ram == NULL) {
        TRY(replay_log(store, from, err));
        TRY(begin_newest_schemas(store, err));
    }
    atomic_store(&store->visible_timestamp, store->timestamp_last);
    store->recovery_us = env_clock_mono_us(store->env) - started;
    (void)epoch_collect(&store->epoch);
    return TDBPLUS_OK;
}
