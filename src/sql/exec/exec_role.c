#include "sql/exec/exec_role.h"

#include <stdio.h>
#include <string.h>

#include "auth/password.h"
#include "sql/parse/ast_role.h"
#include "types/datetime_text.h"
#include "types/text.h"

tdbplus_status role_denied(struct role_job *job, const char *message)
{
    return err_set_state(job->err, TDBPLUS_E_SQL, "42501", "%s", message);
}

static bool may_create_roles(struct role_job *job)
{
    struct role role;
    return job->superuser ||
           (role_by_oid(job->txn, job->asker.role, &role) && (role.flags & ROLE_CREATEROLE) != 0);
}

static tdbplus_status find(struct role_job *job, const struct ast_role *ast, uint64_t *oid_out)
{
    return access_find_role(job->txn, &job->asker, ast, oid_out, job->err);
}

/* ---- options ---- */

/* What the options of CREATE and ALTER ROLE say. */
struct role_words {
    struct role role;
    uint32_t flags_said;
    bool password_said;
    bool limit_said;
    bool until_said;
    const struct ast *groups;  /* IN ROLE: lists of AST_ROLE; NULL: not said. */
    const struct ast *members; /* ROLE. */
    const struct ast *admins;  /* ADMIN. */
};

static const struct {
    const char *name;
    uint32_t flag;
    bool inverse;
} flag_words[] = {
    {"superuser", ROLE_SUPERUSER, false},   {"inherit", ROLE_NOINHERIT, true},
    {"createrole", ROLE_CREATEROLE, false}, {"createdb", ROLE_CREATEDB, false},
    {"canlogin", ROLE_LOGIN, false},        {"isreplication", ROLE_REPLICATION, false},
    {"bypassrls", ROLE_BYPASSRLS, false},
};

static tdbplus_status said_twice(struct role_job *job)
{
    return err_set_state(job->err, TDBPLUS_E_SYNTAX, "42601", "conflicting or redundant options");
}

static bool is_true(const struct ast *value)
{
    const struct ast_constant *constant = (const struct ast_constant *)value;
    return value != NULL && value->kind == AST_CONSTANT &&
           (constant->constant == AST_BOOL ? constant->boolean : constant->integer != 0);
}

static const char *text_of(const struct ast *value)
{
    const struct ast_constant *constant = (const struct ast_constant *)value;
    return value != NULL && value->kind == AST_CONSTANT && constant->text != NULL ? constant->text
                                                                                  : "";
}

static tdbplus_status read_password(struct role_job *job, const struct ast *value,
                                    struct role_words *words)
{
    const char *text = text_of(value);
    char verifier[PASSWORD_VERIFIER_SIZE_MAX] = "";
    uint8_t salt[PASSWORD_SALT_SIZE];
    if (words->password_said) {
        return said_twice(job);
    }
    words->password_said = true;
    if (strncmp(text, "md5", 3) == 0 && strlen(text) == 35) {
        return err_set(job->err, TDBPLUS_E_UNSUPPORTED,
                       "passwords hashed with md5 are not supported; use SCRAM-SHA-256");
    }
    if (password_is_verifier(text)) {
        if (strlen(text) > ROLE_VERIFIER_SIZE_MAX) {
            return err_set_state(job->err, TDBPLUS_E_INVALID, "22023",
                                 "a password's verifier has at most %u bytes",
                                 ROLE_VERIFIER_SIZE_MAX);
        }
        (void)snprintf(verifier, sizeof verifier, "%s", text);
    } else if (text[0] != '\0') {
        env_entropy(store_env(txn_store(job->txn)), salt, sizeof salt);
        TRY(password_verifier(span_from_text(text), salt, verifier, job->err));
    }
    memcpy(words->role.verifier, verifier, sizeof words->role.verifier);
    return TDBPLUS_OK;
}

static tdbplus_status read_limit(struct role_job *job, const struct ast *value,
                                 struct role_words *words)
{
    int32_t limit = ((const struct ast_constant *)value)->integer;
    if (words->limit_said) {
        return said_twice(job);
    }
    if (limit < -1) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "22023", "invalid connection limit: %d",
                             limit);
    }
    words->limit_said = true;
    words->role.connection_limit = limit;
    return TDBPLUS_OK;
}

static tdbplus_status read_until(struct role_job *job, const struct ast *value,
                                 struct role_words *words)
{
    const struct func_context *context = job->exec->context;
    const struct text_style *style =
        context == NULL || context->session == NULL ? NULL : context->session->style;
    if (words->until_said) {
        return said_twice(job);
    }
    words->until_said = true;
    return timestamptz_parse(span_from_text(text_of(value)), style == NULL ? NULL : style->zone,
                             style == NULL ? NULL : style->finder, &words->role.valid_until_us,
                             job->err);
}

