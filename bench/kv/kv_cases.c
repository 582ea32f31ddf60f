/* The cases. Keys are 62 bits, scattered; values are random bytes that follow from key and
 * generation. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kv_bench.h"

#define MEMTABLE_BYTES ((size_t)64 << 20)
#define KEY_BITS       62u
#define WHOLE_COUNT    5u    /* Times that all rows are read. */
#define LAST_COUNT     1000u /* "The latest" of YCSB D are drawn from so many, skewed. */
#define LOG_BYTES      ((uint64_t)1 << 30) /* Of keys and values, in the case reopen_1g. */

static _Atomic uint64_t rows_put; /* By this process. */

/* Key number i, no two alike: odd multiplication and shifting back are both one to one. */
static uint64_t key_of(uint64_t number)
{
    const uint64_t mask = ((uint64_t)1 << KEY_BITS) - 1;
    uint64_t key = (number * 0x9E3779B97F4A7C15u) & mask;
    key ^= key >> 29;
    key = (key * 0xBF58476D1CE4E5B9u) & mask;
    key ^= key >> 31;
    return key;
}

void kv_make_row(uint64_t key, uint64_t generation, struct kv_row *row)
{
    uint64_t words[(KV_VALUE_SIZE + 7) / 8];
    uint64_t state = key ^ (generation << 40);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        words[i] = bench_random(&state);
    }
    row->key = key;
    memcpy(row->value, words, KV_VALUE_SIZE);
}

/* ---- cases: writing ---- */

static uint64_t *sorted_keys;

static int compare_keys(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b ? 1 : 0;
}

static void make_sorted_keys(void)
{
    sorted_keys = kv_memory(bench_options.rows, sizeof *sorted_keys);
    for (uint64_t i = 0; i < bench_options.rows; i++) {
        sorted_keys[i] = key_of(i);
    }
    qsort(sorted_keys, bench_options.rows, sizeof *sorted_keys, compare_keys);
}

/* All rows once, each worker a stretch of its own; kind 's': in order of key. */
static void load(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row batch[KV_BATCH_MAX];
    uint64_t at = worker->number * worker->operations;
    uint64_t end = at + worker->operations;
    for (uint64_t i = 0; at < end; i++) {
        size_t count = 0;
        for (; count < KV_BATCH_MAX && at < end; at++) {
            kv_make_row(worker->kind == 's' ? sorted_keys[at] : key_of(at), 0, &batch[count++]);
        }
        double begin = bench_begin_sample(worker, i);
        bench_engine->put(session, batch, count);
        bench_end_sample(worker, begin);
        worker->done += count;
    }
    rows_put += worker->done;
    bench_engine->session_end(session);
}

/* One row a commit: new versions of old rows. */
static void put_single(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row row;
    for (uint64_t i = 0; i < worker->operations; i++) {
        kv_make_row(key_of(bench_random(&worker->random) % bench_options.rows), 1, &row);
        double begin = bench_begin_sample(worker, i);
        bench_engine->put(session, &row, 1);
        bench_end_sample(worker, begin);
        worker->done++;
    }
    rows_put += worker->done;
    bench_engine->session_end(session);
}

/* The same in commits of a hundred rows. Workers have rows of their own: two batches that want each
 * other's are a deadlock where rows are locked, and no measure of speed. */
static void put_batch(struct bench_worker *worker)
{
    uint64_t share = bench_options.rows / worker->worker_count;
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row batch[KV_BATCH_MAX];
    for (uint64_t i = 0; i < worker->operations / KV_BATCH_MAX; i++) {
        for (size_t k = 0; k < KV_BATCH_MAX; k++) {
            uint64_t number = worker->number * share + bench_random(&worker->random) % share;
            kv_make_row(key_of(number), 1, &batch[k]);
        }
        double begin = bench_begin_sample(worker, i);
        bench_engine->put(session, batch, KV_BATCH_MAX);
        bench_end_sample(worker, begin);
        worker->done += KV_BATCH_MAX;
    }
    rows_put += worker->done;
    bench_engine->session_end(session);
}

