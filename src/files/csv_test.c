/*
 * Goal: what is written is read again, however the bytes are cut into pieces; what is wrong is told
 * with its line and column; memory that runs out is an error and nothing else. Method: random texts
 * made of the bytes that mean something, in several dialects.
 */

#include "files/csv.h"

#include <stdlib.h>

#include "base/hash.h"
#include "simd/simd.h"
#include "test.h"

#define ROWS    300u
#define COLUMNS 3u

static const struct file_column texts[COLUMNS] = {
    {"a", {.id = TYPE_TEXT}}, {"b", {.id = TYPE_TEXT}}, {"c", {.id = TYPE_TEXT}}};

static struct csv_options dialect(uint32_t number)
{
    struct csv_options options = csv_options_default(number % 2 == 0 ? FILE_CSV : FILE_TEXT);
    if (number == 2) {
        options.escape = '\\';
        options.delimiter = ';';
        options.quote = '\'';
    } else if (number == 3) {
        options.delimiter = '|';
        options.null_text = span_from_text("null");
    } else if (number == 4) {
        options.null_text = span_from_text("x");
    }
    return options;
}

#define DIALECTS 5u

static void random_text(uint64_t seed, struct arena *arena, struct datum *value)
{
    static const char letters[] = "ab,;\"'\\\n\r\t|x.N ";
    size_t size = hash_u64(seed) % 9 == 0 ? hash_u64(seed + 1) % 400 : hash_u64(seed + 1) % 6;
    uint8_t *text = arena_bytes(arena, size + 1);
    for (size_t i = 0; i < size; i++) {
        text[i] = (uint8_t)letters[hash_u64(seed * 977 + i) % (sizeof letters - 1)];
    }
    *value = (struct datum){
        .type = type_of(TYPE_TEXT), .is_null = hash_u64(seed + 2) % 7 == 0, .bytes = {text, size}};
}

static void random_batch(uint64_t seed, struct batch *batch)
{
    batch->columns = arena_array(&batch->arena, COLUMNS, sizeof *batch->columns);
    batch->column_count = COLUMNS;
    batch->row_count = ROWS;
    for (uint32_t c = 0; c < COLUMNS; c++) {
        CHECK(column_make(&batch->columns[c], texts[c].type, ROWS, true, &batch->arena));
        for (uint32_t r = 0; r < ROWS; r++) {
            struct datum value;
            random_text(seed + r * COLUMNS + c, &batch->arena, &value);
            if (value.is_null) {
                batch->columns[c].validity[r / 64] &= ~((uint64_t)1 << (r % 64));
            } else {
                column_set(&batch->columns[c], r, &value);
            }
        }
    }
}

static bool same(const struct datum *left, const struct datum *right)
{
    return left->is_null == right->is_null &&
           (left->is_null || span_compare(left->bytes, right->bytes) == 0);
}

/* Reads what is handed over in pieces of `piece` bytes and compares it with the batch. */
static uint32_t read_pieces(const struct csv_options *options, struct span bytes, size_t piece,
                            const struct batch *expected)
{
    struct csv_layout layout = {
        .options = *options, .columns = texts, .column_count = COLUMNS, .source = "COPY t"};
    struct file_queue queue;
    struct csv_reader *reader = NULL;
    struct batch rows;
    struct err err = {0};
    uint32_t count = 0;
    file_queue_init(&queue, &alloc_system);
    batch_init(&rows, &alloc_system);
    CHECK(csv_reader_open(&queue.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK);
    for (;;) {
        tdbplus_status status = csv_reader_next(reader, &rows, &err);
        if (status == TDBPLUS_PENDING) {
            size_t size = bytes.size < piece ? bytes.size : piece;
            CHECK(file_queue_put(&queue, bytes.data, size));
            bytes.data += size;
            bytes.size -= size;
            if (size == 0) {
                file_queue_end(&queue);
            }
            continue;
        }
        if (status != TDBPLUS_OK) {
            CHECK(status == TDBPLUS_END);
            break;
        }
        for (uint32_t r = 0; r < rows.row_count; r++, count++) {
            for (uint32_t c = 0; c < COLUMNS && count < expected->row_count; c++) {
                struct datum have;
                struct datum want;
                column_get(&rows.columns[c], r, &have);
                column_get(&expected->columns[c], count, &want);
                CHECK(same(&have, &want));
            }
        }
        batch_reset(&rows);
    }
    batch_deinit(&rows);
    csv_reader_close(reader);
    file_queue_deinit(&queue);
    return count;
}

TEST(what_is_written_is_read_again_however_it_is_cut)
{
    simd_init();
    for (uint32_t d = 0; d < DIALECTS; d++) {
        struct csv_options options = dialect(d);
        struct csv_writer writer;
        struct batch batch;
        struct buffer out;
        batch_init(&batch, &alloc_system);
        buffer_init(&out, &alloc_system);
        random_batch(d * 100000, &batch);
        csv_writer_init(&writer, &options, texts, COLUMNS, &alloc_system);
        csv_write_batch(&writer, &batch, &out);
        static const size_t pieces[] = {1, 2, 3, 7, 64, 1000, 1 << 20};
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            CHECK(read_pieces(&options, buffer_span(&out), pieces[i], &batch) == ROWS);
        }
        csv_writer_deinit(&writer);
        buffer_deinit(&out);
        batch_deinit(&batch);
    }
}

