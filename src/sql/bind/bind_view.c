/* CREATE VIEW, and what a view's name means in FROM. */

#include <string.h>

#include "catalog/catalog.h"
#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"

#define VIEW_DEPTH_MAX 100u /* Of views over views. */

/* ---- reading a view ---- */

/* Binds a view's text as it was meant when it was written: errors have no place in the statement's
 * text, and names mean what `info` says. */
static tdbplus_status bind_body(struct binder *binder, const struct view_info *info, uint64_t role,
                                const struct ast_select *ast, struct pointers *references,
                                struct plan **plan_out)
{
    struct binder before = *binder;
    struct bind_query around = {0};
    if (binder->view_depth >= VIEW_DEPTH_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "54001", 0,
                         "views are nested more than %u levels deep", VIEW_DEPTH_MAX);
    }
    TRY(bind_enter(binder));
    binder->view_depth++;
    binder->as_role = role;
    binder->view = info;
    binder->references = references;
    binder->recursion = RECURSION_OK;
    tdbplus_status status = bind_select(binder, &around, ast, false, plan_out);
    binder->view_depth = before.view_depth;
    binder->as_role = before.as_role;
    binder->view = before.view;
    binder->references = before.references;
    binder->recursion = before.recursion;
    bind_leave(binder);
    return status;
}

/* What a view's text names is read with its owner's privileges. */
static uint64_t view_owner(struct binder *binder, const struct catalog_entry *entry)
{
    struct acl_target target;
    return acl_target_of(entry, &target) ? acl_owner(binder->txn, target) : binder->as_role;
}

static tdbplus_status parse_query(struct binder *binder, struct span text,
                                  const struct ast_select **ast_out)
{
    struct parse_result parsed = {0};
    TRY(parse_text(text, binder->arena, &parsed, binder->err));
    if (parsed.statement_count != 1 || parsed.statements[0].root->kind != AST_SELECT) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "the text of a view is damaged");
    }
    *ast_out = (const struct ast_select *)parsed.statements[0].root;
    return TDBPLUS_OK;
}

tdbplus_status bind_view_plan(struct binder *binder, const struct catalog_entry *entry,
                              const struct view_info *info, struct plan **plan_out)
{
    const struct ast_select *ast = NULL;
    struct span before = binder->text;
    TRY(bind_depends_on(binder, entry->object));
    binder->text = (struct span){0};
    tdbplus_status status = parse_query(binder, span_from_text(info->text), &ast);
    if (status == TDBPLUS_OK) {
        status = bind_body(binder, info, view_owner(binder, entry), ast, NULL, plan_out);
    }
    binder->text = before;
    TRY(status);
    if ((*plan_out)->column_count != info->column_count) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "the columns of view \"%s\" are damaged",
                       entry->name);
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_view(struct binder *binder, struct bind_query *query,
                         const struct catalog_entry *entry, const struct ast_table_ref *table,
                         struct plan **plan_out)
{
    struct view_info info = {0};
    struct bound_access *access = NULL;
    uint32_t before = query->columns.count;
    TRY(view_info_decode(entry, binder->arena, &info, binder->err));
    TRY(bind_access(binder, entry, info.column_count, PRIVILEGE_SELECT, &access));
    TRY(bind_view_plan(binder, entry, &info, plan_out));
    const char *alias = table->alias != NULL ? table->alias->name : table->name;
    for (uint32_t i = 0; i < info.column_count; i++) {
        struct bind_column column = {.table = alias,
                                     .name = info.columns[i].name,
                                     .id = (*plan_out)->columns[i].id,
                                     .type = (*plan_out)->columns[i].type};
        TRY(bind_add_column(binder, query, &column));
    }
    bind_watch_columns(query, before, access);
    return TDBPLUS_OK;
}

/* ---- what a view's text names ---- */

static const char *known_name(const struct view_reference *reference, uint32_t column_id)
{
    for (uint32_t i = 0; i < reference->name_count; i++) {
        if (reference->names[i].column_id == column_id) {
            return reference->names[i].name;
        }
    }
    return NULL;
}

static uint32_t column_id_at(const struct object *object, uint32_t number)
{
    return object == NULL ? number + 1 : object->schema->columns[number].id;
}

