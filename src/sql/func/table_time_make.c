/* Times made of parts and of texts, printed by templates, cut into bins. */

#include <limits.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "sql/func/time_format.h"
#include "sql/func/value_kernel.h"
#include "sql/func/zone.h"

/* ---- to_char, to_date, to_timestamp ---- */

static tdbplus_status format_parts(struct func_call *call, uint32_t row,
                                   const struct time_parts *parts, struct datum *result)
{
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    tdbplus_status status = time_format(parts, text_argument(call, 1, row), &out, call->err);
    result->is_null =
        out.size == 0 && status == TDBPLUS_OK && text_argument(call, 1, row).size == 0;
    if (status == TDBPLUS_OK) {
        status = kernel_keep(call, &out, result);
    }
    buffer_deinit(&out);
    return status;
}

static tdbplus_status format_moment_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t moment = kernel_argument(call, 0, row).integer;
    struct time_parts parts = {0};
    result->is_null = !timestamp_is_finite(moment);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    if (call->arguments[0].type.id == TYPE_TIMESTAMPTZ) {
        const struct tz *zone = zone_session(call);
        parts.has_zone = true;
        parts.offset = tz_offset_at(zone, moment);
        parts.zone = zone == NULL ? "UTC" : tz_abbreviation_at(zone, moment);
        moment += parts.offset * US_PER_SECOND;
    }
    civil_of_timestamp(moment, &parts.civil);
    parts.days = date_of_timestamp(moment);
    parts.hours = parts.civil.hour;
    return format_parts(call, row, &parts, result);
}

static tdbplus_status format_interval_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    struct interval interval = kernel_argument(call, 0, row).interval;
    int64_t time = interval.microseconds;
    struct time_parts parts = {.is_interval = true};
    parts.civil = (struct civil){.year = interval.months / 12,
                                 .month = interval.months % 12,
                                 .day = interval.days,
                                 .minute = (int32_t)(time / US_PER_MINUTE % 60),
                                 .second = (int32_t)(time / US_PER_SECOND % 60),
                                 .microsecond = (int32_t)(time % US_PER_SECOND)};
    parts.hours = time / US_PER_HOUR;
    parts.days = (int64_t)interval.months * 30 + interval.days;
    return format_parts(call, row, &parts, result);
}

static tdbplus_status read_moment_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return time_unformat(text_argument(call, 0, row), text_argument(call, 1, row),
                         zone_session(call), &result->integer, call->err);
}

static tdbplus_status read_date_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t moment = 0;
    TRY(time_unformat(text_argument(call, 0, row), text_argument(call, 1, row), NULL, &moment,
                      call->err));
    result->integer = date_of_timestamp(moment);
    return TDBPLUS_OK;
}

ROW_KERNEL(format_moment)
ROW_KERNEL(format_interval)
ROW_KERNEL(read_moment)
ROW_KERNEL(read_date)

/* ---- made of parts ---- */

static tdbplus_status make_clock(struct func_call *call, uint32_t row, uint32_t first,
                                 int64_t *time_out)
{
    int64_t hour = kernel_argument(call, first, row).integer;
    int64_t minute = kernel_argument(call, first + 1, row).integer;
    double second = kernel_argument(call, first + 2, row).real;
    double microseconds = rint(second * 1e6); // What rounds to nothing may be below it.
    bool good = hour >= 0 && hour <= 24 && minute >= 0 && minute < 60 && microseconds >= 0 &&
                microseconds <= (double)US_PER_MINUTE && !isnan(second);
    int64_t time = good ? (hour * 60 + minute) * US_PER_MINUTE + (int64_t)microseconds : 0;
    if (!good || time > US_PER_DAY) {
        return kernel_error(call, "22008", "time field value out of range: %lld:%02lld:%02g",
                            (long long)hour, (long long)minute, second);
    }
    *time_out = time;
    return TDBPLUS_OK;
}

static tdbplus_status make_time_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return make_clock(call, row, 0, &result->integer);
}

