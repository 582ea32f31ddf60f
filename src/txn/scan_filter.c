/* Which rows of a batch the scan's user gets to see. */

#include "base/assert.h"
#include "base/plant.h"
#include "txn/scan_internal.h"

bool scan_shadowed(const struct scan *scan, const struct scan_source *source,
                   const struct segment_key *key)
{
    if (planted(PLANT_SHADOWED_ROW_SHOWN)) {
        return false;
    }
    const struct changes *changes = &scan->txn->changes;
    uint32_t own = changes_find(changes, scan_changes(scan), key, scan->statement);
    if (own != CHANGE_NONE) {
        uint32_t load = changes_at(changes, own)->load;
        if (load == 0 || load > source->stage) {
            return true;
        }
    }
    return scan->ranged && stages_hide(&scan->txn->stages, scan->collection, scan->statement,
                                       source->stage, key->key);
}

/* The row's key from the fetched columns. */
static tdbplus_status row_key(const struct scan *scan, const struct batch *batch, uint32_t row,
                              struct buffer *buffer, struct segment_key *key_out, struct err *err)
{
    const struct schema *schema = scan->schema;
    struct datum values[SCHEMA_KEY_COUNT_MAX];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        column_get(&batch->columns[scan->key_fetch[i]], row, &values[i]);
    }
    buffer_clear(buffer);
    TRY(key_encode(values, schema->key_count, buffer, err));
    if (buffer->failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "scan: a key does not fit the memory limit");
    }
    struct span key = buffer_span(buffer);
    *key_out = (struct segment_key){.key = key, .code = key_code(key), .hash = key_hash(key)};
    return TDBPLUS_OK;
}

tdbplus_status scan_filter(struct scan *scan, const struct scan_source *source, struct batch *batch,
                           struct err *err)
{
    bool shadow = scan->shadow && source->kind != SOURCE_OWN;
    // Segments are cut to the range by position, own rows when they were listed.
    bool ranged = source->kind == SOURCE_TABLE && (scan->range.has_lower || scan->range.has_upper);
    uint32_t count = batch_live_count(batch);
    if ((!shadow && !ranged) || count == 0) {
        return TDBPLUS_OK;
    }
    uint16_t *kept = arena_array(&batch->arena, count, sizeof *kept);
    if (kept == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "scan: a selection does not fit in memory");
    }
    struct buffer buffer = {.alloc = scan->alloc};
    tdbplus_status status = TDBPLUS_OK;
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        uint32_t row = batch->selection == NULL ? i : batch->selection[i];
        struct segment_key key = {0};
        status = row_key(scan, batch, row, &buffer, &key, err);
        if (status == TDBPLUS_OK && !(shadow && scan_shadowed(scan, source, &key)) &&
            (!ranged || key_in_range(&scan->range, key.key))) {
            kept[kept_count++] = (uint16_t)row;
        }
    }
    buffer_deinit(&buffer);
    if (status == TDBPLUS_OK && kept_count < count) {
        batch->selection = kept;
        batch->selected_count = kept_count;
    }
    return status;
}

tdbplus_status scan_drop_expired(const struct scan *scan, struct batch *batch, struct err *err)
{
    uint32_t count = batch_live_count(batch);
    uint16_t *kept = arena_array(&batch->arena, (size_t)count + 1, sizeof *kept);
    uint32_t kept_count = 0;
    if (kept == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "scan: a selection does not fit in memory");
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection == NULL ? i : batch->selection[i];
        struct datum value;
        column_get(&batch->columns[scan->ttl_fetch], row, &value);
        if (value.is_null || value.integer > scan->ttl_limit - planted(PLANT_EXPIRY_ONE_LATE)) {
            kept[kept_count++] = (uint16_t)row;
        }
    }
    if (kept_count < count) {
        batch->selection = kept;
        batch->selected_count = kept_count;
    }
    return TDBPLUS_OK;
}
