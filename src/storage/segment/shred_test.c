/*
 * Goal: a document that was taken apart comes back with the same bytes, whatever it is; what most
 * documents have gets a column and the rest does not; a path is read the same way from sub-columns
 * and from documents. Method: random documents with biased shapes, written as text, parsed, stored
 * in segments, merged, and compared with what was parsed; expected paths are found with
 * json_find().
 */

#include "storage/segment/shred.h"

#include "base/codec.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "os/env.h"
#include "simd/simd.h"
#include "storage/segment/merge.h"
#include "storage/segment/segment_internal.h"
#include "test.h"

#define ROWS_MAX 3000u

struct world {
    struct env *env;
    struct epoch epoch;
    struct page_cache *cache;
    struct value_files *files;
    const struct alloc *alloc;
    struct schema *schema;
};

static void make_schema(struct world *world)
{
    static uint32_t key = 0;
    static struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "id"},
        {.id = 2, .type = {.id = TYPE_JSON}, .name = "doc", .missing = {.is_null = true}},
        {.id = 3, .type = {.id = TYPE_JSON}, .name = "more", .missing = {.is_null = true}},
    };
    columns[1].missing.type = columns[1].type;
    columns[2].missing.type = columns[2].type;
    struct schema description = {.version = 1,
                                 .column_count = 3,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 4};
    CHECK(schema_create(&description, &alloc_system, &world->schema, NULL) == TDBPLUS_OK);
}

static void world_init(struct world *world)
{
    simd_init();
    *world = (struct world){.alloc = &alloc_system};
    epoch_init(&world->epoch);
    CHECK(env_ram_create(&alloc_system, &world->env, NULL) == TDBPLUS_OK);
    CHECK(page_cache_create(8 << 20, &alloc_system, &world->epoch, &world->cache, NULL) ==
          TDBPLUS_OK);
    CHECK(value_files_create(&alloc_system, &world->files, NULL) == TDBPLUS_OK);
    make_schema(world);
}

static void world_deinit(struct world *world)
{
    schema_destroy(world->schema);
    value_files_destroy(world->files);
    epoch_deinit(&world->epoch);
    page_cache_destroy(world->cache);
    env_ram_destroy(world->env);
}

/* ---- documents ---- */

struct documents {
    struct buffer bytes;
    size_t ends[ROWS_MAX];
    bool nulls[ROWS_MAX];
    uint32_t count;
};

static struct span document_at(const struct documents *documents, uint32_t row)
{
    size_t begin = row == 0 ? 0 : documents->ends[row - 1];
    return (struct span){documents->bytes.data + begin, documents->ends[row] - begin};
}

static uint64_t next_random(uint64_t *state)
{
    return hash_u64((*state)++);
}

static void put_number(struct buffer *text, uint64_t style, uint64_t random)
{
    switch (style % 6) {
    case 0:
        buffer_printf(text, "%d", (int)(random % 5000) - 2500);
        break;
    case 1:
        buffer_printf(text, "%d.%02d", (int)(random % 900), (int)(random / 900 % 100));
        break;
    case 2:
        buffer_printf(text, "%.*f", (int)(random % 6), (double)(random % 100000) / 64);
        break;
    case 3:
        buffer_printf(text, "%lld", (long long)random);
        break;
    case 4:
        buffer_printf(text, "%llu.%llu", (unsigned long long)random,
                      (unsigned long long)(random * 7));
        break;
    default:
        buffer_printf(text, "%d.0", (int)(random % 10));
    }
}

static void put_value(struct buffer *text, uint64_t shape, uint32_t depth, uint64_t *state);

/* Keys are few, so that documents share them; which are there and what they hold is biased. */
static void put_object(struct buffer *text, uint64_t shape, uint32_t depth, uint64_t *state)
{
    static const char *const keys[] = {"a",      "b",    "year",    "title",
                                       "x y",    "",     "price",   "ok",
                                       "nested", "tags", "\\u00e4", "long key with words"};
    bool first = true;
    buffer_put_text(text, "{");
    for (uint32_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        uint64_t bias = hash_combine(shape, i + depth * 100);
        if (next_random(state) % 100 >= (bias % 4 == 0 ? 20 : bias % 4 == 1 ? 51 : 97)) {
            continue;
        }
        buffer_printf(text, "%s\"%s\": ", first ? "" : ", ", keys[i]);
        first = false;
        bool odd = next_random(state) % 12 == 0;
        put_value(text, odd ? next_random(state) : hash_u64(bias), depth + 1, state);
    }
    buffer_put_text(text, "}");
}

