#pragma once

/*
 * What the files of this module share. Locks, in the order they may be taken:
 *
 *   flush, merge (mutex) one flush and one merge at a time, for their whole length
 *   structure (mutex)   held to change the set of segments, memtables or objects, across I/O;
 *                       whoever holds it may prepare a new version, since no other can be published
 *   commit (latch)      log order, timestamps, apply, and every swap of a version or catalog
 *   snapshots (latch)   the list of snapshots
 *
 * Readers take none of them: they enter the epoch, load a pointer and take a reference.
 */

#include "base/epoch.h"
#include "base/list.h"
#include "base/map.h"
#include "locks/lock_table.h"
#include "os/latch.h"
#include "os/mutex.h"
#include "storage/log/log.h"
#include "storage/manifest/manifest.h"
#include "storage/memtable/delete_map.h"
#include "storage/memtable/memtable.h"
#include "storage/segment/page_cache.h"
#include "storage/segment/segment.h"
#include "storage/store/store.h"
#include "storage/store/store_commit.h"
#include "storage/store/store_load.h"
#include "storage/store/store_read.h"

/* Between what commits write and what every read looks at, so that a reader beside a writer does
 * not wait for lines of memory that did not change. */
#define STORE_LINE_SIZE 64u

#define STORE_FROZEN_COUNT_MAX  4u /* Writers wait for flushes beyond this many. */
#define STORE_SEGMENT_COUNT_MAX 1024u
#define STORE_SEGMENT_COUNT_FEW 64u /* Writers wait for merges beyond this many. */

/* Kinds of manifest entries. Numbers reach disk. */
enum manifest_kind {
    MANIFEST_DATABASE = 1,   /* Id 0: format version, database id. */
    MANIFEST_COUNTERS = 2,   /* Id 0: next ids, clock floor, replay position. */
    MANIFEST_OBJECT = 3,     /* Id of the object: object_encode(). */
    MANIFEST_COLLECTION = 4, /* Id of the collection: flushed position and timestamp. */
    MANIFEST_SEGMENT = 5,    /* Id of the file: struct segment_summary and its collection. */
    MANIFEST_DELETES = 6,    /* Id of the segment: where its delete map lies. */
    MANIFEST_VALUES = 7,     /* Id of the file: struct values_entry. */
};

/* A memtable as versions share it. */
struct table_ref {
    _Atomic uint32_t refs;
    struct store *store;
    struct memtable *memtable;
    uint64_t lsn_first;      /* No record before it is in the memtable. */
    uint64_t lsn_last;       /* Set when frozen: none at or after it. */
    uint64_t timestamp_last; /* Set when frozen: newest commit in it. */
    bool changed;            /* Under the commit latch: some record concerns it. */
    /* While a flush reads it, under the commit latch: first rows ended meanwhile are listed, then,
     * once the segment exists, they are ended there too. */
    bool tracking;
    struct list late_ends; /* uint32_t rows. */
    struct segment_ref *future;
    const uint32_t *future_rows; /* Row in the memtable -> row in `future` or FUTURE_ROW_NONE. */
};

#define FUTURE_ROW_NONE UINT32_MAX

struct late_delete {
    uint64_t row;
    uint64_t timestamp;
};

/* A segment as versions share it. */
struct segment_ref {
    _Atomic uint32_t refs;
    struct store *store;
    uint64_t id;
    uint64_t size;
    uint64_t row_count;
    struct segment *segment;
    struct delete_map *deletes;
    /* When rows without a begin timestamp of their own began: of a load, its commit; else 0. Set
     * before a version has it. */
    uint64_t born;
    uint64_t load_lsn;          /* Of a load: the record that names it. */
    _Atomic bool is_loaded;     /* The manifest does not name it yet; no merge takes it (D16). */
    uint64_t deleted_at;        /* Newest end in the map. Under the commit latch. */
    uint64_t deletes_persisted; /* The manifest's map has all ends up to here. Under `structure`. */
    uint64_t deletes_file;      /* File of that map; 0: none. */
    uint64_t deletes_file_next; /* Written, not yet named by the manifest. */
    /* While a merge reads it, under the commit latch; as in struct table_ref. */
    bool tracking;
    struct list late_deletes; /* struct late_delete. */
    struct segment_ref *future;
    const struct merge *future_merge; /* Knows where its rows are in `future`, */
    uint32_t future_source;           /* being the source of that number. */
    _Atomic bool obsolete;            /* Its files are removed with the last reference. */
};

