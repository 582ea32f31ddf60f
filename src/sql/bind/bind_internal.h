#pragma once

#include "sql/bind/bind.h"
#include "sql/parse/friendly.h"
#include "types/text.h"

#define BIND_DEPTH_MAX 1200u /* Of nested binding; the syntax tree is at most PARSE_DEPTH_MAX. */

/* Pointers in the arena. */
struct pointers {
    void **items;
    uint32_t count;
    uint32_t capacity;
};

struct bind_grouping;

struct binder {
    struct arena *arena;
    struct err *err;
    struct span text;
    struct txn *txn;
    const struct func_session *session; /* NULL: defaults. */
    const struct bind_system *system;   /* NULL: there are none. */
    const struct bind_session *names;   /* NULL: only the default schema. */
    const struct view_info *view;       /* Whose text is being bound: what its tables are. */
    struct pointers *references;        /* struct bind_reference; NULL: nobody wants them. */
    struct bound_action *last_action;
    uint32_t view_depth;
    struct type *parameters; /* BIND_PARAMETER_COUNT_MAX at most; grown as they turn up. */
    uint32_t parameter_count;
    uint32_t parameter_capacity;
    uint32_t next_id;
    uint32_t next_cte;
    uint32_t depth;
    struct bound_dependency *dependencies;
    struct bound_access *accesses;
    uint64_t as_role;          /* The owner of the view that is being bound; 0: whoever asks. */
    bool in_system;            /* A view of the system is being bound. */
    uint8_t recursion;         /* enum bind_recursion. */
    struct pointers documents; /* Ids (as uintptr_t) of columns that are documents. */
    bool stored;               /* A text that is kept is being bound: a default, a check. */
    bool styled;               /* bind_style() has filled `style`. */
    struct text_style style;
};

/* A column that a name may mean. */
struct bind_column {
    const char *table; /* Alias of its table; NULL: none. */
    const char *name;
    uint32_t id;
    struct type type;
    bool qualified_only; /* Merged by USING: found by table.column, not by itself or by *. */
    bool *read;          /* Set when something reads it; NULL: nobody asks. */
    bool is_document;    /* What its members are called are names too. */
    bool is_item;        /* All that a function in FROM gives: the name of the item means it too. */
    const char *schema;  /* Of its table, where that was named without an alias; NULL otherwise. */
};

/* How far a WITH query has been bound, which says what its name means inside of itself. */
enum bind_cte_stage {
    CTE_READY = 0,
    CTE_HIDDEN,   /* Not recursive: the name means something outside. */
    CTE_BASE,     /* The part of a recursive query that must not read it. */
    CTE_STEP,     /* The part that may, once. */
    CTE_FORMLESS, /* Recursive without UNION. */
};

struct bind_cte {
    const char *name;
    struct plan_cte *cte;
    struct plan_column *columns;
    uint32_t column_count;
    struct bind_cte *next;
    uint8_t stage;       /* enum bind_cte_stage. */
    uint32_t self_count; /* How often it reads itself. */
};

/* Where a recursive query must not read itself. */
enum bind_recursion { RECURSION_OK = 0, RECURSION_SUBQUERY, RECURSION_OUTER, RECURSION_SET };

enum bind_clause {
    CLAUSE_SELECT = 0,
    CLAUSE_WHERE,
    CLAUSE_ON,
    CLAUSE_GROUP,
    CLAUSE_HAVING,
    CLAUSE_ORDER,
    CLAUSE_LIMIT,
    CLAUSE_VALUES,
    CLAUSE_RETURNING,
    CLAUSE_UPDATE,
    CLAUSE_DEFAULT,
    CLAUSE_CHECK,
    CLAUSE_FROM_FUNCTION,
    CLAUSE_COPY,   /* WHERE of COPY FROM. */
    CLAUSE_WINDOW, /* PARTITION BY, ORDER BY and frame of a window. */
};

/* An aggregate found while binding, and the column it becomes. */
struct bind_aggregate {
    struct plan_aggregate aggregate;
    uint32_t id;
    struct type type;
};

/* What stands in OVER or WINDOW. */
struct bind_window {
    const char *name; /* NULL: written in OVER. */
    struct expr **partition;
    uint32_t partition_count;
    struct plan_key *keys;
    uint32_t key_count;
    struct plan_frame frame;
    bool framed; /* Says more than the default frame. */
};

/* A window function's call, and the column it becomes. */
struct bind_window_call {
    struct plan_window_call call;
    struct bind_window *window;
    uint32_t id;
    struct type type;
};

/* A function that gives rows, found in the select list, and the column it becomes. */
struct bind_expansion {
    struct expr *array;
    uint32_t id;
    struct type type;
    uint32_t level; /* 0, or one more than those it is made from. */
    bool below;     /* A group key reads it. */
};

/* A table of FROM, and where its key is found. */
struct bind_lockable {
    const char *alias;
    const char *name;
    uint64_t object_id;
    struct bound_access *access;
    const struct plan *scan;
    uint32_t *key_ids;
    struct type *key_types;
    uint32_t key_count;
    bool nullable; /* An outer join may have no row of it. */
};

/* One level of SELECT (or of UPDATE and the like): what names mean there. */
struct bind_query {
    struct bind_query *outer;
    struct pointers columns;    /* struct bind_column */
    struct pointers aggregates; /* struct bind_aggregate */
    struct pointers expansions; /* struct bind_expansion */
    struct pointers windows;    /* struct bind_window */
    struct pointers calls;      /* struct bind_window_call */
    struct pointers groupings;  /* struct bind_grouping_call */
    struct pointers tables;     /* struct bind_lockable; those whose key is read */
    struct bind_cte *ctes;
    struct pointers *outer_ids; /* Ids read from outside (as uintptr_t); NULL: no outside. */
    struct pointers lateral;    /* Ids (as uintptr_t) that the last item of FROM reads beside it. */
    uint8_t clause;
    bool locking;      /* Rows will be locked: scans give their keys. */
    bool reads_itself; /* The step of a recursive query. */
    bool in_aggregate;
    bool in_window; /* Inside of a window function's call or of a window. */
};

