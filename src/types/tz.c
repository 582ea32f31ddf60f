#include "types/tz.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/datetime.h"

#define TRANSITION_COUNT_MAX 4096u
#define KIND_COUNT_MAX       256u
#define NAMES_SIZE_MAX       512u
#define RULE_NAME_SIZE       16u
#define SECONDS_PER_HOUR     3600
#define SECONDS_PER_DAY      86400

/* A kind of local time: standard, summer... */
struct kind {
    int32_t offset;
    const char *abbreviation; /* In `names`, or a rule's. */
};

/* When a clock changes in every year: the end of a TZif file's footer. */
struct change {
    char form; /* 'M': week and weekday of a month; 'J': day 1..365 without leap days; 'N': 0..365.
                */
    int32_t month;
    int32_t week; /* 5: the last. */
    int32_t day;  /* Of the week from Sunday, or of the year. */
    int32_t time; /* Seconds of local time; may be negative or past a day. */
};

struct rule {
    bool present;
    bool has_summer;
    struct kind standard;
    struct kind summer;
    struct change to_summer;
    struct change to_standard;
    char names[2][RULE_NAME_SIZE];
};

struct tz {
    char name[TZ_NAME_SIZE_MAX];
    uint32_t transition_count;
    int64_t transitions[TRANSITION_COUNT_MAX]; /* Seconds of UTC, rising. */
    uint8_t kind_at[TRANSITION_COUNT_MAX];     /* From transition i on. */
    uint32_t kind_count;
    struct kind kinds[KIND_COUNT_MAX];
    char names[NAMES_SIZE_MAX + 1];
    struct rule rule; /* After the last transition. */
    const struct alloc *alloc;
};

static TDBPLUS_CHECKED tdbplus_status damaged(struct err *err, const struct tz *tz,
                                              const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "time zone %s: the file is damaged: %s", tz->name, what);
}

/* ---- the rule in the footer: POSIX's TZ, as RFC 8536 extends it ---- */

static bool read_number(struct reader *reader, int32_t *number_out)
{
    int32_t number = 0;
    size_t digits = 0;
    while (reader->rest.size > 0 && reader->rest.data[0] >= '0' && reader->rest.data[0] <= '9') {
        if (++digits > 4) {
            return false;
        }
        number = number * 10 + (reader_u8(reader) - '0');
    }
    *number_out = number;
    return digits > 0;
}