/* What a collection consists of at one moment. Immutable; newest first in both lists. */
struct version {
    _Atomic uint32_t refs; /* Each commit takes one. */
    uint8_t apart[STORE_LINE_SIZE];
    struct epoch_garbage garbage;
    struct collection *collection;
    uint64_t segment_generation; /* Changes when the list of segments does. */
    uint32_t table_count;
    uint32_t segment_count;
    struct table_ref **tables; /* [0] takes the commits. */
    struct segment_ref **segments;
};

struct collection {
    _Atomic uint32_t refs;  /* Of objects and of running work. */
    _Atomic uint32_t parts; /* Versions, and one for all of `refs`: who needs the schemas. */
    struct store *store;
    uint64_t id;
    _Atomic(struct version *) version; /* Swapped under the commit latch. */
    struct list schemas;  /* struct schema *, oldest first; under `structure`; freed at the end. */
    struct list retired;  /* struct retired_schema, oldest first; under `structure`. */
    uint64_t flushed_lsn; /* Records before it are in segments. Under `structure`. */
    uint64_t flushed_timestamp;
    _Atomic bool dropped; /* Set under `structure` and the commit latch. */
    /* Under the commit latch; 0 since the open. */
    _Atomic uint64_t created;    /* Timestamp of the commit that made it, */
    uint64_t changed;            /* and of the last one that changed rows. */
    uint64_t revision;           /* Of the object that the committed catalog has for it. */
    _Atomic uint64_t flushed_us; /* When the last flush ended; 0: none since the open. */
    _Atomic uint32_t entered;    /* Transactions that change rows without a lock on the table. */
    _Atomic uint32_t bars;       /* Transactions that want all others out: see store_load.h. */
    struct replay *replay;       /* While recovering: rows not linked yet; see replay.h. */
};

/* A schema that is not the newest, and the commit that replaced it: snapshots before that one still
 * read by it, so merges keep its columns until the horizon has passed. */
struct retired_schema {
    const struct schema *schema;
    uint64_t until;
};

/* A part of a collection, found from either collection that it names. */
struct catalog_part {
    uint64_t collection;
    const struct object *object;
};

/* All objects at one moment. Immutable. */
struct catalog {
    _Atomic uint32_t refs;
    uint64_t timestamp; /* Of the commit that made it; it counts once that is visible. */
    _Atomic(struct catalog *) before; /* Owned until then: what counts meanwhile. */
    struct epoch_garbage garbage;
    struct store *store;
    uint64_t version; /* Never used twice in a process. */
    uint32_t object_count;
    uint32_t part_count;
    struct object_ref **objects; /* Sorted by kind, then name. */
    struct object_ref **by_id;   /* The same sorted by id; behind `objects` in one array. */
    struct catalog_part *parts;  /* Sorted by collection, then id. */
};

struct object_ref {
    _Atomic uint32_t refs;
    struct store *store;
    struct object object;
    struct schema *schema_pending; /* Owned until the commit gives it to the collection. */
    struct arena arena;            /* Owns name and properties. */
};

struct store {
    const struct env *env;
    struct env *ram; /* Owned, for databases in memory. */
    struct budget budget;
    const struct alloc *alloc;
    struct store_options options;
    char directory[ENV_PATH_SIZE_MAX];
    struct env_file *lock_file;
    struct epoch epoch;
    struct page_cache *cache;
    struct value_files *values; /* That are open. */
    struct lock_table *locks;
    struct log *log; /* NULL in memory and when read-only. */
    struct manifest *manifest;
    uint64_t database_id;
    _Atomic(struct catalog *) catalog; /* Swapped under `commit` and the snapshots' latch. */
    _Atomic(const void *) upper;       /* See store_set_upper(). */
    _Atomic(void *) attached;          /* See store_attach(). */
    void (*close_attached)(void *value);
    _Atomic bool stopped;
    _Atomic bool expires; /* Some collection's rows do, or did. */

