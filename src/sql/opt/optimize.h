#pragma once

/*
 * opt: better plans for the same result. Each rule is a file; optimize() applies them in order.
 *
 * Threads: everything may be called at once with different arenas.
 */

#include "sql/plan/plan.h"

/* Rules that can be left out, by the names that SET disabled_rules knows. */
enum opt_rule {
    OPT_FOLD = 0,
    OPT_INLINE_CTE,
    OPT_LATERAL,
    OPT_SEMI_JOIN,
    OPT_DECORRELATE,
    OPT_OR_SPLIT,
    OPT_PUSHDOWN,
    OPT_MERGE_PROJECT,
    OPT_JOIN_ORDER,
    OPT_INDEX_PATH,
    OPT_SCAN_BOUNDS,
    OPT_TOP,
    OPT_INDEX_ORDER,
    OPT_DOCUMENT_PATH,
    OPT_EQUAL_COLUMNS,
    OPT_PRUNE,
    OPT_RULE_COUNT,
};

const char *opt_rule_name(uint32_t rule);

/* What tries conditions on a few rows of a table, lent by whoever can run plans. */
struct opt_sampler {
    void *context;
    /* The share of rows of a filter over a scan that pass; false when it cannot be told. */
    bool (*share)(void *context, const struct plan *filter, double *share_out);
    /* How many different values a table's column has; false when nobody has looked. */
    bool (*distinct)(void *context, const struct object *table, uint32_t position,
                     double *distinct_out);
};

struct opt_options {
    uint32_t rules_off;                 /* Bit r: without rule r. */
    const struct opt_sampler *sampler;  /* May be NULL. */
    bool notes_rows;                    /* For EXPLAIN: guesses are kept in the plan. */
    const struct func_session *session; /* May be NULL. */
    /* Asked now and then: fails when somebody cancelled the statement or its time is up. May be
     * NULL. */
    tdbplus_status (*check)(void *context);
    void *check_context;
};

/* How many rows a planned operator gives: a guess. With `notes_rows` the one that the plan was
 * chosen by. */
double optimize_rows(const struct plan *plan);

/* Replaces *plan by a plan that gives the same rows, except for their order where none is asked
 * for. New nodes are in the arena. TDBPLUS_E_NOMEM; errors of folded expressions are left for when
 * they are evaluated. */
TDBPLUS_CHECKED tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id,
                                        const struct opt_options *options, struct err *err);
