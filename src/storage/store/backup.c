/*
 * A backup is the manifest, the files it names, and the log behind them. The manifest, the delete
 * maps and the log are copied while flushes and catalog changes stand still; segments are
 * immutable, so they follow afterwards while work goes on.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/persist.h"

#define COPY_SIZE ((size_t)1 << 20)

struct backup {
    struct store *store;
    const char *directory;
    const struct call *call;
    struct list versions; /* struct version *: hold the segments' files. */
    uint64_t done;
    uint64_t total;
};

static tdbplus_status copy_bytes(struct backup *backup, struct env_file *from, struct env_file *to,
                                 uint64_t size)
{
    struct store *store = backup->store;
    uint8_t *chunk = alloc_raw(backup->call->alloc, COPY_SIZE);
    if (chunk == NULL) {
        return err_set(backup->call->err, TDBPLUS_E_NOMEM, "backup: no memory to copy with");
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint64_t at = 0; at < size && status == TDBPLUS_OK; at += COPY_SIZE) {
        size_t part = size - at < COPY_SIZE ? (size_t)(size - at) : COPY_SIZE;
        status = env_check_call(store->env, backup->call);
        if (status == TDBPLUS_OK) {
            status = env_read(store->env, from, at, chunk, part, backup->call->err);
        }
        if (status == TDBPLUS_OK) {
            status = env_write(store->env, to, at, chunk, part, backup->call->err);
        }
    }
    alloc_free(backup->call->alloc, chunk, COPY_SIZE, 1);
    return status == TDBPLUS_OK ? env_sync(store->env, to, backup->call->err) : status;
}

/* A second name where the file system has such, else a copy. [waits] */
static tdbplus_status copy_file(struct backup *backup, const char *kind, uint64_t id)
{
    struct store *store = backup->store;
    struct err *err = backup->call->err;
    char from_path[ENV_PATH_SIZE_MAX];
    char to_path[ENV_PATH_SIZE_MAX];
    char name[ENV_NAME_SIZE_MAX];
    TRY(store_path(store, from_path, kind, id, err));
    (void)snprintf(name, sizeof name, "%s-%016" PRIx64, kind, id);
    TRY(env_join(to_path, backup->directory, name, err));
    tdbplus_status status = env_link(store->env, from_path, to_path, NULL);
    if (status != TDBPLUS_E_UNSUPPORTED && status != TDBPLUS_E_IO) {
        return status == TDBPLUS_OK ? status
                                    : err_set(err, status, "backup: %s cannot be made", to_path);
    }
    struct env_file *from = NULL;
    struct env_file *to = NULL;
    uint64_t size = 0;
    TRY_OR(done, env_open(store->env, from_path, ENV_OPEN_READ, &from, err));
    TRY_OR(done, env_size(store->env, from, &size, err));
    TRY_OR(done, env_open(store->env, to_path,
                          ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE, &to, err));
    TRY_OR(done, copy_bytes(backup, from, to, size));
done:
    env_close(store->env, from);
    env_close(store->env, to);
    return status;
}

static tdbplus_status copy_deletes(struct backup *backup)
{
    uint64_t id = 0;
    struct span value;
    struct map copied;
    map_init(&copied, backup->call->alloc);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK &&
           manifest_next(backup->store->manifest, MANIFEST_DELETES, &id, &value)) {
        ASSERT(value.size == DELETES_ENTRY_SIZE);
        uint64_t file = load_u64(value.data);
        if (map_get(&copied, file) == NULL) {
            status = map_put(&copied, file, 1)
                         ? copy_file(backup, "deletes", file)
                         : err_set(backup->call->err, TDBPLUS_E_NOMEM, "backup: out of memory");
        }
        id++;
    }
    map_deinit(&copied);
    return status;
}

static tdbplus_status hold_versions(struct backup *backup)
{
    const struct catalog *catalog = atomic_load(&backup->store->catalog);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        struct collection *collection = catalog->objects[i]->object.collection;
        if (collection == NULL) {
            continue;
        }
        if (!list_reserve(&backup->versions, 1)) {
            return err_set(backup->call->err, TDBPLUS_E_NOMEM, "backup: out of memory");
        }
        struct version *version = version_acquire(collection);
        (void)list_push(&backup->versions, &version);
        for (uint32_t s = 0; s < version->segment_count; s++) {
            backup->total += version->segments[s]->size;
            const struct segment *segment = version->segments[s]->segment;
            for (uint32_t v = 0; v < segment_values_count(segment); v++) {
                struct segment_values values;
                segment_values_at(segment, v, &values);
                backup->total += values.file_size;
            }
        }
    }
    return TDBPLUS_OK;
}

