#pragma once

/* CREATE TABLE, DROP TABLE, TRUNCATE. */

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

/* Makes the sequence of a table's column. */
TDBPLUS_CHECKED tdbplus_status definition_sequence(const struct bound_sequence *sequence,
                                                   uint64_t table, struct exec *exec,
                                                   uint64_t *oid_out);

/* Makes the foreign keys of a table that has just got them. */
TDBPLUS_CHECKED tdbplus_status definition_foreign_keys(const struct bound_create *create,
                                                       uint64_t table, struct exec *exec);

TDBPLUS_CHECKED tdbplus_status definition_actions(const struct bound_action *actions,
                                                  struct exec *exec);

/* Changes the catalog. *fill_out is what puts rows into a new table (CREATE TABLE AS), or NULL; it
 * lives in the exec's arena. */
TDBPLUS_CHECKED tdbplus_status definition_run(const struct bound *bound, struct exec *exec,
                                              struct plan **fill_out);
