#include "sql/parse/pg_copy.h"

/* The archive was built with LIMIT_OPTION_DEFAULT first, the server's header has it last. */
#define ARCHIVE_WITH_TIES 2

static struct ast *copy_select(struct copier *copier, const SelectStmt *source)
{
    static const uint8_t kinds[] = {
        [SETOP_NONE] = AST_SET_NONE,
        [SETOP_UNION] = AST_UNION,
        [SETOP_INTERSECT] = AST_INTERSECT,
        [SETOP_EXCEPT] = AST_EXCEPT,
    };
    COPY_MAKE(ast_select, AST_SELECT, -1)
    const List *distinct = source->distinctClause;
    node->distinct = distinct != NULL;
    if (distinct != NULL && distinct->elements[0].ptr_value != NULL) {
        copy_want_list(copier, distinct, &node->distinct_on);
    }
    copy_want_list(copier, source->targetList, &node->targets);
    copy_want_list(copier, source->fromClause, &node->from);
    copy_want(copier, source->whereClause, &node->where);
    copy_want_list(copier, source->groupClause, &node->groups);
    node->group_distinct = source->groupDistinct;
    copy_want(copier, source->havingClause, &node->having);
    copy_want_list(copier, source->windowClause, &node->windows);
    copy_want_list(copier, source->valuesLists, &node->values);
    copy_want_list(copier, source->sortClause, &node->order);
    copy_want(copier, source->limitOffset, &node->offset);
    copy_want(copier, source->limitCount, &node->limit);
    node->with_ties = (int)source->limitOption == ARCHIVE_WITH_TIES;
    copy_want_list(copier, source->lockingClause, &node->locking);
    node->with = copy_with(copier, source->withClause);
    node->into =
        source->intoClause == NULL ? NULL : copy_table_ref(copier, source->intoClause->rel);
    node->set_kind = kinds[source->op];
    node->set_all = source->all;
    copy_want(copier, source->larg, &node->left);
    copy_want(copier, source->rarg, &node->right);
    return &node->ast;
}

static struct ast_conflict *copy_conflict(struct copier *copier, const OnConflictClause *source)
{
    if (source == NULL) {
        return NULL;
    }
    COPY_MAKE(ast_conflict, AST_CONFLICT, source->location)
    node->update = source->action == ONCONFLICT_UPDATE;
    if (source->infer != NULL) {
        copy_want_list(copier, source->infer->indexElems, &node->elements);
        copy_want(copier, source->infer->whereClause, &node->element_where);
        node->constraint = copy_text(copier, source->infer->conname);
    }
    copy_want_list(copier, source->targetList, &node->targets);
    copy_want(copier, source->whereClause, &node->where);
    return node;
}

static struct ast *copy_insert(struct copier *copier, const InsertStmt *source)
{
    COPY_MAKE(ast_insert, AST_INSERT, -1)
    node->table = copy_table_ref(copier, source->relation);
    copy_want_list(copier, source->cols, &node->columns);
    copy_want(copier, source->selectStmt, &node->source);
    node->conflict = copy_conflict(copier, source->onConflictClause);
    copy_want_list(copier, source->returningList, &node->returning);
    node->with = copy_with(copier, source->withClause);
    node->overriding = (uint8_t)source->override;
    return &node->ast;
}

static struct ast *copy_update(struct copier *copier, const UpdateStmt *source)
{
    COPY_MAKE(ast_update, AST_UPDATE, -1)
    node->table = copy_table_ref(copier, source->relation);
    copy_want_list(copier, source->targetList, &node->targets);
    copy_want(copier, source->whereClause, &node->where);
    copy_want_list(copier, source->fromClause, &node->from);
    copy_want_list(copier, source->returningList, &node->returning);
    node->with = copy_with(copier, source->withClause);
    return &node->ast;
}

static struct ast *copy_delete(struct copier *copier, const DeleteStmt *source)
{
    COPY_MAKE(ast_delete, AST_DELETE, -1)
    node->table = copy_table_ref(copier, source->relation);
    copy_want_list(copier, source->usingClause, &node->using_tables);
    copy_want(copier, source->whereClause, &node->where);
    copy_want_list(copier, source->returningList, &node->returning);
    node->with = copy_with(copier, source->withClause);
    return &node->ast;
}

static struct ast *copy_merge(struct copier *copier, const MergeStmt *source)
{
    COPY_MAKE(ast_merge, AST_MERGE, -1)
    node->table = copy_table_ref(copier, source->relation);
    copy_want(copier, source->sourceRelation, &node->source);
    copy_want(copier, source->joinCondition, &node->condition);
    copy_want_list(copier, source->mergeWhenClauses, &node->whens);
    node->with = copy_with(copier, source->withClause);
    return &node->ast;
}

