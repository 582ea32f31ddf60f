#pragma once

/*
 * Exact decimal numbers.
 *
 * numeric(p) with p <= 18 is an int64 and with p <= 38 an __int128, both value * 10^scale. Longer
 * and unconstrained ones are bytes:
 *
 *     kind u8 | 0 u8 | display scale u16 | weight i16 | limbs u16...        (little-endian)
 *
 * The value is the sum of limb[i] * 10000^(weight - i). Limbs are 0..9999; the first and the last
 * are not zero, so equal numbers have equal limbs (T5). Zero has no limbs and weight 0. Only a
 * finite number has limbs. The display scale is how many digits after the point are shown;
 * there are none past it.
 */

#include <stdbool.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/err.h"

#define NUMERIC_LIMB_BASE   10000
#define NUMERIC_HEADER_SIZE 6u
#define NUMERIC_SCALE_MAX   16383  /* Digits after the point, as PostgreSQL. */
#define NUMERIC_DIGITS_MAX  131072 /* Digits before the point, as PostgreSQL. */

enum numeric_kind {
    NUMERIC_POSITIVE = 0, /* Zero too. */
    NUMERIC_NEGATIVE = 1,
    NUMERIC_NAN = 2,
    NUMERIC_INFINITY = 3,
    NUMERIC_MINUS_INFINITY = 4,
};

/* True for bytes that follow all the rules above. */
bool numeric_valid(struct span encoded);

/* Total order: -Infinity, numbers, Infinity, NaN. Both must be valid. */
int numeric_compare(struct span left, struct span right);

/* Appends the number that `text` spells, as PostgreSQL reads it: TDBPLUS_E_SYNTAX (22P02),
 * TDBPLUS_E_RANGE (22003), TDBPLUS_E_NOMEM. On failure nothing is appended. */
TDBPLUS_CHECKED tdbplus_status numeric_parse(struct span text, struct buffer *buffer,
                                             struct err *err);

/* Appends the text of a valid number, with as many digits after the point as its display scale
 * says. */
void numeric_print(struct span encoded, struct buffer *text);