static tdbplus_status make_moment_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t year = kernel_argument(call, 0, row).integer;
    int64_t month = kernel_argument(call, 1, row).integer;
    int64_t day = kernel_argument(call, 2, row).integer;
    int64_t calendar = year < 0 ? year + 1 : year;
    int64_t time = 0;
    bool good = year != 0 && month >= 1 && month <= 12 && day >= 1 && calendar > -5000 &&
                calendar < 300000 && day <= civil_month_days(calendar, (int32_t)month);
    if (!good) {
        return kernel_error(call, "22008", "date field value out of range: %lld-%02lld-%02lld",
                            (long long)year, (long long)month, (long long)day);
    }
    TRY(make_clock(call, row, 3, &time));
    int64_t moment = civil_to_days(calendar, (int32_t)month, day) * US_PER_DAY + time;
    if (result->type.id == TYPE_TIMESTAMPTZ) {
        struct zone zone = {.tz = zone_session(call)};
        if (call->argument_count == 7) {
            // Here, a sign is the usual one: minus is west.
            struct span name = text_argument(call, 6, row);
            bool is_offset = name.size > 0 && (name.data[0] == '+' || name.data[0] == '-');
            TRY(zone_find(call, name, &zone));
            zone.offset = is_offset ? -zone.offset : zone.offset;
        }
        moment -= zone_offset_of_local(&zone, moment) * US_PER_SECOND;
    }
    result->integer = moment;
    return timestamp_in_range(moment) ? TDBPLUS_OK
                                      : kernel_error(call, "22008", "timestamp out of range");
}

static bool add_times(int64_t *sum, int64_t value, int64_t factor)
{
    int64_t product = 0;
    return !__builtin_mul_overflow(value, factor, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

static tdbplus_status make_interval_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t parts[6] = {0};
    double seconds = 0;
    for (uint32_t a = 0; a < call->argument_count && a < 6; a++) {
        parts[a] = kernel_argument(call, a, row).integer;
    }
    if (call->argument_count > 6) {
        seconds = kernel_argument(call, 6, row).real;
    }
    int64_t months = parts[0] * 12 + parts[1];
    int64_t days = parts[2] * 7 + parts[3];
    int64_t time = 0;
    bool good = isfinite(seconds) && fabs(seconds) < 9e12 && months >= INT32_MIN &&
                months <= INT32_MAX && days >= INT32_MIN && days <= INT32_MAX &&
                add_times(&time, parts[4], US_PER_HOUR) &&
                add_times(&time, parts[5], US_PER_MINUTE);
    good = good && add_times(&time, llrint(seconds * 1e6), 1);
    result->interval = (struct interval){(int32_t)months, (int32_t)days, time};
    return good ? TDBPLUS_OK : kernel_error(call, "22008", "interval out of range");
}

ROW_KERNEL(make_time)
ROW_KERNEL(make_moment)
ROW_KERNEL(make_interval)

/* ---- intervals set right ---- */

static tdbplus_status interval_overflow(struct func_call *call)
{
    return kernel_error(call, "22008", "interval out of range");
}

/* Moves what is a whole number of the larger unit into it. */
static bool carry(int64_t *small, int64_t *large, int64_t size)
{
    int64_t whole = *small / size;
    *small -= whole * size;
    *large += whole;
    return *large >= INT32_MIN && *large <= INT32_MAX;
}

static void same_sign(int64_t *large, int64_t *small, int64_t size)
{
    if (*large > 0 && *small < 0) {
        *small += size;
        (*large)--;
    } else if (*large < 0 && *small > 0) {
        *small -= size;
        (*large)++;
    }
}

enum { JUSTIFY_DAYS = 1, JUSTIFY_HOURS = 2 };

static tdbplus_status justify(struct func_call *call, uint32_t row, int what, struct datum *result)
{
    struct interval interval = kernel_argument(call, 0, row).interval;
    int64_t months = interval.months;
    int64_t days = interval.days;
    int64_t time = interval.microseconds;
    bool good = true;
    if ((what & JUSTIFY_HOURS) != 0) {
        if (what == (JUSTIFY_HOURS | JUSTIFY_DAYS) &&
            ((days > 0 && time > 0) || (days < 0 && time < 0))) {
            good = carry(&days, &months, 30);
        }
        good = good && carry(&time, &days, US_PER_DAY);
    }
    if ((what & JUSTIFY_DAYS) != 0) {
        good = good && carry(&days, &months, 30);
    }
    if (what == (JUSTIFY_HOURS | JUSTIFY_DAYS)) {
        if (months > 0 && (days < 0 || (days == 0 && time < 0))) {
            days += 30;
            months--;
        } else if (months < 0 && (days > 0 || (days == 0 && time > 0))) {
            days -= 30;
            months++;
        }
    }
    if ((what & JUSTIFY_HOURS) != 0) {
        same_sign(&days, &time, US_PER_DAY);
    } else {
        same_sign(&months, &days, 30);
    }
    result->interval = (struct interval){(int32_t)months, (int32_t)days, time};
    return good ? TDBPLUS_OK : interval_overflow(call);
}

static tdbplus_status justify_days_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return justify(call, row, JUSTIFY_DAYS, result);
}

