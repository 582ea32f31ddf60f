/* Memtable and delete map alone, one thread: rows of (int8, 100 bytes), or of (text key, 100
 * bytes). Keys are made before the clock starts. */

#include "base/hash.h"
#include "bench.h"
#include "storage/memtable/delete_map.h"
#include "storage/memtable/memtable.h"

#define ROW_COUNT       600000u
#define ROW_COUNT_CHECK 3000u
#define BATCH_SIZE      1000u /* Rows a reserve. */
#define AHEAD           8u    /* Keys between prefetch and use. */
#define VALUE_SIZE      100u
#define KEY_SIZE        24u

enum keys_form {
    INTEGER_RANDOM,
    INTEGER_ASCENDING,
    TEXT_RANDOM,
    TEXT_COMMON_PREFIX,
};

struct work {
    uint32_t row_count;
    bool prefetches;
    bool integer_key;
    uint64_t *codes;
    uint8_t *texts; /* KEY_SIZE bytes a key. */
    struct schema *schema;
    struct memtable *memtable;
    struct delete_map *map;
};

static struct schema *make_schema(bool integer_key)
{
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .name = "id", .type = type_of(TYPE_INT8)},
        {.id = 2, .name = "value", .type = type_of(TYPE_TEXT)},
    };
    if (!integer_key) {
        columns[0].type = type_of(TYPE_TEXT);
    }
    columns[0].missing = (struct datum){.type = columns[0].type, .is_null = true};
    columns[1].missing = (struct datum){.type = columns[1].type, .is_null = true};
    uint32_t key_columns[1] = {0};
    const struct schema description = {
        .version = 1,
        .column_count = 2,
        .columns = columns,
        .key_count = 1,
        .key_columns = key_columns,
        .column_id_next = 3,
    };
    struct schema *schema = NULL;
    return schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK ? schema : NULL;
}

static struct span key_at(const struct work *work, uint32_t i, uint8_t scratch[8])
{
    if (work->integer_key) {
        store_u64_be(scratch, work->codes[i]);
        return (struct span){scratch, 8};
    }
    return (struct span){work->texts + (size_t)i * KEY_SIZE, KEY_SIZE};
}

static bool make_work(struct work *work, struct bench *bench, enum keys_form form)
{
    static const char digits[16] = "0123456789abcdef";
    *work = (struct work){.row_count = bench->check ? ROW_COUNT_CHECK : ROW_COUNT};
    work->integer_key = form == INTEGER_RANDOM || form == INTEGER_ASCENDING;
    work->codes = alloc_array(&alloc_system, work->row_count, sizeof *work->codes);
    work->texts = alloc_array(&alloc_system, work->row_count, KEY_SIZE);
    work->schema = make_schema(work->integer_key);
    if (work->codes == NULL || work->texts == NULL || work->schema == NULL) {
        bench->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < work->row_count; i++) {
        uint64_t mixed = hash_u64(i);
        if (work->integer_key) {
            work->codes[i] = form == INTEGER_ASCENDING ? key_code_of_integer(i) : mixed;
            continue;
        }
        uint8_t *text = work->texts + (size_t)i * KEY_SIZE;
        memset(text, 'k', KEY_SIZE);
        for (uint32_t d = 0; d < 16; d++) {
            text[(form == TEXT_COMMON_PREFIX ? 8 : 0) + d] =
                (uint8_t)digits[mixed >> (60 - 4 * d) & 15];
        }
        work->codes[i] = key_code((struct span){text, KEY_SIZE});
    }
    return true;
}

static void end_work(struct work *work)
{
    memtable_destroy(work->memtable);
    schema_destroy(work->schema);
    alloc_free(&alloc_system, work->codes, work->row_count, sizeof *work->codes);
    alloc_free(&alloc_system, work->texts, work->row_count, KEY_SIZE);
}

