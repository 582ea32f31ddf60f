#include "sql/parse/pg_copy.h"

#include <nodes/primnodes.h>

static struct ast *copy_value(struct copier *copier, const Node *value, int location)
{
    COPY_MAKE(ast_constant, AST_CONSTANT, location)
    switch ((int)nodeTag(value)) {
    case T_Integer:
        node->constant = AST_INTEGER;
        node->integer = intVal(value);
        break;
    case T_Float:
        node->constant = AST_NUMBER;
        node->text = copy_text(copier, ((const Float *)value)->fval);
        break;
    case T_Boolean:
        node->constant = AST_BOOL;
        node->boolean = boolVal(value);
        break;
    case T_BitString:
        node->constant = AST_BITS;
        node->text = copy_text(copier, ((const BitString *)value)->bsval);
        break;
    default:
        node->constant = AST_STRING;
        node->text = copy_text(copier, strVal(value));
        break;
    }
    return &node->ast;
}

static struct ast *copy_constant(struct copier *copier, const A_Const *source)
{
    if (source->isnull) {
        COPY_MAKE(ast_constant, AST_CONSTANT, source->location)
        node->constant = AST_NULL;
        return &node->ast;
    }
    return copy_value(copier, &source->val.node, source->location);
}

static struct ast *copy_column_ref(struct copier *copier, const ColumnRef *source)
{
    COPY_MAKE(ast_column_ref, AST_COLUMN_REF, source->location)
    copy_names(copier, source->fields, &node->names);
    const Node *last = source->fields->elements[source->fields->length - 1].ptr_value;
    node->star = IsA(last, A_Star);
    return &node->ast;
}

static const char *operator_name(struct copier *copier, const List *name)
{
    if (name == NULL || name->length == 0) {
        return NULL;
    }
    return copy_text(copier, strVal(name->elements[name->length - 1].ptr_value));
}

static struct ast *copy_operator(struct copier *copier, const A_Expr *source)
{
    static const uint8_t kinds[] = {
        [AEXPR_OP] = AST_OP_PLAIN,
        [AEXPR_OP_ANY] = AST_OP_ANY,
        [AEXPR_OP_ALL] = AST_OP_ALL,
        [AEXPR_DISTINCT] = AST_OP_DISTINCT,
        [AEXPR_NOT_DISTINCT] = AST_OP_NOT_DISTINCT,
        [AEXPR_NULLIF] = AST_OP_NULLIF,
        [AEXPR_IN] = AST_OP_IN,
        [AEXPR_LIKE] = AST_OP_LIKE,
        [AEXPR_ILIKE] = AST_OP_ILIKE,
        [AEXPR_SIMILAR] = AST_OP_SIMILAR,
        [AEXPR_BETWEEN] = AST_OP_BETWEEN,
        [AEXPR_NOT_BETWEEN] = AST_OP_NOT_BETWEEN,
        [AEXPR_BETWEEN_SYM] = AST_OP_BETWEEN_SYMMETRIC,
        [AEXPR_NOT_BETWEEN_SYM] = AST_OP_NOT_BETWEEN_SYMMETRIC,
    };
    COPY_MAKE(ast_operator, AST_OPERATOR, source->location)
    node->operator_kind = kinds[source->kind];
    node->name = operator_name(copier, source->name);
    copy_want(copier, source->lexpr, &node->left);
    copy_want(copier, source->rexpr, &node->right);
    return &node->ast;
}

static struct ast *copy_boolean(struct copier *copier, const BoolExpr *source)
{
    COPY_MAKE(ast_boolean, AST_BOOLEAN, source->location)
    node->boolean_kind = source->boolop == AND_EXPR  ? AST_AND
                         : source->boolop == OR_EXPR ? AST_OR
                                                     : AST_NOT;
    copy_want_list(copier, source->args, &node->arguments);
    return &node->ast;
}

