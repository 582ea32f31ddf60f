/*
 * (a AND x) OR (a AND y) is a AND (x OR y). And where each side of an OR says something about one
 * input of a join alone, the input can be asked for that before joining; the OR itself stays.
 */

#include "sql/opt/opt_internal.h"

#define ADDED_COUNT_MAX 32u

struct added {
    struct expr *items[ADDED_COUNT_MAX];
    uint32_t count;
};

static void add(struct added *added, struct expr *expr)
{
    if (added->count < ADDED_COUNT_MAX) {
        added->items[added->count++] = expr;
    }
}

static bool has_conjunct(struct expr *const *disjunct, const struct expr *wanted)
{
    uint32_t count = 0;
    struct expr *const *list = opt_conjuncts(disjunct, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (expr_equal(list[i], wanted)) {
            return true;
        }
    }
    return false;
}

static void find_common(const struct expr *junction, struct added *added)
{
    uint32_t count = 0;
    struct expr *const *first = opt_conjuncts(&junction->arguments[0], &count);
    for (uint32_t i = 0; i < count; i++) {
        bool common = !expr_volatile(first[i]) && !expr_contains(first[i], EXPR_SUBQUERY);
        for (uint32_t d = 1; common && d < junction->argument_count; d++) {
            common = has_conjunct(&junction->arguments[d], first[i]);
        }
        if (common) {
            add(added, first[i]);
        }
    }
}

/* Columns and constants of one input under comparisons, which cannot fail. */
static bool is_harmless(const struct expr *expr, const struct plan *input)
{
    switch (expr->kind) {
    case EXPR_CONSTANT:
        return true;
    case EXPR_COLUMN:
        return plan_find_column(input, expr->number) != NULL;
    case EXPR_CALL:
        if (expr->type.id != TYPE_BOOL && expr->type.id != TYPE_NUMERIC) {
            return false;
        }
        if (expr->type.id == TYPE_NUMERIC && expr->argument_count != 1) {
            return false;
        }
        break;
    case EXPR_ANY_OF:
    case EXPR_IS_NULL:
    case EXPR_AND:
    case EXPR_OR:
        break;
    default:
        return false;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!is_harmless(expr->arguments[i], input)) {
            return false;
        }
    }
    return true;
}

/* What one side of the OR says about the input alone; NULL: nothing. */
static tdbplus_status about_input(struct optimizer *optimizer, struct expr *const *disjunct,
                                  const struct plan *input, struct expr **out)
{
    uint32_t count = 0;
    struct expr *const *list = opt_conjuncts(disjunct, &count);
    struct expr *both = expr_make(optimizer->arena, EXPR_AND, type_of(TYPE_BOOL), count);
    if (both == NULL) {
        return opt_no_memory(optimizer);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (opt_expr_reads(list[i], input) && is_harmless(list[i], input)) {
            both->arguments[kept++] = list[i];
        }
    }
    both->argument_count = kept;
    *out = kept == 0 ? NULL : kept == 1 ? both->arguments[0] : both;
    return TDBPLUS_OK;
}

static tdbplus_status imply(struct optimizer *optimizer, const struct expr *junction,
                            const struct plan *input, struct added *added)
{
    if (input->kind == PLAN_JOIN && input->join_kind == JOIN_INNER) {
        TRY(imply(optimizer, junction, input->left, added));
        return imply(optimizer, junction, input->right, added);
    }
    if (input->kind == PLAN_JOIN || input->kind == PLAN_FILTER) {
        return imply(optimizer, junction, input->left, added);
    }
    struct expr *either =
        expr_make(optimizer->arena, EXPR_OR, type_of(TYPE_BOOL), junction->argument_count);
    if (either == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t d = 0; d < junction->argument_count; d++) {
        TRY(about_input(optimizer, &junction->arguments[d], input, &either->arguments[d]));
        if (either->arguments[d] == NULL) {
            return TDBPLUS_OK;
        }
    }
    add(added, either);
    return TDBPLUS_OK;
}

static tdbplus_status split_filter(struct optimizer *optimizer, struct plan *filter)
{
    struct added added = {.count = 0};
    bool joins = filter->left->kind == PLAN_JOIN;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        uint32_t count = 0;
        struct expr *const *list = opt_conjuncts(&filter->exprs[i], &count);
        for (uint32_t k = 0; joins && k < count; k++) {
            if (list[k]->kind == EXPR_OR && list[k]->argument_count > 1) {
                find_common(list[k], &added);
                TRY(imply(optimizer, list[k], filter->left, &added));
            }
        }
    }
    if (added.count == 0) {
        return TDBPLUS_OK;
    }
    struct expr **exprs =
        arena_array(optimizer->arena, filter->expr_count + added.count, sizeof *exprs);
    if (exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        exprs[i] = filter->exprs[i];
    }
    for (uint32_t i = 0; i < added.count; i++) {
        exprs[filter->expr_count + i] = added.items[i];
    }
    filter->exprs = exprs;
    filter->expr_count += added.count;
    return TDBPLUS_OK;
}

tdbplus_status opt_or_split(struct optimizer *optimizer, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    if (plan->kind == PLAN_FILTER) {
        TRY(split_filter(optimizer, plan));
    }
    TRY(opt_or_split(optimizer, plan->left));
    return opt_or_split(optimizer, plan->right);
}
