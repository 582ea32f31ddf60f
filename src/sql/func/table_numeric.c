/* Exact numbers of any length. In expressions they have their long form (F6). */

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "sql/func/cast_internal.h"
#include "sql/func/text_kernel.h"
#include "types/numeric.h"

/* Moves what a buffer holds into the result. */
static tdbplus_status put_bytes(struct func_call *call, uint32_t row, const struct buffer *buffer)
{
    uint8_t *bytes = buffer->failed ? NULL : arena_bytes(call->arena, buffer->size + 1);
    if (bytes == NULL) {
        return kernel_no_memory(call);
    }
    memcpy(bytes, buffer->data, buffer->size);
    text_result(call, row, (struct span){.data = bytes, .size = buffer->size});
    return TDBPLUS_OK;
}

typedef tdbplus_status (*numeric_operation)(struct span left, struct span right,
                                            struct buffer *buffer, struct err *err);
typedef tdbplus_status (*numeric_change)(struct span value, struct buffer *buffer, struct err *err);

static tdbplus_status apply_pairs(struct func_call *call, numeric_operation operation)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        buffer_clear(&buffer);
        TRY_OR(done, operation(text_argument(call, 0, row), text_argument(call, 1, row), &buffer,
                               call->err));
        TRY_OR(done, put_bytes(call, row, &buffer));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status apply_each(struct func_call *call, numeric_change change)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        buffer_clear(&buffer);
        TRY_OR(done, change(text_argument(call, 0, row), &buffer, call->err));
        TRY_OR(done, put_bytes(call, row, &buffer));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

#define PAIRS(NAME, OPERATION)                         \
    static tdbplus_status NAME(struct func_call *call) \
    {                                                  \
        return apply_pairs(call, OPERATION);           \
    }
#define EACH(NAME, CHANGE)                             \
    static tdbplus_status NAME(struct func_call *call) \
    {                                                  \
        return apply_each(call, CHANGE);               \
    }

PAIRS(add, numeric_add)
PAIRS(subtract, numeric_subtract)
PAIRS(multiply, numeric_multiply)
PAIRS(divide, numeric_divide)
PAIRS(divide_whole, numeric_divide_whole)
PAIRS(modulo, numeric_modulo)
EACH(negate, numeric_negate)
EACH(absolute, numeric_absolute)
EACH(square_root, numeric_sqrt)
EACH(floor_numeric, numeric_floor)
EACH(ceiling, numeric_ceiling)

static tdbplus_status identity(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        text_result(call, row, text_argument(call, 0, row));
    }
    return TDBPLUS_OK;
}

static tdbplus_status round_to(struct func_call *call, bool cut)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int32_t scale = call->argument_count > 1 ? int4_argument(call, 1, row) : 0;
        struct span value = text_argument(call, 0, row);
        buffer_clear(&buffer);
        TRY_OR(done, cut ? numeric_truncate(value, scale, &buffer, call->err)
                         : numeric_round(value, scale, &buffer, call->err));
        TRY_OR(done, put_bytes(call, row, &buffer));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status round_numeric(struct func_call *call)
{
    return round_to(call, false);
}

static tdbplus_status truncate_numeric(struct func_call *call)
{
    return round_to(call, true);
}

static tdbplus_status sign(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span value = text_argument(call, 0, row);
        buffer_clear(&buffer);
        if (value.data[0] == NUMERIC_NAN) {
            buffer_put_span(&buffer, value);
        } else {
            numeric_of_integer(numeric_sign(value), &buffer);
        }
        TRY_OR(done, put_bytes(call, row, &buffer));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

/* ---- conversions ---- */

static tdbplus_status from_datum(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value;
        column_get(&call->arguments[0], row, &value);
        buffer_clear(&buffer);
        switch (value.type.id) {
        case TYPE_FLOAT4:
            TRY_OR(done, numeric_of_float4((float)value.real, &buffer, call->err));
            break;
        case TYPE_FLOAT8:
            TRY_OR(done, numeric_of_float8(value.real, &buffer, call->err));
            break;
        case TYPE_NUMERIC:
            numeric_of_datum(&value, &buffer);
            break;
        default:
            numeric_of_integer(value.integer, &buffer);
            break;
        }
        TRY_OR(done, put_bytes(call, row, &buffer));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status to_integer(struct func_call *call, int64_t min, int64_t max)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value = {.type = call->result->type};
        TRY(numeric_to_integer(text_argument(call, 0, row), min, max, &value.integer, call->err));
        column_set(call->result, row, &value);
    }
    return TDBPLUS_OK;
}

static tdbplus_status to_int2(struct func_call *call)
{
    return to_integer(call, INT16_MIN, INT16_MAX);
}

static tdbplus_status to_int4(struct func_call *call)
{
    return to_integer(call, INT32_MIN, INT32_MAX);
}

static tdbplus_status to_int8(struct func_call *call)
{
    return to_integer(call, INT64_MIN, INT64_MAX);
}

