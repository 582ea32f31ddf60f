/*
 * Goal: SQL through the C API: scripts, transactions as PostgreSQL has them, results that outlive
 * their transaction, parameters, errors, memory. Method: a database in memory; rows compared as
 * text; a sweep over failing allocations. What statements compute is tested in tests/sql.
 */

#include <unistd.h>

#include "tdbplus/tdbplus.h"

#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
    size_t consumed;
    char rows[1024];
    char tag[64];
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
}

static void fixture_deinit(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* Appends the rows as "a|b\n". */
static tdbplus_status read_rows(tdbplus_result *result, char *rows, size_t size, tdbplus_call *call)
{
    size_t used = strlen(rows);
    tdbplus_status status;
    while ((status = tdbplus_result_next(result, NULL, call)) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < tdbplus_result_column_count(result); i++) {
            const char *text = NULL;
            size_t text_size = 0;
            status = tdbplus_result_text(result, i, &text, &text_size, call);
            if (status != TDBPLUS_OK) {
                return status;
            }
            CHECK(text == NULL || strlen(text) == text_size);
            used += (size_t)snprintf(rows + used, size - used, "%s%s", i == 0 ? "" : "|",
                                     text == NULL ? "null" : text);
        }
        used += (size_t)snprintf(rows + used, size - used, "\n");
    }
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static tdbplus_status run_in(struct fixture *fixture, tdbplus_session *session, const char *sql,
                             const tdbplus_value *parameters, uint32_t count)
{
    tdbplus_result *result = NULL;
    fixture->rows[0] = '\0';
    fixture->tag[0] = '\0';
    tdbplus_status status = tdbplus_execute(session, sql, strlen(sql), parameters, count,
                                            &fixture->consumed, &result, &fixture->call);
    if (status == TDBPLUS_OK) {
        status = read_rows(result, fixture->rows, sizeof fixture->rows, &fixture->call);
        (void)snprintf(fixture->tag, sizeof fixture->tag, "%s", tdbplus_result_tag(result));
    }
    tdbplus_result_close(result);
    return status;
}

static tdbplus_status run(struct fixture *fixture, const char *sql)
{
    return run_in(fixture, fixture->session, sql, NULL, 0);
}

/* Runs a statement that must succeed; true if the tag and the rows are these. */
static bool gives(struct fixture *fixture, const char *sql, const char *tag, const char *rows)
{
    tdbplus_status status = run(fixture, sql);
    bool good =
        status == TDBPLUS_OK && strcmp(fixture->tag, tag) == 0 && strcmp(fixture->rows, rows) == 0;
    if (!good) {
        (void)fprintf(stderr, "%s: %d %s, tag '%s', rows '%s'\n", sql, (int)status,
                      status == TDBPLUS_OK ? "" : fixture->call.error.message, fixture->tag,
                      fixture->rows);
    }
    return good;
}

static bool fails(struct fixture *fixture, const char *sql, const char *sqlstate)
{
    tdbplus_status status = run(fixture, sql);
    bool good = status != TDBPLUS_OK && strcmp(fixture->call.error.sqlstate, sqlstate) == 0;
    if (!good) {
        (void)fprintf(stderr, "%s: %d %s %s\n", sql, (int)status, fixture->call.error.sqlstate,
                      fixture->call.error.message);
    }
    return good;
}

TEST(statements_give_rows_and_tags)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b text, c numeric(6,2))", "CREATE TABLE",
                ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (1, 'x', 1.5), (2, NULL, 2)", "INSERT 0 2", ""));
    CHECK(gives(&f, "SELECT * FROM t ORDER BY a", "SELECT 2", "1|x|1.50\n2|null|2.00\n"));
    CHECK(gives(&f, "UPDATE t SET b = 'y' RETURNING a, b", "UPDATE 2", "1|y\n2|y\n"));
    CHECK(gives(&f, "DELETE FROM t WHERE a = 1", "DELETE 1", ""));
    CHECK(gives(&f, "SELECT count(*) AS n FROM t", "SELECT 1", "1\n"));
    CHECK(gives(&f, "SELECT a FROM t WHERE a = 7", "SELECT 0", ""));
    CHECK(gives(&f, "  -- nothing", "", ""));
    CHECK(gives(&f, "", "", ""));

    tdbplus_result *result = NULL;
    const char sql[] = "SELECT a, c AS cost, b FROM t";
    CHECK(tdbplus_execute(f.session, sql, sizeof sql - 1, NULL, 0, NULL, &result, &f.call) ==
          TDBPLUS_OK);
    CHECK(tdbplus_result_column_count(result) == 3);
    tdbplus_column column = tdbplus_result_column(result, 1);
    CHECK(strcmp(column.name, "cost") == 0 && column.type == TDBPLUS_TYPE_NUMERIC);
    CHECK(column.precision == 6 && column.scale == 2);
    CHECK(tdbplus_result_column(result, 3).name == NULL);
    CHECK(strcmp(tdbplus_result_tag(result), "") == 0);
    const char *text = NULL;
    size_t size = 0;
    CHECK(tdbplus_result_text(result, 0, &text, &size, &f.call) == TDBPLUS_E_STATE);
    const tdbplus_value *values = NULL;
    CHECK(tdbplus_result_next(result, &values, &f.call) == TDBPLUS_OK);
    CHECK(values[0].type == TDBPLUS_TYPE_INT4 && values[0].as.integer == 2);
    CHECK(values[1].as.bytes.size == 4 && memcmp(values[1].as.bytes.data, "2.00", 4) == 0);
    CHECK(tdbplus_result_text(result, 3, &text, &size, &f.call) == TDBPLUS_E_INVALID);
    CHECK(tdbplus_result_next(result, &values, &f.call) == TDBPLUS_END);
    CHECK(tdbplus_result_next(result, &values, &f.call) == TDBPLUS_END);
    CHECK(strcmp(tdbplus_result_tag(result), "SELECT 1") == 0);
    tdbplus_result_close(result);
    fixture_deinit(&f);
}

