/*
 * S3-FIFO under one latch, which only misses take: a hit is a load of the slot. A miss costs a read
 * of tens of kilobytes, beside which a few dozen instructions under a latch do not show.
 */

#include "storage/segment/page_cache.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/plant.h"
#include "os/latch.h"
#include "storage/segment/page_cache_internal.h"
#include "storage/segment/page_compression.h"
#include "storage/segment/page_memory.h"

#define SMALL_SHARE     10u /* The small queue may have a tenth of the capacity. */
#define GHOST_SLOTS     16384u
#define CHUNK_THRESHOLD ((size_t)8 << 20) /* Smaller caches do without large pages. */
#define EVICT_TRIES     64u /* How often memory is looked for before a load gives up. */

enum page_queue {
    PAGE_QUEUE_NONE = 0,
    PAGE_QUEUE_SMALL = 1,
    PAGE_QUEUE_MAIN = 2,
};

struct page_queue_list {
    struct page *newest;
    struct page *oldest;
    size_t size_bytes;
};

/* Somebody who waits for a page that another one loads. On the waiter's stack. */
struct page_waiter {
    struct page_waiter *next;
    page_slot *slot;
    const struct env *env;
    struct env_event event;
};

struct page_cache {
    const struct alloc *alloc;
    struct page_memory *memory; /* Outlives the cache while pages are pinned. */
    struct epoch *epoch;
    struct latch latch; /* Protects everything up to `ghost`. */
    struct page_queue_list small;
    struct page_queue_list main;
    struct page_waiter *waiters;
    uint64_t ghost_time;
    uint64_t ghost[GHOST_SLOTS]; /* Identity in the high bits, time of eviction in the low 32. */
    _Atomic size_t capacity_bytes;
    _Atomic uint64_t hit_count;
    _Atomic uint64_t miss_count;
    _Atomic uint64_t evicted_count;
    _Atomic uint64_t page_count;
    _Atomic uint64_t size_bytes;
    _Atomic uint64_t read_bytes;
    _Atomic uint64_t id_next;
};

tdbplus_status page_cache_create(size_t capacity_bytes, const struct alloc *alloc,
                                 struct epoch *epoch, struct page_cache **cache_out,
                                 struct err *err)
{
    struct page_cache *cache = alloc_array(alloc, 1, sizeof *cache);
    if (cache == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "page cache: no memory for the cache itself");
    }
    cache->memory = page_memory_create(alloc, CHUNK_THRESHOLD);
    if (cache->memory == NULL) {
        alloc_free(alloc, cache, 1, sizeof *cache);
        return err_set(err, TDBPLUS_E_NOMEM, "page cache: no memory for the cache itself");
    }
    cache->alloc = alloc;
    cache->epoch = epoch;
    atomic_init(&cache->capacity_bytes, capacity_bytes);
    *cache_out = cache;
    return TDBPLUS_OK;
}

void page_cache_destroy(struct page_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    ASSERT(cache->small.newest == NULL && cache->main.newest == NULL);
    page_memory_destroy(cache->memory);
    alloc_free(cache->alloc, cache, 1, sizeof *cache);
}

uint64_t page_cache_new_id(struct page_cache *cache)
{
    return atomic_fetch_add(&cache->id_next, 1);
}

struct epoch *page_cache_epoch(const struct page_cache *cache)
{
    return cache->epoch;
}

void page_cache_count_hits(struct page_cache *cache, uint64_t count)
{
    atomic_fetch_add_explicit(&cache->hit_count, count, memory_order_relaxed);
}

void page_cache_get_statistics(const struct page_cache *cache,
                               struct page_cache_statistics *statistics_out)
{
    *statistics_out = (struct page_cache_statistics){
        .hit_count = atomic_load(&cache->hit_count),
        .miss_count = atomic_load(&cache->miss_count),
        .evicted_count = atomic_load(&cache->evicted_count),
        .page_count = atomic_load(&cache->page_count),
        .size_bytes = atomic_load(&cache->size_bytes),
        .capacity_bytes = atomic_load(&cache->capacity_bytes),
        .read_bytes = atomic_load(&cache->read_bytes),
    };
}

/* ---- pages ---- */

static struct page *make_page(struct page_cache *cache, size_t raw_size)
{
    size_t size = PAGE_MEMORY_SIZE(raw_size);
    bool chunked = false;
    struct page *page = page_memory_alloc(cache->memory, size, &chunked);
    if (page == NULL) {
        return NULL;
    }
    memset(page, 0, PAGE_PAYLOAD_OFFSET);
    memset((uint8_t *)page + size - SIMD_PACKED_SLACK, 0, SIMD_PACKED_SLACK);
    page->memory = cache->memory;
    page->memory_size = size;
    page->chunked = chunked;
    return page;
}

