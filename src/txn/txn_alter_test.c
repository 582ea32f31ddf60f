/*
 * Goal: a schema change is one moment for everybody: who sees it can work by it, who does not keeps
 * what was, and running out of memory changes nothing. Method: an env whose sync calls back, so
 * that others work exactly while the change waits for the disk; each scene was a defect once.
 */

#include "txn/txn.h"

#include "locks/lock_table.h"
#include "store_fixture.h"

struct fixture {
    struct env *ram;
    struct env env; /* `ram` with a sync of its own. */
    struct env_ops ops;
    struct store *store;
    struct err err;
    struct call call;
    const struct alloc *alloc;
};

/* What runs, once, within the next sync. */
static void (*on_sync)(struct fixture *fixture);
static struct fixture *on_sync_fixture;

static tdbplus_status sync_with_hook(void *ctx, struct env_file *file, struct err *err)
{
    void (*hook)(struct fixture *) = on_sync;
    on_sync = NULL;
    if (hook != NULL) {
        hook(on_sync_fixture);
    }
    return on_sync_fixture->ram->ops->sync(ctx, file, err);
}

static void begin_fixture(struct fixture *fixture, const struct alloc *alloc)
{
    *fixture = (struct fixture){.alloc = alloc};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->ram, &fixture->err));
    fixture->ops = *fixture->ram->ops;
    fixture->ops.sync = sync_with_hook;
    fixture->env = *fixture->ram;
    fixture->env.ops = &fixture->ops;
    on_sync = NULL;
    on_sync_fixture = fixture;
    struct store_options options = {.env = &fixture->env,
                                    .alloc = alloc,
                                    .directory = "db",
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 20,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->ram);
}

static struct txn *begin(struct fixture *fixture, uint8_t isolation)
{
    struct txn *txn = NULL;
    struct txn_options options = {.isolation = isolation, .durability = -1};
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

/* A key and `extra` more columns. */
static struct schema describe(uint32_t extra, struct schema_column columns[3])
{
    static uint32_t key = 0;
    struct type type = {.id = TYPE_INT8};
    columns[0] = (struct schema_column){.id = 1, .not_null = true, .type = type, .name = "n"};
    columns[1] = (struct schema_column){
        .id = 2, .type = type, .name = "v", .missing = {.type = type, .integer = 7}};
    columns[2] = (struct schema_column){
        .id = 3, .type = type, .name = "w", .missing = {.type = type, .integer = 8}};
    return (struct schema){.version = 1,
                           .column_count = 1 + extra,
                           .columns = columns,
                           .key_count = 1,
                           .key_columns = &key,
                           .column_id_next = 4};
}

static void create(struct fixture *fixture, const char *name, uint32_t extra)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    struct schema_column columns[3];
    struct schema schema = describe(extra, columns);
    uint64_t id = 0;
    OK(txn_object_create(txn, OBJECT_COLLECTION, name, &schema, (struct span){0}, &id,
                         &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static tdbplus_status alter(struct fixture *fixture, uint32_t extra)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    struct schema_column columns[3];
    struct schema schema = describe(extra, columns);
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, "t");
    tdbplus_status status = txn_object_alter(txn, object->id, NULL, &schema, NULL, &fixture->err);
    if (status != TDBPLUS_OK) {
        txn_abort(txn);
        return status;
    }
    return txn_commit(txn, &fixture->call);
}

/* Writes row n with as many columns as the transaction's schema has. */
static void put(struct fixture *fixture, struct txn *txn, int64_t n)
{
    struct datum values[3] = {
        {.type = {.id = TYPE_INT8}, .integer = n},
        {.type = {.id = TYPE_INT8}, .integer = 100 + n},
        {.type = {.id = TYPE_INT8}, .integer = 200 + n},
    };
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, "t");
    OK(txn_write(txn, object, TXN_UPSERT, values, NULL, &fixture->call));
}

static void put_alone(struct fixture *fixture, int64_t n)
{
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    put(fixture, txn, n);
    OK(txn_commit(txn, &fixture->call));
}

/* Column `at` of row n as the transaction sees it; -1 when there is no such row. */
static int64_t get(struct fixture *fixture, struct txn *txn, int64_t n, uint32_t at)
{
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = n};
    struct datum value = {0};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool found = false;
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, "t");
    OK(txn_get(txn, object, &key, &at, 1, &batch, &value, &found, &fixture->call));
    batch_deinit(&batch);
    return found ? value.integer : -1;
}

/* ---- a transaction that commits on a thread of its own ---- */

static struct txn *other;
static struct env_task *other_task;
static struct err other_err;
static _Atomic int other_status;

#define STILL_RUNNING (-1)

static void commit_other(void *arg)
{
    (void)arg;
    struct call call = {.alloc = &alloc_system, .err = &other_err};
    atomic_store(&other_status, (int)txn_commit(other, &call));
}

/* Gives it a moment; it may have to wait for the sync that this one stands in. */
static void start_other(struct fixture *fixture)
{
    atomic_store(&other_status, STILL_RUNNING);
    other_err = (struct err){0};
    OK(env_task_start(fixture->ram, "other", commit_other, NULL, &other_task, &fixture->err));
    for (int i = 0; i < 100 && atomic_load(&other_status) == STILL_RUNNING; i++) {
        env_sleep_us(fixture->ram, 2000);
    }
}

static void join_other(struct fixture *fixture)
{
    env_task_join(fixture->ram, other_task);
    other_task = NULL;
}

