/* Small things and workers: see kv_bench.h. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "kv_bench.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SAMPLE_EVERY 16u
#define SAMPLE_COUNT ((size_t)1 << 16)

static double zipf_zeta;

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

double bench_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_random(uint64_t *state)
{
    uint64_t value = *state += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

/* Gray et al., "Quickly generating billion-record synthetic databases", theta 0.99. */
uint64_t bench_zipf(uint64_t *state, uint64_t count)
{
    const double theta = 0.99;
    double zeta2 = 1 + pow(0.5, theta);
    double alpha = 1 / (1 - theta);
    double eta = (1 - pow(2.0 / (double)count, 1 - theta)) / (1 - zeta2 / zipf_zeta);
    double u = (double)(bench_random(state) >> 11) / 9007199254740992.0;
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

void bench_zipf_init(uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++) {
        zipf_zeta += 1 / pow((double)i, 0.99);
    }
}

bool bench_wanted(const char *list, const char *name)
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

uint64_t bench_disk_bytes(const char *directory, const char *without)
{
    char command[4300];
    (void)snprintf(command, sizeof command, "du -s --block-size=1 --exclude='%s' '%s'", without,
                   directory);
    FILE *pipe = popen(command, "r");
    unsigned long long bytes = 0;
    if (pipe == NULL || fscanf(pipe, "%llu", &bytes) != 1) {
        kv_fail("disk", command, "no answer");
    }
    (void)pclose(pipe);
    return bytes;
}

/* Bytes this process has caused to be written to disk so far. */
uint64_t bench_written_bytes(void)
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

void bench_clear_directory(void)
{
    char command[4200];
    (void)snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", bench_options.directory,
                   bench_options.directory);
    if (system(command) != 0) {
        kv_fail("disk", command, "failed");
    }
}

struct bench_result *bench_add(const char *name, const char *suffix, const char *unit, double value)
{
    if (bench_report->count == BENCH_RESULT_COUNT) {
        kv_fail("report", name, "too many cases");
    }
    struct bench_result *result = &bench_report->results[bench_report->count++];
    (void)snprintf(result->name, sizeof result->name, "%s%s", name, suffix);
    (void)snprintf(result->unit, sizeof result->unit, "%s", unit);
    result->used = true;
    result->threads = 1;
    result->value = value;
    return result;
}

void bench_announce(struct bench_result *result, uint32_t threads)
{
    result->threads = threads;
    (void)printf("# %-8s %-28s %2u threads %14.*f %-5s p99 %.1f us\n", bench_engine->name,
                 result->name, result->threads, result->value < 1000 ? 3 : 0, result->value,
                 result->unit, result->p99_us);
    (void)fflush(stdout);
}

void bench_add_less(const char *name, const char *unit, double value)
{
    struct bench_result *result = bench_add(name, "", unit, value);
    result->less_is_better = true;
    bench_announce(result, 1);
}

void bench_add_once(const char *name, double seconds)
{
    struct bench_result *result = bench_add(name, "", "s", seconds);
    result->less_is_better = true;
    result->p99_us = seconds * 1e6;
    bench_announce(result, 1);
}

/* ---- workers: threads that each do their share of one case ---- */

double bench_begin_sample(const struct bench_worker *worker, uint64_t i)
{
    return worker->samples != NULL && i % SAMPLE_EVERY == 0 ? bench_now() : 0;
}

void bench_end_sample(struct bench_worker *worker, double begin)
{
    if (begin > 0 && worker->sample_count < SAMPLE_COUNT) {
        double ns = (bench_now() - begin) * 1e9;
        worker->samples[worker->sample_count++] = (uint64_t)ns;
    }
}

static int compare_samples(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b ? 1 : 0;
}

static double percentile_us(const struct bench_worker *workers, uint32_t count)
{
    uint64_t *all = kv_memory(SAMPLE_COUNT * count, sizeof *all);
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (workers[i].aside) {
            continue;
        }
        memcpy(all + total, workers[i].samples, workers[i].sample_count * sizeof *all);
        total += workers[i].sample_count;
    }
    qsort(all, total, sizeof *all, compare_samples);
    // Of fewer than a hundred it is the longest.
    double result = total == 0 ? 0 : (double)all[total - total / 100 - 1] / 1000.0;
    free(all);
    return result;
}

static void *worker_main(void *arg)
{
    struct bench_worker *worker = arg;
    (void)pthread_barrier_wait(worker->start);
    worker->begin = bench_now();
    double cpu = read_clock(CLOCK_THREAD_CPUTIME_ID);
    worker->work(worker);
    worker->cpu = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    worker->end = worker->end > 0 ? worker->end : bench_now();
    return NULL;
}

/* What the workers of a case did together. */
struct totals {
    double begin;
    double end;
    double cpu;
    double count;
    uint64_t done;
    uint64_t hash;
};

static void add_worker(struct totals *totals, const struct bench_worker *worker)
{
    totals->hash += worker->hash;
    if (worker->aside) {
        return;
    }
    totals->begin = fmin(totals->begin, worker->begin);
    totals->end = fmax(totals->end, worker->end);
    totals->cpu += worker->cpu;
    totals->done += worker->done;
    totals->count++;
}

struct bench_result *bench_run_case(void *db, const char *name, const char *suffix,
                                    const struct bench_worker *pattern, uint32_t count)
{
    struct bench_worker *workers = kv_memory(count, sizeof *workers);
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
        workers[i].samples = kv_memory(SAMPLE_COUNT, sizeof(uint64_t));
        if (pthread_create(&threads[i], NULL, worker_main, &workers[i]) != 0) {
            kv_fail("threads", name, strerror(errno));
        }
    }
    (void)pthread_barrier_wait(&start);
    struct totals totals = {.begin = INFINITY};
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
        add_worker(&totals, &workers[i]);
    }
    // Processor time says nothing of waiting for a disk or for a moment.
    bool cpu = bench_options.cpu && pattern->deadline == 0;
    double seconds = cpu ? totals.cpu / totals.count : totals.end - totals.begin;
    struct bench_result *result = bench_add(name, suffix, "/s", (double)totals.done / seconds);
    result->hash = totals.hash;
    result->p99_us = percentile_us(workers, count);
    bench_announce(result, count);
    for (uint32_t i = 0; i < count; i++) {
        free(workers[i].samples);
    }
    free(workers);
    free(threads);
    (void)pthread_barrier_destroy(&start);
    return result;
}
