/*
 * Goal: schemas and rows come back from bytes as they went in, and damaged bytes are refused.
 * Method: boundary values of every type; every truncation and every flipped bit; every rule of
 * schema_create() broken once, also inside otherwise good bytes.
 */

#include "types/schema.h"

#include "type_samples.h"

static const char *const names[SAMPLE_TYPES] = {"a", "b", "c", "d", "e", "f", "g", "h",
                                                "i", "j", "k", "l", "m", "n", "o", "p",
                                                "q", "r", "s", "t", "u", "v"};

/* A description with a column for each kind of sample; the last two data are its arrays. */
struct description {
    struct schema schema;
    struct schema_column columns[SAMPLE_TYPES];
    uint32_t keys[2];
    struct samples samples[SAMPLE_TYPES];
};

static struct description description;

static struct schema *make_description(void)
{
    description.schema = (struct schema){.version = 3,
                                         .column_count = SAMPLE_TYPES,
                                         .columns = description.columns,
                                         .key_count = 2,
                                         .key_columns = description.keys,
                                         .column_id_next = 100};
    description.keys[0] = 3;
    description.keys[1] = 1;
    for (unsigned i = 0; i < SAMPLE_TYPES; i++) {
        samples_make(&description.samples[i], i);
        description.columns[i] = (struct schema_column){.id = 99 - i,
                                                        .not_null = i == 1 || i == 3,
                                                        .type = description.samples[i].type,
                                                        .name = names[i],
                                                        .missing = {.is_null = true}};
        if (i % 2 == 0) {
            description.columns[i].missing = description.samples[i].values[1];
        }
    }
    return &description.schema;
}

static void check_same(const struct schema *left, const struct schema *right)
{
    CHECK(left->version == right->version && left->column_count == right->column_count);
    CHECK(left->key_count == right->key_count && left->column_id_next == right->column_id_next);
    CHECK(memcmp(left->key_columns, right->key_columns, left->key_count * sizeof(uint32_t)) == 0);
    for (uint32_t i = 0; i < left->column_count; i++) {
        const struct schema_column *a = &left->columns[i];
        const struct schema_column *b = &right->columns[i];
        CHECK(a->id == b->id && a->not_null == b->not_null && type_equal(a->type, b->type));
        CHECK(strcmp(a->name, b->name) == 0 && a->name != b->name);
        CHECK(a->missing.is_null == b->missing.is_null);
        CHECK(a->missing.is_null || datum_compare(&a->missing, &b->missing) == 0);
    }
}

static struct schema *create(const struct schema *from)
{
    struct schema *schema = NULL;
    struct err err = {0};
    CHECK(schema_create(from, &alloc_system, &schema, &err) == TDBPLUS_OK);
    return schema;
}

TEST(schemas_come_back_from_bytes)
{
    struct schema *schema = create(make_description());
    check_same(schema, &description.schema);
    struct buffer buffer = {.alloc = &alloc_system};
    schema_encode(schema, &buffer);
    struct schema *back = NULL;
    CHECK(schema_decode(buffer_span(&buffer), &alloc_system, &back, NULL) == TDBPLUS_OK);
    check_same(schema, back);
    CHECK(schema_find_id(back, 99) == 0 && schema_find_id(back, 97) == 2);
    CHECK(schema_find_id(back, 1) == -1);
    CHECK(schema_find_name(back, "v") == 21 && schema_find_name(back, "w") == -1);
    CHECK(back->columns[1].missing.is_null && back->columns[1].missing.type.id == TYPE_INT2);
    schema_destroy(back);
    schema_destroy(schema);
    schema_destroy(NULL);
    buffer_deinit(&buffer);
}

static char long_name[SCHEMA_NAME_SIZE_MAX + 1];
static const uint8_t bad_numeric[6] = {9};

/* Breaks the rule with that number in a good description. */
static void break_rule(struct schema *d, size_t rule)
{
    switch (rule) {
    case 0:
        d->version = 0;
        break;
    case 1:
        d->column_count = 0;
        break;
    case 2:
        d->column_count = SCHEMA_COLUMN_COUNT_MAX + 1;
        break;
    case 3:
        d->key_count = 0;
        break;
    case 4:
        d->key_count = SCHEMA_KEY_COUNT_MAX + 1;
        break;
    case 5:
        d->key_columns[1] = SAMPLE_TYPES;
        break;
    case 6:
        d->key_columns[1] = d->key_columns[0];
        break;
    case 7:
        d->columns[3].not_null = false;
        break;
    case 8:
        d->columns[19].not_null = true;
        d->key_columns[0] = 19;
        break;
    case 9:
        d->columns[2].name = "";
        break;
    case 10:
        d->columns[2].name = long_name;
        break;
    case 11:
        d->columns[2].type.form = 1;
        break;
    case 12:
        d->columns[2].id = 0;
        break;
    case 13:
        d->columns[2].id = d->column_id_next;
        break;
    case 14:
        d->columns[2].id = 99;
        break;
    case 15:
        d->columns[2].name = "a";
        break;
    case 16:
        d->columns[2].missing.type.id = TYPE_INT8;
        break;
    case 17:
        d->columns[19].missing = d->columns[10].missing;
        d->columns[19].missing.type = d->columns[19].type;
        break;
    default:
        d->columns[6].missing.bytes = (struct span){bad_numeric, 6};
        break;
    }
}

