/*
 * Goal: a merge gives every row that goes on exactly once, in key order, versions newest first, and
 * tells where each went. Method: random sources that overlap, share keys and drop rows, against a
 * plain sort.
 */

#include "storage/segment/merge.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/page_cache.h"
#include "test.h"

#define SOURCES_MAX 9u
#define ROWS_MAX    6000u
#define HORIZON     300u

struct row {
    uint64_t number; /* The key is made of it. */
    uint64_t begin;
    uint32_t source;
    uint32_t row; /* In its source. */
    uint8_t key[24];
    size_t key_size;
};

struct world {
    struct env *env;
    struct epoch epoch;
    struct page_cache *cache;
    struct schema *schema;     /* Of the result: id, text, a column that no source has. */
    struct schema *old_schema; /* Of the sources. */
    bool text_keys;
};

static struct schema *make_schema(bool text_keys, uint32_t column_count)
{
    struct schema_column columns[3] = {
        {.id = 1, .not_null = true, .name = "id"},
        {.id = 2, .name = "text"},
        {.id = 3, .name = "later"},
    };
    columns[0].type = type_of(text_keys ? TYPE_TEXT : TYPE_INT8);
    columns[1].type = type_of(TYPE_TEXT);
    columns[2].type = type_of(TYPE_INT4);
    for (uint32_t i = 0; i < 3; i++) {
        columns[i].missing = (struct datum){.type = columns[i].type, .is_null = i < 2};
    }
    columns[2].missing.integer = 42;
    uint32_t key = 0;
    struct schema description = {.version = column_count,
                                 .column_count = column_count,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 4};
    struct schema *schema = NULL;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    return schema;
}

static void world_init(struct world *world, bool text_keys)
{
    simd_init();
    *world = (struct world){.text_keys = text_keys};
    epoch_init(&world->epoch);
    CHECK(env_ram_create(&alloc_system, &world->env, NULL) == TDBPLUS_OK);
    CHECK(page_cache_create(1 << 20, &alloc_system, &world->epoch, &world->cache, NULL) ==
          TDBPLUS_OK);
    world->schema = make_schema(text_keys, 3);
    world->old_schema = make_schema(text_keys, 2);
}

static void world_deinit(struct world *world)
{
    page_cache_destroy(world->cache);
    epoch_deinit(&world->epoch);
    env_ram_destroy(world->env);
    schema_destroy(world->schema);
    schema_destroy(world->old_schema);
}

static void make_key(const struct world *world, struct row *row)
{
    if (world->text_keys) {
        row->key_size = (size_t)snprintf((char *)row->key, sizeof row->key, "key-%llu",
                                         (unsigned long long)row->number);
    } else {
        store_u64_be(row->key, key_code_of_integer((int64_t)row->number));
        row->key_size = 8;
    }
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;
    int order =
        span_compare((struct span){a->key, a->key_size}, (struct span){b->key, b->key_size});
    if (order == 0) {
        order = (a->begin < b->begin) - (a->begin > b->begin);
    }
    if (order == 0) {
        order = (a->source > b->source) - (a->source < b->source);
    }
    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

/* The text that belongs to a row; null for some. */
static bool text_of(const struct row *row, char text[40])
{
    uint64_t random = hash_u64(row->number * 31 + row->begin);
    (void)snprintf(text, 40, "%llu", (unsigned long long)random);
    text[random % 20] = 0;
    return random % 7 != 0;
}

static void fill_batch(const struct world *world, const struct row *rows, uint32_t count,
                       struct batch *batch, struct span *keys, uint64_t *begins)
{
    batch->columns = arena_array(&batch->arena, 2, sizeof *batch->columns);
    batch->column_count = 2;
    batch->row_count = count;
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(column_make(&batch->columns[i], world->old_schema->columns[i].type, count, true,
                          &batch->arena));
    }
    for (uint32_t i = 0; i < count; i++) {
        struct datum id = {.type = batch->columns[0].type};
        keys[i] = (struct span){rows[i].key, rows[i].key_size};
        if (world->text_keys) {
            id.bytes = keys[i];
        } else {
            id.integer = (int64_t)rows[i].number;
        }
        column_set(&batch->columns[0], i, &id);
        char text[40];
        struct datum value = {.type = batch->columns[1].type};
        value.is_null = !text_of(&rows[i], text);
        value.bytes.size = strlen(text);
        uint8_t *copy = arena_bytes(&batch->arena, value.bytes.size);
        memcpy(copy, text, value.bytes.size);
        value.bytes.data = copy;
        column_set(&batch->columns[1], i, &value);
        begins[i] = rows[i].begin;
    }
}

