#pragma once

#include "txn/parts.h"

/* How the SQL engine computes the expressions and predicates of indexes, for txn_set_hooks(). */
const struct txn_hooks *sql_txn_hooks(void);
