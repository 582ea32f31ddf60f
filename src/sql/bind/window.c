/* Window functions: what stands before OVER, the windows, and the plan that computes them. */

#include <string.h>

#include "sql/bind/bind_internal.h"

/* ---- windows ---- */

static tdbplus_status settle_key(struct binder *binder, struct bind_query *query,
                                 const struct ast *ast, struct expr **expr_out)
{
    TRY(bind_expression(binder, query, ast, expr_out));
    return (*expr_out)->type.id == TYPE_NONE
               ? bind_coerce(binder, expr_out, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT)
               : TDBPLUS_OK;
}

static tdbplus_status bind_partition(struct binder *binder, struct bind_query *query,
                                     const struct ast_list *list, struct bind_window *window)
{
    window->partition = arena_array(binder->arena, list->count + 1u, sizeof(struct expr *));
    if (window->partition == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(settle_key(binder, query, list->items[i], &window->partition[i]));
    }
    window->partition_count = list->count;
    return TDBPLUS_OK;
}

static tdbplus_status bind_window_order(struct binder *binder, struct bind_query *query,
                                        const struct ast_list *list, struct bind_window *window)
{
    window->keys = arena_array(binder->arena, list->count + 1u, sizeof *window->keys);
    if (window->keys == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ast_sort_key *key = (const struct ast_sort_key *)list->items[i];
        if (key->using_operator != NULL) {
            return bind_unsupported(binder, key->ast.position, "ORDER BY ... USING");
        }
        TRY(settle_key(binder, query, key->value, &window->keys[i].value));
        window->keys[i].descending = key->descending;
        window->keys[i].nulls_first = key->nulls_given ? key->nulls_first : key->descending;
    }
    window->key_count = list->count;
    return TDBPLUS_OK;
}

static struct bind_window *find_window(const struct bind_query *query, const char *name)
{
    for (uint32_t i = 0; i < query->windows.count; i++) {
        struct bind_window *window = query->windows.items[i];
        if (window->name != NULL && strcmp(window->name, name) == 0) {
            return window;
        }
    }
    return NULL;
}

/* A window that begins with another one's name adds to it, but replaces nothing. */
static tdbplus_status check_base(struct binder *binder, const struct ast_window *ast,
                                 const struct bind_window *base)
{
    if (base == NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", ast->ast.position,
                         "window \"%s\" does not exist", ast->base);
    }
    if (ast->partition.count > 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                         "cannot override PARTITION BY clause of window \"%s\"", ast->base);
    }
    if (ast->order.count > 0 && base->key_count > 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                         "cannot override ORDER BY clause of window \"%s\"", ast->base);
    }
    if (base->framed) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                      "cannot copy window \"%s\" because it has a frame clause", ast->base);
        if (ast->name == NULL && ast->order.count == 0) {
            err_hint(binder->err, "Omit the parentheses in this OVER clause.");
        }
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_window(struct binder *binder, struct bind_query *query,
                                  const struct ast_window *ast, struct bind_window **window_out)
{
    struct bind_window *window = arena_array(binder->arena, 1, sizeof *window);
    if (window == NULL) {
        return bind_no_memory(binder);
    }
    const struct bind_window *base = ast->base != NULL ? find_window(query, ast->base) : NULL;
    if (ast->base != NULL) {
        TRY(check_base(binder, ast, base));
    }
    uint8_t clause = query->clause;
    bool inside = query->in_window;
    query->clause = CLAUSE_WINDOW;
    query->in_window = true;
    TRY(bind_partition(binder, query, &ast->partition, window));
    TRY(bind_window_order(binder, query, &ast->order, window));
    if (base != NULL) {
        window->partition = base->partition;
        window->partition_count = base->partition_count;
        if (base->key_count > 0) {
            window->keys = base->keys;
            window->key_count = base->key_count;
        }
    }
    TRY(bind_frame(binder, query, ast, window));
    query->clause = clause;
    query->in_window = inside;
    if (!pointers_push(binder->arena, &query->windows, window)) {
        return bind_no_memory(binder);
    }
    *window_out = window;
    return TDBPLUS_OK;
}

