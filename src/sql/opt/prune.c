/* Columns that nobody reads are not made. */

#include <string.h>

#include "base/map.h"
#include "sql/opt/opt_internal.h"

/* A key that is no column's id: every column is used. Without the rule nodes still take their
 * columns from what is below them. */
#define EVERYTHING UINT64_MAX

static bool use_expr(struct map *used, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && !map_put(used, expr->number, 1)) {
        return false;
    }
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        if (!map_put(used, expr->subquery->outer_ids[i], 1)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (!use_expr(used, expr->arguments[i])) {
            return false;
        }
    }
    return true;
}

static bool use_exprs(struct map *used, struct expr *const *exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i] != NULL && !use_expr(used, exprs[i])) {
            return false;
        }
    }
    return true;
}

static bool use_columns(struct map *used, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (!map_put(used, plan->columns[i].id, 1)) {
            return false;
        }
    }
    return true;
}

static bool is_used(const struct map *used, const struct plan_column *column)
{
    return map_get(used, column->id) != NULL || map_get(used, EVERYTHING) != NULL;
}

static void prune_scan(const struct map *used, struct plan *plan)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (is_used(used, &plan->columns[i])) {
            plan->columns[kept] = plan->columns[i];
            if (plan->scan.paths != NULL) {
                plan->scan.paths[kept] = plan->scan.paths[i];
            }
            plan->scan.positions[kept++] = plan->scan.positions[i];
        }
    }
    plan->column_count = kept;
}

static void prune_file(const struct map *used, struct plan *plan)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (is_used(used, &plan->columns[i])) {
            plan->columns[kept] = plan->columns[i];
            plan->file.positions[kept++] = plan->file.positions[i];
        }
    }
    plan->column_count = kept;
}

static bool prune_project(struct map *used, struct plan *plan)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (is_used(used, &plan->columns[i]) || expr_volatile(plan->exprs[i])) {
            plan->columns[kept] = plan->columns[i];
            plan->exprs[kept++] = plan->exprs[i];
        }
    }
    plan->column_count = kept;
    plan->expr_count = kept;
    return use_exprs(used, plan->exprs, kept);
}

static bool use_slot(void *ctx, struct expr *expr)
{
    return use_expr(ctx, expr);
}

static bool prune_aggregate(struct map *used, struct plan *plan)
{
    uint32_t keys = plan->expr_count;
    uint32_t kept = 0;
    bool good = use_exprs(used, plan->exprs, keys);
    for (uint32_t i = 0; i < plan->aggregate_count; i++) {
        if (!is_used(used, &plan->columns[keys + i])) {
            continue;
        }
        struct plan_aggregate *aggregate = &plan->aggregates[i];
        plan->columns[keys + kept] = plan->columns[keys + i];
        plan->aggregates[kept++] = *aggregate;
    }
    plan->aggregate_count = kept;
    plan->column_count = keys + kept;
    return good && plan_each_expr(plan, use_slot, used);
}

static bool prune_window(struct map *used, struct plan *plan)
{
    struct plan_window *window = plan->window;
    uint32_t first = plan->column_count - window->call_count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < window->call_count; i++) {
        if (is_used(used, &plan->columns[first + i])) {
            plan->columns[first + kept] = plan->columns[first + i];
            window->calls[kept++] = window->calls[i];
        }
    }
    window->call_count = kept;
    plan->column_count = first + kept;
    return plan_each_expr(plan, use_slot, used);
}

