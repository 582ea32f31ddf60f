/* Operators and functions. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"
#include "sql/func/json_record.h"

#define EXPAND_PAIRS "_pg_expandarray"

static void print_types(struct binder *binder, struct expr **arguments, uint32_t count, char *text,
                        size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < count && used + 70 < size; i++) {
        char name[64];
        bind_show_type(binder, arguments[i]->type, name);
        int wrote = snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ", name);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static tdbplus_status operator_missing(struct binder *binder, const char *name,
                                       struct expr **arguments, uint32_t count, uint32_t position,
                                       bool ambiguous)
{
    char left[64] = "";
    char right[64];
    bind_show_type(binder, arguments[count - 1]->type, right);
    if (count == 2) {
        bind_show_type(binder, arguments[0]->type, left);
    }
    tdbplus_status status = bind_fail(
        binder, TDBPLUS_E_SQL, ambiguous ? "42725" : "42883", position, "operator %s: %s%s%s %s",
        ambiguous ? "is not unique" : "does not exist", left, count == 2 ? " " : "", name, right);
    err_hint(binder->err, ambiguous ? "Could not choose a best candidate operator. You might need "
                                      "to add explicit type casts."
                                    : "No operator matches the given name and argument types. You "
                                      "might need to add explicit type casts.");
    return status;
}

tdbplus_status bind_function_missing(struct binder *binder, const char *name,
                                     struct expr **arguments, uint32_t count, uint32_t position,
                                     enum func_found found)
{
    char types[256];
    print_types(binder, arguments, count, types, sizeof types);
    if (found == FUNC_AMBIGUOUS) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42725", position,
                                          "function %s(%s) is not unique", name, types);
        err_hint(binder->err, "Could not choose a best candidate function. You might need to add "
                              "explicit type casts.");
        return status;
    }
    tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42883", position,
                                      "function %s(%s) does not exist", name, types);
    const char *similar = found == FUNC_NAME_UNKNOWN ? func_similar(name) : NULL;
    if (similar != NULL) {
        err_hint(binder->err, "Perhaps you meant the function \"%s\".", similar);
    } else {
        err_hint(binder->err, "No function matches the given name and argument types. You might "
                              "need to add explicit type casts.");
    }
    return status;
}

static tdbplus_status resolve(struct binder *binder, const char *name, bool is_operator,
                              struct expr **arguments, uint32_t count, uint32_t position,
                              struct func_match *match)
{
    struct type types[FUNC_ARGUMENT_COUNT_MAX];
    if (count > FUNC_ARGUMENT_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54023", position,
                         "cannot pass more than %u arguments to a function",
                         FUNC_ARGUMENT_COUNT_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        types[i] = arguments[i]->type;
    }
    enum func_found found = func_resolve(name, is_operator, types, count, match);
    if (found == FUNC_FOUND) {
        return TDBPLUS_OK;
    }
    if (found == FUNC_INDETERMINATE) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", position,
                         "could not determine polymorphic type because input has type unknown");
    }
    if (is_operator) {
        return operator_missing(binder, name, arguments, count, position, found == FUNC_AMBIGUOUS);
    }
    return bind_function_missing(binder, name, arguments, count, position, found);
}

static tdbplus_status fit_argument(struct binder *binder, const struct func_match *match,
                                   uint32_t number, struct expr **argument)
{
    const struct func *func = match->func;
    uint8_t want =
        func->arguments[number < func->argument_count ? number : func->argument_count - 1u];
    struct type type = match->arguments[number];
    if ((*argument)->type.id == TYPE_NONE) {
        return bind_coerce(binder, argument, type, FUNC_CAST_IMPLICIT);
    }
    if (want == FUNC_ANY) {
        return TDBPLUS_OK;
    }
    if (want == FUNC_PRINTED && (*argument)->type.id != TYPE_TEXT) {
        struct expr *printed = expr_call(binder->arena, func_output(), type, 1);
        if (printed == NULL) {
            return bind_no_memory(binder);
        }
        printed->arguments[0] = *argument;
        *argument = printed;
        return TDBPLUS_OK;
    }
    return bind_coerce(binder, argument, type,
                       want == FUNC_AS_TEXT ? FUNC_CAST_ASSIGNMENT : FUNC_CAST_IMPLICIT);
}

tdbplus_status bind_call(struct binder *binder, const char *name, bool is_operator,
                         struct expr **arguments, uint32_t count, uint32_t position,
                         struct expr **expr_out)
{
    struct func_match *match = arena_array(binder->arena, 1, sizeof *match);
    if (match == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_labels_as_text(binder, name, arguments, count));
    TRY(document_operands(binder, name, is_operator, arguments, count));
    TRY(resolve(binder, name, is_operator, arguments, count, position, match));
    struct expr *call = expr_call(binder->arena, match->func, match->result, count);
    if (call == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        call->arguments[i] = arguments[i];
        TRY(fit_argument(binder, match, i, &call->arguments[i]));
    }
    if ((match->func->flags & FUNC_SET) != 0 && call->type.id != TYPE_ARRAY) {
        call->type = func_array_of(func_type_base(call->type));
    }
    call->position = position;
    *expr_out = call;
    return TDBPLUS_OK;
}

tdbplus_status bind_comparison(struct binder *binder, const char *name, struct expr **left,
                               struct expr **right, uint32_t position, const struct func **func_out)
{
    struct expr *sides[2] = {*left, *right};
    struct expr *call = NULL;
    TRY(bind_call(binder, name, true, sides, 2, position, &call));
    *left = call->arguments[0];
    *right = call->arguments[1];
    *func_out = call->func;
    return TDBPLUS_OK;
}

/* ---- operators ---- */

