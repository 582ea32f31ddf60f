#include "types/datetime.h"

#include <math.h>
#include <strings.h>

#include "base/assert.h"
#include "types/types_internal.h"
#include "types/tz.h"

#define DAYS_PER_ERA       146097 /* 400 years */
#define DAYS_TO_1970       719468 /* From 0000-03-01. */
#define DAYS_PER_MONTH     30
#define MONTHS_PER_YEAR    12
#define SECONDS_PER_DAY    86400.0
#define DAYS_MIN           (-2440588)         /* 4714-11-24 BC, Julian day 0. */
#define DAYS_END           2145042906         /* 5874898-01-01 */
#define TIMESTAMP_DAYS_END INT64_C(106751982) /* 294247-01-01 */

/* ---- the calendar ---- */

/* Years begin in March, so that the leap day ends one (Hinnant, "chrono-compatible low-level date
 * algorithms"). */
int64_t civil_to_days(int64_t year, int32_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

void civil_of_days(int64_t days, struct civil *civil)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = days - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    civil->day = (int32_t)(day_of_year - (153 * month + 2) / 5 + 1);
    civil->month = (int32_t)(month < 10 ? month + 3 : month - 9);
    civil->year = (int32_t)(year_of_era + era * 400 + (civil->month <= 2));
}

int32_t civil_month_days(int64_t year, int32_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && is_leap);
}

static int64_t floor_division(int64_t value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

void civil_of_timestamp(int64_t timestamp, struct civil *civil)
{
    int64_t days = floor_division(timestamp, US_PER_DAY);
    int64_t time = timestamp - days * US_PER_DAY;
    civil_of_days(days, civil);
    civil->hour = (int32_t)(time / US_PER_HOUR);
    civil->minute = (int32_t)(time / US_PER_MINUTE % 60);
    civil->second = (int32_t)(time / US_PER_SECOND % 60);
    civil->microsecond = (int32_t)(time % US_PER_SECOND);
}

bool date_in_range(int64_t days)
{
    return days >= DAYS_MIN && days < DAYS_END;
}

bool timestamp_in_range(int64_t timestamp)
{
    return timestamp >= DAYS_MIN * US_PER_DAY && timestamp < TIMESTAMP_DAYS_END * US_PER_DAY;
}

static TDBPLUS_CHECKED tdbplus_status timestamp_out_of_range(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22008", "timestamp out of range");
}

static TDBPLUS_CHECKED tdbplus_status interval_out_of_range(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22008", "interval out of range");
}

tdbplus_status timestamp_of_date(int32_t date, int64_t *timestamp_out, struct err *err)
{
    if (date == DATE_INFINITY || date == DATE_MINUS_INFINITY) {
        *timestamp_out = date == DATE_INFINITY ? TIMESTAMP_INFINITY : TIMESTAMP_MINUS_INFINITY;
        return TDBPLUS_OK;
    }
    if (date >= TIMESTAMP_DAYS_END) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22008", "date out of range for timestamp");
    }
    *timestamp_out = date * US_PER_DAY;
    return TDBPLUS_OK;
}

int32_t date_of_timestamp(int64_t timestamp)
{
    if (!timestamp_is_finite(timestamp)) {
        return timestamp == TIMESTAMP_INFINITY ? DATE_INFINITY : DATE_MINUS_INFINITY;
    }
    return (int32_t)floor_division(timestamp, US_PER_DAY);
}

/* ---- zones ---- */

static int64_t to_local(int64_t timestamp, const struct tz *zone)
{
    return zone == NULL ? timestamp : timestamp + tz_offset_at(zone, timestamp) * US_PER_SECOND;
}

static int64_t of_local(int64_t local, const struct tz *zone)
{
    return zone == NULL ? local : local - tz_offset_of_local(zone, local) * US_PER_SECOND;
}

/* ---- timestamps and intervals ---- */

/* Moves whole days from time of day to days and adds them: int64 days do not overflow here. */
static bool join(int64_t days, int64_t time, int64_t *timestamp_out)
{
    wide_int timestamp = (wide_int)days * US_PER_DAY + time;
    if (timestamp < DAYS_MIN * (wide_int)US_PER_DAY ||
        timestamp >= TIMESTAMP_DAYS_END * (wide_int)US_PER_DAY) {
        return false;
    }
    *timestamp_out = (int64_t)timestamp;
    return true;
}

