/* Bit strings: a byte '0' or '1' each (types/packed.h). */

#include <string.h>

#include "sql/func/value_kernel.h"

static tdbplus_status new_bits(struct func_call *call, size_t size, uint8_t **bits_out,
                               struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *bits = text_make(call, size, &status);
    if (bits == NULL) {
        return status;
    }
    result->bytes = (struct span){.data = bits, .size = size};
    *bits_out = bits;
    return TDBPLUS_OK;
}

static void copy_bits(uint8_t *to, const uint8_t *from, size_t size)
{
    if (size > 0) {
        memcpy(to, from, size);
    }
}

/* ---- operators ---- */

static tdbplus_status join(struct func_call *call, uint32_t row, char operation,
                           struct datum *result)
{
    struct span a = text_argument(call, 0, row);
    struct span b = text_argument(call, 1, row);
    uint8_t *bits = NULL;
    if (a.size != b.size) {
        return kernel_error(call, "22026", "cannot %s bit strings of different sizes",
                            operation == '&'   ? "AND"
                            : operation == '|' ? "OR"
                                               : "XOR");
    }
    TRY(new_bits(call, a.size, &bits, result));
    for (size_t i = 0; i < a.size; i++) {
        bool left = a.data[i] == '1';
        bool right = b.data[i] == '1';
        bool bit = operation == '&'   ? left && right
                   : operation == '|' ? left || right
                                      : left != right;
        bits[i] = bit ? '1' : '0';
    }
    return TDBPLUS_OK;
}

static tdbplus_status and_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return join(call, row, '&', result);
}

static tdbplus_status or_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return join(call, row, '|', result);
}

static tdbplus_status xor_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return join(call, row, '#', result);
}

ROW_KERNEL(and)
ROW_KERNEL(or)
ROW_KERNEL(xor)

static tdbplus_status not_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span a = text_argument(call, 0, row);
    uint8_t *bits = NULL;
    TRY(new_bits(call, a.size, &bits, result));
    for (size_t i = 0; i < a.size; i++) {
        bits[i] = a.data[i] == '1' ? '0' : '1';
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(not )

/* To the left by `shift`, which may be negative; what comes in is 0. */
static tdbplus_status shift_bits(struct func_call *call, struct span a, int64_t shift,
                                 struct datum *result)
{
    uint8_t *bits = NULL;
    TRY(new_bits(call, a.size, &bits, result));
    for (size_t i = 0; i < a.size; i++) {
        int64_t from = (int64_t)i + shift;
        bits[i] = from >= 0 && from < (int64_t)a.size ? a.data[from] : '0';
    }
    return TDBPLUS_OK;
}

static tdbplus_status shift_left_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return shift_bits(call, text_argument(call, 0, row), int4_argument(call, 1, row), result);
}

static tdbplus_status shift_right_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return shift_bits(call, text_argument(call, 0, row), -(int64_t)int4_argument(call, 1, row),
                      result);
}

ROW_KERNEL(shift_left)
ROW_KERNEL(shift_right)

static tdbplus_status concatenate_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span a = text_argument(call, 0, row);
    struct span b = text_argument(call, 1, row);
    uint8_t *bits = NULL;
    TRY(new_bits(call, a.size + b.size, &bits, result));
    copy_bits(bits, a.data, a.size);
    copy_bits(bits + a.size, b.data, b.size);
    return TDBPLUS_OK;
}

ROW_KERNEL(concatenate)

/* ---- functions ---- */

static tdbplus_status length_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = (int64_t)text_argument(call, 0, row).size;
    return TDBPLUS_OK;
}

static tdbplus_status octets_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = ((int64_t)text_argument(call, 0, row).size + 7) / 8;
    return TDBPLUS_OK;
}

static tdbplus_status count_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    for (size_t i = 0; i < bits.size; i++) {
        result->integer += bits.data[i] == '1';
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(length)
ROW_KERNEL(octets)
ROW_KERNEL(count)

static tdbplus_status check_index(struct func_call *call, struct span bits, int32_t index)
{
    if (index >= 0 && (size_t)index < bits.size) {
        return TDBPLUS_OK;
    }
    return kernel_error(call, "2202E", "bit index %d out of valid range (0..%d)", index,
                        (int)bits.size - 1);
}

static tdbplus_status get_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    int32_t index = int4_argument(call, 1, row);
    TRY(check_index(call, bits, index));
    result->integer = bits.data[index] == '1';
    return TDBPLUS_OK;
}

ROW_KERNEL(get)

static tdbplus_status set_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span old = text_argument(call, 0, row);
    int32_t index = int4_argument(call, 1, row);
    int32_t bit = int4_argument(call, 2, row);
    uint8_t *bits = NULL;
    TRY(check_index(call, old, index));
    if (bit != 0 && bit != 1) {
        return kernel_error(call, "22023", "new bit must be 0 or 1");
    }
    TRY(new_bits(call, old.size, &bits, result));
    copy_bits(bits, old.data, old.size);
    bits[index] = bit == 1 ? '1' : '0';
    return TDBPLUS_OK;
}

