#pragma once

/* The allocator of a simulation: it knows every block, and can drop them all at once. */

#include <stdbool.h>

#include "base/alloc.h"

struct sim_block;

struct sim_memory {
    struct alloc alloc;
    struct sim_block *first;
    size_t live_bytes;
    bool (*refuse)(void *ctx); /* Asked before each allocation. */
    void *refuse_ctx;
};

void sim_memory_init(struct sim_memory *memory, bool (*refuse)(void *ctx), void *refuse_ctx);

/* Frees every block. */
void sim_memory_drop(struct sim_memory *memory);
