#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "catalog/catalog_index.h"
#include "catalog/catalog_sequence.h"
#include "engine/engine_internal.h"
#include "simd/simd.h"
#include "sql/exec/index_texts.h"
#include "sql/exec/sql_session.h"

const char *tdbplus_version(void)
{
    return TDBPLUS_VERSION;
}

/* ---- the host's allocator ---- */

static void *host_resize(void *ctx, void *ptr, size_t size_old, size_t size_new, size_t align)
{
    const tdbplus_allocator *host = ctx;
    size_t wanted = align == 0 ? 16 : align;
    if (size_new == 0) {
        if (ptr != NULL) {
            host->release(host->context, ptr, size_old);
        }
        return NULL;
    }
    if (ptr == NULL) {
        return host->allocate(host->context, size_new, wanted);
    }
    if (wanted <= 16) {
        return host->reallocate(host->context, ptr, size_old, size_new);
    }
    void *fresh = host->allocate(host->context, size_new, wanted);
    if (fresh != NULL) {
        memcpy(fresh, ptr, size_old < size_new ? size_old : size_new);
        host->release(host->context, ptr, size_old);
    }
    return fresh;
}

/* ---- open and close ---- */

struct open_args {
    const char *path;
    tdbplus_options options;
    tdbplus_db **db_out;
};

static tdbplus_status check_options(const tdbplus_options *options, struct err *err)
{
    const tdbplus_allocator *allocator = options->allocator;
    if (allocator != NULL && (allocator->allocate == NULL || allocator->reallocate == NULL ||
                              allocator->release == NULL)) {
        return err_set(err, TDBPLUS_E_INVALID, "open: an allocator needs all three functions");
    }
    if (options->durability > TDBPLUS_DURABILITY_NONE || options->thread_count > 1024) {
        return err_set(err, TDBPLUS_E_INVALID, "open: an option is outside its range");
    }
    return TDBPLUS_OK;
}

static uint32_t core_count(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > 64 ? 64 : (uint32_t)count;
}

static tdbplus_status open_store(tdbplus_db *db, const struct open_args *args, struct err *err)
{
    const tdbplus_options *from = &args->options;
    bool in_memory = args->path == NULL || strcmp(args->path, ":memory:") == 0;
    struct store_options options = {
        .env = env_real(),
        .alloc = &db->host,
        .directory = in_memory ? NULL : args->path,
        .read_only = from->read_only,
        .must_exist = from->must_exist,
        .durability = from->durability == TDBPLUS_DURABILITY_DEFAULT
                          ? DURABILITY_FULL
                          : (uint8_t)(from->durability - TDBPLUS_DURABILITY_FULL),
        .sync_interval_us = from->sync_interval_us,
        .memory_limit_bytes = from->memory_limit_bytes,
        .cache_size_bytes = from->cache_size_bytes,
        .memtable_size_bytes = from->memtable_size_bytes,
    };
    TRY(store_open(&options, &db->store, err));
    txn_set_hooks(db->store, sql_txn_hooks());
    // Sessions that ended with the process left their temporary tables.
    struct call call = {.alloc = &db->host, .err = err};
    tdbplus_status status = sql_session_drop_temporary(db->store, NULL, &call);
    if (status != TDBPLUS_OK) {
        store_close(db->store);
    }
    return status;
}

static tdbplus_status open_work(void *arg, const struct call *call)
{
    struct open_args *args = arg;
    TRY(check_options(&args->options, call->err));
    simd_init();
    tdbplus_allocator allocator = {0};
    struct alloc host = alloc_system;
    if (args->options.allocator != NULL) {
        allocator = *args->options.allocator;
        host = (struct alloc){.resize = host_resize, .ctx = &allocator};
    }
    tdbplus_db *db = alloc_array(&host, 1, sizeof *db);
    if (db == NULL) {
        return err_set(call->err, TDBPLUS_E_NOMEM, "open: no memory for the database itself");
    }
    db->allocator = allocator;
    db->host = host;
    if (args->options.allocator != NULL) {
        db->host.ctx = &db->allocator;
    }
    channels_init(&db->channels, &db->host);
    db->thread_count = args->options.thread_count == 0 ? core_count() : args->options.thread_count;
    tdbplus_status status = open_store(db, args, call->err);
    if (status != TDBPLUS_OK) {
        struct alloc source = db->host;
        if (args->options.allocator != NULL) {
            source.ctx = &allocator;
        }
        alloc_free(&source, db, 1, sizeof *db);
        return status;
    }
    *args->db_out = db;
    return TDBPLUS_OK;
}

