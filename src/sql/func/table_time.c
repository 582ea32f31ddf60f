/* Dates, times, intervals; zones are UTC. */

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "sql/func/cast_internal.h"
#include "sql/func/text_kernel.h"
#include "sql/func/zone.h"
#include "types/datetime.h"
#include "types/numeric.h"

/* A row's argument as a datum; what the functions of types/datetime.h work on. */
static struct datum argument(const struct func_call *call, uint32_t number, uint32_t row)
{
    struct datum value;
    column_get(&call->arguments[number], row, &value);
    return value;
}

/* A kernel whose statement sets `result` from `a` (and `b`), leaving with a status if it fails. */
#define TIME_KERNEL(NAME, STATEMENT)                                                \
    static tdbplus_status NAME(struct func_call *call)                              \
    {                                                                               \
        for (uint32_t i = 0; i < call->count; i++) {                                \
            uint32_t row = kernel_row(call, i);                                     \
            struct datum a = argument(call, 0, row);                                \
            struct datum b = call->argument_count > 1 ? argument(call, 1, row) : a; \
            struct datum result = {.type = call->result->type};                     \
            (void)b;                                                                \
            STATEMENT;                                                              \
            column_set(call->result, row, &result);                                 \
        }                                                                           \
        return TDBPLUS_OK;                                                          \
    }

/* The zone of the session for what has one, else NULL. */
static const struct tz *zone_of(const struct func_call *call, struct type type)
{
    return type.id == TYPE_TIMESTAMPTZ ? zone_session(call) : NULL;
}

/* A moment as the local time of the session, and back; infinities stay. */
static int64_t to_local(const struct func_call *call, int64_t moment)
{
    return timestamp_is_finite(moment)
               ? moment + tz_offset_at(zone_session(call), moment) * US_PER_SECOND
               : moment;
}

static int64_t from_local(const struct func_call *call, int64_t local)
{
    return timestamp_is_finite(local)
               ? local - tz_offset_of_local(zone_session(call), local) * US_PER_SECOND
               : local;
}

static tdbplus_status date_out_of_range(struct func_call *call)
{
    return err_set_state(call->err, TDBPLUS_E_RANGE, "22008", "date out of range");
}

static bool date_is_finite(int64_t date)
{
    return date != DATE_INFINITY && date != DATE_MINUS_INFINITY;
}

static tdbplus_status shift_date(struct func_call *call, int64_t date, int64_t days,
                                 int64_t *date_out)
{
    *date_out = date;
    if (!date_is_finite(date)) {
        return TDBPLUS_OK;
    }
    *date_out = date + days;
    return date_in_range(*date_out) ? TDBPLUS_OK : date_out_of_range(call);
}

static tdbplus_status add_to_date(struct func_call *call, int64_t date,
                                  const struct interval *interval, int64_t *timestamp_out)
{
    int64_t timestamp = 0;
    TRY(timestamp_of_date((int32_t)date, &timestamp, call->err));
    return timestamp_add(timestamp, interval, NULL, timestamp_out, call->err);
}

static tdbplus_status subtract_interval(struct func_call *call, int64_t timestamp,
                                        const struct interval *interval, int64_t *timestamp_out)
{
    struct interval negative;
    TRY(interval_negate(interval, &negative, call->err));
    return timestamp_add(timestamp, &negative, zone_of(call, call->result->type), timestamp_out,
                         call->err);
}

static int64_t within_day(int64_t microseconds)
{
    int64_t rest = microseconds % US_PER_DAY;
    return rest < 0 ? rest + US_PER_DAY : rest;
}

TIME_KERNEL(date_plus_days, TRY(shift_date(call, a.integer, b.integer, &result.integer)))
TIME_KERNEL(days_plus_date, TRY(shift_date(call, b.integer, a.integer, &result.integer)))
TIME_KERNEL(date_minus_days, TRY(shift_date(call, a.integer, -b.integer, &result.integer)))
TIME_KERNEL(date_minus_date,
            if (!date_is_finite(a.integer) || !date_is_finite(b.integer)) return err_set_state(
                call->err, TDBPLUS_E_RANGE, "22008", "cannot subtract infinite dates");
            result.integer = a.integer - b.integer)
