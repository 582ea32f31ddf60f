/* No bytes crash the reader of CSV and text, however they are cut; what it takes for texts is
 * written and read again as the same. */

#include "files/csv.h"
#include "simd/simd.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct file_column columns[] = {{"a", {.id = TYPE_TEXT}}, {"b", {.id = TYPE_TEXT}}};
static const struct file_column typed[] = {{"a", {.id = TYPE_INT4}}, {"b", {.id = TYPE_TIMESTAMP}}};

static void read_all(const struct csv_options *options, const struct file_column *wanted,
                     struct span bytes, struct buffer *again)
{
    struct csv_layout layout = {
        .options = *options, .columns = wanted, .column_count = 2, .source = "COPY t"};
    struct csv_writer writer;
    struct file_span source;
    struct csv_reader *reader = NULL;
    struct batch rows;
    struct err err = {0};
    file_span_init(&source, bytes);
    batch_init(&rows, &alloc_system);
    csv_writer_init(&writer, options, wanted, 2, &alloc_system);
    if (csv_reader_open(&source.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK) {
        while (csv_reader_next(reader, &rows, &err) == TDBPLUS_OK) {
            csv_write_batch(&writer, &rows, again);
            batch_reset(&rows);
        }
    }
    batch_deinit(&rows);
    csv_reader_close(reader);
    csv_writer_deinit(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    simd_init();
    struct csv_options options = csv_options_default((data[0] & 1) != 0 ? FILE_CSV : FILE_TEXT);
    options.escape = (data[0] & 2) != 0 ? '\\' : options.escape;
    options.lenient = (data[0] & 4) != 0;
    options.header = (data[0] & 8) != 0 ? CSV_HEADER_MATCH : CSV_HEADER_NONE;
    struct span bytes = {.data = data + 1, .size = size - 1};
    struct buffer once;
    struct buffer twice;
    buffer_init(&once, &alloc_system);
    buffer_init(&twice, &alloc_system);
    read_all(&options, typed, bytes, &once);
    buffer_clear(&once);
    read_all(&options, columns, bytes, &once);
    options.header = CSV_HEADER_NONE;
    options.lenient = false;
    read_all(&options, columns, buffer_span(&once), &twice);
    if (span_compare(buffer_span(&once), buffer_span(&twice)) != 0) {
        abort();
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
