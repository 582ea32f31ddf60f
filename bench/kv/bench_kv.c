/*
 * Rows of (key, 100 bytes): TDB+ through its C API against RocksDB, LMDB and SQLite.
 *
 *   bench_kv [--rows 1M] [--runs N] [--threads 1,2] [--cases load,get,...] [--engines tdb+,lmdb]
 *            [--text] [--cpu] [--dir DIRECTORY] [--json FILE] [--check]
 *
 * Each engine runs in a process of its own, one after another, `runs` times in turn; a figure is
 * the median. All engines get the same rows and the same sequence of operations, and what they read
 * must be the same: the hash of all bytes is compared after every case. Keys are 62 bits,
 * scattered; values are random bytes that follow from key and generation.
 */

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kv.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ENGINE_COUNT     4u
#define RUN_COUNT_MAX    9u
#define RESULT_COUNT     96u
#define THREAD_COUNT_MAX 64u
#define SAMPLE_EVERY     16u
#define SAMPLE_COUNT     ((size_t)1 << 16)
#define MEMTABLE_BYTES   ((size_t)64 << 20)
#define KEY_BITS         62u
#define LAST_COUNT       1000u /* "The latest" of YCSB D are drawn from so many, skewed. */

struct result {
    char name[40];
    char unit[16];
    bool used;
    bool less_is_better;
    double value;
    double p99_us; /* 0: not measured. */
    uint64_t hash; /* 0: nothing to compare. */
    uint32_t threads;
};

/* What a child process tells its parent. */
struct report {
    struct result results[RESULT_COUNT];
    uint32_t count;
};

static const struct kv_engine *const engines[ENGINE_COUNT] = {
    &kv_tdb,
    &kv_rocksdb,
    &kv_lmdb,
    &kv_sqlite,
};

static struct {
    uint64_t rows;
    uint32_t runs;
    uint32_t threads[4];
    uint32_t thread_count;
    const char *cases;
    const char *engines;
    const char *json;
    const char *directory;
    bool text_keys;
    bool check;
    bool cpu;
} options = {
    .rows = 1000000,
    .runs = 1,
    .threads = {1},
    .thread_count = 1,
    .directory = "build/bench_kv",
};

static struct report *report; /* Shared with the parent. */
static const struct kv_engine *engine;
static double zipf_zeta;
static _Atomic uint64_t rows_put; /* By this process. */

/* ---- small things ---- */

_Noreturn void kv_fail(const char *who, const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_kv: %s: %s: %s\n", who, what, why);
    exit(1);
}

void *kv_memory(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        kv_fail("memory", "calloc", strerror(errno));
    }
    return memory;
}

void kv_text(uint64_t key, char text[KV_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = KV_TEXT_SIZE; i > 0; i--, key >>= 4) {
        text[i - 1] = digits[key & 15];
    }
}

uint64_t kv_hash_value(const void *value, size_t size)
{
    return XXH3_64bits(value, size);
}

uint64_t kv_hash_text(const void *text, size_t size)
{
    return XXH3_64bits(text, size);
}

uint64_t kv_hash_key(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15u;
}

static double read_clock(clockid_t clock)
{
    struct timespec time;
    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t value = *state += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

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

static void make_row(uint64_t key, uint64_t generation, struct kv_row *row)
{
    uint64_t words[(KV_VALUE_SIZE + 7) / 8];
    uint64_t state = key ^ (generation << 40);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        words[i] = next_random(&state);
    }
    row->key = key;
    memcpy(row->value, words, KV_VALUE_SIZE);
}

/* Gray et al., "Quickly generating billion-record synthetic databases", theta 0.99. */
static uint64_t zipf(uint64_t *state, uint64_t count)
{
    const double theta = 0.99;
    double zeta2 = 1 + pow(0.5, theta);
    double alpha = 1 / (1 - theta);
    double eta = (1 - pow(2.0 / (double)count, 1 - theta)) / (1 - zeta2 / zipf_zeta);
    double u = (double)(next_random(state) >> 11) / 9007199254740992.0;
    double scaled = u * zipf_zeta;
    if (scaled < 1) {
        return 0;
    }
    if (scaled < zeta2) {
        return 1;
    }
    uint64_t rank = (uint64_t)((double)count * pow(eta * u - eta + 1, alpha));
    return rank < count ? rank : count - 1;
}