TIME_KERNEL(date_plus_interval, TRY(add_to_date(call, a.integer, &b.interval, &result.integer)))
TIME_KERNEL(interval_plus_date, TRY(add_to_date(call, b.integer, &a.interval, &result.integer)))
TIME_KERNEL(date_minus_interval, struct interval negative;
            TRY(interval_negate(&b.interval, &negative, call->err));
            TRY(add_to_date(call, a.integer, &negative, &result.integer)))
TIME_KERNEL(date_plus_time, int64_t midnight = 0;
            TRY(timestamp_of_date((int32_t)a.integer, &midnight, call->err));
            result.integer = timestamp_is_finite(midnight) ? midnight + b.integer : midnight)
TIME_KERNEL(timestamp_plus_interval,
            TRY(timestamp_add(a.integer, &b.interval, zone_of(call, result.type), &result.integer,
                              call->err)))
TIME_KERNEL(interval_plus_timestamp,
            TRY(timestamp_add(b.integer, &a.interval, zone_of(call, result.type), &result.integer,
                              call->err)))
TIME_KERNEL(timestamp_minus_interval,
            TRY(subtract_interval(call, a.integer, &b.interval, &result.integer)))
TIME_KERNEL(timestamp_minus_timestamp,
            TRY(timestamp_difference(a.integer, b.integer, &result.interval, call->err)))
TIME_KERNEL(age, TRY(timestamp_age(a.integer, b.integer, &result.interval, call->err)))
TIME_KERNEL(age_here, TRY(timestamp_age(to_local(call, a.integer), to_local(call, b.integer),
                                        &result.interval, call->err)))
TIME_KERNEL(time_plus_interval,
            result.integer = within_day(a.integer + within_day(b.interval.microseconds)))
TIME_KERNEL(time_minus_interval,
            result.integer = within_day(a.integer - within_day(b.interval.microseconds)))
TIME_KERNEL(time_minus_time, result.interval.microseconds = a.integer - b.integer)
TIME_KERNEL(interval_plus_interval,
            TRY(interval_add(&a.interval, &b.interval, &result.interval, call->err)))
TIME_KERNEL(interval_minus_interval, struct interval negative;
            TRY(interval_negate(&b.interval, &negative, call->err));
            TRY(interval_add(&a.interval, &negative, &result.interval, call->err)))
TIME_KERNEL(negate_interval, TRY(interval_negate(&a.interval, &result.interval, call->err)))
TIME_KERNEL(interval_times,
            TRY(interval_multiply(&a.interval, b.real, &result.interval, call->err)))
TIME_KERNEL(times_interval,
            TRY(interval_multiply(&b.interval, a.real, &result.interval, call->err)))
TIME_KERNEL(interval_divided, if (b.real == 0) return kernel_division_by_zero(call);
            TRY(interval_multiply(&a.interval, 1 / b.real, &result.interval, call->err)))

/* ---- casts ---- */

TIME_KERNEL(date_to_timestamp,
            TRY(timestamp_of_date((int32_t)a.integer, &result.integer, call->err)))
TIME_KERNEL(timestamp_to_date, result.integer = date_of_timestamp(a.integer))
TIME_KERNEL(timestamp_to_time, result.is_null = !timestamp_is_finite(a.integer);
            result.integer = result.is_null ? 0 : within_day(a.integer))
TIME_KERNEL(date_to_moment, TRY(timestamp_of_date((int32_t)a.integer, &result.integer, call->err));
            result.integer = from_local(call, result.integer))
TIME_KERNEL(moment_to_date, result.integer = date_of_timestamp(to_local(call, a.integer)))
TIME_KERNEL(moment_to_time, result.is_null = !timestamp_is_finite(a.integer);
            result.integer = result.is_null ? 0 : within_day(to_local(call, a.integer)))
TIME_KERNEL(timestamp_to_moment, result.integer = from_local(call, a.integer))
TIME_KERNEL(moment_to_timestamp, result.integer = to_local(call, a.integer))
TIME_KERNEL(time_to_interval, result.interval.microseconds = a.integer)
TIME_KERNEL(interval_to_time, result.integer = within_day(a.interval.microseconds))

/* ---- fields ---- */

static tdbplus_status find_field(struct func_call *call, struct span name, struct type of,
                                 enum datetime_field *field_out)
{
    char type[64];
    if (datetime_field_of(name, field_out)) {
        return TDBPLUS_OK;
    }
    func_type_name(of, type);
    return err_set(call->err, TDBPLUS_E_INVALID, "unit \"%.*s\" not recognized for type %s",
                   (int)(name.size > 60 ? 60 : name.size), (const char *)name.data, type);
}

