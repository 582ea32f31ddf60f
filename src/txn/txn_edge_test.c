/*
 * Goal: composite keys keep their order and bounds in every kind of scan, and running out of memory
 * anywhere is an error after which everything still holds (S7). Method: random rows against a
 * sorted array, with bounds over every prefix of the key; then each allocation of a transaction, a
 * flush and a merge refused in turn.
 */

#include "txn/txn.h"

#include <stdlib.h>

#include "store_fixture.h"

#define TEXT_COUNT 10u
#define A_COUNT    6u
#define ROW_COUNT  (A_COUNT * TEXT_COUNT)

struct fixture {
    struct env *env;
    struct store *store;
    struct fault_alloc store_fault;
    bool text_first;
    struct err err;
    struct call call;
};

static void open_store(struct fixture *fixture)
{
    struct store_options options = {.env = fixture->env,
                                    .alloc = &fixture->store_fault.alloc,
                                    .directory = "db",
                                    .no_background = true,
                                    .cache_size_bytes = 1 << 20,
                                    .log_file_size = 1 << 20};
    OK(store_open(&options, &fixture->store, &fixture->err));
}

static void begin_fixture(struct fixture *fixture, bool text_first)
{
    *fixture = (struct fixture){.text_first = text_first};
    fault_alloc_init(&fixture->store_fault, UINT32_MAX);
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    open_store(fixture);
    struct schema_column columns[] = {
        {.id = 1,
         .not_null = true,
         .type = {.id = text_first ? TYPE_INT8 : TYPE_INT4},
         .name = "a"},
        {.id = 2, .not_null = true, .type = {.id = TYPE_TEXT}, .name = "b"},
        {.id = 3, .type = {.id = TYPE_INT8}, .name = "v", .missing = {.is_null = true}},
    };
    uint32_t keys[2] = {text_first ? 1 : 0, text_first ? 0 : 1};
    struct schema schema = {.version = 1,
                            .column_count = 3,
                            .columns = columns,
                            .key_count = 2,
                            .key_columns = keys,
                            .column_id_next = 4};
    (void)fixture_create(fixture->store, "t", &schema);
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    CHECK(fixture->store_fault.live_bytes == 0);
    env_ram_destroy(fixture->env);
}

/* Texts in order, some of which begin with others or hold zero bytes. */
static struct span text_at(uint32_t number)
{
    static const struct {
        const char *bytes;
        size_t size;
    } texts[TEXT_COUNT] = {{"", 0},    {"\0", 1},   {"\0\0", 2}, {"\1", 1}, {"a", 1},
                           {"a\0", 2}, {"a\0b", 3}, {"ab", 2},   {"b", 1},  {"\x7F\x7F", 2}};
    return (struct span){.data = (const uint8_t *)texts[number].bytes, .size = texts[number].size};
}

static int64_t integer_at(uint32_t number)
{
    static const int64_t integers[A_COUNT] = {INT32_MIN, -1, 0, 1, 255, INT32_MAX};
    return integers[number];
}

/* Rows are numbered in the order of their keys. */
static uint32_t a_of(const struct fixture *fixture, uint32_t row)
{
    return fixture->text_first ? row % A_COUNT : row / TEXT_COUNT;
}

static uint32_t b_of(const struct fixture *fixture, uint32_t row)
{
    return fixture->text_first ? row / A_COUNT : row % TEXT_COUNT;
}

static void make_key(const struct fixture *fixture, uint32_t row, struct datum key[2])
{
    uint32_t at = fixture->text_first ? 1 : 0;
    key[at] = (struct datum){.type = {.id = fixture->text_first ? TYPE_INT8 : TYPE_INT4},
                             .integer = integer_at(a_of(fixture, row))};
    key[1 - at] = (struct datum){.type = {.id = TYPE_TEXT}, .bytes = text_at(b_of(fixture, row))};
}

