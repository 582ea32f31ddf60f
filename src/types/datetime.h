#pragma once

/*
 * Calendar arithmetic as PostgreSQL does it, in the proleptic Gregorian calendar. Year 0 is 1 BC.
 * Dates reach from 4713 BC to 5874897, timestamps from 4713 BC to 294246 (PostgreSQL: 294276,
 * because it counts from 2000); the ends of the integers are the infinities.
 *
 * Functions that take a `struct tz` compute in that zone's local time; NULL stands for UTC and for
 * timestamps without a zone.
 */

#include <stdbool.h>

#include "base/err.h"
#include "types/type.h"

#define DATE_INFINITY            INT32_MAX
#define DATE_MINUS_INFINITY      INT32_MIN
#define TIMESTAMP_INFINITY       INT64_MAX
#define TIMESTAMP_MINUS_INFINITY INT64_MIN

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (3600 * US_PER_SECOND)
#define US_PER_DAY    (86400 * US_PER_SECOND)

struct tz;

/* A moment as calendars and clocks show it. */
struct civil {
    int32_t year;
    int32_t month; /* 1..12 */
    int32_t day;   /* 1..31 */
    int32_t hour;
    int32_t minute;
    int32_t second;
    int32_t microsecond;
};

/* Days since 1970-01-01 of a date; `month` is 1..12, other fields may be anything. */
int64_t civil_to_days(int64_t year, int32_t month, int64_t day);

/* Sets year, month and day. */
void civil_of_days(int64_t days, struct civil *civil);

/* Days of a month. */
int32_t civil_month_days(int64_t year, int32_t month);

/* Sets everything; for finite timestamps. */
void civil_of_timestamp(int64_t timestamp, struct civil *civil);

static inline bool timestamp_is_finite(int64_t timestamp)
{
    return timestamp != TIMESTAMP_INFINITY && timestamp != TIMESTAMP_MINUS_INFINITY;
}

/* Within the range above, infinities left out. */
bool date_in_range(int64_t days);
bool timestamp_in_range(int64_t timestamp);

/*
 * The functions below fail with TDBPLUS_E_RANGE and SQLSTATE 22008 when a result is out of range.
 * Infinite timestamps stay as they are.
 */

/* Midnight of a date, and the date of a timestamp. */
TDBPLUS_CHECKED tdbplus_status timestamp_of_date(int32_t date, int64_t *timestamp_out,
                                                 struct err *err);
int32_t date_of_timestamp(int64_t timestamp);

/* timestamp + interval: months first (to the last day of a shorter month), then days, then time. */
TDBPLUS_CHECKED tdbplus_status timestamp_add(int64_t timestamp, const struct interval *interval,
                                             const struct tz *zone, int64_t *timestamp_out,
                                             struct err *err);

/* left - right in days and time. */
TDBPLUS_CHECKED tdbplus_status timestamp_difference(int64_t left, int64_t right,
                                                    struct interval *interval_out, struct err *err);

/* left - right in years, months, days and time: age(). */
TDBPLUS_CHECKED tdbplus_status timestamp_age(int64_t left, int64_t right,
                                             struct interval *interval_out, struct err *err);

TDBPLUS_CHECKED tdbplus_status interval_add(const struct interval *left,
                                            const struct interval *right,
                                            struct interval *interval_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status interval_negate(const struct interval *interval,
                                               struct interval *interval_out, struct err *err);

/* interval * factor; parts of a month become days, parts of a day time. */
TDBPLUS_CHECKED tdbplus_status interval_multiply(const struct interval *interval, double factor,
                                                 struct interval *interval_out, struct err *err);

/* What EXTRACT and date_trunc know. */
enum datetime_field {
    FIELD_MICROSECONDS,
    FIELD_MILLISECONDS,
    FIELD_SECOND,
    FIELD_MINUTE,
    FIELD_HOUR,
    FIELD_DAY,
    FIELD_WEEK,
    FIELD_MONTH,
    FIELD_QUARTER,
    FIELD_YEAR,
    FIELD_DECADE,
    FIELD_CENTURY,
    FIELD_MILLENNIUM,
    FIELD_ISOYEAR,
    FIELD_DOW,
    FIELD_ISODOW,
    FIELD_DOY,
    FIELD_EPOCH,
};

/* The field of that name ("year", "years", "dow"...) in any case; false when there is none. */
bool datetime_field_of(struct span name, enum datetime_field *field_out);

/* The timestamp cut to a field, up to FIELD_MILLENNIUM; TDBPLUS_E_UNSUPPORTED for others. */
TDBPLUS_CHECKED tdbplus_status timestamp_truncate(int64_t timestamp, enum datetime_field field,
                                                  const struct tz *zone, int64_t *timestamp_out,
                                                  struct err *err);

/* EXTRACT as value / 10^scale, of a finite timestamp (FIELD_EPOCH counts in UTC whatever the zone).
 */
int64_t timestamp_extract(int64_t timestamp, enum datetime_field field, const struct tz *zone,
                          unsigned *scale_out);

/* The same of an interval; TDBPLUS_E_UNSUPPORTED (0A000) for fields that intervals do not have. */
TDBPLUS_CHECKED tdbplus_status interval_extract(const struct interval *interval,
                                                enum datetime_field field, int64_t *value_out,
                                                unsigned *scale_out, struct err *err);
