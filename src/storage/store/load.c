/* Files of loads, and the gate that keeps other writers out meanwhile. */

#include "base/assert.h"
#include "storage/store/store_internal.h"

#define SORT_BYTES_MIN   ((size_t)1 << 20)
#define MEMORY_PER_ROW   64u /* A share of the memory limit that a row's place in the indexes */
#define SEGMENT_ROWS_MIN ((uint64_t)1 << 18) /* being built may take. */
#define SEGMENT_ROWS_MAX ((uint64_t)1 << 27)

tdbplus_status store_load_begin(struct store *store, const struct object *object,
                                struct segment_writer **writer_out, uint64_t *id_out,
                                struct err *err)
{
    char path[ENV_PATH_SIZE_MAX];
    uint64_t id = store_new_file_id(store);
    TRY(store_path(store, path, "segment", id, err));
    struct segment_writer_options options = {
        .env = store->env,
        .alloc = store->alloc,
        .path = path,
        .schema = object->schema,
        .segment_id = id,
        .collection_id = object->id,
        .open_bounds = true,
    };
    TRY(segment_writer_create(&options, writer_out, err));
    *id_out = id;
    return TDBPLUS_OK;
}

tdbplus_status store_load_end(struct store *store, struct segment_writer *writer, uint64_t id,
                              struct segment_ref **segment_out, struct err *err)
{
    struct segment_summary summary = {0};
    char path[ENV_PATH_SIZE_MAX];
    TRY(segment_writer_finish(writer, &summary, err));
    segment_summary_deinit(&summary);
    TRY(store_path(store, path, "segment", id, err));
    struct segment_ref *ref = NULL;
    tdbplus_status status = segment_ref_open(store, id, path, &ref, err);
    if (status != TDBPLUS_OK) {
        segment_unlink(store->env, path, id); // Else the next open sweeps them.
        return status;
    }
    atomic_store(&ref->obsolete, true); // Until a commit wants it.
    *segment_out = ref;
    return TDBPLUS_OK;
}

struct segment *store_load_segment(const struct segment_ref *ref)
{
    return ref->segment;
}

void store_load_release(struct segment_ref *ref)
{
    segment_ref_release(ref);
}

size_t store_load_sort_bytes(const struct store *store)
{
    size_t share = store->options.memory_limit_bytes / 16;
    size_t least = store->options.memtable_size_bytes < SORT_BYTES_MIN
                       ? store->options.memtable_size_bytes
                       : SORT_BYTES_MIN;
    return share > least ? share : least;
}

uint64_t store_load_segment_rows(const struct store *store)
{
    uint64_t rows = store->options.memory_limit_bytes / MEMORY_PER_ROW;
    rows = rows > SEGMENT_ROWS_MIN ? rows : SEGMENT_ROWS_MIN;
    return rows < SEGMENT_ROWS_MAX ? rows : SEGMENT_ROWS_MAX;
}

tdbplus_status version_with_loads(struct collection *collection, const struct version *base,
                                  struct segment_ref *const *loads, uint32_t count,
                                  struct version **version_out, struct err *err)
{
    const struct alloc *alloc = collection->store->alloc;
    uint32_t old_count = base == NULL ? 0 : base->segment_count;
    uint32_t table_count = base == NULL ? 0 : base->table_count;
    size_t capacity = (size_t)count + old_count + 1;
    struct segment_ref **segments = alloc_array(alloc, capacity, sizeof(void *));
    if (segments == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "load: a version does not fit the memory limit");
    }
    for (uint32_t i = 0; i < count; i++) {
        segments[i] = loads[count - 1 - i];
    }
    for (uint32_t i = 0; i < old_count; i++) {
        segments[count + i] = base->segments[i];
    }
    struct version *version = NULL;
    tdbplus_status status = version_create(collection, base == NULL ? NULL : base->tables,
                                           table_count, segments, count + old_count, &version, err);
    alloc_free(alloc, segments, capacity, sizeof(void *));
    if (status == TDBPLUS_OK) {
        version->segment_generation = base == NULL ? 0 : base->segment_generation + 1;
        *version_out = version;
    }
    return status;
}

/* ---- what is there already ---- */

