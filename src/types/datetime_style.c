/* Dates, times and intervals in the styles that are not PostgreSQL's own default. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "types/datetime_text.h"

#define MONTHS_PER_YEAR 12

static bool print_infinite(bool infinite, bool positive, struct buffer *text)
{
    if (infinite) {
        buffer_put_text(text, positive ? "infinity" : "-infinity");
    }
    return infinite;
}

static int shown_year(const struct civil *civil)
{
    return civil->year > 0 ? civil->year : 1 - civil->year;
}

static void put_era(const struct civil *civil, struct buffer *text)
{
    if (civil->year <= 0) {
        buffer_put_text(text, " BC");
    }
}

static void put_date(const struct civil *civil, enum date_style style, enum datetime_order order,
                     struct buffer *text)
{
    char separator = style == DATE_STYLE_SQL ? '/' : style == DATE_STYLE_GERMAN ? '.' : '-';
    bool day_first = style == DATE_STYLE_GERMAN || order == ORDER_DMY;
    buffer_printf(text, "%02d%c%02d%c%04d", day_first ? civil->day : civil->month, separator,
                  day_first ? civil->month : civil->day, separator, shown_year(civil));
}

/* Seconds with what is behind the point, without zeros at the end. */
static void put_seconds(int64_t seconds, int64_t microseconds, int width, struct buffer *text)
{
    buffer_printf(text, "%0*" PRId64, width, seconds);
    if (microseconds == 0) {
        return;
    }
    int digits = 6;
    while (microseconds % 10 == 0) {
        microseconds /= 10;
        digits--;
    }
    buffer_printf(text, ".%0*" PRId64, digits, microseconds);
}

static void put_clock(const struct civil *civil, struct buffer *text)
{
    buffer_printf(text, "%02d:%02d:", civil->hour, civil->minute);
    put_seconds(civil->second, civil->microsecond, 2, text);
}

void date_print_styled(int32_t date, enum date_style style, enum datetime_order order,
                       struct buffer *text)
{
    bool infinite = date == DATE_INFINITY || date == DATE_MINUS_INFINITY;
    if (style == DATE_STYLE_ISO) {
        date_print(date, text);
    } else if (!print_infinite(infinite, date > 0, text)) {
        struct civil civil = {0};
        civil_of_days(date, &civil);
        put_date(&civil, style, order, text);
        put_era(&civil, text);
    }
}

static void put_zone(int64_t timestamp, const struct tz *zone, struct buffer *text)
{
    const char *name = zone == NULL ? "UTC" : tz_abbreviation_at(zone, timestamp);
    if (name != NULL && name[0] != '+' && name[0] != '-' && name[0] != '<') {
        buffer_printf(text, " %s", name);
        return;
    }
    int32_t offset = tz_offset_at(zone, timestamp);
    int32_t seconds = abs(offset);
    buffer_printf(text, " %c%02d", offset < 0 ? '-' : '+', seconds / 3600);
    if (seconds % 3600 != 0) {
        buffer_printf(text, ":%02d", seconds / 60 % 60);
    }
    if (seconds % 60 != 0) {
        buffer_printf(text, ":%02d", seconds % 60);
    }
}

/* "Wed Dec 17 07:37:16 1997". */
static void put_postgres(int64_t local, const struct civil *civil, enum datetime_order order,
                         struct buffer *text)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t day = local / US_PER_DAY - (local % US_PER_DAY < 0);
    buffer_printf(text, "%s ", days[(day % 7 + 7) % 7]);
    if (order == ORDER_DMY) {
        buffer_printf(text, "%02d %s ", civil->day, months[civil->month - 1]);
    } else {
        buffer_printf(text, "%s %02d ", months[civil->month - 1], civil->day);
    }
    put_clock(civil, text);
    buffer_printf(text, " %04d", shown_year(civil));
}

static void put_local(int64_t local, enum date_style style, enum datetime_order order,
                      struct civil *civil, struct buffer *text)
{
    civil_of_timestamp(local, civil);
    if (style == DATE_STYLE_POSTGRES) {
        put_postgres(local, civil, order, text);
        return;
    }
    put_date(civil, style, order, text);
    buffer_put_u8(text, ' ');
    put_clock(civil, text);
}

void timestamp_print_styled(int64_t timestamp, enum date_style style, enum datetime_order order,
                            struct buffer *text)
{
    struct civil civil = {0};
    if (style == DATE_STYLE_ISO) {
        timestamp_print(timestamp, text);
    } else if (!print_infinite(!timestamp_is_finite(timestamp), timestamp > 0, text)) {
        put_local(timestamp, style, order, &civil, text);
        put_era(&civil, text);
    }
}

void timestamptz_print_styled(int64_t timestamp, const struct tz *zone, enum date_style style,
                              enum datetime_order order, struct buffer *text)
{
    struct civil civil = {0};
    if (style == DATE_STYLE_ISO) {
        timestamptz_print(timestamp, zone, text);
    } else if (!print_infinite(!timestamp_is_finite(timestamp), timestamp > 0, text)) {
        int64_t local = timestamp + tz_offset_at(zone, timestamp) * US_PER_SECOND;
        put_local(local, style, order, &civil, text);
        put_zone(timestamp, zone, text);
        put_era(&civil, text);
    }
}

/* ---- intervals ---- */

/* An interval's fields, each with its own sign. */
struct parts {
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t microsecond;
};

