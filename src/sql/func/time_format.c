#include "sql/func/time_format.h"
#include "types/tz.h"

#include <string.h>
#include <strings.h>

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const romans[] = {"I",   "II",   "III", "IV", "V",  "VI",
                                     "VII", "VIII", "IX",  "X",  "XI", "XII"};

/* Longer names stand before the ones that they begin with. */
static const struct {
    const char *name;
    uint8_t pattern;
    uint8_t width;
    bool any_case;
} keywords[] = {
    {"Y,YYY", PATTERN_YEAR_COMMA, 4, true},
    {"YYYY", PATTERN_YEAR, 4, true},
    {"YYY", PATTERN_YEAR, 3, true},
    {"YY", PATTERN_YEAR, 2, true},
    {"Y", PATTERN_YEAR, 1, true},
    {"IYYY", PATTERN_ISO_YEAR, 4, true},
    {"IYY", PATTERN_ISO_YEAR, 3, true},
    {"IY", PATTERN_ISO_YEAR, 2, true},
    {"IDDD", PATTERN_ISO_DAY_OF_YEAR, 3, true},
    {"ID", PATTERN_ISO_DAY_OF_WEEK, 1, true},
    {"IW", PATTERN_ISO_WEEK, 2, true},
    {"I", PATTERN_ISO_YEAR, 1, true},
    {"HH24", PATTERN_HOUR_24, 2, true},
    {"HH12", PATTERN_HOUR_12, 2, true},
    {"HH", PATTERN_HOUR_12, 2, true},
    {"MI", PATTERN_MINUTE, 2, true},
    {"SSSSS", PATTERN_SECOND_OF_DAY, 5, true},
    {"SSSS", PATTERN_SECOND_OF_DAY, 5, true},
    {"SS", PATTERN_SECOND, 2, true},
    {"MS", PATTERN_FRACTION, 3, true},
    {"US", PATTERN_FRACTION, 6, true},
    {"FF1", PATTERN_FRACTION, 1, true},
    {"FF2", PATTERN_FRACTION, 2, true},
    {"FF3", PATTERN_FRACTION, 3, true},
    {"FF4", PATTERN_FRACTION, 4, true},
    {"FF5", PATTERN_FRACTION, 5, true},
    {"FF6", PATTERN_FRACTION, 6, true},
    {"A.M.", PATTERN_MERIDIEM, 0, false},
    {"P.M.", PATTERN_MERIDIEM, 0, false},
    {"a.m.", PATTERN_MERIDIEM, 0, false},
    {"p.m.", PATTERN_MERIDIEM, 0, false},
    {"AM", PATTERN_MERIDIEM, 0, false},
    {"PM", PATTERN_MERIDIEM, 0, false},
    {"am", PATTERN_MERIDIEM, 0, false},
    {"pm", PATTERN_MERIDIEM, 0, false},
    {"A.D.", PATTERN_ERA, 0, false},
    {"B.C.", PATTERN_ERA, 0, false},
    {"a.d.", PATTERN_ERA, 0, false},
    {"b.c.", PATTERN_ERA, 0, false},
    {"AD", PATTERN_ERA, 0, false},
    {"BC", PATTERN_ERA, 0, false},
    {"ad", PATTERN_ERA, 0, false},
    {"bc", PATTERN_ERA, 0, false},
    {"MONTH", PATTERN_MONTH_NAME, 9, false},
    {"Month", PATTERN_MONTH_NAME, 9, false},
    {"month", PATTERN_MONTH_NAME, 9, false},
    {"MON", PATTERN_MONTH_SHORT, 3, false},
    {"Mon", PATTERN_MONTH_SHORT, 3, false},
    {"mon", PATTERN_MONTH_SHORT, 3, false},
    {"MM", PATTERN_MONTH, 2, true},
    {"RM", PATTERN_MONTH_ROMAN, 4, false},
    {"rm", PATTERN_MONTH_ROMAN, 4, false},
    {"DAY", PATTERN_DAY_NAME, 9, false},
    {"Day", PATTERN_DAY_NAME, 9, false},
    {"day", PATTERN_DAY_NAME, 9, false},
    {"DY", PATTERN_DAY_SHORT, 3, false},
    {"Dy", PATTERN_DAY_SHORT, 3, false},
    {"dy", PATTERN_DAY_SHORT, 3, false},
    {"DDD", PATTERN_DAY_OF_YEAR, 3, true},
    {"DD", PATTERN_DAY, 2, true},
    {"D", PATTERN_DAY_OF_WEEK, 1, true},
    {"WW", PATTERN_WEEK_OF_YEAR, 2, true},
    {"W", PATTERN_WEEK_OF_MONTH, 1, true},
    {"CC", PATTERN_CENTURY, 2, true},
    {"J", PATTERN_JULIAN, 7, true},
    {"Q", PATTERN_QUARTER, 1, true},
    {"TZH", PATTERN_ZONE_HOUR, 3, true},
    {"TZM", PATTERN_ZONE_MINUTE, 2, true},
    {"TZ", PATTERN_ZONE, 0, false},
    {"tz", PATTERN_ZONE, 0, false},
    {"OF", PATTERN_ZONE_OFFSET, 0, true},
};

