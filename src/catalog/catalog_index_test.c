/*
 * Goal: an index always has exactly the entries its table's rows ask for, and no two rows share
 * what a unique one forbids. Method: random inserts, upserts, updates and deletes with savepoints,
 * aborts, flushes, merges and reopening against an array that knows the unique keys, the index
 * compared with the table as it goes; threads that all want the same few keys; every allocation
 * refused in turn; a damaged definition, truncated and flipped.
 */

#include "catalog/catalog_index.h"

#include <pthread.h>

#include "store_fixture.h"

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

/* n is the key; u unique; t text, d descending. */
static void create_table(struct fixture *fixture)
{
    static struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2,
         .type = {.id = TYPE_INT4},
         .name = "u",
         .missing = {.type = {.id = TYPE_INT4}, .is_null = true}},
        {.id = 3,
         .type = {.id = TYPE_TEXT},
         .name = "t",
         .missing = {.type = {.id = TYPE_TEXT}, .is_null = true}},
    };
    static uint32_t key = 0;
    const struct schema schema = {.version = 1,
                                  .column_count = 3,
                                  .columns = columns,
                                  .key_count = 1,
                                  .key_columns = &key,
                                  .column_id_next = 4};
    fixture->table = fixture_create(fixture->store, "t", &schema);
}

static void begin_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture);
    create_table(fixture);
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static struct index_column unique_columns[] = {{.column_id = 2, .type = {.id = TYPE_INT4}}};
static struct index_column other_columns[] = {
    {.column_id = 3, .type = {.id = TYPE_TEXT}, .descending = true, .nulls_first = true},
    {.column_id = 2, .type = {.id = TYPE_INT4}}};
static uint32_t no_includes[1];
static const struct index_def unique_def = {
    .unique = true, .columns = unique_columns, .column_count = 1, .includes = no_includes};
static const struct index_def other_def = {
    .columns = other_columns, .column_count = 2, .includes = no_includes};
static const struct index_def hash_def = {
    .method = INDEX_HASH, .columns = other_columns, .column_count = 1, .includes = no_includes};

static tdbplus_status create_index(struct fixture *fixture, const char *name,
                                   const struct index_def *def)
{
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t oid = 0;
    tdbplus_status status =
        catalog_index_create(txn, fixture->table, NULL, name, def, &fixture->call, &oid);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, &fixture->call);
}

static void check_indexes(struct fixture *fixture)
{
    struct txn *txn = fixture_txn(fixture->store);
    OK(catalog_check_table(txn, fixture->table, &fixture->call));
    txn_abort(txn);
}

static tdbplus_status put(struct txn *txn, uint64_t table, uint8_t mode, int64_t n, int64_t u,
                          const struct call *call)
{
    char text[16];
    struct datum values[3] = {
        {.type = {.id = TYPE_INT8}, .integer = n},
        {.type = {.id = TYPE_INT4}, .integer = u, .is_null = u < 0},
        {.type = {.id = TYPE_TEXT}, .is_null = (n + u) % 5 == 0},
    };
    (void)snprintf(text, sizeof text, "t%d", (int)((n + u) % 7));
    values[2].bytes = span_from_text(text);
    return txn_write(txn, txn_object_by_id(txn, table), mode, values, NULL, call);
}

static tdbplus_status delete (struct txn *txn, uint64_t table, int64_t n, const struct call *call)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = n};
    return txn_delete(txn, txn_object_by_id(txn, table), &key, NULL, call);
}

static uint32_t chance(uint32_t bound)
{
    static uint64_t state = 11;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % bound;
}

#define ROW_COUNT 40u

struct model {
    bool there[ROW_COUNT];
    int64_t unique[ROW_COUNT]; /* -1: null. */
};

static bool is_taken(const struct model *model, int64_t u, uint32_t except)
{
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        if (i != except && model->there[i] && u >= 0 && model->unique[i] == u) {
            return true;
        }
    }
    return false;
}

static void change_one(struct fixture *fixture, struct txn *txn, struct model *model)
{
    uint32_t n = chance(ROW_COUNT);
    int64_t u = (int64_t)chance(50) - 5;
    u = u < 0 ? -1 : u;
    uint32_t what = chance(8);
    tdbplus_status status;
    tdbplus_status expected = TDBPLUS_OK;
    if (what < 2) {
        OK(delete (txn, fixture->table, n, &fixture->call));
        model->there[n] = false;
        return;
    }
    uint8_t mode = what < 4 ? TXN_INSERT : what < 6 ? TXN_UPSERT : TXN_UPDATE;
    if (mode == TXN_UPDATE && !model->there[n]) {
        expected = TDBPLUS_E_NOT_FOUND;
    } else if ((mode == TXN_INSERT && model->there[n]) || is_taken(model, u, n)) {
        expected = TDBPLUS_E_UNIQUE;
    }
    status = put(txn, fixture->table, mode, n, u, &fixture->call);
    CHECK(status == expected);
    err_clear(&fixture->err);
    if (status == TDBPLUS_OK) {
        model->there[n] = true;
        model->unique[n] = u;
    }
}

