/* Reading the three kinds of sources, window by window or row by row. */

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "txn/scan_internal.h"

#define VALUES_SIZE_MAX ((size_t)32 << 20) /* Bytes of large values in one batch. */

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "scan: a batch does not fit the memory limit");
}

/* ---- own rows ---- */

/* Which columns of which own rows. */
struct own_request {
    const uint32_t *fetch; /* Positions in the scan's schema. */
    uint32_t fetch_count;
    const uint32_t *numbers;
    uint32_t count;
};

/* Decodes own rows into flat columns of the batch. */
static tdbplus_status decode_own(struct scan *scan, const struct own_request *request,
                                 struct batch *batch, struct err *err)
{
    const struct schema *schema = scan->schema;
    struct datum *values = arena_array(&batch->arena, schema->column_count, sizeof *values);
    struct column *columns =
        arena_array(&batch->arena, (size_t)request->fetch_count + 1, sizeof *columns);
    if (values == NULL || columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < request->fetch_count; c++) {
        struct type type = schema->columns[request->fetch[c]].type;
        if (!column_make(&columns[c], type, request->count, true, &batch->arena)) {
            return no_memory(err);
        }
    }
    for (uint32_t i = 0; i < request->count; i++) {
        const struct change *change = changes_at(&scan->txn->changes, request->numbers[i]);
        uint8_t *row = arena_bytes(&batch->arena, change->row.size);
        if (row == NULL) {
            return no_memory(err);
        }
        memcpy(row, change->row.data, change->row.size);
        struct span bytes = {.data = row, .size = change->row.size};
        TRY(row_decode(schema, bytes, values, err));
        for (uint32_t c = 0; c < request->fetch_count; c++) {
            column_set(&columns[c], i, &values[request->fetch[c]]);
        }
    }
    batch->columns = columns;
    batch->column_count = request->fetch_count;
    batch->row_count = request->count;
    batch->selection = NULL;
    return TDBPLUS_OK;
}

/* ---- columns that a source does not have ---- */

/* Columns of a source that are being read, as `at` has mapped them. */
struct reading {
    struct scan *scan;
    const uint32_t *fetch; /* Positions in the scan's schema. */
    uint32_t fetch_count;
    int32_t *at;         /* Where each is in the source, or -1. */
    uint32_t *positions; /* Those that are there, without gaps. */
    uint32_t position_count;
    struct batch *batch;
};

/* Puts the column's missing value where the source has none, and gives all the declared type. */
static tdbplus_status complete_columns(const struct reading *reading, const struct column *have,
                                       uint32_t row_count, struct column *columns, struct err *err)
{
    struct batch *batch = reading->batch;
    const int32_t *at = reading->at;
    uint32_t next = 0;
    for (uint32_t c = 0; c < reading->fetch_count; c++) {
        const struct schema_column *column = &reading->scan->schema->columns[reading->fetch[c]];
        static const struct datum null = {.type = {.id = TYPE_INT4}, .is_null = true};
        if (at[c] >= 0) {
            columns[c] = have[next++];
            columns[c].type = column->type;
        } else if (planted(PLANT_MISSING_VALUE_IGNORED)) {
            (void)!column_make_constant(&columns[c], &null, row_count, &batch->arena);
        } else if (!column_make_constant(&columns[c], &column->missing, row_count, &batch->arena)) {
            return no_memory(err);
        }
    }
    return TDBPLUS_OK;
}

/* Begins to read columns: room for where they are. */
static tdbplus_status begin_reading(struct scan *scan, const uint32_t *fetch, uint32_t fetch_count,
                                    struct batch *batch, struct reading *reading_out,
                                    struct err *err)
{
    size_t count = (size_t)fetch_count + 1;
    int32_t *at = arena_alloc(&batch->arena, count * (sizeof(int32_t) + sizeof(uint32_t)));
    if (at == NULL) {
        return no_memory(err);
    }
    *reading_out = (struct reading){.scan = scan,
                                    .fetch = fetch,
                                    .fetch_count = fetch_count,
                                    .at = at,
                                    .positions = (uint32_t *)(void *)(at + count),
                                    .batch = batch};
    return TDBPLUS_OK;
}

