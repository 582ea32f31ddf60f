/* What follows from a = b and b = c: a and c can be joined without b. */

#include <string.h>

#include "sql/opt/join_graph.h"

#define MEMBER_COUNT_MAX 64u /* Columns in groups; what is beyond is joined as it is written. */

struct member {
    uint32_t id;
    struct type type;
    const struct func *func; /* The equality. */
    uint32_t group;
};

struct members {
    struct member items[MEMBER_COUNT_MAX];
    uint32_t count;
};

static bool equates_columns(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && expr->argument_count == 2 &&
           (expr->func->flags & FUNC_OPERATOR) != 0 && strcmp(expr->func->name, "=") == 0 &&
           expr->func->arguments[0] == expr->func->arguments[1] &&
           expr->func->arguments[0] != TYPE_JSON && expr->arguments[0]->kind == EXPR_COLUMN &&
           expr->arguments[1]->kind == EXPR_COLUMN;
}

/* The column as a member, put there if need be; NULL when there is no room. */
static struct member *find_member(struct members *members, const struct expr *column,
                                  const struct func *func)
{
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->items[i].id == column->number && members->items[i].func == func) {
            return &members->items[i];
        }
    }
    if (members->count == MEMBER_COUNT_MAX) {
        return NULL;
    }
    struct member *member = &members->items[members->count++];
    *member = (struct member){.id = column->number, .type = column->type, .func = func};
    return member;
}

static void rename_group(struct join_graph *graph, struct members *members, uint32_t from,
                         uint32_t to)
{
    for (uint32_t i = 0; i < members->count; i++) {
        members->items[i].group = members->items[i].group == from ? to : members->items[i].group;
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        uint32_t *group = &graph->conditions[c].group;
        *group = *group == from ? to : *group;
    }
}

static void join_group(struct join_graph *graph, struct members *members,
                       struct join_condition *condition)
{
    const struct expr *expr = condition->expr;
    struct member *left = find_member(members, expr->arguments[0], expr->func);
    struct member *right = find_member(members, expr->arguments[1], expr->func);
    if (left == NULL || right == NULL) {
        return;
    }
    if (left->group == 0 && right->group == 0) {
        left->group = ++graph->group_count;
    }
    uint32_t group = left->group != 0 ? left->group : right->group;
    uint32_t other = left->group != 0 ? right->group : 0;
    left->group = group;
    right->group = group;
    condition->group = group;
    if (other != 0 && other != group) {
        rename_group(graph, members, other, group);
    }
}

/* Of a group with two columns of one input nothing may be left out: that those two are equal may be
 * what its conditions say. */
static void dissolve_groups(struct join_graph *graph, struct members *members)
{
    for (uint32_t l = 0; l < members->count; l++) {
        for (uint32_t r = l + 1; r < members->count; r++) {
            const struct member *left = &members->items[l];
            const struct member *right = &members->items[r];
            if (left->group != 0 && left->group == right->group &&
                join_graph_input_of(graph, left->id) == join_graph_input_of(graph, right->id)) {
                rename_group(graph, members, left->group, 0);
            }
        }
    }
}

static bool is_written(const struct join_graph *graph, uint32_t group, uint32_t left,
                       uint32_t right)
{
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        const struct expr *expr = graph->conditions[c].expr;
        if (graph->conditions[c].group == group &&
            ((expr->arguments[0]->number == left && expr->arguments[1]->number == right) ||
             (expr->arguments[0]->number == right && expr->arguments[1]->number == left))) {
            return true;
        }
    }
    return false;
}

static tdbplus_status add_equality(struct optimizer *optimizer, struct join_graph *graph,
                                   const struct member *left, const struct member *right)
{
    struct expr *expr = expr_call(optimizer->arena, left->func, type_of(TYPE_BOOL), 2);
    struct expr *sides[2] = {expr_column(optimizer->arena, left->id, left->type),
                             expr_column(optimizer->arena, right->id, right->type)};
    if (expr == NULL || sides[0] == NULL || sides[1] == NULL) {
        return opt_no_memory(optimizer);
    }
    memcpy(expr->arguments, sides, sizeof sides);
    TRY(join_graph_add(optimizer, graph, expr));
    graph->conditions[graph->condition_count - 1].group = left->group;
    return TDBPLUS_OK;
}

tdbplus_status opt_equal_columns(struct optimizer *optimizer, struct join_graph *graph)
{
    struct members *members = arena_array(optimizer->arena, 1, sizeof *members);
    if (members == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        const struct expr *expr = graph->conditions[c].expr;
        if (equates_columns(expr) && join_graph_input_of(graph, expr->arguments[0]->number) != 0 &&
            join_graph_input_of(graph, expr->arguments[1]->number) != 0) {
            join_group(graph, members, &graph->conditions[c]);
        }
    }
    dissolve_groups(graph, members);
    for (uint32_t l = 0; l < members->count; l++) {
        for (uint32_t r = l + 1; r < members->count; r++) {
            const struct member *left = &members->items[l];
            const struct member *right = &members->items[r];
            if (left->group == right->group && left->group != 0 &&
                !is_written(graph, left->group, left->id, right->id)) {
                TRY(add_equality(optimizer, graph, left, right));
            }
        }
    }
    return TDBPLUS_OK;
}
