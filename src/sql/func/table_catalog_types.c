/* Types of the catalog (types/catalog_type.h): how they compare, and casts. */

#include "types/catalog_type.h"

#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"

KERNEL_BINARY(equal_oid, int64_t, int64_t, uint8_t, a == b)
KERNEL_BINARY(not_equal_oid, int64_t, int64_t, uint8_t, a != b)
KERNEL_BINARY(less_oid, int64_t, int64_t, uint8_t, a < b)
KERNEL_BINARY(less_equal_oid, int64_t, int64_t, uint8_t, a <= b)
KERNEL_BINARY(greater_oid, int64_t, int64_t, uint8_t, a > b)
KERNEL_BINARY(greater_equal_oid, int64_t, int64_t, uint8_t, a >= b)

static inline int compare_bytes(struct view a, struct view b)
{
    return span_compare(view_span(&a), view_span(&b));
}

KERNEL_BINARY(equal_name, struct view, struct view, uint8_t, compare_bytes(a, b) == 0)
KERNEL_BINARY(not_equal_name, struct view, struct view, uint8_t, compare_bytes(a, b) != 0)
KERNEL_BINARY(less_name, struct view, struct view, uint8_t, compare_bytes(a, b) < 0)
KERNEL_BINARY(less_equal_name, struct view, struct view, uint8_t, compare_bytes(a, b) <= 0)
KERNEL_BINARY(greater_name, struct view, struct view, uint8_t, compare_bytes(a, b) > 0)
KERNEL_BINARY(greater_equal_name, struct view, struct view, uint8_t, compare_bytes(a, b) >= 0)

/* ---- casts ---- */

KERNEL_UNARY(int2_to_oid, int16_t, int64_t, (int64_t)(uint32_t)(int32_t)a)
KERNEL_UNARY(int4_to_oid, int32_t, int64_t, (int64_t)(uint32_t)a)
KERNEL_CHECKED_UNARY(int8_to_oid, int64_t, int64_t, bad |= a < 0 || a > UINT32_MAX;
                     result[row] = a, kernel_out_of_range(call, "oid"))
KERNEL_UNARY(oid_to_int4, int64_t, int32_t, (int32_t)(uint32_t)a)
KERNEL_UNARY(oid_as_is, int64_t, int64_t, a)

/* The bytes are a text, a name and a "char" alike, cut to what the type holds. */
static tdbplus_status cut_text(struct func_call *call)
{
    size_t limit = call->result->type.id == TYPE_NAME    ? 63
                   : call->result->type.id == TYPE_CHAR1 ? 1
                                                         : SIZE_MAX;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        size_t size = text.size < limit ? text.size : limit;
        while (size > 1 && size < text.size && (text.data[size] & 0xC0) == 0x80) {
            size--;
        }
        text_result(call, row, (struct span){.data = text.data, .size = size});
    }
    return TDBPLUS_OK;
}

static tdbplus_status char_to_int4(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        ((int32_t *)call->result->data)[row] = text.size > 0 ? (int8_t)text.data[0] : 0;
    }
    return TDBPLUS_OK;
}

/* Read anew whenever the statement runs. */
static tdbplus_status text_to_reg(struct func_call *call)
{
    return cast_catalog_from_text.kernel(call);
}

#define I FUNC_CAST_IMPLICIT
#define A FUNC_CAST_ASSIGNMENT
#define E FUNC_CAST_EXPLICIT

#define REG_LINES(ID)                                                                            \
    CAST(TYPE_OID, ID, I, "reg", oid_as_is), CAST(ID, TYPE_OID, I, "oid", oid_as_is),            \
        CAST(TYPE_INT2, ID, I, "reg", int2_to_oid), CAST(TYPE_INT4, ID, I, "reg", int4_to_oid),  \
        CAST(TYPE_INT8, ID, I, "reg", int8_to_oid), CAST(ID, TYPE_INT4, A, "int4", oid_to_int4), \
        CAST(ID, TYPE_INT8, A, "int8", oid_as_is)

const struct cast_line table_casts_catalog[] = {
    CAST(TYPE_INT2, TYPE_OID, I, "oid", int2_to_oid),
    CAST(TYPE_INT4, TYPE_OID, I, "oid", int4_to_oid),
    CAST(TYPE_INT8, TYPE_OID, I, "oid", int8_to_oid),
    CAST(TYPE_OID, TYPE_INT4, A, "int4", oid_to_int4),
    CAST(TYPE_OID, TYPE_INT8, A, "int8", oid_as_is),
    CAST(TYPE_TEXT, TYPE_NAME, I, "name", cut_text),
    CAST(TYPE_BPCHAR, TYPE_NAME, I, "name", cut_text),
    CAST(TYPE_NAME, TYPE_TEXT, I, "text", cut_text),
    CAST(TYPE_NAME, TYPE_BPCHAR, A, "bpchar", cut_text),
    CAST(TYPE_CHAR1, TYPE_TEXT, I, "text", cut_text),
    CAST(TYPE_TEXT, TYPE_CHAR1, A, "char", cut_text),
    CAST(TYPE_CHAR1, TYPE_BPCHAR, A, "bpchar", cut_text),
    CAST(TYPE_BPCHAR, TYPE_CHAR1, A, "char", cut_text),
    CAST(TYPE_CHAR1, TYPE_INT4, E, "int4", char_to_int4),
    {TYPE_TEXT,
     TYPE_REGCLASS,
     I,
     {"regclass", 1, {TYPE_TEXT}, TYPE_REGCLASS, FUNC_STABLE, text_to_reg, "Looked up."}},
    REG_LINES(TYPE_REGCLASS),
    REG_LINES(TYPE_REGTYPE),
    REG_LINES(TYPE_REGPROC),
    REG_LINES(TYPE_REGNAMESPACE),
    REG_LINES(TYPE_REGROLE),
    REG_LINES(TYPE_REGPROCEDURE),
    REG_LINES(TYPE_REGOPER),
    REG_LINES(TYPE_REGOPERATOR),
    REG_LINES(TYPE_REGCONFIG),
    REG_LINES(TYPE_REGDICTIONARY),
    REG_LINES(TYPE_REGCOLLATION),
    CAST(TYPE_REGPROC, TYPE_REGPROCEDURE, I, "reg", oid_as_is),
    CAST(TYPE_REGPROCEDURE, TYPE_REGPROC, I, "reg", oid_as_is),
    CAST(TYPE_REGOPER, TYPE_REGOPERATOR, I, "reg", oid_as_is),
    CAST(TYPE_REGOPERATOR, TYPE_REGOPER, I, "reg", oid_as_is),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

#define OP FUNC_OPERATOR

const struct func table_catalog_types[] = {
    COMPARISONS_OF(oid, TYPE_OID),
    COMPARISONS_OF(name, TYPE_NAME),
    COMPARISONS_OF(name, TYPE_CHAR1),
    {"=", 2, {TYPE_XID, TYPE_XID}, TYPE_BOOL, OP, equal_oid, "True if equal."},
    {"<>", 2, {TYPE_XID, TYPE_XID}, TYPE_BOOL, OP, not_equal_oid, "True if not equal."},
    FUNC_END,
};
