#pragma once

/*
 * source: files as tables. A spec says which files and what is in them; a source reads their rows,
 * whatever the format.
 *
 * Threads: a source has one user at a time.
 */

#include <stdatomic.h>

#include "files/charset.h"
#include "files/csv.h"
#include "files/format.h"
#include "files/input.h"
#include "files/parquet.h"

/* A part of the work: a file, a row group of one, or a part of its bytes (files/split.h). */
struct file_unit {
    uint32_t file;
    uint32_t group;
};

/* Where a text may be cut into parts. */
enum file_split_rule {
    FILE_SPLIT_NOT = 0,
    FILE_SPLIT_LINES, /* At ends of lines outside of quotes, each written twice inside of them. */
    FILE_SPLIT_DOCUMENTS, /* Between documents that stand on lines of their own. */
};

struct file_split;

/* Everything is borrowed, and lives as long as what uses it. */
struct file_spec {
    uint8_t format; /* enum file_format. */
    const char *const *paths;
    uint32_t path_count;    /* 0: rows are handed over (STDIN). */
    struct csv_options csv; /* FILE_TEXT, FILE_CSV. */
    const struct file_column *columns;
    uint32_t column_count;
    const char *label;             /* For CONTEXT: "COPY films"; NULL: "file" and its path. */
    const struct file_unit *units; /* What can be read apart; with paths only. */
    uint32_t unit_count;
    const struct charset *encoding; /* Of texts; NULL: UTF-8. */
    uint8_t split;                  /* enum file_split_rule; then units may be parts of files. */
    const uint64_t *part_sizes;     /* Of each file's parts; 0: it is read whole. */
    uint64_t row_count;             /* 0: not known. */
    const char *compression;        /* To be written with; NULL: the format's own choice. */
};

/* What a reading wants of a spec. */
struct file_wanted {
    const uint32_t *positions; /* Of columns; NULL: all. */
    uint32_t position_count;
    struct file_queue *queue; /* Where rows come from that are handed over. */
    const struct text_style *style;
    _Atomic uint32_t *next_unit; /* Shared by sources that share the work; NULL: there are none. */
    struct file_split *split;    /* Shared by them; NULL: each file is read whole. */
    const struct file_condition *conditions; /* Hints: what cannot fulfil them may be left out. */
    uint32_t condition_count;
};

struct file_source;

/* Nothing is opened before the first file_source_next(). */
TDBPLUS_CHECKED tdbplus_status file_source_create(const struct file_spec *spec,
                                                  const struct file_wanted *wanted,
                                                  const struct alloc *alloc,
                                                  struct file_source **source_out, struct err *err);

/* NULL is fine. */
void file_source_destroy(struct file_source *source);

/*
 * Fills `batch`, which was reset, with the next rows; TDBPLUS_END after the last of the last file.
 * Columns may point into the source: reset the batch before the next call.
 *
 *   TDBPLUS_PENDING  the queue is empty for now
 *   TDBPLUS_E_NOT_FOUND, TDBPLUS_E_IO, TDBPLUS_E_CORRUPT, TDBPLUS_E_SYNTAX, TDBPLUS_E_SQL, ...
 */
TDBPLUS_CHECKED tdbplus_status file_source_next(struct file_source *source, struct batch *batch,
                                                struct err *err);

/* A whole file, with PostgreSQL's words where it is not there. */
TDBPLUS_CHECKED tdbplus_status file_read_all(const char *path, const struct alloc *alloc,
                                             struct bytes *bytes_out, struct err *err);

/* TDBPLUS_E_SQL (22P04) unless a file's columns are those of the spec. */
TDBPLUS_CHECKED tdbplus_status file_check_columns(const struct file_spec *spec, const char *path,
                                                  const struct file_column *columns, uint32_t count,
                                                  struct err *err);

/* Adds to an error about a row of the last batch where the row stands. */
void file_source_context(const struct file_source *source, uint32_t row, struct err *err);