static void put_value(struct buffer *text, uint64_t shape, uint32_t depth, uint64_t *state)
{
    uint64_t random = next_random(state);
    switch (depth > 4 ? shape % 5 : shape % 9) {
    case 0:
        buffer_put_text(text, random % 2 == 0 ? "true" : "false");
        break;
    case 1:
        buffer_put_text(text, "null");
        break;
    case 2:
    case 3:
        put_number(text, random % 10 == 0 ? random : shape / 16, next_random(state));
        break;
    case 4:
    case 5:
        buffer_printf(text, "\"text %llu%.*s\"", (unsigned long long)(random % 50),
                      (int)(random % 70),
                      "0123456789012345678901234567890123456789012345678901234"
                      "567890123456789");
        break;
    case 6:
        buffer_printf(text, "[%d, \"in a list\"]", (int)(random % 9));
        break;
    default:
        put_object(text, shape, depth, state);
    }
}

static void make_documents(struct documents *documents, uint32_t count, uint64_t seed)
{
    uint64_t state = seed << 32;
    struct json_builder builder;
    struct buffer text;
    *documents = (struct documents){.count = count};
    buffer_init(&documents->bytes, &alloc_system);
    buffer_init(&text, &alloc_system);
    json_builder_init(&builder, &alloc_system);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t dice = next_random(&state) % 40;
        buffer_clear(&text);
        documents->nulls[i] = dice == 0;
        if (dice == 1) {
            put_value(&text, next_random(&state), 3, &state); // Any root.
        } else if (dice == 2) {
            buffer_put_text(&text, "{\"title\": \"");
            for (uint32_t n = 0; n < 150 + next_random(&state) % 400; n++) {
                buffer_printf(&text, "%x", (unsigned)(hash_u64(n + i) % 65536));
            }
            buffer_put_text(&text, "\", \"year\": 1999}");
        } else {
            put_object(&text, seed, 0, &state);
        }
        struct err err = {0};
        tdbplus_status status = json_parse(&builder, buffer_span(&text), &documents->bytes, &err);
        if (status != TDBPLUS_OK) {
            fprintf(stderr, "%s\n%.*s\n", err.text, (int)text.size, (const char *)text.data);
        }
        CHECK(status == TDBPLUS_OK);
        documents->ends[i] = documents->bytes.size;
    }
    json_builder_deinit(&builder);
    buffer_deinit(&text);
}

/* ---- segments ---- */

static void segment_path(uint64_t id, char path[64])
{
    (void)snprintf(path, 64, "db/segment-%016llx", (unsigned long long)id);
}

/* Rows first, first + stride, ... of the documents, in both columns; the second is shifted. */
static tdbplus_status write_segment(const struct world *world, const struct documents *documents,
                                    uint64_t id, uint32_t first, uint32_t stride)
{
    char path[64];
    segment_path(id, path);
    struct segment_writer_options options = {.env = world->env,
                                             .alloc = world->alloc,
                                             .path = path,
                                             .schema = world->schema,
                                             .segment_id = id};
    struct segment_writer *writer = NULL;
    struct segment_summary summary = {0};
    struct batch batch;
    TRY(segment_writer_create(&options, &writer, NULL));
    batch_init(&batch, &alloc_system);
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t row = first; row < documents->count && status == TDBPLUS_OK;) {
        batch_reset(&batch);
        batch.columns = arena_array(&batch.arena, 3, sizeof *batch.columns);
        batch.column_count = 3;
        uint32_t room = (documents->count - row + stride - 1) / stride;
        batch.row_count = room < 700 ? room : 700;
        for (uint32_t c = 0; c < 3; c++) {
            CHECK(column_make(&batch.columns[c], world->schema->columns[c].type, batch.row_count,
                              true, &batch.arena));
        }
        for (uint32_t i = 0; i < batch.row_count; i++, row += stride) {
            struct datum key = {.type = type_of(TYPE_INT8), .integer = row};
            struct datum doc = {.type = type_of(TYPE_JSON),
                                .is_null = documents->nulls[row],
                                .bytes = document_at(documents, row)};
            struct datum more = doc;
            more.bytes = document_at(documents, documents->count - 1 - row);
            more.is_null = documents->nulls[documents->count - 1 - row];
            column_set(&batch.columns[0], i, &key);
            column_set(&batch.columns[1], i, &doc);
            column_set(&batch.columns[2], i, &more);
        }
        status = segment_writer_add(writer, &batch, NULL, NULL, NULL);
    }
    batch_deinit(&batch);
    if (status != TDBPLUS_OK) {
        segment_writer_abandon(writer);
        return status;
    }
    status = segment_writer_finish(writer, &summary, NULL);
    segment_summary_deinit(&summary);
    return status;
}

