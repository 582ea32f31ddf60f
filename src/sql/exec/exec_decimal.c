#include "sql/exec/exec_decimal.h"

#include <string.h>

#include "base/codec.h"
#include "simd/simd.h"
#include "types/numeric.h"

enum decimal_kind {
    DECIMAL_LEAF = 1, /* A column of numeric(p <= 38) or of integers, or any expression of those. */
    DECIMAL_CONSTANT,
    DECIMAL_NULL,
    DECIMAL_ADD,
    DECIMAL_SUBTRACT,
    DECIMAL_MULTIPLY,
    DECIMAL_NEGATE,
    DECIMAL_CASE, /* Conditions and values by turns, then the value of ELSE. */
};

#define DECIMAL_SCALE_MAX 36u

/* A node's values: int64_t or wide_int as the work says. `bound`: no value is further from 0. */
struct operand {
    const void *values;
    void *own; /* The same, when they may be changed. */
    uint64_t bound;
};

/* The values of a node that several programs have, until the round ends. */
struct decimal_kept {
    const uint64_t *round;
    uint64_t made_in; /* Round. */
    struct func_rows rows;
    struct operand values;
};

struct decimal {
    uint8_t kind; /* enum decimal_kind. */
    uint8_t scale;
    bool mixed; /* Rows may show fewer digits than `scale`: of a CASE. */
    bool
        plain; /* Of stored columns and constants: rows that nobody asks for may be computed too. */
    struct decimal_kept *kept; /* NULL: of one program alone. */
    wide_int constant;
    const struct expr *leaf;
    struct decimal *sides[2];
    const struct expr **conditions;
    struct decimal **values;
    uint32_t value_count;
};

struct decimal_comparison {
    struct decimal *sides[2];
    uint8_t compare; /* enum decimal_compare_kind. */
};

enum decimal_compare_kind {
    DECIMAL_EQ = 0,
    DECIMAL_NE,
    DECIMAL_LT,
    DECIMAL_LE,
    DECIMAL_GT,
    DECIMAL_GE
};

/* ---- compiling ---- */

