/* Constant folding. An expression whose evaluation fails stays as it is: it may never be reached.
 */

#include "sql/opt/opt_internal.h"

static bool is_constant(const struct expr *expr)
{
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (expr->arguments[i]->kind != EXPR_CONSTANT) {
            return false;
        }
    }
    return true;
}

static tdbplus_status fold_call(struct optimizer *optimizer, struct expr **expr)
{
    struct expr *call = *expr;
    if (!is_constant(call) || (call->func->flags & (FUNC_VOLATILE | FUNC_STABLE)) != 0) {
        return TDBPLUS_OK;
    }
    struct datum *values = arena_array(optimizer->arena, call->argument_count + 1u, sizeof *values);
    if (values == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t i = 0; i < call->argument_count; i++) {
        values[i] = call->arguments[i]->constant;
    }
    struct datum result = {0};
    struct func_context context = {.session = optimizer->session};
    if (func_apply_once(call->func, call->type, values, call->argument_count, optimizer->arena,
                        &context, &result, NULL) != TDBPLUS_OK) {
        return TDBPLUS_OK;
    }
    result.type = call->type;
    struct expr *constant = expr_constant(optimizer->arena, &result);
    if (constant == NULL) {
        return opt_no_memory(optimizer);
    }
    constant->position = call->position;
    *expr = constant;
    return TDBPLUS_OK;
}

/* AND without its true arguments, OR without its false ones; settled by one that settles it. */
static void fold_junction(struct expr **expr)
{
    struct expr *junction = *expr;
    bool settled = junction->kind == EXPR_OR;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < junction->argument_count; i++) {
        struct expr *argument = junction->arguments[i];
        bool known = argument->kind == EXPR_CONSTANT && !argument->constant.is_null;
        if (known && argument->constant.boolean == settled) {
            *expr = argument;
            return;
        }
        if (!known) {
            junction->arguments[kept++] = argument;
        }
    }
    if (kept == 0) {
        *expr = junction->arguments[0];
    } else if (kept == 1) {
        *expr = junction->arguments[0];
    } else {
        junction->argument_count = kept;
    }
}

tdbplus_status opt_fold(struct optimizer *optimizer, struct expr **expr)
{
    for (uint32_t i = 0; i < (*expr)->argument_count; i++) {
        TRY(opt_fold(optimizer, &(*expr)->arguments[i]));
    }
    switch ((*expr)->kind) {
    case EXPR_CALL:
        return fold_call(optimizer, expr);
    case EXPR_AND:
    case EXPR_OR:
        fold_junction(expr);
        return TDBPLUS_OK;
    default:
        return TDBPLUS_OK;
    }
}
