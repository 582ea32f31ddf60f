#include "base/arena.h"

#include <string.h>

#include "base/assert.h"

#define ALIGN ((uintptr_t)16)

struct arena_block {
    struct arena_block *next;
    size_t size; /* Header included. */
    _Alignas(16) uint8_t data[];
};

void arena_init(struct arena *arena, const struct alloc *alloc, size_t block_size)
{
    *arena = (struct arena){.alloc = alloc, .block_size = block_size};
}

static void pop_block(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    arena->blocks = block->next;
    arena->used_bytes -= block->size;
    alloc_free(arena->alloc, block, block->size, 1);
}

void arena_deinit(struct arena *arena)
{
    while (arena->blocks != NULL) {
        pop_block(arena);
    }
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks != NULL && arena->blocks->next != NULL) {
        pop_block(arena);
    }
    if (arena->blocks != NULL) {
        arena->at = arena->blocks->data;
        arena->end = (uint8_t *)arena->blocks + arena->blocks->size;
    }
}

void arena_adopt(struct arena *arena, struct arena *from)
{
    if (from->blocks == NULL) {
        return;
    }
    ASSERT(arena->alloc == from->alloc);
    if (arena->blocks == NULL) {
        arena->blocks = from->blocks;
        arena->at = from->at;
        arena->end = from->end;
    } else {
        // Below the newest block, whose rest stays in use.
        struct arena_block *oldest = from->blocks;
        while (oldest->next != NULL) {
            oldest = oldest->next;
        }
        oldest->next = arena->blocks->next;
        arena->blocks->next = from->blocks;
    }
    arena->used_bytes += from->used_bytes;
    *from = (struct arena){.alloc = from->alloc, .block_size = from->block_size};
}

bool arena_reserve(struct arena *arena, size_t size)
{
    if ((size_t)(arena->end - arena->at) >= size) {
        return true;
    }
    size_t ordinary = arena->block_size == 0 ? ARENA_BLOCK_SIZE_DEFAULT : arena->block_size;
    size_t wanted = 0;
    if (__builtin_add_overflow(size, sizeof(struct arena_block), &wanted)) {
        return false;
    }
    size_t block_size = wanted > ordinary ? wanted : ordinary;
    struct arena_block *block = alloc_raw(arena->alloc, block_size);
    if (block == NULL) {
        return false;
    }
    block->next = arena->blocks;
    block->size = block_size;
    arena->blocks = block;
    arena->at = block->data;
    arena->end = (uint8_t *)block + block_size;
    arena->used_bytes += block_size;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t padding = (size_t)(-(uintptr_t)arena->at & (ALIGN - 1));
    if (arena->at == NULL || (size_t)(arena->end - arena->at) < size + padding) {
        if (!arena_reserve(arena, size + ALIGN)) {
            return NULL;
        }
        padding = (size_t)(-(uintptr_t)arena->at & (ALIGN - 1));
    }
    uint8_t *result = arena->at + padding;
    arena->at = result + size;
    return result;
}

uint8_t *arena_bytes(struct arena *arena, size_t size)
{
    if (!arena_reserve(arena, size == 0 ? 1 : size)) {
        return NULL;
    }
    uint8_t *result = arena->at;
    arena->at += size;
    return result;
}

void *arena_array(struct arena *arena, size_t count, size_t item_size)
{
    size_t size = 0;
    if (__builtin_mul_overflow(count, item_size, &size)) {
        return NULL;
    }
    void *result = arena_alloc(arena, size);
    if (result != NULL) {
        memset(result, 0, size);
    }
    return result;
}

char *arena_text(struct arena *arena, struct span text)
{
    uint8_t *copy = text.size == SIZE_MAX ? NULL : arena_bytes(arena, text.size + 1);
    if (copy == NULL) {
        return NULL;
    }
    if (text.size > 0) {
        memcpy(copy, text.data, text.size);
    }
    copy[text.size] = 0;
    return (char *)copy;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){.blocks = arena->blocks, .at = arena->at};
}

void arena_rollback(struct arena *arena, struct arena_mark mark)
{
    while (arena->blocks != mark.blocks) {
        ASSERT(arena->blocks != NULL); // The mark is of this arena and not older than a reset.
        pop_block(arena);
    }
    arena->at = mark.at;
    arena->end = mark.blocks == NULL ? NULL : (uint8_t *)mark.blocks + mark.blocks->size;
}
