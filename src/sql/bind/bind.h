#pragma once

/*
 * bind: syntax trees to logical plans. Names become columns and functions, every type is settled,
 * implicit casts are inserted as PostgreSQL does.
 *
 * Threads: everything may be called at once with different arenas and transactions.
 */

#include "catalog/catalog_sequence.h"
#include "index/am/index_def.h"
#include "sql/bind/access.h"
#include "sql/bind/table_info.h"
#include "sql/parse/parse.h"
#include "sql/plan/plan.h"
#include "txn/foreign_def.h"

#define BIND_PARAMETER_COUNT_MAX 65535u

enum bound_kind {
    BOUND_QUERY = 1,    /* `plan` gives rows. */
    BOUND_CHANGE,       /* `plan` changes rows, and gives some if it has columns. */
    BOUND_CREATE_TABLE, /* `create`. */
    BOUND_TRUNCATE,     /* `drop`: the tables. */
    BOUND_ANALYZE,      /* `drop`: the tables; none: all. */
    BOUND_EXPLAIN,      /* `plan` is what is explained. */
    BOUND_CREATE_INDEX, /* `index`. */
    BOUND_DROP_INDEX,   /* `drop`: the indexes. */
    BOUND_CONSTRAINTS,  /* `constraints`. */
    BOUND_COPY_TO,      /* `plan` gives the rows, `copy` says where they go. */
    BOUND_ALTER_TABLE,  /* `alter`. */
    BOUND_ACTIONS,      /* `actions`: changes of the catalog, one after the other. */
    BOUND_ROLES,        /* `roles`: a statement about roles or privileges. */
    BOUND_SESSION,      /* Nothing for SQL to do: transactions, settings, PREPARE and the like. */
};

/* An index to be made. Columns are known by the ids they have, or will have. */
struct bound_index {
    const char *schema; /* Of the table, and so of the index. */
    const char *name;
    const struct object *table; /* NULL: made by the same statement. */
    struct index_def def;
    bool exists; /* IF NOT EXISTS, and it does. */
};

/* A foreign key to be made. */
struct bound_foreign {
    const char *name;
    const struct object *referenced; /* NULL: the table that is made by the same statement. */
    const char *index_name; /* Then: the unique index of it that is meant; NULL: the key. */
    struct foreign_def def; /* Without `table`, and what is not known yet. */
};

/* The sequence of a column, made with it. */
struct bound_sequence {
    const char *schema;
    const char *name;
    uint32_t column_id;
    struct sequence_def def;
};

/* A comment on a column, made with it. */
struct bound_comment {
    uint32_t column_id;
    const char *text;
};

struct bound_create {
    const char *name; /* As the store keeps it. */
    const char *schema_name;
    struct schema *schema; /* A description for schema_create(), in the arena. */
    struct table_info info;
    bool exists;         /* IF NOT EXISTS, and it does. */
    struct plan *source; /* CREATE TABLE AS; NULL: no rows. */
    struct bound_index *indexes;
    uint32_t index_count;
    struct bound_foreign *foreign_keys;
    uint32_t foreign_count;
    struct bound_sequence *sequences;
    uint32_t sequence_count;
    struct bound_comment *comments;
    uint32_t comment_count;
    const struct catalog_entry *view; /* Of a materialized view; its owner is the table. */
    const struct object *refreshed; /* REFRESH: the table that gets the rows instead of its own. */
};

/* SET CONSTRAINTS. */
struct bound_constraints {
    uint64_t *oids; /* None: all. */
    uint32_t count;
    bool deferred;
};

/* COPY. */
struct bound_copy {
    const struct file_spec *spec; /* NULL: no COPY. Without paths: STDIN or STDOUT. */
    bool from_caller;             /* FROM STDIN. */
};

struct bound_drop {
    const struct object **objects;
    uint32_t count;
    uint32_t missing_count; /* IF EXISTS, and they do not. */
    bool cascade;
    bool restart; /* TRUNCATE: sequences too. */
};

enum bound_action_kind {
    ACTION_CREATE = 1,      /* `entry`. */
    ACTION_ALTER,           /* `oid` becomes `entry`. */
    ACTION_DROP,            /* `oid`, and what it owns. */
    ACTION_CREATE_SEQUENCE, /* `entry`, `sequence`. */
    ACTION_ALTER_SEQUENCE,  /* `oid` becomes `entry`, `sequence`. */
    ACTION_TABLE,       /* The table `oid` gets another `name`, `properties`: those that are set. */
    ACTION_ALTER_TABLE, /* `alter`. */
    ACTION_CHECK_ROWS,  /* No row of the table `oid` may be `broken`: the error is `name`. */
};

/* ALTER TABLE: its commands are bound one by one, when those before have been done. */
struct ast_alter_command;
struct bound_alter_table;

/* One change of the catalog. Everything is in the arena. */
struct bound_action {
    uint8_t kind; /* enum bound_action_kind. */
    uint64_t oid;
    struct catalog_entry entry;
    const char *name; /* As the store keeps it. */
    struct span properties;
    struct sequence_def sequence;
    const struct bound_alter_table *alter;
    struct expr *broken; /* Over the columns' positions plus one; */
    bool nulls;          /* it looks for nulls (23502), else for what a check forbids (23514). */
    bool reshapes;       /* ALTER SEQUENCE: its numbers have another form now. */
    bool restarts;       /* It begins again with `sequence.restart`. */
    uint64_t role;       /* Owner of what is made; 0: whoever makes it. */
    struct bound_action *next;
};

/* What one command of ALTER TABLE does. Expressions of rows are over the old columns' positions
 * plus one. */
