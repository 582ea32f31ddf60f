/* GROUP BY: what it groups by, and expressions over groups. */

#include <string.h>

#include "sql/bind/bind_internal.h"

#define TARGET_COUNT_MAX 1664u /* As PostgreSQL, which adds what it sorts and groups by. */

static tdbplus_status add_key(struct binder *binder, struct bind_grouping *grouping,
                              struct expr *key, uint32_t *number_out)
{
    if (key->type.id == TYPE_NONE) {
        TRY(bind_coerce(binder, &key, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
    }
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        if (expr_equal(grouping->keys.items[i], key)) {
            *number_out = i;
            return TDBPLUS_OK;
        }
    }
    *number_out = grouping->keys.count;
    return pointers_push(binder->arena, &grouping->keys, key) ? TDBPLUS_OK : bind_no_memory(binder);
}

tdbplus_status bind_limit_entries(struct binder *binder, uint32_t count)
{
    return count <= TARGET_COUNT_MAX
               ? TDBPLUS_OK
               : bind_fail(binder, TDBPLUS_E_LIMIT, "54011", 0,
                           "target lists can have at most %u entries", TARGET_COUNT_MAX);
}

tdbplus_status bind_reject_constant(struct binder *binder, const struct ast *ast,
                                    const char *clause)
{
    uint8_t kind =
        ast->kind == AST_CONSTANT ? ((const struct ast_constant *)ast)->constant : AST_NULL;
    if (kind != AST_STRING && kind != AST_NUMBER) {
        return TDBPLUS_OK;
    }
    return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->position, "non-integer constant in %s",
                     clause);
}

/* An integer is the number of a select item, a name may be an alias; PostgreSQL prefers the input's
 * column to the alias here. */
static tdbplus_status bind_key(struct binder *binder, struct bind_query *query,
                               const struct ast *ast, struct bind_targets *targets,
                               struct expr **key_out)
{
    if (ast->kind == AST_CONSTANT && ((const struct ast_constant *)ast)->constant == AST_INTEGER) {
        int32_t number = ((const struct ast_constant *)ast)->integer;
        if (number < 1 || (uint32_t)number > targets->exprs.count) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->position,
                             "GROUP BY position %d is not in select list", number);
        }
        *key_out = targets->exprs.items[number - 1];
        return TDBPLUS_OK;
    }
    TRY(bind_reject_constant(binder, ast, "GROUP BY"));
    if (ast->kind == AST_COLUMN_REF && ((const struct ast_column_ref *)ast)->names.count == 1) {
        const char *name = ((const struct ast_column_ref *)ast)->names.items[0];
        bool ambiguous = false;
        const struct bind_qualifier none = {0};
        if (bind_peek_column(query, &none, name, &ambiguous) == NULL) {
            for (uint32_t i = 0; i < targets->names.count; i++) {
                if (targets->names.items[i] != NULL && strcmp(targets->names.items[i], name) == 0) {
                    *key_out = targets->exprs.items[i];
                    return TDBPLUS_OK;
                }
            }
        }
    }
    return bind_stored(binder, query, ast, key_out);
}

static bool is_aggregate_id(const struct bind_query *query, uint32_t id)
{
    for (uint32_t i = 0; i < query->aggregates.count; i++) {
        if (((const struct bind_aggregate *)query->aggregates.items[i])->id == id) {
            return true;
        }
    }
    return false;
}

static bool has_aggregate(const struct bind_query *query, const struct expr *expr)
{
    if (expr->kind == EXPR_COLUMN && is_aggregate_id(query, expr->number)) {
        return true;
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (has_aggregate(query, expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

static bool has_window(const struct bind_query *query, const struct expr *expr)
{
    for (uint32_t i = 0; expr->kind == EXPR_COLUMN && i < query->calls.count; i++) {
        if (((const struct bind_window_call *)query->calls.items[i])->id == expr->number) {
            return true;
        }
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        if (has_window(query, expr->arguments[i])) {
            return true;
        }
    }
    return false;
}

/* One expression of GROUP BY: the number of its key. */
static tdbplus_status find_key(struct binder *binder, struct bind_query *query,
                               const struct ast *item, struct bind_targets *targets,
                               struct bind_grouping *grouping, uint32_t *number_out)
{
    struct expr *key = NULL;
    TRY(bind_key(binder, query, item, targets, &key));
    if (has_aggregate(query, key)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", item->position,
                         "aggregate functions are not allowed in GROUP BY");
    }
    if (has_window(query, key)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P20", item->position,
                         "window functions are not allowed in GROUP BY");
    }
    return add_key(binder, grouping, key, number_out);
}

/* ---- grouping sets ---- */

#define SET_COUNT_MAX     4096u /* As PostgreSQL. */
#define CUBE_ELEMENTS_MAX 12u

/* Key numbers, each once. */
struct group_set {
    uint32_t *keys;
    uint32_t count;
};

static bool set_has(const struct group_set *set, uint32_t key)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->keys[i] == key) {
            return true;
        }
    }
    return false;
}