/* New rows, each made durable, until time is up; every one is looked for afterwards. */
static void put_synced(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row row;
    uint64_t first = worker->random;
    while (bench_now() < worker->deadline) {
        kv_make_row(key_of(first + worker->done), 0, &row);
        double begin = bench_now();
        bench_engine->put(session, &row, 1);
        bench_end_sample(worker, begin);
        worker->done++;
    }
    worker->end = bench_now();
    for (uint64_t i = 0; i < worker->done; i += 97) {
        if (!bench_engine->get(session, key_of(first + i), &worker->hash)) {
            kv_fail(bench_engine->name, "put_synced", "an acknowledged row is missing");
        }
    }
    worker->hash = 0; // How many there are differs from engine to engine.
    bench_engine->session_end(session);
}

/* ---- cases: reading ---- */

/* kind 'u': uniform, present; 'm': absent; 'z': skewed, present. */
static void get(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    bench_engine->reads_begin(session);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < worker->operations; i++) {
        uint64_t random = bench_random(&worker->random);
        uint64_t number = random % bench_options.rows;
        if (worker->kind == 'm') {
            number += bench_options.rows * 16;
        } else if (worker->kind == 'z') {
            number =
                bench_zipf(&worker->random, bench_options.rows) * 0x9E3779B1u % bench_options.rows;
        }
        double begin = bench_begin_sample(worker, i);
        hits += bench_engine->get(session, key_of(number), &worker->hash) ? 1 : 0;
        bench_end_sample(worker, begin);
    }
    if (hits != (worker->kind == 'm' ? 0 : worker->operations)) {
        kv_fail(bench_engine->name, "get", "a row is missing, or one is there that should not be");
    }
    worker->done = worker->operations;
    bench_engine->reads_end(session);
    bench_engine->session_end(session);
}

static void get_many(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    bench_engine->reads_begin(session);
    uint64_t keys[KV_BATCH_MAX];
    for (uint64_t i = 0; i < worker->operations / KV_BATCH_MAX; i++) {
        for (size_t k = 0; k < KV_BATCH_MAX; k++) {
            keys[k] = key_of(bench_random(&worker->random) % bench_options.rows);
        }
        double begin = bench_begin_sample(worker, i);
        worker->done += bench_engine->get_many(session, keys, KV_BATCH_MAX, &worker->hash);
        bench_end_sample(worker, begin);
    }
    bench_engine->reads_end(session);
    bench_engine->session_end(session);
}

static void range(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    bench_engine->reads_begin(session);
    for (uint64_t i = 0; i < worker->operations / 100; i++) {
        uint64_t key = key_of(bench_random(&worker->random) % bench_options.rows);
        double begin = bench_begin_sample(worker, i);
        worker->done += bench_engine->range(session, key, 100, &worker->hash);
        bench_end_sample(worker, begin);
    }
    bench_engine->reads_end(session);
    bench_engine->session_end(session);
}

static void scan(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    bench_engine->reads_begin(session);
    for (uint32_t i = 0; i < WHOLE_COUNT; i++) {
        double begin = bench_now();
        worker->hash = 0;
        worker->done += bench_engine->scan(session, &worker->hash);
        bench_end_sample(worker, begin);
    }
    bench_engine->reads_end(session);
    bench_engine->session_end(session);
}

static void sum(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    bench_engine->reads_begin(session);
    for (uint32_t i = 0; i < WHOLE_COUNT; i++) {
        double begin = bench_now();
        worker->hash = bench_engine->sum(session);
        bench_end_sample(worker, begin);
        worker->done += bench_options.rows;
    }
    bench_engine->reads_end(session);
    bench_engine->session_end(session);
}

/* ---- cases: readers beside a writer ---- */

static _Atomic uint32_t readers_left;
static double beside_rate; /* Of the writer. */

