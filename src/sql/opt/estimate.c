/*
 * How many rows a plan gives, about. Scans with conditions are tried on a sample of their rows
 * where the caller lent a sampler; the rest is counts of rows, ranges of integer columns and
 * convention.
 */

#include <math.h>
#include <string.h>

#include "sql/opt/opt_internal.h"

#define FILTER_SHARE    0.25 /* Of rows that pass a condition of which nothing is known. */
#define HAVING_SHARE    0.02
#define SEMI_SHARE      0.5
#define SAMPLE_ROWS_MIN 20000.0
#define ESTIMATE_DEPTH  64u

static double rows_at_depth(struct optimizer *optimizer, const struct plan *plan, uint32_t depth);

/* The scan that a column comes from unchanged, and the column's position; NULL when it is made. */
static const struct plan *column_source(const struct plan *plan, uint32_t id,
                                        uint32_t *position_out, uint32_t depth)
{
    if (plan == NULL || depth == 0 || plan_find_column(plan, id) == NULL) {
        return NULL;
    }
    if (plan->kind == PLAN_SCAN) {
        for (uint32_t i = 0; i < plan->column_count; i++) {
            if (plan->columns[i].id == id) {
                *position_out = plan->scan.positions[i];
                return plan;
            }
        }
        return NULL;
    }
    if (plan->kind == PLAN_PROJECT || plan->kind == PLAN_AGGREGATE) {
        for (uint32_t i = 0; i < plan->expr_count; i++) {
            if (plan->columns[i].id == id && plan->exprs[i]->kind == EXPR_COLUMN) {
                return column_source(plan->left, plan->exprs[i]->number, position_out, depth - 1);
            }
        }
        return NULL;
    }
    const struct plan *found = column_source(plan->left, id, position_out, depth - 1);
    return found != NULL ? found : column_source(plan->right, id, position_out, depth - 1);
}

double opt_estimate_distinct(struct optimizer *optimizer, const struct plan *plan, uint32_t id)
{
    uint32_t position = 0;
    const struct plan *scan = column_source(plan, id, &position, ESTIMATE_DEPTH);
    if (scan == NULL) {
        return rows_at_depth(optimizer, plan, ESTIMATE_DEPTH);
    }
    struct txn_statistics statistics = {0};
    const struct schema *schema = scan->scan.object->schema;
    txn_statistics(scan->scan.object, position, &statistics);
    double rows = (double)statistics.row_count + 1;
    if (schema->key_count == 1 && schema->key_columns[0] == position) {
        return rows;
    }
    if (statistics.has_range) {
        double range = (double)statistics.max - (double)statistics.min + 1;
        return range < rows ? range : rows;
    }
    return pow(rows, 0.6);
}

/* The share of a filtered scan's rows that pass. */
static double sampled_share(struct optimizer *optimizer, const struct plan *filter, double rows)
{
    double share = pow(FILTER_SHARE, filter->expr_count > 2 ? 2.0 : (double)filter->expr_count);
    if (optimizer->sampler != NULL && rows >= SAMPLE_ROWS_MIN) {
        (void)optimizer->sampler->share(optimizer->sampler->context, filter, &share);
    }
    return share;
}

static double join_rows(struct optimizer *optimizer, const struct plan *plan, uint32_t depth)
{
    double left = rows_at_depth(optimizer, plan->left, depth);
    double right = rows_at_depth(optimizer, plan->right, depth);
    if (plan->join_kind == JOIN_SEMI || plan->join_kind == JOIN_ANTI) {
        return left * SEMI_SHARE;
    }
    if (plan->join_kind == JOIN_RIGHT_SEMI || plan->join_kind == JOIN_RIGHT_ANTI) {
        return right * SEMI_SHARE;
    }
    double rows = left * right;
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        rows *= opt_condition_share(optimizer, plan->exprs[i], plan->left, plan->right);
    }
    bool keeps_left = plan->join_kind == JOIN_LEFT || plan->join_kind == JOIN_FULL;
    bool keeps_right = plan->join_kind == JOIN_RIGHT || plan->join_kind == JOIN_FULL;
    rows = keeps_left && rows < left ? left : rows;
    return keeps_right && rows < right ? right : rows;
}

static double group_rows(struct optimizer *optimizer, const struct plan *plan, uint32_t depth)
{
    double rows = rows_at_depth(optimizer, plan->left, depth);
    double groups = 1;
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        const struct expr *key = plan->exprs[i];
        groups *= key->kind == EXPR_COLUMN
                      ? opt_estimate_distinct(optimizer, plan->left, key->number)
                      : sqrt(rows) + 1;
    }
    return groups < rows ? groups : rows;
}

static double filter_rows(struct optimizer *optimizer, const struct plan *plan, uint32_t depth)
{
    double rows = rows_at_depth(optimizer, plan->left, depth);
    if (plan->left->kind == PLAN_SCAN) {
        return rows * sampled_share(optimizer, plan, rows);
    }
    if (plan->left->kind == PLAN_AGGREGATE) {
        return rows * HAVING_SHARE;
    }
    return rows * FILTER_SHARE;
}

static double rows_at_depth(struct optimizer *optimizer, const struct plan *plan, uint32_t depth)
{
    if (plan == NULL || depth == 0) {
        return 1;
    }
    struct txn_statistics statistics = {0};
    switch (plan->kind) {
    case PLAN_VALUES:
        return plan->row_count;
    case PLAN_SCAN:
        txn_statistics(plan->scan.object, UINT32_MAX, &statistics);
        return (double)statistics.row_count + 1;
    case PLAN_SERIES:
        return 1000;
    case PLAN_FILE:
        return plan->file.spec->row_count > 0 ? (double)plan->file.spec->row_count : 100000;
    case PLAN_FILTER:
        return filter_rows(optimizer, plan, depth - 1);
    case PLAN_AGGREGATE:
        return group_rows(optimizer, plan, depth - 1);
    case PLAN_JOIN:
        return join_rows(optimizer, plan, depth - 1);
    case PLAN_CTE:
        return rows_at_depth(optimizer, plan->cte->plan, depth - 1);
    case PLAN_SET:
        return rows_at_depth(optimizer, plan->left, depth - 1) +
               rows_at_depth(optimizer, plan->right, depth - 1);
    default:
        break;
    }
    return rows_at_depth(optimizer, plan->left, depth - 1);
}

double opt_estimate_rows(struct optimizer *optimizer, const struct plan *plan)
{
    double rows = rows_at_depth(optimizer, plan, ESTIMATE_DEPTH);
    return rows < 1 ? 1 : rows;
}

static bool is_equality(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && expr->argument_count == 2 &&
           (expr->func->flags & FUNC_OPERATOR) != 0 && strcmp(expr->func->name, "=") == 0;
}

double opt_condition_share(struct optimizer *optimizer, const struct expr *condition,
                           const struct plan *left, const struct plan *right)
{
    if (!is_equality(condition)) {
        return FILTER_SHARE;
    }
    double distinct = 1;
    for (uint32_t i = 0; i < 2; i++) {
        const struct expr *side = condition->arguments[i];
        if (side->kind != EXPR_COLUMN) {
            continue;
        }
        const struct plan *plan = plan_find_column(left, side->number) != NULL ? left : right;
        double count = opt_estimate_distinct(optimizer, plan, side->number);
        distinct = count > distinct ? count : distinct;
    }
    return distinct > 1 ? 1 / distinct : 0.1;
}
