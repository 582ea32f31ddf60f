/* Documents made of SQL values, and of other documents: PostgreSQL's manual, 9.16. */

#include <string.h>

#include "sql/func/json_value.h"

/* ---- made of values ---- */

typedef tdbplus_status (*document_maker)(struct func_call *call, uint32_t row,
                                         struct json_builder *builder);

static tdbplus_status make_document(struct func_call *call, uint32_t row, document_maker maker,
                                    struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct json_builder builder;
    json_builder_init(&builder, call->arena->alloc);
    TRY_OR(done, maker(call, row, &builder));
    TRY_OR(done, json_take(&builder, call->arena, result, call->err));
done:
    json_builder_deinit(&builder);
    return status;
}

#define DOCUMENT_KERNEL(NAME)                                                                    \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        return make_document(call, row, NAME##_document, result);                                \
    }                                                                                            \
    ROW_KERNEL(NAME)

static tdbplus_status value_document(struct func_call *call, uint32_t row,
                                     struct json_builder *builder)
{
    struct datum value = kernel_argument(call, 0, row);
    return json_put_value(builder, &value, call->arena, call->err);
}

static tdbplus_status list_document(struct func_call *call, uint32_t row,
                                    struct json_builder *builder)
{
    json_builder_begin_array(builder);
    for (uint32_t a = 0; a < call->argument_count; a++) {
        struct datum value = kernel_argument(call, a, row);
        TRY(json_put_value(builder, &value, call->arena, call->err));
    }
    json_builder_end_array(builder);
    return TDBPLUS_OK;
}

static tdbplus_status pairs_document(struct func_call *call, uint32_t row,
                                     struct json_builder *builder)
{
    if (call->argument_count % 2 != 0) {
        tdbplus_status status =
            kernel_error(call, "22023", "argument list must have even number of elements");
        err_hint(call->err, "The arguments of %s() must consist of alternating keys and values.",
                 call->func->name);
        return status;
    }
    json_builder_begin_object(builder);
    for (uint32_t a = 0; a < call->argument_count; a += 2) {
        struct datum key = kernel_argument(call, a, row);
        struct datum value = kernel_argument(call, a + 1, row);
        if (key.is_null) {
            return kernel_error(call, "22023", "argument %u: key must not be null", a + 1);
        }
        TRY(json_put_key(builder, &key, call->arena, call->err));
        TRY(json_put_value(builder, &value, call->arena, call->err));
    }
    json_builder_end_object(builder);
    return TDBPLUS_OK;
}

DOCUMENT_KERNEL(value)
DOCUMENT_KERNEL(list)
DOCUMENT_KERNEL(pairs)

static tdbplus_status text_pair(struct func_call *call, const struct datum *key,
                                const struct datum *value, struct json_builder *builder)
{
    if (key->is_null) {
        return kernel_error(call, "22004", "null value not allowed for object key");
    }
    json_builder_key(builder, key->bytes);
    if (value->is_null) {
        json_builder_null(builder);
    } else {
        json_builder_string(builder, value->bytes);
    }
    return TDBPLUS_OK;
}

/* jsonb_object(text[]): pairs, one after the other or as rows of two. */
static tdbplus_status object_document(struct func_call *call, uint32_t row,
                                      struct json_builder *builder)
{
    struct array array;
    TRY(kernel_array(call, 0, row, &array));
    if (array.dimension_count > 2) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (array.dimension_count == 2 && array.dimensions[1].length != 2) {
        return kernel_error(call, "2202E", "array must have two columns");
    }
    if (array.count % 2 != 0) {
        return kernel_error(call, "2202E", "array must have even number of elements");
    }
    json_builder_begin_object(builder);
    for (uint32_t i = 0; i < array.count; i += 2) {
        struct datum key;
        struct datum value;
        array_get(&array, i, &key);
        array_get(&array, i + 1, &value);
        TRY(text_pair(call, &key, &value, builder));
    }
    json_builder_end_object(builder);
    return TDBPLUS_OK;
}

