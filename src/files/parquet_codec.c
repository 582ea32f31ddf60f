/* Codecs of pages. */

#include <brotli/decode.h>
#include <lz4.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/codec.h"
#include "files/parquet_internal.h"

static bool gunzip(struct span in, uint8_t *out, size_t out_size)
{
    z_stream zlib = {0};
    // zlib does not write to its input, but its older declaration does not say so.
    union {
        const uint8_t *read;
        uint8_t *plain;
    } data = {.read = in.data};
    zlib.next_in = data.plain;
    zlib.avail_in = (uInt)in.size;
    zlib.next_out = out;
    zlib.avail_out = (uInt)out_size;
    if (inflateInit2(&zlib, 15 + 32) != Z_OK) {
        return false;
    }
    int result = inflate(&zlib, Z_FINISH);
    bool full = zlib.avail_out == 0;
    (void)inflateEnd(&zlib);
    return result == Z_STREAM_END && full;
}

static bool lz4_raw(struct span in, uint8_t *out, size_t out_size)
{
    return in.size <= INT32_MAX && out_size <= INT32_MAX &&
           LZ4_decompress_safe((const char *)in.data, (char *)out, (int)in.size, (int)out_size) ==
               (int)out_size;
}

/* Frames of two sizes, high byte first, and a block; some writers left them out. */
static bool lz4_hadoop(struct span in, uint8_t *out, size_t out_size)
{
    struct span rest = in;
    size_t at = 0;
    while (rest.size >= 8) {
        uint64_t sizes = load_u64_be(rest.data);
        size_t plain = (size_t)(sizes >> 32);
        size_t packed = (size_t)(sizes & UINT32_MAX);
        if (packed > rest.size - 8 || plain > out_size - at ||
            !lz4_raw((struct span){rest.data + 8, packed}, out + at, plain)) {
            break;
        }
        at += plain;
        rest.data += 8 + packed;
        rest.size -= 8 + packed;
    }
    return (rest.size == 0 && at == out_size) || lz4_raw(in, out, out_size);
}

static bool decompress(int64_t codec, struct span in, uint8_t *out, size_t out_size)
{
    size_t size = out_size;
    switch (codec) {
    case PARQUET_PLAIN_CODEC:
        if (in.size == out_size && in.size > 0) {
            memcpy(out, in.data, in.size);
        }
        return in.size == out_size;
    case PARQUET_SNAPPY:
        return snappy_uncompressed_length((const char *)in.data, in.size, &size) == SNAPPY_OK &&
               size == out_size &&
               snappy_uncompress((const char *)in.data, in.size, (char *)out, &size) == SNAPPY_OK;
    case PARQUET_GZIP:
        return gunzip(in, out, out_size);
    case PARQUET_BROTLI:
        return BrotliDecoderDecompress(in.size, in.data, &size, out) ==
                   BROTLI_DECODER_RESULT_SUCCESS &&
               size == out_size;
    case PARQUET_LZ4:
        return lz4_hadoop(in, out, out_size);
    case PARQUET_ZSTD:
        return ZSTD_decompress(out, out_size, in.data, in.size) == out_size;
    case PARQUET_LZ4_RAW:
        return lz4_raw(in, out, out_size);
    default:
        return false;
    }
}

tdbplus_status parquet_decompress(int64_t codec, struct span in, uint8_t *out, size_t out_size,
                                  struct err *err)
{
    if (codec < 0 || codec > PARQUET_LZ4_RAW || codec == 3) {
        return err_set(err, TDBPLUS_E_UNSUPPORTED, "codec %lld of Parquet is not supported",
                       (long long)codec);
    }
    // Some libraries refuse what is empty.
    if (out_size == 0) {
        return TDBPLUS_OK;
    }
    return decompress(codec, in, out, out_size)
               ? TDBPLUS_OK
               : parquet_damaged(err, "a page cannot be decompressed");
}