static struct segment *open_segment(const struct world *world, const char *path, uint64_t id)
{
    struct segment_options options = {.env = world->env,
                                      .alloc = &alloc_system,
                                      .cache = world->cache,
                                      .path = path,
                                      .segment_id = id};
    struct segment *segment = NULL;
    CHECK(segment_open(&options, &segment, NULL) == TDBPLUS_OK);
    return segment;
}

static struct segment *write_source(const struct world *world, struct row *rows, uint32_t count,
                                    uint64_t id)
{
    qsort(rows, count, sizeof *rows, compare_rows);
    char path[32];
    (void)snprintf(path, sizeof path, "s%llu", (unsigned long long)id);
    struct segment_writer_options options = {.env = world->env,
                                             .alloc = &alloc_system,
                                             .path = path,
                                             .schema = world->old_schema,
                                             .segment_id = id,
                                             .with_begin = true};
    options.key_min = (struct span){rows[0].key, rows[0].key_size};
    options.key_max = (struct span){rows[count - 1].key, rows[count - 1].key_size};
    struct segment_writer *writer = NULL;
    CHECK(segment_writer_create(&options, &writer, NULL) == TDBPLUS_OK);
    static struct span keys[BATCH_ROW_COUNT_MAX];
    static uint64_t begins[BATCH_ROW_COUNT_MAX];
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint32_t at = 0; at < count; at += BATCH_ROW_COUNT_MAX) {
        uint32_t part = count - at < BATCH_ROW_COUNT_MAX ? count - at : BATCH_ROW_COUNT_MAX;
        batch_reset(&batch);
        fill_batch(world, rows + at, part, &batch, keys, begins);
        CHECK(segment_writer_add(writer, &batch, keys, begins, NULL) == TDBPLUS_OK);
    }
    batch_deinit(&batch);
    for (uint32_t i = 0; i < count; i++) {
        rows[i].row = i;
    }
    struct segment_summary summary = {0};
    CHECK(segment_writer_finish(writer, &summary, NULL) == TDBPLUS_OK);
    segment_summary_deinit(&summary);
    return open_segment(world, path, id);
}

/* Which rows a source drops: 0 none, 1 some, 2 nearly all. */
static bool goes_on(uint64_t mode, uint64_t row)
{
    uint64_t random = hash_u64(row + mode * 1000);
    return mode % 3 == 0 || (mode % 3 == 1 ? random % 5 != 0 : random % 3000 == 0);
}

static void decide(void *ctx, uint64_t first_row, uint32_t row_count, uint64_t *keep)
{
    uint64_t mode = *(const uint64_t *)ctx;
    for (uint32_t i = 0; i < row_count; i++) {
        if (!goes_on(mode, first_row + i)) {
            keep[i / 64] &= ~((uint64_t)1 << (i % 64));
        }
    }
}

/* Sources, and the rows that must come out, sorted. */
struct setup {
    struct world world;
    struct segment *segments[SOURCES_MAX];
    struct merge_source sources[SOURCES_MAX];
    uint64_t modes[SOURCES_MAX];
    uint32_t source_count;
    struct row *expected;
    uint32_t expected_count;
    uint32_t total;
};

