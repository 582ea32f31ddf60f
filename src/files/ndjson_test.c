/*
 * Goal: members taken straight from the text are what the parsed document has, however the text is
 * spelled and cut into pieces; what is wrong is told with line and column, after the rows before
 * it; memory that runs out is an error and nothing else. Method: the same documents with an escape
 * in each name, which only the long way reads.
 */

#include "files/ndjson.h"

#include "base/hash.h"
#include "test.h"
#include "types/json.h"

#define COLUMNS 9u
#define ROWS    5000u

static const struct file_column columns[COLUMNS] = {
    {"i", {.id = TYPE_INT8}}, {"f", {.id = TYPE_FLOAT8}},  {"t", {.id = TYPE_TEXT}},
    {"b", {.id = TYPE_BOOL}}, {"d", {.id = TYPE_DATE}},    {"s", {.id = TYPE_TIMESTAMP}},
    {"j", {.id = TYPE_JSON}}, {"n", {.id = TYPE_NUMERIC}}, {"k", {.id = TYPE_INT4}}};

static const struct ndjson_layout layout = {
    .columns = columns, .column_count = COLUMNS, .source = "file"};

/* Values of each column, and of members that nobody asks for. */
static const char *const values[COLUMNS + 1][8] = {
    {"1", "-9223372036854775808", "0", "null", "123456789012345678", "\"7\"", "1.0", "-0"},
    {"1.5", "-0.0", "1e300", "0.1", "null", "-7", "\"NaN\"", "123456789012345678901234567890"},
    {"\"\"", "\"short\"", "\"longer than twelve bytes\"", "\"esc\\n\\\"aped\\u00e9\"", "null", "17",
     "\"\xc3\xa9\xe2\x82\xac\"", "[1, \"x\"]"},
    {"true", "false", "null", "\"yes\"", "true", "false", "true", "false"},
    {"\"2020-02-29\"", "null", "\"infinity\"", "\"1 Jan 2001\"", "\"1969-12-31\"", "\"2020-01-01\"",
     "\"2000-01-01\"", "null"},
    {"\"2020-02-29T01:02:03.5\"", "\"2020-02-29 01:02:03\"", "null", "\"epoch\"", "null",
     "\"2001-01-01 00:00:00\"", "\"2001-01-01\"", "null"},
    {"null", "{\"a\": [1, {\"b\": \"}]\\\"\"}]}", "[]", "\"text\"", "1.50", "true",
     "{\"z\": 1, \"z\": 2}", "[[[\"\\\\\"]]]"},
    {"1", "1.50", "null", "\"NaN\"", "1e5", "-0.001", "99999999999999999999", "0"},
    {"1", "-5", "null", "2147483647", "\"8\"", "0", "7", "-2147483648"},
    {"null", "\"x\\\\\"", "{\"i\": 5, \"q\": \"}\"}", "[{\"i\": 1}, \"]\"]", "1.5e-7", "true",
     "\"\\\"\"", "{}"},
};

static const char *const spaces[] = {"", " ", "\n", "\t ", "\r\n", "  "};

#define PICK(list, seed) ((list)[hash_u64(seed) % (sizeof(list) / sizeof *(list))])

/* Members in some order, some left out, some that nobody asks for. */
static void put_document(struct buffer *text, uint64_t seed, bool escaped)
{
    uint32_t put = 0;
    buffer_put_text(text, "{");
    for (uint32_t i = 0; i <= COLUMNS; i++) {
        uint32_t column = seed % 5 == 0 ? COLUMNS - i : i;
        uint64_t own = seed * 100 + column;
        if (hash_u64(own) % 9 == 0) {
            continue;
        }
        buffer_put_text(text, put++ == 0 ? "" : ",");
        buffer_put_text(text, PICK(spaces, own + 1));
        if (column == COLUMNS) {
            buffer_put_text(text, "\"unwanted\"");
        } else if (escaped) {
            buffer_printf(text, "\"\\u%04x\"", (unsigned)columns[column].name[0]);
        } else {
            buffer_printf(text, "\"%s\"", columns[column].name);
        }
        buffer_put_text(text, PICK(spaces, own + 2));
        buffer_put_text(text, ":");
        buffer_put_text(text, PICK(spaces, own + 3));
        buffer_put_text(text, PICK(values[column], own + 4));
        buffer_put_text(text, PICK(spaces, own + 5));
    }
    buffer_put_text(text, "}\n");
}

static void put_documents(struct buffer *text, bool escaped)
{
    buffer_init(text, &alloc_system);
    for (uint32_t row = 0; row < ROWS; row++) {
        put_document(text, row, escaped);
    }
    CHECK(!text->failed);
}

