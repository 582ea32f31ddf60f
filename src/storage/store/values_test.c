/*
 * Goal: large values are written once however often their rows are merged, files are written again
 * when a quarter of them is garbage and go when nothing refers to them, and all that stays so over
 * closing, backups and drops. Method: rows whose body follows from a number, on a directory in
 * memory; bytes are counted, not timed.
 */

#include "storage/store/values.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"

#include "test.h"

#define DIMENSION  128u
#define BODY_SIZE  4096u
#define KEYS       512u
#define VALUE_NONE 0u

struct fixture {
    struct env *env;
    struct store *store;
    const char *directory;
    uint32_t model[KEYS];
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = fixture->directory,
                                    .no_background = true,
                                    .merge_fan_out = 3,
                                    .memtable_size_bytes = 4 << 20};
    struct err err = {0};
    tdbplus_status status = store_open(&options, &fixture->store, &err);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "open: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void commit(struct fixture *fixture, const struct store_commit *commit)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = store_commit(fixture->store, commit, NULL, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "commit: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void create_collection(struct fixture *fixture)
{
    static uint32_t key = 0;
    static struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "id"},
        {.id = 2, .type = {.id = TYPE_VECTOR, .parameter = DIMENSION}, .name = "v"},
        {.id = 3, .type = {.id = TYPE_BYTEA}, .name = "body"},
    };
    columns[1].missing = (struct datum){.type = columns[1].type, .is_null = true};
    columns[2].missing = (struct datum){.type = columns[2].type, .is_null = true};
    struct schema schema = {.version = 1,
                            .column_count = 3,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 4};
    struct object_ref *object = NULL;
    CHECK(store_object_create(fixture->store, OBJECT_COLLECTION, "t", &schema, (struct span){0},
                              &object, NULL) == TDBPLUS_OK);
    struct catalog_change change = {.id = store_object_get(object)->id, .after = object};
    struct store_commit create = {.changes = &change, .change_count = 1};
    commit(fixture, &create);
    store_object_release(object);
}

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.directory = "db"};
    CHECK(env_ram_create(&alloc_system, &fixture->env, NULL) == TDBPLUS_OK);
    open_store(fixture);
    create_collection(fixture);
}

