#pragma once

/*
 * The scan of a table as a source: conditions go down to storage, a filter above it is asked before
 * columns that only survivors need are read, and so are joins further up that would drop a row for
 * lack of a match.
 */

#include "sql/exec/exec_join_table.h"

/* A scan with the conditions of the filter above it; *done_out false: the filter is a step. */
TDBPLUS_CHECKED tdbplus_status make_filtered_scan(struct exec *exec, const struct plan *filter,
                                                  struct pipeline *pipeline, bool *done_out);

/*
 * Tells the scan at the beginning of a pipeline that rows whose column `id` is not among the values
 * of key column `key` of `table` will be dropped. Does nothing where there is no such scan, or
 * something in between counts rows. The table is asked once it is built; it must live as long as
 * the pipeline.
 */
TDBPLUS_CHECKED tdbplus_status scan_add_probe(struct exec *exec, struct stage *last, uint32_t id,
                                              const struct join_table *table, uint32_t key);

/* The same for what an aggregate reads, if the column is a key that it takes as it is. */
bool stage_is_aggregate(const struct stage *stage);
TDBPLUS_CHECKED tdbplus_status aggregate_add_probe(struct exec *exec, struct stage *aggregate,
                                                   uint32_t id, const struct join_table *table,
                                                   uint32_t key);
