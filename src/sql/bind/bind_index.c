/* CREATE INDEX, UNIQUE, DROP INDEX, and which index ON CONFLICT means. */

#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"
#include "txn/parts.h"

#define NAME_SIZE_MAX 63u /* As PostgreSQL cuts names it makes up. */

/* ---- expressions kept as text ---- */

/* The table's columns under the ids position + 1. */
static tdbplus_status name_columns(struct binder *binder, struct bind_query *query,
                                   const struct bind_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        struct bind_column column = {.table = table->name,
                                     .name = table->columns[i].name,
                                     .id = i + 1,
                                     .type = table->columns[i].type};
        TRY(bind_add_column(binder, query, &column));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_table_of(struct arena *arena, const struct object *object,
                             struct bind_table *table_out, struct err *err)
{
    const char *own = catalog_own_name(object->name);
    size_t schema = own == object->name ? 0 : (size_t)(own - object->name) - 1;
    struct span name = {.data = (const uint8_t *)object->name, .size = schema};
    struct bind_table table = {.schema_name = schema == 0 ? NULL : arena_text(arena, name),
                               .name = arena_text(arena, span_from_text(own)),
                               .object = object,
                               .columns = object->schema->columns,
                               .column_count = object->schema->column_count};
    if (table.name == NULL || (schema != 0 && table.schema_name == NULL)) {
        return err_set(err, TDBPLUS_E_NOMEM, "out of memory while binding");
    }
    *table_out = table;
    return TDBPLUS_OK;
}

tdbplus_status bind_table_text(struct txn *txn, const struct object *table, const char *text,
                               struct arena *arena, struct expr **expr_out, struct err *err)
{
    struct bind_table columns = {0};
    TRY(bind_table_of(arena, table, &columns, err));
    struct binder binder = {
        .arena = arena, .err = err, .txn = txn, .next_id = table->schema->column_count + 1};
    struct bind_query query = {.clause = CLAUSE_CHECK};
    TRY(name_columns(&binder, &query, &columns));
    return bind_stored_text(&binder, &query, text, expr_out);
}

static bool is_not_stable(void *ctx, struct expr **node)
{
    (void)ctx;
    return (*node)->func == NULL || ((*node)->func->flags & FUNC_STABLE) == 0;
}

bool bind_is_stable(struct expr *expr)
{
    return !expr_walk(&expr, is_not_stable, NULL);
}

static tdbplus_status check_expression(struct binder *binder, const struct expr *expr,
                                       bool predicate)
{
    if (expr_contains(expr, EXPR_SUBQUERY)) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", expr->position,
                         predicate ? "cannot use subquery in index predicate"
                                   : "cannot use subquery in index expression");
    }
    if (expr_contains(expr, EXPR_PARAMETER)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P02", expr->position,
                         "an index has no parameters");
    }
    if (expr_volatile(expr)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P17", 0,
                         "functions in index %s must be marked IMMUTABLE",
                         predicate ? "predicate" : "expression");
    }
    return TDBPLUS_OK;
}

/* ---- names ---- */

