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

/* In which order the parts of a date stand when they are numbers. */
enum datetime_order { ORDER_MDY = 0, ORDER_DMY, ORDER_YMD };

struct datetime_reading {
    const struct tz *zone;
    const struct tz_finder *finder;
    enum datetime_order order;
};

/* The same with an order said; those above have ORDER_MDY. */
TDBPLUS_CHECKED tdbplus_status date_parse_ordered(struct span text, enum datetime_order order,
                                                  int32_t *date_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status timestamp_parse_ordered(struct span text, enum datetime_order order,
                                                       int64_t *timestamp_out, struct err *err);
TDBPLUS_CHECKED tdbplus_status timestamptz_parse_as(struct span text,
                                                    const struct datetime_reading *reading,
                                                    int64_t *timestamp_out, struct err *err);

TDBPLUS_CHECKED tdbplus_status interval_parse(struct span text, struct interval *interval_out,
                                              struct err *err);

void date_print(int32_t date, struct buffer *text);
void time_print(int64_t time, struct buffer *text);
void timetz_print(int64_t time, int32_t offset, struct buffer *text);
void timestamp_print(int64_t timestamp, struct buffer *text);
void timestamptz_print(int64_t timestamp, const struct tz *zone, struct buffer *text);
void interval_print(const struct interval *interval, struct buffer *text);

/* DateStyle: how dates and timestamps are printed. */
enum date_style { DATE_STYLE_ISO = 0, DATE_STYLE_SQL, DATE_STYLE_POSTGRES, DATE_STYLE_GERMAN };

void date_print_styled(int32_t date, enum date_style style, enum datetime_order order,
                       struct buffer *text);
void timestamp_print_styled(int64_t timestamp, enum date_style style, enum datetime_order order,
                            struct buffer *text);

/* With the zone's abbreviation behind it. */
void timestamptz_print_styled(int64_t timestamp, const struct tz *zone, enum date_style style,
                              enum datetime_order order, struct buffer *text);

/* IntervalStyle. */
enum interval_style {
    INTERVAL_STYLE_POSTGRES = 0,
    INTERVAL_STYLE_VERBOSE,
    INTERVAL_STYLE_SQL,
    INTERVAL_STYLE_ISO
};

void interval_print_styled(const struct interval *interval, enum interval_style style,
                           struct buffer *text);
