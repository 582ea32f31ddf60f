#pragma once

/*
 * The syntax tree of one statement, as the text says it: nothing is resolved, no type is known.
 *
 * Nodes live in the arena given to parse_text() and are never changed. Every node begins with
 * `struct ast`; ast_kind says which struct follows. Strings end with a zero and are in the arena.
 */

#include <stdbool.h>
#include <stdint.h>

enum ast_kind {
    AST_NONE = 0,
    /* Expressions. */
    AST_CONSTANT,
    AST_COLUMN_REF,
    AST_PARAMETER,
    AST_OPERATOR,
    AST_BOOLEAN,
    AST_NULL_TEST,
    AST_TRUTH_TEST,
    AST_FUNCTION,
    AST_CAST,
    AST_CASE,
    AST_CASE_WHEN,
    AST_COALESCE,
    AST_MIN_MAX,
    AST_SUBQUERY,
    AST_ARRAY,
    AST_ROW,
    AST_INDIRECTION,
    AST_SUBSCRIPT,
    AST_STAR,
    AST_COLLATE,
    AST_KEYWORD_VALUE,
    AST_DEFAULT,
    AST_GROUPING_SET,
    AST_GROUPING_CALL,
    AST_LIST,
    AST_NAMED_ARGUMENT,
    /* Parts of statements. */
    AST_TYPE_NAME,
    AST_TARGET,
    AST_SORT_KEY,
    AST_WINDOW,
    AST_TABLE_REF,
    AST_TABLE_SUBQUERY,
    AST_TABLE_FUNCTION,
    AST_TABLE_SAMPLE,
    AST_JOIN,
    AST_ALIAS,
    AST_WITH,
    AST_CTE,
    AST_LOCKING,
    AST_MERGE_WHEN,
    AST_CONFLICT,
    AST_COLUMN_DEFINITION,
    AST_CONSTRAINT,
    AST_OPTION,
    AST_INDEX_ELEMENT,
    AST_ALTER_COMMAND,
    AST_LIKE_TABLE,
    /* Statements. */
    AST_SELECT,
    AST_INSERT,
    AST_UPDATE,
    AST_DELETE,
    AST_MERGE,
    AST_CREATE_TABLE,
    AST_CREATE_TABLE_AS,
    AST_CREATE_VIEW,
    AST_CREATE_INDEX,
    AST_ALTER_TABLE,
    AST_RENAME,
    AST_DROP,
    AST_TRUNCATE,
    AST_ANALYZE,
    AST_COPY,
    AST_CREATE_SEQUENCE,
    AST_CREATE_SCHEMA,
    AST_CREATE_ENUM,
    AST_ALTER_ENUM,
    AST_CREATE_DOMAIN,
    AST_ALTER_DOMAIN,
    AST_COMMENT,
    AST_SET_SCHEMA,
    AST_REFRESH,
    AST_TRANSACTION,
    AST_SET,
    AST_SHOW,
    AST_SET_CONSTRAINTS,
    AST_EXPLAIN,
    AST_PREPARE,
    AST_EXECUTE,
    AST_DEALLOCATE,
    /* ast_session.h has the trees of these. */
    AST_DECLARE_CURSOR,
    AST_FETCH,
    AST_CLOSE_CURSOR,
    AST_DISCARD,
    AST_LISTEN,
    AST_NOTIFY,
    AST_LOCK_TABLE,
    AST_MAINTAIN,
    AST_CREATE_EXTENSION,
    /* ast_role.h has the trees of these. */
    AST_ROLE,
    AST_PRIVILEGE,
    AST_CREATE_ROLE,
    AST_DROP_ROLE,
    AST_GRANT_ROLE,
    AST_GRANT,
    AST_OWNER,
    AST_OWNED,
    AST_UNKNOWN_STATEMENT,
};

/* `position` is the byte of the text at which the construct begins, plus one; 0: not known. */
struct ast {
    uint8_t kind; /* enum ast_kind. */
    uint32_t position;
};

struct ast_list {
    uint32_t count;
    struct ast **items; /* None is NULL. */
};

/* Names, such as the parts of a.b.c. */
struct ast_names {
    uint32_t count;
    const char **items;
};

/* ---- expressions ---- */

enum ast_constant_kind {
    AST_NULL = 0,
    AST_INTEGER, /* Fits int4. */
    AST_NUMBER,  /* Any other number; `text` has its digits. */
    AST_STRING,
    AST_BOOL,
    AST_BITS, /* `text` begins with b or x. */
};