static bool name_taken(struct binder *binder, const struct bind_table *table, const char *name)
{
    struct catalog_entry entry;
    if (catalog_relation_find(binder->txn, table->schema_name, name, &entry) ||
        strcmp(table->name, name) == 0) {
        return true;
    }
    for (uint32_t i = 0; i < table->index_count; i++) {
        if (strcmp(table->indexes[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* "t_a_b_idx", then "t_a_b_idx1": as PostgreSQL makes them, cutting the longer of both parts. */
tdbplus_status bind_choose_name(struct binder *binder, const struct bind_table *table,
                                const char *columns, const char *label, const char **name_out)
{
    for (uint32_t number = 0; number < 100000; number++) {
        char text[2 * COLLECTION_NAME_SIZE_MAX + 600];
        char tail[32];
        (void)snprintf(tail, sizeof tail, number == 0 ? "_%s" : "_%s%u", label, number);
        size_t room = NAME_SIZE_MAX - strlen(tail) - 1;
        size_t table_size = strlen(table->name);
        size_t column_size = strlen(columns);
        while (table_size + column_size > room) {
            table_size > column_size ? table_size-- : column_size--;
        }
        (void)snprintf(text, sizeof text, "%.*s_%.*s%s", (int)table_size, table->name,
                       (int)column_size, columns, tail);
        if (!name_taken(binder, table, text)) {
            *name_out = arena_text(binder->arena, span_from_text(text));
            return *name_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
        }
    }
    return bind_fail(binder, TDBPLUS_E_LIMIT, "54000", 0, "too many indexes have that name");
}

static void append_name(char *text, size_t size, const char *name)
{
    size_t used = strlen(text);
    if (used < size) {
        (void)snprintf(text + used, size - used, "%s%s", used == 0 ? "" : "_", name);
    }
}

/* ---- columns ---- */

static tdbplus_status check_type(struct binder *binder, struct type type, const char *method)
{
    if (key_type_allowed(type)) {
        return TDBPLUS_OK;
    }
    char name[64];
    bind_show_type(binder, type, name);
    tdbplus_status status = bind_fail(
        binder, TDBPLUS_E_SQL, "42704", 0,
        "data type %s has no default operator class for access method \"%s\"", name, method);
    err_hint(binder->err, "You must specify an operator class for the index or define a default "
                          "operator class for the data type.");
    return status;
}

static const struct schema_column *find_column(const struct bind_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        bool hidden = strcmp(table->columns[i].name, TABLE_HIDDEN_KEY_NAME) == 0;
        if (!hidden && strcmp(table->columns[i].name, name) == 0) {
            return &table->columns[i];
        }
    }
    return NULL;
}

static tdbplus_status bind_element(struct binder *binder, const struct bind_table *table,
                                   const struct ast_index_element *ast, uint32_t number,
                                   struct index_column *column)
{
    column->descending = ast->descending;
    column->nulls_first = ast->nulls_first;
    if (ast->name != NULL) {
        const struct schema_column *found = find_column(table, ast->name);
        if (found == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "column \"%s\" does not exist", ast->name);
        }
        column->column_id = found->id;
        column->type = found->type;
        return TDBPLUS_OK;
    }
    struct bind_query query = {.clause = CLAUSE_CHECK};
    struct expr *expr = NULL;
    TRY(name_columns(binder, &query, table));
    TRY(bind_expression(binder, &query, ast->expression, &expr));
    TRY(check_expression(binder, expr, false));
    if (expr->type.id == TYPE_NONE) {
        TRY(bind_coerce(binder, &expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
    }
    column->type = expr->type;
    if (expr->kind == EXPR_COLUMN) {
        column->column_id = table->columns[expr->number - 1].id;
        return TDBPLUS_OK;
    }
    column->expression = arena_text(binder->arena, bind_slice_index(binder->text, number));
    return column->expression == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* What PostgreSQL calls the column of the index. */
static const char *element_label(const struct ast_index_element *ast)
{
    if (ast->name != NULL) {
        return ast->name;
    }
    if (ast->expression->kind == AST_FUNCTION) {
        const struct ast_names *names = &((const struct ast_function *)ast->expression)->name;
        return names->items[names->count - 1];
    }
    return "expr";
}

static tdbplus_status bind_elements(struct binder *binder, const struct bind_table *table,
                                    const struct ast_list *elements, const char *method,
                                    struct index_def *def)
{
    if (elements->count > INDEX_COLUMN_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", 0,
                         "cannot use more than %u columns in an index", INDEX_COLUMN_COUNT_MAX);
    }
    def->columns = arena_array(binder->arena, elements->count + 1u, sizeof *def->columns);
    if (def->columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < elements->count; i++) {
        const struct ast_index_element *element =
            (const struct ast_index_element *)elements->items[i];
        TRY(bind_element(binder, table, element, i, &def->columns[i]));
        TRY(check_type(binder, def->columns[i].type, method));
    }
    def->column_count = elements->count;
    return TDBPLUS_OK;
}

static tdbplus_status add_include(struct binder *binder, const struct bind_table *table,
                                  const char *name, struct index_def *def)
{
    const struct schema_column *found = find_column(table, name);
    if (found == NULL) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0, "column \"%s\" does not exist",
                         name);
    }
    def->includes[def->include_count++] = found->id;
    return TDBPLUS_OK;
}

static tdbplus_status make_includes(struct binder *binder, uint32_t count, struct index_def *def)
{
    if (count > INDEX_INCLUDE_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", 0,
                         "cannot use more than %u columns in an index", INDEX_INCLUDE_COUNT_MAX);
    }
    def->includes = arena_array(binder->arena, count + 1u, sizeof *def->includes);
    return def->includes == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* ---- CREATE INDEX ---- */

static tdbplus_status check_hash(struct binder *binder, const struct ast_create_index *ast)
{
    const char *what = NULL;
    if (ast->unique) {
        what = "unique indexes";
    } else if (ast->including.count > 0) {
        what = "included columns";
    } else if (ast->elements.count > 1) {
        what = "multicolumn indexes";
    }
    for (uint32_t i = 0; i < ast->elements.count && what == NULL; i++) {
        const struct ast_index_element *element =
            (const struct ast_index_element *)ast->elements.items[i];
        if (element->descending) {
            what = "ASC/DESC options";
        } else if (element->nulls_first) {
            what = "NULLS FIRST/LAST options";
        }
    }
    if (what == NULL) {
        return TDBPLUS_OK;
    }
    return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                     "access method \"hash\" does not support %s", what);
}

static tdbplus_status bind_method(struct binder *binder, const struct ast_create_index *ast,
                                  struct index_def *def)
{
    static const char *const later[] = {"gin", "gist", "spgist", "brin", "hnsw", "ivfflat", NULL};
    if (ast->method == NULL || strcmp(ast->method, "btree") == 0) {
        return TDBPLUS_OK;
    }
    if (strcmp(ast->method, "hash") == 0) {
        def->method = INDEX_HASH;
        return check_hash(binder, ast);
    }
    for (uint32_t i = 0; later[i] != NULL; i++) {
        if (strcmp(ast->method, later[i]) == 0) {
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                             "access method \"%s\" is not supported", ast->method);
        }
    }
    return bind_fail(binder, TDBPLUS_E_SQL, "42704", 0, "access method \"%s\" does not exist",
                     ast->method);
}

/* Storage parameters of PostgreSQL's B-trees mean nothing here, but do no harm. */
static tdbplus_status check_options(struct binder *binder, const struct ast_list *options)
{
    for (uint32_t i = 0; i < options->count; i++) {
        const struct ast_option *option = (const struct ast_option *)options->items[i];
        if (strcmp(option->name, "fillfactor") != 0 &&
            strcmp(option->name, "deduplicate_items") != 0) {
            return bind_fail(binder, TDBPLUS_E_INVALID, "22023", option->ast.position,
                             "unrecognized parameter \"%s\"", option->name);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_predicate(struct binder *binder, const struct bind_table *table,
                                     const struct ast *where, struct index_def *def)
{
    struct bind_query query = {.clause = CLAUSE_WHERE};
    struct expr *expr = NULL;
    TRY(name_columns(binder, &query, table));
    TRY(bind_condition(binder, &query, where, "WHERE", &expr));
    TRY(check_expression(binder, expr, true));
    def->predicate = arena_text(binder->arena, bind_slice_predicate(binder->text));
    return def->predicate == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status name_index(struct binder *binder, const struct ast_create_index *ast,
                                 const struct bind_table *table, struct bound_index *index)
{
    if (ast->name == NULL) {
        char labels[512] = "";
        for (uint32_t i = 0; i < ast->elements.count; i++) {
            append_name(labels, sizeof labels,
                        element_label((const struct ast_index_element *)ast->elements.items[i]));
        }
        for (uint32_t i = 0; i < ast->including.count; i++) {
            append_name(labels, sizeof labels,
                        element_label((const struct ast_index_element *)ast->including.items[i]));
        }
        return bind_choose_name(binder, table, labels, "idx", &index->name);
    }
    struct catalog_entry entry;
    index->name = ast->name;
    index->exists = catalog_relation_find(binder->txn, table->schema_name, ast->name, &entry);
    if (index->exists && !ast->if_not_exists) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", 0, "relation \"%s\" already exists",
                         ast->name);
    }
    if (index->exists) {
        bind_notice(binder, "42P07", "relation \"%s\" already exists, skipping", ast->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_create_index(struct binder *binder, const struct ast_create_index *ast,
                                 struct bound_index *index_out)
{
    struct bound_index index = {0};
    struct catalog_entry entry;
    TRY(bind_find_relation(binder, ast->table, &entry));
    if (entry.kind != CATALOG_TABLE) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                                          "cannot create index on relation \"%s\"", entry.name);
        err_detail(binder->err, "This operation is not supported for %ss.",
                   bind_kind_name(entry.kind));
        return status;
    }
    TRY(bind_check_owner(binder, &entry));
    index.table = entry.object;
    struct bind_table table = {0};
    TRY(bind_table_of(binder->arena, index.table, &table, binder->err));
    index.schema = table.schema_name;
    TRY(name_index(binder, ast, &table, &index));
    if (index.exists) {
        *index_out = index;
        return TDBPLUS_OK;
    }
    index.def.unique = ast->unique;
    index.def.nulls_not_distinct = ast->nulls_not_distinct;
    TRY(bind_method(binder, ast, &index.def));
    TRY(check_options(binder, &ast->options));
    TRY(bind_elements(binder, &table, &ast->elements, ast->method == NULL ? "btree" : ast->method,
                      &index.def));
    TRY(make_includes(binder, ast->including.count, &index.def));
    for (uint32_t i = 0; i < ast->including.count; i++) {
        const struct ast_index_element *element =
            (const struct ast_index_element *)ast->including.items[i];
        if (element->name == NULL) {
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                             "expressions are not supported in included columns");
        }
        TRY(add_include(binder, &table, element->name, &index.def));
    }
    if (ast->where != NULL) {
        TRY(bind_predicate(binder, &table, ast->where, &index.def));
    }
    *index_out = index;
    return TDBPLUS_OK;
}

/* ---- UNIQUE ---- */

tdbplus_status bind_unique(struct binder *binder, const struct bind_table *table,
                           const struct ast_names *names, const struct ast_constraint *ast,
                           struct bound_index *index_out)
{
    struct bound_index index = {.schema = table->schema_name,
                                .def = {.unique = true,
                                        .constraint = true,
                                        .nulls_not_distinct = ast->nulls_not_distinct,
                                        .deferrable = ast->deferrable,
                                        .deferred = ast->deferred}};
    struct index_def *def = &index.def;
    char labels[512] = "";
    def->columns = arena_array(binder->arena, names->count + 1u, sizeof *def->columns);
    if (def->columns == NULL) {
        return bind_no_memory(binder);
    }
    if (names->count > INDEX_COLUMN_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", ast->ast.position,
                         "cannot use more than %u columns in an index", INDEX_COLUMN_COUNT_MAX);
    }
    for (uint32_t i = 0; i < names->count; i++) {
        const struct schema_column *column = find_column(table, names->items[i]);
        if (column == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", ast->ast.position,
                             "column \"%s\" named in key does not exist", names->items[i]);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (def->columns[k].column_id == column->id) {
                return bind_fail(binder, TDBPLUS_E_SQL, "42701", ast->ast.position,
                                 "column \"%s\" appears twice in unique constraint",
                                 names->items[i]);
            }
        }
        TRY(check_type(binder, column->type, "btree"));
        def->columns[i].column_id = column->id;
        def->columns[i].type = column->type;
        append_name(labels, sizeof labels, names->items[i]);
    }
    def->column_count = names->count;
    TRY(make_includes(binder, ast->including.count, def));
    for (uint32_t i = 0; i < ast->including.count; i++) {
        TRY(add_include(binder, table, ast->including.items[i], def));
        append_name(labels, sizeof labels, ast->including.items[i]);
    }
    if (ast->name != NULL) {
        index.name = ast->name;
        if (name_taken(binder, table, ast->name)) {
            return bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", 0, "relation \"%s\" already exists",
                             ast->name);
        }
    } else {
        TRY(bind_choose_name(binder, table, labels, "key", &index.name));
    }
    *index_out = index;
    return TDBPLUS_OK;
}

