/*
 * Loads rows into each engine and prints rows a second, processor time and bytes written. Options
 * and what is compared: README.md.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "load.h"
#include "tdbplus/arrow.h"
#include "tdbplus/tdbplus.h"

#define POOL_SIZE   ((size_t)16 << 20)
#define ARRAY_ROWS  65536u
#define ENGINES_MAX 4u
#define RUNS_MAX    15u

static uint8_t *pool;

_Noreturn void load_fail(const char *engine, const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s: %s\n", engine, what, why == NULL ? "?" : why);
    exit(1);
}

static void fill_pool(void)
{
    uint64_t state = 0x9E3779B97F4A7C15u;
    pool = malloc(POOL_SIZE);
    for (size_t i = 0; i + 8 <= POOL_SIZE; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(pool + i, &state, 8);
    }
}

/* Random bytes that begin anywhere in the pool: nothing that compresses within a page. */
const uint8_t *load_value(uint64_t number)
{
    return pool + number * 2654435761u % (POOL_SIZE - LOAD_VALUE_SIZE);
}

void load_text(uint64_t key, char text[LOAD_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = LOAD_TEXT_SIZE; i > 0; i--, key >>= 4) {
        text[i - 1] = digits[key & 15];
    }
}

uint64_t load_hash(const void *key, size_t key_size, const void *value, size_t value_size)
{
    return XXH3_64bits(key, key_size) * 31 + XXH3_64bits(value, value_size);
}

/* ---- TDB+ ---- */

struct tdb {
    struct load_setup setup;
    tdbplus_db *db;
    tdbplus_collection *rows;
    uint64_t next; /* Row of the coming array. */
    uint64_t step; /* Prime to the number of rows when they are shuffled. */
    uint8_t *keys;
    int32_t *key_offsets;
    int32_t *offsets;
    uint8_t *values;
};

static void tdb_check(tdbplus_status status, const char *what, const tdbplus_call *call)
{
    if (status != TDBPLUS_OK) {
        load_fail("tdb+", what, call->error.message);
    }
}

static void *tdb_open(const struct load_setup *setup)
{
    struct tdb *tdb = calloc(1, sizeof *tdb);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdb->setup = *setup;
    tdbplus_options options = {.struct_size = sizeof options,
                               .memory_limit_bytes = (size_t)2 << 30};
    tdb_check(tdbplus_open(setup->directory, &options, &tdb->db, &call), "open", &call);
    tdbplus_column columns[] = {
        {.name = "k",
         .type = setup->text_keys ? TDBPLUS_TYPE_TEXT : TDBPLUS_TYPE_INT8,
         .not_null = true},
        {.name = "v", .type = TDBPLUS_TYPE_BYTEA, .not_null = true},
    };
    const char *key[] = {"k"};
    tdb_check(tdbplus_collection_create(tdb->db, NULL, "rows", columns, 2, key, 1, &call), "create",
              &call);
    tdb_check(tdbplus_collection_open(tdb->db, NULL, "rows", &tdb->rows, &call), "open", &call);
    tdb->keys = malloc((size_t)ARRAY_ROWS * LOAD_TEXT_SIZE);
    tdb->key_offsets = malloc((ARRAY_ROWS + 1) * sizeof(int32_t));
    tdb->offsets = malloc((ARRAY_ROWS + 1) * sizeof(int32_t));
    tdb->values = malloc((size_t)ARRAY_ROWS * LOAD_VALUE_SIZE);
    for (int32_t i = 0; i <= (int32_t)ARRAY_ROWS; i++) {
        tdb->offsets[i] = i * (int32_t)LOAD_VALUE_SIZE;
        tdb->key_offsets[i] = i * (int32_t)LOAD_TEXT_SIZE;
    }
    tdb->step = 1;
    if (setup->shuffled) {
        tdb->step = 7919;
        while (setup->rows % tdb->step == 0) {
            tdb->step += 2;
        }
    }
    return tdb;
}

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    static struct ArrowSchema fields[2];
    static struct ArrowSchema *children[] = {&fields[0], &fields[1]};
    const struct tdb *tdb = stream->private_data;
    fields[0] = (struct ArrowSchema){
        .format = tdb->setup.text_keys ? "u" : "l", .name = "k", .release = release_schema};
    fields[1] = (struct ArrowSchema){.format = "z", .name = "v", .release = release_schema};
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = 2,
                                .children = children,
                                .release = release_schema};
    return 0;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static void fill_array(struct tdb *tdb, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = (tdb->next + i) * tdb->step % tdb->setup.rows;
        uint64_t key = load_key(number);
        if (tdb->setup.text_keys) {
            load_text(key, (char *)tdb->keys + (size_t)i * LOAD_TEXT_SIZE);
        } else {
            memcpy(tdb->keys + (size_t)i * 8, &key, 8);
        }
        memcpy(tdb->values + (size_t)i * LOAD_VALUE_SIZE, load_value(number), LOAD_VALUE_SIZE);
    }
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    static struct ArrowArray columns[2];
    static struct ArrowArray *children[] = {&columns[0], &columns[1]};
    static const void *nothing[1];
    static const void *key_buffers[3];
    static const void *value_buffers[3];
    struct tdb *tdb = stream->private_data;
    uint64_t left = tdb->setup.rows - tdb->next;
    uint32_t count = left < ARRAY_ROWS ? (uint32_t)left : ARRAY_ROWS;
    if (count == 0) {
        *out = (struct ArrowArray){0};
        return 0;
    }
    fill_array(tdb, count);
    tdb->next += count;
    key_buffers[1] = tdb->setup.text_keys ? (const void *)tdb->key_offsets : tdb->keys;
    key_buffers[2] = tdb->keys;
    value_buffers[1] = tdb->offsets;
    value_buffers[2] = tdb->values;
    columns[0] = (struct ArrowArray){.length = count,
                                     .n_buffers = tdb->setup.text_keys ? 3 : 2,
                                     .buffers = key_buffers,
                                     .release = release_array};
    columns[1] = (struct ArrowArray){
        .length = count, .n_buffers = 3, .buffers = value_buffers, .release = release_array};
    *out = (struct ArrowArray){.length = count,
                               .n_buffers = 1,
                               .n_children = 2,
                               .buffers = nothing,
                               .children = children,
                               .release = release_array};
    return 0;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static void tdb_load(void *db)
{
    struct tdb *tdb = db;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    struct ArrowArrayStream stream = {.get_schema = get_schema,
                                      .get_next = get_next,
                                      .get_last_error = get_last_error,
                                      .release = release_stream,
                                      .private_data = tdb};
    tdbplus_load_options options = {.struct_size = sizeof options, .insert = true};
    tdb_check(tdbplus_load_arrow(tdb->rows, NULL, &stream, &options, NULL, &call), "load", &call);
}

