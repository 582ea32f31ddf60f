#pragma once

#include "locks/lock_table.h"
#include "txn/changes.h"
#include "txn/txn.h"

/* What the transaction has done to one object. */
struct object_change {
    uint64_t id;
    const struct object *before; /* In the transaction's catalog; NULL: made here. */
    struct object_ref *after;    /* NULL: dropped here. */
    uint64_t number;             /* Position in the order of catalog changes. */
};

/* An open scan as its transaction knows it; embedded in the scan. */
struct scan_link {
    struct scan_link *next;
    struct scan_link *previous;
    /* Of its own, for the transaction's next statement takes another while the scan may go on. */
    struct store_snapshot hold;
    uint64_t change_count; /* Own changes that it may read: those before this number; */
    uint64_t object_count; /* the same of objects. */
    bool over;             /* They are gone, or the whole transaction is; */
    bool alone;            /* then it is in no list any more. */
};

struct txn {
    struct store *store;
    struct txn_options options;
    const struct alloc *alloc;
    struct store_snapshot snapshot;
    struct catalog *catalog; /* Referenced; of the snapshot's time. */
    struct lock_owner locks;
    struct changes changes;
    struct list objects; /* struct object_change, in order; the last of an id counts. */
    struct list sorted;  /* const struct object *: scratch of txn_object_next(). */
    struct buffer key;   /* Scratch for normalised keys. */
    struct buffer row;   /* Scratch for encoded rows. */
    uint64_t statement;
    struct scan_link *scans; /* Open ones. */
};

/* True when this transaction gave the collection other columns: its rows come after the commit. */
bool txn_columns_changed(const struct txn *txn, const struct object *collection);

/* Makes the normalised key of the values at the schema's key columns. Valid until the next call. */
TDBPLUS_CHECKED tdbplus_status txn_key(struct txn *txn, const struct object *collection,
                                       const struct datum *key_values, struct segment_key *key_out,
                                       struct err *err);

/* TDBPLUS_E_READ_ONLY when the transaction or its database is. */
TDBPLUS_CHECKED tdbplus_status txn_check_writable(const struct txn *txn, struct err *err);

/* Locks one row of the collection for this transaction. [waits] */
TDBPLUS_CHECKED tdbplus_status txn_lock_key(struct txn *txn, const struct object *collection,
                                            const struct segment_key *key, uint8_t mode,
                                            bool no_wait, const struct call *call);
