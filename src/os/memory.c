#include "os/memory.h"

#include <sys/mman.h>

void memory_prefer_large_pages(void *data, size_t size)
{
    // Memory that an allocator hands out again is still mapped in small pages, and stays so until
    // it is given back to the system. Without large pages everything works, only slower.
    (void)madvise(data, size, MADV_HUGEPAGE);
    (void)madvise(data, size, MADV_DONTNEED);
}

void memory_allow_large_pages(void *data, size_t size)
{
    (void)madvise(data, size, MADV_HUGEPAGE);
}
