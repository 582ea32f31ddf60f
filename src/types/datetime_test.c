/*
 * Goal: dates, times, intervals and zones read, print and compute as in PostgreSQL 15.
 * Method: vectors made by PostgreSQL; every day of 20,000 years; damaged zone files.
 */

#include "types/datetime.h"

#include <stdlib.h>

#include "test.h"
#include "types/datetime_text.h"
#include "types/numeric_internal.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#include "types/vectors/tz_files.inc"

static const struct {
    const char *name;
    const uint8_t *data;
    size_t size;
} files[] = {
    {"America/New_York", file_america_new_york, sizeof file_america_new_york},
    {"Europe/Dublin", file_europe_dublin, sizeof file_europe_dublin},
    {"Australia/Lord_Howe", file_australia_lord_howe, sizeof file_australia_lord_howe},
    {"Asia/Kolkata", file_asia_kolkata, sizeof file_asia_kolkata},
    {"Pacific/Apia", file_pacific_apia, sizeof file_pacific_apia},
};

static const struct {
    const char *type;
    const char *text;
    const char *result;
    int is_error;
} texts[] = {
#include "types/vectors/datetime_text.inc"
};

static const struct operation {
    const char *name;
    const char *left;
    const char *right;
    const char *result;
    int is_error;
} operations[] = {
#include "types/vectors/datetime.inc"
};

static const struct {
    const char *zone;
    const char *local;
    const char *result;
    int is_error;
} locals[] = {
#include "types/vectors/tz.inc"
};

static tdbplus_status read_and_print(const char *type, const char *text, struct buffer *out,
                                     struct err *err)
{
    struct span span = span_from_text(text);
    if (strcmp(type, "date") == 0) {
        int32_t date = 0;
        TRY(date_parse(span, &date, err));
        date_print(date, out);
    } else if (strcmp(type, "time") == 0) {
        int64_t time = 0;
        TRY(time_parse(span, &time, err));
        time_print(time, out);
    } else if (strcmp(type, "timestamp") == 0) {
        int64_t timestamp = 0;
        TRY(timestamp_parse(span, &timestamp, err));
        timestamp_print(timestamp, out);
    } else if (strcmp(type, "timestamptz") == 0) {
        int64_t timestamp = 0;
        TRY(timestamptz_parse(span, NULL, NULL, &timestamp, err));
        timestamptz_print(timestamp, NULL, out);
    } else {
        struct interval interval;
        TRY(interval_parse(span, &interval, err));
        interval_print(&interval, out);
    }
    return TDBPLUS_OK;
}

TEST(texts_are_read_and_printed_as_postgresql_does)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buffer out = {.alloc = &alloc_system};
        struct err err = {0};
        tdbplus_status status = read_and_print(texts[i].type, texts[i].text, &out, &err);
        buffer_put_u8(&out, 0);
        const char *got = status == TDBPLUS_OK ? (const char *)out.data : err.sqlstate;
        if ((status != TDBPLUS_OK) != texts[i].is_error || strcmp(got, texts[i].result) != 0) {
            fprintf(stderr, "%s '%s': got %s, expected %s\n", texts[i].type, texts[i].text, got,
                    texts[i].result);
            wrong++;
        }
        buffer_deinit(&out);
    }
    CHECK(wrong == 0);
}

static int64_t timestamp_of(const char *text)
{
    int64_t timestamp = 0;
    CHECK(timestamp_parse(span_from_text(text), &timestamp, NULL) == TDBPLUS_OK);
    return timestamp;
}

static struct interval interval_of(const char *text)
{
    struct interval interval = {0};
    CHECK(interval_parse(span_from_text(text), &interval, NULL) == TDBPLUS_OK);
    return interval;
}

static enum datetime_field field_of(const char *name)
{
    enum datetime_field field = FIELD_EPOCH;
    CHECK(datetime_field_of(span_from_text(name), &field));
    return field;
}

static tdbplus_status run_on_timestamps(const struct operation *op, struct buffer *out,
                                        struct err *err)
{
    int64_t left = timestamp_of(op->left);
    int64_t result = 0;
    unsigned scale = 0;
    struct interval interval;
    if (strcmp(op->name, "+") == 0) {
        interval = interval_of(op->right);
        TRY(timestamp_add(left, &interval, NULL, &result, err));
        timestamp_print(result, out);
    } else if (strcmp(op->name, "trunc") == 0) {
        TRY(timestamp_truncate(left, field_of(op->right), NULL, &result, err));
        timestamp_print(result, out);
    } else if (strcmp(op->name, "extract") == 0) {
        result = timestamp_extract(left, field_of(op->right), NULL, &scale);
        numeric_print_scaled(result, scale, out);
    } else if (strcmp(op->name, "-") == 0) {
        TRY(timestamp_difference(left, timestamp_of(op->right), &interval, err));
        interval_print(&interval, out);
    } else {
        TRY(timestamp_age(left, timestamp_of(op->right), &interval, err));
        interval_print(&interval, out);
    }
    return TDBPLUS_OK;
}

