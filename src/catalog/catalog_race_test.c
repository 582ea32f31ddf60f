/*
 * Goal: an index and its table agree although rows come or go in bulk while the index is made.
 * Method: a load, a range delete, a spilled commit or single rows, committed between the making of
 * an index and its commit, or open across the whole of both, in either isolation level; whoever
 * comes second gets TDBPLUS_E_CONFLICT, and after another try the index is compared with the table,
 * also after a reopening. Loads that only gather rows while the index comes, and savepoints that
 * take back an index made after a load.
 */

#include "catalog/catalog_index.h"
#include "store_fixture.h"
#include "txn/bulk.h"

#define ROW_COUNT 300u

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    uint64_t table;
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 20,
                                    .deadlock_timeout_us = 5000,
                                    .durability = DURABILITY_NONE,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static struct txn *begin(struct fixture *fixture, uint8_t isolation)
{
    struct txn_options options = {
        .isolation = isolation, .durability = -1, .change_bytes_max = 2000};
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

static const struct object *table(struct fixture *fixture, struct txn *txn)
{
    const struct object *object = txn_object_by_id(txn, fixture->table);
    CHECK(object != NULL);
    return object;
}

static void create_table(struct fixture *fixture)
{
    static struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2,
         .type = {.id = TYPE_INT4},
         .name = "u",
         .missing = {.type = {.id = TYPE_INT4}, .is_null = true}},
    };
    static uint32_t key = 0;
    const struct schema schema = {.version = 1,
                                  .column_count = 2,
                                  .columns = columns,
                                  .key_count = 1,
                                  .key_columns = &key,
                                  .column_id_next = 3};
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(txn_object_create(txn, OBJECT_COLLECTION, "t", &schema, (struct span){0}, &fixture->table,
                         &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static void put(struct fixture *fixture, struct txn *txn, int64_t n)
{
    struct datum values[2] = {{.type = {.id = TYPE_INT8}, .integer = n},
                              {.type = {.id = TYPE_INT4}, .integer = n * 7}};
    OK(txn_write(txn, table(fixture, txn), TXN_INSERT, values, NULL, &fixture->call));
}

static void begin_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture);
    create_table(fixture);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    for (int64_t n = 0; n < ROW_COUNT; n++) {
        put(fixture, txn, n);
    }
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

/* ---- what happens to the rows ---- */

enum deed { DEED_ROWS, DEED_SPILL, DEED_LOAD, DEED_REPLACE, DEED_RANGE, DEED_ALL, DEED_COUNT };

static void begin_load(struct fixture *fixture, struct txn *txn, uint8_t mode, struct bulk **bulk)
{
    struct bulk_options options = {.mode = mode, .direct_rows = 100};
    OK(bulk_begin(txn, table(fixture, txn), &options, bulk, &fixture->err));
}

static tdbplus_status add_to_load(struct fixture *fixture, struct bulk *bulk, int64_t first,
                                  uint32_t count)
{
    struct batch batch;
    struct column columns[2];
    batch_init(&batch, &alloc_system);
    CHECK(column_make(&columns[0], (struct type){.id = TYPE_INT8}, count, false, &batch.arena));
    CHECK(column_make(&columns[1], (struct type){.id = TYPE_INT4}, count, true, &batch.arena));
    for (uint32_t i = 0; i < count; i++) {
        struct datum n = {.type = {.id = TYPE_INT8}, .integer = first + i};
        struct datum u = {.type = {.id = TYPE_INT4}, .integer = (first + i) * 3};
        column_set(&columns[0], i, &n);
        column_set(&columns[1], i, &u);
    }
    batch.columns = columns;
    batch.column_count = 2;
    batch.row_count = count;
    tdbplus_status status = bulk_add(bulk, &batch, &fixture->call);
    batch_deinit(&batch);
    return status;
}

static void load(struct fixture *fixture, struct txn *txn, uint8_t mode, int64_t first)
{
    struct bulk *bulk = NULL;
    begin_load(fixture, txn, mode, &bulk);
    OK(add_to_load(fixture, bulk, first, ROW_COUNT));
    OK(bulk_end(bulk, NULL, &fixture->call));
}

static void delete_range(struct fixture *fixture, struct txn *txn, int64_t from)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = from};
    struct scan_bound lower = {.values = &key, .value_count = from > 0 ? 1 : 0};
    struct scan_bound upper = {0};
    OK(txn_delete_range(txn, table(fixture, txn), &lower, &upper, NULL, &fixture->call));
}

static void act(struct fixture *fixture, struct txn *txn, enum deed deed)
{
    switch (deed) {
    case DEED_ROWS:
        put(fixture, txn, 1000);
        break;
    case DEED_SPILL:
        for (int64_t n = 1000; n < 1000 + ROW_COUNT; n++) {
            put(fixture, txn, n);
        }
        break;
    case DEED_LOAD:
        load(fixture, txn, TXN_INSERT, 1000);
        break;
    case DEED_REPLACE:
        load(fixture, txn, TXN_UPSERT, 0);
        break;
    case DEED_RANGE:
        delete_range(fixture, txn, 100);
        break;
    case DEED_ALL:
    case DEED_COUNT:
        delete_range(fixture, txn, 0);
        break;
    }
}

