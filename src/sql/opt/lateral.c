/* FROM t, f(t.x): the rows of the function are made beside each row of t, instead of running a plan
 * of its own for each. */

#include <string.h>

#include "sql/opt/opt_internal.h"

static bool is_one_row(const struct plan *plan)
{
    return plan->kind == PLAN_VALUES && plan->column_count == 0 && plan->row_count == 1;
}

static tdbplus_status put_conditions(struct optimizer *optimizer, struct expr **exprs,
                                     uint32_t count, struct plan **plan)
{
    if (count == 0) {
        return TDBPLUS_OK;
    }
    struct plan *filter = plan_make(optimizer->arena, PLAN_FILTER, (*plan)->column_count);
    if (filter == NULL) {
        return opt_no_memory(optimizer);
    }
    memcpy(filter->columns, (*plan)->columns, filter->column_count * sizeof *filter->columns);
    filter->left = *plan;
    filter->exprs = exprs;
    filter->expr_count = count;
    *plan = filter;
    return TDBPLUS_OK;
}

tdbplus_status opt_lateral(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    struct plan *apply = *plan;
    bool expands = apply->kind == PLAN_APPLY && apply->join_kind == JOIN_INNER &&
                   apply->right->kind == PLAN_EXPAND && is_one_row(apply->right->left);
    if (expands) {
        struct plan *expand = apply->right;
        expand->left = apply->left;
        expand->columns = apply->columns;
        expand->column_count = apply->column_count;
        *plan = expand;
        TRY(put_conditions(optimizer, apply->exprs, apply->expr_count, plan));
        return opt_lateral(optimizer, &expand->left);
    }
    TRY(opt_lateral(optimizer, &apply->left));
    return opt_lateral(optimizer, &apply->right);
}
