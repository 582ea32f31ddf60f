/* Opening and looking up. */

#include "index/learned/pkindex.h"

#include <string.h>

#include "base/assert.h"
#include "index/learned/pkindex_internal.h"
#include "learn/grid.h"
#include "learn/pla.h"
#include "simd/simd.h"

/* Codes of one batch, and of one batch of ascending codes: each stage works on a whole batch, so
 * that what it fetches is there when the next stage wants it. */
#define BATCH         64u
#define ORDERED_BATCH 32u

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
static bool check_grid(const struct pkindex *index, const struct pkchunk *chunk, uint64_t rows,
                       uint64_t cell_count)
{
    if (chunk->cells == 0 || chunk->cells_at >= cell_count ||
        chunk->cells >= cell_count - chunk->cells_at) {
        return false;
    }
    const uint16_t *cells = &index->cells[chunk->cells_at];
    return rows <= PKCHUNK_ROW_COUNT_MAX && chunk->piece_count == 0 && cells[0] == 0 &&
           cells[chunk->cells] == rows && is_ascending_u16(cells, (size_t)chunk->cells + 1);
}

/* What lookups rely on in a chunk of pieces (K5). */
static bool check_pieces(const struct pkindex *index, const struct pkchunk *chunk, uint64_t first,
                         uint64_t rows, uint32_t piece_count)
{
    uint32_t count = chunk->piece_count;
    if (count == 0 || count > PKCHUNK_PIECE_COUNT_MAX || chunk->pieces_at > piece_count ||
        count > piece_count - chunk->pieces_at) {
        return false;
    }
    const uint64_t *firsts = &index->piece_firsts[chunk->pieces_at];
    const struct pkpiece *pieces = &index->pieces[chunk->pieces_at];
    if (firsts[0] != first || !is_ascending_strictly_u64(firsts, count)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row_min = i == 0 ? 0 : pieces[i - 1].row + 1u;
        if (pieces[i].row < row_min || pieces[i].row >= rows || pieces[i].shift > PLA_SHIFT_MAX) {
            return false;
        }
    }
    return pieces[0].row == 0 && (rows <= PKCHUNK_ROW_COUNT_MAX || count == 1);
}

