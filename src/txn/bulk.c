/*
 * A load goes through these states:
 *
 *   GATHER --- few rows --------------------> changes of the transaction
 *     |  \---- ascending so far -> STREAM -> the writer of a segment
 *     |                              | a row out of order: what is written becomes a run
 *     \------- not ascending ----> RUNS ---> sorted runs, merged at the end
 *   ROWS: from the beginning rows become changes of the transaction.
 *
 * Whatever reaches the final segments passes emit(), in strictly ascending order, and is looked up
 * there among the rows that exist.
 */

#include "txn/bulk.h"

#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/segment/merge.h"
#include "txn/bulk_rows.h"
#include "txn/expired.h"
#include "txn/txn_internal.h"

enum bulk_state {
    BULK_GATHER = 0,
    BULK_STREAM = 1,
    BULK_RUNS = 2,
    BULK_ROWS = 3,
};

struct bulk {
    struct txn *txn;
    struct store *store;
    const struct alloc *alloc;
    const struct object *object;
    const struct schema *schema;
    struct bulk_options options;
    struct txn_savepoint before;
    uint8_t state; /* enum bulk_state. */
    bool integer;  /* Keys are their codes. */
    bool ascending;
    uint64_t row_count;
    uint64_t byte_count;
    struct bulk_rows rows;    /* Gathered, or of the run to come. */
    struct buffer last;       /* The newest key while rows ascend; */
    uint64_t last_code;       /* its code. */
    bool has_last;            /* There was one. */
    struct arena arena;       /* For `existing`. */
    struct version *existing; /* Rows there before; NULL: none. Referenced. */
    bool has_ranges;          /* Some of them the transaction has deleted. */
    uint32_t stage;           /* Number of it; 0 before rows go into segments. */
    uint64_t change_mark;     /* Changes before the first one for this load. */
    struct list runs;         /* struct segment_ref *, oldest first. */
    struct segment_writer *writer;
    uint64_t writer_id;
    struct batch batch; /* Scratch of sorted rows. */
    struct buffer keys; /* Scratch of one window. */
    struct span key_spans[BATCH_ROW_COUNT_MAX];
    uint64_t key_codes[BATCH_ROW_COUNT_MAX];
};

/* Up to 2,048 rows with their keys. */
struct window {
    const struct batch *batch;
    uint32_t count;
    const struct span *keys; /* NULL for integer keys. */
    const uint64_t *codes;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "load: it does not fit the memory limit");
}

/* ---- making and ending ---- */

/* Rows that were changed one by one would have to be taken back where the load replaces them. */
static bool must_go_by_rows(const struct bulk *bulk)
{
    const struct change_table *table = changes_find_table(&bulk->txn->changes, bulk->object->id);
    return bulk->options.direct_rows == UINT64_MAX ||
           txn_columns_changed(bulk->txn, bulk->object) || txn_has_parts(bulk->txn, bulk->object) ||
           (table != NULL && changes_of_rows(&bulk->txn->changes, table));
}

tdbplus_status bulk_begin(struct txn *txn, const struct object *object,
                          const struct bulk_options *options, struct bulk **bulk_out,
                          struct err *err)
{
    TRY(txn_check_writable(txn, err));
    if (object->collection == NULL || options->mode > TXN_UPSERT) {
        return err_set(err, TDBPLUS_E_INVALID, "load: \"%s\" takes no rows", object->name);
    }
    struct bulk *bulk = alloc_array(txn->alloc, 1, sizeof *bulk);
    if (bulk == NULL) {
        return no_memory(err);
    }
    bulk->txn = txn;
    bulk->store = txn->store;
    bulk->alloc = txn->alloc;
    bulk->object = object;
    bulk->schema = object->schema;
    bulk->options = *options;
    if (bulk->options.direct_rows == 0) {
        bulk->options.direct_rows = BULK_DIRECT_ROWS_DEFAULT;
    }
    bulk->before = txn_savepoint_set(txn);
    bulk->integer = key_is_integer(object->schema);
    bulk->ascending = true;
    bulk_rows_init(&bulk->rows, bulk->schema, bulk->alloc);
    buffer_init(&bulk->last, bulk->alloc);
    buffer_init(&bulk->keys, bulk->alloc);
    arena_init(&bulk->arena, bulk->alloc, 1024);
    list_init(&bulk->runs, bulk->alloc, sizeof(struct segment_ref *));
    batch_init(&bulk->batch, bulk->alloc);
    bulk->state = must_go_by_rows(bulk) ? BULK_ROWS : BULK_GATHER;
    txn->open_loads++;
    *bulk_out = bulk;
    return TDBPLUS_OK;
}

