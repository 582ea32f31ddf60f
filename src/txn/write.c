/* Writing rows: encode, lock, look, remember. */

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "txn/expired.h"
#include "txn/txn_internal.h"
#include "types/text.h"

/* Appends the normalised key. */
tdbplus_status txn_append_key(const struct object *collection, const struct datum *key_values,
                              struct buffer *buffer, struct err *err)
{
    const struct schema *schema = collection->schema;
    if (key_is_integer(schema) && !key_values[0].is_null) {
        uint8_t *bytes = buffer_extend(buffer, 8);
        if (bytes != NULL) {
            store_u64_be(bytes, key_code_of_integer(key_values[0].integer));
        }
    } else {
        TRY(key_encode(key_values, schema->key_count, buffer, err));
    }
    if (buffer->failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "a key does not fit the memory limit");
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_make_key(const struct object *collection, const struct datum *key_values,
                            struct buffer *scratch, struct segment_key *key_out, struct err *err)
{
    buffer_clear(scratch);
    TRY(txn_append_key(collection, key_values, scratch, err));
    struct span key = buffer_span(scratch);
    *key_out = (struct segment_key){.key = key, .code = key_code(key), .hash = key_hash(key)};
    return TDBPLUS_OK;
}

/* Keys of values of other types would be other bytes, and their rows never found. */
tdbplus_status txn_check_key(const struct object *collection, const struct datum *key_values,
                             struct err *err)
{
    const struct schema *schema = collection->schema;
    for (uint32_t i = 0; i < schema->key_count; i++) {
        const struct schema_column *column = &schema->columns[schema->key_columns[i]];
        if (!key_values[i].is_null && !txn_type_fits(key_values[i].type, column->type)) {
            char have[64];
            char want[64];
            type_name(key_values[i].type, have);
            type_name(column->type, want);
            return err_set(err, TDBPLUS_E_TYPE, "key column \"%s\" of \"%s\" is of type %s, not %s",
                           column->name, collection->name, want, have);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_key(struct txn *txn, const struct object *collection,
                       const struct datum *key_values, struct segment_key *key_out, struct err *err)
{
    return txn_make_key(collection, key_values, &txn->key, key_out, err);
}

const char *txn_own_name(const char *name)
{
    const char *mark = strrchr(name, '\x1f');
    return mark == NULL ? name : mark + 1;
}

tdbplus_status txn_null_error(const struct object *collection, const struct schema_column *column,
                              struct err *err)
{
    tdbplus_status status =
        err_set(err, TDBPLUS_E_NULL,
                "null value in column \"%s\" of relation \"%s\" violates not-null constraint",
                column->name, txn_own_name(collection->name));
    err_about(err, collection->name, column->name, NULL);
    return status;
}

tdbplus_status txn_size_error(const struct schema_column *column, size_t size, struct err *err)
{
    return err_set(err, TDBPLUS_E_LIMIT, "a value of column \"%s\" has %zu bytes, at most %zu",
                   column->name, size, VALUE_SIZE_MAX);
}

tdbplus_status txn_check_values(const struct object *collection, const struct datum *values,
                                struct err *err)
{
    const struct schema *schema = collection->schema;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct schema_column *column = &schema->columns[i];
        if (values[i].is_null) {
            if (column->not_null) {
                return txn_null_error(collection, column, err);
            }
            continue;
        }
        if (!txn_type_fits(values[i].type, column->type)) {
            char have[64];
            char want[64];
            type_name(values[i].type, have);
            type_name(column->type, want);
            return err_set(err, TDBPLUS_E_TYPE, "column \"%s\" of \"%s\" is of type %s, not %s",
                           column->name, collection->name, want, have);
        }
        if (type_physical(column->type) == PHYSICAL_VIEW && values[i].bytes.size > VALUE_SIZE_MAX) {
            return txn_size_error(column, values[i].bytes.size, err);
        }
    }
    return TDBPLUS_OK;
}

/* The newest change of the key, of whichever statement; NULL: none. */
static const struct change *own_change(const struct txn *txn, const struct object *collection,
                                       const struct segment_key *key)
{
    const struct change_table *table = changes_find_table(&txn->changes, collection->id);
    uint32_t own =
        table == NULL ? CHANGE_NONE : changes_find(&txn->changes, table, key, UINT64_MAX);
    return own == CHANGE_NONE ? NULL : changes_at(&txn->changes, own);
}

tdbplus_status txn_ask_stages(struct txn *txn, const struct object *collection,
                              const struct segment_key *key, struct stage_answer *answer_out,
                              struct err *err)
{
    const struct change *own = own_change(txn, collection, key);
    struct stages_asked asked = {.number_min = own == NULL ? 0 : own->load,
                                 .statement_end = UINT64_MAX};
    *answer_out = (struct stage_answer){0};
    if (txn->stages.count == 0) {
        return TDBPLUS_OK;
    }
    return stages_ask(&txn->stages, collection, &asked, key, answer_out, err);
}

/* A row whose time is over is as good as gone, although nobody has ended it yet. */
static tdbplus_status check_newest(struct txn *txn, const struct object *collection,
                                   struct version *version, const struct segment_key *key,
                                   bool *exists_out, struct err *err)
{
    struct row_place place = {0};
    TRY(version_find(version, key, TIMESTAMP_OPEN - 1, &place, err));
    TRY(expiry_check(version, collection->schema, txn->snapshot.timestamp, &place, txn->alloc,
                     err));
    *exists_out = place.found;
    return TDBPLUS_OK;
}

tdbplus_status txn_look_up(struct txn *txn, const struct object *collection,
                           const struct segment_key *key, bool check_snapshot, bool *exists_out,
                           struct err *err)
{
    const struct change *own = own_change(txn, collection, key);
    if (own != NULL && own->load == 0) {
        bool expired = false;
        TRY(expiry_of_change(collection->schema, txn->snapshot.timestamp, own, txn->alloc, &expired,
                             err));
        *exists_out = own->kind == COMMIT_PUT && !expired;
        return TDBPLUS_OK;
    }
    struct stage_answer staged = {0};
    TRY(txn_ask_stages(txn, collection, key, &staged, err));
    if (staged.version != NULL || staged.is_hidden) {
        tdbplus_status status =
            expiry_check(staged.version, collection->schema, txn->snapshot.timestamp, &staged.place,
                         txn->alloc, err);
        *exists_out = staged.version != NULL && staged.place.found;
        version_release(staged.version);
        return status;
    }
    uint64_t changed = 0;
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status = version_newest(version, key, &changed, exists_out, err);
    if (status == TDBPLUS_OK && *exists_out && collection->schema->ttl_column_id != 0) {
        status = check_newest(txn, collection, version, key, exists_out, err);
    }
    version_release(version);
    TRY(status);
    if (check_snapshot && txn->options.isolation == TXN_REPEATABLE_READ &&
        changed > txn->snapshot.timestamp && !planted(PLANT_CONFLICT_UNCHECKED)) {
        return err_set(err, TDBPLUS_E_CONFLICT,
                       "could not serialize access due to concurrent update");
    }
    return TDBPLUS_OK;
}

static struct span copy_bytes(struct arena *arena, struct span bytes)
{
    uint8_t *copy = arena_bytes(arena, bytes.size);
    if (copy != NULL && bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return (struct span){.data = copy, .size = bytes.size};
}

static tdbplus_status add_change(struct txn *txn, const struct object *collection,
                                 const struct change *change, struct err *err)
{
    if (txn_columns_changed(txn, collection)) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "writing to \"%s\" in the transaction that changed its columns is not "
                       "supported",
                       collection->name);
    }
    struct change_table *table = NULL;
    TRY(changes_table(&txn->changes, collection, &table, err));
    struct change own = *change;
    own.statement = txn->statement;
    own.key.key = copy_bytes(&txn->changes.arena, change->key.key);
    own.row = copy_bytes(&txn->changes.arena, change->row);
    if (own.key.key.data == NULL || own.row.data == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM,
                       "the transaction's changes do not fit the memory limit");
    }
    return changes_add(&txn->changes, table, &own, err);
}

tdbplus_status txn_add_change(struct txn *txn, const struct object *collection, uint8_t kind,
                              const struct segment_key *key, struct span row, struct err *err)
{
    struct change change = {.kind = kind, .key = *key, .row = row};
    return add_change(txn, collection, &change, err);
}

tdbplus_status txn_add_replaced(struct txn *txn, const struct object *collection, uint32_t load,
                                const struct segment_key *key, struct err *err)
{
    struct change change = {.kind = COMMIT_DELETE, .key = *key, .load = load};
    return add_change(txn, collection, &change, err);
}

void txn_describe_key(const char *const *names, const struct datum *values, uint32_t count,
                      char *text, size_t size, const struct alloc *alloc)
{
    struct buffer buffer = {.alloc = alloc};
    for (uint32_t i = 0; i < count; i++) {
        buffer_printf(&buffer, "%s%s", i == 0 ? "Key (" : ", ", names[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_text(&buffer, i == 0 ? ")=(" : ", ");
        if (values[i].is_null) {
            buffer_put_text(&buffer, "null");
        } else {
            text_print(&values[i], NULL, &buffer);
        }
    }
    buffer_put_u8(&buffer, ')');
    size_t used = buffer.failed ? 0 : buffer.size;
    used = used < size ? used : size - 1;
    if (used > 0) {
        memcpy(text, buffer.data, used);
    }
    text[used] = 0;
    buffer_deinit(&buffer);
}

tdbplus_status txn_duplicate_key(const struct object *collection, const struct datum *values,
                                 const struct alloc *alloc, struct err *err)
{
    const struct schema *schema = collection->schema;
    tdbplus_status status =
        err_set(err, TDBPLUS_E_UNIQUE, "duplicate key value violates unique constraint \"%s_pkey\"",
                txn_own_name(collection->name));
    char constraint[ERR_NAME_SIZE];
    (void)snprintf(constraint, sizeof constraint, "%s_pkey", txn_own_name(collection->name));
    err_about(err, collection->name, NULL, constraint);
    const char *names[SCHEMA_KEY_COUNT_MAX];
    struct datum key[SCHEMA_KEY_COUNT_MAX];
    char text[ERR_HINT_SIZE - 20];
    for (uint32_t i = 0; i < schema->key_count; i++) {
        names[i] = schema->columns[schema->key_columns[i]].name;
        key[i] = values[schema->key_columns[i]];
    }
    txn_describe_key(names, key, schema->key_count, text, sizeof text, alloc);
    err_detail(err, "%s already exists.", text);
    return status;
}

void txn_gather_key(const struct schema *schema, const struct datum *values,
                    struct datum key_values[SCHEMA_KEY_COUNT_MAX])
{
    for (uint32_t i = 0; i < schema->key_count; i++) {
        key_values[i] = values[schema->key_columns[i]];
    }
}

/* Whether there is a row, and whether the mode allows that. A blind upsert needs no look at what
 * was there; the commit finds and ends it. */
static tdbplus_status check_mode(struct txn *txn, const struct object *collection, uint8_t mode,
                                 const struct segment_key *key, bool *existed_out, struct err *err)
{
    if (mode != TXN_INSERT && mode != TXN_UPDATE && existed_out == NULL &&
        txn->options.isolation != TXN_REPEATABLE_READ) {
        return TDBPLUS_OK;
    }
    bool existed = false;
    TRY(txn_look_up(txn, collection, key, true, &existed, err));
    if (mode == TXN_UPDATE && !existed) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "\"%s\" has no row with that key",
                       collection->name);
    }
    if (existed_out != NULL) {
        *existed_out = existed;
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_write(struct txn *txn, const struct object *collection, uint8_t mode,
                         const struct datum *values, bool *existed_out, const struct call *call)
{
    struct err *err = call->err;
    TRY(txn_check_writable(txn, err));
    TRY(txn_spill_if_large(txn, call));
    TRY(txn_check_values(collection, values, err));
    struct datum key_values[SCHEMA_KEY_COUNT_MAX];
    txn_gather_key(collection->schema, values, key_values);
    struct segment_key key = {0};
    TRY(txn_key(txn, collection, key_values, &key, err));
    // An update leaves the key be, so that rows may go on referring to it.
    uint8_t lock = mode == TXN_UPDATE ? LOCK_ROW_NO_KEY_UPDATE : LOCK_ROW_UPDATE;
    TRY(txn_lock_key(txn, collection, &key, lock, false, call));
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, err));
    bool existed = false;
    bool must_look = mode == TXN_INSERT || existed_out != NULL || parts != NULL;
    TRY(check_mode(txn, collection, mode, &key, must_look ? &existed : NULL, err));
    if (mode == TXN_INSERT && existed && !planted(PLANT_UNIQUE_UNCHECKED)) {
        txn->conflict_index = 0;
        return txn_duplicate_key(collection, values, call->alloc, err);
    }
    if (parts != NULL) {
        struct row_write write = {collection, key, values, existed, NULL};
        TRY(txn_write_with_parts(txn, parts, &write, call));
    } else {
        buffer_clear(&txn->row);
        row_encode(collection->schema, values, &txn->row);
        if (txn->row.failed) {
            return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
        }
        TRY(txn_add_change(txn, collection, COMMIT_PUT, &key, buffer_span(&txn->row), err));
    }
    if (existed_out != NULL) {
        *existed_out = existed;
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_write_batch(struct txn *txn, const struct object *collection, uint8_t mode,
                               const struct batch *batch, uint32_t *failed_row_out,
                               const struct call *call)
{
    const struct schema *schema = collection->schema;
    if (batch->column_count != schema->column_count) {
        return err_set(call->err, TDBPLUS_E_INVALID, "\"%s\" has %u columns, the batch %u",
                       collection->name, schema->column_count, batch->column_count);
    }
    struct datum *values = alloc_array(call->alloc, schema->column_count, sizeof *values);
    if (values == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    tdbplus_status status = TDBPLUS_OK;
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count && status == TDBPLUS_OK; i++) {
        uint32_t row = batch->selection == NULL ? i : batch->selection[i];
        for (uint32_t c = 0; c < schema->column_count; c++) {
            column_get(&batch->columns[c], row, &values[c]);
        }
        status = txn_write(txn, collection, mode, values, NULL, call);
        if (status != TDBPLUS_OK && failed_row_out != NULL) {
            *failed_row_out = row;
        }
    }
    if (status != TDBPLUS_OK) {
        txn_savepoint_rollback(txn, savepoint);
    }
    txn_savepoint_release(txn, savepoint);
    alloc_free(call->alloc, values, schema->column_count, sizeof *values);
    return status;
}

tdbplus_status txn_delete(struct txn *txn, const struct object *collection,
                          const struct datum *key_values, bool *existed_out,
                          const struct call *call)
{
    struct err *err = call->err;
    TRY(txn_check_writable(txn, err));
    TRY(txn_spill_if_large(txn, call));
    struct segment_key key = {0};
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_key(txn, collection, key_values, &key, err));
    TRY(txn_lock_key(txn, collection, &key, LOCK_ROW_UPDATE, false, call));
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, err));
    bool existed = false;
    TRY(txn_look_up(txn, collection, &key, true, &existed, err));
    if (existed && parts != NULL) {
        struct row_write write = {collection, key, NULL, true, NULL};
        TRY(txn_write_with_parts(txn, parts, &write, call));
    } else if (existed) {
        TRY(txn_add_change(txn, collection, COMMIT_DELETE, &key, (struct span){0}, err));
    }
    if (existed_out != NULL) {
        *existed_out = existed;
    }
    return TDBPLUS_OK;
}

