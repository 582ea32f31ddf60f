#pragma once

/*
 * Arrow's IPC formats, read from memory: files ("ARROW1", by their footer) and streams (message by
 * message), bodies plain or compressed with LZ4 frames or Zstandard. Types are those of arrow.h.
 *
 * Every offset and length of the bytes is checked before it is used; buffers of a body need not be
 * aligned.
 *
 * Threads: a reader belongs to one thread at a time.
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
