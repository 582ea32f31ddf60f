/*
 * Goal: the log does what log.h says when nothing is damaged: records come back exactly, whatever
 * their sizes, file borders, threads, recycling and reopening do (L1, L3, L6).
 *
 * Method: log_model.h keeps an array of what was appended; replay must give exactly that. Files
 * live in memory and are small, so that every third record crosses a border.
 */

#include "log_model.h"
#include "os/latch.h"
#include "storage/log/log_internal.h"

#include "test.h"

static struct log_model model;

TEST(everything_appended_is_replayed_after_close)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        log_model_reset(&model, seed);
        struct env *env = log_model_ram();
        struct log_options options = log_model_options(env, &alloc_system);
        for (int round = 0; round < 6; round++) {
            struct log *log = log_model_open(&model, &options, 0);
            CHECK(model.next == model.count);
            uint64_t count = log_model_random(&model, 60);
            for (uint64_t i = 0; i < count; i++) {
                uint64_t lsn = log_model_append(&model, log, log_model_size(&model));
                if (log_model_random(&model, 5) == 0) {
                    CHECK(log_sync(log, lsn, NULL) == TDBPLUS_OK);
                    CHECK(log_synced(log) == lsn);
                }
                if (log_model_random(&model, 17) == 0) {
                    CHECK(log_write_out(log, NULL) == TDBPLUS_OK);
                }
                if (log_model_random(&model, 11) == 0) {
                    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
                }
            }
            log_close(log);
        }
        struct log *log = log_model_open(&model, &options, 0);
        CHECK(model.next == model.count);
        CHECK(log_start(log) == 0);
        log_close(log);
        env_ram_destroy(env);
    }
}

TEST(replay_starts_where_it_is_told)
{
    log_model_reset(&model, 7);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    for (int i = 0; i < 200; i++) {
        (void)log_model_append(&model, log, log_model_size(&model));
    }
    log_close(log);
    options.read_only = true;
    for (size_t i = 0; i < model.count; i++) {
        log = log_model_open(&model, &options, model.records[i].lsn_end);
        CHECK(model.next == model.count);
        log_close(log);
    }
    log = NULL;
    CHECK(log_model_try_open(&model, &options, 4, &log, NULL) == TDBPLUS_E_INVALID);
    uint64_t beyond = log_align(model.records[model.count - 1].lsn_end) + 1000 * 8192;
    CHECK(log_model_try_open(&model, &options, beyond, &log, NULL) == TDBPLUS_E_CORRUPT);
    env_ram_destroy(env);
}

TEST(an_idle_log_gets_one_mark)
{
    log_model_reset(&model, 3);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    CHECK(model.count == 0); // Nothing to prove.
    (void)log_model_append(&model, log, 100);
    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    CHECK(model.count == 2);
    CHECK(log_synced(log) == log_end(log));
    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    CHECK(model.count == 2);
    log_close(log);
    log = log_model_open(&model, &options, 0);
    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    CHECK(model.count == 2); // Known after reopening, too.
    (void)log_model_append(&model, log, 100);
    CHECK(log_model_mark(&model, log, NULL) == TDBPLUS_OK);
    CHECK(model.count == 4);
    log_close(log);
    env_ram_destroy(env);
}

TEST(large_records_pass_a_small_buffer)
{
    log_model_reset(&model, 11);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    options.file_size = 64 << 10;
    options.buffer_size = 64 << 10;
    struct log *log = log_model_open(&model, &options, 0);
    static const size_t sizes[] = {2000000, 1, 65536, 65535, 40000, 131072, 524288, 0, 2097152};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        (void)log_model_append(&model, log, sizes[i]);
    }
    log_close(log);
    log = log_model_open(&model, &options, 0);
    CHECK(model.next == model.count);
    CHECK(log_prepare(log, LOG_RECORD_SIZE_MAX + 1, NULL) == TDBPLUS_E_LIMIT);
    log_close(log);
    env_ram_destroy(env);
}

TEST(unprepare_gives_everything_back)
{
    log_model_reset(&model, 5);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    options.buffer_size = 64 << 10;
    struct log *log = log_model_open(&model, &options, 0);
    for (int i = 0; i < 5000; i++) {
        size_t size = log_model_random(&model, 50000);
        CHECK(log_prepare(log, size, NULL) == TDBPLUS_OK);
        log_unprepare(log, size);
    }
    CHECK(atomic_load(&log->promised) == log_end(log));
    (void)log_model_append(&model, log, 3000);
    log_close(log);
    log = log_model_open(&model, &options, 0);
    CHECK(model.next == 1);
    log_close(log);
    env_ram_destroy(env);
}

