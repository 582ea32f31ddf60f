/*
 * WHERE x < (SELECT aggregate FROM rows WHERE key = outer key AND ...): the query is run once,
 * grouped by the key, and joined, instead of once a row.
 *
 * A row without a group would have compared with null, which no row passes, so an inner join may
 * drop it; that is why aggregates that are not null over no rows (count) stay as they are.
 */

#include <string.h>

#include "sql/opt/opt_internal.h"

/* The parts of a query that can be grouped. */
struct correlated {
    struct plan *project;
    struct plan *aggregate;
    struct plan *filter;
    struct expr **outer; /* What each key must equal. */
    struct expr **keys;
    const struct func **equals;
    uint32_t key_count;
    struct expr **others; /* Conditions that do not read the row. */
    uint32_t other_count;
};

static bool is_operator(const struct expr *expr, const char *name)
{
    return expr->kind == EXPR_CALL && expr->argument_count == 2 &&
           (expr->func->flags & FUNC_OPERATOR) != 0 && strcmp(expr->func->name, name) == 0;
}

static bool is_comparison(const struct expr *expr)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (is_operator(expr, names[i])) {
            return true;
        }
    }
    return false;
}

/* The correlated scalar query inside of calls that give null for null. */
static struct expr **find_scalar(struct expr **expr)
{
    if ((*expr)->kind == EXPR_SUBQUERY) {
        bool scalar = (*expr)->subquery->kind == EXPR_SCALAR && (*expr)->subquery->outer_count > 0;
        return scalar ? expr : NULL;
    }
    if ((*expr)->kind != EXPR_CALL || ((*expr)->func->flags & FUNC_CALLED_ON_NULL) != 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < (*expr)->argument_count; i++) {
        struct expr **found = find_scalar(&(*expr)->arguments[i]);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static bool null_over_nothing(const struct plan *aggregate)
{
    static const char *const names[] = {"sum", "avg", "min", "max"};
    for (uint32_t i = 0; i < aggregate->aggregate_count; i++) {
        bool known = false;
        if (aggregate->aggregates[i].ordered_set != ORDERED_NONE) {
            return false;
        }
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            known = known || strcmp(aggregate->aggregates[i].aggregate->name, names[n]) == 0;
        }
        if (!known) {
            return false;
        }
    }
    return aggregate->aggregate_count > 0;
}

/* True when the expression is null because a column of `aggregate` in it is. */
static bool null_with(const struct expr *expr, const struct plan *aggregate)
{
    if (expr->kind == EXPR_COLUMN) {
        return plan_find_column(aggregate, expr->number) != NULL;
    }
    if (expr->kind != EXPR_CALL || (expr->func->flags & FUNC_CALLED_ON_NULL) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (null_with(expr->arguments[i], aggregate)) {
            return true;
        }
    }
    return false;
}

static bool match_shape(struct plan *query, struct correlated *parts)
{
    parts->project = query;
    if (query->kind != PLAN_PROJECT || query->expr_count != 1 ||
        query->left->kind != PLAN_AGGREGATE || query->left->expr_count != 0) {
        return false;
    }
    parts->aggregate = query->left;
    parts->filter = parts->aggregate->left;
    return parts->filter->kind == PLAN_FILTER && null_over_nothing(parts->aggregate) &&
           null_with(query->exprs[0], parts->aggregate);
}

/* Takes inner = outer apart; false when the condition is something else. */
static bool take_key(struct correlated *parts, struct expr *condition, const struct plan *input)
{
    if (!is_operator(condition, "=") || expr_contains(condition, EXPR_SUBQUERY) ||
        expr_volatile(condition)) {
        return false;
    }
    for (uint32_t side = 0; side < 2; side++) {
        struct expr *outer = condition->arguments[side];
        struct expr *inner = condition->arguments[1 - side];
        if (opt_expr_reads(inner, input) || opt_expr_reads(outer, parts->filter->left) ||
            !opt_expr_reads(outer, input)) {
            continue;
        }
        parts->outer[parts->key_count] = outer;
        parts->keys[parts->key_count] = inner;
        parts->equals[parts->key_count++] = condition->func;
        return condition->func->arguments[0] == condition->func->arguments[1];
    }
    return false;
}

static tdbplus_status split_conditions(struct optimizer *optimizer, const struct plan *input,
                                       struct correlated *parts, bool *possible_out)
{
    const struct plan *filter = parts->filter;
    uint32_t total = 0;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        uint32_t count = 0;
        (void)opt_conjuncts(&filter->exprs[i], &count);
        total += count;
    }
    parts->outer = arena_array(optimizer->arena, total + 1u, sizeof(struct expr *));
    parts->keys = arena_array(optimizer->arena, total + 1u, sizeof(struct expr *));
    parts->equals = arena_array(optimizer->arena, total + 1u, sizeof(struct func *));
    parts->others = arena_array(optimizer->arena, total + 1u, sizeof(struct expr *));
    if (parts->outer == NULL || parts->keys == NULL || parts->equals == NULL ||
        parts->others == NULL) {
        return opt_no_memory(optimizer);
    }
    *possible_out = !opt_plan_reads(filter->left, input);
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        uint32_t count = 0;
        struct expr *const *list = opt_conjuncts(&filter->exprs[i], &count);
        for (uint32_t k = 0; k < count; k++) {
            if (!opt_expr_reads(list[k], input)) {
                parts->others[parts->other_count++] = list[k];
            } else {
                *possible_out = take_key(parts, list[k], input) && *possible_out;
            }
        }
    }
    *possible_out = *possible_out && parts->key_count > 0;
    return TDBPLUS_OK;
}

