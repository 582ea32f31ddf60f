/*
 * From Arrow's buffers to columns. Every offset, code and value is checked before it is used; where
 * the sizes of buffers are known (files), they are checked against the lengths first.
 */

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "types/array.h"
#include "types/arrow_internal.h"
#include "types/datetime.h"
#include "types/json_internal.h"
#include "types/numeric_internal.h"
#include "types/packed.h"
#include "types/types_internal.h"

#define WORD_BITS       64u
#define ARROW_VIEW_SIZE 16u
#define NS_PER_US       1000
#define US_PER_MS       1000

/* One column on its way in. */
struct importer {
    const struct arrow_field *field;
    const struct arrow_node *node;
    struct arena *arena;
    struct column *column;
    struct err *err;
};

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory for a column");
}

static TDBPLUS_CHECKED tdbplus_status invalid(const struct importer *in, const char *what)
{
    return err_set(in->err, TDBPLUS_E_INVALID, "arrow: field '%.100s': %s", in->field->name, what);
}

/* Whether `count` items of `width` bytes, after the offset, lie in the buffer. */
static bool buffer_holds(const struct arrow_node *node, struct span buffer, uint64_t extra,
                         size_t width)
{
    uint64_t items = (uint64_t)(node->offset + node->length) + extra;
    return items == 0 || (buffer.data != NULL && items <= buffer.size / width);
}

static bool bits_held(const struct arrow_node *node, struct span buffer)
{
    uint64_t bits = (uint64_t)(node->offset + node->length);
    return bits == 0 || (buffer.data != NULL && (bits + 7) / 8 <= buffer.size);
}

static bool bit_at(struct span bits, int64_t index)
{
    return (bits.data[index / 8] >> (index % 8) & 1) != 0;
}

/* ---- nulls ---- */

static tdbplus_status import_validity(struct importer *in)
{
    const struct arrow_node *node = in->node;
    struct column *column = in->column;
    bool all_null = in->field->kind == ARROW_KIND_NULL;
    if (node->null_count == 0 || (node->validity.data == NULL && !all_null)) {
        return node->null_count > 0 ? invalid(in, "nulls without a bitmap") : TDBPLUS_OK;
    }
    if (!all_null && !bits_held(node, node->validity)) {
        return invalid(in, "the validity bitmap is too short");
    }
    size_t words = ((size_t)column->row_count + WORD_BITS - 1) / WORD_BITS;
    column->validity = arena_array(in->arena, words, sizeof *column->validity);
    if (column->validity == NULL) {
        return no_memory(in->err);
    }
    for (uint32_t i = 0; !all_null && i < column->row_count; i++) {
        uint64_t bit = bit_at(node->validity, node->offset + i);
        column->validity[i / WORD_BITS] |= bit << (i % WORD_BITS);
    }
    return TDBPLUS_OK;
}

static tdbplus_status make_values(struct importer *in)
{
    struct column made = {0};
    if (!column_make(&made, in->column->type, in->column->row_count, false, in->arena)) {
        return no_memory(in->err);
    }
    in->column->data = made.data;
    memset(made.data, 0, type_width(made.type) * made.row_count);
    return TDBPLUS_OK;
}

static bool is_null(const struct importer *in, uint32_t row)
{
    return column_is_null(in->column, row);
}

/* ---- numbers ---- */

static tdbplus_status import_bools(struct importer *in)
{
    if (!bits_held(in->node, in->node->first)) {
        return invalid(in, "the buffer of values is too short");
    }
    TRY(make_values(in));
    for (uint32_t i = 0; i < in->column->row_count; i++) {
        ((uint8_t *)in->column->data)[i] = bit_at(in->node->first, in->node->offset + i);
    }
    return TDBPLUS_OK;
}

/* An integer of any width; up to 64 bits without a sign. */
static wide_int load_integer(const struct arrow_field *field, const uint8_t *at)
{
    switch (field->width) {
    case 1:
        return field->is_signed ? (wide_int)(int8_t)*at : *at;
    case 2:
        return field->is_signed ? (wide_int)(int16_t)load_u16(at) : load_u16(at);
    case 4:
        return field->is_signed ? (wide_int)(int32_t)load_u32(at) : load_u32(at);
    default:
        return field->is_signed ? (wide_int)(int64_t)load_u64(at) : (wide_int)load_u64(at);
    }
}

