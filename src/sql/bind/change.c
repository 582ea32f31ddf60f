/* UPDATE and DELETE, and what all changes of tables share. */

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
tdbplus_status change_refuse_computed(struct binder *binder, const struct change_target *target,
                                      const char *column)
{
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                  "cannot %s column \"%s\" of view \"%s\"", target->verb, column, target->name);
    err_detail(binder->err,
               "View columns that are not columns of their base relation are not updatable.");
    return status;
}

tdbplus_status change_find_position(struct binder *binder, const struct change_target *target,
                                    const struct ast_target *ast, uint32_t *position_out)
{
    int32_t position =
        target->view.layer_count > 0 ? -1 : schema_find_name(target->schema, ast->name);
    for (uint32_t i = 0; i < target->values.count; i++) {
        const struct view_value *value = &target->values.values[i];
        if (strcmp(value->name, ast->name) == 0) {
            if (value->position == UINT32_MAX) {
                return change_refuse_computed(binder, target, ast->name);
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

tdbplus_status change_default(struct binder *binder, const struct change_target *target,
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
tdbplus_status change_check_given(struct binder *binder, const struct change_target *target,
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
bool change_ignores_given(const struct change_target *target, uint32_t position)
{
    const struct table_text *text =
        table_find_default(&target->info, target->schema->columns[position].id);
    return target->overriding == OVERRIDING_USER && text != NULL &&
           (text->kind == TABLE_IDENTITY_ALWAYS || text->kind == TABLE_IDENTITY_DEFAULT);
}

bool change_has_generated(const struct change_target *target)
{
    for (uint32_t i = 0; i < target->info.default_count; i++) {
        if (target->info.defaults[i].kind == TABLE_GENERATED) {
            return true;
        }
    }
    return false;
}

/* Computes the generated columns of a row whose other columns have these ids, into `exprs`. */
tdbplus_status change_generated_exprs(struct binder *binder, const struct change_target *target,
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
    if (!change_has_generated(target)) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < rows->column_count; i++) {
        struct expr *expr = expr_column(binder->arena, rows->columns[i].id, rows->columns[i].type);
        if (expr == NULL || !pointers_push(binder->arena, &exprs, expr) ||
            !pointers_push(binder->arena, &names, NULL)) {
            return bind_no_memory(binder);
        }
    }
    TRY(change_generated_exprs(binder, target, &rows->columns[first],
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
    return change_default(&binder, &target, position, expr_out);
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

tdbplus_status change_name_columns(struct binder *binder, struct bind_query *query,
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
        TRY(change_name_columns(binder, query, target, columns));
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
    TRY(change_name_columns(binder, &query, target, plan->columns));
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

tdbplus_status change_returning(struct binder *binder, const struct change_target *target,
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
    TRY(change_returning(binder, &target, &query, target.named_count, &ast->returning, &plan));
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
    TRY(change_returning(binder, &target, &query, target.named_count, &ast->returning, &plan));
    TRY(bind_own_ctes(binder, &query, &plan));
    *plan_out = plan;
    return TDBPLUS_OK;
}
