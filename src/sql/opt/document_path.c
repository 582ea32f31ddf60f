/*
 * Chains of -> and ->> with constant keys over a stored column of documents are read by the scan,
 * which knows where such values lie apart from the documents. Only where the column is read in no
 * other way: else the documents are there anyway.
 */

#include <string.h>

#include "sql/opt/opt_internal.h"

#define DEPTH_MAX 8u
#define SCANS_MAX 16u /* Of one query; those beyond read documents. */

/* A chain: the column and the keys, first to last. */
struct chain {
    uint32_t column; /* Id. */
    uint32_t key_count;
    bool as_text;
    struct span keys[DEPTH_MAX];
};

struct work {
    struct optimizer *optimizer;
    struct plan *scans[SCANS_MAX];
    uint32_t scan_count;
    uint32_t wanted; /* Id of the column being counted. */
    uint32_t whole;  /* Its uses but for chains. */
    uint32_t chains;
    struct plan *scan; /* Whose chains are replaced. */
    bool failed;
};

static bool is_step(const struct expr *expr)
{
    if (expr->kind != EXPR_CALL || expr->argument_count != 2 || expr->negated) {
        return false;
    }
    const struct expr *key = expr->arguments[1];
    bool named = strcmp(expr->func->name, "->") == 0 || strcmp(expr->func->name, "->>") == 0;
    return named && expr->arguments[0]->type.id == TYPE_JSON && key->kind == EXPR_CONSTANT &&
           key->constant.type.id == TYPE_TEXT && !key->constant.is_null;
}

static bool match_chain(const struct expr *expr, struct chain *chain_out)
{
    struct chain chain = {.as_text = expr->type.id == TYPE_TEXT};
    struct span reversed[DEPTH_MAX];
    uint32_t count = 0;
    for (; is_step(expr); expr = expr->arguments[0]) {
        if (count == DEPTH_MAX) {
            return false;
        }
        reversed[count++] = expr->arguments[1]->constant.bytes;
    }
    if (count == 0 || expr->kind != EXPR_COLUMN) {
        return false;
    }
    chain.column = expr->number;
    chain.key_count = count;
    for (uint32_t i = 0; i < count; i++) {
        chain.keys[i] = reversed[count - 1 - i];
    }
    *chain_out = chain;
    return true;
}

/* ---- which scans ---- */

static bool is_document_scan(const struct plan *plan)
{
    bool any = false;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        any = any || plan->columns[i].type.id == TYPE_JSON;
    }
    return any && plan->scan.access == NULL && plan->scan.paths == NULL;
}

/* Scans whose columns may become more: some node above makes columns of its own. */
static void collect(struct work *work, struct plan *plan, bool covered)
{
    if (plan == NULL) {
        return;
    }
    switch (plan->kind) {
    case PLAN_SCAN:
        if (covered && work->scan_count < SCANS_MAX && is_document_scan(plan)) {
            work->scans[work->scan_count++] = plan;
        }
        return;
    case PLAN_PROJECT:
    case PLAN_AGGREGATE:
        covered = true;
        break;
    case PLAN_FILTER:
    case PLAN_JOIN:
    case PLAN_SORT:
    case PLAN_LIMIT:
        break;
    default:
        covered = false;
    }
    collect(work, plan->left, covered);
    collect(work, plan->right, covered);
}

/* ---- uses ---- */

static void count_uses(struct work *work, const struct expr *expr)
{
    struct chain chain;
    if (match_chain(expr, &chain)) {
        work->chains += chain.column == work->wanted ? 1 : 0;
        return;
    }
    work->whole += expr->kind == EXPR_COLUMN && expr->number == work->wanted ? 1 : 0;
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        work->whole += expr->subquery->outer_ids[i] == work->wanted ? 1 : 0;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        count_uses(work, expr->arguments[i]);
    }
}

static bool count_slot(void *ctx, struct expr *expr)
{
    count_uses(ctx, expr);
    return true;
}

static void count_plan(struct work *work, struct plan *plan)
{
    if (plan == NULL) {
        return;
    }
    (void)plan_each_expr(plan, count_slot, work);
    for (uint32_t i = 0; plan->kind == PLAN_APPLY && i < plan->apply_count; i++) {
        work->whole += plan->apply_ids[i] == work->wanted ? 1 : 0;
    }
    count_plan(work, plan->left);
    count_plan(work, plan->right);
}

/* ---- replacing ---- */