/* The union of two sets as one more of the list. */
static tdbplus_status add_set(struct binder *binder, struct pointers *sets,
                              const struct group_set *left, const struct group_set *right)
{
    if (sets->count >= SET_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54001", 0,
                         "too many grouping sets present (maximum %u)", SET_COUNT_MAX);
    }
    struct group_set *set = arena_array(binder->arena, 1, sizeof *set);
    uint32_t room = left->count + (right != NULL ? right->count : 0) + 1;
    if (set == NULL || !pointers_push(binder->arena, sets, set)) {
        return bind_no_memory(binder);
    }
    set->keys = arena_array(binder->arena, room, sizeof *set->keys);
    if (set->keys == NULL) {
        return bind_no_memory(binder);
    }
    const struct group_set *parts[2] = {left, right};
    for (uint32_t p = 0; p < 2 && parts[p] != NULL; p++) {
        for (uint32_t i = 0; i < parts[p]->count; i++) {
            if (!set_has(set, parts[p]->keys[i])) {
                set->keys[set->count++] = parts[p]->keys[i];
            }
        }
    }
    return TDBPLUS_OK;
}

struct group_binder {
    struct binder *binder;
    struct bind_query *query;
    struct bind_targets *targets;
    struct bind_grouping *grouping;
};

/* An expression, or several in parentheses, as one set. */
static tdbplus_status simple_set(const struct group_binder *group, const struct ast *ast,
                                 struct group_set *set_out)
{
    struct binder *binder = group->binder;
    const struct ast *single[1] = {ast};
    bool row = ast->kind == AST_ROW;
    uint32_t count = row ? ((const struct ast_row *)ast)->elements.count : 1;
    *set_out = (struct group_set){.keys = arena_array(binder->arena, count + 1u, sizeof(uint32_t))};
    if (set_out->keys == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct ast *item = row ? ((const struct ast_row *)ast)->elements.items[i] : single[i];
        uint32_t number = 0;
        TRY(find_key(binder, group->query, item, group->targets, group->grouping, &number));
        if (!set_has(set_out, number)) {
            set_out->keys[set_out->count++] = number;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status expand_element(const struct group_binder *group, const struct ast *ast,
                                     struct pointers *sets);

/* ROLLUP (a, b): (a, b), (a), (). CUBE: all subsets. */
static tdbplus_status expand_powers(const struct group_binder *group,
                                    const struct ast_grouping_set *ast, struct pointers *sets)
{
    struct binder *binder = group->binder;
    uint32_t count = ast->elements.count;
    bool cube = ast->grouping_kind == AST_CUBE;
    if (cube && count > CUBE_ELEMENTS_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", ast->ast.position,
                         "CUBE is limited to %u elements", CUBE_ELEMENTS_MAX);
    }
    struct group_set *elements = arena_array(binder->arena, count + 1u, sizeof *elements);
    if (elements == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(simple_set(group, ast->elements.items[i], &elements[i]));
    }
    uint32_t total = cube ? 1u << count : count + 1;
    for (uint32_t s = total; s-- > 0;) {
        struct pointers made = {0};
        struct group_set none = {0};
        TRY(add_set(binder, &made, &none, NULL));
        for (uint32_t i = 0; i < count; i++) {
            bool wanted = cube ? (s >> (count - 1 - i) & 1) != 0 : i < s;
            if (wanted) {
                const struct group_set *so_far = made.items[made.count - 1];
                made.count--;
                TRY(add_set(binder, &made, so_far, &elements[i]));
            }
        }
        TRY(add_set(binder, sets, made.items[0], NULL));
    }
    return TDBPLUS_OK;
}

static tdbplus_status expand_element(const struct group_binder *group, const struct ast *ast,
                                     struct pointers *sets)
{
    const struct ast_grouping_set *set = (const struct ast_grouping_set *)ast;
    struct group_set one = {0};
    if (ast->kind != AST_GROUPING_SET) {
        TRY(simple_set(group, ast, &one));
        return add_set(group->binder, sets, &one, NULL);
    }
    if (set->grouping_kind == AST_GROUPING_EMPTY) {
        return add_set(group->binder, sets, &one, NULL);
    }
    if (set->grouping_kind != AST_GROUPING_SETS) {
        return expand_powers(group, set, sets);
    }
    TRY(bind_enter(group->binder));
    for (uint32_t i = 0; i < set->elements.count; i++) {
        TRY(expand_element(group, set->elements.items[i], sets));
    }
    bind_leave(group->binder);
    return TDBPLUS_OK;
}

static bool same_set(const struct group_set *left, const struct group_set *right)
{
    bool same = left->count == right->count;
    for (uint32_t i = 0; same && i < left->count; i++) {
        same = set_has(right, left->keys[i]);
    }
    return same;
}

/* GROUP BY DISTINCT: each set once. */
static void drop_equal_sets(struct pointers *sets)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sets->count; i++) {
        bool again = false;
        for (uint32_t k = 0; k < kept && !again; k++) {
            again = same_set(sets->items[k], sets->items[i]);
        }
        if (!again) {
            sets->items[kept++] = sets->items[i];
        }
    }
    sets->count = kept;
}