static tdbplus_status read_option(struct role_job *job, const struct ast_option *option,
                                  struct role_words *words)
{
    for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++) {
        if (strcmp(option->name, flag_words[i].name) == 0) {
            uint32_t flag = flag_words[i].flag;
            if ((words->flags_said & flag) != 0) {
                return said_twice(job);
            }
            bool on = is_true(option->value) != flag_words[i].inverse;
            words->flags_said |= flag;
            words->role.flags = on ? words->role.flags | flag : words->role.flags & ~flag;
            return TDBPLUS_OK;
        }
    }
    if (strcmp(option->name, "password") == 0) {
        return read_password(job, option->value, words);
    }
    if (strcmp(option->name, "connectionlimit") == 0) {
        return read_limit(job, option->value, words);
    }
    if (strcmp(option->name, "validUntil") == 0) {
        return read_until(job, option->value, words);
    }
    const struct ast **list = strcmp(option->name, "addroleto") == 0      ? &words->groups
                              : strcmp(option->name, "rolemembers") == 0  ? &words->members
                              : strcmp(option->name, "adminmembers") == 0 ? &words->admins
                                                                          : NULL;
    if (list == NULL) {
        return TDBPLUS_OK; // SYSID, which PostgreSQL ignores too.
    }
    if (*list != NULL) {
        return said_twice(job);
    }
    *list = option->value;
    return TDBPLUS_OK;
}

static tdbplus_status read_options(struct role_job *job, const struct ast_list *options,
                                   struct role_words *words)
{
    for (uint32_t i = 0; i < options->count; i++) {
        TRY(read_option(job, (const struct ast_option *)options->items[i], words));
    }
    return TDBPLUS_OK;
}

/* ---- members ---- */

/* Who may say who is a member of a role. */
static tdbplus_status check_admin(struct role_job *job, const struct role *group)
{
    char text[ROLE_NAME_SIZE_MAX + 64];
    if ((group->flags & ROLE_SUPERUSER) != 0) {
        return job->superuser ? TDBPLUS_OK
                              : role_denied(job, "must be superuser to alter superusers");
    }
    if (may_create_roles(job) || role_is_admin_of(job->txn, job->asker.role, group->oid)) {
        return TDBPLUS_OK;
    }
    (void)snprintf(text, sizeof text, "must have admin option on role \"%s\"", group->name);
    return role_denied(job, text);
}

static tdbplus_status join(struct role_job *job, uint64_t group, uint64_t member, bool admin)
{
    struct role_group joined = {.oid = group, .grantor = job->asker.role, .admin = admin};
    if (group == ROLE_DATABASE_OWNER) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                             "role \"pg_database_owner\" cannot have explicit members");
    }
    if (member == ROLE_DATABASE_OWNER) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                             "role \"pg_database_owner\" cannot be a member of any role");
    }
    return role_join(job->txn, member, &joined, job->err);
}

/* The members that an option lists join the role; `direction` -1: they leave it. */
static tdbplus_status change_members(struct role_job *job, uint64_t group, const struct ast *value,
                                     bool admin, int8_t direction)
{
    const struct ast_list *list = value == NULL ? NULL : &((const struct ast_items *)value)->list;
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        uint64_t member = 0;
        TRY(find(job, (const struct ast_role *)list->items[i], &member));
        TRY(direction < 0 ? role_leave(job->txn, member, group, false, job->err)
                          : join(job, group, member, admin));
    }
    return TDBPLUS_OK;
}

static tdbplus_status grant_roles(struct role_job *job, const struct ast_grant_role *ast)
{
    for (uint32_t g = 0; g < ast->groups.count; g++) {
        const struct ast_privilege *named = (const struct ast_privilege *)ast->groups.items[g];
        struct role group;
        if (named->name == NULL || named->columns.count > 0) {
            return err_set_state(job->err, TDBPLUS_E_INVALID, "0LP01",
                                 "column names cannot be included in GRANT/REVOKE ROLE");
        }
        if (!role_find(job->txn, named->name, &group)) {
            return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "42704",
                                 "role \"%s\" does not exist", named->name);
        }
        TRY(check_admin(job, &group));
        for (uint32_t m = 0; m < ast->members.count; m++) {
            uint64_t member = 0;
            TRY(find(job, (const struct ast_role *)ast->members.items[m], &member));
            TRY(ast->grant ? join(job, group.oid, member, ast->admin)
                           : role_leave(job->txn, member, group.oid, ast->admin, job->err));
        }
    }
    return TDBPLUS_OK;
}

/* ---- CREATE ROLE ---- */

