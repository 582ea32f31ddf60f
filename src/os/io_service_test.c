/*
 * Goal: many reads and syncs at once bring the same bytes and the same errors as one by one,
 * through a ring, through threads, on fibers and on threads. Method: random batches over a known
 * file, past the page cache and through it, with ranges past the end among them.
 */

#include "os/io_service_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "os/fiber.h"
#include "test.h"

#define FILE_SIZE (UINT64_C(300) * 4096 + 100)
#define READERS   24u
#define BATCH     100u /* More than one window. */

static char file_path[] = "./io_service_test.XXXXXX";

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)hash_u64(offset / 8) + (uint8_t)offset;
}

/* A file whose every byte is known; dropped from the cache, so that reads have to wait. */
static struct env_file *make_file(uint32_t flags)
{
    static uint8_t data[FILE_SIZE];
    for (uint64_t i = 0; i < FILE_SIZE; i++) {
        data[i] = byte_at(i);
    }
    memcpy(file_path + sizeof file_path - 7, "XXXXXX", 6);
    int fd = mkstemp(file_path);
    CHECK(fd >= 0);
    struct env_file *file = NULL;
    CHECK(env_open(env_real(), file_path, ENV_OPEN_READ | ENV_OPEN_WRITE | flags, &file, NULL) ==
          TDBPLUS_OK);
    CHECK(env_write(env_real(), file, 0, data, sizeof data, NULL) == TDBPLUS_OK);
    CHECK(env_sync(env_real(), file, NULL) == TDBPLUS_OK);
    CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    CHECK(close(fd) == 0);
    CHECK(unlink(file_path) == 0);
    return file;
}

struct reader {
    struct env_file *file;
    uint64_t seed;
    _Atomic uint32_t *running;
    struct env_event *all_done;
    bool was_fiber;
};

static void check_batch(struct reader *reader, uint8_t *memory)
{
    struct env_read_request requests[BATCH];
    tdbplus_status expected = TDBPLUS_OK;
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t draw = hash_u64(reader->seed++);
        uint32_t unit = draw % 2 == 0 ? 4096 : 1; // Direct and not.
        requests[i] = (struct env_read_request){
            .offset = draw / 8 % (FILE_SIZE / unit) * unit,
            .data = memory + (size_t)i * 8192,
            .size = unit == 4096 ? 4096 : draw / 4096 % 5000,
            .status = TDBPLUS_E_INTERNAL,
        };
        if (requests[i].size > 0 && requests[i].offset + requests[i].size > FILE_SIZE) {
            expected = TDBPLUS_E_CORRUPT;
        }
    }
    struct err err = {0};
    CHECK(env_read_batch(env_real(), reader->file, requests, BATCH, &err) == expected);
    CHECK(err.status == expected);
    for (uint32_t i = 0; i < BATCH; i++) {
        const struct env_read_request *request = &requests[i];
        const uint8_t *data = request->data;
        bool inside = request->size == 0 || request->offset + request->size <= FILE_SIZE;
        CHECK(request->status == (inside ? TDBPLUS_OK : TDBPLUS_E_CORRUPT));
        for (size_t k = 0; inside && k < request->size; k++) {
            CHECK(data[k] == byte_at(request->offset + k));
        }
    }
}

static void read_at_random(void *arg)
{
    struct reader *reader = arg;
    void *memory = NULL;
    CHECK(posix_memalign(&memory, 4096, (size_t)BATCH * 8192) == 0);
    reader->was_fiber = fiber_active();
    for (uint32_t round = 0; round < 4; round++) {
        check_batch(reader, memory);
        uint8_t byte = 0;
        uint64_t offset = hash_u64(reader->seed++) % FILE_SIZE;
        CHECK(env_read(env_real(), reader->file, offset, &byte, 1, NULL) == TDBPLUS_OK);
        CHECK(byte == byte_at(offset));
        CHECK(env_read(env_real(), reader->file, FILE_SIZE - 1, memory, 2, NULL) ==
              TDBPLUS_E_CORRUPT);
        CHECK(env_sync(env_real(), reader->file, NULL) == TDBPLUS_OK);
        CHECK(env_sync_directory(env_real(), ".", NULL) == TDBPLUS_OK);
    }
    free(memory);
}

static void reader_done(void *arg)
{
    struct reader *reader = arg;
    if (atomic_fetch_sub(reader->running, 1) == 1) {
        env_event_set(env_real(), reader->all_done);
    }
}