static tdbplus_status open_segment(const struct world *world, uint64_t id,
                                   struct segment **segment_out)
{
    char path[64];
    segment_path(id, path);
    struct segment_options options = {.env = world->env,
                                      .alloc = world->alloc,
                                      .cache = world->cache,
                                      .path = path,
                                      .segment_id = id,
                                      .values = world->files};
    return segment_open(&options, segment_out, NULL);
}

static void check_document(const struct datum *found, const struct documents *documents,
                           uint32_t row)
{
    CHECK(found->is_null == documents->nulls[row]);
    if (!found->is_null) {
        struct span expected = document_at(documents, row);
        CHECK(found->bytes.size == expected.size);
        CHECK(memcmp(found->bytes.data, expected.data, expected.size) == 0);
    }
}

/* Row i of the segment holds document first + i * stride. */
static void check_segment(struct segment *segment, const struct documents *documents,
                          uint32_t first, uint32_t stride)
{
    struct batch batch;
    struct datum datum;
    uint32_t position = 1;
    uint64_t wanted[100];
    batch_init(&batch, &alloc_system);
    uint32_t count = (uint32_t)segment_row_count(segment);
    CHECK(count == (documents->count - first + stride - 1) / stride);
    for (uint32_t at = 0; at < count; at += 2048) {
        struct column column;
        uint32_t size = count - at < 2048 ? count - at : 2048;
        CHECK(segment_read(segment, at, size, &position, 1, &batch, &column, NULL) == TDBPLUS_OK);
        for (uint32_t i = 0; i < size; i++) {
            column_get(&column, i, &datum);
            check_document(&datum, documents, first + (at + i) * stride);
        }
        batch_reset(&batch);
    }
    for (uint32_t i = 0; i < count; i += 1 + i % 5) {
        CHECK(segment_value(segment, i, 1, &batch, &datum, NULL) == TDBPLUS_OK);
        check_document(&datum, documents, first + i * stride);
        CHECK(segment_value(segment, i, 2, &batch, &datum, NULL) == TDBPLUS_OK);
        check_document(&datum, documents, documents->count - 1 - (first + i * stride));
        batch_reset(&batch);
    }
    uint32_t wanted_count = 0;
    for (uint32_t i = 1; i < count && wanted_count < 100; i += 1 + (uint32_t)hash_u64(i) % 17) {
        wanted[wanted_count++] = i;
    }
    struct column column;
    CHECK(segment_gather(segment, wanted, wanted_count, &position, 1, &batch, &column, NULL) ==
          TDBPLUS_OK);
    for (uint32_t i = 0; i < wanted_count; i++) {
        column_get(&column, i, &datum);
        check_document(&datum, documents, first + (uint32_t)wanted[i] * stride);
    }
    batch_deinit(&batch);
    struct call call = {.alloc = &alloc_system};
    CHECK(segment_verify(segment, &call) == TDBPLUS_OK);
}

