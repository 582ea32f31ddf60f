/* GRANT and REVOKE on objects. */

#include <stdio.h>
#include <string.h>

#include "sql/bind/view_info.h"
#include "sql/exec/exec_role.h"
#include "sql/parse/ast_role.h"

/* One object of the statement. */
struct granted {
    struct acl_target target;
    struct catalog_entry entry; /* Of a relation or a type; zeroed for others. */
    const char *kind;           /* "table", for messages. */
    char name[CATALOG_NAME_SIZE_MAX + 1];
    struct acl acl;
};

/* ---- objects ---- */

static tdbplus_status missing(struct role_job *job, const char *sqlstate, const char *what,
                              const char *name)
{
    return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, sqlstate, "%s \"%s\" does not exist", what,
                         name);
}

static const char *kind_name(const struct catalog_entry *entry)
{
    switch ((int)entry->kind) {
    case CATALOG_VIEW:
        return "view";
    case CATALOG_SEQUENCE:
        return "sequence";
    case CATALOG_TYPE:
        return "type";
    case CATALOG_SCHEMA:
        return "schema";
    default:
        return "table";
    }
}

static void set_entry(struct granted *granted, const struct catalog_entry *entry)
{
    granted->entry = *entry;
    granted->kind = kind_name(entry);
    (void)acl_target_of(entry, &granted->target);
    (void)snprintf(granted->name, sizeof granted->name, "%s", entry->name);
}

static tdbplus_status find_relation(struct role_job *job, const struct ast_table_ref *name,
                                    uint8_t object_kind, struct granted *granted)
{
    struct catalog_entry entry;
    uint8_t kind = object_kind == AST_OBJECT_TYPE || object_kind == AST_OBJECT_DOMAIN
                       ? (uint8_t)CATALOG_TYPE
                       : 0;
    if (name->schema != NULL) {
        TRY(access_check_schema(job->txn, job->asker.role, name->schema, PRIVILEGE_USAGE,
                                job->err));
    }
    if (!bind_find_named(job->txn, job->exec->names, kind, name->schema, name->name, &entry)) {
        return missing(job, kind == 0 ? "42P01" : "42704", kind == 0 ? "relation" : "type",
                       name->name);
    }
    if (entry.kind == CATALOG_INDEX) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "42809", "\"%s\" is an index", name->name);
    }
    if (object_kind == AST_OBJECT_SEQUENCE && entry.kind != CATALOG_SEQUENCE) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "42809", "\"%s\" is not a sequence",
                             name->name);
    }
    set_entry(granted, &entry);
    return TDBPLUS_OK;
}

static tdbplus_status find_object(struct role_job *job, const struct ast_table_ref *name,
                                  uint8_t object_kind, struct granted *granted)
{
    const char *database = job->exec->context == NULL ? NULL : job->exec->context->database;
    *granted = (struct granted){.kind = "schema"};
    (void)snprintf(granted->name, sizeof granted->name, "%s", name->name);
    switch (object_kind) {
    case AST_OBJECT_SCHEMA:
        return acl_target_schema(job->txn, name->name, &granted->target)
                   ? TDBPLUS_OK
                   : missing(job, "3F000", "schema", name->name);
    case AST_OBJECT_DATABASE:
        granted->kind = "database";
        granted->target = (struct acl_target){ACL_OID_DATABASE, ACL_DATABASE};
        return strcmp(name->name, database == NULL ? "tdb" : database) == 0
                   ? TDBPLUS_OK
                   : missing(job, "3D000", "database", name->name);
    default:
        return find_relation(job, name, object_kind, granted);
    }
}

/* ---- privileges ---- */

struct wanted {
    uint32_t all;        /* On the whole object. */
    const char *object;  /* "relation", for messages. */
    uint32_t privileges; /* Without columns; 0: none was said so. */
};

