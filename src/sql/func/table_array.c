/* Functions and operators of arrays: PostgreSQL's manual, 9.19. */

#include <stdio.h>
#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"

#define DIMENSIONS ARRAY_DIMENSION_COUNT_MAX

/* ---- shape ---- */

static tdbplus_status dimension_of(struct func_call *call, uint32_t row,
                                   struct array_dimension *dimension, bool *found)
{
    struct array array;
    TRY(kernel_array(call, 0, row, &array));
    int32_t number = int4_argument(call, 1, row);
    *found = number >= 1 && (uint32_t)number <= array.dimension_count;
    if (*found) {
        *dimension = array.dimensions[number - 1];
    }
    return TDBPLUS_OK;
}

static tdbplus_status length_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array_dimension dimension = {0};
    bool found = false;
    TRY(dimension_of(call, row, &dimension, &found));
    result->is_null = !found;
    result->integer = dimension.length;
    return TDBPLUS_OK;
}

static tdbplus_status lower_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array_dimension dimension = {0};
    bool found = false;
    TRY(dimension_of(call, row, &dimension, &found));
    result->is_null = !found;
    result->integer = dimension.lower;
    return TDBPLUS_OK;
}

static tdbplus_status upper_row(struct func_call *call, uint32_t row, struct datum *result)
{
    TRY(lower_row(call, row, result));
    struct array_dimension dimension = {0};
    bool found = false;
    TRY(dimension_of(call, row, &dimension, &found));
    result->integer += (int64_t)dimension.length - 1;
    return TDBPLUS_OK;
}

static tdbplus_status count_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    TRY(kernel_array(call, 0, row, &array));
    result->integer = array.count;
    return TDBPLUS_OK;
}

static tdbplus_status dimensions_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    TRY(kernel_array(call, 0, row, &array));
    result->is_null = array.dimension_count == 0;
    result->integer = array.dimension_count;
    return TDBPLUS_OK;
}

static tdbplus_status shape_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    tdbplus_status status = TDBPLUS_OK;
    TRY(kernel_array(call, 0, row, &array));
    result->is_null = array.dimension_count == 0;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t d = 0; d < array.dimension_count; d++) {
        int64_t lower = array.dimensions[d].lower;
        buffer_printf(&buffer, "[%lld:%lld]", (long long)lower,
                      (long long)(lower + array.dimensions[d].length - 1));
    }
    status = kernel_keep(call, &buffer, result);
    buffer_deinit(&buffer);
    return status;
}

ROW_KERNEL(length)
ROW_KERNEL(lower)
ROW_KERNEL(upper)
ROW_KERNEL(count)
ROW_KERNEL(dimensions)
ROW_KERNEL(shape)

/* ---- comparison ---- */

static tdbplus_status compare(struct func_call *call, uint32_t row, int *order)
{
    struct array ignored;
    TRY(kernel_array(call, 0, row, &ignored));
    TRY(kernel_array(call, 1, row, &ignored));
    *order = array_compare(text_argument(call, 0, row), text_argument(call, 1, row),
                           call->arguments[0].type);
    return TDBPLUS_OK;
}

#define COMPARISON(NAME, TEST)                                                                   \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        int order = 0;                                                                           \
        TRY(compare(call, row, &order));                                                         \
        result->boolean = order TEST 0;                                                          \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    ROW_KERNEL(NAME)

COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)

static tdbplus_status order_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int order = 0;
    TRY(compare(call, row, &order));
    result->integer = order < 0 ? -1 : order > 0;
    return TDBPLUS_OK;
}

ROW_KERNEL(order)

/* Nulls equal nothing, not even each other. */
static bool has_item(const struct array *array, const struct datum *wanted)
{
    for (uint32_t i = 0; i < array->count; i++) {
        struct datum item;
        array_get(array, i, &item);
        if (!item.is_null && datum_compare(&item, wanted) == 0) {
            return true;
        }
    }
    return false;
}

