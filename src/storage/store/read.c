#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/store/store_internal.h"

#define COPY_SIZE_MAX              4096u /* Longer values of a memtable are pinned, not copied. */
#define PREFETCH_SEGMENT_COUNT_MAX 8u

/* Among the adjacent versions of a key, the one the snapshot sees. */
static tdbplus_status choose_version(const struct segment_ref *ref, uint64_t first, uint32_t count,
                                     uint64_t snapshot, struct row_place *place, struct err *err)
{
    bool has_begin = segment_has_begin(ref->segment);
    if (ref->born > snapshot) {
        return TDBPLUS_OK;
    }
    for (uint64_t row = first; row < first + count; row++) {
        if (!delete_map_visible(ref->deletes, row, snapshot)) {
            continue;
        }
        uint64_t begin = 0;
        if (has_begin) {
            TRY(segment_begin(ref->segment, row, &begin, err));
        }
        if (begin <= snapshot || planted(PLANT_SEGMENT_BEGIN_IGNORED)) {
            place->found = true;
            place->row = row;
            return TDBPLUS_OK;
        }
    }
    return TDBPLUS_OK;
}

void version_find_prefetch(const struct version *version, const struct segment_key *key)
{
    for (uint32_t s = 0; s < version->segment_count && s < PREFETCH_SEGMENT_COUNT_MAX; s++) {
        segment_find_prefetch(version->segments[s]->segment, key);
    }
    const struct memtable_key table_key = {.key = key->key, .code = key->code};
    for (uint32_t t = 0; t < version->table_count; t++) {
        memtable_find_prefetch(version->tables[t]->memtable, &table_key);
    }
}

tdbplus_status version_find(struct version *version, const struct segment_key *key,
                            uint64_t snapshot, struct row_place *place_out, struct err *err)
{
    struct row_place place = {.in_table = true};
    // The filters of the segments are on their way while the memtables are searched.
    version_find_prefetch(version, key);
    for (uint32_t t = 0; t < version->table_count; t++) {
        uint32_t row = memtable_find(version->tables[t]->memtable, key->key, key->code, snapshot);
        if (row != MEMTABLE_ROW_NONE) {
            *place_out =
                (struct row_place){.found = true, .in_table = true, .source = t, .row = row};
            return TDBPLUS_OK;
        }
    }
    place.in_table = false;
    for (uint32_t s = 0; s < version->segment_count && !place.found; s++) {
        uint64_t first = SEGMENT_ROW_NONE;
        uint32_t count = 0;
        TRY(segment_find(version->segments[s]->segment, key, &first, &count, err));
        place.source = s;
        if (count > 0) {
            TRY(choose_version(version->segments[s], first, count, snapshot, &place, err));
        }
    }
    *place_out = place;
    return TDBPLUS_OK;
}

/* Keys still to be found, packed, and which of the caller's they are. */
struct pending {
    uint32_t count;
    uint32_t numbers[VERSION_FIND_MAX];
    struct segment_key keys[VERSION_FIND_MAX];
};

static void find_in_table(const struct memtable *memtable, uint32_t number, uint64_t snapshot,
                          struct pending *pending, struct row_place *places)
{
    struct memtable_key keys[VERSION_FIND_MAX];
    uint32_t rows[VERSION_FIND_MAX];
    for (uint32_t i = 0; i < pending->count; i++) {
        keys[i] = (struct memtable_key){.key = pending->keys[i].key, .code = pending->keys[i].code};
    }
    memtable_find_batch(memtable, keys, pending->count, snapshot, rows);
    uint32_t left = 0;
    for (uint32_t i = 0; i < pending->count; i++) {
        if (rows[i] != MEMTABLE_ROW_NONE) {
            places[pending->numbers[i]] = (struct row_place){
                .found = true, .in_table = true, .source = number, .row = rows[i]};
        } else {
            pending->numbers[left] = pending->numbers[i];
            pending->keys[left++] = pending->keys[i];
        }
    }
    pending->count = left;
}

