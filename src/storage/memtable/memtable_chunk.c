#include <string.h>

#include "base/assert.h"
#include "storage/memtable/memtable_internal.h"

/*
 * Chunks: where the rows lie. A chunk is one block of memory with a part per column, so a scan
 * hands out pointers into it. The first chunk grows from a few rows by copies, because a database
 * may have thousands of collections with ten rows each.
 */

#define FIRST_CHUNK_GROWTH   4u
#define DIRECTORY_CAPACITY   4u
#define WORD_BITS            64u
#define VALIDITY_WORDS(rows) (((rows) + WORD_BITS - 1) / WORD_BITS)

/* ---- making chunks ---- */

static size_t round_up(size_t size)
{
    return (size + ALLOC_ALIGN_ARROW - 1) & ~((size_t)ALLOC_ALIGN_ARROW - 1);
}

/* Takes the next part of a chunk's block; with a NULL block only counts. */
static void *take_part(uint8_t *block, size_t *used, size_t size)
{
    void *part = block == NULL ? NULL : block + *used;
    *used += round_up(size);
    return part;
}

/* Lays a chunk of `capacity` rows out in `block` and returns its size; NULL only tells the size. */
static size_t lay_out(const struct memtable *memtable, uint32_t capacity, struct chunk *chunk)
{
    uint32_t column_count = memtable->schema->column_count;
    uint8_t *block = (uint8_t *)chunk;
    size_t used = 0;
    (void)take_part(block, &used, sizeof *chunk + column_count * sizeof(struct chunk_column));
    struct stamp *stamps = take_part(block, &used, capacity * sizeof *stamps);
    uint32_t *older = take_part(block, &used, capacity * sizeof *older);
    struct view *keys = NULL;
    if (!memtable->integer_key) {
        keys = take_part(block, &used, capacity * sizeof *keys);
    }
    if (chunk != NULL) {
        chunk->stamps = stamps;
        chunk->older = older;
        chunk->keys = keys;
    }
    for (uint32_t i = 0; i < column_count; i++) {
        size_t width = memtable->layout[i].width;
        size_t words_size = VALIDITY_WORDS(capacity) * sizeof(_Atomic uint64_t);
        uint8_t *data = take_part(block, &used, capacity * width);
        _Atomic uint64_t *validity = take_part(block, &used, words_size);
        if (chunk != NULL) {
            chunk->columns[i].data = data;
            chunk->columns[i].validity = validity;
        }
    }
    return used;
}

static struct chunk *make_chunk(struct memtable *memtable, uint32_t capacity)
{
    size_t size = lay_out(memtable, capacity, NULL);
    struct chunk *chunk = alloc_aligned(memtable->alloc, size);
    if (chunk == NULL) {
        return NULL;
    }
    (void)lay_out(memtable, capacity, chunk);
    chunk->capacity = capacity;
    chunk->size = size;
    chunk->replaced = NULL;
    atomic_init(&chunk->begin_max, 0);
    atomic_init(&chunk->end_min, TIMESTAMP_OPEN);
    atomic_init(&chunk->newest_end_min, TIMESTAMP_OPEN);
    for (uint32_t i = 0; i < memtable->schema->column_count; i++) {
        struct chunk_column *column = &chunk->columns[i];
        atomic_init(&column->null_count, 0);
        for (uint32_t word = 0; word < VALIDITY_WORDS(capacity); word++) {
            atomic_init(&column->validity[word], UINT64_MAX);
        }
    }
    return chunk;
}

/* Copies what `from` holds into a larger chunk that nobody sees yet. */
static void copy_chunk(const struct memtable *memtable, const struct chunk *from, struct chunk *to)
{
    uint32_t rows = atomic_load_explicit(&memtable->row_count, memory_order_relaxed);
    for (uint32_t i = 0; i < rows; i++) {
        to->stamps[i].begin = from->stamps[i].begin;
        atomic_init(&to->stamps[i].end,
                    atomic_load_explicit(&from->stamps[i].end, memory_order_relaxed));
    }
    atomic_init(&to->begin_max, atomic_load_explicit(&from->begin_max, memory_order_relaxed));
    atomic_init(&to->end_min, atomic_load_explicit(&from->end_min, memory_order_relaxed));
    atomic_init(&to->newest_end_min,
                atomic_load_explicit(&from->newest_end_min, memory_order_relaxed));
    memcpy(to->older, from->older, rows * sizeof *to->older);
    if (from->keys != NULL) {
        memcpy(to->keys, from->keys, rows * sizeof *to->keys);
    }
    for (uint32_t i = 0; i < memtable->schema->column_count; i++) {
        const struct chunk_column *source = &from->columns[i];
        struct chunk_column *target = &to->columns[i];
        memcpy(target->data, source->data, (size_t)rows * memtable->layout[i].width);
        atomic_init(&target->null_count,
                    atomic_load_explicit(&source->null_count, memory_order_relaxed));
        for (uint32_t word = 0; word < VALIDITY_WORDS(rows); word++) {
            atomic_init(&target->validity[word],
                        atomic_load_explicit(&source->validity[word], memory_order_relaxed));
        }
    }
}

