/* Documents. */

#include <string.h>

#include "base/buffer.h"
#include "sql/func/text_kernel.h"
#include "types/json.h"

/* The member or item that an argument names; false when there is none. */
static bool step_into(const struct func_call *call, uint32_t row, struct span *found_out)
{
    struct span document = text_argument(call, 0, row);
    if (call->arguments[1].type.id == TYPE_TEXT) {
        return json_get(document, text_argument(call, 1, row), found_out);
    }
    int32_t index = int4_argument(call, 1, row);
    if (json_kind(document) < JSON_ARRAY && (index == 0 || index == -1)) {
        *found_out = document; // To PostgreSQL a scalar is the only item of a list here.
        return true;
    }
    return json_get_index(document, index, found_out);
}

static tdbplus_status copy_bytes(struct func_call *call, uint32_t row, struct span bytes)
{
    uint8_t *copy = arena_bytes(call->arena, bytes.size + 1);
    if (copy == NULL) {
        return kernel_no_memory(call);
    }
    memcpy(copy, bytes.data, bytes.size);
    text_result(call, row, (struct span){.data = copy, .size = bytes.size});
    return TDBPLUS_OK;
}

static tdbplus_status get(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span found;
        if (step_into(call, row, &found)) {
            TRY(copy_bytes(call, row, found));
        } else {
            kernel_set_null(call, row);
        }
    }
    return TDBPLUS_OK;
}

/* ->> prints, strings without quotes; a JSON null is a null. */
static tdbplus_status get_text(struct func_call *call)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span found;
        if (!step_into(call, row, &found) || json_kind(found) == JSON_NULL) {
            kernel_set_null(call, row);
            continue;
        }
        buffer_clear(&buffer);
        if (json_kind(found) == JSON_STRING) {
            buffer_put_span(&buffer, json_string(found));
        } else {
            json_print(found, &buffer);
        }
        if (buffer.failed) {
            status = kernel_no_memory(call);
            goto done;
        }
        TRY_OR(done, copy_bytes(call, row, buffer_span(&buffer)));
    }
done:
    buffer_deinit(&buffer);
    return status;
}

static tdbplus_status type_of_json(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        const char *name = "number";
        switch ((enum json_kind)json_kind(text_argument(call, 0, row))) {
        case JSON_NULL:
            name = "null";
            break;
        case JSON_BOOLEAN:
            name = "boolean";
            break;
        case JSON_NUMBER:
            break;
        case JSON_STRING:
            name = "string";
            break;
        case JSON_ARRAY:
            name = "array";
            break;
        case JSON_OBJECT:
            name = "object";
            break;
        }
        text_result(call, row, span_from_text(name));
    }
    return TDBPLUS_OK;
}

static tdbplus_status array_length(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span value = text_argument(call, 0, row);
        if (json_kind(value) != JSON_ARRAY) {
            return err_set(call->err, TDBPLUS_E_INVALID, "cannot get array length of a %s",
                           json_kind(value) == JSON_OBJECT ? "non-array" : "scalar");
        }
        ((int32_t *)call->result->data)[row] = (int32_t)json_count(value);
    }
    return TDBPLUS_OK;
}

static tdbplus_status has_key(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span found;
        ((uint8_t *)call->result->data)[row] =
            json_get(text_argument(call, 0, row), text_argument(call, 1, row), &found);
    }
    return TDBPLUS_OK;
}

#define JS TYPE_JSON
#define TX TYPE_TEXT
#define I4 TYPE_INT4
#define ON (FUNC_OPERATOR | FUNC_NULLABLE)

const struct func table_json[] = {
    {"->", 2, {JS, TX}, JS, ON, get, "The member of that name."},
    {"->", 2, {JS, I4}, JS, ON, get, "The item at that index, from 0."},
    {"->>", 2, {JS, TX}, TX, ON, get_text, "The member of that name as text."},
    {"->>", 2, {JS, I4}, TX, ON, get_text, "The item at that index as text."},
    {"jsonb_typeof", 1, {JS}, TX, 0, type_of_json, "What kind of value it is."},
    {"json_typeof", 1, {JS}, TX, 0, type_of_json, "What kind of value it is."},
    {"jsonb_array_length", 1, {JS}, I4, 0, array_length, "Number of items."},
    {"json_array_length", 1, {JS}, I4, 0, array_length, "Number of items."},
    {"jsonb_exists", 2, {JS, TX}, TYPE_BOOL, 0, has_key, "True if there is such a member."},
    FUNC_END,
};
