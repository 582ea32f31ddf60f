/*
 * Addition to division of long numerics. Limbs are worked on in arrays with the most significant
 * first; `weight` is the place of the first one, as in the stored form.
 */

#include "base/assert.h"
#include "types/numeric_internal.h"
#include "types/numeric_work.h"

#define LIMB_DIGITS           4
#define DIVISION_DIGITS_MIN   16   /* Significant digits of a quotient, as PostgreSQL. */
#define DIVISION_SCALE_MAX    1000 /* As PostgreSQL. */
#define PRODUCTS_BEFORE_CARRY UINT64_C(100000000000)

/* ---- work ---- */

bool numeric_work_init(struct numeric_work *work, const struct alloc *alloc, size_t count)
{
    *work = (struct numeric_work){.alloc = alloc};
    work->limbs = work->small;
    work->capacity = NUMERIC_WORK_SMALL;
    if (count > NUMERIC_WORK_SMALL) {
        work->limbs = alloc_array(alloc, count, sizeof *work->limbs);
        work->capacity = count;
        if (work->limbs == NULL) {
            work->limbs = work->small;
            work->capacity = NUMERIC_WORK_SMALL;
            return false;
        }
    }
    work->count = (uint32_t)count;
    memset(work->limbs, 0, count * sizeof *work->limbs);
    return true;
}

void numeric_work_deinit(struct numeric_work *work)
{
    if (work->limbs != NULL && work->limbs != work->small) {
        alloc_free(work->alloc, work->limbs, work->capacity, sizeof *work->limbs);
    }
    work->limbs = NULL;
}

tdbplus_status numeric_no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "numeric: no memory");
}

tdbplus_status numeric_put_work(const struct numeric_work *work, struct buffer *buffer,
                                struct err *err)
{
    const uint32_t *limbs = work->limbs;
    uint32_t count = work->count;
    int32_t weight = work->weight;
    for (; count > 0 && limbs[0] == 0; limbs++, count--) {
        weight--;
    }
    while (count > 0 && limbs[count - 1] == 0) {
        count--;
    }
    if (count > 0 && weight > INT16_MAX) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "value overflows numeric format");
    }
    ASSERT(work->scale >= 0 && work->scale <= NUMERIC_SCALE_MAX);
    uint8_t *at = buffer_extend(buffer, NUMERIC_HEADER_SIZE + 2 * (size_t)count);
    if (at == NULL) {
        return numeric_no_memory(err);
    }
    at[0] = work->is_negative && count > 0 ? NUMERIC_NEGATIVE : NUMERIC_POSITIVE;
    at[1] = 0;
    store_u16(at + 2, (uint16_t)work->scale);
    store_u16(at + 4, count == 0 ? 0 : (uint16_t)weight);
    for (uint32_t i = 0; i < count; i++) {
        store_u16(at + NUMERIC_HEADER_SIZE + 2 * (size_t)i, (uint16_t)limbs[i]);
    }
    return TDBPLUS_OK;
}

tdbplus_status numeric_put_special(enum numeric_kind kind, struct buffer *buffer, struct err *err)
{
    numeric_put_header(buffer, (uint8_t)kind, 0, 0);
    return buffer->failed ? numeric_no_memory(err) : TDBPLUS_OK;
}