ROW_KERNEL(set)

/* What stands from `start` (from 1) on, `length` bits of it; both may reach outside. */
static tdbplus_status cut(struct func_call *call, struct span bits, int64_t start, int64_t length,
                          struct span *out)
{
    if (length < 0) {
        return kernel_error(call, "22011", "negative substring length not allowed");
    }
    int64_t begin = start < 1 ? 1 : start;
    int64_t end = start + length; // Not included.
    end = end > (int64_t)bits.size + 1 ? (int64_t)bits.size + 1 : end;
    *out = begin < end ? (struct span){bits.data + begin - 1, (size_t)(end - begin)}
                       : (struct span){bits.data, 0};
    return TDBPLUS_OK;
}

static tdbplus_status substring_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    int64_t length = call->argument_count == 3 ? int4_argument(call, 2, row) : INT32_MAX;
    return cut(call, bits, int4_argument(call, 1, row), length, &result->bytes);
}

ROW_KERNEL(substring)

static tdbplus_status overlay_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    struct span new = text_argument(call, 1, row);
    int64_t start = int4_argument(call, 2, row);
    int64_t length = call->argument_count == 4 ? int4_argument(call, 3, row) : (int64_t) new.size;
    struct span before = {0};
    struct span behind = {0};
    uint8_t *made = NULL;
    if (start <= 0) {
        return kernel_error(call, "22011", "negative substring length not allowed");
    }
    TRY(cut(call, bits, 1, start - 1, &before));
    TRY(cut(call, bits, start + length, INT32_MAX, &behind));
    TRY(new_bits(call, before.size + new.size + behind.size, &made, result));
    copy_bits(made, before.data, before.size);
    copy_bits(made + before.size, new.data, new.size);
    copy_bits(made + before.size + new.size, behind.data, behind.size);
    return TDBPLUS_OK;
}

ROW_KERNEL(overlay)

static tdbplus_status position_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    struct span needle = text_argument(call, 1, row);
    result->integer = bits.size == 0 ? 0 : text_find(bits, needle) + 1;
    return TDBPLUS_OK;
}

ROW_KERNEL(position)

/* The lowest bits of a number; the sign fills what is above them. */
static tdbplus_status of_integer_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t value = kernel_argument(call, 0, row).integer;
    int32_t width = int4_argument(call, 1, row);
    width = width < 1 ? 1 : width;
    uint8_t *bits = NULL;
    TRY(new_bits(call, (size_t)width, &bits, result));
    for (int32_t i = 0; i < width; i++) {
        int32_t place = width - 1 - i;
        bits[i] = (uint8_t)('0' + (place > 63 ? value < 0 : (uint64_t)value >> place & 1));
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(of_integer)

#define BI TYPE_BIT
#define VB TYPE_VARBIT
#define I4 TYPE_INT4
#define OP FUNC_OPERATOR

const struct func table_bits[] = {
    {"&", 2, {BI, BI}, BI, OP, and, "Bits in both."},
    {"|", 2, {BI, BI}, BI, OP, or, "Bits in either."},
    {"#", 2, {BI, BI}, BI, OP, xor, "Bits in one of them."},
    {"~", 1, {BI}, BI, OP, not, "Every bit the other way."},
    {"<<", 2, {BI, I4}, BI, OP, shift_left, "Moved to the left."},
    {">>", 2, {BI, I4}, BI, OP, shift_right, "Moved to the right."},
    {"||", 2, {VB, VB}, VB, OP, concatenate, "Both, joined."},
    {"length", 1, {BI}, I4, 0, length, "Number of bits."},
    {"bit_length", 1, {BI}, I4, 0, length, "Number of bits."},
    {"octet_length", 1, {BI}, I4, 0, octets, "Number of bytes it needs."},
    {"bit_count", 1, {BI}, TYPE_INT8, 0, count, "Number of bits that are 1."},
    {"get_bit", 2, {BI, I4}, I4, 0, get, "A bit, from 0 on the left."},
    {"set_bit", 3, {BI, I4, I4}, BI, 0, set, "With another bit, from 0 on the left."},
    {"substring", 2, {BI, I4}, BI, 0, substring, "From a bit on."},
    {"substring", 3, {BI, I4, I4}, BI, 0, substring, "So many bits from one on."},
    {"overlay", 3, {BI, BI, I4}, BI, 0, overlay, "Others in the place of some."},
    {"overlay", 4, {BI, BI, I4, I4}, BI, 0, overlay, "Others in the place of some."},
    {"position", 2, {BI, BI}, I4, 0, position, "Where the second stands in the first."},
    {"bit", 2, {I4, I4}, BI, 0, of_integer, "So many of the lowest bits."},
    {"bit", 2, {TYPE_INT8, I4}, BI, 0, of_integer, "So many of the lowest bits."},
    FUNC_END,
};
