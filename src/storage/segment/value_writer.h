#pragma once

/*
 * value writer: the value file that is written beside one segment. The file is made with the first
 * value.
 *
 * Threads: one user.
 */

#include "base/buffer.h"
#include "os/env.h"
#include "storage/segment/segment.h"
#include "storage/segment/segment_format.h"

struct value_writer;

struct value_writer_options {
    const struct env *env;
    const struct alloc *alloc;
    const char *segment_path; /* The file comes to lie beside it. Outlives the writer. */
    uint64_t file_id;
    uint32_t column_count; /* Each column's values are packed apart from the others'. */
    uint8_t compression;   /* enum segment_compression. */
};

TDBPLUS_CHECKED tdbplus_status value_writer_create(const struct value_writer_options *options,
                                                   struct value_writer **writer_out,
                                                   struct err *err);

/* Removes what there is of the file. [waits] NULL is fine. */
void value_writer_abandon(struct value_writer *writer);

/*
 * Adds a value of a column; `value_size` is its size if all values of the column have it, else 0.
 * *place_out is its place with file number 0. [waits]
 */
TDBPLUS_CHECKED tdbplus_status value_writer_put(struct value_writer *writer, uint32_t column,
                                                uint32_t value_size, struct span value,
                                                uint64_t *place_out, struct err *err);

/*
 * Writes the rest, syncs and renames; the directory is the caller's to sync. [waits] Fills in
 * *values_out, with `file_id` 0 if there was no value. Whether it fails or not, only
 * value_writer_abandon() or value_writer_destroy() may follow.
 */
TDBPLUS_CHECKED tdbplus_status value_writer_finish(struct value_writer *writer,
                                                   struct segment_values *values_out,
                                                   struct err *err);
void value_writer_destroy(struct value_writer *writer);

/* Bytes of values so far, and bytes that are not yet written. */
uint64_t value_writer_value_bytes(const struct value_writer *writer);
