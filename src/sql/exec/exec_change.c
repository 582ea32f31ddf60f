/* INSERT, UPDATE, DELETE: the whole change is made before the first row of RETURNING goes out. */

#include <stdatomic.h>
#include <string.h>

#include "locks/lock_table.h"
#include "sql/exec/exec_internal.h"
#include "txn/bulk.h"
#include "txn/parts.h"

#define FETCH_COUNT 16u

struct change_stage {
    struct stage stage;
    const struct plan *plan;
    const struct schema *schema;
    struct pipeline input;
    struct expr **checks;  /* Over the new row's columns. */
    struct expr **updates; /* ON CONFLICT: over the old row and the proposed one. */
    struct expr *where;
    struct key_table touched; /* Keys that this statement has changed. */
    struct row_store returned;
    struct bulk *bulk; /* Rows go there; NULL: into the transaction one by one. */
    bool returning;
    bool done;
    uint32_t chunk;
};

/*
 * Ids of hidden keys: microseconds since 1970 times 4096, or one more than the last. They rise
 * within a process, and after a restart as long as the clock has moved on, so that a scan by key is
 * a scan in order of insertion.
 */
static int64_t next_row_id(struct exec *exec)
{
    static _Atomic int64_t last_id;
    const struct env *env = store_env(txn_store(exec->txn));
    int64_t now = (int64_t)(env_clock_wall_us(env) << 12);
    int64_t last = atomic_load_explicit(&last_id, memory_order_relaxed);
    int64_t next;
    do {
        next = now > last ? now : last + 1;
    } while (!atomic_compare_exchange_weak_explicit(&last_id, &last, next, memory_order_relaxed,
                                                    memory_order_relaxed));
    return next;
}

static void count_changed(const struct change_stage *stage, struct exec *exec, uint64_t rows)
{
    exec->changed_rows += stage->plan->change.silent ? 0 : rows;
}

/* ---- what a new row must fulfil ---- */

/* "Failing row contains (1, null, x).", as PostgreSQL says it. */
static void detail_row(const struct change_stage *stage, struct exec *exec,
                       const struct column *columns, uint32_t row)
{
    struct buffer text;
    buffer_init(&text, exec->call->alloc);
    uint32_t visible = stage->schema->column_count - (stage->plan->change.has_hidden_key ? 1u : 0u);
    for (uint32_t c = 0; c < visible; c++) {
        struct datum value;
        column_get(&columns[c], row, &value);
        buffer_put_text(&text, c == 0 ? "" : ", ");
        if (value.is_null) {
            buffer_put_text(&text, "null");
        } else if (func_print(&value, &text, NULL) != TDBPLUS_OK) {
            buffer_put_text(&text, "...");
        }
    }
    if (!text.failed) {
        err_detail(exec->call->err, "Failing row contains (%.*s).",
                   (int)(text.size > 200 ? 200 : text.size), (const char *)text.data);
    }
    buffer_deinit(&text);
}

/* Columns without a bitmap hold none. */
static bool may_have_nulls(const struct schema *schema, const struct batch *rows)
{
    for (uint32_t c = 0; c < schema->column_count; c++) {
        const struct column *column = &rows->columns[c];
        if (schema->columns[c].not_null &&
            (column->validity != NULL || column->form == COLUMN_DICTIONARY)) {
            return true;
        }
    }
    return false;
}

static tdbplus_status check_nulls(struct change_stage *stage, struct exec *exec,
                                  const struct batch *rows)
{
    struct func_rows live = batch_rows(rows);
    if (!may_have_nulls(stage->schema, rows)) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t row = rows_at(&live, i);
        for (uint32_t c = 0; c < stage->schema->column_count; c++) {
            const struct schema_column *column = &stage->schema->columns[c];
            if (!column->not_null || !column_is_null(&rows->columns[c], row)) {
                continue;
            }
            tdbplus_status status =
                err_set(exec->call->err, TDBPLUS_E_NULL,
                        "null value in column \"%s\" of relation \"%s\" violates not-null "
                        "constraint",
                        column->name, stage->plan->change.table_name);
            err_about(exec->call->err, stage->plan->change.object->name, column->name, NULL);
            detail_row(stage, exec, rows->columns, row);
            file_stage_context(stage->input.last, row, exec->call->err);
            return status;
        }
    }
    return TDBPLUS_OK;
}