static tdbplus_status negate(struct binder *binder, struct expr **expr)
{
    return bind_call(binder, "not", true, expr, 1, (*expr)->position, expr);
}

static bool have_common_type(struct expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct type pair[2] = {exprs[0]->type, exprs[i]->type};
        struct type common = {0};
        uint32_t conflict = 0;
        struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
        if (!func_common_type(pair, 2, &common, &conflict) ||
            func_cast_path(pair[0], common, FUNC_CAST_IMPLICIT, steps) < 0 ||
            func_cast_path(pair[1], common, FUNC_CAST_IMPLICIT, steps) < 0) {
            return false;
        }
    }
    return true;
}

/* Without a type for all of the list, each item is compared by an operator of its own. */
static tdbplus_status bind_in_one_by_one(struct binder *binder, const struct ast_operator *ast,
                                         struct expr *list, struct expr **expr_out)
{
    bool negated = strcmp(ast->name, "<>") == 0;
    uint32_t count = list->argument_count - 1;
    struct expr *expr =
        expr_make(binder->arena, negated ? EXPR_AND : EXPR_OR, type_of(TYPE_BOOL), count);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct expr *sides[2] = {list->arguments[0], list->arguments[i + 1]};
        TRY(bind_call(binder, ast->name, true, sides, 2, ast->ast.position, &expr->arguments[i]));
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

static tdbplus_status bind_in(struct binder *binder, struct bind_query *query,
                              const struct ast_operator *ast, struct expr **expr_out)
{
    if (ast->left->kind == AST_ROW) {
        return bind_row_in(binder, query, ast, expr_out);
    }
    const struct ast_list *list = &((const struct ast_items *)ast->right)->list;
    struct expr *expr = expr_make(binder->arena, EXPR_ANY_OF, type_of(TYPE_BOOL), list->count + 1);
    struct expr ***slots = arena_array(binder->arena, (size_t)list->count + 1, sizeof *slots);
    if (expr == NULL || slots == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_expression(binder, query, ast->left, &expr->arguments[0]));
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(bind_expression(binder, query, list->items[i], &expr->arguments[i + 1]));
    }
    for (uint32_t i = 0; i <= list->count; i++) {
        slots[i] = &expr->arguments[i];
    }
    if (expr->arguments[0]->path || !have_common_type(expr->arguments, list->count + 1)) {
        return bind_in_one_by_one(binder, ast, expr, expr_out);
    }
    struct type common = {0};
    TRY(bind_unify(binder, slots, list->count + 1, "IN", &common));
    TRY(bind_comparison(binder, "=", &expr->arguments[0], &expr->arguments[1], ast->ast.position,
                        &expr->func));
    expr->position = ast->ast.position;
    *expr_out = expr;
    return strcmp(ast->name, "<>") == 0 ? negate(binder, expr_out) : TDBPLUS_OK;
}

