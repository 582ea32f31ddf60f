#include "sql/parse/pg_copy.h"

struct ast_alias *copy_alias(struct copier *copier, const Alias *source)
{
    if (source == NULL) {
        return NULL;
    }
    COPY_MAKE(ast_alias, AST_ALIAS, -1)
    node->name = copy_text(copier, source->aliasname);
    copy_names(copier, source->colnames, &node->columns);
    return node;
}

struct ast_table_ref *copy_table_ref(struct copier *copier, const RangeVar *source)
{
    if (source == NULL) {
        return NULL;
    }
    COPY_MAKE(ast_table_ref, AST_TABLE_REF, source->location)
    node->schema = copy_text(copier, source->schemaname);
    node->name = copy_text(copier, source->relname);
    node->temporary = source->relpersistence == 't';
    node->alias = copy_alias(copier, source->alias);
    return node;
}

struct ast_with *copy_with(struct copier *copier, const WithClause *source)
{
    if (source == NULL) {
        return NULL;
    }
    COPY_MAKE(ast_with, AST_WITH, source->location)
    node->recursive = source->recursive;
    copy_want_list(copier, source->ctes, &node->ctes);
    return node;
}

static const char *last_name(struct copier *copier, const List *names)
{
    if (names == NULL || names->length == 0) {
        return NULL;
    }
    return copy_text(copier, strVal(names->elements[names->length - 1].ptr_value));
}

static struct ast *copy_type_name(struct copier *copier, const TypeName *source)
{
    if (source->pct_type) {
        copy_unsupported(copier, "%TYPE", source->location);
    }
    COPY_MAKE(ast_type_name, AST_TYPE_NAME, source->location)
    copy_names(copier, source->names, &node->names);
    if (node->names.count == 2 && node->names.items[0] != NULL &&
        strcmp(node->names.items[0], "pg_catalog") == 0) {
        node->names.items++;
        node->names.count--;
    }
    copy_want_list(copier, source->typmods, &node->modifiers);
    node->array_depth = source->arrayBounds == NULL ? 0 : (uint32_t)source->arrayBounds->length;
    node->set_of = source->setof;
    return &node->ast;
}

static struct ast *copy_target(struct copier *copier, const ResTarget *source)
{
    COPY_MAKE(ast_target, AST_TARGET, source->location)
    node->name = copy_text(copier, source->name);
    copy_want_list(copier, source->indirection, &node->indirection);
    if (source->val != NULL && IsA(source->val, MultiAssignRef)) {
        const MultiAssignRef *multi = (const MultiAssignRef *)source->val;
        node->multi_column = (uint32_t)multi->colno;
        node->multi_count = (uint32_t)multi->ncolumns;
        copy_want(copier, multi->source, &node->value);
    } else {
        copy_want(copier, source->val, &node->value);
    }
    return &node->ast;
}

static struct ast *copy_sort_key(struct copier *copier, const SortBy *source)
{
    COPY_MAKE(ast_sort_key, AST_SORT_KEY, source->location)
    copy_want(copier, source->node, &node->value);
    node->descending = source->sortby_dir == SORTBY_DESC;
    node->nulls_given = source->sortby_nulls != SORTBY_NULLS_DEFAULT;
    node->nulls_first = source->sortby_nulls == SORTBY_NULLS_FIRST;
    node->using_operator = last_name(copier, source->useOp);
    return &node->ast;
}

static struct ast *copy_window(struct copier *copier, const WindowDef *source)
{
    COPY_MAKE(ast_window, AST_WINDOW, source->location)
    node->name = copy_text(copier, source->name);
    node->base = copy_text(copier, source->refname);
    copy_want_list(copier, source->partitionClause, &node->partition);
    copy_want_list(copier, source->orderClause, &node->order);
    node->frame_options = source->frameOptions;
    copy_want(copier, source->startOffset, &node->start_offset);
    copy_want(copier, source->endOffset, &node->end_offset);
    return &node->ast;
}

static struct ast *copy_table_subquery(struct copier *copier, const RangeSubselect *source)
{
    COPY_MAKE(ast_table_subquery, AST_TABLE_SUBQUERY, -1)
    node->lateral = source->lateral;
    copy_want(copier, source->subquery, &node->query);
    node->alias = copy_alias(copier, source->alias);
    return &node->ast;
}

