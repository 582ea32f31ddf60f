/* GROUP BY: what it groups by, and expressions over groups. */

#include <string.h>

#include "sql/bind/bind_internal.h"

static tdbplus_status add_key(struct binder *binder, struct bind_grouping *grouping,
                              struct expr *key)
{
    if (key->type.id == TYPE_NONE) {
        TRY(bind_coerce(binder, &key, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
    }
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        if (expr_equal(grouping->keys.items[i], key)) {
            return TDBPLUS_OK;
        }
    }
    return pointers_push(binder->arena, &grouping->keys, key) ? TDBPLUS_OK : bind_no_memory(binder);
}

/* An integer is the number of a select item, a name may be an alias; PostgreSQL prefers the input's
 * column to the alias here. */
static tdbplus_status bind_key(struct binder *binder, struct bind_query *query,
                               const struct ast *ast, struct bind_targets *targets,
                               struct expr **key_out)
{
    if (ast->kind == AST_CONSTANT && ((const struct ast_constant *)ast)->constant == AST_INTEGER) {
        int32_t number = ((const struct ast_constant *)ast)->integer;
        if (number < 1 || (uint32_t)number > targets->exprs.count) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->position,
                             "GROUP BY position %d is not in select list", number);
        }
        *key_out = targets->exprs.items[number - 1];
        return TDBPLUS_OK;
    }
    if (ast->kind == AST_COLUMN_REF && ((const struct ast_column_ref *)ast)->names.count == 1) {
        const char *name = ((const struct ast_column_ref *)ast)->names.items[0];
        bool ambiguous = false;
        if (bind_peek_column(query, NULL, name, &ambiguous) == NULL) {
            for (uint32_t i = 0; i < targets->names.count; i++) {
                if (targets->names.items[i] != NULL && strcmp(targets->names.items[i], name) == 0) {
                    *key_out = targets->exprs.items[i];
                    return TDBPLUS_OK;
                }
            }
        }
    }
    return bind_stored(binder, query, ast, key_out);
}

static bool is_aggregate_id(const struct bind_query *query, uint32_t id)
{
    for (uint32_t i = 0; i < query->aggregates.count; i++) {
        if (((const struct bind_aggregate *)query->aggregates.items[i])->id == id) {
            return true;
        }
    }
    return false;
}