static bool skip(struct reader *reader, char byte)
{
    if (reader->rest.size == 0 || reader->rest.data[0] != (uint8_t)byte) {
        return false;
    }
    (void)reader_u8(reader);
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(struct reader *reader, int32_t hours_max, int32_t *seconds_out)
{
    bool is_negative = skip(reader, '-');
    if (!is_negative) {
        (void)skip(reader, '+');
    }
    int32_t parts[3] = {0};
    for (int i = 0; i < 3; i++) {
        if (!read_number(reader, &parts[i])) {
            return false;
        }
        if (!skip(reader, ':')) {
            break;
        }
    }
    if (parts[0] > hours_max || parts[1] > 59 || parts[2] > 59) {
        return false;
    }
    int32_t seconds = parts[0] * SECONDS_PER_HOUR + parts[1] * 60 + parts[2];
    *seconds_out = is_negative ? -seconds : seconds;
    return true;
}

static bool is_name_byte(uint8_t byte, bool quoted)
{
    bool is_letter = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    return is_letter || (quoted && ((byte >= '0' && byte <= '9') || byte == '+' || byte == '-'));
}

static bool read_name(struct reader *reader, char name[RULE_NAME_SIZE])
{
    bool quoted = skip(reader, '<');
    size_t size = 0;
    while (reader->rest.size > 0 && is_name_byte(reader->rest.data[0], quoted)) {
        if (size + 1 == RULE_NAME_SIZE) {
            return false;
        }
        name[size++] = (char)reader_u8(reader);
    }
    name[size] = 0;
    return size > 0 && (!quoted || skip(reader, '>'));
}

static bool read_change(struct reader *reader, struct change *change)
{
    bool good = false;
    if (skip(reader, 'M')) {
        change->form = 'M';
        good = read_number(reader, &change->month) && skip(reader, '.') &&
               read_number(reader, &change->week) && skip(reader, '.') &&
               read_number(reader, &change->day) && change->month >= 1 && change->month <= 12 &&
               change->week >= 1 && change->week <= 5 && change->day <= 6;
    } else {
        bool is_julian = skip(reader, 'J');
        change->form = is_julian ? 'J' : 'N';
        good = read_number(reader, &change->day) && change->day <= 365 &&
               (!is_julian || change->day >= 1);
    }
    change->time = 2 * SECONDS_PER_HOUR;
    return good && (!skip(reader, '/') || read_time(reader, 167, &change->time));
}

static bool read_rule(struct span text, struct rule *rule)
{
    struct reader reader = reader_of(text);
    int32_t west = 0;
    if (!read_name(&reader, rule->names[0]) || !read_time(&reader, 24, &west)) {
        return false;
    }
    rule->present = true;
    rule->standard.offset = -west;
    if (reader.rest.size == 0) {
        return true;
    }
    rule->has_summer = true;
    rule->summer.offset = rule->standard.offset + SECONDS_PER_HOUR;
    if (!read_name(&reader, rule->names[1])) {
        return false;
    }
    if (reader.rest.size > 0 && reader.rest.data[0] != ',') {
        if (!read_time(&reader, 24, &west)) {
            return false;
        }
        rule->summer.offset = -west;
    }
    return skip(&reader, ',') && read_change(&reader, &rule->to_summer) && skip(&reader, ',') &&
           read_change(&reader, &rule->to_standard) && reader.rest.size == 0;
}

/* Seconds from 1970 of the local time at which a change happens in a year. */
static int64_t change_at(const struct change *change, int64_t year)
{
    int64_t days = 0;
    if (change->form == 'M') {
        int64_t first = civil_to_days(year, change->month, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; // Sunday is 0.
        days = first + (change->day - weekday + 7) % 7 + ((int64_t)change->week - 1) * 7;
        if (days >= first + civil_month_days(year, change->month)) {
            days -= 7;
        }
    } else if (change->form == 'J') {
        // Day 60 is always the first of March.
        bool after_leap_day = change->day >= 60 && civil_month_days(year, 2) == 29;
        days = civil_to_days(year, 1, 1) + change->day - 1 + after_leap_day;
    } else {
        days = civil_to_days(year, 1, 1) + change->day;
    }
    return days * SECONDS_PER_DAY + change->time;
}

/* Changes in order around a moment: enough of them to know what holds before and after. */
struct nearby {
    uint32_t count;
    int64_t at[6];
    const struct kind *after[6];
};

static void list_nearby(const struct rule *rule, int64_t seconds, struct nearby *nearby)
{
    struct civil civil;
    int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
    civil_of_days(days, &civil);
    nearby->count = 0;
    for (int64_t year = civil.year - 1; year <= (int64_t)civil.year + 1; year++) {
        int64_t summer = change_at(&rule->to_summer, year) - rule->standard.offset;
        int64_t standard = change_at(&rule->to_standard, year) - rule->summer.offset;
        bool summer_first = summer < standard;
        uint32_t i = nearby->count;
        nearby->at[i] = summer_first ? summer : standard;
        nearby->after[i] = summer_first ? &rule->summer : &rule->standard;
        nearby->at[i + 1] = summer_first ? standard : summer;
        nearby->after[i + 1] = summer_first ? &rule->standard : &rule->summer;
        nearby->count += 2;
    }
}

/* ---- lookup ---- */

/* What holds at a moment, and the next change after it. */
struct period {
    const struct kind *kind;
    const struct kind *next; /* NULL: it holds for ever. */
    int64_t end;
};

static struct period period_of_rule(const struct tz *tz, int64_t seconds)
{
    struct period period = {.kind = &tz->rule.standard};
    if (!tz->rule.has_summer) {
        return period;
    }
    struct nearby nearby;
    list_nearby(&tz->rule, seconds, &nearby);
    uint32_t i = 0;
    while (i < nearby.count && nearby.at[i] <= seconds) {
        period.kind = nearby.after[i++];
    }
    if (i < nearby.count) {
        period.next = nearby.after[i];
        period.end = nearby.at[i];
    }
    return period;
}

static struct period period_at(const struct tz *tz, int64_t seconds)
{
    uint32_t low = 0;
    uint32_t high = tz->transition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tz->transitions[middle] <= seconds) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == tz->transition_count && tz->rule.present) {
        return period_of_rule(tz, seconds);
    }
    struct period period = {.kind = &tz->kinds[low == 0 ? 0 : tz->kind_at[low - 1]]};
    if (low < tz->transition_count) {
        period.next = &tz->kinds[tz->kind_at[low]];
        period.end = tz->transitions[low];
    }
    return period;
}

