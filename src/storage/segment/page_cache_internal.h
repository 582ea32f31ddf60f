#pragma once

/*
 * The cache as a segment uses it.
 *
 * A slot is NULL (not here), PAGE_LOADING (somebody is reading it), or a page. Inside an epoch a
 * page found in a slot may be used; a pin makes it outlast the epoch (G3).
 */

#include "os/env.h"
#include "storage/segment/page.h"
#include "storage/segment/page_cache.h"

typedef struct page *_Atomic page_slot;

#define PAGE_LOADING            ((struct page *)1)
#define PAGE_RAW_SIZE_MAX       ((uint32_t)1 << 29)
#define PAGE_COMPRESSED_RAW_MAX ((uint32_t)16 << 20) /* Larger payloads are not compressed. */
#define PAGE_LOAD_COUNT_MAX     64u                  /* Pages of one batch. */
#define PAGE_USE_COUNT_MAX      3u

/* Where the pages of a segment come from. */
struct page_source {
    const struct env *env;
    struct env_file *file;
    const char *path; /* For messages. */
    uint64_t segment_id;
    uint64_t cache_id; /* Unique among the segments that were ever open (page_cache_new_id()). */
};

/* One page to load. */
struct page_request {
    page_slot *slot;
    uint64_t offset;      /* In the file, of the page's header. */
    uint32_t stored_size; /* Header included. */
    uint32_t page_index;  /* In the segment; for messages and the ghost queue. */
    uint32_t place;       /* page_place() */
    uint32_t row_count;
    struct type type;
    bool packed_only; /* An integer key: anything but PAGE_PACKED is corrupt (G5). */
};

uint64_t page_cache_new_id(struct page_cache *cache);
struct epoch *page_cache_epoch(const struct page_cache *cache);

/* The page of a slot, or NULL while it is not here. Inside an epoch. */
static inline struct page *page_cache_peek(page_slot *slot)
{
    struct page *page = atomic_load_explicit(slot, memory_order_acquire);
    return page == PAGE_LOADING ? NULL : page;
}

/* Tells the cache that a page was useful. Writes only until the count is full, so that hot pages
 * stay shared between cores. */
static inline void page_touch(struct page *page)
{
    uint8_t count = atomic_load_explicit(&page->use_count, memory_order_relaxed);
    if (count < PAGE_USE_COUNT_MAX) {
        atomic_store_explicit(&page->use_count, (uint8_t)(count + 1), memory_order_relaxed);
    }
}

/* Keeps a page found inside an epoch. */
static inline void page_pin(struct page *page)
{
    (void)atomic_fetch_add_explicit(&page->reference_count, 1, memory_order_relaxed);
}

/* Lets go of a pin; the last one frees the page. Fits batch_pin(). */
void page_release(void *held);

/*
 * Returns the pages of the requests, each pinned, loading what is not here in one batch of reads.
 * `count` <= PAGE_LOAD_COUNT_MAX. On failure nothing is pinned. [waits] Not inside an epoch.
 *
 *   TDBPLUS_E_CORRUPT  names file and offset;  TDBPLUS_E_NOMEM  even after evicting;  TDBPLUS_E_IO
 */
TDBPLUS_CHECKED tdbplus_status page_cache_load(struct page_cache *cache,
                                               const struct page_source *source,
                                               const struct page_request *requests, uint32_t count,
                                               struct page **pages_out, struct err *err);

/* Reads one page for the caller alone, as if there were no cache: it is freed with its pin. For
 * pages that would push too much out. The statuses of page_cache_load(). [waits] */
TDBPLUS_CHECKED tdbplus_status page_cache_read_past(struct page_cache *cache,
                                                    const struct page_source *source,
                                                    const struct page_request *request,
                                                    struct page **page_out, struct err *err);

/* May pages that nobody has asked for, `size` bytes of them, be loaded too, up to that part of the
 * capacity? */
bool page_cache_has_room(const struct page_cache *cache, size_t size, uint32_t percent);
size_t page_cache_capacity(const struct page_cache *cache);

/* Counts lookups that found their page; called now and then with many. */
void page_cache_count_hits(struct page_cache *cache, uint64_t count);

/* Forgets the pages of those slots, but for the ones being loaded. */
void page_cache_drop(struct page_cache *cache, page_slot *slots, uint32_t count);
