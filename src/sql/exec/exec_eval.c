/* Expressions over batches. A node is computed for the rows listed and no others, so that a CASE or
 * an AND protects what comes after it. */

#include <string.h>

#include "sql/exec/exec_decimal.h"
#include "sql/exec/exec_internal.h"
#include "sql/parse/ast.h"

static tdbplus_status no_memory(const struct eval *eval)
{
    return exec_no_memory(eval->exec);
}

static bool make_bool(const struct eval *eval, uint32_t row_count, struct column *column)
{
    return column_make(column, type_of(TYPE_BOOL), row_count, true, eval->arena);
}

static void set_bool(struct column *column, uint32_t row, bool value)
{
    ((uint8_t *)column->data)[row] = value;
}

static void set_null(struct column *column, uint32_t row)
{
    column->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
}

/* A boolean of a column of any form that is not null. */
static bool get_bool(const struct column *column, uint32_t row)
{
    if (column->form == COLUMN_DICTIONARY) {
        return ((const uint8_t *)column->dictionary->data)[column->codes[row]] != 0;
    }
    return ((const uint8_t *)column->data)[column->form == COLUMN_CONSTANT ? 0 : row] != 0;
}

static tdbplus_status eval_constant(const struct eval *eval, const struct datum *value,
                                    const struct func_rows *rows, struct column *column_out)
{
    return column_make_constant(column_out, value, rows->row_count, eval->arena) ? TDBPLUS_OK
                                                                                 : no_memory(eval);
}

static tdbplus_status eval_parameter(const struct eval *eval, const struct expr *expr,
                                     const struct func_rows *rows, struct column *column_out)
{
    if (expr->number >= eval->exec->parameter_count) {
        return err_set_state(eval->exec->call->err, TDBPLUS_E_SQL, "08P01",
                             "no value was given for parameter $%u", expr->number + 1);
    }
    return eval_constant(eval, &eval->exec->parameters[expr->number], rows, column_out);
}

static tdbplus_status eval_outer(const struct eval *eval, const struct expr *expr,
                                 const struct func_rows *rows, struct column *column_out)
{
    for (const struct outer_value *value = eval->exec->outer; value != NULL; value = value->next) {
        if (value->id == expr->number) {
            return eval_constant(eval, &value->value, rows, column_out);
        }
    }
    return err_set(eval->exec->call->err, TDBPLUS_E_INTERNAL,
                   "column #%u is in no row (exec_eval.c)", expr->number);
}

static tdbplus_status apply(const struct eval *eval, const struct func *func, struct type type,
                            const struct column *arguments, uint32_t count,
                            const struct func_rows *rows, struct column *column_out)
{
    struct func_call call = {
        .arena = eval->arena, .context = eval->exec->context, .err = eval->exec->call->err};
    return func_apply(func, type, arguments, count, rows, &call, column_out);
}

static tdbplus_status eval_arguments(const struct eval *eval, const struct expr *expr,
                                     const struct func_rows *rows, struct column **columns_out)
{
    struct column *columns = arena_array(eval->arena, expr->argument_count + 1u, sizeof *columns);
    if (columns == NULL) {
        return no_memory(eval);
    }
    for (uint32_t i = 0; i < expr->argument_count; i++) {
        TRY(eval_expr(eval, expr->arguments[i], rows, &columns[i]));
    }
    *columns_out = columns;
    return TDBPLUS_OK;
}

static tdbplus_status eval_call(const struct eval *eval, const struct expr *expr,
                                const struct func_rows *rows, struct column *column_out)
{
    struct column *arguments = NULL;
    bool fits = false;
    if (expr->compiled != NULL) {
        TRY(decimal_compare(eval, expr->compiled, rows, column_out, &fits));
    }
    if (fits) {
        return TDBPLUS_OK;
    }
    TRY(eval_arguments(eval, expr, rows, &arguments));
    return apply(eval, expr->func, expr->type, arguments, expr->argument_count, rows, column_out);
}

/* A copy of the row list that may be shortened. */
static uint16_t *copy_rows(const struct eval *eval, const struct func_rows *rows)
{
    uint16_t *copy = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *copy);
    for (uint32_t i = 0; copy != NULL && i < rows->count; i++) {
        copy[i] = (uint16_t)rows_at(rows, i);
    }
    return copy;
}

