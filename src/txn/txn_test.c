/*
 * Goal: transactions see what the standard says they see, and scans return exactly the visible rows
 * in the order asked for. Method: small scripted conflicts, one per anomaly; then random
 * transactions with savepoints against a sorted array, compared by every kind of scan.
 */

#include "txn/txn.h"

#include <stdlib.h>

#include "locks/lock_table.h"
#include "storage/store/store_read.h"
#include "store_fixture.h"

#define KEY_COUNT 300u

struct fixture {
    struct env *env;
    struct store *store;
    bool text_key;
    uint64_t snapshot_age_us; /* 0: the store's default, which no test lives to see. */
    struct err err;
    struct call call;
    struct scan *resting; /* Between scans without a transaction. */
    uint32_t glance_counts[3];
};

static void begin_fixture_aged(struct fixture *fixture, bool text_key, uint64_t snapshot_age_us)
{
    *fixture = (struct fixture){.text_key = text_key, .snapshot_age_us = snapshot_age_us};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .deadlock_timeout_us = 20000,
                                    .snapshot_age_max_us = fixture->snapshot_age_us,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
    struct schema_column columns[] = {
        {.id = 1, .not_null = true, .type = {.id = TYPE_INT8}, .name = "n"},
        {.id = 2, .type = {.id = TYPE_INT4}, .name = "v", .missing = {.is_null = true}},
        {.id = 3, .not_null = true, .type = {.id = TYPE_TEXT}, .name = "k"},
    };
    uint32_t key = text_key ? 2 : 0;
    struct schema schema = {.version = 1,
                            .column_count = 3,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 4};
    (void)fixture_create(fixture->store, "t", &schema);
}

static void begin_fixture(struct fixture *fixture, bool text_key)
{
    begin_fixture_aged(fixture, text_key, 0);
}

static void end_fixture(struct fixture *fixture)
{
    scan_close(fixture->resting);
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static struct txn *begin(struct fixture *fixture, uint8_t isolation)
{
    struct txn_options options = {.isolation = isolation, .durability = -1};
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

static void commit(struct fixture *fixture, struct txn *txn)
{
    OK(txn_commit(txn, &fixture->call));
}

/* Order of the text keys is the order of the numbers. */
static void key_text(int64_t number, char text[32])
{
    (void)snprintf(text, 32, "key-%08lld", (long long)number);
}

static tdbplus_status put(struct fixture *fixture, struct txn *txn, uint8_t mode, int64_t number,
                          int32_t value)
{
    char text[32];
    key_text(number, text);
    err_clear(&fixture->err);
    struct datum values[] = {
        {.type = {.id = TYPE_INT8}, .integer = number},
        {.type = {.id = TYPE_INT4}, .is_null = value < 0, .integer = value},
        {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)},
    };
    return txn_write(txn, fixture_table(txn, "t"), mode, values, NULL, &fixture->call);
}

static struct datum key_datum(const struct fixture *fixture, int64_t number, char text[32])
{
    key_text(number, text);
    if (fixture->text_key) {
        return (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)};
    }
    return (struct datum){.type = {.id = TYPE_INT8}, .integer = number};
}

static bool erase(struct fixture *fixture, struct txn *txn, int64_t number)
{
    char text[32];
    struct datum key = key_datum(fixture, number, text);
    bool existed = false;
    OK(txn_delete(txn, fixture_table(txn, "t"), &key, &existed, &fixture->call));
    return existed;
}

/* The value, -1 for null, -2 when there is no row. */
static int32_t get(struct fixture *fixture, struct txn *txn, int64_t number)
{
    char text[32];
    struct datum key = key_datum(fixture, number, text);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    struct datum values[3];
    bool found = false;
    OK(txn_get(txn, fixture_table(txn, "t"), &key, NULL, 0, &batch, values, &found,
               &fixture->call));
    int32_t value = -2;
    if (found) {
        CHECK(values[0].integer == number);
        value = values[1].is_null ? -1 : (int32_t)values[1].integer;
    }
    batch_deinit(&batch);
    return value;
}

static void statement(struct fixture *fixture, struct txn *txn)
{
    OK(txn_statement(txn, &fixture->err));
}