/* ---- errors ---- */

static const struct file_column typed[COLUMNS] = {
    {"a", {.id = TYPE_INT4}}, {"b", {.id = TYPE_DATE}}, {"c", {.id = TYPE_FLOAT8}}};

static const struct {
    bool csv;
    const char *text;
    const char *sqlstate;
    const char *context;
    uint32_t rows; /* That come before. */
} wrong[] = {
    {true, "1,2020-01-01,1\n2,2020-13-01,x\n", "22008", "COPY t, line 2, column b: \"2020-13-01\"",
     1},
    {true, "1,2020-01-01,x\n2,nonsense,1\n", "22P02", "COPY t, line 1, column c: \"x\"", 0},
    {true, "1,\"2020-01-01\n\",1\n2,,\nq,,\n", "22P02", "COPY t, line 4, column a: \"q\"", 2},
    {true, "1,,1\n2,,1,4\n", "22P04", "COPY t, line 2: \"2,,1,4\"", 1},
    {true, "1,,1\n2,\n", "22P04", "COPY t, line 2: \"2,\"", 1},
    {true, "1,,1\n\"2,,3\n", "22P04", "COPY t, line 2: \"\"2,,3\"", 1},
    {true, "1,,1\r\n2,,1\n", "22P04", "COPY t, line 2: \"2,,1\"", 1},
    {true, "1,,1\n\"2\",,3\n\"\"\"\",,\n", "22P02", "COPY t, line 3, column a: \"\"\"", 2},
    {false, "1\t\\N\t1\n99999999999\t\\N\t1\n", "22003",
     "COPY t, line 2, column a: \"99999999999\"", 1},
    {false, "1\t\\N\t1\n2\t\\N\r\t1\n", "22P04", "COPY t, line 2: \"2\t\\N\"", 1},
};

TEST(errors_say_where)
{
    simd_init();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct csv_layout layout = {.options =
                                        csv_options_default(wrong[i].csv ? FILE_CSV : FILE_TEXT),
                                    .columns = typed,
                                    .column_count = COLUMNS,
                                    .source = "COPY t"};
        struct file_span source;
        struct csv_reader *reader = NULL;
        struct batch rows;
        struct err err = {0};
        uint32_t count = 0;
        tdbplus_status status = TDBPLUS_OK;
        file_span_init(&source, span_from_text(wrong[i].text));
        batch_init(&rows, &alloc_system);
        CHECK(csv_reader_open(&source.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK);
        while ((status = csv_reader_next(reader, &rows, &err)) == TDBPLUS_OK) {
            count += rows.row_count;
            batch_reset(&rows);
        }
        CHECK(status != TDBPLUS_END && count == wrong[i].rows);
        CHECK(strcmp(err.sqlstate, wrong[i].sqlstate) == 0);
        CHECK(strcmp(err.context, wrong[i].context) == 0);
        batch_deinit(&rows);
        csv_reader_close(reader);
    }
}

/* ---- values ---- */

static const char forms[] =
    "0|-0|1|-1|12345678|123456789|2147483647|-2147483648|32767|007|99999999|1.5|-2.25|.5|5.|1e3|0."
    "1|"
    "123456789.123456789|9007199254740993|1.7976931348623157e308|-0.0|2020-02-29|1970-01-01|"
    "0001-01-01|9999-12-31|12:34:56|23:59:59.999999|2020-02-29 12:34:56|2020-02-29T12:34:56.5|"
    "2020-02-29 12:34:56Z|2020-02-29 12:34:56+00|2020-02-29 12:34:56+02|t|f|1|true|no|999.99|"
    "-999.99|999.999|1000| 7 |+7|123456789012345678|1234567890123456789|-|1-|2020-2-3|12345678x";

