#include "sql/bind/view_target.h"

#include <string.h>

#define LAYER_COUNT_MAX 100u

static const char no_columns[] =
    "Views that have no updatable columns are not automatically updatable.";

/* ---- which views they are ---- */

/* Why no row can be put into the view; NULL: one can, as far as the form tells. */
static const char *form_reason(const struct ast_select *ast)
{
    if (ast->distinct) {
        return "Views containing DISTINCT are not automatically updatable.";
    }
    if (ast->groups.count > 0) {
        return "Views containing GROUP BY are not automatically updatable.";
    }
    if (ast->having != NULL) {
        return "Views containing HAVING are not automatically updatable.";
    }
    if (ast->set_kind != AST_SET_NONE) {
        return "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.";
    }
    if (ast->with != NULL) {
        return "Views containing WITH are not automatically updatable.";
    }
    if (ast->limit != NULL || ast->offset != NULL) {
        return "Views containing LIMIT or OFFSET are not automatically updatable.";
    }
    return NULL;
}

static const char *from_reason(const struct ast_select *ast)
{
    return ast->from.count == 1 && ast->from.items[0]->kind == AST_TABLE_REF
               ? NULL
               : "Views that do not select from a single table or view are not automatically "
                 "updatable.";
}

static const char *query_reason(const struct bind_query *query)
{
    return query->aggregates.count > 0
               ? "Views that return aggregate functions are not automatically updatable."
           : query->calls.count > 0
               ? "Views that return window functions are not automatically updatable."
           : query->expansions.count > 0
               ? "Views that return set-returning functions are not automatically updatable."
               : NULL;
}

static tdbplus_status refuse(struct binder *binder, const char *name, const char *verb,
                             const char *reason)
{
    bool insert = strcmp(verb, "insert into") == 0;
    bool update = strcmp(verb, "update") == 0;
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_SQL, "55000", 0, "cannot %s view \"%s\"", verb, name);
    err_detail(binder->err, "%s", reason);
    err_hint(binder->err,
             "To enable %s the view, provide an INSTEAD OF %s trigger or an unconditional ON %s DO "
             "INSTEAD rule.",
             insert   ? "inserting into"
             : update ? "updating"
                      : "deleting from",
             insert   ? "INSERT"
             : update ? "UPDATE"
                      : "DELETE",
             insert   ? "INSERT"
             : update ? "UPDATE"
                      : "DELETE");
    return status;
}

static tdbplus_status parse_layer(struct binder *binder, const struct catalog_entry *entry,
                                  struct view_layer *layer)
{
    struct parse_result parsed = {0};
    TRY(view_info_decode(entry, binder->arena, &layer->info, binder->err));
    layer->entry = *entry;
    TRY(bind_depends_on(binder, entry->object));
    TRY(bind_copy_name(binder, entry->name, &layer->name));
    TRY(parse_text(span_from_text(layer->info.text), binder->arena, &parsed, binder->err));
    if (parsed.statement_count != 1 || parsed.statements[0].root->kind != AST_SELECT) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "the text of a view is damaged");
    }
    layer->ast = (const struct ast_select *)parsed.statements[0].root;
    return TDBPLUS_OK;
}

/* ---- binding a layer ---- */

struct layer_scope {
    struct bind_query query;
    struct bind_targets targets;
};

static const char *known_name(const struct view_reference *reference, uint32_t column_id)
{
    for (uint32_t i = 0; reference != NULL && i < reference->name_count; i++) {
        if (reference->names[i].column_id == column_id) {
            return reference->names[i].name;
        }
    }
    return NULL;
}

/* `below`: the values of the next layer; NULL: the table's columns. */
static tdbplus_status name_below(struct binder *binder, const struct view_layer *layer,
                                 const struct object *table, const uint32_t *ids,
                                 const struct view_values *below, struct bind_query *query)
{
    const struct ast_table_ref *from = layer->from;
    const struct view_reference *reference = view_find_reference(&layer->info, from->ast.position);
    const char *alias = from->alias != NULL ? from->alias->name : from->name;
    uint32_t count = below != NULL ? below->count : table->schema->column_count;
    uint32_t renamed = from->alias != NULL ? from->alias->columns.count : 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t column_id = below != NULL ? i + 1 : table->schema->columns[i].id;
        const char *name = known_name(reference, column_id);
        struct bind_column column = {.table = alias,
                                     .name = name,
                                     .id = below != NULL ? below->values[i].id : ids[i],
                                     .type = below != NULL ? below->values[i].type
                                                           : table->schema->columns[i].type};
        if (name == NULL) {
            continue;
        }
        if (at < renamed) {
            column.name = from->alias->columns.items[at];
        }
        at++;
        TRY(bind_add_column(binder, query, &column));
    }
    return TDBPLUS_OK;
}