static tdbplus_status truncate_row(struct func_call *call, uint32_t row, int64_t *timestamp_out)
{
    enum datetime_field field;
    struct datum moment = argument(call, 1, row);
    *timestamp_out = moment.integer;
    if (!timestamp_is_finite(moment.integer)) {
        return TDBPLUS_OK; // Whatever the unit, also none.
    }
    TRY(find_field(call, text_argument(call, 0, row), moment.type, &field));
    if (call->argument_count < 3) {
        return timestamp_truncate(moment.integer, field, zone_of(call, moment.type), timestamp_out,
                                  call->err);
    }
    struct zone zone = {0};
    TRY(zone_find(call, text_argument(call, 2, row), &zone));
    if (zone.tz != NULL) {
        return timestamp_truncate(moment.integer, field, zone.tz, timestamp_out, call->err);
    }
    int64_t local = moment.integer + zone.offset * US_PER_SECOND;
    TRY(timestamp_truncate(local, field, NULL, timestamp_out, call->err));
    *timestamp_out -= zone.offset * US_PER_SECOND;
    return TDBPLUS_OK;
}

TIME_KERNEL(truncate_timestamp, TRY(truncate_row(call, row, &result.integer)))

/* Fields that only grow with time are infinite where time is. */
#define SCALE_INFINITE 99u

static bool grows(enum datetime_field field)
{
    return field == FIELD_YEAR || field == FIELD_DECADE || field == FIELD_CENTURY ||
           field == FIELD_MILLENNIUM || field == FIELD_ISOYEAR || field == FIELD_EPOCH;
}

/* EXTRACT(timezone), (timezone_hour) and (timezone_minute); false for other fields. */
static bool extract_zone(struct func_call *call, struct span name, int64_t moment,
                         int64_t *value_out)
{
    static const struct {
        const char *name;
        int32_t divide;
        int32_t modulo;
    } fields[] = {{"timezone", 1, INT32_MAX},
                  {"timezone_hour", 3600, INT32_MAX},
                  {"timezone_minute", 60, 60}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (name.size == strlen(fields[i].name) &&
            strncasecmp((const char *)name.data, fields[i].name, name.size) == 0) {
            int32_t offset = tz_offset_at(zone_session(call), moment);
            *value_out = offset / fields[i].divide % fields[i].modulo;
            return true;
        }
    }
    return false;
}

/* A field of a date, a timestamp or an interval as value / 10^scale; *null_out for infinities. */
static tdbplus_status extract(struct func_call *call, uint32_t row, int64_t *value_out,
                              unsigned *scale_out, bool *null_out)
{
    enum datetime_field field;
    struct datum value = argument(call, 1, row);
    *null_out = false;
    if (value.type.id == TYPE_TIMESTAMPTZ && timestamp_is_finite(value.integer) &&
        extract_zone(call, text_argument(call, 0, row), value.integer, value_out)) {
        *scale_out = 0;
        return TDBPLUS_OK;
    }
    TRY(find_field(call, text_argument(call, 0, row), value.type, &field));
    if (value.type.id == TYPE_TIME) {
        if (field >= FIELD_DAY && field != FIELD_EPOCH) {
            return err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                           "unit \"%.*s\" not supported for type time without time zone",
                           (int)text_argument(call, 0, row).size,
                           (const char *)text_argument(call, 0, row).data);
        }
        // As of an interval, so that 24:00:00 is not the next day's midnight.
        struct interval clock = {.microseconds = value.integer};
        return interval_extract(&clock, field, value_out, scale_out, call->err);
    }
    if (value.type.id == TYPE_INTERVAL) {
        return interval_extract(&value.interval, field, value_out, scale_out, call->err);
    }
    int64_t timestamp = value.integer;
    if (value.type.id == TYPE_DATE) {
        if (field <= FIELD_HOUR) {
            return err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                           "unit \"%.*s\" not supported for type date",
                           (int)text_argument(call, 0, row).size,
                           (const char *)text_argument(call, 0, row).data);
        }
        TRY(timestamp_of_date((int32_t)value.integer, &timestamp, call->err));
    }
    *null_out = !timestamp_is_finite(timestamp);
    if (*null_out && grows(field)) {
        *null_out = false;
        *value_out = timestamp;
        *scale_out = SCALE_INFINITE;
        return TDBPLUS_OK;
    }
    *value_out =
        *null_out ? 0 : timestamp_extract(timestamp, field, zone_of(call, value.type), scale_out);
    // A date's epoch counts whole days.
    if (value.type.id == TYPE_DATE && field == FIELD_EPOCH) {
        *value_out /= US_PER_SECOND;
        *scale_out = 0;
    }
    return TDBPLUS_OK;
}

