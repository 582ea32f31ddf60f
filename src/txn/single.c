/* One row, or a few, without a transaction: found, read and written in a single step. */

#include "base/assert.h"
#include "txn/expired.h"
#include "txn/txn_internal.h"

/* ---- reading a row ---- */

static tdbplus_status get_at(const struct object *collection, const struct segment_key *key,
                             uint64_t timestamp, struct batch *batch, struct datum *values_out,
                             bool *found_out, struct err *err)
{
    const struct schema *schema = collection->schema;
    struct row_place place = {0};
    struct version *version = version_acquire(collection->collection);
    tdbplus_status status = version_find(version, key, timestamp, &place, err);
    if (status == TDBPLUS_OK) {
        status = expiry_check(version, schema, timestamp, &place, batch->arena.alloc, err);
    }
    if (status == TDBPLUS_OK && place.found) {
        status = version_row(version, &place, schema, NULL, schema->column_count, batch, values_out,
                             err);
    }
    version_release(version);
    if (status == TDBPLUS_OK) {
        *found_out = place.found;
    }
    return status;
}

/*
 * Without a registered snapshot the horizon may pass the moment this reads at: a merge may then
 * leave the row behind that was current, and the one that replaced it is too new. So a row that is
 * found was current at some moment of this call, which is all that a read of its own promises; but
 * that there is none is only sure when no commit became visible meanwhile. The timestamp is read
 * before the version is taken, so that the version has every commit up to it.
 */
tdbplus_status txn_get_now(struct store *store, const struct object *collection,
                           const struct datum *key_values, struct buffer *scratch,
                           struct batch *batch, struct datum *values_out, bool *found_out,
                           struct err *err)
{
    struct segment_key key = {0};
    TRY(txn_check_key(collection, key_values, err));
    TRY(txn_make_key(collection, key_values, scratch, &key, err));
    bool found = false;
    if (collection->schema->ttl_column_id != 0) {
        store_tick(store);
    }
    uint64_t now = store_visible_timestamp(store);
    TRY(get_at(collection, &key, now, batch, values_out, &found, err));
    if (!found && store_visible_timestamp(store) != now) {
        struct store_snapshot snapshot = {0};
        store_snapshot_acquire(store, &snapshot);
        tdbplus_status status =
            get_at(collection, &key, snapshot.timestamp, batch, values_out, &found, err);
        store_snapshot_release(store, &snapshot);
        TRY(status);
    }
    *found_out = found;
    return TDBPLUS_OK;
}

enum txn_glance txn_glance(struct store *store, const struct store_glance *glance,
                           const struct object *collection, const struct datum *key_values,
                           struct buffer *scratch, struct datum *values_out)
{
    const struct schema *schema = collection->schema;
    struct segment_key key = {0};
    uint8_t bytes[sizeof(uint64_t)];
    if (schema->ttl_column_id != 0) {
        return TXN_GLANCE_UNKNOWN;
    }
    if (key_is_integer(schema)) {
        key.code = key_code_of_integer(key_values[0].integer);
        store_u64_be(bytes, key.code);
        key.key = (struct span){.data = bytes, .size = sizeof bytes};
        key.hash = key_hash(key.key);
    } else if (txn_make_key(collection, key_values, scratch, &key, NULL) != TDBPLUS_OK) {
        return TXN_GLANCE_UNKNOWN; // The long way says why.
    }
    struct row_place place = {0};
    const struct version *version = store_glance_version(collection->collection);
    if (!store_glance_find(version, &key, glance->timestamp, &place)) {
        return TXN_GLANCE_UNKNOWN;
    }
    if (!place.found) { // X7
        return store_visible_timestamp(store) == glance->timestamp ? TXN_GLANCE_ABSENT
                                                                   : TXN_GLANCE_UNKNOWN;
    }
    return store_glance_row(version, &place, schema, values_out) ? TXN_GLANCE_FOUND
                                                                 : TXN_GLANCE_UNKNOWN;
}

/* ---- writing a row ---- */

#define ROW_SIZE_USUAL 512u
#define ROW_SIZE_SMALL 128u /* Of many. */

