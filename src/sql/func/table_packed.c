/* Packed types (types/packed.h): how they compare, and casts between them and others. */

#include "types/packed.h"

#include <string.h>

#include "sql/func/cast_internal.h"
#include "sql/func/value_kernel.h"
#include "sql/func/zone.h"
#include "types/datetime.h"
#include "types/numeric.h"

#define MONEY_CENTS      100
#define INT_BITS(TYPE)   ((TYPE).id == TYPE_INT8 ? 64u : 32u)
#define MAC8_MIDDLE_SIZE 2u

static inline int compare_packed(struct type type, struct view a, struct view b)
{
    return span_compare(packed_significant(type, view_span(&a)),
                        packed_significant(type, view_span(&b)));
}

#define PACKED_KERNEL(NAME, TEST)                          \
    KERNEL_BINARY(NAME, struct view, struct view, uint8_t, \
                  compare_packed(call->arguments[0].type, a, b) TEST)

PACKED_KERNEL(equal_packed, == 0)
PACKED_KERNEL(not_equal_packed, != 0)
PACKED_KERNEL(less_packed, < 0)
PACKED_KERNEL(less_equal_packed, <= 0)
PACKED_KERNEL(greater_packed, > 0)
PACKED_KERNEL(greater_equal_packed, >= 0)

KERNEL_BINARY(equal_money, int64_t, int64_t, uint8_t, a == b)
KERNEL_BINARY(not_equal_money, int64_t, int64_t, uint8_t, a != b)
KERNEL_BINARY(less_money, int64_t, int64_t, uint8_t, a < b)
KERNEL_BINARY(less_equal_money, int64_t, int64_t, uint8_t, a <= b)
KERNEL_BINARY(greater_money, int64_t, int64_t, uint8_t, a > b)
KERNEL_BINARY(greater_equal_money, int64_t, int64_t, uint8_t, a >= b)

/* ---- casts ---- */

/* The bytes are the same in both types. */
static tdbplus_status relabel(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        text_result(call, row, text_argument(call, 0, row));
    }
    return TDBPLUS_OK;
}

static const struct func relabel_text = {"text", 1, {TYPE_TEXT}, TYPE_TEXT, 0, relabel, "Itself."};

const struct func *func_relabel(void)
{
    return &relabel_text;
}

static tdbplus_status trim_blanks(struct func_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        text_result(call, row,
                    packed_significant(type_of(TYPE_BPCHAR), text_argument(call, 0, row)));
    }
    return TDBPLUS_OK;
}

/* Cut or padded with `pad` to the result's length. */
static tdbplus_status fit_to_length(struct func_call *call, char pad, bool explicit)
{
    struct type type = call->result->type;
    bool is_char = type.id == TYPE_BPCHAR;
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < call->count; i++) {
        uint32_t row = kernel_row(call, i);
        struct span text = text_argument(call, 0, row);
        size_t length = is_char ? text_length(text) : text.size;
        if (!is_char && !explicit && length != type.parameter &&
            (type.id == TYPE_BIT || length > type.parameter)) {
            return type.id == TYPE_BIT
                       ? kernel_error(call, "22026",
                                      "bit string length %zu does not match type bit(%u)", length,
                                      type.parameter)
                       : kernel_error(call, "22001", "bit string too long for type bit varying(%u)",
                                      type.parameter);
        }
        if (length >= type.parameter) {
            size_t keep = is_char ? text_offset(text, type.parameter) : type.parameter;
            for (size_t at = keep; is_char && !explicit && at < text.size; at++) {
                if (text.data[at] != ' ') {
                    return err_set_state(call->err, TDBPLUS_E_RANGE, "22001",
                                         "value too long for type character(%u)", type.parameter);
                }
            }
            text_result(call, row, (struct span){.data = text.data, .size = keep});
            continue;
        }
        size_t blanks = type.id == TYPE_VARBIT ? 0 : type.parameter - length;
        uint8_t *bytes = text_make(call, text.size + blanks, &status);
        if (bytes == NULL) {
            return status;
        }
        if (text.size > 0) {
            memcpy(bytes, text.data, text.size);
        }
        memset(bytes + text.size, pad, blanks);
        text_result(call, row, (struct span){.data = bytes, .size = text.size + blanks});
    }
    return TDBPLUS_OK;
}

