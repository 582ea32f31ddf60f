/* ORDER BY ... LIMIT, min() and max() read the first rows of an index, or of the table's key,
 * instead of all rows. Only where the index answers every condition: then no row is read in vain.
 */

#include <string.h>

#include "sql/opt/opt_internal.h"

struct order_key {
    uint32_t position; /* In the schema. */
    bool descending;
    bool nulls_first;
};

#define ORDER_KEY_COUNT_MAX 16u

struct order {
    struct order_key keys[ORDER_KEY_COUNT_MAX];
    uint32_t key_count;
    bool no_nulls; /* Of the first key. */
};

/* The expression as the scan below projections knows it; NULL when it is not a column of it. */
static int32_t scan_position(const struct plan *plan, const struct expr *expr)
{
    while (plan->kind == PLAN_PROJECT && expr->kind == EXPR_COLUMN) {
        const struct expr *below = NULL;
        for (uint32_t i = 0; i < plan->column_count; i++) {
            below = plan->columns[i].id == expr->number ? plan->exprs[i] : below;
        }
        if (below == NULL) {
            return -1;
        }
        expr = below;
        plan = plan->left;
    }
    if (expr->kind != EXPR_COLUMN || plan->kind != PLAN_SCAN) {
        return -1;
    }
    for (uint32_t i = 0; i < plan->column_count; i++) {
        if (plan->columns[i].id == expr->number) {
            return (int32_t)plan->scan.positions[i];
        }
    }
    return -1;
}

static struct plan *scan_below(struct plan *plan)
{
    while (plan->kind == PLAN_PROJECT) {
        plan = plan->left;
    }
    return plan->kind == PLAN_SCAN ? plan : NULL;
}

static const struct plan_condition *find_condition(const struct plan_scan *scan, uint32_t position,
                                                   uint8_t compare)
{
    for (uint32_t i = 0; i < scan->condition_count; i++) {
        if (scan->conditions[i].position == position && scan->conditions[i].compare == compare) {
            return &scan->conditions[i];
        }
    }
    return NULL;
}

static void take_bound(const struct plan_scan *scan, uint32_t position, struct plan_probe *probe,
                       uint32_t *used)
{
    static const uint8_t compares[] = {SCAN_GREATER, SCAN_GREATER_EQUAL, SCAN_LESS,
                                       SCAN_LESS_EQUAL};
    for (uint32_t i = 0; i < 4; i++) {
        const struct plan_condition *condition = find_condition(scan, position, compares[i]);
        struct expr **bound = i < 2 ? &probe->lower : &probe->upper;
        if (condition == NULL || *bound != NULL) {
            continue;
        }
        *bound = condition->value;
        *(i < 2 ? &probe->lower_exclusive : &probe->upper_exclusive) = i % 2 == 0;
        (*used)++;
    }
    if (find_condition(scan, position, SCAN_IS_NOT_NULL) != NULL) {
        probe->not_null = true;
        (*used)++;
    }
}

static bool not_null(const struct plan_scan *scan, uint32_t position)
{
    return scan->object->schema->columns[position].not_null;
}

/* Whether the index's columns from the first one without an equality on are those of the order, all
 * in its direction or all against it. */
static bool fits(const struct plan_scan *scan, const struct plan_index *index, uint32_t first,
                 const struct order *order, bool no_nulls, bool *against_out)
{
    bool with = true;
    bool against = true;
    if (index->column_count - first < order->key_count) {
        return false;
    }
    for (uint32_t i = 0; i < order->key_count; i++) {
        const struct order_key *key = &order->keys[i];
        if (index->positions[first + i] != key->position) {
            return false;
        }
        bool nulls = !not_null(scan, key->position) && !(i == 0 && no_nulls);
        bool same = index->descending[first + i] == key->descending;
        bool same_nulls = !nulls || index->nulls_first[first + i] == key->nulls_first;
        bool other_nulls = !nulls || index->nulls_first[first + i] != key->nulls_first;
        with = with && same && same_nulls;
        against = against && !same && other_nulls;
    }
    *against_out = !with;
    return with || against;
}

/* The range of the index that is exactly what the scan's conditions leave; false when there is
 * none, or its order is another one. */
static bool match_index(const struct plan_scan *scan, const struct plan_index *index,
                        const struct order *order, struct plan_probe *probe, bool *against_out)
{
    uint32_t used = 0;
    if (index->hash || index->predicate != NULL) {
        return false;
    }
    while (probe->equal_count < index->column_count) {
        uint32_t position = index->positions[probe->equal_count];
        const struct plan_condition *equal =
            position == UINT32_MAX ? NULL : find_condition(scan, position, SCAN_EQUAL);
        if (equal == NULL) {
            break;
        }
        probe->equal[probe->equal_count++] = equal->value;
        used++;
    }
    uint32_t first = probe->equal_count;
    if (first == index->column_count || index->positions[first] == UINT32_MAX) {
        return false;
    }
    take_bound(scan, index->positions[first], probe, &used);
    if (order->no_nulls && order->keys[0].position == index->positions[first]) {
        probe->not_null = true;
    }
    bool no_nulls = probe->lower != NULL || probe->upper != NULL || probe->not_null;
    return used == scan->condition_count && fits(scan, index, first, order, no_nulls, against_out);
}

