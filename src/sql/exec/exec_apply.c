/*
 * Lateral joins: the right side is run once for each row of the left, whose columns it reads as
 * those of an outer row.
 */

#include <string.h>

#include "sql/exec/exec_internal.h"

struct apply_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline left;
    struct expr **conditions; /* Over both sides' columns. */
    uint32_t *slots;          /* Of the outer values in the left side's columns. */
    uint32_t slot_count;
    /* The run for the current left row. */
    struct exec child;
    struct pipeline right;
    struct batch batch; /* What the right side gave. */
    struct arena arena; /* Of the current left row: outer values, conditions. */
    struct func_rows fitting;
    bool open;
    bool pending; /* `batch` has rows that did not fit. */
    bool matched;
    uint32_t left_row;
};

/* The rows of one output batch: rows of the left and of the right side, side by side. */
struct apply_rows {
    struct row_store store; /* Of the right side. */
    uint16_t *left;
};

static tdbplus_status open_row(struct apply_stage *stage, struct exec *exec, const struct batch *in,
                               uint32_t row)
{
    if (exec->depth >= EXEC_DEPTH_MAX) {
        return err_set_state(exec->call->err, TDBPLUS_E_LIMIT, "54001",
                             "subqueries are nested more than %u deep", EXEC_DEPTH_MAX);
    }
    arena_reset(&stage->arena);
    struct outer_value *values = arena_array(&stage->arena, stage->slot_count + 1u, sizeof *values);
    struct outer_value *chain = exec->outer;
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < stage->slot_count; i++) {
        values[i].id = stage->left.columns[stage->slots[i]].id;
        column_get(&in->columns[stage->slots[i]], row, &values[i].value);
        values[i].next = chain;
        chain = &values[i];
    }
    exec_init_child(&stage->child, exec, chain);
    stage->open = true;
    stage->pending = false;
    stage->matched = false;
    return exec_compile(&stage->child, stage->plan->right, &stage->right);
}

static void close_row(struct apply_stage *stage)
{
    if (stage->open) {
        batch_reset(&stage->batch);
        exec_deinit(&stage->child);
        stage->open = false;
    }
}

