/* Statistics: spreads of exact numbers, and of pairs of floats. */

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "sql/func/aggregate_internal.h"
#include "types/datetime.h"
#include "types/numeric.h"

/* ---- variance of exact numbers, which is exact until it is divided ---- */

/* A numeric in memory of its own, which is replaced when it grows. */
struct kept_number {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct exact_spread {
    int64_t count;
    struct kept_number sum;
    struct kept_number squares;
};

static struct span span_of(const struct kept_number *number)
{
    return (struct span){.data = number->data, .size = number->size};
}

static tdbplus_status keep_number(struct kept_number *number, const struct buffer *buffer,
                                  const struct aggregate_update *update)
{
    if (buffer->failed) {
        return aggregate_no_memory(update->err);
    }
    if (buffer->size > number->capacity) {
        size_t capacity = buffer->size * 2 + 32;
        uint8_t *data = arena_bytes(update->arena, capacity);
        if (data == NULL) {
            return aggregate_no_memory(update->err);
        }
        number->data = data;
        number->capacity = capacity;
    }
    memcpy(number->data, buffer->data, buffer->size);
    number->size = buffer->size;
    return TDBPLUS_OK;
}

static tdbplus_status add_number(struct kept_number *sum, struct span value, struct buffer *scratch,
                                 const struct aggregate_update *update)
{
    buffer_clear(scratch);
    if (sum->size == 0) {
        buffer_put_span(scratch, value);
    } else {
        TRY(numeric_add(span_of(sum), value, scratch, update->err));
    }
    return keep_number(sum, scratch, update);
}

static tdbplus_status spread_one(struct exact_spread *spread, struct span value,
                                 struct buffer scratch[2], const struct aggregate_update *update)
{
    buffer_clear(&scratch[1]);
    TRY(numeric_multiply(value, value, &scratch[1], update->err));
    if (scratch[1].failed) {
        return aggregate_no_memory(update->err);
    }
    TRY(add_number(&spread->sum, value, &scratch[0], update));
    TRY(add_number(&spread->squares, buffer_span(&scratch[1]), &scratch[0], update));
    spread->count++;
    return TDBPLUS_OK;
}

static tdbplus_status spread_update(const struct aggregate_update *update)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer scratch[2];
    struct buffer number;
    buffer_init(&scratch[0], update->arena->alloc);
    buffer_init(&scratch[1], update->arena->alloc);
    buffer_init(&number, update->arena->alloc);
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        struct span span = value.bytes;
        if (value.type.id != TYPE_NUMERIC) {
            buffer_clear(&number);
            numeric_of_integer(value.integer, &number);
            span = buffer_span(&number);
        }
        if (number.failed) {
            status = aggregate_no_memory(update->err);
            goto done;
        }
        TRY_OR(done, spread_one((void *)update->states[i], span, scratch, update));
    }
done:
    buffer_deinit(&scratch[0]);
    buffer_deinit(&scratch[1]);
    buffer_deinit(&number);
    return status;
}

static tdbplus_status numeric_out(const struct buffer *buffer, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    uint8_t *bytes = buffer->failed ? NULL : arena_bytes(arena, buffer->size + 1);
    if (bytes == NULL) {
        return aggregate_no_memory(err);
    }
    memcpy(bytes, buffer->data, buffer->size);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC),
                                 .bytes = {.data = bytes, .size = buffer->size}};
    return TDBPLUS_OK;
}

static tdbplus_status filled(const struct buffer *buffer, struct err *err)
{
    return buffer->failed ? aggregate_no_memory(err) : TDBPLUS_OK;
}

/* n * sum of squares - square of the sum. */
static tdbplus_status dispersion(const struct exact_spread *spread, struct buffer parts[4],
                                 struct err *err)
{
    numeric_of_integer(spread->count, &parts[0]);
    TRY(filled(&parts[0], err));
    TRY(numeric_multiply(buffer_span(&parts[0]), span_of(&spread->squares), &parts[1], err));
    TRY(filled(&parts[1], err));
    TRY(numeric_multiply(span_of(&spread->sum), span_of(&spread->sum), &parts[2], err));
    TRY(filled(&parts[2], err));
    TRY(numeric_subtract(buffer_span(&parts[1]), buffer_span(&parts[2]), &parts[3], err));
    TRY(filled(&parts[3], err));
    for (uint32_t i = 0; i < 3; i++) {
        buffer_clear(&parts[i]);
    }
    return TDBPLUS_OK;
}

