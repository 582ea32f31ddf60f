#include "storage/segment/segment.h"
#include "txn/txn_internal.h"

/* Widens [min, max] of *out to a segment's zone; false when the segment does not tell. */
static bool add_zone(const struct segment *segment, uint32_t column_id, struct txn_statistics *out)
{
    int32_t at = segment_find_column(segment, column_id);
    if (at < 0) {
        return false;
    }
    struct segment_zone zone = {0};
    segment_zone(segment, (uint32_t)at, 0, (uint32_t)segment_row_count(segment), &zone);
    enum physical physical = type_physical(segment_column_type(segment, (uint32_t)at));
    bool integer = physical == PHYSICAL_2 || physical == PHYSICAL_4 || physical == PHYSICAL_8;
    uint8_t id = segment_column_type(segment, (uint32_t)at).id;
    if (!zone.has_bounds || !integer || id == TYPE_FLOAT4 || id == TYPE_FLOAT8) {
        return false;
    }
    out->min = out->has_range && out->min < zone.min.integer ? out->min : zone.min.integer;
    out->max = out->has_range && out->max > zone.max.integer ? out->max : zone.max.integer;
    out->has_range = true;
    return true;
}

void txn_statistics(const struct object *collection, uint32_t position, struct txn_statistics *out)
{
    *out = (struct txn_statistics){0};
    if (collection->collection == NULL) {
        return;
    }
    struct version *version = version_acquire(collection->collection);
    bool known = true;
    for (uint32_t i = 0; i < version_segment_count(version); i++) {
        const struct segment *segment = version_segment(version, i);
        uint64_t rows = segment_row_count(segment);
        out->row_count += rows;
        known = known && rows <= UINT32_MAX && position < collection->schema->column_count &&
                add_zone(segment, collection->schema->columns[position].id, out);
    }
    for (uint32_t i = 0; i < version_table_count(version); i++) {
        uint32_t rows = memtable_row_count(version_table(version, i));
        out->row_count += rows;
        known = known && rows == 0;
    }
    out->has_range = out->has_range && known;
    version_release(version);
}
