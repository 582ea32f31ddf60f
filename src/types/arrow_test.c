/*
 * Goal: batches go out to Arrow's C data interface and come back the same; arrays of other layouts,
 * slices, dictionaries and units come in right; what cannot be is refused; everything is released
 * once, in any order, and under failing allocations.
 */

#include "types/arrow.h"

#include "type_samples.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool label_of(void *ctx, uint32_t list, int64_t ordinal, struct span *label_out)
{
    (void)ctx;
    static const char *const labels[] = {"low", "middle", "high"};
    if (list != 9 || ordinal < 0 || ordinal >= (int64_t)COUNT(labels)) {
        return false;
    }
    *label_out = span_from_text(labels[ordinal]);
    return true;
}

static bool ordinal_next(void *ctx, uint32_t list, int64_t from, int64_t *ordinal_out)
{
    (void)ctx;
    *ordinal_out = from < 0 ? 0 : from;
    return list == 9 && *ordinal_out < 3;
}

static const struct text_style style = {.label_of = label_of, .ordinal_next = ordinal_next};

static struct datum parsed(struct type type, const char *text, struct arena *arena)
{
    struct datum datum = {0};
    CHECK(text_parse(span_from_text(text), type, NULL, arena, &datum, NULL) == TDBPLUS_OK);
    return datum;
}

/* Values of one type that are not among the samples because they have rules of their own. */
static void more_samples(struct samples *samples, unsigned which, struct arena *arena)
{
    static const struct {
        struct type type;
        const char *texts[4];
    } more[] = {
        {{.id = TYPE_JSON}, {"{\"a\": [1, 2.50]}", "null", "[]", "\"x\""}},
        {{.id = TYPE_ARRAY, .element = TYPE_INT4}, {"{1,2,NULL}", "{}", "{5}", "{-1,0}"}},
        {{.id = TYPE_ARRAY, .element = TYPE_TEXT},
         {"{a,NULL,\"\"}", "{}", "{long text here}", "{x}"}},
        {{.id = TYPE_TEXT}, {"", "short", "a text that is longer than a view", "é€"}},
        {{.id = TYPE_TIME}, {"00:00", "24:00", "12:34:56.789", "01:00"}},
        {{.id = TYPE_INTERVAL}, {"1 mon 2 days 03:04:05.000001", "-1 mon", "0", "-00:00:01"}},
        {{.id = TYPE_ARRAY, .element = TYPE_VECTOR, .parameter = 2},
         {"{\"[1,2]\",NULL}", "{}", "{\"[0,0]\"}", "{\"[3,4]\",\"[5,6]\"}"}},
    };
    *samples = (struct samples){.type = more[which].type};
    for (size_t i = 0; i < 4; i++) {
        *samples_add(samples) = parsed(more[which].type, more[which].texts[i], arena);
    }
}

#define MORE_TYPES 7u

/* True for samples that a program outside may hand back as they are. */
static bool travels(struct type type)
{
    bool by_rules = type.id == TYPE_TEXT || type.id == TYPE_TIME || type.id == TYPE_INTERVAL;
    return !by_rules && type.id != TYPE_ENUM && type.id != TYPE_VECTOR &&
           !(type.id == TYPE_NUMERIC && type_physical(type) == PHYSICAL_8);
}

/* A batch of one column, with nulls and a selection of every second row. */
static void make_batch(struct batch *batch, const struct samples *samples, bool nulls, bool select)
{
    uint32_t rows = 3 * samples->count;
    batch_init(batch, &alloc_system);
    batch->columns = arena_array(&batch->arena, 1, sizeof *batch->columns);
    batch->column_count = 1;
    batch->row_count = rows;
    CHECK(column_make(batch->columns, samples->type, rows, nulls, &batch->arena));
    for (uint32_t i = 0; i < rows; i++) {
        struct datum value = samples->values[i % samples->count];
        value.is_null = nulls && i % 5 == 3;
        column_set(batch->columns, i, &value);
    }
    if (select) {
        uint16_t *selection = arena_array(&batch->arena, rows, sizeof *selection);
        for (uint32_t i = 0; i < rows; i += 2) {
            selection[batch->selected_count++] = (uint16_t)i;
        }
        batch->selection = selection;
    }
}