static tdbplus_status run_on_intervals(const struct operation *op, struct buffer *out,
                                       struct err *err)
{
    struct interval left = interval_of(op->left);
    struct interval result;
    if (strcmp(op->name, "interval extract") == 0) {
        int64_t value = 0;
        unsigned scale = 0;
        TRY(interval_extract(&left, field_of(op->right), &value, &scale, err));
        numeric_print_scaled(value, scale, out);
        return TDBPLUS_OK;
    }
    if (strcmp(op->name, "interval +") == 0) {
        struct interval right = interval_of(op->right);
        TRY(interval_add(&left, &right, &result, err));
    } else {
        TRY(interval_multiply(&left, strtod(op->right, NULL), &result, err));
    }
    interval_print(&result, out);
    return TDBPLUS_OK;
}

TEST(operations_give_what_postgresql_gives)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT(operations); i++) {
        const struct operation *op = &operations[i];
        struct buffer out = {.alloc = &alloc_system};
        struct err err = {0};
        bool on_intervals = strncmp(op->name, "interval", 8) == 0;
        tdbplus_status status =
            on_intervals ? run_on_intervals(op, &out, &err) : run_on_timestamps(op, &out, &err);
        buffer_put_u8(&out, 0);
        const char *got = status == TDBPLUS_OK ? (const char *)out.data : err.sqlstate;
        if ((status != TDBPLUS_OK) != op->is_error || strcmp(got, op->result) != 0) {
            fprintf(stderr, "%s '%s' '%s': got %s, expected %s\n", op->name, op->left, op->right,
                    got, op->result);
            wrong++;
        }
        buffer_deinit(&out);
    }
    CHECK(wrong == 0);
}

TEST(every_day_comes_back)
{
    struct civil before = {0};
    civil_of_days(-3000001, &before);
    for (int64_t days = -3000000; days < 4500000; days++) {
        struct civil civil = {0};
        civil_of_days(days, &civil);
        CHECK(civil_to_days(civil.year, civil.month, civil.day) == days);
        bool same_month = civil.month == before.month && civil.day == before.day + 1;
        bool next_month =
            civil.day == 1 && before.day == civil_month_days(before.year, before.month);
        CHECK(same_month || next_month);
        before = civil;
    }
}

static struct tz *load(size_t file)
{
    struct tz *tz = NULL;
    struct err err = {0};
    tdbplus_status status = tz_load((struct span){files[file].data, files[file].size},
                                    span_from_text(files[file].name), &alloc_system, &tz, &err);
    CHECK(status == TDBPLUS_OK);
    return tz;
}

TEST(local_times_are_those_of_postgresql)
{
    struct tz *zones[COUNT(files)];
    for (size_t i = 0; i < COUNT(files); i++) {
        zones[i] = load(i);
        CHECK(strcmp(tz_name(zones[i]), files[i].name) == 0);
    }
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT(locals); i++) {
        const struct tz *zone = NULL;
        for (size_t k = 0; k < COUNT(files); k++) {
            zone = strcmp(files[k].name, locals[i].zone) == 0 ? zones[k] : zone;
        }
        CHECK(zone != NULL && !locals[i].is_error);
        struct buffer out = {.alloc = &alloc_system};
        int64_t timestamp = 0;
        CHECK(timestamptz_parse(span_from_text(locals[i].local), zone, NULL, &timestamp, NULL) ==
              TDBPLUS_OK);
        timestamp_print(timestamp, &out);
        buffer_put_u8(&out, ' ');
        timestamptz_print(timestamp, zone, &out);
        buffer_put_u8(&out, 0);
        if (strcmp((char *)out.data, locals[i].result) != 0) {
            fprintf(stderr, "%s %s: got %s, expected %s\n", locals[i].zone, locals[i].local,
                    (char *)out.data, locals[i].result);
            wrong++;
        }
        buffer_deinit(&out);
    }
    CHECK(wrong == 0);
    CHECK(strcmp(tz_abbreviation_at(zones[0], 0), "EST") == 0);
    CHECK(strcmp(tz_abbreviation_at(zones[0], timestamp_of("2500-07-01")), "EDT") == 0);
    for (size_t i = 0; i < COUNT(files); i++) {
        tz_destroy(zones[i]);
    }
}

