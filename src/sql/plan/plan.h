#pragma once

/*
 * Logical plans: what a statement does, as a tree of relational operators. The binder makes them,
 * the optimiser changes them, the executor compiles them.
 */

#include "files/source.h"
#include "sql/func/aggregate.h"
#include "sql/plan/expr.h"
#include "txn/txn.h"

enum plan_kind {
    PLAN_VALUES = 1, /* Rows of expressions; one row without columns for a missing FROM. */
    PLAN_SCAN,
    PLAN_SERIES, /* generate_series() */
    PLAN_FILE,   /* Rows of files, or handed over by COPY ... FROM STDIN. */
    PLAN_FILTER,
    PLAN_PROJECT,
    PLAN_AGGREGATE,
    PLAN_JOIN,
    PLAN_SORT,
    PLAN_LIMIT,
    PLAN_DISTINCT,
    PLAN_SET,
    PLAN_CTE, /* Reads the rows of a materialised WITH query. */
    PLAN_WINDOW,
    PLAN_GROUPING, /* Each row once a grouping set: the input, then the keys, then the set. */
    PLAN_EXPAND,   /* Rows of arrays: the input's columns, then an item of each array. */
    PLAN_APPLY,    /* A join whose right side reads columns of the left: LATERAL. */
    PLAN_WITH,     /* Owns WITH queries that its input reads. */
    PLAN_LOCK,     /* Locks the rows of tables that its input was made from. */
    PLAN_SAMPLE,   /* Some of the rows. */
    PLAN_WORK,     /* Reads what the last round of a recursive WITH query has found. */
    PLAN_SYSTEM,   /* Reads a relation of the system catalog. */
    PLAN_INSERT,
    PLAN_UPDATE,
    PLAN_DELETE,
};

enum plan_join {
    JOIN_INNER = 0,
    JOIN_LEFT,
    JOIN_RIGHT,
    JOIN_FULL,
    JOIN_SEMI,
    JOIN_ANTI,
    JOIN_RIGHT_SEMI, /* The optimiser's: the right rows that have a match, */
    JOIN_RIGHT_ANTI, /* or have none. */
};

enum plan_set { SET_UNION = 0, SET_INTERSECT, SET_EXCEPT };

struct plan_column {
    uint32_t id;
    struct type type;
    const char *name; /* May be NULL inside of a plan. */
};

struct plan_key {
    struct expr *value;
    bool descending;
    bool nulls_first;
};

/* Aggregates that look at all rows of a group in order: WITHIN GROUP. */
enum plan_ordered_set {
    ORDERED_NONE = 0,
    ORDERED_PERCENTILE_CONT,
    ORDERED_PERCENTILE_DISC,
    ORDERED_MODE,
    ORDERED_RANK, /* These four: of the row of `direct` arguments, if it were in the group. */
    ORDERED_DENSE_RANK,
    ORDERED_PERCENT_RANK,
    ORDERED_CUME_DIST,
};

struct plan_aggregate {
    const struct aggregate *aggregate; /* NULL for ordered sets. */
    struct expr *arguments[2];
    uint32_t argument_count;
    struct expr *filter;
    bool distinct;
    uint8_t ordered_set;    /* enum plan_ordered_set. */
    struct plan_key *order; /* Of the rows of a group. */
    uint32_t order_count;
    struct expr **direct; /* Of ordered sets: the same for all rows of a group. */
    uint32_t direct_count;
};

enum plan_window_kind {
    WINDOW_AGGREGATE = 0,
    WINDOW_ROW_NUMBER,
    WINDOW_RANK,
    WINDOW_DENSE_RANK,
    WINDOW_PERCENT_RANK,
    WINDOW_CUME_DIST,
    WINDOW_NTILE,
    WINDOW_LAG,
    WINDOW_LEAD,
    WINDOW_FIRST_VALUE,
    WINDOW_LAST_VALUE,
    WINDOW_NTH_VALUE,
    WINDOW_LOCF,        /* The last value that is not null. */
    WINDOW_INTERPOLATE, /* A null between two values lies on the line between them. */
};

