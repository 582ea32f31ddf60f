#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "sql/func/cast_internal.h"
#include "sql/func/text_kernel.h"

/* ---- between numbers ---- */

#define WIDEN(NAME, FROM, TO) KERNEL_UNARY(NAME, FROM, TO, a)

WIDEN(int2_to_int4, int16_t, int32_t)
WIDEN(int2_to_int8, int16_t, int64_t)
WIDEN(int2_to_float4, int16_t, float)
WIDEN(int2_to_float8, int16_t, double)
WIDEN(int4_to_int8, int32_t, int64_t)
WIDEN(int4_to_float4, int32_t, float)
WIDEN(int4_to_float8, int32_t, double)
WIDEN(int8_to_float4, int64_t, float)
WIDEN(int8_to_float8, int64_t, double)
WIDEN(float4_to_float8, float, double)

#define NARROW(NAME, FROM, TO, MIN, MAX, TYPE)                          \
    KERNEL_CHECKED_UNARY(NAME, FROM, TO, bad |= a < (MIN) || a > (MAX); \
                         result[row] = (TO)a, kernel_out_of_range(call, TYPE))

NARROW(int4_to_int2, int32_t, int16_t, INT16_MIN, INT16_MAX, "smallint")
NARROW(int8_to_int2, int64_t, int16_t, INT16_MIN, INT16_MAX, "smallint")
NARROW(int8_to_int4, int64_t, int32_t, INT32_MIN, INT32_MAX, "integer")

/* Rounded to even first. The upper bound is the first value that does not fit, which a float can
 * hold exactly; the comparison is false for NaN. */
#define ROUND(NAME, FROM, TO, MIN, BEYOND, TYPE)                                           \
    KERNEL_CHECKED_UNARY(NAME, FROM, TO, double rounded = rint((double)a);                 \
                         bool fits = rounded >= (MIN) && rounded < (BEYOND); bad |= !fits; \
                         result[row] = fits ? (TO)rounded : (TO)0,                         \
                         kernel_out_of_range(call, TYPE))

ROUND(float4_to_int2, float, int16_t, -0x1p15, 0x1p15, "smallint")
ROUND(float4_to_int4, float, int32_t, -0x1p31, 0x1p31, "integer")
ROUND(float4_to_int8, float, int64_t, -0x1p63, 0x1p63, "bigint")
ROUND(float8_to_int2, double, int16_t, -0x1p15, 0x1p15, "smallint")
ROUND(float8_to_int4, double, int32_t, -0x1p31, 0x1p31, "integer")
ROUND(float8_to_int8, double, int64_t, -0x1p63, 0x1p63, "bigint")

static tdbplus_status float4_failed(struct func_call *call)
{
    return err_set(call->err, TDBPLUS_E_RANGE, "value out of range: overflow");
}

KERNEL_CHECKED_UNARY(float8_to_float4, double, float, result[row] = (float)a;
                     bad |= (isinf(result[row]) && !isinf(a)) || (result[row] == 0 && a != 0),
                     float4_failed(call))

KERNEL_UNARY(bool_to_int4, uint8_t, int32_t, a)
KERNEL_UNARY(int4_to_bool, int32_t, uint8_t, a != 0)

/* ---- text ---- */

static tdbplus_status to_text_as(struct func_call *call, bool output)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value;
        column_get(&call->arguments[0], row, &value);
        buffer_clear(&buffer);
        if (value.type.id == TYPE_BOOL && !output) {
            // The cast says true and false, the output function t and f.
            buffer_put_text(&buffer, value.boolean ? "true" : "false");
        } else {
            TRY_OR(done, func_print_as(&value, func_style(call), &buffer, call->err));
        }
        uint8_t *bytes = text_make(call, buffer.size, &status);
        if (bytes == NULL || buffer.failed) {
            status = kernel_no_memory(call);
            goto done;
        }
        memcpy(bytes, buffer.data, buffer.size);
        text_result(call, row, (struct span){.data = bytes, .size = buffer.size});
    }
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status to_text(struct func_call *call)
{
    return to_text_as(call, false);
}

static tdbplus_status output(struct func_call *call)
{
    return to_text_as(call, true);
}

static const struct func cast_output = {"output", 1, {FUNC_ANY}, TYPE_TEXT, 0, output, "Printed."};

const struct func *func_output(void)
{
    return &cast_output;
}

static tdbplus_status from_text(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value = {0};
        TRY(func_read_as(text_argument(call, 0, row), call->result->type, func_style(call),
                         call->arena, &value, call->err));
        column_set(call->result, row, &value);
    }
    return TDBPLUS_OK;
}

const struct func cast_to_text = {"text", 1, {FUNC_ANY}, TYPE_TEXT, 0, to_text, "Printed."};
const struct func cast_catalog_to_text = {"text",      1,       {FUNC_ANY}, TYPE_TEXT,
                                          FUNC_STABLE, to_text, "Printed."};