static wide_int power_of_ten(uint32_t exponent)
{
    wide_int power = 1;
    for (uint32_t i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

static tdbplus_status make(struct exec *exec, enum decimal_kind kind, struct decimal **out)
{
    *out = arena_array(&exec->arena, 1, sizeof **out);
    if (*out == NULL) {
        return exec_no_memory(exec);
    }
    (*out)->kind = (uint8_t)kind;
    return TDBPLUS_OK;
}

static tdbplus_status compile_constant(struct exec *exec, const struct datum *value,
                                       struct decimal **out)
{
    if (value->is_null) {
        return make(exec, DECIMAL_NULL, out);
    }
    if (type_physical(value->type) != PHYSICAL_VIEW || value->bytes.data[0] > NUMERIC_NEGATIVE) {
        return TDBPLUS_OK;
    }
    uint16_t scale = load_u16(value->bytes.data + 2);
    struct type type = {.id = TYPE_NUMERIC, .precision = 38, .scale = (int16_t)scale};
    struct datum wide;
    if (scale > DECIMAL_SCALE_MAX ||
        numeric_to_datum(value->bytes, type, &exec->arena, &wide, NULL) != TDBPLUS_OK) {
        return TDBPLUS_OK; // Too many digits.
    }
    struct decimal *made = NULL;
    TRY(make(exec, DECIMAL_CONSTANT, &made));
    made->scale = (uint8_t)scale;
    made->constant = wide.wide;
    made->plain = true;
    *out = made;
    return TDBPLUS_OK;
}

static bool is_integer(struct type type)
{
    return type.id == TYPE_INT2 || type.id == TYPE_INT4 || type.id == TYPE_INT8;
}

/* numeric(x) where x is an integer or a stored decimal. */
static tdbplus_status compile_cast(struct exec *exec, const struct expr *expr, struct decimal **out)
{
    const struct expr *argument = expr->arguments[0];
    bool stored = argument->type.id == TYPE_NUMERIC && argument->type.precision > 0 &&
                  type_physical(argument->type) != PHYSICAL_VIEW &&
                  (uint32_t)argument->type.scale <= DECIMAL_SCALE_MAX;
    if (!stored && !is_integer(argument->type)) {
        return TDBPLUS_OK;
    }
    TRY(make(exec, DECIMAL_LEAF, out));
    (*out)->leaf = argument;
    (*out)->plain = argument->kind == EXPR_SLOT;
    (*out)->scale = stored ? (uint8_t)argument->type.scale : 0;
    return TDBPLUS_OK;
}

static tdbplus_status compile_binary(struct exec *exec, const struct expr *expr,
                                     enum decimal_kind kind, struct decimal **out)
{
    struct decimal *sides[2] = {NULL, NULL};
    TRY(decimal_compile(exec, expr->arguments[0], &sides[0]));
    if (sides[0] != NULL) {
        TRY(decimal_compile(exec, expr->arguments[1], &sides[1]));
    }
    if (sides[0] == NULL || sides[1] == NULL || sides[0]->mixed || sides[1]->mixed) {
        return TDBPLUS_OK;
    }
    uint32_t scale = sides[0]->scale > sides[1]->scale ? sides[0]->scale : sides[1]->scale;
    if (kind == DECIMAL_MULTIPLY) {
        scale = (uint32_t)sides[0]->scale + sides[1]->scale;
    }
    if (scale > DECIMAL_SCALE_MAX) {
        return TDBPLUS_OK;
    }
    TRY(make(exec, kind, out));
    (*out)->scale = (uint8_t)scale;
    (*out)->sides[0] = sides[0];
    (*out)->sides[1] = sides[1];
    (*out)->plain = sides[0]->plain && sides[1]->plain;
    return TDBPLUS_OK;
}

static tdbplus_status compile_negate(struct exec *exec, const struct expr *expr,
                                     struct decimal **out)
{
    struct decimal *side = NULL;
    TRY(decimal_compile(exec, expr->arguments[0], &side));
    if (side == NULL || side->mixed) {
        return TDBPLUS_OK;
    }
    TRY(make(exec, DECIMAL_NEGATE, out));
    (*out)->scale = side->scale;
    (*out)->sides[0] = side;
    (*out)->plain = side->plain;
    return TDBPLUS_OK;
}

static tdbplus_status compile_case(struct exec *exec, const struct expr *expr, struct decimal **out)
{
    uint32_t count = expr->argument_count / 2 + 1;
    struct decimal made = {.kind = DECIMAL_CASE, .value_count = count};
    made.values = arena_array(&exec->arena, count, sizeof(struct decimal *));
    made.conditions = arena_array(&exec->arena, count, sizeof(struct expr *));
    if (made.values == NULL || made.conditions == NULL) {
        return exec_no_memory(exec);
    }
    for (uint32_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        TRY(decimal_compile(exec, expr->arguments[last ? 2 * i : 2 * i + 1], &made.values[i]));
        const struct decimal *value = made.values[i];
        if (value == NULL || value->mixed) {
            return TDBPLUS_OK;
        }
        made.conditions[i] = last ? NULL : expr->arguments[2 * i];
        if (value->kind != DECIMAL_NULL) {
            made.scale = value->scale > made.scale ? value->scale : made.scale;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        bool shows_less = made.values[i]->scale != made.scale;
        made.mixed = made.mixed || (shows_less && made.values[i]->kind != DECIMAL_NULL);
    }
    TRY(make(exec, DECIMAL_CASE, out));
    **out = made;
    return TDBPLUS_OK;
}

tdbplus_status decimal_compile(struct exec *exec, const struct expr *expr,
                               struct decimal **decimal_out)
{
    *decimal_out = NULL;
    if (expr->type.id != TYPE_NUMERIC || type_physical(expr->type) != PHYSICAL_VIEW) {
        return TDBPLUS_OK;
    }
    if (expr->kind == EXPR_CONSTANT) {
        return compile_constant(exec, &expr->constant, decimal_out);
    }
    if (expr->kind == EXPR_CASE) {
        return compile_case(exec, expr, decimal_out);
    }
    if (expr->kind != EXPR_CALL) {
        return TDBPLUS_OK;
    }
    const char *name = expr->func->name;
    if (expr->argument_count == 1 && strcmp(name, "numeric") == 0) {
        return compile_cast(exec, expr, decimal_out);
    }
    if ((expr->func->flags & FUNC_OPERATOR) == 0 || name[0] == 0 || name[1] != 0) {
        return TDBPLUS_OK;
    }
    if (expr->argument_count == 1) {
        return name[0] == '-' ? compile_negate(exec, expr, decimal_out) : TDBPLUS_OK;
    }
    if (expr->func->arguments[0] != TYPE_NUMERIC || expr->func->arguments[1] != TYPE_NUMERIC) {
        return TDBPLUS_OK;
    }
    switch (name[0]) {
    case '+':
        return compile_binary(exec, expr, DECIMAL_ADD, decimal_out);
    case '-':
        return compile_binary(exec, expr, DECIMAL_SUBTRACT, decimal_out);
    case '*':
        return compile_binary(exec, expr, DECIMAL_MULTIPLY, decimal_out);
    default:
        return TDBPLUS_OK;
    }
}

tdbplus_status decimal_compile_comparison(struct exec *exec, const struct expr *expr,
                                          struct decimal_comparison **out)
{
    static const char *const names[] = {"=", "<>", "<", "<=", ">", ">="};
    *out = NULL;
    if (expr->kind != EXPR_CALL || expr->argument_count != 2 || expr->type.id != TYPE_BOOL ||
        (expr->func->flags & FUNC_OPERATOR) == 0 || expr->func->arguments[0] != TYPE_NUMERIC) {
        return TDBPLUS_OK;
    }
    struct decimal_comparison made = {.compare = UINT8_MAX};
    for (uint8_t i = 0; i < 6; i++) {
        if (strcmp(names[i], expr->func->name) == 0) {
            made.compare = i;
        }
    }
    if (made.compare == UINT8_MAX) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < 2; i++) {
        TRY(decimal_compile(exec, expr->arguments[i], &made.sides[i]));
        if (made.sides[i] == NULL) {
            return TDBPLUS_OK;
        }
    }
    *out = arena_array(&exec->arena, 1, sizeof **out);
    if (*out == NULL) {
        return exec_no_memory(exec);
    }
    **out = made;
    return TDBPLUS_OK;
}

uint8_t decimal_scale(const struct decimal *decimal)
{
    return decimal->scale;
}

/* ---- evaluating ---- */

/* One evaluation. Values of all nodes are at their row's place in arrays of `row_count`. */
struct work {
    const struct eval *eval;
    uint32_t row_count;
    uint64_t *validity; /* Made with the first null. */
    uint8_t *scales;    /* Of a mixed root. */
    bool wide;
    bool overflow;
};

static tdbplus_status eval_node(struct work *work, const struct decimal *node,
                                const struct func_rows *rows, struct operand *out);

static tdbplus_status operand_make(const struct work *work, struct operand *out)
{
    out->own = arena_alloc(work->eval->arena,
                           (work->row_count + 1u) * (work->wide ? sizeof(wide_int) : 8));
    out->values = out->own;
    return out->own == NULL ? exec_no_memory(work->eval->exec) : TDBPLUS_OK;
}

/* Where the results of an operation on `operand`, and perhaps `other`, may be put. */
static tdbplus_status target_of(const struct work *work, const struct operand *operand,
                                const struct operand *other, void **target_out)
{
    struct operand fresh = {0};
    if (operand->own == NULL && (other == NULL || other->own == NULL)) {
        TRY(operand_make(work, &fresh));
    }
    *target_out = operand->own != NULL ? operand->own : fresh.own != NULL ? fresh.own : other->own;
    return TDBPLUS_OK;
}

static tdbplus_status mark_null(struct work *work, uint32_t row)
{
    if (work->validity == NULL) {
        size_t words = (size_t)work->row_count / 64 + 1;
        work->validity = arena_alloc(work->eval->arena, words * sizeof(uint64_t));
        if (work->validity == NULL) {
            return exec_no_memory(work->eval->exec);
        }
        memset(work->validity, 0xFF, words * sizeof(uint64_t));
    }
    work->validity[row / 64] &= ~((uint64_t)1 << (row % 64));
    return TDBPLUS_OK;
}

/* Values of a column with a plain number a row; nulls have any value and count for the bound. */
#define LOAD(CTYPE)                                              \
    do {                                                         \
        const CTYPE *from = column->data;                        \
        if (rows->rows == NULL && mask != 0) {                   \
            for (uint32_t i = 0; i < rows->count; i++) {         \
                const int64_t value = (int64_t)from[i];          \
                bits |= (uint64_t)(value ^ (value >> 63));       \
                to[i] = value;                                   \
            }                                                    \
        } else {                                                 \
            for (uint32_t i = 0; i < rows->count; i++) {         \
                const uint32_t row = rows_at(rows, i);           \
                const int64_t value = (int64_t)from[row & mask]; \
                bits |= (uint64_t)(value ^ (value >> 63));       \
                to[row] = value;                                 \
            }                                                    \
        }                                                        \
    } while (0)

static uint64_t load_narrow(const struct column *column, const struct func_rows *rows, int64_t *to)
{
    uint32_t mask = column->form == COLUMN_CONSTANT ? 0 : UINT32_MAX;
    uint64_t bits = 0;
    switch (type_physical(column->type)) {
    case PHYSICAL_2:
        LOAD(int16_t);
        break;
    case PHYSICAL_4:
        LOAD(int32_t);
        break;
    case PHYSICAL_8:
        LOAD(int64_t);
        break;
    case PHYSICAL_16:
        for (uint32_t i = 0; i < rows->count; i++) {
            uint32_t row = rows_at(rows, i);
            wide_int value = ((const wide_int *)column->data)[row & mask];
            bool fits = value >= -INT64_MAX && value <= INT64_MAX;
            to[row] = fits ? (int64_t)value : 0;
            bits |= fits ? (uint64_t)(to[row] ^ (to[row] >> 63)) : UINT64_MAX;
        }
        break;
    case PHYSICAL_1:
    case PHYSICAL_VIEW:
    case PHYSICAL_FIXED:
        bits = UINT64_MAX;
        break;
    }
    return bits;
}

static void load_wide(const struct column *column, const struct func_rows *rows, wide_int *to)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        struct datum value;
        column_get(column, row, &value);
        to[row] = value.is_null                                ? 0
                  : type_physical(column->type) == PHYSICAL_16 ? value.wide
                                                               : (wide_int)value.integer;
    }
}

