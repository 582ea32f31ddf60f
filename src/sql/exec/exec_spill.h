#pragma once

/*
 * Rows in a temporary file: what an operator puts there when it has more than it may keep in memory
 * (`spill_bytes` of the exec). Rows are written in blocks of up to a batch, compressed, and read
 * back block by block. What is where is known in memory only; the file is removed when its operator
 * closes, or, after a crash, when the database is opened.
 *
 * Threads: one at a time for each file.
 */

#include "sql/exec/exec_internal.h"

struct spill_file {
    struct exec *exec; /* NULL: closed. */
    struct env_file *file;
    char path[ENV_PATH_SIZE_MAX];
    uint64_t end;          /* Of what was put, written or not. */
    struct buffer pending; /* The last part of it, not yet written. */
    struct buffer raw;     /* One block before and */
    struct buffer packed;  /* after compression. */
};

struct spill_block {
    uint64_t offset;
    uint32_t size; /* Less than raw_size: compressed. */
    uint32_t raw_size;
    uint32_t row_count;
    uint32_t crc;
};

/* A sequence of rows in a file; there may be many in one. */
struct spill_rows {
    const struct plan_column *columns;
    uint32_t column_count;
    struct list blocks; /* struct spill_block */
    uint64_t row_count;
    uint64_t raw_bytes;
};

/* Makes no file before rows are put. */
void spill_file_open(struct spill_file *file, struct exec *exec);
/* Removes the file. Zeroed is closed. */
void spill_file_close(struct spill_file *file);

void spill_rows_init(struct spill_rows *rows, const struct alloc *alloc,
                     const struct plan_column *columns, uint32_t column_count);
void spill_rows_deinit(struct spill_rows *rows);

/* Appends the listed rows, up to BATCH_ROW_COUNT_MAX of them, as one block. [waits] */
TDBPLUS_CHECKED tdbplus_status spill_put(struct spill_file *file, struct spill_rows *rows,
                                         const struct column *columns,
                                         const struct func_rows *listed);

/* Reads a block into a batch, which is reset first and keeps the memory; TDBPLUS_END past the last
 * one. [waits] TDBPLUS_E_CORRUPT when the file does not have what was written. */
TDBPLUS_CHECKED tdbplus_status spill_get(struct spill_file *file, const struct spill_rows *rows,
                                         size_t number, struct batch *batch);

/* ---- by hash ---- */

#define SPILL_PART_COUNT 16u
#define SPILL_LEVEL_MAX  8u /* Parts of parts; what is not smaller then has equal keys. */

/* Sixteen sequences of rows, told apart by four bits of a hash, others at each level. */
struct spill_parts {
    struct spill_rows rows[SPILL_PART_COUNT];
    uint32_t level;
};

void spill_parts_init(struct spill_parts *parts, const struct alloc *alloc,
                      const struct plan_column *columns, uint32_t column_count, uint32_t level);
void spill_parts_deinit(struct spill_parts *parts);

/* The i-th listed row goes where hashes[i] says. `arena` is for the lists of rows. */
TDBPLUS_CHECKED tdbplus_status spill_parts_put(struct spill_parts *parts, struct spill_file *file,
                                               const struct column *columns,
                                               const struct func_rows *listed,
                                               const uint64_t *hashes, struct arena *arena);
