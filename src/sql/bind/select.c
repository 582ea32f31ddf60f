/* SELECT: the clauses in the order in which they work. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"

tdbplus_status bind_project(struct binder *binder, struct plan *input, struct pointers *exprs,
                            struct pointers *names, struct plan **plan_out)
{
    struct plan *plan = plan_make(binder->arena, PLAN_PROJECT, exprs->count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->left = input;
    plan->exprs = (struct expr **)exprs->items;
    plan->expr_count = exprs->count;
    for (uint32_t i = 0; i < exprs->count; i++) {
        const struct expr *expr = exprs->items[i];
        plan->columns[i] = (struct plan_column){
            .id = binder->next_id++, .type = expr->type, .name = names->items[i]};
        if (expr->kind == EXPR_COLUMN && document_is(binder, expr->number)) {
            TRY(document_note(binder, plan->columns[i].id));
        }
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_filter(struct binder *binder, struct plan *input, struct expr *condition,
                           struct plan **plan_out)
{
    struct plan *plan = plan_make(binder->arena, PLAN_FILTER, input->column_count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(plan->columns, input->columns, input->column_count * sizeof *plan->columns);
    plan->left = input;
    plan->exprs = arena_array(binder->arena, 1, sizeof *plan->exprs);
    if (plan->exprs == NULL) {
        return bind_no_memory(binder);
    }
    plan->exprs[0] = condition;
    plan->expr_count = 1;
    *plan_out = plan;
    return TDBPLUS_OK;
}

static tdbplus_status limit_value(struct binder *binder, struct bind_query *query,
                                  const struct ast *ast, const char *clause, struct expr **expr_out)
{
    if (ast == NULL) {
        return TDBPLUS_OK;
    }
    uint8_t before = query->clause;
    query->clause = CLAUSE_LIMIT;
    struct expr *expr = NULL;
    TRY(bind_expression(binder, query, ast, &expr));
    if (bind_reads_level(query, expr)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->position,
                         "argument of %s must not contain variables", clause);
    }
    query->clause = before;
    bool done = false;
    TRY(bind_try_coerce(binder, &expr, type_of(TYPE_INT8), FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char name[64];
        bind_show_type(binder, expr->type, name);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", ast->position,
                         "argument of %s must be type bigint, not type %s", clause, name);
    }
    *expr_out = expr;
    return TDBPLUS_OK;
}

tdbplus_status bind_limit(struct binder *binder, struct bind_query *query, const struct ast *count,
                          const struct ast *offset, struct plan **plan)
{
    if (count == NULL && offset == NULL) {
        return TDBPLUS_OK;
    }
    struct plan *limit = plan_make(binder->arena, PLAN_LIMIT, (*plan)->column_count);
    if (limit == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(limit->columns, (*plan)->columns, limit->column_count * sizeof *limit->columns);
    limit->left = *plan;
    limit->exprs = arena_array(binder->arena, 2, sizeof *limit->exprs);
    if (limit->exprs == NULL) {
        return bind_no_memory(binder);
    }
    limit->expr_count = 2;
    TRY(limit_value(binder, query, count, "LIMIT", &limit->exprs[0]));
    TRY(limit_value(binder, query, offset, "OFFSET", &limit->exprs[1]));
    *plan = limit;
    return TDBPLUS_OK;
}

/* ---- the select list ---- */

tdbplus_status bind_add_target(struct binder *binder, struct bind_targets *targets,
                               struct expr *expr, const char *name, const struct ast *ast)
{
    union {
        const struct ast *read;
        void *plain;
    } item = {.read = ast};
    // The name is not written through; the list holds plain pointers.
    void *name_pointer = NULL;
    memcpy(&name_pointer, &name, sizeof name_pointer);
    if (!pointers_push(binder->arena, &targets->exprs, expr) ||
        !pointers_push(binder->arena, &targets->names, name_pointer) ||
        !pointers_push(binder->arena, &targets->asts, item.plain)) {
        return bind_no_memory(binder);
    }
    return TDBPLUS_OK;
}