/* ---- making room ---- */

/* Makes sure that the directory has a place for chunk `number`. */
static bool reserve_directory(struct memtable *memtable, uint32_t number)
{
    struct chunk_directory *old = atomic_load_explicit(&memtable->directory, memory_order_relaxed);
    if (old != NULL && number < old->capacity) {
        return true;
    }
    uint32_t capacity = old == NULL ? DIRECTORY_CAPACITY : old->capacity * 2;
    size_t size = sizeof *old + capacity * sizeof old->chunks[0];
    struct chunk_directory *fresh = alloc_array(memtable->alloc, size, 1);
    if (fresh == NULL) {
        return false;
    }
    fresh->replaced = old;
    fresh->capacity = capacity;
    for (uint32_t i = 0; old != NULL && i < old->capacity; i++) {
        atomic_init(&fresh->chunks[i], atomic_load_explicit(&old->chunks[i], memory_order_relaxed));
    }
    atomic_store_explicit(&memtable->directory, fresh, memory_order_release);
    return true;
}

/* Rows of the first chunk if it shall hold `wanted` of them. */
static uint32_t first_capacity(const struct memtable *memtable, uint32_t wanted)
{
    uint32_t capacity = memtable->rows_capacity == 0 ? memtable->rows_first
                                                     : memtable->rows_capacity * FIRST_CHUNK_GROWTH;
    while (capacity < wanted && capacity < MEMTABLE_CHUNK_ROW_COUNT) {
        capacity *= 2;
    }
    return capacity < MEMTABLE_CHUNK_ROW_COUNT ? capacity : MEMTABLE_CHUNK_ROW_COUNT;
}

bool chunks_reserve(struct memtable *memtable, uint32_t row_count)
{
    uint32_t wanted = atomic_load_explicit(&memtable->row_count, memory_order_relaxed) + row_count;
    while (memtable->rows_capacity < wanted) {
        uint32_t have = memtable->rows_capacity;
        bool is_first = have < MEMTABLE_CHUNK_ROW_COUNT;
        uint32_t number = is_first ? 0 : have / MEMTABLE_CHUNK_ROW_COUNT;
        if (!reserve_directory(memtable, number)) {
            return false;
        }
        struct chunk *fresh = make_chunk(memtable, is_first ? first_capacity(memtable, wanted)
                                                            : MEMTABLE_CHUNK_ROW_COUNT);
        if (fresh == NULL) {
            return false;
        }
        struct chunk_directory *directory =
            atomic_load_explicit(&memtable->directory, memory_order_relaxed);
        if (have > 0 && is_first) {
            struct chunk *small = chunk_of(memtable, 0);
            copy_chunk(memtable, small, fresh);
            fresh->replaced = small;
        }
        atomic_store_explicit(&directory->chunks[number], fresh, memory_order_release);
        memtable->rows_capacity = number * MEMTABLE_CHUNK_ROW_COUNT + fresh->capacity;
    }
    return true;
}

void chunks_deinit(struct memtable *memtable)
{
    struct chunk_directory *directory =
        atomic_load_explicit(&memtable->directory, memory_order_relaxed);
    for (uint32_t i = 0; directory != NULL && i < directory->capacity; i++) {
        struct chunk *chunk = atomic_load_explicit(&directory->chunks[i], memory_order_relaxed);
        while (chunk != NULL) {
            struct chunk *replaced = chunk->replaced;
            alloc_free_aligned(memtable->alloc, chunk, chunk->size);
            chunk = replaced;
        }
    }
    while (directory != NULL) {
        struct chunk_directory *replaced = directory->replaced;
        size_t size = sizeof *directory + directory->capacity * sizeof directory->chunks[0];
        alloc_free(memtable->alloc, directory, size, 1);
        directory = replaced;
    }
}

/* ---- writing rows ---- */

