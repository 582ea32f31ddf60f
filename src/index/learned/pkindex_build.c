/* Building: rows arrive in key order, are gathered into chunks, and each chunk gets the model that
 * suits its codes. Only one chunk of codes is held at a time. */

#include <string.h>

#include "base/assert.h"
#include "base/codec.h"
#include "index/learned/pkindex_internal.h"
#include "learn/grid.h"
#include "learn/pla.h"

/* What a line may err, so that after rounding down its error stays within 8 rows. */
#define LINE_ERROR 7u

/* A line must cover more rows than a block without a model holds, or the block is as good. */
#define BLOCK_ROW_COUNT 32u

/* A grid may err further than a line: it needs no search, its error is two or three rows on
 * average, and windows end with their cell. */
#define GRID_ERROR_MAX 16u

/* Chunks whose codes follow so few lines are kept as lines: finding the piece costs next to nothing
 * and the cells of a grid would be many times larger. */
#define PIECE_COUNT_PREFERRED 4u

/* Rows per cell of a grid, tried from the smallest table to the largest. */
static const uint32_t rows_per_cell[] = {32, 16, 8};

struct pkindex_builder {
    const struct alloc *alloc;
    struct pkindex_options options;

    // The open chunk: its distinct codes and where each begins, with one entry more for the end.
    uint64_t *codes;
    uint32_t *starts;
    uint32_t distinct;
    uint64_t chunk_rows;

    uint64_t row_count;
    uint64_t chunk_row; /* Position of the open chunk's first row. */
    uint64_t code_min;
    uint64_t code_last;
    uint64_t hash_last;

    uint64_t *hashes;
    size_t hash_count;
    size_t hash_capacity;

    // The sections so far.
    struct buffer firsts;
    struct buffer chunks;
    struct buffer cells;
    struct buffer piece_firsts;
    struct buffer pieces;
    uint32_t chunk_count;
};

tdbplus_status pkindex_builder_create(const struct alloc *alloc,
                                      const struct pkindex_options *options,
                                      struct pkindex_builder **builder_out, struct err *err)
{
    struct pkindex_builder *builder = alloc_array(alloc, 1, sizeof *builder);
    if (builder == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for a builder");
    }
    builder->alloc = alloc;
    builder->options.filter = options == NULL ? PKFILTER_BLOCK : options->filter;
    buffer_init(&builder->firsts, alloc);
    buffer_init(&builder->chunks, alloc);
    buffer_init(&builder->cells, alloc);
    buffer_init(&builder->piece_firsts, alloc);
    buffer_init(&builder->pieces, alloc);
    builder->codes = alloc_array(alloc, PKCHUNK_ROW_COUNT_MAX, sizeof *builder->codes);
    builder->starts = alloc_array(alloc, PKCHUNK_ROW_COUNT_MAX + 1, sizeof *builder->starts);
    if (builder->codes == NULL || builder->starts == NULL) {
        pkindex_builder_destroy(builder);
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for a builder");
    }
    *builder_out = builder;
    return TDBPLUS_OK;
}

void pkindex_builder_destroy(struct pkindex_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    const struct alloc *alloc = builder->alloc;
    alloc_free(alloc, builder->codes, PKCHUNK_ROW_COUNT_MAX, sizeof *builder->codes);
    alloc_free(alloc, builder->starts, PKCHUNK_ROW_COUNT_MAX + 1, sizeof *builder->starts);
    alloc_free(alloc, builder->hashes, builder->hash_capacity, sizeof *builder->hashes);
    buffer_deinit(&builder->firsts);
    buffer_deinit(&builder->chunks);
    buffer_deinit(&builder->cells);
    buffer_deinit(&builder->piece_firsts);
    buffer_deinit(&builder->pieces);
    alloc_free(alloc, builder, 1, sizeof *builder);
}

/* Writes cells + 1 row positions: entry c is the first row whose code falls into cell c or later.
 * Returns false when memory is out. */
static bool put_grid_cells(struct pkindex_builder *builder, uint64_t multiplier, uint32_t cells)
{
    uint8_t *table = buffer_extend(&builder->cells, ((size_t)cells + 1) * sizeof(uint16_t));
    if (table == NULL) {
        return false;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < builder->distinct; i++) {
        uint64_t fraction = 0;
        uint64_t cell = grid_cell(builder->codes[i] - builder->codes[0], multiplier, &fraction);
        for (; next <= cell; next++) {
            store_u16(table + (size_t)next * 2, (uint16_t)builder->starts[i]);
        }
    }
    for (; next <= cells; next++) {
        store_u16(table + (size_t)next * 2, (uint16_t)builder->chunk_rows);
    }
    return true;
}

