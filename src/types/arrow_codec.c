/* Compressed bodies. The libraries' own contexts are small and freed before returning. */

#include <lz4frame.h>
#include <string.h>
#include <zstd.h>

#include "types/arrow_ipc_internal.h"

#define SIZE_PREFIX 8u

static bool decompress_lz4(struct span from, uint8_t *to, size_t size)
{
    LZ4F_dctx *context = NULL;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return false;
    }
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
    (void)LZ4F_freeDecompressionContext(context);
    return good && left == 0 && written == size;
}

static bool decompress_zstd(struct span from, uint8_t *to, size_t size)
{
    size_t written = ZSTD_decompress(to, size, from.data, from.size);
    return !ZSTD_isError(written) && written == size;
}

tdbplus_status arrow_decompress(enum arrow_codec codec, struct arena *arena, struct span *buffer,
                                struct err *err)
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
    bool good = codec == ARROW_CODEC_LZ4 ? decompress_lz4(from, to, (size_t)size)
                                         : decompress_zstd(from, to, (size_t)size);
    if (!good && size > 0) {
        return err_set(err, TDBPLUS_E_CORRUPT, "arrow: a compressed buffer is damaged");
    }
    *buffer = (struct span){.data = to, .size = (size_t)size};
    return TDBPLUS_OK;
}
