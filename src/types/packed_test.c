/*
 * Goal: packed values read, print and order as PostgreSQL 15's, and their significant bytes are
 * those of equal values. Method: its answers for some 220 texts (tools/gen/types_vectors.py); then
 * keys against datum_compare, every truncation of the bytes of ranges, and failing allocations.
 */

#include "types/packed.h"

#include <stdlib.h>

#include "test.h"
#include "types/range.h"
#include "types/schema.h"

static const struct {
    const char *type;
    const char *text;
    const char *result;
    int is_error;
} texts[] = {
#include "types/vectors/packed.inc"
};

static const struct {
    const char *type;
    const char *text;
    const char *rank;
    int is_error;
} ranks[] = {
#include "types/vectors/packed_order.inc"
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* "bit(3)", "inet[]". */
static struct type type_of_name(const char *name)
{
    struct type type = {0};
    size_t size = strcspn(name, "([");
    CHECK(type_find((struct span){(const uint8_t *)name, size}, &type));
    if (name[size] == '(') {
        type.parameter = (uint32_t)strtoul(name + size + 1, NULL, 10);
    }
    if (strstr(name, "[]") != NULL) {
        type.element = type.id;
        type.id = TYPE_ARRAY;
    }
    return type;
}

TEST(texts_are_read_and_printed_as_postgresql_does)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct arena arena = {.alloc = &alloc_system};
        struct buffer out = {.alloc = &alloc_system};
        struct err err = {0};
        struct datum datum = {0};
        tdbplus_status status = text_parse(span_from_text(texts[i].text),
                                           type_of_name(texts[i].type), NULL, &arena, &datum, &err);
        if (status == TDBPLUS_OK) {
            text_print(&datum, NULL, &out);
        }
        buffer_put_u8(&out, 0);
        const char *got = status == TDBPLUS_OK ? (const char *)out.data : err.sqlstate;
        if ((status != TDBPLUS_OK) != texts[i].is_error || strcmp(got, texts[i].result) != 0) {
            fprintf(stderr, "%s '%s': got %s, expected %s\n", texts[i].type, texts[i].text, got,
                    texts[i].result);
            wrong++;
        }
        buffer_deinit(&out);
        arena_deinit(&arena);
    }
    CHECK(wrong == 0);
}

static struct datum read_ranked(size_t i, struct arena *arena)
{
    struct datum datum = {0};
    CHECK(text_parse(span_from_text(ranks[i].text), type_of_name(ranks[i].type), NULL, arena,
                     &datum, NULL) == TDBPLUS_OK);
    return datum;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

TEST(values_order_as_postgresql_says_and_keys_with_them)
{
    struct arena arena = {.alloc = &alloc_system};
    unsigned wrong = 0;
    for (size_t i = 0; i < COUNT(ranks); i++) {
        for (size_t k = 0; k < COUNT(ranks); k++) {
            if (strcmp(ranks[i].type, ranks[k].type) != 0) {
                continue;
            }
            struct datum left = read_ranked(i, &arena);
            struct datum right = read_ranked(k, &arena);
            long difference = strtol(ranks[i].rank, NULL, 10) - strtol(ranks[k].rank, NULL, 10);
            int expected = (difference > 0) - (difference < 0);
            struct buffer keys[2] = {{.alloc = &alloc_system}, {.alloc = &alloc_system}};
            CHECK(key_encode_prefix(&left, 1, &keys[0], NULL) == TDBPLUS_OK);
            CHECK(key_encode_prefix(&right, 1, &keys[1], NULL) == TDBPLUS_OK);
            int by_key = sign(span_compare(buffer_span(&keys[0]), buffer_span(&keys[1])));
            if (sign(datum_compare(&left, &right)) != expected || by_key != expected) {
                fprintf(stderr, "%s: '%s' and '%s'\n", ranks[i].type, ranks[i].text, ranks[k].text);
                wrong++;
            }
            buffer_deinit(&keys[0]);
            buffer_deinit(&keys[1]);
        }
    }
    CHECK(wrong == 0);
    arena_deinit(&arena);
}

/* What is no range of that type is told apart, and nothing is read past its end. */
TEST(damaged_ranges_are_refused)
{
    static const char *const samples[][2] = {{"numrange", "[1.50,123456789.25]"},
                                             {"int4range", "[1,5)"},
                                             {"nummultirange", "{[1,2.0),[3,4)}"}};
    struct arena arena = {.alloc = &alloc_system};
    for (size_t i = 0; i < COUNT(samples); i++) {
        struct datum datum = {0};
        struct type type = type_of_name(samples[i][0]);
        CHECK(text_parse(span_from_text(samples[i][1]), type, NULL, &arena, &datum, NULL) ==
              TDBPLUS_OK);
        for (size_t size = 0; size <= datum.bytes.size; size++) {
            struct bytes copy = {.data = alloc_array(&alloc_system, size + 1, 1),
                                 .size = size,
                                 .alloc = &alloc_system};
            memcpy(copy.data, datum.bytes.data, size);
            struct span span = {copy.data, copy.size};
            struct range range;
            struct range *ranges = NULL;
            uint32_t count = 0;
            bool good = range_type(type) ? range_unpack(type, span, &range)
                                         : multirange_unpack(type, span, &arena, &ranges, &count,
                                                             NULL) == TDBPLUS_OK;
            CHECK(good || size < datum.bytes.size);
            CHECK(!good || size == datum.bytes.size || !range_type(type));
            bytes_deinit(&copy);
        }
    }
    arena_deinit(&arena);
}

TEST(parsing_survives_every_failed_allocation)
{
    static const char *const samples[][2] = {{"nummultirange", "{[1,2.0),[3,4)}"},
                                             {"bpchar(5)", "ab"},
                                             {"cidr", "10.0.0.0/8"},
                                             {"timetz", "12:00+01"},
                                             {"varbit", "x1f"},
                                             {"macaddr8", "08002b010203"}};
    for (size_t i = 0; i < COUNT(samples); i++) {
        tdbplus_status status = TDBPLUS_E_NOMEM;
        for (uint32_t fail_at = 0; status != TDBPLUS_OK; fail_at++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, fail_at);
            struct arena arena = {.alloc = &fault.alloc};
            struct datum datum = {0};
            status = text_parse(span_from_text(samples[i][1]), type_of_name(samples[i][0]), NULL,
                                &arena, &datum, NULL);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
            arena_deinit(&arena);
            CHECK(fault.live_bytes == 0);
        }
    }
}
