/*
 * Goal: values lie where they should, come back whatever their size, are not copied by merges
 * unless asked, and their files go when nobody refers to them; damage is noticed and hostile
 * references do no harm. Method: rows whose values follow from their number, written, merged and
 * read in every way; every bit of a small file flipped; references changed with the checksums made
 * right again.
 */

#include "storage/segment/value_file.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "simd/simd.h"
#include "storage/segment/merge.h"
#include "storage/segment/segment.h"
#include "test.h"
#include "types/json.h"

#define DIMENSION   96u /* 384 bytes. */
#define COLUMNS_MAX 1000u

struct world {
    struct env *env;
    struct epoch epoch;
    struct page_cache *cache;
    struct value_files *files;
    const struct alloc *alloc;
};

static void world_init(struct world *world, const struct alloc *alloc, size_t capacity)
{
    simd_init();
    *world = (struct world){.alloc = alloc};
    epoch_init(&world->epoch);
    CHECK(env_ram_create(&alloc_system, &world->env, NULL) == TDBPLUS_OK);
    CHECK(page_cache_create(capacity, &alloc_system, &world->epoch, &world->cache, NULL) ==
          TDBPLUS_OK);
    CHECK(value_files_create(&alloc_system, &world->files, NULL) == TDBPLUS_OK);
}

static void world_deinit(struct world *world)
{
    value_files_destroy(world->files);
    epoch_deinit(&world->epoch);
    page_cache_destroy(world->cache);
    env_ram_destroy(world->env);
}

static tdbplus_status count_file(void *ctx, const char *name, bool is_directory)
{
    (void)is_directory;
    uint32_t *counts = ctx;
    counts[0] += strncmp(name, "segment-", 8) == 0 ? 1 : 0;
    counts[1] += strncmp(name, "values-", 7) == 0 ? 1 : 0;
    CHECK(strstr(name, ".tmp") == NULL);
    return TDBPLUS_OK;
}

static void check_files(const struct world *world, uint32_t segments, uint32_t values)
{
    uint32_t counts[2] = {0};
    CHECK(env_list(world->env, "db", count_file, counts, NULL) == TDBPLUS_OK);
    CHECK(counts[0] == segments);
    CHECK(counts[1] == values);
}

/* ---- rows that follow from their number ---- */

static struct schema_column columns[COLUMNS_MAX];

static struct schema *make_schema(uint32_t column_count)
{
    static const uint8_t types[] = {TYPE_TEXT, TYPE_VECTOR, TYPE_BYTEA, TYPE_JSON, TYPE_INT4};
    static char names[COLUMNS_MAX][16];
    static uint32_t key = 0;
    for (uint32_t i = 0; i < column_count; i++) {
        struct schema_column *column = &columns[i];
        (void)snprintf(names[i], sizeof names[i], "c%u", i);
        struct type type = type_of(i == 0 ? TYPE_INT8 : types[(i - 1) % 5]);
        type.parameter = type.id == TYPE_VECTOR ? DIMENSION : 0;
        *column =
            (struct schema_column){.id = i + 1, .not_null = i == 0, .type = type, .name = names[i]};
        column->missing = (struct datum){.type = type, .is_null = true};
    }
    struct schema description = {.version = 1,
                                 .column_count = column_count,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = column_count + 1};
    struct schema *schema = NULL;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    return schema;
}

/* Sizes around the limit, small ones, some large and a few very large ones. */
static size_t size_of(uint64_t row, uint32_t column)
{
    uint64_t random = hash_combine(row, column);
    if (random % 401 == 0) {
        return (1 << 20) + random % 1000;
    }
    switch (random % 5) {
    case 0:
        return random / 8 % 40;
    case 1:
    case 2:
        return VALUE_INLINE_SIZE_MAX - 2 + random / 8 % 5;
    case 3:
        return 2000 + random / 8 % 7000;
    default:
        return random / 8 % 1000;
    }
}

/* A document: a string of about so many of the bytes. */
static struct datum document_of(struct datum datum, uint8_t *bytes, size_t size,
                                struct arena *arena)
{
    struct json_builder builder;
    struct buffer document;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)('a' + bytes[i] % 26);
    }
    json_builder_init(&builder, &alloc_system);
    buffer_init(&document, &alloc_system);
    json_builder_string(&builder, (struct span){bytes, size});
    CHECK(json_builder_finish(&builder, &document, NULL) == TDBPLUS_OK);
    uint8_t *copy = arena_bytes(arena, document.size);
    memcpy(copy, document.data, document.size);
    datum.bytes = (struct span){copy, document.size};
    buffer_deinit(&document);
    json_builder_deinit(&builder);
    return datum;
}