struct bound_alter {
    struct schema *schema;   /* A description; NULL: stays. */
    struct table_info *info; /* NULL: stays. */
    struct expr **exprs;     /* All rows are written anew; NULL in it: the old column. */
    bool new_hidden_key;     /* The rows get a hidden key, */
    bool new_key;            /* or another key. */
    bool new_column;         /* `new_position` of the schema. */
    bool new_sequence;       /* The column counts by the sequence that is added. */
    uint32_t new_position;
    struct expr *missing;           /* What rows have in it that are there; NULL: null. */
    const char *no_nulls;           /* Of a column, in which no row may have a null. */
    const struct table_text *check; /* That all rows must fulfil. */
    uint64_t *drops;
    uint32_t drop_count;
    struct bound_action *actions;
    struct bound_create *added; /* Indexes, foreign keys, sequences. */
};

/* Where names without a schema are looked for. */
struct bind_session {
    const char *const *path;
    uint32_t path_count;
    const char *temp_schema; /* Of this session's temporary tables. */
    uint64_t role;           /* Who asks. */
    uint64_t session_role;   /* Who may become another: SESSION_USER. */
};

/* The entry of that kind (0: of any relation) that a name means; `session` may be NULL. */
bool bind_find_named(struct txn *txn, const struct bind_session *session, uint8_t kind,
                     const char *schema, const char *name, struct catalog_entry *entry_out);

/* Where the relations of pg_catalog and information_schema are found (sql/system). */
struct bind_system {
    const struct plan_system *(*find_table)(const char *schema, const char *name);
    const char *(*find_view)(const char *schema, const char *name); /* Its query. */
    uint32_t (*column_count)(const struct plan_system *table);
    struct type (*column)(const struct plan_system *table, uint32_t number, struct span *name_out);
};

struct bind_options {
    struct span text; /* What was parsed: errors point into it. */
    struct txn *txn;
    const struct bind_session *names;   /* NULL: only the default schema. */
    const struct func_session *session; /* NULL: defaults. */
    const struct bind_system *system;   /* NULL: there are none. */
    const struct type *parameters;      /* Types the caller says; TYPE_NONE: to be found out. */
    uint32_t parameter_count;
    uint32_t reserved;
};

struct bound_alter_table {
    uint64_t table;
    const struct ast_alter_table *ast;
    struct bind_options options;
};

/* An object of the catalog that what was bound holds on to, in the content it had. */
struct bound_dependency {
    uint64_t oid;
    uint64_t revision;
    struct bound_dependency *next;
};

/* A statement ready to be planned. Everything is in the arena, or lives as long as the
 * transaction's view of the catalog (`struct object`). */
struct bound {
    uint8_t kind;    /* enum bound_kind. */
    const char *tag; /* "SELECT", "INSERT", "CREATE TABLE". */
    struct plan *plan;
    struct plan_explain explain; /* EXPLAIN. */
    struct bound_create create;
    struct bound_drop drop;
    struct bound_index index;
    struct bound_constraints constraints;
    struct bound_copy copy;
    struct bound_action *actions;
    struct bound_alter_table alter;
    struct type *parameters; /* What $1 and so on must be. */
    uint32_t parameter_count;
    uint32_t next_id;                      /* Column ids from here on are free. */
    struct bound_dependency *dependencies; /* Beside the tables that the plan names. */
    const struct bound_access *accesses;   /* What it needs privileges for. */
    const struct ast *roles;
};

/*
 * Binds one statement. *bound_out is untouched on failure.
 *
 *   TDBPLUS_E_SQL, TDBPLUS_E_NOT_FOUND, TDBPLUS_E_TYPE, ...  with PostgreSQL's SQLSTATE, position
 *                          and, where it helps, a hint
 *   TDBPLUS_E_UNSUPPORTED  0A000 naming what this release has not
 *   TDBPLUS_E_NOMEM
 */
TDBPLUS_CHECKED tdbplus_status bind_statement(const struct parse_statement *statement,
                                              const struct bind_options *options,
                                              struct arena *arena, struct bound *bound_out,
                                              struct err *err);

/* What the name of a type means; errors as bind_statement(). */
TDBPLUS_CHECKED tdbplus_status bind_type_name(const struct ast *name,
                                              const struct bind_options *options,
                                              struct arena *arena, struct type *type_out,
                                              struct err *err);

/* An expression kept as text in a part of a table (an index, a check), over the table's columns,
 * whose ids are their positions plus one. */
TDBPLUS_CHECKED tdbplus_status bind_table_text(struct txn *txn, const struct object *table,
                                               const char *text, struct arena *arena,
                                               struct expr **expr_out, struct err *err);

TDBPLUS_CHECKED tdbplus_status bind_alter_command(const struct bind_options *options,
                                                  uint64_t table,
                                                  const struct ast_alter_command *command,
                                                  struct arena *arena, struct bound_alter *step_out,
                                                  struct err *err);

/* The next number of a sequence as a column holds it. */
TDBPLUS_CHECKED tdbplus_status bind_sequence_value(uint64_t sequence,
                                                   const struct schema_column *column,
                                                   struct arena *arena, struct expr **expr_out,
                                                   struct err *err);

/* 22023 unless a sequence can go on with that number. */
TDBPLUS_CHECKED tdbplus_status bind_check_restart(int64_t value, const struct sequence_def *def,
                                                  struct err *err);

/* The default of a table's column, as INSERT has it; a constant null if there is none. */
TDBPLUS_CHECKED tdbplus_status bind_column_default(struct txn *txn, const struct object *table,
                                                   uint32_t position, struct arena *arena,
                                                   struct expr **expr_out, struct err *err);
