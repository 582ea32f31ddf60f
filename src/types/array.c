#include "types/array.h"

#include "base/assert.h"
#include "types/types_internal.h"

#define HEADER_SIZE    4u
#define DIMENSION_SIZE 8u
#define FLAG_NULLS     1u

#define ORDER(left, right) (((left) > (right)) - ((left) < (right)))

static size_t bitmap_size(uint32_t count)
{
    return ((size_t)count + 7) / 8;
}

/* Product of the lengths, or UINT32_MAX when there are too many items or a length is zero. */
static uint32_t count_items(const struct array_dimension *dimensions, uint32_t dimension_count)
{
    uint64_t count = dimension_count == 0 ? 0 : 1;
    for (uint32_t i = 0; i < dimension_count; i++) {
        count *= dimensions[i].length;
        int64_t upper = (int64_t)dimensions[i].lower + dimensions[i].length;
        if (count == 0 || count > ARRAY_ITEM_COUNT_MAX || upper > INT32_MAX) {
            return UINT32_MAX;
        }
    }
    return (uint32_t)count;
}

static void put_header(const struct array_dimension *dimensions, uint32_t dimension_count,
                       bool has_nulls, struct buffer *buffer)
{
    buffer_put_u8(buffer, (uint8_t)dimension_count);
    buffer_put_u8(buffer, has_nulls ? FLAG_NULLS : 0);
    buffer_put_u16(buffer, 0);
    for (uint32_t i = 0; i < dimension_count; i++) {
        buffer_put_u32(buffer, dimensions[i].length);
        buffer_put_u32(buffer, (uint32_t)dimensions[i].lower);
    }
}

static bool put_nulls(const struct datum *items, uint32_t count, struct buffer *buffer)
{
    uint8_t *bitmap = buffer_extend(buffer, bitmap_size(count));
    if (bitmap == NULL) {
        return false;
    }
    memset(bitmap, 0, bitmap_size(count));
    for (uint32_t i = 0; i < count; i++) {
        bitmap[i / 8] |= (uint8_t)((items[i].is_null ? 1u : 0u) << (i % 8));
    }
    return true;
}

/* Values of one size; nulls as zeros, so that items are found by multiplication. */
static void put_fixed(struct type element, const struct datum *items, uint32_t count,
                      struct buffer *buffer)
{
    enum physical physical = type_physical(element);
    size_t width = value_width(physical, element);
    uint8_t *at = buffer_extend(buffer, width * count);
    if (at == NULL) {
        return;
    }
    memset(at, 0, width * count);
    for (uint32_t i = 0; i < count; i++, at += width) {
        if (!items[i].is_null) {
            value_store(physical, &items[i], at);
        }
    }
}

/* The ends of all values, then the values. */
static void put_views(const struct datum *items, uint32_t count, struct buffer *buffer)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < count; i++) {
        end += items[i].is_null ? 0 : (uint32_t)items[i].bytes.size;
        buffer_put_u32(buffer, end);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!items[i].is_null) {
            buffer_put_span(buffer, items[i].bytes);
        }
    }
}

/* Bytes of all items without the header; at most VALUE_SIZE_MAX when the array is allowed. */
static uint64_t items_size(struct type element, const struct datum *items, uint32_t count)
{
    enum physical physical = type_physical(element);
    if (physical != PHYSICAL_VIEW) {
        return (uint64_t)value_width(physical, element) * count;
    }
    uint64_t size = (uint64_t)count * sizeof(uint32_t);
    for (uint32_t i = 0; i < count; i++) {
        size += items[i].is_null ? 0 : items[i].bytes.size;
    }
    return size;
}

tdbplus_status array_encode(struct type element, const struct datum *items,
                            const struct array_dimension *dimensions, uint32_t dimension_count,
                            struct buffer *buffer, struct err *err)
{
    ASSERT(element.id != TYPE_ARRAY);
    uint32_t count = dimension_count > ARRAY_DIMENSION_COUNT_MAX
                         ? UINT32_MAX
                         : count_items(dimensions, dimension_count);
    if (count == UINT32_MAX || items_size(element, items, count) > VALUE_SIZE_MAX / 2) {
        return err_set(err, TDBPLUS_E_LIMIT, "array size exceeds the maximum allowed");
    }
    bool has_nulls = false;
    for (uint32_t i = 0; i < count; i++) {
        has_nulls |= items[i].is_null;
    }
    size_t before = buffer->size;
    put_header(dimensions, dimension_count, has_nulls, buffer);
    if (!has_nulls || put_nulls(items, count, buffer)) {
        if (type_physical(element) == PHYSICAL_VIEW) {
            put_views(items, count, buffer);
        } else {
            put_fixed(element, items, count, buffer);
        }
    }
    if (buffer->failed) {
        buffer->size = before;
        return err_set(err, TDBPLUS_E_NOMEM, "array: no memory for %u items", count);
    }
    return TDBPLUS_OK;
}

