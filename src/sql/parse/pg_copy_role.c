#include "sql/parse/ast_role.h"
#include "sql/parse/pg_copy.h"

struct ast_role *copy_role(struct copier *copier, const RoleSpec *source)
{
    static const uint8_t kinds[] = {
        [ROLESPEC_CSTRING] = AST_ROLE_NAMED,        [ROLESPEC_CURRENT_ROLE] = AST_ROLE_CURRENT,
        [ROLESPEC_CURRENT_USER] = AST_ROLE_CURRENT, [ROLESPEC_SESSION_USER] = AST_ROLE_SESSION,
        [ROLESPEC_PUBLIC] = AST_ROLE_PUBLIC,
    };
    COPY_MAKE(ast_role, AST_ROLE, source->location)
    node->role_kind = kinds[source->roletype];
    node->name = copy_text(copier, source->rolename);
    return node;
}

static struct ast *copy_privilege(struct copier *copier, const AccessPriv *source)
{
    COPY_MAKE(ast_privilege, AST_PRIVILEGE, -1)
    node->name = copy_text(copier, source->priv_name);
    copy_names(copier, source->cols, &node->columns);
    return &node->ast;
}

static struct ast *copy_create_role(struct copier *copier, const CreateRoleStmt *source)
{
    static const uint8_t words[] = {[ROLESTMT_ROLE] = AST_WORD_ROLE,
                                    [ROLESTMT_USER] = AST_WORD_USER,
                                    [ROLESTMT_GROUP] = AST_WORD_GROUP};
    RoleSpec name = {
        .type = T_RoleSpec, .roletype = ROLESPEC_CSTRING, .rolename = source->role, .location = -1};
    COPY_MAKE(ast_create_role, AST_CREATE_ROLE, -1)
    node->word = words[source->stmt_type];
    node->role = copy_role(copier, &name);
    copy_want_list(copier, source->options, &node->options);
    return &node->ast;
}

static struct ast *copy_alter_role(struct copier *copier, const AlterRoleStmt *source)
{
    COPY_MAKE(ast_create_role, AST_CREATE_ROLE, -1)
    node->alter = true;
    node->role = copy_role(copier, source->role);
    copy_want_list(copier, source->options, &node->options);
    // ALTER ROLE gives +1 as well; only ALTER GROUP has members and nothing else.
    node->members = (int8_t)source->action;
    return &node->ast;
}

