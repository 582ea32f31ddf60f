#include <string.h>

#include "base/assert.h"
#include "base/plant.h"
#include "storage/memtable/memtable_internal.h"

/* Reading many rows: chunk by chunk, by a list of rows, and in order of the keys. */

#define WORD_BITS 64u

/* ---- chunks ---- */

/* Hands out a column of a chunk. The bitmap is copied: the writer may be clearing bits of the rows
 * that come after. */
static bool borrow_column(const struct chunk_layout_column *layout,
                          const struct chunk_column *source, uint32_t row_count,
                          struct arena *arena, struct column *column_out)
{
    struct column column = {.type = layout->type, .row_count = row_count, .data = source->data};
    if (atomic_load_explicit(&source->null_count, memory_order_relaxed) > 0) {
        uint32_t words = (row_count + WORD_BITS - 1) / WORD_BITS;
        column.validity = arena_alloc(arena, words * sizeof *column.validity);
        if (column.validity == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < words; i++) {
            column.validity[i] = atomic_load_explicit(&source->validity[i], memory_order_relaxed);
        }
    }
    *column_out = column;
    return true;
}

/* Lists the rows visible at `snapshot`; without a branch a row. */
static uint32_t select_visible(const struct chunk *chunk, uint32_t row_count, uint64_t snapshot,
                               uint16_t *selection)
{
    uint32_t count = 0;
    snapshot += planted(PLANT_MEMTABLE_SCAN_NEXT);
    for (uint32_t i = 0; i < row_count; i++) {
        uint64_t end = atomic_load_explicit(&chunk->stamps[i].end, memory_order_relaxed);
        selection[count] = (uint16_t)i;
        count += (uint32_t)(chunk->stamps[i].begin <= snapshot) & (uint32_t)(snapshot < end);
    }
    return count;
}

static tdbplus_status scan_nomem(struct err *err)
{
    return err_set(err, TDBPLUS_E_NOMEM, "memtable: a batch");
}

tdbplus_status memtable_scan_chunk(const struct memtable *memtable, uint32_t first_row,
                                   uint64_t snapshot, const uint32_t *positions,
                                   uint32_t position_count, struct batch *batch, struct err *err)
{
    ASSERT(first_row % MEMTABLE_CHUNK_ROW_COUNT == 0);
    batch->row_count = 0;
    batch->selection = NULL;
    batch->selected_count = 0;
    // The count first: the chunk read after it has all those rows (K2).
    uint32_t total = memtable_row_count(memtable);
    if (first_row >= total) {
        return TDBPLUS_OK;
    }
    const struct chunk *chunk = chunk_of(memtable, first_row);
    uint32_t row_count =
        total - first_row < MEMTABLE_CHUNK_ROW_COUNT ? total - first_row : MEMTABLE_CHUNK_ROW_COUNT;
    struct column *columns =
        arena_array(&batch->arena, position_count > 0 ? position_count : 1, sizeof *columns);
    if (columns == NULL) {
        return scan_nomem(err);
    }
    for (uint32_t i = 0; i < position_count; i++) {
        uint32_t position = positions[i];
        if (!borrow_column(&memtable->layout[position], &chunk->columns[position], row_count,
                           &batch->arena, &columns[i])) {
            return scan_nomem(err);
        }
    }
    uint16_t *selection = NULL;
    uint32_t selected_count = row_count;
    if (atomic_load_explicit(&chunk->begin_max, memory_order_acquire) > snapshot ||
        atomic_load_explicit(&chunk->end_min, memory_order_acquire) <= snapshot) {
        selection = arena_alloc(&batch->arena, row_count * sizeof *selection);
        if (selection == NULL) {
            return scan_nomem(err);
        }
        selected_count = select_visible(chunk, row_count, snapshot, selection);
    }
    batch->columns = columns;
    batch->column_count = position_count;
    batch->row_count = row_count;
    batch->selection = selected_count < row_count ? selection : NULL;
    batch->selected_count = batch->selection != NULL ? selected_count : 0;
    return TDBPLUS_OK;
}

/* ---- lists of rows ---- */

#define GATHER_AHEAD 16u /* Rows whose memory is asked for ahead of their turn. */

static const uint8_t *place_of(const struct memtable *memtable, uint32_t row, uint32_t position,
                               size_t width)
{
    return chunk_of(memtable, row)->columns[position].data + row % MEMTABLE_CHUNK_ROW_COUNT * width;
}

/* Whoever gathers rows looks at their bytes next, and they lie anywhere. Inlined by force: the
 * compiler takes a function that only prefetches for one that does nothing and drops its calls. */