static tdbplus_status does_not_fit(struct func_call *call, struct span number, const char *type)
{
    struct buffer text = {.alloc = call->arena->alloc};
    numeric_print(number, &text);
    buffer_put_u8(&text, 0);
    tdbplus_status status = text.failed ? kernel_no_memory(call)
                                        : err_set_state(call->err, TDBPLUS_E_RANGE, "22003",
                                                        "\"%.400s\" is out of range for type %s",
                                                        (const char *)text.data, type);
    buffer_deinit(&text);
    return status;
}

static tdbplus_status to_float(struct func_call *call)
{
    bool narrow = call->result->type.id == TYPE_FLOAT4;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span number = text_argument(call, 0, row);
        struct datum value = {.type = call->result->type, .real = numeric_to_float8(number)};
        value.real = narrow ? (double)(float)value.real : value.real;
        bool lost = isinf(value.real) || (value.real == 0 && numeric_sign(number) != 0);
        if (lost && number.data[0] <= NUMERIC_NEGATIVE) {
            return does_not_fit(call, number, narrow ? "real" : "double precision");
        }
        column_set(call->result, row, &value);
    }
    return TDBPLUS_OK;
}

/* To the precision and scale of the type that the result has. */
static tdbplus_status fit(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value;
        TRY(numeric_to_datum(text_argument(call, 0, row), call->result->type, call->arena, &value,
                             call->err));
        column_set(call->result, row, &value);
    }
    return TDBPLUS_OK;
}

#define NU TYPE_NUMERIC

const struct func cast_numeric_fit = {"numeric", 1, {NU}, NU, 0, fit, "Fitted to a precision."};
const struct func cast_numeric_unfit = {"numeric", 1, {NU}, NU, 0, from_datum, "Of any precision."};

const struct cast_line table_casts_numeric[] = {
    CAST(TYPE_INT2, NU, FUNC_CAST_IMPLICIT, "numeric", from_datum),
    CAST(TYPE_INT4, NU, FUNC_CAST_IMPLICIT, "numeric", from_datum),
    CAST(TYPE_INT8, NU, FUNC_CAST_IMPLICIT, "numeric", from_datum),
    CAST(TYPE_FLOAT4, NU, FUNC_CAST_ASSIGNMENT, "numeric", from_datum),
    CAST(TYPE_FLOAT8, NU, FUNC_CAST_ASSIGNMENT, "numeric", from_datum),
    CAST(NU, TYPE_INT2, FUNC_CAST_ASSIGNMENT, "int2", to_int2),
    CAST(NU, TYPE_INT4, FUNC_CAST_ASSIGNMENT, "int4", to_int4),
    CAST(NU, TYPE_INT8, FUNC_CAST_ASSIGNMENT, "int8", to_int8),
    CAST(NU, TYPE_FLOAT4, FUNC_CAST_IMPLICIT, "float4", to_float),
    CAST(NU, TYPE_FLOAT8, FUNC_CAST_IMPLICIT, "float8", to_float),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

#define OP FUNC_OPERATOR

const struct func table_numeric[] = {
    {"+", 2, {NU, NU}, NU, OP, add, "Sum."},
    {"-", 2, {NU, NU}, NU, OP, subtract, "Difference."},
    {"*", 2, {NU, NU}, NU, OP, multiply, "Product."},
    {"/", 2, {NU, NU}, NU, OP, divide, "Quotient."},
    {"%", 2, {NU, NU}, NU, OP, modulo, "Remainder."},
    {"mod", 2, {NU, NU}, NU, 0, modulo, "Remainder."},
    {"div", 2, {NU, NU}, NU, 0, divide_whole, "Quotient cut to a whole number."},
    {"-", 1, {NU}, NU, OP, negate, "Negation."},
    {"+", 1, {NU}, NU, OP, identity, "The value itself."},
    {"@", 1, {NU}, NU, OP, absolute, "Absolute value."},
    {"abs", 1, {NU}, NU, 0, absolute, "Absolute value."},
    {"sqrt", 1, {NU}, NU, 0, square_root, "Square root."},
    {"floor", 1, {NU}, NU, 0, floor_numeric, "Nearest integer not above."},
    {"ceil", 1, {NU}, NU, 0, ceiling, "Nearest integer not below."},
    {"ceiling", 1, {NU}, NU, 0, ceiling, "Nearest integer not below."},
    {"round", 1, {NU}, NU, 0, round_numeric, "Nearest integer, ties away from zero."},
    {"round", 2, {NU, TYPE_INT4}, NU, 0, round_numeric, "To so many digits after the point."},
    {"trunc", 1, {NU}, NU, 0, truncate_numeric, "Integer part."},
    {"trunc", 2, {NU, TYPE_INT4}, NU, 0, truncate_numeric, "Cut after so many digits."},
    {"sign", 1, {NU}, NU, 0, sign, "-1, 0 or 1."},
    FUNC_END,
};
