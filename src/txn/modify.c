/* Changing one row in one go: lock, read what is newest, write what becomes of it. */

#include "txn/txn_internal.h"

/* Read committed asks the store once; whatever else has to be told apart takes the long way. */
static tdbplus_status read_newest(struct txn *txn, const struct object *collection,
                                  const struct segment_key *key, struct batch *batch,
                                  struct datum *values_out, bool *found_out, struct err *err)
{
    const struct schema *schema = collection->schema;
    bool own = changes_find_table(&txn->changes, collection->id) != NULL;
    if (own || txn->stages.count > 0 || txn->options.isolation == TXN_REPEATABLE_READ ||
        schema->ttl_column_id != 0) {
        TRY(txn_look_up(txn, collection, key, true, found_out, err));
        return *found_out ? txn_newest_row(txn, collection, key, batch, values_out, err)
                          : TDBPLUS_OK;
    }
    struct row_place place = {0};
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status = version_find(version, key, TIMESTAMP_OPEN - 1, &place, err);
    if (status == TDBPLUS_OK && place.found) {
        status = version_row(version, &place, schema, NULL, schema->column_count, batch, values_out,
                             err);
    }
    version_release(version);
    *found_out = place.found;
    return status;
}

static tdbplus_status write_values(struct txn *txn, const struct object *collection,
                                   const struct segment_key *key, const struct datum *values,
                                   const struct call *call)
{
    struct parts *parts = NULL;
    TRY(txn_parts(txn, collection, &parts, call->err));
    if (parts != NULL) {
        struct row_write write = {collection, *key, values, true, NULL};
        return txn_write_with_parts(txn, parts, &write, call);
    }
    buffer_clear(&txn->row);
    row_encode(collection->schema, values, &txn->row);
    if (txn->row.failed) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    return txn_add_change(txn, collection, COMMIT_PUT, key, buffer_span(&txn->row), call->err);
}

tdbplus_status txn_modify(struct txn *txn, const struct object *collection,
                          const struct datum *key_values, const struct txn_modifier *modifier,
                          bool *existed_out, const struct call *call)
{
    struct err *err = call->err;
    const struct schema *schema = collection->schema;
    struct segment_key key = {0};
    TRY(txn_check_writable(txn, err));
    TRY(txn_spill_if_large(txn, call));
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_key(txn, collection, key_values, &key, err));
    TRY(txn_lock_key(txn, collection, &key, LOCK_ROW_NO_KEY_UPDATE, false, call));
    struct batch *batch = modifier->batch;
    struct datum *values = arena_alloc(&batch->arena, 2u * schema->column_count * sizeof *values);
    if (values == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    struct datum *fresh = values + schema->column_count;
    bool found = false;
    TRY(read_newest(txn, collection, &key, batch, values, &found, err));
    if (found) {
        TRY(modifier->modify(modifier->context, values, fresh));
        TRY(txn_check_values(collection, fresh, err));
        TRY(write_values(txn, collection, &key, fresh, call));
    }
    *existed_out = found;
    return TDBPLUS_OK;
}
