/* Ranges and multiranges. Operators see both as a list of ranges that are sorted, not empty and do
 * not touch. */

#include "types/range.h"

#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"
#include "types/datetime.h"
#include "types/numeric.h"

/* ---- in and out ---- */

struct pieces {
    struct range *ranges;
    uint32_t count;
    uint32_t capacity;
};

static tdbplus_status damaged(struct func_call *call)
{
    return err_set(call->err, TDBPLUS_E_CORRUPT, "a range is damaged");
}

static tdbplus_status range_argument(struct func_call *call, uint32_t number, uint32_t row,
                                     struct range *range_out)
{
    struct type type = call->arguments[number].type;
    return range_unpack(type, text_argument(call, number, row), range_out) ? TDBPLUS_OK
                                                                           : damaged(call);
}

static tdbplus_status push(struct func_call *call, struct pieces *pieces, const struct range *range)
{
    if (pieces->count == pieces->capacity) {
        if (pieces->count >= RANGE_COUNT_MAX) {
            return err_set(call->err, TDBPLUS_E_LIMIT, "a multirange has too many ranges");
        }
        uint32_t capacity = pieces->capacity * 2 + 4;
        struct range *ranges = arena_array(call->arena, capacity, sizeof *ranges);
        if (ranges == NULL) {
            return kernel_no_memory(call);
        }
        if (pieces->count > 0) {
            memcpy(ranges, pieces->ranges, pieces->count * sizeof *ranges);
        }
        pieces->ranges = ranges;
        pieces->capacity = capacity;
    }
    pieces->ranges[pieces->count++] = *range;
    return TDBPLUS_OK;
}

/* A range or multirange; an empty range is no piece. */
static tdbplus_status pieces_of(struct func_call *call, struct type type, struct span bytes,
                                struct pieces *pieces)
{
    *pieces = (struct pieces){0};
    if (multirange_type(type)) {
        TRY(multirange_unpack(type, bytes, call->arena, &pieces->ranges, &pieces->count,
                              call->err));
        pieces->capacity = pieces->count;
        return TDBPLUS_OK;
    }
    struct range range;
    if (!range_unpack(type, bytes, &range)) {
        return damaged(call);
    }
    return range.is_empty ? TDBPLUS_OK : push(call, pieces, &range);
}

static tdbplus_status pieces_argument(struct func_call *call, uint32_t number, uint32_t row,
                                      struct pieces *pieces)
{
    return pieces_of(call, call->arguments[number].type, text_argument(call, number, row), pieces);
}

static tdbplus_status put_range(struct func_call *call, const struct range *range,
                                struct datum *result)
{
    struct buffer packed = {.alloc = call->arena->alloc};
    range_pack(result->type, range, &packed);
    tdbplus_status status = kernel_keep(call, &packed, result);
    buffer_deinit(&packed);
    return status;
}

static tdbplus_status put_pieces(struct func_call *call, struct pieces *pieces,
                                 struct datum *result)
{
    struct buffer packed = {.alloc = call->arena->alloc};
    uint32_t count = multirange_normalise(pieces->ranges, pieces->count);
    multirange_pack(result->type, pieces->ranges, count, &packed);
    tdbplus_status status = kernel_keep(call, &packed, result);
    buffer_deinit(&packed);
    return status;
}

/* ---- making ---- */

static tdbplus_status make_range_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct range range = {.lower = {.is_inclusive = true}};
    struct range_bound *bounds[2] = {&range.lower, &range.upper};
    for (uint32_t i = 0; i < 2; i++) {
        bounds[i]->is_infinite = kernel_is_null(call, i, row);
        bounds[i]->value = kernel_argument(call, i, row);
    }
    if (call->argument_count == 3) {
        if (kernel_is_null(call, 2, row)) {
            return kernel_error(call, "22000", "range constructor flags argument must not be null");
        }
        struct span flags = text_argument(call, 2, row);
        bool good = flags.size == 2 && (flags.data[0] == '[' || flags.data[0] == '(') &&
                    (flags.data[1] == ']' || flags.data[1] == ')');
        if (!good) {
            tdbplus_status status = kernel_error(call, "42601", "invalid range bound flags");
            err_hint(call->err, "Valid values are \"[]\", \"[)\", \"(]\", and \"()\".");
            return status;
        }
        range.lower.is_inclusive = flags.data[0] == '[';
        range.upper.is_inclusive = flags.data[1] == ']';
    }
    TRY(range_normalise(&range, call->err));
    return put_range(call, &range, result);
}