struct ast_constant {
    struct ast ast;
    uint8_t constant; /* enum ast_constant_kind. */
    bool boolean;
    int32_t integer;
    const char *text;
};

/* a.b.c or a.b.*; `star` stands last. */
struct ast_column_ref {
    struct ast ast;
    struct ast_names names;
    bool star;
};

/* $1 */
struct ast_parameter {
    struct ast ast;
    uint32_t number; /* From 1. */
};

enum ast_operator_kind {
    AST_OP_PLAIN = 0,
    AST_OP_ANY, /* left op ANY (array) */
    AST_OP_ALL,
    AST_OP_DISTINCT,
    AST_OP_NOT_DISTINCT,
    AST_OP_NULLIF,
    AST_OP_IN, /* right is AST_LIST; `name` is "=" or "<>" (NOT IN) */
    AST_OP_LIKE,
    AST_OP_ILIKE,
    AST_OP_SIMILAR,
    AST_OP_BETWEEN, /* right is AST_LIST of two */
    AST_OP_NOT_BETWEEN,
    AST_OP_BETWEEN_SYMMETRIC,
    AST_OP_NOT_BETWEEN_SYMMETRIC,
};

struct ast_operator {
    struct ast ast; /* Position of the operator itself. */
    uint8_t operator_kind;
    const char *name; /* Without schema. */
    struct ast *left; /* NULL: prefix. */
    struct ast *right;
};

enum ast_boolean_kind { AST_AND = 0, AST_OR, AST_NOT };

struct ast_boolean {
    struct ast ast;
    uint8_t boolean_kind;
    struct ast_list arguments;
};

struct ast_null_test {
    struct ast ast;
    bool negated; /* IS NOT NULL. */
    struct ast *argument;
};

enum ast_truth_kind {
    AST_IS_TRUE = 0,
    AST_IS_NOT_TRUE,
    AST_IS_FALSE,
    AST_IS_NOT_FALSE,
    AST_IS_UNKNOWN,
    AST_IS_NOT_UNKNOWN
};

struct ast_truth_test {
    struct ast ast;
    uint8_t truth_kind;
    struct ast *argument;
};

struct ast_function {
    struct ast ast;
    struct ast_names name;
    struct ast_list arguments;
    struct ast_list order; /* Of AST_SORT_KEY. */
    struct ast *filter;
    struct ast *over; /* AST_WINDOW. */
    bool within_group;
    bool star;
    bool distinct;
    bool variadic;
};

struct ast_named_argument {
    struct ast ast;
    const char *name;
    struct ast *argument;
};

struct ast_cast {
    struct ast ast;
    struct ast *argument;
    struct ast *type; /* AST_TYPE_NAME. */
};

struct ast_case {
    struct ast ast;
    struct ast *argument; /* CASE argument WHEN ...; may be NULL. */
    struct ast_list whens;
    struct ast *otherwise;
};

struct ast_case_when {
    struct ast ast;
    struct ast *condition;
    struct ast *result;
};

struct ast_coalesce {
    struct ast ast;
    struct ast_list arguments;
};

struct ast_min_max {
    struct ast ast;
    bool least;
    struct ast_list arguments;
};

enum ast_subquery_kind {
    AST_EXISTS = 0,
    AST_SUBQUERY_ALL,
    AST_SUBQUERY_ANY, /* IN too, then `name` is NULL. */
    AST_SCALAR,
    AST_SUBQUERY_ARRAY,
};

struct ast_subquery {
    struct ast ast;
    uint8_t subquery_kind;
    const char *name; /* Operator of ANY and ALL. */
    struct ast *test; /* Left side of ANY and ALL. */
    struct ast *query;
};

struct ast_array {
    struct ast ast;
    struct ast_list elements;
};

struct ast_row {
    struct ast ast;
    struct ast_list elements;
};

/* argument[subscript].field.* */
struct ast_indirection {
    struct ast ast;
    struct ast *argument;
    struct ast_list steps; /* AST_SUBSCRIPT, AST_CONSTANT (a field's name), AST_STAR. */
};

struct ast_subscript {
    struct ast ast;
    bool slice;
    struct ast *lower;
    struct ast *upper;
};

struct ast_collate {
    struct ast ast;
    struct ast *argument;
    struct ast_names name;
};

