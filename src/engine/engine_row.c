/* Writing and reading single rows. */

#include <string.h>

#include "base/assert.h"
#include "engine/engine_internal.h"
#include "storage/store/store_read.h"
#include "txn/bulk.h"

#define DATUM_COUNT_FEW 16u /* A row of so many columns needs no memory to be converted. */

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
    if (args->row_count >= BULK_DIRECT_ROWS_DEFAULT && args->mode != TXN_UPDATE) {
        return engine_load_rows(txn, object, args->mode, args->values, args->value_count,
                                args->row_count, call);
    }
    struct arena arena = {0};
    arena_init(&arena, call->alloc, 2048);
    tdbplus_status status = write_rows(args, txn, object, &arena, call);
    arena_deinit(&arena);
    return status;
}

/* Rows written blindly need no transaction, only the catalog for as long as it takes. *done_out
 * false: these do. */
static tdbplus_status upsert_rows(const struct row_args *args, const struct object *object,
                                  struct arena *arena, bool *done_out, const struct call *call)
{
    struct store *store = args->collection->db->store;
    uint32_t column_count = object->schema->column_count;
    const struct datum *rows[TXN_UPSERT_NOW_MAX];
    struct datum few[DATUM_COUNT_FEW];
    size_t count = args->row_count * column_count;
    struct datum *data = count <= DATUM_COUNT_FEW ? few : arena_alloc(arena, count * sizeof *data);
    if (data == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    for (size_t i = 0; i < args->row_count; i++) {
        const tdbplus_value *values = args->values + i * args->value_count;
        TRY(make_row(object, values, args->value_count, data + i * column_count, arena, call->err));
        rows[i] = data + i * column_count;
    }
    *done_out = true;
    return args->row_count == 1 ? txn_upsert_now(store, object, data, call)
                                : txn_upsert_many_now(store, object, rows,
                                                      (uint32_t)args->row_count, done_out, call);
}

static tdbplus_status upsert_once(const struct row_args *args, bool *done_out,
                                  const struct call *call)
{
    struct catalog *catalog = catalog_acquire(args->collection->db->store);
    const struct object *object = catalog_by_id(catalog, args->collection->id);
    struct arena arena = {0};
    arena_init(&arena, call->alloc, args->row_count == 1 ? 1024 : 16384);
    tdbplus_status status = object == NULL ? engine_dropped(args->collection, call->err)
                                           : upsert_rows(args, object, &arena, done_out, call);
    arena_deinit(&arena);
    catalog_release(catalog);
    return status;
}

static tdbplus_status upsert_now(const struct row_args *args, bool *done_out,
                                 const struct call *call)
{
    tdbplus_status status = TDBPLUS_E_CONFLICT;
    for (uint32_t i = 0; i < ENGINE_RETRY_COUNT_MAX && status == TDBPLUS_E_CONFLICT; i++) {
        err_clear(call->err);
        status = upsert_once(args, done_out, call);
    }
    return status;
}

static tdbplus_status write_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    bool few = args->row_count > 0 && args->row_count <= TXN_UPSERT_NOW_MAX;
    if (args->txn == NULL && args->mode == TXN_UPSERT && few) {
        bool done = false;
        tdbplus_status status = upsert_now(args, &done, call);
        if (status != TDBPLUS_OK || done) {
            return status;
        }
    }
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
    buffer_init(&row->key, &db->host);
    *row_out = row;
    return TDBPLUS_OK;
}

