#include "storage/store/values.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/plant.h"

#define ENTRY_SIZE 36u

/* ---- the manifest ---- */

void values_put(struct manifest_edit *edit, uint64_t collection_id,
                const struct segment_values *values, uint64_t garbage_bytes)
{
    uint8_t value[ENTRY_SIZE];
    store_u64(value, collection_id);
    store_u64(value + 8, values->file_size);
    store_u64(value + 16, values->file_value_bytes);
    store_u64(value + 24, garbage_bytes);
    store_u32(value + 32, values->footer_crc);
    manifest_edit_put(edit, MANIFEST_VALUES, values->file_id,
                      (struct span){.data = value, .size = sizeof value});
}

tdbplus_status values_read_entry(struct span value, struct values_entry *entry_out, struct err *err)
{
    if (value.size != ENTRY_SIZE) {
        return err_set(err, TDBPLUS_E_CORRUPT, "the manifest's entry of a value file is not valid");
    }
    *entry_out = (struct values_entry){
        .collection_id = load_u64(value.data),
        .file_size = load_u64(value.data + 8),
        .value_bytes = load_u64(value.data + 16),
        .garbage_bytes = load_u64(value.data + 24),
        .footer_crc = load_u32(value.data + 32),
    };
    return TDBPLUS_OK;
}

/* Adds up how many bytes the segments of a version refer to in each file. */
static bool count_uses(const struct version *version, struct map *used)
{
    for (uint32_t s = 0; s < version->segment_count; s++) {
        const struct segment *segment = version->segments[s]->segment;
        for (uint32_t i = 0; i < segment_values_count(segment); i++) {
            struct segment_values values;
            segment_values_at(segment, i, &values);
            const uint64_t *before = map_get(used, values.file_id);
            uint64_t sum = values.value_bytes + (before == NULL ? 0 : *before);
            if (!map_put(used, values.file_id, sum)) {
                return false;
            }
        }
    }
    return true;
}

