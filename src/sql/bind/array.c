/* Arrays: ARRAY[...], subscripts, ANY and ALL, ARRAY(SELECT ...), changed parts. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/func/array_func.h"

/* ---- ARRAY[...] ---- */

static tdbplus_status bind_items(struct binder *binder, struct bind_query *query,
                                 const struct ast_list *list, struct type element,
                                 struct expr *call)
{
    for (uint32_t i = 0; i < list->count; i++) {
        struct expr **slot = &call->arguments[i];
        if (list->items[i]->kind == AST_ARRAY) {
            TRY(bind_array(binder, query, (const struct ast_array *)list->items[i], element, slot));
        } else {
            TRY(bind_expression(binder, query, list->items[i], slot));
        }
    }
    return TDBPLUS_OK;
}

/* With a cast around it, items are cast to the wanted type one by one. */
static tdbplus_status cast_items(struct binder *binder, struct type element, struct expr *call)
{
    bool nested = call->argument_count > 0 && call->arguments[0]->type.id == TYPE_ARRAY;
    struct type wanted = nested ? func_array_of(element) : element;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        TRY(bind_coerce(binder, &call->arguments[i], wanted, FUNC_CAST_EXPLICIT));
    }
    call->type = func_array_of(element);
    return TDBPLUS_OK;
}

static tdbplus_status unify_items(struct binder *binder, struct expr *call)
{
    struct expr ***slots = arena_array(binder->arena, call->argument_count + 1u, sizeof *slots);
    if (slots == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < call->argument_count; i++) {
        slots[i] = &call->arguments[i];
    }
    struct type common = {0};
    TRY(bind_unify(binder, slots, call->argument_count, "ARRAY", &common));
    call->type = common.id == TYPE_ARRAY ? common : func_array_of(func_type_base(common));
    return TDBPLUS_OK;
}

tdbplus_status bind_array(struct binder *binder, struct bind_query *query,
                          const struct ast_array *ast, struct type element, struct expr **expr_out)
{
    TRY(bind_enter(binder));
    struct expr *call =
        expr_call(binder->arena, &func_array_make, type_of(TYPE_NONE), ast->elements.count);
    if (call == NULL) {
        return bind_no_memory(binder);
    }
    call->position = ast->ast.position;
    if (ast->elements.count == 0 && element.id == TYPE_NONE) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42P18", ast->ast.position,
                                          "cannot determine type of empty array");
        err_hint(binder->err, "Explicitly cast to the desired type, for example ARRAY[]::integer"
                              "[].");
        return status;
    }
    TRY(bind_items(binder, query, &ast->elements, element, call));
    if (element.id != TYPE_NONE) {
        TRY(cast_items(binder, element, call));
    } else {
        TRY(unify_items(binder, call));
    }
    bind_leave(binder);
    *expr_out = call;
    return TDBPLUS_OK;
}

/* ---- ARRAY(SELECT ...): array_agg of the query's column, or an empty array ---- */

static tdbplus_status collect_column(struct binder *binder, struct expr_subquery *subquery,
                                     uint32_t position, struct type *type_out)
{
    const struct plan_column *column = &subquery->plan->columns[0];
    struct expr *value = expr_column(binder->arena, column->id, column->type);
    if (value == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_coerce(binder, &value, func_type_base(column->type), FUNC_CAST_IMPLICIT));
    struct plan *plan = plan_make(binder->arena, PLAN_AGGREGATE, 1);
    struct plan_aggregate *aggregate = arena_array(binder->arena, 1, sizeof *aggregate);
    if (plan == NULL || aggregate == NULL) {
        return bind_no_memory(binder);
    }
    struct type argument = value->type;
    if (aggregate_resolve("array_agg", &value->type, 1, &aggregate->aggregate, &argument,
                          type_out) != FUNC_FOUND) {
        return bind_unsupported(binder, position, "ARRAY of this type");
    }
    aggregate->arguments[0] = value;
    aggregate->argument_count = 1;
    plan->left = subquery->plan;
    plan->aggregates = aggregate;
    plan->aggregate_count = 1;
    plan->columns[0] = (struct plan_column){.id = binder->next_id++, .type = *type_out};
    subquery->plan = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_array_subquery(struct binder *binder, struct expr *subquery,
                                   struct expr **expr_out)
{
    struct type type = {0};
    TRY(collect_column(binder, subquery->subquery, subquery->position, &type));
    subquery->subquery->kind = EXPR_SCALAR;
    subquery->type = type;
    struct expr *either = expr_make(binder->arena, EXPR_COALESCE, type, 2);
    struct datum nothing = {.type = type_of(TYPE_NONE), .bytes = span_from_text("{}")};
    struct expr *empty = expr_constant(binder->arena, &nothing);
    if (either == NULL || empty == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_coerce(binder, &empty, type, FUNC_CAST_IMPLICIT));
    either->arguments[0] = subquery;
    either->arguments[1] = empty;
    either->position = subquery->position;
    *expr_out = either;
    return TDBPLUS_OK;
}

/* ---- subscripts ---- */

struct subscripts {
    struct expr *bounds[2 * 6];
    uint32_t count; /* Of dimensions. */
    bool slice;
};

static tdbplus_status bind_bound(struct binder *binder, struct bind_query *query,
                                 const struct ast *ast, int32_t otherwise, struct expr **bound_out)
{
    if (ast == NULL) {
        struct datum value = {.type = type_of(TYPE_INT4), .integer = otherwise};
        *bound_out = expr_constant(binder->arena, &value);
        return *bound_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
    }
    bool done = false;
    TRY(bind_expression(binder, query, ast, bound_out));
    TRY(bind_try_coerce(binder, bound_out, type_of(TYPE_INT4), FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", (*bound_out)->position,
                         "array subscript must have type integer");
    }
    return TDBPLUS_OK;
}

/* Subscripts of one value; if one is a slice, all are, and [n] means [1:n]. */
static tdbplus_status bind_subscripts(struct binder *binder, struct bind_query *query,
                                      struct ast *const *steps, uint32_t count, uint32_t position,
                                      struct subscripts *subscripts)
{
    if (count > 6) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54000", position,
                         "number of array dimensions (%u) exceeds the maximum allowed (6)", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        subscripts->slice = subscripts->slice || ((const struct ast_subscript *)steps[i])->slice;
    }
    subscripts->count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct ast_subscript *step = (const struct ast_subscript *)steps[i];
        struct expr **bound = &subscripts->bounds[subscripts->slice ? 2 * i : i];
        if (subscripts->slice) {
            TRY(bind_bound(binder, query, step->lower, step->slice ? FUNC_SLICE_FIRST : 1,
                           bound++));
        }
        TRY(bind_bound(binder, query, step->upper, FUNC_SLICE_LAST, bound));
    }
    return TDBPLUS_OK;
}

