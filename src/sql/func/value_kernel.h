#pragma once

/* Kernels that work on one row's values at a time, for types whose values have no simple C form. */

#include "base/buffer.h"
#include "sql/func/text_kernel.h"
#include "types/array.h"

/* What gives one row's result. *result has the call's type; setting is_null gives a null (only with
 * FUNC_NULLABLE). Its bytes are in the call's arena, or an argument's. */
typedef tdbplus_status (*kernel_row_function)(struct func_call *call, uint32_t row,
                                              struct datum *result);

/* Calls `function` for every row of the call. */
TDBPLUS_CHECKED tdbplus_status kernel_each(struct func_call *call, kernel_row_function function);

/* A kernel NAME from the row function NAME_row defined above it. */
#define ROW_KERNEL(NAME)                               \
    static tdbplus_status NAME(struct func_call *call) \
    {                                                  \
        return kernel_each(call, NAME##_row);          \
    }

static inline struct datum kernel_argument(const struct func_call *call, uint32_t number,
                                           uint32_t row)
{
    struct datum value;
    column_get(&call->arguments[number], row, &value);
    return value;
}

static inline bool kernel_is_null(const struct func_call *call, uint32_t number, uint32_t row)
{
    return column_is_null(&call->arguments[number], row);
}

/* Moves what a buffer holds into the call's arena, as the result's bytes. */
TDBPLUS_CHECKED tdbplus_status kernel_keep(struct func_call *call, const struct buffer *buffer,
                                           struct datum *result);

/* What writes one row's result into a buffer. */
typedef tdbplus_status (*kernel_writer)(struct func_call *call, uint32_t row, struct buffer *out);

/* The result of one row from what `writer` writes. */
TDBPLUS_CHECKED tdbplus_status kernel_write(struct func_call *call, uint32_t row,
                                            kernel_writer writer, struct datum *result);

/* A kernel NAME from a writer defined above it. */
#define WRITER_KERNEL(NAME, WRITER)                                                              \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        return kernel_write(call, row, WRITER, result);                                          \
    }                                                                                            \
    ROW_KERNEL(NAME)

/* An error of values with PostgreSQL's SQLSTATE. */
TDBPLUS_CHECKED tdbplus_status kernel_error(struct func_call *call, const char *sqlstate,
                                            const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- arrays ---- */

/* An argument taken apart. */
TDBPLUS_CHECKED tdbplus_status kernel_array(struct func_call *call, uint32_t number, uint32_t row,
                                            struct array *array_out);

/* An array as the result; its element type is that of the call's result. */
TDBPLUS_CHECKED tdbplus_status kernel_array_result(struct func_call *call,
                                                   const struct datum *items,
                                                   const struct array_dimension *dimensions,
                                                   uint32_t dimension_count, struct datum *result);

/* The same with one dimension from 1. */
TDBPLUS_CHECKED tdbplus_status kernel_list_result(struct func_call *call, const struct datum *items,
                                                  uint32_t count, struct datum *result);

/* All items of an array, in the call's arena, with room for `more`. */
TDBPLUS_CHECKED tdbplus_status kernel_items(struct func_call *call, const struct array *array,
                                            uint32_t more, struct datum **items_out);

#define KERNEL_ITEMS_MAX (1u << 24)

/* Items that are collected one by one, in the call's arena. Zeroed is empty. */
struct kernel_items {
    struct datum *items;
    uint32_t count;
    uint32_t capacity;
};

TDBPLUS_CHECKED tdbplus_status kernel_push(struct func_call *call, struct kernel_items *items,
                                           const struct datum *item);

static inline struct datum kernel_text_datum(struct span text)
{
    return (struct datum){.type = type_of(TYPE_TEXT), .bytes = text};
}
