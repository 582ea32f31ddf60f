#pragma once

/*
 * What the files of scans share. A scan reads up to three kinds of sources: the transaction's own
 * rows, the memtables and the segments of one version. Every row is in exactly one of them at a
 * given snapshot, so the unordered scan is their concatenation and the ordered one a merge without
 * ties.
 */

#include "storage/memtable/delete_map.h"
#include "txn/txn_internal.h"

/* Keys in [lower, upper); an absent bound is open. */
struct key_range {
    bool empty;
    bool has_lower;
    bool has_upper;
    struct segment_key lower;
    struct segment_key upper;
};

enum source_kind {
    SOURCE_OWN = 0,
    SOURCE_TABLE = 1,
    SOURCE_SEGMENT = 2,
};

struct scan_source {
    uint8_t kind;    /* enum source_kind. */
    uint32_t number; /* Of the memtable or segment in the version. */
    uint32_t stage;  /* 0, or the number of the transaction's stage that the rows are of. */
    uint64_t first_row;
    uint64_t end_row;
};

struct scan_piece {
    uint32_t source;
    uint64_t first_row;
    uint64_t end_row;
};

struct scan {
    struct txn *txn;       /* NULL: it needs none. Not to be looked at when `link.over`. */
    struct scan_link link; /* In the transaction's list, if there is one, until it ends. */
    struct store *store;
    const struct alloc *alloc;
    struct arena arena; /* Everything the scan keeps for its whole life. */
    const struct object *object;
    const struct schema *schema;
    struct version *version; /* Referenced; with the transaction's loads, newest first. */
    uint32_t load_count;     /* That many segments are those; */
    uint32_t *load_stages;   /* of the stages of these numbers. */
    struct catalog *catalog; /* Referenced: `object` is in it, or made by the transaction. */
    uint64_t snapshot;       /* Timestamp of `link.hold`. */
    uint64_t statement;
    struct scan_options options; /* With arrays of our own. */
    /* Columns read from sources: the wanted ones, then those that filters and own changes need. */
    uint32_t *fetch;
    uint32_t fetch_count;
    /* Those of them that scan_gather() reads: all, or all but an integer key, which an ordered scan
     * knows already. */
    const uint32_t *gather;
    uint32_t gather_count;
    uint32_t *key_fetch; /* Where the key columns are in `fetch`; when `needs_keys`. */
    /* Places in `fetch`: what conditions and `keep` read, and the rest, which only survivors need.
     */
    uint32_t *early;
    uint32_t early_count;
    uint32_t *late;
    uint32_t late_count;
    uint32_t *keep_fetch;      /* Where each column of options.early is in `fetch`. */
    uint32_t *condition_fetch; /* Where each condition's column is in `fetch`; with filter_rows. */
    bool needs_keys;
    bool shadow;  /* The transaction has changed rows of this collection, */
    bool ranged;  /* or deleted ranges of them. */
    bool expires; /* Rows whose column at `ttl_fetch` is at most `ttl_limit` are over. */
    uint32_t ttl_fetch;
    int64_t ttl_limit;
    uint64_t collection; /* Whose changes; the table of them may move while the scan is open. */
    struct key_range range;
    uint32_t *own; /* Numbers of own rows in the range, in key order. */
    uint32_t own_count;
    struct scan_source *sources;
    uint32_t source_count;
    struct scan_piece *pieces; /* What morsels are numbered by. */
    uint32_t piece_count;
    uint32_t piece_next;
    struct scan_morsel morsel; /* scan_next()'s own. */
    bool morsel_active;
    struct ordered *ordered; /* Ordered scans only. */
};

/* Turns the options' bounds into a range of normalised keys in the scan's arena. */
TDBPLUS_CHECKED tdbplus_status scan_make_range(struct scan *scan, struct err *err);

/* True when that column of `fetch` is a part of documents. */
bool scan_is_path(const struct scan *scan, uint32_t number);

/* Replaces documents in the batch by the parts of them that are wanted: the columns hold documents,
 * or the batch is rows from `first_row` on of a segment. [waits] */
TDBPLUS_CHECKED tdbplus_status scan_read_paths(struct scan *scan, struct batch *batch,
                                               struct err *err);
TDBPLUS_CHECKED tdbplus_status scan_read_segment_paths(struct scan *scan, struct segment *segment,
                                                       uint64_t first_row, struct batch *batch,
                                                       struct err *err);

/* key >= lower and key < upper. */
bool key_in_range(const struct key_range *range, struct span key);

/* Reads up to 2,048 rows of a source from *next_row on into the batch: `fetch` columns, visible
 * rows selected. Advances *next_row. The batch may come out with no live row. [waits] */
TDBPLUS_CHECKED tdbplus_status scan_read_source(struct scan *scan, const struct scan_source *source,
                                                struct scan_morsel *morsel, struct batch *batch,
                                                const struct call *call);

/* scan_filter.c: drops selected rows whose time is over; reads the column at `ttl_fetch`. */
TDBPLUS_CHECKED tdbplus_status scan_drop_expired(const struct scan *scan, struct batch *batch,
                                                 struct err *err);

/* scan_match.c: drops selected rows that fail a condition; reads the columns at condition_fetch. */
TDBPLUS_CHECKED tdbplus_status scan_match(const struct scan *scan, struct batch *batch,
                                          struct err *err);

/* Drops selected rows that the transaction has replaced or deleted, or that are outside the range.
 */
TDBPLUS_CHECKED tdbplus_status scan_filter(struct scan *scan, const struct scan_source *source,
                                           struct batch *batch, struct err *err);

/* The transaction's changes of the collection, while `shadow`. */
static inline const struct change_table *scan_changes(const struct scan *scan)
{
    return changes_find_table(&scan->txn->changes, scan->collection);
}

/* TDBPLUS_E_STATE when the transaction ended or rolled back what the scan reads. */
TDBPLUS_CHECKED tdbplus_status scan_check(const struct scan *scan, const struct call *call);

/* True when the transaction replaced or deleted the source's row with this key before this
 * statement. */
bool scan_shadowed(const struct scan *scan, const struct scan_source *source,
                   const struct segment_key *key);

/* Rows of one source. */
struct gather_rows {
    const uint64_t *rows; /* Ascending where the source is a segment. */
    uint32_t count;
};

/* Columns at `gather` of listed rows of a source, flat or constant. */
TDBPLUS_CHECKED tdbplus_status scan_gather(struct scan *scan, const struct scan_source *source,
                                           const struct gather_rows *rows, struct batch *batch,
                                           struct column *columns_out, struct err *err);

/* ---- scan_ordered.c ---- */

TDBPLUS_CHECKED tdbplus_status ordered_open(struct scan *scan, struct err *err);
TDBPLUS_CHECKED tdbplus_status ordered_next(struct scan *scan, struct batch *batch,
                                            const struct call *call);
void ordered_close(struct scan *scan);
