/*
 * The order of inner joins. The tree of them is taken apart into inputs and conditions and put
 * together again in the order that makes the fewest rows: by dynamic programming over sets of
 * inputs, or, where those are many, by joining the cheapest pair again and again.
 */

#include <string.h>

#include "sql/opt/join_graph.h"

#define PROGRAMMING_MAX 10u /* Inputs; the table has 2^n entries, the search takes 3^n steps. */
#define CROSS_PENALTY   1e3
#define COST_BUILD      2.0 /* Of a row kept in a hash table, in rows made. */
#define COST_PROBE      0.3
#define SINK_SHARE      0.3 /* Of an input's rows, kept by a semi join. */
#define TURN_SHARE      2.0
#define TURN_ROWS_MIN   1e4
#define SMALL_PRODUCT   1e5 /* Pairs that any order gets through. */

struct join_choice {
    double cost;
    uint64_t left; /* 0: a single input. */
};

static tdbplus_status order_below(struct optimizer *optimizer, struct plan **plan);

/* ---- taking apart ---- */

tdbplus_status join_graph_add(struct optimizer *optimizer, struct join_graph *graph,
                              struct expr *expr)
{
    if (graph->condition_count == graph->condition_capacity) {
        uint32_t capacity = graph->condition_capacity == 0 ? 16 : graph->condition_capacity * 2;
        struct join_condition *conditions =
            arena_array(optimizer->arena, capacity, sizeof *conditions);
        if (conditions == NULL) {
            return opt_no_memory(optimizer);
        }
        if (graph->condition_count > 0) {
            memcpy(conditions, graph->conditions, graph->condition_count * sizeof *conditions);
        }
        graph->conditions = conditions;
        graph->condition_capacity = capacity;
    }
    graph->conditions[graph->condition_count++] = (struct join_condition){.expr = expr};
    return TDBPLUS_OK;
}

static tdbplus_status collect(struct optimizer *optimizer, struct join_graph *graph,
                              struct plan *plan)
{
    if (plan->kind != PLAN_JOIN || plan->join_kind != JOIN_INNER) {
        graph->too_many = graph->too_many || graph->input_count == INPUT_COUNT_MAX;
        if (!graph->too_many) {
            graph->inputs[graph->input_count++] = plan;
        }
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < plan->expr_count; i++) {
        TRY(join_graph_add(optimizer, graph, plan->exprs[i]));
    }
    TRY(collect(optimizer, graph, plan->left));
    return collect(optimizer, graph, plan->right);
}

uint64_t join_graph_input_of(const struct join_graph *graph, uint32_t id)
{
    for (uint32_t i = 0; i < graph->input_count; i++) {
        if (plan_find_column(graph->inputs[i], id) != NULL) {
            return (uint64_t)1 << i;
        }
    }
    return 0;
}

static uint64_t inputs_read(const struct join_graph *graph, const struct expr *expr)
{
    uint64_t inputs = expr->kind == EXPR_COLUMN ? join_graph_input_of(graph, expr->number) : 0;
    for (uint32_t i = 0; expr->subquery != NULL && i < expr->subquery->outer_count; i++) {
        inputs |= join_graph_input_of(graph, expr->subquery->outer_ids[i]);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        inputs |= inputs_read(graph, expr->arguments[i]);
    }
    return inputs;
}

/* True when equalities of a pair of inputs cover the key of one of them: then a row of the other
 * meets one row at most. */
static bool covers_key(const struct join_graph *graph, uint64_t pair, uint32_t input)
{
    const struct plan *plan = graph->inputs[input];
    while (plan->kind == PLAN_FILTER) {
        plan = plan->left;
    }
    if (plan->kind != PLAN_SCAN || plan->scan.object->schema->key_count == 0) {
        return false;
    }
    const struct schema *schema = plan->scan.object->schema;
    uint32_t covered = 0;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        bool found = false;
        for (uint32_t c = 0; c < graph->condition_count && !found; c++) {
            const struct join_condition *condition = &graph->conditions[c];
            for (uint32_t i = 0; condition->group != 0 && condition->inputs == pair && i < 2; i++) {
                uint32_t id = condition->expr->arguments[i]->number;
                for (uint32_t p = 0; p < plan->column_count; p++) {
                    found = found || (plan->columns[p].id == id &&
                                      plan->scan.positions[p] == schema->key_columns[k]);
                }
            }
        }
        covered += found;
    }
    return covered == schema->key_count;
}

