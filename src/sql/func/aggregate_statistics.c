/* Statistics: of pairs of floats, and the spread of exact numbers. */

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "sql/func/aggregate_internal.h"
#include "types/numeric.h"

/* ---- pairs: Youngs and Cramer's update, as PostgreSQL has it; y comes before x ---- */

struct pairs {
    double count;
    double sum_x;
    double squares_x;
    double sum_y;
    double squares_y;
    double products;
};

static void add_pair(struct pairs *state, double y, double x)
{
    state->count += 1;
    state->sum_x += x;
    state->sum_y += y;
    if (state->count > 1) {
        double distance_x = x * state->count - state->sum_x;
        double distance_y = y * state->count - state->sum_y;
        double scale = 1.0 / (state->count * (state->count - 1));
        state->squares_x += distance_x * distance_x * scale;
        state->squares_y += distance_y * distance_y * scale;
        state->products += distance_x * distance_y * scale;
        return;
    }
    if (isnan(x) || isinf(x)) {
        state->squares_x = state->products = (double)NAN;
    }
    if (isnan(y) || isinf(y)) {
        state->squares_y = state->products = (double)NAN;
    }
}

static tdbplus_status pairs_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum y;
        struct datum x;
        column_get(&update->arguments[0], aggregate_row(update, i), &y);
        column_get(&update->arguments[1], aggregate_row(update, i), &x);
        if (!y.is_null && !x.is_null) {
            add_pair((void *)update->states[i], y.real, x.real);
        }
    }
    return TDBPLUS_OK;
}

#define PAIRS_FINISH(NAME, IS_NULL, VALUE)                                                \
    static tdbplus_status NAME(const uint8_t *state, struct arena *arena,                 \
                               struct datum *result_out, struct err *err)                 \
    {                                                                                     \
        struct pairs s;                                                                   \
        (void)arena;                                                                      \
        (void)err;                                                                        \
        memcpy(&s, state, sizeof s);                                                      \
        *result_out = (struct datum){.type = type_of(TYPE_FLOAT8), .is_null = (IS_NULL)}; \
        if (!result_out->is_null) {                                                       \
            result_out->real = (VALUE);                                                   \
        }                                                                                 \
        return TDBPLUS_OK;                                                                \
    }

PAIRS_FINISH(covar_pop_finish, s.count < 1, s.products / s.count)
PAIRS_FINISH(covar_samp_finish, s.count < 2, s.products / (s.count - 1))
PAIRS_FINISH(corr_finish, s.count < 1 || s.squares_x == 0 || s.squares_y == 0,
             s.products / sqrt(s.squares_x * s.squares_y))
PAIRS_FINISH(avgx_finish, s.count < 1, s.sum_x / s.count)
PAIRS_FINISH(avgy_finish, s.count < 1, s.sum_y / s.count)
PAIRS_FINISH(sxx_finish, s.count < 1, s.squares_x)
PAIRS_FINISH(syy_finish, s.count < 1, s.squares_y)
PAIRS_FINISH(sxy_finish, s.count < 1, s.products)
PAIRS_FINISH(slope_finish, s.count < 1 || s.squares_x == 0, s.products / s.squares_x)
PAIRS_FINISH(intercept_finish, s.count < 1 || s.squares_x == 0,
             (s.sum_y - s.sum_x * s.products / s.squares_x) / s.count)
PAIRS_FINISH(r2_finish, s.count < 1 || s.squares_x == 0,
             s.squares_y == 0 ? 1.0 : (s.products * s.products) / (s.squares_x * s.squares_y))

static tdbplus_status pair_count_finish(const uint8_t *state, struct arena *arena,
                                        struct datum *result_out, struct err *err)
{
    struct pairs pairs;
    (void)arena;
    (void)err;
    memcpy(&pairs, state, sizeof pairs);
    *result_out = (struct datum){.type = type_of(TYPE_INT8), .integer = (int64_t)pairs.count};
    return TDBPLUS_OK;
}

/* ---- exact spread: the sum and the sum of squares as numerics ---- */

struct exact {
    uint8_t *sum;
    size_t sum_size;
    size_t sum_capacity;
    uint8_t *squares;
    size_t squares_size;
    size_t squares_capacity;
    int64_t count;
    bool special; /* NaN or an infinity was among them. */
};