/* The value of a row; bytes are made in `arena`. Every eleventh is null. */
static struct datum value_of(const struct schema *schema, uint64_t row, uint32_t column,
                             struct arena *arena)
{
    struct datum datum = {.type = schema->columns[column].type};
    if (column == 0) {
        datum.integer = (int64_t)row;
        return datum;
    }
    uint64_t seed = hash_combine(row, column + 77);
    datum.is_null = seed % 11 == 0;
    if (datum.type.id == TYPE_INT4) {
        datum.integer = (int32_t)seed;
        return datum;
    }
    bool is_vector = datum.type.id == TYPE_VECTOR;
    size_t size = is_vector ? DIMENSION * sizeof(float) : size_of(row, column);
    uint8_t *bytes = arena_bytes(arena, size);
    for (size_t i = 0; i < size; i += is_vector ? 4 : 1) {
        if (is_vector) {
            float item = (float)(hash_u64(seed + i) % 10000);
            memcpy(bytes + i, &item, sizeof item);
        } else {
            bytes[i] = (uint8_t)(seed % 2 == 0 ? hash_u64(seed + i / 8) >> (i % 8) : seed + i / 99);
        }
    }
    if (datum.type.id == TYPE_JSON) {
        return document_of(datum, bytes, size, arena);
    }
    datum.bytes = (struct span){bytes, size};
    return datum;
}

/* Rows first, first + stride, ... in a batch. */
static void fill_batch(const struct schema *schema, uint64_t first, uint32_t stride, uint32_t count,
                       struct batch *batch)
{
    batch_reset(batch);
    batch->columns = arena_array(&batch->arena, schema->column_count, sizeof *batch->columns);
    batch->column_count = schema->column_count;
    batch->row_count = count;
    for (uint32_t c = 0; c < schema->column_count; c++) {
        CHECK(column_make(&batch->columns[c], schema->columns[c].type, count, true, &batch->arena));
        for (uint32_t i = 0; i < count; i++) {
            struct datum datum = value_of(schema, first + (uint64_t)i * stride, c, &batch->arena);
            column_set(&batch->columns[c], i, &datum);
        }
    }
}

static void segment_path(uint64_t id, char path[64])
{
    (void)snprintf(path, 64, "db/segment-%016llx", (unsigned long long)id);
}

struct rows {
    uint64_t first;
    uint32_t stride;
    uint32_t count;
};

static tdbplus_status write_segment(const struct world *world, const struct schema *schema,
                                    uint64_t id, struct rows rows,
                                    struct segment_summary *summary_out)
{
    char path[64];
    segment_path(id, path);
    struct segment_writer_options options = {
        .env = world->env, .alloc = world->alloc, .path = path, .schema = schema, .segment_id = id};
    struct segment_writer *writer = NULL;
    struct batch batch;
    TRY(segment_writer_create(&options, &writer, NULL));
    batch_init(&batch, &alloc_system);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t done = 0; done < rows.count && status == TDBPLUS_OK; done += 500) {
        uint32_t count = rows.count - done < 500 ? rows.count - done : 500;
        fill_batch(schema, rows.first + (uint64_t)done * rows.stride, rows.stride, count, &batch);
        status = segment_writer_add(writer, &batch, NULL, NULL, NULL);
    }
    batch_deinit(&batch);
    if (status != TDBPLUS_OK) {
        segment_writer_abandon(writer);
        return status;
    }
    struct segment_summary summary = {0};
    TRY(segment_writer_finish(writer, &summary, NULL));
    *summary_out = summary;
    summary_out->key_min = (struct bytes){0};
    summary_out->key_max = (struct bytes){0};
    segment_summary_deinit(&summary);
    return TDBPLUS_OK;
}

static tdbplus_status open_segment(const struct world *world, uint64_t id,
                                   struct segment **segment_out, struct err *err)
{
    char path[64];
    segment_path(id, path);
    struct segment_options options = {.env = world->env,
                                      .alloc = world->alloc,
                                      .cache = world->cache,
                                      .path = path,
                                      .segment_id = id,
                                      .values = world->files};
    return segment_open(&options, segment_out, err);
}