static bool check_chunk(const struct pkindex *index, const struct pkheader *header, uint32_t i)
{
    const struct pkchunk *chunk = &index->chunks[i];
    if (chunk[1].row <= chunk->row) {
        return false;
    }
    uint64_t rows = chunk[1].row - chunk->row;
    if (chunk->kind == PKCHUNK_GRID) {
        return check_grid(index, chunk, rows, header->cell_count);
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

/* Chunks with pieces are searched by tables that are made here and not stored. */
static bool make_searches(struct pkindex *index)
{
    bool has_pieces = false;
    for (uint32_t i = 0; i < index->chunk_count; i++) {
        has_pieces |= index->chunks[i].kind == PKCHUNK_PIECES;
    }
    if (!has_pieces) {
        return true;
    }
    index->searches =
        alloc_aligned(index->alloc, (size_t)index->chunk_count * sizeof *index->searches);
    if (index->searches == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < index->chunk_count; i++) {
        const struct pkchunk *chunk = &index->chunks[i];
        bool is_pieces = chunk->kind == PKCHUNK_PIECES;
        // A grid gets a search that finds its first code, so that nobody has to ask which it is.
        simd_pieces_init(&index->searches[i],
                         is_pieces ? &index->piece_firsts[chunk->pieces_at] : &index->firsts[i],
                         is_pieces ? chunk->piece_count : 1);
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
    if (!make_hints(index) || !make_searches(index)) {
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
    if (index->searches != NULL) {
        alloc_free_aligned(alloc, index->searches,
                           (size_t)index->chunk_count * sizeof *index->searches);
    }
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
    size_t searches = index->searches == NULL ? 0 : sizeof *index->searches;
    return sizeof *index + index->memory_size + searches * index->chunk_count +
           ((size_t)index->hint_cells + 1) * sizeof *index->hints;
}

/* ---- looking up ---- */

/* The steps of a lookup are functions for the reader and one loop body for the machine: results
 * that travel through memory cost more than the steps themselves (16 ns a lookup against 6). */
#define INLINED static inline __attribute__((always_inline))

/* A window, and where in it the model expects the code. */
struct prediction {
    struct pkrange range;
    uint64_t guess;
};

/* The last of firsts[low .. high] that is at or below `code`; firsts[low] is known to be. */
INLINED uint32_t last_at_or_below(const uint64_t *firsts, uint32_t low, uint32_t high,
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
INLINED uint32_t find_chunk(const struct pkindex *index, uint64_t code)
{
    uint64_t fraction = 0;
    uint64_t cell = grid_cell(code - index->code_min, index->hint_multiplier, &fraction);
    uint32_t low = index->hints[cell];
    uint32_t more = index->hints[cell + 1] - low;
    if (__builtin_expect(more > 1, 0)) {
        return last_at_or_below(index->firsts, low, low + more, code);
    }
    // Most cells hold the start of one chunk or of none: no branch that can be mispredicted.
    return low + (more & (index->firsts[low + more] <= code));
}

INLINED struct prediction exactly(uint64_t first, uint64_t end)
{
    return (struct prediction){.range = {.first = first, .end = end}, .guess = first};
}

INLINED struct prediction around(uint64_t predicted, const struct pkchunk *chunk, uint64_t low,
                                 uint64_t high)
{
    uint64_t first = predicted > low + chunk->before ? predicted - chunk->before : low;
    uint64_t end = predicted + chunk->after < high ? predicted + chunk->after : high;
    return (struct prediction){.range = {.first = chunk->row + first, .end = chunk->row + end},
                               .guess = chunk->row + predicted};
}

INLINED struct prediction predict_in_cell(const struct pkindex *index, const struct pkchunk *chunk,
                                          uint64_t cell, uint64_t fraction)
{
    if (__builtin_expect(cell >= chunk->cells, 0)) {
        return exactly(chunk[1].row, chunk[1].row);
    }
    uint64_t low = index->cells[chunk->cells_at + cell];
    uint64_t high = index->cells[chunk->cells_at + cell + 1];
    return around(grid_between(low, high, fraction), chunk, low, high);
}

INLINED struct prediction predict_in_piece(const struct pkindex *index, const struct pkchunk *chunk,
                                           uint32_t piece, uint64_t code)
{
    const struct pkpiece *here = &index->pieces[chunk->pieces_at + piece];
    uint64_t low = here->row;
    uint64_t high =
        piece + 1 == chunk->piece_count ? chunk[1].row - chunk->row : (uint64_t)here[1].row;
    if (here->mantissa == 0) {
        struct prediction block = exactly(chunk->row + low, chunk->row + high);
        block.guess += (high - low) / 2;
        return block;
    }
    uint64_t distance = code - index->piece_firsts[chunk->pieces_at + piece];
    struct pla_slope slope = {.mantissa = here->mantissa, .shift = here->shift};
    return around(low + pla_offset(distance, slope, high - low), chunk, low, high);
}

/* Codes outside the index have no chunk: they are below its first row or above its last. */
INLINED bool is_outside(const struct pkindex *index, uint64_t code)
{
    return code < index->code_min || code > index->code_max || index->row_count == 0;
}

INLINED struct prediction predict_outside(const struct pkindex *index, uint64_t code)
{
    uint64_t row = index->row_count == 0 || code < index->code_min ? 0 : index->row_count;
    return exactly(row, row);
}

INLINED struct prediction predict_one(const struct pkindex *index, uint64_t code)
{
    if (__builtin_expect(is_outside(index, code), 0)) {
        return predict_outside(index, code);
    }
    uint32_t at = find_chunk(index, code);
    const struct pkchunk *chunk = &index->chunks[at];
    if (__builtin_expect(chunk->kind == PKCHUNK_PIECES, 0)) {
        uint32_t piece = 0;
        simd->find_pieces_u64(&code, 1, index->searches, &at, &piece);
        return predict_in_piece(index, chunk, piece, code);
    }
    uint64_t fraction = 0;
    uint64_t cell = grid_cell(code - index->firsts[at], chunk->multiplier, &fraction);
    return predict_in_cell(index, chunk, cell, fraction);
}

struct pkrange pkindex_find(const struct pkindex *index, uint64_t code)
{
    return predict_one(index, code).range;
}

/* The lower bound inside the window: for the few codes whose guess is further off than what was
 * compared around it. */
static uint64_t locate_in_window(const struct pkindex *index, const uint64_t *keys, uint64_t code)
{
    struct pkrange range = pkindex_find(index, code);
    return range.first + simd->find_u64(&keys[range.first], range.end - range.first, code);
}

uint64_t pkindex_locate(const struct pkindex *index, const uint64_t *keys, uint64_t code)
{
    struct prediction prediction = predict_one(index, code);
    if (simd->find_near_u64(keys, index->row_count, &code, 1, &prediction.guess) != 0) {
        struct pkrange range = prediction.range;
        return range.first + simd->find_u64(&keys[range.first], range.end - range.first, code);
    }
    return prediction.guess;
}

/* One batch between the first and the second stage. */
struct flight {
    uint64_t codes[BATCH]; /* Inside the index: those outside count as the nearest inside. */
    uint64_t cells[BATCH];
    uint64_t fractions[BATCH];
    uint32_t chunks[BATCH];
};

/* Begins to fetch a line, into the second cache: the first one of the development machine can wait
 * for 24 lines at a time, and fetches beyond those hold up everything behind them. The second waits
 * for many more; ascending batches took 9 ns a lookup at 10 M keys instead of 22. The line may lie
 * past the end: this is an address, never a read. */
INLINED void fetch(const void *base, uint64_t offset)
{
    __builtin_prefetch((const void *)((uintptr_t)base + offset), 0, 2);
}

/* First stage: the cell of each code; its fetch begins. */
INLINED void find_cells(const struct pkindex *index, const uint64_t *codes, size_t count,
                        struct flight *flight)
{
    const uint64_t code_min = index->code_min;
    const uint64_t code_max = index->code_max;
    for (size_t i = 0; i < count; i++) {
        uint64_t code = codes[i] < code_min ? code_min : codes[i];
        code = code > code_max ? code_max : code;
        uint32_t at = find_chunk(index, code);
        const struct pkchunk *chunk = &index->chunks[at];
        uint64_t cell =
            grid_cell(code - index->firsts[at], chunk->multiplier, &flight->fractions[i]);
        flight->codes[i] = code;
        flight->chunks[i] = at;
        flight->cells[i] = cell;
        fetch(index->cells, (chunk->cells_at + cell) * sizeof *index->cells);
    }
}

/* Second stage, for windows. */
INLINED void find_windows(const struct pkindex *index, const uint64_t *codes, size_t count,
                          const struct flight *flight, struct pkrange *ranges_out)
{
    uint32_t pieces[BATCH];
    if (index->searches != NULL) {
        simd->find_pieces_u64(flight->codes, count, index->searches, flight->chunks, pieces);
    }
    for (size_t i = 0; i < count; i++) {
        const struct pkchunk *chunk = &index->chunks[flight->chunks[i]];
        if (__builtin_expect(is_outside(index, codes[i]), 0)) {
            ranges_out[i] = predict_outside(index, codes[i]).range;
        } else if (chunk->kind == PKCHUNK_GRID) {
            ranges_out[i] =
                predict_in_cell(index, chunk, flight->cells[i], flight->fractions[i]).range;
        } else {
            ranges_out[i] = predict_in_piece(index, chunk, pieces[i], codes[i]).range;
        }
    }
}

/* Second stage, for guesses. A code outside gets the guess of the nearest inside: the keys beside
 * it tell that there are none before, or none after. */
INLINED void find_guesses(const struct pkindex *index, size_t count, const struct flight *flight,
                          uint64_t *guesses)
{
    uint32_t pieces[BATCH];
    if (index->searches != NULL) {
        simd->find_pieces_u64(flight->codes, count, index->searches, flight->chunks, pieces);
    }
    for (size_t i = 0; i < count; i++) {
        const struct pkchunk *chunk = &index->chunks[flight->chunks[i]];
        uint64_t cell = flight->cells[i];
        if (chunk->kind == PKCHUNK_PIECES) {
            guesses[i] = predict_in_piece(index, chunk, pieces[i], flight->codes[i]).guess;
        } else if (__builtin_expect(cell < chunk->cells, 1)) {
            const uint16_t *cells = &index->cells[chunk->cells_at + cell];
            guesses[i] = chunk->row + grid_between(cells[0], cells[1], flight->fractions[i]);
        } else {
            guesses[i] = chunk[1].row;
        }
    }
}

/* Begins to fetch the keys around each guess. */
INLINED void fetch_keys(const uint64_t *keys, const uint64_t *guesses, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t guess = guesses[i];
        fetch(keys, (guess < 4 ? 0 : guess - 4) * sizeof *keys);
        fetch(keys, (guess + 4) * sizeof *keys);
    }
}

/* Third stage: compares the keys around each guess. */
INLINED void compare_keys(const struct pkindex *index, const uint64_t *keys, const uint64_t *codes,
                          size_t count, uint64_t *positions)
{
    uint64_t far = simd->find_near_u64(keys, index->row_count, codes, count, positions);
    for (; far != 0; far &= far - 1) {
        size_t i = (size_t)__builtin_ctzll(far);
        positions[i] = locate_in_window(index, keys, codes[i]);
    }
}

/* Three batches are under way: what a stage fetches is used when the two behind it have moved on
 * by one batch. */
static void locate_unordered(const struct pkindex *index, const uint64_t *keys,
                             const uint64_t *codes, size_t count, uint64_t *positions_out)
{
    struct flight flights[2];
    for (size_t i = 0, turn = 0; i < count + 2 * BATCH; i += BATCH, turn ^= 1) {
        if (i < count) {
            size_t here = count - i < BATCH ? count - i : BATCH;
            find_cells(index, &codes[i], here, &flights[turn]);
        }
        if (i >= BATCH && i - BATCH < count) {
            size_t at = i - BATCH;
            size_t here = count - at < BATCH ? count - at : BATCH;
            find_guesses(index, here, &flights[turn ^ 1], &positions_out[at]);
            fetch_keys(keys, &positions_out[at], here);
        }
        if (i >= 2 * BATCH && i - 2 * BATCH < count) {
            size_t at = i - 2 * BATCH;
            size_t here = count - at < BATCH ? count - at : BATCH;
            compare_keys(index, keys, &codes[at], here, &positions_out[at]);
        }
    }
}

/* Ascending codes inside the index: all that share a chunk are predicted by one kernel. */
struct ordered {
    struct simd_grid grid;
    uint32_t chunk;
    uint32_t which[ORDERED_BATCH]; /* The chunk, for each code. */
    uint64_t next_first;           /* First code past the chunk; UINT64_MAX for the last chunk. */
    bool is_grid;
};

static void enter_chunk(const struct pkindex *index, uint64_t code, struct ordered *ordered)
{
    uint32_t at = find_chunk(index, code);
    const struct pkchunk *chunk = &index->chunks[at];
    ordered->chunk = at;
    ordered->next_first = at + 1 < index->chunk_count ? index->firsts[at + 1] : UINT64_MAX;
    ordered->is_grid = chunk->kind == PKCHUNK_GRID;
    for (size_t i = 0; i < ORDERED_BATCH; i++) {
        ordered->which[i] = at;
    }
    ordered->grid = (struct simd_grid){.first = index->firsts[at],
                                       .multiplier = chunk->multiplier,
                                       .cell_count = chunk->cells,
                                       .row = chunk->row,
                                       .rows = chunk[1].row - chunk->row};
}

/* Guesses up to ORDERED_BATCH ascending codes; returns how many share the chunk of the first. */
static size_t guess_ordered(const struct pkindex *index, const struct ordered *ordered,
                            const uint64_t *codes, size_t count, uint64_t *guesses)
{
    const struct pkchunk *chunk = &index->chunks[ordered->chunk];
    count = count < ORDERED_BATCH ? count : ORDERED_BATCH;
    while (codes[count - 1] >= ordered->next_first && ordered->chunk + 1 < index->chunk_count) {
        count--;
    }
    if (ordered->is_grid) {
        simd->grid_guess_u64(codes, count, &ordered->grid, &index->cells[chunk->cells_at], guesses);
        return count;
    }
    uint32_t pieces[ORDERED_BATCH];
    simd->find_pieces_u64(codes, count, index->searches, ordered->which, pieces);
    for (size_t i = 0; i < count; i++) {
        guesses[i] = predict_in_piece(index, chunk, pieces[i], codes[i]).guess;
    }
    return count;
}

static void locate_ordered(const struct pkindex *index, const uint64_t *keys, const uint64_t *codes,
                           size_t count, uint64_t *positions_out)
{
    struct ordered ordered = {.next_first = 0};
    size_t ahead = 0; // Guessed ...
    size_t done = 0;  // ... and compared.
    while (done < count) {
        size_t guessed = 0;
        if (ahead < count) {
            if (ahead == 0 ||
                (codes[ahead] >= ordered.next_first && ordered.chunk + 1 < index->chunk_count)) {
                enter_chunk(index, codes[ahead], &ordered);
            }
            guessed =
                guess_ordered(index, &ordered, &codes[ahead], count - ahead, &positions_out[ahead]);
            fetch_keys(keys, &positions_out[ahead], guessed);
        }
        compare_keys(index, keys, &codes[done], ahead - done, &positions_out[done]);
        done = ahead;
        ahead += guessed;
    }
}

static bool is_ascending_u64(const uint64_t *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (values[i] < values[i - 1]) {
            return false;
        }
    }
    return true;
}

/* Whether a batch is worth the path for ascending codes: few codes for each chunk would only enter
 * chunks. */
static bool is_ordered(const struct pkindex *index, const uint64_t *codes, size_t count)
{
    return count >= (size_t)index->chunk_count * 4 && is_ascending_u64(codes, count);
}

void pkindex_locate_batch(const struct pkindex *index, const uint64_t *keys, const uint64_t *codes,
                          size_t count, uint64_t *positions_out)
{
    if (index->row_count == 0) {
        memset(positions_out, 0, count * sizeof *positions_out);
        return;
    }
    if (!is_ordered(index, codes, count)) {
        locate_unordered(index, keys, codes, count, positions_out);
        return;
    }
    while (count > 0 && codes[0] < index->code_min) {
        *positions_out++ = 0;
        codes++;
        count--;
    }
    while (count > 0 && codes[count - 1] > index->code_max) {
        positions_out[--count] = index->row_count;
    }
    locate_ordered(index, keys, codes, count, positions_out);
}

void pkindex_find_batch(const struct pkindex *index, const uint64_t *codes, size_t count,
                        struct pkrange *ranges_out)
{
    if (index->row_count == 0) {
        memset(ranges_out, 0, count * sizeof *ranges_out);
        return;
    }
    struct flight flights[2];
    for (size_t i = 0, turn = 0; i < count + BATCH; i += BATCH, turn ^= 1) {
        if (i < count) {
            size_t here = count - i < BATCH ? count - i : BATCH;
            find_cells(index, &codes[i], here, &flights[turn]);
        }
        if (i >= BATCH) {
            size_t at = i - BATCH;
            size_t here = count - at < BATCH ? count - at : BATCH;
            find_windows(index, &codes[at], here, &flights[turn ^ 1], &ranges_out[at]);
        }
    }
}

/* ---- the filter ---- */

void pkindex_prefetch(const struct pkindex *index, uint64_t hash)
{
    pkfilter_prefetch(&index->filter, hash);
}

bool pkindex_may_contain(const struct pkindex *index, uint64_t hash)
{
    return pkfilter_may_contain(&index->filter, hash);
}

void pkindex_may_contain_batch(const struct pkindex *index, const uint64_t *hashes, size_t count,
                               uint64_t *bitmap_out)
{
    pkfilter_may_contain_batch(&index->filter, hashes, count, bitmap_out);
}