static void free_page(struct page *page)
{
    if (page != NULL) {
        page_memory_free(page->memory, page, page->memory_size, page->chunked);
    }
}

void page_release(void *held)
{
    struct page *page = held;
    if (atomic_fetch_sub_explicit(&page->reference_count, 1, memory_order_acq_rel) == 1) {
        free_page(page);
    }
}

static void release_garbage(struct epoch_garbage *garbage)
{
    page_release((uint8_t *)garbage - offsetof(struct page, garbage));
}

/* ---- queues, under the latch ---- */

static struct page_queue_list *queue_of(struct page_cache *cache, const struct page *page)
{
    return page->queue == PAGE_QUEUE_SMALL ? &cache->small : &cache->main;
}

static void push_page(struct page_cache *cache, struct page *page, enum page_queue queue)
{
    page->queue = (uint8_t)queue;
    struct page_queue_list *list = queue_of(cache, page);
    page->next = list->newest;
    page->previous = NULL;
    if (list->newest != NULL) {
        list->newest->previous = page;
    } else {
        list->oldest = page;
    }
    list->newest = page;
    list->size_bytes += page->memory_size;
}

static void unlink_page(struct page_cache *cache, struct page *page)
{
    struct page_queue_list *list = queue_of(cache, page);
    if (page->previous != NULL) {
        page->previous->next = page->next;
    } else {
        list->newest = page->next;
    }
    if (page->next != NULL) {
        page->next->previous = page->previous;
    } else {
        list->oldest = page->previous;
    }
    list->size_bytes -= page->memory_size;
    page->queue = PAGE_QUEUE_NONE;
}

/* Takes a page out of queue and slot; it is freed when nobody can see it any more. */
static void remove_page(struct page_cache *cache, struct page *page)
{
    unlink_page(cache, page);
    atomic_store_explicit(page->slot, NULL, memory_order_release);
    page->slot = NULL;
    atomic_fetch_sub(&cache->page_count, 1);
    atomic_fetch_sub(&cache->size_bytes, page->memory_size);
    epoch_retire(cache->epoch, &page->garbage, release_garbage);
}

static void remember_ghost(struct page_cache *cache, uint64_t identity)
{
    cache->ghost_time++;
    uint64_t hash = hash_u64(identity);
    cache->ghost[hash % GHOST_SLOTS] = (hash & 0xFFFFFFFF00000000u) | (uint32_t)cache->ghost_time;
}

/* A page that left the small queue not long ago and comes back was evicted too early. */
static bool is_ghost(const struct page_cache *cache, uint64_t identity)
{
    uint64_t hash = hash_u64(identity);
    uint64_t ghost = cache->ghost[hash % GHOST_SLOTS];
    uint32_t age = (uint32_t)cache->ghost_time - (uint32_t)ghost;
    return ghost != 0 && (ghost ^ hash) >> 32 == 0 && age <= GHOST_SLOTS;
}

static void evict_small(struct page_cache *cache)
{
    struct page *page = cache->small.oldest;
    if (atomic_load_explicit(&page->use_count, memory_order_relaxed) > 1) {
        unlink_page(cache, page);
        atomic_store_explicit(&page->use_count, 0, memory_order_relaxed);
        push_page(cache, page, PAGE_QUEUE_MAIN);
        return;
    }
    remember_ghost(cache, page->identity);
    atomic_fetch_add(&cache->evicted_count, 1);
    remove_page(cache, page);
}

static void evict_main(struct page_cache *cache)
{
    struct page *page = cache->main.oldest;
    uint8_t count = atomic_load_explicit(&page->use_count, memory_order_relaxed);
    if (count > 0) {
        atomic_store_explicit(&page->use_count, (uint8_t)(count - 1), memory_order_relaxed);
        unlink_page(cache, page);
        push_page(cache, page, PAGE_QUEUE_MAIN);
        return;
    }
    atomic_fetch_add(&cache->evicted_count, 1);
    remove_page(cache, page);
}

/* Each step lowers a count or removes a page, so this ends. */
static void evict_to(struct page_cache *cache, size_t size_bytes)
{
    size_t small_share = size_bytes / SMALL_SHARE;
    while (cache->small.size_bytes + cache->main.size_bytes > size_bytes) {
        if (cache->small.oldest != NULL &&
            (cache->small.size_bytes > small_share || cache->main.oldest == NULL)) {
            evict_small(cache);
        } else {
            evict_main(cache);
        }
    }
}

