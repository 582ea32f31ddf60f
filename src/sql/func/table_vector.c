/* Vectors: distances, arithmetic, casts; names and answers of pgvector. */

#include <math.h>
#include <string.h>

#include "simd/simd.h"
#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"

struct vector {
    const float *values;
    uint32_t dimension;
};

/* Vectors of any dimension lie anywhere: floats that are read as such must be aligned. */
static tdbplus_status open_view(struct func_call *call, const struct view *view,
                                struct vector *vector_out)
{
    struct span bytes = view_span(view);
    vector_out->dimension = (uint32_t)(bytes.size / sizeof(float));
    if ((uintptr_t)bytes.data % _Alignof(float) != 0) {
        float *copy = arena_alloc(call->arena, bytes.size);
        if (copy == NULL) {
            return kernel_no_memory(call);
        }
        memcpy(copy, bytes.data, bytes.size);
        vector_out->values = copy;
        return TDBPLUS_OK;
    }
    vector_out->values = (const float *)bytes.data;
    return TDBPLUS_OK;
}

static tdbplus_status open_vector(struct func_call *call, uint32_t number, uint32_t row,
                                  struct vector *vector_out)
{
    const struct column *column = &call->arguments[number];
    uint32_t at = row & kernel_mask(column);
    uint32_t dimension = column->type.parameter;
    if (dimension == 0) {
        return open_view(call, (const struct view *)column->data + at, vector_out);
    }
    *vector_out = (struct vector){(const float *)column->data + (size_t)at * dimension, dimension};
    return TDBPLUS_OK;
}

/* Both arguments, which must have as many components as each other. */
static tdbplus_status open_pair(struct func_call *call, uint32_t row, struct vector pair_out[2])
{
    TRY(open_vector(call, 0, row, &pair_out[0]));
    TRY(open_vector(call, 1, row, &pair_out[1]));
    return pair_out[0].dimension == pair_out[1].dimension
               ? TDBPLUS_OK
               : kernel_error(call, "22000", "different vector dimensions %u and %u",
                              pair_out[0].dimension, pair_out[1].dimension);
}

/* ---- distances ---- */

typedef double (*distance_function)(const float *left, const float *right, size_t count);

static tdbplus_status measure(struct func_call *call, distance_function distance)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct vector pair[2];
        TRY(open_pair(call, row, pair));
        ((double *)call->result->data)[row] =
            distance(pair[0].values, pair[1].values, pair[0].dimension);
    }
    return TDBPLUS_OK;
}

static double l2(const float *left, const float *right, size_t count)
{
    return sqrt((double)simd->l2_squared_f32(left, right, count));
}

static double l2_squared(const float *left, const float *right, size_t count)
{
    return (double)simd->l2_squared_f32(left, right, count);
}

static double inner(const float *left, const float *right, size_t count)
{
    return (double)simd->dot_f32(left, right, count);
}

static double negative_inner(const float *left, const float *right, size_t count)
{
    return -(double)simd->dot_f32(left, right, count);
}

static double l1(const float *left, const float *right, size_t count)
{
    return (double)simd->l1_f32(left, right, count);
}

/* NaN where a vector has no length. */
static double cosine(const float *left, const float *right, size_t count)
{
    double dot = (double)simd->dot_f32(left, right, count);
    double sizes =
        (double)simd->dot_f32(left, left, count) * (double)simd->dot_f32(right, right, count);
    double similarity = dot / sqrt(sizes);
    similarity = similarity > 1 ? 1 : similarity < -1 ? -1 : similarity;
    return 1 - similarity;
}

static double sphere(const float *left, const float *right, size_t count)
{
    double dot = (double)simd->dot_f32(left, right, count);
    dot = dot > 1 ? 1 : dot < -1 ? -1 : dot;
    return acos(dot) / M_PI;
}

#define DISTANCE(NAME)                                          \
    static tdbplus_status NAME##_kernel(struct func_call *call) \
    {                                                           \
        return measure(call, NAME);                             \
    }

DISTANCE(l2)
DISTANCE(l2_squared)
DISTANCE(inner)
DISTANCE(negative_inner)
DISTANCE(l1)
DISTANCE(cosine)
DISTANCE(sphere)

static tdbplus_status dimensions_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct vector vector;
    TRY(open_vector(call, 0, row, &vector));
    result->integer = vector.dimension;
    return TDBPLUS_OK;
}