static struct ast *copy_truth_test(struct copier *copier, const BooleanTest *source)
{
    static const uint8_t kinds[] = {
        [IS_TRUE] = AST_IS_TRUE,       [IS_NOT_TRUE] = AST_IS_NOT_TRUE,
        [IS_FALSE] = AST_IS_FALSE,     [IS_NOT_FALSE] = AST_IS_NOT_FALSE,
        [IS_UNKNOWN] = AST_IS_UNKNOWN, [IS_NOT_UNKNOWN] = AST_IS_NOT_UNKNOWN,
    };
    COPY_MAKE(ast_truth_test, AST_TRUTH_TEST, source->location)
    node->truth_kind = kinds[source->booltesttype];
    copy_want(copier, source->arg, &node->argument);
    return &node->ast;
}

static struct ast *copy_null_test(struct copier *copier, const NullTest *source)
{
    COPY_MAKE(ast_null_test, AST_NULL_TEST, source->location)
    node->negated = source->nulltesttype == IS_NOT_NULL;
    copy_want(copier, source->arg, &node->argument);
    return &node->ast;
}

static struct ast *copy_function(struct copier *copier, const FuncCall *source)
{
    COPY_MAKE(ast_function, AST_FUNCTION, source->location)
    copy_names(copier, source->funcname, &node->name);
    copy_want_list(copier, source->args, &node->arguments);
    copy_want_list(copier, source->agg_order, &node->order);
    copy_want(copier, source->agg_filter, &node->filter);
    copy_want(copier, source->over, &node->over);
    node->within_group = source->agg_within_group;
    node->star = source->agg_star;
    node->distinct = source->agg_distinct;
    node->variadic = source->func_variadic;
    return &node->ast;
}

static struct ast *copy_case(struct copier *copier, const CaseExpr *source)
{
    COPY_MAKE(ast_case, AST_CASE, source->location)
    copy_want(copier, source->arg, &node->argument);
    copy_want_list(copier, source->args, &node->whens);
    copy_want(copier, source->defresult, &node->otherwise);
    return &node->ast;
}

static struct ast *copy_case_when(struct copier *copier, const CaseWhen *source)
{
    COPY_MAKE(ast_case_when, AST_CASE_WHEN, source->location)
    copy_want(copier, source->expr, &node->condition);
    copy_want(copier, source->result, &node->result);
    return &node->ast;
}

static struct ast *copy_subquery(struct copier *copier, const SubLink *source)
{
    uint8_t kind;
    switch ((int)source->subLinkType) {
    case EXISTS_SUBLINK:
        kind = AST_EXISTS;
        break;
    case ALL_SUBLINK:
        kind = AST_SUBQUERY_ALL;
        break;
    case ANY_SUBLINK:
        kind = AST_SUBQUERY_ANY;
        break;
    case EXPR_SUBLINK:
        kind = AST_SCALAR;
        break;
    case ARRAY_SUBLINK:
        kind = AST_SUBQUERY_ARRAY;
        break;
    default:
        copy_unsupported(copier, "this kind of subquery", source->location);
        return NULL;
    }
    COPY_MAKE(ast_subquery, AST_SUBQUERY, source->location)
    node->subquery_kind = kind;
    node->name = operator_name(copier, source->operName);
    copy_want(copier, source->testexpr, &node->test);
    copy_want(copier, source->subselect, &node->query);
    return &node->ast;
}

static struct ast *copy_keyword_value(struct copier *copier, const SQLValueFunction *source)
{
    static const uint8_t kinds[] = {
        [SVFOP_CURRENT_DATE] = AST_CURRENT_DATE,
        [SVFOP_CURRENT_TIME] = AST_CURRENT_TIME,
        [SVFOP_CURRENT_TIME_N] = AST_CURRENT_TIME,
        [SVFOP_CURRENT_TIMESTAMP] = AST_CURRENT_TIMESTAMP,
        [SVFOP_CURRENT_TIMESTAMP_N] = AST_CURRENT_TIMESTAMP,
        [SVFOP_LOCALTIME] = AST_LOCALTIME,
        [SVFOP_LOCALTIME_N] = AST_LOCALTIME,
        [SVFOP_LOCALTIMESTAMP] = AST_LOCALTIMESTAMP,
        [SVFOP_LOCALTIMESTAMP_N] = AST_LOCALTIMESTAMP,
        [SVFOP_CURRENT_ROLE] = AST_CURRENT_USER,
        [SVFOP_CURRENT_USER] = AST_CURRENT_USER,
        [SVFOP_USER] = AST_CURRENT_USER,
        [SVFOP_SESSION_USER] = AST_SESSION_USER,
        [SVFOP_CURRENT_CATALOG] = AST_CURRENT_CATALOG,
        [SVFOP_CURRENT_SCHEMA] = AST_CURRENT_SCHEMA,
    };
    COPY_MAKE(ast_keyword_value, AST_KEYWORD_VALUE, source->location)
    node->keyword_kind = kinds[source->op];
    node->precision = source->typmod;
    return &node->ast;
}