/* New rows, one a commit, as long as anyone reads. */
static void put_beside(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row row;
    double begin = bench_now();
    while (atomic_load(&readers_left) > 0) {
        kv_make_row(key_of(worker->random + worker->done), 0, &row);
        bench_engine->put(session, &row, 1);
        worker->done++;
    }
    beside_rate = (double)worker->done / (bench_now() - begin);
    rows_put += worker->done;
    worker->aside = true;
    bench_engine->session_end(session);
}

/* Worker 0 writes, the others get rows that stay as they are, each by a snapshot of its own. */
static void get_beside(struct bench_worker *worker)
{
    if (worker->number == 0) {
        put_beside(worker);
        return;
    }
    void *session = bench_engine->session_begin(worker->db);
    for (uint64_t i = 0; i < worker->operations; i++) {
        uint64_t number = bench_random(&worker->random) % bench_options.rows;
        double begin = bench_begin_sample(worker, i);
        worker->done += bench_engine->get(session, key_of(number), &worker->hash) ? 1 : 0;
        bench_end_sample(worker, begin);
    }
    if (worker->done != worker->operations) {
        kv_fail(bench_engine->name, "get_beside", "a row is missing");
    }
    atomic_fetch_sub(&readers_left, 1);
    bench_engine->session_end(session);
}

/* ---- cases: YCSB ---- */

/* What part of the operations are reads; the rest writes (E: scans and inserts). */
static uint32_t read_percent(char kind)
{
    switch (kind) {
    case 'A':
    case 'F':
        return 50;
    case 'C':
        return 100;
    default:
        return 95;
    }
}

static uint64_t choose(struct bench_worker *worker, uint64_t inserted)
{
    if (worker->kind == 'D') {
        uint64_t back = bench_zipf(&worker->random, bench_options.rows) % LAST_COUNT;
        return back < inserted ? inserted - 1 - back : back;
    }
    return bench_zipf(&worker->random, bench_options.rows) * 0x9E3779B1u % bench_options.rows;
}

static void ycsb(struct bench_worker *worker)
{
    void *session = bench_engine->session_begin(worker->db);
    struct kv_row row;
    // New rows of each case and worker have numbers of their own.
    uint64_t base = bench_options.rows * (20 + 2 * (uint64_t)(worker->kind - 'A')) +
                    worker->number * bench_options.rows / 64;
    uint64_t inserted = 0;
    uint32_t percent = read_percent(worker->kind);
    for (uint64_t i = 0; i < worker->operations; i++) {
        bool reads = bench_random(&worker->random) % 100 < percent;
        bool inserts = worker->kind == 'D' || worker->kind == 'E';
        uint64_t number = choose(worker, inserted);
        number += worker->kind == 'D' && number < inserted ? base : 0;
        uint64_t key = key_of(number);
        double begin = bench_begin_sample(worker, i);
        if (reads && worker->kind == 'E') {
            (void)bench_engine->range(session, key, 1 + bench_random(&worker->random) % 100,
                                      &worker->hash);
        } else if (reads) {
            (void)bench_engine->get(session, key, &worker->hash);
        } else {
            if (worker->kind == 'F') {
                (void)bench_engine->get(session, key, &worker->hash);
            }
            // The same bytes whoever writes them, so that what is read afterwards is known.
            kv_make_row(inserts ? key_of(base + inserted++) : key, (uint64_t)worker->kind, &row);
            bench_engine->put(session, &row, 1);
            rows_put++;
        }
        bench_end_sample(worker, begin);
    }
    worker->done = worker->operations;
    bench_engine->session_end(session);
}

/* ---- one engine's run ---- */

/* Operations of a case that does them one by one; a part of the rows, up to the option's limit. */
static uint64_t operations_of(uint64_t part)
{
    uint64_t operations = bench_options.rows / part;
    return operations < bench_options.operations / part ? operations
                                                        : bench_options.operations / part;
}

