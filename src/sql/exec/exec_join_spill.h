#pragma once

/*
 * A join whose right side is more than may be kept: rows of both sides go into files by a hash of
 * their keys, and each part is joined on its own. Parts that are still too large are cut again.
 */

#include "sql/exec/exec_groups.h"
#include "sql/exec/exec_spill.h"

enum join_side { JOIN_SIDE_LEFT = 0, JOIN_SIDE_RIGHT = 1 };

struct join_spill {
    struct exec *exec; /* NULL: closed. */
    struct spill_file file;
    const struct key_layout *layout;
    struct pipeline sides[2]; /* Their columns. */
    struct expr **keys[2];
    uint32_t key_count;
    struct spill_parts parts[SPILL_LEVEL_MAX + 1][2];
    uint32_t next[SPILL_LEVEL_MAX + 1]; /* Part of each level to be joined next. */
    uint32_t depth;                     /* Levels there are. */
    const struct spill_rows *part[2];   /* The part at hand. */
    struct arena arena;                 /* Of one batch's keys. */
};

/* `layout`, `sides`, `keys` and `key_count` are set. */
void join_spill_open(struct join_spill *spill, struct exec *exec);
/* Zeroed is closed. */
void join_spill_close(struct join_spill *spill);

/* Puts the live rows of a side. [waits] */
TDBPLUS_CHECKED tdbplus_status join_spill_put(struct join_spill *spill, enum join_side side,
                                              const struct batch *batch);

/* Goes on to the next part that has rows; TDBPLUS_END after the last. [waits] */
TDBPLUS_CHECKED tdbplus_status join_spill_next(struct join_spill *spill);

/* A block of a side's rows of the part at hand; TDBPLUS_END past the last. [waits] */
TDBPLUS_CHECKED tdbplus_status join_spill_get(struct join_spill *spill, enum join_side side,
                                              size_t number, struct batch *batch);
