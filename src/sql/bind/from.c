/* FROM: tables, subqueries, functions, joins, WITH. */

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/bind/document.h"

/* The hidden key is found by no name. */
static bool is_hidden(const struct table_info *info, const struct schema *schema, uint32_t position)
{
    return info->hidden_key && position + 1 == schema->column_count;
}

tdbplus_status bind_scan(struct binder *binder, struct bind_query *query,
                         const struct object *object, const char *alias, bool with_hidden,
                         struct plan **plan_out)
{
    const struct schema *schema = object->schema;
    struct table_info info = {0};
    TRY(table_info_decode(object->properties, binder->arena, &info, binder->err));
    uint32_t count = schema->column_count - (info.hidden_key && !with_hidden ? 1u : 0u);
    struct plan *plan = plan_make(binder->arena, PLAN_SCAN, count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->scan.object = object;
    plan->scan.object_id = object->id;
    plan->scan.schema_version = schema->version;
    TRY(bind_copy_name(binder, catalog_own_name(object->name), &plan->scan.table_name));
    plan->scan.positions = arena_array(binder->arena, count + 1u, sizeof(uint32_t));
    if (plan->scan.positions == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct schema_column *column = &schema->columns[i];
        plan->scan.positions[i] = i;
        plan->columns[i] = (struct plan_column){.id = binder->next_id++, .type = column->type};
        TRY(bind_copy_name(binder, column->name, &plan->columns[i].name));
        if (is_hidden(&info, schema, i)) {
            continue;
        }
        struct bind_column named = {.table = alias,
                                    .name = column->name,
                                    .id = plan->columns[i].id,
                                    .type = column->type,
                                    .is_document = document_is_column(&info, schema, i)};
        TRY(named.is_document ? document_note(binder, named.id) : TDBPLUS_OK);
        TRY(bind_add_column(binder, query, &named));
    }
    TRY(bind_plan_indexes(binder, plan, info.hidden_key));
    *plan_out = plan;
    return TDBPLUS_OK;
}

static const char *alias_name(const struct ast_alias *alias, const char *otherwise)
{
    return alias != NULL ? alias->name : otherwise;
}

tdbplus_status bind_add_named(struct binder *binder, struct bind_query *query,
                              const struct plan_column *columns, uint32_t count,
                              const struct ast_alias *alias, const char *table)
{
    uint32_t renamed = alias != NULL ? alias->columns.count : 0;
    if (renamed > count) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", 0,
                         "table \"%s\" has %u columns available but %u columns specified", table,
                         count, renamed);
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *name = i < renamed ? alias->columns.items[i] : columns[i].name;
        struct bind_column column = {.table = table,
                                     .name = name != NULL ? name : "?column?",
                                     .id = columns[i].id,
                                     .type = columns[i].type,
                                     .is_document = document_is(binder, columns[i].id)};
        TRY(bind_add_column(binder, query, &column));
    }
    return TDBPLUS_OK;
}

/* ---- single items ---- */

static tdbplus_status check_populated(struct binder *binder, const struct catalog_entry *entry)
{
    struct table_info info = {0};
    if (!table_is_materialized(entry->object->properties)) {
        return TDBPLUS_OK;
    }
    TRY(bind_depends_on(binder, entry->object));
    TRY(table_info_decode(entry->object->properties, binder->arena, &info, binder->err));
    if (!info.unpopulated) {
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_STATE, "55000", 0,
                  "materialized view \"%s\" has not been populated", entry->name);
    err_hint(binder->err, "Use the REFRESH MATERIALIZED VIEW command.");
    return status;
}

