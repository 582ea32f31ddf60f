#pragma once

/*
 * Aggregates: functions over many rows. A state of fixed size stands for a group; it is zeroed to
 * begin, updated with columns of values, and finished once.
 *
 * Threads: as func.h; a state has one user at a time.
 */

#include "sql/func/func.h"

struct aggregate_update {
    const struct column *arguments; /* Flat or constant; nulls in. */
    uint32_t argument_count;
    const uint16_t *rows; /* NULL: 0 to count - 1. */
    uint32_t count;
    uint8_t *const *states; /* The group of the i-th row (not of row rows[i]). */
    struct arena *arena;    /* Lives as long as the states. */
    struct err *err;
};

struct aggregate {
    const char *name;
    uint8_t argument_count;
    uint8_t arguments[2];
    uint8_t result; /* FUNC_SAME: the first argument's type. */
    uint16_t state_size;
    tdbplus_status (*update)(const struct aggregate_update *update);
    /* Gives the result; bytes are in the state's arena or `arena`. */
    tdbplus_status (*finish)(const uint8_t *state, struct arena *arena, struct datum *result_out,
                             struct err *err);
    const char *summary;
    /* Takes rows away that were added before; NULL: that cannot be done exactly. TDBPLUS_END: not
     * this time, the state must be made anew. */
    tdbplus_status (*remove)(const struct aggregate_update *update);
};

/* -1 for min, 1 for max of any type, 0 for other aggregates. */
int aggregate_extreme(const struct aggregate *aggregate);
/* Adds to a state that of the same group's other rows. `arena` lives as long as the states. */
typedef tdbplus_status (*aggregate_merge)(uint8_t *into, const uint8_t *from, struct arena *arena,
                                          struct err *err);

/* NULL: the order of rows matters, or there is no way. */
aggregate_merge aggregate_merge_of(const struct aggregate *aggregate);

/* States that the executor updates itself: sum and avg of integers, of float8. */
struct aggregate_integer_sum {
    __extension__ __int128 sum;
    int64_t count;
};

struct aggregate_float_sum {
    double sum;
    int64_t count;
};

/* Chooses an aggregate by name and types, as func_resolve(). count(*) has no arguments. */
enum func_found aggregate_resolve(const char *name, const struct type *types, uint32_t count,
                                  const struct aggregate **aggregate_out,
                                  struct type *arguments_out, struct type *result_out);

/* True when there is an aggregate of that name, whatever its arguments. */
bool aggregate_known(const char *name);

const struct aggregate *aggregate_at(uint32_t number);