/* The square root has as many digits as the variance. */
static tdbplus_status root_of(const struct buffer *variance, struct buffer *root, struct err *err)
{
    int32_t scale = variance->data[2] | variance->data[3] << 8;
    return numeric_sqrt_to(buffer_span(variance), scale, root, err);
}

static tdbplus_status spread_value(const struct exact_spread *spread, bool sample, bool root,
                                   struct buffer parts[4], struct buffer **value_out,
                                   struct err *err)
{
    TRY(dispersion(spread, parts, err));
    bool finite = parts[3].data[0] <= NUMERIC_NEGATIVE;
    *value_out = &parts[3];
    if (!finite) {
        return TDBPLUS_OK;
    }
    *value_out = &parts[0];
    if (numeric_sign(buffer_span(&parts[3])) <= 0) {
        numeric_of_integer(0, &parts[0]);
        return TDBPLUS_OK;
    }
    numeric_of_integer(spread->count, &parts[1]);
    numeric_of_integer(sample ? spread->count - 1 : spread->count, &parts[2]);
    TRY(filled(&parts[1], err));
    TRY(filled(&parts[2], err));
    TRY(numeric_multiply(buffer_span(&parts[1]), buffer_span(&parts[2]), &parts[0], err));
    TRY(filled(&parts[0], err));
    buffer_clear(&parts[1]);
    TRY(numeric_divide(buffer_span(&parts[3]), buffer_span(&parts[0]), &parts[1], err));
    TRY(filled(&parts[1], err));
    *value_out = &parts[1];
    if (root) {
        buffer_clear(&parts[0]);
        *value_out = &parts[0];
        return root_of(&parts[1], &parts[0], err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status spread_finish(const uint8_t *state, bool sample, bool root,
                                    struct arena *arena, struct datum *result_out, struct err *err)
{
    struct exact_spread spread;
    memcpy(&spread, state, sizeof spread);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC), .is_null = true};
    if (spread.count == 0 || (sample && spread.count == 1)) {
        return TDBPLUS_OK;
    }
    struct buffer parts[4];
    struct buffer *value = NULL;
    for (uint32_t i = 0; i < 4; i++) {
        buffer_init(&parts[i], arena->alloc);
    }
    tdbplus_status status = spread_value(&spread, sample, root, parts, &value, err);
    if (status == TDBPLUS_OK) {
        status = numeric_out(value, arena, result_out, err);
    }
    for (uint32_t i = 0; i < 4; i++) {
        buffer_deinit(&parts[i]);
    }
    return status;
}

#define SPREAD_FINISH(NAME, SAMPLE, ROOT)                                  \
    static tdbplus_status NAME(const uint8_t *state, struct arena *arena,  \
                               struct datum *result_out, struct err *err)  \
    {                                                                      \
        return spread_finish(state, SAMPLE, ROOT, arena, result_out, err); \
    }

SPREAD_FINISH(variance_sample, true, false)
SPREAD_FINISH(variance_all, false, false)
SPREAD_FINISH(deviation_sample, true, true)
SPREAD_FINISH(deviation_all, false, true)

/* ---- pairs of floats: Youngs and Cramer's update, as PostgreSQL has it ---- */

struct pairs {
    double count;
    double sum_x;
    double squares_x; /* Of the differences from the mean. */
    double sum_y;
    double squares_y;
    double products;
};

static tdbplus_status float_overflow(struct err *err)
{
    return err_set(err, TDBPLUS_E_RANGE, "value out of range: overflow");
}

/* An infinity that did not come in as one is an error. */
static bool overflowed(const struct pairs *next, const struct pairs *before, double x, double y)
{
    bool inputs_x = isinf(before->sum_x) || isinf(x);
    bool inputs_y = isinf(before->sum_y) || isinf(y);
    return (isinf(next->sum_x) && !inputs_x) || (isinf(next->squares_x) && !inputs_x) ||
           (isinf(next->sum_y) && !inputs_y) || (isinf(next->squares_y) && !inputs_y) ||
           (isinf(next->products) && !inputs_x && !inputs_y);
}

static bool add_pair(struct pairs *pairs, double x, double y)
{
    struct pairs next = *pairs;
    next.count += 1;
    next.sum_x += x;
    next.sum_y += y;
    if (pairs->count == 0) {
        bool odd_x = isnan(x) || isinf(x);
        bool odd_y = isnan(y) || isinf(y);
        next.squares_x = odd_x ? (double)NAN : 0;
        next.squares_y = odd_y ? (double)NAN : 0;
        next.products = odd_x || odd_y ? (double)NAN : 0;
        *pairs = next;
        return true;
    }
    double distance_x = x * next.count - next.sum_x;
    double distance_y = y * next.count - next.sum_y;
    double scale = 1.0 / (next.count * pairs->count);
    next.squares_x += distance_x * distance_x * scale;
    next.squares_y += distance_y * distance_y * scale;
    next.products += distance_x * distance_y * scale;
    if (isinf(next.sum_x) || isinf(next.squares_x) || isinf(next.sum_y) || isinf(next.squares_y) ||
        isinf(next.products)) {
        if (overflowed(&next, pairs, x, y)) {
            return false;
        }
        next.squares_x = isinf(next.squares_x) ? (double)NAN : next.squares_x;
        next.squares_y = isinf(next.squares_y) ? (double)NAN : next.squares_y;
        next.products = isinf(next.products) ? (double)NAN : next.products;
    }
    *pairs = next;
    return true;
}

/* The first argument is Y. */
static tdbplus_status pairs_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum y;
        struct datum x;
        column_get(&update->arguments[0], aggregate_row(update, i), &y);
        column_get(&update->arguments[1], aggregate_row(update, i), &x);
        if (!x.is_null && !y.is_null && !add_pair((void *)update->states[i], x.real, y.real)) {
            return float_overflow(update->err);
        }
    }
    return TDBPLUS_OK;
}