static tdbplus_status find_in_segment(const struct segment_ref *ref, uint32_t number,
                                      uint64_t snapshot, struct pending *pending,
                                      struct row_place *places, struct err *err)
{
    uint64_t rows[VERSION_FIND_MAX];
    uint32_t counts[VERSION_FIND_MAX] = {0};
    for (uint32_t i = 0; i < pending->count; i++) {
        rows[i] = SEGMENT_ROW_NONE;
    }
    TRY(segment_find_batch(ref->segment, pending->keys, pending->count, rows, counts, err));
    uint32_t left = 0;
    for (uint32_t i = 0; i < pending->count; i++) {
        struct row_place place = {.source = number};
        if (rows[i] != SEGMENT_ROW_NONE && counts[i] > 0) {
            TRY(choose_version(ref, rows[i], counts[i], snapshot, &place, err));
        }
        if (place.found) {
            places[pending->numbers[i]] = place;
        } else {
            pending->numbers[left] = pending->numbers[i];
            pending->keys[left++] = pending->keys[i];
        }
    }
    pending->count = left;
    return TDBPLUS_OK;
}

tdbplus_status version_find_batch(struct version *version, const struct segment_key *keys,
                                  uint32_t count, uint64_t snapshot, struct row_place *places_out,
                                  struct err *err)
{
    ASSERT(count <= VERSION_FIND_MAX);
    struct row_place places[VERSION_FIND_MAX] = {0};
    struct pending pending = {.count = count};
    for (uint32_t i = 0; i < count; i++) {
        pending.numbers[i] = i;
        pending.keys[i] = keys[i];
    }
    for (uint32_t t = 0; t < version->table_count && pending.count > 0; t++) {
        find_in_table(version->tables[t]->memtable, t, snapshot, &pending, places);
    }
    for (uint32_t s = 0; s < version->segment_count && pending.count > 0; s++) {
        TRY(find_in_segment(version->segments[s], s, snapshot, &pending, places, err));
    }
    memcpy(places_out, places, count * sizeof *places);
    return TDBPLUS_OK;
}

#define PREFETCH_COLUMN_COUNT_MAX 8u /* Of wider rows the first; more would only push them out. */

static uint32_t prefetch_count(const struct schema *schema)
{
    return schema->column_count < PREFETCH_COLUMN_COUNT_MAX ? schema->column_count
                                                            : PREFETCH_COLUMN_COUNT_MAX;
}

static void prefetch_from_segment(struct segment *segment, uint64_t row,
                                  const struct schema *schema)
{
    for (uint32_t i = 0; i < schema->column_count && i < PREFETCH_COLUMN_COUNT_MAX; i++) {
        int32_t at = segment_find_column(segment, schema->columns[i].id);
        if (at >= 0) {
            segment_value_prefetch(segment, row, (uint32_t)at);
        }
    }
}