enum plan_frame_mode { FRAME_RANGE = 0, FRAME_ROWS, FRAME_GROUPS };

enum plan_frame_bound {
    FRAME_UNBOUNDED_PRECEDING = 0,
    FRAME_PRECEDING,
    FRAME_CURRENT,
    FRAME_FOLLOWING,
    FRAME_UNBOUNDED_FOLLOWING,
};

enum plan_frame_exclude {
    FRAME_EXCLUDE_NONE = 0,
    FRAME_EXCLUDE_CURRENT,
    FRAME_EXCLUDE_GROUP,
    FRAME_EXCLUDE_TIES,
};

/* Which rows around the current one a window function sees. Offsets read no row. */
struct plan_frame {
    uint8_t mode;    /* enum plan_frame_mode. */
    uint8_t start;   /* enum plan_frame_bound. */
    uint8_t end;     /* The same. */
    uint8_t exclude; /* enum plan_frame_exclude. */
    struct expr *start_offset;
    struct expr *end_offset;
};

struct plan_window_call {
    uint8_t kind; /* enum plan_window_kind. */
    const struct aggregate *aggregate;
    struct expr *arguments[3];
    uint32_t argument_count;
    struct expr *filter;
    struct plan_frame frame;
};

/* Calls that share PARTITION BY and ORDER BY. The output is the input's columns, then one a call.
 */
struct plan_window {
    struct expr **partition;
    uint32_t partition_count;
    struct plan_key *keys;
    uint32_t key_count;
    struct plan_window_call *calls;
    uint32_t call_count;
};

/* A comparison of a stored column with a value that is known when the scan begins. */
struct plan_condition {
    uint32_t position;  /* In the schema. */
    uint8_t compare;    /* enum scan_compare. */
    struct expr *value; /* NULL for IS NULL and IS NOT NULL. */
};

struct plan_bound {
    struct expr **values;
    uint32_t value_count;
    bool exclusive;
};

/* An index of a scan's table. Expressions are over the scan's columns. */
struct plan_index {
    uint64_t id; /* 0: the table's key. */
    const char *name;
    bool hash;
    bool unique;
    struct expr **columns;
    uint32_t *positions; /* Of plain columns in the schema; UINT32_MAX: an expression. */
    bool *descending;
    bool *nulls_first;
    uint32_t column_count;
    struct expr *predicate; /* NULL: all rows have entries. */
    uint32_t *stored;       /* Positions of the columns that its entries have. */
    uint32_t stored_count;
};

/* A range of an index: its first columns equal values, the next one lies between bounds. */
struct plan_probe {
    const struct plan_index *index;
    struct expr **equal; /* NULL in it: IS NULL. */
    uint32_t equal_count;
    struct expr *lower; /* NULL: none. */
    struct expr *upper;
    bool lower_exclusive;
    bool upper_exclusive;
    bool not_null; /* The next column, if it has no bounds. */
};

/* How a scan finds its rows other than by reading the table: in all of the ranges, each once. The
 * scan's conditions hold besides. */
struct plan_access {
    struct plan_probe *probes;
    uint32_t probe_count;
    bool ordered; /* Rows come in the order of the only range, */
    bool descending;
};

/*
 * A plan may outlive the transaction it was bound in: `object` is looked up again by `object_id` in
 * the transaction that runs it, and must have the version it was bound with.
 */
struct plan_scan {
    const struct object *object;
    uint64_t object_id;
    uint32_t schema_version;
    const char *table_name;
    uint32_t *positions;     /* Of each output column in the schema. */
    struct scan_path *paths; /* Parts of documents that some of them are; NULL: none. */
    struct plan_condition *conditions;
    uint32_t condition_count;
    struct plan_bound lower;
    struct plan_bound upper;
    uint8_t order; /* enum scan_order, by the key. */
    bool narrow;   /* That order is how few keys are found, nobody asked for it. */
    struct plan_index *indexes;
    uint32_t index_count;
    struct plan_access *access; /* NULL: the table is read. */
};

