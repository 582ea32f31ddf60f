/* Sequences: what they are is known to the layer above (struct func_sequences). */

#include <string.h>

#include "sql/func/text_kernel.h"

static tdbplus_status sequences_of(struct func_call *call, const struct func_sequences **out)
{
    *out = call->context == NULL ? NULL : call->context->sequences;
    return *out != NULL ? TDBPLUS_OK
                        : err_set(call->err, TDBPLUS_E_UNSUPPORTED, "sequences are not known here");
}

/* The sequence of a row's first argument: its number, or a name. */
static tdbplus_status oid_of(struct func_call *call, const struct func_sequences *sequences,
                             uint32_t row, uint64_t *oid_out)
{
    struct datum value;
    column_get(&call->arguments[0], row, &value);
    if (value.type.id != TYPE_TEXT) {
        *oid_out = (uint64_t)value.integer;
        return TDBPLUS_OK;
    }
    return sequences->find(sequences->ctx, value.bytes, oid_out, call->err);
}

/* All numbers of a batch at once. */
static tdbplus_status next_of_one(struct func_call *call, const struct func_sequences *sequences)
{
    int64_t *result = call->result->data;
    int64_t *values = arena_array(call->arena, call->count, sizeof *values);
    uint64_t oid = 0;
    if (values == NULL) {
        return kernel_no_memory(call);
    }
    TRY(oid_of(call, sequences, 0, &oid));
    TRY(sequences->next(sequences->ctx, oid, call->count, values, call->err));
    for (uint32_t i = 0; i < call->count; i++) {
        result[kernel_row(call, i)] = values[i];
    }
    return TDBPLUS_OK;
}

static tdbplus_status next_value(struct func_call *call)
{
    const struct func_sequences *sequences = NULL;
    int64_t *result = call->result->data;
    TRY(sequences_of(call, &sequences));
    if (call->count > 1 && call->arguments[0].form == COLUMN_CONSTANT) {
        return next_of_one(call, sequences);
    }
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        uint64_t oid = 0;
        TRY(oid_of(call, sequences, row, &oid));
        TRY(sequences->next(sequences->ctx, oid, 1, &result[row], call->err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status current_value(struct func_call *call)
{
    const struct func_sequences *sequences = NULL;
    int64_t *result = call->result->data;
    TRY(sequences_of(call, &sequences));
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        uint64_t oid = 0;
        TRY(call->argument_count == 0 ? TDBPLUS_OK : oid_of(call, sequences, row, &oid));
        TRY(sequences->current(sequences->ctx, oid, &result[row], call->err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status set_value(struct func_call *call)
{
    const struct func_sequences *sequences = NULL;
    int64_t *result = call->result->data;
    TRY(sequences_of(call, &sequences));
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        uint64_t oid = 0;
        struct datum value;
        struct datum called = {.boolean = true};
        column_get(&call->arguments[1], row, &value);
        if (call->argument_count == 3) {
            column_get(&call->arguments[2], row, &called);
        }
        TRY(oid_of(call, sequences, row, &oid));
        TRY(sequences->set(sequences->ctx, oid, value.integer, called.boolean, call->err));
        result[row] = value.integer;
    }
    return TDBPLUS_OK;
}

static tdbplus_status serial_sequence(struct func_call *call)
{
    const struct func_sequences *sequences = NULL;
    TRY(sequences_of(call, &sequences));
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct datum table;
        struct datum column;
        char *name = (char *)arena_bytes(call->arena, FUNC_SERIAL_NAME_SIZE);
        if (name == NULL) {
            return kernel_no_memory(call);
        }
        column_get(&call->arguments[0], row, &table);
        column_get(&call->arguments[1], row, &column);
        TRY(sequences->serial(sequences->ctx, table.bytes, column.bytes, name, call->err));
        struct datum value = {.type = type_of(TYPE_TEXT), .bytes = span_from_text(name)};
        if (name[0] == 0) {
            kernel_set_null(call, row);
        } else {
            column_set(call->result, row, &value);
        }
    }
    return TDBPLUS_OK;
}

#define LINE(NAME, COUNT, RESULT, KERNEL, SUMMARY, ...)                    \
    {                                                                      \
        NAME, COUNT, {__VA_ARGS__}, RESULT, FUNC_VOLATILE, KERNEL, SUMMARY \
    }

const struct func table_sequence[] = {
    LINE("nextval", 1, TYPE_INT8, next_value, "The next number.", TYPE_TEXT),
    LINE("nextval", 1, TYPE_INT8, next_value, "The next number.", TYPE_INT8),
    LINE("currval", 1, TYPE_INT8, current_value, "What this session got last.", TYPE_TEXT),
    LINE("currval", 1, TYPE_INT8, current_value, "What this session got last.", TYPE_INT8),
    LINE("lastval", 0, TYPE_INT8, current_value, "What this session got last of any.", 0),
    LINE("setval", 2, TYPE_INT8, set_value, "Sets the last number.", TYPE_TEXT, TYPE_INT8),
    LINE("setval", 2, TYPE_INT8, set_value, "Sets the last number.", TYPE_INT8, TYPE_INT8),
    LINE("setval", 3, TYPE_INT8, set_value, "With false: sets the next number.", TYPE_TEXT,
         TYPE_INT8, TYPE_BOOL),
    LINE("setval", 3, TYPE_INT8, set_value, "With false: sets the next number.", TYPE_INT8,
         TYPE_INT8, TYPE_BOOL),
    {"pg_get_serial_sequence",
     2,
     {TYPE_TEXT, TYPE_TEXT},
     TYPE_TEXT,
     FUNC_VOLATILE | FUNC_NULLABLE,
     serial_sequence,
     "Name of the sequence that belongs to a table's column."},
    FUNC_END,
};
