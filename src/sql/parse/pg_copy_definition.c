#include "sql/parse/pg_copy.h"

uint8_t copy_object_kind(ObjectType type)
{
    switch ((int)type) {
    case OBJECT_TABLE:
        return AST_OBJECT_TABLE;
    case OBJECT_VIEW:
        return AST_OBJECT_VIEW;
    case OBJECT_MATVIEW:
        return AST_OBJECT_MATERIALIZED_VIEW;
    case OBJECT_INDEX:
        return AST_OBJECT_INDEX;
    case OBJECT_COLUMN:
        return AST_OBJECT_COLUMN;
    case OBJECT_SEQUENCE:
        return AST_OBJECT_SEQUENCE;
    case OBJECT_SCHEMA:
        return AST_OBJECT_SCHEMA;
    case OBJECT_TYPE:
        return AST_OBJECT_TYPE;
    case OBJECT_DOMAIN:
        return AST_OBJECT_DOMAIN;
    case OBJECT_TABCONSTRAINT:
        return AST_OBJECT_CONSTRAINT;
    case OBJECT_DATABASE:
        return AST_OBJECT_DATABASE;
    case OBJECT_ROLE:
        return AST_OBJECT_ROLE;
    default:
        return AST_OBJECT_OTHER;
    }
}

struct ast_table_ref *copy_qualified(struct copier *copier, const Node *source)
{
    COPY_MAKE(ast_table_ref, AST_TABLE_REF, -1)
    const List *list = source != NULL && IsA(source, List) ? (const List *)source : NULL;
    if (source != NULL && IsA(source, TypeName)) {
        list = ((const TypeName *)source)->names;
    }
    if (list != NULL && list->length > 0 && IsA(list->elements[0].ptr_value, String)) {
        node->name = copy_text(copier, strVal(list->elements[list->length - 1].ptr_value));
        if (list->length > 1) {
            node->schema = copy_text(copier, strVal(list->elements[list->length - 2].ptr_value));
        }
    } else if (source != NULL && IsA(source, String)) {
        node->name = copy_text(copier, strVal(source));
    } else {
        copy_unsupported(copier, "DROP of this kind of object", -1);
    }
    return node;
}

static struct ast *copy_create_view(struct copier *copier, const ViewStmt *source)
{
    static const uint8_t checks[] = {[NO_CHECK_OPTION] = AST_CHECK_NONE,
                                     [LOCAL_CHECK_OPTION] = AST_CHECK_LOCAL,
                                     [CASCADED_CHECK_OPTION] = AST_CHECK_CASCADED};
    COPY_MAKE(ast_create_view, AST_CREATE_VIEW, -1)
    node->view = copy_table_ref(copier, source->view);
    copy_names(copier, source->aliases, &node->columns);
    copy_want(copier, source->query, &node->query);
    node->replace = source->replace;
    node->check = checks[source->withCheckOption];
    copy_want_list(copier, source->options, &node->options);
    return &node->ast;
}

static struct ast *copy_create_sequence(struct copier *copier, const CreateSeqStmt *source)
{
    COPY_MAKE(ast_create_sequence, AST_CREATE_SEQUENCE, -1)
    node->sequence = copy_table_ref(copier, source->sequence);
    copy_want_list(copier, source->options, &node->options);
    node->exists_ok = source->if_not_exists;
    return &node->ast;
}

static struct ast *copy_alter_sequence(struct copier *copier, const AlterSeqStmt *source)
{
    COPY_MAKE(ast_create_sequence, AST_CREATE_SEQUENCE, -1)
    node->sequence = copy_table_ref(copier, source->sequence);
    copy_want_list(copier, source->options, &node->options);
    node->exists_ok = source->missing_ok;
    node->alter = true;
    return &node->ast;
}

static struct ast *copy_create_schema(struct copier *copier, const CreateSchemaStmt *source)
{
    COPY_MAKE(ast_create_schema, AST_CREATE_SCHEMA, -1)
    const RoleSpec *role = source->authrole;
    node->owner = role == NULL ? NULL : copy_role(copier, role);
    node->name = copy_text(copier, source->schemaname);
    if (node->name == NULL && role != NULL) {
        node->name = copy_text(copier, role->rolename);
    }
    node->if_not_exists = source->if_not_exists;
    node->elements = source->schemaElts != NULL;
    return &node->ast;
}

static struct ast *copy_create_enum(struct copier *copier, const CreateEnumStmt *source)
{
    COPY_MAKE(ast_create_enum, AST_CREATE_ENUM, -1)
    node->name = copy_qualified(copier, (const Node *)source->typeName);
    copy_names(copier, source->vals, &node->labels);
    return &node->ast;
}

