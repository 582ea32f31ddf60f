/*
 * Goal: with real threads, and flushes, merges and schema changes behind their
 * backs, transactions see what their isolation level promises. Method: threads
 * run random transactions over few registers and write down what they were
 * told; history.h's judge looks for an order of commits and snapshots that
 * explains all of it. A register is a pair of rows of which exactly one exists,
 * so that changes delete and insert as well as update.
 */

#include "history.h"

#include <stdlib.h>

#include "locks/lock_table.h"
#include "storage/store/store.h"
#include "txn/txn.h"
#include "types/schema.h"

#include "test.h"

#define THREAD_COUNT_MAX   8u
#define SNAPSHOT_COUNT_MAX 16u
#define STEP_COUNT_MAX     256u
#define PAD_SIZE           400u

/* What one thread has written down of one transaction. */
struct record {
    struct history_txn txn;
    struct history_snapshot snapshots[SNAPSHOT_COUNT_MAX];
    struct history_step steps[STEP_COUNT_MAX];
};

struct world {
    struct env *env;
    struct store *store;
    _Atomic uint64_t tick;
    _Atomic uint64_t version;
    _Atomic bool stop;
    uint32_t txn_count; /* A thread. */
};

struct worker {
    struct world *world;
    struct env_task *task;
    struct record *records; /* txn_count. */
    uint32_t state;
    uint32_t conflicts;
    struct txn *txn;
    struct record *record;
    struct err err;
    struct call call;
};

static uint64_t tick(struct world *world)
{
    return atomic_fetch_add(&world->tick, 1);
}

static uint32_t dice(struct worker *worker, uint32_t sides)
{
    return (uint32_t)rand_r(&worker->state) % sides;
}

static void ok(struct worker *worker, tdbplus_status status)
{
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%d %s\n", (int)status, worker->err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

/* What a transaction may be told when others are in its way. */
static bool in_the_way(tdbplus_status status)
{
    return status == TDBPLUS_E_CONFLICT || status == TDBPLUS_E_DEADLOCK || status == TDBPLUS_E_LOCK;
}

/* ---- rows ---- */

static const struct object *table_of(struct worker *worker, uint32_t reg)
{
    const struct object *object =
        txn_object(worker->txn, OBJECT_COLLECTION, reg % 2 == 0 ? "even" : "odd");
    CHECK(object != NULL);
    return object;
}

static struct datum key_of(uint32_t reg, bool twin)
{
    return (struct datum){.type = {.id = TYPE_INT8},
                          .integer = (int64_t)reg + (twin ? HISTORY_REGISTER_COUNT : 0)};
}

/* The version in the row, 0 when there is none. */
static uint64_t read_row(struct worker *worker, uint32_t reg, bool twin)
{
    struct datum key = key_of(reg, twin);
    struct datum value = {0};
    uint32_t position = 1;
    bool found = false;
    struct batch batch;
    batch_init(&batch, &alloc_system);
    ok(worker, txn_get(worker->txn, table_of(worker, reg), &key, &position, 1, &batch, &value,
                       &found, &worker->call));
    batch_deinit(&batch);
    return found ? (uint64_t)value.integer : 0;
}

static tdbplus_status write_row(struct worker *worker, uint32_t reg, bool twin, uint8_t mode,
                                uint64_t version)
{
    uint8_t pad[PAD_SIZE];
    memset(pad, 'p', sizeof pad);
    struct datum values[] = {
        key_of(reg, twin),
        {.type = {.id = TYPE_INT8}, .integer = (int64_t)version},
        {.type = {.id = TYPE_TEXT}, .bytes = {.data = pad, .size = sizeof pad}},
    };
    return txn_write(worker->txn, table_of(worker, reg), mode, values, NULL, &worker->call);
}

static void note(struct worker *worker, const struct history_step *step)
{
    struct history_txn *txn = &worker->record->txn;
    CHECK(txn->step_count < STEP_COUNT_MAX);
    worker->record->steps[txn->step_count] = *step;
    worker->record->steps[txn->step_count++].snapshot = txn->snapshot_count - 1;
}

/* ---- statements ---- */

static void begin_statement(struct worker *worker, bool repeatable)
{
    struct history_txn *txn = &worker->record->txn;
    uint64_t begin = tick(worker->world);
    ok(worker, txn_statement(worker->txn, &worker->err));
    if (!repeatable) {
        CHECK(txn->snapshot_count < SNAPSHOT_COUNT_MAX);
        worker->record->snapshots[txn->snapshot_count++] =
            (struct history_snapshot){.begin_tick = begin, .end_tick = tick(worker->world)};
    }
}

static void scan_table(struct worker *worker, uint32_t parity, bool seen[HISTORY_REGISTER_COUNT])
{
    static const uint32_t positions[] = {0, 1};
    struct scan_options options = {
        .positions = positions, .position_count = 2, .order = (uint8_t)dice(worker, 3)};
    struct scan *scan = NULL;
    ok(worker, scan_open(worker->txn, table_of(worker, parity), &options, &scan, &worker->err));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &worker->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum key;
            struct datum value;
            column_get(&batch.columns[0], row, &key);
            column_get(&batch.columns[1], row, &value);
            uint32_t reg = (uint32_t)key.integer % HISTORY_REGISTER_COUNT;
            CHECK(!seen[reg]); // Else both rows of the pair are there, or one of them
                               // twice.
            seen[reg] = true;
            struct history_step step = {
                .kind = HISTORY_READ, .reg = (uint8_t)reg, .version = (uint64_t)value.integer};
            note(worker, &step);
        }
    }
    CHECK(status == TDBPLUS_END);
    batch_deinit(&batch);
    scan_close(scan);
}

