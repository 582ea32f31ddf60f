/*
 * Statements of one row through SQL, in process, beside SQLite.
 *
 *   bench_point [--rows N] [--no-index]     N rows, 200,000 by default; without the unique index
 *
 * Each case runs ROUND_COUNT times, the two databases in turns; the median of user time is printed.
 */

#include <inttypes.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tdbplus/tdbplus.h"

#define ROUND_COUNT  5
#define IN_ONE_BLOCK 1000u

enum { INSERT, SELECT, SELECT_TEXT, UPDATE, DELETE, STATEMENT_COUNT };

static const char *const statements[STATEMENT_COUNT] = {
    [INSERT] = "INSERT INTO rows (id, name, n) VALUES ($1, $2, $3)",
    [SELECT] = "SELECT n FROM rows WHERE id = $1",
    [SELECT_TEXT] = "SELECT n FROM rows WHERE name = $1",
    [UPDATE] = "UPDATE rows SET n = n + $2 WHERE id = $1",
    [DELETE] = "DELETE FROM rows WHERE id = $1",
};

static const char table[] = "CREATE TABLE rows (id bigint PRIMARY KEY, name text, n bigint)";
static const char table_lite[] = "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)";
static const char unique[] = "CREATE UNIQUE INDEX rows_name ON rows (name)";

struct peer {
    sqlite3 *lite;
    sqlite3_stmt *prepared[STATEMENT_COUNT];
    tdbplus_db *db;
    tdbplus_session *session;
    int64_t sum;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_point: %s: %s\n", what, why);
    exit(1);
}

static double user_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec * 1e-6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec * 1e-6;
}

/* A permutation of [0, count): odd multiples modulo a power of two, skipping what is too large. */
static uint64_t shuffled(uint64_t *state, uint64_t count)
{
    uint64_t mask = 1;
    while (mask < count) {
        mask *= 2;
    }
    do {
        *state = (*state * 5 + 12345) & (mask - 1);
    } while (*state >= count);
    return *state;
}

/* ---- both databases behind one face ---- */

static void run_tdb(struct peer *peer, const char *text, const tdbplus_value *values,
                    uint32_t count)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_result *result = NULL;
    const tdbplus_value *row = NULL;
    if (tdbplus_execute(peer->session, text, strlen(text), values, count, NULL, &result, &call) !=
        TDBPLUS_OK) {
        fail(text, call.error.message);
    }
    while (tdbplus_result_column_count(result) > 0 &&
           tdbplus_result_next(result, &row, &call) == TDBPLUS_OK) {
        peer->sum += row[0].as.integer;
    }
    tdbplus_result_close(result);
}

static void run_lite(struct peer *peer, uint32_t number, int64_t first, const char *text,
                     int64_t last)
{
    sqlite3_stmt *prepared = peer->prepared[number];
    int at = 1;
    if (number != SELECT_TEXT) {
        (void)sqlite3_bind_int64(prepared, at++, first);
    }
    if (number == INSERT || number == SELECT_TEXT) {
        (void)sqlite3_bind_text(prepared, at++, text, -1, SQLITE_STATIC);
    }
    if (number == INSERT || number == UPDATE) {
        (void)sqlite3_bind_int64(prepared, at++, last);
    }
    int status = 0;
    while ((status = sqlite3_step(prepared)) == SQLITE_ROW) {
        peer->sum += sqlite3_column_int64(prepared, 0);
    }
    if (status != SQLITE_DONE) {
        fail(statements[number], sqlite3_errmsg(peer->lite));
    }
    (void)sqlite3_reset(prepared);
}

static void run_one(struct peer *peer, uint32_t number, uint64_t id)
{
    char text[32];
    (void)snprintf(text, sizeof text, "name %" PRIu64, id * 7919);
    if (peer->lite != NULL) {
        run_lite(peer, number, (int64_t)id, text, (int64_t)id * 3);
        return;
    }
    tdbplus_value values[3];
    uint32_t count = 0;
    if (number != SELECT_TEXT) {
        values[count++] = tdbplus_int8((int64_t)id);
    }
    if (number == INSERT || number == SELECT_TEXT) {
        values[count++] = tdbplus_text(text);
    }
    if (number == INSERT || number == UPDATE) {
        values[count++] = tdbplus_int8((int64_t)id * 3);
    }
    run_tdb(peer, statements[number], values, count);
}

static void run_plain(struct peer *peer, const char *text)
{
    if (peer->lite == NULL) {
        run_tdb(peer, text, NULL, 0);
    } else if (sqlite3_exec(peer->lite, text, NULL, NULL, NULL) != SQLITE_OK) {
        fail(text, sqlite3_errmsg(peer->lite));
    }
}

