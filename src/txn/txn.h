#pragma once

/*
 * txn: transactions over one store. Everything above (SQL, the C API) reads and changes rows
 * through this header.
 *
 * A transaction sees the commits its snapshot covers plus its own changes. Changes live in private
 * memory until the commit, which writes one log record and applies it. READ COMMITTED takes a new
 * snapshot per statement; REPEATABLE READ keeps one and fails with TDBPLUS_E_CONFLICT (40001) when
 * another transaction changed a row first. Written rows are locked until the end.
 *
 * Statement ids: rows written by a statement are not visible to the statement's own scans (no
 * Halloween problem) but to the next one's; uniqueness checks and txn_get() see them at once.
 *
 * Threads: one transaction has one user at a time; morsels of one scan may be read by several
 * threads at once.
 */

#include "storage/store/store.h"

struct txn;

enum txn_isolation {
    TXN_READ_COMMITTED = 0,
    TXN_REPEATABLE_READ = 1,
};

struct txn_options {
    uint8_t isolation; /* enum txn_isolation. */
    bool read_only;
    int16_t durability;       /* enum durability, or -1 for the store's default. */
    uint64_t lock_timeout_us; /* 0: none. */
    size_t change_bytes_max;  /* Changes spill past it; 0: a share of the database's memory. */
};

/* `alloc` is charged for private changes. `options` NULL: defaults. */
TDBPLUS_CHECKED tdbplus_status txn_begin(struct store *store, const struct txn_options *options,
                                         const struct alloc *alloc, struct txn **txn_out,
                                         struct err *err);

/*
 * Commits and destroys the transaction; after a failure it is rolled back and destroyed too.
 * [waits] One exception: TDBPLUS_E_STOPPED means that the log failed at this very record, and only
 * the next open can tell whether the commit took place.
 */
TDBPLUS_CHECKED tdbplus_status txn_commit(struct txn *txn, const struct call *call);

/* Rolls back and destroys. NULL is fine. Never fails. */
void txn_abort(struct txn *txn);

/* Begins the next statement: a new statement id and, in READ COMMITTED, a new snapshot.
 * TDBPLUS_E_SNAPSHOT when a REPEATABLE READ transaction has been open too long. */
TDBPLUS_CHECKED tdbplus_status txn_statement(struct txn *txn, struct err *err);

/*
 * Waits until nobody else is changing rows of the collection, keeps others from it until this
 * transaction ends, and begins the next statement: its snapshot has all that was written. Objects
 * that were found before may be older ones then. For what is made of all rows.
 * TDBPLUS_E_LOCK, TDBPLUS_E_DEADLOCK, TDBPLUS_E_CANCELLED as waiting for locks. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_keep_writers_out(struct txn *txn, const struct object *object,
                                                    const struct call *call);

/* Names a moment to roll back to; keeps locks taken since as PostgreSQL does not: they go too. */
typedef struct txn_savepoint {
    uint64_t change_count;
    uint64_t catalog_change_count;
    uint64_t stage_count;
    uint64_t lock_mark;
    uint64_t pending_count;
    uint64_t mark; /* By which the transaction knows it: spilling moves the counts above. */
} txn_savepoint;

struct txn_savepoint txn_savepoint_set(struct txn *txn);
/* It will not be rolled back to. Without this what came before it and after it is kept apart when
 * changes spill, which is right but slow when such are many. */
void txn_savepoint_release(struct txn *txn, struct txn_savepoint savepoint);
void txn_savepoint_rollback(struct txn *txn, struct txn_savepoint savepoint);

/* For what is left of the transaction; as the options of txn_begin(). */
void txn_set_read_only(struct txn *txn, bool read_only);
void txn_set_lock_timeout(struct txn *txn, uint64_t timeout_us);
void txn_set_durability(struct txn *txn, int16_t durability);

uint64_t txn_snapshot_timestamp(const struct txn *txn);
struct store *txn_store(const struct txn *txn);
bool txn_has_changes(const struct txn *txn);

/* ---- catalog ---- */

/* The object of that name (or id), as this transaction sees it; NULL when there is none. Valid
 * until the transaction ends or changes it. */