static tdbplus_status move_row(struct txn *txn, const struct object *collection,
                               const struct datum *old_key, const struct datum *values,
                               struct arena *arena, const struct call *call)
{
    struct err *err = call->err;
    struct datum key_values[SCHEMA_KEY_COUNT_MAX];
    struct segment_key keys[2] = {0};
    bool exists[2] = {0};
    txn_gather_key(collection->schema, values, key_values);
    for (uint32_t i = 0; i < 2; i++) {
        TRY(txn_key(txn, collection, i == 0 ? old_key : key_values, &keys[i], err));
        keys[i].key = copy_bytes(arena, keys[i].key);
        if (keys[i].key.data == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "a key does not fit the memory limit");
        }
        TRY(txn_lock_key(txn, collection, &keys[i], LOCK_ROW_UPDATE, false, call));
        TRY(txn_look_up(txn, collection, &keys[i], true, &exists[i], err));
    }
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, err));
    if (!exists[0]) {
        return TDBPLUS_OK;
    }
    if (exists[1]) {
        txn->conflict_index = 0;
        return txn_duplicate_key(collection, values, call->alloc, err);
    }
    struct row_write write = {collection, keys[0], values, true, &keys[1]};
    return txn_write_with_parts(txn, parts, &write, call);
}

tdbplus_status txn_update_key(struct txn *txn, const struct object *collection,
                              const struct datum *old_key, const struct datum *values,
                              const struct call *call)
{
    if (!txn_has_parts(txn, collection)) {
        bool existed = false;
        TRY(txn_delete(txn, collection, old_key, &existed, call));
        return existed ? txn_write(txn, collection, TXN_INSERT, values, NULL, call) : TDBPLUS_OK;
    }
    TRY(txn_check_writable(txn, call->err));
    TRY(txn_check_values(collection, values, call->err));
    struct arena arena = {.alloc = call->alloc, .block_size = 512};
    tdbplus_status status = move_row(txn, collection, old_key, values, &arena, call);
    arena_deinit(&arena);
    return status;
}

