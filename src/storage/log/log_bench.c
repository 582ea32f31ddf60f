/*
 * What the log costs: appending without syncs, commits that wait for a sync, replay. Files lie in
 * the working directory, on the real disk, and are removed at the end.
 */

#include <stdio.h>

#include "bench.h"
#include "storage/log/log_internal.h"

#define DIRECTORY       "log_bench_files"
#define PAYLOAD_SIZE    100u
#define THREADS_MAX     64u
#define RECORDS_A_ROUND ((uint64_t)1000000)

struct work {
    struct bench *bench;
    const struct env *env;
    struct log *log;
    struct latch commit_latch;
    uint64_t records; /* A round, or a thread and round. */
    uint32_t threads;
    uint32_t payload_size;
    uint64_t replayed_bytes;
};

static tdbplus_status remove_file(void *ctx, const char *name, bool is_directory)
{
    const struct env *env = ctx;
    char path[ENV_PATH_SIZE_MAX];
    if (is_directory) {
        return TDBPLUS_OK;
    }
    TRY(env_join(path, DIRECTORY, name, NULL));
    return env_unlink(env, path, NULL);
}

static void clean(struct work *work)
{
    tdbplus_status status =
        env_list(work->env, DIRECTORY, remove_file, (void *)(uintptr_t)work->env, NULL);
    if (status == TDBPLUS_OK) {
        status = env_remove_directory(work->env, DIRECTORY, NULL);
    }
    work->bench->failed |= status != TDBPLUS_OK;
}

static tdbplus_status ignore_record(void *ctx, const struct log_record *record, struct err *err)
{
    struct work *work = ctx;
    (void)err;
    work->replayed_bytes += record->lsn_end - record->lsn;
    return TDBPLUS_OK;
}

static struct log *open_log(struct work *work, bool read_only)
{
    struct log *log = NULL;
    struct err err = {0};
    struct log_options options = {.env = work->env,
                                  .alloc = &alloc_system,
                                  .directory = DIRECTORY,
                                  .database_id = 1,
                                  .read_only = read_only};
    tdbplus_status status = env_make_directory(work->env, DIRECTORY, &err);
    if (status == TDBPLUS_OK) {
        status = log_open(&options, 0, ignore_record, work, &log, NULL, &err);
    }
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        work->bench->failed = true;
    }
    return log;
}

static uint64_t append_one(struct work *work, const uint8_t *payload)
{
    struct log_entry entry = {.stream = 1,
                              .kind = LOG_KIND_COMMIT,
                              .timestamp = 1,
                              .payload = {payload, work->payload_size}};
    entry.payload_crc = crc32c(entry.payload);
    if (log_prepare(work->log, work->payload_size, NULL) != TDBPLUS_OK) {
        work->bench->failed = true;
        return 0;
    }
    latch_lock(&work->commit_latch);
    uint64_t lsn = log_append(work->log, &entry);
    latch_unlock(&work->commit_latch);
    return lsn;
}

static uint64_t append_round(void *ctx)
{
    static uint8_t payload[1u << 16];
    struct work *work = ctx;
    uint64_t last = 0;
    for (uint64_t i = 0; i < work->records; i++) {
        last = append_one(work, payload);
    }
    // Old files go, so that later rounds meet recycled ones.
    work->bench->failed |= last == 0 || log_cut(work->log, last, NULL) != TDBPLUS_OK;
    return work->records;
}

static void measure_append(struct bench *bench, const struct env *env, const char *what,
                           uint32_t payload_size, uint64_t records)
{
    struct work work = {.bench = bench, .env = env, .payload_size = payload_size};
    work.records = bench->check ? 1000 : records;
    work.log = open_log(&work, false);
    if (work.log != NULL) {
        uint64_t bytes = work.records * (LOG_HEADER_SIZE + log_align(payload_size));
        bench_measure(bench, what, work.records, bytes, append_round, &work);
    }
    log_close(work.log);
    clean(&work);
}

BENCH(append)
{
    struct env *ram = NULL;
    if (env_ram_create(&alloc_system, &ram, NULL) != TDBPLUS_OK) {
        bench->failed = true;
        return;
    }
    measure_append(bench, ram, "100 B, memory, 1 thread", PAYLOAD_SIZE, RECORDS_A_ROUND / 2);
    env_ram_destroy(ram);
    measure_append(bench, env_real(), "100 B, disk, 1 sync a round", PAYLOAD_SIZE, RECORDS_A_ROUND);
    measure_append(bench, env_real(), "16 KiB, disk, 1 sync a round", 16384, 10000);
}