static struct parts parts_of(const struct interval *interval)
{
    return (struct parts){
        .year = interval->months / MONTHS_PER_YEAR,
        .month = interval->months % MONTHS_PER_YEAR,
        .day = interval->days,
        .hour = interval->microseconds / US_PER_HOUR,
        .minute = interval->microseconds / US_PER_MINUTE % 60,
        .second = interval->microseconds / US_PER_SECOND % 60,
        .microsecond = interval->microseconds % US_PER_SECOND,
    };
}

static void put_iso_part(int64_t value, char unit, struct buffer *text)
{
    if (value != 0) {
        buffer_printf(text, "%" PRId64 "%c", value, unit);
    }
}

static void print_iso(const struct interval *interval, struct buffer *text)
{
    struct parts parts = parts_of(interval);
    if (interval->months == 0 && interval->days == 0 && interval->microseconds == 0) {
        buffer_put_text(text, "PT0S");
        return;
    }
    buffer_put_u8(text, 'P');
    put_iso_part(parts.year, 'Y', text);
    put_iso_part(parts.month, 'M', text);
    put_iso_part(parts.day, 'D', text);
    if (interval->microseconds != 0) {
        buffer_put_u8(text, 'T');
    }
    put_iso_part(parts.hour, 'H', text);
    put_iso_part(parts.minute, 'M', text);
    if (parts.second != 0 || parts.microsecond != 0) {
        buffer_put_text(text, parts.second < 0 || parts.microsecond < 0 ? "-" : "");
        put_seconds(llabs(parts.second), llabs(parts.microsecond), 1, text);
        buffer_put_u8(text, 'S');
    }
}

static void put_standard_time(const struct parts *parts, struct buffer *text)
{
    buffer_printf(text, "%" PRIu64 ":%02d:", (uint64_t)llabs(parts->hour),
                  (int)llabs(parts->minute));
    put_seconds(llabs(parts->second), llabs(parts->microsecond), 2, text);
}

/* All parts with their signs, where one sign in front does not say it. */
static void print_mixed(const struct interval *interval, const struct parts *parts,
                        struct buffer *text)
{
    buffer_printf(text, "%c%" PRId64 "-%" PRId64 " %c%" PRId64 " %c",
                  interval->months < 0 ? '-' : '+', (int64_t)llabs(parts->year),
                  (int64_t)llabs(parts->month), interval->days < 0 ? '-' : '+',
                  (int64_t)llabs(parts->day), interval->microseconds < 0 ? '-' : '+');
    put_standard_time(parts, text);
}

static void print_standard(const struct interval *interval, struct buffer *text)
{
    struct parts parts = parts_of(interval);
    bool negative = interval->months < 0 || interval->days < 0 || interval->microseconds < 0;
    bool positive = interval->months > 0 || interval->days > 0 || interval->microseconds > 0;
    bool has_days = interval->days != 0 || interval->microseconds != 0;
    if (!negative && !positive) {
        buffer_put_u8(text, '0');
        return;
    }
    if ((negative && positive) || (interval->months != 0 && has_days)) {
        print_mixed(interval, &parts, text);
        return;
    }
    buffer_put_text(text, negative ? "-" : "");
    if (interval->months != 0) {
        buffer_printf(text, "%" PRId64 "-%" PRId64, (int64_t)llabs(parts.year),
                      (int64_t)llabs(parts.month));
        return;
    }
    if (interval->days != 0) {
        buffer_printf(text, "%" PRId64 " ", (int64_t)llabs(parts.day));
    }
    put_standard_time(&parts, text);
}

/* The first field that is there decides whether all of it is "ago". */
struct verbose {
    bool begun;
    bool ago;
};

static void put_verbose(int64_t value, const char *unit, struct verbose *state, struct buffer *text)
{
    if (value == 0) {
        return;
    }
    if (!state->begun) {
        state->ago = value < 0;
    }
    value = state->ago ? -value : value;
    buffer_printf(text, " %" PRId64 " %s%s", value, unit, value == 1 ? "" : "s");
    state->begun = true;
}

static void print_verbose(const struct interval *interval, struct buffer *text)
{
    struct parts parts = parts_of(interval);
    struct verbose state = {0};
    buffer_put_u8(text, '@');
    put_verbose(parts.year, "year", &state, text);
    put_verbose(parts.month, "mon", &state, text);
    put_verbose(parts.day, "day", &state, text);
    put_verbose(parts.hour, "hour", &state, text);
    put_verbose(parts.minute, "min", &state, text);
    if (parts.second != 0 || parts.microsecond != 0) {
        bool negative = parts.second < 0 || parts.microsecond < 0;
        state.ago = state.begun ? state.ago : negative;
        state.begun = true;
        buffer_put_text(text, negative != state.ago ? " -" : " ");
        put_seconds(llabs(parts.second), llabs(parts.microsecond), 1, text);
        bool one = llabs(parts.second) == 1 && parts.microsecond == 0;
        buffer_put_text(text, one ? " sec" : " secs");
    }
    buffer_put_text(text, state.begun ? "" : " 0");
    buffer_put_text(text, state.ago ? " ago" : "");
}

void interval_print_styled(const struct interval *interval, enum interval_style style,
                           struct buffer *text)
{
    switch (style) {
    case INTERVAL_STYLE_VERBOSE:
        print_verbose(interval, text);
        break;
    case INTERVAL_STYLE_SQL:
        print_standard(interval, text);
        break;
    case INTERVAL_STYLE_ISO:
        print_iso(interval, text);
        break;
    case INTERVAL_STYLE_POSTGRES:
        interval_print(interval, text);
        break;
    }
}
