#pragma once

/*
 * point: statements of one row that need no executor. A SELECT of plain columns where the whole
 * primary key, or all columns of a unique index, equal parameters or constants is one look-up or
 * two; an INSERT of one row of parameters and constants is one write, and so are a DELETE by the
 * whole key and an UPDATE by it that computes its columns of the old row, parameters and constants.
 */

#include "sql/exec/statement.h"
#include "types/schema.h"

enum point_kind {
    POINT_NONE = 0,
    POINT_SELECT = 1,
    POINT_INSERT = 2,
    POINT_DELETE = 3,
    POINT_UPDATE = 4,
};

#define POINT_VALUE_COUNT_MAX 64u

/* Where a value comes from. */
struct point_value {
    bool is_parameter;
    uint32_t parameter;
    const struct datum *constant; /* In the prepared statement. */
};

/* Lives as long as the prepared statement. */
struct point {
    uint8_t kind;         /* enum point_kind. */
    uint64_t object_id;   /* The table, */
    uint64_t revision;    /* as it was. */
    uint64_t index_id;    /* SELECT: of the unique index; 0: by the key. */
    uint32_t value_count; /* Of the key or index; INSERT: of the row. */
    struct point_value values[POINT_VALUE_COUNT_MAX];
    uint32_t positions[POINT_VALUE_COUNT_MAX]; /* SELECT: of the output. */
    uint32_t position_count;
    const uint32_t *index_positions; /* Of the index's columns in the table. */
    const struct plan *scan;         /* UPDATE: what it reads, */
    struct expr *const *updates;     /* and each column of the new row, of that. */
};

/* One run of an UPDATE. */
struct point_run {
    const struct point *point;
    const struct datum *parameters;
    struct arena *arena; /* Of what is computed. */
    struct func_context *context;
    struct err *err;
};

/* The new row of the old one: a modify function of txn_modify(), `context` is a struct point_run.
 */
TDBPLUS_CHECKED tdbplus_status point_modify(void *context, const struct datum *old,
                                            struct datum *fresh);

/* What the statement is; kind POINT_NONE if it needs more. */
void point_of(const struct sql_prepared *prepared, struct point *point_out);

/* The values, of the types of the table's columns, into `values_out`. */
void point_fill(const struct point *point, const struct datum *parameters,
                struct datum *values_out);