bool numeric_work_load(struct numeric_work *work, const struct numeric_parts *parts,
                       const struct alloc *alloc)
{
    if (!numeric_work_init(work, alloc, (size_t)parts->limb_count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < parts->limb_count; i++) {
        work->limbs[i + 1] = (uint32_t)numeric_limb(parts, i);
    }
    work->weight = parts->weight + 1; // The first limb is zero: room for a carry.
    work->scale = parts->scale;
    work->is_negative = parts->kind == NUMERIC_NEGATIVE;
    return true;
}

/* ---- rounding ---- */

/* Adds one at `index` and carries towards the front, where there is room. */
static void increment(struct numeric_work *work, uint32_t index, uint32_t step)
{
    work->limbs[index] += step;
    while (work->limbs[index] >= NUMERIC_LIMB_BASE) {
        ASSERT(index > 0);
        work->limbs[index] -= NUMERIC_LIMB_BASE;
        work->limbs[--index]++;
    }
}

void numeric_work_round(struct numeric_work *work, int32_t scale, bool truncate)
{
    static const uint32_t powers[LIMB_DIGITS] = {1, 10, 100, 1000};
    work->scale = scale < 0 ? 0 : scale;
    // Digits that stay, counted from the front of the first limb, which is spare.
    int64_t digits = ((int64_t)work->weight + 1) * LIMB_DIGITS + scale;
    if (digits >= (int64_t)work->count * LIMB_DIGITS) {
        return;
    }
    if (digits < LIMB_DIGITS) {
        // Not even the digit before the first one stays. One place before it could still be
        // rounded up to, and the spare limb is that place when `digits` is exactly its size.
        memset(work->limbs, 0, work->count * sizeof *work->limbs);
        return;
    }
    uint32_t index = (uint32_t)(digits / LIMB_DIGITS);
    uint32_t unit = powers[(LIMB_DIGITS - digits % LIMB_DIGITS) % LIMB_DIGITS];
    bool up = false;
    if (unit == 1) {
        // The cut is between limbs: the one at `index` goes, whole.
        up = work->limbs[index] >= NUMERIC_LIMB_BASE / 2;
    } else {
        uint32_t extra = work->limbs[index] % unit;
        up = extra >= unit / 2;
        work->limbs[index] -= extra;
        index++;
    }
    memset(work->limbs + index, 0, (work->count - index) * sizeof *work->limbs);
    if (up && !truncate) {
        increment(work, index - 1, unit);
    }
}

/* ---- sums ---- */

/* |left| + |right| or, when `subtract`, |left| - |right| with |left| the larger. */
static bool combine(const struct numeric_parts *left, const struct numeric_parts *right,
                    bool subtract, const struct alloc *alloc, struct numeric_work *work)
{
    int32_t top = left->weight > right->weight ? left->weight : right->weight;
    int32_t left_last = left->weight - (int32_t)left->limb_count;
    int32_t right_last = right->weight - (int32_t)right->limb_count;
    int32_t last = (left_last < right_last ? left_last : right_last) + 1;
    if (!numeric_work_init(work, alloc, (size_t)(top + 1 - last) + 1)) {
        return false;
    }
    work->weight = top + 1;
    int32_t carry = 0;
    for (int32_t place = last; place <= top + 1; place++) {
        int32_t other = numeric_limb_at(right, place);
        int32_t sum = numeric_limb_at(left, place) + (subtract ? -other : other) + carry;
        carry = sum < 0 ? -1 : sum >= NUMERIC_LIMB_BASE;
        work->limbs[top + 1 - place] = (uint32_t)(sum - carry * NUMERIC_LIMB_BASE);
    }
    ASSERT(carry == 0);
    return true;
}

static tdbplus_status add_finite(const struct numeric_parts *left,
                                 const struct numeric_parts *right, struct buffer *buffer,
                                 struct err *err)
{
    struct numeric_work work;
    bool subtract = left->kind != right->kind;
    bool swap = subtract && numeric_compare_magnitudes(left, right) < 0;
    const struct numeric_parts *larger = swap ? right : left;
    if (!combine(larger, swap ? left : right, subtract, buffer->alloc, &work)) {
        return numeric_no_memory(err);
    }
    work.is_negative = larger->kind == NUMERIC_NEGATIVE;
    work.scale = left->scale > right->scale ? left->scale : right->scale;
    tdbplus_status status = numeric_put_work(&work, buffer, err);
    numeric_work_deinit(&work);
    return status;
}

static tdbplus_status add(const struct numeric_parts *left, const struct numeric_parts *right,
                          struct buffer *buffer, struct err *err)
{
    bool left_is_finite = left->kind <= NUMERIC_NEGATIVE;
    bool right_is_finite = right->kind <= NUMERIC_NEGATIVE;
    if (left_is_finite && right_is_finite) {
        return add_finite(left, right, buffer, err);
    }
    bool is_nan = left->kind == NUMERIC_NAN || right->kind == NUMERIC_NAN ||
                  (!left_is_finite && !right_is_finite && left->kind != right->kind);
    uint8_t kind = left_is_finite ? right->kind : left->kind;
    return numeric_put_special(is_nan ? NUMERIC_NAN : (enum numeric_kind)kind, buffer, err);
}

static uint8_t opposite(const struct numeric_parts *parts)
{
    static const uint8_t kinds[] = {
        [NUMERIC_POSITIVE] = NUMERIC_NEGATIVE,
        [NUMERIC_NEGATIVE] = NUMERIC_POSITIVE,
        [NUMERIC_NAN] = NUMERIC_NAN,
        [NUMERIC_INFINITY] = NUMERIC_MINUS_INFINITY,
        [NUMERIC_MINUS_INFINITY] = NUMERIC_INFINITY,
    };
    bool is_zero = parts->kind == NUMERIC_POSITIVE && parts->limb_count == 0;
    return is_zero ? NUMERIC_POSITIVE : kinds[parts->kind];
}

tdbplus_status numeric_add(struct span left, struct span right, struct buffer *buffer,
                           struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    return add(&a, &b, buffer, err);
}

tdbplus_status numeric_subtract(struct span left, struct span right, struct buffer *buffer,
                                struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    b.kind = opposite(&b);
    return add(&a, &b, buffer, err);
}

static tdbplus_status put_with_kind(struct span value, uint8_t kind, struct buffer *buffer,
                                    struct err *err)
{
    size_t start = buffer->size;
    buffer_put_span(buffer, value);
    if (buffer->failed) {
        return numeric_no_memory(err);
    }
    buffer->data[start] = kind;
    return TDBPLUS_OK;
}

tdbplus_status numeric_negate(struct span value, struct buffer *buffer, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    return put_with_kind(value, opposite(&parts), buffer, err);
}

tdbplus_status numeric_absolute(struct span value, struct buffer *buffer, struct err *err)
{
    struct numeric_parts parts = numeric_parts(value);
    bool negative = parts.kind == NUMERIC_NEGATIVE || parts.kind == NUMERIC_MINUS_INFINITY;
    return put_with_kind(value, negative ? opposite(&parts) : parts.kind, buffer, err);
}

int numeric_sign(struct span value)
{
    struct numeric_parts parts = numeric_parts(value);
    if (parts.kind == NUMERIC_NEGATIVE || parts.kind == NUMERIC_MINUS_INFINITY) {
        return -1;
    }
    return parts.kind == NUMERIC_POSITIVE && parts.limb_count == 0 ? 0 : 1;
}

/* ---- products ---- */

static bool is_negative_kind(uint8_t kind)
{
    return kind == NUMERIC_NEGATIVE || kind == NUMERIC_MINUS_INFINITY;
}

static bool is_zero(const struct numeric_parts *parts)
{
    return parts->kind == NUMERIC_POSITIVE && parts->limb_count == 0;
}

/* Schoolbook multiplication into 64-bit columns, which hold more products than there can be limbs
 * before they must be carried. */
static bool multiply_limbs(const struct numeric_parts *left, const struct numeric_parts *right,
                           const struct alloc *alloc, struct numeric_work *work)
{
    _Static_assert(PRODUCTS_BEFORE_CARRY > (NUMERIC_DIGITS_MAX + NUMERIC_SCALE_MAX) / LIMB_DIGITS,
                   "columns do not overflow");
    size_t count = (size_t)left->limb_count + right->limb_count;
    uint64_t small[2 * NUMERIC_WORK_SMALL];
    uint64_t *columns = small;
    if (!numeric_work_init(work, alloc, count + 1)) {
        return false;
    }
    if (count > 2 * NUMERIC_WORK_SMALL) {
        columns = alloc_array(alloc, count, sizeof *columns);
        if (columns == NULL) {
            numeric_work_deinit(work);
            return false;
        }
    } else {
        memset(columns, 0, count * sizeof *columns);
    }
    for (uint32_t i = 0; i < left->limb_count; i++) {
        uint64_t factor = (uint64_t)numeric_limb(left, i);
        for (uint32_t k = 0; k < right->limb_count; k++) {
            columns[i + k + 1] += factor * (uint64_t)numeric_limb(right, k);
        }
    }
    uint64_t carry = 0;
    for (size_t i = count; i > 0; i--) {
        uint64_t sum = columns[i - 1] + carry;
        work->limbs[i] = (uint32_t)(sum % NUMERIC_LIMB_BASE);
        carry = sum / NUMERIC_LIMB_BASE;
    }
    ASSERT(carry == 0);
    if (columns != small) {
        alloc_free(alloc, columns, count, sizeof *columns);
    }
    work->weight = left->weight + right->weight + 2;
    return true;
}

static tdbplus_status multiply_finite(const struct numeric_parts *left,
                                      const struct numeric_parts *right, struct buffer *buffer,
                                      struct err *err)
{
    struct numeric_work work;
    if (!multiply_limbs(left, right, buffer->alloc, &work)) {
        return numeric_no_memory(err);
    }
    work.is_negative = left->kind != right->kind;
    work.scale = left->scale + right->scale;
    if (work.scale > NUMERIC_SCALE_MAX) {
        numeric_work_round(&work, NUMERIC_SCALE_MAX, false);
    }
    tdbplus_status status = numeric_put_work(&work, buffer, err);
    numeric_work_deinit(&work);
    return status;
}

tdbplus_status numeric_multiply(struct span left, struct span right, struct buffer *buffer,
                                struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind <= NUMERIC_NEGATIVE && b.kind <= NUMERIC_NEGATIVE) {
        return multiply_finite(&a, &b, buffer, err);
    }
    if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN || is_zero(&a) || is_zero(&b)) {
        return numeric_put_special(NUMERIC_NAN, buffer, err);
    }
    bool negative = is_negative_kind(a.kind) != is_negative_kind(b.kind);
    return numeric_put_special(negative ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY, buffer, err);
}

