#ifndef TDBPLUS_H
#define TDBPLUS_H

/*
 * TDB+ as a library: one database with tables and documents, transactions and SQL.
 *
 *     tdbplus_db *db = NULL;
 *     tdbplus_call call = TDBPLUS_CALL_INIT;
 *     if (tdbplus_open("films.tdb", NULL, &db, &call) != TDBPLUS_OK) {
 *         fprintf(stderr, "%s\n%s\n", call.error.message, call.error.hint);
 *     }
 *
 * Every function that can fail takes a `tdbplus_call *` last, which may be NULL: it carries the
 * error out, and a time limit, a cancel flag and a progress callback in. With `done` set the call
 * does not block: it returns its result at once if it could finish without waiting, else
 * TDBPLUS_PENDING, and `done` is called later from a thread of the database. Until then all
 * arguments, and what they point to, must stay in place, and the database must not be closed.
 *
 * Handles are opaque. What a function "borrows" is valid until the next call on the same handle.
 *
 * Threads: a database may be used from any number of threads at once. A transaction, a scan, a row,
 * a session or a result belongs to one thread (or one pending call) at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tdbplus/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TDBPLUS_VERSION "0.1.0"

/* Returns the version of the library that is running, as "major.minor.patch". Never fails. */
TDBPLUS_API const char *tdbplus_version(void);

/* ---- calls ---- */

/* Why a call failed. All texts end with a zero byte and are UTF-8. */
typedef struct tdbplus_error {
    tdbplus_status status;
    char sqlstate[6];  /* Five characters as in PostgreSQL; "" when nothing failed. */
    uint32_t position; /* 1-based character of the SQL text; 0: none. */
    char message[512]; /* What is wrong, and where. */
    char detail[256];  /* More of it; may be "". */
    char hint[256];    /* What to do about it; may be "". */
    char context[256]; /* Where in the data: "COPY films, line 3, column year"; may be "". */
} tdbplus_error;

typedef struct tdbplus_call tdbplus_call;

struct tdbplus_call {
    uint32_t struct_size; /* sizeof(tdbplus_call); TDBPLUS_CALL_INIT sets it. */
    tdbplus_error error;  /* Filled in when the call fails. */
    int64_t timeout_us;   /* > 0: fail with TDBPLUS_E_TIMEOUT after so long. */
    bool cancel;          /* Set by tdbplus_cancel(); begin with false. */

    /* Told now and then during long work, from a thread of the database; may be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *progress_context;

    /* The completion form; NULL: the call blocks. Called exactly once if the function returned
     * TDBPLUS_PENDING, never otherwise. */
    void (*done)(void *context, tdbplus_status status);
    void *done_context;
};

#ifdef __cplusplus
#define TDBPLUS_CALL_INIT    \
    tdbplus_call             \
    {                        \
        sizeof(tdbplus_call) \
    }
#else
#define TDBPLUS_CALL_INIT ((tdbplus_call){.struct_size = sizeof(tdbplus_call)})
#endif

/* Asks the call in progress to stop; it fails with TDBPLUS_E_CANCELLED soon. Any thread. */
TDBPLUS_API void tdbplus_cancel(tdbplus_call *call);

/* ---- databases ---- */

typedef struct tdbplus_db tdbplus_db;

/* When a commit is acknowledged. */
typedef enum tdbplus_durability {
    TDBPLUS_DURABILITY_DEFAULT = 0,
    TDBPLUS_DURABILITY_FULL = 1,     /* After it survives power loss. The default. */
    TDBPLUS_DURABILITY_INTERVAL = 2, /* At once; synced every `sync_interval_us`. */
    TDBPLUS_DURABILITY_NONE = 3,     /* At once; synced when convenient. */
} tdbplus_durability;

/* Where memory comes from, if not malloc(). All three or none; called from any thread. */
typedef struct tdbplus_allocator {
    void *(*allocate)(void *context, size_t size, size_t align);
    void *(*reallocate)(void *context, void *memory, size_t size_old, size_t size_new);
    void (*release)(void *context, void *memory, size_t size);
    void *context;
} tdbplus_allocator;