static struct ast *copy_drop_role(struct copier *copier, const DropRoleStmt *source)
{
    COPY_MAKE(ast_drop_role, AST_DROP_ROLE, -1)
    copy_want_list(copier, source->roles, &node->roles);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_grant_role(struct copier *copier, const GrantRoleStmt *source)
{
    COPY_MAKE(ast_grant_role, AST_GRANT_ROLE, -1)
    node->grant = source->is_grant;
    node->admin = source->admin_opt;
    copy_want_list(copier, source->granted_roles, &node->groups);
    copy_want_list(copier, source->grantee_roles, &node->members);
    return &node->ast;
}

/* Tables and sequences are named by RangeVar nodes, everything else by strings. */
static void copy_objects(struct copier *copier, const List *source, struct ast_list *list)
{
    uint32_t count = source == NULL ? 0 : (uint32_t)source->length;
    list->items = arena_array(copier->arena, (size_t)count + 1, sizeof *list->items);
    if (list->items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return;
    }
    for (uint32_t i = 0; i < count && copier->status == TDBPLUS_OK; i++) {
        const Node *object = source->elements[i].ptr_value;
        struct ast_table_ref *name = IsA(object, RangeVar)
                                         ? copy_table_ref(copier, (const RangeVar *)object)
                                         : copy_qualified(copier, object);
        list->items[i] = name == NULL ? NULL : &name->ast;
        list->count = i + 1;
    }
}

static struct ast *copy_grant(struct copier *copier, const GrantStmt *source)
{
    if (source->targtype == ACL_TARGET_DEFAULTS) {
        copy_unsupported(copier, "ALTER DEFAULT PRIVILEGES", -1);
        return NULL;
    }
    COPY_MAKE(ast_grant, AST_GRANT, -1)
    node->object_kind = copy_object_kind(source->objtype);
    if (node->object_kind == AST_OBJECT_OTHER) {
        copy_unsupported(copier,
                         source->is_grant ? "GRANT on this kind of object"
                                          : "REVOKE on this kind of object",
                         -1);
        return NULL;
    }
    node->grant = source->is_grant;
    node->option = source->grant_option;
    node->cascade = source->behavior == DROP_CASCADE;
    node->all_in_schema = source->targtype == ACL_TARGET_ALL_IN_SCHEMA;
    copy_objects(copier, source->objects, &node->objects);
    copy_want_list(copier, source->privileges, &node->privileges);
    copy_want_list(copier, source->grantees, &node->grantees);
    return &node->ast;
}

static struct ast *copy_owner(struct copier *copier, const AlterOwnerStmt *source)
{
    COPY_MAKE(ast_owner, AST_OWNER, -1)
    node->object_kind = copy_object_kind(source->objectType);
    node->object = source->relation != NULL ? copy_table_ref(copier, source->relation)
                                            : copy_qualified(copier, source->object);
    node->owner = copy_role(copier, source->newowner);
    return &node->ast;
}

/* ALTER TABLE t OWNER TO r, with nothing else to do. */
struct ast *copy_table_owner(struct copier *copier, const AlterTableStmt *source)
{
    const AlterTableCmd *command = source->cmds->elements[0].ptr_value;
    COPY_MAKE(ast_owner, AST_OWNER, -1)
    node->object_kind = copy_object_kind(source->objtype);
    node->object = copy_table_ref(copier, source->relation);
    node->owner = copy_role(copier, command->newowner);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_owned(struct copier *copier, const List *roles, const RoleSpec *owner,
                              bool cascade)
{
    COPY_MAKE(ast_owned, AST_OWNED, -1)
    copy_want_list(copier, roles, &node->roles);
    node->owner = owner == NULL ? NULL : copy_role(copier, owner);
    node->cascade = cascade;
    return &node->ast;
}

bool copy_about_roles(struct copier *copier, const Node *source, struct ast **node_out)
{
    struct ast_role *role = NULL;
    switch ((int)nodeTag(source)) {
    case T_RoleSpec:
        role = copy_role(copier, (const RoleSpec *)source);
        *node_out = role == NULL ? NULL : &role->ast;
        return true;
    case T_AccessPriv:
        *node_out = copy_privilege(copier, (const AccessPriv *)source);
        return true;
    case T_CreateRoleStmt:
        *node_out = copy_create_role(copier, (const CreateRoleStmt *)source);
        return true;
    case T_AlterRoleStmt:
        *node_out = copy_alter_role(copier, (const AlterRoleStmt *)source);
        return true;
    case T_DropRoleStmt:
        *node_out = copy_drop_role(copier, (const DropRoleStmt *)source);
        return true;
    case T_GrantRoleStmt:
        *node_out = copy_grant_role(copier, (const GrantRoleStmt *)source);
        return true;
    case T_GrantStmt:
        *node_out = copy_grant(copier, (const GrantStmt *)source);
        return true;
    case T_AlterOwnerStmt:
        *node_out = copy_owner(copier, (const AlterOwnerStmt *)source);
        return true;
    case T_ReassignOwnedStmt:
        *node_out = copy_owned(copier, ((const ReassignOwnedStmt *)source)->roles,
                               ((const ReassignOwnedStmt *)source)->newrole, false);
        return true;
    case T_DropOwnedStmt:
        *node_out = copy_owned(copier, ((const DropOwnedStmt *)source)->roles, NULL,
                               ((const DropOwnedStmt *)source)->behavior == DROP_CASCADE);
        return true;
    default:
        return false;
    }
}
