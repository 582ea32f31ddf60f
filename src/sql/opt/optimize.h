#pragma once

/*
 * opt: better plans for the same result. Each rule is a file; optimize() applies them in order.
 *
 * Threads: everything may be called at once with different arenas.
 */

#include "sql/plan/plan.h"

/* What tries conditions on a few rows of a table, lent by whoever can run plans. */
struct opt_sampler {
    void *context;
    /* The share of rows of a filter over a scan that pass; false when it cannot be told. */
    bool (*share)(void *context, const struct plan *filter, double *share_out);
};

/* Replaces *plan by a plan that gives the same rows, except for their order where none is asked
 * for. New nodes are in the arena. TDBPLUS_E_NOMEM; errors of folded expressions are left for when
 * they are evaluated. */
TDBPLUS_CHECKED tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id,
                                        const struct opt_sampler *sampler, struct err *err);
