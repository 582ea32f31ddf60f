/* x op ANY (array), x op ALL (array). */

#include "sql/exec/exec_internal.h"
#include "types/array.h"

/* What is known about a row: ANY is settled by a true, ALL by a false. */
struct verdict {
    bool settled;
    bool unknown;
};

static tdbplus_status compare_items(const struct eval *eval, const struct expr *expr,
                                    struct column *sides, const struct func_rows *rows,
                                    struct column *column_out)
{
    struct func_call call = {
        .arena = eval->arena, .context = eval->exec->context, .err = eval->exec->call->err};
    return func_apply(expr->func, type_of(TYPE_BOOL), sides, 2, rows, &call, column_out);
}

static void judge(const struct column *answers, uint32_t row, bool settling,
                  struct verdict *verdict)
{
    struct datum answer;
    column_get(answers, row, &answer);
    verdict->unknown = verdict->unknown || answer.is_null;
    verdict->settled = verdict->settled || (!answer.is_null && answer.boolean == settling);
}

/* One row: its value against all items of its array. */
static tdbplus_status judge_row(const struct eval *eval, const struct expr *expr,
                                const struct datum *value, const struct array *array,
                                struct verdict *verdict)
{
    for (uint32_t from = 0; from < array->count && !verdict->settled; from += BATCH_ROW_COUNT_MAX) {
        uint32_t left = array->count - from;
        uint32_t count = left > BATCH_ROW_COUNT_MAX ? BATCH_ROW_COUNT_MAX : left;
        struct column sides[2];
        struct column answers = {0};
        if (!column_make_constant(&sides[0], value, count, eval->arena) ||
            !column_make(&sides[1], array->element, count, true, eval->arena)) {
            return exec_no_memory(eval->exec);
        }
        for (uint32_t i = 0; i < count; i++) {
            struct datum item;
            array_get(array, from + i, &item);
            column_set(&sides[1], i, &item);
        }
        struct func_rows rows = {.count = count, .row_count = count};
        TRY(compare_items(eval, expr, sides, &rows, &answers));
        for (uint32_t i = 0; i < count; i++) {
            judge(&answers, i, !expr->negated, verdict);
        }
    }
    return TDBPLUS_OK;
}

static void put_verdict(struct column *result, uint32_t row, bool all,
                        const struct verdict *verdict)
{
    struct datum answer = {.type = type_of(TYPE_BOOL),
                           .is_null = !verdict->settled && verdict->unknown,
                           .boolean = verdict->settled != all};
    column_set(result, row, &answer);
}

/* One array for all rows: an item at a time against the column. */
static tdbplus_status judge_column(const struct eval *eval, const struct expr *expr,
                                   const struct column *values, const struct array *array,
                                   const struct func_rows *rows, struct column *result)
{
    struct verdict *verdicts = arena_array(eval->arena, rows->row_count + 1u, sizeof *verdicts);
    if (verdicts == NULL) {
        return exec_no_memory(eval->exec);
    }
    for (uint32_t i = 0; i < array->count; i++) {
        struct column sides[2] = {*values};
        struct column answers = {0};
        struct datum item;
        array_get(array, i, &item);
        if (!column_make_constant(&sides[1], &item, rows->row_count, eval->arena)) {
            return exec_no_memory(eval->exec);
        }
        TRY(compare_items(eval, expr, sides, rows, &answers));
        for (uint32_t r = 0; r < rows->count; r++) {
            uint32_t row = rows_at(rows, r);
            judge(&answers, row, !expr->negated, &verdicts[row]);
        }
    }
    for (uint32_t r = 0; r < rows->count; r++) {
        uint32_t row = rows_at(rows, r);
        put_verdict(result, row, expr->negated, &verdicts[row]);
    }
    return TDBPLUS_OK;
}

static tdbplus_status judge_rows(const struct eval *eval, const struct expr *expr,
                                 const struct column *sides, const struct func_rows *rows,
                                 struct column *result)
{
    for (uint32_t r = 0; r < rows->count; r++) {
        uint32_t row = rows_at(rows, r);
        struct verdict verdict = {0};
        struct datum value;
        struct datum encoded;
        column_get(&sides[0], row, &value);
        column_get(&sides[1], row, &encoded);
        verdict.unknown = encoded.is_null;
        if (!encoded.is_null) {
            struct array array;
            TRY(array_open(encoded.bytes, encoded.type, &array, eval->exec->call->err));
            TRY(judge_row(eval, expr, &value, &array, &verdict));
        }
        put_verdict(result, row, expr->negated, &verdict);
    }
    return TDBPLUS_OK;
}

tdbplus_status eval_array_any(const struct eval *eval, const struct expr *expr,
                              const struct func_rows *rows, struct column *column_out)
{
    struct column *sides = arena_array(eval->arena, 2, sizeof *sides);
    struct column result = {0};
    if (sides == NULL) {
        return exec_no_memory(eval->exec);
    }
    TRY(eval_expr(eval, expr->arguments[0], rows, &sides[0]));
    TRY(eval_expr(eval, expr->arguments[1], rows, &sides[1]));
    if (!column_make(&result, type_of(TYPE_BOOL), rows->row_count, true, eval->arena)) {
        return exec_no_memory(eval->exec);
    }
    struct array array;
    bool one_array = sides[1].form == COLUMN_CONSTANT && !column_is_null(&sides[1], 0);
    if (one_array) {
        struct datum encoded;
        column_get(&sides[1], 0, &encoded);
        TRY(array_open(encoded.bytes, encoded.type, &array, eval->exec->call->err));
    }
    if (one_array && array.count < rows->count) {
        TRY(judge_column(eval, expr, &sides[0], &array, rows, &result));
    } else {
        TRY(judge_rows(eval, expr, sides, rows, &result));
    }
    *column_out = result;
    return TDBPLUS_OK;
}
