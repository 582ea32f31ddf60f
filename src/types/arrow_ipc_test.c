/*
 * Goal: files and streams written by pyarrow, plain and compressed, give the rows that were
 * written; damaged ones are refused or give something, but never stray; what is read is written
 * again as the same rows (that pyarrow reads it, tests/files/arrow_files.py shows); nothing leaks
 * without memory.
 */

#include "types/arrow_ipc.h"

#include "base/budget.h"
#include "test.h"

#define MEMORY_MAX   ((size_t)4 << 20)
#define COUNT(array) (sizeof(array) / sizeof *(array))

#include "types/vectors/arrow_files.inc"

static const struct {
    const uint8_t *data;
    size_t size;
} files[] = {
    {file_plain, sizeof file_plain}, {file_lz4, sizeof file_lz4},
    {file_zstd, sizeof file_zstd},   {stream_plain, sizeof stream_plain},
    {stream_lz4, sizeof stream_lz4}, {stream_zstd, sizeof stream_zstd},
};

/* Reads everything; `row_count_out` counts rows, and each is compared when `compare`. */
static tdbplus_status read_all(struct span bytes, const struct alloc *alloc, bool compare,
                               size_t *row_count_out)
{
    struct arrow_reader *reader = NULL;
    struct batch batch;
    batch_init(&batch, alloc);
    size_t row_count = 0;
    tdbplus_status status = arrow_reader_open(bytes, alloc, &reader, NULL);
    while (status == TDBPLUS_OK) {
        batch_reset(&batch);
        status = arrow_reader_next(reader, &batch, NULL);
        for (uint32_t row = 0; status == TDBPLUS_OK && row < batch.row_count; row++) {
            struct buffer text = {.alloc = &alloc_system};
            for (uint32_t i = 0; i < batch.column_count; i++) {
                struct datum datum;
                column_get(&batch.columns[i], row, &datum);
                buffer_put_text(&text, i > 0 ? " | " : "");
                if (datum.is_null) {
                    buffer_put_text(&text, "NULL");
                } else {
                    text_print(&datum, NULL, &text);
                }
            }
            if (compare) {
                CHECK(row_count < COUNT(rows));
                // Timestamps are the one thing that Python prints in the same way.
                CHECK(span_compare(buffer_span(&text), span_from_text(rows[row_count])) == 0);
            }
            buffer_deinit(&text);
            row_count++;
        }
    }
    batch_deinit(&batch);
    arrow_reader_close(reader);
    *row_count_out = row_count;
    return status;
}

TEST(files_and_streams_of_pyarrow_are_read)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        size_t row_count = 0;
        struct span bytes = {files[i].data, files[i].size};
        CHECK(read_all(bytes, &alloc_system, true, &row_count) == TDBPLUS_END);
        CHECK(row_count == COUNT(rows));
    }
}

TEST(columns_are_known_before_rows)
{
    struct arrow_reader *reader = NULL;
    CHECK(arrow_reader_open((struct span){file_plain, sizeof file_plain}, &alloc_system, &reader,
                            NULL) == TDBPLUS_OK);
    uint32_t count = 0;
    const struct arrow_column *columns = arrow_reader_columns(reader, &count);
    CHECK(count == 16 && strcmp(columns[5].name, "t") == 0);
    CHECK(columns[0].type.id == TYPE_INT4 && columns[11].type.precision == 20);
    CHECK(columns[13].type.id == TYPE_VECTOR && columns[13].type.parameter == 2);
    CHECK(columns[14].type.id == TYPE_TEXT);
    arrow_reader_close(reader);
    arrow_reader_close(NULL);
}

TEST(truncated_files_are_refused)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        for (size_t size = 0; size < files[i].size; size++) {
            struct bytes copy = {.data = alloc_raw(&alloc_system, size + 1),
                                 .size = size + 1,
                                 .alloc = &alloc_system};
            memcpy(copy.data, files[i].data, size);
            size_t row_count = 0;
            tdbplus_status status =
                read_all((struct span){copy.data, size}, &alloc_system, false, &row_count);
            // A stream may end between two messages; a file has a footer.
            CHECK(status != TDBPLUS_END || (i >= 3 && row_count <= COUNT(rows)));
            bytes_deinit(&copy);
        }
    }
}

