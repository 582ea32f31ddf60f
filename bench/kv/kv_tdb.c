/* TDB+ through its public headers: calls without a transaction, one row handle per session, whole
 * scans as Arrow streams. */

#include <stdlib.h>
#include <string.h>

#include "kv.h"
#include "tdbplus/arrow.h"
#include "tdbplus/tdbplus.h"

struct database {
    tdbplus_db *db;
    bool text_keys;
};

struct session {
    tdbplus_collection *rows;
    tdbplus_row *row;
    tdbplus_row *many[KV_BATCH_MAX];
    bool text_keys;
    char texts[KV_BATCH_MAX][KV_TEXT_SIZE];
    tdbplus_value values[2 * KV_BATCH_MAX];
    tdbplus_call call;
};

static void check(tdbplus_status status, const char *what, const tdbplus_call *call)
{
    if (status != TDBPLUS_OK) {
        kv_fail("tdb+", what, call->error.message);
    }
}

static void *tdb_open(const struct kv_setup *setup)
{
    struct database *database = kv_memory(1, sizeof *database);
    tdbplus_call call = TDBPLUS_CALL_INIT;
    tdbplus_options options = {
        .struct_size = sizeof options,
        .durability = setup->synced ? TDBPLUS_DURABILITY_FULL : TDBPLUS_DURABILITY_NONE,
        .memory_limit_bytes = (size_t)8 << 30,
        .cache_size_bytes = (size_t)2 << 30,
        .memtable_size_bytes = setup->memtable_bytes,
    };
    check(tdbplus_open(setup->directory, &options, &database->db, &call), "open", &call);
    database->text_keys = setup->text_keys;
    tdbplus_column columns[] = {
        {.name = "k",
         .type = setup->text_keys ? TDBPLUS_TYPE_TEXT : TDBPLUS_TYPE_INT8,
         .not_null = true},
        {.name = "v", .type = TDBPLUS_TYPE_BYTEA, .not_null = true},
    };
    const char *key[] = {"k"};
    tdbplus_status status =
        tdbplus_collection_create(database->db, NULL, "rows", columns, 2, key, 1, &call);
    if (status != TDBPLUS_E_EXISTS) {
        check(status, "create", &call);
    }
    return database;
}

static void tdb_close(void *db)
{
    struct database *database = db;
    tdbplus_close(database->db);
}

static void *tdb_session_begin(void *db)
{
    struct database *database = db;
    struct session *session = kv_memory(1, sizeof *session);
    session->call = TDBPLUS_CALL_INIT;
    session->text_keys = database->text_keys;
    check(tdbplus_collection_open(database->db, NULL, "rows", &session->rows, &session->call),
          "collection_open", &session->call);
    check(tdbplus_row_create(database->db, &session->row, &session->call), "row_create",
          &session->call);
    for (size_t i = 0; i < KV_BATCH_MAX; i++) {
        check(tdbplus_row_create(database->db, &session->many[i], &session->call), "row_create",
              &session->call);
    }
    return session;
}

static void tdb_session_end(void *opaque)
{
    struct session *session = opaque;
    tdbplus_row_destroy(session->row);
    for (size_t i = 0; i < KV_BATCH_MAX; i++) {
        tdbplus_row_destroy(session->many[i]);
    }
    tdbplus_collection_close(session->rows);
}

/* Text of key number `i` of the call lives in the session. */
static tdbplus_value make_key(struct session *session, size_t i, uint64_t key)
{
    if (!session->text_keys) {
        return tdbplus_int8((int64_t)key);
    }
    kv_text(key, session->texts[i]);
    return tdbplus_text_sized(session->texts[i], KV_TEXT_SIZE);
}