/* How many of the second array's items are in the first. */
static tdbplus_status shared_items(struct func_call *call, uint32_t row, uint32_t whole,
                                   uint32_t part, uint32_t *shared, uint32_t *count)
{
    struct array left;
    struct array right;
    TRY(kernel_array(call, whole, row, &left));
    TRY(kernel_array(call, part, row, &right));
    *shared = 0;
    *count = right.count;
    for (uint32_t i = 0; i < right.count; i++) {
        struct datum item;
        array_get(&right, i, &item);
        *shared += !item.is_null && has_item(&left, &item);
    }
    return TDBPLUS_OK;
}

static tdbplus_status contains_row(struct func_call *call, uint32_t row, struct datum *result)
{
    uint32_t shared = 0;
    uint32_t count = 0;
    TRY(shared_items(call, row, 0, 1, &shared, &count));
    result->boolean = shared == count;
    return TDBPLUS_OK;
}

static tdbplus_status contained_row(struct func_call *call, uint32_t row, struct datum *result)
{
    uint32_t shared = 0;
    uint32_t count = 0;
    TRY(shared_items(call, row, 1, 0, &shared, &count));
    result->boolean = shared == count;
    return TDBPLUS_OK;
}

static tdbplus_status overlaps_row(struct func_call *call, uint32_t row, struct datum *result)
{
    uint32_t shared = 0;
    uint32_t count = 0;
    TRY(shared_items(call, row, 0, 1, &shared, &count));
    result->boolean = shared > 0;
    return TDBPLUS_OK;
}

ROW_KERNEL(contains)
ROW_KERNEL(contained)
ROW_KERNEL(overlaps)

/* ---- joining ---- */

/* An argument, which is empty when it is null. */
static tdbplus_status maybe_array(struct func_call *call, uint32_t number, uint32_t row,
                                  struct array *array)
{
    *array = (struct array){.element = type_element(call->result->type)};
    return kernel_is_null(call, number, row) ? TDBPLUS_OK : kernel_array(call, number, row, array);
}

/* An item before or after those of an array of at most one dimension. */
static tdbplus_status extend(struct func_call *call, uint32_t row, uint32_t array_at, bool before,
                             struct datum *result)
{
    struct array array;
    struct datum *items = NULL;
    TRY(maybe_array(call, array_at, row, &array));
    if (array.dimension_count > 1) {
        return kernel_error(call, "22000", "argument must be empty or one-dimensional array");
    }
    TRY(kernel_items(call, &array, 1, &items));
    struct datum item = kernel_argument(call, 1 - array_at, row);
    if (before) {
        memmove(items + 1, items, array.count * sizeof *items);
        items[0] = item;
    } else {
        items[array.count] = item;
    }
    struct array_dimension shape = {array.count + 1, 1};
    if (array.count > 0) {
        shape.lower = array.dimensions[0].lower;
    }
    return kernel_array_result(call, items, &shape, 1, result);
}

static tdbplus_status append_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return extend(call, row, 0, false, result);
}

static tdbplus_status prepend_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return extend(call, row, 1, true, result);
}

ROW_KERNEL(append)
ROW_KERNEL(prepend)

static bool same_dimensions(const struct array_dimension *left, const struct array_dimension *right,
                            uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (left[i].length != right[i].length || left[i].lower != right[i].lower) {
            return false;
        }
    }
    return true;
}

/* The shape of two arrays one after the other; one may be an item of the other. */
static bool joined_shape(const struct array *left, const struct array *right,
                         struct array_dimension *shape, uint32_t *dimension_count)
{
    uint32_t l = left->dimension_count;
    uint32_t r = right->dimension_count;
    const struct array *larger = l >= r ? left : right;
    memcpy(shape, larger->dimensions, larger->dimension_count * sizeof *shape);
    *dimension_count = larger->dimension_count;
    if (l == r) {
        shape[0].length += right->dimensions[0].length;
        return same_dimensions(left->dimensions + 1, right->dimensions + 1, l - 1);
    }
    shape[0].length++;
    if (l + 1 == r) {
        return same_dimensions(left->dimensions, right->dimensions + 1, l);
    }
    return l == r + 1 && same_dimensions(left->dimensions + 1, right->dimensions, r);
}

