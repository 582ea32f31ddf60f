/* Values at the border: checked and converted on the way in, made readable on the way out. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "types/json.h"
#include "types/numeric.h"
#include "types/packed.h"

tdbplus_value tdbplus_null(void)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_NONE, .is_null = true};
}

tdbplus_value tdbplus_bool(bool value)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_BOOL, .as.boolean = value};
}

tdbplus_value tdbplus_int8(int64_t value)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_INT8, .as.integer = value};
}

tdbplus_value tdbplus_float8(double value)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_FLOAT8, .as.real = value};
}

tdbplus_value tdbplus_text_sized(const char *text, size_t size)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_TEXT, .as.bytes = {.data = text, .size = size}};
}

tdbplus_value tdbplus_text(const char *text)
{
    return tdbplus_text_sized(text, strlen(text));
}

tdbplus_value tdbplus_bytea(const void *data, size_t size)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_BYTEA, .as.bytes = {.data = data, .size = size}};
}

tdbplus_value tdbplus_json(const char *text, size_t size)
{
    return (tdbplus_value){.type = TDBPLUS_TYPE_JSON, .as.bytes = {.data = text, .size = size}};
}

tdbplus_status engine_type(const tdbplus_column *column, struct type *type_out, struct err *err)
{
    struct type type = {.id = (uint8_t)column->type};
    if (column->type == TDBPLUS_TYPE_NUMERIC) {
        type.precision = (int16_t)column->precision;
        type.scale = (int16_t)column->scale;
    }
    if (column->type == TDBPLUS_TYPE_VECTOR) {
        type.parameter = column->dimension;
    }
    if (column->type == TDBPLUS_TYPE_ARRAY || column->type == TDBPLUS_TYPE_ENUM) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED,
                       "column \"%s\": arrays and enums cannot be declared through the C API yet",
                       column->name);
    }
    if (!type_valid(type)) {
        return err_set(err, TDBPLUS_E_INVALID, "column \"%s\" has no valid type", column->name);
    }
    *type_out = type;
    return TDBPLUS_OK;
}

/* ---- in ---- */

/* Whether a caller's number is that of a type. */
static bool type_valid_id(tdbplus_type type)
{
    struct type known = {.id = (uint8_t)type};
    return type >= 0 && type <= (tdbplus_type)TYPE_ID_MAX &&
           (type_valid(known) || type == TDBPLUS_TYPE_ARRAY || type == TDBPLUS_TYPE_VECTOR);
}

static tdbplus_status wrong_type(const tdbplus_value *value, struct type type, const char *column,
                                 struct err *err)
{
    char want[64];
    char have[64];
    type_name(type, want);
    if (type_valid_id(value->type)) {
        type_name((struct type){.id = (uint8_t)value->type}, have);
    } else {
        (void)snprintf(have, sizeof have, "number %d", (int)value->type);
    }
    return err_set(err, TDBPLUS_E_TYPE, "column \"%s\" is of type %s, the value of type %s", column,
                   want, have);
}

static bool is_integer(tdbplus_type type)
{
    return type == TDBPLUS_TYPE_INT2 || type == TDBPLUS_TYPE_INT4 || type == TDBPLUS_TYPE_INT8;
}

static tdbplus_status take_integer(const tdbplus_value *value, struct type type, const char *column,
                                   struct datum *datum, struct err *err)
{
    int64_t number = value->as.integer;
    int64_t max = type.id == TYPE_INT2   ? INT16_MAX
                  : type.id == TYPE_INT4 ? INT32_MAX
                  : type.id == TYPE_DATE ? INT32_MAX
                                         : INT64_MAX;
    if (number > max || number < -max - 1) {
        char name[64];
        type_name(type, name);
        return err_set(err, TDBPLUS_E_RANGE, "%" PRId64 " does not fit column \"%s\" of type %s",
                       number, column, name);
    }
    datum->integer = number;
    return TDBPLUS_OK;
}

/* Moves what a buffer holds to the arena, where it lives as long as the call wants. */
static tdbplus_status keep_bytes(struct buffer *buffer, struct arena *arena, struct datum *datum,
                                 struct err *err)
{
    uint8_t *copy = buffer->failed ? NULL : arena_bytes(arena, buffer->size);
    if (copy == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "a value does not fit the memory limit");
    }
    memcpy(copy, buffer->data, buffer->size);
    datum->bytes = (struct span){.data = copy, .size = buffer->size};
    return TDBPLUS_OK;
}

static tdbplus_status take_json(const tdbplus_value *value, const char *column, struct arena *arena,
                                struct datum *datum, struct err *err)
{
    struct json_builder builder;
    struct buffer document = {.alloc = arena->alloc};
    json_builder_init(&builder, arena->alloc);
    struct span text = {.data = value->as.bytes.data, .size = value->as.bytes.size};
    struct err why = {0};
    tdbplus_status status = json_parse(&builder, text, &document, &why);
    if (status == TDBPLUS_OK) {
        status = keep_bytes(&document, arena, datum, &why);
    }
    json_builder_deinit(&builder);
    buffer_deinit(&document);
    if (status != TDBPLUS_OK) {
        return err_set_state(err, status, why.sqlstate, "column \"%s\": %s", column, why.text);
    }
    return TDBPLUS_OK;
}

