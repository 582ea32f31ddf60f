#pragma once

/*
 * Ranges and multiranges as packed values.
 *
 * A range is one byte 0 when it is empty. Otherwise it is a byte 1 and its two bounds: how the
 * bound is (0 without an end below, 1 a value, 2 without an end above), the value's bytes in an
 * order of memcmp, and a byte that puts the bound before or behind its value. A multirange is its
 * ranges one after another; they are sorted, not empty, and do not touch. Ranges of numerics carry
 * the numbers as they were written behind that, since 1.0 and 1.00 differ only there; their last
 * four bytes say how much that is.
 */

#include "types/text.h"

struct range_bound {
    bool is_infinite;
    bool is_inclusive;
    struct datum value;
};

struct range {
    bool is_empty;
    struct range_bound lower;
    struct range_bound upper;
};

#define RANGE_COUNT_MAX (1u << 24) /* Of one multirange. */

bool range_type(struct type type);
bool multirange_type(struct type type);

/* The type of the bounds of a range or multirange. */
struct type range_element(struct type range);

/* The range type of an element type, the multirange type of a range and back; TYPE_NONE: none. */
struct type range_type_of(struct type element);
struct type range_multirange(struct type range);
struct type range_of_multirange(struct type multirange);

/* Bytes at the end that do not order the value: of ranges of numerics only. */
size_t range_tail_size(struct span bytes);

/*
 * Brings a range into its one form: bounds of integers and dates are [lower, upper), a range that
 * holds nothing is empty.
 *
 *   TDBPLUS_E_SQL    the lower bound is above the upper one (22000)
 *   TDBPLUS_E_RANGE  the next integer or date does not exist (22003, 22008)
 */
TDBPLUS_CHECKED tdbplus_status range_normalise(struct range *range, struct err *err);

/* Appends the bytes of a range in its one form. */
void range_pack(struct type type, const struct range *range, struct buffer *buffer);

/* Reads them; values borrow from the bytes. False for bytes that are no range of that type. */
bool range_unpack(struct type type, struct span bytes, struct range *range_out);

/* < 0, 0, > 0: where two bounds lie, each being a lower or an upper one. */
int range_compare_bounds(const struct range_bound *left, bool left_is_lower,
                         const struct range_bound *right, bool right_is_lower);

/* ---- multiranges ---- */

/* Sorts, drops what is empty and joins what touches, in place; returns how many are left. */
uint32_t multirange_normalise(struct range *ranges, uint32_t count);

/* Appends the bytes of ranges in their one form. */
void multirange_pack(struct type type, const struct range *ranges, uint32_t count,
                     struct buffer *buffer);

/* The ranges, in the arena; they borrow from the bytes. */
TDBPLUS_CHECKED tdbplus_status multirange_unpack(struct type type, struct span bytes,
                                                 struct arena *arena, struct range **ranges_out,
                                                 uint32_t *count_out, struct err *err);

/* ---- text ---- */

TDBPLUS_CHECKED tdbplus_status range_parse(struct span text, const struct text_style *style,
                                           struct arena *arena, struct datum *datum,
                                           struct err *err);
TDBPLUS_CHECKED tdbplus_status multirange_parse(struct span text, const struct text_style *style,
                                                struct arena *arena, struct datum *datum,
                                                struct err *err);
void range_print(const struct datum *datum, const struct text_style *style, struct buffer *text);
void multirange_print(const struct datum *datum, const struct text_style *style,
                      struct buffer *text);
