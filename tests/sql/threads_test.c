/*
 * Goal: answers do not depend on the number of threads. Method: joins of every kind, groups and
 * sorts over tables of several morsels, partly in segments with dictionaries and partly in
 * memtables, with gaps; the rows of one thread against those of two and five: the same rows, and
 * where nothing but joins and sorts made them in the same order, so that sums of floats have the
 * same last digit. Also runs under ThreadSanitizer.
 */

#include "base/hash.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

struct answer {
    uint64_t rows;
    uint64_t hash;    /* Of the rows in any order, */
    uint64_t ordered; /* and in this one. */
};

static struct answer ask(struct fixture *fixture, const char *sql)
{
    struct answer answer = {0};
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    while (status == TDBPLUS_OK && tdbplus_result_column_count(result) > 0 &&
           (status = tdbplus_result_next(result, NULL, &fixture->call)) == TDBPLUS_OK) {
        uint64_t row = 0;
        for (uint32_t i = 0; i < tdbplus_result_column_count(result); i++) {
            const char *text = NULL;
            size_t size = 0;
            CHECK(tdbplus_result_text(result, i, &text, &size, &fixture->call) == TDBPLUS_OK);
            struct span span = {.data = (const uint8_t *)(text == NULL ? "\1" : text),
                                .size = text == NULL ? 1 : size};
            row = hash_combine(row, hash_bytes(span, i));
        }
        answer.rows++;
        answer.hash += row;
        answer.ordered = hash_combine(answer.ordered, row);
    }
    if (status != TDBPLUS_OK && status != TDBPLUS_END) {
        (void)fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_END);
    tdbplus_result_close(result);
    return answer;
}

static void fixture_init(struct fixture *fixture)
{
    tdbplus_call fresh = TDBPLUS_CALL_INIT;
    tdbplus_options options = {.struct_size = sizeof options,
                               .durability = TDBPLUS_DURABILITY_NONE};
    fixture->call = fresh;
    CHECK(tdbplus_open(NULL, &options, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
    (void)ask(fixture, "CREATE TABLE big (id int PRIMARY KEY, k int, flag text NOT NULL, v"
                       " numeric(12,2) NOT NULL, off numeric(4,2) NOT NULL, f float8, s text)");
    (void)ask(fixture, "CREATE TABLE mid (a int, b int, s text, w float8)");
    (void)ask(fixture, "INSERT INTO big SELECT g, nullif(g::int8 * 7919 % 100003, 7), substr('ARN',"
                       " 1 + g % 3, 1), g % 1000 / 4.0, g % 11 / 100.0, g % 4096 / 3.0, CASE WHEN g"
                       " % 97 = 0 THEN NULL ELSE 'a text that is no inline view ' || g % 5003 END"
                       " FROM generate_series(1, 80000) AS s(g)");
    (void)ask(fixture, "INSERT INTO mid SELECT g % 90001, g::int8 * 31 % 977, 'a text that is no"
                       " inline view ' || g % 7001, g / 7.0 FROM generate_series(1, 70000) AS"
                       " s(g)");
    CHECK(tdbplus_optimize(fixture->db, NULL, &fixture->call) == TDBPLUS_OK);
    (void)ask(fixture, "DELETE FROM big WHERE id % 23 = 5");
    (void)ask(fixture, "INSERT INTO big SELECT g, g % 1000, 'X', 1.25, 0.5, g / 9.0, 'fresh' FROM"
                       " generate_series(80001, 90000) AS s(g)");
    (void)ask(fixture, "ANALYZE");
}

static void fixture_deinit(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* The second of each pair: rows come in this order. */
static const struct {
    const char *sql;
    bool ordered;
} queries[] = {
    {"SELECT big.id, mid.a, mid.w FROM big JOIN mid ON big.k = mid.a", true},
    {"SELECT big.id, mid.w, mid.s FROM big JOIN mid ON big.k = mid.a AND big.id % 977 = mid.b",
     true},
    {"SELECT big.id, mid.a FROM big LEFT JOIN mid ON big.k = mid.a AND mid.w > 9000", true},
    {"SELECT big.id, mid.a FROM big RIGHT JOIN mid ON big.id = mid.a AND big.v > 100", true},
    {"SELECT big.id, mid.a FROM big FULL JOIN mid ON big.id = mid.a + 60000", true},
    {"SELECT count(*), sum(mid.w), sum(big.f) FROM big JOIN mid ON big.s = mid.s AND big.k < 900",
     true},
    {"SELECT sum(d.f), count(*) FROM mid JOIN (SELECT big.f, big.k FROM big JOIN mid ON big.id ="
     " mid.a WHERE v < 100) AS d ON d.k = mid.a",
     true},
    {"SELECT id, f FROM big WHERE EXISTS (SELECT 1 FROM mid WHERE mid.a = big.id AND mid.w <>"
     " big.f)",
     true},
    {"SELECT a, w FROM mid WHERE EXISTS (SELECT 1 FROM big WHERE mid.a = big.k)", true},
    {"SELECT a, w FROM mid WHERE NOT EXISTS (SELECT 1 FROM big WHERE mid.a = big.k AND big.f <>"
     " mid.w)",
     true},
    {"SELECT sum(x.w) FROM (SELECT w, a FROM mid WHERE EXISTS (SELECT 1 FROM big WHERE mid.a ="
     " big.k)) AS x JOIN mid ON mid.a = x.a",
     true},
    {"SELECT count(*), sum(v), sum(v * (1 - off)) FROM big FULL JOIN mid ON big.k = mid.a", true},
    {"SELECT flag, count(*), sum(v), sum(v * (1 - off)), sum(v * (1 - off) * (1 + off)), avg(off)"
     " FROM big GROUP BY flag",
     false},
    {"SELECT k, count(*), sum(v), max(s) FROM big GROUP BY k", false},
    {"SELECT id, count(*), sum(v) FROM big GROUP BY id HAVING sum(v) > 200", false},
    {"SELECT a, count(id) FROM mid LEFT JOIN big ON big.k = mid.a GROUP BY a", false},
    {"SELECT id, s, f FROM big ORDER BY s DESC, f, id", true},
    {"SELECT id, k, s FROM big ORDER BY k", true}, // As they were read, among equals.
    {"SELECT id, v FROM big ORDER BY v DESC LIMIT 50", true},
    {"SELECT id, v, s FROM big WHERE k > (SELECT avg(a) FROM mid) ORDER BY v, s LIMIT 5000", true},
    {"SELECT DISTINCT k FROM big", false},
};

TEST(answers_do_not_depend_on_the_number_of_threads)
{
    struct fixture f;
    fixture_init(&f);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        (void)ask(&f, "SET threads = 1");
        struct answer expected = ask(&f, queries[i].sql);
        CHECK(expected.rows > 0);
        for (uint32_t way = 0; way < 2; way++) {
            (void)ask(&f, way == 0 ? "SET threads = 2" : "SET threads = 5");
            struct answer answer = ask(&f, queries[i].sql);
            bool same = answer.rows == expected.rows && answer.hash == expected.hash &&
                        (!queries[i].ordered || answer.ordered == expected.ordered);
            if (!same) {
                (void)fprintf(stderr, "way %u: %s\n", way, queries[i].sql);
            }
            CHECK(same);
        }
    }
    fixture_deinit(&f);
}