static bool same_path(const struct scan_path *path, const struct chain *chain)
{
    bool same = path->key_count == chain->key_count && path->as_text == chain->as_text;
    for (uint32_t i = 0; same && i < chain->key_count; i++) {
        same = span_compare(path->keys[i], chain->keys[i]) == 0;
    }
    return same;
}

/* The scan's output column for the chain over its column `from`; added if there is none. */
static struct plan_column *take_column(struct work *work, uint32_t from, const struct chain *chain)
{
    struct plan *scan = work->scan;
    struct arena *arena = work->optimizer->arena;
    uint32_t count = scan->column_count;
    for (uint32_t i = 0; i < count; i++) {
        if (scan->scan.positions[i] == scan->scan.positions[from] &&
            same_path(&scan->scan.paths[i], chain)) {
            return &scan->columns[i];
        }
    }
    struct plan_column *columns = arena_array(arena, count + 1u, sizeof *columns);
    uint32_t *positions = arena_array(arena, count + 1u, sizeof *positions);
    struct scan_path *paths = arena_array(arena, count + 1u, sizeof *paths);
    struct span *keys = arena_array(arena, chain->key_count, sizeof *keys);
    if (columns == NULL || positions == NULL || paths == NULL || keys == NULL) {
        return NULL;
    }
    memcpy(columns, scan->columns, count * sizeof *columns);
    memcpy(positions, scan->scan.positions, count * sizeof *positions);
    memcpy(paths, scan->scan.paths, count * sizeof *paths);
    memcpy(keys, chain->keys, chain->key_count * sizeof *keys);
    columns[count] = (struct plan_column){
        .id = (*work->optimizer->next_id)++,
        .type = type_of(chain->as_text ? TYPE_TEXT : TYPE_JSON),
    };
    positions[count] = positions[from];
    paths[count] =
        (struct scan_path){.keys = keys, .key_count = chain->key_count, .as_text = chain->as_text};
    scan->columns = columns;
    scan->scan.positions = positions;
    scan->scan.paths = paths;
    scan->column_count = count + 1;
    return &columns[count];
}

static void replace_chains(struct work *work, struct expr **slot)
{
    struct chain chain;
    if (!match_chain(*slot, &chain)) {
        for (uint32_t i = 0; i < (*slot)->argument_count; i++) {
            replace_chains(work, &(*slot)->arguments[i]);
        }
        return;
    }
    if (chain.column != work->wanted) {
        return;
    }
    uint32_t from = 0;
    while (work->scan->columns[from].id != work->wanted) {
        from++;
    }
    const struct plan_column *column = take_column(work, from, &chain);
    struct expr *expr =
        column == NULL ? NULL : expr_column(work->optimizer->arena, column->id, column->type);
    work->failed = work->failed || expr == NULL;
    if (expr != NULL) {
        expr->position = (*slot)->position;
        *slot = expr;
    }
}

static bool replace_slot(void *ctx, struct expr **slot)
{
    replace_chains(ctx, slot);
    return true;
}

static void replace_plan(struct work *work, struct plan *plan)
{
    if (plan != NULL) {
        (void)plan_each_slot(plan, replace_slot, work);
        replace_plan(work, plan->left);
        replace_plan(work, plan->right);
    }
}

static void shred_scan(struct work *work, struct plan *root, struct plan *scan)
{
    uint32_t count = scan->column_count;
    work->scan = scan;
    for (uint32_t i = 0; i < count && !work->failed; i++) {
        if (scan->columns[i].type.id != TYPE_JSON) {
            continue;
        }
        work->wanted = scan->columns[i].id;
        work->whole = 0;
        work->chains = 0;
        count_plan(work, root);
        if (work->chains == 0 || work->whole > 0) {
            continue;
        }
        if (scan->scan.paths == NULL) {
            scan->scan.paths = arena_array(work->optimizer->arena, count, sizeof *scan->scan.paths);
            work->failed = scan->scan.paths == NULL;
        }
        if (!work->failed) {
            replace_plan(work, root);
        }
    }
}

tdbplus_status opt_document_path(struct optimizer *optimizer, struct plan *plan)
{
    struct work work = {.optimizer = optimizer};
    collect(&work, plan, false);
    for (uint32_t i = 0; i < work.scan_count && !work.failed; i++) {
        shred_scan(&work, plan, work.scans[i]);
    }
    return work.failed ? opt_no_memory(optimizer) : TDBPLUS_OK;
}