static tdbplus_status justify_hours_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return justify(call, row, JUSTIFY_HOURS, result);
}

static tdbplus_status justify_both_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return justify(call, row, JUSTIFY_DAYS | JUSTIFY_HOURS, result);
}

ROW_KERNEL(justify_days)
ROW_KERNEL(justify_hours)
ROW_KERNEL(justify_both)

/* ---- bins ---- */

static tdbplus_status find_bin(struct func_call *call, const struct interval *stride,
                               int64_t moment, int64_t origin, int64_t *bin_out)
{
    if (!timestamp_is_finite(moment)) {
        *bin_out = moment;
        return TDBPLUS_OK;
    }
    if (!timestamp_is_finite(origin)) {
        return kernel_error(call, "22008", "origin out of range");
    }
    if (stride->months != 0) {
        return kernel_error(call, "0A000",
                            "timestamps cannot be binned into intervals containing months or "
                            "years");
    }
    int64_t size = stride->microseconds;
    if (!add_times(&size, stride->days, US_PER_DAY)) {
        return interval_overflow(call);
    }
    if (size <= 0) {
        return kernel_error(call, "22008", "stride must be greater than zero");
    }
    int64_t distance = 0;
    if (__builtin_sub_overflow(moment, origin, &distance)) {
        return interval_overflow(call);
    }
    int64_t rest = distance % size;
    rest = rest < 0 ? rest + size : rest;
    *bin_out = moment - rest;
    return TDBPLUS_OK;
}

static tdbplus_status bin_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct interval stride = kernel_argument(call, 0, row).interval;
    return find_bin(call, &stride, kernel_argument(call, 1, row).integer,
                    kernel_argument(call, 2, row).integer, &result->integer);
}

/* Months are counted from a month, other bins from a Monday: 2000-01-03. */
#define BUCKET_ORIGIN_DAYS 10959

static tdbplus_status month_bucket(struct func_call *call, const struct interval *width,
                                   int64_t moment, int64_t *bucket_out)
{
    struct civil civil;
    if (width->days != 0 || width->microseconds != 0 || width->months <= 0) {
        return kernel_error(call, "22023", "a bucket is a positive number of months, or has none");
    }
    civil_of_timestamp(moment, &civil);
    int64_t month = ((int64_t)civil.year - 2000) * 12 + civil.month - 1;
    int64_t rest = month % width->months;
    month -= rest < 0 ? rest + width->months : rest;
    int64_t year = month >= 0 ? month / 12 : -((11 - month) / 12);
    *bucket_out = civil_to_days(2000 + year, (int32_t)(month - year * 12) + 1, 1) * US_PER_DAY;
    return TDBPLUS_OK;
}