void page_cache_resize(struct page_cache *cache, size_t capacity_bytes)
{
    latch_lock(&cache->latch);
    atomic_store(&cache->capacity_bytes, capacity_bytes);
    evict_to(cache, capacity_bytes);
    latch_unlock(&cache->latch);
    (void)epoch_collect(cache->epoch);
}

void page_cache_drop(struct page_cache *cache, page_slot *slots, uint32_t count)
{
    latch_lock(&cache->latch);
    for (uint32_t i = 0; i < count; i++) {
        struct page *page = atomic_load_explicit(&slots[i], memory_order_relaxed);
        if (page != NULL && page != PAGE_LOADING) {
            remove_page(cache, page);
        }
    }
    latch_unlock(&cache->latch);
    (void)epoch_collect(cache->epoch);
}

/* ---- loading ---- */

/* Memory for a page; old pages give way when there is none. [waits] */
static struct page *make_page_evicting(struct page_cache *cache, const struct env *env,
                                       size_t raw_size)
{
    struct page *page = make_page(cache, raw_size);
    for (uint32_t i = 0; page == NULL && i < EVICT_TRIES; i++) {
        size_t held = (size_t)atomic_load(&cache->size_bytes);
        size_t wanted = PAGE_MEMORY_SIZE(raw_size);
        latch_lock(&cache->latch);
        evict_to(cache, held > 2 * wanted ? held - 2 * wanted : 0);
        latch_unlock(&cache->latch);
        if (epoch_collect(cache->epoch) && held == 0 && i > 0) {
            return NULL; // Nothing is left that could give way.
        }
        page = make_page(cache, raw_size);
        if (page == NULL) {
            env_yield(env); // Readers that hold up the freeing may leave.
        }
    }
    return page;
}

static tdbplus_status corrupt(const struct page_source *source, const struct page_request *request,
                              const char *what, struct err *err)
{
    return err_set(err, TDBPLUS_E_CORRUPT, "segment: %s: page %u at offset %llu: %s", source->path,
                   request->page_index, (unsigned long long)request->offset, what);
}

/* Gives a compressed page new memory with its raw bytes. */
static tdbplus_status decompress(struct page_cache *cache, const struct page_source *source,
                                 const struct page_request *request, struct page_header *header,
                                 struct page **page_inout, struct err *err)
{
    struct page *stored = *page_inout;
    if (header->raw_size > PAGE_COMPRESSED_RAW_MAX) {
        return corrupt(source, request, "its size is impossible", err);
    }
    struct page *raw = make_page_evicting(cache, source->env, header->raw_size);
    if (raw == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for a page of %u bytes",
                       header->raw_size);
    }
    struct span bytes = {page_payload(stored), header->stored_size};
    if (!page_decompress(header->compression, bytes, page_payload(raw), header->raw_size)) {
        free_page(raw);
        return corrupt(source, request, "it cannot be decompressed", err);
    }
    free_page(stored);
    *page_inout = raw;
    return TDBPLUS_OK;
}

/* Checks what was read; *page_inout may be replaced. */
static tdbplus_status verify_page(struct page_cache *cache, const struct page_source *source,
                                  const struct page_request *request, struct page **page_inout,
                                  struct err *err)
{
    struct page_header header;
    const uint8_t *payload = page_payload(*page_inout);
    memcpy(&header, payload - sizeof header, sizeof header);
    if (header.stored_size != request->stored_size - sizeof header) {
        return corrupt(source, request, "its size is wrong", err);
    }
    if (header.crc != page_crc(source->segment_id, &header, payload) &&
        !planted(PLANT_PAGE_UNCHECKED)) {
        return corrupt(source, request, "its checksum does not hold", err);
    }
    if (header.place != request->place) {
        return corrupt(source, request, "it is another page", err);
    }
    if (header.compression != PAGE_COMPRESSION_NONE) {
        TRY(decompress(cache, source, request, &header, page_inout, err));
    } else if (header.raw_size != header.stored_size) {
        return corrupt(source, request, "its size is wrong", err);
    }
    if ((request->packed_only && header.encoding != PAGE_PACKED) ||
        !page_check(*page_inout, &header, request->type, request->row_count)) {
        return corrupt(source, request, "its values break the rules of their encoding", err);
    }
    return TDBPLUS_OK;
}

