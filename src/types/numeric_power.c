/*
 * Powers, logarithms, factorials, divisors. Results have PostgreSQL's scales: at least sixteen
 * significant digits. They are computed with some digits more and rounded once, at the end.
 */

#include <math.h>

#include "base/assert.h"
#include "types/numeric_internal.h"

#define DIGITS_MIN        16   /* Significant ones of a result. */
#define DISPLAY_SCALE_MAX 1000 /* Of a result. */
#define GUARD_DIGITS      12
#define EXPONENT_MAX      6000.0 /* Of e: beyond it the result is no numeric or zero. */
#define FACTORIAL_MAX     32177
#define LOG10_E           0.434294481903251827651

/* A number that is computed again and again: two buffers, of which one is the value. */
struct number {
    struct buffer value;
    struct buffer spare;
};

typedef tdbplus_status (*number_operation)(struct span left, struct span right,
                                           struct buffer *buffer, struct err *err);

static void number_init(struct number *number, const struct alloc *alloc)
{
    buffer_init(&number->value, alloc);
    buffer_init(&number->spare, alloc);
}

static void number_deinit(struct number *number)
{
    buffer_deinit(&number->value);
    buffer_deinit(&number->spare);
}

static struct span number_span(const struct number *number)
{
    return buffer_span(&number->value);
}

static void turn(struct number *number)
{
    struct buffer swap = number->value;
    number->value = number->spare;
    number->spare = swap;
}

static tdbplus_status set_integer(struct number *number, int64_t value, struct err *err)
{
    buffer_clear(&number->value);
    numeric_of_integer(value, &number->value);
    return number->value.failed ? err_set(err, TDBPLUS_E_NOMEM, "out of memory for a number")
                                : TDBPLUS_OK;
}

static tdbplus_status set_span(struct number *number, struct span value, struct err *err)
{
    buffer_clear(&number->value);
    buffer_put_span(&number->value, value);
    return number->value.failed ? err_set(err, TDBPLUS_E_NOMEM, "out of memory for a number")
                                : TDBPLUS_OK;
}

/* number = number op right */
static tdbplus_status apply(struct number *number, number_operation operation, struct span right,
                            struct err *err)
{
    buffer_clear(&number->spare);
    TRY(operation(number_span(number), right, &number->spare, err));
    turn(number);
    return TDBPLUS_OK;
}

static tdbplus_status round_to(struct number *number, int32_t scale, struct err *err)
{
    buffer_clear(&number->spare);
    TRY(numeric_cut(number_span(number), scale, false, &number->spare, err));
    turn(number);
    return TDBPLUS_OK;
}

static tdbplus_status divide_to(struct number *number, struct span right, int32_t scale,
                                struct err *err)
{
    buffer_clear(&number->spare);
    TRY(numeric_divide_to(number_span(number), right, scale, &number->spare, err));
    turn(number);
    return TDBPLUS_OK;
}

static tdbplus_status overflow(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22003", "value overflows numeric format");
}

static int32_t between(int32_t scale, int32_t least)
{
    scale = scale < least ? least : scale;
    scale = scale < 0 ? 0 : scale;
    return scale > DISPLAY_SCALE_MAX ? DISPLAY_SCALE_MAX : scale;
}

static bool is_special(const struct numeric_parts *parts)
{
    return parts->kind > NUMERIC_NEGATIVE;
}

/* log10 of the absolute value of a finite number that is not zero. */
static double decimal_weight(const struct numeric_parts *parts)
{
    double mantissa = 0;
    uint32_t count = parts->limb_count < 5 ? parts->limb_count : 5;
    for (uint32_t i = 0; i < count; i++) {
        mantissa = mantissa * NUMERIC_LIMB_BASE + numeric_limb(parts, i);
    }
    return log10(mantissa) + 4.0 * ((double)parts->weight - (double)count + 1);
}

/* ---- e to the power of a number ---- */

