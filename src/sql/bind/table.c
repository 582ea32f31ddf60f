/* CREATE TABLE, DROP TABLE. */

#include <stdio.h>
#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/document.h"
#include "sql/bind/table_builder.h"
#include "sql/bind/view_info.h"

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
    bool stored = binder->stored;
    binder->text = (struct span){0};
    binder->stored = true;
    tdbplus_status status = bind_expression(
        binder, query, ((const struct ast_target *)ast->targets.items[0])->value, expr_out);
    binder->text = before;
    binder->stored = stored;
    return status;
}

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

tdbplus_status builder_set_key(struct binder *binder, struct table_builder *builder,
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

tdbplus_status builder_add_text(struct binder *binder, struct pointers *list, uint32_t column_id,
                                const char *name, struct span text)
{
    struct table_text *item = arena_array(binder->arena, 1, sizeof *item);
    if (item == NULL || !pointers_push(binder->arena, list, item)) {
        return bind_no_memory(binder);
    }
    *item = (struct table_text){
        .column_id = column_id, .name = name, .text = arena_text(binder->arena, text)};
    return item->text == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* One default a column. */
static tdbplus_status check_only(struct binder *binder, const struct table_builder *builder,
                                 const struct schema_column *column, uint8_t kind,
                                 uint32_t position)
{
    const struct table_text *other = NULL;
    for (uint32_t i = 0; i < builder->defaults.count; i++) {
        const struct table_text *item = builder->defaults.items[i];
        other = item->column_id == column->id ? item : other;
    }
    if (other == NULL) {
        return TDBPLUS_OK;
    }
    bool identity = kind == TABLE_IDENTITY_ALWAYS || kind == TABLE_IDENTITY_DEFAULT;
    bool other_identity =
        other->kind == TABLE_IDENTITY_ALWAYS || other->kind == TABLE_IDENTITY_DEFAULT;
    bool generated = kind == TABLE_GENERATED || other->kind == TABLE_GENERATED;
    const char *what = generated && (identity || other_identity)
                           ? "both identity and generation expression specified"
                       : generated ? "both default and generation expression specified"
                       : identity && other_identity ? "multiple identity specifications"
                       : identity || other_identity ? "both default and identity specified"
                                                    : "multiple default values specified";
    return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", position,
                     "%s for column \"%s\" of table \"%s\"", what, column->name, builder->table);
}

/* nextval('name') alone is kept as the sequence that it means. */
static uint64_t named_sequence(const struct binder *binder, const struct ast *ast)
{
    const struct ast_function *call = (const struct ast_function *)ast;
    if (ast->kind != AST_FUNCTION || call->arguments.count != 1 ||
        strcmp(call->name.items[call->name.count - 1], "nextval") != 0) {
        return 0;
    }
    const struct ast *argument = call->arguments.items[0];
    if (argument->kind == AST_CAST) {
        argument = ((const struct ast_cast *)argument)->argument;
    }
    const struct ast_constant *name = (const struct ast_constant *)argument;
    struct catalog_entry entry;
    if (argument->kind != AST_CONSTANT || name->constant != AST_STRING) {
        return 0;
    }
    const char *dot = strchr(name->text, '.');
    char schema[CATALOG_NAME_SIZE_MAX + 1] = "";
    if (dot != NULL && (size_t)(dot - name->text) < sizeof schema) {
        memcpy(schema, name->text, (size_t)(dot - name->text));
    }
    bool found = strchr(name->text, '"') == NULL &&
                 bind_lookup(binder, CATALOG_SEQUENCE, dot == NULL ? NULL : schema,
                             dot == NULL ? name->text : dot + 1, &entry);
    return found ? entry.oid : 0;
}

/* The default is bound now to find its errors, and bound again for each INSERT. */
static tdbplus_status add_default(struct binder *binder, struct table_builder *builder,
                                  const struct schema_column *column,
                                  const struct ast_constraint *constraint)
{
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    struct expr *expr = NULL;
    TRY(check_only(binder, builder, column, TABLE_DEFAULT, constraint->ast.position));
    uint64_t sequence = named_sequence(binder, constraint->expression);
    if (sequence != 0 && column->type.id >= TYPE_INT2 && column->type.id <= TYPE_INT8) {
        TRY(builder_add_text(binder, &builder->defaults, column->id, NULL, (struct span){0}));
        ((struct table_text *)builder->defaults.items[builder->defaults.count - 1])->sequence =
            sequence;
        return TDBPLUS_OK;
    }
    TRY(bind_expression(binder, &query, constraint->expression, &expr));
    bool done = false;
    TRY(bind_try_coerce(binder, &expr, column->type, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char want[64];
        char have[64];
        bind_show_type(binder, column->type, want);
        bind_show_type(binder, expr->type, have);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", constraint->ast.position,
                         "column \"%s\" is of type %s but default expression is of type %s",
                         column->name, want, have);
    }
    struct span text = bind_slice_default(binder->text, constraint->ast.position - 1);
    return builder_add_text(binder, &builder->defaults, column->id, NULL, text);
}

/* The next number of a sequence that is made with the column. */
tdbplus_status builder_add_sequence(struct binder *binder, struct table_builder *builder,
                                    struct schema_column *column, const struct ast_constraint *ast)
{
    struct bind_table table = {.schema_name = builder->schema, .name = builder->table};
    struct bound_sequence *sequence = arena_array(binder->arena, 1, sizeof *sequence);
    uint8_t kind = ast == NULL                  ? TABLE_DEFAULT
                   : ast->generated_when == 'a' ? TABLE_IDENTITY_ALWAYS
                                                : TABLE_IDENTITY_DEFAULT;
    TRY(check_only(binder, builder, column, kind, ast == NULL ? 0 : ast->ast.position));
    if (sequence == NULL || !pointers_push(binder->arena, &builder->sequences, sequence)) {
        return bind_no_memory(binder);
    }
    TRY(bind_column_sequence(binder, &table, column, ast == NULL ? NULL : &ast->options,
                             ast == NULL ? SEQUENCE_SERIAL : SEQUENCE_IDENTITY, sequence));
    column->not_null = true;
    TRY(builder_add_text(binder, &builder->defaults, column->id, NULL, (struct span){0}));
    ((struct table_text *)builder->defaults.items[builder->defaults.count - 1])->kind = kind;
    return TDBPLUS_OK;
}

/* Bound when all columns are known. */
static tdbplus_status add_generated(struct binder *binder, struct table_builder *builder,
                                    const struct schema_column *column,
                                    const struct ast_constraint *ast)
{
    if (ast->generated_when != 'a') {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->ast.position,
                         "for a generated column, GENERATED ALWAYS must be specified");
    }
    TRY(check_only(binder, builder, column, TABLE_GENERATED, ast->ast.position));
    struct span text = bind_slice_generated(binder->text, ast->ast.position - 1);
    TRY(builder_add_text(binder, &builder->defaults, column->id, column->name, text));
    ((struct table_text *)builder->defaults.items[builder->defaults.count - 1])->kind =
        TABLE_GENERATED;
    return TDBPLUS_OK;
}

