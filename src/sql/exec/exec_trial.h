#pragma once

/* Trying conditions on a few rows of a table, for the optimiser. */

#include "sql/exec/exec_internal.h"
#include "sql/opt/optimize.h"

struct trial_context {
    struct txn *txn;
    const struct call *call;
};

/* As opt_sampler's function, whose context is a struct trial_context. */
bool trial_share(void *context, const struct plan *filter, double *share_out);
bool trial_distinct(void *context, const struct object *table, uint32_t position,
                    double *distinct_out);

/* As opt_options' check. */
TDBPLUS_CHECKED tdbplus_status trial_check(void *context);