/* Columns have the names they had when the view was made; later ones have none. */
static void rename_columns(struct bind_query *query, const struct view_reference *reference,
                           const struct object *object, uint32_t before)
{
    uint32_t kept = before;
    for (uint32_t i = before; i < query->columns.count; i++) {
        struct bind_column *column = query->columns.items[i];
        const char *name = known_name(reference, column_id_at(object, i - before));
        if (name != NULL) {
            column->name = name;
            query->columns.items[kept++] = column;
        }
    }
    query->columns.count = kept;
}

tdbplus_status bind_note_reference(struct binder *binder, struct bind_query *query,
                                   const struct ast_table_ref *table,
                                   const struct catalog_entry *entry, const struct plan *plan,
                                   uint32_t before)
{
    const struct object *object = entry->kind == CATALOG_TABLE ? entry->object : NULL;
    const struct view_reference *known = view_find_reference(binder->view, table->ast.position);
    if (known != NULL) {
        rename_columns(query, known, object, before);
    }
    if (binder->references == NULL) {
        return TDBPLUS_OK;
    }
    struct bind_reference *reference = arena_array(binder->arena, 1, sizeof *reference);
    if (reference == NULL || !pointers_push(binder->arena, binder->references, reference)) {
        return bind_no_memory(binder);
    }
    *reference = (struct bind_reference){.position = table->ast.position,
                                         .oid = entry->oid,
                                         .object = object,
                                         .plan = plan,
                                         .column_count = query->columns.count - before};
    reference->names =
        arena_array(binder->arena, reference->column_count + 1u, sizeof *reference->names);
    if (reference->names == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = 0; i < reference->column_count; i++) {
        const struct bind_column *column = query->columns.items[before + i];
        const char *name = column->name;
        TRY(bind_copy_name(binder, name == NULL ? "?column?" : name, &reference->names[i]));
    }
    return TDBPLUS_OK;
}

/* ---- which columns the view reads ---- */

struct used {
    uint8_t *ids; /* One a column of the statement. */
    uint32_t count;
};

static void use(struct used *used, uint32_t id)
{
    if (id < used->count) {
        used->ids[id] = 1;
    }
}

static void use_columns(struct used *used, const struct plan *plan)
{
    for (uint32_t i = 0; plan != NULL && i < plan->column_count; i++) {
        use(used, plan->columns[i].id);
    }
}

static void use_plan(struct used *used, struct plan *plan);

static bool use_expr(void *ctx, struct expr *expr)
{
    struct used *used = ctx;
    if (expr->kind == EXPR_COLUMN) {
        use(used, expr->number);
    }
    if (expr->subquery != NULL) {
        use_columns(used, expr->subquery->plan);
        use_plan(used, expr->subquery->plan);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        (void)use_expr(ctx, expr->arguments[i]);
    }
    return true;
}

static void use_plan(struct used *used, struct plan *plan)
{
    if (plan == NULL) {
        return;
    }
    (void)plan_each_expr(plan, use_expr, used);
    if (plan->kind == PLAN_SET) {
        use_columns(used, plan->left);
        use_columns(used, plan->right);
    }
    for (uint32_t i = 0; plan->kind == PLAN_WITH && i < plan->cte_count; i++) {
        use_columns(used, plan->ctes[i]->plan);
        use_plan(used, plan->ctes[i]->plan);
        use_columns(used, plan->ctes[i]->step);
        use_plan(used, plan->ctes[i]->step);
    }
    use_plan(used, plan->left);
    use_plan(used, plan->right);
}

static tdbplus_status describe_reference(struct binder *binder, const struct bind_reference *from,
                                         struct view_reference *to)
{
    *to = (struct view_reference){.position = from->position, .oid = from->oid};
    to->names = arena_array(binder->arena, from->column_count + 1u, sizeof *to->names);
    if (to->names == NULL) {
        return bind_no_memory(binder);
    }
    to->name_count = from->column_count;
    for (uint32_t i = 0; i < from->column_count; i++) {
        to->names[i].column_id = column_id_at(from->object, i);
        to->names[i].name = from->names[i];
    }
    return TDBPLUS_OK;
}