/* ---- helpers: bind.c ---- */

bool pointers_push(struct arena *arena, struct pointers *pointers, void *item);

TDBPLUS_CHECKED tdbplus_status bind_fail(struct binder *binder, tdbplus_status status,
                                         const char *sqlstate, uint32_t position,
                                         const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* A NOTICE to the client: what was skipped. */
void bind_notice(const struct binder *binder, const char *sqlstate, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
TDBPLUS_CHECKED tdbplus_status bind_unsupported(struct binder *binder, uint32_t position,
                                                const char *what);
TDBPLUS_CHECKED tdbplus_status bind_no_memory(struct binder *binder);
/* What is being bound is valid only while the object (a view, a type, an index) stays as it is. */
TDBPLUS_CHECKED tdbplus_status bind_depends_on(struct binder *binder, const struct object *object);
TDBPLUS_CHECKED tdbplus_status bind_enter(struct binder *binder);
void bind_leave(struct binder *binder);

/* ---- names: scope.c ---- */

/* A name of the catalog in the arena, because the plan may outlive the transaction. */
TDBPLUS_CHECKED tdbplus_status bind_copy_name(struct binder *binder, const char *name,
                                              const char **copy_out);

TDBPLUS_CHECKED tdbplus_status bind_add_column(struct binder *binder, struct bind_query *query,
                                               const struct bind_column *column);

/* Finds a column by name (and table, if not NULL), here or in outer queries. */
TDBPLUS_CHECKED tdbplus_status bind_find_column(struct binder *binder, struct bind_query *query,
                                                const struct ast_column_ref *ref,
                                                struct expr **expr_out);

/* Columns from `first` on are also found by the schema of their table. */
TDBPLUS_CHECKED tdbplus_status bind_name_schema(struct binder *binder, struct bind_query *query,
                                                uint32_t first, const char *schema);

/* What stands before a column's name. */
struct bind_qualifier {
    const char *schema; /* NULL: not given. */
    const char *table;  /* NULL: not given. */
};

/* Reads the names before the last, or before the star: 0A000 for another database, 42601 for too
 * many. */
TDBPLUS_CHECKED tdbplus_status bind_read_qualifier(struct binder *binder,
                                                   const struct ast_column_ref *ref,
                                                   struct bind_qualifier *qualifier_out);

/* Whether what stands before a column's name means this column's table; nothing means all but those
 * merged by USING. */
bool bind_is_of(const struct bind_column *column, const struct bind_qualifier *qualifier);

/* A column of `owner` as an expression of `reader`, at that level or further inside. */
TDBPLUS_CHECKED tdbplus_status bind_read_column(struct binder *binder, struct bind_query *reader,
                                                const struct bind_query *owner,
                                                const struct bind_column *column, uint32_t position,
                                                struct expr **expr_out);

/* The column of this level only, or NULL; *ambiguous_out tells that there are several. */
const struct bind_column *bind_peek_column(const struct bind_query *query,
                                           const struct bind_qualifier *qualifier, const char *name,
                                           bool *ambiguous_out);

/* Tells the subqueries between the level of a column (or aggregate) and the reader's that they read
 * it. */
TDBPLUS_CHECKED tdbplus_status bind_mark_outer(struct binder *binder, struct bind_query *reader,
                                               const struct bind_query *owner, uint32_t id);

/* True when the expression reads a column, aggregate or window function of this level. */
bool bind_reads_level(const struct bind_query *query, const struct expr *expr);

/* The collection of that name: 42P01 with a hint if there is none, 42809 if it is something else.
 */
TDBPLUS_CHECKED tdbplus_status bind_find_table(struct binder *binder,
                                               const struct ast_table_ref *table,
                                               const struct object **object_out);

/* ---- bind_system.c ---- */

/* A relation of the system catalog in FROM; *found_out is false when it is none. */
TDBPLUS_CHECKED tdbplus_status bind_system_table(struct binder *binder, struct bind_query *query,
                                                 const struct ast_table_ref *table,
                                                 struct plan **plan_out, bool *found_out);
/* What a name in FROM means: a table, a view or a sequence. Errors as above. */
TDBPLUS_CHECKED tdbplus_status bind_find_relation(struct binder *binder,
                                                  const struct ast_table_ref *table,
                                                  struct catalog_entry *entry_out);

/* The entry of that kind (0: of any relation), in `schema` or, if that is NULL, in the first schema
 * of the session's path that has one. */
bool bind_lookup(const struct binder *binder, uint8_t kind, const char *schema, const char *name,
                 struct catalog_entry *entry_out);

/* The schema that a new object goes into: 3F000 if it does not exist. */
TDBPLUS_CHECKED tdbplus_status bind_new_schema(struct binder *binder,
                                               const struct ast_table_ref *name,
                                               const char **schema_out);
bool bind_schema_exists(const struct binder *binder, const char *schema);

/* 42P01 for a table's name, with a hint. */
TDBPLUS_CHECKED tdbplus_status bind_relation_missing(struct binder *binder,
                                                     const struct ast_table_ref *table);

/* "table", "view", "index", "sequence" ... for messages. */
const char *bind_kind_name(uint8_t kind);
/* The same of an entry, which may be a materialized view. */
const char *bind_entry_kind(const struct catalog_entry *entry);

/* Adds a change of the catalog to the statement. */
TDBPLUS_CHECKED tdbplus_status bind_add_action(struct binder *binder, struct bound *bound,
                                               const struct bound_action *action);

/* ---- privileges: access.c ---- */

/* Who asks. */
uint64_t bind_role(const struct binder *binder);

/* 42501 at once: for statements that define. */
TDBPLUS_CHECKED tdbplus_status bind_check_owner(struct binder *binder,
                                                const struct catalog_entry *entry);
/* The same where its schema's owner may do it as well. */
TDBPLUS_CHECKED tdbplus_status bind_check_drop(struct binder *binder,
                                               const struct catalog_entry *entry);
TDBPLUS_CHECKED tdbplus_status bind_check_schema(struct binder *binder, const char *schema,
                                                 uint32_t privilege);
TDBPLUS_CHECKED tdbplus_status bind_check_database(struct binder *binder, uint32_t privilege);

/* The role that a statement names; 42704. */
struct ast_role;
TDBPLUS_CHECKED tdbplus_status bind_find_role(struct binder *binder, const struct ast_role *ast,
                                              uint64_t *oid_out);

/* False for a schema in which nothing is found by whoever asks. */
bool bind_schema_usable(const struct binder *binder, const char *schema);

/* Notes that the statement needs privileges on a table or view with so many columns. */
TDBPLUS_CHECKED tdbplus_status bind_access(struct binder *binder, const struct catalog_entry *entry,
                                           uint32_t column_count, uint32_t privileges,
                                           struct bound_access **access_out);

/* What reads the query's columns from `first` on needs privileges for them. */
void bind_watch_columns(struct bind_query *query, uint32_t first, struct bound_access *access);

/* Tells the column's access that it is read. */
static inline void bind_mark_read(const struct bind_column *column)
{
    if (column->read != NULL) {
        *column->read = true;
    }
}

TDBPLUS_CHECKED tdbplus_status bind_access_superuser(struct binder *binder, const char *name,
                                                     uint8_t kind);

/* The statement reads or writes files of the server; `message` is what others are told. */
TDBPLUS_CHECKED tdbplus_status bind_access_files(struct binder *binder, bool write,
                                                 const char *message);

/* ---- views: bind_view.c, bind_view_change.c ---- */

/* A table or view that a view's text names. */
struct bind_reference {
    uint32_t position; /* Of the name in the text. */
    uint64_t oid;
    const struct object *object; /* NULL: a view. */
    const struct plan *plan;     /* That gives its columns, */
    uint32_t column_count;       /* so many that names mean, */
    const char **names;          /* which are these. */
};

TDBPLUS_CHECKED tdbplus_status bind_create_view(struct binder *binder,
                                                const struct ast_create_view *ast,
                                                struct bound *bound);
/* A view in FROM. */
TDBPLUS_CHECKED tdbplus_status bind_view(struct binder *binder, struct bind_query *query,
                                         const struct catalog_entry *entry,
                                         const struct ast_table_ref *table, struct plan **plan_out);
/* Notes what a view's text names, if it is one that is bound. `before` is where its columns begin
 * in the query. */
TDBPLUS_CHECKED tdbplus_status bind_note_reference(struct binder *binder, struct bind_query *query,
                                                   const struct ast_table_ref *table,
                                                   const struct catalog_entry *entry,
                                                   const struct plan *plan, uint32_t before);
/* The query of the CREATE VIEW at hand as text. */
TDBPLUS_CHECKED tdbplus_status bind_slice_view(struct binder *binder, struct span *text_out);
/* Binds the query of a view that is about to be made: fills `info`, and what `entry` depends on. */
TDBPLUS_CHECKED tdbplus_status bind_view_query(struct binder *binder, struct span text,
                                               const struct ast_names *names, const char *too_many,
                                               struct view_info *info, struct catalog_entry *entry,
                                               struct plan **plan_out);
/* The rows of a view that is there. */
TDBPLUS_CHECKED tdbplus_status bind_view_plan(struct binder *binder,
                                              const struct catalog_entry *entry,
                                              const struct view_info *info, struct plan **plan_out);
/* WITH CHECK OPTION needs a view that rows can be put into: 0A000 saying why this is none. */
TDBPLUS_CHECKED tdbplus_status bind_check_updatable(struct binder *binder,
                                                    const struct view_info *info);

/* ALTER TABLE of one command that another statement stands for. */
TDBPLUS_CHECKED tdbplus_status bind_alter_by(struct binder *binder, uint64_t table,
                                             const struct ast_alter_command *command,
                                             struct bound_alter_table *alter_out);
TDBPLUS_CHECKED tdbplus_status bind_alter_table(struct binder *binder,
                                                const struct ast_alter_table *ast,
                                                struct bound *bound);

/* A view's definition as bytes in the arena. */
TDBPLUS_CHECKED tdbplus_status bind_encode_view(struct binder *binder, const struct view_info *info,
                                                struct span *definition_out);

/* ---- names, schemas, comments: bind_rename.c ---- */

TDBPLUS_CHECKED tdbplus_status bind_rename(struct binder *binder, const struct ast_rename *ast,
                                           struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_set_schema(struct binder *binder,
                                               const struct ast_set_schema *ast,
                                               struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_create_schema(struct binder *binder,
                                                  const struct ast_create_schema *ast,
                                                  struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_comment(struct binder *binder, const struct ast_comment *ast,
                                            struct bound *bound);

/* ---- sequences: bind_sequence.c ---- */

TDBPLUS_CHECKED tdbplus_status bind_create_sequence(struct binder *binder,
                                                    const struct ast_create_sequence *ast,
                                                    struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_alter_sequence(struct binder *binder,
                                                   const struct catalog_entry *entry,
                                                   const struct ast_list *options,
                                                   struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_find_sequence(struct binder *binder,
                                                  const struct ast_table_ref *name, bool missing_ok,
                                                  struct catalog_entry *entry_out, bool *found_out);
/* True for serial and its kin. */
bool bind_serial_type(const struct ast_type_name *type, struct type *type_out);
/* The sequence of a serial or identity column that is about to be made. */
struct bind_table;
TDBPLUS_CHECKED tdbplus_status bind_column_sequence(
    struct binder *binder, const struct bind_table *table, const struct schema_column *column,
    const struct ast_list *options, uint8_t identity, struct bound_sequence *sequence_out);
/* Schema and name of an entry about to be made. */
TDBPLUS_CHECKED tdbplus_status bind_name_entry(struct binder *binder, const char *schema,
                                               const char *name, struct catalog_entry *entry);

/* A table's properties as bytes in the arena. */
TDBPLUS_CHECKED tdbplus_status bind_encode_info(struct binder *binder,
                                                const struct table_info *info,
                                                struct span *properties_out);

/* ---- dropping: bind_drop.c ---- */

/* DROP of anything; with what depends on it, or refused because of that. */
TDBPLUS_CHECKED tdbplus_status bind_drop_objects(struct binder *binder, const struct ast_drop *ast,
                                                 struct bound *bound);

/* ---- expressions: expression.c, call.c, coerce.c, subquery.c ---- */

/* What f(VARIADIC array) calls, variadic.c: changes the arguments, and perhaps the name. */
TDBPLUS_CHECKED tdbplus_status bind_variadic(struct binder *binder, const char *name,
                                             struct expr ***arguments, uint32_t *count,
                                             const char **name_out);

TDBPLUS_CHECKED tdbplus_status bind_expression(struct binder *binder, struct bind_query *query,
                                               const struct ast *ast, struct expr **expr_out);
/* The same, but a column stays in its stored form: for places that hand it on as it is. */
TDBPLUS_CHECKED tdbplus_status bind_stored(struct binder *binder, struct bind_query *query,
                                           const struct ast *ast, struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_function(struct binder *binder, struct bind_query *query,
                                             const struct ast_function *ast,
                                             struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_operator(struct binder *binder, struct bind_query *query,
                                             const struct ast_operator *ast,
                                             struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_subquery(struct binder *binder, struct bind_query *query,
                                             const struct ast_subquery *ast,
                                             struct expr **expr_out);

/* 42883 naming the function and the types that it was given. */
TDBPLUS_CHECKED tdbplus_status bind_function_missing(struct binder *binder, const char *name,
                                                     struct expr **arguments, uint32_t count,
                                                     uint32_t position, enum func_found found);

/* ---- aggregates and window functions: aggregate.c, window.c, window_frame.c ---- */

/* The clause where aggregates are not allowed, or NULL where they are. */
const char *bind_clause_name(uint8_t clause);
TDBPLUS_CHECKED tdbplus_status bind_aggregate(struct binder *binder, struct bind_query *query,
                                              const struct ast_function *ast, const char *name,
                                              struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_aggregate_call(struct binder *binder, struct bind_query *query,
                                                   const struct ast_function *ast, const char *name,
                                                   struct plan_aggregate *aggregate,
                                                   struct type *type_out);
/* percentile_cont(), percentile_disc(), mode(): only with WITHIN GROUP. */
bool bind_is_ordered_set(const char *name);
bool bind_is_window_function(const char *name);
TDBPLUS_CHECKED tdbplus_status bind_window_call(struct binder *binder, struct bind_query *query,
                                                const struct ast_function *ast, const char *name,
                                                struct expr **expr_out);

/* The windows of a WINDOW clause. */
TDBPLUS_CHECKED tdbplus_status bind_window_clause(struct binder *binder, struct bind_query *query,
                                                  const struct ast_list *windows);
TDBPLUS_CHECKED tdbplus_status bind_frame(struct binder *binder, struct bind_query *query,
                                          const struct ast_window *ast, struct bind_window *window);

/* Puts the query's window functions on top of the plan. */
TDBPLUS_CHECKED tdbplus_status bind_window_plan(struct binder *binder, struct bind_query *query,
                                                struct plan **plan);

/* A call that may give rows, as what it is: for FROM. */
TDBPLUS_CHECKED tdbplus_status bind_function_rows(struct binder *binder, struct bind_query *query,
                                                  const struct ast_function *ast,
                                                  struct expr **expr_out);

/* ---- functions that give rows: expand.c ---- */

/* True when the expression has the column of that id inside. */
bool bind_reads_id(struct expr *expr, uint32_t id);

/* The type of such a call's rows. */
struct type bind_row_type(const struct expr *call);

/* Turns a call in the select list into the column that its rows will be. */
TDBPLUS_CHECKED tdbplus_status bind_expansion(struct binder *binder, struct bind_query *query,
                                              struct expr **expr);

/* Expands on top of the plan: those that group keys read (`below`), or the others. */
TDBPLUS_CHECKED tdbplus_status bind_expand_plan(struct binder *binder, struct bind_query *query,
                                                struct bind_grouping *grouping, bool below,
                                                struct plan **plan);
TDBPLUS_CHECKED tdbplus_status bind_expansions_over_groups(struct binder *binder,
                                                           struct bind_query *query,
                                                           struct bind_grouping *grouping);

/* Arrays: array.c. With an element type, items are cast to it; TYPE_NONE: their common type. */
TDBPLUS_CHECKED tdbplus_status bind_array(struct binder *binder, struct bind_query *query,
                                          const struct ast_array *ast, struct type element,
                                          struct expr **expr_out);
/* The subquery's only column as an array. */
TDBPLUS_CHECKED tdbplus_status bind_array_subquery(struct binder *binder, struct expr *subquery,
                                                   struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_indirection(struct binder *binder, struct bind_query *query,
                                                const struct ast_indirection *ast,
                                                struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_quantified_array(struct binder *binder,
                                                     struct bind_query *query,
                                                     const struct ast_operator *ast,
                                                     struct expr **expr_out);
/* *array becomes itself with the part that `steps` name set to `value`. */
TDBPLUS_CHECKED tdbplus_status bind_put(struct binder *binder, struct bind_query *query,
                                        const struct ast_list *steps, struct expr *value,
                                        struct expr **array);

/* Row values: row.c. */
TDBPLUS_CHECKED tdbplus_status bind_row_operator(struct binder *binder, struct bind_query *query,
                                                 const struct ast_operator *ast,
                                                 struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_row_in(struct binder *binder, struct bind_query *query,
                                           const struct ast_operator *ast, struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_row_distinct(struct binder *binder, struct bind_query *query,
                                                 const struct ast_operator *ast,
                                                 struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_row_null_test(struct binder *binder, struct bind_query *query,
                                                  const struct ast_null_test *ast,
                                                  struct expr **expr_out);
/* The query's columns become one: whether they compare with the row as wanted. */
TDBPLUS_CHECKED tdbplus_status bind_row_subquery(struct binder *binder, struct bind_query *query,
                                                 const struct ast *test, const char *name,
                                                 uint32_t position, struct expr_subquery *subquery);
TDBPLUS_CHECKED tdbplus_status bind_row_with_query(struct binder *binder, struct bind_query *query,
                                                   const struct ast_operator *ast,
                                                   struct expr **expr_out);
TDBPLUS_CHECKED tdbplus_status bind_query_column(struct binder *binder, struct bind_query *query,
                                                 const struct ast_subquery *ast, uint32_t number,
                                                 uint32_t count, struct expr **expr_out);

/* A call of a function or operator with bound arguments, cast as it wants them. */
TDBPLUS_CHECKED tdbplus_status bind_call(struct binder *binder, const char *name, bool is_operator,
                                         struct expr **arguments, uint32_t count, uint32_t position,
                                         struct expr **expr_out);

/* The equality of two values: casts both and says which function compares them. */
TDBPLUS_CHECKED tdbplus_status bind_comparison(struct binder *binder, const char *name,
                                               struct expr **left, struct expr **right,
                                               uint32_t position, const struct func **func_out);

/* Makes *expr a value of that type; TDBPLUS_E_TYPE when there is no such cast. */
TDBPLUS_CHECKED tdbplus_status bind_coerce(struct binder *binder, struct expr **expr,
                                           struct type type, enum func_cast_context context);

/* The same if it can be; false in *done_out and nothing changed if not. */
TDBPLUS_CHECKED tdbplus_status bind_try_coerce(struct binder *binder, struct expr **expr,
                                               struct type type, enum func_cast_context context,
                                               bool *done_out);

/* Gives several values one type, as UNION and CASE do; `what` is for the message. */
TDBPLUS_CHECKED tdbplus_status bind_unify(struct binder *binder, struct expr ***exprs,
                                          uint32_t count, const char *what, struct type *type_out);

/* A boolean for a clause: 42804 naming it. */
TDBPLUS_CHECKED tdbplus_status bind_condition(struct binder *binder, struct bind_query *query,
                                              const struct ast *ast, const char *clause,
                                              struct expr **expr_out);

/* interval_field.c: *expr_out is set when the cast is one of a number to an interval of one field.
 */
TDBPLUS_CHECKED tdbplus_status bind_interval_field(struct binder *binder,
                                                   const struct ast_cast *ast,
                                                   struct expr **expr_out);

TDBPLUS_CHECKED tdbplus_status bind_type(struct binder *binder, const struct ast *ast,
                                         struct type *type_out);

/* The same with the domain that the name means, whose base type it gives; 0: none. */
TDBPLUS_CHECKED tdbplus_status bind_type_domain(struct binder *binder, const struct ast *ast,
                                                struct type *type_out, uint64_t *domain_out);

/* How texts are read as values: the session's style, with the enums that the transaction sees. */
const struct text_style *bind_style(struct binder *binder);
/* What makes documents knows no labels: enums enter it as texts. */
TDBPLUS_CHECKED tdbplus_status bind_labels_as_text(struct binder *binder, const char *function,
                                                   struct expr **arguments, uint32_t count);
/* A type's name for messages. */
void bind_show_type(struct binder *binder, struct type type, char text[64]);

/* ---- types: bind_type.c, bind_enum.c, bind_domain.c ---- */

TDBPLUS_CHECKED tdbplus_status bind_create_domain(struct binder *binder,
                                                  const struct ast_create_domain *ast,
                                                  struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_alter_domain(struct binder *binder,
                                                 const struct ast_alter_domain *ast,
                                                 struct bound *bound);
/* *value is checked where it is used as one of the domain; nothing for 0. */
TDBPLUS_CHECKED tdbplus_status bind_enter_domain(struct binder *binder, uint64_t oid,
                                                 struct expr **value);
/* The text of its default; NULL: none. */
TDBPLUS_CHECKED tdbplus_status bind_domain_default(struct binder *binder, uint64_t oid,
                                                   const char **text_out);

TDBPLUS_CHECKED tdbplus_status bind_create_enum(struct binder *binder,
                                                const struct ast_create_enum *ast,
                                                struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_alter_enum(struct binder *binder,
                                               const struct ast_alter_enum *ast,
                                               struct bound *bound);
/* The type of that name: 42704 if there is none. */
TDBPLUS_CHECKED tdbplus_status bind_find_type(struct binder *binder,
                                              const struct ast_table_ref *name,
                                              struct catalog_entry *entry_out);
/* Columns of tables that are of a type, arrays of it, or of a domain over it. */
struct type_user {
    struct catalog_entry table;
    uint32_t position; /* Of the column; begins at UINT32_MAX. */
};

/* The next one; false when there are no more. */
bool bind_next_type_user(struct binder *binder, uint64_t type, struct type_user *user);
/* 42710 if a type, or a relation, which has a type of its own, has the name. */
TDBPLUS_CHECKED tdbplus_status bind_new_type(struct binder *binder,
                                             const struct ast_table_ref *name,
                                             struct catalog_entry *entry_out);
struct type_info;
TDBPLUS_CHECKED tdbplus_status bind_encode_type(struct binder *binder, const struct type_info *info,
                                                struct span *definition_out);

/* ---- queries: select.c, from.c, group.c, set.c ---- */

/* Binds SELECT, VALUES or a set operation. With `keep_unknown`, columns that are unknown literals
 * stay so for the caller to decide; otherwise they become text. */
TDBPLUS_CHECKED tdbplus_status bind_select(struct binder *binder, struct bind_query *outer,
                                           const struct ast_select *ast, bool keep_unknown,
                                           struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_from(struct binder *binder, struct bind_query *query,
                                         const struct ast_list *from, struct plan **plan_out);
/* A join without conditions. */
TDBPLUS_CHECKED tdbplus_status bind_join_plan(struct binder *binder, struct plan *left,
                                              struct plan *right, enum plan_join kind,
                                              struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_with(struct binder *binder, struct bind_query *query,
                                         const struct ast_with *with);
/* Puts the owner of the query's own WITH queries on top, if there are any. */
TDBPLUS_CHECKED tdbplus_status bind_own_ctes(struct binder *binder, const struct bind_query *query,
                                             struct plan **plan);
struct bind_cte *bind_find_cte(const struct bind_query *query, const char *name);
TDBPLUS_CHECKED tdbplus_status bind_cte_reader(struct binder *binder, struct bind_query *query,
                                               struct bind_cte *cte,
                                               const struct ast_table_ref *table,
                                               struct plan **plan_out);
/* Names a plan's columns in the query: an alias may rename the first ones. */
TDBPLUS_CHECKED tdbplus_status bind_add_named(struct binder *binder, struct bind_query *query,
                                              const struct plan_column *columns, uint32_t count,
                                              const struct ast_alias *alias, const char *table);
TDBPLUS_CHECKED tdbplus_status bind_table_function(struct binder *binder, struct bind_query *query,
                                                   const struct ast_table_function *ast,
                                                   struct plan **plan_out);

/* ---- files: file.c ---- */

bool bind_is_file_function(const struct ast_table_function *ast);
TDBPLUS_CHECKED tdbplus_status bind_file_function(struct binder *binder, struct bind_query *query,
                                                  const struct ast_table_function *ast,
                                                  struct plan **plan_out);

/* A name that is no table's but a file's, by its ending; *done_out false: it is not. */
TDBPLUS_CHECKED tdbplus_status bind_file_name(struct binder *binder, struct bind_query *query,
                                              const struct ast_table_ref *table, bool *done_out,
                                              struct plan **plan_out);

/* Reads all columns of a spec, which stays the caller's. */
TDBPLUS_CHECKED tdbplus_status bind_file_plan(struct binder *binder, const struct file_spec *spec,
                                              struct plan **plan_out);

/* A join whose right side may read the left one's columns: query->lateral says which. */
TDBPLUS_CHECKED tdbplus_status bind_lateral_join(struct binder *binder,
                                                 const struct bind_query *query, struct plan *left,
                                                 struct plan *right, enum plan_join kind,
                                                 struct plan **plan_out);

/* The name that PostgreSQL gives to an expression without an alias. */
const char *bind_default_name(const struct ast *ast);

/* 54011 when a clause has more expressions than there may be: each is compared with each. */
TDBPLUS_CHECKED tdbplus_status bind_limit_entries(struct binder *binder, uint32_t count);

/* 42601 when what should be a column's number or an expression is another constant. */
TDBPLUS_CHECKED tdbplus_status bind_reject_constant(struct binder *binder, const struct ast *ast,
                                                    const char *clause);
/* Adds to what the current item of FROM reads of the items before it. */
TDBPLUS_CHECKED tdbplus_status bind_note_lateral(struct binder *binder, struct bind_query *query,
                                                 const struct pointers *ids);
TDBPLUS_CHECKED tdbplus_status bind_set_operation(struct binder *binder, struct bind_query *query,
                                                  const struct ast_select *ast,
                                                  struct plan **plan_out);
/* The set operation over two bound sides. */
TDBPLUS_CHECKED tdbplus_status bind_set_plan(struct binder *binder, const struct ast_select *ast,
                                             struct plan *left, struct plan *right,
                                             struct plan **plan_out);
/* A side with its columns cast to these types. */
TDBPLUS_CHECKED tdbplus_status bind_cast_plan(struct binder *binder,
                                              const struct plan_column *columns,
                                              struct plan **plan);
TDBPLUS_CHECKED tdbplus_status bind_values(struct binder *binder, struct bind_query *query,
                                           const struct ast_select *ast, struct plan **plan_out);

/* Reads all columns of a table under an alias; the hidden key too if `with_hidden`. */
TDBPLUS_CHECKED tdbplus_status bind_scan(struct binder *binder, struct bind_query *query,
                                         const struct object *object, const char *alias,
                                         bool with_hidden, struct plan **plan_out);

/* FOR UPDATE and the like: lock.c. A LOCK without an input, whose keys have the ids of the tables'
 * columns. */
TDBPLUS_CHECKED tdbplus_status bind_locks(struct binder *binder, struct bind_query *query,
                                          const struct ast_select *ast, struct plan **lock_out);
TDBPLUS_CHECKED tdbplus_status bind_note_table(struct binder *binder, struct bind_query *query,
                                               const struct object *object, const char *alias,
                                               const struct plan *scan);

/* Select list: targets, with stars expanded, as expressions and names. */
struct bind_targets {
    struct pointers exprs; /* struct expr */
    struct pointers names; /* const char */
    struct pointers asts;  /* The values' syntax trees; NULL for columns of a star. */
};
TDBPLUS_CHECKED tdbplus_status bind_target_list(struct binder *binder, struct bind_query *query,
                                                const struct ast_list *targets,
                                                struct bind_targets *targets_out);

TDBPLUS_CHECKED tdbplus_status bind_add_target(struct binder *binder, struct bind_targets *targets,
                                               struct expr *expr, const char *name,
                                               const struct ast *ast);

/* ---- beyond PostgreSQL's grammar: friendly.c ---- */

/* A call of that name, which only sql/parse/friendly.h makes. */
bool bind_is_marker(const struct ast *ast, const char *name);

/* * EXCLUDE (...) REPLACE (...) */
TDBPLUS_CHECKED tdbplus_status bind_changed_star(struct binder *binder, struct bind_query *query,
                                                 const struct ast_function *ast,
                                                 struct bind_targets *targets);

/* ORDER BY ALL as the numbers of all columns. */
TDBPLUS_CHECKED tdbplus_status bind_order_all(struct binder *binder, const struct ast_select *ast,
                                              uint32_t column_count,
                                              struct ast_select *spelled_out);

/* GROUP BY ALL; and the targets that it means: those without aggregates and windows. */
bool bind_groups_all(const struct ast_select *ast);
bool bind_is_group_key(const struct bind_query *query, struct expr *expr);

/* A query without its mark of BY NAME; NULL: it has none. */
TDBPLUS_CHECKED tdbplus_status bind_unmark(struct binder *binder, const struct ast *query,
                                           const struct ast_select **unmarked_out);

/* Both sides of a set operation with all columns of either, by name. */
TDBPLUS_CHECKED tdbplus_status bind_align(struct binder *binder, struct plan **left,
                                          struct plan **right);

/* DESCRIBE and SUMMARIZE: *done_out false when the subquery is neither. */
TDBPLUS_CHECKED tdbplus_status bind_about(struct binder *binder, struct bind_query *query,
                                          const struct ast_table_subquery *ast, bool *done_out,
                                          struct plan **plan_out);

/* Puts a projection on top; ids are new. */
TDBPLUS_CHECKED tdbplus_status bind_project(struct binder *binder, struct plan *input,
                                            struct pointers *exprs, struct pointers *names,
                                            struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_filter(struct binder *binder, struct plan *input,
                                           struct expr *condition, struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_limit(struct binder *binder, struct bind_query *query,
                                          const struct ast *count, const struct ast *offset,
                                          struct plan **plan);

/* GROUPING(...): a number that is known when the groups are. */
struct bind_grouping_call {
    uint32_t id; /* Of the column that stands for it until then. */
    uint32_t position;
    struct pointers arguments; /* struct expr */
};
TDBPLUS_CHECKED tdbplus_status bind_grouping_call(struct binder *binder, struct bind_query *query,
                                                  const struct ast_grouping_call *ast,
                                                  struct expr **expr_out);

/* Grouping: turns the input into an aggregate if the query has groups or aggregates, and the
 * expressions into ones over its output. */
struct bind_grouping {
    struct pointers keys; /* struct expr over the input */
    uint32_t *ids;        /* Of the keys in the output. */
    bool needed;
    struct pointers sets; /* struct group_set; one or none: plain GROUP BY. */
    uint32_t set_id;      /* Of the column that numbers the sets. */
};
TDBPLUS_CHECKED tdbplus_status bind_group_keys(struct binder *binder, struct bind_query *query,
                                               const struct ast_select *ast,
                                               struct bind_targets *targets,
                                               struct bind_grouping *grouping);
TDBPLUS_CHECKED tdbplus_status bind_aggregate_plan(struct binder *binder, struct bind_query *query,
                                                   struct bind_grouping *grouping,
                                                   struct plan **plan);
TDBPLUS_CHECKED tdbplus_status bind_over_groups(struct binder *binder, struct bind_query *query,
                                                struct bind_grouping *grouping, struct expr **expr);
/* The same for what the query's windows and window functions read. */
TDBPLUS_CHECKED tdbplus_status bind_windows_over_groups(struct binder *binder,
                                                        struct bind_query *query,
                                                        struct bind_grouping *grouping);

/* ---- statements: change.c, table.c ---- */

TDBPLUS_CHECKED tdbplus_status bind_insert(struct binder *binder, struct bind_query *outer,
                                           const struct ast_insert *ast, struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_update(struct binder *binder, struct bind_query *outer,
                                           const struct ast_update *ast, struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_delete(struct binder *binder, struct bind_query *outer,
                                           const struct ast_delete *ast, struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_change_statement(struct binder *binder, const struct ast *root,
                                                     struct bound *bound);
/* COPY FROM: the columns that a file fills. */
struct bind_copy {
    struct ast_list columns; /* AST_TARGET. */
    struct file_column *file_columns;
    const void *target; /* change.c's. */
};
TDBPLUS_CHECKED tdbplus_status bind_copy_target(struct binder *binder,
                                                const struct ast_table_ref *table,
                                                const struct ast_names *names,
                                                struct bind_copy *copy);
/* The insertion of a source's rows, whose columns are copy->file_columns. */
TDBPLUS_CHECKED tdbplus_status bind_copy_rows(struct binder *binder, const struct bind_copy *copy,
                                              struct plan *source, const struct ast *where,
                                              struct plan **plan_out);
TDBPLUS_CHECKED tdbplus_status bind_copy_statement(struct binder *binder,
                                                   const struct ast_copy *ast, struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_explain(struct binder *binder, const struct ast_explain *ast,
                                            struct bound *bound);
TDBPLUS_CHECKED tdbplus_status bind_merge(struct binder *binder, const struct ast_merge *ast,
                                          struct plan **plan_out);
/* Takes the storage parameters over into the description of the table. */
TDBPLUS_CHECKED tdbplus_status bind_table_options(struct binder *binder,
                                                  const struct ast_list *options,
                                                  struct bound_create *create);
TDBPLUS_CHECKED tdbplus_status bind_create_table(struct binder *binder,
                                                 const struct ast_create_table *ast,
                                                 struct bound_create *create_out);
TDBPLUS_CHECKED tdbplus_status bind_create_table_as(struct binder *binder,
                                                    const struct ast_create_table_as *ast,
                                                    struct bound_create *create_out);
/* The table with one more column or constraint. */
TDBPLUS_CHECKED tdbplus_status bind_extend_table(struct binder *binder, const struct object *object,
                                                 const struct ast *element,
                                                 struct bound_create *create_out);
/* What ALTER COLUMN name SET DEFAULT says. */
struct span bind_slice_set_default(struct span text, const char *name);
/* The text with another name for a column. */
TDBPLUS_CHECKED tdbplus_status bind_rename_in(struct binder *binder, const char *text,
                                              const char *from, const char *to,
                                              const char **text_out);
/* nextval() of a sequence by its number. */
TDBPLUS_CHECKED tdbplus_status bind_next_of(struct binder *binder, uint64_t sequence,
                                            struct expr **expr_out);
/* A value as the column holds it. */
TDBPLUS_CHECKED tdbplus_status bind_assign(struct binder *binder,
                                           const struct schema_column *column, struct expr **expr);
TDBPLUS_CHECKED tdbplus_status bind_refresh(struct binder *binder, const struct ast_refresh *ast,
                                            struct bound_create *create_out);
TDBPLUS_CHECKED tdbplus_status bind_truncate(struct binder *binder, const struct ast_truncate *ast,
                                             struct bound_drop *drop_out);

/* An expression kept as text (a default, a check), bound over the query's columns. */
TDBPLUS_CHECKED tdbplus_status bind_stored_text(struct binder *binder, struct bind_query *query,
                                                const char *text, struct expr **expr_out);

/* The text of an expression that begins at `begin`: up to where the definition goes on. */
struct span bind_slice_default(struct span text, size_t begin);
struct span bind_slice_parentheses(struct span text, size_t begin);
struct span bind_slice_generated(struct span text, size_t begin);

/* True when a function inside may differ from one statement to the next. */
bool bind_is_stable(struct expr *expr);

/* The text of a CREATE INDEX's element that is an expression, and of its WHERE. */
struct span bind_slice_index(struct span text, uint32_t number);
struct span bind_slice_predicate(struct span text);

/* ---- indexes: bind_index.c ---- */

/* The columns of a table that is there or about to be made, as definitions of its parts see it. */
struct bind_table {
    const char *schema_name; /* NULL: the default one. */
    const char *name;
    const struct object *object; /* NULL: about to be made. */
    const struct schema_column *columns;
    uint32_t column_count;
    const struct bound_index *indexes; /* About to be made with it. */
    uint32_t index_count;
};

TDBPLUS_CHECKED tdbplus_status bind_table_of(struct arena *arena, const struct object *object,
                                             struct bind_table *table_out, struct err *err);

/* "t_a_b_idx", then "t_a_b_idx1": the name of a part of a table that PostgreSQL makes up. */
TDBPLUS_CHECKED tdbplus_status bind_choose_name(struct binder *binder,
                                                const struct bind_table *table, const char *columns,
                                                const char *label, const char **name_out);

TDBPLUS_CHECKED tdbplus_status bind_create_index(struct binder *binder,
                                                 const struct ast_create_index *ast,
                                                 struct bound_index *index_out);

/* The index behind UNIQUE; `names` are its columns. */
TDBPLUS_CHECKED tdbplus_status bind_unique(struct binder *binder, const struct bind_table *table,
                                           const struct ast_names *names,
                                           const struct ast_constraint *ast,
                                           struct bound_index *index_out);
TDBPLUS_CHECKED tdbplus_status bind_drop_index(struct binder *binder, const struct ast_drop *ast,
                                               struct bound_drop *drop_out);

/* Which unique indexes ON CONFLICT means: their ids, 0 for the primary key. */
TDBPLUS_CHECKED tdbplus_status bind_arbiters(struct binder *binder, const struct object *table,
                                             bool hidden_key, const struct ast_conflict *ast,
                                             struct plan_change *change);

/* Gives a new scan the indexes of its table, for the optimiser to choose from. */
TDBPLUS_CHECKED tdbplus_status bind_plan_indexes(struct binder *binder, struct plan *scan,
                                                 bool hidden_key);

/* ---- foreign keys: bind_foreign.c ---- */

/* A foreign key of a table that is about to be made; its columns and indexes are known. */
TDBPLUS_CHECKED tdbplus_status bind_foreign(struct binder *binder, const struct bind_table *table,
                                            const struct bound_create *create,
                                            const struct ast_names *names,
                                            const struct ast_constraint *ast,
                                            struct bound_foreign *foreign_out);
TDBPLUS_CHECKED tdbplus_status bind_set_constraints(struct binder *binder,
                                                    const struct ast_set_constraints *ast,
                                                    struct bound_constraints *constraints_out);

/* Tables about to be emptied may not be referred to by others; with CASCADE those are emptied too.
 */
TDBPLUS_CHECKED tdbplus_status bind_check_references(struct binder *binder,
                                                     struct bound_drop *drop);