/* Widens *before and *after so that a prediction covers the rows [first, end) (K2). Returns false
 * when that is too far. */
static bool cover_rows(struct pkchunk *chunk, uint64_t predicted, uint64_t first, uint64_t end)
{
    uint64_t before = predicted > first ? predicted - first : 0;
    uint64_t after = end > predicted ? end - predicted : 0;
    chunk->before = before > chunk->before ? (uint8_t)(before & UINT8_MAX) : chunk->before;
    chunk->after = after > chunk->after ? (uint8_t)(after & UINT8_MAX) : chunk->after;
    return before <= GRID_ERROR_MAX && after <= GRID_ERROR_MAX;
}

/* Measures the grid's error on every code. Returns false when it is too large. */
static bool measure_grid(const struct pkindex_builder *builder, struct pkchunk *chunk)
{
    const uint8_t *table = builder->cells.data + (size_t)chunk->cells_at * 2;
    for (uint32_t i = 0; i < builder->distinct; i++) {
        uint64_t fraction = 0;
        uint64_t cell =
            grid_cell(builder->codes[i] - builder->codes[0], chunk->multiplier, &fraction);
        uint64_t predicted =
            grid_between(load_u16(table + cell * 2), load_u16(table + cell * 2 + 2), fraction);
        if (!cover_rows(chunk, predicted, builder->starts[i], builder->starts[i + 1])) {
            return false;
        }
    }
    return true;
}

/* Tries to describe the open chunk by a grid of at most `size_max` bytes. On success the cells are
 * written and *chunk filled in; otherwise nothing is. */
static bool try_grid(struct pkindex_builder *builder, size_t size_max, struct pkchunk *chunk_out)
{
    uint64_t range = builder->codes[builder->distinct - 1] - builder->codes[0];
    size_t size_before = builder->cells.size;
    for (size_t i = 0; i < sizeof rows_per_cell / sizeof *rows_per_cell; i++) {
        uint32_t cells = (uint32_t)builder->chunk_rows / rows_per_cell[i];
        if (cells == 0 || cells > range || (size_t)cells * 2 > size_max) {
            continue;
        }
        struct pkchunk chunk = {.row = builder->chunk_row,
                                .multiplier = grid_multiplier(range, cells),
                                .cells_at = (uint32_t)(size_before / 2),
                                .cells = (uint16_t)cells,
                                .kind = PKCHUNK_GRID};
        if (!put_grid_cells(builder, chunk.multiplier, cells)) {
            return false;
        }
        if (measure_grid(builder, &chunk)) {
            *chunk_out = chunk;
            return true;
        }
        builder->cells.size = size_before;
    }
    return false;
}

/* How many distinct codes from `at` on form the next piece, and its slope; 0 for a block. */
static uint32_t fit_piece(const struct pkindex_builder *builder, uint32_t at, uint32_t run_end,
                          struct pla_slope *slope_out)
{
    const uint32_t *starts = builder->starts;
    if (run_end > at) {
        uint32_t count = (uint32_t)pla_fit(&builder->codes[at], &starts[at], run_end - at,
                                           LINE_ERROR, slope_out);
        if (starts[at + count] - starts[at] > BLOCK_ROW_COUNT) {
            return count;
        }
    }
    *slope_out = (struct pla_slope){0};
    uint32_t count = 1;
    while (at + count < builder->distinct &&
           starts[at + count + 1] - starts[at] <= BLOCK_ROW_COUNT) {
        count++;
    }
    return count;
}

/* The first code from `at` on whose rows are too many for a line to cover. */
static uint32_t next_run(const struct pkindex_builder *builder, uint32_t at)
{
    while (at < builder->distinct && builder->starts[at + 1] - builder->starts[at] <= 2) {
        at++;
    }
    return at;
}

/* Appends the piece of `count` codes from `at` on, and widens the chunk's window for it. */
static void put_piece(struct pkindex_builder *builder, struct pkchunk *chunk, uint32_t at,
                      uint32_t count, struct pla_slope slope)
{
    const uint32_t *starts = builder->starts;
    uint64_t chunk_start = chunk->row - builder->chunk_row;
    struct pkpiece piece = {.mantissa = slope.mantissa,
                            .row = (uint16_t)(starts[at] - chunk_start),
                            .shift = slope.shift};
    buffer_put_u64(&builder->piece_firsts, builder->codes[at]);
    buffer_put(&builder->pieces, &piece, sizeof piece);
    chunk->piece_count++;
    uint64_t piece_rows = starts[at + count] - starts[at];
    for (uint32_t i = at; slope.mantissa > 0 && i < at + count; i++) {
        uint64_t distance = builder->codes[i] - builder->codes[at];
        uint64_t predicted = starts[at] + pla_offset(distance, slope, piece_rows);
        (void)cover_rows(chunk, predicted, starts[i], starts[i + 1]);
    }
}

