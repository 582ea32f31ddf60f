#pragma once

#include "locks/lock_table.h"
#include "txn/changes.h"
#include "txn/parts.h"
#include "txn/stages.h"

/* True when a value of the type may be written to a column: the same type, or a shorter text. */
static inline bool txn_type_fits(struct type have, struct type column)
{
    bool shorter =
        have.id == TYPE_TEXT && column.id == TYPE_TEXT &&
        (column.parameter == 0 || (have.parameter > 0 && have.parameter <= column.parameter));
    return shorter || type_equal(have, column);
}

/* What the transaction has done to one object. */
struct object_change {
    uint64_t id;
    const struct object *before; /* In the transaction's catalog; NULL: made here. */
    struct object_ref *after;    /* NULL: dropped here. */
    uint64_t number;             /* Position in the order of catalog changes. */
    uint64_t unchanged_since;    /* As in struct catalog_change. */
};

/* The parts of one collection. */
struct parts {
    struct parts *next;
    uint64_t collection;
    uint64_t revision;        /* Of the collection's object, */
    uint64_t catalog_version; /* of the transaction's catalog, */
    uint64_t object_count;    /* and its own catalog changes, when this was read. */
    struct txn_index *indexes;
    uint32_t index_count;
    const struct object **keys; /* Foreign keys of the collection, and to it. */
    uint32_t key_count;
    struct arena arena;   /* Owns the definitions. */
    struct arena scratch; /* Of one write. */
    struct batch old_row;
};

/* SET CONSTRAINTS. */
struct pending_mode {
    uint64_t constraint; /* 0: all. */
    bool deferred;
};

/* What constraints have still to say: pending.c. */
struct pending_list {
    struct list items;
    struct list modes; /* struct pending_mode; the last that fits counts. */
    struct arena arena;
};

/* An open scan as its transaction knows it; embedded in the scan. */
struct scan_link {
    struct scan_link *next;
    struct scan_link *previous;
    /* Of its own, for the transaction's next statement takes another while the scan may go on. */
    struct store_snapshot hold;
    uint64_t change_count; /* Own changes that it may read: those before this number; */
    uint64_t object_count; /* the same of objects, */
    uint64_t stage_count;  /* and of stages. */
    bool over;             /* They are gone, or the whole transaction is; */
    bool alone;            /* then it is in no list any more. */
};

struct txn {
    struct store *store;
    struct txn_options options;
    const struct alloc *alloc;
    struct store_snapshot snapshot;
    struct catalog *catalog; /* Referenced; of the snapshot's time. */
    struct lock_owner locks;
    struct changes changes;
    struct list stages; /* struct txn_stage. */
    struct list gates;  /* struct txn_gate. */
    struct list
        marks; /* struct txn_savepoint: those that may be rolled back to, as they are now. */
    uint64_t mark_last;
    size_t spill_at; /* Changes that have spilled do so again at this size. */
    bool spill_off;
    struct list objects; /* struct object_change, in order; the last of an id counts. */
    struct list sorted;  /* const struct object *: scratch of txn_object_next(). */
    struct buffer key;   /* Scratch for normalised keys. */
    struct buffer row;   /* Scratch for encoded rows. */
    uint64_t statement;
    uint32_t open_loads;     /* They hold on to objects of `catalog`. */
    struct scan_link *scans; /* Open ones. */
    struct parts *parts;
    struct pending_list pending;
    uint64_t conflict_index; /* See txn_conflict_index(). */
};

/* Makes the normalised key of the values at the schema's key columns. Valid until the next call. */
TDBPLUS_CHECKED tdbplus_status txn_key(struct txn *txn, const struct object *collection,
                                       const struct datum *key_values, struct segment_key *key_out,
                                       struct err *err);

/* The same into a buffer of the caller: the key is valid until that changes. */
TDBPLUS_CHECKED tdbplus_status txn_make_key(const struct object *collection,
                                            const struct datum *key_values, struct buffer *scratch,
                                            struct segment_key *key_out, struct err *err);

/* Appends the normalised key to others. */
TDBPLUS_CHECKED tdbplus_status txn_append_key(const struct object *collection,
                                              const struct datum *key_values, struct buffer *buffer,
                                              struct err *err);

/* The values of a row's key columns. */
void txn_gather_key(const struct schema *schema, const struct datum *values,
                    struct datum key_values[SCHEMA_KEY_COUNT_MAX]);

/* ---- pending.c ---- */

void pending_init(struct pending_list *list, const struct alloc *alloc);
void pending_deinit(struct pending_list *list);
void pending_rollback(struct pending_list *list, uint64_t count);

/* A row of `collection` changed from old to new (NULL: there is none): notes what a foreign key of
 * it, or to it, has to look at. */
TDBPLUS_CHECKED tdbplus_status pending_note(struct txn *txn, const struct object *collection,
                                            const struct object *constraint,
                                            const struct datum *old_row,
                                            const struct datum *new_row, struct err *err);

/* An entry came into a unique index that is looked at later. */
TDBPLUS_CHECKED tdbplus_status pending_note_unique(struct txn *txn, const struct txn_index *index,
                                                   const struct datum *values, struct err *err);

/* Looks at everything, deferred or not: the transaction is about to commit. [waits] */
TDBPLUS_CHECKED tdbplus_status pending_finish(struct txn *txn, const struct call *call);

/* parts.c: the values stand at most once in the index, in the newest state; and every row of a
 * table to pending_note() as if it were new. [waits] */
TDBPLUS_CHECKED tdbplus_status txn_check_once(struct txn *txn, const struct object *collection,
                                              const struct txn_index *index,
                                              const struct datum *values, const struct call *call);
