#include "types/range.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/datetime.h"
#include "types/numeric_internal.h"
#include "types/text_internal.h"

#define RANGE_EMPTY    0u
#define RANGE_FILLED   1u
#define END_BELOW      0u
#define END_VALUE      1u
#define END_ABOVE      2u
#define TAIL_WORD_SIZE 4u

#define ORDER(left, right) (((left) > (right)) - ((left) < (right)))

static const uint8_t elements[] = {TYPE_INT4,      TYPE_INT8,        TYPE_NUMERIC,
                                   TYPE_TIMESTAMP, TYPE_TIMESTAMPTZ, TYPE_DATE};

#define KIND_COUNT (sizeof elements)

bool range_type(struct type type)
{
    return type.id >= TYPE_INT4RANGE && type.id <= TYPE_DATERANGE;
}

bool multirange_type(struct type type)
{
    return type.id >= TYPE_INT4MULTIRANGE && type.id <= TYPE_DATEMULTIRANGE;
}

struct type range_of_multirange(struct type multirange)
{
    ASSERT(multirange_type(multirange));
    return type_of((enum type_id)(multirange.id - TYPE_INT4MULTIRANGE + TYPE_INT4RANGE));
}

struct type range_multirange(struct type range)
{
    ASSERT(range_type(range));
    return type_of((enum type_id)(range.id - TYPE_INT4RANGE + TYPE_INT4MULTIRANGE));
}

struct type range_element(struct type range)
{
    range = multirange_type(range) ? range_of_multirange(range) : range;
    ASSERT(range_type(range));
    return type_of((enum type_id)elements[range.id - TYPE_INT4RANGE]);
}

struct type range_type_of(struct type element)
{
    for (uint32_t i = 0; i < KIND_COUNT; i++) {
        if (elements[i] == element.id) {
            return type_of((enum type_id)(TYPE_INT4RANGE + i));
        }
    }
    return type_of(TYPE_NONE);
}

/* ---- bounds ---- */

int range_compare_bounds(const struct range_bound *left, bool left_is_lower,
                         const struct range_bound *right, bool right_is_lower)
{
    if (left->is_infinite || right->is_infinite) {
        int left_end = !left->is_infinite ? 0 : left_is_lower ? -1 : 1;
        int right_end = !right->is_infinite ? 0 : right_is_lower ? -1 : 1;
        return ORDER(left_end, right_end);
    }
    int order = datum_compare(&left->value, &right->value);
    if (order != 0) {
        return order;
    }
    // Where a bound stands beside its value: an excluded one lies inside of the range.
    int left_side = left->is_inclusive ? 0 : left_is_lower ? 1 : -1;
    int right_side = right->is_inclusive ? 0 : right_is_lower ? 1 : -1;
    return ORDER(left_side, right_side);
}

static tdbplus_status next_value(struct datum *value, struct err *err)
{
    int64_t max = value->type.id == TYPE_INT8 ? INT64_MAX : INT32_MAX;
    if (value->type.id == TYPE_DATE) {
        if (!date_in_range(value->integer + 1)) {
            return err_set_state(err, TDBPLUS_E_RANGE, "22008", "date out of range");
        }
    } else if (value->integer == max) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003", "%s out of range",
                             value->type.id == TYPE_INT8 ? "bigint" : "integer");
    }
    value->integer++;
    return TDBPLUS_OK;
}

/* Discrete bounds as [lower, upper); infinite dates are values that have no next one. */
static tdbplus_status make_discrete(struct range *range, struct err *err)
{
    struct datum *lower = &range->lower.value;
    struct datum *upper = &range->upper.value;
    bool is_date = lower->type.id == TYPE_DATE || upper->type.id == TYPE_DATE;
    bool lower_counts =
        !range->lower.is_infinite &&
        !(is_date && (lower->integer == DATE_INFINITY || lower->integer == DATE_MINUS_INFINITY));
    bool upper_counts =
        !range->upper.is_infinite &&
        !(is_date && (upper->integer == DATE_INFINITY || upper->integer == DATE_MINUS_INFINITY));
    if (lower_counts && !range->lower.is_inclusive) {
        TRY(next_value(lower, err));
        range->lower.is_inclusive = true;
    }
    if (upper_counts && range->upper.is_inclusive) {
        TRY(next_value(upper, err));
        range->upper.is_inclusive = false;
    }
    return TDBPLUS_OK;
}

