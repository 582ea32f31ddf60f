/*
 * Goal: no crash, at any moment, loses an acknowledged commit or leaves a half-applied one; no
 * fault does more than fail the statement it met; nothing leaks.
 *
 * Method: one seed is one life of a database. A few writer tasks, each with keys of its own, run
 * random transactions while the database flushes and merges in the background and a keeper flushes,
 * merges, backs up, alters and verifies. The machine crashes at a random operation, comes back with
 * whatever a disk may have kept, and the database is opened and compared with the model: for each
 * writer some prefix of its transactions, at least as long as what was acknowledged as durable;
 * across writers, whatever was acknowledged before something that survived began has survived too.
 *
 *   tdb_sim [--seeds N] [--start S] [--verbose]
 *
 * Prints how often every kind of fault struck, and exits non-zero on the first life that breaks a
 * rule, with the seed that replays it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/store/store_read.h"
#include "txn/txn.h"

#include "sim_disk.h"
#include "sim_env.h"

#define WRITER_COUNT      3u
#define KEYS_PER_WRITER   24u
#define COMMIT_COUNT_MAX  4000u
#define CHANGE_COUNT_MAX  8u
#define OPERATION_MINIMUM 2000u
#define CRASH_MINIMUM     3u
#define BOOT_COUNT_MAX    40u

struct change {
    uint32_t key;
    uint32_t value; /* 0: deleted. */
};

struct commit {
    struct change changes[CHANGE_COUNT_MAX];
    uint32_t change_count;
    uint64_t started; /* On the test's own clock of events. */
    uint64_t acked;   /* 0: not. */
    bool failed;      /* Reported as not done. */
    bool full;
    bool effective; /* It changed something; else there is nothing to lose or keep. */
};

struct writer {
    struct life *life;
    uint32_t number;
    struct commit *commits;
    uint32_t commit_count;
    uint32_t settled; /* Of these the outcome is known: they are in, or failed. */
    uint32_t model[KEYS_PER_WRITER];
    struct sim_random random;
    struct env_task *task;
    bool stopped;
};

struct totals {
    uint64_t lives, boots, crashes, commits, operations, flushes, merges, backups, alters, stops;
    uint64_t faults[SIM_OP_COUNT][SIM_FAULT_COUNT];
};

struct life {
    uint64_t seed;
    struct sim *sim;
    struct sim_random random;
    struct writer writers[WRITER_COUNT];
    struct store *store;
    struct totals *totals;
    uint64_t events;
    uint64_t operations;
    uint64_t until; /* Operations after which this boot's writers stop. */
    uint32_t boots;
    uint32_t crashes;
    uint32_t columns_added;
    uint32_t backups;
    bool faults_on;
    bool wind_down; /* Writers stop at their next transaction. */
    bool final;     /* The last boot: no crash, no fault. */
    uint32_t value_next;
    const char *doing;
    char broken[1024];
};

static bool verbose;

static void fail(struct life *life, const char *what)
{
    if (life->broken[0] == '\0') {
        (void)snprintf(life->broken, sizeof life->broken, "boot %u, %s: %s", life->boots,
                       life->doing, what);
    }
}

static uint64_t below(struct life *life, uint64_t limit)
{
    return sim_random_below(&life->random, limit);
}

/* ---- the schema ---- */

static struct schema_column columns[] = {
    {.id = 1, .not_null = true, .type = {.id = TYPE_TEXT}, .name = "key"},
    {.id = 2, .type = {.id = TYPE_INT8}, .name = "value", .missing = {.is_null = true}},
    {.id = 3, .type = {.id = TYPE_BYTEA}, .name = "body", .missing = {.is_null = true}},
};

static tdbplus_status create_table(struct life *life, struct call *call)
{
    static uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 3,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 4};
    struct txn *txn = NULL;
    uint64_t id = 0;
    TRY(txn_begin(life->store, NULL, call->alloc, &txn, call->err));
    if (txn_object(txn, OBJECT_COLLECTION, "t") != NULL) {
        txn_abort(txn);
        return TDBPLUS_OK;
    }
    tdbplus_status status =
        txn_object_create(txn, OBJECT_COLLECTION, "t", &schema, (struct span){0}, &id, call->err);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, call);
}

