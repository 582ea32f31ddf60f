#pragma once

/*
 * stages: what a transaction has done to a collection other than by changing single rows, in the
 * order it did it. A load (bulk.h) adds segments that only the transaction sees until it commits; a
 * range takes away all rows whose keys lie in it.
 *
 * Stages are numbered from 1 in the order of the whole transaction. A change made for a load, of a
 * row that the load replaces, carries the load's number (struct change); it hides what stages below
 * it and the committed state have of that key. A range hides what stages below it and the committed
 * state have in it. All other changes hide all stages: a load does not begin after them, and a
 * range turns those that it concerns into deletions first.
 *
 * Threads: one user.
 */

#include "base/buffer.h"
#include "base/list.h"
#include "storage/store/store_load.h"

struct txn;

struct txn_stage {
    uint64_t collection; /* Its id. */
    uint64_t statement;
    bool is_done; /* Its load has ended well, or it is a range. */
    bool is_range;
    bool has_upper;     /* Of a range: keys in [lower, upper), */
    struct bytes lower; /* normalised; empty: from the first. */
    struct bytes upper;
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

/* True when a range by a statement before `statement_end` hides the key in the stage of that number
 * (0: in the committed state). */
bool stages_hide(const struct list *stages, uint64_t collection, uint64_t statement_end,
                 uint32_t number, struct span key);

/* The number of the last range by a statement before `statement_end` that covers the whole
 * collection; 0: none. */
uint32_t stages_emptied(const struct list *stages, uint64_t collection, uint64_t statement_end);

/* True when there is a range by a statement before `statement_end`. */
bool stages_have_range(const struct list *stages, uint64_t collection, uint64_t statement_end);

/* What the stages of a collection say of a key. */
struct stage_answer {
    struct version *version; /* A load has the row at `place`: to be released. NULL: none has. */
    struct row_place place;
    bool is_hidden; /* Nor does the committed state, whatever is there. */
};

/* Which stages a look-up asks. */
struct stages_asked {
    uint32_t number_min; /* What is below is hidden by a change made for this stage; 0: none is. */
    uint64_t statement_end; /* Those of statements before it; UINT64_MAX: all. */
};

/* Looks a key up that no row change decides about. [waits] */
TDBPLUS_CHECKED tdbplus_status stages_ask(const struct list *stages, const struct object *object,
                                          const struct stages_asked *asked,
                                          const struct segment_key *key,
                                          struct stage_answer *answer_out, struct err *err);
