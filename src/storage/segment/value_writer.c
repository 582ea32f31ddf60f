/*
 * Values are collected column by column in pages of 64 KiB, so that the values of a column lie
 * together in the order of the rows and a scan of the column reads the file from front to back.
 */

#include "storage/segment/value_writer.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/plant.h"
#include "storage/segment/page.h"
#include "storage/segment/page_cache_internal.h"
#include "storage/segment/page_compression.h"
#include "storage/segment/value_file.h"

#define WRITE_SIZE     ((size_t)4 << 20)  /* Bytes of an ordinary write. */
#define OPEN_SIZE_MAX  ((size_t)16 << 20) /* Of unfinished pages of all columns. */
#define SAMPLE_SIZE    ((size_t)16 << 10) /* Tried before a larger payload is compressed. */
#define SKIP_COUNT_MAX 64u /* Pages not tried after others would not shrink; doubles up to it. */

/* The page of a column that is being filled. */
struct value_stream {
    struct buffer bytes;
    struct buffer ends; /* uint32_t a value, where sizes vary. */
    uint32_t value_size;
    uint32_t row_count; /* 0: no page was begun. */
    uint32_t page;
    uint32_t skip_count; /* Pages that are not tried to compress, */
    uint32_t skip_next;  /* and how many after the next failure. */
};

struct value_writer {
    struct value_writer_options options;
    struct env_file *file; /* NULL until the first value. */
    struct value_stream *streams;
    size_t open_bytes; /* In unfinished pages. */
    uint64_t value_count;
    uint64_t value_bytes;
    uint64_t file_offset;
    struct buffer out;
    struct buffer packed;
    struct buffer pages; /* struct value_page each. */
    uint32_t page_count;
    bool renamed;
    char path[ENV_PATH_SIZE_MAX];
    char path_tmp[ENV_PATH_SIZE_MAX + sizeof ENV_TEMPORARY_SUFFIX];
};

static tdbplus_status no_memory(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory to write large values");
}

/* ---- making and ending ---- */

tdbplus_status value_writer_create(const struct value_writer_options *options,
                                   struct value_writer **writer_out, struct err *err)
{
    struct value_writer *writer = alloc_array(options->alloc, 1, sizeof *writer);
    if (writer == NULL) {
        return no_memory(err);
    }
    writer->options = *options;
    buffer_init(&writer->out, options->alloc);
    buffer_init(&writer->packed, options->alloc);
    buffer_init(&writer->pages, options->alloc);
    tdbplus_status status =
        value_file_path(options->segment_path, options->file_id, writer->path, err);
    size_t size = strlen(writer->path);
    if (status == TDBPLUS_OK && size + sizeof ENV_TEMPORARY_SUFFIX > ENV_PATH_SIZE_MAX) {
        status = err_set(err, TDBPLUS_E_LIMIT, "segment: the path is too long");
    }
    if (status != TDBPLUS_OK) {
        value_writer_destroy(writer);
        return status;
    }
    memcpy(writer->path_tmp, writer->path, size);
    memcpy(writer->path_tmp + size, ENV_TEMPORARY_SUFFIX, sizeof ENV_TEMPORARY_SUFFIX);
    *writer_out = writer;
    return TDBPLUS_OK;
}

void value_writer_destroy(struct value_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    uint32_t count = writer->options.column_count;
    for (uint32_t i = 0; writer->streams != NULL && i < count; i++) {
        buffer_deinit(&writer->streams[i].bytes);
        buffer_deinit(&writer->streams[i].ends);
    }
    alloc_free(writer->options.alloc, writer->streams, count, sizeof *writer->streams);
    buffer_deinit(&writer->out);
    buffer_deinit(&writer->packed);
    buffer_deinit(&writer->pages);
    env_close(writer->options.env, writer->file);
    alloc_free(writer->options.alloc, writer, 1, sizeof *writer);
}

void value_writer_abandon(struct value_writer *writer)
{
    if (writer != NULL && writer->file != NULL) {
        env_close(writer->options.env, writer->file);
        writer->file = NULL;
        const char *path = writer->renamed ? writer->path : writer->path_tmp;
        (void)!env_unlink(writer->options.env, path, NULL); // Else recovery removes it.
    }
    value_writer_destroy(writer);
}

