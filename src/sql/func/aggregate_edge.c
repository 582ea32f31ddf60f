/* first(value, time) and last(value, time): the value at the smallest and at the largest time. */

#include <string.h>

#include "sql/func/aggregate_internal.h"

struct edge {
    struct collected kept; /* The value and its time, anew whenever a better one comes. */
};

static tdbplus_status edge_update(const struct aggregate_update *update, int sign)
{
    for (uint32_t i = 0; i < update->count; i++) {
        uint32_t row = aggregate_row(update, i);
        struct edge *state = (void *)update->states[i];
        struct datum value;
        struct datum time;
        column_get(&update->arguments[0], row, &value);
        column_get(&update->arguments[1], row, &time);
        bool better = !time.is_null && (state->kept.count == 0 ||
                                        sign * datum_compare(&time, &state->kept.items[1]) > 0);
        if (!better) {
            continue;
        }
        state->kept.count = 0;
        if (!aggregate_collect(&state->kept, value, update->arena) ||
            !aggregate_collect(&state->kept, time, update->arena)) {
            return aggregate_no_memory(update->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status first_update(const struct aggregate_update *update)
{
    return edge_update(update, -1);
}

static tdbplus_status last_update(const struct aggregate_update *update)
{
    return edge_update(update, 1);
}

static tdbplus_status edge_finish(const uint8_t *state, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    struct edge edge;
    (void)arena;
    (void)err;
    memcpy(&edge, state, sizeof edge);
    *result_out = (struct datum){.is_null = true};
    if (edge.kept.count > 0) {
        *result_out = edge.kept.items[0];
    }
    return TDBPLUS_OK;
}

const struct aggregate aggregates_edge[] = {
    AGGREGATE("first", 2, FUNC_SAME, FUNC_ANY, FUNC_SAME, struct edge, first_update, edge_finish,
              NULL, "The value at the smallest time."),
    AGGREGATE("last", 2, FUNC_SAME, FUNC_ANY, FUNC_SAME, struct edge, last_update, edge_finish,
              NULL, "The value at the largest time."),
    AGGREGATE_END,
};
