/* No bytes crash the reader of documents; rows that it takes are written and read again as the
 * same. */

#include "files/ndjson.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct file_column columns[] = {
    {"a", {.id = TYPE_INT8}}, {"b", {.id = TYPE_TEXT}},      {"c", {.id = TYPE_FLOAT8}},
    {"d", {.id = TYPE_JSON}}, {"e", {.id = TYPE_TIMESTAMP}}, {"f", {.id = TYPE_BOOL}}};

#define COLUMNS (sizeof columns / sizeof *columns)

static void read_all(struct span bytes, struct buffer *again)
{
    struct ndjson_layout layout = {.columns = columns, .column_count = COLUMNS, .source = "file"};
    struct file_span source;
    struct ndjson_reader *reader = NULL;
    struct batch rows;
    struct err err = {0};
    file_span_init(&source, bytes);
    batch_init(&rows, &alloc_system);
    if (ndjson_reader_open(&source.input, &layout, &alloc_system, &reader, &err) == TDBPLUS_OK) {
        while (ndjson_reader_next(reader, &rows, &err) == TDBPLUS_OK) {
            ndjson_write_batch(columns, COLUMNS, NULL, &rows, again);
            batch_reset(&rows);
        }
    }
    batch_deinit(&rows);
    ndjson_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer once;
    struct buffer twice;
    buffer_init(&once, &alloc_system);
    buffer_init(&twice, &alloc_system);
    read_all((struct span){data, size}, &once);
    read_all(buffer_span(&once), &twice);
    if (span_compare(buffer_span(&once), buffer_span(&twice)) != 0) {
        abort();
    }
    buffer_deinit(&once);
    buffer_deinit(&twice);
    return 0;
}
