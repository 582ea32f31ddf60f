/* Addresses of networks, hosts and hardware. */

#include <string.h>

#include "sql/func/value_kernel.h"
#include "types/packed.h"

static struct address address_argument(struct func_call *call, uint32_t number, uint32_t row)
{
    return address_unpack(text_argument(call, number, row));
}

static tdbplus_status put_bytes(struct func_call *call, const uint8_t *bytes, size_t size,
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

static tdbplus_status put_address(struct func_call *call, const struct address *address,
                                  struct datum *result)
{
    uint8_t bytes[ADDRESS_SIZE_MAX];
    return put_bytes(call, bytes, address_pack(address, bytes), result);
}

/* ---- parts ---- */

static tdbplus_status write_host(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct address address = address_argument(call, 0, row);
    address_print(&address, out);
    return TDBPLUS_OK;
}

WRITER_KERNEL(host, write_host)

/* A network of IPv4 without the octets that have no bit of it; others as they print. */
static tdbplus_status write_abbreviated(struct func_call *call, uint32_t row, struct buffer *out)
{
    struct address address = address_argument(call, 0, row);
    bool is_cidr = call->arguments[0].type.id == TYPE_CIDR;
    if (!is_cidr || address.is_v6) {
        struct datum value = kernel_argument(call, 0, row);
        return func_print(&value, out, call->err);
    }
    uint32_t octets = ((uint32_t)address.bits + 7) / 8;
    for (uint32_t i = 0; i < (octets == 0 ? 1 : octets); i++) {
        buffer_printf(out, i == 0 ? "%u" : ".%u", address.bytes[i]);
    }
    buffer_printf(out, "/%u", address.bits);
    return TDBPLUS_OK;
}

WRITER_KERNEL(abbreviate, write_abbreviated)

#define ADDRESS_KERNEL(NAME, STATEMENT)                                                          \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        struct address address = address_argument(call, 0, row);                                 \
        STATEMENT;                                                                               \
        return put_address(call, &address, result);                                              \
    }                                                                                            \
    ROW_KERNEL(NAME)

ADDRESS_KERNEL(broadcast, address_mask(&address, true))
ADDRESS_KERNEL(network, address_mask(&address, false))
ADDRESS_KERNEL(netmask, memset(address.bytes, address.is_v6 ? 0xFF : 0, sizeof address.bytes);
               memset(address.bytes, 0xFF, address_bits(&address) / 8);
               address_mask(&address, false); address.bits = (uint8_t)address_bits(&address))
ADDRESS_KERNEL(hostmask, memset(address.bytes, 0, sizeof address.bytes);
               address_mask(&address, true); address.bits = (uint8_t)address_bits(&address))
ADDRESS_KERNEL(invert, for (uint32_t i = 0; i < address_bits(&address) / 8; i++)
                           address.bytes[i] = (uint8_t)~address.bytes[i])

static tdbplus_status family_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = address_argument(call, 0, row).is_v6 ? 6 : 4;
    return TDBPLUS_OK;
}

static tdbplus_status masklen_row(struct func_call *call, uint32_t row, struct datum *result)
{
    result->integer = address_argument(call, 0, row).bits;
    return TDBPLUS_OK;
}

ROW_KERNEL(family)
ROW_KERNEL(masklen)

static tdbplus_status set_masklen_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct address address = address_argument(call, 0, row);
    int32_t bits = int4_argument(call, 1, row);
    uint32_t max = address_bits(&address);
    if (bits < -1 || bits > (int32_t)max) {
        return kernel_error(call, "22023", "invalid mask length: %d", bits);
    }
    address.bits = bits == -1 ? (uint8_t)max : (uint8_t)bits;
    if (result->type.id == TYPE_CIDR) {
        address_mask(&address, false);
    }
    return put_address(call, &address, result);
}

ROW_KERNEL(set_masklen)

/* ---- two addresses ---- */

/* Whether the first `bits` bits are the same. */
static bool same_prefix(const struct address *a, const struct address *b, uint32_t bits)
{
    uint32_t whole = bits / 8;
    uint8_t mask = (uint8_t)(0xFF00u >> (bits % 8));
    return a->is_v6 == b->is_v6 && memcmp(a->bytes, b->bytes, whole) == 0 &&
           (bits % 8 == 0 || ((a->bytes[whole] ^ b->bytes[whole]) & mask) == 0);
}

static bool lies_in(const struct address *inner, const struct address *outer, bool may_be_equal)
{
    return (may_be_equal ? inner->bits >= outer->bits : inner->bits > outer->bits) &&
           same_prefix(inner, outer, outer->bits);
}

