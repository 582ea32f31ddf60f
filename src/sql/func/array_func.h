#pragma once

/* Calls that the syntax of arrays becomes; the binder names them directly. */

#include "sql/func/func.h"

/* ARRAY[...]: any number of items, or of arrays, of one type. */
extern const struct func func_array_make;

/* array[i], array[i][j]: the array and its subscripts (int4). */
extern const struct func func_array_item;

/* array[a:b]...: the array, then lower and upper bound of each dimension (int4). */
extern const struct func func_array_slice;

/* The array with one item changed: the array, the value, the subscripts. */
extern const struct func func_array_put;

/* The array with a slice changed: the array, the source array, then bounds. */
extern const struct func func_array_put_slice;

/* Where a slice has no bound of its own. */
#define FUNC_SLICE_FIRST INT32_MIN
#define FUNC_SLICE_LAST  INT32_MAX
