/*
 * The primary index alone, over a sorted array of keys held by the caller.
 *
 *   bench_index [--sizes 1M,10M] [--kinds uniform,bursty,hashed] [--runs N] [--json FILE]
 *
 * For each size and kind of keys, each structure looks up the same keys, all present, drawn
 * evenly: one after the other, independent; dependent, where each key waits for the answer before;
 * in batches of 1,024 in random order; and in batches of 65,536 in ascending order. The structures
 * take turns, run by run; a figure is the median of the runs. All answers are compared.
 */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "index_bench.h"
#include "simd/simd.h"

#define PROBES       ((size_t)1 << 22)
#define PROBES_TEST  ((size_t)1 << 12)
#define BATCH_RANDOM ((size_t)1024)
#define BATCH_SORTED ((size_t)65536)
#define RUNS_MAX     15u

void *bench_pages(size_t size)
{
    const size_t huge = (size_t)2 << 20;
    size = (size + huge - 1) & ~(huge - 1);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("bench_index: memory");
        exit(1);
    }
    (void)madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

void bench_pages_free(void *memory, size_t size)
{
    const size_t huge = (size_t)2 << 20;
    (void)munmap(memory, (size + huge - 1) & ~(huge - 1));
}

/* ---- keys ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t value = random_state += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

static double random_unit(void)
{
    return ((double)(random_u64() >> 11) + 0.5) / 9007199254740992.0;
}

/* Evenly drawn numbers from a range of 1,000 for each key: gaps are exponential. */
static void make_uniform(struct keys *keys)
{
    uint64_t key = 1000000;
    for (size_t i = 0; i < keys->count; i++) {
        key += 1 + (uint64_t)(-log(random_unit()) * 1000);
        keys->keys[i] = key;
    }
}

/* Bursts of 1 to 512 nearly dense keys, then silence whose length spans six decades: what
 * timestamps and sequences with gaps look like. */
static void make_bursty(struct keys *keys)
{
    uint64_t key = 1000000;
    uint64_t left = 0;
    for (size_t i = 0; i < keys->count; i++) {
        if (left == 0) {
            left = 1 + random_u64() % 512;
            key += (uint64_t)exp(random_unit() * 14);
        }
        left--;
        key += 1 + random_u64() % 4;
        keys->keys[i] = key;
    }
}

/* Hashes of 0, 1, 2, ..., sorted: by the top bits into buckets, then each bucket by insertion. */
static void make_hashed(struct keys *keys)
{
    unsigned bits = 1;
    while (((size_t)8 << bits) < keys->count) {
        bits++;
    }
    size_t buckets = (size_t)1 << bits;
    uint32_t *at = bench_pages((buckets + 1) * sizeof *at);
    uint64_t start = random_state;
    for (size_t i = 0; i < keys->count; i++) {
        at[(random_u64() >> (64 - bits)) + 1]++;
    }
    for (size_t b = 1; b <= buckets; b++) {
        at[b] += at[b - 1];
    }
    random_state = start;
    for (size_t i = 0; i < keys->count; i++) {
        uint64_t key = random_u64();
        keys->keys[at[key >> (64 - bits)]++] = key;
    }
    for (size_t i = 1; i < keys->count; i++) {
        uint64_t key = keys->keys[i];
        size_t k = i;
        for (; k > 0 && keys->keys[k - 1] > key; k--) {
            keys->keys[k] = keys->keys[k - 1];
        }
        keys->keys[k] = key;
    }
    bench_pages_free(at, (buckets + 1) * sizeof *at);
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* ---- cases ---- */

struct probes {
    const struct keys *keys;
    uint64_t *random;
    uint64_t *sorted; /* The same keys, each batch of them ascending. */
    uint64_t *out;
    size_t count;
};

static uint64_t fold(const uint64_t *values, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum = (sum ^ values[i]) * 0x9E3779B97F4A7C15u + (sum >> 7);
    }
    return sum;
}

static uint64_t run_single(const struct peer *peer, const void *self, const struct probes *probes)
{
    for (size_t i = 0; i < probes->count; i++) {
        probes->out[i] = peer->locate(self, probes->random[i]);
    }
    return probes->count;
}

static uint64_t run_dependent(const struct peer *peer, const void *self,
                              const struct probes *probes)
{
    size_t count = probes->count / 4;
    uint64_t position = 0;
    for (size_t i = 0; i < count; i++) {
        // The answer decides which key is next, so that no two lookups overlap.
        size_t next = (i + (position & 1)) % probes->count;
        position = peer->locate(self, probes->random[next]);
        probes->out[i] = position;
    }
    return count;
}

