#pragma once

/*
 * Values as text, read and printed as PostgreSQL 15's input and output functions do, by default
 * with its default settings: DateStyle ISO, IntervalStyle postgres, bytea_output hex,
 * extra_float_digits 1.
 *
 * Threads: functions keep nothing; a style is read only.
 */

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "types/datetime_text.h"
#include "types/type.h"

#define ENUM_NAME_SIZE 64 /* As type_name(). */

/* What the text of some types depends on. NULL or zeroed: UTC, no zone names, no enums. */
struct text_style {
    const struct tz *zone;          /* Of timestamptz; NULL: UTC. */
    const struct tz_finder *finder; /* Zones named in texts. */

    /* Labels of enum types by `parameter` of the type; false when there is none. The order of the
     * ordinals is that of the labels; there may be gaps between them. */
    bool (*label_of)(void *ctx, uint32_t list, int64_t ordinal, struct span *label_out);
    bool (*ordinal_of)(void *ctx, uint32_t list, struct span label, int64_t *ordinal_out);
    /* The least ordinal that is `from` or more. */
    bool (*ordinal_next)(void *ctx, uint32_t list, int64_t from, int64_t *ordinal_out);
    /* The name of the type, cut to 63 bytes; false when there is none. */
    bool (*enum_name)(void *ctx, uint32_t list, char name_out[ENUM_NAME_SIZE]);
    void *ctx;

    /* Names of what oids mean, and back, for regclass and its kin (types/catalog_type.h). The first
     * gives false when there is no such thing. */
    bool (*reg_print)(void *ctx, uint8_t type, int64_t oid, struct buffer *text);
    tdbplus_status (*reg_parse)(void *ctx, uint8_t type, struct span text, int64_t *oid_out,
                                struct err *err);
    void *reg_ctx;

    uint8_t date_style;     /* enum date_style. */
    uint8_t date_order;     /* enum datetime_order. */
    uint8_t interval_style; /* enum interval_style. */
    bool bytea_escaped;     /* bytea_output = escape. */
    /* Floats print with that many digits less than they hold for sure; 0: the shortest that read
     * back as the same. extra_float_digits = 0 is 1 here, -1 is 2. */
    uint8_t float_digits_less;
};

/*
 * Reads a value of `type`. Its bytes lie in the arena. SQLSTATEs are PostgreSQL's.
 *
 *   TDBPLUS_E_SYNTAX       not a value of that type (22P02, 22007, 22021, 22023)
 *   TDBPLUS_E_RANGE        outside of what the type holds (22003, 22008, 22001, 22000)
 *   TDBPLUS_E_LIMIT        too deep or too large (54001, 54000)
 *   TDBPLUS_E_UNSUPPORTED  an enum without a style that knows its labels; NaN in a short numeric
 *   TDBPLUS_E_NOMEM        memory is out
 */
TDBPLUS_CHECKED tdbplus_status text_parse(struct span text, struct type type,
                                          const struct text_style *style, struct arena *arena,
                                          struct datum *datum_out, struct err *err);

/* Appends a value that is not null. An enum without a label prints its ordinal. */
void text_print(const struct datum *datum, const struct text_style *style, struct buffer *text);

/* The name of an enum type; "enum" where nobody knows it. */
void text_enum_name(const struct text_style *style, uint32_t list, char name_out[ENUM_NAME_SIZE]);

/* The shortest digits that read back as the same float, as float8out and float4out print them. */
void text_print_float8(double value, struct buffer *text);
void text_print_float4(float value, struct buffer *text);