ROW_KERNEL(make_range)

/* Of ranges one by one, of an array of them, or of nothing. */
static tdbplus_status make_multirange_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    struct pieces pieces = {0};
    struct range range;
    struct type type = range_of_multirange(result->type);
    for (uint32_t i = 0; i < call->argument_count; i++) {
        struct datum value = kernel_argument(call, i, row);
        if (value.type.id != TYPE_ARRAY) {
            TRY(range_argument(call, i, row, &range));
            TRY(push(call, &pieces, &range));
            continue;
        }
        struct array array;
        TRY(kernel_array(call, i, row, &array));
        if (array.dimension_count > 1) {
            return kernel_error(call, "21000",
                                "multiranges cannot be constructed from "
                                "multidimensional arrays");
        }
        for (uint32_t k = 0; k < array.count; k++) {
            struct datum item;
            array_get(&array, k, &item);
            if (item.is_null) {
                return kernel_error(call, "22004", "multirange values cannot contain null members");
            }
            if (!range_unpack(type, item.bytes, &range)) {
                return damaged(call);
            }
            TRY(push(call, &pieces, &range));
        }
    }
    return put_pieces(call, &pieces, result);
}

ROW_KERNEL(make_multirange)

static tdbplus_status same_range(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        text_result(call, row, text_argument(call, 0, row));
    }
    return TDBPLUS_OK;
}

/* ---- bounds ---- */

/* The outer bound of all pieces; NULL when there is none. */
static const struct range_bound *outer_bound(const struct pieces *pieces, bool lower)
{
    if (pieces->count == 0) {
        return NULL;
    }
    return lower ? &pieces->ranges[0].lower : &pieces->ranges[pieces->count - 1].upper;
}

static tdbplus_status bound_value(struct func_call *call, uint32_t row, bool lower,
                                  struct datum *result)
{
    struct pieces pieces;
    TRY(pieces_argument(call, 0, row, &pieces));
    const struct range_bound *bound = outer_bound(&pieces, lower);
    if (bound == NULL || bound->is_infinite) {
        result->is_null = true;
        return TDBPLUS_OK;
    }
    struct type type = result->type;
    *result = bound->value;
    result->type = type;
    return TDBPLUS_OK;
}

static tdbplus_status lower_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return bound_value(call, row, true, result);
}

static tdbplus_status upper_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return bound_value(call, row, false, result);
}

ROW_KERNEL(lower)
ROW_KERNEL(upper)

#define BOUND_TEST(NAME, LOWER, TEST)                                                            \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        struct pieces pieces;                                                                    \
        TRY(pieces_argument(call, 0, row, &pieces));                                             \
        const struct range_bound *bound = outer_bound(&pieces, LOWER);                           \
        result->boolean = (TEST);                                                                \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    ROW_KERNEL(NAME)

BOUND_TEST(is_empty, true, bound == NULL)
BOUND_TEST(lower_included, true, bound != NULL && bound->is_inclusive)
BOUND_TEST(upper_included, false, bound != NULL && bound->is_inclusive)
BOUND_TEST(lower_infinite, true, bound != NULL && bound->is_infinite)
BOUND_TEST(upper_infinite, false, bound != NULL && bound->is_infinite)

/* ---- how two lie to each other ---- */

static bool range_contains(const struct range *outer, const struct range *inner)
{
    return range_compare_bounds(&outer->lower, true, &inner->lower, true) <= 0 &&
           range_compare_bounds(&outer->upper, false, &inner->upper, false) >= 0;
}

static bool lies_before(const struct range *left, const struct range *right)
{
    return range_compare_bounds(&left->upper, false, &right->lower, true) < 0;
}

static bool pieces_contain(const struct pieces *outer, const struct pieces *inner)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < inner->count; i++) {
        while (at < outer->count && !range_contains(&outer->ranges[at], &inner->ranges[i])) {
            at++;
        }
        if (at == outer->count) {
            return false;
        }
    }
    return true;
}

