/* Numbers: powers and logarithms of numeric, more trigonometry, scales, buckets. */

#include <math.h>
#include <string.h>

#include "sql/func/value_kernel.h"
#include "types/numeric.h"

typedef tdbplus_status (*pair_function)(struct span left, struct span right, struct buffer *buffer,
                                        struct err *err);
typedef tdbplus_status (*single_function)(struct span value, struct buffer *buffer,
                                          struct err *err);

static tdbplus_status apply_pair(struct func_call *call, uint32_t row, pair_function function,
                                 struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done,
           function(text_argument(call, 0, row), text_argument(call, 1, row), &buffer, call->err));
    TRY_OR(done, kernel_keep(call, &buffer, result));
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status apply_single(struct func_call *call, uint32_t row, single_function function,
                                   struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done, function(text_argument(call, 0, row), &buffer, call->err));
    TRY_OR(done, kernel_keep(call, &buffer, result));
done:
    buffer_deinit(&buffer);
    return status;
}

#define PAIR(NAME, FUNCTION)                                                                     \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        return apply_pair(call, row, FUNCTION, result);                                          \
    }                                                                                            \
    ROW_KERNEL(NAME)
#define SINGLE(NAME, FUNCTION)                                                                   \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        return apply_single(call, row, FUNCTION, result);                                        \
    }                                                                                            \
    ROW_KERNEL(NAME)

PAIR(power_numeric, numeric_power)
PAIR(log_numeric, numeric_log)
PAIR(gcd_numeric, numeric_gcd)
PAIR(lcm_numeric, numeric_lcm)
SINGLE(exp_numeric, numeric_exp)
SINGLE(ln_numeric, numeric_ln)

static tdbplus_status log_of_ten(struct span value, struct buffer *buffer, struct err *err)
{
    static const uint8_t ten[] = {NUMERIC_POSITIVE, 0, 0, 0, 0, 0, 10, 0};
    return numeric_log((struct span){.data = ten, .size = sizeof ten}, value, buffer, err);
}

SINGLE(log10_numeric, log_of_ten)

static tdbplus_status factorial_row(struct func_call *call, uint32_t row, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done, numeric_factorial(kernel_argument(call, 0, row).integer, &buffer, call->err));
    TRY_OR(done, kernel_keep(call, &buffer, result));
done:
    buffer_deinit(&buffer);
    return status;
}

ROW_KERNEL(factorial)

static tdbplus_status scale_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = numeric_scale(text_argument(call, 0, row));
    result->is_null = result->integer < 0;
    return TDBPLUS_OK;
}

static tdbplus_status min_scale_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = numeric_scale_needed(text_argument(call, 0, row));
    result->is_null = result->integer < 0;
    return TDBPLUS_OK;
}

static tdbplus_status trim_scale(struct span value, struct buffer *buffer, struct err *err)
{
    int32_t scale = numeric_scale_needed(value);
    if (scale < 0) {
        buffer_put_span(buffer, value);
        return TDBPLUS_OK;
    }
    return numeric_round(value, scale, buffer, err);
}

ROW_KERNEL(scale)
ROW_KERNEL(min_scale)
SINGLE(trimmed, trim_scale)

/* ---- buckets ---- */

static tdbplus_status bucket_error(struct func_call *call, const char *text)
{
    return kernel_error(call, "2201G", "%s", text);
}

/* floor((value - low) * count / (high - low)) + 1 */
static tdbplus_status find_bucket(struct func_call *call, struct span value, struct span low,
                                  struct span high, int32_t count, int64_t *bucket_out)
{
    tdbplus_status status = TDBPLUS_OK;
    const struct alloc *alloc = call->arena->alloc;
    bool rising = numeric_compare(low, high) < 0;
    struct buffer parts[5];
    for (uint32_t i = 0; i < 5; i++) {
        buffer_init(&parts[i], alloc);
    }
    TRY_OR(done,
           numeric_subtract(rising ? value : low, rising ? low : value, &parts[0], call->err));
    TRY_OR(done, numeric_subtract(rising ? high : low, rising ? low : high, &parts[1], call->err));
    numeric_of_integer(count, &parts[2]);
    TRY_OR(done,
           numeric_multiply(buffer_span(&parts[0]), buffer_span(&parts[2]), &parts[3], call->err));
    TRY_OR(done, numeric_divide_whole(buffer_span(&parts[3]), buffer_span(&parts[1]), &parts[4],
                                      call->err));
    TRY_OR(done, numeric_to_integer(buffer_span(&parts[4]), 0, INT32_MAX, bucket_out, call->err));
    *bucket_out += 1;
done:
    for (uint32_t i = 0; i < 5; i++) {
        buffer_deinit(&parts[i]);
    }
    return status;
}

