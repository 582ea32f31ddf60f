/*
 * Rows of (key, 100 bytes): TDB+ through its C API against RocksDB, LMDB and SQLite.
 *
 *   bench_kv [--rows 1M] [--runs N] [--threads 1,2] [--cases load,get,...] [--engines tdb+,lmdb]
 *            [--text] [--operations 2M] [--cpu] [--dir DIRECTORY] [--json FILE] [--check]
 *
 * Each engine runs in a process of its own, one after another, `runs` times in turn; a figure is
 * the median. All engines get the same rows and the same sequence of operations, and what they read
 * must be the same: the hash of all bytes is compared after every case. Every figure is shown at
 * once, the table in the end.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kv_bench.h"

#define ENGINE_COUNT 4u

static const struct kv_engine *const engines[ENGINE_COUNT] = {
    &kv_tdb,
    &kv_rocksdb,
    &kv_lmdb,
    &kv_sqlite,
};

struct bench_options bench_options = {
    .rows = 1000000,
    .operations = 2000000,
    .runs = 1,
    .threads = {1},
    .thread_count = 1,
    .directory = "build/bench_kv",
};

struct bench_report *bench_report;
const struct kv_engine *bench_engine;

static void run_engine(const struct kv_engine *which)
{
    bench_engine = which;
    pid_t child = fork();
    if (child == 0) {
        bench_run_cases();
        exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        kv_fail(which->name, "run", "the process failed");
    }
}

/* ---- what comes out ---- */

struct figures {
    struct bench_report reports[ENGINE_COUNT][BENCH_RUN_COUNT_MAX];
};

static double median(struct figures *figures, uint32_t number, uint32_t at)
{
    double values[BENCH_RUN_COUNT_MAX];
    for (uint32_t i = 0; i < bench_options.runs; i++) {
        double value = figures->reports[number][i].results[at].value;
        uint32_t k = i;
        for (; k > 0 && values[k - 1] > value; k--) {
            values[k] = values[k - 1];
        }
        values[k] = value;
    }
    return values[bench_options.runs / 2];
}

/* The worst of all runs. */
static double p99_us(const struct figures *figures, uint32_t number, uint32_t at)
{
    double worst = 0;
    for (uint32_t i = 0; i < bench_options.runs; i++) {
        worst = fmax(worst, figures->reports[number][i].results[at].p99_us);
    }
    return worst;
}

static void check_answers(const struct figures *figures, uint32_t first)
{
    const struct bench_report *expected = &figures->reports[first][0];
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        for (uint32_t r = 0;
             r < bench_options.runs && bench_wanted(bench_options.engines, engines[e]->name); r++) {
            const struct bench_report *other = &figures->reports[e][r];
            for (uint32_t i = 0; i < expected->count; i++) {
                if (other->results[i].hash != expected->results[i].hash) {
                    kv_fail(engines[e]->name, expected->results[i].name,
                            "read something else than the others");
                }
            }
        }
    }
}

static void write_json(FILE *file, const struct bench_result *ours, const char *peer, double value,
                       double theirs)
{
    double ratio = ours->less_is_better ? theirs / value : value / theirs;
    (void)fprintf(file,
                  "{\"suite\":\"kv\",\"case\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,"
                  "\"peer\":\"%s\",\"theirs\":%.6g,\"ratio\":%.3f,\"rows\":%llu,\"threads\":%u,"
                  "\"note\":\"%s keys, p99 %.1f us\"}\n",
                  ours->name, ours->unit, value, peer, theirs, ratio,
                  (unsigned long long)bench_options.rows, ours->threads,
                  bench_options.text_keys ? "text" : "integer", ours->p99_us);
}

static void print_figures(struct figures *figures, uint32_t first, FILE *json)
{
    (void)printf("%-26s %3s", "case", "thr");
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        (void)printf(" %12s %9s",
                     bench_wanted(bench_options.engines, engines[e]->name) ? engines[e]->name : "-",
                     "p99 us");
    }
    (void)printf(" %8s\n", "ratio");
    const struct bench_report *ours = &figures->reports[first][0];
    for (uint32_t i = 0; i < ours->count; i++) {
        const struct bench_result *result = &ours->results[i];
        double mine = median(figures, first, i);
        double best = 0;
        (void)printf("%-26s %3u", result->name, result->threads);
        for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
            if (!bench_wanted(bench_options.engines, engines[e]->name)) {
                (void)printf(" %12s %9s", "", "");
                continue;
            }
            double value = median(figures, e, i);
            (void)printf(" %12.*f %9.1f", value < 1000 ? 3 : 0, value, p99_us(figures, e, i));
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
    bench_options.thread_count = 0;
    for (const char *at = text; at != NULL && bench_options.thread_count < 4;
         at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        uint64_t count = parse_count(at);
        if (count == 0 || count > BENCH_THREAD_COUNT_MAX) {
            kv_fail("options", "--threads", text);
        }
        bench_options.threads[bench_options.thread_count++] = (uint32_t)count;
    }
}

static void parse_options(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i];
        if (strcmp(name, "--check") == 0) {
            bench_options.check = true;
            bench_options.rows = 1000;
        } else if (strcmp(name, "--cpu") == 0) {
            bench_options.cpu = true;
        } else if (strcmp(name, "--text") == 0) {
            bench_options.text_keys = true;
        } else if (i + 1 == count) {
            kv_fail("options", name, "unknown, or its value is missing");
        } else if (strcmp(name, "--rows") == 0) {
            bench_options.rows = parse_count(arguments[++i]);
        } else if (strcmp(name, "--operations") == 0) {
            bench_options.operations = parse_count(arguments[++i]);
        } else if (strcmp(name, "--runs") == 0) {
            bench_options.runs = (uint32_t)parse_count(arguments[++i]);
        } else if (strcmp(name, "--threads") == 0) {
            parse_threads(arguments[++i]);
        } else if (strcmp(name, "--cases") == 0) {
            bench_options.cases = arguments[++i];
        } else if (strcmp(name, "--engines") == 0) {
            bench_options.engines = arguments[++i];
        } else if (strcmp(name, "--dir") == 0) {
            bench_options.directory = arguments[++i];
        } else if (strcmp(name, "--json") == 0) {
            bench_options.json = arguments[++i];
        } else {
            kv_fail("options", name, "unknown");
        }
    }
    if (bench_options.rows < 1000 || bench_options.runs < 1 ||
        bench_options.runs > BENCH_RUN_COUNT_MAX) {
        kv_fail("options", "--rows, --runs", "at least 1,000 rows, 1 to 9 runs");
    }
}

int main(int argument_count, char **arguments)
{
    parse_options(argument_count, arguments);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    bench_zipf_init(bench_options.rows);
    struct figures *figures =
        mmap(NULL, sizeof *figures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (figures == MAP_FAILED) {
        kv_fail("memory", "mmap", strerror(errno));
    }
    uint32_t first = ENGINE_COUNT;
    for (uint32_t r = 0; r < bench_options.runs; r++) {
        for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
            if (bench_wanted(bench_options.engines, engines[e]->name)) {
                first = e < first ? e : first;
                bench_report = &figures->reports[e][r];
                run_engine(engines[e]);
            }
        }
    }
    if (first == ENGINE_COUNT) {
        kv_fail("options", "--engines", "none of that name");
    }
    bench_clear_directory();
    (void)rmdir(bench_options.directory);
    check_answers(figures, first);
    FILE *json = bench_options.json == NULL ? NULL : fopen(bench_options.json, "a");
    print_figures(figures, first, json);
    if (json != NULL) {
        (void)fclose(json);
    }
    return 0;
}
