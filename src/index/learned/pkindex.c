/* Opening and looking up. */

#include "index/learned/pkindex.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "index/learned/pkindex_internal.h"
#include "learn/grid.h"
#include "learn/pla.h"

/* Codes of one batch whose memory accesses overlap. */
#define BATCH 32u

/* Windows up to that many codes are compared whole. */
#define WINDOW_SCANNED 32u

/* Cells of the table that leads from a code to its chunk, for each chunk. */
#define HINT_CELLS_PER_CHUNK 4u

bool pklayout_of(const struct pkheader *header, size_t size_max, struct pklayout *layout_out)
{
    // Every count is below 2^40 after these checks, so that no sum can wrap.
    if (header->cell_count > size_max || header->filter_size > size_max ||
        size_max > ((size_t)1 << 44)) {
        return false;
    }
    const size_t mask = PKINDEX_SECTION_ALIGN - 1;
    struct pklayout layout = {.firsts = sizeof *header};
    layout.chunks = (layout.firsts + (size_t)header->chunk_count * sizeof(uint64_t) + mask) & ~mask;
    layout.cells =
        (layout.chunks + ((size_t)header->chunk_count + 1) * sizeof(struct pkchunk) + mask) & ~mask;
    layout.piece_firsts =
        (layout.cells + (size_t)header->cell_count * sizeof(uint16_t) + mask) & ~mask;
    layout.pieces =
        (layout.piece_firsts + (size_t)header->piece_count * sizeof(uint64_t) + mask) & ~mask;
    layout.filter =
        (layout.pieces + (size_t)header->piece_count * sizeof(struct pkpiece) + mask) & ~mask;
    layout.end = (layout.filter + (size_t)header->filter_size + mask) & ~mask;
    if (layout.end > size_max) {
        return false;
    }
    *layout_out = layout;
    return true;
}

/* ---- opening ---- */

static bool is_ascending_u16(const uint16_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i] < values[i - 1]) {
            return false;
        }
    }
    return true;
}

static bool is_ascending_strictly_u64(const uint64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i] <= values[i - 1]) {
            return false;
        }
    }
    return true;
}

/* What lookups rely on in a grid (K5). */
static bool check_grid(const struct pkindex *index, const struct pkchunk *chunk, uint64_t rows)
{
    const uint16_t *cells = &index->cells[chunk->cells_at];
    return rows <= PKCHUNK_ROW_COUNT_MAX && chunk->piece_count == 0 && cells[0] == 0 &&
           cells[chunk->cells] == rows && is_ascending_u16(cells, (size_t)chunk->cells + 1);
}

