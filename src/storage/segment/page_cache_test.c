/*
 * Goal: the cache stays within its budget, never frees what is pinned, loads a page once however
 * many ask for it, and passes failures of disk and memory on without losing anything. Method: a
 * real segment under caches of all sizes, read by one and by several threads.
 */

#include "storage/segment/page_cache.h"

#include "base/budget.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/segment.h"
#include "test.h"

#define PATH      "segment"
#define ROW_COUNT 40960u
#define THREADS   4u

struct world {
    struct env *env;
    struct env failing; /* The same, but reads fail on order. */
    struct env_ops ops;
    _Atomic uint32_t failures; /* Reads that will fail. */
    struct epoch epoch;
    struct page_cache *cache;
    struct schema *schema;
    struct segment *segment;
};

static struct world *current; /* For the failing reads. */

static tdbplus_status failing_read(void *ctx, struct env_file *file, uint64_t offset, void *data,
                                   size_t size, struct err *err)
{
    if (atomic_load(&current->failures) > 0) {
        atomic_fetch_sub(&current->failures, 1);
        return err_set(err, TDBPLUS_E_IO, "a read that fails on order");
    }
    return current->env->ops->read(ctx, file, offset, data, size, err);
}

static uint64_t value_of(uint64_t row)
{
    return hash_u64(row * 3 + 1);
}

static void write_segment(const struct world *world)
{
    struct segment_writer_options options = {.env = world->env,
                                             .alloc = &alloc_system,
                                             .path = PATH,
                                             .schema = world->schema,
                                             .segment_id = 7};
    struct segment_writer *writer = NULL;
    CHECK(segment_writer_create(&options, &writer, NULL) == TDBPLUS_OK);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint64_t row = 0; row < ROW_COUNT; row += BATCH_ROW_COUNT_MAX) {
        batch_reset(&batch);
        batch.columns = arena_array(&batch.arena, 3, sizeof *batch.columns);
        batch.column_count = 3;
        batch.row_count = BATCH_ROW_COUNT_MAX;
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(column_make(&batch.columns[i], world->schema->columns[i].type,
                              BATCH_ROW_COUNT_MAX, false, &batch.arena));
        }
        for (uint32_t r = 0; r < BATCH_ROW_COUNT_MAX; r++) {
            ((uint64_t *)batch.columns[0].data)[r] = row + r;
            ((uint64_t *)batch.columns[1].data)[r] = value_of(row + r);
            uint8_t *bytes = arena_bytes(&batch.arena, 20);
            memset(bytes, (int)(value_of(row + r) & 0xFF), 20);
            ((struct view *)batch.columns[2].data)[r] = view_of((struct span){bytes, 20});
        }
        CHECK(segment_writer_add(writer, &batch, NULL, NULL, NULL) == TDBPLUS_OK);
    }
    batch_deinit(&batch);
    struct segment_summary summary = {0};
    CHECK(segment_writer_finish(writer, &summary, NULL) == TDBPLUS_OK);
    segment_summary_deinit(&summary);
}

static void make_schema(struct world *world)
{
    struct schema_column columns[3] = {
        {.id = 1, .not_null = true, .type = type_of(TYPE_INT8), .name = "id"},
        {.id = 2, .type = type_of(TYPE_INT8), .name = "number"},
        {.id = 3, .type = type_of(TYPE_BYTEA), .name = "bytes"},
    };
    for (uint32_t i = 0; i < 3; i++) {
        columns[i].missing = (struct datum){.type = columns[i].type, .is_null = true};
    }
    uint32_t key = 0;
    struct schema description = {.version = 1,
                                 .column_count = 3,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 4};
    CHECK(schema_create(&description, &alloc_system, &world->schema, NULL) == TDBPLUS_OK);
}

static void world_init(struct world *world, size_t capacity, const struct alloc *cache_alloc)
{
    simd_init();
    *world = (struct world){0};
    current = world;
    epoch_init(&world->epoch);
    CHECK(env_ram_create(&alloc_system, &world->env, NULL) == TDBPLUS_OK);
    world->ops = *world->env->ops;
    world->ops.read = failing_read;
    world->failing = *world->env;
    world->failing.ops = &world->ops;
    make_schema(world);
    write_segment(world);
    CHECK(page_cache_create(capacity, cache_alloc, &world->epoch, &world->cache, NULL) ==
          TDBPLUS_OK);
    struct segment_options options = {.env = &world->failing,
                                      .alloc = &alloc_system,
                                      .cache = world->cache,
                                      .path = PATH,
                                      .segment_id = 7};
    CHECK(segment_open(&options, &world->segment, NULL) == TDBPLUS_OK);
}

