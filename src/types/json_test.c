/*
 * Goal: documents print as PostgreSQL 15 prints jsonb, order as it orders them, are found by path,
 * and no damaged bytes pass json_validate() or make a reader stray.
 * Method: vectors made by PostgreSQL; every truncation and bit flip; random documents built, parsed
 * and looked up; sweeps over failing allocations.
 */

#include "types/json.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"
#include "types/numeric.h"
#include "types/type.h"

struct vector {
    const char *input;
    const char *output;
    int is_error;
};

static const struct vector texts[] = {
#include "types/vectors/json.inc"
};

static const struct vector ranks[] = {
#include "types/vectors/json_order.inc"
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct buffer parse(const char *text)
{
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    struct buffer document = {.alloc = &alloc_system};
    struct err err = {0};
    if (json_parse(&builder, span_from_text(text), &document, &err) != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s %s\n", text, err.text, err.detail);
        CHECK(false);
    }
    json_builder_deinit(&builder);
    return document;
}

static bool prints_as(struct span document, const char *expected)
{
    struct buffer text = {.alloc = &alloc_system};
    json_print(document, &text);
    bool same = span_compare(buffer_span(&text), span_from_text(expected)) == 0;
    if (!same) {
        fprintf(stderr, "%.*s\n%s\n", (int)text.size, (char *)text.data, expected);
    }
    buffer_deinit(&text);
    return same;
}

TEST(texts_print_as_postgresql_prints_them)
{
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buffer document = {.alloc = &alloc_system};
        struct err err = {0};
        tdbplus_status status =
            json_parse(&builder, span_from_text(texts[i].input), &document, &err);
        if ((status != TDBPLUS_OK) != texts[i].is_error) {
            fprintf(stderr, "%s: %s\n", texts[i].input, err.text);
        }
        CHECK((status != TDBPLUS_OK) == texts[i].is_error);
        if (status != TDBPLUS_OK) {
            CHECK(strcmp(err.sqlstate, texts[i].output) == 0);
            CHECK(document.size == 0);
        } else {
            CHECK(json_validate(buffer_span(&document), NULL) == TDBPLUS_OK);
            CHECK(prints_as(buffer_span(&document), texts[i].output));
            // What was printed is the same document, byte for byte.
            struct buffer again = parse(texts[i].output);
            CHECK(span_compare(buffer_span(&again), buffer_span(&document)) == 0);
            buffer_deinit(&again);
        }
        buffer_deinit(&document);
    }
    json_builder_deinit(&builder);
}

TEST(documents_order_as_postgresql_orders_them)
{
    static struct buffer documents[COUNT(ranks)];
    for (size_t i = 0; i < COUNT(ranks); i++) {
        documents[i] = parse(ranks[i].input);
    }
    for (size_t i = 0; i < COUNT(ranks); i++) {
        for (size_t k = 0; k < COUNT(ranks); k++) {
            int order = json_compare(buffer_span(&documents[i]), buffer_span(&documents[k]));
            long left = strtol(ranks[i].output, NULL, 10);
            long right = strtol(ranks[k].output, NULL, 10);
            CHECK((order > 0) - (order < 0) == (left > right) - (left < right));
            CHECK(order != 0 ||
                  json_hash(buffer_span(&documents[i])) == json_hash(buffer_span(&documents[k])));
        }
    }
    for (size_t i = 0; i < COUNT(ranks); i++) {
        buffer_deinit(&documents[i]);
    }
}

TEST(errors_name_the_byte)
{
    static const struct {
        const char *text;
        const char *detail;
    } cases[] = {
        {"", "Expected a JSON value, but the input string ended at byte 0."},
        {"[1,x]", "Expected a JSON value, but found \"x\" at byte 4."},
        {"{\"a\" 1}", "Expected \":\", but found \"1\" at byte 6."},
        {"{\"a\":1 2", "Expected \",\" or \"}\", but found \"2\" at byte 8."},
        {"[1", "Expected \",\" or \"]\", but the input string ended at byte 2."},
        {"1 \x01", "Expected end of input, but found 0x01 at byte 3."},
        {"\"a\nb\"", "Expected a character of a string, but found 0x0a at byte 3."},
        {"-", "Expected a digit, but the input string ended at byte 1."},
    };
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    struct buffer document = {.alloc = &alloc_system};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct err err = {0};
        CHECK(json_parse(&builder, span_from_text(cases[i].text), &document, &err) ==
              TDBPLUS_E_SYNTAX);
        CHECK(strcmp(err.detail, cases[i].detail) == 0);
    }
    buffer_deinit(&document);
    json_builder_deinit(&builder);
}

