/* MERGE. */

#include <string.h>

#include "sql/bind/change.h"

/*
 * MERGE is a statement of several changes: the join of source and target is a WITH query that is
 * made once, with the number of the WHEN clause that each row falls under; each clause is a change
 * of the rows with its number.
 */
struct merge {
    struct bind_query query; /* The source's columns, then the target's. */
    uint32_t source_count;
    struct change_target target;
    struct plan *scan;
    struct plan_cte *rows;
    struct plan_column action; /* Of the rows: the number of the clause. */
};

/* WHEN NOT MATCHED knows the source only. */
static struct bind_query seen_by(const struct merge *merge, const struct ast_merge_when *when)
{
    struct bind_query query = merge->query;
    if (!when->matched) {
        query.columns.count = merge->source_count;
        query.columns.capacity = merge->source_count;
    }
    return query;
}

static tdbplus_status when_condition(struct binder *binder, const struct merge *merge,
                                     const struct ast_merge_when *when, struct expr **expr_out)
{
    const struct plan_column *key = &merge->scan->columns[merge->target.schema->key_columns[0]];
    struct expr *both = expr_make(binder->arena, EXPR_AND, type_of(TYPE_BOOL), 2);
    struct expr *test = expr_make(binder->arena, EXPR_IS_NULL, type_of(TYPE_BOOL), 1);
    if (both == NULL || test == NULL) {
        return bind_no_memory(binder);
    }
    test->arguments[0] = expr_column(binder->arena, key->id, key->type);
    if (test->arguments[0] == NULL) {
        return bind_no_memory(binder);
    }
    test->negated = when->matched;
    *expr_out = test;
    if (when->condition != NULL) {
        struct bind_query query = seen_by(merge, when);
        query.clause = CLAUSE_WHERE;
        both->arguments[0] = test;
        TRY(bind_condition(binder, &query, when->condition, "WHEN", &both->arguments[1]));
        *expr_out = both;
    }
    return TDBPLUS_OK;
}

/* CASE: the first clause whose condition holds; -1: none. */
static tdbplus_status choose_action(struct binder *binder, const struct merge *merge,
                                    const struct ast_list *whens, struct expr **expr_out)
{
    struct expr *choice =
        expr_make(binder->arena, EXPR_CASE, type_of(TYPE_INT4), 2 * whens->count + 1);
    bool closed[2] = {false, false};
    if (choice == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i <= whens->count; i++) {
        struct datum number = {.type = type_of(TYPE_INT4),
                               .integer = i < whens->count ? (int64_t)i : -1};
        struct expr *constant = expr_constant(binder->arena, &number);
        if (constant == NULL) {
            return bind_no_memory(binder);
        }
        if (i == whens->count) {
            choice->arguments[2 * i] = constant;
            break;
        }
        const struct ast_merge_when *when = (const struct ast_merge_when *)whens->items[i];
        if (closed[when->matched]) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                             "unreachable WHEN clause specified after unconditional WHEN clause");
        }
        closed[when->matched] = when->condition == NULL;
        TRY(when_condition(binder, merge, when, &choice->arguments[2 * i]));
        choice->arguments[2 * i + 1] = constant;
    }
    *expr_out = choice;
    return TDBPLUS_OK;
}

static tdbplus_status add_part(struct binder *binder, struct bind_query *query, const char *name,
                               struct plan *plan, bool changes, struct plan_cte **cte_out)
{
    struct bind_cte *cte = arena_array(binder->arena, 1, sizeof *cte);
    struct plan_cte *shared = arena_array(binder->arena, 1, sizeof *shared);
    if (cte == NULL || shared == NULL) {
        return bind_no_memory(binder);
    }
    shared->name = name;
    shared->plan = plan;
    shared->changes = changes;
    shared->materialized = true;
    shared->number = binder->next_cte++;
    // No name finds it.
    *cte = (struct bind_cte){.name = name, .cte = shared, .next = query->ctes, .stage = CTE_HIDDEN};
    query->ctes = cte;
    *cte_out = shared;
    return TDBPLUS_OK;
}

