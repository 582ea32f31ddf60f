/*
 * Reading of dates and times. The text is cut into tokens (a date, a time, a word, a number, an
 * offset); each fills fields; what may stand beside what is decided at the end.
 */

#include <math.h>
#include <strings.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/datetime_text.h"
#include "types/float_text.h"
#include "types/types_internal.h"

#define NUMBER_DIGITS_MAX 18
#define TEXT_SIZE_MAX     128u
#define OFFSET_HOURS_MAX  15
#define PIVOT_YEAR        70 /* Two-digit years from here are of the last century. */
#define NAME_SIZE_MAX     64u

struct scan {
    struct span rest;
    struct span text; /* All of it, for messages. */
    const char *type;
};

/* What was found. */
struct fields {
    enum datetime_order order; /* Of parts that are numbers. */
    bool has_date;
    bool has_time;
    bool has_offset;
    bool has_month; /* By name; numbers then are day and year. */
    bool is_bc;
    bool is_pm;
    bool is_am;
    bool is_epoch;
    int infinity; /* -1, 0, 1 */
    int64_t year;
    int32_t month;
    int32_t day;
    int64_t time;
    int32_t offset;
    struct span zone; /* A name that only a finder knows. */
    int64_t numbers[2];
    uint32_t digits[2];
    uint32_t number_count;
};

/* ---- errors ---- */

static TDBPLUS_CHECKED tdbplus_status bad_syntax(const struct scan *scan, struct err *err)
{
    return err_set_state(
        err, TDBPLUS_E_SYNTAX, "22007", "invalid input syntax for type %s: \"%.*s\"", scan->type,
        (int)(scan->text.size > 200 ? 200 : scan->text.size), (const char *)scan->text.data);
}

static TDBPLUS_CHECKED tdbplus_status bad_field(const struct scan *scan, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22008",
                         "date/time field value out of range: \"%.*s\"", (int)scan->text.size,
                         (const char *)scan->text.data);
}

static TDBPLUS_CHECKED tdbplus_status out_of_range(const struct scan *scan, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_RANGE, "22008", "%s out of range: \"%.*s\"", scan->type,
                         (int)scan->text.size, (const char *)scan->text.data);
}

/* ---- characters ---- */

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

static uint8_t peek(const struct scan *scan, size_t at)
{
    return at < scan->rest.size ? scan->rest.data[at] : 0;
}

static struct span take(struct scan *scan, size_t size)
{
    struct span taken = {.data = scan->rest.data, .size = size};
    scan->rest.data += size;
    scan->rest.size -= size;
    return taken;
}

static bool skip(struct scan *scan, uint8_t byte)
{
    if (peek(scan, 0) != byte || scan->rest.size == 0) {
        return false;
    }
    (void)take(scan, 1);
    return true;
}

static bool equals(struct span word, const char *name)
{
    return word.size == strlen(name) && strncasecmp((const char *)word.data, name, word.size) == 0;
}

/* Digits as a number; `digits_out` says how many. False when there are none or too many. */
static bool take_number(struct scan *scan, int64_t *number_out, uint32_t *digits_out)
{
    int64_t number = 0;
    uint32_t digits = 0;
    while (is_digit(peek(scan, 0)) && digits < NUMBER_DIGITS_MAX) {
        number = number * 10 + (take(scan, 1).data[0] - '0');
        digits++;
    }
    *number_out = number;
    *digits_out = digits;
    return digits > 0 && !is_digit(peek(scan, 0));
}

/* After a point: the fraction in microseconds, rounded as PostgreSQL's doubles are. */
static int64_t take_microseconds(struct scan *scan)
{
    char text[2 + NUMBER_DIGITS_MAX] = "0.";
    size_t size = 2;
    while (is_digit(peek(scan, 0))) {
        char digit = (char)take(scan, 1).data[0];
        if (size < sizeof text) {
            text[size++] = digit;
        }
    }
    double fraction = 0;
    struct span span = {.data = (const uint8_t *)text, .size = size};
    if (float_text_to_double(span, &fraction) != FLOAT_TEXT_OK) {
        return 0; // No digits, or too few to be more than zero.
    }
    return (int64_t)rint(fraction * (double)US_PER_SECOND);
}

static struct span take_letters(struct scan *scan)
{
    size_t size = 0;
    while (is_letter(peek(scan, size))) {
        size++;
    }
    return take(scan, size);
}

/* ---- words ---- */

