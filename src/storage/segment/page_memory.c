#include "storage/segment/page_memory.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "os/latch.h"
#include "os/memory.h"

#define CLASS_COUNT     29u
#define CLASS_SIZE_MIN  ((size_t)1024)
#define CHUNK_HEAD_SIZE ((size_t)64)

struct page_memory {
    const struct alloc *alloc;
    size_t threshold_bytes;
    struct latch latch;
    struct page_chunk *open[CLASS_COUNT]; /* Chunks with free blocks; under the latch. */
    _Atomic size_t used_bytes;            /* Of blocks, as asked for. */
    _Atomic size_t chunk_count;
    _Atomic size_t references; /* The maker's, and one for each block. */
};

struct free_block {
    struct free_block *next;
};

/* At the start of its 2 MiB, which is how a block finds it. */
struct page_chunk {
    struct page_chunk *next; /* Of the open ones of its class. */
    struct page_chunk *previous;
    struct free_block *free;
    uint32_t class_index;
    uint32_t block_size;
    uint32_t used;      /* Blocks in use. */
    uint32_t untouched; /* Offset from which on no block was ever used. */
};

_Static_assert(sizeof(struct page_chunk) <= CHUNK_HEAD_SIZE, "the head fits before the blocks");

/* Sizes are 1024 * 2^(class / 4) * (1 + class % 4 / 4). */
static size_t class_size(uint32_t class_index)
{
    size_t octave = CLASS_SIZE_MIN << (class_index / 4);
    return octave + octave / 4 * (class_index % 4);
}

/* The smallest class that holds `size`; CLASS_COUNT when none does. */
static uint32_t class_of(size_t size)
{
    uint32_t class_index = 0;
    if (size > CLASS_SIZE_MIN) {
        uint32_t octave = (uint32_t)(63 - __builtin_clzll((size - 1) / CLASS_SIZE_MIN));
        class_index = 4 * octave;
    }
    while (class_index < CLASS_COUNT && class_size(class_index) < size) {
        class_index++;
    }
    return class_index;
}

static void open_chunk(struct page_memory *memory, struct page_chunk *chunk)
{
    chunk->previous = NULL;
    chunk->next = memory->open[chunk->class_index];
    if (chunk->next != NULL) {
        chunk->next->previous = chunk;
    }
    memory->open[chunk->class_index] = chunk;
}

static void close_chunk(struct page_memory *memory, struct page_chunk *chunk)
{
    if (chunk->previous != NULL) {
        chunk->previous->next = chunk->next;
    } else {
        memory->open[chunk->class_index] = chunk->next;
    }
    if (chunk->next != NULL) {
        chunk->next->previous = chunk->previous;
    }
}

static bool is_full(const struct page_chunk *chunk)
{
    return chunk->free == NULL &&
           chunk->untouched + chunk->block_size > (uint32_t)PAGE_MEMORY_CHUNK_SIZE;
}

static struct page_chunk *make_chunk(struct page_memory *memory, uint32_t class_index)
{
    struct page_chunk *chunk = memory->alloc->resize(
        memory->alloc->ctx, NULL, 0, PAGE_MEMORY_CHUNK_SIZE, PAGE_MEMORY_CHUNK_SIZE);
    if (chunk == NULL) {
        return NULL;
    }
    memory_prefer_large_pages(chunk, PAGE_MEMORY_CHUNK_SIZE);
    *chunk = (struct page_chunk){.class_index = class_index,
                                 .block_size = (uint32_t)class_size(class_index),
                                 .untouched = (uint32_t)CHUNK_HEAD_SIZE};
    atomic_fetch_add(&memory->chunk_count, 1);
    return chunk;
}

static void *take_block(struct page_memory *memory, uint32_t class_index)
{
    struct page_chunk *chunk = memory->open[class_index];
    if (chunk == NULL) {
        chunk = make_chunk(memory, class_index);
        if (chunk == NULL) {
            return NULL;
        }
        open_chunk(memory, chunk);
    }
    void *block = chunk->free;
    if (block != NULL) {
        chunk->free = chunk->free->next;
    } else {
        block = (uint8_t *)chunk + chunk->untouched;
        chunk->untouched += chunk->block_size;
    }
    chunk->used++;
    if (is_full(chunk)) {
        close_chunk(memory, chunk);
    }
    return block;
}

struct page_memory *page_memory_create(const struct alloc *alloc, size_t threshold_bytes)
{
    struct page_memory *memory = alloc_array(alloc, 1, sizeof *memory);
    if (memory != NULL) {
        memory->alloc = alloc;
        memory->threshold_bytes = threshold_bytes;
        atomic_init(&memory->references, 1);
    }
    return memory;
}

static void drop_reference(struct page_memory *memory)
{
    if (atomic_fetch_sub_explicit(&memory->references, 1, memory_order_acq_rel) == 1) {
        ASSERT(atomic_load(&memory->chunk_count) == 0);
        alloc_free(memory->alloc, memory, 1, sizeof *memory);
    }
}

void page_memory_destroy(struct page_memory *memory)
{
    if (memory != NULL) {
        drop_reference(memory);
    }
}

size_t page_memory_chunk_count(const struct page_memory *memory)
{
    return atomic_load(&memory->chunk_count);
}

void *page_memory_alloc(struct page_memory *memory, size_t size, bool *chunked_out)
{
    uint32_t class_index = class_of(size);
    bool chunked =
        class_index < CLASS_COUNT &&
        atomic_load_explicit(&memory->used_bytes, memory_order_relaxed) >= memory->threshold_bytes;
    void *block = NULL;
    if (chunked) {
        latch_lock(&memory->latch);
        block = take_block(memory, class_index);
        latch_unlock(&memory->latch);
    } else {
        block = alloc_aligned(memory->alloc, size);
    }
    if (block != NULL) {
        atomic_fetch_add_explicit(&memory->used_bytes, size, memory_order_relaxed);
        atomic_fetch_add_explicit(&memory->references, 1, memory_order_relaxed);
        *chunked_out = chunked;
    }
    return block;
}

static void give_block(struct page_memory *memory, void *block)
{
    struct page_chunk *chunk =
        (void *)((uintptr_t)block & ~((uintptr_t)PAGE_MEMORY_CHUNK_SIZE - 1));
    struct free_block *fresh = block;
    bool was_full = is_full(chunk);
    fresh->next = chunk->free;
    chunk->free = fresh;
    chunk->used--;
    if (was_full) {
        open_chunk(memory, chunk);
    }
    if (chunk->used == 0) {
        close_chunk(memory, chunk);
        atomic_fetch_sub(&memory->chunk_count, 1);
        (void)memory->alloc->resize(memory->alloc->ctx, chunk, PAGE_MEMORY_CHUNK_SIZE, 0,
                                    PAGE_MEMORY_CHUNK_SIZE);
    }
}

void page_memory_free(struct page_memory *memory, void *block, size_t size, bool chunked)
{
    atomic_fetch_sub_explicit(&memory->used_bytes, size, memory_order_relaxed);
    if (chunked) {
        latch_lock(&memory->latch);
        give_block(memory, block);
        latch_unlock(&memory->latch);
    } else {
        alloc_free_aligned(memory->alloc, block, size);
    }
    drop_reference(memory);
}
