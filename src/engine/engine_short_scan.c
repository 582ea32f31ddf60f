/*
 * Short scans. Who reads some rows from a key on, outside of a transaction, mostly finds all of
 * them in memory: then they are merged, read and copied in one go inside a glance, and what a scan
 * that lives on needs (a snapshot, references, windows, columns) is never made.
 */

#include <string.h>

#include "engine/engine_internal.h"
#include "storage/store/store_read.h"

#define VALUE_COUNT_MAX 512u               /* Of all rows; scans of more go the long way, */
#define BYTES_MAX       ((size_t)24 << 10) /* as do those of more bytes. */

struct shown_rows {
    struct glance_range *range;
    uint32_t positions[GLANCE_COLUMNS_MAX];
    tdbplus_value values[VALUE_COUNT_MAX];
    uint8_t bytes[BYTES_MAX];
};

void engine_free_shown_rows(tdbplus_scan *scan)
{
    if (scan->shown != NULL) {
        glance_range_destroy(scan->shown->range);
        alloc_free(&scan->db->host, scan->shown, sizeof *scan->shown, 1);
        scan->shown = NULL;
    }
}

static bool make_room(tdbplus_scan *scan)
{
    if (scan->shown == NULL) {
        scan->shown = alloc_raw(&scan->db->host, sizeof *scan->shown);
        if (scan->shown == NULL) {
            return false;
        }
        scan->shown->range = glance_range_create(&scan->db->host);
        if (scan->shown->range == NULL) {
            engine_free_shown_rows(scan);
            return false;
        }
    }
    return true;
}

/* Does the scan ask for nothing but rows from a key on? */
static bool is_short(const tdbplus_scan_options *options)
{
    return options->order == TDBPLUS_ASCENDING && options->condition_count == 0 &&
           options->to_count == 0 && options->from_count <= 1 && options->limit > 0 &&
           options->limit <= GLANCE_ROWS_MAX &&
           (options->from_count == 0 || (options->from != NULL && !options->from->is_null));
}

/* False where a column is not there: the long way says so. */
static bool choose_positions(const struct schema *schema, const tdbplus_scan_options *options,
                             uint32_t *positions, uint32_t *count_out)
{
    uint32_t count = options->columns == NULL ? schema->column_count : options->column_count;
    if (count > GLANCE_COLUMNS_MAX || count * options->limit > VALUE_COUNT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name = options->columns == NULL ? NULL : options->columns[i];
        int32_t at = options->columns == NULL ? (int32_t)i
                     : name == NULL           ? -1
                                              : schema_find_name(schema, name);
        if (at < 0) {
            return false;
        }
        positions[i] = (uint32_t)at;
    }
    *count_out = count;
    return true;
}

/* ---- columns ---- */

/* Where the values of one column go: each row's is `step` after the one before. */
struct place {
    struct shown_rows *shown;
    uint32_t number; /* Of the wanted columns. */
    uint32_t step;
    struct type type;
};

static bool show_bytes(const struct place *place, size_t *used)
{
    struct span spans[GLANCE_ROWS_MAX];
    struct shown_rows *shown = place->shown;
    uint32_t count = glance_range_count(shown->range);
    if (!glance_range_spans(shown->range, place->number, spans)) {
        return false;
    }
    tdbplus_value *value = shown->values + place->number;
    uint8_t *to = shown->bytes + *used;
    const uint8_t *end = shown->bytes + BYTES_MAX;
    for (uint32_t i = 0; i < count; i++, value += place->step) {
        size_t size = spans[i].size;
        if (size > (size_t)(end - to)) {
            return false;
        }
        if (size > 0) {
            memcpy(to, spans[i].data, size);
        }
        value->type = (tdbplus_type)place->type.id;
        value->is_null = spans[i].data == NULL;
        value->as.bytes.data = to;
        value->as.bytes.size = size;
        to += size;
    }
    *used = (size_t)(to - shown->bytes);
    return true;
}

static bool show_integers(const struct place *place)
{
    int64_t keys[GLANCE_ROWS_MAX];
    uint32_t count = glance_range_count(place->shown->range);
    glance_range_integers(place->shown->range, keys);
    tdbplus_value *value = place->shown->values + place->number;
    struct datum datum = {.type = place->type};
    for (uint32_t i = 0; i < count; i++, value += place->step) {
        datum.integer = keys[i];
        if (!engine_show_value(&datum, value)) {
            return false;
        }
    }
    return true;
}

static bool show_others(const struct place *place)
{
    struct datum data[GLANCE_ROWS_MAX];
    uint32_t count = glance_range_count(place->shown->range);
    if (type_physical(place->type) == PHYSICAL_VIEW ||
        !glance_range_values(place->shown->range, place->number, data)) {
        return false;
    }
    tdbplus_value *value = place->shown->values + place->number;
    for (uint32_t i = 0; i < count; i++, value += place->step) {
        if (!engine_show_value(&data[i], value)) {
            return false;
        }
    }
    return true;
}

static bool show_columns(struct shown_rows *shown, const struct schema *schema,
                         uint32_t column_count)
{
    size_t used = 0;
    for (uint32_t i = 0; i < column_count; i++) {
        uint32_t position = shown->positions[i];
        struct place place = {.shown = shown,
                              .number = i,
                              .step = column_count,
                              .type = schema->columns[position].type};
        bool is_bytes = place.type.id == TYPE_TEXT || place.type.id == TYPE_BYTEA;
        bool is_shown = is_bytes                             ? show_bytes(&place, &used)
                        : position == schema->key_columns[0] ? show_integers(&place)
                                                             : show_others(&place);
        if (!is_shown) {
            return false;
        }
    }
    return true;
}

/* The whole scan, inside a glance. */
static bool scan_at(tdbplus_scan *scan, const struct store_glance *glance, uint64_t collection,
                    const tdbplus_scan_options *options)
{
    struct shown_rows *shown = scan->shown;
    const struct object *object = catalog_by_id(glance->catalog, collection);
    if (object == NULL || !txn_glance_allows_range(object) ||
        !choose_positions(object->schema, options, shown->positions, &scan->position_count)) {
        return false;
    }
    struct datum from = {0};
    if (options->from_count > 0) {
        const struct schema *schema = object->schema;
        const struct schema_column *column = &schema->columns[schema->key_columns[0]];
        if (engine_datum(options->from, column->type, column->name, &scan->arena, &from, NULL) !=
            TDBPLUS_OK) {
            return false;
        }
    }
    struct glance_request request = {.positions = shown->positions,
                                     .position_count = scan->position_count,
                                     .limit = (uint32_t)options->limit};
    return txn_glance_range(glance, object, options->from_count > 0 ? &from : NULL, &request,
                            shown->range) &&
           show_columns(shown, object->schema, scan->position_count);
}

bool engine_scan_short(tdbplus_scan *scan, const tdbplus_collection *collection,
                       const tdbplus_scan_options *options)
{
    if (!is_short(options) || !make_room(scan)) {
        return false;
    }
    struct store *store = collection->db->store;
    struct store_glance glance;
    store_glance_begin(store, &glance);
    bool is_known = scan_at(scan, &glance, collection->id, options) &&
                    store_visible_timestamp(store) == glance.timestamp; // X7
    store_glance_end(&glance);
    if (is_known) {
        scan->rows = scan->shown->values;
        scan->live = glance_range_count(scan->shown->range);
        scan->left = scan->live;
        scan->at = 0;
    }
    return is_known;
}
