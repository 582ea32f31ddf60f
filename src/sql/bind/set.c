/* VALUES, UNION, INTERSECT, EXCEPT. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/bind_internal.h"

static const char *column_number_name(struct binder *binder, uint32_t number)
{
    char text[32];
    (void)snprintf(text, sizeof text, "column%u", number + 1);
    return arena_text(binder->arena, span_from_text(text));
}

tdbplus_status bind_values(struct binder *binder, struct bind_query *query,
                           const struct ast_select *ast, struct plan **plan_out)
{
    uint32_t rows = ast->values.count;
    uint32_t columns = ((const struct ast_items *)ast->values.items[0])->list.count;
    struct plan *plan = plan_make(binder->arena, PLAN_VALUES, columns);
    struct expr ***slots = arena_array(binder->arena, rows + 1u, sizeof *slots);
    if (plan == NULL || slots == NULL) {
        return bind_no_memory(binder);
    }
    plan->row_count = rows;
    plan->expr_count = rows * columns;
    plan->exprs = arena_array(binder->arena, (size_t)rows * columns + 1, sizeof *plan->exprs);
    if (plan->exprs == NULL) {
        return bind_no_memory(binder);
    }
    query->clause = CLAUSE_VALUES;
    for (uint32_t r = 0; r < rows; r++) {
        const struct ast_list *row = &((const struct ast_items *)ast->values.items[r])->list;
        if (row->count != columns) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", row->items[0]->position,
                             "VALUES lists must all be the same length");
        }
        for (uint32_t c = 0; c < columns; c++) {
            TRY(bind_expression(binder, query, row->items[c],
                                &plan->exprs[(size_t)r * columns + c]));
        }
    }
    for (uint32_t c = 0; c < columns; c++) {
        for (uint32_t r = 0; r < rows; r++) {
            slots[r] = &plan->exprs[(size_t)r * columns + c];
        }
        struct type type = {0};
        TRY(bind_unify(binder, slots, rows, "VALUES", &type));
        const char *name = column_number_name(binder, c);
        if (name == NULL) {
            return bind_no_memory(binder);
        }
        plan->columns[c] = (struct plan_column){binder->next_id++, type, name};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* Casts a side's columns to the common types, by a projection if any differs. */
static tdbplus_status cast_side(struct binder *binder, struct plan **side, struct expr **exprs)
{
    bool same = true;
    struct pointers list = {0};
    struct pointers names = {0};
    for (uint32_t i = 0; i < (*side)->column_count; i++) {
        same = same && exprs[i]->kind == EXPR_COLUMN;
        if (!pointers_push(binder->arena, &list, exprs[i]) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    return same ? TDBPLUS_OK : bind_project(binder, *side, &list, &names, side);
}

/* An unknown literal in a column of a side is given its type inside that side's projection. */
static tdbplus_status side_columns(struct binder *binder, struct plan *side, struct expr ***out)
{
    struct expr **exprs = arena_array(binder->arena, side->column_count + 1u, sizeof *exprs);
    if (exprs == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < side->column_count; i++) {
        exprs[i] = expr_column(binder->arena, side->columns[i].id, side->columns[i].type);
        if (exprs[i] == NULL) {
            return bind_no_memory(binder);
        }
        bool project = side->kind == PLAN_PROJECT && side->columns[i].type.id == TYPE_NONE;
        if (project) {
            exprs[i] = side->exprs[i];
        }
    }
    *out = exprs;
    return TDBPLUS_OK;
}

static tdbplus_status unify_sides(struct binder *binder, struct plan *plan, const char *what)
{
    struct plan *sides[2] = {plan->left, plan->right};
    struct expr **exprs[2] = {NULL, NULL};
    for (uint32_t s = 0; s < 2; s++) {
        TRY(side_columns(binder, sides[s], &exprs[s]));
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        struct expr **slots[2] = {&exprs[0][i], &exprs[1][i]};
        struct type type = {0};
        TRY(bind_unify(binder, slots, 2, what, &type));
        for (uint32_t s = 0; s < 2; s++) {
            if (sides[s]->columns[i].type.id == TYPE_NONE) {
                // The literal itself became a value of that type.
                sides[s]->exprs[i] = exprs[s][i];
                sides[s]->columns[i].type = type;
                exprs[s][i] = expr_column(binder->arena, sides[s]->columns[i].id, type);
                if (exprs[s][i] == NULL) {
                    return bind_no_memory(binder);
                }
            }
        }
        plan->columns[i] = (struct plan_column){binder->next_id++, type, sides[0]->columns[i].name};
    }
    TRY(cast_side(binder, &plan->left, exprs[0]));
    return cast_side(binder, &plan->right, exprs[1]);
}

tdbplus_status bind_set_plan(struct binder *binder, const struct ast_select *ast, struct plan *left,
                             struct plan *right, struct plan **plan_out)
{
    static const struct {
        uint8_t kind;
        const char *name;
    } kinds[] = {
        [AST_UNION] = {SET_UNION, "UNION"},
        [AST_INTERSECT] = {SET_INTERSECT, "INTERSECT"},
        [AST_EXCEPT] = {SET_EXCEPT, "EXCEPT"},
    };
    const char *what = kinds[ast->set_kind].name;
    if (left->column_count != right->column_count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         "each %s query must have the same number of columns", what);
    }
    struct plan *plan = plan_make(binder->arena, PLAN_SET, left->column_count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->set_kind = kinds[ast->set_kind].kind;
    plan->set_all = ast->set_all;
    plan->left = left;
    plan->right = right;
    TRY(unify_sides(binder, plan, what));
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_cast_plan(struct binder *binder, const struct plan_column *columns,
                              struct plan **plan)
{
    struct expr **exprs = NULL;
    TRY(side_columns(binder, *plan, &exprs));
    for (uint32_t i = 0; i < (*plan)->column_count; i++) {
        TRY(bind_coerce(binder, &exprs[i], columns[i].type, FUNC_CAST_IMPLICIT));
        if ((*plan)->columns[i].type.id == TYPE_NONE) {
            (*plan)->exprs[i] = exprs[i];
            (*plan)->columns[i].type = columns[i].type;
            exprs[i] = expr_column(binder->arena, (*plan)->columns[i].id, columns[i].type);
            if (exprs[i] == NULL) {
                return bind_no_memory(binder);
            }
        }
    }
    return cast_side(binder, plan, exprs);
}

tdbplus_status bind_set_operation(struct binder *binder, struct bind_query *query,
                                  const struct ast_select *ast, struct plan **plan_out)
{
    struct plan *left = NULL;
    struct plan *right = NULL;
    uint8_t recursion = binder->recursion;
    binder->recursion = ast->set_kind == AST_UNION ? recursion : RECURSION_SET;
    TRY(bind_select(binder, query, (const struct ast_select *)ast->left, true, &left));
    const struct ast_select *by_name = NULL;
    TRY(bind_unmark(binder, ast->right, &by_name));
    TRY(bind_select(binder, query,
                    by_name != NULL ? by_name : (const struct ast_select *)ast->right, true,
                    &right));
    if (by_name != NULL) {
        TRY(bind_align(binder, &left, &right));
    }
    binder->recursion = recursion;
    return bind_set_plan(binder, ast, left, right, plan_out);
}