static bool wanted(const char *list, const char *name)
{
    if (list == NULL) {
        return true;
    }
    size_t size = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += size) {
        if ((at == list || at[-1] == ',') && (at[size] == '\0' || at[size] == ',')) {
            return true;
        }
    }
    return false;
}

static uint64_t disk_bytes(const char *directory)
{
    char command[4200];
    (void)snprintf(command, sizeof command, "du -s --block-size=1 '%s'", directory);
    FILE *pipe = popen(command, "r");
    unsigned long long bytes = 0;
    if (pipe == NULL || fscanf(pipe, "%llu", &bytes) != 1) {
        kv_fail("disk", command, "no answer");
    }
    (void)pclose(pipe);
    return bytes;
}

/* Bytes this process has caused to be written to disk so far. */
static uint64_t written_bytes(void)
{
    FILE *file = fopen("/proc/self/io", "r");
    char line[128];
    unsigned long long bytes = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "write_bytes: %llu", &bytes);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return bytes;
}

static void clear_directory(void)
{
    char command[4200];
    (void)snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", options.directory,
                   options.directory);
    if (system(command) != 0) {
        kv_fail("disk", command, "failed");
    }
}

static struct result *add_result(const char *name, const char *suffix, const char *unit,
                                 double value)
{
    if (report->count == RESULT_COUNT) {
        kv_fail("report", name, "too many cases");
    }
    struct result *result = &report->results[report->count++];
    (void)snprintf(result->name, sizeof result->name, "%s%s", name, suffix);
    (void)snprintf(result->unit, sizeof result->unit, "%s", unit);
    result->used = true;
    result->threads = 1;
    result->value = value;
    return result;
}

/* ---- workers: threads that each do their share of one case ---- */

struct worker;
typedef void (*work)(struct worker *worker);

struct worker {
    work work;
    void *db;
    uint32_t number;
    uint32_t worker_count;
    uint64_t operations; /* To do. */
    uint64_t random;
    uint64_t hash;
    uint64_t done; /* Operations, or rows, whatever the case counts. */
    double deadline;
    double begin;
    double end;
    double cpu; /* Seconds of processor time. */
    char kind;
    pthread_barrier_t *start;
    uint32_t *samples; /* Nanoseconds of some operations. */
    size_t sample_count;
};

static double begin_sample(const struct worker *worker, uint64_t i)
{
    return worker->samples != NULL && i % SAMPLE_EVERY == 0 ? now() : 0;
}

static void end_sample(struct worker *worker, double begin)
{
    if (begin > 0 && worker->sample_count < SAMPLE_COUNT) {
        double ns = (now() - begin) * 1e9;
        worker->samples[worker->sample_count++] = ns > 4e9 ? UINT32_MAX : (uint32_t)ns;
    }
}

static int compare_samples(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return a < b ? -1 : a > b ? 1 : 0;
}

static double percentile_us(const struct worker *workers, uint32_t count)
{
    uint32_t *all = kv_memory(SAMPLE_COUNT * count, sizeof *all);
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(all + total, workers[i].samples, workers[i].sample_count * sizeof *all);
        total += workers[i].sample_count;
    }
    qsort(all, total, sizeof *all, compare_samples);
    double result = total < 100 ? 0 : all[total - total / 100 - 1] / 1000.0;
    free(all);
    return result;
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    (void)pthread_barrier_wait(worker->start);
    worker->begin = now();
    double cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
    worker->work(worker);
    worker->cpu = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    worker->end = worker->end > 0 ? worker->end : now();
    return NULL;
}

