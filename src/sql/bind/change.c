/* INSERT, UPDATE, DELETE. */

#include <string.h>

#include "sql/bind/change.h"
#include "sql/bind/document.h"

static tdbplus_status column_ids(struct binder *binder, uint32_t count,
                                 const struct plan_column *columns, uint32_t **ids_out)
{
    uint32_t *ids = arena_array(binder->arena, count + 1u, sizeof *ids);
    if (ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = columns == NULL ? binder->next_id++ : columns[i].id;
    }
    *ids_out = ids;
    return TDBPLUS_OK;
}

/* The view's columns over these of the table (NULL: over nothing yet). */
static tdbplus_status values_over(struct binder *binder, const struct change_target *target,
                                  const struct plan_column *columns, struct view_values *values_out)
{
    uint32_t *ids = NULL;
    TRY(column_ids(binder, target->schema->column_count, columns, &ids));
    return view_target_values(binder, &target->view, target->object, ids, values_out);
}

tdbplus_status change_find_target(struct binder *binder, const struct ast_table_ref *table,
                                  const char *verb, struct change_target *target)
{
    struct catalog_entry entry;
    TRY(bind_find_relation(binder, table, &entry));
    if (entry.kind != CATALOG_TABLE && entry.kind != CATALOG_VIEW) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "cannot change %s \"%s\"",
                         bind_kind_name(entry.kind), table->name);
    }
    if (entry.kind == CATALOG_TABLE && table_is_materialized(entry.object->properties)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0,
                         "cannot change materialized view \"%s\"", table->name);
    }
    target->object = entry.object;
    if (entry.kind == CATALOG_VIEW) {
        TRY(view_target_open(binder, &entry, verb, &target->view, &target->object));
    }
    target->schema = target->object->schema;
    TRY(table_info_decode(target->object->properties, binder->arena, &target->info, binder->err));
    target->alias = table->alias != NULL ? table->alias->name : table->name;
    if (table->alias == NULL) {
        TRY(bind_copy_name(binder, entry.schema, &target->own_schema));
    }
    target->name = table->name;
    target->verb = verb;
    target->visible_count = target->schema->column_count - (target->info.hidden_key ? 1u : 0u);
    target->named_count = target->visible_count;
    if (target->view.layer_count > 0) {
        TRY(values_over(binder, target, NULL, &target->values));
        target->named_count = target->values.count;
    }
    return change_note_access(binder, &entry, target);
}

/* A column of a view that is computed takes no value. */
static tdbplus_status refuse_computed(struct binder *binder, const struct change_target *target,
                                      const char *column)
{
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                  "cannot %s column \"%s\" of view \"%s\"", target->verb, column, target->name);
    err_detail(binder->err,
               "View columns that are not columns of their base relation are not updatable.");
    return status;
}

static tdbplus_status find_position(struct binder *binder, const struct change_target *target,
                                    const struct ast_target *ast, uint32_t *position_out)
{
    int32_t position =
        target->view.layer_count > 0 ? -1 : schema_find_name(target->schema, ast->name);
    for (uint32_t i = 0; i < target->values.count; i++) {
        const struct view_value *value = &target->values.values[i];
        if (strcmp(value->name, ast->name) == 0) {
            if (value->position == UINT32_MAX) {
                return refuse_computed(binder, target, ast->name);
            }
            position = (int32_t)value->position;
        }
    }
    if (position < 0 || (uint32_t)position >= target->visible_count) {
        return bind_fail(binder, TDBPLUS_E_NOT_FOUND, "42703", ast->ast.position,
                         "column \"%s\" of relation \"%s\" does not exist", ast->name,
                         target->name);
    }
    *position_out = (uint32_t)position;
    return TDBPLUS_OK;
}