static bool holds_nothing(const struct range *range)
{
    return !range->lower.is_infinite && !range->upper.is_infinite &&
           datum_compare(&range->lower.value, &range->upper.value) == 0 &&
           !(range->lower.is_inclusive && range->upper.is_inclusive);
}

tdbplus_status range_normalise(struct range *range, struct err *err)
{
    if (range->is_empty) {
        *range = (struct range){.is_empty = true};
        return TDBPLUS_OK;
    }
    struct range_bound *lower = &range->lower;
    struct range_bound *upper = &range->upper;
    lower->is_inclusive = lower->is_inclusive && !lower->is_infinite;
    upper->is_inclusive = upper->is_inclusive && !upper->is_infinite;
    if (!lower->is_infinite && !upper->is_infinite &&
        datum_compare(&lower->value, &upper->value) > 0) {
        return err_set_state(err, TDBPLUS_E_SQL, "22000",
                             "range lower bound must be less than or equal to range upper bound");
    }
    uint8_t element = lower->is_infinite ? upper->value.type.id : lower->value.type.id;
    bool is_discrete = element == TYPE_INT4 || element == TYPE_INT8 || element == TYPE_DATE;
    if (is_discrete && !holds_nothing(range) && !(lower->is_infinite && upper->is_infinite)) {
        TRY(make_discrete(range, err));
    }
    if (holds_nothing(range)) {
        *range = (struct range){.is_empty = true};
    }
    return TDBPLUS_OK;
}

/* ---- bytes ---- */

/* The value's limbs in an order of memcmp, as in key.c but open to any length. */
static void put_numeric_key(struct span encoded, struct buffer *buffer)
{
    static const uint8_t first_of[] = {
        [NUMERIC_POSITIVE] = 4, [NUMERIC_NEGATIVE] = 2,       [NUMERIC_NAN] = 6,
        [NUMERIC_INFINITY] = 5, [NUMERIC_MINUS_INFINITY] = 1,
    };
    struct numeric_parts parts = numeric_parts(encoded);
    if (parts.limb_count == 0) {
        buffer_put_u8(buffer, parts.kind == NUMERIC_POSITIVE ? (uint8_t)3 : first_of[parts.kind]);
        return;
    }
    unsigned flip = parts.kind == NUMERIC_NEGATIVE ? UINT16_MAX : 0;
    buffer_put_u8(buffer, first_of[parts.kind]);
    unsigned weight = ((unsigned)(parts.weight + 0x8000)) ^ flip;
    buffer_put_u8(buffer, (uint8_t)(weight >> 8));
    buffer_put_u8(buffer, (uint8_t)weight);
    for (uint32_t i = 0; i <= parts.limb_count; i++) {
        unsigned limb = i == parts.limb_count ? 0 : (unsigned)numeric_limb(&parts, i) + 1;
        unsigned word = limb ^ flip;
        buffer_put_u8(buffer, (uint8_t)(word >> 8));
        buffer_put_u8(buffer, (uint8_t)word);
    }
}

static void put_value_key(const struct datum *value, struct buffer *buffer)
{
    uint8_t bytes[8];
    if (value->type.id == TYPE_NUMERIC) {
        put_numeric_key(value->bytes, buffer);
        return;
    }
    store_u64_be(bytes, (uint64_t)value->integer ^ (uint64_t)1 << 63);
    buffer_put(buffer, bytes, sizeof bytes);
}

