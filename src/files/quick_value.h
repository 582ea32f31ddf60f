#pragma once

/*
 * quick values: the usual forms of the usual types, read in place. Each is false for anything that
 * it is not sure of, which text_parse() then reads. Up to 16 bytes from a text's begin on may be
 * read, however long it is.
 */

#include <string.h>

#include "base/codec.h"
#include "types/datetime.h"
#include "types/float_text.h"
#include "types/type.h"

/* ---- numbers ---- */

#define EIGHT(byte) ((uint64_t)(byte)*0x0101010101010101u)

/* The number that 1 to 8 digits spell; false when one is no digit. May read 8 bytes. */
static inline bool quick_digits(const uint8_t *at, size_t size, uint64_t *value_out)
{
    uint64_t word = load_u64(at);
    unsigned shift = (unsigned)(64 - 8 * size);
    word = (word << shift) | (shift == 0 ? 0 : EIGHT('0') >> (8 * size));
    if (((word & EIGHT(0xF0)) | (((word + EIGHT(6)) & EIGHT(0xF0)) >> 4)) != EIGHT(0x33)) {
        return false;
    }
    // Pairs, then fours, then all: each multiplication adds neighbours in their places.
    word = (word & EIGHT(0x0F)) * 2561 >> 8;
    word = (word & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    *value_out = (word & 0x0000FFFF0000FFFFu) * 42949672960001u >> 32;
    return true;
}

/* 1 to 18 digits. */
static inline bool quick_long_digits(const uint8_t *at, size_t size, uint64_t *value_out)
{
    if (size <= 8) {
        return size > 0 && quick_digits(at, size, value_out);
    }
    uint64_t high = 0;
    uint64_t low = 0;
    if (size <= 16) {
        if (!quick_digits(at, size - 8, &high) || !quick_digits(at + size - 8, 8, &low)) {
            return false;
        }
        *value_out = high * 100000000u + low;
        return true;
    }
    uint64_t top = 0;
    if (size > 18 || !quick_digits(at, size - 16, &top) ||
        !quick_digits(at + size - 16, 8, &high) || !quick_digits(at + size - 8, 8, &low)) {
        return false;
    }
    *value_out = (top * 100000000u + high) * 100000000u + low;
    return true;
}

static inline bool quick_integer(struct span text, int64_t min, int64_t max, int64_t *value_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t value = 0;
    if (!quick_long_digits(text.data + negative, text.size - negative, &value)) {
        return false;
    }
    *value_out = negative ? -(int64_t)value : (int64_t)value;
    return *value_out >= min && *value_out <= max;
}

static inline bool quick_int2(struct span text, int16_t *value)
{
    int64_t found = 0;
    bool good = quick_integer(text, INT16_MIN, INT16_MAX, &found);
    *value = (int16_t)found;
    return good;
}

static inline bool quick_int4(struct span text, int32_t *value)
{
    int64_t found = 0;
    bool good = quick_integer(text, INT32_MIN, INT32_MAX, &found);
    *value = (int32_t)found;
    return good;
}

static inline bool quick_int8(struct span text, int64_t *value)
{
    return quick_integer(text, INT64_MIN, INT64_MAX, value);
}

/* What a decimal with so many digits after the point is multiplied with. */
static const int64_t quick_powers[] = {1,
                                       10,
                                       100,
                                       1000,
                                       10000,
                                       100000,
                                       1000000,
                                       10000000,
                                       100000000,
                                       1000000000,
                                       10000000000,
                                       100000000000,
                                       1000000000000,
                                       10000000000000,
                                       100000000000000,
                                       1000000000000000,
                                       10000000000000000,
                                       100000000000000000,
                                       1000000000000000000};

/* Digits with a point among them, up to 18 of them: value * 10^scale. */
static inline bool quick_decimal(struct span text, int64_t *value_out, unsigned *scale_out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    const uint8_t *at = text.data + negative;
    size_t size = text.size - negative;
    size_t whole = 0;
    uint64_t value = 0;
    uint64_t rest = 0;
    while (whole < size && at[whole] != '.') {
        whole++;
    }
    if (whole > 0 && !quick_long_digits(at, whole, &value)) {
        return false;
    }
    size_t scale = whole < size ? size - whole - 1 : 0;
    if (whole + scale > 18 || whole + scale == 0 ||
        (scale > 0 && !quick_long_digits(at + whole + 1, scale, &rest))) {
        return false;
    }
    value = value * (uint64_t)quick_powers[scale] + rest;
    *value_out = negative ? -(int64_t)value : (int64_t)value;
    *scale_out = (unsigned)scale;
    return true;
}

/* A decimal whose digits and power of ten are both exact doubles: one division rounds once, as
 * reading it does (Clinger, 1990). The sign of zero is left to the long way. */
static inline bool quick_float8(struct span text, double *value_out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    int64_t value = 0;
    unsigned scale = 0;
    if (quick_decimal(text, &value, &scale) && value != 0 && value < ((int64_t)1 << 53) &&
        value > -((int64_t)1 << 53)) {
        *value_out = (double)value / powers[scale];
        return true;
    }
    return text.size > 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9')) &&
           float_text_to_double(text, value_out) == FLOAT_TEXT_OK;
}

static inline bool quick_float4(struct span text, float *value_out)
{
    return text.size > 0 && (text.data[0] == '-' || (text.data[0] >= '0' && text.data[0] <= '9')) &&
           float_text_to_float(text, value_out) == FLOAT_TEXT_OK;
}

/* ---- dates and times ---- */

/* YYYY-MM-DD */
static inline bool quick_days(const uint8_t *at, int64_t *days_out)
{
    uint64_t year = 0;
    uint64_t month = 0;
    uint64_t day = 0;
    bool good = at[4] == '-' && at[7] == '-' && quick_digits(at, 4, &year) &&
                quick_digits(at + 5, 2, &month) && quick_digits(at + 8, 2, &day);
    if (!good || year == 0 || month == 0 || month > 12 || day == 0 ||
        day > (uint64_t)civil_month_days((int64_t)year, (int32_t)month)) {
        return false;
    }
    *days_out = civil_to_days((int64_t)year, (int32_t)month, (int64_t)day);
    return true;
}

static inline bool quick_date(struct span text, int32_t *value)
{
    int64_t days = 0;
    bool good = text.size == 10 && quick_days(text.data, &days);
    *value = (int32_t)days;
    return good;
}

/* HH:MM:SS and up to six digits of a second behind a point. */
static inline bool quick_clock(const uint8_t *at, size_t size, int64_t *time_out)
{
    uint64_t hour = 0;
    uint64_t minute = 0;
    uint64_t second = 0;
    uint64_t part = 0;
    static const uint32_t scales[] = {0, 100000, 10000, 1000, 100, 10, 1};
    if (size < 8 || at[2] != ':' || at[5] != ':' || !quick_digits(at, 2, &hour) ||
        !quick_digits(at + 3, 2, &minute) || !quick_digits(at + 6, 2, &second) || hour > 23 ||
        minute > 59 || second > 59) {
        return false;
    }
    if (size > 8) {
        if (size == 9 || size > 15 || at[8] != '.' || !quick_digits(at + 9, size - 9, &part)) {
            return false;
        }
        part *= scales[size - 9];
    }
    *time_out = (int64_t)(((hour * 60 + minute) * 60 + second) * 1000000 + part);
    return true;
}

static inline bool quick_time(struct span text, int64_t *value)
{
    return quick_clock(text.data, text.size, value);
}

static inline bool quick_timestamp(struct span text, int64_t *value)
{
    int64_t days = 0;
    int64_t time = 0;
    if (text.size < 19 || (text.data[10] != ' ' && text.data[10] != 'T') ||
        !quick_days(text.data, &days) || !quick_clock(text.data + 11, text.size - 11, &time)) {
        return false;
    }
    *value = days * US_PER_DAY + time;
    return true;
}

/* Only texts that say they are in UTC: the session's zone may be another. */
static inline bool quick_timestamptz(struct span text, int64_t *value)
{
    if (text.size > 1 && text.data[text.size - 1] == 'Z') {
        text.size--;
    } else if (text.size > 3 && memcmp(text.data + text.size - 3, "+00", 3) == 0) {
        text.size -= 3;
    } else {
        return false;
    }
    return quick_timestamp(text, value);
}

static inline bool quick_bool(struct span text, uint8_t *value)
{
    uint8_t byte = text.size == 1 ? text.data[0] : 0;
    *value = byte == 't' || byte == '1';
    return *value != 0 || byte == 'f' || byte == '0';
}

/* ---- texts ---- */

/* The view of a text that stays where it is; sixteen bytes of it may be read. */
static inline struct view quick_view(struct span text)
{
    struct view view = {.size = (uint32_t)text.size};
    if (text.size > VIEW_INLINE_SIZE_MAX) {
        memcpy(view.far.prefix, text.data, sizeof view.far.prefix);
        view.far.data = text.data;
        return view;
    }
    // Those past the end become zero.
    uint64_t low = load_u64(text.data);
    uint64_t high = load_u64(text.data + 8);
    low = text.size >= 8 ? low : text.size == 0 ? 0 : low & (UINT64_MAX >> (64 - 8 * text.size));
    high = text.size <= 8 ? 0 : high & (UINT64_MAX >> (128 - 8 * text.size));
    memcpy(view.inlined, &low, 8);
    memcpy(view.inlined + 8, &high, 4);
    return view;
}
