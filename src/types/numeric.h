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

#include "base/arena.h"
#include "base/buffer.h"
#include "base/err.h"
#include "types/type.h"

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

/* The same for equal numbers, whatever their display scales. Does not reach disk. */
uint64_t numeric_hash(struct span encoded);

/* ---- arithmetic, with PostgreSQL's result scales ---- */

/*
 * Each appends the result to the buffer, whose memory must not be an operand's. On failure nothing
 * usable was appended.
 *
 *   TDBPLUS_E_RANGE  the result has too many digits (22003)
 *   TDBPLUS_E_SQL    division by zero (22012); root of a negative number (2201F)
 *   TDBPLUS_E_NOMEM  memory is out
 */
TDBPLUS_CHECKED tdbplus_status numeric_add(struct span left, struct span right,
                                           struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_subtract(struct span left, struct span right,
                                                struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_multiply(struct span left, struct span right,
                                                struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_divide(struct span left, struct span right,
                                              struct buffer *buffer, struct err *err);

/* The quotient rounded to `scale` digits after the point, 0 .. NUMERIC_SCALE_MAX. */
TDBPLUS_CHECKED tdbplus_status numeric_divide_to(struct span left, struct span right, int32_t scale,
                                                 struct buffer *buffer, struct err *err);

/* div(): the quotient cut to a whole number. */
TDBPLUS_CHECKED tdbplus_status numeric_divide_whole(struct span left, struct span right,
                                                    struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_modulo(struct span left, struct span right,
                                              struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_negate(struct span value, struct buffer *buffer,
                                              struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_absolute(struct span value, struct buffer *buffer,
                                                struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_sqrt(struct span value, struct buffer *buffer,
                                            struct err *err);

/* Rounded once, to `scale` digits after the point, 0 <= scale <= NUMERIC_SCALE_MAX. */
TDBPLUS_CHECKED tdbplus_status numeric_sqrt_to(struct span value, int32_t scale,
                                               struct buffer *buffer, struct err *err);

/* Powers and logarithms (numeric_power.c), besides the failures above TDBPLUS_E_SQL: logarithm of
 * zero or of a negative number (2201E), a power that is not a real number (2201F). */
TDBPLUS_CHECKED tdbplus_status numeric_exp(struct span value, struct buffer *buffer,
                                           struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_ln(struct span value, struct buffer *buffer,
                                          struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_log(struct span base, struct span value,
                                           struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_power(struct span base, struct span exponent,
                                             struct buffer *buffer, struct err *err);

/* n! of n from 0 to 32177. */
TDBPLUS_CHECKED tdbplus_status numeric_factorial(int64_t n, struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_gcd(struct span left, struct span right,
                                           struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_lcm(struct span left, struct span right,
                                           struct buffer *buffer, struct err *err);

/* Digits after the point that are shown, and that are needed to show all that are not zero; -1 for
 * NaN and infinities. */
int32_t numeric_scale(struct span value);
int32_t numeric_scale_needed(struct span value);

/* -1, 0, 1; NaN counts as positive. */
int numeric_sign(struct span value);

/* To `scale` digits after the point, half away from zero; before the point when negative. */
TDBPLUS_CHECKED tdbplus_status numeric_round(struct span value, int32_t scale,
                                             struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_truncate(struct span value, int32_t scale,
                                                struct buffer *buffer, struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_floor(struct span value, struct buffer *buffer,
                                             struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_ceiling(struct span value, struct buffer *buffer,
                                               struct err *err);

/* ---- conversions ---- */

void numeric_of_integer(int64_t value, struct buffer *buffer);

/* The digits that a float surely has: 15, or 6 of a float4. */
TDBPLUS_CHECKED tdbplus_status numeric_of_float8(double value, struct buffer *buffer,
                                                 struct err *err);
TDBPLUS_CHECKED tdbplus_status numeric_of_float4(float value, struct buffer *buffer,
                                                 struct err *err);

/* Rounded half away from zero; TDBPLUS_E_RANGE (22003) outside of [min, max], TDBPLUS_E_UNSUPPORTED
 * (0A000) for NaN and infinities, as PostgreSQL. */
TDBPLUS_CHECKED tdbplus_status numeric_to_integer(struct span value, int64_t min, int64_t max,
                                                  int64_t *integer_out, struct err *err);

/* The nearest double; infinite when too large, zero when too small. */
double numeric_to_float8(struct span encoded);

/* A datum of any numeric type in its long form, appended. */
void numeric_of_datum(const struct datum *datum, struct buffer *buffer);

/*
 * A number as a datum of numeric type `type`: rounded to its scale, in its physical form, bytes in
 * the arena.
 *
 *   TDBPLUS_E_RANGE        more digits before the point than the type has (22003)
 *   TDBPLUS_E_UNSUPPORTED  NaN, in a type of up to 38 digits
 *   TDBPLUS_E_NOMEM        memory is out
 */
TDBPLUS_CHECKED tdbplus_status numeric_to_datum(struct span value, struct type type,
                                                struct arena *arena, struct datum *datum_out,
                                                struct err *err);
