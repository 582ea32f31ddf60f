/* Steps that keep nothing: filter, project, limit. */

#include <string.h>

#include "sql/exec/exec_internal.h"

struct expr_stage {
    struct stage stage;
    struct expr **exprs;
    uint32_t expr_count;
};

static tdbplus_status compile_step(struct exec *exec, const struct plan *plan,
                                   const struct stage_ops *ops, struct pipeline *pipeline)
{
    struct pipeline below = {0};
    TRY(exec_compile(exec, plan->left, &below));
    struct expr_stage *step = stage_make(exec, sizeof *step, ops, below.last);
    if (step == NULL) {
        return exec_no_memory(exec);
    }
    step->expr_count = plan->expr_count;
    step->exprs = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *step->exprs);
    if (step->exprs == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[i], below.columns, below.column_count,
                              &step->exprs[i]));
    }
    pipeline->last = &step->stage;
    return TDBPLUS_OK;
}

static tdbplus_status filter_push(struct stage *stage, struct exec *exec, const struct batch *in,
                                  struct batch *out, bool *more_out)
{
    const struct expr_stage *step = (const struct expr_stage *)stage;
    struct eval eval = {.exec = exec, .input = in, .arena = &out->arena};
    struct func_rows rows = batch_rows(in);
    for (uint32_t i = 0; i < step->expr_count && rows.count > 0; i++) {
        TRY(eval_filter(&eval, step->exprs[i], &rows, &rows));
    }
    out->columns = in->columns;
    out->column_count = in->column_count;
    out->row_count = in->row_count;
    out->selection = rows.rows;
    out->selected_count = rows.count;
    if (rows.rows == NULL) {
        out->row_count = rows.count;
    }
    *more_out = false;
    return TDBPLUS_OK;
}

tdbplus_status make_filter(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "filter", .push = filter_push, .passes_rows = true};
    return compile_step(exec, plan, &ops, pipeline);
}

static tdbplus_status project_push(struct stage *stage, struct exec *exec, const struct batch *in,
                                   struct batch *out, bool *more_out)
{
    const struct expr_stage *step = (const struct expr_stage *)stage;
    struct eval eval = {.exec = exec, .input = in, .arena = &out->arena};
    struct func_rows rows = batch_rows(in);
    if (!batch_shape(out, step->expr_count, in->row_count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < step->expr_count; i++) {
        TRY(eval_expr(&eval, step->exprs[i], &rows, &out->columns[i]));
        out->columns[i].row_count = in->row_count;
    }
    out->selection = in->selection;
    out->selected_count = in->selected_count;
    *more_out = false;
    return TDBPLUS_OK;
}

tdbplus_status make_project(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "project", .push = project_push, .passes_rows = true};
    return compile_step(exec, plan, &ops, pipeline);
}

/* ---- LIMIT and OFFSET ---- */

struct limit_stage {
    struct stage stage;
    struct expr *count;
    struct expr *offset;
    struct expr **ties; /* What rows that tie with the last one share. */
    uint32_t tie_count;
    uint8_t *last; /* The last row's share, once LIMIT rows were sent. */
    size_t last_size;
    bool begun;
    int64_t skip;
    int64_t left;
};

static tdbplus_status tie_keys(const struct limit_stage *limit, struct exec *exec,
                               const struct batch *in, const struct func_rows *rows,
                               struct arena *arena, struct row_keys *keys_out)
{
    struct eval eval = {.exec = exec, .input = in, .arena = arena};
    struct column *columns = arena_array(arena, limit->tie_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < limit->tie_count; i++) {
        TRY(eval_expr(&eval, limit->ties[i], rows, &columns[i]));
    }
    return row_keys_make(exec, columns, limit->tie_count, rows, arena, keys_out);
}

