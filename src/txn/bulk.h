#pragma once

/*
 * bulk: many rows into a collection, as part of a transaction.
 *
 * Rows come in batches, in any order. Few of them become ordinary changes of the transaction. From
 * `direct_rows` on they go into segments: those that come in key order are written as they come,
 * the rest is sorted, outside of memory if need be. Memory stays bounded by a share of the
 * database's limit (and 24 bytes a row for the index being built), the log gets one small record,
 * and each byte is written once (twice when it was sorted outside of memory).
 *
 * The rows are seen by the transaction's next statements, and by others when it has committed; a
 * crash before leaves nothing. From the moment the rows go into segments until the transaction
 * ends, others that change rows of the collection wait (readers do not), for nobody locks millions
 * of rows one by one. In turn the load waits for those that have changed rows already.
 *
 * All rows become changes when the transaction has changed rows of the collection one by one
 * before, and when the collection has indexes, whose entries have to follow.
 *
 * Use from SQL's executor, COPY and the like: bulk_begin(), bulk_add() with batches whose columns
 * are the schema's (exactly, hidden ones included), bulk_end(). Only the primary key is checked and
 * NOT NULL; other constraints are the caller's. No row of the collection may be changed between
 * begin and end by other means, and loads of one transaction end in the reverse order of their
 * beginning.
 *
 * Threads: one user, as the transaction.
 */

#include "txn/txn.h"

#define BULK_DIRECT_ROWS_DEFAULT 16384u

struct bulk;

struct bulk_options {
    uint8_t mode;         /* TXN_INSERT: a key that is there, or comes twice, is TDBPLUS_E_UNIQUE;
                           * TXN_UPSERT: the newest row of a key counts. */
    uint64_t direct_rows; /* 0: BULK_DIRECT_ROWS_DEFAULT; UINT64_MAX: never. */
};

/* `object` must stay valid while the load is open. End with bulk_end() or bulk_abort(). */
TDBPLUS_CHECKED tdbplus_status bulk_begin(struct txn *txn, const struct object *object,
                                          const struct bulk_options *options,
                                          struct bulk **bulk_out, struct err *err);

/*
 * Adds the live rows of a batch, of any number. [waits] After a failure only bulk_abort() may
 * follow.
 *
 *   TDBPLUS_E_UNIQUE    TXN_INSERT only, names the key; perhaps not before bulk_end()
 *   TDBPLUS_E_NULL, TDBPLUS_E_TYPE, TDBPLUS_E_LIMIT   a value that the schema does not allow
 *   TDBPLUS_E_CONFLICT  REPEATABLE READ: a row to be replaced changed after the snapshot
 *   TDBPLUS_E_LOCK      the transaction holds locks, and others do not let go of theirs
 */
TDBPLUS_CHECKED tdbplus_status bulk_add(struct bulk *bulk, const struct batch *batch,
                                        const struct call *call);

/* Makes the rows part of the transaction and frees the load; after a failure none of them is.
 * [waits] *row_count_out (may be NULL) tells how many rows came in. Statuses of bulk_add(). */
TDBPLUS_CHECKED tdbplus_status bulk_end(struct bulk *bulk, uint64_t *row_count_out,
                                        const struct call *call);

/* Takes everything back that was done since bulk_begin(). NULL is fine. [waits] */
void bulk_abort(struct bulk *bulk);

/* True when the rows go into segments of their own. */
bool bulk_is_direct(const struct bulk *bulk);
