/* Writing and reading single rows. */

#include <string.h>

#include "base/assert.h"
#include "engine/engine_internal.h"

struct row_args {
    tdbplus_collection *collection;
    tdbplus_txn *txn;
    const tdbplus_value *values;
    uint32_t value_count;
    size_t row_count;
    uint8_t mode; /* enum txn_write_mode. */
    bool *flag_out;
    tdbplus_row *row;
    tdbplus_row *const *rows;
};

/* ---- writing ---- */

static tdbplus_status make_row(const struct object *object, const tdbplus_value *values,
                               uint32_t value_count, struct datum *data, struct arena *arena,
                               struct err *err)
{
    const struct schema *schema = object->schema;
    if (value_count != schema->column_count || (value_count > 0 && values == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "\"%s\" has %u columns, the row %u values",
                       object->name, schema->column_count, value_count);
    }
    for (uint32_t i = 0; i < value_count; i++) {
        TRY(engine_datum(&values[i], schema->columns[i].type, schema->columns[i].name, arena,
                         &data[i], err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status write_rows(const struct row_args *args, struct txn *txn,
                                 const struct object *object, struct arena *arena,
                                 const struct call *call)
{
    struct datum *data = arena_array(arena, object->schema->column_count, sizeof *data);
    if (data == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    struct arena_mark mark = arena_mark(arena);
    for (size_t i = 0; i < args->row_count; i++) {
        const tdbplus_value *values = args->values + i * args->value_count;
        TRY(make_row(object, values, args->value_count, data, arena, call->err));
        TRY(txn_write(txn, object, args->mode, data, NULL, call));
        arena_rollback(arena, mark);
    }
    return TDBPLUS_OK;
}

static tdbplus_status write_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    TRY(engine_find(txn, args->collection, &object, call->err));
    struct arena arena = {0};
    arena_init(&arena, call->alloc, 2048);
    tdbplus_status status = write_rows(args, txn, object, &arena, call);
    arena_deinit(&arena);
    return status;
}

static tdbplus_status write_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    return engine_with_txn(args->collection->db, args->txn, false, write_in_txn, args, call);
}

static tdbplus_status run_write(tdbplus_collection *collection, tdbplus_txn *txn, uint8_t mode,
                                const tdbplus_value *values, uint32_t value_count, size_t row_count,
                                tdbplus_call *call)
{
    struct row_args args = {.collection = collection,
                            .txn = txn,
                            .values = values,
                            .value_count = value_count,
                            .row_count = row_count,
                            .mode = mode};
    return engine_run(collection->db, call, write_work, &args, sizeof args);
}

tdbplus_status tdbplus_insert(tdbplus_collection *collection, tdbplus_txn *txn,
                              const tdbplus_value *values, uint32_t value_count, tdbplus_call *call)
{
    return run_write(collection, txn, TXN_INSERT, values, value_count, 1, call);
}

tdbplus_status tdbplus_upsert(tdbplus_collection *collection, tdbplus_txn *txn,
                              const tdbplus_value *values, uint32_t value_count, tdbplus_call *call)
{
    return run_write(collection, txn, TXN_UPSERT, values, value_count, 1, call);
}

tdbplus_status tdbplus_update(tdbplus_collection *collection, tdbplus_txn *txn,
                              const tdbplus_value *values, uint32_t value_count, tdbplus_call *call)
{
    return run_write(collection, txn, TXN_UPDATE, values, value_count, 1, call);
}

tdbplus_status tdbplus_upsert_many(tdbplus_collection *collection, tdbplus_txn *txn,
                                   const tdbplus_value *values, uint32_t value_count,
                                   size_t row_count, tdbplus_call *call)
{
    return run_write(collection, txn, TXN_UPSERT, values, value_count, row_count, call);
}

/* ---- keys ---- */

static tdbplus_status make_key(const struct object *object, const tdbplus_value *values,
                               uint32_t value_count, struct datum *key, struct arena *arena,
                               struct err *err)
{
    const struct schema *schema = object->schema;
    if (value_count != schema->key_count || values == NULL) {
        return err_set(err, TDBPLUS_E_INVALID, "the key of \"%s\" has %u columns, not %u",
                       object->name, schema->key_count, value_count);
    }
    for (uint32_t i = 0; i < value_count; i++) {
        const struct schema_column *column = &schema->columns[schema->key_columns[i]];
        TRY(engine_datum(&values[i], column->type, column->name, arena, &key[i], err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status delete_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    TRY(engine_find(txn, args->collection, &object, call->err));
    struct arena arena = {0};
    arena_init(&arena, call->alloc, 512);
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    bool existed = false;
    tdbplus_status status =
        make_key(object, args->values, args->value_count, key, &arena, call->err);
    if (status == TDBPLUS_OK) {
        status = txn_delete(txn, object, key, &existed, call);
    }
    arena_deinit(&arena);
    if (status == TDBPLUS_OK && args->flag_out != NULL) {
        *args->flag_out = existed;
    }
    return status;
}

static tdbplus_status delete_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    return engine_with_txn(args->collection->db, args->txn, false, delete_in_txn, args, call);
}

tdbplus_status tdbplus_delete(tdbplus_collection *collection, tdbplus_txn *txn,
                              const tdbplus_value *key, uint32_t key_count, bool *deleted_out,
                              tdbplus_call *call)
{
    struct row_args args = {.collection = collection,
                            .txn = txn,
                            .values = key,
                            .value_count = key_count,
                            .flag_out = deleted_out};
    return engine_run(collection->db, call, delete_work, &args, sizeof args);
}

/* ---- reading ---- */

tdbplus_status tdbplus_row_create(tdbplus_db *db, tdbplus_row **row_out, tdbplus_call *call)
{
    tdbplus_row *row = alloc_array(&db->host, 1, sizeof *row);
    if (row == NULL) {
        if (call != NULL) {
            call->error = (tdbplus_error){.status = TDBPLUS_E_NOMEM};
        }
        return TDBPLUS_E_NOMEM;
    }
    row->db = db;
    batch_init(&row->batch, &db->host);
    *row_out = row;
    return TDBPLUS_OK;
}

void tdbplus_row_destroy(tdbplus_row *row)
{
    if (row != NULL) {
        batch_deinit(&row->batch);
        alloc_free(&row->db->host, row, 1, sizeof *row);
    }
}

uint32_t tdbplus_row_value_count(const tdbplus_row *row)
{
    return row->value_count;
}

tdbplus_value tdbplus_row_value(const tdbplus_row *row, uint32_t number)
{
    return number < row->value_count ? row->values[number] : tdbplus_null();
}

static tdbplus_status read_row(struct txn *txn, const struct object *object,
                               const tdbplus_value *key_values, uint32_t key_count,
                               tdbplus_row *row, bool *found_out, const struct call *call)
{
    const struct schema *schema = object->schema;
    row->value_count = 0;
    batch_reset(&row->batch);
    struct arena *arena = &row->batch.arena;
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    TRY(make_key(object, key_values, key_count, key, arena, call->err));
    struct datum *data = arena_array(arena, schema->column_count, sizeof *data);
    tdbplus_value *values = arena_array(arena, schema->column_count, sizeof *values);
    if (data == NULL || values == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    TRY(txn_get(txn, object, key, NULL, 0, &row->batch, data, found_out, call));
    if (!*found_out) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        TRY(engine_value(&data[i], arena, &values[i], call->err));
    }
    row->values = values;
    row->value_count = schema->column_count;
    return TDBPLUS_OK;
}

static tdbplus_status get_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    bool found = false;
    TRY(engine_find(txn, args->collection, &object, call->err));
    TRY(read_row(txn, object, args->values, args->value_count, args->row, &found, call));
    if (!found) {
        return err_set(call->err, TDBPLUS_E_NOT_FOUND, "\"%s\" has no row with that key",
                       object->name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status get_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    return engine_with_txn(args->collection->db, args->txn, true, get_in_txn, args, call);
}

tdbplus_status tdbplus_get(tdbplus_collection *collection, tdbplus_txn *txn,
                           const tdbplus_value *key, uint32_t key_count, tdbplus_row *row,
                           tdbplus_call *call)
{
    struct row_args args = {
        .collection = collection, .txn = txn, .values = key, .value_count = key_count, .row = row};
    return engine_run(collection->db, call, get_work, &args, sizeof args);
}

static tdbplus_status get_many_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    TRY(engine_find(txn, args->collection, &object, call->err));
    for (size_t i = 0; i < args->row_count; i++) {
        const tdbplus_value *key = args->values + i * args->value_count;
        TRY(read_row(txn, object, key, args->value_count, args->rows[i], &args->flag_out[i], call));
    }
    return TDBPLUS_OK;
}

static tdbplus_status get_many_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    return engine_with_txn(args->collection->db, args->txn, true, get_many_in_txn, args, call);
}

tdbplus_status tdbplus_get_many(tdbplus_collection *collection, tdbplus_txn *txn,
                                const tdbplus_value *keys, uint32_t key_count, size_t row_count,
                                tdbplus_row *const *rows, bool *found_out, tdbplus_call *call)
{
    struct row_args args = {.collection = collection,
                            .txn = txn,
                            .values = keys,
                            .value_count = key_count,
                            .row_count = row_count,
                            .rows = rows,
                            .flag_out = found_out};
    return engine_run(collection->db, call, get_many_work, &args, sizeof args);
}