static tdbplus_status accept_record(void *ctx, const struct log_record *record, struct err *err)
{
    (void)err;
    *(uint64_t *)ctx += record->stream_seq > 0;
    return TDBPLUS_OK;
}

TEST(many_streams_are_numbered_without_gaps)
{
    enum { STREAMS = 20000 };
    static uint64_t expected[STREAMS];
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    options.file_size = 1 << 20;
    log_model_reset(&model, 9);
    for (int round = 0; round < 2; round++) {
        struct log *log = NULL;
        uint64_t count = 0;
        CHECK(log_open(&options, 0, accept_record, &count, &log, NULL, NULL) == TDBPLUS_OK);
        CHECK(count == (uint64_t)round * 40000);
        for (uint32_t i = 0; i < 40000; i++) {
            uint32_t stream = (uint32_t)log_model_random(&model, STREAMS);
            struct log_entry entry = {.stream = stream * 65537u, .kind = LOG_KIND_COMMIT};
            CHECK(log_prepare(log, 0, NULL) == TDBPLUS_OK);
            (void)log_append(log, &entry);
            const struct log_streams *streams = atomic_load(&log->streams);
            size_t at = (size_t)hash_u64(entry.stream) & (streams->capacity - 1);
            while (streams->slots[at].stream != entry.stream) {
                at = (at + 1) & (streams->capacity - 1);
            }
            CHECK(atomic_load(&streams->slots[at].seq) == ++expected[stream]);
        }
        log_close(log);
    }
    env_ram_destroy(env);
}

TEST(cutting_recycles_files_and_keeps_the_rest)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        log_model_reset(&model, seed);
        struct env *env = log_model_ram();
        struct log_options options = log_model_options(env, &alloc_system);
        struct log *log = log_model_open(&model, &options, 0);
        uint64_t recycled = 0;
        uint64_t cut = 0;
        for (int i = 0; i < 3000; i++) {
            (void)log_model_append(&model, log, log_model_random(&model, 300));
            if (log_model_random(&model, 40) == 0) {
                size_t at = model.count - 1 - log_model_random(&model, 20) % model.count;
                cut = cut < model.records[at].lsn_end ? model.records[at].lsn_end : cut;
                CHECK(log_cut(log, cut, NULL) == TDBPLUS_OK);
                CHECK(log_start(log) <= cut);
                CHECK(log_start(log) + 2 * 4096 > cut); // Whole files below are gone.
            }
            if (log_model_random(&model, 200) == 0) {
                struct log_statistics statistics;
                log_get_statistics(log, &statistics);
                recycled += statistics.file_recycled_count;
                log_close(log);
                log = log_model_open(&model, &options, cut);
                CHECK(model.next == model.count);
            }
        }
        CHECK(recycled > 10);
        log_close(log);
        options.read_only = true;
        log = log_model_open(&model, &options, cut);
        CHECK(model.next == model.count);
        CHECK(log_cut(log, cut, NULL) == TDBPLUS_E_READ_ONLY);
        CHECK(log_prepare(log, 1, NULL) == TDBPLUS_E_READ_ONLY);
        CHECK(log_write_out(log, NULL) == TDBPLUS_E_READ_ONLY);
        CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_OK);
        log_close(log);
        // What was cut is gone, and saying so is better than replaying less.
        log = NULL;
        CHECK(log_model_try_open(&model, &options, 8, &log, NULL) == TDBPLUS_E_CORRUPT);
        env_ram_destroy(env);
    }
}

TEST(a_copy_opens_as_a_log_of_the_same_database)
{
    log_model_reset(&model, 21);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    for (int i = 0; i < 300; i++) {
        (void)log_model_append(&model, log, log_model_size(&model));
    }
    CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_OK);
    for (int round = 0; round < 30; round++) {
        size_t first = log_model_random(&model, model.count);
        size_t last = first + log_model_random(&model, model.count - first);
        uint64_t from = model.records[first].lsn;
        uint64_t to = model.records[last].lsn_end;
        struct log_options copied = options;
        char directory[64];
        (void)snprintf(directory, sizeof directory, "/copy%d", round);
        copied.directory = directory;
        CHECK(env_make_directory(env, directory, NULL) == TDBPLUS_OK);
        CHECK(log_copy(log, from, to, directory, NULL) == TDBPLUS_OK);
        struct log *copy = log_model_open(&model, &copied, from);
        CHECK(model.next == last + 1);
        CHECK(log_end(copy) == to);
        // It is a log that goes on by itself.
        struct log_entry entry = {.kind = LOG_KIND_COMMIT};
        for (int i = 0; i < 200; i++) {
            CHECK(log_prepare(copy, 0, NULL) == TDBPLUS_OK);
            (void)log_append(copy, &entry);
        }
        log_close(copy);
    }
    CHECK(log_copy(log, 8, log_end(log) + 8, "/copy0", NULL) == TDBPLUS_E_INVALID);
    log_close(log);
    env_ram_destroy(env);
}

