/* What the store writes into the manifest, and the files of delete maps beside it. */

#include "storage/store/persist.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/values.h"

#define COUNTERS_LAYOUT 1u
#define COUNTERS_SIZE   41u

static void encode_counters(struct store *store, uint8_t value[COUNTERS_SIZE])
{
    value[0] = COUNTERS_LAYOUT;
    store_u64(value + 1, atomic_load(&store->object_id_next));
    store_u64(value + 9, atomic_load(&store->file_id_next));
    store_u64(value + 17, store_visible_timestamp(store));
    store_u64(value + 25, store_replay_position(store));
    store_u64(value + 33, store->catalog_lsn);
}

void persist_counters(struct store *store, struct manifest_edit *edit)
{
    uint8_t value[COUNTERS_SIZE];
    encode_counters(store, value);
    manifest_edit_put(edit, MANIFEST_COUNTERS, 0,
                      (struct span){.data = value, .size = sizeof value});
}

void persist_counters_again(struct store *store, struct manifest_pending *pending)
{
    uint8_t value[COUNTERS_SIZE];
    encode_counters(store, value);
    manifest_pending_set(store->manifest, pending, MANIFEST_COUNTERS, 0,
                         (struct span){.data = value, .size = sizeof value});
}

bool persist_decode_counters(struct span value, struct persist_counters_read *counters_out)
{
    if (value.size != COUNTERS_SIZE || value.data[0] != COUNTERS_LAYOUT) {
        return false;
    }
    *counters_out = (struct persist_counters_read){.replay_from = load_u64(value.data + 25),
                                                   .catalog_lsn = load_u64(value.data + 33)};
    return true;
}

static tdbplus_status get_counters(const struct store *store, struct span *value_out,
                                   struct err *err)
{
    if (!manifest_get(store->manifest, MANIFEST_COUNTERS, 0, value_out) ||
        value_out->size != COUNTERS_SIZE || value_out->data[0] != COUNTERS_LAYOUT) {
        return err_set(err, TDBPLUS_E_CORRUPT, "%s: the manifest has no valid counters",
                       store->directory);
    }
    return TDBPLUS_OK;
}

tdbplus_status persist_replay_from(const struct store *store, uint64_t *from_out, struct err *err)
{
    struct span value;
    TRY(get_counters(store, &value, err));
    *from_out = load_u64(value.data + 25);
    return TDBPLUS_OK;
}

tdbplus_status persist_read_counters(struct store *store, uint64_t *replay_from_out,
                                     struct err *err)
{
    struct span value;
    TRY(get_counters(store, &value, err));
    atomic_store(&store->object_id_next, load_u64(value.data + 1));
    atomic_store(&store->file_id_next, load_u64(value.data + 9));
    store->timestamp_last = load_u64(value.data + 17);
    atomic_store(&store->visible_timestamp, store->timestamp_last);
    *replay_from_out = load_u64(value.data + 25);
    store->catalog_lsn = load_u64(value.data + 33);
    return TDBPLUS_OK;
}

void persist_segment(struct manifest_edit *edit, const struct collection *collection,
                     const struct segment_summary *summary)
{
    struct buffer value = {.alloc = edit->body.alloc};
    buffer_put_u64(&value, collection->id);
    buffer_put_u64(&value, summary->row_count);
    buffer_put_u64(&value, summary->file_size);
    buffer_put_u32(&value, summary->footer_crc);
    edit->body.failed = edit->body.failed || value.failed;
    manifest_edit_put(edit, MANIFEST_SEGMENT, summary->segment_id, buffer_span(&value));
    buffer_deinit(&value);
    if (summary->values.file_id != 0) {
        values_put(edit, collection->id, &summary->values, 0);
    }
}

/* A load whose record lies before the position up to which its collection is flushed. */
static bool load_due(const struct segment_ref *ref, uint64_t lsn)
{
    return atomic_load(&ref->is_loaded) && ref->load_lsn < lsn;
}

void persist_loads(struct manifest_edit *edit, const struct version *version, uint64_t lsn)
{
    for (uint32_t i = 0; i < version->segment_count; i++) {
        const struct segment_ref *ref = version->segments[i];
        if (load_due(ref, lsn)) {
            struct segment_summary summary = {.segment_id = ref->id,
                                              .row_count = ref->row_count,
                                              .file_size = ref->size,
                                              .footer_crc = segment_footer_crc(ref->segment)};
            if (segment_values_count(ref->segment) > 0) {
                segment_values_at(ref->segment, 0, &summary.values); // Its own: it is new.
            }
            persist_segment(edit, version->collection, &summary);
        }
    }
}

