/* Arrow streams of scans and results, and rows out of streams. */

#include "tdbplus/arrow.h"

#include <string.h>

#include "engine/session.h"
#include "types/arrow.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "an Arrow stream does not fit the memory limit");
}

struct arrow_args {
    tdbplus_collection *collection;
    tdbplus_txn *txn;
    tdbplus_scan_options options;
    tdbplus_result *result;
    struct ArrowArrayStream *stream;
    uint64_t *rows_out;
};

/* ---- out: scans ---- */

/* Keeps the first `count` live rows. */
static bool cut_batch(struct batch *batch, uint32_t first, uint32_t count)
{
    uint16_t *rows = arena_array(&batch->arena, (size_t)count + 1, sizeof *rows);
    for (uint32_t i = 0; rows != NULL && i < count; i++) {
        uint32_t at = first + i;
        rows[i] = batch->selection == NULL ? (uint16_t)at : batch->selection[at];
    }
    batch->selection = rows;
    batch->selected_count = count;
    return rows != NULL;
}

static tdbplus_status next_of_scan(void *ctx, struct batch *batch, struct err *err)
{
    tdbplus_scan *scan = ctx;
    struct call call = {.alloc = store_alloc(scan->db->store), .err = err};
    if (scan->left == 0) {
        return TDBPLUS_END;
    }
    TRY(scan_next(scan->scan, batch, &call));
    uint32_t count = batch_live_count(batch);
    if (count > scan->left) {
        count = (uint32_t)scan->left;
        if (!cut_batch(batch, 0, count)) {
            batch_reset(batch);
            return no_memory(err);
        }
    }
    scan->left -= count;
    return TDBPLUS_OK;
}

static void close_scan(void *ctx)
{
    tdbplus_scan_close(ctx);
}

static tdbplus_status export_scan(tdbplus_scan *scan, struct ArrowArrayStream *out, struct err *err)
{
    struct arrow_column *columns =
        arena_array(&scan->arena, (size_t)scan->position_count + 1, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < scan->position_count; i++) {
        const struct schema_column *from = &scan->object->schema->columns[scan->positions[i]];
        columns[i] = (struct arrow_column){
            .name = from->name, .type = from->type, .not_null = from->not_null};
    }
    struct arrow_source source = {.next = next_of_scan, .close = close_scan, .ctx = scan};
    return arrow_export_stream(columns, scan->position_count, NULL, &source, &scan->db->host, out,
                               err);
}

static tdbplus_status scan_work(void *arg, const struct call *call)
{
    const struct arrow_args *args = arg;
    if (args->stream == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "no place for a stream");
    }
    tdbplus_call open = TDBPLUS_CALL_INIT;
    tdbplus_scan *scan = NULL;
    tdbplus_status status =
        tdbplus_scan_open(args->collection, args->txn, &args->options, &scan, &open);
    if (status != TDBPLUS_OK) {
        return err_set_state(call->err, status, open.error.sqlstate, "%s", open.error.message);
    }
    status = export_scan(scan, args->stream, call->err);
    if (status != TDBPLUS_OK) {
        tdbplus_scan_close(scan);
    }
    return status;
}

tdbplus_status tdbplus_scan_arrow(tdbplus_collection *collection, tdbplus_txn *txn,
                                  const tdbplus_scan_options *options, struct ArrowArrayStream *out,
                                  tdbplus_call *call)
{
    struct arrow_args args = {.collection = collection, .txn = txn, .stream = out};
    args.options.struct_size = sizeof args.options;
    if (options != NULL) {
        size_t size =
            options->struct_size < sizeof args.options ? options->struct_size : sizeof args.options;
        memcpy(&args.options, options, size);
        args.options.struct_size = sizeof args.options;
    }
    return engine_run(collection->db, call, scan_work, &args, sizeof args);
}

/* ---- out: results ---- */

static tdbplus_status next_of_result(void *ctx, struct batch *batch, struct err *err)
{
    tdbplus_result *result = ctx;
    struct call call = {.alloc = store_alloc(result->db->store), .err = err};
    TRY(result_next_batch(result, &call));
    // What was read moves out whole, and the empty batch of the stream takes its place.
    struct batch empty = *batch;
    *batch = result->batch;
    result->batch = empty;
    return TDBPLUS_OK;
}

static void close_result(void *ctx)
{
    tdbplus_result_close(ctx);
}

static tdbplus_status result_work(void *arg, const struct call *call)
{
    const struct arrow_args *args = arg;
    tdbplus_result *result = args->result;
    if (result->column_count == 0 || args->stream == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "the statement gives no rows");
    }
    uint32_t count = result->column_count;
    struct arrow_column *columns = arena_array(&result->arena, count, sizeof *columns);
    uint32_t live = batch_live_count(&result->batch);
    if (columns == NULL || (!result->batch_ready && result->at < live &&
                            !cut_batch(&result->batch, result->at, live - result->at))) {
        return no_memory(call->err);
    }
    if (result->at < live) {
        result->batch_ready = true;
        result->at = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i] =
            (struct arrow_column){.name = result->columns[i].name, .type = result->types[i]};
    }
    struct arrow_source source = {.next = next_of_result, .close = close_result, .ctx = result};
    return arrow_export_stream(columns, count, NULL, &source, &result->db->host, args->stream,
                               call->err);
}

tdbplus_status tdbplus_result_arrow(tdbplus_result *result, struct ArrowArrayStream *out,
                                    tdbplus_call *call)
{
    struct arrow_args args = {.result = result, .stream = out};
    return engine_run(result->db, call, result_work, &args, sizeof args);
}

