/* UNION, INTERSECT, EXCEPT. */

#include "sql/exec/exec_internal.h"

struct set_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline sides[2];
    struct batch input;
    uint32_t side;         /* Being read. */
    struct key_table seen; /* Rows by their keys. */
    struct list counts;    /* uint64_t: how often the right side has each. */
    bool counted;
};

/* Counts the rows of the right side, before the left side is read. */
static tdbplus_status count_right(struct set_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    while ((status = pipeline_next(stage->sides[1].last, exec, &stage->input)) == TDBPLUS_OK) {
        struct func_rows rows = batch_rows(&stage->input);
        struct row_keys keys = {0};
        TRY(row_keys_make(exec, stage->input.columns, stage->plan->column_count, &rows,
                          &stage->input.arena, &keys));
        for (uint32_t i = 0; i < rows.count; i++) {
            bool added = false;
            uint32_t number = key_table_add(&stage->seen, keys.keys[i], &added);
            if (number == KEY_NONE || (added && list_push(&stage->counts, NULL) == NULL)) {
                return exec_no_memory(exec);
            }
            *(uint64_t *)list_at(&stage->counts, number) += 1;
        }
    }
    stage->counted = status == TDBPLUS_END;
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* ALL takes rows off the right side's count; without ALL a row goes out once. */
static bool takes(struct set_stage *stage, struct span key, bool *failed)
{
    bool intersect = stage->plan->set_kind == SET_INTERSECT;
    bool added = false;
    uint32_t number = stage->plan->set_all ? key_table_find(&stage->seen, key)
                                           : key_table_add(&stage->seen, key, &added);
    if (stage->plan->set_all && number == KEY_NONE) {
        return !intersect;
    }
    if (number == KEY_NONE || (added && list_push(&stage->counts, NULL) == NULL)) {
        *failed = true;
        return false;
    }
    uint64_t *count = list_at(&stage->counts, number);
    if (stage->plan->set_all) {
        bool there = *count > 0;
        *count -= there;
        return there == intersect;
    }
    // Of the right side: INTERSECT takes it once, EXCEPT never. Not of it: EXCEPT, the first time.
    bool there = *count > 0;
    if (intersect) {
        *count = 0;
        return there;
    }
    return added;
}

static tdbplus_status choose(struct set_stage *stage, struct exec *exec, struct batch *out)
{
    struct func_rows rows = batch_rows(&stage->input);
    struct row_keys keys = {0};
    uint16_t *kept = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    TRY(row_keys_make(exec, stage->input.columns, stage->plan->column_count, &rows, &out->arena,
                      &keys));
    uint32_t count = 0;
    bool failed = false;
    for (uint32_t i = 0; i < rows.count; i++) {
        bool take = false;
        if (stage->plan->set_kind == SET_UNION) {
            failed = key_table_add(&stage->seen, keys.keys[i], &take) == KEY_NONE;
        } else {
            take = takes(stage, keys.keys[i], &failed);
        }
        if (failed) {
            return exec_no_memory(exec);
        }
        kept[count] = (uint16_t)rows_at(&rows, i);
        count += take;
    }
    out->selection = kept;
    out->selected_count = count;
    return TDBPLUS_OK;
}

static tdbplus_status set_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct set_stage *stage = (struct set_stage *)base;
    bool is_union = stage->plan->set_kind == SET_UNION;
    if (!is_union && !stage->counted) {
        TRY(count_right(stage, exec));
    }
    tdbplus_status status = pipeline_next(stage->sides[stage->side].last, exec, &stage->input);
    if (status == TDBPLUS_END && is_union && stage->side == 0) {
        stage->side = 1;
        status = pipeline_next(stage->sides[1].last, exec, &stage->input);
    }
    TRY(status);
    out->columns = stage->input.columns;
    out->column_count = stage->plan->column_count;
    out->row_count = stage->input.row_count;
    out->selection = stage->input.selection;
    out->selected_count = stage->input.selected_count;
    return is_union && stage->plan->set_all ? TDBPLUS_OK : choose(stage, exec, out);
}

static void set_close(struct stage *base)
{
    struct set_stage *stage = (struct set_stage *)base;
    key_table_deinit(&stage->seen);
    list_deinit(&stage->counts);
    batch_deinit(&stage->input);
}

tdbplus_status make_set(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "set", .next = set_next, .close = set_close};
    if (plan->set_kind == SET_UNION && !plan->set_all && distinct_groups_serve(exec, plan)) {
        struct plan *all = arena_alloc(&exec->arena, sizeof *all);
        if (all == NULL) {
            return exec_no_memory(exec);
        }
        *all = *plan;
        all->set_all = true;
        return make_distinct_groups(exec, plan, all, pipeline);
    }
    struct set_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    key_table_init(&stage->seen, &exec->arena, exec->call->alloc);
    list_init(&stage->counts, exec->call->alloc, sizeof(uint64_t));
    batch_init(&stage->input, exec->call->alloc);
    TRY(exec_compile(exec, plan->left, &stage->sides[0]));
    TRY(exec_compile(exec, plan->right, &stage->sides[1]));
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