static struct ast *copy_create_table(struct copier *copier, const CreateStmt *source)
{
    COPY_MAKE(ast_create_table, AST_CREATE_TABLE, -1)
    node->table = copy_table_ref(copier, source->relation);
    copy_want_list(copier, source->tableElts, &node->elements);
    copy_want_list(copier, source->options, &node->options);
    node->if_not_exists = source->if_not_exists;
    node->inherits =
        source->inhRelations != NULL || source->partspec != NULL || source->ofTypename != NULL;
    return &node->ast;
}

static struct ast *copy_create_table_as(struct copier *copier, const CreateTableAsStmt *source)
{
    COPY_MAKE(ast_create_table_as, AST_CREATE_TABLE_AS, -1)
    node->table = copy_table_ref(copier, source->into->rel);
    copy_names(copier, source->into->colNames, &node->columns);
    copy_want(copier, source->query, &node->query);
    node->if_not_exists = source->if_not_exists;
    node->no_data = source->into->skipData;
    node->materialized_view = source->objtype == OBJECT_MATVIEW;
    return &node->ast;
}

static struct ast *copy_create_index(struct copier *copier, const IndexStmt *source)
{
    COPY_MAKE(ast_create_index, AST_CREATE_INDEX, -1)
    node->name = copy_text(copier, source->idxname);
    node->table = copy_table_ref(copier, source->relation);
    node->method = copy_text(copier, source->accessMethod);
    copy_want_list(copier, source->indexParams, &node->elements);
    copy_want_list(copier, source->indexIncludingParams, &node->including);
    copy_want_list(copier, source->options, &node->options);
    copy_want(copier, source->whereClause, &node->where);
    node->unique = source->unique;
    node->nulls_not_distinct = source->nulls_not_distinct;
    node->concurrently = source->concurrent;
    node->if_not_exists = source->if_not_exists;
    return &node->ast;
}