static void make_key(uint32_t writer, uint32_t key, char text[32])
{
    (void)snprintf(text, 32, "%u/%04u", writer, key * 37 % KEYS_PER_WRITER);
}

/* The body follows from the value, so that any mix-up shows. */
static struct span make_body(uint32_t value, uint8_t *bytes)
{
    size_t size = value % 7 == 0 ? 1500 + value % 3000 : value % 60;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value * 31 + i * 7);
    }
    return (struct span){.data = bytes, .size = size};
}

/* True when a failure may happen to anybody at any time. */
static bool is_excused(const struct life *life, tdbplus_status status)
{
    if (status == TDBPLUS_E_STOPPED || status == TDBPLUS_E_CONFLICT) {
        return true;
    }
    return life->faults_on && (status == TDBPLUS_E_NOMEM || status == TDBPLUS_E_IO ||
                               status == TDBPLUS_E_FULL || status == TDBPLUS_E_LIMIT);
}

/* ---- comparing with the model ---- */

/* False when a fault kept it from reading everything. */
static bool read_state(struct life *life, struct call *call, uint32_t *state)
{
    static const uint32_t positions[] = {0, 1, 2};
    struct txn *txn = NULL;
    struct scan *scan = NULL;
    struct batch batch;
    batch_init(&batch, call->alloc);
    memset(state, 0, sizeof(uint32_t) * WRITER_COUNT * KEYS_PER_WRITER);
    tdbplus_status status = txn_begin(life->store, NULL, call->alloc, &txn, call->err);
    const struct object *table =
        status == TDBPLUS_OK ? txn_object(txn, OBJECT_COLLECTION, "t") : NULL;
    struct scan_options options = {.positions = positions, .position_count = 3};
    options.order = (uint8_t)below(life, 3);
    if (table != NULL) {
        status = scan_open(txn, table, &options, &scan, call->err);
    }
    while (status == TDBPLUS_OK && scan != NULL) {
        status = scan_next(scan, &batch, call);
        for (uint32_t i = 0; status == TDBPLUS_OK && i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum values[3];
            for (uint32_t c = 0; c < 3; c++) {
                column_get(&batch.columns[c], row, &values[c]);
            }
            uint8_t bytes[8192];
            uint32_t value = (uint32_t)values[1].integer;
            if (span_compare(make_body(value, bytes), values[2].bytes) != 0) {
                fail(life, "a row's body is not its own");
            }
            for (uint32_t k = 0; k < WRITER_COUNT * KEYS_PER_WRITER; k++) {
                char text[32];
                make_key(k / KEYS_PER_WRITER, k % KEYS_PER_WRITER, text);
                if (span_compare(span_from_text(text), values[0].bytes) == 0) {
                    if (state[k] != 0) {
                        fail(life, "a key is there twice");
                    }
                    state[k] = value;
                }
            }
        }
    }
    bool complete = status == TDBPLUS_END;
    if (!complete && !is_excused(life, status)) {
        fail(life, table == NULL ? "the table is gone" : call->err->text);
    }
    scan_close(scan);
    batch_deinit(&batch);
    txn_abort(txn);
    return complete;
}

static void apply(uint32_t *model, const struct commit *commit)
{
    for (uint32_t i = 0; i < commit->change_count; i++) {
        model[commit->changes[i].key] = commit->changes[i].value;
    }
}

/* How many of the writer's commits the state shows, or UINT32_MAX if it is no prefix. */
static uint32_t find_prefix(struct writer *writer, const uint32_t *state)
{
    uint32_t model[KEYS_PER_WRITER];
    memcpy(model, writer->model, sizeof model);
    uint32_t found = UINT32_MAX;
    for (uint32_t n = writer->settled; n <= writer->commit_count; n++) {
        if (memcmp(model, state, sizeof model) == 0) {
            found = n;
        }
        if (n < writer->commit_count && !writer->commits[n].failed) {
            apply(model, &writer->commits[n]);
        }
    }
    return found;
}