/* The rows as texts, read in pieces of `piece` bytes. */
static void print_rows(struct span bytes, size_t piece, struct buffer *text)
{
    struct file_queue queue;
    struct ndjson_reader *reader = NULL;
    struct batch rows;
    tdbplus_status status = TDBPLUS_OK;
    buffer_init(text, &alloc_system);
    file_queue_init(&queue, &alloc_system);
    batch_init(&rows, &alloc_system);
    CHECK(ndjson_reader_open(&queue.input, &layout, &alloc_system, &reader, NULL) == TDBPLUS_OK);
    while (status != TDBPLUS_END) {
        struct err err = {0};
        status = ndjson_reader_next(reader, &rows, &err);
        if (status == TDBPLUS_PENDING) {
            size_t size = bytes.size < piece ? bytes.size : piece;
            CHECK(file_queue_put(&queue, bytes.data, size));
            bytes.data += size;
            bytes.size -= size;
            if (size == 0) {
                file_queue_end(&queue);
            }
        } else if (status != TDBPLUS_OK && status != TDBPLUS_END) {
            (void)fprintf(stderr, "%s: %s (%s)\n", err.text, err.detail, err.context);
            CHECK(status == TDBPLUS_OK);
        } else if (status == TDBPLUS_OK) {
            ndjson_write_batch(columns, COLUMNS, NULL, &rows, text);
        }
        batch_reset(&rows);
    }
    CHECK(!text->failed);
    batch_deinit(&rows);
    ndjson_reader_close(reader);
    file_queue_deinit(&queue);
}

TEST(members_are_what_the_parsed_document_has)
{
    struct buffer quick;
    struct buffer slow;
    struct buffer wanted;
    put_documents(&quick, false);
    put_documents(&slow, true);
    print_rows(buffer_span(&slow), 1 << 20, &wanted);
    static const size_t pieces[] = {7, 1000, 65536, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct buffer have;
        print_rows(buffer_span(&quick), pieces[i], &have);
        CHECK(have.size == wanted.size && memcmp(have.data, wanted.data, have.size) == 0);
        buffer_deinit(&have);
    }
    buffer_deinit(&quick);
    buffer_deinit(&slow);
    buffer_deinit(&wanted);
}

static tdbplus_status read_bytes(struct span bytes, const struct alloc *alloc, uint32_t *rows_out,
                                 struct err *err)
{
    struct file_span source;
    struct ndjson_reader *reader = NULL;
    struct batch rows;
    *rows_out = 0;
    file_span_init(&source, bytes);
    batch_init(&rows, alloc);
    tdbplus_status status = ndjson_reader_open(&source.input, &layout, alloc, &reader, err);
    while (status == TDBPLUS_OK) {
        batch_reset(&rows);
        status = ndjson_reader_next(reader, &rows, err);
        *rows_out += status == TDBPLUS_OK ? rows.row_count : 0;
    }
    batch_deinit(&rows);
    ndjson_reader_close(reader);
    return status;
}

TEST(damage_is_told_after_the_rows_before_it)
{
    static const struct {
        const char *text;
        uint32_t rows;
        const char *sqlstate;
        const char *context;
    } cases[] = {
        {"{\"i\": 1}\n{\"i\": 2 \"f\": 3}\n", 1, "22P02", "file, line 2: \"{\"i\": 2 \"f\": 3}\""},
        {"{\"i\": 1}\n\n{\"i\": \"x\"}", 1, "22P02", "file, line 3, column i: \"x\""},
        {"{\"i\": 01}", 0, "22P02", "file, line 1: \"{\"i\": 01}\""},
        {"{\"f\": 1.}", 0, "22P02", "file, line 1: \"{\"f\": 1.}\""},
        {"{\"f\": .5}", 0, "22P02", "file, line 1: \"{\"f\": .5}\""},
        {"{\"t\": \"\xff\"}", 0, "22021", "file, line 1"},
        {"{\"t\": \"a\nb\"}", 0, "22P02", "file, line 1: \"{\"t\": \"a\nb\"}\""},
        {"{\"b\": tru}", 0, "22P02", "file, line 1: \"{\"b\": tru}\""},
        {"{\"u\": tru}", 0, "22P02", "file, line 1: \"{\"u\": tru}\""},
        {"{\"i\": 1,}", 0, "22P02", "file, line 1: \"{\"i\": 1,}\""},
        {"{\"i\": 1", 0, "22P02", "file, line 1: \"{\"i\": 1\""},
        {"[{\"i\": 1},\n {\"i\": 2},\n 3]", 2, "22P04", "file, line 3"},
        {"{\"k\": 2147483648}", 0, "22003", "file, line 1, column k: \"2147483648\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        uint32_t rows = 0;
        tdbplus_status status =
            read_bytes(span_from_text(cases[i].text), &alloc_system, &rows, &err);
        if (strcmp(err.sqlstate, cases[i].sqlstate) != 0 ||
            strcmp(err.context, cases[i].context) != 0) {
            (void)fprintf(stderr, "%zu: %s %s (%s)\n", i, err.sqlstate, err.text, err.context);
        }
        CHECK(status != TDBPLUS_OK && status != TDBPLUS_END);
        CHECK(rows == cases[i].rows);
        CHECK(strcmp(err.sqlstate, cases[i].sqlstate) == 0);
        CHECK(strcmp(err.context, cases[i].context) == 0);
    }
}

TEST(of_members_with_one_name_the_last_counts)
{
    struct buffer text;
    print_rows(span_from_text("{\"i\": 1, \"i\": 2}"), 100, &text);
    CHECK(text.size > 6 && memcmp(text.data, "{\"i\":2,", 7) == 0);
    buffer_deinit(&text);
}

TEST(reading_survives_every_failed_allocation)
{
    struct buffer text;
    buffer_init(&text, &alloc_system);
    for (uint32_t row = 0; row < 20; row++) {
        put_document(&text, row, false);
    }
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        uint32_t rows = 0;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = read_bytes(buffer_span(&text), &fault.alloc, &rows, NULL);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_END) {
            CHECK(rows == 20);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 5);
    buffer_deinit(&text);
}