/* Lists the columns that the source has. */
static void list_present(struct reading *reading)
{
    reading->position_count = 0;
    for (uint32_t c = 0; c < reading->fetch_count; c++) {
        if (reading->at[c] >= 0) {
            reading->positions[reading->position_count++] = (uint32_t)reading->at[c];
        }
    }
}

static void find_table_columns(struct reading *reading, const struct memtable *memtable)
{
    const struct schema *stored = memtable_schema(memtable);
    const struct schema *schema = reading->scan->schema;
    for (uint32_t c = 0; c < reading->fetch_count; c++) {
        uint32_t wanted = reading->fetch[c];
        reading->at[c] =
            stored == schema ? (int32_t)wanted : schema_find_id(stored, schema->columns[wanted].id);
    }
    list_present(reading);
}

/* With `whole` also the documents of which only a part is wanted. */
static void find_segment_columns(struct reading *reading, const struct segment *segment, bool whole)
{
    const struct schema *schema = reading->scan->schema;
    for (uint32_t c = 0; c < reading->fetch_count; c++) {
        bool skip = !whole && scan_is_path(reading->scan, c);
        reading->at[c] =
            skip ? -1 : segment_find_column(segment, schema->columns[reading->fetch[c]].id);
    }
    list_present(reading);
}

/* ---- memtables ---- */

static tdbplus_status read_table(struct scan *scan, const struct scan_source *source,
                                 uint64_t *next_row, struct batch *batch, struct err *err)
{
    const struct memtable *memtable = version_table(scan->version, source->number);
    struct reading reading = {0};
    TRY(begin_reading(scan, scan->fetch, scan->fetch_count, batch, &reading, err));
    find_table_columns(&reading, memtable);
    TRY(memtable_scan_chunk(memtable, (uint32_t)*next_row, scan->snapshot, reading.positions,
                            reading.position_count, batch, err));
    *next_row += MEMTABLE_CHUNK_ROW_COUNT;
    // Rewire what the memtable filled in to the scan's columns.
    struct column *columns =
        arena_array(&batch->arena, (size_t)scan->fetch_count + 1, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    TRY(complete_columns(&reading, batch->columns, batch->row_count, columns, err));
    batch->columns = columns;
    batch->column_count = scan->fetch_count;
    return TDBPLUS_OK;
}

static tdbplus_status gather_table(struct scan *scan, const struct scan_source *source,
                                   const struct gather_rows *rows, struct batch *batch,
                                   struct column *columns_out, struct err *err)
{
    const struct memtable *memtable = version_table(scan->version, source->number);
    struct reading reading = {0};
    TRY(begin_reading(scan, scan->gather, scan->gather_count, batch, &reading, err));
    find_table_columns(&reading, memtable);
    uint32_t *narrow = arena_alloc(&batch->arena, rows->count * sizeof *narrow);
    if (narrow == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        narrow[i] = (uint32_t)rows->rows[i];
    }
    TRY(memtable_gather(memtable, narrow, rows->count, reading.positions, reading.position_count,
                        batch, err));
    return complete_columns(&reading, batch->columns, rows->count, columns_out, err);
}

/* ---- segments ---- */

/* True when the zone map shows that the rows' time is over. */
static bool all_expired(const struct scan *scan, const struct segment *segment, uint64_t first,
                        uint32_t count)
{
    struct segment_zone zone = {0};
    const struct schema_column *column = &scan->schema->columns[scan->fetch[scan->ttl_fetch]];
    int32_t at = segment_find_column(segment, column->id);
    if (at < 0) {
        return false;
    }
    segment_zone(segment, (uint32_t)at, first, count, &zone);
    return zone.has_bounds && zone.null_count == 0 && zone.max.integer <= scan->ttl_limit;
}

/* True when a zone map shows that no row of the window can meet a condition. */
static bool pruned(const struct scan *scan, const struct segment *segment, uint64_t first,
                   uint32_t count)
{
    if (scan->expires && all_expired(scan, segment, first, count)) {
        return true;
    }
    for (uint32_t i = 0; i < scan->options.condition_count; i++) {
        const struct scan_condition *condition = &scan->options.conditions[i];
        int32_t at = segment_find_column(segment, scan->schema->columns[condition->position].id);
        if (at < 0 || condition->value.is_null) {
            continue;
        }
        struct segment_zone zone = {0};
        segment_zone(segment, (uint32_t)at, first, count, &zone);
        if (condition->compare == SCAN_IS_NULL || condition->compare == SCAN_IS_NOT_NULL) {
            continue;
        }
        if (!zone.has_bounds) {
            continue;
        }
        int to_min = datum_compare(&condition->value, &zone.min);
        int to_max = datum_compare(&condition->value, &zone.max);
        bool none = (condition->compare == SCAN_EQUAL && (to_min < 0 || to_max > 0)) ||
                    (condition->compare == SCAN_LESS && to_min <= 0) ||
                    (condition->compare == SCAN_LESS_EQUAL && to_min < 0) ||
                    (condition->compare == SCAN_GREATER && to_max >= 0) ||
                    (condition->compare == SCAN_GREATER_EQUAL && to_max > 0);
        if (none) {
            return true;
        }
    }
    return false;
}

/* Leaves out rows whose transaction the snapshot does not cover. */
static tdbplus_status select_begun(struct scan *scan, struct segment *segment, uint64_t first,
                                   uint32_t row_count, struct batch *batch, uint16_t *selection,
                                   struct err *err)
{
    int32_t at = segment_find_column(segment, SEGMENT_COLUMN_BEGIN);
    ASSERT(at >= 0);
    uint32_t position = (uint32_t)at;
    struct column begins = {0};
    TRY(segment_read(segment, first, row_count, &position, 1, batch, &begins, err));
    uint32_t live = batch->selection == NULL ? row_count : batch->selected_count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < live; i++) {
        uint32_t row = batch->selection == NULL ? i : batch->selection[i];
        struct datum begin;
        column_get(&begins, row, &begin);
        if ((uint64_t)begin.integer <= scan->snapshot || planted(PLANT_SEGMENT_BEGIN_IGNORED)) {
            selection[kept++] = (uint16_t)row;
        }
    }
    batch->selection = selection;
    batch->selected_count = kept;
    return TDBPLUS_OK;
}

