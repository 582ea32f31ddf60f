/*
 * Goal: a full disk is an ordinary error, and what was committed survives a flush that gets half
 * way. Method: an environment in memory that refuses to make segments, or to make files longer,
 * after so many times; transactions over two tables, then opened again and compared.
 */

#include "txn/txn.h"

#include "store_fixture.h"

#define ROW_COUNT 60u
#define PAD_SIZE  10000u

static struct env_ops small_ops;
static const struct env_ops *inner_ops;
static uint32_t segments_left; /* So many can be made, then the disk is full. */
static bool no_space;          /* No file grows. */

static tdbplus_status open_small(void *ctx, const char *path, uint32_t flags,
                                 struct env_file **file_out, struct err *err)
{
    if ((flags & ENV_OPEN_CREATE) != 0 && strstr(path, "segment-") != NULL) {
        if (segments_left == 0) {
            return err_set(err, TDBPLUS_E_FULL, "%s: no space left on device", path);
        }
        segments_left--;
    }
    return inner_ops->open(ctx, path, flags, file_out, err);
}

static tdbplus_status allocate_small(void *ctx, struct env_file *file, uint64_t size,
                                     struct err *err)
{
    if (no_space) {
        return err_set(err, TDBPLUS_E_FULL, "no space left on device");
    }
    return inner_ops->allocate(ctx, file, size, err);
}

struct fixture {
    struct env *ram;
    struct env env;
    struct store *store;
    struct err err;
    struct call call;
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = &fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 18,
                                    .log_file_size = 1 << 18};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void create_table(struct fixture *fixture, const char *name)
{
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_TEXT}, .name = "pad", .missing = {.is_null = true}},
    };
    uint32_t key = 0;
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3};
    (void)fixture_create(fixture->store, name, &schema);
}

static void begin_fixture(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->ram, &fixture->err));
    inner_ops = fixture->ram->ops;
    small_ops = *inner_ops;
    small_ops.open = open_small;
    small_ops.allocate = allocate_small;
    fixture->env =
        (struct env){.ops = &small_ops, .ctx = fixture->ram->ctx, .name = fixture->ram->name};
    segments_left = UINT32_MAX;
    no_space = false;
    open_store(fixture);
    create_table(fixture, "a");
    create_table(fixture, "b");
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->ram);
}

/* One transaction over both tables. */
static tdbplus_status put_both(struct fixture *fixture, int64_t n)
{
    static uint8_t pad[PAD_SIZE];
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    memset(pad, (int)('a' + n % 26), sizeof pad);
    struct datum values[] = {
        {.type = {.id = TYPE_INT8}, .integer = n},
        {.type = {.id = TYPE_TEXT}, .bytes = {.data = pad, .size = sizeof pad}},
    };
    for (uint32_t i = 0; i < 2; i++) {
        const struct object *table = txn_object(txn, OBJECT_COLLECTION, i == 0 ? "a" : "b");
        OK(txn_write(txn, table, TXN_UPSERT, values, NULL, &fixture->call));
    }
    return txn_commit(txn, &fixture->call);
}

/* Rows 0 .. count - 1, and no other, are in both tables. */
static void check_rows(struct fixture *fixture, int64_t count)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    for (uint32_t i = 0; i < 2; i++) {
        const struct object *table = txn_object(txn, OBJECT_COLLECTION, i == 0 ? "a" : "b");
        for (int64_t n = 0; n <= count; n++) {
            struct datum key = {.type = {.id = TYPE_INT8}, .integer = n};
            struct datum values[2];
            bool found = false;
            OK(txn_get(txn, table, &key, NULL, 0, &batch, values, &found, &fixture->call));
            CHECK(found == (n < count));
            CHECK(!found || (values[1].bytes.size == PAD_SIZE &&
                             values[1].bytes.data[PAD_SIZE - 1] == 'a' + n % 26));
            batch_reset(&batch);
        }
    }
    batch_deinit(&batch);
    txn_abort(txn);
}

TEST(a_flush_that_gets_half_way_after_a_replay_loses_no_row)
{
    for (uint32_t made = 0; made < 10; made++) {
        struct fixture self;
        struct fixture *fixture = &self;
        begin_fixture(fixture);
        for (int64_t n = 0; n < ROW_COUNT; n++) {
            OK(put_both(fixture, n));
        }
        store_close(fixture->store);
        open_store(fixture); // Replay begins new memtables of both tables within one record.
        segments_left = made;
        tdbplus_status status = store_flush(fixture->store, &fixture->call);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_FULL);
        err_clear(&fixture->err);
        check_rows(fixture, ROW_COUNT);
        segments_left = UINT32_MAX;
        store_close(fixture->store);
        open_store(fixture);
        check_rows(fixture, ROW_COUNT);
        OK(store_flush(fixture->store, &fixture->call));
        check_rows(fixture, ROW_COUNT);
        end_fixture(fixture);
    }
}

TEST(a_full_disk_refuses_commits_and_takes_them_again_when_there_is_space)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture);
    int64_t count = 0;
    for (; count < 5; count++) {
        OK(put_both(fixture, count));
    }
    no_space = true;
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        CHECK(count < 1000);
        status = put_both(fixture, count);
        count += status == TDBPLUS_OK ? 1 : 0;
    }
    CHECK(status == TDBPLUS_E_FULL);
    err_clear(&fixture->err);
    check_rows(fixture, count);
    CHECK(put_both(fixture, count) == TDBPLUS_E_FULL);
    err_clear(&fixture->err);
    no_space = false;
    OK(put_both(fixture, count));
    count++;
    check_rows(fixture, count);
    store_close(fixture->store);
    open_store(fixture);
    check_rows(fixture, count);
    end_fixture(fixture);
}