typedef struct tdbplus_options {
    uint32_t struct_size;          /* sizeof(tdbplus_options). */
    bool read_only;                /* Writes nothing, shares the database with other readers. */
    bool must_exist;               /* Fail with TDBPLUS_E_NOT_FOUND instead of making a new one. */
    tdbplus_durability durability; /* Of commits that do not say. */
    uint64_t sync_interval_us;     /* For INTERVAL; 0: 100,000. */
    size_t memory_limit_bytes;     /* For everything this database does; 0: 2 GiB. */
    size_t cache_size_bytes;       /* Of that, for pages of files; 0: half. */
    size_t memtable_size_bytes;    /* Rows are written to a segment at this size; 0: 64 MiB. */
    const tdbplus_allocator *allocator; /* NULL: malloc(). Must outlive the database. */
    uint32_t thread_count;              /* For pending calls; 0: one per core. */
} tdbplus_options;

/*
 * Opens the database in directory `path`, making it if it is not there; NULL or ":memory:" is a
 * new one in memory. `options` may be NULL. Close with tdbplus_close().
 *
 *   TDBPLUS_E_BUSY       another process has it open
 *   TDBPLUS_E_NOT_FOUND  `must_exist` and it does not
 *   TDBPLUS_E_CORRUPT    stored bytes are damaged; the message names file and place
 *   TDBPLUS_E_VERSION    written by a newer release
 *   TDBPLUS_E_IO, TDBPLUS_E_FULL, TDBPLUS_E_NOMEM, TDBPLUS_E_INVALID
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_open(const char *path,
                                                        const tdbplus_options *options,
                                                        tdbplus_db **db_out, tdbplus_call *call);

/* Ends the database; every handle made from it must have been released. NULL is fine. Loses nothing
 * that was acknowledged. */
TDBPLUS_API void tdbplus_close(tdbplus_db *db);

/* Writes what is in memory into segments, so that the next open has no log to replay. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_flush(tdbplus_db *db, tdbplus_call *call);

/* Merges every collection (or the one named, if not NULL) into one sorted segment. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_optimize(tdbplus_db *db, const char *collection,
                                                            tdbplus_call *call);

/* Makes every commit so far survive power loss. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_sync(tdbplus_db *db, tdbplus_call *call);

/* Copies the database as of now into a new or empty directory while it goes on being used. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_backup(tdbplus_db *db, const char *directory,
                                                          tdbplus_call *call);

/* Reads and checks every byte on disk. `report` (may be NULL) is told each problem; the call's
 * error is the first. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_verify(tdbplus_db *db,
                                                          void (*report)(void *context,
                                                                         const char *problem),
                                                          void *report_context, tdbplus_call *call);

/* A stretch of a damaged file that is lost. Texts are borrowed for the call. */
typedef struct tdbplus_loss {
    uint32_t struct_size;   /* Set by the library. */
    const char *file;       /* Name in the damaged directory; "" when no single file is meant. */
    uint64_t offset;        /* Where in it, */
    uint64_t size;          /* and how many bytes; 0: unknown. */
    const char *what;       /* What was there and why it is lost. */
    const char *collection; /* NULL: none, or unknown which. */
    bool rows_known;        /* `row_count` says how many rows are lost by this. */
    uint64_t row_count;
    const char *key_from; /* The first and the last of their keys, as text; NULL: unknown. */
    const char *key_to;
    bool keys_outside; /* Those are the nearest keys that were saved instead. */
} tdbplus_loss;

/* What tdbplus_recover() saved. */
typedef struct tdbplus_recovered {
    uint32_t struct_size; /* sizeof(tdbplus_recovered). */
    uint64_t collections;
    uint64_t objects; /* Others: views, indexes, sequences ... */
    uint64_t rows;    /* In the new database. */
    uint64_t segments;
    uint64_t log_records;
    uint64_t losses;     /* Calls of `report`. */
    uint64_t lost_rows;  /* As far as they can be counted. */
    uint64_t lost_bytes; /* Of damaged stretches. */
    bool rows_uncertain; /* Some loss may have cost rows or changes that cannot be counted. */
} tdbplus_recovered;