static tdbplus_status select_visible(struct scan *scan, uint32_t number, uint64_t first,
                                     uint32_t row_count, struct batch *batch, struct err *err)
{
    uint16_t *selection = arena_array(&batch->arena, BATCH_ROW_COUNT_MAX, sizeof *selection);
    if (selection == NULL) {
        return no_memory(err);
    }
    uint32_t live = delete_map_select(version_deletes(scan->version, number), first, row_count,
                                      scan->snapshot, selection);
    if (live < row_count) {
        batch->selection = selection;
        batch->selected_count = live;
    }
    struct segment *segment = version_segment(scan->version, number);
    if (segment_has_begin(segment) && live > 0) {
        TRY(select_begun(scan, segment, first, row_count, batch, selection, err));
    }
    return TDBPLUS_OK;
}

/* Some of the columns of rows of one segment, on their way into a batch. */
struct window_read {
    struct scan *scan;
    struct segment *segment;
    uint64_t first;
    uint32_t row_count;
    struct batch *batch; /* `columns` has room for all that the scan fetches. */
};

/* A bitmap without a clear bit says nothing, and makes everybody above look at it. */
static void drop_full_validity(struct column *column, uint32_t count)
{
    for (uint32_t i = 0; column->validity != NULL && i < count; i += 64) {
        uint64_t wanted = count - i < 64 ? ((uint64_t)1 << (count - i)) - 1 : UINT64_MAX;
        if ((column->validity[i / 64] & wanted) != wanted) {
            return;
        }
    }
    column->validity = NULL;
}

/* Reads the columns at these places of `fetch`: all rows, or those listed, densely. */
static tdbplus_status read_places(const struct window_read *window, const uint32_t *places,
                                  uint32_t place_count, const uint64_t *rows, uint32_t count,
                                  struct err *err)
{
    struct batch *batch = window->batch;
    struct reading reading = {0};
    uint32_t *fetch = arena_array(&batch->arena, (size_t)place_count + 1, sizeof *fetch);
    struct column *columns =
        arena_array(&batch->arena, 2 * (size_t)place_count + 1, sizeof *columns);
    if (fetch == NULL || columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < place_count; i++) {
        fetch[i] = window->scan->fetch[places[i]];
    }
    TRY(begin_reading(window->scan, fetch, place_count, batch, &reading, err));
    find_segment_columns(&reading, window->segment, false);
    struct column *have = columns + place_count;
    if (rows != NULL) {
        TRY(segment_gather(window->segment, rows, count, reading.positions, reading.position_count,
                           batch, have, err));
    } else {
        TRY(segment_read(window->segment, window->first, window->row_count, reading.positions,
                         reading.position_count, batch, have, err));
    }
    TRY(complete_columns(&reading, have, count, columns, err));
    for (uint32_t i = 0; i < place_count; i++) {
        if (rows != NULL && columns[i].form == COLUMN_FLAT) {
            drop_full_validity(&columns[i], count);
        }
        batch->columns[places[i]] = columns[i];
    }
    return TDBPLUS_OK;
}