/* A check that is null holds. */
static tdbplus_status check_checks(struct change_stage *stage, struct exec *exec,
                                   const struct batch *rows, struct arena *arena)
{
    struct eval eval = {.exec = exec, .input = rows, .arena = arena};
    struct func_rows live = batch_rows(rows);
    const struct plan_change *change = &stage->plan->change;
    for (uint32_t k = 0; k < change->check_count; k++) {
        struct column value = {0};
        TRY(eval_expr(&eval, stage->checks[k], &live, &value));
        for (uint32_t i = 0; i < live.count; i++) {
            struct datum holds;
            column_get(&value, rows_at(&live, i), &holds);
            bool of_view = k + change->view_check_count >= change->check_count;
            if (holds.is_null ? !of_view : holds.boolean) {
                continue;
            }
            tdbplus_status status =
                of_view ? err_set_state(exec->call->err, TDBPLUS_E_CONSTRAINT, "44000",
                                        "new row violates check option for view \"%s\"",
                                        change->check_names[k])
                        : err_set(exec->call->err, TDBPLUS_E_CONSTRAINT,
                                  "new row for relation \"%s\" violates check constraint \"%s\"",
                                  change->table_name, change->check_names[k]);
            err_about(exec->call->err, change->object->name, NULL,
                      of_view ? NULL : change->check_names[k]);
            detail_row(stage, exec, rows->columns, rows_at(&live, i));
            file_stage_context(stage->input.last, rows_at(&live, i), exec->call->err);
            return status;
        }
    }
    return TDBPLUS_OK;
}

static void read_row(const struct column *columns, uint32_t count, uint32_t row,
                     struct datum *values)
{
    for (uint32_t c = 0; c < count; c++) {
        column_get(&columns[c], row, &values[c]);
    }
}

static tdbplus_status keep_returned(struct change_stage *stage, struct exec *exec,
                                    const struct column *columns, const struct func_rows *rows)
{
    return stage->returning ? row_store_append(&stage->returned, exec, columns, rows) : TDBPLUS_OK;
}

/* ---- INSERT ---- */

/* The batch with the hidden key's column filled in. */
static tdbplus_status fill_hidden_key(struct change_stage *stage, struct exec *exec,
                                      const struct batch *in, struct arena *arena,
                                      struct batch *rows_out)
{
    *rows_out = *in;
    if (!stage->plan->change.has_hidden_key) {
        return TDBPLUS_OK;
    }
    uint32_t count = stage->schema->column_count;
    rows_out->columns = arena_array(arena, count, sizeof *rows_out->columns);
    if (rows_out->columns == NULL) {
        return exec_no_memory(exec);
    }
    memcpy(rows_out->columns, in->columns, (count - 1) * sizeof *rows_out->columns);
    struct column *ids = &rows_out->columns[count - 1];
    if (!column_make(ids, type_of(TYPE_INT8), in->row_count, false, arena)) {
        return exec_no_memory(exec);
    }
    struct func_rows live = batch_rows(in);
    for (uint32_t i = 0; i < live.count; i++) {
        ((int64_t *)ids->data)[rows_at(&live, i)] = next_row_id(exec);
    }
    return TDBPLUS_OK;
}

static tdbplus_status insert_plain(struct change_stage *stage, struct exec *exec,
                                   const struct batch *rows)
{
    struct func_rows live = batch_rows(rows);
    if (stage->bulk != NULL) {
        TRY(bulk_add(stage->bulk, rows, exec->call));
        count_changed(stage, exec, live.count);
        return TDBPLUS_OK;
    }
    TRY(txn_write_batch(exec->txn, stage->plan->change.object, TXN_INSERT, rows, NULL, exec->call));
    count_changed(stage, exec, live.count);
    return keep_returned(stage, exec, rows->columns, &live);
}

/* The row that is in the way of a proposed one, by whichever unique index that counts. */
static tdbplus_status read_existing(struct change_stage *stage, struct exec *exec,
                                    const struct datum *values, struct batch *batch,
                                    struct datum *old_out, bool *found_out)
{
    const struct plan_change *change = &stage->plan->change;
    batch_reset(batch);
    struct datum *key = arena_array(&batch->arena, stage->schema->key_count, sizeof *key);
    if (key == NULL) {
        return exec_no_memory(exec);
    }
    *found_out = false;
    for (uint32_t i = 0; i < change->arbiter_count && !*found_out; i++) {
        TRY(txn_find_conflict(exec->txn, change->object, change->arbiters[i], values, batch, key,
                              found_out, exec->call));
    }
    return *found_out ? txn_get(exec->txn, change->object, key, NULL, stage->schema->column_count,
                                batch, old_out, found_out, exec->call)
                      : TDBPLUS_OK;
}

