#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_COUNT_MAX 64
#define ROUND_COUNT_MIN 5u
#define ROUND_COUNT_MAX 1000u
#define MEASURE_NS      500000000u

static struct {
    const char *name;
    bench_fn fn;
} benches[BENCH_COUNT_MAX];
static size_t bench_count;

void bench_register(const char *name, bench_fn fn)
{
    if (bench_count == BENCH_COUNT_MAX) {
        abort();
    }
    benches[bench_count].name = name;
    benches[bench_count].fn = fn;
    bench_count++;
}

static clockid_t bench_clock = CLOCK_MONOTONIC;

uint64_t bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(bench_clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static void report(struct bench *bench, const char *what, uint64_t operations, uint64_t bytes,
                   uint64_t median_ns)
{
    double ns = (double)median_ns / (double)operations;
    double gigabytes = (double)bytes / (double)median_ns;
    printf("%-24s %-36s %10.2f ns  %9.2f M/s", bench->name, what, ns, 1000.0 / ns);
    if (bytes > 0) {
        printf("  %7.2f GB/s", gigabytes);
    }
    printf("\n");
    if (bench->json != NULL) {
        (void)fprintf(bench->json,
                      "{\"bench\": \"%s\", \"what\": \"%s\", \"ns\": %.3f, \"gb_s\": %.3f}\n",
                      bench->name, what, ns, gigabytes);
    }
}

void bench_measure(struct bench *bench, const char *what, uint64_t operations, uint64_t bytes,
                   bench_work work, void *ctx)
{
    static uint64_t rounds[ROUND_COUNT_MAX];
    uint64_t expected = work(ctx); // Also warms up.
    uint64_t begin = bench_now_ns();
    size_t count = 0;
    for (; count < ROUND_COUNT_MAX; count++) {
        uint64_t start = bench_now_ns();
        if (count >= (bench->check ? 1 : ROUND_COUNT_MIN) &&
            (bench->check || start - begin > MEASURE_NS)) {
            break;
        }
        uint64_t checksum = work(ctx);
        rounds[count] = bench_now_ns() - start;
        if (checksum != expected) {
            (void)fprintf(stderr, "%s: %s: the checksum changed between rounds\n", bench->name,
                          what);
            bench->failed = true;
            return;
        }
    }
    if (bench->check) {
        printf("ok %s: %s\n", bench->name, what);
        return;
    }
    qsort(rounds, count, sizeof rounds[0], compare_u64);
    report(bench, what, operations, bytes, rounds[count / 2]);
}

/* Weak, so that a benchmark with needs of its own may bring its own main. */
__attribute__((weak)) int main(int argc, char **argv)
{
    struct bench bench = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) {
            bench.check = true;
        } else if (strcmp(argv[i], "--cpu") == 0) {
            bench_clock = CLOCK_THREAD_CPUTIME_ID;
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            bench.json = fopen(argv[++i], "ae");
            if (bench.json == NULL) {
                perror(argv[i]);
                return 1;
            }
        } else {
            bench.only = argv[i];
        }
    }
    for (size_t i = 0; i < bench_count; i++) {
        bench.name = benches[i].name;
        if (bench.only == NULL || strstr(bench.name, bench.only) != NULL) {
            benches[i].fn(&bench);
        }
    }
    if (bench.json != NULL) {
        (void)fclose(bench.json);
    }
    return bench.failed;
}