void persist_loads_done(const struct version *version, uint64_t lsn)
{
    for (uint32_t i = 0; i < version->segment_count; i++) {
        struct segment_ref *ref = version->segments[i];
        if (load_due(ref, lsn)) {
            atomic_store(&ref->is_loaded, false);
        }
    }
}

tdbplus_status persist_read_segment(struct span value, struct segment_entry *entry_out,
                                    struct err *err)
{
    struct reader reader = reader_of(value);
    struct segment_entry entry = {
        .collection_id = reader_u64(&reader),
        .row_count = reader_u64(&reader),
        .file_size = reader_u64(&reader),
        .footer_crc = reader_u32(&reader),
    };
    if (reader.overrun || reader.rest.size > 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "the manifest's entry of a segment is not valid");
    }
    *entry_out = entry;
    return TDBPLUS_OK;
}

void persist_collection(struct manifest_edit *edit, const struct collection *collection,
                        uint64_t flushed_lsn, uint64_t flushed_timestamp)
{
    uint8_t value[16];
    store_u64(value, flushed_lsn);
    store_u64(value + 8, flushed_timestamp);
    manifest_edit_put(edit, MANIFEST_COLLECTION, collection->id,
                      (struct span){.data = value, .size = sizeof value});
}

void persist_dropped(struct manifest_edit *edit, const struct object *object)
{
    manifest_edit_remove(edit, MANIFEST_OBJECT, object->id);
    if (object->collection == NULL) {
        return;
    }
    manifest_edit_remove(edit, MANIFEST_COLLECTION, object->id);
    const struct version *version = atomic_load(&object->collection->version);
    for (uint32_t i = 0; i < version->segment_count; i++) {
        manifest_edit_remove(edit, MANIFEST_SEGMENT, version->segments[i]->id);
        manifest_edit_remove(edit, MANIFEST_DELETES, version->segments[i]->id);
        const struct segment *segment = version->segments[i]->segment;
        for (uint32_t v = 0; v < segment_values_count(segment); v++) {
            struct segment_values values;
            segment_values_at(segment, v, &values);
            manifest_edit_remove(edit, MANIFEST_VALUES, values.file_id);
        }
    }
}

/* ---- delete maps ---- */

struct deletes_part {
    struct segment_ref *ref;
    uint64_t offset;
    uint64_t size;
};

/* Under `structure`, so `deletes_persisted` stands still; the newest end needs the latch. */
static bool needs_writing(struct store *store, const struct segment_ref *ref)
{
    latch_lock(&store->commit);
    bool needed = ref->deleted_at > ref->deletes_persisted;
    latch_unlock(&store->commit);
    return needed;
}

static tdbplus_status encode_parts(struct store *store, struct segment_ref *const *segments,
                                   uint32_t segment_count, uint64_t timestamp,
                                   struct buffer *content, struct list *parts)
{
    for (uint32_t i = 0; i < segment_count; i++) {
        if (!needs_writing(store, segments[i]) || planted(PLANT_DELETES_NOT_WRITTEN)) {
            continue;
        }
        struct deletes_part part = {.ref = segments[i], .offset = content->size};
        latch_lock(&store->commit); // The map's writer stands still while it is read.
        delete_map_encode(segments[i]->deletes, timestamp, content);
        latch_unlock(&store->commit);
        part.size = content->size - part.offset;
        if (content->failed || list_push(parts, &part) == NULL) {
            return TDBPLUS_E_NOMEM;
        }
    }
    return TDBPLUS_OK;
}

/* Appends the list that makes the file tell what is in it. */
static void put_list(const struct list *parts, struct buffer *content)
{
    size_t begin = content->size;
    for (size_t i = 0; i < parts->count; i++) {
        const struct deletes_part *part = list_at(parts, i);
        struct span bytes = {.data = content->data + part->offset, .size = part->size};
        uint32_t crc = content->failed ? 0 : crc32c(bytes);
        buffer_put_u64(content, part->ref->id);
        buffer_put_u64(content, part->offset);
        buffer_put_u64(content, part->size);
        buffer_put_u32(content, crc);
    }
    buffer_put_u32(content, (uint32_t)parts->count);
    if (content->failed) {
        return;
    }
    uint32_t crc =
        crc32c((struct span){.data = content->data + begin, .size = content->size - begin});
    buffer_put_u32(content, crc);
    buffer_put_u64(content, DELETES_MAGIC);
}

