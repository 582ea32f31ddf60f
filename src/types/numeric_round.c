/* Rounding, roots, and the way between numerics and other types. */

#include <float.h>
#include <math.h>

#include "base/assert.h"
#include "types/float_text.h"
#include "types/numeric_internal.h"
#include "types/numeric_work.h"

#define LIMB_DIGITS     4
#define ROUND_SCALE_MAX NUMERIC_SCALE_MAX /* As PostgreSQL. */
#define ROOT_DIGITS_MIN 16                /* Significant digits of a root, as PostgreSQL. */
#define ROOT_SCALE_MAX  1000
#define ROOT_STEPS_MAX  200

/* Copies NaN and infinities, which no rounding changes; true when it was one. */
static bool put_if_special(struct span value, struct buffer *buffer)
{
    if (value.data[0] <= NUMERIC_NEGATIVE) {
        return false;
    }
    buffer_put_span(buffer, value);
    return true;
}

tdbplus_status numeric_cut(struct span value, int32_t scale, bool truncate, struct buffer *buffer,
                           struct err *err)
{
    if (put_if_special(value, buffer)) {
        return buffer->failed ? numeric_no_memory(err) : TDBPLUS_OK;
    }
    struct numeric_parts parts = numeric_parts(value);
    struct numeric_work work;
    if (!numeric_work_load(&work, &parts, buffer->alloc)) {
        return numeric_no_memory(err);
    }
    numeric_work_round(&work, scale, truncate);
    tdbplus_status status = numeric_put_work(&work, buffer, err);
    numeric_work_deinit(&work);
    return status;
}

static int32_t clamp_scale(int32_t scale)
{
    return scale > ROUND_SCALE_MAX    ? ROUND_SCALE_MAX
           : scale < -ROUND_SCALE_MAX ? -ROUND_SCALE_MAX
                                      : scale;
}

tdbplus_status numeric_round(struct span value, int32_t scale, struct buffer *buffer,
                             struct err *err)
{
    return numeric_cut(value, clamp_scale(scale), false, buffer, err);
}

tdbplus_status numeric_truncate(struct span value, int32_t scale, struct buffer *buffer,
                                struct err *err)
{
    return numeric_cut(value, clamp_scale(scale), true, buffer, err);
}

/* The whole number next to the value on the side of `direction` (-1 or 1). */
static tdbplus_status whole(struct span value, int direction, struct buffer *buffer,
                            struct err *err)
{
    if (put_if_special(value, buffer)) {
        return buffer->failed ? numeric_no_memory(err) : TDBPLUS_OK;
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer cut_value = {.alloc = buffer->alloc};
    TRY_OR(done, numeric_cut(value, 0, true, &cut_value, err));
    uint8_t step[NUMERIC_SCALED_SIZE_MAX];
    struct span span = {.data = step, .size = numeric_store_scaled(direction, 0, step)};
    bool has_fraction = numeric_compare(value, buffer_span(&cut_value)) == direction;
    if (!has_fraction) {
        span.size = numeric_store_scaled(0, 0, step);
    }
    TRY_OR(done, numeric_add(buffer_span(&cut_value), span, buffer, err));
done:
    buffer_deinit(&cut_value);
    return status;
}

tdbplus_status numeric_floor(struct span value, struct buffer *buffer, struct err *err)
{
    return whole(value, -1, buffer, err);
}

tdbplus_status numeric_ceiling(struct span value, struct buffer *buffer, struct err *err)
{
    return whole(value, 1, buffer, err);
}

/* ---- integers and floats ---- */

void numeric_of_integer(int64_t value, struct buffer *buffer)
{
    numeric_put_scaled(value, 0, buffer);
}

static tdbplus_status of_float(double value, int digits, struct buffer *buffer, struct err *err)
{
    if (isnan(value) || isinf(value)) {
        enum numeric_kind kind = isnan(value) ? NUMERIC_NAN
                                 : value > 0  ? NUMERIC_INFINITY
                                              : NUMERIC_MINUS_INFINITY;
        return numeric_put_special(kind, buffer, err);
    }
    char text[FLOAT_TEXT_SIZE_MAX];
    size_t size = float_text_rounded(value, digits, text);
    // PostgreSQL prints with %g, which leaves out zeros at the end; then they do not count as
    // shown.
    size_t exponent = size;
    while (text[exponent - 1] != 'e') {
        exponent--;
    }
    exponent--;
    size_t end = exponent;
    while (end > 0 && text[end - 1] == '0') {
        end--;
    }
    end -= end > 0 && text[end - 1] == '.';
    if (end == 0 || text[end - 1] == '-') {
        end = exponent; // The number is zero.
    }
    memmove(text + end, text + exponent, size - exponent);
    struct span span = {.data = (const uint8_t *)text, .size = end + size - exponent};
    return numeric_parse(span, buffer, err);
}

tdbplus_status numeric_of_float8(double value, struct buffer *buffer, struct err *err)
{
    return of_float(value, DBL_DIG, buffer, err);
}

tdbplus_status numeric_of_float4(float value, struct buffer *buffer, struct err *err)
{
    return of_float((double)value, FLT_DIG, buffer, err);
}

tdbplus_status numeric_to_integer(struct span value, int64_t min, int64_t max, int64_t *integer_out,
                                  struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    if (parts.kind > NUMERIC_NEGATIVE) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "cannot convert %s to an integer",
                       parts.kind == NUMERIC_NAN ? "NaN" : "infinity");
    }
    wide_int sum = 0;
    // Five limbs before the point hold every int64.
    bool fits = parts.limb_count == 0 || parts.weight < 5;
    for (int32_t place = parts.weight; fits && place >= 0; place--) {
        sum = sum * NUMERIC_LIMB_BASE + numeric_limb_at(&parts, place);
    }
    sum += numeric_limb_at(&parts, -1) >= NUMERIC_LIMB_BASE / 2;
    sum = parts.kind == NUMERIC_NEGATIVE ? -sum : sum;
    if (!fits || sum < min || sum > max) {
        const char *name = max == INT64_MAX ? "bigint" : max == INT32_MAX ? "integer" : "smallint";
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "%s out of range", name);
    }
    *integer_out = (int64_t)sum;
    return TDBPLUS_OK;
}

