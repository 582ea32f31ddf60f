/* Goal: widths, names and validity of every type; views keep what they are given. */

#include "types/type.h"

#include "test.h"

TEST(numbers_are_frozen)
{
    CHECK(TYPE_BOOL == 1 && TYPE_INT8 == 4 && TYPE_NUMERIC == 7 && TYPE_TEXT == 8);
    CHECK(TYPE_DATE == 10 && TYPE_INTERVAL == 14 && TYPE_JSON == 16 && TYPE_VECTOR == 19);
    CHECK(TYPE_BPCHAR == 20 && TYPE_MACADDR8 == 28 && TYPE_DATERANGE == 34);
}

TEST(widths_are_those_of_the_physical_form)
{
    static const struct {
        struct type type;
        enum physical physical;
        size_t width;
        const char *name;
    } cases[] = {
        {{.id = TYPE_BOOL}, PHYSICAL_1, 1, "bool"},
        {{.id = TYPE_INT2}, PHYSICAL_2, 2, "int2"},
        {{.id = TYPE_INT4}, PHYSICAL_4, 4, "int4"},
        {{.id = TYPE_INT8}, PHYSICAL_8, 8, "int8"},
        {{.id = TYPE_FLOAT4}, PHYSICAL_4, 4, "float4"},
        {{.id = TYPE_FLOAT8}, PHYSICAL_8, 8, "float8"},
        {{.id = TYPE_NUMERIC}, PHYSICAL_VIEW, 16, "numeric"},
        {{.id = TYPE_NUMERIC, .precision = 18, .scale = 2}, PHYSICAL_8, 8, "numeric(18,2)"},
        {{.id = TYPE_NUMERIC, .precision = 19}, PHYSICAL_16, 16, "numeric(19,0)"},
        {{.id = TYPE_NUMERIC, .precision = 38, .scale = 38}, PHYSICAL_16, 16, "numeric(38,38)"},
        {{.id = TYPE_NUMERIC, .precision = 39}, PHYSICAL_VIEW, 16, "numeric(39,0)"},
        {{.id = TYPE_TEXT}, PHYSICAL_VIEW, 16, "text"},
        {{.id = TYPE_TEXT, .parameter = 20}, PHYSICAL_VIEW, 16, "varchar(20)"},
        {{.id = TYPE_BYTEA}, PHYSICAL_VIEW, 16, "bytea"},
        {{.id = TYPE_DATE}, PHYSICAL_4, 4, "date"},
        {{.id = TYPE_TIME}, PHYSICAL_8, 8, "time"},
        {{.id = TYPE_TIMESTAMP}, PHYSICAL_8, 8, "timestamp"},
        {{.id = TYPE_TIMESTAMPTZ}, PHYSICAL_8, 8, "timestamptz"},
        {{.id = TYPE_INTERVAL}, PHYSICAL_16, 16, "interval"},
        {{.id = TYPE_UUID}, PHYSICAL_16, 16, "uuid"},
        {{.id = TYPE_JSON}, PHYSICAL_VIEW, 16, "jsonb"},
        {{.id = TYPE_ARRAY, .element = TYPE_INT4}, PHYSICAL_VIEW, 16, "int4[]"},
        {{.id = TYPE_ARRAY, .element = TYPE_NUMERIC, .precision = 5, .scale = 2},
         PHYSICAL_VIEW,
         16,
         "numeric(5,2)[]"},
        {{.id = TYPE_ENUM, .parameter = 3}, PHYSICAL_4, 4, "enum"},
        {{.id = TYPE_VECTOR, .parameter = 784}, PHYSICAL_FIXED, 3136, "vector(784)"},
        {{.id = TYPE_VECTOR}, PHYSICAL_VIEW, 16, "vector"},
        {{.id = TYPE_BPCHAR, .parameter = 7}, PHYSICAL_VIEW, 16, "bpchar(7)"},
        {{.id = TYPE_BIT, .parameter = 7}, PHYSICAL_VIEW, 16, "bit(7)"},
        {{.id = TYPE_MONEY}, PHYSICAL_8, 8, "money"},
        {{.id = TYPE_TIMESTAMP, .parameter = 4}, PHYSICAL_8, 8, "timestamp(3)"},
        {{.id = TYPE_INTERVAL, .parameter = 1}, PHYSICAL_16, 16, "interval(0)"},
        {{.id = TYPE_ARRAY, .element = TYPE_INET}, PHYSICAL_VIEW, 16, "inet[]"},
        {{.id = TYPE_DATEMULTIRANGE}, PHYSICAL_VIEW, 16, "datemultirange"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        type_name(cases[i].type, name);
        CHECK(strcmp(name, cases[i].name) == 0);
        CHECK(type_physical(cases[i].type) == cases[i].physical);
        CHECK(type_width(cases[i].type) == cases[i].width);
        CHECK(type_valid(cases[i].type));
        CHECK(type_equal(cases[i].type, cases[i].type));
        CHECK(i == 0 || !type_equal(cases[i].type, cases[i - 1].type));
    }
}

TEST(nonsense_types_are_not_valid)
{
    static const struct type cases[] = {
        {.id = TYPE_NONE},
        {.id = TYPE_DATEMULTIRANGE + 1},
        {.id = TYPE_BPCHAR, .parameter = 10485761},
        {.id = TYPE_INET, .parameter = 1},
        {.id = TYPE_TIME, .parameter = 7},
        {.id = UINT8_MAX},
        {.id = TYPE_INT4, .element = TYPE_INT4},
        {.id = TYPE_INT4, .precision = 1},
        {.id = TYPE_INT4, .scale = 1},
        {.id = TYPE_INT4, .parameter = 1},
        {.id = TYPE_INT4, .form = 1},
        {.id = TYPE_ARRAY, .element = TYPE_INT4, .form = 1},
        {.id = TYPE_ARRAY, .element = TYPE_INT2, .form = 2},
        {.id = TYPE_ARRAY, .element = TYPE_INT4, .form = 3},
        {.id = TYPE_NUMERIC, .precision = -1},
        {.id = TYPE_NUMERIC, .precision = 1001},
        {.id = TYPE_NUMERIC, .precision = 5, .scale = 6},
        {.id = TYPE_NUMERIC, .precision = 5, .scale = -1},
        {.id = TYPE_NUMERIC, .scale = 1},
        {.id = TYPE_TEXT, .parameter = 10485761},
        {.id = TYPE_VECTOR, .parameter = 16001},
        {.id = TYPE_ARRAY},
        {.id = TYPE_ARRAY, .element = TYPE_ARRAY},
        {.id = TYPE_ARRAY, .element = TYPE_INT2, .precision = 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(!type_valid(cases[i]));
        char name[64];
        type_name(cases[i], name); // Names whatever it gets.
        CHECK(name[0] != 0);
    }
}

TEST(views_keep_their_bytes)
{
    const char *text = "twenty-six letters, almost";
    for (size_t size = 0; size <= strlen(text); size++) {
        struct span span = {.data = (const uint8_t *)text, .size = size};
        struct view view = view_of(span);
        struct span back = view_span(&view);
        CHECK(back.size == size && span_compare(back, span) == 0);
        CHECK((back.data == view.inlined) == (size <= VIEW_INLINE_SIZE_MAX));
        // The first four bytes lie in the same place in both forms, and the rest is zero.
        uint8_t prefix[4] = {0};
        memcpy(prefix, text, size < 4 ? size : 4);
        CHECK(memcmp(view.inlined, prefix, 4) == 0);
        for (size_t i = size; i < VIEW_INLINE_SIZE_MAX; i++) {
            CHECK(view.inlined[i] == 0);
        }
    }
}
