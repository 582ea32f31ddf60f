#pragma once

/*
 * Inside of the executor.
 *
 * A plan is compiled into pipelines: a source, which makes batches, and steps, through which they
 * are pushed. A pipeline breaker (sort, aggregate, the build side of a join, a change of rows)
 * is a source that runs another pipeline to its end first. What a stage remembers is in the stage,
 * what it makes for one batch is in that batch's arena.
 */

#include "base/call.h"
#include "base/list.h"
#include "sql/plan/plan.h"
#include "txn/txn.h"

/* A value of an outer row, while a correlated subquery runs. */
struct outer_value {
    uint32_t id;
    struct datum value;
    struct outer_value *next;
};

/* How far a statement is, in rows of the tables that it reads whole; subqueries that run again and
 * again are left out, since nobody knows how often. */
struct exec_progress {
    uint64_t expected;
    _Atomic uint64_t done;
};

/* One run of a plan. A correlated subquery runs in an exec of its own that points at this one. */
struct exec {
    struct txn *txn;
    const struct call *call;
    struct arena arena; /* Of compiled stages and what they keep. */
    struct func_context *context;
    const struct datum *parameters;
    uint32_t parameter_count;
    const struct bind_session *names; /* Who asks; NULL: the database's owner. */
    struct outer_value *outer;
    struct exec *parent;
    struct cte_rows *ctes; /* Materialised in this exec. */
    struct stage *stages;  /* All of them, to be closed. */
    struct exec *leader;   /* Whose joins and scans this one shares, as a worker of its team. */
    uint32_t thread_count; /* To be used at most; 0 is 1. */
    size_t spill_bytes;    /* What a sort, a group or a join may keep before it spills; 0: any. */
    const struct plan *limited; /* Right below a LIMIT: its first rows may be all that is wanted. */
    struct list *profile;       /* struct plan_note: EXPLAIN ANALYZE; NULL: nobody counts. */
    struct file_queue *copy_in; /* What COPY ... FROM STDIN was given; NULL: it is none. */
    struct exec_progress progress; /* Of the outermost exec, and of a team's leader. */
    uint64_t changed_rows;
    uint32_t depth;
};

/* So many rows will be read; 0 where they do not count. Returns what counts. */
uint64_t exec_progress_expect(struct exec *exec, uint64_t rows);

/* So many have been read; tells the caller of the statement, from the leader's thread. */
void exec_progress_add(struct exec *exec, uint64_t rows);

/* How the session reads and prints values; NULL: defaults. */
static inline const struct text_style *exec_style(const struct exec *exec)
{
    const struct func_context *context = exec->context;
    return context == NULL || context->session == NULL ? NULL : context->session->style;
}

#define EXEC_DEPTH_MAX 64u /* Of subqueries inside of subqueries while they run. */

/* ---- stages and pipelines: exec_pipeline.c ---- */

struct stage;

struct stage_ops {
    const char *name;
    /* Source: the next rows; TDBPLUS_END when there are none. A batch may be without live rows. */
    tdbplus_status (*next)(struct stage *stage, struct exec *exec, struct batch *out);
    /* Step: what becomes of `in`. *more_out: call again with the same batch. TDBPLUS_END: nobody
     * wants more input. */
    tdbplus_status (*push)(struct stage *stage, struct exec *exec, const struct batch *in,
                           struct batch *out, bool *more_out);
    /* Step, may be NULL: what comes after all input; TDBPLUS_END at last. */
    tdbplus_status (*drain)(struct stage *stage, struct exec *exec, struct batch *out);
    void (*close)(struct stage *stage); /* May be NULL. Never fails; memory goes with the arena. */
    /* May be NULL: what must be there before the first row is asked for, from the last stage to the
     * source. Called again it does nothing. */
    tdbplus_status (*begin)(struct stage *stage, struct exec *exec);
    bool passes_rows; /* What becomes of a row does not depend on other rows of the input. */
};

/* The first field of each stage's struct. */
struct stage {
    const struct stage_ops *ops;
    struct stage *next_of_all;
    struct stage *before;      /* NULL: a source. */
    const struct plan *origin; /* What it was compiled from. */
    struct batch input;        /* Of a step. */
    bool pending;              /* `input` has more to give. */
    bool joins;                /* Rows meet those of another input, */
    bool spills;               /* some of which are in files: their order is lost. */
    bool ended;                /* No more input. */
    bool stopped;              /* No more output. */
};

