/*
 * Joins. The right side is kept in memory, in a hash table if any condition equates the sides;
 * the left side is pushed through. Candidate pairs are made up to a batch at a time, the remaining
 * conditions are asked of them, and what is left goes out.
 */

#include <string.h>

#include "sql/exec/exec_join.h"
#include "sql/exec/exec_scan.h"

static tdbplus_status key_columns(struct exec *exec, const struct batch *batch,
                                  struct expr *const *exprs, uint32_t count, struct arena *arena,
                                  struct column **columns_out)
{
    struct eval eval = {.exec = exec, .input = batch, .arena = arena};
    struct func_rows rows = batch_rows(batch);
    struct column *columns = arena_array(arena, count + 1u, sizeof *columns);
    if (columns == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(eval_expr(&eval, exprs[i], &rows, &columns[i]));
    }
    *columns_out = columns;
    return TDBPLUS_OK;
}

static tdbplus_status join_begin(struct stage *base, struct exec *exec)
{
    struct join_stage *stage = (struct join_stage *)base;
    if (stage->built) {
        return TDBPLUS_OK;
    }
    if (stage->leader == NULL) {
        TRY(join_right_build(stage, exec));
    } else {
        stage->right_matched = stage->leader->right_matched;
    }
    stage->built = true;
    // Without right rows no left row will be wanted.
    uint8_t kind = stage->plan->join_kind;
    base->stopped = stage->store->row_count == 0 && !base->spills && kind != JOIN_LEFT &&
                    kind != JOIN_FULL && kind != JOIN_ANTI;
    return TDBPLUS_OK;
}

/* ---- pairs ---- */

static uint32_t next_candidate(const struct join_stage *stage, uint32_t row)
{
    if (stage->key_count > 0) {
        return join_table_next(stage->table, row);
    }
    return row + 1 < stage->store->row_count ? row + 1 : ROW_NONE;
}

/* Finds the first candidate of every live row of a new left batch. */
static tdbplus_status open_batch(struct join_stage *stage, struct exec *exec,
                                 const struct batch *in)
{
    struct func_rows rows = batch_rows(in);
    arena_reset(&stage->arena);
    stage->left_matched = arena_array(&stage->arena, rows.count + 1u, sizeof(bool));
    stage->first = arena_array(&stage->arena, rows.count + 1u, sizeof(uint32_t));
    if (stage->left_matched == NULL || stage->first == NULL) {
        return exec_no_memory(exec);
    }
    if (stage->key_count > 0) {
        struct column *keys = NULL;
        TRY(key_columns(exec, in, stage->left_keys, stage->key_count, &stage->arena, &keys));
        TRY(join_table_find(stage->table, exec, keys, &rows, &stage->arena, stage->first));
    }
    for (uint32_t i = 0; stage->key_count == 0 && i < rows.count; i++) {
        stage->first[i] = stage->store->row_count > 0 ? 0 : ROW_NONE;
    }
    stage->left_row = 0;
    stage->candidate = rows.count > 0 ? stage->first[0] : ROW_NONE;
    stage->open = true;
    return TDBPLUS_OK;
}

struct pairs {
    uint16_t *left_rows;   /* In the batch. */
    uint16_t *left_places; /* Among the live rows. */
    uint32_t *right_rows;
    uint32_t count;
};

static bool make_pairs(struct pairs *pairs, struct arena *arena)
{
    pairs->left_rows = arena_alloc(arena, BATCH_ROW_COUNT_MAX * sizeof(uint16_t));
    pairs->left_places = arena_alloc(arena, BATCH_ROW_COUNT_MAX * sizeof(uint16_t));
    pairs->right_rows = arena_alloc(arena, BATCH_ROW_COUNT_MAX * sizeof(uint32_t));
    return pairs->left_rows != NULL && pairs->left_places != NULL && pairs->right_rows != NULL;
}

/* The next candidates, up to a batch; a semi join is content with one match a row, but which
 * candidate that is only the conditions tell. */
