#include "files/input.h"

#include <string.h>

#include <zlib.h>
#include <zstd.h>

#define INPUT_BLOCK_SIZE ((size_t)256 << 10)

enum packing { PACKING_NONE = 0, PACKING_GZIP, PACKING_ZSTD };

struct disk_input {
    struct file_input input;
    const struct alloc *alloc;
    struct env_file *file;
    uint64_t at;
    uint64_t file_size;
    uint8_t packing; /* enum packing. */
    bool ended;
    bool midway; /* The compressed stream has begun and not ended. */
    uint8_t *block;
    size_t block_begin;
    size_t block_size;
    z_stream zlib;
    bool zlib_ready;
    ZSTD_DStream *zstd;
};

static tdbplus_status read_plain(struct disk_input *disk, uint8_t *data, size_t capacity,
                                 size_t *size_out, struct err *err)
{
    uint64_t rest = disk->file_size - disk->at;
    size_t size = rest < capacity ? (size_t)rest : capacity;
    if (size > 0) {
        TRY(env_read(env_real(), disk->file, disk->at, data, size, err));
    }
    disk->at += size;
    *size_out = size;
    return TDBPLUS_OK;
}

/* Makes sure that the block has a byte, unless the file has ended. */
static tdbplus_status fill_block(struct disk_input *disk, struct err *err)
{
    if (disk->block_begin < disk->block_size || disk->ended) {
        return TDBPLUS_OK;
    }
    disk->block_begin = 0;
    TRY(read_plain(disk, disk->block, INPUT_BLOCK_SIZE, &disk->block_size, err));
    disk->ended = disk->block_size == 0;
    return TDBPLUS_OK;
}

static tdbplus_status damaged(struct err *err)
{
    return err_set_state(err, TDBPLUS_E_CORRUPT, "22P04", "the compressed file is damaged");
}

/* One step of decompression; *written_out may be 0. */
static tdbplus_status inflate_step(struct disk_input *disk, uint8_t *data, size_t capacity,
                                   size_t *written_out, struct err *err)
{
    z_stream *zlib = &disk->zlib;
    size_t room = capacity > INT32_MAX ? INT32_MAX : capacity;
    zlib->next_in = disk->block + disk->block_begin;
    zlib->avail_in = (uInt)(disk->block_size - disk->block_begin);
    zlib->next_out = data;
    zlib->avail_out = (uInt)room;
    int result = inflate(zlib, Z_NO_FLUSH);
    size_t taken = disk->block_size - zlib->avail_in - disk->block_begin;
    disk->block_begin += taken;
    *written_out = room - zlib->avail_out;
    if (taken > 0 || *written_out > 0) {
        disk->midway = result != Z_STREAM_END;
    }
    if (result == Z_STREAM_END) {
        (void)inflateReset(zlib); // Members may follow one another.
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return damaged(err);
    }
    return TDBPLUS_OK;
}

static tdbplus_status zstd_step(struct disk_input *disk, uint8_t *data, size_t capacity,
                                size_t *written_out, struct err *err)
{
    ZSTD_inBuffer in = {disk->block, disk->block_size, disk->block_begin};
    ZSTD_outBuffer out = {data, capacity, 0};
    size_t result = ZSTD_decompressStream(disk->zstd, &out, &in);
    if (ZSTD_isError(result)) {
        return damaged(err);
    }
    // Asked for more at the end of a stream it only says that it would take another one.
    if (in.pos > disk->block_begin || out.pos > 0) {
        disk->midway = result != 0;
    }
    disk->block_begin = in.pos;
    *written_out = out.pos;
    return TDBPLUS_OK;
}