/* ---- DROP INDEX ---- */

static tdbplus_status check_droppable(struct binder *binder, const struct object *object)
{
    struct index_def def = {0};
    TRY(index_def_decode(object->properties, binder->arena, &def, binder->err));
    const struct object *table = txn_object_by_id(binder->txn, object->parent);
    if (!def.constraint || table == NULL) {
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_SQL, "2BP01", 0,
                  "cannot drop index %s because constraint %s on table %s requires it",
                  catalog_own_name(object->name), catalog_own_name(object->name),
                  catalog_own_name(table->name));
    err_hint(binder->err, "You can drop constraint %s on table %s instead.",
             catalog_own_name(object->name), catalog_own_name(table->name));
    return status;
}

tdbplus_status bind_drop_index(struct binder *binder, const struct ast_drop *ast,
                               struct bound_drop *drop_out)
{
    struct bound_drop drop = {0};
    drop.objects = arena_array(binder->arena, ast->names.count + 1u, sizeof *drop.objects);
    if (drop.objects == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < ast->names.count; i++) {
        const struct ast_table_ref *name = (const struct ast_table_ref *)ast->names.items[i];
        struct catalog_entry entry;
        if (bind_lookup(binder, CATALOG_INDEX, name->schema, name->name, &entry)) {
            TRY(bind_check_drop(binder, &entry));
            TRY(check_droppable(binder, entry.object));
            drop.objects[drop.count++] = entry.object;
            continue;
        }
        if (bind_lookup(binder, 0, name->schema, name->name, &entry)) {
            tdbplus_status status =
                bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not an index", name->name);
            if (entry.kind == CATALOG_TABLE) {
                err_hint(binder->err, "Use DROP TABLE to remove a table.");
            }
            return status;
        }
        if (!ast->missing_ok) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", 0, "index \"%s\" does not exist",
                             name->name);
        }
        bind_notice(binder, "00000", "index \"%s\" does not exist, skipping", name->name);
        drop.missing_count++;
    }
    *drop_out = drop;
    return TDBPLUS_OK;
}

