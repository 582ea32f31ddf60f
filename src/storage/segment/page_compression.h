#pragma once

/* Block compression of page payloads. A shim over LZ4 and Zstandard. */

#include "base/buffer.h"
#include "storage/segment/segment_format.h"

/* Compresses `raw` behind the end of `out` and returns the size, or 0 when it would not save at
 * least an eighth (or memory is out, which is no reason to fail); then `out` is as before. */
size_t page_compress(enum page_compression codec, struct span raw, struct buffer *out);

/* Decompresses to exactly `raw_size` bytes at `raw`; false when `stored` is not that. */
bool page_decompress(enum page_compression codec, struct span stored, uint8_t *raw,
                     size_t raw_size);