/* ---- reading ---- */

static void check_datum(const struct datum *found, const struct datum *expected)
{
    CHECK(found->is_null == expected->is_null);
    CHECK(expected->is_null || datum_compare(found, expected) == 0);
}

static void check_windows(struct segment *segment, const struct schema *schema, struct rows rows)
{
    struct batch batch;
    struct arena arena;
    uint32_t positions[COLUMNS_MAX];
    struct column *read = alloc_array(&alloc_system, COLUMNS_MAX, sizeof *read);
    batch_init(&batch, &alloc_system);
    arena_init(&arena, &alloc_system, 0);
    for (uint32_t c = 0; c < schema->column_count; c++) {
        positions[c] = c;
    }
    for (uint32_t first = 0; first < rows.count; first += 300) {
        uint32_t count = rows.count - first < 300 ? rows.count - first : 300;
        uint32_t end = (first / 2048 + 1) * 2048;
        count = first + count > end ? end - first : count;
        CHECK(segment_read(segment, first, count, positions, schema->column_count, &batch, read,
                           NULL) == TDBPLUS_OK);
        for (uint32_t c = 0; c < schema->column_count; c++) {
            for (uint32_t i = 0; i < count; i += 1 + c % 3) {
                uint64_t row = rows.first + (uint64_t)(first + i) * rows.stride;
                struct datum expected = value_of(schema, row, c, &arena);
                struct datum found;
                column_get(&read[c], i, &found);
                check_datum(&found, &expected);
                arena_reset(&arena);
            }
        }
        batch_reset(&batch);
        first -= count < 300 ? 300 - count : 0;
    }
    arena_deinit(&arena);
    batch_deinit(&batch);
    alloc_free(&alloc_system, read, COLUMNS_MAX, sizeof *read);
}