/* A stored int64 a row is used where it lies. */
static uint64_t borrow_narrow(const struct column *column, const struct func_rows *rows,
                              struct operand *out)
{
    const int64_t *values = column->data;
    out->values = values;
    if (rows->rows == NULL) {
        return simd->spread_i64(values, rows->count);
    }
    uint64_t bits = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const int64_t value = values[rows->rows[i]];
        bits |= (uint64_t)(value ^ (value >> 63));
    }
    return bits;
}

static tdbplus_status eval_leaf(struct work *work, const struct decimal *node,
                                const struct func_rows *rows, struct operand *out)
{
    struct column column = {0};
    TRY(eval_expr(work->eval, node->leaf, rows, &column));
    if (column.form == COLUMN_DICTIONARY) {
        struct column dictionary = column;
        if (!column_flatten(&dictionary, NULL, rows->row_count, &column, work->eval->arena)) {
            return exec_no_memory(work->eval->exec);
        }
    }
    if (!work->wide && column.form == COLUMN_FLAT && type_physical(column.type) == PHYSICAL_8) {
        out->bound = borrow_narrow(&column, rows, out);
    } else {
        TRY(operand_make(work, out));
        if (work->wide) {
            load_wide(&column, rows, out->own);
        } else {
            out->bound = load_narrow(&column, rows, out->own);
        }
    }
    work->overflow = work->overflow || (!work->wide && out->bound > INT64_MAX);
    for (uint32_t i = 0; column.validity != NULL && i < rows->count; i++) {
        if (column_is_null(&column, rows_at(rows, i))) {
            TRY(mark_null(work, rows_at(rows, i)));
        }
    }
    return TDBPLUS_OK;
}

