/* Fewer digits of a second: timestamp(3), interval(0) and so on. */

#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"
#include "types/datetime.h"
#include "types/packed.h"

#define SECOND_DIGITS 6
#define EPOCH_2000    INT64_C(946684800000000) /* PostgreSQL's, from which it rounds away. */

static int64_t step_of(int64_t digits)
{
    int64_t step = 1;
    for (; digits < SECOND_DIGITS; digits++) {
        step *= 10;
    }
    return step;
}

/* Half away from zero; the value is far enough from its ends, or it stays. */
static int64_t round_to(int64_t value, int64_t step)
{
    int64_t magnitude = value < 0 ? -value : value;
    int64_t rounded = (magnitude + step / 2) / step * step;
    return value < 0 ? -rounded : rounded;
}

static tdbplus_status round_value(struct func_call *call, int64_t digits, struct datum *value)
{
    int64_t step = step_of(digits);
    switch (value->type.id) {
    case TYPE_INTERVAL:
        if (value->interval.microseconds > INT64_MAX - step ||
            value->interval.microseconds < INT64_MIN + step) {
            return kernel_error(call, "22008", "interval out of range");
        }
        value->interval.microseconds = round_to(value->interval.microseconds, step);
        return TDBPLUS_OK;
    case TYPE_TIME:
        value->integer = round_to(value->integer, step);
        return TDBPLUS_OK;
    case TYPE_TIMETZ: {
        struct timetz time = timetz_unpack(value->bytes);
        tdbplus_status status = TDBPLUS_OK;
        uint8_t *bytes = text_make(call, TIMETZ_SIZE, &status);
        if (bytes == NULL) {
            return status;
        }
        time.time = round_to(time.time, step);
        timetz_pack(time, bytes);
        value->bytes = (struct span){.data = bytes, .size = TIMETZ_SIZE};
        return TDBPLUS_OK;
    }
    default:
        if (timestamp_is_finite(value->integer)) {
            value->integer = round_to(value->integer - EPOCH_2000, step) + EPOCH_2000;
        }
        return TDBPLUS_OK;
    }
}

static tdbplus_status fit_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct type type = result->type;
    *result = kernel_argument(call, 0, row);
    TRY(round_value(call, (int64_t)type.parameter - 1, result));
    result->type = type;
    return TDBPLUS_OK;
}

ROW_KERNEL(fit)

static tdbplus_status scale_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct type type = result->type;
    int64_t digits = int4_argument(call, 1, row);
    if (digits < 0) {
        char name[64];
        type_name(type_of((enum type_id)type.id), name);
        return kernel_error(call, "22023", "%s(%d) precision must be between 0 and 6", name,
                            (int)digits);
    }
    *result = kernel_argument(call, 0, row);
    TRY(round_value(call, digits > SECOND_DIGITS ? SECOND_DIGITS : digits, result));
    result->type = type;
    return TDBPLUS_OK;
}

ROW_KERNEL(scale)

#define FIT(NAME, ID) \
    static const struct func NAME = {"fit", 1, {ID}, ID, 0, fit, "Fitted to digits of a second."};

FIT(time_fit, TYPE_TIME)
FIT(timetz_fit, TYPE_TIMETZ)
FIT(timestamp_fit, TYPE_TIMESTAMP)
FIT(timestamptz_fit, TYPE_TIMESTAMPTZ)
FIT(interval_fit, TYPE_INTERVAL)

const struct func *cast_fit_seconds(struct type to)
{
    switch (to.id) {
    case TYPE_TIME:
        return &time_fit;
    case TYPE_TIMETZ:
        return &timetz_fit;
    case TYPE_TIMESTAMP:
        return &timestamp_fit;
    case TYPE_TIMESTAMPTZ:
        return &timestamptz_fit;
    default:
        return &interval_fit;
    }
}

#define LINE(NAME, ID)                                                                   \
    {                                                                                    \
        NAME, 2, {ID, TYPE_INT4}, ID, 0, scale, "Rounded to so many digits of a second." \
    }

const struct func table_precision[] = {
    LINE("time", TYPE_TIME),           LINE("timetz", TYPE_TIMETZ),
    LINE("timestamp", TYPE_TIMESTAMP), LINE("timestamptz", TYPE_TIMESTAMPTZ),
    LINE("interval", TYPE_INTERVAL),   FUNC_END,
};
