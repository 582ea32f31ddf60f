/* Aggregates: what they are given and where they may stand. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"

const char *bind_clause_name(uint8_t clause)
{
    static const char *const names[] = {
        [CLAUSE_SELECT] = NULL,
        [CLAUSE_WHERE] = "WHERE",
        [CLAUSE_ON] = "JOIN conditions",
        [CLAUSE_GROUP] = "GROUP BY",
        [CLAUSE_HAVING] = NULL,
        [CLAUSE_ORDER] = NULL,
        [CLAUSE_LIMIT] = "LIMIT",
        [CLAUSE_VALUES] = "VALUES",
        [CLAUSE_RETURNING] = "RETURNING",
        [CLAUSE_UPDATE] = "UPDATE",
        [CLAUSE_DEFAULT] = "DEFAULT expressions",
        [CLAUSE_CHECK] = "check constraints",
        [CLAUSE_FROM_FUNCTION] = "functions in FROM",
        [CLAUSE_COPY] = "COPY FROM WHERE conditions",
        [CLAUSE_WINDOW] = NULL,
    };
    return names[clause];
}

static bool same_exprs(struct expr *const *left, struct expr *const *right, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!expr_equal(left[i], right[i])) {
            return false;
        }
    }
    return true;
}

static bool same_order(const struct plan_aggregate *left, const struct plan_aggregate *right)
{
    for (uint32_t i = 0; i < left->order_count; i++) {
        const struct plan_key *a = &left->order[i];
        const struct plan_key *b = &right->order[i];
        if (a->descending != b->descending || a->nulls_first != b->nulls_first ||
            !expr_equal(a->value, b->value)) {
            return false;
        }
    }
    return true;
}

static bool same_aggregate(const struct plan_aggregate *left, const struct plan_aggregate *right)
{
    if (left->aggregate != right->aggregate || left->distinct != right->distinct ||
        left->ordered_set != right->ordered_set || left->argument_count != right->argument_count ||
        left->order_count != right->order_count || left->direct_count != right->direct_count ||
        (left->filter == NULL) != (right->filter == NULL) ||
        (left->filter != NULL && !expr_equal(left->filter, right->filter))) {
        return false;
    }
    return same_exprs(left->arguments, right->arguments, left->argument_count) &&
           same_exprs(left->direct, right->direct, left->direct_count) && same_order(left, right);
}

/* The column that the aggregate becomes; equal ones are computed once. */
static tdbplus_status add_aggregate(struct binder *binder, struct bind_query *query,
                                    const struct plan_aggregate *aggregate, struct type type,
                                    struct expr **expr_out)
{
    struct bind_aggregate *found = NULL;
    for (uint32_t i = 0; i < query->aggregates.count && found == NULL; i++) {
        struct bind_aggregate *other = query->aggregates.items[i];
        found = same_aggregate(&other->aggregate, aggregate) ? other : NULL;
    }
    if (found == NULL) {
        found = arena_array(binder->arena, 1, sizeof *found);
        if (found == NULL || !pointers_push(binder->arena, &query->aggregates, found)) {
            return bind_no_memory(binder);
        }
        *found = (struct bind_aggregate){*aggregate, binder->next_id++, type};
    }
    *expr_out = expr_column(binder->arena, found->id, type);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status check_aggregate(struct binder *binder, const struct bind_query *query,
                                      const struct ast_function *ast)
{
    uint32_t position = ast->ast.position;
    if (query->in_aggregate) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "aggregate function calls cannot be nested");
    }
    if (query->reads_itself) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P19", position,
                         "aggregate functions are not allowed in a recursive query's recursive "
                         "term");
    }
    if (bind_clause_name(query->clause) != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42803", position,
                         "aggregate functions are not allowed in %s",
                         bind_clause_name(query->clause));
    }
    return TDBPLUS_OK;
}