TEST(flipped_bits_never_stray)
{
    struct budget budget;
    budget_init(&budget, &alloc_system, NULL, MEMORY_MAX);
    for (size_t i = 0; i < COUNT(files); i++) {
        struct bytes copy = {.data = alloc_raw(&alloc_system, files[i].size),
                             .size = files[i].size,
                             .alloc = &alloc_system};
        memcpy(copy.data, files[i].data, files[i].size);
        for (size_t at = 0; at < copy.size; at++) {
            copy.data[at] ^= (uint8_t)(1u << (at % 8));
            size_t row_count = 0;
            // A damaged size may ask for much memory; a budget says no, as in the engine.
            CHECK(read_all((struct span){copy.data, copy.size}, &budget.alloc, false, &row_count) !=
                  TDBPLUS_OK);
            copy.data[at] ^= (uint8_t)(1u << (at % 8));
        }
        bytes_deinit(&copy);
    }
    budget_deinit(&budget);
}

TEST(reading_survives_every_failed_allocation)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        for (uint32_t fail_at = 0;; fail_at++) {
            struct fault_alloc fault;
            fault_alloc_init(&fault, fail_at);
            size_t row_count = 0;
            tdbplus_status status = read_all((struct span){files[i].data, files[i].size},
                                             &fault.alloc, false, &row_count);
            CHECK(fault.live_bytes == 0);
            if (status == TDBPLUS_END) {
                CHECK(fail_at > 2);
                break;
            }
            CHECK(status == TDBPLUS_E_NOMEM);
        }
    }
}

/* ---- writing ---- */

/* Reads a file of pyarrow and writes its rows; a row more than a byte of bits each time, so that
 * bitmaps are put together at every place. */
static tdbplus_status write_again(struct span bytes, const struct arrow_write_options *options,
                                  const struct alloc *alloc, uint32_t times, struct buffer *out)
{
    struct arrow_reader *reader = NULL;
    struct arrow_writer *writer = NULL;
    struct batch batch;
    uint32_t count = 0;
    batch_init(&batch, alloc);
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, arrow_reader_open(bytes, alloc, &reader, NULL));
    const struct arrow_column *columns = arrow_reader_columns(reader, &count);
    TRY_OR(done, arrow_writer_create(columns, count, options, alloc, &writer, NULL));
    TRY_OR(done, arrow_writer_begin(writer, out, NULL));
    for (;;) {
        batch_reset(&batch);
        status = arrow_reader_next(reader, &batch, NULL);
        if (status != TDBPLUS_OK) {
            break;
        }
        for (uint32_t i = 0; i < times; i++) {
            TRY_OR(done, arrow_writer_put(writer, &batch, out, NULL));
        }
    }
    status = status == TDBPLUS_END ? arrow_writer_end(writer, out, NULL) : status;
done:
    batch_deinit(&batch);
    arrow_writer_destroy(writer);
    arrow_reader_close(reader);
    return status;
}

static const struct arrow_write_options forms[] = {
    {.codec = ARROW_CODEC_NONE},
    {.codec = ARROW_CODEC_LZ4},
    {.is_file = true, .codec = ARROW_CODEC_NONE},
    {.is_file = true, .codec = ARROW_CODEC_ZSTD},
};

TEST(what_is_written_is_read_again)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        for (size_t form = 0; form < COUNT(forms); form++) {
            struct span bytes = {files[i].data, files[i].size};
            struct buffer out;
            size_t row_count = 0;
            buffer_init(&out, &alloc_system);
            CHECK(write_again(bytes, &forms[form], &alloc_system, 1, &out) == TDBPLUS_OK);
            CHECK(read_all(buffer_span(&out), &alloc_system, true, &row_count) == TDBPLUS_END);
            CHECK(row_count == COUNT(rows));
            buffer_clear(&out);
            CHECK(write_again(bytes, &forms[form], &alloc_system, 50, &out) == TDBPLUS_OK);
            CHECK(read_all(buffer_span(&out), &alloc_system, false, &row_count) == TDBPLUS_END);
            CHECK(row_count == 50 * COUNT(rows));
            buffer_deinit(&out);
        }
    }
}

TEST(writing_survives_every_failed_allocation)
{
    for (uint32_t fail_at = 0;; fail_at++) {
        struct fault_alloc fault;
        struct buffer out;
        fault_alloc_init(&fault, fail_at);
        buffer_init(&out, &fault.alloc);
        tdbplus_status status = write_again((struct span){file_plain, sizeof file_plain}, &forms[3],
                                            &fault.alloc, 2, &out);
        buffer_deinit(&out);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            CHECK(fail_at > 10);
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
}