/* True when the buffer's values can stand as the column's. */
static bool borrow_values(struct importer *in, size_t width)
{
    const struct arrow_node *node = in->node;
    if (node->length == 0 || width != type_width(in->column->type)) {
        return false;
    }
    const uint8_t *data = node->first.data + (uint64_t)node->offset * width;
    if ((uintptr_t)data % width != 0) {
        return false;
    }
    // Columns of a scan are not written to; the type has no const because others are.
    memcpy(&in->column->data, &data, sizeof data);
    return true;
}

static void store_integer(struct column *column, uint32_t row, wide_int value)
{
    struct datum datum = {.type = column->type};
    if (type_physical(column->type) == PHYSICAL_16) {
        datum.wide = value;
    } else {
        datum.integer = (int64_t)value;
    }
    value_store(type_physical(column->type), &datum,
                (uint8_t *)column->data + row * type_width(column->type));
}

/* Times of day have a range; dates and timestamps may be any number. */
static tdbplus_status check_times(const struct importer *in)
{
    const int64_t *times = in->column->data;
    for (uint32_t i = 0; in->column->type.id == TYPE_TIME && i < in->column->row_count; i++) {
        if (!is_null(in, i) && (times[i] < 0 || times[i] > US_PER_DAY)) {
            return err_set_state(in->err, TDBPLUS_E_RANGE, "22008",
                                 "arrow: field '%.100s': a time of day is out of range",
                                 in->field->name);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status import_integers(struct importer *in)
{
    size_t width = in->field->width;
    if (!buffer_holds(in->node, in->node->first, 0, width)) {
        return invalid(in, "the buffer of values is too short");
    }
    if (in->field->is_signed && borrow_values(in, width)) {
        return check_times(in);
    }
    TRY(make_values(in));
    const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * width;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += width) {
        store_integer(in->column, i, load_integer(in->field, at));
    }
    return check_times(in);
}

static wide_int floor_division(wide_int value, int64_t divisor)
{
    return value / divisor - (value % divisor < 0);
}

/* Times of another unit. */
static tdbplus_status import_scaled(struct importer *in)
{
    size_t width = in->field->width;
    if (!buffer_holds(in->node, in->node->first, 0, width)) {
        return invalid(in, "the buffer of values is too short");
    }
    TRY(make_values(in));
    bool is_date = in->column->type.id == TYPE_DATE;
    bool is_interval = in->column->type.id == TYPE_INTERVAL;
    const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * width;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += width) {
        if (is_null(in, i)) {
            continue;
        }
        wide_int value =
            floor_division(load_integer(in->field, at) * in->field->multiply, in->field->divide);
        if (value > (is_date ? INT32_MAX : INT64_MAX) ||
            value < (is_date ? INT32_MIN : INT64_MIN)) {
            return err_set_state(in->err, TDBPLUS_E_RANGE, "22008",
                                 "arrow: field '%.100s': a time is out of range", in->field->name);
        }
        if (is_interval) {
            ((struct interval *)in->column->data)[i].microseconds = (int64_t)value;
        } else {
            store_integer(in->column, i, value);
        }
    }
    return check_times(in);
}

/* IEEE 754 binary16. */
static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 0x1F;
    int mantissa = half & 0x3FF;
    float value = exponent == 0    ? ldexpf((float)mantissa, -24)
                  : exponent == 31 ? (mantissa == 0 ? HUGE_VALF : NAN)
                                   : ldexpf((float)(mantissa + 1024), exponent - 25);
    return half >> 15 != 0 ? -value : value;
}