tdbplus_status bind_window_clause(struct binder *binder, struct bind_query *query,
                                  const struct ast_list *windows)
{
    for (uint32_t i = 0; i < windows->count; i++) {
        const struct ast_window *ast = (const struct ast_window *)windows->items[i];
        if (find_window(query, ast->name) != NULL) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P20", ast->ast.position,
                             "window \"%s\" is already defined", ast->name);
        }
        struct bind_window *window = NULL;
        TRY(make_window(binder, query, ast, &window));
        window->name = ast->name;
    }
    return TDBPLUS_OK;
}

/* OVER name is the window itself; OVER (...) a new one. */
static tdbplus_status over_window(struct binder *binder, struct bind_query *query,
                                  const struct ast_window *ast, struct bind_window **window_out)
{
    if (ast->name == NULL) {
        return make_window(binder, query, ast, window_out);
    }
    *window_out = find_window(query, ast->name);
    return *window_out != NULL ? TDBPLUS_OK
                               : bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", ast->ast.position,
                                           "window \"%s\" does not exist", ast->name);
}

/* ---- functions ---- */

static const struct {
    const char *name;
    uint8_t kind;
    uint8_t argument_min;
    uint8_t argument_max;
    uint8_t result; /* FUNC_SAME: the first argument's type. */
} functions[] = {
    {"row_number", WINDOW_ROW_NUMBER, 0, 0, TYPE_INT8},
    {"rank", WINDOW_RANK, 0, 0, TYPE_INT8},
    {"dense_rank", WINDOW_DENSE_RANK, 0, 0, TYPE_INT8},
    {"percent_rank", WINDOW_PERCENT_RANK, 0, 0, TYPE_FLOAT8},
    {"cume_dist", WINDOW_CUME_DIST, 0, 0, TYPE_FLOAT8},
    {"ntile", WINDOW_NTILE, 1, 1, TYPE_INT4},
    {"lag", WINDOW_LAG, 1, 3, FUNC_SAME},
    {"lead", WINDOW_LEAD, 1, 3, FUNC_SAME},
    {"first_value", WINDOW_FIRST_VALUE, 1, 1, FUNC_SAME},
    {"last_value", WINDOW_LAST_VALUE, 1, 1, FUNC_SAME},
    {"nth_value", WINDOW_NTH_VALUE, 2, 2, FUNC_SAME},
    {"locf", WINDOW_LOCF, 1, 1, FUNC_SAME},
    {"interpolate", WINDOW_INTERPOLATE, 2, 2, TYPE_FLOAT8},
};

#define FUNCTION_COUNT (sizeof functions / sizeof *functions)

static uint32_t function_number(const char *name)
{
    uint32_t number = 0;
    while (number < FUNCTION_COUNT && strcmp(functions[number].name, name) != 0) {
        number++;
    }
    return number;
}

bool bind_is_window_function(const char *name)
{
    return function_number(name) < FUNCTION_COUNT;
}

/* lag(value, offset, default): value and default have one type. */
static tdbplus_status fit_offset_arguments(struct binder *binder, struct plan_window_call *call,
                                           bool *good)
{
    if (call->argument_count > 1) {
        TRY(bind_try_coerce(binder, &call->arguments[1], type_of(TYPE_INT4), FUNC_CAST_IMPLICIT,
                            good));
    }
    if (call->argument_count == 3 && *good) {
        struct type types[2] = {call->arguments[0]->type, call->arguments[2]->type};
        struct type common = {0};
        uint32_t conflict = 0;
        *good = func_common_type(types, 2, &common, &conflict);
        if (*good) {
            TRY(bind_coerce(binder, &call->arguments[0], common, FUNC_CAST_IMPLICIT));
            TRY(bind_coerce(binder, &call->arguments[2], common, FUNC_CAST_IMPLICIT));
        }
    }
    return TDBPLUS_OK;
}

