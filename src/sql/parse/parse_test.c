/*
 * Goal: texts become the trees the grammar says, errors carry state and position, and no text or
 * lack of memory ends the process. Method: shapes of chosen statements, hostile texts, a sweep over
 * failing allocations, several threads at once.
 */

#include "sql/parse/parse.h"

#include <pthread.h>

#include "base/buffer.h"
#include "test.h"

struct parsed {
    struct arena arena;
    struct parse_result result;
    struct err err;
    tdbplus_status status;
};

static struct parsed parse_span(struct span text)
{
    struct parsed parsed = {0};
    arena_init(&parsed.arena, &alloc_system, 0);
    parsed.status = parse_text(text, &parsed.arena, &parsed.result, &parsed.err);
    return parsed;
}

static struct parsed parse(const char *text)
{
    return parse_span(span_from_text(text));
}

/* A text made of `count` repetitions between two ends. */
static struct parsed parse_repeated(const char *begin, const char *middle, uint32_t count,
                                    const char *end)
{
    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    buffer_put_text(&buffer, begin);
    for (uint32_t i = 0; i < count; i++) {
        buffer_put_text(&buffer, middle);
    }
    buffer_put_text(&buffer, end);
    struct parsed parsed = parse_span(buffer_span(&buffer));
    buffer_deinit(&buffer);
    return parsed;
}

static const struct ast_select *first_select(const struct parsed *parsed)
{
    return (const struct ast_select *)parsed->result.statements[0].root;
}

static const struct ast *first_value(const struct parsed *parsed)
{
    return ((const struct ast_target *)first_select(parsed)->targets.items[0])->value;
}

TEST(a_select_becomes_its_tree)
{
    struct parsed parsed = parse("SELECT a, b.c AS d FROM t x, s WHERE a + 1 > $2 ORDER BY 1 DESC "
                                 "LIMIT 5");
    CHECK(parsed.status == TDBPLUS_OK && parsed.result.statement_count == 1);
    const struct ast_select *select = first_select(&parsed);
    CHECK(select->ast.kind == AST_SELECT);
    CHECK(select->targets.count == 2 && select->from.count == 2 && select->order.count == 1);
    const struct ast_target *second = (const struct ast_target *)select->targets.items[1];
    CHECK(strcmp(second->name, "d") == 0 && second->ast.position == 11);
    const struct ast_column_ref *column = (const struct ast_column_ref *)second->value;
    CHECK(column->ast.kind == AST_COLUMN_REF && column->names.count == 2 && !column->star);
    CHECK(strcmp(column->names.items[1], "c") == 0);
    const struct ast_operator *where = (const struct ast_operator *)select->where;
    CHECK(where->ast.kind == AST_OPERATOR && strcmp(where->name, ">") == 0);
    CHECK(((const struct ast_parameter *)where->right)->number == 2);
    const struct ast_table_ref *table = (const struct ast_table_ref *)select->from.items[0];
    CHECK(strcmp(table->name, "t") == 0 && strcmp(table->alias->name, "x") == 0);
    arena_deinit(&parsed.arena);
}

