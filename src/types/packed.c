#include "types/packed.h"
#include "types/catalog_type.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "types/datetime.h"
#include "types/range.h"
#include "types/text_internal.h"

#define SHOWN_SIZE_MAX   200u
#define CENTS_PER_DOLLAR 100u

bool packed_type(struct type type)
{
    return (type.id >= TYPE_BPCHAR && type.id <= TYPE_DATEMULTIRANGE) || catalog_type(type);
}

struct span packed_significant(struct type type, struct span bytes)
{
    if (type.id == TYPE_BPCHAR) {
        while (bytes.size > 0 && bytes.data[bytes.size - 1] == ' ') {
            bytes.size--;
        }
    } else if (type.id == TYPE_NUMRANGE || type.id == TYPE_NUMMULTIRANGE) {
        bytes.size -= range_tail_size(bytes);
    }
    return bytes;
}

/* The packed bytes of a value as its datum's, in the arena. */
static tdbplus_status keep(const uint8_t *bytes, size_t size, struct arena *arena,
                           struct datum *datum, struct err *err)
{
    uint8_t *copy = arena_bytes(arena, size);
    if (copy == NULL) {
        return text_no_memory(err);
    }
    memcpy(copy, bytes, size);
    datum->bytes = (struct span){.data = copy, .size = size};
    return TDBPLUS_OK;
}

/* ---- bit strings: a byte '0' or '1' each, which order as PostgreSQL's bits and are their text.
 * Compression takes the eight-fold size back where they are stored. ---- */

static tdbplus_status bad_bit(uint8_t byte, bool hex, struct err *err)
{
    return err_set_state(err, TDBPLUS_E_SYNTAX, "22P02", "\"%c\" is not a valid %s digit",
                         (char)byte, hex ? "hexadecimal" : "binary");
}

static tdbplus_status check_bits(struct type type, size_t count, struct err *err)
{
    if (type.parameter == 0 ||
        (type.id == TYPE_BIT ? count == type.parameter : count <= type.parameter)) {
        return TDBPLUS_OK;
    }
    return type.id == TYPE_BIT
               ? err_set_state(err, TDBPLUS_E_RANGE, "22026",
                               "bit string length %zu does not match type bit(%u)", count,
                               type.parameter)
               : err_set_state(err, TDBPLUS_E_RANGE, "22001",
                               "bit string too long for type bit varying(%u)", type.parameter);
}

static tdbplus_status parse_bits(struct span text, struct arena *arena, struct datum *datum,
                                 struct err *err)
{
    uint8_t first = text.size > 0 ? text.data[0] : 0;
    bool hex = first == 'x' || first == 'X';
    if (hex || first == 'b' || first == 'B') {
        text.data++;
        text.size--;
    }
    size_t count = hex ? text.size * 4 : text.size;
    if (count > VALUE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "bit string length exceeds the maximum allowed");
    }
    TRY(check_bits(datum->type, count, err));
    uint8_t *bits = arena_bytes(arena, count);
    if (bits == NULL) {
        return text_no_memory(err);
    }
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        int digit = byte >= '0' && byte <= '9' ? byte - '0' : -1;
        uint8_t lower = byte | 0x20;
        digit = digit < 0 && hex && lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : digit;
        if (digit < 0 || (!hex && digit > 1)) {
            return bad_bit(byte, hex, err);
        }
        for (unsigned bit = 0; hex && bit < 4; bit++) {
            bits[i * 4 + bit] = (uint8_t)('0' + ((unsigned)digit >> (3 - bit) & 1));
        }
        if (!hex) {
            bits[i] = byte;
        }
    }
    datum->bytes = (struct span){.data = bits, .size = count};
    return TDBPLUS_OK;
}

/* ---- time with time zone: the moment in UTC, then PostgreSQL's seconds west, both big-endian with
 * the sign flipped ---- */

void timetz_pack(struct timetz value, uint8_t bytes[TIMETZ_SIZE])
{
    int64_t moment = value.time - value.offset * US_PER_SECOND;
    store_u64_be(bytes, (uint64_t)moment ^ (uint64_t)1 << 63);
    uint8_t west[8];
    store_u64_be(west, (uint64_t)((int64_t)-value.offset + INT32_MAX));
    memcpy(bytes + 8, west + 4, 4);
}

struct timetz timetz_unpack(struct span bytes)
{
    if (bytes.size != TIMETZ_SIZE) {
        return (struct timetz){0};
    }
    int64_t moment = (int64_t)(load_u64_be(bytes.data) ^ (uint64_t)1 << 63);
    uint8_t west[8] = {0};
    memcpy(west + 4, bytes.data + 8, 4);
    int32_t offset = (int32_t)(INT32_MAX - (int64_t)load_u64_be(west));
    return (struct timetz){.time = moment + offset * US_PER_SECOND, .offset = offset};
}

static tdbplus_status parse_timetz(struct span text, const struct text_style *style,
                                   struct arena *arena, struct datum *datum, struct err *err)
{
    struct timetz value = {0};
    TRY(timetz_parse(text, style == NULL ? NULL : style->zone, style == NULL ? NULL : style->finder,
                     &value.time, &value.offset, err));
    uint8_t bytes[TIMETZ_SIZE];
    timetz_pack(value, bytes);
    return keep(bytes, sizeof bytes, arena, datum, err);
}

/* ---- money ---- */

static tdbplus_status money_out_of_range(struct span text, struct err *err)
{
    return err_set_state(
        err, TDBPLUS_E_RANGE, "22003", "value \"%.*s\" is out of range for type money",
        (int)(text.size > SHOWN_SIZE_MAX ? SHOWN_SIZE_MAX : text.size), (const char *)text.data);
}