static tdbplus_status fit_char(struct func_call *call)
{
    return fit_to_length(call, ' ', false);
}

static tdbplus_status cut_char(struct func_call *call)
{
    return fit_to_length(call, ' ', true);
}

static tdbplus_status fit_bits(struct func_call *call)
{
    return fit_to_length(call, '0', false);
}

static tdbplus_status cut_bits(struct func_call *call)
{
    return fit_to_length(call, '0', true);
}

#define FIT(NAME, ID, KERNEL) \
    static const struct func NAME = {"fit", 1, {ID}, ID, 0, KERNEL, "Fitted to a length."};

FIT(char_assigned, TYPE_BPCHAR, fit_char)
FIT(char_cut, TYPE_BPCHAR, cut_char)
FIT(bit_assigned, TYPE_BIT, fit_bits)
FIT(bit_cut, TYPE_BIT, cut_bits)
FIT(varbit_assigned, TYPE_VARBIT, fit_bits)
FIT(varbit_cut, TYPE_VARBIT, cut_bits)

const struct func *cast_fit_packed(struct type to, enum func_cast_context context)
{
    bool explicit = context == FUNC_CAST_EXPLICIT;
    if (to.parameter == 0) {
        return NULL;
    }
    if (type_has_seconds(to)) {
        return cast_fit_seconds(to);
    }
    switch (to.id) {
    case TYPE_BPCHAR:
        return explicit ? &char_cut : &char_assigned;
    case TYPE_BIT:
        return explicit ? &bit_cut : &bit_assigned;
    case TYPE_VARBIT:
        return explicit ? &varbit_cut : &varbit_assigned;
    default:
        return NULL;
    }
}

/* The lowest bits of a number, as many as the result has; the sign fills what is above them. */
static tdbplus_status integer_to_bits_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    int64_t value = kernel_argument(call, 0, row).integer;
    uint32_t width = call->result->type.parameter;
    width = width == 0 ? 1 : width;
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *bits = text_make(call, width, &status);
    if (bits == NULL) {
        return status;
    }
    for (uint32_t i = 0; i < width; i++) {
        uint32_t place = width - 1 - i;
        bits[i] = (uint8_t)('0' + (place > 63 ? value < 0 : (uint64_t)value >> place & 1));
    }
    result->bytes = (struct span){.data = bits, .size = width};
    return TDBPLUS_OK;
}

ROW_KERNEL(integer_to_bits)

const struct func cast_integer_to_bits = {
    "bit", 1, {TYPE_INT8}, TYPE_BIT, 0, integer_to_bits, "The lowest bits."};

static tdbplus_status bits_to_integer_row(struct func_call *call, uint32_t row,
                                          struct datum *result)
{
    struct span bits = text_argument(call, 0, row);
    uint32_t width = INT_BITS(result->type);
    uint64_t value = 0;
    for (size_t i = 0; i < bits.size; i++) {
        if (i + 1 > width) {
            return kernel_out_of_range(call, width == 64 ? "bigint" : "integer");
        }
        value = value << 1 | (bits.data[i] == '1');
    }
    result->integer = width == 64 ? (int64_t)value : (int32_t)(uint32_t)value;
    return TDBPLUS_OK;
}

ROW_KERNEL(bits_to_integer)

static tdbplus_status put_packed(struct func_call *call, const uint8_t *bytes, size_t size,
                                 struct datum *result)
{
    tdbplus_status status = TDBPLUS_OK;
    uint8_t *copy = text_make(call, size, &status);
    if (copy == NULL) {
        return status;
    }
    memcpy(copy, bytes, size);
    result->bytes = (struct span){.data = copy, .size = size};
    return TDBPLUS_OK;
}

static tdbplus_status inet_to_cidr_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct address address = address_unpack(text_argument(call, 0, row));
    uint8_t bytes[ADDRESS_SIZE_MAX];
    address_mask(&address, false);
    return put_packed(call, bytes, address_pack(&address, bytes), result);
}

ROW_KERNEL(inet_to_cidr)