/* The end of a pipeline and the ids of its columns, in order. */
struct pipeline {
    struct stage *last;
    const struct plan_column *columns;
    uint32_t column_count;
};

/* A zeroed stage of `size` bytes, known to the exec; NULL when memory is out. */
void *stage_make(struct exec *exec, size_t size, const struct stage_ops *ops, struct stage *before);

/* Begins every stage of a pipeline. */
TDBPLUS_CHECKED tdbplus_status pipeline_begin(struct stage *last, struct exec *exec);

/* The stage of `exec` that was compiled from a plan, or NULL. */
struct stage *exec_find_stage(const struct exec *exec, const struct plan *plan);

/* True for joins that keep right rows without a match: a left row dropped before would show. */
bool stage_keeps_right(const struct stage *stage);

/* Of tables, without an access; and how many morsels it has, once begun. */
bool stage_is_scan(const struct stage *stage);
uint32_t scan_stage_morsels(const struct stage *stage);

/* Where in the order of one thread the rows of a pipeline's last batch come: by the morsel they
 * were read from, or behind all that was read. For pipelines of shared scans. */
uint32_t pipeline_piece(const struct stage *last);
uint32_t scan_stage_piece(const struct stage *stage);

/* True when a scan, once begun, gives its rows in order of the table's key, or backwards. */
bool scan_stage_in_order(const struct stage *stage);

/* The next batch with live rows; TDBPLUS_END at the end. `out` is reset first. */
TDBPLUS_CHECKED tdbplus_status pipeline_next(struct stage *last, struct exec *exec,
                                             struct batch *out);

TDBPLUS_CHECKED tdbplus_status exec_no_memory(struct exec *exec);

/* Of files; and into how many parts their reading can be cut. */
bool stage_is_file(const struct stage *stage);
uint32_t file_stage_units(const struct stage *stage);

/* If the source of a pipeline reads files: adds to an error where the row of its last batch stands.
 */
void file_stage_context(const struct stage *last, uint32_t row, struct err *err);

/* Fails when somebody cancelled the statement or its time is up: for loops that ask no pipeline for
 * rows and take long. */
TDBPLUS_CHECKED tdbplus_status exec_check(struct exec *exec);

/* The same for whoever has no exec. */
TDBPLUS_CHECKED tdbplus_status exec_check_call(const struct env *env, const struct call *call);

#define SPILL_BYTES_MIN ((size_t)256 << 10) /* Less than a block of groups is no limit. */

/* True when an operator that keeps so much had better go on in a file. */
static inline bool exec_spills(const struct exec *exec, size_t bytes)
{
    return exec->spill_bytes != 0 && bytes > exec->spill_bytes && bytes > SPILL_BYTES_MIN;
}

/* Prepares an exec; exec_deinit() closes all stages and gives memory back. */
void exec_init(struct exec *exec, struct txn *txn, const struct call *call);
void exec_deinit(struct exec *exec);

/* An exec inside of another one, which sees these outer rows. */
void exec_init_child(struct exec *exec, struct exec *parent, struct outer_value *outer);

/* Gives a batch columns (zeroed, in its arena); false when memory is out. */
bool batch_shape(struct batch *batch, uint32_t column_count, uint32_t row_count);

/* The rows of a batch that count. */
static inline struct func_rows batch_rows(const struct batch *batch)
{
    return (struct func_rows){
        .rows = batch->selection, .count = batch_live_count(batch), .row_count = batch->row_count};
}

static inline uint32_t rows_at(const struct func_rows *rows, uint32_t i)
{
    return rows->rows == NULL ? i : rows->rows[i];
}

/* ---- compiling: exec_compile.c ---- */

TDBPLUS_CHECKED tdbplus_status exec_compile(struct exec *exec, const struct plan *plan,
                                            struct pipeline *pipeline_out);

/* Expressions that read no columns. */
TDBPLUS_CHECKED tdbplus_status exec_compile_values(struct exec *exec, struct expr **exprs,
                                                   uint32_t count, struct expr ***exprs_out);

/* A copy of an expression that finds its columns in the pipeline, or in outer rows. */
TDBPLUS_CHECKED tdbplus_status exec_compile_expr(struct exec *exec, const struct expr *expr,
                                                 const struct plan_column *columns,
                                                 uint32_t column_count, struct expr **expr_out);

