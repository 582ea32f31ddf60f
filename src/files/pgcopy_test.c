/*
 * Goal: rows written in PostgreSQL's binary format are read again however the bytes are cut;
 * damaged bytes get PostgreSQL's words and its CONTEXT, after the rows before them; memory that
 * runs out is an error and nothing else. That the bytes are PostgreSQL's own, tests/files/pgcopy.py
 * shows.
 */

#include "files/pgcopy.h"

#include "test.h"

#define ROWS    3000u
#define COLUMNS 4u

static const struct file_column columns[COLUMNS] = {{"a", {.id = TYPE_INT4}},
                                                    {"b", {.id = TYPE_TEXT}},
                                                    {"c", {.id = TYPE_NUMERIC}},
                                                    {"d", {.id = TYPE_INT8RANGE}}};

static const struct pgcopy_layout layout = {
    .columns = columns, .column_count = COLUMNS, .source = "COPY t"};

static void fill(struct batch *batch, uint32_t rows)
{
    static const char *const samples[COLUMNS][3] = {
        {"7", "-2147483648", NULL},
        {"", "longer than a view holds, h\xc3\xa9", "x"},
        {"1.50", NULL, "-99999999999999999999"},
        {NULL, "[1,5)", "empty"}};
    batch->columns = arena_array(&batch->arena, COLUMNS, sizeof *batch->columns);
    batch->column_count = COLUMNS;
    batch->row_count = rows;
    for (uint32_t c = 0; c < COLUMNS; c++) {
        CHECK(column_make(&batch->columns[c], columns[c].type, rows, true, &batch->arena));
        for (uint32_t r = 0; r < rows; r++) {
            struct datum value = {.type = columns[c].type, .is_null = true};
            const char *text = samples[c][(r / (c + 1)) % 3];
            if (text != NULL) {
                CHECK(text_parse(span_from_text(text), columns[c].type, NULL, &batch->arena, &value,
                                 NULL) == TDBPLUS_OK);
            }
            column_set(&batch->columns[c], r, &value);
        }
    }
}

static void write_all(const struct batch *batch, struct buffer *out)
{
    buffer_init(out, &alloc_system);
    pgcopy_write_header(out);
    pgcopy_write_batch(COLUMNS, NULL, batch, out);
    pgcopy_write_trailer(out);
    CHECK(!out->failed);
}

/* Compares one row with the written one; `c` is the column of the file. */
static void check_value(const struct batch *expected, uint32_t row, uint32_t c,
                        const struct column *column, uint32_t at)
{
    struct datum have;
    struct datum want;
    column_get(column, at, &have);
    column_get(&expected->columns[c], row, &want);
    CHECK(have.is_null == want.is_null);
    CHECK(have.is_null || datum_compare(&have, &want) == 0);
}

/* Reads what is handed over in pieces of `piece` bytes. */
static uint32_t read_pieces(struct span bytes, size_t piece, const uint32_t *positions,
                            uint32_t position_count, const struct batch *expected)
{
    struct pgcopy_layout wanted = layout;
    struct file_queue queue;
    struct pgcopy_reader *reader = NULL;
    struct batch rows;
    uint32_t count = 0;
    tdbplus_status status = TDBPLUS_OK;
    wanted.positions = positions;
    wanted.position_count = position_count;
    file_queue_init(&queue, &alloc_system);
    batch_init(&rows, &alloc_system);
    CHECK(pgcopy_reader_open(&queue.input, &wanted, &alloc_system, &reader, NULL) == TDBPLUS_OK);
    while (status != TDBPLUS_END) {
        status = pgcopy_reader_next(reader, &rows, NULL);
        if (status == TDBPLUS_PENDING) {
            size_t size = bytes.size < piece ? bytes.size : piece;
            CHECK(file_queue_put(&queue, bytes.data, size));
            bytes.data += size;
            bytes.size -= size;
            if (size == 0) {
                file_queue_end(&queue);
            }
        } else if (status == TDBPLUS_OK) {
            for (uint32_t r = 0; r < rows.row_count; r++, count++) {
                for (uint32_t c = 0; c < rows.column_count; c++) {
                    check_value(expected, count, positions == NULL ? c : positions[c],
                                &rows.columns[c], r);
                }
            }
        } else {
            CHECK(status == TDBPLUS_END);
        }
        batch_reset(&rows);
    }
    batch_deinit(&rows);
    pgcopy_reader_close(reader);
    file_queue_deinit(&queue);
    return count;
}

TEST(what_is_written_is_read_again_however_it_is_cut)
{
    struct batch batch;
    struct buffer out;
    batch_init(&batch, &alloc_system);
    fill(&batch, ROWS);
    write_all(&batch, &out);
    static const size_t pieces[] = {1, 2, 3, 7, 64, 1000, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        CHECK(read_pieces(buffer_span(&out), pieces[i], NULL, 0, &batch) == ROWS);
    }
    static const uint32_t some[] = {2, 0};
    CHECK(read_pieces(buffer_span(&out), 1000, some, 2, &batch) == ROWS);
    // The trailer may be missing, as PostgreSQL has it.
    CHECK(read_pieces((struct span){out.data, out.size - 2}, 1000, NULL, 0, &batch) == ROWS);
    buffer_deinit(&out);
    batch_deinit(&batch);
}

