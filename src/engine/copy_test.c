/*
 * Goal: COPY from and to the caller: however bytes are cut, in transactions and outside, given up,
 * failed, cut short. Method: a database in memory.
 */

#include "tdbplus/tdbplus.h"

#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
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

static tdbplus_status start(struct fixture *fixture, const char *sql, tdbplus_result **result_out)
{
    return tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, result_out,
                           &fixture->call);
}

static tdbplus_status run(struct fixture *fixture, const char *sql)
{
    tdbplus_result *result = NULL;
    tdbplus_status status = start(fixture, sql, &result);
    tdbplus_result_close(result);
    return status;
}

static int64_t number(struct fixture *fixture, const char *sql)
{
    tdbplus_result *result = NULL;
    const tdbplus_value *values = NULL;
    CHECK(start(fixture, sql, &result) == TDBPLUS_OK);
    CHECK(tdbplus_result_next(result, &values, &fixture->call) == TDBPLUS_OK);
    int64_t value = values[0].as.integer;
    tdbplus_result_close(result);
    return value;
}

TEST(rows_are_handed_over_in_pieces)
{
    struct fixture fixture;
    static const char rows[] = "1\tone\n2\ttwo\n3\t\\N\n";
    fixture_init(&fixture);
    CHECK(run(&fixture, "CREATE TABLE t (a int PRIMARY KEY, b text)") == TDBPLUS_OK);
    for (size_t piece = 1; piece < sizeof rows; piece++) {
        tdbplus_result *result = NULL;
        CHECK(run(&fixture, "TRUNCATE t") == TDBPLUS_OK);
        CHECK(start(&fixture, "COPY t FROM STDIN", &result) == TDBPLUS_OK);
        tdbplus_copy copy = tdbplus_result_copy(result);
        CHECK(copy.direction == TDBPLUS_COPY_IN && !copy.binary && copy.column_count == 2);
        for (size_t at = 0; at < strlen(rows); at += piece) {
            size_t size = strlen(rows) - at < piece ? strlen(rows) - at : piece;
            CHECK(tdbplus_copy_put(result, rows + at, size, &fixture.call) == TDBPLUS_OK);
        }
        CHECK(tdbplus_copy_end(result, NULL, &fixture.call) == TDBPLUS_OK);
        CHECK(strcmp(tdbplus_result_tag(result), "COPY 3") == 0);
        CHECK(tdbplus_copy_put(result, rows, 1, &fixture.call) == TDBPLUS_E_STATE);
        tdbplus_result_close(result);
        CHECK(number(&fixture, "SELECT count(b) + 10 * count(*) FROM t") == 32);
    }
    fixture_deinit(&fixture);
}

TEST(what_does_not_end_leaves_nothing)
{
    struct fixture fixture;
    fixture_init(&fixture);
    CHECK(run(&fixture, "CREATE TABLE t (a int PRIMARY KEY, b text UNIQUE)") == TDBPLUS_OK);
    for (uint32_t way = 0; way < 6; way++) {
        tdbplus_result *result = NULL;
        bool in_block = way % 2 == 1;
        CHECK(!in_block || run(&fixture, "BEGIN") == TDBPLUS_OK);
        CHECK(start(&fixture, "COPY t FROM STDIN (FORMAT csv)", &result) == TDBPLUS_OK);
        CHECK(tdbplus_copy_put(result, "1,x\n2,y\n", 8, &fixture.call) == TDBPLUS_OK);
        if (way / 2 == 1) {
            CHECK(tdbplus_copy_end(result, "changed my mind", &fixture.call) ==
                  TDBPLUS_E_CANCELLED);
            CHECK(strcmp(fixture.call.error.message, "COPY from stdin failed: changed my mind") ==
                  0);
        } else if (way / 2 == 2) {
            CHECK(tdbplus_copy_put(result, "3,z\nfour,z\n", 11, &fixture.call) ==
                      TDBPLUS_E_SYNTAX ||
                  tdbplus_copy_end(result, NULL, &fixture.call) == TDBPLUS_E_SYNTAX);
            CHECK(strcmp(fixture.call.error.context, "COPY t, line 4, column a: \"four\"") == 0);
        }
        tdbplus_result_close(result);
        if (in_block) {
            CHECK(run(&fixture, "SELECT 1") == TDBPLUS_E_ABORTED);
            CHECK(run(&fixture, "ROLLBACK") == TDBPLUS_OK);
        }
        CHECK(number(&fixture, "SELECT count(*) FROM t") == 0);
    }
    fixture_deinit(&fixture);
}

TEST(a_copy_is_part_of_its_transaction)
{
    struct fixture fixture;
    tdbplus_result *result = NULL;
    fixture_init(&fixture);
    CHECK(run(&fixture, "CREATE TABLE t (a int PRIMARY KEY, b text)") == TDBPLUS_OK);
    CHECK(run(&fixture, "BEGIN") == TDBPLUS_OK);
    CHECK(start(&fixture, "COPY t (a) FROM STDIN", &result) == TDBPLUS_OK);
    CHECK(tdbplus_copy_put(result, "1\n2\n\\.\nnonsense", 15, &fixture.call) == TDBPLUS_OK);
    CHECK(tdbplus_copy_put(result, "more of it", 10, &fixture.call) == TDBPLUS_OK);
    CHECK(tdbplus_copy_end(result, NULL, &fixture.call) == TDBPLUS_OK);
    tdbplus_result_close(result);
    CHECK(number(&fixture, "SELECT count(*) FROM t") == 2);
    CHECK(run(&fixture, "COMMIT") == TDBPLUS_OK);
    CHECK(run(&fixture, "BEGIN") == TDBPLUS_OK);
    result = NULL;
    CHECK(start(&fixture, "COPY t FROM STDIN", &result) == TDBPLUS_OK);
    CHECK(run(&fixture, "SELECT 1") == TDBPLUS_E_STATE);
    CHECK(tdbplus_result_next(result, NULL, &fixture.call) == TDBPLUS_E_STATE);
    tdbplus_result_close(result);
    CHECK(run(&fixture, "COMMIT") == TDBPLUS_OK);
    CHECK(number(&fixture, "SELECT count(*) FROM t") == 2);
    fixture_deinit(&fixture);
}

TEST(stdout_is_pieces_of_bytes)
{
    struct fixture fixture;
    tdbplus_result *result = NULL;
    const tdbplus_value *values = NULL;
    size_t size = 0;
    tdbplus_status status = TDBPLUS_OK;
    fixture_init(&fixture);
    CHECK(start(&fixture, "COPY (SELECT g FROM generate_series(1, 100000) g) TO STDOUT", &result) ==
          TDBPLUS_OK);
    CHECK(tdbplus_result_copy(result).direction == TDBPLUS_COPY_OUT);
    while ((status = tdbplus_result_next(result, &values, &fixture.call)) == TDBPLUS_OK) {
        size += values[0].as.bytes.size;
    }
    CHECK(status == TDBPLUS_END && size == 588895);
    CHECK(strcmp(tdbplus_result_tag(result), "COPY 100000") == 0);
    tdbplus_result_close(result);
    fixture_deinit(&fixture);
}
