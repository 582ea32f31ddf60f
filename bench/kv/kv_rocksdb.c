/*
 * RocksDB through its C API: level compaction, 64 MiB memtables (as ours), two background threads,
 * bloom filters of 10 bits a key, a block cache of 2 GiB, no compression (values are random).
 */

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "kv.h"

struct database {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* The default one, which a batched get must name. */
    rocksdb_options_t *options;
    rocksdb_readoptions_t *reads;
    rocksdb_readoptions_t *scans;
    rocksdb_writeoptions_t *writes;
    bool text_keys;
    char bulk_path[4096];
};

struct session {
    struct database *database;
    rocksdb_writebatch_t *batch;
};

static void check(char *error, const char *what)
{
    if (error != NULL) {
        kv_fail("rocksdb", what, error);
    }
}

static rocksdb_options_t *make_options(const struct kv_setup *setup)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_increase_parallelism(options, 2);
    rocksdb_options_set_write_buffer_size(options, setup->memtable_bytes);
    rocksdb_options_set_max_write_buffer_number(options, 4);
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_max_open_files(options, -1);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, rocksdb_cache_create_lru((size_t)2 << 30));
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_options_set_block_based_table_factory(options, table);
    return options;
}

static void *rocks_open(const struct kv_setup *setup)
{
    struct database *database = kv_memory(1, sizeof *database);
    database->options = make_options(setup);
    database->reads = rocksdb_readoptions_create();
    rocksdb_readoptions_set_verify_checksums(database->reads, 1);
    database->scans = rocksdb_readoptions_create();
    rocksdb_readoptions_set_readahead_size(database->scans, (size_t)2 << 20);
    database->writes = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(database->writes, setup->synced ? 1 : 0);
    database->text_keys = setup->text_keys;
    (void)snprintf(database->bulk_path, sizeof database->bulk_path, "%s/bulk.sst",
                   setup->directory);
    char *error = NULL;
    const char *family = "default";
    const rocksdb_options_t *options = database->options;
    database->db = rocksdb_open_column_families(options, setup->directory, 1, &family, &options,
                                                &database->family, &error);
    check(error, "open");
    return database;
}

static void rocks_close(void *db)
{
    struct database *database = db;
    rocksdb_column_family_handle_destroy(database->family);
    rocksdb_close(database->db);
    rocksdb_options_destroy(database->options);
}

static void *rocks_session_begin(void *db)
{
    struct session *session = kv_memory(1, sizeof *session);
    session->database = db;
    session->batch = rocksdb_writebatch_create();
    return session;
}

static void rocks_session_end(void *opaque)
{
    struct session *session = opaque;
    rocksdb_writebatch_destroy(session->batch);
}

static size_t make_key(const struct session *session, uint64_t key, char bytes[KV_TEXT_SIZE])
{
    if (session->database->text_keys) {
        kv_text(key, bytes);
        return KV_TEXT_SIZE;
    }
    kv_store_be(key, (uint8_t *)bytes);
    return 8;
}

static void rocks_put(void *opaque, const struct kv_row *rows, size_t count)
{
    struct session *session = opaque;
    struct database *database = session->database;
    char key[KV_TEXT_SIZE];
    char *error = NULL;
    if (count == 1) {
        size_t size = make_key(session, rows[0].key, key);
        rocksdb_put(database->db, database->writes, key, size, (const char *)rows[0].value,
                    KV_VALUE_SIZE, &error);
    } else {
        rocksdb_writebatch_clear(session->batch);
        for (size_t i = 0; i < count; i++) {
            size_t size = make_key(session, rows[i].key, key);
            rocksdb_writebatch_put(session->batch, key, size, (const char *)rows[i].value,
                                   KV_VALUE_SIZE);
        }
        rocksdb_write(database->db, database->writes, session->batch, &error);
    }
    check(error, "put");
}

static void rocks_reads(void *opaque)
{
    (void)opaque; // A snapshot would only add to each get.
}

static bool rocks_get(void *opaque, uint64_t wanted, uint64_t *hash)
{
    struct session *session = opaque;
    struct database *database = session->database;
    char key[KV_TEXT_SIZE];
    size_t size = make_key(session, wanted, key);
    char *error = NULL;
    rocksdb_pinnableslice_t *value =
        rocksdb_get_pinned(database->db, database->reads, key, size, &error);
    check(error, "get");
    if (value == NULL) {
        return false;
    }
    size_t value_size = 0;
    const char *bytes = rocksdb_pinnableslice_value(value, &value_size);
    *hash += kv_hash_value(bytes, value_size);
    rocksdb_pinnableslice_destroy(value);
    return true;
}