static int32_t month_of(struct span word)
{
    static const char *const names[] = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
    for (int32_t i = 0; i < 12; i++) {
        bool is_short = word.size == 3 && strncasecmp((const char *)word.data, names[i], 3) == 0;
        if (is_short || equals(word, names[i])) {
            return i + 1;
        }
    }
    return equals(word, "sept") ? 9 : 0;
}

static bool is_weekday(struct span word)
{
    static const char *const names[] = {"sunday",   "monday", "tuesday", "wednesday",
                                        "thursday", "friday", "saturday"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool is_short = word.size == 3 && strncasecmp((const char *)word.data, names[i], 3) == 0;
        if (is_short || equals(word, names[i])) {
            return true;
        }
    }
    return equals(word, "tues") || equals(word, "wednes") || equals(word, "thur") ||
           equals(word, "thurs");
}

/* Abbreviations with one meaning in PostgreSQL's default set, in minutes. */
bool datetime_abbreviation(struct span word, int32_t *offset_out)
{
    static const struct {
        const char *name;
        int16_t minutes;
    } zones[] = {
        {"z", 0},       {"utc", 0},    {"gmt", 0},    {"zulu", 0},   {"ut", 0},     {"wet", 0},
        {"west", 60},   {"bst", 60},   {"cet", 60},   {"cest", 120}, {"met", 60},   {"mest", 120},
        {"eet", 120},   {"eest", 180}, {"msk", 180},  {"est", -300}, {"edt", -240}, {"cst", -360},
        {"cdt", -300},  {"mst", -420}, {"mdt", -360}, {"pst", -480}, {"pdt", -420}, {"akst", -540},
        {"akdt", -480}, {"hst", -600}, {"jst", 540},  {"kst", 540},  {"hkt", 480},  {"sgt", 480},
        {"awst", 480},  {"acst", 570}, {"aest", 600}, {"acdt", 630}, {"aedt", 660}, {"nzst", 720},
        {"nzdt", 780},
    };
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        if (equals(word, zones[i].name)) {
            *offset_out = zones[i].minutes * 60;
            return true;
        }
    }
    return false;
}

static tdbplus_status set_month(const struct scan *scan, struct fields *fields, int32_t month,
                                struct err *err)
{
    if (fields->has_month || fields->has_date) {
        return bad_syntax(scan, err);
    }
    fields->has_month = true;
    fields->month = month;
    return TDBPLUS_OK;
}

static tdbplus_status set_word(const struct scan *scan, struct fields *fields, struct span word,
                               struct err *err)
{
    int32_t month = month_of(word);
    if (month > 0) {
        return set_month(scan, fields, month, err);
    }
    if (is_weekday(word)) {
        return TDBPLUS_OK;
    }
    if (equals(word, "bc") || equals(word, "ad")) {
        fields->is_bc = equals(word, "bc");
        return TDBPLUS_OK;
    }
    if (equals(word, "am") || equals(word, "pm")) {
        fields->is_am = equals(word, "am");
        fields->is_pm = !fields->is_am;
        return TDBPLUS_OK;
    }
    if (equals(word, "infinity")) {
        fields->infinity = 1;
        return TDBPLUS_OK;
    }
    if (equals(word, "epoch")) {
        fields->is_epoch = true;
        return TDBPLUS_OK;
    }
    if (equals(word, "now") || equals(word, "today") || equals(word, "tomorrow") ||
        equals(word, "yesterday")) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "the date/time value \"%.*s\" is not supported",
                       (int)word.size, (const char *)word.data);
    }
    if (fields->has_offset) {
        return bad_syntax(scan, err);
    }
    fields->has_offset = true;
    if (!datetime_abbreviation(word, &fields->offset)) {
        fields->zone = word;
    }
    return TDBPLUS_OK;
}

/* ---- dates, times, offsets ---- */

static int64_t full_year(int64_t year, uint32_t digits)
{
    if (digits > 2) {
        return year;
    }
    return year < PIVOT_YEAR ? year + 2000 : year + 1900;
}

/* A part of a date: a number, or a month's name. */
struct part {
    int64_t number;
    uint32_t digits;
    int32_t month; /* 0: it was a number. */
};

static bool take_part(struct scan *scan, struct part *part)
{
    *part = (struct part){0};
    if (is_digit(peek(scan, 0))) {
        return take_number(scan, &part->number, &part->digits);
    }
    part->month = month_of(take_letters(scan));
    return part->month > 0;
}

