/*
 * Goal: answers do not depend on how they are found: random queries with each optimiser rule left
 * out, with one thread and with several, and with every table of kernels. Method: the rows of each
 * run, as text and in any order, are compared by count and by the sum of their hashes.
 */

#include "base/hash.h"
#include "simd/simd.h"
#include "sql/opt/optimize.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

#define QUERY_COUNT 60u

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

struct answer {
    uint64_t rows;
    uint64_t hash;
};

static struct answer ask(struct fixture *fixture, const char *sql)
{
    struct answer answer = {0};
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
    while (tdbplus_result_column_count(result) > 0 &&
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
    }
    CHECK(status == TDBPLUS_OK || status == TDBPLUS_END);
    tdbplus_result_close(result);
    return answer;
}

static void fixture_init(struct fixture *fixture)
{
    static const char *const statements[] = {
        "CREATE TABLE a (id int PRIMARY KEY, k int, d date NOT NULL, n numeric(12,2) NOT NULL,"
        " t text, f float8, m int NOT NULL)",
        "CREATE TABLE b (k int PRIMARY KEY, v int, name text NOT NULL)",
        "CREATE TABLE c (x int NOT NULL, y int)",
        // Two morsels; nulls among the keys; dates in order, so that zone maps leave pages out.
        "INSERT INTO a SELECT g, nullif(g * 7919 % 1009, 7), date '2020-01-01' + g / 200,"
        " (g * 31 % 10007) / 100.0, CASE WHEN g % 5 = 0 THEN 'a long text that is no inline view '"
        " || g % 97 WHEN g % 11 = 0 THEN NULL ELSE 't' || g % 89 END, g * 0.5, g % 3"
        " FROM generate_series(1, 70000) AS s(g)",
        "INSERT INTO b SELECT g, nullif(g % 40, 3), 'name ' || g % 60 FROM"
        " generate_series(0, 999) AS s(g)",
        "INSERT INTO c SELECT g % 20, nullif(g % 7, 2) FROM generate_series(1, 30) AS s(g)",
    };
    *fixture = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        (void)ask(fixture, statements[i]);
    }
    CHECK(tdbplus_flush(fixture->db, &fixture->call) == TDBPLUS_OK);
    // Rows in order of a key with many rows for each value of its first column.
    (void)ask(fixture, "CREATE TABLE big (k int, i int, g int NOT NULL, f float8, t text,"
                       " PRIMARY KEY (k, i))");
    (void)ask(fixture, "INSERT INTO big SELECT g / 7, g, g * 13 % 30, g % 64 / 4.0, 'text ' || g %"
                       " 1000 FROM generate_series(1, 40000) AS s(g)");
    CHECK(tdbplus_flush(fixture->db, &fixture->call) == TDBPLUS_OK);
    // Some rows in the memtable, some of the segment's ended.
    (void)ask(fixture, "INSERT INTO a SELECT g, g % 50, date '2021-01-01', 1.5, 'late', 0, 1 FROM"
                       " generate_series(70001, 70100) AS s(g)");
    (void)ask(fixture, "DELETE FROM a WHERE id % 100 = 17 AND id < 5000");
}