static void world_deinit(struct world *world)
{
    segment_close(world->segment);
    struct page_cache_statistics statistics;
    page_cache_get_statistics(world->cache, &statistics);
    CHECK(statistics.page_count == 0 && statistics.size_bytes == 0);
    epoch_deinit(&world->epoch); // Frees what is retired, through the cache's allocator.
    page_cache_destroy(world->cache);
    env_ram_destroy(world->env);
    schema_destroy(world->schema);
}

static void check_window(struct segment *segment, uint64_t first, struct batch *batch)
{
    static const uint32_t positions[3] = {0, 1, 2};
    struct column columns[3];
    CHECK(segment_read(segment, first, SEGMENT_WINDOW_ROW_COUNT, positions, 3, batch, columns,
                       NULL) == TDBPLUS_OK);
    for (uint32_t r = 0; r < SEGMENT_WINDOW_ROW_COUNT; r += 97) {
        struct datum datum;
        column_get(&columns[0], r, &datum);
        CHECK((uint64_t)datum.integer == first + r);
        column_get(&columns[1], r, &datum);
        CHECK((uint64_t)datum.integer == value_of(first + r));
        column_get(&columns[2], r, &datum);
        CHECK(datum.bytes.size == 20 && datum.bytes.data[19] == (value_of(first + r) & 0xFF));
    }
}

static void read_all(struct world *world)
{
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint64_t row = 0; row < ROW_COUNT; row += SEGMENT_WINDOW_ROW_COUNT) {
        check_window(world->segment, row, &batch);
        batch_reset(&batch);
    }
    batch_deinit(&batch);
}

TEST(a_large_cache_reads_every_page_once)
{
    struct world world;
    world_init(&world, 1 << 30, &alloc_system);
    read_all(&world);
    struct page_cache_statistics first;
    page_cache_get_statistics(world.cache, &first);
    CHECK(first.miss_count == first.page_count && first.evicted_count == 0);
    read_all(&world);
    struct page_cache_statistics second;
    page_cache_get_statistics(world.cache, &second);
    CHECK(second.miss_count == first.miss_count && second.read_bytes == first.read_bytes);
    CHECK(second.hit_count > first.hit_count);
    world_deinit(&world);
}

TEST(a_small_cache_stays_within_its_budget)
{
    struct world world;
    world_init(&world, 200000, &alloc_system);
    for (int turn = 0; turn < 3; turn++) {
        read_all(&world);
        struct page_cache_statistics statistics;
        page_cache_get_statistics(world.cache, &statistics);
        CHECK(statistics.size_bytes <= 200000);
        CHECK(statistics.evicted_count > 0);
    }
    page_cache_resize(world.cache, 0);
    struct page_cache_statistics statistics;
    page_cache_get_statistics(world.cache, &statistics);
    CHECK(statistics.page_count == 0);
    read_all(&world);
    world_deinit(&world);
}

TEST(pages_in_use_again_and_again_survive_a_scan)
{
    struct world world;
    world_init(&world, 300000, &alloc_system);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint64_t row = 0; row < ROW_COUNT; row += SEGMENT_WINDOW_ROW_COUNT) {
        // One hot window beside a scan of everything.
        for (int turn = 0; turn < 4; turn++) {
            check_window(world.segment, 0, &batch);
            batch_reset(&batch);
        }
        check_window(world.segment, row, &batch);
        batch_reset(&batch);
    }
    struct page_cache_statistics before;
    page_cache_get_statistics(world.cache, &before);
    check_window(world.segment, 0, &batch);
    struct page_cache_statistics after;
    page_cache_get_statistics(world.cache, &after);
    CHECK(after.miss_count == before.miss_count);
    CHECK(before.evicted_count > 0);
    batch_deinit(&batch);
    world_deinit(&world);
}

TEST(pinned_pages_outlive_eviction_and_the_segment)
{
    struct world world;
    world_init(&world, 0, &alloc_system);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t position = 2;
    struct column column;
    CHECK(segment_read(world.segment, 4096, SEGMENT_WINDOW_ROW_COUNT, &position, 1, &batch, &column,
                       NULL) == TDBPLUS_OK);
    read_all(&world);
    world_deinit(&world);
    for (uint32_t r = 0; r < SEGMENT_WINDOW_ROW_COUNT; r++) {
        struct datum datum;
        column_get(&column, r, &datum);
        CHECK(datum.bytes.data[0] == (value_of(4096 + r) & 0xFF));
    }
    batch_deinit(&batch);
}

