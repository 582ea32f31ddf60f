#pragma once

/*
 * Saving what is readable of a damaged database into a new one.
 *
 * The source is only read. Everything whose checksum holds is taken over: catalog objects, the rows
 * of segments block by block, the changes of intact log records on top. Every stretch of a file
 * that is lost is told, with what was in it as far as that is known.
 */

#include "storage/store/store.h"

/* A stretch of a file that cannot be read, or something that is missing. */
struct store_loss {
    const char *file; /* Name in the source's directory; "" when no single file is meant. */
    uint64_t offset;
    uint64_t size;          /* Bytes; 0: unknown. */
    const char *what;       /* A sentence without the full stop. */
    const char *collection; /* Name; NULL: none, or unknown which. */
    bool rows_known;        /* `row_count` says how many rows are lost: */
    uint64_t row_count;
    const char *key_from; /* Keys of the first and last of them, printed; NULL: unknown. With */
    const char *key_to;   /* `keys_outside` these are the nearest rows that were saved. */
    bool keys_outside;
};

struct store_recover_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *source;        /* A directory; nothing in it is changed. */
    const char *target;        /* A directory that does not exist or is empty. */
    size_t memory_limit_bytes; /* 0: the default of store_open(). */
    void (*report)(void *ctx, const struct store_loss *loss);
    void *report_ctx; /* `report` may be NULL. */
};

/* What was saved, and what was not. */
struct store_recovered {
    uint64_t collection_count;
    uint64_t object_count; /* Others: views, indexes, sequences ... */
    uint64_t row_count;    /* In the new database. */
    uint64_t segment_count;
    uint64_t log_record_count;
    uint64_t loss_count;
    uint64_t lost_rows;  /* As far as known: */
    uint64_t lost_bytes; /* damaged stretches. */
    bool rows_uncertain; /* Some losses may have cost rows, or changes of rows, nobody can count. */
    bool manifest_whole;
    uint64_t source_bytes;
};

/*
 * Recovers. [waits] Losses are no failure: OK with `loss_count` > 0. Progress counts bytes of the
 * source. After a failure the target is incomplete.
 *
 *   TDBPLUS_E_NOT_FOUND  the source has no file of a database
 *   TDBPLUS_E_EXISTS     the target is not empty
 *   TDBPLUS_E_BUSY       the source is open for writing
 *   TDBPLUS_E_VERSION    it was written by a newer release
 */
TDBPLUS_CHECKED tdbplus_status store_recover(const struct store_recover_options *options,
                                             struct store_recovered *recovered_out,
                                             const struct call *call);