static void name_parts(const struct list *parts, const struct buffer *content, uint64_t file,
                       struct manifest_edit *edit)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct deletes_part *part = list_at(parts, i);
        struct span bytes = {.data = content->data + part->offset, .size = part->size};
        uint8_t value[DELETES_ENTRY_SIZE];
        store_u64(value, file);
        store_u64(value + 8, part->offset);
        store_u64(value + 16, part->size);
        store_u32(value + 24, crc32c(bytes));
        manifest_edit_put(edit, MANIFEST_DELETES, part->ref->id,
                          (struct span){.data = value, .size = sizeof value});
        part->ref->deletes_file_next = file;
    }
}

tdbplus_status persist_deletes(struct store *store, struct segment_ref *const *segments,
                               uint32_t segment_count, uint64_t timestamp,
                               struct manifest_edit *edit, struct err *err)
{
    struct buffer content = {.alloc = store->alloc};
    struct list parts = {0};
    list_init(&parts, store->alloc, sizeof(struct deletes_part));
    tdbplus_status status =
        encode_parts(store, segments, segment_count, timestamp, &content, &parts);
    if (status != TDBPLUS_OK) {
        status = err_set(err, status, "store: delete maps do not fit the memory limit");
        goto done;
    }
    if (parts.count > 0) {
        put_list(&parts, &content);
        if (content.failed) {
            status =
                err_set(err, TDBPLUS_E_NOMEM, "store: delete maps do not fit the memory limit");
            goto done;
        }
        uint64_t file = store_new_file_id(store);
        char path[ENV_PATH_SIZE_MAX];
        TRY_OR(done, store_path(store, path, "deletes", file, err));
        TRY_OR(done, env_write_file(store->env, path, buffer_span(&content), err));
        name_parts(&parts, &content, file, edit);
    }
done:
    list_deinit(&parts);
    buffer_deinit(&content);
    return status;
}

/* True when the manifest still names the file for some segment. */
static bool deletes_file_named(const struct store *store, uint64_t file)
{
    uint64_t id = 0;
    struct span value;
    while (manifest_next(store->manifest, MANIFEST_DELETES, &id, &value)) {
        if (value.size == DELETES_ENTRY_SIZE && load_u64(value.data) == file) {
            return true;
        }
        id++;
    }
    return false;
}

/* A failure leaves a file that nothing names; the next open sweeps it. */
static void remove_deletes_file(struct store *store, uint64_t file)
{
    char path[ENV_PATH_SIZE_MAX];
    if (file != 0 && !deletes_file_named(store, file) &&
        store_path(store, path, "deletes", file, NULL) == TDBPLUS_OK) {
        (void)!env_unlink(store->env, path, NULL);
    }
}

void persist_deletes_done(struct store *store, struct segment_ref *const *segments,
                          uint32_t segment_count, uint64_t timestamp)
{
    uint64_t removed = 0;
    for (uint32_t i = 0; i < segment_count; i++) {
        struct segment_ref *ref = segments[i];
        if (timestamp > ref->deletes_persisted) {
            ref->deletes_persisted = timestamp;
        }
        if (ref->deletes_file_next == 0) {
            continue;
        }
        uint64_t before = ref->deletes_file;
        ref->deletes_file = ref->deletes_file_next;
        ref->deletes_file_next = 0;
        if (before != removed) {
            remove_deletes_file(store, before);
            removed = before;
        }
    }
}

void persist_deletes_undo(struct store *store, struct segment_ref *const *segments,
                          uint32_t segment_count, tdbplus_status why)
{
    uint64_t removed = 0;
    for (uint32_t i = 0; i < segment_count; i++) {
        uint64_t file = segments[i]->deletes_file_next;
        segments[i]->deletes_file_next = 0;
        if (file != removed && why != TDBPLUS_E_STOPPED) {
            remove_deletes_file(store, file);
            removed = file;
        }
    }
}

