/*
 * SQLite: write-ahead log, memory map and page cache large enough for everything, statements
 * prepared once, integer keys as the row id, text keys WITHOUT ROWID. Pure reads run inside one
 * transaction, its best.
 */

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "kv.h"

struct database {
    char path[4096];
    bool text_keys;
    bool synced;
    size_t memtable_bytes;
};

enum statement {
    BEGIN,
    COMMIT,
    PUT,
    GET,
    RANGE,
    SCAN,
    SUM,
    STATEMENT_COUNT,
};

static const char *const texts[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [PUT] = "INSERT OR REPLACE INTO rows (k, v) VALUES (?, ?)",
    [GET] = "SELECT v FROM rows WHERE k = ?",
    [RANGE] = "SELECT k, v FROM rows WHERE k >= ? ORDER BY k LIMIT ?",
    [SCAN] = "SELECT k, v FROM rows",
    [SUM] = "SELECT sum(k % 4294967296), sum(k / 4294967296) FROM rows",
};

struct session {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    bool text_keys;
    char text[KV_TEXT_SIZE];
};

static void check(sqlite3 *db, int code, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        kv_fail("sqlite", what, sqlite3_errmsg(db));
    }
}

static void execute(sqlite3 *db, const char *text)
{
    check(db, sqlite3_exec(db, text, NULL, NULL, NULL), text);
}

static sqlite3 *connect(const struct database *database)
{
    sqlite3 *db = NULL;
    check(db, sqlite3_open(database->path, &db), "open");
    (void)sqlite3_busy_timeout(db, 60000);
    execute(db, "PRAGMA journal_mode = WAL");
    execute(db, database->synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = OFF");
    execute(db, "PRAGMA cache_size = -2097152");
    execute(db, "PRAGMA mmap_size = 17179869184");
    char text[128];
    (void)snprintf(text, sizeof text, "PRAGMA wal_autocheckpoint = %zu",
                   database->memtable_bytes / 4096);
    execute(db, text);
    return db;
}

static void *lite_open(const struct kv_setup *setup)
{
    struct database *database = kv_memory(1, sizeof *database);
    (void)snprintf(database->path, sizeof database->path, "%s/rows.db", setup->directory);
    database->text_keys = setup->text_keys;
    database->synced = setup->synced;
    database->memtable_bytes = setup->memtable_bytes;
    sqlite3 *db = connect(database);
    execute(db, setup->text_keys
                    ? "CREATE TABLE IF NOT EXISTS rows (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID"
                    : "CREATE TABLE IF NOT EXISTS rows (k INTEGER PRIMARY KEY, v BLOB)");
    (void)sqlite3_close(db);
    return database;
}

static void lite_close(void *db)
{
    (void)db; // Sessions hold the connections.
}

static void *lite_session_begin(void *db)
{
    const struct database *database = db;
    struct session *session = kv_memory(1, sizeof *session);
    session->db = connect(database);
    session->text_keys = database->text_keys;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        check(session->db,
              sqlite3_prepare_v2(session->db, texts[i], -1, &session->statements[i], NULL),
              texts[i]);
    }
    return session;
}

static void lite_session_end(void *opaque)
{
    struct session *session = opaque;
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(session->statements[i]);
    }
    (void)sqlite3_close(session->db);
}

static void run(struct session *session, enum statement which)
{
    sqlite3_stmt *statement = session->statements[which];
    check(session->db, sqlite3_step(statement), texts[which]);
    (void)sqlite3_reset(statement);
}

static void bind_key(struct session *session, sqlite3_stmt *statement, uint64_t key)
{
    if (session->text_keys) {
        kv_text(key, session->text);
        (void)sqlite3_bind_text(statement, 1, session->text, KV_TEXT_SIZE, SQLITE_STATIC);
    } else {
        (void)sqlite3_bind_int64(statement, 1, (sqlite3_int64)key);
    }
}

