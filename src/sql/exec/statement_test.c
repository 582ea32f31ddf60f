/*
 * Goal: the interface to statements: parameters, descriptions, tags, staleness, cancelling, memory.
 * What statements compute is tested in tests/sql. Method: a database in memory; a sweep over
 * failing allocations with statements that use every stage.
 */

#include "sql/exec/statement.h"

#include "os/env.h"
#include "test.h"

struct fixture {
    struct env *env;
    struct store *store;
    struct err err;
};

static void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){0};
    CHECK(env_ram_create(&alloc_system, &fixture->env, &fixture->err) == TDBPLUS_OK);
    struct store_options options = {.env = fixture->env,
                                    .alloc = &alloc_system,
                                    .directory = "db",
                                    .no_background = true,
                                    .log_file_size = 1 << 20};
    CHECK(store_open(&options, &fixture->store, &fixture->err) == TDBPLUS_OK);
}

static void fixture_deinit(struct fixture *fixture)
{
    store_close(fixture->store);
    env_ram_destroy(fixture->env);
}

static struct txn *begin(struct fixture *fixture)
{
    struct txn_options options = {.durability = -1};
    struct txn *txn = NULL;
    CHECK(txn_begin(fixture->store, &options, &alloc_system, &txn, &fixture->err) == TDBPLUS_OK);
    CHECK(txn_statement(txn, &fixture->err) == TDBPLUS_OK);
    return txn;
}

/* Runs one statement with memory from `alloc`; rows are counted, the first integer is kept. */
struct outcome {
    uint64_t rows;
    int64_t first;
    char tag[64];
};

static tdbplus_status run_with(struct fixture *fixture, struct txn *txn, const char *text,
                               const struct alloc *alloc, const struct datum *parameters,
                               uint32_t parameter_count, struct outcome *outcome)
{
    struct call call = {.alloc = alloc, .err = &fixture->err};
    struct sql_script *script = NULL;
    struct sql_prepared *prepared = NULL;
    struct sql_cursor *cursor = NULL;
    struct batch batch;
    batch_init(&batch, alloc);
    *outcome = (struct outcome){0};
    struct sql_run_options options = {
        .txn = txn, .parameters = parameters, .parameter_count = parameter_count};
    tdbplus_status status = sql_script_create(span_from_text(text), alloc, &script, &fixture->err);
    if (status == TDBPLUS_OK) {
        status = sql_prepare(script, 0, txn, NULL, 0, &call, &prepared);
    }
    if (status == TDBPLUS_OK) {
        status = sql_cursor_open(prepared, &options, &call, &cursor);
    }
    while (status == TDBPLUS_OK && (status = sql_cursor_next(cursor, &batch)) == TDBPLUS_OK) {
        struct datum value;
        column_get(&batch.columns[0], batch.selection != NULL ? batch.selection[0] : 0, &value);
        outcome->first = outcome->rows == 0 && !value.is_null ? value.integer : outcome->first;
        outcome->rows += batch_live_count(&batch);
    }
    if (cursor != NULL) {
        sql_cursor_tag(cursor, outcome->tag);
    }
    batch_deinit(&batch);
    sql_cursor_close(cursor);
    sql_prepared_destroy(prepared);
    sql_script_destroy(script);
    return status == TDBPLUS_END ? TDBPLUS_OK : status;
}

static struct outcome run(struct fixture *fixture, struct txn *txn, const char *text)
{
    struct outcome outcome;
    CHECK(run_with(fixture, txn, text, &alloc_system, NULL, 0, &outcome) == TDBPLUS_OK);
    CHECK(txn_statement(txn, &fixture->err) == TDBPLUS_OK);
    return outcome;
}

