#include "os/memory.h"

#include <sys/mman.h>

void memory_prefer_large_pages(void *data, size_t size)
{
    // Without large pages everything still works, only slower.
    (void)madvise(data, size, MADV_HUGEPAGE);
}
