#pragma once

/*
 * Reading a collection at a snapshot: what transactions and scans are made of.
 */

#include <stdatomic.h>

#include "base/epoch.h"
#include "storage/memtable/memtable.h"
#include "storage/segment/segment.h"
#include "storage/store/store.h"

struct collection;
struct version;
struct segment_ref;

/*
 * A snapshot that keeps the versions it sees alive. Embedded; must not move while acquired.
 *
 * When it grows older than the store's limit it is given up: `expired` is set, and from then on
 * what is read by it may lack rows. Whoever reads checks store_snapshot_check() after reading.
 */
struct store_snapshot {
    uint64_t timestamp;
    uint64_t acquired_us; /* Monotonic clock. */
    _Atomic bool expired;
    struct store_snapshot *next;
    struct store_snapshot *previous;
};

void store_snapshot_acquire(struct store *store, struct store_snapshot *snapshot);
struct catalog;
/* The same, with the catalog of that very moment; release both. */
struct catalog *store_snapshot_acquire_catalog(struct store *store,
                                               struct store_snapshot *snapshot);
/* Microseconds since 1970 at a timestamp: what rows expire by. */
static inline uint64_t timestamp_us(uint64_t timestamp)
{
    return timestamp >> 12;
}

/* Lets time pass where no commit does: if all commits are visible, and the wall clock is ahead of
 * the newest, readers see its time from now on. For collections whose rows expire. */
void store_tick(struct store *store);

/* The same snapshot once more, for work that may outlive the first; `from` is acquired. */
void store_snapshot_share(struct store *store, const struct store_snapshot *from,
                          struct store_snapshot *snapshot);
void store_snapshot_release(struct store *store, struct store_snapshot *snapshot);

/* TDBPLUS_E_SNAPSHOT (72000) when the snapshot was given up. */
TDBPLUS_CHECKED tdbplus_status store_snapshot_check(const struct store_snapshot *snapshot,
                                                    struct err *err);

/* Gives up the snapshots older than the limit, so that what only they see can go. Called now and
 * then in the background. */
void store_expire_snapshots(struct store *store);

/* Newest commit that readers may see. */
uint64_t store_visible_timestamp(const struct store *store);

/* No snapshot below it exists or will be made: what ended at or before it is invisible to all. */
uint64_t store_horizon(struct store *store);

/* The collection's parts, held until released. */
struct version *version_acquire(struct collection *collection);
void version_release(struct version *version);

uint32_t version_table_count(const struct version *version);
const struct memtable *version_table(const struct version *version, uint32_t number);
uint32_t version_segment_count(const struct version *version);
struct segment *version_segment(const struct version *version, uint32_t number);
const struct delete_map *version_deletes(const struct version *version, uint32_t number);
/* No snapshot before it sees any row of the segment. */
uint64_t version_segment_born(const struct version *version, uint32_t number);

/* Says that version_find() or version_newest() of that key come soon: a hint. */
void version_find_prefetch(const struct version *version, const struct segment_key *key);

/* The row of `key` that the snapshot sees. */
struct row_place {
    bool found;
    bool in_table;   /* Else in a segment. */
    uint32_t source; /* Number of the table or segment in the version. */
    uint64_t row;
};

TDBPLUS_CHECKED tdbplus_status version_find(struct version *version, const struct segment_key *key,
                                            uint64_t snapshot, struct row_place *place_out,
                                            struct err *err);

/* The same for up to VERSION_FIND_MAX keys in any order, with their memory accesses overlapped. */
#define VERSION_FIND_MAX 64u

TDBPLUS_CHECKED tdbplus_status version_find_batch(struct version *version,
                                                  const struct segment_key *keys, uint32_t count,
                                                  uint64_t snapshot, struct row_place *places_out,
                                                  struct err *err);

/* Asks the memory for those rows' values, for version_row() one after another. Never waits. */
void version_prefetch(struct version *version, const struct row_place *places, uint32_t count,
                      const struct schema *schema);

/* Begin timestamp of the key's newest version and whether it is still open; 0 and false when the
 * key was never there (or so long ago that nobody can tell). */
TDBPLUS_CHECKED tdbplus_status version_newest(struct version *version,
                                              const struct segment_key *key, uint64_t *changed_out,
                                              bool *open_out, struct err *err);

/* The columns at `positions` of `schema` of the row at `place`; bytes are copied into the batch's
 * arena or pinned by it. */
TDBPLUS_CHECKED tdbplus_status version_row(struct version *version, const struct row_place *place,
                                           const struct schema *schema, const uint32_t *positions,
                                           uint32_t position_count, struct batch *batch,
                                           struct datum *values_out, struct err *err);