/* AND and OR: a row whose answer is settled is not asked again; nulls leave it open. */
static tdbplus_status eval_junction(const struct eval *eval, const struct expr *expr,
                                    const struct func_rows *rows, struct column *column_out)
{
    bool settled = expr->kind == EXPR_OR;
    struct column result = {0};
    uint16_t *open = copy_rows(eval, rows);
    if (open == NULL || !make_bool(eval, rows->row_count, &result)) {
        return no_memory(eval);
    }
    struct func_rows rest = {.rows = open, .count = rows->count, .row_count = rows->row_count};
    for (uint32_t i = 0; i < rows->count; i++) {
        set_bool(&result, open[i], !settled);
    }
    for (uint32_t a = 0; a < expr->argument_count && rest.count > 0; a++) {
        struct column value = {0};
        TRY(eval_expr(eval, expr->arguments[a], &rest, &value));
        uint32_t kept = 0;
        for (uint32_t i = 0; i < rest.count; i++) {
            uint16_t row = open[i];
            if (column_is_null(&value, row)) {
                set_null(&result, row);
                open[kept++] = row;
            } else if (get_bool(&value, row) == settled) {
                set_bool(&result, row, settled);
                result.validity[row / 64] |= (uint64_t)1 << (row % 64);
            } else {
                open[kept++] = row;
            }
        }
        rest.count = kept;
    }
    *column_out = result;
    return TDBPLUS_OK;
}

/* Copies values of listed rows from one column to the same rows of another. */
static void take_rows(const struct column *from, const uint16_t *rows, uint32_t count,
                      struct column *to)
{
    for (uint32_t i = 0; i < count; i++) {
        struct datum value;
        column_get(from, rows[i], &value);
        if (value.is_null) {
            set_null(to, rows[i]);
        } else {
            value.type = to->type;
            column_set(to, rows[i], &value);
        }
    }
}

static tdbplus_status eval_case(const struct eval *eval, const struct expr *expr,
                                const struct func_rows *rows, struct column *column_out)
{
    struct column result = {0};
    uint16_t *open = copy_rows(eval, rows);
    uint16_t *taken = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *taken);
    if (open == NULL || taken == NULL ||
        !column_make(&result, expr->type, rows->row_count, true, eval->arena)) {
        return no_memory(eval);
    }
    struct func_rows rest = {.rows = open, .count = rows->count, .row_count = rows->row_count};
    for (uint32_t a = 0; a + 1 < expr->argument_count && rest.count > 0; a += 2) {
        struct column condition = {0};
        TRY(eval_expr(eval, expr->arguments[a], &rest, &condition));
        uint32_t kept = 0;
        uint32_t taken_count = 0;
        for (uint32_t i = 0; i < rest.count; i++) {
            bool yes = !column_is_null(&condition, open[i]) && get_bool(&condition, open[i]);
            if (yes) {
                taken[taken_count++] = open[i];
            } else {
                open[kept++] = open[i];
            }
        }
        rest.count = kept;
        if (taken_count > 0) {
            struct func_rows now = {taken, taken_count, rows->row_count};
            struct column value = {0};
            TRY(eval_expr(eval, expr->arguments[a + 1], &now, &value));
            take_rows(&value, taken, taken_count, &result);
        }
    }
    if (rest.count > 0) {
        struct column value = {0};
        TRY(eval_expr(eval, expr->arguments[expr->argument_count - 1], &rest, &value));
        take_rows(&value, open, rest.count, &result);
    }
    *column_out = result;
    return TDBPLUS_OK;
}

static tdbplus_status eval_coalesce(const struct eval *eval, const struct expr *expr,
                                    const struct func_rows *rows, struct column *column_out)
{
    struct column result = {0};
    uint16_t *open = copy_rows(eval, rows);
    uint16_t *taken = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *taken);
    if (open == NULL || taken == NULL ||
        !column_make(&result, expr->type, rows->row_count, true, eval->arena)) {
        return no_memory(eval);
    }
    struct func_rows rest = {.rows = open, .count = rows->count, .row_count = rows->row_count};
    for (uint32_t a = 0; a < expr->argument_count && rest.count > 0; a++) {
        struct column value = {0};
        TRY(eval_expr(eval, expr->arguments[a], &rest, &value));
        uint32_t kept = 0;
        uint32_t taken_count = 0;
        for (uint32_t i = 0; i < rest.count; i++) {
            if (column_is_null(&value, open[i])) {
                open[kept++] = open[i];
            } else {
                taken[taken_count++] = open[i];
            }
        }
        take_rows(&value, taken, taken_count, &result);
        rest.count = kept;
    }
    for (uint32_t i = 0; i < rest.count; i++) {
        set_null(&result, open[i]);
    }
    *column_out = result;
    return TDBPLUS_OK;
}

