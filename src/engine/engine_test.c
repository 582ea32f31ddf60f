/*
 * Goal: the C API keeps its promises: arguments are checked, calls wait in both forms, cancelled
 * and timed-out calls change nothing, a host without memory gets its memory back. Method:
 * databases in memory and in directories; two transactions on one row; a sweep over the host's
 * failing allocations. SQL and Arrow have tests of their own.
 */

#include "tdbplus/tdbplus.h"

#include <stdlib.h>
#include <unistd.h>

#include "os/env.h"
#include "test.h"

static const tdbplus_column columns[] = {
    {.name = "k", .type = TDBPLUS_TYPE_INT4},
    {.name = "b", .type = TDBPLUS_TYPE_TEXT},
    {.name = "c", .type = TDBPLUS_TYPE_NUMERIC, .precision = 6, .scale = 2},
};
static const char *const key[] = {"k"};

static tdbplus_db *open_memory(void)
{
    tdbplus_db *db = NULL;
    CHECK(tdbplus_open(":memory:", NULL, &db, NULL) == TDBPLUS_OK);
    return db;
}

static tdbplus_collection *make_t(tdbplus_db *db)
{
    tdbplus_collection *t = NULL;
    CHECK(tdbplus_collection_create(db, NULL, "t", columns, 3, key, 1, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_collection_open(db, NULL, "t", &t, NULL) == TDBPLUS_OK);
    return t;
}

static tdbplus_status put(tdbplus_collection *t, tdbplus_txn *txn, int64_t k, const char *b,
                          tdbplus_call *call)
{
    tdbplus_value row[] = {tdbplus_int8(k), tdbplus_text(b), tdbplus_null()};
    return tdbplus_upsert(t, txn, row, 3, call);
}

static uint64_t count_rows(tdbplus_collection *t)
{
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    uint64_t count = 0;
    CHECK(tdbplus_scan_open(t, NULL, NULL, &scan, NULL) == TDBPLUS_OK);
    while (tdbplus_scan_next(scan, &values, NULL) == TDBPLUS_OK) {
        count++;
    }
    tdbplus_scan_close(scan);
    return count;
}

TEST(rows_are_checked_and_converted)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_value row[] = {tdbplus_int8(1), tdbplus_text("x"), tdbplus_int8(5)};
    CHECK(tdbplus_update(t, NULL, row, 3, &call) == TDBPLUS_E_NOT_FOUND);
    CHECK(tdbplus_insert(t, NULL, row, 3, &call) == TDBPLUS_OK);
    CHECK(tdbplus_insert(t, NULL, row, 3, &call) == TDBPLUS_E_UNIQUE);
    CHECK(strcmp(call.error.sqlstate, "23505") == 0 && call.error.message[0] != '\0');
    CHECK(tdbplus_upsert(t, NULL, row, 3, &call) == TDBPLUS_OK);
    CHECK(tdbplus_insert(t, NULL, row, 2, &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_insert(t, NULL, NULL, 3, &call) == TDBPLUS_E_INVALID);
    tdbplus_value bad[] = {tdbplus_int8(5000000000), tdbplus_text("x"), tdbplus_null()};
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_RANGE);
    bad[0] = tdbplus_text("1");
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_TYPE);
    bad[0] = tdbplus_null();
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_NULL);
    bad[0] = tdbplus_int8(2);
    bad[1] = tdbplus_text_sized(NULL, 3);
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_INVALID);
    bad[1] = tdbplus_text_sized("a\0b", 3);
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_INVALID);
    bad[1] = tdbplus_null();
    bad[2] = (tdbplus_value){.type = TDBPLUS_TYPE_NUMERIC, .as.bytes = {"12345.67", 8}};
    CHECK(tdbplus_insert(t, NULL, bad, 3, &call) == TDBPLUS_E_RANGE);

    // All or none.
    tdbplus_value many[] = {tdbplus_int8(10),  tdbplus_null(), tdbplus_null(),
                            tdbplus_text("?"), tdbplus_null(), tdbplus_null()};
    CHECK(tdbplus_upsert_many(t, NULL, many, 3, 2, &call) == TDBPLUS_E_TYPE);
    CHECK(count_rows(t) == 1);
    many[3] = tdbplus_int8(11);
    CHECK(tdbplus_upsert_many(t, NULL, many, 3, 2, &call) == TDBPLUS_OK && count_rows(t) == 3);

    tdbplus_row *rows[2] = {NULL, NULL};
    bool found[2] = {false, true};
    CHECK(tdbplus_row_create(db, &rows[0], &call) == TDBPLUS_OK);
    CHECK(tdbplus_row_create(db, &rows[1], &call) == TDBPLUS_OK);
    tdbplus_value keys[] = {tdbplus_int8(1), tdbplus_int8(2)};
    CHECK(tdbplus_get(t, NULL, keys, 1, rows[0], &call) == TDBPLUS_OK);
    CHECK(tdbplus_row_value_count(rows[0]) == 3);
    tdbplus_value value = tdbplus_row_value(rows[0], 2);
    CHECK(value.as.bytes.size == 4 && memcmp(value.as.bytes.data, "5.00", 4) == 0);
    CHECK(tdbplus_row_value(rows[0], 3).is_null);
    CHECK(tdbplus_get(t, NULL, &keys[1], 1, rows[0], &call) == TDBPLUS_E_NOT_FOUND);
    CHECK(tdbplus_get(t, NULL, keys, 2, rows[0], &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_get_many(t, NULL, keys, 1, 2, rows, found, &call) == TDBPLUS_OK);
    CHECK(found[0] && !found[1]);
    bool deleted = false;
    CHECK(tdbplus_delete(t, NULL, keys, 1, &deleted, &call) == TDBPLUS_OK && deleted);
    CHECK(tdbplus_delete(t, NULL, keys, 1, &deleted, &call) == TDBPLUS_OK && !deleted);
    CHECK(tdbplus_delete(t, NULL, keys, 2, &deleted, &call) == TDBPLUS_E_INVALID);
    tdbplus_row_destroy(rows[0]);
    tdbplus_row_destroy(rows[1]);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

TEST(scans_give_what_their_options_say)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    for (int64_t i = 0; i < 100; i++) {
        CHECK(put(t, NULL, i, i % 2 == 0 ? "even" : "odd", &call) == TDBPLUS_OK);
    }
    tdbplus_value from = tdbplus_int8(10);
    tdbplus_value to = tdbplus_int8(20);
    const char *const wanted[] = {"b", "k", "k"};
    tdbplus_condition odd = {"b", TDBPLUS_EQUAL, tdbplus_text("odd")};
    tdbplus_scan_options options = {.struct_size = sizeof options,
                                    .columns = wanted,
                                    .column_count = 3,
                                    .order = TDBPLUS_DESCENDING,
                                    .conditions = &odd,
                                    .condition_count = 1,
                                    .from = &from,
                                    .from_count = 1,
                                    .to = &to,
                                    .to_count = 1,
                                    .limit = 3};
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    CHECK(tdbplus_scan_open(t, NULL, &options, &scan, &call) == TDBPLUS_OK);
    for (int64_t k = 19; k > 13; k -= 2) {
        CHECK(tdbplus_scan_next(scan, &values, &call) == TDBPLUS_OK);
        CHECK(values[1].as.integer == k && values[2].as.integer == k);
    }
    CHECK(tdbplus_scan_next(scan, &values, &call) == TDBPLUS_END);
    tdbplus_scan_close(scan);
    options.from_count = 2;
    CHECK(tdbplus_scan_open(t, NULL, &options, &scan, &call) == TDBPLUS_E_INVALID);
    options.from_count = 1;
    options.order = (tdbplus_order)9;
    CHECK(tdbplus_scan_open(t, NULL, &options, &scan, &call) == TDBPLUS_E_INVALID);
    options.order = TDBPLUS_ANY_ORDER;
    odd.column = "nothing";
    CHECK(tdbplus_scan_open(t, NULL, &options, &scan, &call) == TDBPLUS_E_NOT_FOUND);
    odd.column = "b";
    options.condition_count = 5000;
    CHECK(tdbplus_scan_open(t, NULL, &options, &scan, &call) == TDBPLUS_E_LIMIT);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

static bool count_name(void *context, const char *name)
{
    (void)name;
    return ++*(int *)context < 2;
}

TEST(collections_change_under_their_handles)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    CHECK(tdbplus_collection_create(db, NULL, "t", columns, 3, key, 1, &call) == TDBPLUS_E_EXISTS);
    CHECK(tdbplus_collection_create(db, NULL, "u", columns, 0, key, 1, &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_collection_create(db, NULL, "u", columns, 3, key, 0, &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_collection_create(db, NULL, NULL, columns, 3, key, 1, &call) ==
          TDBPLUS_E_INVALID);
    const char *const no_key[] = {"nothing"};
    CHECK(tdbplus_collection_create(db, NULL, "u", columns, 3, no_key, 1, &call) ==
          TDBPLUS_E_INVALID);
    CHECK(put(t, NULL, 1, "x", &call) == TDBPLUS_OK);
    tdbplus_column extra = {.name = "extra", .type = TDBPLUS_TYPE_INT8, .not_null = true};
    CHECK(tdbplus_column_add(db, NULL, "t", &extra, NULL, &call) == TDBPLUS_E_NULL);
    tdbplus_value seven = tdbplus_int8(7);
    CHECK(tdbplus_column_add(db, NULL, "t", &extra, &seven, &call) == TDBPLUS_OK);
    CHECK(tdbplus_column_add(db, NULL, "t", &extra, &seven, &call) == TDBPLUS_E_EXISTS);
    CHECK(tdbplus_column_rename(db, NULL, "t", "extra", "more", &call) == TDBPLUS_OK);
    CHECK(tdbplus_column_rename(db, NULL, "t", "more", "b", &call) == TDBPLUS_E_EXISTS);
    CHECK(tdbplus_column_drop(db, NULL, "t", "k", &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_column_drop(db, NULL, "t", "b", &call) == TDBPLUS_OK);
    CHECK(tdbplus_column_drop(db, NULL, "t", "b", &call) == TDBPLUS_E_NOT_FOUND);
    tdbplus_scan *scan = NULL;
    const tdbplus_value *values = NULL;
    CHECK(tdbplus_scan_open(t, NULL, NULL, &scan, &call) == TDBPLUS_OK);
    CHECK(tdbplus_scan_next(scan, &values, &call) == TDBPLUS_OK);
    CHECK(values[0].as.integer == 1 && values[1].is_null && values[2].as.integer == 7);
    tdbplus_scan_close(scan);
    CHECK(tdbplus_collection_column_count(t) == 3); // As it was when opened.
    CHECK(strcmp(tdbplus_collection_column(t, 1).name, "b") == 0);

    CHECK(tdbplus_documents_create(db, NULL, "docs", &call) == TDBPLUS_OK);
    tdbplus_collection *docs = NULL;
    CHECK(tdbplus_collection_open(db, NULL, "docs", &docs, &call) == TDBPLUS_OK);
    tdbplus_value document[] = {tdbplus_text("1"), tdbplus_json("{\"a\": [1, 2]}", 13)};
    CHECK(tdbplus_insert(docs, NULL, document, 2, &call) == TDBPLUS_OK);
    document[1] = tdbplus_json("{\"a\": ", 6);
    CHECK(tdbplus_upsert(docs, NULL, document, 2, &call) == TDBPLUS_E_SYNTAX);
    tdbplus_collection_close(docs);
    int names = 0;
    CHECK(tdbplus_collections(db, NULL, count_name, &names, &call) == TDBPLUS_OK && names == 2);

    // A transaction that wrote rows of columns that are no more does not commit.
    tdbplus_txn *txn = NULL;
    CHECK(tdbplus_begin(db, NULL, &txn, &call) == TDBPLUS_OK);
    tdbplus_value row[] = {tdbplus_int8(2), tdbplus_null(), tdbplus_int8(1)};
    CHECK(tdbplus_upsert(t, txn, row, 3, &call) == TDBPLUS_OK);
    CHECK(tdbplus_column_drop(db, NULL, "t", "c", &call) == TDBPLUS_OK);
    CHECK(tdbplus_commit(txn, &call) == TDBPLUS_E_CONFLICT);
    CHECK(count_rows(t) == 1);
    CHECK(tdbplus_collection_drop(db, NULL, "t", &call) == TDBPLUS_OK);
    CHECK(tdbplus_collection_drop(db, NULL, "t", &call) == TDBPLUS_E_NOT_FOUND);
    CHECK(put(t, NULL, 1, "x", &call) == TDBPLUS_E_NOT_FOUND);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

TEST(savepoints_and_isolation_hold)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_txn *txn = NULL;
    CHECK(tdbplus_begin(db, NULL, &txn, &call) == TDBPLUS_OK);
    CHECK(put(t, txn, 1, "x", &call) == TDBPLUS_OK);
    CHECK(tdbplus_savepoint(txn, "s", &call) == TDBPLUS_OK);
    CHECK(put(t, txn, 2, "x", &call) == TDBPLUS_OK);
    CHECK(tdbplus_savepoint(txn, "", &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_rollback_to(txn, "nowhere", &call) == TDBPLUS_E_NOT_FOUND);
    CHECK(tdbplus_rollback_to(txn, "s", &call) == TDBPLUS_OK);
    CHECK(count_rows(t) == 0);
    CHECK(tdbplus_commit(txn, &call) == TDBPLUS_OK && count_rows(t) == 1);

    tdbplus_txn_options options = {.struct_size = sizeof options,
                                   .isolation = TDBPLUS_REPEATABLE_READ};
    CHECK(tdbplus_begin(db, &options, &txn, &call) == TDBPLUS_OK);
    tdbplus_row *row = NULL;
    tdbplus_value one = tdbplus_int8(1);
    CHECK(tdbplus_row_create(db, &row, &call) == TDBPLUS_OK);
    CHECK(tdbplus_get(t, txn, &one, 1, row, &call) == TDBPLUS_OK);
    CHECK(put(t, NULL, 1, "new", &call) == TDBPLUS_OK);
    CHECK(tdbplus_get(t, txn, &one, 1, row, &call) == TDBPLUS_OK);
    CHECK(tdbplus_row_value(row, 1).as.bytes.size == 1);
    CHECK(put(t, txn, 1, "mine", &call) == TDBPLUS_E_CONFLICT);
    tdbplus_rollback(txn);
    options.isolation = (tdbplus_isolation)7;
    CHECK(tdbplus_begin(db, &options, &txn, &call) == TDBPLUS_E_INVALID);
    options = (tdbplus_txn_options){.struct_size = sizeof options, .read_only = true};
    CHECK(tdbplus_begin(db, &options, &txn, &call) == TDBPLUS_OK);
    CHECK(put(t, txn, 1, "x", &call) == TDBPLUS_E_READ_ONLY);
    tdbplus_rollback(txn);
    tdbplus_row_destroy(row);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

/* ---- waiting ---- */

struct waiter {
    _Atomic int calls;
    _Atomic int status;
};

static void note_done(void *context, tdbplus_status status)
{
    struct waiter *waiter = context;
    atomic_store(&waiter->status, (int)status);
    atomic_fetch_add(&waiter->calls, 1);
}

static bool await(struct waiter *waiter)
{
    for (int i = 0; i < 20000 && atomic_load(&waiter->calls) == 0; i++) {
        env_sleep_us(env_real(), 500);
    }
    return atomic_load(&waiter->calls) == 1;
}

TEST(a_call_that_must_wait_completes_later)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_txn *first = NULL;
    CHECK(tdbplus_begin(db, NULL, &first, NULL) == TDBPLUS_OK);
    CHECK(put(t, first, 1, "first", NULL) == TDBPLUS_OK);

    struct waiter waiter = {0};
    tdbplus_call call = TDBPLUS_CALL_INIT;
    call.done = note_done;
    call.done_context = &waiter;
    tdbplus_value row[] = {tdbplus_int8(1), tdbplus_text("second"), tdbplus_null()};
    CHECK(tdbplus_upsert(t, NULL, row, 3, &call) == TDBPLUS_PENDING);
    env_sleep_us(env_real(), 2000);
    CHECK(atomic_load(&waiter.calls) == 0);
    CHECK(tdbplus_commit(first, NULL) == TDBPLUS_OK);
    CHECK(await(&waiter) && atomic_load(&waiter.status) == TDBPLUS_OK);

    // What need not wait is done at once, and nobody is told.
    waiter = (struct waiter){0};
    tdbplus_value one = tdbplus_int8(1);
    tdbplus_row *read = NULL;
    CHECK(tdbplus_row_create(db, &read, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_get(t, NULL, &one, 1, read, &call) == TDBPLUS_OK);
    CHECK(tdbplus_row_value(read, 1).as.bytes.size == 6 && atomic_load(&waiter.calls) == 0);

    // Cancelled from another thread than the one that waits.
    CHECK(tdbplus_begin(db, NULL, &first, NULL) == TDBPLUS_OK);
    CHECK(put(t, first, 1, "third", NULL) == TDBPLUS_OK);
    CHECK(tdbplus_upsert(t, NULL, row, 3, &call) == TDBPLUS_PENDING);
    tdbplus_cancel(&call);
    CHECK(await(&waiter) && atomic_load(&waiter.status) == TDBPLUS_E_CANCELLED);
    CHECK(strcmp(call.error.sqlstate, "57014") == 0);

    // The blocking form gives up by its time limit, and by the transaction's.
    tdbplus_call limited = TDBPLUS_CALL_INIT;
    limited.timeout_us = 5000;
    CHECK(tdbplus_upsert(t, NULL, row, 3, &limited) == TDBPLUS_E_TIMEOUT);
    tdbplus_txn_options options = {.struct_size = sizeof options, .lock_timeout_us = 5000};
    tdbplus_txn *second = NULL;
    CHECK(tdbplus_begin(db, &options, &second, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_upsert(t, second, row, 3, NULL) == TDBPLUS_E_LOCK);
    tdbplus_rollback(second);
    tdbplus_rollback(first);
    tdbplus_row_destroy(read);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

TEST(a_pending_statement_completes_later)
{
    tdbplus_db *db = open_memory();
    tdbplus_collection *t = make_t(db);
    tdbplus_session *session = NULL;
    tdbplus_txn *first = NULL;
    CHECK(put(t, NULL, 1, "old", NULL) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(db, &session, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_begin(db, NULL, &first, NULL) == TDBPLUS_OK);
    CHECK(put(t, first, 1, "first", NULL) == TDBPLUS_OK);
    struct waiter waiter = {0};
    tdbplus_call call = TDBPLUS_CALL_INIT;
    call.done = note_done;
    call.done_context = &waiter;
    static const char sql[] = "UPDATE t SET b = b || '!' WHERE k = 1 RETURNING b";
    tdbplus_result *result = NULL;
    CHECK(tdbplus_execute(session, sql, sizeof sql - 1, NULL, 0, NULL, &result, &call) ==
          TDBPLUS_PENDING);
    CHECK(tdbplus_commit(first, NULL) == TDBPLUS_OK);
    CHECK(await(&waiter) && atomic_load(&waiter.status) == TDBPLUS_OK);
    const char *text = NULL;
    size_t size = 0;
    CHECK(tdbplus_result_next(result, NULL, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_result_text(result, 0, &text, &size, NULL) == TDBPLUS_OK);
    CHECK(strcmp(text, "first!") == 0); // Run again on what the other one committed.
    tdbplus_result_close(result);
    tdbplus_session_close(session);
    tdbplus_collection_close(t);
    tdbplus_close(db);
}

/* ---- directories ---- */

static void count_problem(void *context, const char *problem)
{
    (void)problem;
    ++*(int *)context;
}

static void count_loss(void *context, const tdbplus_loss *loss)
{
    CHECK(loss->struct_size == sizeof *loss && loss->what[0] != '\0');
    ++*(int *)context;
}

static void find_commits(void *context, const char *name, uint64_t value)
{
    if (strcmp(name, "commits") == 0) {
        *(uint64_t *)context = value;
    }
}

TEST(directories_are_shared_by_readers_and_copied)
{
    char directory[] = "/tmp/tdbplus-engine-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    char path[64];
    char copy[64];
    (void)snprintf(path, sizeof path, "%s/db", directory);
    (void)snprintf(copy, sizeof copy, "%s/copy", directory);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    tdbplus_options options = {.struct_size = sizeof options, .must_exist = true};
    CHECK(tdbplus_open(path, &options, &db, &call) == TDBPLUS_E_NOT_FOUND && db == NULL);
    options.durability = (tdbplus_durability)9;
    CHECK(tdbplus_open(path, &options, &db, &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_open(path, NULL, &db, &call) == TDBPLUS_OK);
    tdbplus_collection *t = make_t(db);
    for (int64_t i = 0; i < 50; i++) {
        CHECK(put(t, NULL, i, "x", &call) == TDBPLUS_OK);
    }
    CHECK(tdbplus_flush(db, &call) == TDBPLUS_OK && tdbplus_sync(db, &call) == TDBPLUS_OK);
    CHECK(put(t, NULL, 50, "x", &call) == TDBPLUS_OK);
    CHECK(tdbplus_backup(db, copy, &call) == TDBPLUS_OK);
    CHECK(tdbplus_backup(db, copy, &call) != TDBPLUS_OK);
    CHECK(put(t, NULL, 51, "x", &call) == TDBPLUS_OK);
    CHECK(tdbplus_optimize(db, "t", &call) == TDBPLUS_OK);
    CHECK(tdbplus_optimize(db, "nothing", &call) == TDBPLUS_E_NOT_FOUND);
    int problems = 0;
    CHECK(tdbplus_verify(db, count_problem, &problems, &call) == TDBPLUS_OK && problems == 0);
    uint64_t commits = 0;
    tdbplus_statistics(db, find_commits, &commits);
    CHECK(commits >= 52);
    tdbplus_collection_close(t);
    tdbplus_close(db);

    for (int i = 0; i < 2; i++) {
        options = (tdbplus_options){.struct_size = sizeof options, .read_only = true};
        CHECK(tdbplus_open(i == 0 ? path : copy, &options, &db, &call) == TDBPLUS_OK);
        CHECK(tdbplus_collection_open(db, NULL, "t", &t, &call) == TDBPLUS_OK);
        CHECK(count_rows(t) == (i == 0 ? 52 : 51));
        CHECK(put(t, NULL, 99, "x", &call) == TDBPLUS_E_READ_ONLY);
        tdbplus_collection_close(t);
        tdbplus_close(db);
    }
    char saved[64];
    (void)snprintf(saved, sizeof saved, "%s/saved", directory);
    int losses = 0;
    tdbplus_recovered recovered = {.struct_size = sizeof recovered};
    CHECK(tdbplus_recover(path, NULL, NULL, NULL, NULL, NULL, &call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_recover(path, copy, NULL, NULL, NULL, NULL, &call) == TDBPLUS_E_EXISTS);
    CHECK(tdbplus_recover(path, saved, NULL, count_loss, &losses, &recovered, &call) == TDBPLUS_OK);
    CHECK(losses == 0 && recovered.losses == 0 && recovered.rows == 52);
    CHECK(recovered.collections == 1 && !recovered.rows_uncertain);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'/saved '%s'/db/manifest-*", directory,
                   directory);
    CHECK(system(command) == 0);
    CHECK(tdbplus_recover(path, saved, NULL, count_loss, &losses, &recovered, &call) == TDBPLUS_OK);
    CHECK(losses == 1 && recovered.losses == 1 && recovered.rows == 52);
    (void)snprintf(command, sizeof command, "rm -r '%s'", directory);
    CHECK(system(command) == 0);
}

/* ---- a host without memory ---- */

static void *host_allocate(void *context, size_t size, size_t align)
{
    struct fault_alloc *fault = context;
    return fault->alloc.resize(fault->alloc.ctx, NULL, 0, size, align);
}

static void *host_reallocate(void *context, void *memory, size_t size_old, size_t size_new)
{
    struct fault_alloc *fault = context;
    return fault->alloc.resize(fault->alloc.ctx, memory, size_old, size_new, 16);
}

static void host_release(void *context, void *memory, size_t size)
{
    struct fault_alloc *fault = context;
    (void)fault->alloc.resize(fault->alloc.ctx, memory, size, 0, 16);
}

static tdbplus_status execute_all(tdbplus_session *session, const char *sql)
{
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(session, sql, strlen(sql), NULL, 0, NULL, &result, NULL);
    while (status == TDBPLUS_OK) {
        status = tdbplus_result_next(result, NULL, NULL);
    }
    tdbplus_result_close(result);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

/* One of everything; stops at the first failure and releases what it has. *made_out: the
 * collection was made before that. */
static tdbplus_status use(tdbplus_db *db, const char *name, bool *made_out)
{
    tdbplus_collection *t = NULL;
    tdbplus_row *row = NULL;
    tdbplus_scan *scan = NULL;
    tdbplus_session *session = NULL;
    tdbplus_value one = tdbplus_int8(1);
    const tdbplus_value *values = NULL;
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT b, count(*) FROM %s GROUP BY b ORDER BY b", name);
    tdbplus_status status = tdbplus_collection_create(db, NULL, name, columns, 3, key, 1, NULL);
    *made_out = status == TDBPLUS_OK;
    TRY_OR(done, status);
    TRY_OR(done, tdbplus_collection_open(db, NULL, name, &t, NULL));
    TRY_OR(done, put(t, NULL, 1, "a text that does not fit a view", NULL));
    TRY_OR(done, tdbplus_row_create(db, &row, NULL));
    TRY_OR(done, tdbplus_get(t, NULL, &one, 1, row, NULL));
    TRY_OR(done, tdbplus_scan_open(t, NULL, NULL, &scan, NULL));
    TRY_OR(done, tdbplus_scan_next(scan, &values, NULL));
    TRY_OR(done, tdbplus_session_open(db, &session, NULL));
    TRY_OR(done, execute_all(session, sql));
done:
    tdbplus_session_close(session);
    tdbplus_scan_close(scan);
    tdbplus_row_destroy(row);
    tdbplus_collection_close(t);
    return status;
}

/* One round of the sweep; false when nothing failed in it. */
static bool use_with_failure(uint32_t fail_at)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, fail_at);
    tdbplus_allocator allocator = {host_allocate, host_reallocate, host_release, &fault};
    tdbplus_options options = {.struct_size = sizeof options, .allocator = &allocator};
    tdbplus_db *db = NULL;
    tdbplus_status status = tdbplus_open(NULL, &options, &db, NULL);
    bool stopped = false;
    bool reached = true;
    if (status == TDBPLUS_OK) {
        bool made = false;
        status = use(db, "t", &made);
        // A new collection whose record is in the log can be neither finished nor taken back.
        stopped = status == TDBPLUS_E_STOPPED && !made;
        reached = atomic_load(&fault.calls) > fail_at;
        fault.fail_at = UINT32_MAX;
        // Otherwise the database is as good as before.
        tdbplus_status again = use(db, "again", &made);
        CHECK(again == (stopped ? TDBPLUS_E_STOPPED : TDBPLUS_OK));
        tdbplus_close(db);
    }
    if (status != TDBPLUS_OK && status != TDBPLUS_E_NOMEM && !stopped) {
        (void)fprintf(stderr, "allocation %u: %d\n", fail_at, (int)status);
    }
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM || stopped);
    CHECK(atomic_load(&fault.live_bytes) == 0);
    return reached;
}

TEST(a_host_without_memory_gets_it_back)
{
    uint32_t fail_at = 0;
    while (use_with_failure(fail_at)) {
        fail_at++;
    }
    CHECK(fail_at > 100); // The sweep reached the statements.
    tdbplus_allocator half = {host_allocate, NULL, host_release, NULL};
    tdbplus_options options = {.struct_size = sizeof options, .allocator = &half};
    tdbplus_db *db = NULL;
    CHECK(tdbplus_open(NULL, &options, &db, NULL) == TDBPLUS_E_INVALID);
}