    uint8_t apart_visible[STORE_LINE_SIZE];
    _Atomic uint64_t visible_timestamp;
    uint8_t apart_commit[STORE_LINE_SIZE];
    struct latch commit;
    uint64_t timestamp_last; /* Newest assigned. Under `commit`. */
    uint64_t full_lsn;       /* End of the newest FULL record. Under `commit`. */
    uint8_t apart_others[STORE_LINE_SIZE];
    struct mutex structure;
    uint64_t replay_lsn;  /* Position of the record being replayed. */
    uint64_t catalog_lsn; /* The manifest has all catalog changes before it. `structure`. */
    _Atomic uint64_t object_id_next;
    _Atomic uint64_t object_revision_next;
    _Atomic uint64_t file_id_next;
    _Atomic uint64_t txn_id_next;

    struct latch snapshot_latch;
    struct store_snapshot *snapshots; /* In no order. */
    uint64_t snapshot_count;

    struct env_task *flusher;
    struct env_task *merger;
    struct env_task *syncer;
    struct env_event flusher_event;
    struct env_event merger_event;
    struct env_event syncer_event;
    _Atomic bool closing;
    struct mutex stall; /* Writers waiting for flushes. */
    struct condition stall_condition;
    struct err flush_error;   /* Under `stall`: why the last flush failed, */
    struct err merge_error;   /* and the last merge. */
    struct mutex flush_mutex; /* One flush at a time. */
    struct mutex merge_mutex; /* One merge at a time. */

    uint8_t apart_counts[STORE_LINE_SIZE];
    _Atomic uint64_t commit_count;
    _Atomic uint64_t row_write_count;
    _Atomic uint64_t ingested_bytes;
    _Atomic uint64_t flush_count;
    _Atomic uint64_t flush_written_bytes;
    _Atomic uint64_t merge_count;
    _Atomic uint64_t merge_written_bytes;
    _Atomic uint64_t load_count;
    _Atomic uint64_t load_written_bytes;
    uint64_t recovery_records;
    uint64_t recovery_us;
    uint64_t verify_limit; /* Positions below it are being verified. Under `flush`. */
};

/* ---- files.c: names in the directory ---- */

TDBPLUS_CHECKED tdbplus_status store_path(const struct store *store, char path[ENV_PATH_SIZE_MAX],
                                          const char *kind, uint64_t id, struct err *err);
/* Parses "kind-0123456789abcdef"; false for any other name. */
bool store_parse_name(const char *name, const char *kind, uint64_t *id_out);
/* Removes files that nothing in the manifest names (leftovers of a crash). [waits] */
TDBPLUS_CHECKED tdbplus_status store_sweep(struct store *store, struct err *err);
uint64_t store_new_file_id(struct store *store);

/* ---- version.c ---- */

TDBPLUS_CHECKED tdbplus_status table_ref_create(struct store *store, const struct schema *schema,
                                                struct table_ref **ref_out, struct err *err);
void table_ref_release(struct table_ref *ref);
/* Takes over `segment` (closed with the last reference). */
TDBPLUS_CHECKED tdbplus_status segment_ref_create(struct store *store, uint64_t id,
                                                  struct segment *segment,
                                                  struct segment_ref **ref_out, struct err *err);
void segment_ref_release(struct segment_ref *ref);

/* Opens a segment that this process has just written. [waits] */
TDBPLUS_CHECKED tdbplus_status segment_ref_open(struct store *store, uint64_t id, const char *path,
                                                struct segment_ref **ref_out, struct err *err);

/* A version with references of its own to all parts. */
TDBPLUS_CHECKED tdbplus_status version_create(struct collection *collection,
                                              struct table_ref *const *tables, uint32_t table_count,
                                              struct segment_ref *const *segments,
                                              uint32_t segment_count, struct version **version_out,
                                              struct err *err);
/* Makes it the collection's; the one before goes when its readers are done. Under `commit`. */
void version_publish(struct collection *collection, struct version *version);
TDBPLUS_CHECKED tdbplus_status collection_create(struct store *store, uint64_t id,
                                                 struct collection **collection_out,
                                                 struct err *err);

/* ---- objects.c ---- */

TDBPLUS_CHECKED tdbplus_status object_create(struct store *store, const struct object *description,
                                             struct object_ref **object_out, struct err *err);
void object_retain(struct object_ref *object);
void object_release(struct object_ref *object);
void object_encode(const struct object *object, const struct list *schemas, struct buffer *buffer);
/* Decodes what object_encode() wrote; a collection's schemas are appended to *schemas_out. */
TDBPLUS_CHECKED tdbplus_status object_decode(struct store *store, uint64_t id, struct span encoded,
                                             struct object_ref **object_out,
                                             struct list *schemas_out, struct err *err);
