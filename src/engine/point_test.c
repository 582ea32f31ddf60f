/*
 * Goal: statements of one row give the same by the short way as by the long one, whatever happened
 * to plans, tables and transactions in between. Method: the same random statements in two tables;
 * for one of them each text is new (a comment with a number), so that no plan is ever found.
 */

#include <string.h>

#include "tdbplus/tdbplus.h"

#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    uint64_t state;
    uint32_t number;
};

static uint32_t chance(struct fixture *fixture, uint32_t bound)
{
    fixture->state = fixture->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(fixture->state >> 33) % bound;
}

/* Runs a statement and appends tag, rows or SQLSTATE to `out`. */
static void run(struct fixture *fixture, const char *text, const tdbplus_value *values,
                uint32_t count, char *out, size_t size)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_result *result = NULL;
    const tdbplus_value *row = NULL;
    size_t used = 0;
    tdbplus_status status =
        tdbplus_execute(fixture->session, text, strlen(text), values, count, NULL, &result, &call);
    if (status != TDBPLUS_OK) {
        (void)snprintf(out, size, "%s %.100s", call.error.sqlstate, call.error.detail);
        return;
    }
    out[0] = 0;
    while (tdbplus_result_next(result, &row, &call) == TDBPLUS_OK) {
        for (uint32_t i = 0; i < tdbplus_result_column_count(result); i++) {
            const char *cell = NULL;
            size_t cell_size = 0;
            CHECK(tdbplus_result_text(result, i, &cell, &cell_size, &call) == TDBPLUS_OK);
            used += (size_t)snprintf(out + used, size - used, "%s|", cell == NULL ? "-" : cell);
        }
    }
    (void)snprintf(out + used, size - used, "%s", tdbplus_result_tag(result));
    tdbplus_result_close(result);
}

static void plain(struct fixture *fixture, const char *text)
{
    char out[256];
    run(fixture, text, NULL, 0, out, sizeof out);
}

/* The text with every @ replaced by the name of the table. */
static void expand(const char *format, const char *name, char *text, size_t size)
{
    size_t used = 0;
    for (; *format != 0 && used + 40 < size; format++) {
        if (*format == '@') {
            memcpy(text + used, name, strlen(name));
            used += strlen(name);
        } else {
            text[used++] = *format;
        }
    }
    text[used] = 0;
}

static void both(struct fixture *fixture, const char *format, const tdbplus_value *values,
                 uint32_t count)
{
    char text[256];
    char comment[32];
    char out[2][256];
    for (uint32_t i = 0; i < 2; i++) {
        expand(format, i == 0 ? "one" : "two", text, sizeof text);
        (void)snprintf(comment, sizeof comment, " -- %u", fixture->number++);
        size_t end = strlen(text);
        if (i == 1) {
            (void)snprintf(text + end, sizeof text - end, "%s", comment);
        }
        bool block = tdbplus_session_in_transaction(fixture->session);
        if (block) {
            plain(fixture, "SAVEPOINT s");
        }
        run(fixture, text, values, count, out[i], sizeof out[i]);
        if (block) {
            // A failure must not keep the other one from running.
            plain(fixture, strchr("0123456789", out[i][0]) != NULL && out[i][5] == ' '
                               ? "ROLLBACK TO s"
                               : "RELEASE s");
        }
    }
    if (strcmp(out[0], out[1]) != 0) {
        fprintf(stderr, "%s\n  short: %s\n  long:  %s\n", text, out[0], out[1]);
    }
    CHECK(strcmp(out[0], out[1]) == 0);
}

static void change_tables(struct fixture *fixture)
{
    static const char *const changes[] = {
        "CREATE INDEX i_@ ON @ (b)",
        "CREATE UNIQUE INDEX u_@ ON @ (b)",
        "CREATE UNIQUE INDEX v_@ ON @ (c, b DESC)",
        "DROP INDEX IF EXISTS u_@",
        "DROP INDEX IF EXISTS i_@",
        "TRUNCATE @",
        "DROP TABLE @; CREATE TABLE @ (a int, b text, c bigint NOT NULL, PRIMARY KEY (a))",
    };
    uint32_t which = chance(fixture, 7);
    for (uint32_t i = 0; i < 2; i++) {
        char text[256];
        expand(changes[which], i == 0 ? "one" : "two", text, sizeof text);
        char *rest = strchr(text, ';');
        if (rest != NULL) {
            *rest = 0;
        }
        plain(fixture, text);
        if (rest != NULL) {
            plain(fixture, rest + 1);
        }
    }
}