tdbplus_status txn_prefetch_row(struct txn *txn, const struct object *collection,
                                const struct datum *key_values, struct err *err)
{
    struct segment_key key = {0};
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_key(txn, collection, key_values, &key, err));
    lock_table_prefetch(txn->locks.table, collection->id, key.hash);
    struct version *version = version_acquire(collection->collection);
    version_find_prefetch(version, &key);
    version_release(version);
    return TDBPLUS_OK;
}

tdbplus_status txn_lock_row(struct txn *txn, const struct object *collection,
                            const struct datum *key_values, uint8_t mode, bool no_wait,
                            const struct call *call)
{
    struct err *err = call->err;
    TRY(txn_check_writable(txn, err));
    struct segment_key key = {0};
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_key(txn, collection, key_values, &key, err));
    TRY(txn_lock_key(txn, collection, &key, mode, no_wait, call));
    if (own_change(txn, collection, &key) != NULL) {
        return TDBPLUS_OK; // Written by this transaction: nobody else can have changed it.
    }
    struct stage_answer staged = {0};
    TRY(txn_ask_stages(txn, collection, &key, &staged, err));
    version_release(staged.version);
    if (staged.version != NULL || staged.is_hidden) {
        return TDBPLUS_OK;
    }
    uint64_t changed = 0;
    bool open = false;
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status = version_newest(version, &key, &changed, &open, err);
    version_release(version);
    if (status == TDBPLUS_OK && changed > txn->snapshot.timestamp) {
        status =
            err_set(err, TDBPLUS_E_CONFLICT, "could not serialize access due to concurrent update");
    }
    return status;
}