/* How many rows from `first` on tie with the last row sent. */
static tdbplus_status count_ties(struct limit_stage *limit, struct exec *exec,
                                 const struct batch *in, const struct func_rows *rows,
                                 uint32_t first, struct arena *arena, uint32_t *count_out)
{
    struct row_keys keys = {0};
    TRY(tie_keys(limit, exec, in, rows, arena, &keys));
    if (limit->last == NULL && first > 0) {
        struct span key = keys.keys[first - 1];
        limit->last = arena_bytes(&exec->arena, key.size + 1);
        if (limit->last == NULL) {
            return exec_no_memory(exec);
        }
        memcpy(limit->last, key.data, key.size);
        limit->last_size = key.size;
    }
    struct span last = {.data = limit->last, .size = limit->last_size};
    *count_out = 0;
    while (limit->last != NULL && first + *count_out < rows->count &&
           span_compare(keys.keys[first + *count_out], last) == 0) {
        ++*count_out;
    }
    return TDBPLUS_OK;
}

static tdbplus_status limit_value(struct exec *exec, const struct expr *expr, const char *clause,
                                  const char *sqlstate, int64_t otherwise, int64_t *value_out)
{
    *value_out = otherwise;
    if (expr == NULL) {
        return TDBPLUS_OK;
    }
    struct datum value;
    TRY(eval_once(exec, expr, &exec->arena, &value));
    if (value.is_null) {
        return TDBPLUS_OK;
    }
    if (value.integer < 0) {
        return err_set_state(exec->call->err, TDBPLUS_E_SQL, sqlstate, "%s must not be negative",
                             clause);
    }
    *value_out = value.integer;
    return TDBPLUS_OK;
}

static tdbplus_status limit_push(struct stage *stage, struct exec *exec, const struct batch *in,
                                 struct batch *out, bool *more_out)
{
    struct limit_stage *limit = (struct limit_stage *)stage;
    if (!limit->begun) {
        limit->begun = true;
        TRY(limit_value(exec, limit->count, "LIMIT", "2201W", INT64_MAX, &limit->left));
        TRY(limit_value(exec, limit->offset, "OFFSET", "2201X", 0, &limit->skip));
    }
    if (limit->left == 0 && limit->last == NULL) {
        return TDBPLUS_END;
    }
    struct func_rows rows = batch_rows(in);
    uint32_t first = limit->skip < rows.count ? (uint32_t)limit->skip : rows.count;
    limit->skip -= first;
    uint32_t count = rows.count - first;
    count = limit->left < count ? (uint32_t)limit->left : count;
    limit->left -= count;
    if (limit->left == 0 && limit->tie_count > 0) {
        uint32_t ties = 0;
        TRY(count_ties(limit, exec, in, &rows, first + count, &out->arena, &ties));
        count += ties;
    }
    bool open = limit->tie_count > 0 && limit->left == 0 && first + count == rows.count;
    uint16_t *kept = arena_alloc(&out->arena, (count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        kept[i] = (uint16_t)rows_at(&rows, first + i);
    }
    out->columns = in->columns;
    out->column_count = in->column_count;
    out->row_count = in->row_count;
    out->selection = kept;
    out->selected_count = count;
    // The last rows were sent: nothing below needs to run again.
    stage->ended = limit->left == 0 && !open;
    *more_out = false;
    return TDBPLUS_OK;
}

tdbplus_status make_limit(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "limit", .push = limit_push};
    struct pipeline below = {0};
    exec->limited = plan->left;
    while (exec->limited->kind == PLAN_PROJECT || exec->limited->kind == PLAN_FILTER) {
        exec->limited = exec->limited->left;
    }
    TRY(exec_compile(exec, plan->left, &below));
    struct limit_stage *limit = stage_make(exec, sizeof *limit, &ops, below.last);
    if (limit == NULL) {
        return exec_no_memory(exec);
    }
    struct expr **slots[2] = {&limit->count, &limit->offset};
    for (uint32_t i = 0; i < 2; i++) {
        if (plan->exprs[i] != NULL) {
            TRY(exec_compile_expr(exec, plan->exprs[i], NULL, 0, slots[i]));
        }
    }
    limit->tie_count = plan->expr_count > 2 ? plan->expr_count - 2 : 0;
    limit->ties = arena_array(&exec->arena, limit->tie_count + 1u, sizeof *limit->ties);
    if (limit->ties == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < limit->tie_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[2 + i], below.columns, below.column_count,
                              &limit->ties[i]));
    }
    pipeline->last = &limit->stage;
    return TDBPLUS_OK;
}