TEST(locked_rows_are_refused_or_skipped)
{
    struct fixture fixture;
    struct outcome outcome;
    fixture_init(&fixture);
    struct txn *setup = begin(&fixture);
    run(&fixture, setup, "CREATE TABLE job (id int PRIMARY KEY, note text)");
    run(&fixture, setup, "INSERT INTO job VALUES (1), (2), (3)");
    struct call call = {.alloc = &alloc_system, .err = &fixture.err};
    CHECK(txn_commit(setup, &call) == TDBPLUS_OK);
    struct txn *first = begin(&fixture);
    struct txn *second = begin(&fixture);
    CHECK(run(&fixture, first, "SELECT id FROM job ORDER BY id LIMIT 1 FOR UPDATE").first == 1);
    // The first job is taken; the second one is not, though it was sorted with the first.
    const char *take = "SELECT id FROM job ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED";
    CHECK(run(&fixture, second, take).first == 2);
    CHECK(run(&fixture, first, take).first == 1);
    tdbplus_status status =
        run_with(&fixture, second, "SELECT id FROM job ORDER BY id FOR SHARE NOWAIT", &alloc_system,
                 NULL, 0, &outcome);
    CHECK(status == TDBPLUS_E_LOCK && strcmp(fixture.err.sqlstate, "55P03") == 0);
    err_clear(&fixture.err);
    CHECK(run(&fixture, second, "SELECT id FROM job ORDER BY id FOR KEY SHARE SKIP LOCKED").rows ==
          2);
    txn_abort(first);
    CHECK(run(&fixture, second, "SELECT id FROM job FOR UPDATE NOWAIT").rows == 3);
    txn_abort(second);
    fixture_deinit(&fixture);
}

TEST(tags_and_counts_are_those_of_postgresql)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct txn *txn = begin(&fixture);
    CHECK(strcmp(run(&fixture, txn, "CREATE TABLE t (a int PRIMARY KEY, b text)").tag,
                 "CREATE TABLE") == 0);
    CHECK(strcmp(run(&fixture, txn, "INSERT INTO t VALUES (1), (2), (3)").tag, "INSERT 0 3") == 0);
    CHECK(strcmp(run(&fixture, txn, "SELECT * FROM t").tag, "SELECT 3") == 0);
    CHECK(strcmp(run(&fixture, txn, "UPDATE t SET b = 'x' WHERE a > 1").tag, "UPDATE 2") == 0);
    struct outcome deleted = run(&fixture, txn, "DELETE FROM t WHERE a = 3 RETURNING a");
    CHECK(strcmp(deleted.tag, "DELETE 1") == 0 && deleted.rows == 1 && deleted.first == 3);
    CHECK(strcmp(run(&fixture, txn, "CREATE TABLE u AS SELECT * FROM t").tag, "SELECT 2") == 0);
    CHECK(strcmp(run(&fixture, txn, "TRUNCATE u").tag, "TRUNCATE TABLE") == 0);
    CHECK(strcmp(run(&fixture, txn, "DROP TABLE u").tag, "DROP TABLE") == 0);
    CHECK(run(&fixture, txn, "EXPLAIN SELECT a FROM t WHERE a = 1").rows > 0);
    txn_abort(txn);
    fixture_deinit(&fixture);
}