static void step(struct fixture *fixture)
{
    char name[16];
    (void)snprintf(name, sizeof name, "n%u", chance(fixture, 12));
    tdbplus_value key = chance(fixture, 15) == 0
                            ? tdbplus_null()
                            : tdbplus_int8((int64_t)chance(fixture, 30) -
                                           (chance(fixture, 40) == 0 ? 5000000000 : 0));
    tdbplus_value text = chance(fixture, 8) == 0 ? tdbplus_null() : tdbplus_text(name);
    tdbplus_value number = chance(fixture, 12) == 0 ? tdbplus_null() : tdbplus_int8(7);
    tdbplus_value values[3] = {key, text, number};
    switch (chance(fixture, 20)) {
    case 0:
    case 1:
    case 2:
    case 3:
        both(fixture, "INSERT INTO @ VALUES ($1, $2, $3)", values, 3);
        break;
    case 4:
        both(fixture, "INSERT INTO @ (c, a) VALUES (5, $1)", values, 1);
        break;
    case 5:
    case 6:
        both(fixture, "SELECT c, b, a FROM @ WHERE a = $1", values, 1);
        break;
    case 7:
        both(fixture, "SELECT b FROM @ WHERE a = 3", NULL, 0);
        break;
    case 8:
    case 9:
        both(fixture, "DELETE FROM @ WHERE a = $1", values, 1);
        break;
    case 16:
    case 17:
        both(fixture, "SELECT a, c, b FROM @ WHERE b = $1", &text, 1);
        break;
    case 18:
        both(fixture, "SELECT a FROM @ WHERE b = $1 AND c = 7", &text, 1);
        break;
    case 10:
        both(fixture, "UPDATE @ SET b = b || 'x' WHERE a = $1", values, 1);
        break;
    case 11:
        both(fixture, "UPDATE @ SET c = $3, b = $2 WHERE a = $1", values, 3);
        break;
    case 12:
        both(fixture, "UPDATE @ SET c = c + 5000000000000000000 WHERE a = $1", values, 1);
        break;
    case 13:
        both(fixture, "UPDATE @ SET c = 100 / (c - 7), b = upper(b) WHERE a = $1", values, 1);
        break;
    case 14:
        both(fixture, "UPDATE @ SET a = a + 1, c = 3 WHERE a = $1", values, 1);
        break;
    case 15:
        both(fixture, "UPDATE @ SET c = CASE WHEN b > 'n5' THEN 1 ELSE c END WHERE a = $1", values,
             1);
        break;
    default:
        both(fixture, "SELECT count(*), sum(c), min(b) FROM @", NULL, 0);
        break;
    }
}

TEST(the_short_way_gives_what_the_long_one_does)
{
    struct fixture one = {.state = 5};
    struct fixture *fixture = &one;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &call) == TDBPLUS_OK);
    plain(fixture, "CREATE TABLE one (a int PRIMARY KEY, b text, c bigint NOT NULL)");
    plain(fixture, "CREATE TABLE two (a int PRIMARY KEY, b text, c bigint NOT NULL)");
    for (uint32_t i = 0; i < 4000; i++) {
        uint32_t dice = chance(fixture, 100);
        if (dice < 3) {
            plain(fixture,
                  chance(fixture, 2) == 0 ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ");
        } else if (dice < 5) {
            plain(fixture, "COMMIT");
        } else if (dice < 7) {
            plain(fixture, "ROLLBACK");
        } else if (dice < 8 && !tdbplus_session_in_transaction(fixture->session)) {
            change_tables(fixture);
        } else {
            step(fixture);
        }
    }
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

TEST(results_of_one_statement_may_be_open_at_once_and_outlive_the_session)
{
    struct fixture one = {0};
    struct fixture *fixture = &one;
    static const char query[] = "SELECT b FROM t WHERE a = $1";
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_result *results[4] = {0};
    const tdbplus_value *row = NULL;
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &call) == TDBPLUS_OK);
    plain(fixture, "CREATE TABLE t (a int PRIMARY KEY, b text)");
    plain(fixture, "INSERT INTO t SELECT n, 'a text of more than twelve bytes ' || n "
                   "FROM generate_series(0, 9) n");
    for (int64_t i = 0; i < 4; i++) {
        tdbplus_value key = tdbplus_int8(i);
        CHECK(tdbplus_execute(fixture->session, query, sizeof query - 1, &key, 1, NULL, &results[i],
                              &call) == TDBPLUS_OK);
    }
    tdbplus_session_close(fixture->session);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(tdbplus_result_next(results[i], &row, &call) == TDBPLUS_OK);
        CHECK(row[0].as.bytes.size == 34 &&
              ((const char *)row[0].as.bytes.data)[33] == (char)('0' + i));
        CHECK(tdbplus_result_next(results[i], &row, &call) == TDBPLUS_END);
        CHECK(strcmp(tdbplus_result_tag(results[i]), "SELECT 1") == 0);
        tdbplus_result_close(results[i]);
    }
    tdbplus_close(fixture->db);
}
