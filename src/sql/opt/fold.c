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

/* True for what was tried, and failed: PostgreSQL fails with it when it plans. */
static bool has_failed(const struct expr *expr)
{
    const uint8_t later = FUNC_VOLATILE | FUNC_STABLE | FUNC_LATE_ERRORS;
    if (expr->kind == EXPR_CALL && is_constant(expr) && (expr->func->flags & later) == 0) {
        return true;
    }
    bool failed = false;
    for (uint32_t i = 0; i < expr->argument_count && !failed; i++) {
        failed = has_failed(expr->arguments[i]);
    }
    return failed;
}

/* A constant null settles a call that gives null for it; its other arguments are not evaluated. */
static bool is_settled(const struct expr *call)
{
    bool settled = false;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        const struct expr *argument = call->arguments[i];
        settled = settled || (argument->kind == EXPR_CONSTANT && argument->constant.is_null);
    }
    settled = settled && (call->func->flags & (FUNC_CALLED_ON_NULL | FUNC_SET)) == 0;
    for (uint32_t i = 0; i < call->argument_count && settled; i++) {
        settled = !has_failed(call->arguments[i]);
    }
    return settled;
}

static tdbplus_status replace(struct optimizer *optimizer, struct expr **expr,
                              const struct datum *value)
{
    struct expr *constant = expr_constant(optimizer->arena, value);
    if (constant == NULL) {
        return opt_no_memory(optimizer);
    }
    constant->position = (*expr)->position;
    *expr = constant;
    return TDBPLUS_OK;
}

static tdbplus_status fold_call(struct optimizer *optimizer, struct expr **expr)
{
    struct expr *call = *expr;
    if (is_settled(call)) {
        struct datum null = {.type = call->type, .is_null = true};
        return replace(optimizer, expr, &null);
    }
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
    return replace(optimizer, expr, &result);
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