static void read_statement(struct worker *worker)
{
    bool seen[HISTORY_REGISTER_COUNT] = {false};
    uint32_t first = dice(worker, 2);
    scan_table(worker, first, seen);
    scan_table(worker, 1 - first, seen);
    for (uint32_t reg = 0; reg < HISTORY_REGISTER_COUNT; reg++) {
        CHECK(seen[reg]);
    }
}

/* Moves or updates the register; reads it first, and notes what was replaced.
 */
static tdbplus_status change_register(struct worker *worker, uint32_t reg, bool lock)
{
    for (uint32_t twin = 0; lock && twin < 2; twin++) {
        struct datum key = key_of(reg, twin != 0);
        TRY(txn_lock_row(worker->txn, table_of(worker, reg), &key, LOCK_ROW_UPDATE, false,
                         &worker->call));
    }
    uint64_t here = read_row(worker, reg, false);
    uint64_t there = read_row(worker, reg, true);
    CHECK((here == 0) != (there == 0));
    bool twin = there != 0;
    uint64_t version = atomic_fetch_add(&worker->world->version, 1);
    if (dice(worker, 2) == 0) {
        TRY(write_row(worker, reg, twin, dice(worker, 2) == 0 ? TXN_UPDATE : TXN_UPSERT, version));
    } else {
        struct datum key = key_of(reg, twin);
        bool existed = false;
        TRY(txn_delete(worker->txn, table_of(worker, reg), &key, &existed, &worker->call));
        CHECK(existed);
        TRY(write_row(worker, reg, !twin, TXN_INSERT, version));
    }
    struct history_step step = {
        .kind = HISTORY_WRITE, .reg = (uint8_t)reg, .version = version, .replaced = here + there};
    note(worker, &step);
    return TDBPLUS_OK;
}

static tdbplus_status write_statement(struct worker *worker, bool repeatable)
{
    struct txn_savepoint savepoint = txn_savepoint_set(worker->txn);
    uint32_t steps = worker->record->txn.step_count;
    uint32_t count = 1 + dice(worker, 2);
    for (uint32_t i = 0; i < count; i++) {
        // Without a lock only REPEATABLE READ notices that somebody was faster.
        bool lock = !repeatable || dice(worker, 2) == 0;
        TRY(change_register(worker, dice(worker, HISTORY_REGISTER_COUNT), lock));
    }
    if (dice(worker, 6) == 0) {
        txn_savepoint_rollback(worker->txn, savepoint);
        worker->record->txn.step_count = steps;
    }
    return TDBPLUS_OK;
}

static tdbplus_status run_statements(struct worker *worker, bool repeatable)
{
    uint32_t count = 1 + dice(worker, 4);
    for (uint32_t i = 0; i < count; i++) {
        begin_statement(worker, repeatable);
        if (dice(worker, 2) == 0) {
            read_statement(worker);
        } else {
            TRY(write_statement(worker, repeatable));
        }
    }
    return TDBPLUS_OK;
}

static void run_transaction(struct worker *worker, struct record *record)
{
    struct world *world = worker->world;
    *record = (struct record){.txn = {.snapshot_count = 1}};
    record->txn.snapshots = record->snapshots;
    record->txn.steps = record->steps;
    worker->record = record;
    struct txn_options options = {.isolation = (uint8_t)dice(worker, 2),
                                  .durability = (int16_t)dice(worker, 3),
                                  .lock_timeout_us = dice(worker, 8) == 0 ? 200 : 0};
    record->snapshots[0].begin_tick = tick(world);
    ok(worker, txn_begin(world->store, &options, &alloc_system, &worker->txn, &worker->err));
    record->snapshots[0].end_tick = tick(world);
    err_clear(&worker->err);
    tdbplus_status status = run_statements(worker, options.isolation == TXN_REPEATABLE_READ);
    if (status != TDBPLUS_OK || dice(worker, 8) == 0) {
        CHECK(status == TDBPLUS_OK || in_the_way(status));
        worker->conflicts += status != TDBPLUS_OK ? 1 : 0;
        txn_abort(worker->txn);
        return;
    }
    record->txn.commit_tick = tick(world);
    ok(worker, txn_commit(worker->txn, &worker->call));
    record->txn.done_tick = tick(world);
    record->txn.committed = true;
}

