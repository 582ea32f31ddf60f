#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * An allocator is one function: allocate (ptr NULL), grow, shrink, or free (size_new 0). Sizes are
 * passed both ways so budgets need no hidden headers. `align` is a power of two, the same in every
 * call for one block; 0 means 16. Returns NULL when memory is out; the old block then stands.
 *
 * Threads: an allocator may be called from several threads at once unless its maker says not.
 */
struct alloc {
    void *(*resize)(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align);
    void *ctx;
};

/* Alignment of Arrow buffers and of everything that SIMD kernels stream over. */
#define ALLOC_ALIGN_ARROW 64u

/* The process's allocator, without a budget. */
extern const struct alloc alloc_system;

/* Returns zeroed memory for `count` items, or NULL when the budget is spent or the size wraps. */
void *alloc_array(const struct alloc *alloc, size_t count, size_t item_size);

/* Returns memory that is not zeroed, or NULL. `size` > 0. Free with alloc_free(..., size, 1). */
void *alloc_raw(const struct alloc *alloc, size_t size);

/* Grows or shrinks what alloc_array()/alloc_raw() returned (NULL with count_old 0 allocates). New
 * bytes are not zeroed. On failure returns NULL and the old block stands. */
void *alloc_resize(const struct alloc *alloc, void *ptr, size_t count_old, size_t count_new,
                   size_t item_size);

/* Gives back what the functions above returned. NULL is fine. */
void alloc_free(const struct alloc *alloc, void *ptr, size_t count, size_t item_size);

/* 64-byte-aligned memory, not zeroed; give it back with alloc_free_aligned() and the same size. */
void *alloc_aligned(const struct alloc *alloc, size_t size);
void alloc_free_aligned(const struct alloc *alloc, void *ptr, size_t size);

/* Owned bytes. Zeroed is the empty value; bytes_deinit() accepts it. */
struct bytes {
    uint8_t *data;
    size_t size;
    const struct alloc *alloc;
};

/* Borrowed bytes: no deinit, and never outlives what it points into. */
struct span {
    const uint8_t *data;
    size_t size;
};

void bytes_deinit(struct bytes *bytes);

/* A span over a C string, without its terminator. */
struct span span_from_text(const char *text);

/* Orders like memcmp, the shorter first when one is a prefix of the other: < 0, 0, > 0. */
int span_compare(struct span left, struct span right);