/* Fewer survivors than this share of a window are fetched one by one. */
#define GATHER_SHARE 24u

/* The few rows that are left become the whole batch. */
static tdbplus_status gather_late(const struct window_read *window, struct err *err)
{
    struct scan *scan = window->scan;
    struct batch *batch = window->batch;
    uint32_t count = batch->selected_count;
    uint64_t *rows = arena_alloc(&batch->arena, (count + 1u) * sizeof *rows);
    if (rows == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = window->first + batch->selection[i];
    }
    for (uint32_t i = 0; i < scan->early_count; i++) {
        struct column *column = &batch->columns[scan->early[i]];
        struct column flat = {0};
        if (!column_flatten(column, batch->selection, count, &flat, &batch->arena)) {
            return no_memory(err);
        }
        *column = flat;
    }
    batch->selection = NULL;
    batch->row_count = count;
    return read_places(window, scan->late, scan->late_count, rows, count, err);
}

/* Conditions, then the caller's own. */
static tdbplus_status choose_rows(struct scan *scan, const struct scan_morsel *morsel,
                                  struct batch *batch, struct err *err)
{
    bool conditions = scan->options.filter_rows && scan->options.condition_count > 0;
    if (scan->expires) {
        TRY(scan_drop_expired(scan, batch, err));
    }
    if (conditions && batch_live_count(batch) > 0) {
        TRY(scan_match(scan, batch, err));
    }
    if (morsel->keep == NULL || batch_live_count(batch) == 0) {
        return TDBPLUS_OK;
    }
    struct column *all = batch->columns;
    uint32_t column_count = batch->column_count;
    struct column *some =
        arena_array(&batch->arena, (size_t)scan->options.early_count + 1, sizeof *some);
    if (some == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < scan->options.early_count; i++) {
        some[i] = all[scan->keep_fetch[i]];
    }
    batch->columns = some;
    batch->column_count = scan->options.early_count;
    tdbplus_status status = morsel->keep->keep(morsel->keep->context, batch);
    batch->columns = all;
    batch->column_count = column_count;
    return status;
}

/* Of large values a batch holds only so many that they fit in memory. */
static tdbplus_status limit_rows(struct scan *scan, struct segment *segment, uint64_t first,
                                 uint32_t *row_count, struct batch *batch, struct err *err)
{
    uint32_t count = 0;
    uint32_t *positions =
        arena_alloc(&batch->arena, ((size_t)scan->fetch_count + 1) * sizeof *positions);
    if (positions == NULL) {
        return no_memory(err);
    }
    for (uint32_t c = 0; c < scan->fetch_count; c++) {
        int32_t at = segment_find_column(segment, scan->schema->columns[scan->fetch[c]].id);
        if (at >= 0) {
            positions[count++] = (uint32_t)at;
        }
    }
    return segment_rows_within(segment, first, *row_count, positions, count, VALUES_SIZE_MAX,
                               row_count, err);
}