static double power_of_ten(unsigned scale)
{
    double power = 1;
    while (scale-- > 0) {
        power *= 10;
    }
    return power;
}

static tdbplus_status date_part(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int64_t value = 0;
        unsigned scale = 0;
        bool null = false;
        TRY(extract(call, row, &value, &scale, &null));
        if (null) {
            kernel_set_null(call, row);
        }
        ((double *)call->result->data)[row] = scale == SCALE_INFINITE
                                                  ? (value > 0 ? HUGE_VAL : -HUGE_VAL)
                                                  : (double)value / power_of_ten(scale);
    }
    return TDBPLUS_OK;
}

/* The value as a numeric that shows as many digits as its scale. */
static tdbplus_status extract_numeric(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum value = {.type = {.id = TYPE_NUMERIC, .precision = 18}};
        unsigned scale = 0;
        bool null = false;
        TRY_OR(done, extract(call, row, &value.integer, &scale, &null));
        if (null) {
            kernel_set_null(call, row);
            continue;
        }
        value.type.scale = (int16_t)scale;
        buffer_clear(&buffer);
        if (scale == SCALE_INFINITE) {
            buffer_put_u8(&buffer, value.integer > 0 ? NUMERIC_INFINITY : NUMERIC_MINUS_INFINITY);
            buffer_put(&buffer, "\0\0\0\0\0", 5);
        } else {
            numeric_of_datum(&value, &buffer);
        }
        uint8_t *bytes = buffer.failed ? NULL : arena_bytes(call->arena, buffer.size);
        if (bytes == NULL) {
            status = kernel_no_memory(call);
            goto done;
        }
        memcpy(bytes, buffer.data, buffer.size);
        text_result(call, row, (struct span){.data = bytes, .size = buffer.size});
    }
done:
    buffer_deinit(&buffer);
    return status;
}

TIME_KERNEL(age_today, int64_t now = call->context->transaction_time_us;
            int64_t rest = within_day(now);
            TRY(timestamp_age(now - rest, a.integer, &result.interval, call->err)))
TIME_KERNEL(age_today_here, int64_t now = to_local(call, call->context->transaction_time_us);
            TRY(timestamp_age(now - within_day(now), to_local(call, a.integer), &result.interval,
                              call->err)))
TIME_KERNEL(time_plus_date, int64_t midnight = 0;
            TRY(timestamp_of_date((int32_t)b.integer, &midnight, call->err));
            result.integer = timestamp_is_finite(midnight) ? midnight + a.integer : midnight)
TIME_KERNEL(interval_plus_time,
            result.integer = within_day(b.integer + within_day(a.interval.microseconds)))

static int64_t cut_to(int64_t value, int64_t size)
{
    return value - value % size;
}

static tdbplus_status truncate_interval_row(struct func_call *call, uint32_t row,
                                            struct interval *interval)
{
    static const int32_t months[] = {
        [FIELD_MONTH] = 1,    [FIELD_QUARTER] = 3,    [FIELD_YEAR] = 12,
        [FIELD_DECADE] = 120, [FIELD_CENTURY] = 1200, [FIELD_MILLENNIUM] = 12000};
    static const int64_t times[] = {[FIELD_MICROSECONDS] = 1,
                                    [FIELD_MILLISECONDS] = 1000,
                                    [FIELD_SECOND] = US_PER_SECOND,
                                    [FIELD_MINUTE] = US_PER_MINUTE,
                                    [FIELD_HOUR] = US_PER_HOUR};
    enum datetime_field field;
    TRY(find_field(call, text_argument(call, 0, row), type_of(TYPE_INTERVAL), &field));
    *interval = argument(call, 1, row).interval;
    if (field <= FIELD_HOUR) {
        interval->microseconds = cut_to(interval->microseconds, times[field]);
        return TDBPLUS_OK;
    }
    interval->microseconds = 0;
    if (field == FIELD_DAY) {
        return TDBPLUS_OK;
    }
    if (field == FIELD_WEEK || field > FIELD_MILLENNIUM) {
        return err_set(
            call->err, TDBPLUS_E_UNSUPPORTED, "unit \"%.*s\" not supported for type interval",
            (int)text_argument(call, 0, row).size, (const char *)text_argument(call, 0, row).data);
    }
    interval->days = 0;
    interval->months = (int32_t)cut_to(interval->months, months[field]);
    return TDBPLUS_OK;
}