static void collect_pairs(struct join_stage *stage, const struct func_rows *rows,
                          struct pairs *pairs)
{
    pairs->count = 0;
    while (pairs->count < BATCH_ROW_COUNT_MAX && stage->left_row < rows->count) {
        bool settled = join_only_left(stage) && stage->left_matched[stage->left_row];
        if (join_only_right(stage) && stage->candidate != ROW_NONE &&
            join_is_matched(stage, stage->candidate)) {
            stage->candidate = next_candidate(stage, stage->candidate);
            continue;
        }
        if (stage->candidate == ROW_NONE || settled) {
            stage->left_row++;
            stage->candidate =
                stage->left_row < rows->count ? stage->first[stage->left_row] : ROW_NONE;
            continue;
        }
        pairs->left_rows[pairs->count] = (uint16_t)rows_at(rows, stage->left_row);
        pairs->left_places[pairs->count] = (uint16_t)stage->left_row;
        pairs->right_rows[pairs->count++] = stage->candidate;
        stage->candidate = next_candidate(stage, stage->candidate);
    }
}

/* The pairs as rows of both sides' columns. */
static tdbplus_status join_rows(struct join_stage *stage, struct exec *exec, const struct batch *in,
                                const struct pairs *pairs, struct batch *out)
{
    uint32_t left = stage->left.column_count;
    uint32_t right = stage->right.column_count;
    if (!batch_shape(out, left + right, pairs->count)) {
        return exec_no_memory(exec);
    }
    for (uint32_t c = 0; c < left; c++) {
        if (!column_flatten(&in->columns[c], pairs->left_rows, pairs->count, &out->columns[c],
                            &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    for (uint32_t c = 0; c < right; c++) {
        TRY(row_store_gather(stage->store, exec, c, pairs->right_rows, pairs->count,
                             &out->columns[left + c], &out->arena));
    }
    return TDBPLUS_OK;
}

/* Asks the other conditions and notes who found a match. */
static tdbplus_status filter_pairs(struct join_stage *stage, struct exec *exec,
                                   const struct pairs *pairs, struct batch *out)
{
    struct eval eval = {.exec = exec, .input = out, .arena = &out->arena};
    struct func_rows rows = batch_rows(out);
    for (uint32_t i = 0; i < stage->rest_count && rows.count > 0; i++) {
        TRY(eval_filter(&eval, stage->rest[i], &rows, &rows));
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t pair = rows_at(&rows, i);
        stage->left_matched[pairs->left_places[pair]] = true;
        if (stage->right_matched != NULL) {
            join_match(stage, pairs->right_rows[pair]);
        }
    }
    out->selection = rows.rows;
    out->selected_count = rows.count;
    return TDBPLUS_OK;
}

/* ---- what goes out after a left batch's pairs ---- */

/* The rows of the batch that have (or have not) found a match. */
static tdbplus_status chosen_left(struct join_stage *stage, struct exec *exec,
                                  const struct batch *in, bool matched, struct batch *out)
{
    struct func_rows rows = batch_rows(in);
    uint16_t *kept = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return exec_no_memory(exec);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        kept[count] = (uint16_t)rows_at(&rows, i);
        count += stage->left_matched[i] == matched;
    }
    out->columns = in->columns;
    out->column_count = in->column_count;
    out->row_count = in->row_count;
    out->selection = kept;
    out->selected_count = count;
    return TDBPLUS_OK;
}

/* Left rows without a match, with nulls for the right side. */
static tdbplus_status pad_left_rows(struct join_stage *stage, struct exec *exec,
                                    const struct batch *in, struct batch *out)
{
    struct func_rows rows = batch_rows(in);
    struct pairs pairs = {0};
    if (!make_pairs(&pairs, &out->arena)) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < rows.count; i++) {
        if (!stage->left_matched[i]) {
            pairs.left_rows[pairs.count] = (uint16_t)rows_at(&rows, i);
            pairs.right_rows[pairs.count++] = ROW_NONE;
        }
    }
    return join_rows(stage, exec, in, &pairs, out);
}

/*
 * No left row has two candidates: the left columns go out as they are, with the rows that matched
 * selected, and the right ones lie beside them.
 */
static tdbplus_status push_single(struct join_stage *stage, struct exec *exec,
                                  const struct batch *in, struct batch *out)
{
    struct func_rows rows = batch_rows(in);
    struct column *keys = NULL;
    uint32_t *firsts = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *firsts);
    uint16_t *matched = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *matched);
    if (firsts == NULL || matched == NULL) {
        return exec_no_memory(exec);
    }
    TRY(key_columns(exec, in, stage->left_keys, stage->key_count, &out->arena, &keys));
    TRY(join_table_find(stage->table, exec, keys, &rows, &out->arena, firsts));
    uint32_t count = 0;
    bool anti = stage->plan->join_kind == JOIN_ANTI;
    bool left = stage->plan->join_kind == JOIN_LEFT;
    for (uint32_t i = 0; i < rows.count; i++) {
        matched[count] = (uint16_t)rows_at(&rows, i);
        firsts[count] = firsts[i];
        count += left || (firsts[i] == ROW_NONE) == anti;
    }
    for (uint32_t i = 0; stage->right_matched != NULL && i < count; i++) {
        join_match(stage, firsts[i]);
    }
    uint32_t right_count = join_only_left(stage) ? 0 : stage->right.column_count;
    if (!batch_shape(out, in->column_count + right_count, in->row_count)) {
        return exec_no_memory(exec);
    }
    memcpy(out->columns, in->columns, in->column_count * sizeof *in->columns);
    struct func_rows at = {matched, count, in->row_count};
    for (uint32_t c = 0; count > 0 && c < right_count; c++) {
        TRY(row_store_place(stage->store, exec, c, firsts, &at, &out->columns[in->column_count + c],
                            &out->arena));
    }
    out->selection = matched;
    out->selected_count = count;
    struct eval eval = {.exec = exec, .input = out, .arena = &out->arena};
    for (uint32_t i = 0; i < stage->rest_count && at.count > 0; i++) {
        TRY(eval_filter(&eval, stage->rest[i], &at, &at));
        out->selection = at.rows;
        out->selected_count = at.count;
    }
    return TDBPLUS_OK;
}

