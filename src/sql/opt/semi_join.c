/*
 * WHERE EXISTS (...) and WHERE x IN (...) become semi joins, NOT EXISTS an anti join: the query is
 * run once and hashed, instead of once a row. NOT IN only of columns that are never null.
 */

#include <string.h>

#include "sql/opt/opt_internal.h"

static tdbplus_status put_join(struct optimizer *optimizer, enum plan_join kind, struct plan *right,
                               struct expr **conditions, uint32_t count, struct plan **input)
{
    struct plan *join = plan_make(optimizer->arena, PLAN_JOIN, (*input)->column_count);
    if (join == NULL) {
        return opt_no_memory(optimizer);
    }
    if (join->column_count > 0) {
        memcpy(join->columns, (*input)->columns, join->column_count * sizeof *join->columns);
    }
    join->join_kind = (uint8_t)kind;
    join->left = *input;
    join->right = right;
    join->exprs = conditions;
    join->expr_count = count;
    *input = join;
    return TDBPLUS_OK;
}

/* True when the column comes from a stored one that is declared NOT NULL. */
static bool never_null(const struct plan *plan, const struct expr *expr)
{
    while (expr->kind == EXPR_COLUMN && plan != NULL) {
        const struct expr *next = expr;
        switch (plan->kind) {
        case PLAN_SCAN:
            for (uint32_t i = 0; i < plan->column_count; i++) {
                if (plan->columns[i].id == expr->number) {
                    return plan->scan.paths == NULL &&
                           plan->scan.object->schema->columns[plan->scan.positions[i]].not_null;
                }
            }
            return false;
        case PLAN_PROJECT:
            for (uint32_t i = 0; i < plan->expr_count; i++) {
                next = plan->columns[i].id == expr->number ? plan->exprs[i] : next;
            }
            break;
        case PLAN_FILTER:
        case PLAN_SORT:
        case PLAN_LIMIT:
        case PLAN_DISTINCT:
            break;
        case PLAN_JOIN:
            if (plan->join_kind == JOIN_INNER &&
                plan_find_column(plan->left, expr->number) == NULL) {
                plan = plan->right;
                continue;
            }
            if (plan->join_kind != JOIN_INNER && plan->join_kind != JOIN_SEMI &&
                plan->join_kind != JOIN_ANTI) {
                return false;
            }
            break;
        default:
            return false;
        }
        expr = next;
        plan = plan->left;
    }
    return false;
}

/* x IN (query), or NOT IN: the query reads nothing of the row. */
static tdbplus_status convert_in(struct optimizer *optimizer, const struct expr *expr,
                                 enum plan_join kind, struct plan **input, bool *done_out)
{
    struct plan *query = expr->subquery->plan;
    if (strcmp(expr->func->name, "=") != 0 || opt_plan_reads(query, *input) ||
        expr_contains(expr->arguments[0], EXPR_SUBQUERY)) {
        return TDBPLUS_OK;
    }
    struct expr first = {.kind = EXPR_COLUMN, .number = query->columns[0].id};
    if (kind == JOIN_ANTI &&
        (!never_null(*input, expr->arguments[0]) || !never_null(query, &first))) {
        return TDBPLUS_OK; // A null makes the answer unknown for every row.
    }
    struct expr **conditions = arena_array(optimizer->arena, 1, sizeof *conditions);
    struct expr *equal = expr_call(optimizer->arena, expr->func, type_of(TYPE_BOOL), 2);
    struct expr *value =
        expr_column(optimizer->arena, query->columns[0].id, query->columns[0].type);
    if (conditions == NULL || equal == NULL || value == NULL) {
        return opt_no_memory(optimizer);
    }
    equal->arguments[0] = expr->arguments[0];
    equal->arguments[1] = value;
    conditions[0] = equal;
    *done_out = true;
    return put_join(optimizer, kind, query, conditions, 1, input);
}

/* Splits the conditions of a query's filter into those that read the row and the others. */
struct split {
    struct expr **about_row;
    uint32_t about_row_count;
    struct expr **others;
    uint32_t other_count;
    bool possible;
};

static tdbplus_status split_filter(struct optimizer *optimizer, const struct plan *filter,
                                   const struct plan *input, struct split *split)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        uint32_t count = 0;
        (void)opt_conjuncts(&filter->exprs[i], &count);
        total += count;
    }
    split->about_row = arena_array(optimizer->arena, total + 1u, sizeof(struct expr *));
    split->others = arena_array(optimizer->arena, total + 1u, sizeof(struct expr *));
    if (split->about_row == NULL || split->others == NULL) {
        return opt_no_memory(optimizer);
    }
    split->possible = true;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        uint32_t count = 0;
        struct expr *const *list = opt_conjuncts(&filter->exprs[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            if (!opt_expr_reads(list[k], input)) {
                split->others[split->other_count++] = list[k];
                continue;
            }
            split->possible = split->possible && !expr_contains(list[k], EXPR_SUBQUERY) &&
                              !expr_volatile(list[k]);
            split->about_row[split->about_row_count++] = list[k];
        }
    }
    return TDBPLUS_OK;
}

