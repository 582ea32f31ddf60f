/*
 * Goal: what SQL says of members of documents does not depend on where the documents lie: in
 * memory, in segments that took them apart, or among a transaction's own rows; nor on how a scan
 * reads them. Method: documents made of columns that stand beside them, so that each statement can
 * compare.
 */

#include "tdbplus/tdbplus.h"

#include "test.h"

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_call call;
};

/* The first value of the first row, or "null". */
static void run(struct fixture *fixture, const char *sql, char *value, size_t size)
{
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(fixture->session, sql, strlen(sql), NULL, 0, NULL, &result, &fixture->call);
    (void)snprintf(value, size, "no row");
    if (status == TDBPLUS_OK) {
        status = tdbplus_result_next(result, NULL, &fixture->call);
        if (status == TDBPLUS_OK) {
            const char *text = NULL;
            size_t text_size = 0;
            status = tdbplus_result_text(result, 0, &text, &text_size, &fixture->call);
            (void)snprintf(value, size, "%s", text == NULL ? "null" : text);
        }
        status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    }
    tdbplus_result_close(result);
    if (status != TDBPLUS_OK) {
        fprintf(stderr, "%s: %s\n", sql, fixture->call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
}

static void check(struct fixture *fixture, const char *sql, const char *expected)
{
    char value[256];
    run(fixture, sql, value, sizeof value);
    if (strcmp(value, expected) != 0) {
        fprintf(stderr, "%s: %s instead of %s\n", sql, value, expected);
    }
    CHECK(strcmp(value, expected) == 0);
}

static void fixture_init(struct fixture *fixture)
{
    char tag[64];
    *fixture = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &fixture->db, &fixture->call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(fixture->db, &fixture->session, &fixture->call) == TDBPLUS_OK);
    run(fixture, "CREATE TABLE t (id int PRIMARY KEY, n int, s text, p numeric(8,2), d jsonb)", tag,
        sizeof tag);
}

static void fixture_deinit(struct fixture *fixture)
{
    tdbplus_session_close(fixture->session);
    tdbplus_close(fixture->db);
}

/* Rows first to last: most documents have the same members; every ninth has others, every
 * eleventh none, every thirteenth is long. */
static void insert(struct fixture *fixture, int first, int last)
{
    char sql[1024];
    char tag[64];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO t SELECT i, i * 7, 'name ' || (i %% 40), i / 4.0, CASE "
        "WHEN i %% 11 = 0 THEN NULL "
        "WHEN i %% 9 = 0 THEN ('{\"o\": {\"s\": [' || i || ', \"x\"]}, \"n\": \"' || i * 7 || "
        "'\", \"z\": null}')::jsonb "
        "ELSE ('{\"n\": ' || i * 7 || ', \"o\": {\"s\": \"name ' || (i %% 40) || '\", \"p\": ' || "
        "round(i / 4.0, 2)::numeric(8,2) || '}, \"b\": ' || (CASE WHEN i %% 2 = 0 THEN 'true' ELSE "
        "'false' "
        "END) || (CASE WHEN i %% 13 = 0 THEN ', \"pad\": \"' || repeat('0123456789', 150) || '\"' "
        "ELSE '' END) || '}')::jsonb END FROM generate_series(%d, %d) AS g(i)",
        first, last);
    run(fixture, sql, tag, sizeof tag);
}