/* ---- reading one row ---- */

static tdbplus_status own_row(const struct txn *txn, const struct object *collection,
                              const struct change *change, const uint32_t *positions,
                              uint32_t position_count, struct batch *batch,
                              struct datum *values_out, struct err *err)
{
    (void)txn;
    const struct schema *schema = collection->schema;
    struct datum *values = arena_array(&batch->arena, schema->column_count, sizeof *values);
    // The change's bytes may be rolled back while the caller still looks at the values.
    struct span row = copy_bytes(&batch->arena, change->row);
    if (values == NULL || row.data == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "get: a row does not fit the memory limit");
    }
    TRY(row_decode(schema, row, values, err));
    for (uint32_t i = 0; i < position_count; i++) {
        values_out[i] = values[positions == NULL ? i : positions[i]];
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_get(struct txn *txn, const struct object *collection,
                       const struct datum *key_values, const uint32_t *positions,
                       uint32_t position_count, struct batch *batch, struct datum *values_out,
                       bool *found_out, const struct call *call)
{
    struct err *err = call->err;
    const struct schema *schema = collection->schema;
    uint32_t count = positions == NULL ? schema->column_count : position_count;
    struct segment_key key = {0};
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_key(txn, collection, key_values, &key, err));
    const struct change *own = own_change(txn, collection, &key);
    if (own != NULL && own->load == 0) {
        bool expired = false;
        TRY(expiry_of_change(schema, txn->snapshot.timestamp, own, txn->alloc, &expired, err));
        *found_out = own->kind == COMMIT_PUT && !expired;
        return *found_out ? own_row(txn, collection, own, positions, count, batch, values_out, err)
                          : TDBPLUS_OK;
    }
    struct stage_answer staged = {0};
    TRY(txn_ask_stages(txn, collection, &key, &staged, err));
    struct row_place place = staged.place;
    struct version *version = staged.version;
    tdbplus_status status = TDBPLUS_OK;
    if (staged.is_hidden) {
        *found_out = false;
        return TDBPLUS_OK;
    }
    if (version == NULL) {
        version = version_acquire(collection->collection);
        status = version_find(version, &key, txn->snapshot.timestamp, &place, err);
    }
    if (status == TDBPLUS_OK) {
        status = expiry_check(version, schema, txn->snapshot.timestamp, &place, txn->alloc, err);
    }
    if (status == TDBPLUS_OK && place.found) {
        status = version_row(version, &place, schema, positions, count, batch, values_out, err);
    }
    version_release(version);
    TRY(status);
    TRY(store_snapshot_check(&txn->snapshot, err));
    *found_out = place.found;
    return TDBPLUS_OK;
}

