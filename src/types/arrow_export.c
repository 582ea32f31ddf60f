/*
 * Out to Arrow. All structs and buffers of one export lie in one arena with a count of those who
 * hold it: a consumer may move a child out and release it after its parent.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "types/array.h"
#include "types/arrow_internal.h"
#include "types/catalog_type.h"
#include "types/json.h"
#include "types/numeric.h"
#include "types/packed.h"
#include "types/types_internal.h"

#define ARENA_BLOCK_SIZE ((size_t)8192)
#define FORMAT_SIZE_MAX  48u
#define BUFFER_COUNT_MAX 3
#define LABEL_COUNT_MAX  65536u
#define NS_PER_US        1000

struct owner {
    struct arena arena;
    const struct alloc *alloc;
    _Atomic uint32_t holders;
};

static TDBPLUS_CHECKED tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory for the export");
}

static struct owner *owner_create(const struct alloc *alloc)
{
    struct owner *owner = alloc_array(alloc, 1, sizeof *owner);
    if (owner != NULL) {
        owner->alloc = alloc;
        arena_init(&owner->arena, alloc, ARENA_BLOCK_SIZE);
        atomic_init(&owner->holders, 0);
    }
    return owner;
}

static void owner_destroy(struct owner *owner)
{
    arena_deinit(&owner->arena);
    alloc_free(owner->alloc, owner, 1, sizeof *owner);
}

static void let_go(struct owner *owner)
{
    if (atomic_fetch_sub_explicit(&owner->holders, 1, memory_order_acq_rel) == 1) {
        owner_destroy(owner);
    }
}

static void hold(struct owner *owner)
{
    (void)atomic_fetch_add_explicit(&owner->holders, 1, memory_order_relaxed);
}

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) {
            schema->children[i]->release(schema->children[i]);
        }
    }
    if (schema->dictionary != NULL && schema->dictionary->release != NULL) {
        schema->dictionary->release(schema->dictionary);
    }
    struct owner *owner = schema->private_data;
    schema->release = NULL;
    let_go(owner);
}

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) {
            array->children[i]->release(array->children[i]);
        }
    }
    if (array->dictionary != NULL && array->dictionary->release != NULL) {
        array->dictionary->release(array->dictionary);
    }
    struct owner *owner = array->private_data;
    array->release = NULL;
    let_go(owner);
}

/* ---- schemas ---- */

/* Formats of types without parameters. */
static const char *const formats[] = {
    [TYPE_BOOL] = "b",
    [TYPE_INT2] = "s",
    [TYPE_INT4] = "i",
    [TYPE_INT8] = "l",
    [TYPE_FLOAT4] = "f",
    [TYPE_FLOAT8] = "g",
    [TYPE_NUMERIC] = "u",
    [TYPE_TEXT] = "u",
    [TYPE_BYTEA] = "z",
    [TYPE_DATE] = "tdD",
    [TYPE_TIME] = "ttu",
    [TYPE_TIMESTAMP] = "tsu:",
    [TYPE_TIMESTAMPTZ] = "tsu:UTC",
    [TYPE_INTERVAL] = "tin",
    [TYPE_UUID] = "w:16",
    [TYPE_JSON] = "u",
    [TYPE_ARRAY] = "+l",
    [TYPE_ENUM] = "i",
};

static char *format_of(struct type type, struct arena *arena)
{
    char *text = arena_alloc(arena, FORMAT_SIZE_MAX);
    if (text == NULL) {
        return NULL;
    }
    if (type.id == TYPE_VECTOR && type.parameter == 0) {
        (void)snprintf(text, FORMAT_SIZE_MAX, "+l");
    } else if (type.id == TYPE_VECTOR) {
        (void)snprintf(text, FORMAT_SIZE_MAX, "+w:%u", type.parameter);
    } else if (type.id == TYPE_NUMERIC && type_physical(type) != PHYSICAL_VIEW) {
        (void)snprintf(text, FORMAT_SIZE_MAX, "d:%d,%d", type.precision, type.scale);
    } else {
        // Packed values go out as their text.
        const char *format = arrow_number_type(type) ? "l"
                             : packed_type(type)     ? "u"
                                                     : formats[type.id];
        (void)snprintf(text, FORMAT_SIZE_MAX, "%s", format);
    }
    return text;
}