/* A numeric comes as its text or as an integer. */
static tdbplus_status take_numeric(const tdbplus_value *value, struct type type, const char *column,
                                   struct arena *arena, struct datum *datum, struct err *err)
{
    struct buffer number = {.alloc = arena->alloc};
    struct span text = {.data = value->as.bytes.data, .size = value->as.bytes.size};
    tdbplus_status status = TDBPLUS_OK;
    if (is_integer(value->type)) {
        numeric_of_integer(value->as.integer, &number);
    } else if (value->type == TDBPLUS_TYPE_NUMERIC || value->type == TDBPLUS_TYPE_TEXT) {
        status = numeric_parse(text, &number, err);
    } else {
        status = wrong_type(value, type, column, err);
    }
    if (status == TDBPLUS_OK && number.failed) {
        status = err_set(err, TDBPLUS_E_NOMEM, "a numeric does not fit the memory limit");
    }
    if (status == TDBPLUS_OK) {
        status = numeric_to_datum(buffer_span(&number), type, arena, datum, err);
    }
    buffer_deinit(&number);
    return status;
}

static tdbplus_status take_real(const tdbplus_value *value, struct type type, const char *column,
                                struct datum *datum, struct err *err)
{
    if (is_integer(value->type)) {
        datum->real = (double)value->as.integer;
    } else if (value->type == TDBPLUS_TYPE_FLOAT4 || value->type == TDBPLUS_TYPE_FLOAT8) {
        datum->real = value->as.real;
    } else {
        return wrong_type(value, type, column, err);
    }
    if (type.id == TYPE_FLOAT4) {
        float narrow = (float)datum->real;
        if (isinf(narrow) && !isinf(datum->real)) {
            return err_set(err, TDBPLUS_E_RANGE, "%g does not fit column \"%s\" of type float4",
                           datum->real, column);
        }
        datum->real = (double)narrow;
    }
    return TDBPLUS_OK;
}

static tdbplus_status take_bytes(const tdbplus_value *value, struct type type, const char *column,
                                 struct datum *datum, struct err *err)
{
    size_t size = value->as.bytes.size;
    if (size > 0 && value->as.bytes.data == NULL) {
        return err_set(err, TDBPLUS_E_INVALID, "column \"%s\": %zu bytes at NULL", column, size);
    }
    bool any = type.id == TYPE_VECTOR && type.parameter == 0;
    if (any &&
        (size == 0 || size % sizeof(float) != 0 || size / sizeof(float) > VECTOR_DIMENSION_MAX)) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22000",
                             "column \"%s\": a vector has 1 to %u float4 values, not %zu bytes",
                             column, VECTOR_DIMENSION_MAX, size);
    }
    if (type.id == TYPE_VECTOR && !any && size != (size_t)type.parameter * sizeof(float)) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22000",
                             "column \"%s\" has %u dimensions, the vector %zu", column,
                             type.parameter, size / sizeof(float));
    }
    if (type.id == TYPE_TEXT && size > 0 && memchr(value->as.bytes.data, 0, size) != NULL) {
        return err_set_state(err, TDBPLUS_E_INVALID, "22021",
                             "column \"%s\": a text has no zero bytes", column);
    }
    datum->bytes = (struct span){.data = value->as.bytes.data, .size = size};
    return TDBPLUS_OK;
}

/* Packed values come as their text. */
static tdbplus_status take_packed(const tdbplus_value *value, struct type type, const char *column,
                                  struct arena *arena, struct datum *datum, struct err *err)
{
    if ((uint8_t)value->type != type.id && value->type != TDBPLUS_TYPE_TEXT) {
        return wrong_type(value, type, column, err);
    }
    struct datum text = {0};
    TRY(take_bytes(value, type_of(TYPE_TEXT), column, &text, err));
    return text_parse(text.bytes, type, NULL, arena, datum, err);
}

/* Types that take nothing but their own kind of value. */
static tdbplus_status take_same(const tdbplus_value *value, struct type type, const char *column,
                                struct datum *datum, struct err *err)
{
    if ((uint8_t)value->type != type.id) {
        return wrong_type(value, type, column, err);
    }
    switch (type.id) {
    case TYPE_BOOL:
        datum->boolean = value->as.boolean;
        return TDBPLUS_OK;
    case TYPE_INTERVAL:
        datum->interval = (struct interval){.months = value->as.interval.months,
                                            .days = value->as.interval.days,
                                            .microseconds = value->as.interval.microseconds};
        return TDBPLUS_OK;
    case TYPE_UUID:
        memcpy(datum->uuid, value->as.uuid, sizeof datum->uuid);
        return TDBPLUS_OK;
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return take_integer(value, type, column, datum, err);
    case TYPE_TEXT:
    case TYPE_BYTEA:
    case TYPE_VECTOR:
        return take_bytes(value, type, column, datum, err);
    default:
        break;
    }
    return err_set(err, TDBPLUS_E_UNSUPPORTED,
                   "column \"%s\": values of this type cannot be passed through the C API yet",
                   column);
}