static uint64_t magnitude(wide_int value)
{
    wide_int positive = value < 0 ? -value : value;
    return positive > INT64_MAX ? UINT64_MAX : (uint64_t)positive;
}

static void fill(struct work *work, wide_int value, const struct func_rows *rows,
                 struct operand *out)
{
    out->bound = magnitude(value);
    work->overflow = work->overflow || (!work->wide && out->bound > INT64_MAX);
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        if (work->wide) {
            ((wide_int *)out->own)[row] = value;
        } else {
            ((int64_t *)out->own)[row] = (int64_t)value;
        }
    }
}

/* Loops over rows: without gaps so that the compiler can do several at once. */
#define EACH_ROW(STATEMENT)                              \
    do {                                                 \
        if (rows->rows == NULL) {                        \
            for (uint32_t r = 0; r < rows->count; r++) { \
                STATEMENT;                               \
            }                                            \
        } else {                                         \
            for (uint32_t i = 0; i < rows->count; i++) { \
                const uint32_t r = rows->rows[i];        \
                STATEMENT;                               \
            }                                            \
        }                                                \
    } while (0)

static uint64_t bound_product(uint64_t left, uint64_t right)
{
    uint64_t product;
    return __builtin_mul_overflow(left, right, &product) ? UINT64_MAX : product;
}

