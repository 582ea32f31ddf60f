/* Deleting all rows of a range of keys as one operation. */

#include <string.h>

#include "base/assert.h"
#include "txn/scan_internal.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "delete: a range does not fit the memory limit");
}

/* In READ COMMITTED what others committed while we waited for them counts too. */
static void renew_snapshot(struct txn *txn)
{
    if (txn->options.isolation == TXN_READ_COMMITTED) {
        store_snapshot_release(txn->store, &txn->snapshot);
        store_snapshot_acquire(txn->store, &txn->snapshot);
    }
}

static tdbplus_status copy_span(const struct alloc *alloc, struct span from, struct bytes *to,
                                struct err *err)
{
    if (from.size == 0) {
        return TDBPLUS_OK;
    }
    uint8_t *data = alloc_array(alloc, from.size, 1);
    if (data == NULL) {
        return no_memory(err);
    }
    memcpy(data, from.data, from.size);
    *to = (struct bytes){.data = data, .size = from.size, .alloc = alloc};
    return TDBPLUS_OK;
}

/* Rows of its own, written one by one, become deletions. */
static tdbplus_status delete_own(struct txn *txn, const struct object *object,
                                 const struct key_range *range, struct err *err)
{
    struct change_table *table = NULL;
    TRY(changes_table(&txn->changes, object, &table, err));
    uint32_t number = (uint32_t)(table - (struct change_table *)txn->changes.tables.items);
    size_t count = txn->changes.items.count;
    for (uint32_t i = 0; i < count; i++) {
        const struct change *change = changes_at(&txn->changes, i);
        if (change->table == number && change->kind == COMMIT_PUT && !change->superseded &&
            key_in_range(range, change->key.key)) {
            struct segment_key key = change->key;
            TRY(txn_add_change(txn, object, COMMIT_DELETE, &key, (struct span){0}, err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_stage(struct txn *txn, const struct object *object,
                                const struct key_range *range, struct err *err)
{
    struct txn_stage *stage = stages_add(&txn->stages, object->id, txn->statement);
    if (stage == NULL) {
        return no_memory(err);
    }
    stage->is_range = true;
    stage->is_done = true;
    stage->has_upper = range->has_upper;
    if (range->has_lower) {
        TRY(copy_span(txn->alloc, range->lower.key, &stage->lower, err));
    }
    return range->has_upper ? copy_span(txn->alloc, range->upper.key, &stage->upper, err)
                            : TDBPLUS_OK;
}

static tdbplus_status count_rows(struct scan *scan, uint64_t *count, const struct call *call)
{
    struct batch batch;
    batch_init(&batch, call->alloc);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = scan_next(scan, &batch, call);
        *count += status == TDBPLUS_OK ? batch_live_count(&batch) : 0;
    }
    batch_deinit(&batch);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* Where index entries have to go too, every row is deleted for itself. */
static tdbplus_status delete_rows(struct txn *txn, const struct object *object, struct scan *scan,
                                  uint64_t *count, const struct call *call)
{
    struct batch batch;
    batch_init(&batch, call->alloc);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = scan_next(scan, &batch, call);
        uint32_t live = status == TDBPLUS_OK ? batch_live_count(&batch) : 0;
        for (uint32_t i = 0; i < live && status == TDBPLUS_OK; i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum key[SCHEMA_KEY_COUNT_MAX];
            bool existed = false;
            for (uint32_t k = 0; k < object->schema->key_count; k++) {
                column_get(&batch.columns[k], row, &key[k]);
            }
            status = txn_delete(txn, object, key, &existed, call);
            *count += existed ? 1 : 0;
        }
    }
    batch_deinit(&batch);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status check_unchanged(const struct txn *txn, const struct object *object,
                                      struct err *err)
{
    if (txn->options.isolation == TXN_REPEATABLE_READ &&
        collection_changed(object->collection) > txn->snapshot.timestamp) {
        return err_set(err, TDBPLUS_E_CONFLICT,
                       "could not serialize access due to concurrent update");
    }
    return TDBPLUS_OK;
}

/* By one stage. The collection is barred for others. */
static tdbplus_status delete_at_once(struct txn *txn, const struct object *object,
                                     struct scan *scan, bool wants_count, uint64_t *count,
                                     const struct call *call)
{
    const struct key_range *range = &scan->range;
    TRY(check_unchanged(txn, object, call->err));
    if (wants_count) {
        TRY(count_rows(scan, count, call));
    }
    if (range->empty) {
        return TDBPLUS_OK;
    }
    TRY(delete_own(txn, object, range, call->err));
    return add_stage(txn, object, range, call->err);
}

tdbplus_status txn_delete_range(struct txn *txn, const struct object *object,
                                const struct scan_bound *lower, const struct scan_bound *upper,
                                uint64_t *count_out, const struct call *call)
{
    TRY(txn_check_writable(txn, call->err));
    if (txn_columns_changed(txn, object)) {
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                       "deleting from \"%s\" in the transaction that changed its columns is not "
                       "supported",
                       object->name);
    }
    struct txn_savepoint before = txn_savepoint_set(txn);
    bool by_rows = txn_has_parts(txn, object);
    struct scan_options options = {.positions = object->schema->key_columns,
                                   .position_count = by_rows ? object->schema->key_count : 0,
                                   .lower = *lower,
                                   .upper = *upper};
    struct scan *scan = NULL;
    uint64_t count = 0;
    tdbplus_status status = by_rows ? TDBPLUS_OK : txn_bar(txn, object, call);
    if (status == TDBPLUS_OK) {
        renew_snapshot(txn);
        status = scan_open(txn, object, &options, &scan, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = by_rows ? delete_rows(txn, object, scan, &count, call)
                         : delete_at_once(txn, object, scan, count_out != NULL, &count, call);
    }
    scan_close(scan);
    if (status != TDBPLUS_OK) {
        txn_savepoint_rollback(txn, before);
        return status;
    }
    if (count_out != NULL) {
        *count_out = count;
    }
    return TDBPLUS_OK;
}
