#pragma once

/*
 * store: one database on disk (or in memory). It owns the log, the manifest, the page cache and the
 * collections with their memtables and segments; it applies commits, recovers, flushes and merges.
 *
 * Rows are changed through transactions (txn/txn.h), which end in store_commit().
 *
 * Threads: everything may be called at once, except open and close.
 */

#include "base/budget.h"
#include "base/call.h"
#include "os/env.h"
#include "types/column.h"
#include "types/schema.h"

struct lock_table;
struct store;

/* When a commit is acknowledged. */
enum durability {
    DURABILITY_FULL = 0,     /* After its log record survives power loss. */
    DURABILITY_INTERVAL = 1, /* At once; the log is synced every `sync_interval_us`. */
    DURABILITY_NONE = 2,     /* At once; the log is synced when files are closed or cut. */
};

struct store_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *directory; /* NULL: in memory, without a log; gone when closed. */
    bool read_only;
    bool must_exist;              /* Else a missing or empty directory becomes a new database. */
    bool no_background;           /* Flush and merge only when asked: tests and tools. */
    uint8_t durability;           /* Default of commits: enum durability. */
    uint64_t sync_interval_us;    /* 0: 100 ms. */
    size_t memory_limit_bytes;    /* Everything charged to this database; 0: half of 4 GiB or so. */
    size_t cache_size_bytes;      /* Page cache; 0: half of the memory limit. */
    size_t memtable_size_bytes;   /* Frozen at this size; 0: 64 MiB. */
    uint32_t merge_fan_out;       /* Segments of about one size that merge together; 0: 8. */
    uint64_t log_file_size;       /* 0: the log's default. */
    size_t manifest_rotate_size;  /* Edits after which it begins a new file; 0: its default. */
    uint64_t deadlock_timeout_us; /* Waiters look for a circle after so long; 0: one second. */
    uint64_t snapshot_age_max_us; /* Older snapshots may be given up; 0: one hour. */
};

/*
 * Opens (or makes) the database in `directory` and recovers it: every acknowledged FULL commit is
 * there, nothing that was not committed is (S1-S6). [waits]
 *
 *   TDBPLUS_E_BUSY     another process has it open
 *   TDBPLUS_E_CORRUPT  stored bytes are damaged; the text names file and place, the hint the tool
 */
TDBPLUS_CHECKED tdbplus_status store_open(const struct store_options *options,
                                          struct store **store_out, struct err *err);

/* Syncs what is buffered and closes. Transactions, snapshots and scans must have ended. [waits] */
void store_close(struct store *store);

const struct env *store_env(const struct store *store);
bool store_read_only(const struct store *store);
uint8_t store_durability(const struct store *store); /* enum durability. */

/* A path for a file that is of no use after this process: one that is left is removed when the
 * database is opened. TDBPLUS_E_NOMEM where nothing may be written. */
TDBPLUS_CHECKED tdbplus_status store_temporary_path(struct store *store,
                                                    char path[ENV_PATH_SIZE_MAX], struct err *err);

/* What all that is charged to the database may come to. */
size_t store_memory_limit(const struct store *store);

/* The locks of its transactions, and numbers for them. */
struct lock_table *store_locks(const struct store *store);
uint64_t store_next_txn_id(struct store *store);

/* A place for what the layers above want to find again by the store alone; not owned. NULL at
 * first. */
void store_set_upper(struct store *store, const void *upper);
const void *store_upper(const struct store *store);

/* The same for one thing that the store owns from then on: `close` is called with it when the store
 * is closed. Of several that attach at once the first one wins, and the others' values are closed;
 * returns what is attached. */
void *store_attach(struct store *store, void *value, void (*close)(void *value));
void *store_attached(const struct store *store);

/* Charged to the database's memory limit. */
const struct alloc *store_alloc(const struct store *store);

/* ---- collections and other catalog objects ---- */

#define COLLECTION_NAME_SIZE_MAX 256u

/* Kinds of catalog objects. Collections mean something to the store; the rest is kept for layers
 * above, which choose kinds from OBJECT_KIND_FIRST_FREE on. Numbers reach disk. */