/* Metadata as the interface encodes it: a count, then keys and values, each with its length. */
static bool set_extension(struct ArrowSchema *schema, const char *name, struct arena *arena)
{
    static const char key[] = "ARROW:extension:name";
    static const char parameters[] = "ARROW:extension:metadata";
    const char *const texts[] = {key, name, parameters, ""};
    char *at = arena_alloc(arena, 256);
    if (at == NULL) {
        return false;
    }
    schema->metadata = at;
    int32_t count = 2;
    memcpy(at, &count, sizeof count);
    at += sizeof count;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int32_t size = (int32_t)strlen(texts[i]);
        memcpy(at, &size, sizeof size);
        memcpy(at + sizeof size, texts[i], (size_t)size);
        at += sizeof size + (size_t)size;
    }
    return true;
}

static struct ArrowSchema *add_child_schema(struct ArrowSchema *parent, struct owner *owner)
{
    struct ArrowSchema *child = arena_array(&owner->arena, 1, sizeof *child);
    struct ArrowSchema **children =
        arena_array(&owner->arena, (size_t)parent->n_children + 1, sizeof(struct ArrowSchema *));
    if (child == NULL || children == NULL) {
        return NULL;
    }
    child->release = release_schema;
    child->private_data = owner;
    if (parent->n_children > 0) {
        memcpy(children, parent->children, (size_t)parent->n_children * sizeof *children);
    }
    children[parent->n_children++] = child;
    parent->children = children;
    hold(owner);
    return child;
}

static bool has_labels(struct type type, const struct text_style *style)
{
    int64_t first = 0;
    return type.id == TYPE_ENUM && style != NULL && style->label_of != NULL &&
           style->ordinal_next != NULL &&
           style->ordinal_next(style->ctx, type.parameter, INT32_MIN, &first);
}

static bool describe(struct ArrowSchema *schema, const struct arrow_column *column,
                     const struct text_style *style, struct owner *owner)
{
    struct arena *arena = &owner->arena;
    schema->format = format_of(column->type, arena);
    schema->name = arena_text(arena, span_from_text(column->name));
    schema->flags = column->not_null ? 0 : ARROW_FLAG_NULLABLE;
    if (schema->format == NULL || schema->name == NULL) {
        return false;
    }
    if (column->type.id == TYPE_UUID || column->type.id == TYPE_JSON) {
        const char *name = column->type.id == TYPE_UUID ? "arrow.uuid" : "arrow.json";
        return set_extension(schema, name, arena);
    }
    if (packed_type(column->type)) {
        char name[128] = ARROW_EXTENSION_PREFIX;
        type_name(type_of((enum type_id)column->type.id), name + strlen(name));
        return set_extension(schema, name, arena);
    }
    if (has_labels(column->type, style)) {
        schema->dictionary = arena_array(arena, 1, sizeof *schema->dictionary);
        if (schema->dictionary == NULL) {
            return false;
        }
        *schema->dictionary = (struct ArrowSchema){.format = "u",
                                                   .name = "",
                                                   .flags = ARROW_FLAG_NULLABLE,
                                                   .release = release_schema,
                                                   .private_data = owner};
        schema->flags |= ARROW_FLAG_DICTIONARY_ORDERED;
        hold(owner);
    }
    return true;
}

