#pragma once

/*
 * Aggregates that want a group's rows in order: those with ORDER BY, whose rows are kept and given
 * to the aggregate when all have come, and ordered sets (WITHIN GROUP).
 */

#include "sql/exec/exec_internal.h"

struct ordered_rows {
    const struct plan_aggregate *plan;
    struct type type;     /* Of the result. */
    struct expr **values; /* Kept a row: arguments, ORDER BY, direct arguments. */
    uint32_t value_count;
    struct sort_order *orders;
    struct plan_column *columns; /* Of `store`. */
    struct arena arena;          /* Of what is kept. */
    struct row_store store;
    struct list entries;      /* struct order_entry; keys begin with the group's number. */
    struct list hypothetical; /* struct span: the key of each row's direct arguments. */
    bool sorted;
    size_t at; /* The next group's first entry, while groups are finished in order. */
};

/* Zeroed is closed. Columns of expressions are those of the aggregate's input. */
TDBPLUS_CHECKED tdbplus_status ordered_rows_open(struct ordered_rows *ordered, struct exec *exec,
                                                 const struct plan_aggregate *plan,
                                                 struct type type, const struct pipeline *input);
void ordered_rows_close(struct ordered_rows *ordered);

/* Forgets all rows. Closed is fine. */
void ordered_rows_clear(struct ordered_rows *ordered);

/* Keeps the rows listed; groups[i] is the group of the i-th. */
TDBPLUS_CHECKED tdbplus_status ordered_rows_keep(struct ordered_rows *ordered,
                                                 const struct eval *eval,
                                                 const struct func_rows *rows,
                                                 const uint32_t *groups);

/* Gives all rows to the aggregate, in order: state_of() says where a group's state is. */
TDBPLUS_CHECKED tdbplus_status ordered_rows_feed(struct ordered_rows *ordered, struct exec *exec,
                                                 uint8_t *(*state_of)(void *ctx, uint32_t group),
                                                 void *ctx);

/* The result of an ordered set for a group; groups are asked for in order. */
TDBPLUS_CHECKED tdbplus_status ordered_rows_finish(struct ordered_rows *ordered, struct exec *exec,
                                                   uint32_t group, struct arena *arena,
                                                   struct datum *result_out);