static bool add_months(int64_t *timestamp, int32_t months)
{
    int64_t days = floor_division(*timestamp, US_PER_DAY);
    int64_t time = *timestamp - days * US_PER_DAY;
    struct civil civil;
    civil_of_days(days, &civil);
    int64_t month = (int64_t)civil.month - 1 + months;
    int64_t year = civil.year + floor_division(month, MONTHS_PER_YEAR);
    month = month - floor_division(month, MONTHS_PER_YEAR) * MONTHS_PER_YEAR + 1;
    int32_t last = civil_month_days(year, (int32_t)month);
    int32_t day = civil.day > last ? last : civil.day;
    return join(civil_to_days(year, (int32_t)month, day), time, timestamp);
}

tdbplus_status timestamp_add(int64_t timestamp, const struct interval *interval,
                             const struct tz *zone, int64_t *timestamp_out, struct err *err)
{
    if (!timestamp_is_finite(timestamp)) {
        *timestamp_out = timestamp;
        return TDBPLUS_OK;
    }
    bool fits = true;
    if (interval->months != 0 || interval->days != 0) {
        // Months and days are those of the local calendar: a day may have 23 or 25 hours.
        int64_t local = to_local(timestamp, zone);
        fits = interval->months == 0 || add_months(&local, interval->months);
        int64_t days = floor_division(local, US_PER_DAY);
        fits = fits && join(days + interval->days, local - days * US_PER_DAY, &local);
        timestamp = of_local(local, zone);
    }
    if (!fits || __builtin_add_overflow(timestamp, interval->microseconds, &timestamp) ||
        !timestamp_in_range(timestamp)) {
        return timestamp_out_of_range(err);
    }
    *timestamp_out = timestamp;
    return TDBPLUS_OK;
}

tdbplus_status timestamp_difference(int64_t left, int64_t right, struct interval *interval_out,
                                    struct err *err)
{
    int64_t time = 0;
    if (!timestamp_is_finite(left) || !timestamp_is_finite(right)) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22008", "cannot subtract infinite timestamps");
    }
    if (__builtin_sub_overflow(left, right, &time)) {
        return interval_out_of_range(err);
    }
    *interval_out =
        (struct interval){.days = (int32_t)(time / US_PER_DAY), .microseconds = time % US_PER_DAY};
    return TDBPLUS_OK;
}

/* Takes `borrow` of the next larger field for every field that is below zero. */
static void carry_negative(int64_t *field, int64_t unit, int64_t *larger)
{
    if (*field < 0) {
        *field += unit;
        (*larger)--;
    }
}

tdbplus_status timestamp_age(int64_t left, int64_t right, struct interval *interval_out,
                             struct err *err)
{
    if (!timestamp_is_finite(left) || !timestamp_is_finite(right)) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22008", "timestamp out of range");
    }
    struct civil later;
    struct civil earlier;
    bool is_negative = left < right;
    civil_of_timestamp(is_negative ? right : left, &later);
    civil_of_timestamp(is_negative ? left : right, &earlier);
    int64_t time = (later.hour - earlier.hour) * US_PER_HOUR +
                   (later.minute - earlier.minute) * US_PER_MINUTE +
                   (later.second - earlier.second) * US_PER_SECOND +
                   (later.microsecond - earlier.microsecond);
    int64_t days = later.day - earlier.day;
    int64_t months = later.month - earlier.month;
    int64_t years = (int64_t)later.year - earlier.year;
    carry_negative(&time, US_PER_DAY, &days);
    // Days are borrowed from the month of the earlier moment.
    while (days < 0) {
        carry_negative(&days, civil_month_days(earlier.year, earlier.month), &months);
    }
    carry_negative(&months, MONTHS_PER_YEAR, &years);
    int64_t sign = is_negative ? -1 : 1;
    *interval_out = (struct interval){
        .months = (int32_t)(sign * (years * MONTHS_PER_YEAR + months)),
        .days = (int32_t)(sign * days),
        .microseconds = sign * time,
    };
    return TDBPLUS_OK;
}

/* ---- intervals ---- */

