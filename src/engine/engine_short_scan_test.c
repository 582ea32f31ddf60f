/*
 * Goal: a short scan, which is read in one go inside a glance, gives the rows that the same scan
 * gives inside a transaction, where it goes the long way; and all of them of one moment.
 *
 * Method: random rows of several types, with nulls, in memtables and segments, columns that came
 * later, columns in any order and twice; then readers beside a writer that changes all rows in one
 * commit, again and again, while flushes and merges go on.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

#define KEY_COUNT    500
#define COLUMN_COUNT 6
#define TEXT_SIZE    90

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_collection *rows;
    bool text_key;
    bool is_wide; /* The last column is there. */
    uint32_t state;
    uint64_t scans;
    uint64_t shorts; /* Of them, those that went the short way. */
};

static int dice(struct fixture *fixture, int sides)
{
    return rand_r(&fixture->state) % sides;
}

static void run(struct fixture *fixture, const char *sql)
{
    tdbplus_result *result = NULL;
    CHECK(tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, NULL) ==
          TDBPLUS_OK);
    tdbplus_result_close(result);
}

static void open_rows(struct fixture *fixture)
{
    tdbplus_collection_close(fixture->rows);
    CHECK(tdbplus_collection_open(fixture->db, NULL, "t", &fixture->rows, NULL) == TDBPLUS_OK);
}

static void begin_fixture(struct fixture *fixture, bool text_key)
{
    *fixture = (struct fixture){.text_key = text_key, .state = text_key ? 5 : 3};
    tdbplus_options options = {.struct_size = sizeof options, .memtable_size_bytes = 1 << 16};
    CHECK(tdbplus_open(":memory:", &options, &fixture->db, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, NULL) == TDBPLUS_OK);
    run(fixture, text_key
                     ? "CREATE TABLE t (a float8, k text PRIMARY KEY, b text, c int4, d bool)"
                     : "CREATE TABLE t (a float8, k int8 PRIMARY KEY, b text, c int4, d bool)");
    open_rows(fixture);
}

