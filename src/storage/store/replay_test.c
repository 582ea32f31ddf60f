/*
 * Goal: after replaying the log every snapshot since the last flush sees what it saw before,
 * however puts and deletes of a key follow each other, wherever the older row lies, and whether
 * memtables fill up on the way or memory runs out once.
 *
 * Method: random commits to a collection of integer keys and one of text keys, many of which agree
 * in their first eight or sixteen bytes; a plain array of every key's history as the model; closing
 * without a flush and opening again.
 */

#include <stdlib.h>

#include "storage/store/store.h"
#include "storage/store/store_commit.h"
#include "storage/store/store_internal.h"
#include "storage/store/store_read.h"

#include "test.h"

#define KEY_COUNT   300u
#define STEP_COUNT  400u
#define OPS_MAX     12u
#define TABLE_COUNT 2u

struct model {
    uint64_t timestamps[STEP_COUNT]; /* When step i was seen. */
    uint32_t values[STEP_COUNT][TABLE_COUNT][KEY_COUNT];
    uint32_t count;
    uint32_t first; /* Steps before it are older than a flush. */
};

static struct model model;
static struct env *env;
static struct store *store;

static size_t memory_limit; /* 0: the usual one. */

static tdbplus_status open_with(const struct alloc *alloc, size_t memtable_size, struct err *err)
{
    struct store_options options = {.env = env,
                                    .alloc = alloc,
                                    .directory = "db",
                                    .memory_limit_bytes = memory_limit,
                                    .no_background = true,
                                    .memtable_size_bytes = memtable_size,
                                    .log_file_size = 1 << 20};
    return store_open(&options, &store, err);
}

static void open_store(size_t memtable_size)
{
    struct err err = {0};
    if (open_with(&alloc_system, memtable_size, &err) != TDBPLUS_OK) {
        fprintf(stderr, "open: %s\n", err.text);
        CHECK(false);
    }
}

static void commit(const struct store_commit *commit)
{
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    if (store_commit(store, commit, NULL, &call) != TDBPLUS_OK) {
        fprintf(stderr, "commit: %s\n", err.text);
        CHECK(false);
    }
}

static const char *table_name(uint32_t table)
{
    return table == 0 ? "integers" : "texts";
}

static void create_table(uint32_t table)
{
    struct type type = {.id = table == 0 ? TYPE_INT8 : TYPE_TEXT};
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = type, .name = "id"},
        {.id = 2, .type = {.id = TYPE_TEXT}, .name = "body", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3};
    struct object_ref *object = NULL;
    CHECK(store_object_create(store, OBJECT_COLLECTION, table_name(table), &schema,
                              (struct span){0}, &object, NULL) == TDBPLUS_OK);
    struct catalog_change change = {.id = store_object_get(object)->id, .after = object};
    struct store_commit create = {.changes = &change, .change_count = 1};
    commit(&create);
    store_object_release(object);
}

/* ---- keys and rows ---- */