static bool pieces_overlap(const struct pieces *left, const struct pieces *right)
{
    uint32_t l = 0;
    uint32_t r = 0;
    while (l < left->count && r < right->count) {
        if (lies_before(&left->ranges[l], &right->ranges[r])) {
            l++;
        } else if (lies_before(&right->ranges[r], &left->ranges[l])) {
            r++;
        } else {
            return true;
        }
    }
    return false;
}

/* No value lies between the two bounds, and none is in both. */
static bool bounds_meet(const struct range_bound *upper, const struct range_bound *lower)
{
    return !upper->is_infinite && !lower->is_infinite &&
           datum_compare(&upper->value, &lower->value) == 0 &&
           upper->is_inclusive != lower->is_inclusive;
}

static int compare_outer(const struct pieces *left, bool left_lower, const struct pieces *right,
                         bool right_lower)
{
    return range_compare_bounds(outer_bound(left, left_lower), left_lower,
                                outer_bound(right, right_lower), right_lower);
}

#define RELATION(NAME, TEST)                                                                     \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        struct pieces a;                                                                         \
        struct pieces b;                                                                         \
        TRY(pieces_argument(call, 0, row, &a));                                                  \
        TRY(pieces_argument(call, 1, row, &b));                                                  \
        bool both = a.count > 0 && b.count > 0;                                                  \
        (void)both;                                                                              \
        result->boolean = (TEST);                                                                \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    ROW_KERNEL(NAME)

RELATION(contains, pieces_contain(&a, &b))
RELATION(contained, pieces_contain(&b, &a))
RELATION(overlaps, pieces_overlap(&a, &b))
RELATION(before, both &&compare_outer(&a, false, &b, true) < 0)
RELATION(after, both &&compare_outer(&b, false, &a, true) < 0)
RELATION(over_left, both &&compare_outer(&a, false, &b, false) <= 0)
RELATION(over_right, both &&compare_outer(&a, true, &b, true) >= 0)
RELATION(adjacent, both && (bounds_meet(outer_bound(&a, false), outer_bound(&b, true)) ||
                            bounds_meet(outer_bound(&b, false), outer_bound(&a, true))))

static tdbplus_status holds(struct func_call *call, uint32_t set, uint32_t element, uint32_t row,
                            bool *holds_out)
{
    struct pieces pieces;
    TRY(pieces_argument(call, set, row, &pieces));
    struct datum value = kernel_argument(call, element, row);
    struct range_bound point = {.is_inclusive = true, .value = value};
    struct range one = {.lower = point, .upper = point};
    struct pieces single = {.ranges = &one, .count = 1};
    *holds_out = pieces_contain(&pieces, &single);
    return TDBPLUS_OK;
}

static tdbplus_status contains_element_row(struct func_call *call, uint32_t row,
                                           struct datum *result)
{
    return holds(call, 0, 1, row, &result->boolean);
}

static tdbplus_status element_contained_row(struct func_call *call, uint32_t row,
                                            struct datum *result)
{
    return holds(call, 1, 0, row, &result->boolean);
}

ROW_KERNEL(contains_element)
ROW_KERNEL(element_contained)

/* ---- what two give together ---- */

static bool nothing_between(const struct range_bound *lower, const struct range_bound *upper)
{
    return range_compare_bounds(lower, true, upper, false) > 0;
}

static tdbplus_status intersect(struct func_call *call, const struct pieces *a,
                                const struct pieces *b, struct pieces *out)
{
    uint32_t l = 0;
    uint32_t r = 0;
    while (l < a->count && r < b->count) {
        const struct range *left = &a->ranges[l];
        const struct range *right = &b->ranges[r];
        struct range both = *left;
        if (range_compare_bounds(&right->lower, true, &left->lower, true) > 0) {
            both.lower = right->lower;
        }
        int ends = range_compare_bounds(&left->upper, false, &right->upper, false);
        bool left_ends = ends < 0;
        if (ends > 0) {
            both.upper = right->upper;
        }
        if (!nothing_between(&both.lower, &both.upper)) {
            TRY(push(call, out, &both));
        }
        l += left_ends;
        r += !left_ends;
    }
    return TDBPLUS_OK;
}

/* The bound of what is left over when a range beyond `bound` is taken away. */
static struct range_bound other_side(struct range_bound bound)
{
    bound.is_inclusive = !bound.is_inclusive;
    return bound;
}