static void end(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static const struct object *find(struct fixture *fixture, struct catalog **catalog)
{
    *catalog = catalog_acquire(fixture->store);
    return catalog_find(*catalog, OBJECT_COLLECTION, "t");
}

/* What the row's columns are; nothing of it can be compressed. */
static void make_values(uint32_t key, uint32_t value, uint8_t *vector, uint8_t *body,
                        struct datum values[3])
{
    for (uint32_t i = 0; i < DIMENSION; i++) {
        float item = (float)(hash_combine(value, i) % 1000003);
        memcpy(vector + i * sizeof item, &item, sizeof item);
    }
    for (uint32_t i = 0; i < BODY_SIZE; i += 8) {
        uint64_t word = hash_combine(value, i + 5000);
        memcpy(body + i, &word, sizeof word);
    }
    values[0] = (struct datum){.type = type_of(TYPE_INT8), .integer = key};
    values[1] = (struct datum){.type = type_of(TYPE_VECTOR)};
    values[1].type.parameter = DIMENSION;
    values[1].bytes = (struct span){vector, DIMENSION * sizeof(float)};
    values[2] = (struct datum){.type = type_of(TYPE_BYTEA), .bytes = {body, BODY_SIZE}};
}

/* Puts rows first, first + stride, ... with `value` and up, or deletes them with VALUE_NONE. */
static void write_rows(struct fixture *fixture, uint32_t first, uint32_t stride, uint32_t value)
{
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    struct arena arena = {0};
    arena_init(&arena, &alloc_system, 0);
    struct commit_op ops[KEYS];
    uint32_t count = 0;
    for (uint32_t key = first; key < KEYS; key += stride) {
        uint8_t vector[DIMENSION * sizeof(float)];
        uint8_t body[BODY_SIZE];
        struct datum values[3];
        fixture->model[key] = value == VALUE_NONE ? VALUE_NONE : value + key;
        make_values(key, fixture->model[key], vector, body, values);
        struct buffer buffer = {.alloc = &alloc_system};
        CHECK(key_encode(values, 1, &buffer, NULL) == TDBPLUS_OK);
        size_t key_size = buffer.size;
        row_encode(object->schema, values, &buffer);
        uint8_t *copy = arena_bytes(&arena, buffer.size);
        memcpy(copy, buffer.data, buffer.size);
        struct commit_op *op = &ops[count++];
        *op = (struct commit_op){.kind = value == VALUE_NONE ? COMMIT_DELETE : COMMIT_PUT,
                                 .key = {copy, key_size}};
        op->code = key_code(op->key);
        op->hash = key_hash(op->key);
        if (value != VALUE_NONE) {
            op->row = (struct span){copy + key_size, buffer.size - key_size};
        }
        buffer_deinit(&buffer);
    }
    struct commit_group group = {
        .collection = object->collection, .schema = object->schema, .ops = ops, .op_count = count};
    struct store_commit rows = {.groups = &group, .group_count = 1};
    commit(fixture, &rows);
    arena_deinit(&arena);
    catalog_release(catalog);
}

static void check_row(struct version *version, const struct schema *schema, uint32_t key,
                      uint32_t value)
{
    uint8_t bytes[8];
    store_u64_be(bytes, key_code_of_integer(key));
    struct span span = {.data = bytes, .size = 8};
    struct segment_key wanted = {.key = span, .code = key_code(span), .hash = key_hash(span)};
    struct row_place place = {0};
    CHECK(version_find(version, &wanted, UINT64_MAX - 1, &place, NULL) == TDBPLUS_OK);
    CHECK(place.found == (value != VALUE_NONE));
    if (place.found) {
        uint8_t vector[DIMENSION * sizeof(float)];
        uint8_t body[BODY_SIZE];
        struct datum expected[3];
        struct datum found[3];
        struct batch batch;
        batch_init(&batch, &alloc_system);
        make_values(key, value, vector, body, expected);
        CHECK(version_row(version, &place, schema, NULL, 3, &batch, found, NULL) == TDBPLUS_OK);
        CHECK(datum_compare(&found[1], &expected[1]) == 0);
        CHECK(datum_compare(&found[2], &expected[2]) == 0);
        batch_deinit(&batch);
    }
}

static tdbplus_status count_file(void *ctx, const char *name, bool is_directory)
{
    (void)is_directory;
    *(uint64_t *)ctx += strncmp(name, "values-", 7) == 0 ? 1 : 0;
    return TDBPLUS_OK;
}

/* All rows, all files, and that the directory has no value file besides. */
static void check_all(struct fixture *fixture)
{
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    struct version *version = version_acquire(object->collection);
    for (uint32_t key = 0; key < KEYS; key++) {
        check_row(version, object->schema, key, fixture->model[key]);
    }
    version_release(version);
    catalog_release(catalog);
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = store_verify(fixture->store, NULL, NULL, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "verify: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
    CHECK(epoch_collect(&fixture->store->epoch));
    struct store_statistics statistics;
    store_get_statistics(fixture->store, &statistics);
    uint64_t count = 0;
    CHECK(env_list(fixture->env, fixture->directory, count_file, &count, NULL) == TDBPLUS_OK);
    CHECK(count == statistics.value_file_count);
}

static void flush(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    CHECK(store_flush(fixture->store, &call) == TDBPLUS_OK);
}

/* As the background does: as long as the policy wants to. */
static uint32_t merge(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    uint32_t merges = 0;
    bool found = true;
    while (found) {
        CHECK(collection_merge(object->collection, false, &call, &found) == TDBPLUS_OK);
        merges += found ? 1 : 0;
    }
    catalog_release(catalog);
    return merges;
}

static void optimize(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    CHECK(store_optimize(fixture->store, 0, &call) == TDBPLUS_OK);
}

static struct store_statistics statistics_of(struct fixture *fixture)
{
    struct store_statistics statistics;
    store_get_statistics(fixture->store, &statistics);
    return statistics;
}

TEST(values_are_written_once_however_often_rows_are_merged)
{
    struct fixture fixture;
    begin(&fixture);
    uint32_t merges = 0;
    for (uint32_t i = 0; i < 27; i++) {
        write_rows(&fixture, i, 27, 1);
        flush(&fixture);
        merges += merge(&fixture);
    }
    check_all(&fixture);
    struct store_statistics statistics = statistics_of(&fixture);
    uint64_t written = statistics.flush_written_bytes + statistics.merge_written_bytes;
    CHECK(merges >= 9);
    CHECK(statistics.value_file_count == 27);
    // Each row took part in several merges; with its values it would have been written each time.
    CHECK(written < statistics.ingested_bytes + statistics.ingested_bytes / 4);
    optimize(&fixture);
    CHECK(statistics_of(&fixture).value_file_count == 27);
    check_all(&fixture);
    end(&fixture);
}

TEST(a_file_is_written_again_when_a_quarter_is_garbage)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 1, 1);
    flush(&fixture);
    uint64_t size = statistics_of(&fixture).value_file_bytes;
    write_rows(&fixture, 0, 8, VALUE_NONE);
    optimize(&fixture);
    check_all(&fixture);
    struct store_statistics statistics = statistics_of(&fixture);
    CHECK(statistics.value_file_count == 1);
    CHECK(statistics.value_file_bytes == size); // An eighth is no reason.
    CHECK(statistics.value_garbage_bytes > size / 10);
    uint64_t garbage = statistics.value_garbage_bytes;
    store_close(fixture.store);
    open_store(&fixture);
    CHECK(statistics_of(&fixture).value_garbage_bytes == garbage);
    write_rows(&fixture, 1, 4, VALUE_NONE);
    optimize(&fixture);
    check_all(&fixture);
    statistics = statistics_of(&fixture);
    CHECK(statistics.value_file_count == 1);
    CHECK(statistics.value_garbage_bytes == 0);
    CHECK(statistics.value_file_bytes < size * 3 / 4);
    end(&fixture);
}