static uint32_t least_prefix(const struct writer *writer)
{
    uint32_t least = writer->settled;
    for (uint32_t n = writer->settled; n < writer->commit_count; n++) {
        const struct commit *commit = &writer->commits[n];
        if (commit->acked != 0 && commit->full && commit->effective) {
            least = n + 1;
        }
    }
    return least;
}

/* When the last commit that surely survived began; 0 if there is none. */
static uint64_t survivor_started(const struct writer *writer, uint32_t prefix)
{
    for (uint32_t n = prefix; n > writer->settled; n--) {
        const struct commit *commit = &writer->commits[n - 1];
        if (commit->effective && !commit->failed) {
            return commit->started;
        }
    }
    return 0;
}

/* Something that survived began after something else was acknowledged: that has survived too. */
static void check_order(struct life *life, const uint32_t *prefix)
{
    uint64_t latest = 0;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        uint64_t started = survivor_started(&life->writers[w], prefix[w]);
        latest = started > latest ? started : latest;
    }
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        const struct writer *writer = &life->writers[w];
        for (uint32_t n = prefix[w]; n < writer->commit_count; n++) {
            const struct commit *commit = &writer->commits[n];
            if (commit->acked != 0 && commit->effective && !commit->failed &&
                commit->acked < latest) {
                fail(life, "a commit is gone, a later one is there");
            }
        }
    }
}

/* True when the state was read and is right; writers may go on from it. */
static bool check_recovered(struct life *life, struct call *call)
{
    uint32_t state[WRITER_COUNT * KEYS_PER_WRITER];
    uint32_t prefix[WRITER_COUNT];
    if (!read_state(life, call, state)) {
        return false;
    }
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct writer *writer = &life->writers[w];
        prefix[w] = find_prefix(writer, state + w * KEYS_PER_WRITER);
        if (prefix[w] == UINT32_MAX) {
            fail(life, "what a writer left is no prefix of what it did");
            return false;
        }
        if (prefix[w] < least_prefix(writer)) {
            char text[128];
            (void)snprintf(text, sizeof text,
                           "writer %u: an acknowledged commit is gone (%u of %u, at least %u)", w,
                           prefix[w], writer->commit_count, least_prefix(writer));
            fail(life, text);
        }
    }
    check_order(life, prefix);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct writer *writer = &life->writers[w];
        memcpy(writer->model, state + w * KEYS_PER_WRITER, sizeof writer->model);
        writer->commit_count = 0; // History begins anew from the state found.
        writer->settled = 0;
    }
    return life->broken[0] == '\0';
}

/* ---- writers ---- */