/* Only the calling thread's part: what stands inside the commit latch of the store. */
static uint64_t append_in_bursts(void *ctx)
{
    static uint8_t payload[PAYLOAD_SIZE];
    struct work *work = ctx;
    struct log_entry entry = {
        .stream = 1, .kind = LOG_KIND_COMMIT, .timestamp = 1, .payload = {payload, PAYLOAD_SIZE}};
    uint64_t last = 0;
    for (uint64_t i = 0; i < work->records; i++) {
        last = log_append(work->log, &entry);
    }
    return last == 0 ? 0 : work->records;
}

BENCH(append_alone)
{
    struct work work = {.bench = bench, .records = 50, .payload_size = PAYLOAD_SIZE};
    struct env *ram = NULL;
    if (env_ram_create(&alloc_system, &ram, NULL) != TDBPLUS_OK) {
        bench->failed = true;
        return;
    }
    work.env = ram;
    work.log = open_log(&work, false);
    uint64_t total = 0;
    uint64_t bursts = bench->check ? 10 : 20000;
    for (uint64_t i = 0; i < bursts && work.log != NULL; i++) {
        for (uint64_t k = 0; k < work.records; k++) {
            bench->failed |= log_prepare(work.log, PAYLOAD_SIZE, NULL) != TDBPLUS_OK;
        }
        uint64_t begin = bench_now_ns();
        bench->failed |= append_in_bursts(&work) == 0;
        total += bench_now_ns() - begin;
        if (i % 1000 == 999) {
            bench->failed |= log_cut(work.log, log_end(work.log), NULL) != TDBPLUS_OK;
        }
    }
    if (!bench->check) {
        printf("%-24s %-36s %10.2f ns\n", bench->name, "100 B, inside the latch",
               (double)total / (double)(bursts * work.records));
    }
    log_close(work.log);
    clean(&work);
    env_ram_destroy(ram);
}

static void commit_thread(void *arg)
{
    static uint8_t payload[PAYLOAD_SIZE];
    struct work *work = arg;
    for (uint64_t i = 0; i < work->records; i++) {
        uint64_t lsn = append_one(work, payload);
        if (lsn == 0 || log_sync(work->log, lsn, NULL) != TDBPLUS_OK) {
            work->bench->failed = true;
            return;
        }
    }
}

static uint64_t commit_round(void *ctx)
{
    struct work *work = ctx;
    struct env_task *tasks[THREADS_MAX] = {0};
    for (uint32_t i = 0; i < work->threads; i++) {
        if (env_task_start(work->env, "commit", commit_thread, work, &tasks[i], NULL) !=
            TDBPLUS_OK) {
            work->bench->failed = true;
            tasks[i] = NULL;
        }
    }
    for (uint32_t i = 0; i < work->threads; i++) {
        if (tasks[i] != NULL) {
            env_task_join(work->env, tasks[i]);
        }
    }
    return work->threads;
}

BENCH(synced_commits)
{
    static const uint32_t counts[] = {1, 2, 16, 64};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct work work = {.bench = bench, .env = env_real(), .payload_size = PAYLOAD_SIZE};
        char what[64];
        work.threads = counts[i];
        work.records = bench->check ? 3 : 100;
        work.log = open_log(&work, false);
        if (work.log == NULL) {
            return;
        }
        (void)snprintf(what, sizeof what, "100 B, disk, %u threads", work.threads);
        bench_measure(bench, what, work.records * work.threads, 0, commit_round, &work);
        struct log_statistics statistics;
        log_get_statistics(work.log, &statistics);
        if (!bench->check) {
            printf("%-24s %-36s %10.1f commits a sync, %.0f us a sync\n", bench->name, what,
                   (double)statistics.record_count / (double)statistics.sync_count,
                   (double)statistics.sync_us_total / (double)statistics.sync_count);
        }
        log_close(work.log);
        clean(&work);
    }
}

static uint64_t replay_round(void *ctx)
{
    struct work *work = ctx;
    work->replayed_bytes = 0;
    log_close(open_log(work, true));
    return work->replayed_bytes;
}

BENCH(replay)
{
    struct work work = {.bench = bench, .env = env_real(), .payload_size = PAYLOAD_SIZE};
    static uint8_t payload[PAYLOAD_SIZE];
    uint64_t size = LOG_HEADER_SIZE + log_align(PAYLOAD_SIZE);
    work.records = bench->check ? 2000 : ((uint64_t)1 << 30) / size;
    work.log = open_log(&work, false);
    for (uint64_t i = 0; i < work.records && work.log != NULL; i++) {
        (void)append_one(&work, payload);
    }
    log_close(work.log);
    work.log = NULL;
    bench_measure(bench, "100 B, page cache", work.records, work.records * size, replay_round,
                  &work);
    clean(&work);
}
