/*
 * Goal: a row whose time is over is seen by nobody, whoever asks and however, a snapshot that saw
 * it goes on seeing it, and flushes and merges take it away without losing others. Method: rows of
 * different ages, with times that pass while the test sleeps, read by scans, keys and loads, before
 * and after flushes, merges and reopening.
 */

#include "txn/bulk.h"

#include "storage/store/store_read.h"
#include "store_fixture.h"

#define TTL_US   ((int64_t)60 * 1000000)
#define DAY_US   ((int64_t)86400 * 1000000)
#define ROWS     3000
#define SHORT_US ((int64_t)150000)

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    uint8_t type;
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static struct txn *begin(struct fixture *fixture, uint8_t isolation)
{
    struct txn_options options = {.isolation = isolation, .durability = -1};
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

static void begin_fixture(struct fixture *fixture, uint8_t type)
{
    *fixture = (struct fixture){.type = type};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture);
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = type}, .name = "at", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3,
                            .ttl_column_id = 2,
                            .ttl_us = type == TYPE_DATE ? 2 * DAY_US : TTL_US};
    uint64_t id = 0;
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(txn_object_create(txn, OBJECT_COLLECTION, "t", &schema, (struct span){0}, &id,
                         &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

/* A time so long ago; negative: null. */
static struct datum ago(struct fixture *fixture, int64_t age_us)
{
    int64_t now = (int64_t)env_clock_wall_us(fixture->env);
    int64_t at = now - age_us;
    return (struct datum){.type = {.id = fixture->type},
                          .is_null = age_us < 0,
                          .integer = fixture->type == TYPE_DATE ? at / DAY_US : at};
}

static tdbplus_status put(struct fixture *fixture, struct txn *txn, uint8_t mode, int64_t number,
                          int64_t age_us)
{
    err_clear(&fixture->err);
    struct datum values[] = {{.type = {.id = TYPE_INT8}, .integer = number}, ago(fixture, age_us)};
    return txn_write(txn, fixture_table(txn, "t"), mode, values, NULL, &fixture->call);
}

static void put_now(struct fixture *fixture, uint8_t mode, int64_t number, int64_t age_us)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, mode, number, age_us));
    OK(txn_commit(txn, &fixture->call));
}

static bool get(struct fixture *fixture, struct txn *txn, int64_t number)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = number};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct datum values[2];
    struct datum many[2];
    struct datum *room = many;
    struct batch *batches = &batch;
    const struct datum *keys = &key;
    bool found = false;
    bool found_many = false;
    OK(txn_get(txn, fixture_table(txn, "t"), &key, NULL, 0, &batch, values, &found,
               &fixture->call));
    OK(txn_get_many(txn, fixture_table(txn, "t"), &keys, 1, &batches, &room, &found_many,
                    &fixture->call));
    CHECK(found == found_many);
    batch_deinit(&batch);
    return found;
}

static bool get_now(struct fixture *fixture, int64_t number)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = number};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct buffer scratch = {.alloc = &alloc_system};
    struct datum values[2];
    bool found = false;
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED); // Holds the catalog.
    OK(txn_get_now(fixture->store, fixture_table(txn, "t"), &key, &scratch, &batch, values, &found,
                   &fixture->err));
    txn_abort(txn);
    buffer_deinit(&scratch);
    batch_deinit(&batch);
    return found;
}

static uint64_t count(struct fixture *fixture, struct txn *txn)
{
    uint64_t counts[3] = {0};
    OK(txn_statement(txn, &fixture->err));
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        uint32_t position = 0;
        struct scan_options options = {
            .order = order, .positions = &position, .position_count = order == SCAN_ANY ? 0 : 1};
        struct scan *scan = NULL;
        struct batch batch;
        batch_init(&batch, &alloc_system);
        OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
        while (scan_next(scan, &batch, &fixture->call) == TDBPLUS_OK) {
            counts[order] += batch_live_count(&batch);
        }
        scan_close(scan);
        batch_deinit(&batch);
    }
    CHECK(counts[0] == counts[1] && counts[1] == counts[2]);
    return counts[0];
}

static uint64_t count_now(struct fixture *fixture)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    uint64_t rows = count(fixture, txn);
    txn_abort(txn);
    return rows;
}

static struct store_statistics statistics(struct fixture *fixture)
{
    struct store_statistics now;
    store_get_statistics(fixture->store, &now);
    return now;
}

/* Every third row has expired, every third is young, the rest never does. */
static int64_t age_of(int64_t number)
{
    return number % 3 == 0 ? 4 * DAY_US : number % 3 == 1 ? 0 : -1;
}

