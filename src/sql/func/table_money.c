/* Amounts of money: cents. */

#include <math.h>
#include <string.h>

#include "sql/func/value_kernel.h"

static tdbplus_status out_of_range(struct func_call *call)
{
    return kernel_error(call, "22003", "money out of range");
}

KERNEL_CHECKED(add, int64_t, int64_t, int64_t, bad |= __builtin_add_overflow(a, b, &result[row]),
               out_of_range(call))
KERNEL_CHECKED(subtract, int64_t, int64_t, int64_t,
               bad |= __builtin_sub_overflow(a, b, &result[row]), out_of_range(call))

static tdbplus_status put_rounded(struct func_call *call, double cents, struct datum *result)
{
    cents = rint(cents);
    if (!(cents >= -0x1p63 && cents < 0x1p63)) {
        return out_of_range(call);
    }
    result->integer = (int64_t)cents;
    return TDBPLUS_OK;
}

/* An amount and a number, whichever stands first. */
static tdbplus_status multiply_row(struct func_call *call, uint32_t row, struct datum *result)
{
    uint32_t amount = call->arguments[0].type.id == TYPE_MONEY ? 0 : 1;
    int64_t cents = kernel_argument(call, amount, row).integer;
    struct datum factor = kernel_argument(call, 1 - amount, row);
    if (factor.type.id == TYPE_FLOAT4 || factor.type.id == TYPE_FLOAT8) {
        return put_rounded(call, (double)cents * factor.real, result);
    }
    return __builtin_mul_overflow(cents, factor.integer, &result->integer) ? out_of_range(call)
                                                                           : TDBPLUS_OK;
}

ROW_KERNEL(multiply)

static tdbplus_status divide_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t cents = kernel_argument(call, 0, row).integer;
    struct datum divisor = kernel_argument(call, 1, row);
    if (divisor.type.id == TYPE_FLOAT4 || divisor.type.id == TYPE_FLOAT8) {
        return divisor.real == 0 ? kernel_division_by_zero(call)
                                 : put_rounded(call, (double)cents / divisor.real, result);
    }
    if (divisor.integer == 0) {
        return kernel_division_by_zero(call);
    }
    if (divisor.type.id == TYPE_MONEY) {
        result->real = (double)cents / (double)divisor.integer;
        return TDBPLUS_OK;
    }
    if (divisor.integer == -1) {
        return __builtin_sub_overflow((int64_t)0, cents, &result->integer) ? out_of_range(call)
                                                                           : TDBPLUS_OK;
    }
    result->integer = cents / divisor.integer;
    return TDBPLUS_OK;
}

ROW_KERNEL(divide)

/* ---- in words ---- */

static void put_below_hundred(uint64_t number, struct buffer *out)
{
    static const char *const ones[] = {"zero",    "one",     "two",       "three",    "four",
                                       "five",    "six",     "seven",     "eight",    "nine",
                                       "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                       "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                       "fifty", "sixty", "seventy", "eighty", "ninety"};
    if (number < 20) {
        buffer_put_text(out, ones[number]);
        return;
    }
    buffer_put_text(out, tens[number / 10]);
    if (number % 10 != 0) {
        buffer_printf(out, " %s", ones[number % 10]);
    }
}

static void put_below_thousand(uint64_t number, struct buffer *out)
{
    if (number >= 100) {
        put_below_hundred(number / 100, out);
        buffer_put_text(out, " hundred");
        if (number % 100 != 0) {
            buffer_put_text(out, number % 100 < 20 && number % 100 >= 10 ? " and " : " ");
        }
    }
    if (number < 100 || number % 100 != 0) {
        put_below_hundred(number % 100, out);
    }
}

static tdbplus_status write_words(struct func_call *call, uint32_t row, struct buffer *out)
{
    static const struct {
        uint64_t size;
        const char *name;
    } groups[] = {{1000000000000000, " quadrillion "},
                  {1000000000000, " trillion "},
                  {1000000000, " billion "},
                  {1000000, " million "},
                  {1000, " thousand "}};
    int64_t value = kernel_argument(call, 0, row).integer;
    uint64_t cents = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    uint64_t dollars = cents / 100;
    uint64_t rest = dollars;
    size_t begin = out->size;
    buffer_put_text(out, value < 0 ? "minus " : "");
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (rest >= groups[i].size) {
            put_below_thousand(rest / groups[i].size, out);
            buffer_put_text(out, groups[i].name);
            rest %= groups[i].size;
        }
    }
    if (rest > 0 || dollars == 0) {
        put_below_thousand(rest, out);
    }
    buffer_put_text(out, dollars == 1 ? " dollar and " : " dollars and ");
    put_below_hundred(cents % 100, out);
    buffer_put_text(out, cents % 100 == 1 ? " cent" : " cents");
    if (!out->failed && out->data[begin] >= 'a') {
        out->data[begin] = (uint8_t)(out->data[begin] - 'a' + 'A');
    }
    return TDBPLUS_OK;
}

WRITER_KERNEL(words, write_words)

#define MO TYPE_MONEY
#define OP FUNC_OPERATOR

#define NUMBER_LINES(ID)                                    \
    {"*", 2, {MO, ID}, MO, OP, multiply, "So many times."}, \
    {                                                       \
        "/", 2, {MO, ID}, MO, OP, divide, "A part of it."   \
    }

const struct func table_money[] = {
    {"+", 2, {MO, MO}, MO, OP, add, "Sum."},
    {"-", 2, {MO, MO}, MO, OP, subtract, "Difference."},
    NUMBER_LINES(TYPE_INT2),
    NUMBER_LINES(TYPE_INT4),
    NUMBER_LINES(TYPE_INT8),
    NUMBER_LINES(TYPE_FLOAT4),
    NUMBER_LINES(TYPE_FLOAT8),
    {"*", 2, {TYPE_INT2, MO}, MO, OP, multiply, "So many times."},
    {"*", 2, {TYPE_INT4, MO}, MO, OP, multiply, "So many times."},
    {"*", 2, {TYPE_INT8, MO}, MO, OP, multiply, "So many times."},
    {"*", 2, {TYPE_FLOAT4, MO}, MO, OP, multiply, "So many times."},
    {"*", 2, {TYPE_FLOAT8, MO}, MO, OP, multiply, "So many times."},
    {"/", 2, {MO, MO}, TYPE_FLOAT8, OP, divide, "Quotient."},
    {"cash_words", 1, {MO}, TYPE_TEXT, 0, words, "In English words."},
    FUNC_END,
};