tdbplus_status engine_datum(const tdbplus_value *value, struct type type, const char *column,
                            struct arena *arena, struct datum *datum_out, struct err *err)
{
    struct datum datum = {.type = type, .is_null = value->is_null};
    if (value->is_null) {
        *datum_out = datum;
        return TDBPLUS_OK;
    }
    bool integer_column = type.id == TYPE_INT2 || type.id == TYPE_INT4 || type.id == TYPE_INT8;
    if (integer_column) {
        TRY(is_integer(value->type) ? take_integer(value, type, column, &datum, err)
                                    : wrong_type(value, type, column, err));
    } else if (type.id == TYPE_FLOAT4 || type.id == TYPE_FLOAT8) {
        TRY(take_real(value, type, column, &datum, err));
    } else if (type.id == TYPE_NUMERIC) {
        TRY(take_numeric(value, type, column, arena, &datum, err));
    } else if (packed_type(type)) {
        TRY(take_packed(value, type, column, arena, &datum, err));
    } else if (type.id == TYPE_JSON &&
               (value->type == TDBPLUS_TYPE_JSON || value->type == TDBPLUS_TYPE_TEXT)) {
        TRY(take_json(value, column, arena, &datum, err));
    } else {
        TRY(take_same(value, type, column, &datum, err));
    }
    *datum_out = datum;
    return TDBPLUS_OK;
}

/* ---- out ---- */

static tdbplus_status give_text(struct buffer *text, struct arena *arena, tdbplus_value *value,
                                struct err *err)
{
    uint8_t *copy = text->failed ? NULL : arena_bytes(arena, text->size);
    if (copy == NULL) {
        buffer_deinit(text);
        return err_set(err, TDBPLUS_E_NOMEM, "a value does not fit the memory limit");
    }
    if (text->size > 0) {
        memcpy(copy, text->data, text->size);
    }
    value->as.bytes.data = copy;
    value->as.bytes.size = text->size;
    buffer_deinit(text);
    return TDBPLUS_OK;
}

static tdbplus_status give_numeric(const struct datum *datum, struct arena *arena,
                                   tdbplus_value *value, struct err *err)
{
    struct buffer number = {.alloc = arena->alloc};
    struct buffer text = {.alloc = arena->alloc};
    numeric_of_datum(datum, &number);
    if (number.failed) {
        text.failed = true;
    } else {
        numeric_print(buffer_span(&number), &text);
    }
    buffer_deinit(&number);
    return give_text(&text, arena, value, err);
}

bool engine_show_value(const struct datum *datum, tdbplus_value *value)
{
    value->type = (tdbplus_type)datum->type.id;
    value->is_null = datum->is_null;
    switch (datum->type.id) { // A number: types to come are read the long way.
    case TYPE_BOOL:
        value->as.boolean = datum->boolean;
        return true;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        value->as.real = datum->real;
        return true;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_DATE:
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        value->as.integer = datum->integer;
        return true;
    case TYPE_TEXT:
    case TYPE_BYTEA:
        value->as.bytes.data = datum->bytes.data;
        value->as.bytes.size = datum->is_null ? 0 : datum->bytes.size;
        return true;
    default:
        return datum->is_null;
    }
}

tdbplus_status engine_value(const struct datum *datum, struct arena *arena,
                            tdbplus_value *value_out, struct err *err)
{
    tdbplus_value value = {.type = (tdbplus_type)datum->type.id, .is_null = datum->is_null};
    if (datum->is_null) {
        *value_out = value;
        return TDBPLUS_OK;
    }
    switch (datum->type.id) {
    case TYPE_BOOL:
        value.as.boolean = datum->boolean;
        break;
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
        value.as.real = datum->real;
        break;
    case TYPE_INTERVAL:
        value.as.interval.months = datum->interval.months;
        value.as.interval.days = datum->interval.days;
        value.as.interval.microseconds = datum->interval.microseconds;
        break;
    case TYPE_UUID:
        memcpy(value.as.uuid, datum->uuid, sizeof value.as.uuid);
        break;
    case TYPE_NUMERIC:
        TRY(give_numeric(datum, arena, &value, err));
        break;
    case TYPE_JSON: {
        struct buffer text = {.alloc = arena->alloc};
        json_print(datum->bytes, &text);
        TRY(give_text(&text, arena, &value, err));
        break;
    }
    case TYPE_TEXT:
    case TYPE_BYTEA:
    case TYPE_VECTOR:
    case TYPE_ARRAY:
        value.as.bytes.data = datum->bytes.data;
        value.as.bytes.size = datum->bytes.size;
        break;
    default:
        if (packed_type(datum->type)) {
            struct buffer text = {.alloc = arena->alloc};
            text_print(datum, NULL, &text);
            TRY(give_text(&text, arena, &value, err));
        } else {
            value.as.integer = datum->integer;
        }
        break;
    }
    *value_out = value;
    return TDBPLUS_OK;
}
