#include "sql/exec/exec_spill.h"

#include <limits.h>
#include <lz4.h>
#include <string.h>

#include "base/codec.h"

/*
 * A block is its columns one after the other, each from a multiple of 16 on:
 *
 *     has nulls u8 | 15 zeros | bitmap, if so | values, or the sizes of views (u32) and their bytes
 *
 * so that values can be used where they lie.
 */
#define COLUMN_ALIGN     16u
#define PENDING_SIZE_MAX ((size_t)256 << 10)
#define HASH_SHIFT_FIRST 44u /* Above what slots of a table are chosen by, below its salt. */
#define HASH_PART_BITS   4u

void spill_file_open(struct spill_file *file, struct exec *exec)
{
    *file = (struct spill_file){.exec = exec};
    buffer_init(&file->pending, exec->call->alloc);
    buffer_init(&file->raw, exec->call->alloc);
    buffer_init(&file->packed, exec->call->alloc);
}

void spill_file_close(struct spill_file *file)
{
    if (file->exec == NULL) {
        return;
    }
    const struct env *env = store_env(txn_store(file->exec->txn));
    if (file->file != NULL) {
        env_close(env, file->file);
        // What cannot be removed now is when the database is opened.
        tdbplus_status ignored = env_unlink(env, file->path, NULL);
        (void)ignored;
    }
    buffer_deinit(&file->pending);
    buffer_deinit(&file->raw);
    buffer_deinit(&file->packed);
    *file = (struct spill_file){0};
}

void spill_rows_init(struct spill_rows *rows, const struct alloc *alloc,
                     const struct plan_column *columns, uint32_t column_count)
{
    *rows = (struct spill_rows){.columns = columns, .column_count = column_count};
    list_init(&rows->blocks, alloc, sizeof(struct spill_block));
}

void spill_rows_deinit(struct spill_rows *rows)
{
    list_deinit(&rows->blocks);
    *rows = (struct spill_rows){0};
}

/* ---- writing ---- */

static void pad(struct buffer *raw)
{
    static const uint8_t zeros[COLUMN_ALIGN];
    buffer_put(raw, zeros, (COLUMN_ALIGN - raw->size % COLUMN_ALIGN) % COLUMN_ALIGN);
}

/* A flat column without gaps. */
static void put_column(struct buffer *raw, const struct column *column)
{
    uint32_t count = column->row_count;
    buffer_put_u8(raw, column->validity != NULL);
    pad(raw);
    if (column->validity != NULL) {
        buffer_put(raw, column->validity, ((size_t)count + 63) / 64 * sizeof(uint64_t));
        pad(raw);
    }
    if (type_physical(column->type) != PHYSICAL_VIEW) {
        buffer_put(raw, column->data, (size_t)count * type_width(column->type));
        pad(raw);
        return;
    }
    const struct view *views = column->data;
    for (uint32_t i = 0; i < count; i++) {
        // A null's view may point anywhere.
        uint32_t size = column_is_null(column, i) ? 0 : views[i].size;
        buffer_put(raw, &size, sizeof size);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!column_is_null(column, i)) {
            buffer_put_span(raw, view_span(&views[i]));
        }
    }
    pad(raw);
}

static tdbplus_status create_file(struct spill_file *file)
{
    struct store *store = txn_store(file->exec->txn);
    struct err *err = file->exec->call->err;
    TRY(store_temporary_path(store, file->path, err));
    return env_open(store_env(store), file->path,
                    ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_EXCLUSIVE,
                    &file->file, err);
}

static tdbplus_status write_pending(struct spill_file *file)
{
    struct exec *exec = file->exec;
    if (file->pending.size == 0) {
        return TDBPLUS_OK;
    }
    if (file->file == NULL) {
        TRY(create_file(file));
    }
    TRY(env_write(store_env(txn_store(exec->txn)), file->file, file->end - file->pending.size,
                  file->pending.data, file->pending.size, exec->call->err));
    buffer_clear(&file->pending);
    return TDBPLUS_OK;
}

