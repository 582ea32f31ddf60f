/*
 * Rows that expire: when a row's time lies further back than its collection allows, no snapshot
 * sees it any more (S4: the comparison is with the snapshot), and flushes and merges leave it
 * behind once that holds for the horizon.
 */

#include "storage/store/store_internal.h"

#include "base/plant.h"

struct expiry expiry_at(struct collection *collection, uint64_t horizon)
{
    struct store *store = collection->store;
    struct expiry expiry = {0};
    if (planted(PLANT_EXPIRY_PAST_HORIZON)) {
        horizon = env_clock_wall_us(store->env) << 12;
    }
    mutex_lock(store->env, &store->structure);
    const struct schema *schema = collection_schema(collection, 0);
    bool settled = true; // Older snapshots may read by a schema by which nothing expires.
    for (size_t i = 0; i < collection->retired.count; i++) {
        const struct retired_schema *old = list_at(&collection->retired, i);
        settled = settled && old->until <= horizon;
    }
    if (settled && schema != NULL && schema->ttl_column_id != 0) {
        expiry.column_id = schema->ttl_column_id;
        expiry.active = schema_ttl_limit(schema, timestamp_us(horizon), &expiry.limit);
    }
    mutex_unlock(store->env, &store->structure);
    return expiry;
}

bool expiry_of_value(const struct expiry *expiry, const struct datum *value)
{
    return !value->is_null && value->integer <= expiry->limit;
}

bool expiry_of_segment(const struct expiry *expiry, struct segment *segment, uint64_t first_row,
                       uint32_t row_count, bool all)
{
    int32_t at = segment_find_column(segment, expiry->column_id);
    if (at < 0) {
        return false; // Written before the column existed.
    }
    struct segment_zone zone = {0};
    segment_zone(segment, (uint32_t)at, first_row, row_count, &zone);
    if (!zone.has_bounds) {
        return !all && zone.null_count < row_count;
    }
    return all ? zone.null_count == 0 && zone.max.integer <= expiry->limit
               : zone.min.integer <= expiry->limit;
}

tdbplus_status expiry_drop(const struct expiry *expiry, struct segment *segment, uint64_t first_row,
                           uint32_t row_count, uint64_t *keep, const struct alloc *alloc,
                           struct err *err)
{
    if (!expiry_of_segment(expiry, segment, first_row, row_count, false)) {
        return TDBPLUS_OK;
    }
    if (expiry_of_segment(expiry, segment, first_row, row_count, true)) {
        for (uint32_t i = 0; i < row_count; i++) {
            keep[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
        return TDBPLUS_OK;
    }
    uint32_t position = (uint32_t)segment_find_column(segment, expiry->column_id);
    struct batch batch;
    struct column column = {0};
    batch_init(&batch, alloc);
    tdbplus_status status =
        segment_read(segment, first_row, row_count, &position, 1, &batch, &column, err);
    for (uint32_t i = 0; status == TDBPLUS_OK && i < row_count; i++) {
        struct datum value;
        column_get(&column, i, &value);
        if (expiry_of_value(expiry, &value)) {
            keep[i / 64] &= ~((uint64_t)1 << (i % 64));
            if (planted(PLANT_EXPIRY_TAKES_RENEWED) && i > 0) { // Newer versions come first.
                keep[(i - 1) / 64] &= ~((uint64_t)1 << ((i - 1) % 64));
            }
        }
    }
    batch_deinit(&batch);
    return status;
}
