/* CREATE TABLE, DROP TABLE. */

#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"

tdbplus_status bind_stored_text(struct binder *binder, struct bind_query *query, const char *text,
                                struct expr **expr_out)
{
    size_t size = strlen(text) + 8;
    char *select = (char *)arena_bytes(binder->arena, size);
    if (select == NULL) {
        return bind_no_memory(binder);
    }
    (void)snprintf(select, size, "SELECT %s", text);
    struct span span = span_from_text(select);
    struct parse_result parsed = {0};
    TRY(parse_text(span, binder->arena, &parsed, binder->err));
    const struct ast_select *ast = (const struct ast_select *)parsed.statements[0].root;
    if (parsed.statement_count != 1 || ast->ast.kind != AST_SELECT || ast->targets.count != 1) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "a stored expression is damaged");
    }
    // Positions are of that text, so errors must not point into the statement's.
    struct span before = binder->text;
    binder->text = (struct span){0};
    tdbplus_status status = bind_expression(
        binder, query, ((const struct ast_target *)ast->targets.items[0])->value, expr_out);
    binder->text = before;
    return status;
}

struct table_builder {
    struct pointers columns; /* struct schema_column */
    struct pointers keys;    /* Names, const char */
    bool has_key;
    struct pointers defaults; /* struct table_text */
    struct pointers checks;
    struct pointers uniques;   /* struct part_builder */
    struct pointers foreign;   /* struct part_builder */
    struct part_builder *last; /* What DEFERRABLE speaks of, */
    bool after_key;            /* if not of the primary key. */
    const char *table;
};

/* UNIQUE or a foreign key, until the columns are known. */
struct part_builder {
    struct ast_names names;
    struct ast_constraint ast;
};

static struct schema_column *find(const struct table_builder *builder, const char *name)
{
    for (uint32_t i = 0; i < builder->columns.count; i++) {
        struct schema_column *column = builder->columns.items[i];
        if (strcmp(column->name, name) == 0) {
            return column;
        }
    }
    return NULL;
}

