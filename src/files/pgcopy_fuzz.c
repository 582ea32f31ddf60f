/* No bytes crash the reader of PostgreSQL's binary format; what it takes is written and read again
 * as the same bytes. */

#include "files/pgcopy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS_EACH 4u

static const struct file_column columns[][COLUMNS_EACH] = {
    {{"a", {.id = TYPE_INT4}},
     {"b", {.id = TYPE_TEXT}},
     {"c", {.id = TYPE_NUMERIC}},
     {"d", {.id = TYPE_ARRAY, .element = TYPE_INT4}}},
    {{"a", {.id = TYPE_NUMMULTIRANGE}},
     {"b", {.id = TYPE_INET}},
     {"c", {.id = TYPE_VARBIT}},
     {"d", {.id = TYPE_JSON}}},
    {{"a", {.id = TYPE_ARRAY, .element = TYPE_DATERANGE}},
     {"b", {.id = TYPE_TIMETZ}},
     {"c", {.id = TYPE_NUMERIC, .precision = 12, .scale = 2}},
     {"d", {.id = TYPE_VECTOR}}},
    {{"a", {.id = TYPE_TIMESTAMP}},
     {"b", {.id = TYPE_BPCHAR, .parameter = 3}},
     {"c", {.id = TYPE_INTERVAL}},
     {"d", {.id = TYPE_BYTEA}}},
};

#define SHAPES (sizeof columns / sizeof *columns)

static void read_all(const struct file_column *wanted, struct span bytes, struct buffer *again)
{
    struct pgcopy_layout layout = {
        .columns = wanted, .column_count = COLUMNS_EACH, .source = "COPY t"};
    struct file_span source;
    struct pgcopy_reader *reader = NULL;
    struct batch rows;
    struct err err = {0};
    file_span_init(&source, bytes);
    batch_init(&rows, &alloc_system);
    pgcopy_write_header(again);
    if (pgcopy_reader_open(&source.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK) {
        while (pgcopy_reader_next(reader, &rows, &err) == TDBPLUS_OK) {
            pgcopy_write_batch(COLUMNS_EACH, NULL, &rows, again);
            batch_reset(&rows);
        }
    }
    pgcopy_write_trailer(again);
    batch_deinit(&rows);
    pgcopy_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    const struct file_column *wanted = columns[data[0] % SHAPES];
    struct span bytes = {.data = data + 1, .size = size - 1};
    struct buffer once;
    struct buffer twice;
    buffer_init(&once, &alloc_system);
    buffer_init(&twice, &alloc_system);
    (void)pgcopy_row_size(bytes);
    read_all(wanted, bytes, &once);
    read_all(wanted, buffer_span(&once), &twice);
    if (span_compare(buffer_span(&once), buffer_span(&twice)) != 0) {
        abort();
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
