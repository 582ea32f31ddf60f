/* Scans, one row at a time for the caller, a batch at a time inside. */

#include <string.h>

#include "base/assert.h"
#include "engine/engine_internal.h"

struct scan_args {
    tdbplus_collection *collection;
    tdbplus_txn *txn;
    tdbplus_scan_options options;
    tdbplus_scan *scan;
    tdbplus_scan **scan_out;
    const tdbplus_value **values_out;
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a scan does not fit the memory limit");
}

/* ---- open ---- */

static tdbplus_status find_position(const struct object *object, const char *name,
                                    uint32_t *position_out, struct err *err)
{
    int32_t at = name == NULL ? -1 : schema_find_name(object->schema, name);
    if (at < 0) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42703", "\"%s\" has no column \"%s\"",
                             object->name, name == NULL ? "" : name);
    }
    *position_out = (uint32_t)at;
    return TDBPLUS_OK;
}

static tdbplus_status choose_columns(tdbplus_scan *scan, const tdbplus_scan_options *from,
                                     struct err *err)
{
    const struct schema *schema = scan->object->schema;
    scan->position_count = from->columns == NULL ? schema->column_count : from->column_count;
    if (scan->position_count > 2 * SCHEMA_COLUMN_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "scan: %u columns", scan->position_count);
    }
    size_t capacity = (size_t)scan->position_count + 1;
    scan->positions = arena_array(&scan->arena, capacity, sizeof *scan->positions);
    scan->values = arena_array(&scan->arena, capacity, sizeof *scan->values);
    scan->quick = arena_bytes(&scan->arena, capacity);
    if (scan->positions == NULL || scan->values == NULL || scan->quick == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < scan->position_count; i++) {
        scan->positions[i] = i;
        if (from->columns != NULL) {
            TRY(find_position(scan->object, from->columns[i], &scan->positions[i], err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_conditions(tdbplus_scan *scan, const tdbplus_scan_options *from,
                                      struct scan_options *options, struct err *err)
{
    if (from->condition_count > 1000 || (from->condition_count > 0 && from->conditions == NULL)) {
        return err_set(err, TDBPLUS_E_LIMIT, "scan: %u conditions, at most 1000",
                       from->condition_count);
    }
    struct scan_condition *conditions =
        arena_array(&scan->arena, (size_t)from->condition_count + 1, sizeof *conditions);
    if (conditions == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < from->condition_count; i++) {
        const tdbplus_condition *condition = &from->conditions[i];
        TRY(find_position(scan->object, condition->column, &conditions[i].position, err));
        const struct schema_column *column = &scan->object->schema->columns[conditions[i].position];
        conditions[i].compare = (uint8_t)condition->compare;
        TRY(engine_datum(&condition->value, column->type, column->name, &scan->arena,
                         &conditions[i].value, err));
    }
    options->conditions = conditions;
    options->condition_count = from->condition_count;
    options->filter_rows = true;
    return TDBPLUS_OK;
}

static tdbplus_status make_bound(tdbplus_scan *scan, const tdbplus_value *values, uint32_t count,
                                 bool exclusive, struct scan_bound *bound, struct err *err)
{
    const struct schema *schema = scan->object->schema;
    if (count > schema->key_count || (count > 0 && values == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "scan: the key of \"%s\" has %u columns, not %u",
                       scan->object->name, schema->key_count, count);
    }
    struct datum *data = arena_array(&scan->arena, (size_t)count + 1, sizeof *data);
    if (data == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct schema_column *column = &schema->columns[schema->key_columns[i]];
        TRY(engine_datum(&values[i], column->type, column->name, &scan->arena, &data[i], err));
    }
    *bound = (struct scan_bound){.values = data, .value_count = count, .exclusive = exclusive};
    return TDBPLUS_OK;
}

/* `txn` is NULL for a scan that needs none. */
static tdbplus_status start_scan(tdbplus_scan *scan, const struct scan_args *args, struct txn *txn,
                                 struct err *err)
{
    const tdbplus_scan_options *from = &args->options;
    if (from->order > TDBPLUS_DESCENDING) {
        return err_set(err, TDBPLUS_E_INVALID, "scan: there is no order %d", (int)from->order);
    }
    if (txn != NULL) {
        TRY(engine_find(txn, args->collection, &scan->object, err));
    } else {
        TRY(scan_begin_now(scan->db->store, &scan->scan, err));
        scan->object = scan_find_object(scan->scan, args->collection->id);
        if (scan->object == NULL) {
            return engine_dropped(args->collection, err);
        }
    }
    struct scan_options options = {.order = (uint8_t)from->order, .row_limit = from->limit};
    TRY(choose_columns(scan, from, err));
    options.positions = scan->positions;
    options.position_count = scan->position_count;
    TRY(make_conditions(scan, from, &options, err));
    TRY(make_bound(scan, from->from, from->from_count, false, &options.lower, err));
    TRY(make_bound(scan, from->to, from->to_count, from->to_exclusive, &options.upper, err));
    scan->left = from->limit == 0 ? UINT64_MAX : from->limit;
    return txn != NULL ? scan_open(txn, scan->object, &options, &scan->scan, err)
                       : scan_open_now(scan->scan, scan->object, &options, err);
}

/* ---- handles ---- */

#define ARENA_BLOCK_SIZE ((size_t)1 << 10)
#define BATCH_BLOCK_SIZE ((size_t)16 << 10)
#define REST_SIZE_MAX    ((size_t)64 << 10) /* Of the batch. */

/* A new handle, or where it `may_have_rested` one that did; NULL when memory is out. */
static tdbplus_scan *take_handle(tdbplus_db *db, bool may_have_rested)
{
    for (uint32_t i = 0; may_have_rested && i < ENGINE_RESTING_SCANS_MAX; i++) {
        if (atomic_load_explicit(&db->resting[i], memory_order_relaxed) != NULL) {
            tdbplus_scan *scan =
                atomic_exchange_explicit(&db->resting[i], NULL, memory_order_acquire);
            if (scan != NULL) {
                return scan;
            }
        }
    }
    tdbplus_scan *scan = alloc_array(&db->host, 1, sizeof *scan);
    if (scan != NULL) {
        scan->db = db;
        arena_init(&scan->arena, &db->host, ARENA_BLOCK_SIZE);
        arena_init(&scan->row_arena, &db->host, ARENA_BLOCK_SIZE);
        batch_init(&scan->batch, store_alloc(db->store));
        scan->batch.arena.block_size = BATCH_BLOCK_SIZE;
    }
    return scan;
}

static void destroy_handle(tdbplus_scan *scan)
{
    engine_free_shown_rows(scan);
    batch_deinit(&scan->batch);
    scan_close(scan->scan);
    arena_deinit(&scan->arena);
    arena_deinit(&scan->row_arena);
    alloc_free(&scan->db->host, scan, 1, sizeof *scan);
}

/* Puts the handle aside for the next scan; false when it is to be destroyed. */
static bool rest_handle(tdbplus_scan *scan)
{
    if (scan->batch.arena.used_bytes > REST_SIZE_MAX ||
        scan->row_arena.used_bytes > REST_SIZE_MAX || scan->arena.used_bytes > REST_SIZE_MAX) {
        return false;
    }
    if (scan->rows == NULL) { // Else nothing of it was used.
        batch_reset(&scan->batch);
        if (scan->scan == NULL || !scan_rest(scan->scan)) {
            return false;
        }
    }
    arena_reset(&scan->arena);
    arena_reset(&scan->row_arena);
    scan->rows = NULL;
    scan->at = 0;
    scan->live = 0;
    tdbplus_db *db = scan->db;
    for (uint32_t i = 0; i < ENGINE_RESTING_SCANS_MAX; i++) {
        tdbplus_scan *none = NULL;
        if (atomic_load_explicit(&db->resting[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&db->resting[i], &none, scan,
                                                    memory_order_release, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

void engine_drop_resting_scans(tdbplus_db *db)
{
    for (uint32_t i = 0; i < ENGINE_RESTING_SCANS_MAX; i++) {
        tdbplus_scan *scan = atomic_exchange(&db->resting[i], NULL);
        if (scan != NULL) {
            destroy_handle(scan);
        }
    }
}

static tdbplus_status open_work(void *arg, const struct call *call)
{
    const struct scan_args *args = arg;
    // A scan in a transaction is one of the transaction's and never rests.
    tdbplus_scan *scan = take_handle(args->collection->db, args->txn == NULL);
    if (scan == NULL) {
        return no_memory(call->err);
    }
    if (args->txn == NULL && engine_scan_short(scan, args->collection, &args->options)) {
        *args->scan_out = scan;
        return TDBPLUS_OK;
    }
    struct txn *txn = args->txn == NULL ? NULL : args->txn->txn;
    tdbplus_status status = txn == NULL ? TDBPLUS_OK : txn_statement(txn, call->err);
    if (status == TDBPLUS_OK) {
        status = start_scan(scan, args, txn, call->err);
    }
    if (status != TDBPLUS_OK) {
        tdbplus_scan_close(scan);
        return status;
    }
    *args->scan_out = scan;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_scan_open(tdbplus_collection *collection, tdbplus_txn *txn,
                                 const tdbplus_scan_options *options, tdbplus_scan **scan_out,
                                 tdbplus_call *call)
{
    struct scan_args args = {.collection = collection, .txn = txn, .scan_out = scan_out};
    if (options != NULL) {
        size_t size =
            options->struct_size < sizeof args.options ? options->struct_size : sizeof args.options;
        memcpy(&args.options, options, size);
    }
    return engine_run(collection->db, call, open_work, &args, sizeof args);
}

void tdbplus_scan_close(tdbplus_scan *scan)
{
    if (scan == NULL) {
        return;
    }
    if (!rest_handle(scan)) {
        destroy_handle(scan);
    }
}

/* ---- next ---- */

/* How values of a batch's column are shown. */
enum quick_kind {
    QUICK_NOT = 0, /* By column_get() and engine_value(). */
    QUICK_8,       /* Eight bytes as they are. */
    QUICK_INT4,
    QUICK_VIEW,
};

static enum quick_kind quick_kind_of(const struct column *column)
{
    if (column->form != COLUMN_FLAT || column->validity != NULL) {
        return QUICK_NOT;
    }
    switch (column->type.id) {
    case TYPE_INT8:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
    case TYPE_FLOAT8:
        return QUICK_8;
    case TYPE_INT4:
    case TYPE_DATE:
        return QUICK_INT4;
    case TYPE_TEXT:
    case TYPE_BYTEA:
        return QUICK_VIEW;
    default:
        return QUICK_NOT;
    }
}

_Static_assert(sizeof(double) == sizeof(int64_t), "eight bytes are eight bytes");

/* What is the same for all rows of a new batch. */
static void begin_batch(tdbplus_scan *scan)
{
    scan->at = 0;
    scan->live = batch_live_count(&scan->batch);
    scan->is_quick = scan->batch.selection == NULL;
    for (uint32_t i = 0; i < scan->position_count; i++) {
        const struct column *column = &scan->batch.columns[i];
        scan->quick[i] = (uint8_t)quick_kind_of(column);
        scan->is_quick = scan->is_quick && scan->quick[i] != QUICK_NOT;
        scan->values[i].type = (tdbplus_type)column->type.id;
        scan->values[i].is_null = false;
    }
}

/* Shows a value that needs looking at or conversion. */
static __attribute__((noinline)) tdbplus_status take_slowly(tdbplus_scan *scan, uint32_t number,
                                                            uint32_t row, struct err *err)
{
    struct datum datum;
    column_get(&scan->batch.columns[number], row, &datum);
    return engine_value(&datum, &scan->row_arena, &scan->values[number], err);
}

/* Shows a value that lies as it is shown. */
static inline void take_quickly(const struct column *column, uint8_t kind, uint32_t row,
                                tdbplus_value *value)
{
    if (kind == QUICK_8) {
        value->as.integer = ((const int64_t *)column->data)[row];
    } else if (kind == QUICK_VIEW) {
        const struct view *view = (const struct view *)column->data + row;
        value->as.bytes.data = view_data(view);
        value->as.bytes.size = view->size;
    } else {
        value->as.integer = ((const int32_t *)column->data)[row];
    }
}

/* Shows the current row of the batch to the caller and goes on to the next. */
static tdbplus_status take_row(tdbplus_scan *scan, struct err *err)
{
    uint32_t row = scan->batch.selection == NULL ? scan->at : scan->batch.selection[scan->at];
    if (scan->row_arena.used_bytes > 0) {
        arena_reset(&scan->row_arena);
    }
    for (uint32_t i = 0; i < scan->position_count; i++) {
        if (scan->quick[i] == QUICK_NOT) {
            TRY(take_slowly(scan, i, row, err));
        } else {
            take_quickly(&scan->batch.columns[i], scan->quick[i], row, &scan->values[i]);
        }
    }
    scan->at++;
    scan->left--;
    return TDBPLUS_OK;
}

/* The same of a batch whose rows all are shown as they lie: cannot fail. */
static inline void take_quick_row(tdbplus_scan *scan)
{
    const struct column *columns = scan->batch.columns;
    const uint8_t *quick = scan->quick;
    tdbplus_value *values = scan->values;
    for (uint32_t i = 0, count = scan->position_count; i < count; i++) {
        take_quickly(&columns[i], quick[i], scan->at, &values[i]);
    }
    scan->at++;
    scan->left--;
}

static tdbplus_status next_work(void *arg, const struct call *call)
{
    const struct scan_args *args = arg;
    tdbplus_scan *scan = args->scan;
    if (scan->left == 0) {
        return TDBPLUS_END;
    }
    if (scan->at >= scan->live) {
        scan->live = 0;
        TRY(scan_next(scan->scan, &scan->batch, call));
        begin_batch(scan);
    }
    TRY(take_row(scan, call->err));
    *args->values_out = scan->values;
    return TDBPLUS_OK;
}

/* The row is here, but has values to be made. */
static __attribute__((noinline)) tdbplus_status
next_here(tdbplus_scan *scan, const tdbplus_value **values_out, tdbplus_call *call)
{
    struct err err;
    err_clear(&err);
    tdbplus_status status = take_row(scan, &err);
    if (status == TDBPLUS_OK) {
        *values_out = scan->values;
    }
    if (call != NULL && (status != TDBPLUS_OK || call->error.status != TDBPLUS_OK)) {
        engine_report(call, &err, status);
    }
    return status;
}

static __attribute__((noinline)) tdbplus_status
next_batch(tdbplus_scan *scan, const tdbplus_value **values_out, tdbplus_call *call)
{
    struct scan_args args = {.scan = scan, .values_out = values_out};
    return engine_run(scan->db, call, next_work, &args, sizeof args);
}

tdbplus_status tdbplus_scan_next(tdbplus_scan *scan, const tdbplus_value **values_out,
                                 tdbplus_call *call)
{
    // A row that is here already needs none of what a call may need: neither waits nor time.
    if (scan->left > 0 && scan->at < scan->live) {
        if (scan->rows != NULL) {
            *values_out = scan->rows + (size_t)scan->at * scan->position_count;
            scan->at++;
            scan->left--;
            if (call != NULL && call->error.status != TDBPLUS_OK) {
                engine_report(call, NULL, TDBPLUS_OK);
            }
            return TDBPLUS_OK;
        }
        if (!scan->is_quick) {
            return next_here(scan, values_out, call);
        }
        take_quick_row(scan);
        *values_out = scan->values;
        if (call != NULL && call->error.status != TDBPLUS_OK) {
            engine_report(call, NULL, TDBPLUS_OK);
        }
        return TDBPLUS_OK;
    }
    return next_batch(scan, values_out, call);
}
