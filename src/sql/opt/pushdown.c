/* Conditions move down: through projections, sorts and joins to the rows that they are about. */

#include <string.h>

#include "sql/opt/opt_internal.h"

struct conditions {
    struct expr **items;
    uint32_t count;
    uint32_t capacity;
};

static tdbplus_status add(struct optimizer *optimizer, struct conditions *list, struct expr *expr)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct expr **items = arena_array(optimizer->arena, capacity, sizeof *items);
        if (items == NULL) {
            return opt_no_memory(optimizer);
        }
        if (list->count > 0) {
            memcpy(items, list->items, list->count * sizeof *items);
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = expr;
    return TDBPLUS_OK;
}

/* Each argument of an AND is a condition of its own. */
static tdbplus_status add_split(struct optimizer *optimizer, struct conditions *list,
                                struct expr *expr)
{
    if (expr->kind != EXPR_AND) {
        return add(optimizer, list, expr);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(add_split(optimizer, list, expr->arguments[i]));
    }
    return TDBPLUS_OK;
}

/* True when no column of `plan` is read. */
static bool reads_none(const struct expr *expr, const struct plan *plan)
{
    if (expr->kind == EXPR_COLUMN && plan_find_column(plan, expr->number) != NULL) {
        return false;
    }
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        if (plan_find_column(plan, expr->subquery->outer_ids[i]) != NULL) {
            return false;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!reads_none(expr->arguments[i], plan)) {
            return false;
        }
    }
    return true;
}

static tdbplus_status put_filter(struct optimizer *optimizer, const struct conditions *list,
                                 struct plan **plan)
{
    if (list->count == 0) {
        return TDBPLUS_OK;
    }
    struct plan *filter = plan_make(optimizer->arena, PLAN_FILTER, (*plan)->column_count);
    if (filter == NULL) {
        return opt_no_memory(optimizer);
    }
    if (filter->column_count > 0) {
        memcpy(filter->columns, (*plan)->columns, filter->column_count * sizeof *filter->columns);
    }
    filter->left = *plan;
    filter->exprs = list->items;
    filter->expr_count = list->count;
    *plan = filter;
    return TDBPLUS_OK;
}

static tdbplus_status push(struct optimizer *optimizer, struct plan **plan,
                           struct conditions *list);

/* A side may be filtered before the join if the join drops what the side drops. */
static bool may_enter(const struct plan *join, bool left, bool from_above)
{
    switch ((enum plan_join)join->join_kind) {
    case JOIN_INNER:
        return true;
    case JOIN_LEFT:
    case JOIN_ANTI:
        return from_above ? left : !left;
    case JOIN_RIGHT:
        return from_above ? !left : left;
    case JOIN_SEMI:
        return true;
    case JOIN_FULL:
    case JOIN_RIGHT_SEMI: // Not made yet.
    case JOIN_RIGHT_ANTI:
        break;
    }
    return false;
}

static tdbplus_status place(struct optimizer *optimizer, const struct plan *join,
                            struct expr *condition, bool from_above, struct conditions lists[3])
{
    bool left_free = reads_none(condition, join->left);
    bool right_free = reads_none(condition, join->right);
    if (right_free && may_enter(join, true, from_above)) {
        return add(optimizer, &lists[0], condition);
    }
    if (left_free && may_enter(join, false, from_above)) {
        return add(optimizer, &lists[1], condition);
    }
    return add(optimizer, &lists[2], condition);
}

static tdbplus_status push_join(struct optimizer *optimizer, struct plan **plan,
                                struct conditions *list)
{
    struct plan *join = *plan;
    struct conditions sides[3] = {{0}, {0}, {0}};
    struct conditions on = {0};
    struct conditions above = {0};
    for (uint32_t i = 0; i < join->expr_count; i++) {
        TRY(add_split(optimizer, &on, join->exprs[i]));
    }
    for (uint32_t i = 0; i < on.count; i++) {
        TRY(place(optimizer, join, on.items[i], false, sides));
    }
    on = sides[2];
    sides[2] = (struct conditions){0};
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(place(optimizer, join, list->items[i], true, sides));
    }
    for (uint32_t i = 0; i < sides[2].count; i++) {
        // What is asked of pairs can be asked while joining, if the join has nothing to keep.
        TRY(add(optimizer, join->join_kind == JOIN_INNER ? &on : &above, sides[2].items[i]));
    }
    join->exprs = on.items;
    join->expr_count = on.count;
    TRY(push(optimizer, &join->left, &sides[0]));
    TRY(push(optimizer, &join->right, &sides[1]));
    return put_filter(optimizer, &above, plan);
}