/* interpolate(value, place): the place is a number, a date or a timestamp. */
static tdbplus_status fit_interpolation(struct binder *binder, struct plan_window_call *call,
                                        bool *good)
{
    uint8_t place = call->arguments[1]->type.id;
    TRY(bind_try_coerce(binder, &call->arguments[0], type_of(TYPE_FLOAT8), FUNC_CAST_IMPLICIT,
                        good));
    if (*good && place != TYPE_DATE && place != TYPE_TIMESTAMP && place != TYPE_TIMESTAMPTZ) {
        TRY(bind_try_coerce(binder, &call->arguments[1], type_of(TYPE_FLOAT8), FUNC_CAST_IMPLICIT,
                            good));
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_ranking(struct binder *binder, struct bind_query *query,
                                   const struct ast_function *ast, const char *name,
                                   struct plan_window_call *call, struct type *type_out)
{
    uint32_t number = function_number(name);
    uint32_t count = ast->arguments.count;
    struct expr **arguments = arena_array(binder->arena, (size_t)count + 1, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_expression(binder, query, ast->arguments.items[i], &arguments[i]));
    }
    bool good = !ast->star && count >= functions[number].argument_min &&
                count <= functions[number].argument_max;
    if (good) {
        call->kind = functions[number].kind;
        call->argument_count = count;
        memcpy(call->arguments, arguments, count * sizeof *arguments);
    }
    if (good && functions[number].result == FUNC_SAME && arguments[0]->type.id == TYPE_NONE &&
        count < 3) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->ast.position,
                         "could not determine polymorphic type because input has type unknown");
    }
    if (good && call->kind == WINDOW_NTILE) {
        TRY(bind_try_coerce(binder, &call->arguments[0], type_of(TYPE_INT4), FUNC_CAST_IMPLICIT,
                            &good));
    }
    if (good && call->kind == WINDOW_INTERPOLATE) {
        TRY(fit_interpolation(binder, call, &good));
    } else if (good && call->kind != WINDOW_NTILE) {
        TRY(fit_offset_arguments(binder, call, &good));
    }
    if (!good) {
        return bind_function_missing(binder, name, arguments, count, ast->ast.position,
                                     FUNC_NOT_FOUND);
    }
    *type_out = functions[number].result == FUNC_SAME
                    ? call->arguments[0]->type
                    : type_of((enum type_id)functions[number].result);
    return TDBPLUS_OK;
}

/* ---- calls ---- */

