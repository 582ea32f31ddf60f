#include "sql/exec/exec_trial.h"

#include "sql/exec/analyze.h"

#define SAMPLE_COUNT     6u    /* Places of a table that are looked at. */
#define SAMPLE_ROW_COUNT 2048u /* Of each. */

/* Nothing that only a run knows. */
static bool can_try(const struct expr *expr)
{
    return !expr_contains(expr, EXPR_PARAMETER) && !expr_contains(expr, EXPR_SUBQUERY) &&
           !expr_contains(expr, EXPR_OUTER) && !expr_volatile(expr);
}

struct sample {
    struct exec *exec;
    const struct plan *scan;
    struct expr **conditions;
    uint32_t condition_count;
    struct plan_column *columns; /* Those that the conditions read. */
    uint32_t *positions;
    uint32_t column_count;
    uint64_t seen;
    uint64_t kept;
};

static bool add_column(struct sample *sample, uint32_t id)
{
    for (uint32_t i = 0; i < sample->column_count; i++) {
        if (sample->columns[i].id == id) {
            return true;
        }
    }
    for (uint32_t i = 0; i < sample->scan->column_count; i++) {
        if (sample->scan->columns[i].id == id) {
            sample->columns[sample->column_count] = sample->scan->columns[i];
            sample->positions[sample->column_count++] = sample->scan->scan.positions[i];
            return true;
        }
    }
    return false; // Of an outer query.
}

static bool add_columns(struct sample *sample, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && !add_column(sample, expr->number)) {
        return false;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!add_columns(sample, expr->arguments[i])) {
            return false;
        }
    }
    return true;
}

static tdbplus_status compile(struct sample *sample, const struct plan *filter, bool *possible_out)
{
    struct exec *exec = sample->exec;
    size_t count = sample->scan->column_count + 1u;
    sample->columns = arena_array(&exec->arena, count, sizeof *sample->columns);
    sample->positions = arena_array(&exec->arena, count, sizeof *sample->positions);
    sample->conditions =
        arena_array(&exec->arena, filter->expr_count + 1u, sizeof *sample->conditions);
    if (sample->columns == NULL || sample->positions == NULL || sample->conditions == NULL) {
        return exec_no_memory(exec);
    }
    *possible_out = sample->scan->scan.paths == NULL;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        *possible_out =
            *possible_out && can_try(filter->exprs[i]) && add_columns(sample, filter->exprs[i]);
    }
    for (uint32_t i = 0; *possible_out && i < filter->expr_count; i++) {
        TRY(exec_compile_expr(exec, filter->exprs[i], sample->columns, sample->column_count,
                              &sample->conditions[i]));
    }
    sample->condition_count = filter->expr_count;
    return TDBPLUS_OK;
}

static tdbplus_status try_place(struct sample *sample, struct scan *scan, uint32_t number,
                                struct batch *batch)
{
    struct scan_morsel morsel;
    uint64_t piece = (uint64_t)number * scan_morsel_count(scan) / SAMPLE_COUNT;
    scan_morsel_begin(scan, (uint32_t)piece, &morsel);
    uint64_t rows = morsel.end_row - morsel.next_row;
    morsel.next_row += rows * number / SAMPLE_COUNT / SAMPLE_ROW_COUNT * SAMPLE_ROW_COUNT;
    if (morsel.end_row - morsel.next_row > SAMPLE_ROW_COUNT) {
        morsel.end_row = morsel.next_row + SAMPLE_ROW_COUNT;
    }
    tdbplus_status status = scan_morsel_next(scan, &morsel, batch, sample->exec->call);
    if (status != TDBPLUS_OK) {
        return status == TDBPLUS_END ? TDBPLUS_OK : status;
    }
    struct eval eval = {.exec = sample->exec, .input = batch, .arena = &batch->arena};
    struct func_rows live = batch_rows(batch);
    sample->seen += live.count;
    for (uint32_t i = 0; i < sample->condition_count && live.count > 0; i++) {
        TRY(eval_filter(&eval, sample->conditions[i], &live, &live));
    }
    sample->kept += live.count;
    return TDBPLUS_OK;
}

static tdbplus_status try_all(struct sample *sample, const struct plan *filter)
{
    bool possible = false;
    TRY(compile(sample, filter, &possible));
    if (!possible) {
        return TDBPLUS_END;
    }
    struct exec *exec = sample->exec;
    struct scan *scan = NULL;
    struct scan_options options = {.positions = sample->positions,
                                   .position_count = sample->column_count};
    TRY(scan_open(exec->txn, sample->scan->scan.object, &options, &scan, exec->call->err));
    tdbplus_status status = TDBPLUS_OK;
    struct batch batch;
    batch_init(&batch, exec->call->alloc);
    for (uint32_t i = 0; i < SAMPLE_COUNT && scan_morsel_count(scan) > 0; i++) {
        TRY_OR(done, try_place(sample, scan, i, &batch));
    }
done:
    batch_deinit(&batch);
    scan_close(scan);
    return status;
}

bool trial_share(void *context, const struct plan *filter, double *share_out)
{
    const struct trial_context *from = context;
    struct err err = {0}; // What fails here fails again, or does not matter.
    struct call call = *from->call;
    call.err = &err;
    struct exec exec;
    struct func_context functions = {0};
    exec_init(&exec, from->txn, &call);
    exec.context = &functions;
    struct sample sample = {.exec = &exec, .scan = filter->left};
    tdbplus_status status = try_all(&sample, filter);
    exec_deinit(&exec);
    if (status != TDBPLUS_OK || sample.seen == 0) {
        return false;
    }
    *share_out = ((double)sample.kept + 0.25) / ((double)sample.seen + 1);
    return true;
}

/* Of so many rows each a value: more rows have more values, where they seemed to be no fixed set.
 */
#define DISTINCT_GROWS 0.1

bool trial_distinct(void *context, const struct object *table, uint32_t position,
                    double *distinct_out)
{
    const struct trial_context *from = context;
    struct column_statistics known;
    struct txn_statistics now;
    if (!analyze_find(from->txn, table, position, &known)) {
        return false;
    }
    txn_statistics(table, UINT32_MAX, &now);
    double rows = (double)known.row_count;
    bool grows = rows > 0 && known.distinct > rows * DISTINCT_GROWS;
    *distinct_out = grows ? known.distinct * (double)now.row_count / rows : known.distinct;
    return true;
}

tdbplus_status trial_check(void *context)
{
    const struct trial_context *trial = context;
    return exec_check_call(store_env(txn_store(trial->txn)), trial->call);
}
