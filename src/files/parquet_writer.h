#pragma once

/*
 * parquet_writer: rows as a Parquet file: pages of version 1, plain values, Zstandard unless said
 * otherwise, ranges and counts of nulls for whoever leaves row groups out.
 *
 *   bool BOOLEAN | int2 INT32 (INT 16) | int4 INT32 | int8 INT64 | float4 FLOAT | float8 DOUBLE |
 *   numeric(p <= 18) INT64 DECIMAL | numeric(p <= 38) FIXED 16 DECIMAL | text STRING | bytea BYTES
 * | date DATE | time TIME us | timestamp, timestamptz TIMESTAMP us | uuid UUID | json JSON | arrays
 * of these with one dimension, vectors LIST | everything else STRING
 *
 * Threads: a writer has one user at a time.
 */

#include "files/format.h"
#include "types/column.h"
#include "types/text.h"

struct parquet_writer;

/* `compression`: "zstd", "snappy", "gzip", "lz4", "none"; NULL: zstd. 22023 for others. */
TDBPLUS_CHECKED tdbplus_status parquet_writer_create(const struct file_column *columns,
                                                     uint32_t column_count, const char *compression,
                                                     const struct text_style *style,
                                                     const struct alloc *alloc,
                                                     struct parquet_writer **writer_out,
                                                     struct err *err);
void parquet_writer_destroy(struct parquet_writer *writer); /* NULL is fine. */

/* Each appends to `out` what can be written. */
TDBPLUS_CHECKED tdbplus_status parquet_writer_begin(struct parquet_writer *writer,
                                                    struct buffer *out, struct err *err);
TDBPLUS_CHECKED tdbplus_status parquet_writer_put(struct parquet_writer *writer,
                                                  const struct batch *batch, struct buffer *out,
                                                  struct err *err);
TDBPLUS_CHECKED tdbplus_status parquet_writer_end(struct parquet_writer *writer, struct buffer *out,
                                                  struct err *err);
