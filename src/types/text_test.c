/*
 * Goal: values of every type read and print as PostgreSQL 15 reads and prints them; what prints
 * reads back as the same value; nothing strays on damaged arrays or without memory.
 * Method: vectors made by PostgreSQL; boundary values of every type around and back; random floats;
 * every truncation and bit flip of arrays; sweeps over failing allocations.
 */

#include "types/text.h"

#include <math.h>
#include <stdlib.h>

#include "type_samples.h"
#include "types/array.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *type;
    const char *text;
    const char *result;
    int is_error;
} texts[] = {
#include "types/vectors/text.inc"
};

/* The type of a name such as "int4", "numeric(5,2)[]". */
static struct type type_of_name(const char *name)
{
    for (int id = TYPE_BOOL; id < TYPE_ENUM; id++) {
        struct type type = {.id = (uint8_t)id};
        if (id == TYPE_ARRAY) {
            continue;
        }
        struct type variants[] = {type, type, type, type};
        variants[1].precision = 5;
        variants[1].scale = 2;
        variants[2].precision = 30;
        variants[2].scale = 10;
        variants[3].parameter = 3;
        for (size_t i = 0; i < 8; i++) {
            type = variants[i % 4];
            if (i >= 4) {
                type.element = type.id;
                type.id = TYPE_ARRAY;
            }
            char text[64];
            type_name(type, text);
            if (type_valid(type) && strcmp(text, name) == 0) {
                return type;
            }
        }
    }
    fprintf(stderr, "%s\n", name);
    CHECK(false);
    return (struct type){0};
}

/* Equality that tells 0 from -0 and one NaN from a number. */
static bool same(const struct datum *left, const struct datum *right)
{
    return datum_compare(left, right) == 0;
}

static void print(const struct datum *datum, struct buffer *text)
{
    buffer_clear(text);
    text_print(datum, NULL, text);
    buffer_put_u8(text, 0);
}

TEST(texts_are_read_and_printed_as_postgresql_does)
{
    unsigned wrong = 0;
    struct buffer out = {.alloc = &alloc_system};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct arena arena = {.alloc = &alloc_system};
        struct err err = {0};
        struct datum datum = {0};
        tdbplus_status status = text_parse(span_from_text(texts[i].text),
                                           type_of_name(texts[i].type), NULL, &arena, &datum, &err);
        if (status == TDBPLUS_OK) {
            print(&datum, &out);
        }
        const char *got = status == TDBPLUS_OK ? (const char *)out.data : err.sqlstate;
        if ((status != TDBPLUS_OK) != texts[i].is_error || strcmp(got, texts[i].result) != 0) {
            fprintf(stderr, "%s '%s': got %s, expected %s\n", texts[i].type, texts[i].text, got,
                    texts[i].result);
            wrong++;
        }
        arena_deinit(&arena);
    }
    buffer_deinit(&out);
    CHECK(wrong == 0);
}

static bool prints_and_reads(const struct datum *value)
{
    if (value->type.id == TYPE_ENUM || value->type.id == TYPE_VECTOR) {
        return false; // One needs labels; the other takes no infinities.
    }
    if (value->type.id == TYPE_TEXT && value->bytes.size > 0) {
        return false; // Samples are not UTF-8.
    }
    if (value->type.id == TYPE_TIME) {
        return value->integer >= 0 && value->integer <= INT64_C(86400000000);
    }
    if (value->type.id == TYPE_DATE) {
        return value->integer >= -2440588 && value->integer < 2145042906;
    }
    if (value->type.id == TYPE_TIMESTAMP || value->type.id == TYPE_TIMESTAMPTZ) {
        return value->integer >= INT64_C(-2440588) * 86400000000 &&
               value->integer < INT64_C(106751982) * 86400000000;
    }
    if (value->type.id == TYPE_NUMERIC && type_physical(value->type) == PHYSICAL_8) {
        return llabs(value->integer) < 1000000000;
    }
    if (value->type.id == TYPE_INTERVAL) {
        return value->interval.microseconds > -INT64_C(9000000000000000000) &&
               value->interval.microseconds < INT64_C(9000000000000000000);
    }
    bool is_long = type_physical(value->type) == PHYSICAL_VIEW;
    return value->type.id != TYPE_NUMERIC || !is_long || value->type.precision == 0;
}