static tdbplus_status two_arrays_document(struct func_call *call, uint32_t row,
                                          struct json_builder *builder)
{
    struct array keys;
    struct array values;
    TRY(kernel_array(call, 0, row, &keys));
    TRY(kernel_array(call, 1, row, &values));
    if (keys.dimension_count > 1 || values.dimension_count > 1) {
        return kernel_error(call, "2202E", "wrong number of array subscripts");
    }
    if (keys.count != values.count) {
        return kernel_error(call, "2202E", "mismatched array dimensions");
    }
    json_builder_begin_object(builder);
    for (uint32_t i = 0; i < keys.count; i++) {
        struct datum key;
        struct datum value;
        array_get(&keys, i, &key);
        array_get(&values, i, &value);
        TRY(text_pair(call, &key, &value, builder));
    }
    json_builder_end_object(builder);
    return TDBPLUS_OK;
}

DOCUMENT_KERNEL(object)
DOCUMENT_KERNEL(two_arrays)

/* ---- taken apart: a row for each part ---- */

static struct datum document_datum(struct span document)
{
    return (struct datum){.type = type_of(TYPE_JSON), .bytes = document};
}

/* A part as text: strings without quotes, a JSON null as a null. */
static tdbplus_status text_of(struct func_call *call, struct span part, struct datum *text)
{
    *text = kernel_text_datum((struct span){0});
    text->is_null = json_kind(part) == JSON_NULL;
    if (text->is_null) {
        return TDBPLUS_OK;
    }
    struct buffer printed;
    buffer_init(&printed, call->arena->alloc);
    if (json_kind(part) == JSON_STRING) {
        buffer_put_span(&printed, json_string(part));
    } else {
        json_print(part, &printed);
    }
    tdbplus_status status = kernel_keep(call, &printed, text);
    buffer_deinit(&printed);
    return status;
}

static tdbplus_status push_part(struct func_call *call, struct span part,
                                struct kernel_items *items)
{
    struct datum item = document_datum(part);
    if (call->result->type.element == TYPE_TEXT) {
        TRY(text_of(call, part, &item));
    }
    return kernel_push(call, items, &item);
}

