#pragma once

/*
 * ANALYZE: what is kept of each column of a table, for the optimiser: how many different values it
 * has and the share of nulls. Kept in the catalog beside the table and dropped with it.
 */

#include "sql/exec/exec_internal.h"

struct column_statistics {
    uint64_t row_count; /* Of the table, then. */
    double distinct;    /* Values, nulls apart. */
    double null_share;
};

/* Reads a whole table and notes what it finds. [waits] */
TDBPLUS_CHECKED tdbplus_status analyze_table(struct exec *exec, const struct object *table);

/* Of the column with that position in the table's schema; false when nothing is known. */
bool analyze_find(struct txn *txn, const struct object *table, uint32_t position,
                  struct column_statistics *out);
