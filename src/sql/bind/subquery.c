/* Queries inside of expressions. */

#include "sql/bind/bind_internal.h"

static tdbplus_status bind_inner(struct binder *binder, struct bind_query *query,
                                 const struct ast_subquery *ast, struct expr_subquery *subquery)
{
    struct pointers outer_ids = {0};
    // A level of its own that has no columns: it collects what is read from outside.
    struct bind_query border = {.outer = query, .ctes = query->ctes, .outer_ids = &outer_ids};
    uint8_t recursion = binder->recursion;
    binder->recursion = RECURSION_SUBQUERY;
    TRY(bind_select(binder, &border, (const struct ast_select *)ast->query, false,
                    &subquery->plan));
    binder->recursion = recursion;
    subquery->outer_ids = arena_array(binder->arena, outer_ids.count + 1u, sizeof(uint32_t));
    if (subquery->outer_ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < outer_ids.count; i++) {
        subquery->outer_ids[i] = (uint32_t)(uintptr_t)outer_ids.items[i];
    }
    subquery->outer_count = outer_ids.count;
    return TDBPLUS_OK;
}

/* The comparison of ANY and ALL: both sides are cast as its operator wants. */
static tdbplus_status bind_quantified(struct binder *binder, struct bind_query *query,
                                      const struct ast_subquery *ast, struct expr *expr)
{
    struct expr_subquery *subquery = expr->subquery;
    if (ast->test->kind == AST_ROW) {
        return bind_unsupported(binder, ast->test->position, "a row compared with a subquery");
    }
    TRY(bind_expression(binder, query, ast->test, &expr->arguments[0]));
    const struct plan_column *column = &subquery->plan->columns[0];
    struct expr *value = expr_column(binder->arena, column->id, column->type);
    if (value == NULL) {
        return bind_no_memory(binder);
    }
    const char *name = ast->name != NULL ? ast->name : "=";
    struct expr *inner = value;
    TRY(bind_comparison(binder, name, &expr->arguments[0], &inner, ast->ast.position, &expr->func));
    if (inner != value) {
        // The cast becomes a projection of the query.
        struct pointers exprs = {0};
        struct pointers names = {0};
        if (!pointers_push(binder->arena, &exprs, inner) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
        TRY(bind_project(binder, subquery->plan, &exprs, &names, &subquery->plan));
    }
    subquery->value_type = inner->type;
    return TDBPLUS_OK;
}

tdbplus_status bind_subquery(struct binder *binder, struct bind_query *query,
                             const struct ast_subquery *ast, struct expr **expr_out)
{
    static const uint8_t kinds[] = {
        [AST_EXISTS] = EXPR_EXISTS,         [AST_SUBQUERY_ALL] = EXPR_ALL,
        [AST_SUBQUERY_ANY] = EXPR_ANY,      [AST_SCALAR] = EXPR_SCALAR,
        [AST_SUBQUERY_ARRAY] = EXPR_SCALAR,
    };
    bool quantified =
        ast->subquery_kind == AST_SUBQUERY_ANY || ast->subquery_kind == AST_SUBQUERY_ALL;
    struct expr *expr =
        expr_make(binder->arena, EXPR_SUBQUERY, type_of(TYPE_BOOL), quantified ? 1 : 0);
    struct expr_subquery *subquery = arena_array(binder->arena, 1, sizeof *subquery);
    if (expr == NULL || subquery == NULL) {
        return bind_no_memory(binder);
    }
    expr->subquery = subquery;
    expr->position = ast->ast.position;
    subquery->kind = kinds[ast->subquery_kind];
    TRY(bind_inner(binder, query, ast, subquery));
    if (subquery->kind != EXPR_EXISTS && subquery->plan->column_count != 1) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         quantified ? "subquery has too many columns"
                                    : "subquery must return only one column");
    }
    if (quantified) {
        TRY(bind_quantified(binder, query, ast, expr));
    }
    if (ast->subquery_kind == AST_SUBQUERY_ARRAY) {
        return bind_array_subquery(binder, expr, expr_out);
    }
    if (subquery->kind == EXPR_SCALAR) {
        expr->type = subquery->plan->columns[0].type;
        // As columns: the stored form of numbers is left at once.
        *expr_out = expr;
        return bind_coerce(binder, expr_out, func_type_base(expr->type), FUNC_CAST_IMPLICIT);
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}
