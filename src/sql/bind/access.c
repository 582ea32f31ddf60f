#include "sql/bind/access.h"

#include <string.h>

#include "sql/bind/bind_internal.h"
#include "sql/parse/ast_role.h"

#define TEMP_PREFIX "pg_temp_"

/* ---- checking ---- */

static tdbplus_status denied(const struct bound_access *access, struct err *err)
{
    if (access->message != NULL) {
        tdbplus_status status = err_set_state(err, TDBPLUS_E_SQL, "42501", "%s", access->message);
        err_hint(err, "Anyone can COPY to stdout or from stdin. psql's \\copy command also works "
                      "for anyone.");
        return status;
    }
    return err_set_state(err, TDBPLUS_E_SQL, "42501", "permission denied for %s %s",
                         bind_kind_name(access->catalog_kind), access->name);
}

static uint32_t id_at(const struct bound_access *access, uint32_t position)
{
    return access->column_ids == NULL ? position + 1 : access->column_ids[position];
}

/* What the table as a whole does not allow, its columns may: all that are named, or any if none is.
 */
static bool columns_allow(struct txn *txn, uint64_t role, const struct bound_access *access,
                          uint32_t privilege, const bool *named)
{
    bool any = false;
    for (uint32_t i = 0; named != NULL && i < access->column_count; i++) {
        if (named[i]) {
            any = true;
            if ((acl_mask(txn, access->target, id_at(access, i), role) & privilege) == 0) {
                return false;
            }
        }
    }
    return any || acl_any_column(txn, access->target, privilege, role);
}

static bool any_of(const bool *flags, uint32_t count)
{
    for (uint32_t i = 0; flags != NULL && i < count; i++) {
        if (flags[i]) {
            return true;
        }
    }
    return false;
}

static bool allows(struct txn *txn, uint64_t role, const struct bound_access *access)
{
    const struct {
        uint32_t privilege;
        const bool *named;
    } parts[] = {{PRIVILEGE_SELECT, access->read},
                 {PRIVILEGE_INSERT, access->inserted},
                 {PRIVILEGE_UPDATE, access->updated}};
    uint32_t wanted = access->privileges;
    if (any_of(access->read, access->column_count)) {
        wanted |= PRIVILEGE_SELECT;
    }
    uint32_t missing = wanted & ~acl_mask(txn, access->target, 0, role);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if ((missing & parts[i].privilege) != 0 &&
            columns_allow(txn, role, access, parts[i].privilege, parts[i].named)) {
            missing &= ~parts[i].privilege;
        }
    }
    return missing == 0;
}