static void setup_init(struct setup *setup, uint64_t seed)
{
    uint64_t state = seed * 77777;
    memset(setup, 0, sizeof *setup);
    world_init(&setup->world, seed % 2 == 0);
    setup->source_count = 1 + (uint32_t)(seed % SOURCES_MAX);
    setup->expected =
        alloc_array(&alloc_system, (size_t)SOURCES_MAX * ROWS_MAX, sizeof(struct row));
    struct row *rows = alloc_array(&alloc_system, ROWS_MAX, sizeof *rows);
    for (uint32_t s = 0; s < setup->source_count; s++) {
        uint32_t count = 1 + (uint32_t)(hash_u64(state++) % ROWS_MAX);
        uint64_t range = seed % 3 == 0 ? 1000 : 1 << 30;
        // Some seeds have sources that hardly overlap.
        uint64_t base = seed % 4 == 1 ? s * range : 0;
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = (struct row){.number = base + hash_u64(state++) % range,
                                   .begin = 1 + hash_u64(state++) % 1000,
                                   .source = s};
            make_key(&setup->world, &rows[i]);
        }
        setup->segments[s] = write_source(&setup->world, rows, count, s + 1);
        setup->modes[s] = seed + s;
        setup->sources[s] = (struct merge_source){
            .segment = setup->segments[s], .decide = decide, .ctx = &setup->modes[s]};
        for (uint32_t i = 0; i < count; i++) {
            if (goes_on(setup->modes[s], i)) {
                struct row *expected = &setup->expected[setup->expected_count++];
                *expected = rows[i];
            }
        }
        setup->total += count;
    }
    alloc_free(&alloc_system, rows, ROWS_MAX, sizeof *rows);
}

static void setup_deinit(struct setup *setup)
{
    for (uint32_t s = 0; s < setup->source_count; s++) {
        segment_close(setup->segments[s]);
    }
    alloc_free(&alloc_system, setup->expected, (size_t)SOURCES_MAX * ROWS_MAX, sizeof(struct row));
    world_deinit(&setup->world);
}

/* The order in which rows come out: as compare_rows() says with begins cut at the horizon. Cutting
 * never changes the order of two versions in one source, which is by row. */
static int compare_cut(const void *left, const void *right)
{
    struct row a = *(const struct row *)left;
    struct row b = *(const struct row *)right;
    a.begin = a.begin <= HORIZON ? 0 : a.begin;
    b.begin = b.begin <= HORIZON ? 0 : b.begin;
    return compare_rows(&a, &b);
}

static void check_row(const struct setup *setup, const struct batch *batch,
                      const struct merge_rows *rows, uint32_t i, const struct row *expected)
{
    struct datum datum;
    column_get(&batch->columns[0], i, &datum);
    if (setup->world.text_keys) {
        CHECK(span_compare(datum.bytes, (struct span){expected->key, expected->key_size}) == 0);
        CHECK(span_compare(datum.bytes, rows->keys[i]) == 0);
    } else {
        CHECK((uint64_t)datum.integer == expected->number);
    }
    CHECK(rows->begins[i] == (expected->begin <= HORIZON ? 0 : expected->begin));
    char text[40];
    bool there = text_of(expected, text);
    column_get(&batch->columns[1], i, &datum);
    CHECK(datum.is_null == !there);
    CHECK(!there || span_compare(datum.bytes, span_from_text(text)) == 0);
    column_get(&batch->columns[2], i, &datum);
    CHECK(!datum.is_null && datum.integer == 42);
}

static struct merge_options options_of(const struct setup *setup, const struct alloc *alloc)
{
    return (struct merge_options){.alloc = alloc,
                                  .schema = setup->world.schema,
                                  .sources = setup->sources,
                                  .source_count = setup->source_count,
                                  .horizon = HORIZON};
}

