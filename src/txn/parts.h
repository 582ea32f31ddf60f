#pragma once

/*
 * parts: the indexes of a collection as a transaction has them at hand. Every write of a row goes
 * through here, so indexes hold whoever writes: SQL, the C API or a tool.
 *
 * Entries are rows of the index's own collection (index/am/index_def.h), changed in the transaction
 * that changes the row they are of. An entry of a unique index is locked by its key before it is
 * looked for, so of two transactions that insert one key the second waits for the first.
 */

#include "index/am/index_def.h"
#include "txn/txn.h"

/* An index ready for use. */
struct txn_index {
    const struct object *object;  /* Of the index, */
    const struct object *entries; /* and of the collection that keeps its entries. */
    struct index_def def;
    uint32_t *positions; /* Of the index's columns in the table; UINT32_MAX: an expression. */
    uint32_t *stored;    /* Per column of the entries from the second on: where the table has it. */
    void *texts;         /* Of the hooks: how expressions and the predicate are computed. */
};

/* What the layer above computes: expressions and predicates are texts of SQL. */
struct txn_hooks {
    TDBPLUS_CHECKED tdbplus_status (*open_texts)(struct txn *txn, const struct object *table,
                                                 const struct index_def *def, void **texts_out,
                                                 struct err *err);
    /* Fills the values of columns that are expressions, in the arena, and whether the predicate
     * holds. `row` has all columns of the table. */
    TDBPLUS_CHECKED tdbplus_status (*compute)(void *texts, const struct datum *row,
                                              struct datum *values, bool *included_out,
                                              struct arena *arena, const struct call *call);
    void (*close_texts)(void *texts);
    /* The default of a table's column; null if it has none. Bytes are in the arena. */
    TDBPLUS_CHECKED tdbplus_status (*default_value)(struct txn *txn, const struct object *table,
                                                    uint32_t position, struct arena *arena,
                                                    struct datum *value_out,
                                                    const struct call *call);
};

/* For all transactions of the store; not owned. Without hooks, tables that have indexes with texts
 * cannot be written (TDBPLUS_E_UNSUPPORTED). */
void txn_set_hooks(struct store *store, const struct txn_hooks *hooks);

/* The collection's indexes in the order they were made; NULL and 0 when it has none. Valid until
 * the transaction ends, begins a statement or changes the catalog. */
TDBPLUS_CHECKED tdbplus_status txn_indexes(struct txn *txn, const struct object *collection,
                                           const struct txn_index **indexes_out,
                                           uint32_t *count_out, struct err *err);

/* True when a row of the collection cannot be written without its old version: it has indexes. */
bool txn_has_parts(struct txn *txn, const struct object *collection);

/* True when the transaction's snapshot sees all entries of the index. */
bool txn_index_usable(const struct txn *txn, const struct txn_index *index);

/*
 * Makes entries for all rows, as part of this transaction: rows of other transactions that commit
 * after its snapshot make its commit fail with TDBPLUS_E_CONFLICT. Unique indexes:
 * TDBPLUS_E_UNIQUE names the duplicate, if the table is small. Entries of large tables are sorted
 * and written into segments (bulk.h), so memory stays bounded and the log small. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_index_build(struct txn *txn, const struct object *collection,
                                               uint64_t index_id, const struct call *call);

/*
 * The key of the row that is in the way of inserting `values` (all columns) into the collection:
 * the one with the same key when `index_id` is 0, with the same entry in that unique index
 * otherwise. As the statement's snapshot and the transaction's own changes have it. The key's bytes
 * are kept by `batch`. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_find_conflict(struct txn *txn, const struct object *collection,
                                                 uint64_t index_id, const struct datum *values,
                                                 struct batch *batch, struct datum *key_out,
                                                 bool *found_out, const struct call *call);

/* After TDBPLUS_E_UNIQUE: the id of the index that said so; 0: the primary key. */
uint64_t txn_conflict_index(const struct txn *txn);

/*
 * Compares an index with its table, both at the transaction's snapshot: every row that belongs
 * there has its entry, and no entry is without its row. TDBPLUS_E_CORRUPT says what is wrong.
 * [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_index_check(struct txn *txn, const struct object *collection,
                                               uint64_t index_id, const struct call *call);