/* ---- datums ---- */

void numeric_of_datum(const struct datum *datum, struct buffer *buffer)
{
    ASSERT(datum->type.id == TYPE_NUMERIC && !datum->is_null);
    enum physical physical = type_physical(datum->type);
    if (physical == PHYSICAL_VIEW) {
        buffer_put_span(buffer, datum->bytes);
    } else {
        wide_int value = physical == PHYSICAL_8 ? datum->integer : datum->wide;
        numeric_put_scaled(value, (unsigned)datum->type.scale, buffer);
    }
}

static TDBPLUS_CHECKED tdbplus_status field_overflow(struct type type, struct err *err)
{
    tdbplus_status status = err_set_state(err, TDBPLUS_E_RANGE, "22003", "numeric field overflow");
    err_detail(err,
               "A field with precision %d, scale %d must round to an absolute value less than "
               "10^%d.",
               type.precision, type.scale, type.precision - type.scale);
    return status;
}

/* Digits before the point. */
static int32_t whole_digits(const struct numeric_parts *parts)
{
    if (parts->limb_count == 0) {
        return 0;
    }
    int32_t first = numeric_limb(parts, 0);
    int32_t digits = first >= 1000 ? 4 : first >= 100 ? 3 : first >= 10 ? 2 : 1;
    return parts->weight * LIMB_DIGITS + digits;
}

