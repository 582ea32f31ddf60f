#include "sql/plan/plan.h"

#include <inttypes.h>

struct plan *plan_make(struct arena *arena, enum plan_kind kind, uint32_t column_count)
{
    struct plan *plan = arena_array(arena, 1, sizeof *plan);
    if (plan == NULL) {
        return NULL;
    }
    plan->kind = (uint8_t)kind;
    plan->columns = arena_array(arena, column_count == 0 ? 1 : column_count, sizeof *plan->columns);
    if (plan->columns == NULL) {
        return NULL;
    }
    plan->column_count = column_count;
    return plan;
}

const struct plan_column *plan_find_column(const struct plan *plan, uint32_t id)
{
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (plan->columns[i].id == id) {
            return &plan->columns[i];
        }
    }
    return NULL;
}

struct slot_visit {
    bool (*visit)(void *ctx, struct expr **slot);
    void *ctx;
};

static bool visit_list(const struct slot_visit *visit, struct expr **exprs, uint32_t count)
{
    bool good = true;
    for (uint32_t i = 0; good && exprs != NULL && i < count; i++) {
        good = exprs[i] == NULL || visit->visit(visit->ctx, &exprs[i]);
    }
    return good;
}

static bool visit_keys(const struct slot_visit *visit, struct plan_key *keys, uint32_t count)
{
    bool good = true;
    for (uint32_t i = 0; good && i < count; i++) {
        good = visit_list(visit, &keys[i].value, 1);
    }
    return good;
}

static bool visit_aggregates(const struct slot_visit *visit, struct plan *plan)
{
    bool good = true;
    for (uint32_t i = 0; good && i < plan->aggregate_count; i++) {
        struct plan_aggregate *aggregate = &plan->aggregates[i];
        good = visit_list(visit, aggregate->arguments, aggregate->argument_count) &&
               visit_list(visit, &aggregate->filter, 1) &&
               visit_keys(visit, aggregate->order, aggregate->order_count) &&
               visit_list(visit, aggregate->direct, aggregate->direct_count);
    }
    return good;
}

static bool visit_window(const struct slot_visit *visit, struct plan_window *window)
{
    bool good = visit_list(visit, window->partition, window->partition_count) &&
                visit_keys(visit, window->keys, window->key_count);
    for (uint32_t i = 0; good && i < window->call_count; i++) {
        struct plan_window_call *call = &window->calls[i];
        good = visit_list(visit, call->arguments, call->argument_count) &&
               visit_list(visit, &call->filter, 1) &&
               visit_list(visit, &call->frame.start_offset, 1) &&
               visit_list(visit, &call->frame.end_offset, 1);
    }
    return good;
}

static bool visit_change(const struct slot_visit *visit, struct plan_change *change)
{
    return visit_list(visit, change->checks, change->check_count) &&
           visit_list(visit, change->updates, change->update_count) &&
           visit_list(visit, &change->where, 1);
}

bool plan_each_slot(struct plan *plan, bool (*visit)(void *ctx, struct expr **slot), void *ctx)
{
    struct slot_visit slots = {visit, ctx};
    bool good = visit_list(&slots, plan->exprs, plan->expr_count);
    switch ((enum plan_kind)plan->kind) {
    case PLAN_AGGREGATE:
        return good && visit_aggregates(&slots, plan);
    case PLAN_SORT:
        return good && visit_keys(&slots, plan->keys, plan->key_count);
    case PLAN_WINDOW:
        return good && visit_window(&slots, plan->window);
    case PLAN_INSERT:
    case PLAN_UPDATE:
    case PLAN_DELETE:
        return good && visit_change(&slots, &plan->change);
    case PLAN_VALUES:
    case PLAN_SCAN:
    case PLAN_SERIES:
    case PLAN_FILE:
    case PLAN_FILTER:
    case PLAN_PROJECT:
    case PLAN_JOIN:
    case PLAN_LIMIT:
    case PLAN_DISTINCT:
    case PLAN_SET:
    case PLAN_CTE:
    case PLAN_EXPAND:
    case PLAN_APPLY:
    case PLAN_GROUPING:
    case PLAN_LOCK:
    case PLAN_SAMPLE:
    case PLAN_WITH:
    case PLAN_WORK:
    case PLAN_SYSTEM:
        break;
    }
    return good;
}

struct look_visit {
    bool (*visit)(void *ctx, struct expr *expr);
    void *ctx;
};

static bool look_slot(void *ctx, struct expr **slot)
{
    const struct look_visit *look = ctx;
    return look->visit(look->ctx, *slot);
}