static void check_same(const struct batch *left, const struct batch *right)
{
    CHECK(batch_live_count(left) == right->row_count && right->column_count == left->column_count);
    for (uint32_t i = 0; i < right->row_count; i++) {
        struct datum a;
        struct datum b;
        column_get(left->columns, left->selection == NULL ? i : left->selection[i], &a);
        column_get(right->columns, i, &b);
        CHECK(a.is_null == b.is_null);
        bool as_text = a.type.id == TYPE_NUMERIC && b.type.id == TYPE_TEXT;
        CHECK(as_text || type_equal(a.type, b.type));
        CHECK(as_text || a.is_null || datum_compare(&a, &b) == 0);
    }
}

static void go_around(const struct samples *samples, bool nulls, bool select)
{
    struct batch batch;
    struct batch back;
    make_batch(&batch, samples, nulls, select);
    batch_init(&back, &alloc_system);
    struct arrow_column column = {.name = "c", .type = samples->type, .not_null = !nulls};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    struct err err = {0};
    CHECK(arrow_export_schema(&column, 1, &style, &alloc_system, &schema, &err) == TDBPLUS_OK);
    CHECK(arrow_export_batch(&batch, &style, &alloc_system, &array, &err) == TDBPLUS_OK);
    CHECK((uintptr_t)array.children[0]->buffers[1] % ALLOC_ALIGN_ARROW == 0);
    struct arrow_column *columns = NULL;
    uint32_t column_count = 0;
    CHECK(arrow_import_schema(&schema, &back.arena, &columns, &column_count, &err) == TDBPLUS_OK);
    CHECK(column_count == 1 && strcmp(columns[0].name, "c") == 0);
    CHECK(columns[0].not_null == !nulls);
    if (arrow_import_batch(&schema, &array, &back, &err) != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n", schema.children[0]->format, err.text);
        CHECK(false);
    }
    CHECK(array.release == NULL);
    check_same(&batch, &back);
    schema.release(&schema);
    CHECK(schema.release == NULL);
    batch_deinit(&back);
    batch_deinit(&batch);
}

TEST(batches_go_out_and_come_back)
{
    for (unsigned which = 0; which < SAMPLE_TYPES + MORE_TYPES; which++) {
        struct arena arena = {.alloc = &alloc_system};
        struct samples samples;
        if (which < SAMPLE_TYPES) {
            samples_make(&samples, which);
        } else {
            more_samples(&samples, which - SAMPLE_TYPES, &arena);
        }
        for (int i = 0; (which >= SAMPLE_TYPES || travels(samples.type)) && i < 4; i++) {
            go_around(&samples, i % 2 != 0, i / 2 != 0);
        }
        arena_deinit(&arena);
    }
}

TEST(vectors_and_short_decimals_go_out_and_come_back)
{
    struct arena arena = {.alloc = &alloc_system};
    struct samples samples = {.type = {.id = TYPE_VECTOR, .parameter = 3}};
    *samples_add(&samples) = parsed(samples.type, "[1,2,3]", &arena);
    *samples_add(&samples) = parsed(samples.type, "[-1,0.5,1e10]", &arena);
    go_around(&samples, false, true);
    go_around(&samples, true, true);
    samples = (struct samples){.type = {.id = TYPE_NUMERIC, .precision = 9, .scale = 2}};
    samples_add(&samples)->integer = 999999999;
    samples_add(&samples)->integer = -1;
    go_around(&samples, true, false);
    arena_deinit(&arena);
}