static uint64_t run_batch(const struct peer *peer, const void *self, const struct probes *probes)
{
    for (size_t i = 0; i < probes->count; i += BATCH_RANDOM) {
        peer->locate_batch(self, &probes->random[i], BATCH_RANDOM, &probes->out[i]);
    }
    return probes->count;
}

static uint64_t run_sorted(const struct peer *peer, const void *self, const struct probes *probes)
{
    size_t batch = probes->count < BATCH_SORTED ? probes->count : BATCH_SORTED;
    for (size_t i = 0; i < probes->count; i += batch) {
        peer->locate_batch(self, &probes->sorted[i], batch, &probes->out[i]);
    }
    return probes->count;
}

static const struct {
    const char *name;
    uint64_t (*run)(const struct peer *peer, const void *self, const struct probes *probes);
} cases[] = {
    {"single", run_single},
    {"dependent", run_dependent},
    {"batch 1024", run_batch},
    {"sorted batch 65536", run_sorted},
};

#define CASES (sizeof cases / sizeof *cases)

static const struct peer *const peers[] = {&peer_pkindex, &peer_binary_search, &peer_simd_tree,
                                           &peer_hash_table};
#define PEERS (sizeof peers / sizeof *peers)

static const struct {
    const char *name;
    void (*make)(struct keys *keys);
} kinds[] = {{"uniform", make_uniform}, {"bursty", make_bursty}, {"hashed", make_hashed}};

#define KINDS (sizeof kinds / sizeof *kinds)

