#pragma once

/* Joins: what the side that is kept (exec_join_right.c) and the one that is pushed through
 * (exec_join.c) know of each other. */

#include "sql/exec/exec_gather.h"
#include "sql/exec/exec_join_spill.h"
#include "sql/exec/exec_join_table.h"

struct join_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline left;
    struct pipeline right;
    struct expr **left_keys;
    struct expr **right_keys;
    uint32_t key_count;
    struct expr **rest; /* Conditions over both sides. */
    uint32_t rest_count;
    bool built;
    struct row_store own_store;
    struct join_table own_table;
    /* Of the leader's join, in a team. */
    const struct row_store *store;
    const struct join_table *table;
    struct join_stage *leader;
    /* RIGHT and FULL and their kin: which right rows have a match. Members of a team mark them at
     * once; who comes to the end of the left rows last gives what is to be given of the right. */
    _Atomic uint8_t *right_matched;
    _Atomic uint32_t pushing; /* Of the leader: members that have left rows to come. */
    bool pushed;              /* None of this one's. */
    bool gives_right;         /* This is the member. */
    uint32_t drain_row;
    /* Where the current left batch stands. */
    bool open;
    bool *left_matched;
    uint32_t *first; /* Of each live left row: its first candidate. */
    uint32_t left_row;
    uint32_t candidate;
    struct arena arena; /* Of the current left batch. */
    struct arena kept;  /* Of right rows, their keys and their matches. */
    /* With more right rows than may be kept: the part at hand. */
    struct join_spill *spill; /* NULL: not so many. */
    bool part_open;
    bool batch_open;
    size_t left_block;
    struct batch part_batch;
};

static inline bool join_keeps_left(const struct join_stage *stage)
{
    return stage->plan->join_kind == JOIN_LEFT || stage->plan->join_kind == JOIN_FULL;
}

static inline bool join_only_right(const struct join_stage *stage)
{
    return stage->plan->join_kind == JOIN_RIGHT_SEMI || stage->plan->join_kind == JOIN_RIGHT_ANTI;
}

static inline bool join_keeps_right(const struct join_stage *stage)
{
    return stage->plan->join_kind == JOIN_RIGHT || stage->plan->join_kind == JOIN_FULL ||
           join_only_right(stage);
}

static inline bool join_only_left(const struct join_stage *stage)
{
    return stage->plan->join_kind == JOIN_SEMI || stage->plan->join_kind == JOIN_ANTI;
}

/* Collects the right rows and makes their table; with too many they go to files: stage.spills. */
TDBPLUS_CHECKED tdbplus_status join_right_build(struct join_stage *stage, struct exec *exec);

/* The right rows of the next part in files; TDBPLUS_END after the last. */
TDBPLUS_CHECKED tdbplus_status join_right_next_part(struct join_stage *stage, struct exec *exec);

static inline bool join_is_matched(const struct join_stage *stage, uint32_t row)
{
    return atomic_load_explicit(&stage->right_matched[row], memory_order_relaxed) != 0;
}

static inline void join_match(const struct join_stage *stage, uint32_t row)
{
    atomic_store_explicit(&stage->right_matched[row], 1, memory_order_relaxed);
}