/* True when the condition would not call anything twice, and reads keys only in an aggregate. */
static bool can_substitute(const struct plan *plan, const struct expr *expr)
{
    if (expr->kind == EXPR_SUBQUERY) {
        return false;
    }
    if (expr->kind == EXPR_COLUMN) {
        for (uint32_t i = 0; i < plan->column_count; i++) {
            if (plan->columns[i].id != expr->number) {
                continue;
            }
            if (i >= plan->expr_count || expr_volatile(plan->exprs[i]) ||
                expr_contains(plan->exprs[i], EXPR_SUBQUERY)) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!can_substitute(plan, expr->arguments[i])) {
            return false;
        }
    }
    return true;
}

static tdbplus_status push_project(struct optimizer *optimizer, struct plan **plan,
                                   struct conditions *list)
{
    struct conditions below = {0};
    struct conditions above = {0};
    bool grand_total = (*plan)->kind == PLAN_AGGREGATE &&
                       ((*plan)->expr_count == 0 || (*plan)->empty_set_count > 0);
    for (uint32_t i = 0; i < list->count; i++) {
        struct expr *condition = list->items[i];
        if (grand_total || !can_substitute(*plan, condition)) {
            TRY(add(optimizer, &above, condition));
            continue;
        }
        TRY(opt_substitute(optimizer, *plan, &condition));
        TRY(add(optimizer, &below, condition));
    }
    TRY(push(optimizer, &(*plan)->left, &below));
    return put_filter(optimizer, &above, plan);
}

/* What stays above this node goes into a filter; its inputs are looked at on their own. */
static tdbplus_status push_nothing(struct optimizer *optimizer, struct plan **plan,
                                   struct conditions *list)
{
    struct conditions none[2] = {{0}, {0}};
    if ((*plan)->left != NULL) {
        TRY(push(optimizer, &(*plan)->left, &none[0]));
    }
    if ((*plan)->right != NULL) {
        TRY(push(optimizer, &(*plan)->right, &none[1]));
    }
    return put_filter(optimizer, list, plan);
}

/* A lateral join: conditions about one side move into it, as far as LEFT lets them. */
static tdbplus_status push_apply(struct optimizer *optimizer, struct plan **plan,
                                 struct conditions *list)
{
    struct plan *apply = *plan;
    struct conditions left = {0};
    struct conditions right = {0};
    struct conditions above = {0};
    for (uint32_t i = 0; i < list->count; i++) {
        struct expr *condition = list->items[i];
        bool left_only = reads_none(condition, apply->right);
        bool right_only = reads_none(condition, apply->left) && apply->join_kind == JOIN_INNER;
        TRY(add(optimizer, left_only ? &left : right_only ? &right : &above, condition));
    }
    TRY(push(optimizer, &apply->left, &left));
    TRY(push(optimizer, &apply->right, &right));
    return put_filter(optimizer, &above, plan);
}

static tdbplus_status push_filter(struct optimizer *optimizer, struct plan **plan,
                                  struct conditions *list)
{
    struct conditions volatiles = {0};
    struct conditions rest = {0};
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(add(optimizer, &rest, list->items[i]));
    }
    for (uint32_t i = 0; i < (*plan)->expr_count; i++) {
        TRY(add_split(optimizer, expr_volatile((*plan)->exprs[i]) ? &volatiles : &rest,
                      (*plan)->exprs[i]));
    }
    *plan = (*plan)->left;
    TRY(push(optimizer, plan, &rest));
    return put_filter(optimizer, &volatiles, plan);
}

static tdbplus_status push(struct optimizer *optimizer, struct plan **plan, struct conditions *list)
{
    switch ((*plan)->kind) {
    case PLAN_FILTER:
        return push_filter(optimizer, plan, list);
    case PLAN_JOIN:
        return push_join(optimizer, plan, list);
    case PLAN_PROJECT:
    case PLAN_AGGREGATE:
        return push_project(optimizer, plan, list);
    case PLAN_APPLY:
        return push_apply(optimizer, plan, list);
    case PLAN_DISTINCT:
        // Which row of several goes out depends on those before it.
        return (*plan)->expr_count > 0 ? push_nothing(optimizer, plan, list)
                                       : push(optimizer, &(*plan)->left, list);
    case PLAN_SORT:
    case PLAN_WITH:
        return push(optimizer, &(*plan)->left, list);
    default:
        return push_nothing(optimizer, plan, list);
    }
}

tdbplus_status opt_pushdown(struct optimizer *optimizer, struct plan **plan)
{
    struct conditions none = {0};
    return push(optimizer, plan, &none);
}
