/*
 * Goal: rows stay what they were while collections come, change and go. Method: scripted meetings
 * of schema changes with scans, savepoints, flushes, merges and reopening, each once a defect.
 */

#include "txn/txn.h"

#include "store_fixture.h"

static void open_store(struct store_fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 20,
                                    .deadlock_timeout_us = 20000,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void begin_fixture(struct store_fixture *fixture)
{
    fixture_begin(fixture);
    open_store(fixture);
}

static void reopen(struct store_fixture *fixture)
{
    store_close(fixture->store);
    open_store(fixture);
}

/* A key, and `extra` more columns, whose missing value is 7. */
static struct schema describe(uint32_t extra, struct schema_column columns[3])
{
    static uint32_t key = 0;
    columns[0] =
        (struct schema_column){.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"};
    columns[1] = (struct schema_column){.id = 2,
                                        .type = {.id = TYPE_INT8},
                                        .name = "v",
                                        .missing = {.type = {.id = TYPE_INT8}, .integer = 7}};
    columns[2] = (struct schema_column){.id = 3,
                                        .type = {.id = TYPE_INT8},
                                        .name = "w",
                                        .missing = {.type = {.id = TYPE_INT8}, .integer = 8}};
    return (struct schema){.version = 1,
                           .column_count = 1 + extra,
                           .columns = columns,
                           .key_count = 1,
                           .key_columns = &key,
                           .column_id_next = 2 + extra};
}

static void create(struct store_fixture *fixture, struct txn *txn, const char *name, uint32_t extra)
{
    struct schema_column columns[3];
    struct schema schema = describe(extra, columns);
    uint64_t id = 0;
    OK(txn_object_create(txn, OBJECT_COLLECTION, name, &schema, (struct span){0}, &id,
                         &fixture->err));
}

static void alter(struct store_fixture *fixture, const char *name, uint32_t extra)
{
    struct txn *txn = fixture_txn(fixture->store);
    struct schema_column columns[3];
    struct schema schema = describe(extra, columns);
    OK(txn_object_alter(txn, fixture_table(txn, name)->id, NULL, &schema, NULL, &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static void put(struct store_fixture *fixture, struct txn *txn, const char *name, int64_t n)
{
    struct datum values[3] = {
        {.type = {.id = TYPE_INT8}, .integer = n},
        {.type = {.id = TYPE_INT8}, .integer = 100 + n},
        {.type = {.id = TYPE_INT8}, .integer = 200 + n},
    };
    OK(txn_write(txn, fixture_table(txn, name), TXN_UPSERT, values, NULL, &fixture->call));
}

static void put_alone(struct store_fixture *fixture, const char *name, int64_t n)
{
    struct txn *txn = fixture_txn(fixture->store);
    put(fixture, txn, name, n);
    OK(txn_commit(txn, &fixture->call));
}

static void drop(struct store_fixture *fixture, const char *name)
{
    struct txn *txn = fixture_txn(fixture->store);
    OK(txn_object_drop(txn, fixture_table(txn, name)->id, &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

/* Rows of the scan until its end, and the sum of column `at` (if the scan has columns). */
static uint32_t drain(struct store_fixture *fixture, struct scan *scan, int64_t *sum_out)
{
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t seen = 0;
    int64_t sum = 0;
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum value = {0};
            if (batch.column_count > 0) {
                column_get(&batch.columns[0], row, &value);
                CHECK(!value.is_null);
            }
            sum += value.integer;
            seen++;
        }
    }
    CHECK(status == TDBPLUS_END);
    batch_deinit(&batch);
    *sum_out = sum;
    return seen;
}

static struct scan *open_scan(struct store_fixture *fixture, struct txn *txn, const char *name,
                              uint32_t position)
{
    struct scan_options options = {.positions = &position, .position_count = 1};
    struct scan *scan = NULL;
    OK(scan_open(txn, fixture_table(txn, name), &options, &scan, &fixture->err));
    return scan;
}

static void check_sum(struct store_fixture *fixture, const char *name, uint32_t position,
                      uint32_t rows, int64_t sum)
{
    struct txn *txn = fixture_txn(fixture->store);
    struct scan *scan = open_scan(fixture, txn, name, position);
    int64_t found = 0;
    CHECK(drain(fixture, scan, &found) == rows);
    CHECK(found == sum);
    scan_close(scan);
    txn_abort(txn);
}

TEST(rows_can_be_written_after_an_alter_and_a_reopening)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "t", 1);
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "t", 1);
    alter(fixture, "t", 2);
    reopen(fixture); // The last record replayed is of the older schema.
    put_alone(fixture, "t", 2);
    check_sum(fixture, "t", 2, 2, 8 + 202);
    OK(store_flush(fixture->store, &fixture->call));
    check_sum(fixture, "t", 2, 2, 8 + 202);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    check_sum(fixture, "t", 2, 2, 8 + 202);
    reopen(fixture);
    check_sum(fixture, "t", 1, 2, 101 + 102);
    check_sum(fixture, "t", 2, 2, 8 + 202);
    fixture_end(fixture);
}

TEST(a_condition_on_a_column_that_old_rows_lack_uses_its_missing_value)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "t", 0);
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "t", 1);
    OK(store_flush(fixture->store, &fixture->call)); // In a segment,
    put_alone(fixture, "t", 2);                      // in a frozen memtable,
    alter(fixture, "t", 1);
    put_alone(fixture, "t", 3); // and with a value of its own.
    for (uint32_t round = 0; round < 3; round++) {
        for (int64_t wanted = 7; wanted <= 103; wanted += 96) {
            txn = fixture_txn(fixture->store);
            uint32_t position = 0;
            struct scan_condition condition = {
                .position = 1, .value = {.type = {.id = TYPE_INT8}, .integer = wanted}};
            struct scan_options options = {.positions = &position,
                                           .position_count = 1,
                                           .filter_rows = true,
                                           .order = (uint8_t)round,
                                           .conditions = &condition,
                                           .condition_count = 1};
            struct scan *scan = NULL;
            OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
            int64_t sum = 0;
            CHECK(drain(fixture, scan, &sum) == (wanted == 7 ? 2 : 1));
            CHECK(sum == 3);
            scan_close(scan);
            txn_abort(txn);
        }
        OK(store_optimize(fixture->store, 0, &fixture->call));
    }
    fixture_end(fixture);
}

