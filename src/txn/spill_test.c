/*
 * Goal: a transaction may change many times what fits its budget. It reads its own rows, rolls back
 * to savepoints across what has spilled, meets duplicates and locks as ever; a crash before the
 * commit leaves nothing, and after it everything is there. Method: random changes of a few thousand
 * keys with a budget of some kilobytes against arrays, one for each savepoint.
 */

#include "txn/txn.h"

#include <stdlib.h>

#include "base/hash.h"
#include "locks/lock_table.h"

#include "store_fixture.h"

#define KEYS       1200u
#define SAVEPOINTS 4u

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
    struct call call;
    bool text; /* Keys are texts. */
};

static struct store *open_on(struct fixture *fixture, const struct env *env)
{
    struct store_options options = {.env = env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .memtable_size_bytes = 1 << 20,
                                    .deadlock_timeout_us = 20000,
                                    .log_file_size = 1 << 20};
    struct store *store = NULL;
    OK(store_open(&options, &store, &fixture->err));
    return store;
}

static struct txn *begin(struct fixture *fixture, size_t budget)
{
    struct txn *txn = NULL;
    struct txn_options options = {.durability = -1, .change_bytes_max = budget};
    OK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err));
    return txn;
}

static void begin_fixture(struct fixture *fixture, bool text)
{
    *fixture = (struct fixture){.text = text};
    fixture->call = (struct call){.alloc = &alloc_system, .err = &fixture->err};
    OK(env_ram_create(&alloc_system, &fixture->env, &fixture->err));
    fixture->store = open_on(fixture, fixture->env);
    static uint32_t key = 0;
    struct schema_column columns[2] = {
        {.id = 1, .not_null = true, .type = {.id = text ? TYPE_TEXT : TYPE_INT4}, .name = "k"},
        {.id = 2, .type = {.id = TYPE_TEXT}, .name = "v", .missing = {.is_null = true}}};
    struct schema schema = {.version = 1,
                            .column_count = 2,
                            .columns = columns,
                            .key_count = 1,
                            .key_columns = &key,
                            .column_id_next = 3};
    uint64_t id = 0;
    struct txn *txn = begin(fixture, 0);
    OK(txn_object_create(txn, OBJECT_COLLECTION, "t", &schema, (struct span){0}, &id,
                         &fixture->err));
    OK(txn_commit(txn, &fixture->call));
}

static void end_fixture(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static void make_row(const struct fixture *fixture, uint32_t key, uint32_t version,
                     char text[2][120], struct datum values[2])
{
    (void)snprintf(text[0], 120, "%07u", key * 3);
    (void)snprintf(text[1], 120, "%u of %u, and more that takes room: %060u", version, key,
                   version);
    values[0] = fixture->text
                    ? (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text[0])}
                    : (struct datum){.type = {.id = TYPE_INT4}, .integer = (int64_t)key * 3 - 900};
    values[1] = (struct datum){.type = {.id = TYPE_TEXT}, .bytes = span_from_text(text[1])};
}

static tdbplus_status put(struct fixture *fixture, struct txn *txn, uint8_t mode, uint32_t key,
                          uint32_t version)
{
    char text[2][120];
    struct datum values[2];
    make_row(fixture, key, version, text, values);
    return txn_write(txn, fixture_table(txn, "t"), mode, values, NULL, &fixture->call);
}

static bool take(struct fixture *fixture, struct txn *txn, uint32_t key)
{
    char text[2][120];
    struct datum values[2];
    bool existed = false;
    make_row(fixture, key, 0, text, values);
    OK(txn_delete(txn, fixture_table(txn, "t"), values, &existed, &fixture->call));
    return existed;
}

static uint32_t get(struct fixture *fixture, struct txn *txn, uint32_t key)
{
    char text[2][120];
    struct datum values[2];
    struct batch batch;
    bool found = false;
    make_row(fixture, key, 0, text, values);
    batch_init(&batch, &alloc_system);
    OK(txn_get(txn, fixture_table(txn, "t"), values, NULL, 0, &batch, values, &found,
               &fixture->call));
    uint32_t version = found ? (uint32_t)strtoul((const char *)values[1].bytes.data, NULL, 10) : 0;
    batch_deinit(&batch);
    return version;
}