/* Of these PostgreSQL does not say which one is meant by an unknown literal. */
static bool is_ambiguous(const char *name)
{
    static const char *const names[] = {"sum", "avg", "array_agg", "bit_and", "bit_or", "bit_xor"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Arguments and FILTER of a call, which become what the aggregate wants. */
tdbplus_status bind_aggregate_call(struct binder *binder, struct bind_query *query,
                                   const struct ast_function *ast, const char *name,
                                   struct plan_aggregate *aggregate, struct type *type_out)
{
    struct type types[2] = {0};
    struct type wanted[2] = {0};
    aggregate->argument_count = ast->arguments.count;
    for (uint32_t i = 0; i < ast->arguments.count; i++) {
        struct expr *argument = NULL;
        TRY(bind_expression(binder, query, ast->arguments.items[i], &argument));
        if (i < 2) {
            TRY(bind_labels_as_text(binder, name, &argument, 1));
            TRY(document_aggregated(binder, name, &argument));
            aggregate->arguments[i] = argument;
            types[i] = argument->type;
        }
    }
    if (ast->filter != NULL) {
        TRY(bind_condition(binder, query, ast->filter, "FILTER", &aggregate->filter));
    }
    bool wants_type = strcmp(name, "jsonb_agg") == 0 || strcmp(name, "json_agg") == 0;
    if (wants_type && ast->arguments.count == 1 && types[0].id == TYPE_NONE) {
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->ast.position,
                         "could not determine polymorphic type because input has type unknown");
    }
    if (!ast->star && ast->arguments.count == 0 && strcmp(name, "count") == 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", ast->ast.position,
                         "%s(*) must be used to call a parameterless aggregate function", name);
    }
    if (ast->arguments.count == 1 && types[0].id == TYPE_NONE && is_ambiguous(name)) {
        return bind_function_missing(binder, name, aggregate->arguments, 1, ast->ast.position,
                                     FUNC_AMBIGUOUS);
    }
    enum func_found found = FUNC_NOT_FOUND;
    if (ast->arguments.count <= 2) {
        found = aggregate_resolve(name, types, ast->arguments.count, &aggregate->aggregate, wanted,
                                  type_out);
    }
    if (found != FUNC_FOUND) {
        uint32_t count = ast->arguments.count > 2 ? 2 : ast->arguments.count;
        return bind_function_missing(binder, name, aggregate->arguments, count, ast->ast.position,
                                     FUNC_NOT_FOUND);
    }
    for (uint32_t i = 0; i < aggregate->argument_count; i++) {
        TRY(bind_coerce(binder, &aggregate->arguments[i], wanted[i], FUNC_CAST_IMPLICIT));
    }
    return TDBPLUS_OK;
}

/* ---- ORDER BY ---- */

static tdbplus_status bind_order(struct binder *binder, struct bind_query *query,
                                 const struct ast_list *list, struct plan_aggregate *aggregate)
{
    aggregate->order = arena_array(binder->arena, list->count + 2u, sizeof *aggregate->order);
    if (aggregate->order == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ast_sort_key *key = (const struct ast_sort_key *)list->items[i];
        struct plan_key *order = &aggregate->order[i];
        if (key->using_operator != NULL) {
            return bind_unsupported(binder, key->ast.position, "ORDER BY ... USING");
        }
        TRY(bind_expression(binder, query, key->value, &order->value));
        if (order->value->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &order->value, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
        }
        order->descending = key->descending;
        order->nulls_first = key->nulls_given ? key->nulls_first : key->descending;
    }
    aggregate->order_count = list->count;
    return TDBPLUS_OK;
}

/* True when the result is the same in any order of the rows. */
static bool any_order(const struct plan_aggregate *aggregate)
{
    static const char *const names[] = {"count", "min",    "max",     "bool_and", "bool_or",
                                        "every", "bit_or", "bit_and", "bit_xor"};
    const char *name = aggregate->aggregate->name;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    bool sums = strcmp(name, "sum") == 0 || strcmp(name, "avg") == 0;
    uint8_t type = aggregate->arguments[0]->type.id;
    return sums && type != TYPE_FLOAT4 && type != TYPE_FLOAT8;
}

/* DISTINCT orders by all arguments, as PostgreSQL does by sorting, and takes no other order. */
static tdbplus_status order_distinct(struct binder *binder, struct plan_aggregate *aggregate,
                                     uint32_t position)
{
    for (uint32_t i = 0; i < aggregate->order_count; i++) {
        bool found = false;
        for (uint32_t a = 0; a < aggregate->argument_count; a++) {
            found = found || expr_equal(aggregate->arguments[a], aggregate->order[i].value);
        }
        if (!found) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10",
                             aggregate->order[i].value->position != 0
                                 ? aggregate->order[i].value->position
                                 : position,
                             "in an aggregate with DISTINCT, ORDER BY expressions must appear in "
                             "argument list");
        }
    }
    if (aggregate->order_count > 0 || aggregate->argument_count == 0 || any_order(aggregate)) {
        return TDBPLUS_OK;
    }
    for (uint32_t a = 0; a < aggregate->argument_count; a++) {
        aggregate->order[a] = (struct plan_key){.value = aggregate->arguments[a]};
    }
    aggregate->order_count = aggregate->argument_count;
    return TDBPLUS_OK;
}

/* ---- WITHIN GROUP ---- */