/* EXISTS (SELECT ... FROM rows WHERE conditions): rows, joined by the conditions about the row. */
static tdbplus_status convert_exists(struct optimizer *optimizer, const struct expr *expr,
                                     enum plan_join kind, struct plan **input, bool *done_out)
{
    struct plan *query = expr->subquery->plan;
    while (query->kind == PLAN_PROJECT) {
        query = query->left;
    }
    if (query->kind != PLAN_FILTER || opt_plan_reads(query->left, *input)) {
        return TDBPLUS_OK;
    }
    struct split split = {0};
    TRY(split_filter(optimizer, query, *input, &split));
    if (!split.possible || split.about_row_count == 0) {
        return TDBPLUS_OK;
    }
    struct plan *rows = query->left;
    if (split.other_count > 0) {
        query->exprs = split.others;
        query->expr_count = split.other_count;
        rows = query;
    }
    *done_out = true;
    return put_join(optimizer, kind, rows, split.about_row, split.about_row_count, input);
}

static bool is_true(const struct expr *expr)
{
    return expr->kind == EXPR_CONSTANT && expr->type.id == TYPE_BOOL && !expr->constant.is_null &&
           expr->constant.boolean;
}

/* true = ANY (SELECT condition FROM rows), which rows in IN have become: EXISTS of the rows that
 * fulfil it. Null and false are the same to a filter. */
static tdbplus_status convert_any_true(struct optimizer *optimizer, const struct expr *expr,
                                       struct plan **input, bool *done_out)
{
    const struct plan *query = expr->subquery->plan;
    if (query->kind != PLAN_PROJECT || query->expr_count != 1) {
        return TDBPLUS_OK;
    }
    struct plan *filter = plan_make(optimizer->arena, PLAN_FILTER, query->left->column_count);
    struct expr_subquery *subquery = arena_alloc(optimizer->arena, sizeof *subquery);
    if (filter == NULL || subquery == NULL) {
        return opt_no_memory(optimizer);
    }
    filter->columns = query->left->columns;
    filter->left = query->left;
    filter->exprs = query->exprs;
    filter->expr_count = 1;
    *subquery = *expr->subquery;
    subquery->kind = EXPR_EXISTS;
    subquery->plan = filter;
    struct expr exists = *expr;
    exists.subquery = subquery;
    return convert_exists(optimizer, &exists, JOIN_SEMI, input, done_out);
}

static tdbplus_status convert(struct optimizer *optimizer, struct expr *expr, struct plan **input,
                              bool *done_out)
{
    bool negated = expr->kind == EXPR_CALL && strcmp(expr->func->name, "not") == 0;
    const struct expr *inner = negated ? expr->arguments[0] : expr;
    if (inner->kind != EXPR_SUBQUERY) {
        return TDBPLUS_OK;
    }
    if (inner->subquery->kind == EXPR_EXISTS) {
        return convert_exists(optimizer, inner, negated ? JOIN_ANTI : JOIN_SEMI, input, done_out);
    }
    if (inner->subquery->kind == EXPR_ANY && is_true(inner->arguments[0])) {
        return negated ? TDBPLUS_OK : convert_any_true(optimizer, inner, input, done_out);
    }
    if (inner->subquery->kind == EXPR_ANY) {
        return convert_in(optimizer, inner, negated ? JOIN_ANTI : JOIN_SEMI, input, done_out);
    }
    return TDBPLUS_OK;
}

/* Converts what can be of one condition; NULL in *rest_out when nothing is left of it. */
static tdbplus_status convert_condition(struct optimizer *optimizer, struct expr *condition,
                                        struct plan **input, struct expr **rest_out)
{
    uint32_t count = 0;
    struct expr *const *list = opt_conjuncts(&condition, &count);
    struct expr *rest = expr_make(optimizer->arena, EXPR_AND, type_of(TYPE_BOOL), count);
    if (rest == NULL) {
        return opt_no_memory(optimizer);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool done = false;
        TRY(convert(optimizer, list[i], input, &done));
        if (!done) {
            rest->arguments[kept++] = list[i];
        }
    }
    rest->argument_count = kept;
    *rest_out = kept == count ? condition : kept == 0 ? NULL : rest;
    return TDBPLUS_OK;
}

static tdbplus_status convert_filter(struct optimizer *optimizer, struct plan **plan)
{
    struct plan *filter = *plan;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        struct expr *rest = NULL;
        TRY(convert_condition(optimizer, filter->exprs[i], &filter->left, &rest));
        if (rest != NULL) {
            filter->exprs[kept++] = rest;
        }
    }
    filter->expr_count = kept;
    if (kept == 0) {
        *plan = filter->left;
    }
    return TDBPLUS_OK;
}

tdbplus_status opt_semi_join(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    if ((*plan)->kind == PLAN_FILTER) {
        TRY(convert_filter(optimizer, plan));
    }
    TRY(opt_semi_join(optimizer, &(*plan)->left));
    return opt_semi_join(optimizer, &(*plan)->right);
}
