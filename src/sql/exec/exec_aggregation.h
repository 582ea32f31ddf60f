#pragma once

/* One accumulation of GROUP BY: groups in a hash table, a state an aggregate beside each key. */

#include "sql/exec/exec_decimal.h"
#include "sql/exec/exec_groups.h"
#include "sql/exec/exec_ordered.h"
#include "sql/exec/exec_spill.h"

enum slot_kind {
    SLOT_GENERIC = 0, /* By the aggregate's own functions. */
    SLOT_COUNT,
    SLOT_INTEGER, /* sum and avg of integers: struct aggregate_integer_sum. */
    SLOT_FLOAT,   /* sum and avg of float8: struct aggregate_float_sum. */
    SLOT_DECIMAL, /* sum and avg of numeric that decimal_compile() knows: struct decimal_sum. */
    SLOT_ORDERED, /* With ORDER BY or WITHIN GROUP: rows are kept until all have come. */
};

struct aggregate_slot {
    const struct plan_aggregate *plan;
    struct expr *arguments[2];
    struct expr *filter;
    uint8_t kind;    /* enum slot_kind. */
    bool average;    /* SLOT_DECIMAL. */
    int32_t same_as; /* An earlier slot with an equal argument and state; -1: none. */
    uint32_t offset; /* Of the state in a record. */
    struct type type;
    struct decimal *decimal;
    struct group_table seen;     /* DISTINCT: group and values. */
    struct ordered_rows ordered; /* SLOT_ORDERED. */
};

struct aggregation {
    const struct plan *plan;
    struct exec *exec;
    struct arena data; /* Of groups: keys, states and what those point to. */
    struct expr **keys;
    struct aggregate_slot *slots;
    struct group_table groups;
    struct row_store key_rows; /* The keys' values; a row's number is its group's. */
    uint8_t *total;            /* The one group without keys. */
    uint32_t states_size;
    const struct pipeline *input;
    bool may_spill; /* Set by whoever looks at `parts` afterwards. */
    bool cleared;   /* At least once. */
    bool full; /* No groups are added: rows of others go to `parts`. Their groups' rows all do. */
    struct spill_parts parts;
    struct spill_file file; /* Of the parts. */
    uint64_t round;         /* Batches so far: what decimals share belongs to one. */
    bool exact; /* No state depends on the order of rows: partial results can be merged. */
};

#define FEW_GROUPS_MAX 16u
#define FEW_NONE       255u

/* The groups that a batch's live rows belong to. */
struct grouping {
    uint8_t **payloads; /* Of each; NULL: only `numbers` are known, or there is but one group. */
    uint8_t *numbers; /* Of each row of the batch, live or FEW_NONE, in `few`; NULL: many groups. */
    uint32_t few_count;
    uint8_t *few[FEW_GROUPS_MAX]; /* Payloads. */
    bool counted;
    uint64_t few_rows[FEW_GROUPS_MAX]; /* How many rows each has. */
};

/* Room for payloads that are to be listed. */
TDBPLUS_CHECKED tdbplus_status grouping_room(struct aggregation *aggregation,
                                             struct grouping *grouping,
                                             const struct func_rows *rows, struct arena *arena);

/* Adds the listed rows of the batch that `eval` has to the states of one slot: exec_states.c. */
TDBPLUS_CHECKED tdbplus_status aggregation_update(struct aggregation *aggregation,
                                                  struct aggregate_slot *slot,
                                                  const struct eval *eval,
                                                  const struct func_rows *rows,
                                                  struct grouping *grouping);

/* `input`: the columns of the batches to come. */
TDBPLUS_CHECKED tdbplus_status aggregation_init(struct aggregation *aggregation, struct exec *exec,
                                                const struct plan *plan,
                                                const struct pipeline *input);
void aggregation_deinit(struct aggregation *aggregation);

/* Forgets all groups. */
TDBPLUS_CHECKED tdbplus_status aggregation_clear(struct aggregation *aggregation);

TDBPLUS_CHECKED tdbplus_status aggregation_consume(struct aggregation *aggregation,
                                                   const struct batch *batch, struct arena *arena);

/* How much it keeps. */
size_t aggregation_bytes(const struct aggregation *aggregation);

/* The parts that rows went to, whose file stays the aggregation's; it goes on with empty ones of
 * the next level. */
struct spill_parts aggregation_take_parts(struct aggregation *aggregation);

/* All rows have come: what had to wait for them is done. Call before groups are counted. */
TDBPLUS_CHECKED tdbplus_status aggregation_end(struct aggregation *aggregation);

/* Adds the groups of `from`, which was made for the same plan in another exec that lives as long.
 */
TDBPLUS_CHECKED tdbplus_status aggregation_merge(struct aggregation *into,
                                                 struct aggregation *from);

uint32_t aggregation_group_count(const struct aggregation *aggregation);

/* Groups [first, first + count), of one chunk of 2,048, as rows. */
TDBPLUS_CHECKED tdbplus_status aggregation_emit(const struct aggregation *aggregation,
                                                uint32_t first, uint32_t count, struct batch *out);