/* ---- anomalies ---- */

TEST(a_transaction_sees_its_own_changes_and_nobody_else_does)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *writer = begin(fixture, TXN_READ_COMMITTED);
    struct txn *reader = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, writer, TXN_INSERT, 1, 10));
    CHECK(get(fixture, writer, 1) == 10);
    CHECK(get(fixture, reader, 1) == -2);
    commit(fixture, writer);
    CHECK(get(fixture, reader, 1) == -2); // Its statement began before the commit.
    statement(fixture, reader);
    CHECK(get(fixture, reader, 1) == 10);
    commit(fixture, reader);
    end_fixture(fixture);
}

TEST(repeatable_read_keeps_its_snapshot_and_refuses_lost_updates)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 1));
    commit(fixture, txn);

    struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(get(fixture, old, 1) == 1);
    txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_UPDATE, 1, 2));
    commit(fixture, txn);
    statement(fixture, old);
    CHECK(get(fixture, old, 1) == 1);
    CHECK(put(fixture, old, TXN_UPDATE, 1, 3) == TDBPLUS_E_CONFLICT);
    CHECK(strcmp(fixture->err.sqlstate, "40001") == 0);
    txn_abort(old);

    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(get(fixture, txn, 1) == 2);
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(a_duplicate_key_is_refused_and_named)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 7, 1));
    CHECK(put(fixture, txn, TXN_INSERT, 7, 2) == TDBPLUS_E_UNIQUE);
    CHECK(strcmp(fixture->err.sqlstate, "23505") == 0);
    CHECK(strstr(fixture->err.detail, "(n)=(7)") != NULL);
    commit(fixture, txn);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(put(fixture, txn, TXN_INSERT, 7, 3) == TDBPLUS_E_UNIQUE);
    CHECK(erase(fixture, txn, 7));
    CHECK(!erase(fixture, txn, 7));
    OK(put(fixture, txn, TXN_INSERT, 7, 4)); // Deleted by this transaction: free again.
    CHECK(put(fixture, txn, TXN_UPDATE, 8, 4) == TDBPLUS_E_NOT_FOUND);
    commit(fixture, txn);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(get(fixture, txn, 7) == 4);
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(a_locked_row_is_not_waited_for_when_asked_not_to)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *first = begin(fixture, TXN_READ_COMMITTED);
    struct txn *second = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, first, TXN_INSERT, 1, 1));
    struct datum key = {.type = {.id = TYPE_INT8}, .integer = 1};
    err_clear(&fixture->err);
    CHECK(txn_lock_row(second, fixture_table(second, "t"), &key, LOCK_ROW_UPDATE, true,
                       &fixture->call) == TDBPLUS_E_LOCK);
    commit(fixture, first);
    err_clear(&fixture->err);
    // The row came after the statement's snapshot.
    CHECK(txn_lock_row(second, fixture_table(second, "t"), &key, LOCK_ROW_UPDATE, true,
                       &fixture->call) == TDBPLUS_E_CONFLICT);
    txn_abort(second);
    end_fixture(fixture);
}

TEST(a_savepoint_takes_back_what_came_later)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 1));
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    OK(put(fixture, txn, TXN_UPDATE, 1, 2));
    OK(put(fixture, txn, TXN_INSERT, 2, 2));
    CHECK(get(fixture, txn, 1) == 2);
    txn_savepoint_rollback(txn, savepoint);
    CHECK(get(fixture, txn, 1) == 1);
    CHECK(get(fixture, txn, 2) == -2);
    commit(fixture, txn);
    txn = begin(fixture, TXN_READ_COMMITTED);
    CHECK(get(fixture, txn, 1) == 1);
    CHECK(get(fixture, txn, 2) == -2);
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(a_statement_does_not_see_the_rows_it_writes)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 1));
    statement(fixture, txn);
    struct scan *scan = NULL;
    struct scan_options options = {.order = SCAN_ANY};
    OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t seen = 0;
    while (scan_next(scan, &batch, &fixture->call) == TDBPLUS_OK) {
        seen += batch_live_count(&batch);
        OK(put(fixture, txn, TXN_INSERT, 100 + seen, 1));
        CHECK(seen < 10);
    }
    CHECK(seen == 1);
    batch_deinit(&batch);
    scan_close(scan);
    commit(fixture, txn);
    end_fixture(fixture);
}

