/* A WITH query that is read once becomes part of its reader, so that conditions reach its tables;
 * as in PostgreSQL, unless it says MATERIALIZED, changes or locks rows, or calls volatile
 * functions. */

#include <string.h>

#include "sql/opt/opt_internal.h"

static bool is_steady(void *ctx, struct expr *expr);

/* True when running the plan later, or not to its end, makes no difference. */
static bool can_wait(struct plan *plan)
{
    if (plan == NULL) {
        return true;
    }
    bool good = plan->kind < PLAN_INSERT && plan->kind != PLAN_LOCK && plan->kind != PLAN_SAMPLE &&
                plan->kind != PLAN_WORK;
    for (uint32_t i = 0; good && plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        good =
            !plan->ctes[i]->changes && plan->ctes[i]->step == NULL && can_wait(plan->ctes[i]->plan);
    }
    return good && plan_each_expr(plan, is_steady, NULL) && can_wait(plan->left) &&
           can_wait(plan->right);
}

static bool is_steady(void *ctx, struct expr *expr)
{
    bool good = (expr->func == NULL || (expr->func->flags & FUNC_VOLATILE) == 0) &&
                (expr->subquery == NULL || can_wait(expr->subquery->plan));
    for (uint32_t i = 0; good && i < expr->argument_count; i++) {
        good = is_steady(ctx, expr->arguments[i]);
    }
    return good;
}

/* The reader, if it is run once for each run of the plan. */
static struct plan **find_reader(struct plan **plan, const struct plan_cte *cte)
{
    if (*plan == NULL || ((*plan)->kind == PLAN_CTE && (*plan)->cte == cte)) {
        return *plan == NULL ? NULL : plan;
    }
    struct plan **found = find_reader(&(*plan)->left, cte);
    // The right side of a lateral join is run again and again.
    return found != NULL || (*plan)->kind == PLAN_APPLY ? found : find_reader(&(*plan)->right, cte);
}

static tdbplus_status put_query(struct optimizer *optimizer, const struct plan_cte *cte,
                                struct plan **reader)
{
    uint32_t count = (*reader)->column_count;
    struct plan *project = plan_make(optimizer->arena, PLAN_PROJECT, count);
    struct expr **exprs = arena_array(optimizer->arena, count + 1u, sizeof *exprs);
    if (project == NULL || exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    memcpy(project->columns, (*reader)->columns, count * sizeof *project->columns);
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_column *column = &cte->plan->columns[i];
        exprs[i] = expr_column(optimizer->arena, column->id, column->type);
        if (exprs[i] == NULL) {
            return opt_no_memory(optimizer);
        }
    }
    project->exprs = exprs;
    project->expr_count = count;
    project->left = cte->plan;
    *reader = project;
    return TDBPLUS_OK;
}

/* The last first: it may be what reads those before it. Most readers stand in the query that was
 * put in its place just before, so that a long chain is not walked from its begin each time. */
static tdbplus_status inline_ctes(struct optimizer *optimizer, struct plan *with)
{
    struct plan **last = NULL;
    for (uint32_t i = with->cte_count; i-- > 0;) {
        TRY(opt_check(optimizer));
        const struct plan_cte *cte = with->ctes[i];
        if (cte->reader_count != 1 || cte->materialized || cte->step != NULL || cte->changes ||
            !can_wait(cte->plan)) {
            continue;
        }
        struct plan **reader = last == NULL ? NULL : find_reader(last, cte);
        reader = reader == NULL ? find_reader(&with->left, cte) : reader;
        if (reader == NULL) {
            continue;
        }
        TRY(put_query(optimizer, cte, reader));
        last = &(*reader)->left;
        memmove(&with->ctes[i], &with->ctes[i + 1],
                (with->cte_count - i - 1) * sizeof(struct plan_cte *));
        with->cte_count--;
    }
    return TDBPLUS_OK;
}

tdbplus_status opt_inline_cte(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    TRY(opt_inline_cte(optimizer, &(*plan)->left));
    TRY(opt_inline_cte(optimizer, &(*plan)->right));
    if ((*plan)->kind == PLAN_WITH) {
        TRY(inline_ctes(optimizer, *plan));
        if ((*plan)->cte_count == 0) {
            *plan = (*plan)->left;
        }
    }
    return TDBPLUS_OK;
}
