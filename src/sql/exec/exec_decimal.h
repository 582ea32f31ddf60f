#pragma once

/*
 * Exact arithmetic on stored decimals. Inside of expressions a numeric has its long form (F6 of
 * sql/func), which costs a hundred times what adding two integers costs. A tree of +, -, * and CASE
 * over columns of numeric(p <= 38), integers and constants is therefore also compiled into a
 * program on scaled integers: int64 where the values of the batch at hand cannot overflow, __int128
 * where those do not, and else the expression itself. All three give the same digits and scale.
 */

#include "sql/exec/exec_internal.h"

__extension__ typedef __int128 wide_int;

struct decimal;

/* The values of a batch's rows, value * 10^scale; exactly one of `narrow` and `wide` is set. */
struct decimal_values {
    const int64_t *narrow;
    const wide_int *wide;
    uint64_t bound;           /* Of `narrow`: no listed row's value is further from 0. */
    const uint64_t *validity; /* NULL: no nulls. */
    const uint8_t *scales;    /* Digits that a row shows, where rows differ; NULL: `scale`. */
    uint8_t scale;
};

/* Compiles a compiled expression of type numeric; *decimal_out is NULL when it is not such a tree.
 */
TDBPLUS_CHECKED tdbplus_status decimal_compile(struct exec *exec, const struct expr *expr,
                                               struct decimal **decimal_out);

/* Parts of a program that `earlier` has too become its parts, so that their values are computed
 * once while *round stays as it is: as long as a batch and its arena live. Rounds begin at 1. */
TDBPLUS_CHECKED tdbplus_status decimal_share(struct exec *exec, struct decimal **decimal,
                                             struct decimal *earlier, const uint64_t *round);

/* A comparison of two numerics; NULL when a side is no such tree. */
struct decimal_comparison;
TDBPLUS_CHECKED tdbplus_status decimal_compile_comparison(struct exec *exec,
                                                          const struct expr *expr,
                                                          struct decimal_comparison **out);

/* *fits_out false: 128 bits do not hold all values; evaluate the expression instead. */
TDBPLUS_CHECKED tdbplus_status decimal_eval(const struct eval *eval, const struct decimal *decimal,
                                            const struct func_rows *rows,
                                            struct decimal_values *values_out, bool *fits_out);

TDBPLUS_CHECKED tdbplus_status decimal_compare(const struct eval *eval,
                                               const struct decimal_comparison *comparison,
                                               const struct func_rows *rows,
                                               struct column *column_out, bool *fits_out);

/* ---- sums ---- */

/* The state of sum() and avg(); zeroed to begin. */
struct decimal_sum {
    wide_int sum; /* Times 10^(the program's scale). */
    int64_t count;
    uint8_t scale;             /* Most digits after the point seen. */
    struct decimal_long *more; /* What did not fit, to be added; NULL: nothing. */
};

uint8_t decimal_scale(const struct decimal *decimal);

/* Adds `value`, which is as the program gives it. */
static inline bool decimal_sum_add(struct decimal_sum *sum, wide_int value)
{
    wide_int total;
    if (__builtin_add_overflow(sum->sum, value, &total)) {
        return false;
    }
    sum->sum = total;
    sum->count++;
    return true;
}

/* Adds a number in long form; moves what `sum` holds there first if `flush`. */
TDBPLUS_CHECKED tdbplus_status decimal_sum_add_long(struct exec *exec, struct decimal_sum *sum,
                                                    uint8_t program_scale, struct span value,
                                                    struct arena *arena);

/* Makes room in the integer part. */
TDBPLUS_CHECKED tdbplus_status decimal_sum_flush(struct exec *exec, struct decimal_sum *sum,
                                                 uint8_t program_scale, struct arena *arena);

TDBPLUS_CHECKED tdbplus_status decimal_sum_merge(struct exec *exec, struct decimal_sum *into,
                                                 const struct decimal_sum *from,
                                                 uint8_t program_scale, struct arena *arena);

/* The sum, or the mean, as the aggregate over long forms gives it. */
TDBPLUS_CHECKED tdbplus_status decimal_sum_finish(struct exec *exec, const struct decimal_sum *sum,
                                                  uint8_t program_scale, bool average,
                                                  struct arena *arena, struct datum *value_out);
