/* ARRAY[...], subscripts and slices. */

#include "sql/func/array_func.h"

#include <string.h>

#include "sql/func/value_kernel.h"

#define DIMENSIONS ARRAY_DIMENSION_COUNT_MAX

static bool same_shape(const struct array *left, const struct array *right)
{
    if (left->dimension_count != right->dimension_count) {
        return false;
    }
    for (uint32_t i = 0; i < left->dimension_count; i++) {
        if (left->dimensions[i].length != right->dimensions[i].length ||
            left->dimensions[i].lower != right->dimensions[i].lower) {
            return false;
        }
    }
    return true;
}

static tdbplus_status shapes_differ(struct func_call *call)
{
    return kernel_error(call, "2202E",
                        "multidimensional arrays must have array expressions with matching "
                        "dimensions");
}

/* Arrays put beside each other in a new first dimension; empty ones among others do not fit. */
static tdbplus_status make_of_arrays(struct func_call *call, uint32_t row, struct datum *result)
{
    struct kernel_items items = {0};
    struct array first = {0};
    uint32_t empty = 0;
    for (uint32_t a = 0; a < call->argument_count; a++) {
        struct array array = {0};
        if (!kernel_is_null(call, a, row)) {
            TRY(kernel_array(call, a, row, &array));
        }
        empty += array.count == 0;
        if (array.count > 0 && first.count > 0 && !same_shape(&first, &array)) {
            return shapes_differ(call);
        }
        first = first.count == 0 ? array : first;
        for (uint32_t i = 0; i < array.count; i++) {
            struct datum item;
            array_get(&array, i, &item);
            TRY(kernel_push(call, &items, &item));
        }
    }
    if (empty == call->argument_count) {
        return kernel_list_result(call, NULL, 0, result);
    }
    if (empty > 0) {
        return shapes_differ(call);
    }
    if (first.dimension_count == DIMENSIONS) {
        return kernel_error(call, "54000",
                            "number of array dimensions (%u) exceeds the maximum allowed (%u)",
                            DIMENSIONS + 1, DIMENSIONS);
    }
    struct array_dimension dimensions[DIMENSIONS] = {{call->argument_count, 1}};
    memcpy(dimensions + 1, first.dimensions, first.dimension_count * sizeof *dimensions);
    return kernel_array_result(call, items.items, dimensions, first.dimension_count + 1, result);
}

static tdbplus_status make_row(struct func_call *call, uint32_t row, struct datum *result)
{
    if (call->argument_count > 0 && call->arguments[0].type.id == TYPE_ARRAY) {
        return make_of_arrays(call, row, result);
    }
    struct datum *items = arena_array(call->arena, call->argument_count + 1u, sizeof *items);
    if (items == NULL) {
        return kernel_no_memory(call);
    }
    for (uint32_t a = 0; a < call->argument_count; a++) {
        items[a] = kernel_argument(call, a, row);
    }
    return kernel_list_result(call, items, call->argument_count, result);
}

ROW_KERNEL(make)

static tdbplus_status item_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    TRY(kernel_array(call, 0, row, &array));
    uint32_t given = call->argument_count - 1;
    result->is_null = true;
    if (array.dimension_count != given) {
        return TDBPLUS_OK;
    }
    uint64_t at = 0;
    for (uint32_t d = 0; d < given; d++) {
        const struct array_dimension *dimension = &array.dimensions[d];
        int64_t offset = (int64_t)int4_argument(call, d + 1, row) - dimension->lower;
        if (offset < 0 || offset >= dimension->length) {
            return TDBPLUS_OK;
        }
        at = at * dimension->length + (uint64_t)offset;
    }
    array_get(&array, (uint32_t)at, result);
    return TDBPLUS_OK;
}

ROW_KERNEL(item)

/* A box inside of an array: first item and length in each dimension. */
struct box {
    uint32_t from[DIMENSIONS];
    uint32_t length[DIMENSIONS];
};

/* The item number of the i-th item of a box, row by row. */
static uint32_t box_item(const struct array *array, const struct box *box, uint32_t i)
{
    uint32_t place[DIMENSIONS];
    for (uint32_t d = array->dimension_count; d-- > 0;) {
        place[d] = i % box->length[d];
        i /= box->length[d];
    }
    uint32_t at = 0;
    for (uint32_t d = 0; d < array->dimension_count; d++) {
        at = at * array->dimensions[d].length + box->from[d] + place[d];
    }
    return at;
}