/* Binds with the names of the layer's text; nothing in it has a place in the statement's. */
static tdbplus_status bind_layer(struct binder *binder, const struct view_layer *layer,
                                 struct layer_scope *scope, struct expr **condition_out)
{
    struct span text = binder->text;
    const struct view_info *view = binder->view;
    struct pointers *references = binder->references;
    uint64_t asker = binder->as_role;
    struct acl_target target;
    binder->text = (struct span){0};
    binder->as_role =
        acl_target_of(&layer->entry, &target) ? acl_owner(binder->txn, target) : asker;
    binder->view = &layer->info;
    binder->references = NULL;
    scope->query.clause = CLAUSE_SELECT;
    tdbplus_status status =
        bind_target_list(binder, &scope->query, &layer->ast->targets, &scope->targets);
    if (status == TDBPLUS_OK && layer->ast->where != NULL) {
        scope->query.clause = CLAUSE_WHERE;
        status = bind_condition(binder, &scope->query, layer->ast->where, "WHERE", condition_out);
    }
    binder->text = text;
    binder->as_role = asker;
    binder->view = view;
    binder->references = references;
    return status;
}

struct substitution {
    const struct view_values *values;
    bool inside_query;
};

static bool substitute(void *ctx, struct expr **node)
{
    struct substitution *substitution = ctx;
    struct expr *expr = *node;
    for (uint32_t i = 0; i < substitution->values->count; i++) {
        const struct view_value *value = &substitution->values->values[i];
        if (value->expr == NULL) {
            continue;
        }
        if (expr->kind == EXPR_COLUMN && expr->number == value->id) {
            *node = value->expr;
            return true;
        }
        for (uint32_t k = 0; expr->subquery != NULL && k < expr->subquery->outer_count; k++) {
            substitution->inside_query =
                substitution->inside_query || expr->subquery->outer_ids[k] == value->id;
        }
    }
    return true;
}

tdbplus_status view_values_inline(struct binder *binder, const struct view_values *values,
                                  struct expr **expr)
{
    struct substitution substitution = {.values = values};
    (void)expr_walk(expr, substitute, &substitution);
    return substitution.inside_query
               ? bind_unsupported(binder, 0,
                                  "a subquery that reads a computed column of a view here")
               : TDBPLUS_OK;
}

/* What the layer's columns are, in terms of the table's. */
static tdbplus_status layer_values(struct binder *binder, const struct view_layer *layer,
                                   const struct view_values *below, const struct object *table,
                                   const uint32_t *ids, struct view_values *values,
                                   struct expr **condition_out)
{
    struct layer_scope scope = {0};
    TRY(name_below(binder, layer, table, ids, below, &scope.query));
    TRY(bind_layer(binder, layer, &scope, condition_out));
    uint32_t count = layer->info.column_count;
    if (scope.targets.exprs.count != count) {
        return err_set(binder->err, TDBPLUS_E_CORRUPT, "the columns of view \"%s\" are damaged",
                       layer->name);
    }
    values->values = arena_array(binder->arena, count + 1u, sizeof *values->values);
    if (values->values == NULL) {
        return bind_no_memory(binder);
    }
    values->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct view_value *value = &values->values[i];
        struct expr *expr = scope.targets.exprs.items[i];
        *value = (struct view_value){.name = layer->info.columns[i].name, .position = UINT32_MAX};
        if (expr->type.id == TYPE_NONE) {
            TRY(bind_coerce(binder, &expr, type_of(TYPE_TEXT), FUNC_CAST_IMPLICIT));
        }
        if (below != NULL) {
            TRY(view_values_inline(binder, below, &expr));
        }
        value->type = expr->type;
        for (uint32_t c = 0; expr->kind == EXPR_COLUMN && c < table->schema->column_count; c++) {
            if (ids[c] == expr->number) {
                value->position = c;
                value->type = table->schema->columns[c].type;
            }
        }
        value->id = value->position != UINT32_MAX ? expr->number : binder->next_id++;
        value->expr = value->position != UINT32_MAX ? NULL : expr;
    }
    return *condition_out != NULL && below != NULL
               ? view_values_inline(binder, below, condition_out)
               : TDBPLUS_OK;
}

tdbplus_status view_target_values(struct binder *binder, const struct view_target *target,
                                  const struct object *table, const uint32_t *ids,
                                  struct view_values *values_out)
{
    struct view_values below = {0};
    struct expr **conditions =
        arena_array(binder->arena, target->layer_count + 1u, sizeof *conditions);
    if (conditions == NULL) {
        return bind_no_memory(binder);
    }
    for (uint32_t i = target->layer_count; i > 0; i--) {
        struct view_values values = {0};
        TRY(layer_values(binder, &target->layers[i - 1], i == target->layer_count ? NULL : &below,
                         table, ids, &values, &conditions[i - 1]));
        below = values;
    }
    below.conditions = conditions;
    *values_out = below;
    return TDBPLUS_OK;
}