TEST(another_database_s_log_is_refused)
{
    log_model_reset(&model, 2);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    (void)log_model_append(&model, log, 10);
    log_close(log);
    log = NULL;
    options.database_id++;
    CHECK(log_model_try_open(&model, &options, 0, &log, NULL) == TDBPLUS_E_CORRUPT);
    CHECK(log == NULL);
    env_ram_destroy(env);
}

static tdbplus_status refuse_record(void *ctx, const struct log_record *record, struct err *err)
{
    (void)ctx;
    return record->lsn > 0 ? err_set(err, TDBPLUS_E_LIMIT, "enough") : TDBPLUS_OK;
}

TEST(a_refusal_of_the_callback_ends_the_opening)
{
    log_model_reset(&model, 2);
    struct env *env = log_model_ram();
    struct log_options options = log_model_options(env, &alloc_system);
    struct log *log = log_model_open(&model, &options, 0);
    (void)log_model_append(&model, log, 10);
    (void)log_model_append(&model, log, 10);
    log_close(log);
    log = NULL;
    CHECK(log_open(&options, 0, refuse_record, NULL, &log, NULL, NULL) == TDBPLUS_E_LIMIT);
    CHECK(log == NULL);
    env_ram_destroy(env);
}

/* ---- real threads ---- */

#define THREADS        8u
#define COMMITS_EACH   300u
#define THREAD_PAYLOAD 40u

struct shared {
    struct log *log;
    const struct env *env;
    struct latch latch;            /* The store's commit latch. */
    _Atomic uint64_t acknowledged; /* Highest position of any acknowledged commit. */
    _Atomic bool mark_stop;
    uint32_t replayed[THREADS];
};

struct committer {
    struct shared *shared;
    uint32_t number;
};

static void commit_many(void *arg)
{
    struct committer *self = arg;
    struct shared *shared = self->shared;
    uint8_t payload[THREAD_PAYLOAD] = {0};
    for (uint32_t i = 0; i < COMMITS_EACH; i++) {
        store_u32(payload, i);
        struct log_entry entry = {.stream = self->number,
                                  .kind = LOG_KIND_COMMIT,
                                  .timestamp = i,
                                  .payload = {payload, sizeof payload - i % 8}};
        entry.payload_crc = crc32c(entry.payload);
        CHECK(log_prepare(shared->log, entry.payload.size, NULL) == TDBPLUS_OK);
        if (i % 13 == 7) {
            log_unprepare(shared->log, entry.payload.size);
            CHECK(log_prepare(shared->log, entry.payload.size, NULL) == TDBPLUS_OK);
        }
        latch_lock(&shared->latch);
        uint64_t lsn = log_append(shared->log, &entry);
        latch_unlock(&shared->latch);
        if (i % 3 == 0) {
            CHECK(log_sync(shared->log, lsn, NULL) == TDBPLUS_OK);
            CHECK(log_synced(shared->log) >= lsn);
            uint64_t before = atomic_load(&shared->acknowledged);
            while (before < lsn &&
                   !atomic_compare_exchange_weak(&shared->acknowledged, &before, lsn)) {
            }
        }
    }
}

static void lock_latch(void *ctx)
{
    latch_lock(ctx);
}

static void unlock_latch(void *ctx)
{
    latch_unlock(ctx);
}

static void mark_and_cut(void *arg)
{
    struct shared *shared = arg;
    while (!atomic_load(&shared->mark_stop)) {
        CHECK(log_mark_idle(shared->log, lock_latch, unlock_latch, &shared->latch, NULL) ==
              TDBPLUS_OK);
        CHECK(log_write_out(shared->log, NULL) == TDBPLUS_OK);
        CHECK(log_cut(shared->log, 0, NULL) == TDBPLUS_OK);
        env_sleep_us(shared->env, 200);
    }
}