static uint8_t ordered_set_of(const char *name)
{
    static const char *const names[] = {
        [ORDERED_NONE] = "",
        [ORDERED_PERCENTILE_CONT] = "percentile_cont",
        [ORDERED_PERCENTILE_DISC] = "percentile_disc",
        [ORDERED_MODE] = "mode",
        [ORDERED_RANK] = "rank",
        [ORDERED_DENSE_RANK] = "dense_rank",
        [ORDERED_PERCENT_RANK] = "percent_rank",
        [ORDERED_CUME_DIST] = "cume_dist",
    };
    for (uint8_t i = 1; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return i;
        }
    }
    return ORDERED_NONE;
}

bool bind_is_ordered_set(const char *name)
{
    uint8_t kind = ordered_set_of(name);
    return kind != ORDERED_NONE && kind < ORDERED_RANK;
}

/* All arguments, direct ones first, for the error that names their types. */
static tdbplus_status ordered_missing(struct binder *binder, const struct plan_aggregate *aggregate,
                                      const char *name, uint32_t position)
{
    uint32_t count = aggregate->direct_count + aggregate->order_count;
    struct expr **arguments = arena_array(binder->arena, count + 1u, sizeof *arguments);
    if (arguments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        arguments[i] = i < aggregate->direct_count
                           ? aggregate->direct[i]
                           : aggregate->order[i - aggregate->direct_count].value;
    }
    return bind_function_missing(binder, name, arguments, count, position, FUNC_NOT_FOUND);
}

/* percentile_cont() and percentile_disc(): a fraction or an array of them, and one value. */
static tdbplus_status fit_percentile(struct binder *binder, struct plan_aggregate *aggregate,
                                     bool *good, struct type *type_out)
{
    *good = aggregate->direct_count == 1 && aggregate->order_count == 1;
    if (!*good) {
        return TDBPLUS_OK;
    }
    bool several = aggregate->direct[0]->type.id == TYPE_ARRAY;
    struct type fraction = type_of(TYPE_FLOAT8);
    TRY(bind_try_coerce(binder, &aggregate->direct[0], several ? func_array_of(fraction) : fraction,
                        FUNC_CAST_IMPLICIT, good));
    struct expr **value = &aggregate->order[0].value;
    if (*good && aggregate->ordered_set == ORDERED_PERCENTILE_CONT &&
        (*value)->type.id != TYPE_INTERVAL) {
        TRY(bind_try_coerce(binder, value, type_of(TYPE_FLOAT8), FUNC_CAST_IMPLICIT, good));
    }
    *type_out = several ? func_array_of((*value)->type) : (*value)->type;
    return TDBPLUS_OK;
}

/* rank(1, 2) WITHIN GROUP (ORDER BY a, b): each pair has one type. */
static tdbplus_status fit_hypothetical(struct binder *binder, struct plan_aggregate *aggregate,
                                       bool *good, struct type *type_out)
{
    *good = aggregate->direct_count == aggregate->order_count;
    for (uint32_t i = 0; *good && i < aggregate->order_count; i++) {
        struct expr **pair[2] = {&aggregate->order[i].value, &aggregate->direct[i]};
        struct type type = {0};
        TRY(bind_unify(binder, pair, 2, "WITHIN GROUP", &type));
    }
    bool counts =
        aggregate->ordered_set == ORDERED_RANK || aggregate->ordered_set == ORDERED_DENSE_RANK;
    *type_out = type_of(counts ? TYPE_INT8 : TYPE_FLOAT8);
    return TDBPLUS_OK;
}

static tdbplus_status bind_direct(struct binder *binder, struct bind_query *query,
                                  const struct ast_list *list, struct plan_aggregate *aggregate)
{
    aggregate->direct = arena_array(binder->arena, list->count + 1u, sizeof(struct expr *));
    if (aggregate->direct == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(bind_expression(binder, query, list->items[i], &aggregate->direct[i]));
    }
    aggregate->direct_count = list->count;
    return TDBPLUS_OK;
}

static tdbplus_status bind_ordered_set(struct binder *binder, struct bind_query *query,
                                       const struct ast_function *ast, const char *name,
                                       struct plan_aggregate *aggregate, struct type *type_out)
{
    aggregate->ordered_set = ordered_set_of(name);
    TRY(bind_direct(binder, query, &ast->arguments, aggregate));
    TRY(bind_order(binder, query, &ast->order, aggregate));
    if (aggregate->ordered_set == ORDERED_NONE) {
        return aggregate->direct_count + aggregate->order_count == 2 &&
                       strcmp(name, "string_agg") == 0
                   ? bind_fail(binder, TDBPLUS_E_SQL, "42809", ast->ast.position,
                               "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP",
                               name)
                   : ordered_missing(binder, aggregate, name, ast->ast.position);
    }
    if (ast->filter != NULL) {
        TRY(bind_condition(binder, query, ast->filter, "FILTER", &aggregate->filter));
    }
    bool good = true;
    if (aggregate->ordered_set == ORDERED_MODE) {
        good = aggregate->direct_count == 0 && aggregate->order_count == 1;
        *type_out = good ? aggregate->order[0].value->type : type_of(TYPE_NONE);
    } else if (aggregate->ordered_set < ORDERED_RANK) {
        TRY(fit_percentile(binder, aggregate, &good, type_out));
    } else {
        TRY(fit_hypothetical(binder, aggregate, &good, type_out));
    }
    return good ? TDBPLUS_OK : ordered_missing(binder, aggregate, name, ast->ast.position);
}

