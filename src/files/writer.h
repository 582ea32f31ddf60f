#pragma once

/*
 * writer: rows as the bytes of a file, whatever the format.
 *
 * Threads: a writer has one user at a time.
 */

#include "files/source.h"

struct file_writer;

/* `spec` says format, options and columns. Of Arrow its path says whether it is a file; without
 * one, or when it ends in .arrows, a stream is written. */
TDBPLUS_CHECKED tdbplus_status file_writer_create(const struct file_spec *spec,
                                                  const struct text_style *style,
                                                  const struct alloc *alloc,
                                                  struct file_writer **writer_out, struct err *err);

/* NULL is fine. */
void file_writer_destroy(struct file_writer *writer);

/* Each appends to `out` what is ready to be written: begin once, put for each batch, end once. */
TDBPLUS_CHECKED tdbplus_status file_writer_begin(struct file_writer *writer, struct buffer *out,
                                                 struct err *err);
TDBPLUS_CHECKED tdbplus_status file_writer_put(struct file_writer *writer,
                                               const struct batch *batch, struct buffer *out,
                                               struct err *err);
TDBPLUS_CHECKED tdbplus_status file_writer_end(struct file_writer *writer, struct buffer *out,
                                               struct err *err);

/* ---- where the bytes go ---- */

/* A file being written: under a temporary name until file_output_finish() gives it its own. */
struct file_output {
    const char *path;
    char temporary[ENV_PATH_SIZE_MAX];
    struct env_file *file;
    uint64_t size;
};

/* `path` is borrowed. Statuses and words as PostgreSQL's "could not open file". [waits] */
TDBPLUS_CHECKED tdbplus_status file_output_open(struct file_output *output, const char *path,
                                                struct err *err);
TDBPLUS_CHECKED tdbplus_status file_output_write(struct file_output *output, struct span bytes,
                                                 struct err *err);
TDBPLUS_CHECKED tdbplus_status file_output_finish(struct file_output *output, struct err *err);

/* Takes back what was not finished. Zeroed is fine. */
void file_output_abandon(struct file_output *output);