static tdbplus_status begin_file(struct value_writer *writer, struct err *err)
{
    const struct value_writer_options *options = &writer->options;
    writer->streams = alloc_array(options->alloc, options->column_count, sizeof *writer->streams);
    if (writer->streams == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < options->column_count; i++) {
        buffer_init(&writer->streams[i].bytes, options->alloc);
        buffer_init(&writer->streams[i].ends, options->alloc);
        writer->streams[i].skip_next = 1;
    }
    struct segment_header header = {
        .magic = VALUE_FILE_MAGIC, .version = VALUE_FILE_VERSION, .segment_id = options->file_id};
    header.crc =
        crc32c((struct span){(const uint8_t *)&header, offsetof(struct segment_header, crc)});
    buffer_put(&writer->out, &header, sizeof header);
    if (writer->out.failed) {
        return no_memory(err);
    }
    struct env_file *file = NULL;
    TRY(env_open(options->env, writer->path_tmp, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE,
                 &file, err));
    writer->file = file;
    return env_truncate(options->env, file, 0, err); // A crash may have left something.
}

/* ---- pages ---- */

static tdbplus_status write_out(struct value_writer *writer, struct err *err)
{
    if (writer->out.failed) {
        return no_memory(err);
    }
    if (writer->out.size > 0) {
        TRY(env_write(writer->options.env, writer->file, writer->file_offset, writer->out.data,
                      writer->out.size, err));
        writer->file_offset += writer->out.size;
        buffer_clear(&writer->out);
    }
    return TDBPLUS_OK;
}

/* Tries a part of a large payload before all of it; what did not shrink is not tried again soon. */
static size_t compress(struct value_writer *writer, struct value_stream *stream,
                       enum page_compression codec, struct span raw)
{
    if (stream->skip_count > 0) {
        stream->skip_count--;
        return 0;
    }
    buffer_clear(&writer->packed);
    size_t size = 1;
    if (raw.size > 2 * SAMPLE_SIZE) {
        struct span sample = {raw.data + (raw.size - SAMPLE_SIZE) / 2, SAMPLE_SIZE};
        size = page_compress(codec, sample, &writer->packed);
        buffer_clear(&writer->packed);
    }
    size = size == 0 ? 0 : page_compress(codec, raw, &writer->packed);
    if (size > 0) {
        stream->skip_next = 1;
        return size;
    }
    stream->skip_count = stream->skip_next;
    stream->skip_next =
        2 * stream->skip_next < SKIP_COUNT_MAX ? 2 * stream->skip_next : SKIP_COUNT_MAX;
    return 0;
}

static void compress_payload(struct value_writer *writer, struct value_stream *stream,
                             struct page_header *header, size_t begin)
{
    uint8_t wish = writer->options.compression;
    if (wish == SEGMENT_COMPRESSION_NONE || header->raw_size > PAGE_COMPRESSED_RAW_MAX) {
        return;
    }
    enum page_compression codec =
        wish == SEGMENT_COMPRESSION_ZSTD ? PAGE_COMPRESSION_ZSTD : PAGE_COMPRESSION_LZ4;
    struct span raw = {writer->out.data + begin, header->raw_size};
    size_t size = compress(writer, stream, codec, raw);
    if (size > 0) {
        memcpy(writer->out.data + begin, writer->packed.data, size);
        writer->out.size = begin + size;
        header->compression = (uint8_t)codec;
        header->stored_size = (uint32_t)size;
    }
}

static void pad(struct buffer *out, size_t begin)
{
    static const uint8_t zeroes[8] = {0};
    buffer_put(out, zeroes, (8 - (out->size - begin) % 8) % 8);
}

/* The payload as encodings "plain" and "bytes" have it (docs/format.md). */
static void put_payload(struct value_writer *writer, const struct value_stream *stream,
                        struct page_header *header)
{
    struct buffer *out = &writer->out;
    size_t begin = out->size;
    if (stream->value_size != 0) {
        header->encoding = PAGE_PLAIN;
    } else {
        header->encoding = PAGE_BYTES;
        header->flags = PAGE_FLAG_WIDE;
        buffer_put_u32(out, 0);
        buffer_put_span(out, buffer_span(&stream->ends));
        pad(out, begin);
    }
    buffer_put_span(out, buffer_span(&stream->bytes));
    pad(out, begin);
    header->raw_size = (uint32_t)(out->size - begin);
    header->stored_size = header->raw_size;
}

/* Writes the page that a column has begun, if any. [waits] */
static tdbplus_status seal_page(struct value_writer *writer, struct value_stream *stream,
                                struct err *err)
{
    if (stream->row_count == 0) {
        return TDBPLUS_OK;
    }
    struct page_header header = {.row_count = (uint16_t)stream->row_count,
                                 .place = page_place(UINT32_MAX, stream->page)};
    size_t at = writer->out.size;
    (void)buffer_extend(&writer->out, sizeof header);
    put_payload(writer, stream, &header);
    if (writer->out.failed) {
        return no_memory(err);
    }
    compress_payload(writer, stream, &header, at + sizeof header);
    header.crc = page_crc(writer->options.file_id, &header, writer->out.data + at + sizeof header);
    memcpy(writer->out.data + at, &header, sizeof header);
    struct value_page entry = {.offset = writer->file_offset + at,
                               .stored_size = header.stored_size + (uint32_t)sizeof header,
                               .raw_size = header.raw_size,
                               .value_size = stream->value_size,
                               .row_count = header.row_count};
    memcpy(writer->pages.data + stream->page * sizeof entry, &entry, sizeof entry);
    writer->open_bytes -= stream->bytes.size;
    stream->row_count = 0;
    buffer_clear(&stream->bytes);
    buffer_clear(&stream->ends);
    return writer->out.size >= WRITE_SIZE ? write_out(writer, err) : TDBPLUS_OK;
}