TEST(a_scan_survives_writes_to_many_other_collections)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    char name[32];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        create(fixture, txn, name, 1);
    }
    for (int64_t n = 0; n < 10; n++) {
        put(fixture, txn, "t0", n);
    }
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    put(fixture, txn, "t0", 3);
    OK(txn_statement(txn, &fixture->err));
    struct scan *scan = open_scan(fixture, txn, "t0", 0);
    for (int i = 1; i < 40; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        put(fixture, txn, name, i);
    }
    int64_t sum = 0;
    CHECK(drain(fixture, scan, &sum) == 10);
    CHECK(sum == 45);
    scan_close(scan);
    OK(txn_commit(txn, &fixture->call));
    reopen(fixture); // One record over all of them.
    for (int i = 1; i < 40; i++) {
        (void)snprintf(name, sizeof name, "t%d", i);
        check_sum(fixture, name, 1, 1, 100 + i);
    }
    fixture_end(fixture);
}

TEST(a_scan_keeps_its_snapshot_through_the_next_statements)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "t", 1);
    for (int64_t n = 0; n < 10; n++) {
        put(fixture, txn, "t", n);
    }
    OK(txn_commit(txn, &fixture->call));
    OK(store_flush(fixture->store, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct scan *scan = open_scan(fixture, txn, "t", 0);
    put_alone(fixture, "t", 3);
    OK(txn_statement(txn, &fixture->err));
    struct store_statistics statistics;
    store_get_statistics(fixture->store, &statistics);
    // Flushes, merges and the forgetting of ends go by the oldest snapshot: it must be the scan's.
    CHECK(statistics.snapshot_oldest < txn_snapshot_timestamp(txn));
    drop(fixture, "t");
    OK(txn_statement(txn, &fixture->err));
    int64_t sum = 0;
    CHECK(drain(fixture, scan, &sum) == 10);
    CHECK(sum == 45);
    scan_close(scan);
    CHECK(txn_object(txn, OBJECT_COLLECTION, "t") == NULL);
    txn_abort(txn);
    fixture_end(fixture);
}

TEST(a_scan_ends_with_what_it_reads)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "t", 1);
    OK(txn_commit(txn, &fixture->call));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        txn = fixture_txn(fixture->store);
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        put(fixture, txn, "t", 1);
        OK(txn_statement(txn, &fixture->err));
        uint32_t position = 0;
        struct scan_options options = {.positions = &position, .position_count = 1, .order = order};
        struct scan *scans[3] = {NULL};
        for (uint32_t i = 0; i < 3; i++) {
            OK(scan_open(txn, fixture_table(txn, "t"), &options, &scans[i], &fixture->err));
        }
        scan_close(scans[1]);
        struct txn_savepoint later = txn_savepoint_set(txn);
        put(fixture, txn, "t", 2);
        txn_savepoint_rollback(txn, later); // Took back nothing that the scans read.
        OK(scan_next(scans[0], &batch, &fixture->call));
        txn_savepoint_rollback(txn, savepoint);
        CHECK(scan_next(scans[2], &batch, &fixture->call) == TDBPLUS_E_STATE);
        err_clear(&fixture->err);
        scan_close(scans[0]);
        struct scan *last = open_scan(fixture, txn, "t", 0);
        OK(txn_commit(txn, &fixture->call));
        CHECK(scan_next(last, &batch, &fixture->call) != TDBPLUS_OK);
        err_clear(&fixture->err);
        scan_close(last);
        scan_close(scans[2]);
    }
    batch_deinit(&batch);
    fixture_end(fixture);
}