/* Under `flush` and `structure`: everything but the segments. [waits] */
static tdbplus_status copy_state(struct backup *backup)
{
    struct store *store = backup->store;
    struct err *err = backup->call->err;
    uint64_t from = 0;
    TRY(persist_replay_from(store, &from, err));
    if (store->log != NULL) {
        latch_lock(&store->commit);
        uint64_t end = log_end(store->log);
        latch_unlock(&store->commit);
        TRY(log_sync(store->log, end, err));
        if (!planted(PLANT_BACKUP_WITHOUT_LOG)) {
            TRY(log_copy(store->log, from, end, backup->directory, err));
        }
    }
    TRY(copy_deletes(backup));
    TRY(hold_versions(backup));
    return manifest_copy(store->manifest, backup->directory, err);
}

/* A value file belongs to one segment of a version, and to others only in other versions. */
static tdbplus_status copy_values(struct backup *backup, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment_values_count(segment); i++) {
        struct segment_values values;
        segment_values_at(segment, i, &values);
        TRY(copy_file(backup, "values", values.file_id));
        backup->done += values.file_size;
    }
    return TDBPLUS_OK;
}

static tdbplus_status copy_segments(struct backup *backup)
{
    for (size_t i = 0; i < backup->versions.count; i++) {
        const struct version *version = *(struct version **)list_at(&backup->versions, i);
        for (uint32_t s = 0; s < version->segment_count; s++) {
            const struct segment_ref *ref = version->segments[s];
            TRY(copy_file(backup, "segment", ref->id));
            TRY(copy_values(backup, ref->segment));
            backup->done += ref->size;
            if (backup->call->progress != NULL) {
                backup->call->progress(backup->call->progress_ctx, backup->done, backup->total);
            }
        }
    }
    return env_sync_directory(backup->store->env, backup->directory, backup->call->err);
}

/* Opening read-only takes a lock too, and makes no files. */
static tdbplus_status make_lock_file(struct backup *backup)
{
    char path[ENV_PATH_SIZE_MAX];
    TRY(env_join(path, backup->directory, "lock", backup->call->err));
    return env_write_file(backup->store->env, path, (struct span){0}, backup->call->err);
}

static tdbplus_status refuse_entry(void *ctx, const char *name, bool is_directory)
{
    (void)ctx;
    (void)name;
    (void)is_directory;
    return TDBPLUS_E_EXISTS;
}

static tdbplus_status prepare_directory(struct backup *backup)
{
    const struct env *env = backup->store->env;
    struct err *err = backup->call->err;
    TRY(env_make_directory(env, backup->directory, err));
    tdbplus_status status = env_list(env, backup->directory, refuse_entry, NULL, NULL);
    if (status == TDBPLUS_E_EXISTS) {
        status = err_set(err, TDBPLUS_E_EXISTS, "backup: %s is not empty", backup->directory);
        err_hint(err, "Name a new directory; a backup never overwrites anything.");
    }
    return status;
}

tdbplus_status store_backup(struct store *store, const char *directory, const struct call *call)
{
    if (store->ram != NULL || store->options.read_only) {
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED, "backup: the database is %s",
                       store->ram != NULL ? "in memory only" : "open read-only");
    }
    struct backup backup = {.store = store, .directory = directory, .call = call};
    list_init(&backup.versions, store->alloc, sizeof(struct version *));
    TRY(prepare_directory(&backup));
    TRY(make_lock_file(&backup));
    mutex_lock(store->env, &store->flush_mutex);
    mutex_lock(store->env, &store->structure);
    tdbplus_status status = copy_state(&backup);
    mutex_unlock(store->env, &store->structure);
    mutex_unlock(store->env, &store->flush_mutex);
    if (status == TDBPLUS_OK) {
        status = copy_segments(&backup);
    }
    for (size_t i = 0; i < backup.versions.count; i++) {
        version_release(*(struct version **)list_at(&backup.versions, i));
    }
    list_deinit(&backup.versions);
    return status;
}
