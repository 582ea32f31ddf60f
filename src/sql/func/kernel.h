#pragma once

/* What kernels are written with. A kernel's rows and masks are local variables of loops that these
 * macros open, so that a kernel is one expression. */

#include "sql/func/func.h"

/* ANDed with a row number: 0 for a constant, which has one value. */
static inline uint32_t kernel_mask(const struct column *column)
{
    return column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
}

static inline uint32_t kernel_row(const struct func_call *call, uint32_t i)
{
    return call->rows == NULL ? i : call->rows[i];
}

static inline void kernel_set_null(struct func_call *call, uint32_t row)
{
    call->result->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
}

/* Numeric errors with PostgreSQL's words. */
TDBPLUS_CHECKED tdbplus_status kernel_out_of_range(struct func_call *call, const char *type);
TDBPLUS_CHECKED tdbplus_status kernel_division_by_zero(struct func_call *call);
TDBPLUS_CHECKED tdbplus_status kernel_no_memory(struct func_call *call);

/* The tables of one family each, ended by a NULL name. */
extern const struct func table_arithmetic[];
extern const struct func table_comparison[];
extern const struct func table_math[];
extern const struct func table_text[];
extern const struct func table_pattern[];
extern const struct func table_system[];
extern const struct func table_numeric[];
extern const struct func table_time[];
extern const struct func table_json[];
extern const struct func table_array[];
extern const struct func table_misc[];
extern const struct func table_vector[];
extern const struct func table_number_format[];
extern const struct func table_time_make[];
extern const struct func table_json_build[];
extern const struct func table_json_change[];
extern const struct func table_jsonpath[];
extern const struct func table_power[];
extern const struct func table_string[];
extern const struct func table_bytes[];
extern const struct func table_regex[];
extern const struct func table_series[];
extern const struct func table_array_text[];
extern const struct func table_packed[];
extern const struct func table_range[];
extern const struct func table_network[];
extern const struct func table_bits[];
extern const struct func table_money[];
extern const struct func table_timetz[];
extern const struct func table_alias[];
extern const struct func table_precision[];
extern const struct func table_session[];
extern const struct func table_catalog_types[];
extern const struct func table_catalog[];

/* What a name of the catalogue is called here; most are their own. */
const char *func_alias(const char *name);
extern const struct func table_sequence[];
extern const struct func table_enum[];

#define FUNC_END                       \
    {                                  \
        NULL, 0, {0}, 0, 0, NULL, NULL \
    }

/* A kernel of one argument. VALUE is `a`; the expression may use `row`. */
#define KERNEL_UNARY(NAME, ARGUMENT, RESULT, EXPRESSION)       \
    static tdbplus_status NAME(struct func_call *call)         \
    {                                                          \
        const ARGUMENT *left = call->arguments[0].data;        \
        uint32_t left_mask = kernel_mask(&call->arguments[0]); \
        RESULT *result = call->result->data;                   \
        for (uint32_t i = 0; i < call->count; i++) {           \
            uint32_t row = kernel_row(call, i);                \
            const ARGUMENT a = left[row & left_mask];          \
            result[row] = (RESULT)(EXPRESSION);                \
        }                                                      \
        return TDBPLUS_OK;                                     \
    }

/* A kernel of two arguments that cannot fail; the first loop is for columns without gaps. */
#define KERNEL_BINARY(NAME, LEFT, RIGHT, RESULT, EXPRESSION)           \
    static tdbplus_status NAME(struct func_call *call)                 \
    {                                                                  \
        const LEFT *left = call->arguments[0].data;                    \
        const RIGHT *right = call->arguments[1].data;                  \
        RESULT *result = call->result->data;                           \
        uint32_t left_mask = kernel_mask(&call->arguments[0]);         \
        uint32_t right_mask = kernel_mask(&call->arguments[1]);        \
        if (call->rows == NULL && right_mask == 0 && left_mask != 0) { \
            const RIGHT b = right[0];                                  \
            for (uint32_t row = 0; row < call->count; row++) {         \
                const LEFT a = left[row];                              \
                result[row] = (RESULT)(EXPRESSION);                    \
            }                                                          \
            return TDBPLUS_OK;                                         \
        }                                                              \
        for (uint32_t i = 0; i < call->count; i++) {                   \
            uint32_t row = kernel_row(call, i);                        \
            const LEFT a = left[row & left_mask];                      \
            const RIGHT b = right[row & right_mask];                   \
            result[row] = (RESULT)(EXPRESSION);                        \
        }                                                              \
        return TDBPLUS_OK;                                             \
    }

/* A kernel of two arguments whose statement sets `result[row]` or `bad`; a failing row makes the
 * whole call fail with the words of FAILURE. */
#define KERNEL_CHECKED(NAME, LEFT, RIGHT, RESULT, STATEMENT, FAILURE) \
    static tdbplus_status NAME(struct func_call *call)                \
    {                                                                 \
        const LEFT *left = call->arguments[0].data;                   \
        const RIGHT *right = call->arguments[1].data;                 \
        RESULT *result = call->result->data;                          \
        uint32_t left_mask = kernel_mask(&call->arguments[0]);        \
        uint32_t right_mask = kernel_mask(&call->arguments[1]);       \
        bool bad = false;                                             \
        for (uint32_t i = 0; i < call->count; i++) {                  \
            uint32_t row = kernel_row(call, i);                       \
            const LEFT a = left[row & left_mask];                     \
            const RIGHT b = right[row & right_mask];                  \
            STATEMENT;                                                \
        }                                                             \
        return bad ? (FAILURE) : TDBPLUS_OK;                          \
    }

/* The same with one argument. */
#define KERNEL_CHECKED_UNARY(NAME, ARGUMENT, RESULT, STATEMENT, FAILURE) \
    static tdbplus_status NAME(struct func_call *call)                   \
    {                                                                    \
        const ARGUMENT *left = call->arguments[0].data;                  \
        uint32_t left_mask = kernel_mask(&call->arguments[0]);           \
        RESULT *result = call->result->data;                             \
        bool bad = false;                                                \
        for (uint32_t i = 0; i < call->count; i++) {                     \
            uint32_t row = kernel_row(call, i);                          \
            const ARGUMENT a = left[row & left_mask];                    \
            STATEMENT;                                                   \
        }                                                                \
        return bad ? (FAILURE) : TDBPLUS_OK;                             \
    }

/* The lines of a table for the six comparisons of type ID, whose kernels are equal_T and so on. */
#define COMPARISONS_OF(T, ID)                                                                    \
    {"=", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, equal_##T, "True if equal."},                   \
        {"<>", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, not_equal_##T, "True if not equal."},      \
        {"<", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, less_##T, "True if less."},                 \
        {"<=", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, less_equal_##T, "True if less or equal."}, \
        {">", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, greater_##T, "True if greater."},           \
    {                                                                                            \
        ">=", 2, {ID, ID}, TYPE_BOOL, FUNC_OPERATOR, greater_equal_##T, "True if not less."      \
    }
