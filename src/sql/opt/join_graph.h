#pragma once

/* Inner joins taken apart: inputs and the conditions between them. Of join_order.c and of the rules
 * that add to the conditions before an order is chosen. */

#include "sql/opt/opt_internal.h"

#define INPUT_COUNT_MAX 60u /* Bits of a set. */

struct join_condition {
    struct expr *expr;
    uint64_t inputs; /* That it reads. */
    double share;
    uint32_t group; /* Equalities of columns that all equal each other; 0: none of those. */
};

struct join_graph {
    struct plan *inputs[INPUT_COUNT_MAX];
    double rows[INPUT_COUNT_MAX];
    double base_rows[INPUT_COUNT_MAX]; /* Before conditions of its own. */
    uint32_t input_count;
    struct join_condition *conditions;
    uint32_t condition_count;
    uint32_t condition_capacity;
    uint32_t *by_share; /* Numbers of conditions, largest shares first. */
    uint32_t group_count;
    bool too_many;
};

TDBPLUS_CHECKED tdbplus_status join_graph_add(struct optimizer *optimizer, struct join_graph *graph,
                                              struct expr *expr);

/* The input with that column, as a bit; 0: none has it. */
uint64_t join_graph_input_of(const struct join_graph *graph, uint32_t id);

/* equal_columns.c: finds groups of columns that all equal each other, a = b and b = c, and adds the
 * equalities of them that nobody wrote, a = c. Of a group an order of joins asks as many as connect
 * its inputs: the others follow from them. */
TDBPLUS_CHECKED tdbplus_status opt_equal_columns(struct optimizer *optimizer,
                                                 struct join_graph *graph);
