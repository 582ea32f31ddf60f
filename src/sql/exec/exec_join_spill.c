#include "sql/exec/exec_join_spill.h"

static void open_level(struct join_spill *spill)
{
    for (uint32_t side = 0; side < 2; side++) {
        const struct pipeline *columns = &spill->sides[side];
        spill_parts_init(&spill->parts[spill->depth][side], spill->exec->call->alloc,
                         columns->columns, columns->column_count, spill->depth);
    }
    spill->next[spill->depth++] = 0;
}

static void close_level(struct join_spill *spill)
{
    spill->depth--;
    spill_parts_deinit(&spill->parts[spill->depth][JOIN_SIDE_LEFT]);
    spill_parts_deinit(&spill->parts[spill->depth][JOIN_SIDE_RIGHT]);
}

void join_spill_open(struct join_spill *spill, struct exec *exec)
{
    spill->exec = exec;
    spill_file_open(&spill->file, exec);
    arena_init(&spill->arena, exec->call->alloc, 0);
    open_level(spill);
}

void join_spill_close(struct join_spill *spill)
{
    if (spill->exec == NULL) {
        return;
    }
    while (spill->depth > 0) {
        close_level(spill);
    }
    spill_file_close(&spill->file);
    arena_deinit(&spill->arena);
    spill->exec = NULL;
}

tdbplus_status join_spill_put(struct join_spill *spill, enum join_side side,
                              const struct batch *batch)
{
    struct exec *exec = spill->exec;
    struct func_rows rows = batch_rows(batch);
    struct key_rows keys = {0};
    arena_reset(&spill->arena);
    struct eval eval = {.exec = exec, .input = batch, .arena = &spill->arena};
    struct column *columns = arena_array(&spill->arena, spill->key_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < spill->key_count; i++) {
        TRY(eval_expr(&eval, spill->keys[side][i], &rows, &columns[i]));
    }
    TRY(key_rows_make(exec, spill->layout, columns, &rows, &spill->arena, &keys));
    return spill_parts_put(&spill->parts[spill->depth - 1][side], &spill->file, batch->columns,
                           &rows, keys.hashes, &spill->arena);
}

/* Puts the part at hand into parts of the next level. */
static tdbplus_status cut(struct join_spill *spill)
{
    tdbplus_status status = TDBPLUS_OK;
    const struct spill_rows *part[2] = {spill->part[0], spill->part[1]};
    struct batch batch;
    batch_init(&batch, spill->exec->call->alloc);
    open_level(spill);
    for (uint32_t side = 0; side < 2; side++) {
        for (size_t b = 0; b < part[side]->blocks.count; b++) {
            TRY_OR(done, exec_check(spill->exec));
            TRY_OR(done, spill_get(&spill->file, part[side], b, &batch));
            TRY_OR(done, join_spill_put(spill, (enum join_side)side, &batch));
        }
    }
done:
    batch_deinit(&batch);
    return status;
}

static uint64_t level_rows(const struct join_spill *spill)
{
    uint64_t rows = 0;
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        rows += spill->parts[spill->depth - 1][JOIN_SIDE_RIGHT].rows[p].row_count;
    }
    return rows;
}

tdbplus_status join_spill_next(struct join_spill *spill)
{
    while (spill->depth > 0) {
        uint32_t level = spill->depth - 1;
        uint32_t part = spill->next[level]++;
        if (part == SPILL_PART_COUNT) {
            close_level(spill);
            continue;
        }
        for (uint32_t side = 0; side < 2; side++) {
            spill->part[side] = &spill->parts[level][side].rows[part];
        }
        const struct spill_rows *right = spill->part[JOIN_SIDE_RIGHT];
        if (right->row_count == 0 && spill->part[JOIN_SIDE_LEFT]->row_count == 0) {
            continue;
        }
        // What did not get smaller by being cut has few keys, and will not.
        bool helps = spill->depth <= SPILL_LEVEL_MAX && right->row_count < level_rows(spill);
        if (!helps || !exec_spills(spill->exec, (size_t)right->raw_bytes)) {
            return TDBPLUS_OK;
        }
        TRY(cut(spill));
    }
    return TDBPLUS_END;
}

tdbplus_status join_spill_get(struct join_spill *spill, enum join_side side, size_t number,
                              struct batch *batch)
{
    return spill_get(&spill->file, spill->part[side], number, batch);
}