static double row_bytes(void)
{
    return KV_VALUE_SIZE + (bench_options.text_keys ? KV_TEXT_SIZE : sizeof(uint64_t));
}

static struct kv_setup make_setup(size_t memtable_bytes)
{
    return (struct kv_setup){.directory = bench_options.directory,
                             .text_keys = bench_options.text_keys,
                             .memtable_bytes = memtable_bytes};
}

/* The case once for each number of threads. */
static void run_threads(void *db, const char *name, const char *suffix,
                        const struct bench_worker *pattern)
{
    for (uint32_t t = 0; t < bench_options.thread_count; t++) {
        (void)bench_run_case(db, name, suffix, pattern, bench_options.threads[t]);
    }
}

static void run_reads(void *db, const char *suffix)
{
    static const struct {
        const char *name;
        bench_work work;
        char kind;
    } kinds[] = {
        {"get", get, 'u'},        {"get_miss", get, 'm'},
        {"get_skewed", get, 'z'}, {"multi_get", get_many, 0},
        {"range", range, 0},      {"scan", scan, 0},
        {"sum", sum, 0},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!bench_wanted(bench_options.cases, kinds[i].name) ||
            (kinds[i].work == sum && bench_options.text_keys)) {
            continue;
        }
        struct bench_worker pattern = {.work = kinds[i].work,
                                       .kind = kinds[i].kind,
                                       .operations = operations_of(1),
                                       .random = 7 + i};
        run_threads(db, kinds[i].name, suffix, &pattern);
    }
}

static void run_puts(void *db)
{
    static const struct {
        const char *name;
        bench_work work;
    } kinds[] = {{"put", put_single}, {"put_batch", put_batch}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (bench_wanted(bench_options.cases, kinds[i].name)) {
            struct bench_worker pattern = {
                .work = kinds[i].work, .operations = operations_of(4), .random = 3 + 10 * i};
            run_threads(db, kinds[i].name, "", &pattern);
        }
    }
}

static void run_ycsb(void *db)
{
    for (char kind = 'A'; kind <= 'F'; kind++) {
        char name[8] = "ycsb_?";
        name[5] = kind;
        if (!bench_wanted(bench_options.cases, "ycsb") &&
            !bench_wanted(bench_options.cases, name)) {
            continue;
        }
        struct bench_worker pattern = {.work = ycsb,
                                       .kind = kind,
                                       .operations = operations_of(kind == 'E' ? 20 : 4),
                                       .random = (uint64_t)kind};
        for (uint32_t t = 0; t < bench_options.thread_count; t++) {
            struct bench_result *result =
                bench_run_case(db, name, "", &pattern, bench_options.threads[t]);
            if (bench_options.threads[t] > 1) {
                result->hash = 0; // Who reads a row before or after another changes it is chance.
            }
        }
    }
}

static void add_sizes(const char *name)
{
    double bytes = (double)bench_options.rows * row_bytes();
    char all[40];
    const char *spare = bench_engine->spare_files == NULL ? "" : bench_engine->spare_files;
    (void)snprintf(all, sizeof all, "%s_with_spare_log", name);
    bench_add_less(name, "B/B", (double)bench_disk_bytes(bench_options.directory, spare) / bytes);
    bench_add_less(all, "B/B", (double)bench_disk_bytes(bench_options.directory, "") / bytes);
}

static void add_written(const char *name, uint64_t before)
{
    bench_add_less(name, "B/B",
                   (double)(bench_written_bytes() - before) / ((double)rows_put * row_bytes()));
}

