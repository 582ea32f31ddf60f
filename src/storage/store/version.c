#include <string.h>

#include "base/assert.h"
#include "storage/store/store_internal.h"

tdbplus_status table_ref_create(struct store *store, const struct schema *schema,
                                struct table_ref **ref_out, struct err *err)
{
    struct table_ref *ref = alloc_array(store->alloc, 1, sizeof *ref);
    if (ref == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "store: a memtable does not fit the memory limit");
    }
    tdbplus_status status = memtable_create(schema, store->alloc, &ref->memtable, err);
    if (status != TDBPLUS_OK) {
        alloc_free(store->alloc, ref, 1, sizeof *ref);
        return status;
    }
    ref->store = store;
    if (schema->ttl_column_id != 0) { // Every schema that rows are read by has a memtable.
        atomic_store_explicit(&store->expires, true, memory_order_relaxed);
    }
    atomic_init(&ref->refs, 1);
    list_init(&ref->late_ends, store->alloc, sizeof(uint32_t));
    *ref_out = ref;
    return TDBPLUS_OK;
}

void table_ref_release(struct table_ref *ref)
{
    if (ref == NULL || atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    memtable_destroy(ref->memtable);
    list_deinit(&ref->late_ends);
    alloc_free(ref->store->alloc, ref, 1, sizeof *ref);
}

tdbplus_status segment_ref_create(struct store *store, uint64_t id, struct segment *segment,
                                  struct segment_ref **ref_out, struct err *err)
{
    struct segment_ref *ref = alloc_array(store->alloc, 1, sizeof *ref);
    if (ref == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "store: a segment does not fit the memory limit");
    }
    tdbplus_status status = delete_map_create(segment_row_count(segment), store->alloc,
                                              &store->epoch, &ref->deletes, err);
    if (status != TDBPLUS_OK) {
        alloc_free(store->alloc, ref, 1, sizeof *ref);
        return status;
    }
    ref->store = store;
    ref->id = id;
    ref->size = segment_file_size(segment);
    ref->row_count = segment_row_count(segment);
    ref->segment = segment;
    atomic_init(&ref->refs, 1);
    list_init(&ref->late_deletes, store->alloc, sizeof(struct late_delete));
    *ref_out = ref;
    return TDBPLUS_OK;
}

tdbplus_status segment_ref_open(struct store *store, uint64_t id, const char *path,
                                struct segment_ref **ref_out, struct err *err)
{
    struct segment *segment = NULL;
    struct segment_options options = {.env = store->env,
                                      .alloc = store->alloc,
                                      .cache = store->cache,
                                      .path = path,
                                      .segment_id = id,
                                      .values = store->values};
    TRY(segment_open(&options, &segment, err));
    tdbplus_status status = segment_ref_create(store, id, segment, ref_out, err);
    if (status != TDBPLUS_OK) {
        segment_close(segment);
    }
    return status;
}

void segment_ref_release(struct segment_ref *ref)
{
    if (ref == NULL || atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct store *store = ref->store;
    if (atomic_load(&ref->obsolete)) {
        segment_discard(ref->segment);
    } else {
        segment_close(ref->segment);
    }
    delete_map_destroy(ref->deletes);
    list_deinit(&ref->late_deletes);
    alloc_free(store->alloc, ref, 1, sizeof *ref);
}

/* A version may outlive the last object: a batch, a backup or the epoch holds it. Its memtables
 * need the schemas to the end. */
static void release_part(struct collection *collection)
{
    if (atomic_fetch_sub_explicit(&collection->parts, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < collection->schemas.count; i++) {
        schema_destroy(*(struct schema **)list_at(&collection->schemas, i));
    }
    list_deinit(&collection->schemas);
    list_deinit(&collection->retired);
    alloc_free(collection->store->alloc, collection, 1, sizeof *collection);
}

static void version_free(struct version *version)
{
    struct collection *collection = version->collection;
    struct store *store = collection->store;
    for (uint32_t i = 0; i < version->table_count; i++) {
        table_ref_release(version->tables[i]);
    }
    for (uint32_t i = 0; i < version->segment_count; i++) {
        segment_ref_release(version->segments[i]);
    }
    alloc_free(store->alloc, version->tables, version->table_count, sizeof(void *));
    alloc_free(store->alloc, version->segments, version->segment_count, sizeof(void *));
    alloc_free(store->alloc, version, 1, sizeof *version);
    release_part(collection);
}

tdbplus_status version_create(struct collection *collection, struct table_ref *const *tables,
                              uint32_t table_count, struct segment_ref *const *segments,
                              uint32_t segment_count, struct version **version_out, struct err *err)
{
    const struct alloc *alloc = collection->store->alloc;
    if (segment_count > STORE_SEGMENT_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "store: a collection has %u segments, at most %u",
                       segment_count, STORE_SEGMENT_COUNT_MAX);
    }
    struct version *version = alloc_array(alloc, 1, sizeof *version);
    struct table_ref **own_tables =
        table_count == 0 ? NULL : alloc_array(alloc, table_count, sizeof(void *));
    struct segment_ref **own_segments =
        segment_count == 0 ? NULL : alloc_array(alloc, segment_count, sizeof(void *));
    if (version == NULL || (table_count > 0 && own_tables == NULL) ||
        (segment_count > 0 && own_segments == NULL)) {
        alloc_free(alloc, version, 1, sizeof *version);
        alloc_free(alloc, own_tables, table_count, sizeof(void *));
        alloc_free(alloc, own_segments, segment_count, sizeof(void *));
        return err_set(err, TDBPLUS_E_NOMEM, "store: a version does not fit the memory limit");
    }
    for (uint32_t i = 0; i < table_count; i++) {
        atomic_fetch_add_explicit(&tables[i]->refs, 1, memory_order_relaxed);
        own_tables[i] = tables[i];
    }
    for (uint32_t i = 0; i < segment_count; i++) {
        atomic_fetch_add_explicit(&segments[i]->refs, 1, memory_order_relaxed);
        own_segments[i] = segments[i];
    }
    atomic_init(&version->refs, 1);
    atomic_fetch_add_explicit(&collection->parts, 1, memory_order_relaxed);
    version->collection = collection;
    version->tables = own_tables;
    version->table_count = table_count;
    version->segments = own_segments;
    version->segment_count = segment_count;
    *version_out = version;
    return TDBPLUS_OK;
}

struct version *version_acquire(struct collection *collection)
{
    struct epoch *epoch = &collection->store->epoch;
    struct epoch_ticket ticket = epoch_enter(epoch);
    struct version *version = atomic_load_explicit(&collection->version, memory_order_acquire);
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    epoch_exit(epoch, ticket);
    return version;
}

void version_release(struct version *version)
{
    if (version != NULL &&
        atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) == 1) {
        version_free(version);
    }
}

