/* Queries inside of expressions: run once if nothing outside is read, else once a row. */

#include <string.h>

#include "sql/exec/exec_internal.h"

/* What one run of a subquery gave: the values of its only column, or whether there was a row. */
struct answer {
    struct exec exec;   /* Owns the memory of `values`. */
    struct list values; /* struct datum */
    bool any_row;
};

static void answer_deinit(struct answer *answer)
{
    list_deinit(&answer->values);
    exec_deinit(&answer->exec);
}

/* A subquery that reads nothing outside keeps its answer in a stage, which closes it. */
struct answer_stage {
    struct stage stage;
    struct answer answer;
};

static void answer_close(struct stage *stage)
{
    answer_deinit(&((struct answer_stage *)stage)->answer);
}

static tdbplus_status keep_value(struct answer *answer, const struct batch *batch, uint32_t row)
{
    // Through a store of the answer's own arena, because the batch goes.
    struct datum value;
    column_get(&batch->columns[0], row, &value);
    enum physical physical = type_physical(value.type);
    if (!value.is_null && (physical == PHYSICAL_VIEW || physical == PHYSICAL_FIXED)) {
        uint8_t *bytes = arena_bytes(&answer->exec.arena, value.bytes.size + 1);
        if (bytes == NULL) {
            return exec_no_memory(&answer->exec);
        }
        if (value.bytes.size > 0) {
            memcpy(bytes, value.bytes.data, value.bytes.size);
        }
        value.bytes.data = bytes;
    }
    return list_push(&answer->values, &value) == NULL ? exec_no_memory(&answer->exec) : TDBPLUS_OK;
}

