#include "types/wire_packed.h"

#include <string.h>

#include "types/datetime.h"
#include "types/packed.h"
#include "types/range.h"
#include "types/wire.h"
#include "types/wire_type.h"

#define FAMILY_4       2
#define FAMILY_6       3
#define ZONE_LIMIT     (16 * 3600) /* Seconds; offsets stay below. */
#define RANGE_IS_EMPTY 0x01u
#define LOWER_INCLUDED 0x02u
#define UPPER_INCLUDED 0x04u
#define LOWER_INFINITE 0x08u
#define UPPER_INFINITE 0x10u

/* ---- out ---- */

static void put_bits(struct buffer *buffer, struct span digits)
{
    wire_put_i32(buffer, (int32_t)digits.size);
    for (size_t i = 0; i < digits.size; i += 8) {
        uint8_t byte = 0;
        for (size_t bit = 0; bit < 8 && i + bit < digits.size; bit++) {
            byte = (uint8_t)(byte | (digits.data[i + bit] & 1u) << (7 - bit));
        }
        buffer_put_u8(buffer, byte);
    }
}

static void put_address(struct buffer *buffer, const struct datum *datum)
{
    struct address address = address_unpack(datum->bytes);
    uint8_t size = address.is_v6 ? 16 : 4;
    buffer_put_u8(buffer, address.is_v6 ? FAMILY_6 : FAMILY_4);
    buffer_put_u8(buffer, address.bits);
    buffer_put_u8(buffer, datum->type.id == TYPE_CIDR);
    buffer_put_u8(buffer, size);
    buffer_put(buffer, address.bytes, size);
}

static void put_range(struct buffer *buffer, const struct range *range,
                      const struct text_style *style)
{
    const struct range_bound *lower = &range->lower;
    const struct range_bound *upper = &range->upper;
    if (range->is_empty) {
        buffer_put_u8(buffer, RANGE_IS_EMPTY);
        return;
    }
    buffer_put_u8(buffer, (uint8_t)((lower->is_infinite    ? LOWER_INFINITE
                                     : lower->is_inclusive ? LOWER_INCLUDED
                                                           : 0) |
                                    (upper->is_infinite    ? UPPER_INFINITE
                                     : upper->is_inclusive ? UPPER_INCLUDED
                                                           : 0)));
    if (!lower->is_infinite) {
        wire_put_binary(buffer, &lower->value, style);
    }
    if (!upper->is_infinite) {
        wire_put_binary(buffer, &upper->value, style);
    }
}

static void put_multirange(struct buffer *buffer, const struct datum *datum,
                           const struct text_style *style)
{
    struct arena arena;
    struct range *ranges = NULL;
    uint32_t count = 0;
    arena_init(&arena, buffer->alloc, 0);
    if (multirange_unpack(datum->type, datum->bytes, &arena, &ranges, &count, NULL) != TDBPLUS_OK) {
        buffer->failed = true;
    }
    wire_put_i32(buffer, (int32_t)count);
    for (uint32_t i = 0; i < count && !buffer->failed; i++) {
        size_t begin = buffer->size;
        wire_put_i32(buffer, 0);
        put_range(buffer, &ranges[i], style);
        wire_set_i32(buffer, begin, (int32_t)(buffer->size - begin - 4));
    }
    arena_deinit(&arena);
}

void wire_put_packed(struct buffer *buffer, const struct datum *datum,
                     const struct text_style *style)
{
    struct range range;
    struct timetz clock;
    switch (datum->type.id) {
    case TYPE_TIMETZ:
        clock = timetz_unpack(datum->bytes);
        wire_put_i64(buffer, clock.time);
        wire_put_i32(buffer, -clock.offset);
        break;
    case TYPE_MONEY:
        wire_put_i64(buffer, datum->integer);
        break;
    case TYPE_BIT:
    case TYPE_VARBIT:
        put_bits(buffer, datum->bytes);
        break;
    case TYPE_INET:
    case TYPE_CIDR:
        put_address(buffer, datum);
        break;
    case TYPE_BPCHAR:
    case TYPE_MACADDR:
    case TYPE_MACADDR8:
    case TYPE_NAME:
        buffer_put_span(buffer, datum->bytes);
        break;
    case TYPE_CHAR1:
        buffer_put_u8(buffer, datum->bytes.size == 0 ? 0 : datum->bytes.data[0]);
        break;
    default:
        if (multirange_type(datum->type)) {
            put_multirange(buffer, datum, style);
        } else if (!range_type(datum->type)) { // Numbers of the catalog.
            wire_put_i32(buffer, (int32_t)(uint32_t)datum->integer);
        } else if (range_unpack(datum->type, datum->bytes, &range)) {
            put_range(buffer, &range, style);
        } else {
            buffer->failed = true;
        }
        break;
    }
}

