/* The lock table alone, one thread, nobody else there: lock and unlock. */

#include "base/hash.h"
#include "bench.h"
#include "locks/lock_table.h"

#define BATCH_SIZE 1000u

struct work {
    struct lock_table *table;
    struct lock_owner owner;
    uint64_t operations;
    uint32_t batch;
    uint64_t next;
};

static uint64_t lock_and_release(void *ctx)
{
    struct work *work = ctx;
    const struct call call = {.alloc = &alloc_system};
    uint64_t taken = 0;
    for (uint64_t i = 0; i < work->operations; i += work->batch) {
        for (uint32_t k = 0; k < work->batch; k++) {
            const struct lock_request request = {
                .table = 42, .hash = hash_u64(work->next++), .mode = LOCK_ROW_UPDATE};
            taken += lock_table_acquire(&work->owner, &request, &call) == TDBPLUS_OK;
        }
        lock_owner_release_all(&work->owner);
    }
    return taken;
}

static uint64_t ask_free(void *ctx)
{
    struct work *work = ctx;
    uint64_t free_count = 0;
    for (uint64_t i = 0; i < work->operations; i++) {
        free_count += lock_table_row_free(work->table, 42, hash_u64(work->next++), NULL);
    }
    return free_count;
}

static void measure(struct bench *bench, const char *what, uint32_t batch, bench_work fn)
{
    struct work work = {.operations = bench->check ? BATCH_SIZE : 200u * BATCH_SIZE,
                        .batch = batch};
    const struct lock_table_options options = {.env = env_real(), .alloc = &alloc_system};
    if (lock_table_create(&options, &work.table, NULL) != TDBPLUS_OK) {
        bench->failed = true;
        return;
    }
    lock_owner_init(&work.owner, work.table, 1);
    bench_measure(bench, what, work.operations, 0, fn, &work);
    lock_owner_deinit(&work.owner);
    lock_table_destroy(work.table);
}

BENCH(lock_row)
{
    measure(bench, "lock and unlock, one at a time", 1, lock_and_release);
    measure(bench, "lock and unlock, 1,000 at a time", BATCH_SIZE, lock_and_release);
    measure(bench, "is the row free? nothing locked", 1, ask_free);
}