static tdbplus_status put(struct fixture *fixture, struct txn *txn, uint32_t row, int64_t value)
{
    struct datum key[2];
    make_key(fixture, row, key);
    uint32_t at = fixture->text_first ? 1 : 0;
    struct datum values[3] = {key[at], key[1 - at], {.type = {.id = TYPE_INT8}, .integer = value}};
    return txn_write(txn, fixture_table(txn, "t"), TXN_UPSERT, values, NULL, &fixture->call);
}

static tdbplus_status erase(struct fixture *fixture, struct txn *txn, uint32_t row)
{
    struct datum key[2];
    make_key(fixture, row, key);
    return txn_delete(txn, fixture_table(txn, "t"), key, NULL, &fixture->call);
}

struct model {
    int64_t values[ROW_COUNT]; /* 0: no row. */
};

struct bounds {
    uint32_t low;
    uint32_t low_count;
    bool low_exclusive;
    uint32_t high;
    uint32_t high_count;
    bool high_exclusive;
};

/* The row's place against a bound of `count` values: its prefix's group, or itself. */
static int compare_prefix(const struct fixture *fixture, uint32_t row, uint32_t bound,
                          uint32_t count)
{
    uint32_t group = count == 2 ? 1 : (fixture->text_first ? A_COUNT : TEXT_COUNT);
    return (row / group > bound / group) - (row / group < bound / group);
}

static bool inside(const struct fixture *fixture, const struct bounds *bounds, uint32_t row)
{
    if (bounds->low_count > 0) {
        int order = compare_prefix(fixture, row, bounds->low, bounds->low_count);
        if (order < 0 || (order == 0 && bounds->low_exclusive)) {
            return false;
        }
    }
    if (bounds->high_count > 0) {
        int order = compare_prefix(fixture, row, bounds->high, bounds->high_count);
        if (order > 0 || (order == 0 && bounds->high_exclusive)) {
            return false;
        }
    }
    return true;
}

static uint32_t row_number(const struct fixture *fixture, const struct batch *batch, uint32_t row)
{
    struct datum a;
    struct datum b;
    column_get(&batch->columns[1], row, &a);
    column_get(&batch->columns[2], row, &b);
    for (uint32_t i = 0; i < ROW_COUNT; i++) {
        if (integer_at(a_of(fixture, i)) == a.integer &&
            span_compare(text_at(b_of(fixture, i)), b.bytes) == 0) {
            return i;
        }
    }
    return ROW_COUNT;
}

static void check_scan(struct fixture *fixture, struct txn *txn, const struct model *model,
                       uint8_t order, const struct bounds *bounds)
{
    static const uint32_t positions[] = {2, 0, 1};
    struct datum low[2];
    struct datum high[2];
    make_key(fixture, bounds->low, low);
    make_key(fixture, bounds->high, high);
    struct scan_options options = {
        .positions = positions,
        .position_count = 3,
        .order = order,
        .lower = {low, bounds->low_count, bounds->low_exclusive},
        .upper = {high, bounds->high_count, bounds->high_exclusive},
    };
    struct scan *scan = NULL;
    OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    struct batch batch;
    batch_init(&batch, &alloc_system);
    bool seen[ROW_COUNT] = {false};
    uint32_t previous = ROW_COUNT;
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t at = batch.selection == NULL ? i : batch.selection[i];
            uint32_t row = row_number(fixture, &batch, at);
            CHECK(row < ROW_COUNT && !seen[row] && inside(fixture, bounds, row));
            struct datum value;
            column_get(&batch.columns[0], at, &value);
            CHECK(value.integer == model->values[row]);
            CHECK(previous == ROW_COUNT || order != SCAN_ASCENDING || row > previous);
            CHECK(previous == ROW_COUNT || order != SCAN_DESCENDING || row < previous);
            seen[row] = true;
            previous = row;
        }
    }
    CHECK(status == TDBPLUS_END);
    for (uint32_t row = 0; row < ROW_COUNT; row++) {
        CHECK(seen[row] == (model->values[row] != 0 && inside(fixture, bounds, row)));
    }
    batch_deinit(&batch);
    scan_close(scan);
}

static void check_everything(struct fixture *fixture, const struct model *model)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    struct bounds all = {0};
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        check_scan(fixture, txn, model, order, &all);
    }
    txn_abort(txn);
}