TEST(boundary_values_go_around_and_back)
{
    struct buffer out = {.alloc = &alloc_system};
    for (unsigned which = 0; which < SAMPLE_TYPES; which++) {
        struct samples samples;
        samples_make(&samples, which);
        for (uint32_t i = 0; i < samples.count; i++) {
            if (!prints_and_reads(&samples.values[i])) {
                continue;
            }
            struct arena arena = {.alloc = &alloc_system};
            print(&samples.values[i], &out);
            struct datum back = {0};
            struct err err = {0};
            if (text_parse((struct span){out.data, out.size - 1}, samples.type, NULL, &arena, &back,
                           &err) != TDBPLUS_OK) {
                fprintf(stderr, "%s: %s\n", (char *)out.data, err.text);
                CHECK(false);
            }
            CHECK(same(&back, &samples.values[i]));
            arena_deinit(&arena);
        }
    }
    buffer_deinit(&out);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

TEST(every_float_reads_back_as_itself)
{
    uint64_t state = 9;
    struct buffer out = {.alloc = &alloc_system};
    struct arena arena = {.alloc = &alloc_system};
    for (int round = 0; round < 50000; round++) {
        uint64_t bits = next_random(&state);
        double wide = 0;
        float narrow = 0;
        memcpy(&wide, &bits, sizeof wide);
        memcpy(&narrow, &bits, sizeof narrow);
        struct datum values[2] = {{.type = type_of(TYPE_FLOAT8), .real = wide},
                                  {.type = type_of(TYPE_FLOAT4), .real = (double)narrow}};
        for (int i = 0; i < 2; i++) {
            print(&values[i], &out);
            struct datum back = {0};
            CHECK(text_parse((struct span){out.data, out.size - 1}, values[i].type, NULL, &arena,
                             &back, NULL) == TDBPLUS_OK);
            CHECK(same(&back, &values[i]));
            // The C library reads the same number.
            double other =
                i == 0 ? strtod((char *)out.data, NULL) : (double)strtof((char *)out.data, NULL);
            CHECK(other == values[i].real || isnan(other));
        }
    }
    arena_deinit(&arena);
    buffer_deinit(&out);
}

TEST(vectors_are_read_and_printed)
{
    static const struct {
        const char *text;
        const char *result; /* Or an SQLSTATE. */
    } cases[] = {
        {"[1,2,3]", "[1,2,3]"},      {" [ 1 , -2.50, 3e5 ] ", "[1,-2.5,300000]"},
        {"[1,2]", "22000"},          {"[1,2,3,4]", "22000"},
        {"[1,2,]", "22P02"},         {"[]", "22P02"},
        {"1,2,3", "22P02"},          {"[1,2,NaN]", "22000"},
        {"[1,2,Infinity]", "22000"}, {"[1,2,1e39]", "22003"},
        {"[1,2,x]", "22P02"},        {"[1;2;3]", "22P02"},
        {"[1,2,3", "22P02"},         {"[0.1,1e-6,1234567]", "[0.1,1e-06,1.234567e+06]"},
    };
    struct buffer out = {.alloc = &alloc_system};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {.alloc = &alloc_system};
        struct err err = {0};
        struct datum datum = {0};
        struct type type = {.id = TYPE_VECTOR, .parameter = 3};
        if (text_parse(span_from_text(cases[i].text), type, NULL, &arena, &datum, &err) ==
            TDBPLUS_OK) {
            print(&datum, &out);
            CHECK(strcmp((char *)out.data, cases[i].result) == 0);
        } else {
            CHECK(strcmp(err.sqlstate, cases[i].result) == 0);
        }
        arena_deinit(&arena);
    }
    buffer_deinit(&out);
}

TEST(vectors_without_a_dimension_have_the_texts)
{
    static const char *const cases[] = {"[1]", "[1,2]", "[1,2,3.5,-4]"};
    struct arena arena = {.alloc = &alloc_system};
    struct buffer out = {.alloc = &alloc_system};
    struct datum datum = {0};
    struct err err = {0};
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(text_parse(span_from_text(cases[i]), type_of(TYPE_VECTOR), NULL, &arena, &datum,
                         &err) == TDBPLUS_OK);
        print(&datum, &out);
        CHECK(strcmp((char *)out.data, cases[i]) == 0);
    }
    // One component more than there may be.
    char *many = arena_alloc(&arena, 2 * 16001 + 2);
    memset(many, '1', 2 * 16001 + 1);
    for (size_t i = 0; i < 16001; i++) {
        many[2 * i] = i == 0 ? '[' : ',';
    }
    many[2 * 16001] = ']';
    many[2 * 16001 + 1] = '\0';
    CHECK(text_parse(span_from_text(many), type_of(TYPE_VECTOR), NULL, &arena, &datum, &err) ==
          TDBPLUS_E_LIMIT);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static bool label_of(void *ctx, uint32_t list, int64_t ordinal, struct span *label_out)
{
    const char *const *labels = ctx;
    *label_out = span_from_text(labels[ordinal]);
    return list == 7;
}

static bool ordinal_of(void *ctx, uint32_t list, struct span label, int64_t *ordinal_out)
{
    const char *const *labels = ctx;
    for (*ordinal_out = 0; *ordinal_out < 2; ++*ordinal_out) {
        if (list == 7 && span_compare(label, span_from_text(labels[*ordinal_out])) == 0) {
            return true;
        }
    }
    return false;
}