/* A WITH query that is run once; all its readers share it. */
struct plan_cte {
    struct plan *plan;
    const char *name;
    uint32_t number; /* Unique in the statement. */
    uint32_t reader_count;
    bool changes;      /* INSERT, UPDATE or DELETE: runs to its end, whoever reads it. */
    bool materialized; /* Asked for by MATERIALIZED. */
    /* WITH RECURSIVE: `plan` gives the first rows, `step` more from those of the last round, until
     * there are none; `distinct` leaves out rows that were there before. */
    struct plan *step;
    bool distinct;
    double rows; /* Guessed of `plan`, once that is planned; 0: not yet. */
};

/* What INSERT does when the key exists. */
enum plan_conflict { CONFLICT_ERROR = 0, CONFLICT_NOTHING, CONFLICT_UPDATE };

/*
 * A change of rows. Its input's columns are:
 *   INSERT: the columns of the schema in order.
 *   UPDATE: the key of the old row, then the columns of the new row in the schema's order.
 *   DELETE: the key of the row, then what RETURNING reads.
 * Its output's columns are those of the new row (INSERT, UPDATE) or the input's (DELETE).
 */
struct plan_change {
    const struct object *object;
    uint64_t object_id;
    uint32_t schema_version;
    const char *table_name;
    uint8_t conflict;
    uint64_t *arbiters; /* ON CONFLICT: ids of the unique indexes that count; 0: the key. */
    uint32_t arbiter_count;
    bool once;            /* MERGE: a row that is met again is an error. */
    bool distinct;        /* UPDATE, DELETE: no row can be met again, there is no join. */
    bool bulk;            /* INSERT: many rows may come, which nobody else reads. */
    bool silent;          /* Of a WITH query: the statement's tag does not count its rows. */
    bool has_hidden_key;  /* The last column is the hidden row id. */
    struct expr **checks; /* On the new row's columns; false is an error. */
    const char **check_names;
    uint32_t check_count;
    uint32_t view_check_count; /* The last so many are of views: null is an error too. */
    /* CONFLICT_UPDATE: expressions of the new row over the old row's columns (`old_ids`) and the
     * row proposed (`new_ids`), in the schema's order; `where` may be NULL. */
    uint32_t *old_ids;
    uint32_t *new_ids;
    struct expr **updates;
    uint32_t update_count;
    struct expr *where;
};

enum plan_lock_wait { LOCK_WAITS = 0, LOCK_SKIPS, LOCK_FAILS };

/* FOR UPDATE and the like: the rows of one table, by the columns that have their keys. */
struct plan_lock {
    uint64_t object_id;
    const char *table_name;
    uint32_t *key_ids;
    uint32_t key_count;
    uint8_t strength; /* 1 key share, 2 share, 3 no key update, 4 update. */
    uint8_t wait;     /* enum plan_lock_wait. */
};

struct plan_file {
    const struct file_spec *spec;
    uint32_t *positions; /* Of each output column in the spec. */
    /* Hints, by which parts of files are left out; what is above checks every row. */
    struct plan_condition *conditions;
    uint32_t condition_count;
};

/*
 * A relation of the system catalog (sql/system gives them): its rows are made when it is read.
 * `fill` puts all of them, in order of columns, into `rows`, whose shape only sql/system knows.
 */
struct system_rows;

struct plan_system {
    const char *name;
    uint32_t oid;
    tdbplus_status (*fill)(struct system_rows *rows); /* NULL: it has none. */
    const char *columns; /* "oid:o relname:n": names, and letters for types. */
};