static tdbplus_status bind_table(struct binder *binder, struct bind_query *query,
                                 const struct ast_table_ref *table, struct plan **plan_out)
{
    struct bind_cte *cte = table->schema == NULL ? bind_find_cte(query, table->name) : NULL;
    if (cte != NULL) {
        return bind_cte_reader(binder, query, cte, table, plan_out);
    }
    bool found = false;
    TRY(bind_system_table(binder, query, table, plan_out, &found));
    if (found) {
        return TDBPLUS_OK;
    }
    struct catalog_entry entry;
    bool is_file = false;
    TRY(bind_file_name(binder, query, table, &is_file, plan_out));
    if (is_file) {
        return TDBPLUS_OK;
    }
    TRY(bind_find_relation(binder, table, &entry));
    uint32_t before = query->columns.count;
    struct bound_access *access = NULL;
    const char *alias = alias_name(table->alias, table->name);
    if (entry.kind == CATALOG_TABLE) {
        TRY(check_populated(binder, &entry));
        TRY(bind_access(binder, &entry, entry.object->schema->column_count, PRIVILEGE_SELECT,
                        &access));
        TRY(bind_scan(binder, query, entry.object, alias, query->locking, plan_out));
        uint32_t noted = query->tables.count;
        TRY(bind_note_table(binder, query, entry.object, alias, *plan_out));
        if (query->tables.count > noted) {
            ((struct bind_lockable *)query->tables.items[noted])->access = access;
        }
        bind_watch_columns(query, before, access);
    } else if (entry.kind == CATALOG_VIEW) {
        TRY(bind_view(binder, query, &entry, table, plan_out));
    } else {
        return bind_unsupported(binder, table->ast.position, "reading a sequence as a table");
    }
    if (table->alias == NULL) {
        TRY(bind_name_schema(binder, query, before, entry.schema));
    }
    TRY(bind_note_reference(binder, query, table, &entry, *plan_out, before));
    for (uint32_t i = 0; table->alias != NULL && i < table->alias->columns.count; i++) {
        if (before + i >= query->columns.count) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42P10", table->ast.position,
                             "table \"%s\" has %u columns available but %u columns specified",
                             table->alias->name, query->columns.count - before,
                             table->alias->columns.count);
        }
        struct bind_column *column = query->columns.items[before + i];
        column->name = table->alias->columns.items[i];
    }
    return TDBPLUS_OK;
}

/* LATERAL sees the items of FROM before it; *ids_out are the columns that it reads. */
static tdbplus_status bind_lateral(struct binder *binder, struct bind_query *query,
                                   const struct ast_select *ast, struct plan **plan_out)
{
    struct pointers ids = {0};
    struct bind_query border = {.outer = query, .ctes = query->ctes, .outer_ids = &ids};
    uint8_t clause = query->clause;
    query->clause = CLAUSE_FROM_FUNCTION; // No place for aggregates of this level.
    TRY(bind_select(binder, &border, ast, false, plan_out));
    query->clause = clause;
    return bind_note_lateral(binder, query, &ids);
}

static tdbplus_status bind_table_subquery(struct binder *binder, struct bind_query *query,
                                          const struct ast_table_subquery *ast,
                                          struct plan **plan_out)
{
    bool done = false;
    TRY(bind_about(binder, query, ast, &done, plan_out));
    if (done) {
        return TDBPLUS_OK;
    }
    if (ast->alias == NULL) {
        bool values = ((const struct ast_select *)ast->query)->values.count > 0;
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                                          values ? "VALUES in FROM must have an alias"
                                                 : "subquery in FROM must have an alias");
        err_hint(binder->err, values ? "For example, FROM (VALUES ...) [AS] foo."
                                     : "For example, FROM (SELECT ...) [AS] foo.");
        return status;
    }
    if (ast->lateral) {
        TRY(bind_lateral(binder, query, (const struct ast_select *)ast->query, plan_out));
    } else {
        // It sees what is outside of this query, and this query's WITH, but not its columns.
        struct bind_query around = {
            .outer = query->outer, .ctes = query->ctes, .outer_ids = query->outer_ids};
        TRY(bind_select(binder, &around, (const struct ast_select *)ast->query, false, plan_out));
    }
    return bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count,
                          ast->alias, ast->alias->name);
}

/* ---- joins ---- */

static tdbplus_status bind_item(struct binder *binder, struct bind_query *query,
                                const struct ast *ast, struct plan **plan_out);