static void tdb_put(void *opaque, const struct kv_row *rows, size_t count)
{
    struct session *session = opaque;
    for (size_t i = 0; i < count; i++) {
        session->values[2 * i] = make_key(session, i, rows[i].key);
        session->values[2 * i + 1] = tdbplus_bytea(rows[i].value, KV_VALUE_SIZE);
    }
    tdbplus_status status =
        count == 1
            ? tdbplus_upsert(session->rows, NULL, session->values, 2, &session->call)
            : tdbplus_upsert_many(session->rows, NULL, session->values, 2, count, &session->call);
    check(status, "upsert", &session->call);
}

static void tdb_reads(void *opaque)
{
    (void)opaque; // Every read has a snapshot of its own.
}

static uint64_t hash_bytes(const tdbplus_value *value)
{
    return kv_hash_value(value->as.bytes.data, value->as.bytes.size);
}

static uint64_t hash_key(const struct session *session, const tdbplus_value *value)
{
    return session->text_keys ? kv_hash_text(value->as.bytes.data, value->as.bytes.size)
                              : kv_hash_key((uint64_t)value->as.integer);
}

static bool tdb_get(void *opaque, uint64_t key, uint64_t *hash)
{
    struct session *session = opaque;
    tdbplus_value wanted = make_key(session, 0, key);
    tdbplus_status status =
        tdbplus_get(session->rows, NULL, &wanted, 1, session->row, &session->call);
    if (status == TDBPLUS_E_NOT_FOUND) {
        return false;
    }
    check(status, "get", &session->call);
    tdbplus_value value = tdbplus_row_value(session->row, 1);
    *hash += hash_bytes(&value);
    return true;
}

static size_t tdb_get_many(void *opaque, const uint64_t *keys, size_t count, uint64_t *hash)
{
    struct session *session = opaque;
    bool found[KV_BATCH_MAX];
    for (size_t i = 0; i < count; i++) {
        session->values[i] = make_key(session, i, keys[i]);
    }
    check(tdbplus_get_many(session->rows, NULL, session->values, 1, count, session->many, found,
                           &session->call),
          "get_many", &session->call);
    size_t hits = 0;
    for (size_t i = 0; i < count; i++) {
        if (found[i]) {
            tdbplus_value value = tdbplus_row_value(session->many[i], 1);
            *hash += hash_bytes(&value);
            hits++;
        }
    }
    return hits;
}

static size_t run_scan(struct session *session, const tdbplus_scan_options *options, uint64_t *hash)
{
    tdbplus_scan *scan = NULL;
    check(tdbplus_scan_open(session->rows, NULL, options, &scan, &session->call), "scan_open",
          &session->call);
    size_t count = 0;
    const tdbplus_value *values = NULL;
    tdbplus_status status;
    while ((status = tdbplus_scan_next(scan, &values, &session->call)) == TDBPLUS_OK) {
        *hash += hash_key(session, &values[0]) + hash_bytes(&values[1]);
        count++;
    }
    if (status != TDBPLUS_END) {
        check(status, "scan_next", &session->call);
    }
    tdbplus_scan_close(scan);
    return count;
}

static size_t tdb_range(void *opaque, uint64_t key, size_t limit, uint64_t *hash)
{
    struct session *session = opaque;
    tdbplus_value from = make_key(session, 0, key);
    tdbplus_scan_options options = {.struct_size = sizeof options,
                                    .order = TDBPLUS_ASCENDING,
                                    .from = &from,
                                    .from_count = 1,
                                    .limit = limit};
    return run_scan(session, &options, hash);
}

static void open_stream(struct session *session, const tdbplus_scan_options *options,
                        struct ArrowArrayStream *stream)
{
    check(tdbplus_scan_arrow(session->rows, NULL, options, stream, &session->call), "scan_arrow",
          &session->call);
}

/* False at the end. */
static bool next_array(struct ArrowArrayStream *stream, struct ArrowArray *array)
{
    if (stream->get_next(stream, array) != 0) {
        kv_fail("tdb+", "get_next", stream->get_last_error(stream));
    }
    return array->release != NULL;
}

