#pragma once

/*
 * All rows of a pipeline in memory, collected by a team, in the order in which one thread would
 * have met them: each member keeps the rows of the morsels that it takes, and when all have come
 * they are put in the morsels' order.
 */

#include "sql/exec/exec_team.h"

struct gather_part;

struct gather {
    struct team team;
    struct gather_part *parts; /* Of the leader and each worker; NULL: there is no team. */
    struct pipeline *own;
    size_t bytes_max; /* That a part may keep; 0: any. */
    _Atomic bool full;
    uint32_t next; /* Of those whose pipelines have not ended. */
    /* Arranging. */
    struct row_store *store;
    struct gather_piece *pieces;
    uint32_t piece_count;
};

/* Begins the pipeline `own`, compiled from `plan`, and forms a team if that is worth it: `parts`.
 * Release with gather_close(), which a zeroed gather may be given to. */
TDBPLUS_CHECKED tdbplus_status gather_open(struct gather *gather, struct exec *exec,
                                           const struct plan *plan, struct pipeline *own);
void gather_close(struct gather *gather);

/* Collects until all rows have come, or a part is full: *full_out. */
TDBPLUS_CHECKED tdbplus_status gather_collect(struct gather *gather, bool *full_out);

/* Puts all rows in order into an empty store; its `bytes` takes over what they point to. */
TDBPLUS_CHECKED tdbplus_status gather_arrange(struct gather *gather, struct row_store *store);

/* When a part was full: what was kept of part `number`, or NULL past the last, and then the rows
 * that nobody has asked for, a batch a call. */
const struct row_store *gather_kept(const struct gather *gather, uint32_t number);
TDBPLUS_CHECKED tdbplus_status gather_rest(struct gather *gather, struct batch *batch);
