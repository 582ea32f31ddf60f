#include "sql/func/kernel.h"

#include <string.h>

#include "types/numeric.h"

/* PostgreSQL's order of floats: NaN equals itself and comes after everything. */
static inline int compare_float(double a, double b)
{
    if (a < b) {
        return -1;
    }
    if (a > b) {
        return 1;
    }
    if (a == b) {
        return 0;
    }
    return (a != a) - (b != b);
}

static inline int compare_single(float a, float b)
{
    return compare_float((double)a, (double)b);
}

static inline int compare_view(struct view a, struct view b)
{
    return span_compare(view_span(&a), view_span(&b));
}

/* Sizes and first bytes lie in the view; most unequal values differ there. */
static inline bool same_view(struct view a, struct view b)
{
    if (memcmp(&a, &b, 8) != 0) {
        return false;
    }
    return memcmp(view_data(&a), view_data(&b), a.size) == 0;
}

static inline int compare_numeric(struct view a, struct view b)
{
    return numeric_compare(view_span(&a), view_span(&b));
}

struct uuid {
    uint8_t bytes[16];
};

static inline int compare_uuid(struct uuid a, struct uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes);
}

static inline int compare_interval(struct interval a, struct interval b)
{
    struct datum left = {.type = type_of(TYPE_INTERVAL), .interval = a};
    struct datum right = {.type = type_of(TYPE_INTERVAL), .interval = b};
    return datum_compare(&left, &right);
}

static inline int compare_json(struct view a, struct view b)
{
    struct datum left = {.type = type_of(TYPE_JSON), .bytes = view_span(&a)};
    struct datum right = {.type = type_of(TYPE_JSON), .bytes = view_span(&b)};
    return datum_compare(&left, &right);
}

#define ORDER_KERNELS(T, LEFT, RIGHT, EQ, NE, LT, LE, GT, GE) \
    KERNEL_BINARY(equal_##T, LEFT, RIGHT, uint8_t, EQ)        \
    KERNEL_BINARY(not_equal_##T, LEFT, RIGHT, uint8_t, NE)    \
    KERNEL_BINARY(less_##T, LEFT, RIGHT, uint8_t, LT)         \
    KERNEL_BINARY(less_equal_##T, LEFT, RIGHT, uint8_t, LE)   \
    KERNEL_BINARY(greater_##T, LEFT, RIGHT, uint8_t, GT)      \
    KERNEL_BINARY(greater_equal_##T, LEFT, RIGHT, uint8_t, GE)

#define PLAIN_KERNELS(T, CTYPE) \
    ORDER_KERNELS(T, CTYPE, CTYPE, a == b, a != b, a<b, a <= b, a> b, a >= b)

#define COMPARED_KERNELS(T, CTYPE, COMPARE)                                                   \
    ORDER_KERNELS(T, CTYPE, CTYPE, COMPARE(a, b) == 0, COMPARE(a, b) != 0, COMPARE(a, b) < 0, \
                  COMPARE(a, b) <= 0, COMPARE(a, b) > 0, COMPARE(a, b) >= 0)

PLAIN_KERNELS(boolean, uint8_t)
PLAIN_KERNELS(int2, int16_t)
PLAIN_KERNELS(int4, int32_t)
PLAIN_KERNELS(int8, int64_t)
COMPARED_KERNELS(float4, float, compare_single)
COMPARED_KERNELS(float8, double, compare_float)
ORDER_KERNELS(float48, float, double, compare_float((double)a, b) == 0,
              compare_float((double)a, b) != 0, compare_float((double)a, b) < 0,
              compare_float((double)a, b) <= 0, compare_float((double)a, b) > 0,
              compare_float((double)a, b) >= 0)
ORDER_KERNELS(float84, double, float, compare_float(a, (double)b) == 0,
              compare_float(a, (double)b) != 0, compare_float(a, (double)b) < 0,
              compare_float(a, (double)b) <= 0, compare_float(a, (double)b) > 0,
              compare_float(a, (double)b) >= 0)
ORDER_KERNELS(view, struct view, struct view, same_view(a, b), !same_view(a, b),
              compare_view(a, b) < 0, compare_view(a, b) <= 0, compare_view(a, b) > 0,
              compare_view(a, b) >= 0)
COMPARED_KERNELS(numeric, struct view, compare_numeric)
COMPARED_KERNELS(uuid, struct uuid, compare_uuid)
COMPARED_KERNELS(interval, struct interval, compare_interval)
COMPARED_KERNELS(json, struct view, compare_json)

KERNEL_UNARY(not_bool, uint8_t, uint8_t, a == 0)

#define OP FUNC_OPERATOR

#define COMPARISON_LINES(T, ID) MIXED_LINES(T, ID, ID)

#define MIXED_LINES(T, LEFT, RIGHT)                                                           \
    {"=", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, equal_##T, "True if equal."},                      \
        {"<>", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, not_equal_##T, "True if not equal."},         \
        {"<", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, less_##T, "True if less."},                    \
        {"<=", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, less_equal_##T, "True if less or equal."},    \
        {">", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, greater_##T, "True if greater."},              \
    {                                                                                         \
        ">=", 2, {LEFT, RIGHT}, TYPE_BOOL, OP, greater_equal_##T, "True if greater or equal." \
    }

const struct func table_comparison[] = {
    COMPARISON_LINES(boolean, TYPE_BOOL),
    COMPARISON_LINES(int2, TYPE_INT2),
    COMPARISON_LINES(int4, TYPE_INT4),
    COMPARISON_LINES(int8, TYPE_INT8),
    COMPARISON_LINES(float4, TYPE_FLOAT4),
    COMPARISON_LINES(float8, TYPE_FLOAT8),
    MIXED_LINES(float48, TYPE_FLOAT4, TYPE_FLOAT8),
    MIXED_LINES(float84, TYPE_FLOAT8, TYPE_FLOAT4),
    COMPARISON_LINES(numeric, TYPE_NUMERIC),
    COMPARISON_LINES(view, TYPE_TEXT),
    COMPARISON_LINES(view, TYPE_BYTEA),
    COMPARISON_LINES(int4, TYPE_DATE),
    COMPARISON_LINES(int8, TYPE_TIME),
    COMPARISON_LINES(int8, TYPE_TIMESTAMP),
    COMPARISON_LINES(int8, TYPE_TIMESTAMPTZ),
    COMPARISON_LINES(interval, TYPE_INTERVAL),
    COMPARISON_LINES(uuid, TYPE_UUID),
    COMPARISON_LINES(json, TYPE_JSON),
    COMPARISON_LINES(int4, FUNC_ANY_ENUM),
    {"not", 1, {TYPE_BOOL}, TYPE_BOOL, OP, not_bool, "Logical negation."},
    FUNC_END,
};