static tdbplus_status check_place(struct binder *binder, const struct bind_query *query,
                                  const struct ast_function *ast, const char *name)
{
    uint32_t position = ast->ast.position;
    if (ast->over == NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", position,
                         "window function %s requires an OVER clause", name);
    }
    if (query->clause == CLAUSE_WINDOW) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", position,
                         "window functions are not allowed in window definitions");
    }
    if (query->in_aggregate) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "aggregate function calls cannot contain window function calls");
    }
    if (query->in_window) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", position,
                         "window function calls cannot be nested");
    }
    const char *clause =
        query->clause == CLAUSE_HAVING ? "HAVING" : bind_clause_name(query->clause);
    if (clause != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", position,
                         "window functions are not allowed in %s", clause);
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_form(struct binder *binder, const struct ast_function *ast,
                                 const char *name, bool is_aggregate)
{
    const char *missing = NULL;
    if (ast->distinct) {
        missing = "DISTINCT is not implemented for window functions";
    } else if (ast->within_group || bind_is_ordered_set(name)) {
        missing = "OVER is not supported for ordered-set aggregates";
    } else if (ast->order.count > 0 && !is_aggregate) {
        missing = "ORDER BY is not implemented for non-aggregate window functions";
    } else if (ast->order.count > 0) {
        missing = "aggregate ORDER BY is not implemented for window functions";
    } else if (ast->filter != NULL && !is_aggregate) {
        missing = "FILTER is not implemented for non-aggregate window functions";
    }
    if (missing != NULL) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ast->ast.position, "%s", missing);
    }
    struct func_match match;
    if (!is_aggregate && !bind_is_window_function(name) &&
        func_resolve(name, false, NULL, 0, &match) != FUNC_NAME_UNKNOWN) {
        return bind_fail(
            binder, TDBPLUS_E_SQL, "42809", ast->ast.position,
            "OVER specified, but %s is not a window function nor an aggregate function", name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status unknown_function(struct binder *binder, struct bind_query *query,
                                       const struct ast_function *ast, const char *name)
{
    uint32_t count = ast->arguments.count;
    struct expr **arguments = arena_array(binder->arena, (size_t)count + 1, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(bind_expression(binder, query, ast->arguments.items[i], &arguments[i]));
    }
    return bind_function_missing(binder, name, arguments, count, ast->ast.position,
                                 FUNC_NAME_UNKNOWN);
}

static bool same_window(const struct bind_window *left, const struct bind_window *right)
{
    if (left->partition_count != right->partition_count || left->key_count != right->key_count) {
        return false;
    }
    for (uint32_t i = 0; i < left->partition_count; i++) {
        if (!expr_equal(left->partition[i], right->partition[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < left->key_count; i++) {
        const struct plan_key *a = &left->keys[i];
        const struct plan_key *b = &right->keys[i];
        if (a->descending != b->descending || a->nulls_first != b->nulls_first ||
            !expr_equal(a->value, b->value)) {
            return false;
        }
    }
    return true;
}

static bool same_offset(const struct expr *left, const struct expr *right)
{
    return left == right || (left != NULL && right != NULL && expr_equal(left, right));
}

static bool same_frame(const struct plan_frame *left, const struct plan_frame *right)
{
    return left->mode == right->mode && left->start == right->start && left->end == right->end &&
           left->exclude == right->exclude &&
           same_offset(left->start_offset, right->start_offset) &&
           same_offset(left->end_offset, right->end_offset);
}

/* Equal calls are computed once, and are one expression for ORDER BY and DISTINCT ON. */
static bool same_call(const struct bind_window_call *left, const struct bind_window_call *right)
{
    const struct plan_window_call *a = &left->call;
    const struct plan_window_call *b = &right->call;
    if (a->kind != b->kind || a->aggregate != b->aggregate ||
        a->argument_count != b->argument_count || !same_offset(a->filter, b->filter) ||
        !same_window(left->window, right->window) ||
        !same_frame(&left->window->frame, &right->window->frame)) {
        return false;
    }
    for (uint32_t i = 0; i < a->argument_count; i++) {
        if (!expr_equal(a->arguments[i], b->arguments[i])) {
            return false;
        }
    }
    return true;
}

static tdbplus_status add_call(struct binder *binder, struct bind_query *query,
                               const struct bind_window_call *call, struct expr **expr_out)
{
    for (uint32_t i = 0; i < query->calls.count; i++) {
        const struct bind_window_call *other = query->calls.items[i];
        if (same_call(other, call)) {
            *expr_out = expr_column(binder->arena, other->id, other->type);
            return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
        }
    }
    struct bind_window_call *copy = arena_alloc(binder->arena, sizeof *copy);
    if (copy == NULL || !pointers_push(binder->arena, &query->calls, copy)) {
        return bind_no_memory(binder);
    }
    *copy = *call;
    copy->id = binder->next_id++;
    *expr_out = expr_column(binder->arena, copy->id, copy->type);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

tdbplus_status bind_window_call(struct binder *binder, struct bind_query *query,
                                const struct ast_function *ast, const char *name,
                                struct expr **expr_out)
{
    // rank() and the like are aggregates as well, with WITHIN GROUP.
    bool is_aggregate = aggregate_known(name) && !bind_is_window_function(name);
    TRY(check_place(binder, query, ast, name));
    TRY(check_form(binder, ast, name, is_aggregate));
    struct bind_window_call call = {0};
    query->in_window = true;
    if (is_aggregate) {
        struct plan_aggregate aggregate = {0};
        TRY(bind_aggregate_call(binder, query, ast, name, &aggregate, &call.type));
        call.call.kind = WINDOW_AGGREGATE;
        call.call.aggregate = aggregate.aggregate;
        call.call.argument_count = aggregate.argument_count;
        memcpy(call.call.arguments, aggregate.arguments, sizeof aggregate.arguments);
        call.call.filter = aggregate.filter;
    } else if (bind_is_window_function(name)) {
        TRY(bind_ranking(binder, query, ast, name, &call.call, &call.type));
    } else {
        return unknown_function(binder, query, ast, name);
    }
    query->in_window = false;
    TRY(over_window(binder, query, (const struct ast_window *)ast->over, &call.window));
    return add_call(binder, query, &call, expr_out);
}

/* ---- the plan ---- */

static tdbplus_status over_groups(struct binder *binder, struct bind_query *query,
                                  struct bind_grouping *grouping, struct expr **list,
                                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (list[i] != NULL) {
            TRY(bind_over_groups(binder, query, grouping, &list[i]));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_windows_over_groups(struct binder *binder, struct bind_query *query,
                                        struct bind_grouping *grouping)
{
    for (uint32_t i = 0; i < query->windows.count; i++) {
        struct bind_window *window = query->windows.items[i];
        TRY(over_groups(binder, query, grouping, window->partition, window->partition_count));
        for (uint32_t k = 0; k < window->key_count; k++) {
            TRY(over_groups(binder, query, grouping, &window->keys[k].value, 1));
        }
    }
    for (uint32_t i = 0; i < query->calls.count; i++) {
        struct plan_window_call *call = &((struct bind_window_call *)query->calls.items[i])->call;
        TRY(over_groups(binder, query, grouping, call->arguments, call->argument_count));
        TRY(over_groups(binder, query, grouping, &call->filter, 1));
    }
    return TDBPLUS_OK;
}

/* One operator for the calls from `first` on that share its partitions and order. */
static tdbplus_status put_window(struct binder *binder, struct bind_query *query, uint32_t first,
                                 bool *placed, struct plan **plan)
{
    const struct bind_window_call *leader = query->calls.items[first];
    uint32_t rest = query->calls.count - first;
    uint32_t below = (*plan)->column_count;
    struct plan *node = plan_make(binder->arena, PLAN_WINDOW, below + rest);
    struct plan_window *window = arena_array(binder->arena, 1, sizeof *window);
    if (node == NULL || window == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(node->columns, (*plan)->columns, below * sizeof *node->columns);
    window->partition = leader->window->partition;
    window->partition_count = leader->window->partition_count;
    window->keys = leader->window->keys;
    window->key_count = leader->window->key_count;
    window->calls = arena_array(binder->arena, rest, sizeof *window->calls);
    if (window->calls == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = first; i < query->calls.count; i++) {
        const struct bind_window_call *call = query->calls.items[i];
        if (placed[i] || !same_window(call->window, leader->window)) {
            continue;
        }
        placed[i] = true;
        window->calls[window->call_count] = call->call;
        window->calls[window->call_count].frame = call->window->frame;
        node->columns[below + window->call_count++] =
            (struct plan_column){.id = call->id, .type = call->type};
    }
    node->column_count = below + window->call_count;
    node->window = window;
    node->left = *plan;
    *plan = node;
    return TDBPLUS_OK;
}

tdbplus_status bind_window_plan(struct binder *binder, struct bind_query *query, struct plan **plan)
{
    bool *placed = arena_array(binder->arena, query->calls.count + 1u, sizeof *placed);
    if (placed == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < query->calls.count; i++) {
        if (!placed[i]) {
            TRY(put_window(binder, query, i, placed, plan));
        }
    }
    return TDBPLUS_OK;
}