/* Copies bytes that do not fit into a view; the arena has room (K5). */
static struct view keep_bytes(struct memtable *memtable, struct span bytes)
{
    if (bytes.size > VIEW_INLINE_SIZE_MAX) {
        uint8_t *copy = arena_bytes(&memtable->values, bytes.size);
        ASSERT(copy != NULL);
        memcpy(copy, bytes.data, bytes.size);
        bytes.data = copy;
    }
    return view_of(bytes);
}

static void fill_null(struct chunk_column *column, uint32_t width, uint32_t at)
{
    _Atomic uint64_t *word = &column->validity[at / WORD_BITS];
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, bits & ~((uint64_t)1 << (at % WORD_BITS)), memory_order_relaxed);
    uint32_t nulls = atomic_load_explicit(&column->null_count, memory_order_relaxed);
    atomic_store_explicit(&column->null_count, nulls + 1, memory_order_relaxed);
    memset(column->data + (size_t)at * width, 0, width);
}

static void fill_value(struct memtable *memtable, const struct chunk_layout_column *layout,
                       struct chunk_column *column, uint32_t at, const struct datum *value)
{
    if (value->is_null) {
        fill_null(column, layout->width, at);
        return;
    }
    if (layout->physical == PHYSICAL_8) {
        // Integers and floats share their place in the datum.
        memcpy(column->data + (size_t)at * sizeof value->integer, &value->integer,
               sizeof value->integer);
        return;
    }
    if (layout->physical == PHYSICAL_VIEW) {
        ((struct view *)(void *)column->data)[at] = keep_bytes(memtable, value->bytes);
        return;
    }
    struct column flat = {.type = layout->type, .row_count = at + 1, .data = column->data};
    column_set(&flat, at, value);
}

void chunk_fill(struct memtable *memtable, uint32_t row, struct span key,
                const struct datum *values, uint64_t begin, uint32_t older)
{
    struct chunk *chunk = chunk_of(memtable, row);
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    chunk->stamps[at].begin = begin;
    atomic_init(&chunk->stamps[at].end, TIMESTAMP_OPEN);
    chunk->older[at] = older;
    if (chunk->keys != NULL) {
        chunk->keys[at] = keep_bytes(memtable, key);
    }
    uint32_t column_count = memtable->schema->column_count;
    for (uint32_t i = 0; i < column_count; i++) {
        fill_value(memtable, &memtable->layout[i], &chunk->columns[i], at, &values[i]);
    }
    if (begin > atomic_load_explicit(&chunk->begin_max, memory_order_relaxed)) {
        atomic_store_explicit(&chunk->begin_max, begin, memory_order_release);
    }
}

void chunk_set_older(struct memtable *memtable, uint32_t row, uint32_t older)
{
    chunk_of(memtable, row)->older[row % MEMTABLE_CHUNK_ROW_COUNT] = older;
}

bool chunk_end_row(struct memtable *memtable, uint32_t row, uint64_t timestamp, bool is_newest)
{
    struct chunk *chunk = chunk_of(memtable, row);
    struct stamp *stamp = &chunk->stamps[row % MEMTABLE_CHUNK_ROW_COUNT];
    if (atomic_load_explicit(&stamp->end, memory_order_relaxed) != TIMESTAMP_OPEN) {
        return false;
    }
    atomic_store_explicit(&stamp->end, timestamp, memory_order_release);
    if (timestamp < atomic_load_explicit(&chunk->end_min, memory_order_relaxed)) {
        atomic_store_explicit(&chunk->end_min, timestamp, memory_order_release);
    }
    if (is_newest &&
        timestamp < atomic_load_explicit(&chunk->newest_end_min, memory_order_relaxed)) {
        atomic_store_explicit(&chunk->newest_end_min, timestamp, memory_order_release);
    }
    return true;
}

uint64_t chunk_integer_code(const struct memtable *memtable, uint32_t row)
{
    const struct chunk *chunk = chunk_of(memtable, row);
    const uint8_t *data = chunk->columns[memtable->key_position].data;
    uint32_t at = row % MEMTABLE_CHUNK_ROW_COUNT;
    if (memtable->key_physical == PHYSICAL_8) {
        return key_code_of_integer(((const int64_t *)(const void *)data)[at]);
    }
    if (memtable->key_physical == PHYSICAL_4) {
        return key_code_of_integer(((const int32_t *)(const void *)data)[at]);
    }
    return key_code_of_integer(((const int16_t *)(const void *)data)[at]);
}