/* The sum of x^n / n! at a scale; x is small. */
static tdbplus_status add_series(struct number *sum, struct span x, int32_t scale, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct number term;
    struct number divisor;
    number_init(&term, sum->value.alloc);
    number_init(&divisor, sum->value.alloc);
    TRY_OR(done, set_integer(sum, 1, err));
    TRY_OR(done, set_integer(&term, 1, err));
    for (int64_t n = 1;; n++) {
        TRY_OR(done, apply(&term, numeric_multiply, x, err));
        TRY_OR(done, set_integer(&divisor, n, err));
        TRY_OR(done, divide_to(&term, number_span(&divisor), scale, err));
        if (numeric_sign(number_span(&term)) == 0) {
            break;
        }
        TRY_OR(done, apply(sum, numeric_add, number_span(&term), err));
    }
done:
    number_deinit(&divisor);
    number_deinit(&term);
    return status;
}

/* e^x for x not negative, with `scale` digits after the point that are right. */
static tdbplus_status exp_positive(struct number *result, struct span x, int32_t scale,
                                   struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    double value = numeric_to_float8(x);
    int32_t halvings = value > 0.01 ? (int32_t)ceil(log2(value / 0.01)) : 0;
    int32_t inner = scale + (int32_t)(value * LOG10_E) + halvings / 3 + GUARD_DIGITS;
    struct number small;
    struct number divisor;
    number_init(&small, result->value.alloc);
    number_init(&divisor, result->value.alloc);
    TRY_OR(done, set_span(&small, x, err));
    TRY_OR(done, set_integer(&divisor, (int64_t)1 << halvings, err));
    TRY_OR(done, divide_to(&small, number_span(&divisor), inner + halvings, err));
    TRY_OR(done, add_series(result, number_span(&small), inner + halvings, err));
    for (int32_t i = 0; i < halvings; i++) {
        TRY_OR(done, set_span(&small, number_span(result), err));
        TRY_OR(done, apply(result, numeric_multiply, number_span(&small), err));
        TRY_OR(done, round_to(result, inner, err));
    }
done:
    number_deinit(&divisor);
    number_deinit(&small);
    return status;
}

/* e^x rounded to a scale; |x| is at most EXPONENT_MAX. */
static tdbplus_status exp_to(struct number *result, struct span x, int32_t scale, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct number size;
    struct number one;
    number_init(&size, result->value.alloc);
    number_init(&one, result->value.alloc);
    bool negative = numeric_sign(x) < 0;
    TRY_OR(done, set_span(&size, x, err));
    if (negative) {
        buffer_clear(&size.spare);
        TRY_OR(done, numeric_absolute(x, &size.spare, err));
        turn(&size);
    }
    TRY_OR(done, exp_positive(result, number_span(&size), scale + GUARD_DIGITS, err));
    if (negative) {
        TRY_OR(done, set_integer(&one, 1, err));
        TRY_OR(done, divide_to(&one, number_span(result), scale, err));
        TRY_OR(done, set_span(result, number_span(&one), err));
    }
    TRY_OR(done, round_to(result, scale, err));
done:
    number_deinit(&one);
    number_deinit(&size);
    return status;
}

static tdbplus_status put(const struct number *number, struct buffer *buffer, struct err *err)
{
    buffer_put_span(buffer, number_span(number));
    return buffer->failed ? err_set(err, TDBPLUS_E_NOMEM, "out of memory for a number")
                          : TDBPLUS_OK;
}

static tdbplus_status put_zero(int32_t scale, struct buffer *buffer, struct err *err)
{
    struct number zero;
    number_init(&zero, buffer->alloc);
    tdbplus_status status = set_integer(&zero, 0, err);
    if (status == TDBPLUS_OK) {
        status = round_to(&zero, scale, err);
    }
    if (status == TDBPLUS_OK) {
        status = put(&zero, buffer, err);
    }
    number_deinit(&zero);
    return status;
}

static tdbplus_status put_kind(uint8_t kind, struct buffer *buffer, struct err *err)
{
    numeric_put_header(buffer, kind, 0, 0);
    return buffer->failed ? err_set(err, TDBPLUS_E_NOMEM, "out of memory for a number")
                          : TDBPLUS_OK;
}