/* Year, month and day of three parts: year first when it is long or the order says so. */
static bool order_parts(const struct part parts[3], struct fields *fields)
{
    const struct part *year = &parts[2];
    const struct part *month = &parts[0];
    const struct part *day = &parts[1];
    if (parts[0].digits >= 3 || (fields->order == ORDER_YMD && parts[1].month == 0)) {
        year = &parts[0];
        month = &parts[1];
        day = &parts[2];
    } else if (parts[1].month > 0 || (fields->order == ORDER_DMY && parts[0].month == 0)) {
        month = &parts[1];
        day = &parts[0];
    }
    if (year->month > 0 || day->month > 0) {
        return false;
    }
    int64_t number = month->month > 0 ? month->month : month->number;
    fields->year = full_year(year->number, year->digits);
    fields->month = number > 12 ? 13 : (int32_t)number;
    fields->day = day->number > 31 ? 32 : (int32_t)day->number;
    return true;
}

/* Whether the text here is a date with separators. */
static bool at_date(const struct scan *scan)
{
    size_t i = 0;
    bool is_number = is_digit(peek(scan, 0));
    while (is_number ? is_digit(peek(scan, i)) : is_letter(peek(scan, i))) {
        i++;
    }
    uint8_t separator = peek(scan, i);
    uint8_t next = peek(scan, i + 1);
    if (separator != '-' && separator != '/' && separator != '.') {
        return false;
    }
    bool is_month = is_letter(peek(scan, 0)) && is_digit(next) &&
                    month_of((struct span){scan->rest.data, i}) > 0;
    return is_month || (is_number && (is_digit(next) || is_letter(next)));
}

static tdbplus_status take_date(struct scan *scan, struct fields *fields, struct err *err)
{
    struct part parts[3];
    if (fields->has_date || !take_part(scan, &parts[0])) {
        return bad_syntax(scan, err);
    }
    uint8_t separator = peek(scan, 0);
    for (int i = 1; i < 3; i++) {
        if (!skip(scan, separator) || !take_part(scan, &parts[i])) {
            return bad_syntax(scan, err);
        }
    }
    if (!order_parts(parts, fields)) {
        return bad_syntax(scan, err);
    }
    fields->has_date = true;
    if (peek(scan, 0) == '-') {
        return bad_syntax(scan, err); // Not an offset without a time: a date of four parts.
    }
    // "2024-01-02T03:04": the letter belongs to neither.
    if ((peek(scan, 0) == 'T' || peek(scan, 0) == 't') && is_digit(peek(scan, 1))) {
        (void)take(scan, 1);
    }
    return TDBPLUS_OK;
}

static tdbplus_status take_time(struct scan *scan, struct fields *fields, struct err *err)
{
    int64_t parts[3] = {0};
    uint32_t digits = 0;
    int64_t fraction = 0;
    if (fields->has_time) {
        return bad_syntax(scan, err);
    }
    for (int i = 0; i < 3; i++) {
        if (!take_number(scan, &parts[i], &digits)) {
            return bad_syntax(scan, err);
        }
        if (i == 2 || !skip(scan, ':') || !is_digit(peek(scan, 0))) {
            break;
        }
    }
    if (skip(scan, '.')) {
        fraction = take_microseconds(scan);
    }
    if (parts[0] > 24 || parts[1] > 59 || parts[2] > 60) {
        return bad_field(scan, err);
    }
    fields->has_time = true;
    fields->time =
        parts[0] * US_PER_HOUR + parts[1] * US_PER_MINUTE + parts[2] * US_PER_SECOND + fraction;
    return fields->time > US_PER_DAY ? bad_field(scan, err) : TDBPLUS_OK;
}

/* "+hh", "+hhmm", "+hh:mm", "+hh:mm:ss", at the sign. */
static tdbplus_status take_offset(struct scan *scan, struct fields *fields, struct err *err)
{
    bool is_negative = take(scan, 1).data[0] == '-';
    int64_t parts[3] = {0};
    uint32_t digits = 0;
    if (fields->has_offset || !take_number(scan, &parts[0], &digits)) {
        return bad_syntax(scan, err);
    }
    if (digits > 2) {
        parts[1] = parts[0] % 100;
        parts[0] /= 100;
    }
    for (int i = 1; i < 3 && digits <= 2 && skip(scan, ':'); i++) {
        if (!take_number(scan, &parts[i], &digits)) {
            return bad_syntax(scan, err);
        }
    }
    if (parts[0] > OFFSET_HOURS_MAX || parts[1] > 59 || parts[2] > 59) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22009",
                             "time zone displacement out of range: \"%.*s\"", (int)scan->text.size,
                             (const char *)scan->text.data);
    }
    int32_t seconds = (int32_t)(parts[0] * 3600 + parts[1] * 60 + parts[2]);
    fields->has_offset = true;
    fields->zone = (struct span){0};
    fields->offset = is_negative ? -seconds : seconds;
    return TDBPLUS_OK;
}

