#include "sql/exec/exec_group_stream.h"

#include <string.h>

/* Groups that are worth sending out, and memory that holds about as many without asking for more.
 */
#define STREAM_GROUP_COUNT 1024u
#define STREAM_BLOCK_SIZE  ((size_t)512 << 10)

/* From so many threads on a team is faster, and from the first join on two are. */
#define STREAM_THREAD_COUNT_MAX 4u

/* ---- whether ---- */

static bool is_whole_number(struct type type)
{
    switch (type_physical(type)) {
    case PHYSICAL_1:
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        return type.id != TYPE_FLOAT4 && type.id != TYPE_FLOAT8;
    case PHYSICAL_16:
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        break;
    }
    return false;
}

/* True when the column is the first of the key of a table that the plan walks through in order. */
static bool leads_key(const struct plan *plan, uint32_t id)
{
    while (plan != NULL && plan->kind != PLAN_SCAN) {
        bool keeps_order = plan->kind == PLAN_FILTER || plan->kind == PLAN_PROJECT ||
                           (plan->kind == PLAN_JOIN &&
                            (plan->join_kind == JOIN_INNER || plan->join_kind == JOIN_SEMI));
        if (!keeps_order) {
            return false;
        }
        if (plan->kind == PLAN_PROJECT) {
            uint32_t i = 0;
            while (i < plan->expr_count && plan->columns[i].id != id) {
                i++;
            }
            if (i == plan->expr_count || plan->exprs[i]->kind != EXPR_COLUMN) {
                return false;
            }
            id = plan->exprs[i]->number;
        }
        plan = plan->left;
    }
    if (plan == NULL || plan->scan.access != NULL || plan->scan.object->schema->key_count == 0) {
        return false;
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (plan->columns[i].id == id) {
            return plan->scan.positions[i] == plan->scan.object->schema->key_columns[0] &&
                   (plan->scan.paths == NULL || plan->scan.paths[i].key_count == 0);
        }
    }
    return false;
}

bool group_stream_possible(const struct aggregation *aggregation, const struct pipeline *input,
                           uint32_t *slot_out)
{
    const struct plan *plan = aggregation->plan;
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        if (plan->aggregates[i].distinct || aggregation->slots[i].kind == SLOT_ORDERED) {
            return false; // What they keep is not in the part's own memory.
        }
    }
    for (uint32_t i = 0; i < plan->expr_count && plan->empty_set_count == 0; i++) {
        const struct expr *key = aggregation->keys[i];
        if (key->kind == EXPR_SLOT && is_whole_number(key->type) &&
            leads_key(plan->left, input->columns[key->number].id)) {
            *slot_out = key->number;
            return true;
        }
    }
    return false;
}

bool group_stream_in_order(const struct exec *exec, const struct pipeline *input)
{
    bool joins = false;
    const struct stage *stage = input->last;
    for (; stage->before != NULL; stage = stage->before) {
        if (!stage->ops->passes_rows) {
            return false;
        }
        if (stage->spills) {
            return false;
        }
        joins = joins || stage->joins;
    }
    uint32_t thread_count_max = joins ? 2 : STREAM_THREAD_COUNT_MAX;
    return exec->thread_count < thread_count_max && stage_is_scan(stage) &&
           scan_stage_in_order(stage);
}

/* ---- running ---- */

tdbplus_status group_stream_open(struct group_stream *stream, struct exec *exec,
                                 const struct plan *plan, struct pipeline *input, uint32_t slot)
{
    stream->plan = plan;
    stream->input = input;
    stream->slot = slot;
    stream->open = true;
    batch_init(&stream->batch, exec->call->alloc);
    arena_init(&stream->arena, exec->call->alloc, 0);
    for (uint32_t i = 0; i < 2; i++) {
        TRY(aggregation_init(&stream->parts[i], exec, plan, input));
        stream->parts[i].data.block_size = STREAM_BLOCK_SIZE;
    }
    return TDBPLUS_OK;
}

void group_stream_close(struct group_stream *stream)
{
    if (stream->open) {
        aggregation_deinit(&stream->parts[0]);
        aggregation_deinit(&stream->parts[1]);
        arena_deinit(&stream->arena);
        batch_deinit(&stream->batch);
    }
    stream->open = false;
}

static int64_t key_at(const struct column *column, const struct func_rows *rows, uint32_t i)
{
    struct datum value;
    column_get(column, rows_at(rows, i), &value);
    return value.integer;
}

/* The first of the live rows from which on all have the last one's key. Those with one key lie
 * together, so few rows are looked at. */
static uint32_t last_run(const struct column *column, const struct func_rows *rows)
{
    uint32_t begin = rows->count - 1;
    int64_t last = key_at(column, rows, begin);
    while (begin > 0 && key_at(column, rows, begin - 1) == last) {
        begin--;
    }
    return begin;
}

/* Consumes part of the batch's live rows. */
static tdbplus_status consume(struct group_stream *stream, struct exec *exec, uint32_t part,
                              uint32_t first, uint32_t count)
{
    struct batch rows = stream->batch;
    struct func_rows live = batch_rows(&stream->batch);
    uint16_t *chosen = arena_alloc(&stream->arena, (count + 1u) * sizeof *chosen);
    if (chosen == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        chosen[i] = (uint16_t)rows_at(&live, first + i);
    }
    rows.selection = chosen;
    rows.selected_count = count;
    return aggregation_consume(&stream->parts[part], &rows, &stream->arena);
}

/* Reads rows until some groups are complete, or no more come. */
static tdbplus_status fill(struct group_stream *stream, struct exec *exec)
{
    struct aggregation *filling = &stream->parts[stream->filling];
    while (!stream->ended && !stream->emitting) {
        tdbplus_status status = pipeline_next(stream->input->last, exec, &stream->batch);
        stream->ended = status == TDBPLUS_END;
        if (stream->ended) {
            break;
        }
        TRY(status);
        arena_reset(&stream->arena);
        if (aggregation_group_count(filling) < STREAM_GROUP_COUNT) {
            TRY(aggregation_consume(filling, &stream->batch, &stream->arena));
            continue;
        }
        struct func_rows live = batch_rows(&stream->batch);
        uint32_t cut = last_run(&stream->batch.columns[stream->slot], &live);
        TRY(consume(stream, exec, stream->filling, 0, cut));
        // What the last run of the batch before began is complete only if this batch goes on.
        stream->emitting = cut > 0;
        uint32_t rest = stream->emitting ? 1 - stream->filling : stream->filling;
        TRY(consume(stream, exec, rest, cut, live.count - cut));
    }
    if (stream->ended && !stream->emitting) {
        stream->emitting = aggregation_group_count(filling) > 0;
    }
    return TDBPLUS_OK;
}

tdbplus_status group_stream_next(struct group_stream *stream, struct exec *exec, struct batch *out)
{
    for (;;) {
        if (!stream->emitting) {
            TRY(fill(stream, exec));
            stream->out_group = 0;
        }
        if (!stream->emitting) {
            return TDBPLUS_END;
        }
        struct aggregation *complete = &stream->parts[stream->filling];
        uint32_t count = aggregation_group_count(complete) - stream->out_group;
        count = count > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : count;
        if (count > 0) {
            TRY(aggregation_emit(complete, stream->out_group, count, out));
            stream->out_group += count;
            return TDBPLUS_OK;
        }
        TRY(aggregation_clear(complete));
        stream->emitting = false;
        stream->filling = 1 - stream->filling;
    }
}
