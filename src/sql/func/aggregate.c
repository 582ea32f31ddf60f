#include "sql/func/aggregate_internal.h"
#include "types/range.h"

#include <math.h>
#include <string.h>

#include "base/buffer.h"
#include "base/codec.h"
#include "sql/func/cast_internal.h"
#include "sql/func/kernel.h"
#include "types/numeric.h"

#define row_of    aggregate_row
#define no_memory aggregate_no_memory

/* ---- count ---- */

static tdbplus_status count_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        if (update->argument_count == 0 ||
            !column_is_null(&update->arguments[0], row_of(update, i))) {
            *(int64_t *)(void *)update->states[i] += 1;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status count_remove(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        if (update->argument_count == 0 ||
            !column_is_null(&update->arguments[0], row_of(update, i))) {
            *(int64_t *)(void *)update->states[i] -= 1;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status count_finish(const uint8_t *state, struct arena *arena,
                                   struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    *result_out = (struct datum){.type = type_of(TYPE_INT8)};
    memcpy(&result_out->integer, state, sizeof result_out->integer);
    return TDBPLUS_OK;
}

/* ---- sums ---- */

#define SUM_CHANGE(NAME, CTYPE, STATE, SUM, SIGN)                     \
    static tdbplus_status NAME(const struct aggregate_update *update) \
    {                                                                 \
        const struct column *column = &update->arguments[0];          \
        const CTYPE *values = column->data;                           \
        uint32_t mask = kernel_mask(column);                          \
        bool nulls = column->validity != NULL;                        \
        for (uint32_t i = 0; i < update->count; i++) {                \
            uint32_t row = row_of(update, i);                         \
            if (nulls && column_is_null(column, row)) {               \
                continue;                                             \
            }                                                         \
            STATE *state = (void *)update->states[i];                 \
            state->sum SIGN(SUM) values[row & mask];                  \
            state->count SIGN 1;                                      \
        }                                                             \
        return TDBPLUS_OK;                                            \
    }

SUM_CHANGE(sum_int2_update, int16_t, struct aggregate_integer_sum, int64_t, +=)
SUM_CHANGE(sum_int4_update, int32_t, struct aggregate_integer_sum, int64_t, +=)
SUM_CHANGE(sum_int8_update, int64_t, struct aggregate_integer_sum, int64_t, +=)
SUM_CHANGE(sum_int2_remove, int16_t, struct aggregate_integer_sum, int64_t, -=)
SUM_CHANGE(sum_int4_remove, int32_t, struct aggregate_integer_sum, int64_t, -=)
SUM_CHANGE(sum_int8_remove, int64_t, struct aggregate_integer_sum, int64_t, -=)
SUM_CHANGE(sum_float8_update, double, struct aggregate_float_sum, double, +=)

/* float4 sums in float4, as PostgreSQL does. */
struct single_sum {
    float sum;
    int64_t count;
};
SUM_CHANGE(sum_float4_update, float, struct single_sum, float, +=)
SUM_CHANGE(average_float4_update, float, struct aggregate_float_sum, double, +=)

static tdbplus_status sum_int8_finish(const uint8_t *state, struct arena *arena,
                                      struct datum *result_out, struct err *err)
{
    (void)arena;
    struct aggregate_integer_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){.type = type_of(TYPE_INT8), .is_null = sum.count == 0};
    if (sum.sum > INT64_MAX || sum.sum < INT64_MIN) {
        return err_set(err, TDBPLUS_E_RANGE, "bigint out of range");
    }
    result_out->integer = (int64_t)sum.sum;
    return TDBPLUS_OK;
}

static tdbplus_status sum_float8_finish(const uint8_t *state, struct arena *arena,
                                        struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct aggregate_float_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out =
        (struct datum){.type = type_of(TYPE_FLOAT8), .is_null = sum.count == 0, .real = sum.sum};
    return TDBPLUS_OK;
}

static tdbplus_status sum_float4_finish(const uint8_t *state, struct arena *arena,
                                        struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct single_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){
        .type = type_of(TYPE_FLOAT4), .is_null = sum.count == 0, .real = (double)sum.sum};
    return TDBPLUS_OK;
}

static tdbplus_status average_float8_finish(const uint8_t *state, struct arena *arena,
                                            struct datum *result_out, struct err *err)
{
    TRY(sum_float8_finish(state, arena, result_out, err));
    struct aggregate_float_sum sum;
    memcpy(&sum, state, sizeof sum);
    if (sum.count > 0) {
        result_out->real = sum.sum / (double)sum.count;
    }
    return TDBPLUS_OK;
}

/* ---- exact sums ---- */

__extension__ typedef __int128 wide_int;

/* A numeric result, which the datum borrows from the arena. */
static tdbplus_status numeric_result(const struct buffer *buffer, struct arena *arena,
                                     struct datum *result_out, struct err *err)
{
    uint8_t *bytes = buffer->failed ? NULL : arena_bytes(arena, buffer->size + 1);
    if (bytes == NULL) {
        return no_memory(err);
    }
    memcpy(bytes, buffer->data, buffer->size);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC),
                                 .bytes = {.data = bytes, .size = buffer->size}};
    return TDBPLUS_OK;
}

