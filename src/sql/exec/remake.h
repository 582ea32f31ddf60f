#pragma once

/*
 * Tables made again under their names: without rows (TRUNCATE), or with rows of another form (ALTER
 * TABLE, where storage cannot change columns in place). Indexes, foreign keys, and what belongs to
 * the table or depends on it go over to the new one.
 */

#include "sql/bind/bind.h"
#include "sql/exec/exec_internal.h"

TDBPLUS_CHECKED tdbplus_status remake_truncate(const struct bound_drop *drop, struct exec *exec);

/* What a table becomes. */
struct remake_form {
    const struct schema
        *schema; /* A description for schema_create(); column ids stay what they are. */
    struct span properties;
    bool hidden_key;     /* The last column is a hidden key that is made now. */
    struct expr **exprs; /* One a column of the schema, over the old columns' positions plus one. */
};

TDBPLUS_CHECKED tdbplus_status remake_table(uint64_t table, const struct remake_form *form,
                                            struct exec *exec, uint64_t *new_id_out);

/* The same table with rows of its own, after its columns were changed in place: this transaction
 * may write to it then. [waits] */
TDBPLUS_CHECKED tdbplus_status remake_as_is(uint64_t table, struct exec *exec);

/* Makes indexes on a table. */
TDBPLUS_CHECKED tdbplus_status remake_indexes(const struct bound_index *indexes, uint32_t count,
                                              uint64_t table, struct exec *exec);

/* The id of an index by its name, which the same statement has made. */
TDBPLUS_CHECKED tdbplus_status remake_find_index(struct exec *exec, const char *schema,
                                                 const char *name, uint64_t *oid_out);

/* Runs a plan to its end; *rows_out (may be NULL) tells how many rows it gave. */
TDBPLUS_CHECKED tdbplus_status remake_run(struct exec *exec, const struct plan *plan,
                                          uint64_t *rows_out);

/* All rows of a table: columns have the ids of their positions plus one. */
TDBPLUS_CHECKED tdbplus_status remake_scan(struct exec *exec, const struct object *table,
                                           struct plan **plan_out);