static tdbplus_status bind_between(struct binder *binder, struct bind_query *query,
                                   const struct ast_operator *ast, struct expr **expr_out)
{
    const struct ast_list *bounds = &((const struct ast_items *)ast->right)->list;
    bool symmetric = ast->operator_kind == AST_OP_BETWEEN_SYMMETRIC ||
                     ast->operator_kind == AST_OP_NOT_BETWEEN_SYMMETRIC;
    struct expr *ways[2] = {NULL, NULL};
    for (uint32_t way = 0; way < (symmetric ? 2u : 1u); way++) {
        struct expr *both = expr_make(binder->arena, EXPR_AND, type_of(TYPE_BOOL), 2);
        if (both == NULL) {
            return bind_no_memory(binder);
        }
        for (uint32_t side = 0; side < 2; side++) {
            struct expr *sides[2] = {NULL, NULL};
            TRY(bind_expression(binder, query, ast->left, &sides[0]));
            TRY(bind_expression(binder, query, bounds->items[side ^ way], &sides[1]));
            TRY(bind_call(binder, side == 0 ? ">=" : "<=", true, sides, 2, ast->ast.position,
                          &both->arguments[side]));
        }
        ways[way] = both;
    }
    struct expr *expr = ways[0];
    if (symmetric) {
        expr = expr_make(binder->arena, EXPR_OR, type_of(TYPE_BOOL), 2);
        if (expr == NULL) {
            return bind_no_memory(binder);
        }
        memcpy(expr->arguments, ways, sizeof ways);
    }
    *expr_out = expr;
    bool negated = ast->operator_kind == AST_OP_NOT_BETWEEN ||
                   ast->operator_kind == AST_OP_NOT_BETWEEN_SYMMETRIC;
    return negated ? negate(binder, expr_out) : TDBPLUS_OK;
}

/* True when PostgreSQL compares the two types without a cast, so that NULLIF gives the first. */
static bool keeps_type(struct type own, struct type compared)
{
    bool integers = own.id >= TYPE_INT2 && own.id < TYPE_INT8 && compared.id >= TYPE_INT4 &&
                    compared.id <= TYPE_INT8;
    bool floats = own.id == TYPE_FLOAT4 && compared.id == TYPE_FLOAT8;
    bool times = (own.id == TYPE_DATE || own.id == TYPE_TIMESTAMP) &&
                 (compared.id == TYPE_TIMESTAMP || compared.id == TYPE_TIMESTAMPTZ);
    return own.id != compared.id && (integers || floats || times);
}