/*
 * Copies everything readable of the damaged database in directory `source` into a new one in
 * `target`, which must not exist or be empty. The source is only read. `report` (may be NULL) is
 * told of everything that is lost; losses are no failure. Of `options` (may be NULL) only the
 * memory limit counts; `recovered_out` may be NULL. Always blocks; progress counts bytes.
 *
 *   TDBPLUS_E_NOT_FOUND  the source has no file of a database
 *   TDBPLUS_E_EXISTS     the target is not empty
 *   TDBPLUS_E_BUSY       the source is open for writing
 *   TDBPLUS_E_VERSION    it was written by a newer release
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status
tdbplus_recover(const char *source, const char *target, const tdbplus_options *options,
                void (*report)(void *context, const tdbplus_loss *loss), void *report_context,
                tdbplus_recovered *recovered_out, tdbplus_call *call);

/* Calls `report` with every counter's name and value, in a fixed order. Never fails. */
TDBPLUS_API void tdbplus_statistics(tdbplus_db *db,
                                    void (*report)(void *context, const char *name, uint64_t value),
                                    void *report_context);

/* ---- types and values ---- */

/* Numbers never change. */
typedef enum tdbplus_type {
    TDBPLUS_TYPE_NONE = 0,
    TDBPLUS_TYPE_BOOL = 1,
    TDBPLUS_TYPE_INT2 = 2,
    TDBPLUS_TYPE_INT4 = 3,
    TDBPLUS_TYPE_INT8 = 4,
    TDBPLUS_TYPE_FLOAT4 = 5,
    TDBPLUS_TYPE_FLOAT8 = 6,
    TDBPLUS_TYPE_NUMERIC = 7, /* Value: its text, such as "-12.50", in `bytes`. */
    TDBPLUS_TYPE_TEXT = 8,    /* UTF-8 in `bytes`. */
    TDBPLUS_TYPE_BYTEA = 9,
    TDBPLUS_TYPE_DATE = 10,        /* Days since 1970-01-01 in `integer`. */
    TDBPLUS_TYPE_TIME = 11,        /* Microseconds since midnight in `integer`. */
    TDBPLUS_TYPE_TIMESTAMP = 12,   /* Microseconds since 1970-01-01 00:00 in `integer`. */
    TDBPLUS_TYPE_TIMESTAMPTZ = 13, /* The same, UTC. */
    TDBPLUS_TYPE_INTERVAL = 14,
    TDBPLUS_TYPE_UUID = 15,
    TDBPLUS_TYPE_JSON = 16, /* JSON text in `bytes`. */
    TDBPLUS_TYPE_ARRAY = 17,
    TDBPLUS_TYPE_ENUM = 18,
    TDBPLUS_TYPE_VECTOR = 19, /* float values in `bytes`, size dimension * 4. */
    TDBPLUS_TYPE_BPCHAR =
        20, /* char(n). Values of this and all that follow: their text in `bytes`. */
    TDBPLUS_TYPE_TIMETZ = 21,
    TDBPLUS_TYPE_MONEY = 22,
    TDBPLUS_TYPE_BIT = 23,
    TDBPLUS_TYPE_VARBIT = 24,
    TDBPLUS_TYPE_INET = 25,
    TDBPLUS_TYPE_CIDR = 26,
    TDBPLUS_TYPE_MACADDR = 27,
    TDBPLUS_TYPE_MACADDR8 = 28,
    TDBPLUS_TYPE_INT4RANGE = 29,
    TDBPLUS_TYPE_INT8RANGE = 30,
    TDBPLUS_TYPE_NUMRANGE = 31,
    TDBPLUS_TYPE_TSRANGE = 32,
    TDBPLUS_TYPE_TSTZRANGE = 33,
    TDBPLUS_TYPE_DATERANGE = 34,
    TDBPLUS_TYPE_INT4MULTIRANGE = 35,
    TDBPLUS_TYPE_INT8MULTIRANGE = 36,
    TDBPLUS_TYPE_NUMMULTIRANGE = 37,
    TDBPLUS_TYPE_TSMULTIRANGE = 38,
    TDBPLUS_TYPE_TSTZMULTIRANGE = 39,
    TDBPLUS_TYPE_DATEMULTIRANGE = 40,
    /* Types of the system catalog; values are their texts. */
    TDBPLUS_TYPE_OID = 50,
    TDBPLUS_TYPE_NAME = 51,
    TDBPLUS_TYPE_CHAR1 = 52,
    TDBPLUS_TYPE_REGCLASS = 53,
    TDBPLUS_TYPE_REGTYPE = 54,
    TDBPLUS_TYPE_REGPROC = 55,
    TDBPLUS_TYPE_REGNAMESPACE = 56,
    TDBPLUS_TYPE_REGROLE = 57,
    TDBPLUS_TYPE_REGPROCEDURE = 58,
    TDBPLUS_TYPE_REGOPER = 59,
    TDBPLUS_TYPE_REGOPERATOR = 60,
    TDBPLUS_TYPE_XID = 61,
    TDBPLUS_TYPE_REGCONFIG = 62,
    TDBPLUS_TYPE_REGDICTIONARY = 63,
    TDBPLUS_TYPE_REGCOLLATION = 64,
} tdbplus_type;