const struct object *txn_object(struct txn *txn, uint8_t kind, const char *name);
const struct object *txn_object_by_id(struct txn *txn, uint64_t id);

/* Part number `number` of a collection (see struct object), as this transaction sees it; NULL when
 * there are no more. */
const struct object *txn_part_at(struct txn *txn, uint64_t collection, uint32_t number);

/* What this transaction sees of the catalog: two equal numbers other than 0 are one content, in
 * which objects are the same pointers. 0 once it has changed the catalog itself. */
uint64_t txn_catalog_version(const struct txn *txn);

/* Walks the objects of a kind in order of name: NULL begins; NULL ends. */
const struct object *txn_object_next(struct txn *txn, uint8_t kind, const struct object *previous);

/*
 * Makes an object. For a collection `schema` describes its columns and keys (schema_create() checks
 * it; `version` is set here) and *id_out can be used at once by this transaction. TDBPLUS_E_EXISTS
 * when the name is taken.
 */
TDBPLUS_CHECKED tdbplus_status txn_object_create(struct txn *txn, uint8_t kind, const char *name,
                                                 const struct schema *schema,
                                                 struct span properties, uint64_t *id_out,
                                                 struct err *err);

/* Whether this transaction changed the collection's columns in place: no row of it can be written
 * then before the commit. */
bool txn_columns_changed(const struct txn *txn, const struct object *collection);

/* Changes name, properties or schema (NULL or an empty name: as it was; the schema gets the next
 * version). Other transactions' changes to the collection make the commit fail
 * (TDBPLUS_E_CONFLICT). */
TDBPLUS_CHECKED tdbplus_status txn_object_alter(struct txn *txn, uint64_t id, const char *name,
                                                const struct schema *schema,
                                                const struct span *properties, struct err *err);
TDBPLUS_CHECKED tdbplus_status txn_object_drop(struct txn *txn, uint64_t id, struct err *err);

/* What storage knows of a collection without reading it. */
struct txn_statistics {
    uint64_t row_count; /* Ended rows included. */
    bool has_range;     /* An integer column's values lie in [min, max]. */
    int64_t min;
    int64_t max;
};

/* `position` may be past the last column: rows only. Cheap; needs no transaction, but `collection`
 * must be held by a catalog. */
void txn_statistics(const struct object *collection, uint32_t position, struct txn_statistics *out);

/* ---- rows ---- */

/* Wherever a key is asked for, values of other types than the key columns' are TDBPLUS_E_TYPE. */

enum txn_write_mode {
    TXN_INSERT = 0, /* TDBPLUS_E_UNIQUE if the key exists; the text names the key. */
    TXN_UPSERT = 1, /* Replaces the row if the key exists. */
    TXN_UPDATE = 2, /* TDBPLUS_E_NOT_FOUND unless the key exists. */
};

/*
 * Writes one row: `values` are all columns of the collection's schema, in its order. Locks the key
 * [waits]. In READ COMMITTED the newest committed state decides; in REPEATABLE READ a version newer
 * than the snapshot is TDBPLUS_E_CONFLICT. *existed_out (may be NULL) tells whether the key
 * existed.
 */
TDBPLUS_CHECKED tdbplus_status txn_write(struct txn *txn, const struct object *collection,
                                         uint8_t mode, const struct datum *values,
                                         bool *existed_out, const struct call *call);

/* Writes the live rows of a batch whose columns are the schema's; faster than one at a time. On
 * failure none of them is written; *failed_row_out (may be NULL) says which one is to blame. */
TDBPLUS_CHECKED tdbplus_status txn_write_batch(struct txn *txn, const struct object *collection,
                                               uint8_t mode, const struct batch *batch,
                                               uint32_t *failed_row_out, const struct call *call);

/* Deletes the row with these key values; *existed_out tells whether there was one. [waits] */
TDBPLUS_CHECKED tdbplus_status txn_delete(struct txn *txn, const struct object *collection,
                                          const struct datum *key_values, bool *existed_out,
                                          const struct call *call);

/* What becomes of a row: `modify` makes all its columns, the key's as they were, of the old ones.
 * Their bytes, and what it makes, live in `batch`. */