/* Runs the case on `count` threads and reports operations (or rows) per second. */
static struct result *run_case(void *db, const char *name, const char *suffix,
                               const struct worker *pattern, uint32_t count)
{
    struct worker *workers = kv_memory(count, sizeof *workers);
    pthread_t *threads = kv_memory(count, sizeof *threads);
    pthread_barrier_t start;
    (void)pthread_barrier_init(&start, NULL, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = *pattern;
        workers[i].db = db;
        workers[i].number = i;
        workers[i].worker_count = count;
        workers[i].operations = pattern->operations / count;
        workers[i].random = pattern->random + i * 1000003;
        workers[i].start = &start;
        workers[i].samples = kv_memory(SAMPLE_COUNT, sizeof(uint32_t));
        if (pthread_create(&threads[i], NULL, worker_main, &workers[i]) != 0) {
            kv_fail("threads", name, strerror(errno));
        }
    }
    (void)pthread_barrier_wait(&start);
    double begin = INFINITY;
    double end = 0;
    uint64_t done = 0;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
        begin = fmin(begin, workers[i].begin);
        end = fmax(end, workers[i].end);
        done += workers[i].done;
        hash += workers[i].hash;
    }
    bool cpu = options.cpu && count == 1 && pattern->deadline == 0;
    double seconds = cpu ? workers[0].cpu : end - begin;
    struct result *result = add_result(name, suffix, "/s", (double)done / seconds);
    result->hash = hash;
    result->threads = count;
    result->p99_us = percentile_us(workers, count);
    for (uint32_t i = 0; i < count; i++) {
        free(workers[i].samples);
    }
    free(workers);
    free(threads);
    (void)pthread_barrier_destroy(&start);
    return result;
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
    sorted_keys = kv_memory(options.rows, sizeof *sorted_keys);
    for (uint64_t i = 0; i < options.rows; i++) {
        sorted_keys[i] = key_of(i);
    }
    qsort(sorted_keys, options.rows, sizeof *sorted_keys, compare_keys);
}

/* All rows once, each worker a stretch of its own; kind 's': in order of key. */
static void load(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    struct kv_row batch[KV_BATCH_MAX];
    uint64_t at = worker->number * worker->operations;
    uint64_t end = at + worker->operations;
    for (uint64_t i = 0; at < end; i++) {
        size_t count = 0;
        for (; count < KV_BATCH_MAX && at < end; at++) {
            make_row(worker->kind == 's' ? sorted_keys[at] : key_of(at), 0, &batch[count++]);
        }
        double begin = begin_sample(worker, i);
        engine->put(session, batch, count);
        end_sample(worker, begin);
        worker->done += count;
    }
    rows_put += worker->done;
    engine->session_end(session);
}

/* One row a commit: new versions of old rows. */
static void put_single(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    struct kv_row row;
    for (uint64_t i = 0; i < worker->operations; i++) {
        make_row(key_of(next_random(&worker->random) % options.rows), 1, &row);
        double begin = begin_sample(worker, i);
        engine->put(session, &row, 1);
        end_sample(worker, begin);
        worker->done++;
    }
    rows_put += worker->done;
    engine->session_end(session);
}

/* New rows, each made durable, until time is up; every one is looked for afterwards. */
static void put_synced(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    struct kv_row row;
    uint64_t first = worker->random;
    while (now() < worker->deadline) {
        make_row(key_of(first + worker->done), 0, &row);
        double begin = now();
        engine->put(session, &row, 1);
        end_sample(worker, begin);
        worker->done++;
    }
    worker->end = now();
    for (uint64_t i = 0; i < worker->done; i += 97) {
        if (!engine->get(session, key_of(first + i), &worker->hash)) {
            kv_fail(engine->name, "put_synced", "an acknowledged row is missing");
        }
    }
    worker->hash = 0; // How many there are differs from engine to engine.
    engine->session_end(session);
}

/* ---- cases: reading ---- */