static struct ast *copy_table_function(struct copier *copier, const RangeFunction *source)
{
    COPY_MAKE(ast_table_function, AST_TABLE_FUNCTION, -1)
    node->lateral = source->lateral;
    node->ordinality = source->ordinality;
    node->rows_from = source->is_rowsfrom;
    uint32_t count = (uint32_t)source->functions->length;
    node->functions.items = arena_array(copier->arena, count, sizeof *node->functions.items);
    if (node->functions.items == NULL) {
        copier->status = TDBPLUS_E_NOMEM;
        return NULL;
    }
    node->functions.count = count;
    for (uint32_t i = 0; i < count; i++) {
        // Each item is a pair: the call, and the column definitions of that call.
        const List *pair = source->functions->elements[i].ptr_value;
        copy_want(copier, pair->elements[0].ptr_value, &node->functions.items[i]);
        if (pair->elements[1].ptr_value != NULL) {
            copy_unsupported(copier, "a column definition list", -1);
        }
    }
    copy_want_list(copier, source->coldeflist, &node->definitions);
    node->alias = copy_alias(copier, source->alias);
    return &node->ast;
}

static struct ast *copy_table_sample(struct copier *copier, const RangeTableSample *source)
{
    COPY_MAKE(ast_table_sample, AST_TABLE_SAMPLE, source->location)
    copy_want(copier, source->relation, &node->table);
    node->method = last_name(copier, source->method);
    copy_want_list(copier, source->args, &node->arguments);
    copy_want(copier, source->repeatable, &node->seed);
    return &node->ast;
}

static struct ast *copy_join(struct copier *copier, const JoinExpr *source)
{
    COPY_MAKE(ast_join, AST_JOIN, -1)
    switch ((int)source->jointype) {
    case JOIN_LEFT:
        node->join_kind = AST_JOIN_LEFT;
        break;
    case JOIN_FULL:
        node->join_kind = AST_JOIN_FULL;
        break;
    case JOIN_RIGHT:
        node->join_kind = AST_JOIN_RIGHT;
        break;
    default:
        node->join_kind = AST_JOIN_INNER;
        break;
    }
    node->natural = source->isNatural;
    copy_want(copier, source->larg, &node->left);
    copy_want(copier, source->rarg, &node->right);
    copy_names(copier, source->usingClause, &node->using_columns);
    copy_want(copier, source->quals, &node->condition);
    node->alias = copy_alias(copier, source->alias);
    return &node->ast;
}

static struct ast *copy_cte(struct copier *copier, const CommonTableExpr *source)
{
    if (source->search_clause != NULL || source->cycle_clause != NULL) {
        copy_unsupported(copier, "SEARCH and CYCLE", source->location);
    }
    COPY_MAKE(ast_cte, AST_CTE, source->location)
    node->name = copy_text(copier, source->ctename);
    copy_names(copier, source->aliascolnames, &node->columns);
    copy_want(copier, source->ctequery, &node->query);
    if (source->ctematerialized == CTEMaterializeAlways) {
        node->materialized = 1;
    } else if (source->ctematerialized == CTEMaterializeNever) {
        node->materialized = -1;
    }
    return &node->ast;
}

static struct ast *copy_merge_when(struct copier *copier, const MergeWhenClause *source)
{
    COPY_MAKE(ast_merge_when, AST_MERGE_WHEN, -1)
    node->matched = source->matched;
    switch ((int)source->commandType) {
    case CMD_INSERT:
        node->command = AST_MERGE_INSERT;
        break;
    case CMD_UPDATE:
        node->command = AST_MERGE_UPDATE;
        break;
    case CMD_DELETE:
        node->command = AST_MERGE_DELETE;
        break;
    default:
        node->command = AST_MERGE_NOTHING;
        break;
    }
    copy_want(copier, source->condition, &node->condition);
    copy_want_list(copier, source->targetList, &node->targets);
    copy_want_list(copier, source->values, &node->values);
    return &node->ast;
}

static struct ast *copy_locking(struct copier *copier, const LockingClause *source)
{
    COPY_MAKE(ast_locking, AST_LOCKING, -1)
    node->strength = (uint8_t)source->strength;
    node->wait = (uint8_t)source->waitPolicy;
    copy_want_list(copier, source->lockedRels, &node->tables);
    return &node->ast;
}

static struct ast *copy_column_definition(struct copier *copier, const ColumnDef *source)
{
    COPY_MAKE(ast_column_definition, AST_COLUMN_DEFINITION, source->location)
    node->name = copy_text(copier, source->colname);
    copy_want(copier, source->typeName, &node->type);
    copy_want(copier, source->raw_default, &node->default_value);
    copy_want_list(copier, source->constraints, &node->constraints);
    if (source->collClause != NULL) {
        copy_unsupported(copier, "COLLATE of a column", source->collClause->location);
    }
    return &node->ast;
}