bool plan_each_expr(struct plan *plan, bool (*visit)(void *ctx, struct expr *expr), void *ctx)
{
    struct look_visit look = {visit, ctx};
    return plan_each_slot(plan, look_slot, &look);
}

static void print_expr(const struct expr *expr, struct buffer *buffer, uint32_t depth);

static void print_arguments(const struct expr *expr, const char *between, struct buffer *buffer,
                            uint32_t depth)
{
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        buffer_put_text(buffer, i == 0 ? "" : between);
        print_expr(expr->arguments[i], buffer, depth + 1);
    }
}

static void print_constant(const struct datum *value, struct buffer *buffer)
{
    if (value->is_null) {
        buffer_put_text(buffer, "NULL");
        return;
    }
    bool quoted = func_type_category(value->type) != 'N' && value->type.id != TYPE_BOOL;
    buffer_put_text(buffer, quoted ? "'" : "");
    if (func_print(value, buffer, NULL) != TDBPLUS_OK) {
        buffer_put_text(buffer, "?");
    }
    buffer_put_text(buffer, quoted ? "'" : "");
}

static void print_call(const struct expr *expr, struct buffer *buffer, uint32_t depth)
{
    bool is_operator = (expr->func->flags & FUNC_OPERATOR) != 0;
    if (is_operator && expr->argument_count == 2) {
        buffer_put_text(buffer, "(");
        print_expr(expr->arguments[0], buffer, depth + 1);
        buffer_printf(buffer, " %s ", expr->func->name);
        print_expr(expr->arguments[1], buffer, depth + 1);
        buffer_put_text(buffer, ")");
        return;
    }
    buffer_printf(buffer, "%s(", expr->func->name);
    print_arguments(expr, ", ", buffer, depth);
    buffer_put_text(buffer, ")");
}

static void print_expr(const struct expr *expr, struct buffer *buffer, uint32_t depth)
{
    if (depth > 20) {
        buffer_put_text(buffer, "...");
        return;
    }
    switch (expr->kind) {
    case EXPR_CONSTANT:
        print_constant(&expr->constant, buffer);
        break;
    case EXPR_COLUMN:
        buffer_printf(buffer, "#%" PRIu32, expr->number);
        break;
    case EXPR_PARAMETER:
        buffer_printf(buffer, "$%" PRIu32, expr->number + 1);
        break;
    case EXPR_CALL:
        print_call(expr, buffer, depth);
        break;
    case EXPR_AND:
    case EXPR_OR:
        buffer_put_text(buffer, "(");
        print_arguments(expr, expr->kind == EXPR_AND ? " AND " : " OR ", buffer, depth);
        buffer_put_text(buffer, ")");
        break;
    case EXPR_SUBQUERY:
        buffer_put_text(buffer, "(subquery)");
        break;
    default:
        buffer_put_text(buffer, "(");
        print_arguments(expr, ", ", buffer, depth);
        buffer_put_text(buffer, ")");
        break;
    }
}

static const char *join_name(uint8_t kind)
{
    static const char *const names[] = {
        [JOIN_INNER] = "Inner Join",
        [JOIN_LEFT] = "Left Join",
        [JOIN_RIGHT] = "Right Join",
        [JOIN_FULL] = "Full Join",
        [JOIN_SEMI] = "Semi Join",
        [JOIN_ANTI] = "Anti Join",
        [JOIN_RIGHT_SEMI] = "Right Semi Join",
        [JOIN_RIGHT_ANTI] = "Right Anti Join",
    };
    return names[kind];
}

static bool is_stored(const struct plan_index *index, uint32_t position)
{
    for (uint32_t i = 0; i < index->stored_count; i++) {
        if (index->stored[i] == position) {
            return true;
        }
    }
    return false;
}

bool plan_index_only(const struct plan *plan)
{
    const struct plan_scan *scan = &plan->scan;
    if (scan->access == NULL || scan->access->probe_count != 1 ||
        scan->access->probes[0].index->id == 0) {
        return false;
    }
    const struct plan_index *index = scan->access->probes[0].index;
    bool only = true;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        only = only && is_stored(index, scan->positions[i]);
    }
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        only = only && is_stored(index, scan->conditions[i].position);
    }
    return only;
}