tdbplus_status access_check(struct txn *txn, uint64_t role, const struct bound_access *accesses,
                            struct err *err)
{
    for (const struct bound_access *access = accesses; access != NULL; access = access->next) {
        uint64_t who = access->role == 0 ? role : access->role;
        if (who == ROLE_BOOTSTRAP || role_is_superuser(txn, who)) {
            continue;
        }
        bool good = access->superuser    ? false
                    : access->group != 0 ? role_has(txn, who, access->group)
                                         : allows(txn, who, access);
        if (!good) {
            return denied(access, err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status not_owner(const char *kind, const char *name, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "42501", "must be owner of %s %s", kind, name);
}

tdbplus_status access_check_owner(struct txn *txn, uint64_t role, const struct catalog_entry *entry,
                                  struct err *err)
{
    struct acl_target target;
    if (role == ROLE_BOOTSTRAP || !acl_target_of(entry, &target) || acl_owns(txn, target, role)) {
        return TDBPLUS_OK;
    }
    return not_owner(bind_kind_name(entry->kind), entry->name, err);
}

tdbplus_status access_check_schema(struct txn *txn, uint64_t role, const char *schema,
                                   uint32_t privilege, struct err *err)
{
    struct acl_target target;
    if (role == ROLE_BOOTSTRAP) {
        return TDBPLUS_OK;
    }
    if (strncmp(schema, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) {
        struct acl_target database = {ACL_OID_DATABASE, ACL_DATABASE};
        return privilege != PRIVILEGE_CREATE ||
                       (acl_mask(txn, database, 0, role) & PRIVILEGE_TEMPORARY) != 0
                   ? TDBPLUS_OK
                   : err_set_state(err, TDBPLUS_E_SQL, "42501",
                                   "permission denied to create temporary tables in database");
    }
    if (!acl_target_schema(txn, schema, &target) ||
        (acl_mask(txn, target, 0, role) & privilege) != 0) {
        return TDBPLUS_OK;
    }
    return err_set_state(err, TDBPLUS_E_SQL, "42501", "permission denied for schema %s", schema);
}

tdbplus_status access_find_role(struct txn *txn, const struct access_asker *asker,
                                const struct ast_role *ast, uint64_t *oid_out, struct err *err)
{
    struct role role;
    switch ((enum ast_role_kind)ast->role_kind) {
    case AST_ROLE_CURRENT:
        *oid_out = asker->role;
        return TDBPLUS_OK;
    case AST_ROLE_SESSION:
        *oid_out = asker->session_role;
        return TDBPLUS_OK;
    case AST_ROLE_PUBLIC:
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42704", "role \"public\" does not exist");
    case AST_ROLE_NAMED:
        break;
    }
    if (!role_find(txn, ast->name, &role)) {
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "42704", "role \"%s\" does not exist",
                             ast->name);
    }
    *oid_out = role.oid;
    return TDBPLUS_OK;
}

/* ---- what a binder notes ---- */

tdbplus_status bind_find_role(struct binder *binder, const struct ast_role *ast, uint64_t *oid_out)
{
    struct access_asker asker = {bind_role(binder), bind_role(binder)};
    if (binder->names != NULL) {
        asker.session_role = binder->names->session_role;
    }
    return access_find_role(binder->txn, &asker, ast, oid_out, binder->err);
}

uint64_t bind_role(const struct binder *binder)
{
    return binder->names == NULL ? (uint64_t)ROLE_BOOTSTRAP : binder->names->role;
}

tdbplus_status bind_check_owner(struct binder *binder, const struct catalog_entry *entry)
{
    return access_check_owner(binder->txn, bind_role(binder), entry, binder->err);
}

tdbplus_status bind_check_drop(struct binder *binder, const struct catalog_entry *entry)
{
    struct acl_target schema;
    uint64_t role = bind_role(binder);
    if (role != ROLE_BOOTSTRAP && entry->kind != CATALOG_SCHEMA &&
        acl_target_schema(binder->txn, entry->schema, &schema) &&
        acl_owns(binder->txn, schema, role)) {
        return TDBPLUS_OK;
    }
    return bind_check_owner(binder, entry);
}

tdbplus_status bind_check_schema(struct binder *binder, const char *schema, uint32_t privilege)
{
    return access_check_schema(binder->txn, bind_role(binder), schema, privilege, binder->err);
}

tdbplus_status bind_check_database(struct binder *binder, uint32_t privilege)
{
    struct acl_target database = {ACL_OID_DATABASE, ACL_DATABASE};
    uint64_t role = bind_role(binder);
    bool may =
        role == ROLE_BOOTSTRAP || (acl_mask(binder->txn, database, 0, role) & privilege) != 0;
    return may ? TDBPLUS_OK
               : bind_fail(binder, TDBPLUS_E_SQL, "42501", 0, "permission denied for database tdb");
}

bool bind_schema_usable(const struct binder *binder, const char *schema)
{
    uint64_t role = bind_role(binder);
    return role == ROLE_BOOTSTRAP ||
           access_check_schema(binder->txn, role, schema, PRIVILEGE_USAGE, NULL) == TDBPLUS_OK;
}

static tdbplus_status add_access(struct binder *binder, const struct bound_access *access,
                                 struct bound_access **access_out)
{
    struct bound_access *copy = arena_array(binder->arena, 1, sizeof *copy);
    if (copy == NULL) {
        return bind_no_memory(binder);
    }
    *copy = *access;
    struct bound_access **end = &binder->accesses;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = copy;
    if (access_out != NULL) {
        *access_out = copy;
    }
    return TDBPLUS_OK;
}

tdbplus_status bind_access(struct binder *binder, const struct catalog_entry *entry,
                           uint32_t column_count, uint32_t privileges,
                           struct bound_access **access_out)
{
    struct bound_access access = {.catalog_kind = entry->kind,
                                  .role = binder->as_role,
                                  .privileges = privileges,
                                  .column_count = column_count};
    bool *flags = arena_array(binder->arena, 3 * ((size_t)column_count + 1), sizeof *flags);
    uint32_t *ids = arena_array(binder->arena, (size_t)column_count + 1, sizeof *ids);
    if (flags == NULL || ids == NULL) {
        return bind_no_memory(binder);
    }
    (void)acl_target_of(entry, &access.target);
    TRY(bind_copy_name(binder, entry->name, &access.name));
    access.read = flags;
    access.inserted = flags + column_count + 1;
    access.updated = access.inserted + column_count + 1;
    for (uint32_t i = 0; entry->kind == CATALOG_TABLE && i < column_count; i++) {
        ids[i] = entry->object->schema->columns[i].id;
    }
    access.column_ids = entry->kind == CATALOG_TABLE ? ids : NULL;
    return add_access(binder, &access, access_out);
}

void bind_watch_columns(struct bind_query *query, uint32_t first, struct bound_access *access)
{
    for (uint32_t i = first; i < query->columns.count; i++) {
        struct bind_column *column = query->columns.items[i];
        if (i - first < access->column_count) {
            column->read = &access->read[i - first];
        }
    }
}

tdbplus_status bind_access_superuser(struct binder *binder, const char *name, uint8_t kind)
{
    struct bound_access access = {
        .catalog_kind = kind, .role = binder->as_role, .superuser = true, .name = name};
    return add_access(binder, &access, NULL);
}

tdbplus_status bind_access_files(struct binder *binder, bool write, const char *message)
{
    struct bound_access access = {.group = write ? ROLE_WRITE_FILES : ROLE_READ_FILES,
                                  .message = message};
    TRY(add_access(binder, &access, NULL));
    // Binding looks into the file already.
    return access_check(binder->txn, bind_role(binder), &access, binder->err);
}