#define ADDRESS_TEST(NAME, TEST)                                                                 \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        struct address a = address_argument(call, 0, row);                                       \
        struct address b = address_argument(call, 1, row);                                       \
        result->boolean = (TEST);                                                                \
        return TDBPLUS_OK;                                                                       \
    }                                                                                            \
    ROW_KERNEL(NAME)

ADDRESS_TEST(inside, lies_in(&a, &b, false))
ADDRESS_TEST(inside_or_equal, lies_in(&a, &b, true))
ADDRESS_TEST(around, lies_in(&b, &a, false))
ADDRESS_TEST(around_or_equal, lies_in(&b, &a, true))
ADDRESS_TEST(overlaps, same_prefix(&a, &b, a.bits < b.bits ? a.bits : b.bits))
ADDRESS_TEST(same_family, a.is_v6 == b.is_v6)

static tdbplus_status merge_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct address a = address_argument(call, 0, row);
    struct address b = address_argument(call, 1, row);
    if (a.is_v6 != b.is_v6) {
        return kernel_error(call, "22023", "cannot merge addresses from different families");
    }
    a.bits = a.bits < b.bits ? a.bits : b.bits;
    while (!same_prefix(&a, &b, a.bits)) {
        a.bits--;
    }
    address_mask(&a, false);
    return put_address(call, &a, result);
}

ROW_KERNEL(merge)

static tdbplus_status join_bits(struct func_call *call, uint32_t row, bool all,
                                struct datum *result)
{
    struct address a = address_argument(call, 0, row);
    struct address b = address_argument(call, 1, row);
    if (a.is_v6 != b.is_v6) {
        return kernel_error(call, "22023", "cannot %s inet values of different sizes",
                            all ? "AND" : "OR");
    }
    for (size_t i = 0; i < sizeof a.bytes; i++) {
        a.bytes[i] = (uint8_t)(all ? a.bytes[i] & b.bytes[i] : a.bytes[i] | b.bytes[i]);
    }
    a.bits = a.bits > b.bits ? a.bits : b.bits;
    return put_address(call, &a, result);
}

static tdbplus_status and_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return join_bits(call, row, true, result);
}

static tdbplus_status or_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return join_bits(call, row, false, result);
}

ROW_KERNEL(and)
ROW_KERNEL(or)

/* ---- addresses as numbers ---- */

__extension__ typedef unsigned __int128 number;

static number number_of(const struct address *address)
{
    number value = 0;
    for (uint32_t i = 0; i < address_bits(address) / 8; i++) {
        value = value << 8 | address->bytes[i];
    }
    return value;
}

static tdbplus_status move(struct func_call *call, uint32_t row, uint32_t side, bool minus,
                           struct datum *result)
{
    struct address address = address_argument(call, side, row);
    int64_t steps = kernel_argument(call, 1 - side, row).integer;
    bool down = (steps < 0) != minus;
    number size = steps < 0 ? (number)(0 - (uint64_t)steps) : (number)steps;
    number value = number_of(&address);
    number max = address.is_v6 ? ~(number)0 : (number)UINT32_MAX;
    if (down ? size > value : size > max - value) {
        return kernel_error(call, "22003", "result is out of range");
    }
    value = down ? value - size : value + size;
    for (uint32_t i = address_bits(&address) / 8; i > 0; i--, value >>= 8) {
        address.bytes[i - 1] = (uint8_t)value;
    }
    return put_address(call, &address, result);
}

static tdbplus_status plus_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return move(call, row, 0, false, result);
}

static tdbplus_status plus_reversed_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return move(call, row, 1, false, result);
}

static tdbplus_status minus_row(struct func_call *call, uint32_t row, struct datum *result)
{
    return move(call, row, 0, true, result);
}

ROW_KERNEL(plus)
ROW_KERNEL(plus_reversed)
ROW_KERNEL(minus)

static tdbplus_status difference_row(struct func_call *call, uint32_t row, struct datum *result)
{
    struct address a = address_argument(call, 0, row);
    struct address b = address_argument(call, 1, row);
    if (a.is_v6 != b.is_v6) {
        return kernel_error(call, "22023", "cannot subtract inet values of different sizes");
    }
    number left = number_of(&a);
    number right = number_of(&b);
    number size = left > right ? left - right : right - left;
    if (size > (number)INT64_MAX + (left < right)) {
        return kernel_error(call, "22003", "result is out of range");
    }
    result->integer = left < right ? (int64_t)(0 - (uint64_t)size) : (int64_t)size;
    return TDBPLUS_OK;
}

ROW_KERNEL(difference)

/* ---- hardware addresses ---- */