/* ---- levels ---- */

static bool aggregate_reads(const struct plan_aggregate *aggregate, const struct bind_query *level)
{
    bool reads = aggregate->filter != NULL && bind_reads_level(level, aggregate->filter);
    for (uint32_t i = 0; i < aggregate->argument_count; i++) {
        reads = reads || bind_reads_level(level, aggregate->arguments[i]);
    }
    for (uint32_t i = 0; i < aggregate->order_count; i++) {
        reads = reads || bind_reads_level(level, aggregate->order[i].value);
    }
    for (uint32_t i = 0; i < aggregate->direct_count; i++) {
        reads = reads || bind_reads_level(level, aggregate->direct[i]);
    }
    return reads;
}

/* The query whose rows it aggregates: the innermost one of which it reads a column, as the standard
 * has it; one that reads none belongs to where it stands. */
static struct bind_query *find_level(struct bind_query *query,
                                     const struct plan_aggregate *aggregate)
{
    for (struct bind_query *level = query; level != NULL; level = level->outer) {
        if (aggregate_reads(aggregate, level)) {
            return level;
        }
    }
    return query;
}

/* How many ids each level has noted as read from outside of it, from the innermost on. */
static tdbplus_status count_outer_ids(struct binder *binder, const struct bind_query *query,
                                      uint32_t **counts_out)
{
    uint32_t levels = 0;
    for (const struct bind_query *level = query; level != NULL; level = level->outer) {
        levels++;
    }
    uint32_t *counts = arena_array(binder->arena, levels, sizeof *counts);
    if (counts == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < levels; i++, query = query->outer) {
        counts[i] = query->outer_ids != NULL ? query->outer_ids->count : 0;
    }
    *counts_out = counts;
    return TDBPLUS_OK;
}

/* The aggregate as a column of the level that it belongs to. Levels between that and where it
 * stands read the column, and no more what the aggregate reads. */
static tdbplus_status place_aggregate(struct binder *binder, struct bind_query *query,
                                      const struct plan_aggregate *aggregate, struct type type,
                                      const uint32_t *counts, struct expr **expr_out)
{
    struct bind_query *level = find_level(query, aggregate);
    uint32_t number = 0;
    for (struct bind_query *inner = query; inner != level; inner = inner->outer, number++) {
        if (inner->outer_ids != NULL) {
            inner->outer_ids->count = counts[number];
        }
    }
    TRY(add_aggregate(binder, level, aggregate, type, expr_out));
    return bind_mark_outer(binder, query, level, (*expr_out)->number);
}

tdbplus_status bind_aggregate(struct binder *binder, struct bind_query *query,
                              const struct ast_function *ast, const char *name,
                              struct expr **expr_out)
{
    struct plan_aggregate aggregate = {.distinct = ast->distinct};
    struct type result = {0};
    uint32_t *counts = NULL;
    TRY(count_outer_ids(binder, query, &counts));
    if (!ast->within_group && bind_is_ordered_set(name)) {
        uint32_t total = ordered_set_of(name) == ORDERED_MODE ? 1 : 2;
        TRY(bind_direct(binder, query, &ast->arguments, &aggregate));
        if (aggregate.direct_count != total) {
            return ordered_missing(binder, &aggregate, name, ast->ast.position);
        }
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", ast->ast.position,
                         "WITHIN GROUP is required for ordered-set aggregate %s", name);
    }
    bool nested = query->in_aggregate;
    query->in_aggregate = true;
    if (ast->within_group) {
        TRY(bind_ordered_set(binder, query, ast, name, &aggregate, &result));
    } else {
        TRY(bind_aggregate_call(binder, query, ast, name, &aggregate, &result));
        TRY(bind_order(binder, query, &ast->order, &aggregate));
    }
    if (aggregate.distinct) {
        TRY(order_distinct(binder, &aggregate, ast->ast.position));
    }
    query->in_aggregate = nested;
    TRY(check_aggregate(binder, find_level(query, &aggregate), ast));
    return place_aggregate(binder, query, &aggregate, result, counts, expr_out);
}