static void check_singles(struct segment *segment, const struct schema *schema, struct rows rows)
{
    struct batch batch;
    struct arena arena;
    batch_init(&batch, &alloc_system);
    arena_init(&arena, &alloc_system, 0);
    for (uint64_t i = 0; i < 2000; i++) {
        uint64_t at = hash_u64(i) % rows.count;
        uint32_t column = (uint32_t)(hash_u64(i + 99) % schema->column_count);
        struct datum expected = value_of(schema, rows.first + at * rows.stride, column, &arena);
        struct datum found;
        CHECK(segment_value(segment, at, column, &batch, &found, NULL) == TDBPLUS_OK);
        check_datum(&found, &expected);
        batch_reset(&batch);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
    batch_deinit(&batch);
}

static void check_gather(struct segment *segment, const struct schema *schema, struct rows rows)
{
    struct batch batch;
    struct arena arena;
    uint64_t wanted[200];
    uint32_t count = 0;
    batch_init(&batch, &alloc_system);
    arena_init(&arena, &alloc_system, 0);
    for (uint64_t at = 3; at < rows.count && count < 200; at += 1 + hash_u64(at) % 9) {
        wanted[count++] = at;
    }
    for (uint32_t c = 0; c < schema->column_count && c < 8; c++) {
        struct column column;
        CHECK(segment_gather(segment, wanted, count, &c, 1, &batch, &column, NULL) == TDBPLUS_OK);
        for (uint32_t i = 0; i < count; i++) {
            struct datum expected =
                value_of(schema, rows.first + wanted[i] * rows.stride, c, &arena);
            struct datum found;
            column_get(&column, i, &found);
            check_datum(&found, &expected);
            arena_reset(&arena);
        }
        batch_reset(&batch);
    }
    arena_deinit(&arena);
    batch_deinit(&batch);
}

static void check_segment(struct segment *segment, const struct schema *schema, struct rows rows)
{
    CHECK(segment_row_count(segment) == rows.count);
    check_windows(segment, schema, rows);
    check_singles(segment, schema, rows);
    check_gather(segment, schema, rows);
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = segment_verify(segment, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

TEST(values_of_every_size_come_back)
{
    static const size_t caches[] = {0, 1 << 20, 64 << 20};
    struct schema *schema = make_schema(6);
    struct rows rows = {.first = 5, .stride = 3, .count = 2500};
    for (size_t i = 0; i < sizeof caches / sizeof *caches; i++) {
        struct world world;
        world_init(&world, &alloc_system, caches[i]);
        struct segment_summary summary = {0};
        CHECK(write_segment(&world, schema, 7, rows, &summary) == TDBPLUS_OK);
        CHECK(summary.values.file_id == 7);
        CHECK(summary.values.value_bytes == summary.values.file_value_bytes);
        struct segment *segment = NULL;
        CHECK(open_segment(&world, 7, &segment, NULL) == TDBPLUS_OK);
        CHECK(segment_values_count(segment) == 1);
        // Most bytes are not in the segment.
        CHECK(segment_file_size(segment) * 3 < summary.values.file_size);
        check_segment(segment, schema, rows);
        segment_close(segment);
        check_files(&world, 1, 1);
        world_deinit(&world);
    }
    schema_destroy(schema);
}

TEST(rows_of_a_thousand_columns_come_back)
{
    struct world world;
    world_init(&world, &alloc_system, 8 << 20);
    struct schema *schema = make_schema(COLUMNS_MAX);
    struct rows rows = {.count = 20, .stride = 1};
    struct segment_summary summary = {0};
    CHECK(write_segment(&world, schema, 1, rows, &summary) == TDBPLUS_OK);
    struct segment *segment = NULL;
    CHECK(open_segment(&world, 1, &segment, NULL) == TDBPLUS_OK);
    check_segment(segment, schema, rows);
    segment_close(segment);
    schema_destroy(schema);
    world_deinit(&world);
}

TEST(segments_without_large_values_have_no_value_file)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct schema *schema = make_schema(1);
    struct rows rows = {.count = 100, .stride = 1};
    struct segment_summary summary = {0};
    CHECK(write_segment(&world, schema, 1, rows, &summary) == TDBPLUS_OK);
    CHECK(summary.values.file_id == 0);
    check_files(&world, 1, 0);
    schema_destroy(schema);
    world_deinit(&world);
}

TEST(large_values_do_not_push_others_out_of_the_cache)
{
    struct world world;
    world_init(&world, &alloc_system, 2 << 20);
    struct schema *schema = make_schema(2);
    struct rows rows = {.count = 1000, .stride = 1};
    struct segment_summary summary = {0};
    CHECK(write_segment(&world, schema, 1, rows, &summary) == TDBPLUS_OK);
    struct segment *segment = NULL;
    CHECK(open_segment(&world, 1, &segment, NULL) == TDBPLUS_OK);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct page_cache_statistics before;
    struct page_cache_statistics after;
    uint32_t large = 0;
    for (uint64_t row = 0; row < rows.count; row++) {
        struct datum datum;
        bool is_large = size_of(row, 1) >= 1 << 20;
        page_cache_get_statistics(world.cache, &before);
        CHECK(segment_value(segment, row, 1, &batch, &datum, NULL) == TDBPLUS_OK);
        page_cache_get_statistics(world.cache, &after);
        CHECK(!is_large || datum.is_null || after.page_count <= before.page_count + 1);
        CHECK(after.size_bytes <= 2 << 20);
        large += is_large ? 1 : 0;
        batch_reset(&batch);
    }
    CHECK(large > 0);
    batch_deinit(&batch);
    segment_close(segment);
    schema_destroy(schema);
    world_deinit(&world);
}

/* ---- merging ---- */

struct merging {
    struct world *world;
    const struct schema *schema;
    bool copy;
};

/* Merges `count` segments into segment `id`; true in *done_out when it was written. */
static tdbplus_status merge_segments(const struct merging *merging, struct segment **segments,
                                     uint32_t count, uint64_t id,
                                     struct segment_summary *summary_out)
{
    bool all[8];
    memset(all, true, sizeof all);
    struct merge_source sources[8] = {0};
    for (uint32_t i = 0; i < count; i++) {
        sources[i].segment = segments[i];
        sources[i].copy_values = merging->copy ? all : NULL;
    }
    struct merge_options options = {.alloc = merging->world->alloc,
                                    .schema = merging->schema,
                                    .sources = sources,
                                    .source_count = count,
                                    .horizon = UINT64_MAX};
    char path[64];
    segment_path(id, path);
    struct segment_writer_options to = {.env = merging->world->env,
                                        .alloc = merging->world->alloc,
                                        .path = path,
                                        .schema = merging->schema,
                                        .segment_id = id};
    struct merge *merge = NULL;
    struct segment_writer *writer = NULL;
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, merge_create(&options, &merge, NULL));
    TRY_OR(done, segment_writer_create(&to, &writer, NULL));
    bool done = false;
    while (!done) {
        TRY_OR(done, merge_step(merge, writer, 700, &done, NULL));
    }
    struct segment_summary summary = {0};
    struct segment_writer *finished = writer;
    writer = NULL;
    TRY_OR(done, segment_writer_finish(finished, &summary, NULL));
    *summary_out = summary;
    summary_out->key_min = (struct bytes){0};
    summary_out->key_max = (struct bytes){0};
    segment_summary_deinit(&summary);
done:
    if (writer != NULL) {
        segment_writer_abandon(writer);
    }
    merge_destroy(merge);
    return status;
}

TEST(merges_refer_to_values_and_write_them_once)
{
    struct world world;
    world_init(&world, &alloc_system, 4 << 20);
    struct schema *schema = make_schema(6);
    struct merging merging = {.world = &world, .schema = schema};
    struct segment *segments[4] = {0};
    struct segment_summary summary = {0};
    uint64_t value_bytes = 0;
    uint64_t merge_bytes = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct rows rows = {.first = i, .stride = 4, .count = 900};
        CHECK(write_segment(&world, schema, i + 1, rows, &summary) == TDBPLUS_OK);
        value_bytes += summary.values.file_size;
        CHECK(open_segment(&world, i + 1, &segments[i], NULL) == TDBPLUS_OK);
    }
    struct segment *merged[3] = {0};
    for (uint32_t i = 0; i < 3; i++) {
        struct segment **from = i < 2 ? &segments[2 * i] : merged;
        CHECK(merge_segments(&merging, from, 2, 10 + i, &summary) == TDBPLUS_OK);
        CHECK(summary.values.file_id == 0);
        merge_bytes += summary.file_size;
        CHECK(open_segment(&world, 10 + i, &merged[i], NULL) == TDBPLUS_OK);
        segment_discard(from[0]);
        segment_discard(from[1]);
    }
    // Two levels of merging cost less than a third of what writing the values once did.
    CHECK(merge_bytes * 3 < value_bytes);
    check_files(&world, 1, 4);
    CHECK(segment_values_count(merged[2]) == 4);
    check_segment(merged[2], schema, (struct rows){.stride = 1, .count = 3600});
    segment_discard(merged[2]);
    check_files(&world, 0, 0);
    schema_destroy(schema);
    world_deinit(&world);
}