/* ---- in ---- */

static tdbplus_status keep(const uint8_t *bytes, size_t size, struct arena *arena,
                           struct datum *datum, struct err *err)
{
    uint8_t *copy = arena_bytes(arena, size);
    if (copy == NULL) {
        return wire_no_memory(err);
    }
    if (size > 0) {
        memcpy(copy, bytes, size);
    }
    datum->bytes = (struct span){.data = copy, .size = size};
    return TDBPLUS_OK;
}

static tdbplus_status parse_timetz(struct wire_reader *reader, struct arena *arena,
                                   struct datum *datum, struct err *err)
{
    struct timetz clock = {.time = wire_i64(reader)};
    int32_t west = wire_i32(reader);
    if (reader->overrun || reader->rest.size > 0) {
        return wire_invalid(datum->type, err);
    }
    if (clock.time < 0 || clock.time > US_PER_DAY) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22008", "time out of range");
    }
    if (west <= -ZONE_LIMIT || west >= ZONE_LIMIT) {
        return err_set_state(err, TDBPLUS_E_RANGE, "22009", "time zone displacement out of range");
    }
    clock.offset = -west;
    uint8_t bytes[TIMETZ_SIZE];
    timetz_pack(clock, bytes);
    return keep(bytes, sizeof bytes, arena, datum, err);
}

/* Through their text, whose rules about lengths are the same. */
static tdbplus_status parse_bits(struct wire_reader *reader, struct arena *arena,
                                 struct datum *datum, struct err *err)
{
    int32_t count = wire_i32(reader);
    if (reader->overrun || count < 0 || reader->rest.size != ((size_t)count + 7) / 8 ||
        (size_t)count > VALUE_SIZE_MAX) {
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P03",
                             "invalid length in external bit string");
    }
    uint8_t *digits = arena_bytes(arena, (size_t)count + 1);
    if (digits == NULL) {
        return wire_no_memory(err);
    }
    for (int32_t i = 0; i < count; i++) {
        digits[i] = (uint8_t)('0' + (reader->rest.data[i / 8] >> (7 - i % 8) & 1));
    }
    struct span text = {.data = digits, .size = (size_t)count};
    return text_parse(text, datum->type, NULL, arena, datum, err);
}

static tdbplus_status parse_address(struct wire_reader *reader, struct arena *arena,
                                    struct datum *datum, struct err *err)
{
    const char *name = datum->type.id == TYPE_CIDR ? "cidr" : "inet";
    uint8_t family = wire_u8(reader);
    struct address address = {.is_v6 = family == FAMILY_6, .bits = wire_u8(reader)};
    (void)wire_u8(reader); // Whether it is a cidr: the type says it.
    uint8_t size = wire_u8(reader);
    struct span bytes = wire_bytes(reader, size);
    if (reader->overrun || reader->rest.size > 0) {
        return wire_invalid(datum->type, err);
    }
    const char *wrong = family != FAMILY_4 && family != FAMILY_6 ? "address family"
                        : address.bits > address_bits(&address)  ? "bits"
                        : size != address_bits(&address) / 8     ? "length"
                                                                 : NULL;
    if (wrong != NULL) {
        return err_set_state(err, TDBPLUS_E_SYNTAX, "22P03", "invalid %s in external \"%s\" value",
                             wrong, name);
    }
    memcpy(address.bytes, bytes.data, size);
    struct address network = address;
    address_mask(&network, false);
    if (datum->type.id == TYPE_CIDR && memcmp(network.bytes, address.bytes, size) != 0) {
        tdbplus_status status =
            err_set_state(err, TDBPLUS_E_SYNTAX, "22P03", "invalid external \"cidr\" value");
        err_detail(err, "Value has bits set to right of mask.");
        return status;
    }
    uint8_t packed[ADDRESS_SIZE_MAX];
    size_t packed_size = address_pack(&address, packed);
    return keep(packed, packed_size, arena, datum, err);
}

static tdbplus_status parse_bound(struct wire_reader *reader, struct type type,
                                  const struct text_style *style, struct arena *arena,
                                  struct range_bound *bound, struct err *err)
{
    struct type element = range_element(type);
    bound->value = (struct datum){.type = element};
    if (bound->is_infinite) {
        return TDBPLUS_OK;
    }
    int32_t size = wire_i32(reader);
    struct span bytes = wire_bytes(reader, size < 0 ? SIZE_MAX : (size_t)size);
    if (reader->overrun) {
        return wire_invalid(type, err);
    }
    return wire_parse_binary(bytes, element, style, arena, &bound->value, err);
}

