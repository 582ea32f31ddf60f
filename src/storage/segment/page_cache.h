#pragma once

/*
 * page cache: verified, decompressed, still encoded pages of all open segments of a database.
 *
 * A segment has a slot per page that points at the page while it is cached, so a hit costs one load
 * and no hash look-up. Which pages stay is decided by S3-FIFO (Yang et al., SOSP 2023): a small
 * queue for newcomers, a main queue for what was used again, a ghost queue of what left early.
 *
 * A reader inside an epoch may use a page without counting itself; one that keeps a page longer (a
 * batch with views into it) pins it.
 *
 * Threads: everything may be called at once, except create and destroy.
 */

#include "base/alloc.h"
#include "base/epoch.h"
#include "base/err.h"

struct page_cache;

/* Memory comes from `alloc`, at most `capacity_bytes` of it for pages at rest; pages being pinned
 * may exceed that. */
TDBPLUS_CHECKED tdbplus_status page_cache_create(size_t capacity_bytes, const struct alloc *alloc,
                                                 struct epoch *epoch, struct page_cache **cache_out,
                                                 struct err *err);
void page_cache_destroy(struct page_cache *cache); /* No segment may be open. */
void page_cache_resize(struct page_cache *cache, size_t capacity_bytes);

struct page_cache_statistics {
    uint64_t hit_count; /* Sampled where counting would cost more than the hit. */
    uint64_t miss_count;
    uint64_t evicted_count;
    uint64_t page_count;
    uint64_t size_bytes;
    uint64_t capacity_bytes;
    uint64_t read_bytes; /* From files. */
};

void page_cache_get_statistics(const struct page_cache *cache,
                               struct page_cache_statistics *statistics_out);