TEST(bad_utf8_is_refused)
{
    static const char *const bad[] = {
        "\"\x80\"",
        "\"\xC0\x80\"",
        "\"\xC3\"",
        "\"\xE0\x80\x80\"",
        "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF0\x80\x80\x80\"",
        "\"\xFF\"",
        "\"abcdefgh\xE2\x82\"",
    };
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    struct buffer document = {.alloc = &alloc_system};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct err err = {0};
        CHECK(json_parse(&builder, span_from_text(bad[i]), &document, &err) == TDBPLUS_E_SYNTAX);
        CHECK(strcmp(err.sqlstate, "22021") == 0);
    }
    struct buffer good =
        parse("\"\xC2\x80\xE0\xA0\x80\xED\x9F\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF\"");
    CHECK(good.size == 17);
    buffer_deinit(&good);
    buffer_deinit(&document);
    json_builder_deinit(&builder);
}

static tdbplus_status parse_nested(uint32_t depth, char open, char close, const char *inner)
{
    struct buffer text = {.alloc = &alloc_system};
    for (uint32_t i = 0; i < depth; i++) {
        buffer_put_u8(&text, (uint8_t)open);
        if (open == '{') {
            buffer_put_text(&text, "\"k\":");
        }
    }
    buffer_put_text(&text, inner);
    for (uint32_t i = 0; i < depth; i++) {
        buffer_put_u8(&text, (uint8_t)close);
    }
    struct json_builder builder;
    json_builder_init(&builder, &alloc_system);
    struct buffer document = {.alloc = &alloc_system};
    tdbplus_status status = json_parse(&builder, buffer_span(&text), &document, NULL);
    if (status == TDBPLUS_OK) {
        CHECK(json_validate(buffer_span(&document), NULL) == TDBPLUS_OK);
        struct buffer copy = {.alloc = &alloc_system};
        buffer_put_span(&copy, buffer_span(&document));
        // One more level around it, as a whole.
        json_builder_begin_array(&builder);
        json_builder_document(&builder, buffer_span(&copy));
        json_builder_end_array(&builder);
        CHECK(json_builder_finish(&builder, &document, NULL) ==
              (depth < JSON_DEPTH_MAX ? TDBPLUS_OK : TDBPLUS_E_LIMIT));
        CHECK(json_compare(buffer_span(&copy), buffer_span(&copy)) == 0);
        text.size = 0;
        json_print(buffer_span(&copy), &text);
        buffer_deinit(&copy);
    }
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    buffer_deinit(&text);
    return status;
}

TEST(depth_is_limited)
{
    CHECK(parse_nested(JSON_DEPTH_MAX - 1, '[', ']', "1") == TDBPLUS_OK);
    CHECK(parse_nested(JSON_DEPTH_MAX, '[', ']', "1") == TDBPLUS_OK);
    CHECK(parse_nested(JSON_DEPTH_MAX, '{', '}', "1") == TDBPLUS_OK);
    CHECK(parse_nested(JSON_DEPTH_MAX + 1, '[', ']', "1") == TDBPLUS_E_LIMIT);
    CHECK(parse_nested(JSON_DEPTH_MAX + 1, '{', '}', "1") == TDBPLUS_E_LIMIT);
    CHECK(parse_nested(1000000, '[', ']', "") == TDBPLUS_E_LIMIT);
}

TEST(paths_find_values)
{
    struct buffer document =
        parse("{\"a\":{\"b\":[10,20,{\"c\":\"x\"}]},\"long key\":null,\"\":7}");
    struct span doc = buffer_span(&document);
    struct span found;
    struct json_step path[] = {{.key = span_from_text("a")},
                               {.key = span_from_text("b")},
                               {.index = -1},
                               {.key = span_from_text("c")}};
    CHECK(json_find(doc, path, 4, &found) && prints_as(found, "\"x\""));
    CHECK(json_find(doc, path, 0, &found) && found.data == doc.data);
    path[2].index = 1;
    CHECK(json_find(doc, path, 3, &found) && prints_as(found, "20"));
    CHECK(!json_find(doc, path, 4, &found));
    path[2].index = 3;
    CHECK(!json_find(doc, path, 3, &found));
    path[2].index = -4;
    CHECK(!json_find(doc, path, 3, &found));
    path[2].index = INT64_MIN;
    CHECK(!json_find(doc, path, 3, &found));
    CHECK(json_get(doc, span_from_text(""), &found) && prints_as(found, "7"));
    CHECK(json_get(doc, span_from_text("long key"), &found) && json_kind(found) == JSON_NULL);
    CHECK(!json_get(doc, span_from_text("long kez"), &found));
    CHECK(!json_get_index(doc, 0, &found));
    CHECK(json_count(doc) == 3);
    struct span key;
    CHECK(prints_as(json_member(doc, 0, &key), "7") && key.size == 0);
    CHECK(json_kind(json_member(doc, 1, &key)) == JSON_OBJECT && key.size == 1);
    buffer_deinit(&document);
}