typedef struct tdbplus_interval {
    int32_t months;
    int32_t days;
    int64_t microseconds;
} tdbplus_interval;

/* One value. Bytes are borrowed: by a call for its duration, from a row until it is used again. */
typedef struct tdbplus_value {
    tdbplus_type type;
    bool is_null;
    union {
        bool boolean;
        int64_t integer; /* Integers, dates, times, timestamps. */
        double real;     /* Both floats. */
        tdbplus_interval interval;
        uint8_t uuid[16];
        struct {
            const void *data;
            size_t size;
        } bytes; /* Text, bytea, JSON, numeric, vectors. */
    } as;
} tdbplus_value;

TDBPLUS_API tdbplus_value tdbplus_null(void);
TDBPLUS_API tdbplus_value tdbplus_bool(bool value);
TDBPLUS_API tdbplus_value tdbplus_int8(int64_t value);
TDBPLUS_API tdbplus_value tdbplus_float8(double value);
TDBPLUS_API tdbplus_value tdbplus_text(const char *text);
TDBPLUS_API tdbplus_value tdbplus_text_sized(const char *text, size_t size);
TDBPLUS_API tdbplus_value tdbplus_bytea(const void *data, size_t size);
TDBPLUS_API tdbplus_value tdbplus_json(const char *text, size_t size);

/* ---- collections ---- */

typedef struct tdbplus_column {
    const char *name;
    tdbplus_type type;
    bool not_null;
    uint16_t precision; /* NUMERIC: digits in all; 0: any. */
    uint16_t scale;     /* NUMERIC: digits after the point. */
    uint32_t dimension; /* VECTOR. */
} tdbplus_column;

typedef struct tdbplus_txn tdbplus_txn;

/*
 * Every function that works on rows or on the catalog takes a transaction, or NULL: then it is a
 * transaction of its own, committed when the call returns TDBPLUS_OK.
 */

/*
 * Makes a collection with declared columns, whose rows are identified by the `key_count` columns
 * named in `key`. Bool, integers, floats, numeric, text, bytea, dates, times, timestamps, intervals
 * and uuid can be keys.
 *
 *   TDBPLUS_E_EXISTS   the name is taken
 *   TDBPLUS_E_INVALID  the message says what is wrong with the columns
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_collection_create(
    tdbplus_db *db, tdbplus_txn *txn, const char *name, const tdbplus_column *columns,
    uint32_t column_count, const char *const *key, uint32_t key_count, tdbplus_call *call);

/* Makes a collection of JSON documents: columns `_id` (text, the key) and `document` (json). */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_documents_create(tdbplus_db *db,
                                                                    tdbplus_txn *txn,
                                                                    const char *name,
                                                                    tdbplus_call *call);

/* TDBPLUS_E_NOT_FOUND if there is none of that name. Its rows go with it. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_collection_drop(tdbplus_db *db, tdbplus_txn *txn,
                                                                   const char *name,
                                                                   tdbplus_call *call);

/* Adds a column without rewriting anything: rows that exist have `value` (NULL: null) in it. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_column_add(tdbplus_db *db, tdbplus_txn *txn,
                                                              const char *collection,
                                                              const tdbplus_column *column,
                                                              const tdbplus_value *value,
                                                              tdbplus_call *call);
/* Indexes that read the column go with it, also those with its name in an expression or predicate.
 * TDBPLUS_E_INVALID when it is part of the key, TDBPLUS_E_UNSUPPORTED when a check names it. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_column_drop(tdbplus_db *db, tdbplus_txn *txn,
                                                               const char *collection,
                                                               const char *column,
                                                               tdbplus_call *call);
/* TDBPLUS_E_UNSUPPORTED while a check, or the expression or predicate of an index, names it. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_column_rename(tdbplus_db *db, tdbplus_txn *txn,
                                                                 const char *collection,
                                                                 const char *column,
                                                                 const char *name,
                                                                 tdbplus_call *call);

/* Tells `report` the name of every collection, in order of name; stops when it returns false. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_collections(
    tdbplus_db *db, tdbplus_txn *txn, bool (*report)(void *context, const char *name),
    void *report_context, tdbplus_call *call);

/* A collection by name, for the functions below; release with tdbplus_collection_close(). It stays
 * valid when columns change and fails with TDBPLUS_E_NOT_FOUND after a drop. */