TEST(parameters_get_their_types_from_where_they_stand)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct txn *txn = begin(&fixture);
    run(&fixture, txn, "CREATE TABLE t (a int8 PRIMARY KEY, b text)");
    struct call call = {.alloc = &alloc_system, .err = &fixture.err};
    struct sql_script *script = NULL;
    struct sql_prepared *prepared = NULL;
    CHECK(sql_script_create(span_from_text("SELECT a, b || $2 AS c, $3::date FROM t WHERE a = $1"),
                            &alloc_system, &script, &fixture.err) == TDBPLUS_OK);
    CHECK(sql_prepare(script, 0, txn, NULL, 0, &call, &prepared) == TDBPLUS_OK);
    CHECK(sql_parameter_count(prepared) == 3 && sql_column_count(prepared) == 3);
    CHECK(sql_parameter_type(prepared, 0).id == TYPE_INT8);
    CHECK(sql_parameter_type(prepared, 1).id == TYPE_TEXT);
    CHECK(sql_parameter_type(prepared, 2).id == TYPE_DATE);
    CHECK(strcmp(sql_column_at(prepared, 1).name, "c") == 0);
    CHECK(sql_column_at(prepared, 0).type.id == TYPE_INT8);
    CHECK(sql_prepared_valid(prepared, txn));
    run(&fixture, txn, "DROP TABLE t");
    CHECK(!sql_prepared_valid(prepared, txn));
    sql_prepared_destroy(prepared);
    sql_script_destroy(script);

    struct datum five = {.type = type_of(TYPE_INT4), .integer = 5};
    struct outcome outcome;
    CHECK(run_with(&fixture, txn, "SELECT $1 + 1 WHERE $1 IN (5, 6)", &alloc_system, &five, 1,
                   &outcome) == TDBPLUS_OK);
    CHECK(outcome.rows == 1 && outcome.first == 6);
    CHECK(run_with(&fixture, txn, "SELECT $1 + 1", &alloc_system, NULL, 0, &outcome) != TDBPLUS_OK);
    err_clear(&fixture.err);
    CHECK(run_with(&fixture, txn, "SELECT $1", &alloc_system, &five, 1, &outcome) == TDBPLUS_OK);
    txn_abort(txn);
    fixture_deinit(&fixture);
}

TEST(a_prepared_statement_outlives_its_transaction_but_not_its_table)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct call call = {.alloc = &alloc_system, .err = &fixture.err};
    struct sql_script *script = NULL;
    struct sql_prepared *prepared = NULL;
    struct txn *txn = begin(&fixture);
    run(&fixture, txn, "CREATE TABLE t (a int PRIMARY KEY)");
    run(&fixture, txn, "INSERT INTO t VALUES (1), (2)");
    CHECK(txn_commit(txn, &call) == TDBPLUS_OK);
    txn = begin(&fixture);
    const char *text = "SELECT a FROM t WHERE a IN (SELECT a FROM t WHERE a > 1)";
    CHECK(sql_script_create(span_from_text(text), &alloc_system, &script, &fixture.err) ==
          TDBPLUS_OK);
    CHECK(sql_prepare(script, 0, txn, NULL, 0, &call, &prepared) == TDBPLUS_OK);
    txn_abort(txn);
    for (uint32_t round = 0; round < 3; round++) {
        txn = begin(&fixture);
        if (round == 2) {
            run(&fixture, txn, "DROP TABLE t");
            run(&fixture, txn, "CREATE TABLE t (a int PRIMARY KEY)");
        }
        struct sql_run_options options = {.txn = txn};
        struct sql_cursor *cursor = NULL;
        CHECK(sql_prepared_valid(prepared, txn) == (round < 2));
        tdbplus_status status = sql_cursor_open(prepared, &options, &call, &cursor);
        CHECK(status == (round < 2 ? TDBPLUS_OK : TDBPLUS_E_STATE));
        if (status == TDBPLUS_OK) {
            struct batch batch;
            batch_init(&batch, &alloc_system);
            CHECK(sql_cursor_next(cursor, &batch) == TDBPLUS_OK && batch_live_count(&batch) == 1);
            CHECK(strcmp(sql_column_at(prepared, 0).name, "a") == 0);
            CHECK(sql_cursor_next(cursor, &batch) == TDBPLUS_END);
            batch_deinit(&batch);
            sql_cursor_close(cursor);
        }
        txn_abort(txn);
    }
    err_clear(&fixture.err);
    sql_prepared_destroy(prepared);
    sql_script_destroy(script);
    fixture_deinit(&fixture);
}