static void put_wide(wide_int value, struct buffer *buffer)
{
    struct datum wide = {.type = {.id = TYPE_NUMERIC, .precision = 38}, .wide = value};
    numeric_of_datum(&wide, buffer);
}

static tdbplus_status sum_wide_finish(const uint8_t *state, struct arena *arena,
                                      struct datum *result_out, struct err *err)
{
    struct aggregate_integer_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC), .is_null = sum.count == 0};
    if (sum.count == 0) {
        return TDBPLUS_OK;
    }
    struct buffer buffer;
    buffer_init(&buffer, arena->alloc);
    put_wide(sum.sum, &buffer);
    tdbplus_status status = numeric_result(&buffer, arena, result_out, err);
    buffer_deinit(&buffer);
    return status;
}

/* sum / count by numeric division, as PostgreSQL divides. */
static tdbplus_status divide_by_count(struct span sum, int64_t count, struct arena *arena,
                                      struct datum *result_out, struct err *err)
{
    struct buffer divisor;
    struct buffer quotient;
    buffer_init(&divisor, arena->alloc);
    buffer_init(&quotient, arena->alloc);
    numeric_of_integer(count, &divisor);
    tdbplus_status status = divisor.failed ? no_memory(err) : TDBPLUS_OK;
    if (status == TDBPLUS_OK) {
        status = numeric_divide(sum, buffer_span(&divisor), &quotient, err);
    }
    if (status == TDBPLUS_OK) {
        status = numeric_result(&quotient, arena, result_out, err);
    }
    buffer_deinit(&divisor);
    buffer_deinit(&quotient);
    return status;
}

static tdbplus_status average_wide_finish(const uint8_t *state, struct arena *arena,
                                          struct datum *result_out, struct err *err)
{
    struct aggregate_integer_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC), .is_null = sum.count == 0};
    if (sum.count == 0) {
        return TDBPLUS_OK;
    }
    struct buffer buffer;
    buffer_init(&buffer, arena->alloc);
    put_wide(sum.sum, &buffer);
    tdbplus_status status =
        buffer.failed ? no_memory(err)
                      : divide_by_count(buffer_span(&buffer), sum.count, arena, result_out, err);
    buffer_deinit(&buffer);
    return status;
}

/* The sum of numerics as one, in memory of the state's own. */
struct numeric_sum {
    uint8_t *data;
    size_t size;
    size_t capacity;
    int64_t count;
    int64_t widest_count; /* How many values have the display scale that the sum has. */
    uint16_t scale;
};

static uint16_t display_scale(struct span number)
{
    return load_u16(number.data + 2);
}