/*
 * The row is new as far as the snapshot tells. Another transaction may have committed one like it
 * meanwhile: DO NOTHING leaves that be, DO UPDATE begins again to see it.
 */
static tdbplus_status insert_proposed(struct change_stage *stage, struct exec *exec,
                                      const struct datum *values, bool *inserted_out)
{
    const struct plan_change *change = &stage->plan->change;
    tdbplus_status status =
        txn_write(exec->txn, change->object, TXN_INSERT, values, NULL, exec->call);
    *inserted_out = status == TDBPLUS_OK;
    if (status != TDBPLUS_E_UNIQUE) {
        return status;
    }
    bool counts = false;
    for (uint32_t i = 0; i < change->arbiter_count; i++) {
        counts = counts || change->arbiters[i] == txn_conflict_index(exec->txn);
    }
    if (!counts) {
        return status;
    }
    err_clear(exec->call->err);
    if (change->conflict == CONFLICT_NOTHING) {
        return TDBPLUS_OK;
    }
    return err_set(exec->call->err, TDBPLUS_E_CONFLICT,
                   "could not serialize access due to concurrent update");
}

static tdbplus_status touch(struct change_stage *stage, struct exec *exec,
                            const struct column *columns, uint32_t column_count, uint32_t row,
                            struct arena *arena, bool *again_out)
{
    uint16_t number = (uint16_t)row;
    struct func_rows one = {&number, 1, row + 1};
    struct row_keys keys = {0};
    bool added = false;
    TRY(row_keys_make(exec, columns, column_count, &one, arena, &keys));
    if (key_table_add(&stage->touched, keys.keys[0], &added) == KEY_NONE) {
        return exec_no_memory(exec);
    }
    *again_out = !added;
    return TDBPLUS_OK;
}

/* The old row and the proposed one side by side, for the expressions of DO UPDATE. */
static tdbplus_status side_by_side(struct change_stage *stage, struct exec *exec,
                                   const struct datum *old, const struct datum *proposed,
                                   struct arena *arena, struct batch *pair)
{
    uint32_t count = stage->schema->column_count;
    struct column *columns = arena_array(arena, 2u * count, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < 2 * count; c++) {
        const struct datum *value = c < count ? &old[c] : &proposed[c - count];
        if (!column_make_constant(&columns[c], value, 1, arena)) {
            return exec_no_memory(exec);
        }
    }
    *pair = (struct batch){.columns = columns, .column_count = 2u * count, .row_count = 1};
    return TDBPLUS_OK;
}

/* Whether the new row has the old one's key. */
static bool keeps_key(const struct schema *schema, const struct datum *old_key,
                      const struct datum *values)
{
    bool same = true;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        same = same && datum_compare(&old_key[k], &values[schema->key_columns[k]]) == 0;
    }
    return same;
}

static tdbplus_status update_one(struct change_stage *stage, struct exec *exec,
                                 const struct datum *old_key, const struct datum *values)
{
    const struct object *object = stage->plan->change.object;
    if (keeps_key(stage->schema, old_key, values)) {
        return txn_write(exec->txn, object, TXN_UPDATE, values, NULL, exec->call);
    }
    return txn_update_key(exec->txn, object, old_key, values, exec->call);
}