static tdbplus_status write_change(struct writer *writer, struct txn *txn,
                                   const struct change *change, struct call *call)
{
    char text[32];
    uint8_t bytes[8192];
    make_key(writer->number, change->key, text);
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    if (table == NULL) {
        return err_set(call->err, TDBPLUS_E_INTERNAL, "the table is gone");
    }
    struct datum key = {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    if (change->value == 0) {
        return txn_delete(txn, table, &key, NULL, call);
    }
    struct datum values[8] = {
        key,
        {.type = {.id = TYPE_INT8}, .integer = change->value},
        {.type = {.id = TYPE_BYTEA}, .bytes = make_body(change->value, bytes)},
    };
    for (uint32_t i = 3; i < table->schema->column_count; i++) {
        values[i] = (struct datum){.type = table->schema->columns[i].type, .is_null = true};
    }
    return txn_write(txn, table, TXN_UPSERT, values, NULL, call);
}

static void plan_commit(struct writer *writer, struct commit *commit)
{
    *commit = (struct commit){.started = ++writer->life->events};
    uint32_t count = 1 + (uint32_t)sim_random_below(&writer->random, CHANGE_COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = (uint32_t)sim_random_below(&writer->random, KEYS_PER_WRITER);
        bool erase = sim_random_below(&writer->random, 4) == 0;
        commit->changes[commit->change_count++] =
            (struct change){.key = key, .value = erase ? 0 : ++writer->life->value_next};
    }
    commit->full = sim_random_below(&writer->random, 3) != 0;
}

/* The values that the transaction's own reads must show after all its writes. */
static void check_own_reads(struct writer *writer, struct txn *txn, const struct commit *commit,
                            struct call *call)
{
    const struct change *last = &commit->changes[commit->change_count - 1];
    char text[32];
    make_key(writer->number, last->key, text);
    struct datum key = {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    struct datum values[8];
    static const uint32_t position = 1;
    struct batch batch;
    batch_init(&batch, call->alloc);
    bool found = false;
    tdbplus_status status = txn_get(txn, table, &key, &position, 1, &batch, values, &found, call);
    if (status == TDBPLUS_OK &&
        (found != (last->value != 0) || (found && values[0].integer != last->value))) {
        fail(writer->life, "a transaction does not see its own write");
    }
    batch_deinit(&batch);
}

static void run_commit(struct writer *writer)
{
    struct life *life = writer->life;
    struct commit *commit = &writer->commits[writer->commit_count];
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    plan_commit(writer, commit);
    struct txn_options options = {
        .isolation = (uint8_t)sim_random_below(&writer->random, 2),
        .durability =
            (int16_t)(commit->full ? DURABILITY_FULL : 1 + sim_random_below(&writer->random, 2))};
    struct txn *txn = NULL;
    tdbplus_status status = txn_begin(life->store, &options, call.alloc, &txn, &err);
    for (uint32_t i = 0; i < commit->change_count && status == TDBPLUS_OK; i++) {
        status = write_change(writer, txn, &commit->changes[i], &call);
        life->operations++;
    }
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        if (!is_excused(life, status)) {
            fail(life, err.text);
        }
        writer->stopped = status == TDBPLUS_E_STOPPED;
        return;
    }
    check_own_reads(writer, txn, commit, &call);
    err_clear(&err);
    if (sim_random_below(&writer->random, 10) == 0) {
        txn_abort(txn); // Never happened.
        return;
    }
    commit->effective = txn_has_changes(txn);
    writer->commit_count++; // From here on a crash may have kept it.
    status = txn_commit(txn, &call);
    if (status == TDBPLUS_OK) {
        commit->acked = ++life->events;
        life->totals->commits++;
    } else if (status == TDBPLUS_E_STOPPED) {
        writer->stopped = true; // Only the next open can tell.
    } else {
        commit->failed = true;
        if (!is_excused(life, status)) {
            fail(life, err.text);
        }
    }
}

static void writer_main(void *arg)
{
    struct writer *writer = arg;
    struct life *life = writer->life;
    while (!life->wind_down && !writer->stopped && life->broken[0] == '\0' &&
           life->operations < life->until && writer->commit_count < COMMIT_COUNT_MAX) {
        run_commit(writer);
        if (sim_random_below(&writer->random, 8) == 0) {
            env_sleep_us(sim_env(life->sim), sim_random_below(&writer->random, 2000));
        }
    }
}

/* ---- the keeper: everything that is not a row ---- */

static tdbplus_status add_column(struct life *life, struct call *call)
{
    if (life->columns_added >= 3) {
        return TDBPLUS_OK;
    }
    struct txn *txn = NULL;
    TRY(txn_begin(life->store, NULL, call->alloc, &txn, call->err));
    const struct object *table = txn_object(txn, OBJECT_COLLECTION, "t");
    struct schema schema = *table->schema;
    struct schema_column wide[8];
    memcpy(wide, schema.columns, schema.column_count * sizeof *wide);
    char name[32];
    (void)snprintf(name, sizeof name, "extra%u", schema.column_id_next);
    wide[schema.column_count] =
        (struct schema_column){.id = schema.column_id_next,
                               .type = {.id = TYPE_INT4},
                               .name = name,
                               .missing = {.type = {.id = TYPE_INT4}, .integer = 7}};
    if (schema.column_count >= 6) {
        txn_abort(txn);
        return TDBPLUS_OK;
    }
    schema.columns = wide;
    schema.column_count++;
    schema.column_id_next++;
    tdbplus_status status = txn_object_alter(txn, table->id, NULL, &schema, NULL, call->err);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    life->totals->alters++;
    return txn_commit(txn, call);
}

static tdbplus_status backup(struct life *life, struct call *call)
{
    char directory[64];
    (void)snprintf(directory, sizeof directory, "backup%u", life->backups++);
    TRY(store_backup(life->store, directory, call));
    life->totals->backups++;
    struct store_options options = {.env = sim_env(life->sim),
                                    .alloc = call->alloc,
                                    .directory = directory,
                                    .read_only = true,
                                    .log_file_size = 1 << 16};
    struct store *copy = NULL;
    tdbplus_status status = store_open(&options, &copy, call->err);
    if (status == TDBPLUS_OK) {
        status = store_verify(copy, NULL, NULL, call);
        store_close(copy);
    }
    return status;
}

static void keep(struct life *life)
{
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    tdbplus_status status = TDBPLUS_OK;
    switch (below(life, 8)) {
    case 0:
        status = store_flush(life->store, &call);
        life->totals->flushes++;
        break;
    case 1:
        status = store_optimize(life->store, 0, &call);
        life->totals->merges++;
        break;
    case 2:
        status = below(life, 4) == 0 ? backup(life, &call) : TDBPLUS_OK;
        break;
    case 3:
        status = below(life, 4) == 0 ? add_column(life, &call) : TDBPLUS_OK;
        break;
    case 4:
        status = store_verify(life->store, NULL, NULL, &call);
        break;
    case 5:
        sim_wall_jump_us(life->sim, (int64_t)below(life, 20000000) - 10000000);
        break;
    default:
        env_sleep_us(sim_env(life->sim), below(life, 5000));
        break;
    }
    if (status != TDBPLUS_OK && !is_excused(life, status)) {
        fail(life, err.text);
    }
}

/* ---- one boot ---- */

static bool any_stopped(const struct life *life)
{
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        if (life->writers[w].stopped) {
            return true;
        }
    }
    return false;
}