TEST(a_transaction_that_is_open_too_long_is_told_so)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture_aged(fixture, false, 1);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 1));
    commit(fixture, txn);
    struct txn *old = begin(fixture, TXN_REPEATABLE_READ);
    env_sleep_us(store_env(fixture->store), 1000); // However long it takes, it is past the limit.
    store_expire_snapshots(fixture->store);

    struct datum key = {.type = {.id = TYPE_INT8}, .integer = 1};
    struct datum values[3];
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool found = false;
    err_clear(&fixture->err);
    CHECK(txn_get(old, fixture_table(old, "t"), &key, NULL, 0, &batch, values, &found,
                  &fixture->call) == TDBPLUS_E_SNAPSHOT);
    CHECK(strcmp(fixture->err.sqlstate, "72000") == 0);
    CHECK(fixture->err.hint[0] != '\0');
    struct scan *scan = NULL;
    struct scan_options options = {.order = SCAN_ANY};
    OK(scan_open(old, fixture_table(old, "t"), &options, &scan, &fixture->err));
    CHECK(scan_next(scan, &batch, &fixture->call) == TDBPLUS_E_SNAPSHOT);
    scan_close(scan);
    batch_deinit(&batch);
    CHECK(txn_statement(old, NULL) == TDBPLUS_E_SNAPSHOT);
    txn_abort(old);
    txn = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(get(fixture, txn, 1) == 1); // The next one is as good as any.
    txn_abort(txn);
    end_fixture(fixture);
}

TEST(a_transaction_within_the_limit_is_left_alone)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 1));
    commit(fixture, txn);
    txn = begin(fixture, TXN_REPEATABLE_READ);
    store_expire_snapshots(fixture->store);
    CHECK(get(fixture, txn, 1) == 1);
    txn_abort(txn);
    end_fixture(fixture);
}

/* ---- scans against a model ---- */

struct model {
    int32_t values[KEY_COUNT]; /* -2: no row. */
};

/* `txn` NULL: a scan that needs none, in the memory of the last one. */
static struct scan *open_scan(struct fixture *fixture, struct txn *txn,
                              const struct scan_options *options)
{
    struct scan *scan = NULL;
    if (txn != NULL) {
        OK(scan_open(txn, fixture_table(txn, "t"), options, &scan, &fixture->err));
        return scan;
    }
    scan = fixture->resting;
    fixture->resting = NULL;
    OK(scan_begin_now(fixture->store, &scan, &fixture->err));
    struct catalog *catalog = catalog_acquire(fixture->store);
    uint64_t id = catalog_find(catalog, OBJECT_COLLECTION, "t")->id;
    catalog_release(catalog);
    OK(scan_open_now(scan, scan_find_object(scan, id), options, &fixture->err));
    return scan;
}

static void end_scan(struct fixture *fixture, struct txn *txn, struct scan *scan)
{
    CHECK(txn == NULL || !scan_rest(scan));
    if (txn == NULL && scan_rest(scan)) {
        fixture->resting = scan;
    } else {
        scan_close(scan);
    }
}