/* Scans see exactly the rows of the array, in each order. */
static void check_scan(struct fixture *fixture, struct txn *txn, const uint32_t *rows,
                       uint8_t order)
{
    uint32_t position = 1;
    struct scan_options options = {.positions = &position, .position_count = 1, .order = order};
    struct scan *scan = NULL;
    OK(scan_open(txn, fixture_table(txn, "t"), &options, &scan, &fixture->err));
    static bool seen[KEYS];
    memset(seen, 0, sizeof seen);
    struct batch batch;
    batch_init(&batch, &alloc_system);
    uint32_t last = order == SCAN_DESCENDING ? KEYS : 0;
    tdbplus_status status = TDBPLUS_OK;
    while ((status = scan_next(scan, &batch, &fixture->call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < batch_live_count(&batch); i++) {
            uint32_t row = batch.selection == NULL ? i : batch.selection[i];
            struct datum value = {0};
            unsigned version = 0;
            unsigned key = 0;
            char text[80];
            column_get(&batch.columns[0], row, &value);
            memcpy(text, value.bytes.data, 40);
            text[40] = '\0';
            CHECK(sscanf(text, "%u of %u", &version, &key) == 2);
            CHECK(key < KEYS && !seen[key]);
            CHECK(rows[key] == version);
            CHECK(order != SCAN_ASCENDING || key >= last);
            CHECK(order != SCAN_DESCENDING || key <= last);
            last = key;
            seen[key] = true;
        }
    }
    CHECK(status == TDBPLUS_END);
    for (uint32_t key = 0; key < KEYS; key++) {
        CHECK(seen[key] == (rows[key] != 0));
    }
    batch_deinit(&batch);
    scan_close(scan);
}

static void check_all(struct fixture *fixture, struct txn *txn, const uint32_t *rows)
{
    OK(txn_statement(txn, &fixture->err));
    for (uint8_t order = SCAN_ANY; order <= SCAN_DESCENDING; order++) {
        check_scan(fixture, txn, rows, order);
    }
    for (uint32_t key = 0; key < KEYS; key += 7) {
        CHECK(get(fixture, txn, key) == rows[key]);
    }
}

static tdbplus_status count_segment(void *ctx, const char *name, bool is_directory)
{
    (void)is_directory;
    *(uint32_t *)ctx += strncmp(name, "segment-", 8) == 0;
    return TDBPLUS_OK;
}

static uint32_t segment_files(struct fixture *fixture, const struct env *env)
{
    uint32_t count = 0;
    OK(env_list(env, "db", count_segment, &count, &fixture->err));
    return count;
}

/* What a process finds that starts after this one was killed now. */
static void check_crash(struct fixture *fixture, const uint32_t *committed)
{
    struct env *after = fixture_copy(fixture->env, "db");
    struct store *store = fixture->store;
    fixture->store = open_on(fixture, after);
    struct store_statistics statistics = {0};
    store_get_statistics(fixture->store, &statistics);
    CHECK(segment_files(fixture, after) == statistics.segment_count); // Nothing leaked.
    struct txn *txn = begin(fixture, 0);
    check_all(fixture, txn, committed);
    txn_abort(txn);
    store_close(fixture->store);
    fixture->store = store;
    env_ram_destroy(after);
}

struct history {
    uint32_t rows[KEYS];
    struct txn_savepoint at;
};

/* One transaction of random changes; returns what it made of the rows. */
static void change_at_random(struct fixture *fixture, uint64_t seed, uint32_t *rows, bool commit)
{
    static struct history savepoints[SAVEPOINTS];
    static uint32_t before[KEYS];
    memcpy(before, rows, sizeof before);
    uint32_t depth = 0;
    uint64_t random = seed;
    uint32_t files = segment_files(fixture, fixture->env);
    uint32_t most = 0;
    struct txn *txn = begin(fixture, 20000);
    for (uint32_t step = 1; step <= 6000; step++) {
        random = hash_u64(random + step);
        uint32_t key = (uint32_t)(random % KEYS);
        uint32_t what = (uint32_t)(random >> 32) % 100;
        if (what < 45) {
            OK(put(fixture, txn, TXN_UPSERT, key, step));
            rows[key] = step;
        } else if (what < 70) {
            tdbplus_status status = put(fixture, txn, TXN_INSERT, key, step);
            CHECK(status == (rows[key] != 0 ? TDBPLUS_E_UNIQUE : TDBPLUS_OK));
            err_clear(&fixture->err);
            rows[key] = rows[key] != 0 ? rows[key] : step;
        } else if (what < 90) {
            CHECK(take(fixture, txn, key) == (rows[key] != 0));
            rows[key] = 0;
        } else if (what < 94 && depth < SAVEPOINTS) {
            savepoints[depth].at = txn_savepoint_set(txn);
            memcpy(savepoints[depth++].rows, rows, sizeof before);
        } else if (what < 96 && depth > 0) {
            uint32_t to = (uint32_t)(random >> 40) % depth;
            txn_savepoint_rollback(txn, savepoints[to].at);
            memcpy(rows, savepoints[to].rows, sizeof before);
            depth = to + 1; // It can be rolled back to again.
        } else if (what < 97 && depth > 0) {
            txn_savepoint_release(txn, savepoints[--depth].at);
        } else if (what < 99) {
            OK(txn_statement(txn, &fixture->err));
        } else {
            CHECK(get(fixture, txn, key) == rows[key]);
        }
        uint32_t now = step % 50 == 0 ? segment_files(fixture, fixture->env) : 0;
        most = now > most ? now : most;
        if (step % 1500 == 0) {
            check_all(fixture, txn, rows);
        } else if (step % 700 == 0) {
            OK(store_flush(fixture->store, &fixture->call));
        } else if (step % 1700 == 0) {
            OK(store_optimize(fixture->store, 0, &fixture->call));
        }
    }
    CHECK(most > files + 3); // It has spilled.
    check_crash(fixture, before);
    if (commit) {
        OK(txn_commit(txn, &fixture->call));
        check_crash(fixture, rows);
    } else {
        txn_abort(txn);
        memcpy(rows, before, sizeof before);
        struct store_statistics statistics = {0};
        store_get_statistics(fixture->store, &statistics);
        CHECK(segment_files(fixture, fixture->env) == statistics.segment_count);
    }
}

static void check_spilling(bool text)
{
    struct fixture self;
    struct fixture *fixture = &self;
    static uint32_t rows[KEYS];
    memset(rows, 0, sizeof rows);
    begin_fixture(fixture, text);
    for (uint64_t round = 1; round <= 4; round++) {
        change_at_random(fixture, round * 7919 + (text ? 1 : 0), rows, round != 3);
        struct txn *txn = begin(fixture, 0);
        check_all(fixture, txn, rows);
        txn_abort(txn);
        if (round == 2) {
            OK(store_flush(fixture->store, &fixture->call));
            OK(store_optimize(fixture->store, 0, &fixture->call));
        }
    }
    store_close(fixture->store);
    fixture->store = open_on(fixture, fixture->env);
    struct txn *txn = begin(fixture, 0);
    check_all(fixture, txn, rows);
    txn_abort(txn);
    OK(store_optimize(fixture->store, 0, &fixture->call));
    txn = begin(fixture, 0);
    check_all(fixture, txn, rows);
    txn_abort(txn);
    OK(store_verify(fixture->store, NULL, NULL, &fixture->call));
    end_fixture(fixture);
}

TEST(spilled_changes_are_those_of_the_transaction_with_integer_keys)
{
    check_spilling(false);
}

TEST(spilled_changes_are_those_of_the_transaction_with_text_keys)
{
    check_spilling(true);
}

TEST(a_transaction_of_ten_budgets_keeps_to_its_memory)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct fault_alloc counted;
    fault_alloc_init(&counted, UINT32_MAX);
    struct txn *txn = NULL;
    struct txn_options options = {.durability = -1, .change_bytes_max = 100000};
    OK(txn_begin(fixture->store, &options, &counted.alloc, &txn, &fixture->err));
    size_t peak = 0;
    for (uint32_t i = 0; i < 10000; i++) { // Some 2 MB.
        OK(put(fixture, txn, TXN_INSERT, 5000 + i, 1));
        size_t now = atomic_load(&counted.live_bytes);
        peak = now > peak ? now : peak;
    }
    CHECK(peak < 500000);
    // Nobody else sees them, and they are locked.
    struct txn *other = begin(fixture, 0);
    CHECK(get(fixture, other, 5000) == 0);
    char text[2][120];
    struct datum values[2];
    make_row(fixture, 5000, 0, text, values);
    CHECK(txn_lock_row(other, fixture_table(other, "t"), values, LOCK_ROW_UPDATE, true,
                       &fixture->call) == TDBPLUS_E_LOCK);
    err_clear(&fixture->err);
    OK(txn_commit(txn, &fixture->call));
    CHECK(atomic_load(&counted.live_bytes) == 0);
    OK(txn_statement(other, &fixture->err));
    CHECK(get(fixture, other, 5000) == 1);
    CHECK(put(fixture, other, TXN_INSERT, 14999, 2) == TDBPLUS_E_UNIQUE);
    txn_abort(other);
    end_fixture(fixture);
}

