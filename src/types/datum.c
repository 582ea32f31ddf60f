/* The order of values. Kept apart from key.c on purpose: the two are tested against each other. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/array.h"
#include "types/json.h"
#include "types/numeric.h"
#include "types/packed.h"
#include "types/type.h"
#include "types/types_internal.h"

#define ORDER(left, right) (((left) > (right)) - ((left) < (right)))

#define MICROSECONDS_PER_DAY ((int64_t)86400 * 1000000)
#define DAYS_PER_MONTH       30

wide_int interval_length(const struct interval *interval)
{
    wide_int days = (wide_int)interval->months * DAYS_PER_MONTH + interval->days;
    return days * MICROSECONDS_PER_DAY + interval->microseconds;
}

static int compare_real(double left, double right)
{
    if (left != left || right != right) {
        return ORDER(left != left, right != right);
    }
    return ORDER(left, right);
}

static int compare_vectors(struct span left, struct span right)
{
    size_t size = left.size < right.size ? left.size : right.size;
    for (size_t i = 0; i + sizeof(float) <= size; i += sizeof(float)) {
        float left_item = 0;
        float right_item = 0;
        memcpy(&left_item, left.data + i, sizeof left_item);
        memcpy(&right_item, right.data + i, sizeof right_item);
        int order = compare_real((double)left_item, (double)right_item);
        if (order != 0) {
            return order;
        }
    }
    return ORDER(left.size, right.size);
}

static int compare_bytes(const struct datum *left, const struct datum *right)
{
    switch (left->type.id) {
    case TYPE_NUMERIC:
        return numeric_compare(left->bytes, right->bytes);
    case TYPE_VECTOR:
        return compare_vectors(left->bytes, right->bytes);
    case TYPE_ARRAY:
        return array_compare(left->bytes, right->bytes, left->type);
    case TYPE_JSON:
        return json_compare(left->bytes, right->bytes);
    case TYPE_TEXT:
    case TYPE_BYTEA:
        return span_compare(left->bytes, right->bytes);
    default:
        return span_compare(packed_significant(left->type, left->bytes),
                            packed_significant(right->type, right->bytes));
    }
}

static int compare_wide(const struct datum *left, const struct datum *right)
{
    if (left->type.id == TYPE_UUID) {
        return memcmp(left->uuid, right->uuid, sizeof left->uuid);
    }
    if (left->type.id == TYPE_INTERVAL) {
        return ORDER(interval_length(&left->interval), interval_length(&right->interval));
    }
    return ORDER(left->wide, right->wide);
}

int datum_compare(const struct datum *left, const struct datum *right)
{
    ASSERT(left->type.id == right->type.id);
    if (left->is_null || right->is_null) {
        return ORDER(left->is_null, right->is_null);
    }
    switch (type_physical(left->type)) {
    case PHYSICAL_1:
        return ORDER(left->boolean, right->boolean);
    case PHYSICAL_2:
    case PHYSICAL_4:
    case PHYSICAL_8:
        if (left->type.id == TYPE_FLOAT4 || left->type.id == TYPE_FLOAT8) {
            return compare_real(left->real, right->real);
        }
        return ORDER(left->integer, right->integer);
    case PHYSICAL_16:
        return compare_wide(left, right);
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        return compare_bytes(left, right);
    default:
        ASSERT(false);
        return 0;
    }
}