static tdbplus_status import_floats(struct importer *in)
{
    size_t width = in->field->width;
    if (!buffer_holds(in->node, in->node->first, 0, width)) {
        return invalid(in, "the buffer of values is too short");
    }
    if (width != 2 && borrow_values(in, width)) {
        return TDBPLUS_OK;
    }
    TRY(make_values(in));
    const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * width;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += width) {
        if (width == 2) {
            ((float *)in->column->data)[i] = half_to_float(load_u16(at));
        } else {
            memcpy((uint8_t *)in->column->data + i * width, at, width);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status import_decimals(struct importer *in)
{
    if (!buffer_holds(in->node, in->node->first, 0, sizeof(wide_int))) {
        return invalid(in, "the buffer of values is too short");
    }
    TRY(make_values(in));
    wide_int limit = numeric_power_of_ten((unsigned)in->field->type.precision);
    const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * sizeof limit;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += sizeof limit) {
        wide_int value = 0;
        memcpy(&value, at, sizeof value);
        if (is_null(in, i)) {
            continue;
        }
        if (value >= limit || value <= -limit) {
            return err_set_state(in->err, TDBPLUS_E_RANGE, "22003",
                                 "arrow: field '%.100s': a decimal has too many digits",
                                 in->field->name);
        }
        store_integer(in->column, i, value);
    }
    return TDBPLUS_OK;
}

static tdbplus_status import_intervals(struct importer *in)
{
    enum arrow_kind kind = (enum arrow_kind)in->field->kind;
    size_t width = kind == ARROW_KIND_INTERVAL_MONTHS ? 4
                   : kind == ARROW_KIND_INTERVAL_DAYS ? 8
                                                      : 16;
    if (!buffer_holds(in->node, in->node->first, 0, width)) {
        return invalid(in, "the buffer of values is too short");
    }
    TRY(make_values(in));
    struct interval *intervals = in->column->data;
    const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * width;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += width) {
        int32_t first = (int32_t)load_u32(at);
        int32_t second = width >= 8 ? (int32_t)load_u32(at + 4) : 0;
        if (kind == ARROW_KIND_INTERVAL_MONTHS) {
            intervals[i].months = first;
        } else if (kind == ARROW_KIND_INTERVAL_DAYS) {
            intervals[i] =
                (struct interval){.days = first, .microseconds = (int64_t)second * US_PER_MS};
        } else {
            int64_t ns = (int64_t)load_u64(at + 8);
            intervals[i] =
                (struct interval){.months = first,
                                  .days = second,
                                  .microseconds = (int64_t)floor_division(ns, NS_PER_US)};
        }
    }
    return TDBPLUS_OK;
}

/* ---- bytes ---- */

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

static tdbplus_status parse_document(struct importer *in, struct json_builder *builder,
                                     struct buffer *document, struct span *bytes)
{
    buffer_clear(document);
    TRY(json_parse(builder, *bytes, document, in->err));
    uint8_t *copy = arena_bytes(in->arena, document->size);
    if (copy == NULL) {
        return no_memory(in->err);
    }
    memcpy(copy, document->data, document->size);
    *bytes = (struct span){.data = copy, .size = document->size};
    return TDBPLUS_OK;
}

/* The bytes between two offsets, once they are known to be inside. */
static tdbplus_status bytes_at(const struct importer *in, int64_t row, struct span *bytes_out)
{
    const struct arrow_node *node = in->node;
    size_t width = in->field->width;
    const uint8_t *at = node->first.data + (uint64_t)row * width;
    uint64_t start = width == 4 ? load_u32(at) : load_u64(at);
    uint64_t end = width == 4 ? load_u32(at + width) : load_u64(at + width);
    if (start > end || end > node->second.size || (width == 4 && end > INT32_MAX)) {
        return invalid(in, "offsets of values are not in order");
    }
    if (end - start > VALUE_SIZE_MAX) {
        return err_set(in->err, TDBPLUS_E_LIMIT, "arrow: field '%.100s': a value is too large",
                       in->field->name);
    }
    *bytes_out = (struct span){.data = node->second.data + start, .size = (size_t)(end - start)};
    return TDBPLUS_OK;
}