/* Of all conditions of the pair together no smaller share is likely. */
static double pair_share_min(const struct join_graph *graph, uint64_t pair)
{
    uint32_t first = (uint32_t)__builtin_ctzll(pair);
    uint32_t second = 63u - (uint32_t)__builtin_clzll(pair);
    double rows[2] = {graph->base_rows[first], graph->base_rows[second]};
    if (covers_key(graph, pair, first)) {
        return 1 / rows[0];
    }
    if (covers_key(graph, pair, second)) {
        return 1 / rows[1];
    }
    return 1 / (rows[0] > rows[1] ? rows[0] : rows[1]);
}

static void weigh_condition(struct optimizer *optimizer, struct join_graph *graph, uint32_t number)
{
    struct join_condition *condition = &graph->conditions[number];
    if (__builtin_popcountll(condition->inputs) != 2) {
        condition->share = condition->inputs == 0 ? 1 : 0.3;
        return;
    }
    uint32_t first = (uint32_t)__builtin_ctzll(condition->inputs);
    uint32_t second = 63u - (uint32_t)__builtin_clzll(condition->inputs);
    condition->share = opt_condition_share(optimizer, condition->expr, graph->inputs[first],
                                           graph->inputs[second]);
    double so_far = 1;
    for (uint32_t e = 0; e < number; e++) {
        so_far *= graph->conditions[e].inputs == condition->inputs ? graph->conditions[e].share : 1;
    }
    double least = pair_share_min(graph, condition->inputs) / so_far;
    condition->share = condition->share < least ? least : condition->share;
    condition->share = condition->share > 1 ? 1 : condition->share;
}

static tdbplus_status weigh(struct optimizer *optimizer, struct join_graph *graph)
{
    for (uint32_t i = 0; i < graph->input_count; i++) {
        const struct plan *input = graph->inputs[i];
        graph->rows[i] = opt_estimate_rows(optimizer, input);
        while (input->kind == PLAN_FILTER) {
            input = input->left;
        }
        graph->base_rows[i] = opt_estimate_rows(optimizer, input);
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        graph->conditions[c].inputs = inputs_read(graph, graph->conditions[c].expr);
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        weigh_condition(optimizer, graph, c);
    }
    graph->by_share = arena_array(optimizer->arena, graph->condition_count + 1u, sizeof(uint32_t));
    if (graph->by_share == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        uint32_t at = c;
        for (; at > 0 &&
               graph->conditions[graph->by_share[at - 1]].share < graph->conditions[c].share;
             at--) {
            graph->by_share[at] = graph->by_share[at - 1];
        }
        graph->by_share[at] = c;
    }
    return TDBPLUS_OK;
}

/* Inputs of a set that equalities of one group have connected so far. */
struct connection {
    uint32_t group;
    uint64_t inputs;
};

#define CONNECTION_COUNT_MAX 64u

/* True when the condition tells something that those of its group before it did not. */
static bool connects(struct connection *connections, uint32_t *count,
                     const struct join_condition *condition)
{
    uint64_t joined = condition->inputs;
    if (condition->group == 0) {
        return true;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (connections[i].group == condition->group &&
            (condition->inputs & ~connections[i].inputs) == 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < *count;) {
        if (connections[i].group == condition->group && (connections[i].inputs & joined) != 0) {
            joined |= connections[i].inputs;
            connections[i] = connections[--*count];
        } else {
            i++;
        }
    }
    if (*count < CONNECTION_COUNT_MAX) {
        connections[(*count)++] = (struct connection){condition->group, joined};
    }
    return true;
}

/* Of the equalities of a group those count that connect its inputs, the least selective first: of
 * n columns with d1 <= ... <= dn values each 1 / (d2 * ... * dn) of the combinations is left. */
static double set_rows(const struct join_graph *graph, uint64_t set)
{
    struct connection connections[CONNECTION_COUNT_MAX];
    uint32_t connection_count = 0;
    double rows = 1;
    for (uint32_t i = 0; i < graph->input_count; i++) {
        rows *= (set >> i & 1) != 0 ? graph->rows[i] : 1;
    }
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        const struct join_condition *condition = &graph->conditions[graph->by_share[c]];
        if ((condition->inputs & ~set) == 0 && condition->inputs != 0 &&
            connects(connections, &connection_count, condition)) {
            rows *= condition->share;
        }
    }
    return rows < 1 ? 1 : rows;
}