static void affine(const struct func_rows *rows, int64_t *out, const int64_t *values,
                   int64_t factor, int64_t addend)
{
    if (rows->rows == NULL) {
        simd->affine_i64(out, values, rows->count, factor, addend);
        return;
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint32_t r = rows->rows[i];
        out[r] = values[r] * factor + addend;
    }
}

static tdbplus_status multiply_by(struct work *work, struct operand *operand, wide_int factor,
                                  const struct func_rows *rows)
{
    void *target = NULL;
    if (factor == 1 || work->overflow) {
        return TDBPLUS_OK;
    }
    if (work->wide) {
        wide_int *values = operand->own;
        bool bad = false;
        EACH_ROW(bad |= __builtin_mul_overflow(values[r], factor, &values[r]));
        work->overflow = bad;
        return TDBPLUS_OK;
    }
    operand->bound = bound_product(operand->bound + 1, magnitude(factor));
    work->overflow = operand->bound > INT64_MAX;
    if (work->overflow) {
        return TDBPLUS_OK;
    }
    TRY(target_of(work, operand, NULL, &target));
    affine(rows, target, operand->values, (int64_t)factor, 0);
    operand->values = operand->own = target;
    return TDBPLUS_OK;
}

static void combine_wide(struct work *work, enum decimal_kind kind, const struct func_rows *rows,
                         wide_int *left, const wide_int *right)
{
    bool bad = false;
    if (kind == DECIMAL_MULTIPLY) {
        EACH_ROW(bad |= __builtin_mul_overflow(left[r], right[r], &left[r]));
    } else if (kind == DECIMAL_ADD) {
        EACH_ROW(bad |= __builtin_add_overflow(left[r], right[r], &left[r]));
    } else {
        EACH_ROW(bad |= __builtin_sub_overflow(left[r], right[r], &left[r]));
    }
    work->overflow = work->overflow || bad;
}

static void combine_narrow(enum decimal_kind kind, const struct func_rows *rows, int64_t *out,
                           const int64_t *left, const int64_t *right)
{
    bool all = rows->rows == NULL;
    if (kind == DECIMAL_MULTIPLY) {
        if (all) {
            simd->multiply_i64(out, left, right, rows->count);
        } else {
            EACH_ROW(out[r] = left[r] * right[r]);
        }
    } else if (kind == DECIMAL_ADD) {
        if (all) {
            simd->add_i64(out, left, right, rows->count);
        } else {
            EACH_ROW(out[r] = left[r] + right[r]);
        }
    } else if (all) {
        simd->subtract_i64(out, left, right, rows->count);
    } else {
        EACH_ROW(out[r] = left[r] - right[r]);
    }
}

/* The result replaces the left operand. */
static tdbplus_status combine(struct work *work, enum decimal_kind kind,
                              const struct func_rows *rows, struct operand *left,
                              const struct operand *right)
{
    void *target = NULL;
    if (work->overflow) {
        return TDBPLUS_OK;
    }
    if (work->wide) {
        combine_wide(work, kind, rows, left->own, right->values);
        return TDBPLUS_OK;
    }
    uint64_t bound = kind == DECIMAL_MULTIPLY ? bound_product(left->bound + 1, right->bound + 1)
                                              : left->bound + right->bound + 2;
    work->overflow = bound > INT64_MAX;
    if (work->overflow) {
        return TDBPLUS_OK;
    }
    TRY(target_of(work, left, right, &target));
    combine_narrow(kind, rows, target, left->values, right->values);
    *left = (struct operand){.values = target, .own = target, .bound = bound};
    return TDBPLUS_OK;
}