static void check_ages(struct fixture *fixture)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(count(fixture, txn) == ROWS / 3 * 2);
    for (int64_t i = 0; i < 9; i++) {
        CHECK(get(fixture, txn, i) == (i % 3 != 0));
        CHECK(get_now(fixture, i) == (i % 3 != 0));
    }
    txn_abort(txn);
}

static void check_type(uint8_t type)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, type);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    for (int64_t i = 0; i < ROWS; i++) {
        OK(put(fixture, txn, TXN_INSERT, i, age_of(i)));
    }
    CHECK(count(fixture, txn) == ROWS / 3 * 2); // Its own rows too.
    CHECK(!get(fixture, txn, 0) && get(fixture, txn, 1));
    OK(txn_commit(txn, &fixture->call));
    check_ages(fixture);
    OK(store_flush(fixture->store, &fixture->call));
    check_ages(fixture);
    store_close(fixture->store);
    open_store(fixture);
    check_ages(fixture);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    check_ages(fixture);
    OK(store_verify(fixture->store, NULL, NULL, &fixture->call));
    end_fixture(fixture);
}

TEST(expired_rows_are_seen_by_nobody)
{
    check_type(TYPE_TIMESTAMP);
    check_type(TYPE_TIMESTAMPTZ);
    check_type(TYPE_DATE);
}

TEST(the_key_of_an_expired_row_is_free)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, TYPE_TIMESTAMP);
    for (int round = 0; round < 2; round++) {
        put_now(fixture, TXN_UPSERT, 1, 2 * TTL_US);
        put_now(fixture, TXN_UPSERT, 2, 2 * TTL_US);
        if (round == 1) {
            // In a segment: the flush of an expired row needs a snapshot that might see it.
            struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
            OK(store_flush(fixture->store, &fixture->call));
            txn_abort(old);
        }
        struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
        struct datum key = {.type = {.id = TYPE_INT8}, .integer = 1};
        bool existed = true;
        OK(txn_delete(txn, fixture_table(txn, "t"), &key, &existed, &fixture->call));
        CHECK(!existed);
        CHECK(put(fixture, txn, TXN_UPDATE, 1, 0) == TDBPLUS_E_NOT_FOUND);
        OK(put(fixture, txn, TXN_INSERT, 1, 0));
        CHECK(put(fixture, txn, TXN_INSERT, 1, 0) == TDBPLUS_E_UNIQUE);
        OK(txn_commit(txn, &fixture->call));
        CHECK(count_now(fixture) == 1 && get_now(fixture, 1) && !get_now(fixture, 2));
        put_now(fixture, TXN_UPSERT, 1, 2 * TTL_US);
        CHECK(count_now(fixture) == 0);
    }
    end_fixture(fixture);
}

/* Loads rows [0, count) of that age. */
static tdbplus_status load(struct fixture *fixture, struct txn *txn, uint32_t rows, int64_t age_us)
{
    struct bulk *bulk = NULL;
    struct bulk_options options = {.mode = TXN_INSERT, .direct_rows = 10};
    struct batch batch;
    struct column columns[2];
    batch_init(&batch, &alloc_system);
    CHECK(column_make(&columns[0], (struct type){.id = TYPE_INT8}, rows, false, &batch.arena));
    CHECK(column_make(&columns[1], (struct type){.id = fixture->type}, rows, true, &batch.arena));
    for (uint32_t i = 0; i < rows; i++) {
        struct datum number = {.type = {.id = TYPE_INT8}, .integer = i};
        struct datum at = ago(fixture, age_us);
        column_set(&columns[0], i, &number);
        column_set(&columns[1], i, &at);
    }
    batch.columns = columns;
    batch.column_count = 2;
    batch.row_count = rows;
    err_clear(&fixture->err);
    OK(bulk_begin(txn, fixture_table(txn, "t"), &options, &bulk, &fixture->err));
    tdbplus_status status = bulk_add(bulk, &batch, &fixture->call);
    batch_deinit(&batch);
    if (status != TDBPLUS_OK) {
        bulk_abort(bulk);
        return status;
    }
    return bulk_end(bulk, NULL, &fixture->call);
}