/* Several elements of GROUP BY: each set of one with each of the others. */
static tdbplus_status bind_sets(const struct group_binder *group, const struct ast_select *ast)
{
    struct binder *binder = group->binder;
    struct pointers sets = {0};
    struct group_set none = {0};
    TRY(add_set(binder, &sets, &none, NULL));
    for (uint32_t i = 0; i < ast->groups.count; i++) {
        struct pointers more = {0};
        struct pointers all = {0};
        TRY(expand_element(group, ast->groups.items[i], &more));
        for (uint32_t s = 0; s < sets.count; s++) {
            for (uint32_t m = 0; m < more.count; m++) {
                TRY(add_set(binder, &all, sets.items[s], more.items[m]));
            }
        }
        sets = all;
    }
    if (ast->group_distinct) {
        drop_equal_sets(&sets);
    }
    group->grouping->sets = sets;
    return TDBPLUS_OK;
}

tdbplus_status bind_group_keys(struct binder *binder, struct bind_query *query,
                               const struct ast_select *ast, struct bind_targets *targets,
                               struct bind_grouping *grouping)
{
    uint8_t clause = query->clause;
    TRY(bind_limit_entries(binder, ast->groups.count));
    query->clause = CLAUSE_GROUP;
    bool sets = false;
    for (uint32_t i = 0; i < ast->groups.count; i++) {
        sets = sets || ast->groups.items[i]->kind == AST_GROUPING_SET;
    }
    struct group_binder group = {binder, query, targets, grouping};
    bool all = bind_groups_all(ast);
    for (uint32_t i = 0; all && i < targets->exprs.count; i++) {
        struct expr *expr = targets->exprs.items[i];
        if (bind_is_group_key(query, expr) &&
            !pointers_push(binder->arena, &grouping->keys, expr)) {
            return bind_no_memory(binder);
        }
    }
    if (sets) {
        TRY(bind_sets(&group, ast));
    }
    for (uint32_t i = 0; !sets && !all && i < ast->groups.count; i++) {
        struct group_set set = {0};
        TRY(simple_set(&group, ast->groups.items[i], &set));
    }
    query->clause = clause;
    // Columns that a primary key implies may be added.
    grouping->ids = arena_array(
        binder->arena, (size_t)grouping->keys.count + query->columns.count + 1, sizeof(uint32_t));
    if (grouping->ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        // A plain column keeps its id, so that subqueries find it above too.
        const struct expr *key = grouping->keys.items[i];
        grouping->ids[i] = key->kind == EXPR_COLUMN ? key->number : binder->next_id++;
    }
    grouping->set_id = binder->next_id++;
    grouping->needed = ast->groups.count > 0 || ast->having != NULL || query->groupings.count > 0;
    return TDBPLUS_OK;
}