static struct wanted wanted_of(uint8_t object_kind)
{
    switch (object_kind) {
    case AST_OBJECT_SEQUENCE:
        return (struct wanted){acl_all(ACL_SEQUENCE), "sequence", 0};
    case AST_OBJECT_SCHEMA:
        return (struct wanted){acl_all(ACL_SCHEMA), "schema", 0};
    case AST_OBJECT_DATABASE:
        return (struct wanted){acl_all(ACL_DATABASE), "database", 0};
    case AST_OBJECT_TYPE:
    case AST_OBJECT_DOMAIN:
        return (struct wanted){acl_all(ACL_TYPE), "type", 0};
    default:
        // A sequence may be named as a table.
        return (struct wanted){acl_all(ACL_RELATION) | acl_all(ACL_SEQUENCE), "relation", 0};
    }
}

static tdbplus_status read_privilege(struct role_job *job, const char *name, uint32_t all,
                                     const char *object, uint32_t *privilege_out)
{
    uint32_t privilege = name == NULL ? all : acl_privilege(name);
    if (privilege == 0) {
        return err_set_state(job->err, TDBPLUS_E_SYNTAX, "42601",
                             "unrecognized privilege type \"%s\"", name);
    }
    if ((privilege & ~all) != 0) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                             "invalid privilege type %s for %s", acl_privilege_name(privilege),
                             object);
    }
    *privilege_out = privilege;
    return TDBPLUS_OK;
}

static tdbplus_status column_missing(struct role_job *job, const char *column, const char *table)
{
    return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "42703",
                         "column \"%s\" of relation \"%s\" does not exist", column, table);
}

static tdbplus_status find_column(struct role_job *job, const struct granted *granted,
                                  const char *name, uint32_t *id_out)
{
    if (granted->entry.kind == CATALOG_TABLE) {
        const struct schema *schema = granted->entry.object->schema;
        int32_t at = schema_find_name(schema, name);
        if (at < 0) {
            return column_missing(job, name, granted->name);
        }
        *id_out = schema->columns[at].id;
        return TDBPLUS_OK;
    }
    struct view_info info = {0};
    if (granted->entry.kind == CATALOG_VIEW) {
        TRY(view_info_decode(&granted->entry, &job->exec->arena, &info, job->err));
    }
    for (uint32_t i = 0; i < info.column_count; i++) {
        if (strcmp(info.columns[i].name, name) == 0) {
            *id_out = i + 1;
            return TDBPLUS_OK;
        }
    }
    return column_missing(job, name, granted->name);
}

/* ---- doing it ---- */

struct grant_part {
    const struct ast_grant *ast;
    uint32_t column;
    uint32_t privileges;
};

static tdbplus_status change_for(struct role_job *job, struct granted *granted,
                                 const struct grant_part *part, const struct ast_role *grantee)
{
    struct acl_change change = {.column = part->column,
                                .privileges = part->privileges,
                                .grant = part->ast->grant,
                                .options = part->ast->option,
                                .cascade = part->ast->cascade};
    uint32_t may = 0;
    if (grantee->role_kind != AST_ROLE_PUBLIC) {
        TRY(access_find_role(job->txn, &job->asker, grantee, &change.grantee, job->err));
    }
    change.grantor =
        acl_grantor(job->txn, &granted->acl, job->asker.role, part->column, part->privileges, &may);
    if (may == 0) {
        uint32_t have = acl_mask(job->txn, granted->target, 0, job->asker.role) |
                        acl_mask(job->txn, granted->target, part->column, job->asker.role);
        char text[CATALOG_NAME_SIZE_MAX + 64];
        (void)snprintf(text, sizeof text, "permission denied for %s %s", granted->kind,
                       granted->name);
        return have == 0 ? role_denied(job, text) : TDBPLUS_OK;
    }
    change.privileges = may;
    return acl_apply(&granted->acl, &change, job->err);
}

static tdbplus_status change_part(struct role_job *job, struct granted *granted,
                                  const struct grant_part *part)
{
    for (uint32_t i = 0; i < part->ast->grantees.count; i++) {
        TRY(change_for(job, granted, part, (const struct ast_role *)part->ast->grantees.items[i]));
    }
    return TDBPLUS_OK;
}

