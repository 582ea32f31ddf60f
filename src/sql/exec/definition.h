#pragma once

/* CREATE TABLE, DROP TABLE, TRUNCATE. */

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

/* Changes the catalog. *fill_out is what puts rows into a new table (CREATE TABLE AS), or NULL; it
 * lives in the exec's arena. */
TDBPLUS_CHECKED tdbplus_status definition_run(const struct bound *bound, struct exec *exec,
                                              struct plan **fill_out);