/* What of `a` lies outside of `b`; both are sorted. */
static tdbplus_status subtract(struct func_call *call, const struct pieces *a,
                               const struct pieces *b, struct pieces *out)
{
    for (uint32_t l = 0; l < a->count; l++) {
        struct range rest = a->ranges[l];
        bool any = true;
        for (uint32_t r = 0; r < b->count && any; r++) {
            const struct range *cut = &b->ranges[r];
            if (lies_before(cut, &rest) || lies_before(&rest, cut)) {
                continue;
            }
            if (!cut->lower.is_infinite) {
                struct range left = rest;
                left.upper = other_side(cut->lower);
                if (!nothing_between(&left.lower, &left.upper)) {
                    TRY(push(call, out, &left));
                }
            }
            any = !cut->upper.is_infinite;
            if (any) {
                rest.lower = other_side(cut->upper);
                any = !nothing_between(&rest.lower, &rest.upper);
            }
        }
        if (any) {
            TRY(push(call, out, &rest));
        }
    }
    return TDBPLUS_OK;
}

enum set_operation { SET_UNION, SET_INTERSECTION, SET_DIFFERENCE };

static tdbplus_status combine(struct func_call *call, uint32_t row, enum set_operation operation,
                              struct pieces *out)
{
    struct pieces a;
    struct pieces b;
    *out = (struct pieces){0};
    TRY(pieces_argument(call, 0, row, &a));
    TRY(pieces_argument(call, 1, row, &b));
    switch (operation) {
    case SET_INTERSECTION:
        return intersect(call, &a, &b, out);
    case SET_DIFFERENCE:
        return subtract(call, &a, &b, out);
    case SET_UNION:
        break;
    }
    for (uint32_t i = 0; i < a.count + b.count; i++) {
        TRY(push(call, out, i < a.count ? &a.ranges[i] : &b.ranges[i - a.count]));
    }
    out->count = multirange_normalise(out->ranges, out->count);
    return TDBPLUS_OK;
}

/* Of equal bounds the second operand's is kept: they may differ in their display scale. */
static tdbplus_status prefer_second(struct func_call *call, uint32_t row, struct range *united)
{
    struct range second;
    TRY(range_argument(call, 1, row, &second));
    if (!second.is_empty && range_compare_bounds(&second.lower, true, &united->lower, true) == 0) {
        united->lower = second.lower;
    }
    if (!second.is_empty &&
        range_compare_bounds(&second.upper, false, &united->upper, false) == 0) {
        united->upper = second.upper;
    }
    return TDBPLUS_OK;
}

static tdbplus_status combine_row(struct func_call *call, uint32_t row,
                                  enum set_operation operation, struct datum *result)
{
    struct pieces pieces;
    TRY(combine(call, row, operation, &pieces));
    if (multirange_type(result->type)) {
        return put_pieces(call, &pieces, result);
    }
    if (pieces.count > 1) {
        return kernel_error(call, "22000", "result of range %s would not be contiguous",
                            operation == SET_UNION ? "union" : "difference");
    }
    if (operation == SET_UNION && pieces.count == 1) {
        TRY(prefer_second(call, row, &pieces.ranges[0]));
    }
    struct range empty = {.is_empty = true};
    return put_range(call, pieces.count == 0 ? &empty : &pieces.ranges[0], result);
}

static tdbplus_status unite_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine_row(call, row, SET_UNION, result);
}

static tdbplus_status intersection_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine_row(call, row, SET_INTERSECTION, result);
}

static tdbplus_status difference_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return combine_row(call, row, SET_DIFFERENCE, result);
}

ROW_KERNEL(unite)
ROW_KERNEL(intersection)
ROW_KERNEL(difference)

/* The smallest range around all. */
static tdbplus_status merge_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct range merged = {.is_empty = true};
    for (uint32_t i = 0; i < call->argument_count; i++) {
        struct pieces pieces;
        TRY(pieces_argument(call, i, row, &pieces));
        if (pieces.count == 0) {
            continue;
        }
        struct range range = {.lower = *outer_bound(&pieces, true),
                              .upper = *outer_bound(&pieces, false)};
        if (merged.is_empty) {
            merged = range;
            continue;
        }
        if (range_compare_bounds(&range.lower, true, &merged.lower, true) < 0) {
            merged.lower = range.lower;
        }
        if (range_compare_bounds(&range.upper, false, &merged.upper, false) > 0) {
            merged.upper = range.upper;
        }
    }
    return put_range(call, &merged, result);
}