static void run_writers(struct life *life)
{
    life->wind_down = false;
    life->until = life->operations + 300 + below(life, 700);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        struct writer *writer = &life->writers[w];
        writer->stopped = false;
        writer->task = NULL;
        if (env_task_start(sim_env(life->sim), "writer", writer_main, writer, &writer->task,
                           NULL) != TDBPLUS_OK) {
            writer->task = NULL; // A fault: this one sits out.
        }
    }
    uint32_t rounds = 0;
    while (life->operations < life->until && life->broken[0] == '\0' && !any_stopped(life) &&
           rounds++ < 400) {
        keep(life);
        env_yield(sim_env(life->sim));
    }
    life->wind_down = true;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        if (life->writers[w].task != NULL) {
            env_task_join(sim_env(life->sim), life->writers[w].task);
        }
    }
}

static tdbplus_status open_store(struct life *life, struct call *call)
{
    struct store_options options = {
        .env = sim_env(life->sim),
        .alloc = call->alloc,
        .directory = "db",
        .memtable_size_bytes = 16 << 10,
        .cache_size_bytes = 256 << 10,
        .merge_fan_out = 3,
        .log_file_size = 1 << 16,
        .durability = DURABILITY_FULL,
    };
    return store_open(&options, &life->store, call->err);
}