/* ---- evaluating: exec_eval.c, exec_subquery.c ---- */

struct eval {
    struct exec *exec;
    const struct batch *input;
    struct arena *arena; /* For results. */
};

TDBPLUS_CHECKED tdbplus_status eval_expr(const struct eval *eval, const struct expr *expr,
                                         const struct func_rows *rows, struct column *column_out);

/* The rows in which a condition is true, in the arena. */
TDBPLUS_CHECKED tdbplus_status eval_filter(const struct eval *eval, const struct expr *condition,
                                           const struct func_rows *rows,
                                           struct func_rows *rows_out);

/* The value of an expression that reads no row. */
TDBPLUS_CHECKED tdbplus_status eval_once(struct exec *exec, const struct expr *expr,
                                         struct arena *arena, struct datum *value_out);

TDBPLUS_CHECKED tdbplus_status eval_subquery(const struct eval *eval, const struct expr *expr,
                                             const struct func_rows *rows,
                                             struct column *column_out);

/* x op ANY (array) and ALL: exec_array.c. */
TDBPLUS_CHECKED tdbplus_status eval_array_any(const struct eval *eval, const struct expr *expr,
                                              const struct func_rows *rows,
                                              struct column *column_out);

/* ---- rows kept: exec_rows.c ---- */

/* Rows in chunks of BATCH_ROW_COUNT_MAX, copied with their bytes. A row's number never changes. */
struct row_store {
    struct arena *arena;
    struct arena *bytes; /* Of values that are views; the same unless somebody puts another here. */
    const struct plan_column *columns;
    uint32_t column_count;
    struct column **chunks; /* Each `column_count` flat columns. */
    uint32_t chunk_count;
    uint32_t chunk_capacity;
    uint32_t row_count;
    uint8_t ***bases; /* Of each column, where each chunk's values begin. */
    bool *nulls;      /* Of each column: some value may be null. */
};

#define ROW_STORE_ROW_COUNT_MAX (UINT32_MAX - BATCH_ROW_COUNT_MAX)
#define ROW_NONE                UINT32_MAX /* A row of nulls when gathering. */

void row_store_init(struct row_store *store, struct arena *arena, const struct plan_column *columns,
                    uint32_t column_count);

/* Appends the listed rows. */
TDBPLUS_CHECKED tdbplus_status row_store_append(struct row_store *store, struct exec *exec,
                                                const struct column *columns,
                                                const struct func_rows *rows);

/* Makes room for so many rows in an empty store, for row_store_put() to fill. Threads may do that
 * at once in rows of different chunks. */
TDBPLUS_CHECKED tdbplus_status row_store_reserve(struct row_store *store, struct exec *exec,
                                                 uint32_t row_count);

/* Copies `count` rows of another store with the same columns to rows at .. ; their bytes stay where
 * they are. row_store_note_nulls() tells what is to come, before. */
void row_store_put(struct row_store *store, uint32_t at, const struct row_store *from,
                   uint32_t first, uint32_t count);
void row_store_note_nulls(struct row_store *store, const struct row_store *from);

/* The rows with these numbers as a flat column; bytes stay in the store. */
TDBPLUS_CHECKED tdbplus_status row_store_gather(const struct row_store *store, struct exec *exec,
                                                uint32_t column, const uint32_t *numbers,
                                                uint32_t count, struct column *column_out,
                                                struct arena *arena);

/* The same with the i-th value in row at->rows[i] of a column of at->row_count rows; its other rows
 * have no meaning. */
TDBPLUS_CHECKED tdbplus_status row_store_place(const struct row_store *store, struct exec *exec,
                                               uint32_t column, const uint32_t *numbers,
                                               const struct func_rows *at,
                                               struct column *column_out, struct arena *arena);

/* A chunk's rows without copying; `out` must not outlive the store. False past the last chunk, or
 * when memory is out (then *status says so). */
bool row_store_chunk(const struct row_store *store, uint32_t number, struct batch *out,
                     struct exec *exec, tdbplus_status *status);

/* ---- keys: exec_keys.c ---- */

/* One key a row: equal bytes are equal values. */
struct row_keys {
    struct span *keys;
    bool *has_null;
};

/* Keys of the listed rows (the i-th key is of the i-th row listed), in the arena. */
TDBPLUS_CHECKED tdbplus_status row_keys_make(struct exec *exec, const struct column *columns,
                                             uint32_t column_count, const struct func_rows *rows,
                                             struct arena *arena, struct row_keys *keys_out);