/* The raw block, smaller if it can be made so, behind what is pending. */
static tdbplus_status put_block(struct spill_file *file, struct spill_rows *rows,
                                uint32_t row_count)
{
    struct span stored = buffer_span(&file->raw);
    struct spill_block block = {
        .offset = file->end, .raw_size = (uint32_t)file->raw.size, .row_count = row_count};
    buffer_clear(&file->packed);
    size_t wanted = stored.size - stored.size / 8;
    if (stored.size < INT_MAX / 2 && wanted > 0 && buffer_reserve(&file->packed, wanted)) {
        int size = LZ4_compress_default((const char *)stored.data, (char *)file->packed.data,
                                        (int)stored.size, (int)wanted);
        if (size > 0) {
            stored = (struct span){.data = file->packed.data, .size = (size_t)size};
        }
    }
    block.size = (uint32_t)stored.size;
    block.crc = crc32c(stored);
    buffer_put_span(&file->pending, stored);
    if (file->pending.failed || list_push(&rows->blocks, &block) == NULL) {
        return exec_no_memory(file->exec);
    }
    file->end += stored.size;
    rows->row_count += row_count;
    rows->raw_bytes += block.raw_size;
    return file->pending.size >= PENDING_SIZE_MAX ? write_pending(file) : TDBPLUS_OK;
}

tdbplus_status spill_put(struct spill_file *file, struct spill_rows *rows,
                         const struct column *columns, const struct func_rows *listed)
{
    struct arena arena;
    if (listed->count == 0) {
        return TDBPLUS_OK;
    }
    arena_init(&arena, file->exec->call->alloc, 0);
    tdbplus_status status = TDBPLUS_OK;
    buffer_clear(&file->raw);
    for (uint32_t c = 0; c < rows->column_count; c++) {
        struct column flat = {0};
        struct column from = columns[c];
        from.row_count = listed->row_count;
        arena_reset(&arena);
        if (!column_flatten(&from, listed->rows, listed->count, &flat, &arena)) {
            status = exec_no_memory(file->exec);
            goto done;
        }
        put_column(&file->raw, &flat);
    }
    if (file->raw.failed || file->raw.size > UINT32_MAX) {
        status = exec_no_memory(file->exec);
        goto done;
    }
    status = put_block(file, rows, listed->count);
done:
    arena_deinit(&arena);
    return status;
}

/* ---- reading ---- */

static tdbplus_status damaged(struct spill_file *file)
{
    return err_set(file->exec->call->err, TDBPLUS_E_CORRUPT,
                   "temporary file %s: a block is not what was written", file->path);
}

/* What is left of a raw block. */
struct raw_reader {
    uint8_t *data;
    size_t at;
    size_t size;
};

/* The next `size` bytes, from a multiple of 16 on; NULL when there are not so many. */
static uint8_t *take(struct raw_reader *reader, size_t size)
{
    size_t at = (reader->at + COLUMN_ALIGN - 1) / COLUMN_ALIGN * COLUMN_ALIGN;
    if (at > reader->size || reader->size - at < size) {
        return NULL;
    }
    reader->at = at + size;
    return reader->data + at;
}

static tdbplus_status get_views(struct spill_file *file, struct raw_reader *reader,
                                struct column *column, struct arena *arena)
{
    size_t count = column->row_count;
    const uint8_t *sizes = take(reader, count * sizeof(uint32_t));
    struct view *views = arena_alloc(arena, (count + 1) * sizeof *views);
    if (sizes == NULL) {
        return damaged(file);
    }
    if (views == NULL) {
        return exec_no_memory(file->exec);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t size = 0;
        memcpy(&size, sizes + i * sizeof size, sizeof size);
        if (reader->size - reader->at < size) {
            return damaged(file);
        }
        views[i] = view_of((struct span){.data = reader->data + reader->at, .size = size});
        reader->at += size;
    }
    column->data = views;
    return TDBPLUS_OK;
}

