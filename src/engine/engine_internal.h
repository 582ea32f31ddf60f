#pragma once

#include "base/arena.h"
#include "base/call.h"
#include "base/list.h"
#include "engine/channels.h"
#include "os/fiber.h"
#include "os/mutex.h"
#include "tdbplus/tdbplus.h"
#include "txn/txn.h"

#define ENGINE_RETRY_COUNT_MAX   10u /* For calls without a transaction that meet a conflict. */
#define ENGINE_RESTING_SCANS_MAX 8u

struct tdbplus_db {
    struct alloc host; /* The host's callbacks, or the system's allocator. */
    tdbplus_allocator allocator;
    struct store *store;
    struct channels channels;        /* LISTEN and NOTIFY. */
    struct fiber_pool *_Atomic pool; /* Made when the first completion form is used. */
    struct mutex pool_mutex;
    uint32_t thread_count;
    /* Closed scans that keep some memory, so that a short one costs little to open. */
    tdbplus_scan *_Atomic resting[ENGINE_RESTING_SCANS_MAX];
};

struct engine_savepoint {
    char name[64];
    struct txn_savepoint mark;
    size_t settings_mark; /* Of a session's. */
    size_t news_count;    /* The same. */
    uint64_t cursor_serial;
};

struct tdbplus_txn {
    tdbplus_db *db;
    struct txn *txn;
    struct list savepoints; /* struct engine_savepoint. */
};

struct tdbplus_collection {
    tdbplus_db *db;
    uint64_t id;
    struct arena arena; /* Name and columns. */
    const char *name;
    tdbplus_column *columns;
    uint32_t column_count;
};

struct tdbplus_row {
    tdbplus_db *db;
    struct batch batch; /* Owns or pins what the values point to. */
    struct buffer key;  /* Scratch of reads without a transaction. */
    tdbplus_value *values;
    uint32_t value_count;
};

struct tdbplus_scan {
    tdbplus_db *db;
    struct scan *scan; /* May rest while the handle does. */
    struct arena arena;
    struct batch batch;
    struct arena row_arena; /* Texts made for the current row. */
    const struct object *object;
    uint32_t *positions;
    uint32_t position_count;
    tdbplus_value *values;
    uint8_t *quick; /* enum quick_kind of each column of the batch. */
    bool is_quick;  /* Of all of them, and all rows are shown. */
    uint32_t at;    /* Number of the next row of the batch, of `live` ones. */
    uint32_t live;
    uint64_t left;             /* Rows the limit still allows. */
    struct shown_rows *shown;  /* Room for the rows of short scans; kept while the handle rests. */
    const tdbplus_value *rows; /* Of such a scan: all its rows; else NULL. */
};

/* ---- engine_call.c ---- */

/* Work of one API call. `call` has allocator, error and limits set. */
typedef tdbplus_status (*engine_work)(void *args, const struct call *call);

/*
 * Runs work(args) in the form that `api` asks for. `args` (of `size` bytes) is copied if the call
 * goes on after the return.
 */
TDBPLUS_CHECKED tdbplus_status engine_run(tdbplus_db *db, tdbplus_call *api, engine_work work,
                                          void *args, size_t size);

/* Leaves the outcome in the caller's struct, if there is one. */
void engine_report(tdbplus_call *api, const struct err *err, tdbplus_status status);

/* The same always blocking, for calls without a database yet. */
TDBPLUS_CHECKED tdbplus_status engine_run_here(const struct alloc *alloc, const struct env *env,
                                               tdbplus_call *api, engine_work work, void *args);

/* Runs work(args) with a transaction: the given one, or one of its own that is committed after and
 * begun again on a conflict. */
typedef tdbplus_status (*engine_txn_work)(void *args, struct txn *txn, const struct call *call);

TDBPLUS_CHECKED tdbplus_status engine_with_txn(tdbplus_db *db, tdbplus_txn *txn, bool read_only,
                                               engine_txn_work work, void *args,
                                               const struct call *call);

/* ---- engine_scan.c ---- */

/* Destroys the handles that rest; the database is being closed. */
void engine_drop_resting_scans(tdbplus_db *db);
/* The same with a transaction of its own that is not begun again. */
TDBPLUS_CHECKED tdbplus_status engine_once(tdbplus_db *db, engine_txn_work work, void *args,
                                           const struct call *call);

/* ---- engine_load.c ---- */

/* The caller's options, of whichever release; NULL gives the defaults. */
void engine_load_options(const tdbplus_load_options *options, tdbplus_load_options *own_out);

/* Writes many rows (TXN_INSERT or TXN_UPSERT), into segments of their own where that pays. [waits]
 */
TDBPLUS_CHECKED tdbplus_status engine_load_rows(struct txn *txn, const struct object *object,
                                                uint8_t mode, const tdbplus_value *values,
                                                uint32_t value_count, size_t row_count,
                                                const struct call *call);

/* ---- engine_value.c ---- */

/* Checks and converts a value for a column; bytes made for it come from the arena. */
TDBPLUS_CHECKED tdbplus_status engine_datum(const tdbplus_value *value, struct type type,
                                            const char *column, struct arena *arena,
                                            struct datum *datum_out, struct err *err);

/* engine_value() for types that need no text made; false for others. Bytes stay where they are. */
bool engine_show_value(const struct datum *datum, tdbplus_value *value);

/* The other way; texts made for it come from the arena. */
TDBPLUS_CHECKED tdbplus_status engine_value(const struct datum *datum, struct arena *arena,
                                            tdbplus_value *value_out, struct err *err);

TDBPLUS_CHECKED tdbplus_status engine_type(const tdbplus_column *column, struct type *type_out,
                                           struct err *err);

/* ---- engine_collection.c ---- */

/* That it was dropped. */
TDBPLUS_CHECKED tdbplus_status engine_dropped(const tdbplus_collection *collection,
                                              struct err *err);

/* Whether the texts of a table's indexes and checks name one of its columns. */
struct index_reads {
    struct txn *txn;
    const struct object *table;
    uint32_t position; /* Of the column. */
    struct arena *arena;
    bool found; /* Set, never cleared. */
};

struct index_def;

/* Looks into the expressions and the predicate of one index. */
TDBPLUS_CHECKED tdbplus_status engine_index_texts(struct index_reads *reads,
                                                  const struct index_def *def, struct err *err);

/* TDBPLUS_E_UNSUPPORTED when a check of the table names the column. */
TDBPLUS_CHECKED tdbplus_status engine_check_texts(struct index_reads *reads, struct err *err);

/* The collection as the transaction sees it; TDBPLUS_E_NOT_FOUND after a drop. */
TDBPLUS_CHECKED tdbplus_status engine_find(struct txn *txn, const tdbplus_collection *collection,
                                           const struct object **object_out, struct err *err);

/* ---- engine_short_scan.c ---- */

/*
 * Reads all rows of a short scan without a transaction, inside a glance, into the handle's room:
 * `rows`, `live` and `left` are set. False: nothing happened, and the scan is to be opened the long
 * way.
 */
bool engine_scan_short(tdbplus_scan *scan, const tdbplus_collection *collection,
                       const tdbplus_scan_options *options);
void engine_free_shown_rows(tdbplus_scan *scan);
