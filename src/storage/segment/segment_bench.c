/* What segments cost: writing, single and batched lookups, scans. One thread, files in memory, all
 * pages cached. */

#include <string.h>

#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "bench.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/merge.h"
#include "storage/segment/page_cache.h"
#include "storage/segment/segment.h"

#define PATH       "bench/segment"
#define VALUE_SIZE 100u
#define CACHE_SIZE ((size_t)8 << 30)

enum second {
    SECOND_BYTES,  /* 100 random bytes. */
    SECOND_RANDOM, /* int8 of 20 random bits. */
    SECOND_PLAIN,  /* int8 of 64 random bits. */
    SECOND_RISING, /* int8, like a timestamp every 1,000 or so. */
    SECOND_TEXT,   /* 10 to 25 bytes. */
    SECOND_KEYED,  /* As SECOND_RANDOM, and the key is a text of 14 bytes. */
};

struct work {
    struct env *env;
    struct epoch epoch;
    struct page_cache *cache;
    struct schema *schema;
    struct segment *segment;
    struct batch batch;
    uint64_t rows;
    uint32_t position; /* Column that is scanned. */
    enum second second;
    bool failed;
};

static uint64_t key_of(uint64_t row)
{
    return row * 1000 + hash_u64(row) % 1000;
}

static struct schema *make_schema(enum second second)
{
    bool is_text = second == SECOND_BYTES || second == SECOND_TEXT;
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .type = type_of(TYPE_INT8), .name = "id"},
        {.id = 2, .type = type_of(is_text ? TYPE_BYTEA : TYPE_INT8), .name = "value"},
    };
    columns[0].type = type_of(second == SECOND_KEYED ? TYPE_TEXT : TYPE_INT8);
    for (int i = 0; i < 2; i++) {
        columns[i].missing = (struct datum){.type = columns[i].type, .is_null = true};
    }
    uint32_t key = 0;
    struct schema description = {.version = 1,
                                 .column_count = 2,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 3};
    struct schema *schema = NULL;
    return schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK ? schema : NULL;
}

static void fill_second(struct work *work, struct column *column, uint64_t row, uint32_t count,
                        uint8_t *bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t random = hash_u64(row + i);
        if (work->second == SECOND_BYTES || work->second == SECOND_TEXT) {
            uint8_t *at = bytes + (size_t)i * VALUE_SIZE;
            size_t size = work->second == SECOND_BYTES ? VALUE_SIZE : 10 + random % 16;
            for (size_t k = 0; k + 8 <= VALUE_SIZE; k += 8) {
                store_u64(at + k, random * (k + 1) * 0x9E3779B97F4A7C15u);
            }
            ((struct view *)column->data)[i] = view_of((struct span){at, size});
        } else {
            uint64_t *values = column->data;
            bool small = work->second == SECOND_RANDOM || work->second == SECOND_KEYED;
            values[i] = small                          ? random >> 44
                        : work->second == SECOND_PLAIN ? random
                                                       : (row + i) * 1000 + random % 64;
        }
    }
}

#define TEXT_KEY_SIZE 14u

/* "user" and ten digits. */
static void make_text_key(uint64_t row, uint8_t text[TEXT_KEY_SIZE])
{
    memcpy(text, "user", 4);
    for (int i = TEXT_KEY_SIZE - 1; i >= 4; i--, row /= 10) {
        text[i] = (uint8_t)('0' + row % 10);
    }
}

static bool fill_text_keys(struct batch *batch, uint64_t first)
{
    uint8_t *bytes = arena_bytes(&batch->arena, (size_t)BATCH_ROW_COUNT_MAX * TEXT_KEY_SIZE);
    for (uint32_t r = 0; bytes != NULL && r < BATCH_ROW_COUNT_MAX; r++) {
        uint8_t *at = bytes + (size_t)r * TEXT_KEY_SIZE;
        make_text_key(key_of(first + r), at);
        ((struct view *)batch->columns[0].data)[r] = view_of((struct span){at, TEXT_KEY_SIZE});
    }
    return bytes != NULL;
}