static void run_transaction(struct fixture *fixture, struct model *model)
{
    struct model kept = *model;
    struct txn *txn = fixture_txn(fixture->store);
    for (uint32_t i = 0; i < 6; i++) {
        struct model inner = *model;
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        change_one(fixture, txn, model);
        if (chance(5) == 0) {
            txn_savepoint_rollback(txn, savepoint);
            *model = inner;
        }
        if (chance(3) == 0) {
            OK(txn_statement(txn, &fixture->err));
        }
        if (chance(20) == 0) {
            OK(txn_statement(txn, &fixture->err));
            OK(catalog_check_table(txn, fixture->table, &fixture->call));
        }
    }
    if (chance(4) == 0) {
        txn_abort(txn);
        *model = kept;
    } else {
        OK(txn_commit(txn, &fixture->call));
    }
}

TEST(indexes_follow_their_table_through_everything)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    struct model model = {0};
    for (uint32_t round = 0; round < 400; round++) {
        if (round == 20) {
            OK(create_index(fixture, "other", &other_def));
            OK(create_index(fixture, "hashed", &hash_def));
        }
        if (round == 0) {
            OK(create_index(fixture, "one", &unique_def));
        }
        run_transaction(fixture, &model);
        if (round % 20 == 0) {
            check_indexes(fixture);
        }
        if (chance(25) == 0) {
            OK(store_flush(fixture->store, &fixture->call));
        }
        if (chance(60) == 0) {
            OK(store_optimize(fixture->store, 0, &fixture->call));
        }
        if (chance(60) == 0) {
            store_close(fixture->store);
            open_store(fixture);
            check_indexes(fixture);
        }
    }
    check_indexes(fixture);
    end_fixture(fixture);
}

TEST(a_blind_upsert_keeps_the_indexes)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    OK(create_index(fixture, "one", &unique_def));
    for (int64_t i = 0; i < 30; i++) {
        struct txn *txn = fixture_txn(fixture->store);
        const struct object *table = txn_object_by_id(txn, fixture->table);
        struct datum values[3] = {
            {.type = {.id = TYPE_INT8}, .integer = i % 10},
            {.type = {.id = TYPE_INT4}, .integer = i},
            {.type = {.id = TYPE_TEXT}, .is_null = true},
        };
        OK(txn_upsert_now(fixture->store, table, values, &fixture->call));
        txn_abort(txn);
    }
    check_indexes(fixture);
    end_fixture(fixture);
}