static bool is_single(const struct join_stage *stage)
{
    if (stage->key_count == 0) {
        return false;
    }
    switch ((enum plan_join)stage->plan->join_kind) {
    case JOIN_INNER:
        return stage->table->unique;
    case JOIN_LEFT:
        return stage->table->unique && stage->rest_count == 0;
    case JOIN_SEMI:
    case JOIN_ANTI:
        return stage->rest_count == 0;
    case JOIN_RIGHT:
        return stage->table->unique && stage->rest_count == 0;
    case JOIN_FULL:
    case JOIN_RIGHT_SEMI:
    case JOIN_RIGHT_ANTI:
        break;
    }
    return false;
}

/* Only which right rows have a match is asked, and the keys alone tell. */
static tdbplus_status mark_right(struct join_stage *stage, struct exec *exec,
                                 const struct batch *in, struct batch *out)
{
    struct func_rows rows = batch_rows(in);
    struct column *keys = NULL;
    uint32_t *firsts = arena_alloc(&out->arena, (rows.count + 1u) * sizeof *firsts);
    if (firsts == NULL) {
        return exec_no_memory(exec);
    }
    TRY(key_columns(exec, in, stage->left_keys, stage->key_count, &out->arena, &keys));
    TRY(join_table_find(stage->table, exec, keys, &rows, &out->arena, firsts));
    for (uint32_t i = 0; i < rows.count; i++) {
        // Rows with one key are marked together.
        for (uint32_t row = firsts[i]; row != ROW_NONE && !join_is_matched(stage, row);
             row = join_table_next(stage->table, row)) {
            join_match(stage, row);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status join_batch(struct join_stage *stage, struct exec *exec,
                                 const struct batch *in, struct batch *out, bool *more_out)
{
    struct func_rows rows = batch_rows(in);
    if (is_single(stage)) {
        *more_out = false;
        return push_single(stage, exec, in, out);
    }
    if (join_only_right(stage) && stage->rest_count == 0 && stage->key_count > 0) {
        *more_out = false;
        return mark_right(stage, exec, in, out);
    }
    if (!stage->open) {
        TRY(open_batch(stage, exec, in));
    }
    if (stage->left_row < rows.count) {
        struct pairs pairs = {0};
        if (!make_pairs(&pairs, &out->arena)) {
            return exec_no_memory(exec);
        }
        collect_pairs(stage, &rows, &pairs);
        TRY(join_rows(stage, exec, in, &pairs, out));
        TRY(filter_pairs(stage, exec, &pairs, out));
        if (join_only_left(stage) || join_only_right(stage)) {
            out->row_count = 0;
            out->selection = NULL;
        }
        *more_out = true;
        return TDBPLUS_OK;
    }
    stage->open = false;
    *more_out = false;
    if (join_only_left(stage)) {
        return chosen_left(stage, exec, in, stage->plan->join_kind == JOIN_SEMI, out);
    }
    return join_keeps_left(stage) ? pad_left_rows(stage, exec, in, out) : TDBPLUS_OK;
}

static tdbplus_status join_push(struct stage *base, struct exec *exec, const struct batch *in,
                                struct batch *out, bool *more_out)
{
    struct join_stage *stage = (struct join_stage *)base;
    if (base->spills) {
        *more_out = false;
        out->row_count = 0;
        return join_spill_put(stage->spill, JOIN_SIDE_LEFT, in);
    }
    return join_batch(stage, exec, in, out, more_out);
}

/* True when all members of the team have come to the end of their left rows, this one last. */
static bool is_last(struct join_stage *stage)
{
    struct join_stage *leader = stage->leader != NULL ? stage->leader : stage;
    if (!stage->pushed) {
        stage->pushed = true;
        return atomic_fetch_sub_explicit(&leader->pushing, 1, memory_order_acq_rel) == 1;
    }
    return stage->gives_right;
}

/* Right rows without a match, with nulls for the left side. */
static tdbplus_status drain_right(struct join_stage *stage, struct exec *exec, struct batch *out)
{
    if (!join_keeps_right(stage)) {
        return TDBPLUS_END;
    }
    uint32_t left = join_only_right(stage) ? 0 : stage->left.column_count;
    bool wanted = stage->plan->join_kind == JOIN_RIGHT_SEMI;
    uint32_t *numbers = arena_alloc(&out->arena, BATCH_ROW_COUNT_MAX * sizeof *numbers);
    uint32_t count = 0;
    if (numbers == NULL || !batch_shape(out, left + stage->right.column_count, 0)) {
        return exec_no_memory(exec);
    }
    for (; count < BATCH_ROW_COUNT_MAX && stage->drain_row < stage->store->row_count;
         stage->drain_row++) {
        numbers[count] = stage->drain_row;
        count += join_is_matched(stage, stage->drain_row) == wanted;
    }
    if (count == 0) {
        return TDBPLUS_END;
    }
    out->row_count = count;
    for (uint32_t c = 0; c < left; c++) {
        struct datum null = {.type = stage->left.columns[c].type, .is_null = true};
        if (!column_make_constant(&out->columns[c], &null, count, &out->arena)) {
            return exec_no_memory(exec);
        }
    }
    for (uint32_t c = 0; c < stage->right.column_count; c++) {
        TRY(row_store_gather(stage->store, exec, c, numbers, count, &out->columns[left + c],
                             &out->arena));
    }
    return TDBPLUS_OK;
}

static tdbplus_status drain_parts(struct join_stage *stage, struct exec *exec, struct batch *out)
{
    for (;;) {
        if (!stage->part_open) {
            TRY(join_right_next_part(stage, exec)); // TDBPLUS_END after the last.
        }
        if (stage->batch_open) {
            return join_batch(stage, exec, &stage->part_batch, out, &stage->batch_open);
        }
        tdbplus_status status =
            join_spill_get(stage->spill, JOIN_SIDE_LEFT, stage->left_block++, &stage->part_batch);
        if (status != TDBPLUS_END) {
            TRY(status);
            stage->batch_open = true;
            continue;
        }
        status = drain_right(stage, exec, out);
        if (status != TDBPLUS_END) {
            return status;
        }
        stage->part_open = false;
    }
}

static tdbplus_status join_drain(struct stage *base, struct exec *exec, struct batch *out)
{
    struct join_stage *stage = (struct join_stage *)base;
    TRY(join_begin(base, exec));
    if (base->spills) {
        return drain_parts(stage, exec, out);
    }
    stage->gives_right = is_last(stage);
    return stage->gives_right ? drain_right(stage, exec, out) : TDBPLUS_END;
}

static void join_close(struct stage *base)
{
    struct join_stage *stage = (struct join_stage *)base;
    join_table_deinit(&stage->own_table);
    if (stage->spill != NULL) {
        join_spill_close(stage->spill);
    }
    batch_deinit(&stage->part_batch);
    arena_deinit(&stage->kept);
    arena_deinit(&stage->arena);
}

/* ---- compiling ---- */

/* True when every column read is of this side, and at least one is. */
static bool reads_only(const struct expr *expr, const struct pipeline *side, bool *reads)
{
    if (expr->kind == EXPR_SUBQUERY) {
        return false;
    }
    if (expr->kind == EXPR_COLUMN) {
        for (uint32_t i = 0; i < side->column_count; i++) {
            if (side->columns[i].id == expr->number) {
                *reads = true;
                return true;
            }
        }
        return false;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!reads_only(expr->arguments[i], side, reads)) {
            return false;
        }
    }
    return true;
}

static bool is_of(const struct expr *expr, const struct pipeline *side)
{
    bool reads = false;
    return reads_only(expr, side, &reads) && reads;
}

static bool is_equality(const struct expr *expr)
{
    return expr->kind == EXPR_CALL && expr->argument_count == 2 &&
           (expr->func->flags & FUNC_OPERATOR) != 0 && strcmp(expr->func->name, "=") == 0 &&
           expr->func->arguments[0] == expr->func->arguments[1] &&
           expr->func->arguments[0] != TYPE_JSON;
}

/* An inner join with a key of integers asks other equalities of the few pairs that it leaves: an
 * array by value is faster than keys of numerics in long form. */
static bool is_rather_asked(const struct plan *plan, const struct expr *condition)
{
    bool integers = false;
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        integers = integers ||
                   (is_equality(plan->exprs[i]) && plan->exprs[i]->func->arguments[0] == TYPE_INT8);
    }
    return plan->join_kind == JOIN_INNER && integers && condition->kind == EXPR_CALL &&
           condition->func->arguments[0] == TYPE_NUMERIC;
}

static tdbplus_status compile_conditions(struct join_stage *stage, struct exec *exec)
{
    const struct plan *plan = stage->plan;
    size_t size = plan->expr_count + 1u;
    stage->left_keys = arena_array(&exec->arena, size, sizeof(struct expr *));
    stage->right_keys = arena_array(&exec->arena, size, sizeof(struct expr *));
    stage->rest = arena_array(&exec->arena, size, sizeof(struct expr *));
    uint32_t both = stage->left.column_count + stage->right.column_count;
    struct plan_column *columns = arena_array(&exec->arena, both + 1u, sizeof *columns);
    if (stage->left_keys == NULL || stage->right_keys == NULL || stage->rest == NULL ||
        columns == NULL) {
        return exec_no_memory(exec);
    }
    memcpy(columns, stage->left.columns, stage->left.column_count * sizeof *columns);
    memcpy(columns + stage->left.column_count, stage->right.columns,
           stage->right.column_count * sizeof *columns);
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        const struct expr *condition = plan->exprs[i];
        const struct expr *sides[2] = {NULL, NULL};
        if (is_equality(condition) && !is_rather_asked(plan, condition)) {
            uint32_t first = is_of(condition->arguments[0], &stage->left) ? 0 : 1;
            sides[0] = condition->arguments[first];
            sides[1] = condition->arguments[1 - first];
        }
        if (sides[0] != NULL && is_of(sides[0], &stage->left) && is_of(sides[1], &stage->right)) {
            uint32_t k = stage->key_count++;
            TRY(exec_compile_expr(exec, sides[0], stage->left.columns, stage->left.column_count,
                                  &stage->left_keys[k]));
            TRY(exec_compile_expr(exec, sides[1], stage->right.columns, stage->right.column_count,
                                  &stage->right_keys[k]));
            continue;
        }
        TRY(exec_compile_expr(exec, condition, columns, both, &stage->rest[stage->rest_count++]));
    }
    return TDBPLUS_OK;
}