static bool has_aggregate(const struct bind_query *query, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && is_aggregate_id(query, expr->number)) {
        return true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (has_aggregate(query, expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

static bool has_window(const struct bind_query *query, const struct expr *expr)
{
    for (uint32_t i = 0; expr->kind == EXPR_COLUMN && i < query->calls.count; i++) {
        if (((const struct bind_window_call *)query->calls.items[i])->id == expr->number) {
            return true;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (has_window(query, expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

tdbplus_status bind_group_keys(struct binder *binder, struct bind_query *query,
                               const struct ast_select *ast, struct bind_targets *targets,
                               struct bind_grouping *grouping)
{
    uint8_t clause = query->clause;
    query->clause = CLAUSE_GROUP;
    for (uint32_t i = 0; i < ast->groups.count; i++) {
        const struct ast *item = ast->groups.items[i];
        struct expr *key = NULL;
        if (item->kind == AST_GROUPING_SET) {
            if (((const struct ast_grouping_set *)item)->grouping_kind == AST_GROUPING_EMPTY) {
                continue;
            }
            return bind_unsupported(binder, item->position, "GROUPING SETS");
        }
        TRY(bind_key(binder, query, item, targets, &key));
        if (has_aggregate(query, key)) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42803", item->position,
                             "aggregate functions are not allowed in GROUP BY");
        }
        if (has_window(query, key)) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P20", item->position,
                             "window functions are not allowed in GROUP BY");
        }
        TRY(add_key(binder, grouping, key));
    }
    query->clause = clause;
    grouping->ids = arena_array(binder->arena, grouping->keys.count + 1u, sizeof(uint32_t));
    if (grouping->ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        // A plain column keeps its id, so that subqueries find it above too.
        const struct expr *key = grouping->keys.items[i];
        grouping->ids[i] = key->kind == EXPR_COLUMN ? key->number : binder->next_id++;
    }
    grouping->needed = ast->groups.count > 0 || ast->having != NULL;
    return TDBPLUS_OK;
}

tdbplus_status bind_aggregate_plan(struct binder *binder, struct bind_query *query,
                                   struct bind_grouping *grouping, struct plan **plan)
{
    uint32_t key_count = grouping->keys.count;
    uint32_t aggregate_count = query->aggregates.count;
    struct plan *group = plan_make(binder->arena, PLAN_AGGREGATE, key_count + aggregate_count);
    if (group == NULL) {
        return bind_no_memory(binder);
    }
    group->left = *plan;
    group->exprs = (struct expr **)grouping->keys.items;
    group->expr_count = key_count;
    group->aggregate_count = aggregate_count;
    group->aggregates = arena_array(binder->arena, aggregate_count + 1u, sizeof *group->aggregates);
    if (group->aggregates == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        const struct expr *key = grouping->keys.items[i];
        group->columns[i] = (struct plan_column){.id = grouping->ids[i], .type = key->type};
    }
    for (uint32_t i = 0; i < aggregate_count; i++) {
        const struct bind_aggregate *aggregate = query->aggregates.items[i];
        group->aggregates[i] = aggregate->aggregate;
        group->columns[key_count + i] =
            (struct plan_column){.id = aggregate->id, .type = aggregate->type};
    }
    *plan = group;
    return TDBPLUS_OK;
}

static tdbplus_status ungrouped(struct binder *binder, const struct bind_query *query, uint32_t id,
                                uint32_t position, bool in_subquery)
{
    const char *table = NULL;
    const char *name = "?column?";
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (column->id == id) {
            table = column->table;
            name = column->name;
        }
    }
    if (in_subquery) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "subquery uses ungrouped column \"%s%s%s\" from outer query",
                         table != NULL ? table : "", table != NULL ? "." : "", name);
    }
    return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                     "column \"%s%s%s\" must appear in the GROUP BY clause or be used in an "
                     "aggregate function",
                     table != NULL ? table : "", table != NULL ? "." : "", name);
}

static bool is_input_id(const struct bind_query *query, uint32_t id)
{
    for (uint32_t i = 0; i < query->columns.count; i++) {
        if (((const struct bind_column *)query->columns.items[i])->id == id) {
            return true;
        }
    }
    return false;
}

static bool is_key_id(const struct bind_grouping *grouping, uint32_t id)
{
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        if (grouping->ids[i] == id) {
            return true;
        }
    }
    return false;
}

tdbplus_status bind_over_groups(struct binder *binder, struct bind_query *query,
                                const struct bind_grouping *grouping, struct expr **expr)
{
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        const struct expr *key = grouping->keys.items[i];
        if (expr_equal(key, *expr)) {
            uint32_t position = (*expr)->position;
            *expr = expr_column(binder->arena, grouping->ids[i], key->type);
            if (*expr == NULL) {
                return bind_no_memory(binder);
            }
            (*expr)->position = position;
            return TDBPLUS_OK;
        }
    }
    if ((*expr)->kind == EXPR_COLUMN && is_input_id(query, (*expr)->number)) {
        return ungrouped(binder, query, (*expr)->number, (*expr)->position, false);
    }
    const struct expr_subquery *subquery = (*expr)->subquery;
    for (uint32_t i = 0; subquery != NULL && i < subquery->outer_count; i++) {
        uint32_t id = subquery->outer_ids[i];
        if (is_input_id(query, id) && !is_key_id(grouping, id)) {
            return ungrouped(binder, query, id, (*expr)->position, true);
        }
    }
    if ((*expr)->argument_count == 0) {
        return TDBPLUS_OK;
    }
    // The node may be shared with a group key or another target; this copy is ours.
    struct expr *copy = expr_make(binder->arena, (enum expr_kind)(*expr)->kind, (*expr)->type,
                                  (*expr)->argument_count);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    struct expr **arguments = copy->arguments;
    *copy = **expr;
    copy->arguments = arguments;
    for (uint32_t i = 0; i < copy->argument_count; i++) {
        arguments[i] = (*expr)->arguments[i];
        TRY(bind_over_groups(binder, query, grouping, &arguments[i]));
    }
    *expr = copy;
    return TDBPLUS_OK;
}
