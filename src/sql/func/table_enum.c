/* Enums: what their types have for labels. The type is that of the argument, whose value may be
 * null; the labels are the session's to know, for ALTER TYPE adds some. */

#include "sql/func/kernel.h"
#include "sql/func/value_kernel.h"
#include "types/text.h"

/* The least ordinal that is `from` or more. */
static bool next_ordinal(const struct func_call *call, struct type type, int64_t from,
                         int64_t *ordinal_out)
{
    const struct text_style *style = func_style(call);
    return style != NULL && style->ordinal_next != NULL &&
           style->ordinal_next(style->ctx, type.parameter, from, ordinal_out);
}

static tdbplus_status no_labels(struct func_call *call, struct type type)
{
    char name[ENUM_NAME_SIZE];
    text_enum_name(func_style(call), type.parameter, name);
    return err_set_state(call->err, TDBPLUS_E_STATE, "55000", "enum %s contains no values", name);
}

static tdbplus_status first_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct type type = call->arguments[0].type;
    (void)row;
    return next_ordinal(call, type, INT32_MIN, &result->integer) ? TDBPLUS_OK
                                                                 : no_labels(call, type);
}

static tdbplus_status last_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct type type = call->arguments[0].type;
    int64_t last = INT32_MIN;
    (void)row;
    if (!next_ordinal(call, type, last, &last)) {
        return no_labels(call, type);
    }
    result->integer = last;
    while (next_ordinal(call, type, last + 1, &last)) {
        result->integer = last;
    }
    return TDBPLUS_OK;
}

/* The labels from one to the other as an array. */
static tdbplus_status list_between(struct func_call *call, int64_t from, int64_t to,
                                   struct datum *result)
{
    struct kernel_items items = {0};
    struct datum item = {.type = call->arguments[0].type};
    int64_t next = from;
    while (next_ordinal(call, item.type, next, &item.integer) && item.integer <= to) {
        TRY(kernel_push(call, &items, &item));
        next = item.integer + 1;
    }
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status all_row(struct func_call *call, uint32_t row, struct datum *result)
{
    (void)row;
    return list_between(call, INT32_MIN, INT32_MAX, result);
}

static tdbplus_status between_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct datum from;
    struct datum to;
    column_get(&call->arguments[0], row, &from);
    column_get(&call->arguments[1], row, &to);
    return list_between(call, from.is_null ? INT32_MIN : from.integer,
                        to.is_null ? INT32_MAX : to.integer, result);
}

ROW_KERNEL(first)
ROW_KERNEL(last)
ROW_KERNEL(all)
ROW_KERNEL(between)

#define OF_TYPE (FUNC_STABLE | FUNC_CALLED_ON_NULL)

const struct func table_enum[] = {
    {"enum_first",
     1,
     {FUNC_ANY_ENUM},
     FUNC_ANY_ENUM,
     OF_TYPE,
     first,
     "The first value of the argument's type."},
    {"enum_last",
     1,
     {FUNC_ANY_ENUM},
     FUNC_ANY_ENUM,
     OF_TYPE,
     last,
     "The last value of the argument's type."},
    {"enum_range",
     1,
     {FUNC_ANY_ENUM},
     FUNC_ANY_ARRAY,
     OF_TYPE,
     all,
     "All values of the argument's type, in order."},
    {"enum_range",
     2,
     {FUNC_ANY_ENUM, FUNC_ANY_ENUM},
     FUNC_ANY_ARRAY,
     OF_TYPE,
     between,
     "The values between the two; null: from the first, to the last."},
    FUNC_END,
};
