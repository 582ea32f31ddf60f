/*
 * Goal: no row ever refers to one that is not there, whoever changes what at the same time. Method:
 * threads that insert, move and delete parents and children of few keys, with every action, some of
 * them deferred; then each child is looked for among the parents. Definitions truncated and
 * flipped.
 */

#include "catalog/catalog_foreign.h"

#include <pthread.h>

#include "catalog/catalog_index.h"
#include "store_fixture.h"

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    uint64_t parent;
    uint64_t child;
};

/* A key, and one more whole number, which may be null. */
static uint64_t create_table(struct fixture *fixture, const char *name)
{
    static struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "id"},
        {.id = 2,
         .type = {.id = TYPE_INT8},
         .name = "ref",
         .missing = {.type = {.id = TYPE_INT8}, .is_null = true}},
    };
    static uint32_t key = 0;
    const struct schema schema = {.version = 1,
                                  .column_count = 2,
                                  .columns = columns,
                                  .key_count = 1,
                                  .key_columns = &key,
                                  .column_id_next = 3};
    return fixture_create(fixture->store, name, &schema);
}

static void begin_fixture(struct fixture *fixture, const struct foreign_def *shape, bool indexed)
{
    static uint32_t ref[] = {2};
    static uint32_t id[] = {1};
    *fixture = (struct fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .no_background = true,
                                    .deadlock_timeout_us = 2000};
    OK(store_open(&options, &fixture->store, &fixture->err));
    fixture->parent = create_table(fixture, "parent");
    fixture->child = create_table(fixture, "child");
    struct foreign_def def = *shape;
    def.table = fixture->child;
    def.referenced = fixture->parent;
    def.columns = ref;
    def.referenced_columns = id;
    def.column_count = 1;
    struct txn *txn = fixture_txn(fixture->store);
    uint64_t oid = 0;
    OK(catalog_foreign_create(txn, "child_ref_fkey", &def, &fixture->call, &oid));
    if (indexed) {
        static struct index_column columns[] = {{.column_id = 2, .type = {.id = TYPE_INT8}}};
        static uint32_t includes[1];
        struct index_def index = {.columns = columns, .column_count = 1, .includes = includes};
        OK(catalog_index_create(txn, fixture->child, NULL, "child_ref", &index, &fixture->call,
                                &oid));
    }
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static tdbplus_status put(struct txn *txn, uint64_t table, uint8_t mode, int64_t id, int64_t ref,
                          const struct call *call)
{
    struct datum values[2] = {{.type = {.id = TYPE_INT8}, .integer = id},
                              {.type = {.id = TYPE_INT8}, .integer = ref, .is_null = ref < 0}};
    return txn_write(txn, txn_object_by_id(txn, table), mode, values, NULL, call);
}

static tdbplus_status delete (struct txn *txn, uint64_t table, int64_t id, const struct call *call)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = id};
    return txn_delete(txn, txn_object_by_id(txn, table), &key, NULL, call);
}

static tdbplus_status move(struct txn *txn, uint64_t table, int64_t from, int64_t to,
                           const struct call *call)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = from};
    struct datum values[2] = {{.type = {.id = TYPE_INT8}, .integer = to},
                              {.type = {.id = TYPE_INT8}, .is_null = true}};
    return txn_update_key(txn, txn_object_by_id(txn, table), &key, values, call);
}

#define PARENT_COUNT 6u
#define CHILD_COUNT  12u

struct worker {
    struct fixture *fixture;
    uint64_t state;
    uint32_t round_count;
    uint32_t committed;
    uint32_t refused;
    uint32_t deadlocks;
};

static uint32_t chance(struct worker *worker, uint32_t bound)
{
    worker->state = worker->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(worker->state >> 33) % bound;
}

static tdbplus_status change_one(struct worker *worker, struct txn *txn, const struct call *call)
{
    const struct fixture *fixture = worker->fixture;
    int64_t parent = chance(worker, PARENT_COUNT);
    int64_t child = chance(worker, CHILD_COUNT);
    switch (chance(worker, 8)) {
    case 0:
    case 1:
        return put(txn, fixture->parent, TXN_UPSERT, parent, -1, call);
    case 2:
        return delete (txn, fixture->parent, parent, call);
    case 3:
        return move(txn, fixture->parent, parent, chance(worker, PARENT_COUNT) + PARENT_COUNT,
                    call);
    case 4:
        return delete (txn, fixture->child, child, call);
    default:
        return put(txn, fixture->child, TXN_UPSERT, child, parent, call);
    }
}

static bool expected(tdbplus_status status, const struct err *err)
{
    return status == TDBPLUS_E_UNIQUE ||
           (status == TDBPLUS_E_CONSTRAINT && strcmp(err->sqlstate, "23503") == 0) ||
           (status == TDBPLUS_E_DEADLOCK && strcmp(err->sqlstate, "40P01") == 0);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct err err = {0};
    struct call call = {.alloc = &alloc_system, .err = &err};
    for (uint32_t i = 0; i < worker->round_count; i++) {
        struct txn *txn = NULL;
        err_clear(&err);
        CHECK(txn_begin(worker->fixture->store, NULL, &alloc_system, &txn, &err) == TDBPLUS_OK);
        tdbplus_status status = TDBPLUS_OK;
        for (uint32_t k = 0; k < 2 && status == TDBPLUS_OK; k++) {
            status = txn_statement(txn, &err);
            status = status == TDBPLUS_OK ? change_one(worker, txn, &call) : status;
            status = status == TDBPLUS_OK ? txn_end_statement(txn, &call) : status;
        }
        if (status == TDBPLUS_OK) {
            status = txn_commit(txn, &call);
        } else {
            txn_abort(txn);
        }
        CHECK(status == TDBPLUS_OK || expected(status, &err));
        worker->committed += status == TDBPLUS_OK;
        worker->refused += status == TDBPLUS_E_CONSTRAINT;
        worker->deadlocks += status == TDBPLUS_E_DEADLOCK;
    }
    return NULL;
}