static tdbplus_status view_at(const struct importer *in, int64_t row, struct span *bytes_out)
{
    const struct arrow_node *node = in->node;
    const uint8_t *at = node->first.data + (uint64_t)row * ARROW_VIEW_SIZE;
    uint32_t size = load_u32(at);
    if (size <= VIEW_INLINE_SIZE_MAX) {
        *bytes_out = (struct span){.data = at + 4, .size = size};
        return TDBPLUS_OK;
    }
    uint32_t buffer = load_u32(at + 8);
    uint32_t offset = load_u32(at + 12);
    if (size > VALUE_SIZE_MAX || buffer >= node->variadic_count ||
        offset > node->variadic[buffer].size || size > node->variadic[buffer].size - offset) {
        return invalid(in, "a view leaves its buffer");
    }
    *bytes_out = (struct span){.data = node->variadic[buffer].data + offset, .size = size};
    return TDBPLUS_OK;
}

static tdbplus_status fixed_at(const struct importer *in, int64_t row, struct span *bytes_out)
{
    size_t size = in->field->size;
    *bytes_out = (struct span){.data = in->node->first.data + (uint64_t)row * size, .size = size};
    return TDBPLUS_OK;
}

static tdbplus_status read_bytes(const struct importer *in, int64_t row, struct span *bytes_out)
{
    switch (in->field->kind) {
    case ARROW_KIND_BYTES:
        return bytes_at(in, row, bytes_out);
    case ARROW_KIND_VIEWS:
        return view_at(in, row, bytes_out);
    default:
        return fixed_at(in, row, bytes_out);
    }
}

static tdbplus_status import_views(struct importer *in, struct json_builder *builder,
                                   struct buffer *document)
{
    struct view *views = in->column->data;
    for (uint32_t i = 0; i < in->column->row_count; i++) {
        struct span bytes = {0};
        if (is_null(in, i)) {
            continue;
        }
        TRY(read_bytes(in, in->node->offset + i, &bytes));
        if (in->field->type.id == TYPE_TEXT && !text_valid(bytes)) {
            return err_set_state(in->err, TDBPLUS_E_INVALID, "22021",
                                 "arrow: field '%.100s': a text is not UTF-8", in->field->name);
        }
        if (in->field->type.id == TYPE_JSON) {
            TRY(parse_document(in, builder, document, &bytes));
        } else if (packed_type(in->field->type)) {
            struct datum value = {0};
            TRY(text_parse(bytes, in->field->type, NULL, in->arena, &value, in->err));
            bytes = value.bytes;
        }
        views[i] = view_of(bytes);
    }
    return TDBPLUS_OK;
}

static tdbplus_status import_bytes(struct importer *in)
{
    bool has_offsets = in->field->kind == ARROW_KIND_BYTES;
    size_t width = has_offsets                           ? in->field->width
                   : in->field->kind == ARROW_KIND_VIEWS ? ARROW_VIEW_SIZE
                                                         : in->field->size;
    // An array without rows may have no offsets at all.
    uint64_t extra = has_offsets && in->node->length > 0 ? 1 : 0;
    if (width > 0 && !buffer_holds(in->node, in->node->first, extra, width)) {
        return invalid(in, "the buffer of offsets or values is too short");
    }
    TRY(make_values(in));
    if (in->field->type.id == TYPE_UUID) {
        const uint8_t *at = in->node->first.data + (uint64_t)in->node->offset * width;
        memcpy(in->column->data, at, width * in->column->row_count);
        return TDBPLUS_OK;
    }
    struct json_builder builder;
    json_builder_init(&builder, in->arena->alloc);
    struct buffer document = {.alloc = in->arena->alloc};
    tdbplus_status status = import_views(in, &builder, &document);
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    return status;
}

/* ---- lists ---- */

/* An offset and a length that can be added to. */
static bool place_valid(const struct arrow_node *node)
{
    return node->offset >= 0 && node->length >= 0 && node->offset <= INT64_MAX / 64 &&
           node->length <= INT64_MAX / 64;
}

