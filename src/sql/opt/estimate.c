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
    double known = 0;
    if (optimizer->sampler != NULL && optimizer->sampler->distinct != NULL &&
        optimizer->sampler->distinct(optimizer->sampler->context, scan->scan.object, position,
                                     &known)) {
        return known < 1 ? 1 : known < rows ? known : rows;
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

static bool is_equality(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && expr->argument_count == 2 &&
           (expr->func->flags & FUNC_OPERATOR) != 0 && strcmp(expr->func->name, "=") == 0;
}

/* True when the join's equalities read all key columns of a scan: others' rows meet one of its. */
static bool covers_key(const struct plan *join, const struct plan *scan)
{
    const struct schema *schema = scan->scan.object->schema;
    uint32_t covered = 0;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        bool found = false;
        for (uint32_t i = 0; i < 2 * join->expr_count && !found; i++) {
            const struct expr *condition = join->exprs[i / 2];
            uint32_t position = UINT32_MAX;
            found = is_equality(condition) && condition->arguments[i % 2]->kind == EXPR_COLUMN &&
                    column_source(join, condition->arguments[i % 2]->number, &position,
                                  ESTIMATE_DEPTH) == scan &&
                    position == schema->key_columns[k];
        }
        covered += found;
    }
    return covered == schema->key_count && covered > 1;
}

/* Rows of the table whose key one side of an equality is a part of, if all of it is equated; else
 * 0.
 */
static double key_rows(const struct plan *join, const struct expr *side)
{
    uint32_t position = 0;
    struct txn_statistics statistics = {0};
    const struct plan *scan = side->kind == EXPR_COLUMN
                                  ? column_source(join, side->number, &position, ESTIMATE_DEPTH)
                                  : NULL;
    if (scan == NULL || !covers_key(join, scan)) {
        return 0;
    }
    txn_statistics(scan->scan.object, UINT32_MAX, &statistics);
    return (double)statistics.row_count + 1;
}

/* Several equalities that make up a key leave more than independent columns would: each row meets
 * one of that table's. */
static double conditions_share(struct optimizer *optimizer, const struct plan *join)
{
    double equal = 1;
    double others = 1;
    double least = 0;
    uint32_t equalities = 0;
    for (uint32_t i = 0; i < join->expr_count; i++) {
        const struct expr *condition = join->exprs[i];
        double share = opt_condition_share(optimizer, condition, join->left, join->right);
        if (!is_equality(condition)) {
            others *= share;
            continue;
        }
        equal *= share;
        equalities++;
        for (uint32_t s = 0; s < 2; s++) {
            double rows = key_rows(join, condition->arguments[s]);
            least = rows > 0 && (least == 0 || rows < least) ? rows : least;
        }
    }
    if (equalities > 1 && least > 0 && equal < 1 / least) {
        equal = 1 / least;
    }
    return equal * others;
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
    double rows = left * right * conditions_share(optimizer, plan);
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
        uint32_t position = 0;
        bool stored = key->kind == EXPR_COLUMN &&
                      column_source(plan->left, key->number, &position, ESTIMATE_DEPTH) != NULL;
        groups *=
            stored ? opt_estimate_distinct(optimizer, plan->left, key->number) : sqrt(rows) + 1;
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

static double limit_rows(struct optimizer *optimizer, const struct plan *plan,
                         const struct expr *count, uint32_t depth)
{
    double rows = rows_at_depth(optimizer, plan->left, depth);
    bool known = count != NULL && count->kind == EXPR_CONSTANT && !count->constant.is_null &&
                 count->constant.integer >= 0;
    return known && (double)count->constant.integer < rows ? (double)count->constant.integer : rows;
}

static double rows_at_depth(struct optimizer *optimizer, const struct plan *plan, uint32_t depth)
{
    if (plan == NULL || depth == 0) {
        return 1;
    }
    if (plan->rows > 0) {
        return plan->rows;
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
    case PLAN_SYSTEM:
        return 500;
    case PLAN_FILTER:
        return filter_rows(optimizer, plan, depth - 1);
    case PLAN_AGGREGATE:
        return group_rows(optimizer, plan, depth - 1);
    case PLAN_JOIN:
        return join_rows(optimizer, plan, depth - 1);
    case PLAN_LIMIT:
        return limit_rows(optimizer, plan, plan->expr_count > 0 ? plan->exprs[0] : NULL, depth - 1);
    case PLAN_SORT:
        return limit_rows(optimizer, plan, plan->top_count, depth - 1);
    case PLAN_CTE:
        // Readers of readers would ask over and over again.
        return plan->cte->rows > 0 ? plan->cte->rows
                                   : rows_at_depth(optimizer, plan->cte->plan, depth - 1);
    case PLAN_SET:
        return rows_at_depth(optimizer, plan->left, depth - 1) +
               rows_at_depth(optimizer, plan->right, depth - 1);
    default:
        break;
    }
    return rows_at_depth(optimizer, plan->left, depth - 1);
}

void opt_note_rows(struct optimizer *optimizer, struct plan *plan)
{
    if (plan != NULL && plan->rows == 0) {
        opt_note_rows(optimizer, plan->left);
        opt_note_rows(optimizer, plan->right);
        plan->rows = opt_estimate_rows(optimizer, plan);
    }
}

double opt_estimate_rows(struct optimizer *optimizer, const struct plan *plan)
{
    double rows = rows_at_depth(optimizer, plan, ESTIMATE_DEPTH);
    return rows < 1 ? 1 : rows;
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