/* A column and what is inside it; items of arrays are no arrays, so there is one level. */
static bool describe_all(struct ArrowSchema *schema, const struct arrow_column *column,
                         const struct text_style *style, struct owner *owner)
{
    if (!describe(schema, column, style, owner)) {
        return false;
    }
    if (column->type.id != TYPE_ARRAY && column->type.id != TYPE_VECTOR) {
        return true;
    }
    struct arrow_column item = {.name = "item", .not_null = column->type.id == TYPE_VECTOR};
    item.type = column->type.id == TYPE_VECTOR ? type_of(TYPE_FLOAT4) : type_element(column->type);
    struct ArrowSchema *child = add_child_schema(schema, owner);
    if (child == NULL || !describe(child, &item, style, owner)) {
        return false;
    }
    if (item.type.id == TYPE_VECTOR) {
        struct arrow_column component = {
            .name = "item", .not_null = true, .type = type_of(TYPE_FLOAT4)};
        struct ArrowSchema *grandchild = add_child_schema(child, owner);
        return grandchild != NULL && describe(grandchild, &component, style, owner);
    }
    return true;
}

tdbplus_status arrow_export_schema(const struct arrow_column *columns, uint32_t column_count,
                                   const struct text_style *style, const struct alloc *alloc,
                                   struct ArrowSchema *schema_out, struct err *err)
{
    struct owner *owner = owner_create(alloc);
    if (owner == NULL) {
        return no_memory(err);
    }
    struct ArrowSchema schema = {
        .format = "+s", .name = "", .release = release_schema, .private_data = owner};
    hold(owner);
    struct ArrowSchema **children =
        arena_array(&owner->arena, column_count, sizeof(struct ArrowSchema *));
    struct ArrowSchema *fields = arena_array(&owner->arena, column_count, sizeof *fields);
    bool good = children != NULL && fields != NULL;
    schema.children = children;
    for (uint32_t i = 0; good && i < column_count; i++) {
        fields[i].release = release_schema;
        fields[i].private_data = owner;
        hold(owner);
        children[i] = &fields[i];
        schema.n_children++;
        good = describe_all(&fields[i], &columns[i], style, owner);
    }
    if (!good) {
        release_schema(&schema);
        return no_memory(err);
    }
    *schema_out = schema;
    return TDBPLUS_OK;
}

/* ---- arrays ---- */

/* One column on its way out. */
struct writer {
    struct owner *owner;
    const struct text_style *style;
    struct err *err;
};

/* For who writes every byte of it. */
static void *alloc_raw_buffer(struct writer *writer, size_t size)
{
    uint8_t *data = arena_alloc(&writer->owner->arena, size + ALLOC_ALIGN_ARROW);
    return data == NULL ? NULL : data + (-(uintptr_t)data & (ALLOC_ALIGN_ARROW - 1));
}

static void *alloc_buffer(struct writer *writer, size_t size)
{
    uint8_t *data = alloc_raw_buffer(writer, size);
    if (data != NULL) {
        memset(data, 0, size);
    }
    return data;
}

static bool array_init(struct writer *writer, struct ArrowArray *array, int64_t length,
                       int64_t buffer_count)
{
    const void **buffers =
        (const void **)arena_array(&writer->owner->arena, BUFFER_COUNT_MAX, sizeof(void *));
    *array = (struct ArrowArray){.length = length,
                                 .n_buffers = buffer_count,
                                 .buffers = buffers,
                                 .release = release_array,
                                 .private_data = writer->owner};
    hold(writer->owner);
    return buffers != NULL;
}

static struct ArrowArray *add_child(struct writer *writer, struct ArrowArray *array, int64_t length,
                                    int64_t buffer_count)
{
    struct arena *arena = &writer->owner->arena;
    struct ArrowArray *child = arena_array(arena, 1, sizeof *child);
    array->children = arena_array(arena, 1, sizeof(struct ArrowArray *));
    if (child == NULL || array->children == NULL) {
        return NULL;
    }
    bool good = array_init(writer, child, length, buffer_count);
    array->children[0] = child;
    array->n_children = 1;
    return good ? child : NULL;
}

static void set_bit(uint8_t *bits, uint32_t row)
{
    bits[row / 8] |= (uint8_t)(1u << (row % 8));
}

