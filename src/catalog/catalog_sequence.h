#pragma once

/*
 * Sequences: numbers that are handed out once.
 *
 * What a sequence is stands in its catalog entry and is changed as any other. How far it has come
 * is a row of a hidden collection, written by transactions of its own before numbers are handed
 * out, a block at a time: so numbers do not come back when a transaction rolls back, and a crash
 * loses the rest of a block and never hands a number out twice. What is left of the block is known
 * to the process only; sequence_settle() writes it down when a database is closed.
 *
 * RESTART makes a new epoch with a row of its own: it is a change of the entry, seen by others when
 * it commits. Numbers of an epoch that only its transaction knows are written by that transaction.
 *
 * Threads: everything may be called at once, with different transactions.
 */

#include "catalog/catalog.h"

#define SEQUENCE_BLOCK 32u /* Numbers that are logged at once, as in PostgreSQL. */

enum sequence_identity { SEQUENCE_PLAIN = 0, SEQUENCE_SERIAL = 1, SEQUENCE_IDENTITY = 2 };

struct sequence_def {
    uint64_t state; /* Collection of the rows; set when it is made. */
    uint64_t epoch; /* Number of RESTARTs. */
    uint8_t type;   /* TYPE_INT2, TYPE_INT4 or TYPE_INT8. */
    bool cycle;
    uint8_t identity; /* enum sequence_identity: a part of the column that owns it. */
    uint32_t column;  /* Id of the column of the owning table; 0: none. */
    int64_t start;
    int64_t increment; /* Not 0. */
    int64_t min;
    int64_t max;
    int64_t cache;
    int64_t restart;     /* First number of the epoch, */
    bool restart_called; /* or, if set, the one before it. */
};

/* The definition of an entry, and back. TDBPLUS_E_CORRUPT. */
#define SEQUENCE_DEFINITION_SIZE 80u
void sequence_encode(const struct sequence_def *def, uint8_t bytes_out[SEQUENCE_DEFINITION_SIZE]);
TDBPLUS_CHECKED tdbplus_status sequence_decode(const struct catalog_entry *entry,
                                               struct sequence_def *def_out, struct err *err);

/* Makes a sequence; of `entry` schema, name and owner are read. */
TDBPLUS_CHECKED tdbplus_status sequence_create(struct txn *txn, const struct catalog_entry *entry,
                                               const struct sequence_def *def, uint64_t *oid_out,
                                               struct err *err);

/* Gives it another definition (and name, owner), whose `state` is kept. */
TDBPLUS_CHECKED tdbplus_status sequence_alter(struct txn *txn, const struct catalog_entry *entry,
                                              const struct sequence_def *def, struct err *err);

/* The next `count` numbers. 2200H when the sequence has come to its end. [waits] */
TDBPLUS_CHECKED tdbplus_status sequence_next(struct txn *txn, uint64_t oid, uint32_t count,
                                             int64_t *values_out, const struct call *call);

/* setval(): the next number is the one after `value`, or `value` itself unless `called`. [waits] */
TDBPLUS_CHECKED tdbplus_status sequence_set(struct txn *txn, uint64_t oid, int64_t value,
                                            bool called, const struct call *call);

/*
 * Nobody else gets a number of this epoch until the transaction ends: for a change of the numbers'
 * form, which begins a new epoch where the old one stands. [waits] TDBPLUS_E_CONFLICT as
 * txn_lock_row().
 */
TDBPLUS_CHECKED tdbplus_status sequence_freeze(struct txn *txn, uint64_t oid, int64_t *last_out,
                                               bool *called_out, const struct call *call);

/* How far it has come. [waits] */
TDBPLUS_CHECKED tdbplus_status sequence_peek(struct txn *txn, uint64_t oid, int64_t *last_out,
                                             bool *called_out, const struct call *call);

/* Writes down what is left of the blocks: nothing is skipped when the database is opened again.
 * Transactions must have ended. [waits] */
void sequence_settle(struct store *store, const struct call *call);
