/*
 * Goal: whatever is committed is read back, at once, after flushes and merges, and after reopening;
 * snapshots keep seeing what they saw. Method: random commits against a plain array as the model,
 * on a directory in memory, so that closing and opening again is cheap.
 */

#include "storage/store/store.h"

#include <stdlib.h>

#include "base/arena.h"
#include "storage/store/store_commit.h"
#include "storage/store/store_internal.h"
#include "storage/store/store_read.h"

#include "test.h"

#define KEY_COUNT 500u

struct fixture {
    struct env *env;
    struct store *store;
    const char *directory;
    bool has_background;
};

static const struct schema_column columns[] = {
    {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "id"},
    {.id = 2, .type = {.id = TYPE_TEXT}, .name = "body", .missing = {.is_null = true}},
};

static struct schema description(void)
{
    static uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = (struct schema_column *)(uintptr_t)columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3};
    return schema;
}

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = fixture->directory,
                                    .no_background = !fixture->has_background,
                                    .memtable_size_bytes = 1 << 16,
                                    .log_file_size = 1 << 20};
    struct err err = {0};
    tdbplus_status status = store_open(&options, &fixture->store, &err);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "open: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.directory = "db"};
    CHECK(env_ram_create(&alloc_system, &fixture->env, NULL) == TDBPLUS_OK);
    open_store(fixture);
}

static void end(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
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
    struct schema schema = description();
    struct object_ref *object = NULL;
    CHECK(store_object_create(fixture->store, OBJECT_COLLECTION, "t", &schema, (struct span){0},
                              &object, NULL) == TDBPLUS_OK);
    struct catalog_change change = {.id = store_object_get(object)->id, .after = object};
    struct store_commit create = {.changes = &change, .change_count = 1};
    commit(fixture, &create);
    store_object_release(object);
}

/* The collection's object; the catalog must be released by the caller. */
static const struct object *find(struct fixture *fixture, struct catalog **catalog)
{
    *catalog = catalog_acquire(fixture->store);
    const struct object *object = catalog_find(*catalog, OBJECT_COLLECTION, "t");
    CHECK(object != NULL);
    return object;
}

/* value 0 deletes; else the row's text is the number. */
struct change {
    uint32_t key;
    uint32_t value;
};

static void write_changes(struct fixture *fixture, const struct change *changes, uint32_t count)
{
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    struct arena arena = {0};
    arena_init(&arena, &alloc_system, 0);
    struct commit_op *ops = arena_array(&arena, count, sizeof *ops);
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "value %u", changes[i].value);
        struct datum values[2] = {
            {.type = {.id = TYPE_INT8}, .integer = (int64_t)changes[i].key - 100},
            {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)}};
        struct buffer buffer = {.alloc = &alloc_system};
        CHECK(key_encode(values, 1, &buffer, NULL) == TDBPLUS_OK);
        size_t key_size = buffer.size;
        row_encode(object->schema, values, &buffer);
        uint8_t *copy = arena_bytes(&arena, buffer.size);
        memcpy(copy, buffer.data, buffer.size);
        ops[i].kind = changes[i].value == 0 ? COMMIT_DELETE : COMMIT_PUT;
        ops[i].key = (struct span){.data = copy, .size = key_size};
        ops[i].code = key_code(ops[i].key);
        ops[i].hash = key_hash(ops[i].key);
        if (changes[i].value != 0) {
            ops[i].row = (struct span){.data = copy + key_size, .size = buffer.size - key_size};
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

/* The number in the row's text; 0 when there is no row. */
static uint32_t read_value(struct fixture *fixture, uint32_t number, uint64_t snapshot)
{
    struct catalog *catalog = NULL;
    const struct object *object = find(fixture, &catalog);
    uint8_t bytes[8];
    store_u64_be(bytes, key_code_of_integer((int64_t)number - 100));
    struct span span = {.data = bytes, .size = 8};
    struct segment_key key = {.key = span, .code = key_code(span), .hash = key_hash(span)};
    struct version *version = version_acquire(object->collection);
    struct row_place place = {0};
    uint32_t value = 0;
    CHECK(version_find(version, &key, snapshot, &place, NULL) == TDBPLUS_OK);
    if (place.found) {
        struct batch batch;
        batch_init(&batch, &alloc_system);
        struct datum values[2];
        CHECK(version_row(version, &place, object->schema, NULL, 2, &batch, values, NULL) ==
              TDBPLUS_OK);
        CHECK(values[0].integer == (int64_t)number - 100);
        char text[64] = {0};
        CHECK(values[1].bytes.size < sizeof text);
        memcpy(text, values[1].bytes.data, values[1].bytes.size);
        CHECK(sscanf(text, "value %u", &value) == 1);
        batch_deinit(&batch);
    }
    version_release(version);
    catalog_release(catalog);
    return value;
}

static void check_model(struct fixture *fixture, const uint32_t *model, uint64_t snapshot)
{
    for (uint32_t key = 0; key < KEY_COUNT; key++) {
        CHECK(read_value(fixture, key, snapshot) == model[key]);
    }
}

static void flush(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = store_flush(fixture->store, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "flush: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void optimize(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = store_optimize(fixture->store, 0, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "optimize: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void verify(struct fixture *fixture)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    tdbplus_status status = store_verify(fixture->store, NULL, NULL, &call);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "verify: %s\n", err.text);
    }
    CHECK(status == TDBPLUS_OK);
}

