#pragma once

/*
 * parquet: Apache Parquet files, read by row groups: all encodings and codecs in use, pages of both
 * versions, nested columns as arrays or documents.
 *
 * Threads: a file is read-only once open and may have several readers; a reader has one user.
 */

#include "files/format.h"
#include "files/input.h"
#include "types/column.h"

struct parquet_file;
struct parquet_reader;

/*
 * Reads the footer.
 *
 *   TDBPLUS_E_NOT_FOUND, TDBPLUS_E_IO  as file_input_open()
 *   TDBPLUS_E_CORRUPT                  not Parquet, or damaged (22P04)
 *   TDBPLUS_E_UNSUPPORTED              encrypted, or what this release cannot read
 */
TDBPLUS_CHECKED tdbplus_status parquet_open(const char *path, const struct alloc *alloc,
                                            struct parquet_file **file_out, struct err *err);
void parquet_close(struct parquet_file *file); /* NULL is fine. */

const struct file_column *parquet_columns(const struct parquet_file *file, uint32_t *count_out);
uint32_t parquet_group_count(const struct parquet_file *file);
uint64_t parquet_row_count(const struct parquet_file *file);

enum file_compare {
    FILE_EQUAL = 0,
    FILE_LESS,
    FILE_LESS_EQUAL,
    FILE_GREATER,
    FILE_GREATER_EQUAL,
    FILE_IS_NULL,
    FILE_IS_NOT_NULL,
};

/* Rows that are wanted compare so with a value of the column's type. */
struct file_condition {
    uint32_t position; /* Of the column in the file. */
    uint8_t compare;   /* enum file_compare. */
    struct datum value;
};

/* False when the statistics say that no row of the group fulfils the condition. */
bool parquet_group_may_match(const struct parquet_file *file, uint32_t group,
                             const struct file_condition *condition);

/* Reads the columns at `positions` (borrowed). */
TDBPLUS_CHECKED tdbplus_status parquet_reader_create(struct parquet_file *file,
                                                     const uint32_t *positions,
                                                     uint32_t position_count,
                                                     struct parquet_reader **reader_out,
                                                     struct err *err);
void parquet_reader_destroy(struct parquet_reader *reader); /* NULL is fine. */

TDBPLUS_CHECKED tdbplus_status parquet_reader_begin(struct parquet_reader *reader, uint32_t group,
                                                    struct err *err);

/* The next rows of the group; TDBPLUS_END after the last. Columns point into the reader until the
 * next call. */
TDBPLUS_CHECKED tdbplus_status parquet_reader_next(struct parquet_reader *reader,
                                                   struct batch *batch, struct err *err);
