/* Reading documents in place. Nothing here recurses; nesting lives in arrays of frames. */

#include "types/json.h"

#include "base/assert.h"
#include "base/hash.h"
#include "types/json_internal.h"
#include "types/numeric_internal.h"

static inline uint8_t tag_of(struct span value)
{
    return value.data[value.size - 1];
}

enum json_kind json_kind(struct span value)
{
    static const uint8_t kinds[] = {
        [TAG_NULL] = JSON_NULL,      [TAG_FALSE] = JSON_BOOLEAN,  [TAG_TRUE] = JSON_BOOLEAN,
        [TAG_INTEGER] = JSON_NUMBER, [TAG_DECIMAL] = JSON_NUMBER, [TAG_NUMERIC] = JSON_NUMBER,
        [TAG_STRING] = JSON_STRING,  [TAG_ARRAY] = JSON_ARRAY,    [TAG_OBJECT] = JSON_OBJECT,
    };
    unsigned tag = tag_of(value) & TAG_MASK;
    ASSERT(tag <= TAG_OBJECT);
    return (enum json_kind)kinds[tag];
}

bool json_boolean(struct span value)
{
    return tag_of(value) == TAG_TRUE;
}

struct span json_string(struct span value)
{
    ASSERT(tag_of(value) == TAG_STRING);
    return (struct span){.data = value.data, .size = value.size - 1};
}

/* ---- containers ---- */

static inline struct json_container container_of(struct span value)
{
    uint8_t tag = tag_of(value);
    unsigned width = 1u << (tag >> TAG_WIDTH_SHIFT);
    bool is_object = (tag & TAG_MASK) == TAG_OBJECT;
    const uint8_t *count_at = value.data + value.size - 1 - width;
    uint32_t count = json_load(count_at, width);
    size_t entry_size = (size_t)width << is_object;
    return (struct json_container){
        .data = value.data,
        .table = count_at - count * entry_size,
        .count = count,
        .width = (uint8_t)width,
        .is_object = is_object,
    };
}

static inline uint32_t end_of(const struct json_container *container, uint32_t index)
{
    size_t words = container->is_object ? 2 * (size_t)index + 1 : index;
    return json_load(container->table + words * container->width, container->width);
}

static inline uint32_t start_of(const struct json_container *container, uint32_t index)
{
    return index == 0 ? 0 : end_of(container, index - 1);
}

static inline uint32_t key_size_of(const struct json_container *container, uint32_t index)
{
    return json_load(container->table + 2 * (size_t)index * container->width, container->width);
}

/* The value at `index`, and its key if it is a member. */
static inline struct span value_at(const struct json_container *container, uint32_t index,
                                   struct span *key_out)
{
    uint32_t start = start_of(container, index);
    uint32_t end = end_of(container, index);
    if (container->is_object) {
        uint32_t key_size = key_size_of(container, index);
        *key_out = (struct span){.data = container->data + start, .size = key_size};
        start += key_size;
    }
    return (struct span){.data = container->data + start, .size = end - start};
}

static inline bool is_container(struct span value)
{
    return (tag_of(value) & TAG_MASK) >= TAG_ARRAY;
}

uint32_t json_count(struct span value)
{
    return is_container(value) ? container_of(value).count : 0;
}

struct span json_item(struct span array, uint32_t index)
{
    struct json_container container = container_of(array);
    ASSERT(!container.is_object && index < container.count);
    return value_at(&container, index, NULL);
}

struct span json_member(struct span object, uint32_t index, struct span *key_out)
{
    struct json_container container = container_of(object);
    ASSERT(container.is_object && index < container.count);
    return value_at(&container, index, key_out);
}