static void add_dependency(struct catalog_dependency *all, uint32_t *count, uint64_t oid,
                           uint32_t column_id, uint32_t first)
{
    for (uint32_t i = first; i < *count; i++) {
        if (all[i].oid == oid && all[i].column_id == column_id) {
            return;
        }
    }
    all[(*count)++] = (struct catalog_dependency){.oid = oid, .column_id = column_id};
}

/* Types that the text names or whose labels it has. */
static void add_types(const struct binder *binder, struct catalog_dependency *all, uint32_t *count,
                      uint32_t first)
{
    for (const struct bound_dependency *at = binder->dependencies; at != NULL; at = at->next) {
        const struct object *object = txn_object_by_id(binder->txn, at->oid);
        if (object != NULL && object->kind == CATALOG_TYPE) {
            add_dependency(all, count, at->oid, 0, first);
        }
    }
}

/* The entry's dependencies: one a reference, in their order, then the columns that are read. */
static tdbplus_status list_dependencies(struct binder *binder, const struct pointers *references,
                                        struct plan *plan, struct view_info *info,
                                        struct catalog_entry *entry)
{
    uint32_t most = references->count;
    for (const struct bound_dependency *at = binder->dependencies; at != NULL; at = at->next) {
        most++;
    }
    for (uint32_t i = 0; i < references->count; i++) {
        most += ((const struct bind_reference *)references->items[i])->column_count;
    }
    struct catalog_dependency *all = arena_array(binder->arena, most + 1u, sizeof *all);
    struct used used = {.ids = arena_array(binder->arena, binder->next_id + 1u, 1),
                        .count = binder->next_id};
    info->references = arena_array(binder->arena, references->count + 1u, sizeof *info->references);
    if (all == NULL || used.ids == NULL || info->references == NULL) {
        return bind_no_memory(binder);
    }
    use_columns(&used, plan);
    use_plan(&used, plan);
    for (uint32_t i = 0; i < references->count; i++) {
        const struct bind_reference *reference = references->items[i];
        TRY(describe_reference(binder, reference, &info->references[i]));
        all[i] = (struct catalog_dependency){.oid = reference->oid};
    }
    info->reference_count = references->count;
    uint32_t count = references->count;
    for (uint32_t i = 0; i < references->count; i++) {
        const struct bind_reference *reference = references->items[i];
        for (uint32_t c = 0; c < reference->column_count; c++) {
            if (used.ids[reference->plan->columns[c].id] != 0) {
                add_dependency(all, &count, reference->oid, column_id_at(reference->object, c),
                               references->count);
            }
        }
    }
    add_types(binder, all, &count, references->count);
    entry->dependencies = all;
    entry->dependency_count = count;
    return TDBPLUS_OK;
}

/* ---- CREATE VIEW ---- */

static tdbplus_status name_columns(struct binder *binder, const struct ast_names *names,
                                   const struct plan *plan, const char *too_many,
                                   struct view_info *info)
{
    info->columns = arena_array(binder->arena, plan->column_count + 1u, sizeof *info->columns);
    if (info->columns == NULL) {
        return bind_no_memory(binder);
    }
    if (names->count > plan->column_count) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0, "%s", too_many);
    }
    info->column_count = plan->column_count;
    for (uint32_t i = 0; i < plan->column_count; i++) {
        const char *name = i < names->count ? names->items[i] : plan->columns[i].name;
        info->columns[i] = (struct view_column){.name = name == NULL ? "?column?" : name,
                                                .type = plan->columns[i].type};
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(info->columns[k].name, info->columns[i].name) == 0) {
                return bind_fail(binder, TDBPLUS_E_SQL, "42701", 0,
                                 "column \"%s\" specified more than once", info->columns[i].name);
            }
        }
    }
    return TDBPLUS_OK;
}