TEST(the_check_sees_a_table_changed_behind_its_index)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    OK(create_index(fixture, "one", &unique_def));
    struct txn *txn = fixture_txn(fixture->store);
    OK(put(txn, fixture->table, TXN_INSERT, 1, 1, &fixture->call));
    OK(put(txn, fixture->table, TXN_INSERT, 2, 2, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    for (uint32_t round = 0; round < 2; round++) {
        txn = fixture_txn(fixture->store);
        const struct object *entries = txn_object(txn, OBJECT_COLLECTION, "\x01one");
        CHECK(entries != NULL && catalog_hidden(entries));
        uint8_t bytes[] = {1, 0x80, 0, 0, 1};
        struct datum key = {.type = {.id = TYPE_BYTEA}, .bytes = {.data = bytes, .size = 5}};
        struct datum values[3] = {key,
                                  {.type = {.id = TYPE_INT8}, .integer = 1},
                                  {.type = {.id = TYPE_INT4}, .integer = 1}};
        if (round == 0) {
            bool existed = false;
            OK(txn_delete(txn, entries, &key, &existed, &fixture->call));
            CHECK(existed);
        } else {
            bytes[4] = 77;
            OK(txn_write(txn, entries, TXN_INSERT, values, NULL, &fixture->call));
        }
        OK(txn_statement(txn, &fixture->err));
        CHECK(catalog_check_table(txn, fixture->table, &fixture->call) == TDBPLUS_E_CORRUPT);
        err_clear(&fixture->err);
        txn_abort(txn);
    }
    end_fixture(fixture);
}

TEST(an_index_is_not_made_over_duplicates_or_rows_in_flight)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    OK(put(txn, fixture->table, TXN_INSERT, 1, 1, &fixture->call));
    OK(put(txn, fixture->table, TXN_INSERT, 2, 1, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    CHECK(create_index(fixture, "one", &unique_def) == TDBPLUS_E_UNIQUE);
    CHECK(strcmp(fixture->err.detail, "Key (u)=(1) is duplicated.") == 0);
    err_clear(&fixture->err);
    OK(create_index(fixture, "other", &other_def));
    // A transaction that began before the index was made cannot commit rows without entries.
    struct txn *writer = fixture_txn(fixture->store);
    OK(put(writer, fixture->table, TXN_INSERT, 3, 3, &fixture->call));
    OK(create_index(fixture, "hashed", &hash_def));
    CHECK(txn_commit(writer, &fixture->call) == TDBPLUS_E_CONFLICT);
    err_clear(&fixture->err);
    // Nor can the index be committed over rows that its builder has not seen.
    struct txn *maker = fixture_txn(fixture->store);
    uint64_t oid = 0;
    OK(catalog_index_create(maker, fixture->table, NULL, "late", &other_def, &fixture->call, &oid));
    writer = fixture_txn(fixture->store);
    OK(put(writer, fixture->table, TXN_INSERT, 3, 3, &fixture->call));
    OK(txn_commit(writer, &fixture->call));
    CHECK(txn_commit(maker, &fixture->call) == TDBPLUS_E_CONFLICT);
    err_clear(&fixture->err);
    check_indexes(fixture);
    end_fixture(fixture);
}

TEST(an_index_over_many_rows_is_loaded)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    for (int64_t n = 0; n < 40000; n += 4000) {
        struct txn *txn = fixture_txn(fixture->store);
        for (int64_t i = n; i < n + 4000; i++) {
            OK(put(txn, fixture->table, TXN_INSERT, i, i % 3 == 0 ? -1 : 50000 - i,
                   &fixture->call));
        }
        OK(txn_commit(txn, &fixture->call));
    }
    OK(create_index(fixture, "one", &unique_def));
    OK(create_index(fixture, "other", &other_def));
    OK(create_index(fixture, "hashed", &hash_def));
    OK(store_flush(fixture->store, &fixture->call));
    check_indexes(fixture);
    store_close(fixture->store);
    open_store(fixture);
    check_indexes(fixture);
    struct txn *txn = fixture_txn(fixture->store);
    CHECK(put(txn, fixture->table, TXN_INSERT, 50001, 49999, &fixture->call) == TDBPLUS_E_UNIQUE);
    err_clear(&fixture->err);
    OK(put(txn, fixture->table, TXN_UPSERT, 2, 7, &fixture->call));
    OK(delete (txn, fixture->table, 4, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    check_indexes(fixture);
    // t has few values, so a unique index over it is refused, and leaves nothing.
    struct index_def again = unique_def;
    struct index_column text = {.column_id = 3, .type = {.id = TYPE_TEXT}};
    again.columns = &text;
    CHECK(create_index(fixture, "never", &again) == TDBPLUS_E_UNIQUE);
    CHECK(strcmp(fixture->err.text, "could not create unique index \"never\"") == 0);
    err_clear(&fixture->err);
    check_indexes(fixture);
    end_fixture(fixture);
}

/* ---- threads ---- */

#define THREAD_COUNT 8u
#define KEY_COUNT    16u

struct worker {
    struct fixture *fixture;
    uint32_t number;
    uint32_t committed;
    uint32_t duplicates;
    uint32_t deadlocks;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    uint64_t state = worker->number + 1;
    for (uint32_t i = 0; i < 150; i++) {
        struct txn *txn = NULL;
        err_clear(&err);
        CHECK(txn_begin(worker->fixture->store, NULL, &alloc_system, &txn, &err) == TDBPLUS_OK);
        tdbplus_status status = TDBPLUS_OK;
        for (uint32_t k = 0; k < 2 && status == TDBPLUS_OK; k++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(state >> 33);
            int64_t n = worker->number * 1000 + dice % 8;
            status = dice / 8 % 4 == 0 ? delete (txn, worker->fixture->table, n, &call)
                                       : put(txn, worker->fixture->table, TXN_UPSERT, n,
                                             dice / 64 % KEY_COUNT, &call);
        }
        if (status != TDBPLUS_OK) {
            txn_abort(txn);
            CHECK(status == TDBPLUS_E_UNIQUE || status == TDBPLUS_E_DEADLOCK);
            worker->duplicates += status == TDBPLUS_E_UNIQUE;
            worker->deadlocks += status == TDBPLUS_E_DEADLOCK;
            CHECK(status != TDBPLUS_E_DEADLOCK || strcmp(err.sqlstate, "40P01") == 0);
            continue;
        }
        CHECK(txn_commit(txn, &call) == TDBPLUS_OK);
        worker->committed++;
    }
    return NULL;
}

/* Every row's unique value at most once. */
static void check_no_duplicates(struct fixture *fixture)
{
    static const uint32_t position = 1;
    uint32_t seen[KEY_COUNT] = {0};
    struct txn *txn = fixture_txn(fixture->store);
    struct scan *scan = NULL;
    struct batch batch;
    struct scan_options options = {.positions = &position, .position_count = 1};
    batch_init(&batch, &alloc_system);
    OK(scan_open(txn, txn_object_by_id(txn, fixture->table), &options, &scan, &fixture->err));
    while (scan_next(scan, &batch, &fixture->call) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            struct datum value;
            column_get(&batch.columns[0], batch.selection == NULL ? i : batch.selection[i], &value);
            CHECK(value.integer >= 0 && value.integer < KEY_COUNT);
            CHECK(++seen[value.integer] == 1);
        }
    }
    scan_close(scan);
    batch_deinit(&batch);
    txn_abort(txn);
}

TEST(threads_that_want_the_same_keys_never_both_get_one)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    OK(create_index(fixture, "one", &unique_def));
    pthread_t threads[THREAD_COUNT];
    struct worker workers[THREAD_COUNT];
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        workers[i] = (struct worker){.fixture = fixture, .number = i};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    uint32_t committed = 0;
    uint32_t duplicates = 0;
    for (uint32_t i = 0; i < THREAD_COUNT; i++) {
        (void)pthread_join(threads[i], NULL);
        committed += workers[i].committed;
        duplicates += workers[i].duplicates;
    }
    CHECK(committed > 0 && duplicates > 0);
    check_no_duplicates(fixture);
    check_indexes(fixture);
    end_fixture(fixture);
}

/* ---- failing memory, damaged bytes ---- */

TEST(a_write_that_runs_out_of_memory_leaves_row_and_entry_alike)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture);
    OK(create_index(fixture, "one", &unique_def));
    OK(create_index(fixture, "other", &other_def));
    uint32_t fail_at = 0;
    for (bool over = false; !over; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct err err = {0};
        struct call call = {.alloc = &fault.alloc, .err = &err};
        struct txn *txn = NULL;
        tdbplus_status status = txn_begin(fixture->store, NULL, &fault.alloc, &txn, &err);
        if (status == TDBPLUS_OK) {
            status = put(txn, fixture->table, TXN_UPSERT, 1, fail_at, &call);
        }
        if (status == TDBPLUS_OK) {
            status = txn_commit(txn, &call);
            over = status == TDBPLUS_OK;
        } else if (txn != NULL) {
            // What failed left nothing behind, so the rest may be committed.
            status = txn_commit(txn, &call);
        }
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        CHECK(fault.live_bytes == 0);
        check_indexes(fixture);
    }
    CHECK(fail_at > 10);
    end_fixture(fixture);
}