static tdbplus_status import_vectors(struct importer *in)
{
    struct column items = {0};
    struct arrow_node child = *in->node->child;
    uint32_t size = in->field->size;
    // The parent's offset counts lists, the child's its own items.
    int64_t wanted = 0;
    if (__builtin_mul_overflow(in->node->offset + in->node->length, (int64_t)size, &wanted) ||
        wanted > child.length || !place_valid(&child)) {
        return invalid(in, "the child has too few items");
    }
    child.offset += in->node->offset * size;
    child.null_count = child.null_count != 0 ? -1 : 0; // Perhaps of items that are cut off.
    child.length = in->node->length * size;
    TRY(arrow_import_column(in->field->child, &child, in->arena, &items, in->err));
    TRY(make_values(in));
    float *values = in->column->data;
    for (uint32_t i = 0; i < items.row_count; i++) {
        struct datum datum;
        column_get(&items, i, &datum);
        if (datum.is_null && !is_null(in, i / size)) {
            return invalid(in, "a vector has nulls inside");
        }
        values[i] = datum.is_null ? 0 : (float)datum.real;
    }
    return TDBPLUS_OK;
}

static tdbplus_status encode_list(struct importer *in, const struct column *items, uint64_t start,
                                  uint64_t count, struct view *view_out)
{
    struct datum *values = arena_array(in->arena, (size_t)count, sizeof *values);
    struct buffer encoded = {.alloc = in->arena->alloc};
    if (values == NULL) {
        return no_memory(in->err);
    }
    for (uint64_t i = 0; i < count; i++) {
        column_get(items, (uint32_t)(start + i), &values[i]);
    }
    struct array_dimension dimension = {.length = (uint32_t)count, .lower = 1};
    tdbplus_status status =
        array_encode(items->type, values, &dimension, count > 0 ? 1 : 0, &encoded, in->err);
    if (status == TDBPLUS_OK) {
        uint8_t *copy = arena_bytes(in->arena, encoded.size);
        if (copy == NULL) {
            status = no_memory(in->err);
        } else {
            memcpy(copy, encoded.data, encoded.size);
            *view_out = view_of((struct span){.data = copy, .size = encoded.size});
        }
    }
    buffer_deinit(&encoded);
    return status;
}

static uint64_t list_offset(const struct importer *in, uint64_t row)
{
    size_t width = in->field->width;
    const uint8_t *at = in->node->first.data + ((uint64_t)in->node->offset + row) * width;
    return width == 4 ? load_u32(at) : load_u64(at);
}

/* Only the items that these lists have: a slice of a batch must not cost the whole. */
static tdbplus_status import_items(struct importer *in, uint64_t *first_out, struct column *items)
{
    struct arrow_node child = *in->node->child;
    uint32_t rows = in->column->row_count;
    uint64_t first = rows == 0 ? 0 : list_offset(in, 0);
    uint64_t end = rows == 0 ? 0 : list_offset(in, rows);
    if (first > end || !place_valid(&child) || end > (uint64_t)child.length) {
        return invalid(in, "offsets of lists are not in order");
    }
    child.offset += (int64_t)first;
    child.length = (int64_t)(end - first);
    child.null_count = child.null_count != 0 ? -1 : 0; // Perhaps of items that are left out.
    *first_out = first;
    return arrow_import_column(in->field->child, &child, in->arena, items, in->err);
}

static tdbplus_status import_lists(struct importer *in)
{
    const struct arrow_node *node = in->node;
    size_t width = in->field->width;
    struct column items = {0};
    if (!buffer_holds(node, node->first, node->length > 0 ? 1 : 0, width)) {
        return invalid(in, "the buffer of offsets is too short");
    }
    uint64_t first = 0;
    TRY(import_items(in, &first, &items));
    TRY(make_values(in));
    for (uint32_t i = 0; i < in->column->row_count; i++) {
        if (is_null(in, i)) {
            continue;
        }
        uint64_t start = list_offset(in, i);
        uint64_t end = list_offset(in, (uint64_t)i + 1);
        if (start < first || start > end || end - first > items.row_count) {
            return invalid(in, "offsets of lists are not in order");
        }
        TRY(encode_list(in, &items, start - first, end - start,
                        (struct view *)in->column->data + i));
    }
    return TDBPLUS_OK;
}

/* ---- dictionaries ---- */

