/* Roles, owners and privileges as pg_catalog shows them. */

#include "sql/system/system_internal.h"

/* ---- pg_authid, pg_auth_members ---- */

static void put_role(struct system_rows *rows, const struct role *role)
{
    system_row(rows);
    system_put(rows, "oid", (int64_t)role->oid);
    system_put_text(rows, "rolname", role->name);
    system_put(rows, "rolsuper", (role->flags & ROLE_SUPERUSER) != 0);
    system_put(rows, "rolinherit", (role->flags & ROLE_NOINHERIT) == 0);
    system_put(rows, "rolcreaterole", (role->flags & ROLE_CREATEROLE) != 0);
    system_put(rows, "rolcreatedb", (role->flags & ROLE_CREATEDB) != 0);
    system_put(rows, "rolcanlogin", (role->flags & ROLE_LOGIN) != 0);
    system_put(rows, "rolreplication", (role->flags & ROLE_REPLICATION) != 0);
    system_put(rows, "rolbypassrls", (role->flags & ROLE_BYPASSRLS) != 0);
    system_put(rows, "rolconnlimit", role->connection_limit);
    if (role->verifier[0] != 0) {
        system_put_text(rows, "rolpassword", role->verifier);
    }
    if (role->valid_until_us != ROLE_FOREVER) {
        system_put(rows, "rolvaliduntil", role->valid_until_us);
    }
}

tdbplus_status system_fill_authid(struct system_rows *rows)
{
    struct role role = {0};
    while (role_next(rows->txn, &role)) {
        put_role(rows, &role);
    }
    return TDBPLUS_OK;
}

tdbplus_status system_fill_auth_members(struct system_rows *rows)
{
    struct role role = {0};
    struct role_group group;
    while (role_next(rows->txn, &role)) {
        for (uint32_t i = 0; role_group_at(&role, i, &group); i++) {
            system_row(rows);
            system_put(rows, "roleid", (int64_t)group.oid);
            system_put(rows, "member", (int64_t)role.oid);
            system_put(rows, "grantor", (int64_t)group.grantor);
            system_put(rows, "admin_option", group.admin);
        }
    }
    return TDBPLUS_OK;
}

/* ---- owners and privileges ---- */

/* What of a target's privileges is of one column (0: of all of it), as an array of texts. */
static void put_acl(struct system_rows *rows, const char *name, const struct acl *acl,
                    uint32_t column)
{
    struct span *items = arena_array(rows->arena, acl->items.count + 1, sizeof *items);
    uint32_t count = 0;
    struct buffer text;
    if (items == NULL) {
        rows->failed = true;
        return;
    }
    buffer_init(&text, rows->arena->alloc);
    for (size_t i = 0; i < acl->items.count; i++) {
        const struct acl_item *item = list_at(&acl->items, i);
        if (item->column != column) {
            continue;
        }
        buffer_clear(&text);
        acl_put_item(rows->txn, item, &text);
        char *copy = text.failed ? NULL : arena_text(rows->arena, buffer_span(&text));
        rows->failed = rows->failed || copy == NULL;
        items[count++] = (struct span){.data = (const uint8_t *)copy, .size = text.size};
    }
    buffer_deinit(&text);
    if (!rows->failed && (count > 0 || (column == 0 && acl->given))) {
        system_put_texts(rows, name, items, count);
    }
}

static struct acl_target target_of(struct system_rows *rows, int64_t oid)
{
    struct acl_target target = {.oid = (uint64_t)oid, .acl_class = ACL_SCHEMA};
    struct catalog_entry entry;
    if (oid == ACL_OID_DATABASE) {
        target.acl_class = ACL_DATABASE;
    } else if (oid >= OID_USER_FIRST &&
               catalog_entry_by_oid(rows->txn, (uint64_t)(oid - OID_USER_FIRST), &entry)) {
        (void)acl_target_of(&entry, &target);
    }
    return target;
}

void system_put_owner(struct system_rows *rows, const char *owner, const char *acl_name,
                      int64_t oid)
{
    struct acl acl = {0};
    if (rows->failed || acl_read(rows->txn, target_of(rows, oid), &acl, NULL) != TDBPLUS_OK) {
        rows->failed = true;
        return;
    }
    system_put(rows, owner, (int64_t)acl.owner);
    // The default schema's privileges are shown, as PostgreSQL has them from its first start.
    acl.given = acl.given || oid == OID_PUBLIC;
    if (acl_name != NULL && acl.given) {
        put_acl(rows, acl_name, &acl, 0);
    }
    acl_deinit(&acl);
}

void system_put_column_acl(struct system_rows *rows, int64_t relation, uint32_t column_id)
{
    struct acl acl = {0};
    if (rows->failed || acl_read(rows->txn, target_of(rows, relation), &acl, NULL) != TDBPLUS_OK) {
        rows->failed = true;
        return;
    }
    put_acl(rows, "attacl", &acl, column_id);
    acl_deinit(&acl);
}
