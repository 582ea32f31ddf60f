#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Microbenchmarks. A file x_bench.c becomes the program x_bench, which runs every BENCH in it:
 *
 *   x_bench [--check] [--cpu] [--json FILE] [NAME]   NAME: only those whose name contains it
 *
 * With --cpu the clock is the thread's own: on a busy machine time in the queue does not count
 * (lost caches still do). For work of one thread that does not wait.
 *
 * With --check each piece of work runs twice on whatever small input it chooses and must give the
 * same checksum both times; that is how the tests run it, so that benchmarks cannot rot.
 */
struct bench {
    bool check; /* Choose tiny input. */
    const char *name;
    const char *only; /* NAME, or NULL. */
    void *json;       /* The file, or NULL. */
    bool failed;
};

typedef void (*bench_fn)(struct bench *bench);
void bench_register(const char *name, bench_fn fn);

#define BENCH(name)                                                \
    static void bench_##name(struct bench *bench);                 \
    __attribute__((constructor)) static void register_##name(void) \
    {                                                              \
        bench_register(#name, bench_##name);                       \
    }                                                              \
    static void bench_##name(struct bench *bench)

/* The chosen clock, in nanoseconds. */
uint64_t bench_now_ns(void);

/* One round of the work; returns a checksum of what it computed, the same each time. */
typedef uint64_t (*bench_work)(void *ctx);

/*
 * Runs `work` for half a second and at least five rounds, and reports the median round as time for
 * one of its `operations` and, with `bytes` > 0, as bytes a second. `what` says in words which
 * variant this is (rows, threads, distribution).
 */
void bench_measure(struct bench *bench, const char *what, uint64_t operations, uint64_t bytes,
                   bench_work work, void *ctx);