enum ast_keyword_kind {
    AST_CURRENT_DATE = 0,
    AST_CURRENT_TIME,
    AST_CURRENT_TIMESTAMP,
    AST_LOCALTIME,
    AST_LOCALTIMESTAMP,
    AST_CURRENT_USER,
    AST_SESSION_USER,
    AST_CURRENT_CATALOG,
    AST_CURRENT_SCHEMA,
};

struct ast_keyword_value {
    struct ast ast;
    uint8_t keyword_kind;
    int32_t precision; /* -1: none. */
};

enum ast_grouping_kind { AST_GROUPING_EMPTY = 0, AST_ROLLUP, AST_CUBE, AST_GROUPING_SETS };

struct ast_grouping_set {
    struct ast ast;
    uint8_t grouping_kind;
    struct ast_list elements;
};

/* GROUPING(...) */
struct ast_grouping_call {
    struct ast ast;
    struct ast_list arguments;
};

/* Several expressions where one stands in the tree: a row of VALUES, the list of IN. */
struct ast_items {
    struct ast ast;
    struct ast_list list;
};

/* ---- parts of statements ---- */

struct ast_type_name {
    struct ast ast;
    struct ast_names names;     /* Without pg_catalog. */
    struct ast_list modifiers;  /* numeric(12,2): two AST_CONSTANT. */
    uint32_t array_depth;       /* int[]: 1. */
    int32_t interval_modifiers; /* How many of `modifiers` are of interval. */
    bool set_of;
};

/* Of a select list (`name` is the alias), of SET a = ... or of an insert's column list. */
struct ast_target {
    struct ast ast;
    const char *name;
    struct ast_list indirection;
    struct ast *value; /* NULL in column lists. */
    /* UPDATE ... SET (a, b) = source: this is column `multi_column` (from 1) of `multi_count`. */
    uint32_t multi_column;
    uint32_t multi_count;
};

struct ast_sort_key {
    struct ast ast;
    struct ast *value;
    bool descending;
    bool nulls_given;
    bool nulls_first; /* Only with nulls_given. */
    const char *using_operator;
};

struct ast_window {
    struct ast ast;
    const char *name;
    const char *base; /* The window it refers to. */
    struct ast_list partition;
    struct ast_list order;
    int32_t frame_options; /* PostgreSQL's FRAMEOPTION bits. */
    struct ast *start_offset;
    struct ast *end_offset;
};

struct ast_alias {
    struct ast ast;
    const char *name;
    struct ast_names columns;
};

struct ast_table_ref {
    struct ast ast;
    const char *schema; /* NULL: not given. */
    const char *name;
    bool temporary;
    struct ast_alias *alias;
};

struct ast_table_subquery {
    struct ast ast;
    bool lateral;
    struct ast *query;
    struct ast_alias *alias;
};

struct ast_table_function {
    struct ast ast;
    bool lateral;
    bool ordinality;
    bool rows_from;            /* ROWS FROM (...). */
    struct ast_list functions; /* At least one, mostly AST_FUNCTION. */
    struct ast_alias *alias;
    struct ast_list definitions; /* AST_COLUMN_DEFINITION. */
};

/* table TABLESAMPLE method (arguments) REPEATABLE (seed) */
struct ast_table_sample {
    struct ast ast;
    struct ast *table;
    const char *method;
    struct ast_list arguments;
    struct ast *seed; /* May be NULL. */
};

enum ast_join_kind { AST_JOIN_INNER = 0, AST_JOIN_LEFT, AST_JOIN_FULL, AST_JOIN_RIGHT };

struct ast_join {
    struct ast ast;
    uint8_t join_kind;
    bool natural;
    struct ast *left;
    struct ast *right;
    struct ast_names using_columns;
    struct ast *condition; /* NULL with INNER and no USING: cross join. */
    struct ast_alias *alias;
};

struct ast_cte {
    struct ast ast;
    const char *name;
    struct ast_names columns;
    struct ast *query;
    int8_t materialized; /* 1 yes, -1 no, 0 not said. */
};

struct ast_with {
    struct ast ast;
    bool recursive;
    struct ast_list ctes;
};

struct ast_locking {
    struct ast ast;
    uint8_t strength; /* 1 key share, 2 share, 3 no key update, 4 update */
    uint8_t wait;     /* 0 block, 1 skip, 2 error */
    struct ast_list tables;
};

