#pragma once

#include <stddef.h>

/* Asks for large pages for memory that is read at random; a hint that may do nothing. `data` should
 * begin at a multiple of 2 MiB. */
void memory_prefer_large_pages(void *data, size_t size);
