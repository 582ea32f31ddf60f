/* RocksDB, LMDB and SQLite, each by its own way of loading sorted rows. */

#include <lmdb.h>
#include <rocksdb/c.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* Keys that sort as their numbers do. */
static size_t put_key(const struct load_setup *setup, uint64_t number, char key[LOAD_TEXT_SIZE])
{
    uint64_t value = load_key(number);
    if (setup->text_keys) {
        load_text(value, key);
        return LOAD_TEXT_SIZE;
    }
    value = __builtin_bswap64(value);
    memcpy(key, &value, sizeof value);
    return sizeof value;
}

/* The hash is of the number as it is in memory. */
static uint64_t hash_row(const struct load_setup *setup, const void *key, size_t key_size,
                         const void *value, size_t value_size)
{
    uint64_t number;
    if (!setup->text_keys) {
        memcpy(&number, key, sizeof number);
        number = __builtin_bswap64(number);
        key = &number;
    }
    return load_hash(key, key_size, value, value_size);
}

/* ---- RocksDB ---- */

struct rocks {
    struct load_setup setup;
    rocksdb_t *db;
    rocksdb_options_t *options;
};

static void rocks_check(char *error, const char *what)
{
    if (error != NULL) {
        load_fail("rocksdb", what, error);
    }
}

static void *rocks_open(const struct load_setup *setup)
{
    struct rocks *rocks = calloc(1, sizeof *rocks);
    rocks->setup = *setup;
    rocks->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(rocks->options, 1);
    rocksdb_options_set_compression(rocks->options, rocksdb_no_compression);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(rocks->options, table);
    char *error = NULL;
    rocks->db = rocksdb_open(rocks->options, setup->directory, &error);
    rocks_check(error, "open");
    return rocks;
}

static void rocks_load(void *db)
{
    struct rocks *rocks = db;
    char path[4096];
    char *error = NULL;
    (void)snprintf(path, sizeof path, "%s/load.sst", rocks->setup.directory);
    rocksdb_envoptions_t *env = rocksdb_envoptions_create();
    rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(env, rocks->options);
    rocksdb_sstfilewriter_open(writer, path, &error);
    rocks_check(error, "open file");
    for (uint64_t i = 0; i < rocks->setup.rows; i++) {
        char key[LOAD_TEXT_SIZE];
        size_t size = put_key(&rocks->setup, i, key);
        rocksdb_sstfilewriter_put(writer, key, size, (const char *)load_value(i), LOAD_VALUE_SIZE,
                                  &error);
        rocks_check(error, "put");
    }
    rocksdb_sstfilewriter_finish(writer, &error);
    rocks_check(error, "finish");
    rocksdb_sstfilewriter_destroy(writer);
    rocksdb_envoptions_destroy(env);
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    const char *files[] = {path};
    rocksdb_ingest_external_file(rocks->db, files, 1, options, &error);
    rocks_check(error, "ingest");
    rocksdb_ingestexternalfileoptions_destroy(options);
}

static uint64_t rocks_read(void *db, uint64_t *hash)
{
    struct rocks *rocks = db;
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    rocksdb_iterator_t *at = rocksdb_create_iterator(rocks->db, options);
    uint64_t count = 0;
    for (rocksdb_iter_seek_to_first(at); rocksdb_iter_valid(at); rocksdb_iter_next(at)) {
        size_t key_size = 0;
        size_t value_size = 0;
        const char *key = rocksdb_iter_key(at, &key_size);
        const char *value = rocksdb_iter_value(at, &value_size);
        *hash += hash_row(&rocks->setup, key, key_size, value, value_size);
        count++;
    }
    rocksdb_iter_destroy(at);
    rocksdb_readoptions_destroy(options);
    return count;
}

static void rocks_close(void *db)
{
    struct rocks *rocks = db;
    rocksdb_close(rocks->db);
    rocksdb_options_destroy(rocks->options);
    free(rocks);
}

const struct load_engine load_rocksdb = {.name = "rocksdb",
                                         .open = rocks_open,
                                         .load = rocks_load,
                                         .read = rocks_read,
                                         .close = rocks_close};

/* ---- LMDB ---- */

struct lmdb {
    struct load_setup setup;
    MDB_env *env;
    MDB_dbi table;
};

static void lmdb_check(int code, const char *what)
{
    if (code != MDB_SUCCESS) {
        load_fail("lmdb", what, mdb_strerror(code));
    }
}

static void *lmdb_open(const struct load_setup *setup)
{
    struct lmdb *lmdb = calloc(1, sizeof *lmdb);
    lmdb->setup = *setup;
    lmdb_check(mdb_env_create(&lmdb->env), "create");
    lmdb_check(mdb_env_set_mapsize(lmdb->env, (size_t)64 << 30), "mapsize");
    lmdb_check(mdb_env_open(lmdb->env, setup->directory, MDB_NORDAHEAD | MDB_WRITEMAP, 0644),
               "open");
    return lmdb;
}