static tdbplus_status merge_segments(const struct world *world, struct segment *const *segments,
                                     uint32_t count, uint64_t id)
{
    struct merge_source sources[4] = {0};
    for (uint32_t i = 0; i < count; i++) {
        sources[i].segment = segments[i];
    }
    struct merge_options options = {.alloc = world->alloc,
                                    .schema = world->schema,
                                    .sources = sources,
                                    .source_count = count,
                                    .horizon = UINT64_MAX};
    char path[64];
    segment_path(id, path);
    struct segment_writer_options to = {.env = world->env,
                                        .alloc = world->alloc,
                                        .path = path,
                                        .schema = world->schema,
                                        .segment_id = id};
    struct merge *merge = NULL;
    struct segment_writer *writer = NULL;
    struct segment_summary summary = {0};
    tdbplus_status status = TDBPLUS_OK;
    TRY_OR(done, merge_create(&options, &merge, NULL));
    TRY_OR(done, segment_writer_create(&to, &writer, NULL));
    for (bool done = false; !done;) {
        TRY_OR(done, merge_step(merge, writer, 700, &done, NULL));
    }
    struct segment_writer *finished = writer;
    writer = NULL;
    status = segment_writer_finish(finished, &summary, NULL);
    segment_summary_deinit(&summary);
done:
    if (writer != NULL) {
        segment_writer_abandon(writer);
    }
    merge_destroy(merge);
    return status;
}

/* The values of a path, in every form, are what the documents say. */
static void check_path(struct segment *segment, const struct documents *documents,
                       const struct segment_path *path)
{
    struct batch batch;
    struct buffer text;
    batch_init(&batch, &alloc_system);
    buffer_init(&text, &alloc_system);
    uint32_t count = (uint32_t)segment_row_count(segment);
    for (uint32_t at = 0; at < count; at += 2048) {
        struct column column;
        uint32_t size = count - at < 2048 ? count - at : 2048;
        CHECK(segment_read_path(segment, at, size, path, &batch, &column, NULL) == TDBPLUS_OK);
        for (uint32_t i = 0; i < size; i++) {
            struct datum datum;
            struct span found = document_at(documents, at + i);
            bool there = !documents->nulls[at + i];
            for (uint32_t k = 0; k < path->key_count && there; k++) {
                there = json_get(found, path->keys[k], &found);
            }
            buffer_clear(&text);
            if (there && path->as_text) {
                there = json_kind(found) != JSON_NULL;
                if (json_kind(found) == JSON_STRING) {
                    buffer_put_span(&text, json_string(found));
                } else {
                    json_print(found, &text);
                }
                found = buffer_span(&text);
            }
            column_get(&column, i, &datum);
            CHECK(datum.is_null == !there);
            CHECK(!there || span_compare(datum.bytes, found) == 0);
        }
        batch_reset(&batch);
    }
    buffer_deinit(&text);
    batch_deinit(&batch);
}

static void check_zone(struct segment *segment, const struct segment_path *path, uint32_t column)
{
    struct segment_zone zone = {0};
    uint32_t count = (uint32_t)segment_row_count(segment);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    if (segment_path_zone(segment, path, 0, count, &zone) && zone.has_bounds) {
        for (uint32_t i = 0; i < count; i++) {
            struct datum datum;
            CHECK(segment_value(segment, i, column, &batch, &datum, NULL) == TDBPLUS_OK);
            CHECK(datum.is_null ||
                  (datum_compare(&datum, &zone.min) >= 0 && datum_compare(&datum, &zone.max) <= 0));
        }
    }
    batch_deinit(&batch);
}

/* Every path of the plan, what is above and below it, and one that nobody has. */
static uint32_t check_paths(struct segment *segment, const struct documents *documents)
{
    uint32_t complete = 0;
    for (uint32_t i = 0; i < segment->plan.path_count; i++) {
        const struct shred_path *shredded = &segment->plan.paths[i];
        if (shredded->column != 1) {
            continue;
        }
        complete += shredded->flags == 0 ? 1 : 0;
        struct span keys[SHRED_DEPTH_MAX + 1];
        memcpy(keys, shredded->keys, sizeof shredded->keys);
        keys[shredded->key_count] = span_from_text("below");
        for (uint32_t count = 1; count <= shredded->key_count + 1u; count++) {
            for (uint32_t text = 0; text < 2; text++) {
                struct segment_path path = {
                    .position = 1, .keys = keys, .key_count = count, .as_text = text == 1};
                check_path(segment, documents, &path);
                if (count == shredded->key_count) {
                    check_zone(segment, &path, segment->path_column + i);
                }
            }
        }
    }
    struct span nobody[2] = {span_from_text("nested"), span_from_text("tags")};
    struct segment_path path = {.position = 1, .keys = nobody, .key_count = 2, .as_text = true};
    check_path(segment, documents, &path);
    return complete;
}