/* Signs, parentheses, currency signs and blanks before the digits. */
static bool skip_money_signs(struct span *rest)
{
    bool negative = false;
    for (; rest->size > 0; rest->data++, rest->size--) {
        uint8_t byte = rest->data[0];
        negative = negative || byte == '-' || byte == '(';
        if (byte != '-' && byte != '(' && byte != '$' && byte != '+' && !text_is_space(byte)) {
            break;
        }
    }
    return negative;
}

/* Cents of digits, commas and a point; what follows the digits is left in *rest. */
static bool read_cents(struct span *rest, uint64_t *cents_out)
{
    uint64_t cents = 0;
    unsigned decimals = 0;
    bool point = false;
    bool good = true;
    for (; rest->size > 0; rest->data++, rest->size--) {
        uint8_t byte = rest->data[0];
        if (byte == '.' && !point) {
            point = true;
        } else if (byte >= '0' && byte <= '9') {
            decimals += point && decimals < 3;
            unsigned digit = (unsigned)(byte - '0');
            if (decimals < 3) {
                good = good && !__builtin_mul_overflow(cents, 10u, &cents) &&
                       !__builtin_add_overflow(cents, digit, &cents);
            } else if (decimals == 3) {
                good = good && !__builtin_add_overflow(cents, digit >= 5, &cents);
                decimals = 4;
            }
        } else if (byte != ',' || point) {
            break;
        }
    }
    for (; decimals < 2; decimals++) {
        good = good && !__builtin_mul_overflow(cents, 10u, &cents);
    }
    *cents_out = cents;
    return good;
}

static tdbplus_status parse_money(struct span text, struct datum *datum, struct err *err)
{
    struct span rest = text;
    uint64_t cents = 0;
    bool negative = skip_money_signs(&rest);
    bool fits = read_cents(&rest, &cents);
    bool good = true;
    for (; good && rest.size > 0; rest.data++, rest.size--) {
        uint8_t byte = rest.data[0];
        negative = negative || byte == '-';
        good = text_is_space(byte) || byte == ')' || byte == '-' || byte == '+' || byte == '$';
    }
    if (!good) {
        return text_bad_syntax(datum->type, text, err);
    }
    if (!fits || cents > (uint64_t)INT64_MAX + negative) {
        return money_out_of_range(text, err);
    }
    datum->integer = (int64_t)(negative ? 0 - cents : cents);
    return TDBPLUS_OK;
}

static void print_money(int64_t value, struct buffer *text)
{
    uint64_t cents = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[48];
    size_t at = sizeof digits;
    digits[--at] = (char)('0' + cents % 10);
    digits[--at] = (char)('0' + cents / 10 % 10);
    digits[--at] = '.';
    uint64_t dollars = cents / CENTS_PER_DOLLAR;
    unsigned count = 0;
    do {
        if (count > 0 && count % 3 == 0) {
            digits[--at] = ',';
        }
        digits[--at] = (char)('0' + dollars % 10);
        dollars /= 10;
        count++;
    } while (dollars > 0);
    buffer_put_text(text, value < 0 ? "-$" : "$");
    buffer_put(text, digits + at, sizeof digits - at);
}

/* ---- all ---- */

tdbplus_status packed_parse(struct span text, const struct text_style *style, struct arena *arena,
                            struct datum *datum, struct err *err)
{
    if (catalog_type(datum->type)) {
        return catalog_type_parse(text, style, arena, datum, err);
    }
    switch (datum->type.id) {
    case TYPE_TIMETZ:
        return parse_timetz(text, style, arena, datum, err);
    case TYPE_MONEY:
        return parse_money(text, datum, err);
    case TYPE_BIT:
    case TYPE_VARBIT:
        return parse_bits(text, arena, datum, err);
    case TYPE_INET:
    case TYPE_CIDR:
        return address_parse(text, arena, datum, err);
    case TYPE_MACADDR:
    case TYPE_MACADDR8:
        return macaddr_parse(text, arena, datum, err);
    default:
        return range_type(datum->type) ? range_parse(text, style, arena, datum, err)
                                       : multirange_parse(text, style, arena, datum, err);
    }
}

static void print_address(const struct datum *datum, struct buffer *text)
{
    struct address address = address_unpack(datum->bytes);
    address_print(&address, text);
    if (datum->type.id == TYPE_CIDR || address.bits != address_bits(&address)) {
        buffer_printf(text, "/%u", address.bits);
    }
}

void packed_print(const struct datum *datum, const struct text_style *style, struct buffer *text)
{
    if (catalog_type(datum->type)) {
        catalog_type_print(datum, style, text);
        return;
    }
    switch (datum->type.id) {
    case TYPE_TIMETZ: {
        struct timetz value = timetz_unpack(datum->bytes);
        timetz_print(value.time, value.offset, text);
        break;
    }
    case TYPE_MONEY:
        print_money(datum->integer, text);
        break;
    case TYPE_BPCHAR:
    case TYPE_BIT:
    case TYPE_VARBIT:
        buffer_put_span(text, datum->bytes);
        break;
    case TYPE_INET:
    case TYPE_CIDR:
        print_address(datum, text);
        break;
    case TYPE_MACADDR:
    case TYPE_MACADDR8:
        macaddr_print(datum->bytes, text);
        break;
    default:
        if (range_type(datum->type)) {
            range_print(datum, style, text);
        } else {
            multirange_print(datum, style, text);
        }
    }
}