/* Cuts the bounds given to the array; false when nothing is left. */
static bool find_box(const struct func_call *call, uint32_t row, uint32_t first_bound,
                     const struct array *array, struct box *box)
{
    uint32_t given = (call->argument_count - first_bound) / 2;
    if (array->dimension_count < given || array->dimension_count == 0) {
        return false;
    }
    for (uint32_t d = 0; d < array->dimension_count; d++) {
        int64_t low = array->dimensions[d].lower;
        int64_t high = low + array->dimensions[d].length - 1;
        int64_t from = d < given ? int4_argument(call, first_bound + 2 * d, row) : low;
        int64_t to = d < given ? int4_argument(call, first_bound + 2 * d + 1, row) : high;
        from = from < low ? low : from;
        to = to > high ? high : to;
        if (from > to) {
            return false;
        }
        box->from[d] = (uint32_t)(from - low);
        box->length[d] = (uint32_t)(to - from + 1);
    }
    return true;
}

static tdbplus_status slice_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    struct box box = {0};
    TRY(kernel_array(call, 0, row, &array));
    if (!find_box(call, row, 1, &array, &box)) {
        return kernel_list_result(call, NULL, 0, result);
    }
    struct array_dimension dimensions[DIMENSIONS];
    uint32_t count = 1;
    for (uint32_t d = 0; d < array.dimension_count; d++) {
        dimensions[d] = (struct array_dimension){.length = box.length[d], .lower = 1};
        count *= box.length[d];
    }
    struct datum *items = arena_alloc(call->arena, (size_t)count * sizeof *items);
    if (items == NULL) {
        return kernel_no_memory(call);
    }
    for (uint32_t i = 0; i < count; i++) {
        array_get(&array, box_item(&array, &box, i), &items[i]);
    }
    return kernel_array_result(call, items, dimensions, array.dimension_count, result);
}

ROW_KERNEL(slice)

/* ---- changing parts ---- */

static tdbplus_status out_of_bounds(struct func_call *call)
{
    return kernel_error(call, "2202E", "array subscript out of range");
}

/* The array to be changed; a null one is empty. */
static tdbplus_status changed_array(struct func_call *call, uint32_t row, struct array *array)
{
    *array = (struct array){.element = type_element(call->result->type)};
    return kernel_is_null(call, 0, row) ? TDBPLUS_OK : kernel_array(call, 0, row, array);
}

static tdbplus_status check_subscripts(struct func_call *call, uint32_t row, uint32_t first)
{
    for (uint32_t a = first; a < call->argument_count; a++) {
        if (kernel_is_null(call, a, row)) {
            return kernel_error(call, "22004", "array subscript in assignment must not be null");
        }
    }
    return TDBPLUS_OK;
}

/* Makes room in an array of one dimension for the subscripts [from, to], nulls in between. */
static tdbplus_status stretch(struct func_call *call, const struct array *array, int64_t from,
                              int64_t to, struct datum **items_out, struct array_dimension *shape)
{
    int64_t low = array->count == 0 ? from : array->dimensions[0].lower;
    int64_t high = array->count == 0 ? from - 1 : low + array->dimensions[0].length - 1;
    int64_t new_low = from < low ? from : low;
    int64_t new_high = to > high ? to : high;
    if (new_high >= INT32_MAX || new_high - new_low + 1 > ARRAY_ITEM_COUNT_MAX) {
        return kernel_error(call, "54000", "array size exceeds the maximum allowed (%u)",
                            ARRAY_ITEM_COUNT_MAX);
    }
    uint32_t count = (uint32_t)(new_high - new_low + 1);
    struct datum *items = arena_alloc(call->arena, ((size_t)count + 1) * sizeof *items);
    if (items == NULL) {
        return kernel_no_memory(call);
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = new_low + i - low;
        items[i] = (struct datum){.type = array->element, .is_null = true};
        if (at >= 0 && at < array->count) {
            array_get(array, (uint32_t)at, &items[i]);
        }
    }
    *shape = (struct array_dimension){.length = count, .lower = (int32_t)new_low};
    *items_out = items;
    return TDBPLUS_OK;
}

/* An item of an array of several dimensions, which does not grow. */
static tdbplus_status put_inside(struct func_call *call, uint32_t row, const struct array *array,
                                 struct datum *result)
{
    struct datum *items = NULL;
    uint32_t at = 0;
    TRY(kernel_items(call, array, 0, &items));
    for (uint32_t d = 0; d < array->dimension_count; d++) {
        int64_t offset = (int64_t)int4_argument(call, d + 2, row) - array->dimensions[d].lower;
        if (offset < 0 || offset >= array->dimensions[d].length) {
            return out_of_bounds(call);
        }
        at = at * array->dimensions[d].length + (uint32_t)offset;
    }
    items[at] = kernel_argument(call, 1, row);
    return kernel_array_result(call, items, array->dimensions, array->dimension_count, result);
}