static inline __attribute__((always_inline)) void prefetch_bytes(const uint8_t *place)
{
    struct view view;
    memcpy(&view, place, sizeof view);
    if (view.size > VIEW_INLINE_SIZE_MAX) {
        __builtin_prefetch(view.far.data);
        __builtin_prefetch(view.far.data + (view.size < 64 ? view.size - 1 : 64));
        __builtin_prefetch(view.far.data + (view.size < 128 ? view.size - 1 : 128));
    }
}

void memtable_values_prefetch(const struct memtable *memtable, uint32_t row,
                              const uint32_t *positions, uint32_t position_count)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    for (uint32_t i = 0; i < position_count; i++) {
        __builtin_prefetch(chunk->columns[positions[i]].data +
                               (size_t)at * memtable->layout[positions[i]].width,
                           0, 3);
    }
}

void memtable_bytes_prefetch(const struct memtable *memtable, uint32_t row,
                             const uint32_t *positions, uint32_t position_count)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    for (uint32_t i = 0; i < position_count; i++) {
        uint32_t position = positions[i];
        if (memtable->layout[position].physical == PHYSICAL_VIEW) {
            prefetch_bytes(chunk->columns[position].data + (size_t)at * sizeof(struct view));
        }
    }
}

/* Clears the bits of the rows that are null. */
static void gather_nulls(const struct memtable *memtable, const uint32_t *rows, uint32_t row_count,
                         uint32_t position, struct column *column)
{
    for (uint32_t i = 0; i < row_count; i++) {
        const struct chunk_column *source = &chunk_of(memtable, rows[i])->columns[position];
        uint32_t at = rows[i] % MEMTABLE_CHUNK_ROW_COUNT;
        uint64_t word =
            atomic_load_explicit(&source->validity[at / WORD_BITS], memory_order_relaxed);
        uint64_t is_null = ~(word >> (at % WORD_BITS)) & 1;
        column->validity[i / WORD_BITS] &= ~(is_null << (i % WORD_BITS));
    }
}

static bool any_nulls(const struct memtable *memtable, const uint32_t *rows, uint32_t row_count,
                      uint32_t position)
{
    if (memtable->schema->columns[position].not_null) {
        return false;
    }
    bool has_nulls = false;
    for (uint32_t i = 0; i < row_count && !has_nulls; i++) {
        const struct chunk_column *source = &chunk_of(memtable, rows[i])->columns[position];
        has_nulls = atomic_load_explicit(&source->null_count, memory_order_relaxed) > 0;
    }
    return has_nulls;
}

static bool gather_column(const struct memtable *memtable, const uint32_t *rows, uint32_t row_count,
                          uint32_t position, struct column *column_out, struct arena *arena)
{
    const struct chunk_layout_column *layout = &memtable->layout[position];
    struct column column = {0};
    bool has_nulls = any_nulls(memtable, rows, row_count, position);
    if (!column_make(&column, layout->type, row_count, has_nulls, arena)) {
        return false;
    }
    size_t width = layout->width;
    bool is_view = layout->physical == PHYSICAL_VIEW;
    uint8_t *to = column.data;
    for (uint32_t i = 0; i < row_count; i++, to += width) {
        const uint8_t *from = place_of(memtable, rows[i], position, width);
        if (i + GATHER_AHEAD < row_count) {
            __builtin_prefetch(place_of(memtable, rows[i + GATHER_AHEAD], position, width));
        }
        if (width == sizeof(uint64_t)) {
            memcpy(to, from, sizeof(uint64_t));
        } else if (is_view) {
            memcpy(to, from, sizeof(struct view));
            prefetch_bytes(to);
        } else {
            memcpy(to, from, width);
        }
    }
    if (has_nulls) {
        gather_nulls(memtable, rows, row_count, position, &column);
    }
    *column_out = column;
    return true;
}

tdbplus_status memtable_gather(const struct memtable *memtable, const uint32_t *rows,
                               uint32_t row_count, const uint32_t *positions,
                               uint32_t position_count, struct batch *batch, struct err *err)
{
    ASSERT(row_count <= BATCH_ROW_COUNT_MAX);
    struct column *columns =
        arena_array(&batch->arena, position_count > 0 ? position_count : 1, sizeof *columns);
    if (columns == NULL) {
        return scan_nomem(err);
    }
    for (uint32_t i = 0; i < position_count; i++) {
        if (!gather_column(memtable, rows, row_count, positions[i], &columns[i], &batch->arena)) {
            return scan_nomem(err);
        }
    }
    batch->columns = columns;
    batch->column_count = position_count;
    batch->row_count = row_count;
    batch->selection = NULL;
    batch->selected_count = 0;
    return TDBPLUS_OK;
}