void version_prefetch(struct version *version, const struct row_place *places, uint32_t count,
                      const struct schema *schema)
{
    static const uint32_t all[PREFETCH_COLUMN_COUNT_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    for (uint32_t i = 0; i < count; i++) {
        const struct row_place *place = &places[i];
        if (place->found && !place->in_table) {
            prefetch_from_segment(version->segments[place->source]->segment, place->row, schema);
        } else if (place->found) {
            const struct memtable *memtable = version->tables[place->source]->memtable;
            memtable_values_prefetch(memtable, (uint32_t)place->row, all,
                                     prefetch_count(memtable_schema(memtable)));
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct row_place *place = &places[i];
        if (place->found && place->in_table) {
            const struct memtable *memtable = version->tables[place->source]->memtable;
            memtable_bytes_prefetch(memtable, (uint32_t)place->row, all,
                                    prefetch_count(memtable_schema(memtable)));
        }
    }
}

/* Latest change among a segment's versions of the key. */
static tdbplus_status newest_in_segment(const struct segment_ref *ref, uint64_t first,
                                        uint32_t count, uint64_t *changed, bool *open,
                                        struct err *err)
{
    for (uint64_t row = first; row < first + count; row++) {
        uint64_t end = delete_map_end_of(ref->deletes, row);
        uint64_t when = end;
        if (end == TIMESTAMP_OPEN) {
            *open = true;
            TRY(segment_begin(ref->segment, row, &when, err));
            when = when > ref->born ? when : ref->born;
        }
        *changed = when > *changed ? when : *changed;
    }
    return TDBPLUS_OK;
}

tdbplus_status version_newest(struct version *version, const struct segment_key *key,
                              uint64_t *changed_out, bool *open_out, struct err *err)
{
    uint64_t changed = 0;
    bool open = false;
    for (uint32_t t = 0; t < version->table_count; t++) {
        const struct memtable *memtable = version->tables[t]->memtable;
        uint32_t row = memtable_newest(memtable, key->key, key->code);
        if (row == MEMTABLE_ROW_NONE) {
            continue;
        }
        uint64_t end = memtable_end_of(memtable, row);
        open = open || end == TIMESTAMP_OPEN;
        uint64_t when = end == TIMESTAMP_OPEN ? memtable_begin(memtable, row) : end;
        changed = when > changed ? when : changed;
    }
    for (uint32_t s = 0; s < version->segment_count && !open; s++) {
        uint64_t first = SEGMENT_ROW_NONE;
        uint32_t count = 0;
        TRY(segment_find(version->segments[s]->segment, key, &first, &count, err));
        TRY(newest_in_segment(version->segments[s], first, count, &changed, &open, err));
    }
    *changed_out = changed;
    *open_out = open;
    return TDBPLUS_OK;
}

static void release_version(void *held)
{
    version_release(held);
}

/* The memtable goes when its version does: short bytes are copied, long ones keep the version. */
static tdbplus_status keep_bytes(struct version *version, struct batch *batch, struct datum *datum,
                                 bool *pinned, struct err *err)
{
    if (datum->is_null || type_physical(datum->type) < PHYSICAL_VIEW || *pinned) {
        return TDBPLUS_OK;
    }
    if (datum->bytes.size <= COPY_SIZE_MAX) {
        uint8_t *copy = arena_bytes(&batch->arena, datum->bytes.size);
        if (copy == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "get: a row does not fit the memory limit");
        }
        if (datum->bytes.size > 0) {
            memcpy(copy, datum->bytes.data, datum->bytes.size);
        }
        datum->bytes.data = copy;
        return TDBPLUS_OK;
    }
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    if (!batch_pin(batch, version, release_version)) {
        version_release(version);
        return err_set(err, TDBPLUS_E_NOMEM, "get: a row does not fit the memory limit");
    }
    *pinned = true;
    return TDBPLUS_OK;
}

static tdbplus_status table_row(struct version *version, const struct row_place *place,
                                const struct schema *schema, const uint32_t *positions,
                                uint32_t position_count, struct batch *batch,
                                struct datum *values_out, struct err *err)
{
    const struct memtable *memtable = version->tables[place->source]->memtable;
    const struct schema *stored = memtable_schema(memtable);
    bool pinned = false;
    for (uint32_t i = 0; i < position_count; i++) {
        uint32_t wanted = positions == NULL ? i : positions[i];
        const struct schema_column *column = &schema->columns[wanted];
        int32_t at = stored == schema ? (int32_t)wanted : schema_find_id(stored, column->id);
        if (at < 0) {
            values_out[i] = column->missing;
            continue;
        }
        memtable_value(memtable, (uint32_t)place->row, (uint32_t)at, &values_out[i]);
        TRY(keep_bytes(version, batch, &values_out[i], &pinned, err));
    }
    return TDBPLUS_OK;
}

tdbplus_status version_row(struct version *version, const struct row_place *place,
                           const struct schema *schema, const uint32_t *positions,
                           uint32_t position_count, struct batch *batch, struct datum *values_out,
                           struct err *err)
{
    ASSERT(place->found);
    if (place->in_table) {
        return table_row(version, place, schema, positions, position_count, batch, values_out, err);
    }
    struct segment *segment = version->segments[place->source]->segment;
    for (uint32_t i = 0; i < position_count; i++) {
        uint32_t wanted = positions == NULL ? i : positions[i];
        const struct schema_column *column = &schema->columns[wanted];
        int32_t at = segment_find_column(segment, column->id);
        if (at < 0) {
            values_out[i] = column->missing;
            continue;
        }
        TRY(segment_value(segment, place->row, (uint32_t)at, batch, &values_out[i], err));
        values_out[i].type = column->type;
    }
    return TDBPLUS_OK;
}
