#pragma once

#include <stddef.h>

/* Asks for large pages for memory that will be read at random; a hint that may do nothing. What the
 * memory holds is lost. `data` and `size` should be multiples of 2 MiB. */
void memory_prefer_large_pages(void *data, size_t size);

/* The same for memory that is used only for a while and then for the like again: what an allocator
 * hands out once more stays mapped as it was, in large pages or small ones, instead of being
 * cleared by the system each time. What it holds stays. */
void memory_allow_large_pages(void *data, size_t size);