static tdbplus_status bucket_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct interval width = kernel_argument(call, 0, row).interval;
    struct datum value = kernel_argument(call, 1, row);
    bool date = value.type.id == TYPE_DATE;
    int64_t moment = value.integer;
    int64_t bucket = 0;
    if (date) {
        TRY(timestamp_of_date((int32_t)value.integer, &moment, call->err));
    }
    int64_t origin = (int64_t)BUCKET_ORIGIN_DAYS * US_PER_DAY;
    if (call->argument_count > 2) {
        struct datum given = kernel_argument(call, 2, row);
        origin = given.integer;
        if (given.type.id == TYPE_DATE) {
            TRY(timestamp_of_date((int32_t)given.integer, &origin, call->err));
        }
    }
    if (width.months != 0 && timestamp_is_finite(moment)) {
        TRY(month_bucket(call, &width, moment, &bucket));
    } else {
        TRY(find_bin(call, &width, moment, origin, &bucket));
    }
    result->integer = date ? date_of_timestamp(bucket) : bucket;
    return TDBPLUS_OK;
}

static tdbplus_status number_bucket_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t width = kernel_argument(call, 0, row).integer;
    int64_t value = kernel_argument(call, 1, row).integer;
    if (width <= 0) {
        return kernel_error(call, "22023", "a bucket's width must be greater than 0");
    }
    int64_t rest = value % width;
    rest = rest < 0 ? rest + width : rest;
    if (__builtin_sub_overflow(value, rest, &result->integer)) {
        return kernel_out_of_range(call, "bigint");
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(bin)
ROW_KERNEL(bucket)
ROW_KERNEL(number_bucket)

/* ---- tests ---- */

static tdbplus_status finite_moment_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->boolean = timestamp_is_finite(kernel_argument(call, 0, row).integer);
    return TDBPLUS_OK;
}

static tdbplus_status finite_date_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t date = kernel_argument(call, 0, row).integer;
    result->boolean = date != DATE_INFINITY && date != DATE_MINUS_INFINITY;
    return TDBPLUS_OK;
}

static tdbplus_status finite_interval_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    (void)call;
    (void)row;
    result->boolean = true;
    return TDBPLUS_OK;
}

ROW_KERNEL(finite_moment)
ROW_KERNEL(finite_date)
ROW_KERNEL(finite_interval)

/* The other end of a period: a moment, or a distance from the first. */
static tdbplus_status end_of(struct func_call *call, uint32_t row, uint32_t first,
                             struct datum *end)
{
    struct datum begin = kernel_argument(call, first, row);
    *end = kernel_argument(call, first + 1, row);
    if (end->type.id != TYPE_INTERVAL || end->is_null || begin.is_null) {
        end->is_null = end->is_null || (end->type.id == TYPE_INTERVAL && begin.is_null);
        return TDBPLUS_OK;
    }
    struct interval distance = end->interval;
    *end = begin;
    if (begin.type.id == TYPE_TIME) {
        int64_t rest = (begin.integer + distance.microseconds) % US_PER_DAY;
        end->integer = rest < 0 ? rest + US_PER_DAY : rest;
        return TDBPLUS_OK;
    }
    return timestamp_add(begin.integer, &distance, NULL, &end->integer, call->err);
}

static void order_ends(struct datum *begin, struct datum *end)
{
    bool turn = begin->is_null || (!end->is_null && begin->integer > end->integer);
    if (turn) {
        struct datum swap = *begin;
        *begin = *end;
        *end = swap;
    }
}

