/*
 * WITH queries. The rows of one are kept and shared by its readers, and made as far as a reader
 * asks, so that a LIMIT above a recursive query ends it.
 */

#include <string.h>

#include "sql/exec/exec_internal.h"

/* The rows of one WITH query. */
struct cte_rows {
    const struct plan_cte *cte;
    struct exec *owner; /* Whose stages fill it. */
    struct row_store store;
    struct pipeline pipeline; /* `last` is NULL until the first row is asked for. */
    struct batch batch;
    struct key_table seen; /* UNION: the rows of `store`. */
    uint32_t work_begin;   /* The rows of the last round. */
    uint32_t work_end;
    bool base_done;
    bool done;
    bool filling;
    struct cte_rows *next;
};

/* ---- filling ---- */

static tdbplus_status keep_rows(struct cte_rows *rows, struct exec *exec, const struct batch *batch)
{
    struct func_rows live = batch_rows(batch);
    if (!rows->cte->distinct) {
        return row_store_append(&rows->store, exec, batch->columns, &live);
    }
    struct arena scratch;
    arena_init(&scratch, exec->call->alloc, 0);
    tdbplus_status status = TDBPLUS_OK;
    struct row_keys keys = {0};
    uint16_t *fresh = arena_alloc(&scratch, (live.count + 1u) * sizeof *fresh);
    uint32_t count = 0;
    if (fresh == NULL) {
        status = exec_no_memory(exec);
        goto done;
    }
    TRY_OR(done,
           row_keys_make(exec, batch->columns, rows->store.column_count, &live, &scratch, &keys));
    for (uint32_t i = 0; i < live.count; i++) {
        bool added = false;
        if (key_table_add(&rows->seen, keys.keys[i], &added) == KEY_NONE) {
            status = exec_no_memory(exec);
            goto done;
        }
        fresh[count] = (uint16_t)rows_at(&live, i);
        count += added;
    }
    struct func_rows kept = {fresh, count, live.row_count};
    TRY_OR(done, row_store_append(&rows->store, exec, batch->columns, &kept));
done:
    arena_deinit(&scratch);
    return status;
}

/* One round of a recursive query: its step runs over the rows of the last round. */
static tdbplus_status run_round(struct cte_rows *rows)
{
    struct exec *owner = rows->owner;
    struct exec exec;
    struct batch batch;
    struct pipeline pipeline = {0};
    exec_init_child(&exec, owner, owner->outer);
    batch_init(&batch, owner->call->alloc);
    tdbplus_status status = exec_compile(&exec, rows->cte->step, &pipeline);
    while (status == TDBPLUS_OK) {
        status = pipeline_next(pipeline.last, &exec, &batch);
        if (status == TDBPLUS_OK) {
            status = keep_rows(rows, owner, &batch);
        }
    }
    batch_deinit(&batch);
    exec_deinit(&exec);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status fill_base(struct cte_rows *rows)
{
    struct exec *exec = rows->owner;
    if (rows->pipeline.last == NULL) {
        TRY(exec_compile(exec, rows->cte->plan, &rows->pipeline));
    }
    tdbplus_status status = pipeline_next(rows->pipeline.last, exec, &rows->batch);
    if (status == TDBPLUS_OK) {
        return keep_rows(rows, exec, &rows->batch);
    }
    if (status == TDBPLUS_END) {
        rows->base_done = true;
        rows->done = rows->cte->step == NULL;
        rows->work_end = rows->store.row_count;
        status = TDBPLUS_OK;
    }
    return status;
}

/* Some more rows, or none if `done`. */
static tdbplus_status fill_more(struct cte_rows *rows)
{
    struct exec *exec = rows->owner;
    if (rows->filling) {
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "a WITH query reads itself");
    }
    rows->filling = true;
    tdbplus_status status = TDBPLUS_OK;
    if (!rows->base_done) {
        status = fill_base(rows);
    } else if (rows->work_begin == rows->work_end) {
        rows->done = true;
    } else {
        status = run_round(rows);
        rows->work_begin = rows->work_end;
        rows->work_end = rows->store.row_count;
    }
    rows->filling = false;
    return status;
}

/* ---- reading ---- */

struct cte_stage {
    struct stage stage;
    struct cte_rows *rows;
    bool work; /* Reads the last round only. */
    uint32_t row;
};