typedef struct tdbplus_collection tdbplus_collection;

TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_collection_open(tdbplus_db *db, tdbplus_txn *txn,
                                                                   const char *name,
                                                                   tdbplus_collection **out,
                                                                   tdbplus_call *call);
TDBPLUS_API void tdbplus_collection_close(tdbplus_collection *collection);

/* Columns as they were when the handle was opened. Texts live as long as the handle. */
TDBPLUS_API uint32_t tdbplus_collection_column_count(const tdbplus_collection *collection);
TDBPLUS_API tdbplus_column tdbplus_collection_column(const tdbplus_collection *collection,
                                                     uint32_t number);

/* ---- transactions ---- */

typedef enum tdbplus_isolation {
    TDBPLUS_READ_COMMITTED = 0,  /* Each call sees what was committed before it began. */
    TDBPLUS_REPEATABLE_READ = 1, /* All see what was committed before the transaction began. */
} tdbplus_isolation;

typedef struct tdbplus_txn_options {
    uint32_t struct_size;
    tdbplus_isolation isolation;
    bool read_only;
    tdbplus_durability durability;
    int64_t lock_timeout_us; /* > 0: TDBPLUS_E_LOCK after waiting so long for a row. */
} tdbplus_txn_options;

/* Ends with tdbplus_commit() or tdbplus_rollback(), which release the handle. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_begin(tdbplus_db *db,
                                                         const tdbplus_txn_options *options,
                                                         tdbplus_txn **txn_out, tdbplus_call *call);

/*
 * Commits. After a failure the transaction was rolled back and the handle is gone too.
 *
 *   TDBPLUS_E_CONFLICT  another transaction changed the same thing first: run it again
 *   TDBPLUS_E_STOPPED   the log failed: only the next open tells whether it was committed
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_commit(tdbplus_txn *txn, tdbplus_call *call);
TDBPLUS_API void tdbplus_rollback(tdbplus_txn *txn); /* NULL is fine. */

/* Marks a moment; rolling back to it undoes what came later and keeps the savepoint. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_savepoint(tdbplus_txn *txn, const char *name,
                                                             tdbplus_call *call);
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_rollback_to(tdbplus_txn *txn, const char *name,
                                                               tdbplus_call *call);

/*
 * From now on rows of the collection expire `ttl_us` microseconds after the time in `column`, a
 * date or a timestamp; a null never does. Nobody sees an expired row: a key that had one is free
 * again, and flushes and merges take it away in time. The time compared with is that of the
 * transaction's snapshot, so within one nothing vanishes. `column` NULL: nothing expires.
 *
 *   TDBPLUS_E_UNSUPPORTED  the collection has indexes or foreign keys
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_ttl_set(tdbplus_db *db, tdbplus_txn *txn,
                                                           const char *collection,
                                                           const char *column, int64_t ttl_us,
                                                           tdbplus_call *call);

/* ---- rows ---- */