TEST(random_documents_come_back_byte_by_byte)
{
    static struct documents documents;
    uint32_t paths = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world world;
        struct segment *segments[3] = {0};
        struct segment *merged = NULL;
        world_init(&world);
        make_documents(&documents, 300 + (uint32_t)seed * 150, seed);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK(write_segment(&world, &documents, i + 1, i, 3) == TDBPLUS_OK);
            CHECK(open_segment(&world, i + 1, &segments[i]) == TDBPLUS_OK);
            check_segment(segments[i], &documents, i, 3);
            paths += segments[i]->plan.path_count;
        }
        CHECK(merge_segments(&world, segments, 3, 9) == TDBPLUS_OK);
        CHECK(open_segment(&world, 9, &merged) == TDBPLUS_OK);
        for (uint32_t i = 0; i < 3; i++) {
            segment_discard(segments[i]);
        }
        check_segment(merged, &documents, 0, 1);
        (void)check_paths(merged, &documents);
        segment_discard(merged);
        buffer_deinit(&documents.bytes);
        world_deinit(&world);
    }
    CHECK(paths > 15 * 4);
}

TEST(documents_of_one_shape_are_read_by_path_without_the_rest)
{
    static struct documents documents;
    struct world world;
    struct segment *segment = NULL;
    struct json_builder builder;
    struct buffer text;
    world_init(&world);
    documents = (struct documents){.count = 2500};
    buffer_init(&documents.bytes, &alloc_system);
    buffer_init(&text, &alloc_system);
    json_builder_init(&builder, &alloc_system);
    for (uint32_t i = 0; i < documents.count; i++) {
        buffer_clear(&text);
        buffer_printf(&text,
                      "{\"n\": %u, \"o\": {\"t\": \"name %u\", \"p\": %u.%02u, \"b\": %s}, \"r\": "
                      "%u.%u5}",
                      i * 7, i % 90, i, i % 100, i % 2 == 0 ? "true" : "false", i, i % 1000);
        CHECK(json_parse(&builder, buffer_span(&text), &documents.bytes, NULL) == TDBPLUS_OK);
        documents.ends[i] = documents.bytes.size;
    }
    CHECK(write_segment(&world, &documents, 1, 0, 1) == TDBPLUS_OK);
    CHECK(open_segment(&world, 1, &segment) == TDBPLUS_OK);
    CHECK(segment->plan.path_count == 10); // Five in each column.
    CHECK(check_paths(segment, &documents) == 5);
    check_segment(segment, &documents, 0, 1);
    // What is left is the same for all: next to nothing.
    CHECK(segment_file_size(segment) < documents.bytes.size);
    segment_close(segment);
    json_builder_deinit(&builder);
    buffer_deinit(&text);
    buffer_deinit(&documents.bytes);
    world_deinit(&world);
}

/* Documents by `print`, until *documents is full. */
static void print_documents(struct documents *documents, uint32_t count,
                            void (*print)(uint32_t row, struct buffer *text))
{
    struct json_builder builder;
    struct buffer text;
    *documents = (struct documents){.count = count};
    buffer_init(&documents->bytes, &alloc_system);
    buffer_init(&text, &alloc_system);
    json_builder_init(&builder, &alloc_system);
    for (uint32_t i = 0; i < count; i++) {
        buffer_clear(&text);
        print(i, &text);
        CHECK(json_parse(&builder, buffer_span(&text), &documents->bytes, NULL) == TDBPLUS_OK);
        documents->ends[i] = documents->bytes.size;
    }
    json_builder_deinit(&builder);
    buffer_deinit(&text);
}

/* Three segments of every third document each, and what they are merged into. */
static struct segment *merge_thirds(struct world *world, const struct documents *documents)
{
    struct segment *segments[3] = {0};
    struct segment *merged = NULL;
    for (uint32_t i = 0; i < 3; i++) {
        CHECK(write_segment(world, documents, i + 1, i, 3) == TDBPLUS_OK);
        CHECK(open_segment(world, i + 1, &segments[i]) == TDBPLUS_OK);
        check_segment(segments[i], documents, i, 3);
    }
    CHECK(merge_segments(world, segments, 3, 9) == TDBPLUS_OK);
    CHECK(open_segment(world, 9, &merged) == TDBPLUS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        segment_discard(segments[i]);
    }
    return merged;
}

