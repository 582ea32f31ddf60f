/* Arrow streams of scans and results, and rows out of streams. */

#include "tdbplus/arrow.h"

#include <string.h>

#include "engine/session.h"
#include "txn/bulk.h"
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
    tdbplus_load_options load;
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
    struct bulk *bulk;
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct arena arena;
    struct arrow_column *fields;
    uint32_t field_count;
    uint32_t *places; /* The column of a field. */
    bool *given;      /* Columns that have a field. */
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
    import->given = arena_array(&import->arena, schema->column_count, sizeof *import->given);
    if (import->places == NULL || import->given == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < import->field_count; i++) {
        int32_t at = schema_find_name(schema, import->fields[i].name);
        if (at < 0) {
            return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42703", "\"%s\" has no column \"%s\"",
                                 import->object->name, import->fields[i].name);
        }
        import->places[i] = (uint32_t)at;
        import->given[at] = true;
    }
    return TDBPLUS_OK;
}

/* A column of another type than the table's, value by value. */
static tdbplus_status convert_column(const struct import *import, uint32_t place,
                                     const struct column *from, uint32_t count, struct arena *arena,
                                     struct column *to, struct err *err)
{
    const struct schema_column *column = &import->object->schema->columns[place];
    if (!column_make(to, column->type, count, true, arena)) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum datum;
        tdbplus_value value;
        column_get(from, i, &datum);
        TRY(engine_value(&datum, arena, &value, err));
        TRY(engine_datum(&value, column->type, column->name, arena, &datum, err));
        column_set(to, i, &datum);
    }
    return TDBPLUS_OK;
}

/* The array's rows as the table's columns; those without a field are null. */
static tdbplus_status adopt_columns(const struct import *import, struct batch *batch,
                                    struct batch *rows_out, struct err *err)
{
    const struct schema *schema = import->object->schema;
    struct arena *arena = &batch->arena;
    struct column *columns = arena_array(arena, schema->column_count, sizeof *columns);
    if (columns == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct datum null = {.type = schema->columns[i].type, .is_null = true};
        if (!import->given[i] &&
            !column_make_constant(&columns[i], &null, batch->row_count, arena)) {
            return no_memory(err);
        }
    }
    for (uint32_t i = 0; i < import->field_count; i++) {
        uint32_t place = import->places[i];
        const struct column *from = &batch->columns[i];
        if (type_equal(from->type, schema->columns[place].type)) {
            columns[place] = *from;
            columns[place].type = schema->columns[place].type;
        } else {
            TRY(convert_column(import, place, from, batch->row_count, arena, &columns[place], err));
        }
    }
    *rows_out = (struct batch){
        .columns = columns, .column_count = schema->column_count, .row_count = batch->row_count};
    return TDBPLUS_OK;
}

/* One array of the stream; TDBPLUS_END after the last. */
static tdbplus_status import_next(struct import *import, const struct call *call)
{
    struct ArrowArray array = {0};
    if (import->stream->get_next(import->stream, &array) != 0) {
        return producer_failed(import, call->err);
    }
    if (array.release == NULL) {
        return TDBPLUS_END;
    }
    struct batch batch;
    struct batch rows = {0};
    batch_init(&batch, call->alloc);
    tdbplus_status status = arrow_import_batch(&import->schema, &array, &batch, call->err);
    TRY_OR(done, status);
    TRY_OR(done, env_check_call(store_env(txn_store(import->txn)), call));
    if (batch.row_count > 0) {
        TRY_OR(done, adopt_columns(import, &batch, &rows, call->err));
        TRY_OR(done, bulk_add(import->bulk, &rows, call));
    }
done:
    batch_deinit(&batch);
    if (array.release != NULL) {
        array.release(&array);
    }
    return status;
}

static tdbplus_status import_all(struct import *import, const struct arrow_args *args,
                                 const struct call *call)
{
    struct bulk_options options = {.mode = args->load.insert ? TXN_INSERT : TXN_UPSERT,
                                   .direct_rows = args->load.direct_rows};
    TRY(bulk_begin(import->txn, import->object, &options, &import->bulk, call->err));
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = import_next(import, call);
    }
    if (status != TDBPLUS_END) {
        bulk_abort(import->bulk);
        return status;
    }
    uint64_t row_count = 0;
    TRY(bulk_end(import->bulk, &row_count, call));
    if (args->rows_out != NULL) {
        *args->rows_out = row_count;
    }
    return TDBPLUS_OK;
}

static tdbplus_status append_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct arrow_args *args = arg;
    struct import import = {.txn = txn, .stream = args->stream};
    arena_init(&import.arena, call->alloc, 1024);
    tdbplus_status status = engine_find(txn, args->collection, &import.object, call->err);
    if (status == TDBPLUS_OK && args->stream->get_schema(args->stream, &import.schema) != 0) {
        import.schema.release = NULL;
        status = producer_failed(&import, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = match_fields(&import, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = import_all(&import, args, call);
    }
    if (import.schema.release != NULL) {
        import.schema.release(&import.schema);
    }
    arena_deinit(&import.arena);
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
    return engine_once(db, append_in_txn, arg, call); // A stream cannot be read twice.
}

tdbplus_status tdbplus_load_arrow(tdbplus_collection *collection, tdbplus_txn *txn,
                                  struct ArrowArrayStream *in, const tdbplus_load_options *options,
                                  uint64_t *rows_out, tdbplus_call *call)
{
    struct arrow_args args = {
        .collection = collection, .txn = txn, .stream = in, .rows_out = rows_out};
    engine_load_options(options, &args.load);
    return engine_run(collection->db, call, append_work, &args, sizeof args);
}

tdbplus_status tdbplus_append_arrow(tdbplus_collection *collection, tdbplus_txn *txn,
                                    struct ArrowArrayStream *in, uint64_t *rows_out,
                                    tdbplus_call *call)
{
    return tdbplus_load_arrow(collection, txn, in, NULL, rows_out, call);
}