TEST(a_merge_that_copies_values_leaves_the_old_files)
{
    struct world world;
    world_init(&world, &alloc_system, 4 << 20);
    struct schema *schema = make_schema(6);
    struct merging merging = {.world = &world, .schema = schema, .copy = true};
    struct segment *segments[2] = {0};
    struct segment_summary summary = {0};
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct rows rows = {.first = i, .stride = 2, .count = 1200};
        CHECK(write_segment(&world, schema, i + 1, rows, &summary) == TDBPLUS_OK);
        bytes += summary.values.value_bytes;
        CHECK(open_segment(&world, i + 1, &segments[i], NULL) == TDBPLUS_OK);
    }
    CHECK(merge_segments(&merging, segments, 2, 9, &summary) == TDBPLUS_OK);
    CHECK(summary.values.file_id == 9 && summary.values.value_bytes == bytes);
    struct segment *merged = NULL;
    CHECK(open_segment(&world, 9, &merged, NULL) == TDBPLUS_OK);
    segment_discard(segments[0]);
    segment_discard(segments[1]);
    check_files(&world, 1, 1);
    check_segment(merged, schema, (struct rows){.stride = 1, .count = 2400});
    segment_close(merged);
    check_files(&world, 1, 1);
    schema_destroy(schema);
    world_deinit(&world);
}