static tdbplus_status eval_extreme(const struct eval *eval, const struct expr *expr,
                                   const struct func_rows *rows, struct column *column_out)
{
    int sign = expr->kind == EXPR_LEAST ? -1 : 1;
    struct column *arguments = NULL;
    struct column result = {0};
    TRY(eval_arguments(eval, expr, rows, &arguments));
    if (!column_make(&result, expr->type, rows->row_count, true, eval->arena)) {
        return no_memory(eval);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        struct datum best = {.is_null = true};
        for (uint32_t a = 0; a < expr->argument_count; a++) {
            struct datum value;
            column_get(&arguments[a], row, &value);
            if (!value.is_null && (best.is_null || sign * datum_compare(&value, &best) > 0)) {
                best = value;
            }
        }
        if (best.is_null) {
            set_null(&result, row);
        } else {
            best.type = result.type;
            column_set(&result, row, &best);
        }
    }
    *column_out = result;
    return TDBPLUS_OK;
}

/* NULLIF and IS DISTINCT FROM: both begin with the equality of two values. */
static tdbplus_status eval_pair(const struct eval *eval, const struct expr *expr,
                                const struct func_rows *rows, struct column *column_out)
{
    struct column *sides = NULL;
    struct column equal = {0};
    struct column result = {0};
    TRY(eval_arguments(eval, expr, rows, &sides));
    TRY(apply(eval, expr->func, type_of(TYPE_BOOL), sides, 2, rows, &equal));
    if (!column_make(&result, expr->type, rows->row_count, true, eval->arena)) {
        return no_memory(eval);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        bool left_null = column_is_null(&sides[0], row);
        bool right_null = column_is_null(&sides[1], row);
        bool same = left_null || right_null ? left_null && right_null : get_bool(&equal, row);
        if (expr->kind == EXPR_DISTINCT) {
            set_bool(&result, row, same == expr->negated);
        } else if (left_null || (!right_null && same)) {
            set_null(&result, row);
        } else {
            struct datum value;
            column_get(&sides[0], row, &value);
            column_set(&result, row, &value);
        }
    }
    *column_out = result;
    return TDBPLUS_OK;
}

static bool truth_of(uint32_t kind, bool null, bool value)
{
    switch ((enum ast_truth_kind)kind) {
    case AST_IS_TRUE:
        return !null && value;
    case AST_IS_NOT_TRUE:
        return null || !value;
    case AST_IS_FALSE:
        return !null && !value;
    case AST_IS_NOT_FALSE:
        return null || value;
    case AST_IS_UNKNOWN:
        return null;
    case AST_IS_NOT_UNKNOWN:
        return !null;
    }
    return false;
}

static tdbplus_status eval_test(const struct eval *eval, const struct expr *expr,
                                const struct func_rows *rows, struct column *column_out)
{
    struct column value = {0};
    struct column result = {0};
    TRY(eval_expr(eval, expr->arguments[0], rows, &value));
    if (!column_make(&result, type_of(TYPE_BOOL), rows->row_count, false, eval->arena)) {
        return no_memory(eval);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        bool null = column_is_null(&value, row);
        bool answer = expr->kind == EXPR_IS_NULL
                          ? null != expr->negated
                          : truth_of(expr->number, null, !null && get_bool(&value, row));
        set_bool(&result, row, answer);
    }
    *column_out = result;
    return TDBPLUS_OK;
}

/* x IN (a, b, ...): true once one is equal, else null if any comparison was. */
static tdbplus_status eval_any_of(const struct eval *eval, const struct expr *expr,
                                  const struct func_rows *rows, struct column *column_out)
{
    struct column sides[2] = {0};
    struct column result = {0};
    uint16_t *open = copy_rows(eval, rows);
    TRY(eval_expr(eval, expr->arguments[0], rows, &sides[0]));
    if (open == NULL || !make_bool(eval, rows->row_count, &result)) {
        return no_memory(eval);
    }
    struct func_rows rest = {.rows = open, .count = rows->count, .row_count = rows->row_count};
    for (uint32_t i = 0; i < rows->count; i++) {
        set_bool(&result, open[i], false);
    }
    for (uint32_t a = 1; a < expr->argument_count && rest.count > 0; a++) {
        struct column equal = {0};
        TRY(eval_expr(eval, expr->arguments[a], &rest, &sides[1]));
        TRY(apply(eval, expr->func, type_of(TYPE_BOOL), sides, 2, &rest, &equal));
        uint32_t kept = 0;
        for (uint32_t i = 0; i < rest.count; i++) {
            uint16_t row = open[i];
            bool null = column_is_null(&equal, row);
            if (!null && get_bool(&equal, row)) {
                set_bool(&result, row, true);
                result.validity[row / 64] |= (uint64_t)1 << (row % 64);
                continue;
            }
            if (null) {
                set_null(&result, row);
            }
            open[kept++] = row;
        }
        rest.count = kept;
    }
    *column_out = result;
    return TDBPLUS_OK;
}