/* ---- quotients ---- */

/* Digits after the point of a quotient: at least 16 significant ones, and never fewer after the
 * point than an operand shows. */
static int32_t division_scale(const struct numeric_parts *left, const struct numeric_parts *right)
{
    int32_t left_first = left->limb_count == 0 ? 0 : numeric_limb(left, 0);
    int32_t right_first = numeric_limb(right, 0);
    int32_t weight = left->weight - right->weight - (left_first <= right_first);
    int32_t scale = DIVISION_DIGITS_MIN - weight * LIMB_DIGITS;
    scale = scale < left->scale ? left->scale : scale;
    scale = scale < right->scale ? right->scale : scale;
    scale = scale < 0 ? 0 : scale;
    return scale > DIVISION_SCALE_MAX ? DIVISION_SCALE_MAX : scale;
}

static void divide_by_limb(struct numeric_work *dividend, uint32_t divisor)
{
    uint32_t rest = 0;
    for (uint32_t i = 0; i < dividend->count; i++) {
        uint32_t value = rest * NUMERIC_LIMB_BASE + dividend->limbs[i];
        dividend->limbs[i] = value / divisor;
        rest = value % divisor;
    }
}

static void scale_limbs(uint32_t *limbs, uint32_t count, uint32_t factor)
{
    uint32_t carry = 0;
    for (uint32_t i = count; i > 0; i--) {
        uint32_t value = limbs[i - 1] * factor + carry;
        limbs[i - 1] = value % NUMERIC_LIMB_BASE;
        carry = value / NUMERIC_LIMB_BASE;
    }
    ASSERT(carry == 0);
}