/* ---- the index ---- */

static struct index_column index_columns[] = {{.column_id = 2, .type = {.id = TYPE_INT4}}};
static uint32_t no_includes[1];
static const struct index_def index_def = {
    .columns = index_columns, .column_count = 1, .includes = no_includes};

static void make_index(struct fixture *fixture, struct txn *txn, const char *name)
{
    uint64_t oid = 0;
    OK(catalog_index_create(txn, fixture->table, NULL, name, &index_def, &fixture->call, &oid));
}

static void check_agreement(struct fixture *fixture, uint32_t index_count)
{
    for (uint32_t round = 0; round < 2; round++) {
        uint32_t count = 0;
        struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
        while (txn_part_at(txn, fixture->table, count) != NULL) {
            count++;
        }
        CHECK(count == index_count);
        OK(catalog_check_table(txn, fixture->table, &fixture->call));
        txn_abort(txn);
        if (round == 0) {
            store_close(fixture->store);
            open_store(fixture);
        }
    }
}

static void expect_conflict(struct fixture *fixture, struct txn *txn)
{
    CHECK(txn_commit(txn, &fixture->call) == TDBPLUS_E_CONFLICT);
    err_clear(&fixture->err);
}

static void retry_index(struct fixture *fixture)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    make_index(fixture, txn, "i");
    OK(txn_commit(txn, &fixture->call));
}

TEST(rows_that_come_before_the_index_commits_forbid_it)
{
    for (uint32_t round = 0; round < 2 * DEED_COUNT; round++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture);
        struct txn *maker = begin(fixture, (uint8_t)(round % 2));
        make_index(fixture, maker, "i");
        struct txn *writer = begin(fixture, TXN_READ_COMMITTED);
        act(fixture, writer, (enum deed)(round / 2));
        OK(txn_commit(writer, &fixture->call));
        OK(txn_statement(maker, &fixture->err)); // A newer snapshot forgives nothing.
        expect_conflict(fixture, maker);
        check_agreement(fixture, 0);
        retry_index(fixture);
        check_agreement(fixture, 1);
        end_fixture(fixture);
    }
}

TEST(rows_from_before_the_index_do_not_commit_after_it)
{
    for (uint32_t round = 0; round < 2 * DEED_COUNT; round++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture);
        struct txn *writer = begin(fixture, (uint8_t)(round % 2));
        act(fixture, writer, (enum deed)(round / 2));
        retry_index(fixture);
        OK(txn_statement(writer, &fixture->err));
        expect_conflict(fixture, writer);
        check_agreement(fixture, 1);
        writer = begin(fixture, TXN_READ_COMMITTED);
        act(fixture, writer, (enum deed)(round / 2)); // Now with entries.
        OK(txn_commit(writer, &fixture->call));
        check_agreement(fixture, 1);
        end_fixture(fixture);
    }
}

TEST(rows_and_an_index_of_ones_own_do_not_hide_the_index_of_another)
{
    for (uint32_t round = 0; round < 2 * DEED_COUNT; round++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture);
        struct txn *writer = begin(fixture, (uint8_t)(round % 2));
        act(fixture, writer, (enum deed)(round / 2));
        retry_index(fixture);
        OK(txn_statement(writer, &fixture->err));
        make_index(fixture, writer, "mine");
        expect_conflict(fixture, writer);
        check_agreement(fixture, 1);
        end_fixture(fixture);
    }
}

TEST(an_index_taken_back_leaves_what_was_loaded_before)
{
    for (uint32_t deed = 0; deed < DEED_COUNT; deed++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture);
        struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
        act(fixture, txn, (enum deed)deed);
        OK(txn_statement(txn, &fixture->err));
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        make_index(fixture, txn, "i");
        put(fixture, txn, 5000);
        txn_savepoint_rollback(txn, savepoint);
        OK(txn_commit(txn, &fixture->call));
        retry_index(fixture);
        check_agreement(fixture, 1);
        end_fixture(fixture);
    }
}

TEST(a_load_that_gathers_rows_notices_an_index_that_comes)
{
    for (uint32_t round = 0; round < 4; round++) {
        struct fixture own;
        struct fixture *fixture = &own;
        begin_fixture(fixture);
        struct txn *writer = begin(fixture, TXN_READ_COMMITTED);
        struct bulk *bulk = NULL;
        begin_load(fixture, writer, TXN_INSERT, &bulk);
        if (round % 2 == 0) {
            OK(add_to_load(fixture, bulk, 1000, 10));
        }
        retry_index(fixture);
        OK(txn_statement(writer, &fixture->err)); // Of something else in the transaction.
        OK(add_to_load(fixture, bulk, 2000, round < 2 ? 10 : 200));
        CHECK(bulk_is_direct(bulk) == (round >= 2));
        OK(bulk_end(bulk, NULL, &fixture->call));
        expect_conflict(fixture, writer);
        check_agreement(fixture, 1);
        end_fixture(fixture);
    }
}