static tdbplus_status expand_star(struct binder *binder, struct bind_query *query,
                                  const struct ast_column_ref *star, struct bind_targets *targets)
{
    struct bind_qualifier qualifier = {0};
    TRY(bind_read_qualifier(binder, star, &qualifier));
    const char *table = qualifier.table;
    uint32_t found = 0;
    for (uint32_t i = 0; i < query->columns.count; i++) {
        const struct bind_column *column = query->columns.items[i];
        if (!bind_is_of(column, &qualifier)) {
            continue;
        }
        found++;
        bind_mark_read(column);
        struct expr *expr = expr_column(binder->arena, column->id, column->type);
        if (expr == NULL) {
            return bind_no_memory(binder);
        }
        expr->position = star->ast.position;
        TRY(bind_add_target(binder, targets, expr, column->name, NULL));
    }
    if (found == 0 && table != NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", star->ast.position,
                         "missing FROM-clause entry for table \"%s\"", table);
    }
    if (found == 0 && query->columns.count == 0) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", star->ast.position,
                         "SELECT * with no tables specified is not valid");
    }
    return TDBPLUS_OK;
}

/* How much a name says: PostgreSQL's words for the type of a cast and for CASE give way to what is
 * around them, names of columns and functions do not. */
enum name_strength { NAME_NONE, NAME_WEAK, NAME_STRONG };

static const char *find_name(const struct ast *ast, enum name_strength *strength);

static const char *subquery_name(const struct ast_subquery *subquery, enum name_strength *strength)
{
    const struct ast_select *select = (const struct ast_select *)subquery->query;
    *strength = NAME_STRONG;
    switch (subquery->subquery_kind) {
    case AST_EXISTS:
        return "exists";
    case AST_SUBQUERY_ARRAY:
        return "array";
    case AST_SCALAR:
        if (select->targets.count == 1) {
            const struct ast_target *target = (const struct ast_target *)select->targets.items[0];
            return target->name != NULL ? target->name : find_name(target->value, strength);
        }
        break;
    default:
        break;
    }
    *strength = NAME_NONE;
    return "?column?";
}

static const char *find_name(const struct ast *ast, enum name_strength *strength)
{
    const char *name = "?column?";
    *strength = NAME_STRONG;
    switch (ast->kind) {
    case AST_COLUMN_REF: {
        const struct ast_column_ref *ref = (const struct ast_column_ref *)ast;
        return ref->names.items[ref->names.count - 1];
    }
    case AST_FUNCTION: {
        const struct ast_function *call = (const struct ast_function *)ast;
        return call->name.items[call->name.count - 1];
    }
    case AST_CAST: {
        const struct ast_cast *cast = (const struct ast_cast *)ast;
        name = find_name(cast->argument, strength);
        if (*strength == NAME_STRONG) {
            return name;
        }
        *strength = NAME_WEAK;
        const struct ast_type_name *type = (const struct ast_type_name *)cast->type;
        return type->names.items[type->names.count - 1];
    }
    case AST_CASE: {
        const struct ast_case *choice = (const struct ast_case *)ast;
        *strength = NAME_NONE;
        name = choice->otherwise != NULL ? find_name(choice->otherwise, strength) : name;
        if (*strength == NAME_STRONG) {
            return name;
        }
        *strength = NAME_WEAK;
        return "case";
    }
    case AST_ARRAY:
        return "array";
    case AST_ROW:
        return "row";
    case AST_INDIRECTION:
        return find_name(((const struct ast_indirection *)ast)->argument, strength);
    case AST_COALESCE:
        return "coalesce";
    case AST_GROUPING_CALL:
        return "grouping";
    case AST_MIN_MAX:
        return ((const struct ast_min_max *)ast)->least ? "least" : "greatest";
    case AST_SUBQUERY:
        return subquery_name((const struct ast_subquery *)ast, strength);
    case AST_KEYWORD_VALUE: {
        static const char *const names[] = {"current_date", "current_time",    "current_timestamp",
                                            "localtime",    "localtimestamp",  "current_user",
                                            "session_user", "current_catalog", "current_schema"};
        return names[((const struct ast_keyword_value *)ast)->keyword_kind];
    }
    case AST_OPERATOR:
        if (((const struct ast_operator *)ast)->operator_kind == AST_OP_NULLIF) {
            return "nullif";
        }
        break;
    default:
        break;
    }
    *strength = NAME_NONE;
    return name;
}