TEST(a_rollback_over_a_creation_forgets_its_rows_too)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "kept", 1);
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    create(fixture, txn, "gone", 1);
    put(fixture, txn, "gone", 1);
    txn_savepoint_rollback(txn, savepoint);
    CHECK(txn_object(txn, OBJECT_COLLECTION, "gone") == NULL);
    put(fixture, txn, "kept", 1);
    create(fixture, txn, "gone", 1);
    put(fixture, txn, "gone", 2);
    OK(txn_commit(txn, &fixture->call));
    check_sum(fixture, "kept", 1, 1, 101);
    check_sum(fixture, "gone", 1, 1, 102);
    reopen(fixture);
    check_sum(fixture, "gone", 1, 1, 102);
    fixture_end(fixture);
}

TEST(writing_after_changing_the_columns_is_refused_by_name)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "t", 1);
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct schema_column columns[3];
    struct schema schema = describe(2, columns);
    OK(txn_object_alter(txn, fixture_table(txn, "t")->id, NULL, &schema, NULL, &fixture->err));
    struct datum values[3] = {
        {.type = {.id = TYPE_INT8}, .integer = 1},
        {.type = {.id = TYPE_INT8}, .integer = 1},
        {.type = {.id = TYPE_INT8}, .integer = 1},
    };
    CHECK(txn_write(txn, fixture_table(txn, "t"), TXN_INSERT, values, NULL, &fixture->call) ==
          TDBPLUS_E_UNSUPPORTED);
    err_clear(&fixture->err);
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "t", 1);
    check_sum(fixture, "t", 2, 1, 201);
    fixture_end(fixture);
}