TEST(scripts_are_walked_statement_by_statement)
{
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        {"SELECT 1; SELECT 2", 9},
        {"SELECT ';'; x", 11},
        {"SELECT 'a''; b'; x", 16},
        {"SELECT E'\\';'; x", 14},
        {"SELECT \";\" FROM t; x", 18},
        {"SELECT $$;$$; x", 13},
        {"SELECT $a$ $$;$b$ $a$; x", 22},
        {"SELECT 1 -- ;\n; x", 15},
        {"SELECT /* ; /* ; */ ; */ 1; x", 27},
        {"SELECT ne'\\'; x", 13},
        {"SELECT $1;", 10},
        {"SELECT 1", 8},
        {"SELECT 'open; x", 15},
        {"SELECT $a$ ; x", 14},
        {"SELECT /* ; x", 13},
        {"SELECT E'\\", 10},
        {";", 1},
        {" \n ; x", 4},
        {"", 0},
    };
    struct fixture f;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        f.consumed = 99;
        tdbplus_status status = run(&f, cases[i].text);
        (void)status;
        if (f.consumed != cases[i].size) {
            (void)fprintf(stderr, "'%s': %zu\n", cases[i].text, f.consumed);
        }
        CHECK(f.consumed == cases[i].size);
    }
    fixture_deinit(&f);
}

