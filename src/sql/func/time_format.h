#pragma once

/* The templates of to_char(), to_date() and to_timestamp(): PostgreSQL's manual, 9.8. */

#include "base/buffer.h"
#include "base/err.h"
#include "types/datetime.h"

enum time_pattern {
    PATTERN_NONE, /* Text that stands for itself. */
    PATTERN_YEAR, /* `width` digits, or with a comma. */
    PATTERN_YEAR_COMMA,
    PATTERN_ISO_YEAR,
    PATTERN_ERA,
    PATTERN_MONTH_NAME,
    PATTERN_MONTH_SHORT,
    PATTERN_MONTH,
    PATTERN_MONTH_ROMAN,
    PATTERN_DAY_NAME,
    PATTERN_DAY_SHORT,
    PATTERN_DAY,
    PATTERN_DAY_OF_YEAR,
    PATTERN_ISO_DAY_OF_YEAR,
    PATTERN_DAY_OF_WEEK,
    PATTERN_ISO_DAY_OF_WEEK,
    PATTERN_WEEK_OF_MONTH,
    PATTERN_WEEK_OF_YEAR,
    PATTERN_ISO_WEEK,
    PATTERN_CENTURY,
    PATTERN_JULIAN,
    PATTERN_QUARTER,
    PATTERN_HOUR_12,
    PATTERN_HOUR_24,
    PATTERN_MINUTE,
    PATTERN_SECOND,
    PATTERN_FRACTION, /* `width` digits of the second. */
    PATTERN_SECOND_OF_DAY,
    PATTERN_MERIDIEM,
    PATTERN_ZONE,
    PATTERN_ZONE_HOUR,
    PATTERN_ZONE_MINUTE,
    PATTERN_ZONE_OFFSET,
};

enum letter_shape { SHAPE_UPPER, SHAPE_CAPITAL, SHAPE_LOWER };

/* One piece of a template. */
struct time_piece {
    uint8_t pattern;
    uint8_t width;
    uint8_t shape;
    bool dots;        /* A.M., B.C. */
    bool fill;        /* No FM: blanks and zeros are kept. */
    uint8_t suffix;   /* 0, 't' (th) or 'T' (TH). */
    struct span text; /* PATTERN_NONE. */
    bool quoted;      /* PATTERN_NONE: of "..." */
};

/* Takes the next piece off the template; false at its end. `exact_out` is set by FX. */
bool time_piece_next(struct span *rest, struct time_piece *piece_out, bool *exact_out);

/* What is printed: a moment in calendar form, or an interval. */
struct time_parts {
    struct civil civil;
    int64_t days;  /* Since 1970; of a timestamp. */
    int64_t hours; /* Of an interval, any number. */
    bool is_interval;
    bool has_zone; /* TZ and OF of the template print the two below; otherwise nothing. */
    int32_t offset;
    const char *zone;
};

TDBPLUS_CHECKED tdbplus_status time_format(const struct time_parts *parts, struct span format,
                                           struct buffer *out, struct err *err);

/*
 * Reads a text by a template into a timestamp (microseconds since 1970, in the
 * zone `tz`, or UTC if that is NULL, when the template has none).
 *
 *   TDBPLUS_E_SQL    22007 the text does not fit, 22008 a field is out of range
 */
TDBPLUS_CHECKED tdbplus_status time_unformat(struct span text, struct span format,
                                             const struct tz *tz, int64_t *timestamp_out,
                                             struct err *err);
