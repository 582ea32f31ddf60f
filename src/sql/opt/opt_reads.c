/* Who reads what: questions that several rules ask. */

#include "sql/opt/opt_internal.h"

bool opt_expr_reads(const struct expr *expr, const struct plan *input)
{
    if (expr->kind == EXPR_COLUMN && plan_find_column(input, expr->number) != NULL) {
        return true;
    }
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        if (plan_find_column(input, expr->subquery->outer_ids[i]) != NULL) {
            return true;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (opt_expr_reads(expr->arguments[i], input)) {
            return true;
        }
    }
    return false;
}

struct reads_ctx {
    const struct plan *input;
};

static bool reads_nothing(void *ctx, struct expr *expr)
{
    return !opt_expr_reads(expr, ((const struct reads_ctx *)ctx)->input);
}

static bool ctes_read(const struct plan *with, const struct plan *input)
{
    for (uint32_t i = 0; i < with->cte_count; i++) {
        if (opt_plan_reads(with->ctes[i]->plan, input) ||
            opt_plan_reads(with->ctes[i]->step, input)) {
            return true;
        }
    }
    return false;
}

bool opt_plan_reads(struct plan *plan, const struct plan *input)
{
    if (plan == NULL) {
        return false;
    }
    struct reads_ctx ctx = {input};
    return !plan_each_expr(plan, reads_nothing, &ctx) ||
           (plan->kind == PLAN_WITH && ctes_read(plan, input)) ||
           opt_plan_reads(plan->left, input) || opt_plan_reads(plan->right, input);
}

struct expr *const *opt_conjuncts(struct expr *const *expr, uint32_t *count_out)
{
    *count_out = (*expr)->kind == EXPR_AND ? (*expr)->argument_count : 1;
    return (*expr)->kind == EXPR_AND ? (*expr)->arguments : expr;
}

tdbplus_status opt_substitute(struct optimizer *optimizer, const struct plan *project,
                              struct expr **expr)
{
    if ((*expr)->kind == EXPR_COLUMN) {
        for (uint32_t i = 0; i < project->expr_count; i++) {
            if (project->columns[i].id == (*expr)->number) {
                *expr = project->exprs[i];
                break;
            }
        }
        return TDBPLUS_OK;
    }
    if ((*expr)->argument_count == 0) {
        return TDBPLUS_OK;
    }
    struct expr *copy = expr_make(optimizer->arena, (enum expr_kind)(*expr)->kind, (*expr)->type,
                                  (*expr)->argument_count);
    if (copy == NULL) {
        return opt_no_memory(optimizer);
    }
    struct expr **arguments = copy->arguments;
    *copy = **expr;
    copy->arguments = arguments;
    for (uint32_t i = 0; i < copy->argument_count; i++) {
        arguments[i] = (*expr)->arguments[i];
        TRY(opt_substitute(optimizer, project, &arguments[i]));
    }
    *expr = copy;
    return TDBPLUS_OK;
}
