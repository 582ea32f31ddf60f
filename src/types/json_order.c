/* Order, hash and text of documents. */

#include "base/assert.h"
#include "base/hash.h"
#include "types/json_internal.h"
#include "types/numeric_internal.h"
#include "types/type.h"
#include "types/types_internal.h"

#define ORDER(left, right) (((left) > (right)) - ((left) < (right)))

/* A place inside nested containers; the value of the step before is not needed any more. */
struct place {
    struct span value;
    uint32_t position;
    uint32_t count;
};

static struct span next_of(struct place *place, struct span *key_out)
{
    uint32_t position = place->position++;
    return json_kind(place->value) == JSON_OBJECT ? json_member(place->value, position, key_out)
                                                  : json_item(place->value, position);
}

static struct place place_of(struct span value)
{
    return (struct place){.value = value, .count = json_count(value)};
}

/* ---- order ---- */

/* Long numbers against anything: both as numerics, in a few bytes of the stack. */
static int compare_long_numbers(struct span left, struct span right)
{
    uint8_t scratch[2][NUMERIC_SCALED_SIZE_MAX];
    struct span sides[2] = {left, right};
    for (int i = 0; i < 2; i++) {
        int64_t mantissa = 0;
        unsigned scale = 0;
        if (json_decimal(sides[i], &mantissa, &scale)) {
            sides[i].data = scratch[i];
            sides[i].size = numeric_store_scaled(mantissa, scale, scratch[i]);
        } else {
            sides[i].size--; // The tag.
        }
    }
    return numeric_compare(sides[0], sides[1]);
}

static int compare_numbers(struct span left, struct span right)
{
    int64_t left_mantissa = 0;
    int64_t right_mantissa = 0;
    unsigned left_scale = 0;
    unsigned right_scale = 0;
    if (!json_decimal(left, &left_mantissa, &left_scale) ||
        !json_decimal(right, &right_mantissa, &right_scale)) {
        return compare_long_numbers(left, right);
    }
    if (left_scale == right_scale) {
        return ORDER(left_mantissa, right_mantissa);
    }
    // 63 bits times 10^18 (60 bits) fit.
    wide_int left_wide = (wide_int)left_mantissa * numeric_power_of_ten(right_scale);
    wide_int right_wide = (wide_int)right_mantissa * numeric_power_of_ten(left_scale);
    return ORDER(left_wide, right_wide);
}

/* Two values without what is inside them. */
static int compare_shallow(struct span left, struct span right)
{
    enum json_kind kind = json_kind(left);
    enum json_kind other = json_kind(right);
    if (kind != other) {
        return ORDER(kind, other);
    }
    switch (kind) {
    case JSON_STRING:
        return span_compare(json_string(left), json_string(right));
    case JSON_NUMBER:
        return compare_numbers(left, right);
    case JSON_BOOLEAN:
        return ORDER(json_boolean(left), json_boolean(right));
    case JSON_ARRAY:
    case JSON_OBJECT:
        return ORDER(json_count(left), json_count(right));
    case JSON_NULL:
    default:
        return 0;
    }
}

/* PostgreSQL keeps a scalar document as an array of one item, so an empty array at the top comes
 * before every scalar, and longer ones after. */
static int compare_tops(struct span left, struct span right)
{
    bool left_is_empty = json_kind(left) == JSON_ARRAY && json_count(left) == 0;
    bool right_is_empty = json_kind(right) == JSON_ARRAY && json_count(right) == 0;
    if (left_is_empty && json_kind(right) < JSON_ARRAY) {
        return -1;
    }
    if (right_is_empty && json_kind(left) < JSON_ARRAY) {
        return 1;
    }
    return compare_shallow(left, right);
}

int json_compare(struct span left, struct span right)
{
    if (left.size == right.size && memcmp(left.data, right.data, left.size) == 0) {
        return 0;
    }
    int order = compare_tops(left, right);
    if (order != 0 || json_kind(left) < JSON_ARRAY) {
        return order;
    }
    struct place lefts[JSON_DEPTH_MAX];
    struct place rights[JSON_DEPTH_MAX];
    uint32_t depth = 1;
    lefts[0] = place_of(left);
    rights[0] = place_of(right);
    // Down to here both sides have the same shape, so one depth serves both.
    while (depth > 0) {
        struct place *at = &lefts[depth - 1];
        if (at->position == at->count) {
            depth--;
            continue;
        }
        struct span left_key = {0};
        struct span right_key = {0};
        left = next_of(at, &left_key);
        right = next_of(&rights[depth - 1], &right_key);
        order = span_compare(left_key, right_key);
        order = order != 0 ? order : compare_shallow(left, right);
        if (order != 0) {
            return order;
        }
        if (json_count(left) > 0) {
            ASSERT(depth < JSON_DEPTH_MAX);
            lefts[depth] = place_of(left);
            rights[depth] = place_of(right);
            depth++;
        }
    }
    return 0;
}