const struct func cast_catalog_from_text = {"input",     1,         {TYPE_TEXT}, FUNC_ANY,
                                            FUNC_STABLE, from_text, "Read."};
const struct func cast_from_text = {"input", 1, {TYPE_TEXT}, FUNC_ANY, 0, from_text, "Read."};

/* ---- fitting values to a length ---- */

static tdbplus_status fit_varchar_as(struct func_call *call, bool explicit)
{
    size_t limit = call->result->type.parameter;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        size_t keep = text_offset(text, limit);
        for (size_t at = keep; !explicit && at < text.size; at++) {
            // Blanks past the end are cut without a word.
            if (text.data[at] != ' ') {
                return err_set_state(call->err, TDBPLUS_E_RANGE, "22001",
                                     "value too long for type character varying(%zu)", limit);
            }
        }
        text_result(call, row, (struct span){.data = text.data, .size = keep});
    }
    return TDBPLUS_OK;
}

static tdbplus_status fit_varchar(struct func_call *call)
{
    return fit_varchar_as(call, false);
}

static tdbplus_status cut_varchar(struct func_call *call)
{
    return fit_varchar_as(call, true);
}

static const struct func varchar_assigned = {
    "varchar", 1, {TYPE_TEXT}, TYPE_TEXT, 0, fit_varchar, "Fitted to a length."};
static const struct func varchar_cut = {"varchar", 1,           {TYPE_TEXT},       TYPE_TEXT,
                                        0,         cut_varchar, "Cut to a length."};

const struct func *cast_fit_find(struct type to, enum func_cast_context context)
{
    if (to.id == TYPE_TEXT && to.parameter > 0) {
        return context == FUNC_CAST_EXPLICIT ? &varchar_cut : &varchar_assigned;
    }
    if (to.id == TYPE_NUMERIC && to.precision > 0) {
        return &cast_numeric_fit;
    }
    return cast_fit_packed(to, context);
}

const struct func *cast_unfit_find(struct type from)
{
    // Beyond 38 digits the stored form is the long one already.
    bool stored = from.id == TYPE_NUMERIC && type_physical(from) != PHYSICAL_VIEW;
    return stored ? &cast_numeric_unfit : NULL;
}

#define I FUNC_CAST_IMPLICIT
#define A FUNC_CAST_ASSIGNMENT
#define E FUNC_CAST_EXPLICIT

const struct cast_line table_casts[] = {
    CAST(TYPE_INT2, TYPE_INT4, I, "int4", int2_to_int4),
    CAST(TYPE_INT2, TYPE_INT8, I, "int8", int2_to_int8),
    CAST(TYPE_INT2, TYPE_FLOAT4, I, "float4", int2_to_float4),
    CAST(TYPE_INT2, TYPE_FLOAT8, I, "float8", int2_to_float8),
    CAST(TYPE_INT4, TYPE_INT2, A, "int2", int4_to_int2),
    CAST(TYPE_INT4, TYPE_INT8, I, "int8", int4_to_int8),
    CAST(TYPE_INT4, TYPE_FLOAT4, I, "float4", int4_to_float4),
    CAST(TYPE_INT4, TYPE_FLOAT8, I, "float8", int4_to_float8),
    CAST(TYPE_INT8, TYPE_INT2, A, "int2", int8_to_int2),
    CAST(TYPE_INT8, TYPE_INT4, A, "int4", int8_to_int4),
    CAST(TYPE_INT8, TYPE_FLOAT4, I, "float4", int8_to_float4),
    CAST(TYPE_INT8, TYPE_FLOAT8, I, "float8", int8_to_float8),
    CAST(TYPE_FLOAT4, TYPE_INT2, A, "int2", float4_to_int2),
    CAST(TYPE_FLOAT4, TYPE_INT4, A, "int4", float4_to_int4),
    CAST(TYPE_FLOAT4, TYPE_INT8, A, "int8", float4_to_int8),
    CAST(TYPE_FLOAT4, TYPE_FLOAT8, I, "float8", float4_to_float8),
    CAST(TYPE_FLOAT8, TYPE_INT2, A, "int2", float8_to_int2),
    CAST(TYPE_FLOAT8, TYPE_INT4, A, "int4", float8_to_int4),
    CAST(TYPE_FLOAT8, TYPE_INT8, A, "int8", float8_to_int8),
    CAST(TYPE_FLOAT8, TYPE_FLOAT4, A, "float4", float8_to_float4),
    CAST(TYPE_BOOL, TYPE_INT4, E, "int4", bool_to_int4),
    CAST(TYPE_INT4, TYPE_BOOL, E, "bool", int4_to_bool),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};