static tdbplus_status parse_range(struct span bytes, struct type type,
                                  const struct text_style *style, struct arena *arena,
                                  struct range *range, struct err *err)
{
    struct wire_reader reader = {.rest = bytes};
    uint8_t flags = wire_u8(&reader);
    bool empty = (flags & RANGE_IS_EMPTY) != 0;
    *range = (struct range){.is_empty = empty};
    range->lower.is_infinite = (flags & LOWER_INFINITE) != 0;
    range->upper.is_infinite = (flags & UPPER_INFINITE) != 0;
    range->lower.is_inclusive = (flags & LOWER_INCLUDED) != 0 && !range->lower.is_infinite;
    range->upper.is_inclusive = (flags & UPPER_INCLUDED) != 0 && !range->upper.is_infinite;
    if (!empty) {
        TRY(parse_bound(&reader, type, style, arena, &range->lower, err));
        TRY(parse_bound(&reader, type, style, arena, &range->upper, err));
    }
    if (reader.overrun || reader.rest.size > 0) {
        return wire_invalid(type, err);
    }
    return range_normalise(range, err);
}

static tdbplus_status keep_buffer(struct buffer *packed, struct arena *arena, struct datum *datum,
                                  struct err *err)
{
    tdbplus_status status =
        packed->failed ? wire_no_memory(err) : keep(packed->data, packed->size, arena, datum, err);
    buffer_deinit(packed);
    return status;
}

static tdbplus_status parse_multirange(struct wire_reader *reader, const struct text_style *style,
                                       struct arena *arena, struct datum *datum, struct err *err)
{
    struct type type = range_of_multirange(datum->type);
    uint32_t count = (uint32_t)wire_i32(reader);
    // Each takes its size and its flags at least.
    if (reader->overrun || count > RANGE_COUNT_MAX || count > reader->rest.size / 5) {
        return wire_invalid(datum->type, err);
    }
    struct range *ranges = arena_array(arena, (size_t)count + 1, sizeof *ranges);
    if (ranges == NULL) {
        return wire_no_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        int32_t size = wire_i32(reader);
        struct span bytes = wire_bytes(reader, size < 0 ? SIZE_MAX : (size_t)size);
        if (reader->overrun) {
            return wire_invalid(datum->type, err);
        }
        TRY(parse_range(bytes, type, style, arena, &ranges[i], err));
    }
    if (reader->rest.size > 0) {
        return wire_invalid(datum->type, err);
    }
    count = multirange_normalise(ranges, count);
    struct buffer packed;
    buffer_init(&packed, arena->alloc);
    multirange_pack(datum->type, ranges, count, &packed);
    return keep_buffer(&packed, arena, datum, err);
}

static tdbplus_status parse_number(struct wire_reader *reader, struct datum *datum, struct err *err)
{
    datum->integer =
        datum->type.id == TYPE_MONEY ? wire_i64(reader) : (int64_t)(uint32_t)wire_i32(reader);
    return reader->overrun || reader->rest.size > 0 ? wire_invalid(datum->type, err) : TDBPLUS_OK;
}

tdbplus_status wire_parse_packed(struct span bytes, const struct text_style *style,
                                 struct arena *arena, struct datum *datum, struct err *err)
{
    struct wire_reader reader = {.rest = bytes};
    struct type type = datum->type;
    struct range range;
    switch (type.id) {
    case TYPE_TIMETZ:
        return parse_timetz(&reader, arena, datum, err);
    case TYPE_BIT:
    case TYPE_VARBIT:
        return parse_bits(&reader, arena, datum, err);
    case TYPE_INET:
    case TYPE_CIDR:
        return parse_address(&reader, arena, datum, err);
    case TYPE_MACADDR:
    case TYPE_MACADDR8:
        return bytes.size != (type.id == TYPE_MACADDR ? 6u : 8u)
                   ? wire_invalid(type, err)
                   : keep(bytes.data, bytes.size, arena, datum, err);
    case TYPE_CHAR1:
        if (bytes.size != 1) {
            return wire_invalid(type, err);
        }
        bytes.size = bytes.data[0] != 0;
        return text_parse(bytes, type, NULL, arena, datum, err);
    case TYPE_BPCHAR:
    case TYPE_NAME:
        return text_parse(bytes, type, NULL, arena, datum, err);
    default:
        break;
    }
    if (multirange_type(type)) {
        return parse_multirange(&reader, style, arena, datum, err);
    }
    if (!range_type(type)) {
        return parse_number(&reader, datum, err);
    }
    TRY(parse_range(bytes, type, style, arena, &range, err));
    struct buffer packed;
    buffer_init(&packed, arena->alloc);
    range_pack(type, &range, &packed);
    return keep_buffer(&packed, arena, datum, err);
}