tdbplus_status numeric_exp(struct span value, struct buffer *buffer, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    if (is_special(&parts)) {
        return parts.kind == NUMERIC_MINUS_INFINITY ? put_zero(0, buffer, err)
                                                    : put_kind(parts.kind, buffer, err);
    }
    double real = numeric_to_float8(value);
    double weight = real * LOG10_E;
    weight = weight < -2000 ? -2000 : weight > 2000 ? 2000 : weight;
    int32_t scale = between(DIGITS_MIN - (int32_t)weight, parts.scale);
    if (fabs(real) >= EXPONENT_MAX) {
        return real > 0 ? overflow(err) : put_zero(scale, buffer, err);
    }
    struct number result;
    number_init(&result, buffer->alloc);
    tdbplus_status status = exp_to(&result, value, scale, err);
    if (status == TDBPLUS_OK) {
        status = put(&result, buffer, err);
    }
    number_deinit(&result);
    return status;
}

/* ---- logarithms ---- */

static tdbplus_status log_error(bool zero, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "2201E", "cannot take logarithm of %s",
                         zero ? "zero" : "a negative number");
}

/* One step of Halley's: y + 2 (x - e^y) / (x + e^y), which triples the digits that are right. */
static tdbplus_status step_logarithm(struct number *y, struct span x, int32_t scale,
                                     struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct number power;
    struct number sum;
    struct number rest;
    number_init(&power, y->value.alloc);
    number_init(&sum, y->value.alloc);
    number_init(&rest, y->value.alloc);
    TRY_OR(done, exp_to(&power, number_span(y), scale, err));
    TRY_OR(done, set_span(&sum, x, err));
    TRY_OR(done, apply(&sum, numeric_add, number_span(&power), err));
    TRY_OR(done, set_span(&rest, x, err));
    TRY_OR(done, apply(&rest, numeric_subtract, number_span(&power), err));
    TRY_OR(done, set_span(&power, number_span(&rest), err));
    TRY_OR(done, apply(&rest, numeric_add, number_span(&power), err));
    TRY_OR(done, divide_to(&rest, number_span(&sum), scale, err));
    TRY_OR(done, apply(y, numeric_add, number_span(&rest), err));
    TRY_OR(done, round_to(y, scale, err));
done:
    number_deinit(&rest);
    number_deinit(&sum);
    number_deinit(&power);
    return status;
}

static tdbplus_status of_real(struct number *number, double value, struct err *err)
{
    buffer_clear(&number->value);
    return numeric_of_float8(value, &number->value, err);
}

/* x = mantissa * 10^shift with the mantissa from 1 to 10. */
static tdbplus_status take_mantissa(struct number *mantissa, struct span x, int32_t *shift_out,
                                    struct err *err)
{
    struct numeric_parts parts = numeric_parts(x);
    *shift_out = (int32_t)floor(decimal_weight(&parts));
    struct number ten;
    number_init(&ten, mantissa->value.alloc);
    tdbplus_status status = set_span(mantissa, x, err);
    int32_t steps = *shift_out < 0 ? -*shift_out : *shift_out;
    int64_t power = 1;
    for (int32_t i = 0; status == TDBPLUS_OK && i < steps; i++) {
        power *= 10;
        if (power < 100000000 && i + 1 < steps) {
            continue;
        }
        status = set_integer(&ten, power, err);
        power = 1;
        if (status == TDBPLUS_OK && *shift_out < 0) {
            status = apply(mantissa, numeric_multiply, number_span(&ten), err);
        } else if (status == TDBPLUS_OK) {
            int32_t digits = numeric_scale(number_span(mantissa)) + 8;
            status = divide_to(mantissa, number_span(&ten),
                               digits > NUMERIC_SCALE_MAX ? NUMERIC_SCALE_MAX : digits, err);
        }
    }
    number_deinit(&ten);
    return status;
}

/* ln of a positive number of ordinary size, by steps from the nearest double. */
static tdbplus_status ln_near(struct number *result, struct span x, int32_t scale, struct err *err)
{
    TRY(of_real(result, log(numeric_to_float8(x)), err));
    for (int32_t good = 14; good < scale; good *= 3) {
        TRY(step_logarithm(result, x, scale, err));
    }
    // One more: numbers near 1 have logarithms whose digits begin late.
    return step_logarithm(result, x, scale, err);
}