/* The column that codes point into: made already, or now. */
static tdbplus_status find_dictionary(struct importer *in, const struct column **dictionary_out)
{
    const struct arrow_node *node = in->node;
    struct column *made = NULL;
    *dictionary_out = node->dictionary_column;
    if (*dictionary_out == NULL) {
        if (node->dictionary == NULL) {
            return invalid(in, "the dictionary is missing");
        }
        made = arena_array(in->arena, 1, sizeof *made);
        if (made == NULL) {
            return no_memory(in->err);
        }
        TRY(arrow_import_column(in->field->dictionary, node->dictionary, in->arena, made, in->err));
        *dictionary_out = made;
    }
    bool is_flat = (*dictionary_out)->form == COLUMN_FLAT;
    return is_flat ? TDBPLUS_OK : invalid(in, "a dictionary of dictionaries");
}

static tdbplus_status import_dictionary(struct importer *in)
{
    const struct arrow_node *node = in->node;
    size_t width = in->field->width;
    const struct column *dictionary = NULL;
    uint32_t *codes = arena_array(in->arena, in->column->row_count, sizeof *codes);
    if (codes == NULL) {
        return no_memory(in->err);
    }
    if (!buffer_holds(node, node->first, 0, width)) {
        return invalid(in, "the buffer of codes is too short");
    }
    TRY(find_dictionary(in, &dictionary));
    const uint8_t *at = node->first.data + (uint64_t)node->offset * width;
    for (uint32_t i = 0; i < in->column->row_count; i++, at += width) {
        if (is_null(in, i)) {
            continue;
        }
        wide_int code = load_integer(in->field, at);
        if (code < 0 || code >= dictionary->row_count) {
            return invalid(in, "a code is not in the dictionary");
        }
        codes[i] = (uint32_t)code;
    }
    if (dictionary->row_count == 0) {
        // Codes of nulls must still be positions, so a column of nulls needs no dictionary.
        return make_values(in);
    }
    in->column->form = COLUMN_DICTIONARY;
    in->column->codes = codes;
    in->column->dictionary = dictionary;
    return TDBPLUS_OK;
}

static tdbplus_status import_values(struct importer *in)
{
    if (in->field->dictionary != NULL) {
        return import_dictionary(in);
    }
    switch ((enum arrow_kind)in->field->kind) {
    case ARROW_KIND_NULL:
        return make_values(in);
    case ARROW_KIND_BOOL:
        return import_bools(in);
    case ARROW_KIND_INTEGER:
        return import_integers(in);
    case ARROW_KIND_SCALED:
        return import_scaled(in);
    case ARROW_KIND_FLOAT:
        return import_floats(in);
    case ARROW_KIND_DECIMAL:
        return import_decimals(in);
    case ARROW_KIND_BYTES:
    case ARROW_KIND_VIEWS:
    case ARROW_KIND_FIXED:
        return import_bytes(in);
    case ARROW_KIND_INTERVAL_MONTHS:
    case ARROW_KIND_INTERVAL_DAYS:
    case ARROW_KIND_INTERVAL_ALL:
        return import_intervals(in);
    case ARROW_KIND_LIST:
        return import_lists(in);
    case ARROW_KIND_VECTOR:
        return import_vectors(in);
    default:
        return invalid(in, "an unknown kind");
    }
}

tdbplus_status arrow_import_column(const struct arrow_field *field, const struct arrow_node *node,
                                   struct arena *arena, struct column *column_out, struct err *err)
{
    struct column column = {.type = field->type, .form = COLUMN_FLAT};
    struct importer in = {
        .field = field, .node = node, .arena = arena, .column = &column, .err = err};
    if (node->length < 0 || node->offset < 0 || node->length > ARROW_ROW_COUNT_MAX ||
        node->offset > INT64_MAX / 64 || node->null_count < -1 || node->null_count > node->length) {
        return invalid(&in, "lengths that cannot be");
    }
    column.row_count = (uint32_t)node->length;
    TRY(import_validity(&in));
    TRY(import_values(&in));
    *column_out = column;
    return TDBPLUS_OK;
}