static int64_t to_seconds(int64_t timestamp)
{
    return timestamp / US_PER_SECOND - (timestamp % US_PER_SECOND < 0);
}

int32_t tz_offset_at(const struct tz *tz, int64_t timestamp)
{
    return tz == NULL ? 0 : period_at(tz, to_seconds(timestamp)).kind->offset;
}

const char *tz_abbreviation_at(const struct tz *tz, int64_t timestamp)
{
    return tz == NULL ? "UTC" : period_at(tz, to_seconds(timestamp)).kind->abbreviation;
}

const char *tz_name(const struct tz *tz)
{
    return tz == NULL ? "UTC" : tz->name;
}

int32_t tz_offset_of_local(const struct tz *tz, int64_t local)
{
    if (tz == NULL) {
        return 0;
    }
    // No offset is larger than a day, so the change to think of is the first one after a day ago.
    int64_t seconds = to_seconds(local);
    struct period period = period_at(tz, seconds - SECONDS_PER_DAY);
    while (period.next != NULL && period.end + SECONDS_PER_DAY <= seconds) {
        period = period_at(tz, period.end);
    }
    if (period.next == NULL) {
        return period.kind->offset;
    }
    int64_t before = seconds - period.kind->offset;
    int64_t after = seconds - period.next->offset;
    if (before < period.end && after < period.end) {
        return period.kind->offset;
    }
    if (before >= period.end && after >= period.end) {
        return period.next->offset;
    }
    return before > after ? period.kind->offset : period.next->offset;
}

/* ---- loading ---- */

static uint32_t read_be32(struct reader *reader)
{
    return __builtin_bswap32(reader_u32(reader));
}

static int64_t read_be64(struct reader *reader)
{
    return (int64_t)__builtin_bswap64(reader_u64(reader));
}

struct counts {
    uint8_t version;
    uint32_t utc_indicators;
    uint32_t standard_indicators;
    uint32_t leaps;
    uint32_t transitions;
    uint32_t kinds;
    uint32_t names_size;
};

static bool read_counts(struct reader *reader, struct counts *counts)
{
    struct span magic = reader_span(reader, 4);
    if (magic.size != 4 || memcmp(magic.data, "TZif", 4) != 0) {
        return false;
    }
    counts->version = reader_u8(reader);
    (void)reader_span(reader, 15);
    counts->utc_indicators = read_be32(reader);
    counts->standard_indicators = read_be32(reader);
    counts->leaps = read_be32(reader);
    counts->transitions = read_be32(reader);
    counts->kinds = read_be32(reader);
    counts->names_size = read_be32(reader);
    return !reader->overrun && counts->transitions <= TRANSITION_COUNT_MAX && counts->kinds >= 1 &&
           counts->kinds <= KIND_COUNT_MAX && counts->names_size >= 1 &&
           counts->names_size <= NAMES_SIZE_MAX && counts->leaps <= TRANSITION_COUNT_MAX &&
           counts->utc_indicators <= KIND_COUNT_MAX &&
           counts->standard_indicators <= KIND_COUNT_MAX;
}

static void skip_block(struct reader *reader, const struct counts *counts, size_t time_size)
{
    (void)reader_span(reader, counts->transitions * (time_size + 1) + (size_t)counts->kinds * 6 +
                                  counts->names_size + counts->leaps * (time_size + 4) +
                                  counts->standard_indicators + counts->utc_indicators);
}

static bool read_transitions(struct reader *reader, const struct counts *counts, size_t time_size,
                             struct tz *tz)
{
    tz->transition_count = counts->transitions;
    for (uint32_t i = 0; i < counts->transitions; i++) {
        tz->transitions[i] = time_size == 8 ? read_be64(reader) : (int32_t)read_be32(reader);
        if (i > 0 && tz->transitions[i] <= tz->transitions[i - 1]) {
            return false;
        }
    }
    for (uint32_t i = 0; i < counts->transitions; i++) {
        tz->kind_at[i] = reader_u8(reader);
        if (tz->kind_at[i] >= counts->kinds) {
            return false;
        }
    }
    return !reader->overrun;
}

