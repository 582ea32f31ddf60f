/* Printing of dates, times and intervals. Reading is in datetime_parse.c. */

#include "types/datetime_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define MONTHS_PER_YEAR 12
#define TEXT_SIZE_MAX   128

static void print_infinity(bool positive, struct buffer *text)
{
    buffer_put_text(text, positive ? "infinity" : "-infinity");
}

/* Writes `value` with at least `width` digits; returns what follows. */
static char *put_digits(char *at, uint32_t value, unsigned width)
{
    char digits[10];
    unsigned count = 0;
    while (value > 0 || count < width) {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    }
    while (count > 0) {
        *at++ = digits[--count];
    }
    return at;
}

static char *put_date(char *at, const struct civil *civil)
{
    // Year 0 is 1 BC.
    uint32_t year = (uint32_t)(civil->year > 0 ? civil->year : 1 - civil->year);
    at = put_digits(at, year, 4);
    *at++ = '-';
    at = put_digits(at, (uint32_t)civil->month, 2);
    *at++ = '-';
    return put_digits(at, (uint32_t)civil->day, 2);
}

/* Fractions of a second, without zeros at the end. */
static char *put_fraction(char *at, uint32_t microseconds)
{
    if (microseconds == 0) {
        return at;
    }
    *at++ = '.';
    at = put_digits(at, microseconds, 6);
    while (at[-1] == '0') {
        at--;
    }
    return at;
}

static char *put_time(char *at, uint64_t time)
{
    at = put_digits(at, (uint32_t)(time / (uint64_t)US_PER_HOUR), 2);
    *at++ = ':';
    at = put_digits(at, (uint32_t)(time / (uint64_t)US_PER_MINUTE % 60), 2);
    *at++ = ':';
    at = put_digits(at, (uint32_t)(time / (uint64_t)US_PER_SECOND % 60), 2);
    return put_fraction(at, (uint32_t)(time % (uint64_t)US_PER_SECOND));
}

static char *put_era(char *at, const struct civil *civil)
{
    if (civil->year <= 0) {
        *at++ = ' ';
        *at++ = 'B';
        *at++ = 'C';
    }
    return at;
}

void date_print(int32_t date, struct buffer *text)
{
    if (date == DATE_INFINITY || date == DATE_MINUS_INFINITY) {
        print_infinity(date == DATE_INFINITY, text);
        return;
    }
    char start[TEXT_SIZE_MAX];
    struct civil civil;
    civil_of_days(date, &civil);
    char *at = put_era(put_date(start, &civil), &civil);
    buffer_put(text, start, (size_t)(at - start));
}

void time_print(int64_t time, struct buffer *text)
{
    char start[TEXT_SIZE_MAX];
    char *at = put_time(start, (uint64_t)time);
    buffer_put(text, start, (size_t)(at - start));
}

static char *put_offset(char *at, int32_t offset)
{
    uint32_t seconds = (uint32_t)(offset < 0 ? -offset : offset);
    *at++ = offset < 0 ? '-' : '+';
    at = put_digits(at, seconds / 3600, 2);
    if (seconds % 3600 != 0) {
        *at++ = ':';
        at = put_digits(at, seconds / 60 % 60, 2);
    }
    if (seconds % 60 != 0) {
        *at++ = ':';
        at = put_digits(at, seconds % 60, 2);
    }
    return at;
}

void timetz_print(int64_t time, int32_t offset, struct buffer *text)
{
    char start[TEXT_SIZE_MAX];
    char *at = put_offset(put_time(start, (uint64_t)time), offset);
    buffer_put(text, start, (size_t)(at - start));
}

/* A finite local time with an offset, if there is one to show. */
static void print_local(int64_t local, const int32_t *offset, struct buffer *text)
{
    char start[TEXT_SIZE_MAX];
    struct civil civil;
    civil_of_timestamp(local, &civil);
    char *at = put_date(start, &civil);
    *at++ = ' ';
    int64_t time = local % US_PER_DAY;
    at = put_time(at, (uint64_t)(time < 0 ? time + US_PER_DAY : time));
    if (offset != NULL) {
        at = put_offset(at, *offset);
    }
    at = put_era(at, &civil);
    buffer_put(text, start, (size_t)(at - start));
}

void timestamp_print(int64_t timestamp, struct buffer *text)
{
    if (!timestamp_is_finite(timestamp)) {
        print_infinity(timestamp > 0, text);
        return;
    }
    print_local(timestamp, NULL, text);
}

void timestamptz_print(int64_t timestamp, const struct tz *zone, struct buffer *text)
{
    if (!timestamp_is_finite(timestamp)) {
        print_infinity(timestamp > 0, text);
        return;
    }
    int32_t offset = tz_offset_at(zone, timestamp);
    print_local(timestamp + offset * US_PER_SECOND, &offset, text);
}

/* One field of an interval. A sign is shown, and then also on what follows a negative field. */
static char *put_unit(char *at, int64_t value, const char *unit, bool *is_first,
                      bool *after_negative)
{
    if (value == 0) {
        return at;
    }
    const char *space = *is_first ? "" : " ";
    const char *plus = *after_negative && value > 0 ? "+" : "";
    int size =
        snprintf(at, 40, "%s%s%" PRId64 " %s%s", space, plus, value, unit, value == 1 ? "" : "s");
    *after_negative = value < 0;
    *is_first = false;
    return at + size;
}

void interval_print(const struct interval *interval, struct buffer *text)
{
    char start[TEXT_SIZE_MAX];
    char *at = start;
    bool is_first = true;
    bool after_negative = false;
    int64_t time = interval->microseconds;
    at = put_unit(at, interval->months / MONTHS_PER_YEAR, "year", &is_first, &after_negative);
    at = put_unit(at, interval->months % MONTHS_PER_YEAR, "mon", &is_first, &after_negative);
    at = put_unit(at, interval->days, "day", &is_first, &after_negative);
    if (is_first || time != 0) {
        if (!is_first) {
            *at++ = ' ';
        }
        if (time < 0 || after_negative) {
            *at++ = time < 0 ? '-' : '+';
        }
        at = put_time(at, time < 0 ? 0 - (uint64_t)time : (uint64_t)time);
    }
    ASSERT(at <= start + sizeof start);
    buffer_put(text, start, (size_t)(at - start));
}
