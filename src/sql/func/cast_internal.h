#pragma once

/* The table of casts, for cast.c and the resolver. */

#include "sql/func/func.h"

struct cast_line {
    uint8_t from;
    uint8_t to;
    uint8_t context; /* enum func_cast_context: the weakest in which it applies. */
    struct func func;
};

/* A line for a cast whose function is known by the name of the type it gives: int4(x) is x::int4.
 */
#define CAST(FROM, TO, CONTEXT, NAME, KERNEL)                        \
    {                                                                \
        FROM, TO, CONTEXT,                                           \
        {                                                            \
            NAME, 1, {FROM}, TO, 0, KERNEL, "Converted to " NAME "." \
        }                                                            \
    }

extern const struct cast_line table_casts[];
extern const struct cast_line table_casts_numeric[];
extern const struct cast_line table_casts_time[];
extern const struct cast_line table_casts_packed[];
extern const struct cast_line table_casts_range[];
extern const struct cast_line table_casts_json[];
extern const struct cast_line table_casts_catalog[];

/* To and from the name of what an oid stands for: different when the catalog is. */
extern const struct func cast_catalog_to_text;
extern const struct func cast_catalog_from_text;

/* Reading and printing text: from and to any type. */
extern const struct func cast_from_text;
extern const struct func cast_to_text;

/* From array to array, item by item; they differ in what does not fit a length. */
extern const struct func cast_array_assigned;
extern const struct func cast_array_explicit;

/* Between vectors and arrays of float4. */
extern const struct func cast_vector_to_array;
extern const struct func cast_array_to_vector;
extern const struct func cast_vector_fit;

/* Between the stored form of numbers and the one that expressions have. */
extern const struct func cast_numeric_fit;
extern const struct func cast_numeric_unfit;

/* The cast between types without modifiers; *func_out NULL: nothing to do. */
bool cast_find(struct type from, struct type to, enum func_cast_context context,
               const struct func **func_out);

/* What fits a value of the base type to the modifiers of `to`; NULL: nothing has to be done. */
const struct func *cast_fit_find(struct type to, enum func_cast_context context);

/* The same for packed types, in table_packed.c. */
const struct func *cast_fit_packed(struct type to, enum func_cast_context context);

/* Rounds seconds to the digits of the type, in table_precision.c. */
const struct func *cast_fit_seconds(struct type to);

/* From a number straight to bit(n): its lowest n bits. */
extern const struct func cast_integer_to_bits;

/* What frees a value from its modifiers' form; NULL: nothing has to be done. */
const struct func *cast_unfit_find(struct type from);
