/* Sums and means of vectors. */

#include <math.h>
#include <string.h>

#include "sql/func/aggregate_internal.h"

struct vector_sum {
    double *sums;
    uint32_t dimension;
    uint32_t parameter; /* Of the type: 0 if that is of any dimension. */
    int64_t count;
};

static tdbplus_status sum_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        struct vector_sum *state = (void *)update->states[i];
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        uint32_t dimension = (uint32_t)(value.bytes.size / sizeof(float));
        if (state->sums == NULL) {
            state->dimension = dimension;
            state->parameter = value.type.parameter;
            state->sums = arena_array(update->arena, state->dimension + 1u, sizeof *state->sums);
            if (state->sums == NULL) {
                return aggregate_no_memory(update->err);
            }
        }
        if (dimension != state->dimension) {
            return err_set_state(update->err, TDBPLUS_E_SQL, "22000",
                                 "expected %u dimensions, not %u", state->dimension, dimension);
        }
        state->count++;
        for (uint32_t d = 0; d < state->dimension; d++) {
            float component = 0;
            memcpy(&component, value.bytes.data + d * sizeof component, sizeof component);
            state->sums[d] += (double)component;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish(const uint8_t *bytes, bool mean, struct arena *arena,
                             struct datum *result_out, struct err *err)
{
    struct vector_sum state;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.type = {.id = TYPE_VECTOR, .parameter = state.parameter},
                                 .is_null = state.count == 0};
    if (state.count == 0) {
        return TDBPLUS_OK;
    }
    float *values = arena_alloc(arena, ((size_t)state.dimension + 1) * sizeof *values);
    if (values == NULL) {
        return aggregate_no_memory(err);
    }
    for (uint32_t d = 0; d < state.dimension; d++) {
        values[d] = (float)(mean ? state.sums[d] / (double)state.count : state.sums[d]);
        if (isinf(values[d])) {
            return err_set_state(err, TDBPLUS_E_SQL, "22003", "value out of range: overflow");
        }
    }
    result_out->bytes = (struct span){.data = (const uint8_t *)values,
                                      .size = (size_t)state.dimension * sizeof *values};
    return TDBPLUS_OK;
}

static tdbplus_status sum_finish(const uint8_t *state, struct arena *arena,
                                 struct datum *result_out, struct err *err)
{
    return finish(state, false, arena, result_out, err);
}

static tdbplus_status mean_finish(const uint8_t *state, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    return finish(state, true, arena, result_out, err);
}

const struct aggregate aggregates_vector[] = {
    AGGREGATE("sum", 1, TYPE_VECTOR, 0, FUNC_SAME, struct vector_sum, sum_update, sum_finish, NULL,
              "Sum, component by component."),
    AGGREGATE("avg", 1, TYPE_VECTOR, 0, FUNC_SAME, struct vector_sum, sum_update, mean_finish, NULL,
              "Mean, component by component."),
    AGGREGATE_END,
};
