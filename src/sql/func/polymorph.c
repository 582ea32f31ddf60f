/* Arguments of open type: what "any element" and "any array" stand for in one call. */

#include "sql/func/polymorph.h"

#include "sql/func/cast_internal.h"
#include "types/range.h"

struct type func_array_of(struct type element)
{
    struct type array = element;
    array.id = TYPE_ARRAY;
    array.element = element.id;
    return array;
}

bool poly_is_open(uint8_t want)
{
    return want >= FUNC_ANY;
}

struct type poly_declared_type(uint8_t want)
{
    return want > FUNC_ARRAY_BASE ? func_array_of(type_of((enum type_id)(want - FUNC_ARRAY_BASE)))
                                  : type_of((enum type_id)want);
}

static bool same_type(struct type left, struct type right)
{
    left = func_type_base(left);
    right = func_type_base(right);
    return left.id == right.id && left.element == right.element &&
           (left.id != TYPE_ENUM || left.parameter == right.parameter);
}

/* All arguments that are bound to the one element type must agree exactly. */
static bool bind_element(struct poly *poly, struct type type)
{
    if (poly->element.id != TYPE_NONE) {
        return same_type(poly->element, type);
    }
    poly->element = func_type_base(type);
    return true;
}

/* A range binds itself, and the element type with it. */
static bool bind_range(struct poly *poly, uint8_t want, struct type type)
{
    poly->wants_range = true;
    if (type.id == TYPE_NONE) {
        return true;
    }
    if (want == FUNC_ANY_RANGE ? !range_type(type) : !multirange_type(type)) {
        return false;
    }
    struct type range = want == FUNC_ANY_RANGE ? type : range_of_multirange(type);
    if (poly->range.id != TYPE_NONE && poly->range.id != range.id) {
        return false;
    }
    poly->range = range;
    return bind_element(poly, range_element(range));
}

static bool bind_one(struct poly *poly, uint8_t want, struct type type, struct type *commons,
                     uint32_t *common_count)
{
    switch (want) {
    case FUNC_SAME:
        poly->wants_element = true;
        return type.id == TYPE_NONE || bind_element(poly, type);
    case FUNC_ANY_ENUM:
        poly->wants_element = true;
        return type.id == TYPE_NONE || (type.id == TYPE_ENUM && bind_element(poly, type));
    case FUNC_ANY_ARRAY:
        poly->wants_element = true;
        poly->has_array = true;
        return type.id == TYPE_NONE ||
               (type.id == TYPE_ARRAY && bind_element(poly, type_element(type)));
    case FUNC_ANY_RANGE:
    case FUNC_ANY_MULTIRANGE:
        return bind_range(poly, want, type);
    case FUNC_COMMON:
        poly->wants_common = true;
        if (type.id != TYPE_NONE) {
            commons[(*common_count)++] = func_type_base(type);
        }
        return true;
    case FUNC_COMMON_ARRAY:
        poly->wants_common = true;
        poly->has_array = true;
        if (type.id == TYPE_ARRAY) {
            commons[(*common_count)++] = func_type_base(type_element(type));
        }
        return type.id == TYPE_NONE || type.id == TYPE_ARRAY;
    case FUNC_AS_TEXT:
        return type.id != TYPE_ARRAY;
    default:
        return true;
    }
}

bool poly_solve(const struct func *func, const struct type *types, uint32_t count,
                struct poly *poly_out)
{
    struct poly poly = {0};
    struct type commons[FUNC_ARGUMENT_COUNT_MAX];
    uint32_t common_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t want = func->arguments[i < func->argument_count ? i : func->argument_count - 1u];
        if (!bind_one(&poly, want, types[i], commons, &common_count)) {
            return false;
        }
    }
    uint32_t conflict = 0;
    if (common_count > 0 && !func_common_type(commons, common_count, &poly.common, &conflict)) {
        return false;
    }
    bool nested = poly.element.id == TYPE_ARRAY || poly.common.id == TYPE_ARRAY;
    if (nested && poly.has_array) {
        return false;
    }
    *poly_out = poly;
    return true;
}

bool poly_is_settled(const struct poly *poly)
{
    return (!poly->wants_element || poly->element.id != TYPE_NONE) &&
           (!poly->wants_range || poly->range.id != TYPE_NONE);
}

struct type poly_type(uint8_t want, struct type given, const struct poly *poly)
{
    struct type common = poly->common.id == TYPE_NONE ? type_of(TYPE_TEXT) : poly->common;
    struct type element = poly->element.id == TYPE_NONE ? type_of(TYPE_TEXT) : poly->element;
    struct type range = poly->range.id == TYPE_NONE ? range_type_of(poly->element) : poly->range;
    switch (want) {
    case FUNC_SAME:
    case FUNC_ANY_ENUM:
        return element;
    case FUNC_ANY_ARRAY:
        return func_array_of(element);
    case FUNC_ANY_RANGE:
        return range;
    case FUNC_ANY_MULTIRANGE:
        return range.id == TYPE_NONE ? range : range_multirange(range);
    case FUNC_COMMON:
        return common;
    case FUNC_COMMON_ARRAY:
        return func_array_of(common);
    case FUNC_AS_TEXT:
    case FUNC_PRINTED:
        return type_of(TYPE_TEXT);
    case FUNC_ANY:
        return given.id == TYPE_NONE ? type_of(TYPE_TEXT) : given;
    default:
        return poly_declared_type(want);
    }
}
