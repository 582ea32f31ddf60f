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

static bool has_no_subquery(void *ctx, struct expr *expr)
{
    (void)ctx;
    return !expr_contains(expr, EXPR_SUBQUERY);
}

struct merging {
    struct optimizer *optimizer;
    const struct plan *project;
    tdbplus_status status;
};

static bool substitute_slot(void *ctx, struct expr **slot)
{
    struct merging *merging = ctx;
    merging->status = opt_substitute(merging->optimizer, merging->project, slot);
    return merging->status == TDBPLUS_OK;
}

static tdbplus_status merge(struct optimizer *optimizer, struct plan *aggregate)
{
    struct merging merging = {optimizer, aggregate->left, TDBPLUS_OK};
    (void)plan_each_slot(aggregate, substitute_slot, &merging);
    TRY(merging.status);
    aggregate->left = merging.project->left;
    return TDBPLUS_OK;
}

tdbplus_status opt_merge_project(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    while (plan->kind == PLAN_AGGREGATE && plan->left->kind == PLAN_PROJECT &&
           can_merge(plan->left) && plan_each_expr(plan, has_no_subquery, NULL)) {
        TRY(merge(optimizer, plan));
    }
    TRY(opt_merge_project(optimizer, plan->left));
    return opt_merge_project(optimizer, plan->right);
}