TEST(a_merge_gives_every_kept_row_once_and_in_order)
{
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct setup setup;
        setup_init(&setup, seed);
        qsort(setup.expected, setup.expected_count, sizeof(struct row), compare_cut);
        struct merge_options options = options_of(&setup, &alloc_system);
        struct merge *merge = NULL;
        CHECK(merge_create(&options, &merge, NULL) == TDBPLUS_OK);
        struct batch batch;
        batch_init(&batch, &alloc_system);
        uint32_t at = 0;
        for (;;) {
            struct merge_rows rows;
            CHECK(merge_next(merge, &batch, &rows, NULL) == TDBPLUS_OK);
            if (rows.row_count == 0) {
                break;
            }
            CHECK(rows.row_count <= BATCH_ROW_COUNT_MAX && batch.row_count == rows.row_count);
            for (uint32_t i = 0; i < rows.row_count; i++) {
                CHECK(at + i < setup.expected_count);
                check_row(&setup, &batch, &rows, i, &setup.expected[at + i]);
            }
            at += rows.row_count;
        }
        CHECK(at == setup.expected_count);
        CHECK(merge_rows_written(merge) == at);
        CHECK(merge_rows_read(merge) == setup.total);
        uint32_t mapped = 0;
        for (uint32_t i = 0; i < setup.expected_count; i++) {
            const struct row *row = &setup.expected[i];
            CHECK(merge_new_row(merge, row->source, row->row) == i);
        }
        for (uint32_t s = 0; s < setup.source_count; s++) {
            for (uint64_t r = 0; r < segment_row_count(setup.segments[s]); r++) {
                mapped += merge_new_row(merge, s, r) != MERGE_ROW_NONE;
            }
        }
        CHECK(mapped == setup.expected_count);
        batch_deinit(&batch);
        merge_destroy(merge);
        setup_deinit(&setup);
    }
}

static tdbplus_status merge_into(const struct setup *setup, const struct alloc *alloc)
{
    struct merge_options options = options_of(setup, alloc);
    struct merge *merge = NULL;
    TRY(merge_create(&options, &merge, NULL));
    struct segment_writer_options writer_options = {.env = setup->world.env,
                                                    .alloc = &alloc_system,
                                                    .path = "merged",
                                                    .schema = setup->world.schema,
                                                    .segment_id = 100,
                                                    .with_begin = merge_has_begin(merge)};
    struct segment_writer *writer = NULL;
    CHECK(segment_writer_create(&writer_options, &writer, NULL) == TDBPLUS_OK);
    bool done = false;
    tdbplus_status status = TDBPLUS_OK;
    uint32_t steps = 0;
    while (!done && status == TDBPLUS_OK) {
        status = merge_step(merge, writer, 3000, &done, NULL);
        steps++;
    }
    struct segment_summary summary = {0};
    if (status == TDBPLUS_OK && setup->expected_count > 0) {
        CHECK(steps >= setup->total / (3000 + setup->source_count * BATCH_ROW_COUNT_MAX));
        CHECK(segment_writer_finish(writer, &summary, NULL) == TDBPLUS_OK);
        CHECK(summary.row_count == setup->expected_count);
        segment_summary_deinit(&summary);
    } else {
        segment_writer_abandon(writer);
    }
    merge_destroy(merge);
    return status;
}

TEST(a_merged_segment_passes_verification)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct setup setup;
        setup_init(&setup, seed);
        CHECK(merge_into(&setup, &alloc_system) == TDBPLUS_OK);
        if (setup.expected_count > 0) {
            struct segment *segment = open_segment(&setup.world, "merged", 100);
            struct err err = {0};
            struct call call = {.alloc = &alloc_system, .err = &err};
            tdbplus_status status = segment_verify(segment, &call);
            if (status != TDBPLUS_OK) {
                fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, err.text);
            }
            CHECK(status == TDBPLUS_OK);
            segment_close(segment);
        }
        setup_deinit(&setup);
    }
}

TEST(merging_survives_every_failed_allocation)
{
    struct setup setup;
    setup_init(&setup, 2);
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = merge_into(&setup, &fault.alloc);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM);
    }
    CHECK(fail_at > 6);
    setup_deinit(&setup);
}

TEST(a_source_with_another_type_is_refused)
{
    struct setup setup;
    setup_init(&setup, 1);
    struct schema *other = make_schema(true, 2);
    struct merge_options options = options_of(&setup, &alloc_system);
    options.schema = other;
    struct merge *merge = NULL;
    CHECK(merge_create(&options, &merge, NULL) == TDBPLUS_E_TYPE);
    schema_destroy(other);
    setup_deinit(&setup);
}