/* kind 'u': uniform, present; 'm': absent; 'z': skewed, present. */
static void get(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    engine->reads_begin(session);
    uint64_t hits = 0;
    for (uint64_t i = 0; i < worker->operations; i++) {
        uint64_t random = next_random(&worker->random);
        uint64_t number = random % options.rows;
        if (worker->kind == 'm') {
            number += options.rows * 16;
        } else if (worker->kind == 'z') {
            number = zipf(&worker->random, options.rows) * 0x9E3779B1u % options.rows;
        }
        double begin = begin_sample(worker, i);
        hits += engine->get(session, key_of(number), &worker->hash) ? 1 : 0;
        end_sample(worker, begin);
    }
    if (hits != (worker->kind == 'm' ? 0 : worker->operations)) {
        kv_fail(engine->name, "get", "a row is missing, or one is there that should not be");
    }
    worker->done = worker->operations;
    engine->reads_end(session);
    engine->session_end(session);
}

static void get_many(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    engine->reads_begin(session);
    uint64_t keys[KV_BATCH_MAX];
    for (uint64_t i = 0; i < worker->operations / KV_BATCH_MAX; i++) {
        for (size_t k = 0; k < KV_BATCH_MAX; k++) {
            keys[k] = key_of(next_random(&worker->random) % options.rows);
        }
        double begin = begin_sample(worker, i);
        worker->done += engine->get_many(session, keys, KV_BATCH_MAX, &worker->hash);
        end_sample(worker, begin);
    }
    engine->reads_end(session);
    engine->session_end(session);
}

static void range(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    engine->reads_begin(session);
    for (uint64_t i = 0; i < worker->operations / 100; i++) {
        uint64_t key = key_of(next_random(&worker->random) % options.rows);
        double begin = begin_sample(worker, i);
        worker->done += engine->range(session, key, 100, &worker->hash);
        end_sample(worker, begin);
    }
    engine->reads_end(session);
    engine->session_end(session);
}

static void scan(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    engine->reads_begin(session);
    worker->done = engine->scan(session, &worker->hash);
    engine->reads_end(session);
    engine->session_end(session);
}