/* A third of the texts differ in their first bytes, a third after eight, a third after sixteen. */
static struct datum key_datum(uint32_t table, uint32_t number, char text[64])
{
    static const char *const heads[3] = {"", "prefix--", "prefix--of-sixteen-and-more-"};
    if (table == 0) {
        return (struct datum){.type = {.id = TYPE_INT8}, .integer = (int64_t)number * 1000003 - 7};
    }
    (void)snprintf(text, 64, "%s%u", heads[number % 3], number * 7919 % 1000);
    return (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
}

struct test_op {
    uint8_t key[128];
    uint8_t row[256];
};

/* Value 0 deletes; else the row's text is the number. */
static struct commit_op make_op(const struct schema *schema, uint32_t table, uint32_t number,
                                uint32_t value, struct test_op *bytes)
{
    char text[64];
    char body[64];
    (void)snprintf(body, sizeof body, "a value of some length: %u", value);
    struct datum values[2] = {key_datum(table, number, text),
                              {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(body)}};
    struct buffer key = {.alloc = &alloc_system};
    struct buffer row = {.alloc = &alloc_system};
    CHECK(key_encode(values, 1, &key, NULL) == TDBPLUS_OK);
    row_encode(schema, values, &row);
    CHECK(key.size <= sizeof bytes->key && row.size <= sizeof bytes->row);
    memcpy(bytes->key, key.data, key.size);
    memcpy(bytes->row, row.data, row.size);
    struct commit_op op = {.kind = value == 0 ? COMMIT_DELETE : COMMIT_PUT,
                           .key = {.data = bytes->key, .size = key.size}};
    op.code = key_code(op.key);
    op.hash = key_hash(op.key);
    if (value != 0) {
        op.row = (struct span){.data = bytes->row, .size = row.size};
    }
    buffer_deinit(&key);
    buffer_deinit(&row);
    return op;
}

/* The number in the row's text; 0 when there is no row. */
static uint32_t read_value(const struct object *object, uint32_t table, uint32_t number,
                           uint64_t snapshot)
{
    char text[64];
    struct datum wanted = key_datum(table, number, text);
    struct buffer encoded = {.alloc = &alloc_system};
    CHECK(key_encode(&wanted, 1, &encoded, NULL) == TDBPLUS_OK);
    struct span span = buffer_span(&encoded);
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
        char body[64] = {0};
        CHECK(values[1].bytes.size < sizeof body);
        memcpy(body, values[1].bytes.data, values[1].bytes.size);
        CHECK(sscanf(body, "a value of some length: %u", &value) == 1);
        batch_deinit(&batch);
    }
    version_release(version);
    buffer_deinit(&encoded);
    return value;
}

/* ---- steps ---- */

/* One commit to both tables, or to one; a key once at most. */
static void random_commit(uint32_t *state, uint32_t key_count)
{
    struct catalog *catalog = catalog_acquire(store);
    static struct test_op bytes[TABLE_COUNT][OPS_MAX];
    struct commit_op ops[TABLE_COUNT][OPS_MAX];
    struct commit_group groups[TABLE_COUNT];
    uint32_t group_count = 0;
    uint32_t step = model.count;
    memcpy(model.values[step], model.values[step - 1], sizeof model.values[step]);
    for (uint32_t table = 0; table < TABLE_COUNT; table++) {
        uint32_t wanted = (uint32_t)rand_r(state) % OPS_MAX;
        uint32_t count = 0;
        bool used[KEY_COUNT] = {false};
        const struct object *object = catalog_find(catalog, OBJECT_COLLECTION, table_name(table));
        for (uint32_t i = 0; i < wanted; i++) {
            uint32_t number = (uint32_t)rand_r(state) % key_count;
            uint32_t value = rand_r(state) % 3 == 0 ? 0 : 1 + (uint32_t)rand_r(state) % 1000000;
            if (used[number]) {
                continue;
            }
            used[number] = true;
            ops[table][count] = make_op(object->schema, table, number, value, &bytes[table][count]);
            count++;
            model.values[step][table][number] = value;
        }
        if (count > 0) {
            groups[group_count++] = (struct commit_group){.collection = object->collection,
                                                          .schema = object->schema,
                                                          .ops = ops[table],
                                                          .op_count = count};
        }
    }
    struct store_commit rows = {.groups = groups, .group_count = group_count};
    commit(&rows);
    model.timestamps[step] = store_visible_timestamp(store);
    model.count++;
    catalog_release(catalog);
}

static void check_step(uint32_t step)
{
    struct catalog *catalog = catalog_acquire(store);
    for (uint32_t table = 0; table < TABLE_COUNT; table++) {
        const struct object *object = catalog_find(catalog, OBJECT_COLLECTION, table_name(table));
        for (uint32_t number = 0; number < KEY_COUNT; number++) {
            CHECK(read_value(object, table, number, model.timestamps[step]) ==
                  model.values[step][table][number]);
        }
    }
    catalog_release(catalog);
}

static void check_model(void)
{
    for (uint32_t step = model.first; step < model.count; step += 1 + step % 7) {
        check_step(step);
    }
    check_step(model.count - 1);
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    CHECK(store_verify(store, NULL, NULL, &call) == TDBPLUS_OK);
}