static void print_old_or_new(uint32_t row, struct buffer *text)
{
    buffer_printf(text, row < 1400 ? "{\"old\": %u}" : "{\"new\": %u}", row);
}

TEST(a_merge_plans_by_all_of_its_rows)
{
    static struct documents documents;
    struct world world;
    world_init(&world);
    print_documents(&documents, ROWS_MAX, print_old_or_new);
    struct segment *merged = merge_thirds(&world, &documents);
    check_segment(merged, &documents, 0, 1);
    (void)check_paths(merged, &documents);
    uint32_t count = 0;
    for (uint32_t i = 0; i < merged->plan.path_count; i++) {
        if (merged->plan.paths[i].column == 1) {
            CHECK(span_compare(merged->plan.paths[i].keys[0], span_from_text("new")) == 0);
            count++;
        }
    }
    CHECK(count == 1);
    segment_discard(merged);
    buffer_deinit(&documents.bytes);
    world_deinit(&world);
}

TEST(a_sample_does_not_cross_windows)
{
    static struct documents documents;
    struct world world;
    struct segment *segment = NULL;
    struct segment *merged = NULL;
    world_init(&world);
    print_documents(&documents, 2990, print_old_or_new); // A stretch begins at row 2,046.
    CHECK(write_segment(&world, &documents, 1, 0, 1) == TDBPLUS_OK);
    CHECK(open_segment(&world, 1, &segment) == TDBPLUS_OK);
    CHECK(merge_segments(&world, &segment, 1, 2) == TDBPLUS_OK);
    CHECK(open_segment(&world, 2, &merged) == TDBPLUS_OK);
    check_segment(merged, &documents, 0, 1);
    segment_discard(segment);
    segment_discard(merged);
    buffer_deinit(&documents.bytes);
    world_deinit(&world);
}

/* Some 2 KiB in many members; with a long one in every `row`th. */
static void print_wide(uint32_t row, struct buffer *text)
{
    for (uint32_t i = 0; i < 60; i++) {
        buffer_printf(text, "%s\"member %u\": \"value %08x %08x\"", i == 0 ? "{" : ", ", i,
                      (row + i) * 2654435761u, row * i * 40503u);
    }
    if (row % 50 == 7) {
        buffer_printf(text, ", \"long\": \"%01500u\"", row);
    }
    buffer_put_text(text, row % 50 == 9 ? ", \"huge\": [" : "}");
    for (uint32_t i = 0; row % 50 == 9 && i < 2000; i++) {
        buffer_printf(text, i < 1999 ? "%u, " : "%u]}", row + i);
    }
}

TEST(long_documents_of_many_members_are_taken_apart_too)
{
    static struct documents documents;
    struct world world;
    world_init(&world);
    print_documents(&documents, 1200, print_wide);
    CHECK(documents.ends[0] > VALUE_INLINE_SIZE_MAX);
    struct segment *merged = merge_thirds(&world, &documents);
    check_segment(merged, &documents, 0, 1);
    (void)check_paths(merged, &documents);
    CHECK(merged->plan.path_count == 120); // Sixty in each column.
    // What has a long text, or is longer itself, is whole, and where values are.
    struct segment_values values;
    CHECK(segment_values_count(merged) > 0);
    uint64_t large = 0;
    for (uint32_t i = 0; i < segment_values_count(merged); i++) {
        segment_values_at(merged, i, &values);
        large += values.value_count;
    }
    CHECK(large == 2 * 2 * 1200 / 50);
    segment_discard(merged);
    buffer_deinit(&documents.bytes);
    world_deinit(&world);
}

