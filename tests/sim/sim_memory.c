#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim_memory.h"

#define BLOCK_HEADER 64u /* Keeps the alignment of Arrow buffers. */
#define FRESH_BYTE   0xA5

struct sim_block {
    struct sim_block *next;
    struct sim_block *before;
    size_t size;
    size_t align;
};

_Static_assert(sizeof(struct sim_block) <= BLOCK_HEADER, "the header holds a block's facts");

static struct sim_block *block_of(void *ptr)
{
    return (struct sim_block *)(void *)((uint8_t *)ptr - BLOCK_HEADER);
}

static void block_free(struct sim_memory *memory, struct sim_block *block)
{
    memory->live_bytes -= block->size;
    if (block->before == NULL) {
        memory->first = block->next;
    } else {
        block->before->next = block->next;
    }
    if (block->next != NULL) {
        block->next->before = block->before;
    }
    free(block);
}

static void *block_make(struct sim_memory *memory, size_t size, size_t align)
{
    ASSERT(align <= BLOCK_HEADER);
    void *space = NULL;
    if (posix_memalign(&space, BLOCK_HEADER, BLOCK_HEADER + size) != 0) {
        abort();
    }
    struct sim_block *block = space;
    *block = (struct sim_block){.next = memory->first, .size = size, .align = align};
    if (memory->first != NULL) {
        memory->first->before = block;
    }
    memory->first = block;
    memory->live_bytes += size;
    void *ptr = (uint8_t *)space + BLOCK_HEADER;
    memset(ptr, FRESH_BYTE, size);
    return ptr;
}

static void *memory_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    struct sim_memory *memory = ctx;
    if (ptr != NULL) {
        ASSERT(block_of(ptr)->size == size_old);
        ASSERT(block_of(ptr)->align == align);
    }
    if (size_new == 0) {
        block_free(memory, block_of(ptr));
        return NULL;
    }
    if (memory->refuse(memory->refuse_ctx)) {
        return NULL;
    }
    void *fresh = block_make(memory, size_new, align);
    if (ptr != NULL) {
        memcpy(fresh, ptr, size_old < size_new ? size_old : size_new);
        block_free(memory, block_of(ptr));
    }
    return fresh;
}

void sim_memory_init(struct sim_memory *memory, bool (*refuse)(void *ctx), void *refuse_ctx)
{
    *memory = (struct sim_memory){.alloc = {.resize = memory_resize, .ctx = memory},
                                  .refuse = refuse,
                                  .refuse_ctx = refuse_ctx};
}

void sim_memory_drop(struct sim_memory *memory)
{
    while (memory->first != NULL) {
        block_free(memory, memory->first);
    }
}
