/*
 * Addresses. A packed one is its family (2 or 3), the address with the bits past the network
 * cleared, the network's bits, and the whole address: PostgreSQL's order of networks, then of their
 * lengths, then of hosts, by memcmp. Ten bytes for IPv4.
 */

#include <stdio.h>
#include <string.h>

#include "types/packed.h"
#include "types/text_internal.h"

#define FAMILY_4      2u
#define FAMILY_6      3u
#define SIZE_4        10u
#define WORDS_6       8u
#define BITS_UNKNOWN  (-1)
#define TEXT_SIZE_MAX 64u

void address_mask(struct address *address, bool ones)
{
    for (uint32_t bit = address->bits; bit < address_bits(address); bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        address->bytes[bit / 8] = ones ? (uint8_t)(address->bytes[bit / 8] | mask)
                                       : (uint8_t)(address->bytes[bit / 8] & ~mask);
    }
}

size_t address_pack(const struct address *address, uint8_t bytes[ADDRESS_SIZE_MAX])
{
    size_t width = address_bits(address) / 8;
    struct address network = *address;
    address_mask(&network, false);
    bytes[0] = address->is_v6 ? FAMILY_6 : FAMILY_4;
    memcpy(bytes + 1, network.bytes, width);
    bytes[1 + width] = address->bits;
    memcpy(bytes + 2 + width, address->bytes, width);
    return 2 + 2 * width;
}

struct address address_unpack(struct span bytes)
{
    struct address address = {.is_v6 = bytes.size == ADDRESS_SIZE_MAX};
    size_t width = address_bits(&address) / 8;
    if (bytes.size == 2 + 2 * width && bytes.data[1 + width] <= address_bits(&address)) {
        address.bits = bytes.data[1 + width];
        memcpy(address.bytes, bytes.data + 2 + width, width);
    }
    return address;
}

_Static_assert(SIZE_4 == 2 + 2 * 4, "an IPv4 address lies in its view");

/* ---- reading ---- */

/* A decimal number up to `max` at *at; false when there is none. */
static bool take_decimal(const char **at, uint32_t max, uint32_t *number_out)
{
    uint32_t number = 0;
    const char *begin = *at;
    while (**at >= '0' && **at <= '9') {
        number = number * 10 + (uint32_t)(**at - '0');
        if (number > max) {
            return false;
        }
        (*at)++;
    }
    *number_out = number;
    return *at != begin;
}

/* "/24" up to the end; without it BITS_UNKNOWN. */
static bool take_bits(const char *at, uint32_t max, int *bits_out)
{
    uint32_t bits = 0;
    *bits_out = BITS_UNKNOWN;
    if (*at == 0) {
        return true;
    }
    if (*at++ != '/' || !take_decimal(&at, max, &bits) || *at != 0) {
        return false;
    }
    *bits_out = (int)bits;
    return true;
}

/* What a network without a length has: of its class, but all octets that are there. */
static int class_bits(const uint8_t *bytes, uint32_t octets)
{
    int bits = bytes[0] >= 240   ? 32
               : bytes[0] >= 224 ? 8
               : bytes[0] >= 192 ? 24
               : bytes[0] >= 128 ? 16
                                 : 8;
    bits = bits < (int)octets * 8 ? (int)octets * 8 : bits;
    return bits == 8 && bytes[0] == 224 ? 4 : bits;
}

static bool read_v4(const char *text, bool is_cidr, struct address *address)
{
    const char *at = text;
    uint32_t octets = 0;
    while (*at >= '0' && *at <= '9') {
        uint32_t octet = 0;
        if (octets == 4 || !take_decimal(&at, 255, &octet)) {
            return false;
        }
        address->bytes[octets++] = (uint8_t)octet;
        if (*at != '.') {
            break;
        }
        at++;
    }
    int bits = BITS_UNKNOWN;
    if (octets == 0 || !take_bits(at, 32, &bits)) {
        return false;
    }
    if (is_cidr) {
        bits = bits == BITS_UNKNOWN ? class_bits(address->bytes, octets) : bits;
    } else if (bits == BITS_UNKNOWN && octets == 4) {
        bits = 32;
    } else if (bits == BITS_UNKNOWN || bits / 8 > (int)octets) {
        return false;
    }
    address->bits = (uint8_t)bits;
    return true;
}

static int hex_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The four bytes "1.2.3.4" at the end of an IPv6 address. */
static bool take_dotted(const char **at, uint16_t words[2])
{
    uint32_t octets[4] = {0};
    for (int i = 0; i < 4; i++) {
        if ((i > 0 && *(*at)++ != '.') || !take_decimal(at, 255, &octets[i])) {
            return false;
        }
    }
    words[0] = (uint16_t)(octets[0] << 8 | octets[1]);
    words[1] = (uint16_t)(octets[2] << 8 | octets[3]);
    return true;
}