/* The catalog that results from `base` by the changes; objects are retained. */
TDBPLUS_CHECKED tdbplus_status catalog_create(struct store *store, const struct catalog *base,
                                              const struct catalog_change *changes,
                                              uint32_t change_count, struct catalog **catalog_out,
                                              struct err *err);
/* Makes it count at once; for recovery. */
void catalog_publish(struct store *store, struct catalog *catalog);
/* Makes it the newest; readers get the one before until `timestamp` is visible. Under `commit`.
 * Call catalog_settle() afterwards, before the next one. */
void catalog_publish_pending(struct store *store, struct catalog *catalog, uint64_t timestamp);
void catalog_settle(struct store *store);
/* The one that counts at a timestamp just read from store_visible_timestamp(). Under
 * `snapshot_latch`. */
struct catalog *catalog_at_timestamp(struct store *store, uint64_t timestamp);
/* Inside an epoch: the catalog that counts now. */
struct catalog *catalog_visible(struct store *store);

struct object_ref *catalog_find_id(const struct catalog *catalog, uint64_t id);

/* ---- apply.c: shared by commit and recovery ---- */

/* Rows [first, end) of a segment. */
struct apply_range {
    uint64_t first;
    uint64_t end;
};

/* One collection's part of a commit, resolved against a version. */
struct apply_group {
    struct collection *collection;
    struct version *version; /* Referenced. */
    struct version *stale;   /* The one before, referenced; NULL. */
    const struct commit_op *ops;
    uint32_t op_count;
    const struct commit_stage *stages; /* As in struct commit_group; with any, `version` is */
    uint32_t stage_count;              /* the one that the commit will publish. */
    size_t byte_count;                 /* Of keys and rows. */
    bool is_appended;                  /* apply_appended() follows: rows have their places. */
    struct segment_ref **old_segments; /* Per op: where the older version lies, or NULL. */
    uint64_t *old_rows;
    uint64_t *scratch;          /* Room for one row number per op. */
    struct apply_range *ranges; /* Per stage and segment of the version: rows that a range ends. */
    size_t range_count;
    /* What the three point to when there is one op; so a group must not move. */
    struct segment_ref *old_segment_one;
    uint64_t old_row_one;
    uint64_t scratch_one;
};

/* Finds the older versions of all ops in the version's segments. [waits] */
TDBPLUS_CHECKED tdbplus_status apply_locate(struct apply_group *group, const struct alloc *alloc,
                                            struct err *err);
/* Makes apply_rows() infallible. Under `commit`. */
TDBPLUS_CHECKED tdbplus_status apply_reserve(struct apply_group *group, struct err *err);
/* Under `commit`. `lsn` is the record's position; `values` has room for the schema's columns. */
void apply_rows(struct apply_group *group, uint64_t lsn, uint64_t timestamp, struct datum *values);

/* A change whose row, if it puts one, was appended to the active memtable before. */
struct apply_change {
    struct memtable_order order;
    uint32_t row;       /* Of a put. */
    uint64_t timestamp; /* Of a delete. */
};

/* The same for a group that is_appended, without stages, in recovery; one change for each op. The
 * key of a put may be left out if the active memtable is all that the version has. */
void apply_appended(struct apply_group *group, const struct apply_change *changes);
/* apply_range.c: the parts of the three that concern ranges; of stage number `stage`. */
TDBPLUS_CHECKED tdbplus_status apply_locate_ranges(struct apply_group *group,
                                                   const struct alloc *alloc, struct err *err);
TDBPLUS_CHECKED tdbplus_status apply_reserve_ranges(struct apply_group *group, struct err *err);
void apply_delete_range(struct apply_group *group, uint32_t stage, uint64_t timestamp);
void apply_group_deinit(struct apply_group *group, const struct alloc *alloc);

/* ---- expiry.c: rows that expire ---- */

/* What flushes and merges need to know: rows whose value at `column_id` is at most `limit` are seen
 * by no snapshot at the horizon or after it. */
struct expiry {
    bool active;
    uint32_t column_id;
    int64_t limit;
};