TEST(what_is_written_falls_into_rows)
{
    struct batch batch;
    struct buffer out;
    batch_init(&batch, &alloc_system);
    fill(&batch, 10);
    write_all(&batch, &out);
    struct span rest = buffer_span(&out);
    uint32_t count = 0;
    for (; rest.size > 0; count++) {
        size_t size = pgcopy_row_size(rest);
        CHECK(size >= 2 && size <= rest.size);
        CHECK(count < 10 || size == 2);
        rest.data += size;
        rest.size -= size;
    }
    CHECK(count == 11); // The header is with the first row, the trailer by itself.
    buffer_deinit(&out);
    batch_deinit(&batch);
}

/* Reads bytes whole: the status at the end, and how many rows came before. */
static tdbplus_status read_bytes(struct span bytes, const struct alloc *alloc, uint32_t *rows_out,
                                 struct err *err)
{
    struct file_span source;
    struct pgcopy_reader *reader = NULL;
    struct batch rows;
    *rows_out = 0;
    file_span_init(&source, bytes);
    batch_init(&rows, alloc);
    tdbplus_status status = pgcopy_reader_open(&source.input, &layout, alloc, &reader, err);
    while (status == TDBPLUS_OK) {
        status = pgcopy_reader_next(reader, &rows, err);
        *rows_out += status == TDBPLUS_OK ? rows.row_count : 0;
        batch_reset(&rows);
    }
    batch_deinit(&rows);
    pgcopy_reader_close(reader);
    return status;
}

#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define ROW    "\0\4\0\0\0\4\0\0\0\7\0\0\0\1x\377\377\377\377\0\0\0\1\1"

static const struct {
    const char *bytes;
    size_t size;
    uint32_t rows;
    const char *sqlstate;
    const char *message;
    const char *context;
} bad[] = {
#define BAD(text, ...)                     \
    {                                      \
        text, sizeof text - 1, __VA_ARGS__ \
    }
    BAD("", 0, "22P04", "COPY file signature not recognized", ""),
    BAD("PGCOPY\n\377\r\n\1\0\0\0\0\0\0\0\0", 0, "22P04", "COPY file signature not recognized", ""),
    BAD("PGCOPY\n\377\r\n\0\0\0", 0, "22P04", "invalid COPY file header (missing flags)", ""),
    BAD("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0", 0, "22P04", "invalid COPY file header (WITH OIDS)",
        ""),
    BAD("PGCOPY\n\377\r\n\0\0\2\0\0\0\0\0\0", 0, "22P04",
        "unrecognized critical flags in COPY file header", ""),
    BAD("PGCOPY\n\377\r\n\0\0\0\0\0\0\0", 0, "22P04", "invalid COPY file header (missing length)",
        ""),
    BAD("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\2x", 0, "22P04",
        "invalid COPY file header (wrong length)", ""),
    BAD(HEADER "\0\3", 0, "22P04", "row field count is 3, expected 4", "COPY t, line 1"),
    BAD(HEADER ROW "\0\5", 1, "22P04", "row field count is 5, expected 4", "COPY t, line 2"),
    BAD(HEADER ROW "\377\376", 1, "22P04", "row field count is -2, expected 4", "COPY t, line 2"),
    BAD(HEADER "\0\4\0\0\0\4\0\0", 0, "22P04", "unexpected EOF in COPY data", "COPY t, line 1"),
    BAD(HEADER ROW "\0\4\0\0", 1, "22P04", "unexpected EOF in COPY data", "COPY t, line 2"),
    BAD(HEADER "\0\4\377\377\377\376", 0, "22P04", "invalid field size", "COPY t, line 1"),
    BAD(HEADER "\0\4\0\0\0\3\0\0\7\377\377\377\377\377\377\377\377\377\377\377\377", 0, "22P03",
        "incorrect binary data format for type int4", "COPY t, line 1, column a"),
    BAD(HEADER ROW "\0\4\377\377\377\377\0\0\0\1\0\377\377\377\377\377\377\377\377", 1, "22021",
        "invalid byte sequence for encoding \"UTF8\": 0x00", "COPY t, line 2, column b"),
    BAD(HEADER ROW "\377\377x", 1, "22P04", "received copy data after EOF marker",
        "COPY t, line 2"),
};

TEST(damage_is_told_after_the_rows_before_it)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        uint32_t rows = 0;
        struct span bytes = {(const uint8_t *)bad[i].bytes, bad[i].size};
        tdbplus_status status = read_bytes(bytes, &alloc_system, &rows, &err);
        if (strcmp(err.text, bad[i].message) != 0 || strcmp(err.context, bad[i].context) != 0) {
            (void)fprintf(stderr, "%zu: %s (%s)\n", i, err.text, err.context);
        }
        CHECK(status != TDBPLUS_OK && status != TDBPLUS_END);
        CHECK(rows == bad[i].rows);
        CHECK(strcmp(err.sqlstate, bad[i].sqlstate) == 0);
        CHECK(strcmp(err.text, bad[i].message) == 0);
        CHECK(strcmp(err.context, bad[i].context) == 0);
    }
}

TEST(reading_survives_every_failed_allocation)
{
    static const char text[] =
        HEADER ROW "\0\4\377\377\377\377\0\0\0\20sixteen letters.\0\0\0\12\0\1\0\0\0\0\0\0\0\1"
                   "\0\0\0\1\1\377\377";
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        uint32_t rows = 0;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = read_bytes((struct span){(const uint8_t *)text, sizeof text - 1},
                                           &fault.alloc, &rows, NULL);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_END) {
            CHECK(rows == 2);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 3);
}