/* Up to eight words; *gap is where "::" stands, or -1. */
static bool take_words(const char **at, uint16_t words[WORDS_6], uint32_t *count, int *gap)
{
    if ((*at)[0] == ':' && (*at)[1] != ':') {
        return false;
    }
    while (**at != 0 && **at != '/') {
        if ((*at)[0] == ':' && (*at)[1] == ':') {
            if (*gap >= 0) {
                return false;
            }
            *gap = (int)*count;
            *at += 2;
            if (**at == ':') {
                return false;
            }
            continue;
        }
        if (**at == ':') {
            (*at)++;
        }
        const char *begin = *at;
        uint32_t word = 0;
        while (hex_value(**at) >= 0 && *at - begin < 4) {
            word = word << 4 | (uint32_t)hex_value(*(*at)++);
        }
        if (**at == '.') {
            *at = begin;
            *count += 2;
            return *count <= WORDS_6 && take_dotted(at, words + *count - 2);
        }
        if (*at == begin || *count == WORDS_6 || hex_value(**at) >= 0 ||
            (**at != 0 && **at != ':' && **at != '/')) {
            return false;
        }
        words[(*count)++] = (uint16_t)word;
    }
    return (*at)[-1] != ':' || (*at)[-2] == ':';
}

static bool read_v6(const char *text, struct address *address)
{
    const char *at = text;
    uint16_t words[WORDS_6] = {0};
    uint32_t count = 0;
    int gap = -1;
    int bits = BITS_UNKNOWN;
    if (*at == 0 || !take_words(&at, words, &count, &gap) || !take_bits(at, 128, &bits) ||
        (gap < 0 ? count != WORDS_6 : count >= WORDS_6)) {
        return false;
    }
    uint32_t behind = gap < 0 ? 0 : count - (uint32_t)gap;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = i < count - behind ? i : WORDS_6 - count + i;
        address->bytes[2 * place] = (uint8_t)(words[i] >> 8);
        address->bytes[2 * place + 1] = (uint8_t)words[i];
    }
    address->is_v6 = true;
    address->bits = bits == BITS_UNKNOWN ? 128 : (uint8_t)bits;
    return true;
}

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

tdbplus_status address_parse(struct span text, struct arena *arena, struct datum *datum,
                             struct err *err)
{
    char copy[TEXT_SIZE_MAX] = {0};
    struct address address = {0};
    bool is_cidr = datum->type.id == TYPE_CIDR;
    bool good =
        text.size < sizeof copy && (text.size == 0 || memchr(text.data, 0, text.size) == NULL);
    if (good && text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    good = good &&
           (strchr(copy, ':') != NULL ? read_v6(copy, &address) : read_v4(copy, is_cidr, &address));
    if (!good) {
        return text_bad_syntax(datum->type, text, err);
    }
    struct address network = address;
    address_mask(&network, false);
    if (is_cidr && memcmp(network.bytes, address.bytes, sizeof address.bytes) != 0) {
        tdbplus_status status =
            err_set_state(err, TDBPLUS_E_SYNTAX, "22P02", "invalid cidr value: \"%s\"", copy);
        err_detail(err, "Value has bits set to right of mask.");
        return status;
    }
    uint8_t bytes[ADDRESS_SIZE_MAX];
    return keep(bytes, address_pack(&address, bytes), arena, datum, err);
}

/* ---- printing ---- */

/* The longest run of two zero words or more: where it begins and how long it is. */
static uint32_t longest_gap(const uint16_t words[WORDS_6], uint32_t *begin_out)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < WORDS_6; i++) {
        uint32_t size = 0;
        while (i + size < WORDS_6 && words[i + size] == 0) {
            size++;
        }
        if (size > best) {
            best = size;
            *begin_out = i;
        }
    }
    return best >= 2 ? best : 0;
}

