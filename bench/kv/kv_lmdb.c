/*
 * LMDB: integer keys as such, no read-ahead, unsynced writes through a writable map. Pure reads
 * keep one read transaction open, its best; mixed ones renew it for each read.
 */

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

struct database {
    MDB_env *env;
    MDB_dbi table;
    bool text_keys;
};

struct session {
    struct database *database;
    MDB_txn *reads;
    MDB_cursor *cursor;
    bool in_reads;
};

static void check(int code, const char *what)
{
    if (code != MDB_SUCCESS) {
        kv_fail("lmdb", what, mdb_strerror(code));
    }
}

static void *lmdb_open(const struct kv_setup *setup)
{
    struct database *database = kv_memory(1, sizeof *database);
    database->text_keys = setup->text_keys;
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    if (!setup->synced) {
        flags |= MDB_NOSYNC | MDB_WRITEMAP | MDB_MAPASYNC;
    }
    check(mdb_env_create(&database->env), "create");
    check(mdb_env_set_mapsize(database->env, (size_t)16 << 30), "mapsize");
    check(mdb_env_set_maxreaders(database->env, 512), "maxreaders");
    check(mdb_env_open(database->env, setup->directory, flags, 0644), "open");
    MDB_txn *txn = NULL;
    check(mdb_txn_begin(database->env, NULL, 0, &txn), "begin");
    unsigned kind = setup->text_keys ? 0 : MDB_INTEGERKEY;
    check(mdb_dbi_open(txn, NULL, MDB_CREATE | kind, &database->table), "dbi");
    check(mdb_txn_commit(txn), "commit");
    return database;
}

static void lmdb_close(void *db)
{
    struct database *database = db;
    mdb_env_close(database->env);
}

static void *lmdb_session_begin(void *db)
{
    struct session *session = kv_memory(1, sizeof *session);
    session->database = db;
    check(mdb_txn_begin(session->database->env, NULL, MDB_RDONLY, &session->reads), "begin");
    check(mdb_cursor_open(session->reads, session->database->table, &session->cursor), "cursor");
    mdb_txn_reset(session->reads);
    return session;
}

static void lmdb_session_end(void *opaque)
{
    struct session *session = opaque;
    mdb_cursor_close(session->cursor);
    mdb_txn_abort(session->reads);
}

static MDB_val make_key(const struct session *session, uint64_t *key, char text[KV_TEXT_SIZE])
{
    if (session->database->text_keys) {
        kv_text(*key, text);
        return (MDB_val){.mv_size = KV_TEXT_SIZE, .mv_data = text};
    }
    return (MDB_val){.mv_size = 8, .mv_data = key};
}

static void lmdb_put(void *opaque, const struct kv_row *rows, size_t count)
{
    struct session *session = opaque;
    MDB_txn *txn = NULL;
    check(mdb_txn_begin(session->database->env, NULL, 0, &txn), "begin");
    for (size_t i = 0; i < count; i++) {
        char text[KV_TEXT_SIZE];
        uint64_t number = rows[i].key;
        uint8_t bytes[KV_VALUE_SIZE];
        memcpy(bytes, rows[i].value, sizeof bytes);
        MDB_val key = make_key(session, &number, text);
        MDB_val value = {.mv_size = KV_VALUE_SIZE, .mv_data = bytes};
        check(mdb_put(txn, session->database->table, &key, &value, 0), "put");
    }
    check(mdb_txn_commit(txn), "commit");
}

static void enter(struct session *session)
{
    if (!session->in_reads) {
        check(mdb_txn_renew(session->reads), "renew");
    }
}

static void leave(struct session *session)
{
    if (!session->in_reads) {
        mdb_txn_reset(session->reads);
    }
}

static void lmdb_reads_begin(void *opaque)
{
    struct session *session = opaque;
    enter(session);
    session->in_reads = true;
}

static void lmdb_reads_end(void *opaque)
{
    struct session *session = opaque;
    session->in_reads = false;
    leave(session);
}

static bool get_one(struct session *session, uint64_t wanted, uint64_t *hash)
{
    char text[KV_TEXT_SIZE];
    MDB_val key = make_key(session, &wanted, text);
    MDB_val value;
    int code = mdb_get(session->reads, session->database->table, &key, &value);
    if (code == MDB_NOTFOUND) {
        return false;
    }
    check(code, "get");
    *hash += kv_hash_value(value.mv_data, value.mv_size);
    return true;
}

