#pragma once

/*
 * page memory: blocks for cached pages, cut from chunks of 2 MiB that the machine may map as one
 * large page each. A random read of a gigabyte in small pages of the machine misses the table of
 * addresses every time, which costs as much as missing the cache.
 *
 * A chunk holds blocks of one size (29 sizes, four to each doubling) and is given back when the
 * last of its blocks is. Small amounts of memory are not worth chunks: until `threshold_bytes` are
 * in use, and for blocks past the largest size, memory comes straight from the allocator.
 *
 * Threads: everything may be called at once.
 */

#include <stdbool.h>

#include "base/alloc.h"

#define PAGE_MEMORY_CHUNK_SIZE ((size_t)2 << 20)

struct page_memory;

/* NULL when memory is out. */
struct page_memory *page_memory_create(const struct alloc *alloc, size_t threshold_bytes);

/* It lives on until the last block has been given back. */
void page_memory_destroy(struct page_memory *memory);

/* A block aligned to 64, not zeroed; NULL when memory is out. *chunked_out goes back to
 * page_memory_free(). */
void *page_memory_alloc(struct page_memory *memory, size_t size, bool *chunked_out);
void page_memory_free(struct page_memory *memory, void *block, size_t size, bool chunked);

/* Chunks in use. */
size_t page_memory_chunk_count(const struct page_memory *memory);