static void lmdb_load(void *db)
{
    struct lmdb *lmdb = db;
    MDB_txn *txn = NULL;
    lmdb_check(mdb_txn_begin(lmdb->env, NULL, 0, &txn), "begin");
    lmdb_check(mdb_dbi_open(txn, NULL, MDB_CREATE, &lmdb->table), "dbi");
    for (uint64_t i = 0; i < lmdb->setup.rows; i++) {
        char key[LOAD_TEXT_SIZE];
        MDB_val name = {.mv_size = put_key(&lmdb->setup, i, key), .mv_data = key};
        MDB_val value = {.mv_size = LOAD_VALUE_SIZE, .mv_data = (void *)(uintptr_t)load_value(i)};
        lmdb_check(mdb_put(txn, lmdb->table, &name, &value, MDB_APPEND), "put");
    }
    lmdb_check(mdb_txn_commit(txn), "commit"); // Syncs.
}

static uint64_t lmdb_read(void *db, uint64_t *hash)
{
    struct lmdb *lmdb = db;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    uint64_t count = 0;
    lmdb_check(mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn), "begin");
    lmdb_check(mdb_cursor_open(txn, lmdb->table, &cursor), "cursor");
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
        *hash += hash_row(&lmdb->setup, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
        count++;
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return count;
}

static void lmdb_close(void *db)
{
    struct lmdb *lmdb = db;
    mdb_env_close(lmdb->env);
    free(lmdb);
}

const struct load_engine load_lmdb = {
    .name = "lmdb", .open = lmdb_open, .load = lmdb_load, .read = lmdb_read, .close = lmdb_close};

/* ---- SQLite ---- */

struct sqlite {
    struct load_setup setup;
    sqlite3 *db;
};

static void sqlite_check(struct sqlite *sqlite, int code, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
        load_fail("sqlite", what, sqlite3_errmsg(sqlite->db));
    }
}

static void execute(struct sqlite *sqlite, const char *text)
{
    sqlite_check(sqlite, sqlite3_exec(sqlite->db, text, NULL, NULL, NULL), text);
}

static void *sqlite_open(const struct load_setup *setup)
{
    struct sqlite *sqlite = calloc(1, sizeof *sqlite);
    char path[4096];
    sqlite->setup = *setup;
    (void)snprintf(path, sizeof path, "%s/db", setup->directory);
    sqlite_check(sqlite, sqlite3_open(path, &sqlite->db), "open");
    execute(sqlite, "PRAGMA journal_mode = DELETE");
    execute(sqlite, "PRAGMA synchronous = FULL");
    execute(sqlite, "PRAGMA cache_size = -262144");
    execute(sqlite, setup->text_keys
                        ? "CREATE TABLE rows (k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"
                        : "CREATE TABLE rows (k INTEGER PRIMARY KEY, v BLOB NOT NULL)");
    return sqlite;
}

static void sqlite_load(void *db)
{
    struct sqlite *sqlite = db;
    sqlite3_stmt *insert = NULL;
    execute(sqlite, "BEGIN IMMEDIATE");
    sqlite_check(
        sqlite,
        sqlite3_prepare_v2(sqlite->db, "INSERT INTO rows (k, v) VALUES (?, ?)", -1, &insert, NULL),
        "prepare");
    for (uint64_t i = 0; i < sqlite->setup.rows; i++) {
        char text[LOAD_TEXT_SIZE];
        if (sqlite->setup.text_keys) {
            load_text(load_key(i), text);
            (void)sqlite3_bind_text(insert, 1, text, LOAD_TEXT_SIZE, SQLITE_STATIC);
        } else {
            (void)sqlite3_bind_int64(insert, 1, (sqlite3_int64)load_key(i));
        }
        (void)sqlite3_bind_blob(insert, 2, load_value(i), LOAD_VALUE_SIZE, SQLITE_STATIC);
        sqlite_check(sqlite, sqlite3_step(insert), "insert");
        (void)sqlite3_reset(insert);
    }
    (void)sqlite3_finalize(insert);
    execute(sqlite, "COMMIT");
}

static uint64_t sqlite_read(void *db, uint64_t *hash)
{
    struct sqlite *sqlite = db;
    sqlite3_stmt *select = NULL;
    uint64_t count = 0;
    sqlite_check(sqlite, sqlite3_prepare_v2(sqlite->db, "SELECT k, v FROM rows", -1, &select, NULL),
                 "prepare");
    while (sqlite3_step(select) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(select, 0);
        bool text = sqlite->setup.text_keys;
        *hash += load_hash(text ? (const void *)sqlite3_column_text(select, 0) : &number,
                           text ? LOAD_TEXT_SIZE : sizeof number, sqlite3_column_blob(select, 1),
                           (size_t)sqlite3_column_bytes(select, 1));
        count++;
    }
    (void)sqlite3_finalize(select);
    return count;
}

static void sqlite_close(void *db)
{
    struct sqlite *sqlite = db;
    (void)sqlite3_close(sqlite->db);
    free(sqlite);
}

const struct load_engine load_sqlite = {.name = "sqlite",
                                        .open = sqlite_open,
                                        .load = sqlite_load,
                                        .read = sqlite_read,
                                        .close = sqlite_close};
