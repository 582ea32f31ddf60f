/* What changes of tables need privileges for. */

#include <string.h>

#include "sql/bind/change.h"

static uint64_t owner_of(struct binder *binder, const struct view_layer *layer)
{
    struct acl_target view;
    return acl_target_of(&layer->entry, &view) ? acl_owner(binder->txn, view) : binder->as_role;
}

static tdbplus_status note_layers(struct binder *binder, uint32_t privileges,
                                  struct change_target *target)
{
    const struct view_target *view = &target->view;
    struct catalog_entry table;
    for (uint32_t i = 1; i < view->layer_count; i++) {
        binder->as_role = owner_of(binder, &view->layers[i - 1]);
        TRY(bind_access(binder, &view->layers[i].entry, 0, privileges, NULL));
    }
    if (!catalog_entry_by_oid(binder->txn, target->object->id, &table)) {
        return TDBPLUS_OK;
    }
    binder->as_role = owner_of(binder, &view->layers[view->layer_count - 1]);
    return bind_access(binder, &table, target->visible_count, privileges, &target->below);
}

tdbplus_status change_note_access(struct binder *binder, const struct catalog_entry *entry,
                                  struct change_target *target)
{
    uint32_t privilege = strcmp(target->verb, "insert into") == 0   ? PRIVILEGE_INSERT
                         : strcmp(target->verb, "delete from") == 0 ? PRIVILEGE_DELETE
                                                                    : PRIVILEGE_UPDATE;
    uint64_t asker = binder->as_role;
    TRY(bind_access(binder, entry, target->named_count, privilege, &target->access));
    tdbplus_status status = TDBPLUS_OK;
    if (target->view.layer_count > 0) {
        status = note_layers(binder, privilege, target);
        binder->as_role = asker;
    }
    return status;
}

void change_needs(const struct change_target *target, uint32_t privileges)
{
    target->access->privileges |= privileges;
    if (target->below != NULL) {
        target->below->privileges |= privileges;
    }
}

void change_mark(const struct change_target *target, const char *name, uint32_t position,
                 bool insert)
{
    struct bound_access *access = target->access;
    uint32_t at = position;
    for (uint32_t i = 0; i < target->values.count; i++) {
        at = strcmp(target->values.values[i].name, name) == 0 ? i : at;
    }
    if (at < access->column_count) {
        (insert ? access->inserted : access->updated)[at] = true;
    }
    if (target->below != NULL && position < target->below->column_count) {
        (insert ? target->below->inserted : target->below->updated)[position] = true;
    }
}

void change_mark_all(const struct change_target *target)
{
    struct bound_access *access = target->access;
    for (uint32_t i = 0; i < target->named_count; i++) {
        uint32_t position = target->values.count > 0 ? target->values.values[i].position : i;
        if (position != UINT32_MAX) {
            access->inserted[i] = true;
        }
        if (target->below != NULL && position < target->below->column_count) {
            target->below->inserted[position] = true;
        }
    }
}