TEST(a_file_that_one_segment_keeps_outlives_the_others)
{
    struct world world;
    world_init(&world, &alloc_system, 4 << 20);
    struct schema *schema = make_schema(3);
    struct merging merging = {.world = &world, .schema = schema};
    struct segment_summary summary = {0};
    struct segment *first = NULL;
    struct segment *second = NULL;
    CHECK(write_segment(&world, schema, 1, (struct rows){.stride = 1, .count = 300}, &summary) ==
          TDBPLUS_OK);
    CHECK(open_segment(&world, 1, &first, NULL) == TDBPLUS_OK);
    CHECK(merge_segments(&merging, &first, 1, 2, &summary) == TDBPLUS_OK);
    CHECK(open_segment(&world, 2, &second, NULL) == TDBPLUS_OK);
    segment_close(second); // As when the database closes.
    segment_discard(first);
    check_files(&world, 1, 1);
    CHECK(open_segment(&world, 2, &second, NULL) == TDBPLUS_OK);
    check_segment(second, schema, (struct rows){.stride = 1, .count = 300});
    segment_close(second);
    schema_destroy(schema);
    world_deinit(&world);
}

/* ---- damage ---- */

#define SMALL_PATH "db/values-0000000000000001"

static struct bytes read_file(const struct world *world, const char *path)
{
    struct bytes bytes = {0};
    CHECK(env_read_file(world->env, path, 1 << 26, &alloc_system, &bytes, NULL) == TDBPLUS_OK);
    return bytes;
}

static void write_file(const struct world *world, const char *path, const uint8_t *data,
                       size_t size)
{
    CHECK(env_write_file(world->env, path, (struct span){data, size}, NULL) == TDBPLUS_OK);
}

/* Right data or TDBPLUS_E_CORRUPT. Returns whether damage was told. */
static bool look_at_damage(const struct world *world, const struct schema *schema, struct rows rows)
{
    struct segment *segment = NULL;
    struct err err = {0};
    tdbplus_status status = open_segment(world, 1, &segment, &err);
    if (status != TDBPLUS_OK) {
        CHECK(status == TDBPLUS_E_CORRUPT || status == TDBPLUS_E_VERSION);
        return true;
    }
    bool told = false;
    struct batch batch;
    struct arena arena;
    batch_init(&batch, &alloc_system);
    arena_init(&arena, &alloc_system, 0);
    for (uint32_t row = 0; row < rows.count; row++) {
        for (uint32_t c = 1; c < schema->column_count; c++) {
            struct datum found;
            status = segment_value(segment, row, c, &batch, &found, &err);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
            told = told || status != TDBPLUS_OK;
            if (status == TDBPLUS_OK) {
                struct datum expected = value_of(schema, row, c, &arena);
                check_datum(&found, &expected);
            }
            batch_reset(&batch);
            arena_reset(&arena);
        }
    }
    struct call call = {.alloc = &alloc_system, .err = &err};
    status = segment_verify(segment, &call);
    CHECK(told ? status == TDBPLUS_E_CORRUPT : status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
    told = status != TDBPLUS_OK;
    arena_deinit(&arena);
    batch_deinit(&batch);
    segment_close(segment);
    return told;
}

TEST(every_flipped_bit_and_every_truncation_is_noticed)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct schema *schema = make_schema(4);
    struct rows rows = {.stride = 1, .count = 4};
    struct segment_summary summary = {0};
    CHECK(write_segment(&world, schema, 1, rows, &summary) == TDBPLUS_OK);
    struct bytes file = read_file(&world, SMALL_PATH);
    CHECK(!look_at_damage(&world, schema, rows));
    size_t step = file.size > 4096 ? file.size / 1024 | 1 : 1;
    for (size_t at = 0; at < file.size; at += at < 128 || at + 512 > file.size ? 1 : step) {
        file.data[at] ^= (uint8_t)(1u << (at % 8));
        write_file(&world, SMALL_PATH, file.data, file.size);
        CHECK(look_at_damage(&world, schema, rows));
        file.data[at] ^= (uint8_t)(1u << (at % 8));
    }
    for (size_t size = 0; size<file.size; size += size + 200> file.size ? 1 : step) {
        write_file(&world, SMALL_PATH, file.data, size);
        CHECK(look_at_damage(&world, schema, rows));
    }
    CHECK(env_unlink(world.env, SMALL_PATH, NULL) == TDBPLUS_OK);
    CHECK(look_at_damage(&world, schema, rows));
    bytes_deinit(&file);
    schema_destroy(schema);
    world_deinit(&world);
}