static bool keep(uint8_t **data, size_t *size, size_t *capacity, const struct buffer *value,
                 struct arena *arena)
{
    if (value->failed) {
        return false;
    }
    if (value->size > *capacity) {
        size_t wanted = value->size * 2 + 32;
        uint8_t *grown = arena_bytes(arena, wanted);
        if (grown == NULL) {
            return false;
        }
        *data = grown;
        *capacity = wanted;
    }
    memcpy(*data, value->data, value->size);
    *size = value->size;
    return true;
}

static tdbplus_status add_to(uint8_t **data, size_t *size, size_t *capacity, struct span value,
                             const struct aggregate_update *update)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer sum;
    buffer_init(&sum, update->arena->alloc);
    if (*size == 0) {
        buffer_put_span(&sum, value);
    } else {
        struct span before = {.data = *data, .size = *size};
        TRY_OR(done, numeric_add(before, value, &sum, update->err));
    }
    if (!keep(data, size, capacity, &sum, update->arena)) {
        status = aggregate_no_memory(update->err);
    }
done:
    buffer_deinit(&sum);
    return status;
}

static tdbplus_status add_exact(struct exact *state, struct span value,
                                const struct aggregate_update *update)
{
    state->count++;
    if (value.data[0] > NUMERIC_NEGATIVE) {
        state->special = true;
        return TDBPLUS_OK;
    }
    struct buffer square;
    buffer_init(&square, update->arena->alloc);
    tdbplus_status status = numeric_multiply(value, value, &square, update->err);
    if (status == TDBPLUS_OK) {
        status = add_to(&state->sum, &state->sum_size, &state->sum_capacity, value, update);
    }
    if (status == TDBPLUS_OK) {
        status = add_to(&state->squares, &state->squares_size, &state->squares_capacity,
                        buffer_span(&square), update);
    }
    buffer_deinit(&square);
    return status;
}

static tdbplus_status exact_update(const struct aggregate_update *update)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer number;
    buffer_init(&number, update->arena->alloc);
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], aggregate_row(update, i), &value);
        if (value.is_null) {
            continue;
        }
        buffer_clear(&number);
        if (value.type.id == TYPE_NUMERIC) {
            numeric_of_datum(&value, &number);
        } else {
            numeric_of_integer(value.integer, &number);
        }
        if (number.failed) {
            status = aggregate_no_memory(update->err);
            goto done;
        }
        TRY_OR(done, add_exact((void *)update->states[i], buffer_span(&number), update));
    }
done:
    buffer_deinit(&number);
    return status;
}

/* (n * squares - sum^2) / (n * (n - 1)), or / n^2 for all. */
static tdbplus_status exact_variance(const struct exact *state, bool sample, bool root,
                                     struct buffer *result, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer part[6];
    for (uint32_t i = 0; i < 6; i++) {
        buffer_init(&part[i], result->alloc);
    }
    struct span sum = {.data = state->sum, .size = state->sum_size};
    struct span squares = {.data = state->squares, .size = state->squares_size};
    numeric_of_integer(state->count, &part[0]);
    numeric_of_integer(sample ? state->count - 1 : state->count, &part[1]);
    TRY_OR(done, numeric_multiply(buffer_span(&part[0]), squares, &part[2], err));
    TRY_OR(done, numeric_multiply(sum, sum, &part[3], err));
    TRY_OR(done, numeric_subtract(buffer_span(&part[2]), buffer_span(&part[3]), &part[4], err));
    if (numeric_sign(buffer_span(&part[4])) <= 0) {
        numeric_of_integer(0, result);
        goto done;
    }
    buffer_clear(&part[2]);
    buffer_clear(&part[3]);
    TRY_OR(done, numeric_multiply(buffer_span(&part[0]), buffer_span(&part[1]), &part[2], err));
    TRY_OR(done, numeric_divide(buffer_span(&part[4]), buffer_span(&part[2]),
                                root ? &part[3] : result, err));
    if (root) {
        TRY_OR(done, numeric_sqrt(buffer_span(&part[3]), result, err));
    }
done:
    for (uint32_t i = 0; i < 6; i++) {
        buffer_deinit(&part[i]);
    }
    return status;
}

