/*
 * Goal: no crash, at any moment, loses an acknowledged commit or leaves a half-applied one; no
 * fault does more than fail the statement it met; no damage is taken for data; nothing leaks.
 *
 * Method: one seed is one life of a database. A few writer tasks, each with keys of its own and one
 * counter for all, run random transactions while watchers hold snapshots, the database flushes and
 * merges in the background and a keeper flushes, merges, backs up, alters and verifies. The machine
 * crashes at a random operation, comes back with whatever a disk may have kept, and the database is
 * opened and compared with the model: for each writer some prefix of its transactions, at least as
 * long as what was acknowledged as durable or seen by a reader; across writers, whatever was
 * acknowledged before something that survived began has survived too; the counter is the sum of
 * both. In the end bits flip in the closed database's files.
 *
 *   tdb_sim [--seeds N] [--start S] [--verbose]
 *   tdb_sim_planted --planted [--seeds N] [--start S] [--plant NAME]
 *
 * Prints how often every kind of fault struck, and exits non-zero when a life broke a rule, with
 * the seed that replays it; from 500 lives on also when a kind of fault never struck.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdb_life.h"

#define SEEDS_FOR_EVERY_SITE 500u

void life_fail(struct life *life, const char *what)
{
    if (life->broken[0] == '\0') {
        (void)snprintf(life->broken, sizeof life->broken, "boot %u, %s: %s", life->boots,
                       life->doing, what);
    }
}

uint64_t life_below(struct life *life, uint64_t limit)
{
    return sim_random_below(&life->random, limit);
}

bool life_excuses(const struct life *life, tdbplus_status status)
{
    if (status == TDBPLUS_E_STOPPED || status == TDBPLUS_E_CONFLICT || status == TDBPLUS_E_LOCK) {
        return true;
    }
    return life->faults_on && (status == TDBPLUS_E_NOMEM || status == TDBPLUS_E_IO ||
                               status == TDBPLUS_E_FULL || status == TDBPLUS_E_LIMIT);
}

tdbplus_status life_open(struct life *life, const char *directory, bool read_only,
                         struct store **store_out, struct call *call)
{
    struct store_options options = {
        .env = sim_env(life->sim),
        .alloc = call->alloc,
        .directory = directory,
        .read_only = read_only,
        .memtable_size_bytes = 16 << 10,
        .cache_size_bytes = 256 << 10,
        .merge_fan_out = 3,
        .log_file_size = 1 << 16,
        .manifest_rotate_size = 1 << 11,
        .durability = DURABILITY_FULL,
    };
    return store_open(&options, store_out, call->err);
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

/* A fault may keep a task from starting: it sits out. */
static struct env_task *start_task(struct life *life, void (*run)(void *arg), void *arg)
{
    struct env_task *task = NULL;
    return env_task_start(sim_env(life->sim), "task", run, arg, &task, NULL) == TDBPLUS_OK ? task
                                                                                           : NULL;
}

static void join_task(struct life *life, struct env_task *task)
{
    if (task != NULL) {
        env_task_join(sim_env(life->sim), task);
    }
}

static void run_tasks(struct life *life)
{
    life->wind_down = false;
    life->lazy = life_below(life, 3) == 0;
    life->until = life->operations + 300 + life_below(life, 700);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        life->writers[w].stopped = false;
        life->writers[w].load_phase = LOAD_NONE;
        life->writers[w].task = start_task(life, writer_main, &life->writers[w]);
    }
    for (uint32_t r = 0; r < WATCHER_COUNT; r++) {
        life->watchers[r].task = start_task(life, watcher_main, &life->watchers[r]);
    }
    uint32_t rounds = 0;
    while (life->operations < life->until && life->broken[0] == '\0' && !any_stopped(life) &&
           rounds++ < 400) {
        keeper_step(life);
        env_yield(sim_env(life->sim));
    }
    life->wind_down = true;
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        join_task(life, life->writers[w].task);
    }
    for (uint32_t r = 0; r < WATCHER_COUNT; r++) {
        join_task(life, life->watchers[r].task);
    }
}

/* Opening without writing anything shows the same as opening. */
static void look_read_only(struct life *life, struct call *call)
{
    struct store *store = NULL;
    struct txn *txn = NULL;
    struct state state;
    uint32_t bounds[WRITER_COUNT];
    life->doing = "read-only open";
    tdbplus_status status = life_open(life, "db", true, &store, call);
    if (status == TDBPLUS_OK) {
        status = txn_begin(store, NULL, call->alloc, &txn, call->err);
    }
    if (status == TDBPLUS_OK) {
        status = model_read(life, txn, true, &state, call);
    }
    if (status == TDBPLUS_OK) {
        model_bounds(life, true, bounds);
        model_check(life, &state, bounds, false);
        life->totals->read_only_opens++;
    } else if (!life_excuses(life, status)) {
        life_fail(life, call->err->text);
    }
    txn_abort(txn);
    store_close(store);
    err_clear(call->err);
}