static struct ast *copy_rename(struct copier *copier, const RenameStmt *source)
{
    COPY_MAKE(ast_rename, AST_RENAME, -1)
    node->object_kind = copy_object_kind(source->renameType);
    node->relation_kind = copy_object_kind(source->relationType);
    if (source->relation != NULL) {
        node->table = copy_table_ref(copier, source->relation);
    } else if (source->object != NULL) {
        node->table = copy_qualified(copier, source->object);
    }
    node->old_name = copy_text(copier, source->subname);
    node->new_name = copy_text(copier, source->newname);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_alter_table(struct copier *copier, const AlterTableStmt *source)
{
    const AlterTableCmd *first = source->cmds->elements[0].ptr_value;
    if (source->cmds->length == 1 && first->subtype == AT_ChangeOwner) {
        return copy_table_owner(copier, source);
    }
    COPY_MAKE(ast_alter_table, AST_ALTER_TABLE, -1)
    node->object_kind = copy_object_kind(source->objtype);
    node->table = copy_table_ref(copier, source->relation);
    copy_want_list(copier, source->cmds, &node->commands);
    node->missing_ok = source->missing_ok;
    return &node->ast;
}

static struct ast *copy_drop(struct copier *copier, const DropStmt *source)
{
    COPY_MAKE(ast_drop, AST_DROP, -1)
    node->object_kind = copy_object_kind(source->removeType);
    node->missing_ok = source->missing_ok;
    node->cascade = source->behavior == DROP_CASCADE;
    uint32_t count = (uint32_t)source->objects->length;
    node->names.items = arena_array(copier->arena, count, sizeof *node->names.items);
    if (node->names.items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    node->names.count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct ast_table_ref *name = copy_qualified(copier, source->objects->elements[i].ptr_value);
        node->names.items[i] = name == NULL ? NULL : &name->ast;
    }
    return &node->ast;
}

static struct ast *copy_truncate(struct copier *copier, const TruncateStmt *source)
{
    COPY_MAKE(ast_truncate, AST_TRUNCATE, -1)
    copy_want_list(copier, source->relations, &node->tables);
    node->restart = source->restart_seqs;
    node->cascade = source->behavior == DROP_CASCADE;
    return &node->ast;
}

/* VACUUM is the same node: pg_copy_session.c has it. */
static struct ast *copy_analyze(struct copier *copier, const VacuumStmt *source)
{
    COPY_MAKE(ast_analyze, AST_ANALYZE, -1)
    uint32_t count = source->rels == NULL ? 0 : (uint32_t)source->rels->length;
    node->tables.items = arena_array(copier->arena, count + 1u, sizeof *node->tables.items);
    if (node->tables.items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    node->tables.count = count;
    for (uint32_t i = 0; i < count; i++) {
        const VacuumRelation *relation = source->rels->elements[i].ptr_value;
        struct ast_table_ref *table = copy_table_ref(copier, relation->relation);
        if (table == NULL) {
            return NULL;
        }
        node->tables.items[i] = &table->ast;
    }
    return &node->ast;
}

static struct ast *copy_copy(struct copier *copier, const CopyStmt *source)
{
    COPY_MAKE(ast_copy, AST_COPY, -1)
    if (source->relation != NULL) {
        node->table = copy_table_ref(copier, source->relation);
    }
    copy_want(copier, source->query, &node->query);
    copy_names(copier, source->attlist, &node->columns);
    node->from = source->is_from;
    node->program = source->is_program;
    node->path = copy_text(copier, source->filename);
    copy_want_list(copier, source->options, &node->options);
    copy_want(copier, source->whereClause, &node->where);
    return &node->ast;
}

static struct ast *copy_transaction(struct copier *copier, const TransactionStmt *source)
{
    static const uint8_t kinds[] = {
        [TRANS_STMT_BEGIN] = AST_BEGIN,
        [TRANS_STMT_START] = AST_START,
        [TRANS_STMT_COMMIT] = AST_COMMIT,
        [TRANS_STMT_ROLLBACK] = AST_ROLLBACK,
        [TRANS_STMT_SAVEPOINT] = AST_SAVEPOINT,
        [TRANS_STMT_RELEASE] = AST_RELEASE,
        [TRANS_STMT_ROLLBACK_TO] = AST_ROLLBACK_TO,
        [TRANS_STMT_PREPARE] = AST_PREPARE_TRANSACTION,
        [TRANS_STMT_COMMIT_PREPARED] = AST_COMMIT_PREPARED,
        [TRANS_STMT_ROLLBACK_PREPARED] = AST_ROLLBACK_PREPARED,
    };
    COPY_MAKE(ast_transaction, AST_TRANSACTION, -1)
    node->transaction_kind = kinds[source->kind];
    node->savepoint = copy_text(copier, source->savepoint_name);
    copy_want_list(copier, source->options, &node->options);
    node->chain = source->chain;
    return &node->ast;
}

static struct ast *copy_set(struct copier *copier, const VariableSetStmt *source)
{
    static const uint8_t kinds[] = {
        [VAR_SET_VALUE] = AST_SET_VALUE,
        [VAR_SET_DEFAULT] = AST_SET_DEFAULT,
        [VAR_SET_CURRENT] = AST_SET_CURRENT,
        [VAR_SET_MULTI] = AST_SET_MULTI,
        [VAR_RESET] = AST_RESET,
        [VAR_RESET_ALL] = AST_RESET_ALL,
    };
    COPY_MAKE(ast_set, AST_SET, -1)
    node->set_kind = kinds[source->kind];
    node->name = copy_text(copier, source->name);
    copy_want_list(copier, source->args, &node->values);
    node->local = source->is_local;
    return &node->ast;
}

static struct ast *copy_show(struct copier *copier, const VariableShowStmt *source)
{
    COPY_MAKE(ast_show, AST_SHOW, -1)
    node->name = copy_text(copier, source->name);
    return &node->ast;
}

static struct ast *copy_explain(struct copier *copier, const ExplainStmt *source)
{
    COPY_MAKE(ast_explain, AST_EXPLAIN, -1)
    copy_want(copier, source->query, &node->query);
    copy_want_list(copier, source->options, &node->options);
    return &node->ast;
}

static struct ast *copy_prepare(struct copier *copier, const PrepareStmt *source)
{
    COPY_MAKE(ast_prepare, AST_PREPARE, -1)
    node->name = copy_text(copier, source->name);
    copy_want_list(copier, source->argtypes, &node->types);
    copy_want(copier, source->query, &node->query);
    return &node->ast;
}

static struct ast *copy_execute(struct copier *copier, const ExecuteStmt *source)
{
    COPY_MAKE(ast_execute, AST_EXECUTE, -1)
    node->name = copy_text(copier, source->name);
    copy_want_list(copier, source->params, &node->parameters);
    return &node->ast;
}

static struct ast *copy_deallocate(struct copier *copier, const DeallocateStmt *source)
{
    COPY_MAKE(ast_deallocate, AST_DEALLOCATE, -1)
    node->name = copy_text(copier, source->name);
    return &node->ast;
}

/* Statements that PostgreSQL has and this release has not; their names go into the error. */
static const struct {
    NodeTag tag;
    const char *name;
} unknown_statements[] = {
    {T_CreateFunctionStmt, "CREATE FUNCTION"},
    {T_CompositeTypeStmt, "CREATE TYPE"},
    {T_CreateTrigStmt, "CREATE TRIGGER"},
    {T_CreatedbStmt, "CREATE DATABASE"},
    {T_CreatePolicyStmt, "CREATE POLICY"},
    {T_CreateStatsStmt, "CREATE STATISTICS"},
    {T_AlterRoleSetStmt, "ALTER ROLE ... SET"},
    {T_AlterDefaultPrivilegesStmt, "ALTER DEFAULT PRIVILEGES"},
    {T_DoStmt, "DO"},
    {T_CallStmt, "CALL"},
    {T_DefineStmt, "CREATE of this kind of object"},
    {T_RuleStmt, "CREATE RULE"},
};

static struct ast *copy_unknown(struct copier *copier, const Node *source)
{
    COPY_MAKE(ast_unknown, AST_UNKNOWN_STATEMENT, -1)
    node->name = "this statement";
    for (size_t i = 0; i < sizeof unknown_statements / sizeof *unknown_statements; i++) {
        if (unknown_statements[i].tag == nodeTag(source)) {
            node->name = unknown_statements[i].name;
        }
    }
    return &node->ast;
}

static struct ast *copy_set_constraints(struct copier *copier, const ConstraintsSetStmt *source)
{
    COPY_MAKE(ast_set_constraints, AST_SET_CONSTRAINTS, -1)
    copy_want_list(copier, source->constraints, &node->names);
    node->deferred = source->deferred;
    return &node->ast;
}

static struct ast *copy_session_statement(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_TransactionStmt:
        return copy_transaction(copier, (const TransactionStmt *)source);
    case T_VariableSetStmt:
        return copy_set(copier, (const VariableSetStmt *)source);
    case T_VariableShowStmt:
        return copy_show(copier, (const VariableShowStmt *)source);
    case T_ConstraintsSetStmt:
        return copy_set_constraints(copier, (const ConstraintsSetStmt *)source);
    case T_ExplainStmt:
        return copy_explain(copier, (const ExplainStmt *)source);
    case T_PrepareStmt:
        return copy_prepare(copier, (const PrepareStmt *)source);
    case T_ExecuteStmt:
        return copy_execute(copier, (const ExecuteStmt *)source);
    case T_DeallocateStmt:
        return copy_deallocate(copier, (const DeallocateStmt *)source);
    default: {
        struct ast *node = NULL;
        return copy_about_session(copier, source, &node) ? node : copy_unknown(copier, source);
    }
    }
}

struct ast *copy_statement(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_SelectStmt:
        return copy_select(copier, (const SelectStmt *)source);
    case T_InsertStmt:
        return copy_insert(copier, (const InsertStmt *)source);
    case T_UpdateStmt:
        return copy_update(copier, (const UpdateStmt *)source);
    case T_DeleteStmt:
        return copy_delete(copier, (const DeleteStmt *)source);
    case T_MergeStmt:
        return copy_merge(copier, (const MergeStmt *)source);
    case T_CreateStmt:
        return copy_create_table(copier, (const CreateStmt *)source);
    case T_CreateTableAsStmt:
        return copy_create_table_as(copier, (const CreateTableAsStmt *)source);
    case T_IndexStmt:
        return copy_create_index(copier, (const IndexStmt *)source);
    case T_AlterTableStmt:
        return copy_alter_table(copier, (const AlterTableStmt *)source);
    case T_RenameStmt:
        return copy_rename(copier, (const RenameStmt *)source);
    case T_DropStmt:
        return copy_drop(copier, (const DropStmt *)source);
    case T_CopyStmt:
        return copy_copy(copier, (const CopyStmt *)source);
    case T_VacuumStmt:
        return ((const VacuumStmt *)source)->is_vacuumcmd
                   ? copy_session_statement(copier, source)
                   : copy_analyze(copier, (const VacuumStmt *)source);
    case T_TruncateStmt:
        return copy_truncate(copier, (const TruncateStmt *)source);
    default: {
        struct ast *definition = copy_definition(copier, source);
        return definition != NULL || copier->status != TDBPLUS_OK
                   ? definition
                   : copy_session_statement(copier, source);
    }
    }
}