static void fixture_deinit(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* %1$u and on are random numbers. Rows of a join that any order makes; no sums of floats over them.
 */
static const char *const templates[] = {
    "SELECT count(*), sum(n), min(d), max(t) FROM a WHERE k < %1$u AND n >= %2$u.5",
    "SELECT m, count(*), sum(n * (1 - n)), avg(n), sum(k) FROM a WHERE d < date '2020-03-01' +"
    " interval '%2$u' day GROUP BY m",
    "SELECT k, count(*), sum(CASE WHEN t LIKE 't%3$u%%' THEN n ELSE 0 END) FROM a GROUP BY k",
    "SELECT t, min(k), max(n), count(DISTINCT m) FROM a WHERE d BETWEEN date '2020-02-01' AND"
    " date '2020-02-01' + %2$u GROUP BY t HAVING count(*) > 1",
    "SELECT count(*), sum(v), sum(n) FROM a JOIN b ON a.k = b.k WHERE v = %3$u OR n < %3$u",
    "SELECT a.m, b.name, count(*) FROM a LEFT JOIN b ON a.k = b.k AND b.v > %3$u WHERE a.id < %1$u"
    " GROUP BY a.m, b.name",
    "SELECT b.k, count(a.id) FROM b LEFT JOIN a ON a.k = b.k AND a.n < %2$u GROUP BY b.k",
    "SELECT count(*) FROM b, c WHERE b.v = c.x AND c.y < %3$u % 7",
    "SELECT x, y FROM c WHERE EXISTS (SELECT 1 FROM b WHERE b.v = c.x AND b.k > %1$u)",
    "SELECT x, y FROM c WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.v = c.x AND b.k > %1$u)",
    "SELECT x, y FROM c WHERE x IN (SELECT v FROM b WHERE k < %2$u)",
    "SELECT x, y FROM c WHERE x NOT IN (SELECT k FROM b WHERE k < %3$u)",
    "SELECT x, y FROM c WHERE y < (SELECT avg(v) FROM b WHERE b.v = c.x AND b.k < %1$u)",
    "SELECT DISTINCT m, k FROM a WHERE n > %2$u",
    "SELECT id, n, d FROM a WHERE t IS NOT NULL ORDER BY n DESC, id LIMIT %3$u",
    "SELECT id, k FROM a ORDER BY k, id DESC OFFSET %3$u LIMIT 20",
    "SELECT b1.k, b2.v FROM b b1 JOIN b b2 ON b1.v = b2.k JOIN c ON c.x = b2.k WHERE b1.k < %2$u",
    "SELECT b.name FROM b WHERE (v = %3$u AND k < %1$u) OR (v = %3$u AND k > %2$u)",
    "SELECT count(*), sum(f) FROM a WHERE t = 't%3$u'",
    "SELECT count(*) FROM a WHERE k IN (1, %3$u, %2$u) OR t LIKE '%%no%%view %3$u'",
    "SELECT id, count(*), sum(n), min(t) FROM a WHERE id > %1$u GROUP BY id HAVING sum(n) > %2$u",
    "SELECT x.k, x.g, count(*), sum(x.f), max(x.t) FROM big x GROUP BY x.k, x.g",
    "SELECT x.k, count(*), sum(v), max(x.t) FROM big x JOIN b ON x.g = b.k WHERE b.v < %3$u"
    " GROUP BY x.k",
    "SELECT count(*) FROM c c1, b b1, c c2 WHERE c1.x = b1.k AND b1.k = c2.x AND c1.y = c2.y",
    "SELECT q.s, count(*) FROM (SELECT m + k AS s, n FROM a WHERE id > %1$u) AS q GROUP BY q.s",
};

static void make_query(uint64_t draw, char *sql, size_t size)
{
    unsigned wide = (unsigned)(hash_u64(draw) % 1000);
    unsigned middle = (unsigned)(hash_u64(draw + 1) % 100);
    unsigned narrow = (unsigned)(hash_u64(draw + 2) % 30);
    const char *template = templates[draw % (sizeof templates / sizeof *templates)];
    size_t used = 0;
    // By hand: a format of snprintf() must not come from a table.
    for (size_t i = 0; template[i] != '\0' && used + 24 < size; i++) {
        if (template[i] == '%' && template[i + 1] >= '1' && template[i + 1] <= '3' &&
            template[i + 2] == '$') {
            unsigned value = template[i + 1] == '1'   ? wide
                             : template[i + 1] == '2' ? middle
                                                      : narrow;
            used += (size_t)snprintf(sql + used, size - used, "%u", value);
            i += 3;
            continue;
        }
        sql[used++] = template[i];
        i += template[i] == '%' && template[i + 1] == '%';
    }
    sql[used] = '\0';
}

static void check_same(struct fixture *fixture, const char *sql, struct answer expected,
                       const char *how)
{
    struct answer answer = ask(fixture, sql);
    if (answer.rows != expected.rows || answer.hash != expected.hash) {
        (void)fprintf(stderr, "%s: other rows %s\n", sql, how);
    }
    CHECK(answer.rows == expected.rows && answer.hash == expected.hash);
}

static void check_ways(struct fixture *fixture, const char *sql)
{
    char set[96];
    const struct simd_ops *best = simd;
    (void)ask(fixture, "SET threads = 1");
    struct answer expected = ask(fixture, sql);
    for (uint32_t rule = 0; rule < OPT_RULE_COUNT; rule++) {
        (void)snprintf(set, sizeof set, "SET disabled_rules = '%s'", opt_rule_name(rule));
        (void)ask(fixture, set);
        check_same(fixture, sql, expected, opt_rule_name(rule));
    }
    (void)ask(fixture, "SET disabled_rules = ''");
    (void)ask(fixture, "SET threads = 3");
    check_same(fixture, sql, expected, "with three threads");
    for (uint32_t t = 0; simd_available()[t] != NULL; t++) {
        simd = simd_available()[t];
        check_same(fixture, sql, expected, simd->name);
    }
    simd = best;
}

TEST(answers_do_not_depend_on_rules_threads_or_kernels)
{
    struct fixture f;
    fixture_init(&f);
    for (uint64_t draw = 0; draw < QUERY_COUNT; draw++) {
        char sql[512];
        make_query(draw, sql, sizeof sql);
        check_ways(&f, sql);
    }
    fixture_deinit(&f);
}