TEST(a_failed_read_is_told_and_tried_again)
{
    struct world world;
    world_init(&world, 1 << 30, &alloc_system);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct datum datum;
    struct err err = {0};
    atomic_store(&world.failures, 1);
    CHECK(segment_value(world.segment, 5000, 1, &batch, &datum, &err) == TDBPLUS_E_IO);
    CHECK(segment_value(world.segment, 5000, 1, &batch, &datum, NULL) == TDBPLUS_OK);
    CHECK((uint64_t)datum.integer == value_of(5000));
    batch_deinit(&batch);
    world_deinit(&world);
}

TEST(memory_that_is_short_evicts_before_it_fails)
{
    // The cache believes in a gigabyte; its allocator gives far less.
    struct budget budget;
    budget_init(&budget, &alloc_system, NULL, 600000);
    struct world world;
    world_init(&world, 1 << 30, &budget.alloc);
    for (int turn = 0; turn < 2; turn++) {
        read_all(&world);
    }
    struct page_cache_statistics statistics;
    page_cache_get_statistics(world.cache, &statistics);
    CHECK(statistics.evicted_count > 0);
    world_deinit(&world);
    budget_deinit(&budget);

    budget_init(&budget, &alloc_system, NULL, 160000); // The cache itself, and hardly a page.
    world_init(&world, 1 << 30, &budget.alloc);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t position = 2;
    struct column column;
    CHECK(segment_read(world.segment, 0, SEGMENT_WINDOW_ROW_COUNT, &position, 1, &batch, &column,
                       NULL) == TDBPLUS_E_NOMEM);
    batch_deinit(&batch);
    world_deinit(&world);
    budget_deinit(&budget);
}

/* ---- several threads ---- */

struct visitor {
    struct world *world;
    uint64_t seed;
    uint32_t turns;
};

static void read_at_random(void *arg)
{
    struct visitor *visitor = arg;
    struct segment *segment = visitor->world->segment;
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint32_t turn = 0; turn < visitor->turns; turn++) {
        uint64_t random = hash_u64(visitor->seed * 1000 + turn);
        uint64_t row = random % ROW_COUNT;
        switch (random >> 32 & 3) {
        case 0:
            check_window(segment, row / SEGMENT_WINDOW_ROW_COUNT * SEGMENT_WINDOW_ROW_COUNT,
                         &batch);
            break;
        case 1: {
            uint64_t code = key_code_of_integer((int64_t)row);
            struct segment_key key = {.code = code, .hash = hash_u64(code)};
            uint64_t found = 0;
            uint32_t count = 0;
            CHECK(segment_find(segment, &key, &found, &count, NULL) == TDBPLUS_OK);
            CHECK(found == row && count == 1);
            break;
        }
        default: {
            struct datum datum;
            CHECK(segment_value(segment, row, 2, &batch, &datum, NULL) == TDBPLUS_OK);
            CHECK(datum.bytes.data[7] == (value_of(row) & 0xFF));
        }
        }
        if (turn % 3 == 0) {
            batch_reset(&batch);
        }
    }
    batch_deinit(&batch);
}

static void run_readers(struct world *world, uint32_t turns, void (*fn)(void *arg))
{
    struct visitor visitors[THREADS];
    struct env_task *tasks[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){.world = world, .seed = i, .turns = turns};
        CHECK(env_task_start(world->env, "reader", fn, &visitors[i], &tasks[i], NULL) ==
              TDBPLUS_OK);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        env_task_join(world->env, tasks[i]);
    }
}

TEST(threads_that_evict_each_others_pages_read_right_values)
{
    static const size_t capacities[] = {0, 100000, 400000};
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        world_init(&world, capacities[i], &alloc_system);
        run_readers(&world, 400, read_at_random);
        world_deinit(&world);
    }
}

static void read_in_order(void *arg)
{
    read_all(((struct visitor *)arg)->world);
}

TEST(threads_that_want_the_same_pages_load_each_once)
{
    struct world world;
    world_init(&world, 1 << 30, &alloc_system);
    run_readers(&world, 0, read_in_order);
    struct page_cache_statistics statistics;
    page_cache_get_statistics(world.cache, &statistics);
    CHECK(statistics.miss_count == statistics.page_count);
    world_deinit(&world);
}
