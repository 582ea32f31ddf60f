#include "sql/func/kernel.h"

#include <limits.h>
#include <math.h>

/* ---- integers: every result is checked (22003) ---- */

#define INTEGER_KERNELS(T, CTYPE, MIN, NAME)                                                    \
    KERNEL_CHECKED(add_##T, CTYPE, CTYPE, CTYPE,                                                \
                   bad |= __builtin_add_overflow(a, b, &result[row]),                           \
                   kernel_out_of_range(call, NAME))                                             \
    KERNEL_CHECKED(subtract_##T, CTYPE, CTYPE, CTYPE,                                           \
                   bad |= __builtin_sub_overflow(a, b, &result[row]),                           \
                   kernel_out_of_range(call, NAME))                                             \
    KERNEL_CHECKED(multiply_##T, CTYPE, CTYPE, CTYPE,                                           \
                   bad |= __builtin_mul_overflow(a, b, &result[row]),                           \
                   kernel_out_of_range(call, NAME))                                             \
    KERNEL_CHECKED(divide_##T, CTYPE, CTYPE, CTYPE,                                             \
                   if (b == 0) return kernel_division_by_zero(call);                            \
                   if (b == -1 && a == (MIN)) bad = true;                                       \
                   else result[row] = (CTYPE)(a / b), kernel_out_of_range(call, NAME))          \
    KERNEL_CHECKED(modulo_##T, CTYPE, CTYPE, CTYPE,                                             \
                   if (b == 0) return kernel_division_by_zero(call);                            \
                   result[row] = (CTYPE)(b == -1 ? 0 : a % b), kernel_out_of_range(call, NAME)) \
    KERNEL_CHECKED_UNARY(negate_##T, CTYPE, CTYPE,                                              \
                         bad |= __builtin_sub_overflow((CTYPE)0, a, &result[row]),              \
                         kernel_out_of_range(call, NAME))                                       \
    KERNEL_CHECKED_UNARY(absolute_##T, CTYPE, CTYPE, bad |= a == (MIN);                         \
                         result[row] = (CTYPE)(a == (MIN) ? a                                   \
                                               : a < 0    ? -a                                  \
                                                          : a),                                    \
                         kernel_out_of_range(call, NAME))                                       \
    KERNEL_UNARY(identity_##T, CTYPE, CTYPE, a)                                                 \
    KERNEL_BINARY(and_##T, CTYPE, CTYPE, CTYPE, a &b)                                           \
    KERNEL_BINARY(or_##T, CTYPE, CTYPE, CTYPE, a | b)                                           \
    KERNEL_BINARY(xor_##T, CTYPE, CTYPE, CTYPE, a ^ b)                                          \
    KERNEL_UNARY(not_##T, CTYPE, CTYPE, ~a)

INTEGER_KERNELS(int2, int16_t, INT16_MIN, "smallint")
INTEGER_KERNELS(int4, int32_t, INT32_MIN, "integer")
INTEGER_KERNELS(int8, int64_t, INT64_MIN, "bigint")

/* Shifts use as many bits of the count as the machine's instruction does for the width. */
KERNEL_BINARY(shift_left_int2, int16_t, int32_t, int16_t, (int16_t)((uint32_t)a << (b & 31)))
KERNEL_BINARY(shift_right_int2, int16_t, int32_t, int16_t, (int32_t)a >> (b & 31))
KERNEL_BINARY(shift_left_int4, int32_t, int32_t, int32_t, (uint32_t)a << (b & 31))
KERNEL_BINARY(shift_right_int4, int32_t, int32_t, int32_t, a >> (b & 31))
KERNEL_BINARY(shift_left_int8, int64_t, int32_t, int64_t, (uint64_t)a << (b & 63))
KERNEL_BINARY(shift_right_int8, int64_t, int32_t, int64_t, a >> (b & 63))

/* ---- floats: infinity out of finite operands is an error, and so is zero out of others ---- */

static tdbplus_status float_failed(struct func_call *call, bool divided_by_zero, bool overflow)
{
    if (divided_by_zero) {
        return kernel_division_by_zero(call);
    }
    return err_set(call->err, TDBPLUS_E_RANGE, "value out of range: %s",
                   overflow ? "overflow" : "underflow");
}

#define FLOAT_KERNEL(NAME, LEFT, RIGHT, CTYPE, OPERATION, ZERO_IS_FINE, BY_ZERO) \
    static tdbplus_status NAME(struct func_call *call)                           \
    {                                                                            \
        const LEFT *left = call->arguments[0].data;                              \
        const RIGHT *right = call->arguments[1].data;                            \
        CTYPE *result = call->result->data;                                      \
        uint32_t left_mask = kernel_mask(&call->arguments[0]);                   \
        uint32_t right_mask = kernel_mask(&call->arguments[1]);                  \
        bool overflow = false;                                                   \
        bool underflow = false;                                                  \
        bool by_zero = false;                                                    \
        for (uint32_t i = 0; i < call->count; i++) {                             \
            uint32_t row = kernel_row(call, i);                                  \
            const CTYPE a = (CTYPE)left[row & left_mask];                        \
            const CTYPE b = (CTYPE)right[row & right_mask];                      \
            const CTYPE r = (CTYPE)(OPERATION);                                  \
            by_zero |= (BY_ZERO);                                                \
            overflow |= isinf(r) && !isinf(a) && !isinf(b);                      \
            underflow |= r == 0 && !(ZERO_IS_FINE);                              \
            result[row] = r;                                                     \
        }                                                                        \
        if (by_zero || overflow || underflow) {                                  \
            return float_failed(call, by_zero, overflow);                        \
        }                                                                        \
        return TDBPLUS_OK;                                                       \
    }

#define FLOAT_PAIRS(T, LEFT, RIGHT, CTYPE)                                        \
    FLOAT_KERNEL(add_##T, LEFT, RIGHT, CTYPE, a + b, true, false)                 \
    FLOAT_KERNEL(subtract_##T, LEFT, RIGHT, CTYPE, a - b, true, false)            \
    FLOAT_KERNEL(multiply_##T, LEFT, RIGHT, CTYPE, a *b, a == 0 || b == 0, false) \
    FLOAT_KERNEL(divide_##T, LEFT, RIGHT, CTYPE, a / b, a == 0 || isinf(b), b == 0 && !isnan(a))

#define FLOAT_KERNELS(T, CTYPE)                \
    FLOAT_PAIRS(T, CTYPE, CTYPE, CTYPE)        \
    KERNEL_UNARY(negate_##T, CTYPE, CTYPE, -a) \
    KERNEL_UNARY(identity_##T, CTYPE, CTYPE, a)

FLOAT_KERNELS(float4, float)
FLOAT_KERNELS(float8, double)
FLOAT_PAIRS(float48, float, double, double)
FLOAT_PAIRS(float84, double, float, double)

KERNEL_UNARY(absolute_float4, float, float, fabsf(a))
KERNEL_UNARY(absolute_float8, double, double, fabs(a))

#define OP FUNC_OPERATOR

#define INTEGER_LINES(T, ID)                                                              \
    {"+", 2, {ID, ID}, ID, OP, add_##T, "Sum."},                                          \
        {"-", 2, {ID, ID}, ID, OP, subtract_##T, "Difference."},                          \
        {"*", 2, {ID, ID}, ID, OP, multiply_##T, "Product."},                             \
        {"/", 2, {ID, ID}, ID, OP, divide_##T, "Quotient, cut towards zero."},            \
        {"%", 2, {ID, ID}, ID, OP, modulo_##T, "Remainder, with the sign of the left."},  \
        {"mod", 2, {ID, ID}, ID, 0, modulo_##T, "Remainder, with the sign of the left."}, \
        {"-", 1, {ID}, ID, OP, negate_##T, "Negation."},                                  \
        {"+", 1, {ID}, ID, OP, identity_##T, "The value itself."},                        \
        {"@", 1, {ID}, ID, OP, absolute_##T, "Absolute value."},                          \
        {"abs", 1, {ID}, ID, 0, absolute_##T, "Absolute value."},                         \
        {"&", 2, {ID, ID}, ID, OP, and_##T, "Bits in both."},                             \
        {"|", 2, {ID, ID}, ID, OP, or_##T, "Bits in either."},                            \
        {"#", 2, {ID, ID}, ID, OP, xor_##T, "Bits in one of the two."},                   \
        {"~", 1, {ID}, ID, OP, not_##T, "Bits inverted."},                                \
        {"<<", 2, {ID, TYPE_INT4}, ID, OP, shift_left_##T, "Bits moved up."},             \
    {                                                                                     \
        ">>", 2, {ID, TYPE_INT4}, ID, OP, shift_right_##T, "Bits moved down."             \
    }

#define FLOAT_LINES(T, ID)                                         \
    {"+", 2, {ID, ID}, ID, OP, add_##T, "Sum."},                   \
        {"-", 2, {ID, ID}, ID, OP, subtract_##T, "Difference."},   \
        {"*", 2, {ID, ID}, ID, OP, multiply_##T, "Product."},      \
        {"/", 2, {ID, ID}, ID, OP, divide_##T, "Quotient."},       \
        {"-", 1, {ID}, ID, OP, negate_##T, "Negation."},           \
        {"+", 1, {ID}, ID, OP, identity_##T, "The value itself."}, \
        {"@", 1, {ID}, ID, OP, absolute_##T, "Absolute value."},   \
    {                                                              \
        "abs", 1, {ID}, ID, 0, absolute_##T, "Absolute value."     \
    }

#define MIXED_LINES(T, LEFT, RIGHT)                                            \
    {"+", 2, {LEFT, RIGHT}, TYPE_FLOAT8, OP, add_##T, "Sum."},                 \
        {"-", 2, {LEFT, RIGHT}, TYPE_FLOAT8, OP, subtract_##T, "Difference."}, \
        {"*", 2, {LEFT, RIGHT}, TYPE_FLOAT8, OP, multiply_##T, "Product."},    \
    {                                                                          \
        "/", 2, {LEFT, RIGHT}, TYPE_FLOAT8, OP, divide_##T, "Quotient."        \
    }

const struct func table_arithmetic[] = {
    INTEGER_LINES(int2, TYPE_INT2),
    INTEGER_LINES(int4, TYPE_INT4),
    INTEGER_LINES(int8, TYPE_INT8),
    FLOAT_LINES(float4, TYPE_FLOAT4),
    FLOAT_LINES(float8, TYPE_FLOAT8),
    MIXED_LINES(float48, TYPE_FLOAT4, TYPE_FLOAT8),
    MIXED_LINES(float84, TYPE_FLOAT8, TYPE_FLOAT4),
    FUNC_END,
};
