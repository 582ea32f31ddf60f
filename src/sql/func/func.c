#include "sql/func/func.h"

#include <string.h>

#include "sql/func/kernel.h"

tdbplus_status kernel_out_of_range(struct func_call *call, const char *type)
{
    return err_set(call->err, TDBPLUS_E_RANGE, "%s out of range", type);
}

tdbplus_status kernel_division_by_zero(struct func_call *call)
{
    return err_set_state(call->err, TDBPLUS_E_SQL, "22012", "division by zero");
}

tdbplus_status kernel_no_memory(struct func_call *call)
{
    return err_set(call->err, TDBPLUS_E_NOMEM, "out of memory in function %s", call->func->name);
}

/* True when some row of the column may be null. */
static bool may_be_null(const struct column *column)
{
    return column->validity != NULL ||
           (column->form == COLUMN_DICTIONARY && column->dictionary->validity != NULL);
}

static tdbplus_status constant_null(struct type type, struct func_call *call,
                                    struct column *result_out)
{
    struct datum null = {.type = type, .is_null = true};
    if (!column_make_constant(result_out, &null, 1, call->arena)) {
        return kernel_no_memory(call);
    }
    return TDBPLUS_OK;
}

/* Dictionaries become flat, so that kernels have two forms to deal with. */
static tdbplus_status plain_arguments(struct func_call *call, uint32_t row_count,
                                      bool *all_constant_out)
{
    struct column *plain = arena_array(call->arena, call->argument_count + 1, sizeof *plain);
    if (plain == NULL) {
        return kernel_no_memory(call);
    }
    bool all_constant = true;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        plain[i] = call->arguments[i];
        all_constant = all_constant && plain[i].form == COLUMN_CONSTANT;
        if (plain[i].form == COLUMN_DICTIONARY &&
            !column_flatten(&call->arguments[i], NULL, row_count, &plain[i], call->arena)) {
            return kernel_no_memory(call);
        }
    }
    call->arguments = plain;
    *all_constant_out = all_constant;
    return TDBPLUS_OK;
}

/* Leaves out the rows in which an argument is null, and marks them in the result. */
static tdbplus_status skip_nulls(struct func_call *call)
{
    uint16_t *rows = arena_alloc(call->arena, (size_t)call->count * sizeof *rows);
    if (rows == NULL) {
        return kernel_no_memory(call);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        bool null = false;
        for (uint32_t a = 0; a < call->argument_count; a++) {
            null = null || column_is_null(&call->arguments[a], row);
        }
        if (null) {
            kernel_set_null(call, row);
        } else {
            rows[kept++] = (uint16_t)row;
        }
    }
    call->rows = rows;
    call->count = kept;
    return TDBPLUS_OK;
}

/* Runs the kernel over the rows; `call` has everything but the result. */
static tdbplus_status run_kernel(struct func_call *call, struct type result_type,
                                 uint32_t row_count, struct column *result_out)
{
    bool strict = (call->func->flags & FUNC_CALLED_ON_NULL) == 0;
    bool nulls = false;
    for (uint32_t i = 0; i < call->argument_count; i++) {
        nulls = nulls || may_be_null(&call->arguments[i]);
    }
    bool with_validity = (strict && nulls) || (call->func->flags & FUNC_NULLABLE) != 0;
    struct column result = {0};
    if (!column_make(&result, result_type, row_count, with_validity, call->arena)) {
        return kernel_no_memory(call);
    }
    call->result = &result;
    tdbplus_status status = TDBPLUS_OK;
    if (strict && nulls) {
        status = skip_nulls(call);
    }
    if (status == TDBPLUS_OK && call->count > 0) {
        status = call->func->kernel(call);
    }
    call->result = NULL;
    if (status == TDBPLUS_OK) {
        *result_out = result;
    }
    return status;
}

tdbplus_status func_apply(const struct func *func, struct type result_type,
                          const struct column *arguments, uint32_t argument_count,
                          const struct func_rows *rows, struct func_call *call,
                          struct column *result_out)
{
    call->func = func;
    call->arguments = arguments;
    call->argument_count = argument_count;
    call->rows = rows->rows;
    call->count = rows->count;
    bool all_constant = false;
    TRY(plain_arguments(call, rows->row_count, &all_constant));
    bool strict = (func->flags & FUNC_CALLED_ON_NULL) == 0;
    for (uint32_t i = 0; strict && i < argument_count; i++) {
        if (call->arguments[i].form == COLUMN_CONSTANT && column_is_null(&call->arguments[i], 0)) {
            TRY(constant_null(result_type, call, result_out));
            result_out->row_count = rows->row_count;
            return TDBPLUS_OK;
        }
    }
    if (!all_constant || (func->flags & FUNC_VOLATILE) != 0) {
        return run_kernel(call, result_type, rows->row_count, result_out);
    }
    call->rows = NULL;
    call->count = 1;
    struct column one = {0};
    TRY(run_kernel(call, result_type, 1, &one));
    one.form = COLUMN_CONSTANT;
    one.row_count = rows->row_count;
    *result_out = one;
    return TDBPLUS_OK;
}

tdbplus_status func_apply_once(const struct func *func, struct type result_type,
                               const struct datum *arguments, uint32_t argument_count,
                               struct arena *arena, struct func_context *context,
                               struct datum *result_out, struct err *err)
{
    struct func_call call = {.func = func, .arena = arena, .context = context, .err = err};
    struct column *columns = arena_array(arena, (size_t)argument_count + 1, sizeof *columns);
    if (columns == NULL) {
        return kernel_no_memory(&call);
    }
    for (uint32_t i = 0; i < argument_count; i++) {
        if (!column_make_constant(&columns[i], &arguments[i], 1, arena)) {
            return kernel_no_memory(&call);
        }
    }
    struct func_rows rows = {.count = 1, .row_count = 1};
    // In the arena, because short strings lie inside the column itself.
    struct column *result = &columns[argument_count];
    TRY(func_apply(func, result_type, columns, argument_count, &rows, &call, result));
    column_get(result, 0, result_out);
    return TDBPLUS_OK;
}
