#include <string.h>

#include "base/assert.h"
#include "storage/store/store_internal.h"

#define MEMORY_LIMIT_DEFAULT  ((size_t)2 << 30)
#define MEMTABLE_SIZE_DEFAULT ((size_t)64 << 20)
#define SNAPSHOT_AGE_DEFAULT  ((uint64_t)3600 * 1000000)
#define SYNC_INTERVAL_DEFAULT ((uint64_t)100000)
#define MERGE_FAN_OUT_DEFAULT 8u
#define MERGE_FAN_OUT_MAX     32u /* A tier must be ripe long before writers wait for merges. */
#define FORMAT_VERSION        1u
#define DATABASE_ENTRY_SIZE   12u
#define MEMORY_DIRECTORY      "memory"

/* ---- open ---- */

static tdbplus_status apply_defaults(struct store *store, struct err *err)
{
    struct store_options *options = &store->options;
    if (options->memory_limit_bytes == 0) {
        options->memory_limit_bytes = MEMORY_LIMIT_DEFAULT;
    }
    if (options->cache_size_bytes == 0) {
        options->cache_size_bytes = options->memory_limit_bytes / 2;
    }
    if (options->memtable_size_bytes == 0) {
        size_t share = options->memory_limit_bytes / 16;
        options->memtable_size_bytes =
            share < MEMTABLE_SIZE_DEFAULT ? share : MEMTABLE_SIZE_DEFAULT;
    }
    if (options->sync_interval_us == 0) {
        options->sync_interval_us = SYNC_INTERVAL_DEFAULT;
    }
    if (options->snapshot_age_max_us == 0) {
        options->snapshot_age_max_us = SNAPSHOT_AGE_DEFAULT;
    }
    if (options->merge_fan_out == 0) {
        options->merge_fan_out = MERGE_FAN_OUT_DEFAULT;
    }
    if (options->merge_fan_out < 2 || options->merge_fan_out > MERGE_FAN_OUT_MAX ||
        options->durability > DURABILITY_NONE) {
        return err_set(err, TDBPLUS_E_INVALID, "open: an option is outside its range");
    }
    const char *directory = options->directory == NULL ? MEMORY_DIRECTORY : options->directory;
    if (directory[0] == '\0' || strlen(directory) >= sizeof store->directory) {
        return err_set(err, TDBPLUS_E_INVALID, "open: the path has no bytes or more than %zu",
                       sizeof store->directory - 1);
    }
    memcpy(store->directory, directory, strlen(directory) + 1);
    return TDBPLUS_OK;
}

/* Makes the directory, and its name in the one above it durable. [waits] */
static tdbplus_status make_directory(struct store *store, struct err *err)
{
    TRY(env_make_directory(store->env, store->directory, err));
    char parent[ENV_PATH_SIZE_MAX];
    memcpy(parent, store->directory, sizeof parent);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/') {
        parent[--length] = '\0';
    }
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        memcpy(parent, ".", 2);
    } else {
        slash[slash == parent ? 1 : 0] = '\0';
    }
    return env_sync_directory(store->env, parent, err);
}

static tdbplus_status open_directory(struct store *store, struct err *err)
{
    if (store->options.directory == NULL) {
        TRY(env_ram_create(store->alloc, &store->ram, err));
        store->env = store->ram;
        return TDBPLUS_OK;
    }
    if (!store->options.read_only && !store->options.must_exist) {
        TRY(make_directory(store, err));
    }
    char path[ENV_PATH_SIZE_MAX];
    TRY(env_join(path, store->directory, "lock", err));
    tdbplus_status status =
        env_lock(store->env, path, !store->options.read_only, &store->lock_file, err);
    if (status == TDBPLUS_E_BUSY) {
        err_hint(err, "Another process has it open. Close that one, or open both read-only.");
    }
    return status;
}

static tdbplus_status write_identity(struct store *store, struct err *err)
{
    env_entropy(store->env, &store->database_id, sizeof store->database_id);
    uint8_t value[DATABASE_ENTRY_SIZE];
    store_u32(value, FORMAT_VERSION);
    store_u64(value + 4, store->database_id);
    struct manifest_edit edit = {0};
    manifest_edit_init(&edit, store->alloc);
    manifest_edit_put(&edit, MANIFEST_DATABASE, 0,
                      (struct span){.data = value, .size = sizeof value});
    persist_counters(store, &edit);
    tdbplus_status status = manifest_commit(store->manifest, &edit, err);
    manifest_edit_deinit(&edit);
    return status;
}