struct plan {
    uint8_t kind; /* enum plan_kind. */
    double rows;  /* That it gives, about; 0: nobody has guessed. */
    struct plan *left;
    struct plan *right;
    struct plan_column *columns; /* Of the output. */
    uint32_t column_count;
    /* FILTER: conditions, all of which must hold. PROJECT: one a column. VALUES: row after row.
     * AGGREGATE: group keys, which are the first columns. JOIN, APPLY: conditions. SERIES:
     * arguments.
     * EXPAND: arrays, whose items are columns of the arrays' element type, or of their own type
     * where each part along the first dimension is a row's value.
     * DISTINCT: what ON says; none: all columns. LIMIT: count and offset, either may be NULL,
     * then what rows that tie with the last one share (WITH TIES). LOCK: the count and offset of
     * the LIMIT above. SAMPLE: the percentage and the seed, which may be NULL. */
    struct expr **exprs;
    uint32_t expr_count;
    union {
        uint32_t row_count; /* VALUES. */
        struct plan_scan scan;
        struct plan_file file;
        struct {
            struct plan_aggregate *aggregates;
            uint32_t aggregate_count;
            /* Over GROUPING: which sets are of no key, and so have a group without rows. */
            const uint32_t *empty_sets;
            uint32_t empty_set_count;
        };
        struct {
            const uint8_t *in_set; /* GROUPING: of each set, which keys are in it. */
            uint32_t set_count;
        };
        struct {
            uint8_t join_kind;   /* APPLY: JOIN_INNER or JOIN_LEFT. */
            uint32_t *apply_ids; /* Columns of the left side that the right side reads. */
            uint32_t apply_count;
        };
        struct {
            struct plan_lock *locks;
            uint32_t lock_count;
        };
        bool by_batch; /* SAMPLE: many rows at once go or stay (SYSTEM). */
        struct {
            struct plan_cte **ctes;
            uint32_t cte_count;
        };
        struct {
            struct plan_key *keys;
            uint32_t key_count;
            struct expr *top_count; /* At most so many rows are wanted; NULL: all. */
            struct expr *top_offset;
        };
        struct {
            uint8_t set_kind;
            bool set_all;
        };
        struct plan_cte *cte;
        struct plan_window *window;
        const struct plan_system *system;
        bool ordinality; /* EXPAND: the last column counts the rows of each input row. */
        struct plan_change change;
    };
};

struct plan *plan_make(struct arena *arena, enum plan_kind kind, uint32_t column_count);

/* The column with that id, or NULL. */
const struct plan_column *plan_find_column(const struct plan *plan, uint32_t id);

/* Calls `visit` for every expression of the node itself, through the pointer to it, so that it may
 * be replaced; stops and returns false when `visit` does. */
bool plan_each_slot(struct plan *plan, bool (*visit)(void *ctx, struct expr **slot), void *ctx);

/* The same for those that only look. */
bool plan_each_expr(struct plan *plan, bool (*visit)(void *ctx, struct expr *expr), void *ctx);

/* True when the access finds all that the scan gives in the index's entries. */
bool plan_index_only(const struct plan *scan);

/* Prints one operator with what it does, without its inputs, on one line. */
void plan_describe(const struct plan *plan, struct buffer *buffer);

/* What a run found out about one operator. */
struct plan_note {
    const struct plan *plan;
    uint64_t loops; /* How often it was run. */
    uint64_t rows;  /* In all loops. */
    uint64_t time_us;
};

/* What EXPLAIN was asked for. */
struct plan_explain {
    bool json;
    bool analyze;
    bool verbose; /* The output's columns. */
    bool costs;   /* Estimated rows. */
    bool timing;
    bool summary;
};

struct plan_explain_context {
    struct plan_explain options;
    const struct plan_note *notes;
    size_t note_count;
    double (*rows_of)(const struct plan *plan); /* With `costs`. */
    uint64_t time_us;                           /* Of the whole run. */
};

/* Prints the plan as EXPLAIN shows it: a line an operator, two blanks a level, or as JSON. */
void plan_explain_print(struct plan *plan, const struct plan_explain_context *context,
                        struct buffer *buffer);
