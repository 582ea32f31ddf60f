/* Documents as SQL values: casts of scalars, and the columns of json_to_record() and the like. */

#include <math.h>
#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/json_record.h"
#include "sql/func/json_value.h"
#include "types/numeric.h"

/* ---- casts ---- */

static tdbplus_status wrong_kind(struct func_call *call, enum json_kind kind, struct type type)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOLEAN] = "boolean", [JSON_NUMBER] = "numeric",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",     [JSON_OBJECT] = "object"};
    char name[64];
    func_type_name(type, name);
    return kernel_error(call, "22023", "cannot cast jsonb %s to type %s", names[kind], name);
}

static tdbplus_status to_boolean_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    if (json_kind(document) != JSON_BOOLEAN) {
        return wrong_kind(call, json_kind(document), result->type);
    }
    result->boolean = json_boolean(document);
    return TDBPLUS_OK;
}

ROW_KERNEL(to_boolean)

static tdbplus_status fit_number(struct func_call *call, struct span number, struct datum *result)
{
    struct type type = result->type;
    switch (type.id) {
    case TYPE_INT2:
        return numeric_to_integer(number, INT16_MIN, INT16_MAX, &result->integer, call->err);
    case TYPE_INT4:
        return numeric_to_integer(number, INT32_MIN, INT32_MAX, &result->integer, call->err);
    case TYPE_INT8:
        return numeric_to_integer(number, INT64_MIN, INT64_MAX, &result->integer, call->err);
    default:
        result->real = numeric_to_float8(number);
        if (type.id == TYPE_FLOAT4) {
            result->real = (double)(float)result->real;
        }
        return isinf(result->real)
                   ? kernel_out_of_range(call, type.id == TYPE_FLOAT4 ? "real" : "double precision")
                   : TDBPLUS_OK;
    }
}

static tdbplus_status to_number_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    if (json_kind(document) != JSON_NUMBER) {
        return wrong_kind(call, json_kind(document), result->type);
    }
    struct buffer number = {.alloc = call->arena->alloc};
    json_numeric(document, &number);
    tdbplus_status status = number.failed ? kernel_no_memory(call) : TDBPLUS_OK;
    if (status == TDBPLUS_OK && result->type.id == TYPE_NUMERIC) {
        status = kernel_keep(call, &number, result);
    } else if (status == TDBPLUS_OK) {
        status = fit_number(call, buffer_span(&number), result);
    }
    buffer_deinit(&number);
    return status;
}

ROW_KERNEL(to_number)

#define E FUNC_CAST_EXPLICIT

const struct cast_line table_casts_json[] = {
    CAST(TYPE_JSON, TYPE_BOOL, E, "bool", to_boolean),
    CAST(TYPE_JSON, TYPE_INT2, E, "int2", to_number),
    CAST(TYPE_JSON, TYPE_INT4, E, "int4", to_number),
    CAST(TYPE_JSON, TYPE_INT8, E, "int8", to_number),
    CAST(TYPE_JSON, TYPE_FLOAT4, E, "float4", to_number),
    CAST(TYPE_JSON, TYPE_FLOAT8, E, "float8", to_number),
    CAST(TYPE_JSON, TYPE_NUMERIC, E, "numeric", to_number),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

/* ---- columns of records ---- */

/* A member as a value of the column's type, by way of its text unless it is a document. */
static tdbplus_status read_member(struct func_call *call, struct span member, struct type type,
                                  struct datum *value)
{
    *value = (struct datum){.type = type, .is_null = json_kind(member) == JSON_NULL};
    if (value->is_null) {
        return TDBPLUS_OK;
    }
    if (type.id == TYPE_JSON) {
        value->bytes = member;
        return TDBPLUS_OK;
    }
    if (json_kind(member) == JSON_STRING) {
        return func_read(json_string(member), type, call->arena, value, call->err);
    }
    struct buffer text = {.alloc = call->arena->alloc};
    json_print(member, &text);
    tdbplus_status status =
        text.failed ? kernel_no_memory(call)
                    : func_read(buffer_span(&text), type, call->arena, value, call->err);
    buffer_deinit(&text);
    return status;
}

/* The names are "json_to_record column" and so on: what is before the blank is what was called. */
static int called_size(const struct func_call *call)
{
    return (int)strcspn(call->func->name, " ");
}

static tdbplus_status check_record(struct func_call *call, struct span document, bool set)
{
    enum json_kind kind = json_kind(document);
    if (set && kind != JSON_ARRAY) {
        return kernel_error(call, "22023", "cannot call %.*s on a non-array", called_size(call),
                            call->func->name);
    }
    if (!set && kind != JSON_OBJECT) {
        return kernel_error(call, "22023", "cannot call populate_composite on %s",
                            kind == JSON_ARRAY ? "an array" : "a scalar");
    }
    return TDBPLUS_OK;
}

/* One column of all records, as an array. */
static tdbplus_status record_column(struct func_call *call, uint32_t row, bool set,
                                    struct datum *result)
{
    struct span document = text_argument(call, 0, row);
    struct span key = text_argument(call, 1, row);
    struct type type = type_element(result->type);
    struct kernel_items items = {0};
    TRY(check_record(call, document, set));
    uint32_t count = set ? json_count(document) : 1;
    for (uint32_t i = 0; i < count; i++) {
        struct span record = set ? json_item(document, i) : document;
        struct span member = {0};
        struct datum value = {.type = type, .is_null = true};
        if (json_kind(record) != JSON_OBJECT) {
            return kernel_error(call, "22023", "argument of %.*s must be an array of objects",
                                called_size(call), call->func->name);
        }
        if (json_get(record, key, &member)) {
            TRY(read_member(call, member, type, &value));
        }
        TRY(kernel_push(call, &items, &value));
    }
    return kernel_list_result(call, items.items, items.count, result);
}

static tdbplus_status one_record_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return record_column(call, row, false, result);
}

static tdbplus_status all_records_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return record_column(call, row, true, result);
}

ROW_KERNEL(one_record)
ROW_KERNEL(all_records)

#define RECORD(NAME, KERNEL)                                                               \
    {                                                                                      \
        NAME " column", 2, {TYPE_JSON, TYPE_TEXT}, FUNC_ANY, FUNC_SET, KERNEL, "A column." \
    }

static const struct func records[] = {
    RECORD("json_to_record", one_record),
    RECORD("jsonb_to_record", one_record),
    RECORD("json_to_recordset", all_records),
    RECORD("jsonb_to_recordset", all_records),
};

const struct func *func_record_column(const char *name)
{
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        size_t size = strcspn(records[i].name, " ");
        if (strlen(name) == size && memcmp(records[i].name, name, size) == 0) {
            return &records[i];
        }
    }
    return NULL;
}