/* rest -= digit * divisor over `count` + 1 limbs; true when it became negative. */
static bool subtract_multiple(uint32_t *rest, const uint32_t *divisor, uint32_t count,
                              uint32_t digit)
{
    int64_t borrow = 0;
    for (uint32_t i = count; i > 0; i--) {
        int64_t value = (int64_t)rest[i] - (int64_t)digit * divisor[i - 1] + borrow;
        borrow = value / NUMERIC_LIMB_BASE;
        value -= borrow * NUMERIC_LIMB_BASE;
        if (value < 0) {
            value += NUMERIC_LIMB_BASE;
            borrow--;
        }
        rest[i] = (uint32_t)value;
    }
    int64_t first = (int64_t)rest[0] + borrow;
    rest[0] = (uint32_t)(first < 0 ? first + NUMERIC_LIMB_BASE : first);
    return first < 0;
}

static void add_back(uint32_t *rest, const uint32_t *divisor, uint32_t count)
{
    uint32_t carry = 0;
    for (uint32_t i = count; i > 0; i--) {
        uint32_t value = rest[i] + divisor[i - 1] + carry;
        carry = value >= NUMERIC_LIMB_BASE;
        rest[i] = value - carry * NUMERIC_LIMB_BASE;
    }
    rest[0] = (rest[0] + carry) % NUMERIC_LIMB_BASE;
}

