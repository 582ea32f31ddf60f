/* Grouping sets: each row goes out once for each set, with the keys that are not in it null. */

#include <string.h>

#include "sql/exec/exec_internal.h"

struct grouping_stage {
    struct stage stage;
    const struct plan *plan;
    struct expr **keys;
    struct column *values; /* The keys of the batch at work, in `arena`. */
    struct arena arena;
    uint32_t set;
};

static tdbplus_status begin_batch(struct grouping_stage *stage, struct exec *exec,
                                  const struct batch *in)
{
    uint32_t count = stage->plan->expr_count;
    arena_reset(&stage->arena);
    stage->values = arena_array(&stage->arena, count + 1u, sizeof *stage->values);
    if (stage->values == NULL) {
        return exec_no_memory(exec);
    }
    struct eval eval = {.exec = exec, .input = in, .arena = &stage->arena};
    struct func_rows rows = batch_rows(in);
    for (uint32_t k = 0; k < count; k++) {
        TRY(eval_expr(&eval, stage->keys[k], &rows, &stage->values[k]));
        stage->values[k].row_count = in->row_count;
    }
    return TDBPLUS_OK;
}

static tdbplus_status grouping_push(struct stage *base, struct exec *exec, const struct batch *in,
                                    struct batch *out, bool *more_out)
{
    struct grouping_stage *stage = (struct grouping_stage *)base;
    const struct plan *plan = stage->plan;
    uint32_t keys = plan->expr_count;
    uint32_t before = in->column_count;
    if (stage->set == 0) {
        TRY(begin_batch(stage, exec, in));
    }
    if (!batch_shape(out, before + keys + 1, in->row_count)) {
        return exec_no_memory(exec);
    }
    memcpy(out->columns, in->columns, before * sizeof *out->columns);
    for (uint32_t k = 0; k < keys; k++) {
        struct datum null = {.type = plan->columns[before + k].type, .is_null = true};
        if (plan->in_set[stage->set * keys + k] != 0) {
            out->columns[before + k] = stage->values[k];
        } else if (!column_make_constant(&out->columns[before + k], &null, in->row_count,
                                         &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    struct datum number = {.type = type_of(TYPE_INT4), .integer = stage->set};
    if (!column_make_constant(&out->columns[before + keys], &number, in->row_count, &out->arena)) {
        return exec_no_memory(exec);
    }
    out->selection = in->selection;
    out->selected_count = in->selected_count;
    stage->set = (stage->set + 1) % plan->set_count;
    *more_out = stage->set != 0;
    return TDBPLUS_OK;
}

static void grouping_close(struct stage *base)
{
    arena_deinit(&((struct grouping_stage *)base)->arena);
}

tdbplus_status make_grouping(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "grouping", .push = grouping_push, .close = grouping_close};
    struct pipeline below = {0};
    TRY(exec_compile(exec, plan->left, &below));
    struct grouping_stage *stage = stage_make(exec, sizeof *stage, &ops, below.last);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    arena_init(&stage->arena, exec->call->alloc, 0);
    stage->keys = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *stage->keys);
    if (stage->keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[i], below.columns, below.column_count,
                              &stage->keys[i]));
    }
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