static uint64_t hash_array(const struct session *session, const struct ArrowArray *array)
{
    const struct ArrowArray *keys = array->children[0];
    const struct ArrowArray *values = array->children[1];
    const int64_t *numbers = (const int64_t *)keys->buffers[1] + keys->offset;
    const int32_t *key_offsets = (const int32_t *)keys->buffers[1] + keys->offset;
    const int32_t *offsets = (const int32_t *)values->buffers[1] + values->offset;
    const uint8_t *bytes = values->buffers[2];
    uint64_t hash = 0;
    for (int64_t i = 0; i < array->length; i++) {
        hash += session->text_keys
                    ? kv_hash_text((const uint8_t *)keys->buffers[2] + key_offsets[i],
                                   (size_t)(key_offsets[i + 1] - key_offsets[i]))
                    : kv_hash_key((uint64_t)numbers[i]);
        hash += kv_hash_value(bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i]));
    }
    return hash;
}

static size_t tdb_scan(void *opaque, uint64_t *hash)
{
    tdbplus_scan_options options = {.struct_size = sizeof options};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    size_t count = 0;
    open_stream(opaque, &options, &stream);
    while (next_array(&stream, &array)) {
        *hash += hash_array(opaque, &array);
        count += (size_t)array.length;
        array.release(&array);
    }
    stream.release(&stream);
    return count;
}

static uint64_t tdb_sum(void *opaque)
{
    const char *columns[] = {"k"};
    tdbplus_scan_options options = {
        .struct_size = sizeof options, .columns = columns, .column_count = 1};
    struct ArrowArrayStream stream;
    struct ArrowArray array;
    uint64_t sum = 0;
    open_stream(opaque, &options, &stream);
    while (next_array(&stream, &array)) {
        const struct ArrowArray *keys = array.children[0];
        const int64_t *numbers = (const int64_t *)keys->buffers[1] + keys->offset;
        for (int64_t i = 0; i < array.length; i++) {
            sum += (uint64_t)numbers[i];
        }
        array.release(&array);
    }
    stream.release(&stream);
    return sum;
}

/* ---- the bulk load: a stream of arrays ---- */

#define ARRAY_ROWS 16384u

struct bulk {
    const uint64_t *keys; /* That are left, */
    uint64_t count;       /* and how many. */
    bool text_keys;
    int32_t key_offsets[ARRAY_ROWS + 1];
    int32_t value_offsets[ARRAY_ROWS + 1];
    uint8_t key_bytes[(size_t)ARRAY_ROWS * KV_TEXT_SIZE];
    uint8_t value_bytes[(size_t)ARRAY_ROWS * KV_VALUE_SIZE];
    struct ArrowSchema fields[2];
    struct ArrowSchema *field_list[2];
    struct ArrowArray columns[2];
    struct ArrowArray *column_list[2];
    const void *buffers[7]; /* Of the row, the keys, the values. */
};

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_stream(struct ArrowArrayStream *stream)
{
    stream->release = NULL;
}

static int bulk_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    struct bulk *bulk = stream->private_data;
    bulk->fields[0] = (struct ArrowSchema){
        .format = bulk->text_keys ? "u" : "l", .name = "k", .release = release_schema};
    bulk->fields[1] = (struct ArrowSchema){.format = "z", .name = "v", .release = release_schema};
    *out = (struct ArrowSchema){.format = "+s",
                                .name = "",
                                .n_children = 2,
                                .children = bulk->field_list,
                                .release = release_schema};
    return 0;
}

static void fill_bulk(struct bulk *bulk, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct kv_row row;
        kv_make_row(bulk->keys[i], 0, &row);
        if (bulk->text_keys) {
            kv_text(row.key, (char *)bulk->key_bytes + i * KV_TEXT_SIZE);
        } else {
            memcpy(bulk->key_bytes + i * sizeof row.key, &row.key, sizeof row.key);
        }
        memcpy(bulk->value_bytes + i * KV_VALUE_SIZE, row.value, KV_VALUE_SIZE);
    }
    bulk->keys += count;
    bulk->count -= count;
}