/* Which rows of the right side's batch fulfil the conditions beside the left row. */
static tdbplus_status ask_conditions(struct apply_stage *stage, struct exec *exec,
                                     const struct batch *in, uint32_t row)
{
    stage->fitting = batch_rows(&stage->batch);
    if (stage->plan->expr_count == 0) {
        return TDBPLUS_OK;
    }
    uint32_t left = stage->left.column_count;
    struct arena *arena = &stage->batch.arena;
    struct batch both = stage->batch;
    both.column_count = left + stage->right.column_count;
    both.columns = arena_array(arena, both.column_count + 1u, sizeof *both.columns);
    if (both.columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < left; c++) {
        struct datum value;
        column_get(&in->columns[c], row, &value);
        value.type = stage->left.columns[c].type;
        if (!column_make_constant(&both.columns[c], &value, both.row_count, arena)) {
            return exec_no_memory(exec);
        }
    }
    memcpy(both.columns + left, stage->batch.columns,
           stage->right.column_count * sizeof *both.columns);
    struct eval eval = {.exec = exec, .input = &both, .arena = arena};
    for (uint32_t i = 0; i < stage->plan->expr_count && stage->fitting.count > 0; i++) {
        TRY(eval_filter(&eval, stage->conditions[i], &stage->fitting, &stage->fitting));
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_pairs(struct exec *exec, struct apply_rows *rows,
                                const struct column *columns, const struct func_rows *right,
                                uint32_t left)
{
    uint32_t first = rows->store.row_count;
    TRY(row_store_append(&rows->store, exec, columns, right));
    for (uint32_t i = 0; i < right->count; i++) {
        rows->left[first + i] = (uint16_t)left;
    }
    return TDBPLUS_OK;
}

/* A left row without a match, beside nulls. */
static tdbplus_status add_unmatched(struct apply_stage *stage, struct exec *exec,
                                    struct apply_rows *rows, uint32_t left, struct arena *arena)
{
    uint32_t count = stage->right.column_count;
    struct column *nulls = arena_array(arena, count + 1u, sizeof *nulls);
    if (nulls == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < count; c++) {
        struct datum null = {.type = stage->right.columns[c].type, .is_null = true};
        if (!column_make_constant(&nulls[c], &null, 1, arena)) {
            return exec_no_memory(exec);
        }
    }
    struct func_rows one = {.count = 1, .row_count = 1};
    return add_pairs(exec, rows, nulls, &one, left);
}

/* More rows for the current left row; *full_out when they do not fit any more. */
static tdbplus_status continue_row(struct apply_stage *stage, struct exec *exec,
                                   const struct batch *in, uint32_t row, struct batch *out,
                                   struct apply_rows *rows, bool *full_out)
{
    if (!stage->pending) {
        tdbplus_status status = pipeline_next(stage->right.last, &stage->child, &stage->batch);
        if (status == TDBPLUS_END) {
            bool keep = !stage->matched && stage->plan->join_kind == JOIN_LEFT;
            if (keep) {
                TRY(add_unmatched(stage, exec, rows, row, &out->arena));
            }
            close_row(stage);
            stage->left_row++;
            return TDBPLUS_OK;
        }
        TRY(status);
        TRY(ask_conditions(stage, exec, in, row));
        stage->matched = stage->matched || stage->fitting.count > 0;
    }
    stage->pending = rows->store.row_count + stage->fitting.count > BATCH_ROW_COUNT_MAX;
    *full_out = stage->pending;
    return stage->pending ? TDBPLUS_OK
                          : add_pairs(exec, rows, stage->batch.columns, &stage->fitting, row);
}

static tdbplus_status give_pairs(struct apply_stage *stage, struct exec *exec,
                                 const struct batch *in, const struct apply_rows *rows,
                                 struct batch *out)
{
    uint32_t left = stage->left.column_count;
    uint32_t count = rows->store.row_count;
    if (!batch_shape(out, stage->plan->column_count, count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < left && count > 0; c++) {
        if (!column_flatten(&in->columns[c], rows->left, count, &out->columns[c], &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    for (uint32_t c = left; c < stage->plan->column_count && count > 0; c++) {
        out->columns[c] = rows->store.chunks[0][c - left];
        out->columns[c].row_count = count;
    }
    return TDBPLUS_OK;
}

static tdbplus_status apply_push(struct stage *base, struct exec *exec, const struct batch *in,
                                 struct batch *out, bool *more_out)
{
    struct apply_stage *stage = (struct apply_stage *)base;
    struct func_rows live = batch_rows(in);
    struct apply_rows rows = {
        .left = arena_alloc(&out->arena, BATCH_ROW_COUNT_MAX * sizeof *rows.left)};
    if (rows.left == NULL) {
        return exec_no_memory(exec);
    }
    const struct plan *right = stage->plan->right;
    row_store_init(&rows.store, &out->arena, right->columns, right->column_count);
    bool full = false;
    while (!full && stage->left_row < live.count && rows.store.row_count < BATCH_ROW_COUNT_MAX) {
        uint32_t row = rows_at(&live, stage->left_row);
        if (!stage->open) {
            TRY(open_row(stage, exec, in, row));
        }
        TRY(continue_row(stage, exec, in, row, out, &rows, &full));
    }
    *more_out = stage->left_row < live.count;
    if (!*more_out) {
        stage->left_row = 0;
    }
    return give_pairs(stage, exec, in, &rows, out);
}

static void apply_close(struct stage *base)
{
    struct apply_stage *stage = (struct apply_stage *)base;
    close_row(stage);
    batch_deinit(&stage->batch);
    arena_deinit(&stage->arena);
}

static tdbplus_status compile_slots(struct apply_stage *stage, struct exec *exec)
{
    const struct plan *plan = stage->plan;
    stage->slots = arena_array(&exec->arena, plan->apply_count + 1u, sizeof *stage->slots);
    if (stage->slots == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->apply_count; i++) {
        for (uint32_t c = 0; c < stage->left.column_count; c++) {
            if (stage->left.columns[c].id == plan->apply_ids[i]) {
                stage->slots[stage->slot_count++] = c;
            }
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status make_apply(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "apply", .push = apply_push, .close = apply_close};
    struct pipeline left = {0};
    TRY(exec_compile(exec, plan->left, &left));
    struct apply_stage *stage = stage_make(exec, sizeof *stage, &ops, left.last);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    stage->left = left;
    stage->right.columns = plan->right->columns;
    stage->right.column_count = plan->right->column_count;
    batch_init(&stage->batch, exec->call->alloc);
    arena_init(&stage->arena, exec->call->alloc, 0);
    stage->conditions = arena_array(&exec->arena, plan->expr_count + 1u, sizeof(struct expr *));
    if (stage->conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[i], plan->columns, plan->column_count,
                              &stage->conditions[i]));
    }
    pipeline->last = &stage->stage;
    return compile_slots(stage, exec);
}