/* What a node reads itself, added to what is read above it. */
static bool use_node(struct map *used, struct plan *plan)
{
    bool good = true;
    switch ((enum plan_kind)plan->kind) {
    case PLAN_SCAN:
        prune_scan(used, plan);
        return true;
    case PLAN_FILE:
        prune_file(used, plan);
        return true;
    case PLAN_PROJECT:
        return prune_project(used, plan);
    case PLAN_AGGREGATE:
        return prune_aggregate(used, plan);
    case PLAN_APPLY:
        for (uint32_t i = 0; i < plan->apply_count && good; i++) {
            good = map_put(used, plan->apply_ids[i], 1);
        }
        return good && use_exprs(used, plan->exprs, plan->expr_count);
    case PLAN_FILTER:
    case PLAN_JOIN:
    case PLAN_EXPAND:
        return use_exprs(used, plan->exprs, plan->expr_count);
    case PLAN_SORT:
        for (uint32_t i = 0; i < plan->key_count && good; i++) {
            good = use_expr(used, plan->keys[i].value);
        }
        return good;
    case PLAN_WINDOW:
        return prune_window(used, plan);
    case PLAN_LOCK:
        for (uint32_t i = 0; i < plan->lock_count; i++) {
            for (uint32_t k = 0; k < plan->locks[i].key_count && good; k++) {
                good = map_put(used, plan->locks[i].key_ids[k], 1);
            }
        }
        return good;
    case PLAN_LIMIT:
        return use_exprs(used, plan->exprs, plan->expr_count);
    case PLAN_GROUPING:
        // The keys' copies have places of their own, which do not move.
        return use_exprs(used, plan->exprs, plan->expr_count);
    case PLAN_DISTINCT:
        return plan->expr_count > 0 ? use_exprs(used, plan->exprs, plan->expr_count)
                                    : use_columns(used, plan->left);
    case PLAN_INSERT:
    case PLAN_UPDATE:
    case PLAN_DELETE:
        return use_columns(used, plan->left);
    case PLAN_SET:
        return use_columns(used, plan->left) && use_columns(used, plan->right);
    case PLAN_SAMPLE:
    case PLAN_VALUES:
    case PLAN_SERIES:
    case PLAN_CTE:
    case PLAN_WITH:
    case PLAN_WORK:
    case PLAN_SYSTEM:
        break;
    }
    return true;
}

/* Nodes that hand their input on have the input's columns. */
static tdbplus_status take_columns(struct optimizer *optimizer, struct plan *plan)
{
    bool only_right = plan->kind == PLAN_JOIN &&
                      (plan->join_kind == JOIN_RIGHT_SEMI || plan->join_kind == JOIN_RIGHT_ANTI);
    const struct plan *left = only_right ? plan->right : plan->left;
    const struct plan *right =
        plan->kind == PLAN_APPLY || (plan->kind == PLAN_JOIN && !only_right &&
                                     plan->join_kind != JOIN_SEMI && plan->join_kind != JOIN_ANTI)
            ? plan->right
            : NULL;
    uint32_t count = left->column_count + (right != NULL ? right->column_count : 0);
    uint32_t calls = plan->kind == PLAN_WINDOW     ? plan->window->call_count
                     : plan->kind == PLAN_EXPAND   ? plan->expr_count + plan->ordinality
                     : plan->kind == PLAN_GROUPING ? plan->expr_count + 1
                                                   : 0;
    struct plan_column *columns =
        arena_array(optimizer->arena, (size_t)count + calls + 1u, sizeof *columns);
    if (columns == NULL) {
        return opt_no_memory(optimizer);
    }
    if (calls > 0) {
        memcpy(columns + count, plan->columns + plan->column_count - calls,
               calls * sizeof *columns);
    }
    memcpy(columns, left->columns, left->column_count * sizeof *columns);
    if (right != NULL) {
        memcpy(columns + left->column_count, right->columns, right->column_count * sizeof *columns);
    }
    // Names stand in the topmost node that has them.
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_column *named = plan_find_column(plan, columns[i].id);
        columns[i].name = named != NULL && named->name != NULL ? named->name : columns[i].name;
    }
    plan->columns = columns;
    plan->column_count = count + calls;
    return TDBPLUS_OK;
}

static tdbplus_status prune(struct optimizer *optimizer, struct map *used, struct plan *plan)
{
    if (plan == NULL) {
        return TDBPLUS_OK;
    }
    if (!use_node(used, plan)) {
        return opt_no_memory(optimizer);
    }
    TRY(prune(optimizer, used, plan->left));
    TRY(prune(optimizer, used, plan->right));
    switch (plan->kind) {
    case PLAN_FILTER:
    case PLAN_JOIN:
    case PLAN_SORT:
    case PLAN_LIMIT:
    case PLAN_DISTINCT:
    case PLAN_LOCK:
    case PLAN_SAMPLE:
    case PLAN_WINDOW:
    case PLAN_GROUPING:
    case PLAN_EXPAND:
    case PLAN_APPLY:
    case PLAN_WITH:
        return take_columns(optimizer, plan);
    default:
        return TDBPLUS_OK;
    }
}

tdbplus_status opt_prune(struct optimizer *optimizer, struct plan *plan)
{
    struct map used;
    map_init(&used, optimizer->arena->alloc);
    tdbplus_status status = TDBPLUS_OK;
    bool all = !opt_uses(optimizer, OPT_PRUNE);
    if (!use_columns(&used, plan) || (all && !map_put(&used, EVERYTHING, 1))) {
        status = opt_no_memory(optimizer);
    } else {
        status = prune(optimizer, &used, plan);
    }
    map_deinit(&used);
    return status;
}
