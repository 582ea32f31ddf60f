#pragma once

/* Making foreign keys. They are dropped by catalog_entry_drop(), and with either of their tables.
 */

#include "catalog/catalog.h"
#include "txn/pending.h"

/*
 * Makes a foreign key of `def->table`; its name is unique within that table. Rows that are there
 * are looked at when the statement ends. [waits]
 *
 *   TDBPLUS_E_EXISTS  the table has a foreign key of that name
 */
TDBPLUS_CHECKED tdbplus_status catalog_foreign_create(struct txn *txn, const char *name,
                                                      const struct foreign_def *def,
                                                      const struct call *call, uint64_t *oid_out);
