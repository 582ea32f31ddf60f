#include "sql/func/kernel.h"

#include <math.h>

/* ---- float8 functions: domain errors as PostgreSQL words them ---- */

static tdbplus_status domain_error(struct func_call *call, const char *sqlstate, const char *text)
{
    return err_set_state(call->err, TDBPLUS_E_SQL, sqlstate, "%s", text);
}

#define POWER_STATE "2201F"
#define LOG_STATE   "2201E"

/* A result that is infinite or zero and should not be. */
static tdbplus_status flow(struct func_call *call, double result)
{
    return err_set(call->err, TDBPLUS_E_RANGE, "value out of range: %s",
                   isinf(result) ? "overflow" : "underflow");
}

KERNEL_CHECKED_UNARY(square_root, double, double, bad |= a < 0;
                     result[row] = sqrt(a),
                     domain_error(call, POWER_STATE,
                                  "cannot take square root of a negative number"))
KERNEL_UNARY(cube_root, double, double, cbrt(a))
KERNEL_UNARY(ceiling_float8, double, double, ceil(a))
KERNEL_UNARY(floor_float8, double, double, floor(a))
KERNEL_UNARY(round_float8, double, double, rint(a))
KERNEL_UNARY(truncate_float8, double, double, trunc(a))
KERNEL_UNARY(sign_float8, double, double, a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0)
KERNEL_CHECKED_UNARY(exponential, double, double, result[row] = exp(a);
                     if (!isinf(a) &&
                         (isinf(result[row]) || result[row] == 0)) return flow(call, result[row]),
                     TDBPLUS_OK)

static tdbplus_status log_failed(struct func_call *call, bool zero)
{
    return domain_error(call, LOG_STATE,
                        zero ? "cannot take logarithm of zero"
                             : "cannot take logarithm of a negative number");
}

KERNEL_CHECKED_UNARY(logarithm, double, double, if (a <= 0) return log_failed(call, a == 0);
                     result[row] = log(a), TDBPLUS_OK)
KERNEL_CHECKED_UNARY(logarithm10, double, double, if (a <= 0) return log_failed(call, a == 0);
                     result[row] = log10(a), TDBPLUS_OK)

static tdbplus_status power_failed(struct func_call *call, double base)
{
    return domain_error(call, POWER_STATE,
                        base == 0 ? "zero raised to a negative power is undefined"
                                  : "a negative number raised to a non-integer power yields a "
                                    "complex result");
}

KERNEL_CHECKED(power_float8, double, double, double,
               if ((a == 0 && b < 0) ||
                   (a < 0 && floor(b) != b && !isnan(b))) return power_failed(call, a);
               result[row] = pow(a, b);
               if (!isinf(a) && !isinf(b) &&
                   (isinf(result[row]) || (result[row] == 0 && a != 0))) return flow(call,
                                                                                     result[row]),
               TDBPLUS_OK)

#define TRIGONOMETRIC(NAME, EXPRESSION, INVALID)                 \
    KERNEL_CHECKED_UNARY(NAME, double, double, bad |= (INVALID); \
                         result[row] = (EXPRESSION), kernel_out_of_range(call, "input is"))

TRIGONOMETRIC(sine, sin(a), isinf(a))
TRIGONOMETRIC(cosine, cos(a), isinf(a))
TRIGONOMETRIC(tangent, tan(a), isinf(a))
TRIGONOMETRIC(arc_sine, asin(a), a<-1 || a> 1)
TRIGONOMETRIC(arc_cosine, acos(a), a<-1 || a> 1)
KERNEL_UNARY(arc_tangent, double, double, atan(a))
KERNEL_BINARY(arc_tangent2, double, double, double, atan2(a, b))
KERNEL_UNARY(hyperbolic_sine, double, double, sinh(a))
KERNEL_UNARY(hyperbolic_cosine, double, double, cosh(a))
KERNEL_UNARY(hyperbolic_tangent, double, double, tanh(a))
KERNEL_UNARY(degrees, double, double, a / (M_PI / 180.0))
KERNEL_UNARY(radians, double, double, a *(M_PI / 180.0))

static tdbplus_status pi_constant(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        ((double *)call->result->data)[kernel_row(call, i)] = M_PI;
    }
    return TDBPLUS_OK;
}

/* ---- greatest common divisor, least common multiple ---- */

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static bool common_multiple(int64_t a, int64_t b, uint64_t *multiple)
{
    if (a == 0 || b == 0) {
        *multiple = 0;
        return true;
    }
    uint64_t left = magnitude(a) / common_divisor(magnitude(a), magnitude(b));
    return !__builtin_mul_overflow(left, magnitude(b), multiple);
}

#define DIVISOR_KERNELS(T, CTYPE, MAX, NAME)                                               \
    KERNEL_CHECKED(divisor_##T, CTYPE, CTYPE, CTYPE,                                       \
                   uint64_t divisor = common_divisor(magnitude(a), magnitude(b));          \
                   bad |= divisor > (uint64_t)(MAX);                                       \
                   result[row] = (CTYPE)divisor, kernel_out_of_range(call, NAME))          \
    KERNEL_CHECKED(multiple_##T, CTYPE, CTYPE, CTYPE, uint64_t multiple = 0;               \
                   bad |= !common_multiple(a, b, &multiple) || multiple > (uint64_t)(MAX); \
                   result[row] = (CTYPE)multiple, kernel_out_of_range(call, NAME))

DIVISOR_KERNELS(int4, int32_t, INT32_MAX, "integer")
DIVISOR_KERNELS(int8, int64_t, INT64_MAX, "bigint")