/* The join of source and target with the clause of each row. Its columns keep their ids. */
static tdbplus_status merge_rows(struct binder *binder, const struct ast_merge *ast,
                                 struct merge *merge)
{
    struct plan *source = NULL;
    struct plan *join = NULL;
    struct ast *items[1] = {ast->source};
    struct ast_list list = {.count = 1, .items = items};
    bool inserts = false;
    for (uint32_t i = 0; i < ast->whens.count; i++) {
        inserts = inserts || !((const struct ast_merge_when *)ast->whens.items[i])->matched;
    }
    TRY(bind_from(binder, &merge->query, &list, &source));
    merge->source_count = merge->query.columns.count;
    for (uint32_t i = 0; i < merge->source_count; i++) {
        const struct bind_column *column = merge->query.columns.items[i];
        if (column->table != NULL && strcmp(column->table, merge->target.alias) == 0) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42712", ast->table->ast.position,
                             "name \"%s\" specified more than once", merge->target.alias);
        }
    }
    TRY(bind_scan(binder, &merge->query, merge->target.object, merge->target.alias, true,
                  &merge->scan));
    bind_watch_columns(&merge->query, merge->source_count, merge->target.access);
    TRY(bind_join_plan(binder, source, merge->scan, inserts ? JOIN_LEFT : JOIN_INNER, &join));
    join->exprs = arena_array(binder->arena, 1, sizeof *join->exprs);
    if (join->exprs == NULL) {
        return bind_no_memory(binder);
    }
    merge->query.clause = CLAUSE_ON;
    TRY(bind_condition(binder, &merge->query, ast->condition, "JOIN/ON", &join->exprs[0]));
    join->expr_count = 1;
    struct pointers exprs = {0};
    struct pointers names = {0};
    for (uint32_t i = 0; i < join->column_count; i++) {
        TRY(change_push_column(binder, &join->columns[i], &exprs, &names));
    }
    struct expr *action = NULL;
    TRY(choose_action(binder, merge, &ast->whens, &action));
    if (!pointers_push(binder->arena, &exprs, action) ||
        !pointers_push(binder->arena, &names, NULL)) {
        return bind_no_memory(binder);
    }
    struct plan *rows = NULL;
    TRY(bind_project(binder, join, &exprs, &names, &rows));
    memcpy(rows->columns, join->columns, join->column_count * sizeof *rows->columns);
    merge->action = rows->columns[join->column_count];
    return add_part(binder, &merge->query, "merge", rows, false, &merge->rows);
}

/* The rows of one clause. */
static tdbplus_status rows_of_clause(struct binder *binder, const struct merge *merge,
                                     uint32_t number, struct plan **plan_out)
{
    const struct plan *rows = merge->rows->plan;
    struct plan *reader = plan_make(binder->arena, PLAN_CTE, rows->column_count);
    struct datum wanted = {.type = type_of(TYPE_INT4), .integer = number};
    struct expr *sides[2] = {expr_column(binder->arena, merge->action.id, merge->action.type),
                             expr_constant(binder->arena, &wanted)};
    struct expr *condition = NULL;
    if (reader == NULL || sides[0] == NULL || sides[1] == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(reader->columns, rows->columns, rows->column_count * sizeof *reader->columns);
    reader->cte = merge->rows;
    reader->cte->reader_count++;
    TRY(bind_call(binder, "=", true, sides, 2, 0, &condition));
    return bind_filter(binder, reader, condition, plan_out);
}

static tdbplus_status merge_insert(struct binder *binder, const struct merge *merge,
                                   const struct ast_merge_when *when, struct pointers *exprs,
                                   struct pointers *names)
{
    const struct schema *schema = merge->target.schema;
    struct ast_insert insert = {.columns = when->targets};
    struct bind_query query = seen_by(merge, when);
    uint32_t *map = NULL;
    uint32_t listed = 0;
    TRY(change_map_columns(binder, &merge->target, &insert, &map, &listed));
    if (when->values.count > 0 && when->values.count != listed &&
        (when->targets.count > 0 || when->values.count > listed)) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         when->values.count > listed
                             ? "INSERT has more expressions than target columns"
                             : "INSERT has more target columns than expressions");
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        if (!pointers_push(binder->arena, exprs, NULL) ||
            !pointers_push(binder->arena, names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    query.clause = CLAUSE_VALUES;
    return change_insert_row(binder, &query, &merge->target, map, &when->values,
                             (struct expr **)exprs->items);
}

static tdbplus_status merge_update(struct binder *binder, struct merge *merge,
                                   const struct ast_merge_when *when, struct pointers *exprs,
                                   struct pointers *names)
{
    const struct schema *schema = merge->target.schema;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        TRY(change_push_column(binder, &merge->scan->columns[schema->key_columns[k]], exprs,
                               names));
    }
    if (when->command == AST_MERGE_DELETE) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        TRY(change_push_column(binder, &merge->scan->columns[i], exprs, names));
    }
    return change_assignments(binder, &merge->query, &merge->target, &when->targets,
                              (struct expr **)&exprs->items[schema->key_count]);
}