static uint64_t put_all(void *ctx)
{
    static uint8_t value[VALUE_SIZE];
    struct work *work = ctx;
    memtable_destroy(work->memtable);
    work->memtable = NULL;
    if (memtable_create(work->schema, &alloc_system, &work->memtable, NULL) != TDBPLUS_OK) {
        return 0;
    }
    struct datum values[2] = {
        {.type = work->schema->columns[0].type},
        {.type = type_of(TYPE_TEXT), .bytes = {value, VALUE_SIZE}},
    };
    for (uint32_t i = 0; i < work->row_count; i++) {
        if (i % BATCH_SIZE == 0 &&
            memtable_reserve(work->memtable, BATCH_SIZE,
                             (size_t)BATCH_SIZE * (VALUE_SIZE + 2 * KEY_SIZE),
                             NULL) != TDBPLUS_OK) {
            return 0;
        }
        if (work->prefetches && i + AHEAD < work->row_count) {
            uint8_t ahead[8];
            const struct memtable_key key = {.key = key_at(work, i + AHEAD, ahead),
                                             .code = work->codes[i + AHEAD]};
            memtable_put_prefetch(work->memtable, &key);
        }
        uint8_t scratch[8];
        struct span key = key_at(work, i, scratch);
        if (work->integer_key) {
            values[0].integer = key_integer_of_code(work->codes[i]);
        } else {
            values[0].bytes = key;
        }
        memtable_put(work->memtable, key, work->codes[i], values, i + 1, NULL);
    }
    return memtable_row_count(work->memtable);
}

static uint64_t find_all(void *ctx)
{
    struct work *work = ctx;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < work->row_count; i++) {
        // Not in the order of the puts.
        uint32_t at = (uint32_t)((uint64_t)i * 514229 % work->row_count);
        uint8_t scratch[8];
        struct span key = key_at(work, at, scratch);
        sum += memtable_find(work->memtable, key, work->codes[at], UINT64_MAX - 1);
    }
    return sum;
}

#define FIND_BATCH_SIZE 64u

static uint64_t find_batches(void *ctx)
{
    struct work *work = ctx;
    struct memtable_key keys[FIND_BATCH_SIZE];
    uint8_t scratch[FIND_BATCH_SIZE][8];
    uint32_t rows[FIND_BATCH_SIZE];
    uint64_t sum = 0;
    for (uint32_t done = 0; done + FIND_BATCH_SIZE <= work->row_count; done += FIND_BATCH_SIZE) {
        for (uint32_t i = 0; i < FIND_BATCH_SIZE; i++) {
            uint32_t at = (uint32_t)((uint64_t)(done + i) * 514229 % work->row_count);
            keys[i] = (struct memtable_key){key_at(work, at, scratch[i]), work->codes[at]};
        }
        memtable_find_batch(work->memtable, keys, FIND_BATCH_SIZE, UINT64_MAX - 1, rows);
        for (uint32_t i = 0; i < FIND_BATCH_SIZE; i++) {
            sum += rows[i];
        }
    }
    return sum;
}

static void measure_keys(struct bench *bench, enum keys_form form, const char *put_text,
                         const char *find_text, bool prefetches)
{
    struct work work;
    if (!make_work(&work, bench, form)) {
        return;
    }
    work.prefetches = prefetches;
    bench_measure(bench, put_text, work.row_count, 0, put_all, &work);
    if (find_text != NULL) {
        bench_measure(bench, find_text, work.row_count, 0, find_all, &work);
        bench_measure(bench, "the same, 64 at a time", work.row_count, 0, find_batches, &work);
    }
    end_work(&work);
}

BENCH(memtable_integer)
{
    measure_keys(bench, INTEGER_RANDOM, "put 600 k, random", "find, random", false);
    measure_keys(bench, INTEGER_RANDOM, "put 600 k, random, prefetched", "find, random, prefetched",
                 true);
    measure_keys(bench, INTEGER_ASCENDING, "put 600 k, ascending", "find, scattered", false);
}

BENCH(memtable_text)
{
    measure_keys(bench, TEXT_RANDOM, "put 600 k, 24 bytes, random", "find, random", false);
    measure_keys(bench, TEXT_COMMON_PREFIX, "put 600 k, codes all equal", "find, codes all equal",
                 false);
}

/* ---- reading many ---- */

