/* ALTER ... OWNER TO, REASSIGN OWNED, DROP OWNED. */

#include <stdio.h>
#include <string.h>

#include "sql/exec/exec_role.h"
#include "sql/parse/ast_role.h"

#define OWNED_COUNT_MAX (1u << 20)

void owner_describe(struct txn *txn, struct acl_target target, char text[300])
{
    static const char *const kinds[] = {[CATALOG_TABLE] = "table",
                                        [CATALOG_VIEW] = "view",
                                        [CATALOG_SEQUENCE] = "sequence",
                                        [CATALOG_TYPE] = "type",
                                        [CATALOG_SCHEMA] = "schema"};
    struct catalog_entry entry;
    if (target.oid < ACL_OID_FIRST) {
        (void)snprintf(text, 300, "%s",
                       target.oid == ACL_OID_DATABASE ? "database tdb" : "schema public");
        return;
    }
    if (!catalog_entry_by_oid(txn, target.oid - ACL_OID_FIRST, &entry) ||
        entry.kind >= sizeof kinds / sizeof *kinds || kinds[entry.kind] == NULL) {
        (void)snprintf(text, 300, "object %llu", (unsigned long long)target.oid);
        return;
    }
    bool plain = strcmp(entry.schema, CATALOG_SCHEMA_DEFAULT) == 0 || entry.kind == CATALOG_SCHEMA;
    (void)snprintf(text, 300, "%s %s%s%s", kinds[entry.kind], plain ? "" : entry.schema,
                   plain ? "" : ".", entry.name);
}

/* ---- ALTER ... OWNER TO ---- */

/* The new owner must be somebody the asker may become, and may have such things there. */
static tdbplus_status check_new_owner(struct role_job *job, uint64_t owner, const char *schema)
{
    struct role role = {0};
    if (job->superuser) {
        return TDBPLUS_OK;
    }
    if (!role_is_member(job->txn, job->asker.role, owner)) {
        (void)role_by_oid(job->txn, owner, &role);
        return err_set_state(job->err, TDBPLUS_E_SQL, "42501", "must be member of role \"%s\"",
                             role.name);
    }
    return schema == NULL
               ? TDBPLUS_OK
               : access_check_schema(job->txn, owner, schema, PRIVILEGE_CREATE, job->err);
}