static tdbplus_status join_groups(struct role_job *job, uint64_t oid, const struct ast *groups)
{
    const struct ast_list *list = groups == NULL ? NULL : &((const struct ast_items *)groups)->list;
    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        uint64_t group = 0;
        struct role role;
        TRY(find(job, (const struct ast_role *)list->items[i], &group));
        if (role_by_oid(job->txn, group, &role)) {
            TRY(check_admin(job, &role));
        }
        TRY(join(job, group, oid, false));
    }
    return TDBPLUS_OK;
}

static tdbplus_status create_role(struct role_job *job, const struct ast_create_role *ast)
{
    struct role_words words = {.role = role_initial(ast->role->name)};
    uint64_t oid = 0;
    words.role.flags = ast->word == AST_WORD_USER ? (uint32_t)ROLE_LOGIN : 0u;
    TRY(read_options(job, &ast->options, &words));
    if ((words.role.flags & ROLE_SUPERUSER) != 0 && !job->superuser) {
        return role_denied(job, "must be superuser to create superusers");
    }
    if ((words.role.flags & ROLE_REPLICATION) != 0 && !job->superuser) {
        return role_denied(job, "must be superuser to create replication users");
    }
    if ((words.role.flags & ROLE_BYPASSRLS) != 0 && !job->superuser) {
        return role_denied(job, "must be superuser to create bypassrls users");
    }
    if (!may_create_roles(job)) {
        return role_denied(job, "permission denied to create role");
    }
    if (strlen(ast->role->name) > ROLE_NAME_SIZE_MAX) {
        return err_set_state(job->err, TDBPLUS_E_INVALID, "42622",
                             "a role's name has at most %u bytes", ROLE_NAME_SIZE_MAX);
    }
    TRY(role_create(job->txn, &words.role, &oid, job->err));
    TRY(join_groups(job, oid, words.groups));
    TRY(change_members(job, oid, words.admins, true, 1));
    return change_members(job, oid, words.members, false, 1);
}

/* ---- ALTER ROLE ---- */

static tdbplus_status check_alter(struct role_job *job, const struct role *old,
                                  const struct role_words *words)
{
    bool other =
        words->flags_said != 0 || words->limit_said || words->until_said || words->members != NULL;
    bool own_password = words->password_said && !other && old->oid == job->asker.role;
    if (job->superuser) {
        return TDBPLUS_OK;
    }
    if ((old->flags & ROLE_SUPERUSER) != 0 || (words->flags_said & ROLE_SUPERUSER) != 0) {
        return role_denied(job, "must be superuser to alter superuser roles or change superuser "
                                "attribute");
    }
    if ((old->flags & ROLE_REPLICATION) != 0 || (words->flags_said & ROLE_REPLICATION) != 0) {
        return role_denied(job, "must be superuser to alter replication roles or change "
                                "replication attribute");
    }
    if ((words->flags_said & ROLE_BYPASSRLS) != 0) {
        return role_denied(job, "must be superuser to change bypassrls attribute");
    }
    return may_create_roles(job) || own_password ? TDBPLUS_OK
                                                 : role_denied(job, "permission denied");
}

static tdbplus_status find_altered(struct role_job *job, const struct ast_role *ast,
                                   struct role *role_out)
{
    uint64_t oid = 0;
    TRY(find(job, ast, &oid));
    if (!role_by_oid(job->txn, oid, role_out)) {
        return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "42704", "the role does not exist");
    }
    if (strncmp(role_out->name, "pg_", 3) == 0) {
        tdbplus_status status = err_set_state(job->err, TDBPLUS_E_SQL, "42939",
                                              "role name \"%s\" is reserved", role_out->name);
        err_detail(job->err, "Cannot alter reserved roles.");
        return status;
    }
    return TDBPLUS_OK;
}

static tdbplus_status alter_role(struct role_job *job, const struct ast_create_role *ast)
{
    struct role_words words = {0};
    struct role old;
    TRY(find_altered(job, ast->role, &old));
    words.role = old;
    TRY(read_options(job, &ast->options, &words));
    TRY(check_alter(job, &old, &words));
    if (words.members != NULL) {
        TRY(check_admin(job, &old));
        return change_members(job, old.oid, words.members, false, ast->members);
    }
    return role_alter(job->txn, &words.role, job->err);
}

static tdbplus_status rename_role(struct role_job *job, const struct ast_rename *ast)
{
    struct role role;
    const char *old = ast->old_name == NULL ? "" : ast->old_name;
    if (!role_find(job->txn, old, &role)) {
        return err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "42704", "role \"%s\" does not exist",
                             old);
    }
    if (role.oid == job->asker.session_role) {
        return err_set(job->err, TDBPLUS_E_UNSUPPORTED, "session user cannot be renamed");
    }
    if (role.oid == job->asker.role) {
        return err_set(job->err, TDBPLUS_E_UNSUPPORTED, "current user cannot be renamed");
    }
    if ((role.flags & ROLE_SUPERUSER) != 0 && !job->superuser) {
        return role_denied(job, "must be superuser to rename superusers");
    }
    if (!may_create_roles(job)) {
        return role_denied(job, "permission denied to rename role");
    }
    (void)snprintf(role.name, sizeof role.name, "%s", ast->new_name);
    return role_alter(job->txn, &role, job->err);
}

