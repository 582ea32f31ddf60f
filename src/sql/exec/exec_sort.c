/* ORDER BY: rows are kept, their keys made comparable by memcmp, and the keys sorted. With a LIMIT
 * above, only as many rows as can be wanted are kept. */

#include <string.h>

#include "sql/exec/exec_sort_spill.h"

/* Rows are dropped when so many more than wanted have come. */
#define TOP_SLACK 8192u

struct sort_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline input;
    struct expr **keys;
    struct sort_order *orders;
    struct expr *top_count;
    struct expr *top_offset;
    uint64_t wanted;     /* UINT64_MAX: all. */
    struct span last;    /* Key of the last row wanted so far; no data: not known. */
    struct arena *arena; /* Of rows and keys; swapped when rows are dropped. */
    struct arena arenas[2];
    struct row_store store;
    struct list entries; /* struct order_entry */
    struct sort_spill spill;
    bool done;
    uint32_t out_row;
};

/* Most rows of a top-N are dropped at once, so their keys are made in the batch's memory. */
static bool keep_key(struct span *key, struct arena *arena)
{
    uint8_t *copy = arena_bytes(arena, key->size + 1);
    if (copy != NULL) {
        memcpy(copy, key->data, key->size);
        key->data = copy;
    }
    return copy != NULL;
}