/* ln(x) = ln(mantissa) + shift * ln(10), with `scale` digits after the point. */
static tdbplus_status ln_to(struct number *result, struct span x, int32_t scale, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    int32_t inner = scale + GUARD_DIGITS;
    int32_t shift = 0;
    struct number mantissa;
    struct number ten;
    struct number part;
    number_init(&mantissa, result->value.alloc);
    number_init(&ten, result->value.alloc);
    number_init(&part, result->value.alloc);
    TRY_OR(done, take_mantissa(&mantissa, x, &shift, err));
    TRY_OR(done, ln_near(result, shift == -1 ? x : number_span(&mantissa), inner, err));
    if (shift != 0 && shift != -1) {
        TRY_OR(done, set_integer(&ten, 10, err));
        TRY_OR(done, ln_near(&part, number_span(&ten), inner, err));
        TRY_OR(done, set_integer(&ten, shift, err));
        TRY_OR(done, apply(&part, numeric_multiply, number_span(&ten), err));
        TRY_OR(done, apply(result, numeric_add, number_span(&part), err));
    }
    TRY_OR(done, round_to(result, scale, err));
done:
    number_deinit(&part);
    number_deinit(&ten);
    number_deinit(&mantissa);
    return status;
}

/* The decimal weight of ln(x): where its first digit stands. */
static int32_t ln_weight(struct span x)
{
    struct numeric_parts parts = numeric_parts(x);
    double weight = decimal_weight(&parts) / LOG10_E;
    double size = fabs(weight);
    if (size < 0.2) {
        // Near 1, where the double has lost the digits: ln(x) is about x - 1.
        struct number one;
        number_init(&one, &alloc_system);
        struct number rest;
        number_init(&rest, &alloc_system);
        if (set_integer(&one, 1, NULL) == TDBPLUS_OK && set_span(&rest, x, NULL) == TDBPLUS_OK &&
            apply(&rest, numeric_subtract, number_span(&one), NULL) == TDBPLUS_OK &&
            numeric_sign(number_span(&rest)) != 0) {
            struct numeric_parts difference = numeric_parts(number_span(&rest));
            size = pow(10, decimal_weight(&difference));
        }
        number_deinit(&rest);
        number_deinit(&one);
    }
    return size > 0 ? (int32_t)log10(size) : 0;
}

static tdbplus_status check_logarithm(struct span value, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    if (parts.kind == NUMERIC_NEGATIVE || parts.kind == NUMERIC_MINUS_INFINITY) {
        return log_error(false, err);
    }
    if (parts.kind == NUMERIC_POSITIVE && parts.limb_count == 0) {
        return log_error(true, err);
    }
    return TDBPLUS_OK;
}

tdbplus_status numeric_ln(struct span value, struct buffer *buffer, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    if (parts.kind == NUMERIC_NAN) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    TRY(check_logarithm(value, err));
    if (is_special(&parts)) {
        return put_kind(parts.kind, buffer, err);
    }
    int32_t scale = between(DIGITS_MIN - ln_weight(value), parts.scale);
    struct number result;
    number_init(&result, buffer->alloc);
    tdbplus_status status = ln_to(&result, value, scale, err);
    if (status == TDBPLUS_OK) {
        status = put(&result, buffer, err);
    }
    number_deinit(&result);
    return status;
}

static tdbplus_status log_finite(struct span base, struct span value, struct buffer *buffer,
                                 struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    int32_t base_weight = ln_weight(base);
    int32_t value_weight = ln_weight(value);
    int32_t scale = between(DIGITS_MIN - (value_weight - base_weight), numeric_scale(base));
    scale = between(scale, numeric_scale(value));
    int32_t inner = scale + GUARD_DIGITS + (value_weight > 0 ? value_weight : -value_weight) +
                    2 * (base_weight > 0 ? base_weight : -base_weight);
    struct number dividend;
    struct number divisor;
    number_init(&dividend, buffer->alloc);
    number_init(&divisor, buffer->alloc);
    TRY_OR(done, ln_to(&divisor, base, inner, err));
    TRY_OR(done, ln_to(&dividend, value, inner, err));
    TRY_OR(done, divide_to(&dividend, number_span(&divisor), scale, err));
    TRY_OR(done, put(&dividend, buffer, err));
done:
    number_deinit(&divisor);
    number_deinit(&dividend);
    return status;
}

