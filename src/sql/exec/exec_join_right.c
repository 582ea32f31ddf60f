/* The right side of a join: collected, in a hash table, or in files. */

#include <string.h>

#include "sql/exec/exec_join.h"

/* Makes the table of the rows that are kept. */
static tdbplus_status build_table(struct join_stage *stage, struct exec *exec)
{
    if (stage->key_count > 0) {
        TRY(join_table_build(&stage->own_table, exec, &stage->own_store, stage->right_keys));
    }
    if (join_keeps_right(stage)) {
        stage->right_matched =
            arena_array(&stage->kept, stage->store->row_count + 1u, sizeof *stage->right_matched);
        if (stage->right_matched == NULL) {
            return exec_no_memory(exec);
        }
    }
    return TDBPLUS_OK;
}

/* No right rows are kept any more. */
static tdbplus_status forget_right(struct join_stage *stage, struct exec *exec)
{
    join_table_deinit(&stage->own_table);
    arena_reset(&stage->kept);
    stage->right_matched = NULL;
    stage->drain_row = 0;
    row_store_init(&stage->own_store, &stage->kept, stage->right.columns,
                   stage->right.column_count);
    return join_table_init(&stage->own_table, exec, stage->right_keys, stage->key_count);
}

/* Right rows go into files from here on, and left ones will. */
static tdbplus_status open_spill(struct join_stage *stage, struct exec *exec)
{
    stage->spill = arena_array(&exec->arena, 1, sizeof *stage->spill);
    if (stage->spill == NULL) {
        return exec_no_memory(exec);
    }
    stage->spill->layout = &stage->own_table.layout;
    stage->spill->sides[JOIN_SIDE_LEFT] = stage->left;
    stage->spill->sides[JOIN_SIDE_RIGHT] = stage->right;
    stage->spill->keys[JOIN_SIDE_LEFT] = stage->left_keys;
    stage->spill->keys[JOIN_SIDE_RIGHT] = stage->right_keys;
    stage->spill->key_count = stage->key_count;
    join_spill_open(stage->spill, exec);
    stage->stage.spills = true;
    return TDBPLUS_OK;
}

static tdbplus_status spill_store(struct join_stage *stage, struct exec *exec,
                                  const struct row_store *store)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    for (uint32_t c = 0; row_store_chunk(store, c, &batch, exec, &status); c++) {
        TRY_OR(done, join_spill_put(stage->spill, JOIN_SIDE_RIGHT, &batch));
        batch_reset(&batch);
    }
done:
    batch_deinit(&batch);
    return status;
}

/* Moves the rows kept so far into files, where the others will follow. */
static tdbplus_status begin_spill(struct join_stage *stage, struct exec *exec)
{
    TRY(open_spill(stage, exec));
    TRY(spill_store(stage, exec, &stage->own_store));
    return forget_right(stage, exec);
}

/* Of a row in the table by value or by hash, about. */
#define TABLE_ROW_SIZE 24u

static bool is_too_much(const struct join_stage *stage, const struct exec *exec)
{
    size_t table = (size_t)stage->own_store.row_count * TABLE_ROW_SIZE;
    return stage->key_count > 0 && exec_spills(exec, stage->kept.used_bytes + table);
}

static tdbplus_status keep_right(struct join_stage *stage, struct exec *exec,
                                 const struct batch *batch)
{
    struct func_rows rows = batch_rows(batch);
    if (stage->stage.spills) {
        return join_spill_put(stage->spill, JOIN_SIDE_RIGHT, batch);
    }
    TRY(row_store_append(&stage->own_store, exec, batch->columns, &rows));
    return is_too_much(stage, exec) ? begin_spill(stage, exec) : TDBPLUS_OK;
}

static tdbplus_status collect_alone(struct join_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    while ((status = pipeline_next(stage->right.last, exec, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, keep_right(stage, exec, &batch));
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    batch_deinit(&batch);
    return status;
}

/* What the members kept goes into files, and what they have not read yet. */
static tdbplus_status spill_together(struct join_stage *stage, struct exec *exec,
                                     struct gather *gather)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    TRY_OR(done, open_spill(stage, exec));
    const struct row_store *store = NULL;
    for (uint32_t i = 0; (store = gather_kept(gather, i)) != NULL; i++) {
        TRY_OR(done, spill_store(stage, exec, store));
    }
    while ((status = gather_rest(gather, &batch)) == TDBPLUS_OK) {
        TRY_OR(done, join_spill_put(stage->spill, JOIN_SIDE_RIGHT, &batch));
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
done:
    batch_deinit(&batch);
    return status;
}

static tdbplus_status collect_together(struct join_stage *stage, struct exec *exec,
                                       struct gather *gather)
{
    bool full = false;
    gather->bytes_max = stage->key_count > 0 ? gather->bytes_max : 0; // Without keys no parts.
    TRY(gather_collect(gather, &full));
    if (full) {
        return spill_together(stage, exec, gather);
    }
    TRY(gather_arrange(gather, &stage->own_store));
    return is_too_much(stage, exec) ? begin_spill(stage, exec) : TDBPLUS_OK;
}

tdbplus_status join_right_build(struct join_stage *stage, struct exec *exec)
{
    struct gather gather = {0};
    tdbplus_status status = gather_open(&gather, exec, stage->plan->right, &stage->right);
    TRY_OR(done, status);
    TRY_OR(done, gather.parts != NULL ? collect_together(stage, exec, &gather)
                                      : collect_alone(stage, exec));
    status = stage->stage.spills ? TDBPLUS_OK : build_table(stage, exec);
done:
    gather_close(&gather);
    return status;
}

/* ---- parts in files ---- */

tdbplus_status join_right_next_part(struct join_stage *stage, struct exec *exec)
{
    TRY(join_spill_next(stage->spill));
    TRY(forget_right(stage, exec));
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    for (size_t b = 0;; b++) {
        TRY_OR(done, exec_check(exec));
        status = join_spill_get(stage->spill, JOIN_SIDE_RIGHT, b, &batch);
        if (status == TDBPLUS_END) {
            break;
        }
        TRY_OR(done, status);
        struct func_rows rows = batch_rows(&batch);
        TRY_OR(done, row_store_append(&stage->own_store, exec, batch.columns, &rows));
    }
    TRY_OR(done, build_table(stage, exec));
    stage->part_open = true;
    stage->left_block = 0;
done:
    batch_deinit(&batch);
    return status;
}