static void random_transaction(struct fixture *fixture, struct model *model, uint32_t *state)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    for (uint32_t i = 0; i < 12; i++) {
        uint32_t row = (uint32_t)rand_r(state) % ROW_COUNT;
        if (rand_r(state) % 3 == 0) {
            OK(erase(fixture, txn, row));
            model->values[row] = 0;
        } else {
            model->values[row] = 1 + rand_r(state) % 1000;
            OK(put(fixture, txn, row, model->values[row]));
        }
    }
    OK(txn_statement(txn, &fixture->err));
    for (uint32_t i = 0; i < 20; i++) {
        struct bounds bounds = {.low = (uint32_t)rand_r(state) % ROW_COUNT,
                                .low_count = (uint32_t)rand_r(state) % 3,
                                .low_exclusive = rand_r(state) % 2 == 0,
                                .high = (uint32_t)rand_r(state) % ROW_COUNT,
                                .high_count = (uint32_t)rand_r(state) % 3,
                                .high_exclusive = rand_r(state) % 2 == 0};
        check_scan(fixture, txn, model, (uint8_t)(i % 3), &bounds);
    }
    OK(txn_commit(txn, &fixture->call));
}

static void composite_scans(bool text_first)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, text_first);
    struct model model = {0};
    uint32_t state = 11;
    for (uint32_t round = 0; round < 60; round++) {
        random_transaction(fixture, &model, &state);
        uint32_t dice = (uint32_t)rand_r(&state) % 8;
        if (dice == 0) {
            OK(store_optimize(fixture->store, 0, &fixture->call));
        } else if (dice < 3) {
            OK(store_flush(fixture->store, &fixture->call));
        } else if (dice == 3) {
            store_close(fixture->store);
            open_store(fixture);
        }
    }
    check_everything(fixture, &model);
    end_fixture(fixture);
}

TEST(a_flush_leaves_behind_rows_that_the_last_commit_ended)
{
    struct fixture one;
    struct fixture *fixture = &one;
    begin_fixture(fixture, false);
    for (int pass = 0; pass < 2; pass++) {
        struct txn *txn = fixture_txn(fixture->store);
        for (uint32_t row = 0; row < 5; row++) {
            struct datum key[2];
            bool existed = false;
            make_key(fixture, row, key);
            if (pass == 0) {
                OK(put(fixture, txn, row, row));
            } else {
                OK(txn_delete(txn, fixture_table(txn, "t"), key, &existed, &fixture->call));
            }
        }
        OK(txn_commit(txn, &fixture->call));
    }
    OK(store_flush(fixture->store, &fixture->call));
    struct store_statistics statistics;
    store_get_statistics(fixture->store, &statistics);
    CHECK(statistics.segment_count == 0);
    end_fixture(fixture);
}

TEST(scans_keep_the_order_and_bounds_of_an_integer_and_a_text)
{
    composite_scans(false);
}

TEST(scans_keep_the_order_and_bounds_of_a_text_and_an_integer)
{
    composite_scans(true);
}

/* ---- out of memory ---- */