TEST(loads_replace_expired_rows_and_segments_that_are_over_go_without_a_merge_of_many)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, TYPE_TIMESTAMPTZ);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, ROWS, 2 * TTL_US));
    OK(txn_commit(txn, &fixture->call));
    CHECK(count_now(fixture) == 0);
    txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, ROWS, 0));
    CHECK(count(fixture, txn) == ROWS);
    OK(txn_commit(txn, &fixture->call));
    CHECK(count_now(fixture) == ROWS);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(load(fixture, txn, ROWS, 0) == TDBPLUS_E_UNIQUE);
    txn_abort(txn);
    OK(store_flush(fixture->store, &fixture->call));
    CHECK(statistics(fixture).segment_count == 2);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    CHECK(statistics(fixture).segment_count == 1);
    CHECK(count_now(fixture) == ROWS);
    end_fixture(fixture);
}

TEST(a_range_hides_loaded_rows_from_those_who_ask_for_their_keys)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, TYPE_TIMESTAMPTZ);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(load(fixture, txn, 100, 0));
    struct scan_bound all = {0};
    OK(txn_delete_range(txn, fixture_table(txn, "t"), &all, &all, NULL, &fixture->call));
    CHECK(!get(fixture, txn, 7));
    CHECK(put(fixture, txn, TXN_UPDATE, 7, 0) == TDBPLUS_E_NOT_FOUND);
    OK(put(fixture, txn, TXN_UPSERT, 8, 0));
    OK(put(fixture, txn, TXN_INSERT, 9, 0));
    OK(txn_statement(txn, &fixture->err));
    CHECK(get(fixture, txn, 8) && count(fixture, txn) == 2);
    OK(txn_commit(txn, &fixture->call));
    CHECK(count_now(fixture) == 2);
    end_fixture(fixture);
}

TEST(what_a_snapshot_saw_it_goes_on_seeing)
{
    struct fixture own;
    struct fixture *fixture = &own;
    begin_fixture(fixture, TYPE_TIMESTAMP);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    for (int64_t i = 0; i < 100; i++) {
        OK(put(fixture, txn, TXN_INSERT, i, TTL_US - SHORT_US)); // They expire while we look.
    }
    OK(txn_commit(txn, &fixture->call));
    struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(count(fixture, old) == 100);
    env_sleep_us(fixture->env, (uint64_t)SHORT_US + 20000);
    CHECK(count(fixture, old) == 100 && get(fixture, old, 5));
    CHECK(count_now(fixture) == 0 && !get_now(fixture, 5));
    OK(store_flush(fixture->store, &fixture->call));
    CHECK(count(fixture, old) == 100 && count_now(fixture) == 0);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    CHECK(count(fixture, old) == 100 && count_now(fixture) == 0);
    CHECK(statistics(fixture).segment_count == 1);
    txn_abort(old);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    CHECK(count_now(fixture) == 0 && statistics(fixture).segment_count == 0);
    end_fixture(fixture);
}

TEST(a_schema_that_cannot_expire_is_refused)
{
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_TIMESTAMP}, .name = "at", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema description = {.version = 1,
                                 .column_count = 2,
                                 .columns = columns,
                                 .key_count = 1,
                                 .key_columns = &key,
                                 .column_id_next = 3,
                                 .ttl_column_id = 1,
                                 .ttl_us = 1};
    struct schema *schema = NULL;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_E_INVALID);
    description.ttl_column_id = 7;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_E_INVALID);
    description.ttl_column_id = 2;
    description.ttl_us = -1;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_E_INVALID);
    description.ttl_us = 5;
    CHECK(schema_create(&description, &alloc_system, &schema, NULL) == TDBPLUS_OK);
    struct buffer buffer = {.alloc = &alloc_system};
    schema_encode(schema, &buffer);
    schema_destroy(schema);
    CHECK(schema_decode(buffer_span(&buffer), &alloc_system, &schema, NULL) == TDBPLUS_OK);
    CHECK(schema->ttl_column_id == 2 && schema->ttl_us == 5);
    schema_destroy(schema);
    for (size_t size = 0; size < buffer.size; size++) {
        struct span part = {.data = buffer.data, .size = size};
        CHECK(schema_decode(part, &alloc_system, &schema, NULL) == TDBPLUS_E_CORRUPT);
    }
    buffer_deinit(&buffer);
    int64_t limit = 0;
    description.columns[1].type.id = TYPE_DATE;
    description.ttl_us = 10;
    CHECK(schema_ttl_limit(&description, 9, &limit) && limit == -1);
    CHECK(schema_ttl_limit(&description, 10, &limit) && limit == 0);
    CHECK(schema_ttl_limit(&description, (uint64_t)DAY_US + 9, &limit) && limit == 0);
    CHECK(schema_ttl_limit(&description, (uint64_t)DAY_US + 10, &limit) && limit == 1);
}