/*
 * Writes one row: a value for each column, in order. Values are converted where nothing is lost
 * (an int8 fits an int4 column if its value does); else TDBPLUS_E_TYPE or TDBPLUS_E_RANGE.
 *
 *   insert  TDBPLUS_E_UNIQUE if the key exists
 *   upsert  replaces the row if the key exists
 *   update  TDBPLUS_E_NOT_FOUND unless the key exists
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_insert(tdbplus_collection *collection,
                                                          tdbplus_txn *txn,
                                                          const tdbplus_value *values,
                                                          uint32_t value_count, tdbplus_call *call);
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_upsert(tdbplus_collection *collection,
                                                          tdbplus_txn *txn,
                                                          const tdbplus_value *values,
                                                          uint32_t value_count, tdbplus_call *call);
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_update(tdbplus_collection *collection,
                                                          tdbplus_txn *txn,
                                                          const tdbplus_value *values,
                                                          uint32_t value_count, tdbplus_call *call);

/* Upserts `row_count` rows, whose values follow one another, in one go: all or none. Very many
 * (16,384) become a load, as below. Batches of up to 256 rows of different keys, without a
 * transaction, may want each other's rows at the same time and are no deadlock. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status
tdbplus_upsert_many(tdbplus_collection *collection, tdbplus_txn *txn, const tdbplus_value *values,
                    uint32_t value_count, size_t row_count, tdbplus_call *call);

/* Deletes the row with that key; *deleted_out (may be NULL) tells whether there was one. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_delete(tdbplus_collection *collection,
                                                          tdbplus_txn *txn,
                                                          const tdbplus_value *key,
                                                          uint32_t key_count, bool *deleted_out,
                                                          tdbplus_call *call);

/*
 * Deletes all rows with from <= key < to as one operation, whose cost in the log and in memory does
 * not grow with their number. Bounds are the key's first so many values; count 0: no bound.
 * *deleted_out (may be NULL, which is faster) tells how many rows there were. Others that change
 * rows of the collection wait until the transaction has ended, as during a load (below); it waits
 * for a running merge. A collection with indexes is gone through row by row.
 *
 *   TDBPLUS_E_CONFLICT  REPEATABLE READ: rows of the collection changed since the snapshot
 *   TDBPLUS_E_LOCK      as for a load
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status
tdbplus_delete_range(tdbplus_collection *collection, tdbplus_txn *txn, const tdbplus_value *from,
                     uint32_t from_count, const tdbplus_value *to, uint32_t to_count,
                     uint64_t *deleted_out, tdbplus_call *call);

/* ---- loads ---- */

/*
 * Very many rows at once. Few rows become ordinary changes of the transaction; from `direct_rows`
 * on they are written into files of their own as they come, each byte once when they come in key
 * order, and the commit only makes the files part of the collection. So a load needs little memory
 * and little log, may be larger than both, and is all or nothing like everything else.
 *
 * From that moment on until the transaction has ended, others that change rows of the collection
 * wait (reading goes on), and the load waits for those that have changed rows before. It fails with
 * TDBPLUS_E_LOCK after two seconds (or the transaction's lock timeout) if its transaction holds
 * locks itself that they might be waiting for.
 */
typedef struct tdbplus_load_options {
    uint32_t struct_size;
    bool insert; /* A key that exists, or comes twice, fails the load with TDBPLUS_E_UNIQUE, which
                  * names it; else the newest row of a key counts. */
    uint64_t direct_rows; /* 0: 16,384. UINT64_MAX: never. */
} tdbplus_load_options;

typedef struct tdbplus_load tdbplus_load;

/* Begins a load; without a transaction it has one of its own. `options` may be NULL. No other call
 * may change rows of the collection by that transaction until the load has ended. End it with
 * tdbplus_load_end() or tdbplus_load_abort(), before the transaction. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_load_open(tdbplus_collection *collection,
                                                             tdbplus_txn *txn,
                                                             const tdbplus_load_options *options,
                                                             tdbplus_load **load_out,
                                                             tdbplus_call *call);

/* Adds rows as tdbplus_upsert_many() takes them. After a failure nothing but
 * tdbplus_load_abort() can follow. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_load_rows(tdbplus_load *load,
                                                             const tdbplus_value *values,
                                                             uint32_t value_count, size_t row_count,
                                                             tdbplus_call *call);

/* Makes the rows part of the transaction, or commits its own, and frees the load, also when it
 * fails; then no row is there. *rows_out (may be NULL): how many rows came in. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_load_end(tdbplus_load *load, uint64_t *rows_out,
                                                            tdbplus_call *call);

/* Takes the rows back and frees the load. NULL is fine. */
TDBPLUS_API void tdbplus_load_abort(tdbplus_load *load);

/* ---- reading rows ---- */

/* A place for rows that were read; reuse it. */
typedef struct tdbplus_row tdbplus_row;

TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_row_create(tdbplus_db *db, tdbplus_row **row_out,
                                                              tdbplus_call *call);