/* ---- ON CONFLICT ---- */

struct inference {
    struct expr **exprs; /* Of the elements. */
    uint32_t count;
    struct expr *where; /* NULL: none. */
};

static tdbplus_status bind_inference(struct binder *binder, const struct object *object,
                                     const struct ast_conflict *ast, struct inference *inference)
{
    struct bind_table table = {0};
    TRY(bind_table_of(binder->arena, object, &table, binder->err));
    struct bind_query query = {.clause = CLAUSE_CHECK};
    TRY(name_columns(binder, &query, &table));
    inference->exprs = arena_array(binder->arena, ast->elements.count + 1u, sizeof(struct expr *));
    if (inference->exprs == NULL) {
        return bind_no_memory(binder);
    }
    inference->count = ast->elements.count;
    for (uint32_t i = 0; i < ast->elements.count; i++) {
        const struct ast_index_element *element =
            (const struct ast_index_element *)ast->elements.items[i];
        if (element->expression != NULL) {
            TRY(bind_expression(binder, &query, element->expression, &inference->exprs[i]));
            continue;
        }
        const struct schema_column *column = find_column(&table, element->name);
        if (column == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "column \"%s\" does not exist", element->name);
        }
        inference->exprs[i] =
            expr_column(binder->arena, (uint32_t)(column - table.columns) + 1, column->type);
        if (inference->exprs[i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    if (ast->element_where != NULL) {
        TRY(bind_condition(binder, &query, ast->element_where, "WHERE", &inference->where));
    }
    return TDBPLUS_OK;
}

static bool has_expr(const struct inference *inference, const struct expr *expr)
{
    for (uint32_t i = 0; i < inference->count; i++) {
        if (expr_equal(inference->exprs[i], expr)) {
            return true;
        }
    }
    return false;
}

/* The condition, or one that it is a conjunction of, is `expr`. */
static bool implies(const struct expr *condition, const struct expr *expr)
{
    if (condition == NULL) {
        return false;
    }
    bool found = expr_equal(condition, expr);
    for (uint32_t i = 0; condition->kind == EXPR_AND && i < condition->argument_count; i++) {
        found = found || expr_equal(condition->arguments[i], expr);
    }
    return found;
}

static tdbplus_status index_expr(struct binder *binder, const struct object *table,
                                 const struct index_column *column, struct expr **expr_out)
{
    if (column->column_id == 0) {
        return bind_table_text(binder->txn, table, column->expression, binder->arena, expr_out,
                               binder->err);
    }
    int32_t position = schema_find_id(table->schema, column->column_id);
    *expr_out = expr_column(binder->arena, (uint32_t)position + 1, column->type);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* The same columns in any order, and a predicate that the inference has too. */
static tdbplus_status matches(struct binder *binder, const struct object *table,
                              const struct index_def *def, const struct inference *inference,
                              bool *matches_out)
{
    struct inference own = {
        .exprs = arena_array(binder->arena, def->column_count, sizeof(struct expr *))};
    *matches_out = false;
    if (own.exprs == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        struct expr *expr = NULL;
        TRY(index_expr(binder, table, &def->columns[i], &expr));
        if (!has_expr(inference, expr)) {
            return TDBPLUS_OK;
        }
        own.exprs[own.count++] = expr;
    }
    for (uint32_t i = 0; i < inference->count; i++) {
        if (!has_expr(&own, inference->exprs[i])) {
            return TDBPLUS_OK;
        }
    }
    if (def->predicate != NULL) {
        struct expr *predicate = NULL;
        TRY(bind_table_text(binder->txn, table, def->predicate, binder->arena, &predicate,
                            binder->err));
        if (!implies(inference->where, predicate)) {
            return TDBPLUS_OK;
        }
    }
    *matches_out = true;
    return TDBPLUS_OK;
}

static tdbplus_status key_matches(const struct object *table, const struct inference *inference,
                                  bool *matches_out)
{
    const struct schema *schema = table->schema;
    uint32_t found = 0;
    *matches_out = false;
    for (uint32_t i = 0; i < inference->count; i++) {
        const struct expr *expr = inference->exprs[i];
        bool in_key = false;
        for (uint32_t k = 0; k < schema->key_count; k++) {
            in_key =
                in_key || (expr->kind == EXPR_COLUMN && expr->number == schema->key_columns[k] + 1);
        }
        if (!in_key) {
            return TDBPLUS_OK;
        }
    }
    for (uint32_t k = 0; k < schema->key_count; k++) {
        for (uint32_t i = 0; i < inference->count; i++) {
            if (inference->exprs[i]->number == schema->key_columns[k] + 1) {
                found++;
                break;
            }
        }
    }
    *matches_out = found == schema->key_count;
    return TDBPLUS_OK;
}

static tdbplus_status deferrable_arbiter(struct binder *binder)
{
    return bind_fail(binder, TDBPLUS_E_SQL, "55000", 0,
                     "ON CONFLICT does not support deferrable unique constraints/exclusion "
                     "constraints as arbiters");
}

static tdbplus_status find_named(struct binder *binder, const struct object *table, bool hidden_key,
                                 const char *name, const struct txn_index *indexes, uint32_t count,
                                 struct plan_change *change)
{
    char key_name[COLLECTION_NAME_SIZE_MAX + 8];
    (void)snprintf(key_name, sizeof key_name, "%s_pkey", table->name);
    if (!hidden_key && strcmp(name, key_name) == 0) {
        change->arbiters[change->arbiter_count++] = 0;
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct txn_index *index = &indexes[i];
        if (!index->def.constraint || strcmp(catalog_own_name(index->object->name), name) != 0) {
            continue;
        }
        if (index->def.deferrable) {
            return deferrable_arbiter(binder);
        }
        change->arbiters[change->arbiter_count++] = index->object->id;
        return bind_depends_on(binder, index->object);
    }
    return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42704", 0,
                     "constraint \"%s\" for table \"%s\" does not exist", name, table->name);
}

tdbplus_status bind_arbiters(struct binder *binder, const struct object *table, bool hidden_key,
                             const struct ast_conflict *ast, struct plan_change *change)
{
    const struct txn_index *indexes = NULL;
    uint32_t count = 0;
    TRY(txn_indexes(binder->txn, table, &indexes, &count, binder->err));
    change->arbiters = arena_array(binder->arena, count + 1u, sizeof *change->arbiters);
    if (change->arbiters == NULL) {
        return bind_no_memory(binder);
    }
    if (ast->constraint != NULL) {
        return find_named(binder, table, hidden_key, ast->constraint, indexes, count, change);
    }
    bool any = ast->elements.count == 0;
    if (any && ast->update) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "ON CONFLICT DO UPDATE requires inference specification or "
                         "constraint name");
    }
    struct inference inference = {0};
    TRY(bind_inference(binder, table, ast, &inference));
    bool match = any;
    if (!any) {
        TRY(key_matches(table, &inference, &match));
    }
    if (match && !hidden_key) {
        change->arbiters[change->arbiter_count++] = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct txn_index *index = &indexes[i];
        if (!index->def.unique || (index->def.deferrable && any)) {
            continue;
        }
        match = any;
        if (!any) {
            TRY(matches(binder, table, &index->def, &inference, &match));
        }
        if (match && index->def.deferrable) {
            return deferrable_arbiter(binder);
        }
        if (match) {
            change->arbiters[change->arbiter_count++] = index->object->id;
            TRY(bind_depends_on(binder, index->object));
        }
    }
    if (change->arbiter_count == 0 && !any) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P10", 0,
                         "there is no unique or exclusion constraint matching the ON CONFLICT "
                         "specification");
    }
    return TDBPLUS_OK;
}