/* The batches are made once, so that the writer is what is measured. */
struct source {
    struct batch *batches;
    uint32_t count;
};

static bool make_source(struct work *work, struct source *source)
{
    source->count = (uint32_t)(work->rows / BATCH_ROW_COUNT_MAX);
    source->batches = alloc_array(&alloc_system, source->count, sizeof *source->batches);
    for (uint32_t b = 0; source->batches != NULL && b < source->count; b++) {
        struct batch *batch = &source->batches[b];
        batch_init(batch, &alloc_system);
        batch->columns = arena_array(&batch->arena, 2, sizeof *batch->columns);
        batch->column_count = 2;
        batch->row_count = BATCH_ROW_COUNT_MAX;
        uint8_t *bytes = arena_bytes(&batch->arena, (size_t)BATCH_ROW_COUNT_MAX * VALUE_SIZE);
        for (uint32_t i = 0; i < 2; i++) {
            if (!column_make(&batch->columns[i], work->schema->columns[i].type, BATCH_ROW_COUNT_MAX,
                             false, &batch->arena)) {
                return false;
            }
        }
        uint64_t first = (uint64_t)b * BATCH_ROW_COUNT_MAX;
        if (work->second == SECOND_KEYED && !fill_text_keys(batch, first)) {
            return false;
        }
        for (uint32_t r = 0; work->second != SECOND_KEYED && r < BATCH_ROW_COUNT_MAX; r++) {
            ((uint64_t *)batch->columns[0].data)[r] = key_of(first + r);
        }
        fill_second(work, &batch->columns[1], first, BATCH_ROW_COUNT_MAX, bytes);
    }
    return source->batches != NULL;
}

static void free_source(struct source *source)
{
    for (uint32_t b = 0; b < source->count; b++) {
        batch_deinit(&source->batches[b]);
    }
    alloc_free(&alloc_system, source->batches, source->count, sizeof *source->batches);
}

static bool write_segment(struct work *work, const struct source *source)
{
    struct segment_writer_options options = {.env = work->env,
                                             .alloc = &alloc_system,
                                             .path = PATH,
                                             .schema = work->schema,
                                             .segment_id = 1};
    uint8_t bounds[2][TEXT_KEY_SIZE];
    make_text_key(key_of(0), bounds[0]);
    make_text_key(key_of(work->rows), bounds[1]);
    options.key_min = (struct span){bounds[0], TEXT_KEY_SIZE};
    options.key_max = (struct span){bounds[1], TEXT_KEY_SIZE};
    struct segment_writer *writer = NULL;
    if (segment_writer_create(&options, &writer, NULL) != TDBPLUS_OK) {
        return false;
    }
    uint64_t left = work->rows;
    struct span keys[BATCH_ROW_COUNT_MAX];
    for (uint32_t b = 0; left > 0; b = (b + 1) % source->count, left -= BATCH_ROW_COUNT_MAX) {
        const struct view *views = source->batches[b].columns[0].data;
        for (uint32_t r = 0; work->second == SECOND_KEYED && r < BATCH_ROW_COUNT_MAX; r++) {
            keys[r] = view_span(&views[r]);
        }
        if (segment_writer_add(writer, &source->batches[b], keys, NULL, NULL) != TDBPLUS_OK) {
            segment_writer_abandon(writer);
            return false;
        }
    }
    struct segment_summary summary = {0};
    bool good = segment_writer_finish(writer, &summary, NULL) == TDBPLUS_OK;
    segment_summary_deinit(&summary);
    return good;
}

static bool work_init(struct work *work, struct source *source, enum second second, uint64_t rows)
{
    simd_init();
    *work = (struct work){.second = second, .rows = rows / BATCH_ROW_COUNT_MAX};
    work->rows = (work->rows == 0 ? 1 : work->rows) * BATCH_ROW_COUNT_MAX;
    epoch_init(&work->epoch);
    batch_init(&work->batch, &alloc_system);
    work->schema = make_schema(second);
    return work->schema != NULL && env_ram_create(&alloc_system, &work->env, NULL) == TDBPLUS_OK &&
           page_cache_create(CACHE_SIZE, &alloc_system, &work->epoch, &work->cache, NULL) ==
               TDBPLUS_OK &&
           make_source(work, source);
}