static void print_v6(const struct address *address, struct buffer *text)
{
    uint16_t words[WORDS_6];
    for (uint32_t i = 0; i < WORDS_6; i++) {
        words[i] = (uint16_t)(address->bytes[2 * i] << 8 | address->bytes[2 * i + 1]);
    }
    uint32_t begin = 0;
    uint32_t gap = longest_gap(words, &begin);
    for (uint32_t i = 0; i < WORDS_6; i++) {
        if (gap > 0 && i == begin) {
            buffer_put_text(text, i + gap == WORDS_6 ? "::" : ":");
        }
        if (gap > 0 && i >= begin && i < begin + gap) {
            continue;
        }
        if (i > 0) {
            buffer_put_u8(text, ':');
        }
        if (i == 6 && gap > 0 && begin == 0 && (gap == 6 || (gap == 5 && words[5] == 0xFFFF))) {
            buffer_printf(text, "%u.%u.%u.%u", address->bytes[12], address->bytes[13],
                          address->bytes[14], address->bytes[15]);
            return;
        }
        buffer_printf(text, "%x", words[i]);
    }
}

void address_print(const struct address *address, struct buffer *text)
{
    if (address->is_v6) {
        print_v6(address, text);
    } else {
        buffer_printf(text, "%u.%u.%u.%u", address->bytes[0], address->bytes[1], address->bytes[2],
                      address->bytes[3]);
    }
}

/* ---- hardware addresses: their 6 or 8 bytes ---- */

/* Groups of hexadecimal digits with one separator between them, as in "08:00:2b:01:02:03". */
static bool read_groups(const char *at, uint32_t group_count, char separator, bool *too_big,
                        uint8_t *bytes)
{
    uint32_t per_group = 6 / group_count;
    for (uint32_t g = 0; g < group_count; g++) {
        if (g > 0 && separator != 0 && *at++ != separator) {
            return false;
        }
        const char *begin = at;
        uint64_t value = 0;
        uint32_t digits_max = per_group == 1 && separator != 0 ? 16 : 2 * per_group;
        while (hex_value(*at) >= 0 && at - begin < (ptrdiff_t)digits_max) {
            value = value << 4 | (uint64_t)hex_value(*at++);
        }
        if (at == begin || (per_group > 1 && at - begin != (ptrdiff_t)digits_max)) {
            return false;
        }
        *too_big = *too_big || (per_group == 1 && value > 255);
        for (uint32_t i = 0; i < per_group; i++) {
            *bytes++ = (uint8_t)(value >> 8 * (per_group - 1 - i));
        }
    }
    return *at == 0;
}

static bool read_mac6(const char *text, bool *too_big, uint8_t bytes[8])
{
    static const struct {
        uint32_t groups;
        char separator;
    } forms[] = {{6, ':'}, {6, '-'}, {2, ':'}, {2, '-'}, {3, '.'}, {3, '-'}, {1, 0}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        *too_big = false;
        if (read_groups(text, forms[i].groups, forms[i].separator, too_big, bytes)) {
            return true;
        }
    }
    return false;
}

/* Pairs of digits, six or eight, the same separator wherever there is one. */
static bool read_mac8(const char *at, uint8_t bytes[8])
{
    uint32_t count = 0;
    char separator = 0;
    while (*at != 0) {
        int high = hex_value(at[0]);
        int low = high < 0 ? -1 : hex_value(at[1]);
        if (low < 0 || count == 8) {
            return false;
        }
        bytes[count++] = (uint8_t)(high << 4 | low);
        at += 2;
        if (*at == ':' || *at == '-' || *at == '.') {
            if ((separator != 0 && *at != separator) || at[1] == 0) {
                return false;
            }
            separator = *at++;
        }
    }
    if (count == 6) {
        memmove(bytes + 5, bytes + 3, 3);
        bytes[3] = 0xFF;
        bytes[4] = 0xFE;
        count = 8;
    }
    return count == 8;
}

tdbplus_status macaddr_parse(struct span text, struct arena *arena, struct datum *datum,
                             struct err *err)
{
    char copy[TEXT_SIZE_MAX] = {0};
    uint8_t bytes[8] = {0};
    struct span word = text_trim(text);
    bool is_short = datum->type.id == TYPE_MACADDR;
    bool too_big = false;
    bool good =
        word.size < sizeof copy && (word.size == 0 || memchr(word.data, 0, word.size) == NULL);
    if (good && word.size > 0) {
        memcpy(copy, word.data, word.size);
    }
    good = good && (is_short ? read_mac6(copy, &too_big, bytes) : read_mac8(copy, bytes));
    if (!good) {
        return text_bad_syntax(datum->type, text, err);
    }
    if (too_big) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22003",
                             "invalid octet value in \"macaddr\" value: \"%s\"", copy);
    }
    return keep(bytes, is_short ? 6 : 8, arena, datum, err);
}

void macaddr_print(struct span bytes, struct buffer *text)
{
    for (size_t i = 0; i < bytes.size; i++) {
        buffer_printf(text, i == 0 ? "%02x" : ":%02x", bytes.data[i]);
    }
}