tdbplus_status txn_newest_row(struct txn *txn, const struct object *collection,
                              const struct segment_key *key, struct batch *batch,
                              struct datum *values_out, struct err *err)
{
    const struct schema *schema = collection->schema;
    const struct change *own = own_change(txn, collection, key);
    if (own != NULL && own->load == 0) {
        return own_row(txn, collection, own, NULL, schema->column_count, batch, values_out, err);
    }
    struct stage_answer staged = {0};
    TRY(txn_ask_stages(txn, collection, key, &staged, err));
    struct row_place place = staged.place;
    struct version *version = staged.version;
    tdbplus_status status = TDBPLUS_OK;
    if (version == NULL) {
        version = version_acquire(collection->collection);
        status = version_find(version, key, UINT64_MAX - 1, &place, err);
    }
    if (status == TDBPLUS_OK && !place.found) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "a row of \"%s\" is there and cannot be read",
                         collection->name);
    }
    if (status == TDBPLUS_OK) {
        status = version_row(version, &place, schema, NULL, schema->column_count, batch, values_out,
                             err);
    }
    version_release(version);
    return status;
}

/* Makes the keys of one portion; their bytes lie in the transaction's scratch. */
static tdbplus_status make_keys(struct txn *txn, const struct object *collection,
                                const struct datum *const *key_values, uint32_t count,
                                struct segment_key *keys, struct err *err)
{
    size_t ends[VERSION_FIND_MAX];
    buffer_clear(&txn->key);
    for (uint32_t i = 0; i < count; i++) {
        TRY(txn_check_key(collection, key_values[i], err));
        TRY(txn_append_key(collection, key_values[i], &txn->key, err));
        ends[i] = txn->key.size;
    }
    // Only now the bytes stay where they are.
    for (uint32_t i = 0; i < count; i++) {
        size_t begin = i == 0 ? 0 : ends[i - 1];
        struct span key = {.data = txn->key.data + begin, .size = ends[i] - begin};
        keys[i] = (struct segment_key){.key = key, .code = key_code(key), .hash = key_hash(key)};
    }
    return TDBPLUS_OK;
}