static tdbplus_status read_segment(struct scan *scan, const struct scan_source *source,
                                   struct scan_morsel *morsel, struct batch *batch, struct err *err)
{
    struct segment *segment = version_segment(scan->version, source->number);
    uint64_t first = morsel->next_row;
    uint64_t window_end = (first / SEGMENT_WINDOW_ROW_COUNT + 1) * SEGMENT_WINDOW_ROW_COUNT;
    uint64_t end = window_end < morsel->end_row ? window_end : morsel->end_row;
    uint32_t row_count = (uint32_t)(end - first);
    morsel->next_row = end;
    if (pruned(scan, segment, first, row_count)) {
        return TDBPLUS_OK;
    }
    if (segment_values_count(segment) > 0) {
        TRY(limit_rows(scan, segment, first, &row_count, batch, err));
        morsel->next_row = first + row_count;
    }
    TRY(select_visible(scan, source->number, first, row_count, batch, err));
    if (batch->selection != NULL && batch->selected_count == 0) {
        return TDBPLUS_OK;
    }
    batch->columns =
        arena_array(&batch->arena, (size_t)scan->fetch_count + 1, sizeof *batch->columns);
    if (batch->columns == NULL) {
        return no_memory(err);
    }
    batch->column_count = scan->fetch_count;
    batch->row_count = row_count;
    struct window_read window = {scan, segment, first, row_count, batch};
    TRY(read_places(&window, scan->early, scan->early_count, NULL, row_count, err));
    if (scan->shadow) {
        TRY(scan_filter(scan, source, batch, err));
    }
    TRY(choose_rows(scan, morsel, batch, err));
    uint32_t live = batch_live_count(batch);
    if (live == 0 || scan->late_count == 0) {
        return scan_read_segment_paths(scan, segment, first, batch, err);
    }
    if (batch->selection != NULL && live < row_count / GATHER_SHARE) {
        return gather_late(&window, err);
    }
    return read_places(&window, scan->late, scan->late_count, NULL, row_count, err);
}

static tdbplus_status gather_segment(struct scan *scan, const struct scan_source *source,
                                     const struct gather_rows *rows, struct batch *batch,
                                     struct column *columns_out, struct err *err)
{
    struct segment *segment = version_segment(scan->version, source->number);
    struct reading reading = {0};
    TRY(begin_reading(scan, scan->gather, scan->gather_count, batch, &reading, err));
    find_segment_columns(&reading, segment, true);
    struct column *have = arena_array(&batch->arena, (size_t)scan->gather_count + 1, sizeof *have);
    if (have == NULL) {
        return no_memory(err);
    }
    TRY(segment_gather(segment, rows->rows, rows->count, reading.positions, reading.position_count,
                       batch, have, err));
    return complete_columns(&reading, have, rows->count, columns_out, err);
}

/* ---- any source ---- */

tdbplus_status scan_read_source(struct scan *scan, const struct scan_source *source,
                                struct scan_morsel *morsel, struct batch *batch,
                                const struct call *call)
{
    batch_reset(batch);
    if (source->kind == SOURCE_SEGMENT) {
        return read_segment(scan, source, morsel, batch, call->err);
    }
    if (source->kind == SOURCE_TABLE) {
        TRY(read_table(scan, source, &morsel->next_row, batch, call->err));
    } else {
        uint64_t left = morsel->end_row - morsel->next_row;
        uint32_t count = left < BATCH_ROW_COUNT_MAX ? (uint32_t)left : BATCH_ROW_COUNT_MAX;
        struct own_request request = {.fetch = scan->fetch,
                                      .fetch_count = scan->fetch_count,
                                      .numbers = scan->own + morsel->next_row,
                                      .count = count};
        TRY(decode_own(scan, &request, batch, call->err));
        morsel->next_row += count;
    }
    TRY(scan_filter(scan, source, batch, call->err));
    TRY(choose_rows(scan, morsel, batch, call->err));
    return scan_read_paths(scan, batch, call->err);
}

tdbplus_status scan_gather(struct scan *scan, const struct scan_source *source,
                           const struct gather_rows *rows, struct batch *batch,
                           struct column *columns_out, struct err *err)
{
    if (source->kind == SOURCE_TABLE) {
        return gather_table(scan, source, rows, batch, columns_out, err);
    }
    if (source->kind == SOURCE_SEGMENT) {
        return gather_segment(scan, source, rows, batch, columns_out, err);
    }
    uint32_t *numbers = arena_array(&batch->arena, rows->count, sizeof *numbers);
    if (numbers == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        numbers[i] = scan->own[rows->rows[i]];
    }
    struct own_request request = {.fetch = scan->gather,
                                  .fetch_count = scan->gather_count,
                                  .numbers = numbers,
                                  .count = rows->count};
    TRY(decode_own(scan, &request, batch, err));
    memcpy(columns_out, batch->columns, scan->gather_count * sizeof *columns_out);
    return TDBPLUS_OK;
}