static void worker_main(void *arg)
{
    struct worker *worker = arg;
    worker->call = (struct call){.alloc = &alloc_system, .err = &worker->err};
    for (uint32_t i = 0; i < worker->world->txn_count; i++) {
        run_transaction(worker, &worker->records[i]);
    }
}

/* ---- disturbance ---- */

static void create_table(struct worker *worker, const char *name, uint32_t column_count)
{
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_INT8}, .name = "v", .missing = {.is_null = true}},
        {.id = 3, .type = {.id = TYPE_TEXT}, .name = "pad", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = column_count,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = column_count + 1};
    const struct object *object = txn_object(worker->txn, OBJECT_COLLECTION, name);
    uint64_t id = 0;
    if (object == NULL) {
        ok(worker, txn_object_create(worker->txn, OBJECT_COLLECTION, name, &schema,
                                     (struct span){0}, &id, &worker->err));
    } else {
        ok(worker, txn_object_alter(worker->txn, object->id, NULL, &schema, NULL, &worker->err));
    }
}

static void begin_plain(struct worker *worker)
{
    err_clear(&worker->err);
    ok(worker, txn_begin(worker->world->store, NULL, &alloc_system, &worker->txn, &worker->err));
}

/* Makes, fills, alters and drops a table, and flushes and merges all the while.
 */
static void disturber_main(void *arg)
{
    struct worker *worker = arg;
    struct store *store = worker->world->store;
    worker->call = (struct call){.alloc = &alloc_system, .err = &worker->err};
    while (!atomic_load(&worker->world->stop)) {
        begin_plain(worker);
        create_table(worker, "passing", 2);
        const struct object *table = txn_object(worker->txn, OBJECT_COLLECTION, "passing");
        struct datum values[] = {{.type = {.id = TYPE_INT8}},
                                 {.type = {.id = TYPE_INT8}, .integer = 1}};
        for (int64_t n = 0; n < 20; n++) {
            values[0].integer = n;
            ok(worker, txn_write(worker->txn, table, TXN_INSERT, values, NULL, &worker->call));
        }
        ok(worker, txn_commit(worker->txn, &worker->call));
        ok(worker, store_flush(store, &worker->call));
        begin_plain(worker);
        create_table(worker, "passing", 3);
        ok(worker, txn_commit(worker->txn, &worker->call));
        ok(worker, store_optimize(store, 0, &worker->call));
        begin_plain(worker);
        table = txn_object(worker->txn, OBJECT_COLLECTION, "passing");
        ok(worker, txn_object_drop(worker->txn, table->id, &worker->err));
        ok(worker, txn_commit(worker->txn, &worker->call));
        env_sleep_us(worker->world->env, 2000);
    }
}

/* ---- the whole ---- */

static void begin_world(struct world *world, struct worker *worker)
{
    ok(worker, env_ram_create(&alloc_system, &world->env, &worker->err));
    struct store_options options = {.env = world->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .memtable_size_bytes = 1 << 18,
                                    .memory_limit_bytes = (size_t)256 << 20,
                                    .merge_fan_out = 2,
                                    .sync_interval_us = 1000,
                                    .deadlock_timeout_us = 1000,
                                    .log_file_size = 1 << 18};
    ok(worker, store_open(&options, &world->store, &worker->err));
    worker->world = world;
    worker->call = (struct call){.alloc = &alloc_system, .err = &worker->err};
    begin_plain(worker);
    create_table(worker, "even", 3);
    create_table(worker, "odd", 3);
    for (uint32_t reg = 0; reg < HISTORY_REGISTER_COUNT; reg++) {
        uint64_t version = atomic_fetch_add(&world->version, 1);
        ok(worker, write_row(worker, reg, false, TXN_INSERT, version));
    }
    ok(worker, txn_commit(worker->txn, &worker->call));
}

