/* GROUP BY and DISTINCT by hash tables. */

#include <string.h>

#include "sql/exec/exec_internal.h"

#define STATE_ALIGN  16u
#define GROUPS_BLOCK 1024u

struct aggregate_slot {
    const struct plan_aggregate *plan;
    struct expr *arguments[2];
    struct expr *filter;
    size_t offset; /* Of the state in a group's states. */
    struct type type;
    struct key_table seen; /* DISTINCT: group and value. */
};

struct aggregate_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline input;
    struct expr **keys;
    struct aggregate_slot *slots;
    size_t states_size;
    struct key_table groups;
    struct row_store key_rows; /* The keys' values; a row's number is its group's. */
    struct list blocks;        /* uint8_t *: states of GROUPS_BLOCK groups. */
    uint32_t group_count;
    bool done;
    uint32_t out_row;
};

static uint8_t *group_states(const struct aggregate_stage *stage, uint32_t group)
{
    uint8_t *const *blocks = stage->blocks.items;
    return blocks[group / GROUPS_BLOCK] + stage->states_size * (group % GROUPS_BLOCK);
}

static bool add_group(struct aggregate_stage *stage, struct exec *exec)
{
    if (stage->group_count % GROUPS_BLOCK == 0) {
        uint8_t *block = arena_array(&exec->arena, GROUPS_BLOCK, stage->states_size);
        if (block == NULL || list_push(&stage->blocks, &block) == NULL) {
            return false;
        }
    }
    stage->group_count++;
    return true;
}

/* The group of each row; rows that begin groups are kept as their keys. */
static tdbplus_status find_groups(struct aggregate_stage *stage, struct exec *exec,
                                  const struct eval *eval, const struct func_rows *rows,
                                  uint32_t *groups)
{
    uint32_t key_count = stage->plan->expr_count;
    if (key_count == 0) {
        memset(groups, 0, rows->count * sizeof *groups);
        return TDBPLUS_OK;
    }
    struct column *columns = arena_array(eval->arena, key_count, sizeof *columns);
    uint16_t *fresh = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *fresh);
    struct row_keys keys = {0};
    if (columns == NULL || fresh == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(eval_expr(eval, stage->keys[i], rows, &columns[i]));
    }
    TRY(row_keys_make(exec, columns, key_count, rows, eval->arena, &keys));
    uint32_t fresh_count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        bool added = false;
        groups[i] = key_table_add(&stage->groups, keys.keys[i], &added);
        if (groups[i] == KEY_NONE || (added && !add_group(stage, exec))) {
            return exec_no_memory(exec);
        }
        fresh[fresh_count] = (uint16_t)rows_at(rows, i);
        fresh_count += added;
    }
    struct func_rows fresh_rows = {fresh, fresh_count, rows->row_count};
    return row_store_append(&stage->key_rows, exec, columns, &fresh_rows);
}

/* What is left of the rows for one aggregate, with the group of each. */
struct chosen {
    uint16_t *rows;
    uint32_t *groups;
    uint32_t count;
};

static tdbplus_status choose_distinct(struct aggregate_slot *slot, struct exec *exec,
                                      const struct eval *eval, const struct column *argument,
                                      struct chosen *chosen, uint32_t row_count)
{
    struct func_rows rows = {chosen->rows, chosen->count, row_count};
    struct row_keys keys = {0};
    TRY(row_keys_make(exec, argument, 1, &rows, eval->arena, &keys));
    uint32_t kept = 0;
    for (uint32_t i = 0; i < chosen->count; i++) {
        uint8_t *key = arena_bytes(eval->arena, keys.keys[i].size + sizeof(uint32_t));
        if (key == NULL) {
            return exec_no_memory(exec);
        }
        memcpy(key, &chosen->groups[i], sizeof(uint32_t));
        memcpy(key + sizeof(uint32_t), keys.keys[i].data, keys.keys[i].size);
        bool added = false;
        struct span span = {.data = key, .size = keys.keys[i].size + sizeof(uint32_t)};
        if (key_table_add(&slot->seen, span, &added) == KEY_NONE) {
            return exec_no_memory(exec);
        }
        chosen->rows[kept] = chosen->rows[i];
        chosen->groups[kept] = chosen->groups[i];
        kept += added;
    }
    chosen->count = kept;
    return TDBPLUS_OK;
}

static tdbplus_status choose_filtered(const struct aggregate_slot *slot, const struct eval *eval,
                                      struct chosen *chosen, uint32_t row_count)
{
    struct func_rows rows = {chosen->rows, chosen->count, row_count};
    struct func_rows kept = {0};
    TRY(eval_filter(eval, slot->filter, &rows, &kept));
    uint32_t from = 0;
    for (uint32_t i = 0; i < kept.count; i++, from++) {
        while (chosen->rows[from] != kept.rows[i]) {
            from++;
        }
        chosen->rows[i] = kept.rows[i];
        chosen->groups[i] = chosen->groups[from];
    }
    chosen->count = kept.count;
    return TDBPLUS_OK;
}