TEST(every_member_of_wide_objects_is_found)
{
    // Across the widths of offsets: 255, 256, 65535 and 65536 bytes lie in between.
    for (uint32_t count = 0; count < 12000; count = count * 3 / 2 + 7) {
        struct json_builder builder;
        json_builder_init(&builder, &alloc_system);
        struct buffer document = {.alloc = &alloc_system};
        static char keys[12000][12];
        json_builder_begin_object(&builder);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t scrambled = (uint32_t)(((uint64_t)i * 7919) % 12007);
            (void)snprintf(keys[i], sizeof keys[i], "%x", scrambled);
            json_builder_key(&builder, span_from_text(keys[i]));
            json_builder_integer(&builder, i);
        }
        json_builder_end_object(&builder);
        CHECK(json_builder_finish(&builder, &document, NULL) == TDBPLUS_OK);
        CHECK(json_validate(buffer_span(&document), NULL) == TDBPLUS_OK);
        CHECK(json_count(buffer_span(&document)) == count);
        for (uint32_t i = 0; i < count; i++) {
            struct span found;
            int64_t value = -1;
            CHECK(json_get(buffer_span(&document), span_from_text(keys[i]), &found));
            CHECK(json_integer(found, &value) && value == i);
        }
        buffer_deinit(&document);
        json_builder_deinit(&builder);
    }
}

TEST(numbers_convert)
{
    static const struct {
        const char *text;
        bool is_integer;
        int64_t integer;
        double real;
    } cases[] = {
        {"0", true, 0, 0},
        {"-0.0", true, 0, 0},
        {"5.000", true, 5, 5},
        {"5.001", false, 0, 5.001},
        {"9223372036854775807", true, INT64_MAX, 9223372036854775807.0},
        {"-9223372036854775808", true, INT64_MIN, -9223372036854775808.0},
        {"9223372036854775808", false, 0, 9223372036854775808.0},
        {"9223372036854775807.00000000000000000000", true, INT64_MAX, 9223372036854775807.0},
        {"0.1234567890123456789", false, 0, 0.1234567890123456789},
        {"123456789012345.678", false, 0, 123456789012345.678},
        {"9007199254740993.0", true, INT64_C(9007199254740993), 9007199254740992.0},
        {"1e300", false, 0, 1e300},
        {"1e-300", false, 0, 1e-300},
        {"1e400", false, 0, HUGE_VAL},
        {"-1e400", false, 0, -HUGE_VAL},
        {"1e-400", false, 0, 0},
        {"2.2250738585072011e-308", false, 0, 2.2250738585072011e-308},
        {"179769313486231580793728971405301199e273", false, 0, 1.7976931348623157e308},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buffer document = parse(cases[i].text);
        int64_t integer = 0;
        CHECK(json_integer(buffer_span(&document), &integer) == cases[i].is_integer);
        CHECK(integer == cases[i].integer);
        CHECK(json_real(buffer_span(&document)) == cases[i].real);
        struct buffer numeric = {.alloc = &alloc_system};
        struct buffer expected = {.alloc = &alloc_system};
        json_numeric(buffer_span(&document), &numeric);
        CHECK(numeric_parse(span_from_text(cases[i].text), &expected, NULL) == TDBPLUS_OK);
        CHECK(numeric_valid(buffer_span(&numeric)));
        CHECK(span_compare(buffer_span(&numeric), buffer_span(&expected)) == 0);
        buffer_deinit(&numeric);
        buffer_deinit(&expected);
        buffer_deinit(&document);
    }
}

/* Reads everything that a document says of itself; under sanitizers this must not stray. */
static uint64_t read_all(struct span document)
{
    struct buffer text = {.alloc = &alloc_system};
    json_print(document, &text);
    uint64_t hash = json_hash(document);
    CHECK(json_compare(document, document) == 0);
    hash += text.size;
    buffer_deinit(&text);
    return hash;
}

