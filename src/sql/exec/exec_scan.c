#include "sql/exec/exec_scan.h"

#include <string.h>

#define PROBE_COUNT_MAX 8u

struct scan_probe {
    uint32_t early; /* Place of the column among the early ones. */
    const struct join_table *table;
    uint32_t key;   /* Its key column. */
    uint64_t asked; /* Rows so far, */
    uint64_t kept;
};

/* A probe that drops few rows is asked of every 16th batch only, to see whether that is still so.
 */
#define PROBE_TRIAL_ROWS 32768u
#define PROBE_REST_COUNT 16u

struct scan_stage {
    struct stage stage;
    const struct plan *plan;
    struct exec *exec;
    struct scan *scan; /* Of the leader, in a team. */
    bool nothing;      /* A condition can never hold. */
    bool begun;
    /* What is asked before the other columns are read. */
    struct scan_keep keep;
    struct plan_column *early_columns;
    uint32_t *early; /* Positions in the schema. */
    uint32_t early_count;
    uint32_t early_capacity;
    struct expr **filters;
    uint32_t filter_count;
    struct scan_probe lent[PROBE_COUNT_MAX];   /* By joins; all that a team's others look at. */
    struct scan_probe probes[PROBE_COUNT_MAX]; /* In the order they are asked. */
    uint32_t probe_count;
    uint32_t probe_batches; /* Asked so far. */
    /* Morsels are taken from the leader, which may be this stage. */
    struct scan_stage *leader;
    _Atomic uint32_t next_piece;
    struct scan_morsel morsel;
    bool morsel_active;
    uint64_t expected_rows; /* Of the leader: what this scan adds to the statement's progress. */
    uint32_t piece;         /* Its number; their count when all are read. */
};

/* ---- conditions that storage applies ---- */

/* A comparison with null holds for no row. */
static tdbplus_status scan_conditions(struct scan_stage *scan, struct exec *exec,
                                      struct scan_condition **conditions_out)
{
    const struct plan_scan *plan = &scan->plan->scan;
    struct scan_condition *conditions =
        arena_array(&exec->arena, plan->condition_count + 1u, sizeof *conditions);
    if (conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->condition_count; i++) {
        conditions[i].position = plan->conditions[i].position;
        conditions[i].compare = plan->conditions[i].compare;
        if (plan->conditions[i].value != NULL) {
            TRY(eval_once(exec, plan->conditions[i].value, &exec->arena, &conditions[i].value));
            scan->nothing = scan->nothing || conditions[i].value.is_null;
            if (conditions[i].value.type.id == TYPE_TEXT) {
                // varchar(n) and text are compared alike; storage asks for the column's own type.
                conditions[i].value.type =
                    plan->object->schema->columns[conditions[i].position].type;
            }
        }
    }
    *conditions_out = conditions;
    return TDBPLUS_OK;
}

static tdbplus_status scan_bound(struct scan_stage *scan, struct exec *exec,
                                 const struct plan_bound *plan, struct scan_bound *bound_out)
{
    struct datum *values = arena_array(&exec->arena, plan->value_count + 1u, sizeof *values);
    if (values == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < plan->value_count; i++) {
        TRY(eval_once(exec, plan->values[i], &exec->arena, &values[i]));
        scan->nothing = scan->nothing || values[i].is_null;
    }
    *bound_out = (struct scan_bound){values, plan->value_count, plan->exclusive};
    return TDBPLUS_OK;
}

/* ---- what is asked early ---- */

static tdbplus_status keep_rows(void *context, struct batch *batch)
{
    const struct scan_stage *scan = context;
    struct eval eval = {.exec = scan->exec, .input = batch, .arena = &batch->arena};
    struct func_rows rows = batch_rows(batch);
    for (uint32_t i = 0; i < scan->probe_count && rows.count > 0; i++) {
        const struct scan_probe *probe = &scan->probes[i];
        TRY(join_table_keep(probe->table, probe->key, scan->exec, &batch->columns[probe->early],
                            &rows, &batch->arena, &rows));
    }
    for (uint32_t i = 0; i < scan->filter_count && rows.count > 0; i++) {
        TRY(eval_filter(&eval, scan->filters[i], &rows, &rows));
    }
    if (rows.rows != NULL) {
        batch->selection = rows.rows;
        batch->selected_count = rows.count;
    }
    return TDBPLUS_OK;
}

