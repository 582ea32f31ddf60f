#include "sql/opt/optimize.h"

#include "sql/opt/opt_internal.h"

tdbplus_status opt_no_memory(struct optimizer *optimizer)
{
    return err_set(optimizer->err, TDBPLUS_E_NOMEM, "out of memory while planning");
}

tdbplus_status opt_each_expr(struct optimizer *optimizer, struct plan *plan,
                             tdbplus_status (*visit)(struct optimizer *optimizer,
                                                     struct expr **expr))
{
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        if (plan->exprs[i] != NULL) {
            TRY(visit(optimizer, &plan->exprs[i]));
        }
    }
    for (uint32_t i = 0; plan->kind == PLAN_AGGREGATE && i < plan->aggregate_count; i++) {
        struct plan_aggregate *aggregate = &plan->aggregates[i];
        for (uint32_t a = 0; a < aggregate->argument_count; a++) {
            TRY(visit(optimizer, &aggregate->arguments[a]));
        }
        if (aggregate->filter != NULL) {
            TRY(visit(optimizer, &aggregate->filter));
        }
    }
    for (uint32_t i = 0; plan->kind == PLAN_SORT && i < plan->key_count; i++) {
        TRY(visit(optimizer, &plan->keys[i].value));
    }
    return TDBPLUS_OK;
}

static tdbplus_status optimize_tree(struct optimizer *optimizer, struct plan **plan);

/* Queries inside of an expression are planned on their own. */
static tdbplus_status optimize_subqueries(struct optimizer *optimizer, struct expr **expr)
{
    if ((*expr)->subquery != NULL) {
        TRY(optimize_tree(optimizer, &(*expr)->subquery->plan));
    }
    for (uint32_t i = 0; i < (*expr)->argument_count; i++) {
        TRY(optimize_subqueries(optimizer, &(*expr)->arguments[i]));
    }
    return TDBPLUS_OK;
}

/* Before the plan itself, so that its rules see finished subqueries. A WITH query is planned by its
 * first reader. */
static tdbplus_status optimize_inner(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    TRY(opt_each_expr(optimizer, plan, opt_fold));
    TRY(opt_each_expr(optimizer, plan, optimize_subqueries));
    if (plan->kind == PLAN_CTE && !plan->cte->planned) {
        plan->cte->planned = true;
        TRY(optimize_tree(optimizer, &plan->cte->plan));
    }
    TRY(optimize_inner(optimizer, plan->left));
    return optimize_inner(optimizer, plan->right);
}

static tdbplus_status optimize_tree(struct optimizer *optimizer, struct plan **plan)
{
    TRY(opt_semi_join(optimizer, plan));
    TRY(optimize_inner(optimizer, *plan));
    TRY(opt_pushdown(optimizer, plan));
    TRY(opt_scan_bounds(optimizer, plan));
    TRY(opt_top(optimizer, *plan));
    return opt_prune(optimizer, *plan);
}

tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id, struct err *err)
{
    struct optimizer optimizer = {.arena = arena, .err = err, .next_id = next_id};
    return optimize_tree(&optimizer, plan);
}