/* Where an op's key and row lie in a buffer that may still move. */
struct op_place {
    size_t key_begin;
    size_t row_begin;
    size_t row_end;
};

/* Appends key, then row. */
static tdbplus_status encode_row(const struct object *collection, const struct datum *values,
                                 struct buffer *buffer, struct op_place *place_out, struct err *err)
{
    struct datum key_values[SCHEMA_KEY_COUNT_MAX];
    struct op_place place = {.key_begin = buffer->size};
    txn_gather_key(collection->schema, values, key_values);
    TRY(txn_append_key(collection, key_values, buffer, err));
    place.row_begin = buffer->size;
    row_encode(collection->schema, values, buffer);
    place.row_end = buffer->size;
    if (buffer->failed) {
        return err_set(err, TDBPLUS_E_NOMEM, "a row does not fit the memory limit");
    }
    *place_out = place;
    return TDBPLUS_OK;
}

static struct commit_op make_op(const struct buffer *buffer, const struct op_place *place)
{
    struct span key = {.data = buffer->data + place->key_begin,
                       .size = place->row_begin - place->key_begin};
    return (struct commit_op){
        .kind = COMMIT_PUT,
        .key = key,
        .code = key_code(key),
        .hash = key_hash(key),
        .row = {.data = buffer->data + place->row_begin, .size = place->row_end - place->row_begin},
    };
}

/* Ops and the order in which their rows are locked; NULL: as they are. */
struct locked_ops {
    const struct commit_op *ops;
    uint32_t count;
    const uint16_t *order;
};

static tdbplus_status lock_rows(struct lock_owner *owner, const struct object *collection,
                                const struct locked_ops *rows, const struct call *call)
{
    struct lock_request request = {.table = collection->id, .mode = LOCK_ROW_UPDATE};
    for (uint32_t i = 0; i < rows->count; i++) {
        request.hash = rows->ops[rows->order == NULL ? i : rows->order[i]].hash;
        TRY(lock_table_acquire(owner, &request, call));
    }
    return TDBPLUS_OK;
}

/* A blind write reads nothing, so it needs the rows' locks (X4) but no snapshot. */
static tdbplus_status lock_and_commit(struct store *store, const struct object *collection,
                                      const struct locked_ops *rows, const struct call *call)
{
    struct lock_owner owner;
    lock_owner_init(&owner, store_locks(store), store_next_txn_id(store));
    struct lock_request whole = {.table = collection->id, .mode = LOCK_ROW_EXCLUSIVE};
    bool entered = collection_enter(collection->collection);
    struct commit_group group = {.collection = collection->collection,
                                 .schema = collection->schema,
                                 .ops = rows->ops,
                                 .op_count = rows->count,
                                 .revision = collection->revision};
    struct store_commit commit = {
        .groups = &group, .group_count = 1, .durability = store_durability(store)};
    tdbplus_status status =
        entered ? TDBPLUS_OK : lock_table_acquire(&owner, &whole, call); // Somebody loads.
    if (status == TDBPLUS_OK) {
        status = lock_rows(&owner, collection, rows, call);
    }
    if (status == TDBPLUS_OK) {
        status = store_commit(store, &commit, NULL, call);
    }
    if (entered) {
        collection_leave(collection->collection);
    }
    lock_owner_release_all(&owner);
    lock_owner_deinit(&owner);
    return status;
}

static tdbplus_status upsert_in_txn(struct store *store, const struct object *collection,
                                    const struct datum *values, const struct call *call)
{
    struct txn *txn = NULL;
    TRY(txn_begin(store, NULL, call->alloc, &txn, call->err));
    const struct object *now = txn_object_by_id(txn, collection->id);
    tdbplus_status status =
        now == collection
            ? txn_write(txn, collection, TXN_UPSERT, values, NULL, call)
            : err_set(call->err, TDBPLUS_E_CONFLICT, "the table was altered or dropped");
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, call);
}