/* Digits alone: a date or time without separators, or the day or year beside a month's name. */
static tdbplus_status take_plain_number(struct scan *scan, struct fields *fields, struct err *err)
{
    int64_t number = 0;
    uint32_t digits = 0;
    if (!take_number(scan, &number, &digits)) {
        return bad_syntax(scan, err);
    }
    if (!fields->has_date && !fields->has_month && digits == 8) {
        fields->has_date = true;
        fields->year = number / 10000;
        fields->month = (int32_t)(number / 100 % 100);
        fields->day = (int32_t)(number % 100);
        if ((peek(scan, 0) == 'T' || peek(scan, 0) == 't') && is_digit(peek(scan, 1))) {
            (void)take(scan, 1);
        }
        return TDBPLUS_OK;
    }
    if (fields->has_date && !fields->has_time && (digits == 6 || digits == 4)) {
        number = digits == 4 ? number * 100 : number;
        int64_t fraction = skip(scan, '.') ? take_microseconds(scan) : 0;
        fields->has_time = true;
        fields->time = number / 10000 * US_PER_HOUR + number / 100 % 100 * US_PER_MINUTE +
                       number % 100 * US_PER_SECOND + fraction;
        bool good = number / 10000 <= 24 && number / 100 % 100 <= 59 && number % 100 <= 60 &&
                    fields->time <= US_PER_DAY;
        return good ? TDBPLUS_OK : bad_field(scan, err);
    }
    if (fields->has_date || fields->number_count == 2) {
        return bad_syntax(scan, err);
    }
    fields->numbers[fields->number_count] = number;
    fields->digits[fields->number_count++] = digits;
    return TDBPLUS_OK;
}

static bool is_path_byte(uint8_t byte)
{
    return is_letter(byte) || is_digit(byte) || byte == '/' || byte == '_' || byte == '+' ||
           byte == '-';
}

/* A zone's name may have more than letters in it. */
static struct span take_word(struct scan *scan)
{
    size_t size = 0;
    while (is_letter(peek(scan, size)) ||
           (size > 0 && (peek(scan, size) == '/' || peek(scan, size) == '_'))) {
        size++;
    }
    bool is_path = memchr(scan->rest.data, '/', size) != NULL;
    while (is_path && is_path_byte(peek(scan, size))) {
        size++;
    }
    return take(scan, size);
}

static tdbplus_status take_token(struct scan *scan, struct fields *fields, struct err *err)
{
    uint8_t first = peek(scan, 0);
    if (at_date(scan) && !fields->has_date) {
        return take_date(scan, fields, err);
    }
    if (is_digit(first)) {
        size_t i = 0;
        while (is_digit(peek(scan, i))) {
            i++;
        }
        return peek(scan, i) == ':' ? take_time(scan, fields, err)
                                    : take_plain_number(scan, fields, err);
    }
    if (first == '+' || first == '-') {
        if (equals(scan->rest, "-infinity")) {
            (void)take(scan, scan->rest.size);
            fields->infinity = -1;
            return TDBPLUS_OK;
        }
        return fields->has_time || fields->has_date ? take_offset(scan, fields, err)
                                                    : bad_syntax(scan, err);
    }
    if (is_letter(first)) {
        return set_word(scan, fields, take_word(scan), err);
    }
    return bad_syntax(scan, err);
}

/* Day and year that stood beside a month's name. */
static bool place_numbers(struct fields *fields)
{
    if (!fields->has_month) {
        return fields->number_count == 0;
    }
    if (fields->number_count != 2) {
        return false;
    }
    uint32_t year = fields->digits[0] >= 3 ? 0 : 1;
    fields->year = full_year(fields->numbers[year], fields->digits[year]);
    int64_t day = fields->numbers[1 - year];
    fields->day = day > 31 ? 32 : (int32_t)day;
    fields->has_date = true;
    return true;
}