/* Makes a value what a column holds: assignment casts, then its precision or length. */
tdbplus_status bind_assign(struct binder *binder, const struct schema_column *column,
                           struct expr **expr)
{
    bool done = false;
    TRY(bind_try_coerce(binder, expr, column->type, FUNC_CAST_ASSIGNMENT, &done));
    if (!done) {
        char want[64];
        char have[64];
        bind_show_type(binder, column->type, want);
        bind_show_type(binder, (*expr)->type, have);
        tdbplus_status status = bind_fail(
            binder, TDBPLUS_E_TYPE, "42804", (*expr)->position,
            "column \"%s\" is of type %s but expression is of type %s", column->name, want, have);
        err_hint(binder->err, "You will need to rewrite or cast the expression.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status null_of(struct binder *binder, struct type type, struct expr **expr_out)
{
    struct datum null = {.type = type, .is_null = true};
    *expr_out = expr_constant(binder->arena, &null);
    return *expr_out == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* nextval() of a sequence by its number. */
tdbplus_status bind_next_of(struct binder *binder, uint64_t sequence, struct expr **expr_out)
{
    struct datum oid = {.type = type_of(TYPE_INT8), .integer = (int64_t)sequence};
    struct expr *argument = expr_constant(binder->arena, &oid);
    return argument == NULL ? bind_no_memory(binder)
                            : bind_call(binder, "nextval", false, &argument, 1, 0, expr_out);
}

/* What a text that is kept gives a column. */
static tdbplus_status assign_stored(struct binder *binder, struct bind_query *query,
                                    const char *text, const struct schema_column *column,
                                    struct expr **expr_out)
{
    bool stored = binder->stored;
    TRY(bind_stored_text(binder, query, text, expr_out));
    binder->stored = true; // A literal alone is read by the column's type.
    tdbplus_status status = bind_assign(binder, column, expr_out);
    binder->stored = stored;
    return status;
}

static tdbplus_status default_of(struct binder *binder, const struct change_target *target,
                                 uint32_t position, struct expr **expr_out)
{
    const struct schema_column *column = &target->schema->columns[position];
    const struct table_text *text = table_find_default(&target->info, column->id);
    struct bind_query query = {.clause = CLAUSE_DEFAULT};
    if (text == NULL) {
        const char *domain_text = NULL;
        TRY(bind_domain_default(binder, table_find_domain(&target->info, column->id),
                                &domain_text));
        return domain_text == NULL ? null_of(binder, column->type, expr_out)
                                   : assign_stored(binder, &query, domain_text, column, expr_out);
    }
    if (text->kind == TABLE_GENERATED) {
        return null_of(binder, column->type, expr_out);
    }
    if (text->text[0] != 0) {
        return assign_stored(binder, &query, text->text, column, expr_out);
    }
    TRY(bind_next_of(binder, text->sequence, expr_out));
    return bind_assign(binder, column, expr_out);
}

/* Values are given to these columns by DEFAULT alone. */
static tdbplus_status check_given(struct binder *binder, const struct change_target *target,
                                  uint32_t position, bool insert)
{
    const struct schema_column *column = &target->schema->columns[position];
    const struct table_text *text = table_find_default(&target->info, column->id);
    bool generated = text != NULL && text->kind == TABLE_GENERATED;
    bool always = text != NULL && text->kind == TABLE_IDENTITY_ALWAYS &&
                  !(insert && target->overriding == OVERRIDING_SYSTEM);
    if (!generated && !always) {
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_SQL, "428C9", 0,
                  insert ? "cannot insert a non-DEFAULT value into column \"%s\""
                         : "column \"%s\" can only be updated to DEFAULT",
                  column->name);
    err_detail(binder->err,
               generated ? "Column \"%s\" is a generated column."
                         : "Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
               column->name);
    if (insert && always) {
        err_hint(binder->err, "Use OVERRIDING SYSTEM VALUE to override.");
    }
    return status;
}

/* OVERRIDING USER VALUE: what is given for an identity column is not used. */
static bool ignores_given(const struct change_target *target, uint32_t position)
{
    const struct table_text *text =
        table_find_default(&target->info, target->schema->columns[position].id);
    return target->overriding == OVERRIDING_USER && text != NULL &&
           (text->kind == TABLE_IDENTITY_ALWAYS || text->kind == TABLE_IDENTITY_DEFAULT);
}

static bool has_generated(const struct change_target *target)
{
    for (uint32_t i = 0; i < target->info.default_count; i++) {
        if (target->info.defaults[i].kind == TABLE_GENERATED) {
            return true;
        }
    }
    return false;
}

/* Computes the generated columns of a row whose other columns have these ids, into `exprs`. */
static tdbplus_status generated_exprs(struct binder *binder, const struct change_target *target,
                                      const struct plan_column *columns, struct expr **exprs)
{
    struct bind_query query = {.clause = CLAUSE_CHECK};
    for (uint32_t i = 0; i < target->visible_count; i++) {
        const struct schema_column *column = &target->schema->columns[i];
        struct bind_column named = {
            .name = column->name, .id = columns[i].id, .type = column->type};
        TRY(bind_add_column(binder, &query, &named));
    }
    for (uint32_t i = 0; i < target->visible_count; i++) {
        const struct schema_column *column = &target->schema->columns[i];
        const struct table_text *text = table_find_default(&target->info, column->id);
        if (text != NULL && text->kind == TABLE_GENERATED) {
            TRY(assign_stored(binder, &query, text->text, column, &exprs[i]));
        }
    }
    return TDBPLUS_OK;
}

/* Puts the generated columns on top of new rows, which begin at column `first` of the plan. */
tdbplus_status change_generated(struct binder *binder, const struct change_target *target,
                                uint32_t first, struct plan **plan)
{
    struct pointers exprs = {0};
    struct pointers names = {0};
    const struct plan *rows = *plan;
    if (!has_generated(target)) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < rows->column_count; i++) {
        struct expr *expr = expr_column(binder->arena, rows->columns[i].id, rows->columns[i].type);
        if (expr == NULL || !pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    TRY(generated_exprs(binder, target, &rows->columns[first],
                        (struct expr **)&exprs.items[first]));
    return bind_project(binder, *plan, &exprs, &names, plan);
}

tdbplus_status bind_sequence_value(uint64_t sequence, const struct schema_column *column,
                                   struct arena *arena, struct expr **expr_out, struct err *err)
{
    struct binder binder = {.arena = arena, .err = err, .next_id = 1};
    TRY(bind_next_of(&binder, sequence, expr_out));
    return bind_assign(&binder, column, expr_out);
}

tdbplus_status bind_column_default(struct txn *txn, const struct object *table, uint32_t position,
                                   struct arena *arena, struct expr **expr_out, struct err *err)
{
    struct binder binder = {.arena = arena, .err = err, .txn = txn, .next_id = 1};
    struct change_target target = {.object = table, .schema = table->schema};
    TRY(table_info_decode(table->properties, arena, &target.info, err));
    return default_of(&binder, &target, position, expr_out);
}

/* The plan of a change over its input; its output has fresh ids for the schema's columns. */
tdbplus_status change_make(struct binder *binder, enum plan_kind kind,
                           const struct change_target *target, struct plan *input,
                           struct plan **plan_out)
{
    const struct schema *schema = target->schema;
    struct plan *plan = plan_make(binder->arena, kind, schema->column_count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->left = input;
    plan->change.object = target->object;
    plan->change.object_id = target->object->id;
    plan->change.schema_version = schema->version;
    TRY(bind_copy_name(binder, catalog_own_name(target->object->name), &plan->change.table_name));
    plan->change.has_hidden_key = target->info.hidden_key;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        plan->columns[i] =
            (struct plan_column){.id = binder->next_id++, .type = schema->columns[i].type};
        TRY(bind_copy_name(binder, schema->columns[i].name, &plan->columns[i].name));
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

static tdbplus_status name_columns(struct binder *binder, struct bind_query *query,
                                   const struct change_target *target,
                                   const struct plan_column *columns)
{
    for (uint32_t i = 0; i < target->visible_count; i++) {
        struct bind_column column = {.table = target->alias,
                                     .name = columns[i].name,
                                     .id = columns[i].id,
                                     .type = columns[i].type,
                                     .schema = target->own_schema,
                                     .is_document =
                                         document_is_column(&target->info, target->schema, i)};
        TRY(bind_add_column(binder, query, &column));
    }
    return TDBPLUS_OK;
}

/* The names of the target, a view's columns if it is one; `values_out` says what those are. */
static tdbplus_status name_target(struct binder *binder, struct bind_query *query,
                                  const struct change_target *target,
                                  const struct plan_column *columns, struct view_values *values_out)
{
    uint32_t before = query->columns.count;
    if (target->view.layer_count == 0) {
        TRY(name_columns(binder, query, target, columns));
        bind_watch_columns(query, before, target->access);
        return TDBPLUS_OK;
    }
    TRY(values_over(binder, target, columns, values_out));
    for (uint32_t i = 0; i < values_out->count; i++) {
        const struct view_value *value = &values_out->values[i];
        struct bind_column column = {.table = target->alias,
                                     .name = value->name,
                                     .id = value->id,
                                     .type = value->type,
                                     .schema = target->own_schema};
        TRY(bind_add_column(binder, query, &column));
    }
    bind_watch_columns(query, before, target->access);
    return TDBPLUS_OK;
}

/* WITH CHECK OPTION: a new row must be one that the view shows. */
static tdbplus_status bind_view_checks(struct binder *binder, const struct change_target *target,
                                       struct plan *plan)
{
    struct view_values values = {0};
    struct plan_change *change = &plan->change;
    TRY(values_over(binder, target, plan->columns, &values));
    for (uint32_t i = target->view.layer_count; i > 0; i--) {
        if (values.conditions[i - 1] != NULL && view_layer_checks(&target->view, i - 1)) {
            change->checks[change->check_count] = values.conditions[i - 1];
            change->check_names[change->check_count++] = target->view.layers[i - 1].name;
            change->view_check_count++;
        }
    }
    return TDBPLUS_OK;
}

/* Columns of domains, as checks that are true or fail. */
static tdbplus_status check_domains(struct binder *binder, const struct change_target *target,
                                    struct plan *plan)
{
    struct plan_change *change = &plan->change;
    for (uint32_t i = 0; i < target->visible_count; i++) {
        const struct schema_column *column = &target->schema->columns[i];
        struct expr *value = expr_column(binder->arena, plan->columns[i].id, column->type);
        uint64_t domain = table_find_domain(&target->info, column->id);
        if (value == NULL) {
            return bind_no_memory(binder);
        }
        TRY(bind_enter_domain(binder, domain, &value));
        if (value->kind == EXPR_DOMAIN) {
            value->negated = true;
            value->type = type_of(TYPE_BOOL);
            change->checks[change->check_count] = value;
            change->check_names[change->check_count++] = value->domain->name;
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status change_checks(struct binder *binder, const struct change_target *target,
                             struct plan *plan)
{
    uint32_t count = target->info.check_count;
    uint32_t most = count + target->view.layer_count + target->info.domain_count + 1u;
    plan->change.checks = arena_array(binder->arena, most, sizeof(struct expr *));
    plan->change.check_names = arena_array(binder->arena, most, sizeof(char *));
    if (plan->change.checks == NULL || plan->change.check_names == NULL) {
        return bind_no_memory(binder);
    }
    struct bind_query query = {.clause = CLAUSE_CHECK};
    TRY(name_columns(binder, &query, target, plan->columns));
    for (uint32_t i = 0; i < count; i++) {
        struct expr **check = &plan->change.checks[i];
        TRY(bind_stored_text(binder, &query, target->info.checks[i].text, check));
        TRY(bind_coerce(binder, check, type_of(TYPE_BOOL), FUNC_CAST_IMPLICIT));
        plan->change.check_names[i] = target->info.checks[i].name;
    }
    plan->change.check_count = count;
    TRY(check_domains(binder, target, plan));
    return target->view.layer_count > 0 ? bind_view_checks(binder, target, plan) : TDBPLUS_OK;
}

/* What RETURNING sees beside the changed row: the columns of other tables, which travel behind it.
 */
static tdbplus_status name_others(struct binder *binder, const struct bind_query *from,
                                  uint32_t first, struct bind_query *query, struct plan *plan)
{
    const struct plan *rows = plan->left;
    uint32_t count = plan->column_count;
    uint32_t others = from->columns.count - first;
    struct plan_column *columns =
        arena_array(binder->arena, (size_t)count + others + 1, sizeof *columns);
    if (columns == NULL) {
        return bind_no_memory(binder);
    }
    memcpy(columns, plan->columns, count * sizeof *columns);
    for (uint32_t i = 0; i < others; i++) {
        struct bind_column column = *(const struct bind_column *)from->columns.items[first + i];
        columns[count + i] = (struct plan_column){
            .id = binder->next_id++, .type = rows->columns[rows->column_count - others + i].type};
        column.id = columns[count + i].id;
        TRY(bind_add_column(binder, query, &column));
    }
    plan->columns = columns;
    plan->column_count = count + others;
    return TDBPLUS_OK;
}

static tdbplus_status bind_returning(struct binder *binder, const struct change_target *target,
                                     const struct bind_query *from, uint32_t first,
                                     const struct ast_list *returning, struct plan **plan)
{
    if (returning->count == 0) {
        (*plan)->column_count = 0;
        return TDBPLUS_OK;
    }
    struct bind_query query = {.outer = from->outer,
                               .ctes = from->ctes,
                               .outer_ids = from->outer_ids,
                               .clause = CLAUSE_RETURNING};
    struct view_values values = {0};
    TRY(name_target(binder, &query, target, (*plan)->columns, &values));
    TRY(name_others(binder, from, first, &query, *plan));
    struct bind_targets targets = {0};
    TRY(bind_target_list(binder, &query, returning, &targets));
    for (uint32_t i = 0; i < targets.exprs.count; i++) {
        struct expr *expr = targets.exprs.items[i];
        if (expr->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
        }
        TRY(view_values_inline(binder, &values, &expr));
        targets.exprs.items[i] = expr;
    }
    return bind_project(binder, *plan, &targets.exprs, &targets.names, plan);
}

/* ---- INSERT ---- */

/* For each column of the schema, which value of the source it gets; UINT32_MAX: its default. */
tdbplus_status change_map_columns(struct binder *binder, const struct change_target *target,
                                  const struct ast_insert *ast, uint32_t **map_out,
                                  uint32_t *listed_out)
{
    uint32_t *map = arena_array(binder->arena, target->schema->column_count + 1u, sizeof *map);
    if (map == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < target->schema->column_count; i++) {
        bool all =
            ast->columns.count == 0 && target->view.layer_count == 0 && !target->info.documents;
        map[i] = all && i < target->visible_count ? i : UINT32_MAX;
    }
    if (target->info.documents && ast->columns.count == 0 && target->view.layer_count == 0) {
        map[document_position(target->schema)] = 0; // One value a row: the document.
    }
    for (uint32_t i = 0; ast->columns.count == 0 && i < target->values.count; i++) {
        if (target->values.values[i].position != UINT32_MAX) {
            map[target->values.values[i].position] = i;
        }
    }
    for (uint32_t i = 0; i < ast->columns.count; i++) {
        const struct ast_target *column = (const struct ast_target *)ast->columns.items[i];
        uint32_t position = 0;
        TRY(find_position(binder, target, column, &position));
        if (column->indirection.count > 0) {
            return bind_unsupported(binder, column->ast.position, "inserting a part of a column");
        }
        change_mark(target, column->name, position, true);
        if (map[position] != UINT32_MAX) {
            return bind_fail(binder, TDBPLUS_E_SQL, "42701", column->ast.position,
                             "column \"%s\" specified more than once", column->name);
        }
        map[position] = i;
    }
    if (ast->columns.count == 0) {
        change_mark_all(target);
    }
    *map_out = map;
    bool document = target->info.documents && target->view.layer_count == 0;
    *listed_out = ast->columns.count > 0 ? ast->columns.count : document ? 1 : target->named_count;
    return TDBPLUS_OK;
}

static tdbplus_status check_width(struct binder *binder, const struct change_target *target,
                                  const struct ast_insert *ast, uint32_t have, uint32_t listed,
                                  uint32_t position)
{
    for (uint32_t i = 0; ast->columns.count == 0 && i < have && i < target->values.count; i++) {
        if (target->values.values[i].position == UINT32_MAX) {
            return refuse_computed(binder, target, target->values.values[i].name);
        }
    }
    if (have > listed) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", position,
                         "INSERT has more expressions than target columns");
    }
    if (ast->columns.count > 0 && have < listed) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", ast->columns.items[have]->position,
                         "INSERT has more target columns than expressions");
    }
    return TDBPLUS_OK;
}

tdbplus_status change_insert_row(struct binder *binder, struct bind_query *query,
                                 const struct change_target *target, const uint32_t *map,
                                 const struct ast_list *row, struct expr **exprs)
{
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        bool given = map[c] < row->count && row->items[map[c]]->kind != AST_DEFAULT;
        if (!given || ignores_given(target, c)) {
            TRY(default_of(binder, target, c, &exprs[c]));
            continue;
        }
        TRY(check_given(binder, target, c, true));
        TRY(bind_expression(binder, query, row->items[map[c]], &exprs[c]));
        TRY(bind_assign(binder, &target->schema->columns[c], &exprs[c]));
    }
    return target->info.documents && map[0] >= row->count
               ? document_id(binder, exprs[document_position(target->schema)], &exprs[0])
               : TDBPLUS_OK;
}

static tdbplus_status bind_insert_values(struct binder *binder, struct bind_query *query,
                                         const struct change_target *target,
                                         const struct ast_insert *ast, struct plan **plan_out)
{
    const struct ast_select *source = (const struct ast_select *)ast->source;
    static const struct ast_list no_values = {0};
    uint32_t rows = source != NULL ? source->values.count : 1;
    uint32_t columns = target->schema->column_count;
    uint32_t *map = NULL;
    uint32_t listed = 0;
    TRY(change_map_columns(binder, target, ast, &map, &listed));
    struct plan *plan = plan_make(binder->arena, PLAN_VALUES, columns);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->row_count = rows;
    plan->expr_count = rows * columns;
    plan->exprs = arena_array(binder->arena, (size_t)rows * columns + 1, sizeof *plan->exprs);
    if (plan->exprs == NULL) {
        return bind_no_memory(binder);
    }
    query->clause = CLAUSE_VALUES;
    for (uint32_t r = 0; r < rows; r++) {
        const struct ast_list *row =
            source != NULL ? &((const struct ast_items *)source->values.items[r])->list
                           : &no_values;
        if (source != NULL) {
            const struct ast_items *first = (const struct ast_items *)source->values.items[0];
            if (row->count != first->list.count) {
                return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", row->items[0]->position,
                                 "VALUES lists must all be the same length");
            }
            uint32_t at = row->count > listed ? listed : 0;
            TRY(check_width(binder, target, ast, row->count, listed, row->items[at]->position));
        }
        TRY(change_insert_row(binder, query, target, map, row, &plan->exprs[(size_t)r * columns]));
    }
    for (uint32_t c = 0; c < columns; c++) {
        plan->columns[c] =
            (struct plan_column){.id = binder->next_id++, .type = target->schema->columns[c].type};
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* INSERT ... BY NAME: the list of columns is what the source's are called. */
static tdbplus_status name_targets(struct binder *binder, const struct plan *source,
                                   struct ast_insert *insert)
{
    struct ast_target *targets =
        arena_array(binder->arena, source->column_count + 1u, sizeof *targets);
    insert->columns.items =
        arena_array(binder->arena, source->column_count + 1u, sizeof *insert->columns.items);
    if (targets == NULL || insert->columns.items == NULL) {
        return bind_no_memory(binder);
    }
    insert->columns.count = source->column_count;
    for (uint32_t i = 0; i < source->column_count; i++) {
        const char *name = source->columns[i].name;
        targets[i] = (struct ast_target){.ast = {.kind = AST_TARGET},
                                         .name = name != NULL ? name : "?column?"};
        insert->columns.items[i] = &targets[i].ast;
    }
    return TDBPLUS_OK;
}

static tdbplus_status bind_insert_select(struct binder *binder, struct bind_query *query,
                                         const struct change_target *target,
                                         const struct ast_insert *ast, struct plan **plan_out)
{
    uint32_t *map = NULL;
    uint32_t listed = 0;
    struct plan *source = NULL;
    const struct ast_select *by_name = NULL;
    struct ast_insert named = *ast;
    TRY(bind_unmark(binder, ast->source, &by_name));
    TRY(bind_select(binder, query,
                    by_name != NULL ? by_name : (const struct ast_select *)ast->source, true,
                    &source));
    if (by_name != NULL) {
        TRY(name_targets(binder, source, &named));
        ast = &named;
    }
    TRY(change_map_columns(binder, target, ast, &map, &listed));
    TRY(check_width(binder, target, ast, source->column_count, listed, 0));
    struct pointers exprs = {0};
    struct pointers names = {0};
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        struct expr *expr = NULL;
        if (map[c] >= source->column_count || ignores_given(target, c)) {
            TRY(default_of(binder, target, c, &expr));
        } else {
            TRY(check_given(binder, target, c, true));
            struct plan_column *column = &source->columns[map[c]];
            if (column->type.id == TYPE_NONE && source->kind == PLAN_PROJECT) {
                TRY(bind_assign(binder, &target->schema->columns[c], &source->exprs[map[c]]));
                column->type = source->exprs[map[c]]->type;
            }
            expr = expr_column(binder->arena, column->id, column->type);
            if (expr == NULL) {
                return bind_no_memory(binder);
            }
            TRY(bind_assign(binder, &target->schema->columns[c], &expr));
        }
        if (!pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    if (target->info.documents && map[0] == UINT32_MAX) {
        TRY(document_id(binder, exprs.items[document_position(target->schema)],
                        (struct expr **)&exprs.items[0]));
    }
    return bind_project(binder, source, &exprs, &names, plan_out);
}

/* What SET names is a member of the document: no column, or one that is computed of it. */
static bool is_member(const struct change_target *target, const struct ast_target *item)
{
    if (!target->info.documents || target->view.layer_count > 0 || item->multi_count > 0) {
        return false;
    }
    int32_t at = schema_find_name(target->schema, item->name);
    const struct table_text *text =
        at < 0 ? NULL : table_find_default(&target->info, target->schema->columns[at].id);
    return at < 0 || (text != NULL && text->kind == TABLE_GENERATED);
}

/* What was assigned to a column: several parts may be, or all of it once. */
enum { WHOLE_SET = 1, PART_SET = 2 };

tdbplus_status change_assignments(struct binder *binder, struct bind_query *query,
                                  const struct change_target *target,
                                  const struct ast_list *targets, struct expr **row)
{
    query->clause = CLAUSE_UPDATE;
    uint8_t *set = arena_array(binder->arena, target->schema->column_count + 1u, sizeof *set);
    if (set == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < targets->count; i++) {
        const struct ast_target *item = (const struct ast_target *)targets->items[i];
        uint32_t position = 0;
        if (is_member(target, item)) {
            struct expr *given = NULL;
            position = document_position(target->schema);
            change_mark(target, target->schema->columns[position].name, position, false);
            TRY(bind_expression(binder, query, item->value, &given));
            TRY(document_put(binder, item, given, &row[position]));
            set[position] = PART_SET;
            continue;
        }
        TRY(find_position(binder, target, item, &position));
        change_mark(target, item->name, position, false);
        bool part = item->indirection.count > 0;
        if (set[position] != 0 && !(part && set[position] == PART_SET)) {
            return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", item->ast.position,
                             "multiple assignments to same column \"%s\"", item->name);
        }
        set[position] = part ? PART_SET : WHOLE_SET;
        const struct ast *value = item->value;
        if (item->multi_count > 0) {
            TRY(check_given(binder, target, position, false));
            if (value->kind == AST_SUBQUERY) {
                TRY(bind_query_column(binder, query, (const struct ast_subquery *)value,
                                      item->multi_column - 1, item->multi_count, &row[position]));
                TRY(bind_assign(binder, &target->schema->columns[position], &row[position]));
                continue;
            }
            if (value->kind != AST_ROW) {
                return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", item->ast.position,
                                 "source for a multiple-column UPDATE item must be a sub-SELECT or "
                                 "ROW() expression");
            }
            const struct ast_list *elements = &((const struct ast_row *)value)->elements;
            if (elements->count != item->multi_count) {
                return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", item->ast.position,
                                 "number of columns does not match number of values");
            }
            value = elements->items[item->multi_column - 1];
        }
        if (value->kind == AST_DEFAULT) {
            TRY(default_of(binder, target, position, &row[position]));
            continue;
        }
        struct expr *given = NULL;
        TRY(check_given(binder, target, position, false));
        TRY(bind_expression(binder, query, value, &given));
        if (part) {
            TRY(bind_put(binder, query, &item->indirection, given, &row[position]));
        } else {
            row[position] = given;
        }
        TRY(bind_assign(binder, &target->schema->columns[position], &row[position]));
    }
    return target->info.documents ? document_touch(binder, target->schema, set, row) : TDBPLUS_OK;
}

static tdbplus_status fresh_ids(struct binder *binder, uint32_t count, uint32_t **ids_out)
{
    uint32_t *ids = arena_array(binder->arena, count + 1u, sizeof *ids);
    if (ids == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = binder->next_id++;
    }
    *ids_out = ids;
    return TDBPLUS_OK;
}

struct inlining {
    const struct plan_column *columns;
    struct expr **exprs;
    uint32_t count;
};

static bool inline_column(void *ctx, struct expr **node)
{
    const struct inlining *inlining = ctx;
    for (uint32_t i = 0; (*node)->kind == EXPR_COLUMN && i < inlining->count; i++) {
        if (inlining->columns[i].id == (*node)->number) {
            *node = inlining->exprs[i];
            break;
        }
    }
    return true;
}

/* DO UPDATE: generated columns over the expressions of the others. */
static tdbplus_status update_generated(struct binder *binder, const struct change_target *target,
                                       struct expr **updates)
{
    uint32_t count = target->schema->column_count;
    if (!has_generated(target)) {
        return TDBPLUS_OK;
    }
    struct plan_column *columns = arena_array(binder->arena, count + 1u, sizeof *columns);
    struct expr **exprs = arena_array(binder->arena, count + 1u, sizeof *exprs);
    if (columns == NULL || exprs == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        columns[i] =
            (struct plan_column){.id = binder->next_id++, .type = target->schema->columns[i].type};
    }
    TRY(generated_exprs(binder, target, columns, exprs));
    struct inlining inlining = {columns, updates, count};
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i] != NULL) {
            (void)expr_walk(&exprs[i], inline_column, &inlining);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        updates[i] = exprs[i] != NULL ? exprs[i] : updates[i];
    }
    return TDBPLUS_OK;
}

/* Where there may be a conflict is something that the statement reads. */
static void read_arbiters(const struct change_target *target, const struct ast_conflict *ast)
{
    for (uint32_t i = 0; i < ast->elements.count; i++) {
        const char *name = ((const struct ast_index_element *)ast->elements.items[i])->name;
        int32_t position = name == NULL ? -1 : schema_find_name(target->schema, name);
        if (position >= 0 && (uint32_t)position < target->access->column_count) {
            target->access->read[position] = true;
        }
    }
}

static tdbplus_status bind_conflict(struct binder *binder, const struct change_target *target,
                                    const struct ast_conflict *ast, struct plan *plan)
{
    const struct schema *schema = target->schema;
    struct plan_change *change = &plan->change;
    if (target->view.layer_count > 0) {
        return bind_unsupported(binder, ast->ast.position, "ON CONFLICT on a view");
    }
    TRY(bind_arbiters(binder, target->object, target->info.hidden_key, ast, change));
    change->conflict = ast->update ? CONFLICT_UPDATE : CONFLICT_NOTHING;
    read_arbiters(target, ast);
    if (!ast->update) {
        return TDBPLUS_OK;
    }
    change_needs(target, PRIVILEGE_UPDATE);
    TRY(fresh_ids(binder, schema->column_count, &change->old_ids));
    TRY(fresh_ids(binder, schema->column_count, &change->new_ids));
    struct bind_query query = {0};
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < target->visible_count; i++) {
            struct bind_column column = {.table = side == 0 ? target->alias : "excluded",
                                         .name = schema->columns[i].name,
                                         .id = side == 0 ? change->old_ids[i] : change->new_ids[i],
                                         .type = schema->columns[i].type,
                                         .qualified_only = side == 1,
                                         .schema = side == 0 ? target->own_schema : NULL,
                                         .read = side == 0 ? &target->access->read[i] : NULL};
            TRY(bind_add_column(binder, &query, &column));
        }
    }
    change->updates = arena_array(binder->arena, schema->column_count + 1u, sizeof(struct expr *));
    if (change->updates == NULL) {
        return bind_no_memory(binder);
    }
    change->update_count = schema->column_count;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        change->updates[i] =
            expr_column(binder->arena, change->old_ids[i], schema->columns[i].type);
        if (change->updates[i] == NULL) {
            return bind_no_memory(binder);
        }
    }
    TRY(change_assignments(binder, &query, target, &ast->targets, change->updates));
    TRY(update_generated(binder, target, change->updates));
    if (ast->where != NULL) {
        query.clause = CLAUSE_WHERE;
        TRY(bind_condition(binder, &query, ast->where, "WHERE", &change->where));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_insert(struct binder *binder, struct bind_query *outer,
                           const struct ast_insert *ast, struct plan **plan_out)
{
    struct change_target target = {0};
    TRY(change_find_target(binder, ast->table, "insert into", &target));
    target.overriding = ast->overriding;
    struct bind_query query = {.outer = outer};
    TRY(bind_with(binder, &query, ast->with));
    struct plan *input = NULL;
    const struct ast_select *source = (const struct ast_select *)ast->source;
    bool plain_values =
        source == NULL || (source->values.count > 0 && source->order.count == 0 &&
                           source->limit == NULL && source->offset == NULL && source->with == NULL);
    if (plain_values) {
        TRY(bind_insert_values(binder, &query, &target, ast, &input));
    } else {
        TRY(bind_insert_select(binder, &query, &target, ast, &input));
    }
    struct plan *plan = NULL;
    TRY(change_generated(binder, &target, 0, &input));
    TRY(change_make(binder, PLAN_INSERT, &target, input, &plan));
    plan->change.bulk = !plain_values && outer == NULL;
    TRY(change_checks(binder, &target, plan));
    if (ast->conflict != NULL) {
        TRY(bind_conflict(binder, &target, ast->conflict, plan));
    }
    TRY(bind_returning(binder, &target, &query, query.columns.count, &ast->returning, &plan));
    TRY(bind_own_ctes(binder, &query, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* ---- COPY FROM ---- */

tdbplus_status bind_copy_target(struct binder *binder, const struct ast_table_ref *table,
                                const struct ast_names *names, struct bind_copy *copy)
{
    struct change_target *target = arena_array(binder->arena, 1, sizeof *target);
    if (target == NULL) {
        return bind_no_memory(binder);
    }
    TRY(change_find_target(binder, table, "insert into", target));
    if (target->view.layer_count > 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "cannot copy to view \"%s\"",
                         table->name);
    }
    // What is in the file is taken as it is, identity columns too.
    target->overriding = OVERRIDING_SYSTEM;
    uint32_t count = names->count > 0 ? names->count : target->visible_count;
    struct ast_target *items = arena_array(binder->arena, count + 1u, sizeof *items);
    copy->columns.items = arena_array(binder->arena, count + 1u, sizeof *copy->columns.items);
    copy->file_columns = arena_array(binder->arena, count + 1u, sizeof *copy->file_columns);
    if (items == NULL || copy->columns.items == NULL || copy->file_columns == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t position = i;
        items[i] = (struct ast_target){.ast = {.kind = AST_TARGET}};
        items[i].name = names->count > 0 ? names->items[i] : target->schema->columns[i].name;
        TRY(find_position(binder, target, &items[i], &position));
        TRY(bind_copy_name(binder, items[i].name, &copy->file_columns[i].name));
        struct type type = target->schema->columns[position].type;
        // Seconds are rounded where the value is assigned, not where it is read.
        uint8_t id = type.id == TYPE_ARRAY ? type.element : type.id;
        type.parameter = type_has_seconds(type_of((enum type_id)id)) ? 0 : type.parameter;
        copy->file_columns[i].type = type;
        copy->columns.items[i] = &items[i].ast;
    }
    copy->columns.count = count;
    copy->target = target;
    return TDBPLUS_OK;
}

tdbplus_status bind_copy_rows(struct binder *binder, const struct bind_copy *copy,
                              struct plan *source, const struct ast *where, struct plan **plan_out)
{
    const struct change_target *target = copy->target;
    struct ast_insert insert = {.columns = copy->columns};
    uint32_t *map = NULL;
    uint32_t listed = 0;
    struct pointers exprs = {0};
    struct pointers names = {0};
    TRY(change_map_columns(binder, target, &insert, &map, &listed));
    for (uint32_t c = 0; c < target->schema->column_count; c++) {
        struct expr *expr = NULL;
        if (map[c] == UINT32_MAX) {
            TRY(default_of(binder, target, c, &expr));
        } else {
            expr = expr_column(binder->arena, source->columns[map[c]].id,
                               source->columns[map[c]].type);
            if (expr != NULL) {
                TRY(bind_assign(binder, &target->schema->columns[c], &expr));
            }
        }
        if (expr == NULL || !pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    struct plan *input = NULL;
    TRY(bind_project(binder, source, &exprs, &names, &input));
    if (where != NULL) {
        struct bind_query query = {.clause = CLAUSE_COPY};
        struct plan_column *columns =
            arena_array(binder->arena, input->column_count, sizeof *columns);
        struct expr *condition = NULL;
        if (columns == NULL) {
            return bind_no_memory(binder);
        }
        for (uint32_t c = 0; c < input->column_count; c++) {
            columns[c] = input->columns[c];
            TRY(bind_copy_name(binder, target->schema->columns[c].name, &columns[c].name));
        }
        TRY(name_columns(binder, &query, target, columns));
        TRY(bind_condition(binder, &query, where, "WHERE", &condition));
        TRY(bind_filter(binder, input, condition, &input));
    }
    TRY(change_generated(binder, target, 0, &input));
    TRY(change_make(binder, PLAN_INSERT, target, input, plan_out));
    (*plan_out)->change.bulk = true;
    TRY(change_checks(binder, target, *plan_out));
    (*plan_out)->column_count = 0;
    return TDBPLUS_OK;
}

/* ---- UPDATE and DELETE ---- */

tdbplus_status change_push_column(struct binder *binder, const struct plan_column *column,
                                  struct pointers *exprs, struct pointers *names)
{
    struct expr *expr = expr_column(binder->arena, column->id, column->type);
    if (expr == NULL || !pointers_push(binder->arena, exprs, expr) ||
        !pointers_push(binder->arena, names, NULL)) {
        return bind_no_memory(binder);
    }
    return TDBPLUS_OK;
}

/* The rows of the table that a view shows, with the view's computed columns behind the table's. */
static tdbplus_status bind_view_rows(struct binder *binder, struct bind_query *query,
                                     const struct change_target *target, struct plan **scan_out,
                                     struct plan **plan_out)
{
    struct bind_query below = {0};
    struct view_values values = {0};
    struct pointers exprs = {0};
    struct pointers names = {0};
    TRY(bind_scan(binder, &below, target->object, target->alias, true, scan_out));
    struct plan *scan = *scan_out;
    struct plan *plan = scan;
    TRY(name_target(binder, query, target, scan->columns, &values));
    for (uint32_t i = 0; i < target->view.layer_count; i++) {
        if (values.conditions[i] != NULL) {
            TRY(bind_filter(binder, plan, values.conditions[i], &plan));
        }
    }
    for (uint32_t i = 0; i < scan->column_count; i++) {
        TRY(change_push_column(binder, &scan->columns[i], &exprs, &names));
    }
    for (uint32_t i = 0; i < values.count; i++) {
        if (values.values[i].expr != NULL &&
            (!pointers_push(binder->arena, &exprs, values.values[i].expr) ||
             !pointers_push(binder->arena, &names, NULL))) {
            return bind_no_memory(binder);
        }
    }
    if (exprs.count > scan->column_count) {
        TRY(bind_project(binder, plan, &exprs, &names, &plan));
        uint32_t at = scan->column_count;
        memcpy(plan->columns, scan->columns, at * sizeof *plan->columns);
        for (uint32_t i = 0; i < values.count; i++) {
            if (values.values[i].expr != NULL) {
                plan->columns[at++].id = values.values[i].id;
            }
        }
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* The rows to be changed, all columns with the hidden key, joined with the other tables. */
static tdbplus_status bind_changed_rows(struct binder *binder, struct bind_query *query,
                                        const struct change_target *target,
                                        const struct ast_list *others, const struct ast *where,
                                        struct plan **scan_out, struct plan **plan_out)
{
    struct plan *plan = NULL;
    if (target->view.layer_count > 0) {
        TRY(bind_view_rows(binder, query, target, scan_out, &plan));
    } else {
        uint32_t before = query->columns.count;
        TRY(bind_scan(binder, query, target->object, target->alias, true, scan_out));
        if (target->own_schema != NULL) {
            TRY(bind_name_schema(binder, query, before, target->own_schema));
        }
        bind_watch_columns(query, 0, target->access);
        plan = *scan_out;
    }
    if (others->count > 0) {
        struct plan *other = NULL;
        TRY(bind_from(binder, query, others, &other));
        TRY(bind_join_plan(binder, plan, other, JOIN_INNER, &plan));
    }
    if (where != NULL) {
        struct expr *condition = NULL;
        query->clause = CLAUSE_WHERE;
        TRY(bind_condition(binder, query, where, "WHERE", &condition));
        TRY(bind_filter(binder, plan, condition, &plan));
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* The other tables' columns, which RETURNING may ask for. */
static tdbplus_status push_others(struct binder *binder, const struct bind_query *query,
                                  uint32_t first, struct pointers *exprs, struct pointers *names)
{
    for (uint32_t i = first; i < query->columns.count; i++) {
        const struct bind_column *named = query->columns.items[i];
        struct plan_column column = {.id = named->id, .type = named->type};
        TRY(change_push_column(binder, &column, exprs, names));
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_update(struct binder *binder, struct bind_query *outer,
                           const struct ast_update *ast, struct plan **plan_out)
{
    struct change_target target = {0};
    TRY(change_find_target(binder, ast->table, "update", &target));
    struct bind_query query = {.outer = outer};
    TRY(bind_with(binder, &query, ast->with));
    struct plan *scan = NULL;
    struct plan *rows = NULL;
    TRY(bind_changed_rows(binder, &query, &target, &ast->from, ast->where, &scan, &rows));
    struct pointers exprs = {0};
    struct pointers names = {0};
    const struct schema *schema = target.schema;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        TRY(change_push_column(binder, &scan->columns[schema->key_columns[k]], &exprs, &names));
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        TRY(change_push_column(binder, &scan->columns[i], &exprs, &names));
    }
    TRY(change_assignments(binder, &query, &target, &ast->targets,
                           (struct expr **)&exprs.items[schema->key_count]));
    if (ast->returning.count > 0) {
        TRY(push_others(binder, &query, target.named_count, &exprs, &names));
    }
    struct plan *plan = NULL;
    TRY(bind_project(binder, rows, &exprs, &names, &rows));
    TRY(change_generated(binder, &target, schema->key_count, &rows));
    TRY(change_make(binder, PLAN_UPDATE, &target, rows, &plan));
    plan->change.distinct = ast->from.count == 0;
    TRY(change_checks(binder, &target, plan));
    TRY(bind_returning(binder, &target, &query, target.named_count, &ast->returning, &plan));
    TRY(bind_own_ctes(binder, &query, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}

tdbplus_status bind_delete(struct binder *binder, struct bind_query *outer,
                           const struct ast_delete *ast, struct plan **plan_out)
{
    struct change_target target = {0};
    TRY(change_find_target(binder, ast->table, "delete from", &target));
    struct bind_query query = {.outer = outer};
    TRY(bind_with(binder, &query, ast->with));
    struct plan *scan = NULL;
    struct plan *rows = NULL;
    TRY(bind_changed_rows(binder, &query, &target, &ast->using_tables, ast->where, &scan, &rows));
    struct pointers exprs = {0};
    struct pointers names = {0};
    const struct schema *schema = target.schema;
    for (uint32_t k = 0; k < schema->key_count; k++) {
        TRY(change_push_column(binder, &scan->columns[schema->key_columns[k]], &exprs, &names));
    }
    for (uint32_t i = 0; i < schema->column_count && ast->returning.count > 0; i++) {
        TRY(change_push_column(binder, &scan->columns[i], &exprs, &names));
    }
    if (ast->returning.count > 0) {
        TRY(push_others(binder, &query, target.named_count, &exprs, &names));
    }
    struct plan *plan = NULL;
    TRY(bind_project(binder, rows, &exprs, &names, &rows));
    TRY(change_make(binder, PLAN_DELETE, &target, rows, &plan));
    plan->change.distinct = ast->using_tables.count == 0;
    TRY(bind_returning(binder, &target, &query, target.named_count, &ast->returning, &plan));
    TRY(bind_own_ctes(binder, &query, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}