static bool lmdb_get(void *opaque, uint64_t key, uint64_t *hash)
{
    enter(opaque);
    bool found = get_one(opaque, key, hash);
    leave(opaque);
    return found;
}

static size_t lmdb_get_many(void *opaque, const uint64_t *keys, size_t count, uint64_t *hash)
{
    size_t hits = 0;
    enter(opaque);
    for (size_t i = 0; i < count; i++) {
        hits += get_one(opaque, keys[i], hash) ? 1 : 0;
    }
    leave(opaque);
    return hits;
}

static uint64_t hash_row_key(const struct session *session, const MDB_val *key)
{
    if (session->database->text_keys) {
        return kv_hash_text(key->mv_data, key->mv_size);
    }
    uint64_t number;
    memcpy(&number, key->mv_data, sizeof number);
    return kv_hash_key(number);
}

static size_t walk(struct session *session, MDB_val *key, MDB_cursor_op first, size_t limit,
                   uint64_t *hash)
{
    enter(session);
    check(mdb_cursor_renew(session->reads, session->cursor), "cursor_renew");
    MDB_val value;
    size_t count = 0;
    int code = mdb_cursor_get(session->cursor, key, &value, first);
    while (code == MDB_SUCCESS && count < limit) {
        *hash += hash_row_key(session, key) + kv_hash_value(value.mv_data, value.mv_size);
        if (++count < limit) {
            code = mdb_cursor_get(session->cursor, key, &value, MDB_NEXT);
        }
    }
    if (code != MDB_NOTFOUND) {
        check(code, "cursor_get");
    }
    leave(session);
    return count;
}

static size_t lmdb_range(void *opaque, uint64_t from, size_t limit, uint64_t *hash)
{
    char text[KV_TEXT_SIZE];
    MDB_val key = make_key(opaque, &from, text);
    return walk(opaque, &key, MDB_SET_RANGE, limit, hash);
}

static size_t lmdb_scan(void *opaque, uint64_t *hash)
{
    MDB_val key = {0};
    return walk(opaque, &key, MDB_FIRST, SIZE_MAX, hash);
}

static uint64_t lmdb_sum(void *opaque)
{
    struct session *session = opaque;
    enter(session);
    check(mdb_cursor_renew(session->reads, session->cursor), "cursor_renew");
    MDB_val key;
    MDB_val value;
    uint64_t sum = 0;
    int code = mdb_cursor_get(session->cursor, &key, &value, MDB_FIRST);
    while (code == MDB_SUCCESS) {
        uint64_t number;
        memcpy(&number, key.mv_data, sizeof number);
        sum += number;
        code = mdb_cursor_get(session->cursor, &key, &value, MDB_NEXT);
    }
    leave(session);
    return sum;
}

/* Appended in one transaction, which is synced. */
static void lmdb_bulk(void *db, const uint64_t *keys, uint64_t count)
{
    struct database *database = db;
    struct session session = {.database = database};
    MDB_txn *txn = NULL;
    check(mdb_txn_begin(database->env, NULL, 0, &txn), "begin");
    for (uint64_t i = 0; i < count; i++) {
        char text[KV_TEXT_SIZE];
        struct kv_row row;
        uint64_t number = keys[i];
        kv_make_row(number, 0, &row);
        MDB_val key = make_key(&session, &number, text);
        MDB_val value = {.mv_size = KV_VALUE_SIZE, .mv_data = row.value};
        check(mdb_put(txn, database->table, &key, &value, MDB_APPEND), "append");
    }
    check(mdb_txn_commit(txn), "commit");
    check(mdb_env_sync(database->env, 1), "sync");
}

const struct kv_engine kv_lmdb = {
    .name = "lmdb",
    .open = lmdb_open,
    .close = lmdb_close,
    .session_begin = lmdb_session_begin,
    .session_end = lmdb_session_end,
    .put = lmdb_put,
    .reads_begin = lmdb_reads_begin,
    .reads_end = lmdb_reads_end,
    .get = lmdb_get,
    .get_many = lmdb_get_many,
    .range = lmdb_range,
    .scan = lmdb_scan,
    .bulk = lmdb_bulk,
    .sum = lmdb_sum,
};