TDBPLUS_API void tdbplus_row_destroy(tdbplus_row *row);
TDBPLUS_API uint32_t tdbplus_row_value_count(const tdbplus_row *row);

/* The value of column `number`; its bytes are valid until the row is used again. */
TDBPLUS_API tdbplus_value tdbplus_row_value(const tdbplus_row *row, uint32_t number);

/* Reads the row with that key; TDBPLUS_E_NOT_FOUND if there is none. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_get(tdbplus_collection *collection,
                                                       tdbplus_txn *txn, const tdbplus_value *key,
                                                       uint32_t key_count, tdbplus_row *row,
                                                       tdbplus_call *call);

/* Reads many rows: `rows[i]` gets the row of the i-th key, found_out[i] whether there is one. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_get_many(
    tdbplus_collection *collection, tdbplus_txn *txn, const tdbplus_value *keys, uint32_t key_count,
    size_t row_count, tdbplus_row *const *rows, bool *found_out, tdbplus_call *call);

/* ---- scans ---- */

typedef enum tdbplus_compare {
    TDBPLUS_EQUAL = 0,
    TDBPLUS_LESS = 1,
    TDBPLUS_LESS_EQUAL = 2,
    TDBPLUS_GREATER = 3,
    TDBPLUS_GREATER_EQUAL = 4,
    TDBPLUS_IS_NULL = 5,
    TDBPLUS_IS_NOT_NULL = 6,
} tdbplus_compare;

/* Rows whose column compares so with the value. A null compares with nothing. */
typedef struct tdbplus_condition {
    const char *column;
    tdbplus_compare compare;
    tdbplus_value value;
} tdbplus_condition;

typedef enum tdbplus_order {
    TDBPLUS_ANY_ORDER = 0,
    TDBPLUS_ASCENDING = 1, /* By key. */
    TDBPLUS_DESCENDING = 2,
} tdbplus_order;

typedef struct tdbplus_scan_options {
    uint32_t struct_size;
    const char *const *columns; /* NULL: all. */
    uint32_t column_count;
    tdbplus_order order;
    const tdbplus_condition *conditions; /* All must hold. */
    uint32_t condition_count;
    const tdbplus_value *from; /* Least key (its first `from_count` columns), included. */
    uint32_t from_count;
    const tdbplus_value *to; /* Greatest key, included unless `to_exclusive`. */
    uint32_t to_count;
    bool to_exclusive;
    uint64_t limit; /* 0: all rows. */
} tdbplus_scan_options;

typedef struct tdbplus_scan tdbplus_scan;

/* Sees the collection as of now (or as the transaction does), whatever happens meanwhile. `options`
 * may be NULL. Close with tdbplus_scan_close(), before the transaction ends. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_scan_open(tdbplus_collection *collection,
                                                             tdbplus_txn *txn,
                                                             const tdbplus_scan_options *options,
                                                             tdbplus_scan **scan_out,
                                                             tdbplus_call *call);
TDBPLUS_API void tdbplus_scan_close(tdbplus_scan *scan); /* NULL is fine. */

/* The next row; TDBPLUS_END when there is none. Values are valid until the next call. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_scan_next(tdbplus_scan *scan,
                                                             const tdbplus_value **values_out,
                                                             tdbplus_call *call);

/* ---- SQL ---- */

/*
 * A conversation in SQL: a transaction if one is open, and what was set. Outside of BEGIN every
 * statement is a transaction of its own, committed before tdbplus_execute() returns (a query's when
 * its last row was read or the result is closed).
 */
typedef struct tdbplus_session tdbplus_session;

/* The rows of one statement. */
typedef struct tdbplus_result tdbplus_result;

/* Close with tdbplus_session_close(), before the database. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_session_open(tdbplus_db *db,
                                                                tdbplus_session **session_out,
                                                                tdbplus_call *call);

/* Rolls back what is open; a result that was not read to its end fails then. NULL is fine. */
TDBPLUS_API void tdbplus_session_close(tdbplus_session *session);

/* True between BEGIN and its end, also after a failure in between. */
TDBPLUS_API bool tdbplus_session_in_transaction(const tdbplus_session *session);