void tdbplus_row_destroy(tdbplus_row *row)
{
    if (row != NULL) {
        batch_deinit(&row->batch);
        buffer_deinit(&row->key);
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

/* Room for what a read of one row needs, in the row's own memory. */
struct row_room {
    struct datum *key;
    struct datum *data;
};

/* Empties the row and converts the key for reading it. */
static tdbplus_status prepare_row(const struct object *object, const tdbplus_value *key_values,
                                  uint32_t key_count, tdbplus_row *row, struct row_room *room_out,
                                  struct err *err)
{
    const struct schema *schema = object->schema;
    row->value_count = 0;
    batch_reset(&row->batch);
    struct arena *arena = &row->batch.arena;
    struct row_room room = {
        .key = arena_alloc(arena, schema->key_count * sizeof *room.key),
        .data = arena_alloc(arena, schema->column_count * sizeof *room.data),
    };
    row->values = arena_alloc(arena, schema->column_count * sizeof *row->values);
    if (room.key == NULL || room.data == NULL || row->values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    TRY(make_key(object, key_values, key_count, room.key, arena, err));
    *room_out = room;
    return TDBPLUS_OK;
}

static tdbplus_status finish_row(const struct object *object, const struct datum *data,
                                 tdbplus_row *row, struct err *err)
{
    uint32_t count = object->schema->column_count;
    for (uint32_t i = 0; i < count; i++) {
        TRY(engine_value(&data[i], &row->batch.arena, &row->values[i], err));
    }
    row->value_count = count;
    return TDBPLUS_OK;
}

static tdbplus_status no_row(const struct object *object, struct err *err)
{
    return err_set(err, TDBPLUS_E_NOT_FOUND, "\"%s\" has no row with that key", object->name);
}

static tdbplus_status get_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    struct row_room room = {0};
    bool found = false;
    TRY(engine_find(txn, args->collection, &object, call->err));
    TRY(prepare_row(object, args->values, args->value_count, args->row, &room, call->err));
    TRY(txn_get(txn, object, room.key, NULL, 0, &args->row->batch, room.data, &found, call));
    return found ? finish_row(object, room.data, args->row, call->err) : no_row(object, call->err);
}

/* One row needs no transaction, only the catalog for as long as it takes. */
static tdbplus_status get_now(const struct row_args *args, const struct catalog *catalog,
                              const struct call *call)
{
    tdbplus_row *row = args->row;
    struct row_room room = {0};
    bool found = false;
    const struct object *object = catalog_by_id(catalog, args->collection->id);
    if (object == NULL) {
        return engine_dropped(args->collection, call->err);
    }
    TRY(prepare_row(object, args->values, args->value_count, row, &room, call->err));
    TRY(txn_get_now(args->collection->db->store, object, room.key, &row->key, &row->batch,
                    room.data, &found, call->err));
    return found ? finish_row(object, room.data, row, call->err) : no_row(object, call->err);
}

static tdbplus_status get_work(void *arg, const struct call *call)
{
    struct row_args *args = arg;
    tdbplus_db *db = args->collection->db;
    if (args->txn != NULL) {
        return engine_with_txn(db, args->txn, true, get_in_txn, args, call);
    }
    struct catalog *catalog = catalog_acquire(db->store);
    tdbplus_status status = get_now(args, catalog, call);
    catalog_release(catalog);
    return status;
}

#define GLANCE_COLUMN_COUNT_MAX 16u   /* Rows of more columns are read the long way, */
#define GLANCE_BYTES_MAX        4096u /* as are those with more bytes, which are pinned. */

/* Makes the borrowed values the row's own; false when that is to be done the long way. */
static bool show_row(const struct datum *data, uint32_t count, tdbplus_row *row)
{
    size_t size = count * sizeof *row->values;
    for (uint32_t i = 0; i < count; i++) {
        size += type_physical(data[i].type) == PHYSICAL_VIEW && !data[i].is_null
                    ? data[i].bytes.size
                    : 0;
    }
    tdbplus_value *values = size > GLANCE_BYTES_MAX ? NULL : arena_alloc(&row->batch.arena, size);
    if (values == NULL) {
        return false;
    }
    uint8_t *at = (uint8_t *)(values + count);
    for (uint32_t i = 0; i < count; i++) {
        if (!engine_show_value(&data[i], &values[i])) {
            return false;
        }
        if (type_physical(data[i].type) == PHYSICAL_VIEW && !data[i].is_null) {
            memcpy(at, data[i].bytes.data, data[i].bytes.size);
            values[i].as.bytes.data = at;
            at += data[i].bytes.size;
        }
    }
    row->values = values;
    row->value_count = count;
    return true;
}

/* The whole read, inside one epoch. TXN_GLANCE_UNKNOWN: nothing happened; TXN_GLANCE_ABSENT: *err
 * says so. */
static enum txn_glance glance_at(const struct row_args *args, const struct store_glance *glance,
                                 struct err *err)
{
    struct datum data[GLANCE_COLUMN_COUNT_MAX];
    struct datum key = {0};
    const struct object *object = catalog_by_id(glance->catalog, args->collection->id);
    if (object == NULL || args->value_count != 1 || args->values == NULL ||
        object->schema->key_count != 1 || object->schema->column_count > GLANCE_COLUMN_COUNT_MAX) {
        return TXN_GLANCE_UNKNOWN;
    }
    const struct schema_column *column = &object->schema->columns[object->schema->key_columns[0]];
    tdbplus_row *row = args->row;
    row->value_count = 0;
    batch_reset(&row->batch);
    if (args->values->is_null || engine_datum(args->values, column->type, column->name,
                                              &row->batch.arena, &key, NULL) != TDBPLUS_OK) {
        return TXN_GLANCE_UNKNOWN;
    }
    enum txn_glance answer =
        txn_glance(args->collection->db->store, glance, object, &key, &row->key, data);
    if (answer == TXN_GLANCE_ABSENT) {
        err_clear(err);
        (void)!no_row(object, err); // The status is known.
    } else if (answer == TXN_GLANCE_FOUND && !show_row(data, object->schema->column_count, row)) {
        answer = TXN_GLANCE_UNKNOWN;
    }
    return answer;
}

/* Most reads by key find all they need in memory, and then neither wait nor fail. False: this one
 * must go the long way. */
static bool get_by_glance(const struct row_args *args, tdbplus_call *api,
                          tdbplus_status *status_out)
{
    struct store_glance glance;
    struct err err;
    store_glance_begin(args->collection->db->store, &glance);
    enum txn_glance answer = glance_at(args, &glance, &err);
    store_glance_end(&glance);
    if (answer == TXN_GLANCE_UNKNOWN) {
        return false;
    }
    *status_out = answer == TXN_GLANCE_FOUND ? TDBPLUS_OK : TDBPLUS_E_NOT_FOUND;
    engine_report(api, &err, *status_out);
    return true;
}

tdbplus_status tdbplus_get(tdbplus_collection *collection, tdbplus_txn *txn,
                           const tdbplus_value *key, uint32_t key_count, tdbplus_row *row,
                           tdbplus_call *call)
{
    if (txn == NULL && (call == NULL || call->done == NULL)) {
        const struct row_args quick = {
            .collection = collection, .values = key, .value_count = key_count, .row = row};
        tdbplus_status status = TDBPLUS_OK;
        if (get_by_glance(&quick, call, &status)) {
            return status;
        }
    }
    struct row_args args = {
        .collection = collection, .txn = txn, .values = key, .value_count = key_count, .row = row};
    return engine_run(collection->db, call, get_work, &args, sizeof args);
}

/* Up to VERSION_FIND_MAX rows from number `first` on. */
static tdbplus_status get_portion(const struct row_args *args, struct txn *txn,
                                  const struct object *object, size_t first,
                                  const struct call *call)
{
    const struct datum *keys[VERSION_FIND_MAX] = {0};
    struct batch *batches[VERSION_FIND_MAX] = {0};
    struct datum *data[VERSION_FIND_MAX] = {0};
    size_t left = args->row_count - first;
    size_t count = left < VERSION_FIND_MAX ? left : VERSION_FIND_MAX;
    tdbplus_row *const *rows = args->rows + first;
    bool *found = args->flag_out + first;
    for (size_t i = 0; i < count; i++) {
        const tdbplus_value *key = args->values + (first + i) * args->value_count;
        struct row_room room = {0};
        TRY(prepare_row(object, key, args->value_count, rows[i], &room, call->err));
        keys[i] = room.key;
        data[i] = room.data;
        batches[i] = &rows[i]->batch;
    }
    TRY(txn_get_many(txn, object, keys, count, batches, data, found, call));
    for (size_t i = 0; i < count; i++) {
        if (found[i]) {
            TRY(finish_row(object, data[i], rows[i], call->err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status get_many_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct row_args *args = arg;
    const struct object *object = NULL;
    TRY(engine_find(txn, args->collection, &object, call->err));
    for (size_t first = 0; first < args->row_count; first += VERSION_FIND_MAX) {
        TRY(get_portion(args, txn, object, first, call));
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