TEST(limits_with_and_without_ties_are_told_apart)
{
    static const struct {
        const char *text;
        bool limit;
        bool ties;
    } cases[] = {
        {"SELECT a FROM t ORDER BY a", false, false},
        {"SELECT a FROM t ORDER BY a LIMIT 2", true, false},
        {"SELECT a FROM t ORDER BY a OFFSET 2", false, false},
        {"SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS ONLY", true, false},
        {"SELECT a FROM t ORDER BY a FETCH FIRST 2 ROWS WITH TIES", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed = parse(cases[i].text);
        CHECK(parsed.status == TDBPLUS_OK);
        CHECK((first_select(&parsed)->limit != NULL) == cases[i].limit);
        CHECK(first_select(&parsed)->with_ties == cases[i].ties);
        arena_deinit(&parsed.arena);
    }
}

TEST(a_text_holds_any_number_of_statements)
{
    struct parsed parsed = parse(" ; SELECT 1;; BEGIN ;CREATE TABLE t (a int PRIMARY KEY)");
    CHECK(parsed.status == TDBPLUS_OK && parsed.result.statement_count == 3);
    CHECK(strcmp(parse_statement_name(parsed.result.statements[0].root), "SELECT") == 0);
    CHECK(strcmp(parse_statement_name(parsed.result.statements[1].root), "BEGIN") == 0);
    CHECK(strcmp(parse_statement_name(parsed.result.statements[2].root), "CREATE TABLE") == 0);
    arena_deinit(&parsed.arena);

    parsed = parse("  -- nothing\n");
    CHECK(parsed.status == TDBPLUS_OK && parsed.result.statement_count == 0);
    arena_deinit(&parsed.arena);
}

TEST(constants_keep_their_kind)
{
    static const struct {
        const char *text;
        enum ast_constant_kind kind;
    } cases[] = {
        {"SELECT NULL", AST_NULL},         {"SELECT 2147483647", AST_INTEGER},
        {"SELECT 2147483648", AST_NUMBER}, {"SELECT 1.5e3", AST_NUMBER},
        {"SELECT 'it''s'", AST_STRING},    {"SELECT true", AST_BOOL},
        {"SELECT B'101'", AST_BITS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed = parse(cases[i].text);
        CHECK(parsed.status == TDBPLUS_OK);
        const struct ast_constant *value = (const struct ast_constant *)first_value(&parsed);
        CHECK(value->ast.kind == AST_CONSTANT && value->constant == cases[i].kind);
        arena_deinit(&parsed.arena);
    }
}

/* Every statement here must get a tree; the kinds are those of ast.h. */
TEST(many_statements_have_trees)
{
    static const struct {
        const char *text;
        enum ast_kind kind;
    } cases[] = {
        {"INSERT INTO t (a) VALUES (1), (DEFAULT) ON CONFLICT (a) DO UPDATE SET a = 2 RETURNING *",
         AST_INSERT},
        {"UPDATE t SET (a, b) = (1, 2), c[1] = 3 FROM s WHERE t.a = s.a", AST_UPDATE},
        {"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) DELETE FROM t USING c",
         AST_DELETE},
        {"CREATE TABLE t (a int8 GENERATED ALWAYS AS IDENTITY, b numeric(10,2) NOT NULL DEFAULT 0,"
         " CHECK (b > 0), UNIQUE (b), FOREIGN KEY (b) REFERENCES s (c) ON DELETE CASCADE)",
         AST_CREATE_TABLE},
        {"CREATE TABLE t AS SELECT 1 AS a", AST_CREATE_TABLE_AS},
        {"CREATE OR REPLACE VIEW v AS SELECT 1", AST_CREATE_VIEW},
        {"CREATE INDEX i ON t USING hnsw (v vector_l2_ops) WITH (m = 16)", AST_CREATE_INDEX},
        {"ALTER TABLE t ADD COLUMN c text, DROP COLUMN d", AST_ALTER_TABLE},
        {"ALTER TABLE t RENAME COLUMN a TO b", AST_RENAME},
        {"DROP TABLE IF EXISTS a, s.b CASCADE", AST_DROP},
        {"TRUNCATE a, b", AST_TRUNCATE},
        {"ANALYZE", AST_ANALYZE},
        {"ANALYZE VERBOSE a, b (x)", AST_ANALYZE},
        {"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", AST_TRANSACTION},
        {"ROLLBACK TO SAVEPOINT s", AST_TRANSACTION},
        {"SET LOCAL x.y = 'z', 3", AST_SET},
        {"SHOW search_path", AST_SHOW},
        {"EXPLAIN (ANALYZE, COSTS off) SELECT 1", AST_EXPLAIN},
        {"PREPARE p (int) AS SELECT $1", AST_PREPARE},
        {"EXECUTE p (1)", AST_EXECUTE},
        {"DEALLOCATE ALL", AST_DEALLOCATE},
        {"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", AST_UNKNOWN_STATEMENT},
        {"SELECT DISTINCT ON (a) a, count(*) FILTER (WHERE b) OVER (PARTITION BY c ORDER BY d ROWS "
         "BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t LEFT JOIN s USING (a) NATURAL JOIN r, "
         "LATERAL generate_series(1, t.a) WITH ORDINALITY AS g(x, n) WHERE a IN (1, 2) AND EXISTS "
         "(SELECT 1) OR NOT b IS NULL GROUP BY ROLLUP (a), b HAVING max(c) > ALL (SELECT 1) WINDOW "
         "w AS (ORDER BY a) ORDER BY a NULLS FIRST OFFSET 1 ROWS FETCH FIRST 2 ROWS WITH TIES FOR "
         "UPDATE OF t NOWAIT",
         AST_SELECT},
        {"SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, a::int[], (ARRAY[1, 2])[1:2], ROW(1, 2), "
         "coalesce(a, b), greatest(1, 2), (x).y, a COLLATE \"C\", current_date, b IS TRUE, "
         "a BETWEEN 1 AND 2, a LIKE 'x', f(VARIADIC a), f(n => 1), interval '1' day",
         AST_SELECT},
        {"(VALUES (1, 2), (3, 4)) UNION ALL SELECT 5, 6 EXCEPT SELECT 1, 2", AST_SELECT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parsed parsed = parse(cases[i].text);
        if (parsed.status != TDBPLUS_OK) {
            (void)fprintf(stderr, "%s: %s\n", cases[i].text, parsed.err.text);
        }
        CHECK(parsed.status == TDBPLUS_OK);
        CHECK(parsed.result.statements[0].root->kind == cases[i].kind);
        arena_deinit(&parsed.arena);
    }
}

TEST(errors_tell_state_and_character)
{
    struct parsed parsed = parse("SELECT 'ää' FRM t WHERE");
    CHECK(parsed.status == TDBPLUS_E_SYNTAX && strcmp(parsed.err.sqlstate, "42601") == 0);
    CHECK(parsed.err.position == 17);
    CHECK(strcmp(parsed.err.text, "syntax error at or near \"t\"") == 0);
    arena_deinit(&parsed.arena);

    parsed = parse("SELECT 'ä' FROM xmltable('/a' PASSING x COLUMNS a int)");
    CHECK(parsed.status == TDBPLUS_E_UNSUPPORTED && strcmp(parsed.err.sqlstate, "0A000") == 0);
    CHECK(parsed.err.position == 17);
    arena_deinit(&parsed.arena);

    parsed = parse("CREATE TABLE ä (a int REFERENCES b MATCH PARTIAL)");
    CHECK(parsed.status == TDBPLUS_E_UNSUPPORTED && strcmp(parsed.err.sqlstate, "0A000") == 0);
    CHECK(parsed.err.position == 36);
    arena_deinit(&parsed.arena);

    parsed = parse("SELECT 1 \"not yet implemented\" \"not yet implemented\"");
    CHECK(parsed.status == TDBPLUS_E_SYNTAX && strcmp(parsed.err.sqlstate, "42601") == 0);
    arena_deinit(&parsed.arena);

    parsed = parse("SELECT '\xC3\x28'");
    CHECK(parsed.status == TDBPLUS_E_SYNTAX && strcmp(parsed.err.sqlstate, "22021") == 0);
    CHECK(parsed.err.position == 9);
    arena_deinit(&parsed.arena);

    parsed = parse_span((struct span){.data = (const uint8_t *)"SELECT 1\0;", .size = 10});
    CHECK(parsed.status == TDBPLUS_E_SYNTAX);
    arena_deinit(&parsed.arena);
}

TEST(long_and_deep_texts_get_an_answer_or_an_error)
{
    struct parsed parsed = parse_repeated("SELECT 1", " + 1", 64 * 1024, "");
    CHECK(parsed.status == TDBPLUS_E_LIMIT && strcmp(parsed.err.sqlstate, "54001") == 0);
    arena_deinit(&parsed.arena);

    parsed = parse_repeated("SELECT 1", " + 1", 900, "");
    CHECK(parsed.status == TDBPLUS_OK);
    arena_deinit(&parsed.arena);

    // Chains of AND and OR are one node with many arguments.
    parsed = parse_repeated("SELECT true", " AND true", 64 * 1024, "");
    CHECK(parsed.status == TDBPLUS_OK);
    CHECK(((const struct ast_boolean *)first_value(&parsed))->arguments.count == 64 * 1024 + 1);
    arena_deinit(&parsed.arena);

    parsed = parse_repeated("SELECT ", "(", 10000, "1");
    CHECK(parsed.status != TDBPLUS_OK);
    arena_deinit(&parsed.arena);

    struct buffer buffer;
    buffer_init(&buffer, &alloc_system);
    buffer_put_text(&buffer, "SELECT ");
    memset(buffer_extend(&buffer, 10000), '(', 10000);
    buffer_put_text(&buffer, "1");
    memset(buffer_extend(&buffer, 10000), ')', 10000);
    parsed = parse_span(buffer_span(&buffer));
    CHECK(parsed.status == TDBPLUS_E_LIMIT || parsed.status == TDBPLUS_OK);
    arena_deinit(&parsed.arena);
    buffer_deinit(&buffer);

    parsed = parse_repeated("SELECT 1", " UNION ALL SELECT 1", 5000, "");
    CHECK(parsed.status == TDBPLUS_E_LIMIT);
    arena_deinit(&parsed.arena);

    parsed = parse_repeated("SELECT 1 WHERE 1 IN (1", ", 1", 100000, ")");
    CHECK(parsed.status == TDBPLUS_OK);
    arena_deinit(&parsed.arena);
}

TEST(parse_survives_every_failed_allocation)
{
    uint32_t fail_at = 0;
    for (;; fail_at++) {
        struct fault_alloc fault;
        fault_alloc_init(&fault, fail_at);
        struct arena arena;
        arena_init(&arena, &fault.alloc, 512);
        struct parse_result result = {0};
        tdbplus_status status = parse_text(
            span_from_text("SELECT a, sum(b) FROM t JOIN s USING (a) WHERE c IN (1, 2) GROUP BY a"),
            &arena, &result, NULL);
        arena_deinit(&arena);
        CHECK(fault.live_bytes == 0);
        if (status == TDBPLUS_OK) {
            break;
        }
        CHECK(status == TDBPLUS_E_NOMEM && result.statements == NULL);
    }
    CHECK(fail_at > 2);
}

static void *parse_many(void *argument)
{
    (void)argument;
    for (uint32_t i = 0; i < 300; i++) {
        struct parsed good = parse("SELECT a + 1 FROM t WHERE b = 'x'");
        struct parsed bad = parse("SELECT a + FROM");
        CHECK(good.status == TDBPLUS_OK && bad.status == TDBPLUS_E_SYNTAX);
        arena_deinit(&good.arena);
        arena_deinit(&bad.arena);
    }
    return NULL;
}

TEST(threads_parse_at_once)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, parse_many, NULL) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}
