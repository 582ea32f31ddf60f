/*
 * Window functions: all rows are kept, with the values that the functions are given, then sorted by
 * partition and order, computed a partition at a time, and handed out in that order.
 */

#include <string.h>

#include "sql/exec/exec_window.h"

struct window_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline input;
    struct expr **keys; /* Of PARTITION BY, then of ORDER BY. */
    struct sort_order *orders;
    uint32_t partition_count;
    uint32_t key_count;
    struct expr **extras; /* What the functions read, beside the input's columns. */
    uint32_t extra_count;
    struct plan_column *columns; /* Of the rows kept: the input's, then one an extra. */
    struct window_call *calls;
    uint32_t call_count;
    struct row_store store;
    struct list entries;    /* struct order_entry */
    struct list partitions; /* uint32_t: the size of each entry's key that is of its partition. */
    struct window_rows rows;
    bool done;
    uint32_t out_chunk;
};

/* ---- keeping rows ---- */

static tdbplus_status keep_keys(struct window_stage *stage, struct exec *exec,
                                const struct eval *eval, const struct func_rows *rows,
                                uint32_t first)
{
    uint32_t total = stage->partition_count + stage->key_count;
    struct column *columns = arena_array(eval->arena, total + 1u, sizeof *columns);
    struct span *keys = arena_array(eval->arena, rows->count + 1u, sizeof *keys);
    struct span *partitions = arena_array(eval->arena, rows->count + 1u, sizeof *partitions);
    if (columns == NULL || keys == NULL || partitions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < total; i++) {
        TRY(eval_expr(eval, stage->keys[i], rows, &columns[i]));
    }
    TRY(sort_keys_make(exec, columns, stage->orders, stage->partition_count, rows, eval->arena,
                       partitions));
    TRY(sort_keys_make(exec, columns, stage->orders, total, rows, &exec->arena, keys));
    for (uint32_t i = 0; i < rows->count; i++) {
        struct order_entry entry = order_entry_of(keys[i], first + i);
        // By row, which is the order of `partitions`, whatever sorting does to the entries.
        uint32_t size = (uint32_t)partitions[i].size;
        if (list_push(&stage->entries, &entry) == NULL ||
            list_push(&stage->partitions, &size) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status keep_batch(struct window_stage *stage, struct exec *exec,
                                 const struct batch *batch, struct arena *arena)
{
    struct eval eval = {.exec = exec, .input = batch, .arena = arena};
    struct func_rows rows = batch_rows(batch);
    uint32_t input = stage->input.column_count;
    struct column *columns = arena_array(arena, input + stage->extra_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    memcpy(columns, batch->columns, input * sizeof *columns);
    for (uint32_t i = 0; i < stage->extra_count; i++) {
        TRY(eval_expr(&eval, stage->extras[i], &rows, &columns[input + i]));
    }
    uint32_t first = stage->store.row_count;
    TRY(row_store_append(&stage->store, exec, columns, &rows));
    return keep_keys(stage, exec, &eval, &rows, first);
}

static tdbplus_status keep_all(struct window_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    while ((status = pipeline_next(stage->input.last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, keep_batch(stage, exec, &batch, &arena));
        arena_reset(&arena);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

/* ---- rows in order ---- */

static tdbplus_status sort_rows(struct window_stage *stage, struct exec *exec)
{
    size_t count = stage->entries.count;
    if (stage->partition_count + stage->key_count > 0) {
        TRY(order_sort(exec, stage->entries.items, count));
    }
    uint32_t chunk_count = (uint32_t)((count + BATCH_ROW_COUNT_MAX - 1) / BATCH_ROW_COUNT_MAX);
    uint32_t width = stage->store.column_count;
    stage->rows.row_count = (uint32_t)count;
    stage->rows.chunks = arena_array(&exec->arena, chunk_count + 1u, sizeof *stage->rows.chunks);
    uint32_t *numbers = arena_alloc(&exec->arena, BATCH_ROW_COUNT_MAX * sizeof *numbers);
    if (stage->rows.chunks == NULL || numbers == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t chunk = 0; chunk < chunk_count; chunk++) {
        size_t first = (size_t)chunk * BATCH_ROW_COUNT_MAX;
        size_t rest = count - first;
        uint32_t rows = rest > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : (uint32_t)rest;
        struct column *columns = arena_array(&exec->arena, width + 1u, sizeof *columns);
        TRY(exec_check(exec));
        if (columns == NULL) {
            return exec_no_memory(exec);
        }
        for (uint32_t i = 0; i < rows; i++) {
            numbers[i] = ((const struct order_entry *)list_at(&stage->entries, first + i))->row;
        }
        for (uint32_t c = 0; c < width; c++) {
            TRY(row_store_gather(&stage->store, exec, c, numbers, rows, &columns[c], &exec->arena));
        }
        stage->rows.chunks[chunk] = columns;
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_results(struct window_stage *stage, struct exec *exec)
{
    uint32_t chunks = (stage->rows.row_count + BATCH_ROW_COUNT_MAX - 1u) / BATCH_ROW_COUNT_MAX;
    for (uint32_t i = 0; i < stage->call_count; i++) {
        struct window_call *call = &stage->calls[i];
        call->results = arena_array(&exec->arena, chunks + 1u, sizeof *call->results);
        if (call->results == NULL) {
            return exec_no_memory(exec);
        }
        for (uint32_t chunk = 0; chunk < chunks; chunk++) {
            if (!column_make(&call->results[chunk], call->type, BATCH_ROW_COUNT_MAX, true,
                             &exec->arena)) {
                return exec_no_memory(exec);
            }
        }
    }
    return TDBPLUS_OK;
}

/* The bytes of an entry's key that are of its partition. */
static struct span partition_of(const struct window_stage *stage, const struct order_entry *entry)
{
    struct span key = entry->key;
    key.size = *(const uint32_t *)list_at(&stage->partitions, entry->row);
    return key;
}

/* Finds the partition that begins at rows.end, and its groups of peers. */
static void next_partition(struct window_stage *stage)
{
    struct window_rows *rows = &stage->rows;
    const struct order_entry *entries = stage->entries.items;
    uint32_t row = rows->end;
    struct span partition = partition_of(stage, &entries[row]);
    rows->begin = row;
    rows->group_count = 0;
    rows->groups[rows->group_count++] = row;
    for (row++; row < rows->row_count; row++) {
        if (span_compare(partition, partition_of(stage, &entries[row])) != 0) {
            break;
        }
        if (span_compare(entries[row - 1].key, entries[row].key) != 0) {
            rows->groups[rows->group_count++] = row;
        }
    }
    rows->end = row;
    rows->groups[rows->group_count] = row;
}

static tdbplus_status compute_all(struct window_stage *stage, struct exec *exec)
{
    TRY(keep_all(stage, exec));
    TRY(sort_rows(stage, exec));
    TRY(make_results(stage, exec));
    struct window_rows *rows = &stage->rows;
    rows->groups = arena_alloc(&exec->arena, ((size_t)rows->row_count + 2) * sizeof *rows->groups);
    if (rows->groups == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < stage->call_count && rows->row_count > 0; i++) {
        TRY(frame_prepare(exec, &stage->calls[i]));
    }
    while (rows->end < rows->row_count) {
        next_partition(stage);
        for (uint32_t i = 0; i < stage->call_count; i++) {
            TRY(window_compute(exec, &stage->calls[i], rows));
        }
    }
    stage->done = true;
    return TDBPLUS_OK;
}

static tdbplus_status window_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct window_stage *stage = (struct window_stage *)base;
    if (!stage->done) {
        TRY(compute_all(stage, exec));
    }
    uint32_t first = stage->out_chunk * BATCH_ROW_COUNT_MAX;
    if (first >= stage->rows.row_count) {
        return TDBPLUS_END;
    }
    uint32_t rest = stage->rows.row_count - first;
    uint32_t count = rest > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : rest;
    uint32_t input = stage->input.column_count;
    if (!batch_shape(out, input + stage->call_count, count)) {
        return exec_no_memory(exec);
    }
    memcpy(out->columns, stage->rows.chunks[stage->out_chunk], input * sizeof *out->columns);
    for (uint32_t i = 0; i < stage->call_count; i++) {
        out->columns[input + i] = stage->calls[i].results[stage->out_chunk];
    }
    for (uint32_t c = 0; c < out->column_count; c++) {
        out->columns[c].row_count = count;
    }
    stage->out_chunk++;
    return TDBPLUS_OK;
}

static void window_close(struct stage *base)
{
    struct window_stage *stage = (struct window_stage *)base;
    list_deinit(&stage->entries);
    list_deinit(&stage->partitions);
    for (uint32_t i = 0; stage->calls != NULL && i < stage->call_count; i++) {
        arena_deinit(&stage->calls[i].arena);
    }
}

/* ---- compiling ---- */

static tdbplus_status add_extra(struct window_stage *stage, struct exec *exec,
                                const struct expr *expr, uint32_t *column_out)
{
    *column_out = stage->input.column_count + stage->extra_count;
    stage->columns[*column_out] = (struct plan_column){.type = expr->type};
    return exec_compile_expr(exec, expr, stage->input.columns, stage->input.column_count,
                             &stage->extras[stage->extra_count++]);
}

static tdbplus_status compile_call(struct window_stage *stage, struct exec *exec, uint32_t number)
{
    const struct plan_window *plan = stage->plan->window;
    const struct plan_window_call *source = &plan->calls[number];
    struct window_call *call = &stage->calls[number];
    arena_init(&call->arena, exec->call->alloc, 0);
    call->kept = &exec->arena;
    call->plan = source;
    call->type = stage->plan->columns[stage->plan->column_count - plan->call_count + number].type;
    call->filter = WINDOW_NO_COLUMN;
    for (uint32_t i = 0; i < source->argument_count; i++) {
        uint32_t column = 0;
        TRY(add_extra(stage, exec, source->arguments[i], &column));
        call->first_argument = i == 0 ? column : call->first_argument;
    }
    if (source->filter != NULL) {
        TRY(add_extra(stage, exec, source->filter, &call->filter));
    }
    const struct expr *offsets[2] = {source->frame.start_offset, source->frame.end_offset};
    for (uint32_t i = 0; i < 2; i++) {
        if (offsets[i] != NULL) {
            TRY(exec_compile_expr(exec, offsets[i], NULL, 0, &call->offsets[i]));
        }
    }
    if (source->frame.mode == FRAME_RANGE && (offsets[0] != NULL || offsets[1] != NULL)) {
        TRY(add_extra(stage, exec, plan->keys[0].value, &call->order));
        call->descending = plan->keys[0].descending;
        call->nulls_first = plan->keys[0].nulls_first;
    }
    return TDBPLUS_OK;
}

static tdbplus_status compile_keys(struct window_stage *stage, struct exec *exec)
{
    const struct plan_window *plan = stage->plan->window;
    uint32_t total = plan->partition_count + plan->key_count;
    stage->partition_count = plan->partition_count;
    stage->key_count = plan->key_count;
    stage->keys = arena_array(&exec->arena, total + 1u, sizeof *stage->keys);
    stage->orders = arena_array(&exec->arena, total + 1u, sizeof *stage->orders);
    if (stage->keys == NULL || stage->orders == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < total; i++) {
        bool partition = i < plan->partition_count;
        const struct plan_key *key = partition ? NULL : &plan->keys[i - plan->partition_count];
        if (!partition) {
            stage->orders[i] = (struct sort_order){key->descending, key->nulls_first};
        }
        TRY(exec_compile_expr(exec, partition ? plan->partition[i] : key->value,
                              stage->input.columns, stage->input.column_count, &stage->keys[i]));
    }
    return TDBPLUS_OK;
}

tdbplus_status make_window(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "window", .next = window_next, .close = window_close};
    struct window_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    list_init(&stage->entries, exec->call->alloc, sizeof(struct order_entry));
    list_init(&stage->partitions, exec->call->alloc, sizeof(uint32_t));
    TRY(exec_compile(exec, plan->left, &stage->input));
    uint32_t calls = plan->window->call_count;
    uint32_t width = stage->input.column_count + 5 * calls + 1;
    stage->columns = arena_array(&exec->arena, width, sizeof *stage->columns);
    stage->extras = arena_array(&exec->arena, 5 * (size_t)calls + 1, sizeof *stage->extras);
    stage->calls = arena_array(&exec->arena, calls + 1u, sizeof *stage->calls);
    if (stage->columns == NULL || stage->extras == NULL || stage->calls == NULL) {
        return exec_no_memory(exec);
    }
    stage->call_count = calls;
    memcpy(stage->columns, stage->input.columns,
           stage->input.column_count * sizeof *stage->columns);
    TRY(compile_keys(stage, exec));
    for (uint32_t i = 0; i < calls; i++) {
        TRY(compile_call(stage, exec, i));
    }
    row_store_init(&stage->store, &exec->arena, stage->columns,
                   stage->input.column_count + stage->extra_count);
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