tdbplus_status numeric_log(struct span base, struct span value, struct buffer *buffer,
                           struct err *err)
{
    struct numeric_parts a = numeric_parts(base);
    struct numeric_parts b = numeric_parts(value);
    if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    TRY(check_logarithm(base, err));
    TRY(check_logarithm(value, err));
    if (is_special(&a) && is_special(&b)) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    if (is_special(&a)) {
        return put_zero(0, buffer, err);
    }
    return is_special(&b) ? put_kind(b.kind, buffer, err) : log_finite(base, value, buffer, err);
}

/* ---- powers ---- */

static tdbplus_status power_error(const char *text, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "2201F", "%s", text);
}

/* base^exponent by squaring, with as many digits as the result needs. */
static tdbplus_status power_whole(struct span base, int64_t exponent, int32_t scale,
                                  struct buffer *buffer, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct numeric_parts parts = numeric_parts(base);
    double weight = parts.limb_count == 0 ? 0 : decimal_weight(&parts) * (double)exponent;
    if (weight > NUMERIC_DIGITS_MAX) {
        return overflow(err);
    }
    if (weight + 1 < -scale) {
        return put_zero(scale, buffer, err);
    }
    uint64_t left = exponent < 0 ? 0 - (uint64_t)exponent : (uint64_t)exponent;
    // Significant digits: those of the result, and what the steps may lose.
    int32_t digits = scale + GUARD_DIGITS + (int32_t)(weight > 0 ? weight : 0) +
                     (int32_t)log10((double)left + 1) + 1;
    struct number result;
    struct number square;
    struct number copy;
    number_init(&result, buffer->alloc);
    number_init(&square, buffer->alloc);
    number_init(&copy, buffer->alloc);
    TRY_OR(done, set_integer(&result, 1, err));
    TRY_OR(done, set_span(&square, base, err));
    for (; left > 0; left >>= 1) {
        if ((left & 1) != 0) {
            TRY_OR(done, apply(&result, numeric_multiply, number_span(&square), err));
            struct numeric_parts now = numeric_parts(number_span(&result));
            int32_t keep = now.limb_count == 0 ? scale : digits - (int32_t)decimal_weight(&now);
            TRY_OR(done,
                   round_to(&result, keep > NUMERIC_SCALE_MAX ? NUMERIC_SCALE_MAX : keep, err));
        }
        if (left > 1) {
            TRY_OR(done, set_span(&copy, number_span(&square), err));
            TRY_OR(done, apply(&square, numeric_multiply, number_span(&copy), err));
            struct numeric_parts now = numeric_parts(number_span(&square));
            int32_t keep = now.limb_count == 0 ? scale : digits - (int32_t)decimal_weight(&now);
            TRY_OR(done,
                   round_to(&square, keep > NUMERIC_SCALE_MAX ? NUMERIC_SCALE_MAX : keep, err));
        }
    }
    if (exponent < 0) {
        TRY_OR(done, set_integer(&copy, 1, err));
        TRY_OR(done, divide_to(&copy, number_span(&result), scale, err));
        TRY_OR(done, set_span(&result, number_span(&copy), err));
    }
    TRY_OR(done, round_to(&result, scale, err));
    TRY_OR(done, put(&result, buffer, err));
done:
    number_deinit(&copy);
    number_deinit(&square);
    number_deinit(&result);
    return status;
}

/* e^(exponent * ln(base)); the base is positive. */
static tdbplus_status power_general(struct span base, struct span exponent, bool negative,
                                    struct buffer *buffer, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct numeric_parts parts = numeric_parts(base);
    double power = numeric_to_float8(exponent);
    double weight = decimal_weight(&parts) * power;
    if (weight > 2612) {
        return overflow(err);
    }
    if (weight < -2612) {
        return put_zero(DISPLAY_SCALE_MAX, buffer, err);
    }
    int32_t scale = between(DIGITS_MIN - (int32_t)weight, numeric_scale(base));
    scale = between(scale, numeric_scale(exponent));
    double size = fabs(power) > 1 ? log10(fabs(power)) : 0;
    int32_t inner = scale + GUARD_DIGITS + (int32_t)size + (int32_t)fabs(weight) + 1;
    struct number result;
    struct number logarithm;
    number_init(&result, buffer->alloc);
    number_init(&logarithm, buffer->alloc);
    TRY_OR(done, ln_to(&logarithm, base, inner, err));
    TRY_OR(done, apply(&logarithm, numeric_multiply, exponent, err));
    TRY_OR(done, round_to(&logarithm, inner, err));
    TRY_OR(done, exp_to(&result, number_span(&logarithm), scale, err));
    if (negative) {
        buffer_clear(&result.spare);
        TRY_OR(done, numeric_negate(number_span(&result), &result.spare, err));
        turn(&result);
    }
    TRY_OR(done, put(&result, buffer, err));
done:
    number_deinit(&logarithm);
    number_deinit(&result);
    return status;
}

