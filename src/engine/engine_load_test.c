/*
 * Goal: loads by the C API hold what they were given, all or nothing, with and without a
 * transaction. Method: small and large loads through the handle and through upsert_many, counted
 * and read back; keys that exist, values that do not fit, loads that are given up.
 */

#include "tdbplus/tdbplus.h"

#include "test.h"

#define ROWS 40000u

struct fixture {
    tdbplus_db *db;
    tdbplus_collection *rows;
    tdbplus_call call;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &f->db, NULL) == TDBPLUS_OK);
    tdbplus_column columns[] = {{.name = "k", .type = TDBPLUS_TYPE_INT8, .not_null = true},
                                {.name = "v", .type = TDBPLUS_TYPE_TEXT}};
    const char *key[] = {"k"};
    CHECK(tdbplus_collection_create(f->db, NULL, "t", columns, 2, key, 1, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_collection_open(f->db, NULL, "t", &f->rows, NULL) == TDBPLUS_OK);
}

static void fixture_deinit(struct fixture *f)
{
    tdbplus_collection_close(f->rows);
    tdbplus_close(f->db);
}

static uint64_t count(struct fixture *f, tdbplus_txn *txn, int64_t *sum)
{
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    uint64_t rows = 0;
    *sum = 0;
    CHECK(tdbplus_scan_open(f->rows, txn, NULL, &scan, NULL) == TDBPLUS_OK);
    while (tdbplus_scan_next(scan, &values, NULL) == TDBPLUS_OK) {
        char text[64];
        int size =
            snprintf(text, sizeof text, "the text of row %lld", (long long)values[0].as.integer);
        CHECK(values[1].as.bytes.size == (size_t)size &&
              memcmp(values[1].as.bytes.data, text, (size_t)size) == 0);
        *sum += values[0].as.integer;
        rows++;
    }
    tdbplus_scan_close(scan);
    return rows;
}

/* Rows from + step * i; their bytes are overwritten as soon as the call has returned. */
static tdbplus_status add(struct fixture *f, tdbplus_load *load, int64_t from, int64_t step,
                          uint32_t rows)
{
    tdbplus_status status = TDBPLUS_OK;
    for (uint32_t i = 0; i < rows && status == TDBPLUS_OK; i++) {
        char text[64];
        int64_t key = from + step * i;
        (void)snprintf(text, sizeof text, "the text of row %lld", (long long)key);
        tdbplus_value values[] = {tdbplus_int8(key), tdbplus_text(text)};
        status = tdbplus_load_rows(load, values, 2, 1, &f->call);
        memset(text, 'x', sizeof text);
    }
    return status;
}

TEST(loads_of_any_size_hold_what_they_were_given)
{
    struct fixture f;
    fixture_init(&f);
    tdbplus_load *load = NULL;
    uint64_t rows = 0;
    int64_t sum = 0;
    tdbplus_load_options options = {.struct_size = sizeof options, .insert = true};
    CHECK(tdbplus_load_open(f.rows, NULL, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, 1, 1, 10) == TDBPLUS_OK);
    CHECK(tdbplus_load_end(load, &rows, &f.call) == TDBPLUS_OK && rows == 10);
    CHECK(count(&f, NULL, &sum) == 10 && sum == 55);
    CHECK(tdbplus_load_open(f.rows, NULL, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, ROWS + 10, -1, ROWS) == TDBPLUS_OK);
    CHECK(count(&f, NULL, &sum) == 10); // Not before its end.
    CHECK(tdbplus_load_end(load, &rows, &f.call) == TDBPLUS_OK && rows == ROWS);
    CHECK(count(&f, NULL, &sum) == ROWS + 10);
    CHECK(sum == (int64_t)(ROWS + 10) * (ROWS + 11) / 2);
    fixture_deinit(&f);
}

TEST(a_load_in_a_transaction_is_seen_by_it_and_can_be_taken_back)
{
    struct fixture f;
    fixture_init(&f);
    tdbplus_txn *txn = NULL;
    tdbplus_load *load = NULL;
    int64_t sum = 0;
    CHECK(tdbplus_begin(f.db, NULL, &txn, NULL) == TDBPLUS_OK);
    tdbplus_load_options options = {.struct_size = sizeof options, .direct_rows = 100};
    CHECK(tdbplus_load_open(f.rows, txn, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, 0, 1, 5000) == TDBPLUS_OK);
    CHECK(tdbplus_load_end(load, NULL, &f.call) == TDBPLUS_OK);
    CHECK(count(&f, txn, &sum) == 5000 && count(&f, NULL, &sum) == 0);
    CHECK(tdbplus_savepoint(txn, "s", NULL) == TDBPLUS_OK);
    CHECK(tdbplus_load_open(f.rows, txn, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, 2500, 1, 5000) == TDBPLUS_OK);
    CHECK(tdbplus_load_end(load, NULL, &f.call) == TDBPLUS_OK);
    CHECK(count(&f, txn, &sum) == 7500);
    CHECK(tdbplus_rollback_to(txn, "s", NULL) == TDBPLUS_OK);
    CHECK(count(&f, txn, &sum) == 5000);
    CHECK(tdbplus_load_open(f.rows, txn, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, 9000, 1, 500) == TDBPLUS_OK);
    tdbplus_load_abort(load);
    CHECK(tdbplus_commit(txn, NULL) == TDBPLUS_OK);
    CHECK(count(&f, NULL, &sum) == 5000);
    fixture_deinit(&f);
}