static tdbplus_status join_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array left;
    struct array right;
    TRY(maybe_array(call, 0, row, &left));
    TRY(maybe_array(call, 1, row, &right));
    bool left_null = kernel_is_null(call, 0, row);
    if (left_null || kernel_is_null(call, 1, row) || left.count == 0 || right.count == 0) {
        bool take_left = !left_null && (kernel_is_null(call, 1, row) || right.count == 0);
        *result = kernel_argument(call, take_left ? 0 : 1, row);
        return TDBPLUS_OK;
    }
    struct array_dimension shape[DIMENSIONS];
    uint32_t dimension_count = 0;
    if (!joined_shape(&left, &right, shape, &dimension_count)) {
        return kernel_error(call, "2202E", "cannot concatenate incompatible arrays");
    }
    struct datum *items = NULL;
    TRY(kernel_items(call, &left, right.count, &items));
    for (uint32_t i = 0; i < right.count; i++) {
        array_get(&right, i, &items[left.count + i]);
    }
    return kernel_array_result(call, items, shape, dimension_count, result);
}

ROW_KERNEL(join)

/* ---- searching and changing ---- */

/* IS NOT DISTINCT FROM. */
static bool is_same(const struct datum *left, const struct datum *right)
{
    if (left->is_null || right->is_null) {
        return left->is_null && right->is_null;
    }
    return datum_compare(left, right) == 0;
}

static tdbplus_status searched_array(struct func_call *call, uint32_t row, struct array *array)
{
    TRY(kernel_array(call, 0, row, array));
    if (array->dimension_count > 1) {
        return kernel_error(call, "0A000",
                            "searching for elements in multidimensional arrays is not supported");
    }
    return TDBPLUS_OK;
}

static tdbplus_status position_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->is_null = true;
    if (kernel_is_null(call, 0, row)) {
        return TDBPLUS_OK;
    }
    struct array array;
    TRY(searched_array(call, row, &array));
    int64_t from = INT32_MIN;
    if (call->argument_count > 2) {
        if (kernel_is_null(call, 2, row)) {
            return kernel_error(call, "22004", "initial position must not be null");
        }
        from = int4_argument(call, 2, row);
    }
    struct datum wanted = kernel_argument(call, 1, row);
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        int64_t subscript = (int64_t)array.dimensions[0].lower + i;
        array_get(&array, i, &item);
        if (subscript >= from && is_same(&item, &wanted)) {
            result->is_null = false;
            result->integer = subscript;
            return TDBPLUS_OK;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status positions_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->is_null = kernel_is_null(call, 0, row);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    struct array array;
    struct kernel_items found = {0};
    TRY(searched_array(call, row, &array));
    struct datum wanted = kernel_argument(call, 1, row);
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        if (is_same(&item, &wanted)) {
            struct datum place = {.type = type_of(TYPE_INT4),
                                  .integer = (int64_t)array.dimensions[0].lower + i};
            TRY(kernel_push(call, &found, &place));
        }
    }
    return kernel_list_result(call, found.items, found.count, result);
}

static tdbplus_status remove_items_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->is_null = kernel_is_null(call, 0, row);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    struct array array;
    struct kernel_items kept = {0};
    TRY(kernel_array(call, 0, row, &array));
    if (array.dimension_count > 1) {
        return kernel_error(call, "0A000",
                            "removing elements from multidimensional arrays is not supported");
    }
    struct datum unwanted = kernel_argument(call, 1, row);
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        if (!is_same(&item, &unwanted)) {
            TRY(kernel_push(call, &kept, &item));
        }
    }
    struct array_dimension shape = {kept.count, array.count > 0 ? array.dimensions[0].lower : 1};
    return kernel_array_result(call, kept.items, &shape, kept.count == 0 ? 0 : 1, result);
}

static tdbplus_status replace_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->is_null = kernel_is_null(call, 0, row);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    struct array array;
    struct datum *items = NULL;
    TRY(kernel_array(call, 0, row, &array));
    TRY(kernel_items(call, &array, 0, &items));
    struct datum from = kernel_argument(call, 1, row);
    struct datum to = kernel_argument(call, 2, row);
    for (uint32_t i = 0; i < array.count; i++) {
        if (is_same(&items[i], &from)) {
            items[i] = to;
        }
    }
    return kernel_array_result(call, items, array.dimensions, array.dimension_count, result);
}

ROW_KERNEL(position)
ROW_KERNEL(positions)
ROW_KERNEL(remove_items)
ROW_KERNEL(replace)

