#pragma once

/*
 * changes: what a transaction has written and not yet committed.
 *
 * A list of row changes in the order they were made, so that a savepoint is a length; and per
 * collection a hash map from key to the newest change of it. Bytes lie in one arena.
 *
 * Threads: one user.
 */

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "storage/store/store_commit.h"
#include "storage/store/store_read.h"

#define CHANGE_NONE UINT32_MAX

struct change {
    uint8_t kind;      /* enum commit_op_kind. */
    bool superseded;   /* A later change has the same key. */
    uint32_t table;    /* Number of the changed collection. */
    uint32_t previous; /* Older change whose key has the same hash, or CHANGE_NONE. */
    uint32_t load;     /* 0, or the number of the load (stages.h) that replaces the row. */
    uint64_t statement;
    struct segment_key key;
    struct span row; /* Encoded by the table's schema; empty for a delete. */
};

/* The changes of one collection. */
struct change_table {
    uint64_t id;                 /* Of the collection. */
    const struct object *object; /* Valid while there are changes. */
    struct map newest; /* Hash of the key -> number of the newest change with that hash. */
};

struct changes {
    const struct alloc *alloc;
    struct arena arena;
    struct list items;  /* struct change. */
    struct list tables; /* struct change_table. */
};

void changes_init(struct changes *changes, const struct alloc *alloc);
void changes_deinit(struct changes *changes);

/* The table of that collection, or NULL. */
struct change_table *changes_find_table(const struct changes *changes, uint64_t collection_id);

/* Makes it if missing. */
TDBPLUS_CHECKED tdbplus_status changes_table(struct changes *changes, const struct object *object,
                                             struct change_table **table_out, struct err *err);

/* The newest change of the key by a statement before `statement_end`, or CHANGE_NONE. */
uint32_t changes_find(const struct changes *changes, const struct change_table *table,
                      const struct segment_key *key, uint64_t statement_end);

static inline struct change *changes_at(const struct changes *changes, uint32_t number)
{
    return list_at(&changes->items, number);
}

/* Appends a change; key and row bytes must lie in the changes' arena already. */
TDBPLUS_CHECKED tdbplus_status changes_add(struct changes *changes, struct change_table *table,
                                           const struct change *change, struct err *err);

/* True when rows of the table were changed one by one. */
bool changes_of_rows(const struct changes *changes, const struct change_table *table);

/* Forgets all changes from number `count` on. */
void changes_rollback(struct changes *changes, uint64_t count);
