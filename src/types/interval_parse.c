/* Reading of intervals: "1 year 2 mons -3 days 04:05:06.7", "P1Y2M3DT4H", "1-2 3 4:05", "5 days
 * ago". */

#include <math.h>
#include <strings.h>

#include "base/codec.h"
#include "types/datetime_text.h"
#include "types/float_text.h"
#include "types/types_internal.h"

#define TEXT_SIZE_MAX   256u
#define MONTHS_PER_YEAR 12
#define DAYS_PER_MONTH  30

struct scan {
    struct span rest;
    struct span text;
    struct interval interval;
    uint32_t field_count;
    uint32_t units; /* A bit for each unit that was seen. */
    bool overflow;
    bool repeated;
};

/* A number with its fraction apart, both with the number's sign. */
struct quantity {
    int64_t whole;
    double fraction;
};

enum unit {
    UNIT_NONE,
    UNIT_MICROSECOND,
    UNIT_MILLISECOND,
    UNIT_SECOND,
    UNIT_MINUTE,
    UNIT_HOUR,
    UNIT_DAY,
    UNIT_WEEK,
    UNIT_MONTH,
    UNIT_YEAR,
    UNIT_DECADE,
    UNIT_CENTURY,
    UNIT_MILLENNIUM,
};

static uint8_t peek(const struct scan *scan)
{
    return scan->rest.size > 0 ? scan->rest.data[0] : 0;
}

static uint8_t take(struct scan *scan)
{
    uint8_t byte = scan->rest.data[0];
    scan->rest.data++;
    scan->rest.size--;
    return byte;
}