/* The columns that readers of the view know must stay what they are. */
static tdbplus_status check_replaced(struct binder *binder, const struct view_info *old,
                                     const struct view_info *new)
{
    if (new->column_count < old->column_count) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P16", 0, "cannot drop columns from view");
    }
    for (uint32_t i = 0; i < old->column_count; i++) {
        const struct view_column *before = &old->columns[i];
        const struct view_column *after = &new->columns[i];
        if (strcmp(before->name, after->name) != 0) {
            tdbplus_status status = bind_fail(binder, TDBPLUS_E_SQL, "42P16", 0,
                                              "cannot change name of view column \"%s\" to \"%s\"",
                                              before->name, after->name);
            err_hint(binder->err, "Use ALTER VIEW ... RENAME COLUMN ... to change name of view "
                                  "column instead.");
            return status;
        }
        if (!type_equal(before->type, after->type)) {
            char from[64];
            char to[64];
            bind_show_type(binder, before->type, from);
            bind_show_type(binder, after->type, to);
            return bind_fail(binder, TDBPLUS_E_SQL, "42P16", 0,
                             "cannot change data type of view column \"%s\" from %s to %s",
                             before->name, from, to);
        }
    }
    return TDBPLUS_OK;
}

static bool changes_rows(const struct ast_select *select)
{
    for (uint32_t i = 0; select->with != NULL && i < select->with->ctes.count; i++) {
        if (((const struct ast_cte *)select->with->ctes.items[i])->query->kind != AST_SELECT) {
            return true;
        }
    }
    return false;
}

/* Errors in the text of the query point into the statement. */
static void move_position(struct binder *binder, struct span statement, struct span text)
{
    bool inside = text.data >= statement.data && text.data < statement.data + statement.size;
    if (inside && binder->err != NULL && binder->err->position > 0) {
        size_t before = (size_t)(text.data - statement.data);
        binder->err->position += parse_character(statement, (uint32_t)before + 1) - 1;
    }
}

tdbplus_status bind_view_query(struct binder *binder, struct span text,
                               const struct ast_names *names, const char *too_many,
                               struct view_info *info, struct catalog_entry *entry,
                               struct plan **plan_out)
{
    struct pointers references = {0};
    struct span statement = binder->text;
    const struct ast_select *ast = NULL;
    info->text = arena_text(binder->arena, text);
    if (info->text == NULL) {
        return bind_no_memory(binder);
    }
    binder->text = text;
    tdbplus_status status = parse_query(binder, text, &ast);
    if (status == TDBPLUS_OK && changes_rows(ast)) {
        status = bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                           "views must not contain data-modifying statements in WITH");
    }
    if (status == TDBPLUS_OK) {
        status = bind_body(binder, NULL, binder->as_role, ast, &references, plan_out);
    }
    if (status != TDBPLUS_OK) {
        move_position(binder, statement, text);
    }
    binder->text = statement;
    TRY(status);
    if (binder->parameter_count > 0) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P02", 0, "there is no parameter $1");
    }
    TRY(name_columns(binder, names, *plan_out, too_many, info));
    return list_dependencies(binder, &references, *plan_out, info, entry);
}

/* A word, which the grammar takes for a type, or a string. */
static const char *option_text(const struct ast *value)
{
    if (value != NULL && value->kind == AST_TYPE_NAME) {
        const struct ast_names *names = &((const struct ast_type_name *)value)->names;
        return names->count > 0 ? names->items[names->count - 1] : "";
    }
    const struct ast_constant *constant = (const struct ast_constant *)value;
    bool text = value != NULL && value->kind == AST_CONSTANT && constant->text != NULL;
    return text ? constant->text : "";
}