/* ---- GROUPING(...) ---- */

tdbplus_status bind_grouping_call(struct binder *binder, struct bind_query *query,
                                  const struct ast_grouping_call *ast, struct expr **expr_out)
{
    const char *clause = bind_clause_name(query->clause);
    if (clause != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", ast->ast.position,
                         "grouping operations are not allowed in %s", clause);
    }
    if (ast->arguments.count > 31) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54023", ast->ast.position,
                         "GROUPING must have fewer than 32 arguments");
    }
    struct bind_grouping_call *call = arena_array(binder->arena, 1, sizeof *call);
    if (call == NULL || !pointers_push(binder->arena, &query->groupings, call)) {
        return bind_no_memory(binder);
    }
    call->id = binder->next_id++;
    call->position = ast->ast.position;
    for (uint32_t i = 0; i < ast->arguments.count; i++) {
        struct expr *argument = NULL;
        TRY(bind_stored(binder, query, ast->arguments.items[i], &argument));
        if (!pointers_push(binder->arena, &call->arguments, argument)) {
            return bind_no_memory(binder);
        }
    }
    *expr_out = expr_column(binder->arena, call->id, type_of(TYPE_INT4));
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status integer(struct binder *binder, int64_t value, struct expr **expr_out)
{
    struct datum datum = {.type = type_of(TYPE_INT4), .integer = value};
    *expr_out = expr_constant(binder->arena, &datum);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* A bit for each argument that is not in the set; the last argument is the lowest bit. */
static tdbplus_status grouping_bits(struct binder *binder, struct bind_grouping *grouping,
                                    const struct bind_grouping_call *call, uint32_t set,
                                    int64_t *bits_out)
{
    *bits_out = 0;
    for (uint32_t a = 0; a < call->arguments.count; a++) {
        uint32_t key = 0;
        while (key < grouping->keys.count &&
               !expr_equal(grouping->keys.items[key], call->arguments.items[a])) {
            key++;
        }
        if (key == grouping->keys.count) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42803",
                             ((const struct expr *)call->arguments.items[a])->position,
                             "arguments to GROUPING must be grouping expressions of the "
                             "associated query level");
        }
        bool in = grouping->sets.count <= 1 || set_has(grouping->sets.items[set], key);
        *bits_out = *bits_out << 1 | !in;
    }
    return TDBPLUS_OK;
}

/* CASE over the number of the set. */
static tdbplus_status grouping_value(struct binder *binder, struct bind_grouping *grouping,
                                     const struct bind_grouping_call *call, struct expr **expr_out)
{
    uint32_t sets = grouping->sets.count;
    int64_t bits = 0;
    if (sets <= 1) {
        TRY(grouping_bits(binder, grouping, call, 0, &bits));
        return integer(binder, bits, expr_out);
    }
    struct expr *choice =
        expr_make(binder->arena, EXPR_CASE, type_of(TYPE_INT4), 2 * (sets - 1) + 1);
    if (choice == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t s = 0; s + 1 < sets; s++) {
        struct expr *sides[2] = {expr_column(binder->arena, grouping->set_id, type_of(TYPE_INT4)),
                                 NULL};
        if (sides[0] == NULL) {
            return bind_no_memory(binder);
        }
        TRY(integer(binder, s, &sides[1]));
        TRY(bind_call(binder, "=", true, sides, 2, 0, &choice->arguments[2 * s]));
        TRY(grouping_bits(binder, grouping, call, s, &bits));
        TRY(integer(binder, bits, &choice->arguments[2 * s + 1]));
    }
    TRY(grouping_bits(binder, grouping, call, sets - 1, &bits));
    TRY(integer(binder, bits, &choice->arguments[2 * (sets - 1)]));
    *expr_out = choice;
    return TDBPLUS_OK;
}

static const struct bind_grouping_call *find_grouping_call(const struct bind_query *query,
                                                           const struct expr *expr)
{
    for (uint32_t i = 0; expr->kind == EXPR_COLUMN && i < query->groupings.count; i++) {
        const struct bind_grouping_call *call = query->groupings.items[i];
        if (call->id == expr->number) {
            return call;
        }
    }
    return NULL;
}

/* ---- the plan ---- */

/* Each row once a set; the keys' copies, which are null outside of their sets, are what is grouped
 * by, and the number of the set with them. */