struct ast_conflict {
    struct ast ast;
    bool update;              /* Else DO NOTHING. */
    struct ast_list elements; /* AST_INDEX_ELEMENT. */
    const char *constraint;
    struct ast *element_where;
    struct ast_list targets;
    struct ast *where;
};

struct ast_column_definition {
    struct ast ast;
    const char *name;
    struct ast *type;
    struct ast *default_value;
    struct ast_list constraints;
};

enum ast_constraint_kind {
    AST_CONSTRAINT_NULL = 0,
    AST_CONSTRAINT_NOT_NULL,
    AST_CONSTRAINT_DEFAULT,
    AST_CONSTRAINT_IDENTITY,
    AST_CONSTRAINT_GENERATED,
    AST_CONSTRAINT_CHECK,
    AST_CONSTRAINT_PRIMARY,
    AST_CONSTRAINT_UNIQUE,
    AST_CONSTRAINT_FOREIGN,
    AST_CONSTRAINT_OTHER,
    AST_CONSTRAINT_DEFERRABLE, /* These four say something of the constraint before them. */
    AST_CONSTRAINT_NOT_DEFERRABLE,
    AST_CONSTRAINT_DEFERRED,
    AST_CONSTRAINT_IMMEDIATE,
};

struct ast_constraint {
    struct ast ast;
    uint8_t constraint_kind;
    const char *name;
    struct ast *expression;
    struct ast_names keys;
    struct ast_table_ref *table; /* Of a foreign key. */
    struct ast_names table_keys;
    struct ast_names including;
    struct ast_names delete_columns; /* ON DELETE SET NULL (...). */
    bool deferrable;
    bool deferred;
    bool nulls_not_distinct;
    bool not_valid;
    struct ast_list options; /* Of an identity column's sequence. */
    const char *index;       /* USING INDEX. */
    char match_type;
    char generated_when;
    char on_update;
    char on_delete;
};

/* name = value in WITH (...), EXPLAIN (...), BEGIN ... */
struct ast_option {
    struct ast ast;
    const char *name;
    struct ast *value;
};

struct ast_index_element {
    struct ast ast;
    const char *name; /* NULL: an expression. */
    struct ast *expression;
    struct ast_names operator_class;
    struct ast_list options;
    bool descending;
    bool nulls_first;
};

/* ---- statements ---- */

enum ast_set_kind { AST_SET_NONE = 0, AST_UNION, AST_INTERSECT, AST_EXCEPT };

struct ast_select {
    struct ast ast;
    bool distinct;
    struct ast_list distinct_on;
    struct ast_list targets;
    struct ast_list from;
    struct ast *where;
    struct ast_list groups;
    bool group_distinct;
    struct ast *having;
    struct ast_list windows;
    struct ast_list values; /* VALUES: rows, each AST_LIST. */
    struct ast_list order;
    struct ast *offset;
    struct ast *limit;
    bool with_ties;
    struct ast_list locking;
    struct ast_with *with;
    struct ast_table_ref *into; /* SELECT ... INTO; NULL: none. */
    uint8_t set_kind;
    bool set_all;
    struct ast *left;
    struct ast *right;
};

struct ast_insert {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast_list columns; /* AST_TARGET. */
    struct ast *source;      /* NULL: DEFAULT VALUES. */
    struct ast_conflict *conflict;
    struct ast_list returning;
    struct ast_with *with;
    uint8_t overriding;
};

struct ast_update {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast_list targets;
    struct ast *where;
    struct ast_list from;
    struct ast_list returning;
    struct ast_with *with;
};

struct ast_delete {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast_list using_tables;
    struct ast *where;
    struct ast_list returning;
    struct ast_with *with;
};

enum ast_merge_command {
    AST_MERGE_NOTHING = 0,
    AST_MERGE_INSERT,
    AST_MERGE_UPDATE,
    AST_MERGE_DELETE
};

struct ast_merge_when {
    struct ast ast;
    bool matched;
    uint8_t command;         /* enum ast_merge_command. */
    struct ast *condition;   /* May be NULL. */
    struct ast_list targets; /* INSERT: columns. UPDATE: assignments. */
    struct ast_list values;  /* INSERT; none: DEFAULT VALUES. */
};

struct ast_merge {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast *source;
    struct ast *condition;
    struct ast_list whens; /* AST_MERGE_WHEN. */
    struct ast_with *with;
};