/* ---- DROP ROLE ---- */

/* 2BP01 with a line for each object that is the role's, or was given to it. */
static tdbplus_status check_unused(struct role_job *job, const struct role *role)
{
    struct catalog_entry entry = {0};
    struct acl_target target;
    char details[ERR_HINT_SIZE] = "";
    while (acl_next(job->txn, &entry, &target)) {
        struct acl acl = {0};
        char what[300];
        size_t used = strlen(details);
        TRY(acl_read(job->txn, target, &acl, job->err));
        bool owns = acl.owner == role->oid;
        if (owns || acl_names(&acl, role->oid)) {
            owner_describe(job->txn, target, what);
            (void)snprintf(details + used, sizeof details - used, "%s%s %.200s",
                           used > 0 ? "\n" : "", owns ? "owner of" : "privileges for", what);
        }
        acl_deinit(&acl);
    }
    if (details[0] == '\0') {
        return TDBPLUS_OK;
    }
    tdbplus_status status = err_set_state(
        job->err, TDBPLUS_E_SQL, "2BP01",
        "role \"%s\" cannot be dropped because some objects depend on it", role->name);
    err_detail(job->err, "%s", details);
    return status;
}

static tdbplus_status drop_role(struct role_job *job, const char *name, bool missing_ok)
{
    struct role role;
    if (!role_find(job->txn, name, &role)) {
        return missing_ok ? TDBPLUS_OK
                          : err_set_state(job->err, TDBPLUS_E_NOT_FOUND, "42704",
                                          "role \"%s\" does not exist", name);
    }
    if (role.oid == job->asker.role) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "55006", "current user cannot be dropped");
    }
    if (role.oid == job->asker.session_role) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "55006", "session user cannot be dropped");
    }
    if ((role.flags & ROLE_SUPERUSER) != 0 && !job->superuser) {
        return role_denied(job, "must be superuser to drop superusers");
    }
    if (role.object == NULL) {
        return err_set_state(job->err, TDBPLUS_E_SQL, "2BP01",
                             "cannot drop role %s because it is required by the database system",
                             name);
    }
    TRY(check_unused(job, &role));
    return role_drop(job->txn, role.oid, job->err);
}

static tdbplus_status drop_roles(struct role_job *job, const struct ast_drop_role *ast)
{
    if (!may_create_roles(job)) {
        return role_denied(job, "permission denied to drop role");
    }
    for (uint32_t i = 0; i < ast->roles.count; i++) {
        const struct ast_role *role = (const struct ast_role *)ast->roles.items[i];
        if (role->role_kind != AST_ROLE_NAMED) {
            return err_set_state(job->err, TDBPLUS_E_INVALID, "22023",
                                 "cannot use special role specifier in DROP ROLE");
        }
        TRY(drop_role(job, role->name, ast->missing_ok));
    }
    return TDBPLUS_OK;
}

tdbplus_status role_statement(const struct ast *ast, struct exec *exec)
{
    struct role_job job = {.exec = exec, .txn = exec->txn, .err = exec->call->err};
    job.asker = (struct access_asker){ROLE_BOOTSTRAP, ROLE_BOOTSTRAP};
    if (exec->names != NULL) {
        job.asker = (struct access_asker){exec->names->role, exec->names->session_role};
    }
    job.superuser = role_is_superuser(job.txn, job.asker.role);
    switch ((int)ast->kind) {
    case AST_CREATE_ROLE:
        return ((const struct ast_create_role *)ast)->alter
                   ? alter_role(&job, (const struct ast_create_role *)ast)
                   : create_role(&job, (const struct ast_create_role *)ast);
    case AST_DROP_ROLE:
        return drop_roles(&job, (const struct ast_drop_role *)ast);
    case AST_GRANT_ROLE:
        return grant_roles(&job, (const struct ast_grant_role *)ast);
    case AST_RENAME:
        return rename_role(&job, (const struct ast_rename *)ast);
    case AST_GRANT:
        return grant_privileges(&job, (const struct ast_grant *)ast);
    case AST_OWNER:
        return owner_change(&job, (const struct ast_owner *)ast);
    default:
        return ((const struct ast_owned *)ast)->owner != NULL
                   ? owner_reassign(&job, (const struct ast_owned *)ast)
                   : owner_drop(&job, (const struct ast_owned *)ast);
    }
}
