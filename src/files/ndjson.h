#pragma once

/*
 * ndjson: documents one after another, a line each or spread over lines, or all in one array.
 *
 * Threads: one user at a time.
 */

#include "files/format.h"
#include "files/input.h"
#include "types/column.h"
#include "types/text.h"

#define NDJSON_DOCUMENT_SIZE_MAX ((size_t)256 << 20)

struct ndjson_layout {
    const struct file_column *columns; /* Members of the documents. */
    uint32_t column_count;
    const uint32_t *positions; /* Of the wanted columns; NULL: all. */
    uint32_t position_count;
    const char *source; /* For CONTEXT. */
    const struct text_style *style;
};

struct ndjson_reader;

TDBPLUS_CHECKED tdbplus_status ndjson_reader_open(struct file_input *input,
                                                  const struct ndjson_layout *layout,
                                                  const struct alloc *alloc,
                                                  struct ndjson_reader **reader_out,
                                                  struct err *err);
void ndjson_reader_close(struct ndjson_reader *reader); /* NULL is fine. */

/* Begins anew with another part of the same file; no batch may be in use. */
void ndjson_reader_restart(struct ndjson_reader *reader);

/* As csv_reader_next(). Members that are missing are null, others are passed over. */
TDBPLUS_CHECKED tdbplus_status ndjson_reader_next(struct ndjson_reader *reader, struct batch *batch,
                                                  struct err *err);
void ndjson_reader_context(const struct ndjson_reader *reader, uint32_t row, struct err *err);

/* The next document as it stands in types/json.h, until the next call; TDBPLUS_END. */
TDBPLUS_CHECKED tdbplus_status ndjson_reader_document(struct ndjson_reader *reader,
                                                      struct span *document_out, struct err *err);

/* ---- writing ---- */

/* Appends a line for each live row: numbers as numbers, documents and arrays as they are, times as
 * ISO 8601 has them. */
void ndjson_write_batch(const struct file_column *columns, uint32_t column_count,
                        const struct text_style *style, const struct batch *batch,
                        struct buffer *out);