static tdbplus_status read_identity(struct store *store, bool *fresh_out, struct err *err)
{
    struct span value;
    *fresh_out = !manifest_get(store->manifest, MANIFEST_DATABASE, 0, &value);
    if (*fresh_out) {
        return TDBPLUS_OK; // A crash between making the manifest and its first edit.
    }
    if (value.size < DATABASE_ENTRY_SIZE) {
        return err_set(err, TDBPLUS_E_CORRUPT, "%s: the manifest's identity is cut short",
                       store->directory);
    }
    uint32_t version = load_u32(value.data);
    if (version > FORMAT_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION, "%s: format %u, this build reads up to %u",
                       store->directory, version, FORMAT_VERSION);
    }
    store->database_id = load_u64(value.data + 4);
    return TDBPLUS_OK;
}

static tdbplus_status open_manifest(struct store *store, struct err *err)
{
    struct manifest_options options = {
        .env = store->env,
        .alloc = store->alloc,
        .directory = store->directory,
        .rotate_size = store->options.manifest_rotate_size,
        .read_only = store->options.read_only,
    };
    struct err why = {0};
    tdbplus_status status = manifest_open(&options, &store->manifest, &why);
    bool may_create = !store->options.read_only && !store->options.must_exist;
    bool fresh = status == TDBPLUS_E_NOT_FOUND && may_create;
    if (fresh) {
        TRY(manifest_create(&options, &store->manifest, err));
    } else if (status != TDBPLUS_OK) {
        status = err_set(err, status, "%s",
                         status == TDBPLUS_E_NOT_FOUND ? "there is no database in this directory"
                                                       : why.text);
        err_hint(err, "%s", why.hint);
        return status;
    } else {
        TRY(read_identity(store, &fresh, err));
    }
    return fresh && !store->options.read_only ? write_identity(store, err) : TDBPLUS_OK;
}

static void init_counters(struct store *store)
{
    atomic_init(&store->object_id_next, 1);
    atomic_init(&store->file_id_next, 1);
    atomic_init(&store->txn_id_next, 1);
    atomic_init(&store->object_revision_next, 1);
    atomic_init(&store->upper, NULL);
    atomic_init(&store->attached, NULL);
    store->timestamp_last = 1; // So that no snapshot has timestamp 0.
    atomic_init(&store->visible_timestamp, 1);
}

static tdbplus_status open_parts(struct store *store, struct err *err)
{
    TRY(apply_defaults(store, err));
    TRY(open_directory(store, err));
    TRY(page_cache_create(store->options.cache_size_bytes, store->alloc, &store->epoch,
                          &store->cache, err));
    TRY(value_files_create(store->alloc, &store->values, err));
    struct lock_table_options locks = {.env = store->env,
                                       .alloc = store->alloc,
                                       .deadlock_timeout_us = store->options.deadlock_timeout_us};
    TRY(lock_table_create(&locks, &store->locks, err));
    struct catalog *catalog = NULL;
    TRY(catalog_create(store, NULL, NULL, 0, &catalog, err));
    catalog_publish(store, catalog);
    TRY(open_manifest(store, err));
    TRY(recover(store, err));
    if (!store->options.read_only) {
        TRY(store_sweep(store, err));
    }
    return background_start(store, err);
}

static void destroy_parts(struct store *store)
{
    background_stop(store);
    log_close(store->log);
    manifest_close(store->manifest);
    catalog_release(atomic_exchange(&store->catalog, NULL));
    epoch_deinit(&store->epoch);
    value_files_destroy(store->values);
    page_cache_destroy(store->cache);
    lock_table_destroy(store->locks);
    env_close(store->env, store->lock_file);
    if (store->ram != NULL) {
        env_ram_destroy(store->ram);
    }
}