/* "t_a_check", "t_check1": what PostgreSQL calls a check without a name. */
static tdbplus_status name_check(struct binder *binder, const struct table_builder *builder,
                                 const char *column, const struct table_text *itself,
                                 const char **name_out)
{
    char text[2 * CATALOG_NAME_SIZE_MAX + 32];
    bool taken = true;
    for (uint32_t number = 0; taken; number++) {
        char tail[16] = "";
        taken = false;
        (void)snprintf(tail, sizeof tail, number == 0 ? "" : "%u", number);
        (void)snprintf(text, sizeof text, "%s%s%s_check%s", builder->table,
                       column != NULL ? "_" : "", column != NULL ? column : "", tail);
        for (uint32_t i = 0; i < builder->checks.count; i++) {
            const struct table_text *other = builder->checks.items[i];
            taken = taken || (other != itself && strcmp(other->name, text) == 0);
        }
    }
    *name_out = arena_text(binder->arena, span_from_text(text));
    return *name_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

static tdbplus_status add_check(struct binder *binder, struct table_builder *builder,
                                const char *column, const struct ast_constraint *constraint)
{
    const char *name = constraint->name;
    for (uint32_t i = 0; name != NULL && i < builder->checks.count; i++) {
        if (strcmp(((const struct table_text *)builder->checks.items[i])->name, name) == 0) {
            return bind_fail(binder, TDBPLUS_E_EXISTS, "42710", 0,
                             "constraint \"%s\" for relation \"%s\" already exists", name,
                             builder->table);
        }
    }
    TRY(name == NULL ? name_check(binder, builder, column, NULL, &name) : TDBPLUS_OK);
    struct span text = bind_slice_parentheses(binder->text, constraint->ast.position - 1);
    TRY(builder_add_text(binder, &builder->checks, 0, name, text));
    struct table_text *check = builder->checks.items[builder->checks.count - 1];
    check->not_valid = constraint->not_valid;
    check->nameless = constraint->name == NULL && column == NULL;
    return TDBPLUS_OK;
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
        builder->key_name = constraint->name;
        return builder_set_key(binder, builder, &column->name, 1, position);
    case AST_CONSTRAINT_UNIQUE:
        return add_column_part(binder, builder, &builder->uniques, column->name, constraint);
    case AST_CONSTRAINT_FOREIGN:
        return add_column_part(binder, builder, &builder->foreign, column->name, constraint);
    case AST_CONSTRAINT_IDENTITY:
        return builder_add_sequence(binder, builder, column, constraint);
    case AST_CONSTRAINT_GENERATED:
        return add_generated(binder, builder, column, constraint);
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

tdbplus_status builder_add_column(struct binder *binder, struct table_builder *builder,
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
    column->id = builder->next_id != 0 ? builder->next_id++ : builder->columns.count;
    column->name = name;
    column->type = type;
    column->missing = (struct datum){.type = type, .is_null = true};
    *column_out = column;
    return TDBPLUS_OK;
}

tdbplus_status builder_add_domain(struct binder *binder, struct table_builder *builder,
                                  uint32_t column_id, uint64_t oid)
{
    struct table_domain *domain = arena_array(binder->arena, 1, sizeof *domain);
    if (oid == 0) {
        return TDBPLUS_OK;
    }
    if (domain == NULL || !pointers_push(binder->arena, &builder->domains, domain)) {
        return bind_no_memory(binder);
    }
    *domain = (struct table_domain){.column_id = column_id, .oid = oid};
    return TDBPLUS_OK;
}

static tdbplus_status copy_domains(struct binder *binder, const struct table_builder *builder,
                                   struct table_info *info)
{
    uint32_t count = builder->domains.count;
    info->domains = arena_array(binder->arena, count + 1u, sizeof *info->domains);
    if (info->domains == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        info->domains[i] = *(const struct table_domain *)builder->domains.items[i];
    }
    info->domain_count = count;
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
    bool serial = bind_serial_type((const struct ast_type_name *)definition->type, &type);
    uint64_t domain = 0;
    TRY(serial ? TDBPLUS_OK : bind_type_domain(binder, definition->type, &type, &domain));
    TRY(builder_add_column(binder, builder, definition->name, type, definition->ast.position,
                           &column));
    TRY(builder_add_domain(binder, builder, column->id, domain));
    TRY(serial ? builder_add_sequence(binder, builder, column, NULL) : TDBPLUS_OK);
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
        builder->key_name = constraint->name;
        return builder_set_key(binder, builder, constraint->keys.items, constraint->keys.count,
                               position);
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
        TRY(builder_add_column(binder, builder, TABLE_HIDDEN_KEY_NAME, type_of(TYPE_INT8), 0,
                               &hidden));
        const char *name = hidden->name;
        TRY(builder_set_key(binder, builder, &name, 1, 0));
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
            bind_show_type(binder, column->type, name);
            return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                             "a primary key of type %s is not supported", name);
        }
        column->not_null = true;
        schema->key_columns[i] = column->id - 1;
    }
    schema->key_count = builder->keys.count;
    return TDBPLUS_OK;
}

