#pragma once

/*
 * input: bytes that come one after another: of a file, plain or compressed, or handed over by
 * whoever runs a statement.
 *
 * Threads: one user at a time.
 */

#include "base/err.h"
#include "os/env.h"

struct file_input {
    /*
     * Fills `data` with at least one byte; *size_out 0 at the end. [waits]
     *
     *   TDBPLUS_PENDING  a queue that is empty for now
     *   TDBPLUS_E_IO, TDBPLUS_E_CORRUPT (compressed), TDBPLUS_E_NOMEM
     */
    tdbplus_status (*read)(struct file_input *input, uint8_t *data, size_t capacity,
                           size_t *size_out, struct err *err);
    void (*close)(struct file_input *input);
    /* Lines before the first byte, where that is not the file's first; NULL: there are none.
     * [waits] */
    uint64_t (*lines_before)(struct file_input *input);
};

/* Files that begin as gzip or Zstandard do are decompressed on the way. TDBPLUS_E_NOT_FOUND (58P01)
 * and the like with PostgreSQL's words. */
TDBPLUS_CHECKED tdbplus_status file_input_open(const char *path, const struct alloc *alloc,
                                               struct file_input **input_out, struct err *err);

/* True for the beginning of a compressed file. */
bool file_input_packed(struct span head);

/* Bytes [begin, end) of a file that is not compressed. The file is borrowed. */
struct file_range {
    struct file_input input;
    struct env_file *file;
    uint64_t begin;
    uint64_t at;
    uint64_t end;
};

void file_range_init(struct file_range *range, struct env_file *file, uint64_t begin, uint64_t end);

/* Opens a file for env_read(), with the same words. */
TDBPLUS_CHECKED tdbplus_status file_open_read(const char *path, struct env_file **file_out,
                                              struct err *err);

/* NULL is fine. */
void file_input_close(struct file_input *input);

/* ---- handed over ---- */

/* What was put and not yet read; made and closed by its owner, read through file_queue_input(). */
struct file_queue {
    struct file_input input;
    const struct alloc *alloc;
    uint8_t *data;
    size_t begin;
    size_t size;
    size_t capacity;
    bool ended;
};

void file_queue_init(struct file_queue *queue, const struct alloc *alloc);
void file_queue_deinit(struct file_queue *queue);

/* Copies; false when memory is out. */
bool file_queue_put(struct file_queue *queue, const void *data, size_t size);

/* Nothing more will be put. */
void file_queue_end(struct file_queue *queue);

/* Borrows bytes that stay where they are. */
struct file_span {
    struct file_input input;
    struct span rest;
};

void file_span_init(struct file_span *source, struct span bytes);