static struct ast *copy_alter_enum(struct copier *copier, const AlterEnumStmt *source)
{
    COPY_MAKE(ast_alter_enum, AST_ALTER_ENUM, -1)
    node->name = copy_qualified(copier, (const Node *)source->typeName);
    node->old_label = copy_text(copier, source->oldVal);
    node->new_label = copy_text(copier, source->newVal);
    node->neighbor = copy_text(copier, source->newValNeighbor);
    node->after = source->newValIsAfter;
    node->if_not_exists = source->skipIfNewValExists;
    return &node->ast;
}

static struct ast *copy_create_domain(struct copier *copier, const CreateDomainStmt *source)
{
    if (source->collClause != NULL) {
        copy_unsupported(copier, "COLLATE of a domain", source->collClause->location);
    }
    COPY_MAKE(ast_create_domain, AST_CREATE_DOMAIN, -1)
    node->name = copy_qualified(copier, (const Node *)source->domainname);
    copy_want(copier, source->typeName, &node->type);
    copy_want_list(copier, source->constraints, &node->constraints);
    return &node->ast;
}

static struct ast *copy_alter_domain(struct copier *copier, const AlterDomainStmt *source)
{
    COPY_MAKE(ast_alter_domain, AST_ALTER_DOMAIN, -1)
    node->name = copy_qualified(copier, (const Node *)source->typeName);
    node->action = source->subtype;
    node->constraint = copy_text(copier, source->name);
    copy_want(copier, source->def, &node->definition);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_comment(struct copier *copier, const CommentStmt *source)
{
    COPY_MAKE(ast_comment, AST_COMMENT, -1)
    const Node *object = source->object;
    node->object_kind = copy_object_kind(source->objtype);
    node->text = copy_text(copier, source->comment);
    if (object != NULL && IsA(object, List)) {
        copy_names(copier, (const List *)object, &node->names);
        return &node->ast;
    }
    if (object != NULL && IsA(object, TypeName)) {
        copy_names(copier, ((const TypeName *)object)->names, &node->names);
        return &node->ast;
    }
    if (object == NULL || !IsA(object, String)) {
        copy_unsupported(copier, "COMMENT ON this kind of object", -1);
        return NULL;
    }
    node->names.items = arena_array(copier->arena, 1, sizeof *node->names.items);
    if (node->names.items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    node->names.items[0] = copy_text(copier, strVal(object));
    node->names.count = 1;
    return &node->ast;
}

static struct ast *copy_set_schema(struct copier *copier, const AlterObjectSchemaStmt *source)
{
    COPY_MAKE(ast_set_schema, AST_SET_SCHEMA, -1)
    node->object_kind = copy_object_kind(source->objectType);
    node->name = source->relation != NULL ? copy_table_ref(copier, source->relation)
                                          : copy_qualified(copier, source->object);
    node->schema = copy_text(copier, source->newschema);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_refresh(struct copier *copier, const RefreshMatViewStmt *source)
{
    COPY_MAKE(ast_refresh, AST_REFRESH, -1)
    node->view = copy_table_ref(copier, source->relation);
    node->no_data = source->skipData;
    node->concurrently = source->concurrent;
    return &node->ast;
}

struct ast *copy_definition(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_ViewStmt:
        return copy_create_view(copier, (const ViewStmt *)source);
    case T_CreateSeqStmt:
        return copy_create_sequence(copier, (const CreateSeqStmt *)source);
    case T_AlterSeqStmt:
        return copy_alter_sequence(copier, (const AlterSeqStmt *)source);
    case T_CreateSchemaStmt:
        return copy_create_schema(copier, (const CreateSchemaStmt *)source);
    case T_CreateEnumStmt:
        return copy_create_enum(copier, (const CreateEnumStmt *)source);
    case T_AlterEnumStmt:
        return copy_alter_enum(copier, (const AlterEnumStmt *)source);
    case T_CreateDomainStmt:
        return copy_create_domain(copier, (const CreateDomainStmt *)source);
    case T_AlterDomainStmt:
        return copy_alter_domain(copier, (const AlterDomainStmt *)source);
    case T_CommentStmt:
        return copy_comment(copier, (const CommentStmt *)source);
    case T_AlterObjectSchemaStmt:
        return copy_set_schema(copier, (const AlterObjectSchemaStmt *)source);
    case T_RefreshMatViewStmt:
        return copy_refresh(copier, (const RefreshMatViewStmt *)source);
    default:
        return NULL;
    }
}
