#pragma once

/* What the readers and writers of this module have in common: formats, columns, options. */

#include "base/err.h"
#include "types/type.h"

struct batch;

enum file_format {
    FILE_FORMAT_NONE = 0, /* To be told by the name's ending. */
    FILE_TEXT,            /* PostgreSQL's own: tabs, \N, backslashes. */
    FILE_CSV,
    FILE_BINARY, /* PostgreSQL's. */
    FILE_NDJSON, /* A document a line; a file that is one array of documents, too. */
    FILE_PARQUET,
    FILE_ARROW, /* IPC, file or stream. */
};

struct file_column {
    const char *name;
    struct type type;
};

/* Makes a batch's columns for the wanted ones of a file (positions NULL: for all), with room for
 * BATCH_ROW_COUNT_MAX rows; false when memory is out. */
bool file_columns_make(const struct file_column *columns, uint32_t column_count,
                       const uint32_t *positions, uint32_t position_count, struct batch *batch);

enum csv_header { CSV_HEADER_NONE = 0, CSV_HEADER_SKIP, CSV_HEADER_MATCH };

/* FILE_TEXT and FILE_CSV. The flags have one item a column of the file; NULL: none is set. */
struct csv_options {
    bool csv;
    bool lenient; /* Lines may end as they like, and lines without anything are passed over. */
    uint8_t delimiter;
    uint8_t quote;
    uint8_t escape;
    uint8_t header; /* enum csv_header. */
    struct span null_text;
    const bool *force_quote;
    const bool *force_not_null;
    const bool *force_null;
};

/* PostgreSQL's defaults for FILE_TEXT or FILE_CSV. */
struct csv_options csv_options_default(enum file_format format);

/* By the name's ending, compression aside ("x.csv.gz"): FILE_FORMAT_NONE for others. */
enum file_format file_format_of_path(const char *path);

/* "csv", "parquet" and so on, as FORMAT says it; FILE_FORMAT_NONE for others. */
enum file_format file_format_of_name(const char *name);