#define KEYWORD_COUNT (sizeof keywords / sizeof *keywords)

static void advance(struct span *rest, size_t size)
{
    rest->data += size;
    rest->size -= size;
}

static bool begins(struct span rest, const char *name, bool any_case)
{
    size_t size = strlen(name);
    if (rest.size < size) {
        return false;
    }
    return any_case ? strncasecmp((const char *)rest.data, name, size) == 0
                    : memcmp(rest.data, name, size) == 0;
}

/* FM, FX, TM before a keyword. */
static void take_prefixes(struct span *rest, struct time_piece *piece, bool *exact_out)
{
    for (;;) {
        if (begins(*rest, "FM", true)) {
            piece->fill = false;
        } else if (begins(*rest, "FX", true)) {
            *exact_out = true;
        } else if (begins(*rest, "TMmon", true) || begins(*rest, "TMday", true) ||
                   begins(*rest, "TMdy", true)) {
            piece->fill = false; // Names in a language of their own are never padded.
        } else if (!begins(*rest, "TM", true)) {
            return;
        }
        advance(rest, 2);
    }
}

static uint8_t shape_of(const char *name)
{
    bool upper = name[0] >= 'A' && name[0] <= 'Z';
    bool second = name[1] >= 'A' && name[1] <= 'Z';
    return !upper ? SHAPE_LOWER : second || name[1] == '.' ? SHAPE_UPPER : SHAPE_CAPITAL;
}

/* Text in quotes, or one character. */
static void take_text(struct span *rest, struct time_piece *piece)
{
    if (rest->data[0] == '"') {
        advance(rest, 1);
        piece->text = (struct span){.data = rest->data};
        piece->quoted = true;
        while (piece->text.size < rest->size && rest->data[piece->text.size] != '"') {
            piece->text.size += rest->data[piece->text.size] == '\\' ? 2 : 1;
        }
        piece->text.size = piece->text.size > rest->size ? rest->size : piece->text.size;
        advance(rest, piece->text.size + (piece->text.size < rest->size));
        return;
    }
    size_t size = rest->data[0] == '\\' && rest->size > 1 && rest->data[1] == '"' ? 2 : 1;
    while (size < rest->size && (rest->data[size] & 0xC0) == 0x80) {
        size++;
    }
    piece->text = (struct span){.data = rest->data, .size = size};
    advance(rest, size);
}

bool time_piece_next(struct span *rest, struct time_piece *piece_out, bool *exact_out)
{
    struct time_piece piece = {.fill = true};
    take_prefixes(rest, &piece, exact_out);
    if (rest->size == 0) {
        return false;
    }
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        if (!begins(*rest, keywords[i].name, keywords[i].any_case)) {
            continue;
        }
        piece.pattern = keywords[i].pattern;
        piece.width = keywords[i].width;
        piece.shape = keywords[i].any_case ? SHAPE_UPPER : shape_of(keywords[i].name);
        piece.dots = strchr(keywords[i].name, '.') != NULL;
        advance(rest, strlen(keywords[i].name));
        if (begins(*rest, "TH", false) || begins(*rest, "th", false)) {
            piece.suffix = rest->data[0] == 'T' ? 'T' : 't';
            advance(rest, 2);
        }
        if (begins(*rest, "SP", true)) {
            advance(rest, 2);
        }
        *piece_out = piece;
        return true;
    }
    take_text(rest, &piece);
    *piece_out = piece;
    return true;
}

/* ---- printing ---- */

static void put_suffix(const struct time_piece *piece, int64_t number, struct buffer *out)
{
    static const char *const endings[2][4] = {{"th", "st", "nd", "rd"}, {"TH", "ST", "ND", "RD"}};
    if (piece->suffix == 0) {
        return;
    }
    int64_t size = number < 0 ? -number : number;
    int64_t last = size % 10;
    bool plain = last > 3 || (size % 100 >= 11 && size % 100 <= 13);
    buffer_put_text(out, endings[piece->suffix == 'T'][plain ? 0 : last]);
}