/* Forgets when rows ended, as the background does once no snapshot can ask. */
static void forget_ends(struct fixture *fixture)
{
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    struct version *version = version_acquire(object->collection);
    for (uint32_t i = 0; i < version->segment_count; i++) {
        delete_map_forget(version->segments[i]->deletes, UINT64_MAX - 1);
    }
    version_release(version);
    catalog_release(catalog);
}

TEST(garbage_alone_is_a_reason_to_merge)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 1, 1);
    flush(&fixture);
    write_rows(&fixture, 0, 2, VALUE_NONE);
    flush(&fixture);
    CHECK(merge(&fixture) == 0); // A snapshot might still ask.
    forget_ends(&fixture);
    CHECK(merge(&fixture) == 1);
    check_all(&fixture);
    CHECK(statistics_of(&fixture).value_garbage_bytes == 0);
    end(&fixture);
}

TEST(rows_that_are_all_gone_leave_no_file)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 2, 1);
    flush(&fixture);
    write_rows(&fixture, 1, 2, 7000);
    flush(&fixture);
    write_rows(&fixture, 0, 1, VALUE_NONE);
    optimize(&fixture);
    check_all(&fixture);
    CHECK(statistics_of(&fixture).value_file_count == 0);
    end(&fixture);
}

TEST(a_dropped_collection_takes_its_value_files_along)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 1, 1);
    flush(&fixture);
    struct catalog *catalog = NULL;
    const struct object *object = find(&fixture, &catalog);
    struct catalog_change change = {.id = object->id, .before = object};
    struct store_commit drop = {.changes = &change, .change_count = 1};
    commit(&fixture, &drop);
    catalog_release(catalog);
    // A segment that goes retires its cached pages, so the second one finds the last of it.
    (void)epoch_collect(&fixture.store->epoch);
    CHECK(epoch_collect(&fixture.store->epoch));
    uint64_t count = 0;
    CHECK(env_list(fixture.env, "db", count_file, &count, NULL) == TDBPLUS_OK);
    CHECK(count == 0);
    store_close(fixture.store);
    open_store(&fixture);
    CHECK(statistics_of(&fixture).value_file_count == 0);
    end(&fixture);
}

TEST(a_backup_has_the_value_files)
{
    struct fixture fixture;
    begin(&fixture);
    for (uint32_t i = 0; i < 4; i++) {
        write_rows(&fixture, i, 4, 1 + i);
        flush(&fixture);
    }
    merge(&fixture);
    write_rows(&fixture, 3, 5, VALUE_NONE);
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    CHECK(store_backup(fixture.store, "copy", &call) == TDBPLUS_OK);
    store_close(fixture.store);
    fixture.directory = "copy";
    open_store(&fixture);
    check_all(&fixture);
    CHECK(statistics_of(&fixture).value_file_count == 4);
    end(&fixture);
}

TEST(a_value_file_that_is_missing_or_another_is_damage)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 1, 1);
    flush(&fixture);
    struct catalog *catalog = NULL;
    const struct object *object = find(&fixture, &catalog);
    struct version *version = version_acquire(object->collection);
    struct segment_values values;
    segment_values_at(version->segments[0]->segment, 0, &values);
    version_release(version);
    catalog_release(catalog);
    char path[ENV_PATH_SIZE_MAX];
    CHECK(store_path(fixture.store, path, "values", values.file_id, NULL) == TDBPLUS_OK);
    store_close(fixture.store);
    CHECK(env_rename(fixture.env, path, "aside", NULL) == TDBPLUS_OK);
    struct store_options options = {
        .env = fixture.env, .alloc = &alloc_system, .directory = "db", .no_background = true};
    struct err err = {0};
    CHECK(store_open(&options, &fixture.store, &err) == TDBPLUS_E_CORRUPT);
    CHECK(strstr(err.text, "values-") != NULL);
    CHECK(env_rename(fixture.env, "aside", path, NULL) == TDBPLUS_OK);
    open_store(&fixture);
    check_all(&fixture);
    end(&fixture);
}

TEST(many_small_files_are_copied_together_and_large_ones_are_not)
{
    struct fixture fixture;
    begin(&fixture);
    write_rows(&fixture, 0, 1, 1);
    flush(&fixture);
    for (uint32_t i = 0; i < VALUES_FILES_MANY + 20; i++) {
        write_rows(&fixture, KEYS - 1 - i, KEYS, 1000 + i);
        flush(&fixture);
        merge(&fixture);
    }
    optimize(&fixture);
    check_all(&fixture);
    struct store_statistics statistics = statistics_of(&fixture);
    CHECK(statistics.value_file_count <= VALUES_FILES_MANY);
    end(&fixture);
}