static tdbplus_status seal_all(struct value_writer *writer, struct err *err)
{
    for (uint32_t i = 0; i < writer->options.column_count; i++) {
        TRY(seal_page(writer, &writer->streams[i], err));
    }
    return TDBPLUS_OK;
}

static tdbplus_status begin_page(struct value_writer *writer, struct value_stream *stream,
                                 uint32_t value_size, struct err *err)
{
    if (writer->page_count == VALUE_FILE_PAGES_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: too many large values");
    }
    if (buffer_extend(&writer->pages, sizeof(struct value_page)) == NULL) {
        return no_memory(err);
    }
    stream->page = writer->page_count++;
    stream->value_size = value_size;
    return TDBPLUS_OK;
}

tdbplus_status value_writer_put(struct value_writer *writer, uint32_t column, uint32_t value_size,
                                struct span value, uint64_t *place_out, struct err *err)
{
    ASSERT(column < writer->options.column_count);
    ASSERT(value_size == 0 || value_size == value.size);
    if (writer->file == NULL) {
        TRY(begin_file(writer, err));
    }
    if (value.size > VALUE_SIZE_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "segment: a value has %zu bytes; %zu are allowed",
                       value.size, VALUE_SIZE_MAX);
    }
    struct value_stream *stream = &writer->streams[column];
    if (stream->bytes.size + value.size > SEGMENT_PAGE_SIZE_GOAL ||
        stream->row_count == SEGMENT_PAGE_ROW_MAX) {
        TRY(seal_page(writer, stream, err));
    }
    if (stream->row_count == 0) {
        TRY(begin_page(writer, stream, value_size, err));
    }
    ASSERT(stream->value_size == value_size);
    buffer_put_span(&stream->bytes, value);
    if (value_size == 0) {
        buffer_put_u32(&stream->ends, (uint32_t)stream->bytes.size);
    }
    if (stream->bytes.failed || stream->ends.failed) {
        return no_memory(err);
    }
    *place_out = value_place_make(0, stream->page, stream->row_count++);
    writer->open_bytes += value.size;
    writer->value_bytes += value.size;
    writer->value_count++;
    return writer->open_bytes > OPEN_SIZE_MAX ? seal_all(writer, err) : TDBPLUS_OK;
}

uint64_t value_writer_value_bytes(const struct value_writer *writer)
{
    return writer->value_bytes;
}

/* ---- the end of the file ---- */

static void put_end(struct value_writer *writer, struct segment_values *values)
{
    struct span directory = buffer_span(&writer->pages);
    struct value_file_footer footer = {
        .file_id = writer->options.file_id,
        .value_count = writer->value_count,
        .value_bytes = writer->value_bytes,
        .directory_offset = writer->file_offset + writer->out.size,
        .page_count = writer->page_count,
        .directory_crc = crc32c(directory),
        .version = VALUE_FILE_VERSION,
        .magic = VALUE_FILE_FOOTER_MAGIC,
    };
    footer.crc = crc32c((struct span){(const uint8_t *)&footer, sizeof footer});
    buffer_put_span(&writer->out, directory);
    buffer_put(&writer->out, &footer, sizeof footer);
    *values = (struct segment_values){.file_id = footer.file_id,
                                      .file_value_bytes = footer.value_bytes,
                                      .value_bytes = footer.value_bytes,
                                      .value_count = footer.value_count,
                                      .footer_crc = footer.crc};
}

tdbplus_status value_writer_finish(struct value_writer *writer, struct segment_values *values_out,
                                   struct err *err)
{
    struct segment_values values = {0};
    if (writer->value_count == 0) {
        *values_out = values;
        return TDBPLUS_OK;
    }
    TRY(seal_all(writer, err));
    put_end(writer, &values);
    TRY(write_out(writer, err));
    values.file_size = writer->file_offset;
    if (!planted(PLANT_VALUES_SYNC_SKIPPED)) {
        TRY(env_sync(writer->options.env, writer->file, err));
    }
    TRY(env_rename(writer->options.env, writer->path_tmp, writer->path, err));
    writer->renamed = true;
    *values_out = values;
    return TDBPLUS_OK;
}