bool json_get(struct span value, struct span key, struct span *member_out)
{
    if ((tag_of(value) & TAG_MASK) != TAG_OBJECT) {
        return false;
    }
    struct json_container container = container_of(value);
    uint32_t low = 0;
    uint32_t high = container.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct span found = {.data = NULL, .size = key_size_of(&container, middle)};
        // Most keys differ in size already, and then the key itself is not touched.
        int order = found.size < key.size ? -1 : found.size > key.size;
        if (order == 0 && key.size > 0) {
            found.data = container.data + start_of(&container, middle);
            order = memcmp(found.data, key.data, key.size);
        }
        if (order == 0) {
            struct span ignored;
            *member_out = value_at(&container, middle, &ignored);
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

bool json_get_index(struct span value, int64_t index, struct span *item_out)
{
    if ((tag_of(value) & TAG_MASK) != TAG_ARRAY) {
        return false;
    }
    struct json_container container = container_of(value);
    index = index < 0 ? index + container.count : index;
    if (index < 0 || index >= container.count) {
        return false;
    }
    *item_out = value_at(&container, (uint32_t)index, NULL);
    return true;
}

bool json_find(struct span value, const struct json_step *steps, uint32_t count,
               struct span *found_out)
{
    for (uint32_t i = 0; i < count; i++) {
        bool found = steps[i].key.data != NULL ? json_get(value, steps[i].key, &value)
                                               : json_get_index(value, steps[i].index, &value);
        if (!found) {
            return false;
        }
    }
    *found_out = value;
    return true;
}

/* ---- numbers ---- */

static int64_t load_integer(const uint8_t *at, size_t width)
{
    switch (width) {
    case 1:
        return (int8_t)*at;
    case 2:
        return (int16_t)load_u16(at);
    case 4:
        return (int32_t)load_u32(at);
    default:
        return (int64_t)load_u64(at);
    }
}

bool json_decimal(struct span value, int64_t *mantissa_out, unsigned *scale_out)
{
    switch (tag_of(value)) {
    case TAG_INTEGER:
        *mantissa_out = load_integer(value.data, value.size - 1);
        *scale_out = 0;
        return true;
    case TAG_DECIMAL:
        *mantissa_out = load_integer(value.data, value.size - 2);
        *scale_out = value.data[value.size - 2];
        return true;
    default:
        ASSERT(tag_of(value) == TAG_NUMERIC);
        return false;
    }
}

static struct span numeric_of(struct span value)
{
    return (struct span){.data = value.data, .size = value.size - 1};
}

bool json_integer(struct span value, int64_t *integer_out)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    if (!json_decimal(value, &mantissa, &scale)) {
        return numeric_to_int8(numeric_of(value), integer_out);
    }
    int64_t unit = (int64_t)numeric_power_of_ten(scale);
    if (mantissa % unit != 0) {
        return false;
    }
    *integer_out = mantissa / unit;
    return true;
}

double json_real(struct span value)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    if (json_decimal(value, &mantissa, &scale)) {
        const int64_t exact = INT64_C(1) << 53;
        if (scale == 0 || (mantissa <= exact && mantissa >= -exact)) {
            // Both operands are doubles exactly, so the one rounding is that of the division.
            return (double)mantissa / (double)numeric_power_of_ten(scale);
        }
        return numeric_decimal_to_float8(mantissa, scale);
    }
    return numeric_to_float8(numeric_of(value));
}

void json_numeric(struct span value, struct buffer *numeric)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    if (json_decimal(value, &mantissa, &scale)) {
        numeric_put_scaled(mantissa, scale, numeric);
    } else {
        buffer_put_span(numeric, numeric_of(value));
    }
}

/* ---- walking ---- */

/* A place inside nested containers. */
struct walk_frame {
    struct span value;
    uint32_t position;
};

struct walk {
    uint32_t depth;
    struct walk_frame frames[JSON_DEPTH_MAX];
};

static void walk_into(struct walk *walk, struct span value)
{
    ASSERT(walk->depth < JSON_DEPTH_MAX);
    walk->frames[walk->depth++] = (struct walk_frame){.value = value};
}

uint32_t json_depth(struct span document)
{
    struct walk walk;
    walk.depth = 0;
    uint32_t deepest = 0;
    if (is_container(document)) {
        walk_into(&walk, document);
    }
    while (walk.depth > 0) {
        deepest = deepest < walk.depth ? walk.depth : deepest;
        struct walk_frame *frame = &walk.frames[walk.depth - 1];
        struct json_container container = container_of(frame->value);
        if (frame->position == container.count) {
            walk.depth--;
            continue;
        }
        struct span key;
        struct span value = value_at(&container, frame->position++, &key);
        if (is_container(value)) {
            walk_into(&walk, value);
        }
    }
    return deepest;
}

