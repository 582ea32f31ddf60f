#include "sql/func/json_value.h"

#include <math.h>
#include <string.h>

#include "types/numeric.h"

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "out of memory for a document");
}

/* The value's text, in the arena. */
static tdbplus_status print(const struct datum *value, struct arena *arena, struct span *text_out,
                            struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer text;
    buffer_init(&text, arena->alloc);
    TRY_OR(done, func_print(value, &text, err));
    uint8_t *bytes = arena_bytes(arena, text.size + 1);
    if (bytes == NULL) {
        status = no_memory(err);
        goto done;
    }
    if (text.size > 0) {
        memcpy(bytes, text.data, text.size);
    }
    *text_out = (struct span){.data = bytes, .size = text.size};
done:
    buffer_deinit(&text);
    return status;
}

/* Times have a T between date and time, and minutes in the zone. */
static tdbplus_status put_time(struct json_builder *builder, const struct datum *value,
                               struct arena *arena, struct err *err)
{
    struct span text = {0};
    TRY(print(value, arena, &text, err));
    uint8_t *bytes = arena_bytes(arena, text.size + 4);
    if (bytes == NULL) {
        return no_memory(err);
    }
    size_t size = text.size;
    memcpy(bytes, text.data, size);
    uint8_t *blank = memchr(bytes, ' ', size);
    if (blank != NULL && value->type.id != TYPE_DATE && blank > bytes && blank[-1] >= '0' &&
        blank[-1] <= '9') {
        *blank = 'T';
    }
    if (value->type.id == TYPE_TIMESTAMPTZ && size > 3 &&
        (bytes[size - 3] == '+' || bytes[size - 3] == '-')) {
        memcpy(bytes + size, ":00", 3);
        size += 3;
    }
    json_builder_string(builder, (struct span){.data = bytes, .size = size});
    return TDBPLUS_OK;
}

static tdbplus_status put_number(struct json_builder *builder, const struct datum *value,
                                 struct arena *arena, struct err *err)
{
    struct span text = {0};
    bool real = value->type.id == TYPE_FLOAT4 || value->type.id == TYPE_FLOAT8;
    if (!real && value->type.id != TYPE_NUMERIC) {
        json_builder_integer(builder, value->integer);
        return TDBPLUS_OK;
    }
    TRY(print(value, arena, &text, err));
    struct buffer numeric;
    buffer_init(&numeric, arena->alloc);
    tdbplus_status status = numeric_parse(text, &numeric, err);
    if (status == TDBPLUS_OK && numeric.data[0] <= NUMERIC_NEGATIVE) {
        uint8_t *bytes = arena_bytes(arena, numeric.size);
        if (bytes == NULL) {
            status = no_memory(err);
        } else {
            memcpy(bytes, numeric.data, numeric.size);
            json_builder_numeric(builder, (struct span){.data = bytes, .size = numeric.size});
        }
    } else if (status == TDBPLUS_OK) {
        json_builder_string(builder, text);
    }
    buffer_deinit(&numeric);
    return status;
}

/* Dimension after dimension; an array has at most six. */
static tdbplus_status put_array(struct json_builder *builder, const struct array *array,
                                uint32_t dimension, uint32_t *at, struct arena *arena,
                                struct err *err)
{
    json_builder_begin_array(builder);
    uint32_t length = array->dimension_count == 0 ? 0 : array->dimensions[dimension].length;
    for (uint32_t i = 0; i < length; i++) {
        if (dimension + 1 < array->dimension_count) {
            TRY(put_array(builder, array, dimension + 1, at, arena, err));
            continue;
        }
        struct datum item;
        array_get(array, (*at)++, &item);
        TRY(json_put_value(builder, &item, arena, err));
    }
    json_builder_end_array(builder);
    return TDBPLUS_OK;
}

tdbplus_status json_put_value(struct json_builder *builder, const struct datum *value,
                              struct arena *arena, struct err *err)
{
    struct span text = {0};
    if (value->is_null) {
        json_builder_null(builder);
        return TDBPLUS_OK;
    }
    switch (value->type.id) {
    case TYPE_BOOL:
        json_builder_boolean(builder, value->boolean);
        return TDBPLUS_OK;
    case TYPE_INT2:
    case TYPE_INT4:
    case TYPE_INT8:
    case TYPE_FLOAT4:
    case TYPE_FLOAT8:
    case TYPE_NUMERIC:
        return put_number(builder, value, arena, err);
    case TYPE_JSON:
        json_builder_document(builder, value->bytes);
        return TDBPLUS_OK;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMPTZ:
        return put_time(builder, value, arena, err);
    case TYPE_ARRAY: {
        struct array array;
        uint32_t at = 0;
        TRY(array_open(value->bytes, value->type, &array, err));
        return put_array(builder, &array, 0, &at, arena, err);
    }
    default:
        TRY(print(value, arena, &text, err));
        json_builder_string(builder, text);
        return TDBPLUS_OK;
    }
}

tdbplus_status json_put_key(struct json_builder *builder, const struct datum *value,
                            struct arena *arena, struct err *err)
{
    struct span text = {0};
    if (value->type.id == TYPE_ARRAY || (value->type.id == TYPE_JSON && !value->is_null)) {
        return err_set_state(err, TDBPLUS_E_SQL, "22023",
                             "key value must be scalar, not array, composite, or json");
    }
    TRY(print(value, arena, &text, err));
    json_builder_key(builder, text);
    return TDBPLUS_OK;
}

tdbplus_status json_take(struct json_builder *builder, struct arena *arena, struct datum *result,
                         struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer document;
    buffer_init(&document, arena->alloc);
    TRY_OR(done, json_builder_finish(builder, &document, err));
    uint8_t *bytes = arena_bytes(arena, document.size + 1);
    if (bytes == NULL) {
        status = no_memory(err);
        goto done;
    }
    memcpy(bytes, document.data, document.size);
    *result =
        (struct datum){.type = type_of(TYPE_JSON), .bytes = {.data = bytes, .size = document.size}};
done:
    buffer_deinit(&document);
    return status;
}