static tdbplus_status set_key(struct binder *binder, struct table_builder *builder,
                              const char *const *names, uint32_t count, uint32_t position)
{
    if (builder->has_key) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P16", position,
                         "multiple primary keys for table \"%s\" are not allowed", builder->table);
    }
    builder->has_key = true;
    for (uint32_t i = 0; i < count; i++) {
        void *name = NULL;
        memcpy(&name, &names[i], sizeof name);
        if (!pointers_push(binder->arena, &builder->keys, name)) {
            return bind_no_memory(binder);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_text(struct binder *binder, struct pointers *list, uint32_t column_id,
                               const char *name, struct span text)
{
    struct table_text *item = arena_array(binder->arena, 1, sizeof *item);
    if (item == NULL || !pointers_push(binder->arena, list, item)) {
        return bind_no_memory(binder);
    }
    *item = (struct table_text){column_id, name, arena_text(binder->arena, text)};
    return item->text == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* The default is bound now to find its errors, and bound again for each INSERT. */
static tdbplus_status add_default(struct binder *binder, struct table_builder *builder,
                                  const struct schema_column *column,
                                  const struct ast_constraint *constraint)
{
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct expr *expr = NULL;
    TRY(bind_expression(binder, &query, constraint->expression, &expr));
    bool done = false;
    TRY(bind_try_coerce(binder, &expr, column->type, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char want[64];
        char have[64];
        func_type_name(column->type, want);
        func_type_name(expr->type, have);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", constraint->ast.position,
                         "column \"%s\" is of type %s but default expression is of type %s",
                         column->name, want, have);
    }
    struct span text = bind_slice_default(binder->text, constraint->ast.position - 1);
    return add_text(binder, &builder->defaults, column->id, NULL, text);
}

static tdbplus_status add_check(struct binder *binder, struct table_builder *builder,
                                const char *column, const struct ast_constraint *constraint)
{
    const char *name = constraint->name;
    if (name == NULL) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s%s%s_check", builder->table, column != NULL ? "_" : "",
                       column != NULL ? column : "");
        uint32_t same = 0;
        for (uint32_t i = 0; i < builder->checks.count; i++) {
            const struct table_text *other = builder->checks.items[i];
            same += strncmp(other->name, text, strlen(text)) == 0;
        }
        size_t used = strlen(text);
        if (same > 0) {
            (void)snprintf(text + used, sizeof text - used, "%u", same);
        }
        name = arena_text(binder->arena, span_from_text(text));
        if (name == NULL) {
            return bind_no_memory(binder);
        }
    }
    struct span text = bind_slice_parentheses(binder->text, constraint->ast.position - 1);
    return add_text(binder, &builder->checks, 0, name, text);
}

static tdbplus_status add_part(struct binder *binder, struct table_builder *builder,
                               struct pointers *list, const struct ast_names *names,
                               const struct ast_constraint *ast)
{
    struct part_builder *part = arena_array(binder->arena, 1, sizeof *part);
    if (part == NULL || !pointers_push(binder->arena, list, part)) {
        return bind_no_memory(binder);
    }
    *part = (struct part_builder){*names, *ast};
    builder->last = part;
    builder->after_key = false;
    return TDBPLUS_OK;
}

static tdbplus_status add_column_part(struct binder *binder, struct table_builder *builder,
                                      struct pointers *list, const char *column,
                                      const struct ast_constraint *ast)
{
    const char **name = arena_array(binder->arena, 1, sizeof *name);
    if (name == NULL) {
        return bind_no_memory(binder);
    }
    *name = column;
    struct ast_names names = {.items = name, .count = 1};
    return add_part(binder, builder, list, &names, ast);
}

/* DEFERRABLE and the like behind a column's constraint. */
static tdbplus_status add_attribute(struct binder *binder, struct table_builder *builder,
                                    const struct ast_constraint *ast)
{
    static const char *const names[] = {"DEFERRABLE", "NOT DEFERRABLE", "INITIALLY DEFERRED",
                                        "INITIALLY IMMEDIATE"};
    uint32_t number = (uint32_t)ast->constraint_kind - AST_CONSTRAINT_DEFERRABLE;
    if (builder->after_key) {
        return number % 2 == 1
                   ? TDBPLUS_OK
                   : bind_unsupported(binder, ast->ast.position, "a deferrable primary key");
    }
    if (builder->last == NULL) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "misplaced %s clause", names[number]);
    }
    struct ast_constraint *of = &builder->last->ast;
    of->deferrable = of->deferrable || number == 0 || number == 2;
    of->deferred = of->deferred || number == 2;
    return TDBPLUS_OK;
}

static tdbplus_status add_column_constraint(struct binder *binder, struct table_builder *builder,
                                            struct schema_column *column,
                                            const struct ast_constraint *constraint)
{
    uint32_t position = constraint->ast.position;
    switch ((enum ast_constraint_kind)constraint->constraint_kind) {
    case AST_CONSTRAINT_NULL:
        return TDBPLUS_OK;
    case AST_CONSTRAINT_NOT_NULL:
        column->not_null = true;
        return TDBPLUS_OK;
    case AST_CONSTRAINT_DEFAULT:
        return add_default(binder, builder, column, constraint);
    case AST_CONSTRAINT_CHECK:
        return add_check(binder, builder, column->name, constraint);
    case AST_CONSTRAINT_PRIMARY:
        builder->after_key = true;
        return set_key(binder, builder, &column->name, 1, position);
    case AST_CONSTRAINT_UNIQUE:
        return add_column_part(binder, builder, &builder->uniques, column->name, constraint);
    case AST_CONSTRAINT_FOREIGN:
        return add_column_part(binder, builder, &builder->foreign, column->name, constraint);
    case AST_CONSTRAINT_IDENTITY:
        return bind_unsupported(binder, position, "an identity column");
    case AST_CONSTRAINT_GENERATED:
        return bind_unsupported(binder, position, "a generated column");
    case AST_CONSTRAINT_DEFERRABLE:
    case AST_CONSTRAINT_NOT_DEFERRABLE:
    case AST_CONSTRAINT_DEFERRED:
    case AST_CONSTRAINT_IMMEDIATE:
        return add_attribute(binder, builder, constraint);
    case AST_CONSTRAINT_OTHER:
        break;
    }
    return bind_unsupported(binder, position, "this constraint");
}