static void lite_put(void *opaque, const struct kv_row *rows, size_t count)
{
    struct session *session = opaque;
    if (count > 1) {
        run(session, BEGIN);
    }
    for (size_t i = 0; i < count; i++) {
        bind_key(session, session->statements[PUT], rows[i].key);
        (void)sqlite3_bind_blob(session->statements[PUT], 2, rows[i].value, KV_VALUE_SIZE,
                                SQLITE_STATIC);
        run(session, PUT);
    }
    if (count > 1) {
        run(session, COMMIT);
    }
}

static void lite_reads_begin(void *opaque)
{
    execute(((struct session *)opaque)->db, "BEGIN");
}

static void lite_reads_end(void *opaque)
{
    run(opaque, COMMIT);
}

static uint64_t hash_value(sqlite3_stmt *statement, int column)
{
    const void *bytes = sqlite3_column_blob(statement, column);
    return kv_hash_value(bytes, (size_t)sqlite3_column_bytes(statement, column));
}

static bool lite_get(void *opaque, uint64_t key, uint64_t *hash)
{
    struct session *session = opaque;
    sqlite3_stmt *statement = session->statements[GET];
    bind_key(session, statement, key);
    int code = sqlite3_step(statement);
    check(session->db, code, "get");
    if (code == SQLITE_ROW) {
        *hash += hash_value(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

static size_t lite_get_many(void *opaque, const uint64_t *keys, size_t count, uint64_t *hash)
{
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        hits += lite_get(opaque, keys[i], hash) ? 1 : 0;
    }
    return hits;
}

static size_t read_rows(struct session *session, sqlite3_stmt *statement, uint64_t *hash)
{
    size_t count = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        *hash += session->text_keys ? kv_hash_text(sqlite3_column_text(statement, 0),
                                                   (size_t)sqlite3_column_bytes(statement, 0))
                                    : kv_hash_key((uint64_t)sqlite3_column_int64(statement, 0));
        *hash += hash_value(statement, 1);
        count++;
    }
    check(session->db, code, "scan");
    (void)sqlite3_reset(statement);
    return count;
}

static size_t lite_range(void *opaque, uint64_t key, size_t limit, uint64_t *hash)
{
    struct session *session = opaque;
    sqlite3_stmt *statement = session->statements[RANGE];
    bind_key(session, statement, key);
    (void)sqlite3_bind_int64(statement, 2, (sqlite3_int64)limit);
    return read_rows(session, statement, hash);
}

static size_t lite_scan(void *opaque, uint64_t *hash)
{
    struct session *session = opaque;
    return read_rows(session, session->statements[SCAN], hash);
}

/* In halves: SQLite's sum() of integers fails where ours wraps. */
static uint64_t lite_sum(void *opaque)
{
    struct session *session = opaque;
    sqlite3_stmt *statement = session->statements[SUM];
    check(session->db, sqlite3_step(statement), "sum");
    uint64_t low = (uint64_t)sqlite3_column_int64(statement, 0);
    uint64_t high = (uint64_t)sqlite3_column_int64(statement, 1);
    (void)sqlite3_reset(statement);
    return low + (high << 32);
}

/* One transaction; the log is then written into the table. */
static void lite_bulk(void *db, const uint64_t *keys, uint64_t count)
{
    struct session *session = lite_session_begin(db);
    run(session, BEGIN);
    for (uint64_t i = 0; i < count; i++) {
        struct kv_row row;
        kv_make_row(keys[i], 0, &row);
        lite_put(session, &row, 1);
    }
    run(session, COMMIT);
    execute(session->db, "PRAGMA wal_checkpoint(TRUNCATE)");
    lite_session_end(session);
}

const struct kv_engine kv_sqlite = {
    .name = "sqlite",
    .open = lite_open,
    .close = lite_close,
    .session_begin = lite_session_begin,
    .session_end = lite_session_end,
    .put = lite_put,
    .reads_begin = lite_reads_begin,
    .reads_end = lite_reads_end,
    .get = lite_get,
    .get_many = lite_get_many,
    .range = lite_range,
    .scan = lite_scan,
    .bulk = lite_bulk,
    .sum = lite_sum,
};