static struct ast *copy_constraint(struct copier *copier, const Constraint *source)
{
    static const uint8_t kinds[] = {
        [CONSTR_NULL] = AST_CONSTRAINT_NULL,
        [CONSTR_NOTNULL] = AST_CONSTRAINT_NOT_NULL,
        [CONSTR_DEFAULT] = AST_CONSTRAINT_DEFAULT,
        [CONSTR_IDENTITY] = AST_CONSTRAINT_IDENTITY,
        [CONSTR_GENERATED] = AST_CONSTRAINT_GENERATED,
        [CONSTR_CHECK] = AST_CONSTRAINT_CHECK,
        [CONSTR_PRIMARY] = AST_CONSTRAINT_PRIMARY,
        [CONSTR_UNIQUE] = AST_CONSTRAINT_UNIQUE,
        [CONSTR_EXCLUSION] = AST_CONSTRAINT_OTHER,
        [CONSTR_FOREIGN] = AST_CONSTRAINT_FOREIGN,
        [CONSTR_ATTR_DEFERRABLE] = AST_CONSTRAINT_DEFERRABLE,
        [CONSTR_ATTR_NOT_DEFERRABLE] = AST_CONSTRAINT_NOT_DEFERRABLE,
        [CONSTR_ATTR_DEFERRED] = AST_CONSTRAINT_DEFERRED,
        [CONSTR_ATTR_IMMEDIATE] = AST_CONSTRAINT_IMMEDIATE,
    };
    COPY_MAKE(ast_constraint, AST_CONSTRAINT, source->location)
    node->constraint_kind = kinds[source->contype];
    node->name = copy_text(copier, source->conname);
    copy_want(copier, source->raw_expr, &node->expression);
    bool foreign = source->contype == CONSTR_FOREIGN;
    copy_names(copier, foreign ? source->fk_attrs : source->keys, &node->keys);
    node->table = copy_table_ref(copier, source->pktable);
    copy_names(copier, source->pk_attrs, &node->table_keys);
    copy_names(copier, source->including, &node->including);
    copy_names(copier, source->fk_del_set_cols, &node->delete_columns);
    node->deferrable = source->deferrable;
    node->deferred = source->initdeferred;
    node->nulls_not_distinct = source->nulls_not_distinct;
    node->not_valid = source->skip_validation;
    copy_want_list(copier, source->options, &node->options);
    node->index = copy_text(copier, source->indexname);
    node->match_type = source->fk_matchtype;
    node->generated_when = source->generated_when;
    node->on_update = source->fk_upd_action;
    node->on_delete = source->fk_del_action;
    return &node->ast;
}

static struct ast *copy_option(struct copier *copier, const DefElem *source)
{
    COPY_MAKE(ast_option, AST_OPTION, source->location)
    node->name = copy_text(copier, source->defname);
    copy_want(copier, source->arg, &node->value);
    return &node->ast;
}

static struct ast *copy_index_element(struct copier *copier, const IndexElem *source)
{
    COPY_MAKE(ast_index_element, AST_INDEX_ELEMENT, -1)
    node->name = copy_text(copier, source->name);
    copy_want(copier, source->expr, &node->expression);
    copy_names(copier, source->opclass, &node->operator_class);
    copy_want_list(copier, source->opclassopts, &node->options);
    node->descending = source->ordering == SORTBY_DESC;
    node->nulls_first = source->nulls_ordering == SORTBY_NULLS_FIRST ||
                        (source->nulls_ordering == SORTBY_NULLS_DEFAULT && node->descending);
    if (source->collation != NULL) {
        copy_unsupported(copier, "COLLATE in an index", -1);
    }
    return &node->ast;
}