TEST(a_key_that_exists_fails_the_load_and_is_named)
{
    struct fixture f;
    fixture_init(&f);
    tdbplus_value row[] = {tdbplus_int8(777), tdbplus_text("the text of row 777")};
    CHECK(tdbplus_insert(f.rows, NULL, row, 2, NULL) == TDBPLUS_OK);
    tdbplus_load *load = NULL;
    int64_t sum = 0;
    tdbplus_load_options options = {.struct_size = sizeof options, .insert = true};
    CHECK(tdbplus_load_open(f.rows, NULL, &options, &load, &f.call) == TDBPLUS_OK);
    tdbplus_status status = add(&f, load, 0, 1, ROWS);
    CHECK(status == TDBPLUS_E_UNIQUE);
    CHECK(strcmp(f.call.error.detail, "Key (k)=(777) already exists.") == 0);
    CHECK(tdbplus_load_rows(load, row, 2, 1, &f.call) == TDBPLUS_E_STATE);
    CHECK(tdbplus_load_end(load, NULL, &f.call) == TDBPLUS_E_STATE);
    CHECK(count(&f, NULL, &sum) == 1);
    CHECK(tdbplus_load_open(f.rows, NULL, &options, &load, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_load_rows(load, row, 1, 1, &f.call) == TDBPLUS_E_INVALID);
    tdbplus_load_abort(load);
    tdbplus_load_abort(NULL);
    fixture_deinit(&f);
}

TEST(a_range_goes_as_one)
{
    struct fixture f;
    fixture_init(&f);
    tdbplus_load *load = NULL;
    tdbplus_txn *txn = NULL;
    uint64_t deleted = 0;
    int64_t sum = 0;
    tdbplus_value low = tdbplus_int8(100);
    tdbplus_value high = tdbplus_int8(200);
    CHECK(tdbplus_load_open(f.rows, NULL, NULL, &load, &f.call) == TDBPLUS_OK);
    CHECK(add(&f, load, 0, 1, ROWS) == TDBPLUS_OK);
    CHECK(tdbplus_load_end(load, NULL, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_begin(f.db, NULL, &txn, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_delete_range(f.rows, txn, &low, 1, &high, 1, &deleted, &f.call) == TDBPLUS_OK);
    CHECK(deleted == 100 && count(&f, txn, &sum) == ROWS - 100 && count(&f, NULL, &sum) == ROWS);
    CHECK(tdbplus_delete_range(f.rows, txn, &low, 1, &high, 1, &deleted, &f.call) == TDBPLUS_OK);
    CHECK(deleted == 0);
    CHECK(tdbplus_delete_range(f.rows, txn, &low, 2, NULL, 0, NULL, &f.call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_commit(txn, NULL) == TDBPLUS_OK);
    CHECK(count(&f, NULL, &sum) == ROWS - 100);
    CHECK(tdbplus_delete_range(f.rows, NULL, &high, 1, NULL, 0, NULL, &f.call) == TDBPLUS_OK);
    CHECK(count(&f, NULL, &sum) == 100 && sum == 99 * 100 / 2);
    CHECK(tdbplus_delete_range(f.rows, NULL, NULL, 0, NULL, 0, &deleted, &f.call) == TDBPLUS_OK);
    CHECK(deleted == 100 && count(&f, NULL, &sum) == 0);
    fixture_deinit(&f);
}

TEST(upsert_many_of_very_many_rows_replaces_what_is_there)
{
    struct fixture f;
    fixture_init(&f);
    static char texts[ROWS][40];
    static tdbplus_value values[2 * ROWS];
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t key = i * 7919u % ROWS + round * 10;
            (void)snprintf(texts[i], sizeof texts[i], "the text of row %u", key);
            values[2 * i] = tdbplus_int8(key);
            values[2 * i + 1] = tdbplus_text(texts[i]);
        }
        CHECK(tdbplus_upsert_many(f.rows, NULL, values, 2, ROWS, &f.call) == TDBPLUS_OK);
    }
    int64_t sum = 0;
    CHECK(count(&f, NULL, &sum) == ROWS + 10);
    fixture_deinit(&f);
}