/* The column's place among the early ones, where it is put if need be. */
static tdbplus_status early_place(struct scan_stage *scan, struct exec *exec,
                                  const struct plan_column *column, uint32_t position,
                                  uint32_t *place_out)
{
    for (uint32_t i = 0; i < scan->early_count; i++) {
        if (scan->early_columns[i].id == column->id) {
            *place_out = i;
            return TDBPLUS_OK;
        }
    }
    if (scan->early_count == scan->early_capacity) {
        uint32_t capacity = scan->early_capacity == 0 ? 8 : scan->early_capacity * 2;
        struct plan_column *columns = arena_array(&exec->arena, capacity, sizeof *columns);
        uint32_t *early = arena_array(&exec->arena, capacity, sizeof *early);
        if (columns == NULL || early == NULL) {
            return exec_no_memory(exec);
        }
        if (scan->early_count > 0) {
            memcpy(columns, scan->early_columns, scan->early_count * sizeof *columns);
            memcpy(early, scan->early, scan->early_count * sizeof *early);
        }
        scan->early_columns = columns;
        scan->early = early;
        scan->early_capacity = capacity;
    }
    scan->early_columns[scan->early_count] = *column;
    scan->early[scan->early_count] = position;
    *place_out = scan->early_count++;
    return TDBPLUS_OK;
}

