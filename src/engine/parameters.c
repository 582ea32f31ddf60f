/* Parameters of statements: their types, and their values as those types. */

#include "engine/session.h"
#include "types/packed.h"
#include "types/text.h"

static bool is_integer(const tdbplus_value *value)
{
    return value->type == TDBPLUS_TYPE_INT2 || value->type == TDBPLUS_TYPE_INT4 ||
           value->type == TDBPLUS_TYPE_INT8;
}

/* The types that the caller knows. A text is an untyped literal, as in PostgreSQL; an integer is
 * too while `loose`, so that "int4_column = $1" compares int4 with int4. */
static tdbplus_status known_type(const tdbplus_value *value, bool loose, struct type *type_out,
                                 struct err *err)
{
    struct type type = {.id = (uint8_t)value->type};
    bool has_type = value->type > TDBPLUS_TYPE_NONE && value->type <= (tdbplus_type)TYPE_ID_MAX &&
                    (value->type <= TDBPLUS_TYPE_VECTOR || packed_type(type));
    if (!has_type && !(value->type == TDBPLUS_TYPE_NONE && value->is_null)) {
        return err_set(err, TDBPLUS_E_INVALID, "a parameter has no valid type");
    }
    if (value->type == TDBPLUS_TYPE_ARRAY || value->type == TDBPLUS_TYPE_ENUM) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "arrays and enums cannot be parameters yet; pass them as text");
    }
    if (value->is_null || value->type == TDBPLUS_TYPE_TEXT || (loose && is_integer(value))) {
        type = type_of(TYPE_NONE);
    } else if (value->type == TDBPLUS_TYPE_VECTOR) {
        type.parameter = (uint32_t)(value->as.bytes.size / sizeof(float));
    } else if (is_integer(value)) {
        type = type_of(TYPE_INT8);
    }
    *type_out = type;
    return TDBPLUS_OK;
}

bool engine_value_has_bytes(const tdbplus_value *value)
{
    switch ((int)value->type) {
    case TDBPLUS_TYPE_NUMERIC:
    case TDBPLUS_TYPE_TEXT:
    case TDBPLUS_TYPE_BYTEA:
    case TDBPLUS_TYPE_JSON:
    case TDBPLUS_TYPE_VECTOR:
        return true;
    default:
        return value->type > TDBPLUS_TYPE_VECTOR; // As text.
    }
}

static tdbplus_status convert(const struct parameter_list *parameters, uint32_t number,
                              struct type type, struct arena *arena, struct datum *datum_out,
                              struct err *err)
{
    const tdbplus_value *value = &parameters->values[number];
    if (value->type == TDBPLUS_TYPE_TEXT && !value->is_null) {
        struct span text = {.data = value->as.bytes.data, .size = value->as.bytes.size};
        return text_parse(text, type, parameters->style, arena, datum_out, err);
    }
    return engine_datum(value, type, "parameter", arena, datum_out, err);
}

/* Parameter `number` as a value of `type`. */
static tdbplus_status read_parameter(const struct parameter_list *parameters, uint32_t number,
                                     struct type type, struct arena *arena, struct datum *datum_out,
                                     struct err *err)
{
    if (parameters->datums == NULL) {
        return convert(parameters, number, type, arena, datum_out, err);
    }
    const struct datum *datum = &parameters->datums[number];
    if (!datum->is_null && (datum->type.id != type.id || datum->type.element != type.element)) {
        return err_set(err, TDBPLUS_E_TYPE, "parameter $%u has not the type it was declared with",
                       number + 1);
    }
    *datum_out = *datum;
    return TDBPLUS_OK;
}