static void put_bound(const struct range_bound *bound, bool is_lower, struct buffer *buffer)
{
    if (bound->is_infinite) {
        buffer_put_u8(buffer, is_lower ? END_BELOW : END_ABOVE);
        return;
    }
    buffer_put_u8(buffer, END_VALUE);
    put_value_key(&bound->value, buffer);
    buffer_put_u8(buffer, bound->is_inclusive == is_lower ? 0 : 1);
}

static void put_key(const struct range *range, struct buffer *buffer)
{
    buffer_put_u8(buffer, range->is_empty ? (uint8_t)RANGE_EMPTY : (uint8_t)RANGE_FILLED);
    if (!range->is_empty) {
        put_bound(&range->lower, true, buffer);
        put_bound(&range->upper, false, buffer);
    }
}

static void put_tail(const struct range *ranges, uint32_t count, struct buffer *buffer)
{
    size_t before = buffer->size;
    for (uint32_t i = 0; i < count; i++) {
        const struct range_bound *bounds[2] = {&ranges[i].lower, &ranges[i].upper};
        for (int b = 0; b < 2 && !ranges[i].is_empty; b++) {
            if (!bounds[b]->is_infinite) {
                buffer_put_u32(buffer, (uint32_t)bounds[b]->value.bytes.size);
                buffer_put_span(buffer, bounds[b]->value.bytes);
            }
        }
    }
    buffer_put_u32(buffer, (uint32_t)(buffer->size - before + TAIL_WORD_SIZE));
}

size_t range_tail_size(struct span bytes)
{
    if (bytes.size < TAIL_WORD_SIZE) {
        return 0;
    }
    size_t size = load_u32(bytes.data + bytes.size - TAIL_WORD_SIZE);
    return size < TAIL_WORD_SIZE || size > bytes.size ? 0 : size;
}

static bool has_tail(struct type type)
{
    return type.id == TYPE_NUMRANGE || type.id == TYPE_NUMMULTIRANGE;
}

void range_pack(struct type type, const struct range *range, struct buffer *buffer)
{
    put_key(range, buffer);
    if (has_tail(type)) {
        put_tail(range, 1, buffer);
    }
}

void multirange_pack(struct type type, const struct range *ranges, uint32_t count,
                     struct buffer *buffer)
{
    for (uint32_t i = 0; i < count; i++) {
        put_key(&ranges[i], buffer);
    }
    if (has_tail(type)) {
        put_tail(ranges, count, buffer);
    }
}

/* Two places in the bytes: that of the keys, and that of the numerics as they were written. */
struct unpacking {
    struct span keys;
    struct span tail;
    struct type element;
};

static bool take(struct span *from, size_t size, const uint8_t **at_out)
{
    if (from->size < size) {
        return false;
    }
    *at_out = from->data;
    from->data += size;
    from->size -= size;
    return true;
}

static bool skip_numeric_key(struct span *keys)
{
    const uint8_t *at = NULL;
    if (!take(keys, 1, &at)) {
        return false;
    }
    bool has_limbs = *at == 2 || *at == 4;
    unsigned end = *at == 2 ? UINT16_MAX : 0;
    if (!has_limbs) {
        return true;
    }
    if (!take(keys, 2, &at)) {
        return false;
    }
    do {
        if (!take(keys, 2, &at)) {
            return false;
        }
    } while (((unsigned)at[0] << 8 | at[1]) != end);
    return true;
}

static bool take_value(struct unpacking *from, struct datum *value)
{
    const uint8_t *at = NULL;
    *value = (struct datum){.type = from->element};
    if (from->element.id != TYPE_NUMERIC) {
        if (!take(&from->keys, 8, &at)) {
            return false;
        }
        value->integer = (int64_t)(load_u64_be(at) ^ (uint64_t)1 << 63);
        return true;
    }
    if (!skip_numeric_key(&from->keys) || !take(&from->tail, TAIL_WORD_SIZE, &at)) {
        return false;
    }
    size_t size = load_u32(at);
    if (!take(&from->tail, size, &at)) {
        return false;
    }
    value->bytes = (struct span){.data = at, .size = size};
    return numeric_valid(value->bytes);
}