struct txn_modifier {
    tdbplus_status (*modify)(void *context, const struct datum *old, struct datum *fresh);
    void *context;
    struct batch *batch;
};

/*
 * Changes the row with these key values: locks the key, reads the row as it is then and writes what
 * becomes of it, with the rules of txn_write(). *existed_out false: there is no such row. A failure
 * of `modify` is this call's, and nothing was changed. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_modify(struct txn *txn, const struct object *collection,
                                          const struct datum *key_values,
                                          const struct txn_modifier *modifier, bool *existed_out,
                                          const struct call *call);

/*
 * Replaces the row with these key values by `values`, whose key is another one: TDBPLUS_E_UNIQUE if
 * there is a row with that. Where there was no row nothing happens. Constraints see one row that
 * changed, not one that went and one that came. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_update_key(struct txn *txn, const struct object *collection,
                                              const struct datum *old_key,
                                              const struct datum *values, const struct call *call);

/*
 * Says that txn_lock_row() and a change of this row come soon: the memory they look into is asked
 * for now. A hint, which changes nothing; fails as they would for values that are no key.
 */
TDBPLUS_CHECKED tdbplus_status txn_prefetch_row(struct txn *txn, const struct object *collection,
                                                const struct datum *key_values, struct err *err);

/* LOCK TABLE: the modes of tables of lock_table.h. From SHARE on nobody else writes; who reads
 * takes no lock. Errors as txn_lock_row(). [waits] */
TDBPLUS_CHECKED tdbplus_status txn_lock_table(struct txn *txn, const struct object *object,
                                              uint8_t mode, bool no_wait, const struct call *call);

/*
 * A row found earlier by this statement's scan is about to be changed: locks it and tells whether
 * it is still as the statement's snapshot saw it. TDBPLUS_E_CONFLICT if not (in READ COMMITTED the
 * caller begins a new statement and runs again). `mode` is a row lock mode of lock_table.h. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_lock_row(struct txn *txn, const struct object *collection,
                                            const struct datum *key_values, uint8_t mode,
                                            bool no_wait, const struct call *call);

/*
 * Reads the row with these key values: `values_out` gets the columns at `positions` (all of the
 * schema when NULL), whose bytes are borrowed from what `batch` keeps until it is reset. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_get(struct txn *txn, const struct object *collection,
                                       const struct datum *key_values, const uint32_t *positions,
                                       uint32_t position_count, struct batch *batch,
                                       struct datum *values_out, bool *found_out,
                                       const struct call *call);

/*
 * The same for `count` keys, all columns, with their memory accesses overlapped: row i has its key
 * values at keys[i], its bytes are kept by batches[i], and values_out[i] has room for it. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_get_many(struct txn *txn, const struct object *collection,
                                            const struct datum *const *keys, size_t count,
                                            struct batch *const *batches,
                                            struct datum *const *values_out, bool *found_out,
                                            const struct call *call);

/*
 * txn_get_now() for a row that is in memory, inside a glance: no memory is asked for, nothing is
 * counted, and the bytes of values_out are borrowed until the glance ends. The key's values are of
 * its columns' types and not null. TXN_GLANCE_UNKNOWN: txn_get_now() must be asked.
 */
struct store_glance;
enum txn_glance {
    TXN_GLANCE_UNKNOWN,
    TXN_GLANCE_FOUND,
    TXN_GLANCE_ABSENT,
};

enum txn_glance txn_glance(struct store *store, const struct store_glance *glance,
                           const struct object *collection, const struct datum *key_values,
                           struct buffer *scratch, struct datum *values_out);

/*
 * The first rows of a collection whose key is not below `from` (NULL: of all), inside a glance; the
 * request's columns and limit are set, the rest is not. False: a scan must be asked. What was found
 * counts when no commit has become visible by the time that its last row was read (X7).
 */
struct glance_request;
struct glance_range;
bool txn_glance_allows_range(const struct object *collection);
bool txn_glance_range(const struct store_glance *glance, const struct object *collection,
                      const struct datum *from, struct glance_request *request,
                      struct glance_range *range);