static tdbplus_status norm_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct vector vector;
    TRY(open_vector(call, 0, row, &vector));
    result->real = sqrt((double)simd->dot_f32(vector.values, vector.values, vector.dimension));
    return TDBPLUS_OK;
}

ROW_KERNEL(dimensions)
ROW_KERNEL(norm)

/* ---- arithmetic ---- */

static tdbplus_status make_vector(struct func_call *call, uint32_t dimension, float **values_out,
                                  struct datum *result)
{
    float *values = arena_alloc(call->arena, ((size_t)dimension + 1) * sizeof *values);
    if (values == NULL) {
        return kernel_no_memory(call);
    }
    *values_out = values;
    result->bytes =
        (struct span){.data = (const uint8_t *)values, .size = (size_t)dimension * sizeof *values};
    return TDBPLUS_OK;
}

static tdbplus_status combine(struct func_call *call, uint32_t row, char operation,
                              struct datum *result)
{
    struct vector pair[2];
    TRY(open_pair(call, row, pair));
    uint32_t dimension = pair[0].dimension;
    const float *left = pair[0].values;
    const float *right = pair[1].values;
    float *values = NULL;
    TRY(make_vector(call, dimension, &values, result));
    for (uint32_t i = 0; i < dimension; i++) {
        values[i] = operation == '+'   ? left[i] + right[i]
                    : operation == '-' ? left[i] - right[i]
                                       : left[i] * right[i];
        if (isinf(values[i])) {
            return kernel_error(call, "22003", "value out of range: overflow");
        }
        if (operation == '*' && values[i] == 0 && left[i] != 0 && right[i] != 0) {
            return kernel_error(call, "22003", "value out of range: underflow");
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status add_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine(call, row, '+', result);
}

static tdbplus_status subtract_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine(call, row, '-', result);
}

static tdbplus_status multiply_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine(call, row, '*', result);
}