static TDBPLUS_CHECKED tdbplus_status damaged(struct err *err, const char *what)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "array: the array is damaged: %s", what);
}

static tdbplus_status read_header(struct reader *reader, struct array *array, bool *has_nulls_out,
                                  struct err *err)
{
    array->dimension_count = reader_u8(reader);
    uint8_t flags = reader_u8(reader);
    uint16_t zero = reader_u16(reader);
    if (array->dimension_count > ARRAY_DIMENSION_COUNT_MAX || flags > FLAG_NULLS || zero != 0) {
        return damaged(err, "its header");
    }
    for (uint32_t i = 0; i < array->dimension_count; i++) {
        array->dimensions[i].length = reader_u32(reader);
        array->dimensions[i].lower = (int32_t)reader_u32(reader);
    }
    array->count = count_items(array->dimensions, array->dimension_count);
    if (reader->overrun || array->count == UINT32_MAX) {
        return damaged(err, "its dimensions");
    }
    *has_nulls_out = (flags & FLAG_NULLS) != 0;
    return TDBPLUS_OK;
}

static bool ends_valid(const struct array *array)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < array->count; i++) {
        uint32_t next = load_u32(array->items + i * sizeof(uint32_t));
        if (next < end) {
            return false;
        }
        end = next;
    }
    return end == array->values.size;
}

static bool bools_valid(const struct array *array)
{
    for (uint32_t i = 0; i < array->count; i++) {
        if (array->items[i] > 1) {
            return false;
        }
    }
    return true;
}

tdbplus_status array_open(struct span encoded, struct type array_type, struct array *array_out,
                          struct err *err)
{
    struct array array = {.element = type_element(array_type)};
    struct reader reader = reader_of(encoded);
    bool has_nulls = false;
    TRY(read_header(&reader, &array, &has_nulls, err));
    if (has_nulls) {
        array.nulls = reader_span(&reader, bitmap_size(array.count)).data;
        uint32_t odd = array.count % 8;
        if (array.nulls == NULL || (odd != 0 && array.nulls[array.count / 8] >> odd != 0)) {
            return damaged(err, "its nulls");
        }
    }
    enum physical physical = type_physical(array.element);
    bool is_view = physical == PHYSICAL_VIEW;
    size_t width = is_view ? sizeof(uint32_t) : value_width(physical, array.element);
    array.items = reader_span(&reader, width * array.count).data;
    array.values = reader.rest;
    if (reader.overrun) {
        return damaged(err, "it is too short");
    }
    bool good = is_view ? ends_valid(&array) : array.values.size == 0;
    if (!good || (physical == PHYSICAL_1 && !bools_valid(&array))) {
        return damaged(err, "its items");
    }
    *array_out = array;
    return TDBPLUS_OK;
}

void array_get(const struct array *array, uint32_t index, struct datum *item_out)
{
    ASSERT(index < array->count);
    *item_out = (struct datum){.type = array->element};
    if (array->nulls != NULL && (array->nulls[index / 8] >> (index % 8) & 1) != 0) {
        item_out->is_null = true;
        return;
    }
    enum physical physical = type_physical(array->element);
    if (physical != PHYSICAL_VIEW) {
        size_t width = value_width(physical, array->element);
        bool is_value = value_load(physical, array->items + index * width, item_out);
        ASSERT(is_value);
        return;
    }
    const uint8_t *ends = array->items;
    uint32_t start = index == 0 ? 0 : load_u32(ends + (index - 1) * sizeof(uint32_t));
    uint32_t end = load_u32(ends + index * sizeof(uint32_t));
    item_out->bytes = (struct span){.data = array->values.data + start, .size = end - start};
}

static int compare_shapes(const struct array *left, const struct array *right)
{
    if (left->count != right->count) {
        return ORDER(left->count, right->count);
    }
    if (left->dimension_count != right->dimension_count) {
        return ORDER(left->dimension_count, right->dimension_count);
    }
    for (uint32_t i = 0; i < left->dimension_count; i++) {
        const struct array_dimension *a = &left->dimensions[i];
        const struct array_dimension *b = &right->dimensions[i];
        if (a->length != b->length) {
            return ORDER(a->length, b->length);
        }
        if (a->lower != b->lower) {
            return ORDER(a->lower, b->lower);
        }
    }
    return 0;
}

int array_compare(struct span left, struct span right, struct type array_type)
{
    struct array a;
    struct array b;
    bool valid = array_open(left, array_type, &a, NULL) == TDBPLUS_OK &&
                 array_open(right, array_type, &b, NULL) == TDBPLUS_OK;
    ASSERT(valid);
    uint32_t count = a.count < b.count ? a.count : b.count;
    for (uint32_t i = 0; i < count; i++) {
        struct datum left_item;
        struct datum right_item;
        array_get(&a, i, &left_item);
        array_get(&b, i, &right_item);
        int order = datum_compare(&left_item, &right_item);
        if (order != 0) {
            return order;
        }
    }
    return compare_shapes(&a, &b);
}
