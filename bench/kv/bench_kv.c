/*
 * Rows of (key, 100 bytes): TDB+ through its C API against RocksDB, LMDB and SQLite.
 *
 *   bench_kv [--rows 1M] [--runs N] [--threads 1,2] [--cases load,get,...] [--engines tdb+,lmdb]
 *            [--text] [--operations 2M] [--cpu] [--limit SECONDS] [--dir DIRECTORY] [--json FILE]
 *            [--check]
 *
 * Each part of the cases runs in a process of its own, engine after engine, `runs` times in turn; a
 * figure is the median. All engines get the same rows and the same sequence of operations, and what
 * they read must be the same: the hash of all bytes is compared after every case. Every figure is
 * shown at once, the table in the end. A part that fails or takes longer than the limit costs its
 * figures, and the exit status, but not the others.
 */

#include <errno.h>
#include <math.h>
#include <signal.h>
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
    .limit = 3600,
    .directory = "build/bench_kv",
};

struct bench_report *bench_report;
const struct kv_engine *bench_engine;

static bool has_failed; /* Some part of some engine. */

static void run_part(const struct bench_part *part)
{
    pid_t child = fork();
    if (child == 0) {
        (void)alarm((unsigned)bench_options.limit); // Ends the process.
        part->run();
        exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        kv_fail(bench_engine->name, part->name, strerror(errno));
    }
    if (status != 0) {
        bool late = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
        (void)printf("# %-8s %-28s %s\n", bench_engine->name, part->name,
                     late ? "took longer than the limit" : "failed");
        has_failed = true;
    }
}

static void run_engine(const struct kv_engine *which)
{
    bench_engine = which;
    for (size_t i = 0; i < bench_part_count; i++) {
        run_part(&bench_parts[i]);
    }
}

/* ---- what comes out ---- */

struct figures {
    struct bench_report reports[ENGINE_COUNT][BENCH_RUN_COUNT_MAX];
};

/* The figure of the same case; NULL when the run has none. */
static const struct bench_result *find_result(const struct bench_report *report,
                                              const struct bench_result *like)
{
    for (uint32_t i = 0; i < report->count; i++) {
        const struct bench_result *result = &report->results[i];
        if (strcmp(result->name, like->name) == 0 && result->threads == like->threads) {
            return result;
        }
    }
    return NULL;
}

/* Of the engine's runs; false when none has it. */
static bool median(const struct figures *figures, uint32_t number, const struct bench_result *like,
                   double *value_out)
{
    double values[BENCH_RUN_COUNT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < bench_options.runs; i++) {
        const struct bench_result *result = find_result(&figures->reports[number][i], like);
        if (result == NULL) {
            continue;
        }
        uint32_t k = count++;
        for (; k > 0 && values[k - 1] > result->value; k--) {
            values[k] = values[k - 1];
        }
        values[k] = result->value;
    }
    *value_out = count == 0 ? 0 : values[count / 2];
    return count > 0;
}

/* The worst of all runs. */
static double p99_us(const struct figures *figures, uint32_t number,
                     const struct bench_result *like)
{
    double worst = 0;
    for (uint32_t i = 0; i < bench_options.runs; i++) {
        const struct bench_result *result = find_result(&figures->reports[number][i], like);
        worst = result == NULL ? worst : fmax(worst, result->p99_us);
    }
    return worst;
}

static void compare_answers(const struct bench_result *expected, const struct bench_report *report,
                            const char *engine)
{
    const struct bench_result *other = find_result(report, expected);
    if (other != NULL && other->hash != expected->hash) {
        kv_fail(engine, expected->name, "read something else than the others");
    }
}

static void check_answers(const struct figures *figures, uint32_t first)
{
    const struct bench_report *expected = &figures->reports[first][0];
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        for (uint32_t r = 0; r < bench_options.runs; r++) {
            for (uint32_t i = 0; i < expected->count; i++) {
                compare_answers(&expected->results[i], &figures->reports[e][r], engines[e]->name);
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

/* One case: all engines, and ours against the best of the others. */
static void print_case(const struct figures *figures, uint32_t first,
                       const struct bench_result *result, FILE *json)
{
    double mine = 0;
    double best = 0;
    (void)median(figures, first, result, &mine);
    (void)printf("%-26s %3u", result->name, result->threads);
    for (uint32_t e = 0; e < ENGINE_COUNT; e++) {
        double value = 0;
        if (!median(figures, e, result, &value)) {
            (void)printf(" %12s %9s", "", "");
            continue;
        }
        (void)printf(" %12.*f %9.1f", value < 1000 ? 3 : 0, value, p99_us(figures, e, result));
        if (e == first) {
            continue;
        }
        bool better = best == 0 || (result->less_is_better ? value < best : value > best);
        best = better ? value : best;
        if (json != NULL) {
            write_json(json, result, engines[e]->name, mine, value);
        }
    }
    double ratio = result->less_is_better ? best / mine : mine / best;
    (void)printf(" %8.2f\n", best == 0 ? 1.0 : ratio);
}

static void print_figures(const struct figures *figures, uint32_t first, FILE *json)
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
        print_case(figures, first, &ours->results[i], json);
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
        } else if (strcmp(name, "--limit") == 0) {
            bench_options.limit = parse_count(arguments[++i]);
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
    return has_failed ? 1 : 0;
}