TEST(enums_go_by_their_labels)
{
    const char *labels[] = {"sad", "happy"};
    struct text_style style = {.label_of = label_of, .ordinal_of = ordinal_of, .ctx = labels};
    struct type type = {.id = TYPE_ENUM, .parameter = 7};
    struct arena arena = {.alloc = &alloc_system};
    struct datum datum = {0};
    CHECK(text_parse(span_from_text("happy"), type, &style, &arena, &datum, NULL) == TDBPLUS_OK);
    CHECK(datum.integer == 1);
    struct buffer out = {.alloc = &alloc_system};
    text_print(&datum, &style, &out);
    CHECK(out.size == 5 && memcmp(out.data, "happy", 5) == 0);
    struct err err = {0};
    CHECK(text_parse(span_from_text("angry"), type, &style, &arena, &datum, &err) ==
          TDBPLUS_E_SYNTAX);
    CHECK(strcmp(err.sqlstate, "22P02") == 0);
    CHECK(text_parse(span_from_text("sad"), type, NULL, &arena, &datum, NULL) ==
          TDBPLUS_E_UNSUPPORTED);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

/* Reads every item of an array of bytes that array_open() accepts. */
static void read_all(struct span encoded, struct type type)
{
    struct array array;
    if (array_open(encoded, type, &array, NULL) != TDBPLUS_OK) {
        return;
    }
    size_t sum = 0;
    for (uint32_t i = 0; i < array.count; i++) {
        struct datum item;
        array_get(&array, i, &item);
        for (size_t k = 0;
             !item.is_null && type_physical(item.type) == PHYSICAL_VIEW && k < item.bytes.size;
             k++) {
            sum += item.bytes.data[k];
        }
    }
    CHECK(array_compare(encoded, encoded, type) == 0 || sum == SIZE_MAX);
}

TEST(damaged_arrays_are_refused_or_harmless)
{
    static const struct {
        const char *type;
        const char *text;
    } cases[] = {{"int4[]", "{1,2,NULL,4}"},
                 {"text[]", "{{abc,NULL},{\"\",a longer text of an item}}"},
                 {"bool[]", "{t,f,t}"},
                 {"int4[]", "{}"},
                 {"float8[]", "[2:3]={1,2}"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {.alloc = &alloc_system};
        struct type type = type_of_name(cases[i].type);
        struct datum datum = {0};
        CHECK(text_parse(span_from_text(cases[i].text), type, NULL, &arena, &datum, NULL) ==
              TDBPLUS_OK);
        for (size_t size = 0; size <= datum.bytes.size; size++) {
            struct bytes copy = {.data = alloc_raw(&alloc_system, size + 1),
                                 .size = size + 1,
                                 .alloc = &alloc_system};
            memcpy(copy.data, datum.bytes.data, size);
            struct array array;
            CHECK((array_open((struct span){copy.data, size}, type, &array, NULL) == TDBPLUS_OK) ==
                  (size == datum.bytes.size));
            for (size_t bit = 0; bit < 8 * size; bit++) {
                copy.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                read_all((struct span){copy.data, size}, type);
                copy.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            }
            bytes_deinit(&copy);
        }
        arena_deinit(&arena);
    }
}

TEST(arrays_order_as_in_postgresql)
{
    static const char *const ordered[] = {"{}",      "{1}",     "[2:2]={1}", "{1,0}", "{1,2}",
                                          "{{1,2}}", "{1,2,3}", "{1,NULL}",  "{2}",   "{NULL}"};
    struct type type = type_of_name("int4[]");
    struct arena arena = {.alloc = &alloc_system};
    struct datum values[COUNT(ordered)];
    for (size_t i = 0; i < COUNT(ordered); i++) {
        CHECK(text_parse(span_from_text(ordered[i]), type, NULL, &arena, &values[i], NULL) ==
              TDBPLUS_OK);
    }
    for (size_t i = 0; i < COUNT(ordered); i++) {
        for (size_t k = 0; k < COUNT(ordered); k++) {
            int order = datum_compare(&values[i], &values[k]);
            CHECK((order > 0) - (order < 0) == (i > k) - (i < k));
        }
    }
    arena_deinit(&arena);
}

static tdbplus_status parse_and_print(const char *type, const char *text, const struct alloc *alloc)
{
    struct arena arena = {.alloc = alloc};
    struct buffer out = {.alloc = alloc};
    struct datum datum = {0};
    tdbplus_status status =
        text_parse(span_from_text(text), type_of_name(type), NULL, &arena, &datum, NULL);
    if (status == TDBPLUS_OK) {
        text_print(&datum, NULL, &out);
        status = out.failed ? TDBPLUS_E_NOMEM : TDBPLUS_OK;
    }
    buffer_deinit(&out);
    arena_deinit(&arena);
    return status;
}

TEST(values_survive_every_failed_allocation)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        if (texts[i].is_error) {
            continue;
        }
        for (uint32_t fail_at = 0;; fail_at++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, fail_at);
            tdbplus_status status = parse_and_print(texts[i].type, texts[i].text, &fault.alloc);
            CHECK(fault.live_bytes == 0);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
            if (status == TDBPLUS_OK) {
                break;
            }
        }
    }
}