tdbplus_status tdbplus_open(const char *path, const tdbplus_options *options, tdbplus_db **db_out,
                            tdbplus_call *call)
{
    struct open_args args = {.path = path, .db_out = db_out};
    if (options != NULL) {
        // A program built against an older header has a shorter struct.
        size_t size =
            options->struct_size < sizeof args.options ? options->struct_size : sizeof args.options;
        memcpy(&args.options, options, size);
    }
    return engine_run_here(&alloc_system, env_real(), call, open_work, &args);
}

void tdbplus_close(tdbplus_db *db)
{
    if (db == NULL) {
        return;
    }
    struct fiber_pool *pool = atomic_load(&db->pool);
    if (pool != NULL) {
        fiber_pool_destroy(pool);
    }
    engine_drop_resting_scans(db);
    struct call call = {.alloc = &db->host};
    sequence_settle(db->store, &call);
    store_close(db->store);
    struct alloc host = db->host;
    tdbplus_allocator allocator = db->allocator;
    if (allocator.allocate != NULL) {
        host.ctx = &allocator;
    }
    alloc_free(&host, db, 1, sizeof *db);
}

/* ---- maintenance ---- */

struct maintenance_args {
    tdbplus_db *db;
    const char *text; /* A collection or a directory. */
    void (*report)(void *context, const char *problem);
    void *report_context;
};

static tdbplus_status flush_work(void *arg, const struct call *call)
{
    return store_flush(((struct maintenance_args *)arg)->db->store, call);
}

tdbplus_status tdbplus_flush(tdbplus_db *db, tdbplus_call *call)
{
    struct maintenance_args args = {.db = db};
    return engine_run(db, call, flush_work, &args, sizeof args);
}

static tdbplus_status find_id(struct maintenance_args *args, uint64_t *id_out,
                              const struct call *call)
{
    struct txn_options options = {.read_only = true, .durability = -1};
    struct txn *txn = NULL;
    TRY(txn_begin(args->db->store, &options, call->alloc, &txn, call->err));
    const struct object *object = txn_object(txn, OBJECT_COLLECTION, args->text);
    *id_out = object == NULL ? 0 : object->id;
    txn_abort(txn);
    if (*id_out == 0) {
        return err_set_state(call->err, TDBPLUS_E_NOT_FOUND, "42P01",
                             "there is no collection \"%s\"", args->text);
    }
    return TDBPLUS_OK;
}

static tdbplus_status optimize_work(void *arg, const struct call *call)
{
    struct maintenance_args *args = arg;
    uint64_t id = 0;
    if (args->text != NULL) {
        TRY(find_id(args, &id, call));
    }
    return store_optimize(args->db->store, id, call);
}

tdbplus_status tdbplus_optimize(tdbplus_db *db, const char *collection, tdbplus_call *call)
{
    struct maintenance_args args = {.db = db, .text = collection};
    return engine_run(db, call, optimize_work, &args, sizeof args);
}

static tdbplus_status sync_work(void *arg, const struct call *call)
{
    return store_sync(((struct maintenance_args *)arg)->db->store, call->err);
}

tdbplus_status tdbplus_sync(tdbplus_db *db, tdbplus_call *call)
{
    struct maintenance_args args = {.db = db};
    return engine_run(db, call, sync_work, &args, sizeof args);
}