/* Walks a scan and compares it with the model's rows in [low, high]; `order` decides how. */
static void check_scan(struct fixture *fixture, struct txn *txn, const struct model *model,
                       uint8_t order, int64_t low, int64_t high)
{
    static const uint32_t positions[] = {1, 0};
    char low_text[32];
    char high_text[32];
    struct datum low_key = key_datum(fixture, low, low_text);
    struct datum high_key = key_datum(fixture, high, high_text);
    struct scan_options options = {.positions = positions, .position_count = 2, .order = order};
    options.lower = (struct scan_bound){.values = &low_key, .value_count = low > 0};
    options.upper = (struct scan_bound){.values = &high_key, .value_count = high < KEY_COUNT - 1};
    options.row_limit = (uint64_t)(low % 3) * (uint64_t)(high % 70); // A hint, not a bound.
    struct scan *scan = open_scan(fixture, txn, &options);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool seen[KEY_COUNT] = {false};
    int64_t previous = order == SCAN_DESCENDING ? INT64_MAX : INT64_MIN;
    uint32_t count = 0;
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum value;
            struct datum number;
            column_get(&batch.columns[0], row, &value);
            column_get(&batch.columns[1], row, &number);
            CHECK(number.integer >= low && number.integer <= high);
            CHECK(!seen[number.integer]);
            seen[number.integer] = true;
            CHECK((value.is_null ? -1 : (int32_t)value.integer) == model->values[number.integer]);
            CHECK(order != SCAN_ASCENDING || number.integer > previous);
            CHECK(order != SCAN_DESCENDING || number.integer < previous);
            previous = number.integer;
            count++;
        }
    }
    CHECK(status == TDBPLUS_END);
    for (int64_t n = low; n <= high; n++) {
        count -= model->values[n] != -2 ? 1 : 0;
    }
    CHECK(count == 0);
    batch_deinit(&batch);
    end_scan(fixture, txn, scan);
}

static void check_scans(struct fixture *fixture, struct txn *txn, const struct model *model,
                        uint32_t *state)
{
    int64_t low = rand_r(state) % (int)KEY_COUNT;
    int64_t high = low + rand_r(state) % ((int)KEY_COUNT - (int)low);
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        check_scan(fixture, txn, model, order, 0, KEY_COUNT - 1);
        check_scan(fixture, txn, model, order, low, high);
    }
}

/* A glance says the same, or nothing: right after an open no page is in memory. */
static void check_glance(struct fixture *fixture, const struct object *object,
                         const struct datum *key, int32_t expected)
{
    struct datum values[3];
    struct buffer scratch = {.alloc = &alloc_system};
    struct store_glance glance;
    store_glance_begin(fixture->store, &glance);
    enum txn_glance answer = txn_glance(fixture->store, &glance, object, key, &scratch, values);
    fixture->glance_counts[answer]++;
    CHECK(answer == TXN_GLANCE_UNKNOWN || (answer == TXN_GLANCE_FOUND) == (expected != -2));
    if (answer == TXN_GLANCE_FOUND) {
        CHECK(datum_compare(&values[fixture->text_key ? 2 : 0], key) == 0);
        CHECK((values[1].is_null ? -1 : (int32_t)values[1].integer) == expected);
    }
    store_glance_end(&glance);
    buffer_deinit(&scratch);
}

/* Single reads: many at once as the transaction sees them, and without a transaction. */
static void check_reads(struct fixture *fixture, struct txn *txn, const struct model *model,
                        const struct model *committed)
{
    char texts[KEY_COUNT][32];
    struct datum keys[KEY_COUNT];
    struct datum values[KEY_COUNT][3];
    struct batch batches[KEY_COUNT];
    const struct datum *key_list[KEY_COUNT];
    struct datum *value_list[KEY_COUNT];
    struct batch *batch_list[KEY_COUNT];
    bool found[KEY_COUNT];
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        keys[i] = key_datum(fixture, i, texts[i]);
        batch_init(&batches[i], &alloc_system);
        key_list[i] = &keys[i];
        value_list[i] = values[i];
        batch_list[i] = &batches[i];
    }
    OK(txn_get_many(txn, fixture_table(txn, "t"), key_list, KEY_COUNT, batch_list, value_list,
                    found, &fixture->call));
    struct buffer scratch = {.alloc = &alloc_system};
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        CHECK(found[i] == (model->values[i] != -2));
        CHECK(!found[i] || values[i][0].integer == (int64_t)i);
        CHECK(!found[i] ||
              (values[i][1].is_null ? -1 : (int32_t)values[i][1].integer) == model->values[i]);
        batch_reset(&batches[i]);
        OK(txn_get_now(fixture->store, fixture_table(txn, "t"), &keys[i], &scratch, &batches[i],
                       values[i], &found[i], &fixture->err));
        CHECK(found[i] == (committed->values[i] != -2));
        CHECK(!found[i] ||
              (values[i][1].is_null ? -1 : (int32_t)values[i][1].integer) == committed->values[i]);
        batch_deinit(&batches[i]);
        check_glance(fixture, fixture_table(txn, "t"), &keys[i], committed->values[i]);
    }
    buffer_deinit(&scratch);
}