/* WITH (check_option = ...) says what WITH CHECK OPTION does. */
static tdbplus_status read_options(struct binder *binder, const struct ast_create_view *ast,
                                   struct view_info *info)
{
    info->check = ast->check;
    for (uint32_t i = 0; i < ast->options.count; i++) {
        const struct ast_option *option = (const struct ast_option *)ast->options.items[i];
        const char *text = option_text(option->value);
        if (strcmp(option->name, "security_barrier") == 0 ||
            strcmp(option->name, "security_invoker") == 0) {
            continue;
        }
        if (strcmp(option->name, "check_option") != 0) {
            return bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0, "unrecognized parameter \"%s\"",
                             option->name);
        }
        bool local = strcmp(text, "local") == 0;
        if (!local && strcmp(text, "cascaded") != 0) {
            tdbplus_status status =
                bind_fail(binder, TDBPLUS_E_INVALID, "22023", 0,
                          "invalid value for enum option \"check_option\": %s", text);
            err_detail(binder->err, "Valid values are \"local\" and \"cascaded\".");
            return status;
        }
        info->check = local ? AST_CHECK_LOCAL : AST_CHECK_CASCADED;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_encode_view(struct binder *binder, const struct view_info *info,
                                struct span *definition_out)
{
    struct buffer buffer;
    buffer_init(&buffer, binder->arena->alloc);
    view_info_encode(info, &buffer);
    uint8_t *copy = buffer.failed ? NULL : arena_bytes(binder->arena, buffer.size + 1);
    if (copy != NULL) {
        memcpy(copy, buffer.data, buffer.size);
        *definition_out = (struct span){.data = copy, .size = buffer.size};
    }
    buffer_deinit(&buffer);
    return copy == NULL ? bind_no_memory(binder) : TDBPLUS_OK;
}

/* The view about to be replaced, or an error. */
static tdbplus_status find_replaced(struct binder *binder, const struct ast_create_view *ast,
                                    const char *schema, const struct view_info *info,
                                    struct bound_action *action)
{
    struct catalog_entry old;
    if (!catalog_relation_find(binder->txn, schema, ast->view->name, &old)) {
        return TDBPLUS_OK;
    }
    TRY(ast->replace ? bind_check_owner(binder, &old) : TDBPLUS_OK);
    if (!ast->replace) {
        return bind_fail(binder, TDBPLUS_E_EXISTS, "42P07", 0, "relation \"%s\" already exists",
                         ast->view->name);
    }
    if (old.kind != CATALOG_VIEW) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "\"%s\" is not a view",
                         ast->view->name);
    }
    struct view_info before = {0};
    TRY(view_info_decode(&old, binder->arena, &before, binder->err));
    action->kind = ACTION_ALTER;
    action->oid = old.oid;
    if (catalog_depends(&action->entry, old.oid, 0)) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42P17", 0,
                         "infinite recursion detected in rules for relation \"%s\"",
                         ast->view->name);
    }
    return check_replaced(binder, &before, info);
}

static bool reads_temporary(struct binder *binder, const struct view_info *info)
{
    struct catalog_entry entry;
    bool temporary = false;
    for (uint32_t i = 0; i < info->reference_count; i++) {
        temporary =
            temporary || (catalog_entry_by_oid(binder->txn, info->references[i].oid, &entry) &&
                          strncmp(entry.schema, "pg_temp_", 8) == 0);
    }
    return temporary;
}

tdbplus_status bind_create_view(struct binder *binder, const struct ast_create_view *ast,
                                struct bound *bound)
{
    struct bound_action action = {.kind = ACTION_CREATE};
    struct view_info info = {0};
    struct plan *plan = NULL;
    struct ast_table_ref name = *ast->view;
    const char *schema = NULL;
    action.entry.kind = CATALOG_VIEW;
    TRY(bind_new_schema(binder, &name, &schema));
    TRY(read_options(binder, ast, &info));
    struct span text = {0};
    TRY(bind_slice_view(binder, &text));
    TRY(bind_view_query(binder, text, &ast->columns,
                        "CREATE VIEW specifies more column names than columns", &info,
                        &action.entry, &plan));
    if (name.schema == NULL && reads_temporary(binder, &info)) {
        name.temporary = true;
        TRY(bind_new_schema(binder, &name, &schema));
    }
    if (info.check != AST_CHECK_NONE) {
        TRY(bind_check_updatable(binder, &info));
    }
    TRY(find_replaced(binder, ast, schema, &info, &action));
    if (strlen(name.name) > CATALOG_NAME_SIZE_MAX) {
        return bind_fail(binder, TDBPLUS_E_LIMIT, "42622", 0, "a view's name is too long");
    }
    memcpy(action.entry.schema, schema, strlen(schema) + 1);
    memcpy(action.entry.name, name.name, strlen(name.name) + 1);
    TRY(bind_encode_view(binder, &info, &action.entry.definition));
    return bind_add_action(binder, bound, &action);
}