TEST(a_commit_beside_a_drop_is_refused_or_before_it)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &alloc_system);
    create(fixture, "t", 1);
    other = begin(fixture, TXN_READ_COMMITTED);
    put(fixture, other, 1);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, "t");
    OK(txn_object_drop(txn, object->id, &fixture->err));
    on_sync = start_other;
    OK(txn_commit(txn, &fixture->call));
    join_other(fixture);
    // The drop had its place in the log: a row accepted behind it would be acknowledged and lost.
    CHECK(atomic_load(&other_status) == TDBPLUS_E_CONFLICT);
    end_fixture(fixture);
}

static bool saw_new_columns;

static void write_by_what_is_seen(struct fixture *fixture)
{
    other = begin(fixture, TXN_READ_COMMITTED);
    saw_new_columns = txn_object(other, OBJECT_COLLECTION, "t")->schema->column_count == 3;
    put(fixture, other, 2);
    start_other(fixture);
}

TEST(who_sees_new_columns_can_commit_by_them)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &alloc_system);
    create(fixture, "t", 1);
    on_sync = write_by_what_is_seen;
    OK(alter(fixture, 2));
    join_other(fixture);
    CHECK(!saw_new_columns || atomic_load(&other_status) == TDBPLUS_OK);
    put_alone(fixture, 3);
    end_fixture(fixture);
}

static struct txn *early;

static void begin_early(struct fixture *fixture)
{
    early = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(txn_object(early, OBJECT_COLLECTION, "t") == NULL);
}

TEST(a_snapshot_does_not_know_a_later_table)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &alloc_system);
    on_sync = begin_early;
    create(fixture, "t", 1);
    put_alone(fixture, 1);
    CHECK(early != NULL);
    OK(txn_statement(early, &fixture->err));
    CHECK(txn_object(early, OBJECT_COLLECTION, "t") == NULL);
    txn_abort(early);
    struct txn *late = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(get(fixture, late, 1, 1) == 101);
    txn_abort(late);
    end_fixture(fixture);
}

TEST(an_older_snapshot_reads_a_dropped_column_through_merges)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &alloc_system);
    create(fixture, "t", 2);
    put_alone(fixture, 1);
    OK(store_flush(fixture->store, &fixture->call));
    put_alone(fixture, 2);
    struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
    OK(alter(fixture, 1)); // Drops "w".
    put_alone(fixture, 3);
    for (int round = 0; round < 3; round++) {
        CHECK(get(fixture, old, 1, 2) == 201);
        CHECK(get(fixture, old, 2, 2) == 202);
        CHECK(get(fixture, old, 3, 2) == -1);
        OK(store_optimize(fixture->store, 0, &fixture->call));
        put_alone(fixture, 4 + round);
    }
    CHECK(get(fixture, old, 1, 2) == 201);
    txn_abort(old);
    // Now nobody needs it: a column of that id given again would not find the old values.
    OK(store_optimize(fixture->store, 0, &fixture->call));
    OK(alter(fixture, 2));
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(get(fixture, txn, 1, 2) == 8);
    CHECK(get(fixture, txn, 1, 1) == 101);
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(a_schema_change_without_memory_changes_nothing)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &fault.alloc);
    create(fixture, "t", 1);
    put_alone(fixture, 1);
    uint32_t extra = 2;
    uint32_t refused = 0;
    for (uint32_t fail_at = 0; fail_at < 10000; fail_at++) {
        atomic_store(&fault.calls, 0);
        fault.fail_at = fail_at;
        tdbplus_status status = alter(fixture, extra);
        fault.fail_at = UINT32_MAX;
        if (status == TDBPLUS_OK) {
            break;
        }
        if (status != TDBPLUS_E_NOMEM) {
            fprintf(stderr, "allocation %u: %d %s\n", fail_at, (int)status, fixture->err.text);
        }
        CHECK(status == TDBPLUS_E_NOMEM);
        err_clear(&fixture->err);
        refused++;
        put_alone(fixture, 1 + (int64_t)fail_at); // It lives, and with the columns it had.
        struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
        CHECK(txn_object(txn, OBJECT_COLLECTION, "t")->schema->column_count == 2);
        txn_abort(txn);
    }
    CHECK(refused > 5);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(get(fixture, txn, 1, 2) == 8);
    txn_abort(txn);
    end_fixture(fixture);
    CHECK(atomic_load(&fault.live_bytes) == 0);
}

TEST(keys_of_another_type_are_refused)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, &alloc_system);
    create(fixture, "t", 1);
    put_alone(fixture, 1);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, "t");
    struct datum text = {.type = {.id = TYPE_TEXT}, .bytes = span_from_text("1")};
    struct datum values[2];
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool found = false;
    CHECK(txn_get(txn, object, &text, NULL, 0, &batch, values, &found, &fixture->call) ==
          TDBPLUS_E_TYPE);
    CHECK(strstr(fixture->err.text, "\"n\"") != NULL);
    err_clear(&fixture->err);
    const struct datum *keys[1] = {&text};
    struct batch *batches[1] = {&batch};
    struct datum *rows[1] = {values};
    CHECK(txn_get_many(txn, object, keys, 1, batches, rows, &found, &fixture->call) ==
          TDBPLUS_E_TYPE);
    err_clear(&fixture->err);
    CHECK(txn_delete(txn, object, &text, &found, &fixture->call) == TDBPLUS_E_TYPE);
    err_clear(&fixture->err);
    CHECK(txn_lock_row(txn, object, &text, LOCK_ROW_UPDATE, false, &fixture->call) ==
          TDBPLUS_E_TYPE);
    err_clear(&fixture->err);
    struct datum null = {.type = {.id = TYPE_INT8}, .is_null = true};
    CHECK(txn_delete(txn, object, &null, &found, &fixture->call) == TDBPLUS_E_NULL);
    err_clear(&fixture->err);
    CHECK(get(fixture, txn, 1, 1) == 101);
    batch_deinit(&batch);
    txn_abort(txn);
    end_fixture(fixture);
}