TEST(the_file_of_another_database_is_refused)
{
    struct world world;
    world_init(&world, &alloc_system, 1 << 20);
    struct schema *schema = make_schema(4);
    struct rows rows = {.stride = 1, .count = 4};
    struct rows others = {.first = 100, .stride = 1, .count = 4};
    struct segment_summary summary = {0};
    CHECK(write_segment(&world, schema, 1, rows, &summary) == TDBPLUS_OK);
    struct bytes file = read_file(&world, SMALL_PATH);
    CHECK(write_segment(&world, schema, 1, others, &summary) == TDBPLUS_OK);
    write_file(&world, SMALL_PATH, file.data, file.size);
    CHECK(look_at_damage(&world, schema, others));
    bytes_deinit(&file);
    schema_destroy(schema);
    world_deinit(&world);
}

/* ---- no memory, no disk ---- */

TEST(writing_merging_and_reading_survive_every_failed_allocation)
{
    struct schema *schema = make_schema(4);
    uint32_t fail_at = 0;
    bool all = false;
    for (; !all; fail_at += 1 + fail_at / 40) {
        struct world world;
        world_init(&world, &alloc_system, 1 << 20);
        struct segment_summary summary = {0};
        struct segment *sources[2] = {0};
        for (uint32_t i = 0; i < 2; i++) {
            struct rows rows = {.first = i, .stride = 2, .count = 20};
            CHECK(write_segment(&world, schema, i + 1, rows, &summary) == TDBPLUS_OK);
            CHECK(open_segment(&world, i + 1, &sources[i], NULL) == TDBPLUS_OK);
        }
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        world.alloc = &fault.alloc;
        struct merging merging = {.world = &world, .schema = schema, .copy = fail_at % 2 == 0};
        struct rows rows = {.first = 50, .stride = 1, .count = 20};
        struct segment *merged = NULL;
        tdbplus_status status = write_segment(&world, schema, 3, rows, &summary);
        if (status == TDBPLUS_OK) {
            status = merge_segments(&merging, sources, 2, 4, &summary);
        }
        if (status == TDBPLUS_OK) {
            status = open_segment(&world, 4, &merged, NULL);
        }
        all = status == TDBPLUS_OK;
        CHECK(all || status == TDBPLUS_E_NOMEM);
        segment_close(merged);
        CHECK(fault.live_bytes == 0);
        segment_discard(sources[0]);
        segment_discard(sources[1]);
        world_deinit(&world);
    }
    CHECK(fail_at > 60);
    schema_destroy(schema);
}

/* Counts down to the call that fails; for all operations that change something. */
static uint32_t calls_left;
static const struct env *honest;

static bool must_fail(void)
{
    return calls_left != UINT32_MAX && calls_left-- == 0;
}

static tdbplus_status bad_write(void *ctx, struct env_file *file, uint64_t offset, const void *data,
                                size_t size, struct err *err)
{
    return must_fail() ? TDBPLUS_E_FULL : honest->ops->write(ctx, file, offset, data, size, err);
}

static tdbplus_status bad_sync(void *ctx, struct env_file *file, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->sync(ctx, file, err);
}

static tdbplus_status bad_rename(void *ctx, const char *from, const char *to, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->rename(ctx, from, to, err);
}

static tdbplus_status bad_sync_directory(void *ctx, const char *path, struct err *err)
{
    return must_fail() ? TDBPLUS_E_IO : honest->ops->sync_directory(ctx, path, err);
}

TEST(a_failing_disk_leaves_neither_segment_nor_value_file)
{
    struct schema *schema = make_schema(6);
    uint32_t fail_at = 0;
    for (bool all = false; !all; fail_at++) {
        struct world world;
        world_init(&world, &alloc_system, 0);
        struct env *real = world.env;
        struct env_ops ops = *real->ops;
        ops.write = bad_write;
        ops.sync = bad_sync;
        ops.rename = bad_rename;
        ops.sync_directory = bad_sync_directory;
        struct env bad = *real;
        bad.ops = &ops;
        honest = real;
        calls_left = fail_at;
        world.env = &bad;
        struct segment_summary summary = {0};
        tdbplus_status status =
            write_segment(&world, schema, 1, (struct rows){.stride = 1, .count = 2000}, &summary);
        world.env = real;
        all = status == TDBPLUS_OK;
        check_files(&world, all ? 1 : 0, all ? 1 : 0);
        world_deinit(&world);
    }
    CHECK(fail_at > 6); // Two writes of values, the rest, two syncs, two renames, the directory.
    schema_destroy(schema);
}
