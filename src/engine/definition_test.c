/*
 * Goal: a definition is made whole or not at all, wherever memory ends. Method: each statement of a
 * list is run after its preparation with every allocation failing in turn; after a failure the
 * catalog reads as before, and the statement then succeeds. What definitions mean is tested in
 * tests/sql.
 */

#include "tdbplus/tdbplus.h"

#include "test.h"

#define SCRIPT_SIZE 2048

struct definition {
    const char *before; /* Statements that prepare it, ended by "; "; may be empty. */
    const char *statement;
    const char *look;  /* A query that gives one value. */
    const char *value; /* What it gives when the statement has run; not before. */
};

static const struct definition definitions[] = {
    {"", "CREATE TYPE mood AS ENUM ('sad', 'a label of more than twelve bytes', 'happy')",
     "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum",
     "sad,a label of more than twelve bytes,happy"},
    {"CREATE TYPE mood AS ENUM ('sad', 'happy')", "ALTER TYPE mood ADD VALUE 'ok' BEFORE 'happy'",
     "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum", "sad,ok,happy"},
    {"CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (a int, m mood DEFAULT 'sad')",
     "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
     "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum", "blue,happy"},
    {"CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE TABLE t (a int, m mood, n mood[])",
     "DROP TYPE mood CASCADE",
     "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0", "1"},
    {"CREATE TYPE mood AS ENUM ('sad', 'happy')", "ALTER TYPE mood RENAME TO feeling",
     "SELECT typname FROM pg_type WHERE typtype = 'e'", "feeling"},
    {"", "CREATE DOMAIN code AS varchar(5) NOT NULL DEFAULT 'none' CHECK (value ~ '^[a-z]+$')",
     "SELECT typnotnull FROM pg_type WHERE typtype = 'd'", "t"},
    {"CREATE DOMAIN d AS int; CREATE TABLE t (a d); INSERT INTO t VALUES (1), (2)",
     "ALTER DOMAIN d SET NOT NULL", "SELECT typnotnull FROM pg_type WHERE typtype = 'd'", "t"},
    {"CREATE DOMAIN d AS int CHECK (value > 0)",
     "CREATE TABLE t (a d PRIMARY KEY, b d DEFAULT 3, c text CHECK (c <> ''))",
     "SELECT count(*) FROM pg_class WHERE relname = 't'", "1"},
    {"CREATE TABLE s (a int PRIMARY KEY, b text DEFAULT 'x' CHECK (b <> ''), "
     "c int GENERATED ALWAYS AS IDENTITY, UNIQUE (b, c)); CREATE INDEX ON s (lower(b))",
     "CREATE TABLE t (LIKE s INCLUDING ALL, d int)",
     "SELECT count(*) FROM pg_indexes WHERE tablename = 't'", "3"},
    {"CREATE TABLE s (a int PRIMARY KEY, b text); INSERT INTO s VALUES (1, 'x'), (2, 'y')",
     "CREATE MATERIALIZED VIEW m AS SELECT b, count(*) AS n FROM s GROUP BY b",
     "SELECT count(*) FROM pg_matviews WHERE definition LIKE '%GROUP BY b%'", "1"},
    {"CREATE TABLE s (a int PRIMARY KEY, b text); INSERT INTO s VALUES (1, 'x'), (2, 'y'); "
     "CREATE MATERIALIZED VIEW m AS SELECT a, b FROM s; CREATE UNIQUE INDEX ON m (a); "
     "INSERT INTO s VALUES (3, 'z')",
     "REFRESH MATERIALIZED VIEW m", "SELECT count(*) FROM m", "3"},
};

#define DEFINITION_COUNT (sizeof definitions / sizeof *definitions)

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

/* Runs one statement; the text of its first value goes to `value`. */
static tdbplus_status run(tdbplus_session *session, const char *text, size_t *consumed, char *value,
                          tdbplus_call *call)
{
    tdbplus_result *result = NULL;
    tdbplus_status status =
        tdbplus_execute(session, text, strlen(text), NULL, 0, consumed, &result, call);
    if (status == TDBPLUS_OK && value != NULL) {
        const char *shown = NULL;
        size_t size = 0;
        status = tdbplus_result_next(result, NULL, call);
        status =
            status == TDBPLUS_OK ? tdbplus_result_text(result, 0, &shown, &size, call) : status;
        (void)snprintf(value, SCRIPT_SIZE, "%s", shown == NULL ? "" : shown);
        status = status == TDBPLUS_END ? TDBPLUS_OK : status;
    }
    tdbplus_result_close(result);
    return status;
}

static void prepare(tdbplus_session *session, const char *script)
{
    size_t consumed = 0;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    for (; *script != 0; script += consumed) {
        tdbplus_status status = run(session, script, &consumed, NULL, &call);
        if (status != TDBPLUS_OK) {
            (void)fprintf(stderr, "%s: %s\n", script, call.error.message);
        }
        CHECK(status == TDBPLUS_OK);
    }
}

static void check_definition(const struct definition *definition)
{
    struct fault_alloc fault;
    fault_alloc_init(&fault, UINT32_MAX);
    tdbplus_allocator allocator = {host_allocate, host_reallocate, host_release, &fault};
    tdbplus_options options = {.struct_size = sizeof options, .allocator = &allocator};
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_db *db = NULL;
    tdbplus_session *session = NULL;
    static char before[SCRIPT_SIZE];
    static char after[SCRIPT_SIZE];
    CHECK(tdbplus_open(NULL, &options, &db, &call) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(db, &session, &call) == TDBPLUS_OK);
    prepare(session, definition->before);
    CHECK(run(session, definition->look, NULL, before, &call) == TDBPLUS_OK);
    CHECK(strcmp(before, definition->value) != 0);
    uint32_t failures = 0;
    for (bool done = false; !done; failures++) {
        fault.fail_at = atomic_load(&fault.calls) + failures;
        tdbplus_status status = run(session, definition->statement, NULL, NULL, &call);
        fault.fail_at = UINT32_MAX;
        done = status == TDBPLUS_OK;
        CHECK(done || status == TDBPLUS_E_NOMEM);
        // A fresh session has nothing ready that the statement could do without asking for memory.
        tdbplus_session_close(session);
        CHECK(tdbplus_session_open(db, &session, &call) == TDBPLUS_OK);
        CHECK(run(session, definition->look, NULL, after, &call) == TDBPLUS_OK);
        bool good = strcmp(after, done ? definition->value : before) == 0;
        if (!good) {
            (void)fprintf(stderr, "%s: '%s' after %u failures\n", definition->statement, after,
                          failures);
        }
        CHECK(good);
    }
    CHECK(failures > 5);
    tdbplus_session_close(session);
    tdbplus_close(db);
    CHECK(atomic_load(&fault.live_bytes) == 0);
}

TEST(definitions_survive_every_failed_allocation)
{
    for (size_t i = 0; i < DEFINITION_COUNT; i++) {
        check_definition(&definitions[i]);
    }
}