static bool skip(struct scan *scan, uint8_t byte)
{
    if (scan->rest.size == 0 || peek(scan) != byte) {
        return false;
    }
    (void)take(scan);
    return true;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static void skip_spaces(struct scan *scan)
{
    while (scan->rest.size > 0 &&
           (peek(scan) == ' ' || (peek(scan) >= '\t' && peek(scan) <= '\r'))) {
        (void)take(scan);
    }
}

/* ---- adding to the interval, as PostgreSQL spreads fractions ---- */

static void add_months(struct scan *scan, int64_t value, int64_t scale)
{
    int64_t months = 0;
    int32_t narrow = 0;
    scan->overflow |= __builtin_mul_overflow(value, scale, &months) ||
                      __builtin_add_overflow(months, scan->interval.months, &narrow);
    scan->interval.months = narrow;
}

static void add_days(struct scan *scan, int64_t value, int64_t scale)
{
    int64_t days = 0;
    int32_t narrow = 0;
    scan->overflow |= __builtin_mul_overflow(value, scale, &days) ||
                      __builtin_add_overflow(days, scan->interval.days, &narrow);
    scan->interval.days = narrow;
}

static void add_microseconds(struct scan *scan, int64_t value, int64_t scale)
{
    int64_t time = 0;
    scan->overflow |=
        __builtin_mul_overflow(value, scale, &time) ||
        __builtin_add_overflow(time, scan->interval.microseconds, &scan->interval.microseconds);
}

static void add_time_fraction(struct scan *scan, double fraction, int64_t scale)
{
    fraction *= (double)scale;
    int64_t time = (int64_t)fraction;
    double rest = fraction - (double)time;
    time += rest > 0.5 ? 1 : rest < -0.5 ? -1 : 0;
    add_microseconds(scan, time, 1);
}

static void add_day_fraction(struct scan *scan, double fraction, int32_t scale)
{
    fraction *= scale;
    int32_t days = (int32_t)fraction;
    add_days(scan, days, 1);
    add_time_fraction(scan, fraction - days, US_PER_DAY);
}

static void add(struct scan *scan, const struct quantity *quantity, enum unit unit)
{
    static const int64_t times[] = {
        [UNIT_MICROSECOND] = 1,        [UNIT_MILLISECOND] = 1000, [UNIT_SECOND] = US_PER_SECOND,
        [UNIT_MINUTE] = US_PER_MINUTE, [UNIT_HOUR] = US_PER_HOUR,
    };
    static const int32_t years[] = {
        [UNIT_YEAR] = 1, [UNIT_DECADE] = 10, [UNIT_CENTURY] = 100, [UNIT_MILLENNIUM] = 1000};
    if (unit <= UNIT_HOUR) {
        add_microseconds(scan, quantity->whole, times[unit]);
        add_time_fraction(scan, quantity->fraction, times[unit]);
    } else if (unit == UNIT_DAY) {
        add_days(scan, quantity->whole, 1);
        add_time_fraction(scan, quantity->fraction, US_PER_DAY);
    } else if (unit == UNIT_WEEK) {
        add_days(scan, quantity->whole, 7);
        add_day_fraction(scan, quantity->fraction, 7);
    } else if (unit == UNIT_MONTH) {
        add_months(scan, quantity->whole, 1);
        add_day_fraction(scan, quantity->fraction, DAYS_PER_MONTH);
    } else {
        add_months(scan, quantity->whole, (int64_t)years[unit] * MONTHS_PER_YEAR);
        add_months(scan, (int64_t)rint(quantity->fraction * years[unit] * MONTHS_PER_YEAR), 1);
    }
    scan->field_count++;
    scan->repeated |= (scan->units & 1u << unit) != 0;
    scan->units |= 1u << unit;
}

/* ---- tokens ---- */

/* Digits, perhaps with a fraction; false when there is neither. */
static bool take_quantity(struct scan *scan, bool is_negative, struct quantity *quantity)
{
    uint32_t digits = 0;
    int64_t whole = 0;
    for (; is_digit(peek(scan)); digits++) {
        int64_t digit = take(scan) - '0';
        if (whole > (INT64_MAX - digit) / 10) {
            scan->overflow = true;
            whole = 0;
        }
        whole = whole * 10 + digit;
    }
    double fraction = 0;
    if (peek(scan) == '.') {
        struct span text = scan->rest;
        (void)take(scan);
        while (is_digit(peek(scan))) {
            (void)take(scan);
            digits++;
        }
        text.size -= scan->rest.size;
        if (text.size > 1 && float_text_to_double(text, &fraction) == FLOAT_TEXT_INVALID) {
            return false;
        }
    }
    *quantity = (struct quantity){.whole = is_negative ? -whole : whole,
                                  .fraction = is_negative ? -fraction : fraction};
    return digits > 0;
}

static enum unit unit_of(struct span word)
{
    static const struct {
        const char *name;
        enum unit unit;
    } units[] = {
        {"us", UNIT_MICROSECOND},
        {"usec", UNIT_MICROSECOND},
        {"usecs", UNIT_MICROSECOND},
        {"microsecond", UNIT_MICROSECOND},
        {"microseconds", UNIT_MICROSECOND},
        {"ms", UNIT_MILLISECOND},
        {"msec", UNIT_MILLISECOND},
        {"msecs", UNIT_MILLISECOND},
        {"millisecond", UNIT_MILLISECOND},
        {"milliseconds", UNIT_MILLISECOND},
        {"s", UNIT_SECOND},
        {"sec", UNIT_SECOND},
        {"secs", UNIT_SECOND},
        {"second", UNIT_SECOND},
        {"seconds", UNIT_SECOND},
        {"m", UNIT_MINUTE},
        {"min", UNIT_MINUTE},
        {"mins", UNIT_MINUTE},
        {"minute", UNIT_MINUTE},
        {"minutes", UNIT_MINUTE},
        {"h", UNIT_HOUR},
        {"hr", UNIT_HOUR},
        {"hrs", UNIT_HOUR},
        {"hour", UNIT_HOUR},
        {"hours", UNIT_HOUR},
        {"d", UNIT_DAY},
        {"day", UNIT_DAY},
        {"days", UNIT_DAY},
        {"w", UNIT_WEEK},
        {"week", UNIT_WEEK},
        {"weeks", UNIT_WEEK},
        {"mon", UNIT_MONTH},
        {"mons", UNIT_MONTH},
        {"month", UNIT_MONTH},
        {"months", UNIT_MONTH},
        {"y", UNIT_YEAR},
        {"yr", UNIT_YEAR},
        {"yrs", UNIT_YEAR},
        {"year", UNIT_YEAR},
        {"years", UNIT_YEAR},
        {"decade", UNIT_DECADE},
        {"decades", UNIT_DECADE},
        {"c", UNIT_CENTURY},
        {"cent", UNIT_CENTURY},
        {"century", UNIT_CENTURY},
        {"centuries", UNIT_CENTURY},
        {"mil", UNIT_MILLENNIUM},
        {"mils", UNIT_MILLENNIUM},
        {"millennium", UNIT_MILLENNIUM},
        {"millennia", UNIT_MILLENNIUM},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (word.size == strlen(units[i].name) &&
            strncasecmp((const char *)word.data, units[i].name, word.size) == 0) {
            return units[i].unit;
        }
    }
    return UNIT_NONE;
}

/* After hours: ":mm[:ss[.f]]". */
static bool take_clock(struct scan *scan, const struct quantity *hours, bool is_negative)
{
    struct quantity minutes = {0};
    struct quantity seconds = {0};
    (void)take(scan);
    bool has_minutes = is_digit(peek(scan));
    if (hours->fraction != 0 || (has_minutes && !take_quantity(scan, is_negative, &minutes)) ||
        minutes.fraction != 0) {
        return false;
    }
    if (skip(scan, ':') && !take_quantity(scan, is_negative, &seconds)) {
        return false;
    }
    int64_t sign = is_negative ? -1 : 1;
    scan->overflow |= minutes.whole * sign > 59 || seconds.whole * sign > 60;
    add(scan, hours, UNIT_HOUR);
    add(scan, &minutes, UNIT_MINUTE);
    add(scan, &seconds, UNIT_SECOND);
    return true;
}

/* Whether a clock time follows the spaces here: then a number before it is days. */
static bool clock_follows(struct scan scan)
{
    skip_spaces(&scan);
    if (peek(&scan) == '+' || peek(&scan) == '-') {
        (void)take(&scan);
    }
    uint32_t digits = 0;
    while (is_digit(peek(&scan))) {
        (void)take(&scan);
        digits++;
    }
    return digits > 0 && peek(&scan) == ':';
}

/* A number and what it counts. */
static bool take_field(struct scan *scan)
{
    bool is_negative = peek(scan) == '-';
    if (is_negative || peek(scan) == '+') {
        (void)take(scan);
        skip_spaces(scan);
    }
    struct quantity quantity;
    if (!take_quantity(scan, is_negative, &quantity)) {
        return false;
    }
    if (peek(scan) == ':') {
        return take_clock(scan, &quantity, is_negative);
    }
    if (peek(scan) == '-' && quantity.fraction == 0) {
        struct quantity months;
        (void)take(scan);
        // A third number would make it a date.
        if (!take_quantity(scan, is_negative, &months) || months.fraction != 0 ||
            peek(scan) == '-') {
            return false;
        }
        scan->overflow |= months.whole >= MONTHS_PER_YEAR || months.whole <= -MONTHS_PER_YEAR;
        add(scan, &quantity, UNIT_YEAR);
        add(scan, &months, UNIT_MONTH);
        return true;
    }
    struct scan before = *scan;
    skip_spaces(scan);
    struct span word = {.data = scan->rest.data};
    while (is_letter(peek(scan))) {
        (void)take(scan);
        word.size++;
    }
    enum unit unit = unit_of(word);
    if (word.size == 0) {
        bool is_last = scan->rest.size == 0;
        *scan = before;
        unit = clock_follows(*scan) ? UNIT_DAY : is_last ? UNIT_SECOND : UNIT_NONE;
    }
    if (unit == UNIT_NONE) {
        return false;
    }
    add(scan, &quantity, unit);
    return true;
}

/* After "P": "1Y2M3W4DT5H6M7.8S". */
static bool take_iso(struct scan *scan)
{
    bool in_time = false;
    while (scan->rest.size > 0) {
        if (skip(scan, 'T')) {
            if (in_time) {
                return false;
            }
            in_time = true;
            continue;
        }
        bool is_negative = skip(scan, '-');
        if (!is_negative) {
            (void)skip(scan, '+');
        }
        struct quantity quantity;
        if (!take_quantity(scan, is_negative, &quantity) || scan->rest.size == 0) {
            return false;
        }
        enum unit unit = UNIT_NONE;
        switch (take(scan)) {
        case 'Y':
            unit = in_time ? UNIT_NONE : UNIT_YEAR;
            break;
        case 'M':
            unit = in_time ? UNIT_MINUTE : UNIT_MONTH;
            break;
        case 'W':
            unit = in_time ? UNIT_NONE : UNIT_WEEK;
            break;
        case 'D':
            unit = in_time ? UNIT_NONE : UNIT_DAY;
            break;
        case 'H':
            unit = in_time ? UNIT_HOUR : UNIT_NONE;
            break;
        case 'S':
            unit = in_time ? UNIT_SECOND : UNIT_NONE;
            break;
        default:
            return false;
        }
        if (unit == UNIT_NONE) {
            return false;
        }
        add(scan, &quantity, unit);
    }
    return scan->field_count > 0;
}

static bool take_all(struct scan *scan, bool *is_ago_out)
{
    skip_spaces(scan);
    if (skip(scan, 'P')) {
        return take_iso(scan);
    }
    (void)skip(scan, '@');
    for (;;) {
        skip_spaces(scan);
        if (skip(scan, ',')) {
            continue;
        }
        if (scan->rest.size == 0) {
            return scan->field_count > 0;
        }
        if (scan->rest.size == 3 && strncasecmp((const char *)scan->rest.data, "ago", 3) == 0) {
            *is_ago_out = true;
            return scan->field_count > 0;
        }
        if (!take_field(scan)) {
            return false;
        }
    }
}

tdbplus_status interval_parse(struct span text, struct interval *interval_out, struct err *err)
{
    struct scan scan = {.rest = text, .text = text};
    while (scan.rest.size > 0 && scan.rest.data[scan.rest.size - 1] == ' ') {
        scan.rest.size--;
    }
    bool is_ago = false;
    if (text.size > TEXT_SIZE_MAX || !take_all(&scan, &is_ago) || scan.repeated) {
        return err_set_state(
            err, TDBPLUS_E_SYNTAX, "22007", "invalid input syntax for type interval: \"%.*s\"",
            (int)(text.size > TEXT_SIZE_MAX ? TEXT_SIZE_MAX : text.size), (const char *)text.data);
    }
    if (scan.overflow) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22015",
                             "interval field value out of range: \"%.*s\"", (int)text.size,
                             (const char *)text.data);
    }
    if (is_ago) {
        return interval_negate(&scan.interval, interval_out, err);
    }
    *interval_out = scan.interval;
    return TDBPLUS_OK;
}
