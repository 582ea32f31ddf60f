/* REFRESH MATERIALIZED VIEW. */

#include "index/am/index_def.h"
#include "sql/bind/bind_internal.h"
#include "sql/bind/view_info.h"
#include "txn/parts.h"

static tdbplus_status find_view(struct binder *binder, const struct object *table,
                                struct catalog_entry *view_out)
{
    *view_out = (struct catalog_entry){0};
    while (catalog_entry_next(binder->txn, CATALOG_MATERIALIZED, view_out)) {
        if (view_out->owner == table->id) {
            return TDBPLUS_OK;
        }
    }
    return err_set(binder->err, TDBPLUS_E_CORRUPT, "a materialized view has lost its query");
}

/* As PostgreSQL asks for it, though readers go on reading the old rows in either case. */
static tdbplus_status check_concurrently(struct binder *binder, const struct catalog_entry *table,
                                         const struct ast_refresh *ast,
                                         const struct table_info *info)
{
    const struct txn_index *indexes = NULL;
    uint32_t count = 0;
    bool unique = false;
    if (ast->no_data) {
        return bind_fail(binder, TDBPLUS_E_SYNTAX, "42601", 0,
                         "CONCURRENTLY and WITH NO DATA options cannot be used together");
    }
    TRY(txn_indexes(binder->txn, table->object, &indexes, &count, binder->err));
    for (uint32_t i = 0; i < count; i++) {
        unique = unique || (indexes[i].def.unique && !index_has_texts(&indexes[i].def));
    }
    if (info->unpopulated) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "CONCURRENTLY cannot be used when the materialized view is not populated");
    }
    if (!unique) {
        tdbplus_status status = bind_fail(binder, TDBPLUS_E_STATE, "55000", 0,
                                          "cannot refresh materialized view \"%s.%s\" concurrently",
                                          table->schema, table->name);
        err_hint(binder->err, "Create a unique index with no WHERE clause on one or more columns "
                              "of the materialized view.");
        return status;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_refresh(struct binder *binder, const struct ast_refresh *ast,
                            struct bound_create *create_out)
{
    struct catalog_entry table;
    struct catalog_entry entry;
    struct view_info view = {0};
    struct bound_create create = {0};
    TRY(bind_find_relation(binder, ast->view, &table));
    TRY(bind_check_owner(binder, &table));
    if (table.kind != CATALOG_TABLE || !table_is_materialized(table.object->properties)) {
        return bind_fail(binder, TDBPLUS_E_UNSUPPORTED, "0A000", 0,
                         "\"%s\" is not a materialized view", table.name);
    }
    TRY(table_info_decode(table.object->properties, binder->arena, &create.info, binder->err));
    TRY(ast->concurrently ? check_concurrently(binder, &table, ast, &create.info) : TDBPLUS_OK);
    TRY(find_view(binder, table.object, &entry));
    TRY(view_info_decode(&entry, binder->arena, &view, binder->err));
    if (!ast->no_data) {
        TRY(bind_view_plan(binder, &entry, &view, &create.source));
    }
    create.info.unpopulated = ast->no_data;
    create.refreshed = table.object;
    *create_out = create;
    return bind_depends_on(binder, table.object);
}