TEST(transactions_are_those_of_postgresql)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY)", "CREATE TABLE", ""));
    CHECK(gives(&f, "COMMIT", "COMMIT", "") && gives(&f, "ROLLBACK", "ROLLBACK", ""));
    CHECK(gives(&f, "BEGIN", "BEGIN", "") && tdbplus_session_in_transaction(f.session));
    CHECK(gives(&f, "BEGIN", "BEGIN", ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (1)", "INSERT 0 1", ""));
    CHECK(gives(&f, "ROLLBACK", "ROLLBACK", "") && !tdbplus_session_in_transaction(f.session));
    CHECK(gives(&f, "SELECT * FROM t", "SELECT 0", ""));

    CHECK(gives(&f, "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                "START TRANSACTION", ""));
    CHECK(fails(&f, "INSERT INTO t VALUES (1)", "25006"));
    CHECK(gives(&f, "COMMIT", "ROLLBACK", ""));
    CHECK(fails(&f, "BEGIN ISOLATION LEVEL SERIALIZABLE", "0A000"));
    CHECK(!tdbplus_session_in_transaction(f.session));

    CHECK(gives(&f, "BEGIN", "BEGIN", ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (1)", "INSERT 0 1", ""));
    CHECK(gives(&f, "SAVEPOINT one", "SAVEPOINT", ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (2)", "INSERT 0 1", ""));
    CHECK(gives(&f, "SAVEPOINT two", "SAVEPOINT", ""));
    CHECK(fails(&f, "SELECT 1/0", "22012"));
    CHECK(tdbplus_session_in_transaction(f.session));
    CHECK(fails(&f, "SELECT 1", "25P02") && fails(&f, "BEGIN", "25P02"));
    CHECK(fails(&f, "SAVEPOINT x", "25P02") && fails(&f, "RELEASE one", "25P02"));
    CHECK(fails(&f, "ROLLBACK TO nowhere", "3B001"));
    CHECK(gives(&f, "ROLLBACK TO one", "ROLLBACK", ""));
    CHECK(gives(&f, "SELECT * FROM t", "SELECT 1", "1\n"));
    CHECK(gives(&f, "RELEASE one", "RELEASE", ""));
    CHECK(fails(&f, "ROLLBACK TO one", "3B001"));
    CHECK(gives(&f, "COMMIT", "ROLLBACK", ""));

    CHECK(gives(&f, "BEGIN", "BEGIN", ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (3)", "INSERT 0 1", ""));
    CHECK(gives(&f, "COMMIT AND CHAIN", "COMMIT", "") && tdbplus_session_in_transaction(f.session));
    CHECK(gives(&f, "ROLLBACK", "ROLLBACK", ""));
    CHECK(gives(&f, "SELECT * FROM t", "SELECT 1", "3\n"));
    CHECK(fails(&f, "SAVEPOINT x", "25P01") && fails(&f, "ROLLBACK TO x", "25P01"));
    CHECK(fails(&f, "COMMIT AND CHAIN", "25P01"));
    CHECK(fails(&f, "PREPARE TRANSACTION 'x'", "0A000"));
    CHECK(fails(&f, "REINDEX TABLE x", "0A000"));
    fixture_deinit(&f);
}

/* Before, whichever of the two committed last failed with 40001. */
TEST(an_index_and_writers_wait_for_each_other)
{
    struct fixture f;
    struct fixture other = {.call = TDBPLUS_CALL_INIT};
    fixture_init(&f);
    CHECK(tdbplus_session_open(f.db, &other.session, &other.call) == TDBPLUS_OK);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b int)", "CREATE TABLE", ""));
    CHECK(gives(&f, "SET lock_timeout = '20ms'", "SET", ""));
    CHECK(gives(&other, "SET lock_timeout = '20ms'", "SET", ""));

    CHECK(gives(&other, "BEGIN", "BEGIN", ""));
    CHECK(gives(&other, "INSERT INTO t VALUES (1, 10)", "INSERT 0 1", ""));
    CHECK(fails(&f, "CREATE INDEX by_b ON t (b)", "55P03"));
    CHECK(gives(&other, "COMMIT", "COMMIT", ""));

    // What was committed since the transaction began is in the index.
    CHECK(gives(&f, "BEGIN", "BEGIN", "") && gives(&f, "SELECT * FROM t", "SELECT 1", "1|10\n"));
    CHECK(gives(&other, "INSERT INTO t VALUES (2, 20)", "INSERT 0 1", ""));
    CHECK(gives(&f, "CREATE INDEX by_b ON t (b)", "CREATE INDEX", ""));
    CHECK(fails(&other, "INSERT INTO t VALUES (3, 30)", "55P03"));
    CHECK(gives(&other, "SELECT * FROM t WHERE b = 20", "SELECT 1", "2|20\n"));
    CHECK(gives(&f, "COMMIT", "COMMIT", ""));
    CHECK(gives(&other, "INSERT INTO t VALUES (3, 30)", "INSERT 0 1", ""));
    CHECK(gives(&f, "SELECT a FROM t WHERE b IN (10, 20, 30) ORDER BY b", "SELECT 3", "1\n2\n3\n"));
    tdbplus_session_close(other.session);
    fixture_deinit(&f);
}

TEST(results_outlive_what_happens_to_their_transaction)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b text)", "CREATE TABLE", ""));
    CHECK(gives(&f,
                "INSERT INTO t SELECT n, 'a text of more than twelve bytes ' || n "
                "FROM generate_series(1, 5000) AS s (n)",
                "INSERT 0 5000", ""));
    static const char sql[] = "SELECT a, b FROM t ORDER BY a";
    static const char *const between[][3] = {
        {"UPDATE t SET b = 'new' WHERE a > 10", "COMMIT", NULL},
        {"DELETE FROM t WHERE a = 3000", "ROLLBACK", NULL},
        {"SAVEPOINT s", "DELETE FROM t", "ROLLBACK TO s"},
    };
    for (size_t i = 0; i < sizeof between / sizeof *between; i++) {
        CHECK(gives(&f, "BEGIN", "BEGIN", ""));
        tdbplus_result *result = NULL;
        CHECK(tdbplus_execute(f.session, sql, sizeof sql - 1, NULL, 0, NULL, &result, &f.call) ==
              TDBPLUS_OK);
        CHECK(tdbplus_result_next(result, NULL, &f.call) == TDBPLUS_OK);
        for (size_t j = 0; j < 3 && between[i][j] != NULL; j++) {
            CHECK(run(&f, between[i][j]) == TDBPLUS_OK);
        }
        const char *text = NULL;
        size_t size = 0;
        CHECK(tdbplus_result_text(result, 1, &text, &size, &f.call) == TDBPLUS_OK);
        CHECK(strcmp(text, i == 0 ? "a text of more than twelve bytes 1" : text) == 0);
        int64_t sum = 1;
        const tdbplus_value *values = NULL;
        while (tdbplus_result_next(result, &values, &f.call) == TDBPLUS_OK) {
            sum += values[0].as.integer;
        }
        CHECK(sum == 5000 * 5001 / 2);
        CHECK(strcmp(tdbplus_result_tag(result), "SELECT 5000") == 0);
        CHECK(run(&f, "ROLLBACK") == TDBPLUS_OK);
        tdbplus_result_close(result);
    }

    // A query whose transaction is rolled back is over; one of its own is not touched.
    tdbplus_result *inside = NULL;
    tdbplus_result *alone = NULL;
    CHECK(tdbplus_execute(f.session, sql, sizeof sql - 1, NULL, 0, NULL, &alone, &f.call) ==
          TDBPLUS_OK);
    CHECK(gives(&f, "BEGIN", "BEGIN", ""));
    CHECK(tdbplus_execute(f.session, sql, sizeof sql - 1, NULL, 0, NULL, &inside, &f.call) ==
          TDBPLUS_OK);
    CHECK(gives(&f, "ROLLBACK", "ROLLBACK", ""));
    CHECK(tdbplus_result_next(inside, NULL, &f.call) == TDBPLUS_E_STATE);
    CHECK(strcmp(f.call.error.sqlstate, "24000") == 0);
    CHECK(gives(&f, "DELETE FROM t", "DELETE 5000", ""));
    uint32_t count = 0;
    while (tdbplus_result_next(alone, NULL, &f.call) == TDBPLUS_OK) {
        count++;
    }
    CHECK(count == 5000);
    tdbplus_session_close(f.session);
    f.session = NULL;
    tdbplus_result_close(inside);
    tdbplus_result_close(alone);
    fixture_deinit(&f);
}

TEST(parameters_take_the_type_of_their_place)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b text, c numeric, d date, e float8)",
                "CREATE TABLE", ""));
    tdbplus_value values[] = {tdbplus_int8(7), tdbplus_text("x"), tdbplus_text("1.25"),
                              tdbplus_text("2026-11-20"), tdbplus_float8(0.5)};
    CHECK(run_in(&f, f.session, "INSERT INTO t VALUES ($1, $2, $3, $4, $5)", values, 5) ==
          TDBPLUS_OK);
    CHECK(gives(&f, "SELECT * FROM t", "SELECT 1", "7|x|1.25|2026-11-20|0.5\n"));
    CHECK(run_in(&f, f.session, "SELECT a FROM t WHERE a = $1 AND b = $2", values, 2) ==
          TDBPLUS_OK);
    CHECK(strcmp(f.rows, "7\n") == 0);
    CHECK(run_in(&f, f.session, "SELECT $1 + 1", values, 1) == TDBPLUS_OK);
    CHECK(strcmp(f.rows, "8\n") == 0);
    tdbplus_value large = tdbplus_int8(5000000000);
    CHECK(run_in(&f, f.session, "SELECT $1 + 1", &large, 1) == TDBPLUS_OK);
    CHECK(strcmp(f.rows, "5000000001\n") == 0);
    CHECK(run_in(&f, f.session, "SELECT a FROM t WHERE a < $1", &large, 1) == TDBPLUS_OK);
    CHECK(strcmp(f.rows, "7\n") == 0);
    CHECK(run_in(&f, f.session, "SELECT $1 IS NULL", &(tdbplus_value){.is_null = true}, 1) ==
          TDBPLUS_OK);
    CHECK(strcmp(f.rows, "t\n") == 0);

    CHECK(run_in(&f, f.session, "SELECT $1 + $2", values, 1) != TDBPLUS_OK);
    CHECK(strcmp(f.call.error.sqlstate, "08P01") == 0);
    tdbplus_value bad = {.type = (tdbplus_type)99};
    CHECK(run_in(&f, f.session, "SELECT $1", &bad, 1) == TDBPLUS_E_INVALID);
    CHECK(run_in(&f, f.session, "SELECT $1", NULL, 1) == TDBPLUS_E_INVALID);
    tdbplus_value nowhere = tdbplus_text_sized(NULL, 5);
    CHECK(run_in(&f, f.session, "SELECT $1::text", &nowhere, 1) == TDBPLUS_E_INVALID);
    tdbplus_value word = tdbplus_text("seven");
    CHECK(run_in(&f, f.session, "SELECT a FROM t WHERE a = $1", &word, 1) != TDBPLUS_OK);
    CHECK(strcmp(f.call.error.sqlstate, "22P02") == 0);
    fixture_deinit(&f);
}

TEST(indexes_whose_text_names_a_dropped_column_go_with_it)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(
        gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b text, c int, d int)", "CREATE TABLE", ""));
    CHECK(gives(&f, "INSERT INTO t VALUES (1, 'x', 3, 4), (2, 'Y', 5, 6)", "INSERT 0 2", ""));
    CHECK(gives(&f, "CREATE INDEX partial ON t (d) WHERE c > 3", "CREATE INDEX", ""));
    CHECK(gives(&f, "CREATE INDEX mixed ON t (d, (a + c))", "CREATE INDEX", ""));
    CHECK(gives(&f, "CREATE INDEX other ON t (lower(b)) WHERE d > 0", "CREATE INDEX", ""));
    tdbplus_status status = tdbplus_column_rename(f.db, NULL, "t", "c", "e", &f.call);
    CHECK(status == TDBPLUS_E_UNSUPPORTED && strcmp(f.call.error.sqlstate, "0A000") == 0);
    CHECK(tdbplus_column_drop(f.db, NULL, "t", "c", &f.call) == TDBPLUS_OK);
    CHECK(gives(&f, "INSERT INTO t VALUES (3, 'Z', 7)", "INSERT 0 1", ""));
    CHECK(gives(&f, "UPDATE t SET d = d + 1", "UPDATE 3", ""));
    CHECK(fails(&f, "DROP INDEX partial", "42704"));
    CHECK(fails(&f, "DROP INDEX mixed", "42704"));
    CHECK(gives(&f, "SELECT a FROM t WHERE lower(b) = 'y' AND d > 0", "SELECT 1", "2\n"));
    CHECK(tdbplus_column_rename(f.db, NULL, "t", "a", "k", &f.call) == TDBPLUS_OK);
    CHECK(gives(&f, "DROP INDEX other", "DROP INDEX", ""));
    CHECK(tdbplus_column_rename(f.db, NULL, "t", "b", "text", &f.call) == TDBPLUS_OK);
    fixture_deinit(&f);
}

TEST(columns_that_a_check_names_stay)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b int, c int, CHECK (b > a))",
                "CREATE TABLE", ""));
    tdbplus_status status = tdbplus_column_drop(f.db, NULL, "t", "b", &f.call);
    CHECK(status == TDBPLUS_E_UNSUPPORTED && strcmp(f.call.error.sqlstate, "0A000") == 0);
    CHECK(tdbplus_column_rename(f.db, NULL, "t", "a", "k", &f.call) == TDBPLUS_E_UNSUPPORTED);
    CHECK(tdbplus_column_drop(f.db, NULL, "t", "c", &f.call) == TDBPLUS_OK);
    CHECK(gives(&f, "INSERT INTO t VALUES (1, 2)", "INSERT 0 1", ""));
    CHECK(fails(&f, "INSERT INTO t VALUES (2, 2)", "23514"));
    fixture_deinit(&f);
}