/* IS [NOT] DISTINCT FROM and NULLIF: a pair and its equality. */
static tdbplus_status bind_pair(struct binder *binder, struct bind_query *query,
                                const struct ast_operator *ast, enum expr_kind kind,
                                struct expr **expr_out)
{
    if (kind == EXPR_DISTINCT && ast->left->kind == AST_ROW && ast->right->kind == AST_ROW) {
        return bind_row_distinct(binder, query, ast, expr_out);
    }
    struct expr *expr = expr_make(binder->arena, kind, type_of(TYPE_BOOL), 2);
    if (expr == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_expression(binder, query, ast->left, &expr->arguments[0]));
    TRY(bind_expression(binder, query, ast->right, &expr->arguments[1]));
    struct type own = expr->arguments[0]->type;
    TRY(bind_comparison(binder, "=", &expr->arguments[0], &expr->arguments[1], ast->ast.position,
                        &expr->func));
    expr->negated = ast->operator_kind == AST_OP_NOT_DISTINCT;
    expr->position = ast->ast.position;
    *expr_out = expr;
    if (kind == EXPR_NULLIF) {
        expr->type = expr->arguments[0]->type;
        return keeps_type(own, expr->type) ? bind_coerce(binder, expr_out, own, FUNC_CAST_EXPLICIT)
                                           : TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_plain(struct binder *binder, struct bind_query *query,
                                 const struct ast_operator *ast, struct expr **expr_out)
{
    if (ast->left != NULL && ast->left->kind == AST_ROW && ast->right->kind == AST_ROW) {
        return bind_row_operator(binder, query, ast, expr_out);
    }
    if (ast->left != NULL && ast->left->kind == AST_ROW && ast->right->kind == AST_SUBQUERY) {
        return bind_row_with_query(binder, query, ast, expr_out);
    }
    struct expr *sides[2] = {NULL, NULL};
    uint32_t count = 0;
    if (ast->left != NULL) {
        TRY(bind_expression(binder, query, ast->left, &sides[count++]));
    }
    TRY(bind_expression(binder, query, ast->right, &sides[count++]));
    return bind_call(binder, ast->name, true, sides, count, ast->ast.position, expr_out);
}

tdbplus_status bind_operator(struct binder *binder, struct bind_query *query,
                             const struct ast_operator *ast, struct expr **expr_out)
{
    switch ((enum ast_operator_kind)ast->operator_kind) {
    case AST_OP_PLAIN:
    case AST_OP_LIKE:
    case AST_OP_ILIKE:
    case AST_OP_SIMILAR:
        return bind_plain(binder, query, ast, expr_out);
    case AST_OP_IN:
        return bind_in(binder, query, ast, expr_out);
    case AST_OP_BETWEEN:
    case AST_OP_NOT_BETWEEN:
    case AST_OP_BETWEEN_SYMMETRIC:
    case AST_OP_NOT_BETWEEN_SYMMETRIC:
        return bind_between(binder, query, ast, expr_out);
    case AST_OP_DISTINCT:
    case AST_OP_NOT_DISTINCT:
        return bind_pair(binder, query, ast, EXPR_DISTINCT, expr_out);
    case AST_OP_NULLIF:
        return bind_pair(binder, query, ast, EXPR_NULLIF, expr_out);
    case AST_OP_ANY:
    case AST_OP_ALL:
        return bind_quantified_array(binder, query, ast, expr_out);
    }
    return bind_unsupported(binder, ast->ast.position, "this operator");
}

/* ---- functions ---- */

/* Functions whose arguments have names and can be left out, then they are 0. */
static const struct {
    const char *name;
    const char *arguments[8];
} named_functions[] = {
    {"make_interval", {"years", "months", "weeks", "days", "hours", "mins", "secs"}},
    {"make_date", {"year", "month", "day"}},
    {"make_time", {"hour", "min", "sec"}},
    {"make_timestamp", {"year", "month", "mday", "hour", "min", "sec"}},
};

static tdbplus_status unknown_argument(struct binder *binder, const char *name, uint32_t position)
{
    return bind_fail(binder, TDBPLUS_E_SQL, "42883", position,
                     "function %s() has no arguments of these names", name);
}

/* Puts f(a, name => b) into the order of the declaration. */
static tdbplus_status bind_named_arguments(struct binder *binder, struct bind_query *query,
                                           const struct ast_function *ast, const char *name,
                                           struct expr ***arguments_out, uint32_t *count_out)
{
    const char *const *names = NULL;
    for (size_t i = 0; i < sizeof named_functions / sizeof *named_functions; i++) {
        names = strcmp(named_functions[i].name, name) == 0 ? named_functions[i].arguments : names;
    }
    uint32_t total = 0;
    while (names != NULL && names[total] != NULL) {
        total++;
    }
    struct expr **arguments = arena_array(binder->arena, total + 1u, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->arguments.count; i++) {
        const struct ast *item = ast->arguments.items[i];
        uint32_t at = i;
        if (item->kind == AST_NAMED_ARGUMENT) {
            const struct ast_named_argument *named = (const struct ast_named_argument *)item;
            for (at = 0; at < total && strcmp(names[at], named->name) != 0; at++) {
            }
            item = named->argument;
        }
        if (at >= total || arguments[at] != NULL) {
            return unknown_argument(binder, name, ast->ast.position);
        }
        TRY(bind_expression(binder, query, item, &arguments[at]));
    }
    for (uint32_t i = 0; i < total; i++) {
        struct datum zero = {.type = type_of(TYPE_INT4)};
        if (arguments[i] == NULL && strcmp(name, "make_interval") != 0) {
            return unknown_argument(binder, name, ast->ast.position);
        }
        arguments[i] = arguments[i] != NULL ? arguments[i] : expr_constant(binder->arena, &zero);
        if (arguments[i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    *arguments_out = arguments;
    *count_out = total;
    return TDBPLUS_OK;
}

static tdbplus_status bind_plain_function(struct binder *binder, struct bind_query *query,
                                          const struct ast_function *ast, const char *name,
                                          struct expr **expr_out)
{
    uint32_t position = ast->ast.position;
    struct func_match match;
    bool known = func_resolve(name, false, NULL, 0, &match) != FUNC_NAME_UNKNOWN;
    if (known && (ast->distinct || ast->star || ast->filter != NULL || ast->order.count > 0)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", position,
                         "%s is not an aggregate function", name);
    }
    uint32_t count = ast->arguments.count;
    struct expr **arguments = arena_array(binder->arena, (size_t)count + 1, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    if (count > 0 && ast->arguments.items[count - 1]->kind == AST_NAMED_ARGUMENT) {
        TRY(bind_named_arguments(binder, query, ast, name, &arguments, &count));
    } else {
        for (uint32_t i = 0; i < count; i++) {
            TRY(bind_expression(binder, query, ast->arguments.items[i], &arguments[i]));
        }
    }
    if (ast->variadic && count > 0) {
        TRY(bind_variadic(binder, name, &arguments, &count, &name));
    }
    // int4(x) is a cast when no function takes the arguments.
    struct type type = {0};
    if (count == 1 && !ast->variadic && func_type_find(name, NULL, 0, &type, NULL) == TDBPLUS_OK) {
        *expr_out = arguments[0];
        return bind_coerce(binder, expr_out, type, FUNC_CAST_EXPLICIT);
    }
    return bind_call(binder, name, false, arguments, count, position, expr_out);
}

tdbplus_status bind_function(struct binder *binder, struct bind_query *query,
                             const struct ast_function *ast, struct expr **expr_out)
{
    uint32_t position = ast->ast.position;
    const char *name = ast->name.items[ast->name.count - 1];
    bool expands = strcmp(name, EXPAND_PAIRS) == 0;
    if (ast->name.count > 1 &&
        strcmp(ast->name.items[0], expands ? "information_schema" : "pg_catalog") != 0) {
        return bind_unsupported(binder, position, "a function with a schema's name");
    }
    if (func_record_column(name) != NULL) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", position,
                                          "could not determine row type for result of %s", name);
        err_hint(binder->err, "Call the function in the FROM clause using a column definition "
                              "list.");
        return status;
    }
    bool ordered_set = ast->within_group || bind_is_ordered_set(name);
    if (ast->over == NULL && ordered_set) {
        return bind_aggregate(binder, query, ast, name, expr_out);
    }
    if (ast->over != NULL || bind_is_window_function(name)) {
        return bind_window_call(binder, query, ast, name, expr_out);
    }
    if (aggregate_known(name)) {
        return bind_aggregate(binder, query, ast, name, expr_out);
    }
    TRY(bind_plain_function(binder, query, ast, name, expr_out));
    if (expands) {
        (*expr_out)->type.form = ARRAY_PAIR; // Its fields have names.
    }
    bool rows = (*expr_out)->kind == EXPR_CALL && ((*expr_out)->func->flags & FUNC_SET) != 0;
    return rows ? bind_expansion(binder, query, expr_out) : TDBPLUS_OK;
}

tdbplus_status bind_function_rows(struct binder *binder, struct bind_query *query,
                                  const struct ast_function *ast, struct expr **expr_out)
{
    const char *name = ast->name.items[ast->name.count - 1];
    if (ast->over != NULL || bind_is_window_function(name) || aggregate_known(name)) {
        return bind_function(binder, query, ast, expr_out);
    }
    return bind_plain_function(binder, query, ast, name, expr_out);
}