static struct ast *copy_min_max(struct copier *copier, const MinMaxExpr *source)
{
    COPY_MAKE(ast_min_max, AST_MIN_MAX, source->location)
    node->least = source->op == IS_LEAST;
    copy_want_list(copier, source->args, &node->arguments);
    return &node->ast;
}

static struct ast *copy_cast(struct copier *copier, const TypeCast *source)
{
    COPY_MAKE(ast_cast, AST_CAST, source->location)
    copy_want(copier, source->arg, &node->argument);
    copy_want(copier, source->typeName, &node->type);
    return &node->ast;
}

static struct ast *copy_parameter(struct copier *copier, const ParamRef *source)
{
    COPY_MAKE(ast_parameter, AST_PARAMETER, source->location)
    node->number = source->number < 0 ? 0 : (uint32_t)source->number;
    return &node->ast;
}

static struct ast *copy_coalesce(struct copier *copier, const CoalesceExpr *source)
{
    COPY_MAKE(ast_coalesce, AST_COALESCE, source->location)
    copy_want_list(copier, source->args, &node->arguments);
    return &node->ast;
}

static struct ast *copy_array(struct copier *copier, const A_ArrayExpr *source)
{
    COPY_MAKE(ast_array, AST_ARRAY, source->location)
    copy_want_list(copier, source->elements, &node->elements);
    return &node->ast;
}

static struct ast *copy_row(struct copier *copier, const RowExpr *source)
{
    COPY_MAKE(ast_row, AST_ROW, source->location)
    copy_want_list(copier, source->args, &node->elements);
    return &node->ast;
}

static struct ast *copy_indirection(struct copier *copier, const A_Indirection *source)
{
    COPY_MAKE(ast_indirection, AST_INDIRECTION, -1)
    copy_want(copier, source->arg, &node->argument);
    copy_want_list(copier, source->indirection, &node->steps);
    return &node->ast;
}

static struct ast *copy_subscript(struct copier *copier, const A_Indices *source)
{
    COPY_MAKE(ast_subscript, AST_SUBSCRIPT, -1)
    node->slice = source->is_slice;
    copy_want(copier, source->lidx, &node->lower);
    copy_want(copier, source->uidx, &node->upper);
    return &node->ast;
}

static struct ast *copy_collate(struct copier *copier, const CollateClause *source)
{
    COPY_MAKE(ast_collate, AST_COLLATE, source->location)
    copy_want(copier, source->arg, &node->argument);
    copy_names(copier, source->collname, &node->name);
    return &node->ast;
}

static struct ast *copy_named_argument(struct copier *copier, const NamedArgExpr *source)
{
    COPY_MAKE(ast_named_argument, AST_NAMED_ARGUMENT, source->location)
    node->name = copy_text(copier, source->name);
    copy_want(copier, source->arg, &node->argument);
    return &node->ast;
}

static struct ast *copy_grouping_set(struct copier *copier, const GroupingSet *source)
{
    static const uint8_t kinds[] = {
        [GROUPING_SET_EMPTY] = AST_GROUPING_EMPTY, [GROUPING_SET_SIMPLE] = AST_GROUPING_SETS,
        [GROUPING_SET_ROLLUP] = AST_ROLLUP,        [GROUPING_SET_CUBE] = AST_CUBE,
        [GROUPING_SET_SETS] = AST_GROUPING_SETS,
    };
    COPY_MAKE(ast_grouping_set, AST_GROUPING_SET, source->location)
    node->grouping_kind = kinds[source->kind];
    copy_want_list(copier, source->content, &node->elements);
    return &node->ast;
}

