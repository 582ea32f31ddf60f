#pragma once

/* What the tables of aggregates share. */

#include "sql/func/aggregate.h"

/* The i-th row of an update. */
static inline uint32_t aggregate_row(const struct aggregate_update *update, uint32_t i)
{
    return update->rows == NULL ? i : update->rows[i];
}

static inline TDBPLUS_CHECKED tdbplus_status aggregate_no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory in an aggregate");
}

/* The values of a group, in memory of the state's arena. */
struct collected {
    struct datum *items;
    uint32_t count;
    uint32_t capacity;
    struct type type; /* Of the argument. */
};

/* Keeps a copy of a value; false when memory is out. */
bool aggregate_collect(struct collected *state, struct datum value, struct arena *arena);

/* Name, arguments, result; what a state is; what to do with it; what it is. */
#define AGGREGATE(NAME, COUNT, FIRST, SECOND, RESULT, STATE, UPDATE, FINISH, REMOVE, SUMMARY) \
    {                                                                                         \
        NAME, COUNT, {FIRST, SECOND}, RESULT, sizeof(STATE), UPDATE, FINISH, SUMMARY, REMOVE  \
    }

#define AGGREGATE_END                              \
    {                                              \
        NULL, 0, {0}, 0, 0, NULL, NULL, NULL, NULL \
    }

/* Tables of one family each, ended by a NULL name. */
extern const struct aggregate aggregates_collect[];
extern const struct aggregate aggregates_json[];
extern const struct aggregate aggregates_edge[];
extern const struct aggregate aggregates_vector[];
extern const struct aggregate aggregates_statistics[];
extern const struct aggregate aggregates_packed[];