tdbplus_status interval_add(const struct interval *left, const struct interval *right,
                            struct interval *interval_out, struct err *err)
{
    struct interval sum;
    if (__builtin_add_overflow(left->months, right->months, &sum.months) ||
        __builtin_add_overflow(left->days, right->days, &sum.days) ||
        __builtin_add_overflow(left->microseconds, right->microseconds, &sum.microseconds)) {
        return interval_out_of_range(err);
    }
    *interval_out = sum;
    return TDBPLUS_OK;
}

tdbplus_status interval_negate(const struct interval *interval, struct interval *interval_out,
                               struct err *err)
{
    if (interval->months == INT32_MIN || interval->days == INT32_MIN ||
        interval->microseconds == INT64_MIN) {
        return interval_out_of_range(err);
    }
    *interval_out = (struct interval){.months = -interval->months,
                                      .days = -interval->days,
                                      .microseconds = -interval->microseconds};
    return TDBPLUS_OK;
}

/* To microseconds, so that what floats lose does not turn a whole day into 23:59:59.999999. */
static double round_to_microseconds(double seconds)
{
    return rint(seconds * 1e6) / 1e6;
}

static bool fits_int32(double value)
{
    return value >= (double)INT32_MIN && value <= (double)INT32_MAX;
}

tdbplus_status interval_multiply(const struct interval *interval, double factor,
                                 struct interval *interval_out, struct err *err)
{
    double months = interval->months * factor;
    double days = interval->days * factor;
    if (isnan(factor) || !fits_int32(months) || !fits_int32(days)) {
        return interval_out_of_range(err);
    }
    struct interval product = {.months = (int32_t)months, .days = (int32_t)days};
    double month_days = round_to_microseconds((months - product.months) * DAYS_PER_MONTH);
    double seconds = round_to_microseconds(
        (days - product.days + month_days - (int32_t)month_days) * SECONDS_PER_DAY);
    int32_t more_days = (int32_t)month_days;
    if (fabs(seconds) >= SECONDS_PER_DAY) {
        int32_t whole = (int32_t)(seconds / SECONDS_PER_DAY);
        more_days += whole;
        seconds -= whole * SECONDS_PER_DAY;
    }
    double time = rint((double)interval->microseconds * factor + seconds * 1e6);
    if (__builtin_add_overflow(product.days, more_days, &product.days) || isnan(time) ||
        time < -9223372036854775808.0 || time >= 9223372036854775808.0) {
        return interval_out_of_range(err);
    }
    product.microseconds = (int64_t)time;
    *interval_out = product;
    return TDBPLUS_OK;
}

/* ---- fields ---- */

/* With its size: this is asked for every row of EXTRACT and date_trunc. */
#define NAMED(NAME, FIELD)             \
    {                                  \
#NAME, sizeof #NAME - 1, FIELD \
    }

bool datetime_field_of(struct span name, enum datetime_field *field_out)
{
    static const struct {
        const char *name;
        size_t size;
        enum datetime_field field;
    } names[] = {
        NAMED(microseconds, FIELD_MICROSECONDS),
        NAMED(microsecond, FIELD_MICROSECONDS),
        NAMED(usec, FIELD_MICROSECONDS),
        NAMED(milliseconds, FIELD_MILLISECONDS),
        NAMED(millisecond, FIELD_MILLISECONDS),
        NAMED(msec, FIELD_MILLISECONDS),
        NAMED(second, FIELD_SECOND),
        NAMED(seconds, FIELD_SECOND),
        NAMED(sec, FIELD_SECOND),
        NAMED(minute, FIELD_MINUTE),
        NAMED(minutes, FIELD_MINUTE),
        NAMED(min, FIELD_MINUTE),
        NAMED(hour, FIELD_HOUR),
        NAMED(hours, FIELD_HOUR),
        NAMED(day, FIELD_DAY),
        NAMED(days, FIELD_DAY),
        NAMED(week, FIELD_WEEK),
        NAMED(weeks, FIELD_WEEK),
        NAMED(month, FIELD_MONTH),
        NAMED(months, FIELD_MONTH),
        NAMED(mon, FIELD_MONTH),
        NAMED(quarter, FIELD_QUARTER),
        NAMED(year, FIELD_YEAR),
        NAMED(years, FIELD_YEAR),
        NAMED(decade, FIELD_DECADE),
        NAMED(decades, FIELD_DECADE),
        NAMED(century, FIELD_CENTURY),
        NAMED(centuries, FIELD_CENTURY),
        NAMED(millennium, FIELD_MILLENNIUM),
        NAMED(millennia, FIELD_MILLENNIUM),
        NAMED(isoyear, FIELD_ISOYEAR),
        NAMED(dow, FIELD_DOW),
        NAMED(isodow, FIELD_ISODOW),
        NAMED(doy, FIELD_DOY),
        NAMED(epoch, FIELD_EPOCH),
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name.size == names[i].size &&
            strncasecmp((const char *)name.data, names[i].name, name.size) == 0) {
            *field_out = names[i].field;
            return true;
        }
    }
    return false;
}

