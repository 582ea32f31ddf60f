#pragma once

/*
 * Loads: many rows into segments of their own, past the log and the memtable.
 *
 * The rows are written in key order into files (store_load_begin(), segment_writer_add(),
 * store_load_end()); a commit with a stage of kind COMMIT_LOAD makes them part of the collection.
 * Until then nobody else sees them, and the last reference removes the file. The commit's log
 * record names the files; the manifest learns of them with the next flush (D16).
 *
 * Who loads must be the only one who changes rows of the collection, because nobody locks a
 * million keys. For that a collection has a gate: whoever changes rows enters, and leaves when its
 * transaction has ended; a load bars the gate and waits until the others have left. Entering is one
 * atomic addition. The order among those who want to bar, and with those who find the gate barred,
 * is kept by the table's lock in the lock table.
 *
 * Threads: as the store; a file being written has one user.
 */

#include "storage/segment/segment.h"
#include "storage/store/store_commit.h"
#include "storage/store/store_read.h"

/* Begins a file of rows of that collection, whose schema must outlive it. [waits] Go on with
 * segment_writer_add(), end with store_load_end() or segment_writer_abandon(). */
TDBPLUS_CHECKED tdbplus_status store_load_begin(struct store *store, const struct object *object,
                                                struct segment_writer **writer_out,
                                                uint64_t *id_out, struct err *err);

/* Makes the file durable and opens it. [waits] The writer is gone either way. */
TDBPLUS_CHECKED tdbplus_status store_load_end(struct store *store, struct segment_writer *writer,
                                              uint64_t id, struct segment_ref **segment_out,
                                              struct err *err);

struct segment *store_load_segment(const struct segment_ref *ref);
void store_load_release(struct segment_ref *ref); /* NULL is fine. */

/* How many bytes of rows a load may sort in memory, and rows it may put into one segment. */
size_t store_load_sort_bytes(const struct store *store);
uint64_t store_load_segment_rows(const struct store *store);

/*
 * A version that nobody else sees: the parts of `base` (may be NULL: nothing) and the loads, which
 * are given oldest first; its segments are the loads, newest first, then those of `base`. Release
 * with version_release().
 */
TDBPLUS_CHECKED tdbplus_status version_with_loads(struct collection *collection,
                                                  const struct version *base,
                                                  struct segment_ref *const *loads, uint32_t count,
                                                  struct version **version_out, struct err *err);

/* The newest state of up to VERSION_FIND_MAX keys, whoever may see it. */
struct open_row {
    bool found;     /* A row with that key is there. */
    uint64_t begin; /* Since when. */
};

TDBPLUS_CHECKED tdbplus_status version_find_open(struct version *version,
                                                 const struct segment_key *keys, uint32_t count,
                                                 struct open_row *rows_out, struct err *err);

/* True when the collection has no rows in memtables or segments, ended ones included. */
bool version_is_empty(const struct version *version);

/* ---- the gate ---- */

/* False when the gate is barred: then take the table's LOCK_ROW_EXCLUSIVE instead. */
bool collection_enter(struct collection *collection);
void collection_leave(struct collection *collection);

/* The caller holds the table's LOCK_SHARE_ROW_EXCLUSIVE, and goes on when collection_entered() is 0
 * (1 if it has entered itself). */
void collection_bar(struct collection *collection);
void collection_unbar(struct collection *collection);
uint32_t collection_entered(const struct collection *collection);