/* At most VERSION_FIND_MAX rows of a collection that the transaction has not changed. */
static tdbplus_status get_portion(struct txn *txn, const struct object *collection,
                                  const struct datum *const *key_values, uint32_t count,
                                  struct batch *const *batches, struct datum *const *values_out,
                                  bool *found_out, struct err *err)
{
    const struct schema *schema = collection->schema;
    struct segment_key keys[VERSION_FIND_MAX];
    struct row_place places[VERSION_FIND_MAX];
    TRY(make_keys(txn, collection, key_values, count, keys, err));
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status =
        version_find_batch(version, keys, count, txn->snapshot.timestamp, places, err);
    if (status == TDBPLUS_OK) {
        status = expiry_check_all(version, schema, txn->snapshot.timestamp, places, count,
                                  txn->alloc, err);
    }
    if (status == TDBPLUS_OK) {
        version_prefetch(version, places, count, schema);
    }
    for (uint32_t i = 0; status == TDBPLUS_OK && i < count; i++) {
        found_out[i] = places[i].found;
        if (places[i].found) {
            status = version_row(version, &places[i], schema, NULL, schema->column_count,
                                 batches[i], values_out[i], err);
        }
    }
    version_release(version);
    return status;
}

tdbplus_status txn_get_many(struct txn *txn, const struct object *collection,
                            const struct datum *const *keys, size_t count,
                            struct batch *const *batches, struct datum *const *values_out,
                            bool *found_out, const struct call *call)
{
    if (changes_find_table(&txn->changes, collection->id) != NULL || txn->stages.count > 0) {
        for (size_t i = 0; i < count; i++) {
            TRY(txn_get(txn, collection, keys[i], NULL, 0, batches[i], values_out[i], &found_out[i],
                        call));
        }
        return TDBPLUS_OK;
    }
    for (size_t done = 0; done < count;) {
        size_t left = count - done;
        uint32_t portion = left < VERSION_FIND_MAX ? (uint32_t)left : VERSION_FIND_MAX;
        TRY(get_portion(txn, collection, keys + done, portion, batches + done, values_out + done,
                        found_out + done, call->err));
        done += portion;
    }
    return TDBPLUS_OK;
}