/* A result that is null unless `COUNT` pairs came and `KNOWN` holds. */
#define PAIRS_FINISH(NAME, COUNT, KNOWN, VALUE)                                            \
    static tdbplus_status NAME(const uint8_t *state, struct arena *arena,                  \
                               struct datum *result_out, struct err *err)                  \
    {                                                                                      \
        (void)arena;                                                                       \
        (void)err;                                                                         \
        struct pairs p;                                                                    \
        memcpy(&p, state, sizeof p);                                                       \
        bool known = p.count >= (COUNT) && (KNOWN);                                        \
        *result_out = (struct datum){                                                      \
            .type = type_of(TYPE_FLOAT8), .is_null = !known, .real = known ? (VALUE) : 0}; \
        return TDBPLUS_OK;                                                                 \
    }

PAIRS_FINISH(correlation, 1, p.squares_x != 0 && p.squares_y != 0,
             p.products / sqrt(p.squares_x * p.squares_y))
PAIRS_FINISH(covariance_all, 1, true, p.products / p.count)
PAIRS_FINISH(covariance_sample, 2, true, p.products / (p.count - 1))
PAIRS_FINISH(mean_x, 1, true, p.sum_x / p.count)
PAIRS_FINISH(mean_y, 1, true, p.sum_y / p.count)
PAIRS_FINISH(squares_x, 1, true, p.squares_x)
PAIRS_FINISH(squares_y, 1, true, p.squares_y)
PAIRS_FINISH(products_xy, 1, true, p.products)
PAIRS_FINISH(slope, 1, p.squares_x != 0, p.products / p.squares_x)
PAIRS_FINISH(intercept, 1, p.squares_x != 0,
             (p.sum_y - p.sum_x * p.products / p.squares_x) / p.count)
PAIRS_FINISH(determination, 1, p.squares_x != 0,
             p.squares_y == 0 ? 1.0 : p.products * p.products / (p.squares_x * p.squares_y))

static tdbplus_status pair_count(const uint8_t *state, struct arena *arena,
                                 struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct pairs pairs;
    memcpy(&pairs, state, sizeof pairs);
    *result_out = (struct datum){.type = type_of(TYPE_INT8), .integer = (int64_t)pairs.count};
    return TDBPLUS_OK;
}

/* ---- intervals ---- */

struct interval_sum {
    struct interval sum;
    int64_t count;
};

static tdbplus_status interval_change(const struct aggregate_update *update, bool remove)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        struct interval_sum *state = (void *)update->states[i];
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        struct interval part = value.interval;
        if (remove) {
            TRY(interval_negate(&value.interval, &part, update->err));
        }
        TRY(interval_add(&state->sum, &part, &state->sum, update->err));
        state->count += remove ? -1 : 1;
    }
    return TDBPLUS_OK;
}