/* OVERLAPS, three-valued: a null end leaves the answer open unless the rest settles it. */
static tdbplus_status overlaps_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum a = kernel_argument(call, 0, row);
    struct datum b = {0};
    struct datum c = kernel_argument(call, 2, row);
    struct datum d = {0};
    TRY(end_of(call, row, 0, &b));
    TRY(end_of(call, row, 2, &d));
    order_ends(&a, &b);
    order_ends(&c, &d);
    if (a.is_null || c.is_null) {
        result->is_null = true;
        return TDBPLUS_OK;
    }
    if (a.integer == c.integer) {
        result->is_null = b.is_null || d.is_null;
        result->boolean = true;
        return TDBPLUS_OK;
    }
    bool a_later = a.integer > c.integer;
    const struct datum *later = a_later ? &a : &c;
    const struct datum *later_end = a_later ? &b : &d;
    const struct datum *earlier_end = a_later ? &d : &b;
    if (earlier_end->is_null) {
        result->is_null = true;
    } else if (later->integer < earlier_end->integer) {
        result->boolean = true;
    } else {
        result->is_null = later_end->is_null;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(overlaps)

/* ---- zones ---- */

/* AT TIME ZONE: a moment as a local time of the zone, or back. */
static tdbplus_status move_zone(struct func_call *call, uint32_t row, const struct zone *zone,
                                struct datum *result)
{
    struct datum moment = kernel_argument(call, 1, row);
    bool to_local = moment.type.id == TYPE_TIMESTAMPTZ;
    result->integer = moment.integer;
    if (timestamp_is_finite(moment.integer)) {
        int64_t offset = to_local ? zone_offset_at(zone, moment.integer)
                                  : -zone_offset_of_local(zone, moment.integer);
        result->integer += offset * US_PER_SECOND;
        if (!timestamp_in_range(result->integer)) {
            return kernel_error(call, "22008", "timestamp out of range");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status zone_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct zone zone = {0};
    if (timestamp_is_finite(kernel_argument(call, 1, row).integer)) {
        TRY(zone_find(call, text_argument(call, 0, row), &zone));
    }
    return move_zone(call, row, &zone, result);
}

static tdbplus_status zone_interval_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct zone zone = {0};
    struct interval interval = kernel_argument(call, 0, row).interval;
    if (timestamp_is_finite(kernel_argument(call, 1, row).integer)) {
        TRY(zone_of_interval(call, &interval, &zone));
    }
    return move_zone(call, row, &zone, result);
}

ROW_KERNEL(zone)
ROW_KERNEL(zone_interval)

#define TX TYPE_TEXT
#define DA TYPE_DATE
#define TI TYPE_TIME
#define TS TYPE_TIMESTAMP
#define TZ TYPE_TIMESTAMPTZ
#define IV TYPE_INTERVAL
#define I4 TYPE_INT4
#define I8 TYPE_INT8
#define F8 TYPE_FLOAT8
#define BO TYPE_BOOL
#define NL FUNC_NULLABLE
#define CN (FUNC_CALLED_ON_NULL | FUNC_NULLABLE)

const struct func table_time_make[] = {
    {"to_char", 2, {TS, TX}, TX, NL | FUNC_LATE_ERRORS, format_moment, "Printed by a template."},
    {"to_char", 2, {TZ, TX}, TX, NL | FUNC_LATE_ERRORS, format_moment, "Printed by a template."},
    {"to_char", 2, {IV, TX}, TX, NL | FUNC_LATE_ERRORS, format_interval, "Printed by a template."},
    {"to_timestamp", 2, {TX, TX}, TZ, FUNC_LATE_ERRORS, read_moment, "Read by a template."},
    {"to_date", 2, {TX, TX}, DA, FUNC_LATE_ERRORS, read_date, "Read by a template."},
    {"make_time", 3, {I4, I4, F8}, TI, 0, make_time, "The time of hour, minute, second."},
    {"make_timestamp",
     6,
     {I4, I4, I4, I4, I4, F8},
     TS,
     0,
     make_moment,
     "The moment of year, month, day, hour, minute, second."},
    {"make_timestamptz",
     6,
     {I4, I4, I4, I4, I4, F8},
     TZ,
     FUNC_STABLE,
     make_moment,
     "The same here."},
    {"make_timestamptz",
     7,
     {I4, I4, I4, I4, I4, F8, TX},
     TZ,
     0,
     make_moment,
     "The same in a zone."},
    {"make_interval",
     7,
     {I4, I4, I4, I4, I4, I4, F8},
     IV,
     0,
     make_interval,
     "Years, months, weeks, days, hours, minutes, seconds."},
    {"make_interval", 6, {I4, I4, I4, I4, I4, I4}, IV, 0, make_interval, "Without seconds."},
    {"make_interval", 5, {I4, I4, I4, I4, I4}, IV, 0, make_interval, "Without minutes."},
    {"make_interval", 4, {I4, I4, I4, I4}, IV, 0, make_interval, "Without hours."},
    {"make_interval", 3, {I4, I4, I4}, IV, 0, make_interval, "Without days."},
    {"make_interval", 2, {I4, I4}, IV, 0, make_interval, "Years and months."},
    {"make_interval", 1, {I4}, IV, 0, make_interval, "Years."},
    {"make_interval", 0, {0}, IV, 0, make_interval, "Nothing."},
    {"justify_days", 1, {IV}, IV, 0, justify_days, "Thirty days as a month."},
    {"justify_hours", 1, {IV}, IV, 0, justify_hours, "Twenty-four hours as a day."},
    {"justify_interval", 1, {IV}, IV, 0, justify_both, "Both, with one sign."},
    {"date_bin", 3, {IV, TS, TS}, TS, 0, bin, "The beginning of the bin it falls into."},
    {"date_bin", 3, {IV, TZ, TZ}, TZ, 0, bin, "The beginning of the bin it falls into."},
    {"time_bucket", 2, {IV, TS}, TS, 0, bucket, "The beginning of the bucket; weeks at Mondays."},
    {"time_bucket", 2, {IV, TZ}, TZ, 0, bucket, "The beginning of the bucket; weeks at Mondays."},
    {"time_bucket", 2, {IV, DA}, DA, 0, bucket, "The beginning of the bucket; weeks at Mondays."},
    {"time_bucket", 3, {IV, TS, TS}, TS, 0, bucket, "Counted from an origin."},
    {"time_bucket", 3, {IV, TZ, TZ}, TZ, 0, bucket, "Counted from an origin."},
    {"time_bucket", 3, {IV, DA, DA}, DA, 0, bucket, "Counted from an origin."},
    {"time_bucket", 2, {I4, I4}, I4, 0, number_bucket, "The largest multiple not above."},
    {"time_bucket", 2, {I8, I8}, I8, 0, number_bucket, "The largest multiple not above."},
    {"isfinite", 1, {DA}, BO, 0, finite_date, "True if it is no infinity."},
    {"isfinite", 1, {TS}, BO, 0, finite_moment, "True if it is no infinity."},
    {"isfinite", 1, {TZ}, BO, 0, finite_moment, "True if it is no infinity."},
    {"isfinite", 1, {IV}, BO, 0, finite_interval, "True: intervals are finite."},
    {"overlaps", 4, {TS, TS, TS, TS}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TS, IV, TS, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TS, TS, TS, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TS, IV, TS, TS}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TZ, TZ, TZ, TZ}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TZ, IV, TZ, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TZ, TZ, TZ, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TZ, IV, TZ, TZ}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TI, TI, TI, TI}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TI, IV, TI, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TI, TI, TI, IV}, BO, CN, overlaps, "True if the periods share a moment."},
    {"overlaps", 4, {TI, IV, TI, TI}, BO, CN, overlaps, "True if the periods share a moment."},
    {"timezone", 2, {TX, TS}, TZ, 0, zone, "The moment of a local time: AT TIME ZONE."},
    {"timezone", 2, {TX, TZ}, TS, 0, zone, "The local time of a moment: AT TIME ZONE."},
    {"timezone", 2, {IV, TS}, TZ, 0, zone_interval, "The same with an offset."},
    {"timezone", 2, {IV, TZ}, TS, 0, zone_interval, "The same with an offset."},
    FUNC_END,
};