static tdbplus_status bucket_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span value = text_argument(call, 0, row);
    struct span low = text_argument(call, 1, row);
    struct span high = text_argument(call, 2, row);
    int32_t count = int4_argument(call, 3, row);
    if (count <= 0) {
        return bucket_error(call, "count must be greater than zero");
    }
    if (value.data[0] == NUMERIC_NAN || low.data[0] == NUMERIC_NAN || high.data[0] == NUMERIC_NAN) {
        return bucket_error(call, "operand, lower bound, and upper bound cannot be NaN");
    }
    if (low.data[0] > NUMERIC_NAN || high.data[0] > NUMERIC_NAN) {
        return bucket_error(call, "lower and upper bounds must be finite");
    }
    int order = numeric_compare(low, high);
    if (order == 0) {
        return bucket_error(call, "lower bound cannot equal upper bound");
    }
    int before = numeric_compare(value, low);
    int after = numeric_compare(value, high);
    if (order < 0 ? before < 0 : before > 0) {
        return TDBPLUS_OK;
    }
    if (order < 0 ? after >= 0 : after <= 0) {
        result->integer = (int64_t)count + 1;
        return count == INT32_MAX ? kernel_out_of_range(call, "integer") : TDBPLUS_OK;
    }
    return find_bucket(call, value, low, high, count, &result->integer);
}

ROW_KERNEL(bucket)