static bool reads_generated(void *ctx, struct expr **node)
{
    const struct table_builder *builder = ctx;
    if ((*node)->kind != EXPR_COLUMN) {
        return true;
    }
    for (uint32_t i = 0; i < builder->defaults.count; i++) {
        const struct table_text *item = builder->defaults.items[i];
        uint32_t position = (*node)->number - builder->first_id - 1;
        const struct schema_column *column =
            position < builder->columns.count ? builder->columns.items[position] : NULL;
        if (item->kind == TABLE_GENERATED && column != NULL && item->column_id == column->id) {
            return false;
        }
    }
    return true;
}

static const struct schema_column *find_id(const struct table_builder *builder, uint32_t id)
{
    const struct schema_column *found = NULL;
    for (uint32_t i = 0; i < builder->columns.count; i++) {
        const struct schema_column *column = builder->columns.items[i];
        found = column->id == id ? column : found;
    }
    return found;
}

/* A generated column is computed of columns that are given. */
static tdbplus_status verify_generated(struct binder *binder, struct table_builder *builder,
                                       struct bind_query *query, const struct table_text *item)
{
    const struct schema_column *column = find_id(builder, item->column_id);
    struct expr *expr = NULL;
    bool done = false;
    TRY(bind_stored_text(binder, query, item->text, &expr));
    if (expr_contains(expr, EXPR_SUBQUERY)) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "cannot use subquery in column generation expression");
    }
    if (!expr_walk(&expr, reads_generated, builder)) {
        tdbplus_status status = bind_fail(
            binder, TDBPLUS_E_SQL, "42P17", 0,
            "cannot use generated column \"%s\" in column generation expression", column->name);
        err_detail(binder->err, "A generated column cannot reference another generated column.");
        return status;
    }
    if (expr_volatile(expr) || bind_is_stable(expr)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P17", 0,
                         "generation expression is not immutable");
    }
    TRY(bind_try_coerce(binder, &expr, column->type, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char want[64];
        char have[64];
        bind_show_type(binder, column->type, want);
        bind_show_type(binder, expr->type, have);
        return bind_fail(binder, TDBPLUS_E_TYPE, "42804", 0,
                         "column \"%s\" is of type %s but default expression is of type %s",
                         column->name, want, have);
    }
    return TDBPLUS_OK;
}