static tdbplus_status check_fields(const struct scan *scan, struct fields *fields, struct err *err)
{
    if (fields->is_am || fields->is_pm) {
        int64_t hour = fields->time / US_PER_HOUR;
        if (!fields->has_time || hour > 12) {
            return bad_field(scan, err);
        }
        int64_t shift = (fields->is_pm ? 12 : 0) - (hour == 12 ? 12 : 0);
        fields->time += shift * US_PER_HOUR;
    }
    if (!fields->has_date) {
        return TDBPLUS_OK;
    }
    if (fields->is_bc) {
        if (fields->year <= 0) {
            return bad_field(scan, err);
        }
        fields->year = 1 - fields->year;
    } else if (fields->year == 0) {
        return bad_field(scan, err);
    }
    if (fields->month < 1 || fields->month > 12 || fields->day < 1 ||
        fields->day > civil_month_days(fields->year, fields->month)) {
        return bad_field(scan, err);
    }
    return fields->year > 6000000 ? out_of_range(scan, err) : TDBPLUS_OK;
}

static tdbplus_status read_fields(struct scan *scan, struct fields *fields, struct err *err)
{
    if (scan->text.size > TEXT_SIZE_MAX) {
        return bad_syntax(scan, err);
    }
    while (scan->text.size > 0 && is_space(scan->rest.data[scan->rest.size - 1])) {
        scan->rest.size--;
        if (scan->rest.size == 0) {
            break;
        }
    }
    uint32_t tokens = 0;
    for (;;) {
        while (scan->rest.size > 0 && (is_space(peek(scan, 0)) || peek(scan, 0) == ',')) {
            (void)take(scan, 1);
        }
        if (scan->rest.size == 0) {
            break;
        }
        TRY(take_token(scan, fields, err));
        tokens++;
    }
    if (tokens == 0 || !place_numbers(fields)) {
        return bad_syntax(scan, err);
    }
    bool is_special = fields->infinity != 0 || fields->is_epoch;
    if (is_special && tokens != 1) {
        return bad_syntax(scan, err);
    }
    return check_fields(scan, fields, err);
}

/* Where a zone has no meaning it is read over, but a word that names none is a mistake. */
static tdbplus_status check_zone(const struct scan *scan, const struct fields *fields,
                                 struct err *err)
{
    bool is_path = fields->zone.size > 0 && memchr(fields->zone.data, '/', fields->zone.size);
    return fields->zone.size == 0 || is_path ? TDBPLUS_OK : bad_syntax(scan, err);
}

static struct scan scan_of(struct span text, const char *type)
{
    static const uint8_t nothing[1] = {0};
    text.data = text.size == 0 ? nothing : text.data;
    return (struct scan){.rest = text, .text = text, .type = type};
}

/* ---- values ---- */

tdbplus_status date_parse(struct span text, int32_t *date_out, struct err *err)
{
    return date_parse_ordered(text, ORDER_MDY, date_out, err);
}

tdbplus_status date_parse_ordered(struct span text, enum datetime_order order, int32_t *date_out,
                                  struct err *err)
{
    struct scan scan = scan_of(text, "date");
    struct fields fields = {.order = order};
    TRY(read_fields(&scan, &fields, err));
    TRY(check_zone(&scan, &fields, err));
    if (fields.infinity != 0 || fields.is_epoch) {
        *date_out = fields.is_epoch ? 0 : fields.infinity > 0 ? DATE_INFINITY : DATE_MINUS_INFINITY;
        return TDBPLUS_OK;
    }
    if (!fields.has_date) {
        return bad_syntax(&scan, err);
    }
    int64_t days = civil_to_days(fields.year, fields.month, fields.day);
    if (!date_in_range(days)) {
        return out_of_range(&scan, err);
    }
    *date_out = (int32_t)days;
    return TDBPLUS_OK;
}

tdbplus_status time_parse(struct span text, int64_t *time_out, struct err *err)
{
    struct scan scan = scan_of(text, "time");
    struct fields fields = {0};
    TRY(read_fields(&scan, &fields, err));
    TRY(check_zone(&scan, &fields, err));
    if (!fields.has_time || fields.infinity != 0 || fields.is_epoch) {
        return bad_syntax(&scan, err);
    }
    *time_out = fields.time;
    return TDBPLUS_OK;
}

static TDBPLUS_CHECKED tdbplus_status unknown_zone(struct span zone, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_INVALID, "22023", "time zone \"%.*s\" not recognized",
                         (int)zone.size, (const char *)zone.data);
}

