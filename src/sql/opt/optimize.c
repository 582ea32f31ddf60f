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
    cte->rows = opt_estimate_rows(optimizer, cte->plan);
    return cte->step != NULL ? optimize_tree(optimizer, &cte->step) : TDBPLUS_OK;
}

/* Before the plan itself, so that its rules see finished subqueries. */
static tdbplus_status optimize_inner(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    if (opt_uses(optimizer, OPT_FOLD)) {
        TRY(opt_each_expr(optimizer, plan, opt_fold));
    }
    TRY(opt_each_expr(optimizer, plan, optimize_subqueries));
    for (uint32_t i = 0; plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        TRY(optimize_cte(optimizer, plan->ctes[i]));
    }
    TRY(optimize_inner(optimizer, plan->left));
    return optimize_inner(optimizer, plan->right);
}

/* Rules before and after the queries inside of expressions are planned. */
static tdbplus_status reshape(struct optimizer *optimizer, struct plan **plan)
{
    if (opt_uses(optimizer, OPT_INLINE_CTE)) {
        TRY(opt_inline_cte(optimizer, plan));
    }
    if (opt_uses(optimizer, OPT_LATERAL)) {
        TRY(opt_lateral(optimizer, plan));
    }
    if (opt_uses(optimizer, OPT_SEMI_JOIN)) {
        TRY(opt_semi_join(optimizer, plan));
    }
    return opt_uses(optimizer, OPT_DECORRELATE) ? opt_decorrelate(optimizer, plan) : TDBPLUS_OK;
}

static tdbplus_status optimize_tree(struct optimizer *optimizer, struct plan **plan)
{
    TRY(opt_check(optimizer));
    TRY(reshape(optimizer, plan));
    TRY(optimize_inner(optimizer, *plan));
    if (opt_uses(optimizer, OPT_OR_SPLIT)) {
        TRY(opt_or_split(optimizer, *plan));
    }
    if (opt_uses(optimizer, OPT_PUSHDOWN)) {
        TRY(opt_pushdown(optimizer, plan));
    }
    if (opt_uses(optimizer, OPT_MERGE_PROJECT)) {
        TRY(opt_merge_project(optimizer, *plan));
    }
    if (opt_uses(optimizer, OPT_JOIN_ORDER)) {
        TRY(opt_join_order(optimizer, plan));
    }
    if (optimizer->notes_rows) {
        opt_note_rows(optimizer, *plan);
    }
    if (opt_uses(optimizer, OPT_INDEX_PATH)) {
        TRY(opt_index_path(optimizer, *plan));
    }
    if (opt_uses(optimizer, OPT_SCAN_BOUNDS)) {
        TRY(opt_scan_bounds(optimizer, plan));
    }
    if (opt_uses(optimizer, OPT_TOP)) {
        TRY(opt_top(optimizer, *plan));
    }
    if (opt_uses(optimizer, OPT_INDEX_ORDER)) {
        TRY(opt_index_order(optimizer, plan));
    }
    if (opt_uses(optimizer, OPT_DOCUMENT_PATH)) {
        TRY(opt_document_path(optimizer, *plan));
    }
    return opt_prune(optimizer, *plan);
}

const char *opt_rule_name(uint32_t rule)
{
    static const char *const names[OPT_RULE_COUNT] = {
        [OPT_FOLD] = "fold",
        [OPT_INLINE_CTE] = "inline_cte",
        [OPT_LATERAL] = "lateral",
        [OPT_SEMI_JOIN] = "semi_join",
        [OPT_DECORRELATE] = "decorrelate",
        [OPT_OR_SPLIT] = "or_split",
        [OPT_PUSHDOWN] = "pushdown",
        [OPT_MERGE_PROJECT] = "merge_project",
        [OPT_JOIN_ORDER] = "join_order",
        [OPT_INDEX_PATH] = "index_path",
        [OPT_SCAN_BOUNDS] = "scan_bounds",
        [OPT_TOP] = "top",
        [OPT_INDEX_ORDER] = "index_order",
        [OPT_DOCUMENT_PATH] = "document_path",
        [OPT_EQUAL_COLUMNS] = "equal_columns",
        [OPT_PRUNE] = "prune",
    };
    return names[rule];
}

tdbplus_status optimize(struct plan **plan, struct arena *arena, uint32_t *next_id,
                        const struct opt_options *options, struct err *err)
{
    struct optimizer optimizer = {.arena = arena,
                                  .err = err,
                                  .next_id = next_id,
                                  .sampler = options->sampler,
                                  .notes_rows = options->notes_rows,
                                  .rules_off = options->rules_off,
                                  .session = options->session,
                                  .options = options};
    return optimize_tree(&optimizer, plan);
}

double optimize_rows(const struct plan *plan)
{
    struct optimizer optimizer = {0};
    return opt_estimate_rows(&optimizer, plan);
}
