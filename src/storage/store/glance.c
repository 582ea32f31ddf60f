/*
 * Reading one row that lies in memory, inside one epoch. What is published (catalog, version,
 * segments, pages) goes through the epoch when it is replaced, so nothing is counted here: the
 * counting of catalog, version and pages, twice each, is a third of what such a read costs. What
 * would have to wait, or to look closer, is left to version_find() and version_row().
 */

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/store_internal.h"

#define PREFETCH_SEGMENT_COUNT_MAX 8u

void store_glance_begin(struct store *store, struct store_glance *glance_out)
{
    struct epoch_ticket ticket = epoch_enter(&store->epoch);
    const struct catalog *catalog = catalog_visible(store);
    *glance_out = (struct store_glance){.epoch = &store->epoch,
                                        .ticket = ticket,
                                        .catalog = catalog,
                                        .timestamp = store_visible_timestamp(store)};
}

void store_glance_end(struct store_glance *glance)
{
    epoch_exit(glance->epoch, glance->ticket);
}

const struct version *store_glance_version(const struct collection *collection)
{
    return atomic_load_explicit(&collection->version, memory_order_acquire);
}

/* Among the adjacent versions of a key, the one the snapshot sees; false: not known here. */
static bool choose_version(const struct segment_ref *ref, uint64_t first, uint32_t count,
                           uint64_t snapshot, struct row_place *place)
{
    if (ref->born > snapshot) {
        return true;
    }
    if (segment_has_begin(ref->segment) && segment_begin_max(ref->segment) > snapshot) {
        return false;
    }
    for (uint64_t row = first; row < first + count && !place->found; row++) {
        place->found = delete_map_visible(ref->deletes, row, snapshot);
        place->row = row;
    }
    return true;
}

bool store_glance_find(const struct version *version, const struct segment_key *key,
                       uint64_t snapshot, struct row_place *place_out)
{
    version_find_prefetch(version, key);
    for (uint32_t t = 0; t < version->table_count; t++) {
        uint32_t row = memtable_find(version->tables[t]->memtable, key->key, key->code, snapshot);
        if (row != MEMTABLE_ROW_NONE) {
            *place_out =
                (struct row_place){.found = true, .in_table = true, .source = t, .row = row};
            return true;
        }
    }
    struct row_place place = {0};
    for (uint32_t s = 0; s < version->segment_count && !place.found; s++) {
        const struct segment_ref *ref = version->segments[s];
        uint64_t first = SEGMENT_ROW_NONE;
        uint32_t count = 0;
        if (!segment_find_cached(ref->segment, key, &first, &count)) {
            return false;
        }
        place.source = s;
        if (count > 0 && !choose_version(ref, first, count, snapshot, &place)) {
            return false;
        }
    }
    *place_out = place;
    return true;
}

/* The row of a memtable; *datum_out borrows its bytes. */
static void table_value(const struct memtable *memtable, uint32_t row, const struct schema *schema,
                        uint32_t position, struct datum *datum_out)
{
    const struct schema *stored = memtable_schema(memtable);
    const struct schema_column *column = &schema->columns[position];
    int32_t at = stored == schema ? (int32_t)position : schema_find_id(stored, column->id);
    if (at < 0) {
        *datum_out = column->missing;
    } else {
        memtable_value(memtable, row, (uint32_t)at, datum_out);
    }
}

bool store_glance_row(const struct version *version, const struct row_place *place,
                      const struct schema *schema, struct datum *values_out)
{
    ASSERT(place->found);
    for (uint32_t i = 0; i < schema->column_count && place->in_table; i++) {
        table_value(version->tables[place->source]->memtable, (uint32_t)place->row, schema, i,
                    &values_out[i]);
    }
    for (uint32_t i = 0; i < schema->column_count && !place->in_table; i++) {
        const struct segment *segment = version->segments[place->source]->segment;
        const struct schema_column *column = &schema->columns[i];
        int32_t at = segment_find_column(segment, column->id);
        if (at < 0) {
            values_out[i] = column->missing;
        } else if (segment_value_cached(segment, place->row, (uint32_t)at, &values_out[i])) {
            values_out[i].type = column->type;
        } else {
            return false;
        }
    }
    return true;
}