/* What lookups rely on in a chunk of pieces (K5). */
static bool check_pieces(const struct pkindex *index, const struct pkchunk *chunk, uint64_t first,
                         uint64_t rows, uint32_t piece_count)
{
    uint32_t count = chunk->piece_count;
    if (count == 0 || chunk->pieces_at > piece_count || count > piece_count - chunk->pieces_at) {
        return false;
    }
    const uint64_t *firsts = &index->piece_firsts[chunk->pieces_at];
    const struct pkpiece *pieces = &index->pieces[chunk->pieces_at];
    if (firsts[0] != first || !is_ascending_strictly_u64(firsts, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row_min = i == 0 ? 0 : pieces[i - 1].row + 1u;
        if (pieces[i].row < row_min || pieces[i].row >= rows || !isfinite(pieces[i].slope) ||
            pieces[i].slope < 0) {
            return false;
        }
    }
    const uint16_t *hints = &index->cells[chunk->cells_at];
    return pieces[0].row == 0 && (rows <= PKCHUNK_ROW_COUNT_MAX || count == 1) && hints[0] == 0 &&
           hints[chunk->cells] == count - 1 && is_ascending_u16(hints, (size_t)chunk->cells + 1);
}

static bool check_chunk(const struct pkindex *index, const struct pkheader *header, uint32_t i)
{
    const struct pkchunk *chunk = &index->chunks[i];
    if (chunk[1].row <= chunk->row || chunk->cells == 0 || chunk->cells_at >= header->cell_count ||
        chunk->cells >= header->cell_count - chunk->cells_at) {
        return false;
    }
    uint64_t rows = chunk[1].row - chunk->row;
    if (chunk->kind == PKCHUNK_GRID) {
        return check_grid(index, chunk, rows);
    }
    return chunk->kind == PKCHUNK_PIECES &&
           check_pieces(index, chunk, index->firsts[i], rows, header->piece_count);
}

/* The rows of the chunks add up, and each chunk holds what its kind needs. */
static bool check_index(const struct pkindex *index, const struct pkheader *header)
{
    uint32_t count = header->chunk_count;
    if (header->row_count > PKINDEX_ROW_COUNT_MAX || (count == 0) != (header->row_count == 0) ||
        index->chunks[0].row != 0 || index->chunks[count].row != header->row_count) {
        return false;
    }
    if (count == 0) {
        return true;
    }
    if (index->firsts[0] != header->code_min || index->firsts[count - 1] > header->code_max ||
        !is_ascending_strictly_u64(index->firsts, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!check_chunk(index, header, i)) {
            return false;
        }
    }
    return true;
}

/* The table that leads from a code to its chunk is cheap to make, so it is not stored. */
static bool make_hints(struct pkindex *index)
{
    uint64_t range = index->chunk_count == 0 ? 0 : index->code_max - index->code_min;
    uint64_t wanted = (uint64_t)index->chunk_count * HINT_CELLS_PER_CHUNK;
    wanted = wanted > UINT32_MAX / 2 ? UINT32_MAX / 2 : wanted;
    wanted = wanted > range ? range : wanted;
    index->hint_cells = wanted == 0 ? 1 : (uint32_t)wanted;
    index->hint_multiplier = range == 0 ? 0 : grid_multiplier(range, index->hint_cells);
    index->hints = alloc_array(index->alloc, (size_t)index->hint_cells + 1, sizeof *index->hints);
    if (index->hints == NULL) {
        return false;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < index->chunk_count; i++) {
        uint64_t fraction = 0;
        uint64_t cell =
            grid_cell(index->firsts[i] - index->code_min, index->hint_multiplier, &fraction);
        for (; next <= cell; next++) {
            index->hints[next] = i == 0 ? 0 : i - 1;
        }
    }
    for (; next <= index->hint_cells; next++) {
        index->hints[next] = index->chunk_count == 0 ? 0 : index->chunk_count - 1;
    }
    return true;
}

/* Checks the header and copies the bytes. */
static tdbplus_status copy_serialised(struct span serialised, struct pkindex *index,
                                      struct pkheader *header, struct pklayout *layout,
                                      struct err *err)
{
    if (serialised.size < sizeof *header) {
        return err_set(err, TDBPLUS_E_CORRUPT, "primary index: %zu bytes are too few",
                       serialised.size);
    }
    memcpy(header, serialised.data, sizeof *header);
    if (header->magic != PKINDEX_MAGIC) {
        return err_set(err, TDBPLUS_E_CORRUPT, "primary index: it does not begin like one");
    }
    if (header->version != PKINDEX_VERSION) {
        return err_set(err, TDBPLUS_E_VERSION, "primary index: version %u", header->version);
    }
    if (!pklayout_of(header, serialised.size, layout) || layout->end != serialised.size) {
        return err_set(err, TDBPLUS_E_CORRUPT, "primary index: its sections do not fill %zu bytes",
                       serialised.size);
    }
    index->memory = alloc_aligned(index->alloc, serialised.size);
    if (index->memory == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for %zu bytes",
                       serialised.size);
    }
    index->memory_size = serialised.size;
    memcpy(index->memory, serialised.data, serialised.size);
    return TDBPLUS_OK;
}