TEST(every_broken_rule_is_named)
{
    static const char *const words[] = {
        "versions",       "columns",      "columns",    "key columns", "key columns",
        "does not exist", "twice",        "key",        "key",         "name",
        "name",           "type",         "id",         "id",          "id 99",
        "named 'a'",      "another type", "not one of", "not one of"};
    memset(long_name, 'x', SCHEMA_NAME_SIZE_MAX);
    long_name[SCHEMA_NAME_SIZE_MAX] = 0;
    for (size_t rule = 0; rule < sizeof words / sizeof *words; rule++) {
        struct schema *d = make_description();
        break_rule(d, rule);
        struct schema *schema = NULL;
        struct err err = {0};
        CHECK(schema_create(d, &alloc_system, &schema, &err) == TDBPLUS_E_INVALID);
        CHECK(schema == NULL && strstr(err.text, words[rule]) != NULL);
    }
}

TEST(broken_rules_in_good_bytes_are_damage)
{
    // Encoding a description does not check it, so its bytes are sound but its content is not.
    for (int rule = 0; rule < 5; rule++) {
        struct schema *d = make_description();
        for (uint32_t i = 0; i < d->column_count; i++) {
            d->columns[i].missing = (struct datum){.is_null = true};
        }
        d->columns[2].id = rule == 0 ? 99 : d->columns[2].id;
        d->columns[2].name = rule == 1 ? "" : d->columns[2].name;
        d->columns[2].type.id = rule == 2 ? TYPE_DATEMULTIRANGE + 1 : d->columns[2].type.id;
        d->key_columns[0] = rule == 3 ? 1000 : d->key_columns[0];
        d->columns[3].not_null = rule != 4;
        struct buffer buffer = {.alloc = &alloc_system};
        schema_encode(d, &buffer);
        struct schema *schema = NULL;
        CHECK(schema_decode(buffer_span(&buffer), &alloc_system, &schema, NULL) ==
              TDBPLUS_E_CORRUPT);
        CHECK(schema == NULL);
        buffer_deinit(&buffer);
    }
}

TEST(damaged_schema_bytes_are_refused_or_mean_what_they_say)
{
    struct schema *schema = create(make_description());
    struct buffer buffer = {.alloc = &alloc_system};
    schema_encode(schema, &buffer);
    struct buffer again = {.alloc = &alloc_system};
    for (size_t size = 0; size < buffer.size; size++) {
        struct schema *back = NULL;
        CHECK(schema_decode((struct span){buffer.data, size}, &alloc_system, &back, NULL) ==
              TDBPLUS_E_CORRUPT);
    }
    buffer_put_u8(&buffer, 0);
    struct schema *longer = NULL;
    CHECK(schema_decode(buffer_span(&buffer), &alloc_system, &longer, NULL) == TDBPLUS_E_CORRUPT);
    buffer.size--;
    for (size_t bit = 0; bit < 8 * buffer.size; bit++) {
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        struct schema *back = NULL;
        tdbplus_status status = schema_decode(buffer_span(&buffer), &alloc_system, &back, NULL);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
        if (status == TDBPLUS_OK) {
            buffer_clear(&again);
            schema_encode(back, &again);
            CHECK(span_compare(buffer_span(&again), buffer_span(&buffer)) == 0);
            schema_destroy(back);
        }
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    buffer_deinit(&again);
    buffer_deinit(&buffer);
    schema_destroy(schema);
}

/* Row number `round` of the samples: each column at its own speed, some of them null. */
static void make_row(struct datum *values, uint32_t round)
{
    for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
        const struct samples *samples = &description.samples[i];
        values[i] = samples->values[(round * (i + 1)) % samples->count];
        values[i].is_null = (round * 7 + i) % 5 == 0;
    }
}

TEST(rows_come_back_from_bytes)
{
    struct schema *schema = create(make_description());
    struct buffer buffer = {.alloc = &alloc_system};
    for (uint32_t round = 0; round < 200; round++) {
        struct datum values[SAMPLE_TYPES];
        struct datum back[SAMPLE_TYPES];
        make_row(values, round);
        buffer_clear(&buffer);
        buffer_put_u8(&buffer, 7); // Rows may begin anywhere.
        row_encode(schema, values, &buffer);
        struct span row = {buffer.data + 1, buffer.size - 1};
        CHECK(row_decode(schema, row, back, NULL) == TDBPLUS_OK);
        for (uint32_t i = 0; i < SAMPLE_TYPES; i++) {
            CHECK(back[i].is_null == values[i].is_null);
            CHECK(type_equal(back[i].type, schema->columns[i].type));
            CHECK(back[i].is_null || datum_compare(&back[i], &values[i]) == 0);
            bool borrowed = !back[i].is_null && type_physical(back[i].type) >= PHYSICAL_VIEW;
            CHECK(!borrowed || (back[i].bytes.data > row.data &&
                                back[i].bytes.data <= row.data + row.size)); // T3
        }
    }
    buffer_deinit(&buffer);
    schema_destroy(schema);
}