/*
 * Reads one row, all columns, as txn_get() in a transaction of its own would, without making one.
 * `collection` must be held by a catalog; `scratch` is for the key's bytes. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_get_now(struct store *store, const struct object *collection,
                                           const struct datum *key_values, struct buffer *scratch,
                                           struct batch *batch, struct datum *values_out,
                                           bool *found_out, struct err *err);

/*
 * Upserts one row as a transaction of its own with the store's durability would, without making
 * one. `collection` must be held by a catalog. [waits] As txn_write() and txn_commit();
 * TDBPLUS_E_CONFLICT says to take the collection from a newer catalog and try again.
 */
TDBPLUS_CHECKED tdbplus_status txn_upsert_now(struct store *store, const struct object *collection,
                                              const struct datum *values, const struct call *call);

#define TXN_READ_COUNT_MAX 64u

/*
 * Reads the rows of up to TXN_READ_COUNT_MAX keys as a scan of this statement would: own changes of
 * earlier statements only (X2). Row i has its key values at keys + i * key count; values_out gets
 * `position_count` values a row, whose bytes `batch` keeps until it is reset. [waits]
 */
struct txn_read {
    const struct datum *keys;
    uint32_t count;
    const uint32_t *positions;
    uint32_t position_count;
};
TDBPLUS_CHECKED tdbplus_status txn_read_rows(struct txn *txn, const struct object *collection,
                                             const struct txn_read *read, struct batch *batch,
                                             struct datum *values_out, bool *found_out,
                                             const struct call *call);

/*
 * The same for up to TXN_UPSERT_NOW_MAX rows, all or none. *done_out false: nothing was done, for
 * two rows seem to have one key, or the collection has more to it than rows: use a transaction.
 */
#define TXN_UPSERT_NOW_MAX 256u

TDBPLUS_CHECKED tdbplus_status txn_upsert_many_now(struct store *store,
                                                   const struct object *collection,
                                                   const struct datum *const *rows,
                                                   uint32_t row_count, bool *done_out,
                                                   const struct call *call);

/* ---- scans ---- */

enum scan_order {
    SCAN_ANY = 0, /* As storage likes; may be read in parallel by morsel. */
    SCAN_ASCENDING = 1,
    SCAN_DESCENDING = 2,
};

enum scan_compare {
    SCAN_EQUAL = 0,
    SCAN_LESS = 1,
    SCAN_LESS_EQUAL = 2,
    SCAN_GREATER = 3,
    SCAN_GREATER_EQUAL = 4,
    SCAN_IS_NULL = 5,
    SCAN_IS_NOT_NULL = 6,
};

/* A condition the scan may use to leave out whole pages, and applies to rows only when the scan's
 * `filter_rows` asks for it. A null value compares as false. */
struct scan_condition {
    uint32_t position; /* Column in the schema. */
    uint8_t compare;   /* enum scan_compare. */
    struct datum value;
};

/* A bound of the key range: the first `value_count` key columns. value_count 0: no bound. */
struct scan_bound {
    const struct datum *values;
    uint32_t value_count;
    bool exclusive;
};

/* A part of the documents in a wanted column: `column -> key -> ... -> key`, or with `as_text` what
 * `->>` at the end gives. Null where the keys lead nowhere. */
struct scan_path {
    const struct span *keys; /* Borrowed for as long as the scan. */
    uint32_t key_count;      /* 0: the whole column. */
    bool as_text;
};

/*
 * A further condition of the caller's, asked before columns that only survivors need are read. The
 * batch has the columns at `early` of the options, in that order; the function narrows its
 * selection, with memory of its arena. Rows it leaves out are left out of the scan.
 */
struct scan_keep {
    tdbplus_status (*keep)(void *context, struct batch *batch);
    void *context;
};