static tdbplus_status collect(struct answer *answer, const struct expr_subquery *subquery,
                              struct stage *last, struct batch *batch)
{
    tdbplus_status status = TDBPLUS_OK;
    while ((status = pipeline_next(last, &answer->exec, batch)) == TDBPLUS_OK) {
        answer->any_row = true;
        if (subquery->kind == EXPR_EXISTS) {
            return TDBPLUS_OK;
        }
        struct func_rows rows = batch_rows(batch);
        for (uint32_t i = 0; i < rows.count; i++) {
            TRY(keep_value(answer, batch, rows_at(&rows, i)));
        }
        if (subquery->kind == EXPR_SCALAR && answer->values.count > 1) {
            return err_set_state(answer->exec.call->err, TDBPLUS_E_SQL, "21000",
                                 "more than one row returned by a subquery used as an expression");
        }
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status run(struct exec *parent, const struct expr_subquery *subquery,
                          struct outer_value *outer, struct answer *answer)
{
    if (parent->depth >= EXEC_DEPTH_MAX) {
        return err_set_state(parent->call->err, TDBPLUS_E_LIMIT, "54001",
                             "subqueries are nested more than %u deep", EXEC_DEPTH_MAX);
    }
    exec_init_child(&answer->exec, parent, outer);
    // What reads nothing outside runs once, as fast as it can.
    answer->exec.thread_count = outer == NULL && parent->leader == NULL ? parent->thread_count : 0;
    list_init(&answer->values, parent->call->alloc, sizeof(struct datum));
    struct batch batch;
    batch_init(&batch, parent->call->alloc);
    struct pipeline pipeline = {0};
    tdbplus_status status = exec_compile(&answer->exec, subquery->plan, &pipeline);
    if (status == TDBPLUS_OK) {
        status = collect(answer, subquery, pipeline.last, &batch);
    }
    batch_deinit(&batch);
    return status;
}

/* ANY and ALL: compares the tested value with each; three-valued. */
static tdbplus_status quantify(const struct eval *eval, const struct expr *expr,
                               const struct answer *answer, const struct datum *tested,
                               struct datum *result_out)
{
    bool all = expr->subquery->kind == EXPR_ALL;
    struct datum result = {.type = type_of(TYPE_BOOL), .boolean = all};
    for (size_t i = 0; i < answer->values.count; i++) {
        struct arena_mark mark = arena_mark(eval->arena);
        struct datum pair[2] = {*tested, *(const struct datum *)list_at(&answer->values, i)};
        struct datum equal = {.is_null = true};
        if (!pair[0].is_null && !pair[1].is_null) {
            TRY(func_apply_once(expr->func, type_of(TYPE_BOOL), pair, 2, eval->arena,
                                eval->exec->context, &equal, eval->exec->call->err));
            arena_rollback(eval->arena, mark); // There may be very many of them.
        }
        if (equal.is_null) {
            result.is_null = true;
        } else if (equal.boolean != all) {
            *result_out = (struct datum){.type = type_of(TYPE_BOOL), .boolean = !all};
            return TDBPLUS_OK;
        }
    }
    *result_out = result;
    return TDBPLUS_OK;
}

static tdbplus_status conclude(const struct eval *eval, const struct expr *expr,
                               const struct answer *answer, const struct datum *tested,
                               struct datum *result_out)
{
    switch (expr->subquery->kind) {
    case EXPR_EXISTS:
        *result_out = (struct datum){.type = type_of(TYPE_BOOL), .boolean = answer->any_row};
        return TDBPLUS_OK;
    case EXPR_SCALAR:
        *result_out = (struct datum){.type = expr->type, .is_null = true};
        if (answer->values.count > 0) {
            *result_out = *(const struct datum *)list_at(&answer->values, 0);
        }
        return TDBPLUS_OK;
    default:
        return quantify(eval, expr, answer, tested, result_out);
    }
}

/* A copy of a result whose memory goes away. */
static tdbplus_status store_result(const struct eval *eval, const struct datum *value,
                                   struct column *column, uint32_t row)
{
    if (value->is_null) {
        column->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
        return TDBPLUS_OK;
    }
    struct datum copy = *value;
    if (type_physical(copy.type) == PHYSICAL_VIEW && copy.bytes.size > 0) {
        uint8_t *bytes = arena_bytes(eval->arena, copy.bytes.size);
        if (bytes == NULL) {
            return exec_no_memory(eval->exec);
        }
        memcpy(bytes, copy.bytes.data, copy.bytes.size);
        copy.bytes.data = bytes;
    }
    copy.type = column->type;
    column_set(column, row, &copy);
    return TDBPLUS_OK;
}

/* The outer row's values, in front of those that are already there. */
static struct outer_value *outer_row(const struct eval *eval, const struct expr *expr,
                                     const struct column *columns, uint32_t row)
{
    uint32_t count = expr->subquery->outer_count;
    uint32_t first = expr->argument_count - count;
    struct outer_value *values = arena_array(eval->arena, count + 1u, sizeof *values);
    struct outer_value *chain = eval->exec->outer;
    for (uint32_t i = 0; values != NULL && i < count; i++) {
        values[i].id = expr->subquery->outer_ids[i];
        column_get(&columns[first + i], row, &values[i].value);
        values[i].next = chain;
        chain = &values[i];
    }
    return values == NULL ? NULL : chain;
}

static tdbplus_status answer_of_row(const struct eval *eval, const struct expr *expr,
                                    const struct column *columns, uint32_t row,
                                    struct column *result)
{
    struct answer answer = {0};
    tdbplus_status status = TDBPLUS_OK;
    struct datum tested = {.is_null = true};
    struct datum value = {0};
    struct outer_value *outer = outer_row(eval, expr, columns, row);
    if (outer == NULL) {
        return exec_no_memory(eval->exec);
    }
    if (expr->argument_count > expr->subquery->outer_count) {
        column_get(&columns[0], row, &tested);
    }
    TRY_OR(done, run(eval->exec, expr->subquery, outer, &answer));
    TRY_OR(done, conclude(eval, expr, &answer, &tested, &value));
    TRY_OR(done, store_result(eval, &value, result, row));
done:
    answer_deinit(&answer);
    return status;
}

static tdbplus_status run_once(const struct eval *eval, const struct expr *expr,
                               const struct answer **answer_out)
{
    static const struct stage_ops ops = {.name = "subquery", .close = answer_close};
    struct answer_stage *kept = expr->subquery->state;
    if (kept == NULL) {
        kept = stage_make(eval->exec, sizeof *kept, &ops, NULL);
        if (kept == NULL) {
            return exec_no_memory(eval->exec);
        }
        TRY(run(eval->exec, expr->subquery, eval->exec->outer, &kept->answer));
        expr->subquery->state = kept;
    }
    *answer_out = &kept->answer;
    return TDBPLUS_OK;
}

tdbplus_status eval_subquery(const struct eval *eval, const struct expr *expr,
                             const struct func_rows *rows, struct column *column_out)
{
    struct column *columns = arena_array(eval->arena, expr->argument_count + 1u, sizeof *columns);
    struct column result = {0};
    if (columns == NULL || !column_make(&result, expr->type, rows->row_count, true, eval->arena)) {
        return exec_no_memory(eval->exec);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(eval_expr(eval, expr->arguments[i], rows, &columns[i]));
    }
    const struct answer *once = NULL;
    if (expr->subquery->outer_count == 0 && rows->count > 0) {
        TRY(run_once(eval, expr, &once));
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        if (once == NULL) {
            TRY(answer_of_row(eval, expr, columns, row, &result));
            continue;
        }
        struct datum tested = {.is_null = true};
        struct datum value = {0};
        if (expr->argument_count > 0) {
            column_get(&columns[0], row, &tested);
        }
        TRY(conclude(eval, expr, once, &tested, &value));
        TRY(store_result(eval, &value, &result, row));
    }
    *column_out = result;
    return TDBPLUS_OK;
}
