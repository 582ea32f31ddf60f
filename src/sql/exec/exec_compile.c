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

tdbplus_status exec_compile(struct exec *exec, const struct plan *plan,
                            struct pipeline *pipeline_out)
{
    struct pipeline pipeline = {0};
    switch ((enum plan_kind)plan->kind) {
    case PLAN_VALUES:
        TRY(make_values(exec, plan, &pipeline));
        break;
    case PLAN_SCAN:
        TRY(make_scan(exec, plan, &pipeline));
        break;
    case PLAN_SERIES:
        TRY(make_series(exec, plan, &pipeline));
        break;
    case PLAN_FILTER:
        TRY(compile_filter(exec, plan, &pipeline));
        break;
    case PLAN_PROJECT:
        TRY(make_project(exec, plan, &pipeline));
        break;
    case PLAN_AGGREGATE:
        TRY(make_aggregate(exec, plan, &pipeline));
        break;
    case PLAN_JOIN:
        TRY(make_join(exec, plan, &pipeline));
        break;
    case PLAN_SORT:
        TRY(make_sort(exec, plan, &pipeline));
        break;
    case PLAN_LIMIT:
        TRY(make_limit(exec, plan, &pipeline));
        break;
    case PLAN_DISTINCT:
        TRY(make_distinct(exec, plan, &pipeline));
        break;
    case PLAN_SET:
        TRY(make_set(exec, plan, &pipeline));
        break;
    case PLAN_CTE:
    case PLAN_WORK:
        TRY(make_cte(exec, plan, &pipeline));
        break;
    case PLAN_EXPAND:
        TRY(make_expand(exec, plan, &pipeline));
        break;
    case PLAN_WITH:
        TRY(make_with(exec, plan, &pipeline));
        break;
    case PLAN_APPLY:
        TRY(make_apply(exec, plan, &pipeline));
        break;
    case PLAN_LOCK:
        TRY(make_lock(exec, plan, &pipeline));
        break;
    case PLAN_SAMPLE:
        TRY(make_sample(exec, plan, &pipeline));
        break;
    case PLAN_GROUPING:
        TRY(make_grouping(exec, plan, &pipeline));
        break;
    case PLAN_WINDOW:
        TRY(make_window(exec, plan, &pipeline));
        break;
    case PLAN_INSERT:
    case PLAN_UPDATE:
    case PLAN_DELETE:
        TRY(make_change_source(exec, plan, &pipeline));
        break;
    }
    if (pipeline.last->origin == NULL) {
        pipeline.last->origin = plan;
    }
    pipeline.columns = plan->columns;
    pipeline.column_count = plan->column_count;
    *pipeline_out = pipeline;
    return TDBPLUS_OK;
}