TDBPLUS_CHECKED tdbplus_status txn_walk_rows(struct txn *txn, const struct object *collection,
                                             const struct object *constraint,
                                             const struct call *call);

/* The commit fails if others change rows of a collection after the statement's snapshot. It is one
 * whose object this transaction has changed. */
void txn_forbid_changes(struct txn *txn, uint64_t collection);

/* TDBPLUS_E_READ_ONLY when the transaction or its database is. */
TDBPLUS_CHECKED tdbplus_status txn_check_writable(const struct txn *txn, struct err *err);

/* ---- spill.c ---- */

/* Moves row changes past the budget out of memory. Between rows only, for it moves changes. [waits]
 */
TDBPLUS_CHECKED tdbplus_status txn_spill_if_large(struct txn *txn, const struct call *call);
size_t txn_changes_size(const struct txn *txn);
/* The savepoint as it is now; later ones are forgotten. */
struct txn_savepoint txn_savepoint_now(struct txn *txn, struct txn_savepoint savepoint);

/* ---- write.c and parts.c ---- */

/* What stages have of a key that no change of a row decides about. [waits] */
TDBPLUS_CHECKED tdbplus_status txn_ask_stages(struct txn *txn, const struct object *collection,
                                              const struct segment_key *key,
                                              struct stage_answer *answer_out, struct err *err);

/* A write of one row, all about it but the collection's parts is decided. */
struct row_write {
    const struct object *collection;
    struct segment_key key;
    const struct datum *values; /* All columns; NULL: a delete. */
    bool existed;
    const struct segment_key *new_key; /* The row moves there; NULL: it does not. */
};

/* The collection's parts, or NULL when it has none. */
TDBPLUS_CHECKED tdbplus_status txn_parts(struct txn *txn, const struct object *collection,
                                         struct parts **parts_out, struct err *err);
void txn_parts_reset(struct txn *txn);

/* Adds the row's change and those of its index entries, or none of them. The row's lock is held.
 * [waits] */
TDBPLUS_CHECKED tdbplus_status txn_write_with_parts(struct txn *txn, struct parts *parts,
                                                    const struct row_write *write,
                                                    const struct call *call);

/* Values of other types than the columns', and nulls where there must be none, are errors. */
TDBPLUS_CHECKED tdbplus_status txn_check_key(const struct object *collection,
                                             const struct datum *key_values, struct err *err);
TDBPLUS_CHECKED tdbplus_status txn_check_values(const struct object *collection,
                                                const struct datum *values, struct err *err);

/* What the key's newest state means for this transaction: is there a row? */
TDBPLUS_CHECKED tdbplus_status txn_look_up(struct txn *txn, const struct object *collection,
                                           const struct segment_key *key, bool check_snapshot,
                                           bool *exists_out, struct err *err);

/* The newest row of that key, all columns; it exists and is locked. */
TDBPLUS_CHECKED tdbplus_status txn_newest_row(struct txn *txn, const struct object *collection,
                                              const struct segment_key *key, struct batch *batch,
                                              struct datum *values_out, struct err *err);

/* Adds one change; bytes are copied. */
TDBPLUS_CHECKED tdbplus_status txn_add_change(struct txn *txn, const struct object *collection,
                                              uint8_t kind, const struct segment_key *key,
                                              struct span row, struct err *err);

/* "Key (a, b)=(1, x)": names and values, for details of messages. */
void txn_describe_key(const char *const *names, const struct datum *values, uint32_t count,
                      char *text, size_t size, const struct alloc *alloc);

/* ---- gate.c: being one of many writers of a collection, or the only one ---- */

enum txn_gate_kind {
    GATE_ENTERED = 0, /* By collection_enter(). */
    GATE_LOCKED = 1,  /* By the table's lock, because it was barred then. */
    GATE_BARRED = 2,  /* For all others. */
};

struct txn_gate {
    struct collection *collection; /* Referenced. */
    uint8_t kind;                  /* enum txn_gate_kind. */
    uint64_t lock_mark;            /* Locks when it began. */
};

/* Before the transaction changes or locks rows of the collection. [waits] while somebody loads. */
TDBPLUS_CHECKED tdbplus_status txn_enter(struct txn *txn, const struct object *object, bool no_wait,
                                         const struct call *call);

/* Keeps all others from changing rows until the transaction has ended. [waits] until those have
 * ended that do. */
TDBPLUS_CHECKED tdbplus_status txn_bar(struct txn *txn, const struct object *object,
                                       const struct call *call);

/* Gives up what locks above the mark stood for (0: everything). Before those are released. */
void txn_gates_rollback(struct txn *txn, uint64_t lock_mark);

/* ---- write.c ---- */

/* A name of the store's without the schema before it (catalog.h). */
const char *txn_own_name(const char *name);

TDBPLUS_CHECKED tdbplus_status txn_null_error(const struct object *collection,
                                              const struct schema_column *column, struct err *err);
TDBPLUS_CHECKED tdbplus_status txn_size_error(const struct schema_column *column, size_t size,
                                              struct err *err);
/* TDBPLUS_E_UNIQUE that names the key among a row's values. */
TDBPLUS_CHECKED tdbplus_status txn_duplicate_key(const struct object *collection,
                                                 const struct datum *values,
                                                 const struct alloc *alloc, struct err *err);
/* Remembers that a load, by its number, replaces the row with that key. */
TDBPLUS_CHECKED tdbplus_status txn_add_replaced(struct txn *txn, const struct object *collection,
                                                uint32_t load, const struct segment_key *key,
                                                struct err *err);

/* Locks one row of the collection for this transaction. [waits] */
TDBPLUS_CHECKED tdbplus_status txn_lock_key(struct txn *txn, const struct object *collection,
                                            const struct segment_key *key, uint8_t mode,
                                            bool no_wait, const struct call *call);
