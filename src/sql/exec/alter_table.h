#pragma once

/* ALTER TABLE: each command is bound and done before the next one is looked at. */

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

TDBPLUS_CHECKED tdbplus_status alter_table_run(const struct bound_alter_table *alter,
                                               struct exec *exec);

/* ACTION_CHECK_ROWS: fails when a row is there for which the expression is true. */
TDBPLUS_CHECKED tdbplus_status alter_table_check(const struct bound_action *action,
                                                 struct exec *exec);