static tdbplus_status call_with(struct binder *binder, const struct func *func, struct type type,
                                struct expr *const *first, uint32_t first_count,
                                const struct subscripts *subscripts, struct expr **expr_out)
{
    uint32_t bounds = subscripts->count * (subscripts->slice ? 2 : 1);
    struct expr *call = expr_call(binder->arena, func, type, first_count + bounds);
    if (call == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(call->arguments, first, first_count * sizeof *first);
    memcpy(call->arguments + first_count, subscripts->bounds, bounds * sizeof *first);
    *expr_out = call;
    return TDBPLUS_OK;
}

static uint32_t count_subscripts(const struct ast_list *steps, uint32_t from)
{
    uint32_t count = 0;
    while (from + count < steps->count && steps->items[from + count]->kind == AST_SUBSCRIPT) {
        count++;
    }
    return count;
}

static tdbplus_status not_subscriptable(struct binder *binder, const struct expr *expr)
{
    char name[64];
    bind_show_type(binder, expr->type, name);
    return bind_fail(binder, TDBPLUS_E_TYPE, "42804", expr->position,
                     "cannot subscript type %s because it does not support subscripting", name);
}

/* document['key'][0]: a path whose steps are texts. */
static tdbplus_status bind_document_steps(struct binder *binder, struct bind_query *query,
                                          const struct ast_indirection *ast, struct expr *document,
                                          struct expr **expr_out)
{
    uint32_t count = ast->steps.count;
    struct expr **arguments = arena_array(binder->arena, count + 1u, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    arguments[0] = document;
    for (uint32_t i = 0; i < count; i++) {
        const struct ast_subscript *step = (const struct ast_subscript *)ast->steps.items[i];
        if (step->slice) {
            return bind_fail(binder, TDBPLUS_E_TYPE, "42804", document->position,
                             "jsonb subscript does not support slices");
        }
        TRY(bind_expression(binder, query, step->upper, &arguments[i + 1]));
        struct type type = arguments[i + 1]->type;
        if (type.id != TYPE_NONE && type.id != TYPE_TEXT && type.id != TYPE_INT4) {
            char name[64];
            bind_show_type(binder, type, name);
            return bind_fail(binder, TDBPLUS_E_TYPE, "42804", arguments[i + 1]->position,
                             "subscript type %s is not supported", name);
        }
        TRY(bind_coerce(binder, &arguments[i + 1], type_of(TYPE_TEXT), FUNC_CAST_EXPLICIT));
    }
    return bind_call(binder, "jsonb_extract_path", false, arguments, count + 1, document->position,
                     expr_out);
}

/* (pair).x and (pair).n */
static tdbplus_status bind_pair_field(struct binder *binder, const struct ast_indirection *ast,
                                      struct expr *pair, struct expr **expr_out)
{
    const struct ast_constant *step = (const struct ast_constant *)ast->steps.items[0];
    const char *name = step->ast.kind == AST_CONSTANT ? step->text : NULL;
    bool first = name != NULL && strcmp(name, "x") == 0;
    if (ast->steps.count > 1 || (!first && (name == NULL || strcmp(name, "n") != 0))) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", ast->ast.position,
                         "column \"%s\" not found in data type record", name == NULL ? "*" : name);
    }
    struct datum place = {.type = type_of(TYPE_INT4), .integer = first ? 1 : 2};
    struct expr *bound = expr_constant(binder->arena, &place);
    struct subscripts subscripts = {.count = 1};
    if (bound == NULL) {
        return bind_no_memory(binder);
    }
    subscripts.bounds[0] = bound;
    return call_with(binder, &func_array_item, type_of(TYPE_INT4), &pair, 1, &subscripts, expr_out);
}