static void end_fixture(struct fixture *fixture)
{
    tdbplus_collection_close(fixture->rows);
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* Texts of one length each share their codes in groups of ten. */
static tdbplus_value make_key(const struct fixture *fixture, int number, char text[24])
{
    if (!fixture->text_key) {
        return tdbplus_int8((int64_t)number * 1000003 - 7);
    }
    (void)snprintf(text, 24, number % 3 == 0 ? "%07d" : "%07d and more", number / 10);
    size_t size = strlen(text);
    (void)snprintf(text + size, 24 - size, "%d", number % 10);
    return tdbplus_text(text);
}

static tdbplus_value or_null(struct fixture *fixture, tdbplus_value value)
{
    return dice(fixture, 6) == 0 ? tdbplus_null() : value;
}

static void put_one(struct fixture *fixture)
{
    char text[24];
    char body[TEXT_SIZE];
    size_t size = (size_t)dice(fixture, TEXT_SIZE);
    memset(body, 'a' + dice(fixture, 26), sizeof body);
    tdbplus_value row[COLUMN_COUNT] = {
        or_null(fixture, tdbplus_float8(dice(fixture, 1000) / 8.0)),
        make_key(fixture, dice(fixture, KEY_COUNT), text),
        or_null(fixture, tdbplus_text_sized(body, size)),
        or_null(fixture, tdbplus_int8(dice(fixture, 1000))),
        or_null(fixture, tdbplus_bool(dice(fixture, 2) == 0)),
        or_null(fixture, tdbplus_text_sized(body, size / 2)),
    };
    uint32_t count = fixture->is_wide ? COLUMN_COUNT : COLUMN_COUNT - 1;
    CHECK(tdbplus_upsert(fixture->rows, NULL, row, count, NULL) == TDBPLUS_OK);
}

static void erase_one(struct fixture *fixture)
{
    char text[24];
    tdbplus_value key = make_key(fixture, dice(fixture, KEY_COUNT), text);
    CHECK(tdbplus_delete(fixture->rows, NULL, &key, 1, NULL, NULL) == TDBPLUS_OK);
}

static bool same_value(const tdbplus_value *left, const tdbplus_value *right)
{
    if (left->type != right->type || left->is_null != right->is_null || left->is_null) {
        return left->type == right->type && left->is_null == right->is_null;
    }
    switch ((int)left->type) {
    case TDBPLUS_TYPE_BOOL:
        return left->as.boolean == right->as.boolean;
    case TDBPLUS_TYPE_FLOAT8:
        return left->as.real == right->as.real;
    case TDBPLUS_TYPE_TEXT:
        return left->as.bytes.size == right->as.bytes.size &&
               memcmp(left->as.bytes.data, right->as.bytes.data, left->as.bytes.size) == 0;
    default:
        return left->as.integer == right->as.integer;
    }
}

/* The same scan both ways, row by row. */
static void compare_ways(struct fixture *fixture)
{
    static const char *const names[COLUMN_COUNT] = {"a", "k", "b", "c", "d", "e"};
    const char *columns[4];
    char text[24];
    tdbplus_value from = make_key(fixture, dice(fixture, KEY_COUNT + 20) - 10, text);
    tdbplus_scan_options options = {.struct_size = sizeof options,
                                    .order = TDBPLUS_ASCENDING,
                                    .from = &from,
                                    .from_count = dice(fixture, 8) == 0 ? 0 : 1,
                                    .limit = 1 + (uint64_t)dice(fixture, 140)};
    uint32_t width = fixture->is_wide ? COLUMN_COUNT : COLUMN_COUNT - 1;
    if (dice(fixture, 2) == 0) {
        options.columns = columns;
        options.column_count = (uint32_t)dice(fixture, 5);
        for (uint32_t i = 0; i < options.column_count; i++) {
            columns[i] = names[dice(fixture, (int)width)];
        }
        width = options.column_count;
    }
    tdbplus_txn *txn = NULL;
    tdbplus_scan *quick = NULL;
    tdbplus_scan *slow = NULL;
    CHECK(tdbplus_begin(fixture->db, NULL, &txn, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_scan_open(fixture->rows, NULL, &options, &quick, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_scan_open(fixture->rows, txn, &options, &slow, NULL) == TDBPLUS_OK);
    fixture->scans++;
    fixture->shorts += quick->rows != NULL;
    CHECK(slow->rows == NULL);
    for (tdbplus_status status = TDBPLUS_OK; status == TDBPLUS_OK;) {
        const tdbplus_value *left = NULL;
        const tdbplus_value *right = NULL;
        status = tdbplus_scan_next(quick, &left, NULL);
        CHECK(status == tdbplus_scan_next(slow, &right, NULL));
        for (uint32_t i = 0; i < width && status == TDBPLUS_OK; i++) {
            CHECK(same_value(&left[i], &right[i]));
        }
    }
    const tdbplus_value *none = NULL;
    CHECK(tdbplus_scan_next(quick, &none, NULL) == TDBPLUS_END); // And stays there.
    tdbplus_scan_close(quick);
    tdbplus_scan_close(slow);
    CHECK(tdbplus_commit(txn, NULL) == TDBPLUS_OK);
}

static void compare_with_the_long_way(bool text_key)
{
    struct fixture self;
    struct fixture *fixture = &self;
    begin_fixture(fixture, text_key);
    for (int round = 0; round < 3000; round++) {
        if (round == 1500) {
            run(fixture, "ALTER TABLE t ADD COLUMN e text DEFAULT 'was not there'");
            fixture->is_wide = true;
            open_rows(fixture);
        }
        put_one(fixture);
        if (dice(fixture, 4) == 0) {
            erase_one(fixture);
        }
        if (dice(fixture, 150) == 0) {
            CHECK(tdbplus_flush(fixture->db, NULL) == TDBPLUS_OK);
        }
        if (dice(fixture, 600) == 0) {
            CHECK(tdbplus_optimize(fixture->db, NULL, NULL) == TDBPLUS_OK);
        }
        compare_ways(fixture);
    }
    CHECK(fixture->shorts > fixture->scans / 2);
    end_fixture(fixture);
}

TEST(short_scans_of_integer_keys_give_what_long_ones_give)
{
    compare_with_the_long_way(false);
}

TEST(short_scans_of_text_keys_give_what_long_ones_give)
{
    compare_with_the_long_way(true);
}

/* ---- beside a writer ---- */

#define ROW_COUNT    20
#define COMMIT_COUNT 400
#define READER_COUNT 2

struct shared {
    tdbplus_db *db;
    _Atomic bool is_done;
    _Atomic uint64_t scans;
};

static tdbplus_collection *open_pairs(tdbplus_db *db)
{
    tdbplus_collection *rows = NULL;
    CHECK(tdbplus_collection_open(db, NULL, "p", &rows, NULL) == TDBPLUS_OK);
    return rows;
}

/* All rows have the number of one commit, and no later scan an earlier one. */
static void *read_along(void *arg)
{
    struct shared *shared = arg;
    tdbplus_collection *rows = open_pairs(shared->db);
    int64_t before = 0;
    bool is_last = false;
    while (!is_last) {
        is_last = atomic_load(&shared->is_done);
        tdbplus_scan_options options = {
            .struct_size = sizeof options, .order = TDBPLUS_ASCENDING, .limit = ROW_COUNT};
        tdbplus_scan *scan = NULL;
        const tdbplus_value *values = NULL;
        int64_t count = 0;
        CHECK(tdbplus_scan_open(rows, NULL, &options, &scan, NULL) == TDBPLUS_OK);
        while (tdbplus_scan_next(scan, &values, NULL) == TDBPLUS_OK) {
            CHECK(values[0].as.integer == count);
            CHECK(count == 0 ? values[1].as.integer >= before : values[1].as.integer == before);
            before = values[1].as.integer;
            count++;
        }
        CHECK(count == ROW_COUNT);
        tdbplus_scan_close(scan);
        atomic_fetch_add(&shared->scans, 1);
    }
    tdbplus_collection_close(rows);
    return NULL;
}

static void write_commit(tdbplus_collection *rows, int64_t commit)
{
    static const char filling[200];
    tdbplus_value values[3 * ROW_COUNT];
    for (int64_t i = 0; i < ROW_COUNT; i++) {
        values[3 * i] = tdbplus_int8(i);
        values[3 * i + 1] = tdbplus_int8(commit);
        values[3 * i + 2] = tdbplus_bytea(filling, sizeof filling);
    }
    CHECK(tdbplus_upsert_many(rows, NULL, values, 3, ROW_COUNT, NULL) == TDBPLUS_OK);
}

TEST(a_short_scan_beside_a_writer_sees_one_moment)
{
    struct shared shared = {0};
    tdbplus_options options = {.struct_size = sizeof options, .memtable_size_bytes = 1 << 16};
    CHECK(tdbplus_open(":memory:", &options, &shared.db, NULL) == TDBPLUS_OK);
    const tdbplus_column columns[] = {
        {.name = "k", .type = TDBPLUS_TYPE_INT8, .not_null = true},
        {.name = "n", .type = TDBPLUS_TYPE_INT8, .not_null = true},
        {.name = "v", .type = TDBPLUS_TYPE_BYTEA},
    };
    const char *key[] = {"k"};
    CHECK(tdbplus_collection_create(shared.db, NULL, "p", columns, 3, key, 1, NULL) == TDBPLUS_OK);
    tdbplus_collection *rows = open_pairs(shared.db);
    write_commit(rows, 1);
    pthread_t readers[READER_COUNT];
    for (int i = 0; i < READER_COUNT; i++) {
        CHECK(pthread_create(&readers[i], NULL, read_along, &shared) == 0);
    }
    for (int64_t commit = 2; commit < COMMIT_COUNT; commit++) {
        write_commit(rows, commit);
        if (commit % 100 == 0) {
            CHECK(tdbplus_optimize(shared.db, NULL, NULL) == TDBPLUS_OK);
        }
    }
    atomic_store(&shared.is_done, true);
    for (int i = 0; i < READER_COUNT; i++) {
        (void)pthread_join(readers[i], NULL);
    }
    CHECK(atomic_load(&shared.scans) >= READER_COUNT);
    tdbplus_collection_close(rows);
    tdbplus_close(shared.db);
}