struct ast_create_table {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast_list elements; /* AST_COLUMN_DEFINITION, AST_CONSTRAINT. */
    struct ast_list options;
    bool if_not_exists;
    bool inherits; /* INHERITS, PARTITION BY, OF: none of them exists here. */
};

/* LIKE table in CREATE TABLE; `options` are bits of enum ast_like. */
enum ast_like {
    AST_LIKE_COMMENTS = 1,
    AST_LIKE_CONSTRAINTS = 4,
    AST_LIKE_DEFAULTS = 8,
    AST_LIKE_GENERATED = 16,
    AST_LIKE_IDENTITY = 32,
    AST_LIKE_INDEXES = 64,
};

struct ast_like_table {
    struct ast ast;
    struct ast_table_ref *table;
    uint32_t options;
};

struct ast_create_table_as {
    struct ast ast;
    struct ast_table_ref *table;
    struct ast_names columns;
    struct ast *query;
    bool if_not_exists;
    bool no_data;
    bool materialized_view;
};

struct ast_create_view {
    struct ast ast;
    struct ast_table_ref *view;
    struct ast_names columns;
    struct ast *query;
    bool replace;
    uint8_t check; /* enum ast_view_check. */
    struct ast_list options;
};

enum ast_view_check { AST_CHECK_NONE = 0, AST_CHECK_LOCAL, AST_CHECK_CASCADED };

/* CREATE and ALTER SEQUENCE. */
struct ast_create_sequence {
    struct ast ast;
    struct ast_table_ref *sequence;
    struct ast_list options;
    bool alter;
    bool exists_ok; /* IF NOT EXISTS of CREATE, IF EXISTS of ALTER. */
};

struct ast_create_schema {
    struct ast ast;
    const char *name;
    struct ast_role *owner; /* AUTHORIZATION; NULL: whoever makes it. ast_role.h has its form. */
    bool if_not_exists;
    bool elements; /* Other statements follow inside of it. */
};

struct ast_create_enum {
    struct ast ast;
    struct ast_table_ref *name;
    struct ast_names labels;
};

struct ast_alter_enum {
    struct ast ast;
    struct ast_table_ref *name;
    const char *old_label; /* NULL: ADD VALUE. */
    const char *new_label;
    const char *neighbor; /* May be NULL. */
    bool after;
    bool if_not_exists;
};

struct ast_create_domain {
    struct ast ast;
    struct ast_table_ref *name;
    struct ast *type;
    struct ast_list constraints;
};

struct ast_alter_domain {
    struct ast ast;
    struct ast_table_ref *name;
    char action; /* 'T' default, 'N' drop and 'O' set not null, 'C' add, 'X' drop constraint. */
    const char *constraint;
    struct ast *definition;
    bool missing_ok;
};

struct ast_comment {
    struct ast ast;
    uint8_t object_kind;
    struct ast_names names; /* Schema, name, and a column's or constraint's name last. */
    const char *text;       /* NULL: takes it away. */
};

/* ALTER ... SET SCHEMA. */
struct ast_set_schema {
    struct ast ast;
    uint8_t object_kind;
    struct ast_table_ref *name;
    const char *schema;
    bool missing_ok;
};

/* REFRESH MATERIALIZED VIEW. */
struct ast_refresh {
    struct ast ast;
    struct ast_table_ref *view;
    bool no_data;
    bool concurrently;
};

struct ast_create_index {
    struct ast ast;
    const char *name;
    struct ast_table_ref *table;
    const char *method;
    struct ast_list elements;
    struct ast_list including;
    struct ast_list options;
    struct ast *where;
    bool unique;
    bool nulls_not_distinct;
    bool if_not_exists;
    bool concurrently;
};

enum ast_alter_kind {
    AST_ALTER_ADD_COLUMN = 0,
    AST_ALTER_DROP_COLUMN,
    AST_ALTER_DEFAULT,
    AST_ALTER_SET_NOT_NULL,
    AST_ALTER_DROP_NOT_NULL,
    AST_ALTER_TYPE,
    AST_ALTER_ADD_CONSTRAINT,
    AST_ALTER_DROP_CONSTRAINT,
    AST_ALTER_VALIDATE_CONSTRAINT,
    AST_ALTER_ADD_IDENTITY,
    AST_ALTER_SET_IDENTITY,
    AST_ALTER_DROP_IDENTITY,
    AST_ALTER_DROP_EXPRESSION,
    AST_ALTER_SET_OPTIONS,
    AST_ALTER_RESET_OPTIONS,
    AST_ALTER_RENAME_COLUMN, /* These two are RENAME in the text. */
    AST_ALTER_RENAME_CONSTRAINT,
    AST_ALTER_NOTHING, /* SET STORAGE and the like: said, and of no effect here. */
};

