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
    if (scan->positions == NULL || scan->values == NULL) {
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

static tdbplus_status start_scan(tdbplus_scan *scan, const struct scan_args *args, struct txn *txn,
                                 struct err *err)
{
    const tdbplus_scan_options *from = &args->options;
    if (from->order > TDBPLUS_DESCENDING) {
        return err_set(err, TDBPLUS_E_INVALID, "scan: there is no order %d", (int)from->order);
    }
    TRY(engine_find(txn, args->collection, &scan->object, err));
    struct scan_options options = {.order = (uint8_t)from->order, .row_limit = from->limit};
    TRY(choose_columns(scan, from, err));
    options.positions = scan->positions;
    options.position_count = scan->position_count;
    TRY(make_conditions(scan, from, &options, err));
    TRY(make_bound(scan, from->from, from->from_count, false, &options.lower, err));
    TRY(make_bound(scan, from->to, from->to_count, from->to_exclusive, &options.upper, err));
    scan->left = from->limit == 0 ? UINT64_MAX : from->limit;
    return scan_open(txn, scan->object, &options, &scan->scan, err);
}

static tdbplus_status open_work(void *arg, const struct call *call)
{
    const struct scan_args *args = arg;
    tdbplus_db *db = args->collection->db;
    const struct alloc *alloc = &db->host;
    tdbplus_scan *scan = alloc_array(alloc, 1, sizeof *scan);
    if (scan == NULL) {
        return no_memory(call->err);
    }
    scan->db = db;
    arena_init(&scan->arena, alloc, 1024);
    arena_init(&scan->row_arena, alloc, 1024);
    batch_init(&scan->batch, store_alloc(db->store));
    tdbplus_status status = TDBPLUS_OK;
    tdbplus_txn *txn = args->txn;
    if (txn == NULL) {
        tdbplus_call begin = TDBPLUS_CALL_INIT;
        tdbplus_txn_options options = {.struct_size = sizeof options, .read_only = true};
        status = tdbplus_begin(db, &options, &scan->own_txn, &begin);
        txn = scan->own_txn;
        if (status != TDBPLUS_OK) {
            status = err_set(call->err, status, "%s", begin.error.message);
        }
    } else {
        status = txn_statement(txn->txn, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = start_scan(scan, args, txn->txn, call->err);
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
    batch_deinit(&scan->batch);
    scan_close(scan->scan);
    tdbplus_rollback(scan->own_txn);
    arena_deinit(&scan->arena);
    arena_deinit(&scan->row_arena);
    alloc_free(&scan->db->host, scan, 1, sizeof *scan);
}

/* ---- next ---- */

/* Shows the current row of the batch to the caller and goes on to the next. */
static tdbplus_status take_row(tdbplus_scan *scan, struct err *err)
{
    uint32_t row = scan->batch.selection == NULL ? scan->at : scan->batch.selection[scan->at];
    if (scan->row_arena.used_bytes > 0) {
        arena_reset(&scan->row_arena);
    }
    for (uint32_t i = 0; i < scan->position_count; i++) {
        struct datum datum;
        column_get(&scan->batch.columns[i], row, &datum);
        TRY(engine_value(&datum, &scan->row_arena, &scan->values[i], err));
    }
    scan->at++;
    scan->left--;
    return TDBPLUS_OK;
}

static tdbplus_status next_work(void *arg, const struct call *call)
{
    const struct scan_args *args = arg;
    tdbplus_scan *scan = args->scan;
    if (scan->left == 0) {
        return TDBPLUS_END;
    }
    if (scan->at >= batch_live_count(&scan->batch)) {
        scan->at = 0;
        TRY(scan_next(scan->scan, &scan->batch, call));
    }
    TRY(take_row(scan, call->err));
    *args->values_out = scan->values;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_scan_next(tdbplus_scan *scan, const tdbplus_value **values_out,
                                 tdbplus_call *call)
{
    // A row that is here already needs none of what a call may need: neither waits nor time.
    if (scan->left > 0 && scan->at < batch_live_count(&scan->batch)) {
        struct err err;
        err_clear(&err);
        tdbplus_status status = take_row(scan, &err);
        engine_report(call, &err, status);
        if (status == TDBPLUS_OK) {
            *values_out = scan->values;
        }
        return status;
    }
    struct scan_args args = {.scan = scan, .values_out = values_out};
    return engine_run(scan->db, call, next_work, &args, sizeof args);
}
