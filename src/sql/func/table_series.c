/* generate_series() where it gives an array of rows: in the select list, of numbers and times. */

#include <string.h>

#include "sql/func/value_kernel.h"
#include "sql/func/zone.h"
#include "types/datetime.h"
#include "types/numeric.h"

static tdbplus_status zero_step(struct func_call *call)
{
    return kernel_error(call, "22023", "step size cannot equal zero");
}

static tdbplus_status integers_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct kernel_items items = {0};
    struct datum at = kernel_argument(call, 0, row);
    int64_t stop = kernel_argument(call, 1, row).integer;
    int64_t step = call->argument_count > 2 ? kernel_argument(call, 2, row).integer : 1;
    if (step == 0) {
        return zero_step(call);
    }
    while (step > 0 ? at.integer <= stop : at.integer >= stop) {
        TRY(kernel_push(call, &items, &at));
        if (__builtin_add_overflow(at.integer, step, &at.integer)) {
            break;
        }
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(integers)

/* The sum of two numbers, in the call's arena. */
static tdbplus_status add_numbers(struct func_call *call, struct span left, struct span right,
                                  struct datum *sum)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done, numeric_add(left, right, &buffer, call->err));
    TRY_OR(done, kernel_keep(call, &buffer, sum));
done:
    buffer_deinit(&buffer);
    return status;
}

static const char *const numeric_names[] = {"start", "stop", "step size"};

static tdbplus_status check_number(struct func_call *call, uint32_t number, struct span value)
{
    if (value.data[0] == NUMERIC_NAN) {
        return kernel_error(call, "22023", "%s value cannot be NaN", numeric_names[number]);
    }
    if (value.data[0] > NUMERIC_NAN) {
        return kernel_error(call, "22023", "%s value cannot be infinity", numeric_names[number]);
    }
    return TDBPLUS_OK;
}

static tdbplus_status numbers_row(struct func_call *call, uint32_t row, struct datum *result)
{
    static const uint8_t one[] = {NUMERIC_POSITIVE, 0, 0, 0, 0, 0, 1, 0};
    struct kernel_items items = {0};
    struct datum at = kernel_argument(call, 0, row);
    struct span stop = text_argument(call, 1, row);
    struct span step = {.data = one, .size = sizeof one};
    if (call->argument_count > 2) {
        step = text_argument(call, 2, row);
    }
    TRY(check_number(call, 0, at.bytes));
    TRY(check_number(call, 1, stop));
    TRY(check_number(call, 2, step));
    int sign = numeric_sign(step);
    if (sign == 0) {
        return zero_step(call);
    }
    while (sign * numeric_compare(at.bytes, stop) <= 0) {
        TRY(kernel_push(call, &items, &at));
        TRY(add_numbers(call, at.bytes, step, &at));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(numbers)

static int interval_sign(const struct interval *interval)
{
    struct datum left = {.type = type_of(TYPE_INTERVAL), .interval = *interval};
    struct datum zero = {.type = type_of(TYPE_INTERVAL)};
    return datum_compare(&left, &zero);
}

static tdbplus_status moments_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct kernel_items items = {0};
    struct datum at = kernel_argument(call, 0, row);
    int64_t stop = kernel_argument(call, 1, row).integer;
    struct interval step = kernel_argument(call, 2, row).interval;
    const struct tz *zone = at.type.id == TYPE_TIMESTAMPTZ ? zone_session(call) : NULL;
    int sign = interval_sign(&step);
    if (sign == 0) {
        return zero_step(call);
    }
    while (sign > 0 ? at.integer <= stop : at.integer >= stop) {
        TRY(kernel_push(call, &items, &at));
        if (!timestamp_is_finite(at.integer)) {
            break;
        }
        TRY(timestamp_add(at.integer, &step, zone, &at.integer, call->err));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(moments)

#define I4 TYPE_INT4
#define I8 TYPE_INT8
#define NU TYPE_NUMERIC
#define TS TYPE_TIMESTAMP
#define TZ TYPE_TIMESTAMPTZ
#define IV TYPE_INTERVAL
#define RS FUNC_SET

const struct func table_series[] = {
    {"generate_series", 2, {I4, I4}, I4, RS, integers, "Numbers from one to another."},
    {"generate_series", 3, {I4, I4, I4}, I4, RS, integers, "The same by a step."},
    {"generate_series", 2, {I8, I8}, I8, RS, integers, "Numbers from one to another."},
    {"generate_series", 3, {I8, I8, I8}, I8, RS, integers, "The same by a step."},
    {"generate_series", 2, {NU, NU}, NU, RS, numbers, "Numbers from one to another."},
    {"generate_series", 3, {NU, NU, NU}, NU, RS, numbers, "The same by a step."},
    {"generate_series", 3, {TS, TS, IV}, TS, RS, moments, "Moments from one to another."},
    {"generate_series", 3, {TZ, TZ, IV}, TZ, RS, moments, "Moments from one to another."},
    FUNC_END,
};