/* Keys that compare by memcmp as ORDER BY wants. */
struct sort_order {
    bool descending;
    bool nulls_first;
};
TDBPLUS_CHECKED tdbplus_status sort_keys_make(struct exec *exec, const struct column *columns,
                                              const struct sort_order *orders,
                                              uint32_t column_count, const struct func_rows *rows,
                                              struct arena *arena, struct span *keys_out);

/* ---- rows in order: exec_order.c ---- */

/* A row and its key, which compares by memcmp. */
struct order_entry {
    uint64_t prefix; /* First bytes of the key: most comparisons end here. */
    struct span key;
    uint32_t row;
};

struct order_entry order_entry_of(struct span key, uint32_t row);

/* A stable sort. */
TDBPLUS_CHECKED tdbplus_status order_sort(struct exec *exec, struct order_entry *entries,
                                          size_t count);

/* Appends one value's key; false for a type without an order. order_nested() (exec_nested.c) is for
 * values that have others inside. */
bool order_value(const struct datum *value, struct buffer *buffer);
bool order_nested(const struct datum *value, struct buffer *buffer);

/* The rows that may come before a key `last`, as far as the first column alone tells. */
TDBPLUS_CHECKED tdbplus_status sort_keys_limit(struct exec *exec, const struct column *column,
                                               const struct sort_order *order, struct span last,
                                               const struct func_rows *rows, struct arena *arena,
                                               struct func_rows *rows_out);

/* A hash table from keys to the numbers 0, 1, 2, ... in order of arrival. */
struct key_table {
    struct arena *arena; /* Keys are copied into it. */
    const struct alloc *alloc;
    uint32_t *slots; /* Number + 1; 0: free. */
    uint64_t *hashes;
    struct span *keys;
    uint32_t slot_count;
    uint32_t count;
    uint32_t capacity;
};

#define KEY_NONE UINT32_MAX

void key_table_init(struct key_table *table, struct arena *arena, const struct alloc *alloc);
void key_table_deinit(struct key_table *table);

/* The key's number, or KEY_NONE. */
uint32_t key_table_find(const struct key_table *table, struct span key);

/* The key's number, new if *added_out; KEY_NONE when memory is out. */
uint32_t key_table_add(struct key_table *table, struct span key, bool *added_out);

/* ---- stages, each in its file ---- */

TDBPLUS_CHECKED tdbplus_status make_scan(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
/* A scan with an access: make_scan() hands it on. */
TDBPLUS_CHECKED tdbplus_status make_index_scan(struct exec *exec, const struct plan *plan,
                                               struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_values(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_system(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_series(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_file(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_filter(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_project(struct exec *exec, const struct plan *plan,
                                            struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_limit(struct exec *exec, const struct plan *plan,
                                          struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_join(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_aggregate(struct exec *exec, const struct plan *plan,
                                              struct pipeline *pipeline);
/* Each different row of `input` once, as groups without aggregates: those spill, and are made by
 * several threads. `plan` names the columns. */
TDBPLUS_CHECKED tdbplus_status make_distinct_groups(struct exec *exec, const struct plan *plan,
                                                    struct plan *input, struct pipeline *pipeline);

/* True where that serves: there are columns, not too many, and nobody is content with few rows. */
bool distinct_groups_serve(const struct exec *exec, const struct plan *plan);
TDBPLUS_CHECKED tdbplus_status make_distinct(struct exec *exec, const struct plan *plan,
                                             struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_sort(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_set(struct exec *exec, const struct plan *plan,
                                        struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_cte(struct exec *exec, const struct plan *plan,
                                        struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_with(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_apply(struct exec *exec, const struct plan *plan,
                                          struct pipeline *pipeline);
/* Puts a counter on top of what a plan was compiled to. */
TDBPLUS_CHECKED tdbplus_status make_probe(struct exec *exec, const struct plan *plan,
                                          struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_lock(struct exec *exec, const struct plan *plan,
                                         struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_sample(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_grouping(struct exec *exec, const struct plan *plan,
                                             struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_window(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_expand(struct exec *exec, const struct plan *plan,
                                           struct pipeline *pipeline);
TDBPLUS_CHECKED tdbplus_status make_change_source(struct exec *exec, const struct plan *plan,
                                                  struct pipeline *pipeline);