/* How many of the ascending thresholds are at or below the value. */
static tdbplus_status threshold_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    struct datum value = kernel_argument(call, 0, row);
    TRY(kernel_array(call, 1, row, &array));
    if (array.dimension_count > 1) {
        return kernel_error(call, "2202E", "thresholds must be one-dimensional array");
    }
    uint32_t low = 0;
    uint32_t high = array.count;
    if (array.nulls != NULL) {
        return kernel_error(call, "22004", "thresholds array must not contain NULLs");
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct datum item;
        array_get(&array, middle, &item);
        if (datum_compare(&value, &item) < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    result->integer = low;
    return TDBPLUS_OK;
}

ROW_KERNEL(threshold)

/* ---- floats ---- */

static tdbplus_status input_error(struct func_call *call)
{
    return kernel_error(call, "22003", "input is out of range");
}

#define CHECKED(NAME, EXPRESSION, INVALID)                       \
    KERNEL_CHECKED_UNARY(NAME, double, double, bad |= (INVALID); \
                         result[row] = (EXPRESSION), input_error(call))

#define RADIANS (M_PI / 180.0)

/* Angles in degrees whose results are known exactly must give them. */
static double sine_degrees(double angle)
{
    double turn = fmod(angle, 360.0);
    double sign = 1;
    if (turn < 0) {
        turn = -turn;
        sign = -1;
    }
    if (turn > 180) {
        turn = 360 - turn;
        sign = -sign;
    }
    if (turn > 90) {
        turn = 180 - turn;
    }
    if (turn <= 30) {
        return sign * (sin(turn * RADIANS) / sin(30 * RADIANS)) / 2;
    }
    return sign * (1 - (1 - cos((90 - turn) * RADIANS)) / (1 - cos(60 * RADIANS)) / 2);
}

static double cosine_degrees(double angle)
{
    double turn = fabs(fmod(angle, 360.0));
    double sign = 1;
    if (turn > 180) {
        turn = 360 - turn;
    }
    if (turn > 90) {
        turn = 180 - turn;
        sign = -1;
    }
    if (turn <= 60) {
        return sign * (1 - (1 - cos(turn * RADIANS)) / (1 - cos(60 * RADIANS)) / 2);
    }
    return sign * (sin((90 - turn) * RADIANS) / sin(30 * RADIANS)) / 2;
}

/* Zero without a sign, as in PostgreSQL. */
static double plain_zero(double value)
{
    return value == 0 ? 0 : value;
}

static double tangent_degrees(double angle)
{
    return plain_zero(sine_degrees(angle) / cosine_degrees(angle) /
                      (sine_degrees(45) / cosine_degrees(45)));
}

static double cotangent_degrees(double angle)
{
    return plain_zero(cosine_degrees(angle) / sine_degrees(angle) /
                      (cosine_degrees(45) / sine_degrees(45)));
}

static double arc_sine_degrees(double value)
{
    double size = fabs(value);
    double angle = size <= 0.5 ? asin(size) / asin(0.5) * 30 : 90 - acos(size) / acos(0.5) * 60;
    return value < 0 ? -angle : angle;
}

static double arc_cosine_degrees(double value)
{
    double size = fabs(value);
    double angle = size <= 0.5 ? 90 - asin(size) / asin(0.5) * 30 : acos(size) / acos(0.5) * 60;
    return value < 0 ? 180 - angle : angle;
}

CHECKED(cotangent, 1.0 / tan(a), isinf(a))
CHECKED(sind, sine_degrees(a), isinf(a))
CHECKED(cosd, cosine_degrees(a), isinf(a))
CHECKED(tand, tangent_degrees(a), isinf(a))
CHECKED(cotd, cotangent_degrees(a), isinf(a))
CHECKED(asind, arc_sine_degrees(a), a<-1 || a> 1)
CHECKED(acosd, arc_cosine_degrees(a), a<-1 || a> 1)
CHECKED(inverse_cosh, acosh(a), a < 1)
CHECKED(inverse_tanh, atanh(a), a<-1 || a> 1)
KERNEL_UNARY(inverse_sinh, double, double, asinh(a))
KERNEL_UNARY(atand, double, double, atan(a) / atan(1.0) * 45)
KERNEL_BINARY(atan2d, double, double, double, atan2(a, b) / atan(1.0) * 45)

#define NU TYPE_NUMERIC
#define F8 TYPE_FLOAT8
#define I4 TYPE_INT4
#define OP FUNC_OPERATOR
#define NL FUNC_NULLABLE

const struct func table_power[] = {
    {"power", 2, {NU, NU}, NU, 0, power_numeric, "The first raised to the second."},
    {"pow", 2, {NU, NU}, NU, 0, power_numeric, "The first raised to the second."},
    {"^", 2, {NU, NU}, NU, OP, power_numeric, "The first raised to the second."},
    {"exp", 1, {NU}, NU, 0, exp_numeric, "e raised to the value."},
    {"ln", 1, {NU}, NU, 0, ln_numeric, "Natural logarithm."},
    {"log", 1, {NU}, NU, 0, log10_numeric, "Logarithm to base 10."},
    {"log10", 1, {NU}, NU, 0, log10_numeric, "Logarithm to base 10."},
    {"log", 2, {NU, NU}, NU, 0, log_numeric, "Logarithm to the base that is first."},
    {"factorial", 1, {TYPE_INT8}, NU, 0, factorial, "Product of all up to the value."},
    {"gcd", 2, {NU, NU}, NU, 0, gcd_numeric, "Greatest common divisor."},
    {"lcm", 2, {NU, NU}, NU, 0, lcm_numeric, "Least common multiple."},
    {"scale", 1, {NU}, I4, NL, scale, "Digits after the point that are shown."},
    {"min_scale", 1, {NU}, I4, NL, min_scale, "Digits after the point that are needed."},
    {"trim_scale", 1, {NU}, NU, 0, trimmed, "Without zeros at the end."},
    {"width_bucket", 4, {NU, NU, NU, I4}, I4, 0, bucket, "Number of the bucket it falls into."},
    {"width_bucket",
     2,
     {FUNC_COMMON, FUNC_COMMON_ARRAY},
     I4,
     0,
     threshold,
     "How many thresholds are at or below it."},
    {"cot", 1, {F8}, F8, 0, cotangent, "Cotangent."},
    {"sind", 1, {F8}, F8, 0, sind, "Sine of degrees."},
    {"cosd", 1, {F8}, F8, 0, cosd, "Cosine of degrees."},
    {"tand", 1, {F8}, F8, 0, tand, "Tangent of degrees."},
    {"cotd", 1, {F8}, F8, 0, cotd, "Cotangent of degrees."},
    {"asind", 1, {F8}, F8, 0, asind, "Inverse sine in degrees."},
    {"acosd", 1, {F8}, F8, 0, acosd, "Inverse cosine in degrees."},
    {"atand", 1, {F8}, F8, 0, atand, "Inverse tangent in degrees."},
    {"atan2d", 2, {F8, F8}, F8, 0, atan2d, "Inverse tangent of a quotient in degrees."},
    {"asinh", 1, {F8}, F8, 0, inverse_sinh, "Inverse hyperbolic sine."},
    {"acosh", 1, {F8}, F8, 0, inverse_cosh, "Inverse hyperbolic cosine."},
    {"atanh", 1, {F8}, F8, 0, inverse_tanh, "Inverse hyperbolic tangent."},
    FUNC_END,
};