static tdbplus_status trim_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    struct datum *items = NULL;
    TRY(kernel_array(call, 0, row, &array));
    int32_t cut = int4_argument(call, 1, row);
    uint32_t length = array.dimension_count > 0 ? array.dimensions[0].length : 0;
    if (cut < 0 || (uint32_t)cut > length) {
        return kernel_error(call, "2202E", "number of elements to trim must be between 0 and %u",
                            length);
    }
    TRY(kernel_items(call, &array, 0, &items));
    uint32_t dimension_count = (uint32_t)cut == length ? 0 : array.dimension_count;
    for (uint32_t d = 0; d < dimension_count; d++) {
        array.dimensions[d].lower = 1;
    }
    array.dimensions[0].length -= (uint32_t)cut;
    return kernel_array_result(call, items, array.dimensions, dimension_count, result);
}

ROW_KERNEL(trim)

/* The lengths (or lower bounds) that array_fill() was given. */
static tdbplus_status read_bounds(struct func_call *call, uint32_t number, uint32_t row,
                                  int32_t bounds[DIMENSIONS], uint32_t *count)
{
    struct array array;
    if (kernel_is_null(call, number, row)) {
        return kernel_error(call, "22004", "dimension array or low bound array cannot be null");
    }
    TRY(kernel_array(call, number, row, &array));
    if (array.dimension_count > 1) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (array.count > DIMENSIONS) {
        return kernel_error(call, "54000",
                            "number of array dimensions (%u) exceeds the maximum allowed (%u)",
                            array.count, DIMENSIONS);
    }
    *count = array.count;
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        if (item.is_null) {
            return kernel_error(call, "22004", "dimension values cannot be null");
        }
        bounds[i] = (int32_t)item.integer;
    }
    return TDBPLUS_OK;
}

static tdbplus_status fill_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int32_t lengths[DIMENSIONS];
    int32_t lowers[DIMENSIONS] = {1, 1, 1, 1, 1, 1};
    uint32_t count = 0;
    TRY(read_bounds(call, 1, row, lengths, &count));
    if (call->argument_count > 2) {
        uint32_t lower_count = 0;
        TRY(read_bounds(call, 2, row, lowers, &lower_count));
        if (lower_count != count) {
            return kernel_error(call, "2202E", "wrong number of array subscripts");
        }
    }
    struct array_dimension shape[DIMENSIONS];
    uint64_t items = count == 0 ? 0 : 1;
    for (uint32_t d = 0; d < count; d++) {
        if (lengths[d] < 0) {
            return kernel_error(call, "54000", "array size exceeds the maximum allowed (%u)",
                                ARRAY_ITEM_COUNT_MAX);
        }
        shape[d] = (struct array_dimension){(uint32_t)lengths[d], lowers[d]};
        items *= (uint64_t)lengths[d];
        if (items > ARRAY_ITEM_COUNT_MAX) {
            return kernel_error(call, "54000", "array size exceeds the maximum allowed (%u)",
                                ARRAY_ITEM_COUNT_MAX);
        }
    }
    struct datum value = kernel_argument(call, 0, row);
    struct datum *copies = arena_alloc(call->arena, (size_t)(items + 1) * sizeof *copies);
    if (copies == NULL) {
        return kernel_no_memory(call);
    }
    for (uint64_t i = 0; i < items; i++) {
        copies[i] = value;
    }
    return kernel_array_result(call, copies, shape, items == 0 ? 0 : count, result);
}

ROW_KERNEL(fill)

/* ---- rows ---- */

/* The items as they are: what takes rows apart looks at the item numbers only. */
static tdbplus_status same_row(struct func_call *call, uint32_t row, struct datum *result)
{
    *result = kernel_argument(call, 0, row);
    return TDBPLUS_OK;
}