/* ---- in ---- */

struct import {
    const struct object *object;
    struct txn *txn;
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct arena arena;
    struct arena row_arena;
    struct arrow_column *fields;
    uint32_t field_count;
    uint32_t *places; /* The column of a field. */
    struct datum *row;
    uint64_t row_count;
};

static tdbplus_status producer_failed(struct import *import, struct err *err)
{
    const char *why = import->stream->get_last_error(import->stream);
    return err_set(err, TDBPLUS_E_INVALID, "the Arrow stream failed: %s",
                   why == NULL ? "no reason given" : why);
}

static tdbplus_status match_fields(struct import *import, struct err *err)
{
    const struct schema *schema = import->object->schema;
    TRY(arrow_import_schema(&import->schema, &import->arena, &import->fields, &import->field_count,
                            err));
    import->places = arena_array(&import->arena, (size_t)import->field_count + 1, sizeof(uint32_t));
    import->row = arena_array(&import->arena, schema->column_count, sizeof *import->row);
    if (import->places == NULL || import->row == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        import->row[i] = (struct datum){.type = schema->columns[i].type, .is_null = true};
    }
    for (uint32_t i = 0; i < import->field_count; i++) {
        int32_t at = schema_find_name(schema, import->fields[i].name);
        if (at < 0) {
            return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42703", "\"%s\" has no column \"%s\"",
                                 import->object->name, import->fields[i].name);
        }
        import->places[i] = (uint32_t)at;
    }
    return TDBPLUS_OK;
}

static tdbplus_status import_row(struct import *import, const struct batch *batch, uint32_t row,
                                 const struct call *call)
{
    arena_reset(&import->row_arena);
    for (uint32_t i = 0; i < import->field_count; i++) {
        const struct schema_column *column = &import->object->schema->columns[import->places[i]];
        struct datum *to = &import->row[import->places[i]];
        struct datum from;
        column_get(&batch->columns[i], row, &from);
        if (type_equal(from.type, column->type)) {
            *to = from;
            continue;
        }
        tdbplus_value value;
        TRY(engine_value(&from, &import->row_arena, &value, call->err));
        TRY(engine_datum(&value, column->type, column->name, &import->row_arena, to, call->err));
    }
    TRY(txn_write(import->txn, import->object, TXN_UPSERT, import->row, NULL, call));
    import->row_count++;
    return TDBPLUS_OK;
}

/* One array of the stream; TDBPLUS_END after the last. */
static tdbplus_status import_next(struct import *import, const struct call *call)
{
    const struct env *env = store_env(txn_store(import->txn));
    struct ArrowArray array = {0};
    if (import->stream->get_next(import->stream, &array) != 0) {
        return producer_failed(import, call->err);
    }
    if (array.release == NULL) {
        return TDBPLUS_END;
    }
    struct batch batch;
    batch_init(&batch, call->alloc);
    tdbplus_status status = arrow_import_batch(&import->schema, &array, &batch, call->err);
    for (uint32_t i = 0; status == TDBPLUS_OK && i < batch.row_count; i++) {
        if (i % BATCH_ROW_COUNT_MAX == 0) {
            TRY_OR(done, env_check_call(env, call));
        }
        status = import_row(import, &batch, i, call);
    }
done:
    batch_deinit(&batch);
    if (array.release != NULL) {
        array.release(&array);
    }
    return status;
}

static tdbplus_status append_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct arrow_args *args = arg;
    struct import import = {.txn = txn, .stream = args->stream};
    arena_init(&import.arena, call->alloc, 1024);
    arena_init(&import.row_arena, call->alloc, 1024);
    tdbplus_status status = engine_find(txn, args->collection, &import.object, call->err);
    if (status == TDBPLUS_OK && args->stream->get_schema(args->stream, &import.schema) != 0) {
        import.schema.release = NULL;
        status = producer_failed(&import, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = match_fields(&import, call->err);
    }
    while (status == TDBPLUS_OK) {
        status = import_next(&import, call);
    }
    if (import.schema.release != NULL) {
        import.schema.release(&import.schema);
    }
    arena_deinit(&import.row_arena);
    arena_deinit(&import.arena);
    if (status == TDBPLUS_END) {
        status = TDBPLUS_OK;
        if (args->rows_out != NULL) {
            *args->rows_out = import.row_count;
        }
    }
    return status;
}

static tdbplus_status append_work(void *arg, const struct call *call)
{
    const struct arrow_args *args = arg;
    tdbplus_db *db = args->collection->db;
    if (args->stream == NULL || args->stream->release == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "no stream, or one that was released");
    }
    if (args->txn != NULL) {
        return engine_with_txn(db, args->txn, false, append_in_txn, arg, call);
    }
    // Not by engine_with_txn(), which would begin again after a conflict.
    struct txn_options options = {.durability = -1};
    struct txn *txn = NULL;
    TRY(txn_begin(db->store, &options, call->alloc, &txn, call->err));
    tdbplus_status status = append_in_txn(arg, txn, call);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, call);
}

tdbplus_status tdbplus_append_arrow(tdbplus_collection *collection, tdbplus_txn *txn,
                                    struct ArrowArrayStream *in, uint64_t *rows_out,
                                    tdbplus_call *call)
{
    struct arrow_args args = {
        .collection = collection, .txn = txn, .stream = in, .rows_out = rows_out};
    return engine_run(collection->db, call, append_work, &args, sizeof args);
}