static uint64_t tdb_read(void *db, uint64_t *hash)
{
    struct tdb *tdb = db;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    uint64_t count = 0;
    tdb_check(tdbplus_scan_open(tdb->rows, NULL, NULL, &scan, &call), "scan", &call);
    while (tdbplus_scan_next(scan, &values, &call) == TDBPLUS_OK) {
        bool text = tdb->setup.text_keys;
        *hash += load_hash(text ? (const void *)values[0].as.bytes.data : &values[0].as.integer,
                           text ? values[0].as.bytes.size : sizeof values[0].as.integer,
                           values[1].as.bytes.data, values[1].as.bytes.size);
        count++;
    }
    tdbplus_scan_close(scan);
    return count;
}

static void tdb_close(void *db)
{
    struct tdb *tdb = db;
    tdbplus_collection_close(tdb->rows);
    tdbplus_close(tdb->db);
    free(tdb->keys);
    free(tdb->key_offsets);
    free(tdb->offsets);
    free(tdb->values);
    free(tdb);
}

static const struct load_engine load_tdb = {
    .name = "tdb+", .open = tdb_open, .load = tdb_load, .read = tdb_read, .close = tdb_close};

/* ---- measuring ---- */

static const struct load_engine *const engines[ENGINES_MAX] = {&load_tdb, &load_rocksdb, &load_lmdb,
                                                               &load_sqlite};

struct figures {
    double seconds;
    double cpu_seconds;
    double written; /* Bytes for each byte of key and value. */
};

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double cpu_now(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
}

/* What the process has given to block devices. */
static double written_now(void)
{
    char line[256];
    unsigned long long bytes = 0;
    FILE *file = fopen("/proc/self/io", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "write_bytes: %llu", &bytes);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (double)bytes;
}

static void make_empty(const char *directory)
{
    char command[4200];
    (void)snprintf(command, sizeof command, "rm -rf '%s' && mkdir -p '%s'", directory, directory);
    if (system(command) != 0) {
        load_fail("bench", "directory", directory);
    }
}