static tdbplus_status update_slot(struct aggregate_stage *stage, struct aggregate_slot *slot,
                                  struct exec *exec, const struct eval *eval,
                                  const struct func_rows *rows, const uint32_t *groups)
{
    const struct plan_aggregate *plan = slot->plan;
    struct chosen chosen = {arena_alloc(eval->arena, (rows->count + 1u) * sizeof(uint16_t)),
                            arena_alloc(eval->arena, (rows->count + 1u) * sizeof(uint32_t)),
                            rows->count};
    uint8_t **states = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *states);
    struct column *arguments = arena_array(eval->arena, 2, sizeof *arguments);
    if (chosen.rows == NULL || chosen.groups == NULL || states == NULL || arguments == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        chosen.rows[i] = (uint16_t)rows_at(rows, i);
        chosen.groups[i] = groups[i];
    }
    if (slot->filter != NULL) {
        TRY(choose_filtered(slot, eval, &chosen, rows->row_count));
    }
    struct func_rows left = {chosen.rows, chosen.count, rows->row_count};
    for (uint32_t a = 0; a < plan->argument_count; a++) {
        TRY(eval_expr(eval, slot->arguments[a], &left, &arguments[a]));
        if (arguments[a].form == COLUMN_DICTIONARY) {
            struct column dictionary = arguments[a];
            if (!column_flatten(&dictionary, NULL, rows->row_count, &arguments[a], eval->arena)) {
                return exec_no_memory(exec);
            }
        }
    }
    if (plan->distinct && plan->argument_count > 0) {
        TRY(choose_distinct(slot, exec, eval, arguments, &chosen, rows->row_count));
    }
    for (uint32_t i = 0; i < chosen.count; i++) {
        states[i] = group_states(stage, chosen.groups[i]) + slot->offset;
    }
    struct aggregate_update update = {.arguments = arguments,
                                      .argument_count = plan->argument_count,
                                      .rows = chosen.rows,
                                      .count = chosen.count,
                                      .states = states,
                                      .arena = &exec->arena,
                                      .err = exec->call->err};
    return chosen.count == 0 ? TDBPLUS_OK : plan->aggregate->update(&update);
}

static tdbplus_status consume(struct aggregate_stage *stage, struct exec *exec,
                              const struct batch *batch, struct arena *arena)
{
    struct eval eval = {.exec = exec, .input = batch, .arena = arena};
    struct func_rows rows = batch_rows(batch);
    uint32_t *groups = arena_alloc(arena, (rows.count + 1u) * sizeof *groups);
    if (groups == NULL) {
        return exec_no_memory(exec);
    }
    TRY(find_groups(stage, exec, &eval, &rows, groups));
    for (uint32_t i = 0; i < stage->plan->aggregate_count; i++) {
        TRY(update_slot(stage, &stage->slots[i], exec, &eval, &rows, groups));
    }
    return TDBPLUS_OK;
}