static void check_no_orphans(struct fixture *fixture)
{
    static const uint32_t position = 1;
    struct txn *txn = fixture_txn(fixture->store);
    struct scan *scan = NULL;
    struct batch batch;
    struct batch row;
    struct scan_options options = {.positions = &position, .position_count = 1};
    batch_init(&batch, &alloc_system);
    batch_init(&row, &alloc_system);
    OK(scan_open(txn, txn_object_by_id(txn, fixture->child), &options, &scan, &fixture->err));
    while (scan_next(scan, &batch, &fixture->call) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            struct datum ref;
            struct datum values[2];
            bool found = false;
            column_get(&batch.columns[0], batch.selection == NULL ? i : batch.selection[i], &ref);
            if (!ref.is_null) {
                batch_reset(&row);
                OK(txn_get(txn, txn_object_by_id(txn, fixture->parent), &ref, NULL, 0, &row, values,
                           &found, &fixture->call));
                CHECK(found);
            }
        }
    }
    scan_close(scan);
    batch_deinit(&row);
    batch_deinit(&batch);
    OK(catalog_check_table(txn, fixture->child, &fixture->call));
    txn_abort(txn);
}

static void run_threads(const struct foreign_def *shape, uint32_t thread_count, bool indexed)
{
    struct fixture one;
    struct fixture *fixture = &one;
    pthread_t threads[8];
    struct worker workers[8];
    uint32_t committed = 0;
    begin_fixture(fixture, shape, indexed);
    for (uint32_t i = 0; i < thread_count; i++) {
        workers[i] =
            (struct worker){.fixture = fixture, .state = i + 1, .round_count = 3200 / thread_count};
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (uint32_t i = 0; i < thread_count; i++) {
        (void)pthread_join(threads[i], NULL);
        committed += workers[i].committed;
    }
    CHECK(committed > 0);
    check_no_orphans(fixture);
    end_fixture(fixture);
}

TEST(threads_leave_no_orphans_whatever_the_action)
{
    for (uint8_t action = FOREIGN_NO_ACTION; action <= FOREIGN_SET_NULL; action++) {
        const struct foreign_def shape = {.on_delete = action, .on_update = action};
        run_threads(&shape, 2, action % 2 == 0);
        run_threads(&shape, 8, action % 2 == 1);
    }
}

TEST(threads_leave_no_orphans_when_checks_wait)
{
    const struct foreign_def shape = {.deferrable = true, .deferred = true};
    run_threads(&shape, 2, true);
    run_threads(&shape, 8, false);
}

TEST(a_commit_looks_at_what_nobody_ended)
{
    struct fixture one;
    struct fixture *fixture = &one;
    const struct foreign_def shape = {0};
    begin_fixture(fixture, &shape, false);
    struct txn *txn = fixture_txn(fixture->store);
    OK(put(txn, fixture->child, TXN_INSERT, 1, 5, &fixture->call));
    CHECK(txn_commit(txn, &fixture->call) == TDBPLUS_E_CONSTRAINT);
    CHECK(strcmp(fixture->err.detail, "Key (ref)=(5) is not present in table \"parent\".") == 0);
    err_clear(&fixture->err);
    txn = fixture_txn(fixture->store);
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    OK(put(txn, fixture->child, TXN_INSERT, 1, 5, &fixture->call));
    txn_savepoint_rollback(txn, savepoint);
    OK(put(txn, fixture->child, TXN_INSERT, 2, -1, &fixture->call));
    OK(txn_commit(txn, &fixture->call));
    end_fixture(fixture);
}

TEST(a_damaged_foreign_key_is_refused_or_another_one)
{
    static uint32_t ids[] = {1, 2, 300};
    const struct foreign_def def = {.table = 7,
                                    .referenced = 8,
                                    .index = 9,
                                    .on_delete = FOREIGN_CASCADE,
                                    .match_full = true,
                                    .columns = ids,
                                    .referenced_columns = ids,
                                    .column_count = 3,
                                    .set_columns = ids,
                                    .set_count = 1};
    struct buffer bytes = {.alloc = &alloc_system};
    foreign_def_encode(&def, &bytes);
    for (size_t size = 0; size <= bytes.size; size++) {
        struct arena arena = {.alloc = &alloc_system};
        struct foreign_def back = {0};
        struct span part = {.data = bytes.data, .size = size};
        tdbplus_status status = foreign_def_decode(part, &arena, &back, NULL);
        CHECK((status == TDBPLUS_OK) == (size == bytes.size));
        CHECK(status != TDBPLUS_OK || (back.match_full && back.columns[2] == 300));
        arena_deinit(&arena);
    }
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        struct arena arena = {.alloc = &alloc_system};
        struct foreign_def back = {0};
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        tdbplus_status status = foreign_def_decode(buffer_span(&bytes), &arena, &back, NULL);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_CORRUPT);
        CHECK(status != TDBPLUS_OK || back.column_count <= FOREIGN_COLUMN_COUNT_MAX);
        bytes.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        arena_deinit(&arena);
    }
    buffer_deinit(&bytes);
}