static void check_damaged(struct span good, size_t size, size_t bit)
{
    // A copy of exactly that size, so that a sanitizer sees what reads past it.
    struct bytes copy = {
        .data = alloc_raw(&alloc_system, size), .size = size, .alloc = &alloc_system};
    memcpy(copy.data, good.data, size);
    copy.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    struct span damaged = {copy.data, size};
    if (json_validate(damaged, NULL) == TDBPLUS_OK) {
        (void)read_all(damaged);
        // Whatever is accepted is in the one form that its text has.
        struct buffer text = {.alloc = &alloc_system};
        json_print(damaged, &text);
        buffer_put_u8(&text, 0);
        struct buffer again = parse((char *)text.data);
        CHECK(span_compare(buffer_span(&again), damaged) == 0);
        buffer_deinit(&again);
        buffer_deinit(&text);
    }
    bytes_deinit(&copy);
}

TEST(damaged_documents_are_refused_or_mean_what_they_say)
{
    struct buffer document = parse(
        "{\"a\":[1,-300,70000,99999999999,1.5,1e30,0.25e-20],\"b\":{\"x\":\"text\",\"\":null},"
        "\"c\":[[],{},[true,false]],\"d\":\"a somewhat longer text, so that flips hit it\"}");
    struct span good = buffer_span(&document);
    CHECK(json_validate(good, NULL) == TDBPLUS_OK);
    CHECK(json_validate((struct span){0}, NULL) == TDBPLUS_E_CORRUPT);
    for (size_t size = 1; size < good.size; size++) {
        for (size_t bit = 0; bit < 8; bit++) {
            check_damaged(good, size, 8 * (size - 1) + bit);
        }
    }
    for (size_t bit = 0; bit < 8 * good.size; bit++) {
        check_damaged(good, good.size, bit);
    }
    buffer_deinit(&document);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

TEST(random_bytes_are_mostly_refused)
{
    uint64_t state = 3;
    unsigned accepted = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        size_t size = 1 + next_random(&state) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            // Small values are likely tags, offsets and counts.
            bytes[i] = (uint8_t)(next_random(&state) % (round % 2 == 0 ? 12 : 256));
        }
        struct span span = {bytes, size};
        if (json_validate(span, NULL) == TDBPLUS_OK) {
            (void)read_all(span);
            accepted++;
        }
    }
    CHECK(accepted > 100 && accepted < 20000);
}

static tdbplus_status build(const struct alloc *alloc, struct buffer *document)
{
    struct json_builder builder;
    json_builder_init(&builder, alloc);
    static const char text[] = "{\"numbers\":[1,2.5,1e40,-7],\"esc\\u0061ped\":\"tab\\t\",\"list\":"
                               "[[[[{}]]]],\"b\":{\"a\":1}}";
    tdbplus_status status = json_parse(&builder, span_from_text(text), document, NULL);
    if (status == TDBPLUS_OK) {
        CHECK(prints_as(buffer_span(document),
                        "{\"b\": {\"a\": 1}, \"list\": [[[[{}]]]], \"escaped\": \"tab\\t\", "
                        "\"numbers\": [1, 2.5, 10000000000000000000000000000000000000000, -7]}"));
    } else {
        CHECK(document->size == 0);
        CHECK(builder.node_count == 0); // Ready for the next.
    }
    json_builder_deinit(&builder);
    json_builder_deinit(&builder);
    return status;
}

TEST(parsing_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct buffer document = {.alloc = &fault.alloc};
        tdbplus_status status = build(&fault.alloc, &document);
        buffer_deinit(&document);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at >= 7); // Nodes, stack, order, frames, arena, a numeric, the document.
}

TEST(parsers_are_used_again_without_new_memory)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct json_builder builder;
    json_builder_init(&builder, &fault.alloc);
    struct buffer document = {.alloc = &fault.alloc};
    struct span text = span_from_text("{\"a\":[1,2,3],\"b\\n\":\"c\"}");
    CHECK(json_parse(&builder, text, &document, NULL) == TDBPLUS_OK);
    uint32_t calls = fault.calls;
    for (int i = 0; i < 100; i++) {
        buffer_clear(&document);
        CHECK(json_parse(&builder, text, &document, NULL) == TDBPLUS_OK);
    }
    CHECK(fault.calls == calls);
    buffer_deinit(&document);
    json_builder_deinit(&builder);
}