static tdbplus_status put_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    uint32_t given = call->argument_count - 2;
    TRY(check_subscripts(call, row, 2));
    TRY(changed_array(call, row, &array));
    if (array.dimension_count != given && array.count > 0) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (array.count > 0 && given > 1) {
        return put_inside(call, row, &array, result);
    }
    if (given > 1) {
        struct array_dimension dimensions[DIMENSIONS];
        for (uint32_t d = 0; d < given; d++) {
            dimensions[d] = (struct array_dimension){1, int4_argument(call, d + 2, row)};
        }
        struct datum only = kernel_argument(call, 1, row);
        return kernel_array_result(call, &only, dimensions, given, result);
    }
    struct datum *items = NULL;
    struct array_dimension shape;
    int64_t at = int4_argument(call, 2, row);
    TRY(stretch(call, &array, at, at, &items, &shape));
    items[at - shape.lower] = kernel_argument(call, 1, row);
    return kernel_array_result(call, items, &shape, 1, result);
}

ROW_KERNEL(put)

static tdbplus_status too_small(struct func_call *call)
{
    return kernel_error(call, "2202E", "source array too small");
}

/* A slice of one dimension, beyond the ends too. */
static tdbplus_status put_run(struct func_call *call, uint32_t row, const struct array *array,
                              const struct array *source, struct datum *result)
{
    int64_t from = int4_argument(call, 2, row);
    int64_t to = int4_argument(call, 3, row);
    bool open = from == FUNC_SLICE_FIRST || to == FUNC_SLICE_LAST;
    if (open && array->count == 0) {
        return kernel_error(call, "2202E", "array slice subscript must provide both boundaries");
    }
    from = from == FUNC_SLICE_FIRST ? array->dimensions[0].lower : from;
    to = to == FUNC_SLICE_LAST
             ? (int64_t)array->dimensions[0].lower + array->dimensions[0].length - 1
             : to;
    if (from > to) {
        return kernel_error(call, "2202E", "upper bound cannot be less than lower bound");
    }
    struct datum *items = NULL;
    struct array_dimension shape;
    TRY(stretch(call, array, from, to, &items, &shape));
    if (source->count < to - from + 1) {
        return too_small(call);
    }
    for (int64_t i = from; i <= to; i++) {
        array_get(source, (uint32_t)(i - from), &items[i - shape.lower]);
    }
    return kernel_array_result(call, items, &shape, 1, result);
}

static tdbplus_status put_slice_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    struct array source;
    TRY(check_subscripts(call, row, 2));
    TRY(changed_array(call, row, &array));
    if (kernel_is_null(call, 1, row)) {
        // Nothing to put there: the array stays as it is, null or not.
        *result = kernel_argument(call, 0, row);
        return TDBPLUS_OK;
    }
    TRY(kernel_array(call, 1, row, &source));
    uint32_t given = (call->argument_count - 2) / 2;
    if (array.dimension_count <= 1 && given == 1) {
        return put_run(call, row, &array, &source, result);
    }
    struct box box = {0};
    if (array.dimension_count < given) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (!find_box(call, row, 2, &array, &box)) {
        return out_of_bounds(call);
    }
    struct datum *items = NULL;
    uint32_t count = 1;
    for (uint32_t d = 0; d < array.dimension_count; d++) {
        count *= box.length[d];
    }
    if (source.count < count) {
        return too_small(call);
    }
    TRY(kernel_items(call, &array, 0, &items));
    for (uint32_t i = 0; i < count; i++) {
        array_get(&source, i, &items[box_item(&array, &box, i)]);
    }
    return kernel_array_result(call, items, array.dimensions, array.dimension_count, result);
}

ROW_KERNEL(put_slice)

#define I4 TYPE_INT4
#define AA FUNC_ANY_ARRAY
#define CN FUNC_CALLED_ON_NULL
#define NL FUNC_NULLABLE

const struct func func_array_make = {"array", 1,           {FUNC_SAME}, AA, CN | FUNC_VARIADIC,
                                     make,    "Its items."};
const struct func func_array_item = {"subscript",        2,    {AA, I4},  FUNC_SAME,
                                     NL | FUNC_VARIADIC, item, "An item."};
const struct func func_array_slice = {"slice",       3,     {AA, I4, I4},           AA,
                                      FUNC_VARIADIC, slice, "Items between bounds."};
const struct func func_array_put = {
    "put", 3, {AA, FUNC_SAME, I4}, AA, CN | FUNC_VARIADIC, put, "With one item changed."};
const struct func func_array_put_slice = {"put_slice",
                                          4,
                                          {AA, AA, I4, I4},
                                          AA,
                                          CN | NL | FUNC_VARIADIC,
                                          put_slice,
                                          "With a slice changed."};