/* Random load, everything that is read from it, single puts, mixed loads, then optimised. */
static void run_main(void)
{
    bench_clear_directory();
    struct kv_setup setup = make_setup(MEMTABLE_BYTES);
    void *db = bench_engine->open(&setup);
    uint64_t written_before = bench_written_bytes();
    struct bench_worker pattern = {.work = load, .operations = bench_options.rows};
    (void)bench_run_case(db, "load_random", "", &pattern, 1);
    run_reads(db, "");
    run_puts(db);
    run_ycsb(db);
    add_written("written_per_byte", written_before);
    bool optimized = bench_wanted(bench_options.cases, "optimized");
    if (optimized) {
        if (bench_engine->optimize != NULL) {
            double begin = bench_now();
            bench_engine->optimize(db);
            bench_add_once("optimize", bench_now() - begin);
        }
        run_reads(db, "_optimized");
    }
    bench_engine->close(db);
    if (optimized) {
        // What the log holds is in its place now: files of it that are left wait to be used again.
        add_sizes("disk_per_byte");
        add_written("written_per_byte_optimized", written_before);
    }
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    bench_add_less("memory_peak", "MiB", (double)usage.ru_maxrss / 1024);
}

/* All rows, once, as what a case left must be compared with what the others have. */
static void compare_rows(void *db, struct bench_result *result)
{
    void *session = bench_engine->session_begin(db);
    result->hash = 0;
    if (bench_engine->scan(session, &result->hash) != bench_options.rows) {
        kv_fail(bench_engine->name, result->name, "some rows are missing, or there are too many");
    }
    bench_engine->session_end(session);
}

/* A load of an empty database by that many threads, each a stretch of the rows; kind as in load().
 */
static void *load_empty(const char *name, char kind, uint32_t threads)
{
    bench_clear_directory();
    struct kv_setup setup = make_setup(MEMTABLE_BYTES);
    void *db = bench_engine->open(&setup);
    // Every thread has the same number of rows.
    uint64_t rows = bench_options.rows / threads * threads;
    struct bench_worker pattern = {.work = load, .operations = rows, .kind = kind};
    struct bench_result *result = bench_run_case(db, name, "", &pattern, threads);
    if (threads > 1 && rows == bench_options.rows) {
        compare_rows(db, result);
    }
    return db;
}

static void run_load_threads(void)
{
    if (!bench_wanted(bench_options.cases, "load_threads")) {
        return;
    }
    for (uint32_t t = 0; t < bench_options.thread_count; t++) {
        if (bench_options.threads[t] > 1) {
            bench_engine->close(load_empty("load_random", 0, bench_options.threads[t]));
        }
    }
}

/* In a database of its own, since how much is written depends on how long the reading takes. */
static void run_beside(void)
{
    if (!bench_wanted(bench_options.cases, "get_beside")) {
        return;
    }
    bench_clear_directory();
    struct kv_setup setup = make_setup(MEMTABLE_BYTES);
    void *db = bench_engine->open(&setup);
    struct bench_worker loader = {.db = db, .operations = bench_options.rows};
    load(&loader);
    for (uint32_t t = 0; t < bench_options.thread_count; t++) {
        uint32_t threads = bench_options.threads[t];
        if (threads == 1) {
            continue;
        }
        struct bench_worker pattern = {.work = get_beside,
                                       .operations = operations_of(2) * threads,
                                       .random = bench_options.rows * (100 + 10 * t)};
        readers_left = threads - 1;
        (void)bench_run_case(db, "get_beside", "", &pattern, threads);
        bench_announce(bench_add("put_beside", "", "/s", beside_rate), threads);
    }
    bench_engine->close(db);
}

static void run_sequential(void)
{
    if (!bench_wanted(bench_options.cases, "load_sequential")) {
        return;
    }
    make_sorted_keys();
    for (uint32_t t = 0; t < bench_options.thread_count; t++) {
        void *db = load_empty("load_sequential", 's', bench_options.threads[t]);
        struct bench_worker pattern = {.work = scan};
        (void)bench_run_case(db, "scan_sequential", "", &pattern, bench_options.threads[t]);
        bench_engine->close(db);
    }
    free(sorted_keys);
}