/* [waits] for the structure mutex, which must not be held. */
struct expiry expiry_at(struct collection *collection, uint64_t horizon);
/* Of the schema's column; false for a null. */
bool expiry_of_value(const struct expiry *expiry, const struct datum *value);
/* True when a row of the segment may have expired, or, with `all`, when all have. Never waits. */
bool expiry_of_segment(const struct expiry *expiry, struct segment *segment, uint64_t first_row,
                       uint32_t row_count, bool all);
/* Clears the bits of expired rows [first_row, first_row + row_count) of one window. [waits] */
TDBPLUS_CHECKED tdbplus_status expiry_drop(const struct expiry *expiry, struct segment *segment,
                                           uint64_t first_row, uint32_t row_count, uint64_t *keep,
                                           const struct alloc *alloc, struct err *err);

/* ---- flush.c, compact.c, background.c ---- */

/* Begins a new memtable for the collection if the active one has changes, or another schema is
 * given. Under `structure`. */
TDBPLUS_CHECKED tdbplus_status collection_freeze(struct collection *collection,
                                                 const struct schema *schema, struct err *err);
/* The same in two steps: a version that begins with an empty memtable, under `structure`, and its
 * publication, under `commit` too, which cannot fail. */
TDBPLUS_CHECKED tdbplus_status collection_freeze_prepare(struct collection *collection,
                                                         const struct schema *schema,
                                                         struct version **version_out,
                                                         struct err *err);
void collection_freeze_publish(struct collection *collection, struct version *version);
/* Flushes the oldest frozen memtable; *found_out false if there is none. [waits] */
TDBPLUS_CHECKED tdbplus_status collection_flush(struct collection *collection, bool *found_out,
                                                struct err *err);
/* Merges what the policy picks (or everything, if `all`). [waits] */
TDBPLUS_CHECKED tdbplus_status collection_merge(struct collection *collection, bool all,
                                                const struct call *call, bool *found_out);
/* Takes a dropped collection's rows away: no commit reaches it, its files go with their last
 * reader. Takes the commit latch. */
void collection_discard(struct collection *collection);
void background_wake(struct store *store);
TDBPLUS_CHECKED tdbplus_status background_start(struct store *store, struct err *err);
void background_stop(struct store *store);
/* Proves in the log that what it holds is synced (S2). [waits] */
TDBPLUS_CHECKED tdbplus_status background_mark_log(struct store *store);

/* ---- persist.c: what goes into the manifest ---- */

void persist_counters(struct store *store, struct manifest_edit *edit);
/* Brings the counters in a prepared edit up to date. Under `structure`. */
void persist_counters_again(struct store *store, struct manifest_pending *pending);
void persist_segment(struct manifest_edit *edit, const struct collection *collection,
                     const struct segment_summary *summary);
/* The same for the loads among the segments whose records lie before `lsn`. */
void persist_loads(struct manifest_edit *edit, const struct version *version, uint64_t lsn);
/* After that edit has been committed. Under `structure`. */
void persist_loads_done(const struct version *version, uint64_t lsn);
void persist_collection(struct manifest_edit *edit, const struct collection *collection,
                        uint64_t flushed_lsn, uint64_t flushed_timestamp);
/* Forgets a dropped object, its state and its segments. Under `structure`. */
void persist_dropped(struct manifest_edit *edit, const struct object *object);
/*
 * Writes the delete maps of those of the segments whose map has ends up to `timestamp` that the
 * manifest lacks into one new file and names them in the edit. Under `structure`. [waits] After the
 * edit is committed call persist_deletes_done(), else persist_deletes_undo().
 */
TDBPLUS_CHECKED tdbplus_status persist_deletes(struct store *store,
                                               struct segment_ref *const *segments,
                                               uint32_t segment_count, uint64_t timestamp,
                                               struct manifest_edit *edit, struct err *err);
void persist_deletes_done(struct store *store, struct segment_ref *const *segments,
                          uint32_t segment_count, uint64_t timestamp);
/* `why` the edit failed; after TDBPLUS_E_STOPPED the file stays. */
void persist_deletes_undo(struct store *store, struct segment_ref *const *segments,
                          uint32_t segment_count, tdbplus_status why);

TDBPLUS_CHECKED tdbplus_status recover(struct store *store, struct err *err);

/* The position that replay would have to begin at now. Under `structure`. */
uint64_t store_replay_position(struct store *store);
/* Where the next record goes; 0 without a log. */
uint64_t store_log_end(struct store *store);