struct ast_alter_command {
    struct ast ast;
    uint8_t alter_kind;
    const char *name;
    struct ast *definition;
    struct ast_list options; /* Of SET (...), RESET (...), SET GENERATED. */
    const char *new_name;
    bool missing_ok;
    bool cascade;
};

struct ast_alter_table {
    struct ast ast;
    uint8_t object_kind;
    struct ast_table_ref *table;
    struct ast_list commands;
    bool missing_ok;
};

enum ast_object_kind {
    AST_OBJECT_TABLE = 0,
    AST_OBJECT_VIEW,
    AST_OBJECT_INDEX,
    AST_OBJECT_COLUMN,
    AST_OBJECT_SEQUENCE,
    AST_OBJECT_SCHEMA,
    AST_OBJECT_TYPE,
    AST_OBJECT_DOMAIN,
    AST_OBJECT_MATERIALIZED_VIEW,
    AST_OBJECT_CONSTRAINT,
    AST_OBJECT_DATABASE,
    AST_OBJECT_ROLE,
    AST_OBJECT_OTHER
};

struct ast_rename {
    struct ast ast;
    uint8_t object_kind;
    uint8_t relation_kind; /* Of a column: what it is a column of. */
    struct ast_table_ref *table;
    const char *old_name; /* Of a column. */
    const char *new_name;
    bool missing_ok;
};

struct ast_drop {
    struct ast ast;
    uint8_t object_kind;
    struct ast_list names; /* AST_TABLE_REF each. */
    bool missing_ok;
    bool cascade;
};

struct ast_copy {
    struct ast ast;
    struct ast_table_ref *table; /* NULL: `query`. */
    struct ast *query;
    struct ast_names columns; /* None: all. */
    bool from;
    bool program;
    const char *path;        /* NULL: STDIN or STDOUT. */
    struct ast_list options; /* AST_OPTION; values may be AST_LIST or AST_STAR. */
    struct ast *where;
};

struct ast_truncate {
    struct ast ast;
    struct ast_list tables;
    bool restart;
    bool cascade;
};

struct ast_analyze {
    struct ast ast;
    struct ast_list tables; /* None: all. Columns that are named are not told apart. */
};

enum ast_transaction_kind {
    AST_BEGIN = 0,
    AST_START,
    AST_COMMIT,
    AST_ROLLBACK,
    AST_SAVEPOINT,
    AST_RELEASE,
    AST_ROLLBACK_TO,
    AST_PREPARE_TRANSACTION,
    AST_COMMIT_PREPARED,
    AST_ROLLBACK_PREPARED,
};

struct ast_transaction {
    struct ast ast;
    uint8_t transaction_kind;
    const char *savepoint;
    struct ast_list options; /* AST_OPTION: transaction_isolation, transaction_read_only, ... */
    bool chain;
};

enum ast_set_statement_kind {
    AST_SET_VALUE = 0,
    AST_SET_DEFAULT,
    AST_SET_CURRENT,
    AST_SET_MULTI, /* SET TRANSACTION and SET SESSION CHARACTERISTICS. */
    AST_RESET,
    AST_RESET_ALL,
};

struct ast_set {
    struct ast ast;
    uint8_t set_kind;
    bool local;
    const char *name;
    struct ast_list values;
};

struct ast_set_constraints {
    struct ast ast;
    struct ast_list names; /* AST_TABLE_REF; none: ALL. */
    bool deferred;
};

struct ast_show {
    struct ast ast;
    const char *name;
};

struct ast_explain {
    struct ast ast;
    struct ast *query;
    struct ast_list options;
};

struct ast_prepare {
    struct ast ast;
    const char *name;
    struct ast_list types;
    struct ast *query;
};

struct ast_execute {
    struct ast ast;
    const char *name;
    struct ast_list parameters;
};

struct ast_deallocate {
    struct ast ast;
    const char *name; /* NULL: all. */
};

/* A statement of the grammar that this release does not know. */
struct ast_unknown {
    struct ast ast;
    const char *name; /* "CREATE FUNCTION". */
};