TEST(errors_tell_state_and_position)
{
    struct fixture f;
    fixture_init(&f);
    CHECK(fails(&f, "SELECT 1 +", "42601") && f.call.error.position == 11);
    CHECK(fails(&f, "SELECT\n nothing", "42703") && f.call.error.position == 9);
    CHECK(fails(&f, "SELECT * FROM nowhere", "42P01") && f.call.error.position == 15);
    CHECK(run(&f, "SELECT 1") == TDBPLUS_OK && f.call.error.sqlstate[0] == '\0');
    CHECK(tdbplus_execute(f.session, NULL, 5, NULL, 0, NULL, NULL, &f.call) == TDBPLUS_E_INVALID);
    f.call.cancel = true;
    CHECK(fails(&f, "SELECT count(*) FROM generate_series(1, 100000000)", "57014"));
    f.call.cancel = false;
    f.call.timeout_us = 10000;
    CHECK(run(&f, "SELECT count(*) FROM generate_series(1, 1000000000)") == TDBPLUS_E_TIMEOUT);
    fixture_deinit(&f);
}

/* ---- memory ---- */

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

/* A query read in parts between changes in one transaction, with parameters from its own rows. */
static tdbplus_status mix(tdbplus_session *session)
{
    static const char query[] = "SELECT a, b FROM t ORDER BY a";
    static const char change[] = "UPDATE t SET b = $1 || '!' WHERE a = $2 RETURNING b";
    tdbplus_result *rows = NULL;
    tdbplus_result *other = NULL;
    tdbplus_value parameters[2];
    const tdbplus_value *values = NULL;
    tdbplus_status status;
    TRY_OR(done, tdbplus_execute(session, "BEGIN", 5, NULL, 0, NULL, &other, NULL));
    tdbplus_result_close(other);
    other = NULL;
    TRY_OR(done, tdbplus_execute(session, "SAVEPOINT s", 11, NULL, 0, NULL, &other, NULL));
    tdbplus_result_close(other);
    other = NULL;
    TRY_OR(done, tdbplus_execute(session, query, sizeof query - 1, NULL, 0, NULL, &rows, NULL));
    TRY_OR(done, tdbplus_result_next(rows, &values, NULL));
    parameters[0] = values[1];
    parameters[1] = values[0];
    TRY_OR(done,
           tdbplus_execute(session, change, sizeof change - 1, parameters, 2, NULL, &other, NULL));
    TRY_OR(done, tdbplus_result_next(other, NULL, NULL));
    TRY_OR(done, tdbplus_result_next(rows, &values, NULL));
    CHECK(values[0].as.integer == 2);
done:
    tdbplus_result_close(other);
    tdbplus_result_close(rows);
    other = NULL;
    tdbplus_status ended = tdbplus_execute(session, "ROLLBACK", 8, NULL, 0, NULL, &other, NULL);
    tdbplus_result_close(other);
    return status != TDBPLUS_OK ? status : ended;
}

