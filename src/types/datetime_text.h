#pragma once

/*
 * Dates, times and intervals as text: read in the ways that PostgreSQL reads them (ISO 8601, month
 * names, month/day/year), printed as it prints them with its default settings. "now", "today" and
 * the like need a clock and are not read here.
 *
 * Reading fails with TDBPLUS_E_SYNTAX (22007) or TDBPLUS_E_RANGE (22008, 22009, 22015).
 */

#include "base/buffer.h"
#include "types/datetime.h"
#include "types/tz.h"

/* Finds a zone by name or abbreviation; NULL when there is none. The zone is the finder's. */
struct tz_finder {
    const struct tz *(*find)(void *ctx, struct span name);
    void *ctx;
};

/* Seconds east of Greenwich of a zone's abbreviation that has one meaning ("UTC", "CEST"). */
bool datetime_abbreviation(struct span word, int32_t *offset_out);

TDBPLUS_CHECKED tdbplus_status date_parse(struct span text, int32_t *date_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status time_parse(struct span text, int64_t *time_out, struct err *err);

/* A zone in the text is read over. */
TDBPLUS_CHECKED tdbplus_status timestamp_parse(struct span text, int64_t *timestamp_out,
                                               struct err *err);

/* `zone` holds when the text names none; `finder` may be NULL: then only offsets, Z, UTC and GMT
 * are known. */
TDBPLUS_CHECKED tdbplus_status timestamptz_parse(struct span text, const struct tz *zone,
                                                 const struct tz_finder *finder,
                                                 int64_t *timestamp_out, struct err *err);
/* A zone with a changing offset is taken at the text's date; without one, as of 1970-01-01. */
TDBPLUS_CHECKED tdbplus_status timetz_parse(struct span text, const struct tz *zone,
                                            const struct tz_finder *finder, int64_t *time_out,
                                            int32_t *offset_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status interval_parse(struct span text, struct interval *interval_out,
                                              struct err *err);

void date_print(int32_t date, struct buffer *text);
void time_print(int64_t time, struct buffer *text);
void timetz_print(int64_t time, int32_t offset, struct buffer *text);
void timestamp_print(int64_t timestamp, struct buffer *text);
void timestamptz_print(int64_t timestamp, const struct tz *zone, struct buffer *text);
void interval_print(const struct interval *interval, struct buffer *text);