static void open_peer(struct peer *peer, bool lite, bool indexed)
{
    tdbplus_call call = TDBPLUS_CALL_INIT;
    memset(peer, 0, sizeof *peer);
    if (lite) {
        if (sqlite3_open(":memory:", &peer->lite) != SQLITE_OK) {
            fail("open", sqlite3_errmsg(peer->lite));
        }
    } else if (tdbplus_open(":memory:", NULL, &peer->db, &call) != TDBPLUS_OK ||
               tdbplus_session_open(peer->db, &peer->session, &call) != TDBPLUS_OK) {
        fail("open", call.error.message);
    }
    run_plain(peer, lite ? table_lite : table);
    if (indexed) {
        run_plain(peer, unique);
    }
    for (uint32_t i = 0; lite && i < STATEMENT_COUNT; i++) {
        if (sqlite3_prepare_v2(peer->lite, statements[i], -1, &peer->prepared[i], NULL) !=
            SQLITE_OK) {
            fail(statements[i], sqlite3_errmsg(peer->lite));
        }
    }
}

static void close_peer(struct peer *peer)
{
    for (uint32_t i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(peer->prepared[i]);
    }
    (void)sqlite3_close(peer->lite);
    tdbplus_session_close(peer->session);
    tdbplus_close(peer->db);
}

/* ---- cases ---- */

static double run_case(struct peer *peer, uint32_t number, uint64_t rows, bool blocks)
{
    double begin = user_seconds();
    uint64_t state = 1;
    for (uint64_t i = 0; i < rows; i++) {
        if (blocks && i % IN_ONE_BLOCK == 0) {
            run_plain(peer, "BEGIN");
        }
        run_one(peer, number, shuffled(&state, rows));
        if (blocks && (i % IN_ONE_BLOCK == IN_ONE_BLOCK - 1 || i + 1 == rows)) {
            run_plain(peer, "COMMIT");
        }
    }
    return (user_seconds() - begin) * 1e6 / (double)rows;
}

static int compare(const void *left, const void *right)
{
    double one = *(const double *)left;
    double other = *(const double *)right;
    return (one > other) - (one < other);
}

int main(int argc, char **argv)
{
    static const char *const names[STATEMENT_COUNT] = {
        "insert", "select by key", "select by unique text", "update by key", "delete by key"};
    uint64_t rows = 200000;
    bool indexed = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--rows") == 0 && i + 1 < argc) {
            rows = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--no-index") == 0) {
            indexed = false;
        } else {
            fail(argv[i], "usage: bench_point [--rows N] [--no-index]");
        }
    }
    double times[2][2][STATEMENT_COUNT][ROUND_COUNT];
    if (rows == 0) {
        fail("--rows", "a number above 0");
    }
    for (uint32_t round = 0; round < ROUND_COUNT; round++) {
        int64_t sums[2] = {0};
        for (uint32_t blocks = 0; blocks < 2; blocks++) {
            for (uint32_t lite = 0; lite < 2; lite++) {
                struct peer peer;
                open_peer(&peer, lite == 1, indexed);
                for (uint32_t i = 0; i < STATEMENT_COUNT; i++) {
                    if (i == SELECT_TEXT && !indexed) {
                        continue;
                    }
                    times[lite][blocks][i][round] = run_case(&peer, i, rows, blocks == 1);
                }
                sums[lite] += peer.sum;
                close_peer(&peer);
            }
        }
        if (sums[0] != sums[1]) {
            fail("the sums differ", "what was read is not the same");
        }
    }
    printf("%" PRIu64 " rows, microseconds a statement (user and system time, median of %d)\n",
           rows, ROUND_COUNT);
    printf("%-24s %-12s %8s %8s %8s\n", "statement", "transaction", "tdb+", "sqlite", "ratio");
    for (uint32_t i = 0; i < STATEMENT_COUNT; i++) {
        for (uint32_t blocks = 0; blocks < 2 && (i != SELECT_TEXT || indexed); blocks++) {
            for (uint32_t lite = 0; lite < 2; lite++) {
                qsort(times[lite][blocks][i], ROUND_COUNT, sizeof(double), compare);
            }
            double ours = times[0][blocks][i][ROUND_COUNT / 2];
            double theirs = times[1][blocks][i][ROUND_COUNT / 2];
            printf("%-24s %-12s %8.3f %8.3f %8.2f\n", names[i], blocks == 1 ? "of 1,000" : "each",
                   ours, theirs, theirs / ours);
        }
    }
    return 0;
}