/* ---- hash ---- */

/* 1.0 and 1 are equal, so the hash is that of the limbs, which have no scale. */
static uint64_t hash_number(struct span value)
{
    uint8_t scratch[NUMERIC_SCALED_SIZE_MAX];
    struct span numeric = {.data = value.data, .size = value.size - 1};
    int64_t mantissa = 0;
    unsigned scale = 0;
    if (json_decimal(value, &mantissa, &scale)) {
        numeric.data = scratch;
        numeric.size = numeric_store_scaled(mantissa, scale, scratch);
    }
    return numeric_hash(numeric);
}

static uint64_t hash_shallow(struct span value)
{
    enum json_kind kind = json_kind(value);
    switch (kind) {
    case JSON_STRING:
        return hash_bytes(json_string(value), kind);
    case JSON_NUMBER:
        return hash_number(value);
    case JSON_BOOLEAN:
        return hash_u64((uint64_t)kind << 32 | json_boolean(value));
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
    default:
        return hash_u64((uint64_t)kind << 32 | json_count(value));
    }
}

uint64_t json_hash(struct span value)
{
    uint64_t hash = hash_shallow(value);
    struct place places[JSON_DEPTH_MAX];
    uint32_t depth = 0;
    if (json_count(value) > 0) {
        places[depth++] = place_of(value);
    }
    while (depth > 0) {
        struct place *at = &places[depth - 1];
        if (at->position == at->count) {
            depth--;
            continue;
        }
        struct span key = {0};
        value = next_of(at, &key);
        hash = hash_combine(hash, hash_bytes(key, 0));
        hash = hash_combine(hash, hash_shallow(value));
        if (json_count(value) > 0) {
            ASSERT(depth < JSON_DEPTH_MAX);
            places[depth++] = place_of(value);
        }
    }
    return hash;
}

/* ---- text ---- */

static void print_escape(uint8_t byte, struct buffer *text)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char into[] = "\"\\bfnrt";
    const char *found = byte == 0 ? NULL : strchr(from, byte);
    if (found != NULL) {
        buffer_put_u8(text, '\\');
        buffer_put_u8(text, (uint8_t)into[found - from]);
    } else {
        buffer_printf(text, "\\u%04x", byte);
    }
}

void json_print_string(struct span string, struct buffer *text)
{
    buffer_put_u8(text, '"');
    size_t start = 0;
    for (size_t i = 0; i < string.size; i++) {
        uint8_t byte = string.data[i];
        if (byte < 0x20 || byte == '"' || byte == '\\') {
            buffer_put(text, string.data + start, i - start);
            print_escape(byte, text);
            start = i + 1;
        }
    }
    buffer_put(text, string.data + start, string.size - start);
    buffer_put_u8(text, '"');
}

static void print_number(struct span value, struct buffer *text)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    if (json_decimal(value, &mantissa, &scale)) {
        numeric_print_scaled(mantissa, scale, text);
    } else {
        numeric_print((struct span){value.data, value.size - 1}, text);
    }
}

/* A scalar, or the opening bracket. */
static void print_begin(struct span value, struct buffer *text)
{
    switch (json_kind(value)) {
    case JSON_STRING:
        json_print_string(json_string(value), text);
        break;
    case JSON_NUMBER:
        print_number(value, text);
        break;
    case JSON_BOOLEAN:
        buffer_put_text(text, json_boolean(value) ? "true" : "false");
        break;
    case JSON_ARRAY:
        buffer_put_u8(text, '[');
        break;
    case JSON_OBJECT:
        buffer_put_u8(text, '{');
        break;
    case JSON_NULL:
    default:
        buffer_put_text(text, "null");
    }
}

void json_print(struct span document, struct buffer *text)
{
    struct place places[JSON_DEPTH_MAX];
    uint32_t depth = 0;
    print_begin(document, text);
    if (json_kind(document) >= JSON_ARRAY) {
        places[depth++] = place_of(document);
    }
    while (depth > 0 && !text->failed) {
        struct place *at = &places[depth - 1];
        bool is_object = json_kind(at->value) == JSON_OBJECT;
        if (at->position == at->count) {
            buffer_put_u8(text, is_object ? '}' : ']');
            depth--;
            continue;
        }
        if (at->position > 0) {
            buffer_put(text, ", ", 2);
        }
        struct span key = {0};
        struct span value = next_of(at, &key);
        if (is_object) {
            json_print_string(key, text);
            buffer_put(text, ": ", 2);
        }
        print_begin(value, text);
        if (json_kind(value) >= JSON_ARRAY) {
            ASSERT(depth < JSON_DEPTH_MAX);
            places[depth++] = place_of(value);
        }
    }
}
