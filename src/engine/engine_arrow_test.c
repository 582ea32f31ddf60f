/*
 * Goal: Arrow streams carry rows out and in again unchanged, or nothing. Method: what goes out of
 * one collection comes into another, of the same and of wider and narrower columns; a producer that
 * fails. Layouts are tested in types/arrow_test.c.
 */

#include "tdbplus/arrow.h"

#include "test.h"

static void run(tdbplus_session *session, const char *sql)
{
    tdbplus_result *result = NULL;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_status status =
        tdbplus_execute(session, sql, strlen(sql), NULL, 0, NULL, &result, &call);
    if (status != TDBPLUS_OK) {
        (void)fprintf(stderr, "%s: %s\n", sql, call.error.message);
    }
    CHECK(status == TDBPLUS_OK);
    tdbplus_result_close(result);
}

static int64_t number(tdbplus_session *session, const char *sql)
{
    tdbplus_result *result = NULL;
    const tdbplus_value *values = NULL;
    CHECK(tdbplus_execute(session, sql, strlen(sql), NULL, 0, NULL, &result, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_result_next(result, &values, NULL) == TDBPLUS_OK);
    int64_t answer = values[0].as.integer;
    tdbplus_result_close(result);
    return answer;
}

struct fixture {
    tdbplus_db *db;
    tdbplus_session *session;
    tdbplus_collection *from;
    tdbplus_call call;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){.call = TDBPLUS_CALL_INIT};
    CHECK(tdbplus_open(NULL, NULL, &f->db, NULL) == TDBPLUS_OK);
    CHECK(tdbplus_session_open(f->db, &f->session, NULL) == TDBPLUS_OK);
    run(f->session, "CREATE TABLE a (k int PRIMARY KEY, b text, c numeric(10,2), d date, "
                    "e float8, f bool, g jsonb)");
    run(f->session,
        "INSERT INTO a SELECT n, CASE WHEN n % 7 > 0 THEN 'a text that is long enough ' || n END, "
        "n / 4.0, date '2026-01-01' + n, n * 0.5, n % 2 = 0, '{\"n\": [1, null]}' "
        "FROM generate_series(1, 5000) AS s (n)");
    CHECK(tdbplus_collection_open(f->db, NULL, "a", &f->from, &f->call) == TDBPLUS_OK);
}

static void fixture_deinit(struct fixture *f)
{
    tdbplus_collection_close(f->from);
    tdbplus_session_close(f->session);
    tdbplus_close(f->db);
}

static tdbplus_status append(struct fixture *f, const char *name, struct ArrowArrayStream *stream,
                             uint64_t *rows)
{
    tdbplus_collection *to = NULL;
    CHECK(tdbplus_collection_open(f->db, NULL, name, &to, NULL) == TDBPLUS_OK);
    tdbplus_status status = tdbplus_append_arrow(to, NULL, stream, rows, &f->call);
    tdbplus_collection_close(to);
    return status;
}

TEST(scans_go_out_and_come_in_unchanged)
{
    struct fixture f;
    fixture_init(&f);
    run(f.session, "CREATE TABLE b (k int PRIMARY KEY, b text, c numeric(10,2), d date, "
                   "e float8, f bool, g jsonb)");
    struct ArrowArrayStream stream = {0};
    uint64_t rows = 0;
    CHECK(tdbplus_scan_arrow(f.from, NULL, NULL, &stream, &f.call) == TDBPLUS_OK);
    CHECK(append(&f, "b", &stream, &rows) == TDBPLUS_OK && rows == 5000);
    stream.release(&stream);
    CHECK(number(f.session, "SELECT count(*) FROM a JOIN b ON a.k = b.k WHERE a.c = b.c AND "
                            "a.d = b.d AND a.e = b.e AND a.f = b.f AND a.g = b.g AND "
                            "a.b IS NOT DISTINCT FROM b.b") == 5000);

    // Some columns in another order, cut by a limit inside of a batch.
    const char *const columns[] = {"b", "k"};
    tdbplus_scan_options options = {.struct_size = sizeof options,
                                    .columns = columns,
                                    .column_count = 2,
                                    .order = TDBPLUS_ASCENDING,
                                    .limit = 2500};
    run(f.session, "CREATE TABLE wide (k int8 PRIMARY KEY, b text, x int)");
    CHECK(tdbplus_scan_arrow(f.from, NULL, &options, &stream, &f.call) == TDBPLUS_OK);
    CHECK(append(&f, "wide", &stream, &rows) == TDBPLUS_OK && rows == 2500);
    stream.release(&stream);
    CHECK(number(f.session, "SELECT sum(k)::int8 FROM wide WHERE x IS NULL") == 2500 * 2501 / 2);
    fixture_deinit(&f);
}

