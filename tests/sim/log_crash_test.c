/*
 * Goal: whatever call the machine dies at, what was acknowledged is there afterwards, what is there
 * is a prefix of what was appended, and no file is left over (S1, S2, S6; L1-L7).
 *
 * Method: the log runs in the simulated world over small files; a static model outlives the
 * crashes. Each life ends at a drawn call, by loss of power or by the death of the process, also in
 * the middle of recovery. The next life checks, goes on from there, and so does the model.
 */

#include "log_model.h"
#include "os/latch.h"
#include "sim_env.h"
#include "storage/log/log_internal.h"

#include "test.h"

static struct log_model model;

struct life {
    struct sim *sim;
    uint64_t seed;
    size_t acknowledged; /* So many of the model's records must be there. */
    uint64_t from;       /* Where replay starts: what a manifest would say. */
    size_t steps;
    bool faults; /* Errors are expected; without them everything must succeed. */
    bool opened; /* This life got as far. */
    tdbplus_status status;
    struct log *log;
    struct latch latch;
};

static tdbplus_status check_name(void *ctx, const char *name, bool is_directory)
{
    uint32_t *spares = ctx;
    CHECK(is_directory || strstr(name, ".tmp") == NULL);
    *spares += strstr(name, ".spare") != NULL;
    return TDBPLUS_OK;
}

/* Records that were acknowledged are at least as many as before, and the model ends where the log
 * does. */
static void take_over(struct life *life, struct log *log)
{
    uint32_t spares = 0;
    // Replay does not show marks: the model counted those at the end as there.
    while (model.next > 0 && model.records[model.next - 1].kind == LOG_KIND_MARK &&
           model.records[model.next - 1].lsn_end > log_end(log)) {
        model.next--;
    }
    if (model.next < life->acknowledged) {
        printf("seed %llu: %zu of %zu records are there\n", (unsigned long long)life->seed,
               model.next, life->acknowledged);
    }
    CHECK(model.next >= life->acknowledged);
    CHECK(model.next <= model.count);
    log_model_cut(&model, model.next);
    CHECK(model.count == 0 || log_end(log) >= model.records[model.count - 1].lsn_end);
    life->acknowledged = model.count; // Opening made durable what it replayed (L5).
    CHECK(env_list(sim_env(life->sim), LOG_MODEL_DIRECTORY, check_name, &spares, NULL) ==
              TDBPLUS_OK ||
          life->faults);
    CHECK(spares <= LOG_SPARE_COUNT_MAX);
    life->opened = true;
}

static tdbplus_status open_again(struct life *life, struct log **log_out)
{
    struct log_options options = log_model_options(sim_env(life->sim), sim_alloc(life->sim));
    options.buffer_size = 64 << 10;
    TRY(env_make_directory(options.env, LOG_MODEL_DIRECTORY, NULL));
    TRY(env_sync_directory(options.env, "/", NULL));
    struct err err = {0};
    tdbplus_status status = log_model_try_open(&model, &options, life->from, log_out, &err);
    if (status != TDBPLUS_OK) {
        if (!life->faults || status == TDBPLUS_E_CORRUPT) {
            printf("seed %llu: %s\n", (unsigned long long)life->seed, err.text);
            CHECK(false);
        }
        return status;
    }
    take_over(life, *log_out);
    return TDBPLUS_OK;
}

static tdbplus_status step(struct life *life, struct log *log)
{
    size_t size = log_model_size(&model);
    TRY(log_prepare(log, size, NULL));
    uint32_t stream = (uint32_t)log_model_random(&model, 7);
    uint64_t lsn = log_model_append_prepared(&model, log, stream, size, 0);
    size_t count = model.count;
    switch (log_model_random(&model, 12)) {
    case 0:
    case 1:
    case 2:
        TRY(log_sync(log, lsn, NULL));
        life->acknowledged = count;
        break;
    case 3:
        TRY(log_write_out(log, NULL));
        break;
    case 4:
        TRY(log_model_mark(&model, log, NULL));
        life->acknowledged = model.count;
        break;
    case 5:
        // A manifest moves the start of replay first, durably; then the log is cut.
        TRY(log_sync(log, lsn, NULL));
        life->acknowledged = count;
        lsn = model.records[count - 1 - log_model_random(&model, 3) % count].lsn_end;
        life->from = life->from < lsn ? lsn : life->from;
        TRY(log_cut(log, life->from, NULL));
        break;
    default:
        break;
    }
    return TDBPLUS_OK;
}

static void live(void *arg)
{
    struct life *life = arg;
    struct log *log = NULL;
    life->status = open_again(life, &log);
    for (size_t i = 0; i < life->steps && life->status == TDBPLUS_OK; i++) {
        life->status = step(life, log);
    }
    CHECK(life->faults || life->status == TDBPLUS_OK);
    log_close(log);
}

static void check_released(const struct life *life)
{
    CHECK(sim_memory_live(life->sim) == 0);
    CHECK(sim_files_open(life->sim) == 0);
    CHECK(sim_tasks_live(life->sim) == 0);
}