tdbplus_status txn_upsert_now(struct store *store, const struct object *collection,
                              const struct datum *values, const struct call *call)
{
    if (store_read_only(store)) {
        return err_set(call->err, TDBPLUS_E_READ_ONLY, "the database is read-only");
    }
    TRY(txn_check_values(collection, values, call->err));
    if (store_has_parts(store, collection->id)) {
        return upsert_in_txn(store, collection, values, call);
    }
    struct buffer buffer = {.alloc = call->alloc};
    struct op_place place = {0};
    (void)buffer_reserve(&buffer, ROW_SIZE_USUAL); // A failure is remembered.
    tdbplus_status status = encode_row(collection, values, &buffer, &place, call->err);
    if (status == TDBPLUS_OK) {
        struct commit_op op = make_op(&buffer, &place);
        struct locked_ops rows = {.ops = &op, .count = 1};
        status = lock_and_commit(store, collection, &rows, call);
    }
    buffer_deinit(&buffer);
    return status;
}

/* ---- writing some rows ---- */

static int compare_ops(const struct commit_op *left, const struct commit_op *right)
{
    if (left->code != right->code) {
        return left->code < right->code ? -1 : 1;
    }
    return span_compare(left->key, right->key);
}

/* Sorts the numbers of ops by their keys (Shell 1959, the gaps of Ciura 2001). */
static void sort_numbers(const struct commit_op *ops, uint16_t *numbers, uint32_t count)
{
    static const uint32_t gaps[] = {132, 57, 23, 10, 4, 1};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        for (uint32_t i = gaps[g]; i < count; i++) {
            uint16_t number = numbers[i];
            uint32_t at = i;
            for (; at >= gaps[g] && compare_ops(&ops[number], &ops[numbers[at - gaps[g]]]) < 0;
                 at -= gaps[g]) {
                numbers[at] = numbers[at - gaps[g]];
            }
            numbers[at] = number;
        }
    }
}

/*
 * Decides the order of locking: that of the keys, whoever writes them, so that no two of these
 * writes ever wait for each other in a circle. False when two ops have one key, which a commit must
 * not see (X6).
 */
static bool order_locks(const struct commit_op *ops, uint32_t count, uint16_t *numbers,
                        struct locked_ops *rows_out)
{
    *rows_out = (struct locked_ops){.ops = ops, .count = count};
    uint32_t ascending = 1;
    while (ascending < count && ops[ascending - 1].code < ops[ascending].code) {
        ascending++;
    }
    if (ascending >= count) {
        return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = (uint16_t)i;
    }
    sort_numbers(ops, numbers, count);
    for (uint32_t i = 1; i < count; i++) {
        if (compare_ops(&ops[numbers[i - 1]], &ops[numbers[i]]) == 0) {
            return false;
        }
    }
    rows_out->order = numbers;
    return true;
}

tdbplus_status txn_upsert_many_now(struct store *store, const struct object *collection,
                                   const struct datum *const *rows, uint32_t row_count,
                                   bool *done_out, const struct call *call)
{
    ASSERT(row_count <= TXN_UPSERT_NOW_MAX);
    *done_out = false;
    if (store_read_only(store)) {
        return err_set(call->err, TDBPLUS_E_READ_ONLY, "the database is read-only");
    }
    if (store_has_parts(store, collection->id)) {
        return TDBPLUS_OK;
    }
    struct op_place places[TXN_UPSERT_NOW_MAX];
    struct commit_op ops[TXN_UPSERT_NOW_MAX];
    struct buffer buffer = {.alloc = call->alloc};
    tdbplus_status status = TDBPLUS_OK;
    (void)buffer_reserve(&buffer, row_count * (size_t)ROW_SIZE_SMALL);
    for (uint32_t i = 0; i < row_count; i++) {
        TRY_OR(done, txn_check_values(collection, rows[i], call->err));
        TRY_OR(done, encode_row(collection, rows[i], &buffer, &places[i], call->err));
    }
    for (uint32_t i = 0; i < row_count; i++) {
        ops[i] = make_op(&buffer, &places[i]);
    }
    uint16_t numbers[TXN_UPSERT_NOW_MAX];
    struct locked_ops locked;
    if (order_locks(ops, row_count, numbers, &locked)) {
        TRY_OR(done, lock_and_commit(store, collection, &locked, call));
        *done_out = true;
    }
done:
    buffer_deinit(&buffer);
    return status;
}
