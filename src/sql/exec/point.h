#pragma once

/*
 * point: statements of one row that need no executor. A SELECT of plain columns where the whole
 * primary key equals parameters or constants is one look-up; an INSERT of one row of parameters and
 * constants is one write, and so is a DELETE by the whole key.
 */

#include "sql/exec/statement.h"
#include "types/schema.h"

enum point_kind { POINT_NONE = 0, POINT_SELECT = 1, POINT_INSERT = 2, POINT_DELETE = 3 };

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
    uint32_t value_count; /* SELECT, DELETE: of the key. INSERT: of the row. */
    struct point_value values[POINT_VALUE_COUNT_MAX];
    uint32_t positions[POINT_VALUE_COUNT_MAX]; /* SELECT: of the output. */
    uint32_t position_count;
};

/* What the statement is; kind POINT_NONE if it needs more. */
void point_of(const struct sql_prepared *prepared, struct point *point_out);

/* The values, of the types of the table's columns, into `values_out`. */
void point_fill(const struct point *point, const struct datum *parameters,
                struct datum *values_out);