/* ---- indexes of a scan ---- */

static tdbplus_status make_plan_index(struct binder *binder, uint32_t column_count,
                                      uint32_t stored_max, struct plan_index *index)
{
    index->columns = arena_array(binder->arena, column_count, sizeof *index->columns);
    index->positions = arena_array(binder->arena, column_count, sizeof *index->positions);
    index->descending = arena_array(binder->arena, column_count, sizeof *index->descending);
    index->nulls_first = arena_array(binder->arena, column_count, sizeof *index->nulls_first);
    index->stored = arena_array(binder->arena, stored_max, sizeof *index->stored);
    index->column_count = column_count;
    return index->columns == NULL || index->positions == NULL || index->descending == NULL ||
                   index->nulls_first == NULL || index->stored == NULL
               ? bind_no_memory(binder)
               : TDBPLUS_OK;
}

static tdbplus_status scan_column(struct binder *binder, const struct plan *scan, uint32_t position,
                                  struct expr **expr_out)
{
    *expr_out =
        expr_column(binder->arena, scan->columns[position].id, scan->columns[position].type);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status plan_key(struct binder *binder, const struct plan *scan,
                               struct plan_index *index)
{
    const struct schema *schema = scan->scan.object->schema;
    TRY(make_plan_index(binder, schema->key_count, 1, index));
    char name[COLLECTION_NAME_SIZE_MAX + 8];
    (void)snprintf(name, sizeof name, "%s_pkey", scan->scan.table_name);
    TRY(bind_copy_name(binder, name, &index->name));
    index->unique = true;
    for (uint32_t i = 0; i < schema->key_count; i++) {
        index->positions[i] = schema->key_columns[i];
        TRY(scan_column(binder, scan, schema->key_columns[i], &index->columns[i]));
    }
    return TDBPLUS_OK;
}

/* The hidden key is behind the scan's columns, which then are fewer than the table's. */
static tdbplus_status bind_scan_text(struct binder *binder, const struct plan *scan,
                                     const char *text, struct expr **expr_out)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    for (uint32_t i = 0; i < scan->column_count; i++) {
        struct bind_column column = {.table = scan->scan.table_name,
                                     .name = scan->columns[i].name,
                                     .id = scan->columns[i].id,
                                     .type = scan->columns[i].type};
        TRY(bind_add_column(binder, &query, &column));
    }
    return bind_stored_text(binder, &query, text, expr_out);
}