struct told {
    uint64_t count;
    uint64_t done;
    uint64_t total;
};

/* Never backwards, never over the end, which stays where it is. */
static void keep_told(void *context, uint64_t done, uint64_t total)
{
    struct told *told = context;
    CHECK(done >= told->done && done <= total && total > 0);
    CHECK(told->count == 0 || told->total == total);
    told->count++;
    told->done = done;
    told->total = total;
}

TEST(a_query_tells_how_much_of_its_tables_it_has_read)
{
    struct fixture f;
    struct told told = {0};
    fixture_init(&f);
    CHECK(gives(&f, "CREATE TABLE t AS SELECT n FROM generate_series(1, 300000) s (n)",
                "SELECT 300000", ""));
    CHECK(gives(&f, "SELECT 1", "SELECT 1", "1\n"));
    f.call.progress = keep_told;
    f.call.progress_context = &told;
    CHECK(gives(&f, "SELECT count(*), sum(a.n) FROM t a JOIN t b USING (n) WHERE b.n % 3 = 0",
                "SELECT 1", "100000|15000150000\n"));
    CHECK(told.count > 0 && told.total == 600000);
    told = (struct told){0};
    char sql[256];
    const int process = (int)getpid(); // Tests of several builds may run at once.
    (void)snprintf(sql, sizeof sql, "COPY t TO '/tmp/tdb-told-%d.parquet'", process);
    CHECK(gives(&f, sql, "COPY 300000", ""));
    CHECK(told.count > 0 && told.total == 300000);
    told = (struct told){0};
    (void)snprintf(sql, sizeof sql, "SELECT sum(n) FROM '/tmp/tdb-told-%d.parquet'", process);
    CHECK(gives(&f, sql, "SELECT 1", "45000150000\n"));
    CHECK(told.count > 0 && told.total == 300000);
    told = (struct told){0};
    (void)snprintf(sql, sizeof sql, "/tmp/tdb-told-%d.parquet", process);
    CHECK(unlink(sql) == 0);
    CHECK(gives(&f, "SELECT 1", "SELECT 1", "1\n"));
    CHECK(told.count == 0);
    fixture_deinit(&f);
}