/* 1 - x and the like, without an array of ones. */
static tdbplus_status combine_constant(struct work *work, const struct decimal *node,
                                       wide_int constant, const struct func_rows *rows,
                                       struct operand *right, bool *done_out)
{
    void *target = NULL;
    uint64_t bound = magnitude(constant);
    uint64_t sum = bound > INT64_MAX ? UINT64_MAX : bound + right->bound + 2;
    if (work->wide || work->overflow || sum > INT64_MAX) {
        return TDBPLUS_OK;
    }
    TRY(target_of(work, right, NULL, &target));
    affine(rows, target, right->values, node->kind == DECIMAL_ADD ? 1 : -1, (int64_t)constant);
    *right = (struct operand){.values = target, .own = target, .bound = sum};
    *done_out = true;
    return TDBPLUS_OK;
}

static tdbplus_status eval_binary(struct work *work, const struct decimal *node,
                                  const struct func_rows *rows, struct operand *out)
{
    bool multiply = node->kind == DECIMAL_MULTIPLY;
    struct operand sides[2] = {{0}, {0}};
    wide_int factors[2];
    for (uint32_t i = 0; i < 2; i++) {
        factors[i] = multiply ? 1 : power_of_ten((uint32_t)node->scale - node->sides[i]->scale);
    }
    const struct decimal *left = node->sides[0];
    TRY(eval_node(work, node->sides[1], rows, &sides[1]));
    TRY(multiply_by(work, &sides[1], factors[1], rows));
    wide_int constant = 0;
    bool done = false;
    if (left->kind == DECIMAL_CONSTANT && !multiply &&
        !__builtin_mul_overflow(left->constant, factors[0], &constant)) {
        TRY(combine_constant(work, node, constant, rows, &sides[1], &done));
    }
    if (done) {
        *out = sides[1];
        return TDBPLUS_OK;
    }
    TRY(eval_node(work, left, rows, &sides[0]));
    TRY(multiply_by(work, &sides[0], factors[0], rows));
    TRY(combine(work, (enum decimal_kind)node->kind, rows, &sides[0], &sides[1]));
    *out = sides[0];
    return TDBPLUS_OK;
}

static tdbplus_status eval_branch(struct work *work, const struct decimal *node,
                                  const struct decimal *value, const struct func_rows *rows,
                                  struct operand *out)
{
    struct operand branch = {0};
    TRY(eval_node(work, value, rows, &branch));
    TRY(multiply_by(work, &branch, power_of_ten((uint32_t)node->scale - value->scale), rows));
    out->bound = branch.bound > out->bound ? branch.bound : out->bound;
    if (work->overflow) {
        return TDBPLUS_OK;
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        uint32_t row = rows_at(rows, i);
        if (work->wide) {
            ((wide_int *)out->own)[row] = ((const wide_int *)branch.values)[row];
        } else {
            ((int64_t *)out->own)[row] = ((const int64_t *)branch.values)[row];
        }
        if (work->scales != NULL) {
            work->scales[row] = value->kind == DECIMAL_NULL ? 0 : value->scale;
        }
    }
    return TDBPLUS_OK;
}

static tdbplus_status eval_case_node(struct work *work, const struct decimal *node,
                                     const struct func_rows *rows, struct operand *out)
{
    uint16_t *open = arena_alloc(work->eval->arena, (rows->count + 1u) * sizeof *open);
    if (open == NULL) {
        return exec_no_memory(work->eval->exec);
    }
    for (uint32_t i = 0; i < rows->count; i++) {
        open[i] = (uint16_t)rows_at(rows, i);
    }
    struct func_rows rest = {open, rows->count, rows->row_count};
    for (uint32_t v = 0; v + 1 < node->value_count && rest.count > 0; v++) {
        struct func_rows taken = {0};
        TRY(eval_filter(work->eval, node->conditions[v], &rest, &taken));
        uint32_t kept = 0;
        uint32_t at = 0;
        for (uint32_t i = 0; i < rest.count; i++) {
            bool is_taken = at < taken.count && taken.rows[at] == open[i];
            at += is_taken;
            open[kept] = open[i];
            kept += !is_taken;
        }
        rest.count = kept;
        if (taken.count > 0) {
            TRY(eval_branch(work, node, node->values[v], &taken, out));
        }
    }
    if (rest.count > 0) {
        TRY(eval_branch(work, node, node->values[node->value_count - 1], &rest, out));
    }
    return TDBPLUS_OK;
}