static void sum(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    engine->reads_begin(session);
    worker->hash = engine->sum(session);
    worker->done = options.rows;
    engine->reads_end(session);
    engine->session_end(session);
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

static uint64_t choose(struct worker *worker, uint64_t inserted)
{
    if (worker->kind == 'D') {
        uint64_t back = zipf(&worker->random, options.rows) % LAST_COUNT;
        return back < inserted ? inserted - 1 - back : back;
    }
    return zipf(&worker->random, options.rows) * 0x9E3779B1u % options.rows;
}

static void ycsb(struct worker *worker)
{
    void *session = engine->session_begin(worker->db);
    struct kv_row row;
    // New rows of each case and worker have numbers of their own.
    uint64_t base = options.rows * (20 + 2 * (uint64_t)(worker->kind - 'A')) +
                    worker->number * options.rows / 64;
    uint64_t inserted = 0;
    uint32_t percent = read_percent(worker->kind);
    for (uint64_t i = 0; i < worker->operations; i++) {
        bool reads = next_random(&worker->random) % 100 < percent;
        bool inserts = worker->kind == 'D' || worker->kind == 'E';
        uint64_t number = choose(worker, inserted);
        number += worker->kind == 'D' && number < inserted ? base : 0;
        uint64_t key = key_of(number);
        double begin = begin_sample(worker, i);
        if (reads && worker->kind == 'E') {
            (void)engine->range(session, key, 1 + next_random(&worker->random) % 100,
                                &worker->hash);
        } else if (reads) {
            (void)engine->get(session, key, &worker->hash);
        } else {
            if (worker->kind == 'F') {
                (void)engine->get(session, key, &worker->hash);
            }
            make_row(inserts ? key_of(base + inserted++) : key, i, &row);
            engine->put(session, &row, 1);
            rows_put++;
        }
        end_sample(worker, begin);
    }
    worker->done = worker->operations;
    engine->session_end(session);
}

/* ---- one engine's run ---- */

static void run_reads(void *db, const char *suffix)
{
    static const struct {
        const char *name;
        work work;
        char kind;
        uint32_t part; /* Operations: rows divided by this. */
    } cases[] = {
        {"get", get, 'u', 1},        {"get_miss", get, 'm', 1},
        {"get_skewed", get, 'z', 1}, {"multi_get", get_many, 0, 1},
        {"range", range, 0, 1},      {"scan", scan, 0, 1},
        {"sum", sum, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool whole = cases[i].work == scan || cases[i].work == sum;
        if (!wanted(options.cases, cases[i].name) || (cases[i].work == sum && options.text_keys)) {
            continue;
        }
        for (uint32_t t = 0; t < options.thread_count; t++) {
            if (whole && options.threads[t] > 1) {
                continue;
            }
            struct worker pattern = {.work = cases[i].work,
                                     .kind = cases[i].kind,
                                     .operations = options.rows / cases[i].part,
                                     .random = 7 + i};
            (void)run_case(db, cases[i].name, suffix, &pattern, options.threads[t]);
        }
    }
}

static void run_ycsb(void *db)
{
    for (char kind = 'A'; kind <= 'F'; kind++) {
        char name[8] = "ycsb_?";
        name[5] = kind;
        if (!wanted(options.cases, "ycsb") && !wanted(options.cases, name)) {
            continue;
        }
        struct worker pattern = {.work = ycsb,
                                 .kind = kind,
                                 .operations = options.rows / (kind == 'E' ? 20 : 4),
                                 .random = (uint64_t)kind};
        (void)run_case(db, name, "", &pattern, 1);
    }
}

/* Random load, everything that is read from it, single puts, mixed loads, then optimised. */
static void run_main(void)
{
    clear_directory();
    struct kv_setup setup = {.directory = options.directory,
                             .text_keys = options.text_keys,
                             .memtable_bytes = MEMTABLE_BYTES};
    double row_bytes = KV_VALUE_SIZE + (setup.text_keys ? 16 : 8);
    void *db = engine->open(&setup);
    uint64_t written_before = written_bytes();
    struct worker pattern = {.work = load, .operations = options.rows};
    (void)run_case(db, "load_random", "", &pattern, 1);
    run_reads(db, "");
    if (wanted(options.cases, "put")) {
        pattern = (struct worker){.work = put_single, .operations = options.rows / 4, .random = 3};
        (void)run_case(db, "put", "", &pattern, 1);
    }
    run_ycsb(db);
    if (wanted(options.cases, "optimized")) {
        double begin = now();
        if (engine->optimize != NULL) {
            engine->optimize(db);
        }
        add_result("optimize", "", "s", now() - begin)->less_is_better = true;
        run_reads(db, "_optimized");
    }
    engine->close(db);
    add_result("disk_per_byte", "", "B/B",
               (double)disk_bytes(options.directory) / ((double)options.rows * row_bytes))
        ->less_is_better = true;
    add_result("written_per_byte", "", "B/B",
               (double)(written_bytes() - written_before) / ((double)rows_put * row_bytes))
        ->less_is_better = true;
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    add_result("memory_peak", "", "MiB", (double)usage.ru_maxrss / 1024)->less_is_better = true;
}

static void run_sequential(void)
{
    if (!wanted(options.cases, "load_sequential")) {
        return;
    }
    clear_directory();
    make_sorted_keys();
    struct kv_setup setup = {.directory = options.directory,
                             .text_keys = options.text_keys,
                             .memtable_bytes = MEMTABLE_BYTES};
    void *db = engine->open(&setup);
    struct worker pattern = {.work = load, .operations = options.rows, .kind = 's'};
    (void)run_case(db, "load_sequential", "", &pattern, 1);
    pattern = (struct worker){.work = scan};
    (void)run_case(db, "scan_sequential", "", &pattern, 1);
    engine->close(db);
    free(sorted_keys);
}

static void run_synced(void)
{
    if (!wanted(options.cases, "put_synced")) {
        return;
    }
    static const uint32_t threads[] = {1, 16, 64};
    clear_directory();
    struct kv_setup setup = {.directory = options.directory,
                             .text_keys = options.text_keys,
                             .synced = true,
                             .memtable_bytes = MEMTABLE_BYTES};
    void *db = engine->open(&setup);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct worker pattern = {.work = put_synced,
                                 .random = (i + 1) << 40,
                                 .deadline = now() + (options.check ? 0.05 : 1.5)};
        (void)run_case(db, "put_synced", "", &pattern, threads[i]);
    }
    engine->close(db);
}

/* A process that loads and then ends without closing; opening what it left is measured. */
static void run_reopen(void)
{
    if (!wanted(options.cases, "reopen")) {
        return;
    }
    clear_directory();
    struct kv_setup setup = {.directory = options.directory,
                             .text_keys = options.text_keys,
                             .memtable_bytes = (size_t)3 << 30};
    pid_t child = fork();
    if (child == 0) {
        void *db = engine->open(&setup);
        struct worker worker = {.work = load, .db = db, .operations = options.rows};
        load(&worker);
        if (engine->sync != NULL) {
            engine->sync(db);
        }
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        kv_fail(engine->name, "reopen", "loading failed");
    }
    double begin = now();
    void *db = engine->open(&setup);
    void *session = engine->session_begin(db);
    uint64_t hash = 0;
    bool found = engine->get(session, key_of(options.rows - 1), &hash);
    double seconds = now() - begin;
    for (uint64_t i = 0; found && i < options.rows; i += options.rows / 1000 + 1) {
        found = engine->get(session, key_of(i), &hash);
    }
    if (!found) {
        kv_fail(engine->name, "reopen", "a row is missing");
    }
    struct result *result = add_result("reopen", "", "s", seconds);
    result->less_is_better = true;
    result->hash = hash;
    engine->session_end(session);
    engine->close(db);
}

static void run_engine(const struct kv_engine *which)
{
    engine = which;
    pid_t child = fork();
    if (child == 0) {
        run_main();
        run_sequential();
        run_synced();
        run_reopen();
        exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        kv_fail(which->name, "run", "the process failed");
    }
}

/* ---- what comes out ---- */

struct figures {
    struct report reports[ENGINE_COUNT][RUN_COUNT_MAX];
};

static double median(struct figures *figures, uint32_t number, uint32_t at)
{
    double values[RUN_COUNT_MAX];
    for (uint32_t i = 0; i < options.runs; i++) {
        double value = figures->reports[number][i].results[at].value;
        uint32_t k = i;
        for (; k > 0 && values[k - 1] > value; k--) {
            values[k] = values[k - 1];
        }
        values[k] = value;
    }
    return values[options.runs / 2];
}

static void check_answers(const struct figures *figures, uint32_t first)
{
    const struct report *expected = &figures->reports[first][0];
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        for (uint32_t r = 0; r < options.runs && wanted(options.engines, engines[e]->name); r++) {
            const struct report *other = &figures->reports[e][r];
            for (uint32_t i = 0; i < expected->count; i++) {
                if (other->results[i].hash != expected->results[i].hash) {
                    kv_fail(engines[e]->name, expected->results[i].name,
                            "read something else than the others");
                }
            }
        }
    }
}