TEST(a_repeatable_reader_meets_conflicts_with_spilled_rows)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, false);
    struct txn *reader = NULL;
    struct txn_options options = {.isolation = TXN_REPEATABLE_READ, .durability = -1};
    OK(txn_begin(fixture->store, &options, &alloc_system, &reader, &fixture->err));
    struct txn *txn = begin(fixture, 20000);
    for (uint32_t key = 0; key < KEYS; key++) {
        OK(put(fixture, txn, TXN_UPSERT, key, 5));
    }
    OK(txn_commit(txn, &fixture->call));
    CHECK(get(fixture, reader, 3) == 0);
    CHECK(put(fixture, reader, TXN_UPSERT, 3, 6) == TDBPLUS_E_CONFLICT);
    err_clear(&fixture->err);
    txn_abort(reader);
    end_fixture(fixture);
}

TEST(spilling_survives_every_failed_allocation)
{
    uint32_t refused = 0;
    for (uint32_t fail_at = 0;; fail_at += 1 + fail_at / 30) {
        struct fixture self;
        struct fixture *fixture = &self;
        begin_fixture(fixture, false);
        struct fault_alloc fault;
        fault_alloc_init(&fault, UINT32_MAX);
        struct txn *txn = NULL;
        struct txn_options options = {.durability = -1, .change_bytes_max = 20000};
        OK(txn_begin(fixture->store, &options, &fault.alloc, &txn, &fixture->err));
        uint32_t done = 0;
        uint32_t files = segment_files(fixture, fixture->env);
        fault.fail_at = atomic_load(&fault.calls) + fail_at;
        tdbplus_status status = TDBPLUS_OK;
        for (uint32_t key = 0; key < 300 && status == TDBPLUS_OK; key++) {
            status = put(fixture, txn, TXN_UPSERT, key, 9);
            done += status == TDBPLUS_OK;
        }
        bool reached = atomic_load(&fault.calls) > fault.fail_at;
        fault.fail_at = UINT32_MAX;
        if (status != TDBPLUS_OK) {
            CHECK(status == TDBPLUS_E_NOMEM);
            err_clear(&fixture->err);
            refused++;
        }
        for (uint32_t key = 0; key < 300; key++) { // What was done is there, and no more.
            CHECK(get(fixture, txn, key) == (key < done ? 9 : 0));
        }
        if (fail_at % 2 == 0) {
            OK(txn_commit(txn, &fixture->call));
        } else {
            txn_abort(txn);
            CHECK(segment_files(fixture, fixture->env) == files);
        }
        CHECK(atomic_load(&fault.live_bytes) == 0);
        end_fixture(fixture);
        if (!reached) {
            break;
        }
    }
    CHECK(refused > 20);
}
