#pragma once

/* ALTER TABLE: each command is bound and done before the next one is looked at. */

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

TDBPLUS_CHECKED tdbplus_status alter_table_run(const struct bound_alter_table *alter,
                                               struct exec *exec);