static tdbplus_status count_by_thread(void *ctx, const struct log_record *record, struct err *err)
{
    struct shared *shared = ctx;
    (void)err;
    CHECK(record->stream < THREADS);
    // Each thread's records come in the order in which it wrote them, and none is missing.
    CHECK(load_u32(record->payload.data) == shared->replayed[record->stream]);
    shared->replayed[record->stream]++;
    CHECK(record->stream_seq == shared->replayed[record->stream]);
    return TDBPLUS_OK;
}

TEST(group_commit_of_eight_threads_loses_nothing_acknowledged)
{
    static struct shared shared;
    memset(&shared, 0, sizeof shared);
    struct env *env = log_model_ram();
    shared.env = env;
    struct log_options options = log_model_options(env, &alloc_system);
    options.buffer_size = 64 << 10;
    log_model_reset(&model, 1);
    shared.log = log_model_open(&model, &options, 0);
    struct env_task *tasks[THREADS + 1];
    struct committer committers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        committers[i] = (struct committer){&shared, i};
        CHECK(env_task_start(env, "commit", commit_many, &committers[i], &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    CHECK(env_task_start(env, "mark", mark_and_cut, &shared, &tasks[THREADS], NULL) == TDBPLUS_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        env_task_join(env, tasks[i]);
    }
    atomic_store(&shared.mark_stop, true);
    env_task_join(env, tasks[THREADS]);

    struct log_statistics statistics;
    log_get_statistics(shared.log, &statistics);
    CHECK(statistics.record_count >= THREADS * COMMITS_EACH);
    CHECK(statistics.sync_count > 0);

    // What a dead process leaves behind: what was written, without what is still in its buffer.
    options.read_only = true;
    struct log *after = NULL;
    CHECK(log_open(&options, 0, count_by_thread, &shared, &after, NULL, NULL) == TDBPLUS_OK);
    CHECK(log_end(after) >= atomic_load(&shared.acknowledged));
    log_close(after);

    log_close(shared.log);
    memset(shared.replayed, 0, sizeof shared.replayed);
    CHECK(log_open(&options, 0, count_by_thread, &shared, &after, NULL, NULL) == TDBPLUS_OK);
    for (uint32_t i = 0; i < THREADS; i++) {
        CHECK(shared.replayed[i] == COMMITS_EACH);
    }
    log_close(after);
    env_ram_destroy(env);
}

/* ---- memory ---- */

static tdbplus_status work_once(const struct log_options *options, uint64_t from)
{
    struct log *log = NULL;
    tdbplus_status status = log_model_try_open(&model, options, from, &log, NULL);
    for (int i = 0; i < 12 && status == TDBPLUS_OK; i++) {
        size_t size = i == 5 ? 30000 : 200;
        status = log_prepare(log, size, NULL);
        if (status == TDBPLUS_OK) {
            uint64_t lsn = log_model_append_prepared(&model, log, 1, size, 0);
            status = i % 4 == 0 ? log_sync(log, lsn, NULL) : TDBPLUS_OK;
        }
    }
    if (status == TDBPLUS_OK) {
        status = log_copy(log, log_synced(log), log_synced(log), "/copy", NULL);
    }
    if (status == TDBPLUS_OK) {
        status = log_cut(log, model.records[model.count - 3].lsn_end, NULL);
    }
    log_close(log);
    return status;
}

TEST(every_failed_allocation_is_an_ordinary_error)
{
    uint32_t failures = 0;
    for (uint32_t fail_at = 0;; fail_at++) {
        log_model_reset(&model, 4);
        struct env *env = log_model_ram();
        CHECK(env_make_directory(env, "/copy", NULL) == TDBPLUS_OK);
        struct log_options options = log_model_options(env, &alloc_system);
        struct log *log = log_model_open(&model, &options, 0);
        for (int i = 0; i < 40; i++) {
            (void)log_model_append(&model, log, 300);
        }
        log_close(log);

        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        options.alloc = &fault.alloc;
        tdbplus_status status = work_once(&options, 0);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        CHECK(atomic_load(&fault.live_bytes) == 0);
        failures += status == TDBPLUS_E_NOMEM;
        bool reached = atomic_load(&fault.calls) > fail_at;

        // The database lives, and nothing that was appended before the failure is gone: it was
        // not the write that failed.
        options.alloc = &alloc_system;
        uint64_t from = status == TDBPLUS_OK ? model.records[model.count - 3].lsn_end : 0;
        log = log_model_open(&model, &options, from);
        CHECK(model.next == model.count);
        log_close(log);
        env_ram_destroy(env);
        if (!reached) {
            CHECK(status == TDBPLUS_OK);
            break;
        }
    }
    CHECK(failures > 15);
}
