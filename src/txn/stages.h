#pragma once

/*
 * stages: what a transaction has done to a collection other than by changing single rows, in the
 * order it did it. A load (bulk.h) adds segments that only the transaction sees until it commits.
 *
 * Stages are numbered from 1 in the order of the whole transaction. A change made for a load, of a
 * row that the load replaces, carries the load's number (struct change); it hides what stages below
 * it and the committed state have of that key. All other changes are made after the stages of their
 * collection, and hide them all.
 *
 * Threads: one user.
 */

#include "base/list.h"
#include "storage/store/store_load.h"

struct txn;

struct txn_stage {
    uint64_t collection; /* Its id. */
    uint64_t statement;
    bool is_done;         /* Its load has ended well. */
    struct list segments; /* struct segment_ref *, of a load. */
    uint64_t byte_count;  /* Of keys and values in them. */
};

void stages_init(struct list *stages, const struct alloc *alloc);
void stages_deinit(struct list *stages);

/* Forgets all stages from the number after `count` on, and their files. */
void stages_rollback(struct list *stages, uint64_t count);

/* Appends an empty stage; NULL when memory is out. Its number is then stages->count. */
struct txn_stage *stages_add(struct list *stages, uint64_t collection, uint64_t statement);

static inline struct txn_stage *stages_at(const struct list *stages, uint32_t number)
{
    return list_at(stages, number - 1);
}

/* True when the transaction has loaded rows into the collection. */
bool stages_concern(const struct list *stages, uint64_t collection);

/*
 * A version of `base` (NULL: nothing) and the loads of the collection by statements before
 * `statement_end`, newest first. Segment i < *load_count_out of it is of the stage numbers_out[i],
 * an array in `arena`. Release it with version_release().
 */
struct stages_view {
    struct version *version;
    uint32_t load_count;
    uint32_t *numbers;
};

TDBPLUS_CHECKED tdbplus_status stages_view(const struct list *stages, const struct object *object,
                                           uint64_t statement_end, const struct version *base,
                                           struct arena *arena, struct stages_view *view_out,
                                           struct err *err);

/* Looks a key up in the loads of the collection: *version_out is to be released when it was found,
 * and NULL else. [waits] */
TDBPLUS_CHECKED tdbplus_status stages_find(const struct list *stages, const struct object *object,
                                           const struct segment_key *key,
                                           struct version **version_out,
                                           struct row_place *place_out, const struct alloc *alloc,
                                           struct err *err);
