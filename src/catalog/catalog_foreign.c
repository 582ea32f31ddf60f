#include "catalog/catalog_foreign.h"

#include <inttypes.h>
#include <stdio.h>

#include "catalog/catalog_index.h"

tdbplus_status catalog_foreign_create(struct txn *txn, const char *name,
                                      const struct foreign_def *def, const struct call *call,
                                      uint64_t *oid_out)
{
    char table[24];
    char full[CATALOG_FULL_NAME_SIZE];
    struct buffer properties = {.alloc = call->alloc};
    uint64_t oid = 0;
    // The table stands where entries have their schema: constraints are named within it.
    (void)snprintf(table, sizeof table, "%" PRIu64, def->table);
    TRY(catalog_full_name(table, name, full, call->err));
    if (txn_object(txn, OBJECT_FOREIGN_KEY, full) != NULL) {
        return err_set_state(call->err, TDBPLUS_E_EXISTS, "42710",
                             "constraint \"%s\" already exists", name);
    }
    foreign_def_encode(def, &properties);
    tdbplus_status status =
        properties.failed
            ? err_set(call->err, TDBPLUS_E_NOMEM, "a foreign key does not fit the memory limit")
            : txn_object_create(txn, OBJECT_FOREIGN_KEY, full, NULL, buffer_span(&properties), &oid,
                                call->err);
    buffer_deinit(&properties);
    TRY(status);
    TRY(catalog_touch_table(txn, def->table, call->err));
    if (def->referenced != def->table) {
        TRY(catalog_touch_table(txn, def->referenced, call->err));
    }
    TRY(txn_check_foreign_key(txn, oid, call));
    *oid_out = oid;
    return TDBPLUS_OK;
}