static tdbplus_status subscripts_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array_dimension dimension = {0};
    struct kernel_items items = {0};
    bool found = false;
    TRY(dimension_of(call, row, &dimension, &found));
    bool backwards = call->argument_count > 2 && kernel_argument(call, 2, row).boolean;
    for (uint32_t i = 0; i < dimension.length; i++) {
        uint32_t at = backwards ? dimension.length - 1 - i : i;
        struct datum item = {.type = type_of(TYPE_INT4), .integer = (int64_t)dimension.lower + at};
        TRY(kernel_push(call, &items, &item));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

/* Items with their places, in pairs. */
static tdbplus_status expand_pairs_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    struct kernel_items items = {0};
    TRY(kernel_array(call, 0, row, &array));
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        struct datum place = {.type = type_of(TYPE_INT4), .integer = (int64_t)i + 1};
        array_get(&array, i, &item);
        item.type = type_of(TYPE_INT4);
        TRY(kernel_push(call, &items, &item));
        TRY(kernel_push(call, &items, &place));
    }
    struct array_dimension dimensions[2] = {{.length = array.count, .lower = 1},
                                            {.length = 2, .lower = 1}};
    return kernel_array_result(call, items.items, dimensions, array.count > 0 ? 2 : 0, result);
}

ROW_KERNEL(same)
ROW_KERNEL(subscripts)
ROW_KERNEL(expand_pairs)

/* ---- casts ---- */

/* Takes a run of items along the path of their types, a column at a time. */
static tdbplus_status cast_run(struct func_call *call, const struct func_cast_step *steps,
                               int32_t step_count, struct datum *items, uint32_t count)
{
    struct column column;
    if (!column_make(&column, items[0].type, count, true, call->arena)) {
        return kernel_no_memory(call);
    }
    for (uint32_t i = 0; i < count; i++) {
        column_set(&column, i, &items[i]);
    }
    for (int32_t s = 0; s < step_count; s++) {
        struct func_rows rows = {.count = count, .row_count = count};
        struct func_call inner = {.arena = call->arena, .context = call->context, .err = call->err};
        struct column next = {0};
        TRY(func_apply(steps[s].func, steps[s].type, &column, 1, &rows, &inner, &next));
        column = next;
    }
    for (uint32_t i = 0; i < count; i++) {
        column_get(&column, i, &items[i]);
    }
    return TDBPLUS_OK;
}

static tdbplus_status cast_row(struct func_call *call, uint32_t row, enum func_cast_context context,
                               struct datum *result)
{
    struct array array;
    struct datum *items = NULL;
    TRY(kernel_array(call, 0, row, &array));
    TRY(kernel_items(call, &array, 0, &items));
    struct func_cast_step steps[FUNC_CAST_STEPS_MAX];
    int32_t step_count =
        func_cast_path(array.element, type_element(call->result->type), context, steps);
    for (uint32_t from = 0; from < array.count; from += BATCH_ROW_COUNT_MAX) {
        uint32_t left = array.count - from;
        TRY(cast_run(call, steps, step_count, items + from,
                     left > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : left));
    }
    return kernel_array_result(call, items, array.dimensions, array.dimension_count, result);
}

static tdbplus_status cast_assigned_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return cast_row(call, row, FUNC_CAST_ASSIGNMENT, result);
}

static tdbplus_status cast_explicit_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return cast_row(call, row, FUNC_CAST_EXPLICIT, result);
}

ROW_KERNEL(cast_assigned)
ROW_KERNEL(cast_explicit)

#define AA  FUNC_ANY_ARRAY
#define CA  FUNC_COMMON_ARRAY
#define CE  FUNC_COMMON
#define I4  TYPE_INT4
#define I4A FUNC_ARRAY_OF(TYPE_INT4)
#define BO  TYPE_BOOL
#define OP  FUNC_OPERATOR
#define CN  FUNC_CALLED_ON_NULL
#define NL  FUNC_NULLABLE

const struct func cast_array_assigned = {
    "array", 1, {AA}, AA, 0, cast_assigned, "Each item converted."};
const struct func cast_array_explicit = {
    "array", 1, {AA}, AA, 0, cast_explicit, "Each item converted."};