static tdbplus_status elements_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    struct kernel_items items = {0};
    if (json_kind(document) != JSON_ARRAY) {
        return kernel_error(call, "22023", "cannot extract elements from %s",
                            json_kind(document) == JSON_OBJECT ? "an object" : "a scalar");
    }
    for (uint32_t i = 0; i < json_count(document); i++) {
        TRY(push_part(call, json_item(document, i), &items));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status check_object(struct func_call *call, struct span document)
{
    if (json_kind(document) == JSON_OBJECT) {
        return TDBPLUS_OK;
    }
    bool keys = strcmp(call->func->name, "jsonb_object_keys") == 0;
    return kernel_error(call, "22023",
                        keys ? "cannot call jsonb_object_keys on %s"
                             : "cannot call "
                               "jsonb_each on a non-object",
                        json_kind(document) == JSON_ARRAY ? "an array" : "a scalar");
}

static tdbplus_status keys_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    struct kernel_items items = {0};
    TRY(check_object(call, document));
    for (uint32_t i = 0; i < json_count(document); i++) {
        struct span key = {0};
        (void)json_member(document, i, &key);
        struct datum item = kernel_text_datum(key);
        TRY(kernel_push(call, &items, &item));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status members_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    struct kernel_items items = {0};
    TRY(check_object(call, document));
    for (uint32_t i = 0; i < json_count(document); i++) {
        struct span key = {0};
        TRY(push_part(call, json_member(document, i, &key), &items));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(elements)
ROW_KERNEL(keys)
ROW_KERNEL(members)

/* ---- printed for people, and without nulls ---- */

static void put_line(uint32_t depth, struct buffer *out)
{
    buffer_put_u8(out, '\n');
    for (uint32_t i = 0; i < depth; i++) {
        buffer_put_text(out, "    ");
    }
}

/* Documents are at most JSON_DEPTH_MAX deep, so the recursion is, too. */
static void print_pretty(struct span value, uint32_t depth, struct buffer *out)
{
    enum json_kind kind = json_kind(value);
    uint32_t count = json_count(value);
    if (kind < JSON_ARRAY) {
        json_print(value, out);
        return;
    }
    buffer_put_u8(out, kind == JSON_ARRAY ? '[' : '{');
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_text(out, i > 0 ? "," : "");
        put_line(depth + 1, out);
        if (kind == JSON_ARRAY) {
            print_pretty(json_item(value, i), depth + 1, out);
            continue;
        }
        struct span key = {0};
        struct span member = json_member(value, i, &key);
        json_print_string(key, out);
        buffer_put_text(out, ": ");
        print_pretty(member, depth + 1, out);
    }
    put_line(depth, out);
    buffer_put_u8(out, kind == JSON_ARRAY ? ']' : '}');
}

static tdbplus_status pretty_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    print_pretty(text_argument(call, 0, row), 0, &out);
    tdbplus_status status = kernel_keep(call, &out, result);
    buffer_deinit(&out);
    return status;
}

ROW_KERNEL(pretty)

static void put_stripped(struct span value, struct json_builder *builder)
{
    enum json_kind kind = json_kind(value);
    uint32_t count = json_count(value);
    if (kind < JSON_ARRAY) {
        json_builder_document(builder, value);
        return;
    }
    if (kind == JSON_ARRAY) {
        json_builder_begin_array(builder);
        for (uint32_t i = 0; i < count; i++) {
            put_stripped(json_item(value, i), builder);
        }
        json_builder_end_array(builder);
        return;
    }
    json_builder_begin_object(builder);
    for (uint32_t i = 0; i < count; i++) {
        struct span key = {0};
        struct span member = json_member(value, i, &key);
        if (json_kind(member) != JSON_NULL) {
            json_builder_key(builder, key);
            put_stripped(member, builder);
        }
    }
    json_builder_end_object(builder);
}

static tdbplus_status stripped_document(struct func_call *call, uint32_t row,
                                        struct json_builder *builder)
{
    put_stripped(text_argument(call, 0, row), builder);
    return TDBPLUS_OK;
}

DOCUMENT_KERNEL(stripped)

#define JS  TYPE_JSON
#define TX  TYPE_TEXT
#define TXA FUNC_ARRAY_OF(TYPE_TEXT)
#define CN  FUNC_CALLED_ON_NULL
#define VA  (FUNC_CALLED_ON_NULL | FUNC_VARIADIC)
#define RS  FUNC_SET

const struct func table_json_build[] = {
    {"to_jsonb", 1, {FUNC_SAME}, JS, 0, value, "The value as a document."},
    {"to_json", 1, {FUNC_SAME}, JS, 0, value, "The value as a document."},
    {"array_to_json", 1, {FUNC_ANY_ARRAY}, JS, 0, value, "The array as a document."},
    {"jsonb_build_array", 0, {0}, JS, 0, list, "An empty array."},
    {"jsonb_build_array", 1, {FUNC_ANY}, JS, VA, list, "The arguments as an array."},
    {"json_build_array", 0, {0}, JS, 0, list, "An empty array."},
    {"json_build_array", 1, {FUNC_ANY}, JS, VA, list, "The arguments as an array."},
    {"jsonb_build_object", 0, {0}, JS, 0, pairs, "An empty object."},
    {"jsonb_build_object", 1, {FUNC_ANY}, JS, VA, pairs, "Keys and values in turn."},
    {"json_build_object", 0, {0}, JS, 0, pairs, "An empty object."},
    {"json_build_object", 1, {FUNC_ANY}, JS, VA, pairs, "Keys and values in turn."},
    {"jsonb_object", 1, {TXA}, JS, 0, object, "Keys and values in turn."},
    {"jsonb_object", 2, {TXA, TXA}, JS, 0, two_arrays, "Keys, and values beside them."},
    {"json_object", 1, {TXA}, JS, 0, object, "Keys and values in turn."},
    {"json_object", 2, {TXA, TXA}, JS, 0, two_arrays, "Keys, and values beside them."},
    {"jsonb_array_elements", 1, {JS}, JS, RS, elements, "A row for each item."},
    {"json_array_elements", 1, {JS}, JS, RS, elements, "A row for each item."},
    {"jsonb_array_elements_text", 1, {JS}, TX, RS, elements, "A row for each item, as text."},
    {"json_array_elements_text", 1, {JS}, TX, RS, elements, "A row for each item, as text."},
    {"jsonb_object_keys", 1, {JS}, TX, RS, keys, "A row for each key."},
    {"json_object_keys", 1, {JS}, TX, RS, keys, "A row for each key."},
    {"jsonb_object values", 1, {JS}, JS, RS, members, "A row for each member's value."},
    {"jsonb_object texts", 1, {JS}, TX, RS, members, "A row for each member's value, as text."},
    {"jsonb_pretty", 1, {JS}, TX, 0, pretty, "On several lines, for people."},
    {"jsonb_strip_nulls", 1, {JS}, JS, 0, stripped, "Without members that are null."},
    {"json_strip_nulls", 1, {JS}, JS, 0, stripped, "Without members that are null."},
    FUNC_END,
};