static struct ast *copy_alter_command(struct copier *copier, const AlterTableCmd *source)
{
    COPY_MAKE(ast_alter_command, AST_ALTER_COMMAND, -1)
    static const struct {
        int subtype;
        uint8_t kind;
    } kinds[] = {
        {AT_AddColumn, AST_ALTER_ADD_COLUMN},
        {AT_DropColumn, AST_ALTER_DROP_COLUMN},
        {AT_ColumnDefault, AST_ALTER_DEFAULT},
        {AT_SetNotNull, AST_ALTER_SET_NOT_NULL},
        {AT_DropNotNull, AST_ALTER_DROP_NOT_NULL},
        {AT_AlterColumnType, AST_ALTER_TYPE},
        {AT_AddConstraint, AST_ALTER_ADD_CONSTRAINT},
        {AT_DropConstraint, AST_ALTER_DROP_CONSTRAINT},
        {AT_ValidateConstraint, AST_ALTER_VALIDATE_CONSTRAINT},
        {AT_AddIdentity, AST_ALTER_ADD_IDENTITY},
        {AT_SetIdentity, AST_ALTER_SET_IDENTITY},
        {AT_DropIdentity, AST_ALTER_DROP_IDENTITY},
        {AT_DropExpression, AST_ALTER_DROP_EXPRESSION},
        {AT_SetRelOptions, AST_ALTER_SET_OPTIONS},
        {AT_ResetRelOptions, AST_ALTER_RESET_OPTIONS},
        {AT_SetStatistics, AST_ALTER_NOTHING},
        {AT_SetStorage, AST_ALTER_NOTHING},
        {AT_SetCompression, AST_ALTER_NOTHING},
        {AT_SetLogged, AST_ALTER_NOTHING},
        {AT_ReplicaIdentity, AST_ALTER_NOTHING},
        {AT_DropCluster, AST_ALTER_NOTHING},
    };
    size_t at = 0;
    while (at < sizeof kinds / sizeof *kinds && kinds[at].subtype != (int)source->subtype) {
        at++;
    }
    if (at == sizeof kinds / sizeof *kinds) {
        copy_unsupported(copier, "this form of ALTER TABLE", -1);
        return NULL;
    }
    node->alter_kind = kinds[at].kind;
    node->missing_ok = source->missing_ok;
    node->cascade = source->behavior == DROP_CASCADE;
    if (node->alter_kind == AST_ALTER_NOTHING) {
        return &node->ast;
    }
    if (source->def != NULL && IsA(source->def, List)) {
        copy_want_list(copier, (const List *)source->def, &node->options);
        node->name = copy_text(copier, source->name);
        return &node->ast;
    }
    node->name = copy_text(copier, source->name);
    copy_want(copier, source->def, &node->definition);
    return &node->ast;
}

static struct ast *copy_like(struct copier *copier, const TableLikeClause *source)
{
    COPY_MAKE(ast_like_table, AST_LIKE_TABLE, -1)
    node->table = copy_table_ref(copier, source->relation);
    node->options = source->options;
    return &node->ast;
}

struct ast *copy_part(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_TypeName:
        return copy_type_name(copier, (const TypeName *)source);
    case T_ResTarget:
        return copy_target(copier, (const ResTarget *)source);
    case T_SortBy:
        return copy_sort_key(copier, (const SortBy *)source);
    case T_WindowDef:
        return copy_window(copier, (const WindowDef *)source);
    case T_RangeVar: {
        struct ast_table_ref *table = copy_table_ref(copier, (const RangeVar *)source);
        return table == NULL ? NULL : &table->ast;
    }
    case T_RangeSubselect:
        return copy_table_subquery(copier, (const RangeSubselect *)source);
    case T_RangeFunction:
        return copy_table_function(copier, (const RangeFunction *)source);
    case T_JoinExpr:
        return copy_join(copier, (const JoinExpr *)source);
    case T_CommonTableExpr:
        return copy_cte(copier, (const CommonTableExpr *)source);
    case T_MergeWhenClause:
        return copy_merge_when(copier, (const MergeWhenClause *)source);
    case T_LockingClause:
        return copy_locking(copier, (const LockingClause *)source);
    case T_ColumnDef:
        return copy_column_definition(copier, (const ColumnDef *)source);
    case T_Constraint:
        return copy_constraint(copier, (const Constraint *)source);
    case T_DefElem:
        return copy_option(copier, (const DefElem *)source);
    case T_IndexElem:
        return copy_index_element(copier, (const IndexElem *)source);
    case T_AlterTableCmd:
        return copy_alter_command(copier, (const AlterTableCmd *)source);
    case T_RangeTableSample:
        return copy_table_sample(copier, (const RangeTableSample *)source);
    case T_RangeTableFunc:
        copy_unsupported(copier, "XMLTABLE", ((const RangeTableFunc *)source)->location);
        return NULL;
    case T_TableLikeClause:
        return copy_like(copier, (const TableLikeClause *)source);
    default:
        return NULL;
    }
}
