/* Deleting ranges of keys. */

#include "engine/engine_internal.h"

struct range_args {
    tdbplus_collection *collection;
    tdbplus_txn *txn;
    const tdbplus_value *from;
    const tdbplus_value *to;
    uint32_t from_count;
    uint32_t to_count;
    uint64_t *deleted_out;
};

/* Values of the key's first columns; `room` has SCHEMA_KEY_COUNT_MAX. */
static tdbplus_status make_bound(const struct object *object, const tdbplus_value *values,
                                 uint32_t count, struct arena *arena, struct datum *room,
                                 struct scan_bound *bound_out, struct err *err)
{
    const struct schema *schema = object->schema;
    if (count > schema->key_count || (count > 0 && values == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "the key of \"%s\" has %u columns, the bound %u",
                       object->name, schema->key_count, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct schema_column *column = &schema->columns[schema->key_columns[i]];
        TRY(engine_datum(&values[i], column->type, column->name, arena, &room[i], err));
    }
    *bound_out = (struct scan_bound){.values = room, .value_count = count};
    return TDBPLUS_OK;
}

static tdbplus_status delete_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct range_args *args = arg;
    const struct object *object = NULL;
    struct datum from[SCHEMA_KEY_COUNT_MAX];
    struct datum to[SCHEMA_KEY_COUNT_MAX];
    struct scan_bound lower = {0};
    struct scan_bound upper = {0};
    struct arena arena = {0};
    TRY(engine_find(txn, args->collection, &object, call->err));
    arena_init(&arena, call->alloc, 512);
    tdbplus_status status =
        make_bound(object, args->from, args->from_count, &arena, from, &lower, call->err);
    if (status == TDBPLUS_OK) {
        status = make_bound(object, args->to, args->to_count, &arena, to, &upper, call->err);
    }
    if (status == TDBPLUS_OK) {
        upper.exclusive = true;
        status = txn_delete_range(txn, object, &lower, &upper, args->deleted_out, call);
    }
    arena_deinit(&arena);
    return status;
}

static tdbplus_status delete_work(void *arg, const struct call *call)
{
    struct range_args *args = arg;
    return engine_with_txn(args->collection->db, args->txn, false, delete_in_txn, args, call);
}

tdbplus_status tdbplus_delete_range(tdbplus_collection *collection, tdbplus_txn *txn,
                                    const tdbplus_value *from, uint32_t from_count,
                                    const tdbplus_value *to, uint32_t to_count,
                                    uint64_t *deleted_out, tdbplus_call *call)
{
    struct range_args args = {.collection = collection,
                              .txn = txn,
                              .from = from,
                              .to = to,
                              .from_count = from_count,
                              .to_count = to_count,
                              .deleted_out = deleted_out};
    return engine_run(collection->db, call, delete_work, &args, sizeof args);
}
