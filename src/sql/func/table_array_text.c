/* Arrays from texts with separators and back. */

#include <string.h>

#include "sql/func/value_kernel.h"

/* One part, which is null when it equals the text that stands for nulls. */
static tdbplus_status push_part(struct func_call *call, uint32_t row, struct span part,
                                struct kernel_items *items)
{
    struct datum item = kernel_text_datum(part);
    if (call->argument_count > 2 && !kernel_is_null(call, 2, row)) {
        struct span null_text = text_argument(call, 2, row);
        item.is_null = part.size == null_text.size && span_compare(part, null_text) == 0;
    }
    return kernel_push(call, items, &item);
}

/* Argument bytes may lie inside of a view, which moves; parts must not point there. */
static tdbplus_status steady_text(struct func_call *call, uint32_t row, struct span *text_out)
{
    struct span text = text_argument(call, 0, row);
    uint8_t *copy = arena_bytes(call->arena, text.size + 1);
    if (copy == NULL) {
        return kernel_no_memory(call);
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    *text_out = (struct span){.data = copy, .size = text.size};
    return TDBPLUS_OK;
}

static tdbplus_status collect_parts(struct func_call *call, uint32_t row,
                                    struct kernel_items *items)
{
    struct span rest;
    TRY(steady_text(call, row, &rest));
    bool characters = kernel_is_null(call, 1, row);
    struct span separator = {0};
    if (!characters) {
        separator = text_argument(call, 1, row);
    }
    while (rest.size > 0) {
        struct span part = rest;
        size_t skip = rest.size;
        if (characters) {
            part.size = text_character_size(rest.data[0]);
            part.size = part.size > rest.size ? rest.size : part.size;
            skip = part.size;
        } else if (separator.size > 0 && text_find(rest, separator) >= 0) {
            part.size = (size_t)text_find(rest, separator);
            skip = part.size + separator.size;
            if (skip == rest.size) {
                // The text ends in a separator: an empty part follows it.
                TRY(push_part(call, row, part, items));
                part = (struct span){.data = rest.data + skip, .size = 0};
            }
        }
        TRY(push_part(call, row, part, items));
        rest = (struct span){.data = rest.data + skip, .size = rest.size - skip};
    }
    return TDBPLUS_OK;
}

static tdbplus_status split_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct kernel_items items = {0};
    result->is_null = kernel_is_null(call, 0, row);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    TRY(collect_parts(call, row, &items));
    return kernel_list_result(call, items.items, items.count, result);
}

ROW_KERNEL(split)

static tdbplus_status print_items(struct func_call *call, uint32_t row, const struct array *array,
                                  struct buffer *buffer)
{
    bool with_nulls = call->argument_count > 2 && !kernel_is_null(call, 2, row);
    bool first = true;
    for (uint32_t i = 0; i < array->count; i++) {
        struct datum item;
        array_get(array, i, &item);
        if (item.is_null && !with_nulls) {
            continue;
        }
        if (!first) {
            buffer_put_span(buffer, text_argument(call, 1, row));
        }
        first = false;
        if (item.is_null) {
            buffer_put_span(buffer, text_argument(call, 2, row));
        } else {
            TRY(func_print_as(&item, func_style(call), buffer, call->err));
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status joined_row(struct func_call *call, uint32_t row, struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    struct array array;
    result->is_null = kernel_is_null(call, 0, row) || kernel_is_null(call, 1, row);
    if (result->is_null) {
        return TDBPLUS_OK;
    }
    TRY(kernel_array(call, 0, row, &array));
    struct buffer buffer;
    buffer_init(&buffer, call->arena->alloc);
    TRY_OR(done, print_items(call, row, &array, &buffer));
    TRY_OR(done, kernel_keep(call, &buffer, result));
done:
    buffer_deinit(&buffer);
    return status;
}

ROW_KERNEL(joined)

#define TX  TYPE_TEXT
#define TXA FUNC_ARRAY_OF(TYPE_TEXT)
#define CN  (FUNC_CALLED_ON_NULL | FUNC_NULLABLE)

const struct func table_array_text[] = {
    {"string_to_array", 2, {TX, TX}, TXA, CN, split, "The parts between separators."},
    {"string_to_array", 3, {TX, TX, TX}, TXA, CN, split, "The same; the third text means null."},
    {"string_to_table", 2, {TX, TX}, TX, CN | FUNC_SET, split, "A row for each part."},
    {"string_to_table", 3, {TX, TX, TX}, TX, CN | FUNC_SET, split, "The third text means null."},
    {"array_to_string", 2, {FUNC_ANY_ARRAY, TX}, TX, CN, joined, "Items with a text between."},
    {"array_to_string", 3, {FUNC_ANY_ARRAY, TX, TX}, TX, CN, joined, "Nulls as the third text."},
    FUNC_END,
};
