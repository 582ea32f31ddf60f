#pragma once

/*
 * Which kept rows have a key. One integer in a range that is not too wide is looked up by value in
 * an array; anything else in a hash table. Rows with equal keys are chained in ascending order.
 *
 * Once built it is read-only, and may be asked by several threads at once.
 */

#include "sql/exec/exec_groups.h"

#define JOIN_VALUES_COUNT_MAX 4u /* Key columns whose values are noted. */
#define JOIN_PARTS_MAX        8u /* By which threads build a table; a power of two. */

/* Which values a key column of integers has: a bit of each from base to base + range - 1. */
struct join_values {
    int64_t base;
    uint64_t range;
    uint64_t *present; /* NULL: not noted. */
    uint64_t word_count;
};

struct join_table {
    struct key_layout layout;
    bool built;
    bool unique; /* No key has two rows. */
    bool direct;
    int64_t base;
    uint64_t range;  /* Values base .. base + range - 1. */
    uint32_t *heads; /* Row + 1 of each value; 0: none. */
    uint64_t head_count;
    struct group_table tables[JOIN_PARTS_MAX]; /* By group_part(). Payload: row + 1, uint32_t. */
    struct arena arenas[JOIN_PARTS_MAX];       /* Of each. */
    uint32_t part_count;
    struct join_values values[JOIN_VALUES_COUNT_MAX]; /* Of the first key columns. */
    uint32_t *chain; /* Row + 1 with the same key after a row; 0: none. */
    uint32_t chain_count;
    const struct alloc *alloc;
};

TDBPLUS_CHECKED tdbplus_status join_table_init(struct join_table *table, struct exec *exec,
                                               struct expr *const *keys, uint32_t key_count);
void join_table_deinit(struct join_table *table);

/* Builds it from the rows of a store; `keys` are expressions over its columns. With many rows the
 * exec's threads do it together, each the rows of its part of the values or hashes, so that chains
 * are the same for any number of them. */
TDBPLUS_CHECKED tdbplus_status join_table_build(struct join_table *table, struct exec *exec,
                                                const struct row_store *store,
                                                struct expr *const *keys);

/* firsts_out[i]: the first row with the key of the i-th listed row, or ROW_NONE. */
TDBPLUS_CHECKED tdbplus_status join_table_find(const struct join_table *table, struct exec *exec,
                                               const struct column *columns,
                                               const struct func_rows *rows, struct arena *arena,
                                               uint32_t *firsts_out);

/* The listed rows whose value of key column number `key` may be in the table; all while it is not
 * built. */
TDBPLUS_CHECKED tdbplus_status join_table_keep(const struct join_table *table, uint32_t key,
                                               struct exec *exec, const struct column *column,
                                               const struct func_rows *rows, struct arena *arena,
                                               struct func_rows *rows_out);

static inline uint32_t join_table_next(const struct join_table *table, uint32_t row)
{
    return table->chain == NULL ? ROW_NONE : table->chain[row] - 1; // 0 becomes ROW_NONE.
}