TIME_KERNEL(truncate_interval, TRY(truncate_interval_row(call, row, &result.interval)))

static tdbplus_status make_date(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        int32_t year = int4_argument(call, 0, row);
        int32_t month = int4_argument(call, 1, row);
        int32_t day = int4_argument(call, 2, row);
        int64_t calendar = year < 0 ? (int64_t)year + 1 : year;
        bool good = year != 0 && month >= 1 && month <= 12 && day >= 1 &&
                    day <= civil_month_days(calendar, month);
        int64_t days = good ? civil_to_days(calendar, month, day) : 0;
        if (!good || !date_in_range(days)) {
            return err_set_state(call->err, TDBPLUS_E_RANGE, "22008",
                                 "date field value out of range: %d-%02d-%02d", year, month, day);
        }
        ((int32_t *)call->result->data)[row] = (int32_t)days;
    }
    return TDBPLUS_OK;
}

static tdbplus_status to_timestamp(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        double seconds = argument(call, 0, row).real;
        double microseconds = __builtin_rint(seconds * 1e6);
        int64_t timestamp = 0;
        if (isinf(seconds)) {
            ((int64_t *)call->result->data)[row] = seconds > 0 ? INT64_MAX : INT64_MIN;
            continue;
        }
        bool fits = microseconds > -9e18 && microseconds < 9e18;
        timestamp = fits ? (int64_t)microseconds : 0;
        if (!fits || !timestamp_in_range(timestamp)) {
            return err_set_state(call->err, TDBPLUS_E_RANGE, "22008",
                                 "timestamp out of range: \"%g\"", seconds);
        }
        ((int64_t *)call->result->data)[row] = timestamp;
    }
    return TDBPLUS_OK;
}

#define DA TYPE_DATE
#define TI TYPE_TIME
#define TS TYPE_TIMESTAMP
#define TZ TYPE_TIMESTAMPTZ
#define IV TYPE_INTERVAL
#define I4 TYPE_INT4
#define F8 TYPE_FLOAT8
#define NU TYPE_NUMERIC
#define TX TYPE_TEXT