static void count_scale(struct numeric_sum *sum, struct span number)
{
    uint16_t scale = display_scale(number);
    if (sum->count == 0 || scale > sum->scale) {
        sum->scale = scale;
        sum->widest_count = 0;
    }
    sum->widest_count += scale == sum->scale;
}

static tdbplus_status keep_sum(struct numeric_sum *sum, const struct buffer *buffer,
                               const struct aggregate_update *update)
{
    if (buffer->size > sum->capacity) {
        size_t capacity = buffer->size * 2 + 32;
        uint8_t *data = arena_bytes(update->arena, capacity);
        if (data == NULL) {
            return no_memory(update->err);
        }
        sum->data = data;
        sum->capacity = capacity;
    }
    memcpy(sum->data, buffer->data, buffer->size);
    sum->size = buffer->size;
    return TDBPLUS_OK;
}

static tdbplus_status sum_numeric_update(const struct aggregate_update *update)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, update->arena->alloc);
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], row_of(update, i), &value);
        struct numeric_sum *sum = (void *)update->states[i];
        if (value.is_null) {
            continue;
        }
        buffer_clear(&buffer);
        if (sum->count == 0) {
            buffer_put_span(&buffer, value.bytes);
        } else {
            struct span before = {.data = sum->data, .size = sum->size};
            TRY_OR(done, numeric_add(before, value.bytes, &buffer, update->err));
        }
        if (buffer.failed) {
            status = no_memory(update->err);
            goto done;
        }
        TRY_OR(done, keep_sum(sum, &buffer, update));
        count_scale(sum, value.bytes);
        sum->count++;
    }
done:
    buffer_deinit(&buffer);
    return status;
}

/* The sum shows as many digits as its widest value. Without the last of those, and without NaN and
 * the infinities, it must be made anew. */
static tdbplus_status remove_numeric(struct numeric_sum *sum, struct span value,
                                     struct buffer *buffer, const struct aggregate_update *update)
{
    bool widest = display_scale(value) == sum->scale;
    if (value.data[0] > NUMERIC_NEGATIVE || sum->data[0] > NUMERIC_NEGATIVE ||
        (widest && sum->widest_count == 1 && sum->count > 1)) {
        return TDBPLUS_END;
    }
    struct span before = {.data = sum->data, .size = sum->size};
    buffer_clear(buffer);
    TRY(numeric_subtract(before, value, buffer, update->err));
    if (buffer->failed) {
        return no_memory(update->err);
    }
    TRY(keep_sum(sum, buffer, update));
    sum->widest_count -= widest;
    sum->count--;
    return TDBPLUS_OK;
}

static tdbplus_status sum_numeric_remove(const struct aggregate_update *update)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, update->arena->alloc);
    for (uint32_t i = 0; i < update->count && status == TDBPLUS_OK; i++) {
        struct datum value;
        column_get(&update->arguments[0], row_of(update, i), &value);
        if (!value.is_null) {
            status = remove_numeric((void *)update->states[i], value.bytes, &buffer, update);
        }
    }
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status sum_numeric_finish(const uint8_t *state, struct arena *arena,
                                         struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct numeric_sum sum;
    memcpy(&sum, state, sizeof sum);
    *result_out = (struct datum){.type = type_of(TYPE_NUMERIC),
                                 .is_null = sum.count == 0,
                                 .bytes = {.data = sum.data, .size = sum.size}};
    return TDBPLUS_OK;
}

static tdbplus_status average_numeric_finish(const uint8_t *state, struct arena *arena,
                                             struct datum *result_out, struct err *err)
{
    TRY(sum_numeric_finish(state, arena, result_out, err));
    struct numeric_sum sum;
    memcpy(&sum, state, sizeof sum);
    return sum.count == 0 ? TDBPLUS_OK
                          : divide_by_count(result_out->bytes, sum.count, arena, result_out, err);
}

/* ---- spread of floats: Youngs and Cramer's update, as PostgreSQL has it ---- */