static void work_deinit(struct work *work)
{
    batch_deinit(&work->batch);
    segment_close(work->segment);
    page_cache_destroy(work->cache);
    epoch_deinit(&work->epoch);
    schema_destroy(work->schema);
    if (work->env != NULL) {
        env_ram_destroy(work->env);
    }
}

/* ---- writing ---- */

struct write_work {
    struct work work;
    struct source source;
};

static uint64_t write_once(void *ctx)
{
    struct write_work *write = ctx;
    return write_segment(&write->work, &write->source);
}

static void measure_write(struct bench *bench, const char *what, enum second second)
{
    struct write_work write = {0};
    if (work_init(&write.work, &write.source, second, bench->check ? 5000 : 2000000)) {
        bench_measure(bench, what, write.work.rows, 0, write_once, &write);
    } else {
        bench->failed = true;
    }
    free_source(&write.source);
    work_deinit(&write.work);
}

BENCH(segment_write)
{
    measure_write(bench, "2 M rows of int8 and 100 random bytes", SECOND_BYTES);
    measure_write(bench, "2 M rows of two int8", SECOND_RANDOM);
    measure_write(bench, "2 M rows of int8 and short text", SECOND_TEXT);
}

/* ---- reading ---- */

static bool open_work(struct work *work, enum second second, uint64_t rows)
{
    struct source source = {0};
    bool good = work_init(work, &source, second, rows) && write_segment(work, &source);
    free_source(&source);
    struct segment_options options = {.env = work->env,
                                      .alloc = &alloc_system,
                                      .cache = work->cache,
                                      .path = PATH,
                                      .segment_id = 1};
    return good && segment_open(&options, &work->segment, NULL) == TDBPLUS_OK;
}

#define GET_COUNT 200000u

static uint64_t get_one_by_one(void *ctx)
{
    struct work *work = ctx;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GET_COUNT; i++) {
        uint64_t value = key_of(hash_u64(i) % work->rows);
        uint64_t code = key_code_of_integer((int64_t)value);
        uint8_t bytes[8];
        store_u64_be(bytes, code);
        struct segment_key key = {
            .key = {bytes, sizeof bytes}, .code = code, .hash = hash_u64(code)};
        uint64_t row = 0;
        uint32_t count = 0;
        struct datum datum;
        if (segment_find(work->segment, &key, &row, &count, NULL) != TDBPLUS_OK || count != 1 ||
            segment_value(work->segment, row, 1, &work->batch, &datum, NULL) != TDBPLUS_OK) {
            return 0;
        }
        sum += load_u64(datum.bytes.data) + load_u64(datum.bytes.data + 92);
        batch_reset(&work->batch);
    }
    return sum;
}

static uint64_t get_by_text(void *ctx)
{
    struct work *work = ctx;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GET_COUNT; i++) {
        uint8_t text[TEXT_KEY_SIZE];
        make_text_key(key_of(hash_u64(i) % work->rows), text);
        struct span span = {text, sizeof text};
        struct segment_key key = {.key = span, .code = key_code(span), .hash = key_hash(span)};
        uint64_t row = 0;
        uint32_t count = 0;
        struct datum datum;
        if (segment_find(work->segment, &key, &row, &count, NULL) != TDBPLUS_OK || count != 1 ||
            segment_value(work->segment, row, 1, &work->batch, &datum, NULL) != TDBPLUS_OK) {
            return 0;
        }
        sum += (uint64_t)datum.integer;
    }
    return sum;
}

