/* Plans to pipelines, expressions to slots. */

#include "sql/exec/exec_decimal.h"
#include "sql/exec/exec_internal.h"
#include "sql/exec/exec_scan.h"

static tdbplus_status compile_column(struct exec *exec, const struct expr *expr,
                                     const struct plan_column *columns, uint32_t column_count,
                                     struct expr **expr_out)
{
    struct expr *slot = expr_make(&exec->arena, EXPR_OUTER, expr->type, 0);
    if (slot == NULL) {
        return exec_no_memory(exec);
    }
    slot->number = expr->number;
    for (uint32_t i = 0; i < column_count; i++) {
        if (columns[i].id == expr->number) {
            slot->kind = EXPR_SLOT;
            slot->number = i;
            break;
        }
    }
    *expr_out = slot;
    return TDBPLUS_OK;
}

/* The outer row's columns become arguments after the tested value. */
static tdbplus_status compile_subquery(struct exec *exec, const struct expr *expr,
                                       const struct plan_column *columns, uint32_t column_count,
                                       struct expr *copy)
{
    uint32_t outer_count = expr->subquery->outer_count;
    copy->subquery = arena_array(&exec->arena, 1, sizeof *copy->subquery);
    struct expr **arguments =
        arena_array(&exec->arena, copy->argument_count + outer_count + 1u, sizeof *arguments);
    if (copy->subquery == NULL || arguments == NULL) {
        return exec_no_memory(exec);
    }
    *copy->subquery = *expr->subquery;
    copy->subquery->state = NULL;
    for (uint32_t i = 0; i < copy->argument_count; i++) {
        arguments[i] = copy->arguments[i];
    }
    for (uint32_t i = 0; i < outer_count; i++) {
        struct expr column = {.kind = EXPR_COLUMN, .number = expr->subquery->outer_ids[i]};
        TRY(compile_column(exec, &column, columns, column_count,
                           &arguments[copy->argument_count + i]));
    }
    copy->arguments = arguments;
    copy->argument_count += outer_count;
    return TDBPLUS_OK;
}

/* Checks have the value for their only column. */
static tdbplus_status compile_domain(struct exec *exec, const struct expr *expr, struct expr *copy)
{
    const struct expr_domain *from = expr->domain;
    struct plan_column value = {.id = from->value_id, .type = expr->arguments[0]->type};
    struct expr_domain *domain = arena_array(&exec->arena, 1, sizeof *domain);
    struct expr **checks = arena_array(&exec->arena, from->check_count + 1u, sizeof *checks);
    if (domain == NULL || checks == NULL) {
        return exec_no_memory(exec);
    }
    *domain = *from;
    domain->checks = checks;
    for (uint32_t i = 0; i < from->check_count; i++) {
        TRY(exec_compile_expr(exec, from->checks[i], &value, 1, &checks[i]));
    }
    copy->domain = domain;
    return TDBPLUS_OK;
}

tdbplus_status exec_compile_expr(struct exec *exec, const struct expr *expr,
                                 const struct plan_column *columns, uint32_t column_count,
                                 struct expr **expr_out)
{
    if (expr->kind == EXPR_COLUMN) {
        return compile_column(exec, expr, columns, column_count, expr_out);
    }
    struct expr *copy =
        expr_make(&exec->arena, (enum expr_kind)expr->kind, expr->type, expr->argument_count);
    if (copy == NULL) {
        return exec_no_memory(exec);
    }
    struct expr **arguments = copy->arguments;
    *copy = *expr;
    copy->arguments = arguments;
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(exec_compile_expr(exec, expr->arguments[i], columns, column_count, &arguments[i]));
    }
    if (expr->kind == EXPR_SUBQUERY) {
        TRY(compile_subquery(exec, expr, columns, column_count, copy));
    }
    if (expr->kind == EXPR_DOMAIN) {
        TRY(compile_domain(exec, expr, copy));
    }
    struct decimal_comparison *comparison = NULL;
    TRY(decimal_compile_comparison(exec, copy, &comparison));
    copy->compiled = comparison;
    *expr_out = copy;
    return TDBPLUS_OK;
}

static tdbplus_status compile_filter(struct exec *exec, const struct plan *plan,
                                     struct pipeline *pipeline)
{
    bool done = false;
    TRY(make_filtered_scan(exec, plan, pipeline, &done));
    return done ? TDBPLUS_OK : make_filter(exec, plan, pipeline);
}

typedef tdbplus_status (*plan_maker)(struct exec *exec, const struct plan *plan,
                                     struct pipeline *pipeline);

tdbplus_status exec_compile(struct exec *exec, const struct plan *plan,
                            struct pipeline *pipeline_out)
{
    static const plan_maker makers[] = {
        [PLAN_VALUES] = make_values,
        [PLAN_SCAN] = make_scan,
        [PLAN_SERIES] = make_series,
        [PLAN_FILE] = make_file,
        [PLAN_FILTER] = compile_filter,
        [PLAN_PROJECT] = make_project,
        [PLAN_AGGREGATE] = make_aggregate,
        [PLAN_JOIN] = make_join,
        [PLAN_SORT] = make_sort,
        [PLAN_LIMIT] = make_limit,
        [PLAN_DISTINCT] = make_distinct,
        [PLAN_SET] = make_set,
        [PLAN_CTE] = make_cte,
        [PLAN_WORK] = make_cte,
        [PLAN_EXPAND] = make_expand,
        [PLAN_WITH] = make_with,
        [PLAN_APPLY] = make_apply,
        [PLAN_LOCK] = make_lock,
        [PLAN_SAMPLE] = make_sample,
        [PLAN_GROUPING] = make_grouping,
        [PLAN_WINDOW] = make_window,
        [PLAN_SYSTEM] = make_system,
        [PLAN_INSERT] = make_change_source,
        [PLAN_UPDATE] = make_change_source,
        [PLAN_DELETE] = make_change_source,
    };
    struct pipeline pipeline = {0};
    TRY(makers[plan->kind](exec, plan, &pipeline));
    if (pipeline.last->origin == NULL) {
        pipeline.last->origin = plan;
    }
    if (exec->profile != NULL) {
        TRY(make_probe(exec, plan, &pipeline));
    }
    pipeline.columns = plan->columns;
    pipeline.column_count = plan->column_count;
    *pipeline_out = pipeline;
    return TDBPLUS_OK;
}