/* Where a value falls among equal buckets between two bounds; 0 and count + 1 are outside. */
static tdbplus_status width_bucket(struct func_call *call)
{
    const double *value = call->arguments[0].data;
    const double *low = call->arguments[1].data;
    const double *high = call->arguments[2].data;
    const int32_t *buckets = call->arguments[3].data;
    int32_t *result = call->result->data;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        double v = value[row & kernel_mask(&call->arguments[0])];
        double a = low[row & kernel_mask(&call->arguments[1])];
        double b = high[row & kernel_mask(&call->arguments[2])];
        int32_t n = buckets[row & kernel_mask(&call->arguments[3])];
        if (n <= 0) {
            return domain_error(call, "2201G", "count must be greater than zero");
        }
        if (isnan(v) || isnan(a) || isnan(b)) {
            return domain_error(call, "2201G",
                                "operand, lower bound, and upper bound cannot be NaN");
        }
        if (isinf(a) || isinf(b)) {
            return domain_error(call, "2201G", "lower and upper bounds must be finite");
        }
        if (a == b) {
            return domain_error(call, "2201G", "lower bound cannot equal upper bound");
        }
        bool rising = a < b;
        if (rising ? v < a : v > a) {
            result[row] = 0;
        } else if (rising ? v >= b : v <= b) {
            if (n == INT32_MAX) {
                return kernel_out_of_range(call, "integer");
            }
            result[row] = n + 1;
        } else {
            int32_t bucket = (int32_t)(n * ((v - a) / (b - a)));
            result[row] = (bucket >= n ? n - 1 : bucket) + 1;
        }
    }
    return TDBPLUS_OK;
}

#define F8 TYPE_FLOAT8

const struct func table_math[] = {
    {"sqrt", 1, {F8}, F8, 0, square_root, "Square root."},
    {"|/", 1, {F8}, F8, FUNC_OPERATOR, square_root, "Square root."},
    {"cbrt", 1, {F8}, F8, 0, cube_root, "Cube root."},
    {"||/", 1, {F8}, F8, FUNC_OPERATOR, cube_root, "Cube root."},
    {"ceil", 1, {F8}, F8, 0, ceiling_float8, "Nearest integer not below."},
    {"ceiling", 1, {F8}, F8, 0, ceiling_float8, "Nearest integer not below."},
    {"floor", 1, {F8}, F8, 0, floor_float8, "Nearest integer not above."},
    {"round", 1, {F8}, F8, 0, round_float8, "Nearest integer, ties to even."},
    {"trunc", 1, {F8}, F8, 0, truncate_float8, "Integer part."},
    {"sign", 1, {F8}, F8, 0, sign_float8, "-1, 0 or 1."},
    {"exp", 1, {F8}, F8, 0, exponential, "e raised to the value."},
    {"ln", 1, {F8}, F8, 0, logarithm, "Natural logarithm."},
    {"log", 1, {F8}, F8, 0, logarithm10, "Logarithm to base 10."},
    {"log10", 1, {F8}, F8, 0, logarithm10, "Logarithm to base 10."},
    {"power", 2, {F8, F8}, F8, 0, power_float8, "The first raised to the second."},
    {"pow", 2, {F8, F8}, F8, 0, power_float8, "The first raised to the second."},
    {"^", 2, {F8, F8}, F8, FUNC_OPERATOR, power_float8, "The first raised to the second."},
    {"sin", 1, {F8}, F8, 0, sine, "Sine."},
    {"cos", 1, {F8}, F8, 0, cosine, "Cosine."},
    {"tan", 1, {F8}, F8, 0, tangent, "Tangent."},
    {"asin", 1, {F8}, F8, 0, arc_sine, "Inverse sine."},
    {"acos", 1, {F8}, F8, 0, arc_cosine, "Inverse cosine."},
    {"atan", 1, {F8}, F8, 0, arc_tangent, "Inverse tangent."},
    {"atan2", 2, {F8, F8}, F8, 0, arc_tangent2, "Inverse tangent of a quotient."},
    {"sinh", 1, {F8}, F8, 0, hyperbolic_sine, "Hyperbolic sine."},
    {"cosh", 1, {F8}, F8, 0, hyperbolic_cosine, "Hyperbolic cosine."},
    {"tanh", 1, {F8}, F8, 0, hyperbolic_tangent, "Hyperbolic tangent."},
    {"degrees", 1, {F8}, F8, 0, degrees, "Radians as degrees."},
    {"radians", 1, {F8}, F8, 0, radians, "Degrees as radians."},
    {"pi", 0, {0}, F8, 0, pi_constant, "The number pi."},
    {"gcd", 2, {TYPE_INT4, TYPE_INT4}, TYPE_INT4, 0, divisor_int4, "Greatest common divisor."},
    {"gcd", 2, {TYPE_INT8, TYPE_INT8}, TYPE_INT8, 0, divisor_int8, "Greatest common divisor."},
    {"lcm", 2, {TYPE_INT4, TYPE_INT4}, TYPE_INT4, 0, multiple_int4, "Least common multiple."},
    {"lcm", 2, {TYPE_INT8, TYPE_INT8}, TYPE_INT8, 0, multiple_int8, "Least common multiple."},
    {"width_bucket",
     4,
     {F8, F8, F8, TYPE_INT4},
     TYPE_INT4,
     0,
     width_bucket,
     "Number of the bucket that a value falls into."},
    FUNC_END,
};