static void write_json(FILE *file, const struct result *ours, const char *peer, double value,
                       double theirs)
{
    double ratio = ours->less_is_better ? theirs / value : value / theirs;
    (void)fprintf(file,
                  "{\"suite\":\"kv\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
                  "\"peer\":\"%s\",\"theirs\":%.6g,\"ratio\":%.3f,\"rows\":%llu,\"threads\":%u,"
                  "\"note\":\"%s keys, p99 %.1f us\"}\n",
                  ours->name, ours->unit, value, peer, theirs, ratio,
                  (unsigned long long)options.rows, ours->threads,
                  options.text_keys ? "text" : "integer", ours->p99_us);
}

static void print_figures(struct figures *figures, uint32_t first, FILE *json)
{
    (void)printf("%-26s %3s", "case", "thr");
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        (void)printf(" %12s %9s",
                     wanted(options.engines, engines[e]->name) ? engines[e]->name : "-", "p99 us");
    }
    (void)printf(" %8s\n", "ratio");
    const struct report *ours = &figures->reports[first][0];
    for (uint32_t i = 0; i < ours->count; i++) {
        const struct result *result = &ours->results[i];
        double mine = median(figures, first, i);
        double best = 0;
        (void)printf("%-26s %3u", result->name, result->threads);
        for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
            if (!wanted(options.engines, engines[e]->name)) {
                (void)printf(" %12s %9s", "", "");
                continue;
            }
            double value = median(figures, e, i);
            (void)printf(" %12.*f %9.1f", value < 1000 ? 3 : 0, value,
                         figures->reports[e][0].results[i].p99_us);
            if (e == first) {
                continue;
            }
            bool better = best == 0 || (result->less_is_better ? value < best : value > best);
            best = better ? value : best;
            if (json != NULL) {
                write_json(json, result, engines[e]->name, mine, value);
            }
        }
        (void)printf(" %8.2f\n", best == 0                ? 1.0
                                 : result->less_is_better ? best / mine
                                                          : mine / best);
    }
}

