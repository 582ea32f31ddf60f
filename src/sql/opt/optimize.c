#include "sql/opt/optimize.h"

#include "sql/opt/opt_internal.h"

tdbplus_status opt_no_memory(struct optimizer *optimizer)
{
    return err_set(optimizer->err, TDBPLUS_E_NOMEM, "out of memory while planning");
}

struct expr_visit {
    struct optimizer *optimizer;
    tdbplus_status (*visit)(struct optimizer *optimizer, struct expr **expr);
    tdbplus_status status;
};

static bool visit_slot(void *ctx, struct expr **slot)
{
    struct expr_visit *visit = ctx;
    visit->status = visit->visit(visit->optimizer, slot);
    return visit->status == TDBPLUS_OK;
}

tdbplus_status opt_each_expr(struct optimizer *optimizer, struct plan *plan,
                             tdbplus_status (*visit)(struct optimizer *optimizer,
                                                     struct expr **expr))
{
    struct expr_visit each = {optimizer, visit, TDBPLUS_OK};
    (void)plan_each_slot(plan, visit_slot, &each);
    return each.status;
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

static tdbplus_status optimize_cte(struct optimizer *optimizer, struct plan_cte *cte)
{
    TRY(optimize_tree(optimizer, &cte->plan));
    return cte->step != NULL ? optimize_tree(optimizer, &cte->step) : TDBPLUS_OK;
}

/* Before the plan itself, so that its rules see finished subqueries. */
static tdbplus_status optimize_inner(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    TRY(opt_each_expr(optimizer, plan, opt_fold));
    TRY(opt_each_expr(optimizer, plan, optimize_subqueries));
    for (uint32_t i = 0; plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        TRY(optimize_cte(optimizer, plan->ctes[i]));
    }
    TRY(optimize_inner(optimizer, plan->left));
    return optimize_inner(optimizer, plan->right);
}

static tdbplus_status optimize_tree(struct optimizer *optimizer, struct plan **plan)
{
    TRY(opt_lateral(optimizer, plan));
    TRY(opt_semi_join(optimizer, plan));
    TRY(opt_decorrelate(optimizer, plan));
    TRY(optimize_inner(optimizer, *plan));
    TRY(opt_or_split(optimizer, *plan));
    TRY(opt_pushdown(optimizer, plan));
    TRY(opt_merge_project(optimizer, *plan));
    TRY(opt_join_order(optimizer, plan));
    TRY(opt_index_path(optimizer, *plan));
    TRY(opt_scan_bounds(optimizer, plan));
    TRY(opt_top(optimizer, *plan));
    TRY(opt_index_order(optimizer, plan));
    TRY(opt_document_path(optimizer, *plan));
    return opt_prune(optimizer, *plan);
}

tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id,
                        const struct opt_sampler *sampler, struct err *err)
{
    struct optimizer optimizer = {
        .arena = arena, .err = err, .next_id = next_id, .sampler = sampler};
    return optimize_tree(&optimizer, plan);
}