static void random_change(struct fixture *fixture, struct txn *txn, struct model *model,
                          uint32_t *state)
{
    int64_t number = rand_r(state) % (int)KEY_COUNT;
    if (rand_r(state) % 3 == 0) {
        CHECK(erase(fixture, txn, number) == (model->values[number] != -2));
        model->values[number] = -2;
        return;
    }
    int32_t value = rand_r(state) % 5 == 0 ? -1 : rand_r(state) % 1000;
    uint8_t mode = model->values[number] == -2 ? TXN_INSERT : TXN_UPDATE;
    mode = rand_r(state) % 2 == 0 ? mode : TXN_UPSERT;
    OK(put(fixture, txn, mode, number, value));
    model->values[number] = value;
}

static void run_transaction(struct fixture *fixture, struct model *model, uint32_t *state)
{
    struct model now = *model;
    struct txn *txn = begin(fixture, (uint8_t)(rand_r(state) % 2));
    uint32_t statements = 1 + (uint32_t)rand_r(state) % 5;
    for (uint32_t s = 0; s < statements; s++) {
        struct model before = now;
        struct txn_savepoint savepoint = txn_savepoint_set(txn);
        for (uint32_t i = 0; i < (uint32_t)rand_r(state) % 20; i++) {
            random_change(fixture, txn, &now, state);
        }
        if (rand_r(state) % 4 == 0) {
            txn_savepoint_rollback(txn, savepoint);
            now = before;
        }
        statement(fixture, txn);
        if (rand_r(state) % 4 == 0) {
            check_scans(fixture, txn, &now, state);
            check_reads(fixture, txn, &now, model);
        }
    }
    if (rand_r(state) % 4 == 0) {
        txn_abort(txn);
        return;
    }
    commit(fixture, txn);
    *model = now;
}

/* A write without a transaction. */
static tdbplus_status upsert_now(struct fixture *fixture, int64_t number, int32_t value)
{
    char text[32];
    key_text(number, text);
    err_clear(&fixture->err);
    struct datum values[] = {
        {.type = {.id = TYPE_INT8}, .integer = number},
        {.type = {.id = TYPE_INT4}, .is_null = value < 0, .integer = value},
        {.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text)},
    };
    struct catalog *catalog = catalog_acquire(fixture->store);
    const struct object *object = catalog_find(catalog, OBJECT_COLLECTION, "t");
    tdbplus_status status = txn_upsert_now(fixture->store, object, values, &fixture->call);
    catalog_release(catalog);
    return status;
}

static void maintain(struct fixture *fixture, uint32_t *state)
{
    uint32_t dice = (uint32_t)rand_r(state) % 12;
    if (dice == 0) {
        OK(store_flush(fixture->store, &fixture->call));
    } else if (dice == 1) {
        OK(store_optimize(fixture->store, 0, &fixture->call));
    }
}

static void scans_against_model(bool text_key)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, text_key);
    struct model model;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        model.values[i] = -2;
    }
    uint32_t state = text_key ? 5 : 3;
    for (uint32_t round = 0; round < 300; round++) {
        run_transaction(fixture, &model, &state);
        for (int i = 0; i < rand_r(&state) % 4; i++) {
            int64_t number = rand_r(&state) % (int)KEY_COUNT;
            model.values[number] = rand_r(&state) % 1000 - 1;
            OK(upsert_now(fixture, number, model.values[number]));
        }
        maintain(fixture, &state);
        if (round % 5 == 0) {
            struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
            check_scans(fixture, txn, &model, &state);
            check_reads(fixture, txn, &model, &model);
            txn_abort(txn);
            check_scans(fixture, NULL, &model, &state);
        }
    }
    CHECK(fixture->glance_counts[TXN_GLANCE_FOUND] > 0);
    CHECK(fixture->glance_counts[TXN_GLANCE_ABSENT] > 0);
    end_fixture(fixture);
}