static tdbplus_status open_and_create(struct life *life, struct call *call)
{
    life->doing = "open";
    life->store = NULL;
    TRY(life_open(life, "db", false, &life->store, call));
    return model_create_tables(life, call);
}

struct file_count {
    uint64_t segments;
    uint64_t values;
};

static tdbplus_status count_file(void *ctx, const char *name, bool is_directory)
{
    struct file_count *count = ctx;
    (void)is_directory;
    count->segments += strncmp(name, "segment-", 8) == 0 ? 1 : 0;
    count->values += strncmp(name, "values-", 7) == 0 ? 1 : 0;
    return TDBPLUS_OK;
}

/* After the last, undisturbed boot the directory has the files of the database and no others. */
static void look_for_leaks(struct life *life, struct call *call)
{
    struct store *store = NULL;
    struct store_statistics statistics;
    struct file_count count = {0};
    life->doing = "look for leaks";
    tdbplus_status status = life_open(life, "db", true, &store, call);
    if (status == TDBPLUS_OK) {
        store_get_statistics(store, &statistics);
        status = env_list(sim_env(life->sim), "db", count_file, &count, call->err);
    }
    if (status != TDBPLUS_OK) {
        life_fail(life, call->err->text);
    } else if (count.segments != statistics.segment_count ||
               count.values != statistics.value_file_count) {
        life_fail(life, "files leaked");
    }
    store_close(store);
}

/* What this boot has done to value files. */
static void count_values(struct life *life)
{
    struct store_statistics statistics;
    store_get_statistics(life->store, &statistics);
    life->totals->value_files += statistics.value_file_count;
    life->totals->value_garbage += statistics.value_garbage_bytes > 0 ? 1 : 0;
}

static void boot_main(void *arg)
{
    struct life *life = arg;
    struct err err = {0};
    struct call call = {.alloc = sim_alloc(life->sim), .err = &err};
    life->store = NULL;
    if (life->created && life_below(life, 4) == 0) {
        look_read_only(life, &call);
    }
    tdbplus_status status = open_and_create(life, &call);
    if (status != TDBPLUS_OK) {
        if (!life_excuses(life, status)) {
            life_fail(life, err.text);
        }
        store_close(life->store);
        return;
    }
    life->doing = "check";
    bool known = model_settle(life, &call);
    life->doing = "verify";
    err_clear(&err);
    status = store_verify(life->store, NULL, NULL, &call);
    if (status != TDBPLUS_OK && !life_excuses(life, status)) {
        life_fail(life, err.text);
    }
    life->doing = "work";
    if (known && !life->final) {
        run_tasks(life);
    }
    life->doing = "close";
    life->totals->stops += any_stopped(life) ? 1 : 0;
    count_values(life);
    store_close(life->store);
    if (life->final) {
        look_for_leaks(life, &call);
    }
}

/* ---- a life ---- */

static const struct fault_site sites[] = {
    {SIM_OP_READ, SIM_FAULT_IO},           {SIM_OP_WRITE, SIM_FAULT_IO},
    {SIM_OP_SYNC, SIM_FAULT_IO},           {SIM_OP_RENAME, SIM_FAULT_IO},
    {SIM_OP_OPEN, SIM_FAULT_IO},           {SIM_OP_ALLOCATE, SIM_FAULT_FULL},
    {SIM_OP_WRITE, SIM_FAULT_FULL},        {SIM_OP_MEMORY, SIM_FAULT_NOMEM},
    {SIM_OP_UNLINK, SIM_FAULT_IO},         {SIM_OP_SYNC_DIRECTORY, SIM_FAULT_IO},
    {SIM_OP_LIST, SIM_FAULT_IO},           {SIM_OP_TRUNCATE, SIM_FAULT_IO},
    {SIM_OP_TASK_START, SIM_FAULT_NOMEM},  {SIM_OP_SIZE, SIM_FAULT_IO},
    {SIM_OP_MAKE_DIRECTORY, SIM_FAULT_IO}, {SIM_OP_LOCK, SIM_FAULT_IO},
    {SIM_OP_LINK, SIM_FAULT_IO},
};

#define SITE_COUNT (sizeof sites / sizeof *sites)