TEST(a_damaged_definition_is_refused_or_another_one)
{
    struct index_def def = other_def;
    def.predicate = "u > 3";
    struct buffer bytes = {.alloc = &alloc_system};
    index_def_encode(&def, &bytes);
    CHECK(!bytes.failed);
    for (size_t size = 0; size <= bytes.size; size++) {
        struct arena arena = {.alloc = &alloc_system};
        struct index_def back = {0};
        struct span part = {.data = bytes.data, .size = size};
        tdbplus_status status = index_def_decode(part, &arena, &back, NULL);
        CHECK((status == TDBPLUS_OK) == (size == bytes.size));
        if (status == TDBPLUS_OK) {
            CHECK(back.column_count == 2 && strcmp(back.predicate, "u > 3") == 0);
            CHECK(back.columns[0].descending && back.columns[0].nulls_first);
        }
        arena_deinit(&arena);
    }
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        struct arena arena = {.alloc = &alloc_system};
        struct index_def back = {0};
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        tdbplus_status status = index_def_decode(buffer_span(&bytes), &arena, &back, NULL);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
        CHECK(status != TDBPLUS_OK || back.column_count <= INDEX_COLUMN_COUNT_MAX);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        arena_deinit(&arena);
    }
    buffer_deinit(&bytes);
}
