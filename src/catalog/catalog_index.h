#pragma once

/* Making and dropping indexes: the entry in the catalog, the collection of the index's entries, and
 * the entries themselves. */

#include "catalog/catalog.h"
#include "txn/parts.h"

/*
 * Makes an index on a table, with entries for its rows, as part of the transaction. Of `def`
 * everything but `table`, `entries` and `ready` is read. Rows that other transactions commit
 * meanwhile make the commit fail with TDBPLUS_E_CONFLICT. [waits]
 *
 *   TDBPLUS_E_EXISTS  a relation has that name
 *   TDBPLUS_E_UNIQUE  two rows have one key
 */
TDBPLUS_CHECKED tdbplus_status catalog_index_create(struct txn *txn, uint64_t table,
                                                    const char *schema, const char *name,
                                                    const struct index_def *def,
                                                    const struct call *call, uint64_t *oid_out);

TDBPLUS_CHECKED tdbplus_status catalog_index_drop(struct txn *txn, uint64_t oid, struct err *err);

/* Gives the table a new revision, so that plans made for it are made again. */
TDBPLUS_CHECKED tdbplus_status catalog_touch_table(struct txn *txn, uint64_t table,
                                                   struct err *err);

/* Compares every index of a table with its rows: txn_index_check(). [waits] */
TDBPLUS_CHECKED tdbplus_status catalog_check_table(struct txn *txn, uint64_t table,
                                                   const struct call *call);
