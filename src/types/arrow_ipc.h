#pragma once

/*
 * Arrow's IPC formats, read from memory and written: files ("ARROW1", by their footer) and streams
 * (message by message), bodies plain or compressed with LZ4 frames or Zstandard. Types are those of
 * arrow.h.
 *
 * Every offset and length of the bytes is checked before it is used; buffers of a body need not be
 * aligned.
 *
 * Threads: a reader or writer belongs to one thread at a time.
 */

#include "types/arrow.h"

#define ARROW_IPC_BUFFER_SIZE_MAX ((uint64_t)4 << 30) /* Of one buffer after decompression. */

struct arrow_reader;

/*
 * Reads the schema of a file or stream. `bytes` are borrowed until arrow_reader_close().
 *
 *   TDBPLUS_E_CORRUPT      not Arrow, or damaged
 *   TDBPLUS_E_UNSUPPORTED  big-endian, older than format 0.15, or a type without a place here
 *   TDBPLUS_E_NOMEM        memory is out
 */
TDBPLUS_CHECKED tdbplus_status arrow_reader_open(struct span bytes, const struct alloc *alloc,
                                                 struct arrow_reader **reader_out, struct err *err);

/* NULL is accepted. */
void arrow_reader_close(struct arrow_reader *reader);

/* The columns, as long as the reader. */
const struct arrow_column *arrow_reader_columns(const struct arrow_reader *reader,
                                                uint32_t *column_count_out);

/*
 * Fills the batch, which was reset, with the next rows, at most BATCH_ROW_COUNT_MAX; TDBPLUS_END
 * after the last. Its columns borrow from the reader: reset it before the next call.
 *
 *   TDBPLUS_E_CORRUPT, TDBPLUS_E_UNSUPPORTED, TDBPLUS_E_NOMEM  as above
 *   TDBPLUS_E_INVALID, TDBPLUS_E_RANGE                         as arrow_import_batch()
 */
TDBPLUS_CHECKED tdbplus_status arrow_reader_next(struct arrow_reader *reader, struct batch *batch,
                                                 struct err *err);

/* ---- writing ---- */

enum arrow_codec { ARROW_CODEC_NONE = -1, ARROW_CODEC_LZ4 = 0, ARROW_CODEC_ZSTD = 1 };

struct arrow_write_options {
    bool is_file; /* With a footer; otherwise a stream. */
    int8_t codec; /* enum arrow_codec: of each buffer. */
    const struct text_style *style;
};

struct arrow_writer;

/* `columns` is copied, their types as arrow_export_schema() says. */
TDBPLUS_CHECKED tdbplus_status arrow_writer_create(const struct arrow_column *columns,
                                                   uint32_t column_count,
                                                   const struct arrow_write_options *options,
                                                   const struct alloc *alloc,
                                                   struct arrow_writer **writer_out,
                                                   struct err *err);
void arrow_writer_destroy(struct arrow_writer *writer); /* NULL is fine. */

/* Each appends to `out` what can be written: begin once, put for each batch, end once. Statuses as
 * arrow_export_batch(). */
TDBPLUS_CHECKED tdbplus_status arrow_writer_begin(struct arrow_writer *writer, struct buffer *out,
                                                  struct err *err);
TDBPLUS_CHECKED tdbplus_status arrow_writer_put(struct arrow_writer *writer,
                                                const struct batch *batch, struct buffer *out,
                                                struct err *err);
TDBPLUS_CHECKED tdbplus_status arrow_writer_end(struct arrow_writer *writer, struct buffer *out,
                                                struct err *err);
