#include "catalog/catalog_index.h"

#include <stdio.h>

#include "base/codec.h"

static tdbplus_status find_table(struct txn *txn, uint64_t id, const struct object **table_out,
                                 struct err *err)
{
    const struct object *table = txn_object_by_id(txn, id);
    if (table == NULL || table->kind != OBJECT_COLLECTION) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "an index has no table");
    }
    *table_out = table;
    return TDBPLUS_OK;
}

tdbplus_status catalog_touch_table(struct txn *txn, uint64_t table, struct err *err)
{
    const struct object *object = NULL;
    TRY(find_table(txn, table, &object, err));
    return txn_object_alter(txn, table, NULL, NULL, &object->properties, err);
}

/* The hidden collection of the entries, under the index's name. */
static tdbplus_status create_entries(struct txn *txn, const struct object *table, const char *full,
                                     const struct index_def *def, uint64_t *id_out,
                                     const struct call *call)
{
    char hidden[CATALOG_FULL_NAME_SIZE + 1];
    struct arena arena = {.alloc = call->alloc};
    struct schema description = {0};
    struct schema *schema = NULL;
    (void)snprintf(hidden, sizeof hidden, "\x01%s", full);
    tdbplus_status status =
        index_entries_schema(def, table->schema, &arena, &description, call->err);
    if (status == TDBPLUS_OK) {
        status = schema_create(&description, call->alloc, &schema, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = txn_object_create(txn, OBJECT_COLLECTION, hidden, schema, (struct span){0}, id_out,
                                   call->err);
    }
    schema_destroy(schema);
    arena_deinit(&arena);
    return status;
}

static tdbplus_status create_object(struct txn *txn, const char *full, const struct index_def *def,
                                    uint64_t *oid_out, const struct call *call)
{
    struct buffer properties = {.alloc = call->alloc};
    index_def_encode(def, &properties);
    tdbplus_status status =
        properties.failed
            ? err_set(call->err, TDBPLUS_E_NOMEM, "an index does not fit the memory limit")
            : txn_object_create(txn, OBJECT_INDEX, full, NULL, buffer_span(&properties), oid_out,
                                call->err);
    buffer_deinit(&properties);
    return status;
}

tdbplus_status catalog_index_create(struct txn *txn, uint64_t table, const char *schema,
                                    const char *name, const struct index_def *def,
                                    const struct call *call, uint64_t *oid_out)
{
    char full[CATALOG_FULL_NAME_SIZE];
    struct catalog_entry other;
    struct index_def own = *def;
    const struct object *object = NULL;
    uint64_t oid = 0;
    TRY(catalog_full_name(schema, name, full, call->err));
    if (catalog_relation_find(txn, schema, name, &other)) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42P07", "relation \"%s\" already exists",
                             name);
    }
    TRY(find_table(txn, table, &object, call->err));
    own.table = table;
    own.ready = true;
    TRY(create_entries(txn, object, full, &own, &own.entries, call));
    TRY(create_object(txn, full, &own, &oid, call));
    TRY(catalog_touch_table(txn, table, call->err));
    TRY(find_table(txn, table, &object, call->err));
    TRY(txn_index_build(txn, object, oid, call));
    *oid_out = oid;
    return TDBPLUS_OK;
}

tdbplus_status catalog_index_drop(struct txn *txn, uint64_t oid, struct err *err)
{
    const struct object *index = txn_object_by_id(txn, oid);
    if (index == NULL || index->kind != OBJECT_INDEX) {
        return err_set(err, TDBPLUS_E_NOT_FOUND, "there is no index number %llu",
                       (unsigned long long)oid);
    }
    uint64_t table = index->parent;
    TRY(catalog_entry_drop(txn, oid, err));
    return catalog_touch_table(txn, table, err);
}

tdbplus_status catalog_check_table(struct txn *txn, uint64_t table, const struct call *call)
{
    const struct object *object = NULL;
    const struct object *part = NULL;
    TRY(find_table(txn, table, &object, call->err));
    for (uint32_t i = 0; (part = txn_part_at(txn, table, i)) != NULL; i++) {
        if (part->kind == OBJECT_INDEX) {
            TRY(txn_index_check(txn, object, part->id, call));
        }
    }
    return TDBPLUS_OK;
}