static void release_runs(struct bulk *bulk)
{
    for (size_t i = 0; i < bulk->runs.count; i++) {
        store_load_release(*(struct segment_ref **)list_at(&bulk->runs, i));
    }
    bulk->runs.count = 0;
}

static void destroy(struct bulk *bulk)
{
    ASSERT(bulk->txn->open_loads > 0);
    bulk->txn->open_loads--;
    segment_writer_abandon(bulk->writer);
    release_runs(bulk);
    list_deinit(&bulk->runs);
    version_release(bulk->existing);
    bulk_rows_deinit(&bulk->rows);
    batch_deinit(&bulk->batch);
    buffer_deinit(&bulk->last);
    buffer_deinit(&bulk->keys);
    arena_deinit(&bulk->arena);
    alloc_free(bulk->alloc, bulk, 1, sizeof *bulk);
}

void bulk_abort(struct bulk *bulk)
{
    if (bulk == NULL) {
        return;
    }
    struct txn *txn = bulk->txn;
    struct txn_savepoint before = bulk->before;
    destroy(bulk);
    txn_savepoint_rollback(txn, before);
    txn_savepoint_release(txn, before);
}

bool bulk_is_direct(const struct bulk *bulk)
{
    return bulk->stage != 0;
}

/* ---- checking ---- */