static tdbplus_status read_disk(struct file_input *input, uint8_t *data, size_t capacity,
                                size_t *size_out, struct err *err)
{
    struct disk_input *disk = (struct disk_input *)input;
    if (disk->packing == PACKING_NONE && disk->block_begin == disk->block_size) {
        return read_plain(disk, data, capacity, size_out, err);
    }
    size_t written = 0;
    while (written == 0) {
        TRY(fill_block(disk, err));
        if (disk->packing == PACKING_NONE) {
            size_t rest = disk->block_size - disk->block_begin;
            written = rest < capacity ? rest : capacity;
            memcpy(data, disk->block + disk->block_begin, written);
            disk->block_begin += written;
            break;
        }
        // What is left in the decompressor comes out before it wants more.
        size_t before = disk->block_begin;
        TRY(disk->packing == PACKING_GZIP ? inflate_step(disk, data, capacity, &written, err)
                                          : zstd_step(disk, data, capacity, &written, err));
        if (written == 0 && disk->ended && disk->block_begin == before) {
            if (disk->midway) {
                return damaged(err);
            }
            break;
        }
    }
    *size_out = written;
    return TDBPLUS_OK;
}

static void close_disk(struct file_input *input)
{
    struct disk_input *disk = (struct disk_input *)input;
    if (disk->zlib_ready) {
        (void)inflateEnd(&disk->zlib);
    }
    (void)ZSTD_freeDStream(disk->zstd);
    if (disk->file != NULL) {
        env_close(env_real(), disk->file);
    }
    alloc_free(disk->alloc, disk->block, INPUT_BLOCK_SIZE, 1);
    alloc_free(disk->alloc, disk, 1, sizeof *disk);
}

/* By the first bytes. */
static enum packing packing_of(struct span head)
{
    static const uint8_t gzip[] = {0x1F, 0x8B, 8};
    static const uint8_t zstd[] = {0x28, 0xB5, 0x2F, 0xFD};
    if (head.size > sizeof gzip && memcmp(head.data, gzip, sizeof gzip) == 0) {
        return PACKING_GZIP;
    }
    return head.size > sizeof zstd && memcmp(head.data, zstd, sizeof zstd) == 0 ? PACKING_ZSTD
                                                                                : PACKING_NONE;
}

bool file_input_packed(struct span head)
{
    return packing_of(head) != PACKING_NONE;
}

static tdbplus_status open_packing(struct disk_input *disk, struct err *err)
{
    TRY(fill_block(disk, err));
    bool ready = true;
    disk->packing = packing_of((struct span){disk->block, disk->block_size});
    if (disk->packing == PACKING_GZIP) {
        disk->zlib_ready = ready = inflateInit2(&disk->zlib, 15 + 16) == Z_OK;
    } else if (disk->packing == PACKING_ZSTD) {
        disk->zstd = ZSTD_createDStream();
        ready = disk->zstd != NULL;
    }
    return ready ? TDBPLUS_OK : err_set(err, TDBPLUS_E_NOMEM, "no memory to decompress a file");
}

tdbplus_status file_open_read(const char *path, struct env_file **file_out, struct err *err)
{
    tdbplus_status status = env_open(env_real(), path, ENV_OPEN_READ, file_out, err);
    if (status == TDBPLUS_E_NOT_FOUND) {
        err_clear(err);
        return err_set_state(err, TDBPLUS_E_NOT_FOUND, "58P01",
                             "could not open file \"%s\" for reading: No such file or directory",
                             path);
    }
    return status;
}

tdbplus_status file_input_open(const char *path, const struct alloc *alloc,
                               struct file_input **input_out, struct err *err)
{
    struct disk_input *disk = alloc_array(alloc, 1, sizeof *disk);
    if (disk == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file");
    }
    disk->input = (struct file_input){.read = read_disk, .close = close_disk};
    disk->alloc = alloc;
    tdbplus_status status = TDBPLUS_OK;
    disk->block = alloc_array(alloc, INPUT_BLOCK_SIZE, 1);
    if (disk->block == NULL) {
        status = err_set(err, TDBPLUS_E_NOMEM, "no memory to read a file");
        goto done;
    }
    TRY_OR(done, file_open_read(path, &disk->file, err));
    TRY_OR(done, env_size(env_real(), disk->file, &disk->file_size, err));
    TRY_OR(done, open_packing(disk, err));
    *input_out = &disk->input;
    disk = NULL;
done:
    if (disk != NULL) {
        close_disk(&disk->input);
    }
    return status;
}

