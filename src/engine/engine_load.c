/* Loads: rows handed over in portions, put into batches and on to txn/bulk. */

#include <string.h>

#include "engine/engine_internal.h"
#include "txn/bulk.h"

/* Rows on their way into a load. */
struct loader {
    struct bulk *bulk;
    const struct object *object;
    struct batch batch; /* The columns of BATCH_ROW_COUNT_MAX rows, filled up to `count`. */
    uint32_t count;
    struct datum *row;
    struct arena row_arena; /* Conversions of one row. */
};

struct tdbplus_load {
    tdbplus_db *db;
    struct txn *txn;
    bool own_txn;
    bool failed; /* Only ending it can follow. */
    struct loader loader;
};

void engine_load_options(const tdbplus_load_options *options, tdbplus_load_options *own_out)
{
    *own_out = (tdbplus_load_options){.struct_size = sizeof *own_out};
    if (options != NULL) {
        size_t size =
            options->struct_size < sizeof *own_out ? options->struct_size : sizeof *own_out;
        memcpy(own_out, options, size);
    }
}

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "a load does not fit the memory limit");
}

/* ---- batches ---- */

static tdbplus_status make_columns(struct loader *loader, struct err *err)
{
    const struct schema *schema = loader->object->schema;
    struct batch *batch = &loader->batch;
    batch_reset(batch);
    loader->count = 0;
    batch->columns = arena_array(&batch->arena, schema->column_count, sizeof *batch->columns);
    loader->row = arena_array(&batch->arena, schema->column_count, sizeof *loader->row);
    bool good = batch->columns != NULL && loader->row != NULL;
    for (uint32_t i = 0; good && i < schema->column_count; i++) {
        good = column_make(&batch->columns[i], schema->columns[i].type, BATCH_ROW_COUNT_MAX, true,
                           &batch->arena);
    }
    batch->column_count = schema->column_count;
    return good ? TDBPLUS_OK : no_memory(err);
}

static tdbplus_status loader_init(struct loader *loader, struct txn *txn,
                                  const struct object *object, const struct bulk_options *options,
                                  const struct call *call)
{
    loader->object = object;
    batch_init(&loader->batch, call->alloc);
    arena_init(&loader->row_arena, call->alloc, 1024);
    TRY(make_columns(loader, call->err));
    return bulk_begin(txn, object, options, &loader->bulk, call->err);
}

/* Takes the rows back unless loader_end() came before. */
static void loader_deinit(struct loader *loader)
{
    bulk_abort(loader->bulk);
    batch_deinit(&loader->batch);
    arena_deinit(&loader->row_arena);
}

static tdbplus_status pass_on(struct loader *loader, const struct call *call)
{
    if (loader->count == 0) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < loader->batch.column_count; i++) {
        loader->batch.columns[i].row_count = loader->count;
    }
    loader->batch.row_count = loader->count;
    TRY(bulk_add(loader->bulk, &loader->batch, call));
    return make_columns(loader, call->err);
}

/* The caller's bytes are gone when the call returns. */
static bool own_bytes(struct datum *datum, struct arena *arena)
{
    if (datum->is_null || type_physical(datum->type) != PHYSICAL_VIEW ||
        datum->bytes.size <= VIEW_INLINE_SIZE_MAX) {
        return true;
    }
    uint8_t *copy = arena_bytes(arena, datum->bytes.size);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, datum->bytes.data, datum->bytes.size);
    datum->bytes.data = copy;
    return true;
}

static tdbplus_status put_row(struct loader *loader, const tdbplus_value *values, struct err *err)
{
    const struct schema *schema = loader->object->schema;
    arena_reset(&loader->row_arena);
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct datum *datum = &loader->row[i];
        TRY(engine_datum(&values[i], schema->columns[i].type, schema->columns[i].name,
                         &loader->row_arena, datum, err));
        if (!own_bytes(datum, &loader->batch.arena)) {
            return no_memory(err);
        }
        column_set(&loader->batch.columns[i], loader->count, datum);
    }
    loader->count++;
    return TDBPLUS_OK;
}