static void wake_waiters(struct page_cache *cache, page_slot *slot)
{
    for (struct page_waiter **at = &cache->waiters; *at != NULL;) {
        struct page_waiter *waiter = *at;
        if (waiter->slot == slot) {
            *at = waiter->next;
            env_event_set(waiter->env, &waiter->event);
        } else {
            at = &waiter->next;
        }
    }
}

/* Publishes a loaded page (pinned for the caller), or takes the claim back when it is NULL. */
static void settle_claim(struct page_cache *cache, const struct page_source *source,
                         const struct page_request *request, struct page *page)
{
    latch_lock(&cache->latch);
    if (page != NULL) {
        page->identity = hash_combine(source->cache_id, request->page_index);
        page->slot = request->slot;
        atomic_store_explicit(&page->reference_count, 2, memory_order_relaxed);
        push_page(cache, page,
                  is_ghost(cache, page->identity) ? PAGE_QUEUE_MAIN : PAGE_QUEUE_SMALL);
        atomic_fetch_add(&cache->page_count, 1);
        atomic_fetch_add(&cache->size_bytes, page->memory_size);
    }
    atomic_store_explicit(request->slot, page, memory_order_release);
    wake_waiters(cache, request->slot);
    evict_to(cache, atomic_load_explicit(&cache->capacity_bytes, memory_order_relaxed));
    latch_unlock(&cache->latch);
}

/* Waits until nobody is loading the slot any more. [waits] */
static void wait_for_load(struct page_cache *cache, const struct env *env, page_slot *slot)
{
    struct page_waiter waiter = {.slot = slot, .env = env};
    latch_lock(&cache->latch);
    bool loading = atomic_load_explicit(slot, memory_order_relaxed) == PAGE_LOADING;
    if (loading) {
        waiter.next = cache->waiters;
        cache->waiters = &waiter;
    }
    latch_unlock(&cache->latch);
    if (loading) {
        (void)env_event_wait(env, &waiter.event, ENV_DEADLINE_NONE);
        // The one who set the event holds the latch until it is done with it.
        latch_lock(&cache->latch);
        latch_unlock(&cache->latch);
    }
}

enum claim {
    CLAIM_FOUND = 1, /* *page_out is pinned. */
    CLAIM_MINE = 2,  /* The caller loads it and must settle the claim. */
    CLAIM_OTHER = 3, /* Somebody else is loading it. */
};

static enum claim claim_page(struct page_cache *cache, page_slot *slot, struct page **page_out)
{
    struct epoch_ticket ticket = epoch_enter(cache->epoch);
    struct page *page = atomic_load_explicit(slot, memory_order_acquire);
    enum claim claim = CLAIM_OTHER;
    if (page == NULL) {
        claim =
            atomic_compare_exchange_strong(slot, &page, PAGE_LOADING) ? CLAIM_MINE : CLAIM_OTHER;
    }
    if (claim != CLAIM_MINE && page != NULL && page != PAGE_LOADING) {
        page_touch(page);
        page_pin(page);
        *page_out = page;
        claim = CLAIM_FOUND;
    }
    epoch_exit(cache->epoch, ticket);
    return claim;
}

/* One call of page_cache_load(). */
struct load {
    struct page_cache *cache;
    const struct page_source *source;
    const struct page_request *requests;
    uint32_t claimed[PAGE_LOAD_COUNT_MAX]; /* Requests that are ours to load. */
    uint32_t claimed_count;
    struct page *pages[PAGE_LOAD_COUNT_MAX];
};

/* Memory for every claimed page, and the reads into it. On failure some pages stay NULL. */
static tdbplus_status plan_reads(struct load *load, struct env_read_request *reads, struct err *err)
{
    for (uint32_t i = 0; i < load->claimed_count; i++) {
        const struct page_request *request = &load->requests[load->claimed[i]];
        uint32_t raw_size = request->stored_size - (uint32_t)sizeof(struct page_header);
        struct page *page = make_page_evicting(load->cache, load->source->env, raw_size);
        if (page == NULL) {
            return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for a page of %u bytes",
                           raw_size);
        }
        load->pages[load->claimed[i]] = page;
        reads[i] = (struct env_read_request){
            .offset = request->offset,
            .data = page_payload(page) - sizeof(struct page_header),
            .size = request->stored_size,
        };
    }
    return TDBPLUS_OK;
}