static tdbplus_status early_of_expr(struct scan_stage *scan, struct exec *exec,
                                    const struct expr *expr)
{
    for (uint32_t i = 0; expr->kind == EXPR_COLUMN && i < scan->plan->column_count; i++) {
        uint32_t place = 0;
        if (scan->plan->columns[i].id == expr->number) {
            TRY(early_place(scan, exec, &scan->plan->columns[i], scan->plan->scan.positions[i],
                            &place));
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(early_of_expr(scan, exec, expr->arguments[i]));
    }
    return TDBPLUS_OK;
}

/* ---- running ---- */

static tdbplus_status open_scan(struct scan_stage *scan, struct exec *exec)
{
    const struct plan_scan *plan = &scan->plan->scan;
    struct scan_condition *conditions = NULL;
    bool keeps = scan->filter_count + scan->probe_count > 0;
    struct scan_options options = {.positions = plan->positions,
                                   .position_count = scan->plan->column_count,
                                   .paths = plan->paths,
                                   .filter_rows = true,
                                   .condition_count = plan->condition_count,
                                   .order = plan->order,
                                   .early = scan->early,
                                   .early_count = keeps ? scan->early_count : 0,
                                   .keep = keeps ? &scan->keep : NULL};
    TRY(scan_conditions(scan, exec, &conditions));
    options.conditions = conditions;
    TRY(scan_bound(scan, exec, &plan->lower, &options.lower));
    TRY(scan_bound(scan, exec, &plan->upper, &options.upper));
    if (scan->nothing) {
        return TDBPLUS_OK;
    }
    return scan_open(exec->txn, plan->object, &options, &scan->scan, exec->call->err);
}

static tdbplus_status scan_stage_begin(struct stage *stage, struct exec *exec)
{
    struct scan_stage *scan = (struct scan_stage *)stage;
    if (scan->begun) {
        return TDBPLUS_OK;
    }
    scan->begun = true;
    scan->keep = (struct scan_keep){.keep = keep_rows, .context = scan};
    if (scan->leader != scan) {
        // What joins above the team's part lend is known to the leader alone.
        memcpy(scan->probes, scan->leader->lent, sizeof scan->probes);
        scan->probe_count = scan->leader->probe_count;
        scan->scan = scan->leader->scan;
        scan->nothing = scan->leader->nothing;
        return TDBPLUS_OK;
    }
    memcpy(scan->probes, scan->lent, sizeof scan->probes);
    return open_scan(scan, exec);
}

/* False when all morsels are taken. */
static bool take_morsel(struct scan_stage *scan)
{
    uint32_t piece = atomic_fetch_add_explicit(&scan->leader->next_piece, 1, memory_order_relaxed);
    uint32_t count = scan_morsel_count(scan->scan);
    scan->piece = piece < count ? piece : count;
    if (piece >= count) {
        return false;
    }
    scan_morsel_begin(scan->scan, piece, &scan->morsel);
    scan->morsel.keep = scan->filter_count + scan->probe_count > 0 ? &scan->keep : NULL;
    scan->morsel_active = true;
    return true;
}

static tdbplus_status scan_stage_next(struct stage *stage, struct exec *exec, struct batch *out)
{
    struct scan_stage *scan = (struct scan_stage *)stage;
    TRY(scan_stage_begin(stage, exec));
    if (scan->nothing) {
        return TDBPLUS_END;
    }
    if (scan->plan->scan.order != SCAN_ANY) {
        return scan_next(scan->scan, out, exec->call);
    }
    for (;;) {
        if (!scan->morsel_active && !take_morsel(scan)) {
            exec_progress_add(exec, 0); // What workers read, who do not tell.
            return TDBPLUS_END;
        }
        tdbplus_status status = scan_morsel_next(scan->scan, &scan->morsel, out, exec->call);
        if (status != TDBPLUS_END) {
            return status;
        }
        scan->morsel_active = false;
        exec_progress_add(exec, scan->leader->expected_rows / scan_morsel_count(scan->scan));
    }
}

static void scan_stage_close(struct stage *stage)
{
    struct scan_stage *scan = (struct scan_stage *)stage;
    if (scan->scan != NULL && scan->leader == scan) {
        scan_close(scan->scan);
    }
    scan->scan = NULL;
}

uint32_t scan_stage_morsels(const struct stage *stage)
{
    const struct scan_stage *scan = (const struct scan_stage *)stage;
    return scan->scan == NULL ? 0 : scan_morsel_count(scan->scan);
}

uint32_t scan_stage_piece(const struct stage *stage)
{
    return ((const struct scan_stage *)stage)->piece;
}

bool scan_stage_in_order(const struct stage *stage)
{
    const struct scan_stage *scan = (const struct scan_stage *)stage;
    return scan->leader == scan && (scan->plan->scan.order != SCAN_ANY || scan->scan == NULL ||
                                    scan_is_clustered(scan->scan));
}

/* ---- compiling ---- */

static const struct stage_ops scan_ops = {
    .name = "scan", .next = scan_stage_next, .begin = scan_stage_begin, .close = scan_stage_close};

bool stage_is_scan(const struct stage *stage)
{
    return stage->ops == &scan_ops;
}

static tdbplus_status copy_plan(struct exec *exec, const struct plan *plan, struct plan **copy_out)
{
    struct plan *copy = arena_alloc(&exec->arena, sizeof *copy);
    if (copy == NULL) {
        return exec_no_memory(exec);
    }
    *copy = *plan;
    uint32_t count = plan->scan.condition_count;
    copy->scan.conditions = arena_array(&exec->arena, count + 1u, sizeof(struct plan_condition));
    if (copy->scan.conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        copy->scan.conditions[i] = plan->scan.conditions[i];
        if (plan->scan.conditions[i].value != NULL) {
            TRY(exec_compile_expr(exec, plan->scan.conditions[i].value, NULL, 0,
                                  &copy->scan.conditions[i].value));
        }
    }
    TRY(exec_compile_values(exec, plan->scan.lower.values, plan->scan.lower.value_count,
                            &copy->scan.lower.values));
    TRY(exec_compile_values(exec, plan->scan.upper.values, plan->scan.upper.value_count,
                            &copy->scan.upper.values));
    *copy_out = copy;
    return TDBPLUS_OK;
}

static tdbplus_status make_table_scan(struct exec *exec, const struct plan *plan,
                                      struct scan_stage **scan_out)
{
    struct scan_stage *scan = stage_make(exec, sizeof *scan, &scan_ops, NULL);
    struct plan *copy = NULL;
    if (scan == NULL) {
        return exec_no_memory(exec);
    }
    TRY(copy_plan(exec, plan, &copy));
    scan->plan = copy;
    scan->exec = exec;
    struct stage *peer = exec->leader == NULL ? NULL : exec_find_stage(exec->leader, plan);
    scan->leader = peer == NULL ? scan : (struct scan_stage *)peer;
    struct txn_statistics statistics;
    txn_statistics(plan->scan.object, UINT32_MAX, &statistics);
    scan->expected_rows = exec_progress_expect(exec, statistics.row_count);
    scan->stage.origin = plan;
    *scan_out = scan;
    return TDBPLUS_OK;
}

tdbplus_status make_scan(struct exec *exec, const struct plan *plan, struct pipeline *pipeline)
{
    if (plan->scan.access != NULL) {
        return make_index_scan(exec, plan, pipeline);
    }
    struct scan_stage *scan = NULL;
    TRY(make_table_scan(exec, plan, &scan));
    pipeline->last = &scan->stage;
    return TDBPLUS_OK;
}

tdbplus_status make_filtered_scan(struct exec *exec, const struct plan *filter,
                                  struct pipeline *pipeline, bool *done_out)
{
    const struct plan *plan = filter->left;
    *done_out = plan->kind == PLAN_SCAN && plan->scan.access == NULL &&
                plan->scan.order == SCAN_ANY && plan->scan.paths == NULL;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        *done_out = *done_out && !expr_volatile(filter->exprs[i]) &&
                    !expr_contains(filter->exprs[i], EXPR_SUBQUERY);
    }
    if (!*done_out) {
        return TDBPLUS_OK;
    }
    struct scan_stage *scan = NULL;
    TRY(make_table_scan(exec, plan, &scan));
    scan->filters = arena_array(&exec->arena, filter->expr_count + 1u, sizeof *scan->filters);
    if (scan->filters == NULL) {
        return exec_no_memory(exec);
    }
    scan->filter_count = filter->expr_count;
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        TRY(early_of_expr(scan, exec, filter->exprs[i]));
    }
    for (uint32_t i = 0; i < filter->expr_count; i++) {
        TRY(exec_compile_expr(exec, filter->exprs[i], scan->early_columns, scan->early_count,
                              &scan->filters[i]));
    }
    pipeline->last = &scan->stage;
    return TDBPLUS_OK;
}

tdbplus_status scan_add_probe(struct exec *exec, struct stage *last, uint32_t id,
                              const struct join_table *table, uint32_t key)
{
    for (; last != NULL && last->before != NULL; last = last->before) {
        if (!last->ops->passes_rows || stage_keeps_right(last)) {
            return TDBPLUS_OK;
        }
    }
    if (last != NULL && stage_is_aggregate(last)) {
        return aggregate_add_probe(exec, last, id, table, key);
    }
    if (last == NULL || !stage_is_scan(last) ||
        ((const struct scan_stage *)last)->plan->scan.paths != NULL) {
        return TDBPLUS_OK;
    }
    struct scan_stage *scan = (struct scan_stage *)last;
    for (uint32_t i = 0; i < scan->plan->column_count; i++) {
        if (scan->plan->columns[i].id == id && scan->probe_count < PROBE_COUNT_MAX &&
            scan->plan->scan.order == SCAN_ANY) {
            struct scan_probe *probe = &scan->lent[scan->probe_count];
            TRY(early_place(scan, exec, &scan->plan->columns[i], scan->plan->scan.positions[i],
                            &probe->early));
            probe->table = table;
            probe->key = key;
            scan->probe_count++;
            break;
        }
    }
    return TDBPLUS_OK;
}