static tdbplus_status aggregate_all(struct aggregate_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    // Without keys there is one group, rows or not.
    if (stage->plan->expr_count == 0 && !add_group(stage, exec)) {
        status = exec_no_memory(exec);
        goto done;
    }
    while ((status = pipeline_next(stage->input.last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, consume(stage, exec, &batch, &arena));
        arena_reset(&arena);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    stage->done = status == TDBPLUS_OK;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

static tdbplus_status finish_slot(const struct aggregate_stage *stage,
                                  const struct aggregate_slot *slot, struct exec *exec,
                                  uint32_t count, struct column *column, struct arena *arena)
{
    if (!column_make(column, slot->type, count, true, arena)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum value = {0};
        const uint8_t *state = group_states(stage, stage->out_row + i) + slot->offset;
        TRY(slot->plan->aggregate->finish(state, arena, &value, exec->call->err));
        value.type = slot->type;
        if (value.is_null) {
            column->validity[i / 64] &= ~((uint64_t)1 << (i % 64));
        } else {
            column_set(column, i, &value);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status aggregate_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct aggregate_stage *stage = (struct aggregate_stage *)base;
    if (!stage->done) {
        TRY(aggregate_all(stage, exec));
    }
    uint32_t count = stage->group_count - stage->out_row;
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    if (count == 0) {
        return TDBPLUS_END;
    }
    if (!batch_shape(out, stage->plan->column_count, count)) {
        return exec_no_memory(exec);
    }
    uint32_t keys = stage->plan->expr_count;
    for (uint32_t c = 0; c < keys; c++) {
        // Groups go out in the order of their numbers, a chunk a batch.
        out->columns[c] = stage->key_rows.chunks[stage->out_row / BATCH_ROW_COUNT_MAX][c];
        out->columns[c].row_count = count;
    }
    for (uint32_t a = 0; a < stage->plan->aggregate_count; a++) {
        TRY(finish_slot(stage, &stage->slots[a], exec, count, &out->columns[keys + a],
                        &out->arena));
    }
    stage->out_row += count;
    return TDBPLUS_OK;
}

static void aggregate_close(struct stage *base)
{
    struct aggregate_stage *stage = (struct aggregate_stage *)base;
    key_table_deinit(&stage->groups);
    for (uint32_t i = 0; stage->slots != NULL && i < stage->plan->aggregate_count; i++) {
        key_table_deinit(&stage->slots[i].seen);
    }
    list_deinit(&stage->blocks);
}

static tdbplus_status compile_slots(struct aggregate_stage *stage, struct exec *exec)
{
    const struct plan *plan = stage->plan;
    struct aggregate_slot *slots =
        arena_array(&exec->arena, plan->aggregate_count + 1u, sizeof *slots);
    if (slots == NULL) {
        return exec_no_memory(exec);
    }
    stage->slots = slots;
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        const struct plan_aggregate *aggregate = &plan->aggregates[i];
        slots[i].plan = aggregate;
        slots[i].offset = stage->states_size;
        slots[i].type = plan->columns[plan->expr_count + i].type;
        key_table_init(&slots[i].seen, &exec->arena, exec->call->alloc);
        stage->states_size +=
            (aggregate->aggregate->state_size + STATE_ALIGN - 1u) / STATE_ALIGN * STATE_ALIGN;
        for (uint32_t a = 0; a < aggregate->argument_count; a++) {
            TRY(exec_compile_expr(exec, aggregate->arguments[a], stage->input.columns,
                                  stage->input.column_count, &slots[i].arguments[a]));
        }
        if (aggregate->filter != NULL) {
            TRY(exec_compile_expr(exec, aggregate->filter, stage->input.columns,
                                  stage->input.column_count, &slots[i].filter));
        }
    }
    stage->states_size = stage->states_size == 0 ? STATE_ALIGN : stage->states_size;
    return TDBPLUS_OK;
}

tdbplus_status make_aggregate(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "aggregate", .next = aggregate_next, .close = aggregate_close};
    struct aggregate_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    key_table_init(&stage->groups, &exec->arena, exec->call->alloc);
    list_init(&stage->blocks, exec->call->alloc, sizeof(uint8_t *));
    row_store_init(&stage->key_rows, &exec->arena, plan->columns, plan->expr_count);
    TRY(exec_compile(exec, plan->left, &stage->input));
    stage->keys = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *stage->keys);
    if (stage->keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(exec_compile_expr(exec, plan->exprs[i], stage->input.columns, stage->input.column_count,
                              &stage->keys[i]));
    }
    pipeline->last = &stage->stage;
    return compile_slots(stage, exec);
}

/* ---- DISTINCT: a step that lets through what it has not seen ---- */

struct distinct_stage {
    struct stage stage;
    struct key_table seen;
};

static tdbplus_status distinct_push(struct stage *base, struct exec *exec, const struct batch *in,
                                    struct batch *out, bool *more_out)
{
    struct distinct_stage *stage = (struct distinct_stage *)base;
    struct func_rows rows = batch_rows(in);
    struct row_keys keys = {0};
    uint16_t *kept = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    TRY(row_keys_make(exec, in->columns, in->column_count, &rows, &out->arena, &keys));
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        bool added = false;
        if (key_table_add(&stage->seen, keys.keys[i], &added) == KEY_NONE) {
            return exec_no_memory(exec);
        }
        kept[count] = (uint16_t)rows_at(&rows, i);
        count += added;
    }
    out->columns = in->columns;
    out->column_count = in->column_count;
    out->row_count = in->row_count;
    out->selection = kept;
    out->selected_count = count;
    *more_out = false;
    return TDBPLUS_OK;
}

static void distinct_close(struct stage *base)
{
    key_table_deinit(&((struct distinct_stage *)base)->seen);
}

tdbplus_status make_distinct(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "distinct", .push = distinct_push, .close = distinct_close};
    struct pipeline below = {0};
    TRY(exec_compile(exec, plan->left, &below));
    struct distinct_stage *stage = stage_make(exec, sizeof *stage, &ops, below.last);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    key_table_init(&stage->seen, &exec->arena, exec->call->alloc);
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