/* The way that the makers of the engine offer for very many rows at once. */
static void run_bulk(void)
{
    if (!bench_wanted(bench_options.cases, "load_bulk")) {
        return;
    }
    bench_clear_directory();
    make_sorted_keys();
    struct kv_setup setup = make_setup(MEMTABLE_BYTES);
    setup.synced = true;
    void *db = bench_engine->open(&setup);
    uint64_t written = bench_written_bytes();
    double begin = bench_options.cpu ? bench_cpu() : bench_now();
    bench_engine->bulk(db, sorted_keys, bench_options.rows);
    double seconds = (bench_options.cpu ? bench_cpu() : bench_now()) - begin;
    struct bench_result *result =
        bench_add("load_bulk", "", "/s", (double)bench_options.rows / seconds);
    bench_announce(result, 1);
    rows_put = bench_options.rows;
    add_written("written_per_byte_bulk", written);
    compare_rows(db, result);
    bench_engine->close(db);
    free(sorted_keys);
}

static void run_synced(void)
{
    if (!bench_wanted(bench_options.cases, "put_synced")) {
        return;
    }
    static const uint32_t threads[] = {1, 16, 64};
    bench_clear_directory();
    struct kv_setup setup = make_setup(MEMTABLE_BYTES);
    setup.synced = true;
    void *db = bench_engine->open(&setup);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct bench_worker pattern = {.work = put_synced,
                                       .random = (i + 1) << 40,
                                       .deadline =
                                           bench_now() + (bench_options.check ? 0.05 : 1.5)};
        (void)bench_run_case(db, "put_synced", "", &pattern, threads[i]);
    }
    bench_engine->close(db);
}

/* A process that loads and then ends without closing; opening what it left is measured. */
static void reopen(const char *name, uint64_t rows)
{
    bench_clear_directory();
    struct kv_setup setup = make_setup((size_t)6 << 30); // Nothing leaves the log.
    pid_t child = fork();
    if (child == 0) {
        (void)alarm((unsigned)bench_options.limit);
        void *db = bench_engine->open(&setup);
        struct bench_worker worker = {.work = load, .db = db, .operations = rows};
        load(&worker);
        if (bench_engine->sync != NULL) {
            bench_engine->sync(db);
        }
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        kv_fail(bench_engine->name, name, "loading failed");
    }
    double begin = bench_options.cpu ? bench_cpu() : bench_now();
    void *db = bench_engine->open(&setup);
    void *session = bench_engine->session_begin(db);
    uint64_t hash = 0;
    bool found = bench_engine->get(session, key_of(rows - 1), &hash);
    double seconds = (bench_options.cpu ? bench_cpu() : bench_now()) - begin;
    for (uint64_t i = 0; found && i < rows; i += rows / 1000 + 1) {
        found = bench_engine->get(session, key_of(i), &hash);
    }
    if (!found) {
        kv_fail(bench_engine->name, name, "a row is missing");
    }
    bench_add_once(name, seconds);
    hash = 0;
    if (bench_engine->scan(session, &hash) != rows) {
        kv_fail(bench_engine->name, name, "rows are missing, or there are too many");
    }
    bench_report->results[bench_report->count - 1].hash = hash;
    bench_engine->session_end(session);
    bench_engine->close(db);
}

static void run_reopen(void)
{
    if (bench_wanted(bench_options.cases, "reopen")) {
        reopen("reopen", bench_options.rows);
    }
    // Large whatever --rows says, so only who asks for it by name gets it.
    if (bench_options.cases != NULL && bench_wanted(bench_options.cases, "reopen_1g")) {
        reopen("reopen_1g", LOG_BYTES / (uint64_t)row_bytes());
    }
}

/* A new case that needs a database of its own is one more line here. */
const struct bench_part bench_parts[] = {
    {"main", run_main},
    {"load_threads", run_load_threads},
    {"load_sequential", run_sequential},
    {"get_beside", run_beside},
    {"load_bulk", run_bulk},
    {"put_synced", run_synced},
    {"reopen", run_reopen},
};
const size_t bench_part_count = sizeof bench_parts / sizeof *bench_parts;