/* Groups the query by its keys and hands them on. */
static tdbplus_status group_by_keys(struct optimizer *optimizer, struct correlated *parts)
{
    struct plan *aggregate = parts->aggregate;
    struct plan *project = parts->project;
    uint32_t keys = parts->key_count;
    struct plan_column *columns =
        arena_array(optimizer->arena, keys + aggregate->aggregate_count + 1u, sizeof *columns);
    struct plan_column *outputs = arena_array(optimizer->arena, keys + 2u, sizeof *outputs);
    struct expr **exprs = arena_array(optimizer->arena, keys + 2u, sizeof *exprs);
    if (columns == NULL || outputs == NULL || exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    outputs[0] = project->columns[0];
    exprs[0] = project->exprs[0];
    for (uint32_t i = 0; i < keys; i++) {
        columns[i] =
            (struct plan_column){.id = (*optimizer->next_id)++, .type = parts->keys[i]->type};
        outputs[i + 1] = columns[i];
        exprs[i + 1] = expr_column(optimizer->arena, columns[i].id, columns[i].type);
        if (exprs[i + 1] == NULL) {
            return opt_no_memory(optimizer);
        }
    }
    memcpy(columns + keys, aggregate->columns,
           aggregate->aggregate_count * sizeof *aggregate->columns);
    aggregate->columns = columns;
    aggregate->column_count = keys + aggregate->aggregate_count;
    aggregate->exprs = parts->keys;
    aggregate->expr_count = keys;
    project->columns = outputs;
    project->column_count = keys + 1;
    project->exprs = exprs;
    project->expr_count = keys + 1;
    parts->filter->exprs = parts->others;
    parts->filter->expr_count = parts->other_count;
    if (parts->other_count == 0) {
        aggregate->left = parts->filter->left;
    }
    return TDBPLUS_OK;
}

static tdbplus_status join_groups(struct optimizer *optimizer, const struct correlated *parts,
                                  struct plan **input)
{
    const struct plan *right = parts->project;
    struct plan *join =
        plan_make(optimizer->arena, PLAN_JOIN, (*input)->column_count + right->column_count);
    struct expr **conditions =
        arena_array(optimizer->arena, parts->key_count + 1u, sizeof *conditions);
    if (join == NULL || conditions == NULL) {
        return opt_no_memory(optimizer);
    }
    memcpy(join->columns, (*input)->columns, (*input)->column_count * sizeof *join->columns);
    memcpy(join->columns + (*input)->column_count, right->columns,
           right->column_count * sizeof *join->columns);
    for (uint32_t i = 0; i < parts->key_count; i++) {
        conditions[i] = expr_call(optimizer->arena, parts->equals[i], type_of(TYPE_BOOL), 2);
        if (conditions[i] == NULL) {
            return opt_no_memory(optimizer);
        }
        conditions[i]->arguments[0] = parts->outer[i];
        conditions[i]->arguments[1] = right->exprs[i + 1];
    }
    join->join_kind = JOIN_INNER;
    join->left = *input;
    join->right = parts->project;
    join->exprs = conditions;
    join->expr_count = parts->key_count;
    *input = join;
    return TDBPLUS_OK;
}

static tdbplus_status convert(struct optimizer *optimizer, struct expr **condition,
                              struct plan **input)
{
    struct correlated parts = {0};
    struct expr **scalar = is_comparison(*condition) ? find_scalar(condition) : NULL;
    if (scalar == NULL || !match_shape((*scalar)->subquery->plan, &parts)) {
        return TDBPLUS_OK;
    }
    bool possible = false;
    TRY(split_conditions(optimizer, *input, &parts, &possible));
    if (!possible) {
        return TDBPLUS_OK;
    }
    TRY(group_by_keys(optimizer, &parts));
    TRY(join_groups(optimizer, &parts, input));
    *scalar = expr_column(optimizer->arena, parts.project->columns[0].id, (*scalar)->type);
    return *scalar == NULL ? opt_no_memory(optimizer) : TDBPLUS_OK;
}

tdbplus_status opt_decorrelate(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    struct plan *filter = *plan;
    for (uint32_t i = 0; filter->kind == PLAN_FILTER && i < filter->expr_count; i++) {
        uint32_t count = filter->exprs[i]->kind == EXPR_AND ? filter->exprs[i]->argument_count : 1;
        for (uint32_t k = 0; k < count; k++) {
            struct expr **condition = filter->exprs[i]->kind == EXPR_AND
                                          ? &filter->exprs[i]->arguments[k]
                                          : &filter->exprs[i];
            TRY(convert(optimizer, condition, &filter->left));
        }
    }
    TRY(opt_decorrelate(optimizer, &(*plan)->left));
    return opt_decorrelate(optimizer, &(*plan)->right);
}
