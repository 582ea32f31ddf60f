/* Times of day with an offset. */

#include <string.h>
#include <strings.h>

#include "sql/func/value_kernel.h"
#include "sql/func/zone.h"
#include "types/datetime.h"
#include "types/numeric.h"
#include "types/packed.h"

static struct timetz timetz_argument(struct func_call *call, uint32_t number, uint32_t row)
{
    return timetz_unpack(text_argument(call, number, row));
}

static tdbplus_status put_timetz(struct func_call *call, struct timetz value, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *bytes = text_make(call, TIMETZ_SIZE, &status);
    if (bytes == NULL) {
        return status;
    }
    timetz_pack(value, bytes);
    result->bytes = (struct span){.data = bytes, .size = TIMETZ_SIZE};
    return TDBPLUS_OK;
}

static int64_t within_day(int64_t microseconds)
{
    int64_t rest = microseconds % US_PER_DAY;
    return rest < 0 ? rest + US_PER_DAY : rest;
}

/* ---- arithmetic ---- */

static tdbplus_status shift(struct func_call *call, uint32_t row, uint32_t time, int sign,
                            struct datum *result)
{
    struct timetz value = timetz_argument(call, time, row);
    int64_t distance = kernel_argument(call, 1 - time, row).interval.microseconds % US_PER_DAY;
    value.time = within_day(value.time + sign * distance);
    return put_timetz(call, value, result);
}

static tdbplus_status plus_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return shift(call, row, 0, 1, result);
}

static tdbplus_status plus_reversed_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return shift(call, row, 1, 1, result);
}

static tdbplus_status minus_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return shift(call, row, 0, -1, result);
}

ROW_KERNEL(plus)
ROW_KERNEL(plus_reversed)
ROW_KERNEL(minus)

static tdbplus_status moment(struct func_call *call, uint32_t row, uint32_t date,
                             struct datum *result)
{
    struct timetz time = timetz_argument(call, 1 - date, row);
    int64_t midnight = 0;
    TRY(timestamp_of_date((int32_t)kernel_argument(call, date, row).integer, &midnight, call->err));
    result->integer = midnight;
    if (timestamp_is_finite(midnight)) {
        result->integer += time.time - time.offset * US_PER_SECOND;
        if (!timestamp_in_range(result->integer)) {
            return kernel_error(call, "22008", "timestamp out of range");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status date_and_time_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return moment(call, row, 0, result);
}

static tdbplus_status time_and_date_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return moment(call, row, 1, result);
}

ROW_KERNEL(date_and_time)
ROW_KERNEL(time_and_date)

/* A date and a time without a zone. */
static tdbplus_status local_moment_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t midnight = 0;
    TRY(timestamp_of_date((int32_t)kernel_argument(call, 0, row).integer, &midnight, call->err));
    result->integer = midnight;
    if (timestamp_is_finite(midnight)) {
        int64_t local = midnight + kernel_argument(call, 1, row).integer;
        bool zoned = result->type.id == TYPE_TIMESTAMPTZ;
        result->integer =
            zoned ? local - tz_offset_of_local(zone_session(call), local) * US_PER_SECOND : local;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(local_moment)

/* ---- fields ---- */

static bool is_word(struct span text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* value / 10^scale. */
static tdbplus_status field_of(struct func_call *call, uint32_t row, int64_t *value_out,
                               unsigned *scale_out)
{
    struct span name = text_argument(call, 0, row);
    struct timetz time = timetz_argument(call, 1, row);
    enum datetime_field field;
    *scale_out = 0;
    if (is_word(name, "timezone")) {
        *value_out = time.offset;
    } else if (is_word(name, "timezone_hour")) {
        *value_out = time.offset / 3600;
    } else if (is_word(name, "timezone_minute")) {
        *value_out = time.offset / 60 % 60;
    } else if (!datetime_field_of(name, &field)) {
        return err_set_state(call->err, TDBPLUS_E_INVALID, "22023",
                             "unit \"%.*s\" not recognized for type time with time zone",
                             (int)(name.size > 60 ? 60 : name.size), (const char *)name.data);
    } else if (field >= FIELD_DAY && field != FIELD_EPOCH) {
        return err_set(call->err, TDBPLUS_E_UNSUPPORTED,
                       "unit \"%.*s\" not supported for type time with time zone",
                       (int)(name.size > 60 ? 60 : name.size), (const char *)name.data);
    } else {
        int64_t local = time.time;
        local -= field == FIELD_EPOCH ? time.offset * US_PER_SECOND : 0;
        *value_out = timestamp_extract(local, field, NULL, scale_out);
    }
    return TDBPLUS_OK;
}

static tdbplus_status part_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t value = 0;
    unsigned scale = 0;
    TRY(field_of(call, row, &value, &scale));
    result->real = (double)value;
    for (; scale > 0; scale--) {
        result->real /= 10;
    }
    return TDBPLUS_OK;
}

static tdbplus_status extract_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum value = {.type = {.id = TYPE_NUMERIC, .precision = 18}};
    unsigned scale = 0;
    TRY(field_of(call, row, &value.integer, &scale));
    value.type.scale = (int16_t)scale;
    struct buffer number = {.alloc = call->arena->alloc};
    numeric_of_datum(&value, &number);
    tdbplus_status status = kernel_keep(call, &number, result);
    buffer_deinit(&number);
    return status;
}

ROW_KERNEL(part)
ROW_KERNEL(extract)

/* ---- another offset ---- */

static tdbplus_status move(struct func_call *call, uint32_t row, int32_t offset,
                           struct datum *result)
{
    struct timetz time = timetz_argument(call, 1, row);
    time.time = within_day(time.time + (offset - time.offset) * US_PER_SECOND);
    time.offset = offset;
    return put_timetz(call, time, result);
}

static tdbplus_status zone_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct zone zone = {0};
    TRY(zone_find(call, text_argument(call, 0, row), &zone));
    int64_t now = call->context == NULL ? 0 : call->context->transaction_time_us;
    return move(call, row, zone_offset_at(&zone, now), result);
}