/* "Index Scan using a, b"; each index once. */
static void print_access(const struct plan *plan, struct buffer *buffer)
{
    const struct plan_access *access = plan->scan.access;
    const char *how = plan_index_only(plan) ? "Index Only Scan" : "Index Scan";
    buffer_printf(buffer, "%s%s using ", how, access->descending ? " Backward" : "");
    for (uint32_t i = 0; i < access->probe_count; i++) {
        const struct plan_index *index = access->probes[i].index;
        bool again = false;
        for (uint32_t k = 0; k < i; k++) {
            again = again || access->probes[k].index == index;
        }
        if (!again) {
            buffer_printf(buffer, "%s%s", i == 0 ? "" : ", ", index->name);
        }
    }
}

static void print_head(const struct plan *plan, struct buffer *buffer)
{
    static const char *const names[] = {
        [PLAN_VALUES] = "Values",      [PLAN_SCAN] = "Scan",
        [PLAN_SERIES] = "Series",      [PLAN_FILTER] = "Filter",
        [PLAN_PROJECT] = "Project",    [PLAN_AGGREGATE] = "Aggregate",
        [PLAN_JOIN] = "Join",          [PLAN_SORT] = "Sort",
        [PLAN_LIMIT] = "Limit",        [PLAN_DISTINCT] = "Unique",
        [PLAN_SET] = "Set Operation",  [PLAN_CTE] = "CTE Scan",
        [PLAN_WINDOW] = "Window",      [PLAN_APPLY] = "Lateral Join",
        [PLAN_EXPAND] = "Expand",      [PLAN_GROUPING] = "Grouping Sets",
        [PLAN_LOCK] = "LockRows",      [PLAN_SAMPLE] = "Sample",
        [PLAN_WITH] = "With",          [PLAN_WORK] = "WorkTable Scan",
        [PLAN_INSERT] = "Insert",      [PLAN_UPDATE] = "Update",
        [PLAN_DELETE] = "Delete",      [PLAN_FILE] = "File Scan",
        [PLAN_SYSTEM] = "System Scan",
    };
    if (plan->kind == PLAN_SCAN && plan->scan.access != NULL) {
        print_access(plan, buffer);
    } else {
        buffer_put_text(buffer,
                        plan->kind == PLAN_JOIN ? join_name(plan->join_kind) : names[plan->kind]);
    }
    switch (plan->kind) {
    case PLAN_SCAN:
        buffer_printf(buffer, " on %s", plan->scan.table_name);
        break;
    case PLAN_FILE:
        buffer_printf(buffer, " on %s",
                      plan->file.spec->path_count == 0 ? "STDIN" : plan->file.spec->paths[0]);
        break;
    case PLAN_SYSTEM:
        buffer_printf(buffer, " on %s", plan->system->name);
        break;
    case PLAN_CTE:
    case PLAN_WORK:
        buffer_printf(buffer, " on %s", plan->cte->name);
        break;
    case PLAN_INSERT:
    case PLAN_UPDATE:
    case PLAN_DELETE:
        buffer_printf(buffer, " on %s", plan->change.table_name);
        break;
    default:
        break;
    }
}

static void print_scan(const struct plan_scan *scan, struct buffer *buffer)
{
    static const char *const compares[] = {"=", "<", "<=", ">", ">=", "IS NULL", "IS NOT NULL"};
    const struct schema *schema = scan->object->schema;
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        const struct plan_condition *condition = &scan->conditions[i];
        buffer_put_text(buffer, i == 0 ? ": " : " AND ");
        buffer_printf(buffer, "%s %s", schema->columns[condition->position].name,
                      compares[condition->compare]);
        if (condition->value != NULL) {
            buffer_put_text(buffer, " ");
            print_expr(condition->value, buffer, 0);
        }
    }
    if (scan->access == NULL && (scan->lower.value_count > 0 || scan->upper.value_count > 0)) {
        buffer_put_text(buffer, " [by key]");
    }
    if (scan->order != SCAN_ANY && !scan->narrow) {
        buffer_put_text(buffer, scan->order == SCAN_ASCENDING ? " [in order of the key]"
                                                              : " [against the key's order]");
    }
}

void plan_describe(const struct plan *plan, struct buffer *buffer)
{
    print_head(plan, buffer);
    if (plan->kind == PLAN_SCAN) {
        print_scan(&plan->scan, buffer);
    }
    if (plan->kind == PLAN_FILTER || plan->kind == PLAN_JOIN || plan->kind == PLAN_AGGREGATE ||
        plan->kind == PLAN_APPLY) {
        for (uint32_t i = 0; i < plan->expr_count; i++) {
            buffer_put_text(buffer, i == 0 ? ": " : ", ");
            print_expr(plan->exprs[i], buffer, 0);
        }
    }
    if (plan->kind == PLAN_SORT && plan->top_count != NULL) {
        buffer_put_text(buffer, " [top]");
    }
}