static tdbplus_status keep_batch(struct sort_stage *stage, struct exec *exec,
                                 const struct batch *batch, struct arena *arena)
{
    uint32_t key_count = stage->plan->key_count;
    struct eval eval = {.exec = exec, .input = batch, .arena = arena};
    struct func_rows rows = batch_rows(batch);
    struct column *columns = arena_array(arena, key_count + 1u, sizeof *columns);
    struct span *keys = arena_array(arena, rows.count + 1u, sizeof *keys);
    if (columns == NULL || keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        TRY(eval_expr(&eval, stage->keys[i], &rows, &columns[i]));
        if (i == 0 && stage->last.data != NULL) {
            TRY(sort_keys_limit(exec, columns, stage->orders, stage->last, &rows, arena, &rows));
        }
    }
    if (rows.count == 0) {
        return TDBPLUS_OK;
    }
    TRY(sort_keys_make(exec, columns, stage->orders, key_count, &rows,
                       stage->wanted == UINT64_MAX ? stage->arena : arena, keys));
    uint16_t *kept = arena_alloc(arena, (rows.count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    uint32_t kept_count = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        // Rows behind the last one that can be wanted need not be kept.
        kept[kept_count] = (uint16_t)rows_at(&rows, i);
        keys[kept_count] = keys[i];
        kept_count += stage->last.data == NULL || span_compare(keys[i], stage->last) < 0;
    }
    rows.rows = kept;
    rows.count = kept_count;
    uint32_t first = stage->store.row_count;
    TRY(row_store_append(&stage->store, exec, batch->columns, &rows));
    for (uint32_t i = 0; i < rows.count; i++) {
        if (stage->wanted != UINT64_MAX && !keep_key(&keys[i], stage->arena)) {
            return exec_no_memory(exec);
        }
        struct order_entry entry = order_entry_of(keys[i], first + i);
        if (list_push(&stage->entries, &entry) == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

/* Moves the rows that can still be wanted to fresh memory and lets go of the rest. */
static tdbplus_status drop_rows(struct sort_stage *stage, struct exec *exec)
{
    TRY(order_sort(exec, stage->entries.items, stage->entries.count));
    struct arena *fresh = stage->arena == &stage->arenas[0] ? &stage->arenas[1] : &stage->arenas[0];
    struct row_store store;
    row_store_init(&store, fresh, stage->store.columns, stage->store.column_count);
    stage->entries.count = (size_t)stage->wanted;
    for (size_t i = 0; i < stage->entries.count; i++) {
        struct order_entry *entry = list_at(&stage->entries, i);
        const struct column *chunk = stage->store.chunks[entry->row / BATCH_ROW_COUNT_MAX];
        uint16_t row = (uint16_t)(entry->row % BATCH_ROW_COUNT_MAX);
        struct func_rows one = {&row, 1, BATCH_ROW_COUNT_MAX};
        TRY(row_store_append(&store, exec, chunk, &one));
        if (!keep_key(&entry->key, fresh)) {
            return exec_no_memory(exec);
        }
        entry->row = (uint32_t)i;
    }
    size_t count = stage->entries.count;
    if (count > 0) {
        stage->last = ((const struct order_entry *)list_at(&stage->entries, count - 1))->key;
    }
    arena_reset(stage->arena);
    stage->arena = fresh;
    stage->store = store;
    return TDBPLUS_OK;
}

/* Sorts what is kept and puts it into a file as a run. */
static tdbplus_status spill_rows(struct sort_stage *stage, struct exec *exec)
{
    if (stage->entries.count == 0) {
        return TDBPLUS_OK;
    }
    if (stage->spill.exec == NULL) {
        stage->spill.columns = stage->input.columns;
        stage->spill.column_count = stage->input.column_count;
        stage->spill.keys = stage->keys;
        stage->spill.orders = stage->orders;
        stage->spill.key_count = stage->plan->key_count;
        sort_spill_open(&stage->spill, exec);
    }
    TRY(order_sort(exec, stage->entries.items, stage->entries.count));
    size_t count = stage->entries.count;
    uint32_t *numbers = alloc_raw(exec->call->alloc, count * sizeof *numbers);
    if (numbers == NULL) {
        return exec_no_memory(exec);
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = ((const struct order_entry *)list_at(&stage->entries, i))->row;
    }
    tdbplus_status status = sort_spill_put(&stage->spill, &stage->store, numbers,
                                           count < stage->wanted ? count : (size_t)stage->wanted,
                                           stage->arena->used_bytes / count);
    alloc_free(exec->call->alloc, numbers, count, sizeof *numbers);
    stage->entries.count = 0;
    stage->last = (struct span){0};
    arena_reset(stage->arena);
    row_store_init(&stage->store, stage->arena, stage->input.columns, stage->input.column_count);
    return status;
}

/* With what sorting needs besides. */
static size_t kept_bytes(const struct sort_stage *stage)
{
    size_t entries = stage->entries.count * (2 * sizeof(struct order_entry) + sizeof(uint32_t));
    return stage->arena->used_bytes + entries;
}

static tdbplus_status find_wanted(struct sort_stage *stage, struct exec *exec)
{
    const struct expr *exprs[2] = {stage->top_count, stage->top_offset};
    uint64_t wanted = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct datum value = {.integer = 0};
        if (exprs[i] != NULL) {
            TRY(eval_once(exec, exprs[i], &exec->arena, &value));
        }
        if (i == 0 && value.is_null) {
            wanted = UINT64_MAX;
        }
        // Negative numbers are for LIMIT to complain about.
        if (!value.is_null && value.integer > 0) {
            wanted = wanted + (uint64_t)value.integer < wanted ? UINT64_MAX
                                                               : wanted + (uint64_t)value.integer;
        }
    }
    stage->wanted = stage->top_count == NULL ? UINT64_MAX : wanted;
    return TDBPLUS_OK;
}

static tdbplus_status sort_all(struct sort_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    TRY_OR(done, find_wanted(stage, exec));
    while ((status = pipeline_next(stage->input.last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, keep_batch(stage, exec, &batch, &arena));
        arena_reset(&arena);
        bool many =
            stage->wanted < UINT32_MAX && stage->entries.count > 4 * stage->wanted + TOP_SLACK;
        if (many) {
            TRY_OR(done, drop_rows(stage, exec));
        }
        if (exec_spills(exec, kept_bytes(stage))) {
            TRY_OR(done, spill_rows(stage, exec));
        }
    }
    TRY_OR(done, status == TDBPLUS_END ? TDBPLUS_OK : status);
    if (stage->spill.exec != NULL) {
        TRY_OR(done, spill_rows(stage, exec));
        TRY_OR(done, sort_spill_begin(&stage->spill));
    }
    TRY_OR(done, order_sort(exec, stage->entries.items, stage->entries.count));
    if (stage->entries.count > stage->wanted) {
        stage->entries.count = (size_t)stage->wanted;
    }
    stage->done = true;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

static tdbplus_status sort_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct sort_stage *stage = (struct sort_stage *)base;
    if (!stage->done) {
        TRY(sort_all(stage, exec));
    }
    if (stage->spill.exec != NULL) {
        return sort_spill_next(&stage->spill, out);
    }
    size_t rest = stage->entries.count - stage->out_row;
    uint32_t count = rest > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : (uint32_t)rest;
    if (count == 0) {
        return TDBPLUS_END;
    }
    uint32_t *numbers = arena_alloc(&out->arena, count * sizeof *numbers);
    if (numbers == NULL || !batch_shape(out, stage->store.column_count, count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] =
            ((const struct order_entry *)list_at(&stage->entries, stage->out_row + i))->row;
    }
    for (uint32_t c = 0; c < stage->store.column_count; c++) {
        TRY(row_store_gather(&stage->store, exec, c, numbers, count, &out->columns[c],
                             &out->arena));
    }
    stage->out_row += count;
    return TDBPLUS_OK;
}

static void sort_close(struct stage *base)
{
    struct sort_stage *stage = (struct sort_stage *)base;
    list_deinit(&stage->entries);
    sort_spill_close(&stage->spill);
    arena_deinit(&stage->arenas[0]);
    arena_deinit(&stage->arenas[1]);
}

tdbplus_status make_sort(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "sort", .next = sort_next, .close = sort_close};
    struct sort_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    arena_init(&stage->arenas[0], exec->call->alloc, 0);
    arena_init(&stage->arenas[1], exec->call->alloc, 0);
    stage->arena = &stage->arenas[0];
    list_init(&stage->entries, exec->call->alloc, sizeof(struct order_entry));
    TRY(exec_compile(exec, plan->left, &stage->input));
    row_store_init(&stage->store, stage->arena, stage->input.columns, stage->input.column_count);
    stage->keys = arena_array(&exec->arena, plan->key_count + 1u, sizeof *stage->keys);
    stage->orders = arena_array(&exec->arena, plan->key_count + 1u, sizeof *stage->orders);
    if (stage->keys == NULL || stage->orders == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->key_count; i++) {
        stage->orders[i] = (struct sort_order){plan->keys[i].descending, plan->keys[i].nulls_first};
        TRY(exec_compile_expr(exec, plan->keys[i].value, stage->input.columns,
                              stage->input.column_count, &stage->keys[i]));
    }
    if (plan->top_count != NULL) {
        TRY(exec_compile_expr(exec, plan->top_count, NULL, 0, &stage->top_count));
    }
    if (plan->top_offset != NULL) {
        TRY(exec_compile_expr(exec, plan->top_offset, NULL, 0, &stage->top_offset));
    }
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
