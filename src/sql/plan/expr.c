#include "sql/plan/expr.h"

struct expr *expr_make(struct arena *arena, enum expr_kind kind, struct type type,
                       uint32_t argument_count)
{
    struct expr *expr = arena_array(arena, 1, sizeof *expr);
    if (expr == NULL) {
        return NULL;
    }
    expr->kind = (uint8_t)kind;
    expr->type = type;
    if (argument_count > 0) {
        expr->arguments = arena_array(arena, argument_count, sizeof(struct expr *));
        if (expr->arguments == NULL) {
            return NULL;
        }
        expr->argument_count = argument_count;
    }
    return expr;
}

struct expr *expr_constant(struct arena *arena, const struct datum *value)
{
    struct expr *expr = expr_make(arena, EXPR_CONSTANT, value->type, 0);
    if (expr != NULL) {
        expr->constant = *value;
    }
    return expr;
}

struct expr *expr_column(struct arena *arena, uint32_t id, struct type type)
{
    struct expr *expr = expr_make(arena, EXPR_COLUMN, type, 0);
    if (expr != NULL) {
        expr->number = id;
    }
    return expr;
}

struct expr *expr_call(struct arena *arena, const struct func *func, struct type type,
                       uint32_t argument_count)
{
    struct expr *expr = expr_make(arena, EXPR_CALL, type, argument_count);
    if (expr != NULL) {
        expr->func = func;
    }
    return expr;
}

static bool same_constant(const struct datum *left, const struct datum *right)
{
    if (!type_equal(left->type, right->type) || left->is_null != right->is_null) {
        return false;
    }
    return left->is_null || left->type.id == TYPE_NONE || datum_compare(left, right) == 0;
}

bool expr_equal(const struct expr *left, const struct expr *right)
{
    if (left == right) {
        return true;
    }
    if (left->kind != right->kind || left->negated != right->negated ||
        left->number != right->number || left->func != right->func ||
        left->argument_count != right->argument_count || !type_equal(left->type, right->type) ||
        left->subquery != right->subquery || left->domain != right->domain) {
        return false;
    }
    if (left->kind == EXPR_CONSTANT && !same_constant(&left->constant, &right->constant)) {
        return false;
    }
    if (left->func != NULL && (left->func->flags & FUNC_VOLATILE) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < left->argument_count; i++) {
        if (!expr_equal(left->arguments[i], right->arguments[i])) {
            return false;
        }
    }
    return true;
}

bool expr_walk(struct expr **expr, bool (*visit)(void *ctx, struct expr **node), void *ctx)
{
    if (!visit(ctx, expr)) {
        return false;
    }
    for (uint32_t i = 0; i < (*expr)->argument_count; i++) {
        if (!expr_walk(&(*expr)->arguments[i], visit, ctx)) {
            return false;
        }
    }
    return true;
}

bool expr_contains(const struct expr *expr, enum expr_kind kind)
{
    if (expr->kind == kind) {
        return true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (expr_contains(expr->arguments[i], kind)) {
            return true;
        }
    }
    return false;
}

bool expr_volatile(const struct expr *expr)
{
    if (expr->func != NULL && (expr->func->flags & FUNC_VOLATILE) != 0) {
        return true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (expr_volatile(expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

bool expr_is_row_free(const struct expr *expr)
{
    return !expr_contains(expr, EXPR_COLUMN) && !expr_contains(expr, EXPR_SUBQUERY) &&
           !expr_volatile(expr);
}