/* Zeros in front up to the width; a minus sign counts as one more. */
static void put_number(const struct time_piece *piece, int64_t number, int width,
                       struct buffer *out)
{
    int columns = !piece->fill ? 0 : number < 0 ? width + 1 : width;
    buffer_printf(out, "%0*lld", columns, (long long)number);
    put_suffix(piece, number, out);
}

static void put_name(const struct time_piece *piece, const char *name, size_t size, size_t width,
                     struct buffer *out)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)name[i];
        bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
        bool upper = piece->shape == SHAPE_UPPER || (piece->shape == SHAPE_CAPITAL && i == 0);
        buffer_put_u8(out, !letter ? byte : upper ? byte & 0xDF : byte | 32);
    }
    for (size_t i = size; piece->fill && i < width; i++) {
        buffer_put_u8(out, ' ');
    }
}

/* The Julian day, counted from the fields (Fliegel, van Flandern, CACM 11, 1968), which those of an
 * interval are as well: its year, month and day may be 0. */
static int64_t julian_of(const struct civil *civil)
{
    bool late = civil->month > 2;
    int64_t month = (int64_t)civil->month + (late ? 1 : 13);
    int64_t year = (int64_t)civil->year + (late ? 4800 : 4799);
    int64_t century = year / 100;
    return year * 365 - 32167 + year / 4 - century + century / 4 + 7834 * month / 256 + civil->day;
}

static int32_t day_of_year(const struct time_parts *parts)
{
    return (int32_t)(parts->days - civil_to_days(parts->civil.year, 1, 1)) + 1;
}

static int32_t week_day(int64_t number)
{
    int64_t day = (number + 4) % 7; // 1970-01-01 was a Thursday.
    return (int32_t)(day < 0 ? day + 7 : day);
}

static int32_t iso_field(const struct time_parts *parts, enum datetime_field field)
{
    unsigned scale = 0;
    return (int32_t)timestamp_extract(parts->days * US_PER_DAY, field, NULL, &scale);
}

/* Years as the calendar counts them, without a year 0. */
static int64_t shown_year(int64_t year, bool is_interval)
{
    return is_interval || year > 0 ? year : 1 - year;
}

static void put_year(const struct time_piece *piece, int64_t year, struct buffer *out)
{
    static const int64_t powers[] = {1, 10, 100, 1000};
    if (piece->width < 4) {
        year %= powers[piece->width];
    }
    put_number(piece, year, piece->width, out);
}

static void put_era(const struct time_piece *piece, bool after, struct buffer *out)
{
    const char *name = piece->dots ? (after ? "A.D." : "B.C.") : after ? "AD" : "BC";
    put_name(piece, name, strlen(name), 0, out);
}

