#pragma once

#include <stdbool.h>

#include "base/alloc.h"

#define ARENA_BLOCK_SIZE_DEFAULT ((size_t)32 << 10)

/*
 * Memory with one lifetime. Blocks grow with use; nothing is freed alone. A zeroed arena with
 * `alloc` set is ready. Threads: one at a time.
 */
struct arena {
    const struct alloc *alloc;
    size_t block_size;          /* Of ordinary blocks; 0 means the default. */
    struct arena_block *blocks; /* Newest first. */
    uint8_t *at;                /* Free part of the newest block. */
    uint8_t *end;
    size_t used_bytes; /* Asked for from `alloc`, headers included. */
};

/* A moment to return to with arena_rollback(). */
struct arena_mark {
    struct arena_block *blocks;
    uint8_t *at;
};

void arena_init(struct arena *arena, const struct alloc *alloc, size_t block_size);

/* Gives back every block. Zeroed is accepted. */
void arena_deinit(struct arena *arena);

/* Keeps the newest ordinary block, gives back the rest. What was allocated is gone. */
void arena_reset(struct arena *arena);

/* Moves everything of `from`, which has the same `alloc`, to `arena`; `from` is empty then. */
void arena_adopt(struct arena *arena, struct arena *from);

/* Returns `size` bytes, not zeroed, aligned to 16; NULL when memory is out. Size 0 gives a valid
 * pointer. Everything lives until arena_reset(), arena_rollback() or arena_deinit(). */
void *arena_alloc(struct arena *arena, size_t size);

/* The same without alignment, for bytes. */
uint8_t *arena_bytes(struct arena *arena, size_t size);

/* Zeroed memory for `count` items; NULL when memory is out or the size wraps. */
void *arena_array(struct arena *arena, size_t count, size_t item_size);

/* Copies `text` with a terminator; NULL when memory is out. */
char *arena_text(struct arena *arena, struct span text);

/* Makes sure that the next allocations of together `size` bytes (each costing up to 15 more for
 * alignment) succeed without asking for memory; false when memory is out. */
bool arena_reserve(struct arena *arena, size_t size);

struct arena_mark arena_mark(const struct arena *arena);
void arena_rollback(struct arena *arena, struct arena_mark mark);