static struct figures run(const struct load_engine *engine, const struct load_setup *setup,
                          uint64_t *hash)
{
    make_empty(setup->directory);
    void *db = engine->open(setup);
    double bytes = written_now();
    double cpu = cpu_now();
    double start = now();
    engine->load(db);
    struct figures figures = {.seconds = now() - start, .cpu_seconds = cpu_now() - cpu};
    size_t key_size = setup->text_keys ? LOAD_TEXT_SIZE : 8;
    figures.written =
        (written_now() - bytes) / ((double)setup->rows * (double)(key_size + LOAD_VALUE_SIZE));
    *hash = 0;
    uint64_t count = engine->read(db, hash);
    if (count != setup->rows) {
        load_fail(engine->name, "read", "not as many rows as were loaded");
    }
    engine->close(db);
    make_empty(setup->directory);
    return figures;
}

static int compare_seconds(const void *left, const void *right)
{
    double difference =
        ((const struct figures *)left)->seconds - ((const struct figures *)right)->seconds;
    return difference < 0 ? -1 : difference > 0;
}

static uint64_t parse_count(const char *text)
{
    char *end = NULL;
    uint64_t count = strtoull(text, &end, 10);
    return *end == 'M' ? count * 1000000 : *end == 'k' ? count * 1000 : count;
}

static void report(const struct load_setup *setup, const struct figures *median, FILE *json)
{
    double best = 0;
    const char *peer = "none";
    for (uint32_t e = 1; e < ENGINES_MAX; e++) {
        double rate = median[e].seconds > 0 ? (double)setup->rows / median[e].seconds : 0;
        if (rate > best) {
            best = rate;
            peer = engines[e]->name;
        }
    }
    double ours = median[0].seconds > 0 ? (double)setup->rows / median[0].seconds : 0;
    if (json != NULL && ours > 0) {
        (void)fprintf(
            json,
            "{\"suite\": \"load\", \"case\": \"load%s%s\", \"unit\": \"rows/s\", "
            "\"ours\": %.0f, \"peer\": \"%s\", \"theirs\": %.0f, \"ratio\": %.3f, "
            "\"rows\": %llu, \"threads\": 1, \"note\": \"bytes written per byte %.3f\"}\n",
            setup->text_keys ? "_text" : "", setup->shuffled ? "_shuffled" : "", ours, peer, best,
            best > 0 ? ours / best : 0, (unsigned long long)setup->rows, median[0].written);
    }
}

int main(int argc, char **argv)
{
    struct load_setup setup = {.directory = "build/bench/load", .rows = 1000000};
    const char *wanted = "tdb+,rocksdb,lmdb,sqlite";
    uint32_t runs = 1;
    FILE *json = NULL;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--rows") == 0 && more) {
            setup.rows = parse_count(argv[++i]);
        } else if (strcmp(argv[i], "--runs") == 0 && more) {
            runs = (uint32_t)parse_count(argv[++i]);
            runs = runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : runs;
        } else if (strcmp(argv[i], "--dir") == 0 && more) {
            setup.directory = argv[++i];
        } else if (strcmp(argv[i], "--engines") == 0 && more) {
            wanted = argv[++i];
        } else if (strcmp(argv[i], "--json") == 0 && more) {
            json = fopen(argv[++i], "a");
        } else if (strcmp(argv[i], "--text") == 0) {
            setup.text_keys = true;
        } else if (strcmp(argv[i], "--shuffled") == 0) {
            setup.shuffled = true;
        } else {
            (void)fprintf(stderr, "options: see bench/load/README.md\n");
            return 2;
        }
    }
    fill_pool();
    static struct figures figures[ENGINES_MAX][RUNS_MAX];
    struct figures median[ENGINES_MAX] = {0};
    uint64_t hashes[ENGINES_MAX] = {0};
    for (uint32_t r = 0; r < runs; r++) {
        for (uint32_t e = 0; e < ENGINES_MAX; e++) {
            if (strstr(wanted, engines[e]->name) != NULL && (e == 0 || !setup.shuffled)) {
                figures[e][r] = run(engines[e], &setup, &hashes[e]);
            }
        }
    }
    for (uint32_t e = 0; e < ENGINES_MAX; e++) {
        if (figures[e][0].seconds == 0) {
            continue;
        }
        if (hashes[e] != hashes[0] && hashes[0] != 0) {
            load_fail(engines[e]->name, "read", "other rows than the first engine's");
        }
        qsort(figures[e], runs, sizeof figures[e][0], compare_seconds);
        median[e] = figures[e][runs / 2];
        (void)printf("%-8s %8.3f M rows/s  %7.2f s  %7.2f s of processor  %.3f written per byte\n",
                     engines[e]->name, (double)setup.rows / median[e].seconds / 1e6,
                     median[e].seconds, median[e].cpu_seconds, median[e].written);
    }
    report(&setup, median, json);
    if (json != NULL) {
        (void)fclose(json);
    }
    free(pool);
    return 0;
}