TEST(a_cancelled_statement_ends)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct txn *txn = begin(&fixture);
    _Atomic bool cancel = true;
    struct call call = {.alloc = &alloc_system, .err = &fixture.err, .cancel = &cancel};
    struct sql_script *script = NULL;
    struct sql_prepared *prepared = NULL;
    struct sql_cursor *cursor = NULL;
    struct sql_run_options options = {.txn = txn};
    struct batch batch;
    batch_init(&batch, &alloc_system);
    CHECK(sql_script_create(span_from_text("SELECT count(*) FROM generate_series(1, 1000000000)"),
                            &alloc_system, &script, &fixture.err) == TDBPLUS_OK);
    CHECK(sql_prepare(script, 0, txn, NULL, 0, &call, &prepared) == TDBPLUS_E_CANCELLED);
    CHECK(prepared == NULL);
    err_clear(&fixture.err);
    atomic_store(&cancel, false);
    CHECK(sql_prepare(script, 0, txn, NULL, 0, &call, &prepared) == TDBPLUS_OK);
    atomic_store(&cancel, true);
    CHECK(sql_cursor_open(prepared, &options, &call, &cursor) == TDBPLUS_OK);
    CHECK(sql_cursor_next(cursor, &batch) == TDBPLUS_E_CANCELLED);
    batch_deinit(&batch);
    sql_cursor_close(cursor);
    sql_prepared_destroy(prepared);
    sql_script_destroy(script);
    txn_abort(txn);
    fixture_deinit(&fixture);
}

TEST(a_nested_expression_gets_an_answer_or_an_error)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct txn *txn = begin(&fixture);
    for (uint32_t terms = 100; terms <= 3000; terms += 100) {
        struct buffer text;
        struct outcome outcome;
        buffer_init(&text, &alloc_system);
        buffer_put_text(&text, "SELECT x");
        for (uint32_t i = 0; i < terms; i++) {
            buffer_put_text(&text, " + x");
        }
        buffer_put_text(&text, " FROM generate_series(1, 3) g(x)");
        buffer_put_u8(&text, 0);
        tdbplus_status status =
            run_with(&fixture, txn, (const char *)text.data, &alloc_system, NULL, 0, &outcome);
        CHECK(status == TDBPLUS_OK ? outcome.first == terms + 1 : status == TDBPLUS_E_LIMIT);
        CHECK(terms > 500 || status == TDBPLUS_OK);
        err_clear(&fixture.err);
        buffer_deinit(&text);
    }
    txn_abort(txn);
    fixture_deinit(&fixture);
}