/* The zone that the text names, if it names one. */
static tdbplus_status find_zone(const struct scan *scan, const struct fields *fields,
                                const struct tz_finder *finder, const struct tz **zone,
                                struct err *err)
{
    struct span name = fields->zone;
    if (name.size == 0) {
        return TDBPLUS_OK;
    }
    *zone = finder == NULL ? NULL : finder->find(finder->ctx, name);
    if (*zone == NULL) {
        bool is_path = memchr(name.data, '/', name.size) != NULL;
        return is_path ? unknown_zone(name, err) : bad_syntax(scan, err);
    }
    return TDBPLUS_OK;
}

/* The local time that the fields name. */
static tdbplus_status local_time(const struct scan *scan, const struct fields *fields,
                                 int64_t *local_out, struct err *err)
{
    if (!fields->has_date) {
        return bad_syntax(scan, err);
    }
    wide_int local =
        (wide_int)civil_to_days(fields->year, fields->month, fields->day) * US_PER_DAY +
        fields->time;
    if (local > INT64_MAX || local < INT64_MIN || !timestamp_in_range((int64_t)local)) {
        return out_of_range(scan, err);
    }
    *local_out = (int64_t)local;
    return TDBPLUS_OK;
}

static bool special_timestamp(const struct fields *fields, int64_t *timestamp_out)
{
    if (fields->infinity == 0 && !fields->is_epoch) {
        return false;
    }
    *timestamp_out = fields->is_epoch       ? 0
                     : fields->infinity > 0 ? TIMESTAMP_INFINITY
                                            : TIMESTAMP_MINUS_INFINITY;
    return true;
}

tdbplus_status timestamp_parse(struct span text, int64_t *timestamp_out, struct err *err)
{
    return timestamp_parse_ordered(text, ORDER_MDY, timestamp_out, err);
}

tdbplus_status timestamp_parse_ordered(struct span text, enum datetime_order order,
                                       int64_t *timestamp_out, struct err *err)
{
    struct scan scan = scan_of(text, "timestamp");
    struct fields fields = {.order = order};
    TRY(read_fields(&scan, &fields, err));
    TRY(check_zone(&scan, &fields, err));
    if (special_timestamp(&fields, timestamp_out)) {
        return TDBPLUS_OK;
    }
    return local_time(&scan, &fields, timestamp_out, err);
}

tdbplus_status timestamptz_parse(struct span text, const struct tz *zone,
                                 const struct tz_finder *finder, int64_t *timestamp_out,
                                 struct err *err)
{
    struct datetime_reading reading = {.zone = zone, .finder = finder};
    return timestamptz_parse_as(text, &reading, timestamp_out, err);
}

tdbplus_status timestamptz_parse_as(struct span text, const struct datetime_reading *reading,
                                    int64_t *timestamp_out, struct err *err)
{
    const struct tz *zone = reading->zone;
    const struct tz_finder *finder = reading->finder;
    struct scan scan = scan_of(text, "timestamp with time zone");
    struct fields fields = {.order = reading->order};
    TRY(read_fields(&scan, &fields, err));
    if (special_timestamp(&fields, timestamp_out)) {
        return TDBPLUS_OK;
    }
    int64_t local = 0;
    TRY(find_zone(&scan, &fields, finder, &zone, err));
    TRY(local_time(&scan, &fields, &local, err));
    bool is_fixed = fields.has_offset && fields.zone.size == 0;
    int32_t offset = is_fixed ? fields.offset : tz_offset_of_local(zone, local);
    int64_t timestamp = local - offset * US_PER_SECOND;
    if (!timestamp_in_range(timestamp)) {
        return out_of_range(&scan, err);
    }
    *timestamp_out = timestamp;
    return TDBPLUS_OK;
}

tdbplus_status timetz_parse(struct span text, const struct tz *zone, const struct tz_finder *finder,
                            int64_t *time_out, int32_t *offset_out, struct err *err)
{
    struct scan scan = scan_of(text, "time with time zone");
    struct fields fields = {0};
    TRY(read_fields(&scan, &fields, err));
    if (!fields.has_time || fields.infinity != 0 || fields.is_epoch) {
        return bad_syntax(&scan, err);
    }
    TRY(find_zone(&scan, &fields, finder, &zone, err));
    bool is_fixed = fields.has_offset && fields.zone.size == 0;
    int64_t local = fields.time;
    if (fields.has_date) {
        TRY(local_time(&scan, &fields, &local, err));
    }
    *time_out = fields.time;
    *offset_out = is_fixed ? fields.offset : tz_offset_of_local(zone, local);
    return TDBPLUS_OK;
}
