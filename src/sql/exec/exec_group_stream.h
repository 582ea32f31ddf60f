#pragma once

/*
 * GROUP BY over rows that come in order of one of the keys: as soon as that key's value changes,
 * the groups so far are complete, go out and are forgotten. What is in memory is a few thousand
 * groups instead of all of them, in the caches of the core, and nothing waits for the last row.
 */

#include "sql/exec/exec_aggregation.h"

struct group_stream {
    const struct plan *plan;
    struct pipeline *input;
    uint32_t slot; /* The column of the input that it is in order of. */
    struct aggregation parts[2];
    uint32_t filling; /* Which part the next rows go into. */
    bool open;
    bool emitting;      /* The other part's groups go out, */
    uint32_t out_group; /* from here on. */
    bool ended;
    struct batch batch;
    struct arena arena; /* Of what is computed for one batch. */
};

/*
 * True when the plan's groups can be made so from this input, as far as the plan tells; *slot_out
 * is the column then. Whether the rows are in order is asked when they are about to be read, with
 * group_stream_in_order().
 */
bool group_stream_possible(const struct aggregation *aggregation, const struct pipeline *input,
                           uint32_t *slot_out);
bool group_stream_in_order(const struct exec *exec, const struct pipeline *input);

TDBPLUS_CHECKED tdbplus_status group_stream_open(struct group_stream *stream, struct exec *exec,
                                                 const struct plan *plan, struct pipeline *input,
                                                 uint32_t slot);
void group_stream_close(struct group_stream *stream);

/* The next groups; TDBPLUS_END when there are none. */
TDBPLUS_CHECKED tdbplus_status group_stream_next(struct group_stream *stream, struct exec *exec,
                                                 struct batch *out);