/* Appends a chunk record. */
static void put_chunk(struct pkindex_builder *builder, const struct pkchunk *chunk, uint64_t first)
{
    buffer_put_u64(&builder->firsts, first);
    buffer_put(&builder->chunks, chunk, sizeof *chunk);
    builder->chunk_count++;
}

/* Writes the open chunk as chunks of pieces. */
static void put_pieces(struct pkindex_builder *builder)
{
    uint32_t run = next_run(builder, 0);
    uint32_t at = 0;
    while (at < builder->distinct) {
        uint64_t first = builder->codes[at];
        struct pkchunk chunk = {.row = builder->chunk_row + builder->starts[at],
                                .pieces_at =
                                    (uint32_t)(builder->pieces.size / sizeof(struct pkpiece)),
                                .kind = PKCHUNK_PIECES};
        while (at < builder->distinct && chunk.piece_count < PKCHUNK_PIECE_COUNT_MAX) {
            run = run < at ? next_run(builder, at) : run;
            struct pla_slope slope = {0};
            uint32_t count = fit_piece(builder, at, run, &slope);
            put_piece(builder, &chunk, at, count, slope);
            at += count;
        }
        put_chunk(builder, &chunk, first);
    }
}

static bool has_failed(const struct pkindex_builder *builder)
{
    return builder->firsts.failed || builder->chunks.failed || builder->cells.failed ||
           builder->piece_firsts.failed || builder->pieces.failed;
}

/* Replaces the pieces written since `before` by a grid, if they are many and a grid fits. */
static void prefer_grid(struct pkindex_builder *builder, const struct pkindex_builder *before)
{
    size_t size = builder->piece_firsts.size - before->piece_firsts.size + builder->pieces.size -
                  before->pieces.size;
    struct pkchunk chunk = {0};
    if (size > PIECE_COUNT_PREFERRED * (sizeof(uint64_t) + sizeof(struct pkpiece)) &&
        try_grid(builder, size * 2, &chunk)) {
        builder->firsts.size = before->firsts.size;
        builder->chunks.size = before->chunks.size;
        builder->piece_firsts.size = before->piece_firsts.size;
        builder->pieces.size = before->pieces.size;
        builder->chunk_count = before->chunk_count;
        put_chunk(builder, &chunk, builder->codes[0]);
    }
}

/* Writes the open chunk, if it has rows, and opens the next. */
static tdbplus_status flush_chunk(struct pkindex_builder *builder, struct err *err)
{
    if (builder->distinct == 0) {
        return TDBPLUS_OK;
    }
    // Only a lone run passes 32 bits; its length is in the rows of the chunk, not here.
    builder->starts[builder->distinct] =
        builder->chunk_rows > UINT32_MAX ? UINT32_MAX : (uint32_t)builder->chunk_rows;
    const struct pkindex_builder before = *builder;
    put_pieces(builder);
    if (!has_failed(builder)) {
        prefer_grid(builder, &before);
    }
    if (has_failed(builder)) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for the model of %llu rows",
                       (unsigned long long)builder->row_count);
    }
    if (builder->chunk_count > UINT32_MAX - PKCHUNK_ROW_COUNT_MAX ||
        builder->cells.size / 2 > UINT32_MAX ||
        builder->pieces.size / sizeof(struct pkpiece) > UINT32_MAX - PKCHUNK_ROW_COUNT_MAX) {
        return err_set(err, TDBPLUS_E_LIMIT, "primary index: the model is too large");
    }
    builder->chunk_row += builder->chunk_rows;
    builder->chunk_rows = 0;
    builder->distinct = 0;
    return TDBPLUS_OK;
}

/* The open chunk is full: closes it before the code that came last, which opens the next one. A
 * chunk of a single code stays open, so that no run is ever cut (K3). */
static tdbplus_status close_full_chunk(struct pkindex_builder *builder, struct err *err)
{
    uint32_t last = builder->distinct - 1;
    if (last == 0) {
        return TDBPLUS_OK;
    }
    uint64_t code = builder->codes[last];
    uint64_t rows = builder->chunk_rows - builder->starts[last];
    builder->distinct = last;
    builder->chunk_rows -= rows;
    TRY(flush_chunk(builder, err));
    builder->codes[0] = code;
    builder->starts[0] = 0;
    builder->distinct = 1;
    builder->chunk_rows = rows;
    return TDBPLUS_OK;
}