static tdbplus_status normalize_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct vector vector;
    TRY(open_vector(call, 0, row, &vector));
    double norm = sqrt((double)simd->dot_f32(vector.values, vector.values, vector.dimension));
    float *values = NULL;
    TRY(make_vector(call, vector.dimension, &values, result));
    for (uint32_t i = 0; i < vector.dimension; i++) {
        values[i] = norm > 0 ? (float)((double)vector.values[i] / norm) : 0;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(add)
ROW_KERNEL(subtract)
ROW_KERNEL(multiply)
ROW_KERNEL(normalize)

/* ---- order ---- */

static int order_of(const struct func_call *call, uint32_t row)
{
    struct datum left = kernel_argument(call, 0, row);
    struct datum right = kernel_argument(call, 1, row);
    return datum_compare(&left, &right);
}

#define COMPARISON(NAME, TEST)                                                                   \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        result->boolean = order_of(call, row) TEST 0;                                            \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    ROW_KERNEL(NAME)

COMPARISON(equal, ==)
COMPARISON(not_equal, !=)
COMPARISON(less, <)
COMPARISON(less_equal, <=)
COMPARISON(greater, >)
COMPARISON(greater_equal, >=)

/* ---- casts ---- */

static tdbplus_status to_array_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct vector vector;
    TRY(open_vector(call, 0, row, &vector));
    struct kernel_items items = {0};
    for (uint32_t i = 0; i < vector.dimension; i++) {
        struct datum item = {.type = type_of(TYPE_FLOAT4), .real = (double)vector.values[i]};
        TRY(kernel_push(call, &items, &item));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status check_dimension(struct func_call *call, uint32_t dimension, uint32_t expected)
{
    if (dimension != expected) {
        return kernel_error(call, "22000", "expected %u dimensions, not %u", expected, dimension);
    }
    if (dimension < 1) {
        return kernel_error(call, "22000", "vector must have at least 1 dimension");
    }
    if (dimension > VECTOR_DIMENSION_MAX) {
        return kernel_error(call, "54000", "vector cannot have more than %u dimensions",
                            VECTOR_DIMENSION_MAX);
    }
    return TDBPLUS_OK;
}

/* Between vectors of one dimension and of any: the components stay as they are. */
static tdbplus_status fit_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct vector vector;
    TRY(open_vector(call, 0, row, &vector));
    uint32_t expected = result->type.parameter;
    TRY(check_dimension(call, vector.dimension, expected == 0 ? vector.dimension : expected));
    result->bytes = (struct span){.data = (const uint8_t *)vector.values,
                                  .size = (size_t)vector.dimension * sizeof *vector.values};
    return TDBPLUS_OK;
}

static tdbplus_status of_array_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct array array;
    float *values = NULL;
    TRY(kernel_array(call, 0, row, &array));
    uint32_t dimension = result->type.parameter == 0 ? array.count : result->type.parameter;
    if (array.dimension_count > 1) {
        return kernel_error(call, "22000", "array must be 1-D");
    }
    if (array.nulls != NULL) {
        return kernel_error(call, "22004", "array must not contain nulls");
    }
    TRY(check_dimension(call, array.count, dimension));
    TRY(make_vector(call, dimension, &values, result));
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        values[i] = (float)item.real;
        if (isnan(values[i]) || isinf(values[i])) {
            return kernel_error(call, "22000", "%s not allowed in vector",
                                isnan(values[i]) ? "NaN" : "infinite value");
        }
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(to_array)
ROW_KERNEL(of_array)
ROW_KERNEL(fit)

#define VE TYPE_VECTOR
#define F8 TYPE_FLOAT8
#define I4 TYPE_INT4
#define BO TYPE_BOOL
#define OP FUNC_OPERATOR

const struct func cast_vector_to_array = {
    "float4[]", 1, {VE}, FUNC_ARRAY_OF(TYPE_FLOAT4), 0, to_array, "Its components."};
const struct func cast_array_to_vector = {"vector", 1,        {FUNC_ARRAY_OF(TYPE_FLOAT4)}, VE,
                                          0,        of_array, "The items as components."};
const struct func cast_vector_fit = {"vector", 1, {VE}, VE, 0, fit, "As many components as told."};

const struct func table_vector[] = {
    {"<->", 2, {VE, VE}, F8, OP, l2_kernel, "Euclidean distance."},
    {"<#>", 2, {VE, VE}, F8, OP, negative_inner_kernel, "Negative inner product."},
    {"<=>", 2, {VE, VE}, F8, OP, cosine_kernel, "Cosine distance."},
    {"<+>", 2, {VE, VE}, F8, OP, l1_kernel, "Taxicab distance."},
    {"l2_distance", 2, {VE, VE}, F8, 0, l2_kernel, "Euclidean distance."},
    {"vector_l2_squared_distance", 2, {VE, VE}, F8, 0, l2_squared_kernel, "Its square."},
    {"inner_product", 2, {VE, VE}, F8, 0, inner_kernel, "Inner product."},
    {"vector_negative_inner_product", 2, {VE, VE}, F8, 0, negative_inner_kernel, "Its negative."},
    {"cosine_distance", 2, {VE, VE}, F8, 0, cosine_kernel, "Cosine distance."},
    {"vector_spherical_distance", 2, {VE, VE}, F8, 0, sphere_kernel, "Angle of unit vectors."},
    {"l1_distance", 2, {VE, VE}, F8, 0, l1_kernel, "Taxicab distance."},
    {"vector_dims", 1, {VE}, I4, 0, dimensions, "Number of components."},
    {"vector_norm", 1, {VE}, F8, 0, norm, "Euclidean length."},
    {"l2_norm", 1, {VE}, F8, 0, norm, "Euclidean length."},
    {"l2_normalize", 1, {VE}, VE, 0, normalize, "Of length 1."},
    {"+", 2, {VE, VE}, VE, OP, add, "Sum, component by component."},
    {"-", 2, {VE, VE}, VE, OP, subtract, "Difference, component by component."},
    {"*", 2, {VE, VE}, VE, OP, multiply, "Product, component by component."},
    {"=", 2, {VE, VE}, BO, OP, equal, "True if equal."},
    {"<>", 2, {VE, VE}, BO, OP, not_equal, "True if not equal."},
    {"<", 2, {VE, VE}, BO, OP, less, "True if less, component by component."},
    {"<=", 2, {VE, VE}, BO, OP, less_equal, "True if less or equal."},
    {">", 2, {VE, VE}, BO, OP, greater, "True if greater."},
    {">=", 2, {VE, VE}, BO, OP, greater_equal, "True if greater or equal."},
    FUNC_END,
};