/* Makes the scan give its rows in that order; *done_out tells whether it can. */
static tdbplus_status order_scan(struct optimizer *optimizer, struct plan_scan *scan,
                                 const struct order *order, bool *done_out)
{
    *done_out = false;
    for (uint32_t i = 0; i < scan->index_count; i++) {
        const struct plan_index *index = &scan->indexes[i];
        struct plan_probe probe = {.index = index};
        bool against = false;
        probe.equal = arena_array(optimizer->arena, index->column_count, sizeof *probe.equal);
        struct plan_access *access = arena_array(optimizer->arena, 1, sizeof *access);
        struct plan_probe *probes = arena_array(optimizer->arena, 1, sizeof *probes);
        if (probe.equal == NULL || access == NULL || probes == NULL) {
            return opt_no_memory(optimizer);
        }
        if (!match_index(scan, index, order, &probe, &against)) {
            continue;
        }
        *done_out = true;
        if (index->id == 0) {
            // Bounds on the key are the scan's already.
            scan->order = against ? SCAN_DESCENDING : SCAN_ASCENDING;
            scan->narrow = false;
            scan->access = NULL;
            return TDBPLUS_OK;
        }
        *probes = probe;
        *access = (struct plan_access){
            .probes = probes, .probe_count = 1, .ordered = true, .descending = against};
        scan->access = access;
        return TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

/* ---- ORDER BY ... LIMIT ---- */

static bool read_order(const struct plan *sort, struct order *order)
{
    if (sort->key_count > ORDER_KEY_COUNT_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < sort->key_count; i++) {
        int32_t position = scan_position(sort->left, sort->keys[i].value);
        if (position < 0) {
            return false;
        }
        order->keys[order->key_count++] = (struct order_key){
            (uint32_t)position, sort->keys[i].descending, sort->keys[i].nulls_first};
    }
    return order->key_count > 0;
}

static tdbplus_status replace_sort(struct optimizer *optimizer, struct plan **sort)
{
    struct order order = {0};
    struct plan *scan = scan_below((*sort)->left);
    bool done = false;
    if ((*sort)->top_count == NULL || scan == NULL || !read_order(*sort, &order)) {
        return TDBPLUS_OK;
    }
    TRY(order_scan(optimizer, &scan->scan, &order, &done));
    if (done) {
        *sort = (*sort)->left;
    }
    return TDBPLUS_OK;
}

/* ---- min() and max() ---- */

static tdbplus_status limit_one(struct optimizer *optimizer, struct plan **input)
{
    struct plan *limit = plan_make(optimizer->arena, PLAN_LIMIT, 0);
    struct datum one = {.type = type_of(TYPE_INT8), .integer = 1};
    if (limit == NULL) {
        return opt_no_memory(optimizer);
    }
    limit->exprs = arena_array(optimizer->arena, 2, sizeof *limit->exprs);
    if (limit->exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    limit->exprs[0] = expr_constant(optimizer->arena, &one);
    if (limit->exprs[0] == NULL) {
        return opt_no_memory(optimizer);
    }
    limit->expr_count = 2;
    limit->columns = (*input)->columns;
    limit->column_count = (*input)->column_count;
    limit->left = *input;
    *input = limit;
    return TDBPLUS_OK;
}

static tdbplus_status replace_extreme(struct optimizer *optimizer, struct plan *plan)
{
    const struct plan_aggregate *aggregate = plan->aggregates;
    if (plan->expr_count > 0 || plan->aggregate_count != 1 || aggregate->argument_count != 1 ||
        aggregate->filter != NULL || aggregate->order_count > 0) {
        return TDBPLUS_OK;
    }
    bool max = strcmp(aggregate->aggregate->name, "max") == 0;
    struct plan *scan = scan_below(plan->left);
    int32_t position = scan_position(plan->left, aggregate->arguments[0]);
    if ((!max && strcmp(aggregate->aggregate->name, "min") != 0) || scan == NULL || position < 0) {
        return TDBPLUS_OK;
    }
    struct order order = {.key_count = 1, .no_nulls = true};
    order.keys[0] = (struct order_key){(uint32_t)position, max, max};
    bool done = false;
    TRY(order_scan(optimizer, &scan->scan, &order, &done));
    return done ? limit_one(optimizer, &plan->left) : TDBPLUS_OK;
}

tdbplus_status opt_index_order(struct optimizer *optimizer, struct plan **plan)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    if ((*plan)->kind == PLAN_SORT) {
        TRY(replace_sort(optimizer, plan));
    } else if ((*plan)->kind == PLAN_AGGREGATE) {
        TRY(replace_extreme(optimizer, *plan));
    }
    TRY(opt_index_order(optimizer, &(*plan)->left));
    return opt_index_order(optimizer, &(*plan)->right);
}