static void put_fraction(const struct time_piece *piece, int32_t microseconds, struct buffer *out)
{
    static const int32_t powers[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    int32_t value = microseconds / powers[piece->width];
    buffer_printf(out, "%0*d", piece->width, value);
    put_suffix(piece, value, out);
}

static void put_clock(const struct time_parts *parts, const struct time_piece *piece,
                      struct buffer *out)
{
    const struct civil *civil = &parts->civil;
    int64_t hour = parts->hours;
    switch (piece->pattern) {
    case PATTERN_HOUR_12:
        put_number(piece, hour % 12 == 0 ? 12 : hour % 12, 2, out);
        return;
    case PATTERN_HOUR_24:
        put_number(piece, hour, 2, out);
        return;
    case PATTERN_MINUTE:
        put_number(piece, civil->minute, 2, out);
        return;
    case PATTERN_SECOND:
        put_number(piece, civil->second, 2, out);
        return;
    case PATTERN_FRACTION:
        put_fraction(piece, civil->microsecond, out);
        return;
    case PATTERN_SECOND_OF_DAY:
        buffer_printf(out, "%lld",
                      (long long)(hour * 3600 + (int64_t)civil->minute * 60 + civil->second));
        put_suffix(piece, civil->second, out);
        return;
    default: {
        bool after = hour % 24 >= 12;
        const char *name = piece->dots ? (after ? "P.M." : "A.M.") : after ? "PM" : "AM";
        put_name(piece, name, strlen(name), 0, out);
    }
    }
}

static void put_zone(const struct time_parts *parts, const struct time_piece *piece,
                     struct buffer *out)
{
    uint32_t seconds = (uint32_t)(parts->offset < 0 ? -parts->offset : parts->offset);
    char sign = parts->offset < 0 ? '-' : '+';
    switch (piece->pattern) {
    case PATTERN_ZONE:
        if (parts->has_zone) {
            put_name(piece, parts->zone, strlen(parts->zone), 0, out);
        }
        return;
    case PATTERN_ZONE_MINUTE:
        buffer_printf(out, "%02u", seconds / 60 % 60);
        return;
    default:
        buffer_printf(out, "%c%02u", sign, seconds / 3600);
        if (piece->pattern == PATTERN_ZONE_OFFSET && seconds / 60 % 60 != 0) {
            buffer_printf(out, ":%02u", seconds / 60 % 60);
        }
    }
}

static void put_calendar(const struct time_parts *parts, const struct time_piece *piece,
                         struct buffer *out)
{
    const struct civil *civil = &parts->civil;
    int64_t year = shown_year(civil->year, parts->is_interval);
    switch (piece->pattern) {
    case PATTERN_YEAR:
        put_year(piece, year, out);
        return;
    case PATTERN_YEAR_COMMA:
        buffer_printf(out, "%lld,%03lld", (long long)(year / 1000), (long long)(year % 1000));
        put_suffix(piece, year, out);
        return;
    case PATTERN_ERA:
        put_era(piece, civil->year > 0, out);
        return;
    case PATTERN_MONTH:
        put_number(piece, civil->month, 2, out);
        return;
    case PATTERN_DAY:
        // Two columns, the sign being one of them.
        put_number(piece, civil->day, civil->day < 0 ? 1 : 2, out);
        return;
    case PATTERN_CENTURY:
        put_number(piece, civil->year > 0 ? (civil->year - 1) / 100 + 1 : civil->year / 100 - 1, 2,
                   out);
        return;
    case PATTERN_QUARTER:
        if (civil->month > 0) {
            buffer_printf(out, "%d", (civil->month - 1) / 3 + 1);
            put_suffix(piece, (civil->month - 1) / 3 + 1, out);
        }
        return;
    case PATTERN_MONTH_ROMAN:
        if (civil->month > 0) {
            const char *roman = romans[civil->month - 1];
            put_name(piece, roman, strlen(roman), 4, out);
        }
        return;
    default: {
        const char *name = months[civil->month > 0 ? civil->month - 1 : 0];
        bool is_short = piece->pattern == PATTERN_MONTH_SHORT;
        if (civil->month > 0) {
            put_name(piece, name, is_short ? 3 : strlen(name), is_short ? 0 : 9, out);
        }
    }
    }
}

static void put_day(const struct time_parts *parts, const struct time_piece *piece,
                    struct buffer *out)
{
    static const int64_t powers[] = {1, 10, 100, 1000};
    const char *name = days[week_day(parts->days)];
    int64_t iso_year = 0;
    switch (piece->pattern) {
    case PATTERN_DAY_NAME:
        put_name(piece, name, strlen(name), 9, out);
        return;
    case PATTERN_DAY_SHORT:
        put_name(piece, name, 3, 0, out);
        return;
    case PATTERN_DAY_OF_YEAR:
        put_number(piece, parts->is_interval ? parts->days : day_of_year(parts), 3, out);
        return;
    case PATTERN_ISO_DAY_OF_YEAR:
        put_number(piece, (iso_field(parts, FIELD_WEEK) - 1) * 7 + iso_field(parts, FIELD_ISODOW),
                   3, out);
        return;
    case PATTERN_DAY_OF_WEEK:
        buffer_printf(out, "%d", week_day(parts->days) + 1);
        put_suffix(piece, week_day(parts->days) + 1, out);
        return;
    case PATTERN_ISO_DAY_OF_WEEK:
        buffer_printf(out, "%d", iso_field(parts, FIELD_ISODOW));
        put_suffix(piece, iso_field(parts, FIELD_ISODOW), out);
        return;
    case PATTERN_WEEK_OF_MONTH:
        buffer_printf(out, "%d", (parts->civil.day - 1) / 7 + 1);
        put_suffix(piece, (parts->civil.day - 1) / 7 + 1, out);
        return;
    case PATTERN_WEEK_OF_YEAR:
        put_number(piece, (day_of_year(parts) - 1) / 7 + 1, 2, out);
        return;
    case PATTERN_ISO_WEEK:
        put_number(piece, iso_field(parts, FIELD_WEEK), 2, out);
        return;
    case PATTERN_JULIAN:
        buffer_printf(out, "%lld", (long long)julian_of(&parts->civil));
        put_suffix(piece, julian_of(&parts->civil), out);
        return;
    default:
        iso_year = iso_field(parts, FIELD_ISOYEAR);
        iso_year = iso_year > 0 ? iso_year : -iso_year;
        put_number(piece, piece->width < 4 ? iso_year % powers[piece->width] : iso_year,
                   piece->width, out);
    }
}

static bool needs_date(uint8_t pattern)
{
    return pattern == PATTERN_DAY_NAME || pattern == PATTERN_DAY_SHORT ||
           pattern == PATTERN_DAY_OF_WEEK || pattern == PATTERN_ISO_DAY_OF_WEEK ||
           pattern == PATTERN_ZONE || pattern == PATTERN_ZONE_HOUR ||
           pattern == PATTERN_ZONE_MINUTE || pattern == PATTERN_ZONE_OFFSET ||
           pattern == PATTERN_ERA;
}

tdbplus_status time_format(const struct time_parts *parts, struct span format, struct buffer *out,
                           struct err *err)
{
    struct time_piece piece;
    bool exact = false;
    while (time_piece_next(&format, &piece, &exact)) {
        if (piece.pattern == PATTERN_NONE) {
            for (size_t i = 0; i < piece.text.size; i++) {
                bool escape = piece.text.data[i] == '\\' && i + 1 < piece.text.size;
                i += escape;
                buffer_put_u8(out, piece.text.data[i]);
            }
            continue;
        }
        if (parts->is_interval && needs_date(piece.pattern)) {
            return err_set_state(err, TDBPLUS_E_SQL, "22007",
                                 "invalid format specification for an interval value");
        }
        if (piece.pattern >= PATTERN_ZONE) {
            put_zone(parts, &piece, out);
        } else if (piece.pattern >= PATTERN_HOUR_12 && piece.pattern <= PATTERN_MERIDIEM) {
            put_clock(parts, &piece, out);
        } else if (piece.pattern == PATTERN_ISO_YEAR ||
                   (piece.pattern >= PATTERN_DAY_NAME && piece.pattern != PATTERN_DAY &&
                    piece.pattern != PATTERN_CENTURY && piece.pattern != PATTERN_QUARTER)) {
            put_day(parts, &piece, out);
        } else {
            put_calendar(parts, &piece, out);
        }
    }
    return TDBPLUS_OK;
}

/* ---- reading ---- */

/* What was found in a text so far. */
struct found {
    struct span rest;
    struct err *err;
    bool exact;
    int64_t year;
    int64_t month;
    int64_t day;
    int64_t day_of_year;
    int64_t julian;
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t microsecond;
    int64_t second_of_day;
    int64_t century;
    int64_t iso_week;
    int64_t iso_year;
    int64_t iso_day;
    int64_t week;
    int64_t week_of_month;
    int64_t zone_seconds;
    bool has_year;
    bool has_second_of_day;
    bool has_julian;
    bool has_iso;
    bool has_12_hours;
    bool after_noon;
    bool before_noon;
    bool before_christ;
    bool zone_negative;
    bool zone_seen;
};

static tdbplus_status bad_value(struct found *found, const char *what)
{
    return err_set_state(found->err, TDBPLUS_E_SQL, "22007", "invalid value \"%.*s\" for \"%s\"",
                         (int)(found->rest.size > 40 ? 40 : found->rest.size),
                         (const char *)found->rest.data, what);
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static void skip_spaces(struct found *found)
{
    while (found->rest.size > 0 && (found->rest.data[0] == ' ' ||
                                    (found->rest.data[0] >= 9 && found->rest.data[0] <= 13))) {
        advance(&found->rest, 1);
    }
}

/* Digits, at most `most` of them; 0 of `count_out` when there are none. */
static int64_t take_digits(struct found *found, uint32_t most, uint32_t *count_out)
{
    int64_t value = 0;
    *count_out = 0;
    bool negative =
        found->rest.size > 1 && found->rest.data[0] == '-' && is_digit(found->rest.data[1]);
    bool sign = negative || (found->rest.size > 1 && found->rest.data[0] == '+' &&
                             is_digit(found->rest.data[1]));
    advance(&found->rest, sign);
    while (found->rest.size > 0 && is_digit(found->rest.data[0]) && *count_out < most) {
        value = value * 10 + (found->rest.data[0] - '0');
        advance(&found->rest, 1);
        (*count_out)++;
    }
    return negative ? -value : value;
}

/* A pattern right before digits of another one takes its own width only. */
static uint32_t digits_wanted(const struct time_piece *piece, struct span format)
{
    struct time_piece next;
    bool ignored = false;
    bool follows =
        piece->fill && time_piece_next(&format, &next, &ignored) &&
        (next.pattern != PATTERN_NONE || (next.text.size > 0 && is_digit(next.text.data[0])));
    return follows && piece->suffix == 0 ? piece->width : 10;
}

static tdbplus_status take_name(struct found *found, const char *const *names, uint32_t count,
                                bool is_short, const char *what, int64_t *number_out)
{
    for (uint32_t i = 0; i < count; i++) {
        size_t size = is_short ? 3 : strlen(names[i]);
        if (found->rest.size >= size &&
            strncasecmp((const char *)found->rest.data, names[i], size) == 0) {
            advance(&found->rest, size);
            *number_out = i;
            return TDBPLUS_OK;
        }
    }
    return bad_value(found, what);
}

static tdbplus_status take_roman(struct found *found)
{
    for (int32_t i = 11; i >= 0; i--) {
        size_t size = strlen(romans[i]);
        if (found->rest.size >= size &&
            strncasecmp((const char *)found->rest.data, romans[i], size) == 0 &&
            (found->rest.size == size || strchr("IVXivx", found->rest.data[size]) == NULL)) {
            advance(&found->rest, size);
            found->month = i + 1;
            return TDBPLUS_OK;
        }
    }
    return bad_value(found, "RM");
}

static tdbplus_status take_mark(struct found *found, const struct time_piece *piece, char first,
                                char other, const char *what, bool *other_out)
{
    size_t size = piece->dots ? 4 : 2;
    if (found->rest.size < size) {
        return bad_value(found, what);
    }
    char letter = (char)(found->rest.data[0] | 32);
    if (letter != first && letter != other) {
        return bad_value(found, what);
    }
    *other_out = letter == other;
    advance(&found->rest, size);
    return TDBPLUS_OK;
}

static tdbplus_status take_fraction(struct found *found, const struct time_piece *piece)
{
    static const int64_t powers[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    uint32_t count = 0;
    int64_t value = take_digits(found, piece->width, &count);
    if (count == 0) {
        return bad_value(found, "MS");
    }
    found->microsecond += value * powers[count];
    return TDBPLUS_OK;
}

/* Years of less than four digits are taken as near to 2020. */
static int64_t complete_year(int64_t year, uint32_t digits)
{
    switch (digits) {
    case 1:
        return year + 2000;
    case 2:
        return year < 70 ? year + 2000 : year + 1900;
    case 3:
        return year < 100 ? year + 2000 : year < 520 ? year + 2000 : year + 1000;
    default:
        return year;
    }
}

static tdbplus_status take_year(struct found *found, const struct time_piece *piece,
                                struct span format)
{
    uint32_t count = 0;
    int64_t year = 0;
    if (piece->pattern == PATTERN_YEAR_COMMA) {
        int64_t thousands = take_digits(found, 10, &count);
        if (count == 0 || found->rest.size == 0 || found->rest.data[0] != ',') {
            return bad_value(found, "Y,YYY");
        }
        advance(&found->rest, 1);
        year = thousands * 1000 + take_digits(found, 3, &count);
        count = 4;
    } else {
        year = take_digits(found, digits_wanted(piece, format), &count);
    }
    if (count == 0) {
        return bad_value(found, "YYYY");
    }
    uint32_t width = piece->width < 4 || count < 4 ? (count < 4 ? count : 4) : 4;
    year = piece->width < 4 ? complete_year(year, width) : year;
    if (piece->pattern == PATTERN_ISO_YEAR) {
        found->iso_year = year;
        found->has_iso = true;
    } else {
        found->year = year;
        found->has_year = true;
    }
    return TDBPLUS_OK;
}

static tdbplus_status take_zone(struct found *found, const struct time_piece *piece)
{
    uint32_t count = 0;
    if (piece->pattern == PATTERN_ZONE || piece->pattern == PATTERN_ZONE_OFFSET) {
        return err_set_state(found->err, TDBPLUS_E_UNSUPPORTED, "0A000",
                             "formatting field \"%s\" is only supported in to_char",
                             piece->pattern == PATTERN_ZONE ? "TZ" : "OF");
    }
    found->zone_seen = true;
    if (piece->pattern == PATTERN_ZONE_HOUR) {
        found->zone_negative = found->rest.size > 0 && found->rest.data[0] == '-';
        int64_t hours = take_digits(found, 2, &count);
        found->zone_seconds += (hours < 0 ? -hours : hours) * 3600;
    } else {
        found->zone_seconds += take_digits(found, 2, &count) * 60;
    }
    return count == 0 ? bad_value(found, "TZH") : TDBPLUS_OK;
}

/* A plain number; where it goes. */
static int64_t *place_of(struct found *found, uint8_t pattern, const char **name)
{
    switch (pattern) {
    case PATTERN_MONTH:
        *name = "MM";
        return &found->month;
    case PATTERN_DAY:
        *name = "DD";
        return &found->day;
    case PATTERN_DAY_OF_YEAR:
        *name = "DDD";
        return &found->day_of_year;
    case PATTERN_ISO_DAY_OF_YEAR:
        *name = "IDDD";
        found->has_iso = true;
        return &found->day_of_year;
    case PATTERN_ISO_DAY_OF_WEEK:
        *name = "ID";
        return &found->iso_day;
    case PATTERN_WEEK_OF_MONTH:
        *name = "W";
        return &found->week_of_month;
    case PATTERN_WEEK_OF_YEAR:
        *name = "WW";
        return &found->week;
    case PATTERN_ISO_WEEK:
        *name = "IW";
        found->has_iso = true;
        return &found->iso_week;
    case PATTERN_CENTURY:
        *name = "CC";
        return &found->century;
    case PATTERN_JULIAN:
        *name = "J";
        found->has_julian = true;
        return &found->julian;
    case PATTERN_HOUR_12:
        *name = "HH12";
        found->has_12_hours = true;
        return &found->hour;
    case PATTERN_HOUR_24:
        *name = "HH24";
        return &found->hour;
    case PATTERN_MINUTE:
        *name = "MI";
        return &found->minute;
    case PATTERN_SECOND:
        *name = "SS";
        return &found->second;
    case PATTERN_SECOND_OF_DAY:
        *name = "SSSS";
        found->has_second_of_day = true;
        return &found->second_of_day;
    default:
        return NULL;
    }
}

static tdbplus_status take_field(struct found *found, const struct time_piece *piece,
                                 struct span format)
{
    const char *name = "";
    uint32_t count = 0;
    int64_t number = 0;
    switch (piece->pattern) {
    case PATTERN_YEAR:
    case PATTERN_YEAR_COMMA:
    case PATTERN_ISO_YEAR:
        return take_year(found, piece, format);
    case PATTERN_ERA:
        return take_mark(found, piece, 'a', 'b', "AD", &found->before_christ);
    case PATTERN_MERIDIEM:
        TRY(take_mark(found, piece, 'a', 'p', "AM", &found->after_noon));
        found->before_noon = !found->after_noon;
        return TDBPLUS_OK;
    case PATTERN_MONTH_NAME:
    case PATTERN_MONTH_SHORT:
        TRY(take_name(found, months, 12, piece->pattern == PATTERN_MONTH_SHORT, "MONTH", &number));
        found->month = number + 1;
        return TDBPLUS_OK;
    case PATTERN_DAY_NAME:
    case PATTERN_DAY_SHORT:
        return take_name(found, days, 7, piece->pattern == PATTERN_DAY_SHORT, "DAY", &number);
    case PATTERN_MONTH_ROMAN:
        return take_roman(found);
    case PATTERN_FRACTION:
        return take_fraction(found, piece);
    case PATTERN_ZONE:
    case PATTERN_ZONE_HOUR:
    case PATTERN_ZONE_MINUTE:
    case PATTERN_ZONE_OFFSET:
        return take_zone(found, piece);
    case PATTERN_DAY_OF_WEEK:
    case PATTERN_QUARTER:
        (void)take_digits(found, 1, &count);
        return count == 0 ? bad_value(found, "Q") : TDBPLUS_OK;
    default:
        break;
    }
    int64_t *place = place_of(found, piece->pattern, &name);
    number = take_digits(found, digits_wanted(piece, format), &count);
    if (count == 0 || place == NULL) {
        return bad_value(found, name);
    }
    *place = number;
    if (piece->suffix != 0) {
        advance(&found->rest, found->rest.size < 2 ? found->rest.size : 2);
    }
    return TDBPLUS_OK;
}

static bool is_separator(uint8_t byte)
{
    bool letter = (byte | 32) >= 'a' && (byte | 32) <= 'z';
    return byte > 32 && byte < 127 && !letter && !is_digit(byte);
}

/* Text of the template: blanks and marks may stand for each other, letters skip a character. */
static void skip_text(struct found *found, const struct time_piece *piece)
{
    if (piece->quoted) {
        size_t size = piece->text.size < found->rest.size ? piece->text.size : found->rest.size;
        advance(&found->rest, size);
        return;
    }
    uint8_t byte = piece->text.data[0];
    if (byte == ' ' || is_separator(byte)) {
        skip_spaces(found);
        if (found->rest.size > 0 && is_separator(found->rest.data[0]) &&
            !(found->rest.data[0] == '-' || found->rest.data[0] == '+')) {
            advance(&found->rest, 1);
        } else if (found->rest.size > 0 && found->rest.data[0] == byte) {
            advance(&found->rest, 1);
        } else if (found->rest.size > 1 && found->rest.data[0] == '-' && byte != ' ') {
            advance(&found->rest, 1);
        }
        skip_spaces(found);
        return;
    }
    size_t size = piece->text.size < found->rest.size ? piece->text.size : found->rest.size;
    advance(&found->rest, size);
}

static tdbplus_status out_of_range(struct err *err, struct span text)
{
    return err_set_state(err, TDBPLUS_E_SQL, "22008",
                         "date/time field value out of range: \"%.*s\"",
                         (int)(text.size > 80 ? 80 : text.size), (const char *)text.data);
}

static tdbplus_status find_date(struct found *found, struct span text, int64_t *days_out)
{
    int64_t year = found->has_year ? found->year : 0;
    if (found->has_julian) {
        *days_out = found->julian - 2440588;
        return TDBPLUS_OK;
    }
    if (found->has_iso && found->iso_week > 0) {
        int64_t fourth = civil_to_days(found->iso_year, 1, 4);
        int64_t monday = fourth - (week_day(fourth) + 6) % 7;
        *days_out =
            monday + (found->iso_week - 1) * 7 + (found->iso_day > 0 ? found->iso_day - 1 : 0);
        return found->iso_week <= 53 ? TDBPLUS_OK : out_of_range(found->err, text);
    }
    if (!found->has_year && found->century != 0) {
        year = (found->century - 1) * 100 + 1;
        found->has_year = true;
    } else if (found->has_year && found->century != 0 && year < 100) {
        year = (found->century - 1) * 100 + year;
    }
    if (found->before_christ && year > 0) {
        year = 1 - year;
    } else if (!found->has_year || (year == 0 && found->has_year)) {
        year = 0;
    }
    int64_t month = found->month == 0 ? 1 : found->month;
    int64_t day = found->day == 0 ? 1 : found->day;
    if (found->week > 0) {
        found->day_of_year = (found->week - 1) * 7 + 1;
    }
    if (found->week_of_month > 0) {
        day = (found->week_of_month - 1) * 7 + 1;
    }
    if (found->day_of_year > 0 && found->month == 0) {
        *days_out = civil_to_days(year, 1, 1) + found->day_of_year - 1;
        return found->day_of_year <= 366 ? TDBPLUS_OK : out_of_range(found->err, text);
    }
    if (month < 1 || month > 12 || day < 1 || day > civil_month_days(year, (int32_t)month)) {
        return out_of_range(found->err, text);
    }
    *days_out = civil_to_days(year, (int32_t)month, day);
    return TDBPLUS_OK;
}

static tdbplus_status find_time(struct found *found, struct span text, int64_t *time_out)
{
    if (found->has_second_of_day) {
        found->hour = found->second_of_day / 3600;
        found->minute = found->second_of_day / 60 % 60;
        found->second = found->second_of_day % 60;
    }
    if (found->has_12_hours) {
        if (found->hour < 1 || found->hour > 12) {
            tdbplus_status status = err_set_state(found->err, TDBPLUS_E_SQL, "22007",
                                                  "hour \"%lld\" is invalid for the 12-hour clock",
                                                  (long long)found->hour);
            err_hint(found->err, "Use the 24-hour clock, or give an hour between 1 and 12.");
            return status;
        }
        found->hour = found->hour % 12 + (found->after_noon ? 12 : 0);
    }
    bool good = found->hour >= 0 && found->hour < 24 && found->minute >= 0 && found->minute < 60 &&
                found->second >= 0 && found->second < 60;
    *time_out = ((found->hour * 60 + found->minute) * 60 + found->second) * US_PER_SECOND +
                found->microsecond;
    return good ? TDBPLUS_OK : out_of_range(found->err, text);
}

tdbplus_status time_unformat(struct span text, struct span format, const struct tz *tz,
                             int64_t *timestamp_out, struct err *err)
{
    struct found found = {.rest = text, .err = err};
    struct time_piece piece;
    while (time_piece_next(&format, &piece, &found.exact)) {
        if (found.rest.size == 0) {
            break;
        }
        if (piece.pattern == PATTERN_NONE) {
            skip_text(&found, &piece);
            continue;
        }
        if (!found.exact) {
            skip_spaces(&found);
        }
        TRY(take_field(&found, &piece, format));
    }
    int64_t day = 0;
    int64_t time = 0;
    TRY(find_date(&found, text, &day));
    TRY(find_time(&found, text, &time));
    if (!date_in_range(day) || day > INT32_MAX / 2) {
        return out_of_range(err, text);
    }
    int64_t zone = found.zone_negative ? -found.zone_seconds : found.zone_seconds;
    int64_t local = day * US_PER_DAY + time;
    zone = found.zone_seen ? zone : tz_offset_of_local(tz, local);
    int64_t timestamp = local - zone * US_PER_SECOND;
    if (!timestamp_in_range(timestamp)) {
        return out_of_range(err, text);
    }
    *timestamp_out = timestamp;
    return TDBPLUS_OK;
}