/* The validity bitmap, if anything is null. */
static bool put_validity(struct writer *writer, const struct column *column,
                         struct ArrowArray *array)
{
    int64_t nulls = 0;
    bool some = column->validity != NULL || column->form != COLUMN_FLAT;
    for (uint32_t i = 0; some && i < column->row_count; i++) {
        nulls += column_is_null(column, i);
    }
    array->null_count = nulls;
    if (nulls == 0) {
        return true;
    }
    uint8_t *bits = alloc_buffer(writer, ((size_t)column->row_count + 7) / 8);
    for (uint32_t i = 0; bits != NULL && i < column->row_count; i++) {
        if (!column_is_null(column, i)) {
            set_bit(bits, i);
        }
    }
    array->buffers[0] = bits;
    return bits != NULL;
}

static tdbplus_status put_bools(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    uint8_t *bits = alloc_buffer(writer, ((size_t)column->row_count + 7) / 8);
    if (bits == NULL) {
        return no_memory(writer->err);
    }
    const uint8_t *values = column->data;
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (values[i] != 0) {
            set_bit(bits, i);
        }
    }
    array->buffers[1] = bits;
    return TDBPLUS_OK;
}

/* Decimals and intervals become 16 bytes of another kind. */
static tdbplus_status put_wides(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    uint8_t *to = alloc_buffer(writer, (size_t)column->row_count * sizeof(wide_int));
    if (to == NULL) {
        return no_memory(writer->err);
    }
    array->buffers[1] = to;
    for (uint32_t i = 0; i < column->row_count; i++, to += sizeof(wide_int)) {
        struct datum datum;
        column_get(column, i, &datum);
        if (datum.is_null) {
            continue;
        }
        if (datum.type.id == TYPE_INTERVAL) {
            int64_t ns = 0;
            if (__builtin_mul_overflow(datum.interval.microseconds, NS_PER_US, &ns)) {
                return err_set_state(writer->err, TDBPLUS_E_RANGE, "22008",
                                     "arrow: an interval is too long for nanoseconds");
            }
            memcpy(to, &datum.interval, 2 * sizeof(int32_t));
            memcpy(to + 2 * sizeof(int32_t), &ns, sizeof ns);
        } else {
            wide_int value = type_physical(datum.type) == PHYSICAL_8 ? datum.integer : datum.wide;
            memcpy(to, &value, sizeof value);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_plain(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    size_t size = type_width(column->type) * column->row_count;
    void *data = alloc_raw_buffer(writer, size);
    if (data == NULL) {
        return no_memory(writer->err);
    }
    if (size > 0) {
        memcpy(data, column->data, size);
    }
    array->buffers[1] = data;
    return TDBPLUS_OK;
}

static tdbplus_status put_components(struct writer *writer, const struct column *column,
                                     struct ArrowArray *array)
{
    array->n_buffers = 1;
    int64_t count = (int64_t)column->row_count * column->type.parameter;
    struct ArrowArray *child = add_child(writer, array, count, 2);
    return child == NULL ? no_memory(writer->err) : put_plain(writer, column, child);
}

/* Documents and long numerics go out as their text; other bytes as they are. */
static void print_value(const struct datum *datum, const struct text_style *style,
                        struct buffer *bytes)
{
    if (packed_type(datum->type)) {
        text_print(datum, style, bytes);
    } else if (datum->type.id == TYPE_JSON) {
        json_print(datum->bytes, bytes);
    } else if (datum->type.id == TYPE_NUMERIC) {
        numeric_print(datum->bytes, bytes);
    } else {
        buffer_put_span(bytes, datum->bytes);
    }
}

static tdbplus_status too_long(struct err *err)
{
    // The format was announced with 32-bit offsets; a batch of this size must be cut.
    return err_set(err, TDBPLUS_E_LIMIT, "arrow: a column of one batch has more than 2 GiB");
}

static tdbplus_status put_bytes(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    struct buffer bytes = {.alloc = writer->owner->alloc};
    int32_t *offsets = alloc_buffer(writer, ((size_t)column->row_count + 1) * sizeof *offsets);
    tdbplus_status status = TDBPLUS_OK;
    array->n_buffers = 3;
    for (uint32_t i = 0; offsets != NULL && i < column->row_count; i++) {
        struct datum datum;
        column_get(column, i, &datum);
        if (!datum.is_null) {
            print_value(&datum, writer->style, &bytes);
        }
        if (bytes.size > INT32_MAX) {
            status = too_long(writer->err);
            goto done;
        }
        offsets[i + 1] = (int32_t)bytes.size;
    }
    uint8_t *data = alloc_buffer(writer, bytes.size);
    if (offsets == NULL || bytes.failed || data == NULL) {
        status = no_memory(writer->err);
        goto done;
    }
    if (bytes.size > 0) {
        memcpy(data, bytes.data, bytes.size);
    }
    array->buffers[1] = offsets;
    array->buffers[2] = data;
done:
    buffer_deinit(&bytes);
    return status;
}

/* Bytes of views one after another. Values that were stored together lie together, so what follows
 * what came before is copied with it. */
static void copy_views(const struct column *column, const int32_t *offsets, uint8_t *data)
{
    const struct view *views = column->data;
    const uint8_t *from = NULL;
    size_t size = 0;
    for (uint32_t i = 0; i < column->row_count; i++) {
        size_t next_size = (size_t)(offsets[i + 1] - offsets[i]);
        const uint8_t *next = view_data(&views[i]);
        if (next_size == 0 || (size > 0 && next == from + size)) {
            size += next_size;
            continue;
        }
        if (size > 0) {
            memcpy(data, from, size);
            data += size;
        }
        from = next;
        size = next_size;
    }
    if (size > 0) {
        memcpy(data, from, size);
    }
}

/* Texts and bytes of a flat column go out as they are. */
static tdbplus_status put_views(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    const struct view *views = column->data;
    int32_t *offsets = alloc_raw_buffer(writer, ((size_t)column->row_count + 1) * sizeof *offsets);
    if (offsets == NULL) {
        return no_memory(writer->err);
    }
    uint64_t size = 0;
    offsets[0] = 0;
    for (uint32_t i = 0; i < column->row_count; i++) {
        size += column->validity != NULL && column_is_null(column, i) ? 0 : views[i].size;
        if (size > INT32_MAX) {
            return too_long(writer->err);
        }
        offsets[i + 1] = (int32_t)size;
    }
    uint8_t *data = alloc_raw_buffer(writer, (size_t)size);
    if (data == NULL) {
        return no_memory(writer->err);
    }
    copy_views(column, offsets, data);
    array->n_buffers = 3;
    array->buffers[1] = offsets;
    array->buffers[2] = data;
    return TDBPLUS_OK;
}

/* The ordinals of an enum type and its labels as a column of text; false when memory is out. */
static bool list_labels(struct writer *writer, struct type type, int64_t **ordinals_out,
                        struct column *labels)
{
    const struct text_style *style = writer->style;
    uint32_t count = 0;
    int64_t ordinal = INT32_MIN;
    while (count < LABEL_COUNT_MAX &&
           style->ordinal_next(style->ctx, type.parameter, ordinal, &ordinal)) {
        count++;
        ordinal++;
    }
    int64_t *ordinals = arena_array(&writer->owner->arena, count, sizeof *ordinals);
    if (ordinals == NULL ||
        !column_make(labels, type_of(TYPE_TEXT), count, false, &writer->owner->arena)) {
        return false;
    }
    ordinal = INT32_MIN;
    for (uint32_t i = 0; i < count; i++) {
        struct span label = {0};
        (void)style->ordinal_next(style->ctx, type.parameter, ordinal, &ordinal);
        if (!style->label_of(style->ctx, type.parameter, ordinal, &label)) {
            label = (struct span){0};
        }
        ((struct view *)labels->data)[i] = view_of(label);
        ordinals[i] = ordinal++;
    }
    *ordinals_out = ordinals;
    return true;
}

/* Ordinals have gaps; what goes out is the label's number. */
static void number_labels(int32_t *values, uint32_t row_count, const int64_t *ordinals,
                          uint32_t count)
{
    for (uint32_t row = 0; row < row_count; row++) {
        uint32_t low = 0;
        uint32_t high = count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (ordinals[middle] < values[row]) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        values[row] = low < count ? (int32_t)low : 0; // Of a null anything will do.
    }
}

static tdbplus_status put_enums(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    void *data = alloc_raw_buffer(writer, sizeof(int32_t) * column->row_count);
    if (data == NULL) {
        return no_memory(writer->err);
    }
    if (column->row_count > 0) {
        memcpy(data, column->data, sizeof(int32_t) * column->row_count);
    }
    array->buffers[1] = data;
    if (!has_labels(column->type, writer->style)) {
        return TDBPLUS_OK;
    }
    struct column labels = {0};
    int64_t *ordinals = NULL;
    array->dictionary = arena_array(&writer->owner->arena, 1, sizeof *array->dictionary);
    if (array->dictionary == NULL || !list_labels(writer, column->type, &ordinals, &labels) ||
        !array_init(writer, array->dictionary, labels.row_count, 3)) {
        return no_memory(writer->err);
    }
    number_labels(data, column->row_count, ordinals, labels.row_count);
    return put_bytes(writer, &labels, array->dictionary);
}

/* Everything but arrays. */
static tdbplus_status put_items(struct writer *writer, const struct column *column,
                                struct ArrowArray *array)
{
    if (!put_validity(writer, column, array)) {
        return no_memory(writer->err);
    }
    struct type type = column->type;
    if (type.id == TYPE_BOOL) {
        return put_bools(writer, column, array);
    }
    if (type.id == TYPE_ENUM) {
        return put_enums(writer, column, array);
    }
    if (type.id == TYPE_VECTOR) {
        return put_components(writer, column, array);
    }
    if (column->form == COLUMN_FLAT && (type.id == TYPE_TEXT || type.id == TYPE_BYTEA)) {
        return put_views(writer, column, array);
    }
    if (type_physical(type) == PHYSICAL_VIEW || catalog_reg_type(type)) {
        return put_bytes(writer, column, array);
    }
    bool is_wide = type.id == TYPE_NUMERIC || type.id == TYPE_INTERVAL;
    return is_wide ? put_wides(writer, column, array) : put_plain(writer, column, array);
}

/* Items of all arrays of a column, one after another, and where each array ends. */
static tdbplus_status collect_items(struct writer *writer, const struct column *column,
                                    int32_t *offsets, struct column *items)
{
    uint64_t count = 0;
    struct array array;
    struct datum datum;
    for (uint32_t i = 0; i < column->row_count; i++) {
        column_get(column, i, &datum);
        if (!datum.is_null) {
            TRY(array_open(datum.bytes, column->type, &array, writer->err));
            if (array.dimension_count > 1) {
                return err_set(writer->err, TDBPLUS_E_UNSUPPORTED,
                               "arrow: an array of %u dimensions", array.dimension_count);
            }
            count += array.count;
        }
        if (count > ARROW_ROW_COUNT_MAX) {
            return err_set(writer->err, TDBPLUS_E_LIMIT, "arrow: too many items of arrays");
        }
        offsets[i + 1] = (int32_t)count;
    }
    if (!column_make(items, type_element(column->type), (uint32_t)count, true,
                     &writer->owner->arena)) {
        return no_memory(writer->err);
    }
    for (uint32_t i = 0; i < column->row_count; i++) {
        if (offsets[i + 1] == offsets[i]) {
            continue;
        }
        column_get(column, i, &datum);
        TRY(array_open(datum.bytes, column->type, &array, writer->err));
        for (uint32_t k = 0; k < array.count; k++) {
            struct datum item;
            array_get(&array, k, &item);
            column_set(items, (uint32_t)offsets[i] + k, &item);
        }
    }
    return TDBPLUS_OK;
}

/* The same of vectors of any dimension. */
static tdbplus_status collect_components(struct writer *writer, const struct column *column,
                                         int32_t *offsets, struct column *items)
{
    uint64_t count = 0;
    struct datum datum;
    for (uint32_t i = 0; i < column->row_count; i++) {
        column_get(column, i, &datum);
        count += datum.is_null ? 0 : datum.bytes.size / sizeof(float);
        if (count > ARROW_ROW_COUNT_MAX) {
            return err_set(writer->err, TDBPLUS_E_LIMIT, "arrow: too many components of vectors");
        }
        offsets[i + 1] = (int32_t)count;
    }
    if (!column_make(items, type_of(TYPE_FLOAT4), (uint32_t)count, false, &writer->owner->arena)) {
        return no_memory(writer->err);
    }
    for (uint32_t i = 0; i < column->row_count; i++) {
        size_t size = (size_t)(offsets[i + 1] - offsets[i]) * sizeof(float);
        if (size > 0) {
            column_get(column, i, &datum);
            memcpy((float *)items->data + offsets[i], datum.bytes.data, size);
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status put_column(struct writer *writer, const struct column *column,
                                 struct ArrowArray *array)
{
    bool is_array = column->type.id == TYPE_ARRAY;
    if (!is_array && !(column->type.id == TYPE_VECTOR && column->type.parameter == 0)) {
        return put_items(writer, column, array);
    }
    struct column items = {0};
    int32_t *offsets = alloc_buffer(writer, ((size_t)column->row_count + 1) * sizeof *offsets);
    if (offsets == NULL || !put_validity(writer, column, array)) {
        return no_memory(writer->err);
    }
    array->buffers[1] = offsets;
    TRY(is_array ? collect_items(writer, column, offsets, &items)
                 : collect_components(writer, column, offsets, &items));
    struct ArrowArray *child = add_child(writer, array, items.row_count, 2);
    return child == NULL ? no_memory(writer->err) : put_items(writer, &items, child);
}

static tdbplus_status put_batch(struct writer *writer, const struct batch *batch,
                                struct ArrowArray *root)
{
    struct arena *arena = &writer->owner->arena;
    uint32_t rows = batch_live_count(batch);
    bool good = array_init(writer, root, rows, 1);
    struct ArrowArray **children =
        arena_array(arena, batch->column_count, sizeof(struct ArrowArray *));
    struct ArrowArray *arrays = arena_array(arena, batch->column_count, sizeof *arrays);
    if (!good || children == NULL || arrays == NULL) {
        return no_memory(writer->err);
    }
    root->children = children;
    for (uint32_t i = 0; i < batch->column_count; i++) {
        struct column flat = batch->columns[i];
        bool as_it_is = flat.form == COLUMN_FLAT && batch->selection == NULL;
        if (!as_it_is &&
            !column_flatten(&batch->columns[i], batch->selection, rows, &flat, arena)) {
            return no_memory(writer->err);
        }
        good = array_init(writer, &arrays[i], rows, 2);
        children[i] = &arrays[i];
        root->n_children++;
        if (!good) {
            return no_memory(writer->err);
        }
        TRY(put_column(writer, &flat, &arrays[i]));
    }
    return TDBPLUS_OK;
}

tdbplus_status arrow_export_batch(const struct batch *batch, const struct text_style *style,
                                  const struct alloc *alloc, struct ArrowArray *array_out,
                                  struct err *err)
{
    struct owner *owner = owner_create(alloc);
    if (owner == NULL) {
        return no_memory(err);
    }
    struct writer writer = {.owner = owner, .style = style, .err = err};
    struct ArrowArray root = {0};
    tdbplus_status status = put_batch(&writer, batch, &root);
    if (status != TDBPLUS_OK) {
        release_array(&root);
        return status;
    }
    *array_out = root;
    return TDBPLUS_OK;
}