TEST(a_session_survives_every_failed_allocation)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    tdbplus_allocator allocator = {host_allocate, host_reallocate, host_release, &fault};
    tdbplus_options options = {.struct_size = sizeof options, .allocator = &allocator};
    struct fixture f = {.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, &options, &f.db, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(f.db, &f.session, &f.call) == TDBPLUS_OK);
    CHECK(gives(&f, "CREATE TABLE t (a int PRIMARY KEY, b text)", "CREATE TABLE", ""));
    CHECK(gives(&f,
                "INSERT INTO t SELECT n, 'a text of more than twelve bytes' "
                "FROM generate_series(1, 20) AS s (n)",
                "INSERT 0 20", ""));
    uint32_t failures = 0;
    // Some failures cost a plan that would have been kept, and nothing else.
    for (bool refused = true; refused;) {
        uint32_t fail_at = atomic_load(&fault.calls) + failures;
        fault.fail_at = fail_at;
        tdbplus_status status = mix(f.session);
        fault.fail_at = UINT32_MAX;
        refused = atomic_load(&fault.calls) > fail_at;
        CHECK(refused || status == TDBPLUS_OK);
        CHECK(status == TDBPLUS_OK || status == TDBPLUS_E_NOMEM);
        // A fresh session has no plans, so it asks for all the memory again.
        tdbplus_session_close(f.session);
        CHECK(tdbplus_session_open(f.db, &f.session, &f.call) == TDBPLUS_OK);
        // A ROLLBACK without memory leaves the transaction; closing the session ends it.
        failures++;
    }
    CHECK(failures > 30);
    CHECK(gives(&f, "SELECT count(*) FROM t WHERE b LIKE '%!'", "SELECT 1", "0\n"));
    fixture_deinit(&f);
    CHECK(atomic_load(&fault.live_bytes) == 0);
}