/* The sequences of a table's columns go with it. */
static tdbplus_status set_owner(struct role_job *job, struct acl_target target, uint64_t owner)
{
    struct catalog_entry entry = {0};
    TRY(acl_set_owner(job->txn, target, owner, job->err));
    if (target.acl_class != ACL_RELATION || target.oid < ACL_OID_FIRST) {
        return TDBPLUS_OK;
    }
    while (catalog_entry_next(job->txn, CATALOG_SEQUENCE, &entry)) {
        struct acl_target sequence;
        if (entry.owner == target.oid - ACL_OID_FIRST && acl_target_of(&entry, &sequence)) {
            TRY(acl_set_owner(job->txn, sequence, owner, job->err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status not_linked(struct role_job *job, const struct catalog_entry *entry)
{
    struct catalog_entry table;
    if (entry->kind != CATALOG_SEQUENCE || entry->owner == 0) {
        return TDBPLUS_OK;
    }
    tdbplus_status status = err_set(job->err, TDBPLUS_E_UNSUPPORTED,
                                    "cannot change owner of sequence \"%s\"", entry->name);
    if (catalog_entry_by_oid(job->txn, entry->owner, &table)) {
        err_detail(job->err, "Sequence \"%s\" is linked to table \"%s\".", entry->name, table.name);
    }
    return status;
}

static uint8_t wanted_kind(uint8_t object_kind)
{
    switch (object_kind) {
    case AST_OBJECT_VIEW:
        return CATALOG_VIEW;
    case AST_OBJECT_SEQUENCE:
        return CATALOG_SEQUENCE;
    case AST_OBJECT_INDEX:
        return CATALOG_INDEX;
    case AST_OBJECT_TYPE:
    case AST_OBJECT_DOMAIN:
        return CATALOG_TYPE;
    case AST_OBJECT_TABLE:
    case AST_OBJECT_MATERIALIZED_VIEW:
        return CATALOG_TABLE;
    default:
        return 0;
    }
}

static tdbplus_status change_relation(struct role_job *job, const struct ast_owner *ast,
                                      uint64_t owner)
{
    uint8_t kind = wanted_kind(ast->object_kind);
    const struct ast_table_ref *name = ast->object;
    struct catalog_entry entry;
    struct acl_target target;
    if (kind == 0) {
        return err_set(job->err, TDBPLUS_E_UNSUPPORTED,
                       "OWNER TO for this kind of object is not supported");
    }
    if (!bind_find_named(job->txn, job->exec->names, kind == CATALOG_TYPE ? kind : 0, name->schema,
                         name->name, &entry)) {
        bool type = kind == CATALOG_TYPE;
        return ast->missing_ok ? TDBPLUS_OK
                               : err_set_state(job->err, TDBPLUS_E_NOT_FOUND,
                                               type ? "42704" : "42P01", "%s \"%s\" does not exist",
                                               type ? "type" : "relation", name->name);
    }
    if (entry.kind != kind && kind != CATALOG_TABLE) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "42809", "\"%s\" is not %s %s", name->name,
                             kind == CATALOG_INDEX ? "an" : "a",
                             kind == CATALOG_VIEW       ? "view"
                             : kind == CATALOG_SEQUENCE ? "sequence"
                                                        : "index");
    }
    if (!acl_target_of(&entry, &target) || entry.kind == CATALOG_INDEX ||
        acl_owner(job->txn, target) == owner) {
        return TDBPLUS_OK; // An index is its table's owner's, and stays so.
    }
    TRY(access_check_owner(job->txn, job->asker.role, &entry, job->err));
    TRY(check_new_owner(job, owner, entry.schema));
    TRY(not_linked(job, &entry));
    return set_owner(job, target, owner);
}

static tdbplus_status change_schema(struct role_job *job, const char *name, uint64_t owner)
{
    struct acl_target target;
    char text[CATALOG_NAME_SIZE_MAX + 64];
    if (!acl_target_schema(job->txn, name, &target)) {
        return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "3F000", "schema \"%s\" does not exist",
                             name);
    }
    if (acl_owner(job->txn, target) == owner) {
        return TDBPLUS_OK;
    }
    if (!acl_owns(job->txn, target, job->asker.role)) {
        (void)snprintf(text, sizeof text, "must be owner of schema %s", name);
        return role_denied(job, text);
    }
    TRY(check_new_owner(job, owner, NULL));
    return acl_set_owner(job->txn, target, owner, job->err);
}

static tdbplus_status change_database(struct role_job *job, const char *name, uint64_t owner)
{
    struct acl_target target = {ACL_OID_DATABASE, ACL_DATABASE};
    const char *database = job->exec->context == NULL ? NULL : job->exec->context->database;
    char text[CATALOG_NAME_SIZE_MAX + 64];
    if (strcmp(name, database == NULL ? "tdb" : database) != 0) {
        return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "3D000",
                             "database \"%s\" does not exist", name);
    }
    if (!acl_owns(job->txn, target, job->asker.role)) {
        (void)snprintf(text, sizeof text, "must be owner of database %.*s", CATALOG_NAME_SIZE_MAX,
                       name);
        return role_denied(job, text);
    }
    TRY(check_new_owner(job, owner, NULL));
    return acl_set_owner(job->txn, target, owner, job->err);
}

tdbplus_status owner_change(struct role_job *job, const struct ast_owner *ast)
{
    uint64_t owner = 0;
    TRY(access_find_role(job->txn, &job->asker, ast->owner, &owner, job->err));
    switch (ast->object_kind) {
    case AST_OBJECT_SCHEMA:
        return change_schema(job, ast->object->name, owner);
    case AST_OBJECT_DATABASE:
        return change_database(job, ast->object->name, owner);
    default:
        return change_relation(job, ast, owner);
    }
}

/* ---- REASSIGN OWNED and DROP OWNED ---- */

struct role_set {
    uint64_t oids[64];
    uint32_t count;
};

static bool in_set(const struct role_set *set, uint64_t oid)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->oids[i] == oid) {
            return true;
        }
    }
    return false;
}

static tdbplus_status read_roles(struct role_job *job, const struct ast_list *list,
                                 const char *message, struct role_set *set)
{
    if (list->count > sizeof set->oids / sizeof *set->oids) {
        return err_set_state(job->err, TDBPLUS_E_LIMIT, "54000", "too many roles in one statement");
    }
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t oid = 0;
        TRY(access_find_role(job->txn, &job->asker, (const struct ast_role *)list->items[i], &oid,
                             job->err));
        if (!role_has(job->txn, job->asker.role, oid)) {
            return role_denied(job, message);
        }
        if (oid == ROLE_BOOTSTRAP) {
            return err_set_state(job->err, TDBPLUS_E_SQL, "2BP01",
                                 "cannot change objects owned by role tdb because they are "
                                 "required by the database system");
        }
        set->oids[set->count++] = oid;
    }
    return TDBPLUS_OK;
}

