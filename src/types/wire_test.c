/*
 * Goal: messages are read within their bounds whatever they say, and written as the documentation
 * of the protocol has them; values in binary are PostgreSQL 15's bytes (SELECT encode(int4send(1),
 * 'hex') and the like) and read back.
 */

#include <string.h>

#include "test.h"
#include "types/text.h"
#include "types/wire.h"
#include "types/wire_type.h"

static void hex_of(struct span bytes, char *hex)
{
    for (size_t i = 0; i < bytes.size; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes.data[i]);
    }
    hex[2 * bytes.size] = '\0';
}

TEST(messages_have_letter_and_size)
{
    struct buffer buffer;
    char hex[64];
    buffer_init(&buffer, &alloc_system);
    size_t at = wire_begin(&buffer, 'C');
    wire_put_text(&buffer, "SELECT 1");
    wire_end(&buffer, at);
    hex_of(buffer_span(&buffer), hex);
    CHECK(strcmp(hex, "430000000d53454c454354203100") == 0);
    buffer_deinit(&buffer);
}

TEST(readers_stop_at_the_end)
{
    static const uint8_t bytes[] = {0x01, 0xff, 0xfe, 0x80, 0x00, 0x00, 0x01, 'a', 0, 'b'};
    struct wire_reader reader = {.rest = {bytes, sizeof bytes}};
    CHECK(wire_u8(&reader) == 1);
    CHECK(wire_i16(&reader) == -2);
    CHECK(wire_i32(&reader) == INT32_MIN + 1);
    CHECK(strcmp(wire_text(&reader), "a") == 0);
    CHECK(wire_finish(&reader, "x", NULL) == TDBPLUS_E_INVALID); // One is left.
    CHECK(strcmp(wire_text(&reader), "") == 0);                  // It does not end.
    CHECK(reader.overrun);
    CHECK(wire_i32(&reader) == 0);
    CHECK(wire_bytes(&reader, SIZE_MAX).size == 0);
    CHECK(wire_finish(&reader, "x", NULL) == TDBPLUS_E_INVALID);
}

static const struct {
    struct type type;
    const char *text;
    const char *hex;
} samples[] = {
    {{.id = TYPE_BOOL}, "t", "01"},
    {{.id = TYPE_INT2}, "-2", "fffe"},
    {{.id = TYPE_INT4}, "2147483647", "7fffffff"},
    {{.id = TYPE_INT8}, "-9223372036854775808", "8000000000000000"},
    {{.id = TYPE_FLOAT4}, "1.5", "3fc00000"},
    {{.id = TYPE_FLOAT8}, "-0.1", "bfb999999999999a"},
    {{.id = TYPE_NUMERIC}, "0", "0000000000000000"},
    {{.id = TYPE_NUMERIC}, "-12345.6789", "0003000140000004000109291a85"},
    {{.id = TYPE_NUMERIC},
     "0.00010000",
     "0001ffff00000008"
     "0001"},
    {{.id = TYPE_NUMERIC}, "10000", "00010001000000000001"},
    {{.id = TYPE_NUMERIC}, "NaN", "00000000c0000000"},
    {{.id = TYPE_NUMERIC}, "Infinity", "00000000d0000000"}, // PostgreSQL: scale 32, for no reason.
    {{.id = TYPE_TEXT}, "h\xc3\xa9", "68c3a9"},
    {{.id = TYPE_BYTEA}, "\\x00ff", "00ff"},
    {{.id = TYPE_DATE}, "2000-01-01", "00000000"},
    {{.id = TYPE_DATE}, "1999-12-31", "ffffffff"},
    {{.id = TYPE_DATE}, "infinity", "7fffffff"},
    {{.id = TYPE_TIME}, "00:00:01", "00000000000f4240"},
    {{.id = TYPE_TIMESTAMP}, "2000-01-01 00:00:01", "00000000000f4240"},
    {{.id = TYPE_TIMESTAMPTZ}, "-infinity", "8000000000000000"},
    {{.id = TYPE_INTERVAL}, "1 mon 2 days 00:00:03", "00000000002dc6c00000000200000001"},
    {{.id = TYPE_UUID}, "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff"},
    {{.id = TYPE_JSON}, "{\"a\": 1}", "017b2261223a20317d"},
    {{.id = TYPE_ARRAY, .element = TYPE_INT4},
     "{1,NULL}",
     "000000010000000100000017000000020000000100000004"
     "00000001"
     "ffffffff"},
    {{.id = TYPE_ARRAY, .element = TYPE_TEXT}, "{}", "000000000000000000000019"},
    {{.id = TYPE_VECTOR, .parameter = 2}, "[1,-2]", "000200003f800000c0000000"},
    {{.id = TYPE_VECTOR}, "[1,-2]", "000200003f800000c0000000"},
    {{.id = TYPE_BPCHAR, .parameter = 4}, "ab", "61622020"},
    {{.id = TYPE_TIMETZ}, "01:02:03.5+02:30", "00000000ddf019e0ffffdcd8"},
    {{.id = TYPE_MONEY}, "-$12.34", "fffffffffffffb2e"},
    {{.id = TYPE_BIT}, "101010101", "00000009aa80"},
    {{.id = TYPE_VARBIT}, "", "00000000"},
    {{.id = TYPE_VARBIT}, "1", "0000000180"},
    {{.id = TYPE_INET}, "10.1.2.3/8", "020800040a010203"},
    {{.id = TYPE_INET}, "::ffff:1.2.3.4", "0380001000000000000000000000ffff01020304"},
    {{.id = TYPE_CIDR}, "10.0.0.0/8", "020801040a000000"},
    {{.id = TYPE_MACADDR}, "08:00:2b:01:02:03", "08002b010203"},
    {{.id = TYPE_MACADDR8}, "08:00:2b:01:02:03:04:05", "08002b0102030405"},
    {{.id = TYPE_INT4RANGE}, "[1,5)", "0200000004000000010000000400000005"},
    {{.id = TYPE_INT8RANGE}, "empty", "01"},
    {{.id = TYPE_NUMRANGE}, "(1.50,)", "100000000c000200000000000200011388"},
    {{.id = TYPE_TSRANGE}, "(,2000-01-01 00:00:00]", "0c000000080000000000000000"},
    {{.id = TYPE_TSTZRANGE}, "(,)", "18"},
    {{.id = TYPE_DATERANGE}, "[2000-01-01,2000-01-03)", "0200000004000000000000000400000002"},
    {{.id = TYPE_INT4MULTIRANGE},
     "{[1,3),[5,)}",
     "0000000200000011020000000400000001000000040000000300000009120000000400000005"},
    {{.id = TYPE_NUMMULTIRANGE}, "{}", "00000000"},
    {{.id = TYPE_OID}, "4000000000", "ee6b2800"},
    {{.id = TYPE_XID}, "7", "00000007"},
    {{.id = TYPE_NAME}, "abc", "616263"},
    {{.id = TYPE_CHAR1}, "x", "78"},
    {{.id = TYPE_CHAR1}, "", "00"},
    {{.id = TYPE_REGCLASS}, "1259", "000004eb"},
};

