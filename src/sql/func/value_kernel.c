#include "sql/func/value_kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

tdbplus_status kernel_each(struct func_call *call, kernel_row_function function)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum result = {.type = call->result->type};
        TRY(function(call, row, &result));
        if (result.is_null) {
            kernel_set_null(call, row);
        } else {
            result.type = call->result->type;
            column_set(call->result, row, &result);
        }
    }
    return TDBPLUS_OK;
}

tdbplus_status kernel_keep(struct func_call *call, const struct buffer *buffer,
                           struct datum *result)
{
    uint8_t *bytes = buffer->failed ? NULL : arena_bytes(call->arena, buffer->size + 1);
    if (bytes == NULL) {
        return kernel_no_memory(call);
    }
    if (buffer->size > VALUE_SIZE_MAX) {
        return err_set_state(call->err, TDBPLUS_E_LIMIT, "54000", "a value has at most %zu bytes",
                             VALUE_SIZE_MAX);
    }
    if (buffer->size > 0) {
        memcpy(bytes, buffer->data, buffer->size);
    }
    result->bytes = (struct span){.data = bytes, .size = buffer->size};
    return TDBPLUS_OK;
}

tdbplus_status kernel_write(struct func_call *call, uint32_t row, kernel_writer writer,
                            struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer out;
    buffer_init(&out, call->arena->alloc);
    TRY_OR(done, writer(call, row, &out));
    TRY_OR(done, kernel_keep(call, &out, result));
done:
    buffer_deinit(&out);
    return status;
}

tdbplus_status kernel_error(struct func_call *call, const char *sqlstate, const char *format, ...)
{
    char text[ERR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return err_set_state(call->err, TDBPLUS_E_SQL, sqlstate, "%s", text);
}

tdbplus_status kernel_array(struct func_call *call, uint32_t number, uint32_t row,
                            struct array *array_out)
{
    return array_open(text_argument(call, number, row), call->arguments[number].type, array_out,
                      call->err);
}

tdbplus_status kernel_array_result(struct func_call *call, const struct datum *items,
                                   const struct array_dimension *dimensions,
                                   uint32_t dimension_count, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done, array_encode(type_element(result->type), items, dimensions, dimension_count,
                              &buffer, call->err));
    TRY_OR(done, kernel_keep(call, &buffer, result));
done:
    buffer_deinit(&buffer);
    return status;
}

tdbplus_status kernel_list_result(struct func_call *call, const struct datum *items, uint32_t count,
                                  struct datum *result)
{
    struct array_dimension dimension = {.length = count, .lower = 1};
    return kernel_array_result(call, items, &dimension, count == 0 ? 0 : 1, result);
}

tdbplus_status kernel_items(struct func_call *call, const struct array *array, uint32_t more,
                            struct datum **items_out)
{
    struct datum *items =
        arena_alloc(call->arena, ((size_t)array->count + more + 1) * sizeof *items);
    if (items == NULL) {
        return kernel_no_memory(call);
    }
    for (uint32_t i = 0; i < array->count; i++) {
        array_get(array, i, &items[i]);
    }
    *items_out = items;
    return TDBPLUS_OK;
}

tdbplus_status kernel_push(struct func_call *call, struct kernel_items *items,
                           const struct datum *item)
{
    if (items->count == KERNEL_ITEMS_MAX) {
        return err_set_state(call->err, TDBPLUS_E_LIMIT, "54000",
                             "array size exceeds the maximum allowed (%u)", KERNEL_ITEMS_MAX);
    }
    if (items->count == items->capacity) {
        uint32_t capacity = items->capacity * 2 + 16;
        struct datum *grown = arena_alloc(call->arena, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return kernel_no_memory(call);
        }
        if (items->count > 0) {
            memcpy(grown, items->items, items->count * sizeof *grown);
        }
        items->items = grown;
        items->capacity = capacity;
    }
    items->items[items->count++] = *item;
    return TDBPLUS_OK;
}