/* Statements about rows 1 to 3,000. */
static void check_members(struct fixture *f)
{
    check(f, "SELECT count(*) FROM t WHERE (d->>'n')::int <> n", "0");
    check(f, "SELECT count(d->>'n') FROM t", "2728");
    check(f, "SELECT count(d->'z') FROM t", "303");
    check(f, "SELECT count(d->>'z') FROM t", "0");
    check(f, "SELECT count(*) FROM t WHERE d->'o'->>'s' <> s AND id % 9 <> 0", "0");
    check(f, "SELECT count(d->'o'->>'s') FROM t", "2728");
    check(f, "SELECT count(*) FROM t WHERE (d->'o'->>'p')::numeric <> round(id / 4.0, 2)", "0");
    check(f, "SELECT count(d->'o'->'p') FROM t", "2425");
    check(f, "SELECT d->'o'->>'s' FROM t WHERE id = 18", "[18, \"x\"]");
    check(f, "SELECT d->'o' FROM t WHERE id = 5", "{\"p\": 1.25, \"s\": \"name 5\"}");
    check(f, "SELECT d->>'o' FROM t WHERE id = 26", "{\"p\": 6.50, \"s\": \"name 26\"}");
    check(f, "SELECT count(*) FROM t WHERE d->>'b' = 'true' AND id % 2 = 1", "0");
    check(f, "SELECT max(length(d->>'pad')) FROM t", "1500");
    check(f, "SELECT count(*) FROM t WHERE d->'n'->>'x' IS NOT NULL", "0");
    check(f, "SELECT count(*) FROM t WHERE d->'nobody' IS NOT NULL", "0");
    check(f, "SELECT d->>'n' FROM t ORDER BY id DESC LIMIT 1", "21000");
    check(f, "SELECT count(*) FROM t a JOIN t b ON a.d->>'n' = b.d->>'n'", "2728");
    check(f, "SELECT d->'o'->>'s' FROM t GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1", "null");
    check(f,
          "SELECT count(*) FROM t x WHERE EXISTS (SELECT 1 FROM t y WHERE y.id = x.id + 1 AND "
          "(y.d->>'n')::int = (x.d->>'n')::int + 7)",
          "2455");
    check(f, "SELECT count(*) FROM t WHERE d->>'n' = d->>'n' AND d IS NOT NULL", "2728");
    check(f, "SELECT count(*) FROM (SELECT DISTINCT d->>'b' FROM t) q", "3");
    check(f, "SELECT sum((d->>'n')::int) FROM t", "28651644");
}

TEST(members_are_the_same_wherever_documents_lie)
{
    struct fixture f;
    char value[256];
    fixture_init(&f);
    run(&f, "BEGIN", value, sizeof value);
    insert(&f, 1, 3000);
    run(&f, "SELECT sum(n) FROM t WHERE d IS NOT NULL", value, sizeof value);
    CHECK(strcmp(value, "28651644") == 0);
    check_members(&f); // Own rows.
    run(&f, "COMMIT", value, sizeof value);
    check_members(&f); // A memtable.
    CHECK(tdbplus_flush(f.db, &f.call) == TDBPLUS_OK);
    check_members(&f); // A segment.
    CHECK(tdbplus_optimize(f.db, NULL, &f.call) == TDBPLUS_OK);
    check_members(&f);
    fixture_deinit(&f);
}

TEST(members_are_the_same_over_all_kinds_of_sources)
{
    struct fixture f;
    char value[256];
    fixture_init(&f);
    insert(&f, 1, 1000);
    CHECK(tdbplus_flush(f.db, &f.call) == TDBPLUS_OK);
    insert(&f, 1001, 1500);
    CHECK(tdbplus_flush(f.db, &f.call) == TDBPLUS_OK);
    insert(&f, 1501, 2500);
    run(&f, "BEGIN", value, sizeof value);
    run(&f, "DELETE FROM t WHERE (d->>'n')::int BETWEEN 700 AND 1400", value, sizeof value);
    run(&f, "DELETE FROM t WHERE id BETWEEN 100 AND 200", value, sizeof value);
    insert(&f, 100, 200);
    insert(&f, 2501, 3000);
    check_members(&f);
    run(&f, "UPDATE t SET d = d WHERE d->>'b' = 'true'", value, sizeof value);
    check_members(&f);
    run(&f, "COMMIT", value, sizeof value);
    check_members(&f);
    CHECK(tdbplus_optimize(f.db, NULL, &f.call) == TDBPLUS_OK);
    check_members(&f);
    fixture_deinit(&f);
}

TEST(a_scan_of_large_values_needs_memory_for_some_of_them)
{
    struct fixture f = {.call = TDBPLUS_CALL_INIT};
    char value[256];
    tdbplus_options options = {0};
    options.memory_limit_bytes = (size_t)96 << 20;
    CHECK(tdbplus_open(NULL, &options, &f.db, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(f.db, &f.session, &f.call) == TDBPLUS_OK);
    run(&f, "CREATE TABLE big (id int PRIMARY KEY, body text)", value, sizeof value);
    for (int i = 0; i < 24; i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO big SELECT %d + i, repeat(md5((%d + i)::text), 16384) "
                       "FROM generate_series(1, 8) AS g(i)",
                       i * 8, i * 8);
        run(&f, sql, value, sizeof value);
        CHECK(tdbplus_flush(f.db, &f.call) == TDBPLUS_OK);
    }
    CHECK(tdbplus_optimize(f.db, NULL, &f.call) == TDBPLUS_OK);
    check(&f, "SELECT sum(length(body)) FROM big", "100663296");
    check(&f, "SELECT count(*) FROM big WHERE body = repeat(md5(id::text), 16384)", "192");
    fixture_deinit(&f);
}