static tdbplus_status check_precision(struct span rounded, struct type type, struct err *err)
{
    struct numeric_parts parts = numeric_parts(rounded);
    if (parts.kind == NUMERIC_NAN && type_physical(type) != PHYSICAL_VIEW) {
        char name[64];
        type_name(type, name);
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "NaN in %s; use numeric without a precision",
                       name);
    }
    if (parts.kind == NUMERIC_INFINITY || parts.kind == NUMERIC_MINUS_INFINITY ||
        whole_digits(&parts) > type.precision - type.scale) {
        return field_overflow(type, err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status set_datum(struct span value, struct arena *arena, struct datum *datum,
                                struct err *err)
{
    enum physical physical = type_physical(datum->type);
    if (physical == PHYSICAL_VIEW) {
        uint8_t *copy = arena_bytes(arena, value.size);
        if (copy == NULL) {
            return numeric_no_memory(err);
        }
        memcpy(copy, value.data, value.size);
        datum->bytes = (struct span){.data = copy, .size = value.size};
        return TDBPLUS_OK;
    }
    wide_int scaled = 0;
    bool fits = numeric_to_scaled(value, (unsigned)datum->type.scale, &scaled);
    ASSERT(fits); // It was rounded to that scale, and its digits were counted.
    if (physical == PHYSICAL_8) {
        datum->integer = (int64_t)scaled;
    } else {
        datum->wide = scaled;
    }
    return TDBPLUS_OK;
}

tdbplus_status numeric_to_datum(struct span value, struct type type, struct arena *arena,
                                struct datum *datum_out, struct err *err)
{
    ASSERT(type.id == TYPE_NUMERIC);
    struct datum datum = {.type = type};
    tdbplus_status status = TDBPLUS_OK;
    struct buffer rounded = {.alloc = arena->alloc};
    if (type.precision > 0) {
        TRY_OR(done, numeric_cut(value, type.scale, false, &rounded, err));
        value = buffer_span(&rounded);
        TRY_OR(done, check_precision(value, type, err));
    }
    TRY_OR(done, set_datum(value, arena, &datum, err));
    *datum_out = datum;
done:
    buffer_deinit(&rounded);
    return status;
}

/* ---- roots ---- */

/* Result digits after the point: 16 significant ones, and no fewer than the operand shows. */
static int32_t root_scale(const struct numeric_parts *parts)
{
    int32_t weight = parts->weight >= 0 ? parts->weight * LIMB_DIGITS / 2 + 1
                                        : 1 - (1 - parts->weight * LIMB_DIGITS) / 2;
    int32_t scale = ROOT_DIGITS_MIN - weight;
    scale = scale < parts->scale ? parts->scale : scale;
    scale = scale < 0 ? 0 : scale;
    return scale > ROOT_SCALE_MAX ? ROOT_SCALE_MAX : scale;
}

/* One step of Newton's method for whole numbers: (guess + value / guess) / 2, cut. */
static tdbplus_status step_root(struct span value, struct span guess, struct buffer *next,
                                struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer quotient = {.alloc = next->alloc};
    struct buffer sum = {.alloc = next->alloc};
    uint8_t two[NUMERIC_SCALED_SIZE_MAX];
    struct span divisor = {.data = two, .size = numeric_store_scaled(2, 0, two)};
    TRY_OR(done, numeric_divide_whole(value, guess, &quotient, err));
    TRY_OR(done, numeric_add(guess, buffer_span(&quotient), &sum, err));
    buffer_clear(next);
    TRY_OR(done, numeric_divide_whole(buffer_span(&sum), divisor, next, err));
done:
    buffer_deinit(&sum);
    buffer_deinit(&quotient);
    return status;
}

/* The same number with its point moved by `limbs` limbs; shows `scale` digits. */
static struct span move_point(struct buffer *number, int32_t limbs, int32_t scale)
{
    struct numeric_parts parts = numeric_parts(buffer_span(number));
    if (parts.limb_count > 0) {
        store_u16(number->data + 4, (uint16_t)(parts.weight + limbs));
    }
    store_u16(number->data + 2, (uint16_t)scale);
    return buffer_span(number);
}

/* floor(sqrt(value)) of a whole number, by Newton's method from above. */
static tdbplus_status root_of_whole(struct span value, struct buffer *root, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer next = {.alloc = root->alloc};
    // A first guess that is surely not below: a power of ten thousand.
    numeric_put_header(root, NUMERIC_POSITIVE, 0, (int16_t)(numeric_parts(value).weight / 2 + 1));
    buffer_put_u16(root, 1);
    for (int i = 0; i < ROOT_STEPS_MAX && !root->failed; i++) {
        TRY_OR(done, step_root(value, buffer_span(root), &next, err));
        if (numeric_compare(buffer_span(&next), buffer_span(root)) >= 0) {
            break;
        }
        struct buffer swap = *root;
        *root = next;
        next = swap;
    }
    status = root->failed ? numeric_no_memory(err) : TDBPLUS_OK;
done:
    buffer_deinit(&next);
    return status;
}

tdbplus_status numeric_sqrt(struct span value, struct buffer *buffer, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    return numeric_sqrt_to(value, root_scale(&parts), buffer, err);
}

tdbplus_status numeric_sqrt_to(struct span value, int32_t scale, struct buffer *buffer,
                               struct err *err)
{
    if (value.data[0] == NUMERIC_NAN || value.data[0] == NUMERIC_INFINITY) {
        (void)put_if_special(value, buffer);
        return buffer->failed ? numeric_no_memory(err) : TDBPLUS_OK;
    }
    struct numeric_parts parts = numeric_parts(value);
    if (parts.kind != NUMERIC_POSITIVE) {
        return err_set_state(err, TDBPLUS_E_SQL, "2201F",
                             "cannot take square root of a negative number");
    }
    int32_t limbs = scale / LIMB_DIGITS + 1;
    if (parts.weight + 2 * limbs > INT16_MAX) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "value overflows numeric format");
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer whole_value = {.alloc = buffer->alloc};
    struct buffer root = {.alloc = buffer->alloc};
    // sqrt(v) = sqrt(v * 10000^2k) / 10000^k; k limbs hold one digit more than is shown. Cutting
    // the root never changes how that last digit rounds, because it is known exactly.
    buffer_put_span(&whole_value, value);
    if (whole_value.failed) {
        status = numeric_no_memory(err);
        goto done;
    }
    if (parts.limb_count > 0) {
        (void)move_point(&whole_value, 2 * limbs, 0);
        TRY_OR(done, root_of_whole(buffer_span(&whole_value), &root, err));
    } else {
        buffer_put_span(&root, value);
    }
    if (root.failed) {
        status = numeric_no_memory(err);
        goto done;
    }
    TRY_OR(done,
           numeric_cut(move_point(&root, -limbs, limbs * LIMB_DIGITS), scale, false, buffer, err));
done:
    buffer_deinit(&root);
    buffer_deinit(&whole_value);
    return status;
}