static tdbplus_status add_column(struct binder *binder, struct table_builder *builder,
                                 const char *name, struct type type, uint32_t position,
                                 struct schema_column **column_out)
{
    if (find(builder, name) != NULL) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42701", position,
                         "column \"%s\" specified more than once", name);
    }
    if (strlen(name) >= SCHEMA_NAME_SIZE_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "42622", position,
                         "a column's name has fewer than %u bytes", SCHEMA_NAME_SIZE_MAX);
    }
    struct schema_column *column = arena_array(binder->arena, 1, sizeof *column);
    if (column == NULL || !pointers_push(binder->arena, &builder->columns, column)) {
        return bind_no_memory(binder);
    }
    column->id = builder->columns.count;
    column->name = name;
    column->type = type;
    column->missing = (struct datum){.type = type, .is_null = true};
    *column_out = column;
    return TDBPLUS_OK;
}

static tdbplus_status add_definition(struct binder *binder, struct table_builder *builder,
                                     const struct ast_column_definition *definition)
{
    struct type type = {0};
    struct schema_column *column = NULL;
    if (definition->type == NULL) {
        return bind_unsupported(binder, definition->ast.position, "a column without a type");
    }
    TRY(bind_type(binder, definition->type, &type));
    TRY(add_column(binder, builder, definition->name, type, definition->ast.position, &column));
    builder->last = NULL;
    builder->after_key = false;
    for (uint32_t i = 0; i < definition->constraints.count; i++) {
        TRY(add_column_constraint(binder, builder, column,
                                  (const struct ast_constraint *)definition->constraints.items[i]));
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_table_constraint(struct binder *binder, struct table_builder *builder,
                                           const struct ast_constraint *constraint)
{
    uint32_t position = constraint->ast.position;
    switch (constraint->constraint_kind) {
    case AST_CONSTRAINT_PRIMARY:
        if (constraint->deferrable || constraint->deferred) {
            return bind_unsupported(binder, position, "a deferrable primary key");
        }
        return set_key(binder, builder, constraint->keys.items, constraint->keys.count, position);
    case AST_CONSTRAINT_CHECK:
        return add_check(binder, builder, NULL, constraint);
    case AST_CONSTRAINT_UNIQUE:
        return add_part(binder, builder, &builder->uniques, &constraint->keys, constraint);
    case AST_CONSTRAINT_FOREIGN:
        return add_part(binder, builder, &builder->foreign, &constraint->keys, constraint);
    default:
        return bind_unsupported(binder, position, "this constraint");
    }
}

static tdbplus_status finish_keys(struct binder *binder, struct table_builder *builder,
                                  struct schema *schema)
{
    if (!builder->has_key) {
        struct schema_column *hidden = NULL;
        TRY(add_column(binder, builder, TABLE_HIDDEN_KEY_NAME, type_of(TYPE_INT8), 0, &hidden));
        const char *name = hidden->name;
        TRY(set_key(binder, builder, &name, 1, 0));
    }
    schema->key_columns =
        arena_array(binder->arena, builder->keys.count + 1u, sizeof *schema->key_columns);
    if (schema->key_columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < builder->keys.count; i++) {
        struct schema_column *column = find(builder, builder->keys.items[i]);
        if (column == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "column \"%s\" named in key does not exist",
                             (const char *)builder->keys.items[i]);
        }
        if (!key_type_allowed(column->type)) {
            char name[64];
            func_type_name(column->type, name);
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                             "a primary key of type %s is not supported", name);
        }
        column->not_null = true;
        schema->key_columns[i] = column->id - 1;
    }
    schema->key_count = builder->keys.count;
    return TDBPLUS_OK;
}