tdbplus_status persist_read_deletes(struct store *store, struct span value, struct bytes *bytes_out,
                                    struct err *err)
{
    if (value.size != DELETES_ENTRY_SIZE) {
        return err_set(err, TDBPLUS_E_CORRUPT, "the manifest's entry of a delete map is not valid");
    }
    uint64_t offset = load_u64(value.data + 8);
    uint64_t size = load_u64(value.data + 16);
    char path[ENV_PATH_SIZE_MAX];
    TRY(store_path(store, path, "deletes", load_u64(value.data), err));
    if (size == 0 || size > DELETES_FILE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_CORRUPT, "%s: a delete map of %llu bytes", path,
                       (unsigned long long)size);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct env_file *file = NULL;
    struct bytes bytes = {.size = (size_t)size, .alloc = store->alloc};
    struct err why = {0};
    status = env_open(store->env, path, ENV_OPEN_READ, &file, &why);
    if (status != TDBPLUS_OK) {
        bytes.size = 0;
        status = status == TDBPLUS_E_NOT_FOUND
                     ? err_set(err, TDBPLUS_E_CORRUPT, "%s is missing", path)
                     : err_set(err, status, "%s", why.text);
        goto done;
    }
    bytes.data = alloc_raw(store->alloc, bytes.size);
    if (bytes.data == NULL) {
        bytes.size = 0;
        status = err_set(err, TDBPLUS_E_NOMEM, "%s does not fit the memory limit", path);
        goto done;
    }
    TRY_OR(done, env_read(store->env, file, offset, bytes.data, bytes.size, err));
    if (crc32c((struct span){.data = bytes.data, .size = bytes.size}) !=
        load_u32(value.data + 24)) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "%s: checksum mismatch at offset %llu", path,
                         (unsigned long long)offset);
        goto done;
    }
    *bytes_out = bytes;
    bytes = (struct bytes){0};
done:
    env_close(store->env, file);
    bytes_deinit(&bytes);
    return status;
}

tdbplus_status persist_load_deletes(struct store *store, struct segment_ref *ref, struct err *err)
{
    struct span value;
    if (!manifest_get(store->manifest, MANIFEST_DELETES, ref->id, &value)) {
        return TDBPLUS_OK;
    }
    struct bytes content = {0};
    TRY(persist_read_deletes(store, value, &content, err));
    struct span bytes = {.data = content.data, .size = content.size};
    tdbplus_status status = delete_map_load(ref->deletes, bytes, err);
    bytes_deinit(&content);
    if (status == TDBPLUS_OK) {
        ref->deletes_file = load_u64(value.data);
    }
    return status;
}

tdbplus_status persist_commit(struct store *store, const struct manifest_edit *edit,
                              struct err *err)
{
    struct err why = {0};
    tdbplus_status status = manifest_commit(store->manifest, edit, &why);
    if (status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM || status == TDBPLUS_E_LIMIT) {
        return status == TDBPLUS_OK ? status : err_set(err, status, "%s", why.text);
    }
    // Whether the edit reached the disk is unknown, so nothing it names or forgets may be removed.
    atomic_store(&store->stopped, true);
    return err_set(err, TDBPLUS_E_STOPPED, "the database stopped: %s", why.text);
}

/* ---- positions ---- */

uint64_t store_log_end(struct store *store)
{
    // While the log is being replayed it is not open yet.
    return store->log != NULL ? log_end(store->log) : store->replay_lsn;
}

/* The oldest record that is only in a memtable; the log's end when there is none. */
uint64_t store_replay_position(struct store *store)
{
    latch_lock(&store->commit);
    uint64_t position = store_log_end(store);
    const struct catalog *catalog = atomic_load(&store->catalog);
    for (uint32_t i = 0; catalog != NULL && i < catalog->object_count; i++) {
        struct collection *collection = catalog->objects[i]->object.collection;
        if (collection == NULL) {
            continue;
        }
        const struct version *version = atomic_load(&collection->version);
        for (uint32_t t = 0; t < version->table_count; t++) {
            const struct table_ref *table = version->tables[t];
            if (planted(PLANT_REPLAY_FROM_TOO_LATE) && t > 0) {
                continue;
            }
            if (table->changed && table->lsn_first < position) {
                position = table->lsn_first;
            }
        }
    }
    latch_unlock(&store->commit);
    return position;
}