/* ---- validation ---- */

static TDBPLUS_CHECKED tdbplus_status damaged(struct err *err, const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "json: the document is damaged: %s", what);
}

static bool text_valid(struct span text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end) {
        unsigned length = *at < 0x80 ? *at != 0 : json_utf8_sequence(at, end);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

static bool integer_valid(const uint8_t *at, size_t width)
{
    return (width == 1 || width == 2 || width == 4 || width == 8) &&
           json_integer_width(load_integer(at, width)) == width;
}

static bool number_valid(struct span value)
{
    int64_t mantissa = 0;
    unsigned scale = 0;
    switch (tag_of(value)) {
    case TAG_INTEGER:
        return integer_valid(value.data, value.size - 1);
    case TAG_DECIMAL:
        if (value.size < 3) {
            return false;
        }
        scale = value.data[value.size - 2];
        return scale >= 1 && scale <= DECIMAL_SCALE_MAX &&
               integer_valid(value.data, value.size - 2);
    default:
        return numeric_valid(numeric_of(value)) &&
               numeric_parts(numeric_of(value)).kind <= NUMERIC_NEGATIVE &&
               !numeric_to_decimal(numeric_of(value), &mantissa, &scale);
    }
}

/* Everything about a container but what is in its items: each has at least a tag. */
static bool container_valid(struct span value)
{
    unsigned code = tag_of(value) >> TAG_WIDTH_SHIFT;
    size_t width = (size_t)1 << code;
    if (code > 2 || value.size < 1 + width) {
        return false;
    }
    size_t rest = value.size - 1 - width;
    bool is_object = (tag_of(value) & TAG_MASK) == TAG_OBJECT;
    uint64_t table_size =
        (uint64_t)json_load(value.data + rest, (unsigned)width) * (width << is_object);
    if (table_size > rest) {
        return false;
    }
    struct json_container container = container_of(value);
    size_t data_size = rest - (size_t)table_size;
    if (json_width_code(data_size, container.count) != code) {
        return false;
    }
    struct span before = {0};
    uint32_t start = 0;
    for (uint32_t i = 0; i < container.count; i++) {
        uint32_t end = end_of(&container, i);
        uint32_t key_size = is_object ? key_size_of(&container, i) : 0;
        if (end > data_size || end <= start || end - start <= key_size) {
            return false;
        }
        struct span key = {.data = container.data + start, .size = key_size};
        if (is_object && (!text_valid(key) || (i > 0 && json_compare_keys(before, key) >= 0))) {
            return false;
        }
        before = key;
        start = end;
    }
    return start == data_size;
}

static bool value_valid(struct span value)
{
    switch (tag_of(value) & TAG_MASK) {
    case TAG_NULL:
    case TAG_FALSE:
    case TAG_TRUE:
        return value.size == 1 && tag_of(value) <= TAG_TRUE;
    case TAG_INTEGER:
    case TAG_DECIMAL:
    case TAG_NUMERIC:
        return tag_of(value) <= TAG_NUMERIC && number_valid(value);
    case TAG_STRING:
        return tag_of(value) == TAG_STRING && text_valid(json_string(value));
    case TAG_ARRAY:
    case TAG_OBJECT:
        return container_valid(value);
    default:
        return false;
    }
}

tdbplus_status json_validate(struct span document, struct err *err)
{
    if (document.size == 0 || document.size > VALUE_SIZE_MAX) {
        return damaged(err, "its size");
    }
    struct walk walk;
    walk.depth = 0;
    struct span value = document;
    for (;;) {
        if (!value_valid(value)) {
            return damaged(err, "a value");
        }
        if (is_container(value)) {
            if (walk.depth == JSON_DEPTH_MAX) {
                return damaged(err, "nested too deep");
            }
            walk_into(&walk, value);
        }
        while (walk.depth > 0 && walk.frames[walk.depth - 1].position ==
                                     container_of(walk.frames[walk.depth - 1].value).count) {
            walk.depth--;
        }
        if (walk.depth == 0) {
            return TDBPLUS_OK;
        }
        struct walk_frame *frame = &walk.frames[walk.depth - 1];
        struct json_container container = container_of(frame->value);
        struct span key;
        value = value_at(&container, frame->position++, &key);
    }
}