struct read_columns {
    uint32_t id; /* Of the only one. */
    bool several;
};

static bool read_column(void *ctx, struct expr **node)
{
    struct read_columns *columns = ctx;
    if ((*node)->kind == EXPR_COLUMN) {
        columns->several = columns->several || (columns->id != 0 && columns->id != (*node)->number);
        columns->id = (*node)->number;
    }
    return true;
}

/* A check of the table that reads one column alone is named as if it were the column's. */
static tdbplus_status name_by_column(struct binder *binder, const struct table_builder *builder,
                                     struct expr *expr, struct table_text *check)
{
    struct read_columns columns = {0};
    uint32_t position = 0;
    if (!check->nameless || !expr_walk(&expr, read_column, &columns) || columns.several ||
        columns.id == 0) {
        return TDBPLUS_OK;
    }
    position = columns.id - builder->first_id - 1;
    if (position >= builder->columns.count) {
        return TDBPLUS_OK;
    }
    const struct schema_column *column = builder->columns.items[position];
    check->nameless = false;
    return name_check(binder, builder, column->name, check, &check->name);
}

/* Checks see the table's columns by their names. */
static tdbplus_status verify_checks(struct binder *binder, struct table_builder *builder)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    builder->first_id = binder->next_id - 1;
    for (uint32_t i = 0; i < builder->columns.count; i++) {
        const struct schema_column *column = builder->columns.items[i];
        struct bind_column named = {.table = builder->table,
                                    .name = column->name,
                                    .id = binder->next_id++,
                                    .type = column->type};
        TRY(bind_add_column(binder, &query, &named));
    }
    for (uint32_t i = 0; i < builder->defaults.count; i++) {
        const struct table_text *item = builder->defaults.items[i];
        if (item->kind == TABLE_GENERATED) {
            TRY(verify_generated(binder, builder, &query, item));
        }
    }
    for (uint32_t i = 0; i < builder->checks.count; i++) {
        struct expr *expr = NULL;
        TRY(bind_stored_text(binder, &query,
                             ((const struct table_text *)builder->checks.items[i])->text, &expr));
        TRY(bind_coerce(binder, &expr, type_of(TYPE_BOOL), FUNC_CAST_IMPLICIT));
        if (expr_contains(expr, EXPR_SUBQUERY)) {
            return bind_unsupported(binder, 0, "a subquery in a check constraint");
        }
        TRY(name_by_column(binder, builder, expr, builder->checks.items[i]));
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
    create->indexes =
        arena_array(binder->arena, count + builder->likes.count + 1u, sizeof *create->indexes);
    if (create->indexes == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct part_builder *unique = builder->uniques.items[i];
        struct bind_table table = {.schema_name = builder->schema,
                                   .name = builder->table,
                                   .columns = create->schema->columns,
                                   .column_count = create->schema->column_count,
                                   .indexes = create->indexes,
                                   .index_count = create->index_count};
        TRY(bind_unique(binder, &table, &unique->names, &unique->ast, &create->indexes[i]));
        create->index_count++;
    }
    return builder_like_indexes(binder, builder, create);
}