void file_input_close(struct file_input *input)
{
    if (input != NULL && input->close != NULL) {
        input->close(input);
    }
}

/* ---- a part of a file ---- */

static tdbplus_status read_range(struct file_input *input, uint8_t *data, size_t capacity,
                                 size_t *size_out, struct err *err)
{
    struct file_range *range = (struct file_range *)input;
    uint64_t rest = range->end - range->at;
    size_t size = rest < capacity ? (size_t)rest : capacity;
    if (size > 0) {
        TRY(env_read(env_real(), range->file, range->at, data, size, err));
    }
    range->at += size;
    *size_out = size;
    return TDBPLUS_OK;
}

/* Only asked for a message: the file is read again. */
static uint64_t lines_before_range(struct file_input *input)
{
    const struct file_range *range = (const struct file_range *)input;
    uint64_t lines = 0;
    uint8_t block[4096];
    for (uint64_t at = 0; at < range->begin;) {
        uint64_t rest = range->begin - at;
        size_t size = rest < sizeof block ? (size_t)rest : sizeof block;
        if (env_read(env_real(), range->file, at, block, size, NULL) != TDBPLUS_OK) {
            break;
        }
        for (size_t i = 0; i < size; i++) {
            lines += block[i] == '\n';
        }
        at += size;
    }
    return lines;
}

void file_range_init(struct file_range *range, struct env_file *file, uint64_t begin, uint64_t end)
{
    *range = (struct file_range){.input = {.read = read_range, .lines_before = lines_before_range},
                                 .file = file,
                                 .begin = begin,
                                 .at = begin,
                                 .end = end};
}

/* ---- handed over ---- */

static tdbplus_status read_queue(struct file_input *input, uint8_t *data, size_t capacity,
                                 size_t *size_out, struct err *err)
{
    (void)err;
    struct file_queue *queue = (struct file_queue *)input;
    size_t rest = queue->size - queue->begin;
    if (rest == 0 && !queue->ended) {
        return TDBPLUS_PENDING;
    }
    rest = rest < capacity ? rest : capacity;
    if (rest > 0) {
        memcpy(data, queue->data + queue->begin, rest);
    }
    queue->begin += rest;
    *size_out = rest;
    return TDBPLUS_OK;
}

void file_queue_init(struct file_queue *queue, const struct alloc *alloc)
{
    *queue = (struct file_queue){.input = {.read = read_queue}, .alloc = alloc};
}

void file_queue_deinit(struct file_queue *queue)
{
    alloc_free(queue->alloc, queue->data, queue->capacity, 1);
    queue->data = NULL;
    queue->capacity = queue->size = queue->begin = 0;
}

bool file_queue_put(struct file_queue *queue, const void *data, size_t size)
{
    if (queue->begin == queue->size) {
        queue->begin = queue->size = 0;
    }
    if (queue->capacity - queue->size < size) {
        size_t wanted = queue->size + size;
        wanted = wanted < 2 * queue->capacity ? 2 * queue->capacity : wanted;
        uint8_t *grown = alloc_resize(queue->alloc, queue->data, queue->capacity, wanted, 1);
        if (grown == NULL) {
            return false;
        }
        queue->data = grown;
        queue->capacity = wanted;
    }
    if (size > 0) {
        memcpy(queue->data + queue->size, data, size);
    }
    queue->size += size;
    return true;
}

void file_queue_end(struct file_queue *queue)
{
    queue->ended = true;
}

static tdbplus_status read_span(struct file_input *input, uint8_t *data, size_t capacity,
                                size_t *size_out, struct err *err)
{
    (void)err;
    struct file_span *source = (struct file_span *)input;
    size_t size = source->rest.size < capacity ? source->rest.size : capacity;
    if (size > 0) {
        memcpy(data, source->rest.data, size);
        source->rest.data += size;
    }
    source->rest.size -= size;
    *size_out = size;
    return TDBPLUS_OK;
}

void file_span_init(struct file_span *source, struct span bytes)
{
    *source = (struct file_span){.input = {.read = read_span}, .rest = bytes};
}
