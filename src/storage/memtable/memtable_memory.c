#include <string.h>

#include "base/assert.h"
#include "os/memory.h"
#include "storage/memtable/memtable_internal.h"

/*
 * Where a memtable's memory comes from. What is read at random from tens of megabytes in pages of
 * 4 KiB costs an address translation from memory for each row. So a memtable that has grown asks
 * for its memory in blocks of 2 MiB, in large pages where there are some, and deals out parts of
 * them. Small memtables, of which there may be thousands, ask for what they need.
 *
 * Parts of a block are not given back alone: nearly nothing of a memtable is before all of it is.
 */

#define BLOCK_SIZE    ((size_t)2 << 20)
#define SMALL_BYTES   ((size_t)4 << 20) /* Up to here a memtable is small. */
#define PART_SIZE_MAX (BLOCK_SIZE / 8)  /* Larger parts begin no block: the rests are large. */
#define LIST_FIRST    8u

static size_t whole_blocks(size_t size)
{
    return (size + BLOCK_SIZE - 1) & ~(BLOCK_SIZE - 1);
}

static void *take_large(struct memtable_memory *memory, size_t size)
{
    const struct alloc *parent = memory->parent;
    if (size > SIZE_MAX - BLOCK_SIZE) {
        return NULL;
    }
    void *block = parent->resize(parent->ctx, NULL, 0, whole_blocks(size), BLOCK_SIZE);
    if (block != NULL) {
        memory_allow_large_pages(block, whole_blocks(size));
        memory->held_bytes += whole_blocks(size);
    }
    return block;
}

static void give_large(struct memtable_memory *memory, void *block, size_t size)
{
    const struct alloc *parent = memory->parent;
    (void)parent->resize(parent->ctx, block, whole_blocks(size), 0, BLOCK_SIZE);
    memory->held_bytes -= whole_blocks(size);
}

/* Position of the first block above the address. */
static uint32_t blocks_below(const struct memtable_memory *memory, const void *address)
{
    uint32_t low = 0;
    uint32_t high = memory->block_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if ((uintptr_t)memory->blocks[middle] <= (uintptr_t)address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_part(const struct memtable_memory *memory, const void *address)
{
    uint32_t below = blocks_below(memory, address);
    return below > 0 &&
           (uintptr_t)address - (uintptr_t)memory->blocks[below - 1] < (uintptr_t)BLOCK_SIZE;
}

static bool reserve_list(struct memtable_memory *memory)
{
    if (memory->block_count < memory->block_capacity) {
        return true;
    }
    uint32_t capacity = memory->block_capacity == 0 ? LIST_FIRST : 2 * memory->block_capacity;
    void **blocks = alloc_resize(memory->parent, memory->blocks, memory->block_capacity, capacity,
                                 sizeof *blocks);
    if (blocks == NULL) {
        return false;
    }
    memory->held_bytes += (capacity - memory->block_capacity) * sizeof *blocks;
    memory->blocks = blocks;
    memory->block_capacity = capacity;
    return true;
}

static bool add_block(struct memtable_memory *memory)
{
    uint8_t *block = reserve_list(memory) ? take_large(memory, BLOCK_SIZE) : NULL;
    if (block == NULL) {
        return false;
    }
    uint32_t at = blocks_below(memory, block);
    memmove(memory->blocks + at + 1, memory->blocks + at,
            (memory->block_count - at) * sizeof *memory->blocks);
    memory->blocks[at] = block;
    memory->block_count++;
    memory->at = block;
    memory->end = block + BLOCK_SIZE;
    return true;
}

static void *take_part(struct memtable_memory *memory, size_t size)
{
    size = (size + ALLOC_ALIGN_ARROW - 1) & ~((size_t)ALLOC_ALIGN_ARROW - 1);
    if ((size_t)(memory->end - memory->at) < size && !add_block(memory)) {
        return NULL;
    }
    void *part = memory->at;
    memory->at += size;
    return part;
}

static void *take(struct memtable_memory *memory, size_t size, size_t align)
{
    if (size >= BLOCK_SIZE) {
        return take_large(memory, size);
    }
    bool fits = (size_t)(memory->end - memory->at) > size + ALLOC_ALIGN_ARROW;
    if (fits || (memory->held_bytes >= SMALL_BYTES && size <= PART_SIZE_MAX)) {
        return take_part(memory, size);
    }
    void *taken = memory->parent->resize(memory->parent->ctx, NULL, 0, size, align);
    memory->held_bytes += taken == NULL ? 0 : size;
    return taken;
}

static void give_back(struct memtable_memory *memory, void *taken, size_t size, size_t align)
{
    if (size >= BLOCK_SIZE) {
        give_large(memory, taken, size);
    } else if (!is_part(memory, taken)) {
        (void)memory->parent->resize(memory->parent->ctx, taken, size, 0, align);
        memory->held_bytes -= size;
    }
}

static void *resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct memtable_memory *memory = ctx;
    ASSERT(ptr == NULL || size_new == 0); // Nothing in a memtable moves (K2).
    ASSERT(align <= ALLOC_ALIGN_ARROW);
    if (ptr != NULL) {
        give_back(memory, ptr, size_old, align);
        return NULL;
    }
    return take(memory, size_new, align);
}

void memtable_memory_init(struct memtable_memory *memory, const struct alloc *parent)
{
    *memory = (struct memtable_memory){.parent = parent};
    memory->alloc = (struct alloc){.resize = resize, .ctx = memory};
}

void memtable_memory_deinit(struct memtable_memory *memory)
{
    for (uint32_t i = 0; i < memory->block_count; i++) {
        give_large(memory, memory->blocks[i], BLOCK_SIZE);
    }
    alloc_free(memory->parent, memory->blocks, memory->block_capacity, sizeof *memory->blocks);
}