const char *bind_default_name(const struct ast *ast)
{
    enum name_strength strength;
    return find_name(ast, &strength);
}

tdbplus_status bind_target_list(struct binder *binder, struct bind_query *query,
                                const struct ast_list *targets, struct bind_targets *targets_out)
{
    for (uint32_t i = 0; i < targets->count; i++) {
        const struct ast_target *target = (const struct ast_target *)targets->items[i];
        if (target->value->kind == AST_COLUMN_REF &&
            ((const struct ast_column_ref *)target->value)->star) {
            TRY(expand_star(binder, query, (const struct ast_column_ref *)target->value,
                            targets_out));
            continue;
        }
        if (bind_is_marker(target->value, FRIENDLY_STAR)) {
            TRY(bind_changed_star(binder, query, (const struct ast_function *)target->value,
                                  targets_out));
            continue;
        }
        struct expr *expr = NULL;
        TRY(bind_stored(binder, query, target->value, &expr));
        TRY(bind_add_target(binder, targets_out, expr,
                            target->name != NULL ? target->name : bind_default_name(target->value),
                            target->value));
    }
    return TDBPLUS_OK;
}

/* ---- ORDER BY ---- */

/* ORDER BY, then what DISTINCT ON says. */
struct ordering {
    struct pointers exprs; /* Over the input of the projection. */
    uint32_t *targets;     /* Which target each one is, or UINT32_MAX. */
};

/* A name means an output column first, an integer its number, anything else the input. */
static tdbplus_status find_output(struct binder *binder, const struct ast *ast,
                                  const struct bind_targets *targets, uint32_t *number_out)
{
    *number_out = UINT32_MAX;
    if (ast->kind == AST_CONSTANT && ((const struct ast_constant *)ast)->constant == AST_INTEGER) {
        int32_t number = ((const struct ast_constant *)ast)->integer;
        if (number < 1 || (uint32_t)number > targets->exprs.count) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->position,
                             "ORDER BY position %d is not in select list", number);
        }
        *number_out = (uint32_t)number - 1;
        return TDBPLUS_OK;
    }
    TRY(bind_reject_constant(binder, ast, "ORDER BY"));
    if (ast->kind != AST_COLUMN_REF || ((const struct ast_column_ref *)ast)->names.count != 1) {
        return TDBPLUS_OK;
    }
    const char *name = ((const struct ast_column_ref *)ast)->names.items[0];
    for (uint32_t i = 0; i < targets->names.count; i++) {
        if (targets->names.items[i] == NULL || strcmp(targets->names.items[i], name) != 0) {
            continue;
        }
        if (*number_out != UINT32_MAX &&
            !expr_equal(targets->exprs.items[*number_out], targets->exprs.items[i])) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42702", ast->position,
                             "ORDER BY \"%s\" is ambiguous", name);
        }
        *number_out = *number_out == UINT32_MAX ? i : *number_out;
    }
    return TDBPLUS_OK;
}

/* One expression of ORDER BY or DISTINCT ON. */
static tdbplus_status add_ordering(struct binder *binder, struct bind_query *query,
                                   const struct ast *value, const struct bind_targets *targets,
                                   struct ordering *ordering)
{
    uint32_t number = UINT32_MAX;
    TRY(find_output(binder, value, targets, &number));
    struct expr *expr = number != UINT32_MAX ? targets->exprs.items[number] : NULL;
    if (expr == NULL) {
        TRY(bind_stored(binder, query, value, &expr));
        if (expr->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
        }
        for (uint32_t t = 0; t < targets->exprs.count && number == UINT32_MAX; t++) {
            number = expr_equal(targets->exprs.items[t], expr) ? t : UINT32_MAX;
        }
    }
    ordering->targets[ordering->exprs.count] = number;
    return pointers_push(binder->arena, &ordering->exprs, expr) ? TDBPLUS_OK
                                                                : bind_no_memory(binder);
}