static tdbplus_status compute_node(struct work *work, const struct decimal *node,
                                   const struct func_rows *rows, struct operand *out)
{
    switch ((enum decimal_kind)node->kind) {
    case DECIMAL_LEAF:
        return eval_leaf(work, node, rows, out);
    case DECIMAL_CONSTANT:
        TRY(operand_make(work, out));
        fill(work, node->constant, rows, out);
        return TDBPLUS_OK;
    case DECIMAL_NULL:
        TRY(operand_make(work, out));
        fill(work, 0, rows, out);
        for (uint32_t i = 0; i < rows->count; i++) {
            TRY(mark_null(work, rows_at(rows, i)));
        }
        return TDBPLUS_OK;
    case DECIMAL_ADD:
    case DECIMAL_SUBTRACT:
    case DECIMAL_MULTIPLY:
        return eval_binary(work, node, rows, out);
    case DECIMAL_NEGATE:
        TRY(eval_node(work, node->sides[0], rows, out));
        return multiply_by(work, out, -1, rows);
    case DECIMAL_CASE:
        TRY(operand_make(work, out));
        return eval_case_node(work, node, rows, out);
    }
    return TDBPLUS_OK;
}

static bool is_kept(const struct decimal_kept *kept, const struct func_rows *rows)
{
    return kept->made_in == *kept->round && kept->rows.rows == rows->rows &&
           kept->rows.count == rows->count;
}

/* What other programs want too stays as it is, if it says all: nulls would have to be told. */
static tdbplus_status eval_node(struct work *work, const struct decimal *node,
                                const struct func_rows *rows, struct operand *out)
{
    struct decimal_kept *kept = work->wide ? NULL : node->kept;
    if (kept != NULL && is_kept(kept, rows)) {
        *out = kept->values;
        return TDBPLUS_OK;
    }
    TRY(compute_node(work, node, rows, out));
    if (kept != NULL && !work->overflow && work->validity == NULL) {
        out->own = NULL;
        *kept = (struct decimal_kept){
            .round = kept->round, .made_in = *kept->round, .rows = *rows, .values = *out};
    }
    return TDBPLUS_OK;
}

/* How an evaluation is tried, the next where numbers do not fit. */
enum attempt {
    ATTEMPT_ALL,    /* All rows of the batch, those too that are not listed. */
    ATTEMPT_LISTED, /* In 64 bits, */
    ATTEMPT_WIDE,   /* in 128. */
    ATTEMPT_NONE,
};

/* Without gaps several rows are computed at once: worth it while gaps are few. What lies in them
 * has no meaning and may be large, which the next attempt does not see. */
static bool has_few_gaps(const struct func_rows *rows)
{
    return rows->rows != NULL && rows->count >= rows->row_count - rows->row_count / 8;
}

tdbplus_status decimal_eval(const struct eval *eval, const struct decimal *decimal,
                            const struct func_rows *rows, struct decimal_values *values_out,
                            bool *fits_out)
{
    const struct func_rows all = {.count = rows->row_count, .row_count = rows->row_count};
    bool whole = decimal->plain && has_few_gaps(rows);
    for (int attempt = whole ? ATTEMPT_ALL : ATTEMPT_LISTED; attempt < ATTEMPT_NONE; attempt++) {
        bool wide = attempt == ATTEMPT_WIDE;
        struct work work = {.eval = eval, .row_count = rows->row_count, .wide = wide};
        struct operand result = {0};
        if (decimal->mixed) {
            work.scales = arena_alloc(eval->arena, rows->row_count + 1u);
            if (work.scales == NULL) {
                return exec_no_memory(eval->exec);
            }
        }
        TRY(eval_node(&work, decimal, attempt == ATTEMPT_ALL ? &all : rows, &result));
        if (work.overflow) {
            continue;
        }
        *values_out = (struct decimal_values){.narrow = wide ? NULL : result.values,
                                              .wide = wide ? result.values : NULL,
                                              .bound = result.bound,
                                              .validity = work.validity,
                                              .scales = work.scales,
                                              .scale = decimal->scale};
        *fits_out = true;
        return TDBPLUS_OK;
    }
    *fits_out = false;
    return TDBPLUS_OK;
}

/* ---- parts that several programs have ---- */