static uint64_t get_absent(void *ctx)
{
    struct work *work = ctx;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GET_COUNT; i++) {
        uint64_t code = key_code_of_integer((int64_t)hash_u64(i));
        struct segment_key key = {.code = code, .hash = hash_u64(code)};
        uint64_t row = 0;
        uint32_t count = 0;
        if (segment_find(work->segment, &key, &row, &count, NULL) != TDBPLUS_OK) {
            return 0;
        }
        sum += row;
    }
    return sum;
}

#define BATCH_GET 1000u

static uint64_t get_in_batches(void *ctx)
{
    struct work *work = ctx;
    struct segment_key keys[BATCH_GET];
    uint64_t rows[BATCH_GET];
    uint32_t counts[BATCH_GET];
    uint64_t sum = 0;
    uint32_t position = 1;
    for (uint32_t i = 0; i < GET_COUNT; i += BATCH_GET) {
        for (uint32_t k = 0; k < BATCH_GET; k++) {
            uint64_t value = key_of(hash_u64(i + k) % work->rows);
            uint64_t code = key_code_of_integer((int64_t)value);
            keys[k] = (struct segment_key){.code = code, .hash = hash_u64(code)};
            rows[k] = SEGMENT_ROW_NONE;
        }
        struct column column;
        if (segment_find_batch(work->segment, keys, BATCH_GET, rows, counts, NULL) != TDBPLUS_OK ||
            segment_gather(work->segment, rows, BATCH_GET, &position, 1, &work->batch, &column,
                           NULL) != TDBPLUS_OK) {
            return 0;
        }
        const struct view *views = column.data;
        for (uint32_t k = 0; k < BATCH_GET; k++) {
            sum += load_u64(view_data(&views[k])) + load_u64(view_data(&views[k]) + 92);
        }
        batch_reset(&work->batch);
    }
    return sum;
}

static uint64_t scan_column(void *ctx)
{
    struct work *work = ctx;
    uint64_t sum = 0;
    for (uint64_t row = 0; row < work->rows; row += SEGMENT_WINDOW_ROW_COUNT) {
        struct column column;
        if (segment_read(work->segment, row, SEGMENT_WINDOW_ROW_COUNT, &work->position, 1,
                         &work->batch, &column, NULL) != TDBPLUS_OK) {
            return 0;
        }
        sum += column.data != NULL ? load_u64(column.data) : 1;
        batch_reset(&work->batch);
    }
    return sum;
}

static void measure_gets(struct bench *bench, uint64_t rows, const char *what[3])
{
    struct work work = {0};
    if (open_work(&work, SECOND_BYTES, bench->check ? 5000 : rows)) {
        work.position = 1;
        (void)scan_column(&work); // Everything is cached from here on.
        work.position = 0;
        (void)scan_column(&work);
        bench_measure(bench, what[0], GET_COUNT, 0, get_one_by_one, &work);
        bench_measure(bench, what[1], GET_COUNT, 0, get_absent, &work);
        bench_measure(bench, what[2], GET_COUNT, 0, get_in_batches, &work);
    } else {
        bench->failed = true;
    }
    work_deinit(&work);
}

BENCH(segment_get)
{
    measure_gets(bench, 1000000,
                 (const char *[]){"1 M rows x 100 B, one by one, random",
                                  "1 M rows, keys that are absent",
                                  "1 M rows x 100 B, batches of 1,000"});
    measure_gets(bench, 10000000,
                 (const char *[]){"10 M rows x 100 B, one by one, random",
                                  "10 M rows, keys that are absent",
                                  "10 M rows x 100 B, batches of 1,000"});
}