TEST(days_have_the_hours_that_the_zone_gives_them)
{
    struct tz *tz = load(0);
    int64_t noon = 0;
    int64_t next = 0;
    struct interval day = {.days = 1};
    struct interval hours = {.microseconds = US_PER_DAY};
    CHECK(timestamptz_parse(span_from_text("2024-03-09 12:00"), tz, NULL, &noon, NULL) ==
          TDBPLUS_OK);
    CHECK(timestamp_add(noon, &day, tz, &next, NULL) == TDBPLUS_OK);
    CHECK(next - noon == 23 * US_PER_HOUR);
    CHECK(timestamp_add(noon, &hours, tz, &next, NULL) == TDBPLUS_OK);
    CHECK(next - noon == 24 * US_PER_HOUR);
    CHECK(timestamp_truncate(next, FIELD_DAY, tz, &next, NULL) == TDBPLUS_OK);
    CHECK(next == timestamp_of("2024-03-10 05:00"));
    unsigned scale = 9;
    CHECK(timestamp_extract(noon, FIELD_HOUR, tz, &scale) == 12 && scale == 0);
    tz_destroy(tz);
    tz_destroy(NULL);
}

TEST(fixed_zones_never_change)
{
    struct tz *tz = NULL;
    CHECK(tz_fixed(-19800, span_from_text("<-05:30>"), &alloc_system, &tz, NULL) == TDBPLUS_OK);
    CHECK(tz_offset_at(tz, 0) == -19800 && tz_offset_of_local(tz, INT64_C(1) << 60) == -19800);
    tz_destroy(tz);
    CHECK(tz_fixed(200000, (struct span){0}, &alloc_system, &tz, NULL) == TDBPLUS_E_RANGE);
    CHECK(tz_offset_at(NULL, 5) == 0 && tz_offset_of_local(NULL, 5) == 0);
}

static const struct tz *find(void *ctx, struct span name)
{
    return span_compare(name, span_from_text("America/New_York")) == 0 ? ctx : NULL;
}

TEST(zones_are_found_by_name)
{
    struct tz *tz = load(0);
    struct tz_finder finder = {.find = find, .ctx = tz};
    int64_t timestamp = 0;
    CHECK(timestamptz_parse(span_from_text("2024-07-01 00:00 America/New_York"), NULL, &finder,
                            &timestamp, NULL) == TDBPLUS_OK);
    CHECK(timestamp == timestamp_of("2024-07-01 04:00"));
    struct err err = {0};
    CHECK(timestamptz_parse(span_from_text("2024-07-01 00:00 Mars/Base"), NULL, &finder, &timestamp,
                            &err) == TDBPLUS_E_INVALID);
    CHECK(strcmp(err.sqlstate, "22023") == 0);
    tz_destroy(tz);
}

/* Asks a zone everything; it may answer nonsense, but must not stray. */
static void ask(const struct tz *tz)
{
    for (int64_t year = -100000; year < 290000; year += 997) {
        int64_t timestamp = civil_to_days(year, 6, 1) * US_PER_DAY;
        int32_t offset = tz_offset_at(tz, timestamp);
        CHECK(offset >= -200000 && offset <= 200000);
        CHECK(tz_abbreviation_at(tz, timestamp) != NULL);
        (void)tz_offset_of_local(tz, timestamp);
    }
}

TEST(damaged_zone_files_are_refused_or_harmless)
{
    for (size_t file = 0; file < COUNT(files); file++) {
        size_t size = files[file].size;
        struct bytes copy = {
            .data = alloc_raw(&alloc_system, size), .size = size, .alloc = &alloc_system};
        memcpy(copy.data, files[file].data, size);
        for (size_t cut = 0; cut < size; cut++) {
            struct tz *tz = NULL;
            CHECK(tz_load((struct span){copy.data, cut}, (struct span){0}, &alloc_system, &tz,
                          NULL) == TDBPLUS_E_CORRUPT);
        }
        for (size_t at = 0; at < size; at++) {
            copy.data[at] ^= (uint8_t)(1u << (at % 8));
            struct tz *tz = NULL;
            if (tz_load((struct span){copy.data, size}, (struct span){0}, &alloc_system, &tz,
                        NULL) == TDBPLUS_OK &&
                at % 16 == 0) {
                ask(tz);
            }
            tz_destroy(tz);
            copy.data[at] ^= (uint8_t)(1u << (at % 8));
        }
        bytes_deinit(&copy);
    }
}

TEST(loading_a_zone_without_memory_fails)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, 0);
    struct tz *tz = NULL;
    CHECK(tz_load((struct span){files[0].data, files[0].size}, (struct span){0}, &fault.alloc, &tz,
                  NULL) == TDBPLUS_E_NOMEM);
    CHECK(tz == NULL && fault.live_bytes == 0);
}