ROW_KERNEL(merge)

static tdbplus_status unnest_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct pieces pieces;
    struct type type = range_of_multirange(call->arguments[0].type);
    TRY(pieces_argument(call, 0, row, &pieces));
    struct kernel_items items = {0};
    for (uint32_t i = 0; i < pieces.count; i++) {
        struct datum item = {.type = type};
        TRY(put_range(call, &pieces.ranges[i], &item));
        TRY(kernel_push(call, &items, &item));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(unnest)

static tdbplus_status distance_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum a = kernel_argument(call, 0, row);
    struct datum b = kernel_argument(call, 1, row);
    if (a.type.id == TYPE_NUMERIC) {
        struct buffer number = {.alloc = call->arena->alloc};
        tdbplus_status status = numeric_subtract(a.bytes, b.bytes, &number, call->err);
        if (status == TDBPLUS_OK) {
            result->real = numeric_to_float8(buffer_span(&number));
        }
        buffer_deinit(&number);
        return status;
    }
    result->real = (double)a.integer - (double)b.integer;
    if (a.type.id == TYPE_TIMESTAMP || a.type.id == TYPE_TIMESTAMPTZ) {
        result->real /= (double)US_PER_SECOND;
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(distance)

#define AR FUNC_ANY_RANGE
#define AM FUNC_ANY_MULTIRANGE
#define AE FUNC_SAME
#define BO TYPE_BOOL
#define OP FUNC_OPERATOR
#define NL FUNC_NULLABLE
#define CN FUNC_CALLED_ON_NULL

#define E FUNC_CAST_EXPLICIT
const struct cast_line table_casts_range[] = {
    CAST(TYPE_INT4RANGE, TYPE_INT4MULTIRANGE, E, "int4multirange", make_multirange),
    CAST(TYPE_INT8RANGE, TYPE_INT8MULTIRANGE, E, "int8multirange", make_multirange),
    CAST(TYPE_NUMRANGE, TYPE_NUMMULTIRANGE, E, "nummultirange", make_multirange),
    CAST(TYPE_TSRANGE, TYPE_TSMULTIRANGE, E, "tsmultirange", make_multirange),
    CAST(TYPE_TSTZRANGE, TYPE_TSTZMULTIRANGE, E, "tstzmultirange", make_multirange),
    CAST(TYPE_DATERANGE, TYPE_DATEMULTIRANGE, E, "datemultirange", make_multirange),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

#define CONSTRUCTORS(RANGE, MULTIRANGE, ELEMENT, ID, MULTI_ID)                                  \
    {RANGE, 2, {ELEMENT, ELEMENT}, ID, CN, make_range, "From the first up to the second."},     \
        {RANGE, 3, {ELEMENT, ELEMENT, TYPE_TEXT}, ID, CN, make_range, "Bounds as in '[]'."},    \
        {MULTIRANGE, 0, {0}, MULTI_ID, 0, make_multirange, "Empty."},                           \
        {MULTIRANGE, 1, {ID}, MULTI_ID, FUNC_VARIADIC, make_multirange, "Of these ranges."},    \
        {MULTIRANGE, 1, {FUNC_ARRAY_OF(ID)}, MULTI_ID, 0, make_multirange, "Of these ranges."}, \
    {                                                                                           \
        RANGE "_subdiff", 2, {ELEMENT, ELEMENT}, TYPE_FLOAT8, 0, distance, "Their difference."  \
    }

/* For each pairing of ranges and multiranges. */
#define RELATIONS(NAME, KERNEL, TEXT)                                                     \
    {NAME, 2, {AR, AR}, BO, OP, KERNEL, TEXT}, {NAME, 2, {AR, AM}, BO, OP, KERNEL, TEXT}, \
        {NAME, 2, {AM, AR}, BO, OP, KERNEL, TEXT},                                        \
    {                                                                                     \
        NAME, 2, {AM, AM}, BO, OP, KERNEL, TEXT                                           \
    }

#define BOTH(NAME, RESULT, FLAGS, KERNEL, TEXT)    \
    {NAME, 1, {AR}, RESULT, FLAGS, KERNEL, TEXT},  \
    {                                              \
        NAME, 1, {AM}, RESULT, FLAGS, KERNEL, TEXT \
    }

const struct func table_range[] = {
    CONSTRUCTORS("int4range", "int4multirange", TYPE_INT4, TYPE_INT4RANGE, TYPE_INT4MULTIRANGE),
    CONSTRUCTORS("int8range", "int8multirange", TYPE_INT8, TYPE_INT8RANGE, TYPE_INT8MULTIRANGE),
    CONSTRUCTORS("numrange", "nummultirange", TYPE_NUMERIC, TYPE_NUMRANGE, TYPE_NUMMULTIRANGE),
    CONSTRUCTORS("tsrange", "tsmultirange", TYPE_TIMESTAMP, TYPE_TSRANGE, TYPE_TSMULTIRANGE),
    CONSTRUCTORS("tstzrange", "tstzmultirange", TYPE_TIMESTAMPTZ, TYPE_TSTZRANGE,
                 TYPE_TSTZMULTIRANGE),
    CONSTRUCTORS("daterange", "datemultirange", TYPE_DATE, TYPE_DATERANGE, TYPE_DATEMULTIRANGE),
    {"int4range_canonical", 1, {TYPE_INT4RANGE}, TYPE_INT4RANGE, 0, same_range, "As [ , )."},
    {"int8range_canonical", 1, {TYPE_INT8RANGE}, TYPE_INT8RANGE, 0, same_range, "As [ , )."},
    {"daterange_canonical", 1, {TYPE_DATERANGE}, TYPE_DATERANGE, 0, same_range, "As [ , )."},
    {"multirange", 1, {AR}, AM, 0, make_multirange, "Of this range alone."},
    BOTH("lower", AE, NL, lower, "The lower bound; null if there is none."),
    BOTH("upper", AE, NL, upper, "The upper bound; null if there is none."),
    BOTH("isempty", BO, 0, is_empty, "True if nothing is in it."),
    BOTH("lower_inc", BO, 0, lower_included, "True if the lower bound is in it."),
    BOTH("upper_inc", BO, 0, upper_included, "True if the upper bound is in it."),
    BOTH("lower_inf", BO, 0, lower_infinite, "True if it has no lower bound."),
    BOTH("upper_inf", BO, 0, upper_infinite, "True if it has no upper bound."),
    RELATIONS("@>", contains, "True if the second lies in the first."),
    RELATIONS("<@", contained, "True if the first lies in the second."),
    {"@>", 2, {AR, AE}, BO, OP, contains_element, "True if the value lies in the range."},
    {"@>", 2, {AM, AE}, BO, OP, contains_element, "True if the value lies in a range."},
    {"<@", 2, {AE, AR}, BO, OP, element_contained, "True if the value lies in the range."},
    {"<@", 2, {AE, AM}, BO, OP, element_contained, "True if the value lies in a range."},
    RELATIONS("&&", overlaps, "True if they have a value in common."),
    RELATIONS("<<", before, "True if the first ends before the second begins."),
    RELATIONS(">>", after, "True if the first begins after the second ends."),
    RELATIONS("&<", over_left, "True if the first does not end after the second."),
    RELATIONS("&>", over_right, "True if the first does not begin before the second."),
    RELATIONS("-|-", adjacent, "True if they touch and do not overlap."),
    {"+", 2, {AR, AR}, AR, OP, unite, "Both as one range."},
    {"+", 2, {AM, AM}, AM, OP, unite, "What is in either."},
    {"*", 2, {AR, AR}, AR, OP, intersection, "What is in both."},
    {"*", 2, {AM, AM}, AM, OP, intersection, "What is in both."},
    {"-", 2, {AR, AR}, AR, OP, difference, "What is in the first only."},
    {"-", 2, {AM, AM}, AM, OP, difference, "What is in the first only."},
    {"range_merge", 2, {AR, AR}, AR, 0, merge, "The smallest range around both."},
    {"range_merge", 1, {AM}, AR, 0, merge, "The smallest range around all."},
    {"range_intersect_agg_transfn", 2, {AR, AR}, AR, 0, intersection, "What is in both."},
    {"multirange_intersect_agg_transfn", 2, {AM, AM}, AM, 0, intersection, "What is in both."},
    {"unnest", 1, {AM}, AR, FUNC_SET, unnest, "A row for each range."},
    FUNC_END,
};