static bool read_kinds(struct reader *reader, const struct counts *counts, struct tz *tz)
{
    tz->kind_count = counts->kinds;
    for (uint32_t i = 0; i < counts->kinds; i++) {
        tz->kinds[i].offset = (int32_t)read_be32(reader);
        (void)reader_u8(reader); // Whether it is summer time.
        uint8_t name = reader_u8(reader);
        if (name >= counts->names_size || tz->kinds[i].offset < -TZ_OFFSET_SECONDS_MAX ||
            tz->kinds[i].offset > TZ_OFFSET_SECONDS_MAX) {
            return false;
        }
        tz->kinds[i].abbreviation = tz->names + name;
    }
    struct span names = reader_span(reader, counts->names_size);
    if (names.size == 0) {
        return false;
    }
    memcpy(tz->names, names.data, names.size);
    tz->names[names.size] = 0;
    return true;
}

static bool read_footer(struct reader *reader, struct tz *tz)
{
    if (!skip(reader, '\n') || reader->rest.size == 0) {
        return false;
    }
    const uint8_t *end = memchr(reader->rest.data, '\n', reader->rest.size);
    if (end == NULL) {
        return false;
    }
    struct span text = {.data = reader->rest.data, .size = (size_t)(end - reader->rest.data)};
    tz->rule.standard.abbreviation = tz->rule.names[0];
    tz->rule.summer.abbreviation = tz->rule.names[1];
    return text.size == 0 || read_rule(text, &tz->rule);
}

static tdbplus_status read_file(struct span file, struct tz *tz, struct err *err)
{
    struct reader reader = reader_of(file);
    struct counts counts = {0};
    if (file.size > TZ_FILE_SIZE_MAX || !read_counts(&reader, &counts)) {
        return damaged(err, tz, "its header");
    }
    size_t time_size = 4;
    if (counts.version >= '2') {
        // What follows is for old readers; the same comes again with 64-bit times.
        skip_block(&reader, &counts, time_size);
        time_size = 8;
        if (!read_counts(&reader, &counts)) {
            return damaged(err, tz, "its second header");
        }
    }
    if (!read_transitions(&reader, &counts, time_size, tz) || !read_kinds(&reader, &counts, tz)) {
        return damaged(err, tz, "its transitions");
    }
    (void)reader_span(&reader, counts.leaps * (time_size + 4) + counts.standard_indicators +
                                   counts.utc_indicators);
    if (reader.overrun || (time_size == 8 && !read_footer(&reader, tz))) {
        return damaged(err, tz, "its footer");
    }
    return TDBPLUS_OK;
}

static tdbplus_status create(struct span name, const struct alloc *alloc, struct tz **tz_out,
                             struct err *err)
{
    struct tz *tz = alloc_array(alloc, 1, sizeof *tz);
    if (tz == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "time zone: no memory");
    }
    size_t size = name.size < TZ_NAME_SIZE_MAX ? name.size : TZ_NAME_SIZE_MAX - 1;
    if (size > 0) {
        memcpy(tz->name, name.data, size);
    }
    tz->alloc = alloc;
    *tz_out = tz;
    return TDBPLUS_OK;
}

tdbplus_status tz_load(struct span file, struct span name, const struct alloc *alloc,
                       struct tz **tz_out, struct err *err)
{
    struct tz *tz = NULL;
    TRY(create(name, alloc, &tz, err));
    tdbplus_status status = read_file(file, tz, err);
    if (status != TDBPLUS_OK) {
        tz_destroy(tz);
        return status;
    }
    *tz_out = tz;
    return TDBPLUS_OK;
}

tdbplus_status tz_fixed(int32_t offset_seconds, struct span name, const struct alloc *alloc,
                        struct tz **tz_out, struct err *err)
{
    if (offset_seconds < -TZ_OFFSET_SECONDS_MAX || offset_seconds > TZ_OFFSET_SECONDS_MAX) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22009", "time zone displacement out of range");
    }
    struct tz *tz = NULL;
    TRY(create(name, alloc, &tz, err));
    tz->kind_count = 1;
    tz->kinds[0] = (struct kind){.offset = offset_seconds, .abbreviation = tz->name};
    *tz_out = tz;
    return TDBPLUS_OK;
}

void tz_destroy(struct tz *tz)
{
    if (tz != NULL) {
        alloc_free(tz->alloc, tz, 1, sizeof *tz);
    }
}