TEST(numbers_keep_their_digits)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "-1",
                                          "1.0",
                                          "1.50",
                                          "0.1",
                                          "0.30",
                                          "1e3",
                                          "12.345",
                                          "100000000000",
                                          "1.7e5",
                                          "0.001",
                                          "-0.25",
                                          "99999.99",
                                          "3.14159265358979",
                                          "9007199254740993",
                                          "0.1000000000000000055"};
    struct json_builder builder;
    struct buffer document;
    struct buffer again;
    json_builder_init(&builder, &alloc_system);
    buffer_init(&document, &alloc_system);
    buffer_init(&again, &alloc_system);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t mantissa = 0;
        unsigned scale = 0;
        double real = 0;
        buffer_clear(&document);
        buffer_clear(&again);
        CHECK(json_parse(&builder, span_from_text(numbers[i]), &document, NULL) == TDBPLUS_OK);
        if (json_decimal(buffer_span(&document), &mantissa, &scale) &&
            shred_real_of_decimal(mantissa, scale, &real)) {
            struct datum value = {.type = type_of(TYPE_FLOAT8), .real = real};
            CHECK(shred_put_value(&value, &builder, &again, NULL) == TDBPLUS_OK);
            CHECK(span_compare(buffer_span(&document), buffer_span(&again)) == 0);
        }
    }
    json_builder_deinit(&builder);
    buffer_deinit(&document);
    buffer_deinit(&again);
}

TEST(writing_and_reading_survive_every_failed_allocation)
{
    static struct documents documents;
    struct world world;
    world_init(&world);
    make_documents(&documents, 60, 3);
    uint32_t fail_at = 0;
    for (bool all = false; !all; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        world.alloc = &fault.alloc;
        struct segment *segment = NULL;
        struct datum datum;
        struct batch batch;
        batch_init(&batch, &alloc_system);
        tdbplus_status status = write_segment(&world, &documents, 1, 0, 1);
        if (status == TDBPLUS_OK) {
            status = open_segment(&world, 1, &segment);
        }
        if (status == TDBPLUS_OK) {
            status = segment_value(segment, 5, 1, &batch, &datum, NULL);
        }
        all = status == TDBPLUS_OK;
        CHECK(all || status == TDBPLUS_E_NOMEM);
        batch_deinit(&batch);
        segment_close(segment);
        CHECK(fault.live_bytes == 0);
    }
    CHECK(fail_at > 30);
    buffer_deinit(&documents.bytes);
    world_deinit(&world);
}

TEST(sealed_lies_in_the_list_of_paths_are_refused)
{
    struct shred_plan plan;
    struct buffer bytes;
    static const char *const texts[] = {"{\"a\": 1, \"b\": {\"c\": \"x\", \"d\": 2.50}}"};
    struct json_builder builder;
    struct buffer document;
    json_builder_init(&builder, &alloc_system);
    buffer_init(&document, &alloc_system);
    buffer_init(&bytes, &alloc_system);
    CHECK(json_parse(&builder, span_from_text(texts[0]), &document, NULL) == TDBPLUS_OK);
    shred_plan_init(&plan, &alloc_system);
    struct span sample = buffer_span(&document);
    CHECK(shred_plan_choose(&plan, 1, &sample, 1, NULL) == TDBPLUS_OK);
    CHECK(plan.path_count == 3);
    shred_plan_encode(&plan, &bytes);
    for (size_t at = 0; at < bytes.size; at++) {
        for (uint32_t change = 1; change < 256; change += 1) {
            struct shred_plan read;
            shred_plan_init(&read, &alloc_system);
            bytes.data[at] ^= (uint8_t)change;
            tdbplus_status status =
                shred_plan_decode(buffer_span(&bytes), plan.path_count, 3, &read, NULL);
            CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
            bytes.data[at] ^= (uint8_t)change;
            shred_plan_deinit(&read);
        }
    }
    for (size_t size = 0; size < bytes.size; size++) {
        struct shred_plan read;
        shred_plan_init(&read, &alloc_system);
        CHECK(shred_plan_decode((struct span){bytes.data, size}, plan.path_count, 3, &read, NULL) ==
              TDBPLUS_E_CORRUPT);
        shred_plan_deinit(&read);
    }
    // The same path twice, and one that begins another.
    struct span whole = buffer_span(&bytes);
    size_t half = bytes.size;
    for (size_t i = 0; i < half; i++) {
        buffer_put_u8(&bytes, whole.data[i]);
        whole = (struct span){bytes.data, half};
    }
    struct shred_plan read;
    shred_plan_init(&read, &alloc_system);
    CHECK(shred_plan_decode(buffer_span(&bytes), 2 * plan.path_count, 3, &read, NULL) ==
          TDBPLUS_E_CORRUPT);
    shred_plan_deinit(&read);
    shred_plan_deinit(&plan);
    buffer_deinit(&bytes);
    buffer_deinit(&document);
    json_builder_deinit(&builder);
}
