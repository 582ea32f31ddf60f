#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/plant.h"
#include "storage/store/store_internal.h"

tdbplus_status store_path(const struct store *store, char path[ENV_PATH_SIZE_MAX], const char *kind,
                          uint64_t id, struct err *err)
{
    char name[ENV_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "%s-%016" PRIx64, kind, id);
    return env_join(path, store->directory, name, err);
}

tdbplus_status store_temporary_path(struct store *store, char path[ENV_PATH_SIZE_MAX],
                                    struct err *err)
{
    char name[ENV_NAME_SIZE_MAX];
    if (store->options.read_only) {
        return err_set(err, TDBPLUS_E_NOMEM,
                       "the statement needs more memory, and the database is open read-only: "
                       "there is no place for temporary files");
    }
    // store_sweep() removes what has this ending.
    (void)snprintf(name, sizeof name, "rows-%016" PRIx64 ".tmp", store_new_file_id(store));
    return env_join(path, store->directory, name, err);
}

size_t store_memory_limit(const struct store *store)
{
    return store->options.memory_limit_bytes;
}

uint64_t store_new_file_id(struct store *store)
{
    return atomic_fetch_add(&store->file_id_next, 1);
}

/* ---- sweeping ---- */

struct sweep {
    struct store *store;
    struct list names; /* char[ENV_NAME_SIZE_MAX] each. */
    struct map deletes_files;
    struct map loads; /* Ids of segments that only the log names. */
};

bool store_parse_name(const char *name, const char *kind, uint64_t *id_out)
{
    size_t length = strlen(kind);
    if (strncmp(name, kind, length) != 0 || name[length] != '-' || strlen(name) != length + 17) {
        return false;
    }
    uint64_t id = 0;
    for (const char *at = name + length + 1; *at != '\0'; at++) {
        unsigned digit = 0;
        if (*at >= '0' && *at <= '9') {
            digit = (unsigned)(*at - '0');
        } else if (*at >= 'a' && *at <= 'f') {
            digit = (unsigned)(*at - 'a') + 10;
        } else {
            return false;
        }
        id = id << 4 | digit;
    }
    *id_out = id;
    return true;
}

static bool is_leftover(struct sweep *sweep, const char *name)
{
    uint64_t id = 0;
    struct span value;
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".tmp") == 0) {
        return true;
    }
    if (store_parse_name(name, "segment", &id)) {
        return !manifest_get(sweep->store->manifest, MANIFEST_SEGMENT, id, &value) &&
               (map_get(&sweep->loads, id) == NULL || planted(PLANT_LOAD_SWEPT));
    }
    if (store_parse_name(name, "values", &id)) {
        return !manifest_get(sweep->store->manifest, MANIFEST_VALUES, id, &value) &&
               map_get(&sweep->loads, id) == NULL; // It has its segment's id.
    }
    if (store_parse_name(name, "deletes", &id)) {
        return map_get(&sweep->deletes_files, id) == NULL || planted(PLANT_SWEEP_TAKES_LIVE);
    }
    return false;
}

static tdbplus_status collect_leftover(void *ctx, const char *name, bool is_directory)
{
    struct sweep *sweep = ctx;
    if (is_directory || strlen(name) >= ENV_NAME_SIZE_MAX || !is_leftover(sweep, name)) {
        return TDBPLUS_OK;
    }
    char *copy = list_push(&sweep->names, NULL);
    if (copy == NULL) {
        return TDBPLUS_E_NOMEM;
    }
    memcpy(copy, name, strlen(name) + 1);
    return TDBPLUS_OK;
}

static tdbplus_status remember_deletes_files(struct sweep *sweep, struct err *err)
{
    uint64_t id = 0;
    struct span value;
    while (manifest_next(sweep->store->manifest, MANIFEST_DELETES, &id, &value)) {
        if (value.size >= sizeof(uint64_t) &&
            !map_put(&sweep->deletes_files, load_u64(value.data), 1)) {
            return err_set(err, TDBPLUS_E_NOMEM, "store: sweeping needs more memory");
        }
        id++;
    }
    return TDBPLUS_OK;
}

static tdbplus_status remember_loads(struct sweep *sweep, struct err *err)
{
    const struct catalog *catalog = atomic_load(&sweep->store->catalog);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        const struct collection *collection = catalog->objects[i]->object.collection;
        const struct version *version =
            collection == NULL ? NULL : atomic_load(&collection->version);
        for (uint32_t s = 0; version != NULL && s < version->segment_count; s++) {
            const struct segment_ref *ref = version->segments[s];
            if (atomic_load(&ref->is_loaded) && !map_put(&sweep->loads, ref->id, 1)) {
                return err_set(err, TDBPLUS_E_NOMEM, "store: sweeping needs more memory");
            }
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status store_sweep(struct store *store, struct err *err)
{
    struct sweep sweep = {.store = store};
    list_init(&sweep.names, store->alloc, ENV_NAME_SIZE_MAX);
    map_init(&sweep.deletes_files, store->alloc);
    map_init(&sweep.loads, store->alloc);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, remember_deletes_files(&sweep, err));
    TRY_OR(done, remember_loads(&sweep, err));
    TRY_OR(done, env_list(store->env, store->directory, collect_leftover, &sweep, err));
    for (size_t i = 0; i < sweep.names.count; i++) {
        char path[ENV_PATH_SIZE_MAX];
        TRY_OR(done, env_join(path, store->directory, list_at(&sweep.names, i), err));
        TRY_OR(done, env_unlink(store->env, path, err));
    }
done:
    list_deinit(&sweep.names);
    map_deinit(&sweep.deletes_files);
    map_deinit(&sweep.loads);
    return status;
}