static tdbplus_status put_sets(struct binder *binder, struct bind_grouping *grouping,
                               struct plan *group)
{
    struct plan *input = group->left;
    uint32_t keys = grouping->keys.count;
    uint32_t sets = grouping->sets.count;
    struct plan *node = plan_make(binder->arena, PLAN_GROUPING, input->column_count + keys + 1);
    uint8_t *in_set = arena_array(binder->arena, (size_t)sets * keys + 1, sizeof *in_set);
    uint32_t *empty = arena_array(binder->arena, sets + 1u, sizeof *empty);
    struct expr **copies = arena_array(binder->arena, keys + 1u, sizeof *copies);
    if (node == NULL || in_set == NULL || empty == NULL || copies == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(node->columns, input->columns, input->column_count * sizeof *node->columns);
    node->left = input;
    node->exprs = (struct expr **)grouping->keys.items;
    node->expr_count = keys;
    node->in_set = in_set;
    node->set_count = sets;
    for (uint32_t k = 0; k <= keys; k++) {
        struct type type =
            k < keys ? ((const struct expr *)grouping->keys.items[k])->type : type_of(TYPE_INT4);
        struct plan_column *column = &node->columns[input->column_count + k];
        *column = (struct plan_column){.id = binder->next_id++, .type = type};
        copies[k] = expr_column(binder->arena, column->id, type);
        if (copies[k] == NULL) {
            return bind_no_memory(binder);
        }
    }
    group->empty_sets = empty;
    for (uint32_t s = 0; s < sets; s++) {
        const struct group_set *set = grouping->sets.items[s];
        for (uint32_t i = 0; i < set->count; i++) {
            in_set[s * keys + set->keys[i]] = 1;
        }
        if (set->count == 0) {
            empty[group->empty_set_count++] = s;
        }
    }
    group->left = node;
    group->exprs = copies;
    group->expr_count = keys + 1;
    return TDBPLUS_OK;
}

/* The direct arguments of ordered sets are the same for all rows of a group. */
static tdbplus_status check_direct(struct binder *binder, struct bind_query *query,
                                   struct bind_grouping *grouping,
                                   const struct plan_aggregate *aggregate)
{
    for (uint32_t i = 0; i < aggregate->direct_count; i++) {
        struct expr *copy = aggregate->direct[i];
        TRY(bind_over_groups(binder, query, grouping, &copy));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_aggregate_plan(struct binder *binder, struct bind_query *query,
                                   struct bind_grouping *grouping, struct plan **plan)
{
    bool sets = grouping->sets.count > 1;
    uint32_t key_count = grouping->keys.count;
    uint32_t first = key_count + (sets ? 1u : 0u);
    uint32_t aggregate_count = query->aggregates.count;
    struct plan *group = plan_make(binder->arena, PLAN_AGGREGATE, first + aggregate_count);
    if (group == NULL) {
        return bind_no_memory(binder);
    }
    group->left = *plan;
    group->exprs = (struct expr **)grouping->keys.items;
    group->expr_count = key_count;
    group->aggregate_count = aggregate_count;
    group->aggregates = arena_array(binder->arena, aggregate_count + 1u, sizeof *group->aggregates);
    if (group->aggregates == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < key_count; i++) {
        const struct expr *key = grouping->keys.items[i];
        group->columns[i] = (struct plan_column){.id = grouping->ids[i], .type = key->type};
    }
    if (sets) {
        group->columns[key_count] =
            (struct plan_column){.id = grouping->set_id, .type = type_of(TYPE_INT4)};
        TRY(put_sets(binder, grouping, group));
    }
    for (uint32_t i = 0; i < aggregate_count; i++) {
        const struct bind_aggregate *aggregate = query->aggregates.items[i];
        TRY(check_direct(binder, query, grouping, &aggregate->aggregate));
        group->aggregates[i] = aggregate->aggregate;
        group->columns[first + i] =
            (struct plan_column){.id = aggregate->id, .type = aggregate->type};
    }
    *plan = group;
    return TDBPLUS_OK;
}

static tdbplus_status ungrouped(struct binder *binder, const struct bind_query *query, uint32_t id,
                                uint32_t position, bool in_subquery)
{
    const char *table = NULL;
    const char *name = "?column?";
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (column->id == id) {
            table = column->table;
            name = column->name;
        }
    }
    if (in_subquery) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "subquery uses ungrouped column \"%s%s%s\" from outer query",
                         table != NULL ? table : "", table != NULL ? "." : "", name);
    }
    return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                     "column \"%s%s%s\" must appear in the GROUP BY clause or be used in an "
                     "aggregate function",
                     table != NULL ? table : "", table != NULL ? "." : "", name);
}