struct spread {
    double count;
    double sum;
    double squares; /* Sum of squared differences from the mean. */
};

static tdbplus_status spread_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], row_of(update, i), &value);
        struct spread *state = (void *)update->states[i];
        if (value.is_null) {
            continue;
        }
        state->count += 1;
        state->sum += value.real;
        if (state->count > 1) {
            double distance = value.real * state->count - state->sum;
            state->squares += distance * distance / (state->count * (state->count - 1));
        } else if (isnan(value.real) || isinf(value.real)) {
            state->squares = (double)NAN;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status spread_finish(const uint8_t *state, bool sample, bool root,
                                    struct datum *result_out)
{
    struct spread spread;
    memcpy(&spread, state, sizeof spread);
    double divisor = sample ? spread.count - 1 : spread.count;
    *result_out = (struct datum){.type = type_of(TYPE_FLOAT8), .is_null = divisor <= 0};
    if (divisor > 0) {
        double variance = spread.squares / divisor;
        result_out->real = root ? sqrt(variance) : variance;
    }
    return TDBPLUS_OK;
}

#define SPREAD_FINISH(NAME, SAMPLE, ROOT)                                 \
    static tdbplus_status NAME(const uint8_t *state, struct arena *arena, \
                               struct datum *result_out, struct err *err) \
    {                                                                     \
        (void)arena;                                                      \
        (void)err;                                                        \
        return spread_finish(state, SAMPLE, ROOT, result_out);            \
    }

SPREAD_FINISH(variance_sample_finish, true, false)
SPREAD_FINISH(variance_all_finish, false, false)
SPREAD_FINISH(deviation_sample_finish, true, true)
SPREAD_FINISH(deviation_all_finish, false, true)

/* ---- smallest and largest: any type that has an order ---- */

struct extreme {
    struct datum value;
    size_t capacity; /* Of the bytes that `value` points to. */
    bool any;
};

static bool keep_extreme(struct extreme *extreme, const struct datum *value, struct arena *arena)
{
    enum physical physical = type_physical(value->type);
    if (physical != PHYSICAL_VIEW && physical != PHYSICAL_FIXED) {
        extreme->value = *value;
        extreme->any = true;
        return true;
    }
    uint8_t *home = NULL;
    if (extreme->capacity >= value->bytes.size) {
        // Ours: it was made below, for this state alone.
        memcpy(&home, &extreme->value.bytes.data, sizeof home);
    } else {
        size_t capacity = value->bytes.size * 2 + 16;
        home = arena_bytes(arena, capacity);
        if (home == NULL) {
            return false;
        }
        extreme->capacity = capacity;
    }
    if (value->bytes.size > 0) {
        memcpy(home, value->bytes.data, value->bytes.size);
    }
    extreme->value = *value;
    extreme->value.bytes.data = home;
    extreme->any = true;
    return true;
}

static tdbplus_status extreme_update(const struct aggregate_update *update, int sign)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], row_of(update, i), &value);
        struct extreme *state = (void *)update->states[i];
        if (value.is_null) {
            continue;
        }
        if (state->any && sign * datum_compare(&value, &state->value) <= 0) {
            continue;
        }
        if (!keep_extreme(state, &value, update->arena)) {
            return no_memory(update->err);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status min_update(const struct aggregate_update *update)
{
    return extreme_update(update, -1);
}

static tdbplus_status max_update(const struct aggregate_update *update)
{
    return extreme_update(update, 1);
}

static tdbplus_status extreme_merge(uint8_t *into, const uint8_t *from, int sign,
                                    struct arena *arena, struct err *err)
{
    struct extreme *state = (void *)into;
    const struct extreme *other = (const void *)from;
    bool better =
        other->any && (!state->any || sign * datum_compare(&other->value, &state->value) > 0);
    return !better || keep_extreme(state, &other->value, arena) ? TDBPLUS_OK : no_memory(err);
}

static tdbplus_status min_merge(uint8_t *into, const uint8_t *from, struct arena *arena,
                                struct err *err)
{
    return extreme_merge(into, from, -1, arena, err);
}

static tdbplus_status max_merge(uint8_t *into, const uint8_t *from, struct arena *arena,
                                struct err *err)
{
    return extreme_merge(into, from, 1, arena, err);
}

aggregate_merge aggregate_merge_of(const struct aggregate *aggregate)
{
    return aggregate->update == min_update   ? min_merge
           : aggregate->update == max_update ? max_merge
                                             : NULL;
}

static tdbplus_status extreme_finish(const uint8_t *state, struct arena *arena,
                                     struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct extreme extreme;
    memcpy(&extreme, state, sizeof extreme);
    *result_out = extreme.value;
    result_out->is_null = !extreme.any;
    return TDBPLUS_OK;
}

/* ---- booleans ---- */

struct truth {
    bool all;
    bool any;
    bool seen;
};

static tdbplus_status truth_update(const struct aggregate_update *update)
{
    const struct column *column = &update->arguments[0];
    for (uint32_t i = 0; i < update->count; i++) {
        uint32_t row = row_of(update, i);
        struct truth *state = (void *)update->states[i];
        if (column_is_null(column, row)) {
            continue;
        }
        bool value = ((const uint8_t *)column->data)[row & kernel_mask(column)] != 0;
        state->all = (state->all || !state->seen) && value;
        state->any = state->any || value;
        state->seen = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status all_finish(const uint8_t *state, struct arena *arena,
                                 struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct truth truth;
    memcpy(&truth, state, sizeof truth);
    *result_out =
        (struct datum){.type = type_of(TYPE_BOOL), .is_null = !truth.seen, .boolean = truth.all};
    return TDBPLUS_OK;
}

static tdbplus_status any_finish(const uint8_t *state, struct arena *arena,
                                 struct datum *result_out, struct err *err)
{
    TRY(all_finish(state, arena, result_out, err));
    struct truth truth;
    memcpy(&truth, state, sizeof truth);
    result_out->boolean = truth.any;
    return TDBPLUS_OK;
}

/* ---- bits ---- */

struct bits {
    int64_t value;
    bool seen;
};

static tdbplus_status bits_update(const struct aggregate_update *update, char operation)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        column_get(&update->arguments[0], row_of(update, i), &value);
        struct bits *state = (void *)update->states[i];
        if (value.is_null) {
            continue;
        }
        if (!state->seen) {
            state->value = value.integer;
        } else if (operation == '&') {
            state->value &= value.integer;
        } else if (operation == '|') {
            state->value |= value.integer;
        } else {
            state->value ^= value.integer;
        }
        state->seen = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status bit_and_update(const struct aggregate_update *update)
{
    return bits_update(update, '&');
}

static tdbplus_status bit_or_update(const struct aggregate_update *update)
{
    return bits_update(update, '|');
}

static tdbplus_status bit_xor_update(const struct aggregate_update *update)
{
    return bits_update(update, '^');
}

static tdbplus_status bits_finish(const uint8_t *state, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct bits bits;
    memcpy(&bits, state, sizeof bits);
    // The caller knows the width; the type is set from the call.
    *result_out =
        (struct datum){.type = type_of(TYPE_INT8), .is_null = !bits.seen, .integer = bits.value};
    return TDBPLUS_OK;
}

/* ---- string_agg ---- */

struct joined {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool seen;
};

static bool append(struct joined *joined, struct span text, struct arena *arena)
{
    if (text.size > joined->capacity - joined->size) {
        size_t capacity = (joined->size + text.size) * 2 + 32;
        uint8_t *data = arena_bytes(arena, capacity);
        if (data == NULL) {
            return false;
        }
        if (joined->size > 0) {
            memcpy(data, joined->data, joined->size);
        }
        joined->data = data;
        joined->capacity = capacity;
    }
    if (text.size > 0) {
        memcpy(joined->data + joined->size, text.data, text.size);
        joined->size += text.size;
    }
    return true;
}

static tdbplus_status join_update(const struct aggregate_update *update)
{
    for (uint32_t i = 0; i < update->count; i++) {
        struct datum value;
        struct datum separator;
        column_get(&update->arguments[0], row_of(update, i), &value);
        column_get(&update->arguments[1], row_of(update, i), &separator);
        struct joined *state = (void *)update->states[i];
        if (value.is_null) {
            continue;
        }
        bool good =
            !state->seen || separator.is_null || append(state, separator.bytes, update->arena);
        if (!good || !append(state, value.bytes, update->arena)) {
            return no_memory(update->err);
        }
        if (state->size > VALUE_SIZE_MAX) {
            return err_set(update->err, TDBPLUS_E_LIMIT,
                           "string_agg: a value has at most %zu bytes", VALUE_SIZE_MAX);
        }
        state->seen = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status join_finish(const uint8_t *state, struct arena *arena,
                                  struct datum *result_out, struct err *err)
{
    (void)arena;
    (void)err;
    struct joined joined;
    memcpy(&joined, state, sizeof joined);
    *result_out = (struct datum){.type = type_of(TYPE_TEXT),
                                 .is_null = !joined.seen,
                                 .bytes = {.data = joined.data, .size = joined.size}};
    return TDBPLUS_OK;
}

static const struct aggregate table[] = {
    AGGREGATE("count", 0, 0, 0, TYPE_INT8, int64_t, count_update, count_finish, count_remove,
              "Number of rows."),
    AGGREGATE("count", 1, FUNC_ANY, 0, TYPE_INT8, int64_t, count_update, count_finish, count_remove,
              "Number of values that are not null."),
    AGGREGATE("sum", 1, TYPE_INT2, 0, TYPE_INT8, struct aggregate_integer_sum, sum_int2_update,
              sum_int8_finish, sum_int2_remove, "Sum."),
    AGGREGATE("sum", 1, TYPE_INT4, 0, TYPE_INT8, struct aggregate_integer_sum, sum_int4_update,
              sum_int8_finish, sum_int4_remove, "Sum."),
    AGGREGATE("sum", 1, TYPE_FLOAT4, 0, TYPE_FLOAT4, struct single_sum, sum_float4_update,
              sum_float4_finish, NULL, "Sum."),
    AGGREGATE("sum", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct aggregate_float_sum, sum_float8_update,
              sum_float8_finish, NULL, "Sum."),
    AGGREGATE("avg", 1, TYPE_FLOAT4, 0, TYPE_FLOAT8, struct aggregate_float_sum,
              average_float4_update, average_float8_finish, NULL, "Mean."),
    AGGREGATE("avg", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct aggregate_float_sum, sum_float8_update,
              average_float8_finish, NULL, "Mean."),
    AGGREGATE("sum", 1, TYPE_INT8, 0, TYPE_NUMERIC, struct aggregate_integer_sum, sum_int8_update,
              sum_wide_finish, sum_int8_remove, "Sum."),
    AGGREGATE("sum", 1, TYPE_NUMERIC, 0, TYPE_NUMERIC, struct numeric_sum, sum_numeric_update,
              sum_numeric_finish, sum_numeric_remove, "Sum."),
    AGGREGATE("avg", 1, TYPE_INT2, 0, TYPE_NUMERIC, struct aggregate_integer_sum, sum_int2_update,
              average_wide_finish, sum_int2_remove, "Mean."),
    AGGREGATE("avg", 1, TYPE_INT4, 0, TYPE_NUMERIC, struct aggregate_integer_sum, sum_int4_update,
              average_wide_finish, sum_int4_remove, "Mean."),
    AGGREGATE("avg", 1, TYPE_INT8, 0, TYPE_NUMERIC, struct aggregate_integer_sum, sum_int8_update,
              average_wide_finish, sum_int8_remove, "Mean."),
    AGGREGATE("avg", 1, TYPE_NUMERIC, 0, TYPE_NUMERIC, struct numeric_sum, sum_numeric_update,
              average_numeric_finish, sum_numeric_remove, "Mean."),
    AGGREGATE("var_samp", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              variance_sample_finish, NULL, "Variance of a sample."),
    AGGREGATE("variance", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              variance_sample_finish, NULL, "Variance of a sample."),
    AGGREGATE("var_pop", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              variance_all_finish, NULL, "Variance of all."),
    AGGREGATE("stddev_samp", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              deviation_sample_finish, NULL, "Standard deviation of a sample."),
    AGGREGATE("stddev", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              deviation_sample_finish, NULL, "Standard deviation of a sample."),
    AGGREGATE("stddev_pop", 1, TYPE_FLOAT8, 0, TYPE_FLOAT8, struct spread, spread_update,
              deviation_all_finish, NULL, "Standard deviation of all."),
    AGGREGATE("min", 1, FUNC_SAME, 0, FUNC_SAME, struct extreme, min_update, extreme_finish, NULL,
              "Smallest value."),
    AGGREGATE("max", 1, FUNC_SAME, 0, FUNC_SAME, struct extreme, max_update, extreme_finish, NULL,
              "Largest value."),
    AGGREGATE("bool_and", 1, TYPE_BOOL, 0, TYPE_BOOL, struct truth, truth_update, all_finish, NULL,
              "True if all are."),
    AGGREGATE("every", 1, TYPE_BOOL, 0, TYPE_BOOL, struct truth, truth_update, all_finish, NULL,
              "True if all are."),
    AGGREGATE("bool_or", 1, TYPE_BOOL, 0, TYPE_BOOL, struct truth, truth_update, any_finish, NULL,
              "True if any is."),
    AGGREGATE("bit_and", 1, TYPE_INT2, 0, TYPE_INT2, struct bits, bit_and_update, bits_finish, NULL,
              "Bits in all."),
    AGGREGATE("bit_and", 1, TYPE_INT4, 0, TYPE_INT4, struct bits, bit_and_update, bits_finish, NULL,
              "Bits in all."),
    AGGREGATE("bit_and", 1, TYPE_INT8, 0, TYPE_INT8, struct bits, bit_and_update, bits_finish, NULL,
              "Bits in all."),
    AGGREGATE("bit_or", 1, TYPE_INT2, 0, TYPE_INT2, struct bits, bit_or_update, bits_finish, NULL,
              "Bits in any."),
    AGGREGATE("bit_or", 1, TYPE_INT4, 0, TYPE_INT4, struct bits, bit_or_update, bits_finish, NULL,
              "Bits in any."),
    AGGREGATE("bit_or", 1, TYPE_INT8, 0, TYPE_INT8, struct bits, bit_or_update, bits_finish, NULL,
              "Bits in any."),
    AGGREGATE("bit_xor", 1, TYPE_INT2, 0, TYPE_INT2, struct bits, bit_xor_update, bits_finish, NULL,
              "Bits in an odd number."),
    AGGREGATE("bit_xor", 1, TYPE_INT4, 0, TYPE_INT4, struct bits, bit_xor_update, bits_finish, NULL,
              "Bits in an odd number."),
    AGGREGATE("bit_xor", 1, TYPE_INT8, 0, TYPE_INT8, struct bits, bit_xor_update, bits_finish, NULL,
              "Bits in an odd number."),
    AGGREGATE("string_agg", 2, TYPE_TEXT, TYPE_TEXT, TYPE_TEXT, struct joined, join_update,
              join_finish, NULL, "All texts, the second argument between them."),
    AGGREGATE_END,
};

static const struct aggregate *const tables[] = {table,
                                                 aggregates_collect,
                                                 aggregates_edge,
                                                 aggregates_json,
                                                 aggregates_vector,
                                                 aggregates_statistics,
                                                 aggregates_packed};

#define TABLE_COUNT (sizeof tables / sizeof *tables)

const struct aggregate *aggregate_at(uint32_t number)
{
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        for (const struct aggregate *line = tables[t]; line->name != NULL; line++) {
            if (number-- == 0) {
                return line;
            }
        }
    }
    return NULL;
}

int aggregate_extreme(const struct aggregate *aggregate)
{
    return aggregate->update == min_update ? -1 : aggregate->update == max_update ? 1 : 0;
}

bool aggregate_known(const char *name)
{
    const struct aggregate *line = NULL;
    for (uint32_t i = 0; (line = aggregate_at(i)) != NULL; i++) {
        if (strcmp(line->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* How well an aggregate fits: 0 not at all, more is better. */
static uint32_t fitness(const struct aggregate *aggregate, const struct type *types, uint32_t count)
{
    if (aggregate->argument_count != count) {
        return 0;
    }
    // Of exact numbers the spread would be exact too; that of floats must not stand for it.
    bool exact = count == 1 && types[0].id != TYPE_FLOAT4 && types[0].id != TYPE_FLOAT8;
    if (aggregate->update == spread_update && exact) {
        return 0;
    }
    uint32_t points = 1;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t want = aggregate->arguments[i];
        const struct func *cast = NULL;
        if (want == types[i].id || (want == FUNC_ANY_RANGE && range_type(types[i])) ||
            (want == FUNC_ANY_MULTIRANGE && multirange_type(types[i]))) {
            points += 100;
        } else if (want == FUNC_ANY_RANGE || want == FUNC_ANY_MULTIRANGE) {
            return 0;
        } else if (want == FUNC_ANY || want == FUNC_SAME) {
            points += 50;
        } else if (types[i].id == TYPE_NONE) {
            points += want == TYPE_TEXT ? 2u : 1u;
        } else if (cast_find(types[i], type_of((enum type_id)want), FUNC_CAST_IMPLICIT, &cast)) {
            points += func_type_preferred(type_of((enum type_id)want)) ? 10u : 5u;
        } else {
            return 0;
        }
    }
    return points;
}

static struct type result_type(const struct aggregate *aggregate, const struct type *arguments)
{
    if (aggregate->result == FUNC_SAME) {
        return arguments[0];
    }
    if (aggregate->result == FUNC_ANY_ARRAY) {
        // Arrays become an array of one dimension more.
        return arguments[0].id == TYPE_ARRAY ? arguments[0]
                                             : func_array_of(func_type_base(arguments[0]));
    }
    if (aggregate->result == FUNC_ANY_MULTIRANGE) {
        return range_type(arguments[0]) ? range_multirange(arguments[0]) : arguments[0];
    }
    return type_of((enum type_id)aggregate->result);
}

enum func_found aggregate_resolve(const char *name, const struct type *types, uint32_t count,
                                  const struct aggregate **aggregate_out,
                                  struct type *arguments_out, struct type *result_out)
{
    const struct aggregate *best = NULL;
    uint32_t points = 0;
    const struct aggregate *line = NULL;
    for (uint32_t i = 0; (line = aggregate_at(i)) != NULL; i++) {
        if (strcmp(line->name, name) == 0 && fitness(line, types, count) > points) {
            best = line;
            points = fitness(line, types, count);
        }
    }
    if (best == NULL) {
        return aggregate_known(name) ? FUNC_NOT_FOUND : FUNC_NAME_UNKNOWN;
    }
    for (uint32_t i = 0; i < count; i++) {
        // A vector keeps its dimension.
        bool open = best->arguments[i] >= FUNC_ANY ||
                    (best->arguments[i] == TYPE_VECTOR && types[i].id == TYPE_VECTOR);
        arguments_out[i] = !open                      ? type_of((enum type_id)best->arguments[i])
                           : types[i].id == TYPE_NONE ? type_of(TYPE_TEXT)
                                                      : types[i];
    }
    *result_out = result_type(best, arguments_out);
    *aggregate_out = best;
    return FUNC_FOUND;
}