static tdbplus_status finish_foreign(struct binder *binder, const struct table_builder *builder,
                                     struct bound_create *create)
{
    uint32_t count = builder->foreign.count;
    struct bind_table table = {.schema_name = builder->schema,
                               .name = builder->table,
                               .object = create->name == NULL ? builder->object : NULL,
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

static tdbplus_status copy_sequences(struct binder *binder, const struct table_builder *builder,
                                     struct bound_create *create)
{
    create->sequence_count = builder->sequences.count;
    create->sequences =
        arena_array(binder->arena, builder->sequences.count + 1u, sizeof *create->sequences);
    if (create->sequences == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < builder->sequences.count; i++) {
        create->sequences[i] = *(const struct bound_sequence *)builder->sequences.items[i];
    }
    return TDBPLUS_OK;
}

static tdbplus_status copy_comments(struct binder *binder, const struct table_builder *builder,
                                    struct bound_create *create)
{
    create->comment_count = builder->comments.count;
    create->comments =
        arena_array(binder->arena, builder->comments.count + 1u, sizeof *create->comments);
    if (create->comments == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < builder->comments.count; i++) {
        create->comments[i] = *(const struct bound_comment *)builder->comments.items[i];
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
    TRY(copy_domains(binder, builder, &create->info));
    create->schema = schema;
    create->info.key_name = builder->key_name;
    TRY(copy_sequences(binder, builder, create));
    TRY(copy_comments(binder, builder, create));
    TRY(finish_uniques(binder, builder, create));
    return finish_foreign(binder, builder, create);
}

/* Where the table goes; `exists` is set with IF NOT EXISTS, and an error without it. */
static tdbplus_status place_table(struct binder *binder, const struct ast_table_ref *table,
                                  bool if_not_exists, struct table_builder *builder,
                                  struct bound_create *create)
{
    const char *schema = NULL;
    struct catalog_entry entry;
    TRY(bind_new_schema(binder, table, &schema));
    char *full = (char *)arena_bytes(binder->arena, CATALOG_FULL_NAME_SIZE);
    if (full == NULL) {
        return bind_no_memory(binder);
    }
    TRY(catalog_full_name(schema, table->name, full, binder->err));
    builder->table = table->name;
    builder->schema = schema;
    create->name = full;
    create->schema_name = schema;
    create->exists = catalog_relation_find(binder->txn, schema, table->name, &entry);
    if (create->exists && !if_not_exists) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", 0, "relation \"%s\" already exists",
                         table->name);
    }
    if (create->exists) {
        bind_notice(binder, "42P07", "relation \"%s\" already exists, skipping", table->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_create_table(struct binder *binder, const struct ast_create_table *ast,
                                 struct bound_create *create_out)
{
    if (ast->inherits) {
        return bind_unsupported(binder, ast->table->ast.position, "INHERITS, PARTITION BY and OF");
    }
    struct bound_create create = {0};
    struct table_builder builder = {0};
    TRY(place_table(binder, ast->table, ast->if_not_exists, &builder, &create));
    create.info.documents = !create.exists && document_wanted(&ast->options);
    TRY(create.info.documents ? document_begin(binder, &builder) : TDBPLUS_OK);
    for (uint32_t pass = 0; pass < 2 && !create.exists; pass++) {
        // Columns first: constraints name them.
        for (uint32_t i = 0; i < ast->elements.count; i++) {
            const struct ast *element = ast->elements.items[i];
            if (pass == 0 && element->kind == AST_LIKE_TABLE) {
                TRY(builder_add_like(binder, &builder, (const struct ast_like_table *)element));
            } else if (pass == 0 && element->kind == AST_COLUMN_DEFINITION) {
                TRY(add_definition(binder, &builder,
                                   (const struct ast_column_definition *)element));
            } else if (pass == 1 && element->kind == AST_CONSTRAINT) {
                TRY(add_table_constraint(binder, &builder, (const struct ast_constraint *)element));
            }
        }
        TRY(pass == 0 && create.info.documents ? document_end(binder, &builder) : TDBPLUS_OK);
    }
    if (!create.exists) {
        TRY(finish_table(binder, &builder, &create));
        TRY(bind_table_options(binder, &ast->options, &create));
    }
    *create_out = create;
    return TDBPLUS_OK;
}

/* ---- ALTER TABLE ... ADD ---- */

/* The table as it is, for another column or constraint to be added. */
static tdbplus_status open_builder(struct binder *binder, const struct bind_table *table,
                                   const struct table_info *info, struct table_builder *builder)
{
    const struct schema *schema = table->object->schema;
    uint32_t visible = schema->column_count - (info->hidden_key ? 1u : 0u);
    builder->table = table->name;
    builder->schema = table->schema_name;
    builder->has_key = !info->hidden_key;
    builder->key_name = info->key_name;
    builder->next_id = schema->column_id_next;
    builder->object = table->object;
    for (uint32_t i = 0; i < visible; i++) {
        struct schema_column *column = arena_array(binder->arena, 1, sizeof *column);
        if (column == NULL || !pointers_push(binder->arena, &builder->columns, column)) {
            return bind_no_memory(binder);
        }
        *column = schema->columns[i];
    }
    for (uint32_t i = 0; i < info->default_count; i++) {
        if (!pointers_push(binder->arena, &builder->defaults, &info->defaults[i])) {
            return bind_no_memory(binder);
        }
    }
    for (uint32_t i = 0; i < info->check_count; i++) {
        if (!pointers_push(binder->arena, &builder->checks, &info->checks[i])) {
            return bind_no_memory(binder);
        }
    }
    for (uint32_t i = 0; i < info->domain_count; i++) {
        if (!pointers_push(binder->arena, &builder->domains, &info->domains[i])) {
            return bind_no_memory(binder);
        }
    }
    return TDBPLUS_OK;
}

/* The key that an added constraint makes, or the one there is; a hidden one stands last. */
static tdbplus_status extend_schema(struct binder *binder, const struct table_builder *builder,
                                    const struct schema *old, bool hidden, struct schema *schema)
{
    uint32_t count = builder->columns.count;
    *schema = *old;
    schema->columns = arena_array(binder->arena, count + 2u, sizeof *schema->columns);
    schema->key_columns =
        arena_array(binder->arena, builder->keys.count + old->key_count + 1u, sizeof(uint32_t));
    if (schema->columns == NULL || schema->key_columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        schema->columns[i] = *(const struct schema_column *)builder->columns.items[i];
    }
    schema->column_id_next = builder->next_id;
    if (hidden && builder->keys.count == 0) {
        schema->columns[count] = old->columns[old->column_count - 1];
        schema->key_columns[0] = count++;
    } else if (!hidden) {
        memcpy(schema->key_columns, old->key_columns, old->key_count * sizeof(uint32_t));
    }
    for (uint32_t k = 0; k < builder->keys.count; k++) {
        struct schema_column *column = find(builder, builder->keys.items[k]);
        if (column == NULL) {
            return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", 0,
                             "column \"%s\" named in key does not exist",
                             (const char *)builder->keys.items[k]);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (schema->columns[i].id == column->id) {
                schema->columns[i].not_null = true;
                schema->key_columns[k] = i;
            }
        }
    }
    schema->key_count = builder->keys.count > 0 ? builder->keys.count : old->key_count;
    schema->column_count = count;
    return TDBPLUS_OK;
}

tdbplus_status bind_extend_table(struct binder *binder, const struct object *object,
                                 const struct ast *element, struct bound_create *create_out)
{
    struct table_builder builder = {0};
    struct bound_create create = {0};
    struct bind_table table = {0};
    struct table_info info = {0};
    struct schema *schema = arena_array(binder->arena, 1, sizeof *schema);
    TRY(schema == NULL ? bind_no_memory(binder) : TDBPLUS_OK);
    TRY(bind_table_of(binder->arena, object, &table, binder->err));
    TRY(table_info_decode(object->properties, binder->arena, &info, binder->err));
    TRY(open_builder(binder, &table, &info, &builder));
    TRY(element->kind == AST_COLUMN_DEFINITION
            ? add_definition(binder, &builder, (const struct ast_column_definition *)element)
            : add_table_constraint(binder, &builder, (const struct ast_constraint *)element));
    TRY(verify_checks(binder, &builder));
    TRY(extend_schema(binder, &builder, object->schema, info.hidden_key, schema));
    create.info = info;
    create.info.hidden_key = info.hidden_key && builder.keys.count == 0;
    create.info.key_name = builder.key_name;
    create.schema = schema;
    create.schema_name = builder.schema;
    TRY(copy_texts(binder, &builder.defaults, &create.info.defaults, &create.info.default_count));
    TRY(copy_texts(binder, &builder.checks, &create.info.checks, &create.info.check_count));
    TRY(copy_domains(binder, &builder, &create.info));
    TRY(copy_sequences(binder, &builder, &create));
    TRY(finish_uniques(binder, &builder, &create));
    TRY(finish_foreign(binder, &builder, &create));
    *create_out = create;
    return TDBPLUS_OK;
}

/* The query of a materialized view is kept beside its table, as that of a view is. */
static tdbplus_status bind_materialized(struct binder *binder,
                                        const struct ast_create_table_as *ast,
                                        struct bound_create *create, struct plan **source_out)
{
    struct span text = {0};
    struct view_info info = {.materialized = true};
    struct catalog_entry *entry = arena_array(binder->arena, 1, sizeof *entry);
    if (entry == NULL) {
        return bind_no_memory(binder);
    }
    entry->kind = CATALOG_MATERIALIZED;
    TRY(bind_slice_view(binder, &text));
    TRY(bind_view_query(binder, text, &ast->columns, "too many column names were specified", &info,
                        entry, source_out));
    TRY(bind_encode_view(binder, &info, &entry->definition));
    create->info.materialized = true;
    create->info.unpopulated = ast->no_data;
    create->view = entry;
    return TDBPLUS_OK;
}

tdbplus_status bind_create_table_as(struct binder *binder, const struct ast_create_table_as *ast,
                                    struct bound_create *create_out)
{
    if (ast->query->kind != AST_SELECT) {
        return bind_unsupported(binder, 0, "CREATE TABLE AS of this statement");
    }
    struct bound_create create = {0};
    struct table_builder builder = {0};
    TRY(place_table(binder, ast->table, ast->if_not_exists, &builder, &create));
    struct plan *source = NULL;
    TRY(ast->materialized_view
            ? bind_materialized(binder, ast, &create, &source)
            : bind_select(binder, NULL, (const struct ast_select *)ast->query, false, &source));
    if (ast->columns.count > source->column_count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         "too many column names were specified");
    }
    for (uint32_t i = 0; i < source->column_count && !create.exists; i++) {
        const char *name = i < ast->columns.count ? ast->columns.items[i] : source->columns[i].name;
        struct schema_column *column = NULL;
        TRY(builder_add_column(binder, &builder, name != NULL ? name : "?column?",
                               source->columns[i].type, 0, &column));
    }
    if (!create.exists) {
        TRY(finish_table(binder, &builder, &create));
        create.source = ast->no_data ? NULL : source;
    }
    *create_out = create;
    return TDBPLUS_OK;
}

tdbplus_status bind_truncate(struct binder *binder, const struct ast_truncate *ast,
                             struct bound_drop *drop_out)
{
    const struct ast_list *tables = &ast->tables;
    struct bound_drop drop = {.cascade = ast->cascade, .restart = ast->restart};
    drop.objects = arena_array(binder->arena, tables->count + 1u, sizeof *drop.objects);
    if (drop.objects == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < tables->count; i++) {
        const struct ast_table_ref *table = (const struct ast_table_ref *)tables->items[i];
        TRY(bind_find_table(binder, table, &drop.objects[drop.count]));
        bool again = false;
        for (uint32_t k = 0; k < drop.count; k++) {
            again = again || drop.objects[k] == drop.objects[drop.count];
        }
        drop.count += again ? 0 : 1;
    }
    *drop_out = drop;
    return TDBPLUS_OK;
}