static tdbplus_status check_domain(const struct eval *eval, const struct expr_domain *domain,
                                   uint32_t number, const struct func_rows *rows)
{
    struct column holds = {0};
    TRY(eval_expr(eval, domain->checks[number], rows, &holds));
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        if (!column_is_null(&holds, row) && !get_bool(&holds, row)) {
            return err_set(eval->exec->call->err, TDBPLUS_E_CONSTRAINT,
                           "value for domain %s violates check constraint \"%s\"", domain->name,
                           domain->check_names[number]);
        }
    }
    return TDBPLUS_OK;
}

/* The value goes on if it may be of the domain. */
static tdbplus_status eval_domain(const struct eval *eval, const struct expr *expr,
                                  const struct func_rows *rows, struct column *column_out)
{
    const struct expr_domain *domain = expr->domain;
    struct column value = {0};
    TRY(eval_expr(eval, expr->arguments[0], rows, &value));
    for (uint32_t i = 0; i < rows->count && domain->not_null; i++) {
        if (column_is_null(&value, rows_at(rows, i))) {
            return err_set_state(eval->exec->call->err, TDBPLUS_E_NULL, "23502",
                                 "domain %s does not allow null values", domain->name);
        }
    }
    struct batch only = {.columns = &value, .column_count = 1, .row_count = rows->row_count};
    struct eval inner = *eval;
    inner.input = &only;
    for (uint32_t i = 0; i < domain->check_count; i++) {
        TRY(check_domain(&inner, domain, i, rows));
    }
    struct datum yes = {.type = type_of(TYPE_BOOL), .boolean = true};
    if (expr->negated) {
        return eval_constant(eval, &yes, rows, column_out);
    }
    *column_out = value;
    return TDBPLUS_OK;
}

tdbplus_status eval_expr(const struct eval *eval, const struct expr *expr,
                         const struct func_rows *rows, struct column *column_out)
{
    switch ((enum expr_kind)expr->kind) {
    case EXPR_CONSTANT:
        return eval_constant(eval, &expr->constant, rows, column_out);
    case EXPR_SLOT:
        *column_out = eval->input->columns[expr->number];
        return TDBPLUS_OK;
    case EXPR_OUTER:
        return eval_outer(eval, expr, rows, column_out);
    case EXPR_PARAMETER:
        return eval_parameter(eval, expr, rows, column_out);
    case EXPR_CALL:
        return eval_call(eval, expr, rows, column_out);
    case EXPR_AND:
    case EXPR_OR:
        return eval_junction(eval, expr, rows, column_out);
    case EXPR_CASE:
        return eval_case(eval, expr, rows, column_out);
    case EXPR_COALESCE:
        return eval_coalesce(eval, expr, rows, column_out);
    case EXPR_LEAST:
    case EXPR_GREATEST:
        return eval_extreme(eval, expr, rows, column_out);
    case EXPR_NULLIF:
    case EXPR_DISTINCT:
        return eval_pair(eval, expr, rows, column_out);
    case EXPR_IS_NULL:
    case EXPR_TRUTH:
        return eval_test(eval, expr, rows, column_out);
    case EXPR_ANY_OF:
        return eval_any_of(eval, expr, rows, column_out);
    case EXPR_SUBQUERY:
        return eval_subquery(eval, expr, rows, column_out);
    case EXPR_ARRAY_ANY:
        return eval_array_any(eval, expr, rows, column_out);
    case EXPR_DOMAIN:
        return eval_domain(eval, expr, rows, column_out);
    case EXPR_COLUMN:
        break;
    }
    return err_set(eval->exec->call->err, TDBPLUS_E_INTERNAL,
                   "an expression was not compiled (exec_eval.c)");
}

tdbplus_status eval_filter(const struct eval *eval, const struct expr *condition,
                           const struct func_rows *rows, struct func_rows *rows_out)
{
    struct column value = {0};
    TRY(eval_expr(eval, condition, rows, &value));
    uint16_t *kept = arena_alloc(eval->arena, (rows->count + 1u) * sizeof *kept);
    if (kept == NULL) {
        return no_memory(eval);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        kept[count] = (uint16_t)row;
        count += !column_is_null(&value, row) && get_bool(&value, row);
    }
    *rows_out = (struct func_rows){.rows = kept, .count = count, .row_count = rows->row_count};
    return TDBPLUS_OK;
}

tdbplus_status eval_once(struct exec *exec, const struct expr *expr, struct arena *arena,
                         struct datum *value_out)
{
    struct batch none = {.row_count = 1};
    struct eval eval = {.exec = exec, .input = &none, .arena = arena};
    struct func_rows rows = {.count = 1, .row_count = 1};
    // In the arena, because short strings lie inside of the column.
    struct column *column = arena_array(arena, 1, sizeof *column);
    if (column == NULL) {
        return exec_no_memory(exec);
    }
    TRY(eval_expr(&eval, expr, &rows, column));
    column_get(column, 0, value_out);
    return TDBPLUS_OK;
}