tdbplus_status bind_join_plan(struct binder *binder, struct plan *left, struct plan *right,
                              enum plan_join kind, struct plan **plan_out)
{
    uint32_t count = left->column_count + right->column_count;
    struct plan *plan = plan_make(binder->arena, PLAN_JOIN, count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->join_kind = (uint8_t)kind;
    plan->left = left;
    plan->right = right;
    memcpy(plan->columns, left->columns, left->column_count * sizeof *plan->columns);
    memcpy(plan->columns + left->column_count, right->columns,
           right->column_count * sizeof *plan->columns);
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_note_lateral(struct binder *binder, struct bind_query *query,
                                 const struct pointers *ids)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        if (!pointers_push(binder->arena, &query->lateral, ids->items[i])) {
            return bind_no_memory(binder);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_lateral_join(struct binder *binder, const struct bind_query *query,
                                 struct plan *left, struct plan *right, enum plan_join kind,
                                 struct plan **plan_out)
{
    const struct pointers *ids = &query->lateral;
    uint32_t *reads = arena_array(binder->arena, ids->count + 1u, sizeof *reads);
    uint32_t count = 0;
    if (reads == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ids->count; i++) {
        uint32_t id = (uint32_t)(uintptr_t)ids->items[i];
        if (plan_find_column(left, id) != NULL) {
            reads[count++] = id;
        }
    }
    TRY(bind_join_plan(binder, left, right, kind, plan_out));
    if (count == 0) {
        return TDBPLUS_OK;
    }
    if (kind != JOIN_INNER && kind != JOIN_LEFT) {
        tdbplus_status status =
            bind_fail(binder, TDBPLUS_E_SQL, "42P10", 0, "invalid reference to FROM-clause entry");
        err_detail(binder->err,
                   "The combining JOIN type must be INNER or LEFT for a LATERAL reference.");
        return status;
    }
    (*plan_out)->kind = PLAN_APPLY;
    (*plan_out)->apply_ids = reads;
    (*plan_out)->apply_count = count;
    return TDBPLUS_OK;
}

/* The columns that two sides of a join bring along: [left_begin, left_end) and [left_end, end). */
struct sides {
    uint32_t left_begin;
    uint32_t left_end;
    uint32_t end;
};

static struct bind_column *find_side(const struct bind_query *query, uint32_t begin, uint32_t end,
                                     const char *name, bool *twice)
{
    struct bind_column *found = NULL;
    *twice = false;
    for (uint32_t i = begin; i < end; i++) {
        struct bind_column *column = query->columns.items[i];
        if (!column->qualified_only && strcmp(column->name, name) == 0) {
            *twice = found != NULL;
            found = column;
        }
    }
    return found;
}

/* FULL JOIN USING: the column is whichever side has it, computed above the join. */
static tdbplus_status merge_full(struct binder *binder, struct plan **plan,
                                 struct expr *const sides[2], struct bind_column *merged)
{
    struct pointers exprs = {0};
    struct pointers names = {0};
    struct plan *join = *plan;
    for (uint32_t i = 0; i < join->column_count; i++) {
        struct expr *column =
            expr_column(binder->arena, join->columns[i].id, join->columns[i].type);
        if (column == NULL || !pointers_push(binder->arena, &exprs, column) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    struct expr *either = expr_make(binder->arena, EXPR_COALESCE, sides[0]->type, 2);
    if (either == NULL || !pointers_push(binder->arena, &exprs, either) ||
        !pointers_push(binder->arena, &names, NULL)) {
        return bind_no_memory(binder);
    }
    either->arguments[0] = sides[0];
    either->arguments[1] = sides[1];
    TRY(bind_project(binder, join, &exprs, &names, plan));
    // All but the last keep their ids, so that names found before stay right.
    for (uint32_t i = 0; i < join->column_count; i++) {
        (*plan)->columns[i].id = join->columns[i].id;
    }
    merged->id = (*plan)->columns[join->column_count].id;
    merged->type = either->type;
    return TDBPLUS_OK;
}

static tdbplus_status join_column(struct binder *binder, struct bind_query *query, const char *name,
                                  const struct sides *sides, struct plan **plan,
                                  struct pointers *conditions)
{
    bool twice_left = false;
    bool twice_right = false;
    struct bind_column *left =
        find_side(query, sides->left_begin, sides->left_end, name, &twice_left);
    struct bind_column *right = find_side(query, sides->left_end, sides->end, name, &twice_right);
    if (left == NULL || right == NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                         "column \"%s\" specified in USING clause does not exist in %s table", name,
                         left == NULL ? "left" : "right");
    }
    if (twice_left || twice_right) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42702", 0,
                         "common column name \"%s\" appears more than once in %s table", name,
                         twice_left ? "left" : "right");
    }
    struct expr *values[2] = {expr_column(binder->arena, left->id, left->type),
                              expr_column(binder->arena, right->id, right->type)};
    if (values[0] == NULL || values[1] == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < 2; i++) {
        TRY(bind_coerce(binder, &values[i], func_type_base(values[i]->type), FUNC_CAST_IMPLICIT));
    }
    struct expr *equal = NULL;
    TRY(bind_call(binder, "=", true, values, 2, 0, &equal));
    if (!pointers_push(binder->arena, conditions, equal)) {
        return bind_no_memory(binder);
    }
    struct bind_column merged = {.name = name, .id = left->id, .type = left->type};
    if ((*plan)->join_kind == JOIN_RIGHT) {
        merged.id = right->id;
        merged.type = right->type;
    }
    bind_mark_read(left);
    bind_mark_read(right);
    left->qualified_only = true;
    right->qualified_only = true;
    return bind_add_column(binder, query, &merged);
}

/* NATURAL: the names that both sides have. */
static tdbplus_status natural_names(struct binder *binder, const struct bind_query *query,
                                    const struct sides *sides, struct ast_names *names)
{
    names->items = arena_array(binder->arena, sides->end + 1u, sizeof *names->items);
    if (names->items == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = sides->left_begin; i < sides->left_end; i++) {
        const struct bind_column *column = query->columns.items[i];
        bool twice = false;
        if (!column->qualified_only &&
            find_side(query, sides->left_end, sides->end, column->name, &twice) != NULL) {
            names->items[names->count++] = column->name;
        }
    }
    return TDBPLUS_OK;
}

/* Merged columns come first in SELECT *, in the order of USING. */
static void merged_first(struct bind_query *query, const struct sides *sides, uint32_t merged)
{
    void **items = query->columns.items;
    for (uint32_t m = 0; m < merged; m++) {
        void *item = items[sides->end + m];
        uint32_t to = sides->left_begin + m;
        memmove(&items[to + 1], &items[to], (sides->end + m - to) * sizeof *items);
        items[to] = item;
    }
}

static tdbplus_status bind_join_condition(struct binder *binder, struct bind_query *query,
                                          const struct ast_join *ast, const struct sides *sides,
                                          struct plan **plan)
{
    struct pointers conditions = {0};
    struct ast_names names = ast->using_columns;
    if (ast->natural) {
        TRY(natural_names(binder, query, sides, &names));
    }
    for (uint32_t i = 0; i < names.count; i++) {
        TRY(join_column(binder, query, names.items[i], sides, plan, &conditions));
    }
    if (ast->condition != NULL) {
        // Only the columns of this join are seen.
        struct bind_query inside = *query;
        inside.columns.items += sides->left_begin;
        inside.columns.count = sides->end - sides->left_begin;
        inside.columns.capacity = inside.columns.count;
        inside.clause = CLAUSE_ON;
        struct expr *condition = NULL;
        TRY(bind_condition(binder, &inside, ast->condition, "JOIN/ON", &condition));
        if (!pointers_push(binder->arena, &conditions, condition)) {
            return bind_no_memory(binder);
        }
    }
    (*plan)->exprs = (struct expr **)conditions.items;
    (*plan)->expr_count = conditions.count;
    struct plan *join = *plan;
    for (uint32_t i = 0; join->join_kind == JOIN_FULL && i < names.count; i++) {
        struct expr *pair[2] = {((struct expr *)conditions.items[i])->arguments[0],
                                ((struct expr *)conditions.items[i])->arguments[1]};
        TRY(merge_full(binder, plan, pair, query->columns.items[sides->end + i]));
    }
    merged_first(query, sides, names.count);
    return TDBPLUS_OK;
}

/* (a JOIN b ...) AS j: the names inside of it are not seen any more. */
static tdbplus_status rename_join(struct binder *binder, struct bind_query *query,
                                  const struct ast_join *ast, uint32_t first)
{
    uint32_t renamed = 0;
    for (uint32_t i = first; i < query->columns.count; i++) {
        struct bind_column *column = query->columns.items[i];
        if (column->qualified_only) {
            column->table = NULL;
            continue;
        }
        column->table = ast->alias->name;
        column->is_item = false;
        if (renamed < ast->alias->columns.count) {
            column->name = ast->alias->columns.items[renamed++];
        }
    }
    if (renamed < ast->alias->columns.count) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", ast->ast.position,
                         "join expression \"%s\" has %u columns available but %u columns specified",
                         ast->alias->name, renamed, ast->alias->columns.count);
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_join(struct binder *binder, struct bind_query *query,
                                const struct ast_join *ast, struct plan **plan_out)
{
    static const uint8_t kinds[] = {
        [AST_JOIN_INNER] = JOIN_INNER,
        [AST_JOIN_LEFT] = JOIN_LEFT,
        [AST_JOIN_FULL] = JOIN_FULL,
        [AST_JOIN_RIGHT] = JOIN_RIGHT,
    };
    struct plan *left = NULL;
    struct plan *right = NULL;
    struct sides sides = {.left_begin = query->columns.count};
    struct pointers before = query->lateral;
    uint8_t recursion = binder->recursion;
    uint8_t kind = kinds[ast->join_kind];
    binder->recursion =
        kind == JOIN_RIGHT || kind == JOIN_FULL ? (uint8_t)RECURSION_OUTER : recursion;
    query->lateral = (struct pointers){0};
    uint32_t tables = query->tables.count;
    TRY(bind_item(binder, query, ast->left, &left));
    uint32_t left_tables = query->tables.count;
    sides.left_end = query->columns.count;
    struct pointers of_left = query->lateral;
    binder->recursion =
        kind == JOIN_LEFT || kind == JOIN_FULL ? (uint8_t)RECURSION_OUTER : recursion;
    query->lateral = (struct pointers){0};
    TRY(bind_item(binder, query, ast->right, &right));
    binder->recursion = recursion;
    sides.end = query->columns.count;
    for (uint32_t i = tables; i < query->tables.count; i++) {
        bool right_side = i >= left_tables;
        struct bind_lockable *table = query->tables.items[i];
        table->nullable =
            table->nullable || kind == JOIN_FULL || kind == (right_side ? JOIN_LEFT : JOIN_RIGHT);
    }
    TRY(bind_lateral_join(binder, query, left, right, (enum plan_join)kind, plan_out));
    // What the sides read further left is for the joins around this one.
    TRY(bind_note_lateral(binder, query, &of_left));
    TRY(bind_note_lateral(binder, query, &before));
    TRY(bind_join_condition(binder, query, ast, &sides, plan_out));
    return ast->alias != NULL ? rename_join(binder, query, ast, sides.left_begin) : TDBPLUS_OK;
}

static tdbplus_status sample_value(struct binder *binder, struct bind_query *query,
                                   const struct ast *ast, struct expr **expr_out)
{
    struct bind_query around = {
        .outer = query->outer, .ctes = query->ctes, .outer_ids = query->outer_ids};
    around.clause = CLAUSE_FROM_FUNCTION;
    TRY(bind_expression(binder, &around, ast, expr_out));
    return bind_coerce(binder, expr_out, type_of(TYPE_FLOAT8), FUNC_CAST_ASSIGNMENT);
}

static tdbplus_status bind_sample(struct binder *binder, struct bind_query *query,
                                  const struct ast_table_sample *ast, struct plan **plan_out)
{
    bool system = strcmp(ast->method, "system") == 0;
    const struct ast_table_ref *ref = (const struct ast_table_ref *)ast->table;
    if (ast->table->kind != AST_TABLE_REF ||
        (ref->schema == NULL && bind_find_cte(query, ref->name) != NULL)) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ast->ast.position,
                         "TABLESAMPLE clause can only be applied to tables and materialized views");
    }
    TRY(bind_item(binder, query, ast->table, plan_out));
    if ((*plan_out)->kind != PLAN_SCAN) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", ast->ast.position,
                         "TABLESAMPLE clause can only be applied to tables and materialized views");
    }
    if (!system && strcmp(ast->method, "bernoulli") != 0) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", ast->ast.position,
                         "tablesample method %s does not exist", ast->method);
    }
    if (ast->arguments.count != 1) {
        return bind_fail(binder, TDBPLUS_E_SQL, "2202H", ast->ast.position,
                         "tablesample method %s requires 1 argument, not %u", ast->method,
                         ast->arguments.count);
    }
    struct plan *sample = plan_make(binder->arena, PLAN_SAMPLE, (*plan_out)->column_count);
    struct expr **exprs = arena_array(binder->arena, 2, sizeof *exprs);
    if (sample == NULL || exprs == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(sample->columns, (*plan_out)->columns, sample->column_count * sizeof *sample->columns);
    TRY(sample_value(binder, query, ast->arguments.items[0], &exprs[0]));
    if (ast->seed != NULL) {
        TRY(sample_value(binder, query, ast->seed, &exprs[1]));
    }
    sample->exprs = exprs;
    sample->expr_count = 2;
    sample->by_batch = system;
    sample->left = *plan_out;
    *plan_out = sample;
    return TDBPLUS_OK;
}

