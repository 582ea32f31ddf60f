#include "types/numeric.h"

#include "base/codec.h"
#include "types/numeric_internal.h"

#define WEIGHT_MAX (NUMERIC_DIGITS_MAX / 4 - 1)
#define WEIGHT_MIN (-(NUMERIC_SCALE_MAX / 4) - 1)

_Static_assert(WEIGHT_MAX == INT16_MAX, "the stored weight has no room for too large a number");

struct numeric_parts numeric_parts(struct span encoded)
{
    return (struct numeric_parts){
        .kind = encoded.data[0],
        .scale = load_u16(encoded.data + 2),
        .weight = (int16_t)load_u16(encoded.data + 4),
        .limb_count = (uint32_t)((encoded.size - NUMERIC_HEADER_SIZE) / 2),
        .limbs = encoded.data + NUMERIC_HEADER_SIZE,
    };
}

static bool limbs_valid(const struct numeric_parts *parts)
{
    int32_t last = numeric_limb(parts, parts->limb_count - 1);
    if (numeric_limb(parts, 0) == 0 || last == 0) {
        return false;
    }
    for (uint32_t i = 0; i < parts->limb_count; i++) {
        if (numeric_limb(parts, i) >= NUMERIC_LIMB_BASE) {
            return false;
        }
    }
    // What is shown is the whole number: no digit stands past the display scale.
    int32_t hidden = -(parts->weight - (int32_t)parts->limb_count + 1) * 4 - parts->scale;
    static const int32_t divisors[4] = {1, 10, 100, 1000};
    if (hidden > 3 || (hidden > 0 && last % divisors[hidden] != 0)) {
        return false;
    }
    // No weight is too large (WEIGHT_MAX is the largest int16), but the last limb may be too small.
    return parts->weight - (int32_t)(parts->limb_count - 1) >= WEIGHT_MIN;
}

bool numeric_valid(struct span encoded)
{
    if (encoded.size < NUMERIC_HEADER_SIZE || encoded.size % 2 != 0 ||
        encoded.size > NUMERIC_HEADER_SIZE + 2 * (WEIGHT_MAX - WEIGHT_MIN + 1)) {
        return false;
    }
    struct numeric_parts parts = numeric_parts(encoded);
    if (encoded.data[1] != 0 || parts.kind > NUMERIC_MINUS_INFINITY ||
        parts.scale > NUMERIC_SCALE_MAX) {
        return false;
    }
    if (parts.limb_count == 0) {
        return parts.weight == 0 && parts.kind != NUMERIC_NEGATIVE;
    }
    return parts.kind <= NUMERIC_NEGATIVE && limbs_valid(&parts);
}

int numeric_compare_magnitudes(const struct numeric_parts *left, const struct numeric_parts *right)
{
    if (left->limb_count == 0 || right->limb_count == 0) {
        return (left->limb_count > 0) - (right->limb_count > 0);
    }
    if (left->weight != right->weight) {
        return left->weight < right->weight ? -1 : 1;
    }
    uint32_t count = left->limb_count < right->limb_count ? left->limb_count : right->limb_count;
    for (uint32_t i = 0; i < count; i++) {
        int difference = numeric_limb(left, i) - numeric_limb(right, i);
        if (difference != 0) {
            return difference;
        }
    }
    return (left->limb_count > count) - (right->limb_count > count);
}

int numeric_compare(struct span left, struct span right)
{
    static const int8_t rank[] = {
        [NUMERIC_MINUS_INFINITY] = 0, [NUMERIC_NEGATIVE] = 1, [NUMERIC_POSITIVE] = 2,
        [NUMERIC_INFINITY] = 3,       [NUMERIC_NAN] = 4,
    };
    struct numeric_parts a = numeric_parts(left);
    struct numeric_parts b = numeric_parts(right);
    if (a.kind != b.kind) {
        return rank[a.kind] - rank[b.kind];
    }
    int order = numeric_compare_magnitudes(&a, &b);
    return a.kind == NUMERIC_NEGATIVE ? -order : order;
}