static tdbplus_status backup_work(void *arg, const struct call *call)
{
    struct maintenance_args *args = arg;
    if (args->text == NULL || args->text[0] == '\0') {
        return err_set(call->err, TDBPLUS_E_INVALID, "backup: name a directory");
    }
    return store_backup(args->db->store, args->text, call);
}

tdbplus_status tdbplus_backup(tdbplus_db *db, const char *directory, tdbplus_call *call)
{
    struct maintenance_args args = {.db = db, .text = directory};
    return engine_run(db, call, backup_work, &args, sizeof args);
}

/* Files that are whole may still disagree: every index is compared with its table. */
static tdbplus_status verify_indexes(struct maintenance_args *args, const struct call *call)
{
    struct txn_options options = {
        .isolation = TXN_REPEATABLE_READ, .read_only = true, .durability = -1};
    struct txn *txn = NULL;
    struct catalog_entry table = {0};
    tdbplus_status first = TDBPLUS_OK;
    TRY(txn_begin(args->db->store, &options, call->alloc, &txn, call->err));
    while (catalog_entry_next(txn, CATALOG_TABLE, &table)) {
        struct err err = {0};
        struct call own = *call;
        own.err = &err;
        tdbplus_status status = catalog_check_table(txn, table.oid, &own);
        if (status == TDBPLUS_OK) {
            continue;
        }
        if (args->report != NULL) {
            args->report(args->report_context, err.text);
        }
        if (first == TDBPLUS_OK) {
            first = err_set(call->err, status, "%s", err.text);
        }
    }
    txn_abort(txn);
    return first;
}

static tdbplus_status verify_work(void *arg, const struct call *call)
{
    struct maintenance_args *args = arg;
    TRY(store_verify(args->db->store, args->report, args->report_context, call));
    return verify_indexes(args, call);
}

tdbplus_status tdbplus_verify(tdbplus_db *db, void (*report)(void *context, const char *problem),
                              void *report_context, tdbplus_call *call)
{
    struct maintenance_args args = {.db = db, .report = report, .report_context = report_context};
    return engine_run(db, call, verify_work, &args, sizeof args);
}

void tdbplus_statistics(tdbplus_db *db,
                        void (*report)(void *context, const char *name, uint64_t value),
                        void *report_context)
{
    struct store_statistics statistics = {0};
    store_get_statistics(db->store, &statistics);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"collections", statistics.collection_count},
        {"segments", statistics.segment_count},
        {"segment_bytes", statistics.segment_bytes},
        {"value_files", statistics.value_file_count},
        {"value_file_bytes", statistics.value_file_bytes},
        {"value_garbage_bytes", statistics.value_garbage_bytes},
        {"memtables", statistics.memtable_count},
        {"memtable_bytes", statistics.memtable_bytes},
        {"memtable_rows", statistics.memtable_rows},
        {"commits", statistics.commit_count},
        {"rows_written", statistics.row_write_count},
        {"bytes_ingested", statistics.ingested_bytes},
        {"log_bytes", statistics.log_bytes},
        {"log_bytes_written", statistics.log_written_bytes},
        {"log_syncs", statistics.log_sync_count},
        {"flushes", statistics.flush_count},
        {"flush_bytes_written", statistics.flush_written_bytes},
        {"merges", statistics.merge_count},
        {"merge_bytes_written", statistics.merge_written_bytes},
        {"loads", statistics.load_count},
        {"load_bytes_written", statistics.load_written_bytes},
        {"manifest_bytes_written", statistics.manifest_written_bytes},
        {"cache_bytes", statistics.cache_bytes},
        {"cache_hits", statistics.cache_hit_count},
        {"cache_misses", statistics.cache_miss_count},
        {"snapshots", statistics.snapshot_count},
        {"memory_bytes", statistics.memory_bytes},
        {"memory_peak_bytes", statistics.memory_peak_bytes},
        {"recovery_records", statistics.recovery_records},
        {"recovery_us", statistics.recovery_us},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        report(report_context, rows[i].name, rows[i].value);
    }
}