/* Parts in a million: so that calls which are made once or twice a boot are struck too. */
static uint32_t chance_of(enum sim_op op)
{
    bool rare = op == SIM_OP_MAKE_DIRECTORY || op == SIM_OP_LOCK || op == SIM_OP_LINK ||
                op == SIM_OP_ALLOCATE || op == SIM_OP_LIST || op == SIM_OP_TASK_START;
    return op == SIM_OP_MEMORY ? 2000 : rare ? 250000 : 30000;
}

/* Faults while opening and while working; afterwards the same database must be as good as new. */
static void boot_with_faults(struct life *life)
{
    life->faults_on = true;
    for (uint32_t i = 0; i < 2; i++) {
        const struct fault_site *site = &sites[life_below(life, SITE_COUNT)];
        struct sim_fault_rule rule = {
            .op = site->op, .fault = site->fault, .ppm = chance_of(site->op)};
        sim_fault_add(life->sim, rule);
    }
    if (life_below(life, 2) == 0) {
        sim_crash_at(life->sim, SIM_OP_ANY, 1 + life_below(life, 600));
    }
}

static void end_boot(struct life *life, enum sim_result result)
{
    life_note_time(life);
    if (result == SIM_CRASHED) {
        life->crashes++;
        life->totals->crashes++;
        for (uint32_t w = 0; w < WRITER_COUNT; w++) {
            life->totals->load_crashes[life->writers[w].load_phase]++;
            life->writers[w].load_phase = LOAD_NONE;
        }
        sim_reboot(life->sim);
        return;
    }
    if (result != SIM_DONE) {
        life_fail(life, sim_report(life->sim));
        return;
    }
    if (sim_memory_live(life->sim) != 0) {
        life_fail(life, "memory leaked");
    }
    if (sim_files_open(life->sim) != 0) {
        life_fail(life, "files stayed open");
    }
    // A clean end may still be followed by a power loss: what was synced must be enough.
    if (life_below(life, 2) == 0) {
        sim_reboot(life->sim);
    } else {
        sim_restart(life->sim);
    }
}

static void one_boot(struct life *life)
{
    life->boots++;
    life->totals->boots++;
    sim_fault_clear(life->sim);
    sim_crash_at(life->sim, SIM_OP_ANY, 0);
    life->faults_on = false;
    uint64_t dice = life_below(life, 4);
    if (!life->final && dice == 0) {
        boot_with_faults(life);
    } else if (!life->final && dice != 1) {
        sim_crash_at(life->sim, SIM_OP_ANY, 1 + life_below(life, 600));
    }
    enum sim_result result = sim_run(life->sim, boot_main, life);
    if (life->verbose) {
        printf("  boot %u: %s\n", life->boots, sim_report(life->sim));
    }
    end_boot(life, result);
}

static void life_init(struct life *life, uint64_t seed)
{
    life->random.state = seed * 2654435761u + 17;
    life->sim = sim_create(seed);
    life->expiries = calloc(VALUE_COUNT_MAX, sizeof *life->expiries);
    for (uint32_t w = 0; w < WRITER_COUNT; w++) {
        life->writers[w] = (struct writer){.life = life, .number = w};
        life->writers[w].random.state = seed * 31 + w;
        life->writers[w].commits = calloc(COMMIT_COUNT_MAX, sizeof(struct commit));
    }
    for (uint32_t r = 0; r < WATCHER_COUNT; r++) {
        life->watchers[r] = (struct watcher){.life = life};
        life->watchers[r].random.state = seed * 37 + r;
    }
}

