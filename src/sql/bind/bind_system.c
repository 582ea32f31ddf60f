/* Relations of pg_catalog and information_schema in FROM. */

#include <string.h>

#include "sql/bind/bind_internal.h"

static tdbplus_status scan_table(struct binder *binder, const struct plan_system *table,
                                 struct plan **plan_out)
{
    uint32_t count = binder->system->column_count(table);
    struct plan *plan = plan_make(binder->arena, PLAN_SYSTEM, count);
    if (plan == NULL) {
        return bind_no_memory(binder);
    }
    plan->system = table;
    for (uint32_t i = 0; i < count; i++) {
        struct span name;
        plan->columns[i] = (struct plan_column){.id = binder->next_id++};
        plan->columns[i].type = binder->system->column(table, i, &name);
        plan->columns[i].name = arena_text(binder->arena, name);
        if (plan->columns[i].name == NULL) {
            return bind_no_memory(binder);
        }
    }
    *plan_out = plan;
    return TDBPLUS_OK;
}

/* A view's query sees nothing of the statement around it. */
static tdbplus_status bind_view_text(struct binder *binder, const char *text,
                                     struct plan **plan_out)
{
    struct parse_result parsed = {0};
    struct span around = binder->text;
    struct span query = span_from_text(text);
    TRY(parse_text(query, binder->arena, &parsed, binder->err));
    bool in_system = binder->in_system;
    binder->text = query;
    binder->in_system = true;
    tdbplus_status status = bind_select(
        binder, NULL, (const struct ast_select *)parsed.statements[0].root, false, plan_out);
    binder->in_system = in_system;
    binder->text = around;
    return status;
}

/* Passwords' verifiers are for superusers. */
static bool is_secret(const char *name)
{
    return strcmp(name, "pg_authid") == 0 || strcmp(name, "pg_shadow") == 0;
}

tdbplus_status bind_system_table(struct binder *binder, struct bind_query *query,
                                 const struct ast_table_ref *table, struct plan **plan_out,
                                 bool *found_out)
{
    *found_out = false;
    if (binder->system == NULL) {
        return TDBPLUS_OK;
    }
    const struct plan_system *system = binder->system->find_table(table->schema, table->name);
    const char *view =
        system == NULL ? binder->system->find_view(table->schema, table->name) : NULL;
    if (system == NULL && view == NULL) {
        return TDBPLUS_OK;
    }
    *found_out = true;
    if (!binder->in_system && is_secret(table->name)) {
        TRY(bind_access_superuser(binder, system == NULL ? "pg_shadow" : system->name,
                                  system == NULL ? CATALOG_VIEW : CATALOG_TABLE));
    }
    TRY(system != NULL ? scan_table(binder, system, plan_out)
                       : bind_view_text(binder, view, plan_out));
    const char *alias = table->alias != NULL ? table->alias->name : table->name;
    uint32_t before = query->columns.count;
    TRY(bind_add_named(binder, query, (*plan_out)->columns, (*plan_out)->column_count, table->alias,
                       alias));
    const char *schema = table->schema != NULL ? table->schema : "pg_catalog";
    return table->alias != NULL ? TDBPLUS_OK : bind_name_schema(binder, query, before, schema);
}