bool stage_keeps_right(const struct stage *stage)
{
    return stage->ops->push == join_push && join_keeps_right((const struct join_stage *)stage);
}

/* A scan on the left may drop rows that will find no match, as it reads them. */
static tdbplus_status lend_keys(struct join_stage *stage, struct exec *exec)
{
    uint8_t kind = stage->plan->join_kind;
    bool drops = kind != JOIN_LEFT && kind != JOIN_FULL && kind != JOIN_ANTI;
    for (uint32_t k = 0; drops && k < stage->key_count && k < JOIN_VALUES_COUNT_MAX; k++) {
        if (stage->left_keys[k]->kind == EXPR_SLOT) {
            uint32_t id = stage->left.columns[stage->left_keys[k]->number].id;
            TRY(scan_add_probe(exec, stage->left.last, id, stage->table, k));
        }
    }
    return TDBPLUS_OK;
}

/* The right side: of its own, or what the leader of a team keeps. */
static tdbplus_status make_right(struct join_stage *stage, struct exec *exec)
{
    const struct plan *right = stage->plan->right;
    struct stage *peer = exec->leader == NULL ? NULL : exec_find_stage(exec->leader, stage->plan);
    if (peer != NULL) {
        stage->leader = (struct join_stage *)peer;
        atomic_fetch_add_explicit(&stage->leader->pushing, 1, memory_order_relaxed);
        stage->right =
            (struct pipeline){.columns = right->columns, .column_count = right->column_count};
        stage->table = stage->leader->table;
        stage->store = stage->leader->store;
        return TDBPLUS_OK;
    }
    TRY(exec_compile(exec, right, &stage->right));
    atomic_store_explicit(&stage->pushing, 1, memory_order_relaxed);
    row_store_init(&stage->own_store, &stage->kept, stage->right.columns,
                   stage->right.column_count);
    stage->table = &stage->own_table;
    stage->store = &stage->own_store;
    return TDBPLUS_OK;
}

tdbplus_status make_join(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    static const struct stage_ops ops = {.name = "join",
                                         .push = join_push,
                                         .drain = join_drain,
                                         .begin = join_begin,
                                         .close = join_close,
                                         .passes_rows = true};
    struct pipeline left = {0};
    TRY(exec_compile(exec, plan->left, &left));
    struct join_stage *stage = stage_make(exec, sizeof *stage, &ops, left.last);
    if (stage == NULL) {
        return exec_no_memory(exec);
    }
    stage->plan = plan;
    stage->left = left;
    stage->stage.joins = true;
    arena_init(&stage->arena, exec->call->alloc, 0);
    arena_init(&stage->kept, exec->call->alloc, 0);
    batch_init(&stage->part_batch, exec->call->alloc);
    TRY(make_right(stage, exec));
    pipeline->last = &stage->stage;
    TRY(compile_conditions(stage, exec));
    if (stage->leader == NULL) {
        TRY(join_table_init(&stage->own_table, exec, stage->right_keys, stage->key_count));
    }
    return lend_keys(stage, exec);
}