static struct ast *copy_grouping_call(struct copier *copier, const GroupingFunc *source)
{
    COPY_MAKE(ast_grouping_call, AST_GROUPING_CALL, source->location)
    copy_want_list(copier, source->args, &node->arguments);
    return &node->ast;
}

static struct ast *copy_items(struct copier *copier, const List *source)
{
    COPY_MAKE(ast_items, AST_LIST, -1)
    copy_want_list(copier, source, &node->list);
    return &node->ast;
}

static struct ast *copy_marker(struct copier *copier, enum ast_kind kind, int location)
{
    COPY_MAKE(ast, kind, location)
    return node;
}

static struct ast *copy_rare_expression(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_Integer:
    case T_Float:
    case T_Boolean:
    case T_BitString:
    case T_String:
        return copy_value(copier, source, -1);
    case T_List:
        return copy_items(copier, (const List *)source);
    case T_A_Star:
        return copy_marker(copier, AST_STAR, -1);
    case T_SetToDefault:
        return copy_marker(copier, AST_DEFAULT, ((const SetToDefault *)source)->location);
    case T_A_ArrayExpr:
        return copy_array(copier, (const A_ArrayExpr *)source);
    case T_RowExpr:
        return copy_row(copier, (const RowExpr *)source);
    case T_A_Indirection:
        return copy_indirection(copier, (const A_Indirection *)source);
    case T_A_Indices:
        return copy_subscript(copier, (const A_Indices *)source);
    case T_CollateClause:
        return copy_collate(copier, (const CollateClause *)source);
    case T_NamedArgExpr:
        return copy_named_argument(copier, (const NamedArgExpr *)source);
    case T_GroupingSet:
        return copy_grouping_set(copier, (const GroupingSet *)source);
    case T_GroupingFunc:
        return copy_grouping_call(copier, (const GroupingFunc *)source);
    case T_XmlExpr:
    case T_XmlSerialize:
        copy_unsupported(copier, "XML", -1);
        return NULL;
    case T_CurrentOfExpr:
        copy_unsupported(copier, "WHERE CURRENT OF", -1);
        return NULL;
    default:
        return NULL;
    }
}

struct ast *copy_expression(struct copier *copier, const Node *source)
{
    switch ((int)nodeTag(source)) {
    case T_A_Const:
        return copy_constant(copier, (const A_Const *)source);
    case T_ColumnRef:
        return copy_column_ref(copier, (const ColumnRef *)source);
    case T_ParamRef:
        return copy_parameter(copier, (const ParamRef *)source);
    case T_A_Expr:
        return copy_operator(copier, (const A_Expr *)source);
    case T_BoolExpr:
        return copy_boolean(copier, (const BoolExpr *)source);
    case T_NullTest:
        return copy_null_test(copier, (const NullTest *)source);
    case T_BooleanTest:
        return copy_truth_test(copier, (const BooleanTest *)source);
    case T_FuncCall:
        return copy_function(copier, (const FuncCall *)source);
    case T_TypeCast:
        return copy_cast(copier, (const TypeCast *)source);
    case T_CaseExpr:
        return copy_case(copier, (const CaseExpr *)source);
    case T_CaseWhen:
        return copy_case_when(copier, (const CaseWhen *)source);
    case T_CoalesceExpr:
        return copy_coalesce(copier, (const CoalesceExpr *)source);
    case T_MinMaxExpr:
        return copy_min_max(copier, (const MinMaxExpr *)source);
    case T_SubLink:
        return copy_subquery(copier, (const SubLink *)source);
    case T_SQLValueFunction:
        return copy_keyword_value(copier, (const SQLValueFunction *)source);
    default:
        return copy_rare_expression(copier, source);
    }
}