TEST(a_long_value_outlives_its_dropped_collection)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    struct schema_column columns[3];
    struct schema schema = describe(1, columns);
    columns[1].type = (struct type){.id = TYPE_TEXT};
    columns[1].missing = (struct datum){.is_null = true};
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t id = 0;
    OK(txn_object_create(txn, OBJECT_COLLECTION, "t", &schema, (struct span){0}, &id,
                         &fixture->err));
    static uint8_t text[1 << 20];
    memset(text, 'x', sizeof text);
    struct datum values[2] = {
        {.type = {.id = TYPE_INT8}, .integer = 1},
        {.type = {.id = TYPE_TEXT}, .bytes = {.data = text, .size = sizeof text}},
    };
    OK(txn_write(txn, fixture_table(txn, "t"), TXN_INSERT, values, NULL, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    txn = fixture_txn(fixture->store);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct datum got[2];
    bool found = false;
    OK(txn_get(txn, fixture_table(txn, "t"), values, NULL, 0, &batch, got, &found, &fixture->call));
    CHECK(found && got[1].bytes.size == sizeof text);
    txn_abort(txn);
    drop(fixture, "t");
    for (int i = 0; i < 8; i++) { // Lets the epoch free what it can.
        txn = fixture_txn(fixture->store);
        create(fixture, txn, "other", 1);
        OK(txn_commit(txn, &fixture->call));
        OK(store_optimize(fixture->store, 0, &fixture->call));
        drop(fixture, "other");
    }
    CHECK(memcmp(got[1].bytes.data, text, sizeof text) == 0);
    batch_deinit(&batch);
    fixture_end(fixture);
}

TEST(a_dropped_collection_with_memtables_and_segments_goes_quietly)
{
    struct store_fixture self;
    struct store_fixture *fixture = &self;
    begin_fixture(fixture);
    for (int64_t round = 0; round < 10; round++) {
        struct txn *txn = fixture_txn(fixture->store);
        create(fixture, txn, "t", 1);
        OK(txn_commit(txn, &fixture->call));
        put_alone(fixture, "t", round);
        OK(store_flush(fixture->store, &fixture->call));
        put_alone(fixture, "t", round);
        OK(store_flush(fixture->store, &fixture->call));
        put_alone(fixture, "t", round + 1);
        alter(fixture, "t", 2);
        drop(fixture, "t");
        OK(store_optimize(fixture->store, 0, &fixture->call));
        if (round % 3 == 0) {
            reopen(fixture);
        }
    }
    fixture_end(fixture);
}

static void check_row(struct store_fixture *fixture, const char *name, int64_t n, int64_t w)
{
    struct txn *txn = fixture_txn(fixture->store);
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = n};
    struct datum values[3];
    bool found = false;
    struct batch batch;
    batch_init(&batch, &alloc_system);
    OK(txn_get(txn, fixture_table(txn, name), &key, NULL, 0, &batch, values, &found,
               &fixture->call));
    CHECK(found == (w != 0));
    CHECK(!found || (values[1].integer == 100 + n && values[2].integer == w));
    batch_deinit(&batch);
    txn_abort(txn);
}

