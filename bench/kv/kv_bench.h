#pragma once

/*
 * What the files of the suite share: options, results, and threads that each do their share of a
 * case. kv.h is what the engines see.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "kv.h"

#define BENCH_RUN_COUNT_MAX    9u
#define BENCH_RESULT_COUNT     128u
#define BENCH_THREAD_COUNT_MAX 64u

struct bench_result {
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
struct bench_report {
    struct bench_result results[BENCH_RESULT_COUNT];
    uint32_t count;
};

struct bench_options {
    uint64_t rows;
    uint64_t operations; /* Of one case of single operations, at most. */
    uint32_t runs;
    uint32_t threads[4];
    uint32_t thread_count;
    const char *cases;
    const char *engines;
    const char *json;
    const char *directory;
    uint64_t limit; /* Seconds that one part of the cases may take. */
    bool text_keys;
    bool check;
    bool cpu;
};

extern struct bench_options bench_options;
extern struct bench_report *bench_report;    /* Shared with the parent. */
extern const struct kv_engine *bench_engine; /* Of this process. */

/* Is the name in the list? NULL stands for all names. */
bool bench_wanted(const char *list, const char *name);

/* Adds a figure, and says so at once, so that a run that is killed has shown what it had. */
struct bench_result *bench_add(const char *name, const char *suffix, const char *unit,
                               double value);
void bench_announce(struct bench_result *result, uint32_t threads);
void bench_add_less(const char *name, const char *unit, double value); /* Less is better. */
void bench_add_once(const char *name, double seconds); /* An operation that is done once. */

double bench_now(void);
double bench_cpu(void); /* Processor time of all threads of the process. */
uint64_t bench_random(uint64_t *state);
void bench_zipf_init(uint64_t count);
uint64_t bench_zipf(uint64_t *state, uint64_t count); /* Of the count of bench_zipf_init(). */
uint64_t bench_disk_bytes(const char *directory, const char *without);
uint64_t bench_written_bytes(void); /* By this process so far. */
void bench_clear_directory(void);

/* ---- workers ---- */

struct bench_worker;
typedef void (*bench_work)(struct bench_worker *worker);

struct bench_worker {
    bench_work work;
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
    bool aside; /* Set by the work: neither its time nor what it did is part of the figure. */
    char kind;
    pthread_barrier_t *start;
    uint64_t *samples; /* Nanoseconds of some operations. */
    size_t sample_count;
};

/* Around an operation: takes the time of some. */
double bench_begin_sample(const struct bench_worker *worker, uint64_t i);
void bench_end_sample(struct bench_worker *worker, double begin);

/* Runs the case on `count` threads and reports operations (or rows) per second. */
struct bench_result *bench_run_case(void *db, const char *name, const char *suffix,
                                    const struct bench_worker *pattern, uint32_t count);

/* ---- kv_cases.c ---- */

/*
 * The cases in parts that need nothing of each other. Each is run in a process of its own, which
 * has one thread when the part begins: an engine's threads are not there after a fork, and what
 * they had locked stays locked.
 */
struct bench_part {
    const char *name;
    void (*run)(void);
};

extern const struct bench_part bench_parts[];
extern const size_t bench_part_count;