static uint64_t find_texts_in_batches(void *ctx)
{
    struct work *work = ctx;
    static uint8_t texts[BATCH_GET][TEXT_KEY_SIZE];
    struct segment_key keys[BATCH_GET];
    uint64_t rows[BATCH_GET];
    uint32_t counts[BATCH_GET];
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GET_COUNT; i += BATCH_GET) {
        for (uint32_t k = 0; k < BATCH_GET; k++) {
            make_text_key(key_of(hash_u64(i + k) % work->rows), texts[k]);
            struct span span = {texts[k], TEXT_KEY_SIZE};
            keys[k] =
                (struct segment_key){.key = span, .code = key_code(span), .hash = key_hash(span)};
            rows[k] = SEGMENT_ROW_NONE;
        }
        if (segment_find_batch(work->segment, keys, BATCH_GET, rows, counts, NULL) != TDBPLUS_OK) {
            return 0;
        }
        for (uint32_t k = 0; k < BATCH_GET; k++) {
            sum += rows[k];
        }
    }
    return sum;
}

BENCH(segment_get_text)
{
    struct work work = {0};
    if (open_work(&work, SECOND_KEYED, bench->check ? 5000 : 1000000)) {
        bench_measure(bench, "1 M rows, text keys of 14 bytes, one by one", GET_COUNT, 0,
                      get_by_text, &work);
        bench_measure(bench, "1 M rows, text keys, rows found in batches of 1,000", GET_COUNT, 0,
                      find_texts_in_batches, &work);
    } else {
        bench->failed = true;
    }
    work_deinit(&work);
}

static void measure_scan(struct bench *bench, const char *what, enum second second,
                         uint32_t position)
{
    struct work work = {0};
    if (open_work(&work, second, bench->check ? 5000 : 4000000)) {
        work.position = position;
        bench_measure(bench, what, work.rows, 0, scan_column, &work);
    } else {
        bench->failed = true;
    }
    work_deinit(&work);
}

BENCH(segment_scan)
{
    measure_scan(bench, "4 M int8, packed in 20 bits", SECOND_RANDOM, 1);
    measure_scan(bench, "4 M int8, plain", SECOND_PLAIN, 1);
    measure_scan(bench, "4 M int8, keys, packed", SECOND_PLAIN, 0);
    measure_scan(bench, "4 M int8, differences", SECOND_RISING, 1);
    measure_scan(bench, "4 M texts of 10 to 25 bytes", SECOND_TEXT, 1);
    measure_scan(bench, "4 M values of 100 bytes", SECOND_BYTES, 1);
}

/* ---- merging ---- */

#define MERGE_WAYS 8u

struct merge_work {
    struct work work[MERGE_WAYS];
    struct merge_source sources[MERGE_WAYS];
    uint64_t rows;
};

static uint64_t merge_once(void *ctx)
{
    struct merge_work *work = ctx;
    struct merge_options options = {.alloc = &alloc_system,
                                    .schema = work->work[0].schema,
                                    .sources = work->sources,
                                    .source_count = MERGE_WAYS};
    struct merge *merge = NULL;
    struct merge_rows rows = {.row_count = 1};
    if (merge_create(&options, &merge, NULL) != TDBPLUS_OK) {
        return 0;
    }
    while (rows.row_count > 0 &&
           merge_next(merge, &work->work[0].batch, &rows, NULL) == TDBPLUS_OK) {
    }
    uint64_t written = merge_rows_written(merge);
    merge_destroy(merge);
    return written;
}

/* All sources have the same keys, the worst case: every run is one row long. */
static void measure_merge(struct bench *bench, const char *what, enum second second)
{
    struct merge_work work = {0};
    for (uint32_t i = 0; i < MERGE_WAYS; i++) {
        if (!open_work(&work.work[i], second, bench->check ? 5000 : 250000)) {
            bench->failed = true;
        }
        work.sources[i].segment = work.work[i].segment;
        work.rows += work.work[i].rows;
    }
    if (!bench->failed) {
        bench_measure(bench, what, work.rows, 0, merge_once, &work);
    }
    for (uint32_t i = 0; i < MERGE_WAYS; i++) {
        work_deinit(&work.work[i]);
    }
}

BENCH(segment_merge)
{
    measure_merge(bench, "8 x 250 k rows of two int8, same keys", SECOND_RANDOM);
    measure_merge(bench, "8 x 250 k rows of int8 and 100 bytes, same keys", SECOND_BYTES);
}