/* Unlike the output function, the cast always shows the network's bits. */
static tdbplus_status write_address(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct address address = address_unpack(text_argument(call, 0, row));
    address_print(&address, out);
    buffer_printf(out, "/%u", address.bits);
    return TDBPLUS_OK;
}

WRITER_KERNEL(inet_to_text, write_address)

static tdbplus_status mac_to_mac8_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span mac = text_argument(call, 0, row);
    uint8_t bytes[8] = {0, 0, 0, 0xFF, 0xFE, 0, 0, 0};
    if (mac.size == 6) {
        memcpy(bytes, mac.data, 3);
        memcpy(bytes + 5, mac.data + 3, 3);
    }
    return put_packed(call, bytes, sizeof bytes, result);
}

ROW_KERNEL(mac_to_mac8)

static tdbplus_status mac8_to_mac_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct span mac = text_argument(call, 0, row);
    uint8_t bytes[6];
    if (mac.size != 8 || mac.data[3] != 0xFF || mac.data[4] != 0xFE) {
        tdbplus_status status =
            kernel_error(call, "22003", "macaddr8 data out of range to convert to macaddr");
        err_hint(call->err, "Only addresses that have FF and FE as values in the 4th and 5th bytes "
                            "from the left, for example xx:xx:xx:ff:fe:xx:xx:xx, are eligible to "
                            "be converted from macaddr8 to macaddr.");
        return status;
    }
    memcpy(bytes, mac.data, 3);
    memcpy(bytes + 3, mac.data + 5, 3);
    return put_packed(call, bytes, sizeof bytes, result);
}

ROW_KERNEL(mac8_to_mac)

/* ---- money ---- */

static tdbplus_status integer_to_money_row(struct func_call *call, uint32_t row,
                                           struct datum *result)
{
    int64_t value = kernel_argument(call, 0, row).integer;
    if (__builtin_mul_overflow(value, MONEY_CENTS, &result->integer)) {
        return err_set_state(call->err, TDBPLUS_E_RANGE, "22003", "bigint out of range");
    }
    return TDBPLUS_OK;
}

ROW_KERNEL(integer_to_money)

static tdbplus_status numeric_to_money_row(struct func_call *call, uint32_t row,
                                           struct datum *result)
{
    struct buffer hundred = {.alloc = call->arena->alloc};
    struct buffer cents = {.alloc = call->arena->alloc};
    tdbplus_status status = TDBPLUS_OK;
    numeric_of_integer(MONEY_CENTS, &hundred);
    if (hundred.failed) {
        status = kernel_no_memory(call);
        goto done;
    }
    TRY_OR(done,
           numeric_multiply(text_argument(call, 0, row), buffer_span(&hundred), &cents, call->err));
    TRY_OR(done, numeric_to_integer(buffer_span(&cents), INT64_MIN, INT64_MAX, &result->integer,
                                    call->err));
done:
    buffer_deinit(&hundred);
    buffer_deinit(&cents);
    return status;
}

ROW_KERNEL(numeric_to_money)

static tdbplus_status money_to_numeric_row(struct func_call *call, uint32_t row,
                                           struct datum *result)
{
    struct datum cents = {
        .type = {.id = TYPE_NUMERIC, .precision = NUMERIC_DIGITS_MAX_16, .scale = 2},
        .wide = kernel_argument(call, 0, row).integer};
    struct buffer number = {.alloc = call->arena->alloc};
    numeric_of_datum(&cents, &number);
    tdbplus_status status = kernel_keep(call, &number, result);
    buffer_deinit(&number);
    return status;
}

ROW_KERNEL(money_to_numeric)

/* ---- time with time zone ---- */

static tdbplus_status put_timetz(struct func_call *call, int64_t time, int32_t offset,
                                 struct datum *result)
{
    uint8_t bytes[TIMETZ_SIZE];
    timetz_pack((struct timetz){.time = time, .offset = offset}, bytes);
    return put_packed(call, bytes, sizeof bytes, result);
}

static tdbplus_status time_to_timetz_row(struct func_call *call, uint32_t row, struct datum *result)
{
    int64_t now = call->context == NULL ? 0 : call->context->transaction_time_us;
    return put_timetz(call, kernel_argument(call, 0, row).integer,
                      tz_offset_at(zone_session(call), now), result);
}

ROW_KERNEL(time_to_timetz)