static void read_on_fibers(uint32_t flags)
{
    struct fiber_pool *pool = NULL;
    CHECK(fiber_pool_create(&alloc_system, 2, &pool, NULL) == TDBPLUS_OK);
    struct reader readers[READERS];
    _Atomic uint32_t running = READERS;
    struct env_event all_done = {0};
    struct env_file *file = make_file(flags);
    for (uint32_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){
            .file = file, .seed = (uint64_t)i << 32, .running = &running, .all_done = &all_done};
        bool ended = false;
        CHECK(fiber_run(pool, read_at_random, reader_done, &readers[i], &ended, NULL) ==
              TDBPLUS_OK);
        if (ended) {
            reader_done(&readers[i]);
        }
    }
    CHECK(env_event_wait(env_real(), &all_done, ENV_DEADLINE_NONE));
    for (uint32_t i = 0; i < READERS; i++) {
        CHECK(readers[i].was_fiber);
    }
    env_close(env_real(), file);
    fiber_pool_destroy(pool);
}

TEST(fibers_read_and_sync_through_a_ring)
{
    read_on_fibers(0);
    read_on_fibers(ENV_OPEN_DIRECT);
}

TEST(fibers_read_and_sync_through_threads)
{
    CHECK(setenv("TDB_IO", "threads", 1) == 0);
    CHECK(!io_uring_allowed());
    read_on_fibers(0);
    read_on_fibers(ENV_OPEN_DIRECT);
    CHECK(unsetenv("TDB_IO") == 0);
    CHECK(io_uring_allowed());
}

TEST(threads_read_in_batches)
{
    for (uint32_t flags = 0; flags <= ENV_OPEN_DIRECT; flags += ENV_OPEN_DIRECT) {
        struct env_file *file = make_file(flags);
        struct reader readers[4];
        struct env_task *tasks[4];
        for (uint32_t i = 0; i < 4; i++) {
            readers[i] = (struct reader){.file = file, .seed = (uint64_t)i << 32};
            CHECK(env_task_start(env_real(), "reader", read_at_random, &readers[i], &tasks[i],
                                 NULL) == TDBPLUS_OK);
        }
        for (uint32_t i = 0; i < 4; i++) {
            env_task_join(env_real(), tasks[i]);
            CHECK(!readers[i].was_fiber);
        }
        env_close(env_real(), file);
    }
}

/* A child may not use its parent's rings: completions would go astray. */
TEST(a_forked_child_reads_by_itself)
{
    struct env_file *file = make_file(ENV_OPEN_DIRECT);
    struct reader reader = {.file = file};
    read_at_random(&reader); // Now there is a ring to inherit.
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        read_at_random(&reader);
        _exit(7);
    }
    read_at_random(&reader);
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 7);
    env_close(env_real(), file);
}

/* Without a file descriptor to spare there is no ring, but reads go on. */
TEST(reads_go_on_where_a_ring_is_refused)
{
    struct env_file *file = make_file(ENV_OPEN_DIRECT);
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit limit = {0};
        CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
        limit.rlim_cur = (rlim_t)dup(0);
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        CHECK(dup(0) < 0 && dup(0) < 0);
        struct io_service *service = NULL;
        CHECK(io_service_create(&alloc_system, true, &service, NULL) == TDBPLUS_OK);
        CHECK(!io_service_is_uring(service));
        io_service_destroy(service);
        struct reader reader = {.file = file};
        uint8_t *memory = NULL;
        CHECK(posix_memalign((void **)&memory, 4096, (size_t)BATCH * 8192) == 0);
        check_batch(&reader, memory);
        _exit(7);
    }
    int result = 0;
    CHECK(waitpid(child, &result, 0) == child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 7);
    env_close(env_real(), file);
}

/* ---- the service by itself ---- */

/* Errors come back as they are, whichever way. */
static void check_service(bool use_uring)
{
    struct io_service *service = NULL;
    CHECK(io_service_create(&alloc_system, use_uring, &service, NULL) == TDBPLUS_OK);
    CHECK(use_uring || !io_service_is_uring(service));
    uint8_t byte = 0;
    struct io_batch batch = {.left = 3};
    struct io_op ops[3] = {
        {.kind = IO_READ, .fd = -1, .data = &byte, .size = 1, .batch = &batch},
        {.kind = IO_SYNC_DATA, .fd = -1, .batch = &batch},
        {.kind = IO_SYNC_ALL, .fd = -1, .batch = &batch},
    };
    io_service_submit(service, ops, 3);
    CHECK(env_event_wait(env_real(), &batch.done, ENV_DEADLINE_NONE));
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(ops[i].result == -EBADF);
    }
    io_service_destroy(service);
}

TEST(the_service_tells_errors)
{
    check_service(true);
    check_service(false);
    io_service_destroy(NULL);
}

TEST(service_create_survives_every_failed_allocation)
{
    for (uint32_t fail_at = 0; fail_at < 2; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct io_service *service = NULL;
        tdbplus_status status = io_service_create(&fault.alloc, true, &service, NULL);
        CHECK(status == (fail_at == 0 ? TDBPLUS_E_NOMEM : TDBPLUS_OK));
        io_service_destroy(service);
        CHECK(fault.live_bytes == 0);
    }
}