const struct func table_array[] = {
    {"=", 2, {AA, AA}, BO, OP, equal, "True if equal."},
    {"<>", 2, {AA, AA}, BO, OP, not_equal, "True if not equal."},
    {"<", 2, {AA, AA}, BO, OP, less, "True if less, item by item."},
    {"<=", 2, {AA, AA}, BO, OP, less_equal, "True if less or equal."},
    {">", 2, {AA, AA}, BO, OP, greater, "True if greater, item by item."},
    {">=", 2, {AA, AA}, BO, OP, greater_equal, "True if greater or equal."},
    {"@>", 2, {AA, AA}, BO, OP, contains, "True if all items of the second are in the first."},
    {"<@", 2, {AA, AA}, BO, OP, contained, "True if all items of the first are in the second."},
    {"&&", 2, {AA, AA}, BO, OP, overlaps, "True if an item is in both."},
    {"||", 2, {CA, CA}, CA, OP | CN | NL, join, "Both, one after the other."},
    {"||", 2, {CA, CE}, CA, OP | CN, append, "With an item more at the end."},
    {"||", 2, {CE, CA}, CA, OP | CN, prepend, "With an item more at the beginning."},
    {"array_append", 2, {CA, CE}, CA, CN, append, "With an item more at the end."},
    {"array_prepend", 2, {CE, CA}, CA, CN, prepend, "With an item more at the beginning."},
    {"array_cat", 2, {CA, CA}, CA, CN | NL, join, "Both, one after the other."},
    {"array_length", 2, {AA, I4}, I4, NL, length, "Length of a dimension."},
    {"array_lower", 2, {AA, I4}, I4, NL, lower, "First subscript of a dimension."},
    {"array_upper", 2, {AA, I4}, I4, NL, upper, "Last subscript of a dimension."},
    {"array_ndims", 1, {AA}, I4, NL, dimensions, "Number of dimensions."},
    {"array_dims", 1, {AA}, TYPE_TEXT, NL, shape, "The bounds of all dimensions."},
    {"cardinality", 1, {AA}, I4, 0, count, "Number of items."},
    {"array_eq", 2, {AA, AA}, BO, 0, equal, "True if equal."},
    {"array_ne", 2, {AA, AA}, BO, 0, not_equal, "True if not equal."},
    {"array_lt", 2, {AA, AA}, BO, 0, less, "True if less."},
    {"array_le", 2, {AA, AA}, BO, 0, less_equal, "True if less or equal."},
    {"array_gt", 2, {AA, AA}, BO, 0, greater, "True if greater."},
    {"array_ge", 2, {AA, AA}, BO, 0, greater_equal, "True if greater or equal."},
    {"btarraycmp", 2, {AA, AA}, I4, 0, order, "-1, 0 or 1: the order of the two."},
    {"arraycontains", 2, {AA, AA}, BO, 0, contains, "As @>."},
    {"arraycontained", 2, {AA, AA}, BO, 0, contained, "As <@."},
    {"arrayoverlap", 2, {AA, AA}, BO, 0, overlaps, "As &&."},
    {"array_position", 2, {CA, CE}, I4, CN | NL, position, "Subscript of the first such item."},
    {"array_position", 3, {CA, CE, I4}, I4, CN | NL, position, "The same, from a subscript on."},
    {"array_positions", 2, {CA, CE}, I4A, CN | NL, positions, "Subscripts of all such items."},
    {"array_remove", 2, {CA, CE}, CA, CN | NL, remove_items, "Without the items that equal it."},
    {"array_replace", 3, {CA, CE, CE}, CA, CN | NL, replace, "Equal items replaced."},
    {"trim_array", 2, {AA, I4}, AA, 0, trim, "Without so many items at the end."},
    {"array_fill", 2, {FUNC_SAME, I4A}, AA, CN, fill, "Copies of a value."},
    {"array_fill", 3, {FUNC_SAME, I4A, I4A}, AA, CN, fill, "The same with lower bounds."},
    {"unnest", 1, {AA}, FUNC_SAME, FUNC_SET, same, "A row for each item."},
    {"_pg_expandarray",
     1,
     {FUNC_ARRAY_BASE + TYPE_INT2},
     FUNC_ARRAY_BASE + TYPE_INT4,
     FUNC_SET,
     expand_pairs,
     "Items with their places, of information_schema."},
    {"generate_subscripts", 2, {AA, I4}, I4, FUNC_SET, subscripts, "The subscripts."},
    {"generate_subscripts",
     3,
     {AA, I4, BO},
     I4,
     FUNC_SET,
     subscripts,
     "The subscripts, backwards if true."},
    FUNC_END,
};
