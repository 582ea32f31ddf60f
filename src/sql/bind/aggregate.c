/* Aggregates: what they are given and where they may stand. */

#include <string.h>

#include "sql/bind/bind_internal.h"

const char *bind_clause_name(uint8_t clause)
{
    static const char *const names[] = {
        [CLAUSE_SELECT] = NULL,
        [CLAUSE_WHERE] = "WHERE",
        [CLAUSE_ON] = "JOIN conditions",
        [CLAUSE_GROUP] = "GROUP BY",
        [CLAUSE_HAVING] = NULL,
        [CLAUSE_ORDER] = NULL,
        [CLAUSE_LIMIT] = "LIMIT",
        [CLAUSE_VALUES] = "VALUES",
        [CLAUSE_RETURNING] = "RETURNING",
        [CLAUSE_UPDATE] = "UPDATE",
        [CLAUSE_DEFAULT] = "DEFAULT expressions",
        [CLAUSE_CHECK] = "check constraints",
        [CLAUSE_FROM_FUNCTION] = "functions in FROM",
        [CLAUSE_WINDOW] = NULL,
    };
    return names[clause];
}

static bool same_aggregate(const struct plan_aggregate *left, const struct plan_aggregate *right)
{
    if (left->aggregate != right->aggregate || left->distinct != right->distinct ||
        left->argument_count != right->argument_count ||
        (left->filter == NULL) != (right->filter == NULL) ||
        (left->filter != NULL && !expr_equal(left->filter, right->filter))) {
        return false;
    }
    for (uint32_t i = 0; i < left->argument_count; i++) {
        if (!expr_equal(left->arguments[i], right->arguments[i])) {
            return false;
        }
    }
    return true;
}

/* The column that the aggregate becomes; equal ones are computed once. */
static tdbplus_status add_aggregate(struct binder *binder, struct bind_query *query,
                                    const struct plan_aggregate *aggregate, struct type type,
                                    struct expr **expr_out)
{
    struct bind_aggregate *found = NULL;
    for (uint32_t i = 0; i < query->aggregates.count && found == NULL; i++) {
        struct bind_aggregate *other = query->aggregates.items[i];
        found = same_aggregate(&other->aggregate, aggregate) ? other : NULL;
    }
    if (found == NULL) {
        found = arena_array(binder->arena, 1, sizeof *found);
        if (found == NULL || !pointers_push(binder->arena, &query->aggregates, found)) {
            return bind_no_memory(binder);
        }
        *found = (struct bind_aggregate){*aggregate, binder->next_id++, type};
    }
    *expr_out = expr_column(binder->arena, found->id, type);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status check_aggregate(struct binder *binder, const struct bind_query *query,
                                      const struct ast_function *ast)
{
    uint32_t position = ast->ast.position;
    if (query->in_aggregate) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "aggregate function calls cannot be nested");
    }
    if (query->reads_itself) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P19", position,
                         "aggregate functions are not allowed in a recursive query's recursive "
                         "term");
    }
    if (bind_clause_name(query->clause) != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "aggregate functions are not allowed in %s",
                         bind_clause_name(query->clause));
    }
    if (ast->order.count > 0) {
        return bind_unsupported(binder, position, "ORDER BY in an aggregate");
    }
    if (ast->within_group) {
        return bind_unsupported(binder, position, "WITHIN GROUP");
    }
    return TDBPLUS_OK;
}

/* Arguments and FILTER of a call, which become what the aggregate wants. */
tdbplus_status bind_aggregate_call(struct binder *binder, struct bind_query *query,
                                   const struct ast_function *ast, const char *name,
                                   struct plan_aggregate *aggregate, struct type *type_out)
{
    struct type types[2] = {0};
    struct type wanted[2] = {0};
    aggregate->argument_count = ast->arguments.count;
    for (uint32_t i = 0; i < ast->arguments.count; i++) {
        struct expr *argument = NULL;
        TRY(bind_expression(binder, query, ast->arguments.items[i], &argument));
        if (i < 2) {
            aggregate->arguments[i] = argument;
            types[i] = argument->type;
        }
    }
    if (ast->filter != NULL) {
        TRY(bind_condition(binder, query, ast->filter, "FILTER", &aggregate->filter));
    }
    if (!ast->star && ast->arguments.count == 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", ast->ast.position,
                         "%s(*) must be used to call a parameterless aggregate function", name);
    }
    enum func_found found = FUNC_NOT_FOUND;
    if (ast->arguments.count <= 2) {
        found = aggregate_resolve(name, types, ast->arguments.count, &aggregate->aggregate, wanted,
                                  type_out);
    }
    if (found != FUNC_FOUND) {
        uint32_t count = ast->arguments.count > 2 ? 2 : ast->arguments.count;
        return bind_function_missing(binder, name, aggregate->arguments, count, ast->ast.position,
                                     FUNC_NOT_FOUND);
    }
    for (uint32_t i = 0; i < aggregate->argument_count; i++) {
        TRY(bind_coerce(binder, &aggregate->arguments[i], wanted[i], FUNC_CAST_IMPLICIT));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_aggregate(struct binder *binder, struct bind_query *query,
                              const struct ast_function *ast, const char *name,
                              struct expr **expr_out)
{
    TRY(check_aggregate(binder, query, ast));
    struct plan_aggregate aggregate = {.distinct = ast->distinct};
    struct type result = {0};
    query->in_aggregate = true;
    TRY(bind_aggregate_call(binder, query, ast, name, &aggregate, &result));
    query->in_aggregate = false;
    return add_aggregate(binder, query, &aggregate, result, expr_out);
}
