#pragma once

#include "sql/opt/optimize.h"

struct optimizer {
    struct arena *arena;
    struct err *err;
    uint32_t *next_id;
    const struct opt_sampler *sampler; /* May be NULL. */
    uint32_t rules_off;
    bool notes_rows;
    const struct func_session *session; /* May be NULL. */
    const struct opt_options *options;  /* NULL where rows are guessed only. */
};

/* For loops over many queries of one statement. */
static inline tdbplus_status opt_check(const struct optimizer *optimizer)
{
    const struct opt_options *options = optimizer->options;
    return options == NULL || options->check == NULL ? TDBPLUS_OK
                                                     : options->check(options->check_context);
}

static inline bool opt_uses(const struct optimizer *optimizer, enum opt_rule rule)
{
    return (optimizer->rules_off >> rule & 1) == 0;
}

/* ---- opt_reads.c ---- */

/* True when an expression, or one somewhere in the plan, reads a column of `input`. */
bool opt_expr_reads(const struct expr *expr, const struct plan *input);
bool opt_plan_reads(struct plan *plan, const struct plan *input);

/* The arguments of an AND, or the expression itself. */
struct expr *const *opt_conjuncts(struct expr *const *expr, uint32_t *count_out);

/* The expression with columns of a projection replaced by what they are. */
TDBPLUS_CHECKED tdbplus_status opt_substitute(struct optimizer *optimizer,
                                              const struct plan *project, struct expr **expr);

/* ---- scan_constant.c ---- */

/* The column below a cast that keeps order and loses nothing, or the expression itself. */
const struct expr *opt_below_cast(const struct expr *expr);

/* A constant as one of the column's type, such that the comparison, which may change, holds for the
 * same values; false when there is none. */
bool opt_scan_constant(struct optimizer *optimizer, struct type stored, const struct expr *value,
                       uint8_t *compare, struct expr **out);

/* ---- estimate.c: guesses, never below what they can be ---- */

double opt_estimate_rows(struct optimizer *optimizer, const struct plan *plan);
/* Writes the estimates of a plan and all below it into it, from the bottom up. */
void opt_note_rows(struct optimizer *optimizer, struct plan *plan);
double opt_estimate_distinct(struct optimizer *optimizer, const struct plan *plan, uint32_t id);

/* The share of pairs of rows that meet a condition over both plans. */
double opt_condition_share(struct optimizer *optimizer, const struct expr *condition,
                           const struct plan *left, const struct plan *right);

/* ---- rules ---- */

/* Calls `visit` for each expression of a node, not below it. */
TDBPLUS_CHECKED tdbplus_status opt_each_expr(struct optimizer *optimizer, struct plan *plan,
                                             tdbplus_status (*visit)(struct optimizer *optimizer,
                                                                     struct expr **expr));

TDBPLUS_CHECKED tdbplus_status opt_no_memory(struct optimizer *optimizer);

/* fold.c: calls of constants become constants. */
TDBPLUS_CHECKED tdbplus_status opt_fold(struct optimizer *optimizer, struct expr **expr);

/* semi_join.c: EXISTS and IN in filters become joins. Before anything below is planned. */
TDBPLUS_CHECKED tdbplus_status opt_semi_join(struct optimizer *optimizer, struct plan **plan);

/* inline_cte.c: WITH queries that are read once become part of their readers. First. */
TDBPLUS_CHECKED tdbplus_status opt_inline_cte(struct optimizer *optimizer, struct plan **plan);

/* lateral.c: functions in FROM that read the items before them. Before pushdown. */
TDBPLUS_CHECKED tdbplus_status opt_lateral(struct optimizer *optimizer, struct plan **plan);
/* decorrelate.c: scalar queries about a row become groups that are joined. */
TDBPLUS_CHECKED tdbplus_status opt_decorrelate(struct optimizer *optimizer, struct plan **plan);

/* or_split.c: what every side of an OR says is asked on its own. Before pushdown. */
TDBPLUS_CHECKED tdbplus_status opt_or_split(struct optimizer *optimizer, struct plan *plan);

/* join_order.c: inner joins in the order that makes the fewest rows. After pushdown. */
TDBPLUS_CHECKED tdbplus_status opt_join_order(struct optimizer *optimizer, struct plan **plan);

/* merge_project.c: aggregates compute what projections below them did. */
TDBPLUS_CHECKED tdbplus_status opt_merge_project(struct optimizer *optimizer, struct plan *plan);

/* pushdown.c: conditions move to where fewer rows have been made. */
TDBPLUS_CHECKED tdbplus_status opt_pushdown(struct optimizer *optimizer, struct plan **plan);

/* index_path.c: a scan below conditions finds its rows by indexes. */
TDBPLUS_CHECKED tdbplus_status opt_index_path(struct optimizer *optimizer, struct plan *plan);

/* index_order.c: the first rows of an order, the least and the greatest value, from an index. After
 * opt_scan_bounds(). */
TDBPLUS_CHECKED tdbplus_status opt_index_order(struct optimizer *optimizer, struct plan **plan);

/* Whether a value is known before the scan's first row is read; and the comparison of that name, as
 * enum scan_compare, or -1. */
bool opt_known_before(const struct plan *scan, const struct expr *expr);
int32_t opt_compare_of(const char *name, bool swapped);

/* scan_bounds.c: conditions above a scan become the scan's. */
TDBPLUS_CHECKED tdbplus_status opt_scan_bounds(struct optimizer *optimizer, struct plan **plan);

/* document_path.c: scans read parts of documents. After rules that look at a scan's columns. */
TDBPLUS_CHECKED tdbplus_status opt_document_path(struct optimizer *optimizer, struct plan *plan);

/* prune.c: scans read, joins carry and projections make only what is used above. */
TDBPLUS_CHECKED tdbplus_status opt_prune(struct optimizer *optimizer, struct plan *plan);

/* top.c: a sort below a limit keeps only so many rows. */
TDBPLUS_CHECKED tdbplus_status opt_top(struct optimizer *optimizer, struct plan *plan);