/* A transaction with a bit of everything; what it leaves behind if it commits. */
static tdbplus_status work(struct fixture *fixture, const struct alloc *alloc, struct txn **txn_out)
{
    struct txn *txn = NULL;
    TRY(txn_begin(fixture->store, NULL, alloc, &txn, &fixture->err));
    *txn_out = txn;
    for (uint32_t row = 0; row < 20; row++) {
        TRY(put(fixture, txn, row, 500));
    }
    struct txn_savepoint savepoint = txn_savepoint_set(txn);
    TRY(erase(fixture, txn, 3));
    TRY(put(fixture, txn, 30, 1));
    txn_savepoint_rollback(txn, savepoint);
    TRY(erase(fixture, txn, 5));
    TRY(txn_statement(txn, &fixture->err));
    uint32_t position = 2;
    struct scan_options options = {
        .positions = &position, .position_count = 1, .order = SCAN_DESCENDING};
    struct scan *scan = NULL;
    TRY(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    struct batch batch;
    batch_init(&batch, alloc);
    tdbplus_status status = TDBPLUS_OK;
    while (status == TDBPLUS_OK) {
        status = scan_next(scan, &batch, &fixture->call);
    }
    batch_deinit(&batch);
    scan_close(scan);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status work_and_commit(struct fixture *fixture, const struct alloc *alloc)
{
    struct txn *txn = NULL;
    err_clear(&fixture->err);
    fixture->call.alloc = alloc;
    tdbplus_status status = work(fixture, alloc, &txn);
    if (status == TDBPLUS_OK) {
        status = txn_commit(txn, &fixture->call);
    } else {
        txn_abort(txn);
    }
    fixture->call.alloc = &alloc_system;
    return status;
}

static void prepare(struct fixture *fixture, struct model *before, struct model *after)
{
    struct txn *txn = NULL;
    OK(txn_begin(fixture->store, NULL, &alloc_system, &txn, &fixture->err));
    for (uint32_t row = 0; row < ROW_COUNT; row += 2) {
        before->values[row] = 7;
        OK(put(fixture, txn, row, 7));
    }
    OK(txn_commit(txn, &fixture->call));
    OK(store_flush(fixture->store, &fixture->call));
    *after = *before;
    for (uint32_t row = 0; row < 20; row++) {
        after->values[row] = row == 5 ? 0 : 500;
    }
}

TEST(a_transaction_survives_every_failed_allocation_of_its_own)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct model before = {0};
    struct model after = {0};
    prepare(fixture, &before, &after);
    uint32_t fail_at = 0;
    tdbplus_status status = TDBPLUS_E_NOMEM;
    for (; status != TDBPLUS_OK; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        status = work_and_commit(fixture, &fault.alloc);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        CHECK(fault.live_bytes == 0);
        err_clear(&fixture->err);
        if (status != TDBPLUS_OK && fail_at % 8 == 0) {
            check_everything(fixture, &before);
        }
    }
    CHECK(fail_at > 10);
    check_everything(fixture, &after);
    end_fixture(fixture);
}

/* Runs `step` with the store's next allocation refused, then the one after, until it succeeds. */
static uint32_t sweep(struct fixture *fixture, tdbplus_status (*step)(struct fixture *fixture),
                      const struct model *model)
{
    uint32_t refused = 0;
    for (;; refused++) {
        fixture->store_fault.fail_at = fixture->store_fault.calls + refused;
        err_clear(&fixture->err);
        tdbplus_status status = step(fixture);
        bool reached = fixture->store_fault.calls > fixture->store_fault.fail_at;
        fixture->store_fault.fail_at = UINT32_MAX;
        err_clear(&fixture->err);
        if (status == TDBPLUS_OK && !reached) {
            return refused;
        }
        if (status == TDBPLUS_OK) {
            continue; // It got by without that memory.
        }
        CHECK(status == TDBPLUS_E_NOMEM);
        if (model != NULL) {
            check_everything(fixture, model);
        }
    }
}

static tdbplus_status step_commit(struct fixture *fixture)
{
    return work_and_commit(fixture, &alloc_system);
}

static tdbplus_status step_flush(struct fixture *fixture)
{
    return store_flush(fixture->store, &fixture->call);
}

static tdbplus_status step_merge(struct fixture *fixture)
{
    return store_optimize(fixture->store, 0, &fixture->call);
}

TEST(a_store_survives_every_failed_allocation_of_a_commit_a_flush_and_a_merge)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, true);
    struct model before = {0};
    struct model after = {0};
    prepare(fixture, &before, &after);
    CHECK(sweep(fixture, step_commit, NULL) > 0);
    check_everything(fixture, &after);
    CHECK(sweep(fixture, step_flush, &after) > 0);
    check_everything(fixture, &after);
    CHECK(sweep(fixture, step_merge, &after) > 0);
    check_everything(fixture, &after);
    store_close(fixture->store);
    open_store(fixture);
    check_everything(fixture, &after);
    end_fixture(fixture);
}