static void check_form(struct span form, struct type type)
{
    struct arena arena;
    struct batch rows;
    struct datum want = {0};
    struct file_span source;
    struct file_column column = {"c", type};
    struct csv_layout layout = {.options = csv_options_default(FILE_CSV),
                                .columns = &column,
                                .column_count = 1,
                                .source = "COPY t"};
    struct csv_reader *reader = NULL;
    arena_init(&arena, &alloc_system, 1024);
    batch_init(&rows, &alloc_system);
    tdbplus_status status = text_parse(form, type, NULL, &arena, &want, NULL);
    file_span_init(&source, form);
    CHECK(csv_reader_open(&source.input, &layout, &alloc_system, &reader, NULL) == TDBPLUS_OK);
    CHECK(csv_reader_next(reader, &rows, NULL) == status);
    if (status == TDBPLUS_OK) {
        struct datum have;
        column_get(&rows.columns[0], 0, &have);
        CHECK(rows.row_count == 1 && !have.is_null && datum_compare(&have, &want) == 0);
    }
    batch_deinit(&rows);
    csv_reader_close(reader);
    arena_deinit(&arena);
}

/* The quick forms agree with text_parse(). */
TEST(values_are_those_of_the_long_way)
{
    simd_init();
    static const struct type types[] = {{.id = TYPE_BOOL},
                                        {.id = TYPE_INT2},
                                        {.id = TYPE_INT4},
                                        {.id = TYPE_INT8},
                                        {.id = TYPE_FLOAT4},
                                        {.id = TYPE_FLOAT8},
                                        {.id = TYPE_DATE},
                                        {.id = TYPE_TIME},
                                        {.id = TYPE_TIMESTAMP},
                                        {.id = TYPE_TIMESTAMPTZ},
                                        {.id = TYPE_NUMERIC, .precision = 5, .scale = 2},
                                        {.id = TYPE_TEXT}};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        const char *form = forms;
        while (*form != '\0') {
            size_t size = strcspn(form, "|");
            check_form((struct span){.data = (const uint8_t *)form, .size = size}, types[t]);
            form += size + (form[size] == '|');
        }
    }
}

TEST(a_zero_byte_is_no_text_wherever_it_stands)
{
    simd_init();
    static const char *const cases[] = {"a@b,c,d\n", "\"a@b\",c,d\n", "a,\"x\"\"@\",d\n", "a,b,@"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[32];
        struct csv_layout layout = {.options = csv_options_default(FILE_CSV),
                                    .columns = texts,
                                    .column_count = COLUMNS,
                                    .source = "COPY t"};
        struct file_span source;
        struct csv_reader *reader = NULL;
        struct batch rows;
        struct err err = {0};
        size_t size = strlen(cases[i]);
        memcpy(bytes, cases[i], size);
        *(char *)memchr(bytes, '@', size) = '\0';
        file_span_init(&source, (struct span){(const uint8_t *)bytes, size});
        batch_init(&rows, &alloc_system);
        CHECK(csv_reader_open(&source.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK);
        CHECK(csv_reader_next(reader, &rows, &err) == TDBPLUS_E_SYNTAX);
        CHECK(strcmp(err.sqlstate, "22021") == 0);
        batch_deinit(&rows);
        csv_reader_close(reader);
    }
}

/* ---- memory ---- */

TEST(reading_survives_every_failed_allocation)
{
    simd_init();
    static const char text[] = "a,\"b \"\"quoted\"\" and long enough for no view\",c\n1,2,3\n";
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        struct file_span source;
        struct csv_layout layout = {.options = csv_options_default(FILE_CSV),
                                    .columns = texts,
                                    .column_count = COLUMNS,
                                    .source = "COPY t"};
        struct csv_reader *reader = NULL;
        struct batch rows;
        fault_alloc_init(&fault, fail_at);
        batch_init(&rows, &fault.alloc);
        file_span_init(&source, span_from_text(text));
        tdbplus_status status =
            csv_reader_open(&source.input, &layout, &fault.alloc, &reader, NULL);
        while (status == TDBPLUS_OK) {
            status = csv_reader_next(reader, &rows, NULL);
        }
        batch_deinit(&rows);
        csv_reader_close(reader);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_END) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 3);
}
