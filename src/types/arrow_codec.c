/*
 * Compressed bodies. The libraries' contexts, some 160 KiB, are kept by the reader: making one for
 * each buffer costs more than decompressing small ones.
 */

#include <lz4frame.h>
#include <string.h>
#include <zstd.h>

#include "types/arrow_ipc_internal.h"

#define SIZE_PREFIX 8u

static bool decompress_lz4(struct arrow_reader *reader, struct span from, uint8_t *to, size_t size)
{
    if (reader->lz4 == NULL) {
        LZ4F_dctx *made = NULL;
        if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION))) {
            return false;
        }
        reader->lz4 = made;
    }
    LZ4F_dctx *context = reader->lz4;
    LZ4F_resetDecompressionContext(context); // The frame before may have been damaged.
    bool good = true;
    size_t written = 0;
    size_t left = 1; // What the library still wants; 0 at the end of the frame.
    while (good && left != 0 && from.size > 0) {
        size_t to_size = size - written;
        size_t from_size = from.size;
        left = LZ4F_decompress(context, to + written, &to_size, from.data, &from_size, NULL);
        good = !LZ4F_isError(left) && (to_size > 0 || from_size > 0);
        written += to_size;
        from.data += from_size;
        from.size -= from_size;
    }
    return good && left == 0 && written == size;
}

static bool decompress_zstd(struct arrow_reader *reader, struct span from, uint8_t *to, size_t size)
{
    if (reader->zstd == NULL) {
        reader->zstd = ZSTD_createDCtx();
    }
    if (reader->zstd == NULL) {
        return false;
    }
    size_t written = ZSTD_decompressDCtx(reader->zstd, to, size, from.data, from.size);
    return !ZSTD_isError(written) && written == size;
}

void arrow_codecs_deinit(struct arrow_reader *reader)
{
    (void)LZ4F_freeDecompressionContext(reader->lz4);
    (void)ZSTD_freeDCtx(reader->zstd);
    reader->lz4 = NULL;
    reader->zstd = NULL;
}

tdbplus_status arrow_decompress(struct arrow_reader *reader, enum arrow_codec codec,
                                struct arena *arena, struct span *buffer, struct err *err)
{
    if (buffer->size == 0 || codec == ARROW_CODEC_NONE) {
        return TDBPLUS_OK;
    }
    if (buffer->size < SIZE_PREFIX) {
        return err_set(err, TDBPLUS_E_CORRUPT, "arrow: a compressed buffer is too short");
    }
    uint64_t size = load_u64(buffer->data);
    struct span from = {.data = buffer->data + SIZE_PREFIX, .size = buffer->size - SIZE_PREFIX};
    if (size == UINT64_MAX) {
        *buffer = from; // It stands as it is.
        return TDBPLUS_OK;
    }
    if (size > ARROW_IPC_BUFFER_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_CORRUPT, "arrow: a buffer claims to have %llu bytes",
                       (unsigned long long)size);
    }
    uint8_t *to = arena_alloc(arena, (size_t)size + 1);
    if (to == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory for a buffer of %llu bytes",
                       (unsigned long long)size);
    }
    bool good = codec == ARROW_CODEC_LZ4 ? decompress_lz4(reader, from, to, (size_t)size)
                                         : decompress_zstd(reader, from, to, (size_t)size);
    if (!good && size > 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "arrow: a compressed buffer is damaged");
    }
    *buffer = (struct span){.data = to, .size = (size_t)size};
    return TDBPLUS_OK;
}

/* The size of what was written to `to`; 0: the library failed, or it has no room. */
static size_t compress(int8_t codec, struct span bytes, uint8_t *to, size_t capacity)
{
    if (codec == ARROW_CODEC_ZSTD) {
        size_t size = ZSTD_compress(to, capacity, bytes.data, bytes.size, 1);
        return ZSTD_isError(size) ? 0 : size;
    }
    size_t size = LZ4F_compressFrame(to, capacity, bytes.data, bytes.size, NULL);
    return LZ4F_isError(size) ? 0 : size;
}

tdbplus_status arrow_compress(int8_t codec, struct span bytes, struct buffer *to, struct err *err)
{
    size_t bound = codec == ARROW_CODEC_ZSTD ? ZSTD_compressBound(bytes.size)
                                             : LZ4F_compressFrameBound(bytes.size, NULL);
    buffer_clear(to);
    buffer_put_u64(to, bytes.size);
    if (!buffer_reserve(to, bound)) {
        return err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory to compress %zu bytes", bytes.size);
    }
    size_t size = compress(codec, bytes, to->data + to->size, bound);
    if (size > 0 && size < bytes.size) {
        to->size += size;
        return TDBPLUS_OK;
    }
    buffer_clear(to);
    buffer_put_u64(to, UINT64_MAX);
    buffer_put_span(to, bytes);
    return to->failed ? err_set(err, TDBPLUS_E_NOMEM, "arrow: no memory to write") : TDBPLUS_OK;
}