static void boot_main(void *arg)
{
    struct life *life = arg;
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    life->doing = "open";
    life->store = NULL;
    tdbplus_status status = open_store(life, &call);
    if (verbose && status == TDBPLUS_OK) {
        struct store_statistics statistics;
        store_get_statistics(life->store, &statistics);
        printf("  opened: %llu collections, %llu segments, %llu memtable rows, %llu records\n",
               (unsigned long long)statistics.collection_count,
               (unsigned long long)statistics.segment_count,
               (unsigned long long)statistics.memtable_rows,
               (unsigned long long)statistics.recovery_records);
    }
    if (status == TDBPLUS_OK) {
        status = create_table(life, &call);
    }
    if (status != TDBPLUS_OK) {
        if (!is_excused(life, status)) {
            fail(life, err.text);
        }
        store_close(life->store);
        return;
    }
    life->doing = "check";
    bool known = check_recovered(life, &call);
    life->doing = "verify";
    err_clear(&err);
    status = store_verify(life->store, NULL, NULL, &call);
    if (status != TDBPLUS_OK && !is_excused(life, status)) {
        fail(life, err.text);
    }
    life->doing = "work";
    if (known && !life->final) {
        run_writers(life);
    }
    life->doing = "close";
    life->totals->stops += any_stopped(life) ? 1 : 0;
    store_close(life->store);
}

/* ---- a life ---- */

static void add_faults(struct life *life)
{
    static const struct {
        enum sim_op op;
        enum sim_fault fault;
    } rules[] = {
        {SIM_OP_READ, SIM_FAULT_IO},     {SIM_OP_WRITE, SIM_FAULT_IO},
        {SIM_OP_SYNC, SIM_FAULT_IO},     {SIM_OP_RENAME, SIM_FAULT_IO},
        {SIM_OP_OPEN, SIM_FAULT_IO},     {SIM_OP_ALLOCATE, SIM_FAULT_FULL},
        {SIM_OP_WRITE, SIM_FAULT_FULL},  {SIM_OP_MEMORY, SIM_FAULT_NOMEM},
        {SIM_OP_UNLINK, SIM_FAULT_IO},   {SIM_OP_SYNC_DIRECTORY, SIM_FAULT_IO},
        {SIM_OP_LIST, SIM_FAULT_IO},     {SIM_OP_MEMORY, SIM_FAULT_NOMEM},
        {SIM_OP_TRUNCATE, SIM_FAULT_IO}, {SIM_OP_TASK_START, SIM_FAULT_NOMEM},
        {SIM_OP_SIZE, SIM_FAULT_IO},     {SIM_OP_MAKE_DIRECTORY, SIM_FAULT_IO},
        {SIM_OP_LOCK, SIM_FAULT_IO},     {SIM_OP_LINK, SIM_FAULT_IO},
    };
    size_t count = sizeof rules / sizeof *rules;
    for (uint32_t i = 0; i < 2; i++) {
        size_t at = (size_t)below(life, count);
        bool memory = rules[at].op == SIM_OP_MEMORY;
        struct sim_fault_rule rule = {
            .op = rules[at].op, .fault = rules[at].fault, .ppm = memory ? 2000 : 30000};
        sim_fault_add(life->sim, rule);
    }
}

/* Faults while opening and while working; afterwards the same database must be as good as new. */
static void boot_with_faults(struct life *life)
{
    life->faults_on = true;
    add_faults(life);
    if (below(life, 2) == 0) {
        sim_crash_at(life->sim, SIM_OP_ANY, 1 + below(life, 600));
    }
}

static void one_boot(struct life *life)
{
    life->boots++;
    life->totals->boots++;
    sim_fault_clear(life->sim);
    sim_crash_at(life->sim, SIM_OP_ANY, 0);
    life->faults_on = false;
    uint64_t dice = below(life, 4);
    if (!life->final && dice == 0) {
        boot_with_faults(life);
    } else if (!life->final && dice != 1) {
        sim_crash_at(life->sim, SIM_OP_ANY, 1 + below(life, 600));
    }
    enum sim_result result = sim_run(life->sim, boot_main, life);
    if (verbose) {
        printf("  boot %u: %s\n", life->boots, sim_report(life->sim));
    }
    if (result == SIM_CRASHED) {
        life->crashes++;
        life->totals->crashes++;
        sim_reboot(life->sim);
        return;
    }
    if (result != SIM_DONE) {
        fail(life, sim_report(life->sim));
        return;
    }
    if (life->broken[0] == '\0' && sim_memory_live(life->sim) != 0) {
        fail(life, "memory leaked");
    }
    if (life->broken[0] == '\0' && sim_files_open(life->sim) != 0) {
        fail(life, "files stayed open");
    }
    // A clean end may still be followed by a power loss: what was synced must be enough.
    if (below(life, 2) == 0) {
        sim_reboot(life->sim);
    } else {
        sim_restart(life->sim);
    }
}