/* Monday is 0. */
static int32_t weekday(int64_t days)
{
    int64_t day = (days + 3) % 7; // 1970-01-01 was a Thursday.
    return (int32_t)(day < 0 ? day + 7 : day);
}

/* The first day of the ISO week that a day is in. */
static int64_t week_start(int64_t days)
{
    return days - weekday(days);
}

/* ISO weeks belong to the year that their Thursday is in. */
static int32_t iso_year(int64_t days)
{
    struct civil civil;
    civil_of_days(week_start(days) + 3, &civil);
    return civil.year;
}

static int32_t iso_week(int64_t days)
{
    int64_t thursday = week_start(days) + 3;
    return (int32_t)((thursday - civil_to_days(iso_year(days), 1, 1)) / 7 + 1);
}

/* First year of the decade, century or millennium; they begin with 0, 1 and 1. */
static int64_t truncate_year(int64_t year, int64_t unit)
{
    if (unit == 10) {
        return floor_division(year, 10) * 10;
    }
    return year > 0 ? (year - 1) / unit * unit + 1 : year / unit * unit - (unit - 1);
}

static int64_t truncate_days(int64_t days, enum datetime_field field)
{
    struct civil civil;
    civil_of_days(days, &civil);
    switch ((int)field) {
    case FIELD_WEEK:
        return week_start(days);
    case FIELD_MONTH:
        return civil_to_days(civil.year, civil.month, 1);
    case FIELD_QUARTER:
        return civil_to_days(civil.year, (civil.month - 1) / 3 * 3 + 1, 1);
    case FIELD_YEAR:
        return civil_to_days(civil.year, 1, 1);
    default:
        break;
    }
    int64_t unit = field == FIELD_DECADE ? 10 : field == FIELD_CENTURY ? 100 : 1000;
    return civil_to_days(truncate_year(civil.year, unit), 1, 1);
}

tdbplus_status timestamp_truncate(int64_t timestamp, enum datetime_field field,
                                  const struct tz *zone, int64_t *timestamp_out, struct err *err)
{
    static const int64_t units[] = {
        [FIELD_MICROSECONDS] = 1,       [FIELD_MILLISECONDS] = 1000, [FIELD_SECOND] = US_PER_SECOND,
        [FIELD_MINUTE] = US_PER_MINUTE, [FIELD_HOUR] = US_PER_HOUR,  [FIELD_DAY] = US_PER_DAY,
    };
    if (field > FIELD_MILLENNIUM) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "timestamp units are not supported here");
    }
    if (!timestamp_is_finite(timestamp)) {
        *timestamp_out = timestamp;
        return TDBPLUS_OK;
    }
    int64_t local = to_local(timestamp, zone);
    int64_t days = floor_division(local, US_PER_DAY);
    if (field <= FIELD_DAY) {
        int64_t time = local - days * US_PER_DAY;
        local -= time % units[field];
        // Up to hours the offset does not change by cutting, even in the hour that comes twice.
        *timestamp_out =
            field == FIELD_DAY ? of_local(local, zone) : timestamp - time % units[field];
        return TDBPLUS_OK;
    }
    if (!join(truncate_days(days, field), 0, &local)) {
        return timestamp_out_of_range(err);
    }
    *timestamp_out = of_local(local, zone);
    return TDBPLUS_OK;
}

static int64_t extract_year_unit(int64_t year, enum datetime_field field)
{
    switch ((int)field) {
    case FIELD_DECADE:
        return floor_division(year, 10);
    case FIELD_CENTURY:
        return year > 0 ? (year + 99) / 100 : -((99 - (year - 1)) / 100);
    case FIELD_MILLENNIUM:
        return year > 0 ? (year + 999) / 1000 : -((999 - (year - 1)) / 1000);
    default:
        return year > 0 ? year : year - 1; // There is no year 0 to show.
    }
}