static size_t rocks_get_many(void *opaque, const uint64_t *keys, size_t count, uint64_t *hash)
{
    struct session *session = opaque;
    struct database *database = session->database;
    char bytes[KV_BATCH_MAX][KV_TEXT_SIZE];
    const char *key_list[KV_BATCH_MAX] = {0};
    size_t sizes[KV_BATCH_MAX] = {0};
    rocksdb_pinnableslice_t *values[KV_BATCH_MAX];
    char *errors[KV_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        key_list[i] = bytes[i];
        sizes[i] = make_key(session, keys[i], bytes[i]);
    }
    rocksdb_batched_multi_get_cf(database->db, database->reads, database->family, count, key_list,
                                 sizes, values, errors, false);
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        check(errors[i], "multi_get");
        if (values[i] != NULL) {
            size_t size = 0;
            const char *value = rocksdb_pinnableslice_value(values[i], &size);
            *hash += kv_hash_value(value, size);
            rocksdb_pinnableslice_destroy(values[i]);
            hits++;
        }
    }
    return hits;
}

static uint64_t hash_row(const struct session *session, const rocksdb_iterator_t *iterator)
{
    size_t key_size = 0;
    size_t value_size = 0;
    const char *key = rocksdb_iter_key(iterator, &key_size);
    const char *value = rocksdb_iter_value(iterator, &value_size);
    uint64_t key_hash =
        session->database->text_keys ? kv_hash_text(key, key_size) : kv_hash_key(kv_load_be(key));
    return key_hash + kv_hash_value(value, value_size);
}

static size_t rocks_range(void *opaque, uint64_t from, size_t limit, uint64_t *hash)
{
    struct session *session = opaque;
    struct database *database = session->database;
    char key[KV_TEXT_SIZE];
    size_t size = make_key(session, from, key);
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(database->db, database->reads);
    size_t count = 0;
    for (rocksdb_iter_seek(iterator, key, size); count < limit && rocksdb_iter_valid(iterator);
         rocksdb_iter_next(iterator)) {
        *hash += hash_row(session, iterator);
        count++;
    }
    rocksdb_iter_destroy(iterator);
    return count;
}

static size_t rocks_scan(void *opaque, uint64_t *hash)
{
    struct session *session = opaque;
    struct database *database = session->database;
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(database->db, database->scans);
    size_t count = 0;
    for (rocksdb_iter_seek_to_first(iterator); rocksdb_iter_valid(iterator);
         rocksdb_iter_next(iterator)) {
        *hash += hash_row(session, iterator);
        count++;
    }
    rocksdb_iter_destroy(iterator);
    return count;
}

static uint64_t rocks_sum(void *opaque)
{
    struct session *session = opaque;
    struct database *database = session->database;
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(database->db, database->scans);
    uint64_t sum = 0;
    for (rocksdb_iter_seek_to_first(iterator); rocksdb_iter_valid(iterator);
         rocksdb_iter_next(iterator)) {
        size_t size = 0;
        sum += kv_load_be(rocksdb_iter_key(iterator, &size));
    }
    rocksdb_iter_destroy(iterator);
    return sum;
}

static void rocks_optimize(void *db)
{
    struct database *database = db;
    rocksdb_compact_range(database->db, NULL, 0, NULL, 0);
}

/* One sorted file, written outside and moved in. */
static void rocks_bulk(void *db, const uint64_t *keys, uint64_t count)
{
    struct database *database = db;
    struct session session = {.database = database};
    char *error = NULL;
    rocksdb_envoptions_t *env = rocksdb_envoptions_create();
    rocksdb_sstfilewriter_t *writer = rocksdb_sstfilewriter_create(env, database->options);
    rocksdb_sstfilewriter_open(writer, database->bulk_path, &error);
    check(error, "open file");
    for (uint64_t i = 0; i < count; i++) {
        char key[KV_TEXT_SIZE];
        struct kv_row row;
        kv_make_row(keys[i], 0, &row);
        size_t size = make_key(&session, keys[i], key);
        rocksdb_sstfilewriter_put(writer, key, size, (const char *)row.value, KV_VALUE_SIZE,
                                  &error);
        check(error, "put into file");
    }
    rocksdb_sstfilewriter_finish(writer, &error);
    check(error, "finish file");
    rocksdb_sstfilewriter_destroy(writer);
    rocksdb_envoptions_destroy(env);
    rocksdb_ingestexternalfileoptions_t *options = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(options, 1);
    const char *files[] = {database->bulk_path};
    rocksdb_ingest_external_file(database->db, files, 1, options, &error);
    check(error, "ingest");
    rocksdb_ingestexternalfileoptions_destroy(options);
}

const struct kv_engine kv_rocksdb = {
    .name = "rocksdb",
    .open = rocks_open,
    .close = rocks_close,
    .session_begin = rocks_session_begin,
    .session_end = rocks_session_end,
    .put = rocks_put,
    .reads_begin = rocks_reads,
    .reads_end = rocks_reads,
    .get = rocks_get,
    .get_many = rocks_get_many,
    .range = rocks_range,
    .scan = rocks_scan,
    .sum = rocks_sum,
    .bulk = rocks_bulk,
    .optimize = rocks_optimize,
};