#define SAMPLE_COUNT (sizeof samples / sizeof samples[0])

static void read_text(size_t i, struct arena *arena, struct datum *datum_out)
{
    CHECK(text_parse(span_from_text(samples[i].text), samples[i].type, NULL, arena, datum_out,
                     NULL) == TDBPLUS_OK);
}

TEST(values_in_binary_are_those_of_postgresql)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct arena arena;
        struct buffer buffer;
        struct datum datum;
        char hex[256];
        arena_init(&arena, &alloc_system, 0);
        buffer_init(&buffer, &alloc_system);
        read_text(i, &arena, &datum);
        wire_put_binary(&buffer, &datum, NULL);
        struct span value = {.data = buffer.data + 4, .size = buffer.size - 4};
        hex_of(value, hex);
        if (strcmp(hex, samples[i].hex) != 0) {
            (void)fprintf(stderr, "%s: %s, not %s\n", samples[i].text, hex, samples[i].hex);
        }
        CHECK(strcmp(hex, samples[i].hex) == 0);
        struct datum again;
        CHECK(wire_parse_binary(value, samples[i].type, NULL, &arena, &again, NULL) == TDBPLUS_OK);
        CHECK(datum_compare(&datum, &again) == 0);
        buffer_deinit(&buffer);
        arena_deinit(&arena);
    }
}

/* Cut or lengthened, a value is refused, or another one of its type; nothing is read past it. */
TEST(damaged_values_are_refused_or_others)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct arena arena;
        struct buffer buffer;
        struct datum datum;
        arena_init(&arena, &alloc_system, 0);
        buffer_init(&buffer, &alloc_system);
        read_text(i, &arena, &datum);
        wire_put_binary(&buffer, &datum, NULL);
        size_t size = buffer.size - 4;
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *copy = alloc_raw(&alloc_system, cut + 1);
            memcpy(copy, buffer.data + 4, cut);
            struct span value = {.data = copy, .size = cut};
            tdbplus_status status =
                wire_parse_binary(value, samples[i].type, NULL, &arena, &datum, NULL);
            uint8_t id = samples[i].type.id;
            bool any_size =
                id == TYPE_TEXT || id == TYPE_BYTEA || id == TYPE_BPCHAR || id == TYPE_NAME;
            CHECK(status != TDBPLUS_OK || any_size);
            alloc_free(&alloc_system, copy, cut + 1, 1);
        }
        for (size_t bit = 0; bit < size * 8; bit++) {
            uint8_t *copy = alloc_raw(&alloc_system, size);
            memcpy(copy, buffer.data + 4, size);
            copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            struct span value = {.data = copy, .size = size};
            if (wire_parse_binary(value, samples[i].type, NULL, &arena, &datum, NULL) ==
                TDBPLUS_OK) {
                struct buffer text;
                buffer_init(&text, &alloc_system);
                text_print(&datum, NULL, &text);
                buffer_deinit(&text);
            }
            alloc_free(&alloc_system, copy, size, 1);
        }
        buffer_deinit(&buffer);
        arena_deinit(&arena);
    }
}

TEST(oids_lead_to_their_types)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct wire_type wire = wire_type_of(samples[i].type);
        struct type type = wire_type_by_oid(wire.oid);
        CHECK(type.id == samples[i].type.id);
        CHECK(type.element == samples[i].type.element);
    }
    CHECK(wire_type_by_oid(0).id == TYPE_NONE);
    CHECK(wire_type_by_oid(705).id == TYPE_NONE);
    struct type varchar = {.id = TYPE_TEXT, .parameter = 10};
    CHECK(wire_type_of(varchar).oid == 1043);
    CHECK(wire_type_of(varchar).modifier == 14);
    struct type clock = {.id = TYPE_TIMESTAMP, .parameter = 4};
    CHECK(wire_type_of(clock).modifier == 3);
    CHECK(wire_type_of((struct type){.id = TYPE_TIME}).modifier == -1);
    struct type numeric = {.id = TYPE_NUMERIC, .precision = 12, .scale = 2};
    CHECK(wire_type_of(numeric).modifier == ((12 << 16) | 2) + 4);
}
