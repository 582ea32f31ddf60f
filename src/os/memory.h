#pragma once

#include <stddef.h>

/* Asks for large pages for memory that will be read at random; a hint that may do nothing. What the
 * memory holds is lost. `data` and `size` should be multiples of 2 MiB. */
void memory_prefer_large_pages(void *data, size_t size);