static void random_commit(struct fixture *fixture, uint32_t *model, uint32_t *state)
{
    struct change changes[20];
    uint32_t count = 0;
    uint32_t wanted = 1 + (uint32_t)rand_r(state) % 20;
    bool used[KEY_COUNT] = {false};
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t key = (uint32_t)rand_r(state) % KEY_COUNT;
        if (used[key]) {
            continue;
        }
        used[key] = true;
        uint32_t value = rand_r(state) % 4 == 0 ? 0 : 1 + (uint32_t)rand_r(state) % 1000000;
        changes[count++] = (struct change){.key = key, .value = value};
        model[key] = value;
    }
    write_changes(fixture, changes, count);
}

TEST(commits_are_read_back_through_flush_merge_and_reopen)
{
    struct fixture fixture;
    begin(&fixture);
    create_collection(&fixture);
    uint32_t model[KEY_COUNT] = {0};
    uint32_t state = 7;
    for (uint32_t round = 0; round < 400; round++) {
        random_commit(&fixture, model, &state);
        uint32_t dice = (uint32_t)rand_r(&state) % 40;
        if (dice == 0) {
            flush(&fixture);
        } else if (dice == 1) {
            optimize(&fixture);
        } else if (dice == 2) {
            store_close(fixture.store);
            open_store(&fixture);
        }
        if (dice < 6) {
            check_model(&fixture, model, UINT64_MAX - 1);
            verify(&fixture);
        }
    }
    check_model(&fixture, model, store_visible_timestamp(fixture.store));
    end(&fixture);
}

TEST(a_snapshot_keeps_seeing_what_it_saw)
{
    struct fixture fixture;
    begin(&fixture);
    create_collection(&fixture);
    uint32_t model[KEY_COUNT] = {0};
    uint32_t state = 11;
    for (uint32_t round = 0; round < 60; round++) {
        random_commit(&fixture, model, &state);
    }
    struct store_snapshot snapshot = {0};
    uint32_t then[KEY_COUNT];
    store_snapshot_acquire(fixture.store, &snapshot);
    memcpy(then, model, sizeof then);
    for (uint32_t round = 0; round < 60; round++) {
        random_commit(&fixture, model, &state);
        if (round % 10 == 3) {
            flush(&fixture);
        }
        if (round % 20 == 15) {
            optimize(&fixture);
        }
    }
    check_model(&fixture, then, snapshot.timestamp);
    check_model(&fixture, model, store_visible_timestamp(fixture.store));
    store_snapshot_release(fixture.store, &snapshot);
    end(&fixture);
}

/* Counters of a store whose background works, once it has merged `count` times, or after 10 s. */
static struct store_statistics wait_for_merges(struct fixture *fixture, uint64_t count)
{
    struct store_statistics statistics = {0};
    for (uint32_t i = 0; i < 200; i++) {
        store_get_statistics(fixture->store, &statistics);
        if (statistics.merge_count >= count) {
            break;
        }
        env_sleep_us(fixture->env, 50000);
    }
    return statistics;
}

TEST(a_quiet_store_merges_what_little_it_has_within_its_allowance)
{
    struct fixture fixture = {.directory = "db", .has_background = true};
    uint32_t model[KEY_COUNT] = {0};
    uint32_t state = 7;
    CHECK(env_ram_create(&alloc_system, &fixture.env, NULL) == TDBPLUS_OK);
    open_store(&fixture);
    create_collection(&fixture);
    for (uint32_t i = 0; i < 3; i++) {
        random_commit(&fixture, model, &state);
        flush(&fixture);
    }
    struct store_statistics statistics = wait_for_merges(&fixture, 1);
    CHECK(statistics.merge_count == 1);
    CHECK(statistics.segment_count == 1);
    // Such merges may write one and a quarter times what flushes wrote. This one took most of that.
    for (uint32_t i = 0; i < 3; i++) {
        write_changes(&fixture, &(struct change){.key = i, .value = 1}, 1);
        model[i] = 1;
        flush(&fixture);
    }
    env_sleep_us(fixture.env, 1500000);
    store_get_statistics(fixture.store, &statistics);
    CHECK(4 * statistics.merge_written_bytes <= 5 * statistics.flush_written_bytes);
    check_model(&fixture, model, UINT64_MAX - 1);
    end(&fixture);
}

TEST(an_open_database_cannot_be_opened_twice)
{
    struct fixture fixture;
    begin(&fixture);
    struct store_options options = {
        .env = fixture.env, .alloc = &alloc_system, .directory = fixture.directory};
    struct store *second = NULL;
    struct err err = {0};
    CHECK(store_open(&options, &second, &err) == TDBPLUS_E_BUSY);
    CHECK(err.hint[0] != '\0');
    end(&fixture);
}

TEST(a_missing_database_is_not_made_when_it_must_exist)
{
    struct env *env = NULL;
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    struct store_options options = {
        .env = env, .alloc = &alloc_system, .directory = "nowhere", .must_exist = true};
    struct store *store = NULL;
    CHECK(store_open(&options, &store, NULL) == TDBPLUS_E_NOT_FOUND);
    env_ram_destroy(env);
}

TEST(a_row_expires_in_the_moment_of_its_limit_and_one_without_a_time_never)
{
    struct expiry expiry = {.active = true, .limit = 5};
    struct datum value = {.type = {.id = TYPE_TIMESTAMP}, .integer = 6};
    CHECK(!expiry_of_value(&expiry, &value));
    value.integer = 5;
    CHECK(expiry_of_value(&expiry, &value));
    value.integer = INT64_MIN;
    CHECK(expiry_of_value(&expiry, &value));
    value.is_null = true;
    CHECK(!expiry_of_value(&expiry, &value));
}
