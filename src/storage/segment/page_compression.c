#include "storage/segment/page_compression.h"

#include <limits.h>
#include <lz4.h>
#include <zstd.h>

#define ZSTD_LEVEL 3

size_t page_compress(enum page_compression codec, struct span raw, struct buffer *out)
{
    size_t wanted = raw.size - raw.size / 8;
    if (raw.size > INT_MAX / 2 || wanted == 0 || !buffer_reserve(out, wanted)) {
        return 0;
    }
    char *to = (char *)out->data + out->size;
    size_t size = 0;
    if (codec == PAGE_COMPRESSION_LZ4) {
        // Gives up by itself when the result would not fit.
        int result = LZ4_compress_default((const char *)raw.data, to, (int)raw.size, (int)wanted);
        size = result > 0 ? (size_t)result : 0;
    } else if (codec == PAGE_COMPRESSION_ZSTD) {
        size_t result = ZSTD_compress(to, wanted, raw.data, raw.size, ZSTD_LEVEL);
        size = ZSTD_isError(result) ? 0 : result;
    }
    out->size += size;
    return size;
}

bool page_decompress(enum page_compression codec, struct span stored, uint8_t *raw, size_t raw_size)
{
    if (stored.size > INT_MAX || raw_size > INT_MAX) {
        return false;
    }
    if (codec == PAGE_COMPRESSION_LZ4) {
        int size = LZ4_decompress_safe((const char *)stored.data, (char *)raw, (int)stored.size,
                                       (int)raw_size);
        return size >= 0 && (size_t)size == raw_size;
    }
    if (codec == PAGE_COMPRESSION_ZSTD) {
        size_t size = ZSTD_decompress(raw, raw_size, stored.data, stored.size);
        return !ZSTD_isError(size) && size == raw_size;
    }
    return false;
}