/* The collection's own reference goes through the epoch: a reader that has loaded the pointer but
 * not yet counted itself must still find the count above zero. */
static void release_retired(struct epoch_garbage *garbage)
{
    struct version *version =
        (struct version *)(void *)((uint8_t *)garbage - offsetof(struct version, garbage));
    version_release(version);
}

void version_publish(struct collection *collection, struct version *version)
{
    struct version *before =
        atomic_exchange_explicit(&collection->version, version, memory_order_acq_rel);
    if (before != NULL) {
        epoch_retire(&collection->store->epoch, &before->garbage, release_retired);
    }
}

uint32_t version_table_count(const struct version *version)
{
    return version->table_count;
}

const struct memtable *version_table(const struct version *version, uint32_t number)
{
    ASSERT(number < version->table_count);
    return version->tables[number]->memtable;
}

uint32_t version_segment_count(const struct version *version)
{
    return version->segment_count;
}

struct segment *version_segment(const struct version *version, uint32_t number)
{
    ASSERT(number < version->segment_count);
    return version->segments[number]->segment;
}

const struct delete_map *version_deletes(const struct version *version, uint32_t number)
{
    ASSERT(number < version->segment_count);
    return version->segments[number]->deletes;
}

uint64_t version_segment_born(const struct version *version, uint32_t number)
{
    ASSERT(number < version->segment_count);
    return version->segments[number]->born;
}

tdbplus_status collection_create(struct store *store, uint64_t id,
                                 struct collection **collection_out, struct err *err)
{
    struct collection *collection = alloc_array(store->alloc, 1, sizeof *collection);
    if (collection == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "store: a collection does not fit the memory limit");
    }
    atomic_init(&collection->refs, 1);
    atomic_init(&collection->parts, 1);
    collection->store = store;
    collection->id = id;
    list_init(&collection->schemas, store->alloc, sizeof(struct schema *));
    list_init(&collection->retired, store->alloc, sizeof(struct retired_schema));
    *collection_out = collection;
    return TDBPLUS_OK;
}

uint64_t collection_created(const struct collection *collection)
{
    return atomic_load_explicit(&collection->created, memory_order_acquire);
}

bool collection_dropped(const struct collection *collection)
{
    return atomic_load(&collection->dropped);
}

void collection_retain(struct collection *collection)
{
    atomic_fetch_add_explicit(&collection->refs, 1, memory_order_relaxed);
}

void collection_release(struct collection *collection)
{
    if (collection == NULL ||
        atomic_fetch_sub_explicit(&collection->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    // Readers hold the object, and with it the collection: nobody is inside any more.
    version_release(atomic_load(&collection->version));
    release_part(collection);
}

uint64_t collection_id(const struct collection *collection)
{
    return collection->id;
}

const struct schema *collection_schema(const struct collection *collection, uint32_t version)
{
    for (size_t i = collection->schemas.count; i > 0; i--) {
        const struct schema *schema = *(struct schema **)list_at(&collection->schemas, i - 1);
        if (version == 0 || schema->version == version) {
            return schema;
        }
    }
    return NULL;
}