TEST(vectors_of_any_dimension_go_out_as_lists_of_floats)
{
    struct arena arena = {.alloc = &alloc_system};
    struct samples samples = {.type = type_of(TYPE_VECTOR)};
    *samples_add(&samples) = parsed(samples.type, "[1,2,3]", &arena);
    *samples_add(&samples) = parsed(samples.type, "[-0.5]", &arena);
    struct batch batch;
    struct batch back;
    make_batch(&batch, &samples, true, false);
    batch_init(&back, &alloc_system);
    struct arrow_column column = {.name = "v", .type = samples.type};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    CHECK(arrow_export_schema(&column, 1, &style, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    CHECK(arrow_export_batch(&batch, &style, &alloc_system, &array, NULL) == TDBPLUS_OK);
    CHECK(strcmp(schema.children[0]->format, "+l") == 0);
    CHECK(strcmp(schema.children[0]->children[0]->format, "f") == 0);
    CHECK(array.children[0]->children[0]->length == 3 * 3 + 2 * 1);
    CHECK(arrow_import_batch(&schema, &array, &back, NULL) == TDBPLUS_OK);
    struct buffer text = {.alloc = &alloc_system};
    for (uint32_t i = 0; i < 2; i++) {
        struct datum datum;
        column_get(back.columns, i, &datum);
        CHECK(datum.type.id == TYPE_ARRAY && datum.type.element == TYPE_FLOAT4);
        text_print(&datum, &style, &text);
    }
    CHECK(text.size == 13 && memcmp(text.data, "{1,2,3}{-0.5}", 13) == 0);
    CHECK(column_is_null(back.columns, 3));
    buffer_deinit(&text);
    schema.release(&schema);
    batch_deinit(&back);
    batch_deinit(&batch);
    arena_deinit(&arena);
}

TEST(enums_go_out_as_dictionaries)
{
    struct samples samples = {.type = {.id = TYPE_ENUM, .parameter = 9}};
    samples_add(&samples)->integer = 2;
    samples_add(&samples)->integer = 0;
    struct batch batch;
    struct batch back;
    make_batch(&batch, &samples, true, false);
    batch_init(&back, &alloc_system);
    struct arrow_column column = {.name = "e", .type = samples.type};
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    CHECK(arrow_export_schema(&column, 1, &style, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    CHECK(arrow_export_batch(&batch, &style, &alloc_system, &array, NULL) == TDBPLUS_OK);
    CHECK(schema.children[0]->dictionary != NULL && array.children[0]->dictionary->length == 3);
    CHECK(arrow_import_batch(&schema, &array, &back, NULL) == TDBPLUS_OK);
    struct datum datum;
    column_get(back.columns, 0, &datum);
    CHECK(back.columns->form == COLUMN_DICTIONARY && datum.type.id == TYPE_TEXT);
    CHECK(datum.bytes.size == 4 && memcmp(datum.bytes.data, "high", 4) == 0);
    CHECK(column_is_null(back.columns, 3));
    schema.release(&schema);
    batch_deinit(&back);
    batch_deinit(&batch);
}

/* ---- arrays made by hand ---- */

static int released;

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
    released++;
}

/* One column by hand, as a struct of one field. */
struct hand {
    struct ArrowSchema field;
    struct ArrowSchema *fields[1];
    struct ArrowSchema schema;
    struct ArrowSchema inner;
    struct ArrowSchema *inners[1];
    struct ArrowArray column;
    struct ArrowArray *columns[1];
    struct ArrowArray array;
    struct ArrowArray child;
    struct ArrowArray *children[1];
    const void *buffers[4];
    const void *inner_buffers[3];
    struct batch batch;
    struct err err;
};

static void hand_init(struct hand *hand, const char *format, int64_t length, int64_t offset,
                      int64_t buffer_count)
{
    *hand = (struct hand){0};
    hand->field = (struct ArrowSchema){
        .format = format, .name = "f", .flags = ARROW_FLAG_NULLABLE, .release = release_schema};
    hand->fields[0] = &hand->field;
    hand->schema = (struct ArrowSchema){
        .format = "+s", .n_children = 1, .children = hand->fields, .release = release_schema};
    hand->column = (struct ArrowArray){.length = length,
                                       .offset = offset,
                                       .null_count = -1,
                                       .n_buffers = buffer_count,
                                       .buffers = hand->buffers,
                                       .release = release_array};
    hand->columns[0] = &hand->column;
    hand->array = (struct ArrowArray){
        .length = length, .n_children = 1, .children = hand->columns, .release = release_array};
    hand->inners[0] = &hand->inner;
    hand->children[0] = &hand->child;
    batch_init(&hand->batch, &alloc_system);
}

static tdbplus_status hand_import(struct hand *hand)
{
    err_clear(&hand->err);
    return arrow_import_batch(&hand->schema, &hand->array, &hand->batch, &hand->err);
}

static void hand_deinit(struct hand *hand)
{
    batch_deinit(&hand->batch);
}

static void check_row(const struct hand *hand, uint32_t row, const char *expected)
{
    struct datum datum;
    column_get(hand->batch.columns, row, &datum);
    struct buffer text = {.alloc = &alloc_system};
    if (datum.is_null) {
        buffer_put_text(&text, "NULL");
    } else {
        text_print(&datum, NULL, &text);
    }
    if (span_compare(buffer_span(&text), span_from_text(expected)) != 0) {
        fprintf(stderr, "%s: got %.*s, expected %s\n", hand->field.format, (int)text.size,
                (char *)text.data, expected);
        CHECK(false);
    }
    buffer_deinit(&text);
}

TEST(other_layouts_come_in)
{
    static const uint8_t bytes8[] = {1, 0x80, 255, 3};
    static const uint16_t words16[] = {0x3C00, 0xC000, 65535, 0x7C00};
    static const uint32_t words32[] = {0, 7, UINT32_MAX, 3};
    static const int64_t words64[] = {0, -1, 1500, 86400000};
    static const uint64_t unsigned64[] = {0, UINT64_MAX, 2, 3};
    static const int32_t pairs[] = {1, 500, -2, -1, 3, 0, 0, 0};
    static const struct {
        const char *format;
        const void *values;
        const char *second; /* Of rows 1 and 2. */
        const char *third;
    } cases[] = {
        {"c", bytes8, "-128", "-1"},
        {"C", bytes8, "128", "255"},
        {"S", words16, "49152", "65535"},
        {"e", words16, "-2", "NaN"},
        {"i", words32, "7", "-1"},
        {"I", words32, "7", "4294967295"},
        {"L", unsigned64, "18446744073709551615", "2"},
        {"tdm", words64, "1969-12-31", "1970-01-01"},
        {"tdD", words32, "1970-01-08", "1969-12-31"},
        {"tts", words32, "00:00:07", NULL},
        {"ttu", words64, NULL, NULL},
        {"tss:", words64, "1969-12-31 23:59:59", "1970-01-01 00:25:00"},
        {"tsm:UTC", words64, "1969-12-31 23:59:59.999+00", "1970-01-01 00:00:01.5+00"},
        {"tsu:Europe/Berlin", words64, "1969-12-31 23:59:59.999999+00",
         "1970-01-01 00:00:00.0015+00"},
        {"tsn:", words64, "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00.000001"},
        {"tDm", words64, "-00:00:00.001", "00:00:01.5"},
        {"tiM", words32, "7 mons", "-1 mons"},
        {"tiD", pairs, "-2 days -00:00:00.001", "3 days"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct hand hand;
        hand_init(&hand, cases[i].format, 3, 0, 2);
        hand.buffers[1] = cases[i].values;
        if (cases[i].third == NULL) {
            // A time of day below zero or past its end.
            CHECK(hand_import(&hand) == TDBPLUS_E_RANGE);
            hand_deinit(&hand);
            continue;
        }
        CHECK(hand_import(&hand) == TDBPLUS_OK);
        check_row(&hand, 1, cases[i].second);
        check_row(&hand, 2, cases[i].third);
        hand_deinit(&hand);
    }
}

TEST(slices_with_nulls_come_in)
{
    static const uint8_t validity[] = {0xB5, 0x01}; // Rows 1, 3 and 6 are null.
    static const int32_t offsets[] = {0, 1, 2, 3, 4, 6, 6, 8, 21, 21};
    static const char text[] = "abcdeeffthirteen byte";
    static const int32_t numbers[] = {10, 11, 12, 13, 14, 15, 16, 17, 18};
    static const uint8_t bits[] = {0x55, 0x01};
    struct hand hand;
    for (int64_t struct_offset = 0; struct_offset < 2; struct_offset++) {
        const char *const formats[] = {"u", "i", "b"};
        const char *const rows[][3] = {
            {"thirteen byte", "NULL", ""}, {"17", "NULL", "15"}, {"f", "NULL", "f"}};
        for (int i = 0; i < 3; i++) {
            hand_init(&hand, formats[i], 7, 2, i == 0 ? 3 : 2);
            hand.buffers[0] = validity;
            hand.buffers[1] = i == 0   ? (const void *)offsets
                              : i == 1 ? (const void *)numbers
                                       : bits;
            hand.buffers[2] = text;
            hand.array.offset = struct_offset;
            hand.array.length = 7 - struct_offset;
            CHECK(hand_import(&hand) == TDBPLUS_OK);
            CHECK(hand.batch.row_count == 7 - struct_offset);
            check_row(&hand, (uint32_t)(5 - struct_offset), rows[i][0]);
            check_row(&hand, (uint32_t)(4 - struct_offset), rows[i][1]);
            check_row(&hand, (uint32_t)(3 - struct_offset), rows[i][2]);
            hand_deinit(&hand);
        }
    }
}

TEST(views_come_in_and_stay_in_their_buffers)
{
    static const char data[] = "a text of twenty-six lette";
    const int64_t sizes[] = {26};
    struct __attribute__((packed)) {
        int32_t size;
        char prefix[4];
        int32_t buffer;
        int32_t offset;
    } views[2] = {{26, "a te", 0, 0}, {5, {'h', 'e', 'l', 'l'}, 'o', 0}};
    struct hand hand;
    hand_init(&hand, "vu", 2, 0, 4);
    hand.buffers[1] = views;
    hand.buffers[2] = data;
    hand.buffers[3] = sizes;
    CHECK(hand_import(&hand) == TDBPLUS_OK);
    check_row(&hand, 0, data);
    check_row(&hand, 1, "hello");
    hand_deinit(&hand);
    for (int wrong = 0; wrong < 3; wrong++) {
        views[0].size = wrong == 0 ? 27 : wrong == 1 ? 26 : INT32_MAX;
        views[0].offset = wrong == 1 ? 1 : 0;
        views[0].buffer = wrong == 2 ? 1 : 0;
        hand_init(&hand, "vu", 2, 0, 4);
        hand.buffers[1] = views;
        hand.buffers[2] = data;
        hand.buffers[3] = sizes;
        CHECK(hand_import(&hand) == TDBPLUS_E_INVALID);
        hand_deinit(&hand);
    }
}

TEST(dictionaries_come_in_and_codes_are_checked)
{
    static const int32_t offsets[] = {0, 3, 6};
    static const uint8_t codes[] = {1, 0, 1, 9};
    static const uint8_t validity[] = {0x07};
    for (int64_t length = 3; length <= 4; length++) {
        for (int masked = 0; masked <= 1; masked++) {
            struct hand hand;
            hand_init(&hand, "C", length, 0, 2);
            hand.inner = (struct ArrowSchema){.format = "u", .release = release_schema};
            hand.field.dictionary = &hand.inner;
            hand.child = (struct ArrowArray){.length = 2,
                                             .n_buffers = 3,
                                             .buffers = hand.inner_buffers,
                                             .release = release_array};
            hand.column.dictionary = &hand.child;
            hand.buffers[0] = masked != 0 ? validity : NULL;
            hand.buffers[1] = codes;
            hand.inner_buffers[1] = offsets;
            hand.inner_buffers[2] = "onetwo";
            bool good = length == 3 || masked != 0;
            CHECK(hand_import(&hand) == (good ? TDBPLUS_OK : TDBPLUS_E_INVALID));
            if (good) {
                check_row(&hand, 0, "two");
                check_row(&hand, 1, "one");
            }
            hand_deinit(&hand);
        }
    }
}

TEST(lists_come_in)
{
    static const int64_t offsets[] = {0, 2, 2, 3};
    static const int16_t items[] = {5, 6, 7};
    struct hand hand;
    for (int wrong = 0; wrong < 2; wrong++) {
        hand_init(&hand, "+L", 3, 0, 2);
        hand.inner = (struct ArrowSchema){.format = "s", .name = "item", .release = release_schema};
        hand.field.children = hand.inners;
        hand.field.n_children = 1;
        hand.child = (struct ArrowArray){.length = 3 - wrong,
                                         .n_buffers = 2,
                                         .buffers = hand.inner_buffers,
                                         .release = release_array};
        hand.column.children = hand.children;
        hand.column.n_children = 1;
        hand.buffers[1] = offsets;
        hand.inner_buffers[1] = items;
        CHECK(hand_import(&hand) == (wrong == 0 ? TDBPLUS_OK : TDBPLUS_E_INVALID));
        if (wrong == 0) {
            check_row(&hand, 0, "{5,6}");
            check_row(&hand, 1, "{}");
            check_row(&hand, 2, "{7}");
        }
        hand_deinit(&hand);
    }
}

TEST(vectors_are_cut_from_their_items)
{
    static const double items[] = {1, 2, 0, 0, 5, 6};
    static const uint8_t item_bits[] = {0x33};
    static const uint8_t bits[] = {0x05};
    for (int64_t length = 0; length <= 3; length++) {
        struct hand hand;
        hand_init(&hand, "+w:2", 3, 0, 1);
        hand.inner = (struct ArrowSchema){.format = "g", .name = "item", .release = release_schema};
        hand.field.children = hand.inners;
        hand.field.n_children = 1;
        hand.child = (struct ArrowArray){.length = 6,
                                         .null_count = 2,
                                         .n_buffers = 2,
                                         .buffers = hand.inner_buffers,
                                         .release = release_array};
        hand.column.children = hand.children;
        hand.column.n_children = 1;
        hand.buffers[0] = bits;
        hand.inner_buffers[0] = item_bits;
        hand.inner_buffers[1] = items;
        hand.array.length = length;
        CHECK(hand_import(&hand) == TDBPLUS_OK);
        CHECK(hand.batch.row_count == length);
        if (length == 3) {
            check_row(&hand, 0, "[1,2]");
            check_row(&hand, 1, "NULL");
            check_row(&hand, 2, "[5,6]");
        }
        hand_deinit(&hand);
    }
}

TEST(nonsense_is_refused_and_stays_the_callers)
{
    static const int32_t offsets[] = {0, 3, 2, 3};
    static const int32_t negative[] = {-1, 0, 0, 0};
    static const uint8_t not_utf8[] = {0xFF, 0xFE, 0xFD};
    static const char *const formats[] = {
        "+s",   "+us:0", "d:40,2", "d:5,2,256", "x",   "",    "w:", "w:x",
        "+w:0", "tsq:",  "ttx",    "+m",        "tdX", "d:5", "uu"};
    struct hand hand;
    for (size_t i = 0; i < COUNT(formats); i++) {
        hand_init(&hand, formats[i], 1, 0, 2);
        hand.buffers[1] = offsets;
        CHECK(hand_import(&hand) == TDBPLUS_E_UNSUPPORTED);
        CHECK(hand.array.release != NULL && hand.batch.columns == NULL);
        hand_deinit(&hand);
    }
    for (int wrong = 0; wrong < 9; wrong++) {
        hand_init(&hand, "u", 3, 0, 3);
        hand.buffers[1] = wrong == 0 ? offsets : wrong == 1 ? negative : NULL;
        hand.buffers[2] = not_utf8;
        static const int32_t whole[] = {0, 1, 2, 3};
        hand.buffers[1] = wrong >= 3 ? whole : hand.buffers[1];
        hand.column.length = wrong == 4 ? -1 : wrong == 5 ? 2 : 3;
        hand.column.offset = wrong == 6 ? -1 : 0;
        hand.column.null_count = wrong == 7 ? 4 : -1;
        hand.column.n_buffers = wrong == 8 ? 2 : 3;
        CHECK(hand_import(&hand) == TDBPLUS_E_INVALID);
        CHECK(hand.array.release != NULL && hand.batch.columns == NULL);
        hand_deinit(&hand);
    }
}

TEST(arrays_are_released_once_with_the_batch)
{
    static const int32_t numbers[] = {1, 2, 3};
    struct hand hand;
    hand_init(&hand, "i", 3, 0, 2);
    hand.buffers[1] = numbers;
    released = 0;
    CHECK(hand_import(&hand) == TDBPLUS_OK);
    CHECK(hand.batch.columns->data == (const void *)numbers); // Nothing was copied.
    CHECK(released == 0);
    batch_reset(&hand.batch);
    CHECK(released == 1);
    hand_deinit(&hand);
    CHECK(released == 1);
}

TEST(children_may_outlive_their_parents)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct samples samples;
    samples_make(&samples, 3);
    struct batch batch;
    make_batch(&batch, &samples, true, false);
    struct ArrowArray array = {0};
    CHECK(arrow_export_batch(&batch, NULL, &fault.alloc, &array, NULL) == TDBPLUS_OK);
    struct ArrowArray child = *array.children[0];
    array.children[0]->release = NULL; // Moved out.
    array.release(&array);
    CHECK(fault.live_bytes > 0);
    CHECK(((const int64_t *)child.buffers[1])[0] == INT64_MIN);
    child.release(&child);
    CHECK(fault.live_bytes == 0);
    batch_deinit(&batch);
}

struct counter {
    int left;
    int closed;
};

static tdbplus_status next_batch(void *ctx, struct batch *batch, struct err *err)
{
    struct counter *counter = ctx;
    if (counter->left == 0) {
        return TDBPLUS_END;
    }
    if (counter->left-- == 99) {
        return err_set(err, TDBPLUS_E_IO, "the disk is gone");
    }
    struct datum value = {.type = type_of(TYPE_INT8), .integer = counter->left};
    batch->columns = arena_array(&batch->arena, 1, sizeof *batch->columns);
    batch->column_count = 1;
    batch->row_count = 5;
    bool made =
        batch->columns != NULL && column_make_constant(batch->columns, &value, 5, &batch->arena);
    return made ? TDBPLUS_OK : err_set(err, TDBPLUS_E_NOMEM, "no memory");
}

static void close_source(void *ctx)
{
    ((struct counter *)ctx)->closed++;
}

/* Runs a stream of two batches to its end; 0 or the first error's number. */
static int run_stream(const struct alloc *alloc, int batches)
{
    struct counter counter = {.left = batches};
    struct arrow_source source = {.next = next_batch, .close = close_source, .ctx = &counter};
    struct arrow_column column = {.name = "n", .type = type_of(TYPE_INT8)};
    struct ArrowArrayStream stream = {0};
    if (arrow_export_stream(&column, 1, NULL, &source, alloc, &stream, NULL) != TDBPLUS_OK) {
        CHECK(counter.closed == 0);
        return -1;
    }
    struct ArrowSchema schema = {0};
    int result = stream.get_schema(&stream, &schema);
    int rows = 0;
    while (result == 0) {
        struct ArrowArray array = {0};
        result = stream.get_next(&stream, &array);
        if (result != 0 || array.release == NULL) {
            break;
        }
        rows += (int)array.length;
        array.release(&array);
    }
    CHECK((result != 0) == (stream.get_last_error(&stream) != NULL));
    CHECK(result != 0 || rows == 5 * batches);
    if (schema.release != NULL) {
        schema.release(&schema);
    }
    stream.release(&stream);
    CHECK(stream.release == NULL && counter.closed == 1);
    return result;
}

TEST(streams_end_and_tell_their_errors)
{
    CHECK(run_stream(&alloc_system, 2) == 0);
    CHECK(run_stream(&alloc_system, 0) == 0);
    CHECK(run_stream(&alloc_system, 99) != 0);
}

TEST(everything_survives_every_failed_allocation)
{
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        int result = run_stream(&fault.alloc, 2);
        CHECK(fault.live_bytes == 0);
        if (result == 0) {
            CHECK(fail_at > 5);
            break;
        }
    }
    for (unsigned which = 0; which < MORE_TYPES; which++) {
        struct arena arena = {.alloc = &alloc_system};
        struct samples samples;
        more_samples(&samples, which, &arena);
        for (uint32_t fail_at = 0;; fail_at++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, fail_at);
            struct batch batch;
            struct batch back;
            make_batch(&batch, &samples, true, true);
            batch_init(&back, &fault.alloc);
            struct arrow_column column = {.name = "c", .type = samples.type};
            struct ArrowSchema schema = {0};
            struct ArrowArray array = {0};
            tdbplus_status status =
                arrow_export_schema(&column, 1, NULL, &fault.alloc, &schema, NULL);
            if (status == TDBPLUS_OK) {
                status = arrow_export_batch(&batch, NULL, &fault.alloc, &array, NULL);
            }
            if (status == TDBPLUS_OK) {
                status = arrow_import_batch(&schema, &array, &back, NULL);
            }
            if (array.release != NULL) {
                array.release(&array);
            }
            if (schema.release != NULL) {
                schema.release(&schema);
            }
            batch_deinit(&back);
            batch_deinit(&batch);
            CHECK(fault.live_bytes == 0);
            if (status == TDBPLUS_OK) {
                break;
            }
            CHECK(status == TDBPLUS_E_NOMEM);
        }
        arena_deinit(&arena);
    }
}