static tdbplus_status bind_ordering(struct binder *binder, struct bind_query *query,
                                    const struct ast_select *ast,
                                    const struct bind_targets *targets, struct ordering *ordering)
{
    uint32_t total = ast->order.count + ast->distinct_on.count;
    TRY(bind_limit_entries(binder, total));
    ordering->targets = arena_array(binder->arena, total + 1u, sizeof(uint32_t));
    if (ordering->targets == NULL) {
        return bind_no_memory(binder);
    }
    query->clause = CLAUSE_ORDER;
    for (uint32_t i = 0; i < ast->order.count; i++) {
        const struct ast_sort_key *key = (const struct ast_sort_key *)ast->order.items[i];
        if (key->using_operator != NULL) {
            return bind_unsupported(binder, key->ast.position, "ORDER BY ... USING");
        }
        TRY(add_ordering(binder, query, key->value, targets, ordering));
    }
    for (uint32_t i = 0; i < ast->distinct_on.count; i++) {
        TRY(add_ordering(binder, query, ast->distinct_on.items[i], targets, ordering));
    }
    query->clause = CLAUSE_SELECT;
    return TDBPLUS_OK;
}

/* By the columns of ORDER BY, then upwards by `more` columns. */
static tdbplus_status make_sort(struct binder *binder, const struct ast_list *order,
                                const uint32_t *columns, const uint32_t *more, uint32_t more_count,
                                struct plan **plan)
{
    struct plan *sort = plan_make(binder->arena, PLAN_SORT, (*plan)->column_count);
    if (sort == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(sort->columns, (*plan)->columns, sort->column_count * sizeof *sort->columns);
    sort->left = *plan;
    sort->key_count = order->count + more_count;
    sort->keys = arena_array(binder->arena, sort->key_count, sizeof *sort->keys);
    if (sort->keys == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < sort->key_count; i++) {
        bool said = i < order->count;
        const struct plan_column *column =
            &(*plan)->columns[said ? columns[i] : more[i - order->count]];
        sort->keys[i].value = expr_column(binder->arena, column->id, column->type);
        if (sort->keys[i].value == NULL) {
            return bind_no_memory(binder);
        }
        if (said) {
            const struct ast_sort_key *key = (const struct ast_sort_key *)order->items[i];
            sort->keys[i].descending = key->descending;
            sort->keys[i].nulls_first = key->nulls_given ? key->nulls_first : key->descending;
        }
    }
    *plan = sort;
    return TDBPLUS_OK;
}

/* DISTINCT ON wants its rows together: ORDER BY begins with its expressions, in any order, and what
 * it leaves out is sorted by after it. */
static tdbplus_status check_distinct_on(struct binder *binder, const struct ast_select *ast,
                                        const uint32_t *columns, uint32_t *missing,
                                        uint32_t *missing_count)
{
    uint32_t orders = ast->order.count;
    const uint32_t *on = columns + orders;
    bool skipped = false;
    for (uint32_t i = 0; i < orders; i++) {
        bool found = false;
        for (uint32_t d = 0; d < ast->distinct_on.count; d++) {
            found = found || on[d] == columns[i];
        }
        for (uint32_t before = 0; before < i; before++) {
            found = found && columns[before] != columns[i]; // Said again, it means nothing.
        }
        if (found && skipped) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10",
                             ((const struct ast_sort_key *)ast->order.items[i])->value->position,
                             "SELECT DISTINCT ON expressions must match initial ORDER BY "
                             "expressions");
        }
        skipped = skipped || !found;
    }
    for (uint32_t d = 0; d < ast->distinct_on.count; d++) {
        bool found = false;
        for (uint32_t i = 0; i < orders; i++) {
            found = found || on[d] == columns[i];
        }
        if (!found && skipped) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->distinct_on.items[d]->position,
                             "SELECT DISTINCT ON expressions must match initial ORDER BY "
                             "expressions");
        }
        if (!found) {
            missing[(*missing_count)++] = on[d];
        }
    }
    return TDBPLUS_OK;
}

