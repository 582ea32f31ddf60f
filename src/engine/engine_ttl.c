/* When rows of a collection expire. */

#include "catalog/catalog.h"
#include "engine/engine_internal.h"
#include "txn/parts.h"

struct ttl_args {
    tdbplus_db *db;
    tdbplus_txn *txn;
    const char *collection;
    const char *column;
    int64_t ttl_us;
};

static tdbplus_status check(struct txn *txn, const struct ttl_args *args,
                            const struct object *object, struct err *err)
{
    if (object == NULL || catalog_hidden(object)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42P01", "there is no collection \"%s\"",
                             args->collection);
    }
    if (args->column != NULL && txn_has_parts(txn, object)) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "\"%s\" has indexes or foreign keys: its rows cannot expire", object->name);
    }
    if (args->column != NULL && args->ttl_us < 0) {
        return err_set(err, TDBPLUS_E_INVALID, "rows cannot expire before their time");
    }
    return TDBPLUS_OK;
}

static tdbplus_status set_in_txn(void *arg, struct txn *txn, const struct call *call)
{
    const struct ttl_args *args = arg;
    const char *name = args->collection == NULL ? "" : args->collection;
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, name);
    TRY(check(txn, args, object, call->err));
    struct schema schema = *object->schema;
    schema.ttl_column_id = 0;
    schema.ttl_us = 0;
    if (args->column != NULL) {
        int32_t at = schema_find_name(&schema, args->column);
        if (at < 0) {
            return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "42703",
                                 "\"%s\" has no column \"%s\"", args->collection, args->column);
        }
        schema.ttl_column_id = schema.columns[at].id;
        schema.ttl_us = args->ttl_us;
    }
    return txn_object_alter(txn, object->id, NULL, &schema, NULL, call->err);
}

static tdbplus_status set_work(void *arg, const struct call *call)
{
    struct ttl_args *args = arg;
    return engine_with_txn(args->db, args->txn, false, set_in_txn, args, call);
}

tdbplus_status tdbplus_ttl_set(tdbplus_db *db, tdbplus_txn *txn, const char *collection,
                               const char *column, int64_t ttl_us, tdbplus_call *call)
{
    struct ttl_args args = {
        .db = db, .txn = txn, .collection = collection, .column = column, .ttl_us = ttl_us};
    return engine_run(db, call, set_work, &args, sizeof args);
}