/* Two collections, one with a column more than its first rows; a third came and went. */
static uint64_t make_history(struct store_fixture *fixture, int flush_at)
{
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "a", 1);
    create(fixture, txn, "b", 2);
    OK(txn_commit(txn, &fixture->call));
    for (int64_t n = 0; n < 20; n++) {
        put_alone(fixture, "a", n);
        put_alone(fixture, "b", n);
    }
    if (flush_at == 1) {
        OK(store_flush(fixture->store, &fixture->call));
    }
    alter(fixture, "a", 2);
    put_alone(fixture, "a", 20);
    txn = fixture_txn(fixture->store);
    create(fixture, txn, "gone", 1);
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "gone", 1);
    if (flush_at == 2) {
        OK(store_flush(fixture->store, &fixture->call));
    }
    struct datum bounds[2] = {{.type = {.id = TYPE_INT8}, .integer = 5},
                              {.type = {.id = TYPE_INT8}, .integer = 10}};
    struct scan_bound lower = {.values = &bounds[0], .value_count = 1};
    struct scan_bound upper = {.values = &bounds[1], .value_count = 1, .exclusive = true};
    txn = fixture_txn(fixture->store);
    uint64_t gone = fixture_table(txn, "gone")->id;
    OK(txn_object_drop(txn, gone, &fixture->err));
    OK(txn_delete_range(txn, fixture_table(txn, "b"), &lower, &upper, NULL, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    return gone;
}

TEST(a_crash_leaves_collections_as_the_log_has_them)
{
    for (int flush_at = 0; flush_at < 3; flush_at++) {
        struct store_fixture one;
        struct store_fixture *fixture = &one;
        begin_fixture(fixture);
        uint64_t gone = make_history(fixture, flush_at);
        struct store_fixture crashed = {.env = fixture_copy(fixture->env, "db")};
        fixture_end(fixture);
        fixture = &crashed;
        fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
        open_store(fixture);
        for (int pass = 0; pass < 2; pass++) {
            check_row(fixture, "a", 3, 8); // The column's missing value.
            check_row(fixture, "a", 20, 220);
            check_row(fixture, "b", 4, 204);
            check_row(fixture, "b", 5, 0);
            check_row(fixture, "b", 9, 0);
            check_row(fixture, "b", 10, 210);
            OK(store_verify(fixture->store, NULL, NULL, &fixture->call));
            reopen(fixture);
        }
        struct txn *txn = fixture_txn(fixture->store);
        CHECK(txn_object(txn, OBJECT_COLLECTION, "gone") == NULL);
        create(fixture, txn, "new", 1);
        CHECK(fixture_table(txn, "new")->id > gone); // Ids are not used again.
        OK(txn_commit(txn, &fixture->call));
        fixture_end(fixture);
    }
}

static tdbplus_status copy_log(void *ctx, const char *name, bool is_directory)
{
    return strncmp(name, "log-", 4) == 0 ? fixture_copy_file(ctx, name, is_directory) : TDBPLUS_OK;
}

TEST(a_crash_between_log_and_manifest_leaves_what_the_log_has)
{
    struct store_fixture one;
    struct store_fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    create(fixture, txn, "a", 1);
    create(fixture, txn, "old", 1);
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "a", 3);
    struct store_fixture crashed = {.env = fixture_copy(fixture->env, "db")};
    alter(fixture, "a", 2);
    put_alone(fixture, "a", 20);
    drop(fixture, "old");
    txn = fixture_txn(fixture->store);
    create(fixture, txn, "b", 2);
    create(fixture, txn, "gone", 1);
    uint64_t gone = fixture_table(txn, "gone")->id;
    OK(txn_commit(txn, &fixture->call));
    put_alone(fixture, "b", 4);
    drop(fixture, "gone");
    // The log of now, the manifest of before.
    struct fixture_copy copy = {.from = fixture->env, .directory = "db", .to = crashed.env};
    OK(env_list(fixture->env, "db", copy_log, &copy, &fixture->err));
    fixture_end(fixture);
    fixture = &crashed;
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    open_store(fixture);
    for (int pass = 0; pass < 2; pass++) {
        check_row(fixture, "a", 3, 8);
        check_row(fixture, "a", 20, 220);
        check_row(fixture, "b", 4, 204);
        OK(store_verify(fixture->store, NULL, NULL, &fixture->call));
        reopen(fixture);
    }
    txn = fixture_txn(fixture->store);
    CHECK(txn_object(txn, OBJECT_COLLECTION, "gone") == NULL);
    CHECK(txn_object(txn, OBJECT_COLLECTION, "old") == NULL);
    create(fixture, txn, "new", 1);
    CHECK(fixture_table(txn, "new")->id > gone);
    OK(txn_commit(txn, &fixture->call));
    fixture_end(fixture);
}