static bool has_nulls(const struct column *column)
{
    return column->validity != NULL ||
           (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
}

static inline uint32_t row_at(const struct batch *batch, uint32_t number)
{
    return batch->selection == NULL ? number : batch->selection[number];
}

static tdbplus_status check_nulls(const struct bulk *bulk, const struct batch *batch,
                                  uint32_t number, struct err *err)
{
    const struct schema_column *column = &bulk->schema->columns[number];
    if (!column->not_null || !has_nulls(&batch->columns[number])) {
        return TDBPLUS_OK;
    }
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        if (column_is_null(&batch->columns[number], row_at(batch, i))) {
            return txn_null_error(bulk->object, column, err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_sizes(struct bulk *bulk, const struct batch *batch, uint32_t number,
                                  struct err *err)
{
    const struct schema_column *column = &bulk->schema->columns[number];
    uint32_t count = batch_live_count(batch);
    if (type_physical(column->type) != PHYSICAL_VIEW) {
        bulk->byte_count += (uint64_t)count * type_width(column->type);
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum value;
        column_get(&batch->columns[number], row_at(batch, i), &value);
        size_t size = value.is_null ? 0 : value.bytes.size;
        if (size > VALUE_SIZE_MAX) {
            return txn_size_error(column, size, err);
        }
        bulk->byte_count += size;
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_batch(const struct bulk *bulk, const struct batch *batch,
                                  struct err *err)
{
    if (batch->column_count != bulk->schema->column_count) {
        return err_set(err, TDBPLUS_E_INVALID, "\"%s\" has %u columns, the batch %u",
                       bulk->object->name, bulk->schema->column_count, batch->column_count);
    }
    for (uint32_t i = 0; i < batch->column_count; i++) {
        const struct schema_column *column = &bulk->schema->columns[i];
        if (!txn_type_fits(batch->columns[i].type, column->type)) {
            char have[64];
            char want[64];
            type_name(batch->columns[i].type, have);
            type_name(column->type, want);
            return err_set(err, TDBPLUS_E_TYPE, "column \"%s\" of \"%s\" is of type %s, not %s",
                           column->name, bulk->object->name, want, have);
        }
    }
    return TDBPLUS_OK;
}

/* ---- keys ---- */

static void integer_codes(const struct bulk *bulk, const struct batch *batch, uint64_t *codes)
{
    const struct column *column = &batch->columns[bulk->schema->key_columns[0]];
    uint32_t count = batch_live_count(batch);
    if (column->form == COLUMN_FLAT && batch->selection == NULL && type_width(column->type) == 8) {
        for (uint32_t i = 0; i < count; i++) {
            codes[i] = key_code_of_integer(((const int64_t *)column->data)[i]);
        }
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum value;
        column_get(column, row_at(batch, i), &value);
        codes[i] = key_code_of_integer(value.integer);
    }
}

static void gather_key(const struct bulk *bulk, const struct batch *batch, uint32_t row,
                       struct datum values[SCHEMA_KEY_COUNT_MAX])
{
    for (uint32_t k = 0; k < bulk->schema->key_count; k++) {
        column_get(&batch->columns[bulk->schema->key_columns[k]], row, &values[k]);
    }
}

/* Normalised keys of the batch's live rows, in the load's scratch. */
static tdbplus_status make_keys(struct bulk *bulk, const struct batch *batch,
                                struct window *window_out, struct err *err)
{
    uint32_t count = batch_live_count(batch);
    *window_out = (struct window){.batch = batch, .count = count, .codes = bulk->key_codes};
    if (bulk->integer) {
        integer_codes(bulk, batch, bulk->key_codes);
        return TDBPLUS_OK;
    }
    size_t ends[BATCH_ROW_COUNT_MAX];
    buffer_clear(&bulk->keys);
    for (uint32_t i = 0; i < count; i++) {
        struct datum values[SCHEMA_KEY_COUNT_MAX];
        gather_key(bulk, batch, row_at(batch, i), values);
        TRY(key_encode(values, bulk->schema->key_count, &bulk->keys, err));
        ends[i] = bulk->keys.size;
    }
    if (bulk->keys.failed) {
        return no_memory(err);
    }
    // Only now the bytes stay where they are.
    for (uint32_t i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        struct span key = {.data = bulk->keys.data + begin, .size = ends[i] - begin};
        bulk->key_spans[i] = key;
        bulk->key_codes[i] = key_code(key);
    }
    window_out->keys = bulk->key_spans;
    return TDBPLUS_OK;
}

/* True when every key is greater than the one before it. */
static bool ascends(const struct bulk *bulk, const struct window *window)
{
    uint64_t code = bulk->last_code;
    struct span key = buffer_span(&bulk->last);
    bool has_one = bulk->has_last;
    for (uint32_t i = 0; i < window->count; i++) {
        bool after = window->codes[i] > code || !has_one;
        if (!after && window->keys != NULL && window->codes[i] == code) {
            after = span_compare(window->keys[i], key) > 0;
        }
        if (!after) {
            return false;
        }
        code = window->codes[i];
        key = window->keys == NULL ? key : window->keys[i];
        has_one = true;
    }
    return true;
}

static tdbplus_status remember_last(struct bulk *bulk, const struct window *window, struct err *err)
{
    bulk->has_last = true;
    bulk->last_code = window->codes[window->count - 1];
    if (window->keys != NULL) {
        buffer_clear(&bulk->last);
        buffer_put_span(&bulk->last, window->keys[window->count - 1]);
    }
    return bulk->last.failed ? no_memory(err) : TDBPLUS_OK;
}

/* ---- rows that are there already ---- */

static tdbplus_status duplicate(const struct bulk *bulk, const struct batch *batch, uint32_t row,
                                struct err *err)
{
    // Only the key's values are looked at.
    struct datum *values = alloc_array(bulk->alloc, bulk->schema->column_count, sizeof *values);
    if (values == NULL) {
        return no_memory(err);
    }
    for (uint32_t k = 0; k < bulk->schema->key_count; k++) {
        uint32_t position = bulk->schema->key_columns[k];
        column_get(&batch->columns[position], row, &values[position]);
    }
    tdbplus_status status = txn_duplicate_key(bulk->object, values, bulk->alloc, err);
    alloc_free(bulk->alloc, values, bulk->schema->column_count, sizeof *values);
    return status;
}

/* False when the transaction has deleted the row with that key, or the range that it is in. */
static tdbplus_status still_exists(struct bulk *bulk, const struct segment_key *key,
                                   bool *exists_out, struct err *err)
{
    struct stage_answer answer = {0};
    TRY(txn_ask_stages(bulk->txn, bulk->object, key, &answer, err));
    version_release(answer.version);
    *exists_out = !answer.is_hidden;
    return TDBPLUS_OK;
}

/* True when nobody sees the row any more: it may be replaced whatever the mode. */
static tdbplus_status has_expired(struct bulk *bulk, const struct segment_key *key,
                                  bool *expired_out, struct err *err)
{
    struct row_place place = {0};
    if (bulk->schema->ttl_column_id == 0) {
        return TDBPLUS_OK;
    }
    TRY(version_find(bulk->existing, key, TIMESTAMP_OPEN - 1, &place, err));
    TRY(expiry_check(bulk->existing, bulk->schema, bulk->txn->snapshot.timestamp, &place,
                     bulk->alloc, err));
    *expired_out = !place.found;
    return TDBPLUS_OK;
}

/* A row exists that has the key of the window's row `number`. */
static tdbplus_status meet(struct bulk *bulk, const struct window *window, uint32_t number,
                           const struct segment_key *key, uint64_t begin, struct err *err)
{
    struct txn *txn = bulk->txn;
    bool exists = true;
    if (bulk->has_ranges || bulk->change_mark > 0) {
        TRY(still_exists(bulk, key, &exists, err));
    }
    if (!exists) {
        return TDBPLUS_OK;
    }
    if (txn->options.isolation == TXN_REPEATABLE_READ && begin > txn->snapshot.timestamp) {
        return err_set(err, TDBPLUS_E_CONFLICT,
                       "could not serialize access due to concurrent update");
    }
    bool expired = false;
    TRY(has_expired(bulk, key, &expired, err));
    if (bulk->options.mode == TXN_INSERT && !expired) {
        return duplicate(bulk, window->batch, row_at(window->batch, number), err);
    }
    return planted(PLANT_LOAD_REPLACED_STAY)
               ? TDBPLUS_OK
               : txn_add_replaced(txn, bulk->object, bulk->stage, key, err);
}

static tdbplus_status meet_existing(struct bulk *bulk, const struct window *window, struct err *err)
{
    struct segment_key keys[VERSION_FIND_MAX];
    struct open_row open[VERSION_FIND_MAX];
    uint8_t bytes[VERSION_FIND_MAX][8];
    for (uint32_t first = 0; first < window->count; first += VERSION_FIND_MAX) {
        uint32_t left = window->count - first;
        uint32_t count = left < VERSION_FIND_MAX ? left : VERSION_FIND_MAX;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t code = window->codes[first + i];
            struct span key = {.data = bytes[i], .size = 8};
            if (window->keys == NULL) {
                store_u64_be(bytes[i], code);
            } else {
                key = window->keys[first + i];
            }
            keys[i] = (struct segment_key){.key = key, .code = code, .hash = key_hash(key)};
        }
        TRY(version_find_open(bulk->existing, keys, count, open, err));
        for (uint32_t i = 0; i < count; i++) {
            if (open[i].found) {
                TRY(meet(bulk, window, first + i, &keys[i], open[i].begin, err));
            }
        }
    }
    return TDBPLUS_OK;
}

/* ---- segments ---- */

/* Ends the segment being written; *segments takes it over. [waits] */
static tdbplus_status end_segment(struct bulk *bulk, struct list *segments, struct err *err)
{
    struct segment_writer *writer = bulk->writer;
    struct segment_ref *ref = NULL;
    if (writer == NULL) {
        return TDBPLUS_OK;
    }
    if (!list_reserve(segments, 1)) {
        return no_memory(err);
    }
    bulk->writer = NULL;
    TRY(store_load_end(bulk->store, writer, bulk->writer_id, &ref, err));
    (void)list_push(segments, &ref);
    return TDBPLUS_OK;
}

static struct list *stage_segments(struct bulk *bulk)
{
    return &stages_at(&bulk->txn->stages, bulk->stage)->segments;
}

/* Appends rows to the segment at hand. [waits] */
static tdbplus_status append(struct bulk *bulk, const struct window *window, struct err *err)
{
    if (bulk->writer == NULL) {
        TRY(store_load_begin(bulk->store, bulk->object, &bulk->writer, &bulk->writer_id, err));
    }
    return segment_writer_add(bulk->writer, window->batch, window->keys, NULL, err);
}

/* Rows in their final order. [waits] */
static tdbplus_status emit(struct bulk *bulk, const struct window *window, const struct call *call)
{
    TRY(env_check_call(store_env(bulk->store), call));
    if (bulk->existing != NULL) {
        TRY(meet_existing(bulk, window, call->err));
    }
    TRY(append(bulk, window, call->err));
    if (segment_writer_row_count(bulk->writer) >= store_load_segment_rows(bulk->store)) {
        return end_segment(bulk, stage_segments(bulk), call->err);
    }
    return TDBPLUS_OK;
}

/* Sorted rows in memory, one portion. */
static tdbplus_status sorted_window(struct bulk *bulk, size_t first, struct window *window_out,
                                    struct err *err)
{
    size_t left = bulk->rows.entries.count - first;
    uint32_t count = left < BATCH_ROW_COUNT_MAX ? (uint32_t)left : BATCH_ROW_COUNT_MAX;
    const struct bulk_entry *entries = list_at(&bulk->rows.entries, first);
    TRY(bulk_rows_batch(&bulk->rows, first, count, &bulk->batch, err));
    for (uint32_t i = 0; i < count; i++) {
        bulk->key_codes[i] = entries[i].code;
        bulk->key_spans[i] = entries[i].key;
    }
    *window_out = (struct window){.batch = &bulk->batch,
                                  .count = count,
                                  .keys = bulk->integer ? NULL : bulk->key_spans,
                                  .codes = bulk->key_codes};
    return TDBPLUS_OK;
}

static tdbplus_status sort_rows(struct bulk *bulk, struct err *err)
{
    TRY(bulk_rows_sort(&bulk->rows, err));
    uint32_t twice = bulk_rows_unify(&bulk->rows);
    if (twice == UINT32_MAX || bulk->options.mode == TXN_UPSERT) {
        return TDBPLUS_OK;
    }
    TRY(bulk_rows_batch(&bulk->rows, twice, 1, &bulk->batch, err));
    return duplicate(bulk, &bulk->batch, 0, err);
}

/* ---- runs ---- */

/* Takes over one portion of merged rows: to the final segments, or to a run that takes the place of
 * many. */
static tdbplus_status take_merged(struct bulk *bulk, const struct window *window, bool is_final,
                                  const struct call *call)
{
    return is_final ? emit(bulk, window, call) : append(bulk, window, call->err);
}

/* Leaves out rows whose key the row before has: the newest comes first. */
static tdbplus_status drop_repeats(struct bulk *bulk, const struct merge_rows *rows,
                                   struct window *window_out, struct err *err)
{
    struct batch *batch = &bulk->batch;
    uint16_t *kept = arena_array(&batch->arena, rows->row_count, sizeof *kept);
    if (kept == NULL) {
        return no_memory(err);
    }
    struct window all = {.batch = batch, .count = rows->row_count, .codes = bulk->key_codes};
    if (bulk->integer) {
        integer_codes(bulk, batch, bulk->key_codes);
    } else {
        all.keys = bulk->key_spans;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->row_count; i++) {
        uint64_t code = bulk->integer ? bulk->key_codes[i] : key_code(rows->keys[i]);
        struct span key = bulk->integer ? (struct span){0} : rows->keys[i];
        struct span last =
            count > 0 && !bulk->integer ? bulk->key_spans[count - 1] : buffer_span(&bulk->last);
        uint64_t last_code = count > 0 ? bulk->key_codes[count - 1] : bulk->last_code;
        bool has_last = count > 0 || bulk->has_last;
        if (has_last && code == last_code && (bulk->integer || span_compare(key, last) == 0)) {
            if (bulk->options.mode == TXN_INSERT) {
                return duplicate(bulk, batch, i, err);
            }
            continue;
        }
        bulk->key_codes[count] = code;
        bulk->key_spans[count] = key;
        kept[count++] = (uint16_t)i;
    }
    all.count = count;
    if (count < rows->row_count) {
        batch->selection = kept;
        batch->selected_count = count;
    }
    *window_out = all;
    return TDBPLUS_OK;
}

static tdbplus_status pump(struct bulk *bulk, struct merge *merge, bool is_final,
                           const struct call *call)
{
    bulk->has_last = false;
    for (;;) {
        struct merge_rows rows = {0};
        struct window window = {0};
        TRY(merge_next(merge, &bulk->batch, &rows, call->err));
        if (rows.row_count == 0) {
            return TDBPLUS_OK;
        }
        TRY(drop_repeats(bulk, &rows, &window, call->err));
        if (window.count > 0) {
            TRY(remember_last(bulk, &window, call->err));
            TRY(take_merged(bulk, &window, is_final, call));
        }
    }
}

/* Merges all runs into the final segments, or into one run. [waits] */
static tdbplus_status merge_runs(struct bulk *bulk, bool is_final, const struct call *call)
{
    struct merge_source sources[MERGE_SOURCE_COUNT_MAX] = {0};
    uint32_t count = (uint32_t)bulk->runs.count;
    for (uint32_t i = 0; i < count; i++) { // Newest first.
        struct segment_ref *ref = *(struct segment_ref **)list_at(&bulk->runs, count - 1 - i);
        sources[i].segment = store_load_segment(ref);
    }
    struct merge_options options = {
        .alloc = bulk->alloc, .schema = bulk->schema, .sources = sources, .source_count = count};
    struct merge *merge = NULL;
    struct list merged = {0};
    list_init(&merged, bulk->alloc, sizeof(struct segment_ref *));
    TRY(merge_create(&options, &merge, call->err));
    tdbplus_status status = pump(bulk, merge, is_final, call);
    if (status == TDBPLUS_OK) {
        status = end_segment(bulk, is_final ? stage_segments(bulk) : &merged, call->err);
    }
    batch_reset(&bulk->batch);
    merge_destroy(merge);
    if (status == TDBPLUS_OK) {
        release_runs(bulk);
    }
    for (size_t i = 0; i < merged.count; i++) {
        (void)list_push(&bulk->runs, list_at(&merged, i)); // There is room: it was longer.
    }
    list_deinit(&merged);
    return status;
}

/* Makes a run of the rows in memory. [waits] */
static tdbplus_status write_run(struct bulk *bulk, const struct call *call)
{
    TRY(sort_rows(bulk, call->err));
    for (size_t first = 0; first < bulk->rows.entries.count; first += BATCH_ROW_COUNT_MAX) {
        struct window window = {0};
        TRY(env_check_call(store_env(bulk->store), call));
        TRY(sorted_window(bulk, first, &window, call->err));
        TRY(append(bulk, &window, call->err));
    }
    TRY(end_segment(bulk, &bulk->runs, call->err));
    bulk_rows_clear(&bulk->rows);
    return bulk->runs.count < MERGE_SOURCE_COUNT_MAX ? TDBPLUS_OK : merge_runs(bulk, false, call);
}

static tdbplus_status add_to_run(struct bulk *bulk, const struct window *window,
                                 const struct call *call)
{
    TRY(bulk_rows_add(&bulk->rows, window->batch, window->keys, window->codes, call->err));
    bool full = bulk_rows_size(&bulk->rows) >= store_load_sort_bytes(bulk->store);
    return full ? write_run(bulk, call) : TDBPLUS_OK;
}

/* ---- changing the state ---- */

/* Keeps other writers out, and looks at what is there from then on. [waits] */
static tdbplus_status engage(struct bulk *bulk, const struct call *call)
{
    struct txn *txn = bulk->txn;
    struct change_table *table = NULL;
    TRY(txn_bar(txn, bulk->object, call));
    TRY(changes_table(&txn->changes, bulk->object, &table, call->err));
    bulk->change_mark = txn->changes.items.count;
    struct version *base = version_acquire(bulk->object->collection);
    struct stages_view view = {0};
    bulk->has_ranges = stages_have_range(&txn->stages, bulk->object->id, UINT64_MAX);
    bool emptied = stages_emptied(&txn->stages, bulk->object->id, UINT64_MAX) > 0;
    tdbplus_status status = stages_view(&txn->stages, bulk->object, UINT64_MAX,
                                        emptied ? NULL : base, &bulk->arena, &view, call->err);
    version_release(base);
    TRY(status);
    if (version_is_empty(view.version)) {
        version_release(view.version);
    } else {
        bulk->existing = view.version;
    }
    if (stages_add(&txn->stages, bulk->object->id, txn->statement) == NULL) {
        return no_memory(call->err);
    }
    bulk->stage = (uint32_t)txn->stages.count;
    return TDBPLUS_OK;
}

/* The rows gathered so far turned out to be many. [waits] */
static tdbplus_status go_direct(struct bulk *bulk, const struct call *call)
{
    TRY(engage(bulk, call));
    if (!bulk->ascending) {
        bulk->state = BULK_RUNS;
        return TDBPLUS_OK;
    }
    for (size_t first = 0; first < bulk->rows.entries.count; first += BATCH_ROW_COUNT_MAX) {
        struct window window = {0};
        TRY(sorted_window(bulk, first, &window, call->err));
        TRY(emit(bulk, &window, call));
    }
    bulk_rows_clear(&bulk->rows);
    bulk->state = BULK_STREAM;
    return TDBPLUS_OK;
}

/* A row is out of order: the segments written so far are runs to be merged with the rest. [waits]
 */
static tdbplus_status break_stream(struct bulk *bulk, struct err *err)
{
    struct list *segments = stage_segments(bulk);
    TRY(end_segment(bulk, segments, err));
    if (!list_reserve(&bulk->runs, segments->count)) {
        return no_memory(err);
    }
    for (size_t i = 0; i < segments->count; i++) {
        (void)list_push(&bulk->runs, list_at(segments, i));
    }
    segments->count = 0;
    // What the rows replace is looked up again when they come out of the merge.
    changes_rollback(&bulk->txn->changes, bulk->change_mark);
    bulk->state = BULK_RUNS;
    return TDBPLUS_OK;
}

/* ---- adding ---- */

/* Rows as changes of the transaction. [waits] */
static tdbplus_status write_rows(struct bulk *bulk, const struct batch *batch,
                                 const struct call *call)
{
    struct txn *txn = bulk->txn;
    return txn_write_batch(txn, bulk->object, bulk->options.mode, batch, NULL, call);
}

static tdbplus_status gather(struct bulk *bulk, const struct window *window,
                             const struct call *call)
{
    bulk->ascending = bulk->ascending && ascends(bulk, window);
    TRY(remember_last(bulk, window, call->err));
    TRY(bulk_rows_add(&bulk->rows, window->batch, window->keys, window->codes, call->err));
    bool many = bulk->rows.entries.count >= bulk->options.direct_rows ||
                bulk_rows_size(&bulk->rows) >= store_load_sort_bytes(bulk->store);
    return many ? go_direct(bulk, call) : TDBPLUS_OK;
}

/* At most 2,048 rows. [waits] */
static tdbplus_status add_window(struct bulk *bulk, const struct batch *batch,
                                 const struct call *call)
{
    uint32_t count = batch_live_count(batch);
    if (count == 0) {
        return TDBPLUS_OK;
    }
    bulk->row_count += count;
    if (bulk->state == BULK_ROWS) {
        return write_rows(bulk, batch, call);
    }
    for (uint32_t i = 0; i < bulk->schema->column_count; i++) {
        TRY(check_nulls(bulk, batch, i, call->err));
        TRY(check_sizes(bulk, batch, i, call->err));
    }
    struct window window = {0};
    TRY(make_keys(bulk, batch, &window, call->err));
    if (bulk->state == BULK_GATHER) {
        return gather(bulk, &window, call);
    }
    if (bulk->state == BULK_STREAM && ascends(bulk, &window)) {
        TRY(remember_last(bulk, &window, call->err));
        return emit(bulk, &window, call);
    }
    if (bulk->state == BULK_STREAM) {
        TRY(break_stream(bulk, call->err));
    }
    return add_to_run(bulk, &window, call);
}

/* Rows [first, first + count) of a batch without selection; `first` is a multiple of 2,048. */
static void cut_window(const struct batch *batch, uint32_t first, uint32_t count,
                       struct column *columns, struct batch *window)
{
    for (uint32_t i = 0; i < batch->column_count; i++) {
        struct column column = batch->columns[i];
        column.row_count = count;
        if (column.form != COLUMN_CONSTANT && column.validity != NULL) {
            column.validity += first / 64;
        }
        if (column.form == COLUMN_FLAT) {
            column.data = (uint8_t *)column.data + first * type_width(column.type);
        } else if (column.form == COLUMN_DICTIONARY) {
            column.codes += first;
        }
        columns[i] = column;
    }
    *window =
        (struct batch){.columns = columns, .column_count = batch->column_count, .row_count = count};
}

tdbplus_status bulk_add(struct bulk *bulk, const struct batch *batch, const struct call *call)
{
    TRY(check_batch(bulk, batch, call->err));
    if (batch->row_count <= BATCH_ROW_COUNT_MAX) {
        return add_window(bulk, batch, call);
    }
    if (batch->selection != NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "load: a selection in more than %u rows",
                       BATCH_ROW_COUNT_MAX);
    }
    struct column *columns = alloc_array(bulk->alloc, batch->column_count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(call->err);
    }
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t first = 0; first < batch->row_count && status == TDBPLUS_OK;) {
        uint32_t left = batch->row_count - first;
        uint32_t count = left < BATCH_ROW_COUNT_MAX ? left : BATCH_ROW_COUNT_MAX;
        struct batch window = {0};
        cut_window(batch, first, count, columns, &window);
        status = add_window(bulk, &window, call);
        first += count;
    }
    alloc_free(bulk->alloc, columns, batch->column_count, sizeof *columns);
    return status;
}

/* ---- the end ---- */

/* So few rows that they become changes of the transaction, in order of arrival. */
static tdbplus_status end_gathered(struct bulk *bulk, const struct call *call)
{
    for (size_t first = 0; first < bulk->rows.entries.count; first += BATCH_ROW_COUNT_MAX) {
        struct window window = {0};
        TRY(sorted_window(bulk, first, &window, call->err));
        TRY(write_rows(bulk, &bulk->batch, call));
    }
    return TDBPLUS_OK;
}

static tdbplus_status end_runs(struct bulk *bulk, const struct call *call)
{
    if (bulk->runs.count > 0) {
        if (bulk->rows.entries.count > 0) {
            TRY(write_run(bulk, call));
        }
        return merge_runs(bulk, true, call);
    }
    TRY(sort_rows(bulk, call->err));
    for (size_t first = 0; first < bulk->rows.entries.count; first += BATCH_ROW_COUNT_MAX) {
        struct window window = {0};
        TRY(sorted_window(bulk, first, &window, call->err));
        TRY(emit(bulk, &window, call));
    }
    return TDBPLUS_OK;
}

static tdbplus_status end_stage(struct bulk *bulk, struct err *err)
{
    TRY(end_segment(bulk, stage_segments(bulk), err));
    const struct change_table *table = changes_find_table(&bulk->txn->changes, bulk->object->id);
    if (table != NULL && changes_of_rows(&bulk->txn->changes, table)) {
        return err_set(err, TDBPLUS_E_STATE,
                       "load: rows of \"%s\" were changed while it was loaded", bulk->object->name);
    }
    struct txn_stage *stage = stages_at(&bulk->txn->stages, bulk->stage);
    stage->byte_count = bulk->byte_count;
    stage->is_done = true;
    return TDBPLUS_OK;
}

static tdbplus_status end_rows(struct bulk *bulk, const struct call *call)
{
    switch ((enum bulk_state)bulk->state) {
    case BULK_GATHER:
        return end_gathered(bulk, call);
    case BULK_RUNS:
        return end_runs(bulk, call);
    case BULK_STREAM:
    case BULK_ROWS:
        break;
    }
    return TDBPLUS_OK;
}

tdbplus_status bulk_end(struct bulk *bulk, uint64_t *row_count_out, const struct call *call)
{
    tdbplus_status status = end_rows(bulk, call);
    if (status == TDBPLUS_OK && bulk->stage != 0) {
        status = end_stage(bulk, call->err);
    }
    if (status != TDBPLUS_OK) {
        bulk_abort(bulk);
        return status;
    }
    if (row_count_out != NULL) {
        *row_count_out = bulk->row_count;
    }
    txn_savepoint_release(bulk->txn, bulk->before);
    destroy(bulk);
    return TDBPLUS_OK;
}