static bool is_input_id(const struct bind_query *query, uint32_t id)
{
    for (uint32_t i = 0; i < query->columns.count; i++) {
        if (((const struct bind_column *)query->columns.items[i])->id == id) {
            return true;
        }
    }
    return false;
}

static bool is_key_id(struct bind_grouping *grouping, uint32_t id)
{
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        if (grouping->ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Grouped by a table's primary key, its other columns are the same in a group: they are grouped by
 * too. */
static tdbplus_status imply_key(struct binder *binder, const struct bind_query *query,
                                struct bind_grouping *grouping, uint32_t id, bool *implied_out)
{
    for (uint32_t i = 0; i < query->tables.count && grouping->sets.count <= 1; i++) {
        const struct bind_lockable *table = query->tables.items[i];
        const struct plan_column *column = plan_find_column(table->scan, id);
        bool keyed = column != NULL;
        for (uint32_t k = 0; keyed && k < table->key_count; k++) {
            keyed = is_key_id(grouping, table->key_ids[k]);
        }
        if (!keyed) {
            continue;
        }
        struct expr *key = expr_column(binder->arena, id, column->type);
        if (key == NULL || !pointers_push(binder->arena, &grouping->keys, key)) {
            return bind_no_memory(binder);
        }
        grouping->ids[grouping->keys.count - 1] = id;
        *implied_out = true;
        return TDBPLUS_OK;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_over_groups(struct binder *binder, struct bind_query *query,
                                struct bind_grouping *grouping, struct expr **expr)
{
    const struct bind_grouping_call *call = find_grouping_call(query, *expr);
    if (call != NULL) {
        return grouping_value(binder, grouping, call, expr);
    }
    for (uint32_t i = 0; i < grouping->keys.count; i++) {
        const struct expr *key = grouping->keys.items[i];
        bool column = key->kind == EXPR_COLUMN && (*expr)->kind == EXPR_COLUMN &&
                      key->number == (*expr)->number; // Perhaps with another length.
        if (column || expr_equal(key, *expr)) {
            uint32_t position = (*expr)->position;
            *expr = expr_column(binder->arena, grouping->ids[i], key->type);
            if (*expr == NULL) {
                return bind_no_memory(binder);
            }
            (*expr)->position = position;
            return TDBPLUS_OK;
        }
    }
    if ((*expr)->kind == EXPR_COLUMN && is_input_id(query, (*expr)->number)) {
        bool implied = false;
        TRY(imply_key(binder, query, grouping, (*expr)->number, &implied));
        return implied ? TDBPLUS_OK
                       : ungrouped(binder, query, (*expr)->number, (*expr)->position, false);
    }
    const struct expr_subquery *subquery = (*expr)->subquery;
    for (uint32_t i = 0; subquery != NULL && i < subquery->outer_count; i++) {
        uint32_t id = subquery->outer_ids[i];
        bool implied = false;
        if (is_input_id(query, id) && !is_key_id(grouping, id)) {
            TRY(imply_key(binder, query, grouping, id, &implied));
        }
        if (is_input_id(query, id) && !is_key_id(grouping, id)) {
            return ungrouped(binder, query, id, (*expr)->position, true);
        }
    }
    if ((*expr)->argument_count == 0) {
        return TDBPLUS_OK;
    }
    // The node may be shared with a group key or another target; this copy is ours.
    struct expr *copy = expr_make(binder->arena, (enum expr_kind)(*expr)->kind, (*expr)->type,
                                  (*expr)->argument_count);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    struct expr **arguments = copy->arguments;
    *copy = **expr;
    copy->arguments = arguments;
    for (uint32_t i = 0; i < copy->argument_count; i++) {
        arguments[i] = (*expr)->arguments[i];
        TRY(bind_over_groups(binder, query, grouping, &arguments[i]));
    }
    *expr = copy;
    return TDBPLUS_OK;
}