static tdbplus_status update_existing(struct change_stage *stage, struct exec *exec,
                                      const struct batch *pair, const struct datum *old,
                                      struct arena *arena, bool *updated_out)
{
    const struct schema *schema = stage->schema;
    struct datum old_key[SCHEMA_KEY_COUNT_MAX];
    struct eval eval = {.exec = exec, .input = pair, .arena = arena};
    struct func_rows rows = {.count = 1, .row_count = 1};
    for (uint32_t k = 0; k < schema->key_count; k++) {
        old_key[k] = old[schema->key_columns[k]];
    }
    // What the new row is made from must still be the newest.
    TRY(txn_lock_row(exec->txn, stage->plan->change.object, old_key, LOCK_ROW_UPDATE, false,
                     exec->call));
    if (stage->where != NULL) {
        TRY(eval_filter(&eval, stage->where, &rows, &rows));
        if (rows.count == 0) {
            return TDBPLUS_OK;
        }
        rows = (struct func_rows){.count = 1, .row_count = 1};
    }
    uint32_t count = schema->column_count;
    struct datum *values = arena_array(arena, count, sizeof *values);
    struct batch row = {.columns = arena_array(arena, count, sizeof *row.columns),
                        .column_count = count,
                        .row_count = 1};
    if (values == NULL || row.columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < count; c++) {
        TRY(eval_expr(&eval, stage->updates[c], &rows, &row.columns[c]));
    }
    TRY(check_nulls(stage, exec, &row));
    TRY(check_checks(stage, exec, &row, arena));
    read_row(row.columns, count, 0, values);
    TRY(update_one(stage, exec, old_key, values));
    *updated_out = true;
    count_changed(stage, exec, 1);
    return keep_returned(stage, exec, row.columns, &rows);
}

/* DO UPDATE of the row `old`, or, if that is NULL, a note of the row that was inserted. A row that
 * WHERE left alone may come again. */
static tdbplus_status update_once(struct change_stage *stage, struct exec *exec,
                                  const struct batch *pair, const struct datum *old,
                                  struct arena *arena)
{
    const struct schema *schema = stage->schema;
    struct column *keys = arena_array(arena, schema->key_count, sizeof *keys);
    uint16_t number = 0;
    struct func_rows one = {&number, 1, 1};
    struct row_keys bytes = {0};
    bool again = false;
    bool updated = old == NULL;
    if (keys == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        keys[k] = pair->columns[schema->key_columns[k]];
    }
    TRY(row_keys_make(exec, keys, schema->key_count, &one, arena, &bytes));
    if (old != NULL && key_table_find(&stage->touched, bytes.keys[0]) != KEY_NONE) {
        tdbplus_status status =
            err_set_state(exec->call->err, TDBPLUS_E_SQL, "21000",
                          "ON CONFLICT DO UPDATE command cannot affect row a second time");
        err_hint(exec->call->err,
                 "Ensure that no rows proposed for insertion within the same command have "
                 "duplicate constrained values.");
        return status;
    }
    if (old != NULL) {
        TRY(update_existing(stage, exec, pair, old, arena, &updated));
    }
    return updated ? touch(stage, exec, keys, schema->key_count, 0, arena, &again) : TDBPLUS_OK;
}

static tdbplus_status insert_one(struct change_stage *stage, struct exec *exec,
                                 const struct batch *rows, uint32_t row, struct arena *arena)
{
    const struct schema *schema = stage->schema;
    struct datum *values = arena_array(arena, 2u * schema->column_count, sizeof *values);
    struct batch pair = {0};
    struct batch found_row;
    bool found = false;
    bool inserted = false;
    tdbplus_status status = TDBPLUS_OK;
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    struct datum *old = values + schema->column_count;
    read_row(rows->columns, schema->column_count, row, values);
    batch_init(&found_row, exec->call->alloc);
    TRY_OR(done, read_existing(stage, exec, values, &found_row, old, &found));
    if (!found) {
        TRY_OR(done, insert_proposed(stage, exec, values, &inserted));
    }
    if (inserted) {
        count_changed(stage, exec, 1);
        uint16_t number = (uint16_t)row;
        struct func_rows one = {&number, 1, rows->row_count};
        TRY_OR(done, keep_returned(stage, exec, rows->columns, &one));
    }
    if (stage->plan->change.conflict == CONFLICT_UPDATE) {
        TRY_OR(done, side_by_side(stage, exec, found ? old : values, values, arena, &pair));
        TRY_OR(done, update_once(stage, exec, &pair, found ? old : NULL, arena));
    }
done:
    batch_deinit(&found_row);
    return status;
}

static tdbplus_status insert_batch(struct change_stage *stage, struct exec *exec,
                                   const struct batch *in, struct arena *arena)
{
    struct batch rows;
    TRY(fill_hidden_key(stage, exec, in, arena, &rows));
    TRY(check_nulls(stage, exec, &rows));
    TRY(check_checks(stage, exec, &rows, arena));
    if (stage->plan->change.conflict == CONFLICT_ERROR) {
        return insert_plain(stage, exec, &rows);
    }
    struct func_rows live = batch_rows(&rows);
    for (uint32_t i = 0; i < live.count; i++) {
        TRY(insert_one(stage, exec, &rows, rows_at(&live, i), arena));
    }
    return TDBPLUS_OK;
}