/* Rows [first, end) of one chunk of the store, without copying. */
static tdbplus_status give_rows(const struct row_store *store, struct exec *exec, uint32_t first,
                                uint32_t end, struct batch *out)
{
    uint32_t from = first % BATCH_ROW_COUNT_MAX;
    uint32_t count = end - first;
    if (!batch_shape(out, store->column_count, from + count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < store->column_count; c++) {
        out->columns[c] = store->chunks[first / BATCH_ROW_COUNT_MAX][c];
        out->columns[c].row_count = from + count;
    }
    if (from == 0) {
        return TDBPLUS_OK;
    }
    uint16_t *selection = arena_alloc(&out->arena, count * sizeof *selection);
    if (selection == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        selection[i] = (uint16_t)(from + i);
    }
    out->selection = selection;
    out->selected_count = count;
    return TDBPLUS_OK;
}

static tdbplus_status cte_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct cte_stage *stage = (struct cte_stage *)base;
    struct cte_rows *rows = stage->rows;
    if (stage->work && stage->row < rows->work_begin) {
        stage->row = rows->work_begin;
    }
    while (!stage->work && stage->row == rows->store.row_count && !rows->done) {
        TRY(fill_more(rows));
    }
    uint32_t end = stage->work ? rows->work_end : rows->store.row_count;
    uint32_t chunk_end = (stage->row / BATCH_ROW_COUNT_MAX + 1) * BATCH_ROW_COUNT_MAX;
    end = end < chunk_end ? end : chunk_end;
    if (stage->row >= end) {
        return TDBPLUS_END;
    }
    TRY(give_rows(&rows->store, exec, stage->row, end, out));
    stage->row = end;
    return TDBPLUS_OK;
}

static struct cte_rows *find_rows(const struct exec *exec, const struct plan_cte *cte)
{
    for (; exec != NULL; exec = exec->parent) {
        for (struct cte_rows *rows = exec->ctes; rows != NULL; rows = rows->next) {
            if (rows->cte == cte) {
                return rows;
            }
        }
    }
    return NULL;
}

tdbplus_status make_cte(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "cte", .next = cte_next};
    struct cte_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->rows = find_rows(exec, plan->cte);
    stage->work = plan->kind == PLAN_WORK;
    if (stage->rows == NULL) {
        return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "a WITH query has no owner");
    }
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}

/* ---- owning ---- */

/* Makes the changes among its WITH queries first, all to their end, then passes its input on: what
 * may meet another transaction happens before the first row goes out. */
struct with_stage {
    struct stage stage;
    struct cte_rows **rows;
    uint32_t count;
    struct pipeline input;
    struct batch batch;
    bool changed;
};

static tdbplus_status make_changes(struct with_stage *stage)
{
    for (uint32_t i = 0; i < stage->count; i++) {
        struct cte_rows *rows = stage->rows[i];
        while (rows->cte->changes && !rows->done) {
            TRY(fill_more(rows));
        }
    }
    stage->changed = true;
    return TDBPLUS_OK;
}

static tdbplus_status with_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct with_stage *stage = (struct with_stage *)base;
    if (!stage->changed) {
        TRY(make_changes(stage));
    }
    TRY(pipeline_next(stage->input.last, exec, &stage->batch));
    out->columns = stage->batch.columns;
    out->column_count = stage->batch.column_count;
    out->row_count = stage->batch.row_count;
    out->selection = stage->batch.selection;
    out->selected_count = stage->batch.selected_count;
    return TDBPLUS_OK;
}

static void with_close(struct stage *base)
{
    struct with_stage *stage = (struct with_stage *)base;
    for (uint32_t i = 0; i < stage->count; i++) {
        key_table_deinit(&stage->rows[i]->seen);
        batch_deinit(&stage->rows[i]->batch);
    }
    batch_deinit(&stage->batch);
}

static struct cte_rows *own_rows(struct exec *exec, const struct plan_cte *cte)
{
    struct cte_rows *rows = arena_array(&exec->arena, 1, sizeof *rows);
    if (rows != NULL) {
        rows->cte = cte;
        rows->owner = exec;
        row_store_init(&rows->store, &exec->arena, cte->plan->columns, cte->plan->column_count);
        key_table_init(&rows->seen, &exec->arena, exec->call->alloc);
        batch_init(&rows->batch, exec->call->alloc);
        rows->next = exec->ctes;
        exec->ctes = rows;
    }
    return rows;
}

tdbplus_status make_with(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "with", .next = with_next, .close = with_close};
    struct with_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    batch_init(&stage->batch, exec->call->alloc);
    stage->rows = arena_array(&exec->arena, plan->cte_count + 1u, sizeof(struct cte_rows *));
    if (stage->rows == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->cte_count; i++) {
        stage->rows[i] = own_rows(exec, plan->ctes[i]);
        if (stage->rows[i] == NULL) {
            return exec_no_memory(exec);
        }
        stage->count++;
    }
    pipeline->last = &stage->stage;
    return exec_compile(exec, plan->left, &stage->input);
}