static tdbplus_status merge_clause(struct binder *binder, struct merge *merge,
                                   const struct ast_merge_when *when, uint32_t number)
{
    static const uint8_t kinds[] = {[AST_MERGE_INSERT] = PLAN_INSERT,
                                    [AST_MERGE_UPDATE] = PLAN_UPDATE,
                                    [AST_MERGE_DELETE] = PLAN_DELETE};
    static const uint32_t privileges[] = {[AST_MERGE_INSERT] = PRIVILEGE_INSERT,
                                          [AST_MERGE_UPDATE] = PRIVILEGE_UPDATE,
                                          [AST_MERGE_DELETE] = PRIVILEGE_DELETE};
    struct pointers exprs = {0};
    struct pointers names = {0};
    struct plan *plan = NULL;
    struct plan_cte *part = NULL;
    if (when->command == AST_MERGE_NOTHING) {
        return TDBPLUS_OK;
    }
    change_needs(&merge->target, privileges[when->command]);
    if (when->command == AST_MERGE_INSERT) {
        TRY(merge_insert(binder, merge, when, &exprs, &names));
    } else {
        TRY(merge_update(binder, merge, when, &exprs, &names));
    }
    TRY(rows_of_clause(binder, merge, number, &plan));
    TRY(bind_project(binder, plan, &exprs, &names, &plan));
    if (when->command != AST_MERGE_DELETE) {
        uint32_t first = when->command == AST_MERGE_INSERT ? 0 : merge->target.schema->key_count;
        TRY(change_generated(binder, &merge->target, first, &plan));
    }
    TRY(change_make(binder, (enum plan_kind)kinds[when->command], &merge->target, plan, &plan));
    plan->change.once = when->command != AST_MERGE_INSERT;
    if (when->command != AST_MERGE_DELETE) {
        TRY(change_checks(binder, &merge->target, plan));
    }
    plan->column_count = 0;
    return add_part(binder, &merge->query, "merge clause", plan, true, &part);
}

tdbplus_status bind_merge(struct binder *binder, const struct ast_merge *ast,
                          struct plan **plan_out)
{
    struct merge merge = {0};
    struct catalog_entry entry;
    TRY(bind_find_relation(binder, ast->table, &entry));
    if (entry.kind != CATALOG_TABLE || table_is_materialized(entry.object->properties)) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                                          "cannot execute MERGE on relation \"%s\"", entry.name);
        err_detail(binder->err, "This operation is not supported for %ss.",
                   bind_entry_kind(&entry));
        return status;
    }
    TRY(change_find_target(binder, ast->table, "update", &merge.target));
    merge.target.access->privileges = 0; // The clauses say what is done.
    TRY(bind_with(binder, &merge.query, ast->with));
    TRY(merge_rows(binder, ast, &merge));
    for (uint32_t i = 0; i < ast->whens.count; i++) {
        TRY(merge_clause(binder, &merge, (const struct ast_merge_when *)ast->whens.items[i], i));
    }
    struct plan *nothing = plan_make(binder->arena, PLAN_VALUES, 0);
    if (nothing == NULL) {
        return bind_no_memory(binder);
    }
    TRY(bind_own_ctes(binder, &merge.query, &nothing));
    *plan_out = nothing;
    return TDBPLUS_OK;
}