static tdbplus_status exact_finish(const uint8_t *bytes, bool sample, bool root,
                                   struct arena *arena, struct datum *result_out, struct err *err)
{
    struct exact state;
    struct buffer result;
    memcpy(&state, bytes, sizeof state);
    *result_out =
        (struct datum){.type = type_of(TYPE_NUMERIC), .is_null = state.count < (sample ? 2 : 1)};
    if (result_out->is_null) {
        return TDBPLUS_OK;
    }
    buffer_init(&result, arena->alloc);
    tdbplus_status status = TDBPLUS_OK;
    if (state.special) {
        static const uint8_t nan[] = {NUMERIC_NAN, 0, 0, 0, 0, 0};
        buffer_put(&result, nan, sizeof nan);
    } else {
        TRY_OR(done, exact_variance(&state, sample, root, &result, err));
    }
    uint8_t *copy = result.failed ? NULL : arena_bytes(arena, result.size + 1);
    if (copy == NULL) {
        status = aggregate_no_memory(err);
        goto done;
    }
    memcpy(copy, result.data, result.size);
    result_out->bytes = (struct span){.data = copy, .size = result.size};
done:
    buffer_deinit(&result);
    return status;
}

#define EXACT_FINISH(NAME, SAMPLE, ROOT)                                  \
    static tdbplus_status NAME(const uint8_t *state, struct arena *arena, \
                               struct datum *result_out, struct err *err) \
    {                                                                     \
        return exact_finish(state, SAMPLE, ROOT, arena, result_out, err); \
    }

EXACT_FINISH(variance_sample, true, false)
EXACT_FINISH(variance_all, false, false)
EXACT_FINISH(deviation_sample, true, true)
EXACT_FINISH(deviation_all, false, true)

#define F8 TYPE_FLOAT8

#define PAIR(NAME, FINISH, SUMMARY) \
    AGGREGATE(NAME, 2, F8, F8, F8, struct pairs, pairs_update, FINISH, NULL, SUMMARY)

#define EXACT(NAME, TYPE, FINISH, SUMMARY) \
    AGGREGATE(NAME, 1, TYPE, 0, TYPE_NUMERIC, struct exact, exact_update, FINISH, NULL, SUMMARY)

#define EXACT_ALL(NAME, FINISH, SUMMARY)                                              \
    EXACT(NAME, TYPE_INT2, FINISH, SUMMARY), EXACT(NAME, TYPE_INT4, FINISH, SUMMARY), \
        EXACT(NAME, TYPE_INT8, FINISH, SUMMARY), EXACT(NAME, TYPE_NUMERIC, FINISH, SUMMARY)

const struct aggregate aggregates_statistics[] = {
    PAIR("corr", corr_finish, "Correlation."),
    PAIR("covar_pop", covar_pop_finish, "Covariance of all."),
    PAIR("covar_samp", covar_samp_finish, "Covariance of a sample."),
    PAIR("regr_avgx", avgx_finish, "Mean of the second where both are known."),
    PAIR("regr_avgy", avgy_finish, "Mean of the first where both are known."),
    AGGREGATE("regr_count", 2, F8, F8, TYPE_INT8, struct pairs, pairs_update, pair_count_finish,
              NULL, "How many pairs are known."),
    PAIR("regr_intercept", intercept_finish, "Where the line of least squares meets 0."),
    PAIR("regr_r2", r2_finish, "Square of the correlation."),
    PAIR("regr_slope", slope_finish, "Slope of the line of least squares."),
    PAIR("regr_sxx", sxx_finish, "Sum of squares of the second."),
    PAIR("regr_sxy", sxy_finish, "Sum of products."),
    PAIR("regr_syy", syy_finish, "Sum of squares of the first."),
    EXACT_ALL("var_samp", variance_sample, "Variance of a sample."),
    EXACT_ALL("variance", variance_sample, "Variance of a sample."),
    EXACT_ALL("var_pop", variance_all, "Variance of all."),
    EXACT_ALL("stddev_samp", deviation_sample, "Standard deviation of a sample."),
    EXACT_ALL("stddev", deviation_sample, "Standard deviation of a sample."),
    EXACT_ALL("stddev_pop", deviation_all, "Standard deviation of all."),
    AGGREGATE_END,
};
