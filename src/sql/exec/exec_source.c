/* Where rows come from: VALUES, generate_series of integers. */

#include <string.h>

#include "sql/exec/exec_internal.h"

tdbplus_status exec_compile_values(struct exec *exec, struct expr **exprs, uint32_t count,
                                   struct expr ***exprs_out)
{
    struct expr **copies = arena_array(&exec->arena, count + 1u, sizeof *copies);
    if (copies == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(exec_compile_expr(exec, exprs[i], NULL, 0, &copies[i]));
    }
    *exprs_out = copies;
    return TDBPLUS_OK;
}

/* ---- VALUES ---- */

struct values_stage {
    struct stage stage;
    const struct plan *plan;
    struct expr **exprs;
    uint32_t row;
};

static tdbplus_status values_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct values_stage *values = (struct values_stage *)stage;
    uint32_t columns = values->plan->column_count;
    uint32_t count = values->plan->row_count - values->row;
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    if (count == 0) {
        return TDBPLUS_END;
    }
    if (!batch_shape(out, columns, count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < columns; c++) {
        struct column *column = &out->columns[c];
        if (!column_make(column, values->plan->columns[c].type, count, true, &out->arena)) {
            return exec_no_memory(exec);
        }
        for (uint32_t r = 0; r < count; r++) {
            struct datum value;
            TRY(eval_once(exec, values->exprs[(size_t)(values->row + r) * columns + c], &out->arena,
                          &value));
            if (value.is_null) {
                column->validity[r / 64] &= ~((uint64_t)1 << (r % 64));
            } else {
                value.type = column->type;
                column_set(column, r, &value);
            }
        }
    }
    values->row += count;
    return TDBPLUS_OK;
}

tdbplus_status make_values(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "values", .next = values_next};
    struct values_stage *values = stage_make(exec, sizeof *values, &ops, NULL);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    values->plan = plan;
    pipeline->last = &values->stage;
    return exec_compile_values(exec, plan->exprs, plan->expr_count, &values->exprs);
}

/* ---- generate_series ---- */

struct series_stage {
    struct stage stage;
    const struct plan *plan;
    struct expr **exprs;
    bool begun;
    bool over;
    int64_t at;
    int64_t stop;
    int64_t step;
};

static tdbplus_status series_begin(struct series_stage *series, struct exec *exec)
{
    int64_t values[3] = {0, 0, 1};
    for (uint32_t i = 0; i < series->plan->expr_count; i++) {
        struct datum value;
        TRY(eval_once(exec, series->exprs[i], &exec->arena, &value));
        series->over = series->over || value.is_null;
        values[i] = value.is_null ? 1 : value.integer;
    }
    series->begun = true;
    series->at = values[0];
    series->stop = values[1];
    series->step = values[2];
    if (series->step == 0) {
        return err_set(exec->call->err, TDBPLUS_E_INVALID, "step size cannot equal zero");
    }
    return TDBPLUS_OK;
}

static tdbplus_status series_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct series_stage *series = (struct series_stage *)stage;
    if (!series->begun) {
        TRY(series_begin(series, exec));
    }
    if (!batch_shape(out, 1, 0) || !column_make(&out->columns[0], series->plan->columns[0].type,
                                                BATCH_ROW_COUNT_MAX, false, &out->arena)) {
        return exec_no_memory(exec);
    }
    struct column *column = &out->columns[0];
    uint32_t count = 0;
    while (count < BATCH_ROW_COUNT_MAX && !series->over) {
        if (series->step > 0 ? series->at > series->stop : series->at < series->stop) {
            break;
        }
        if (column->type.id == TYPE_INT4) {
            ((int32_t *)column->data)[count] = (int32_t)series->at;
        } else {
            ((int64_t *)column->data)[count] = series->at;
        }
        count++;
        series->over = __builtin_add_overflow(series->at, series->step, &series->at);
    }
    column->row_count = count;
    out->row_count = count;
    return count == 0 ? TDBPLUS_END : TDBPLUS_OK;
}

tdbplus_status make_series(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "series", .next = series_next};
    struct series_stage *series = stage_make(exec, sizeof *series, &ops, NULL);
    if (series == NULL) {
        return exec_no_memory(exec);
    }
    series->plan = plan;
    pipeline->last = &series->stage;
    return exec_compile_values(exec, plan->exprs, plan->expr_count, &series->exprs);
}
