/* Aggregates that keep all values: array_agg. */

#include <string.h>

#include "base/buffer.h"
#include "sql/func/aggregate_internal.h"
#include "types/array.h"

/* A copy whose bytes live as long as the state. */
static bool keep_bytes(struct datum *value, struct arena *arena)
{
    enum physical physical = type_physical(value->type);
    if (value->is_null || (physical != PHYSICAL_VIEW && physical != PHYSICAL_FIXED)) {
        return true;
    }
    uint8_t *bytes = arena_bytes(arena, value->bytes.size + 1);
    if (bytes == NULL) {
        return false;
    }
    if (value->bytes.size > 0) {
        memcpy(bytes, value->bytes.data, value->bytes.size);
    }
    value->bytes.data = bytes;
    return true;
}

bool aggregate_collect(struct collected *state, struct datum value, struct arena *arena)
{
    if (state->count == state->capacity) {
        uint32_t capacity = state->capacity * 2 + 8;
        struct datum *items = arena_alloc(arena, (size_t)capacity * sizeof *items);
        if (items == NULL) {
            return false;
        }
        if (state->count > 0) {
            memcpy(items, state->items, state->count * sizeof *items);
        }
        state->items = items;
        state->capacity = capacity;
    }
    if (!keep_bytes(&value, arena)) {
        return false;
    }
    state->items[state->count++] = value;
    return true;
}

static tdbplus_status collect_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        struct collected *state = (void *)update->states[i];
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        state->type = update->arguments[0].type;
        if (state->count == ARRAY_ITEM_COUNT_MAX) {
            return err_set_state(update->err, TDBPLUS_E_LIMIT, "54000",
                                 "array size exceeds the maximum allowed (%u)",
                                 ARRAY_ITEM_COUNT_MAX);
        }
        if (state->type.id == TYPE_ARRAY && value.is_null) {
            return err_set_state(update->err, TDBPLUS_E_SQL, "22004",
                                 "cannot accumulate null arrays");
        }
        if (!aggregate_collect(state, value, update->arena)) {
            return aggregate_no_memory(update->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish_items(struct type element, const struct datum *items,
                                   const struct array_dimension *shape, uint32_t dimension_count,
                                   struct arena *arena, struct datum *result_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, arena->alloc);
    TRY_OR(done, array_encode(element, items, shape, dimension_count, &buffer, err));
    uint8_t *bytes = arena_bytes(arena, buffer.size);
    if (bytes == NULL) {
        status = aggregate_no_memory(err);
        goto done;
    }
    memcpy(bytes, buffer.data, buffer.size);
    *result_out = (struct datum){.type = func_array_of(element),
                                 .bytes = {.data = bytes, .size = buffer.size}};
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status shapes_differ(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "2202E",
                         "cannot accumulate arrays of different dimensionality");
}

/* Arrays of one shape, one after the other in a new first dimension. */
static tdbplus_status finish_arrays(const struct collected *state, struct arena *arena,
                                    struct datum *result_out, struct err *err)
{
    struct array first = {0};
    struct array_dimension shape[ARRAY_DIMENSION_COUNT_MAX + 1] = {{state->count, 1}};
    TRY(array_open(state->items[0].bytes, state->type, &first, err));
    if (first.count == 0) {
        return err_set_state(err, TDBPLUS_E_SQL, "2202E", "cannot accumulate empty arrays");
    }
    memcpy(shape + 1, first.dimensions, first.dimension_count * sizeof *shape);
    struct datum *items = arena_alloc(arena, (size_t)state->count * first.count * sizeof *items);
    if (items == NULL) {
        return aggregate_no_memory(err);
    }
    for (uint32_t i = 0; i < state->count; i++) {
        struct array array = {0};
        TRY(array_open(state->items[i].bytes, state->type, &array, err));
        bool same = array.dimension_count == first.dimension_count;
        for (uint32_t d = 0; same && d < first.dimension_count; d++) {
            same = array.dimensions[d].length == first.dimensions[d].length &&
                   array.dimensions[d].lower == first.dimensions[d].lower;
        }
        if (!same) {
            return shapes_differ(err);
        }
        for (uint32_t k = 0; k < array.count; k++) {
            array_get(&array, k, &items[(size_t)i * first.count + k]);
        }
    }
    return finish_items(first.element, items, shape, first.dimension_count + 1, arena, result_out,
                        err);
}

static tdbplus_status collect_finish(const uint8_t *state_bytes, struct arena *arena,
                                     struct datum *result_out, struct err *err)
{
    struct collected state;
    memcpy(&state, state_bytes, sizeof state);
    if (state.count == 0) {
        *result_out = (struct datum){.is_null = true};
        return TDBPLUS_OK;
    }
    if (state.type.id == TYPE_ARRAY) {
        return finish_arrays(&state, arena, result_out, err);
    }
    struct array_dimension shape = {state.count, 1};
    return finish_items(state.type, state.items, &shape, 1, arena, result_out, err);
}

const struct aggregate aggregates_collect[] = {
    AGGREGATE("array_agg", 1, FUNC_SAME, 0, FUNC_ANY_ARRAY, struct collected, collect_update,
              collect_finish, NULL, "All values as an array."),
    AGGREGATE_END,
};