static void flush(void)
{
    struct call call = {.alloc = &alloc_system};
    CHECK(store_flush(store, &call) == TDBPLUS_OK);
    model.first = model.count - 1;
}

static void begin(size_t memtable_size)
{
    CHECK(env_ram_create(&alloc_system, &env, NULL) == TDBPLUS_OK);
    open_store(memtable_size);
    create_table(0);
    create_table(1);
    memset(&model, 0, sizeof model);
    model.timestamps[0] = store_visible_timestamp(store);
    model.count = 1;
}

static void end(void)
{
    store_close(store);
    env_ram_destroy(env);
}

/* What was written with one size of memtable is replayed with another, so that the replayed rows
 * lie in one memtable or in several. */
static void replay_often(size_t written, size_t replayed, uint32_t key_count, uint32_t seed)
{
    uint32_t state = seed;
    begin(written);
    while (model.count < STEP_COUNT) {
        random_commit(&state, key_count);
        uint32_t dice = (uint32_t)rand_r(&state) % 60;
        if (dice == 0) {
            flush();
        } else if (dice <= 2) {
            store_close(store);
            open_store(dice == 1 ? replayed : written);
            check_model();
        }
    }
    store_close(store);
    open_store(replayed);
    check_model();
    end();
}

TEST(replayed_rows_are_seen_as_before_by_every_snapshot)
{
    for (uint32_t seed = 1; seed <= 8; seed++) {
        replay_often(1 << 20, 1 << 20, seed % 2 == 0 ? KEY_COUNT : 10, seed);
    }
}

TEST(rows_that_do_not_fit_one_memtable_are_replayed_into_several)
{
    for (uint32_t seed = 1; seed <= 12; seed++) {
        replay_often(seed % 2 == 0 ? 1 << 20 : 1 << 14, seed % 3 == 0 ? 1 << 20 : 1 << 14,
                     seed % 4 == 0 ? 40 : KEY_COUNT, seed);
    }
}

TEST(a_replay_survives_every_failed_allocation)
{
    uint32_t state = 99;
    begin(1 << 20);
    for (uint32_t i = 0; i < 60; i++) {
        random_commit(&state, KEY_COUNT);
        if (i == 30) {
            flush();
        }
    }
    store_close(store);
    uint32_t refused = 0;
    bool reached = true;
    for (uint32_t fail_at = 0; reached; fail_at++) {
        struct fault_alloc fault;
        struct err err = {0};
        fault_alloc_init(&fault, fail_at);
        tdbplus_status status = open_with(&fault.alloc, 1 << 20, &err);
        reached = atomic_load(&fault.calls) > fail_at;
        if (status == TDBPLUS_OK) {
            check_model();
            store_close(store);
        } else {
            CHECK(status == TDBPLUS_E_NOMEM);
            refused++;
        }
        CHECK(atomic_load(&fault.live_bytes) == 0);
    }
    CHECK(refused > 20);
    open_store(1 << 20);
    check_model();
    end();
}

/* The less memory, the sooner what waits gives way; too little is an error and nothing else. */
TEST(a_replay_with_little_memory_is_whole_or_refused)
{
    uint32_t state = 7;
    begin(1 << 24);
    while (model.count < STEP_COUNT) {
        random_commit(&state, KEY_COUNT);
    }
    store_close(store);
    uint32_t refused = 0;
    uint32_t opened = 0;
    for (memory_limit = (size_t)4 << 20; memory_limit > (size_t)64 << 10;
         memory_limit -= memory_limit / 40) {
        struct err err = {0};
        tdbplus_status status = open_with(&alloc_system, 1 << 24, &err);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        if (status == TDBPLUS_OK) {
            check_step(model.count - 1);
            opened++;
            store_close(store);
        } else {
            refused++;
        }
    }
    CHECK(refused > 5 && opened > 5);
    memory_limit = 0;
    open_store(1 << 24);
    check_model();
    end();
}