/* Reads the row from the stage that has it, if one does, and lets go of that. [waits] */
static tdbplus_status read_staged(struct txn *txn, const struct object *collection,
                                  const struct txn_read *read, struct stage_answer *staged,
                                  struct batch *batch, struct datum *values_out, struct err *err)
{
    if (staged->version == NULL) {
        staged->place.found = false;
        return TDBPLUS_OK;
    }
    tdbplus_status status = expiry_check(staged->version, collection->schema,
                                         txn->snapshot.timestamp, &staged->place, txn->alloc, err);
    if (status == TDBPLUS_OK && staged->place.found) {
        status = version_row(staged->version, &staged->place, collection->schema, read->positions,
                             read->position_count, batch, values_out, err);
    }
    version_release(staged->version);
    return status;
}

/* Takes what the transaction itself made of the rows; own_out says which ones that is. */
static tdbplus_status read_own_rows(struct txn *txn, const struct object *collection,
                                    const struct txn_read *read, const struct segment_key *keys,
                                    struct batch *batch, struct datum *values_out, bool *found_out,
                                    bool *own_out, struct err *err)
{
    const struct change_table *table = changes_find_table(&txn->changes, collection->id);
    for (uint32_t i = 0; i < read->count; i++) {
        uint32_t own = table == NULL ? CHANGE_NONE
                                     : changes_find(&txn->changes, table, &keys[i], txn->statement);
        const struct change *change = own == CHANGE_NONE ? NULL : changes_at(&txn->changes, own);
        struct datum *values = values_out + (size_t)i * read->position_count;
        own_out[i] = change != NULL;
        bool expired = false;
        if (change != NULL && change->load == 0) {
            TRY(expiry_of_change(collection->schema, txn->snapshot.timestamp, change, txn->alloc,
                                 &expired, err));
        }
        found_out[i] =
            change != NULL && change->load == 0 && change->kind == COMMIT_PUT && !expired;
        if (found_out[i]) {
            TRY(own_row(txn, collection, change, read->positions, read->position_count, batch,
                        values, err));
        } else if (txn->stages.count > 0 && (change == NULL || change->load != 0)) {
            struct stages_asked asked = {.number_min = change == NULL ? 0 : change->load,
                                         .statement_end = txn->statement};
            struct stage_answer staged = {0};
            TRY(stages_ask(&txn->stages, collection, &asked, &keys[i], &staged, err));
            own_out[i] = staged.version != NULL || staged.is_hidden;
            TRY(read_staged(txn, collection, read, &staged, batch, values, err));
            found_out[i] = staged.place.found;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status txn_read_rows(struct txn *txn, const struct object *collection,
                             const struct txn_read *read, struct batch *batch,
                             struct datum *values_out, bool *found_out, const struct call *call)
{
    struct err *err = call->err;
    const struct schema *schema = collection->schema;
    const struct datum *key_values[VERSION_FIND_MAX] = {0};
    struct segment_key keys[VERSION_FIND_MAX];
    struct row_place places[VERSION_FIND_MAX];
    bool own[VERSION_FIND_MAX];
    ASSERT(read->count <= VERSION_FIND_MAX);
    for (uint32_t i = 0; i < read->count; i++) {
        key_values[i] = read->keys + (size_t)i * schema->key_count;
    }
    TRY(make_keys(txn, collection, key_values, read->count, keys, err));
    TRY(read_own_rows(txn, collection, read, keys, batch, values_out, found_out, own, err));
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status =
        version_find_batch(version, keys, read->count, txn->snapshot.timestamp, places, err);
    if (status == TDBPLUS_OK) {
        status = expiry_check_all(version, schema, txn->snapshot.timestamp, places, read->count,
                                  txn->alloc, err);
    }
    if (status == TDBPLUS_OK) {
        version_prefetch(version, places, read->count, schema);
    }
    for (uint32_t i = 0; status == TDBPLUS_OK && i < read->count; i++) {
        if (own[i]) {
            continue;
        }
        found_out[i] = places[i].found;
        if (places[i].found) {
            status = version_row(version, &places[i], schema, read->positions, read->position_count,
                                 batch, values_out + (size_t)i * read->position_count, err);
        }
    }
    version_release(version);
    TRY(status);
    return store_snapshot_check(&txn->snapshot, err);
}