static tdbplus_status change_columns(struct role_job *job, struct granted *granted,
                                     const struct ast_grant *ast)
{
    for (uint32_t i = 0; i < ast->privileges.count; i++) {
        const struct ast_privilege *said = (const struct ast_privilege *)ast->privileges.items[i];
        struct grant_part part = {.ast = ast};
        for (uint32_t c = 0; c < said->columns.count; c++) {
            TRY(read_privilege(job, said->name, PRIVILEGES_COLUMN, "column", &part.privileges));
            TRY(find_column(job, granted, said->columns.items[c], &part.column));
            TRY(change_part(job, granted, &part));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status change_object(struct role_job *job, struct granted *granted,
                                    const struct ast_grant *ast, const struct wanted *wanted)
{
    struct grant_part part = {.ast = ast, .privileges = wanted->privileges};
    uint32_t all = acl_all(granted->target.acl_class);
    bool everything = wanted->privileges == wanted->all;
    if (!everything && (part.privileges & ~all) != 0) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                             "invalid privilege type %s for %s",
                             acl_privilege_name(part.privileges & ~all), granted->kind);
    }
    part.privileges &= all;
    if (part.privileges != 0) {
        TRY(change_part(job, granted, &part));
    }
    return change_columns(job, granted, ast);
}

static tdbplus_status grant_on(struct role_job *job, struct granted *granted,
                               const struct ast_grant *ast, const struct wanted *wanted)
{
    TRY(acl_read(job->txn, granted->target, &granted->acl, job->err));
    tdbplus_status status = change_object(job, granted, ast, wanted);
    if (status == TDBPLUS_OK) {
        status = acl_write(job->txn, &granted->acl, job->err);
    }
    acl_deinit(&granted->acl);
    return status;
}

/* ALL TABLES IN SCHEMA and its kin. */
static tdbplus_status grant_in_schema(struct role_job *job, const struct ast_grant *ast,
                                      const char *schema, const struct wanted *wanted)
{
    static const uint8_t tables[] = {CATALOG_TABLE, CATALOG_VIEW};
    static const uint8_t sequences[] = {CATALOG_SEQUENCE};
    bool of_tables = ast->object_kind != AST_OBJECT_SEQUENCE;
    const uint8_t *kinds = of_tables ? tables : sequences;
    struct acl_target target;
    if (!acl_target_schema(job->txn, schema, &target)) {
        return missing(job, "3F000", "schema", schema);
    }
    for (size_t k = 0; k < (of_tables ? 2u : 1u); k++) {
        struct catalog_entry entry = {0};
        while (catalog_entry_next(job->txn, kinds[k], &entry)) {
            struct granted granted = {0};
            if (strcmp(entry.schema, schema) == 0) {
                set_entry(&granted, &entry);
                TRY(grant_on(job, &granted, ast, wanted));
            }
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status grant_privileges(struct role_job *job, const struct ast_grant *ast)
{
    struct wanted wanted = wanted_of(ast->object_kind);
    wanted.privileges = ast->privileges.count == 0 ? wanted.all : 0;
    for (uint32_t i = 0; i < ast->privileges.count; i++) {
        const struct ast_privilege *said = (const struct ast_privilege *)ast->privileges.items[i];
        uint32_t privilege = 0;
        if (said->columns.count == 0) {
            TRY(read_privilege(job, said->name, wanted.all, wanted.object, &privilege));
        } else if (ast->object_kind != AST_OBJECT_TABLE) {
            return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                                 "column privileges are only valid for relations");
        }
        wanted.privileges |= privilege;
    }
    for (uint32_t i = 0; i < ast->objects.count; i++) {
        const struct ast_table_ref *name = (const struct ast_table_ref *)ast->objects.items[i];
        struct granted granted;
        if (ast->all_in_schema) {
            TRY(grant_in_schema(job, ast, name->name, &wanted));
            continue;
        }
        TRY(find_object(job, name, ast->object_kind, &granted));
        TRY(grant_on(job, &granted, ast, &wanted));
    }
    return TDBPLUS_OK;
}
