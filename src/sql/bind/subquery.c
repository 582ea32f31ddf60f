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

/* Rows: whether each is as wanted is a column of the query, of which any or all must be true. */
static tdbplus_status quantify_rows(struct binder *binder, struct bind_query *query,
                                    const struct ast_subquery *ast, struct expr *expr)
{
    const char *name = ast->name != NULL ? ast->name : "=";
    TRY(bind_row_subquery(binder, query, ast->test, name, ast->ast.position, expr->subquery));
    struct datum yes = {.type = type_of(TYPE_BOOL), .boolean = true};
    expr->arguments[0] = expr_constant(binder->arena, &yes);
    const struct plan_column *column = &expr->subquery->plan->columns[0];
    struct expr *value = expr_column(binder->arena, column->id, column->type);
    if (expr->arguments[0] == NULL || value == NULL) {
        return bind_no_memory(binder);
    }
    expr->subquery->value_type = column->type;
    return bind_comparison(binder, "=", &expr->arguments[0], &value, ast->ast.position,
                           &expr->func);
}

/* (a, b) = (SELECT ...): of the only row. */
tdbplus_status bind_row_with_query(struct binder *binder, struct bind_query *query,
                                   const struct ast_operator *ast, struct expr **expr_out)
{
    const struct ast_subquery *inner = (const struct ast_subquery *)ast->right;
    struct expr *expr = expr_make(binder->arena, EXPR_SUBQUERY, type_of(TYPE_BOOL), 0);
    struct expr_subquery *subquery = arena_array(binder->arena, 1, sizeof *subquery);
    if (expr == NULL || subquery == NULL) {
        return bind_no_memory(binder);
    }
    expr->subquery = subquery;
    expr->position = ast->ast.position;
    subquery->kind = EXPR_SCALAR;
    TRY(bind_inner(binder, query, inner, subquery));
    TRY(bind_row_subquery(binder, query, ast->left, ast->name, ast->ast.position, subquery));
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* Column `number` of the only row: SET (a, b) = (SELECT ...). */
tdbplus_status bind_query_column(struct binder *binder, struct bind_query *query,
                                 const struct ast_subquery *ast, uint32_t number, uint32_t count,
                                 struct expr **expr_out)
{
    struct expr *expr = expr_make(binder->arena, EXPR_SUBQUERY, type_of(TYPE_BOOL), 0);
    struct expr_subquery *subquery = arena_array(binder->arena, 1, sizeof *subquery);
    if (expr == NULL || subquery == NULL) {
        return bind_no_memory(binder);
    }
    expr->subquery = subquery;
    expr->position = ast->ast.position;
    subquery->kind = EXPR_SCALAR;
    TRY(bind_inner(binder, query, ast, subquery));
    if (subquery->plan->column_count != count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "number of columns does not match number of values");
    }
    const struct plan_column *column = &subquery->plan->columns[number];
    struct expr *value = expr_column(binder->arena, column->id, column->type);
    struct pointers exprs = {0};
    struct pointers names = {0};
    if (value == NULL || !pointers_push(binder->arena, &exprs, value) ||
        !pointers_push(binder->arena, &names, NULL)) {
        return bind_no_memory(binder);
    }
    TRY(bind_project(binder, subquery->plan, &exprs, &names, &subquery->plan));
    expr->type = column->type;
    *expr_out = expr;
    return bind_coerce(binder, expr_out, func_type_base(expr->type), FUNC_CAST_IMPLICIT);
}

/* The comparison of ANY and ALL: both sides are cast as its operator wants. */
static tdbplus_status bind_quantified(struct binder *binder, struct bind_query *query,
                                      const struct ast_subquery *ast, struct expr *expr)
{
    struct expr_subquery *subquery = expr->subquery;
    if (ast->test->kind == AST_ROW) {
        return quantify_rows(binder, query, ast, expr);
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
    bool rows = quantified && ast->test->kind == AST_ROW;
    if (subquery->kind != EXPR_EXISTS && !rows && subquery->plan->column_count != 1) {
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