struct scan_options {
    const uint32_t *positions; /* Columns wanted, in this order; may be none (counting). */
    uint32_t position_count;
    /* For each of them the part that is wanted; NULL: all whole. Segments read what most documents
     * have without the documents (storage/segment/shred.h). */
    const struct scan_path *paths;
    uint8_t order; /* enum scan_order. */
    bool filter_rows;
    const struct scan_condition *conditions;
    uint32_t condition_count;
    struct scan_bound lower;
    struct scan_bound upper;
    bool latest;           /* Reads the newest committed rows and all own ones, as checks do. */
    uint64_t row_limit;    /* No more rows than so many will be asked for; 0: unknown. A hint. */
    const uint32_t *early; /* Columns that `keep` reads. */
    uint32_t early_count;  /* SCAN_ANY only. */
    const struct scan_keep *keep; /* NULL: none. Must outlive the scan. */
};

/*
 * Deletes all rows whose keys lie between the bounds (value_count 0: no bound), as they are when
 * nobody else changes the collection any more: others that do wait until the transaction ends, as
 * they do for a load (bulk.h). One record of the log whatever the number of rows; where the
 * collection has indexes, row by row. *count_out (may be NULL, which is faster) tells how many
 * rows there were. [waits]
 *
 *   TDBPLUS_E_CONFLICT  REPEATABLE READ: the collection's rows were changed after the snapshot
 *   TDBPLUS_E_LOCK      the transaction holds locks, and others do not let go of theirs
 */
TDBPLUS_CHECKED tdbplus_status txn_delete_range(struct txn *txn, const struct object *collection,
                                                const struct scan_bound *lower,
                                                const struct scan_bound *upper, uint64_t *count_out,
                                                const struct call *call);

struct scan;

/* Reads at the snapshot of the statement that opens it, also when the transaction goes on to the
 * next. When that ends, or rolls back what the scan reads, it returns TDBPLUS_E_STATE; it may be
 * closed at any time.
 * The options' arrays are copied; the data's bytes are not and must outlive the scan. */
TDBPLUS_CHECKED tdbplus_status scan_open(struct txn *txn, const struct object *collection,
                                         const struct scan_options *options, struct scan **scan_out,
                                         struct err *err);
void scan_close(struct scan *scan);

/*
 * A scan of what is committed now, without a transaction. scan_begin_now() takes a snapshot and a
 * catalog; the collection is looked up there and given to scan_open_now(), after whose failure the
 * scan is closed like any other. *scan_inout is NULL or a scan that rests, whose memory is used
 * again.
 */
TDBPLUS_CHECKED tdbplus_status scan_begin_now(struct store *store, struct scan **scan_inout,
                                              struct err *err);
const struct object *scan_find_object(const struct scan *scan, uint64_t id);
TDBPLUS_CHECKED tdbplus_status scan_open_now(struct scan *scan, const struct object *collection,
                                             const struct scan_options *options, struct err *err);

/* Ends a scan of scan_begin_now() but keeps some memory for the next one; then all it is good for
 * is scan_begin_now() and scan_close(). False when it holds too much: then it is as it was. */
bool scan_rest(struct scan *scan);

/* Fills `batch` (reset first) with the next rows; TDBPLUS_END when there are none. [waits] Check
 * batch->selection. */
TDBPLUS_CHECKED tdbplus_status scan_next(struct scan *scan, struct batch *batch,
                                         const struct call *call);

/*
 * Parallel reading of a SCAN_ANY scan: its rows are cut into morsels; each is read by one thread
 * with a cursor of its own. Morsel numbers follow storage order and do not change while it is open.
 */
struct scan_morsel {
    uint32_t source;
    uint64_t next_row;
    uint64_t end_row;
    const struct scan_keep *keep; /* That of the options; a thread may put its own here. */
};

uint32_t scan_morsel_count(const struct scan *scan);
void scan_morsel_begin(const struct scan *scan, uint32_t number, struct scan_morsel *morsel_out);
TDBPLUS_CHECKED tdbplus_status scan_morsel_next(struct scan *scan, struct scan_morsel *morsel,
                                                struct batch *batch, const struct call *call);

/* True when the morsels of a SCAN_ANY scan, one after the other, give their rows in order of key.
 */
bool scan_is_clustered(const struct scan *scan);

/* Rows that storage holds for the scan before filters: an upper estimate for planning. */
uint64_t scan_row_estimate(const struct scan *scan);