/* ---- UPDATE and DELETE ---- */

/*
 * Each row's lock and older version lie somewhere else in memory. What `FETCH_COUNT` rows need is
 * asked for at once, instead of being waited for row by row.
 */
static tdbplus_status fetch_ahead(struct change_stage *stage, struct exec *exec,
                                  const struct batch *in, const struct func_rows *live,
                                  uint32_t first, struct datum *key)
{
    uint32_t end = first + FETCH_COUNT < live->count ? first + FETCH_COUNT : live->count;
    for (uint32_t i = first; i < end; i++) {
        read_row(in->columns, stage->schema->key_count, rows_at(live, i), key);
        TRY(txn_prefetch_row(exec->txn, stage->plan->change.object, key, exec->call->err));
    }
    return TDBPLUS_OK;
}

/* A row that the join found twice is changed once, as in PostgreSQL. */
static tdbplus_status claim_row(struct change_stage *stage, struct exec *exec,
                                const struct batch *in, uint32_t row, const struct datum *key,
                                uint8_t mode, struct arena *arena, bool *ours_out)
{
    bool again = false;
    if (!stage->plan->change.distinct) {
        TRY(touch(stage, exec, in->columns, stage->schema->key_count, row, arena, &again));
    }
    *ours_out = !again;
    if (again && stage->plan->change.once) {
        tdbplus_status status = err_set_state(exec->call->err, TDBPLUS_E_SQL, "21000",
                                              "MERGE command cannot affect row a second time");
        err_hint(exec->call->err,
                 "Ensure that not more than one source row matches any one target row.");
        return status;
    }
    if (again) {
        return TDBPLUS_OK;
    }
    return txn_lock_row(exec->txn, stage->plan->change.object, key, mode, false, exec->call);
}

static tdbplus_status update_batch(struct change_stage *stage, struct exec *exec,
                                   const struct batch *in, struct arena *arena)
{
    uint32_t keys = stage->schema->key_count;
    uint32_t count = stage->schema->column_count;
    struct batch rows = *in;
    rows.columns = in->columns + keys;
    rows.column_count = count;
    TRY(check_nulls(stage, exec, &rows));
    TRY(check_checks(stage, exec, &rows, arena));
    struct datum *values = arena_array(arena, (size_t)keys + count, sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    struct func_rows live = batch_rows(in);
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t row = rows_at(&live, i);
        bool ours = false;
        if (i % FETCH_COUNT == 0 && live.count > 1) {
            TRY(fetch_ahead(stage, exec, in, &live, i, values));
        }
        read_row(in->columns, keys + count, row, values);
        bool same = keeps_key(stage->schema, values, values + keys);
        TRY(claim_row(stage, exec, in, row, values, same ? LOCK_ROW_NO_KEY_UPDATE : LOCK_ROW_UPDATE,
                      arena, &ours));
        if (!ours) {
            continue;
        }
        TRY(update_one(stage, exec, values, values + keys));
        count_changed(stage, exec, 1);
        uint16_t number = (uint16_t)row;
        struct func_rows one = {&number, 1, in->row_count};
        TRY(keep_returned(stage, exec, rows.columns, &one));
    }
    return TDBPLUS_OK;
}

static tdbplus_status delete_batch(struct change_stage *stage, struct exec *exec,
                                   const struct batch *in, struct arena *arena)
{
    uint32_t keys = stage->schema->key_count;
    struct datum *key = arena_array(arena, keys, sizeof *key);
    if (key == NULL) {
        return exec_no_memory(exec);
    }
    struct func_rows live = batch_rows(in);
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t row = rows_at(&live, i);
        bool ours = false;
        bool existed = false;
        if (i % FETCH_COUNT == 0 && live.count > 1) {
            TRY(fetch_ahead(stage, exec, in, &live, i, key));
        }
        read_row(in->columns, keys, row, key);
        TRY(claim_row(stage, exec, in, row, key, LOCK_ROW_UPDATE, arena, &ours));
        if (!ours) {
            continue;
        }
        TRY(txn_delete(exec->txn, stage->plan->change.object, key, &existed, exec->call));
        count_changed(stage, exec, existed);
        uint16_t number = (uint16_t)row;
        struct func_rows one = {&number, 1, in->row_count};
        TRY(keep_returned(stage, exec, in->columns + keys, &one));
    }
    return TDBPLUS_OK;
}