static void end_life(struct life *life)
{
    if (log_model_random(&model, 3) == 0) {
        sim_restart(life->sim);
    } else {
        sim_reboot(life->sim);
    }
}

TEST(many_lives_each_ended_at_any_call)
{
    uint64_t crashes = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        log_model_reset(&model, seed);
        struct life life = {.sim = sim_create(seed), .seed = seed, .steps = 60};
        for (int round = 0; round < 12; round++) {
            sim_crash_at(life.sim, SIM_OP_ANY, 1 + log_model_random(&model, 250));
            enum sim_result result = sim_run(life.sim, live, &life);
            if (result != SIM_DONE && result != SIM_CRASHED) {
                printf("seed %llu: %s\n", (unsigned long long)seed, sim_report(life.sim));
            }
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            crashes += result == SIM_CRASHED;
            if (result == SIM_DONE) {
                check_released(&life);
                life.acknowledged = model.count;
            }
            end_life(&life);
        }
        sim_crash_at(life.sim, SIM_OP_ANY, 0);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        sim_destroy(life.sim);
    }
    CHECK(crashes > 500);
}

/* The same short life, ended at each of its calls in turn, then a whole one. */
TEST(one_life_ended_at_each_of_its_calls)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        uint64_t nth = 1;
        for (enum sim_result result = SIM_CRASHED; result == SIM_CRASHED; nth++) {
            log_model_reset(&model, seed);
            struct life life = {.sim = sim_create(seed), .seed = seed, .steps = 40};
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            life.acknowledged = model.count;
            sim_crash_at(life.sim, SIM_OP_ANY, nth);
            result = sim_run(life.sim, live, &life);
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            end_life(&life);
            sim_crash_at(life.sim, SIM_OP_ANY, 0);
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            sim_destroy(life.sim);
        }
        CHECK(nth > 40);
    }
}

/* ---- faults ---- */

/* Errors of the disk: the log stops or lives, but never lies; afterwards it opens. */
TEST(nothing_acknowledged_is_lost_to_faults)
{
    static const enum sim_op ops[] = {SIM_OP_WRITE,  SIM_OP_SYNC,   SIM_OP_ALLOCATE,
                                      SIM_OP_RENAME, SIM_OP_UNLINK, SIM_OP_SYNC_DIRECTORY,
                                      SIM_OP_OPEN,   SIM_OP_READ,   SIM_OP_TASK_START,
                                      SIM_OP_MEMORY, SIM_OP_LIST,   SIM_OP_TRUNCATE};
    uint64_t stopped = 0;
    uint64_t hits = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        log_model_reset(&model, seed);
        struct life life = {.sim = sim_create(seed), .seed = seed, .steps = 60, .faults = true};
        for (int round = 0; round < 6; round++) {
            struct sim_fault_rule rule = {.op = ops[log_model_random(&model, 12)],
                                          .nth = 1 + log_model_random(&model, 30),
                                          .path_part = LOG_MODEL_DIRECTORY};
            rule.path_part =
                rule.op == SIM_OP_MEMORY || rule.op == SIM_OP_TASK_START ? NULL : rule.path_part;
            rule.fault = rule.op == SIM_OP_MEMORY || rule.op == SIM_OP_TASK_START ? SIM_FAULT_NOMEM
                         : log_model_random(&model, 2) == 0                       ? SIM_FAULT_FULL
                                                                                  : SIM_FAULT_IO;
            sim_fault_add(life.sim, rule);
            life.opened = false;
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            check_released(&life);
            hits += sim_fault_hits(life.sim, rule.op, rule.fault) > 0;
            stopped += life.status == TDBPLUS_E_STOPPED;
            sim_fault_clear(life.sim);
            end_life(&life);
            // Without the fault everything is as it should be.
            life.faults = false;
            CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
            CHECK(life.opened);
            life.faults = true;
        }
        sim_destroy(life.sim);
    }
    CHECK(hits > 200);
    (void)stopped;
}

static void fail_one_sync(void *arg)
{
    struct life *life = arg;
    struct log *log = NULL;
    CHECK(open_again(life, &log) == TDBPLUS_OK);
    for (int i = 0; i < 3; i++) {
        (void)log_model_append(&model, log, 100);
    }
    CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_OK);
    life->acknowledged = model.count;
    (void)log_model_append(&model, log, 100);
    CHECK(log_prepare(log, 10, NULL) == TDBPLUS_OK);
    sim_fault_add(life->sim,
                  (struct sim_fault_rule){.op = life->seed % 2 == 0 ? SIM_OP_SYNC : SIM_OP_WRITE,
                                          .fault = SIM_FAULT_IO,
                                          .nth = 1});
    struct err err = {0};
    CHECK(log_sync(log, log_end(log), &err) == TDBPLUS_E_IO);
    CHECK(err.text[0] != '\0');
    // Everything from now on says so, and nothing is tried again.
    uint64_t syncs = sim_op_count(life->sim, SIM_OP_SYNC);
    uint64_t writes = sim_op_count(life->sim, SIM_OP_WRITE);
    CHECK(log_stopped(log));
    CHECK(log_sync(log, 0, NULL) == TDBPLUS_E_STOPPED);
    CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_E_STOPPED);
    CHECK(log_write_out(log, NULL) == TDBPLUS_E_STOPPED);
    CHECK(log_prepare(log, 10, NULL) == TDBPLUS_E_STOPPED);
    CHECK(log_cut(log, 0, NULL) == TDBPLUS_E_STOPPED);
    CHECK(log_mark_idle(log, log_model_no_lock, log_model_no_lock, NULL, NULL) ==
          TDBPLUS_E_STOPPED);
    // What was prepared before may still be appended; it just never becomes durable.
    (void)log_model_append_prepared(&model, log, 1, 10, 0);
    CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_E_STOPPED);
    log_close(log);
    CHECK(sim_op_count(life->sim, SIM_OP_SYNC) == syncs);
    CHECK(sim_op_count(life->sim, SIM_OP_WRITE) == writes);
}

