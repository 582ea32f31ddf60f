/* ORDER BY ... LIMIT: the sort is told how many rows will be asked for. */

#include "sql/opt/opt_internal.h"

tdbplus_status opt_top(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    struct plan *below = plan->left;
    // A projection between the two changes no number of rows.
    while (plan->kind == PLAN_LIMIT && below->kind == PLAN_PROJECT) {
        below = below->left;
    }
    if (plan->kind == PLAN_LIMIT && below->kind == PLAN_SORT && plan->exprs[0] != NULL &&
        plan->expr_count == 2 && below->top_count == NULL) {
        below->top_count = plan->exprs[0];
        below->rows = plan->rows;
        below->top_offset = plan->exprs[1];
    }
    TRY(opt_top(optimizer, plan->left));
    return opt_top(optimizer, plan->right);
}