static tdbplus_status get_column(struct spill_file *file, struct raw_reader *reader,
                                 struct column *column, struct arena *arena)
{
    size_t count = column->row_count;
    const uint8_t *has_nulls = take(reader, 1);
    if (has_nulls == NULL) {
        return damaged(file);
    }
    if (*has_nulls != 0) {
        column->validity = (uint64_t *)(void *)take(reader, (count + 63) / 64 * sizeof(uint64_t));
        if (column->validity == NULL) {
            return damaged(file);
        }
    }
    if (type_physical(column->type) == PHYSICAL_VIEW) {
        return get_views(file, reader, column, arena);
    }
    column->data = take(reader, count * type_width(column->type));
    return column->data == NULL ? damaged(file) : TDBPLUS_OK;
}

/* The block's raw bytes in the arena. */
static tdbplus_status read_block(struct spill_file *file, const struct spill_block *block,
                                 struct arena *arena, uint8_t **raw_out)
{
    struct exec *exec = file->exec;
    bool packed = block->size < block->raw_size;
    uint8_t *raw = arena_alloc(arena, (size_t)block->raw_size + 1);
    uint8_t *stored = raw;
    if (packed) {
        buffer_clear(&file->packed);
        stored = buffer_reserve(&file->packed, block->size) ? file->packed.data : NULL;
    }
    if (raw == NULL || stored == NULL) {
        return exec_no_memory(exec);
    }
    TRY(write_pending(file));
    TRY(env_read(store_env(txn_store(exec->txn)), file->file, block->offset, stored, block->size,
                 exec->call->err));
    if (crc32c((struct span){.data = stored, .size = block->size}) != block->crc) {
        return damaged(file);
    }
    if (packed && LZ4_decompress_safe((const char *)stored, (char *)raw, (int)block->size,
                                      (int)block->raw_size) != (int)block->raw_size) {
        return damaged(file);
    }
    *raw_out = raw;
    return TDBPLUS_OK;
}

tdbplus_status spill_get(struct spill_file *file, const struct spill_rows *rows, size_t number,
                         struct batch *batch)
{
    batch_reset(batch);
    if (number >= rows->blocks.count) {
        return TDBPLUS_END;
    }
    const struct spill_block *block = list_at(&rows->blocks, number);
    struct raw_reader reader = {.size = block->raw_size};
    TRY(read_block(file, block, &batch->arena, &reader.data));
    if (!batch_shape(batch, rows->column_count, block->row_count)) {
        return exec_no_memory(file->exec);
    }
    for (uint32_t c = 0; c < rows->column_count; c++) {
        batch->columns[c] = (struct column){
            .type = rows->columns[c].type, .form = COLUMN_FLAT, .row_count = block->row_count};
        TRY(get_column(file, &reader, &batch->columns[c], &batch->arena));
    }
    return TDBPLUS_OK;
}

/* ---- by hash ---- */

void spill_parts_init(struct spill_parts *parts, const struct alloc *alloc,
                      const struct plan_column *columns, uint32_t column_count, uint32_t level)
{
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        spill_rows_init(&parts->rows[p], alloc, columns, column_count);
    }
    parts->level = level;
}

void spill_parts_deinit(struct spill_parts *parts)
{
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        spill_rows_deinit(&parts->rows[p]);
    }
}

tdbplus_status spill_parts_put(struct spill_parts *parts, struct spill_file *file,
                               const struct column *columns, const struct func_rows *listed,
                               const uint64_t *hashes, struct arena *arena)
{
    uint32_t counts[SPILL_PART_COUNT] = {0};
    uint32_t shift = HASH_SHIFT_FIRST - HASH_PART_BITS * parts->level;
    uint16_t *chosen = arena_alloc(arena, (listed->count + 1u) * SPILL_PART_COUNT * sizeof *chosen);
    if (chosen == NULL) {
        return exec_no_memory(file->exec);
    }
    for (uint32_t i = 0; i < listed->count; i++) {
        uint32_t part = (uint32_t)(hashes[i] >> shift) % SPILL_PART_COUNT;
        chosen[(size_t)part * listed->count + counts[part]++] = (uint16_t)rows_at(listed, i);
    }
    for (uint32_t p = 0; p < SPILL_PART_COUNT; p++) {
        struct func_rows rows = {chosen + (size_t)p * listed->count, counts[p], listed->row_count};
        TRY(spill_put(file, &parts->rows[p], columns, &rows));
    }
    return TDBPLUS_OK;
}