static tdbplus_status interval_update(const struct aggregate_update *update)
{
    return interval_change(update, false);
}

static tdbplus_status interval_remove(const struct aggregate_update *update)
{
    return interval_change(update, true);
}

static tdbplus_status interval_sum_finish(const uint8_t *state, struct arena *arena,
                                          struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct interval_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){
        .type = type_of(TYPE_INTERVAL), .is_null = sum.count == 0, .interval = sum.sum};
    return TDBPLUS_OK;
}

static tdbplus_status interval_average_finish(const uint8_t *state, struct arena *arena,
                                              struct datum *result_out, struct err *err)
{
    struct interval_sum sum;
    memcpy(&sum, state, sizeof sum);
    TRY(interval_sum_finish(state, arena, result_out, err));
    return sum.count == 0
               ? TDBPLUS_OK
               : interval_multiply(&sum.sum, 1.0 / (double)sum.count, &result_out->interval, err);
}

#define SPREADS(NAME, FINISH, SUMMARY)                                                             \
    AGGREGATE(NAME, 1, TYPE_INT2, 0, TYPE_NUMERIC, struct exact_spread, spread_update, FINISH,     \
              NULL, SUMMARY),                                                                      \
        AGGREGATE(NAME, 1, TYPE_INT4, 0, TYPE_NUMERIC, struct exact_spread, spread_update, FINISH, \
                  NULL, SUMMARY),                                                                  \
        AGGREGATE(NAME, 1, TYPE_INT8, 0, TYPE_NUMERIC, struct exact_spread, spread_update, FINISH, \
                  NULL, SUMMARY),                                                                  \
        AGGREGATE(NAME, 1, TYPE_NUMERIC, 0, TYPE_NUMERIC, struct exact_spread, spread_update,      \
                  FINISH, NULL, SUMMARY)

#define PAIRS(NAME, RESULT, FINISH, SUMMARY)                                                       \
    AGGREGATE(NAME, 2, TYPE_FLOAT8, TYPE_FLOAT8, RESULT, struct pairs, pairs_update, FINISH, NULL, \
              SUMMARY)

const struct aggregate aggregates_statistics[] = {
    SPREADS("var_samp", variance_sample, "Variance of a sample."),
    SPREADS("variance", variance_sample, "Variance of a sample."),
    SPREADS("var_pop", variance_all, "Variance of all."),
    SPREADS("stddev_samp", deviation_sample, "Standard deviation of a sample."),
    SPREADS("stddev", deviation_sample, "Standard deviation of a sample."),
    SPREADS("stddev_pop", deviation_all, "Standard deviation of all."),
    PAIRS("corr", TYPE_FLOAT8, correlation, "Correlation of Y and X."),
    PAIRS("covar_pop", TYPE_FLOAT8, covariance_all, "Covariance of all."),
    PAIRS("covar_samp", TYPE_FLOAT8, covariance_sample, "Covariance of a sample."),
    PAIRS("regr_avgx", TYPE_FLOAT8, mean_x, "Mean of X."),
    PAIRS("regr_avgy", TYPE_FLOAT8, mean_y, "Mean of Y."),
    PAIRS("regr_count", TYPE_INT8, pair_count, "Pairs without a null."),
    PAIRS("regr_intercept", TYPE_FLOAT8, intercept, "Where the nearest line meets the Y axis."),
    PAIRS("regr_r2", TYPE_FLOAT8, determination, "Square of the correlation."),
    PAIRS("regr_slope", TYPE_FLOAT8, slope, "Slope of the nearest line."),
    PAIRS("regr_sxx", TYPE_FLOAT8, squares_x, "Sum of squares of X."),
    PAIRS("regr_sxy", TYPE_FLOAT8, products_xy, "Sum of products."),
    PAIRS("regr_syy", TYPE_FLOAT8, squares_y, "Sum of squares of Y."),
    AGGREGATE("sum", 1, TYPE_INTERVAL, 0, TYPE_INTERVAL, struct interval_sum, interval_update,
              interval_sum_finish, interval_remove, "Sum."),
    AGGREGATE("avg", 1, TYPE_INTERVAL, 0, TYPE_INTERVAL, struct interval_sum, interval_update,
              interval_average_finish, interval_remove, "Mean."),
    AGGREGATE_END,
};
