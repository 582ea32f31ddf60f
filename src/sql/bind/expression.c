/* Expressions, except calls (call.c) and subqueries (subquery.c). */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"

static tdbplus_status bind_constant(struct binder *binder, const struct ast_constant *ast,
                                    struct expr **expr_out)
{
    struct datum value = {.type = type_of(TYPE_NONE)};
    struct type number = type_of(TYPE_NONE);
    switch (ast->constant) {
    case AST_NULL:
        value.is_null = true;
        break;
    case AST_INTEGER:
        value.type = type_of(TYPE_INT4);
        value.integer = ast->integer;
        break;
    case AST_BOOL:
        value.type = type_of(TYPE_BOOL);
        value.boolean = ast->boolean;
        break;
    case AST_NUMBER:
        // int4 or int8 if it is whole and fits, else numeric.
        value.bytes = span_from_text(ast->text);
        number = type_of(strpbrk(ast->text, ".eE") == NULL ? TYPE_INT8 : TYPE_NUMERIC);
        break;
    case AST_BITS:
        value.bytes = span_from_text(ast->text);
        number = type_of(TYPE_BIT);
        break;
    default:
        value.bytes = span_from_text(ast->text);
        break;
    }
    struct expr *expr = expr_constant(binder->arena, &value);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    expr->position = ast->ast.position;
    if (number.id == TYPE_INT8) {
        struct datum whole = {0};
        if (func_read(value.bytes, number, binder->arena, &whole, NULL) == TDBPLUS_OK) {
            // The grammar hands -2147483648, whose digits alone need an int8, over as text.
            whole.type = type_of(whole.integer == INT32_MIN ? TYPE_INT4 : TYPE_INT8);
            expr->constant = whole;
            expr->type = whole.type;
            number = type_of(TYPE_NONE);
        } else {
            number = type_of(TYPE_NUMERIC);
        }
    }
    if (number.id == TYPE_NUMERIC || number.id == TYPE_BIT) {
        TRY(bind_coerce(binder, &expr, number, FUNC_CAST_IMPLICIT));
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_parameter(struct binder *binder, const struct ast_parameter *ast,
                                     struct expr **expr_out)
{
    if (ast->number == 0 || ast->number > BIND_PARAMETER_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P02", ast->ast.position,
                         "there is no parameter $%u", ast->number);
    }
    if (ast->number > binder->parameter_capacity) {
        uint32_t capacity = ast->number + 8;
        struct type *types = arena_array(binder->arena, capacity, sizeof *types);
        if (types == NULL) {
            return bind_no_memory(binder);
        }
        if (binder->parameter_count > 0) {
            memcpy(types, binder->parameters, binder->parameter_count * sizeof *types);
        }
        binder->parameters = types;
        binder->parameter_capacity = capacity;
    }
    if (ast->number > binder->parameter_count) {
        binder->parameter_count = ast->number;
    }
    struct expr *expr =
        expr_make(binder->arena, EXPR_PARAMETER, binder->parameters[ast->number - 1], 0);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    expr->number = ast->number - 1;
    expr->position = ast->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_arguments(struct binder *binder, struct bind_query *query,
                                     const struct ast_list *list, struct expr *expr)
{
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(bind_expression(binder, query, list->items[i], &expr->arguments[i]));
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_boolean(struct binder *binder, struct bind_query *query,
                                   const struct ast_boolean *ast, struct expr **expr_out)
{
    static const char *const names[] = {[AST_AND] = "AND", [AST_OR] = "OR", [AST_NOT] = "NOT"};
    enum expr_kind kind = ast->boolean_kind == AST_OR ? EXPR_OR : EXPR_AND;
    struct expr *expr = expr_make(binder->arena, kind, type_of(TYPE_BOOL), ast->arguments.count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->arguments.count; i++) {
        TRY(bind_condition(binder, query, ast->arguments.items[i], names[ast->boolean_kind],
                           &expr->arguments[i]));
    }
    if (ast->boolean_kind == AST_NOT) {
        return bind_call(binder, "not", true, expr->arguments, 1, ast->ast.position, expr_out);
    }
    expr->position = ast->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* A node of one argument, which unknown literals enter as text. */
static tdbplus_status bind_test(struct binder *binder, struct bind_query *query,
                                const struct ast *argument, enum expr_kind kind,
                                struct expr **expr_out)
{
    struct expr *expr = expr_make(binder->arena, kind, type_of(TYPE_BOOL), 1);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_expression(binder, query, argument, &expr->arguments[0]));
    if (expr->arguments[0]->type.id == TYPE_NONE) {
        struct type type = type_of(kind == EXPR_TRUTH ? TYPE_BOOL : TYPE_TEXT);
        TRY(bind_coerce(binder, &expr->arguments[0], type, FUNC_CAST_IMPLICIT));
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_null_test(struct binder *binder, struct bind_query *query,
                                     const struct ast_null_test *ast, struct expr **expr_out)
{
    if (ast->argument->kind == AST_ROW) {
        return bind_row_null_test(binder, query, ast, expr_out);
    }
    TRY(bind_test(binder, query, ast->argument, EXPR_IS_NULL, expr_out));
    (*expr_out)->negated = ast->negated;
    (*expr_out)->position = ast->ast.position;
    return TDBPLUS_OK;
}

static tdbplus_status bind_truth_test(struct binder *binder, struct bind_query *query,
                                      const struct ast_truth_test *ast, struct expr **expr_out)
{
    TRY(bind_test(binder, query, ast->argument, EXPR_TRUTH, expr_out));
    struct expr *expr = *expr_out;
    expr->number = ast->truth_kind;
    expr->position = ast->ast.position;
    if (expr->arguments[0]->type.id != TYPE_BOOL) {
        static const char *const names[] = {"IS TRUE",      "IS NOT TRUE", "IS FALSE",
                                            "IS NOT FALSE", "IS UNKNOWN",  "IS NOT UNKNOWN"};
        char name[64];
        bind_show_type(binder, expr->arguments[0]->type, name);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", expr->arguments[0]->position,
                         "argument of %s must be type boolean, not type %s", names[ast->truth_kind],
                         name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_cast(struct binder *binder, struct bind_query *query,
                                const struct ast_cast *ast, struct expr **expr_out)
{
    struct type type = {0};
    struct expr *expr = NULL;
    uint64_t domain = 0;
    TRY(bind_interval_field(binder, ast, &expr));
    if (expr != NULL) {
        *expr_out = expr;
        return TDBPLUS_OK;
    }
    TRY(bind_type_domain(binder, ast->type, &type, &domain));
    if (ast->argument->kind == AST_ARRAY && type.id == TYPE_ARRAY) {
        TRY(bind_array(binder, query, (const struct ast_array *)ast->argument, type_element(type),
                       &expr));
    } else {
        TRY(bind_expression(binder, query, ast->argument, &expr));
    }
    if (expr->path && type.id != TYPE_JSON && type.id != TYPE_ARRAY) {
        TRY(document_as_text(binder, &expr));
    }
    TRY(bind_coerce(binder, &expr, type, FUNC_CAST_EXPLICIT));
    TRY(bind_enter_domain(binder, domain, &expr));
    *expr_out = expr;
    return TDBPLUS_OK;
}

/* Unifies the arguments at `first`, `first + step` and so on. */
static tdbplus_status unify_arguments(struct binder *binder, struct expr *expr, uint32_t first,
                                      uint32_t step, const char *what)
{
    struct expr ***slots = arena_array(binder->arena, expr->argument_count + 1u, sizeof *slots);
    if (slots == NULL) {
        return bind_no_memory(binder);
    }
    uint32_t count = 0;
    // CASE: the last argument is the ELSE, which stands where a condition would; its type counts
    // first.
    if (step == 2) {
        slots[count++] = &expr->arguments[expr->argument_count - 1];
    }
    for (uint32_t i = first; i < expr->argument_count; i += step) {
        slots[count++] = &expr->arguments[i];
    }
    return bind_unify(binder, slots, count, what, &expr->type);
}

static tdbplus_status bind_case(struct binder *binder, struct bind_query *query,
                                const struct ast_case *ast, struct expr **expr_out)
{
    struct expr *expr =
        expr_make(binder->arena, EXPR_CASE, type_of(TYPE_NONE), 2 * ast->whens.count + 1);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->whens.count; i++) {
        const struct ast_case_when *when = (const struct ast_case_when *)ast->whens.items[i];
        if (ast->argument == NULL) {
            TRY(bind_condition(binder, query, when->condition, "CASE/WHEN",
                               &expr->arguments[2 * i]));
        } else {
            struct expr *sides[2] = {NULL, NULL};
            TRY(bind_expression(binder, query, ast->argument, &sides[0]));
            TRY(bind_expression(binder, query, when->condition, &sides[1]));
            TRY(bind_call(binder, "=", true, sides, 2, when->ast.position,
                          &expr->arguments[2 * i]));
        }
        TRY(bind_expression(binder, query, when->result, &expr->arguments[2 * i + 1]));
    }
    struct expr **otherwise = &expr->arguments[expr->argument_count - 1];
    if (ast->otherwise != NULL) {
        TRY(bind_expression(binder, query, ast->otherwise, otherwise));
    } else {
        struct datum null = {.type = type_of(TYPE_NONE), .is_null = true};
        *otherwise = expr_constant(binder->arena, &null);
        if (*otherwise == NULL) {
            return bind_no_memory(binder);
        }
    }
    TRY(unify_arguments(binder, expr, 1, 2, "CASE"));
    expr->position = ast->ast.position;
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_several(struct binder *binder, struct bind_query *query,
                                   const struct ast_list *arguments, enum expr_kind kind,
                                   const char *what, struct expr **expr_out)
{
    struct expr *expr = expr_make(binder->arena, kind, type_of(TYPE_NONE), arguments->count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_arguments(binder, query, arguments, expr));
    TRY(unify_arguments(binder, expr, 0, 1, what));
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_keyword(struct binder *binder, const struct ast_keyword_value *ast,
                                   struct expr **expr_out)
{
    static const struct {
        const char *func;
        uint8_t type;
    } meanings[] = {
        [AST_CURRENT_DATE] = {"now", TYPE_DATE},
        [AST_CURRENT_TIME] = {"now", TYPE_TIMETZ},
        [AST_CURRENT_TIMESTAMP] = {"now", TYPE_TIMESTAMPTZ},
        [AST_LOCALTIME] = {"now", TYPE_TIME},
        [AST_LOCALTIMESTAMP] = {"now", TYPE_TIMESTAMP},
        [AST_CURRENT_USER] = {"current_user", TYPE_TEXT},
        [AST_SESSION_USER] = {"session_user", TYPE_TEXT},
        [AST_CURRENT_CATALOG] = {"current_database", TYPE_TEXT},
        [AST_CURRENT_SCHEMA] = {"current_schema", TYPE_TEXT},
    };
    TRY(bind_call(binder, meanings[ast->keyword_kind].func, false, NULL, 0, ast->ast.position,
                  expr_out));
    struct type type = type_of((enum type_id)meanings[ast->keyword_kind].type);
    TRY(bind_coerce(binder, expr_out, type, FUNC_CAST_EXPLICIT));
    if (ast->precision < 0 || ast->precision > 5) {
        return TDBPLUS_OK; // All six digits of a second.
    }
    type.parameter = (uint32_t)ast->precision + 1;
    return bind_coerce(binder, expr_out, type, FUNC_CAST_EXPLICIT);
}

static tdbplus_status bind_column_ref(struct binder *binder, struct bind_query *query,
                                      const struct ast_column_ref *ast, struct expr **expr_out)
{
    if (ast->star) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "\"*\" cannot be used here");
    }
    TRY(bind_find_column(binder, query, ast, expr_out));
    // Inside expressions numbers have no precision; the stored form is left at once.
    return bind_coerce(binder, expr_out, func_type_base((*expr_out)->type), FUNC_CAST_IMPLICIT);
}

/* Texts compare by bytes, which is what these collations say. */
static tdbplus_status bind_collate(struct binder *binder, struct bind_query *query,
                                   const struct ast_collate *ast, struct expr **expr_out)
{
    static const char *const names[] = {"C", "POSIX", "ucs_basic", "default", "C.UTF-8", "C.utf8"};
    const char *name = ast->name.items[ast->name.count - 1];
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        known = known || strcmp(names[i], name) == 0;
    }
    if (!known) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", ast->ast.position,
                         "collation \"%s\" for encoding \"UTF8\" does not exist", name);
    }
    TRY(bind_expression(binder, query, ast->argument, expr_out));
    if ((*expr_out)->type.id == TYPE_NONE) {
        return bind_coerce(binder, expr_out, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT);
    }
    if ((*expr_out)->type.id != TYPE_TEXT) {
        char type[64];
        bind_show_type(binder, (*expr_out)->type, type);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->ast.position,
                         "collations are not supported by type %s", type);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_node(struct binder *binder, struct bind_query *query,
                                const struct ast *ast, struct expr **expr_out)
{
    switch (ast->kind) {
    case AST_CONSTANT:
        return bind_constant(binder, (const struct ast_constant *)ast, expr_out);
    case AST_COLUMN_REF:
        return bind_column_ref(binder, query, (const struct ast_column_ref *)ast, expr_out);
    case AST_PARAMETER:
        return bind_parameter(binder, (const struct ast_parameter *)ast, expr_out);
    case AST_OPERATOR:
        return bind_operator(binder, query, (const struct ast_operator *)ast, expr_out);
    case AST_BOOLEAN:
        return bind_boolean(binder, query, (const struct ast_boolean *)ast, expr_out);
    case AST_NULL_TEST:
        return bind_null_test(binder, query, (const struct ast_null_test *)ast, expr_out);
    case AST_TRUTH_TEST:
        return bind_truth_test(binder, query, (const struct ast_truth_test *)ast, expr_out);
    case AST_FUNCTION:
        return bind_function(binder, query, (const struct ast_function *)ast, expr_out);
    case AST_CAST:
        return bind_cast(binder, query, (const struct ast_cast *)ast, expr_out);
    case AST_CASE:
        return bind_case(binder, query, (const struct ast_case *)ast, expr_out);
    case AST_COALESCE:
        return bind_several(binder, query, &((const struct ast_coalesce *)ast)->arguments,
                            EXPR_COALESCE, "COALESCE", expr_out);
    case AST_MIN_MAX: {
        const struct ast_min_max *min_max = (const struct ast_min_max *)ast;
        return bind_several(binder, query, &min_max->arguments,
                            min_max->least ? EXPR_LEAST : EXPR_GREATEST,
                            min_max->least ? "LEAST" : "GREATEST", expr_out);
    }
    case AST_GROUPING_CALL:
        return bind_grouping_call(binder, query, (const struct ast_grouping_call *)ast, expr_out);
    case AST_SUBQUERY:
        return bind_subquery(binder, query, (const struct ast_subquery *)ast, expr_out);
    case AST_KEYWORD_VALUE:
        return bind_keyword(binder, (const struct ast_keyword_value *)ast, expr_out);
    case AST_DEFAULT:
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->position,
                         "DEFAULT is not allowed in this context");
    case AST_ARRAY:
        return bind_array(binder, query, (const struct ast_array *)ast, type_of(TYPE_NONE),
                          expr_out);
    case AST_ROW:
        return bind_unsupported(binder, ast->position, "a row as a value");
    case AST_COLLATE:
        return bind_collate(binder, query, (const struct ast_collate *)ast, expr_out);
    case AST_INDIRECTION:
        return bind_indirection(binder, query, (const struct ast_indirection *)ast, expr_out);
    case AST_NAMED_ARGUMENT:
        return bind_unsupported(binder, ast->position, "an argument by name");
    default:
        return bind_unsupported(binder, ast->position, "this expression");
    }
}

tdbplus_status bind_expression(struct binder *binder, struct bind_query *query,
                               const struct ast *ast, struct expr **expr_out)
{
    TRY(bind_enter(binder));
    struct expr *expr = NULL;
    TRY(bind_node(binder, query, ast, &expr));
    if (expr->position == 0) {
        expr->position = ast->position;
    }
    bind_leave(binder);
    *expr_out = expr;
    return TDBPLUS_OK;
}

tdbplus_status bind_stored(struct binder *binder, struct bind_query *query, const struct ast *ast,
                           struct expr **expr_out)
{
    if (ast->kind == AST_COLUMN_REF && !((const struct ast_column_ref *)ast)->star) {
        return bind_find_column(binder, query, (const struct ast_column_ref *)ast, expr_out);
    }
    return bind_expression(binder, query, ast, expr_out);
}
