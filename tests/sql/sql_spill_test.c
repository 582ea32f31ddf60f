/*
 * Goal: statements that need more memory than they may have give the answers they would give with
 * enough, and leave no files. Method: the same statements with and without a small work_mem, with
 * one thread and several, on a database on disk; statements over ten times their memory_limit;
 * files left by a crash, put there by hand.
 */

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "tdbplus/tdbplus.h"
#include "test.h"

struct fixture {
    char directory[64];
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

struct answer {
    uint64_t rows;
    uint64_t hash;    /* Of the rows in any order, */
    uint64_t ordered; /* and in this one. */
};

static tdbplus_status try_ask(struct fixture *fixture, const char *sql, struct answer *answer)
{
    *answer = (struct answer){0};
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    if (status != TDBPLUS_OK) {
        return status;
    }
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
        answer->rows++;
        answer->hash += row;
        answer->ordered = hash_combine(answer->ordered, row);
    }
    tdbplus_result_close(result);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static struct answer ask(struct fixture *fixture, const char *sql)
{
    struct answer answer;
    tdbplus_status status = try_ask(fixture, sql, &answer);
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
    return answer;
}

static void open_db(struct fixture *fixture)
{
    tdbplus_call fresh = TDBPLUS_CALL_INIT;
    tdbplus_options options = {.struct_size = sizeof options,
                               .durability = TDBPLUS_DURABILITY_NONE};
    fixture->call = fresh;
    CHECK(tdbplus_open(fixture->directory, &options, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
}

static void close_db(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

static void fixture_init(struct fixture *fixture)
{
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/tdbplus-spill-XXXXXX");
    CHECK(mkdtemp(fixture->directory) != NULL);
    open_db(fixture);
}

/* Temporary files there are; all files are removed if `all`. */
static uint32_t count_files(const struct fixture *fixture, bool all)
{
    uint32_t count = 0;
    DIR *directory = opendir(fixture->directory);
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t size = strlen(entry->d_name);
        count += size > 4 && strcmp(entry->d_name + size - 4, ".tmp") == 0;
        if (all && entry->d_name[0] != '.') {
            CHECK(unlinkat(dirfd(directory), entry->d_name, 0) == 0);
        }
    }
    (void)closedir(directory);
    return count;
}

static void fixture_deinit(struct fixture *fixture)
{
    close_db(fixture);
    CHECK(count_files(fixture, true) == 0);
    CHECK(rmdir(fixture->directory) == 0);
}

/* The second of each pair: rows come in this order. */
static const struct {
    const char *sql;
    bool ordered;
} queries[] = {
    {"SELECT k, count(*), sum(v), min(s), max(f) FROM t GROUP BY k", false},
    {"SELECT s, k FROM t ORDER BY s DESC, id", true},
    {"SELECT id, s, k FROM t ORDER BY k NULLS FIRST, s", true},
    {"SELECT id, k FROM t ORDER BY id % 10 DESC",
     true}, // In the order they were read, among equals.
    {"SELECT id, s FROM t ORDER BY k, s, id LIMIT 30000 OFFSET 11", true},
    {"SELECT k, string_agg(s, ',' ORDER BY id), count(DISTINCT s) FROM t GROUP BY k", false},
    {"SELECT k, s, count(*) FROM t GROUP BY GROUPING SETS ((k), (s), ())", false},
    {"SELECT f, sum(f), count(v) FILTER (WHERE v > 100) FROM t GROUP BY f, s", false},
    {"SELECT a.id, b.id, a.s FROM t a JOIN t b ON a.id = b.k", false},
    {"SELECT a.id, b.id, a.s FROM t a JOIN t b ON a.s = b.s AND a.id % 2 = b.id % 2 AND a.v < b.v",
     false},
    {"SELECT a.id, b.id, a.s FROM t a LEFT JOIN t b ON a.id = b.k", false},
    {"SELECT a.id, b.id, a.s FROM t a LEFT JOIN t b ON a.id = b.k AND b.v > 50", false},
    {"SELECT a.id, b.id, b.s FROM t a RIGHT JOIN t b ON a.id = b.k AND a.v > 50", false},
    {"SELECT a.id, b.id, a.s FROM t a FULL JOIN t b ON a.id = b.k + 60000", false},
    {"SELECT a.id, a.s FROM t a WHERE EXISTS (SELECT 1 FROM t b WHERE b.k = a.id + 5)", false},
    {"SELECT a.id FROM t a WHERE NOT EXISTS (SELECT 1 FROM t b WHERE b.k = a.id AND b.s <> a.s)",
     false},
    {"SELECT a.k, sum(b.v) FROM t a JOIN t b ON a.id = b.id JOIN t c ON b.id = c.id GROUP BY a.k"
     " ORDER BY a.k",
     true},
    {"SELECT DISTINCT k, s FROM t", false},
    {"SELECT DISTINCT s, f, v FROM t ORDER BY s, f, v", true},
    {"SELECT count(*), sum(k) FROM (SELECT k, s FROM t WHERE id < 50000 UNION SELECT k, s FROM t"
     " WHERE id > 20000) AS q",
     true},
    {"SELECT DISTINCT s FROM t LIMIT 4000", true},
    {"SELECT m, count(*) FROM (SELECT id % 3 AS m, s FROM t) q JOIN t ON t.id = m GROUP BY m",
     false},
};

TEST(answers_do_not_depend_on_spilling)
{
    struct fixture f;
    fixture_init(&f);
    (void)ask(&f, "CREATE TABLE t (id int PRIMARY KEY, k int, v numeric(12,2) NOT NULL, s text,"
                  " f float8)");
    (void)ask(&f, "INSERT INTO t SELECT g, nullif(g * 7919 % 30011, 7), g % 1000 / 4.0, CASE WHEN"
                  " g % 97 = 0 THEN NULL WHEN g % 3 = 0 THEN 's' || g % 5003 ELSE 'a text that is"
                  " no inline view ' || g * 31 % 5003 END, g % 4096 * 0.25 FROM"
                  " generate_series(1, 70000) AS s(g)");
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        (void)ask(&f, "SET work_mem = '1GB'");
        (void)ask(&f, "SET threads = 1");
        struct answer expected = ask(&f, queries[i].sql);
        CHECK(expected.rows > 0);
        for (uint32_t way = 0; way < 6; way++) {
            static const char *const sizes[] = {"SET work_mem = '64kB'", "SET work_mem = '700kB'",
                                                "SET work_mem = '1GB'"};
            (void)ask(&f, sizes[way % 3]);
            (void)ask(&f, way < 3 ? "SET threads = 1" : "SET threads = 3");
            struct answer answer = ask(&f, queries[i].sql);
            bool same = answer.rows == expected.rows && answer.hash == expected.hash &&
                        (!queries[i].ordered || answer.ordered == expected.ordered);
            if (!same) {
                (void)fprintf(stderr, "way %u: %s\n", way, queries[i].sql);
            }
            CHECK(same);
            CHECK(count_files(&f, false) == 0);
        }
    }
    fixture_deinit(&f);
}

TEST(statements_over_ten_times_their_limit_complete)
{
    static const char *const large[] = {
        "SELECT s, id FROM t ORDER BY s, id",
        "SELECT s, count(*), sum(id) FROM t GROUP BY s",
        "SELECT a.id, b.s FROM t a JOIN t b ON a.s = b.s",
    };
    struct fixture f;
    fixture_init(&f);
    (void)ask(&f, "CREATE TABLE t (id int PRIMARY KEY, s text NOT NULL)");
    (void)ask(&f, "INSERT INTO t SELECT g, repeat(md5(g::text), 10) FROM"
                  " generate_series(1, 200000) AS s(g)"); // 64 MB of keys.
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        (void)ask(&f, "RESET memory_limit");
        struct answer expected = ask(&f, large[i]);
        CHECK(expected.rows == 200000);
        (void)ask(&f, "SET memory_limit = '6MB'");
        struct answer answer = ask(&f, large[i]);
        CHECK(answer.rows == expected.rows && answer.hash == expected.hash);
        CHECK(i > 0 || answer.ordered == expected.ordered);
    }
    // What no file helps against is an error, after which everything goes on.
    struct answer answer;
    CHECK(try_ask(&f, "SELECT array_agg(s) FROM t", &answer) == TDBPLUS_E_NOMEM);
    CHECK(ask(&f, "SELECT count(*) FROM t").rows == 1);
    fixture_deinit(&f);
}

TEST(settings_of_memory_are_checked)
{
    struct fixture f;
    struct answer answer;
    fixture_init(&f);
    (void)ask(&f, "SET memory_limit = '1GB'");
    (void)ask(&f, "SET work_mem = 4096");
    (void)ask(&f, "SET work_mem = '8 MB'");
    (void)ask(&f, "RESET work_mem");
    CHECK(try_ask(&f, "SET work_mem = '1 kB'", &answer) == TDBPLUS_E_SQL);
    CHECK(try_ask(&f, "SET work_mem = '12 apples'", &answer) == TDBPLUS_E_SQL);
    CHECK(try_ask(&f, "SET memory_limit = 'MB'", &answer) == TDBPLUS_E_SQL);
    CHECK(try_ask(&f, "SET memory_limit = '99999999999999999999GB'", &answer) == TDBPLUS_E_SQL);
    fixture_deinit(&f);
}

TEST(files_that_a_crash_left_are_removed)
{
    struct fixture f;
    char path[128];
    fixture_init(&f);
    close_db(&f);
    (void)snprintf(path, sizeof path, "%s/rows-0000000000000007.tmp", f.directory);
    FILE *left = fopen(path, "w");
    CHECK(left != NULL && fputs("rows", left) > 0 && fclose(left) == 0);
    CHECK(count_files(&f, false) == 1);
    open_db(&f);
    CHECK(count_files(&f, false) == 0);
    fixture_deinit(&f);
}