static int bulk_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    struct bulk *bulk = stream->private_data;
    uint64_t count = bulk->count < ARRAY_ROWS ? bulk->count : ARRAY_ROWS;
    *out = (struct ArrowArray){0};
    if (count == 0) {
        return 0;
    }
    fill_bulk(bulk, count);
    bulk->columns[0] = (struct ArrowArray){.length = (int64_t)count,
                                           .n_buffers = bulk->text_keys ? 3 : 2,
                                           .buffers = bulk->buffers + 1,
                                           .release = release_array};
    bulk->columns[1] = (struct ArrowArray){.length = (int64_t)count,
                                           .n_buffers = 3,
                                           .buffers = bulk->buffers + 4,
                                           .release = release_array};
    *out = (struct ArrowArray){.length = (int64_t)count,
                               .n_buffers = 1,
                               .n_children = 2,
                               .buffers = bulk->buffers,
                               .children = bulk->column_list,
                               .release = release_array};
    return 0;
}

static const char *bulk_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

static struct bulk *make_bulk(const struct database *database, const uint64_t *keys, uint64_t count)
{
    struct bulk *bulk = kv_memory(1, sizeof *bulk);
    bulk->keys = keys;
    bulk->count = count;
    bulk->text_keys = database->text_keys;
    for (int32_t i = 0; i <= (int32_t)ARRAY_ROWS; i++) {
        bulk->key_offsets[i] = i * (int32_t)KV_TEXT_SIZE;
        bulk->value_offsets[i] = i * (int32_t)KV_VALUE_SIZE;
    }
    for (size_t i = 0; i < 2; i++) {
        bulk->field_list[i] = &bulk->fields[i];
        bulk->column_list[i] = &bulk->columns[i];
    }
    bulk->buffers[2] = bulk->text_keys ? (const void *)bulk->key_offsets : bulk->key_bytes;
    bulk->buffers[3] = bulk->key_bytes;
    bulk->buffers[5] = bulk->value_offsets;
    bulk->buffers[6] = bulk->value_bytes;
    return bulk;
}

static void tdb_bulk(void *db, const uint64_t *keys, uint64_t count)
{
    struct session *session = tdb_session_begin(db);
    struct bulk *bulk = make_bulk(db, keys, count);
    struct ArrowArrayStream stream = {.get_schema = bulk_schema,
                                      .get_next = bulk_next,
                                      .get_last_error = bulk_error,
                                      .release = release_stream,
                                      .private_data = bulk};
    tdbplus_load_options options = {.struct_size = sizeof options, .insert = true};
    check(tdbplus_load_arrow(session->rows, NULL, &stream, &options, NULL, &session->call), "load",
          &session->call);
    free(bulk);
    tdb_session_end(session);
}

static void tdb_sync(void *db)
{
    struct database *database = db;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    check(tdbplus_sync(database->db, &call), "sync", &call);
}

static void tdb_optimize(void *db)
{
    struct database *database = db;
    tdbplus_call call = TDBPLUS_CALL_INIT;
    check(tdbplus_optimize(database->db, NULL, &call), "optimize", &call);
}

const struct kv_engine kv_tdb = {
    .name = "tdb+",
    .open = tdb_open,
    .close = tdb_close,
    .session_begin = tdb_session_begin,
    .session_end = tdb_session_end,
    .put = tdb_put,
    .reads_begin = tdb_reads,
    .reads_end = tdb_reads,
    .get = tdb_get,
    .get_many = tdb_get_many,
    .range = tdb_range,
    .scan = tdb_scan,
    .sum = tdb_sum,
    .bulk = tdb_bulk,
    .sync = tdb_sync,
    .optimize = tdb_optimize,
    .spare_files = "log-*",
};