#define I FUNC_CAST_IMPLICIT
#define A FUNC_CAST_ASSIGNMENT
const struct cast_line table_casts_time[] = {
    CAST(DA, TS, I, "timestamp", date_to_timestamp),
    CAST(DA, TZ, I, "timestamptz", date_to_moment),
    CAST(TS, DA, A, "date", timestamp_to_date),
    {TS, TI, A, {"time", 1, {TS}, TI, FUNC_NULLABLE, timestamp_to_time, "Converted to time."}},
    CAST(TS, TZ, I, "timestamptz", timestamp_to_moment),
    CAST(TZ, DA, A, "date", moment_to_date),
    {TZ, TI, A, {"time", 1, {TZ}, TI, FUNC_NULLABLE, moment_to_time, "Converted to time."}},
    CAST(TZ, TS, A, "timestamp", moment_to_timestamp),
    CAST(TI, IV, I, "interval", time_to_interval),
    CAST(IV, TI, A, "time", interval_to_time),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

#define OP FUNC_OPERATOR
#define NL FUNC_NULLABLE

const struct func table_time[] = {
    {"+", 2, {DA, I4}, DA, OP, date_plus_days, "So many days later."},
    {"+", 2, {I4, DA}, DA, OP, days_plus_date, "So many days later."},
    {"-", 2, {DA, I4}, DA, OP, date_minus_days, "So many days earlier."},
    {"-", 2, {DA, DA}, I4, OP, date_minus_date, "Days between."},
    {"+", 2, {DA, IV}, TS, OP, date_plus_interval, "Later by an interval."},
    {"+", 2, {IV, DA}, TS, OP, interval_plus_date, "Later by an interval."},
    {"-", 2, {DA, IV}, TS, OP, date_minus_interval, "Earlier by an interval."},
    {"+", 2, {DA, TI}, TS, OP, date_plus_time, "That time of that day."},
    {"+", 2, {TS, IV}, TS, OP, timestamp_plus_interval, "Later by an interval."},
    {"+", 2, {IV, TS}, TS, OP, interval_plus_timestamp, "Later by an interval."},
    {"-", 2, {TS, IV}, TS, OP, timestamp_minus_interval, "Earlier by an interval."},
    {"-", 2, {TS, TS}, IV, OP, timestamp_minus_timestamp, "Days and time between."},
    {"+", 2, {TZ, IV}, TZ, OP, timestamp_plus_interval, "Later by an interval."},
    {"+", 2, {IV, TZ}, TZ, OP, interval_plus_timestamp, "Later by an interval."},
    {"-", 2, {TZ, IV}, TZ, OP, timestamp_minus_interval, "Earlier by an interval."},
    {"-", 2, {TZ, TZ}, IV, OP, timestamp_minus_timestamp, "Days and time between."},
    {"+", 2, {TI, IV}, TI, OP, time_plus_interval, "Later by an interval, around the clock."},
    {"-", 2, {TI, IV}, TI, OP, time_minus_interval, "Earlier by an interval, around the clock."},
    {"-", 2, {TI, TI}, IV, OP, time_minus_time, "Time between."},
    {"+", 2, {IV, IV}, IV, OP, interval_plus_interval, "Sum, part by part."},
    {"-", 2, {IV, IV}, IV, OP, interval_minus_interval, "Difference, part by part."},
    {"-", 1, {IV}, IV, OP, negate_interval, "Negation, part by part."},
    {"*", 2, {IV, F8}, IV, OP, interval_times, "So many times."},
    {"*", 2, {F8, IV}, IV, OP, times_interval, "So many times."},
    {"/", 2, {IV, F8}, IV, OP, interval_divided, "A part of it."},
    {"age", 2, {TS, TS}, IV, 0, age, "Years, months, days and time between."},
    {"age", 2, {TZ, TZ}, IV, FUNC_STABLE, age_here, "Years, months, days and time between."},
    {"date_trunc", 2, {TX, TS}, TS, 0, truncate_timestamp, "Cut to a field."},
    {"date_trunc", 2, {TX, TZ}, TZ, 0, truncate_timestamp, "Cut to a field."},
    {"date_trunc", 3, {TX, TZ, TX}, TZ, 0, truncate_timestamp, "Cut to a field in a zone."},
    {"date_part", 2, {TX, DA}, F8, NL, date_part, "A field."},
    {"date_part", 2, {TX, TS}, F8, NL, date_part, "A field."},
    {"date_part", 2, {TX, TZ}, F8, NL, date_part, "A field."},
    {"date_part", 2, {TX, IV}, F8, NL, date_part, "A field."},
    {"date_part", 2, {TX, TI}, F8, NL, date_part, "A field."},
    {"extract", 2, {TX, DA}, NU, NL, extract_numeric, "A field."},
    {"extract", 2, {TX, TS}, NU, NL, extract_numeric, "A field."},
    {"extract", 2, {TX, TZ}, NU, NL, extract_numeric, "A field."},
    {"extract", 2, {TX, IV}, NU, NL, extract_numeric, "A field."},
    {"extract", 2, {TX, TI}, NU, NL, extract_numeric, "A field."},
    {"age", 1, {TS}, IV, FUNC_STABLE, age_today, "Until the beginning of today."},
    {"age", 1, {TZ}, IV, FUNC_STABLE, age_today_here, "Until the beginning of today."},
    {"+", 2, {TI, DA}, TS, OP, time_plus_date, "That time of that day."},
    {"+", 2, {IV, TI}, TI, OP, interval_plus_time, "Later by an interval, around the clock."},
    {"date_trunc", 2, {TX, IV}, IV, 0, truncate_interval, "Cut to a field."},
    {"make_date", 3, {I4, I4, I4}, DA, 0, make_date, "The date of year, month, day."},
    {"to_timestamp", 1, {F8}, TZ, 0, to_timestamp, "So many seconds after 1970."},
    FUNC_END,
};
