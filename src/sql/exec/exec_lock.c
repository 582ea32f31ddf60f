/*
 * FOR UPDATE, FOR SHARE and their kin. All rows that are wanted are locked before the first goes
 * out, so that the statement can start again on a newer snapshot when it meets a row that changed.
 */

#include <string.h>

#include "locks/lock_table.h"
#include "sql/exec/exec_internal.h"

struct lock_stage {
    struct stage stage;
    const struct plan *plan;
    struct pipeline input;
    struct expr *limits[2];
    const struct object **objects; /* One a lock. */
    uint32_t **slots;              /* Of each lock's key in the input's columns. */
    uint64_t wanted;
    struct row_store store;
    struct arena arena; /* Of the row at work. */
    bool done;
    uint32_t chunk;
};

static tdbplus_status find_wanted(struct lock_stage *stage, struct exec *exec)
{
    uint64_t wanted = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct datum value = {.is_null = i == 0};
        if (stage->limits[i] != NULL) {
            TRY(eval_once(exec, stage->limits[i], &exec->arena, &value));
        }
        if (value.is_null && i == 0) {
            wanted = UINT64_MAX;
        }
        // Negative numbers are for LIMIT to complain about.
        if (!value.is_null && value.integer > 0 && wanted != UINT64_MAX) {
            wanted += (uint64_t)value.integer;
        }
    }
    stage->wanted = wanted;
    return TDBPLUS_OK;
}

static tdbplus_status not_obtained(struct exec *exec, const struct plan_lock *lock)
{
    err_clear(exec->call->err);
    return err_set_state(exec->call->err, TDBPLUS_E_LOCK, "55P03",
                         "could not obtain lock on row in relation \"%s\"", lock->table_name);
}

/* Locks what one row was made from; *kept_out is false when it is to be skipped. */
static tdbplus_status lock_row(struct lock_stage *stage, struct exec *exec,
                               const struct batch *batch, uint32_t row, bool *kept_out)
{
    *kept_out = true;
    arena_reset(&stage->arena);
    for (uint32_t i = 0; i < stage->plan->lock_count && *kept_out; i++) {
        const struct plan_lock *lock = &stage->plan->locks[i];
        struct datum *key = arena_array(&stage->arena, lock->key_count, sizeof *key);
        if (key == NULL) {
            return exec_no_memory(exec);
        }
        bool missing = false;
        for (uint32_t k = 0; k < lock->key_count; k++) {
            column_get(&batch->columns[stage->slots[i][k]], row, &key[k]);
            missing = missing || key[k].is_null;
        }
        // No row of that table is in this one.
        if (missing) {
            continue;
        }
        uint8_t mode = (uint8_t)(LOCK_ROW_KEY_SHARE + lock->strength - 1);
        tdbplus_status status = txn_lock_row(exec->txn, stage->objects[i], key, mode,
                                             lock->wait != LOCK_WAITS, exec->call);
        if (status == TDBPLUS_E_LOCK && lock->wait == LOCK_SKIPS) {
            err_clear(exec->call->err);
            *kept_out = false;
        } else if (status == TDBPLUS_E_LOCK && lock->wait == LOCK_FAILS) {
            return not_obtained(exec, lock);
        } else {
            TRY(status);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status lock_batch(struct lock_stage *stage, struct exec *exec,
                                 const struct batch *batch, struct arena *arena)
{
    struct func_rows rows = batch_rows(batch);
    uint16_t *kept = arena_alloc(arena, (rows.count + 1u) * sizeof *kept);
    uint32_t count = 0;
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < rows.count && stage->store.row_count + count < stage->wanted; i++) {
        bool keep = false;
        kept[count] = (uint16_t)rows_at(&rows, i);
        TRY(lock_row(stage, exec, batch, kept[count], &keep));
        count += keep;
    }
    struct func_rows locked = {kept, count, rows.row_count};
    return row_store_append(&stage->store, exec, batch->columns, &locked);
}

static tdbplus_status lock_all(struct lock_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    TRY_OR(done, find_wanted(stage, exec));
    while (stage->store.row_count < stage->wanted &&
           (status = pipeline_next(stage->input.last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, lock_batch(stage, exec, &batch, &arena));
        arena_reset(&arena);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    stage->done = status == TDBPLUS_OK;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

static tdbplus_status lock_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct lock_stage *stage = (struct lock_stage *)base;
    if (!stage->done) {
        TRY(lock_all(stage, exec));
    }
    tdbplus_status status = TDBPLUS_END;
    if (row_store_chunk(&stage->store, stage->chunk, out, exec, &status)) {
        stage->chunk++;
        return TDBPLUS_OK;
    }
    return status;
}

static void lock_close(struct stage *base)
{
    arena_deinit(&((struct lock_stage *)base)->arena);
}

static tdbplus_status compile_locks(struct lock_stage *stage, struct exec *exec)
{
    const struct plan *plan = stage->plan;
    stage->objects = arena_array(&exec->arena, plan->lock_count + 1u, sizeof(struct object *));
    stage->slots = arena_array(&exec->arena, plan->lock_count + 1u, sizeof(uint32_t *));
    if (stage->objects == NULL || stage->slots == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->lock_count; i++) {
        const struct plan_lock *lock = &plan->locks[i];
        stage->objects[i] = txn_object_by_id(exec->txn, lock->object_id);
        stage->slots[i] = arena_array(&exec->arena, lock->key_count + 1u, sizeof(uint32_t));
        if (stage->slots[i] == NULL) {
            return exec_no_memory(exec);
        }
        if (stage->objects[i] == NULL) {
            return err_set(exec->call->err, TDBPLUS_E_STATE, "a table has gone");
        }
        for (uint32_t k = 0; k < lock->key_count; k++) {
            while (stage->slots[i][k] < stage->input.column_count &&
                   stage->input.columns[stage->slots[i][k]].id != lock->key_ids[k]) {
                stage->slots[i][k]++;
            }
            if (stage->slots[i][k] == stage->input.column_count) {
                return err_set(exec->call->err, TDBPLUS_E_INTERNAL, "a key is in no row");
            }
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status make_lock(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "lock", .next = lock_next, .close = lock_close};
    struct lock_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    arena_init(&stage->arena, exec->call->alloc, 0);
    TRY(exec_compile(exec, plan->left, &stage->input));
    row_store_init(&stage->store, &exec->arena, stage->input.columns, stage->input.column_count);
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        if (plan->exprs[i] != NULL) {
            TRY(exec_compile_expr(exec, plan->exprs[i], NULL, 0, &stage->limits[i]));
        }
    }
    pipeline->last = &stage->stage;
    return compile_locks(stage, exec);
}