tdbplus_status bind_indirection(struct binder *binder, struct bind_query *query,
                                const struct ast_indirection *ast, struct expr **expr_out)
{
    struct expr *expr = NULL;
    TRY(bind_expression(binder, query, ast->argument, &expr));
    uint32_t count = count_subscripts(&ast->steps, 0);
    if (expr->type.form == ARRAY_PAIR && count == 0) {
        return bind_pair_field(binder, ast, expr, expr_out);
    }
    if (count < ast->steps.count) {
        return bind_unsupported(binder, ast->ast.position, "a field of a value");
    }
    if (expr->type.id == TYPE_JSON) {
        return bind_document_steps(binder, query, ast, expr, expr_out);
    }
    if (expr->type.id != TYPE_ARRAY) {
        return not_subscriptable(binder, expr);
    }
    struct subscripts subscripts = {0};
    uint32_t position = expr->position;
    TRY(bind_subscripts(binder, query, ast->steps.items, count, position, &subscripts));
    const struct func *func = subscripts.slice ? &func_array_slice : &func_array_item;
    struct type type = subscripts.slice ? expr->type : type_element(expr->type);
    TRY(call_with(binder, func, type, &expr, 1, &subscripts, expr_out));
    (*expr_out)->position = position;
    return TDBPLUS_OK;
}

tdbplus_status bind_put(struct binder *binder, struct bind_query *query,
                        const struct ast_list *steps, struct expr *value, struct expr **array)
{
    uint32_t count = count_subscripts(steps, 0);
    if (count < steps->count) {
        return bind_unsupported(binder, value->position, "changing a field of a column");
    }
    struct type type = func_type_base((*array)->type);
    if (type.id != TYPE_ARRAY) {
        return not_subscriptable(binder, *array);
    }
    TRY(bind_coerce(binder, array, type, FUNC_CAST_IMPLICIT));
    struct subscripts subscripts = {0};
    TRY(bind_subscripts(binder, query, steps->items, count, value->position, &subscripts));
    struct type wanted = subscripts.slice ? type : type_element(type);
    bool done = false;
    TRY(bind_try_coerce(binder, &value, wanted, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char want[64];
        char have[64];
        bind_show_type(binder, wanted, want);
        bind_show_type(binder, value->type, have);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", value->position,
                         "subscripted assignment requires type %s but expression is of type %s",
                         want, have);
    }
    struct expr *first[2] = {*array, value};
    return call_with(binder, subscripts.slice ? &func_array_put_slice : &func_array_put, type,
                     first, 2, &subscripts, array);
}

/* ---- ANY and ALL of an array ---- */

/* The array as one of values that the operator's right side wants. */
static tdbplus_status quantified_sides(struct binder *binder, const struct ast_operator *ast,
                                       struct expr **left, struct expr **array,
                                       const struct func **func_out)
{
    struct type element = type_of(TYPE_NONE);
    if ((*array)->type.id == TYPE_ARRAY) {
        element = type_element((*array)->type);
    } else if ((*array)->type.id != TYPE_NONE) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42809", ast->ast.position,
                         "op ANY/ALL (array) requires array on right side");
    }
    // A stand-in for the items finds the operator and says what they must become.
    struct expr *item = NULL;
    if (element.id == TYPE_NONE) {
        struct datum null = {.type = element, .is_null = true};
        item = expr_constant(binder->arena, &null);
    } else {
        item = expr_make(binder->arena, EXPR_COLUMN, element, 0);
    }
    if (item == NULL) {
        return bind_no_memory(binder);
    }
    item->position = (*array)->position;
    struct expr *sides[2] = {*left, item};
    struct expr *call = NULL;
    TRY(bind_call(binder, ast->name, true, sides, 2, ast->ast.position, &call));
    if (call->type.id != TYPE_BOOL) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42809", ast->ast.position,
                         "op ANY/ALL (array) requires operator to yield boolean");
    }
    *left = call->arguments[0];
    struct type wanted = func_array_of(call->arguments[1]->type);
    *func_out = call->func;
    return bind_coerce(binder, array, wanted, FUNC_CAST_IMPLICIT);
}

tdbplus_status bind_quantified_array(struct binder *binder, struct bind_query *query,
                                     const struct ast_operator *ast, struct expr **expr_out)
{
    struct expr *expr = expr_make(binder->arena, EXPR_ARRAY_ANY, type_of(TYPE_BOOL), 2);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_expression(binder, query, ast->left, &expr->arguments[0]));
    TRY(bind_expression(binder, query, ast->right, &expr->arguments[1]));
    TRY(quantified_sides(binder, ast, &expr->arguments[0], &expr->arguments[1], &expr->func));
    expr->negated = ast->operator_kind == AST_OP_ALL;
    expr->position = ast->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}