static tdbplus_status add_code(struct pkindex_builder *builder, uint64_t code, struct err *err)
{
    if (builder->row_count > 0 && code < builder->code_last) {
        return err_set(err, TDBPLUS_E_INVALID, "primary index: row %llu is out of order",
                       (unsigned long long)builder->row_count);
    }
    bool is_same = builder->distinct > 0 && code == builder->code_last;
    if (!is_same && builder->chunk_rows >= PKCHUNK_ROW_COUNT_MAX) {
        TRY(flush_chunk(builder, err));
    }
    if (!is_same) {
        builder->codes[builder->distinct] = code;
        builder->starts[builder->distinct] = (uint32_t)builder->chunk_rows;
        builder->distinct++;
    } else if (builder->chunk_rows >= PKCHUNK_ROW_COUNT_MAX) {
        TRY(close_full_chunk(builder, err));
    }
    builder->code_min = builder->row_count == 0 ? code : builder->code_min;
    builder->code_last = code;
    builder->chunk_rows++;
    builder->row_count++;
    return TDBPLUS_OK;
}

/* Versions of one key lie side by side, so dropping a repeated hash here keeps the filter small. */
static tdbplus_status add_hash(struct pkindex_builder *builder, uint64_t hash, struct err *err)
{
    if (builder->hash_count > 0 && hash == builder->hash_last) {
        return TDBPLUS_OK;
    }
    if (builder->hash_count == builder->hash_capacity) {
        size_t capacity = builder->hash_capacity + builder->hash_capacity / 2 + 1024;
        uint64_t *hashes = alloc_resize(builder->alloc, builder->hashes, builder->hash_capacity,
                                        capacity, sizeof *hashes);
        if (hashes == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for %zu hashes",
                           capacity);
        }
        builder->hashes = hashes;
        builder->hash_capacity = capacity;
    }
    builder->hashes[builder->hash_count++] = hash;
    builder->hash_last = hash;
    return TDBPLUS_OK;
}

tdbplus_status pkindex_builder_add(struct pkindex_builder *builder, const uint64_t *codes,
                                   const uint64_t *hashes, size_t count, struct err *err)
{
    if (count > PKINDEX_ROW_COUNT_MAX - builder->row_count) {
        return err_set(err, TDBPLUS_E_LIMIT, "primary index: more than %llu rows",
                       (unsigned long long)PKINDEX_ROW_COUNT_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(add_code(builder, codes[i], err));
    }
    for (size_t i = 0; i < count && builder->options.filter != PKFILTER_NONE; i++) {
        TRY(add_hash(builder, hashes[i], err));
    }
    return TDBPLUS_OK;
}

static void pad_section(struct buffer *bytes, size_t start)
{
    static const uint8_t zeros[PKINDEX_SECTION_ALIGN];
    size_t past = (bytes->size - start) % PKINDEX_SECTION_ALIGN;
    buffer_put(bytes, zeros, past == 0 ? 0 : PKINDEX_SECTION_ALIGN - past);
}

static void put_section(struct buffer *bytes, size_t start, const struct buffer *section)
{
    if (section->size > 0) {
        buffer_put(bytes, section->data, section->size);
    }
    pad_section(bytes, start);
}

tdbplus_status pkindex_builder_finish(struct pkindex_builder *builder, struct buffer *bytes,
                                      struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    size_t start = bytes->size;
    struct buffer filter;
    buffer_init(&filter, builder->alloc);

    TRY_OR(done, flush_chunk(builder, err));
    TRY_OR(done, pkfilter_build(builder->options.filter, builder->hashes, builder->hash_count,
                                builder->alloc, &filter, err));
    struct pkchunk sentinel = {.row = builder->row_count};
    buffer_put(&builder->chunks, &sentinel, sizeof sentinel);
    struct pkheader header = {
        .magic = PKINDEX_MAGIC,
        .version = PKINDEX_VERSION,
        .row_count = builder->row_count,
        .code_min = builder->code_min,
        .code_max = builder->code_last,
        .chunk_count = builder->chunk_count,
        .piece_count = (uint32_t)(builder->pieces.size / sizeof(struct pkpiece)),
        .cell_count = builder->cells.size / sizeof(uint16_t),
        .filter_size = filter.size,
    };
    buffer_put(bytes, &header, sizeof header);
    put_section(bytes, start, &builder->firsts);
    put_section(bytes, start, &builder->chunks);
    put_section(bytes, start, &builder->cells);
    put_section(bytes, start, &builder->piece_firsts);
    put_section(bytes, start, &builder->pieces);
    put_section(bytes, start, &filter);
    if (bytes->failed || builder->chunks.failed) {
        status = err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory to write it");
    }

done:
    bytes->size = status == TDBPLUS_OK ? bytes->size : start;
    buffer_deinit(&filter);
    return status;
}