static tdbplus_status plan_secondary(struct binder *binder, const struct plan *scan,
                                     const struct txn_index *from, struct plan_index *index)
{
    const struct index_def *def = &from->def;
    uint32_t stored = from->entries->schema->column_count - 1;
    TRY(make_plan_index(binder, def->column_count, stored, index));
    TRY(bind_copy_name(binder, catalog_own_name(from->object->name), &index->name));
    index->id = from->object->id;
    index->hash = def->method == INDEX_HASH;
    index->unique = def->unique;
    for (uint32_t i = 0; i < stored; i++) {
        index->stored[index->stored_count++] = from->stored[i];
    }
    for (uint32_t i = 0; i < def->column_count; i++) {
        index->positions[i] = from->positions[i];
        index->descending[i] = def->columns[i].descending;
        index->nulls_first[i] = def->columns[i].nulls_first;
        TRY(from->positions[i] != UINT32_MAX
                ? scan_column(binder, scan, from->positions[i], &index->columns[i])
                : bind_scan_text(binder, scan, def->columns[i].expression, &index->columns[i]));
    }
    return def->predicate == NULL ? TDBPLUS_OK
                                  : bind_scan_text(binder, scan, def->predicate, &index->predicate);
}

tdbplus_status bind_plan_indexes(struct binder *binder, struct plan *scan, bool hidden_key)
{
    const struct txn_index *indexes = NULL;
    uint32_t count = 0;
    TRY(txn_indexes(binder->txn, scan->scan.object, &indexes, &count, binder->err));
    scan->scan.indexes = arena_array(binder->arena, count + 1u, sizeof *scan->scan.indexes);
    if (scan->scan.indexes == NULL) {
        return bind_no_memory(binder);
    }
    if (!hidden_key) {
        TRY(plan_key(binder, scan, &scan->scan.indexes[scan->scan.index_count++]));
    }
    for (uint32_t i = 0; i < count; i++) {
        if (txn_index_usable(binder->txn, &indexes[i])) {
            TRY(plan_secondary(binder, scan, &indexes[i],
                               &scan->scan.indexes[scan->scan.index_count++]));
        }
    }
    return TDBPLUS_OK;
}