static void judge(struct world *world, const struct worker *workers, uint32_t thread_count)
{
    size_t count = (size_t)thread_count * world->txn_count;
    struct history_txn *txns = calloc(count, sizeof *txns);
    CHECK(txns != NULL);
    uint32_t committed = 0;
    uint32_t conflicts = 0;
    for (uint32_t t = 0; t < thread_count; t++) {
        conflicts += workers[t].conflicts;
        for (uint32_t i = 0; i < world->txn_count; i++) {
            txns[t * world->txn_count + i] = workers[t].records[i].txn;
            committed += workers[t].records[i].txn.committed ? 1 : 0;
        }
    }
    struct store_statistics statistics;
    store_get_statistics(world->store, &statistics);
    printf("%u threads: %u committed, %u in the way, %llu flushes, %llu merges\n", thread_count,
           committed, conflicts, (unsigned long long)statistics.flush_count,
           (unsigned long long)statistics.merge_count);
    char why[256];
    bool good = history_check(txns, count, world->version, world->tick, why);
    if (!good) {
        fprintf(stderr, "%s\n", why);
    }
    CHECK(good);
    CHECK(committed > count / 10);
    free(txns);
}

static void run_history(uint32_t thread_count, uint32_t txn_count, uint32_t seed)
{
    struct world world = {.tick = 0, .version = 1, .txn_count = txn_count};
    struct worker workers[THREAD_COUNT_MAX + 1] = {0};
    struct worker *disturber = &workers[thread_count];
    begin_world(&world, disturber);
    for (uint32_t i = 0; i < thread_count; i++) {
        workers[i].world = &world;
        workers[i].state = seed + i;
        workers[i].records = calloc(txn_count, sizeof *workers[i].records);
        CHECK(workers[i].records != NULL);
        ok(disturber, env_task_start(world.env, "worker", worker_main, &workers[i],
                                     &workers[i].task, &disturber->err));
    }
    ok(disturber, env_task_start(world.env, "disturber", disturber_main, disturber,
                                 &disturber->task, &(struct err){0}));
    for (uint32_t i = 0; i < thread_count; i++) {
        env_task_join(world.env, workers[i].task);
    }
    atomic_store(&world.stop, true);
    env_task_join(world.env, disturber->task);
    judge(&world, workers, thread_count);
    for (uint32_t i = 0; i < thread_count; i++) {
        free(workers[i].records);
    }
    store_close(world.store);
    env_ram_destroy(world.env);
}

/* ---- the judge can say no ---- */

static bool judged(const struct history_step *first, const struct history_step *second,
                   bool second_commits)
{
    static const struct history_snapshot snapshots[] = {{.begin_tick = 0, .end_tick = 1},
                                                        {.begin_tick = 2, .end_tick = 3}};
    struct history_txn txns[] = {
        {.committed = true,
         .commit_tick = 4,
         .done_tick = 5,
         .snapshots = &snapshots[0],
         .snapshot_count = 1,
         .steps = first,
         .step_count = 2},
        {.committed = second_commits,
         .commit_tick = 6,
         .done_tick = 7,
         .snapshots = &snapshots[1],
         .snapshot_count = 1,
         .steps = second,
         .step_count = 2},
    };
    char why[256];
    return history_check(txns, 2, 10, 8, why);
}

TEST(the_judge_knows_each_anomaly)
{
    const struct history_step writes[] = {
        {.kind = HISTORY_WRITE, .reg = 0, .version = 3, .replaced = 1},
        {.kind = HISTORY_WRITE, .reg = 1, .version = 4, .replaced = 2}};
    const struct history_step before[] = {{.kind = HISTORY_READ, .reg = 0, .version = 1},
                                          {.kind = HISTORY_READ, .reg = 1, .version = 2}};
    const struct history_step torn[] = {{.kind = HISTORY_READ, .reg = 0, .version = 3},
                                        {.kind = HISTORY_READ, .reg = 1, .version = 2}};
    const struct history_step lost[] = {
        {.kind = HISTORY_WRITE, .reg = 0, .version = 5, .replaced = 1},
        {.kind = HISTORY_READ, .reg = 0, .version = 5}};
    const struct history_step blind[] = {
        {.kind = HISTORY_WRITE, .reg = 0, .version = 5, .replaced = 1},
        {.kind = HISTORY_READ, .reg = 0, .version = 1}};
    const struct history_step early[] = {{.kind = HISTORY_READ, .reg = 0, .version = 3},
                                         {.kind = HISTORY_READ, .reg = 1, .version = 4}};
    CHECK(judged(writes, before, true));
    CHECK(!judged(writes, torn, true));   // Half a commit.
    CHECK(!judged(writes, lost, true));   // Both replaced version 1.
    CHECK(judged(writes, lost, false));   // One of them did not.
    CHECK(!judged(writes, blind, false)); // Its own write is gone.
    CHECK(!judged(writes, early, true));  // Seen before its commit was asked for.
    CHECK(!judged(before, blind, true) && judged(before, lost, true));
}

TEST(two_threads_see_consistent_snapshots)
{
    run_history(2, 1500, 1);
}

TEST(eight_threads_see_consistent_snapshots)
{
    run_history(8, 500, 100);
}