static uint64_t scan_all(void *ctx)
{
    const struct work *work = ctx;
    const uint32_t positions[2] = {0, 1};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint64_t sum = 0;
    for (uint32_t first = 0;; first += MEMTABLE_CHUNK_ROW_COUNT) {
        batch_reset(&batch);
        if (memtable_scan_chunk(work->memtable, first, work->row_count, positions, 2, &batch,
                                NULL) != TDBPLUS_OK ||
            batch.row_count == 0) {
            break;
        }
        sum += batch_live_count(&batch);
    }
    batch_deinit(&batch);
    return sum;
}

static uint64_t walk_all(void *ctx)
{
    const struct work *work = ctx;
    struct memtable_cursor cursor;
    memtable_cursor_seek(&cursor, work->memtable, (struct span){0});
    uint64_t sum = 0;
    for (;;) {
        uint32_t row = memtable_cursor_next(&cursor);
        if (row == MEMTABLE_ROW_NONE) {
            return sum;
        }
        sum += row;
    }
}

static uint64_t walk_all_back(void *ctx)
{
    const struct work *work = ctx;
    struct memtable_cursor cursor;
    memtable_cursor_seek_last(&cursor, work->memtable, (struct span){0});
    uint64_t sum = 0;
    for (;;) {
        uint32_t row = memtable_cursor_previous(&cursor);
        if (row == MEMTABLE_ROW_NONE) {
            return sum;
        }
        sum += row;
    }
}

BENCH(memtable_scan)
{
    struct work work;
    if (!make_work(&work, bench, INTEGER_RANDOM)) {
        return;
    }
    (void)put_all(&work);
    bench_measure(bench, "chunks, nothing ended", work.row_count, 0, scan_all, &work);
    bench_measure(bench, "cursor forward", work.row_count, 0, walk_all, &work);
    bench_measure(bench, "cursor back", work.row_count, 0, walk_all_back, &work);
    for (uint32_t i = 0; i < work.row_count; i += 3) {
        uint8_t scratch[8];
        struct span key = key_at(&work, i, scratch);
        memtable_end(work.memtable, key, work.codes[i], i + 1);
    }
    bench_measure(bench, "chunks, every third row ended", work.row_count, 0, scan_all, &work);
    end_work(&work);
}

/* ---- the delete map ---- */

static uint64_t select_all(void *ctx)
{
    static uint16_t offsets[BATCH_ROW_COUNT_MAX];
    const struct work *work = ctx;
    uint64_t sum = 0;
    for (uint32_t row = 0; row + BATCH_ROW_COUNT_MAX <= work->row_count;
         row += BATCH_ROW_COUNT_MAX) {
        sum += delete_map_select(work->map, row, BATCH_ROW_COUNT_MAX, 10, offsets);
    }
    return sum;
}

static void measure_select(struct bench *bench, const char *what, uint32_t one_in,
                           uint64_t timestamp)
{
    static struct epoch epoch;
    epoch_init(&epoch);
    struct work work = {.row_count = bench->check ? 4096 : 655360};
    if (delete_map_create(work.row_count, &alloc_system, &epoch, &work.map, NULL) != TDBPLUS_OK) {
        bench->failed = true;
        return;
    }
    for (uint64_t row = 0; row < work.row_count; row++) {
        if (hash_u64(row) % one_in == 0 &&
            delete_map_reserve(work.map, &row, 1, NULL) == TDBPLUS_OK) {
            delete_map_mark(work.map, row, timestamp);
        }
    }
    bench_measure(bench, what, work.row_count / BATCH_ROW_COUNT_MAX, 0, select_all, &work);
    delete_map_destroy(work.map);
    epoch_deinit(&epoch);
}

BENCH(delete_map_select)
{
    measure_select(bench, "2,048 rows, none ended", UINT32_MAX, 5);
    measure_select(bench, "2,048 rows, 1 in 1,000 ended", 1000, 5);
    measure_select(bench, "2,048 rows, 1 in 4 ended", 4, 5);
    measure_select(bench, "2,048 rows, 1 in 1,000 newer", 1000, 50);
    measure_select(bench, "2,048 rows, 1 in 4 newer", 4, 50);
}
