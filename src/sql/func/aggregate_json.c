/* Documents of many rows: jsonb_agg, jsonb_object_agg. */

#include <string.h>

#include "sql/func/aggregate_internal.h"
#include "sql/func/json_value.h"

/* Keys (of objects only) and values, in the order of arrival. */
struct members {
    struct collected keys;
    struct collected values;
};

static tdbplus_status update_list(struct collected *list, const struct aggregate_update *update,
                                  uint32_t argument, uint32_t row)
{
    struct datum value;
    column_get(&update->arguments[argument], row, &value);
    return aggregate_collect(list, value, update->arena) ? TDBPLUS_OK
                                                         : aggregate_no_memory(update->err);
}

static tdbplus_status array_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct members *state = (void *)update->states[i];
        TRY(update_list(&state->values, update, 0, aggregate_row(update, i)));
    }
    return TDBPLUS_OK;
}

static tdbplus_status object_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        uint32_t row = aggregate_row(update, i);
        struct members *state = (void *)update->states[i];
        if (column_is_null(&update->arguments[0], row)) {
            return err_set_state(update->err, TDBPLUS_E_SQL, "22023",
                                 "field name must not be null");
        }
        TRY(update_list(&state->keys, update, 0, row));
        TRY(update_list(&state->values, update, 1, row));
    }
    return TDBPLUS_OK;
}

static tdbplus_status build(const struct members *state, bool object, struct json_builder *builder,
                            struct arena *arena, struct err *err)
{
    if (object) {
        json_builder_begin_object(builder);
    } else {
        json_builder_begin_array(builder);
    }
    for (uint32_t i = 0; i < state->values.count; i++) {
        if (object) {
            TRY(json_put_key(builder, &state->keys.items[i], arena, err));
        }
        TRY(json_put_value(builder, &state->values.items[i], arena, err));
    }
    if (object) {
        json_builder_end_object(builder);
    } else {
        json_builder_end_array(builder);
    }
    return TDBPLUS_OK;
}

static tdbplus_status finish(const uint8_t *bytes, bool object, struct arena *arena,
                             struct datum *result_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct members state;
    struct json_builder builder;
    memcpy(&state, bytes, sizeof state);
    *result_out = (struct datum){.type = type_of(TYPE_JSON), .is_null = state.values.count == 0};
    if (result_out->is_null) {
        return TDBPLUS_OK;
    }
    json_builder_init(&builder, arena->alloc);
    TRY_OR(done, build(&state, object, &builder, arena, err));
    TRY_OR(done, json_take(&builder, arena, result_out, err));
done:
    json_builder_deinit(&builder);
    return status;
}

static tdbplus_status array_finish(const uint8_t *state, struct arena *arena,
                                   struct datum *result_out, struct err *err)
{
    return finish(state, false, arena, result_out, err);
}

static tdbplus_status object_finish(const uint8_t *state, struct arena *arena,
                                    struct datum *result_out, struct err *err)
{
    return finish(state, true, arena, result_out, err);
}

const struct aggregate aggregates_json[] = {
    AGGREGATE("jsonb_agg", 1, FUNC_ANY, 0, TYPE_JSON, struct members, array_update, array_finish,
              NULL, "All values as an array."),
    AGGREGATE("json_agg", 1, FUNC_ANY, 0, TYPE_JSON, struct members, array_update, array_finish,
              NULL, "All values as an array."),
    AGGREGATE("jsonb_object_agg", 2, FUNC_ANY, FUNC_ANY, TYPE_JSON, struct members, object_update,
              object_finish, NULL, "Keys and values as an object."),
    AGGREGATE("json_object_agg", 2, FUNC_ANY, FUNC_ANY, TYPE_JSON, struct members, object_update,
              object_finish, NULL, "Keys and values as an object."),
    AGGREGATE_END,
};