TEST(a_failed_write_or_sync_stops_the_log_for_good)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        log_model_reset(&model, seed);
        struct life life = {.sim = sim_create(seed), .seed = seed, .steps = 10};
        CHECK(sim_run(life.sim, fail_one_sync, &life) == SIM_DONE);
        check_released(&life);
        end_life(&life);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        sim_destroy(life.sim);
    }
}

/* A full disk is an error of the call that wanted a file, and goes away with its cause. */
static void fill_disk(void *arg)
{
    struct life *life = arg;
    struct log *log = NULL;
    CHECK(open_again(life, &log) == TDBPLUS_OK);
    sim_disk_limit(life->sim, 5 * LOG_MODEL_FILE_SIZE);
    tdbplus_status status = TDBPLUS_OK;
    uint64_t lsn = 0;
    while (status == TDBPLUS_OK) {
        lsn = log_end(log);
        status = log_prepare(log, 500, NULL);
        if (status == TDBPLUS_OK) {
            (void)log_model_append_prepared(&model, log, 1, 500, 0);
        }
    }
    CHECK(status == TDBPLUS_E_FULL);
    CHECK(!log_stopped(log));
    CHECK(log_prepare(log, 500, NULL) == TDBPLUS_E_FULL);
    CHECK(log_sync(log, lsn, NULL) == TDBPLUS_OK);
    life->acknowledged = model.count;
    life->from = lsn;
    CHECK(log_cut(log, lsn, NULL) == TDBPLUS_OK); // Cut files are room again.
    (void)log_model_append(&model, log, 500);
    CHECK(log_sync(log, log_end(log), NULL) == TDBPLUS_OK);
    life->acknowledged = model.count;
    sim_disk_limit(life->sim, UINT64_MAX);
    (void)log_model_append(&model, log, 15000);
    log_close(log);
    life->acknowledged = model.count;
}

TEST(a_full_disk_is_an_ordinary_error)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        log_model_reset(&model, seed);
        struct life life = {.sim = sim_create(seed), .seed = seed, .steps = 10};
        CHECK(sim_run(life.sim, fill_disk, &life) == SIM_DONE);
        check_released(&life);
        end_life(&life);
        CHECK(sim_run(life.sim, live, &life) == SIM_DONE);
        sim_destroy(life.sim);
    }
}

/* ---- several tasks ---- */

static void commit_some(void *arg)
{
    struct life *life = arg;
    for (int i = 0; i < 12; i++) {
        size_t size = i % 5 == 0 ? 2000 : 90;
        CHECK(log_prepare(life->log, size, NULL) == TDBPLUS_OK);
        latch_lock(&life->latch);
        uint64_t lsn = log_model_append_prepared(&model, life->log, 1, size, 0);
        size_t count = model.count;
        latch_unlock(&life->latch);
        CHECK(log_sync(life->log, lsn, NULL) == TDBPLUS_OK);
        life->acknowledged = life->acknowledged < count ? count : life->acknowledged;
    }
}

static void live_with_tasks(void *arg)
{
    struct life *life = arg;
    struct env_task *tasks[4];
    life->latch = (struct latch){0};
    CHECK(open_again(life, &life->log) == TDBPLUS_OK);
    for (size_t i = 0; i < 4; i++) {
        CHECK(env_task_start(sim_env(life->sim), "commit", commit_some, life, &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        env_task_join(sim_env(life->sim), tasks[i]);
    }
    log_close(life->log);
}

TEST(group_commit_acknowledges_only_what_survives)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        log_model_reset(&model, seed);
        struct life life = {.sim = sim_create(seed), .seed = seed};
        for (int round = 0; round < 4; round++) {
            sim_crash_at(life.sim, SIM_OP_ANY, 1 + log_model_random(&model, 150));
            enum sim_result result = sim_run(life.sim, live_with_tasks, &life);
            if (result != SIM_DONE && result != SIM_CRASHED) {
                printf("seed %llu: %s\n", (unsigned long long)seed, sim_report(life.sim));
            }
            CHECK(result == SIM_DONE || result == SIM_CRASHED);
            end_life(&life);
        }
        sim_crash_at(life.sim, SIM_OP_ANY, 0);
        CHECK(sim_run(life.sim, live_with_tasks, &life) == SIM_DONE);
        check_released(&life);
        sim_destroy(life.sim);
    }
}