/* Checks see the table's columns by their names. */
static tdbplus_status verify_checks(struct binder *binder, const struct table_builder *builder)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    for (uint32_t i = 0; i < builder->columns.count; i++) {
        const struct schema_column *column = builder->columns.items[i];
        struct bind_column named = {builder->table, column->name, binder->next_id++,
                                    column->type,   false,        false};
        TRY(bind_add_column(binder, &query, &named));
    }
    for (uint32_t i = 0; i < builder->checks.count; i++) {
        struct expr *expr = NULL;
        TRY(bind_stored_text(binder, &query,
                             ((const struct table_text *)builder->checks.items[i])->text, &expr));
        TRY(bind_coerce(binder, &expr, type_of(TYPE_BOOL), FUNC_CAST_IMPLICIT));
        if (expr_contains(expr, EXPR_SUBQUERY)) {
            return bind_unsupported(binder, 0, "a subquery in a check constraint");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status copy_texts(struct binder *binder, const struct pointers *list,
                                 struct table_text **texts_out, uint32_t *count_out)
{
    struct table_text *texts = arena_array(binder->arena, list->count + 1u, sizeof *texts);
    if (texts == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        texts[i] = *(const struct table_text *)list->items[i];
    }
    *texts_out = texts;
    *count_out = list->count;
    return TDBPLUS_OK;
}

/* After the columns are in their places. */
static tdbplus_status finish_uniques(struct binder *binder, const struct table_builder *builder,
                                     struct bound_create *create)
{
    uint32_t count = builder->uniques.count;
    create->indexes = arena_array(binder->arena, count + 1u, sizeof *create->indexes);
    if (create->indexes == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct part_builder *unique = builder->uniques.items[i];
        struct bind_table table = {.name = builder->table,
                                   .columns = create->schema->columns,
                                   .column_count = create->schema->column_count,
                                   .indexes = create->indexes,
                                   .index_count = create->index_count};
        TRY(bind_unique(binder, &table, &unique->names, &unique->ast, &create->indexes[i]));
        create->index_count++;
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish_foreign(struct binder *binder, const struct table_builder *builder,
                                     struct bound_create *create)
{
    uint32_t count = builder->foreign.count;
    struct bind_table table = {.name = builder->table,
                               .columns = create->schema->columns,
                               .column_count = create->schema->column_count};
    create->foreign_keys = arena_array(binder->arena, count + 1u, sizeof *create->foreign_keys);
    if (create->foreign_keys == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct part_builder *foreign = builder->foreign.items[i];
        TRY(bind_foreign(binder, &table, create, &foreign->names, &foreign->ast,
                         &create->foreign_keys[i]));
        create->foreign_count++;
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish_table(struct binder *binder, struct table_builder *builder,
                                   struct bound_create *create)
{
    struct schema *schema = arena_array(binder->arena, 1, sizeof *schema);
    if (schema == NULL) {
        return bind_no_memory(binder);
    }
    create->info.hidden_key = !builder->has_key;
    TRY(verify_checks(binder, builder));
    TRY(finish_keys(binder, builder, schema));
    uint32_t count = builder->columns.count;
    if (count > SCHEMA_COLUMN_COUNT_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54011", 0, "tables can have at most %u columns",
                         SCHEMA_COLUMN_COUNT_MAX);
    }
    schema->columns = arena_array(binder->arena, count + 1u, sizeof *schema->columns);
    if (schema->columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        schema->columns[i] = *(const struct schema_column *)builder->columns.items[i];
    }
    schema->version = 1;
    schema->column_count = count;
    schema->column_id_next = count + 1;
    TRY(copy_texts(binder, &builder->defaults, &create->info.defaults,
                   &create->info.default_count));
    TRY(copy_texts(binder, &builder->checks, &create->info.checks, &create->info.check_count));
    create->schema = schema;
    create->name = builder->table;
    TRY(finish_uniques(binder, builder, create));
    return finish_foreign(binder, builder, create);
}

/* True in *exists_out with IF NOT EXISTS; an error without it. */
static tdbplus_status check_name(struct binder *binder, const struct ast_table_ref *table,
                                 bool if_not_exists, bool *exists_out)
{
    if (table->temporary) {
        return bind_unsupported(binder, table->ast.position, "a temporary table");
    }
    if (table->schema != NULL && strcmp(table->schema, "public") != 0) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "3F000", table->ast.position,
                         "schema \"%s\" does not exist", table->schema);
    }
    if (strlen(table->name) >= COLLECTION_NAME_SIZE_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "42622", table->ast.position,
                         "a table's name has fewer than %u bytes", COLLECTION_NAME_SIZE_MAX);
    }
    *exists_out = txn_object(binder->txn, OBJECT_COLLECTION, table->name) != NULL;
    if (*exists_out && !if_not_exists) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", table->ast.position,
                         "relation \"%s\" already exists", table->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_create_table(struct binder *binder, const struct ast_create_table *ast,
                                 struct bound_create *create_out)
{
    if (ast->inherits) {
        return bind_unsupported(binder, ast->table->ast.position, "INHERITS, PARTITION BY and OF");
    }
    struct bound_create create = {.name = ast->table->name};
    TRY(check_name(binder, ast->table, ast->if_not_exists, &create.exists));
    struct table_builder builder = {.table = ast->table->name};
    for (uint32_t pass = 0; pass < 2 && !create.exists; pass++) {
        // Columns first: constraints name them.
        for (uint32_t i = 0; i < ast->elements.count; i++) {
            const struct ast *element = ast->elements.items[i];
            if (pass == 0 && element->kind == AST_COLUMN_DEFINITION) {
                TRY(add_definition(binder, &builder,
                                   (const struct ast_column_definition *)element));
            } else if (pass == 1 && element->kind == AST_CONSTRAINT) {
                TRY(add_table_constraint(binder, &builder, (const struct ast_constraint *)element));
            }
        }
    }
    if (!create.exists) {
        TRY(finish_table(binder, &builder, &create));
        TRY(bind_table_options(binder, &ast->options, &create));
    }
    *create_out = create;
    return TDBPLUS_OK;
}

tdbplus_status bind_create_table_as(struct binder *binder, const struct ast_create_table_as *ast,
                                    struct bound_create *create_out)
{
    if (ast->materialized_view || ast->query->kind != AST_SELECT) {
        return bind_unsupported(binder, 0,
                                ast->materialized_view ? "CREATE MATERIALIZED VIEW"
                                                       : "CREATE TABLE AS of this statement");
    }
    struct bound_create create = {.name = ast->table->name};
    TRY(check_name(binder, ast->table, ast->if_not_exists, &create.exists));
    struct plan *source = NULL;
    TRY(bind_select(binder, NULL, (const struct ast_select *)ast->query, false, &source));
    if (ast->columns.count > source->column_count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         "too many column names were specified");
    }
    struct table_builder builder = {.table = ast->table->name};
    for (uint32_t i = 0; i < source->column_count && !create.exists; i++) {
        const char *name = i < ast->columns.count ? ast->columns.items[i] : source->columns[i].name;
        struct schema_column *column = NULL;
        TRY(add_column(binder, &builder, name != NULL ? name : "?column?", source->columns[i].type,
                       0, &column));
    }
    if (!create.exists) {
        TRY(finish_table(binder, &builder, &create));
        create.source = ast->no_data ? NULL : source;
    }
    *create_out = create;
    return TDBPLUS_OK;
}

tdbplus_status bind_drop(struct binder *binder, const struct ast_list *tables, bool missing_ok,
                         struct bound_drop *drop_out)
{
    struct bound_drop drop = {0};
    drop.objects = arena_array(binder->arena, tables->count + 1u, sizeof *drop.objects);
    if (drop.objects == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < tables->count; i++) {
        const struct ast_table_ref *table = (const struct ast_table_ref *)tables->items[i];
        const struct object *object = txn_object(binder->txn, OBJECT_COLLECTION, table->name);
        if (object == NULL && missing_ok) {
            drop.missing_count++;
            continue;
        }
        struct catalog_entry other;
        if (object == NULL &&
            catalog_entry_find(binder->txn, CATALOG_INDEX, table->schema, table->name, &other)) {
            tdbplus_status status =
                bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a table", table->name);
            err_hint(binder->err, "Use DROP INDEX to remove an index.");
            return status;
        }
        if (object == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42P01", table->ast.position,
                             table->ast.position != 0 ? "relation \"%s\" does not exist"
                                                      : "table \"%s\" does not exist",
                             table->name);
        }
        drop.objects[drop.count++] = object;
    }
    *drop_out = drop;
    return TDBPLUS_OK;
}