/*
 * Long division (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D). The dividend, whose
 * first limb is zero, is replaced by the quotient, whose last limb belongs where the dividend's
 * last one stood; the divisor has at least two limbs, the first not zero.
 */
static void divide_limbs(struct numeric_work *dividend, uint32_t *divisor, uint32_t count)
{
    uint32_t factor = NUMERIC_LIMB_BASE / (divisor[0] + 1);
    scale_limbs(divisor, count, factor);
    scale_limbs(dividend->limbs, dividend->count, factor);
    uint32_t *limbs = dividend->limbs;
    for (uint32_t i = 0; i + count < dividend->count; i++) {
        uint32_t *rest = limbs + i;
        uint32_t two = rest[0] * NUMERIC_LIMB_BASE + rest[1];
        uint32_t digit = two / divisor[0];
        uint32_t left = two % divisor[0];
        while (
            digit >= NUMERIC_LIMB_BASE ||
            (left < NUMERIC_LIMB_BASE && digit * divisor[1] > left * NUMERIC_LIMB_BASE + rest[2])) {
            digit--;
            left += divisor[0];
        }
        if (subtract_multiple(rest, divisor, count, digit)) {
            digit--;
            add_back(rest, divisor, count);
        }
        // What is left of the dividend here is zero, so the quotient can take its place.
        rest[0] = digit;
    }
    // The quotient's limbs stand at the front; the remainder behind them is dropped.
    uint32_t quotients = dividend->count > count ? dividend->count - count : 0;
    memmove(limbs + dividend->count - quotients, limbs, quotients * sizeof *limbs);
    memset(limbs, 0, (dividend->count - quotients) * sizeof *limbs);
}

static bool load_divisor(const struct numeric_parts *right, const struct alloc *alloc,
                         struct numeric_work *divisor)
{
    if (!numeric_work_init(divisor, alloc, right->limb_count)) {
        return false;
    }
    for (uint32_t i = 0; i < right->limb_count; i++) {
        divisor->limbs[i] = (uint32_t)numeric_limb(right, i);
    }
    return true;
}