static double now_ns(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare_double(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

struct options {
    const char *sizes;
    const char *kinds;
    unsigned runs;
    FILE *json;
    bool is_check;
};

static void make_probes(const struct keys *keys, struct probes *probes, size_t count)
{
    probes->keys = keys;
    probes->count = count;
    probes->random = bench_pages(count * sizeof(uint64_t));
    probes->sorted = bench_pages(count * sizeof(uint64_t));
    probes->out = bench_pages(count * sizeof(uint64_t));
    for (size_t i = 0; i < count; i++) {
        probes->random[i] = keys->keys[random_u64() % keys->count];
    }
    memcpy(probes->sorted, probes->random, count * sizeof(uint64_t));
    size_t batch = count < BATCH_SORTED ? count : BATCH_SORTED;
    for (size_t i = 0; i < count; i += batch) {
        qsort(&probes->sorted[i], batch, sizeof(uint64_t), compare_u64);
    }
}

static void report(const struct options *options, const char *kind, size_t rows,
                   const double ns[CASES][PEERS], const double bytes[PEERS])
{
    printf("\n%s, %zu keys\n%-20s", kind, rows, "ns a lookup (M/s)");
    for (size_t p = 0; p < PEERS; p++) {
        printf(" %22s", peers[p]->name);
    }
    printf("\n");
    for (size_t c = 0; c < CASES; c++) {
        printf("%-20s", cases[c].name);
        for (size_t p = 0; p < PEERS; p++) {
            printf("      %8.1f (%6.1f)", ns[c][p], 1e3 / ns[c][p]);
        }
        printf("\n");
        for (size_t p = 1; p < PEERS && options->json != NULL; p++) {
            fprintf(options->json,
                    "{\"suite\":\"index\",\"case\":\"%s %s\",\"unit\":\"M/s\",\"ours\":%.2f,"
                    "\"peer\":\"%s\",\"theirs\":%.2f,\"ratio\":%.3f,\"rows\":%zu,\"threads\":1,"
                    "\"note\":\"u64 keys in memory, all present, drawn evenly\"}\n",
                    kind, cases[c].name, 1e3 / ns[c][0], peers[p]->name, 1e3 / ns[c][p],
                    ns[c][p] / ns[c][0], rows);
        }
    }
    printf("%-20s", "bytes a key");
    for (size_t p = 0; p < PEERS; p++) {
        printf(" %22.3f", bytes[p]);
    }
    printf("\n");
    for (size_t p = 1; p < PEERS && options->json != NULL; p++) {
        fprintf(options->json,
                "{\"suite\":\"index\",\"case\":\"%s memory\",\"unit\":\"bytes/key\","
                "\"ours\":%.4f,\"peer\":\"%s\",\"theirs\":%.4f,\"ratio\":%.3f,\"rows\":%zu,"
                "\"threads\":1,\"note\":\"beside the sorted array\"}\n",
                kind, bytes[0], peers[p]->name, bytes[p], bytes[p] / bytes[0], rows);
    }
    (void)fflush(stdout);
}

static void bench(const struct options *options, size_t kind, size_t rows)
{
    random_state = rows + kind;
    struct keys keys = {.count = rows};
    keys.keys = bench_pages((rows + 64) * sizeof(uint64_t));
    kinds[kind].make(&keys);
    struct probes probes = {0};
    make_probes(&keys, &probes, options->is_check ? PROBES_TEST : PROBES);

    void *selves[PEERS];
    double bytes[PEERS];
    for (size_t p = 0; p < PEERS; p++) {
        double start = now_ns();
        selves[p] = peers[p]->build(&keys);
        bytes[p] = (double)peers[p]->size_bytes(selves[p]) / (double)rows;
        printf("built %-18s %8.1f ns a key\n", peers[p]->name, (now_ns() - start) / (double)rows);
    }
    double ns[CASES][PEERS];
    for (size_t c = 0; c < CASES; c++) {
        double times[PEERS][RUNS_MAX];
        uint64_t folds[PEERS];
        // The first turn warms up and is compared, not measured.
        for (unsigned run = 0; run <= options->runs; run++) {
            for (size_t p = 0; p < PEERS; p++) {
                double start = now_ns();
                uint64_t count = cases[c].run(peers[p], selves[p], &probes);
                double each = (now_ns() - start) / (double)count;
                times[p][run == 0 ? 0 : run - 1] = each;
                folds[p] = fold(probes.out, count);
                if (folds[p] != folds[0]) {
                    fprintf(stderr, "bench_index: %s and %s differ on %s, %s\n", peers[p]->name,
                            peers[0]->name, kinds[kind].name, cases[c].name);
                    exit(1);
                }
            }
        }
        for (size_t p = 0; p < PEERS; p++) {
            qsort(times[p], options->runs, sizeof(double), compare_double);
            ns[c][p] = times[p][options->runs / 2];
        }
    }
    report(options, kinds[kind].name, rows, (const double(*)[PEERS])ns, bytes);
    for (size_t p = 0; p < PEERS; p++) {
        peers[p]->free(selves[p]);
    }
    bench_pages_free(probes.random, probes.count * sizeof(uint64_t));
    bench_pages_free(probes.sorted, probes.count * sizeof(uint64_t));
    bench_pages_free(probes.out, probes.count * sizeof(uint64_t));
    bench_pages_free(keys.keys, (rows + 64) * sizeof(uint64_t));
}

static struct options parse(int argc, char **argv)
{
    struct options options = {.sizes = "1M,10M", .kinds = "uniform,bursty,hashed", .runs = 5};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--check") == 0) {
            options.is_check = true;
            options.sizes = "50k";
            options.runs = 1;
        } else if (strcmp(argv[i], "--sizes") == 0 && has_value) {
            options.sizes = argv[++i];
        } else if (strcmp(argv[i], "--kinds") == 0 && has_value) {
            options.kinds = argv[++i];
        } else if (strcmp(argv[i], "--runs") == 0 && has_value) {
            unsigned long runs = strtoul(argv[++i], NULL, 10);
            options.runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : (unsigned)runs;
        } else if (strcmp(argv[i], "--json") == 0 && has_value) {
            options.json = fopen(argv[++i], "a");
            if (options.json == NULL) {
                perror(argv[i]);
                exit(1);
            }
        } else {
            fprintf(stderr, "usage: bench_index [--sizes 1M,10M,100M] [--kinds "
                            "uniform,bursty,hashed] [--runs N] [--json FILE] [--check]\n");
            exit(2);
        }
    }
    return options;
}

int main(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    simd_init();
    if (!__builtin_cpu_supports("avx512f")) {
        fprintf(stderr, "bench_index: the SIMD tree needs AVX-512\n");
        return options.is_check ? 0 : 1;
    }
    for (const char *at = options.sizes; *at != '\0';) {
        char *end = NULL;
        size_t rows = strtoull(at, &end, 10);
        rows *= *end == 'M' ? 1000000 : *end == 'k' ? 1000 : 1;
        at = end + (*end == 'M' || *end == 'k');
        at += *at == ',';
        if (end == at || rows == 0) {
            fprintf(stderr, "bench_index: cannot read the sizes '%s'\n", options.sizes);
            return 2;
        }
        for (size_t kind = 0; kind < KINDS; kind++) {
            if (strstr(options.kinds, kinds[kind].name) != NULL) {
                bench(&options, kind, rows);
            }
        }
    }
    if (options.json != NULL) {
        (void)fclose(options.json);
    }
    return 0;
}