static bool live(uint64_t seed, struct totals *totals)
{
    struct life life = {.seed = seed, .totals = totals, .doing = "start"};
    life.random.state = seed * 2654435761u + 17;
    life.sim = sim_create(seed);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        life.writers[w] = (struct writer){.life = &life, .number = w};
        life.writers[w].random.state = seed * 31 + w;
        life.writers[w].commits = calloc(COMMIT_COUNT_MAX, sizeof(struct commit));
    }
    while (life.broken[0] == '\0' && life.boots < BOOT_COUNT_MAX &&
           (life.operations < OPERATION_MINIMUM || life.crashes < CRASH_MINIMUM)) {
        one_boot(&life);
    }
    life.final = true;
    if (life.broken[0] == '\0') {
        one_boot(&life);
    }
    for (uint32_t op = 0; op < SIM_OP_COUNT; op++) {
        for (uint32_t fault = 0; fault < SIM_FAULT_COUNT; fault++) {
            totals->faults[op][fault] += sim_fault_hits(life.sim, op, fault);
        }
    }
    totals->lives++;
    totals->operations += life.operations;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        free(life.writers[w].commits);
    }
    sim_destroy(life.sim);
    if (life.broken[0] != '\0') {
        printf("seed %llu: %s\n", (unsigned long long)seed, life.broken);
        return false;
    }
    return true;
}

/* ---- report ---- */

static void report(const struct totals *totals)
{
    static const char *const ops[SIM_OP_COUNT] = {
        "open",     "read",           "write",          "sync",
        "allocate", "truncate",       "size",           "rename",
        "unlink",   "link",           "make_directory", "remove_directory",
        "list",     "sync_directory", "lock",           "task_start",
        "any",      "event_wait",     "event_set",      "memory"};
    static const char *const faults[SIM_FAULT_COUNT] = {"io", "full", "nomem", "lost",
                                                        "misdirected"};
    printf("%llu lives, %llu boots, %llu crashes, %llu stops, %llu commits, %llu row operations\n",
           (unsigned long long)totals->lives, (unsigned long long)totals->boots,
           (unsigned long long)totals->crashes, (unsigned long long)totals->stops,
           (unsigned long long)totals->commits, (unsigned long long)totals->operations);
    printf("%llu flushes, %llu merges, %llu backups, %llu alters asked for\n",
           (unsigned long long)totals->flushes, (unsigned long long)totals->merges,
           (unsigned long long)totals->backups, (unsigned long long)totals->alters);
    for (uint32_t op = 0; op < SIM_OP_COUNT; op++) {
        for (uint32_t fault = 0; fault < SIM_FAULT_COUNT; fault++) {
            if (totals->faults[op][fault] > 0) {
                printf("fault %s/%s: %llu hits\n", ops[op], faults[fault],
                       (unsigned long long)totals->faults[op][fault]);
            }
        }
    }
}

int main(int argc, char **argv)
{
    uint64_t seeds = 100;
    uint64_t start = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--start") == 0 && i + 1 < argc) {
            start = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "usage: tdb_sim [--seeds N] [--start S] [--verbose]\n");
            return 2;
        }
    }
    static struct totals totals;
    uint64_t failed = 0;
    for (uint64_t seed = start; seed < start + seeds; seed++) {
        failed += live(seed, &totals) ? 0 : 1;
        if (failed >= 20) {
            break;
        }
    }
    report(&totals);
    printf("%llu passed, %llu failed\n", (unsigned long long)(totals.lives - failed),
           (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