bool version_is_empty(const struct version *version)
{
    for (uint32_t i = 0; i < version->table_count; i++) {
        if (memtable_row_count(version->tables[i]->memtable) > 0) {
            return false;
        }
    }
    return version->segment_count == 0;
}

static void open_in_table(const struct memtable *memtable, const struct segment_key *keys,
                          uint32_t count, struct open_row *rows)
{
    if (memtable_row_count(memtable) == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct memtable_key key = {.key = keys[i].key, .code = keys[i].code};
        memtable_find_prefetch(memtable, &key);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = memtable_newest(memtable, keys[i].key, keys[i].code);
        if (row != MEMTABLE_ROW_NONE && memtable_end_of(memtable, row) == TIMESTAMP_OPEN) {
            rows[i] = (struct open_row){.found = true, .begin = memtable_begin(memtable, row)};
        }
    }
}

/* True when some of the keys, which ascend, may lie in the segment. */
static bool ranges_meet(const struct segment *segment, const struct segment_key *keys,
                        uint32_t count)
{
    struct span least = keys[0].key;
    struct span most = keys[count - 1].key;
    if (span_compare(least, most) > 0) {
        return true; // They do not ascend.
    }
    return span_compare(most, segment_key_min(segment)) >= 0 &&
           span_compare(least, segment_key_max(segment)) <= 0;
}

static tdbplus_status open_in_segment(const struct segment_ref *ref, const struct segment_key *keys,
                                      uint32_t count, struct open_row *rows, struct err *err)
{
    uint64_t first[VERSION_FIND_MAX];
    uint32_t versions[VERSION_FIND_MAX] = {0};
    for (uint32_t i = 0; i < count; i++) {
        first[i] = SEGMENT_ROW_NONE;
    }
    TRY(segment_find_batch(ref->segment, keys, count, first, versions, err));
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t v = 0; first[i] != SEGMENT_ROW_NONE && v < versions[i]; v++) {
            if (delete_map_end_of(ref->deletes, first[i] + v) != TIMESTAMP_OPEN) {
                continue;
            }
            uint64_t begin = ref->born;
            if (segment_has_begin(ref->segment)) {
                TRY(segment_begin(ref->segment, first[i] + v, &begin, err));
            }
            rows[i] = (struct open_row){.found = true, .begin = begin};
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status version_find_open(struct version *version, const struct segment_key *keys,
                                 uint32_t count, struct open_row *rows_out, struct err *err)
{
    ASSERT(count > 0 && count <= VERSION_FIND_MAX);
    for (uint32_t i = 0; i < count; i++) {
        rows_out[i] = (struct open_row){0};
    }
    for (uint32_t t = 0; t < version->table_count; t++) {
        open_in_table(version->tables[t]->memtable, keys, count, rows_out);
    }
    for (uint32_t s = 0; s < version->segment_count; s++) {
        const struct segment_ref *ref = version->segments[s];
        if (ranges_meet(ref->segment, keys, count)) {
            TRY(open_in_segment(ref, keys, count, rows_out, err));
        }
    }
    return TDBPLUS_OK;
}

/* ---- the gate ---- */

/*
 * Either side first says that it is there and then looks for the other, so at least one of them
 * sees the other; both orders are sequentially consistent.
 */
bool collection_enter(struct collection *collection)
{
    (void)atomic_fetch_add(&collection->entered, 1);
    if (atomic_load(&collection->bars) == 0) {
        return true;
    }
    (void)atomic_fetch_sub(&collection->entered, 1);
    return false;
}

void collection_leave(struct collection *collection)
{
    uint32_t before = atomic_fetch_sub(&collection->entered, 1);
    ASSERT(before > 0);
}

void collection_bar(struct collection *collection)
{
    (void)atomic_fetch_add(&collection->bars, 1);
}

void collection_unbar(struct collection *collection)
{
    uint32_t before = atomic_fetch_sub(&collection->bars, 1);
    ASSERT(before > 0);
}

uint64_t collection_changed(const struct collection *collection)
{
    latch_lock(&collection->store->commit);
    uint64_t changed = collection->changed;
    latch_unlock(&collection->store->commit);
    return changed;
}

uint32_t collection_entered(const struct collection *collection)
{
    return atomic_load(&collection->entered);
}