static tdbplus_status change_mac(struct func_call *call, uint32_t row, char operation,
                                 struct datum *result)
{
    struct span a = text_argument(call, 0, row);
    struct span b = call->argument_count > 1 ? text_argument(call, 1, row) : a;
    uint8_t bytes[8] = {0};
    size_t size = a.size < sizeof bytes ? a.size : sizeof bytes;
    size = b.size < size ? b.size : size;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = operation == '~'   ? (uint8_t)~a.data[i]
                   : operation == '&' ? a.data[i] & b.data[i]
                   : operation == '|' ? a.data[i] | b.data[i]
                   : operation == 't' ? (i < 3 ? a.data[i] : 0)
                                      : (uint8_t)(a.data[i] | (i == 0 ? 2 : 0));
    }
    return put_bytes(call, bytes, size, result);
}

#define MAC_KERNEL(NAME, OPERATION)                                                              \
    static tdbplus_status NAME##_row(struct func_call *call, uint32_t row, struct datum *result) \
    {                                                                                            \
        return change_mac(call, row, OPERATION, result);                                         \
    }                                                                                            \
    ROW_KERNEL(NAME)

MAC_KERNEL(mac_not, '~')
MAC_KERNEL(mac_and, '&')
MAC_KERNEL(mac_or, '|')
MAC_KERNEL(mac_trunc, 't')
MAC_KERNEL(mac_set7, '7')

#define IN TYPE_INET
#define CI TYPE_CIDR
#define M6 TYPE_MACADDR
#define M8 TYPE_MACADDR8
#define I4 TYPE_INT4
#define I8 TYPE_INT8
#define TX TYPE_TEXT
#define BO TYPE_BOOL
#define OP FUNC_OPERATOR

const struct func table_network[] = {
    {"<<", 2, {IN, IN}, BO, OP, inside, "True if the first lies in the second network."},
    {"<<=", 2, {IN, IN}, BO, OP, inside_or_equal, "True if it lies in it or is it."},
    {">>", 2, {IN, IN}, BO, OP, around, "True if the second lies in the first network."},
    {">>=", 2, {IN, IN}, BO, OP, around_or_equal, "True if it holds it or is it."},
    {"&&", 2, {IN, IN}, BO, OP, overlaps, "True if one lies in the other."},
    {"~", 1, {IN}, IN, OP, invert, "Every bit the other way."},
    {"&", 2, {IN, IN}, IN, OP, and, "Bits in both."},
    {"|", 2, {IN, IN}, IN, OP, or, "Bits in either."},
    {"+", 2, {IN, I8}, IN, OP, plus, "So many addresses further."},
    {"+", 2, {I8, IN}, IN, OP, plus_reversed, "So many addresses further."},
    {"-", 2, {IN, I8}, IN, OP, minus, "So many addresses before."},
    {"-", 2, {IN, IN}, I8, OP, difference, "Addresses between."},
    {"abbrev", 1, {IN}, TX, 0, abbreviate, "Its text."},
    {"abbrev", 1, {CI}, TX, 0, abbreviate, "Its text, without octets that are not needed."},
    {"broadcast", 1, {IN}, IN, 0, broadcast, "The last address of the network."},
    {"family", 1, {IN}, I4, 0, family, "4 or 6."},
    {"host", 1, {IN}, TX, 0, host, "The address without the network."},
    {"hostmask", 1, {IN}, IN, 0, hostmask, "The bits of hosts."},
    {"inet_merge", 2, {IN, IN}, CI, 0, merge, "The smallest network that holds both."},
    {"inet_same_family", 2, {IN, IN}, BO, 0, same_family, "True if both are 4 or both 6."},
    {"masklen", 1, {IN}, I4, 0, masklen, "Bits of the network."},
    {"netmask", 1, {IN}, IN, 0, netmask, "The bits of the network."},
    {"network", 1, {IN}, CI, 0, network, "The network it lies in."},
    {"set_masklen", 2, {IN, I4}, IN, 0, set_masklen, "With so many bits of network."},
    {"set_masklen", 2, {CI, I4}, CI, 0, set_masklen, "With so many bits of network."},
    {"~", 1, {M6}, M6, OP, mac_not, "Every bit the other way."},
    {"&", 2, {M6, M6}, M6, OP, mac_and, "Bits in both."},
    {"|", 2, {M6, M6}, M6, OP, mac_or, "Bits in either."},
    {"trunc", 1, {M6}, M6, 0, mac_trunc, "The manufacturer's part."},
    {"~", 1, {M8}, M8, OP, mac_not, "Every bit the other way."},
    {"&", 2, {M8, M8}, M8, OP, mac_and, "Bits in both."},
    {"|", 2, {M8, M8}, M8, OP, mac_or, "Bits in either."},
    {"trunc", 1, {M8}, M8, 0, mac_trunc, "The manufacturer's part."},
    {"macaddr8_set7bit", 1, {M8}, M8, 0, mac_set7, "As in an IPv6 address."},
    FUNC_END,
};