static bool connected(const struct join_graph *graph, uint64_t left, uint64_t right)
{
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        uint64_t inputs = graph->conditions[c].inputs;
        if ((inputs & left) != 0 && (inputs & right) != 0 && (inputs & ~(left | right)) == 0) {
            return true;
        }
    }
    return false;
}

/* Of joining two sets whose own costs are known; the right one is kept in a table. */
static double join_cost(const struct join_graph *graph, uint64_t left, uint64_t right,
                        double left_rows, double right_rows, double rows)
{
    double cost = rows + COST_BUILD * right_rows + COST_PROBE * left_rows;
    return connected(graph, left, right) ? cost : cost * CROSS_PENALTY;
}

/* ---- putting together ---- */

static bool is_new(uint32_t *asked, uint32_t *asked_count, uint32_t group)
{
    for (uint32_t i = 0; i < *asked_count && group != 0; i++) {
        if (asked[i] == group) {
            return false;
        }
    }
    if (group != 0 && *asked_count < CONNECTION_COUNT_MAX) {
        asked[(*asked_count)++] = group;
    }
    return true;
}

static tdbplus_status make_join(struct optimizer *optimizer, const struct join_graph *graph,
                                uint64_t left_set, uint64_t right_set, struct plan *left,
                                struct plan *right, struct plan **out)
{
    uint32_t count = left->column_count + right->column_count;
    struct plan *join = plan_make(optimizer->arena, PLAN_JOIN, count);
    struct expr **exprs = arena_array(optimizer->arena, graph->condition_count + 1u, sizeof *exprs);
    if (join == NULL || exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    join->join_kind = JOIN_INNER;
    join->left = left;
    join->right = right;
    join->exprs = exprs;
    memcpy(join->columns, left->columns, left->column_count * sizeof *left->columns);
    memcpy(join->columns + left->column_count, right->columns,
           right->column_count * sizeof *right->columns);
    uint64_t set = left_set | right_set;
    uint32_t asked[CONNECTION_COUNT_MAX];
    uint32_t asked_count = 0;
    uint64_t all = graph->input_count == 64 ? UINT64_MAX : ((uint64_t)1 << graph->input_count) - 1;
    for (uint32_t c = 0; c < graph->condition_count; c++) {
        uint64_t inputs = graph->conditions[c].inputs;
        bool here = (inputs & ~set) == 0 && (inputs & ~left_set) != 0 && (inputs & ~right_set) != 0;
        // Conditions about one input or none that were not pushed down are asked at the top.
        bool odd = __builtin_popcountll(inputs) < 2 && set == all;
        // Within each side the columns of a group equal each other already.
        here = here && is_new(asked, &asked_count, graph->conditions[c].group);
        if (here || odd) {
            exprs[join->expr_count++] = graph->conditions[c].expr;
        }
    }
    *out = join;
    return TDBPLUS_OK;
}

static tdbplus_status build(struct optimizer *optimizer, const struct join_graph *graph,
                            const struct join_choice *choices, uint64_t set, struct plan **out)
{
    uint64_t left = choices[set].left;
    if (left == 0) {
        *out = graph->inputs[__builtin_ctzll(set)];
        return TDBPLUS_OK;
    }
    struct plan *sides[2] = {NULL, NULL};
    TRY(build(optimizer, graph, choices, left, &sides[0]));
    TRY(build(optimizer, graph, choices, set & ~left, &sides[1]));
    return make_join(optimizer, graph, left, set & ~left, sides[0], sides[1], out);
}

static tdbplus_status by_programming(struct optimizer *optimizer, const struct join_graph *graph,
                                     struct plan **out)
{
    uint64_t full = ((uint64_t)1 << graph->input_count) - 1;
    struct join_choice *choices = arena_array(optimizer->arena, full + 1, sizeof *choices);
    double *rows = arena_array(optimizer->arena, full + 1, sizeof *rows);
    if (choices == NULL || rows == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint64_t set = 1; set <= full; set++) {
        rows[set] = set_rows(graph, set);
        if ((set & (set - 1)) == 0) {
            continue;
        }
        choices[set].cost = -1;
        for (uint64_t left = (set - 1) & set; left != 0; left = (left - 1) & set) {
            uint64_t right = set & ~left;
            double cost = choices[left].cost + choices[right].cost +
                          join_cost(graph, left, right, rows[left], rows[right], rows[set]);
            // Among equals the order that was written wins, which comes last.
            if (choices[set].cost < 0 || cost <= choices[set].cost) {
                choices[set] = (struct join_choice){.cost = cost, .left = left};
            }
        }
    }
    return build(optimizer, graph, choices, full, out);
}

static tdbplus_status by_greed(struct optimizer *optimizer, const struct join_graph *graph,
                               struct plan **out)
{
    struct plan *plans[INPUT_COUNT_MAX];
    uint64_t sets[INPUT_COUNT_MAX];
    uint32_t count = graph->input_count;
    for (uint32_t i = 0; i < count; i++) {
        plans[i] = graph->inputs[i];
        sets[i] = (uint64_t)1 << i;
    }
    while (count > 1) {
        double best = -1;
        uint32_t best_left = 0;
        uint32_t best_right = 1;
        for (uint32_t l = 0; l < count; l++) {
            for (uint32_t r = 0; r < count; r++) {
                double cost = l == r ? -1
                                     : join_cost(graph, sets[l], sets[r], set_rows(graph, sets[l]),
                                                 set_rows(graph, sets[r]),
                                                 set_rows(graph, sets[l] | sets[r]));
                if (l != r && (best < 0 || cost < best)) {
                    best = cost;
                    best_left = l;
                    best_right = r;
                }
            }
        }
        struct plan *joined = NULL;
        TRY(make_join(optimizer, graph, sets[best_left], sets[best_right], plans[best_left],
                      plans[best_right], &joined));
        plans[best_left] = joined;
        sets[best_left] |= sets[best_right];
        plans[best_right] = plans[count - 1];
        sets[best_right] = sets[count - 1];
        count--;
    }
    *out = plans[0];
    return TDBPLUS_OK;
}

/* A plan with the same columns in the order that its reader expects. */
static tdbplus_status restore_columns(struct optimizer *optimizer, const struct plan *before,
                                      struct plan **plan)
{
    struct plan *project = plan_make(optimizer->arena, PLAN_PROJECT, before->column_count);
    struct expr **exprs = arena_array(optimizer->arena, before->column_count + 1u, sizeof *exprs);
    if (project == NULL || exprs == NULL) {
        return opt_no_memory(optimizer);
    }
    for (uint32_t i = 0; i < before->column_count; i++) {
        project->columns[i] = before->columns[i];
        exprs[i] = expr_column(optimizer->arena, before->columns[i].id, before->columns[i].type);
        if (exprs[i] == NULL) {
            return opt_no_memory(optimizer);
        }
    }
    project->left = *plan;
    project->exprs = exprs;
    project->expr_count = before->column_count;
    *plan = project;
    return TDBPLUS_OK;
}

static bool is_small(const struct join_graph *graph)
{
    double product = 1;
    for (uint32_t i = 0; i < graph->input_count; i++) {
        product *= graph->rows[i];
    }
    return product <= SMALL_PRODUCT;
}

static tdbplus_status order_joins(struct optimizer *optimizer, struct plan **plan, bool by_name)
{
    const struct plan *before = *plan;
    struct join_graph *graph = arena_array(optimizer->arena, 1, sizeof *graph);
    if (graph == NULL) {
        return opt_no_memory(optimizer);
    }
    TRY(collect(optimizer, graph, *plan));
    for (uint32_t i = 0; i < graph->input_count; i++) {
        TRY(order_below(optimizer, &graph->inputs[i]));
    }
    if (graph->too_many) {
        return TDBPLUS_OK;
    }
    if (opt_uses(optimizer, OPT_EQUAL_COLUMNS)) {
        TRY(opt_equal_columns(optimizer, graph));
    }
    TRY(weigh(optimizer, graph));
    if (is_small(graph)) {
        return TDBPLUS_OK; // As written: what can be gained is less than thinking about it costs.
    }
    if (graph->input_count <= PROGRAMMING_MAX) {
        TRY(by_programming(optimizer, graph, plan));
    } else {
        TRY(by_greed(optimizer, graph, plan));
    }
    return by_name ? TDBPLUS_OK : restore_columns(optimizer, before, plan);
}

/* True when a node finds its input's columns by id. */
static bool reads_by_name(const struct plan *plan)
{
    return plan->kind == PLAN_PROJECT || plan->kind == PLAN_AGGREGATE;
}

/* The smaller side of a semi, anti or left join is the one to keep in a table. */
static void turn_join(struct optimizer *optimizer, struct plan *join, bool by_name)
{
    static const uint8_t turned[] = {
        [JOIN_LEFT] = JOIN_RIGHT, [JOIN_SEMI] = JOIN_RIGHT_SEMI, [JOIN_ANTI] = JOIN_RIGHT_ANTI};
    uint8_t kind = join->join_kind;
    bool turns = kind == JOIN_SEMI || kind == JOIN_ANTI || (kind == JOIN_LEFT && by_name);
    if (!turns) {
        return;
    }
    double left = opt_estimate_rows(optimizer, join->left);
    double right = opt_estimate_rows(optimizer, join->right);
    if (left * TURN_SHARE < right && right > TURN_ROWS_MIN) {
        struct plan *kept = join->left;
        join->left = join->right;
        join->right = kept;
        join->join_kind = turned[kind];
    }
}

static bool reads_side(const struct plan *semi, const struct plan *side)
{
    for (uint32_t i = 0; i < semi->expr_count; i++) {
        if (opt_expr_reads(semi->exprs[i], side)) {
            return true;
        }
    }
    return false;
}

/* A semi join above inner joins whose conditions are about one of their inputs drops rows of that
 * input before it is joined, where it is likely to drop many. */
static tdbplus_status sink_semi_join(struct optimizer *optimizer, struct plan **plan)
{
    struct plan *semi = *plan;
    struct plan **at = &semi->left;
    while ((*at)->kind == PLAN_JOIN && (*at)->join_kind == JOIN_INNER) {
        bool left = reads_side(semi, (*at)->left);
        bool right = reads_side(semi, (*at)->right);
        if (left == right) {
            return TDBPLUS_OK;
        }
        at = left ? &(*at)->left : &(*at)->right;
    }
    double rows = opt_estimate_rows(optimizer, *at);
    if (at == &semi->left || opt_estimate_rows(optimizer, semi->right) > rows * SINK_SHARE) {
        return TDBPLUS_OK;
    }
    struct plan_column *columns =
        arena_array(optimizer->arena, (*at)->column_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return opt_no_memory(optimizer);
    }
    memcpy(columns, (*at)->columns, (*at)->column_count * sizeof *columns);
    semi->columns = columns;
    semi->column_count = (*at)->column_count;
    *plan = semi->left;
    semi->left = *at;
    *at = semi;
    return TDBPLUS_OK;
}

static tdbplus_status order_input(struct optimizer *optimizer, struct plan **plan, bool by_name)
{
    if (*plan == NULL) {
        return TDBPLUS_OK;
    }
    if ((*plan)->kind == PLAN_JOIN && (*plan)->join_kind == JOIN_SEMI) {
        TRY(sink_semi_join(optimizer, plan));
    }
    if ((*plan)->kind == PLAN_JOIN && (*plan)->join_kind == JOIN_INNER) {
        return order_joins(optimizer, plan, by_name);
    }
    bool passes = (*plan)->kind == PLAN_FILTER || (*plan)->kind == PLAN_JOIN ||
                  (*plan)->kind == PLAN_SORT || (*plan)->kind == PLAN_LIMIT;
    bool inner = reads_by_name(*plan) || (passes && by_name);
    TRY(order_input(optimizer, &(*plan)->left, inner));
    TRY(order_input(optimizer, &(*plan)->right, inner));
    if ((*plan)->kind == PLAN_JOIN) {
        turn_join(optimizer, *plan, by_name);
    }
    return TDBPLUS_OK;
}

static tdbplus_status order_below(struct optimizer *optimizer, struct plan **plan)
{
    return order_input(optimizer, plan, true);
}

tdbplus_status opt_join_order(struct optimizer *optimizer, struct plan **plan)
{
    return order_input(optimizer, plan, false);
}