static bool is_one(struct span value)
{
    int64_t whole = 0;
    return numeric_to_int8(value, &whole) && whole == 1;
}

static bool is_whole(const struct numeric_parts *parts)
{
    return (int32_t)parts->limb_count <= parts->weight + 1;
}

static bool is_odd(const struct numeric_parts *parts)
{
    return (numeric_limb_at(parts, 0) & 1) != 0;
}

/* With an infinity or NaN on one side: as pow() of the C library has it. */
static tdbplus_status power_special(struct span base, struct span exponent, struct buffer *buffer,
                                    struct err *err)
{
    struct numeric_parts a = numeric_parts(base);
    struct numeric_parts b = numeric_parts(exponent);
    bool zero_exponent = b.kind == NUMERIC_POSITIVE && b.limb_count == 0;
    if ((!is_special(&a) && is_one(base)) || zero_exponent) {
        numeric_of_integer(1, buffer);
        return TDBPLUS_OK;
    }
    if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    bool base_zero = !is_special(&a) && a.limb_count == 0;
    if (base_zero && numeric_sign(exponent) < 0) {
        return power_error("zero raised to a negative power is undefined", err);
    }
    bool base_negative = a.kind == NUMERIC_NEGATIVE || a.kind == NUMERIC_MINUS_INFINITY;
    if (base_negative && !is_special(&b) && !is_whole(&b)) {
        return power_error(
            "a negative number raised to a non-integer power yields a complex result", err);
    }
    bool large = is_special(&a) || (!base_zero && decimal_weight(&a) > 0);
    bool one_sized = !is_special(&a) && !base_zero && decimal_weight(&a) == 0;
    if (one_sized) {
        numeric_of_integer(1, buffer);
        return TDBPLUS_OK;
    }
    if (large != (numeric_sign(exponent) > 0)) {
        return put_zero(0, buffer, err);
    }
    bool negative = base_negative && !is_special(&b) && is_odd(&b);
    return put_kind(negative ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY, buffer, err);
}

tdbplus_status numeric_power(struct span base, struct span exponent, struct buffer *buffer,
                             struct err *err)
{
    struct numeric_parts a = numeric_parts(base);
    struct numeric_parts b = numeric_parts(exponent);
    if (is_special(&a) || is_special(&b)) {
        return power_special(base, exponent, buffer, err);
    }
    if (a.limb_count == 0 && numeric_sign(exponent) < 0) {
        return power_error("zero raised to a negative power is undefined", err);
    }
    int64_t whole = 0;
    if (numeric_to_int8(exponent, &whole) && whole >= INT32_MIN && whole <= INT32_MAX) {
        return power_whole(base, whole, between(DIGITS_MIN, a.scale), buffer, err);
    }
    if (a.limb_count == 0) {
        return put_zero(DIGITS_MIN, buffer, err);
    }
    if (a.kind == NUMERIC_NEGATIVE && !is_whole(&b)) {
        return power_error(
            "a negative number raised to a non-integer power yields a complex result", err);
    }
    if (a.kind == NUMERIC_POSITIVE) {
        return power_general(base, exponent, false, buffer, err);
    }
    struct buffer size;
    buffer_init(&size, buffer->alloc);
    tdbplus_status status = numeric_absolute(base, &size, err);
    if (status == TDBPLUS_OK) {
        status = power_general(buffer_span(&size), exponent, is_odd(&b), buffer, err);
    }
    buffer_deinit(&size);
    return status;
}

