/* GROUP BY and DISTINCT by hash tables. */

#include <string.h>

#include "sql/exec/exec_group_stream.h"
#include "sql/exec/exec_scan.h"
#include "sql/exec/exec_team.h"

struct aggregate_stage {
    struct stage stage;
    struct pipeline input;
    struct aggregation aggregation;
    bool done;
    uint32_t out_row;
    bool may_stream; /* By the input's column `stream_slot`. */
    uint32_t stream_slot;
    struct group_stream stream;
    /* Rows of groups that memory had no room for, in files: parts of parts, and the next of each.
     */
    struct level *levels; /* SPILL_LEVEL_MAX + 1 of them; NULL: nothing went there. */
    uint32_t depth;
};

struct level {
    struct spill_parts parts;
    uint32_t next;
};

static uint64_t parts_rows(const struct spill_parts *parts)
{
    uint64_t rows = 0;
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        rows += parts->rows[p].row_count;
    }
    return rows;
}

/* The rows of a sequence in the file of `from`, which may be the aggregation itself. */
static tdbplus_status consume_spilled(struct aggregation *aggregation, struct spill_file *from,
                                      const struct spill_rows *rows)
{
    struct exec *exec = aggregation->exec;
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    for (size_t b = 0; b < rows->blocks.count; b++) {
        TRY_OR(done, exec_check(exec));
        TRY_OR(done, spill_get(from, rows, b, &batch));
        TRY_OR(done, aggregation_consume(aggregation, &batch, &arena));
        arena_reset(&arena);
    }
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

/* What became full goes on with its parts when its own groups are out. */
static tdbplus_status keep_parts(struct aggregate_stage *stage)
{
    struct exec *exec = stage->aggregation.exec;
    if (!stage->aggregation.full || parts_rows(&stage->aggregation.parts) == 0) {
        return TDBPLUS_OK;
    }
    if (stage->levels == NULL) {
        stage->levels = arena_array(&exec->arena, SPILL_LEVEL_MAX + 1, sizeof *stage->levels);
        if (stage->levels == NULL) {
            return exec_no_memory(exec);
        }
    }
    stage->levels[stage->depth++] =
        (struct level){.parts = aggregation_take_parts(&stage->aggregation)};
    return TDBPLUS_OK;
}

/* Groups the next part; *more_out false: there is none. */
static tdbplus_status next_part(struct aggregate_stage *stage, bool *more_out)
{
    *more_out = false;
    while (stage->depth > 0) {
        struct spill_parts *parts = &stage->levels[stage->depth - 1].parts;
        uint32_t part = stage->levels[stage->depth - 1].next++;
        if (part == SPILL_PART_COUNT) {
            spill_parts_deinit(parts);
            stage->depth--;
            continue;
        }
        if (parts->rows[part].row_count == 0) {
            continue;
        }
        TRY(aggregation_clear(&stage->aggregation));
        stage->aggregation.parts.level = parts->level + 1;
        TRY(consume_spilled(&stage->aggregation, &stage->aggregation.file, &parts->rows[part]));
        TRY(aggregation_end(&stage->aggregation));
        TRY(keep_parts(stage));
        stage->out_row = 0;
        *more_out = true;
        return TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

static tdbplus_status consume_all(struct aggregation *aggregation, const struct team *team,
                                  struct pipeline *input, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    while (!atomic_load_explicit(&team->stop, memory_order_relaxed) &&
           (status = pipeline_next(input->last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, aggregation_consume(aggregation, &batch, &arena));
        arena_reset(&arena);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

struct team_aggregation {
    struct team team;
    struct aggregate_stage *stage;
    struct aggregation *parts; /* Of the workers. */
};

static tdbplus_status aggregate_part(void *ctx, uint32_t number, struct pipeline *input,
                                     struct exec *exec)
{
    struct team_aggregation *all = ctx;
    struct aggregation *aggregation =
        number == 0 ? &all->stage->aggregation : &all->parts[number - 1];
    return consume_all(aggregation, &all->team, input, exec);
}

/* A group that one worker has in memory may have rows in another one's file: with all groups in one
 * table, which takes no more, the rows of all files are told apart once again. */
static tdbplus_status replay(struct team_aggregation *all)
{
    struct aggregation *aggregation = &all->stage->aggregation;
    tdbplus_status status = TDBPLUS_OK;
    struct spill_parts own = aggregation_take_parts(aggregation);
    aggregation->parts.level = 0;
    aggregation->full = true;
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        TRY_OR(done, consume_spilled(aggregation, &aggregation->file, &own.rows[p]));
        for (uint32_t i = 0; i < all->team.worker_count; i++) {
            struct aggregation *part = &all->parts[i];
            TRY_OR(done, consume_spilled(aggregation, &part->file, &part->parts.rows[p]));
        }
    }
done:
    spill_parts_deinit(&own);
    return status;
}

/* Each worker groups what it reads; the parts are added up afterwards. */
static tdbplus_status aggregate_together(struct team_aggregation *all, struct exec *exec)
{
    struct team *team = &all->team;
    all->parts = arena_array(&exec->arena, team->worker_count + 1u, sizeof *all->parts);
    if (all->parts == NULL) {
        return exec_no_memory(exec);
    }
    team->work = aggregate_part;
    team->ctx = all;
    for (uint32_t i = 0; i < team->worker_count; i++) {
        TRY(aggregation_init(&all->parts[i], &team->workers[i].exec, all->stage->aggregation.plan,
                             &team->workers[i].input));
    }
    for (uint32_t i = 0; i < team->worker_count; i++) {
        all->parts[i].may_spill = true;
    }
    TRY(team_run(team, &all->stage->input));
    bool spilled = all->stage->aggregation.full;
    for (uint32_t i = 0; i < team->worker_count; i++) {
        spilled = spilled || all->parts[i].full;
        TRY(aggregation_merge(&all->stage->aggregation, &all->parts[i]));
        TRY(aggregation_clear(&all->parts[i])); // All but its files.
    }
    return spilled && team->worker_count > 0 ? replay(all) : TDBPLUS_OK;
}

static tdbplus_status aggregate_all(struct aggregate_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct team_aggregation all = {.team = {.leader = exec}, .stage = stage};
    if (stage->aggregation.exact) {
        TRY_OR(done, team_open(&all.team, exec, stage->aggregation.plan->left, &stage->input));
    }
    TRY_OR(done, aggregate_together(&all, exec));
    TRY_OR(done, aggregation_end(&stage->aggregation));
    TRY_OR(done, keep_parts(stage));
    stage->done = true;
done:
    for (uint32_t i = 0; all.parts != NULL && i < all.team.worker_count; i++) {
        aggregation_deinit(&all.parts[i]);
    }
    team_close(&all.team);
    return status;
}

static tdbplus_status aggregate_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct aggregate_stage *stage = (struct aggregate_stage *)base;
    if (stage->may_stream && !stage->stream.open && !stage->done) {
        TRY(pipeline_begin(stage->input.last, exec));
        stage->may_stream = group_stream_in_order(exec, &stage->input);
        if (stage->may_stream) {
            TRY(group_stream_open(&stage->stream, exec, stage->aggregation.plan, &stage->input,
                                  stage->stream_slot));
        }
    }
    if (stage->stream.open) {
        return group_stream_next(&stage->stream, exec, out);
    }
    if (!stage->done) {
        TRY(aggregate_all(stage, exec));
    }
    uint32_t count = aggregation_group_count(&stage->aggregation) - stage->out_row;
    if (count == 0) {
        bool more = false;
        TRY(next_part(stage, &more));
        if (!more) {
            return TDBPLUS_END;
        }
        count = aggregation_group_count(&stage->aggregation);
    }
    count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
    TRY(aggregation_emit(&stage->aggregation, stage->out_row, count, out));
    stage->out_row += count;
    return TDBPLUS_OK;
}

static void aggregate_close(struct stage *base)
{
    struct aggregate_stage *stage = (struct aggregate_stage *)base;
    while (stage->depth > 0) {
        spill_parts_deinit(&stage->levels[--stage->depth].parts);
    }
    aggregation_deinit(&stage->aggregation);
    group_stream_close(&stage->stream);
}

static const struct stage_ops aggregate_ops = {
    .name = "aggregate", .next = aggregate_next, .close = aggregate_close};

bool stage_is_aggregate(const struct stage *stage)
{
    return stage->ops == &aggregate_ops;
}

tdbplus_status aggregate_add_probe(struct exec *exec, struct stage *aggregate, uint32_t id,
                                   const struct join_table *table, uint32_t number)
{
    const struct aggregate_stage *stage = (const struct aggregate_stage *)aggregate;
    const struct plan *plan = stage->aggregation.plan;
    for (uint32_t i = 0; i < plan->expr_count && plan->empty_set_count == 0; i++) {
        const struct expr *key = stage->aggregation.keys[i];
        if (plan->columns[i].id == id && key->kind == EXPR_SLOT) {
            return scan_add_probe(exec, stage->input.last, stage->input.columns[key->number].id,
                                  table, number);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status make_aggregate(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    struct aggregate_stage *stage = stage_make(exec, sizeof *stage, &aggregate_ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    TRY(exec_compile(exec, plan->left, &stage->input));
    pipeline->last = &stage->stage;
    TRY(aggregation_init(&stage->aggregation, exec, plan, &stage->input));
    stage->aggregation.may_spill = true;
    stage->may_stream =
        group_stream_possible(&stage->aggregation, &stage->input, &stage->stream_slot);
    return TDBPLUS_OK;
}

bool distinct_groups_serve(const struct exec *exec, const struct plan *plan)
{
    return plan->column_count > 0 && plan->column_count <= GROUP_KEY_COUNT_MAX &&
           exec->limited != plan;
}

tdbplus_status make_distinct_groups(struct exec *exec, const struct plan *plan, struct plan *input,
                                    struct pipeline *pipeline)
{
    struct plan *groups = plan_make(&exec->arena, PLAN_AGGREGATE, plan->column_count);
    struct expr **keys = arena_array(&exec->arena, plan->column_count, sizeof *keys);
    if (groups == NULL || keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        groups->columns[i] = plan->columns[i];
        keys[i] = expr_column(&exec->arena, input->columns[i].id, input->columns[i].type);
        if (keys[i] == NULL) {
            return exec_no_memory(exec);
        }
    }
    groups->exprs = keys;
    groups->expr_count = plan->column_count;
    groups->left = input;
    return make_aggregate(exec, groups, pipeline);
}

/* ---- DISTINCT ON, and DISTINCT below LIMIT: a step that lets through what it has not seen ---- */

struct distinct_stage {
    struct stage stage;
    struct expr **on; /* DISTINCT ON; none: all columns. */
    uint32_t on_count;
    struct group_table seen;
};

/* What rows are told apart by. */
static tdbplus_status distinct_columns(const struct distinct_stage *stage, struct exec *exec,
                                       const struct batch *in, struct arena *arena,
                                       const struct column **columns_out)
{
    *columns_out = in->columns;
    if (stage->on_count == 0) {
        return TDBPLUS_OK;
    }
    struct column *columns = arena_array(arena, stage->on_count, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    struct eval eval = {.exec = exec, .input = in, .arena = arena};
    struct func_rows rows = batch_rows(in);
    for (uint32_t i = 0; i < stage->on_count; i++) {
        TRY(eval_expr(&eval, stage->on[i], &rows, &columns[i]));
    }
    *columns_out = columns;
    return TDBPLUS_OK;
}

static tdbplus_status distinct_push(struct stage *base, struct exec *exec, const struct batch *in,
                                    struct batch *out, bool *more_out)
{
    struct distinct_stage *stage = (struct distinct_stage *)base;
    struct func_rows rows = batch_rows(in);
    uint16_t *kept = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *kept);
    uint8_t **records = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *records);
    if (kept == NULL || records == NULL) {
        return exec_no_memory(exec);
    }
    bool done = false;
    uint32_t count = 0;
    const struct column *columns = NULL;
    TRY(distinct_columns(stage, exec, in, &out->arena, &columns));
    TRY(group_table_add_direct(&stage->seen, exec, columns, &rows, &out->arena, records, kept,
                               &count, &done));
    if (!done) {
        struct key_rows keys = {0};
        TRY(key_rows_make(exec, &stage->seen.layout, columns, &rows, &out->arena, &keys));
        TRY(group_table_add(&stage->seen, exec, &keys, rows.count, records, kept, &count));
    }
    for (uint32_t i = 0; i < count; i++) {
        kept[i] = (uint16_t)rows_at(&rows, kept[i]);
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
    group_table_deinit(&((struct distinct_stage *)base)->seen);
}

tdbplus_status make_distinct(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "distinct", .push = distinct_push, .close = distinct_close};
    struct pipeline below = {0};
    if (plan->expr_count == 0 && distinct_groups_serve(exec, plan)) {
        return make_distinct_groups(exec, plan, plan->left, pipeline);
    }
    TRY(exec_compile(exec, plan->left, &below));
    struct distinct_stage *stage = stage_make(exec, sizeof *stage, &ops, below.last);
    uint32_t count = plan->expr_count > 0 ? plan->expr_count : below.column_count;
    struct type *types = arena_array(&exec->arena, count + 1u, sizeof *types);
    if (stage == NULL || types == NULL) {
        return exec_no_memory(exec);
    }
    stage->on = arena_array(&exec->arena, plan->expr_count + 1u, sizeof *stage->on);
    if (stage->on == NULL) {
        return exec_no_memory(exec);
    }
    stage->on_count = plan->expr_count;
    for (uint32_t i = 0; i < count; i++) {
        types[i] = plan->expr_count > 0 ? plan->exprs[i]->type : below.columns[i].type;
        if (plan->expr_count > 0) {
            TRY(exec_compile_expr(exec, plan->exprs[i], below.columns, below.column_count,
                                  &stage->on[i]));
        }
    }
    struct key_layout layout = {0};
    TRY(key_layout_make(exec, types, count, &layout));
    group_table_init(&stage->seen, &layout, 0, &exec->arena, exec->call->alloc);
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