static int64_t extract_of_days(int64_t days, enum datetime_field field)
{
    struct civil civil;
    civil_of_days(days, &civil);
    switch ((int)field) {
    case FIELD_DAY:
        return civil.day;
    case FIELD_WEEK:
        return iso_week(days);
    case FIELD_MONTH:
        return civil.month;
    case FIELD_QUARTER:
        return (civil.month - 1) / 3 + 1;
    case FIELD_ISOYEAR:
        return extract_year_unit(iso_year(days), FIELD_YEAR);
    case FIELD_DOW:
        return (weekday(days) + 1) % 7;
    case FIELD_ISODOW:
        return weekday(days) + 1;
    case FIELD_DOY:
        return days - civil_to_days(civil.year, 1, 1) + 1;
    default:
        return extract_year_unit(civil.year, field);
    }
}

/* Fields of a time of day, and of the time of an interval. */
static int64_t extract_of_time(int64_t time, enum datetime_field field, unsigned *scale_out)
{
    int64_t in_minute = time % US_PER_MINUTE;
    *scale_out = 0;
    switch ((int)field) {
    case FIELD_MICROSECONDS:
        return in_minute;
    case FIELD_MILLISECONDS:
        *scale_out = 3;
        return in_minute;
    case FIELD_SECOND:
        *scale_out = 6;
        return in_minute;
    case FIELD_MINUTE:
        return time / US_PER_MINUTE % 60;
    default:
        return time / US_PER_HOUR;
    }
}

int64_t timestamp_extract(int64_t timestamp, enum datetime_field field, const struct tz *zone,
                          unsigned *scale_out)
{
    ASSERT(timestamp_is_finite(timestamp));
    if (field == FIELD_EPOCH) {
        *scale_out = 6;
        return timestamp;
    }
    int64_t local = to_local(timestamp, zone);
    int64_t days = floor_division(local, US_PER_DAY);
    if (field <= FIELD_HOUR) {
        return extract_of_time(local - days * US_PER_DAY, field, scale_out);
    }
    *scale_out = 0;
    return extract_of_days(days, field);
}

tdbplus_status interval_extract(const struct interval *interval, enum datetime_field field,
                                int64_t *value_out, unsigned *scale_out, struct err *err)
{
    int64_t years = interval->months / MONTHS_PER_YEAR;
    int64_t months = interval->months % MONTHS_PER_YEAR;
    int64_t value = 0;
    *scale_out = 0;
    switch ((int)field) {
    case FIELD_MICROSECONDS:
    case FIELD_MILLISECONDS:
    case FIELD_SECOND:
    case FIELD_MINUTE:
    case FIELD_HOUR:
        value = extract_of_time(interval->microseconds, field, scale_out);
        break;
    case FIELD_DAY:
        value = interval->days;
        break;
    case FIELD_MONTH:
        value = months;
        break;
    case FIELD_QUARTER:
        value = months / 3 + 1;
        break;
    case FIELD_YEAR:
        value = years;
        break;
    case FIELD_DECADE:
    case FIELD_CENTURY:
    case FIELD_MILLENNIUM:
        value = years / (field == FIELD_DECADE ? 10 : field == FIELD_CENTURY ? 100 : 1000);
        break;
    case FIELD_EPOCH: {
        // A year counts 365.25 days here, a month of what is left 30.
        wide_int seconds4 = (wide_int)years * 1461 * 86400 + (wide_int)months * 120 * 86400 +
                            (wide_int)interval->days * 4 * 86400;
        wide_int epoch = seconds4 * (US_PER_SECOND / 4) + interval->microseconds;
        if (epoch > INT64_MAX || epoch < INT64_MIN) {
            return interval_out_of_range(err);
        }
        value = (int64_t)epoch;
        *scale_out = 6;
        break;
    }
    case FIELD_WEEK:
    case FIELD_ISOYEAR:
    case FIELD_DOW:
    case FIELD_ISODOW:
    case FIELD_DOY:
    default:
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "interval units are not supported here");
    }
    *value_out = value;
    return TDBPLUS_OK;
}
