#pragma once

/*
 * pending: what constraints still have to say about changes that were made. A foreign key and a
 * deferrable unique constraint are looked at when the statement ends, or, deferred, at the commit;
 * actions (CASCADE and the like) run when the statement ends.
 *
 * Checks look at the newest committed state and all of the transaction's own changes, after a lock
 * on the key that matters: whoever inserts a reference holds a share of the key referred to,
 * whoever takes that away holds it alone. So neither can miss the other.
 */

#include "txn/foreign_def.h"
#include "txn/parts.h"

/*
 * Looks at everything that is due now. To be called when a statement that may have changed rows has
 * ended; what is left is looked at by txn_commit(). TDBPLUS_E_CONSTRAINT (23503), TDBPLUS_E_UNIQUE,
 * and what writing rows may return; the statement's changes are the caller's to roll back then.
 * [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_end_statement(struct txn *txn, const struct call *call);

/*
 * SET CONSTRAINTS: from now on, and for changes made before, the constraint (0: every deferrable
 * one) is looked at when a statement ends (`deferred` false) or at the commit. The caller ends the
 * statement then. TDBPLUS_E_SQL (42809) if it is not deferrable.
 */
TDBPLUS_CHECKED tdbplus_status txn_set_constraint(struct txn *txn, uint64_t constraint,
                                                  bool deferred, struct err *err);

/* Looks whether every row of the referring table has what it refers to, when the statement ends. */
TDBPLUS_CHECKED tdbplus_status txn_check_foreign_key(struct txn *txn, uint64_t constraint,
                                                     const struct call *call);
