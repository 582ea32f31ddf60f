/*
 * Goal: ANALYZE notes what a table's columns hold, EXPLAIN's guesses are near the truth with it,
 * and it follows the rules of the catalog. Method: tables with known numbers of values; each guess
 * is compared with what EXPLAIN ANALYZE counts; the Q-error of a guess is how many times it is off.
 */

#include <stdlib.h>

#include "tdbplus/tdbplus.h"
#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

static tdbplus_status try_run(struct fixture *fixture, const char *sql, char *out, size_t size)
{
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    size_t used = 0;
    while (status == TDBPLUS_OK && tdbplus_result_column_count(result) > 0 &&
           (status = tdbplus_result_next(result, NULL, &fixture->call)) == TDBPLUS_OK) {
        const char *text = NULL;
        size_t length = 0;
        CHECK(tdbplus_result_text(result, 0, &text, &length, &fixture->call) == TDBPLUS_OK);
        if (out != NULL && used + length + 2 < size) {
            memcpy(out + used, text, length);
            used += length;
            out[used++] = '\n';
        }
    }
    if (out != NULL) {
        out[used] = '\0';
    }
    tdbplus_result_close(result);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static void run(struct fixture *fixture, const char *sql)
{
    tdbplus_status status = try_run(fixture, sql, NULL, 0);
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
}

static void fixture_init(struct fixture *fixture)
{
    static const char *const statements[] = {
        "CREATE TABLE t (id int PRIMARY KEY, k int8, s text, d date NOT NULL, n numeric(12,2))",
        "CREATE TABLE u (a int, b int, name text, PRIMARY KEY (a, b))",
        "INSERT INTO t SELECT g, nullif(g % 500, 7) * 1000003, 'name ' || g % 40, date '2020-01-01'"
        " + g % 365, g % 1000 / 4.0 FROM generate_series(1, 50000) AS s(g)",
        "INSERT INTO u SELECT g / 10, g % 10, 'n' || g % 77 FROM generate_series(0, 4999) AS s(g)",
    };
    *fixture = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        run(fixture, statements[i]);
    }
}

static void fixture_deinit(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* The largest Q-error among the operators of a plan. */
static double worst_error(struct fixture *fixture, const char *sql)
{
    char explain[512];
    char text[8192];
    double worst = 1;
    (void)snprintf(explain, sizeof explain, "EXPLAIN (ANALYZE, COSTS) %s", sql);
    CHECK(try_run(fixture, explain, text, sizeof text) == TDBPLUS_OK);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        const char *guess = strstr(line, "(rows=");
        const char *truth = strstr(line, " rows=");
        if (guess == NULL || truth == NULL) {
            continue; // Never run, or no operator.
        }
        double guessed = strtod(guess + 6, NULL);
        double counted = strtod(truth + 6, NULL);
        guessed = guessed < 1 ? 1 : guessed;
        counted = counted < 1 ? 1 : counted;
        double error = guessed > counted ? guessed / counted : counted / guessed;
        worst = error > worst ? error : worst;
    }
    return worst;
}

TEST(guesses_are_near_the_truth_after_analyze)
{
    static const struct {
        const char *sql;
        double error_max;
    } cases[] = {
        {"SELECT k, count(*) FROM t GROUP BY k", 1.2},
        {"SELECT s, count(*) FROM t GROUP BY s", 1.2},
        {"SELECT s, k, sum(n) FROM t GROUP BY s, k", 21}, // Columns are taken as independent.
        {"SELECT d, count(*) FROM t WHERE n < 50 GROUP BY d", 1.5},
        {"SELECT count(*) FROM u AS l JOIN u AS r ON l.a = r.a AND l.b = r.b", 1.2},
        {"SELECT count(*) FROM t JOIN u ON t.id = u.a", 1.2},
        {"SELECT * FROM t ORDER BY s LIMIT 10", 1.1},
    };
    struct fixture f;
    fixture_init(&f);
    run(&f, "ANALYZE");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double error = worst_error(&f, cases[i].sql);
        if (error > cases[i].error_max) {
            (void)fprintf(stderr, "%.1f times off: %s\n", error, cases[i].sql);
        }
        CHECK(error <= cases[i].error_max);
    }
    fixture_deinit(&f);
}

TEST(analyze_makes_guesses_better_and_can_be_undone)
{
    static const char sql[] = "SELECT s, count(*) FROM t GROUP BY s";
    struct fixture f;
    fixture_init(&f);
    double before = worst_error(&f, sql);
    CHECK(before > 5); // Nothing is known of texts.
    run(&f, "BEGIN");
    run(&f, "ANALYZE t");
    CHECK(worst_error(&f, sql) < 1.2);
    run(&f, "ROLLBACK");
    CHECK(worst_error(&f, sql) == before);
    run(&f, "ANALYZE t, u");
    CHECK(worst_error(&f, sql) < 1.2);
    run(&f, "DELETE FROM t WHERE id % 4 <> 0");
    run(&f, "ANALYZE VERBOSE t (s)");
    CHECK(worst_error(&f, sql) < 5); // Ended rows are counted until they are merged away.
    run(&f, "SELECT count(*) FROM t");
    run(&f, "DROP TABLE t");
    run(&f, "CREATE TABLE t (s text)");
    run(&f, "ANALYZE");
    CHECK(try_run(&f, "ANALYZE nosuch", NULL, 0) == TDBPLUS_E_NOT_FOUND);
    run(&f, "VACUUM ANALYZE t");
    fixture_deinit(&f);
}