/* Everything that has privileges of its own: the catalog must not change while it is walked. */
static tdbplus_status list_targets(struct role_job *job, struct list *targets)
{
    struct catalog_entry entry = {0};
    struct acl_target target;
    while (acl_next(job->txn, &entry, &target)) {
        if (list_push(targets, &target) == NULL) {
            return exec_no_memory(job->exec);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status reassign(struct role_job *job, const struct role_set *set, uint64_t owner,
                               const struct list *targets)
{
    for (size_t i = 0; i < targets->count; i++) {
        struct acl_target target = *(const struct acl_target *)list_at(targets, i);
        if (in_set(set, acl_owner(job->txn, target))) {
            TRY(acl_set_owner(job->txn, target, owner, job->err));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status owner_reassign(struct role_job *job, const struct ast_owned *ast)
{
    struct role_set set = {0};
    uint64_t owner = 0;
    struct list targets;
    TRY(read_roles(job, &ast->roles, "permission denied to reassign objects", &set));
    TRY(access_find_role(job->txn, &job->asker, ast->owner, &owner, job->err));
    if (!role_has(job->txn, job->asker.role, owner)) {
        return role_denied(job, "permission denied to reassign objects");
    }
    list_init(&targets, job->exec->call->alloc, sizeof(struct acl_target));
    tdbplus_status status = list_targets(job, &targets);
    if (status == TDBPLUS_OK) {
        status = reassign(job, &set, owner, &targets);
    }
    list_deinit(&targets);
    return status;
}

static tdbplus_status push_new(struct role_job *job, struct list *oids, uint64_t oid)
{
    for (size_t i = 0; i < oids->count; i++) {
        if (*(const uint64_t *)list_at(oids, i) == oid) {
            return TDBPLUS_OK;
        }
    }
    if (oids->count >= OWNED_COUNT_MAX) {
        return err_set(job->err, TDBPLUS_E_LIMIT, "more than %u objects to drop", OWNED_COUNT_MAX);
    }
    return list_push(oids, &oid) == NULL ? exec_no_memory(job->exec) : TDBPLUS_OK;
}

/* What is in a schema, what reads a relation, which foreign keys refer to a table. */
static tdbplus_status push_dependents(struct role_job *job, struct list *oids, uint64_t oid)
{
    struct catalog_entry entry;
    const struct object *part = NULL;
    TRY(catalog_dependents(job->txn, oid, 0, oids, job->err));
    if (!catalog_entry_by_oid(job->txn, oid, &entry)) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; entry.kind == CATALOG_TABLE && (part = txn_part_at(job->txn, oid, i));
         i++) {
        if (part->kind == OBJECT_FOREIGN_KEY && part->other == oid && part->parent != oid) {
            TRY(push_new(job, oids, part->id));
        }
    }
    static const uint8_t kinds[] = {CATALOG_TABLE, CATALOG_VIEW, CATALOG_SEQUENCE, CATALOG_TYPE};
    for (size_t k = 0; entry.kind == CATALOG_SCHEMA && k < sizeof kinds; k++) {
        struct catalog_entry inside = {0};
        while (catalog_entry_next(job->txn, kinds[k], &inside)) {
            if (strcmp(inside.schema, entry.name) == 0) {
                TRY(push_new(job, oids, inside.oid));
            }
        }
    }
    return TDBPLUS_OK;
}

/* RESTRICT: nothing of others may depend on what goes. */
static tdbplus_status check_others(struct role_job *job, const struct role_set *set,
                                   const struct list *oids, size_t owned)
{
    for (size_t i = owned; i < oids->count; i++) {
        struct catalog_entry entry;
        struct acl_target target;
        if (!catalog_entry_by_oid(job->txn, *(const uint64_t *)list_at(oids, i), &entry) ||
            (acl_target_of(&entry, &target) && in_set(set, acl_owner(job->txn, target)))) {
            continue;
        }
        tdbplus_status status =
            err_set_state(job->err, TDBPLUS_E_SQL, "2BP01",
                          "cannot drop desired object(s) because other objects depend on them");
        err_hint(job->err, "Use DROP ... CASCADE to drop the dependent objects too.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status drop_owned(struct role_job *job, const struct ast_owned *ast,
                                 const struct role_set *set, const struct list *targets,
                                 struct list *oids)
{
    bool changed = false;
    for (size_t i = 0; i < targets->count; i++) {
        struct acl_target target = *(const struct acl_target *)list_at(targets, i);
        for (uint32_t r = 0; r < set->count; r++) {
            TRY(acl_forget(job->txn, target, set->oids[r], &changed, job->err));
        }
        if (target.oid >= ACL_OID_FIRST && in_set(set, acl_owner(job->txn, target))) {
            TRY(push_new(job, oids, target.oid - ACL_OID_FIRST));
        }
    }
    size_t owned = oids->count;
    for (size_t i = 0; i < oids->count; i++) {
        TRY(push_dependents(job, oids, *(const uint64_t *)list_at(oids, i)));
    }
    TRY(ast->cascade ? TDBPLUS_OK : check_others(job, set, oids, owned));
    for (size_t i = oids->count; i > 0; i--) {
        uint64_t oid = *(const uint64_t *)list_at(oids, i - 1);
        if (txn_object_by_id(job->txn, oid) != NULL) {
            TRY(catalog_entry_drop(job->txn, oid, job->err));
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status owner_drop(struct role_job *job, const struct ast_owned *ast)
{
    struct role_set set = {0};
    struct list targets;
    struct list oids;
    TRY(read_roles(job, &ast->roles, "permission denied to drop objects", &set));
    list_init(&targets, job->exec->call->alloc, sizeof(struct acl_target));
    list_init(&oids, job->exec->call->alloc, sizeof(uint64_t));
    tdbplus_status status = list_targets(job, &targets);
    if (status == TDBPLUS_OK) {
        status = drop_owned(job, ast, &set, &targets, &oids);
    }
    list_deinit(&oids);
    list_deinit(&targets);
    return status;
}