bool view_layer_checks(const struct view_target *target, uint32_t layer)
{
    bool checks = target->layers[layer].info.check != AST_CHECK_NONE;
    for (uint32_t i = 0; i < layer; i++) {
        checks = checks || target->layers[i].info.check == AST_CHECK_CASCADED;
    }
    return checks;
}

/* ---- opening ---- */

/* Aggregates and the like are seen only when the select list is bound. */
static const char *bound_reason(struct binder *binder, const struct view_layer *layer,
                                const struct object *table, const struct view_info *below)
{
    struct layer_scope scope = {0};
    struct view_values values = {0};
    struct expr *condition = NULL;
    uint32_t count = below != NULL ? below->column_count : table->schema->column_count;
    uint32_t *ids = arena_array(binder->arena, count + 1u, sizeof *ids);
    values.values = arena_array(binder->arena, count + 1u, sizeof *values.values);
    if (ids == NULL || values.values == NULL) {
        return NULL; // Found again where memory failing is told.
    }
    values.count = count;
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = binder->next_id++;
        values.values[i].id = ids[i];
        values.values[i].type = below != NULL ? below->columns[i].type : (struct type){0};
    }
    struct err *err = binder->err;
    binder->err = NULL; // What fails here fails again, with words.
    bool good = name_below(binder, layer, table, ids, below != NULL ? &values : NULL,
                           &scope.query) == TDBPLUS_OK &&
                bind_layer(binder, layer, &scope, &condition) == TDBPLUS_OK;
    binder->err = err;
    if (!good) {
        return NULL;
    }
    const char *reason = query_reason(&scope.query);
    bool any = false;
    for (uint32_t i = 0; i < scope.targets.exprs.count; i++) {
        any = any || ((const struct expr *)scope.targets.exprs.items[i])->kind == EXPR_COLUMN;
    }
    return reason != NULL || any ? reason : no_columns;
}

/* The reasons of one layer; *below_out is what it reads. */
static const char *layer_reason(struct binder *binder, struct view_layer *layer,
                                struct catalog_entry *below_out)
{
    const char *reason = form_reason(layer->ast);
    if (reason != NULL) {
        return reason;
    }
    reason = from_reason(layer->ast);
    if (reason != NULL) {
        return reason;
    }
    layer->from = (const struct ast_table_ref *)layer->ast->from.items[0];
    const struct view_reference *reference =
        view_find_reference(&layer->info, layer->from->ast.position);
    if (reference == NULL || !catalog_entry_by_oid(binder->txn, reference->oid, below_out)) {
        return from_reason(layer->ast) != NULL ? from_reason(layer->ast) : "";
    }
    struct view_info info = {0};
    bool view = below_out->kind == CATALOG_VIEW;
    if (view && view_info_decode(below_out, binder->arena, &info, NULL) != TDBPLUS_OK) {
        return NULL;
    }
    return bound_reason(binder, layer, view ? NULL : below_out->object, view ? &info : NULL);
}

tdbplus_status view_target_open(struct binder *binder, const struct catalog_entry *view,
                                const char *verb, struct view_target *target_out,
                                const struct object **table_out)
{
    struct view_target target = {0};
    struct catalog_entry entry = *view;
    target.layers = arena_array(binder->arena, LAYER_COUNT_MAX, sizeof *target.layers);
    if (target.layers == NULL) {
        return bind_no_memory(binder);
    }
    while (entry.kind == CATALOG_VIEW) {
        if (target.layer_count == LAYER_COUNT_MAX) {
            return bind_fail(binder, TDBPLUS_E_LIMIT, "54001", 0, "views are nested too deep");
        }
        struct view_layer *layer = &target.layers[target.layer_count++];
        TRY(parse_layer(binder, &entry, layer));
        struct catalog_entry below = {0};
        const char *reason = layer_reason(binder, layer, &below);
        // A row can be deleted whatever of it is shown.
        bool deletes = strcmp(verb, "delete from") == 0;
        if (reason != NULL && !(deletes && reason == no_columns)) {
            return refuse(binder, layer->name, verb, reason);
        }
        entry = below;
    }
    if (entry.kind != CATALOG_TABLE) {
        return bind_fail(binder, TDBPLUS_E_SQL, "42809", 0, "cannot %s \"%s\"", verb, view->name);
    }
    *table_out = entry.object;
    *target_out = target;
    return TDBPLUS_OK;
}

tdbplus_status bind_check_updatable(struct binder *binder, const struct view_info *info)
{
    struct view_layer layer = {.name = "", .info = *info};
    struct parse_result parsed = {0};
    struct catalog_entry below = {0};
    TRY(parse_text(span_from_text(info->text), binder->arena, &parsed, binder->err));
    layer.ast = (const struct ast_select *)parsed.statements[0].root;
    const char *reason = layer_reason(binder, &layer, &below);
    if (reason == NULL) {
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                  "WITH CHECK OPTION is supported only on automatically updatable views");
    err_hint(binder->err, "%s", reason);
    return status;
}