static tdbplus_status known_types(const struct parameter_list *parameters, bool loose,
                                  struct type *types, struct err *err)
{
    for (uint32_t i = 0; i < parameters->count; i++) {
        if (parameters->datums != NULL) {
            types[i] = parameters->datums[i].type;
        } else {
            TRY(known_type(&parameters->values[i], loose, &types[i], err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status try_prepare(tdbplus_result *result, struct txn *txn,
                                  const struct parameter_list *parameters, bool loose,
                                  const struct call *call)
{
    uint32_t count = parameters->count;
    struct type *types = arena_array(&result->arena, (size_t)count + 1, sizeof *types);
    if (types == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "parameters do not fit the memory limit");
    }
    TRY(known_types(parameters, loose, types, call->err));
    struct sql_prepared *prepared = NULL;
    TRY(sql_prepare(result->script, 0, txn, types, count, call, &prepared));
    tdbplus_status status = TDBPLUS_OK;
    uint32_t wanted = sql_parameter_count(prepared);
    if (wanted > count) {
        status = err_set_state(call->err, TDBPLUS_E_SQL, "08P01",
                               "the statement has %u parameters, but %u values were given", wanted,
                               count);
        goto done;
    }
    for (uint32_t i = 0; i < wanted; i++) {
        struct type type = sql_parameter_type(prepared, i);
        TRY_OR(done, read_parameter(parameters, i, type, &result->arena, &result->parameters[i],
                                    call->err));
    }
    result->prepared = prepared;
    prepared = NULL;
done:
    sql_prepared_destroy(prepared);
    return status;
}

tdbplus_status result_prepare(tdbplus_result *result, struct txn *txn,
                              const struct parameter_list *parameters, const struct call *call)
{
    uint32_t count = parameters->count;
    result->parameters = arena_array(&result->arena, (size_t)count + 1, sizeof *result->parameters);
    if (result->parameters == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "parameters do not fit the memory limit");
    }
    result->parameter_count = count;
    result->loose = true;
    bool integers = false;
    for (uint32_t i = 0; parameters->datums == NULL && i < count; i++) {
        const tdbplus_value *value = &parameters->values[i];
        integers = integers || (is_integer(value) && !value->is_null);
    }
    // Where an integer has no place as a literal, or is too large for it, it counts as int8.
    tdbplus_status status = try_prepare(result, txn, parameters, true, call);
    if (status != TDBPLUS_OK && status != TDBPLUS_E_NOMEM && integers) {
        err_clear(call->err);
        result->loose = false;
        status = try_prepare(result, txn, parameters, false, call);
    }
    return status;
}

bool parameters_convert(const struct sql_prepared *prepared,
                        const struct parameter_list *parameters, struct arena *arena,
                        struct datum *parameters_out)
{
    uint32_t wanted = sql_parameter_count(prepared);
    bool good = wanted <= parameters->count;
    for (uint32_t i = 0; good && i < wanted; i++) {
        good = read_parameter(parameters, i, sql_parameter_type(prepared, i), arena,
                              &parameters_out[i], NULL) == TDBPLUS_OK;
    }
    return good;
}

bool result_find_plan(tdbplus_result *result, struct plan_cache *plans, struct span text,
                      struct txn *txn, const struct parameter_list *parameters)
{
    struct plan_entry *plan = plan_cache_find(plans, text, parameters, txn);
    struct datum *converted =
        plan == NULL
            ? NULL
            : arena_array(&result->arena, (size_t)parameters->count + 1, sizeof *converted);
    // A value that does not fit the type it had before asks for another plan.
    if (converted == NULL ||
        !parameters_convert(plan->prepared, parameters, &result->arena, converted)) {
        plan_release(plan);
        return false;
    }
    result->parameters = converted;
    result->parameter_count = parameters->count;
    result->plan = plan;
    result->script = plan->script;
    result->prepared = plan->prepared;
    return true;
}

void result_keep_plan(tdbplus_result *result, struct plan_cache *plans, struct span text,
                      const struct parameter_list *parameters)
{
    // A plan made for the largest integers is not what smaller ones would get.
    if (result->loose && result->plan == NULL) {
        result->plan = plan_cache_add(plans, text, parameters, result->script, result->prepared,
                                      store_alloc(result->db->store));
    }
}