tdbplus_status pkindex_open(struct span serialised, const struct alloc *alloc,
                            struct pkindex **index_out, struct err *err)
{
    tdbplus_status status = TDBPLUS_OK;
    struct pkheader header = {0};
    struct pklayout layout = {0};
    struct pkindex *index = alloc_array(alloc, 1, sizeof *index);
    if (index == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory to open it");
    }
    index->alloc = alloc;
    TRY_OR(done, copy_serialised(serialised, index, &header, &layout, err));
    index->firsts = (const void *)(index->memory + layout.firsts);
    index->chunks = (const void *)(index->memory + layout.chunks);
    index->cells = (const void *)(index->memory + layout.cells);
    index->piece_firsts = (const void *)(index->memory + layout.piece_firsts);
    index->pieces = (const void *)(index->memory + layout.pieces);
    index->row_count = header.row_count;
    index->code_min = header.code_min;
    index->code_max = header.code_max;
    index->chunk_count = header.chunk_count;
    if (!check_index(index, &header)) {
        status = err_set(err, TDBPLUS_E_CORRUPT, "primary index: its model contradicts itself");
        goto done;
    }
    struct span filter = {.data = index->memory + layout.filter, .size = header.filter_size};
    TRY_OR(done, pkfilter_open(filter, &index->filter, err));
    if (!make_hints(index)) {
        status = err_set(err, TDBPLUS_E_NOMEM, "primary index: no memory for %u chunks",
                         index->chunk_count);
        goto done;
    }
    *index_out = index;
    index = NULL;

done:
    pkindex_close(index);
    return status;
}

void pkindex_close(struct pkindex *index)
{
    if (index == NULL) {
        return;
    }
    const struct alloc *alloc = index->alloc;
    alloc_free(alloc, index->hints, (size_t)index->hint_cells + 1, sizeof *index->hints);
    if (index->memory != NULL) {
        alloc_free_aligned(alloc, index->memory, index->memory_size);
    }
    alloc_free(alloc, index, 1, sizeof *index);
}

uint64_t pkindex_row_count(const struct pkindex *index)
{
    return index->row_count;
}

size_t pkindex_filter_size_bytes(const struct pkindex *index)
{
    return index->filter.size;
}

size_t pkindex_size_bytes(const struct pkindex *index)
{
    return sizeof *index + index->memory_size +
           ((size_t)index->hint_cells + 1) * sizeof *index->hints;
}

/* ---- looking up ---- */

/* The last of firsts[low .. high] that is at or below `code`; firsts[low] is known to be. */
static inline uint32_t last_at_or_below(const uint64_t *firsts, uint32_t low, uint32_t high,
                                        uint64_t code)
{
    uint32_t count = high - low + 1;
    while (count > 1) {
        uint32_t half = count / 2;
        low += firsts[low + half] <= code ? half : 0;
        count -= half;
    }
    return low;
}

/* The chunk of a code within [code_min, code_max]. */
static inline uint32_t find_chunk(const struct pkindex *index, uint64_t code)
{
    uint64_t fraction = 0;
    uint64_t cell = grid_cell(code - index->code_min, index->hint_multiplier, &fraction);
    return last_at_or_below(index->firsts, index->hints[cell], index->hints[cell + 1], code);
}

static inline struct pkrange around(uint64_t predicted, const struct pkchunk *chunk, uint64_t low,
                                    uint64_t high)
{
    uint64_t first = predicted > low + chunk->before ? predicted - chunk->before : low;
    uint64_t end = predicted + chunk->after < high ? predicted + chunk->after : high;
    return (struct pkrange){.first = chunk->row + first, .end = chunk->row + end};
}