static tdbplus_status timestamptz_to_timetz_row(struct func_call *call, uint32_t row,
                                                struct datum *result)
{
    int64_t timestamp = kernel_argument(call, 0, row).integer;
    if (!timestamp_is_finite(timestamp)) {
        result->is_null = true;
        return TDBPLUS_OK;
    }
    int32_t offset = tz_offset_at(zone_session(call), timestamp);
    int64_t time = (timestamp + offset * US_PER_SECOND) % US_PER_DAY;
    return put_timetz(call, time < 0 ? time + US_PER_DAY : time, offset, result);
}

ROW_KERNEL(timestamptz_to_timetz)

static tdbplus_status timetz_to_time_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = timetz_unpack(text_argument(call, 0, row)).time;
    return TDBPLUS_OK;
}

ROW_KERNEL(timetz_to_time)

#define I FUNC_CAST_IMPLICIT
#define A FUNC_CAST_ASSIGNMENT
#define E FUNC_CAST_EXPLICIT

const struct cast_line table_casts_packed[] = {
    CAST(TYPE_BPCHAR, TYPE_TEXT, I, "text", trim_blanks),
    CAST(TYPE_TEXT, TYPE_BPCHAR, I, "bpchar", relabel),
    CAST(TYPE_BIT, TYPE_VARBIT, I, "varbit", relabel),
    CAST(TYPE_VARBIT, TYPE_BIT, I, "bit", relabel),
    CAST(TYPE_BIT, TYPE_INT4, E, "int4", bits_to_integer),
    CAST(TYPE_BIT, TYPE_INT8, E, "int8", bits_to_integer),
    CAST(TYPE_INT4, TYPE_BIT, E, "bit", integer_to_bits),
    CAST(TYPE_INT8, TYPE_BIT, E, "bit", integer_to_bits),
    CAST(TYPE_CIDR, TYPE_INET, I, "inet", relabel),
    CAST(TYPE_INET, TYPE_CIDR, A, "cidr", inet_to_cidr),
    CAST(TYPE_INET, TYPE_TEXT, A, "text", inet_to_text),
    CAST(TYPE_CIDR, TYPE_TEXT, A, "text", inet_to_text),
    CAST(TYPE_MACADDR, TYPE_MACADDR8, I, "macaddr8", mac_to_mac8),
    CAST(TYPE_MACADDR8, TYPE_MACADDR, I, "macaddr", mac8_to_mac),
    CAST(TYPE_INT4, TYPE_MONEY, A, "money", integer_to_money),
    CAST(TYPE_INT8, TYPE_MONEY, A, "money", integer_to_money),
    CAST(TYPE_NUMERIC, TYPE_MONEY, A, "money", numeric_to_money),
    CAST(TYPE_MONEY, TYPE_NUMERIC, A, "numeric", money_to_numeric),
    CAST(TYPE_TIME, TYPE_TIMETZ, I, "timetz", time_to_timetz),
    {TYPE_TIMESTAMPTZ,
     TYPE_TIMETZ,
     A,
     {"timetz",
      1,
      {TYPE_TIMESTAMPTZ},
      TYPE_TIMETZ,
      FUNC_NULLABLE,
      timestamptz_to_timetz,
      "Converted to timetz."}},
    CAST(TYPE_TIMETZ, TYPE_TIME, A, "time", timetz_to_time),
    {TYPE_NONE, TYPE_NONE, 0, FUNC_END},
};

#define OP FUNC_OPERATOR

const struct func table_packed[] = {
    COMPARISONS_OF(packed, TYPE_BPCHAR),
    COMPARISONS_OF(packed, TYPE_TIMETZ),
    COMPARISONS_OF(money, TYPE_MONEY),
    COMPARISONS_OF(packed, TYPE_BIT),
    COMPARISONS_OF(packed, TYPE_VARBIT),
    COMPARISONS_OF(packed, TYPE_INET),
    COMPARISONS_OF(packed, TYPE_MACADDR),
    COMPARISONS_OF(packed, TYPE_MACADDR8),
    COMPARISONS_OF(packed, FUNC_ANY_RANGE),
    COMPARISONS_OF(packed, FUNC_ANY_MULTIRANGE),
    FUNC_END,
};
