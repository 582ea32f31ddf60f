/* GROUP BY over a projection reads what the projection reads: its expressions take the place of its
 * columns, so that sums of products are computed where they are added up. */

#include "sql/opt/opt_internal.h"

static bool can_merge(const struct plan *project)
{
    for (uint32_t i = 0; i < project->expr_count; i++) {
        if (expr_volatile(project->exprs[i]) || expr_contains(project->exprs[i], EXPR_SUBQUERY)) {
            return false;
        }
    }
    return true;
}

static bool has_subquery(const struct plan *aggregate)
{
    for (uint32_t i = 0; i < aggregate->expr_count; i++) {
        if (expr_contains(aggregate->exprs[i], EXPR_SUBQUERY)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < aggregate->aggregate_count; i++) {
        const struct plan_aggregate *item = &aggregate->aggregates[i];
        for (uint32_t a = 0; a < item->argument_count; a++) {
            if (expr_contains(item->arguments[a], EXPR_SUBQUERY)) {
                return true;
            }
        }
        if (item->filter != NULL && expr_contains(item->filter, EXPR_SUBQUERY)) {
            return true;
        }
    }
    return false;
}

static tdbplus_status merge(struct optimizer *optimizer, struct plan *aggregate)
{
    const struct plan *project = aggregate->left;
    for (uint32_t i = 0; i < aggregate->expr_count; i++) {
        TRY(opt_substitute(optimizer, project, &aggregate->exprs[i]));
    }
    for (uint32_t i = 0; i < aggregate->aggregate_count; i++) {
        struct plan_aggregate *item = &aggregate->aggregates[i];
        for (uint32_t a = 0; a < item->argument_count; a++) {
            TRY(opt_substitute(optimizer, project, &item->arguments[a]));
        }
        if (item->filter != NULL) {
            TRY(opt_substitute(optimizer, project, &item->filter));
        }
    }
    aggregate->left = project->left;
    return TDBPLUS_OK;
}

tdbplus_status opt_merge_project(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    while (plan->kind == PLAN_AGGREGATE && plan->left->kind == PLAN_PROJECT &&
           can_merge(plan->left) && !has_subquery(plan)) {
        TRY(merge(optimizer, plan));
    }
    TRY(opt_merge_project(optimizer, plan->left));
    return opt_merge_project(optimizer, plan->right);
}