static inline struct pkrange find_in_grid(const struct pkindex *index, const struct pkchunk *chunk,
                                          uint64_t distance)
{
    uint64_t fraction = 0;
    uint64_t cell = grid_cell(distance, chunk->multiplier, &fraction);
    if (cell >= chunk->cells) {
        return (struct pkrange){.first = chunk[1].row, .end = chunk[1].row};
    }
    uint64_t low = index->cells[chunk->cells_at + cell];
    uint64_t high = index->cells[chunk->cells_at + cell + 1];
    return around(grid_between(low, high, fraction), chunk, low, high);
}

static inline struct pkrange find_in_pieces(const struct pkindex *index,
                                            const struct pkchunk *chunk, uint64_t distance,
                                            uint64_t code)
{
    uint32_t piece = 0;
    if (chunk->piece_count > 1) {
        uint64_t fraction = 0;
        uint64_t cell = grid_cell(distance, chunk->multiplier, &fraction);
        cell = cell < chunk->cells ? cell : chunk->cells - 1u;
        const uint16_t *hints = &index->cells[chunk->cells_at];
        piece = last_at_or_below(&index->piece_firsts[chunk->pieces_at], hints[cell],
                                 hints[cell + 1], code);
    }
    const struct pkpiece *here = &index->pieces[chunk->pieces_at + piece];
    uint64_t low = here->row;
    uint64_t high = piece + 1u < chunk->piece_count ? here[1].row : chunk[1].row - chunk->row;
    if (!(here->slope > 0)) {
        return (struct pkrange){.first = chunk->row + low, .end = chunk->row + high};
    }
    uint64_t first = index->piece_firsts[chunk->pieces_at + piece];
    return around(low + pla_offset(code - first, here->slope, high - low), chunk, low, high);
}

static inline struct pkrange find_in_chunk(const struct pkindex *index, uint32_t i, uint64_t code)
{
    const struct pkchunk *chunk = &index->chunks[i];
    uint64_t distance = code - index->firsts[i];
    return chunk->kind == PKCHUNK_GRID ? find_in_grid(index, chunk, distance)
                                       : find_in_pieces(index, chunk, distance, code);
}

struct pkrange pkindex_find(const struct pkindex *index, uint64_t code)
{
    if (index->row_count == 0 || code < index->code_min) {
        return (struct pkrange){0};
    }
    if (code > index->code_max) {
        return (struct pkrange){.first = index->row_count, .end = index->row_count};
    }
    return find_in_chunk(index, find_chunk(index, code), code);
}

void pkindex_find_batch(const struct pkindex *index, const uint64_t *codes, size_t count,
                        struct pkrange *ranges_out)
{
    for (size_t i = 0; i < count; i++) {
        ranges_out[i] = pkindex_find(index, codes[i]);
    }
}

uint64_t pkindex_locate(const struct pkindex *index, const uint64_t *keys, uint64_t code)
{
    struct pkrange range = pkindex_find(index, code);
    // Only a run of equal codes makes a window wide.
    while (range.end - range.first > WINDOW_SCANNED) {
        uint64_t middle = range.first + (range.end - range.first) / 2;
        if (keys[middle] < code) {
            range.first = middle + 1;
        } else {
            range.end = middle;
        }
    }
    uint64_t below = range.first;
    for (uint64_t i = range.first; i < range.end; i++) {
        below += keys[i] < code;
    }
    return below;
}

void pkindex_locate_batch(const struct pkindex *index, const uint64_t *keys, const uint64_t *codes,
                          size_t count, uint64_t *positions_out)
{
    for (size_t i = 0; i < count; i++) {
        positions_out[i] = pkindex_locate(index, keys, codes[i]);
    }
}

/* ---- the filter ---- */

bool pkindex_may_contain(const struct pkindex *index, uint64_t hash)
{
    return pkfilter_may_contain(&index->filter, hash);
}

void pkindex_may_contain_batch(const struct pkindex *index, const uint64_t *hashes, size_t count,
                               uint64_t *bitmap_out)
{
    pkfilter_may_contain_batch(&index->filter, hashes, count, bitmap_out);
}