/* Sorts by ORDER BY and the rest of DISTINCT ON, then keeps the first row of each. */
static tdbplus_status make_distinct_on(struct binder *binder, const struct ast_select *ast,
                                       const uint32_t *columns, struct plan **plan)
{
    uint32_t count = ast->distinct_on.count;
    uint32_t missing_count = 0;
    uint32_t *missing = arena_array(binder->arena, count, sizeof *missing);
    if (missing == NULL) {
        return bind_no_memory(binder);
    }
    TRY(check_distinct_on(binder, ast, columns, missing, &missing_count));
    TRY(make_sort(binder, &ast->order, columns, missing, missing_count, plan));
    struct plan *distinct = plan_make(binder->arena, PLAN_DISTINCT, (*plan)->column_count);
    if (distinct == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(distinct->columns, (*plan)->columns, distinct->column_count * sizeof *distinct->columns);
    distinct->exprs = arena_array(binder->arena, count, sizeof *distinct->exprs);
    if (distinct->exprs == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_column *column = &(*plan)->columns[columns[ast->order.count + i]];
        distinct->exprs[i] = expr_column(binder->arena, column->id, column->type);
        if (distinct->exprs[i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    distinct->expr_count = count;
    distinct->left = *plan;
    *plan = distinct;
    return TDBPLUS_OK;
}

/* LIMIT ... WITH TIES goes on while rows share what ORDER BY sorts by. */
static tdbplus_status add_ties(struct binder *binder, const struct ast_select *ast,
                               const uint32_t *columns, struct plan *limit)
{
    struct expr **exprs = arena_array(binder->arena, ast->order.count + 2u, sizeof *exprs);
    if (exprs == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(exprs, limit->exprs, 2 * sizeof *exprs);
    for (uint32_t i = 0; i < ast->order.count; i++) {
        const struct plan_column *column = &limit->columns[columns[i]];
        exprs[2 + i] = expr_column(binder->arena, column->id, column->type);
        if (exprs[2 + i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    limit->exprs = exprs;
    limit->expr_count = 2 + ast->order.count;
    return TDBPLUS_OK;
}

static tdbplus_status limit_rows(struct binder *binder, struct bind_query *query,
                                 const struct ast_select *ast, const uint32_t *columns,
                                 struct plan **plan)
{
    TRY(bind_limit(binder, query, ast->limit, ast->offset, plan));
    return ast->with_ties && ast->limit != NULL ? add_ties(binder, ast, columns, *plan)
                                                : TDBPLUS_OK;
}

static tdbplus_status make_distinct(struct binder *binder, struct plan **plan)
{
    struct plan *distinct = plan_make(binder->arena, PLAN_DISTINCT, (*plan)->column_count);
    if (distinct == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(distinct->columns, (*plan)->columns, distinct->column_count * sizeof *distinct->columns);
    distinct->left = *plan;
    *plan = distinct;
    return TDBPLUS_OK;
}

/* Keeps the first `count` columns of a plan, with their ids. */
static tdbplus_status keep_columns(struct binder *binder, uint32_t count, struct plan **plan)
{
    struct pointers exprs = {0};
    struct pointers names = {0};
    struct plan *input = *plan;
    for (uint32_t i = 0; i < count; i++) {
        struct expr *column =
            expr_column(binder->arena, input->columns[i].id, input->columns[i].type);
        if (column == NULL || !pointers_push(binder->arena, &exprs, column) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    TRY(bind_project(binder, input, &exprs, &names, plan));
    memcpy((*plan)->columns, input->columns, count * sizeof *input->columns);
    return TDBPLUS_OK;
}

/* The hidden target that is the same expression, or UINT32_MAX. */
static uint32_t find_hidden(const struct bind_targets *targets, uint32_t visible,
                            const struct ordering *ordering, uint32_t number)
{
    for (uint32_t t = visible; t < targets->exprs.count; t++) {
        if (expr_equal(targets->exprs.items[t], ordering->exprs.items[number])) {
            return t;
        }
    }
    return UINT32_MAX;
}

/* The keys of locked rows travel behind the targets. */
static tdbplus_status add_lock_targets(struct binder *binder, struct bind_targets *targets,
                                       const struct plan *lock)
{
    for (uint32_t i = 0; i < lock->lock_count; i++) {
        for (uint32_t k = 0; k < lock->locks[i].key_count; k++) {
            uint32_t id = lock->locks[i].key_ids[k];
            const struct plan_column *column = plan_find_column(lock, id);
            struct expr *expr = expr_column(binder->arena, id, column->type);
            if (expr == NULL) {
                return bind_no_memory(binder);
            }
            TRY(bind_add_target(binder, targets, expr, NULL, NULL));
        }
    }
    return TDBPLUS_OK;
}

static uint32_t visible_keys(const struct bind_targets *targets, const struct plan *lock)
{
    uint32_t keys = 0;
    for (uint32_t i = 0; i < lock->lock_count; i++) {
        keys += lock->locks[i].key_count;
    }
    return targets->exprs.count - keys;
}

/* Above the projection and the sort the keys have other ids: those of columns from `first` on. */
static tdbplus_status put_lock(struct binder *binder, uint32_t first, struct plan *lock,
                               struct plan **plan)
{
    for (uint32_t i = 0; i < lock->lock_count; i++) {
        for (uint32_t k = 0; k < lock->locks[i].key_count; k++) {
            lock->locks[i].key_ids[k] = (*plan)->columns[first++].id;
        }
    }
    lock->exprs = arena_array(binder->arena, 2, sizeof *lock->exprs);
    if (lock->exprs == NULL) {
        return bind_no_memory(binder);
    }
    lock->columns = (*plan)->columns;
    lock->column_count = (*plan)->column_count;
    lock->left = *plan;
    *plan = lock;
    return TDBPLUS_OK;
}

/* Projection, DISTINCT, ORDER BY and LIMIT on top of rows or groups. */
static tdbplus_status finish_select(struct binder *binder, struct bind_query *query,
                                    const struct ast_select *ast, struct bind_targets *targets,
                                    struct ordering *ordering, struct plan **plan)
{
    uint32_t visible = targets->exprs.count;
    uint32_t *columns = ordering->targets;
    bool plain_distinct = ast->distinct && ast->distinct_on.count == 0;
    for (uint32_t i = 0; i < ordering->exprs.count; i++) {
        columns[i] =
            columns[i] == UINT32_MAX ? find_hidden(targets, visible, ordering, i) : columns[i];
        if (columns[i] != UINT32_MAX) {
            continue;
        }
        if (plain_distinct) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10",
                             ((const struct expr *)ordering->exprs.items[i])->position,
                             "for SELECT DISTINCT, ORDER BY expressions must appear in select "
                             "list");
        }
        columns[i] = targets->exprs.count;
        TRY(bind_add_target(binder, targets, ordering->exprs.items[i], NULL, NULL));
    }
    struct plan *lock = NULL;
    if (ast->locking.count > 0) {
        TRY(bind_locks(binder, query, ast, &lock));
        TRY(add_lock_targets(binder, targets, lock));
    }
    TRY(bind_project(binder, *plan, &targets->exprs, &targets->names, plan));
    if (plain_distinct) {
        TRY(make_distinct(binder, plan));
    }
    if (ast->distinct_on.count > 0) {
        TRY(make_distinct_on(binder, ast, columns, plan));
    } else if (ast->order.count > 0) {
        TRY(make_sort(binder, &ast->order, columns, NULL, 0, plan));
    }
    if (lock != NULL) {
        TRY(put_lock(binder, visible_keys(targets, lock), lock, plan));
    }
    TRY(limit_rows(binder, query, ast, columns, plan));
    if (lock != NULL && (*plan)->kind == PLAN_LIMIT) {
        memcpy(lock->exprs, (*plan)->exprs, 2 * sizeof *lock->exprs);
        lock->expr_count = ast->with_ties ? 0 : 2;
    }
    if (targets->exprs.count > visible) {
        TRY(keep_columns(binder, visible, plan));
    }
    return TDBPLUS_OK;
}

static tdbplus_status check_select(struct binder *binder, const struct ast_select *ast)
{
    if (ast->into) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->into->ast.position,
                         "SELECT ... INTO is not allowed here");
    }
    return TDBPLUS_OK;
}

/* Literals whose type nothing else decides are text. */
static tdbplus_status settle_targets(struct binder *binder, struct bind_targets *targets)
{
    for (uint32_t i = 0; i < targets->exprs.count; i++) {
        struct expr *expr = targets->exprs.items[i];
        if (expr->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
            targets->exprs.items[i] = expr;
        }
    }
    return TDBPLUS_OK;
}

/* Everything above the groups is said in terms of their keys and aggregates. */
static tdbplus_status group_select(struct binder *binder, struct bind_query *query,
                                   struct bind_grouping *grouping, struct bind_targets *targets,
                                   struct ordering *ordering, struct expr **having)
{
    struct pointers *lists[2] = {&targets->exprs, &ordering->exprs};
    for (uint32_t l = 0; l < 2; l++) {
        for (uint32_t i = 0; i < lists[l]->count; i++) {
            TRY(bind_over_groups(binder, query, grouping, (struct expr **)&lists[l]->items[i]));
        }
    }
    if (*having != NULL) {
        TRY(bind_over_groups(binder, query, grouping, having));
    }
    TRY(bind_expansions_over_groups(binder, query, grouping));
    return bind_windows_over_groups(binder, query, grouping);
}

/* Functions that give rows come after window functions, unless a window reads them. */
static bool windows_read_expansions(const struct bind_query *query)
{
    for (uint32_t e = 0; e < query->expansions.count; e++) {
        uint32_t id = ((const struct bind_expansion *)query->expansions.items[e])->id;
        for (uint32_t i = 0; i < query->windows.count; i++) {
            const struct bind_window *window = query->windows.items[i];
            bool reads = false;
            for (uint32_t k = 0; k < window->partition_count; k++) {
                reads = reads || bind_reads_id(window->partition[k], id);
            }
            for (uint32_t k = 0; k < window->key_count; k++) {
                reads = reads || bind_reads_id(window->keys[k].value, id);
            }
            if (reads) {
                return true;
            }
        }
    }
    return false;
}

static tdbplus_status bind_plain_select(struct binder *binder, struct bind_query *query,
                                        const struct ast_select *ast, bool keep_unknown,
                                        struct plan **plan_out)
{
    TRY(check_select(binder, ast));
    struct plan *plan = NULL;
    query->locking = ast->locking.count > 0;
    TRY(bind_from(binder, query, &ast->from, &plan));
    query->clause = CLAUSE_SELECT;
    TRY(bind_window_clause(binder, query, &ast->windows));
    struct bind_targets targets = {0};
    TRY(bind_target_list(binder, query, &ast->targets, &targets));
    if (ast->where != NULL) {
        // After the select list, as PostgreSQL does: its mistakes are told first.
        struct expr *where = NULL;
        query->clause = CLAUSE_WHERE;
        TRY(bind_condition(binder, query, ast->where, "WHERE", &where));
        TRY(bind_filter(binder, plan, where, &plan));
        query->clause = CLAUSE_SELECT;
    }
    // Above a projection, nobody could give the literal another type.
    bool plain =
        ast->order.count == 0 && !ast->distinct && ast->limit == NULL && ast->offset == NULL;
    if (!keep_unknown || !plain) {
        TRY(settle_targets(binder, &targets));
    }
    struct ast_select spelled;
    TRY(bind_order_all(binder, ast, targets.exprs.count, &spelled));
    ast = &spelled;
    struct bind_grouping grouping = {0};
    TRY(bind_group_keys(binder, query, ast, &targets, &grouping));
    struct expr *having = NULL;
    if (ast->having != NULL) {
        query->clause = CLAUSE_HAVING;
        TRY(bind_condition(binder, query, ast->having, "HAVING", &having));
    }
    struct ordering ordering = {0};
    TRY(bind_ordering(binder, query, ast, &targets, &ordering));
    TRY(bind_expand_plan(binder, query, &grouping, true, &plan));
    if (grouping.needed || query->aggregates.count > 0) {
        TRY(group_select(binder, query, &grouping, &targets, &ordering, &having));
        TRY(bind_aggregate_plan(binder, query, &grouping, &plan));
    }
    if (having != NULL) {
        TRY(bind_filter(binder, plan, having, &plan));
    }
    bool before_windows = windows_read_expansions(query);
    if (before_windows) {
        TRY(bind_expand_plan(binder, query, &grouping, false, &plan));
    }
    TRY(bind_window_plan(binder, query, &plan));
    if (!before_windows) {
        TRY(bind_expand_plan(binder, query, &grouping, false, &plan));
    }
    TRY(finish_select(binder, query, ast, &targets, &ordering, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* VALUES and set operations are ordered by their output columns only. */
static tdbplus_status order_output(struct binder *binder, struct bind_query *query,
                                   const struct ast_select *ast, struct plan **plan)
{
    struct ast_select spelled;
    TRY(bind_order_all(binder, ast, (*plan)->column_count, &spelled));
    ast = &spelled;
    uint32_t *columns = arena_array(binder->arena, ast->order.count + 1u, sizeof *columns);
    if (columns == NULL) {
        return bind_no_memory(binder);
    }
    struct bind_targets targets = {0};
    for (uint32_t i = 0; i < (*plan)->column_count; i++) {
        const struct plan_column *column = &(*plan)->columns[i];
        struct expr *expr = expr_column(binder->arena, column->id, column->type);
        if (expr == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_add_target(binder, &targets, expr, column->name, NULL));
    }
    for (uint32_t i = 0; i < ast->order.count; i++) {
        const struct ast_sort_key *key = (const struct ast_sort_key *)ast->order.items[i];
        TRY(find_output(binder, key->value, &targets, &columns[i]));
        const struct ast_column_ref *ref = (const struct ast_column_ref *)key->value;
        if (columns[i] == UINT32_MAX && key->value->kind == AST_COLUMN_REF && !ref->star) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", key->value->position,
                             "column \"%s\" does not exist",
                             ref->names.items[ref->names.count - 1]);
        }
        if (columns[i] == UINT32_MAX) {
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", key->value->position,
                             "invalid UNION/INTERSECT/EXCEPT ORDER BY clause: only result column "
                             "names can be used");
        }
    }
    if (ast->order.count > 0) {
        TRY(make_sort(binder, &ast->order, columns, NULL, 0, plan));
    }
    if (ast->locking.count > 0) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         ast->values.count > 0
                             ? "FOR UPDATE cannot be applied to VALUES"
                             : "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT");
    }
    return limit_rows(binder, query, ast, columns, plan);
}

tdbplus_status bind_select(struct binder *binder, struct bind_query *outer,
                           const struct ast_select *ast, bool keep_unknown, struct plan **plan_out)
{
    TRY(bind_enter(binder));
    struct bind_query query = {.outer = outer};
    TRY(bind_with(binder, &query, ast->with));
    if (ast->values.count > 0) {
        TRY(bind_values(binder, &query, ast, plan_out));
        TRY(order_output(binder, &query, ast, plan_out));
    } else if (ast->set_kind != AST_SET_NONE) {
        TRY(bind_set_operation(binder, &query, ast, plan_out));
        TRY(order_output(binder, &query, ast, plan_out));
    } else {
        TRY(bind_plain_select(binder, &query, ast, keep_unknown && ast->with == NULL, plan_out));
    }
    TRY(bind_own_ctes(binder, &query, plan_out));
    bind_leave(binder);
    return TDBPLUS_OK;
}