static tdbplus_status zone_interval_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct zone zone = {0};
    struct interval interval = kernel_argument(call, 0, row).interval;
    TRY(zone_of_interval(call, &interval, &zone));
    return move(call, row, zone.offset, result);
}

ROW_KERNEL(zone)
ROW_KERNEL(zone_interval)

/* OVERLAPS by the moments, nulls as for timestamps. */
static tdbplus_status overlaps_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum ends[4];
    for (uint32_t i = 0; i < 4; i++) {
        ends[i] = kernel_argument(call, i, row);
    }
    for (uint32_t i = 0; i < 4; i += 2) {
        bool turn =
            ends[i].is_null || (!ends[i + 1].is_null && datum_compare(&ends[i], &ends[i + 1]) > 0);
        struct datum begin = ends[turn ? i + 1 : i];
        ends[i + 1] = ends[turn ? i : i + 1];
        ends[i] = begin;
    }
    if (ends[0].is_null || ends[2].is_null) {
        result->is_null = true;
        return TDBPLUS_OK;
    }
    int order = datum_compare(&ends[0], &ends[2]);
    if (order == 0) {
        result->is_null = ends[1].is_null || ends[3].is_null;
        result->boolean = true;
        return TDBPLUS_OK;
    }
    const struct datum *later = order > 0 ? &ends[0] : &ends[2];
    const struct datum *later_end = order > 0 ? &ends[1] : &ends[3];
    const struct datum *earlier_end = order > 0 ? &ends[3] : &ends[1];
    if (earlier_end->is_null) {
        result->is_null = true;
    } else if (datum_compare(later, earlier_end) < 0) {
        result->boolean = true;
    } else {
        result->is_null = later_end->is_null;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(overlaps)

#define TT TYPE_TIMETZ
#define DA TYPE_DATE
#define TI TYPE_TIME
#define TZ TYPE_TIMESTAMPTZ
#define TS TYPE_TIMESTAMP
#define IV TYPE_INTERVAL
#define TX TYPE_TEXT
#define OP FUNC_OPERATOR
#define ST FUNC_STABLE

const struct func table_timetz[] = {
    {"+", 2, {TT, IV}, TT, OP, plus, "Later by an interval, around the clock."},
    {"+", 2, {IV, TT}, TT, OP, plus_reversed, "Later by an interval, around the clock."},
    {"-", 2, {TT, IV}, TT, OP, minus, "Earlier by an interval, around the clock."},
    {"+", 2, {DA, TT}, TZ, OP, date_and_time, "That time of that day."},
    {"+", 2, {TT, DA}, TZ, OP, time_and_date, "That time of that day."},
    {"timestamptz", 2, {DA, TT}, TZ, 0, date_and_time, "That time of that day."},
    {"timestamptz", 2, {DA, TI}, TZ, ST, local_moment, "That time of that day here."},
    {"timestamp", 2, {DA, TI}, TS, 0, local_moment, "That time of that day."},
    {"date_part", 2, {TX, TT}, TYPE_FLOAT8, 0, part, "A field."},
    {"extract", 2, {TX, TT}, TYPE_NUMERIC, 0, extract, "A field."},
    {"timezone", 2, {TX, TT}, TT, ST, zone, "The same moment with a zone's offset of today."},
    {"timezone", 2, {IV, TT}, TT, 0, zone_interval, "The same moment with another offset."},
    {"overlaps",
     4,
     {TT, TT, TT, TT},
     TYPE_BOOL,
     FUNC_CALLED_ON_NULL | FUNC_NULLABLE,
     overlaps,
     "True if the periods share a moment."},
    FUNC_END,
};