static bool same_program(const struct decimal *left, const struct decimal *right)
{
    if (left == right) {
        return true;
    }
    if (left->kind != right->kind || left->scale != right->scale ||
        left->constant != right->constant) {
        return false;
    }
    switch ((enum decimal_kind)left->kind) {
    case DECIMAL_LEAF:
        return expr_equal(left->leaf, right->leaf) && !expr_volatile(left->leaf);
    case DECIMAL_CONSTANT:
        return true;
    case DECIMAL_ADD:
    case DECIMAL_SUBTRACT:
    case DECIMAL_MULTIPLY:
        return same_program(left->sides[0], right->sides[0]) &&
               same_program(left->sides[1], right->sides[1]);
    case DECIMAL_NEGATE:
        return same_program(left->sides[0], right->sides[0]);
    case DECIMAL_NULL:
    case DECIMAL_CASE:
        break;
    }
    return false;
}

/* The node of `program` that computes what `wanted` does. */
static struct decimal *find_part(struct decimal *program, const struct decimal *wanted)
{
    if (program == NULL || same_program(program, wanted)) {
        return program;
    }
    struct decimal *found = find_part(program->sides[0], wanted);
    return found != NULL ? found : find_part(program->sides[1], wanted);
}

tdbplus_status decimal_share(struct exec *exec, struct decimal **decimal, struct decimal *earlier,
                             const uint64_t *round)
{
    if (*decimal == NULL || (*decimal)->kind == DECIMAL_CONSTANT || earlier == NULL) {
        return TDBPLUS_OK;
    }
    struct decimal *found = find_part(earlier, *decimal);
    if (found == NULL) {
        TRY(decimal_share(exec, &(*decimal)->sides[0], earlier, round));
        return decimal_share(exec, &(*decimal)->sides[1], earlier, round);
    }
    if (found->kept == NULL) {
        found->kept = arena_array(&exec->arena, 1, sizeof *found->kept);
        if (found->kept == NULL) {
            return exec_no_memory(exec);
        }
        found->kept->round = round;
    }
    *decimal = found;
    return TDBPLUS_OK;
}

/* ---- comparing ---- */

#define COMPARE_LOOP(OPERATOR) EACH_ROW(result[r] = left[r] OPERATOR right[r])

#define COMPARE_ALL       \
    switch (compare) {    \
    case DECIMAL_EQ:      \
        COMPARE_LOOP(==); \
        break;            \
    case DECIMAL_NE:      \
        COMPARE_LOOP(!=); \
        break;            \
    case DECIMAL_LT:      \
        COMPARE_LOOP(<);  \
        break;            \
    case DECIMAL_LE:      \
        COMPARE_LOOP(<=); \
        break;            \
    case DECIMAL_GT:      \
        COMPARE_LOOP(>);  \
        break;            \
    default:              \
        COMPARE_LOOP(>=); \
        break;            \
    }

static void compare_narrow(uint8_t compare, const struct func_rows *rows, const int64_t *left,
                           const int64_t *right, uint8_t *result)
{
    COMPARE_ALL
}

static void compare_wide(uint8_t compare, const struct func_rows *rows, const wide_int *left,
                         const wide_int *right, uint8_t *result){COMPARE_ALL}

tdbplus_status
    decimal_compare(const struct eval *eval, const struct decimal_comparison *comparison,
                    const struct func_rows *rows, struct column *column_out, bool *fits_out)
{
    const struct decimal *const *sides = (const struct decimal *const *)comparison->sides;
    uint32_t scale = sides[0]->scale > sides[1]->scale ? sides[0]->scale : sides[1]->scale;
    for (uint32_t wide = 0; wide < 2; wide++) {
        struct work work = {.eval = eval, .row_count = rows->row_count, .wide = wide != 0};
        struct operand operands[2] = {{0}, {0}};
        struct column result = {0};
        for (uint32_t i = 0; i < 2; i++) {
            TRY(eval_node(&work, sides[i], rows, &operands[i]));
            TRY(multiply_by(&work, &operands[i], power_of_ten(scale - sides[i]->scale), rows));
        }
        if (work.overflow) {
            continue;
        }
        if (!column_make(&result, type_of(TYPE_BOOL), rows->row_count, false, eval->arena)) {
            return exec_no_memory(eval->exec);
        }
        if (work.wide) {
            compare_wide(comparison->compare, rows, operands[0].values, operands[1].values,
                         result.data);
        } else {
            compare_narrow(comparison->compare, rows, operands[0].values, operands[1].values,
                           result.data);
        }
        result.validity = work.validity;
        *column_out = result;
        *fits_out = true;
        return TDBPLUS_OK;
    }
    *fits_out = false;
    return TDBPLUS_OK;
}