/* Every stage, each statement kind. Failing memory must be told, and none may stay behind. */
static const char *const swept[] = {
    "SELECT t.b, count(*), sum(t.a + 0.5), string_agg(s.y::text, ',') FROM t JOIN (SELECT x, x * 2 "
    "AS y FROM generate_series(1, 5) g(x)) s ON t.a = s.x WHERE t.c LIKE 'l%' AND EXISTS (SELECT 1 "
    "FROM t u WHERE u.a = t.a) GROUP BY t.b HAVING count(*) > 0 ORDER BY 2 DESC, 1 LIMIT 5",
    "WITH w AS (SELECT a, c FROM t) SELECT DISTINCT c FROM w UNION SELECT 'x' EXCEPT SELECT c FROM "
    "w "
    "WHERE a > 2",
    "SELECT a FROM t FULL JOIN generate_series(2, 6) g(x) ON t.a = g.x ORDER BY a NULLS FIRST",
    "INSERT INTO t VALUES (50, 'n', 'a text of more than twelve bytes'), (1, 'k', 'z') ON CONFLICT "
    "(a) DO UPDATE SET c = excluded.c || t.c RETURNING *",
    "UPDATE t SET b = upper(b), c = (SELECT max(c) FROM t) WHERE a IN (2, 3) RETURNING a",
    "DELETE FROM t WHERE a = 4 RETURNING c",
    "CREATE TABLE made AS SELECT * FROM t",
    "EXPLAIN SELECT * FROM t WHERE a = 1",
    "EXPLAIN (ANALYZE, VERBOSE, COSTS) SELECT a, (SELECT max(u.a) FROM t u WHERE u.b = t.b) FROM t",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT a FROM t ORDER BY c LIMIT 1",
    "MERGE INTO t USING generate_series(4, 8) g ON t.a = g WHEN MATCHED AND g = 4 THEN DELETE WHEN "
    "MATCHED THEN UPDATE SET c = c || g WHEN NOT MATCHED THEN INSERT (a, c) VALUES (g, 'merged')",
    "UPDATE t SET b = 'u' FROM (VALUES (1, 'more')) s(k, w) WHERE a = k RETURNING t.*, w",
    "SELECT c FROM t ORDER BY b FETCH FIRST 1 ROW WITH TIES",
    "SELECT c FROM t ORDER BY b LIMIT 3 FOR UPDATE SKIP LOCKED",
    "SELECT a FROM t TABLESAMPLE BERNOULLI (50) REPEATABLE (3)",
    "SELECT (a, b) < (2, 'x'), (a, c) IN (SELECT a, c FROM t u WHERE u.b = t.b) FROM t WHERE (a, "
    "b) "
    "IN (SELECT a, b FROM t)",
    "SELECT stddev(a), variance(a::numeric), corr(a, a * 2), jsonb_agg(c ORDER BY a), "
    "jsonb_object_agg(c, ARRAY[a]), avg(a * interval '1 day') FROM t",
    "SELECT DISTINCT ON (b) b, c FROM t ORDER BY b, c DESC",
    "SELECT b, GROUPING(b), string_agg(c, ',' ORDER BY a DESC), array_agg(DISTINCT b), "
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY a), mode() WITHIN GROUP (ORDER BY c), "
    "rank('x') WITHIN GROUP (ORDER BY c) FROM t GROUP BY CUBE (b)",
    "WITH RECURSIVE r(n, s) AS (SELECT 1, 'a long text to be kept' UNION SELECT n + 1, s || 'x' "
    "FROM r WHERE n < 4), w AS (DELETE FROM t WHERE a = 2 RETURNING a) SELECT n, s, w.a FROM r, w",
    "SELECT t.a, x.y, s, u FROM t LEFT JOIN LATERAL (SELECT t.b || g AS y FROM generate_series(1, "
    "t.a) g) x ON x.y <> 'b1', ROWS FROM (generate_series(1.5, 3), unnest(ARRAY['x', NULL])) "
    "WITH ORDINALITY AS f(s, u, o)",
    "SELECT a, generate_series(1, a), unnest(ARRAY[c, 'second']) FROM t WHERE a < 3",
    "SELECT x, row_number() OVER (PARTITION BY x % 2 ORDER BY x), "
    "sum(x::numeric) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING), "
    "max(x) OVER (ROWS 1 PRECEDING) FROM generate_series(1, 5) x",
};

TEST(statements_survive_every_failed_allocation)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct txn *txn = begin(&fixture);
    run(&fixture, txn,
        "CREATE TABLE t (a int PRIMARY KEY, b text DEFAULT 'x', c text CHECK (c <> ''))");
    run(&fixture, txn,
        "INSERT INTO t SELECT x, 'b' || x % 2, 'long text number ' || x FROM "
        "generate_series(1, 6) g(x)");
    for (size_t s = 0; s < sizeof swept / sizeof *swept; s++) {
        uint32_t fail_at = 0;
        for (;; fail_at++) {
            struct fault_alloc fault;
            struct outcome outcome;
            fault_alloc_init(&fault, fail_at);
            err_clear(&fixture.err);
            struct txn_savepoint savepoint = txn_savepoint_set(txn);
            tdbplus_status status =
                run_with(&fixture, txn, swept[s], &fault.alloc, NULL, 0, &outcome);
            txn_savepoint_rollback(txn, savepoint);
            CHECK(txn_statement(txn, NULL) == TDBPLUS_OK);
            CHECK(fault.live_bytes == 0);
            if (status == TDBPLUS_OK) {
                break;
            }
            CHECK(status == TDBPLUS_E_NOMEM);
        }
        CHECK(fail_at > 5);
    }
    txn_abort(txn);
    fixture_deinit(&fixture);
}