/* ---- whole numbers ---- */

tdbplus_status numeric_factorial(int64_t n, struct buffer *buffer, struct err *err)
{
    if (n < 0) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003",
                             "factorial of a negative number is undefined");
    }
    if (n > FACTORIAL_MAX) {
        return overflow(err);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct number result;
    struct number factor;
    number_init(&result, buffer->alloc);
    number_init(&factor, buffer->alloc);
    TRY_OR(done, set_integer(&result, 1, err));
    int64_t product = 1;
    for (int64_t i = 2; i <= n; i++) {
        product *= i;
        if (product < INT64_C(1) << 47 && i < n) {
            continue; // Several factors at once.
        }
        TRY_OR(done, set_integer(&factor, product, err));
        TRY_OR(done, apply(&result, numeric_multiply, number_span(&factor), err));
        product = 1;
    }
    TRY_OR(done, put(&result, buffer, err));
done:
    number_deinit(&factor);
    number_deinit(&result);
    return status;
}

tdbplus_status numeric_gcd(struct span left, struct span right, struct buffer *buffer,
                           struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (is_special(&a) || is_special(&b)) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    tdbplus_status status = TDBPLUS_OK;
    int32_t scale = a.scale > b.scale ? a.scale : b.scale;
    struct number x;
    struct number y;
    struct number rest;
    number_init(&x, buffer->alloc);
    number_init(&y, buffer->alloc);
    number_init(&rest, buffer->alloc);
    buffer_clear(&x.value);
    buffer_clear(&y.value);
    TRY_OR(done, numeric_absolute(left, &x.value, err));
    TRY_OR(done, numeric_absolute(right, &y.value, err));
    while (numeric_sign(number_span(&y)) != 0) {
        TRY_OR(done, set_span(&rest, number_span(&x), err));
        TRY_OR(done, apply(&rest, numeric_modulo, number_span(&y), err));
        TRY_OR(done, set_span(&x, number_span(&y), err));
        TRY_OR(done, set_span(&y, number_span(&rest), err));
    }
    TRY_OR(done, round_to(&x, scale, err));
    TRY_OR(done, put(&x, buffer, err));
done:
    number_deinit(&rest);
    number_deinit(&y);
    number_deinit(&x);
    return status;
}

tdbplus_status numeric_lcm(struct span left, struct span right, struct buffer *buffer,
                           struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (is_special(&a) || is_special(&b)) {
        return put_kind(NUMERIC_NAN, buffer, err);
    }
    int32_t scale = a.scale > b.scale ? a.scale : b.scale;
    if (a.limb_count == 0 || b.limb_count == 0) {
        return put_zero(scale, buffer, err);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct number divisor;
    struct number result;
    number_init(&divisor, buffer->alloc);
    number_init(&result, buffer->alloc);
    TRY_OR(done, numeric_gcd(left, right, &divisor.value, err));
    TRY_OR(done, set_span(&result, left, err));
    TRY_OR(done, divide_to(&result, number_span(&divisor), 0, err));
    TRY_OR(done, apply(&result, numeric_multiply, right, err));
    buffer_clear(&result.spare);
    TRY_OR(done, numeric_absolute(number_span(&result), &result.spare, err));
    turn(&result);
    TRY_OR(done, round_to(&result, scale, err));
    TRY_OR(done, put(&result, buffer, err));
done:
    number_deinit(&result);
    number_deinit(&divisor);
    return status;
}

/* ---- scales ---- */

int32_t numeric_scale(struct span value)
{
    struct numeric_parts parts = numeric_parts(value);
    return is_special(&parts) ? -1 : parts.scale;
}

int32_t numeric_scale_needed(struct span value)
{
    struct numeric_parts parts = numeric_parts(value);
    if (is_special(&parts)) {
        return -1;
    }
    int32_t limbs = (int32_t)parts.limb_count - parts.weight - 1;
    if (parts.limb_count == 0 || limbs <= 0) {
        return 0;
    }
    int32_t last = numeric_limb(&parts, parts.limb_count - 1);
    int32_t scale = limbs * 4;
    while (last % 10 == 0) {
        last /= 10;
        scale--;
    }
    return scale;
}