static tdbplus_status put_rows(struct loader *loader, const tdbplus_value *values,
                               uint32_t value_count, size_t row_count, const struct call *call)
{
    const struct object *object = loader->object;
    if (value_count != object->schema->column_count || values == NULL) {
        return err_set(call->err, TDBPLUS_E_INVALID, "\"%s\" has %u columns, the row %u values",
                       object->name, object->schema->column_count, value_count);
    }
    for (size_t i = 0; i < row_count; i++) {
        TRY(put_row(loader, values + i * value_count, call->err));
        if (loader->count == BATCH_ROW_COUNT_MAX) {
            TRY(pass_on(loader, call));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status loader_end(struct loader *loader, uint64_t *rows_out, const struct call *call)
{
    TRY(pass_on(loader, call));
    struct bulk *bulk = loader->bulk;
    loader->bulk = NULL;
    return bulk_end(bulk, rows_out, call);
}

tdbplus_status engine_load_rows(struct txn *txn, const struct object *object, uint8_t mode,
                                const tdbplus_value *values, uint32_t value_count, size_t row_count,
                                const struct call *call)
{
    struct loader loader = {0};
    struct bulk_options options = {.mode = mode};
    tdbplus_status status = loader_init(&loader, txn, object, &options, call);
    if (status == TDBPLUS_OK) {
        status = put_rows(&loader, values, value_count, row_count, call);
    }
    if (status == TDBPLUS_OK) {
        status = loader_end(&loader, NULL, call);
    }
    loader_deinit(&loader);
    return status;
}

/* ---- the handle ---- */

struct load_args {
    tdbplus_collection *collection;
    tdbplus_txn *txn;
    tdbplus_load_options options;
    tdbplus_load **load_out;
    tdbplus_load *load;
    const tdbplus_value *values;
    uint32_t value_count;
    size_t row_count;
    uint64_t *rows_out;
};

static void destroy(tdbplus_load *load)
{
    loader_deinit(&load->loader);
    if (load->own_txn) {
        txn_abort(load->txn);
    }
    alloc_free(&load->db->host, load, 1, sizeof *load);
}

static tdbplus_status begin_load(tdbplus_load *load, const struct load_args *args,
                                 const struct call *call)
{
    struct call own = *call;
    own.alloc = store_alloc(load->db->store); // It outlives this call.
    if (args->txn == NULL) {
        struct txn_options options = {.durability = -1};
        TRY(txn_begin(load->db->store, &options, own.alloc, &load->txn, call->err));
        load->own_txn = true;
    } else {
        load->txn = args->txn->txn;
        TRY(txn_statement(load->txn, call->err));
    }
    const struct object *object = NULL;
    TRY(engine_find(load->txn, args->collection, &object, call->err));
    struct bulk_options options = {.mode = args->options.insert ? TXN_INSERT : TXN_UPSERT,
                                   .direct_rows = args->options.direct_rows};
    return loader_init(&load->loader, load->txn, object, &options, &own);
}

static tdbplus_status open_work(void *arg, const struct call *call)
{
    const struct load_args *args = arg;
    tdbplus_db *db = args->collection->db;
    tdbplus_load *load = alloc_array(&db->host, 1, sizeof *load);
    if (load == NULL) {
        return no_memory(call->err);
    }
    load->db = db;
    tdbplus_status status = begin_load(load, args, call);
    if (status != TDBPLUS_OK) {
        destroy(load);
        return status;
    }
    *args->load_out = load;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_load_open(tdbplus_collection *collection, tdbplus_txn *txn,
                                 const tdbplus_load_options *options, tdbplus_load **load_out,
                                 tdbplus_call *call)
{
    struct load_args args = {.collection = collection, .txn = txn, .load_out = load_out};
    engine_load_options(options, &args.options);
    return engine_run(collection->db, call, open_work, &args, sizeof args);
}

static tdbplus_status check_load(const tdbplus_load *load, struct err *err)
{
    return load->failed ? err_set(err, TDBPLUS_E_STATE, "the load has failed before") : TDBPLUS_OK;
}

static tdbplus_status rows_work(void *arg, const struct call *call)
{
    const struct load_args *args = arg;
    tdbplus_load *load = args->load;
    TRY(check_load(load, call->err));
    tdbplus_status status =
        put_rows(&load->loader, args->values, args->value_count, args->row_count, call);
    load->failed = status != TDBPLUS_OK;
    return status;
}

tdbplus_status tdbplus_load_rows(tdbplus_load *load, const tdbplus_value *values,
                                 uint32_t value_count, size_t row_count, tdbplus_call *call)
{
    struct load_args args = {
        .load = load, .values = values, .value_count = value_count, .row_count = row_count};
    return engine_run(load->db, call, rows_work, &args, sizeof args);
}

static tdbplus_status end_load(tdbplus_load *load, uint64_t *rows_out, const struct call *call)
{
    TRY(check_load(load, call->err));
    TRY(loader_end(&load->loader, rows_out, call));
    if (!load->own_txn) {
        return TDBPLUS_OK;
    }
    struct txn *txn = load->txn;
    load->txn = NULL;
    return txn_commit(txn, call);
}

static tdbplus_status end_work(void *arg, const struct call *call)
{
    const struct load_args *args = arg;
    uint64_t rows = 0;
    tdbplus_status status = end_load(args->load, &rows, call);
    destroy(args->load);
    if (status == TDBPLUS_OK && args->rows_out != NULL) {
        *args->rows_out = rows;
    }
    return status;
}

tdbplus_status tdbplus_load_end(tdbplus_load *load, uint64_t *rows_out, tdbplus_call *call)
{
    struct load_args args = {.load = load, .rows_out = rows_out};
    return engine_run(load->db, call, end_work, &args, sizeof args);
}

void tdbplus_load_abort(tdbplus_load *load)
{
    if (load != NULL) {
        destroy(load);
    }
}