/*
 * A look at the store that counts no references: what is found stays until store_glance_end(), and
 * the caller neither waits nor calls what may wait before that. Answers only what is in memory.
 */
struct store_glance {
    struct epoch *epoch;
    struct epoch_ticket ticket;
    const struct catalog *catalog; /* Borrowed, like all that follows from it. */
    uint64_t timestamp;            /* Newest commit that readers may see. */
};

void store_glance_begin(struct store *store, struct store_glance *glance_out);
void store_glance_end(struct store_glance *glance);

/* The collection's parts; to be taken after the timestamp they are read at. */
const struct version *store_glance_version(const struct collection *collection);

/* version_find() where that needs no waiting; false: it does, and *place_out is untouched. */
bool store_glance_find(const struct version *version, const struct segment_key *key,
                       uint64_t snapshot, struct row_place *place_out);

/* All columns of `schema` of a row, their bytes borrowed; false: version_row() must be asked. */
bool store_glance_row(const struct version *version, const struct row_place *place,
                      const struct schema *schema, struct datum *values_out);

/*
 * The first rows from a key on, in order of their keys, inside a glance. What is found of them is
 * borrowed until the glance ends; the memory of the search is the caller's and may be used again.
 */
#define GLANCE_ROWS_MAX    128u
#define GLANCE_COLUMNS_MAX 16u
#define GLANCE_SOURCES_MAX 12u /* Memtables and segments; of more the long way is better. */

struct glance_range;
struct glance_range *glance_range_create(const struct alloc *alloc); /* NULL: memory is out. */
void glance_range_destroy(struct glance_range *range);               /* NULL is fine. */

/* The schema's key is one column, an integer, text or bytea. */
struct glance_request {
    const struct schema *schema;
    const uint32_t *positions; /* Wanted columns; must stay until the last row was read. */
    uint32_t position_count;
    const struct segment_key *from; /* NULL: from the first row on. */
    uint64_t snapshot;
    uint32_t limit;
};

/* False: not all that decides is in memory, or it takes too long; a scan must be asked. */
bool store_glance_range(const struct version *version, const struct glance_request *request,
                        struct glance_range *range);

/*
 * What it found, column by column, in arrays of a place for each row; `number` is the column's
 * among the wanted ones. False: a scan must be asked.
 */
uint32_t glance_range_count(const struct glance_range *range);
void glance_range_integers(const struct glance_range *range, int64_t *keys_out); /* Integer keys. */
/* Of text and bytea; those of nulls have no data. */
bool glance_range_spans(struct glance_range *range, uint32_t number, struct span *spans_out);
/* Of any column but the key. */
bool glance_range_values(struct glance_range *range, uint32_t number, struct datum *values_out);

/* The newest schema of a collection and the one with that version (NULL: unknown). */
const struct schema *collection_schema(const struct collection *collection, uint32_t version);
uint64_t collection_id(const struct collection *collection);

/* The timestamp of the commit that made the collection, 0 if before the open: older snapshots do
 * not see its rows. */
uint64_t collection_created(const struct collection *collection);

/* The timestamp of the last commit that changed its rows, 0 if before the open. For who has barred
 * the collection's gate (store_load.h): else it may be older than it seems. */
uint64_t collection_changed(const struct collection *collection);

/* True once it was dropped: a version acquired since then may lack rows. */
bool collection_dropped(const struct collection *collection);

/* A reference for those who may outlive the catalog they found the collection in. [waits] */
void collection_retain(struct collection *collection);
void collection_release(struct collection *collection);

/* ---- the catalog ---- */

struct catalog;
struct object_ref;

struct catalog *catalog_acquire(struct store *store);
/* One more reference to a catalog that the caller has acquired; returns it. */
struct catalog *catalog_retain(struct catalog *catalog);
void catalog_release(struct catalog *catalog);
uint32_t catalog_count(const struct catalog *catalog);
const struct object *catalog_at(const struct catalog *catalog, uint32_t number);
/* Position of the first object not before (kind, name). */
uint32_t catalog_lower_bound(const struct catalog *catalog, uint8_t kind, const char *name);
const struct object *catalog_find(const struct catalog *catalog, uint8_t kind, const char *name);
const struct object *catalog_by_id(const struct catalog *catalog, uint64_t id);
/* True when the newest catalog has parts of that collection. */
bool store_has_parts(struct store *store, uint64_t collection);
/* Two catalogs of one version are the same one. */
uint64_t catalog_version(const struct catalog *catalog);
/* Part number `number` of those that name the collection as parent or as other (foreign keys only),
 * in the order they were made; NULL when there are no more. */
const struct object *catalog_part_at(const struct catalog *catalog, uint64_t collection,
                                     uint32_t number);