tdbplus_status store_open(const struct store_options *options, struct store **store_out,
                          struct err *err)
{
    ASSERT(options->env != NULL);
    struct store *store = alloc_array(options->alloc, 1, sizeof *store);
    if (store == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "open: no memory for the database itself");
    }
    store->options = *options;
    store->env = options->env;
    size_t limit =
        options->memory_limit_bytes == 0 ? MEMORY_LIMIT_DEFAULT : options->memory_limit_bytes;
    budget_init(&store->budget, options->alloc, NULL, limit);
    store->alloc = &store->budget.alloc;
    epoch_init(&store->epoch);
    init_counters(store);
    tdbplus_status status = open_parts(store, err);
    if (status != TDBPLUS_OK) {
        destroy_parts(store);
        budget_deinit(&store->budget);
        alloc_free(options->alloc, store, 1, sizeof *store);
        return status;
    }
    *store_out = store;
    return TDBPLUS_OK;
}

void store_close(struct store *store)
{
    if (store == NULL) {
        return;
    }
    ASSERT(store->snapshots == NULL);
    background_stop(store);
    if (atomic_load(&store->attached) != NULL) {
        store->close_attached(atomic_load(&store->attached));
    }
    if (store->log != NULL && !store->options.read_only) {
        // A failure here loses nothing: what was acknowledged as FULL is synced.
        (void)!log_sync(store->log, log_end(store->log), NULL);
        (void)!background_mark_log(store);
    }
    const struct alloc *source = store->budget.source;
    destroy_parts(store);
    budget_deinit(&store->budget);
    alloc_free(source, store, 1, sizeof *store);
}

const struct env *store_env(const struct store *store)
{
    return store->env;
}

bool store_read_only(const struct store *store)
{
    return store->options.read_only;
}

uint8_t store_durability(const struct store *store)
{
    return store->options.durability;
}

const struct alloc *store_alloc(const struct store *store)
{
    return store->alloc;
}

void store_set_upper(struct store *store, const void *upper)
{
    atomic_store_explicit(&store->upper, upper, memory_order_release);
}

const void *store_upper(const struct store *store)
{
    return atomic_load_explicit(&store->upper, memory_order_acquire);
}

void *store_attach(struct store *store, void *value, void (*close)(void *value))
{
    void *before = NULL;
    // Everybody attaches with the same function: there is one kind of thing.
    latch_lock(&store->snapshot_latch);
    before = atomic_load_explicit(&store->attached, memory_order_relaxed);
    if (before == NULL) {
        store->close_attached = close;
        atomic_store_explicit(&store->attached, value, memory_order_release);
    }
    latch_unlock(&store->snapshot_latch);
    if (before != NULL) {
        close(value);
        return before;
    }
    return value;
}

void *store_attached(const struct store *store)
{
    return atomic_load_explicit(&store->attached, memory_order_acquire);
}

struct lock_table *store_locks(const struct store *store)
{
    return store->locks;
}

uint64_t store_next_txn_id(struct store *store)
{
    return atomic_fetch_add_explicit(&store->txn_id_next, 1, memory_order_relaxed);
}

/* ---- maintenance ---- */

static tdbplus_status flush_collection(struct store *store, struct collection *collection,
                                       const struct call *call)
{
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = collection_freeze(collection, NULL, call->err);
    mutex_unlock(store->env, &store->structure);
    bool found = true;
    while (status == TDBPLUS_OK && found) {
        status = collection_flush(collection, &found, call->err);
        if (status == TDBPLUS_OK) {
            status = env_check_call(store->env, call);
        }
    }
    return status;
}

tdbplus_status store_flush(struct store *store, const struct call *call)
{
    if (store->options.read_only) {
        return err_set(call->err, TDBPLUS_E_READ_ONLY, "the database is open read-only");
    }
    struct catalog *catalog = catalog_acquire(store);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < catalog->object_count && status == TDBPLUS_OK; i++) {
        if (catalog->objects[i]->object.collection != NULL) {
            status = flush_collection(store, catalog->objects[i]->object.collection, call);
        }
    }
    catalog_release(catalog);
    return status;
}