static bool take_bound(struct unpacking *from, bool is_lower, struct range_bound *bound)
{
    const uint8_t *at = NULL;
    *bound = (struct range_bound){0};
    if (!take(&from->keys, 1, &at)) {
        return false;
    }
    bound->is_infinite = *at != END_VALUE;
    if (bound->is_infinite) {
        return *at == (is_lower ? END_BELOW : END_ABOVE);
    }
    if (!take_value(from, &bound->value) || !take(&from->keys, 1, &at)) {
        return false;
    }
    bound->is_inclusive = (*at == 0) == is_lower;
    return *at <= 1;
}

static bool take_range(struct unpacking *from, struct range *range)
{
    const uint8_t *at = NULL;
    *range = (struct range){0};
    if (!take(&from->keys, 1, &at)) {
        return false;
    }
    range->is_empty = *at == RANGE_EMPTY;
    return *at <= RANGE_FILLED && (range->is_empty || (take_bound(from, true, &range->lower) &&
                                                       take_bound(from, false, &range->upper)));
}

static struct unpacking begin_unpacking(struct type type, struct span bytes)
{
    size_t tail = has_tail(type) ? range_tail_size(bytes) : 0;
    struct unpacking from = {.keys = {bytes.data, bytes.size - tail},
                             .element = range_element(type)};
    if (tail > 0) {
        from.tail = (struct span){bytes.data + bytes.size - tail, tail - TAIL_WORD_SIZE};
    }
    return from;
}

bool range_unpack(struct type type, struct span bytes, struct range *range_out)
{
    struct unpacking from = begin_unpacking(type, bytes);
    return take_range(&from, range_out) && from.keys.size == 0;
}

tdbplus_status multirange_unpack(struct type type, struct span bytes, struct arena *arena,
                                 struct range **ranges_out, uint32_t *count_out, struct err *err)
{
    struct unpacking from = begin_unpacking(type, bytes);
    uint32_t count = 0;
    struct range range;
    for (struct unpacking counting = from; counting.keys.size > 0; count++) {
        if (count == RANGE_COUNT_MAX || !take_range(&counting, &range) || range.is_empty) {
            return err_set(err, TDBPLUS_E_CORRUPT, "a multirange is damaged");
        }
    }
    struct range *ranges = arena_array(arena, (size_t)count + 1, sizeof *ranges);
    if (ranges == NULL) {
        return text_no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)take_range(&from, &ranges[i]);
    }
    *ranges_out = ranges;
    *count_out = count;
    return TDBPLUS_OK;
}

/* ---- multiranges ---- */

static int compare_ranges(const void *left_item, const void *right_item)
{
    const struct range *left = left_item;
    const struct range *right = right_item;
    int order = range_compare_bounds(&left->lower, true, &right->lower, true);
    return order != 0 ? order : range_compare_bounds(&left->upper, false, &right->upper, false);
}

/* No value lies between the end of one range and the beginning of the next, which is not lower. */
static bool touch(const struct range *left, const struct range *right)
{
    const struct range_bound *upper = &left->upper;
    const struct range_bound *lower = &right->lower;
    if (upper->is_infinite || lower->is_infinite) {
        return true;
    }
    int order = datum_compare(&upper->value, &lower->value);
    return order > 0 || (order == 0 && (upper->is_inclusive || lower->is_inclusive));
}

uint32_t multirange_normalise(struct range *ranges, uint32_t count)
{
    uint32_t filled = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!ranges[i].is_empty) {
            ranges[filled++] = ranges[i];
        }
    }
    if (filled == 0) {
        return 0;
    }
    qsort(ranges, filled, sizeof *ranges, compare_ranges);
    uint32_t last = 0;
    for (uint32_t i = 1; i < filled; i++) {
        if (!touch(&ranges[last], &ranges[i])) {
            ranges[++last] = ranges[i];
        } else if (range_compare_bounds(&ranges[i].upper, false, &ranges[last].upper, false) > 0) {
            ranges[last].upper = ranges[i].upper;
        }
    }
    return last + 1;
}