TEST(results_go_out_from_where_they_were_read)
{
    struct fixture f;
    fixture_init(&f);
    run(f.session, "CREATE TABLE c (k int8 PRIMARY KEY, n int8)");
    static const char *const queries[] = {
        "SELECT k::int8 AS k, k + 1 AS n FROM a ORDER BY k",
        "UPDATE a SET e = 1 RETURNING k::int8 AS k, k + 1 AS n",
    };
    for (size_t i = 0; i < 2; i++) {
        tdbplus_result *result = NULL;
        struct ArrowArrayStream stream = {0};
        run(f.session, "DELETE FROM c");
        CHECK(tdbplus_execute(f.session, queries[i], strlen(queries[i]), NULL, 0, NULL, &result,
                              &f.call) == TDBPLUS_OK);
        for (int j = 0; j < 10; j++) {
            CHECK(tdbplus_result_next(result, NULL, &f.call) == TDBPLUS_OK);
        }
        CHECK(tdbplus_result_arrow(result, &stream, &f.call) == TDBPLUS_OK);
        uint64_t rows = 0;
        CHECK(append(&f, "c", &stream, &rows) == TDBPLUS_OK && rows == 4990);
        stream.release(&stream);
        CHECK(number(f.session, "SELECT count(*) FROM c WHERE n = k + 1") == 4990);
    }
    tdbplus_result *none = NULL;
    struct ArrowArrayStream stream = {0};
    CHECK(tdbplus_execute(f.session, "BEGIN", 5, NULL, 0, NULL, &none, &f.call) == TDBPLUS_OK);
    CHECK(tdbplus_result_arrow(none, &stream, &f.call) == TDBPLUS_E_INVALID);
    CHECK(stream.release == NULL);
    tdbplus_result_close(none);
    fixture_deinit(&f);
}

/* A producer that passes on another's stream and fails at its second batch. */
static struct ArrowArrayStream inner;
static int batches_left;

static int broken_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    (void)self;
    return inner.get_schema(&inner, out);
}

static int broken_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    (void)self;
    return batches_left-- > 0 ? inner.get_next(&inner, out) : 5;
}

static const char *broken_error(struct ArrowArrayStream *self)
{
    (void)self;
    return "the pipe broke";
}

static void broken_release(struct ArrowArrayStream *self)
{
    inner.release(&inner);
    self->release = NULL;
}

TEST(a_stream_that_fails_leaves_nothing)
{
    struct fixture f;
    fixture_init(&f);
    run(f.session, "CREATE TABLE narrow (k int2 PRIMARY KEY, b text, c numeric(10,2), d date, "
                   "e float8, f bool, g jsonb)");
    run(f.session, "CREATE TABLE other (k int PRIMARY KEY)");
    struct ArrowArrayStream stream = {.get_schema = broken_schema,
                                      .get_next = broken_next,
                                      .get_last_error = broken_error,
                                      .release = broken_release};
    CHECK(tdbplus_scan_arrow(f.from, NULL, NULL, &inner, &f.call) == TDBPLUS_OK);
    batches_left = 1;
    uint64_t rows = 77;
    CHECK(append(&f, "narrow", &stream, &rows) == TDBPLUS_E_INVALID && rows == 77);
    CHECK(strstr(f.call.error.message, "the pipe broke") != NULL);
    CHECK(number(f.session, "SELECT count(*) FROM narrow") == 0);
    CHECK(append(&f, "other", &stream, &rows) == TDBPLUS_E_NOT_FOUND);
    stream.release(&stream);
    CHECK(append(&f, "other", &stream, &rows) == TDBPLUS_E_INVALID);

    run(f.session, "INSERT INTO a (k) VALUES (40000)");
    CHECK(tdbplus_scan_arrow(f.from, NULL, NULL, &stream, &f.call) == TDBPLUS_OK);
    CHECK(append(&f, "narrow", &stream, &rows) == TDBPLUS_E_RANGE);
    stream.release(&stream);
    CHECK(number(f.session, "SELECT count(*) FROM narrow") == 0);
    CHECK(tdbplus_scan_arrow(f.from, NULL, NULL, NULL, &f.call) == TDBPLUS_E_INVALID);
    fixture_deinit(&f);
}