static tdbplus_status check_file(const struct store *store, const struct segment_values *values,
                                 uint64_t used, struct err *err)
{
    struct span value;
    struct values_entry entry = {0};
    if (manifest_get(store->manifest, MANIFEST_VALUES, values->file_id, &value)) {
        TRY(values_read_entry(value, &entry, err));
    }
    if (entry.file_size != values->file_size || entry.footer_crc != values->footer_crc ||
        entry.value_bytes != values->file_value_bytes || used > entry.value_bytes ||
        entry.garbage_bytes != entry.value_bytes - used) {
        char path[ENV_PATH_SIZE_MAX];
        TRY(store_path(store, path, "values", values->file_id, err));
        return err_set(err, TDBPLUS_E_CORRUPT, "%s: not the value file that the manifest means",
                       path);
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_version(const struct store *store, const struct version *version,
                                    struct err *err)
{
    struct map used;
    map_init(&used, store->alloc);
    tdbplus_status status = TDBPLUS_OK;
    if (!count_uses(version, &used)) {
        status = err_set(err, TDBPLUS_E_NOMEM, "open: the value files do not fit the memory limit");
    }
    for (uint32_t s = 0; s < version->segment_count && status == TDBPLUS_OK; s++) {
        const struct segment *segment = version->segments[s]->segment;
        for (uint32_t i = 0; i < segment_values_count(segment) && status == TDBPLUS_OK; i++) {
            struct segment_values values;
            segment_values_at(segment, i, &values);
            status = check_file(store, &values, *map_get(&used, values.file_id), err);
        }
    }
    map_deinit(&used);
    return status;
}

tdbplus_status values_check(struct store *store, struct err *err)
{
    const struct catalog *catalog = atomic_load(&store->catalog);
    for (uint32_t i = 0; i < catalog->object_count; i++) {
        struct collection *collection = catalog->objects[i]->object.collection;
        if (collection != NULL) {
            TRY(check_version(store, atomic_load(&collection->version), err));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status values_put_merge(struct manifest_edit *edit, const struct version *version,
                                struct segment_ref *const *sources, uint32_t count, struct err *err)
{
    struct map used;
    map_init(&used, version->collection->store->alloc);
    if (!count_uses(version, &used)) {
        map_deinit(&used);
        return err_set(err, TDBPLUS_E_NOMEM, "merge: the value files do not fit in memory");
    }
    for (uint32_t s = 0; s < count; s++) {
        const struct segment *segment = sources[s]->segment;
        for (uint32_t i = 0; i < segment_values_count(segment); i++) {
            struct segment_values values;
            segment_values_at(segment, i, &values);
            const uint64_t *bytes = map_get(&used, values.file_id);
            if (bytes == NULL || planted(PLANT_VALUES_FORGOTTEN)) {
                manifest_edit_remove(edit, MANIFEST_VALUES, values.file_id);
            } else {
                uint64_t garbage = values.file_value_bytes - *bytes;
                values_put(edit, version->collection->id, &values,
                           planted(PLANT_VALUES_GARBAGE_WRONG) ? 0 : garbage);
            }
        }
    }
    map_deinit(&used);
    return TDBPLUS_OK;
}

/* ---- what to copy ---- */

/* Bytes of the file that would be garbage without `ended` of the segment's rows. */
static uint64_t garbage_without(const struct segment_values *values, uint64_t ended,
                                uint64_t row_count)
{
    // Large values are taken to be spread evenly over the rows.
    double live = (double)values->value_bytes * (double)(row_count - ended) / (double)row_count;
    uint64_t live_bytes = (uint64_t)live;
    return values->file_value_bytes - live_bytes;
}

static bool is_wasted(const struct segment_values *values, uint64_t garbage)
{
    return garbage > 0 && garbage >= values->file_value_bytes / VALUES_GARBAGE_SHARE;
}

bool values_wasteful(const struct segment_ref *ref)
{
    // Rows whose end still has a time may be seen by somebody: they would stay.
    uint64_t count = delete_map_count(ref->deletes);
    uint64_t recent = delete_map_recent_count(ref->deletes);
    uint64_t ended = count > recent ? count - recent : 0;
    uint64_t wasted = 0;
    for (uint32_t i = 0; i < segment_values_count(ref->segment); i++) {
        struct segment_values values;
        segment_values_at(ref->segment, i, &values);
        uint64_t garbage = garbage_without(&values, ended, ref->row_count);
        wasted += is_wasted(&values, garbage) ? garbage : 0;
    }
    // The other columns are written again too: that must be worth it.
    return wasted > 0 && wasted >= ref->size / VALUES_GARBAGE_SHARE;
}

/* A file that would be referred to, and the flag that would have it copied. */
struct candidate {
    uint64_t size;
    bool *flag;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left;
    const struct candidate *b = right;
    return (a->size > b->size) - (a->size < b->size);
}

/* Flags the files that are wasted; lists the others. */
static uint32_t plan_sources(struct segment_ref *const *sources, uint32_t count, bool *flags,
                             struct candidate *kept)
{
    uint32_t kept_count = 0;
    for (uint32_t s = 0; s < count; s++) {
        const struct segment *segment = sources[s]->segment;
        uint64_t ended = delete_map_count(sources[s]->deletes);
        for (uint32_t i = 0; i < segment_values_count(segment); i++, flags++) {
            struct segment_values values;
            segment_values_at(segment, i, &values);
            *flags = is_wasted(&values, garbage_without(&values, ended, sources[s]->row_count));
            if (!*flags) {
                kept[kept_count++] = (struct candidate){.size = values.file_size, .flag = flags};
            }
        }
    }
    return kept_count;
}

tdbplus_status values_plan_merge(const struct alloc *alloc, struct segment_ref *const *sources,
                                 uint32_t count, struct values_plan *plan_out, struct err *err)
{
    uint32_t total = 0;
    for (uint32_t s = 0; s < count; s++) {
        total += segment_values_count(sources[s]->segment);
    }
    *plan_out = (struct values_plan){.alloc = alloc};
    if (total == 0) {
        return TDBPLUS_OK;
    }
    struct candidate *kept = alloc_array(alloc, total, sizeof *kept);
    bool *flags = alloc_array(alloc, total, sizeof *flags);
    if (kept == NULL || flags == NULL) {
        alloc_free(alloc, kept, total, sizeof *kept);
        alloc_free(alloc, flags, total, sizeof *flags);
        return err_set(err, TDBPLUS_E_NOMEM, "merge: it does not fit the memory limit");
    }
    uint32_t kept_count = plan_sources(sources, count, flags, kept);
    if (kept_count > VALUES_FILES_MANY) {
        // So that a large collection has not ever more files open.
        qsort(kept, kept_count, sizeof *kept, compare_candidates);
        for (uint32_t i = 0; i < kept_count - VALUES_FILES_KEPT; i++) {
            *kept[i].flag = true;
        }
    }
    alloc_free(alloc, kept, total, sizeof *kept);
    plan_out->flags = flags;
    plan_out->flag_count = total;
    return TDBPLUS_OK;
}

void values_plan_deinit(struct values_plan *plan)
{
    if (plan->flags != NULL) {
        alloc_free(plan->alloc, plan->flags, plan->flag_count, sizeof *plan->flags);
    }
    *plan = (struct values_plan){0};
}