/* ---- the stage ---- */

static tdbplus_status change_all(struct change_stage *stage, struct exec *exec)
{
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, exec->call->alloc);
    arena_init(&arena, exec->call->alloc, 0);
    if (stage->bulk == NULL && stage->plan->change.bulk && !stage->returning &&
        stage->plan->change.conflict == CONFLICT_ERROR) {
        struct bulk_options options = {.mode = TXN_INSERT};
        TRY_OR(done, bulk_begin(exec->txn, stage->plan->change.object, &options, &stage->bulk,
                                exec->call->err));
    }
    while ((status = pipeline_next(stage->input.last, exec, &batch)) == TDBPLUS_OK) {
        if (stage->plan->kind == PLAN_INSERT) {
            TRY_OR(done, insert_batch(stage, exec, &batch, &arena));
        } else if (stage->plan->kind == PLAN_UPDATE) {
            TRY_OR(done, update_batch(stage, exec, &batch, &arena));
        } else {
            TRY_OR(done, delete_batch(stage, exec, &batch, &arena));
        }
        arena_reset(&arena);
    }
    status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    if (status == TDBPLUS_OK && stage->bulk != NULL) {
        struct bulk *bulk = stage->bulk;
        stage->bulk = NULL;
        TRY_OR(done, bulk_end(bulk, NULL, exec->call));
    }
    // TDBPLUS_PENDING: more rows will be handed over, and this is called again.
    stage->done = status == TDBPLUS_OK;
done:
    arena_deinit(&arena);
    batch_deinit(&batch);
    return status;
}

static tdbplus_status change_next(struct stage *base, struct exec *exec, struct batch *out)
{
    struct change_stage *stage = (struct change_stage *)base;
    if (!stage->done) {
        TRY(change_all(stage, exec));
    }
    tdbplus_status status = TDBPLUS_END;
    if (stage->returning && row_store_chunk(&stage->returned, stage->chunk, out, exec, &status)) {
        stage->chunk++;
        return TDBPLUS_OK;
    }
    return status;
}

static void change_close(struct stage *base)
{
    struct change_stage *stage = (struct change_stage *)base;
    key_table_deinit(&stage->touched);
    bulk_abort(stage->bulk);
    stage->bulk = NULL;
}

static tdbplus_status compile_conflict(struct change_stage *stage, struct exec *exec)
{
    const struct plan_change *change = &stage->plan->change;
    uint32_t count = stage->schema->column_count;
    struct plan_column *columns = arena_array(&exec->arena, 2u * count, sizeof *columns);
    stage->updates = arena_array(&exec->arena, count, sizeof *stage->updates);
    if (columns == NULL || stage->updates == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < count; c++) {
        columns[c].id = change->old_ids[c];
        columns[count + c].id = change->new_ids[c];
    }
    for (uint32_t c = 0; c < count; c++) {
        TRY(exec_compile_expr(exec, change->updates[c], columns, 2 * count, &stage->updates[c]));
    }
    if (change->where != NULL) {
        TRY(exec_compile_expr(exec, change->where, columns, 2 * count, &stage->where));
    }
    return TDBPLUS_OK;
}

tdbplus_status make_change_source(struct exec *exec, const struct plan *plan,
                                  struct pipeline *pipeline)
{
    static const struct stage_ops ops = {
        .name = "change", .next = change_next, .close = change_close};
    struct change_stage *stage = stage_make(exec, sizeof *stage, &ops, NULL);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    stage->schema = plan->change.object->schema;
    stage->returning = plan->column_count > 0;
    key_table_init(&stage->touched, &exec->arena, exec->call->alloc);
    row_store_init(&stage->returned, &exec->arena, plan->columns, plan->column_count);
    TRY(exec_compile(exec, plan->left, &stage->input));
    uint32_t count = plan->change.check_count;
    stage->checks = arena_array(&exec->arena, count + 1u, sizeof *stage->checks);
    if (stage->checks == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        // The ids are those of the output, which lie in the schema's order.
        TRY(exec_compile_expr(exec, plan->change.checks[i], plan->columns,
                              stage->schema->column_count, &stage->checks[i]));
    }
    if (plan->change.conflict == CONFLICT_UPDATE) {
        TRY(compile_conflict(stage, exec));
    }
    pipeline->last = &stage->stage;
    return TDBPLUS_OK;
}
