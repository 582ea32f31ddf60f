/* Rows as documents, in the forms of PostgreSQL's to_json(). */

#include <string.h>

#include "files/ndjson.h"
#include "types/array.h"
#include "types/json.h"

static void put_value(const struct datum *value, const struct text_style *style,
                      struct buffer *out);

/* The items of one dimension; *at is the next item. */
static void put_dimension(const struct array *array, uint32_t dimension, uint32_t *at,
                          const struct text_style *style, struct buffer *out)
{
    buffer_put_u8(out, '[');
    for (uint32_t i = 0; i < array->dimensions[dimension].length; i++) {
        buffer_put_text(out, i == 0 ? "" : ",");
        if (dimension + 1 < array->dimension_count) {
            put_dimension(array, dimension + 1, at, style, out);
            continue;
        }
        struct datum item;
        array_get(array, (*at)++, &item);
        put_value(&item, style, out);
    }
    buffer_put_u8(out, ']');
}

static void put_array(const struct datum *value, const struct text_style *style, struct buffer *out)
{
    struct array array;
    uint32_t at = 0;
    if (array_open(value->bytes, value->type, &array, NULL) != TDBPLUS_OK ||
        array.dimension_count == 0) {
        buffer_put_text(out, "[]");
        return;
    }
    put_dimension(&array, 0, &at, style, out);
}

/* Vectors are as arrays of numbers. */
static void put_vector(const struct datum *value, const struct text_style *style,
                       struct buffer *out)
{
    text_print(value, style, out);
}

/* A quoted text; of times with the T between date and clock. */
static void put_text(const struct datum *value, const struct text_style *style, struct buffer *out)
{
    struct buffer text;
    buffer_init(&text, out->alloc);
    text_print(value, style, &text);
    bool stamp = value->type.id == TYPE_TIMESTAMP || value->type.id == TYPE_TIMESTAMPTZ;
    uint8_t *blank = stamp && text.size > 0 ? memchr(text.data, ' ', text.size) : NULL;
    if (blank != NULL) {
        *blank = 'T';
    }
    bool utc = value->type.id == TYPE_TIMESTAMPTZ && text.size > 3 &&
               (text.data[text.size - 3] == '+' || text.data[text.size - 3] == '-');
    if (utc) {
        buffer_put_text(&text, ":00");
    }
    json_print_string(buffer_span(&text), out);
    out->failed = out->failed || text.failed;
    buffer_deinit(&text);
}

/* NaN and infinities are no numbers of JSON. */
static bool is_number(const struct buffer *out, size_t from)
{
    uint8_t first = out->size > from ? out->data[from] : 0;
    uint8_t second = out->size > from + 1 ? out->data[from + 1] : '0';
    return (first >= '0' && first <= '9') || (first == '-' && second >= '0' && second <= '9');
}

static void put_number(const struct datum *value, const struct text_style *style,
                       struct buffer *out)
{
    size_t from = out->size;
    text_print(value, style, out);
    if (!out->failed && !is_number(out, from)) {
        out->size = from;
        put_text(value, style, out);
    }
}

static void put_value(const struct datum *value, const struct text_style *style, struct buffer *out)
{
    if (value->is_null) {
        buffer_put_text(out, "null");
        return;
    }
    switch (value->type.id) {
    case TYPE_BOOL:
        buffer_put_text(out, value->boolean ? "true" : "false");
        break;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
        put_number(value, style, out);
        break;
    case TYPE_TEXT:
        json_print_string(value->bytes, out);
        break;
    case TYPE_JSON:
        json_print(value->bytes, out);
        break;
    case TYPE_ARRAY:
        put_array(value, style, out);
        break;
    case TYPE_VECTOR:
        put_vector(value, style, out);
        break;
    default:
        put_text(value, style, out);
        break;
    }
}

void ndjson_write_batch(const struct file_column *columns, uint32_t column_count,
                        const struct text_style *style, const struct batch *batch,
                        struct buffer *out)
{
    uint32_t count = batch_live_count(batch);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = batch->selection != NULL ? batch->selection[i] : i;
        buffer_put_u8(out, '{');
        for (uint32_t c = 0; c < column_count; c++) {
            struct datum value;
            column_get(&batch->columns[c], row, &value);
            buffer_put_text(out, c == 0 ? "" : ",");
            json_print_string(span_from_text(columns[c].name), out);
            buffer_put_u8(out, ':');
            put_value(&value, style, out);
        }
        buffer_put_text(out, "}\n");
    }
}
