/*
 * Goal: every value that dump writes reads back as the same value. Dates are compared with the C
 * library's calendar over 4,000 years, the rest with what PostgreSQL prints.
 */

#include <math.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "test.h"

static char written[256];

static const char *json_of(tdbplus_value value)
{
    memset(written, 0, sizeof written);
    FILE *out = fmemopen(written, sizeof written - 1, "w");
    CHECK(out != NULL);
    json_write_value(out, &value);
    (void)fclose(out);
    return written;
}

static bool writes(tdbplus_value value, const char *expected)
{
    return strcmp(json_of(value), expected) == 0;
}

static tdbplus_value integer_of(tdbplus_type type, int64_t integer)
{
    return (tdbplus_value){.type = type, .as.integer = integer};
}

TEST(dates_are_those_of_the_calendar)
{
    for (int64_t day = -719000; day < 741000; day += 13) { // Of the years 1 to 3998.
        const time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        char expected[64];
        CHECK(gmtime_r(&seconds, &tm) != NULL);
        (void)snprintf(expected, sizeof expected, "\"%04d-%02d-%02d\"", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday);
        CHECK(writes(integer_of(TDBPLUS_TYPE_DATE, day), expected));
    }
    CHECK(writes(integer_of(TDBPLUS_TYPE_DATE, 11016), "\"2000-02-29\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_DATE, -719163), "\"0001-12-31 BC\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_DATE, INT32_MAX), "\"infinity\""));
}

TEST(times_have_a_fraction_only_when_needed)
{
    CHECK(writes(integer_of(TDBPLUS_TYPE_TIME, 1), "\"00:00:00.000001\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_TIME, INT64_C(86399000000)), "\"23:59:59\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_TIMESTAMP, -1), "\"1969-12-31 23:59:59.999999\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_TIMESTAMPTZ, 0), "\"1970-01-01 00:00:00+00\""));
    CHECK(writes(integer_of(TDBPLUS_TYPE_TIMESTAMP, INT64_MIN), "\"-infinity\""));
}

TEST(numbers_read_back_as_they_were)
{
    CHECK(writes(tdbplus_int8(INT64_MIN), "-9223372036854775808"));
    CHECK(writes(tdbplus_float8(0.1), "0.1"));
    CHECK(writes(tdbplus_float8(1.0 / 3.0), "0.3333333333333333"));
    CHECK(writes(tdbplus_float8((double)NAN), "\"NaN\""));
    CHECK(writes(tdbplus_float8(-(double)INFINITY), "\"-Infinity\""));
    const tdbplus_value tenth = {.type = TDBPLUS_TYPE_FLOAT4, .as.real = (double)0.1F};
    CHECK(writes(tenth, "0.1"));
}

TEST(strings_are_escaped)
{
    CHECK(writes(tdbplus_text("a\"b\\c\n\x01\xc3\xa4"), "\"a\\\"b\\\\c\\n\\u0001\xc3\xa4\""));
    CHECK(writes(tdbplus_bytea("\x00\xff", 2), "\"\\\\x00ff\""));
    CHECK(writes(tdbplus_json("{\"a\":1}", 7), "{\"a\":1}"));
    CHECK(writes(tdbplus_null(), "null"));
    CHECK(writes(tdbplus_bool(true), "true"));
}

TEST(parts_of_an_interval_keep_their_signs)
{
    const tdbplus_value value = {.type = TDBPLUS_TYPE_INTERVAL,
                                 .as.interval = {.months = 14, .days = -3, .microseconds = -1}};
    CHECK(writes(value, "\"P14M-3DT-0.000001S\""));
}

TEST(a_vector_is_an_array)
{
    const float numbers[] = {1.5F, -0.1F};
    const tdbplus_value value = {.type = TDBPLUS_TYPE_VECTOR,
                                 .as.bytes = {.data = numbers, .size = sizeof numbers}};
    CHECK(writes(value, "[1.5,-0.1]"));
}

TEST(a_uuid_has_its_hyphens)
{
    tdbplus_value value = {.type = TDBPLUS_TYPE_UUID};
    for (int i = 0; i < 16; i++) {
        value.as.uuid[i] = (uint8_t)(i * 17);
    }
    CHECK(writes(value, "\"00112233-4455-6677-8899-aabbccddeeff\""));
}