bool life_run(uint64_t seed, bool verbose, struct totals *totals)
{
    struct life life = {.seed = seed, .totals = totals, .doing = "start", .verbose = verbose};
    life_init(&life, seed);
    while (life.broken[0] == '\0' && life.boots < BOOT_COUNT_MAX &&
           (life.operations < OPERATION_MINIMUM || life.crashes < CRASH_MINIMUM)) {
        one_boot(&life);
    }
    life.final = true;
    if (life.broken[0] == '\0') {
        one_boot(&life);
    }
    bool lie = seed % 2 == 0;
    if (life.broken[0] == '\0') {
        damage_run(&life, !lie);
    }
    life.final = false;
    if (life.broken[0] == '\0' && lie) {
        damage_by_lie(&life, boot_main);
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
    free(life.expiries);
    sim_destroy(life.sim);
    if (life.broken[0] != '\0') {
        printf("seed %llu: %s\n", (unsigned long long)seed, life.broken);
        fflush(stdout);
        return false;
    }
    return true;
}

/* ---- report ---- */

static void print_totals(const struct totals *totals)
{
    const struct {
        uint64_t count;
        const char *what;
    } lines[] = {
        {totals->lives, "lives"},
        {totals->boots, "boots"},
        {totals->crashes, "crashes"},
        {totals->stops, "stops after a failed write"},
        {totals->commits, "commits"},
        {totals->operations, "row operations"},
        {totals->snapshots, "snapshots read again and again"},
        {totals->flushes, "flushes asked for"},
        {totals->merges, "merges asked for"},
        {totals->ranges, "ranges of keys deleted"},
        {totals->loads, "loads"},
        {totals->spills, "transactions with a budget of a few rows"},
        {totals->expired_at_once, "rows written that had expired"},
        {totals->expired, "rows missed by their writers, for they had expired"},
        {totals->reborn, "rows that expired by a clock of an earlier boot only"},
        {totals->load_crashes[LOAD_ADD], "crashes while a load wrote its files"},
        {totals->load_crashes[LOAD_END], "crashes while it ended the last one"},
        {totals->load_crashes[LOAD_COMMIT], "crashes while its commit named them"},
        {totals->load_faults[LOAD_ADD], "loads that a fault struck while they wrote"},
        {totals->load_faults[LOAD_END], "loads that a fault struck at the end"},
        {totals->load_faults[LOAD_COMMIT], "loads that a fault struck in the commit"},
        {totals->backups, "backups opened"},
        {totals->alters, "columns added"},
        {totals->read_only_opens, "read-only openings"},
        {totals->value_files, "value files at the end of boots"},
        {totals->value_garbage, "boots that ended with garbage in some"},
        {totals->path_reads, "paths of documents read"},
        {totals->damages, "damages"},
        {totals->value_damages, "of them in value files"},
        {totals->damages_found, "of them noticed, the rest harmless"},
        {totals->lies, "writes lost or misdirected"},
        {totals->lies_found, "of them noticed, the rest harmless"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        printf("%10llu %s\n", (unsigned long long)lines[i].count, lines[i].what);
    }
}

/* How often each kind of fault struck; returns how many never did. */
static uint32_t print_sites(const struct totals *totals)
{
    static const char *const ops[SIM_OP_COUNT] = {
        "open",     "read",           "write",          "sync",
        "allocate", "truncate",       "size",           "rename",
        "unlink",   "link",           "make_directory", "remove_directory",
        "list",     "sync_directory", "lock",           "task_start",
        "any",      "event_wait",     "event_set",      "memory"};
    static const char *const faults[SIM_FAULT_COUNT] = {"io", "full", "nomem", "lost",
                                                        "misdirected"};
    uint32_t missed = 0;
    for (uint32_t phase = LOAD_ADD; phase < LOAD_PHASE_COUNT; phase++) {
        missed += totals->load_crashes[phase] == 0 ? 1 : 0;
        missed += totals->load_faults[phase] == 0 ? 1 : 0;
    }
    for (size_t i = 0; i < SITE_COUNT; i++) {
        uint64_t hits = totals->faults[sites[i].op][sites[i].fault];
        printf("%10llu faults %s/%s\n", (unsigned long long)hits, ops[sites[i].op],
               faults[sites[i].fault]);
        missed += hits == 0 ? 1 : 0;
    }
    return missed;
}

static int run_lives(uint64_t start, uint64_t seeds, bool verbose)
{
    static struct totals totals;
    uint64_t failed = 0;
    for (uint64_t seed = start; seed < start + seeds && failed < 20; seed++) {
        failed += life_run(seed, verbose, &totals) ? 0 : 1;
    }
    print_totals(&totals);
    uint32_t missed = print_sites(&totals);
    missed += totals.value_damages == 0 || totals.value_files == 0 || totals.value_garbage == 0;
    missed += totals.ranges == 0 || totals.loads == 0 || totals.spills == 0;
    missed += totals.path_reads == 0 || totals.lies == 0 || totals.backups == 0;
    missed += totals.expired_at_once == 0 || totals.expired == 0 || totals.reborn == 0;
    uint64_t passed = totals.lives - failed;
    if (missed > 0 && seeds >= SEEDS_FOR_EVERY_SITE) {
        printf("%u kinds of faults or work never happened\n", missed);
        failed += missed;
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 0;
    uint64_t start = 1;
    bool verbose = false;
    bool with_plants = false;
    const char *only = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--start") == 0 && i + 1 < argc) {
            start = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0 && i + 1 < argc) {
            only = argv[++i];
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else if (strcmp(argv[i], "--planted") == 0) {
            with_plants = true;
        } else {
            fprintf(stderr, "usage: tdb_sim [--seeds N] [--start S] [--verbose] [--planted]\n");
            return 2;
        }
    }
    if (with_plants) {
        return plant_run(start, seeds == 0 ? 600 : seeds, only);
    }
    return run_lives(start, seeds == 0 ? 100 : seeds, verbose);
}