static tdbplus_status check_alias(struct binder *binder, const struct bind_query *query,
                                  uint32_t before, const struct ast *ast)
{
    if (before == query->columns.count || ast->kind == AST_JOIN) {
        return TDBPLUS_OK;
    }
    const struct bind_column *first = query->columns.items[before];
    const char *table = first->table;
    for (uint32_t i = 0; i < before; i++) {
        const struct bind_column *column = query->columns.items[i];
        // Tables of two schemas may have one name, as long as neither has an alias.
        bool apart = column->schema != NULL && first->schema != NULL &&
                     strcmp(column->schema, first->schema) != 0;
        if (column->table != NULL && table != NULL && strcmp(column->table, table) == 0 && !apart) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42712", ast->position,
                             "table name \"%s\" specified more than once", table);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_item(struct binder *binder, struct bind_query *query,
                                const struct ast *ast, struct plan **plan_out)
{
    TRY(bind_enter(binder));
    uint32_t before = query->columns.count;
    switch (ast->kind) {
    case AST_TABLE_REF:
        TRY(bind_table(binder, query, (const struct ast_table_ref *)ast, plan_out));
        break;
    case AST_TABLE_SUBQUERY:
        TRY(bind_table_subquery(binder, query, (const struct ast_table_subquery *)ast, plan_out));
        break;
    case AST_TABLE_FUNCTION:
        TRY(bind_table_function(binder, query, (const struct ast_table_function *)ast, plan_out));
        break;
    case AST_TABLE_SAMPLE:
        TRY(bind_sample(binder, query, (const struct ast_table_sample *)ast, plan_out));
        break;
    case AST_JOIN:
        TRY(bind_join(binder, query, (const struct ast_join *)ast, plan_out));
        break;
    default:
        return bind_unsupported(binder, ast->position, "this item in FROM");
    }
    bind_leave(binder);
    return check_alias(binder, query, before, ast);
}

tdbplus_status bind_from(struct binder *binder, struct bind_query *query,
                         const struct ast_list *from, struct plan **plan_out)
{
    if (from->count == 0) {
        struct plan *plan = plan_make(binder->arena, PLAN_VALUES, 0);
        if (plan == NULL) {
            return bind_no_memory(binder);
        }
        plan->row_count = 1;
        *plan_out = plan;
        return TDBPLUS_OK;
    }
    struct plan *all = NULL;
    for (uint32_t i = 0; i < from->count; i++) {
        struct plan *one = NULL;
        query->lateral = (struct pointers){0};
        TRY(bind_item(binder, query, from->items[i], &one));
        if (all == NULL) {
            all = one;
        } else {
            TRY(bind_lateral_join(binder, query, all, one, JOIN_INNER, &all));
        }
    }
    *plan_out = all;
    return TDBPLUS_OK;
}