/* left / right cut or rounded at `scale`; both finite, right not zero. */
static tdbplus_status divide_finite(const struct numeric_parts *left,
                                    const struct numeric_parts *right, int32_t scale, bool truncate,
                                    struct buffer *buffer, struct err *err)
{
    // The quotient gets a limb more than is shown, for rounding; the dividend is padded to give it.
    int32_t last = -(scale / LIMB_DIGITS) - 1;
    int32_t left_last = left->weight - (int32_t)left->limb_count + 1;
    int32_t right_last = right->weight - (int32_t)right->limb_count + 1;
    int32_t padding = left_last - right_last - last;
    padding = padding < 0 ? 0 : padding;
    struct numeric_work dividend;
    struct numeric_work divisor;
    // Two more in front: room for the scaling of the division and for the carry of rounding.
    if (!numeric_work_init(&dividend, buffer->alloc, 2 + left->limb_count + (size_t)padding)) {
        return numeric_no_memory(err);
    }
    if (!load_divisor(right, buffer->alloc, &divisor)) {
        numeric_work_deinit(&dividend);
        return numeric_no_memory(err);
    }
    for (uint32_t i = 0; i < left->limb_count; i++) {
        dividend.limbs[i + 2] = (uint32_t)numeric_limb(left, i);
    }
    if (divisor.count == 1) {
        divide_by_limb(&dividend, divisor.limbs[0]);
    } else {
        divide_limbs(&dividend, divisor.limbs, divisor.count);
    }
    dividend.weight = left_last - padding - right_last + (int32_t)dividend.count - 1;
    dividend.is_negative = left->kind != right->kind;
    numeric_work_round(&dividend, scale, truncate);
    tdbplus_status status = numeric_put_work(&dividend, buffer, err);
    numeric_work_deinit(&divisor);
    numeric_work_deinit(&dividend);
    return status;
}

static TDBPLUS_CHECKED tdbplus_status division_by_zero(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22012", "division by zero");
}

tdbplus_status numeric_divide(struct span left, struct span right, struct buffer *buffer,
                              struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN) {
        return numeric_put_special(NUMERIC_NAN, buffer, err);
    }
    if (is_zero(&b)) {
        return division_by_zero(err);
    }
    bool a_is_finite = a.kind <= NUMERIC_NEGATIVE;
    if (b.kind > NUMERIC_NEGATIVE) {
        return numeric_put_special(a_is_finite ? NUMERIC_POSITIVE : NUMERIC_NAN, buffer, err);
    }
    if (!a_is_finite) {
        bool negative = is_negative_kind(a.kind) != is_negative_kind(b.kind);
        return numeric_put_special(negative ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY, buffer,
                                   err);
    }
    return divide_finite(&a, &b, division_scale(&a, &b), false, buffer, err);
}

tdbplus_status numeric_divide_to(struct span left, struct span right, int32_t scale,
                                 struct buffer *buffer, struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind > NUMERIC_NEGATIVE || b.kind > NUMERIC_NEGATIVE || is_zero(&b)) {
        return numeric_divide(left, right, buffer, err);
    }
    return divide_finite(&a, &b, scale, false, buffer, err);
}

tdbplus_status numeric_divide_whole(struct span left, struct span right, struct buffer *buffer,
                                    struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind > NUMERIC_NEGATIVE || b.kind > NUMERIC_NEGATIVE || is_zero(&b)) {
        return numeric_divide(left, right, buffer, err);
    }
    return divide_finite(&a, &b, 0, true, buffer, err);
}

tdbplus_status numeric_modulo(struct span left, struct span right, struct buffer *buffer,
                              struct err *err)
{
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind == NUMERIC_NAN || b.kind == NUMERIC_NAN) {
        return numeric_put_special(NUMERIC_NAN, buffer, err);
    }
    if (is_zero(&b)) {
        return division_by_zero(err);
    }
    if (a.kind > NUMERIC_NEGATIVE) {
        return numeric_put_special(NUMERIC_NAN, buffer, err);
    }
    if (b.kind > NUMERIC_NEGATIVE) {
        return put_with_kind(left, a.kind, buffer, err);
    }
    tdbplus_status status = TDBPLUS_OK;
    struct buffer quotient = {.alloc = buffer->alloc};
    struct buffer product = {.alloc = buffer->alloc};
    TRY_OR(done, divide_finite(&a, &b, 0, true, &quotient, err));
    TRY_OR(done, numeric_multiply(buffer_span(&quotient), right, &product, err));
    TRY_OR(done, numeric_subtract(left, buffer_span(&product), buffer, err));
done:
    buffer_deinit(&product);
    buffer_deinit(&quotient);
    return status;
}