tdbplus_status store_optimize(struct store *store, uint64_t collection_id_wanted,
                              const struct call *call)
{
    if (store->options.read_only) {
        return err_set(call->err, TDBPLUS_E_READ_ONLY, "the database is open read-only");
    }
    struct catalog *catalog = catalog_acquire(store);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < catalog->object_count && status == TDBPLUS_OK; i++) {
        struct object *object = &catalog->objects[i]->object;
        if (object->collection == NULL ||
            (collection_id_wanted != 0 && object->id != collection_id_wanted)) {
            continue;
        }
        bool found = false;
        status = flush_collection(store, object->collection, call);
        if (status == TDBPLUS_OK) {
            status = collection_merge(object->collection, true, call, &found);
        }
    }
    catalog_release(catalog);
    (void)epoch_collect(&store->epoch);
    return status;
}

tdbplus_status store_sync(struct store *store, struct err *err)
{
    if (store->log == NULL || store->options.read_only) {
        return TDBPLUS_OK;
    }
    return log_sync(store->log, log_end(store->log), err);
}

/* ---- statistics ---- */

static void add_values(struct store_statistics *statistics, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment_values_count(segment); i++) {
        struct segment_values values;
        segment_values_at(segment, i, &values);
        statistics->value_file_count++;
        statistics->value_file_bytes += values.file_size;
        statistics->value_garbage_bytes += values.file_value_bytes - values.value_bytes;
    }
}

static void add_collection(struct store_statistics *statistics, struct collection *collection)
{
    struct version *version = version_acquire(collection);
    statistics->collection_count++;
    statistics->segment_count += version->segment_count;
    statistics->memtable_count += version->table_count;
    for (uint32_t i = 0; i < version->segment_count; i++) {
        statistics->segment_bytes += version->segments[i]->size;
        add_values(statistics, version->segments[i]->segment);
    }
    for (uint32_t i = 0; i < version->table_count; i++) {
        statistics->memtable_bytes += memtable_size_bytes(version->tables[i]->memtable);
        statistics->memtable_rows += memtable_row_count(version->tables[i]->memtable);
    }
    version_release(version);
}

void store_get_statistics(struct store *store, struct store_statistics *statistics_out)
{
    struct store_statistics statistics = {
        .visible_timestamp = store_visible_timestamp(store),
        .commit_count = atomic_load(&store->commit_count),
        .row_write_count = atomic_load(&store->row_write_count),
        .ingested_bytes = atomic_load(&store->ingested_bytes),
        .flush_count = atomic_load(&store->flush_count),
        .flush_written_bytes = atomic_load(&store->flush_written_bytes),
        .merge_count = atomic_load(&store->merge_count),
        .merge_written_bytes = atomic_load(&store->merge_written_bytes),
        .load_count = atomic_load(&store->load_count),
        .load_written_bytes = atomic_load(&store->load_written_bytes),
        .memory_bytes = atomic_load(&store->budget.used_bytes),
        .memory_peak_bytes = atomic_load(&store->budget.peak_bytes),
        .recovery_records = store->recovery_records,
        .recovery_us = store->recovery_us,
        .snapshot_oldest = store_horizon(store),
    };
    struct catalog *catalog = catalog_acquire(store);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        if (catalog->objects[i]->object.collection != NULL) {
            add_collection(&statistics, catalog->objects[i]->object.collection);
        }
    }
    catalog_release(catalog);
    if (store->log != NULL) {
        struct log_statistics log = {0};
        log_get_statistics(store->log, &log);
        statistics.log_written_bytes = log.written_bytes;
        statistics.log_sync_count = log.sync_count;
        statistics.log_bytes = log_end(store->log) - log_start(store->log);
    }
    struct page_cache_statistics cache = {0};
    page_cache_get_statistics(store->cache, &cache);
    statistics.cache_hit_count = cache.hit_count;
    statistics.cache_miss_count = cache.miss_count;
    statistics.cache_bytes = cache.size_bytes;
    mutex_lock(store->env, &store->structure);
    struct manifest_statistics manifest = {0};
    manifest_get_statistics(store->manifest, &manifest);
    statistics.manifest_written_bytes = manifest.written_bytes;
    mutex_unlock(store->env, &store->structure);
    latch_lock(&store->snapshot_latch);
    statistics.snapshot_count = store->snapshot_count;
    latch_unlock(&store->snapshot_latch);
    *statistics_out = statistics;
}