static uint64_t parse_count(const char *text)
{
    char *end = NULL;
    uint64_t count = strtoull(text, &end, 10);
    count *= *end == 'k' ? 1000u : *end == 'M' ? 1000000u : 1u;
    return count;
}

static void parse_threads(const char *text)
{
    options.thread_count = 0;
    for (const char *at = text; at != NULL && options.thread_count < 4; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        uint64_t count = parse_count(at);
        if (count == 0 || count > THREAD_COUNT_MAX) {
            kv_fail("options", "--threads", text);
        }
        options.threads[options.thread_count++] = (uint32_t)count;
    }
}

static void parse_options(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i];
        if (strcmp(name, "--check") == 0) {
            options.check = true;
            options.rows = 1000;
        } else if (strcmp(name, "--cpu") == 0) {
            options.cpu = true;
        } else if (strcmp(name, "--text") == 0) {
            options.text_keys = true;
        } else if (i + 1 == count) {
            kv_fail("options", name, "unknown, or its value is missing");
        } else if (strcmp(name, "--rows") == 0) {
            options.rows = parse_count(arguments[++i]);
        } else if (strcmp(name, "--runs") == 0) {
            options.runs = (uint32_t)parse_count(arguments[++i]);
        } else if (strcmp(name, "--threads") == 0) {
            parse_threads(arguments[++i]);
        } else if (strcmp(name, "--cases") == 0) {
            options.cases = arguments[++i];
        } else if (strcmp(name, "--engines") == 0) {
            options.engines = arguments[++i];
        } else if (strcmp(name, "--dir") == 0) {
            options.directory = arguments[++i];
        } else if (strcmp(name, "--json") == 0) {
            options.json = arguments[++i];
        } else {
            kv_fail("options", name, "unknown");
        }
    }
    if (options.rows < 1000 || options.runs < 1 || options.runs > RUN_COUNT_MAX) {
        kv_fail("options", "--rows, --runs", "at least 1,000 rows, 1 to 9 runs");
    }
}

int main(int argument_count, char **arguments)
{
    parse_options(argument_count, arguments);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint64_t i = 1; i <= options.rows; i++) {
        zipf_zeta += 1 / pow((double)i, 0.99);
    }
    struct figures *figures =
        mmap(NULL, sizeof *figures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (figures == MAP_FAILED) {
        kv_fail("memory", "mmap", strerror(errno));
    }
    uint32_t first = ENGINE_COUNT;
    for (uint32_t r = 0; r < options.runs; r++) {
        for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
            if (wanted(options.engines, engines[e]->name)) {
                first = e < first ? e : first;
                report = &figures->reports[e][r];
                run_engine(engines[e]);
            }
        }
    }
    if (first == ENGINE_COUNT) {
        kv_fail("options", "--engines", "none of that name");
    }
    clear_directory();
    (void)rmdir(options.directory);
    check_answers(figures, first);
    FILE *json = options.json == NULL ? NULL : fopen(options.json, "a");
    print_figures(figures, first, json);
    if (json != NULL) {
        (void)fclose(json);
    }
    return 0;
}