TEST(an_upsert_without_a_transaction_waits_for_the_lock_of_the_row)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
    OK(put(fixture, txn, TXN_INSERT, 1, 10));
    fixture->call.deadline_us = env_clock_mono_us(fixture->env) + 20000;
    CHECK(upsert_now(fixture, 1, 11) == TDBPLUS_E_TIMEOUT);
    OK(upsert_now(fixture, 2, 20)); // Past the deadline, but nothing to wait for.
    fixture->call.deadline_us = 0;
    commit(fixture, txn);
    OK(upsert_now(fixture, 1, 12));
    txn = begin(fixture, TXN_REPEATABLE_READ);
    CHECK(get(fixture, txn, 1) == 12);
    OK(upsert_now(fixture, 1, 13));
    CHECK(get(fixture, txn, 1) == 12);
    CHECK(put(fixture, txn, TXN_UPDATE, 1, 14) == TDBPLUS_E_CONFLICT);
    txn_abort(txn);
    end_fixture(fixture);
}

struct unregistered {
    struct fixture *fixture;
    _Atomic bool stop;
    bool turn;
    uint64_t missing;
    uint64_t back; /* Reads older than one before. */
};

/* Every other read; false when the row must be read the long way. */
static bool glance_on(struct unregistered *reader, const struct object *object,
                      const struct datum *key, struct datum *values, bool *found)
{
    reader->turn = !reader->turn;
    if (!reader->turn) {
        return false;
    }
    struct store_glance glance;
    store_glance_begin(reader->fixture->store, &glance);
    enum txn_glance answer = txn_glance(reader->fixture->store, &glance, object, key, NULL, values);
    store_glance_end(&glance); // The value that is looked at is no bytes.
    *found = answer == TXN_GLANCE_FOUND;
    return answer != TXN_GLANCE_UNKNOWN;
}

static void read_on(void *arg)
{
    struct unregistered *reader = arg;
    struct store *store = reader->fixture->store;
    struct err err = {0};
    struct batch batch;
    struct buffer scratch = {.alloc = &alloc_system};
    batch_init(&batch, &alloc_system);
    // Not by a transaction: its snapshot would keep the old versions.
    struct catalog *catalog = catalog_acquire(store);
    const struct object *object = catalog_find(catalog, OBJECT_COLLECTION, "t");
    int64_t seen[8] = {0};
    for (uint32_t i = 0; !atomic_load(&reader->stop); i++) {
        struct datum key = {.type = {.id = TYPE_INT8}, .integer = i % 8};
        struct datum values[3];
        bool found = false;
        batch_reset(&batch);
        if (!glance_on(reader, object, &key, values, &found)) {
            CHECK(txn_get_now(store, object, &key, &scratch, &batch, values, &found, &err) ==
                  TDBPLUS_OK);
        }
        reader->missing += found ? 0 : 1;
        reader->back += found && values[1].integer < seen[i % 8] ? 1 : 0;
        seen[i % 8] = found ? values[1].integer : seen[i % 8];
    }
    catalog_release(catalog);
    batch_deinit(&batch);
    buffer_deinit(&scratch);
}

/* Rows that are replaced over and over while flushes and merges take old versions away. */
TEST(a_row_read_without_a_transaction_is_never_missing_and_never_goes_back)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct unregistered reader = {.fixture = fixture};
    struct env_task *task = NULL;
    for (int32_t round = 0; round < 100; round++) {
        for (int64_t number = 0; number < 8; number++) {
            struct txn *txn = begin(fixture, TXN_READ_COMMITTED);
            OK(put(fixture, txn, TXN_UPSERT, number, round));
            commit(fixture, txn);
        }
        if (round == 0) {
            OK(env_task_start(fixture->env, "reader", read_on, &reader, &task, &fixture->err));
        }
        if (round % 4 == 3) {
            OK(store_flush(fixture->store, &fixture->call));
        }
        if (round % 16 == 15) {
            OK(store_optimize(fixture->store, 0, &fixture->call));
        }
    }
    atomic_store(&reader.stop, true);
    env_task_join(fixture->env, task);
    CHECK(reader.missing == 0);
    CHECK(reader.back == 0);
    end_fixture(fixture);
}

TEST(scans_return_the_visible_rows_with_integer_keys)
{
    scans_against_model(false);
}

TEST(scans_return_the_visible_rows_with_text_keys)
{
    scans_against_model(true);
}
