#pragma once

/* Types that a call's own arguments decide; for the resolver. */

#include "sql/func/func.h"

/* What the open types of one call stand for; TYPE_NONE: nothing decides it. */
struct poly {
    struct type element; /* FUNC_SAME, and the items of FUNC_ANY_ARRAY. */
    struct type common;  /* FUNC_COMMON, and the items of FUNC_COMMON_ARRAY. */
    struct type range;   /* FUNC_ANY_RANGE, and the ranges of FUNC_ANY_MULTIRANGE. */
    bool wants_element;
    bool wants_range;
    bool wants_common;
    bool has_array;
};

/* True for declared types that are no type of their own. */
bool poly_is_open(uint8_t want);

/* The type that a declaration names: a plain one, or an array of a plain one. */
struct type poly_declared_type(uint8_t want);

/* Settles the open types; false when the arguments contradict each other. TYPE_NONE agrees with
 * everything. At most FUNC_ARGUMENT_COUNT_MAX arguments. */
bool poly_solve(const struct func *func, const struct type *types, uint32_t count,
                struct poly *poly_out);

/* False when a type is wanted that only unknown literals stand for. */
bool poly_is_settled(const struct poly *poly);

/* What an argument of type `given` becomes, or with TYPE_NONE what a result is. */
struct type poly_type(uint8_t want, struct type given, const struct poly *poly);