void memtable_spans(const struct memtable *memtable, const uint64_t *rows, uint32_t row_count,
                    uint32_t position, struct span *spans_out)
{
    ASSERT(memtable->layout[position].physical == PHYSICAL_VIEW);
    for (uint32_t i = 0; i < row_count; i++) {
        uint32_t row = (uint32_t)rows[i];
        const struct chunk_column *column = &chunk_of(memtable, row)->columns[position];
        uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
        const struct view *view = (const struct view *)(const void *)column->data + at;
        spans_out[i] = view_span(view);
        prefetch_bytes((const uint8_t *)view);
        if (atomic_load_explicit(&column->null_count, memory_order_relaxed) == 0) {
            continue;
        }
        uint64_t word =
            atomic_load_explicit(&column->validity[at / WORD_BITS], memory_order_relaxed);
        if ((word >> (at % WORD_BITS) & 1) == 0) {
            spans_out[i] = (struct span){0};
        }
    }
}

/* ---- cursors ---- */

_Static_assert(MEMTABLE_CURSOR_ROW_COUNT == NODE_ENTRY_COUNT, "a cursor holds a leaf's rows");

/* Rows next to each other in key order lie anywhere: asks for what a walk looks at first. */
static void prefetch_rows(const struct memtable_cursor *cursor)
{
    const struct memtable *memtable = cursor->memtable;
    if (cursor->skips_stamps && memtable->integer_key) {
        return; // The codes say it all.
    }
    for (uint32_t i = 0; i < cursor->count; i++) {
        uint32_t row = cursor->entries.rows[i];
        const struct chunk *chunk = chunk_of(memtable, row);
        uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
        if (!cursor->skips_stamps) {
            __builtin_prefetch(&chunk->stamps[at]);
        }
        if (memtable->integer_key) {
            uint32_t position = memtable->key_position;
            __builtin_prefetch(place_of(memtable, row, position, memtable->layout[position].width));
        } else {
            __builtin_prefetch(&chunk->keys[at]);
        }
    }
}

static void seek(struct memtable_cursor *cursor, const struct memtable *memtable, struct span key,
                 bool skips_stamps)
{
    const struct node *next = NULL;
    cursor->memtable = memtable;
    cursor->at = 0;
    cursor->count = 0;
    cursor->skips_stamps = skips_stamps;
    if (key.data == NULL) {
        next = tree_edge(memtable, false);
    } else {
        const struct probe probe = probe_of(memtable, key, key_code(key));
        cursor->count = tree_copy(memtable, &probe, TREE_FROM, &cursor->entries, &next);
        prefetch_rows(cursor);
    }
    cursor->leaf = next;
}

void memtable_cursor_seek(struct memtable_cursor *cursor, const struct memtable *memtable,
                          struct span key)
{
    seek(cursor, memtable, key, false);
}

void memtable_cursor_seek_visible(struct memtable_cursor *cursor, const struct memtable *memtable,
                                  struct span key)
{
    seek(cursor, memtable, key, true);
}

void memtable_cursor_seek_last(struct memtable_cursor *cursor, const struct memtable *memtable,
                               struct span key)
{
    cursor->memtable = memtable;
    cursor->leaf = NULL;
    cursor->count = 0;
    cursor->skips_stamps = false;
    if (key.data == NULL) {
        // A leaf that has a right neighbour by the time it is copied has lost its upper half to it.
        const struct node *leaf = tree_edge(memtable, true);
        while (leaf != NULL) {
            cursor->count = tree_copy_leaf(leaf, &cursor->entries, &leaf);
        }
    } else {
        const struct probe probe = probe_of(memtable, key, key_code(key));
        cursor->count = tree_copy(memtable, &probe, TREE_UP_TO, &cursor->entries, NULL);
    }
    cursor->at = cursor->count;
}

uint32_t memtable_cursor_next(struct memtable_cursor *cursor)
{
    while (cursor->at == cursor->count) {
        const struct node *leaf = cursor->leaf;
        if (leaf == NULL) {
            return MEMTABLE_ROW_NONE;
        }
        const struct node *next = NULL;
        cursor->count = tree_copy_leaf(leaf, &cursor->entries, &next);
        prefetch_rows(cursor);
        cursor->at = 0;
        cursor->leaf = next;
    }
    return cursor->entries.rows[cursor->at++];
}

uint32_t memtable_cursor_previous(struct memtable_cursor *cursor)
{
    if (cursor->at == 0 && cursor->count > 0) {
        // Leaves have no way back; the lowest key seen leads to what is below it.
        uint8_t scratch[8];
        struct span key = memtable_key(cursor->memtable, cursor->entries.rows[0], scratch);
        const struct probe probe = probe_of(cursor->memtable, key, key_code(key));
        cursor->count = tree_copy(cursor->memtable, &probe, TREE_BELOW, &cursor->entries, NULL);
        cursor->at = cursor->count;
    }
    return cursor->at == 0 ? MEMTABLE_ROW_NONE : cursor->entries.rows[--cursor->at];
}