/*
 * Runs the first statement of `sql`, PostgreSQL's dialect, `size` bytes of UTF-8. *consumed_out
 * (may be NULL) tells how many bytes it and its semicolon took, also when it fails, so that a
 * caller walks a script; a text of nothing but blanks and comments is a statement without rows and
 * with an empty tag. `parameters` are the values of $1, $2, ...; integers and texts take the type
 * of the place where they stand. Close the result with tdbplus_result_close(), in any order.
 *
 * The error has PostgreSQL's SQLSTATE, and the position in `sql` where one is known. A failure
 * between BEGIN and COMMIT leaves the transaction open, but all that can follow is ROLLBACK,
 * ROLLBACK TO or COMMIT, which rolls back; other statements are TDBPLUS_E_ABORTED. A statement that
 * meets another transaction's change is run again as READ COMMITTED demands; TDBPLUS_E_CONFLICT
 * remains for REPEATABLE READ and for changes that will not end.
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status
tdbplus_execute(tdbplus_session *session, const char *sql, size_t size,
                const tdbplus_value *parameters, uint32_t parameter_count, size_t *consumed_out,
                tdbplus_result **result_out, tdbplus_call *call);

/* Rows that were not read are dropped; changes are not undone. NULL is fine. */
TDBPLUS_API void tdbplus_result_close(tdbplus_result *result);

/* 0: the statement gives no rows. */
TDBPLUS_API uint32_t tdbplus_result_column_count(const tdbplus_result *result);

/* The name lives as long as the result; zeroes past the last column. */
TDBPLUS_API tdbplus_column tdbplus_result_column(const tdbplus_result *result, uint32_t number);

/* "SELECT 3", "INSERT 0 1", "CREATE TABLE", as PostgreSQL says it; of a query only after its last
 * row (before: ""). Lives as long as the result. */
TDBPLUS_API const char *tdbplus_result_tag(const tdbplus_result *result);

/* ---- COPY ---- */

typedef enum tdbplus_copy_direction {
    TDBPLUS_COPY_NONE = 0, /* The statement is another one, or reads or writes a file. */
    TDBPLUS_COPY_IN = 1,   /* COPY ... FROM STDIN: wants tdbplus_copy_put(). */
    TDBPLUS_COPY_OUT = 2,  /* COPY ... TO STDOUT: its rows are pieces of the output, one column of
                            * type bytea. */
} tdbplus_copy_direction;

typedef struct tdbplus_copy {
    tdbplus_copy_direction direction;
    bool binary;           /* The bytes are no text. */
    uint32_t column_count; /* Of the rows that are copied. */
} tdbplus_copy;

TDBPLUS_API tdbplus_copy tdbplus_result_copy(const tdbplus_result *result);

/*
 * Hands over the next bytes of the rows, cut anywhere; they are copied. A failure is the
 * statement's, with the line and column in error.context, and ends it. What comes after the end
 * marker of the data is passed over. A result that is closed before tdbplus_copy_end() takes its
 * rows back (between BEGIN and COMMIT the transaction has failed then). Other statements of a
 * transaction wait for the end: TDBPLUS_E_STATE.
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_copy_put(tdbplus_result *result,
                                                            const void *data, size_t size,
                                                            tdbplus_call *call);

/* There are no more bytes: the statement runs to its end, and tdbplus_result_tag() tells how many
 * rows came in. With a text in `failure` the statement fails with it (57014) instead. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_copy_end(tdbplus_result *result,
                                                            const char *failure,
                                                            tdbplus_call *call);

/* ---- rows of results ---- */

/*
 * The next row; TDBPLUS_END when there is none. Values are valid until the next call on the result
 * or its session (which may have them as parameters); `values_out` may be NULL for callers of
 * tdbplus_result_text().
 *
 *   TDBPLUS_E_STATE  the query's transaction was rolled back
 */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_result_next(tdbplus_result *result,
                                                               const tdbplus_value **values_out,
                                                               tdbplus_call *call);

/* A value of the current row as PostgreSQL prints it, with a zero byte after it; NULL and 0 for a
 * null. Valid until the next row. TDBPLUS_E_STATE when there is no row. */
TDBPLUS_API TDBPLUS_CHECKED tdbplus_status tdbplus_result_text(tdbplus_result *result,
                                                               uint32_t column,
                                                               const char **text_out,
                                                               size_t *size_out,
                                                               tdbplus_call *call);

#ifdef __cplusplus
}
#endif

#endif