enum object_kind {
    OBJECT_COLLECTION = 1,
    OBJECT_INDEX = 2,       /* A part of a collection, kept in another one: see below. */
    OBJECT_FOREIGN_KEY = 3, /* A part of a collection that names rows of another one. */
    OBJECT_KIND_FIRST_FREE = 16,
    OBJECT_KIND_MAX = 255,
};

/*
 * A catalog object at one moment; shared, never changed.
 *
 * The properties of the kinds that are parts of a collection begin with two ids of 8 bytes: the
 * collection it is a part of (`parent`) and the one that it refers to (`other`: where an index
 * keeps its entries, whose rows a foreign key names).
 */
struct object {
    uint64_t id;       /* Never used twice in a database. */
    uint64_t revision; /* Never used twice in a process: another revision is another content. */
    uint64_t parent;   /* Parts only. */
    uint64_t other;    /* Parts only. */
    uint8_t kind;
    const char *name;              /* Unique within the kind. */
    struct span properties;        /* Of the layers above; opaque here. */
    const struct schema *schema;   /* OBJECT_COLLECTION only. */
    struct collection *collection; /* OBJECT_COLLECTION only: what scans and commits work on. */
};

#define OBJECT_PART_HEADER_SIZE 16u /* `parent` and `other`, in front of a part's properties. */

static inline bool object_kind_is_part(uint8_t kind)
{
    return kind == OBJECT_INDEX || kind == OBJECT_FOREIGN_KEY;
}

/* ---- maintenance ---- */

/* Writes all memtables into segments, so that the log can be cut. [waits] */
TDBPLUS_CHECKED tdbplus_status store_flush(struct store *store, const struct call *call);

/* Merges every collection (or the one named by id, if not 0) into one segment. [waits] */
TDBPLUS_CHECKED tdbplus_status store_optimize(struct store *store, uint64_t collection_id,
                                              const struct call *call);

/* Syncs the log up to the newest commit. [waits] */
TDBPLUS_CHECKED tdbplus_status store_sync(struct store *store, struct err *err);

/* A consistent copy of the database as of now into a new or empty `directory`, while it goes on
 * being used. [waits] */
TDBPLUS_CHECKED tdbplus_status store_backup(struct store *store, const char *directory,
                                            const struct call *call);

/* Reads and checks every byte of every live file. [waits] Problems are told one by one to `report`
 * (may be NULL); the first one is the result. */
TDBPLUS_CHECKED tdbplus_status store_verify(struct store *store,
                                            void (*report)(void *ctx, const char *problem),
                                            void *report_ctx, const struct call *call);

struct store_statistics {
    uint64_t visible_timestamp;
    uint64_t collection_count;
    uint64_t segment_count;
    uint64_t segment_bytes;
    uint64_t value_file_count;    /* Beside the segments; */
    uint64_t value_file_bytes;    /* their bytes, and how many of */
    uint64_t value_garbage_bytes; /* their values no row has any more. */
    uint64_t memtable_count;
    uint64_t memtable_bytes;
    uint64_t memtable_rows;
    uint64_t commit_count;
    uint64_t row_write_count;
    uint64_t ingested_bytes; /* Keys and rows as committed. */
    uint64_t log_written_bytes;
    uint64_t log_sync_count;
    uint64_t log_bytes; /* Kept. */
    uint64_t flush_count;
    uint64_t flush_written_bytes;
    uint64_t merge_count;
    uint64_t merge_written_bytes;
    uint64_t load_count;
    uint64_t load_written_bytes; /* Of segments that came from loads. */
    uint64_t manifest_written_bytes;
    uint64_t cache_hit_count;
    uint64_t cache_miss_count;
    uint64_t cache_bytes;
    uint64_t snapshot_count;
    uint64_t snapshot_oldest;
    uint64_t memory_bytes;
    uint64_t memory_peak_bytes;
    uint64_t recovery_records; /* Replayed by the last open. */
    uint64_t recovery_us;
};

void store_get_statistics(struct store *store, struct store_statistics *statistics_out);