TEST(damaged_rows_are_refused_or_mean_what_they_say)
{
    struct schema *schema = create(make_description());
    struct buffer buffer = {.alloc = &alloc_system};
    struct buffer again = {.alloc = &alloc_system};
    struct datum values[SAMPLE_TYPES];
    struct datum back[SAMPLE_TYPES];
    make_row(values, 3);
    row_encode(schema, values, &buffer);
    for (size_t size = 0; size < buffer.size; size++) {
        struct bytes exact = {.data = alloc_raw(&alloc_system, size + 1), .size = size};
        memcpy(exact.data, buffer.data, size);
        CHECK(row_decode(schema, (struct span){exact.data, size}, back, NULL) == TDBPLUS_E_CORRUPT);
        alloc_free(&alloc_system, exact.data, size + 1, 1);
    }
    for (size_t bit = 0; bit < 8 * buffer.size; bit++) {
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (row_decode(schema, buffer_span(&buffer), back, NULL) == TDBPLUS_OK) {
            buffer_clear(&again);
            row_encode(schema, back, &again);
            CHECK(span_compare(buffer_span(&again), buffer_span(&buffer)) == 0);
        }
        buffer.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    struct err err = {0};
    buffer_put_u8(&buffer, 0);
    CHECK(row_decode(schema, buffer_span(&buffer), back, &err) == TDBPLUS_E_CORRUPT);
    CHECK(strstr(err.text, "left over") != NULL);
    buffer_deinit(&again);
    buffer_deinit(&buffer);
    schema_destroy(schema);
}

TEST(lengths_are_written_one_way_only)
{
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .type = type_of(TYPE_INT2), .name = "k"},
        {.id = 2, .type = type_of(TYPE_TEXT), .name = "v"}};
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3};
    struct datum back[2];
    const uint8_t good[] = {0, 1, 0, 1, 'x'};
    const uint8_t padded[] = {0, 1, 0, 0x81, 0, 'x'};
    const uint8_t huge[] = {0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 'x'};
    const uint8_t endless[] = {0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    const uint8_t extra_null[] = {4, 1, 0, 1, 'x'};
    CHECK(row_decode(&schema, (struct span){good, sizeof good}, back, NULL) == TDBPLUS_OK);
    CHECK(row_decode(&schema, (struct span){padded, sizeof padded}, back, NULL) ==
          TDBPLUS_E_CORRUPT);
    CHECK(row_decode(&schema, (struct span){huge, sizeof huge}, back, NULL) == TDBPLUS_E_CORRUPT);
    CHECK(row_decode(&schema, (struct span){endless, sizeof endless}, back, NULL) ==
          TDBPLUS_E_CORRUPT);
    CHECK(row_decode(&schema, (struct span){extra_null, sizeof extra_null}, back, NULL) ==
          TDBPLUS_E_CORRUPT);
    for (size_t size = 1; size < 100000; size = size * 2 + 1) {
        struct bytes text = {.data = alloc_array(&alloc_system, size, 1), .size = size};
        struct datum values[2] = {{.type = columns[0].type, .integer = 5},
                                  {.type = columns[1].type, .bytes = {text.data, size}}};
        struct buffer buffer = {.alloc = &alloc_system};
        row_encode(&schema, values, &buffer);
        CHECK(row_decode(&schema, buffer_span(&buffer), back, NULL) == TDBPLUS_OK);
        CHECK(back[0].integer == 5 && back[1].bytes.size == size);
        buffer_deinit(&buffer);
        alloc_free(&alloc_system, text.data, size, 1);
    }
}

TEST(schemas_survive_every_failed_allocation)
{
    struct schema *whole = create(make_description());
    struct buffer buffer = {.alloc = &alloc_system};
    schema_encode(whole, &buffer);
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct schema *schema = NULL;
        tdbplus_status status = schema_decode(buffer_span(&buffer), &fault.alloc, &schema, NULL);
        schema_destroy(schema);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM && schema == NULL);
    }
    CHECK(fail_at == 3); // What was read, the schema, its copy of what was read.
    struct fault_alloc fault;
    fault_alloc_init(&fault, 0);
    struct buffer failing = {.alloc = &fault.alloc};
    schema_encode(whole, &failing);
    CHECK(failing.failed && failing.data == NULL);
    buffer_deinit(&buffer);
    schema_destroy(whole);
}
