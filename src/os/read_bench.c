/* Random reads of 4 KiB: one after another and in batches; from the page cache, with the cache
 * dropped before each round, and past it. The file lies in the working directory. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hash.h"
#include "bench.h"
#include "os/env.h"
#include "os/fiber.h"

#define PAGE       4096u
#define PAGES_FULL (UINT64_C(131072) * 4) /* 2 GiB. */
#define PAGES_TINY 256u
#define READS      4096u

struct read_work {
    struct env_file *file;
    uint64_t pages;
    uint32_t depth; /* 1: plain reads. */
    int drop_fd;    /* The file's cache is dropped before each round; -1: not. */
    uint8_t *buffer;
    uint64_t sum;
    struct fiber_pool *pool;
    struct env_event done;
};

static void read_pages(void *arg)
{
    struct read_work *work = arg;
    static struct env_read_request requests[READS];
    work->sum = 0;
    if (work->drop_fd >= 0) {
        (void)posix_fadvise(work->drop_fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    for (uint32_t i = 0; i < READS; i += work->depth) {
        for (uint32_t k = 0; k < work->depth; k++) {
            requests[k] = (struct env_read_request){
                .offset = hash_u64(i + k) % work->pages * PAGE,
                .data = work->buffer + (size_t)k * PAGE,
                .size = PAGE,
            };
        }
        tdbplus_status status =
            work->depth == 1
                ? env_read(env_real(), work->file, requests[0].offset, requests[0].data, PAGE, NULL)
                : env_read_batch(env_real(), work->file, requests, work->depth, NULL);
        ASSERT(status == TDBPLUS_OK);
        for (uint32_t k = 0; k < work->depth; k++) {
            work->sum += requests[k].offset ^ work->buffer[(size_t)k * PAGE];
        }
    }
}

static uint64_t run_reads(void *ctx)
{
    struct read_work *work = ctx;
    read_pages(work);
    return work->sum;
}

static void tell_done(void *arg)
{
    struct read_work *work = arg;
    env_event_set(env_real(), &work->done);
}

static uint64_t run_reads_on_fiber(void *ctx)
{
    struct read_work *work = ctx;
    bool ended = false;
    tdbplus_status status = fiber_run(work->pool, read_pages, tell_done, work, &ended, NULL);
    ASSERT(status == TDBPLUS_OK);
    if (!ended) {
        bool told = env_event_wait(env_real(), &work->done, ENV_DEADLINE_NONE);
        ASSERT(told);
    }
    return work->sum;
}

static void fill_file(const char *path, uint64_t pages)
{
    struct env_file *file = NULL;
    static uint8_t chunk[64 * PAGE];
    tdbplus_status status =
        env_open(env_real(), path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, &file, NULL);
    for (uint64_t page = 0; page < pages && status == TDBPLUS_OK; page += 64) {
        for (uint32_t i = 0; i < 64; i++) {
            chunk[i * PAGE] = (uint8_t)hash_u64(page + i);
        }
        status = env_write(env_real(), file, page * PAGE, chunk, sizeof chunk, NULL);
    }
    ASSERT(status == TDBPLUS_OK);
    status = env_sync(env_real(), file, NULL);
    ASSERT(status == TDBPLUS_OK);
    env_close(env_real(), file);
}

static void measure_all(struct bench *bench, const char *path, struct read_work *work)
{
    static const struct {
        const char *what;
        uint32_t flags;
        uint32_t depth;
        bool drop;
        bool fiber;
    } variants[] = {
        {"cached, one by one", 0, 1, false, false},
        {"cached, batches of 64", 0, 64, false, false},
        {"cached, batches of 64 on a fiber", 0, 64, false, true},
        {"cache dropped, one by one", 0, 1, true, false},
        {"cache dropped, batches of 64", 0, 64, true, false},
        {"direct, one by one", ENV_OPEN_DIRECT, 1, false, false},
        {"direct, batches of 8", ENV_OPEN_DIRECT, 8, false, false},
        {"direct, batches of 64", ENV_OPEN_DIRECT, 64, false, false},
        {"direct, one by one on a fiber", ENV_OPEN_DIRECT, 1, false, true},
        {"direct, batches of 64 on a fiber", ENV_OPEN_DIRECT, 64, false, true},
    };
    int drop_fd = open(path, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        tdbplus_status status =
            env_open(env_real(), path, ENV_OPEN_READ | variants[i].flags, &work->file, NULL);
        ASSERT(status == TDBPLUS_OK);
        work->depth = variants[i].depth;
        work->drop_fd = variants[i].drop ? drop_fd : -1;
        bench_measure(bench, variants[i].what, READS, (uint64_t)READS * PAGE,
                      variants[i].fiber ? run_reads_on_fiber : run_reads, work);
        env_close(env_real(), work->file);
    }
    (void)close(drop_fd);
}

BENCH(read)
{
    char path[] = "./read_bench.XXXXXX";
    int fd = mkstemp(path);
    ASSERT(fd >= 0);
    (void)close(fd);
    struct read_work work = {.pages = bench->check ? PAGES_TINY : PAGES_FULL};
    work.buffer = alloc_system.resize(NULL, NULL, 0, (size_t)64 * PAGE, PAGE);
    ASSERT(work.buffer != NULL);
    tdbplus_status status = fiber_pool_create(&alloc_system, 2, &work.pool, NULL);
    ASSERT(status == TDBPLUS_OK);
    fill_file(path, work.pages);
    measure_all(bench, path, &work);
    fiber_pool_destroy(work.pool);
    (void)alloc_system.resize(NULL, work.buffer, (size_t)64 * PAGE, 0, PAGE);
    (void)unlink(path);
}