static tdbplus_status read_pages(struct load *load, struct err *err)
{
    struct env_read_request reads[PAGE_LOAD_COUNT_MAX] = {0};
    const struct page_source *source = load->source;
    TRY(plan_reads(load, reads, err));
    uint64_t size = 0;
    for (uint32_t i = 0; i < load->claimed_count; i++) {
        size += reads[i].size;
    }
    atomic_fetch_add_explicit(&load->cache->read_bytes, size, memory_order_relaxed);
    if (load->claimed_count == 1) {
        return env_read(source->env, source->file, reads[0].offset, reads[0].data, reads[0].size,
                        err);
    }
    return env_read_batch(source->env, source->file, reads, load->claimed_count, err);
}

/* Reads, checks and settles the pages of the claimed requests. */
static tdbplus_status load_claimed(struct load *load, struct err *err)
{
    tdbplus_status status = read_pages(load, err);
    for (uint32_t i = 0; i < load->claimed_count; i++) {
        uint32_t index = load->claimed[i];
        struct page *page = load->pages[index];
        if (status == TDBPLUS_OK) {
            status = verify_page(load->cache, load->source, &load->requests[index], &page, err);
        }
        if (status != TDBPLUS_OK) {
            free_page(page);
            page = NULL;
        }
        load->pages[index] = page;
        settle_claim(load->cache, load->source, &load->requests[index], page);
    }
    atomic_fetch_add_explicit(&load->cache->miss_count, load->claimed_count, memory_order_relaxed);
    return status;
}

/* Pins what is here and claims what nobody loads. Returns a slot somebody else loads, or NULL. */
static page_slot *claim_pages(struct load *load, uint32_t count, uint32_t *found)
{
    page_slot *busy = NULL;
    load->claimed_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (load->pages[i] != NULL) {
            continue;
        }
        switch (claim_page(load->cache, load->requests[i].slot, &load->pages[i])) {
        case CLAIM_FOUND:
            (*found)++;
            break;
        case CLAIM_MINE:
            load->claimed[load->claimed_count++] = i;
            break;
        case CLAIM_OTHER:
        default:
            busy = load->requests[i].slot;
        }
    }
    return busy;
}

tdbplus_status page_cache_load(struct page_cache *cache, const struct page_source *source,
                               const struct page_request *requests, uint32_t count,
                               struct page **pages_out, struct err *err)
{
    ASSERT(count <= PAGE_LOAD_COUNT_MAX);
    struct load load = {.cache = cache, .source = source, .requests = requests};
    tdbplus_status status = TDBPLUS_OK;
    uint32_t found = 0;
    while (found < count && status == TDBPLUS_OK) {
        page_slot *busy = claim_pages(&load, count, &found);
        // Our own loads come first: whoever waits while holding a claim could wait for ever.
        if (load.claimed_count > 0) {
            status = load_claimed(&load, err);
            found += load.claimed_count;
        } else if (busy != NULL) {
            wait_for_load(cache, source->env, busy);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (status == TDBPLUS_OK) {
            pages_out[i] = load.pages[i];
        } else if (load.pages[i] != NULL) {
            page_release(load.pages[i]);
        }
    }
    (void)epoch_collect(cache->epoch);
    return status;
}

tdbplus_status page_cache_read_past(struct page_cache *cache, const struct page_source *source,
                                    const struct page_request *request, struct page **page_out,
                                    struct err *err)
{
    uint32_t raw_size = request->stored_size - (uint32_t)sizeof(struct page_header);
    struct page *page = make_page_evicting(cache, source->env, raw_size);
    if (page == NULL) {
        return err_set(err, TDBPLUS_E_NOMEM, "segment: no memory for a page of %u bytes", raw_size);
    }
    atomic_fetch_add_explicit(&cache->read_bytes, request->stored_size, memory_order_relaxed);
    tdbplus_status status =
        env_read(source->env, source->file, request->offset,
                 page_payload(page) - sizeof(struct page_header), request->stored_size, err);
    if (status == TDBPLUS_OK) {
        status = verify_page(cache, source, request, &page, err);
    }
    if (status != TDBPLUS_OK) {
        free_page(page);
        return status;
    }
    atomic_store_explicit(&page->reference_count, 1, memory_order_relaxed);
    *page_out = page;
    return TDBPLUS_OK;
}

bool page_cache_has_room(const struct page_cache *cache, size_t size, uint32_t percent)
{
    uint64_t used = atomic_load_explicit(&cache->size_bytes, memory_order_relaxed);
    return used + size <= page_cache_capacity(cache) / 100 * percent;
}

size_t page_cache_capacity(const struct page_cache *cache)
{
    return atomic_load_explicit(&cache->capacity_bytes, memory_order_relaxed);
}
